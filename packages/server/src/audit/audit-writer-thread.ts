import { parentPort, workerData } from 'node:worker_threads'
import { MerkleTree } from '@keyhold/contract/merkle'
import { fileGuard, openSqlite } from '../storage/sqlite-open.ts'
import type { Tables } from '../storage/tables.ts'
import type { WriterAnswer } from './audit-writer.ts'
import { appendLeaf, type PendingRecord, sha256 } from './leaf.ts'

/*
 * The thread that writes audit records to SQLite: one batch, one transaction, one answer. The same as `appendRecords`
 * in audit.store.ts, in statements prepared once: this runs for every delivery, and building a query costs more than
 * the insert.
 */

// `!` and `as`: started by audit-writer.ts only, with exactly this.
const port = parentPort!
const { path } = workerData as { path: string }
const db = openSqlite(path)
const assertSameFile = fileGuard(db)

const readHead = db.prepare('select size, edge from audit_head where id = 1')
const insert = db.prepare(
  `insert into audit_records
     (leaf_index, leaf_hash, record, time, action, outcome, actor_id, project_id, secret_name, workspace_id)
   values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
)
const writeHead = db.prepare('update audit_head set size = ?, edge = ? where id = 1')

function append(records: readonly PendingRecord[]): void {
  const { size, edge } = readHead.get() as unknown as Tables['audit_head'] // `as`: the one row of the table.
  const tree = new MerkleTree(sha256, size, edge)
  for (const entry of records) {
    const row = appendLeaf(tree, entry)
    insert.run(
      row.leaf_index,
      row.leaf_hash,
      row.record,
      row.time,
      row.action,
      row.outcome,
      row.actor_id,
      row.project_id,
      row.secret_name,
      row.workspace_id,
    )
  }
  writeHead.run(tree.size, tree.edge)
}

function write(records: readonly PendingRecord[]): WriterAnswer {
  try {
    assertSameFile()
    db.exec('begin immediate')
    append(records)
    db.exec('commit')
    return { ok: true }
  } catch (error) {
    // SQLite itself rolls back after some errors (a full disk), and then there is nothing left to end.
    if (db.isTransaction) db.exec('rollback')
    const { code = 'ERROR', message } = error as Error & { code?: string } // `as`: SQLite throws errors.
    return { ok: false, code, message }
  }
}

port.on('message', (message: readonly PendingRecord[] | 'close') => {
  if (message === 'close') {
    db.close()
    port.close()
    return
  }
  port.postMessage(write(message))
})
