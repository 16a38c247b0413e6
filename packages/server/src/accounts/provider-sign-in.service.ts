import type { ErrorCode } from '@keyhold/contract/errors'
import { limits } from '@keyhold/contract/limits'
import type { Secret } from '@keyhold/contract/secret'
import { type Access, own } from '../access/access.ts'
import type { Asker, Person } from '../access/caller.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import { AppError } from '../base/app-error.ts'
import type { Clock } from '../base/clock.ts'
import { newId } from '../base/ids.ts'
import type { Origin } from '../base/origin.ts'
import { type Storage, violatedUnique } from '../storage/storage.ts'
import type { Vault } from '../vault/vault.ts'
import type { Account } from './account.ts'
import type { Accounts, BegunSession } from './accounts.service.ts'
import * as store from './identity-provider.store.ts'
import {
  type Claims,
  type IdentityLink,
  type IdentityProvider,
  isSecondFactorProven,
  redirectUriOf,
  vouchedEmail,
  whyNotLetIn,
} from './identity-provider.ts'
import { type OidcClient, OidcError } from './oidc-client.ts'
import { ATTEMPT_MS, type Purpose, type SignInAttempts } from './sign-in-attempts.ts'

interface Parts {
  readonly storage: Storage
  readonly access: Access
  readonly audit: AuditLog
  readonly accounts: Accounts
  readonly attempts: SignInAttempts
  readonly oidc: OidcClient
  readonly vault: Vault
  readonly clock: Clock
  readonly publicUrl: string
}

export interface SentAway {
  readonly authorizationUrl: string
  /** For a cookie of the browser that began. */
  readonly browserToken: Secret<string>
}

/** Why somebody who comes back from a provider is not let in. */
export type ProviderRefusal =
  | 'email-domain'
  | 'claim'
  | 'not-linked'
  | 'account-exists'
  | 'no-email'
  | 'disabled'
  | 'not-signed-in'
  | 'other-identity'
  | 'linked-elsewhere'
  | 'not-fresh'
  | 'second-factor'

/** What the page says to which the provider sends the browser back. */
export type ProviderOutcome =
  | { readonly kind: 'signed-in'; readonly label: string; readonly session: BegunSession }
  | { readonly kind: 'confirmed' | 'linked'; readonly label: string }
  | { readonly kind: 'wrong-state' }
  | { readonly kind: 'declined'; readonly label: string }
  | { readonly kind: 'failed'; readonly label: string; readonly reason: string }
  | { readonly kind: 'refused'; readonly label: string; readonly why: ProviderRefusal }

/** Thrown inside, answered as an outcome. */
class Refusal extends Error {
  readonly why: ProviderRefusal

  constructor(why: ProviderRefusal) {
    super(why)
    this.why = why
  }
}

/** A person and a provider that has just said who they are. */
interface Answer {
  readonly provider: IdentityProvider
  readonly claims: Claims & { readonly sub: string }
  readonly origin: Origin
}

/** Signing in, linking and confirming by what an OpenID Connect provider says. */
export class ProviderSignIns {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Begins to sign in. @throws AppError `identity_provider.not_found`, `identity_provider.unavailable`. */
  async beginSignIn(providerId: string): Promise<SentAway> {
    return this.#begin('provider-sign-in', providerId)
  }

