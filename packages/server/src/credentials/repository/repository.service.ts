import { createHash, createHmac } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { limits } from '@keyhold/contract/limits'
import { Secret } from '@keyhold/contract/secret'
import { type Access, type Grant, own, type RecordDetail } from '../../access/access.ts'
import type { Asker, Person } from '../../access/caller.ts'
import { type Accounts, toPerson } from '../../accounts/accounts.service.ts'
import { AppError } from '../../base/app-error.ts'
import { type Clock, LAST_USED_STEP_MS } from '../../base/clock.ts'
import type { CredentialItem, CredentialSource } from '../../base/credential-item.ts'
import { hashToken, newId, randomKey } from '../../base/ids.ts'
import type { Origin } from '../../base/origin.ts'
import type { Outgoing } from '../../base/outgoing.ts'
import type { Storage } from '../../storage/storage.ts'
import type { Transaction } from '../../storage/tables.ts'
import { sameBytes } from '../../vault/same-bytes.ts'
import type { Vault } from '../../vault/vault.ts'
import * as store from './repository.store.ts'
import {
  type Connection,
  callbackUrl,
  canonicalHost,
  connectionItem,
  type Method,
  type Provider,
  providerName,
} from './repository.ts'
import { endpointsOf, productOf, vendors } from './vendor.ts'
import {
  type RemoteUser,
  type TokenPair,
  type VendorAccount,
  VendorClient,
  VendorError,
} from './vendor-client.ts'

/** What was begun has to be finished within this time, and so has its confirmation. */
export const AUTHORIZATION_MS = 10 * 60_000
/** After so many wrong codes what waits for one is given up: 40 bits leave a guesser nothing. */
const WRONG_CODES_MAX = 5
const CODE_BYTES = 5

/** A token is refreshed when it has less than this left. */
const REFRESH_BEFORE_MS = 5 * 60_000
/** Longer than the provider is waited for, so that nobody else begins meanwhile; after a crash the others wait so long. */
const LEASE_MS = 60_000
/** How often those look who wait for another's refresh, and how long they wait. */
const LEASE_LOOK_MS = 50
const WAIT_MS = 25_000
/** A new pair that the database did not take is offered again: at the provider the old one may have ended. */
const STORE_RETRIES_MS = [100, 500, 2_000]
/** Who says that a token was rejected gets a new one, but not one after the other. */
const REJECTED_STEP_MS = 60_000

const CONNECTION_ID = /^rcn_[0-9a-z]{20}$/

/** What git is given. */
export interface GitCredential {
  readonly username: string
  readonly token: Secret<string>
  readonly expiresAt: Date | null
}

/** What became of a GPG key at one connected provider. */
export interface GpgPublication {
  readonly connectionId: string
  readonly provider: string
  readonly status: 'published' | 'missing-scope' | 'failed'
  readonly remoteId?: string
  readonly missingScope?: string
  readonly reason?: string
}

export interface GpgRemoval {
  readonly connectionId: string
  readonly provider: string
  readonly status: 'removed' | 'failed'
  readonly reason?: string
}

export interface Begun {
  readonly connection: Connection | null
  readonly authorizationUrl: string | null
  /** For a cookie of the browser that began; undefined where a confirmation code takes its place. */
  readonly browserToken: Secret<string> | undefined
}

/** What the page says to which the provider sends the browser back. */
export type CallbackOutcome =
  | { readonly kind: 'connected'; readonly provider: string; readonly login: string; readonly person: string }
  | {
      readonly kind: 'confirm'
      readonly provider: string
      readonly login: string
      readonly person: string
      readonly code: Secret<string>
      readonly applicationsUrl: string
    }
  | { readonly kind: 'wrong-state' }
  | { readonly kind: 'declined'; readonly provider: string }
  | { readonly kind: 'failed'; readonly provider: string; readonly reason: string }

export interface Disconnected {
  readonly revocation: 'revoked' | 'failed' | 'unsupported' | 'none'
  readonly next: string | null
}

