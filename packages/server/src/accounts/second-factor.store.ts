import type { Secret } from '@keyhold/contract/secret'
import { Grant } from '../access/access.ts'
import type { Queries, Tables, Transaction } from '../storage/tables.ts'
import type { Vault } from '../vault/vault.ts'

type Factor = Tables['totp_factors']

const contextOf = ({ id }: Pick<Factor, 'id'>) => ['keyhold/v1/totp', id]

export async function findFactor(db: Queries, accountId: string): Promise<Factor | undefined> {
  return db.selectFrom('totp_factors').selectAll().where('account_id', '=', accountId).executeTakeFirst()
}

/** Since when the account has a confirmed factor. */
export async function findState(
  db: Queries,
  accountId: string,
): Promise<{ email: string; second_factor_at: number | null } | undefined> {
  return db
    .selectFrom('accounts')
    .select(['email', 'second_factor_at'])
    .where('id', '=', accountId)
    .executeTakeFirst()
}

/** Puts a factor in the place of one that was never confirmed. */
export async function replaceFactor(
  tx: Transaction,
  vault: Vault,
  grant: Grant<'second-factor.begin'>,
  row: Omit<Factor, 'sealed'>,
  secret: Secret<Uint8Array>,
): Promise<void> {
  const owner = `person:${row.account_id}` as const
  Grant.assertFor(grant, owner)
  const sealed = await vault.seal(tx, owner, contextOf(row), secret)
  await deleteFactor(tx, row.account_id)
  await tx
    .insertInto('totp_factors')
    .values({ ...row, sealed })
    .execute()
}

/** Opens the secret that codes are compared with. Asks for no grant: it tells who somebody is, and goes nowhere. */
export async function openFactor(db: Queries, vault: Vault, factor: Factor): Promise<Secret<Uint8Array>> {
  return vault.open(db, `person:${factor.account_id}`, contextOf(factor), factor.sealed)
}

/** Lets a factor count from now on. */
export async function confirmFactor(tx: Transaction, id: string, now: number): Promise<void> {
  await tx.updateTable('totp_factors').set({ confirmed_at: now }).where('id', '=', id).execute()
}

/** Takes a time step: of two requests with one code, the second finds it taken. @returns whether it was free. */
export async function takeStep(tx: Transaction, factor: Factor, step: number, now: number): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('totp_factors')
    .set({ last_step: step, last_used_at: now })
    .where('id', '=', factor.id)
    .where('last_step', '<', step)
    .executeTakeFirstOrThrow()
  return numUpdatedRows > 0n
}

export async function deleteFactor(tx: Transaction, accountId: string): Promise<void> {
  await tx.deleteFrom('totp_factors').where('account_id', '=', accountId).execute()
}

export async function setSecondFactorAt(
  tx: Transaction,
  accountId: string,
  at: number | null,
): Promise<void> {
  await tx.updateTable('accounts').set({ second_factor_at: at }).where('id', '=', accountId).execute()
}

/** Whether an authenticator that was confirmed, or a passkey, is there. Recovery codes alone are no factor. */
export async function isAnyFactor(db: Queries, accountId: string): Promise<boolean> {
  const totp = await db
    .selectFrom('totp_factors')
    .select('id')
    .where('account_id', '=', accountId)
    .where('confirmed_at', 'is not', null)
    .executeTakeFirst()
  if (totp) return true
  const passkey = await db
    .selectFrom('passkeys')
    .select('id')
    .where('account_id', '=', accountId)
    .limit(1)
    .executeTakeFirst()
  return passkey !== undefined
}

/** Whether the password is good only together with a factor. */
export async function hasShortPassword(db: Queries, accountId: string): Promise<boolean> {
  const row = await db
    .selectFrom('accounts')
    .select('has_short_password')
    .where('id', '=', accountId)
    .executeTakeFirst()
  return row?.has_short_password === 1
}

/** Lets the person do nothing but change it, when they sign in the next time. */
export async function setMustChangePassword(tx: Transaction, accountId: string): Promise<void> {
  await tx.updateTable('accounts').set({ must_change_password: 1 }).where('id', '=', accountId).execute()
}

/** Leaves nothing of an account's factors: secret, passkeys, recovery codes, and that there was one. */
export async function removeFactors(tx: Transaction, accountId: string): Promise<void> {
  await deleteFactor(tx, accountId)
  await tx.deleteFrom('passkeys').where('account_id', '=', accountId).execute()
  await replaceRecoveryCodes(tx, accountId, [])
  await setSecondFactorAt(tx, accountId, null)
}

export async function replaceRecoveryCodes(
  tx: Transaction,
  accountId: string,
  hashes: readonly Uint8Array[],
): Promise<void> {
  await tx.deleteFrom('recovery_codes').where('account_id', '=', accountId).execute()
  if (hashes.length === 0) return
  await tx
    .insertInto('recovery_codes')
    .values(hashes.map((code_hash) => ({ account_id: accountId, code_hash, used_at: null })))
    .execute()
}

/** Uses a recovery code up. @returns whether there was one. */
export async function takeRecoveryCode(
  tx: Transaction,
  accountId: string,
  hash: Uint8Array,
  now: number,
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('recovery_codes')
    .set({ used_at: now })
    .where('account_id', '=', accountId)
    .where('code_hash', '=', hash)
    .where('used_at', 'is', null)
    .executeTakeFirstOrThrow()
  return numUpdatedRows > 0n
}

export async function countRecoveryCodes(db: Queries, accountId: string): Promise<number> {
  const { count } = await db
    .selectFrom('recovery_codes')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('account_id', '=', accountId)
    .where('used_at', 'is', null)
    .executeTakeFirstOrThrow()
  return Number(count)
}
