import { createSecretKey, type KeyObject } from 'node:crypto'
import { randomKey } from '../base/ids.ts'
import { type Context, decrypt, encrypt, KEY_ID_BYTES } from './envelope.ts'
import type { RootKey } from './root-key.ts'
import type { KeyringRow } from './vault.store.ts'

/* How keyring keys are wrapped by a root key and unwrapped again: vault.ts draws the whole. */

const KEYRING_KEY_BYTES = 32

/** A keyring that another root key wrapped. The message names the fingerprint that is needed. */
export class WrongRootKeyError extends Error {}

type Wrapped = Pick<KeyringRow, 'version' | 'wrapped'>

/** Fingerprint that a row of the keyring asks for, when it is not the one of `rootKey`. */
export function findWrongKey(rows: readonly KeyringRow[], rootKey: RootKey): string | undefined {
  return rows.find((row) => row.root_fingerprint !== rootKey.fingerprint)?.root_fingerprint
}

/** Unwraps keyring keys. @throws WrongRootKeyError when one does not open: rows that name this root key were changed. */
export function unwrapKeyring(rows: readonly Wrapped[], rootKey: RootKey): Map<number, KeyObject> {
  const wrapping = createSecretKey(rootKey.wrappingKey)
  const keyring = new Map<number, KeyObject>()
  for (const { version, wrapped } of rows) {
    const bytes = decrypt(wrapping, keyringContext(version), wrapped)
    if (!bytes) {
      throw new WrongRootKeyError(
        `keyring key ${version} does not open with its root key ${rootKey.fingerprint}: the database was changed`,
      )
    }
    keyring.set(version, toKey(bytes))
  }
  return keyring
}

/** Wraps keyring keys by a root key. */
export function wrapKeyring(keyring: ReadonlyMap<number, KeyObject>, rootKey: RootKey): Wrapped[] {
  return [...keyring].map(([version, key]) => {
    const bytes = key.export()
    const wrapped = wrap(version, bytes, rootKey)
    bytes.fill(0)
    return { version, wrapped }
  })
}

/** Makes a keyring key. */
export function newKeyringRow(version: number, rootKey: RootKey, now: number): KeyringRow {
  return {
    version,
    wrapped: wrap(version, randomKey(KEYRING_KEY_BYTES), rootKey),
    root_fingerprint: rootKey.fingerprint,
    uses: 0,
    created_at: now,
  }
}

function wrap(version: number, key: Uint8Array, rootKey: RootKey): Uint8Array {
  return encrypt(createSecretKey(rootKey.wrappingKey), keyringId(version), keyringContext(version), key)
}

export function toKey(bytes: Buffer): KeyObject {
  const key = createSecretKey(bytes)
  bytes.fill(0)
  return key
}

/** What stands as key id in what a keyring key encrypts. */
export function keyringId(version: number): Buffer {
  const id = Buffer.alloc(KEY_ID_BYTES)
  id.writeUInt32BE(version, KEY_ID_BYTES - 4)
  return id
}

function keyringContext(version: number): Context {
  return ['keyhold/v1/keyring', version]
}
