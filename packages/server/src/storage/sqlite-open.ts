import { statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'

/** How long a writer waits for another connection's transaction, which lasts a few milliseconds. */
const BUSY_TIMEOUT_MS = 10_000

/**
 * Opens a connection with the settings that every connection needs: write-ahead log, every commit on disk before it is
 * answered (`synchronous=FULL`), deleted rows overwritten.
 */
export function openSqlite(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS, enableForeignKeyConstraints: true })
  db.exec(`
    pragma journal_mode = wal;
    pragma synchronous = full;
    pragma secure_delete = on;
    pragma temp_store = memory;
    pragma cache_size = -16000;
  `)
  return db
}

/**
 * Gives a check to call before each transaction: SQLite goes on writing to a file that was deleted or replaced, and
 * what it acknowledges then is gone with the process. @throws Error when the file is no longer the one that was opened.
 */
export function fileGuard(db: DatabaseSync): () => void {
  const path = db.location()!
  const opened = statSync(path)
  return () => {
    const now = statSync(path, { throwIfNoEntry: false })
    if (now?.ino !== opened.ino || now.dev !== opened.dev)
      throw new Error('the database file was deleted or replaced while in use')
  }
}
