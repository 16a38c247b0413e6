import Type, { type Static } from 'typebox'
import { limits } from '../limits.ts'
import { route } from '../route.ts'
import { instanceRoles } from './accounts.ts'
import { SecondFactorCode } from './second-factor.ts'
import { Id, Name, Nullable, OneOf, Time } from './shapes.ts'

/** One word of a request to the provider, such as a scope or a method of authentication. */
const Word = Type.String({ minLength: 1, maxLength: 200, pattern: '^[\\x21-\\x7e]+$' })
const Words = Type.Array(Word, { maxItems: 20, uniqueItems: true })
const Domain = Type.String({
  minLength: 1,
  maxLength: 253,
  pattern: '^[^\\s@\\u0000-\\u001f\\ud800-\\udfff]+$',
  description: 'What stands after the @, such as example.com',
})
const RequiredClaim = Type.Object(
  {
    name: Word,
    value: Type.String({ minLength: 1, maxLength: 200, pattern: '^[^\\u0000-\\u001f\\ud800-\\udfff]+$' }),
  },
  { additionalProperties: false },
)
const ClientId = Type.String({ minLength: 1, maxLength: 500, pattern: '^[\\x21-\\x7e]+$' })
const ClientSecret = Type.String({
  minLength: 1,
  maxLength: 1_000,
  pattern: '^[\\x20-\\x7e]+$',
  writeOnly: true,
})
const ProviderId = Type.Object({ providerId: Id })

/** What may be chosen when a provider is registered, and changed later. */
const choices = {
  /** Words of the button, such as `Example SSO`. */
  label: Name,
  clientId: ClientId,
  scopes: Words,
  /** Only people with an address of one of these may sign in; empty: no such rule. */
  allowedEmailDomains: Type.Array(Domain, { maxItems: 50, uniqueItems: true }),
  /** Only people for whom the provider says this may sign in; lists have to hold the value. `null`: no such rule. */
  requiredClaim: Nullable(RequiredClaim),
  /** Addresses of the provider are right even where it does not say that it verified them. */
  isEmailTrusted: Type.Boolean(),
  /** Whoever signs in first gets an account. Needs one of the two rules. */
  createsAccounts: Type.Boolean(),
  /** Of accounts that are made so. */
  role: OneOf(instanceRoles),
  /** Methods (`amr`) and classes (`acr`) that count as a second factor; both empty: none does. */
  trustedAmr: Words,
  trustedAcr: Words,
}

const optional = {
  scopes: Type.Optional(choices.scopes),
  allowedEmailDomains: Type.Optional(choices.allowedEmailDomains),
  requiredClaim: Type.Optional(choices.requiredClaim),
  isEmailTrusted: Type.Optional(choices.isEmailTrusted),
  createsAccounts: Type.Optional(choices.createsAccounts),
  role: Type.Optional(choices.role),
  trustedAmr: Type.Optional(choices.trustedAmr),
  trustedAcr: Type.Optional(choices.trustedAcr),
}

export const IdentityProvider = Type.Object({
  id: Id,
  issuer: Type.String(),
  ...choices,
  /** What has to be registered at the provider, exactly. */
  redirectUri: Type.String(),
  createdAt: Time,
  updatedAt: Time,
})
export type IdentityProvider = Static<typeof IdentityProvider>

export const listIdentityProviders = route({
  id: 'identity-provider.list',
  method: 'GET',
  path: '/api/v1/identity-providers',
  summary: 'List where people can sign in besides here (administrators)',
  caller: 'person',
  scope: 'settings:read',
  action: 'identity-provider.list',
  status: 200,
  answer: Type.Object({ identityProviders: Type.Array(IdentityProvider) }),
})

export const createIdentityProvider = route({
  id: 'identity-provider.create',
  method: 'POST',
  path: '/api/v1/identity-providers',
  summary: 'Register an OpenID Connect provider (administrators)',
  caller: 'person',
  scope: 'settings:write',
  action: 'identity-provider.create',
  body: Type.Object(
    {
      issuer: Type.String({
        minLength: 1,
        maxLength: limits.urlLength,
        pattern: '^https?://[\\x21-\\x7e]+$',
        description: 'As the provider writes it, with or without a slash at its end',
      }),
      label: choices.label,
      clientId: ClientId,
      clientSecret: ClientSecret,
      ...optional,
    },
    { additionalProperties: false },
  ),
  status: 201,
  answer: IdentityProvider,
  errors: ['identity_provider.exists', 'identity_provider.limit', 'session.reauthentication_required'],
})

export const updateIdentityProvider = route({
  id: 'identity-provider.update',
  method: 'PATCH',
  path: '/api/v1/identity-providers/{providerId}',
  summary: 'Change an OpenID Connect provider, all but its issuer (administrators)',
  caller: 'person',
  scope: 'settings:write',
  action: 'identity-provider.update',
  params: ProviderId,
  body: Type.Object(
    {
      label: Type.Optional(choices.label),
      clientId: Type.Optional(ClientId),
      clientSecret: Type.Optional(ClientSecret),
      ...optional,
    },
    { additionalProperties: false, minProperties: 1 },
  ),
  status: 200,
  answer: IdentityProvider,
  errors: ['identity_provider.not_found', 'session.reauthentication_required'],
})

