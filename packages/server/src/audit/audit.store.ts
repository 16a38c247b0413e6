import { HASH_BYTES, MerkleTree } from '@keyhold/contract/merkle'
import { sql } from 'kysely'
import type { Queries, Tables, Transaction } from '../storage/tables.ts'
import { appendLeaf, type PendingRecord, SPAN, sha256 } from './leaf.ts'

export interface AuditFilter extends RecordConditions {
  /** Only records from this index on. */
  readonly start?: number | undefined
  /** Only records before this index. */
  readonly before?: number | undefined
  /** Only what this person did, and what happened in these projects and workspaces. */
  readonly visibleTo?:
    | {
        readonly accountId: string
        readonly projectIds: readonly string[]
        readonly workspaceIds: readonly string[]
      }
    | undefined
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

/** The largest kept head. */
export async function latestCheckpoint(db: Queries): Promise<{ size: number; note: string } | undefined> {
  return db
    .selectFrom('audit_checkpoints')
    .select(['size', 'note'])
    .orderBy('size', 'desc')
    .limit(1)
    .executeTakeFirst()
}

/** The smallest kept head of `size` records or more. */
export async function checkpointFrom(
  db: Queries,
  size: number,
): Promise<{ size: number; note: string } | undefined> {
  return db
    .selectFrom('audit_checkpoints')
    .select(['size', 'note'])
    .where('size', '>=', size)
    .orderBy('size')
    .limit(1)
    .executeTakeFirst()
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

/** A leaf of the tree. */
export interface Leaf {
  readonly leaf_index: number
  readonly leaf_hash: Uint8Array
  /** `null`: the contents were removed. */
  readonly record: string | null
}

/** Leaves from `start` up to before `end`, in order, those included whose contents were removed. */
export async function readLeaves(db: Queries, start: number, end: number): Promise<Leaf[]> {
  // In this order: what is removed between the two readings is found by both, never by none.
  const kept = await readRecords(db, start, end)
  return withRemoved(db, start, end, kept)
}

/** Hashes of leaves, from `start` up to before `end`. */
export async function readLeafHashes(db: Queries, start: number, end: number): Promise<Uint8Array[]> {
  const rows = await db
    .selectFrom('audit_records')
    .select(['leaf_index', 'leaf_hash'])
    .where('leaf_index', '>=', start)
    .where('leaf_index', '<', end)
    .orderBy('leaf_index')
    .execute()
  const kept = rows.map((row) => ({ ...row, record: null }))
  return (await withRemoved(db, start, end, kept)).map((leaf) => leaf.leaf_hash)
}

async function withRemoved(db: Queries, start: number, end: number, kept: readonly Leaf[]): Promise<Leaf[]> {
  // Most of the time there is nothing to look for.
  if (kept.length === end - start) return [...kept]
  const blocks = await db
    .selectFrom('audit_removed')
    .select(['position', 'hashes'])
    .where('position', '>=', Math.floor(start / SPAN))
    .where('position', '<', Math.ceil(end / SPAN))
    .orderBy('position')
    .execute()
  const leaves = new Map<number, Leaf>()
  for (const { position, hashes } of blocks) {
    for (let i = 0; i < hashes.length / HASH_BYTES; i++) {
      const leaf_index = position * SPAN + i
      const leaf_hash = hashes.slice(i * HASH_BYTES, (i + 1) * HASH_BYTES)
      if (leaf_index >= start && leaf_index < end)
        leaves.set(leaf_index, { leaf_index, leaf_hash, record: null })
    }
  }
  for (const leaf of kept) leaves.set(leaf.leaf_index, leaf)
  return [...leaves.values()].sort((a, b) => a.leaf_index - b.leaf_index)
}

/** Index of the first record whose contents were not removed. */
export async function readBegin(db: Queries): Promise<number> {
  const last = await db
    .selectFrom('audit_removed')
    .select('position')
    .orderBy('position', 'desc')
    .limit(1)
    .executeTakeFirst()
  return last ? (last.position + 1) * SPAN : 0
}

/** When the contents of a record were removed; undefined when they were not. */
export async function findRemoval(db: Queries, index: number): Promise<number | undefined> {
  const block = await db
    .selectFrom('audit_removed')
    .select('removed_at')
    .where('position', '=', Math.floor(index / SPAN))
    .executeTakeFirst()
  return block?.removed_at
}

/** How many of the `limit` spans from `start` on hold only records from before `time`: up to the first that does not. */
export async function countOldSpans(
  db: Queries,
  start: number,
  time: number,
  limit: number,
): Promise<number> {
  const spans = await db
    .selectFrom('audit_spans')
    .select('latest')
    .where('position', '>=', start)
    .where('position', '<', start + limit)
    .orderBy('position')
    .execute()
  const young = spans.findIndex(({ latest }) => latest >= time)
  return young < 0 ? spans.length : young
}

/** Puts the hashes of whole blocks from `start` on in the place of their records. */
export async function replaceByHashes(
  tx: Transaction,
  start: number,
  hashes: readonly Uint8Array[],
  removedAt: number,
): Promise<void> {
  const blocks = Array.from({ length: hashes.length / SPAN }, (_, i) => ({
    position: start / SPAN + i,
    hashes: Buffer.concat(hashes.slice(i * SPAN, (i + 1) * SPAN)),
    removed_at: removedAt,
  }))
  // Of two servers at once the primary key lets one through.
  await tx.insertInto('audit_removed').values(blocks).execute()
  await tx
    .deleteFrom('audit_records')
    .where('leaf_index', '>=', start)
    .where('leaf_index', '<', start + hashes.length)
    .execute()
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

/** What is asked of a record, all of it. The time is not in it: see {@link listSpans}. */
export interface RecordConditions {
  readonly secretName?: string | undefined
  readonly actorId?: string | undefined
  readonly projectId?: string | undefined
  readonly workspaceId?: string | undefined
  readonly action?: string | undefined
  readonly outcome?: string | undefined
  readonly from?: number | undefined
  readonly to?: number | undefined
}

/** The index that is walked. */
export type Driver = {
  readonly column:
    | 'secret_name'
    | 'actor_id'
    | 'project_id'
    | 'workspace_id'
    | 'action'
    | 'outcome'
    | 'leaf_index'
  readonly value?: string
}

/** Records from `start` up to before `end`. */
export interface LeafSpan {
  readonly start: number
  readonly end: number
}

/**
 * The newest places that the index has for the driver. Compared as pairs, so that no planner believes another index to
 * be better: it would be right for the average name and read millions of rows for a rare one.
 */
function candidates(db: Queries, { column, value }: Driver, { start, end }: LeafSpan, limit: number) {
  const query = db.selectFrom('audit_records').select('leaf_index').limit(limit)
  if (column === 'leaf_index')
    return query.where('leaf_index', '<', end).where('leaf_index', '>=', start).orderBy('leaf_index', 'desc')
  const pair = sql`(${sql.ref(column)}, leaf_index)`
  const found = query
    .where(sql<boolean>`${pair} < (${value}, ${end})`)
    .where(sql<boolean>`${pair} >= (${value}, ${start})`)
    .orderBy(column, 'desc')
    .orderBy('leaf_index', 'desc')
  // These indexes have only what is not the rule.
  if (column === 'workspace_id') return found.where('workspace_id', 'is not', null)
  return column === 'outcome' ? found.where(sql<boolean>`outcome <> 'success'`) : found
}

/** Place of the candidate before which `count` newer ones stand. */
export async function candidateAfter(
  db: Queries,
  driver: Driver,
  span: LeafSpan,
  count: number,
): Promise<number | undefined> {
  const row = await candidates(db, driver, span, 1).offset(count).executeTakeFirst()
  return row?.leaf_index
}

/** Of the newest `among` records that the driver finds, those that meet all conditions; newest first. */
export async function findRecords(
  db: Queries,
  driver: Driver,
  conditions: RecordConditions,
  span: LeafSpan,
  among: number,
  limit: number,
): Promise<{ leaf_index: number; record: string }[]> {
  const places = db.selectFrom(candidates(db, driver, span, among).as('found')).select('leaf_index')
  let query = db
    .selectFrom('audit_records')
    .select(['leaf_index', 'record'])
    .where('leaf_index', 'in', places)
    .orderBy('leaf_index', 'desc')
    .limit(limit)
  const asked = {
    secret_name: conditions.secretName,
    actor_id: conditions.actorId,
    project_id: conditions.projectId,
    workspace_id: conditions.workspaceId,
    action: conditions.action,
    outcome: conditions.outcome,
  }
  for (const [column, value] of Object.entries(asked)) {
    // As an expression, so that only the driver's index is one to think of.
    if (value !== undefined && column !== driver.column)
      query = query.where(sql<boolean>`coalesce(${sql.ref(column)}, '') = ${value}`)
  }
  if (conditions.from !== undefined) query = query.where('time', '>=', conditions.from)
  if (conditions.to !== undefined) query = query.where('time', '<', conditions.to)
  return query.execute()
}

/** How many spans of time are kept. */
export async function countSpans(db: Queries): Promise<number> {
  const last = await db
    .selectFrom('audit_spans')
    .select('position')
    .orderBy('position', 'desc')
    .limit(1)
    .executeTakeFirst()
  return last ? last.position + 1 : 0
}

/** Positions of the spans before `end` that may hold records of a time, newest first. */
export async function listSpans(
  db: Queries,
  time: { readonly from?: number | undefined; readonly to?: number | undefined },
  end: number,
  limit: number,
): Promise<number[]> {
  let query = db
    .selectFrom('audit_spans')
    .select('position')
    .where('position', '<', end)
    .orderBy('position', 'desc')
    .limit(limit)
  if (time.from !== undefined) query = query.where('latest', '>=', time.from)
  if (time.to !== undefined) query = query.where('earliest', '<', time.to)
  return (await query.execute()).map(({ position }) => position)
}

/** Keeps the times of the records from `start` on, `length` to a span; those that another server kept stay. */
export async function addSpans(tx: Transaction, start: number, count: number, length: number): Promise<void> {
  const rows = await tx
    .selectFrom('audit_records')
    .select(['leaf_index', 'time'])
    .where('leaf_index', '>=', start * length)
    .where('leaf_index', '<', (start + count) * length)
    .execute()
  const spans = Array.from({ length: count }, (_, i) => ({
    position: start + i,
    earliest: Number.MAX_SAFE_INTEGER,
    latest: 0,
  }))
  for (const { leaf_index, time } of rows) {
    const span = spans[Math.floor(leaf_index / length) - start]! // `!`: the rows were asked for by these bounds.
    span.earliest = Math.min(span.earliest, time)
    span.latest = Math.max(span.latest, time)
  }
  await tx
    .insertInto('audit_spans')
    .values(spans)
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}
