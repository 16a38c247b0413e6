import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { openSqlite } from './sqlite-open.ts'
import type { StorageLocation } from './storage.ts'

/** What a column holds, in both databases. */
export type Cell = string | number | null | Uint8Array

/** All of a database as of one moment, whatever is written meanwhile. */
export interface Snapshot {
  /** Name of the newest migration. */
  readonly migration: string
  readonly tables: readonly { readonly name: string; readonly columns: readonly string[] }[]
  /** Rows of a table, some at a time, cells in the order of its columns. */
  rows(table: string): AsyncIterable<Cell[][]>
  close(): Promise<void>
}

const ROWS = 500
const PG_INT8 = 20
/** Tables of the migrator. */
const isOurs = (name: string) => !name.startsWith('kysely_') && !name.startsWith('sqlite_')
/** Names come from the database's own catalogue. */
const quote = (name: string) => `"${name.replaceAll('"', '""')}"`
const selectAll = (table: string, columns: readonly string[]) =>
  `select ${columns.map(quote).join(', ')} from ${quote(table)} order by 1`

/** Opens a snapshot on a connection of its own. Close it: it keeps the database from tidying up. */
export function openSnapshot(location: StorageLocation): Promise<Snapshot> {
  return 'databaseUrl' in location
    ? openPostgresSnapshot(location.databaseUrl)
    : Promise.resolve(openSqliteSnapshot(openSqlite(join(location.dataDir, 'keyhold.db'))))
}

/** A transaction that only reads sees in write-ahead mode what was there when it began (https://sqlite.org/isolation.html). */
function openSqliteSnapshot(db: DatabaseSync): Snapshot {
  db.exec('begin')
  const list = (sql: string, ...values: string[]) =>
    db
      .prepare(sql)
      .all(...values)
      .map((row) => String(row.name))
  const names = list("select name from sqlite_schema where type = 'table' order by name").filter(isOurs)
  const tables = names.map((name) => ({ name, columns: list('select name from pragma_table_info(?)', name) }))
  return {
    migration: list('select name from kysely_migration order by name desc limit 1')[0] ?? '',
    tables,
    async *rows(table) {
      const { columns } = tables.find(({ name }) => name === table)! // `!`: a name of the list.
      const statement = db.prepare(selectAll(table, columns))
      statement.setReturnArrays(true)
      let page: Cell[][] = []
      for (const row of statement.iterate()) {
        page.push(row as unknown as Cell[]) // `as`: arrays, as asked for.
        if (page.length < ROWS) continue
        yield page
        page = []
      }
      if (page.length > 0) yield page
    },
    close: async () => db.close(),
  }
}

async function openPostgresSnapshot(databaseUrl: string): Promise<Snapshot> {
  const { default: pg } = await import('pg')
  const types = new pg.TypeOverrides()
  types.setTypeParser(PG_INT8, Number)
  const client = new pg.Client({ connectionString: databaseUrl, application_name: 'keyhold backup', types })
  client.on('error', () => {}) // The next statement fails, and says so.
  await client.connect()
  const list = async (sql: string, ...values: string[]) =>
    (await client.query(sql, values)).rows.map((row) => String(row.name))
  try {
    await client.query('begin isolation level repeatable read read only')
    const [migration = ''] = await list('select name from kysely_migration order by name desc limit 1')
    const names = await list(
      "select table_name as name from information_schema.tables where table_schema = current_schema() and table_type = 'BASE TABLE' order by 1",
    )
    const tables: { name: string; columns: string[] }[] = []
    for (const name of names.filter(isOurs)) {
      const columns = await list(
        'select column_name as name from information_schema.columns where table_schema = current_schema() and table_name = $1 order by ordinal_position',
        name,
      )
      tables.push({ name, columns })
    }
    return {
      migration,
      tables,
      async *rows(table) {
        const { columns } = tables.find(({ name }) => name === table)! // `!`: a name of the list.
        await client.query(`declare rows no scroll cursor for ${selectAll(table, columns)}`)
        for (;;) {
          const { rows } = await client.query<Cell[]>({ text: `fetch ${ROWS} from rows`, rowMode: 'array' })
          if (rows.length > 0) yield rows
          if (rows.length < ROWS) break
        }
        await client.query('close rows')
      },
      close: () => client.end(),
    }
  } catch (error) {
    await client.end()
    throw error
  }
}
