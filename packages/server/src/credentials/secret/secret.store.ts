import type { Secret } from '@keyhold/contract/secret'
import { Grant } from '../../access/access.ts'
import { toDate } from '../../base/clock.ts'
import type { Encoding } from '../../base/secret-value.ts'
import { prepareQuery } from '../../storage/prepared.ts'
import type { Storage } from '../../storage/storage.ts'
import type { Queries, Tables, Transaction } from '../../storage/tables.ts'
import type { Vault } from '../../vault/vault.ts'
import type { Reference } from './references.ts'
import type { SealedSecret, StoredSecret, StoredVersion } from './secret.ts'

const secretColumns = [
  'secrets.id',
  'secrets.project_id',
  'secrets.environment_id',
  'secrets.name',
  'secrets.type',
  'secrets.description',
  'secrets.current_version',
  'secrets.is_masked',
  'secrets.created_at',
  'secrets.updated_at',
  'secrets.updated_by',
  'secrets.last_accessed_at',
  'secrets.has_references',
  'secrets.note',
  'secrets.rotation_days',
  'secrets.rotated_at',
  'environments.name as environment_name',
  'environments.is_default',
] as const
/** Fewer: each column of each row costs, and deliveries read many. */
const sealedColumns = [
  'secrets.id',
  'secrets.project_id',
  'secrets.name',
  'secrets.type',
  'secrets.current_version',
  'secrets.last_accessed_at',
  'environments.name as environment_name',
  'environments.is_default',
  'secret_versions.sealed',
  'secret_versions.encoding',
  'secret_versions.has_references',
] as const

interface SecretRow extends Readonly<Omit<Tables['secrets'], 'gone_from' | 'gone_until'>> {
  environment_name: string
  is_default: number
}

function rowToSecret(row: SecretRow): StoredSecret {
  return {
    id: row.id,
    projectId: row.project_id,
    environmentId: row.environment_id,
    environment: row.environment_name,
    isInDefault: row.is_default === 1,
    name: row.name,
    type: row.type,
    description: row.description,
    version: row.current_version,
    isMasked: row.is_masked === 1,
    createdAt: new Date(row.created_at),
    updatedAt: new Date(row.updated_at),
    updatedBy: row.updated_by,
    lastAccessedAt: toDate(row.last_accessed_at),
    hasReferences: row.has_references === 1,
    note: row.note,
    rotationDays: row.rotation_days,
    rotatedAt: new Date(row.rotated_at),
  }
}

type SealedRow = Pick<
  SecretRow,
  | 'id'
  | 'project_id'
  | 'name'
  | 'type'
  | 'current_version'
  | 'last_accessed_at'
  | 'environment_name'
  | 'is_default'
> &
  Pick<Tables['secret_versions'], 'sealed' | 'encoding' | 'has_references'>

function rowToSealed(row: SealedRow): SealedSecret {
  return {
    id: row.id,
    projectId: row.project_id,
    environment: row.environment_name,
    isInDefault: row.is_default === 1,
    name: row.name,
    type: row.type,
    version: row.current_version,
    lastAccessedAt: toDate(row.last_accessed_at),
    hasReferences: row.has_references === 1,
    sealed: row.sealed,
    encoding: row.encoding,
  }
}

/** The environment's id and name as stored. @param key the name's unique form. */
export async function findEnvironmentByKey(
  db: Queries,
  projectId: string,
  key: string,
): Promise<{ id: string; name: string } | undefined> {
  return db
    .selectFrom('environments')
    .select(['id', 'name'])
    .where('project_id', '=', projectId)
    .where('name_key', '=', key)
    .executeTakeFirst()
}

export async function findEnvironmentById(
  db: Queries,
  projectId: string,
  id: string,
): Promise<{ id: string; name: string } | undefined> {
  return db
    .selectFrom('environments')
    .select(['id', 'name'])
    .where('project_id', '=', projectId)
    .where('id', '=', id)
    .executeTakeFirst()
}

