import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { confirmed, yesOption } from '../../present.ts'
import { findConnection, hostArgument } from './find-repository.ts'

export const command = defineCommand({
  usage: 'HOST [--yes]',
  description:
    'Deletes the token here, and ends it at the provider. Where that cannot be done it says so, and what is left to do.',
  arguments: [hostArgument],
  options: { yes: yesOption },
  examples: [{ does: 'disconnect', command: 'keyhold repository disconnect github.com' }],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { id, host, login } = await findConnection(keyhold, args[0] ?? '')
      confirmed(terminal, options.yes, `disconnect ${login === null ? host : `${login} at ${host}`}?`)
      const { revocation, next } = await keyhold.call('repository.disconnect', {
        params: { connectionId: id },
      })
      const said = {
        revoked: `disconnected from ${host}; the token was revoked there`,
        failed: `disconnected from ${host}, but the token was not revoked there`,
        unsupported: `disconnected from ${host}, which has no way to revoke the token; it ends by itself`,
        none: `disconnected from ${host}`,
      }
      terminal.note(said[revocation])
      if (next !== null) terminal.hint(next)
    }),
})