/** People's connections to code repositories: made, kept alive, handed to git, ended. */
export class Repositories implements CredentialSource {
  readonly #storage: Storage
  readonly #access: Access
  readonly #accounts: Accounts
  readonly #vault: Vault
  readonly #clock: Clock
  readonly #client: VendorClient
  readonly #publicUrl: string
  /** Of PKCE verifiers and confirmation codes, which are kept nowhere. */
  readonly #key: Buffer
  /** Refreshes under way here, by connection: one poller per server and connection. */
  readonly #refreshing = new Map<string, Promise<void>>()

  constructor(
    storage: Storage,
    access: Access,
    accounts: Accounts,
    vault: Vault,
    clock: Clock,
    outgoing: Outgoing,
    publicUrl: string,
  ) {
    this.#storage = storage
    this.#access = access
    this.#accounts = accounts
    this.#vault = vault
    this.#clock = clock
    this.#client = new VendorClient(outgoing)
    this.#publicUrl = publicUrl
    this.#key = vault.deriveKey('repository-authorization')
  }

  async list(asker: Asker<Person>): Promise<Connection[]> {
    return this.#access.check(asker, 'repository.list', own(), () =>
      store.listConnections(this.#storage.db, asker.caller.accountId),
    )
  }

  async items(accountId: string): Promise<CredentialItem[]> {
    return (await store.listConnections(this.#storage.db, accountId)).map(connectionItem)
  }

  /** Which method git is to use for which host. Decides nothing: the workspace has. */
  async methods(accountId: string): Promise<{ host: string; method: Method }[]> {
    const connections = await store.listConnections(this.#storage.db, accountId)
    return connections.map(({ provider, method }) => ({ host: provider.host, method }))
  }

  /* Connecting. */

  /** Connects by SSH, or begins to connect by OAuth. What is begun leaves no record; what comes of it does. */
  async connect(asker: Asker<Person>, providerId: string, method: Method): Promise<Begun> {
    const { accountId, credential } = asker.caller
    return this.#access.perform(asker, 'repository.connect', own(about()), async (tx) => {
      const provider = await store.findProvider(tx, providerId)
      if (!provider) throw new AppError('repository_provider.not_found')
      const now = this.#clock.now().getTime()
      if (method === 'ssh') {
        if (await store.findConnection(tx, accountId, { providerId }))
          throw new AppError('repository_connection.exists')
        const id = newId('rcn')
        const row = { id, account_id: accountId, provider_id: providerId, method } as const
        await store.insertConnection(tx, { ...row, created_at: now, updated_at: now })
        const connection = (await store.findConnection(tx, accountId, { id }))!
        const result: Begun = { connection, authorizationUrl: null, browserToken: undefined }
        return { result, record: about(connection) }
      }
      if (provider.clientId === null) throw new AppError('repository_provider.no_client')
      await store.deleteEndedAuthorizations(tx, now)
      if ((await store.countAuthorizations(tx, accountId, now)) >= limits.pendingRepositoryConnections)
        throw new AppError('repository_connection.pending_limit')
      const state = randomKey(32).toString('base64url')
      const isSession = credential.kind === 'session'
      const browserToken = isSession ? randomKey(32).toString('base64url') : undefined
      await store.insertAuthorization(tx, {
        id: newId('rau'),
        account_id: accountId,
        provider_id: providerId,
        session_id: isSession ? credential.id : null,
        access_token_id: isSession ? null : credential.id,
        state_hash: hashToken(state),
        browser_hash: browserToken === undefined ? null : hashToken(browserToken),
        created_at: now,
        expires_at: now + AUTHORIZATION_MS,
      })
      const result: Begun = {
        connection: null,
        authorizationUrl: this.#authorizationUrl({ ...provider, clientId: provider.clientId }, state),
        browserToken: browserToken === undefined ? undefined : new Secret(browserToken),
      }
      return { result, record: null }
    })
  }

  #authorizationUrl(provider: Provider & { clientId: string }, state: string): string {
    const { product, authorize } = endpointsOf(provider)
    const url = new URL(authorize)
    const set = (name: string, value: string) => url.searchParams.set(name, value)
    set('response_type', 'code')
    set('client_id', provider.clientId)
    set('redirect_uri', callbackUrl(this.#publicUrl, provider.id))
    set('state', state)
    if (vendors[product].asksScopes && provider.scopes.length > 0) set('scope', provider.scopes.join(' '))
    if (vendors[product].hasPkce) {
      const verifier = this.#verifier(state).reveal()
      set('code_challenge', createHash('sha256').update(verifier).digest('base64url'))
      set('code_challenge_method', 'S256')
    }
    return url.href
  }

  /** Derived from the state and a key that never leaves: nothing has to be stored, and the URL does not tell it. */
  #verifier(state: string): Secret<string> {
    return new Secret(createHmac('sha256', this.#key).update(`pkce:${state}`).digest('base64url'))
  }

  #codeHash(code: string): Buffer {
    return createHmac('sha256', this.#key).update(`code:${code}`).digest()
  }

  /**
   * Takes what the provider sends a browser back with. The state is used up by being presented. Where a session began,
   * only its own browser can end it; where an access token did, the browser may be anybody's, so the tokens wait until
   * the person who began gives the code that only the browser shows.
   */
  async callback(
    providerId: string,
    answer: { state: string; code: string; error: string },
    browserToken: string | undefined,
    origin: Origin,
  ): Promise<CallbackOutcome> {
    const stateHash = hashToken(answer.state)
    if (answer.state === '' || !(await store.isStateKnown(this.#storage.db, stateHash)))
      return { kind: 'wrong-state' }
    const begun = await this.#storage.transaction((tx) => store.takeState(tx, stateHash))
    if (!begun) return { kind: 'wrong-state' }
    let isKept = false
    let asker: Asker<Person> | undefined
    /** An attempt that its person began is in the log, however it ended. */
    const recorded = async <T>(outcome: T): Promise<T> => {
      if (asker) await this.#access.refuse(asker, 'repository.connect', 'repository_provider.unavailable')
      return outcome
    }
    try {
      const account = await this.#accounts.find(begun.accountId)
      const isExpired = begun.expiresAt <= this.#clock.now()
      if (isExpired || begun.providerId !== providerId || !account || account.disabledAt)
        return { kind: 'wrong-state' }
      if (begun.browserHash && !isSame(begun.browserHash, browserToken)) return { kind: 'wrong-state' }
      const provider = await store.findProvider(this.#storage.db, providerId)
      if (!provider) return { kind: 'wrong-state' }
      const name = providerName(provider)
      asker = { caller: toPerson(account, credentialOf(begun)), origin }
      if (answer.error === 'access_denied') return await recorded({ kind: 'declined', provider: name })
      if (answer.code === '') {
        const reason = 'it reported an error instead of an authorization'
        return await recorded({ kind: 'failed', provider: name, reason })
      }

      const got = await this.#exchange(provider, new Secret(answer.code), answer.state)
      const facts = { provider: name, login: got.user.login, person: account.name }
      if (begun.browserHash) {
        await this.#access.perform(asker, 'repository.connect', own(about()), async (tx, grant) => {
          // Whoever signed out while the provider was asked has ended what the session began.
          if (!(await store.deleteAuthorization(tx, begun.id))) throw new AppError('auth.required')
          const connection = await this.#keep(tx, grant, begun, got)
          return { result: undefined, record: about(connection) }
        })
        return { kind: 'connected', ...facts }
      }
      const code = newCode()
      // Not connected yet: what is recorded is the confirmation.
      isKept = await this.#access.perform(asker, 'repository.connect', own(about()), async (tx, grant) => {
        const expiresAt = this.#clock.now().getTime() + AUTHORIZATION_MS
        const codeHash = this.#codeHash(code)
        const result = await store.storePending(
          tx,
          this.#vault,
          grant,
          begun,
          codeHash,
          expiresAt,
          toPending(got, this.#clock.now()),
        )
        return { result, record: null }
      })
      if (!isKept) return { kind: 'wrong-state' }
      const { applications } = endpointsOf(provider)
      return { kind: 'confirm', ...facts, code: new Secret(shownCode(code)), applicationsUrl: applications }
    } catch (error) {
      if (error instanceof VendorError) {
        const provider = await store.findProvider(this.#storage.db, providerId)
        if (!provider) return { kind: 'wrong-state' }
        return await recorded({ kind: 'failed', provider: providerName(provider), reason: error.reason })
      }
      // Disabled, signed out or removed in the meantime.
      if (error instanceof AppError && error.status < 500) return { kind: 'wrong-state' }
      throw error
    } finally {
      if (!isKept) await this.#storage.transaction((tx) => store.deleteAuthorization(tx, begun.id))
    }
  }

  async #exchange(provider: Provider, code: Secret<string>, state: string): Promise<Obtained> {
    const vendor = await this.#account(provider)
    const verifier = vendors[productOf(provider)].hasPkce ? this.#verifier(state) : undefined
    const pair = await this.#client.exchange(
      vendor,
      code,
      callbackUrl(this.#publicUrl, provider.id),
      verifier,
    )
    const user = await this.#client.whoAmI(vendor, pair.access)
    return { pair, user, scopes: pair.scopes ?? provider.scopes }
  }

  /** Finishes what an access token began. @param typed the code as the browser showed it. */
  async confirm(asker: Asker<Person>, typed: Secret<string>): Promise<Connection> {
    const { accountId } = asker.caller
    const code = typed
      .reveal()
      .toLowerCase()
      .replaceAll(/[^0-9a-z]/g, '')
    try {
      return await this.#access.perform(asker, 'repository.connect', own(about()), async (tx, grant) => {
        const now = this.#clock.now()
        const begun = await store.findPending(tx, accountId, this.#codeHash(code), now.getTime())
        const pending = begun && (await store.openPending(tx, this.#vault, grant, begun))
        if (!begun || !pending) throw new AppError('repository_connection.confirmation')
        const connection = await this.#keep(tx, grant, begun, fromPending(pending, now))
        await store.deleteAuthorization(tx, begun.id)
        return { result: connection, record: about(connection) }
      })
    } catch (error) {
      // Outside the transaction that was undone with the refusal.
      if (error instanceof AppError && error.code === 'repository_connection.confirmation')
        await this.#storage.transaction((tx) => store.countWrongCode(tx, accountId, WRONG_CODES_MAX))
      throw error
    }
  }

  /** Deletes what was begun and not finished in time, with the tokens that waited for a code. */
  async discardUnfinished(): Promise<void> {
    const now = this.#clock.now().getTime()
    await this.#storage.transaction((tx) => store.deleteEndedAuthorizations(tx, now))
  }

  /** Stores new tokens in the person's connection to the provider, which is made if there is none. */
  async #keep(
    tx: Transaction,
    grant: Grant<'repository.connect'>,
    { accountId, providerId }: store.Authorization,
    { pair, user, scopes }: Obtained,
  ): Promise<Connection> {
    const now = this.#clock.now().getTime()
    let connection = await store.findConnection(tx, accountId, { providerId })
    if (!connection) {
      const id = newId('rcn')
      await store.insertConnection(tx, {
        id,
        account_id: accountId,
        provider_id: providerId,
        method: 'oauth',
        created_at: now,
        updated_at: now,
      })
      connection = (await store.findConnection(tx, accountId, { id }))!
    }
    await store.storeTokens(tx, this.#vault, grant, connection, pair, {
      method: 'oauth',
      login: user.login,
      remote_id: user.id,
      scopes: JSON.stringify(scopes),
      token_expires_at: endOf(pair, now),
      token_changed_at: now,
      updated_at: now,
    })
    return (await store.findConnection(tx, accountId, { providerId }))!
  }

  /** Switches between the methods; the other one is no longer offered to git. */
  async switchMethod(asker: Asker<Person>, id: string, method: Method): Promise<Connection> {
    const { accountId } = asker.caller
    return this.#access.perform(asker, 'repository.update', own(attempt(id)), async (tx) => {
      const before = await store.findConnection(tx, accountId, { id })
      if (!before) throw new AppError('repository_connection.not_found')
      if (before.method === method) return { result: before, record: null }
      if (method === 'oauth' && !before.hasToken) throw new AppError('repository_connection.no_token')
      await store.setMethod(tx, id, method, this.#clock.now().getTime())
      const result = (await store.findConnection(tx, accountId, { id }))!
      return { result, record: { changed: ['method'], ...about(result) } }
    })
  }

  /** Deletes the connection here, then ends its tokens at the provider, and says what came of that. */
  async disconnect(asker: Asker<Person>, id: string): Promise<Disconnected> {
    const { accountId } = asker.caller
    const { connection, tokens } = await this.#access.perform(
      asker,
      'repository.disconnect',
      own(attempt(id)),
      async (tx, grant) => {
        const connection = await store.findConnection(tx, accountId, { id })
        if (!connection) throw new AppError('repository_connection.not_found')
        // What does not open any more must still be deletable.
        const tokens = await store.openTokens(tx, this.#vault, grant, connection).catch((error: unknown) => {
          if (error instanceof AppError && error.code === 'secret.unreadable') return undefined
          throw error
        })
        await store.deleteConnection(tx, id)
        return { result: { connection, tokens }, record: about(connection) }
      },
    )
    if (!tokens)
      return {
        revocation: connection.hasToken ? 'failed' : 'none',
        next: connection.hasToken ? byHand(connection) : null,
      }
    try {
      const provider = await this.#provider(connection)
      const isRevoked = await this.#client.revoke(await this.#account(provider), tokens)
      return isRevoked
        ? { revocation: 'revoked', next: null }
        : { revocation: 'unsupported', next: byHand(connection) }
    } catch (error) {
      if (!(error instanceof VendorError)) throw error
      return { revocation: 'failed', next: `${error.reason}; ${byHand(connection)}` }
    }
  }

