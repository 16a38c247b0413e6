import { argon2, createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import type { Secret } from '@keyhold/contract/secret'

/*
 * A root key that a passphrase opens:
 *
 *   keyhold-sealed-root-key/1 <TAB> header as JSON <LF>
 *   nonce (12 bytes), ciphertext of the 32 bytes of the key, tag (16 bytes), all in base64 <LF>
 *
 * AES-256-GCM (NIST SP 800-38D) with a key that Argon2id (RFC 9106) makes of the passphrase. The first line is authenticated
 * with it, so nobody exchanges the fingerprint, the salt or the parameters. Each file has a salt of its own, therefore a key
 * of its own, and encrypts once.
 */

const MAGIC = 'keyhold-sealed-root-key/1\t'
const SALT_BYTES = 16
const NONCE_BYTES = 12
const TAG_BYTES = 16
const KEY_BYTES = 32
const argon2Async = promisify(argon2)

/**
 * RFC 9106 §4 recommends 64 MiB and 3 passes where there is little memory. A server starts seldom, so there are more passes,
 * about half a second; more memory would not fit beside the server into a small container.
 */
const PARAMETERS = { memoryKiB: 65_536, passes: 10, lanes: 1 }
/** Whoever changes the header must not make a start take all memory, or for ever. */
const MEMORY_KIB_MAX = 1_048_576
const PASSES_MAX = 100
const LANES_MAX = 16
const MEMORY_KIB_MIN = 8_192

interface Header {
  /** Of the root key, in clear: which key this is has to be seen without opening it. */
  readonly fingerprint: string
  readonly kdf: 'argon2id'
  readonly memoryKiB: number
  readonly passes: number
  readonly lanes: number
  /** Base64. */
  readonly salt: string
}

/** A root key that is sealed, where no passphrase was given, or a file that is damaged. The message says which. */
export class SealedRootKeyError extends Error {}

/** A passphrase that does not open the file; or the file was changed, which looks the same. */
export class WrongPassphraseError extends Error {}

/** Whether the text of a root key file is sealed. */
export const isSealed = (text: string): boolean => text.startsWith('keyhold-sealed-root-key/')

/** Fingerprint of the root key in a sealed file. @throws SealedRootKeyError when it is damaged. */
export const sealedFingerprint = (text: string, path: string): string => parse(text, path).header.fingerprint

/** Seals a root key of 32 bytes. @returns the text of its file. */
export async function sealRootKey(
  key: Buffer,
  fingerprint: string,
  passphrase: Secret<string>,
): Promise<string> {
  const salt = randomBytes(SALT_BYTES)
  const header: Header = { fingerprint, kdf: 'argon2id', ...PARAMETERS, salt: salt.toString('base64') }
  const line = `${MAGIC}${JSON.stringify(header)}\n`
  const nonce = randomBytes(NONCE_BYTES)
  const sealing = await stretch(passphrase, header)
  const cipher = createCipheriv('aes-256-gcm', sealing, nonce)
  cipher.setAAD(Buffer.from(line))
  const body = Buffer.concat([nonce, cipher.update(key), cipher.final(), cipher.getAuthTag()])
  sealing.fill(0)
  return `${line}${body.toString('base64')}\n`
}

/** Opens a sealed root key. @param path for messages. @throws WrongPassphraseError, SealedRootKeyError */
export async function openSealedRootKey(
  text: string,
  path: string,
  passphrase: Secret<string>,
): Promise<Buffer> {
  const { line, header, body } = parse(text, path)
  const opening = await stretch(passphrase, header)
  const end = body.length - TAG_BYTES
  const decipher = createDecipheriv('aes-256-gcm', opening, body.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  })
  decipher.setAAD(Buffer.from(line))
  decipher.setAuthTag(body.subarray(end))
  const key = decipher.update(body.subarray(NONCE_BYTES, end))
  opening.fill(0)
  try {
    decipher.final()
    return key
  } catch {
    key.fill(0)
    throw new WrongPassphraseError(`the passphrase does not open ${path}, or that file was changed`)
  }
}

/** NFC, so that one passphrase typed on two systems is one (NIST SP 800-63B §3.1.1.2). */
function stretch(passphrase: Secret<string>, { memoryKiB, passes, lanes, salt }: Header): Promise<Buffer> {
  const message = Buffer.from(passphrase.reveal().normalize('NFC'))
  const nonce = Buffer.from(salt, 'base64')
  return argon2Async('argon2id', {
    message,
    nonce,
    tagLength: KEY_BYTES,
    memory: memoryKiB,
    passes,
    parallelism: lanes,
  }).finally(() => message.fill(0))
}

function parse(text: string, path: string): { line: string; header: Header; body: Buffer } {
  if (!text.startsWith(MAGIC))
    throw new SealedRootKeyError(`${path} is sealed in a form that this version of Keyhold does not know`)
  const end = text.indexOf('\n') + 1
  const line = text.slice(0, end)
  const body = Buffer.from(text.slice(end).trim(), 'base64')
  const header = readHeader(line.slice(MAGIC.length))
  if (!header || body.length !== NONCE_BYTES + KEY_BYTES + TAG_BYTES)
    throw new SealedRootKeyError(
      `${path} is damaged: put a copy of it in its place, or keyhold admin recovery-kit use`,
    )
  return { line, header, body }
}

/** @returns undefined when it is none, or asks for more than any version of Keyhold did. */
function readHeader(json: string): Header | undefined {
  let parsed: Partial<Record<keyof Header, unknown>>
  try {
    parsed = JSON.parse(json)
  } catch {
    return undefined
  }
  const { fingerprint, kdf, memoryKiB, passes, lanes, salt } = parsed ?? {}
  const isWithin = (value: unknown, min: number, max: number): value is number =>
    Number.isInteger(value) && Number(value) >= min && Number(value) <= max
  if (typeof fingerprint !== 'string' || !/^[0-9a-f]{4}(?:-[0-9a-f]{4}){3}$/.test(fingerprint))
    return undefined
  if (kdf !== 'argon2id' || !isWithin(memoryKiB, MEMORY_KIB_MIN, MEMORY_KIB_MAX)) return undefined
  if (!isWithin(passes, 1, PASSES_MAX) || !isWithin(lanes, 1, LANES_MAX)) return undefined
  if (typeof salt !== 'string' || Buffer.from(salt, 'base64').length !== SALT_BYTES) return undefined
  return { fingerprint, kdf, memoryKiB, passes, lanes, salt }
}
