import { createHash, createHmac } from 'node:crypto'
import { limits } from '@keyhold/contract/limits'
import { Secret } from '@keyhold/contract/secret'
import { type Access, type Grant, own } from '../../access/access.ts'
import type { Asker, Person } from '../../access/caller.ts'
import { type Accounts, toPerson } from '../../accounts/accounts.service.ts'
import { AppError } from '../../base/app-error.ts'
import type { Clock } from '../../base/clock.ts'
import type { CredentialItem, CredentialSource } from '../../base/credential-item.ts'
import { hashToken, newId, randomKey } from '../../base/ids.ts'
import type { Origin } from '../../base/origin.ts'
import { newTypedCode, readTypedCode, shownTypedCode } from '../../base/typed-code.ts'
import type { Storage } from '../../storage/storage.ts'
import type { Transaction } from '../../storage/tables.ts'
import { sameBytes } from '../../vault/same-bytes.ts'
import type { Vault } from '../../vault/vault.ts'
import * as store from './repository.store.ts'
import {
  aboutConnection,
  type Connection,
  callbackUrl,
  connectionAttempt,
  connectionItem,
  type Method,
  type Provider,
  providerName,
} from './repository.ts'
import type { RepositoryTokens } from './repository-tokens.service.ts'
import { endpointsOf, productOf, vendors } from './vendor.ts'
import {
  type RemoteUser,
  type TokenPair,
  tokenEndsAt,
  type VendorClient,
  VendorError,
} from './vendor-client.ts'

/** What was begun has to be finished within this time, and so has its confirmation. */
export const AUTHORIZATION_MS = 10 * 60_000
/** After so many wrong codes what waits for one is given up: 40 bits leave a guesser nothing. */
const WRONG_CODES_MAX = 5
const CODE_CHARACTERS = 8

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

/** People's connections to code repositories: made and ended. */
export class Repositories implements CredentialSource {
  readonly #storage: Storage
  readonly #access: Access
  readonly #accounts: Accounts
  readonly #vault: Vault
  readonly #clock: Clock
  readonly #client: VendorClient
  readonly #tokens: RepositoryTokens
  readonly #publicUrl: string
  /** Of PKCE verifiers and confirmation codes, which are kept nowhere. */
  readonly #key: Buffer

