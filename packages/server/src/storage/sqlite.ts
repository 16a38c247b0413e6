import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type QueryCompiler,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely'
import { AppError } from '../base/app-error.ts'
import { fileGuard } from './sqlite-open.ts'

/** Statements kept prepared per connection. */
const STATEMENTS_MAX = 500

class NodeSqliteConnection implements DatabaseConnection {
  readonly #db: DatabaseSync
  readonly #statements = new Map<string, { statement: StatementSync; returnsRows: boolean }>()

  constructor(db: DatabaseSync) {
    this.#db = db
  }

  async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
    const { statement, returnsRows } = this.#prepare(sql)
    const values = parameters as SQLInputValue[] // `as`: the column types in tables.ts allow nothing else.
    if (returnsRows) return { rows: statement.all(...values) as R[] } // `as`: Kysely knows the row type.
    const { changes } = statement.run(...values)
    return { rows: [], numAffectedRows: BigInt(changes) }
  }

  async *streamQuery<R>({ sql, parameters }: CompiledQuery): AsyncIterableIterator<QueryResult<R>> {
    // A statement of its own: an iterator left half-way must not disturb the cached one.
    for (const row of this.#db.prepare(sql).iterate(...(parameters as SQLInputValue[])))
      yield { rows: [row as R] }
  }

  #prepare(sql: string): { statement: StatementSync; returnsRows: boolean } {
    const known = this.#statements.get(sql)
    if (known) return known
    const statement = this.#db.prepare(sql)
    const prepared = { statement, returnsRows: statement.columns().length > 0 }
    // Schema changes run once and would only push useful statements out.
    if (this.#statements.size < STATEMENTS_MAX) this.#statements.set(sql, prepared)
    return prepared
  }
}

/** Kysely driver over `node:sqlite`: one connection, transactions that take the write lock when they begin. */
class NodeSqliteDriver implements Driver {
  readonly #db: DatabaseSync
  readonly #connection: NodeSqliteConnection
  readonly #assertSameFile: () => void

  constructor(db: DatabaseSync) {
    this.#db = db
    this.#assertSameFile = fileGuard(db)
    this.#connection = new NodeSqliteConnection(db)
  }

  async init(): Promise<void> {
    // Opened by the caller.
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    return this.#connection
  }

  async beginTransaction(): Promise<void> {
    try {
      this.#assertSameFile()
    } catch (error) {
      throw new AppError('storage.unavailable', {}, error)
    }
    // IMMEDIATE: a transaction that reads first and writes later would otherwise fail when another one wrote between.
    this.#db.exec('begin immediate')
  }

  async commitTransaction(): Promise<void> {
    this.#db.exec('commit')
  }

  async rollbackTransaction(): Promise<void> {
    // SQLite itself rolls back after some errors (a full disk), and then there is nothing left to end.
    if (this.#db.isTransaction) this.#db.exec('rollback')
  }

  async releaseConnection(): Promise<void> {
    // There is only the one.
  }

  async destroy(): Promise<void> {
    this.#db.close()
  }
}

class WritingAdapter extends SqliteAdapter {
  /** Kysely says no; SQLite can, and without it a migration that was interrupted would stay half done. */
  override get supportsTransactionalDdl(): boolean {
    return true
  }
}

class ReadingAdapter extends SqliteAdapter {
  /** Every statement is answered synchronously, so parallel readers may share the connection without waiting. */
  override get supportsMultipleConnections(): boolean {
    return true
  }
}

/** @param use `write`: callers wait for each other's transactions; `read`: single statements only. */
export function sqliteDialect(db: DatabaseSync, use: 'read' | 'write'): Dialect {
  return {
    createAdapter: () => (use === 'read' ? new ReadingAdapter() : new WritingAdapter()),
    createDriver: () => new NodeSqliteDriver(db),
    createIntrospector: (kysely) => new SqliteIntrospector(kysely),
    createQueryCompiler: (): QueryCompiler => new SqliteQueryCompiler(),
  }
}

/** Whether SQLite refused because the disk is full. Codes: https://sqlite.org/rescode.html */
export function sqliteProblem(error: unknown): 'full' | 'unavailable' | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number')
    return undefined
  const primary = error.errcode & 0xff
  if (primary === 13) return 'full' // SQLITE_FULL
  // SQLITE_BUSY, LOCKED, READONLY, IOERR, CORRUPT, CANTOPEN, NOTADB
  return [5, 6, 8, 10, 11, 14, 26].includes(primary) ? 'unavailable' : undefined
}
