import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { confirmTyped } from '../../present.ts'
import { findProvider, providerArgument } from './provider-options.ts'

export const command = defineCommand({
  usage: 'PROVIDER [--confirm=ISSUER]',
  description:
    'You are asked to type the issuer. Whoever signs in there alone cannot sign in any more: let them set a password first.',
  arguments: [providerArgument],
  options: {
    confirm: {
      type: 'string',
      placeholder: 'ISSUER',
      summary: 'the issuer, exactly, in place of being asked',
    },
  },
  examples: [
    {
      does: 'remove a provider',
      command: 'keyhold identity-provider remove https://sso.example.com/realms/main',
    },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { id, issuer, label } = await findProvider(keyhold, args[0] ?? '')
      confirmTyped(terminal, options.confirm, issuer, `nobody will sign in at ${label} any more`)
      await keyhold.call('identity-provider.delete', {
        params: { providerId: id },
        query: { confirm: issuer },
      })
      terminal.note(`${label} removed`)
    }),
})
