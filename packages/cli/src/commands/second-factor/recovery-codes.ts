import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import type { Terminal } from '../../terminal.ts'
import { PASSWORD_DEADLINE_MS } from '../account/new-password.ts'

export const command = defineCommand({
  usage: '',
  description:
    'Asks for your password and a code, and prints new recovery codes. The ones from before stop working.',
  options: {},
  examples: [
    { does: 'replace recovery codes that somebody saw', command: 'keyhold second-factor recovery-codes' },
  ],
  run: ({ env, terminal }) =>
    connected(
      env,
      'person',
      async (keyhold) => {
        const password = await terminal.askSecret('your password:')
        const code = terminal.ask('a code of your authenticator, or a recovery code:').trim()
        const { recoveryCodes } = await keyhold.call('second-factor.codes', { body: { password, code } })
        printRecoveryCodes(terminal, recoveryCodes)
      },
      { deadlineMs: PASSWORD_DEADLINE_MS },
    ),
})

/** Prints them one to a line, so that they can be piped to where they are kept. */
export function printRecoveryCodes(terminal: Terminal, codes: readonly string[]): void {
  terminal.note('recovery codes, shown only now; each works once in place of a code:')
  for (const code of codes) terminal.print(code)
  terminal.hint('keep them where your phone is not')
}
