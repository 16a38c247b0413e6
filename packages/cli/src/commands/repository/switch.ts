import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { usageFailure } from '../../failure.ts'
import { findConnection, hostArgument, sayPublicKey } from './find-repository.ts'

export const command = defineCommand({
  usage: 'HOST --method=METHOD',
  description: 'The other method is no longer offered to git; a token stays stored, for switching back.',
  arguments: [hostArgument],
  options: {
    method: {
      type: 'string',
      placeholder: 'METHOD',
      summary: 'what git is to use',
      choices: ['oauth', 'ssh'],
    },
  },
  examples: [{ does: 'use the SSH key', command: 'keyhold repository switch github.com --method=ssh' }],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      if (options.method === undefined) throw usageFailure('--method is missing', 'choose oauth or ssh')
      const method = options.method as 'oauth' | 'ssh' // `as`: one of the choices.
      const { id } = await findConnection(keyhold, args[0] ?? '')
      const connection = await keyhold.call('repository.update', {
        params: { connectionId: id },
        body: { method },
      })
      terminal.note(`git uses ${method === 'ssh' ? 'your SSH key' : 'OAuth'} with ${connection.host}`)
      if (method === 'ssh') sayPublicKey(terminal, connection)
    }),
})
