import { createHmac, hkdfSync, randomBytes } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'

const ROOT_KEY_BYTES = 32

/** The key above all others. It lives outside the database, and only ever wraps keyring keys. */
export interface RootKey {
  /** Wraps the keyring: HKDF-SHA-256 (RFC 5869) of the root key, so that the root key itself encrypts nothing. */
  readonly wrappingKey: Buffer
  /** Tells which root key this is without telling anything about it, such as `3f9a-81c2-77d0-5e1b`. */
  readonly fingerprint: string
}

/** Derives what is used of a root key of 32 bytes. */
export function deriveRootKey(key: Buffer): RootKey {
  const wrappingKey = Buffer.from(
    hkdfSync('sha256', key, new Uint8Array(), 'keyhold/v1/root/wrap-keyring', 32),
  )
  const print = createHmac('sha256', key).update('keyhold/v1/root/fingerprint').digest('hex').slice(0, 16)
  return { wrappingKey, fingerprint: print.replace(/(.{4})(?=.)/g, '$1-') }
}

/**
 * Reads `root.key` from the data directory, or makes it when `mayCreate`.
 * @returns the key and whether it is new. @throws Error when it is missing or malformed.
 */
export function readRootKeyFile(
  dataDir: string,
  mayCreate: boolean,
): { key: Buffer; isNew: boolean; path: string } {
  const path = join(dataDir, 'root.key')
  if (existsSync(path)) {
    const key = Buffer.from(readFileSync(path, 'utf8').trim(), 'base64')
    if (key.length !== ROOT_KEY_BYTES)
      throw new Error(`${path} does not hold a root key (32 bytes in base64)`)
    return { key, isNew: false, path }
  }
  if (!mayCreate) {
    throw new Error(
      `${path} is missing, and this database already has a keyring. Restore the file, or set KEYHOLD_ROOT_KEY`,
    )
  }
  const key = randomBytes(ROOT_KEY_BYTES)
  writeNewFile(path, `${key.toString('base64')}\n`)
  return { key, isNew: true, path }
}

/**
 * Writes a file that is there whole or not at all, and stays after a power cut: nothing may be sealed with a key that
 * could be lost. @throws Error with code `EEXIST` when there is one already: of two first starts at once, one fails.
 */
function writeNewFile(path: string, text: string): void {
  const temporary = `${path}.${randomBytes(4).toString('hex')}`
  try {
    const file = openSync(temporary, 'wx', 0o600)
    try {
      writeSync(file, text)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    linkSync(temporary, path)
  } finally {
    rmSync(temporary, { force: true })
  }
  const directory = openSync(dirname(path), 'r')
  try {
    fsyncSync(directory)
  } finally {
    closeSync(directory)
  }
}
