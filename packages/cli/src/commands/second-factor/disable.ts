import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { PASSWORD_DEADLINE_MS } from '../account/new-password.ts'

export const command = defineCommand({
  usage: '',
  description:
    'Asks for your password and a code, or a recovery code. Without a passkey the password alone signs you in from then on.',
  options: {},
  examples: [{ does: 'change to another phone', command: 'keyhold second-factor disable' }],
  run: ({ env, terminal }) =>
    connected(
      env,
      'person',
      async (keyhold) => {
        const password = await terminal.askSecret('your password:')
        const code = terminal.ask('a code of your authenticator, or a recovery code:').trim()
        await keyhold.call('second-factor.delete', { body: { password, code } })
        const { passkeys } = await keyhold.call('second-factor.get')
        terminal.note(
          passkeys > 0
            ? 'the authenticator is off; your passkeys stay'
            : 'the password alone signs you in from now on',
        )
        terminal.hint('with another authenticator: keyhold second-factor enable')
      },
      { deadlineMs: PASSWORD_DEADLINE_MS },
    ),
})
