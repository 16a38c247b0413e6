import type { Asker, Person } from '../access/caller.ts'
import type { Queries, Tables, Transaction } from '../storage/tables.ts'
import { type Account, type AccountRow, emailKey, rowToAccount } from './account.ts'

const accountColumns = [
  'accounts.id',
  'accounts.email',
  'accounts.email_key',
  'accounts.name',
  'accounts.role',
  'accounts.password_hash',
  'accounts.must_change_password',
  'accounts.created_at',
  'accounts.disabled_at',
  'accounts.second_factor_at',
  'accounts.has_short_password',
] as const

export async function findAccount(db: Queries, id: string): Promise<Account | undefined> {
  const row = await db.selectFrom('accounts').select(accountColumns).where('id', '=', id).executeTakeFirst()
  return row && rowToAccount(row)
}

export async function findAccountByEmail(db: Queries, email: string): Promise<Account | undefined> {
  const row = await db
    .selectFrom('accounts')
    .select(accountColumns)
    .where('email_key', '=', emailKey(email))
    .executeTakeFirst()
  return row && rowToAccount(row)
}

export async function listAccounts(db: Queries): Promise<Account[]> {
  const rows = await db
    .selectFrom('accounts')
    .select(accountColumns)
    .orderBy('created_at')
    .orderBy('id')
    .execute()
  return rows.map(rowToAccount)
}

export async function isAnyAccount(db: Queries): Promise<boolean> {
  return (await db.selectFrom('accounts').select('id').limit(1).executeTakeFirst()) !== undefined
}

/** @throws a unique violation when the e-mail address is taken. */
export async function insertAccount(tx: Transaction, row: AccountRow): Promise<void> {
  await tx.insertInto('accounts').values(row).execute()
}

export async function updateAccount(
  tx: Transaction,
  id: string,
  change: Partial<
    Pick<
      AccountRow,
      'name' | 'role' | 'disabled_at' | 'password_hash' | 'must_change_password' | 'has_short_password'
    >
  >,
): Promise<void> {
  await tx.updateTable('accounts').set(change).where('id', '=', id).execute()
}

/**
 * Makes other changes of accounts wait until the transaction ends: of two administrators who demote each other at once,
 * one comes second. It is the lock of one row, since locks of several accounts in different orders wait for each other.
 */
export async function lockAccounts(tx: Transaction): Promise<void> {
  await tx
    .updateTable('instance')
    .set((eb) => ({ value: eb.ref('value') }))
    .where('name', '=', 'id')
    .execute()
}

/** Active administrators, as they stay under {@link lockAccounts}. */
export async function countActiveAdmins(tx: Transaction): Promise<number> {
  const { count } = await tx
    .selectFrom('accounts')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('role', '=', 'admin')
    .where('disabled_at', 'is', null)
    .executeTakeFirstOrThrow()
  return Number(count)
}

export async function insertSession(tx: Transaction, row: Tables['sessions']): Promise<void> {
  await tx.insertInto('sessions').values(row).execute()
}

/** A session that has not ended, of an account that is not disabled. */
export async function findLiveSession(
  db: Queries,
  by: { readonly tokenHash: Uint8Array } | { readonly id: string; readonly accountId: string },
  now: number,
  idleSince: number,
): Promise<
  | {
      session: Omit<Tables['sessions'], 'address' | 'client' | 'signed_in_by' | 'token_hash'>
      account: Account
    }
  | undefined
> {
  const sessions = db.selectFrom('sessions')
  const wanted =
    'tokenHash' in by
      ? sessions.where('sessions.token_hash', '=', by.tokenHash)
      : sessions.where('sessions.id', '=', by.id).where('sessions.account_id', '=', by.accountId)
  const row = await wanted
    .innerJoin('accounts', 'accounts.id', 'sessions.account_id')
    .select(accountColumns)
    .select([
      'sessions.id as session_id',
      'sessions.created_at as session_created_at',
      'sessions.authenticated_at',
      'sessions.last_used_at',
      'sessions.expires_at',
      'sessions.second_factor',
    ])
    .where('sessions.expires_at', '>', now)
    .where('sessions.last_used_at', '>', idleSince)
    .where('accounts.disabled_at', 'is', null)
    .executeTakeFirst()
  return (
    row && {
      account: rowToAccount(row),
      session: {
        id: row.session_id,
        account_id: row.id,
        second_factor: row.second_factor,
        created_at: row.session_created_at,
        authenticated_at: row.authenticated_at,
        last_used_at: row.last_used_at,
        expires_at: row.expires_at,
      },
    }
  )
}

