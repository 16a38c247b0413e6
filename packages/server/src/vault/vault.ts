import { hkdfSync, type KeyObject } from 'node:crypto'
import { Secret } from '@keyhold/contract/secret'
import { AppError } from '../base/app-error.ts'
import type { Clock } from '../base/clock.ts'
import { randomKey } from '../base/ids.ts'
import type { Storage } from '../storage/storage.ts'
import type { Queries, Transaction } from '../storage/tables.ts'
import { type Context, decrypt, encrypt, KEY_ID_BYTES, keyIdOf } from './envelope.ts'
import {
  findWrongKey,
  keyringId,
  newKeyringRow,
  toKey,
  unwrapKeyring,
  WrongRootKeyError,
  wrapKeyring,
} from './keyring.ts'
import type { RootKey } from './root-key.ts'
import {
  addDataKey,
  addKeyringKey,
  addRootKey,
  countKeyringUse,
  type DataKeyRow,
  findDataKey,
  listDataKeys,
  listKeyring,
  listRootKeys,
  listWraps,
  lockCurrentRootKey,
  retireDataKey,
  useCurrentDataKey,
} from './vault.store.ts'

/*
 *   root key  (outside the database)
 *     └─ wraps keyring keys, version 1, 2, …        table keyring
 *          └─ wrap data keys, one per owner          table data_keys
 *               └─ seal values                       columns `sealed`
 *
 * All of it in the one format of envelope.ts. Rotating the root key re-wraps the keyring and touches no value.
 */

const DATA_KEY_BYTES = 32

/**
 * Values sealed by one data key, and data keys wrapped by one keyring key, before the next key takes over. SP 800-38D
 * §8.3 allows 2^32 with random nonces; a limit 4,096 times lower costs nothing and leaves room for lost counts.
 */
export const KEY_USES_MAX = 2 ** 20

/** Whom a data key belongs to, such as `project:prj_…`. */
export type Owner = `${'project' | 'person' | 'workspace'}:${string}` | 'instance'

/** How many data keys stay unwrapped in memory. */
const CACHED_KEYS_MAX = 2_000

/** Seals and opens values. Knows no rights: who may see a value is decided before, in access/. */
export class Vault {
  readonly rootFingerprint: string
  readonly #keyring: ReadonlyMap<number, KeyObject>
  readonly #currentVersion: number
  readonly #clock: Clock
  readonly #usesMax: number
  /** Unwrapped data keys by id, oldest first. */
  readonly #dataKeys = new Map<string, { key: KeyObject; owner: string }>()

  private constructor(
    rootFingerprint: string,
    keyring: ReadonlyMap<number, KeyObject>,
    clock: Clock,
    usesMax: number,
  ) {
    this.rootFingerprint = rootFingerprint
    this.#keyring = keyring
    this.#currentVersion = Math.max(...keyring.keys())
    this.#clock = clock
    this.#usesMax = usesMax
  }

  /**
   * Unwraps the keyring, making its first key in an empty database.
   * @param usesMax lowers {@link KEY_USES_MAX} so that a test sees keys change. @throws WrongRootKeyError
   */
  static async open(
    storage: Storage,
    rootKey: RootKey,
    clock: Clock,
    usesMax = KEY_USES_MAX,
  ): Promise<Vault> {
    let rows = await listKeyring(storage.db)
    if (rows.length === 0) {
      const now = clock.now().getTime()
      await storage.transaction(async (tx) => {
        if (await addKeyringKey(tx, newKeyringRow(1, rootKey, now)))
          await addRootKey(tx, { fingerprint: rootKey.fingerprint, state: 'current', now })
      })
      rows = await listKeyring(storage.db)
    }
    let keyring = await openKeyring(storage.db, rootKey)
    // Only a root key that opens what is there may add to it: a wrong one would leave a keyring that nothing opens.
    if (rows.at(-1)!.uses >= usesMax) {
      await storage.transaction((tx) => growKeyring(tx, rootKey, clock))
      keyring = await openKeyring(storage.db, rootKey)
    }
    return new Vault(rootKey.fingerprint, keyring, clock, usesMax)
  }

