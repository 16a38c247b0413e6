import type { Queries, Tables, Transaction } from '../storage/tables.ts'

export type KeyringRow = Tables['keyring']
export type DataKeyRow = Tables['data_keys']

export async function listKeyring(db: Queries): Promise<KeyringRow[]> {
  return db
    .selectFrom('keyring')
    .select(['version', 'wrapped', 'root_fingerprint', 'uses', 'created_at'])
    .orderBy('version')
    .execute()
}

/** Adds a keyring key. Two servers starting at once: one insert wins, both read the winner afterwards. */
export async function addKeyringKey(tx: Transaction, row: KeyringRow): Promise<void> {
  await tx
    .insertInto('keyring')
    .values(row)
    .onConflict((conflict) => conflict.column('version').doNothing())
    .execute()
}

export async function findDataKey(db: Queries, id: string): Promise<DataKeyRow | undefined> {
  return db
    .selectFrom('data_keys')
    .select(['id', 'owner', 'keyring_version', 'wrapped', 'uses', 'created_at', 'retired_at'])
    .where('id', '=', id)
    .executeTakeFirst()
}

/** Counts one more use of the owner's sealing key and returns it; the row stays locked until the transaction ends. */
export async function useCurrentDataKey(tx: Transaction, owner: string): Promise<DataKeyRow | undefined> {
  return tx
    .updateTable('data_keys')
    .set((eb) => ({ uses: eb('uses', '+', 1) }))
    .where('owner', '=', owner)
    .where('retired_at', 'is', null)
    .returning(['id', 'owner', 'keyring_version', 'wrapped', 'uses', 'created_at', 'retired_at'])
    .executeTakeFirst()
}

/** Adds a data key unless the owner got one meanwhile (unique index `data_keys_current`). @returns whether it did. */
export async function addDataKey(tx: Transaction, row: DataKeyRow): Promise<boolean> {
  const added = await tx
    .insertInto('data_keys')
    .values(row)
    .onConflict((conflict) => conflict.doNothing())
    .returning('id')
    .executeTakeFirst()
  return added !== undefined
}

export async function retireDataKey(tx: Transaction, id: string, now: number): Promise<void> {
  await tx.updateTable('data_keys').set({ retired_at: now }).where('id', '=', id).execute()
}

export async function countKeyringUse(tx: Transaction, version: number): Promise<void> {
  await tx
    .updateTable('keyring')
    .set((eb) => ({ uses: eb('uses', '+', 1) }))
    .where('version', '=', version)
    .execute()
}
