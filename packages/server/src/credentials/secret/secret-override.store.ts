import type { Secret } from '@keyhold/contract/secret'
import { Grant } from '../../access/access.ts'
import type { Encoding } from '../../base/secret-value.ts'
import type { Queries, Tables, Transaction } from '../../storage/tables.ts'
import type { Vault } from '../../vault/vault.ts'
import type { StoredSecret } from './secret.ts'

/** A person's own value for a name in an environment, sealed. */
export interface StoredOverride {
  readonly id: string
  readonly projectId: string
  readonly accountId: string
  readonly environmentId: string
  readonly environment: string
  readonly name: string
  readonly version: number
  readonly sealed: Uint8Array
  readonly encoding: Encoding
  readonly isMasked: boolean
  readonly createdAt: Date
  readonly updatedAt: Date
}

/** For which names of which environments a person has a value of their own. */
export async function listOverridden(
  db: Queries,
  projectId: string,
  accountId: string,
): Promise<{ environmentId: string; environment: string; name: string }[]> {
  return db
    .selectFrom('secret_overrides')
    .innerJoin('environments', 'environments.id', 'secret_overrides.environment_id')
    .select(['environment_id as environmentId', 'environments.name as environment', 'secret_overrides.name'])
    .where('secret_overrides.project_id', '=', projectId)
    .where('account_id', '=', accountId)
    .orderBy('secret_overrides.name')
    .orderBy('environments.name')
    .execute()
}

/** The person's own values in a project, as a workspace of theirs may get them. */
export async function listOfferedOverrides(
  db: Queries,
  projectId: string,
  accountId: string,
): Promise<
  (Pick<StoredOverride, 'id' | 'environmentId' | 'name' | 'version'> & { readonly sealedBytes: number })[]
> {
  const rows = await db
    .selectFrom('secret_overrides')
    .select((eb) => [
      'id',
      'environment_id as environmentId',
      'name',
      'version',
      eb.fn<number>('length', ['sealed']).as('sealedBytes'),
    ])
    .where('project_id', '=', projectId)
    .where('account_id', '=', accountId)
    .execute()
  return rows.map((row) => ({ ...row, sealedBytes: Number(row.sealedBytes) }))
}

/** What tells one state of people's own values from another, without a value. */
export interface OverrideState {
  readonly id: string
  readonly version: number
  readonly accountId: string
  readonly environmentKey: string
}

export async function listOverrideStates(
  db: Queries,
  projectId: string,
  accountIds: readonly string[],
): Promise<OverrideState[]> {
  if (accountIds.length === 0) return []
  return db
    .selectFrom('secret_overrides')
    .innerJoin('environments', 'environments.id', 'secret_overrides.environment_id')
    .select([
      'secret_overrides.id',
      'version',
      'account_id as accountId',
      'environments.name_key as environmentKey',
    ])
    .where('secret_overrides.project_id', '=', projectId)
    .where('account_id', 'in', accountIds)
    .orderBy('secret_overrides.id')
    .execute()
}

/** The person's own value of exactly this environment. */
export async function findOverride(
  db: Queries,
  accountId: string,
  environmentId: string,
  name: string,
): Promise<StoredOverride | undefined> {
  const row = await selectOverrides(db)
    .where('account_id', '=', accountId)
    .where('environment_id', '=', environmentId)
    .where('secret_overrides.name', '=', name)
    .executeTakeFirst()
  return row && rowToOverride(row)
}

/** Some of the person's own values in a project. */
export async function listOverrides(
  db: Queries,
  projectId: string,
  accountId: string,
  ids: ReadonlySet<string>,
): Promise<StoredOverride[]> {
  const rows = await selectOverrides(db)
    .where('secret_overrides.project_id', '=', projectId)
    .where('account_id', '=', accountId)
    .execute()
  return rows.filter(({ id }) => ids.has(id)).map(rowToOverride)
}

type OverrideRow = Tables['secret_overrides'] & { readonly environment: string }