  /* Using. */

  /**
   * Hands out the token for a host, recorded before it leaves and refreshed when it is about to end.
   * @param by the host exactly as git names it, port included, or the connection.
   * @param isRejected the provider did not accept the token that was handed out last: refresh it, or find out why.
   * @throws AppError `repository_connection.not_found` for hosts without a connection, `.no_token` where SSH is used,
   *   `.broken`, `repository_provider.unavailable`.
   */
  async tokenFor(
    asker: Asker<Person>,
    by: { readonly host: string } | { readonly id: string },
    isRejected = false,
  ): Promise<GitCredential> {
    return this.#use(asker, by, isRejected, async ({ access }, connection) => ({
      username: vendors[productOf(connection.provider)].gitUser,
      token: access,
      expiresAt: connection.tokenExpiresAt,
    }))
  }

  async #use<T>(
    asker: Asker<Person>,
    by: { readonly host: string } | { readonly id: string },
    isRejected: boolean,
    work: (tokens: store.Tokens, connection: Connection) => Promise<T>,
  ): Promise<T> {
    const { accountId } = asker.caller
    return this.#access.deliver(
      asker,
      'repository.use',
      own(about()),
      async (db) => {
        const host = 'host' in by ? canonicalHost(by.host) : undefined
        const key = 'id' in by ? by : host === undefined ? undefined : { host }
        const found = key && (await store.findConnection(db, accountId, key))
        if (!found) throw new AppError('repository_connection.not_found')
        assertUsable(found)
        return { found, records: [about(found)] }
      },
      async (grant, found) => {
        const { tokens, connection } = await this.#liveTokens(asker, grant, found, isRejected)
        const result = await work(tokens, connection)
        await this.#touch(connection)
        return result
      },
    )
  }

  /** The tokens as they are, or after a refresh, whoever does it. */
  async #liveTokens(
    asker: Asker<Person>,
    grant: Grant<'repository.use'>,
    found: Connection,
    isRejected: boolean,
  ): Promise<{ tokens: store.Tokens; connection: Connection }> {
    const until = performance.now() + WAIT_MS
    const rejected = isRejected && !this.#isFresh(found) ? found.tokenVersion : undefined
    let connection = found
    for (;;) {
      assertUsable(connection)
      const isDue = this.#hasLessThan(connection, REFRESH_BEFORE_MS) || connection.tokenVersion === rejected
      if (!isDue || !connection.hasRefreshToken) {
        const tokens = await store.openTokens(this.#storage.db, this.#vault, grant, connection)
        if (isDue && tokens) await this.#assertAccepted(connection, tokens)
        if (tokens) return { tokens, connection }
      } else {
        try {
          await this.#refreshOnce(asker, grant, connection)
        } catch (error) {
          const isStillGood = rejected === undefined && !this.#hasLessThan(connection, 0)
          const tokens =
            isStillGood && (await store.openTokens(this.#storage.db, this.#vault, grant, connection))
          // The provider is away for a moment, the token is good for minutes.
          if (tokens) return { tokens, connection }
          throw error
        }
      }
      if (performance.now() > until)
        throw new AppError('repository_provider.unavailable', {
          detail: 'The token is still being refreshed',
        })
      const current = await store.findConnection(this.#storage.db, connection.accountId, {
        id: connection.id,
      })
      if (!current) throw new AppError('repository_connection.not_found')
      connection = current
    }
  }

  /** A token that cannot be refreshed and has ended, or that the provider may have ended. */
  async #assertAccepted(connection: Connection, { access }: store.Tokens): Promise<void> {
    let reason: string | undefined
    if (this.#hasLessThan(connection, 0)) reason = 'The token has ended; connect again'
    else if (!this.#hasLessThan(connection, REFRESH_BEFORE_MS)) {
      try {
        const provider = await this.#provider(connection)
        await this.#client.whoAmI(await this.#account(provider), access)
      } catch (error) {
        if (!(error instanceof VendorError)) throw error
        if (error.failure === 'token')
          reason = `${providerName(connection.provider)} no longer accepts the token; connect again`
      }
    }
    if (reason === undefined) return
    await this.#storage.transaction((tx) => store.setBroken(tx, connection, reason))
    throw new AppError('repository_connection.broken', { detail: reason })
  }

  #refreshOnce(asker: Asker<Person>, grant: Grant<'repository.use'>, connection: Connection): Promise<void> {
    const running = this.#refreshing.get(connection.id)
    if (running) return running
    const started = this.#refresh(asker, grant, connection).finally(() =>
      this.#refreshing.delete(connection.id),
    )
    this.#refreshing.set(connection.id, started)
    return started
  }

  /**
   * Refreshes, or waits a moment for whoever does. No lock is held while the provider is asked: a lease is claimed in a
   * transaction of its own, and the new pair is committed before anybody gets it.
   *
   * When this process ends between the provider's answer and the commit, the new pair is lost, and the lease runs out.
   * GitLab and Bitbucket accept the old refresh token until the new access token was used, so the next refresh repairs
   * it; GitHub does not, so the connection is broken and says to connect again.
   */
  async #refresh(
    asker: Asker<Person>,
    grant: Grant<'repository.use'>,
    connection: Connection,
  ): Promise<void> {
    const { id, accountId } = connection
    const leaseId = newId('lse')
    const now = this.#clock.now().getTime()
    const wasInterrupted = connection.leaseExpiresAt !== null && connection.leaseExpiresAt.getTime() <= now
    const isClaimed = await this.#storage.transaction((tx) =>
      store.claimLease(tx, connection, leaseId, now, now + LEASE_MS),
    )
    if (!isClaimed) {
      await delay(LEASE_LOOK_MS)
      return
    }
    try {
      const tokens = await store.openTokens(this.#storage.db, this.#vault, grant, connection)
      const provider = await store.findProvider(this.#storage.db, connection.provider.id)
      if (!tokens?.refresh || !provider) return
      const pair = await this.#client.refresh(await this.#account(provider), tokens.refresh)
      await this.#storeRefreshed(asker, connection, pair)
    } catch (error) {
      if (!(error instanceof VendorError)) throw error
      if (error.failure !== 'grant')
        throw new AppError('repository_provider.unavailable', {
          detail: `${providerName(connection.provider)}: ${error.reason}`,
        })
      // Somebody whose lease ran out while the provider was slow may have been the one who refreshed.
      const current = await store.findConnection(this.#storage.db, accountId, { id })
      if (current?.tokenVersion !== connection.tokenVersion) return
      const because = wasInterrupted
        ? 'a refresh of the token was interrupted'
        : 'it was revoked, or not used for too long'
      const reason = `${providerName(connection.provider)} no longer accepts the authorization: ${because}; connect again`
      await this.#storage.transaction((tx) => store.setBroken(tx, connection, reason))
    } finally {
      await this.#storage.transaction((tx) => store.releaseLease(tx, id, leaseId))
    }
  }

  async #storeRefreshed(asker: Asker<Person>, connection: Connection, pair: TokenPair): Promise<void> {
    for (const retryMs of [...STORE_RETRIES_MS, undefined]) {
      try {
        return await this.#access.perform(
          asker,
          'repository.refresh',
          own(about(connection)),
          async (tx, grant) => {
            const now = this.#clock.now().getTime()
            const isStored = await store.storeTokens(tx, this.#vault, grant, connection, pair, {
              ...(pair.scopes && { scopes: JSON.stringify(pair.scopes) }),
              token_expires_at: endOf(pair, now),
              token_changed_at: now,
            })
            // Another version is there: somebody connected anew, or the commit before was made after all.
            return { result: undefined, record: isStored ? about(connection) : null }
          },
        )
      } catch (error) {
        const isPassing = error instanceof AppError && error.status >= 503
        if (!isPassing || retryMs === undefined) throw error
        await delay(retryMs)
      }
    }
  }

  #hasLessThan({ tokenExpiresAt }: Connection, ms: number): boolean {
    return tokenExpiresAt !== null && tokenExpiresAt.getTime() - this.#clock.now().getTime() <= ms
  }

  #isFresh({ tokenChangedAt }: Connection): boolean {
    return (
      tokenChangedAt !== null && this.#clock.now().getTime() - tokenChangedAt.getTime() < REJECTED_STEP_MS
    )
  }

  /** Keeps "last used", to the minute. */
  async #touch({ id, lastUsedAt }: Connection): Promise<void> {
    const now = this.#clock.now().getTime()
    const unlessSince = now - LAST_USED_STEP_MS
    if (lastUsedAt && lastUsedAt.getTime() >= unlessSince) return
    // The use is recorded: that a convenience could not be kept must not stop it.
    await this.#storage.transaction((tx) => store.touchConnection(tx, id, now, unlessSince)).catch(() => {})
  }

  /** @throws VendorError when an administrator has removed it meanwhile. */
  async #provider(connection: Connection): Promise<Provider> {
    const provider = await store.findProvider(this.#storage.db, connection.provider.id)
    if (!provider) throw new VendorError('client', 'it is no longer registered')
    return provider
  }

  /** @throws VendorError when the provider has no OAuth application any more. */
  async #account(provider: Provider): Promise<VendorAccount> {
    const client = await store.openClientSecret(this.#storage.db, this.#vault, provider.id)
    if (!client) throw new VendorError('client', 'it is not registered as an OAuth application')
    return { type: provider.type, kind: provider.kind, baseUrl: provider.baseUrl, ca: provider.ca, ...client }
  }

  /* GPG keys. */

  /** Registers a public GPG key at every provider connected by OAuth. One that fails does not stop the others. */
  async publishGpgKey(asker: Asker<Person>, armored: string, name: string): Promise<GpgPublication[]> {
    return this.#everywhere(asker, async (connection) => {
      const base = { connectionId: connection.id, provider: providerName(connection.provider) }
      const { gpgScopes } = vendors[productOf(connection.provider)]
      const missing: GpgPublication = {
        ...base,
        status: 'missing-scope',
        missingScope: gpgScopes[0]!,
        reason: `connect again with the scope ${gpgScopes[0]}; an administrator sets which scopes are asked for`,
      }
      // Tokens of GitHub Apps have permissions and name no scopes: those have to try.
      const isKnown = connection.scopes.length > 0
      if (isKnown && !gpgScopes.some((scope) => connection.scopes.includes(scope))) return missing
      try {
        const remoteId = await this.#use(asker, { id: connection.id }, false, async ({ access }, used) => {
          const provider = await this.#provider(used)
          return this.#client.addGpgKey(await this.#account(provider), access, userOf(used), armored, name)
        })
        return { ...base, status: 'published', remoteId }
      } catch (error) {
        if (error instanceof VendorError && error.failure === 'scope') return missing
        return { ...base, status: 'failed', reason: reasonOf(error) }
      }
    })
  }

  /** Removes what {@link publishGpgKey} registered. @param published by connection, as it answered. */
  async removeGpgKey(
    asker: Asker<Person>,
    published: readonly { readonly connectionId: string; readonly remoteId: string }[],
  ): Promise<GpgRemoval[]> {
    return this.#everywhere(asker, async (connection) => {
      const entry = published.find(({ connectionId }) => connectionId === connection.id)
      if (!entry) return undefined
      const base = { connectionId: connection.id, provider: providerName(connection.provider) }
      try {
        await this.#use(asker, { id: connection.id }, false, async ({ access }, used) => {
          const provider = await this.#provider(used)
          const account = await this.#account(provider)
          return this.#client.removeGpgKey(account, access, userOf(used), entry.remoteId)
        })
        return { ...base, status: 'removed' }
      } catch (error) {
        return { ...base, status: 'failed', reason: reasonOf(error) }
      }
    })
  }

  async #everywhere<T>(
    { caller }: Asker<Person>,
    work: (connection: Connection) => Promise<T | undefined>,
  ): Promise<T[]> {
    const connections = await store.listConnections(this.#storage.db, caller.accountId)
    const results = await Promise.all(
      connections.filter(({ method, hasToken }) => method === 'oauth' && hasToken).map(work),
    )
    return results.filter((result) => result !== undefined)
  }
}