function selectSecrets(db: Queries) {
  return db
    .selectFrom('secrets')
    .innerJoin('environments', 'environments.id', 'secrets.environment_id')
    .select(secretColumns)
}

function selectSealed(db: Queries) {
  return db
    .selectFrom('secrets')
    .innerJoin('environments', 'environments.id', 'secrets.environment_id')
    .innerJoin('secret_versions', (join) =>
      join
        .onRef('secret_versions.secret_id', '=', 'secrets.id')
        .onRef('secret_versions.version', '=', 'secrets.current_version'),
    )
    .select(sealedColumns)
}

/** All secrets of the project, or those of one environment and of `All`. */
export async function listSecrets(
  db: Queries,
  projectId: string,
  environmentKey?: string,
): Promise<StoredSecret[]> {
  let query = selectSecrets(db).where('secrets.project_id', '=', projectId)
  if (environmentKey !== undefined) {
    query = query.where((eb) =>
      eb.or([eb('environments.name_key', '=', environmentKey), eb('environments.is_default', '=', 1)]),
    )
  }
  const rows = await query
    .orderBy('secrets.name')
    .orderBy('environments.is_default', 'desc')
    .orderBy('environments.name_key')
    .execute()
  return rows.map(rowToSecret)
}

/** Secrets with a period of their own, of the projects in which the account may change them. */
export async function listRotatingOfMember(
  db: Queries,
  accountId: string,
): Promise<{ secret: StoredSecret; projectName: string }[]> {
  const rows = await selectSecrets(db)
    .innerJoin('projects', 'projects.id', 'secrets.project_id')
    .innerJoin('project_members', 'project_members.project_id', 'secrets.project_id')
    .select('projects.name as project_name')
    .where('project_members.account_id', '=', accountId)
    .where('project_members.role', 'in', ['admin', 'regular'])
    .where('secrets.rotation_days', '>', 0)
    .execute()
  return rows.map((row) => ({ secret: rowToSecret(row), projectName: row.project_name }))
}

/** Another text as soon as any secret of the project is another: what references may lead to. */
export async function projectState(db: Queries, projectId: string): Promise<string> {
  const rows = await db
    .selectFrom('secrets')
    .select(['id', 'current_version'])
    .where('project_id', '=', projectId)
    .orderBy('id')
    .execute()
  return rows.map((row) => `${row.id} ${row.current_version}`).join()
}

/** What a workspace may get of an environment, each name once or twice: with its own secrets go those of `All`. */
export interface OfferedSecret
  extends Pick<StoredSecret, 'id' | 'name' | 'type' | 'version' | 'environment' | 'environmentId'> {
  readonly project: string
  readonly isInDefault: boolean
  readonly sealedBytes: number
  readonly hasReferences: boolean
}

export async function listOffered(
  db: Queries,
  projectId: string,
  environmentId: string,
): Promise<OfferedSecret[]> {
  const rows = await db
    .selectFrom('secrets')
    .innerJoin('environments', 'environments.id', 'secrets.environment_id')
    .innerJoin('projects', 'projects.id', 'secrets.project_id')
    .innerJoin('secret_versions', (join) =>
      join
        .onRef('secret_versions.secret_id', '=', 'secrets.id')
        .onRef('secret_versions.version', '=', 'secrets.current_version'),
    )
    .select((eb) => [
      'secrets.id',
      'secrets.name',
      'secrets.type',
      'secrets.current_version as version',
      'secrets.environment_id as environmentId',
      'secrets.has_references',
      'projects.name as project',
      'environments.name as environment',
      'environments.is_default',
      eb.fn<number>('length', ['secret_versions.sealed']).as('sealed_bytes'),
    ])
    .where('secrets.project_id', '=', projectId)
    .where((eb) => eb.or([eb('environments.id', '=', environmentId), eb('environments.is_default', '=', 1)]))
    .orderBy('secrets.name')
    .execute()
  return rows.map(({ is_default, sealed_bytes, has_references, ...row }) => ({
    ...row,
    hasReferences: has_references === 1,
    isInDefault: is_default === 1,
    sealedBytes: Number(sealed_bytes),
  }))
}