  /** Begins to confirm at the provider that it is still the caller. @throws AppError `identity_link.not_found` as well. */
  async beginConfirmation({ caller }: Asker<Person>, providerId: string): Promise<SentAway> {
    const links = await store.listLinks(this.#parts.storage.db, caller.accountId)
    const provider = await store.findProvider(this.#parts.storage.db, providerId)
    if (provider && !links.some((link) => link.provider.id === providerId))
      throw new AppError('identity_link.not_found')
    return this.#begin('provider-confirm', providerId, caller)
  }

  async listLinks(asker: Asker<Person>): Promise<IdentityLink[]> {
    const { access, storage } = this.#parts
    return access.check(asker, 'identity-link.list', own(), () =>
      store.listLinks(storage.db, asker.caller.accountId),
    )
  }

  /** Begins to link an account of the provider to the caller's. Only a session can: it has to be fresh, and in a browser. */
  async beginLink(asker: Asker<Person>, providerId: string): Promise<SentAway> {
    const { access } = this.#parts
    if (asker.caller.credential.kind !== 'session')
      throw await access.refuse(asker, 'identity-link.create', 'access.refused')
    return access.check(asker, 'identity-link.create', own(), () =>
      this.#begin('provider-link', providerId, asker.caller),
    )
  }

  /** @throws AppError `identity_link.not_found`; `identity_link.last` when nothing else would sign the caller in. */
  async deleteLink(asker: Asker<Person>, id: string): Promise<void> {
    const { access, accounts } = this.#parts
    const { accountId } = asker.caller
    const about = { target: { kind: 'identity-link', ...(LINK_ID.test(id) && { id }) } }
    if (asker.caller.credential.kind !== 'session')
      throw await access.refuse(asker, 'identity-link.delete', 'access.refused')
    await access.perform(asker, 'identity-link.delete', own(about), async (tx) => {
      const links = await store.listLinks(tx, accountId)
      const link = links.find((one) => one.id === id)
      if (!link) throw new AppError('identity_link.not_found')
      if (links.length === 1 && !(await accounts.hasOtherWayIn(tx, accountId)))
        throw new AppError('identity_link.last')
      await store.deleteOwnLink(tx, accountId, id)
      return {
        result: undefined,
        record: { target: { kind: 'identity-link', id, name: link.provider.issuer } },
      }
    })
  }

  async #begin(purpose: Purpose, providerId: string, caller?: Person): Promise<SentAway> {
    const { storage, vault, oidc, attempts, publicUrl } = this.#parts
    const provider = await store.findProvider(storage.db, providerId)
    if (!provider) throw new AppError('identity_provider.not_found')
    const secret = await store.openClientSecret(storage.db, vault, provider)
    const { challenge, browserToken } = await attempts.begin(purpose, caller, providerId)
    try {
      const authorizationUrl = await oidc.authorizationUrl(provider, secret, {
        redirectUri: redirectUriOf(publicUrl, providerId),
        state: challenge,
        isFresh: purpose === 'provider-confirm',
      })
      return { authorizationUrl, browserToken }
    } catch (error) {
      if (!(error instanceof OidcError)) throw error
      throw new AppError('identity_provider.unavailable', { detail: `${provider.label}: ${error.message}` })
    }
  }

  /** What becomes of a browser that a provider sends back. @param answer the query of the address. */
  async callback(
    providerId: string,
    answer: Record<string, string>,
    browserToken: Secret<string> | undefined,
    origin: Origin,
  ): Promise<ProviderOutcome> {
    const { storage, vault, oidc, attempts, publicUrl } = this.#parts
    const attempt = await attempts.takeOfProvider(providerId, browserToken)
    if (!attempt || attempt.challenge !== answer.state) return { kind: 'wrong-state' }
    const provider = await store.findProvider(storage.db, providerId)
    if (!provider) return { kind: 'wrong-state' }
    const { label } = provider
    try {
      const secret = await store.openClientSecret(storage.db, vault, provider)
      const redirectUri = redirectUriOf(publicUrl, providerId)
      const wish = { redirectUri, state: attempt.challenge, answer }
      const claims = await oidc.exchange(provider, secret, wish)
      const said = { provider, claims, origin }
      const refused = whyNotLetIn(claims, provider)
      if (refused) throw new Refusal(refused)
      if (attempt.purpose === 'provider-sign-in')
        return { kind: 'signed-in', label, session: await this.#signIn(said) }
      const caller = await this.#parts.accounts.findSessionPerson(attempt.account_id, attempt.credential_id)
      if (!caller) throw new Refusal('not-signed-in')
      if (attempt.purpose === 'provider-link') {
        await this.#link({ caller, origin }, said)
        return { kind: 'linked', label }
      }
      await this.#confirm({ caller, origin }, said, attempt.expires_at - ATTEMPT_MS)
      return { kind: 'confirmed', label }
    } catch (error) {
      return this.#notLetIn(error, provider, attempt.purpose, attempt.account_id, origin)
    }
  }

  async #signIn({ provider, claims, origin }: Answer): Promise<BegunSession> {
    const { storage, accounts, clock } = this.#parts
    const link = await store.findLink(storage.db, provider.id, claims.sub)
    if (!link) await this.#createAccount({ provider, claims, origin })
    const linked = link ?? (await store.findLink(storage.db, provider.id, claims.sub))
    const account = linked && (await accounts.find(linked.accountId))
    if (!linked || !account || account.disabledAt !== null) throw new Refusal('disabled')
    const isProven = isSecondFactorProven(claims, provider)
    const now = clock.now().getTime()
    // Who has nothing else to confirm with could never add it.
    const hasOtherWay = await accounts.hasOtherWayIn(storage.db, account.id)
    return accounts.beginSession(
      origin,
      account,
      provider.label,
      async (tx) => store.touchLink(tx, linked.id, now),
      {
        secondFactor: isProven ? 'provider' : account.hasSecondFactor ? 'pending' : null,
        // Signed in there this morning is no proof of who sits there now.
        authenticatedAt: Math.min(now, authenticationTime(claims) ?? (hasOtherWay ? 0 : now)),
      },
    )
  }

  /** Makes an account for somebody who signs in the first time, where the provider's rules say so. */
  async #createAccount({ provider, claims, origin }: Answer): Promise<void> {
    const { storage, accounts, audit, clock } = this.#parts
    const email = vouchedEmail(claims, provider)
    // Who has an account says who they are here first: an address alone proves nothing to it.
    if (email !== undefined && (await accounts.findByEmail(email))) throw new Refusal('account-exists')
    if (!provider.createsAccounts) throw new Refusal('not-linked')
    if (email === undefined) throw new Refusal('no-email')
    try {
      await storage.transaction(async (tx) => {
        const account = await accounts.addWithoutPassword(tx, {
          email,
          name: nameOf(claims, email),
          role: provider.role,
        })
        await store.insertLink(tx, linkRow(account, provider, claims, clock.now()))
        await audit.appendIn(tx, {
          action: 'account.create',
          outcome: 'success',
          actor: { kind: 'person', id: account.id, name: account.name },
          target: { kind: 'account', id: account.id, name: account.email },
          origin,
        })
      })
    } catch (error) {
      // Of two first sign-ins at once the second finds the link of the first; or somebody took the address meanwhile.
      if (violatedUnique(error)) return
      if (error instanceof AppError && error.code === 'account.email_taken') {
        if (await store.findLink(storage.db, provider.id, claims.sub)) return
        throw new Refusal('account-exists')
      }
      throw error
    }
  }