/** The person's sessions that have not ended, last used first. */
export async function listLiveSessions(
  db: Queries,
  accountId: string,
  now: number,
  idleSince: number,
): Promise<Omit<Tables['sessions'], 'token_hash' | 'second_factor'>[]> {
  return db
    .selectFrom('sessions')
    .select([
      'id',
      'account_id',
      'created_at',
      'authenticated_at',
      'last_used_at',
      'expires_at',
      'address',
      'client',
      'signed_in_by',
    ])
    .where('account_id', '=', accountId)
    .where('expires_at', '>', now)
    .where('last_used_at', '>', idleSince)
    .orderBy('last_used_at', 'desc')
    .orderBy('id')
    .execute()
}

/** @returns false when the person has none of this id. */
export async function deleteOwnSession(tx: Transaction, accountId: string, id: string): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom('sessions')
    .where('account_id', '=', accountId)
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  return numDeletedRows > 0n
}

export async function touchSession(tx: Transaction, id: string, now: number): Promise<void> {
  await tx.updateTable('sessions').set({ last_used_at: now }).where('id', '=', id).execute()
}

export async function setAuthenticated(tx: Transaction, id: string, now: number): Promise<void> {
  await tx.updateTable('sessions').set({ authenticated_at: now }).where('id', '=', id).execute()
  await setComplete(tx, id)
}

/** Notes that the second factor followed, where one was to come. */
export async function setComplete(tx: Transaction, id: string): Promise<void> {
  await tx
    .updateTable('sessions')
    .set({ second_factor: null })
    .where('id', '=', id)
    .where('second_factor', '=', 'pending')
    .execute()
}

export async function deleteSession(tx: Transaction, id: string): Promise<void> {
  await tx.deleteFrom('sessions').where('id', '=', id).execute()
}

/** Sessions that have ended are refused by their time; this only keeps the table small. */
export async function deleteEndedSessions(tx: Transaction, accountId: string, now: number): Promise<void> {
  await tx.deleteFrom('sessions').where('account_id', '=', accountId).where('expires_at', '<=', now).execute()
}

/** @param exceptId a session that stays. */
export async function deleteSessionsOf(tx: Transaction, accountId: string, exceptId?: string): Promise<void> {
  let query = tx.deleteFrom('sessions').where('account_id', '=', accountId)
  if (exceptId !== undefined) query = query.where('id', '!=', exceptId)
  await query.execute()
}

/** Ends the caller's sessions but the one that asks. @returns what the log says of it. */
export async function endOtherSessions(
  tx: Transaction,
  { caller }: Asker<Person>,
): Promise<{ action: 'session.end' }[]> {
  const { credential } = caller
  await deleteSessionsOf(tx, caller.accountId, credential.kind === 'session' ? credential.id : undefined)
  return [{ action: 'session.end' }]
}

export async function findInstanceValue(db: Queries, name: string): Promise<string | undefined> {
  return (await db.selectFrom('instance').select('value').where('name', '=', name).executeTakeFirst())?.value
}

/** Sets a value that may be set once only: the first writer wins. @returns what is stored. */
export async function setInstanceValueOnce(tx: Transaction, name: string, value: string): Promise<string> {
  await tx
    .insertInto('instance')
    .values({ name, value })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
  return (await findInstanceValue(tx, name))!
}

export async function setInstanceValue(tx: Transaction, name: string, value: string): Promise<void> {
  await tx
    .insertInto('instance')
    .values({ name, value })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ value }))
    .execute()
}

/** Takes a value away. @returns false when somebody else took it before: the row lock lets one through. */
export async function takeInstanceValue(tx: Transaction, name: string): Promise<boolean> {
  const taken = await tx.deleteFrom('instance').where('name', '=', name).returning('name').executeTakeFirst()
  return taken !== undefined
}
