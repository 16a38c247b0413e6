import { isatty } from 'node:tty'
import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { findProvider, hostArgument, sayPublicKey } from './find-repository.ts'

export const command = defineCommand({
  usage: 'HOST [--method=METHOD] [--json]',
  description:
    'By OAuth: prints an address to open in your browser. When you have said yes at the provider, the browser shows a code;\n' +
    'type it here, or give it to "keyhold repository confirm". Both within 10 minutes.\n' +
    'By SSH: git uses your SSH key with this host, and you register its public part there.',
  arguments: [hostArgument],
  options: {
    method: {
      type: 'string',
      placeholder: 'METHOD',
      summary: 'default: oauth where the provider has it',
      choices: ['oauth', 'ssh'],
    },
    json: jsonOption,
  },
  examples: [
    { does: 'connect your GitHub account', command: 'keyhold repository connect github.com' },
    {
      does: 'use your SSH key instead',
      command: 'keyhold repository connect git.example.com --method=ssh',
    },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const provider = await findProvider(keyhold, args[0] ?? '')
      const isOauth = provider.methods.includes('oauth')
      const method = (options.method ?? (isOauth ? 'oauth' : 'ssh')) as 'oauth' | 'ssh' // `as`: one of the choices.
      const begun = await keyhold.call('repository.connect', { body: { providerId: provider.id, method } })
      if (options.json) return terminal.printJson(begun)
      if (begun.connection !== null) {
        terminal.note(`git will use your SSH key with ${provider.host}`)
        return sayPublicKey(terminal, begun.connection)
      }
      terminal.note('open this address in your browser, and come back with the code that it shows')
      terminal.print(begun.authorizationUrl ?? '')
      // Without somebody to type there is nothing to wait for.
      if (!isatty(0)) return terminal.hint('then: keyhold repository confirm')
      const code = terminal.ask('code that the browser shows:')
      const connection = await keyhold.call('repository.confirm', { body: { code } })
      terminal.note(`connected to ${connection.host} as ${connection.login ?? ''}`)
    }),
})
