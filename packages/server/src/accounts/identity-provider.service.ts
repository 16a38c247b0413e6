import { limits } from '@keyhold/contract/limits'
import type { Secret } from '@keyhold/contract/secret'
import { type Access, instance } from '../access/access.ts'
import type { Asker, Person } from '../access/caller.ts'
import { AppError, invalidField } from '../base/app-error.ts'
import type { Clock } from '../base/clock.ts'
import { newId } from '../base/ids.ts'
import type { Outgoing } from '../base/outgoing.ts'
import { type Storage, violatedUnique } from '../storage/storage.ts'
import type { Vault } from '../vault/vault.ts'
import * as store from './identity-provider.store.ts'
import { defaultRules, type IdentityProvider, type ProviderRules } from './identity-provider.ts'
import { type OidcClient, OidcError } from './oidc-client.ts'

interface Parts {
  readonly storage: Storage
  readonly access: Access
  readonly vault: Vault
  readonly clock: Clock
  readonly outgoing: Outgoing
  readonly oidc: OidcClient
}

export interface ProviderChange extends Partial<ProviderRules> {
  readonly label?: string
  readonly clientId?: string
}

export interface ProviderCheck {
  readonly name: string
  readonly isOk: boolean
  readonly detail: string
}

/** Where people can sign in besides here: what administrators register. */
export class IdentityProviders {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  async list(asker: Asker<Person>): Promise<IdentityProvider[]> {
    const { access, storage } = this.#parts
    return access.check(asker, 'identity-provider.list', instance, () => store.listProviders(storage.db))
  }

