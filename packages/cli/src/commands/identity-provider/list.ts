import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { sayEmpty } from '../../present.ts'

export const command = defineCommand({
  usage: '[--json]',
  description: 'Where people can sign in besides here, and whom each lets in.',
  options: { json: jsonOption },
  examples: [{ does: 'see who may sign in', command: 'keyhold identity-provider list' }],
  run: ({ options, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { identityProviders } = await keyhold.call('identity-provider.list')
      if (options.json) return terminal.printJson(identityProviders)
      if (identityProviders.length === 0)
        return sayEmpty(
          terminal,
          'people sign in here only',
          'register a provider: keyhold identity-provider add ISSUER --client-id=ID',
        )
      terminal.printTable(
        ['LABEL', 'ISSUER', 'ADDRESSES', 'CLAIM', 'NEW ACCOUNTS', 'SECOND FACTOR BY', 'REDIRECT URI', 'ID'],
        identityProviders.map((one) => [
          one.label,
          one.issuer,
          one.allowedEmailDomains.join(' ') || 'any',
          one.requiredClaim ? `${one.requiredClaim.name}=${one.requiredClaim.value}` : '',
          one.createsAccounts ? `as ${one.role}` : 'no',
          [...one.trustedAmr, ...one.trustedAcr].join(' '),
          one.redirectUri,
          one.id,
        ]),
      )
    }),
})
