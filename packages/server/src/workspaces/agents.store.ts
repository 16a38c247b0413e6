import { sql } from 'kysely'
import type { Queries, Tables, Transaction } from '../storage/tables.ts'

/** Puts a new enrollment token in the place of the one before. */
export async function setEnrollment(tx: Transaction, row: Tables['workspace_enrollments']): Promise<void> {
  await deleteEnrollment(tx, row.workspace_id)
  await tx.insertInto('workspace_enrollments').values(row).execute()
}

/** @returns whether there was a token that nobody had used. */
export async function deleteEnrollment(tx: Transaction, workspaceId: string): Promise<boolean> {
  const deleted = await tx
    .deleteFrom('workspace_enrollments')
    .where('workspace_id', '=', workspaceId)
    .returning('used_at')
    .executeTakeFirst()
  return deleted?.used_at === null
}

/** The workspace that a token is for, whether it is still good or not; of owners who are not disabled. */
export async function findEnrollment(
  db: Queries,
  tokenHash: Uint8Array,
): Promise<{ workspaceId: string; name: string } | undefined> {
  return db
    .selectFrom('workspace_enrollments')
    .innerJoin('workspaces', 'workspaces.id', 'workspace_enrollments.workspace_id')
    .innerJoin('accounts', 'accounts.id', 'workspaces.owner_id')
    .select(['workspaces.id as workspaceId', 'workspaces.name'])
    .where('workspace_enrollments.token_hash', '=', tokenHash)
    .where('accounts.disabled_at', 'is', null)
    .executeTakeFirst()
}

/** Uses a token up. Of two at once the row lets one through. @returns whether it was still good. */
export async function useEnrollment(tx: Transaction, tokenHash: Uint8Array, now: number): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('workspace_enrollments')
    .set({ used_at: now })
    .where('token_hash', '=', tokenHash)
    .where('used_at', 'is', null)
    .where('expires_at', '>', now)
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}

/** Makes room for an agent: the one before is shut out. @returns the epoch of the new one. */
export async function beginEpoch(
  tx: Transaction,
  workspaceId: string,
  agent: { loginName: string; release: string; now: number },
): Promise<number> {
  const facts = { login_name: agent.loginName, release: agent.release, enrolled_at: agent.now }
  await deleteCredentials(tx, workspaceId)
  const { epoch } = await tx
    .insertInto('workspace_agents')
    .values({ workspace_id: workspaceId, epoch: 1, changes: 0, host_key: null, ...facts, ...nowhere })
    .onConflict((conflict) =>
      conflict.column('workspace_id').doUpdateSet((eb) => ({
        ...facts,
        ...nowhere,
        host_key: null,
        epoch: eb('workspace_agents.epoch', '+', 1),
      })),
    )
    .returning('epoch')
    .executeTakeFirstOrThrow()
  return epoch
}

const nowhere = { connection_id: null, server_id: null, connected_at: null, seen_at: null }

/** Ends an agent. @param epoch only this one. @returns false when there is none, or another one. */
export async function endEpoch(tx: Transaction, workspaceId: string, epoch?: number): Promise<boolean> {
  let query = tx
    .updateTable('workspace_agents')
    .set((eb) => ({ ...nowhere, enrolled_at: null, epoch: eb('epoch', '+', 1) }))
    .where('workspace_id', '=', workspaceId)
    .where('enrolled_at', 'is not', null)
  if (epoch !== undefined) query = query.where('epoch', '=', epoch)
  const { numUpdatedRows } = await query.executeTakeFirstOrThrow()
  if (numUpdatedRows === 1n) await deleteCredentials(tx, workspaceId)
  return numUpdatedRows === 1n
}

async function deleteCredentials(tx: Transaction, workspaceId: string): Promise<void> {
  await tx.deleteFrom('workspace_credentials').where('workspace_id', '=', workspaceId).execute()
}

export async function insertCredential(tx: Transaction, row: Tables['workspace_credentials']): Promise<void> {
  await tx.insertInto('workspace_credentials').values(row).execute()
}

/** Forgets credentials that were made and never used, and those that were replaced long ago. */
export async function deleteIdleCredentials(
  tx: Transaction,
  workspaceId: string,
  replacedBefore: number,
): Promise<void> {
  await tx
    .deleteFrom('workspace_credentials')
    .where('workspace_id', '=', workspaceId)
    .where((eb) => eb.or([eb('used_at', 'is', null), eb('replaced_at', '<', replacedBefore)]))
    .execute()
}

