import type { Transaction } from './tables.ts'

/**
 * Makes other changes of the project wait until the transaction ends. An update that changes nothing locks the row on
 * PostgreSQL; on SQLite there is one writer at a time anyway.
 */
export async function lockProject(tx: Transaction, id: string): Promise<void> {
  await tx
    .updateTable('projects')
    .set((eb) => ({ name: eb.ref('name') }))
    .where('id', '=', id)
    .execute()
}
