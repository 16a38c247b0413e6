import type { Secret } from '@keyhold/contract/secret'
import { Grant } from '../../access/access.ts'
import { toDate } from '../../base/clock.ts'
import type { Queries, Tables, Transaction } from '../../storage/tables.ts'
import type { Vault } from '../../vault/vault.ts'
import type { SealedApiKey, StoredApiKey } from './api-key.ts'
import type { Destination } from './destination.ts'

const columns = [
  'id',
  'account_id',
  'name',
  'service',
  'description',
  'base_url',
  'allowed_hosts',
  'placement',
  'allowed_methods',
  'allowed_paths',
  'version',
  'created_at',
  'updated_at',
  'rotated_at',
  'expires_at',
  'last_used_at',
] as const
const fromJson = (text: string | null) => (text === null ? null : JSON.parse(text))

function rowToKey(row: Pick<Tables['api_keys'], (typeof columns)[number]>): StoredApiKey {
  return {
    id: row.id,
    accountId: row.account_id,
    name: row.name,
    service: row.service,
    description: row.description,
    baseUrl: row.base_url,
    // Written by toDestinationColumns.
    allowedHosts: fromJson(row.allowed_hosts),
    placement: fromJson(row.placement),
    allowedMethods: fromJson(row.allowed_methods),
    allowedPaths: fromJson(row.allowed_paths),
    version: row.version,
    createdAt: new Date(row.created_at),
    updatedAt: new Date(row.updated_at),
    rotatedAt: new Date(row.rotated_at),
    expiresAt: toDate(row.expires_at),
    lastUsedAt: toDate(row.last_used_at),
  }
}

/** What is kept of where a key may go. */
export function toDestinationColumns(key: Destination) {
  const toJson = (list: readonly string[] | null) => (list === null ? null : JSON.stringify(list))
  return {
    base_url: key.baseUrl,
    allowed_hosts: JSON.stringify(key.allowedHosts),
    placement: JSON.stringify(key.placement),
    allowed_methods: toJson(key.allowedMethods),
    allowed_paths: toJson(key.allowedPaths),
  }
}

type KeyVersion = Pick<StoredApiKey, 'id' | 'accountId' | 'name' | 'version'> & Destination

/** The person's keys, by name. */
export async function listKeys(db: Queries, accountId: string): Promise<StoredApiKey[]> {
  const rows = await db
    .selectFrom('api_keys')
    .select(columns)
    .where('account_id', '=', accountId)
    .orderBy('name_key')
    .execute()
  return rows.map(rowToKey)
}

export async function countKeys(db: Queries, accountId: string): Promise<number> {
  const { count } = await db
    .selectFrom('api_keys')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('account_id', '=', accountId)
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** @returns undefined when the person has none of this id. */
export async function findKey(db: Queries, accountId: string, id: string): Promise<SealedApiKey | undefined> {
  const row = await db
    .selectFrom('api_keys')
    .select([...columns, 'sealed'])
    .where('account_id', '=', accountId)
    .where('id', '=', id)
    .executeTakeFirst()
  return row && { ...rowToKey(row), sealed: row.sealed }
}

/**
 * What a value is bound to: besides its row all that says where it may go. Who changes that in the database, past the
 * rules, gets a key that does not open.
 */
function valueContext(key: KeyVersion) {
  const { base_url, allowed_hosts, placement, allowed_methods, allowed_paths } = toDestinationColumns(key)
  return [
    'keyhold/v1/api-key-value',
    key.id,
    key.name,
    key.version,
    base_url,
    allowed_hosts,
    placement,
    allowed_methods ?? 'all',
    allowed_paths ?? 'all',
  ]
}

/** Opens a value. The grant proves that its use (or change) was decided and recorded, for this person. */
export async function openValue(
  db: Queries,
  vault: Vault,
  grant: Grant<'api-key.use' | 'api-key.update'>,
  key: SealedApiKey,
): Promise<Secret<Uint8Array>> {
  const owner = `person:${key.accountId}` as const
  Grant.assertFor(grant, owner)
  return vault.open(db, owner, valueContext(key), key.sealed)
}

/** Seals a value for what the key is and may do from now on. */
export async function sealValue(
  tx: Transaction,
  vault: Vault,
  grant: Grant<'api-key.create' | 'api-key.update'>,
  key: KeyVersion,
  value: Secret<Uint8Array>,
): Promise<Uint8Array> {
  const owner = `person:${key.accountId}` as const
  Grant.assertFor(grant, owner)
  return vault.seal(tx, owner, valueContext(key), value)
}

/** @throws a unique violation when the person has a key of this name. */
export async function insertKey(tx: Transaction, row: Tables['api_keys']): Promise<void> {
  await tx.insertInto('api_keys').values(row).execute()
}

/** @throws a unique violation when the person has another key of this name. */
export async function updateKey(
  tx: Transaction,
  id: string,
  change: Partial<Tables['api_keys']>,
): Promise<void> {
  await tx.updateTable('api_keys').set(change).where('id', '=', id).execute()
}

/** @returns the name of what was deleted; undefined when the person has none of this id. */
export async function deleteKey(
  tx: Transaction,
  accountId: string,
  id: string,
): Promise<{ name: string } | undefined> {
  return tx
    .deleteFrom('api_keys')
    .where('account_id', '=', accountId)
    .where('id', '=', id)
    .returning('name')
    .executeTakeFirst()
}

/** Moves "last used" on unless another request just did. */
export async function touchKey(tx: Transaction, id: string, now: number, unlessSince: number): Promise<void> {
  await tx
    .updateTable('api_keys')
    .set({ last_used_at: now })
    .where('id', '=', id)
    .where((eb) => eb.or([eb('last_used_at', 'is', null), eb('last_used_at', '<', unlessSince)]))
    .execute()
}
