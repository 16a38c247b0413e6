import type { Queries, Transaction } from '../../storage/tables.ts'

/** How many places of a run were recorded. */
export async function countPlaces(db: Queries, runKey: string): Promise<number> {
  const { count } = await db
    .selectFrom('reported_uses')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('run_key', '=', runKey)
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** Which of these places of a run were recorded before. */
export async function findPlaces(
  db: Queries,
  runKey: string,
  placeKeys: readonly string[],
): Promise<ReadonlySet<string>> {
  const rows = await db
    .selectFrom('reported_uses')
    .select('place_key')
    .where('run_key', '=', runKey)
    .where('place_key', 'in', placeKeys)
    .execute()
  return new Set(rows.map((row) => row.place_key))
}

/** Keeps places of a run. @returns those that were not there: of two reports at once each place is one's. */
export async function addPlaces(
  tx: Transaction,
  runKey: string,
  placeKeys: readonly string[],
  now: number,
): Promise<ReadonlySet<string>> {
  const rows = await tx
    .insertInto('reported_uses')
    .values(placeKeys.map((place_key) => ({ run_key: runKey, place_key, reported_at: now })))
    .onConflict((conflict) => conflict.doNothing())
    .returning('place_key')
    .execute()
  return new Set(rows.map((row) => row.place_key))
}

export async function forgetPlaces(tx: Transaction, before: number): Promise<void> {
  await tx.deleteFrom('reported_uses').where('reported_at', '<', before).execute()
}
