import { prepareQuery } from '../../storage/prepared.ts'
import type { Storage } from '../../storage/storage.ts'
import type { Queries, Tables, Transaction } from '../../storage/tables.ts'
import { rowToSshKey, type SshKey } from './ssh-key.ts'

const columns = [
  'ssh_keys.id',
  'ssh_keys.account_id',
  'ssh_keys.fingerprint',
  'ssh_keys.type',
  'ssh_keys.blob',
  'ssh_keys.bits',
  'ssh_keys.comment',
  'ssh_keys.created_at',
  'ssh_keys.expires_at',
  'ssh_keys.last_used_at',
] as const

/** Oldest first. */
export async function listKeys(db: Queries, accountId: string): Promise<SshKey[]> {
  const rows = await db
    .selectFrom('ssh_keys')
    .select(columns)
    .where('account_id', '=', accountId)
    .orderBy('created_at')
    .orderBy('id')
    .execute()
  return rows.map(rowToSshKey)
}

/** The keys that let these people in now: not expired, and of who may do things. */
export async function listLoginKeys(
  db: Queries,
  accountIds: readonly string[],
  now: number,
): Promise<{ id: string; accountId: string; type: string; blob: Uint8Array }[]> {
  return db
    .selectFrom('ssh_keys')
    .innerJoin('accounts', 'accounts.id', 'ssh_keys.account_id')
    .select(['ssh_keys.id', 'ssh_keys.account_id as accountId', 'ssh_keys.type', 'ssh_keys.blob'])
    .where('ssh_keys.account_id', 'in', accountIds)
    .where('accounts.disabled_at', 'is', null)
    .where('accounts.must_change_password', '=', 0)
    .where((eb) => eb.or([eb('ssh_keys.expires_at', 'is', null), eb('ssh_keys.expires_at', '>', now)]))
    .execute()
}

/** @throws a unique violation when anybody has this key. */
export async function insertKey(tx: Transaction, row: Tables['ssh_keys']): Promise<void> {
  await tx.insertInto('ssh_keys').values(row).execute()
}

/** @returns false when the person has no such key. */
export async function deleteKey(tx: Transaction, id: string, accountId: string): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom('ssh_keys')
    .where('id', '=', id)
    .where('account_id', '=', accountId)
    .executeTakeFirstOrThrow()
  return numDeletedRows === 1n
}

/** Prepares the look-up of a key that lets somebody in now: not expired, and of a person who may do things. */
export function prepareFindForLogin(storage: Storage) {
  const find = prepareQuery(storage, (db, value: { fingerprint: string; now: number }) =>
    db
      .selectFrom('ssh_keys')
      .innerJoin('accounts', 'accounts.id', 'ssh_keys.account_id')
      .select(columns)
      .where('ssh_keys.fingerprint', '=', value.fingerprint)
      .where('accounts.disabled_at', 'is', null)
      .where('accounts.must_change_password', '=', 0)
      .where((eb) =>
        eb.or([eb('ssh_keys.expires_at', 'is', null), eb('ssh_keys.expires_at', '>', value.now)]),
      ),
  )
  return async (fingerprint: string, now: number): Promise<SshKey | undefined> => {
    const [row] = await find({ fingerprint, now })
    return row && rowToSshKey(row)
  }
}

/** Moves "last used" on unless another login just did. */
export async function touchKey(tx: Transaction, id: string, now: number, unlessSince: number): Promise<void> {
  await tx
    .updateTable('ssh_keys')
    .set({ last_used_at: now })
    .where('id', '=', id)
    .where((eb) => eb.or([eb('last_used_at', 'is', null), eb('last_used_at', '<', unlessSince)]))
    .execute()
}
