import { setTimeout as delay } from 'node:timers/promises'
import type { Secret } from '@keyhold/contract/secret'
import { type Access, type Grant, own } from '../../access/access.ts'
import { type Asker, ownerIdOf, type Person, type WorkspaceAgent } from '../../access/caller.ts'
import { AppError } from '../../base/app-error.ts'
import { type Clock, LAST_USED_STEP_MS } from '../../base/clock.ts'
import { newId } from '../../base/ids.ts'
import type { Storage } from '../../storage/storage.ts'
import type { Vault } from '../../vault/vault.ts'
import * as store from './repository.store.ts'
import { aboutConnection, type Connection, canonicalHost, type Provider, providerName } from './repository.ts'
import { productOf, vendors } from './vendor.ts'
import {
  type TokenPair,
  tokenEndsAt,
  type VendorAccount,
  type VendorClient,
  VendorError,
} from './vendor-client.ts'

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

/** What git is given. */
export interface GitCredential {
  readonly username: string
  readonly token: Secret<string>
  readonly expiresAt: Date | null
}

/** Tokens of people's connections: handed to git, by the agents of their workspaces, and kept alive. */
export class RepositoryTokens {
  readonly #storage: Storage
  readonly #access: Access
  readonly #vault: Vault
  readonly #clock: Clock
  readonly #client: VendorClient
  /** Refreshes under way here, by connection: one poller per server and connection. */
  readonly #refreshing = new Map<string, Promise<void>>()

  constructor(storage: Storage, access: Access, vault: Vault, clock: Clock, client: VendorClient) {
    this.#storage = storage
    this.#access = access
    this.#vault = vault
    this.#clock = clock
    this.#client = client
  }

  /**
   * Hands out the token for a host, recorded before it leaves and refreshed when it is about to end.
   * @param by the host exactly as git names it, port included, or the connection.
   * @param isRejected the provider did not accept the token that was handed out last: refresh it, or find out why.
   * @throws AppError `repository_connection.not_found` for hosts without a connection, `.no_token` where SSH is used,
   *   `.broken`, `repository_provider.unavailable`.
   */
  async tokenFor(
    asker: Asker<Person | WorkspaceAgent>,
    by: { readonly host: string } | { readonly id: string },
    isRejected = false,
  ): Promise<GitCredential> {
    return this.use(asker, by, isRejected, async ({ access }, connection) => ({
      username: vendors[productOf(connection.provider)].gitUser,
      token: access,
      expiresAt: connection.tokenExpiresAt,
    }))
  }

  /** Does something with the tokens of a connection, recorded before and refreshed as {@link tokenFor} says. */
  async use<T>(
    asker: Asker<Person | WorkspaceAgent>,
    by: { readonly host: string } | { readonly id: string },
    isRejected: boolean,
    work: (tokens: store.Tokens, connection: Connection) => Promise<T>,
  ): Promise<T> {
    const accountId = ownerIdOf(asker.caller)
    return this.#access.deliver(
      asker,
      'repository.use',
      own(aboutConnection()),
      async (db) => {
        const host = 'host' in by ? canonicalHost(by.host) : undefined
        const key = 'id' in by ? by : host === undefined ? undefined : { host }
        const found = key && (await store.findConnection(db, accountId, key))
        if (!found) throw new AppError('repository_connection.not_found')
        assertUsable(found)
        return { found, records: [aboutConnection(found)] }
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
    asker: Asker<Person | WorkspaceAgent>,
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
        const provider = await this.providerOf(connection)
        await this.#client.whoAmI(await this.accountOf(provider), access)
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

  #refreshOnce(
    asker: Asker<Person | WorkspaceAgent>,
    grant: Grant<'repository.use'>,
    connection: Connection,
  ): Promise<void> {
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
    asker: Asker<Person | WorkspaceAgent>,
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
      const pair = await this.#client.refresh(await this.accountOf(provider), tokens.refresh)
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

  async #storeRefreshed(
    asker: Asker<Person | WorkspaceAgent>,
    connection: Connection,
    pair: TokenPair,
  ): Promise<void> {
    for (const retryMs of [...STORE_RETRIES_MS, undefined]) {
      try {
        return await this.#access.perform(
          asker,
          'repository.refresh',
          own(aboutConnection(connection)),
          async (tx, grant) => {
            const now = this.#clock.now().getTime()
            const isStored = await store.storeTokens(tx, this.#vault, grant, connection, pair, {
              ...(pair.scopes && { scopes: JSON.stringify(pair.scopes) }),
              token_expires_at: tokenEndsAt(pair, now),
              token_changed_at: now,
            })
            // Another version is there: somebody connected anew, or the commit before was made after all.
            return { result: undefined, record: isStored ? aboutConnection(connection) : null }
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

  /** Finds the provider of a connection. @throws VendorError when an administrator has removed it meanwhile. */
  async providerOf(connection: Connection): Promise<Provider> {
    const provider = await store.findProvider(this.#storage.db, connection.provider.id)
    if (!provider) throw new VendorError('client', 'it is no longer registered')
    return provider
  }

  /** What Keyhold is to a provider. @throws VendorError when it has no OAuth application any more. */
  async accountOf(provider: Provider): Promise<VendorAccount> {
    const client = await store.openClientSecret(this.#storage.db, this.#vault, provider.id)
    if (!client) throw new VendorError('client', 'it is not registered as an OAuth application')
    return { type: provider.type, kind: provider.kind, baseUrl: provider.baseUrl, ca: provider.ca, ...client }
  }
}

function assertUsable(connection: Connection): void {
  if (connection.method !== 'oauth' || !connection.hasToken)
    throw new AppError('repository_connection.no_token')
  if (connection.brokenReason !== null)
    throw new AppError('repository_connection.broken', { detail: connection.brokenReason })
}
