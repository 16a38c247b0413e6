import { createCipheriv, createDecipheriv, type KeyObject, randomBytes } from 'node:crypto'

/*
 * The one format of everything encrypted (AES-256-GCM, NIST SP 800-38D):
 *
 *   byte 0       0x01: this format and this algorithm
 *   bytes 1-16   id of the key
 *   bytes 17-28  nonce, random
 *   …            ciphertext, as long as the plaintext
 *   last 16      tag
 *
 * Additional authenticated data: the first 17 bytes, then the context, each part with its length before it, so that no
 * two lists of parts read the same.
 */

const FORMAT = 0x01
export const KEY_ID_BYTES = 16
/** SP 800-38D §8.2.2: 96 random bits allow 2^32 messages per key; callers stop far below. */
const NONCE_BYTES = 12
const TAG_BYTES = 16
const HEADER_BYTES = 1 + KEY_ID_BYTES
/** How much longer a sealed value is than the value. */
export const SEALED_OVERHEAD_BYTES = HEADER_BYTES + NONCE_BYTES + TAG_BYTES

/** What a ciphertext belongs to: purpose, scope, record, name, version … A blob moved elsewhere does not open. */
export type Context = readonly (string | number)[]

/** The additional authenticated data: `header`, then each part of the context with its length (4 bytes) before it. */
function authenticated(header: Uint8Array, context: Context): Buffer {
  const texts = context.map(String)
  const size = texts.reduce((sum, text) => sum + 4 + Buffer.byteLength(text), header.length)
  const bytes = Buffer.allocUnsafe(size)
  bytes.set(header)
  let offset = header.length
  for (const text of texts) {
    const length = bytes.write(text, offset + 4)
    bytes.writeUInt32BE(length, offset)
    offset += 4 + length
  }
  return bytes
}

/** Encrypts `plaintext` for `context`. @param keyId 16 bytes, kept in clear to find the key again. */
export function encrypt(key: KeyObject, keyId: Uint8Array, context: Context, plaintext: Uint8Array): Buffer {
  const nonce = randomBytes(NONCE_BYTES)
  return encryptWithNonce(key, keyId, context, plaintext, nonce)
}

/** For known-answer tests only: a nonce must never be used twice with a key. */
export function encryptWithNonce(
  key: KeyObject,
  keyId: Uint8Array,
  context: Context,
  plaintext: Uint8Array,
  nonce: Uint8Array,
): Buffer {
  const header = Buffer.concat([Uint8Array.of(FORMAT), keyId])
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  cipher.setAAD(authenticated(header, context))
  const ciphertext = cipher.update(plaintext)
  cipher.final()
  return Buffer.concat([header, nonce, ciphertext, cipher.getAuthTag()])
}

/** Id of the key that `sealed` names; undefined when it is not in the format. */
export function keyIdOf(sealed: Uint8Array): Buffer | undefined {
  if (sealed.length < HEADER_BYTES + NONCE_BYTES + TAG_BYTES || sealed[0] !== FORMAT) return undefined
  return Buffer.from(sealed.subarray(1, HEADER_BYTES))
}

/** Decrypts. @returns undefined when key, context or any bit is not the one it was encrypted with. */
export function decrypt(key: KeyObject, context: Context, sealed: Uint8Array): Buffer | undefined {
  if (!keyIdOf(sealed)) return undefined
  const body = HEADER_BYTES + NONCE_BYTES
  const end = sealed.length - TAG_BYTES
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(HEADER_BYTES, body), {
    authTagLength: TAG_BYTES,
  })
  decipher.setAAD(authenticated(sealed.subarray(0, HEADER_BYTES), context))
  decipher.setAuthTag(sealed.subarray(end))
  const plaintext = decipher.update(sealed.subarray(body, end))
  try {
    decipher.final()
    return plaintext
  } catch {
    // The plaintext of a failed tag is not to be looked at.
    plaintext.fill(0)
    return undefined
  }
}
