import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { usageFailure } from '../../failure.ts'
import { findProvider, hostArgument } from '../repository/find-repository.ts'
import { caOption, clientIdOption, readCa, readClientSecret, scopeOption } from './provider-options.ts'

export const command = defineCommand({
  usage: 'HOST [--client-id=ID | --new-secret] [--scope=SCOPE]… [--ca=FILE | --no-ca]',
  description:
    'With --client-id or --new-secret the client secret is read from standard input or a prompt. New scopes are asked for\n' +
    'when people connect the next time. The address cannot be changed: register the new one beside it.',
  arguments: [hostArgument],
  options: {
    'client-id': clientIdOption,
    'new-secret': { type: 'boolean', summary: 'replace the client secret and keep the client id' },
    scope: scopeOption,
    ca: caOption,
    'no-ca': { type: 'boolean', summary: 'trust the usual certificates again' },
    json: jsonOption,
  },
  examples: [
    {
      does: 'give a provider its OAuth application',
      command: 'keyhold repository-provider edit github.com --client-id=Iv23li…',
    },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { 'client-id': clientId, 'new-secret': isNewSecret, scope, ca, 'no-ca': isWithoutCa } = options
      if (clientId === undefined && !isNewSecret && scope.length === 0 && ca === undefined && !isWithoutCa)
        throw usageFailure('there is nothing to change', 'see keyhold repository-provider edit --help')
      if (ca !== undefined && isWithoutCa)
        throw usageFailure('--ca and --no-ca exclude each other', 'leave one of them out')
      const { id } = await findProvider(keyhold, args[0] ?? '')
      const body = {
        ...(clientId !== undefined && { clientId }),
        ...((clientId !== undefined || isNewSecret) && { clientSecret: await readClientSecret(terminal) }),
        ...(scope.length > 0 && { scopes: [...new Set(scope)] }),
        ...(ca !== undefined && { ca: readCa(ca) }),
        ...(isWithoutCa && { ca: null }),
      }
      const provider = await keyhold.call('repository-provider.update', { params: { providerId: id }, body })
      if (options.json) return terminal.printJson(provider)
      terminal.note(`${provider.host} changed`)
    }),
})
