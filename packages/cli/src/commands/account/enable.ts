import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { findAccount } from './find-account.ts'

export const command = defineCommand({
  usage: 'ACCOUNT',
  description: 'For administrators.',
  arguments: [{ name: 'ACCOUNT', summary: 'e-mail address or id' }],
  options: { json: jsonOption },
  examples: [{ does: 'let an account in again', command: 'keyhold account enable ada@example.com' }],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { id: accountId, email } = await findAccount(keyhold, args[0] ?? '')
      const account = await keyhold.call('account.update', {
        params: { accountId },
        body: { isDisabled: false },
      })
      if (options.json) return terminal.printJson(account)
      terminal.note(`account ${email} is enabled`)
    }),
})
