import type { Queries, Tables, Transaction } from '../../storage/tables.ts'
import { type DeviceLogin, rowToDeviceLogin } from './device-login.ts'

type Row = Tables['device_logins']

/** What says who approved. */
export type Approval = Pick<Row, 'account_id' | 'session_id' | 'access_token_id' | 'confirmation_hash'>

export async function insertLogin(tx: Transaction, row: Row): Promise<void> {
  await tx.insertInto('device_logins').values(row).execute()
}

export async function countLogins(tx: Transaction): Promise<number> {
  const { count } = await tx
    .selectFrom('device_logins')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** Logins that took too long are refused by their time; this only keeps the table small. */
export async function deleteEndedLogins(tx: Transaction, now: number): Promise<void> {
  await tx.deleteFrom('device_logins').where('expires_at', '<=', now).execute()
}

/** One that waits for a person's decision. */
export async function findOpenLogin(
  db: Queries,
  userCodeHash: Uint8Array,
  now: number,
): Promise<DeviceLogin | undefined> {
  const row = await db
    .selectFrom('device_logins')
    .selectAll()
    .where('user_code_hash', '=', userCodeHash)
    .where('expires_at', '>', now)
    .where('account_id', 'is', null)
    .where('is_denied', '=', 0)
    .executeTakeFirst()
  return row && rowToDeviceLogin(row)
}

/** One that the machine asks about, whatever became of it. */
export async function findLogin(
  db: Queries,
  deviceCodeHash: Uint8Array,
  now: number,
): Promise<DeviceLogin | undefined> {
  const row = await db
    .selectFrom('device_logins')
    .selectAll()
    .where('device_code_hash', '=', deviceCodeHash)
    .where('expires_at', '>', now)
    .executeTakeFirst()
  return row && rowToDeviceLogin(row)
}

/** @returns false when somebody else decided before: the row lock lets one through. */
export async function decideLogin(
  tx: Transaction,
  id: string,
  decision: Approval | { is_denied: 1 },
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('device_logins')
    .set(decision)
    .where('id', '=', id)
    .where('account_id', 'is', null)
    .where('is_denied', '=', 0)
    .executeTakeFirstOrThrow()
  return numUpdatedRows > 0n
}

/**
 * Notes that the machine asked. @param maxSeconds where the interval ends to grow, and what comes too soon is not noted.
 * @returns the interval in seconds that it has to keep from now on, and whether it asked too soon.
 */
export async function notePoll(
  tx: Transaction,
  id: string,
  now: number,
  toleranceMs: number,
  stepSeconds: number,
  maxSeconds: number,
): Promise<{ isTooSoon: boolean; intervalSeconds: number }> {
  const row = await tx
    .selectFrom('device_logins')
    .select(['last_polled_at', 'interval_seconds'])
    .where('id', '=', id)
    .executeTakeFirst()
  if (!row) return { isTooSoon: false, intervalSeconds: stepSeconds }
  const { last_polled_at: last, interval_seconds: interval } = row
  const isTooSoon = last !== null && now - last < interval * 1000 - toleranceMs
  // Whoever asks without a pause makes us write no more than this often.
  if (isTooSoon && interval >= maxSeconds) return { isTooSoon, intervalSeconds: interval }
  const intervalSeconds = isTooSoon ? interval + stepSeconds : interval
  await tx
    .updateTable('device_logins')
    .set({ last_polled_at: now, interval_seconds: intervalSeconds })
    .where('id', '=', id)
    .execute()
  return { isTooSoon, intervalSeconds }
}

/** Counts an attempt at the confirmation code before it is compared. @returns false when there are none left. */
export async function takeAttempt(tx: Transaction, id: string, attemptsMax: number): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('device_logins')
    .set((eb) => ({ wrong_codes: eb('wrong_codes', '+', 1) }))
    .where('id', '=', id)
    .where('wrong_codes', '<', attemptsMax)
    .executeTakeFirstOrThrow()
  return numUpdatedRows > 0n
}

/** @returns false when somebody else took it before: the row lock lets one through. */
export async function takeLogin(tx: Transaction, id: string): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom('device_logins')
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  return numDeletedRows > 0n
}