  async #link(asker: Asker<Person>, { provider, claims }: Answer): Promise<void> {
    const { access, accounts, clock } = this.#parts
    const account = (await accounts.find(asker.caller.accountId))! // `!`: who is signed in has an account.
    const row = linkRow(account, provider, claims, clock.now())
    const target = { kind: 'identity-link', id: row.id, name: provider.issuer }
    await access.perform(asker, 'identity-link.create', own({ target }), async (tx) => {
      const known = await store.findLink(tx, provider.id, claims.sub)
      if (known && known.accountId !== account.id) throw new Refusal('linked-elsewhere')
      if (known) return { result: undefined, record: null }
      await store.insertLink(tx, row)
      return { result: undefined, record: { target } }
    })
  }

  async #confirm(asker: Asker<Person>, { provider, claims }: Answer, begunAt: number): Promise<void> {
    const { storage, accounts } = this.#parts
    const link = await store.findLink(storage.db, provider.id, claims.sub)
    if (link?.accountId !== asker.caller.accountId) throw new Refusal('other-identity')
    const authenticatedAt = authenticationTime(claims)
    if (authenticatedAt === undefined || authenticatedAt < begunAt - CLOCK_TOLERANCE_MS)
      throw new Refusal('not-fresh')
    const account = await accounts.find(asker.caller.accountId)
    // Else the session of an account with two factors would be confirmed by one.
    if (account?.hasSecondFactor && !isSecondFactorProven(claims, provider))
      throw new Refusal('second-factor')
    await accounts.confirmSession(asker)
  }

  /** Records why somebody was not let in, and says it. @throws what is the server's own fault. */
  async #notLetIn(
    error: unknown,
    { id, label, issuer }: IdentityProvider,
    purpose: string,
    accountId: string | null,
    origin: Origin,
  ): Promise<ProviderOutcome> {
    const { accounts, audit } = this.#parts
    const isExpected = error instanceof Refusal || error instanceof OidcError || error instanceof AppError
    if (!isExpected || (error instanceof AppError && error.status >= 500)) throw error
    const reason: ErrorCode =
      error instanceof AppError
        ? error.code
        : error instanceof OidcError && error.kind === 'unavailable'
          ? 'identity_provider.unavailable'
          : 'sign_in.provider_refused'
    const account = accountId === null ? undefined : await accounts.find(accountId)
    await audit.append({
      action:
        purpose === 'provider-sign-in'
          ? 'session.create'
          : purpose === 'provider-link'
            ? 'identity-link.create'
            : 'session.reauthenticate',
      outcome: 'refused',
      reason,
      actor: account ? { kind: 'person', id: account.id, name: account.name } : { kind: 'anonymous' },
      target: { kind: 'identity-provider', id, name: issuer },
      origin,
    })
    if (error instanceof Refusal) return { kind: 'refused', label, why: error.why }
    if (error instanceof OidcError && error.kind === 'declined') return { kind: 'declined', label }
    return { kind: 'failed', label, reason: error.message }
  }
}

const LINK_ID = /^idl_[0-9a-z]{20}$/
const CLOCK_TOLERANCE_MS = 30_000

/** When somebody proved to the provider who they are, in milliseconds; undefined when it does not say. */
function authenticationTime({ auth_time: seconds }: Claims): number | undefined {
  return typeof seconds === 'number' && Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : undefined
}

/** A name as the contract has it. */
function nameOf({ name }: Claims, email: string): string {
  const text = (typeof name === 'string' ? name : '').replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]/gu, '').trim()
  return [...(text || email)].slice(0, limits.nameLength).join('')
}

const linkRow = (
  account: Account,
  provider: IdentityProvider,
  claims: Claims & { sub: string },
  now: Date,
) => ({
  id: newId('idl'),
  account_id: account.id,
  provider_id: provider.id,
  subject: claims.sub,
  email: typeof claims.email === 'string' ? claims.email.slice(0, 254) : null,
  created_at: now.getTime(),
  last_used_at: null,
})