export async function findSecret(
  db: Queries,
  projectId: string,
  id: string,
): Promise<StoredSecret | undefined> {
  const row = await selectSecrets(db)
    .where('secrets.project_id', '=', projectId)
    .where('secrets.id', '=', id)
    .executeTakeFirst()
  return row && rowToSecret(row)
}

/** The secret of exactly this environment. */
export async function findSecretByName(
  db: Queries,
  environmentId: string,
  name: string,
): Promise<StoredSecret | undefined> {
  const row = await selectSecrets(db)
    .where('secrets.environment_id', '=', environmentId)
    .where('secrets.name', '=', name)
    .executeTakeFirst()
  return row && rowToSecret(row)
}

/** Prepares the look-up of a name in an environment: its own secret, else the one of `All`. Still sealed. */
export function prepareFindEffective(storage: Storage) {
  const find = prepareQuery(
    storage,
    (db, value: { projectId: string; environmentKey: string; name: string }) =>
      selectSealed(db)
        .where('secrets.project_id', '=', value.projectId)
        .where('secrets.name', '=', value.name)
        .where((eb) =>
          eb.or([
            eb('environments.name_key', '=', value.environmentKey),
            eb('environments.is_default', '=', 1),
          ]),
        ),
  )
  return async (
    projectId: string,
    environmentKey: string,
    name: string,
  ): Promise<SealedSecret | undefined> => {
    const rows = await find({ projectId, environmentKey, name })
    // Two at the most. Sorting them in SQLite costs four times what finding them does (measured).
    const row = rows.find(({ is_default }) => is_default === 0) ?? rows[0]
    return row && rowToSealed(row)
  }
}

/** Prepares the look-up of everything in an environment, by name. Still sealed. */
export function prepareListEffective(storage: Storage) {
  const list = prepareQuery(storage, (db, value: { projectId: string; environmentKey: string }) =>
    selectSealed(db)
      .where('secrets.project_id', '=', value.projectId)
      .where((eb) =>
        eb.or([
          eb('environments.name_key', '=', value.environmentKey),
          eb('environments.is_default', '=', 1),
        ]),
      )
      .orderBy('secrets.name')
      .orderBy('environments.is_default'),
  )
  return async (projectId: string, environmentKey: string): Promise<SealedSecret[]> => {
    const rows = await list({ projectId, environmentKey })
    // Of two with one name the environment's own comes first.
    return rows.filter((row, i) => rows[i - 1]?.name !== row.name).map(rowToSealed)
  }
}

/** What tells one state of a project's secrets from another, without a value: for each environment, also an empty one. */
export interface ProjectState {
  readonly environments: readonly { readonly key: string; readonly isAll: boolean }[]
  readonly secrets: readonly {
    readonly id: string
    readonly name: string
    readonly type: string
    readonly version: number
    readonly environmentKey: string
    readonly hasReferences: boolean
  }[]
}

export async function readProjectState(db: Queries, projectId: string): Promise<ProjectState> {
  const rows = await db
    .selectFrom('environments')
    .leftJoin('secrets', 'secrets.environment_id', 'environments.id')
    .select([
      'environments.name_key',
      'environments.is_default',
      'secrets.id',
      'secrets.name',
      'secrets.type',
      'secrets.current_version',
      'secrets.has_references',
    ])
    .where('environments.project_id', '=', projectId)
    .orderBy('secrets.id')
    .execute()
  const environments = new Map(rows.map((row) => [row.name_key, row.is_default === 1]))
  return {
    environments: [...environments].map(([key, isAll]) => ({ key, isAll })),
    secrets: rows.flatMap(({ id, name, type, current_version, has_references, name_key }) =>
      id === null || name === null || type === null || current_version === null
        ? []
        : [
            {
              id,
              name,
              type,
              version: current_version,
              environmentKey: name_key,
              hasReferences: has_references === 1,
            },
          ],
    ),
  }
}

