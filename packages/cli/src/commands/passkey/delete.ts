import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { confirmed, yesOption } from '../../present.ts'
import { PASSWORD_DEADLINE_MS } from '../account/new-password.ts'
import { findPasskey } from './find-passkey.ts'

export const command = defineCommand({
  usage: 'PASSKEY [--end-sessions] [--yes]',
  description: `Asks for your password and a code of your authenticator, or a recovery code. The passkey signs nobody in from then on;
what it has signed in goes on, unless --end-sessions says otherwise. Remove it on the device as well: Keyhold cannot.`,
  arguments: [{ name: 'PASSKEY', summary: 'id, or name if only one passkey has it' }],
  options: {
    'end-sessions': { type: 'boolean', summary: 'end all your browser sessions with it' },
    yes: yesOption,
  },
  examples: [{ does: 'a laptop was lost', command: 'keyhold passkey delete laptop --end-sessions' }],
  run: ({ options, args, env, terminal }) =>
    connected(
      env,
      'person',
      async (keyhold) => {
        const passkey = findPasskey((await keyhold.call('passkey.list')).passkeys, args[0] ?? '')
        confirmed(terminal, options.yes, `delete passkey ${passkey.name}?`)
        const password = await terminal.askSecret('your password:')
        const code = terminal.ask('a code of your authenticator, or a recovery code:').trim()
        await keyhold.call('passkey.delete', {
          params: { passkeyId: passkey.id },
          body: { password, code, endOtherSessions: options['end-sessions'] },
        })
        terminal.note(`passkey ${passkey.name} deleted`)
        if (!options['end-sessions']) terminal.hint('where you are signed in: keyhold session list')
      },
      { deadlineMs: PASSWORD_DEADLINE_MS },
    ),
})
