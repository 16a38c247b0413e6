import type { Scope } from '@keyhold/contract/actions'
import { limits } from '@keyhold/contract/limits'
import { Secret } from '@keyhold/contract/secret'
import { type Access, own } from '../../access/access.ts'
import type { Asker, Operator, Person } from '../../access/caller.ts'
import type { InstanceSettings } from '../../accounts/settings.service.ts'
import { AppError, invalidField } from '../../base/app-error.ts'
import { type Clock, LAST_USED_STEP_MS } from '../../base/clock.ts'
import type { CredentialItem, CredentialSource } from '../../base/credential-item.ts'
import { hashToken, isToken, newId, newToken } from '../../base/ids.ts'
import { lockAccount } from '../../storage/locks.ts'
import type { Storage } from '../../storage/storage.ts'
import type { Transaction } from '../../storage/tables.ts'
import { deleteToken, findLiveToken, insertToken, listTokens, touchToken } from './access-token.store.ts'
import { type AccessToken, partialView, sortTokens, TOKEN_PREFIX, type TokenSort } from './access-token.ts'

export interface NewToken {
  readonly name: string
  readonly scopes: readonly Scope[] | null
  readonly expiresAt: Date | null
}

/** People's access tokens: made, listed, deleted, and told from forgeries. */
export class AccessTokens implements CredentialSource {
  readonly #storage: Storage
  readonly #access: Access
  readonly #settings: InstanceSettings
  readonly #clock: Clock

  constructor(storage: Storage, access: Access, settings: InstanceSettings, clock: Clock) {
    this.#storage = storage
    this.#access = access
    this.#settings = settings
    this.#clock = clock
  }

  async list(asker: Asker<Person>, sort: TokenSort): Promise<AccessToken[]> {
    const list = () => listTokens(this.#storage.db, asker.caller.accountId)
    return sortTokens(await this.#access.check(asker, 'access-token.list', own(), list), sort)
  }

  async items(accountId: string): Promise<CredentialItem[]> {
    const tokens = await listTokens(this.#storage.db, accountId)
    return tokens.map((token) => ({
      kind: 'access-token',
      id: token.id,
      name: token.name,
      purpose: '',
      usedIn: 'the API of Keyhold',
      accessLevel: token.scopes?.join(', ') ?? 'all your rights',
      createdAt: token.createdAt,
      lastUsedAt: token.lastUsedAt,
      expiresAt: token.expiresAt,
      rotation: 'token',
      rotatedAt: token.createdAt,
      status: 'active',
    }))
  }

  /**
   * Makes a token for `accountId`. A caller who is limited themselves cannot make one that reaches further.
   * @returns the full token, which is nowhere else.
   */
  async create(
    asker: Asker<Person | Operator>,
    accountId: string,
    token: NewToken,
  ): Promise<{ accessToken: AccessToken; token: Secret<string> }> {
    return this.#access.perform(asker, 'access-token.create', own(), async (tx) => {
      if (token.expiresAt && token.expiresAt <= this.#clock.now())
        throw invalidField('expiresAt', 'must be in the future')
      if (asker.caller.kind === 'person') {
        assertWithin(asker.caller, token)
        await this.#settings.assertLife(tx, 'accessTokenDays', token.expiresAt, this.#clock.now())
      }
      const result = await this.add(tx, accountId, token)
      const { id, name } = result.accessToken
      return { result, record: { target: { kind: 'access-token', id, name } } }
    })
  }

  /** Adds a token in a transaction that records it itself. */
  async add(tx: Transaction, accountId: string, { name, scopes, expiresAt }: NewToken) {
    // The lock keeps two creations from passing the limit together.
    await lockAccount(tx, accountId)
    const existing = await listTokens(tx, accountId)
    if (existing.length >= limits.accessTokensPerPerson) throw new AppError('access_token.limit')
    const token = newToken(TOKEN_PREFIX)
    const accessToken: AccessToken = {
      id: newId('tok'),
      accountId,
      name,
      partialToken: partialView(token),
      scopes,
      createdAt: this.#clock.now(),
      expiresAt,
      lastUsedAt: null,
    }
    await insertToken(tx, {
      id: accessToken.id,
      account_id: accountId,
      name,
      token_hash: hashToken(token),
      partial_token: accessToken.partialToken,
      scopes: scopes === null ? null : JSON.stringify(scopes),
      created_at: accessToken.createdAt.getTime(),
      expires_at: expiresAt?.getTime() ?? null,
      last_used_at: null,
    })
    return { accessToken, token: new Secret(token) }
  }

  /** @throws AppError `access_token.not_found`, also for another person's token. */
  async delete(asker: Asker<Person>, id: string): Promise<void> {
    await this.#access.perform(asker, 'access-token.delete', own(), async (tx) => {
      const deleted = await deleteToken(tx, id, asker.caller.accountId)
      if (!deleted) throw new AppError('access_token.not_found')
      return { result: undefined, record: { target: { kind: 'access-token', id, name: deleted.name } } }
    })
  }

  /** Who holds this token. @returns undefined when it is not, or no longer, valid. */
  async authenticate(token: string): Promise<Person | undefined> {
    // The checksum turns typos and noise away before the database is asked.
    if (!isToken(TOKEN_PREFIX, token)) return undefined
    const live = await findLiveToken(this.#storage.db, hashToken(token), this.#clock.now().getTime())
    return (
      live && {
        kind: 'person',
        accountId: live.token.accountId,
        name: live.accountName,
        role: live.role,
        mustChangePassword: live.mustChangePassword,
        hasSecondFactor: live.hasSecondFactor,
        credential: {
          kind: 'access-token',
          id: live.token.id,
          scopes: live.token.scopes,
          expiresAt: live.token.expiresAt,
          lastUsedAt: live.token.lastUsedAt,
        },
      }
    )
  }

  /** Keeps "last used", to the minute. @returns undefined when there is nothing to write. */
  used(id: string, lastUsedAt: Date | null): Promise<void> | undefined {
    const now = this.#clock.now().getTime()
    const unlessSince = now - LAST_USED_STEP_MS
    if (lastUsedAt && lastUsedAt.getTime() >= unlessSince) return undefined
    return this.#storage.transaction((tx) => touchToken(tx, id, now, unlessSince))
  }
}

/** A limited token makes no token with more scopes or a longer life than its own. */
export function assertWithin({ credential }: Person, token: NewToken): void {
  if (credential.kind !== 'access-token') return
  const { scopes, expiresAt } = credential
  if (scopes !== null && !token.scopes?.every((scope) => scopes.includes(scope))) {
    throw invalidField('scopes', 'a limited token can only create tokens with scopes of its own')
  }
  if (expiresAt !== null && (token.expiresAt === null || token.expiresAt > expiresAt)) {
    throw invalidField('expiresAt', 'a token that expires can only create tokens that expire no later')
  }
}
