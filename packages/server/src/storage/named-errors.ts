import type {
  CompiledQuery,
  DatabaseConnection,
  Dialect,
  Driver,
  QueryResult,
  TransactionSettings,
} from 'kysely'

/** Lets `name` turn each error of the database into the one that callers get, wherever the query was made. */
export function withNamedErrors(dialect: Dialect, name: (error: unknown) => unknown): Dialect {
  return {
    createAdapter: () => dialect.createAdapter(),
    createDriver: () => new NamingDriver(dialect.createDriver(), name),
    createIntrospector: (db) => dialect.createIntrospector(db),
    createQueryCompiler: () => dialect.createQueryCompiler(),
  }
}

class NamingConnection implements DatabaseConnection {
  readonly inner: DatabaseConnection
  readonly #name: (error: unknown) => unknown

  constructor(inner: DatabaseConnection, name: (error: unknown) => unknown) {
    this.inner = inner
    this.#name = name
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    try {
      return await this.inner.executeQuery<R>(query)
    } catch (error) {
      throw this.#name(error)
    }
  }

  async *streamQuery<R>(query: CompiledQuery, chunkSize: number): AsyncIterableIterator<QueryResult<R>> {
    try {
      yield* this.inner.streamQuery<R>(query, chunkSize)
    } catch (error) {
      throw this.#name(error)
    }
  }
}

class NamingDriver implements Driver {
  readonly #inner: Driver
  readonly #name: (error: unknown) => unknown

  constructor(inner: Driver, name: (error: unknown) => unknown) {
    this.#inner = inner
    this.#name = name
  }

  init(): Promise<void> {
    return this.#inner.init()
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    try {
      return new NamingConnection(await this.#inner.acquireConnection(), this.#name)
    } catch (error) {
      throw this.#name(error)
    }
  }

  beginTransaction(connection: DatabaseConnection, settings: TransactionSettings): Promise<void> {
    return this.#named(this.#inner.beginTransaction(unwrap(connection), settings))
  }

  commitTransaction(connection: DatabaseConnection): Promise<void> {
    return this.#named(this.#inner.commitTransaction(unwrap(connection)))
  }

  rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    return this.#named(this.#inner.rollbackTransaction(unwrap(connection)))
  }

  releaseConnection(connection: DatabaseConnection): Promise<void> {
    return this.#inner.releaseConnection(unwrap(connection))
  }

  destroy(): Promise<void> {
    return this.#inner.destroy()
  }

  async #named<T>(promise: Promise<T>): Promise<T> {
    try {
      return await promise
    } catch (error) {
      throw this.#name(error)
    }
  }
}

function unwrap(connection: DatabaseConnection): DatabaseConnection {
  return (connection as NamingConnection).inner // `as`: acquireConnection gives out no others.
}
