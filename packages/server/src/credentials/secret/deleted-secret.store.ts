import type { Queries, Tables, Transaction } from '../../storage/tables.ts'
import type { SealedSecret } from './secret.ts'

/*
 * Secrets that were deleted, kept for a while so that an environment can be taken back to an earlier time. Nothing reads
 * them but a restore; still sealed, each to its own id, name and version.
 */

const secretColumns = [
  'id',
  'project_id',
  'environment_id',
  'name',
  'type',
  'description',
  'current_version',
  'created_at',
  'gone_from',
  'gone_until',
  'note',
  'rotation_days',
] as const
const versionColumns = [
  'secret_id',
  'version',
  'sealed',
  'encoding',
  'created_at',
  'created_by',
  'has_references',
] as const
const referenceColumns = ['secret_id', 'version', 'environment', 'name'] as const

/** Copies a secret and all that hangs on it to those that were deleted. The caller then deletes it. */
export async function keepDeleted(tx: Transaction, id: string, now: number): Promise<void> {
  await tx
    .insertInto('deleted_secrets')
    .columns([...secretColumns, 'deleted_at'])
    .expression((eb) =>
      eb
        .selectFrom('secrets')
        .select([...secretColumns, eb.cast(eb.val(now), 'bigint').as('deleted_at')])
        .where('id', '=', id),
    )
    .execute()
  await tx
    .insertInto('deleted_secret_versions')
    .columns([...versionColumns])
    .expression((eb) => eb.selectFrom('secret_versions').select(versionColumns).where('secret_id', '=', id))
    .execute()
  await tx
    .insertInto('deleted_secret_references')
    .columns([...referenceColumns])
    .expression((eb) =>
      eb.selectFrom('secret_references').select(referenceColumns).where('secret_id', '=', id),
    )
    .execute()
}

/** Makes a deleted secret one of its environment again, with all its versions. @throws a unique violation */
export async function bringBack(
  tx: Transaction,
  id: string,
  row: Pick<Tables['secrets'], 'updated_at' | 'updated_by' | 'is_masked'>,
): Promise<void> {
  const found = await tx
    .selectFrom('deleted_secrets')
    .innerJoin('deleted_secret_versions', (join) =>
      join
        .onRef('deleted_secret_versions.secret_id', '=', 'deleted_secrets.id')
        .onRef('deleted_secret_versions.version', '=', 'deleted_secrets.current_version'),
    )
    .select([
      'id',
      'project_id',
      'environment_id',
      'name',
      'type',
      'description',
      'current_version',
      'deleted_secrets.created_at',
      'deleted_secret_versions.created_at as rotated_at',
      'has_references',
      'note',
      'rotation_days',
      'deleted_at',
    ])
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  const { deleted_at: gone_from, ...kept } = found
  await tx
    .insertInto('secrets')
    .values({ ...kept, ...row, gone_from, gone_until: row.updated_at, last_accessed_at: null })
    .execute()
  await tx
    .insertInto('secret_versions')
    .columns([...versionColumns])
    .expression((eb) =>
      eb.selectFrom('deleted_secret_versions').select(versionColumns).where('secret_id', '=', id),
    )
    .execute()
  await tx
    .insertInto('secret_references')
    .columns([...referenceColumns])
    .expression((eb) =>
      eb.selectFrom('deleted_secret_references').select(referenceColumns).where('secret_id', '=', id),
    )
    .execute()
  await tx.deleteFrom('deleted_secrets').where('id', '=', id).execute()
}

/** What an environment had at a time: the version of each name, of secrets that are there and of those that are not. */
export interface EarlierVersion {
  readonly id: string
  readonly name: string
  readonly version: number
  readonly isDeleted: boolean
}

/** @param at milliseconds. */
export async function listVersionsAt(
  db: Queries,
  environmentId: string,
  at: number,
): Promise<EarlierVersion[]> {
  const live = await db
    .selectFrom('secrets')
    .innerJoin('secret_versions', 'secret_versions.secret_id', 'secrets.id')
    .select((eb) => ['secrets.id', 'secrets.name', eb.fn.max('secret_versions.version').as('version')])
    .where('secrets.environment_id', '=', environmentId)
    .where('secret_versions.created_at', '<=', at)
    .where((eb) =>
      eb.or([
        eb('secrets.gone_from', 'is', null),
        eb('secrets.gone_from', '>', at),
        eb('secrets.gone_until', '<=', at),
      ]),
    )
    .groupBy(['secrets.id', 'secrets.name'])
    .execute()
  const deleted = await db
    .selectFrom('deleted_secrets')
    .innerJoin('deleted_secret_versions', 'deleted_secret_versions.secret_id', 'deleted_secrets.id')
    .select((eb) => [
      'deleted_secrets.id',
      'deleted_secrets.name',
      eb.fn.max('deleted_secret_versions.version').as('version'),
    ])
    .where('deleted_secrets.environment_id', '=', environmentId)
    .where('deleted_secrets.deleted_at', '>', at)
    .where('deleted_secret_versions.created_at', '<=', at)
    .where((eb) =>
      eb.or([
        eb('deleted_secrets.gone_from', 'is', null),
        eb('deleted_secrets.gone_from', '>', at),
        eb('deleted_secrets.gone_until', '<=', at),
      ]),
    )
    .groupBy(['deleted_secrets.id', 'deleted_secrets.name', 'deleted_secrets.deleted_at'])
    .orderBy('deleted_secrets.deleted_at', 'desc')
    .execute()
  return [
    ...live.map((row) => ({ ...row, version: Number(row.version), isDeleted: false })),
    ...deleted.map((row) => ({ ...row, version: Number(row.version), isDeleted: true })),
  ]
}

/** A version of a deleted secret, still sealed. */
export async function findDeletedVersion(
  db: Queries,
  id: string,
  version: number,
): Promise<SealedSecret | undefined> {
  const row = await db
    .selectFrom('deleted_secrets')
    .innerJoin('deleted_secret_versions', 'deleted_secret_versions.secret_id', 'deleted_secrets.id')
    .select([
      'deleted_secrets.id',
      'deleted_secrets.project_id',
      'deleted_secrets.name',
      'deleted_secrets.type',
      'deleted_secret_versions.sealed',
      'deleted_secret_versions.encoding',
      'deleted_secret_versions.has_references',
    ])
    .where('deleted_secrets.id', '=', id)
    .where('deleted_secret_versions.version', '=', version)
    .executeTakeFirst()
  if (!row) return undefined
  const { id: secretId, project_id: projectId, name, type, sealed, encoding } = row
  return {
    id: secretId,
    projectId,
    environment: '',
    isInDefault: false,
    name,
    type,
    version,
    lastAccessedAt: null,
    hasReferences: row.has_references === 1,
    sealed,
    encoding,
  }
}

/** Ends the keeping of what was deleted before. */
export async function forgetDeleted(tx: Transaction, before: number): Promise<void> {
  await tx.deleteFrom('deleted_secrets').where('deleted_at', '<', before).execute()
}
