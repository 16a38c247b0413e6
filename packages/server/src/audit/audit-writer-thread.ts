import { parentPort, workerData } from 'node:worker_threads'
import { Kysely } from 'kysely'
import { openSqlite, sqliteDialect } from '../storage/sqlite.ts'
import type { Tables } from '../storage/tables.ts'
import { appendRecords, type PendingRecord } from './audit.store.ts'
import type { WriterAnswer } from './audit-writer.ts'

/* The thread that writes audit records to SQLite: one batch, one transaction, one answer. */

// `!` and `as`: started by audit-writer.ts only, with exactly this.
const port = parentPort!
const { path } = workerData as { path: string }
const db = new Kysely<Tables>({ dialect: sqliteDialect(openSqlite(path), 'write') })

async function write(records: readonly PendingRecord[]): Promise<WriterAnswer> {
  try {
    await db.transaction().execute((tx) => appendRecords(tx, records))
    return { ok: true }
  } catch (error) {
    const { code = 'ERROR', message } = error as Error & { code?: string } // `as`: SQLite throws errors.
    return { ok: false, code, message }
  }
}

port.on('message', async (message: readonly PendingRecord[] | 'close') => {
  if (message === 'close') {
    await db.destroy()
    port.close()
    return
  }
  port.postMessage(await write(message))
})
