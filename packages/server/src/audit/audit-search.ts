import { setImmediate } from 'node:timers/promises'
import type { Storage } from '../storage/storage.ts'
import type { Queries } from '../storage/tables.ts'
import {
  type AuditFilter,
  addSpans,
  candidateAfter,
  countSpans,
  type Driver,
  findRecords,
  type LeafSpan,
  listSpans,
  type RecordConditions,
  readHead,
} from './audit.store.ts'
import { SPAN } from './leaf.ts'

/*
 * Searching a log of any size. There is an index by secret, actor, project, workspace, action and outcome, each in the order of the
 * tree. A search walks the one that finds the fewest, newest first and a window at a time, and looks at the other
 * conditions in what it finds. It ends after a while, wherever it is, and says where to go on: no filter makes a server
 * that has one thread for SQLite stand still.
 *
 * Times are almost, but not quite, in the order of the tree: clocks differ and are corrected. So for every 256 records it
 * is kept from when to when they are, and a search by time looks only at those that can have what it wants.
 */

/** Candidates that are looked at in one go: some milliseconds in which SQLite does nothing else. */
const WINDOW = 1_000
/** Time that a page may take, unless its first window takes longer. */
const SEARCH_MS = 100
/** After so long others have their turn. */
const TURN_MS = 10
/** Spans that are made, or looked through, in one go. */
const SPANS_PER_BATCH = 16
const SPANS_PER_LOOK = 500

interface Row {
  readonly leaf_index: number
  readonly record: string
}

/** What one way of seeing records finds. */
interface Found {
  readonly rows: readonly Row[]
  /** Everything from here on has been looked at; 0 when there is nothing below. */
  readonly reached: number
}

/** @param budgetMs for tests. @returns newest first, and where to go on; null when there is no more. */
export async function searchRecords(
  db: Queries,
  filter: AuditFilter,
  limit: number,
  budgetMs = SEARCH_MS,
): Promise<{ rows: Row[]; nextCursor: number | null }> {
  const deadline = performance.now() + budgetMs
  const whole = { start: filter.start ?? 0, end: filter.before ?? Number.MAX_SAFE_INTEGER }
  const found: Found[] = []
  // One more than wanted, which tells whether there is a next page.
  let turnEnds = performance.now() + TURN_MS
  for (const conditions of waysToSee(filter)) {
    found.push(await search(db, conditions, whole, limit + 1, deadline))
    // Somebody may be Admin of thousands of projects, and each has to be looked at once.
    if (performance.now() < turnEnds) continue
    await setImmediate()
    turnEnds = performance.now() + TURN_MS
  }
  const reached = Math.max(0, ...found.map((one) => one.reached))
  // What two ways find is one record. Below where one of them stopped, the other's would not be all.
  const all = new Map(found.flatMap(({ rows }) => rows.map((row) => [row.leaf_index, row])))
  const rows = [...all.values()]
    .filter((row) => row.leaf_index >= reached)
    .sort((a, b) => b.leaf_index - a.leaf_index)
  if (rows.length <= limit) return { rows, nextCursor: reached > 0 ? reached : null }
  const page = rows.slice(0, limit)
  return { rows: page, nextCursor: page.at(-1)?.leaf_index ?? null }
}

/** An administrator sees everything; others their own acts, or those in one of their projects or workspaces. */
function waysToSee({
  visibleTo,
  before: _before,
  start: _start,
  ...conditions
}: AuditFilter): RecordConditions[] {
  if (!visibleTo) return [conditions]
  const { accountId, projectIds, workspaceIds } = visibleTo
  const { actorId, projectId, workspaceId } = conditions
  if (
    actorId === accountId ||
    (projectId !== undefined && projectIds.includes(projectId)) ||
    (workspaceId !== undefined && workspaceIds.includes(workspaceId))
  )
    return [conditions]
  return [
    ...(actorId === undefined ? [{ ...conditions, actorId: accountId }] : []),
    ...(projectId === undefined ? projectIds.map((id) => ({ ...conditions, projectId: id })) : []),
    ...(workspaceId === undefined ? workspaceIds.map((id) => ({ ...conditions, workspaceId: id })) : []),
  ]
}

