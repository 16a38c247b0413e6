import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { sayEmpty, shownTime, shownTimeOr } from '../../present.ts'

const shownStatus = { open: 'Open', accepted: 'Accepted', expired: 'Expired' } as const

export const command = defineCommand({
  usage: '[--json]',
  description: 'For administrators. Newest first.',
  options: { json: jsonOption },
  examples: [{ does: 'list who is invited', command: 'keyhold invitation list' }],
  run: ({ options, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { invitations } = await keyhold.call('invitation.list')
      if (options.json) return terminal.printJson(invitations)
      if (invitations.length === 0)
        return sayEmpty(terminal, 'nobody is invited', 'invite somebody: keyhold invitation create EMAIL')
      terminal.printTable(
        ['E-MAIL', 'STATUS', 'ROLE', 'PROJECTS', 'INVITED BY', 'MAILED', 'EXPIRES', 'ID'],
        invitations.map((one) => [
          one.email,
          shownStatus[one.status],
          one.role,
          String(one.projects.length),
          one.invitedBy,
          shownTimeOr(one.mailedAt, 'no'),
          shownTime(one.expiresAt),
          one.id,
        ]),
      )
    }),
})
