import { AppError } from '../base/app-error.ts'
import type { Queries, Transaction } from '../storage/tables.ts'
import { unwrapKeyring } from './keyring.ts'
import type { RootKey } from './root-key.ts'
import {
  addRootKey,
  addWraps,
  deleteRootKey,
  deleteWraps,
  listKeyring,
  listRootKeys,
  listWraps,
  lockCurrentRootKey,
  type RootKeyRow,
  setWrap,
  updateRootKey,
} from './vault.store.ts'
import type { Vault } from './vault.ts'

/*
 * How a root key takes over from another. Each step is one transaction, so there is nothing between them:
 *
 *   prepare    the keyring is wrapped by the new key as well: servers start with either
 *   activate   the new key is the current one; the old one still opens the keyring
 *   retire     the old key's wraps are gone: it opens old backups, and nothing here
 *
 * No value and no data key is encrypted anew. Servers that run hold the keyring already, and go on whatever happens here.
 */

export type { RootKeyRow } from './vault.store.ts'

/** Root keys by name, oldest first. */
export const rootKeys = (db: Queries): Promise<RootKeyRow[]> => listRootKeys(db)

/**
 * Chooses of the root keys at hand the one to open the keyring with: the current one, else one that opens it too, else
 * the first, which is then refused with the fingerprint that is needed.
 */
export async function chooseRootKey(db: Queries, atHand: readonly [RootKey, ...RootKey[]]): Promise<RootKey> {
  const live = (await listRootKeys(db)).filter(({ state }) => state !== 'retired')
  const order = ['current', 'previous', 'next']
  live.sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state))
  for (const { fingerprint } of live) {
    const found = atHand.find((key) => key.fingerprint === fingerprint)
    if (found) return found
  }
  return atHand[0]
}

/** Fingerprint of the current root key. */
export async function currentRootKey(db: Queries): Promise<string | undefined> {
  return (await listRootKeys(db)).find(({ state }) => state === 'current')?.fingerprint
}

/**
 * Lets `next` open the keyring as well. @returns false when it does already.
 * @throws AppError `root_key.rotating` while another one is coming or going, `root_key.used` when it was one before.
 */
export async function prepareRootKey(
  tx: Transaction,
  vault: Vault,
  next: RootKey,
  now: number,
): Promise<boolean> {
  await lockCurrentRootKey(tx)
  const known = await listRootKeys(tx)
  const same = known.find(({ fingerprint }) => fingerprint === next.fingerprint)
  if (same?.state === 'next') return false
  if (same) throw new AppError('root_key.used')
  if (known.some(({ state }) => state === 'next' || state === 'previous'))
    throw new AppError('root_key.rotating')
  const wraps = vault.wrapKeyring(next)
  // Another server may have added a keyring key since this one read them.
  if (wraps.length !== (await listKeyring(tx)).length) throw new AppError('root_key.keyring_changed')
  await addRootKey(tx, { fingerprint: next.fingerprint, state: 'next', now })
  await addWraps(
    tx,
    wraps.map((wrap) => ({ ...wrap, root_fingerprint: next.fingerprint })),
  )
  return true
}

/**
 * Makes the prepared root key the current one. @param next proves that it is at hand: all of the keyring has to open.
 * @returns fingerprint of the one before, or undefined when `next` is current already.
 * @throws AppError `root_key.not_prepared`.
 */
export async function activateRootKey(
  tx: Transaction,
  next: RootKey,
  now: number,
): Promise<string | undefined> {
  const before = await lockCurrentRootKey(tx)
  if (before === next.fingerprint) return undefined
  const known = await listRootKeys(tx)
  if (!known.some((row) => row.fingerprint === next.fingerprint && row.state === 'next'))
    throw new AppError('root_key.not_prepared')
  const wraps = await listWraps(tx, next.fingerprint)
  const keyring = await listKeyring(tx)
  if (unwrapKeyring(wraps, next).size !== keyring.length) throw new AppError('root_key.keyring_changed')
  await addWraps(
    tx,
    keyring.map(({ version, wrapped }) => ({ root_fingerprint: before, version, wrapped })),
  )
  for (const { version, wrapped } of wraps) await setWrap(tx, version, wrapped, next.fingerprint)
  await deleteWraps(tx, next.fingerprint)
  // In this order: the index lets only one be current.
  await updateRootKey(tx, before, { state: 'previous' })
  await updateRootKey(tx, next.fingerprint, { state: 'current', activated_at: now })
  return before
}

/** Takes back {@link prepareRootKey}. @returns its fingerprint. @throws AppError `root_key.not_prepared`. */
export async function cancelRootKey(tx: Transaction): Promise<string> {
  await lockCurrentRootKey(tx)
  const next = (await listRootKeys(tx)).find(({ state }) => state === 'next')
  if (!next) throw new AppError('root_key.not_prepared')
  await deleteWraps(tx, next.fingerprint)
  await deleteRootKey(tx, next.fingerprint)
  return next.fingerprint
}

/** The root key that was current before. @throws AppError `root_key.none_to_retire`. */
export async function previousRootKey(db: Queries): Promise<string> {
  const previous = (await listRootKeys(db)).find(({ state }) => state === 'previous')
  if (!previous) throw new AppError('root_key.none_to_retire')
  return previous.fingerprint
}

/** Ends what the previous root key opens here. @returns its fingerprint. @throws AppError `root_key.none_to_retire`. */
export async function retireRootKey(tx: Transaction, now: number): Promise<string> {
  await lockCurrentRootKey(tx)
  const fingerprint = await previousRootKey(tx)
  await deleteWraps(tx, fingerprint)
  await updateRootKey(tx, fingerprint, { state: 'retired', retired_at: now })
  return fingerprint
}

/** Notes that a recovery kit of a root key was printed, or typed back. */
export async function noteKit(
  tx: Transaction,
  fingerprint: string,
  what: 'kit_made_at' | 'kit_proven_at',
  now: number,
): Promise<void> {
  await updateRootKey(tx, fingerprint, { [what]: now })
}
