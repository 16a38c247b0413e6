import { chmodSync, existsSync, mkdirSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { type CompiledQuery, Kysely, PostgresDialect } from 'kysely'
import { Migrator } from 'kysely/migration'
import { AppError } from '../base/app-error.ts'
import { type Changes, localChanges, PostgresChanges } from './changes.ts'
import { migrations } from './migrations/migrations.ts'
import { withNamedErrors } from './named-errors.ts'
import { sqliteDialect, sqliteProblem } from './sqlite.ts'
import { openSqlite } from './sqlite-open.ts'
import type { Database, Tables, Transaction } from './tables.ts'

/** int8, whose values here (times, counters) stay far below 2^53. */
const PG_INT8 = 20
const POOL_SIZE = 10
const CONNECT_TIMEOUT_MS = 5_000
/** No statement of ours is slow; a longer one means a lock that will not come. */
const STATEMENT_TIMEOUT_MS = 15_000
const IDLE_IN_TRANSACTION_MS = 10_000
/**
 * How long a connection may be silent. A server that is there ends a statement before; one that was frozen, or that the
 * network has lost, says nothing at all, and requests would wait for as long.
 */
const SILENCE_MS = 20_000

/** Where the data is. */
export type StorageLocation = { readonly dataDir: string } | { readonly databaseUrl: string }

/** The database behind one door: both kinds take the same queries. */
export interface Storage {
  readonly dialect: 'sqlite' | 'postgres'
  /** Path of the SQLite file, for the audit writer's own connection. */
  readonly sqlitePath?: string
  /** For reading outside transactions. Sees what is committed. */
  readonly db: Database
  /** Who watches projects and accounts is told of their changes. */
  readonly changes: Changes
  /**
   * Runs `work` in a transaction; resolves when it is on disk. Do no slow thing inside: on SQLite all writers wait.
   * @throws AppError `storage.full`, `storage.unavailable`; whatever `work` throws, after undoing all of it.
   */
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>
  /** Runs a compiled query with other values; see {@link prepareQuery}. */
  run<Row>(compiled: CompiledQuery<Row>, values: readonly unknown[]): Promise<Row[]>
  close(): Promise<void>
}

/** Opens the database and brings its schema up to date. */
export async function openStorage(location: StorageLocation): Promise<Storage> {
  const storage =
    'databaseUrl' in location ? await openPostgres(location.databaseUrl) : openSqliteStorage(location.dataDir)
  try {
    await migrate(storage)
  } catch (error) {
    await storage.close()
    throw error
  }
  return storage
}

function openSqliteStorage(dataDir: string): Storage {
  const sqlitePath = join(dataDir, 'keyhold.db')
  const isNew = !existsSync(sqlitePath)
  const toKysely = (connection: DatabaseSync, use: 'read' | 'write') =>
    new Kysely<Tables>({ dialect: withNamedErrors(sqliteDialect(connection, use), storageError) })
  const writing = toKysely(openSqlite(sqlitePath), 'write')
  if (isNew) chmodSync(sqlitePath, 0o600)
  const reading = openSqlite(sqlitePath)
  const db = toKysely(reading, 'read')
  const statements = new Map<string, StatementSync>()
  return {
    dialect: 'sqlite',
    sqlitePath,
    db,
    changes: localChanges(),
    transaction: (work) => writing.transaction().execute(work),
    run: async <Row>({ sql }: CompiledQuery<Row>, values: readonly unknown[]) => {
      let statement = statements.get(sql)
      if (!statement) {
        statement = reading.prepare(sql)
        statements.set(sql, statement)
      }
      try {
        return statement.all(...(values as SQLInputValue[])) as Row[] // `as`: typed where it was prepared.
      } catch (error) {
        throw storageError(error)
      }
    },
    close: async () => {
      await db.destroy()
      await writing.destroy()
    },
  }
}

async function openPostgres(databaseUrl: string): Promise<Storage> {
  // Loaded only where it is used: SQLite is the default, and start-up and memory count.
  const { default: pg } = await import('pg')
  const types = new pg.TypeOverrides()
  types.setTypeParser(PG_INT8, Number)
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    max: POOL_SIZE,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    // A server that was frozen in a transaction would hold the audit head's lock, and stop all others.
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    // An answer means that the record is on disk, whatever the database's own default is.
    options: '-c synchronous_commit=on',
    application_name: 'keyhold',
    types,
  })
  // An idle connection that breaks is replaced at the next use, which reports the failure if there still is one.
  pool.on('error', () => {})
  // One that breaks within a transaction, between two statements, fails the next statement; without a listener it would
  // end the process.
  pool.on('connect', (client) => {
    client.on('error', () => {})
    // `as`: the types leave out the connection, whose stream is the socket, with TLS on it by now.
    const { stream } = (client as unknown as { connection: { stream: Socket } }).connection
    // Its end fails what waits for it, and the pool makes another one.
    stream.setTimeout(SILENCE_MS, () => stream.destroy())
  })
  const db = new Kysely<Tables>({ dialect: withNamedErrors(new PostgresDialect({ pool }), storageError) })
  const changes = new PostgresChanges(databaseUrl)
  return {
    dialect: 'postgres',
    db,
    changes,
    transaction: (work) => db.transaction().execute(work),
    run: async <Row>(compiled: CompiledQuery<Row>, values: readonly unknown[]): Promise<Row[]> =>
      (await db.executeQuery<Row>({ ...compiled, parameters: values })).rows,
    close: () => {
      changes.close()
      return db.destroy()
    },
  }
}

