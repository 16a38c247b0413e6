import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { usageFailure } from '../../failure.ts'
import { readClientSecret } from '../repository-provider/provider-options.ts'
import { ruleOptions, rulesFrom } from './provider-options.ts'

export const command = defineCommand({
  usage:
    'ISSUER --client-id=ID [--label=TEXT] [--domain=DOMAIN]… [--claim=NAME=VALUE] [--create-accounts=yes]',
  description:
    'The client secret is read from standard input or a prompt. Register an application (web, confidential) at the provider\n' +
    'first, and give it the redirect URI that is printed here. Examples for Google, Keycloak, Authentik and Entra are in\n' +
    'docs/operations/sign-in.md.',
  arguments: [{ name: 'ISSUER', summary: 'address of the provider, exactly as it writes it' }],
  options: {
    'client-id': { type: 'string', placeholder: 'ID', summary: 'of the application at the provider' },
    ...ruleOptions,
    json: jsonOption,
  },
  examples: [
    {
      does: 'a Keycloak realm whose people get accounts',
      command:
        'keyhold identity-provider add https://sso.example.com/realms/main --client-id=keyhold --domain=example.com --create-accounts=yes < secret.txt',
    },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [issuer = ''] = args
      const { 'client-id': clientId } = options
      if (clientId === undefined)
        throw usageFailure('--client-id is needed', 'the provider shows it with the application')
      const label = URL.canParse(issuer) ? new URL(issuer).host : issuer
      const rules = rulesFrom(options)
      const clientSecret = await readClientSecret(terminal)
      const body = { issuer, label, clientId, clientSecret, ...rules }
      const provider = await keyhold.call('identity-provider.create', { body })
      if (options.json) terminal.printJson(provider)
      else terminal.print(provider.id)
      terminal.note(`${provider.label} registered`)
      terminal.hint(`the application there needs this redirect URI: ${provider.redirectUri}`)
      terminal.hint(`see whether it answers: keyhold identity-provider test ${provider.id}`)
    }),
})