export interface FoundCredential {
  readonly id: string
  readonly workspaceId: string
  readonly name: string
  readonly ownerId: string
  readonly epoch: number
  readonly createdAt: number
  readonly usedAt: number | null
  readonly replacedAt: number | null
}

/** A credential of the agent that a workspace has now, of an owner who is not disabled; also one that was replaced. */
export async function findCredential(
  db: Queries,
  tokenHash: Uint8Array,
): Promise<FoundCredential | undefined> {
  return db
    .selectFrom('workspace_credentials')
    .innerJoin('workspace_agents', (join) =>
      join
        .onRef('workspace_agents.workspace_id', '=', 'workspace_credentials.workspace_id')
        .onRef('workspace_agents.epoch', '=', 'workspace_credentials.epoch'),
    )
    .innerJoin('workspaces', 'workspaces.id', 'workspace_credentials.workspace_id')
    .innerJoin('accounts', 'accounts.id', 'workspaces.owner_id')
    .select([
      'workspace_credentials.id',
      'workspace_credentials.workspace_id as workspaceId',
      'workspaces.name',
      'workspaces.owner_id as ownerId',
      'workspace_credentials.epoch',
      'workspace_credentials.created_at as createdAt',
      'workspace_credentials.used_at as usedAt',
      'workspace_credentials.replaced_at as replacedAt',
    ])
    .where('workspace_credentials.token_hash', '=', tokenHash)
    .where('workspace_agents.enrolled_at', 'is not', null)
    .where('accounts.disabled_at', 'is', null)
    .executeTakeFirst()
}

/** Notes the first use of a credential: from now on those before it give a second holder away. */
export async function takeInUse(
  tx: Transaction,
  { id, workspaceId }: FoundCredential,
  now: number,
): Promise<void> {
  const { numUpdatedRows } = await tx
    .updateTable('workspace_credentials')
    .set({ used_at: now })
    .where('id', '=', id)
    .where('used_at', 'is', null)
    .executeTakeFirstOrThrow()
  if (numUpdatedRows === 0n) return
  await tx
    .updateTable('workspace_credentials')
    .set({ replaced_at: now })
    .where('workspace_id', '=', workspaceId)
    .where('id', '!=', id)
    .where('replaced_at', 'is', null)
    .execute()
}

/**
 * Has the agent renew its credential at once: somebody who was in may have read it. From then on one that was replaced is
 * refused, and no more, since it need not be the agent that has lost its own.
 */
export async function expireCredentials(tx: Transaction, workspaceId: string): Promise<void> {
  await tx
    .updateTable('workspace_credentials')
    .set({ created_at: LEFT_BEHIND })
    .where('workspace_id', '=', workspaceId)
    .execute()
  await noteChange(tx, { workspaceId })
}

/** `created_at` of a credential that somebody may have who is no longer let in. */
export const LEFT_BEHIND = 0

/** Keeps what an agent says is in effect. The lock of the workspace, which access takes, keeps two from crossing. */
export async function setApplied(tx: Transaction, row: Tables['workspace_applied']): Promise<void> {
  await deleteApplied(tx, row.workspace_id)
  await tx.insertInto('workspace_applied').values(row).execute()
}

/** Forgets what was in effect. @param version but for this one. @returns whether there was something to forget. */
export async function deleteApplied(
  tx: Transaction,
  workspaceId: string,
  version?: string | undefined,
): Promise<boolean> {
  let query = tx.deleteFrom('workspace_applied').where('workspace_id', '=', workspaceId)
  if (version !== undefined) query = query.where('version', '!=', version)
  const { numDeletedRows } = await query.executeTakeFirstOrThrow()
  return numDeletedRows > 0n
}

/** What is in effect by the word of the agent that the workspace has now. */
export async function findApplied(
  db: Queries,
  workspaceId: string,
): Promise<{ version: string; items: string; appliedAt: number } | undefined> {
  return db
    .selectFrom('workspace_applied')
    .innerJoin('workspace_agents', (join) =>
      join
        .onRef('workspace_agents.workspace_id', '=', 'workspace_applied.workspace_id')
        .onRef('workspace_agents.epoch', '=', 'workspace_applied.epoch'),
    )
    .select([
      'workspace_applied.version',
      'workspace_applied.items',
      'workspace_applied.applied_at as appliedAt',
    ])
    .where('workspace_applied.workspace_id', '=', workspaceId)
    .where('workspace_agents.enrolled_at', 'is not', null)
    .executeTakeFirst()
}

