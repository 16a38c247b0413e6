import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { shownTime, shownTimeOr } from '../../present.ts'

export const command = defineCommand({
  usage: '[--json]',
  description: 'Whether signing in takes more than the password, and how many recovery codes are left.',
  options: { json: jsonOption },
  examples: [{ does: 'see what protects your account', command: 'keyhold second-factor show' }],
  run: ({ options, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const state = await keyhold.call('second-factor.get')
      if (options.json) return terminal.printJson(state)
      const { totp, passkeys, recoveryCodesLeft, isRequired } = state
      terminal.printTable(
        ['WHAT', 'STATE'],
        [
          ['authenticator', totp ? `on since ${shownTime(totp.createdAt)}` : 'off'],
          ['last used', shownTimeOr(totp?.lastUsedAt ?? null, 'Never')],
          ['passkeys', String(passkeys)],
          ['recovery codes left', String(recoveryCodesLeft)],
          ['required on this instance', isRequired ? 'yes' : 'no'],
        ],
      )
      if (!totp && passkeys === 0) terminal.hint('turn it on: keyhold second-factor enable')
      else if (recoveryCodesLeft < 3) terminal.hint('make new ones: keyhold second-factor recovery-codes')
    }),
})
