import type { Queries, Tables, Transaction } from '../storage/tables.ts'
import { type Invitation, rowToInvitation } from './invitation.ts'

function select(db: Queries) {
  return db
    .selectFrom('invitations')
    .innerJoin('accounts', 'accounts.id', 'invitations.invited_by')
    .select([
      'invitations.id',
      'invitations.email',
      'invitations.role',
      'invitations.projects',
      'invitations.invited_by',
      'invitations.created_at',
      'invitations.expires_at',
      'invitations.mailed_at',
      'invitations.accepted_at',
      'accounts.name as inviter_name',
    ])
}

/** Newest first. */
export async function listInvitations(db: Queries): Promise<Invitation[]> {
  const rows = await select(db).orderBy('invitations.created_at', 'desc').orderBy('invitations.id').execute()
  return rows.map(rowToInvitation)
}

export async function findInvitation(db: Queries, id: string): Promise<Invitation | undefined> {
  const row = await select(db).where('invitations.id', '=', id).executeTakeFirst()
  return row && rowToInvitation(row)
}

/** One that can be accepted, as far as its row says, of somebody who may invite. */
export async function findByToken(
  db: Queries,
  tokenHash: Uint8Array,
  now: number,
): Promise<Invitation | undefined> {
  const row = await select(db)
    .where('invitations.token_hash', '=', tokenHash)
    .where('invitations.accepted_at', 'is', null)
    .where('invitations.expires_at', '>', now)
    .where('accounts.role', '=', 'admin')
    .where('accounts.disabled_at', 'is', null)
    .executeTakeFirst()
  return row && rowToInvitation(row)
}

/** @throws a unique violation when there is an open one for the address. */
export async function insertInvitation(tx: Transaction, row: Tables['invitations']): Promise<void> {
  await tx.insertInto('invitations').values(row).execute()
}

/** Invitations that were not accepted. */
export async function countOpen(tx: Transaction): Promise<number> {
  const { count } = await tx
    .selectFrom('invitations')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('accepted_at', 'is', null)
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** Makes place for a new one to the same address. */
export async function deleteExpired(tx: Transaction, emailKey: string, now: number): Promise<void> {
  await tx
    .deleteFrom('invitations')
    .where('open_email_key', '=', emailKey)
    .where('expires_at', '<=', now)
    .execute()
}

/** @returns false when it was accepted or revoked. */
export async function renewInvitation(
  tx: Transaction,
  id: string,
  change: Pick<Tables['invitations'], 'token_hash' | 'expires_at' | 'invited_by' | 'mailed_at'>,
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('invitations')
    .set(change)
    .where('id', '=', id)
    .where('accepted_at', 'is', null)
    .executeTakeFirstOrThrow()
  return numUpdatedRows > 0n
}

export async function setMailed(tx: Transaction, id: string, now: number): Promise<void> {
  await tx.updateTable('invitations').set({ mailed_at: now }).where('id', '=', id).execute()
}

/** @returns false when it is gone, or was accepted. */
export async function deleteOpen(tx: Transaction, id: string): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom('invitations')
    .where('id', '=', id)
    .where('accepted_at', 'is', null)
    .executeTakeFirstOrThrow()
  return numDeletedRows > 0n
}

/** Uses a link up. @returns false when somebody did before: the row lock lets one through. */
export async function takeInvitation(
  tx: Transaction,
  id: string,
  tokenHash: Uint8Array,
  now: number,
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('invitations')
    .set({ accepted_at: now, open_email_key: null })
    .where('id', '=', id)
    .where('token_hash', '=', tokenHash)
    .where('accepted_at', 'is', null)
    .executeTakeFirstOrThrow()
  return numUpdatedRows > 0n
}