  /** Wraps the keyring under another root key; nothing else has to be encrypted anew when the root key changes. */
  wrapKeyring(rootKey: RootKey): { version: number; wrapped: Uint8Array }[] {
    return wrapKeyring(this.#keyring, rootKey)
  }

  /** Seals a value under its owner's data key. Runs in the transaction that stores the result. */
  async seal(
    tx: Transaction,
    owner: Owner,
    context: Context,
    value: Secret<Uint8Array>,
  ): Promise<Uint8Array> {
    let row = await useCurrentDataKey(tx, owner)
    // More than one turn only where others take the last uses of a new key before this transaction gets to it.
    while (!row || row.uses > this.#usesMax) {
      if (row) await retireDataKey(tx, row.id, this.#clock.now().getTime())
      await this.#addDataKey(tx, owner)
      row = await useCurrentDataKey(tx, owner)
    }
    return encrypt(this.#unwrap(row), Buffer.from(row.id, 'hex'), [owner, ...context], value.reveal())
  }

  /**
   * Opens a sealed value.
   * @throws AppError `secret.unreadable` when anything differs from what was sealed: owner, context, or a bit.
   */
  async open(db: Queries, owner: Owner, context: Context, sealed: Uint8Array): Promise<Secret<Uint8Array>> {
    const keyId = keyIdOf(sealed)?.toString('hex')
    const key = keyId === undefined ? undefined : await this.#findKey(db, keyId, owner)
    const plaintext = key && decrypt(key, [owner, ...context], sealed)
    if (!plaintext) throw new AppError('secret.unreadable')
    return new Secret(plaintext)
  }

  async #findKey(db: Queries, id: string, owner: Owner): Promise<KeyObject | undefined> {
    const cached = this.#dataKeys.get(id)
    if (cached) return cached.owner === owner ? cached.key : undefined
    const row = await findDataKey(db, id)
    return row && row.owner === owner ? this.#unwrap(row) : undefined
  }

  async #addDataKey(tx: Transaction, owner: Owner): Promise<void> {
    const id = randomKey(KEY_ID_BYTES)
    const version = this.#currentVersion
    const key = this.#keyring.get(version)!
    const wrapped = encrypt(
      key,
      keyringId(version),
      dataKeyContext(id.toString('hex'), owner),
      randomKey(DATA_KEY_BYTES),
    )
    const isAdded = await addDataKey(tx, {
      id: id.toString('hex'),
      owner,
      keyring_version: version,
      wrapped,
      uses: 0,
      created_at: this.#clock.now().getTime(),
      retired_at: null,
    })
    // After the insert: whoever waits for an owner's key must not hold the keyring's row, which all owners share.
    // More than the limit is only reached when this many owners appear between two starts; it stays far below 2^32.
    if (isAdded) await countKeyringUse(tx, version)
  }

  #unwrap(row: DataKeyRow): KeyObject {
    const cached = this.#dataKeys.get(row.id)
    if (cached) {
      this.#dataKeys.delete(row.id)
      this.#dataKeys.set(row.id, cached)
      return cached.key
    }
    const wrapping = this.#keyring.get(row.keyring_version)
    const bytes = wrapping && decrypt(wrapping, dataKeyContext(row.id, row.owner), row.wrapped)
    if (!bytes) throw new AppError('secret.unreadable', {}, new Error(`data key ${row.id} does not open`))
    const key = toKey(bytes)
    this.#dataKeys.set(row.id, { key, owner: row.owner })
    if (this.#dataKeys.size > CACHED_KEYS_MAX) this.#dataKeys.delete(this.#dataKeys.keys().next().value!)
    return key
  }

  /** Unwraps every data key. @returns how many there are. @throws AppError `secret.unreadable` when one does not open. */
  async verifyDataKeys(db: Queries): Promise<number> {
    let count = 0
    for (let after = ''; ; ) {
      const rows = await listDataKeys(db, after, 1_000)
      for (const row of rows) this.#unwrap(row)
      count += rows.length
      if (rows.length < 1_000) return count
      after = rows.at(-1)!.id // `!`: a full page.
    }
  }

  /**
   * Derives a key for one purpose that is no encryption, such as signing checkpoints, from the first keyring key.
   * @returns 32 bytes, the same as long as the instance lives.
   */
  deriveKey(purpose: string): Buffer {
    return Buffer.from(
      hkdfSync('sha256', this.#keyring.get(1)!, new Uint8Array(), `keyhold/v1/derive/${purpose}`, 32),
    )
  }
}

/** @throws WrongRootKeyError */
async function openKeyring(db: Queries, rootKey: RootKey): Promise<Map<number, KeyObject>> {
  const rows = await listKeyring(db)
  const wraps = await listWraps(db, rootKey.fingerprint)
  if (wraps.length > 0) return unwrapKeyring(wraps, rootKey)
  const needed = findWrongKey(rows, rootKey)
  if (needed !== undefined) {
    const others = (await listRootKeys(db)).filter(({ state }) => state === 'next' || state === 'previous')
    const also = others.map(({ fingerprint }) => `; ${fingerprint} opens it too for now`).join('')
    throw new WrongRootKeyError(
      `this database needs the root key with fingerprint ${needed}, but was given ${rootKey.fingerprint}${also}`,
    )
  }
  return unwrapKeyring(rows, rootKey)
}

/** Adds a keyring key. While two root keys open the keyring none is added: it would open with one of them only. */
async function growKeyring(tx: Transaction, rootKey: RootKey, clock: Clock): Promise<void> {
  const current = await lockCurrentRootKey(tx)
  const live = (await listRootKeys(tx)).filter(({ state }) => state !== 'retired')
  if (current !== rootKey.fingerprint || live.length > 1) return
  const last = (await listKeyring(tx)).at(-1)!
  await addKeyringKey(tx, newKeyringRow(last.version + 1, rootKey, clock.now().getTime()))
}

function dataKeyContext(id: string, owner: string): Context {
  return ['keyhold/v1/data-key', id, owner]
}
