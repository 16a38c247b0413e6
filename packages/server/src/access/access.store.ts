import type { ProjectRole } from '@keyhold/contract/api/projects'
import type { WorkspaceLevel } from '@keyhold/contract/api/workspaces'
import type { Queries, Transaction } from '../storage/tables.ts'

/** The project's name and the person's role in it; undefined for outsiders and for projects that do not exist. */
export async function findMembership(
  db: Queries,
  projectId: string,
  accountId: string,
): Promise<{ projectName: string; role: ProjectRole } | undefined> {
  return db
    .selectFrom('project_members')
    .innerJoin('projects', 'projects.id', 'project_members.project_id')
    .select(['projects.name as projectName', 'project_members.role'])
    .where('project_members.project_id', '=', projectId)
    .where('project_members.account_id', '=', accountId)
    .executeTakeFirst()
}

/** Whether the account exists and is not disabled. */
export async function isActiveAccount(db: Queries, accountId: string): Promise<boolean> {
  const row = await db
    .selectFrom('accounts')
    .select('id')
    .where('id', '=', accountId)
    .where('disabled_at', 'is', null)
    .executeTakeFirst()
  return row !== undefined
}

/** The workspace's name and what the person is in it; undefined for others and for workspaces that do not exist. */
export async function findWorkspaceLevel(
  db: Queries,
  workspaceId: string,
  accountId: string,
): Promise<{ name: string; level: WorkspaceLevel } | undefined> {
  const row = await db
    .selectFrom('workspaces')
    .leftJoin('workspace_shares', (join) =>
      join
        .onRef('workspace_shares.workspace_id', '=', 'workspaces.id')
        .on('workspace_shares.account_id', '=', accountId),
    )
    .select(['workspaces.name', 'workspaces.owner_id', 'workspace_shares.level'])
    .where('workspaces.id', '=', workspaceId)
    .executeTakeFirst()
  const level = row?.owner_id === accountId ? 'owner' : row?.level
  return row && level ? { name: row.name, level } : undefined
}

/** What people are in workspaces, in one query. @returns by {@link levelKey}; without those who are nothing there. */
export async function listWorkspaceLevels(
  db: Queries,
  workspaceIds: readonly string[],
  accountIds: readonly string[],
): Promise<ReadonlyMap<string, WorkspaceLevel>> {
  const rows = await db
    .selectFrom('workspaces')
    .leftJoin('workspace_shares', (join) =>
      join
        .onRef('workspace_shares.workspace_id', '=', 'workspaces.id')
        .on('workspace_shares.account_id', 'in', accountIds),
    )
    .select(['workspaces.id', 'workspaces.owner_id', 'workspace_shares.account_id', 'workspace_shares.level'])
    .where('workspaces.id', 'in', workspaceIds)
    .execute()
  const levels = new Map<string, WorkspaceLevel>()
  for (const { id, account_id, level } of rows)
    if (account_id !== null && level !== null) levels.set(levelKey(account_id, id), level)
  for (const { id, owner_id } of rows) levels.set(levelKey(owner_id, id), 'owner')
  return levels
}

export const levelKey = (accountId: string, workspaceId: string): string => `${accountId} ${workspaceId}`

/** Whether the credential of an agent still counts: no other agent joined, it was not cut off, the owner is active. */
export async function isCurrentAgent(
  db: Queries,
  { workspaceId, epoch }: { readonly workspaceId: string; readonly epoch: number },
): Promise<boolean> {
  const row = await db
    .selectFrom('workspace_agents')
    .innerJoin('workspaces', 'workspaces.id', 'workspace_agents.workspace_id')
    .innerJoin('accounts', 'accounts.id', 'workspaces.owner_id')
    .select('workspace_agents.epoch')
    .where('workspace_agents.workspace_id', '=', workspaceId)
    .where('workspace_agents.epoch', '=', epoch)
    .where('workspace_agents.enrolled_at', 'is not', null)
    .where('accounts.disabled_at', 'is', null)
    .executeTakeFirst()
  return row !== undefined
}

/** The owner's role in a project of which the workspace has an environment linked. */
export async function findLinkedMembership(
  db: Queries,
  { workspaceId, ownerId }: { readonly workspaceId: string; readonly ownerId: string },
  projectId: string,
): Promise<{ projectName: string; role: ProjectRole } | undefined> {
  if (!(await listLinkedWorkspaces(db, projectId)).includes(workspaceId)) return undefined
  return findMembership(db, projectId, ownerId)
}

export async function listLinkedWorkspaces(db: Queries, projectId: string): Promise<string[]> {
  const rows = await db
    .selectFrom('workspace_environments')
    .innerJoin('environments', 'environments.id', 'workspace_environments.environment_id')
    .select('workspace_environments.workspace_id')
    .distinct()
    .where('environments.project_id', '=', projectId)
    .execute()
  return rows.map((row) => row.workspace_id)
}

export async function listOwnWorkspaces(db: Queries, ownerId: string): Promise<string[]> {
  const rows = await db.selectFrom('workspaces').select('id').where('owner_id', '=', ownerId).execute()
  return rows.map(({ id }) => id)
}

/** Tells agents that there is something to fetch, on whichever server they are (workspaces/agent-connections.ts). */
export async function tellWorkspaces(tx: Transaction, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return
  await tx
    .updateTable('workspace_agents')
    .set((eb) => ({ changes: eb('changes', '+', 1) }))
    .where('workspace_id', 'in', ids)
    .execute()
}
