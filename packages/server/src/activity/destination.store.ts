import { toDate } from '../base/clock.ts'
import type { Queries, Tables, Transaction } from '../storage/tables.ts'
import type { Destination } from './destination.ts'

const rowToDestination = (row: Tables['audit_destinations']): Destination => ({
  id: row.id,
  target: row.target,
  ca: row.ca,
  isSentRecords: row.sends_records === 1,
  position: row.position,
  checkpointSize: row.checkpoint_size,
  failures: row.failures,
  createdAt: new Date(row.created_at),
  lastAttemptAt: toDate(row.last_attempt_at),
  lastSuccessAt: toDate(row.last_success_at),
  lastFailure: row.last_failure,
})

export async function listDestinations(db: Queries): Promise<Destination[]> {
  const rows = await db
    .selectFrom('audit_destinations')
    .selectAll()
    .orderBy('created_at')
    .orderBy('id')
    .execute()
  return rows.map(rowToDestination)
}

/** Of two at once that add the same target, the unique constraint lets one through. */
export async function insertDestination(tx: Transaction, row: Tables['audit_destinations']): Promise<void> {
  await tx.insertInto('audit_destinations').values(row).execute()
}

/** @returns its target; undefined when there was none. */
export async function deleteDestination(tx: Transaction, id: string): Promise<string | undefined> {
  const row = await tx
    .deleteFrom('audit_destinations')
    .where('id', '=', id)
    .returning('target')
    .executeTakeFirst()
  return row?.target
}

/** Those that are due and that no server is sending to. */
export async function listDue(db: Queries, now: number): Promise<string[]> {
  const rows = await db
    .selectFrom('audit_destinations')
    .select('id')
    .where('lease_until', '<=', now)
    .where('due_at', '<=', now)
    .execute()
  return rows.map(({ id }) => id)
}

/** Takes a destination in hand. Of two servers the guarded update lets one through. */
export async function claimDestination(
  tx: Transaction,
  id: string,
  now: number,
  leaseUntil: number,
): Promise<Destination | undefined> {
  const row = await tx
    .updateTable('audit_destinations')
    .set({ lease_until: leaseUntil, last_attempt_at: now })
    .where('id', '=', id)
    .where('lease_until', '<=', now)
    .where('due_at', '<=', now)
    .returningAll()
    .executeTakeFirst()
  return row && rowToDestination(row)
}

type Progress = Partial<
  Pick<
    Tables['audit_destinations'],
    | 'position'
    | 'checkpoint_size'
    | 'lease_until'
    | 'due_at'
    | 'failures'
    | 'last_success_at'
    | 'last_failure'
  >
>

/** Writes down how far a destination is, while the lease is still the one that ends at `leaseUntil`. @returns whether it is. */
export async function noteProgress(
  tx: Transaction,
  id: string,
  leaseUntil: number,
  progress: Progress,
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('audit_destinations')
    .set(progress)
    .where('id', '=', id)
    .where('lease_until', '=', leaseUntil)
    .executeTakeFirstOrThrow()
  return numUpdatedRows > 0n
}
