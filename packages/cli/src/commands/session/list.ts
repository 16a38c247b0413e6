import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { sayEmpty, shownTime } from '../../present.ts'

export const command = defineCommand({
  usage: '[--json]',
  description: 'Browser sessions only; access tokens are in "keyhold token list".',
  options: { json: jsonOption },
  examples: [{ does: 'see where you are signed in', command: 'keyhold session list' }],
  run: ({ options, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { sessions } = await keyhold.call('sessions.list')
      if (options.json) return terminal.printJson(sessions)
      if (sessions.length === 0)
        return sayEmpty(terminal, 'you are signed in with no browser', 'your tokens: keyhold token list')
      terminal.printTable(
        ['ID', 'ADDRESS', 'CLIENT', 'SIGNED IN BY', 'BEGUN', 'LAST USED', 'ENDS'],
        sessions.map((session) => [
          session.id,
          session.address ?? '',
          session.client ?? '',
          session.signedInBy ?? '',
          shownTime(session.createdAt),
          shownTime(session.lastUsedAt),
          shownTime(session.expiresAt),
        ]),
      )
    }),
})
