import { MerkleTree } from '@keyhold/contract/merkle'
import { sql } from 'kysely'
import type { Queries, Tables, Transaction } from '../storage/tables.ts'
import { appendLeaf, type PendingRecord, sha256 } from './leaf.ts'

export interface AuditFilter {
  readonly actorId?: string | undefined
  readonly secretName?: string | undefined
  readonly action?: string | undefined
  readonly projectId?: string | undefined
  readonly outcome?: string | undefined
  readonly from?: number | undefined
  readonly to?: number | undefined
  /** Only records before this index. */
  readonly before?: number | undefined
  /** Only what this person did, and what happened in these projects. */
  readonly visibleTo?: { readonly accountId: string; readonly projectIds: readonly string[] } | undefined
}

/** Bound parameters per statement stay below what both databases allow. */
const ROWS_PER_INSERT = 500

/** Appends records at the end of the tree, in one go. The head row's lock puts writers in order. */
export async function appendRecords(tx: Transaction, pending: readonly PendingRecord[]): Promise<void> {
  // An update that changes nothing takes the row's lock on PostgreSQL; SQLite's transaction has the only write lock.
  const head = await tx
    .updateTable('audit_head')
    .set({ id: 1 })
    .where('id', '=', 1)
    .returning(['size', 'edge'])
    .executeTakeFirstOrThrow()
  const tree = new MerkleTree(sha256, head.size, head.edge)
  const rows = pending.map((entry) => appendLeaf(tree, entry))
  for (let i = 0; i < rows.length; i += ROWS_PER_INSERT) {
    await tx
      .insertInto('audit_records')
      .values(rows.slice(i, i + ROWS_PER_INSERT))
      .execute()
  }
  await tx.updateTable('audit_head').set({ size: tree.size, edge: tree.edge }).where('id', '=', 1).execute()
}

export async function readHead(db: Queries): Promise<MerkleTree> {
  const head = await db.selectFrom('audit_head').select(['size', 'edge']).executeTakeFirstOrThrow()
  return new MerkleTree(sha256, head.size, head.edge)
}

/** Keeps a signed head; a second server signing the same size changes nothing. */
export async function addCheckpoint(tx: Transaction, row: Tables['audit_checkpoints']): Promise<void> {
  await tx
    .insertInto('audit_checkpoints')
    .values(row)
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

/** Kept heads, smallest first. */
export async function listCheckpoints(db: Queries): Promise<{ size: number; note: string }[]> {
  return db.selectFrom('audit_checkpoints').select(['size', 'note']).orderBy('size').execute()
}

/** How many records there are, going by the index of the last. */
export async function countRecords(db: Queries): Promise<number> {
  const row = await db
    .selectFrom('audit_records')
    .select('leaf_index')
    .orderBy('leaf_index', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row ? row.leaf_index + 1 : 0
}

export async function latestCheckpointSize(db: Queries): Promise<number> {
  const row = await db
    .selectFrom('audit_checkpoints')
    .select('size')
    .orderBy('size', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row?.size ?? 0
}

/** Records by index, from `start` up to before `end`. */
export async function readRecords(
  db: Queries,
  start: number,
  end: number,
): Promise<{ leaf_index: number; leaf_hash: Uint8Array; record: string }[]> {
  return db
    .selectFrom('audit_records')
    .select(['leaf_index', 'leaf_hash', 'record'])
    .where('leaf_index', '>=', start)
    .where('leaf_index', '<', end)
    .orderBy('leaf_index')
    .execute()
}

/** Hashes of leaves, from `start` up to before `end`. */
export async function readLeafHashes(db: Queries, start: number, end: number): Promise<Uint8Array[]> {
  const rows = await db
    .selectFrom('audit_records')
    .select('leaf_hash')
    .where('leaf_index', '>=', start)
    .where('leaf_index', '<', end)
    .orderBy('leaf_index')
    .execute()
  return rows.map((row) => row.leaf_hash)
}

/** How many subtrees of this height are kept. */
export async function countSubtrees(db: Queries, height: number): Promise<number> {
  const last = await db
    .selectFrom('audit_subtrees')
    .select('position')
    .where('height', '=', height)
    .orderBy('position', 'desc')
    .limit(1)
    .executeTakeFirst()
  return last ? last.position + 1 : 0
}

/** Roots of subtrees of this height, from position `start` up to before `end`. */
export async function readSubtrees(
  db: Queries,
  height: number,
  start: number,
  end: number,
): Promise<Uint8Array[]> {
  const rows = await db
    .selectFrom('audit_subtrees')
    .select('hash')
    .where('height', '=', height)
    .where('position', '>=', start)
    .where('position', '<', end)
    .orderBy('position')
    .execute()
  return rows.map((row) => row.hash)
}

/** Keeps roots of subtrees; those that another server kept before stay. */
export async function addSubtrees(
  tx: Transaction,
  height: number,
  start: number,
  hashes: readonly Uint8Array[],
): Promise<void> {
  await tx
    .insertInto('audit_subtrees')
    .values(hashes.map((hash, i) => ({ height, position: start + i, hash })))
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

/** Newest first. */
export async function findRecords(
  db: Queries,
  filter: AuditFilter,
  limit: number,
): Promise<{ record: string }[]> {
  const { visibleTo } = filter
  let query = db
    .selectFrom('audit_records')
    .select(['leaf_index', 'record'])
    .orderBy('leaf_index', 'desc')
    .limit(limit)
  if (filter.actorId !== undefined) query = query.where('actor_id', '=', filter.actorId)
  if (filter.secretName !== undefined) query = query.where('secret_name', '=', filter.secretName)
  if (filter.action !== undefined) query = query.where('action', '=', filter.action)
  if (filter.projectId !== undefined) query = query.where('project_id', '=', filter.projectId)
  if (filter.outcome !== undefined) query = query.where('outcome', '=', filter.outcome)
  // Said as well, since SQLite uses the partial index only where its condition stands literally.
  if (filter.outcome === 'refused' || filter.outcome === 'failed')
    query = query.where(sql<boolean>`outcome <> 'success'`)
  if (filter.from !== undefined) query = query.where('time', '>=', filter.from)
  if (filter.to !== undefined) query = query.where('time', '<', filter.to)
  if (filter.before !== undefined) query = query.where('leaf_index', '<', filter.before)
  if (visibleTo) {
    query = query.where((eb) =>
      eb.or([
        eb('actor_id', '=', visibleTo.accountId),
        ...(visibleTo.projectIds.length > 0 ? [eb('project_id', 'in', visibleTo.projectIds)] : []),
      ]),
    )
  }
  return query.execute()
}
