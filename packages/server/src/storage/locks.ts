import { AppError } from '../base/app-error.ts'
import type { Transaction } from './tables.ts'

/**
 * Makes other changes of the project wait until the transaction ends. An update that changes nothing locks the row on
 * PostgreSQL; on SQLite there is one writer at a time anyway.
 * @throws AppError `project.not_found` when it was deleted meanwhile.
 */
export async function lockProject(tx: Transaction, id: string): Promise<void> {
  const { numUpdatedRows } = await tx
    .updateTable('projects')
    .set((eb) => ({ name: eb.ref('name') }))
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  if (numUpdatedRows === 0n) throw new AppError('project.not_found')
}

/** Makes other changes of what belongs to the account wait, as {@link lockProject} does. */
export async function lockAccount(tx: Transaction, id: string): Promise<void> {
  await tx
    .updateTable('accounts')
    .set((eb) => ({ name: eb.ref('name') }))
    .where('id', '=', id)
    .execute()
}

/**
 * As {@link lockAccount}. @throws AppError `auth.required` when the account was disabled meanwhile: a request that was
 * let in before must change nothing after.
 */
export async function lockActiveAccount(tx: Transaction, id: string): Promise<void> {
  const { numUpdatedRows } = await tx
    .updateTable('accounts')
    .set((eb) => ({ name: eb.ref('name') }))
    .where('id', '=', id)
    .where('disabled_at', 'is', null)
    .executeTakeFirstOrThrow()
  if (numUpdatedRows === 0n) throw new AppError('auth.required')
}

/** As {@link lockProject}, of a workspace. @throws AppError `workspace.not_found` when it was deleted meanwhile. */
export async function lockWorkspace(tx: Transaction, id: string): Promise<void> {
  const { numUpdatedRows } = await tx
    .updateTable('workspaces')
    .set((eb) => ({ name: eb.ref('name') }))
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  if (numUpdatedRows === 0n) throw new AppError('workspace.not_found')
}