/** Says that the agent is connected here from now on. @returns false when another one took its place meanwhile. */
export async function setConnection(
  tx: Transaction,
  at: { workspaceId: string; epoch: number },
  connection: { id: string; serverId: string; loginName: string; release: string; now: number },
): Promise<{ changes: number } | undefined> {
  return tx
    .updateTable('workspace_agents')
    .set({
      connection_id: connection.id,
      server_id: connection.serverId,
      login_name: connection.loginName,
      release: connection.release,
      connected_at: connection.now,
      seen_at: connection.now,
    })
    .where('workspace_id', '=', at.workspaceId)
    .where('epoch', '=', at.epoch)
    .where('enrolled_at', 'is not', null)
    .returning('changes')
    .executeTakeFirst()
}

/** Says that a connection ended. @returns false when the agent is connected elsewhere by now. */
export async function clearConnection(tx: Transaction, connectionId: string, now: number): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('workspace_agents')
    .set({ connection_id: null, server_id: null, seen_at: now })
    .where('connection_id', '=', connectionId)
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}

/** Says that connections are still there. */
export async function touchConnections(
  tx: Transaction,
  connectionIds: readonly string[],
  now: number,
): Promise<void> {
  await tx
    .updateTable('workspace_agents')
    .set({ seen_at: now })
    .where('connection_id', 'in', connectionIds)
    .execute()
}

export interface LiveAgent {
  readonly workspaceId: string
  readonly epoch: number
  /** null: it is connected nowhere. */
  readonly connectionId: string | null
  readonly changes: number
}

/** The agents that these workspaces have now; without those that were cut off, or whose owner is disabled. */
export async function listLiveAgents(db: Queries, workspaceIds: readonly string[]): Promise<LiveAgent[]> {
  return db
    .selectFrom('workspace_agents')
    .innerJoin('workspaces', 'workspaces.id', 'workspace_agents.workspace_id')
    .innerJoin('accounts', 'accounts.id', 'workspaces.owner_id')
    .select([
      'workspace_agents.workspace_id as workspaceId',
      'workspace_agents.epoch',
      'workspace_agents.connection_id as connectionId',
      'workspace_agents.changes',
    ])
    .where('workspace_agents.workspace_id', 'in', workspaceIds)
    .where('workspace_agents.enrolled_at', 'is not', null)
    .where('accounts.disabled_at', 'is', null)
    .execute()
}

/** Lets agents know that there is something to fetch, once this is committed. */
export async function noteChange(
  tx: Transaction,
  whose: { readonly workspaceId: string } | { readonly ownerId: string },
): Promise<void> {
  const query = tx.updateTable('workspace_agents').set({ changes: sql`changes + 1` })
  if ('workspaceId' in whose) await query.where('workspace_id', '=', whose.workspaceId).execute()
  else
    await query
      .where('workspace_id', 'in', (eb) =>
        eb.selectFrom('workspaces').select('id').where('owner_id', '=', whose.ownerId),
      )
      .execute()
}

/** Keeps the key by which a workspace is known, the first time. @returns the one that is kept; undefined when another agent joined. */
export async function keepHostKey(
  tx: Transaction,
  at: { readonly workspaceId: string; readonly epoch: number },
  line: string,
): Promise<string | undefined> {
  const row = await tx
    .updateTable('workspace_agents')
    .set((eb) => ({ host_key: eb.fn.coalesce('host_key', eb.val(line)) }))
    .where('workspace_id', '=', at.workspaceId)
    .where('epoch', '=', at.epoch)
    .returning('host_key')
    .executeTakeFirst()
  return row?.host_key ?? undefined
}

/** The server that the agent of a workspace is connected to, and where other servers reach it. */
export async function findServer(
  db: Queries,
  workspaceId: string,
): Promise<{ id: string; url: string | null } | undefined> {
  return db
    .selectFrom('workspace_agents')
    .innerJoin('servers', 'servers.id', 'workspace_agents.server_id')
    .select(['servers.id', 'servers.internal_url as url'])
    .where('workspace_agents.workspace_id', '=', workspaceId)
    .where('workspace_agents.enrolled_at', 'is not', null)
    .executeTakeFirst()
}

/** How a workspace is entered. @returns undefined when it has no agent. */
export async function findEntrance(
  db: Queries,
  workspaceId: string,
): Promise<{ loginName: string; hostKey: string | null } | undefined> {
  return db
    .selectFrom('workspace_agents')
    .select(['login_name as loginName', 'host_key as hostKey'])
    .where('workspace_id', '=', workspaceId)
    .where('enrolled_at', 'is not', null)
    .executeTakeFirst()
}