  constructor(
    storage: Storage,
    access: Access,
    accounts: Accounts,
    vault: Vault,
    clock: Clock,
    client: VendorClient,
    tokens: RepositoryTokens,
    publicUrl: string,
  ) {
    this.#storage = storage
    this.#access = access
    this.#accounts = accounts
    this.#vault = vault
    this.#clock = clock
    this.#client = client
    this.#tokens = tokens
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
  async gitHosts(accountId: string): Promise<{ connectionId: string; host: string; method: Method }[]> {
    const connections = await store.listConnections(this.#storage.db, accountId)
    return connections.map(({ id, provider, method }) => ({ connectionId: id, host: provider.host, method }))
  }

  /** Connects by SSH, or begins to connect by OAuth. What is begun leaves no record; what comes of it does. */
  async connect(asker: Asker<Person>, providerId: string, method: Method): Promise<Begun> {
    const { accountId, credential } = asker.caller
    return this.#access.perform(asker, 'repository.connect', own(aboutConnection()), async (tx) => {
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
        return { result, record: aboutConnection(connection) }
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
        await this.#access.perform(asker, 'repository.connect', own(aboutConnection()), async (tx, grant) => {
          // Whoever signed out while the provider was asked has ended what the session began.
          if (!(await store.deleteAuthorization(tx, begun.id))) throw new AppError('auth.required')
          const connection = await this.#keep(tx, grant, begun, got)
          return { result: undefined, record: aboutConnection(connection) }
        })
        return { kind: 'connected', ...facts }
      }
      const code = newTypedCode(CODE_CHARACTERS)
      // Not connected yet: what is recorded is the confirmation.
      isKept = await this.#access.perform(
        asker,
        'repository.connect',
        own(aboutConnection()),
        async (tx, grant) => {
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
        },
      )
      if (!isKept) return { kind: 'wrong-state' }
      const { applications } = endpointsOf(provider)
      return {
        kind: 'confirm',
        ...facts,
        code: new Secret(shownTypedCode(code)),
        applicationsUrl: applications,
      }
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
    const vendor = await this.#tokens.accountOf(provider)
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
    const code = readTypedCode(typed.reveal())
    try {
      return await this.#access.perform(
        asker,
        'repository.connect',
        own(aboutConnection()),
        async (tx, grant) => {
          const now = this.#clock.now()
          const begun = await store.findPending(tx, accountId, this.#codeHash(code), now.getTime())
          const pending = begun && (await store.openPending(tx, this.#vault, grant, begun))
          if (!begun || !pending) throw new AppError('repository_connection.confirmation')
          const connection = await this.#keep(tx, grant, begun, fromPending(pending, now))
          await store.deleteAuthorization(tx, begun.id)
          return { result: connection, record: aboutConnection(connection) }
        },
      )
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
      token_expires_at: tokenEndsAt(pair, now),
      token_changed_at: now,
      updated_at: now,
    })
    return (await store.findConnection(tx, accountId, { providerId }))!
  }

  /** Switches between the methods; the other one is no longer offered to git. */
  async switchMethod(asker: Asker<Person>, id: string, method: Method): Promise<Connection> {
    const { accountId } = asker.caller
    return this.#access.perform(asker, 'repository.update', own(connectionAttempt(id)), async (tx) => {
      const before = await store.findConnection(tx, accountId, { id })
      if (!before) throw new AppError('repository_connection.not_found')
      if (before.method === method) return { result: before, record: null }
      if (method === 'oauth' && !before.hasToken) throw new AppError('repository_connection.no_token')
      await store.setMethod(tx, id, method, this.#clock.now().getTime())
      const result = (await store.findConnection(tx, accountId, { id }))!
      return { result, record: { changed: ['method'], ...aboutConnection(result) } }
    })
  }

  /** Deletes the connection here, then ends its tokens at the provider, and says what came of that. */
  async disconnect(asker: Asker<Person>, id: string): Promise<Disconnected> {
    const { accountId } = asker.caller
    const { connection, tokens } = await this.#access.perform(
      asker,
      'repository.disconnect',
      own(connectionAttempt(id)),
      async (tx, grant) => {
        const connection = await store.findConnection(tx, accountId, { id })
        if (!connection) throw new AppError('repository_connection.not_found')
        // What does not open any more must still be deletable.
        const tokens = await store.openTokens(tx, this.#vault, grant, connection).catch((error: unknown) => {
          if (error instanceof AppError && error.code === 'secret.unreadable') return undefined
          throw error
        })
        await store.deleteConnection(tx, id)
        return { result: { connection, tokens }, record: aboutConnection(connection) }
      },
    )
    if (!tokens)
      return {
        revocation: connection.hasToken ? 'failed' : 'none',
        next: connection.hasToken ? byHand(connection) : null,
      }
    try {
      const provider = await this.#tokens.providerOf(connection)
      const isRevoked = await this.#client.revoke(await this.#tokens.accountOf(provider), tokens)
      return isRevoked
        ? { revocation: 'revoked', next: null }
        : { revocation: 'unsupported', next: byHand(connection) }
    } catch (error) {
      if (!(error instanceof VendorError)) throw error
      return { revocation: 'failed', next: `${error.reason}; ${byHand(connection)}` }
    }
  }
}

/** What a provider gave for an authorization. */
interface Obtained {
  readonly pair: TokenPair
  readonly user: RemoteUser
  readonly scopes: readonly string[]
}

function toPending({ pair, user, scopes }: Obtained, now: Date): Secret<store.PendingTokens> {
  return new Secret({
    access: pair.access.reveal(),
    refresh: pair.refresh?.reveal() ?? null,
    expiresAt: tokenEndsAt(pair, now.getTime()),
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

const byHand = ({ provider }: Connection) =>
  `remove Keyhold's access at ${endpointsOf(provider).applications}`