/** What a provider gave for an authorization. */
interface Obtained {
  readonly pair: TokenPair
  readonly user: RemoteUser
  readonly scopes: readonly string[]
}

const endOf = ({ expiresInSeconds }: TokenPair, now: number) =>
  expiresInSeconds === null ? null : now + expiresInSeconds * 1000

function toPending({ pair, user, scopes }: Obtained, now: Date): Secret<store.PendingTokens> {
  return new Secret({
    access: pair.access.reveal(),
    refresh: pair.refresh?.reveal() ?? null,
    expiresAt: endOf(pair, now.getTime()),
    scopes,
    login: user.login,
    remoteId: user.id,
  })
}

function fromPending(pending: Secret<store.PendingTokens>, now: Date): Obtained {
  const { access, refresh, expiresAt, scopes, login, remoteId } = pending.reveal()
  return {
    pair: {
      access: new Secret(access),
      refresh: refresh === null ? null : new Secret(refresh),
      expiresInSeconds: expiresAt === null ? null : (expiresAt - now.getTime()) / 1000,
      scopes,
    },
    user: { login, id: remoteId },
    scopes,
  }
}

/** 40 random bits as eight letters and digits that cannot be confused. */
function newCode(): string {
  const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'
  const bits = BigInt(`0x${randomKey(CODE_BYTES).toString('hex')}`)
  return Array.from({ length: 8 }, (_, i) => alphabet[Number((bits >> BigInt(5 * i)) & 31n)]).join('')
}

