import { join } from 'node:path'
import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import { Kysely } from 'kysely'
import { Migrator } from 'kysely/migration'
import { migrations } from './migrations/migrations.ts'
import type { Cell } from './snapshot.ts'
import { sqliteDialect } from './sqlite.ts'
import { openSqlite } from './sqlite-open.ts'
import type { Tables } from './tables.ts'

/* A database that is filled row by row: what a backup is restored into before anything else is done with it. */

const quote = (name: string) => `"${name.replaceAll('"', '""')}"`

/** A SQLite database being filled. All of it is one transaction. */
export interface Scratch {
  /** Adds rows of a table, cells in the order of `columns`. @throws Error when the schema has no such table or column. */
  insert(table: string, columns: readonly string[], rows: readonly (readonly Cell[])[]): void
  /** How many rows a table has. */
  count(table: string): number
  /** Ends the filling. @throws Error when rows refer to others that are not there. */
  commit(): void
  close(): void
}

/** Makes `keyhold.db` in a directory, with the schema as of a migration. @throws Error when the migration is not known. */
export async function createScratch(directory: string, migration: string): Promise<Scratch> {
  const path = join(directory, 'keyhold.db')
  if (!Object.hasOwn(migrations('sqlite'), migration))
    throw new Error(
      `it was made by a newer release of Keyhold (migration ${migration}): update this one first`,
    )
  const db = new Kysely<Tables>({ dialect: sqliteDialect(openSqlite(path), 'write') })
  const provider = { getMigrations: async () => migrations('sqlite') }
  const { error } = await new Migrator({ db, provider }).migrateTo(migration)
  await db.destroy()
  if (error) throw new Error('cannot make the schema of the backup', { cause: error })
  return fill(openSqlite(path))
}

function fill(db: DatabaseSync): Scratch {
  // Rows come in any order of tables; that they fit together is checked at the end. Nothing here has to outlive a crash.
  db.exec('pragma foreign_keys = off; pragma synchronous = off; begin')
  // Migrations put rows into some tables; the backup has its own.
  for (const table of tableNames(db)) db.exec(`delete from ${quote(table)}`)
  return {
    insert(table, columns, rows) {
      const places = columns.map(() => '?').join(', ')
      const statement = db.prepare(
        `insert into ${quote(table)} (${columns.map(quote).join(', ')}) values (${places})`,
      )
      for (const row of rows) statement.run(...(row as SQLInputValue[])) // `as`: cells are what SQLite takes.
    },
    count: (table) => Number(db.prepare(`select count(*) as n from ${quote(table)}`).get()?.n),
    commit() {
      const [broken] = db.prepare('pragma foreign_key_check').all()
      if (broken) throw new Error(`rows of ${String(broken.table)} refer to rows that are not there`)
      db.exec('commit; pragma wal_checkpoint(truncate)')
    },
    close: () => db.close(),
  }
}

function tableNames(db: DatabaseSync): string[] {
  return db
    .prepare("select name from sqlite_schema where type = 'table'")
    .all()
    .map((row) => String(row.name))
    .filter((name) => !name.startsWith('kysely_') && !name.startsWith('sqlite_'))
}

/** Counts sealed values that name a data key which is not there. */
export function countOrphanedValues(directory: string): number {
  const db = openSqlite(join(directory, 'keyhold.db'))
  try {
    let orphaned = 0
    for (const table of tableNames(db)) {
      const columns = db
        .prepare('select name from pragma_table_info(?)')
        .all(table)
        .map((row) => String(row.name))
      for (const column of columns.filter((name) => /^sealed/.test(name))) {
        const id = `lower(hex(substr(${quote(column)}, 2, 16)))`
        const row = db
          .prepare(
            `select count(*) as n from ${quote(table)} where ${quote(column)} is not null and ${id} not in (select id from data_keys)`,
          )
          .get()
        orphaned += Number(row?.n)
      }
    }
    return orphaned
  } finally {
    db.close()
  }
}

/** Tables in an order in which each comes after those that it refers to. @param directory of an SQLite database. */
export function tablesInOrder(directory: string): string[] {
  const db = openSqlite(join(directory, 'keyhold.db'))
  try {
    const ordered = new Set<string>()
    const visit = (table: string) => {
      if (ordered.has(table)) return
      for (const row of db.prepare('select "table" as name from pragma_foreign_key_list(?)').all(table))
        if (row.name !== table) visit(String(row.name))
      ordered.add(table)
    }
    for (const table of tableNames(db)) visit(table)
    return [...ordered]
  } finally {
    db.close()
  }
}
