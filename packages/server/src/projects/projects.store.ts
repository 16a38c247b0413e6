import type { ProjectRole } from '@keyhold/contract/api/projects'
import type { Queries, Tables, Transaction } from '../storage/tables.ts'
import { type Environment, type Member, nameKey, type Project } from './project.ts'

const projectColumns = [
  'projects.id',
  'projects.name',
  'projects.description',
  'projects.created_at',
  'project_members.role',
] as const

function rowToProject(
  row: Pick<Tables['projects'], 'id' | 'name' | 'description' | 'created_at'> & { role: ProjectRole },
): Project {
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    role: row.role,
    createdAt: new Date(row.created_at),
  }
}

export async function listProjectsOf(db: Queries, accountId: string): Promise<Project[]> {
  const rows = await db
    .selectFrom('projects')
    .innerJoin('project_members', 'project_members.project_id', 'projects.id')
    .select(projectColumns)
    .where('project_members.account_id', '=', accountId)
    .orderBy('projects.name_key')
    .execute()
  return rows.map(rowToProject)
}

export async function findProject(db: Queries, id: string, accountId: string): Promise<Project | undefined> {
  const row = await db
    .selectFrom('projects')
    .innerJoin('project_members', 'project_members.project_id', 'projects.id')
    .select(projectColumns)
    .where('projects.id', '=', id)
    .where('project_members.account_id', '=', accountId)
    .executeTakeFirst()
  return row && rowToProject(row)
}

/** Whether the person is a member of another project of this name. */
export async function isNameTakenFor(
  db: Queries,
  accountId: string,
  name: string,
  exceptId?: string,
): Promise<boolean> {
  const projects = await listProjectsOf(db, accountId)
  return projects.some((project) => project.id !== exceptId && nameKey(project.name) === nameKey(name))
}

export async function insertProject(tx: Transaction, row: Tables['projects']): Promise<void> {
  await tx.insertInto('projects').values(row).execute()
}

export async function updateProject(
  tx: Transaction,
  id: string,
  change: { name: string; description: string },
): Promise<void> {
  await tx
    .updateTable('projects')
    .set({ ...change, name_key: nameKey(change.name) })
    .where('id', '=', id)
    .execute()
}

/** Deletes with all that belongs to it (foreign keys cascade), and its data keys: what a backup of the rows still holds, no key in this database opens. */
export async function deleteProject(tx: Transaction, id: string): Promise<void> {
  await tx.deleteFrom('data_keys').where('owner', '=', `project:${id}`).execute()
  await tx.deleteFrom('projects').where('id', '=', id).execute()
}

const memberColumns = [
  'accounts.id',
  'accounts.name',
  'accounts.email',
  'project_members.role',
  'project_members.created_at',
] as const

function rowToMember(row: {
  id: string
  name: string
  email: string
  role: ProjectRole
  created_at: number
}): Member {
  return {
    person: { id: row.id, name: row.name, email: row.email },
    role: row.role,
    createdAt: new Date(row.created_at),
  }
}

export async function listMembers(db: Queries, projectId: string): Promise<Member[]> {
  const rows = await db
    .selectFrom('project_members')
    .innerJoin('accounts', 'accounts.id', 'project_members.account_id')
    .select(memberColumns)
    .where('project_members.project_id', '=', projectId)
    .orderBy('project_members.created_at')
    .orderBy('accounts.id')
    .execute()
  return rows.map(rowToMember)
}

export async function findMember(
  db: Queries,
  projectId: string,
  accountId: string,
): Promise<Member | undefined> {
  const row = await db
    .selectFrom('project_members')
    .innerJoin('accounts', 'accounts.id', 'project_members.account_id')
    .select(memberColumns)
    .where('project_members.project_id', '=', projectId)
    .where('project_members.account_id', '=', accountId)
    .executeTakeFirst()
  return row && rowToMember(row)
}

/** @throws a unique violation when the person is a member already. */
export async function insertMember(tx: Transaction, row: Tables['project_members']): Promise<void> {
  await tx.insertInto('project_members').values(row).execute()
}

export async function updateMember(
  tx: Transaction,
  projectId: string,
  accountId: string,
  role: ProjectRole,
): Promise<void> {
  await tx
    .updateTable('project_members')
    .set({ role })
    .where('project_id', '=', projectId)
    .where('account_id', '=', accountId)
    .execute()
}

export async function deleteMember(tx: Transaction, projectId: string, accountId: string): Promise<void> {
  await tx
    .deleteFrom('project_members')
    .where('project_id', '=', projectId)
    .where('account_id', '=', accountId)
    .execute()
}

/** Ids of the projects a person is Admin of. */
export async function listAdministered(db: Queries, accountId: string): Promise<string[]> {
  const rows = await db
    .selectFrom('project_members')
    .select('project_id')
    .where('account_id', '=', accountId)
    .where('role', '=', 'admin')
    .execute()
  return rows.map((row) => row.project_id)
}

const environmentColumns = [
  'id',
  'project_id',
  'name',
  'name_key',
  'description',
  'external_url',
  'is_default',
  'created_at',
] as const

function rowToEnvironment(row: Tables['environments']): Environment {
  return {
    id: row.id,
    projectId: row.project_id,
    name: row.name,
    description: row.description,
    externalUrl: row.external_url,
    isDefault: row.is_default === 1,
    createdAt: new Date(row.created_at),
  }
}

/** `All` first, then by name. */
export async function listEnvironments(db: Queries, projectId: string): Promise<Environment[]> {
  const rows = await db
    .selectFrom('environments')
    .select(environmentColumns)
    .where('project_id', '=', projectId)
    .orderBy('is_default', 'desc')
    .orderBy('name_key')
    .execute()
  return rows.map(rowToEnvironment)
}

export async function findEnvironment(
  db: Queries,
  projectId: string,
  id: string,
): Promise<Environment | undefined> {
  const row = await db
    .selectFrom('environments')
    .select(environmentColumns)
    .where('project_id', '=', projectId)
    .where('id', '=', id)
    .executeTakeFirst()
  return row && rowToEnvironment(row)
}

/** @throws a unique violation when the name is taken. */
export async function insertEnvironment(tx: Transaction, row: Tables['environments']): Promise<void> {
  await tx.insertInto('environments').values(row).execute()
}

/** @throws a unique violation when the name is taken. */
export async function updateEnvironment(
  tx: Transaction,
  id: string,
  change: { name: string; description: string; external_url: string | null },
): Promise<void> {
  await tx
    .updateTable('environments')
    .set({ ...change, name_key: nameKey(change.name) })
    .where('id', '=', id)
    .execute()
}

export async function deleteEnvironment(tx: Transaction, id: string): Promise<void> {
  await tx.deleteFrom('environments').where('id', '=', id).execute()
}
