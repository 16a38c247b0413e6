import { repositoryProviderTypes } from '@keyhold/contract/api/repositories'
import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import {
  caOption,
  clientIdOption,
  readCa,
  readClientSecret,
  sayNext,
  scopeOption,
} from './provider-options.ts'

export const command = defineCommand({
  usage: 'TYPE [--base-url=URL] [--client-id=ID] [--scope=SCOPE]… [--ca=FILE]',
  description:
    'Without --base-url it is the cloud service, with it a self-hosted one. Without --client-id people can connect by SSH\n' +
    'only: begin so, register the OAuth application at the provider with the callback URL that is printed, and add its\n' +
    'client id afterwards.',
  arguments: [{ name: 'TYPE', summary: 'the software of the provider', choices: repositoryProviderTypes }],
  options: {
    'base-url': {
      type: 'string',
      placeholder: 'URL',
      summary: 'of a self-hosted service, such as https://git.example.com',
    },
    'client-id': clientIdOption,
    scope: scopeOption,
    ca: caOption,
    json: jsonOption,
  },
  examples: [
    { does: 'GitHub in the cloud', command: 'keyhold repository-provider add github' },
    {
      does: 'a GitLab of your own',
      command:
        'keyhold repository-provider add gitlab --base-url=https://git.example.com --client-id=ID < secret.txt',
    },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const type = args[0] as (typeof repositoryProviderTypes)[number] // `as`: one of the choices.
      const { 'base-url': baseUrl, 'client-id': clientId, scope, ca } = options
      const body = {
        type,
        kind: baseUrl === undefined ? ('default' as const) : ('internal' as const),
        ...(baseUrl !== undefined && { baseUrl }),
        ...(scope.length > 0 && { scopes: [...new Set(scope)] }),
        ...(ca !== undefined && { ca: readCa(ca) }),
        ...(clientId !== undefined && { clientId, clientSecret: await readClientSecret(terminal) }),
      }
      const provider = await keyhold.call('repository-provider.create', { body })
      if (options.json) terminal.printJson(provider)
      else terminal.print(provider.id)
      terminal.note(`${provider.host} registered`)
      sayNext(terminal, provider)
    }),
})
