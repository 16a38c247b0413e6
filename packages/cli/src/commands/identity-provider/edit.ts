import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { usageFailure } from '../../failure.ts'
import { readClientSecret } from '../repository-provider/provider-options.ts'
import { findProvider, providerArgument, ruleOptions, rulesFrom } from './provider-options.ts'

export const command = defineCommand({
  usage:
    'PROVIDER [--client-id=ID | --new-secret] [--domain=DOMAIN]… [--claim=NAME=VALUE] [--create-accounts=yes|no]',
  description:
    'What is not named stays. With --client-id or --new-secret the client secret is read from standard input or a prompt.\n' +
    'The issuer cannot be changed: people are known by it.',
  arguments: [providerArgument],
  options: {
    'client-id': { type: 'string', placeholder: 'ID', summary: 'of another application at the provider' },
    'new-secret': { type: 'boolean', summary: 'replace the client secret and keep the client id' },
    ...ruleOptions,
    json: jsonOption,
  },
  examples: [
    {
      does: 'let the second factor of the provider count',
      command: 'keyhold identity-provider edit "Example SSO" --trust-amr=mfa',
    },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { 'client-id': clientId, 'new-secret': isNewSecret } = options
      const rules = rulesFrom(options)
      if (clientId === undefined && !isNewSecret && Object.keys(rules).length === 0)
        throw usageFailure('there is nothing to change', 'see keyhold identity-provider edit --help')
      const { id } = await findProvider(keyhold, args[0] ?? '')
      const body = {
        ...rules,
        ...(clientId !== undefined && { clientId }),
        ...((clientId !== undefined || isNewSecret) && { clientSecret: await readClientSecret(terminal) }),
      }
      const provider = await keyhold.call('identity-provider.update', { params: { providerId: id }, body })
      if (options.json) return terminal.printJson(provider)
      terminal.note(`${provider.label} changed`)
    }),
})