  /** For people who are not signed in: decides and records nothing. */
  async listAll(): Promise<IdentityProvider[]> {
    return store.listProviders(this.#parts.storage.db)
  }

  /** @throws AppError `identity_provider.exists`, `identity_provider.limit`, `request.invalid`. */
  async create(
    asker: Asker<Person>,
    wish: ProviderChange & { readonly issuer: string; readonly label: string; readonly clientId: string },
    clientSecret: Secret<string>,
  ): Promise<IdentityProvider> {
    const { access, vault, clock } = this.#parts
    return access.perform(asker, 'identity-provider.create', instance, async (tx, grant) => {
      const { issuer, label, clientId, ...rules } = wish
      this.#assertIssuer(issuer)
      assertRules({ ...defaultRules, ...rules })
      if ((await store.listProviders(tx)).length >= limits.identityProviders)
        throw new AppError('identity_provider.limit')
      const now = clock.now().getTime()
      const id = newId('idp')
      try {
        await store.insertProvider(tx, {
          id,
          issuer,
          label,
          client_id: clientId,
          secret_version: 0,
          rules: JSON.stringify({ ...defaultRules, ...rules }),
          created_at: now,
          updated_at: now,
        })
      } catch (error) {
        throw violatedUnique(error) ? new AppError('identity_provider.exists', {}, error) : error
      }
      await store.storeClientSecret(tx, vault, grant, { id, issuer }, 1, clientSecret)
      const result = (await store.findProvider(tx, id))! // `!`: inserted above.
      return { result, record: { target: target(result) } }
    })
  }

  /** Changes anything but the issuer, which people's links are bound to. @throws AppError `identity_provider.not_found`. */
  async update(
    asker: Asker<Person>,
    id: string,
    change: ProviderChange,
    clientSecret: Secret<string> | undefined,
  ): Promise<IdentityProvider> {
    const { access, vault, clock } = this.#parts
    return access.perform(asker, 'identity-provider.update', instance, async (tx, grant) => {
      if (!(await store.lockProvider(tx, id))) throw new AppError('identity_provider.not_found')
      const before = (await store.findProvider(tx, id))! // `!`: locked.
      const { label = before.label, clientId = before.clientId, ...rules } = change
      const after = { ...rulesOf(before), ...rules }
      assertRules(after)
      await store.updateProvider(tx, id, {
        label,
        client_id: clientId,
        rules: JSON.stringify(after),
        updated_at: clock.now().getTime(),
      })
      if (clientSecret)
        await store.storeClientSecret(tx, vault, grant, before, before.secretVersion + 1, clientSecret)
      const result = (await store.findProvider(tx, id))!
      const changed = [...Object.keys(change), ...(clientSecret ? ['clientSecret'] : [])]
      return { result, record: { changed, target: target(result) } }
    })
  }

  /** @param confirm the issuer, when people are linked. @throws AppError `identity_provider.not_found`, `.in_use`. */
  async delete(asker: Asker<Person>, id: string, confirm: string | undefined): Promise<void> {
    const { access } = this.#parts
    await access.perform(asker, 'identity-provider.delete', instance, async (tx) => {
      if (!(await store.lockProvider(tx, id))) throw new AppError('identity_provider.not_found')
      const provider = (await store.findProvider(tx, id))! // `!`: locked.
      if (confirm !== provider.issuer && (await store.countLinks(tx, id)) > 0)
        throw new AppError('identity_provider.in_use')
      await store.deleteProvider(tx, id)
      return { result: undefined, record: { target: target(provider) } }
    })
  }

  /** Asks a provider what it offers. @returns what was looked at, up to the first thing that keeps the rest from it. */
  async test(asker: Asker<Person>, id: string): Promise<ProviderCheck[]> {
    const { access, storage, vault, oidc } = this.#parts
    const provider = await access.perform(asker, 'identity-provider.test', instance, async (tx) => {
      const found = await store.findProvider(tx, id)
      if (!found) throw new AppError('identity_provider.not_found')
      return { result: found, record: { target: target(found) } }
    })
    const check = (name: string, isOk: boolean, detail: string): ProviderCheck => ({ name, isOk, detail })
    const secret = await store.openClientSecret(storage.db, vault, provider)
    try {
      const metadata = (await oidc.configuration(provider, secret)).serverMetadata()
      const says = (list: unknown): string => (Array.isArray(list) ? list.join(', ') : 'not said')
      const isSupported = (list: unknown, word: string) => !Array.isArray(list) || list.includes(word)
      const missing = ['openid', ...provider.scopes].filter(
        (scope) => !isSupported(metadata.scopes_supported, scope),
      )
      const keys = await oidc.countKeys(metadata.jwks_uri)
      return [
        check('discovery', true, 'the issuer answers, by the name that is registered'),
        check('keys', keys > 0, `${keys} keys to check signatures with`),
        check(
          'PKCE',
          isSupported(metadata.code_challenge_methods_supported, 'S256'),
          says(metadata.code_challenge_methods_supported),
        ),
        check(
          'scopes',
          missing.length === 0,
          missing.length === 0 ? says(metadata.scopes_supported) : `not offered: ${missing.join(', ')}`,
        ),
        check(
          'client authentication',
          isSupported(metadata.token_endpoint_auth_methods_supported, 'client_secret_basic') ||
            isSupported(metadata.token_endpoint_auth_methods_supported, 'client_secret_post'),
          says(metadata.token_endpoint_auth_methods_supported),
        ),
        check(
          'issuer in answers (RFC 9207)',
          true,
          metadata.authorization_response_iss_parameter_supported === true
            ? 'yes'
            : 'no; that is allowed, since every provider has a redirect URI of its own here',
        ),
      ]
    } catch (error) {
      if (!(error instanceof OidcError)) throw error
      return [check('discovery', false, error.message)]
    }
  }

  #assertIssuer(issuer: string): void {
    const url = URL.canParse(issuer) ? new URL(issuer) : undefined
    if (!url || url.search || url.hash || issuer.includes('/.well-known/'))
      throw invalidField('issuer', 'must be a URL without query and fragment; leave out /.well-known/…')
    const problem = this.#parts.outgoing.problemWith({ url: issuer, isPrivateAllowed: true })
    if (problem) throw invalidField('issuer', problem.message)
  }
}

const target = ({ id, issuer }: IdentityProvider) => ({ kind: 'identity-provider', id, name: issuer })

function rulesOf(provider: IdentityProvider): ProviderRules {
  const { scopes, allowedEmailDomains, requiredClaim, isEmailTrusted } = provider
  const { createsAccounts, role, trustedAmr, trustedAcr } = provider
  return {
    scopes,
    allowedEmailDomains,
    requiredClaim,
    isEmailTrusted,
    createsAccounts,
    role,
    trustedAmr,
    trustedAcr,
  }
}

/** Of some providers everybody in the world is a member. */
function assertRules(rules: ProviderRules): void {
  if (rules.createsAccounts && rules.allowedEmailDomains.length === 0 && !rules.requiredClaim)
    throw invalidField(
      'createsAccounts',
      'needs allowedEmailDomains or requiredClaim: else whoever has an account there gets one here',
    )
}
