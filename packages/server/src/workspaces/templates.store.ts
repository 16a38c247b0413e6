import type { NeededSecret } from '@keyhold/contract/api/templates'
import type { Queries, Tables, Transaction } from '../storage/tables.ts'
import type { NeedsOfWorkspace, Template } from './template.ts'

function selectTemplates(db: Queries) {
  return db
    .selectFrom('templates')
    .innerJoin('accounts', 'accounts.id', 'templates.owner_id')
    .select([
      'templates.id',
      'templates.name',
      'templates.description',
      'templates.needs',
      'templates.created_at',
      'templates.updated_at',
      'accounts.id as owner_id',
      'accounts.name as owner_name',
      'accounts.email as owner_email',
    ])
}

type TemplateRow = Awaited<ReturnType<ReturnType<typeof selectTemplates>['execute']>>[number]

function rowToTemplate(row: TemplateRow): Template {
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    owner: { id: row.owner_id, name: row.owner_name, email: row.owner_email },
    needs: JSON.parse(row.needs) as NeededSecret[], // `as`: written by this folder alone.
    createdAt: new Date(row.created_at),
    updatedAt: new Date(row.updated_at),
  }
}

export async function listTemplates(db: Queries): Promise<Template[]> {
  const rows = await selectTemplates(db).orderBy('templates.name_key').execute()
  return rows.map(rowToTemplate)
}

export async function findTemplate(db: Queries, id: string): Promise<Template | undefined> {
  const row = await selectTemplates(db).where('templates.id', '=', id).executeTakeFirst()
  return row && rowToTemplate(row)
}

/** Makes other changes of the template wait. @returns false when there is none, or it is another's. */
export async function lockTemplate(
  tx: Transaction,
  id: string,
  ownerId: string | undefined,
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('templates')
    .set((eb) => ({ name: eb.ref('name') }))
    .where('id', '=', id)
    .$if(ownerId !== undefined, (query) => query.where('owner_id', '=', ownerId!)) // `!`: looked at just before.
    .executeTakeFirstOrThrow()
  return numUpdatedRows > 0n
}

/** @throws a unique violation when there is one of this name. */
export async function insertTemplate(tx: Transaction, row: Tables['templates']): Promise<void> {
  await tx.insertInto('templates').values(row).execute()
}

/** @throws likewise. */
export async function updateTemplate(
  tx: Transaction,
  id: string,
  change: Partial<Tables['templates']>,
): Promise<void> {
  await tx.updateTable('templates').set(change).where('id', '=', id).execute()
}

export async function deleteTemplate(tx: Transaction, id: string): Promise<void> {
  await tx.deleteFrom('templates').where('id', '=', id).execute()
}

/** What a workspace needs; it keeps that when the template changes or goes. */
export async function findNeeds(db: Queries, workspaceId: string): Promise<NeedsOfWorkspace | undefined> {
  const row = await db
    .selectFrom('workspace_needs')
    .select(['template', 'needs'])
    .where('workspace_id', '=', workspaceId)
    .executeTakeFirst()
  return row && { template: row.template, needs: JSON.parse(row.needs) as NeededSecret[] } // `as`: as above.
}

/** Puts others in the place of the needs that the workspace had. */
export async function setNeeds(
  tx: Transaction,
  workspaceId: string,
  { template, needs }: NeedsOfWorkspace,
): Promise<void> {
  await tx.deleteFrom('workspace_needs').where('workspace_id', '=', workspaceId).execute()
  if (needs.length === 0) return
  const row = { workspace_id: workspaceId, template, needs: JSON.stringify(needs) }
  await tx.insertInto('workspace_needs').values(row).execute()
}
