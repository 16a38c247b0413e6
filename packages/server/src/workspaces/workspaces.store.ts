import type { ShareLevel, WorkspaceLevel } from '@keyhold/contract/api/workspaces'
import { toDate } from '../base/clock.ts'
import type { Queries, Tables, Transaction } from '../storage/tables.ts'
import type { DeliveredWorkspace, LinkedEnvironment, Share, Workspace } from './workspace.ts'

/** The workspaces that the person owns, and those that are shared with them. */
export async function listWorkspacesOf(db: Queries, accountId: string): Promise<Workspace[]> {
  const rows = await selectFor(db, accountId)
    .orderBy('workspaces.name_key')
    .orderBy('workspaces.id')
    .execute()
  const linked = Map.groupBy(
    await selectLinked(db)
      .where(
        'workspace_environments.workspace_id',
        'in',
        // PostgreSQL and SQLite both take an empty list from here, which Kysely does not make.
        rows.length > 0 ? rows.map(({ id }) => id) : [''],
      )
      .execute(),
    (row) => row.workspace_id,
  )
  return rows.map((row) => rowToWorkspace(row, linked.get(row.id) ?? []))
}

/** @returns undefined when it is neither the person's nor shared with them. */
export async function findWorkspace(
  db: Queries,
  id: string,
  accountId: string,
): Promise<Workspace | undefined> {
  const row = await selectFor(db, accountId).where('workspaces.id', '=', id).executeTakeFirst()
  if (!row) return undefined
  const linked = await selectLinked(db).where('workspace_environments.workspace_id', '=', id).execute()
  return rowToWorkspace(row, linked)
}

export async function findForDelivery(db: Queries, id: string): Promise<DeliveredWorkspace | undefined> {
  const row = await db
    .selectFrom('workspaces')
    .innerJoin('accounts', 'accounts.id', 'workspaces.owner_id')
    .select(['workspaces.name', 'accounts.id as owner_id', 'accounts.name as owner_name'])
    .where('workspaces.id', '=', id)
    .executeTakeFirst()
  if (!row) return undefined
  const linked = await selectLinked(db).where('workspace_environments.workspace_id', '=', id).execute()
  const owner = { id: row.owner_id, name: row.owner_name }
  return { id, name: row.name, owner, environments: linked.map(rowToLinked) }
}

function selectFor(db: Queries, accountId: string) {
  return db
    .selectFrom('workspaces')
    .innerJoin('accounts', 'accounts.id', 'workspaces.owner_id')
    .leftJoin('workspace_shares', (join) =>
      join
        .onRef('workspace_shares.workspace_id', '=', 'workspaces.id')
        .on('workspace_shares.account_id', '=', accountId),
    )
    .leftJoin('workspace_agents', 'workspace_agents.workspace_id', 'workspaces.id')
    .select([
      'workspace_agents.login_name',
      'workspace_agents.release',
      'workspace_agents.enrolled_at',
      'workspace_agents.connection_id',
      'workspace_agents.connected_at',
      'workspace_agents.seen_at',
    ])
    .select((eb) => [
      'workspaces.id',
      'workspaces.name',
      'workspaces.description',
      'workspaces.created_at',
      'accounts.id as owner_id',
      'accounts.name as owner_name',
      'accounts.email as owner_email',
      eb
        .case()
        .when('workspaces.owner_id', '=', accountId)
        .then('owner')
        .else(eb.ref('workspace_shares.level'))
        .end()
        .as('level'),
    ])
    .where((eb) =>
      eb.or([eb('workspaces.owner_id', '=', accountId), eb('workspace_shares.level', 'is not', null)]),
    )
}

function selectLinked(db: Queries) {
  return db
    .selectFrom('workspace_environments')
    .innerJoin('workspaces', 'workspaces.id', 'workspace_environments.workspace_id')
    .innerJoin('environments', 'environments.id', 'workspace_environments.environment_id')
    .innerJoin('projects', 'projects.id', 'environments.project_id')
    .leftJoin('project_members', (join) =>
      join
        .onRef('project_members.project_id', '=', 'projects.id')
        .onRef('project_members.account_id', '=', 'workspaces.owner_id'),
    )
    .select([
      'workspace_environments.workspace_id',
      'environments.id',
      'environments.name as environment',
      'projects.id as project_id',
      'projects.name as project',
      'project_members.role',
    ])
    .orderBy('workspace_environments.position')
}

type WorkspaceRow = Awaited<ReturnType<ReturnType<typeof selectFor>['execute']>>[number]
type LinkedRow = Awaited<ReturnType<ReturnType<typeof selectLinked>['execute']>>[number]

function rowToWorkspace(row: WorkspaceRow, linked: readonly LinkedRow[]): Workspace {
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    owner: { id: row.owner_id, name: row.owner_name, email: row.owner_email },
    level: row.level as WorkspaceLevel, // `as`: the query leaves out those without one.
    environments: linked.map(rowToLinked),
    ...agentOf(row),
    createdAt: new Date(row.created_at),
  }
}

