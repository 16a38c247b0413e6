import { type Access, instance, type RecordDetail } from '../access/access.ts'
import type { Asker, Operator } from '../access/caller.ts'
import { AppError } from '../base/app-error.ts'
import { type Clock, toDate } from '../base/clock.ts'
import type { Storage } from '../storage/storage.ts'
import type { RootKey } from '../vault/root-key.ts'
import {
  activateRootKey,
  cancelRootKey,
  currentRootKey,
  noteKit,
  prepareRootKey,
  previousRootKey,
  retireRootKey,
  rootKeys,
} from '../vault/rotation.ts'
import type { Vault } from '../vault/vault.ts'
import type { RunningServer, Servers } from './servers.ts'

/** What is known of a root key; never the key. */
export interface RootKeyInfo {
  readonly fingerprint: string
  readonly state: 'next' | 'current' | 'previous' | 'retired'
  readonly createdAt: Date
  readonly activatedAt: Date | null
  readonly retiredAt: Date | null
  readonly kitMadeAt: Date | null
  readonly kitProvenAt: Date | null
}

type Self = Asker<Operator>

/** The steps by which a root key takes over from another, each with its record; vault/rotation.ts has them in full. */
export class RootKeys {
  readonly #storage: Storage
  readonly #access: Access
  readonly #vault: Vault
  readonly #servers: Servers
  readonly #clock: Clock

  constructor(storage: Storage, access: Access, vault: Vault, servers: Servers, clock: Clock) {
    this.#storage = storage
    this.#access = access
    this.#vault = vault
    this.#servers = servers
    this.#clock = clock
  }

  /** Root keys, oldest first, and the servers that run. */
  async status(): Promise<{ rootKeys: RootKeyInfo[]; servers: RunningServer[] }> {
    const rows = await rootKeys(this.#storage.db)
    return {
      rootKeys: rows.map((row) => ({
        fingerprint: row.fingerprint,
        state: row.state,
        createdAt: new Date(row.created_at),
        activatedAt: toDate(row.activated_at),
        retiredAt: toDate(row.retired_at),
        kitMadeAt: toDate(row.kit_made_at),
        kitProvenAt: toDate(row.kit_proven_at),
      })),
      servers: await this.#servers.list(),
    }
  }

  /** Whether somebody typed back the recovery kit of the current root key. */
  async hasProvenKit(): Promise<boolean> {
    const current = (await rootKeys(this.#storage.db)).find(({ state }) => state === 'current')
    return current?.kit_proven_at != null
  }

  /** What the health check says of the recovery kit. It is no reason to send requests elsewhere. */
  async kitHealth(): Promise<string> {
    const current = (await rootKeys(this.#storage.db)).find(({ state }) => state === 'current')
    return current?.kit_proven_at
      ? `ok: proven on ${new Date(current.kit_proven_at).toISOString().slice(0, 10)}`
      : 'missing: keyhold admin recovery-kit create'
  }

  /** Lets `next` open the keyring beside the current root key. @returns whether it did not before. */
  prepare(asker: Self, next: RootKey): Promise<boolean> {
    return this.#access.perform(asker, 'root-key.prepare', instance, async (tx) => {
      const isNew = await prepareRootKey(tx, this.#vault, next, this.#now())
      return { result: isNew, record: isNew ? about(next.fingerprint) : null }
    })
  }

  /** Makes the prepared root key the current one. @returns fingerprint of the one before; undefined when it is already. */
  activate(asker: Self, next: RootKey): Promise<string | undefined> {
    return this.#access.perform(asker, 'root-key.activate', instance, async (tx) => {
      const before = await activateRootKey(tx, next, this.#now())
      return { result: before, record: before === undefined ? null : about(next.fingerprint) }
    })
  }

  /** Takes back {@link prepare}. @returns fingerprint of the key that is worth nothing now. */
  cancel(asker: Self): Promise<string> {
    return this.#access.perform(asker, 'root-key.cancel', instance, async (tx) => {
      const fingerprint = await cancelRootKey(tx)
      return { result: fingerprint, record: about(fingerprint) }
    })
  }

  /**
   * Ends what the previous root key opens here. @param fingerprint names it, so that nobody retires another one.
   * @throws AppError `root_key.in_use` while a server runs that was started with it, unless `isForced`;
   *   `root_key.not_current` when this very command has no other one.
   */
  retire(asker: Self, fingerprint: string, isForced: boolean): Promise<void> {
    return this.#access.perform(asker, 'root-key.retire', instance, async (tx) => {
      if ((await previousRootKey(tx)) !== fingerprint) throw new AppError('root_key.none_to_retire')
      if ((await currentRootKey(tx)) !== this.#vault.rootFingerprint)
        throw new AppError('root_key.not_current')
      const servers = isForced ? [] : await this.#servers.list()
      if (servers.some((server) => server.rootFingerprint === fingerprint))
        throw new AppError('root_key.in_use')
      await retireRootKey(tx, this.#now())
      return { result: undefined, record: about(fingerprint) }
    })
  }

  /** Notes that a recovery kit was printed, or typed back. */
  kit(
    asker: Self,
    action: 'recovery-kit.create' | 'recovery-kit.verify',
    fingerprint: string,
  ): Promise<void> {
    const what = action === 'recovery-kit.create' ? 'kit_made_at' : 'kit_proven_at'
    return this.#access.perform(asker, action, instance, async (tx) => {
      await noteKit(tx, fingerprint, what, this.#now())
      return { result: undefined, record: about(fingerprint) }
    })
  }

  /** Notes that the file of this server's root key is sealed from now on, or sealed otherwise, or no longer. */
  recordSealing(
    asker: Self,
    action: 'root-key.seal' | 'root-key.unseal' | 'root-key.change-passphrase',
  ): Promise<void> {
    return this.#access.perform(asker, action, instance, async () => ({
      result: undefined,
      record: about(this.#vault.rootFingerprint),
    }))
  }

  #now(): number {
    return this.#clock.now().getTime()
  }
}

const about = (fingerprint: string): RecordDetail => ({ target: { kind: 'root-key', id: fingerprint } })
