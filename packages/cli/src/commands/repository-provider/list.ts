import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { sayEmpty } from '../../present.ts'

export const command = defineCommand({
  usage: '[--json]',
  options: { json: jsonOption },
  examples: [{ does: 'see what can be connected', command: 'keyhold repository-provider list' }],
  run: ({ options, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { providers } = await keyhold.call('repository-provider.list')
      if (options.json) return terminal.printJson(providers)
      if (providers.length === 0)
        return sayEmpty(
          terminal,
          'no code repository provider is registered',
          'an administrator registers one: keyhold repository-provider add github',
        )
      terminal.printTable(
        ['HOST', 'TYPE', 'KIND', 'METHODS', 'SCOPES', 'BASE URL', 'CALLBACK URL', 'ID'],
        providers.map((one) => [
          one.host,
          one.type,
          one.kind,
          one.methods.join(' '),
          one.scopes.join(' '),
          one.baseUrl,
          one.callbackUrl,
          one.id,
        ]),
      )
    }),
})