function agentOf(row: WorkspaceRow): Pick<Workspace, 'agent'> {
  if (row.enrolled_at === null) return {}
  const agent = {
    loginName: row.login_name ?? '',
    release: row.release ?? '',
    enrolledAt: new Date(row.enrolled_at),
    hasConnection: row.connection_id !== null,
    connectedAt: toDate(row.connected_at),
    seenAt: toDate(row.seen_at),
  }
  return { agent }
}

function rowToLinked({
  id,
  environment,
  project_id: projectId,
  project,
  role,
}: LinkedRow): LinkedEnvironment {
  return { id, environment, projectId, project, isAvailable: role !== null }
}

export async function listOwned(db: Queries, ownerId: string): Promise<{ id: string; name: string }[]> {
  return db.selectFrom('workspaces').select(['id', 'name']).where('owner_id', '=', ownerId).execute()
}

/** Ids of the workspaces that a person owns, or has as Admin. */
export async function listAdministered(db: Queries, accountId: string): Promise<string[]> {
  const rows = await db
    .selectFrom('workspaces')
    .select('id')
    .where('owner_id', '=', accountId)
    .union(
      db
        .selectFrom('workspace_shares')
        .select('workspace_id as id')
        .where('account_id', '=', accountId)
        .where('level', '=', 'admin'),
    )
    .execute()
  return rows.map(({ id }) => id)
}

export async function countWorkspacesOf(db: Queries, ownerId: string): Promise<number> {
  const { count } = await db
    .selectFrom('workspaces')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('owner_id', '=', ownerId)
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** @throws a unique violation when the owner has a workspace of this name. */
export async function insertWorkspace(tx: Transaction, row: Tables['workspaces']): Promise<void> {
  await tx.insertInto('workspaces').values(row).execute()
}

/** @throws likewise. */
export async function updateWorkspace(
  tx: Transaction,
  id: string,
  change: Partial<Tables['workspaces']>,
): Promise<void> {
  await tx.updateTable('workspaces').set(change).where('id', '=', id).execute()
}

/** Deletes with all that belongs to it, and its data keys, as a project is. */
export async function deleteWorkspace(tx: Transaction, id: string): Promise<void> {
  await tx.deleteFrom('data_keys').where('owner', '=', `workspace:${id}`).execute()
  await tx.deleteFrom('workspaces').where('id', '=', id).execute()
}

/** Puts others in the place of the environments that the workspace had. */
export async function setEnvironments(
  tx: Transaction,
  workspaceId: string,
  environmentIds: readonly string[],
): Promise<void> {
  await tx.deleteFrom('workspace_environments').where('workspace_id', '=', workspaceId).execute()
  const rows = environmentIds.map((environmentId, position) => ({
    workspace_id: workspaceId,
    environment_id: environmentId,
    position,
  }))
  if (rows.length > 0) await tx.insertInto('workspace_environments').values(rows).execute()
}

function selectShares(db: Queries, workspaceId: string) {
  return db
    .selectFrom('workspace_shares')
    .innerJoin('accounts', 'accounts.id', 'workspace_shares.account_id')
    .select([
      'accounts.id',
      'accounts.name',
      'accounts.email',
      'workspace_shares.level',
      'workspace_shares.created_at',
    ])
    .where('workspace_shares.workspace_id', '=', workspaceId)
}

function rowToShare(row: {
  id: string
  name: string
  email: string
  level: ShareLevel
  created_at: number
}): Share {
  const { id, name, email, level } = row
  return { person: { id, name, email }, level, createdAt: new Date(row.created_at) }
}

export async function listShares(db: Queries, workspaceId: string): Promise<Share[]> {
  const rows = await selectShares(db, workspaceId).orderBy('accounts.name').orderBy('accounts.id').execute()
  return rows.map(rowToShare)
}

export async function findShare(
  db: Queries,
  workspaceId: string,
  accountId: string,
): Promise<Share | undefined> {
  const row = await selectShares(db, workspaceId)
    .where('workspace_shares.account_id', '=', accountId)
    .executeTakeFirst()
  return row && rowToShare(row)
}

/** @throws a unique violation when it is shared with this person already. */
export async function insertShare(tx: Transaction, row: Tables['workspace_shares']): Promise<void> {
  await tx.insertInto('workspace_shares').values(row).execute()
}

export async function updateShare(
  tx: Transaction,
  workspaceId: string,
  accountId: string,
  level: ShareLevel,
): Promise<void> {
  await tx
    .updateTable('workspace_shares')
    .set({ level })
    .where('workspace_id', '=', workspaceId)
    .where('account_id', '=', accountId)
    .execute()
}

export async function deleteShare(tx: Transaction, workspaceId: string, accountId: string): Promise<void> {
  await tx
    .deleteFrom('workspace_shares')
    .where('workspace_id', '=', workspaceId)
    .where('account_id', '=', accountId)
    .execute()
}
