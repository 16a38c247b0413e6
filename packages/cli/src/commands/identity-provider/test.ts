import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { Failure } from '../../failure.ts'
import { findProvider, providerArgument } from './provider-options.ts'

export const command = defineCommand({
  usage: 'PROVIDER [--json]',
  description:
    'The server asks the provider what it offers, and says what would keep people from signing in. Whether client id and\n' +
    'secret are right shows only when somebody signs in.',
  arguments: [providerArgument],
  options: { json: jsonOption },
  examples: [{ does: 'find out what is wrong', command: 'keyhold identity-provider test "Example SSO"' }],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { id } = await findProvider(keyhold, args[0] ?? '')
      const { checks } = await keyhold.call('identity-provider.test', { params: { providerId: id } })
      if (options.json) terminal.printJson(checks)
      else
        terminal.printTable(
          ['CHECK', 'RESULT', 'DETAIL'],
          checks.map(({ name, isOk, detail }) => [name, isOk ? 'ok' : 'wrong', detail]),
        )
      const wrong = checks.filter(({ isOk }) => !isOk)
      if (wrong.length > 0) throw new Failure(`wrong: ${wrong.map(({ name }) => name).join(', ')}`)
    }),
})