function selectOverrides(db: Queries) {
  return db
    .selectFrom('secret_overrides')
    .innerJoin('environments', 'environments.id', 'secret_overrides.environment_id')
    .select([
      'secret_overrides.id',
      'secret_overrides.project_id',
      'account_id',
      'environment_id',
      'environments.name as environment',
      'secret_overrides.name',
      'version',
      'sealed',
      'encoding',
      'is_masked',
      'secret_overrides.created_at',
      'secret_overrides.updated_at',
    ])
}

function rowToOverride(row: OverrideRow): StoredOverride {
  return {
    id: row.id,
    projectId: row.project_id,
    accountId: row.account_id,
    environmentId: row.environment_id,
    environment: row.environment,
    name: row.name,
    version: row.version,
    sealed: row.sealed,
    encoding: row.encoding,
    isMasked: row.is_masked === 1,
    createdAt: new Date(row.created_at),
    updatedAt: new Date(row.updated_at),
  }
}

/** Number of the person's own values in a project, and their bytes as stored. */
export async function measureOverrides(
  db: Queries,
  projectId: string,
  accountId: string,
): Promise<{ count: number; bytes: number }> {
  const { count, bytes } = await db
    .selectFrom('secret_overrides')
    .select((eb) => [
      eb.fn.countAll<number>().as('count'),
      eb.fn.sum<number | null>(eb.fn('length', ['sealed'])).as('bytes'),
    ])
    .where('project_id', '=', projectId)
    .where('account_id', '=', accountId)
    .executeTakeFirstOrThrow()
  return { count: Number(count), bytes: Number(bytes ?? 0) }
}

type Place = Pick<StoredOverride, 'id' | 'projectId' | 'accountId' | 'environmentId' | 'name' | 'version'>

/** What a value is bound to: a row that was moved, swapped or rolled back does not open. */
function valueContext({ id, projectId, environmentId, name, version }: Place) {
  return ['keyhold/v1/secret-override', projectId, environmentId, name, id, version]
}

/** Seals a value for its person, in place of the one that was there. */
export async function writeOverride(
  tx: Transaction,
  vault: Vault,
  grant: Grant<'secret-override.create'>,
  place: Place,
  value: Secret<Uint8Array>,
  row: { encoding: Encoding; isMasked: boolean; now: number },
): Promise<void> {
  const owner = `person:${place.accountId}` as const
  Grant.assertFor(grant, owner)
  const change = {
    version: place.version,
    sealed: await vault.seal(tx, owner, valueContext(place), value),
    encoding: row.encoding,
    is_masked: row.isMasked ? 1 : 0,
    updated_at: row.now,
  }
  await tx
    .insertInto('secret_overrides')
    .values({
      id: place.id,
      project_id: place.projectId,
      account_id: place.accountId,
      environment_id: place.environmentId,
      name: place.name,
      created_at: row.now,
      ...change,
    })
    .onConflict((conflict) => conflict.column('id').doUpdateSet(change))
    .execute()
}

/** Opens a value. The grant proves that reading it was decided and recorded, for this person. */
export async function openOverride(
  db: Queries,
  vault: Vault,
  grant: Grant<'secret-override.read' | 'secret-override.use'>,
  override: StoredOverride,
): Promise<Secret<Uint8Array>> {
  const owner = `person:${override.accountId}` as const
  Grant.assertFor(grant, owner)
  return vault.open(db, owner, valueContext(override), override.sealed)
}

export async function deleteOverride(tx: Transaction, accountId: string, id: string): Promise<void> {
  await tx.deleteFrom('secret_overrides').where('account_id', '=', accountId).where('id', '=', id).execute()
}

/** Removes everybody's own values for a secret that goes: those of its environment, and for `All` of those that took it. */
export async function deleteOverridesOf(tx: Transaction, secret: StoredSecret): Promise<void> {
  await tx
    .deleteFrom('secret_overrides')
    .where('project_id', '=', secret.projectId)
    .where('name', '=', secret.name)
    .where((eb) => {
      const ofIts = eb('environment_id', '=', secret.environmentId)
      if (!secret.isInDefault) return ofIts
      const withOwn = eb
        .selectFrom('secrets')
        .select('secrets.environment_id')
        .where('secrets.project_id', '=', secret.projectId)
        .where('secrets.name', '=', secret.name)
      return eb.or([ofIts, eb('environment_id', 'not in', withOwn)])
    })
    .execute()
}
