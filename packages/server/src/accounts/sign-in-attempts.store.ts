import type { Tables, Transaction } from '../storage/tables.ts'

export type SignInAttempt = Tables['sign_in_attempts']

/** Begins anew in this browser: what it had begun before for the same purpose has another cookie by then. */
export async function insertAttempt(tx: Transaction, row: SignInAttempt): Promise<void> {
  await tx.insertInto('sign_in_attempts').values(row).execute()
}

/** Takes an attempt, which is over then, however it ends: of two answers at once the delete lets one through. */
export async function takeAttempt(
  tx: Transaction,
  browserHash: Uint8Array,
  purposes: readonly string[],
): Promise<SignInAttempt | undefined> {
  return tx
    .deleteFrom('sign_in_attempts')
    .where('browser_hash', '=', browserHash)
    .where('purpose', 'in', purposes)
    .returning([
      'browser_hash',
      'purpose',
      'challenge',
      'account_id',
      'credential_id',
      'provider_id',
      'expires_at',
    ])
    .executeTakeFirst()
}

/** Attempts that are too old are refused by their time; this only keeps the table small. */
export async function deleteExpiredAttempts(tx: Transaction, now: number): Promise<void> {
  await tx.deleteFrom('sign_in_attempts').where('expires_at', '<=', now).execute()
}