export const deleteIdentityProvider = route({
  id: 'identity-provider.delete',
  method: 'DELETE',
  path: '/api/v1/identity-providers/{providerId}',
  summary: 'Remove an OpenID Connect provider with people’s links to it (administrators)',
  caller: 'person',
  scope: 'settings:write',
  action: 'identity-provider.delete',
  params: ProviderId,
  query: Type.Object({
    confirm: Type.Optional(
      Type.String({ maxLength: limits.urlLength, description: 'Its issuer, when people are linked to it' }),
    ),
  }),
  status: 204,
  errors: ['identity_provider.not_found', 'identity_provider.in_use', 'session.reauthentication_required'],
})

export const testIdentityProvider = route({
  id: 'identity-provider.test',
  method: 'POST',
  path: '/api/v1/identity-providers/{providerId}/test',
  summary: 'Ask an OpenID Connect provider what it offers, and say what is wrong (administrators)',
  caller: 'person',
  scope: 'settings:write',
  action: 'identity-provider.test',
  params: ProviderId,
  status: 200,
  answer: Type.Object({
    checks: Type.Array(Type.Object({ name: Type.String(), isOk: Type.Boolean(), detail: Type.String() })),
  }),
  errors: ['identity_provider.not_found'],
})

export const getSignInOptions = route({
  id: 'session.options',
  method: 'GET',
  path: '/api/v1/session/options',
  summary: 'The ways to sign in',
  caller: 'anyone',
  status: 200,
  answer: Type.Object({
    passkeys: Type.Boolean(),
    identityProviders: Type.Array(Type.Object({ id: Id, label: Type.String() })),
  }),
})

const ProviderBody = Type.Object({ providerId: Id }, { additionalProperties: false })
const SentAway = Type.Object({
  /** Where the browser has to go now. It comes back within 5 minutes, or begins anew. */
  authorizationUrl: Type.String(),
})

export const beginProviderSignIn = route({
  id: 'session.provider_begin',
  method: 'POST',
  path: '/api/v1/session/identity-provider',
  summary: 'Begin to sign in at an identity provider, in this browser',
  caller: 'anyone',
  body: ProviderBody,
  status: 200,
  answer: SentAway,
  errors: ['identity_provider.not_found', 'identity_provider.unavailable'],
})

export const beginProviderConfirmation = route({
  id: 'session.reauthenticate_provider_begin',
  method: 'POST',
  path: '/api/v1/session/reauthenticate/identity-provider',
  summary: 'Begin to confirm at an identity provider that it is you, in this browser',
  caller: 'person',
  action: 'session.reauthenticate',
  body: ProviderBody,
  status: 200,
  answer: SentAway,
  errors: ['identity_provider.not_found', 'identity_provider.unavailable', 'identity_link.not_found'],
})

export const giveSecondFactor = route({
  id: 'session.second_factor',
  method: 'POST',
  path: '/api/v1/session/second-factor',
  summary: 'Finish signing in at an identity provider with a code; a confirmation by passkey does it too',
  caller: 'person',
  action: 'session.reauthenticate',
  body: Type.Object({ code: SecondFactorCode }, { additionalProperties: false }),
  status: 204,
  errors: ['second_factor.code_wrong', 'second_factor.not_found'],
})

export const IdentityLink = Type.Object({
  id: Id,
  provider: Type.Object({ id: Id, label: Type.String(), issuer: Type.String() }),
  /** The address that the provider told when it was linked; for people to recognise it by, nothing else. */
  email: Nullable(Type.String()),
  createdAt: Time,
  lastUsedAt: Nullable(Time),
})
export type IdentityLink = Static<typeof IdentityLink>

export const listIdentityLinks = route({
  id: 'identity-link.list',
  method: 'GET',
  path: '/api/v1/identity-links',
  summary: 'List your accounts at identity providers that sign you in',
  caller: 'person',
  scope: 'second-factor:read',
  action: 'identity-link.list',
  status: 200,
  answer: Type.Object({ identityLinks: Type.Array(IdentityLink) }),
})

export const createIdentityLink = route({
  id: 'identity-link.create',
  method: 'POST',
  path: '/api/v1/identity-links',
  summary: 'Begin to link your account at an identity provider, in this browser',
  caller: 'person',
  scope: 'second-factor:write',
  action: 'identity-link.create',
  body: ProviderBody,
  status: 200,
  answer: SentAway,
  errors: [
    'identity_provider.not_found',
    'identity_provider.unavailable',
    'session.reauthentication_required',
  ],
})

export const deleteIdentityLink = route({
  id: 'identity-link.delete',
  method: 'DELETE',
  path: '/api/v1/identity-links/{linkId}',
  summary: 'Remove a link to an identity provider; it signs you in no more',
  caller: 'person',
  scope: 'second-factor:write',
  action: 'identity-link.delete',
  params: Type.Object({ linkId: Id }),
  status: 204,
  errors: ['identity_link.not_found', 'identity_link.last', 'session.reauthentication_required'],
})
