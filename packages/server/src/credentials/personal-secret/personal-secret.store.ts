import type { Secret } from '@keyhold/contract/secret'
import { Grant } from '../../access/access.ts'
import { toDate } from '../../base/clock.ts'
import type { Encoding } from '../../base/secret-value.ts'
import type { Queries, Tables, Transaction } from '../../storage/tables.ts'
import type { Vault } from '../../vault/vault.ts'
import type {
  SealedPersonalSecret,
  StoredPersonalSecret,
  StoredPersonalSecretVersion,
} from './personal-secret.ts'

const columns = [
  'personal_secrets.id',
  'personal_secrets.account_id',
  'personal_secrets.name',
  'personal_secrets.name_key',
  'personal_secrets.type',
  'personal_secrets.description',
  'personal_secrets.env_name',
  'personal_secrets.file_path',
  'personal_secrets.is_enabled',
  'personal_secrets.workspaces',
  'personal_secrets.current_version',
  'personal_secrets.value_bytes',
  'personal_secrets.is_masked',
  'personal_secrets.created_at',
  'personal_secrets.updated_at',
  'personal_secrets.rotated_at',
  'personal_secrets.expires_at',
  'personal_secrets.last_used_at',
] as const

function rowToSecret(row: Tables['personal_secrets']): StoredPersonalSecret {
  return {
    id: row.id,
    accountId: row.account_id,
    name: row.name,
    type: row.type,
    description: row.description,
    envName: row.env_name,
    filePath: row.file_path,
    isEnabled: row.is_enabled === 1,
    workspaces: row.workspaces === null ? 'all' : (JSON.parse(row.workspaces) as string[]), // `as`: written by the service.
    version: row.current_version,
    valueBytes: row.value_bytes,
    isMasked: row.is_masked === 1,
    createdAt: new Date(row.created_at),
    updatedAt: new Date(row.updated_at),
    rotatedAt: new Date(row.rotated_at),
    expiresAt: toDate(row.expires_at),
    lastUsedAt: toDate(row.last_used_at),
  }
}

/** The person's secrets, by name. */
export async function listSecrets(db: Queries, accountId: string): Promise<StoredPersonalSecret[]> {
  const rows = await db
    .selectFrom('personal_secrets')
    .select(columns)
    .where('account_id', '=', accountId)
    .orderBy('name_key')
    .execute()
  return rows.map(rowToSecret)
}

/** The person's secrets with their current values, still sealed. */
export async function listSealed(db: Queries, accountId: string): Promise<SealedPersonalSecret[]> {
  const rows = await db
    .selectFrom('personal_secrets')
    .innerJoin('personal_secret_versions', (join) =>
      join
        .onRef('personal_secret_versions.personal_secret_id', '=', 'personal_secrets.id')
        .onRef('personal_secret_versions.version', '=', 'personal_secrets.current_version'),
    )
    .select(columns)
    .select(['personal_secret_versions.sealed', 'personal_secret_versions.encoding'])
    .where('personal_secrets.account_id', '=', accountId)
    .orderBy('personal_secrets.name_key')
    .execute()
  return rows.map((row) => ({ ...rowToSecret(row), sealed: row.sealed, encoding: row.encoding }))
}

/** @returns undefined when the person has none of this id. */
export async function findSecret(
  db: Queries,
  accountId: string,
  id: string,
): Promise<StoredPersonalSecret | undefined> {
  const row = await db
    .selectFrom('personal_secrets')
    .select(columns)
    .where('account_id', '=', accountId)
    .where('id', '=', id)
    .executeTakeFirst()
  return row && rowToSecret(row)
}

/** One version of it, still sealed. */
export async function findVersion(
  db: Queries,
  secret: StoredPersonalSecret,
  version: number,
): Promise<SealedPersonalSecret | undefined> {
  const row = await db
    .selectFrom('personal_secret_versions')
    .select(['sealed', 'encoding'])
    .where('personal_secret_id', '=', secret.id)
    .where('version', '=', version)
    .executeTakeFirst()
  return row && { ...secret, version, ...row }
}

export async function listVersions(db: Queries, id: string): Promise<StoredPersonalSecretVersion[]> {
  const rows = await db
    .selectFrom('personal_secret_versions')
    .select(['version', 'created_at'])
    .where('personal_secret_id', '=', id)
    .orderBy('version', 'desc')
    .execute()
  return rows.map((row) => ({ version: row.version, createdAt: new Date(row.created_at) }))
}

/** Opens a value. The grant proves that reading (or replacing) it was decided and recorded, for this person. */
export async function openValue(
  db: Queries,
  vault: Vault,
  grant: Grant<'personal-secret.read' | 'personal-secret.use' | 'personal-secret.update'>,
  secret: SealedPersonalSecret,
): Promise<Secret<Uint8Array>> {
  const owner = `person:${secret.accountId}` as const
  Grant.assertFor(grant, owner)
  return vault.open(db, owner, valueContext(secret), secret.sealed)
}

type VersionKey = Pick<StoredPersonalSecret, 'id' | 'accountId' | 'name' | 'version'>

/** What a value is bound to: a row that was swapped, moved or rolled back does not open. */
function valueContext({ id, name, version }: VersionKey) {
  return ['keyhold/v1/personal-secret-value', id, name, version]
}

/** Seals a value as a version of its secret. */
export async function insertVersion(
  tx: Transaction,
  vault: Vault,
  grant: Grant<'personal-secret.create' | 'personal-secret.update'>,
  secret: VersionKey,
  value: Secret<Uint8Array>,
  row: { encoding: Encoding; createdAt: number },
): Promise<void> {
  const owner = `person:${secret.accountId}` as const
  Grant.assertFor(grant, owner)
  const sealed = await vault.seal(tx, owner, valueContext(secret), value)
  await tx
    .insertInto('personal_secret_versions')
    .values({
      personal_secret_id: secret.id,
      version: secret.version,
      sealed,
      encoding: row.encoding,
      created_at: row.createdAt,
    })
    .execute()
}

export async function insertSecret(tx: Transaction, row: Tables['personal_secrets']): Promise<void> {
  await tx.insertInto('personal_secrets').values(row).execute()
}

export async function updateSecret(
  tx: Transaction,
  id: string,
  change: Partial<Tables['personal_secrets']>,
): Promise<void> {
  await tx.updateTable('personal_secrets').set(change).where('id', '=', id).execute()
}

/** @returns the name of what was deleted; undefined when the person has none of this id. */
export async function deleteSecret(
  tx: Transaction,
  accountId: string,
  id: string,
): Promise<{ name: string } | undefined> {
  return tx
    .deleteFrom('personal_secrets')
    .where('account_id', '=', accountId)
    .where('id', '=', id)
    .returning('name')
    .executeTakeFirst()
}

/** Moves "last used" on where another request did not just do so. */
export async function touchSecrets(
  tx: Transaction,
  ids: readonly string[],
  now: number,
  unlessSince: number,
): Promise<void> {
  await tx
    .updateTable('personal_secrets')
    .set({ last_used_at: now })
    .where('id', 'in', ids)
    .where((eb) => eb.or([eb('last_used_at', 'is', null), eb('last_used_at', '<', unlessSince)]))
    .execute()
}
