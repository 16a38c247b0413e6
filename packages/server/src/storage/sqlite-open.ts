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
