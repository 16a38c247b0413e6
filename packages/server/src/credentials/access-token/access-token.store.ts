import type { Queries, Tables, Transaction } from '../../storage/tables.ts'
import { type AccessToken, rowToAccessToken } from './access-token.ts'

const columns = [
  'access_tokens.id',
  'access_tokens.account_id',
  'access_tokens.name',
  'access_tokens.partial_token',
  'access_tokens.scopes',
  'access_tokens.created_at',
  'access_tokens.expires_at',
  'access_tokens.last_used_at',
] as const

export async function listTokens(db: Queries, accountId: string): Promise<AccessToken[]> {
  const rows = await db
    .selectFrom('access_tokens')
    .select(columns)
    .where('account_id', '=', accountId)
    .orderBy('created_at', 'desc')
    .orderBy('id')
    .execute()
  return rows.map(rowToAccessToken)
}

export async function insertToken(tx: Transaction, row: Tables['access_tokens']): Promise<void> {
  await tx.insertInto('access_tokens').values(row).execute()
}

/** A token that has not expired, of a person who is not disabled. */
export async function findLiveToken(
  db: Queries,
  tokenHash: Uint8Array,
  now: number,
): Promise<
  | {
      token: AccessToken
      accountName: string
      role: 'admin' | 'member'
      mustChangePassword: boolean
      hasSecondFactor: boolean
    }
  | undefined
> {
  const row = await db
    .selectFrom('access_tokens')
    .innerJoin('accounts', 'accounts.id', 'access_tokens.account_id')
    .select(columns)
    .select([
      'accounts.name as account_name',
      'accounts.role',
      'accounts.must_change_password',
      'accounts.second_factor_at',
    ])
    .where('access_tokens.token_hash', '=', tokenHash)
    .where('accounts.disabled_at', 'is', null)
    .where((eb) =>
      eb.or([eb('access_tokens.expires_at', 'is', null), eb('access_tokens.expires_at', '>', now)]),
    )
    .executeTakeFirst()
  return (
    row && {
      token: rowToAccessToken(row),
      accountName: row.account_name,
      role: row.role,
      mustChangePassword: row.must_change_password === 1,
      hasSecondFactor: row.second_factor_at !== null,
    }
  )
}

/** @returns the deleted token; undefined when the person has none of this id. */
export async function deleteToken(
  tx: Transaction,
  id: string,
  accountId: string,
): Promise<AccessToken | undefined> {
  const row = await tx
    .deleteFrom('access_tokens')
    .where('id', '=', id)
    .where('account_id', '=', accountId)
    .returning(columns)
    .executeTakeFirst()
  return row && rowToAccessToken(row)
}

/** Moves "last used" on unless another request just did. */
export async function touchToken(
  tx: Transaction,
  id: string,
  now: number,
  unlessSince: number,
): Promise<void> {
  await tx
    .updateTable('access_tokens')
    .set({ last_used_at: now })
    .where('id', '=', id)
    .where((eb) => eb.or([eb('last_used_at', 'is', null), eb('last_used_at', '<', unlessSince)]))
    .execute()
}
