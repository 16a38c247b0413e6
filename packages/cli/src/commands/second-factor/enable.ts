import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { PASSWORD_DEADLINE_MS } from '../account/new-password.ts'
import { printRecoveryCodes } from './recovery-codes.ts'

export const command = defineCommand({
  usage: '',
  description: `Asks for your password, prints a secret for your authenticator (an app on your phone), and asks for a first code of
it. From then on signing in takes a code. The recovery codes that are printed at the end are for the day on which the
phone is lost: each works once. Access tokens go on working.`,
  options: {},
  examples: [{ does: 'protect your account with a code', command: 'keyhold second-factor enable' }],
  run: ({ env, terminal }) =>
    connected(
      env,
      'person',
      async (keyhold) => {
        const password = await terminal.askSecret('your password:')
        const { passkeys } = await keyhold.call('second-factor.get')
        const recoveryCode =
          passkeys > 0 ? terminal.ask('a recovery code, since you have a passkey:').trim() : undefined
        const { secret, uri } = await keyhold.call('second-factor.begin', {
          body: { password, ...(recoveryCode !== undefined && { code: recoveryCode }) },
        })
        terminal.note('add this to your authenticator, as a key that you type in or as an address:')
        terminal.print(secret)
        terminal.print(uri)
        const code = terminal.ask('the code it shows now:').trim()
        const { recoveryCodes } = await keyhold.call('second-factor.confirm', { body: { code } })
        terminal.note('signing in takes a code from now on')
        printRecoveryCodes(terminal, recoveryCodes)
      },
      { deadlineMs: PASSWORD_DEADLINE_MS },
    ),
})
