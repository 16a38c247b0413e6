import { createCipheriv, createDecipheriv, hash, hkdfSync } from 'node:crypto'
import { randomKey } from '../base/ids.ts'
import type { RootKey } from './root-key.ts'

/*
 * A backup file:
 *
 *   keyhold-backup/1 <TAB> header as JSON <LF>
 *   chunks of 64 KiB, each with a tag of 16 bytes; the last one may be shorter
 *
 * Every file has a key of its own: HKDF-SHA-256 (RFC 5869) of the backup key, which is derived from the root key, with the
 * salt of the header and the hash of the whole first line, so that nobody exchanges or changes a header. Chunks are
 * AES-256-GCM with their number as nonce, and a byte that says which is the last: the STREAM construction (Hoang, Reyhanitabar,
 * Rogaway, Vizár: "Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance", 2015), as in age. A chunk that was
 * changed, moved, left out or cut off does not open. A nonce is used once, since no two files have the same key.
 */

const MAGIC = 'keyhold-backup/1'
const CHUNK_BYTES = 65_536
const TAG_BYTES = 16
const SALT_BYTES = 32
/** The first line is a few hundred bytes. */
const HEADER_BYTES_MAX = 4_096

/** A file that is no backup, or not the one that was written. The message says which. */
export class BackupFileError extends Error {}

/** What can be read of a backup without a key. */
export interface BackupHeader {
  /** Id of the instance. */
  readonly instance: string
  /** Of the root key that opens it. */
  readonly rootFingerprint: string
  /** ISO 8601. */
  readonly madeAt: string
  /** Base64. */
  readonly salt: string
}

/** Encrypts a backup: yields the file, piece by piece. */
export async function* encryptBackup(
  rootKey: RootKey,
  about: Omit<BackupHeader, 'salt' | 'rootFingerprint'>,
  plaintext: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const header: BackupHeader = {
    ...about,
    rootFingerprint: rootKey.fingerprint,
    salt: randomKey(SALT_BYTES).toString('base64'),
  }
  const line = `${MAGIC}\t${JSON.stringify(header)}\n`
  yield Buffer.from(line)
  const key = fileKey(rootKey, line, header)
  let count = 0
  let last: Buffer | undefined
  for await (const chunk of chunksOf(plaintext, CHUNK_BYTES)) {
    if (last) yield seal(key, count++, false, last)
    last = chunk
  }
  yield seal(key, count, true, last ?? Buffer.alloc(0))
}

/**
 * Decrypts a backup: yields what was encrypted, and throws at the end of a file that was cut off.
 * @param line the first line, see {@link readBackupHeader}. @param chunks what follows it. @throws BackupFileError
 */
export async function* decryptBackup(
  rootKey: RootKey,
  line: string,
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Buffer> {
  const key = fileKey(rootKey, line, parseHeader(line))
  let count = 0
  let last: Buffer | undefined
  for await (const chunk of chunksOf(chunks, CHUNK_BYTES + TAG_BYTES)) {
    if (last) yield open(key, count++, false, last)
    last = chunk
  }
  yield open(key, count, true, last ?? Buffer.alloc(0))
}

/** Reads the first line of a backup file. @param start its first bytes. @throws BackupFileError */
export function readBackupHeader(start: Uint8Array): { line: string; header: BackupHeader } {
  const text = Buffer.from(start.subarray(0, HEADER_BYTES_MAX)).toString('latin1')
  const end = text.indexOf('\n')
  if (!text.startsWith(`${MAGIC}\t`) || end < 0) throw new BackupFileError('this is no backup of Keyhold')
  const line = text.slice(0, end + 1)
  return { line, header: parseHeader(line) }
}

function parseHeader(line: string): BackupHeader {
  try {
    const header = JSON.parse(line.slice(MAGIC.length + 1)) as Partial<BackupHeader> | null // `as`: looked at below.
    const isWhole = ['instance', 'rootFingerprint', 'madeAt', 'salt'].every(
      (name) => typeof header?.[name as keyof BackupHeader] === 'string', // `as`: names of the list.
    )
    if (isWhole) return header as BackupHeader // `as`: all of it is there.
  } catch {
    // Told below.
  }
  throw new BackupFileError('the first line of the backup was changed')
}

function fileKey(rootKey: RootKey, line: string, { salt }: BackupHeader): Buffer {
  const info = Buffer.concat([Buffer.from('keyhold/v1/backup-file/'), hash('sha256', line, 'buffer')])
  return Buffer.from(hkdfSync('sha256', rootKey.backupKey, Buffer.from(salt, 'base64'), info, 32))
}

/** Number of the chunk, then whether it is the last: 12 bytes. */
function nonceOf(count: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(12)
  nonce.writeUIntBE(count, 5, 6)
  nonce[11] = isLast ? 1 : 0
  return nonce
}

function seal(key: Buffer, count: number, isLast: boolean, plaintext: Buffer): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, nonceOf(count, isLast))
  const ciphertext = cipher.update(plaintext)
  cipher.final()
  return Buffer.concat([ciphertext, cipher.getAuthTag()])
}

function open(key: Buffer, count: number, isLast: boolean, sealed: Buffer): Buffer {
  const whole = 'the backup was changed or cut off'
  if (sealed.length < TAG_BYTES) throw new BackupFileError(`${whole}: its end is missing`)
  const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(count, isLast), { authTagLength: TAG_BYTES })
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES))
  const plaintext = decipher.update(sealed.subarray(0, -TAG_BYTES))
  try {
    decipher.final()
    return plaintext
  } catch {
    throw new BackupFileError(`${whole}: ${isLast ? 'its last part' : `part ${count + 1}`} does not open`)
  }
}

/** The same bytes in pieces of `size`, the last of which may be shorter. */
async function* chunksOf(source: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Buffer> {
  let parts: Uint8Array[] = []
  let length = 0
  for await (const piece of source) {
    parts.push(piece)
    length += piece.length
    if (length < size) continue
    const bytes = Buffer.concat(parts)
    let start = 0
    for (; length - start >= size; start += size) yield bytes.subarray(start, start + size)
    parts = [bytes.subarray(start)]
    length -= start
  }
  if (length > 0) yield Buffer.concat(parts)
}
