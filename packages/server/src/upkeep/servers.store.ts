import type { Queries, Tables, Transaction } from '../storage/tables.ts'

/** Says that a server is there. */
export async function upsertServer(tx: Transaction, row: Tables['servers']): Promise<void> {
  await tx
    .insertInto('servers')
    .values(row)
    .onConflict((conflict) => conflict.column('id').doUpdateSet({ seen_at: row.seen_at }))
    .execute()
}

export async function deleteServer(tx: Transaction, id: string): Promise<void> {
  await tx.deleteFrom('servers').where('id', '=', id).execute()
}

/** Forgets servers that ended without saying so. */
export async function deleteServersNotSeenSince(tx: Transaction, time: number): Promise<void> {
  await tx.deleteFrom('servers').where('seen_at', '<', time).execute()
}

export async function listServersSeenSince(
  db: Queries,
  time: number,
): Promise<Omit<Tables['servers'], 'internal_url'>[]> {
  return db
    .selectFrom('servers')
    .select(['id', 'host', 'release', 'root_fingerprint', 'started_at', 'seen_at'])
    .where('seen_at', '>=', time)
    .orderBy('started_at')
    .execute()
}
