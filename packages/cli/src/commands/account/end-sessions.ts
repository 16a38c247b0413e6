import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { confirmed, yesOption } from '../../present.ts'
import { findAccount } from './find-account.ts'

export const command = defineCommand({
  usage: 'ACCOUNT [--yes]',
  description: 'For administrators. The next request of each browser gets 401; access tokens go on working.',
  arguments: [{ name: 'ACCOUNT', summary: 'e-mail address or id' }],
  options: { yes: yesOption },
  examples: [{ does: 'a laptop was stolen', command: 'keyhold account end-sessions ada@example.com' }],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { id: accountId, name, email } = await findAccount(keyhold, args[0] ?? '')
      confirmed(terminal, options.yes, `end all browser sessions of ${name} (${email})?`)
      await keyhold.call('account.end_sessions', { params: { accountId } })
      terminal.note(`the browser sessions of ${email} ended`)
      terminal.hint(`to shut the account out: keyhold account disable ${email}`)
    }),
})
