import { sql } from 'kysely'
import { tablesInOrder } from './scratch.ts'
import { openSnapshot } from './snapshot.ts'
import { openStorage } from './storage.ts'
import type { Queries } from './tables.ts'

/** Bound parameters per statement; PostgreSQL allows 65,535. */
const PARAMETERS_MAX = 20_000

/** Rows that any instance has: a database with some of them is in use. */
const SIGNS_OF_USE = ['keyring', 'accounts', 'audit_records'] as const

/** Whether a PostgreSQL database holds an instance already. Brings its schema up to date. */
export async function isInUse(databaseUrl: string): Promise<boolean> {
  const storage = await openStorage({ databaseUrl })
  try {
    return await hasSignOfUse(storage.db)
  } finally {
    await storage.close()
  }
}

async function hasSignOfUse(db: Queries): Promise<boolean> {
  for (const table of SIGNS_OF_USE) {
    const { rows } = await sql`select 1 from ${sql.table(table)} limit 1`.execute(db)
    if (rows.length > 0) return true
  }
  return false
}

/**
 * Copies a whole SQLite database of the newest schema into PostgreSQL, in one transaction: all of it is there, or nothing.
 * @param copied is told how many rows there are so far. @throws Error when an instance has come to be there meanwhile.
 */
export async function copyToPostgres(
  directory: string,
  databaseUrl: string,
  copied: (rows: number) => void,
): Promise<void> {
  const order = tablesInOrder(directory)
  const source = await openSnapshot({ dataDir: directory })
  const target = await openStorage({ databaseUrl })
  try {
    await target.transaction(async (tx) => {
      // Reading the backup took a while, in which a server may have been started or another restore have ended. Whoever
      // writes the first sign of use waits for this lock, so what is deleted below is nobody's.
      for (const table of SIGNS_OF_USE)
        await sql`lock table ${sql.table(table)} in exclusive mode`.execute(tx)
      if (await hasSignOfUse(tx)) throw new Error('the PostgreSQL database holds an instance by now')
      // What migrations put there.
      for (const table of order.toReversed()) await sql`delete from ${sql.table(table)}`.execute(tx)
      let total = 0
      for (const table of order) {
        const { columns } = source.tables.find(({ name }) => name === table)! // `!`: a table of the same database.
        const size = Math.floor(PARAMETERS_MAX / columns.length)
        for await (const page of source.rows(table)) {
          for (let start = 0; start < page.length; start += size) {
            const rows = page.slice(start, start + size).map((row) => sql`(${sql.join(row)})`)
            await sql`insert into ${sql.table(table)} (${sql.join(columns.map((name) => sql.ref(name)))}) values ${sql.join(rows)}`.execute(
              tx,
            )
          }
          total += page.length
          copied(total)
        }
      }
    })
  } finally {
    await source.close()
    await target.close()
  }
}