export async function findVersion(
  db: Queries,
  secret: StoredSecret,
  version: number,
): Promise<SealedSecret | undefined> {
  const row = await db
    .selectFrom('secret_versions')
    .select(['sealed', 'encoding', 'has_references'])
    .where('secret_id', '=', secret.id)
    .where('version', '=', version)
    .executeTakeFirst()
  if (!row) return undefined
  const { sealed, encoding, has_references } = row
  return { ...secret, version, sealed, encoding, hasReferences: has_references === 1 }
}

export async function listVersions(db: Queries, secretId: string): Promise<StoredVersion[]> {
  const rows = await db
    .selectFrom('secret_versions')
    .select(['version', 'created_at', 'created_by', 'has_references'])
    .where('secret_id', '=', secretId)
    .orderBy('version', 'desc')
    .execute()
  return rows.map((row) => ({
    version: row.version,
    createdAt: new Date(row.created_at),
    createdBy: row.created_by,
    hasReferences: row.has_references === 1,
  }))
}

/** Opens a value. The grant proves that reading (or replacing) it was decided and recorded, for this project. */
export async function openValue(
  db: Queries,
  vault: Vault,
  grant: Grant<'secret.read' | 'secret.update' | 'secret.import' | 'secret.compare' | 'environment.restore'>,
  secret: SealedSecret,
): Promise<Secret<Uint8Array>> {
  Grant.assertFor(grant, `project:${secret.projectId}`)
  return vault.open(db, `project:${secret.projectId}`, valueContext(secret), secret.sealed)
}

/** What a value is bound to: a row that was swapped, moved or rolled back does not open. */
function valueContext(secret: Pick<StoredSecret, 'id' | 'name' | 'version' | 'hasReferences'>) {
  // That `${…}` in it means something is bound as well: nobody makes it so, or not so, by changing a flag.
  const meaning = secret.hasReferences ? ['references'] : []
  return ['keyhold/v1/secret-value', secret.id, secret.name, secret.version, ...meaning]
}

/** Seals a value as a version of its secret. */
export async function insertVersion(
  tx: Transaction,
  vault: Vault,
  grant: Grant<'secret.create' | 'secret.update' | 'secret.import' | 'environment.restore'>,
  secret: Pick<StoredSecret, 'id' | 'projectId' | 'name' | 'version' | 'hasReferences'>,
  value: Secret<Uint8Array>,
  row: {
    encoding: Encoding
    createdAt: number
    createdBy: string | null
    references: readonly Reference[]
  },
): Promise<void> {
  Grant.assertFor(grant, `project:${secret.projectId}`)
  const sealed = await vault.seal(tx, `project:${secret.projectId}`, valueContext(secret), value)
  await tx
    .insertInto('secret_versions')
    .values({
      secret_id: secret.id,
      version: secret.version,
      sealed,
      encoding: row.encoding,
      created_at: row.createdAt,
      created_by: row.createdBy,
      has_references: secret.hasReferences ? 1 : 0,
    })
    .execute()
  if (row.references.length === 0) return
  await tx
    .insertInto('secret_references')
    .values(
      row.references.map(({ environment = '', name }) => ({
        secret_id: secret.id,
        version: secret.version,
        environment,
        name,
      })),
    )
    .execute()
}

/** Ids in one query, below what the databases take. */
const IDS_MAX = 500

