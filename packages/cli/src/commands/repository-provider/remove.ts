import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { confirmTyped } from '../../present.ts'
import { findProvider, hostArgument } from '../repository/find-repository.ts'

export const command = defineCommand({
  usage: 'HOST [--confirm=HOST]',
  description:
    "You are asked to type the host. People's connections go with it; their tokens are deleted but not revoked, which takes\n" +
    'the person. Deleting the OAuth application at the provider ends all its tokens.',
  arguments: [hostArgument],
  options: {
    confirm: { type: 'string', placeholder: 'HOST', summary: 'the host, exactly, in place of being asked' },
  },
  examples: [
    {
      does: 'remove a provider in a script',
      command: 'keyhold repository-provider remove git.example.com --confirm=git.example.com',
    },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { id, host } = await findProvider(keyhold, args[0] ?? '')
      confirmTyped(terminal, options.confirm, host, `people's connections to ${host} will be deleted with it`)
      await keyhold.call('repository-provider.delete', {
        params: { providerId: id },
        query: { confirm: host },
      })
      terminal.note(`${host} removed`)
      terminal.hint(`delete the OAuth application at ${host} as well: that ends all its tokens`)
    }),
})
