import type { Queries, Tables, Transaction } from '../storage/tables.ts'
import { type Passkey, rowToPasskey } from './passkey.ts'

const columns = [
  'id',
  'account_id',
  'name',
  'credential_id',
  'public_key',
  'sign_count',
  'transports',
  'aaguid',
  'is_synced',
  'created_at',
  'last_used_at',
] as const

/** The person's passkeys, oldest first. */
export async function listPasskeys(db: Queries, accountId: string): Promise<Passkey[]> {
  const rows = await db
    .selectFrom('passkeys')
    .select(columns)
    .where('account_id', '=', accountId)
    .orderBy('created_at')
    .orderBy('id')
    .execute()
  return rows.map(rowToPasskey)
}

export async function findOwnPasskey(
  db: Queries,
  accountId: string,
  id: string,
): Promise<Passkey | undefined> {
  const row = await db
    .selectFrom('passkeys')
    .select(columns)
    .where('account_id', '=', accountId)
    .where('id', '=', id)
    .executeTakeFirst()
  return row && rowToPasskey(row)
}

export async function findPasskeyByCredential(
  db: Queries,
  credentialId: Uint8Array,
): Promise<Passkey | undefined> {
  const row = await db
    .selectFrom('passkeys')
    .select(columns)
    .where('credential_id', '=', credentialId)
    .executeTakeFirst()
  return row && rowToPasskey(row)
}

/** @throws a unique violation when the credential is registered, for whomever. */
export async function insertPasskey(tx: Transaction, row: Tables['passkeys']): Promise<void> {
  await tx.insertInto('passkeys').values(row).execute()
}

export async function renamePasskey(tx: Transaction, id: string, name: string): Promise<void> {
  await tx.updateTable('passkeys').set({ name }).where('id', '=', id).execute()
}

/**
 * Notes a use. Of two with one count the second changes no row (WebAuthn §6.1.1); authenticators that do not count stay
 * at 0. @returns whether the counter went on as it should.
 */
export async function takeSignCount(
  tx: Transaction,
  id: string,
  signCount: number,
  isSynced: boolean,
  now: number,
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('passkeys')
    .set({ sign_count: signCount, is_synced: isSynced ? 1 : 0, last_used_at: now })
    .where('id', '=', id)
    .where((eb) => (signCount === 0 ? eb('sign_count', '=', 0) : eb('sign_count', '<', signCount)))
    .executeTakeFirstOrThrow()
  return numUpdatedRows > 0n
}

/** @returns false when the person has none of this id. */
export async function deleteOwnPasskey(tx: Transaction, accountId: string, id: string): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom('passkeys')
    .where('account_id', '=', accountId)
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  return numDeletedRows > 0n
}
