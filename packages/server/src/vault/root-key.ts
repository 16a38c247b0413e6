import { createHmac, hkdfSync, randomBytes } from 'node:crypto'
import {
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import type { Secret } from '@keyhold/contract/secret'
import {
  isSealed,
  openSealedRootKey,
  SealedRootKeyError,
  sealedFingerprint,
  sealRootKey,
  WrongPassphraseError,
} from './sealed-root-key.ts'

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

export const keyPath = (dataDir: string): string => join(dataDir, KEY_FILE)

/**
 * Reads a root key file. @param passphrase opens it when it is sealed. @throws Error when it is missing or malformed,
 * SealedRootKeyError when it is sealed and there is no passphrase, WrongPassphraseError when that does not open it.
 */
export async function readKeyFile(path: string, passphrase?: Secret<string>): Promise<RootKeyFile> {
  const text = readFileSync(path, 'utf8')
  if (!isSealed(text)) return { key: parseKey(text, path), path }
  if (passphrase) return { key: await openSealedRootKey(text, path, passphrase), path }
  throw new SealedRootKeyError(
    `${path} is sealed: run this on a terminal and type the passphrase, or set KEYHOLD_ROOT_KEY_PASSPHRASE_FILE`,
  )
}

function parseKey(text: string, path: string): Buffer {
  const key = Buffer.from(text.trim(), 'base64')
  if (key.length !== ROOT_KEY_BYTES) throw new Error(`${path} does not hold a root key (32 bytes in base64)`)
  return key
}

/** Whether a file holds a sealed root key; false when there is none. */
export function isSealedFile(path: string): boolean {
  return existsSync(path) && isSealed(readFileSync(path, 'utf8'))
}

/** Fingerprint of the root key in a file, which needs no passphrase. @throws Error when it is missing or malformed. */
export function fingerprintIn(path: string): string {
  const text = readFileSync(path, 'utf8')
  return isSealed(text) ? sealedFingerprint(text, path) : deriveRootKey(parseKey(text, path)).fingerprint
}

/** The first sealed one of the files that a server starts with; undefined when none is. */
export function findSealedFile(dataDir: string): string | undefined {
  return [keyPath(dataDir), nextKeyPath(dataDir)].find(isSealedFile)
}

/**
 * Root key files of the data directory: those that were current, the one that is to take over, and `root.key` last, so that
 * whoever changes them one after the other is done when that one is.
 */
export function listKeyFiles(dataDir: string): string[] {
  const archived = readdirSync(dataDir).filter((name) => ARCHIVED.test(name))
  const all = [...archived.map((name) => join(dataDir, name)), nextKeyPath(dataDir), keyPath(dataDir)]
  return all.filter((path) => existsSync(path))
}

const ARCHIVED = /^root[.]key[.][0-9a-f]{4}(?:-[0-9a-f]{4}){3}$/
/** What was being written when a process was killed, and may be a key in clear. */
const LEFT_BEHIND = /^root[.]key(?:[.].+)?[.][0-9a-f]{8}[.]partial$/

/**
 * Puts a root key into the place of its own file, sealed or, without a passphrase, in clear. There is a whole file at each
 * moment, also after a power cut: the old one until the new one is on disk.
 */
export async function rewriteKeyFile({ key, path }: RootKeyFile, passphrase?: Secret<string>): Promise<void> {
  const text = await keyText(key, passphrase)
  // Nothing is replaced by what does not open.
  if (passphrase && !(await openSealedRootKey(text, path, passphrase)).equals(key))
    throw new Error(`${path} was not sealed: what was made does not open`)
  const temporary = temporaryName(path)
  const { uid, gid } = statSync(path)
  try {
    writeSynced(temporary, text)
    // Whoever may do this as root must not take the file from the user that the server runs as.
    if (uid !== process.getuid?.()) chownSync(temporary, uid, gid)
    renameSync(temporary, path)
  } finally {
    rmSync(temporary, { force: true })
  }
  syncDirectory(dirname(path))
}

/** Deletes what interrupted writing left of root keys: it may be in clear. */
export function removeLeftBehind(dataDir: string): void {
  for (const name of readdirSync(dataDir)) if (LEFT_BEHIND.test(name)) rmSync(join(dataDir, name))
}

async function keyText(key: Buffer, passphrase?: Secret<string>): Promise<string> {
  return passphrase
    ? sealRootKey(key, deriveRootKey(key).fingerprint, passphrase)
    : `${key.toString('base64')}\n`
}

/** Makes a root key in a new file, sealed when there is a passphrase. @throws Error with code `EEXIST` when there is one already. */
export async function makeKeyFile(path: string, passphrase?: Secret<string>): Promise<RootKeyFile> {
  const key = randomBytes(ROOT_KEY_BYTES)
  writeNewFile(path, await keyText(key, passphrase))
  return { key, path }
}

/** Writes a root key that is known already, such as from a recovery kit. */
export function writeKeyFile(dataDir: string, key: Uint8Array): string {
  const path = keyPath(dataDir)
  writeNewFile(path, `${Buffer.from(key).toString('base64')}\n`)
  return path
}

/**
 * Reads the root keys of the data directory: `root.key`, which is made when `mayCreate`, and the one that was prepared to
 * take over. @param passphrase opens those that are sealed; of two it may open one, as when changing it was interrupted.
 * @returns the keys, and whether the first is new. @throws Error when it is missing or malformed, and as {@link readKeyFile}.
 */
export async function readRootKeyFiles(
  dataDir: string,
  mayCreate: boolean,
  passphrase?: Secret<string>,
): Promise<{ files: RootKeyFile[]; isNew: boolean }> {
  const path = keyPath(dataDir)
  const next = nextKeyPath(dataDir)
  if (existsSync(path)) {
    const paths = [path, ...(existsSync(next) ? [next] : [])]
    return { files: await readAllThatOpen(paths, passphrase), isNew: false }
  }
  if (!mayCreate) {
    throw new Error(
      `${path} is missing, and this database already has a keyring. Restore the file, or set KEYHOLD_ROOT_KEY`,
    )
  }
  return { files: [await makeKeyFile(path)], isNew: true }
}

async function readAllThatOpen(
  paths: readonly string[],
  passphrase?: Secret<string>,
): Promise<RootKeyFile[]> {
  const files: RootKeyFile[] = []
  let wrong: WrongPassphraseError | undefined
  for (const path of paths) {
    try {
      files.push(await readKeyFile(path, passphrase))
    } catch (error) {
      if (!(error instanceof WrongPassphraseError)) throw error
      wrong ??= error
    }
  }
  if (files.length === 0 && wrong) throw wrong
  return files
}

/**
 * Puts `root.key.next` in the place of `root.key`, which stays as `root.key.<fingerprint>`. May be repeated after it was
 * interrupted anywhere: at each moment both keys are in the directory, and a server finds the one it needs.
 * @returns where the old key is, or undefined when there is nothing to do.
 */
export function promoteNextKeyFile(dataDir: string): string | undefined {
  const next = nextKeyPath(dataDir)
  const path = keyPath(dataDir)
  if (!existsSync(next) || !existsSync(path)) return undefined
  const archived = `${path}.${fingerprintIn(path)}`
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
  const temporary = temporaryName(path)
  try {
    writeSynced(temporary, text)
    linkSync(temporary, path)
  } finally {
    rmSync(temporary, { force: true })
  }
  syncDirectory(dirname(path))
}

const temporaryName = (path: string): string => `${path}.${randomBytes(4).toString('hex')}.partial`

/** Writes a file that is on disk when this returns. */
function writeSynced(path: string, text: string): void {
  const file = openSync(path, 'wx', 0o600)
  try {
    writeSync(file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
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
