import type { Queries, Transaction } from '../storage/tables.ts'

/* What works again after a restore although it may have been taken away since the backup. */

/** Counts what lets somebody in. */
export async function countCredentials(db: Queries): Promise<{ accessTokens: number; accessKeys: number }> {
  const tokens = await db
    .selectFrom('access_tokens')
    .select((eb) => eb.fn.countAll<number>().as('n'))
    .executeTakeFirstOrThrow()
  const keys = await db
    .selectFrom('access_keys')
    .select((eb) => eb.fn.countAll<number>().as('n'))
    .where('slot', 'is not', null)
    .executeTakeFirstOrThrow()
  return { accessTokens: Number(tokens.n), accessKeys: Number(keys.n) }
}

/** Deletes all access tokens and deactivates all access keys. */
export async function revokeCredentials(tx: Transaction): Promise<void> {
  await tx.deleteFrom('access_tokens').execute()
  await tx.updateTable('access_keys').set({ slot: null }).execute()
}
