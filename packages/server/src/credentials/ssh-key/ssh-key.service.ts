import { limits } from '@keyhold/contract/limits'
import { type Access, own } from '../../access/access.ts'
import type { Asker, Person } from '../../access/caller.ts'
import { AppError, invalidField } from '../../base/app-error.ts'
import { type Clock, LAST_USED_STEP_MS } from '../../base/clock.ts'
import type { CredentialItem, CredentialSource } from '../../base/credential-item.ts'
import { newId } from '../../base/ids.ts'
import {
  fingerprintOf,
  md5FingerprintOf,
  parseFingerprint,
  parsePublicKeyLine,
} from '../../base/ssh-public-key.ts'
import { type Storage, violatedUnique } from '../../storage/storage.ts'
import type { Queries } from '../../storage/tables.ts'
import {
  deleteKey,
  insertKey,
  listKeys,
  listLoginKeys,
  prepareFindForLogin,
  touchKey,
} from './ssh-key.store.ts'
import { type SshKey, titleOf } from './ssh-key.ts'

/**
 * Whether a key is one that this instance signs with for workspaces. Such a key must not open workspaces: whoever is in one
 * could enter all others as its owner.
 */
export type IsIdentity = (db: Queries, blob: Uint8Array) => Promise<boolean>

/** The keys that may enter people's workspaces: added, listed, removed, and looked up when somebody knocks. */
export class SshKeys implements CredentialSource {
  readonly #storage: Storage
  readonly #access: Access
  readonly #clock: Clock
  readonly #isIdentity: IsIdentity
  readonly #findForLogin: ReturnType<typeof prepareFindForLogin>

  constructor(storage: Storage, access: Access, clock: Clock, isIdentity: IsIdentity) {
    this.#storage = storage
    this.#access = access
    this.#clock = clock
    this.#isIdentity = isIdentity
    this.#findForLogin = prepareFindForLogin(storage)
  }

  async list(asker: Asker<Person>): Promise<SshKey[]> {
    return this.#access.check(asker, 'ssh-key.list', own(), () =>
      listKeys(this.#storage.db, asker.caller.accountId),
    )
  }

