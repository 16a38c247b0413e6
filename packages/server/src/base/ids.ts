import { hash, randomBytes, randomFillSync } from 'node:crypto'
import { crc32 } from 'node:zlib'

/** Crockford-like lower-case alphabet without look-alikes; 32 symbols, so a byte maps without bias. */
const ID_ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** 256 random bits (ASVS 11.5.1 asks for 128). */
const TOKEN_BYTES = 32
/** Base62 digits that hold 256 bits, and 32 bits. */
const TOKEN_DIGITS = 43
const CHECKSUM_DIGITS = 6

/** Makes an id such as `prj_5k2m…`: the kind, and 100 random bits. Ids name things; they are no secrets. */
export function newId(kind: string): string {
  let id = `${kind}_`
  for (const byte of randomBytes(20)) id += ID_ALPHABET[byte & 31]
  return id
}

/** Makes the nonce of one page's styles: 128 random bits (CSP Level 3 §7.1). */
export const newStyleNonce = (): string => randomBytes(16).toString('base64')

const TRACE_BYTES = 8
/** Random bytes for the next trace ids: one call for many, since each request needs one. */
const traceBytes = Buffer.alloc(TRACE_BYTES * 512)
let traceOffset = traceBytes.length

/** Makes a trace id, 64 random bits in hex. It names a request and is no secret. */
export function newTraceId(): string {
  if (traceOffset === traceBytes.length) {
    randomFillSync(traceBytes)
    traceOffset = 0
  }
  traceOffset += TRACE_BYTES
  return traceBytes.toString('hex', traceOffset - TRACE_BYTES, traceOffset)
}

/** Random bytes for keys and nonces. */
export function randomKey(bytes: number): Buffer {
  return randomBytes(bytes)
}

function base62(bytes: Uint8Array, digits: number): string {
  let number = BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
  let text = ''
  for (let i = 0; i < digits; i++) {
    text = BASE62[Number(number % 62n)] + text
    number /= 62n
  }
  return text
}

function checksum(prefix: string, body: string): string {
  let number = crc32(prefix + body)
  let text = ''
  for (let i = 0; i < CHECKSUM_DIGITS; i++) {
    text = BASE62[number % 62] + text
    number = Math.floor(number / 62)
  }
  return text
}

/**
 * Makes a token: prefix, 43 base62 digits of 256 random bits, 6 base62 digits of the CRC32 of all before. The prefix
 * lets scanners find a leaked token, the checksum tells a typo from a wrong token without a look-up (the form that
 * GitHub published in 2021).
 */
export function newToken(prefix: string): string {
  const body = base62(randomBytes(TOKEN_BYTES), TOKEN_DIGITS)
  return prefix + body + checksum(prefix, body)
}

/** Whether `token` has the prefix, the length and the checksum of {@link newToken}. Says nothing about validity. */
export function isToken(prefix: string, token: string): boolean {
  if (!token.startsWith(prefix) || token.length !== prefix.length + TOKEN_DIGITS + CHECKSUM_DIGITS)
    return false
  const body = token.slice(prefix.length, -CHECKSUM_DIGITS)
  return checksum(prefix, body) === token.slice(-CHECKSUM_DIGITS)
}

/** Hash under which sessions, tokens and codes are stored: they are random, so one round of SHA-256 is enough. */
export function hashToken(token: string): Buffer {
  return hash('sha256', token, 'buffer')
}

/** Tells two texts apart by a short one that shows neither: 132 bits of SHA-256. */
export function fingerprint(text: string): string {
  return hash('sha256', text, 'base64url').slice(0, 22)
}
