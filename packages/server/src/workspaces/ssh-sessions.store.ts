import type { SshSession } from '@keyhold/contract/api/ssh-sessions'
import type { Queries, Tables, Transaction } from '../storage/tables.ts'

/** A session as it is shown. */
export type ShownSession = Omit<SshSession, 'isYours' | 'since'> & { readonly since: Date }

/** Writes down a session, and forgets those of the workspace whose server is gone. */
export async function insertSession(tx: Transaction, row: Tables['ssh_sessions']): Promise<void> {
  await tx
    .deleteFrom('ssh_sessions')
    .where('workspace_id', '=', row.workspace_id)
    .where('server_id', '!=', row.server_id)
    .where('server_id', 'not in', (servers) => servers.selectFrom('servers').select('id'))
    .execute()
  await tx.insertInto('ssh_sessions').values(row).execute()
}

/** Of servers that were heard of since then, the oldest first. @param accountId of whom; undefined: everybody's */
export async function listSessions(
  db: Queries,
  workspaceId: string,
  accountId: string | undefined,
  heardSince: number,
): Promise<ShownSession[]> {
  const rows = await db
    .selectFrom('ssh_sessions')
    .innerJoin('accounts', 'accounts.id', 'ssh_sessions.account_id')
    .innerJoin('servers', 'servers.id', 'ssh_sessions.server_id')
    .select([
      'ssh_sessions.id',
      'ssh_sessions.level',
      'ssh_sessions.address',
      'ssh_sessions.fingerprint',
      'ssh_sessions.began_at',
      'servers.host',
      'accounts.id as accountId',
      'accounts.name',
      'accounts.email',
    ])
    .where('ssh_sessions.workspace_id', '=', workspaceId)
    .where('servers.seen_at', '>=', heardSince)
    .$if(accountId !== undefined, (query) => query.where('ssh_sessions.account_id', '=', accountId ?? ''))
    .orderBy('ssh_sessions.began_at')
    .orderBy('ssh_sessions.id')
    .execute()
  return rows.map(({ id, level, address, fingerprint, began_at, host, ...person }) => ({
    id,
    level,
    address,
    fingerprint,
    server: host,
    since: new Date(began_at),
    person: { id: person.accountId, name: person.name, email: person.email },
  }))
}

/** Whether a session goes on, at a server that was heard of since then. */
export async function isOpen(
  db: Queries,
  workspaceId: string,
  id: string,
  heardSince: number,
): Promise<boolean> {
  const row = await db
    .selectFrom('ssh_sessions')
    .innerJoin('servers', 'servers.id', 'ssh_sessions.server_id')
    .select('ssh_sessions.id')
    .where('ssh_sessions.id', '=', id)
    .where('ssh_sessions.workspace_id', '=', workspaceId)
    .where('servers.seen_at', '>=', heardSince)
    .executeTakeFirst()
  return row !== undefined
}

/** @returns whose it was, and from where; undefined when there is none. */
export async function deleteSession(
  tx: Transaction,
  workspaceId: string,
  id: string,
  accountId: string | undefined,
): Promise<{ accountId: string; address: string } | undefined> {
  const row = await tx
    .deleteFrom('ssh_sessions')
    .where('workspace_id', '=', workspaceId)
    .where('id', '=', id)
    .$if(accountId !== undefined, (query) => query.where('account_id', '=', accountId ?? ''))
    .returning(['account_id', 'address'])
    .executeTakeFirst()
  return row && { accountId: row.account_id, address: row.address }
}

export async function forgetSession(tx: Transaction, id: string): Promise<void> {
  await tx.deleteFrom('ssh_sessions').where('id', '=', id).execute()
}

/** Those of a server that nobody has ended. */
export async function listIds(db: Queries, serverId: string): Promise<string[]> {
  const rows = await db.selectFrom('ssh_sessions').select('id').where('server_id', '=', serverId).execute()
  return rows.map(({ id }) => id)
}

export async function findEmail(db: Queries, accountId: string): Promise<string | undefined> {
  const row = await db.selectFrom('accounts').select('email').where('id', '=', accountId).executeTakeFirst()
  return row?.email
}
