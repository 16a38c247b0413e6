import type { IdentityProvider } from '@keyhold/contract/api/identity-providers'
import type { Keyhold } from '@keyhold/sdk'
import { Failure, usageFailure } from '../../failure.ts'

/** What may be chosen when a provider is registered, and changed later. */
export const ruleOptions = {
  label: {
    type: 'string',
    placeholder: 'TEXT',
    summary: 'words of the button; default: the host of the issuer',
  },
  scope: {
    type: 'string',
    placeholder: 'SCOPE',
    summary: 'what is asked for; default: openid, email and profile',
    isRepeatable: true,
  },
  domain: {
    type: 'string',
    placeholder: 'DOMAIN',
    summary: 'only people with an address there may sign in; "any" takes the rule away',
    isRepeatable: true,
  },
  claim: {
    type: 'string',
    placeholder: 'NAME=VALUE',
    summary: 'only people of whom the provider says this may sign in; "none" takes the rule away',
  },
  'trust-email': {
    type: 'string',
    placeholder: 'yes|no',
    summary: 'addresses are right even where the provider does not say that it verified them',
    choices: ['yes', 'no'],
  },
  'create-accounts': {
    type: 'string',
    placeholder: 'yes|no',
    summary: 'whoever signs in first gets an account; needs --domain or --claim',
    choices: ['yes', 'no'],
  },
  role: {
    type: 'string',
    placeholder: 'ROLE',
    summary: 'of accounts that are made so',
    choices: ['member', 'admin'],
  },
  'trust-amr': {
    type: 'string',
    placeholder: 'METHOD',
    summary: 'method (amr) that counts as a second factor, such as otp, hwk or mfa; "none": no method',
    isRepeatable: true,
  },
  'trust-acr': {
    type: 'string',
    placeholder: 'CLASS',
    summary: 'class (acr) that is asked for and counts as a second factor; "none": no class',
    isRepeatable: true,
  },
} as const

interface RuleOptions {
  readonly label: string | undefined
  readonly scope: readonly string[]
  readonly domain: readonly string[]
  readonly claim: string | undefined
  readonly 'trust-email': string | undefined
  readonly 'create-accounts': string | undefined
  readonly role: string | undefined
  readonly 'trust-amr': readonly string[]
  readonly 'trust-acr': readonly string[]
}

/** The part of a body that the options name. @throws Failure */
export function rulesFrom(options: RuleOptions) {
  const { label, scope, domain, claim, role } = options
  const isYes = (choice: string) => choice === 'yes'
  const listOf = (words: readonly string[], none: string) => (words.includes(none) ? [] : [...new Set(words)])
  const { 'trust-email': trustEmail, 'create-accounts': create } = options
  return {
    ...(label !== undefined && { label }),
    ...(scope.length > 0 && { scopes: [...new Set(scope)] }),
    ...(domain.length > 0 && { allowedEmailDomains: listOf(domain, 'any') }),
    ...(claim !== undefined && { requiredClaim: claim === 'none' ? null : parsedClaim(claim) }),
    ...(trustEmail !== undefined && { isEmailTrusted: isYes(trustEmail) }),
    ...(create !== undefined && { createsAccounts: isYes(create) }),
    ...(role !== undefined && { role: role as 'admin' | 'member' }), // `as`: one of the choices.
    ...(options['trust-amr'].length > 0 && { trustedAmr: listOf(options['trust-amr'], 'none') }),
    ...(options['trust-acr'].length > 0 && { trustedAcr: listOf(options['trust-acr'], 'none') }),
  }
}

function parsedClaim(claim: string): { name: string; value: string } {
  const equals = claim.indexOf('=')
  if (equals < 1) throw usageFailure('--claim has to be NAME=VALUE', 'such as --claim=groups=developers')
  return { name: claim.slice(0, equals), value: claim.slice(equals + 1) }
}

export const providerArgument = {
  name: 'PROVIDER',
  summary: 'id, issuer, or label if only one provider has it',
} as const

/** @throws Failure */
export async function findProvider(keyhold: Keyhold, wanted: string): Promise<IdentityProvider> {
  const { identityProviders } = await keyhold.call('identity-provider.list')
  const named = identityProviders.filter(({ label }) => label === wanted)
  const found =
    identityProviders.find(({ id, issuer }) => id === wanted || issuer === wanted) ??
    (named.length === 1 ? named[0] : undefined)
  if (found) return found
  throw new Failure(
    named.length > 1
      ? `${named.length} identity providers have this label`
      : 'identity provider not found (identity_provider.not_found)',
    { hints: ['those that are registered: keyhold identity-provider list'] },
  )
}
