// Tells who watches a project or an account, at whichever server, that something of it was changed. PostgreSQL carries it
// to other servers with NOTIFY (https://www.postgresql.org/docs/current/sql-notify.html): within the transaction, so that
// it comes when the change can be seen, and never for one that was undone.
import { sql } from 'kysely'
import { newId } from '../base/ids.ts'
import type { Transaction } from './tables.ts'

/** @param id of the project or account; undefined: some changes may have been missed. */
export type ChangeListener = (id: string | undefined) => void

export interface Changes {
  /** Has others told of the change when the transaction is committed. @param ids of projects and accounts */
  announceIn(tx: Transaction, ids: Iterable<string>): Promise<void>
  /** The change is there: tells who listens at this server. */
  committed(ids: Iterable<string>): void
  /** From now on. One listener for a server; nothing is opened before. */
  listen(listener: ChangeListener): void
  /** False while changes at other servers are not told; then only looking finds them. */
  readonly isHearing: boolean
  close(): void
}

/** Where one process has the database to itself. */
export function localChanges(): Changes {
  let tell: ChangeListener = () => {}
  return {
    announceIn: async () => {},
    committed: (ids) => {
      for (const id of ids) tell(id)
    },
    listen: (listener) => {
      tell = listener
    },
    isHearing: true,
    close: () => {
      tell = () => {}
    },
  }
}

const CHANNEL = 'keyhold_changed'
const CONNECT_MS = 5_000
/** How often the connection has to carry something, so that one that the network has lost is noticed; and within what time. */
const PROOF_MS = 10_000
const PROOF_ANSWER_MS = 5_000
const RETRY_MIN_MS = 500
const RETRY_MAX_MS = 10_000

/** Among servers with one PostgreSQL database: one connection for each that has somebody who watches. */
export class PostgresChanges implements Changes {
  readonly #databaseUrl: string
  #tell: ChangeListener = () => {}
  #isListening = false
  #isHearing = false
  #isClosed = false
  #retryMs = RETRY_MIN_MS
  #retry: NodeJS.Timeout | undefined
  /** Ends the connection that there is. */
  #end: () => void = () => {}

  constructor(databaseUrl: string) {
    this.#databaseUrl = databaseUrl
  }

  get isHearing(): boolean {
    return this.#isHearing
  }

  async announceIn(tx: Transaction, ids: Iterable<string>): Promise<void> {
    for (const id of ids) await sql`select pg_notify(${CHANNEL}, ${id})`.execute(tx)
  }

  committed(ids: Iterable<string>): void {
    for (const id of ids) this.#tell(id)
  }

  listen(listener: ChangeListener): void {
    this.#tell = listener
    if (this.#isListening) return
    this.#isListening = true
    void this.#connect()
  }

  close(): void {
    this.#isClosed = true
    this.#tell = () => {}
    clearTimeout(this.#retry)
    this.#end()
  }

  async #connect(): Promise<void> {
    const { default: pg } = await import('pg')
    const client = new pg.Client({
      connectionString: this.#databaseUrl,
      connectionTimeoutMillis: CONNECT_MS,
      query_timeout: PROOF_ANSWER_MS,
      keepAlive: true,
      application_name: 'keyhold changes',
    })
    let isOver = false
    const timers = new Set<NodeJS.Timeout>()
    const over = () => {
      if (isOver) return
      isOver = true
      this.#isHearing = false
      for (const timer of timers) clearTimeout(timer)
      client.end().catch(() => {})
      if (this.#isClosed) return
      this.#retry = setTimeout(() => void this.#connect(), this.#retryMs)
      this.#retry.unref()
      this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS)
    }
    const later = (work: () => void, ms: number) => {
      const timer = setTimeout(() => {
        timers.delete(timer)
        work()
      }, ms)
      timer.unref()
      timers.add(timer)
      return () => {
        clearTimeout(timer)
        timers.delete(timer)
      }
    }
    // What this connection tells itself. A pooler between here and the database takes LISTEN and then carries nothing.
    const proof = newId('proof')
    let proven = () => {}
    const prove = () => {
      const lost = later(over, PROOF_ANSWER_MS)
      proven = () => {
        lost()
        proven = () => {}
        later(prove, PROOF_MS)
        if (this.#isHearing || isOver) return
        this.#isHearing = true
        this.#retryMs = RETRY_MIN_MS
        // What happened before this connection was there is nobody's to tell any more.
        this.#tell(undefined)
      }
      client.query('select pg_notify($1, $2)', [CHANNEL, proof]).catch(over)
    }
    this.#end = over
    client.on('error', over)
    client.on('end', over)
    client.on('notification', ({ payload }) => (payload === proof ? proven() : this.#tell(payload)))
    try {
      await client.connect()
      await client.query(`listen ${CHANNEL}`)
    } catch {
      return over()
    }
    if (this.#isClosed) return over()
    if (!isOver) prove()
  }
}