async function migrate(storage: Storage): Promise<void> {
  const writing =
    storage.dialect === 'postgres'
      ? storage.db
      : new Kysely<Tables>({ dialect: sqliteDialect(openSqlite(storage.sqlitePath!), 'write') }) // `!`: SQLite has a path.
  try {
    const migrator = new Migrator({
      db: writing,
      provider: { getMigrations: async () => migrations(storage.dialect) },
    })
    const { error, results } = await migrator.migrateToLatest()
    if (error) {
      const failed = results?.find((result) => result.status === 'Error')?.migrationName
      throw new Error(`cannot bring the database up to date${failed ? ` (migration ${failed})` : ''}`, {
        cause: error,
      })
    }
  } finally {
    if (writing !== storage.db) await writing.destroy()
  }
}

/** Names the failures of a database that are not the caller's fault; passes on all others. */
export function storageError(error: unknown): unknown {
  if (error instanceof AppError) return error
  const sqlite = sqliteProblem(error)
  if (sqlite === 'full' || pgCode(error) === '53100') return new AppError('storage.full', {}, error)
  if (sqlite === 'unavailable' || isPgUnavailable(error))
    return new AppError('storage.unavailable', {}, error)
  return error
}

function pgCode(error: unknown): string | undefined {
  // Errors of the PostgreSQL server carry a five-character SQLSTATE and a severity.
  const isPg = error instanceof Error && 'severity' in error && 'code' in error
  return isPg && typeof error.code === 'string' ? error.code : undefined
}

function isPgUnavailable(error: unknown): boolean {
  const code = pgCode(error)
  // Class 08 connection, 53 resources, 57P operator intervention, 25006 read-only (a standby), 57014 statement time-out.
  if (code) return /^(08|53|57)/.test(code) || code === '25006'
  if (!(error instanceof Error)) return false
  const system = 'code' in error ? String(error.code) : ''
  return (
    /^(ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENOTFOUND|EAI_AGAIN)/.test(system) ||
    /[Cc]onnection (terminated|ended)|not queryable|timeout exceeded when trying to connect/.test(
      error.message,
    )
  )
}

/** Name of the unique constraint that an insert or update ran into, on either database; undefined for other errors. */
export function violatedUnique(error: unknown): string | undefined {
  if (pgCode(error) === '23505' && error instanceof Error && 'constraint' in error)
    return String(error.constraint)
  // SQLite names the columns: "UNIQUE constraint failed: access_keys.project_id, access_keys.slot".
  const message =
    error instanceof Error ? /^UNIQUE constraint failed: (.*)$/.exec(error.message)?.[1] : undefined
  return message
}

/**
 * Keeps a data directory to one server: an exclusive lock on a file of its own, which ends with the process however
 * that ends. @returns a function that lets go. @throws Error when another server holds it, or nobody may write there.
 */
export function lockDataDir(dataDir: string): () => void {
  let lock: DatabaseSync | undefined
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
    lock = new DatabaseSync(join(dataDir, 'server.lock'), { timeout: 0 })
    lock.exec('pragma locking_mode = exclusive; begin exclusive')
  } catch (error) {
    lock?.close()
    if (isBusy(error)) throw new Error(`another Keyhold server is using ${dataDir}`)
    throw new Error(`cannot write in the data directory ${dataDir}`, { cause: error })
  }
  const held = lock
  return () => held.close()
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && (Number(error.errcode) & 0xff) === 5
}