const shownCode = (code: string) => `${code.slice(0, 4)}-${code.slice(4)}`.toUpperCase()

function isSame(hash: Uint8Array, token: string | undefined): boolean {
  const given = hashToken(token ?? '')
  return token !== undefined && sameBytes(hash, given)
}

/** The credential that began: how the record names what happened in the browser. */
function credentialOf(begun: store.Authorization): Person['credential'] {
  return begun.sessionId !== null
    ? { kind: 'session', id: begun.sessionId, authenticatedAt: new Date(0), expiresAt: begun.expiresAt }
    : {
        kind: 'access-token',
        id: begun.accessTokenId ?? '',
        scopes: null,
        expiresAt: null,
        lastUsedAt: null,
      }
}

function assertUsable(connection: Connection): void {
  if (connection.method !== 'oauth' || !connection.hasToken)
    throw new AppError('repository_connection.no_token')
  if (connection.brokenReason !== null)
    throw new AppError('repository_connection.broken', { detail: connection.brokenReason })
}

/** What the log says of a connection, or of the wish for one. */
function about(connection?: Connection): RecordDetail {
  const kind = 'repository-connection'
  return {
    target: connection ? { kind, id: connection.id, name: connection.provider.host } : { kind },
  }
}

/** What the log says before the connection was found; what is no id may be a value. */
const attempt = (id: string): RecordDetail => ({
  target: { kind: 'repository-connection', ...(CONNECTION_ID.test(id) && { id }) },
})

const userOf = ({ login, remoteId }: Connection): RemoteUser => ({ login: login ?? '', id: remoteId })

const byHand = ({ provider }: Connection) =>
  `remove Keyhold's access at ${endpointsOf(provider).applications}`

/** Why one provider of several failed. @throws what is no expected failure. */
function reasonOf(error: unknown): string {
  if (error instanceof VendorError) return error.reason
  if (error instanceof AppError && error.status !== 500) return error.shown.detail ?? error.message
  throw error
}