async function search(
  db: Queries,
  conditions: RecordConditions,
  whole: LeafSpan,
  limit: number,
  deadline: number,
): Promise<Found> {
  const rows: Row[] = []
  let driver: Driver | undefined
  for await (const span of spansToSearch(db, conditions, whole)) {
    driver ??= await rarest(db, conditions, span)
    const isAll = isOnly(driver, conditions)
    let spanEnd = span.end
    while (spanEnd > span.start) {
      const wanted = limit - rows.length
      const window = { start: span.start, end: spanEnd }
      const among = isAll ? wanted : WINDOW
      rows.push(...(await findRecords(db, driver, conditions, window, among, wanted)))
      const last = rows.at(-1)
      if (rows.length >= limit && last) return { rows, reached: last.leaf_index }
      // Where every candidate is a match, the last of them was found.
      const reached = isAll ? undefined : await candidateAfter(db, driver, window, WINDOW - 1)
      if (reached === undefined) break
      spanEnd = reached
      if (performance.now() > deadline) return { rows, reached }
      await setImmediate()
    }
    if (performance.now() > deadline && span.start > whole.start) return { rows, reached: span.start }
  }
  return { rows, reached: 0 }
}

/** Where records of the wanted time can be, newest first; everything, when no time is asked for. */
async function* spansToSearch(
  db: Queries,
  time: RecordConditions,
  { start, end }: LeafSpan,
): AsyncGenerator<LeafSpan> {
  if (time.from === undefined && time.to === undefined) return yield { start, end }
  const whole = (await countSpans(db)) * SPAN
  // The newest have no span yet.
  if (end > whole) yield { start: Math.max(start, whole), end }
  let next = Math.ceil(Math.min(end, whole) / SPAN)
  while (next * SPAN > start) {
    const positions = await listSpans(db, time, next, SPANS_PER_LOOK)
    for (const span of joined(positions))
      yield { start: Math.max(span.start * SPAN, start), end: Math.min(span.end * SPAN, end) }
    next = positions.length < SPANS_PER_LOOK ? 0 : (positions.at(-1) ?? 0)
  }
}

/** Neighbours become one. @param positions from the last to the first. */
function joined(positions: readonly number[]): LeafSpan[] {
  const spans: { start: number; end: number }[] = []
  for (const position of positions) {
    const last = spans.at(-1)
    if (last?.start === position + 1) last.start = position
    else spans.push({ start: position, end: position + 1 })
  }
  return spans
}

function driversOf(conditions: RecordConditions): Driver[] {
  const { secretName, actorId, projectId, workspaceId, outcome, action } = conditions
  return [
    ...(secretName === undefined ? [] : [{ column: 'secret_name', value: secretName } as const]),
    ...(actorId === undefined ? [] : [{ column: 'actor_id', value: actorId } as const]),
    ...(projectId === undefined ? [] : [{ column: 'project_id', value: projectId } as const]),
    ...(workspaceId === undefined ? [] : [{ column: 'workspace_id', value: workspaceId } as const]),
    // Successes are most of the log, and have no index.
    ...(outcome === undefined || outcome === 'success'
      ? []
      : [{ column: 'outcome', value: outcome } as const]),
    ...(action === undefined ? [] : [{ column: 'action', value: action } as const]),
  ]
}

/** The index whose next window reaches furthest back. */
async function rarest(db: Queries, conditions: RecordConditions, span: LeafSpan): Promise<Driver> {
  const drivers = driversOf(conditions)
  let best: { driver: Driver; reach: number } | undefined
  for (const driver of drivers) {
    if (drivers.length === 1) return driver
    const reach = (await candidateAfter(db, driver, span, WINDOW)) ?? -1
    if (!best || reach < best.reach) best = { driver, reach }
    if (reach === -1) break
  }
  return best?.driver ?? { column: 'leaf_index' }
}

/** Whether whatever the driver finds is a match. */
function isOnly(driver: Driver, conditions: RecordConditions): boolean {
  const asked = Object.values(conditions).filter((value) => value !== undefined)
  return asked.length === (driver.column === 'leaf_index' ? 0 : 1)
}

/** Keeps the times of the spans that have become whole. Of two servers at once each makes the same. */
export async function growSpans(storage: Storage): Promise<void> {
  const { size } = await readHead(storage.db)
  const whole = Math.floor(size / SPAN)
  for (let from = await countSpans(storage.db); from < whole; from += SPANS_PER_BATCH) {
    const count = Math.min(SPANS_PER_BATCH, whole - from)
    await storage.transaction((tx) => addSpans(tx, from, count, SPAN))
  }
}
