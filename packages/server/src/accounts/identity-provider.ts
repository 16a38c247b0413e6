import type {
  IdentityLink as LinkAnswer,
  IdentityProvider as ProviderAnswer,
} from '@keyhold/contract/api/identity-providers'
import { toDate } from '../base/clock.ts'
import type { Tables } from '../storage/tables.ts'

/** Whom a provider lets in, and what its word is worth. Administrators choose; see the contract for each. */
export interface ProviderRules {
  readonly scopes: readonly string[]
  readonly allowedEmailDomains: readonly string[]
  readonly requiredClaim: { readonly name: string; readonly value: string } | null
  readonly isEmailTrusted: boolean
  readonly createsAccounts: boolean
  readonly role: 'admin' | 'member'
  readonly trustedAmr: readonly string[]
  readonly trustedAcr: readonly string[]
}

export const defaultRules: ProviderRules = {
  scopes: ['openid', 'email', 'profile'],
  allowedEmailDomains: [],
  requiredClaim: null,
  isEmailTrusted: false,
  createsAccounts: false,
  role: 'member',
  trustedAmr: [],
  trustedAcr: [],
}

/** An OpenID Connect provider where people sign in. */
export interface IdentityProvider extends ProviderRules {
  readonly id: string
  readonly issuer: string
  readonly label: string
  readonly clientId: string
  readonly secretVersion: number
  readonly createdAt: Date
  readonly updatedAt: Date
}

/** That an account of a provider signs in an account here. Bound by issuer and subject, never by an address. */
export interface IdentityLink {
  readonly id: string
  readonly accountId: string
  readonly provider: { readonly id: string; readonly label: string; readonly issuer: string }
  readonly subject: string
  readonly email: string | null
  readonly createdAt: Date
  readonly lastUsedAt: Date | null
}

/** What a provider says of somebody, as far as it is looked at. */
export type Claims = Readonly<Record<string, unknown>>

export function rowToProvider(
  row: Omit<Tables['identity_providers'], 'sealed_client_secret'>,
): IdentityProvider {
  const rules = JSON.parse(row.rules) as Partial<ProviderRules> // `as`: written by the service.
  return {
    ...defaultRules,
    ...rules,
    id: row.id,
    issuer: row.issuer,
    label: row.label,
    clientId: row.client_id,
    secretVersion: row.secret_version,
    createdAt: new Date(row.created_at),
    updatedAt: new Date(row.updated_at),
  }
}

export const redirectUriOf = (publicUrl: string, providerId: string): string =>
  `${publicUrl}/api/v1/identity-providers/callback/${providerId}`

export function providerAnswer(provider: IdentityProvider, publicUrl: string): ProviderAnswer {
  const { secretVersion: _kept, createdAt, updatedAt, ...shown } = provider
  return {
    ...shown,
    scopes: [...provider.scopes],
    allowedEmailDomains: [...provider.allowedEmailDomains],
    trustedAmr: [...provider.trustedAmr],
    trustedAcr: [...provider.trustedAcr],
    redirectUri: redirectUriOf(publicUrl, provider.id),
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
  }
}

export function linkAnswer({ id, provider, email, createdAt, lastUsedAt }: IdentityLink): LinkAnswer {
  return {
    id,
    provider,
    email,
    createdAt: createdAt.toISOString(),
    lastUsedAt: lastUsedAt?.toISOString() ?? null,
  }
}

export const rowToLink = (
  row: Tables['identity_links'] & { label: string; issuer: string },
): IdentityLink => ({
  id: row.id,
  accountId: row.account_id,
  provider: { id: row.provider_id, label: row.label, issuer: row.issuer },
  subject: row.subject,
  email: row.email,
  createdAt: new Date(row.created_at),
  lastUsedAt: toDate(row.last_used_at),
})

/** The address that a provider vouches for; undefined when it does not. Whoever can choose an address chooses its domain. */
export function vouchedEmail(claims: Claims, { isEmailTrusted }: ProviderRules): string | undefined {
  const { email, email_verified: isVerified } = claims
  if (typeof email !== 'string' || email.length > 254) return undefined
  if (!/^[^\s@\p{Cc}\p{Cs}]+@[^\s@\p{Cc}\p{Cs}]+$/u.test(email)) return undefined
  return isVerified === true || (isEmailTrusted && isVerified !== false) ? email : undefined
}

/** Which of the provider's rules somebody does not meet; undefined when they may sign in. */
export function whyNotLetIn(claims: Claims, rules: ProviderRules): 'email-domain' | 'claim' | undefined {
  const { allowedEmailDomains, requiredClaim } = rules
  if (allowedEmailDomains.length > 0) {
    const domain = vouchedEmail(claims, rules)?.split('@')[1]?.toLowerCase()
    if (!allowedEmailDomains.some((allowed) => allowed.toLowerCase() === domain)) return 'email-domain'
  }
  if (requiredClaim) {
    const claim = Object.hasOwn(claims, requiredClaim.name) ? claims[requiredClaim.name] : undefined
    const values: unknown[] = Array.isArray(claim) ? claim : [claim]
    if (!values.some((value) => String(value) === requiredClaim.value)) return 'claim'
  }
  return undefined
}

/** Whether the provider asked for a second factor of the kinds that administrators trust (RFC 8176; OpenID Connect Core §2). */
export function isSecondFactorProven(claims: Claims, { trustedAmr, trustedAcr }: ProviderRules): boolean {
  const { amr, acr } = claims
  const isTrustedAmr = Array.isArray(amr) && amr.some((method) => trustedAmr.includes(method))
  return isTrustedAmr || (typeof acr === 'string' && trustedAcr.includes(acr))
}
