import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { shownTime } from '../../present.ts'

export const command = defineCommand({
  usage: '[--json]',
  description: 'For administrators.',
  options: { json: jsonOption },
  examples: [{ does: 'list the accounts of the instance', command: 'keyhold account list' }],
  run: ({ options, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { accounts } = await keyhold.call('account.list')
      if (options.json) return terminal.printJson(accounts)
      terminal.printTable(
        ['NAME', 'E-MAIL', 'ROLE', 'STATUS', 'CREATED', 'ID'],
        accounts.map(({ name, email, role, isDisabled, createdAt, id }) => [
          name,
          email,
          role,
          isDisabled ? 'Disabled' : 'Active',
          shownTime(createdAt),
          id,
        ]),
      )
    }),
})
