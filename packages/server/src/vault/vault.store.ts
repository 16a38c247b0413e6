import type { Queries, Tables, Transaction } from '../storage/tables.ts'

export type KeyringRow = Tables['keyring']
export type DataKeyRow = Tables['data_keys']
export type RootKeyRow = Tables['root_keys']

export async function listKeyring(db: Queries): Promise<KeyringRow[]> {
  return db
    .selectFrom('keyring')
    .select(['version', 'wrapped', 'root_fingerprint', 'uses', 'created_at'])
    .orderBy('version')
    .execute()
}

/**
 * Adds a keyring key. Two servers starting at once: one insert wins, both read the winner afterwards.
 * @returns whether it was this one.
 */
export async function addKeyringKey(tx: Transaction, row: KeyringRow): Promise<boolean> {
  const added = await tx
    .insertInto('keyring')
    .values(row)
    .onConflict((conflict) => conflict.column('version').doNothing())
    .returning('version')
    .executeTakeFirst()
  return added !== undefined
}

/** Puts another root key's wrap in the place of the current one's. */
export async function setWrap(
  tx: Transaction,
  version: number,
  wrapped: Uint8Array,
  fingerprint: string,
): Promise<void> {
  await tx
    .updateTable('keyring')
    .set({ wrapped, root_fingerprint: fingerprint })
    .where('version', '=', version)
    .execute()
}

/** Oldest first. */
export async function listRootKeys(db: Queries): Promise<RootKeyRow[]> {
  return db
    .selectFrom('root_keys')
    .select([
      'fingerprint',
      'state',
      'created_at',
      'activated_at',
      'retired_at',
      'kit_made_at',
      'kit_proven_at',
    ])
    .orderBy('created_at')
    .execute()
}

/** Makes other changes of root keys wait until the transaction ends. @returns fingerprint of the current one. */
export async function lockCurrentRootKey(tx: Transaction): Promise<string> {
  const row = await tx
    .updateTable('root_keys')
    .set({ state: 'current' })
    .where('state', '=', 'current')
    .returning('fingerprint')
    .executeTakeFirstOrThrow()
  return row.fingerprint
}

export async function addRootKey(
  tx: Transaction,
  { fingerprint, state, now }: { fingerprint: string; state: 'current' | 'next'; now: number },
): Promise<void> {
  await tx
    .insertInto('root_keys')
    .values({
      fingerprint,
      state,
      created_at: now,
      activated_at: state === 'current' ? now : null,
      retired_at: null,
      kit_made_at: null,
      kit_proven_at: null,
    })
    .execute()
}

export async function updateRootKey(
  tx: Transaction,
  fingerprint: string,
  change: Partial<Omit<RootKeyRow, 'fingerprint' | 'created_at'>>,
): Promise<void> {
  await tx.updateTable('root_keys').set(change).where('fingerprint', '=', fingerprint).execute()
}

export async function deleteRootKey(tx: Transaction, fingerprint: string): Promise<void> {
  await tx.deleteFrom('root_keys').where('fingerprint', '=', fingerprint).execute()
}

/** The keyring as the root key that is coming or going wraps it; empty for any other. */
export async function listWraps(
  db: Queries,
  fingerprint: string,
): Promise<{ version: number; wrapped: Uint8Array }[]> {
  return db
    .selectFrom('keyring_wraps')
    .select(['version', 'wrapped'])
    .where('root_fingerprint', '=', fingerprint)
    .orderBy('version')
    .execute()
}

export async function addWraps(tx: Transaction, rows: readonly Tables['keyring_wraps'][]): Promise<void> {
  await tx.insertInto('keyring_wraps').values(rows).execute()
}

export async function deleteWraps(tx: Transaction, fingerprint: string): Promise<void> {
  await tx.deleteFrom('keyring_wraps').where('root_fingerprint', '=', fingerprint).execute()
}

export async function findDataKey(db: Queries, id: string): Promise<DataKeyRow | undefined> {
  return db
    .selectFrom('data_keys')
    .select(['id', 'owner', 'keyring_version', 'wrapped', 'uses', 'created_at', 'retired_at'])
    .where('id', '=', id)
    .executeTakeFirst()
}

/** Data keys in the order of their ids, those after one of them. */
export async function listDataKeys(db: Queries, after: string, limit: number): Promise<DataKeyRow[]> {
  return db
    .selectFrom('data_keys')
    .select(['id', 'owner', 'keyring_version', 'wrapped', 'uses', 'created_at', 'retired_at'])
    .where('id', '>', after)
    .orderBy('id')
    .limit(limit)
    .execute()
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
