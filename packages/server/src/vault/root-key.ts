import { createHmac, hkdfSync, randomBytes } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'

const ROOT_KEY_BYTES = 32

/** The key above all others. It lives outside the database, and only ever wraps keyring keys. */
export interface RootKey {
  /** Wraps the keyring: HKDF-SHA-256 (RFC 5869) of the root key, so that the root key itself encrypts nothing. */
  readonly wrappingKey: Buffer
  /** Encrypts backups, likewise derived. */
  readonly backupKey: Buffer
  /** Tells which root key this is without telling anything about it, such as `3f9a-81c2-77d0-5e1b`. */
  readonly fingerprint: string
}

/** Derives what is used of a root key of 32 bytes. */
export function deriveRootKey(key: Buffer): RootKey {
  const derive = (purpose: string) =>
    Buffer.from(hkdfSync('sha256', key, new Uint8Array(), `keyhold/v1/root/${purpose}`, 32))
  const print = createHmac('sha256', key).update('keyhold/v1/root/fingerprint').digest('hex').slice(0, 16)
  return {
    wrappingKey: derive('wrap-keyring'),
    backupKey: derive('backup'),
    fingerprint: print.replace(/(.{4})(?=.)/g, '$1-'),
  }
}

/** A root key, and the file it was read from. */
export interface RootKeyFile {
  readonly key: Buffer
  readonly path: string
}

const KEY_FILE = 'root.key'
/** Where a prepared root key is until it takes over. */
const NEXT_KEY_FILE = 'root.key.next'

export const nextKeyPath = (dataDir: string): string => join(dataDir, NEXT_KEY_FILE)

/** Reads a root key file. @throws Error when it is missing or malformed. */
export function readKeyFile(path: string): RootKeyFile {
  const key = Buffer.from(readFileSync(path, 'utf8').trim(), 'base64')
  if (key.length !== ROOT_KEY_BYTES) throw new Error(`${path} does not hold a root key (32 bytes in base64)`)
  return { key, path }
}

/** Makes a root key in a new file. @throws Error with code `EEXIST` when there is one already. */
export function makeKeyFile(path: string): RootKeyFile {
  const key = randomBytes(ROOT_KEY_BYTES)
  writeNewFile(path, `${key.toString('base64')}\n`)
  return { key, path }
}

/** Writes a root key that is known already, such as from a recovery kit. */
export function writeKeyFile(dataDir: string, key: Uint8Array): string {
  const path = join(dataDir, KEY_FILE)
  writeNewFile(path, `${Buffer.from(key).toString('base64')}\n`)
  return path
}

/**
 * Reads the root keys of the data directory: `root.key`, which is made when `mayCreate`, and the one that was prepared to
 * take over. @returns the keys, and whether the first is new. @throws Error when it is missing or malformed.
 */
export function readRootKeyFiles(
  dataDir: string,
  mayCreate: boolean,
): { files: RootKeyFile[]; isNew: boolean } {
  const path = join(dataDir, KEY_FILE)
  const next = nextKeyPath(dataDir)
  if (existsSync(path)) {
    return { files: [path, ...(existsSync(next) ? [next] : [])].map(readKeyFile), isNew: false }
  }
  if (!mayCreate) {
    throw new Error(
      `${path} is missing, and this database already has a keyring. Restore the file, or set KEYHOLD_ROOT_KEY`,
    )
  }
  return { files: [makeKeyFile(path)], isNew: true }
}

/**
 * Puts `root.key.next` in the place of `root.key`, which stays as `root.key.<fingerprint>`. May be repeated after it was
 * interrupted anywhere: at each moment both keys are in the directory, and a server finds the one it needs.
 * @returns where the old key is, or undefined when there is nothing to do.
 */
export function promoteNextKeyFile(dataDir: string): string | undefined {
  const next = nextKeyPath(dataDir)
  const path = join(dataDir, KEY_FILE)
  if (!existsSync(next) || !existsSync(path)) return undefined
  const archived = `${path}.${deriveRootKey(readKeyFile(path).key).fingerprint}`
  if (!existsSync(archived)) linkSync(path, archived)
  syncDirectory(dataDir)
  renameSync(next, path)
  syncDirectory(dataDir)
  return archived
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
  syncDirectory(dirname(path))
}

/** Makes names in a directory stay after a power cut. */
export function syncDirectory(path: string): void {
  const directory = openSync(path, 'r')
  try {
    fsyncSync(directory)
  } finally {
    closeSync(directory)
  }
}
