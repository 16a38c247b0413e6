import { prepareQuery } from '../../storage/prepared.ts'
import type { Storage } from '../../storage/storage.ts'
import type { Queries, Tables, Transaction } from '../../storage/tables.ts'
import { type AccessKey, rowToAccessKey } from './access-key.ts'

const columns = [
  'access_keys.id',
  'access_keys.project_id',
  'access_keys.permission',
  'access_keys.ip_restriction',
  'access_keys.slot',
  'access_keys.created_at',
  'access_keys.created_by',
  'access_keys.expires_at',
  'access_keys.last_used_at',
  'access_keys.last_used_address',
  'access_keys.regenerated_at',
] as const

export async function listKeys(db: Queries, projectId: string): Promise<AccessKey[]> {
  const rows = await db
    .selectFrom('access_keys')
    .select(columns)
    .where('project_id', '=', projectId)
    .orderBy('created_at')
    .orderBy('id')
    .execute()
  return rows.map(rowToAccessKey)
}

/** Keys of all projects in which the person may manage keys, with the names of the projects. */
export async function listKeysOfMember(
  db: Queries,
  accountId: string,
): Promise<{ key: AccessKey; projectName: string }[]> {
  const rows = await db
    .selectFrom('access_keys')
    .innerJoin('projects', 'projects.id', 'access_keys.project_id')
    .innerJoin('project_members', 'project_members.project_id', 'access_keys.project_id')
    .select(columns)
    .select('projects.name as project_name')
    .where('project_members.account_id', '=', accountId)
    .where('project_members.role', '!=', 'read_only')
    .execute()
  return rows.map((row) => ({ key: rowToAccessKey(row), projectName: row.project_name }))
}

export async function findKey(db: Queries, projectId: string, id: string): Promise<AccessKey | undefined> {
  const row = await db
    .selectFrom('access_keys')
    .select(columns)
    .where('project_id', '=', projectId)
    .where('id', '=', id)
    .executeTakeFirst()
  return row && rowToAccessKey(row)
}

/** Prepares the look-up of a key by id: with the hash of its secret and its project's name, whatever its state. */
export function prepareFindKeyToCheck(storage: Storage) {
  const find = prepareQuery(storage, (db, value: { id: string }) =>
    db
      .selectFrom('access_keys')
      .innerJoin('projects', 'projects.id', 'access_keys.project_id')
      .select(columns)
      .select(['access_keys.secret_hash', 'projects.name as project_name'])
      .where('access_keys.id', '=', value.id),
  )
  return async (id: string) => {
    const [row] = await find({ id })
    return row && { key: rowToAccessKey(row), secretHash: row.secret_hash, projectName: row.project_name }
  }
}

export async function insertKey(tx: Transaction, row: Tables['access_keys']): Promise<void> {
  await tx.insertInto('access_keys').values(row).execute()
}

export async function updateKey(
  tx: Transaction,
  id: string,
  change: Partial<
    Pick<Tables['access_keys'], 'permission' | 'ip_restriction' | 'slot' | 'secret_hash' | 'regenerated_at'>
  >,
): Promise<void> {
  await tx.updateTable('access_keys').set(change).where('id', '=', id).execute()
}

export async function deleteKey(tx: Transaction, id: string): Promise<void> {
  await tx.deleteFrom('access_keys').where('id', '=', id).execute()
}

/** Frees the places of keys that have expired: they no longer count (acceptance C32). */
export async function freeExpiredSlots(tx: Transaction, projectId: string, now: number): Promise<void> {
  await tx
    .updateTable('access_keys')
    .set({ slot: null })
    .where('project_id', '=', projectId)
    .where('expires_at', '<=', now)
    .execute()
}

/** The lowest place that no active key of the project has. */
export async function findFreeSlot(
  tx: Transaction,
  projectId: string,
  slots: readonly number[],
): Promise<number | undefined> {
  const rows = await tx
    .selectFrom('access_keys')
    .select('slot')
    .where('project_id', '=', projectId)
    .where('slot', 'is not', null)
    .execute()
  return slots.find((slot) => !rows.some((row) => row.slot === slot))
}

/** Moves "last used" on unless another request just did. */
export async function touchKey(
  tx: Transaction,
  id: string,
  address: string | null,
  now: number,
  unlessSince: number,
): Promise<void> {
  await tx
    .updateTable('access_keys')
    .set({ last_used_at: now, last_used_address: address })
    .where('id', '=', id)
    .where((eb) => eb.or([eb('last_used_at', 'is', null), eb('last_used_at', '<', unlessSince)]))
    .execute()
}