/** The references of versions, in the order that they were asked for. */
export async function listReferences(
  db: Queries,
  secrets: readonly SealedSecret[],
): Promise<readonly (readonly Reference[])[]> {
  const found = new Map<string, Reference[]>(secrets.map((secret) => [`${secret.id} ${secret.version}`, []]))
  for (let from = 0; from < secrets.length; from += IDS_MAX) {
    const ids = secrets.slice(from, from + IDS_MAX).map(({ id }) => id)
    const rows = await db
      .selectFrom('secret_references')
      .select(['secret_id', 'version', 'environment', 'name'])
      .where('secret_id', 'in', ids)
      .execute()
    for (const row of rows)
      found.get(`${row.secret_id} ${row.version}`)?.push(toReference(row.environment, row.name))
  }
  return secrets.map((secret) => found.get(`${secret.id} ${secret.version}`)!)
}

/** References of current values, with the secrets whose they are. @param name only those to secrets of this name. */
export async function listReferring(
  db: Queries,
  projectId: string,
  name: string | undefined,
): Promise<{ secretId: string; name: string; environment: string; reference: Reference }[]> {
  const rows = await db
    .selectFrom('secrets')
    .innerJoin('environments', 'environments.id', 'secrets.environment_id')
    .innerJoin('secret_references', (join) =>
      join
        .onRef('secret_references.secret_id', '=', 'secrets.id')
        .onRef('secret_references.version', '=', 'secrets.current_version'),
    )
    .select([
      'secrets.id',
      'secrets.name',
      'environments.name as environment_name',
      'secret_references.environment',
      'secret_references.name as target',
    ])
    .where('secrets.project_id', '=', projectId)
    .$if(name !== undefined, (query) => query.where('secret_references.name', '=', name!)) // Set: the line's condition.
    .orderBy('secrets.name')
    .orderBy('environments.name_key')
    .execute()
  return rows.map((row) => ({
    secretId: row.id,
    name: row.name,
    environment: row.environment_name,
    reference: toReference(row.environment, row.target),
  }))
}

const toReference = (environment: string, name: string): Reference => ({
  environment: environment || undefined,
  name,
})

/** @throws a unique violation when the environment has a secret of this name. */
export async function insertSecret(tx: Transaction, row: Tables['secrets']): Promise<void> {
  await tx.insertInto('secrets').values(row).execute()
}

/** Number of secrets of an environment, and bytes of their current values as stored. */
export async function measureEnvironment(
  db: Queries,
  environmentId: string,
): Promise<{ count: number; bytes: number }> {
  const { count, bytes } = await db
    .selectFrom('secrets')
    .leftJoin('secret_versions', (join) =>
      join
        .onRef('secret_versions.secret_id', '=', 'secrets.id')
        .onRef('secret_versions.version', '=', 'secrets.current_version'),
    )
    .select((eb) => [
      eb.fn.countAll<number>().as('count'),
      eb.fn.sum<number | null>(eb.fn('length', ['secret_versions.sealed'])).as('bytes'),
    ])
    .where('secrets.environment_id', '=', environmentId)
    .executeTakeFirstOrThrow()
  return { count: Number(count), bytes: Number(bytes ?? 0) }
}

/** @returns false when the secret is no longer at `version`: of two updates at once, one comes second. */
export async function updateSecret(
  tx: Transaction,
  id: string,
  version: number,
  change: Partial<Tables['secrets']>,
): Promise<boolean> {
  const result = await tx
    .updateTable('secrets')
    .set(change)
    .where('id', '=', id)
    .where('current_version', '=', version)
    .executeTakeFirst()
  return result.numUpdatedRows === 1n
}

export async function deleteSecret(tx: Transaction, id: string): Promise<boolean> {
  const result = await tx.deleteFrom('secrets').where('id', '=', id).executeTakeFirst()
  return result.numDeletedRows === 1n
}

/** Moves "last accessed" on where another request did not just do so. */
export async function touchSecrets(
  tx: Transaction,
  ids: readonly string[],
  now: number,
  unlessSince: number,
): Promise<void> {
  await tx
    .updateTable('secrets')
    .set({ last_accessed_at: now })
    .where('id', 'in', ids)
    .where((eb) => eb.or([eb('last_accessed_at', 'is', null), eb('last_accessed_at', '<', unlessSince)]))
    .execute()
}
