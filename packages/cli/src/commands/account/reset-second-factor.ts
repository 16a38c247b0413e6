import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { confirmed, yesOption } from '../../present.ts'
import { findAccount } from './find-account.ts'

export const command = defineCommand({
  usage: 'ACCOUNT [--yes]',
  description: `For administrators, when somebody lost their authenticator and their recovery codes. Make sure that it is them who
asks: with the password alone they, or whoever has it, can sign in then. On the server's own machine, for the last
administrator: keyhold admin reset-second-factor --email EMAIL.`,
  arguments: [{ name: 'ACCOUNT', summary: 'e-mail address or id' }],
  options: { yes: yesOption },
  examples: [
    {
      does: 'help somebody with a new phone',
      command: 'keyhold account reset-second-factor ada@example.com',
    },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { id: accountId, name, email } = await findAccount(keyhold, args[0] ?? '')
      confirmed(terminal, options.yes, `turn off the second factor of ${name} (${email})?`)
      await keyhold.call('account.reset_second_factor', { params: { accountId } })
      terminal.note(`${email} signs in with the password alone`)
    }),
})
