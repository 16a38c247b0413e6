import { hostname } from 'node:os'
import type { Clock } from '../base/clock.ts'
import { newId } from '../base/ids.ts'
import type { Storage } from '../storage/storage.ts'
import { currentRootKey } from '../vault/rotation.ts'
import type { Vault } from '../vault/vault.ts'
import {
  deleteServer,
  deleteServersNotSeenSince,
  listServersSeenSince,
  upsertServer,
} from './servers.store.ts'

const BEAT_MS = 30_000
/** A server that was not heard of for so long is taken to have ended: four beats, for a database that was away. */
const SILENT_MS = 120_000

/** A server that runs on this database. */
export interface RunningServer {
  readonly host: string
  readonly release: string
  /** Of the root key that it was started with. */
  readonly rootFingerprint: string
  readonly startedAt: Date
  readonly seenAt: Date
}

/** Which servers run, and with which root key: nobody may retire a key that one of them would need to start again. */
export class Servers {
  readonly #storage: Storage
  readonly #vault: Vault
  readonly #clock: Clock
  readonly #release: string
  /** Names this server among those that run. */
  readonly id = newId('srv')
  #startedAt = 0
  #internalUrl = ''
  #timer: NodeJS.Timeout | undefined

  constructor(storage: Storage, vault: Vault, clock: Clock, release: string) {
    this.#storage = storage
    this.#vault = vault
    this.#clock = clock
    this.#release = release
  }

  /**
   * Says that this server runs, from now on.
   * @param internalUrl where the others reach it. @param failed is told when that cannot be written; it is tried again.
   */
  async start(internalUrl: string, failed: (error: unknown) => void): Promise<void> {
    this.#internalUrl = internalUrl
    this.#startedAt = this.#clock.now().getTime()
    await this.#beat()
    this.#timer = setInterval(() => void this.#beat().catch(failed), BEAT_MS)
    this.#timer.unref()
  }

  async #beat(): Promise<void> {
    const now = this.#clock.now().getTime()
    await this.#storage.transaction(async (tx) => {
      await deleteServersNotSeenSince(tx, now - SILENT_MS)
      await upsertServer(tx, {
        id: this.id,
        host: hostname(),
        release: this.#release,
        root_fingerprint: this.#vault.rootFingerprint,
        started_at: this.#startedAt,
        seen_at: now,
        internal_url: this.#internalUrl,
      })
    })
  }

  /** Says that this server ends. */
  async stop(): Promise<void> {
    if (!this.#timer) return
    clearInterval(this.#timer)
    this.#timer = undefined
    await this.#storage.transaction((tx) => deleteServer(tx, this.id))
  }

  /** Servers that run, the one that was started first at the beginning. */
  async list(): Promise<RunningServer[]> {
    const rows = await listServersSeenSince(this.#storage.db, this.#clock.now().getTime() - SILENT_MS)
    return rows.map((row) => ({
      host: row.host,
      release: row.release,
      rootFingerprint: row.root_fingerprint,
      startedAt: new Date(row.started_at),
      seenAt: new Date(row.seen_at),
    }))
  }

  /** What the health check says of this server's root key. It is no reason to send requests elsewhere. */
  async rootKeyHealth(): Promise<string> {
    const mine = this.#vault.rootFingerprint
    const current = await currentRootKey(this.#storage.db)
    if (current === undefined || current === mine) return `ok: ${mine}`
    return `ok: ${mine}, but ${current} is current: start this server with that root key`
  }
}