  /**
   * @param publicKey a line as `ssh-keygen` writes it.
   * @throws AppError `request.invalid`, `ssh_key.exists` whoever has it, `ssh_key.is_identity`, `ssh_key.limit`.
   */
  async create(asker: Asker<Person>, publicKey: string, expiresAt: Date | null): Promise<SshKey> {
    return this.#access.perform(asker, 'ssh-key.create', own(), async (tx) => {
      const { accountId } = asker.caller
      const now = this.#clock.now()
      const { type, blob, bits, comment, fingerprint } = parsePublicKeyLine(publicKey)
      if (expiresAt && expiresAt <= now) throw invalidField('expiresAt', 'must be in the future')
      if (await this.#isIdentity(tx, blob)) throw new AppError('ssh_key.is_identity')
      const key: SshKey = {
        ...{ id: newId('ssh'), accountId, fingerprint, type, blob, bits, comment },
        ...{ createdAt: now, expiresAt, lastUsedAt: null },
      }
      const existing = await listKeys(tx, accountId)
      // The account is locked (see Access.perform): two of one person's do not pass the limit together.
      const isNew = !existing.some((one) => one.fingerprint === fingerprint)
      if (isNew && existing.length >= limits.sshKeysPerPerson) throw new AppError('ssh_key.limit')
      await insertKey(tx, {
        ...{ id: key.id, account_id: accountId, fingerprint, type, blob, bits, comment },
        ...{ created_at: now.getTime(), expires_at: expiresAt?.getTime() ?? null, last_used_at: null },
      }).catch((error: unknown) => {
        // Of two people who add a key at once, the constraint lets one through.
        throw violatedUnique(error) ? new AppError('ssh_key.exists', {}, error) : error
      })
      return { result: key, record: keyRecord(key) }
    })
  }

  /** @throws AppError `request.invalid` for what is no fingerprint, `ssh_key.not_found` also for another person's. */
  async delete(asker: Asker<Person>, fingerprint: string | undefined): Promise<void> {
    const wanted = parseFingerprint(fingerprint ?? '')
    const about = wanted === undefined ? {} : { target: { kind: 'ssh-key', name: wanted } }
    await this.#access.perform(asker, 'ssh-key.delete', own(about), async (tx) => {
      const { accountId } = asker.caller
      if (wanted === undefined) {
        throw invalidField(
          'publicKeyFingerprint',
          'must be a fingerprint, as ssh-keygen -lf prints it, once: in the body or in the query',
        )
      }
      const keys = await listKeys(tx, accountId)
      const key = keys.find(({ blob }) => wanted === fingerprintOf(blob) || wanted === md5FingerprintOf(blob))
      if (!key || !(await deleteKey(tx, key.id, accountId))) throw new AppError('ssh_key.not_found')
      return { result: undefined, record: keyRecord(key) }
    })
  }

  /**
   * Whose key it is, when it lets its owner in now. For the gateway, which asks before it looks at the signature and once
   * more after: the answer may have changed in between.
   * @param key fingerprint (`SHA256:…`) or blob.
   */
  async findForLogin(
    key: string | Uint8Array,
  ): Promise<{ id: string; accountId: string; fingerprint: string; title: string } | undefined> {
    const fingerprint = typeof key === 'string' ? key : fingerprintOf(key)
    const found = await this.#findForLogin(fingerprint, this.#clock.now().getTime())
    // Added before that was refused.
    if (!found || (await this.#isIdentity(this.#storage.db, found.blob))) return undefined
    return { id: found.id, accountId: found.accountId, fingerprint, title: titleOf(found) }
  }

  /** Lines of `authorized_keys` of all keys that let a person in now. */
  async linesForLogin(accountId: string): Promise<string[]> {
    const now = this.#clock.now()
    const keys = await listKeys(this.#storage.db, accountId)
    const present = keys.filter(({ expiresAt }) => expiresAt === null || expiresAt > now)
    const areIdentities = await Promise.all(
      present.map(({ blob }) => this.#isIdentity(this.#storage.db, blob)),
    )
    return present.filter((_, index) => !areIdentities[index]).map(lineOf)
  }

  /**
   * The keys of people that still let them in, in one query: for keys that did so once.
   * @returns by account, ids and lines of `authorized_keys`.
   */
  async stillLettingIn(
    accountIds: readonly string[],
  ): Promise<
    ReadonlyMap<string, { readonly ids: ReadonlySet<string>; readonly lines: ReadonlySet<string> }>
  > {
    if (accountIds.length === 0) return new Map()
    const keys = await listLoginKeys(this.#storage.db, accountIds, this.#clock.now().getTime())
    return new Map(
      [...Map.groupBy(keys, ({ accountId }) => accountId)].map(([accountId, theirs]) => [
        accountId,
        { ids: new Set(theirs.map(({ id }) => id)), lines: new Set(theirs.map(lineOf)) },
      ]),
    )
  }

  /** Keeps "last used", to the minute. */
  async used(id: string): Promise<void> {
    const now = this.#clock.now().getTime()
    await this.#storage.transaction((tx) => touchKey(tx, id, now, now - LAST_USED_STEP_MS))
  }

  async items(accountId: string): Promise<CredentialItem[]> {
    const keys = await listKeys(this.#storage.db, accountId)
    return keys.map((key) => ({
      kind: 'ssh-key',
      id: key.id,
      name: titleOf(key),
      purpose: '',
      usedIn: 'your workspaces',
      accessLevel: null,
      createdAt: key.createdAt,
      lastUsedAt: key.lastUsedAt,
      expiresAt: key.expiresAt,
      rotation: null,
      rotatedAt: key.createdAt,
      status: 'active',
    }))
  }
}

/** The fingerprint names the key; the comment is its person's text. */
function keyRecord({ id, fingerprint }: SshKey) {
  return { target: { kind: 'ssh-key', id, name: fingerprint } }
}

/** Of `authorized_keys`. */
function lineOf({ type, blob }: { readonly type: string; readonly blob: Uint8Array }): string {
  return `${type} ${Buffer.from(blob).toString('base64')}`
}
