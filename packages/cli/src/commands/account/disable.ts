import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { confirmed, yesOption } from '../../present.ts'
import { findAccount } from './find-account.ts'

export const command = defineCommand({
  usage: 'ACCOUNT [--yes]',
  description: 'For administrators. Its sessions and access tokens get 401 at once; nothing is deleted.',
  arguments: [{ name: 'ACCOUNT', summary: 'e-mail address or id' }],
  options: { yes: yesOption, json: jsonOption },
  examples: [{ does: 'shut an account out', command: 'keyhold account disable ada@example.com' }],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { id: accountId, name, email } = await findAccount(keyhold, args[0] ?? '')
      confirmed(terminal, options.yes, `disable ${name} (${email})? sessions and access tokens end at once`)
      const account = await keyhold.call('account.update', {
        params: { accountId },
        body: { isDisabled: true },
      })
      if (options.json) return terminal.printJson(account)
      terminal.note(`account ${email} is disabled`)
      terminal.hint(
        'access keys that the person knows still work; see the audit log and regenerate those that matter',
      )
    }),
})
