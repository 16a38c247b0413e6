import type { Queries, Tables, Transaction } from '../../storage/tables.ts'
import { rowToIdentity, type WorkloadIdentity } from './workload-identity.ts'

export async function listIdentities(db: Queries, projectId: string): Promise<WorkloadIdentity[]> {
  const rows = await db
    .selectFrom('workload_identities')
    .selectAll()
    .where('project_id', '=', projectId)
    .orderBy('created_at')
    .orderBy('id')
    .execute()
  return rows.map(rowToIdentity)
}

export async function findIdentity(
  db: Queries,
  projectId: string,
  id: string,
): Promise<WorkloadIdentity | undefined> {
  const row = await db
    .selectFrom('workload_identities')
    .selectAll()
    .where('project_id', '=', projectId)
    .where('id', '=', id)
    .executeTakeFirst()
  return row && rowToIdentity(row)
}

/** One that machines may use now, of whatever project. */
export async function findActiveIdentity(
  db: Queries,
  id: string,
): Promise<{ identity: WorkloadIdentity; projectName: string } | undefined> {
  const row = await db
    .selectFrom('workload_identities')
    .innerJoin('projects', 'projects.id', 'workload_identities.project_id')
    .selectAll('workload_identities')
    .select('projects.name as project_name')
    .where('workload_identities.id', '=', id)
    .where('workload_identities.is_active', '=', 1)
    .executeTakeFirst()
  return row && { identity: rowToIdentity(row), projectName: row.project_name }
}

export async function insertIdentity(tx: Transaction, row: Tables['workload_identities']): Promise<void> {
  await tx.insertInto('workload_identities').values(row).execute()
}

export async function updateIdentity(
  tx: Transaction,
  id: string,
  change: Partial<
    Pick<
      Tables['workload_identities'],
      'name' | 'permission' | 'is_active' | 'jwks' | 'last_used_at' | 'last_subject'
    >
  >,
): Promise<void> {
  await tx.updateTable('workload_identities').set(change).where('id', '=', id).execute()
}

/** @returns false when the project has none of this id. What it let in goes with it. */
export async function deleteIdentity(tx: Transaction, projectId: string, id: string): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom('workload_identities')
    .where('project_id', '=', projectId)
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  return numDeletedRows > 0n
}

export async function insertCredential(tx: Transaction, row: Tables['workload_credentials']): Promise<void> {
  await tx.insertInto('workload_credentials').values(row).execute()
}

/** Credentials and uses that have ended are refused by their time; this only keeps the tables small. */
export async function deleteEnded(tx: Transaction, now: number): Promise<void> {
  await tx.deleteFrom('workload_credentials').where('expires_at', '<=', now).execute()
  await tx.deleteFrom('workload_token_uses').where('expires_at', '<=', now).execute()
}

/** Uses a token up. @returns false when it was used before: the primary key lets one through. */
export async function takeToken(tx: Transaction, row: Tables['workload_token_uses']): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await tx
    .insertInto('workload_token_uses')
    .values(row)
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirstOrThrow()
  return (numInsertedOrUpdatedRows ?? 0n) > 0n
}

/** A credential that has not ended, with what it is good for now. */
export async function findLiveCredential(
  db: Queries,
  id: string,
  now: number,
): Promise<
  | {
      secretHash: Uint8Array
      subject: string
      expiresAt: Date
      identityId: string
      permission: 'read' | 'read_write'
      project: { id: string; name: string }
    }
  | undefined
> {
  const row = await db
    .selectFrom('workload_credentials')
    .innerJoin('workload_identities', 'workload_identities.id', 'workload_credentials.identity_id')
    .innerJoin('projects', 'projects.id', 'workload_identities.project_id')
    .select([
      'workload_credentials.secret_hash',
      'workload_credentials.subject',
      'workload_credentials.expires_at',
      'workload_identities.id as identity_id',
      'workload_identities.permission',
      'projects.id as project_id',
      'projects.name as project_name',
    ])
    .where('workload_credentials.id', '=', id)
    .where('workload_credentials.expires_at', '>', now)
    .where('workload_identities.is_active', '=', 1)
    .executeTakeFirst()
  return (
    row && {
      secretHash: row.secret_hash,
      subject: row.subject,
      expiresAt: new Date(row.expires_at),
      identityId: row.identity_id,
      permission: row.permission,
      project: { id: row.project_id, name: row.project_name },
    }
  )
}
