import type { Secret } from '@keyhold/contract/secret'
import { Grant } from '../../access/access.ts'
import { toDate } from '../../base/clock.ts'
import type { Queries, Tables, Transaction } from '../../storage/tables.ts'
import type { Vault } from '../../vault/vault.ts'
import type { Deployment, GpgKey } from './gpg-key.ts'

const columns = [
  'id',
  'account_id',
  'fingerprint',
  'key_id',
  'user_ids',
  'email',
  'algorithm',
  'public_key',
  'created_at',
  'expires_at',
  'last_used_at',
] as const
const deploymentColumns = [
  'gpg_key_id',
  'connection_id',
  'provider',
  'status',
  'remote_id',
  'missing_scope',
  'reason',
  'updated_at',
] as const

function rowToKey(row: Omit<Tables['gpg_keys'], 'sealed'>, deployments: readonly Deployment[]): GpgKey {
  return {
    id: row.id,
    accountId: row.account_id,
    fingerprint: row.fingerprint,
    keyId: row.key_id,
    userIds: JSON.parse(row.user_ids) as string[], // `as`: written by insertKey.
    email: row.email,
    algorithm: row.algorithm,
    publicKey: row.public_key,
    createdAt: new Date(row.created_at),
    expiresAt: toDate(row.expires_at),
    lastUsedAt: toDate(row.last_used_at),
    deployments,
  }
}

function rowToDeployment(row: Tables['gpg_key_deployments']): Deployment {
  return {
    connectionId: row.connection_id,
    provider: row.provider,
    status: row.status,
    remoteId: row.remote_id,
    missingScope: row.missing_scope,
    reason: row.reason,
    updatedAt: new Date(row.updated_at),
  }
}

/** Oldest first. */
export async function listKeys(db: Queries, accountId: string): Promise<GpgKey[]> {
  const rows = await db
    .selectFrom('gpg_keys')
    .select(columns)
    .where('account_id', '=', accountId)
    .orderBy('created_at')
    .orderBy('id')
    .execute()
  if (rows.length === 0) return []
  const deployments = await db
    .selectFrom('gpg_key_deployments')
    .select(deploymentColumns)
    .where(
      'gpg_key_id',
      'in',
      rows.map(({ id }) => id),
    )
    .orderBy('provider')
    .orderBy('connection_id')
    .execute()
  return rows.map((row) =>
    rowToKey(row, deployments.filter(({ gpg_key_id }) => gpg_key_id === row.id).map(rowToDeployment)),
  )
}

/** A person has few: finding one among them costs no query of its own. @param name id, fingerprint or key id. */
export async function findKey(db: Queries, accountId: string, name: string): Promise<GpgKey | undefined> {
  const wanted = name.toUpperCase()
  const keys = await listKeys(db, accountId)
  return keys.find(({ id, fingerprint, keyId }) => id === name || fingerprint === wanted || keyId === wanted)
}

/** What a private key is bound to. */
const keyContext = ({ id, fingerprint }: Pick<GpgKey, 'id' | 'fingerprint'>) => [
  'keyhold/v1/gpg-key',
  id,
  fingerprint,
  1,
]

/** @throws a unique violation when the person has this key. */
export async function insertKey(
  tx: Transaction,
  vault: Vault,
  grant: Grant<'gpg-key.create'>,
  key: GpgKey,
  privateKey: Secret<Uint8Array>,
): Promise<void> {
  const owner = `person:${key.accountId}` as const
  Grant.assertFor(grant, owner)
  const sealed = await vault.seal(tx, owner, keyContext(key), privateKey)
  await tx
    .insertInto('gpg_keys')
    .values({
      id: key.id,
      account_id: key.accountId,
      fingerprint: key.fingerprint,
      key_id: key.keyId,
      user_ids: JSON.stringify(key.userIds),
      email: key.email,
      algorithm: key.algorithm,
      public_key: key.publicKey,
      sealed,
      created_at: key.createdAt.getTime(),
      expires_at: key.expiresAt?.getTime() ?? null,
      last_used_at: null,
    })
    .execute()
}

/** The private key, still sealed. */
export async function findSealed(db: Queries, key: GpgKey): Promise<Uint8Array | undefined> {
  const row = await db
    .selectFrom('gpg_keys')
    .select('sealed')
    .where('id', '=', key.id)
    .where('account_id', '=', key.accountId)
    .executeTakeFirst()
  return row?.sealed
}

/** Opens the private key. The grant proves that using it was decided and recorded, for this person. */
export async function openPrivateKey(
  db: Queries,
  vault: Vault,
  grant: Grant<'gpg-key.sign' | 'gpg-key.revocation'>,
  key: GpgKey,
  sealed: Uint8Array,
): Promise<Secret<Uint8Array>> {
  const owner = `person:${key.accountId}` as const
  Grant.assertFor(grant, owner)
  return vault.open(db, owner, keyContext(key), sealed)
}

/** @returns false when the person has no such key. */
export async function deleteKey(tx: Transaction, id: string, accountId: string): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom('gpg_keys')
    .where('id', '=', id)
    .where('account_id', '=', accountId)
    .executeTakeFirstOrThrow()
  return numDeletedRows === 1n
}

export async function replaceDeployments(
  tx: Transaction,
  gpgKeyId: string,
  deployments: readonly Deployment[],
): Promise<void> {
  await tx.deleteFrom('gpg_key_deployments').where('gpg_key_id', '=', gpgKeyId).execute()
  if (deployments.length === 0) return
  await tx
    .insertInto('gpg_key_deployments')
    .values(
      deployments.map((one) => ({
        gpg_key_id: gpgKeyId,
        connection_id: one.connectionId,
        provider: one.provider,
        status: one.status,
        remote_id: one.remoteId,
        missing_scope: one.missingScope,
        reason: one.reason,
        updated_at: one.updatedAt.getTime(),
      })),
    )
    .execute()
}

/** Moves "last used" on unless another use just did. */
export async function touchKey(tx: Transaction, id: string, now: number, unlessSince: number): Promise<void> {
  await tx
    .updateTable('gpg_keys')
    .set({ last_used_at: now })
    .where('id', '=', id)
    .where((eb) => eb.or([eb('last_used_at', 'is', null), eb('last_used_at', '<', unlessSince)]))
    .execute()
}
