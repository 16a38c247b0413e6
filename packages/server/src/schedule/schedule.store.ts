import type { Transaction } from '../storage/tables.ts'

/**
 * Takes a job in hand unless it was started a short while ago or another server has it.
 * @param startedBefore a job that was started since then is not due. @returns whether it was taken.
 */
export async function claimJob(
  tx: Transaction,
  name: string,
  now: number,
  startedBefore: number,
  leaseUntil: number,
): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await tx
    .insertInto('jobs')
    .values({ name, started_at: now, lease_until: leaseUntil })
    .onConflict((conflict) =>
      conflict
        .column('name')
        .doUpdateSet({ started_at: now, lease_until: leaseUntil })
        .where('jobs.lease_until', '<=', now)
        .where('jobs.started_at', '<=', startedBefore),
    )
    .executeTakeFirstOrThrow()
  return Number(numInsertedOrUpdatedRows) > 0
}

/** Moves the end of a lease, while it is still the one of `startedAt`. */
export async function moveLease(
  tx: Transaction,
  name: string,
  startedAt: number,
  leaseUntil: number,
): Promise<void> {
  await tx
    .updateTable('jobs')
    .set({ lease_until: leaseUntil })
    .where('name', '=', name)
    .where('started_at', '=', startedAt)
    .execute()
}
