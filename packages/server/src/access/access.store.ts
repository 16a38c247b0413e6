import type { ProjectRole } from '@keyhold/contract/api/projects'
import type { Queries } from '../storage/tables.ts'

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
