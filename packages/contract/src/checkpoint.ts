import { HASH_BYTES, type Sha256 } from './merkle.ts'

/*
 * Signed heads of the audit tree: C2SP tlog-checkpoint, which is a C2SP signed-note with the lines
 *
 *   origin
 *   size in decimal
 *   root hash in base64
 *   (empty line)
 *   — key-name base64(key hash, 4 bytes ‖ Ed25519 signature, 64 bytes)
 *
 * https://c2sp.org/tlog-checkpoint, https://c2sp.org/signed-note
 */

/** Signature type of Ed25519 in signed notes. */
const ED25519 = 0x01
const KEY_HASH_BYTES = 4
const KEY_BYTES = 32

export interface Checkpoint {
  readonly origin: string
  readonly size: number
  readonly root: Uint8Array
}

export interface VerifierKey {
  readonly name: string
  /** Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array
}

const text = new TextEncoder()

export function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
}

/** @returns undefined when `encoded` is not canonical base64. */
export function fromBase64(encoded: string): Uint8Array | undefined {
  try {
    const bytes = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0))
    return toBase64(bytes) === encoded ? bytes : undefined
  } catch {
    return undefined
  }
}

/** The part that is signed, with its newline at the end. */
export function checkpointBody({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${toBase64(root)}\n`
}

/** First four bytes of SHA-256 over name, newline, type and key: tells keys of one name apart. */
function keyHash(sha256: Sha256, { name, publicKey }: VerifierKey): Uint8Array {
  return sha256(Uint8Array.of(...text.encode(`${name}\n`), ED25519, ...publicKey)).slice(0, KEY_HASH_BYTES)
}

/** Writes a verifier key as `name+hash+key`. */
export function formatVerifierKey(sha256: Sha256, key: VerifierKey): string {
  const hash = [...keyHash(sha256, key)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
  return `${key.name}+${hash}+${toBase64(Uint8Array.of(ED25519, ...key.publicKey))}`
}

/** Reads `name+hash+key`. @returns undefined when it is malformed or the hash does not match. */
export function parseVerifierKey(sha256: Sha256, formatted: string): VerifierKey | undefined {
  const match = /^([^\s+]+)\+([0-9a-f]{8})\+(\S+)$/.exec(formatted.trim())
  const bytes = match && fromBase64(match[3]!)
  if (!match || !bytes || bytes.length !== 1 + KEY_BYTES || bytes[0] !== ED25519) return undefined
  const key = { name: match[1]!, publicKey: bytes.slice(1) }
  return formatVerifierKey(sha256, key) === formatted.trim() ? key : undefined
}

/** Joins the signed part and its signature. */
export function signedCheckpoint(
  sha256: Sha256,
  checkpoint: Checkpoint,
  key: VerifierKey,
  signature: Uint8Array,
): string {
  const signed = Uint8Array.of(...keyHash(sha256, key), ...signature)
  return `${checkpointBody(checkpoint)}\n— ${key.name} ${toBase64(signed)}\n`
}

/**
 * Reads a checkpoint and checks its signature.
 * @param verify Ed25519 verification. @returns undefined when it is malformed or not signed by `key`.
 */
export async function openCheckpoint(
  sha256: Sha256,
  verify: (publicKey: Uint8Array, signature: Uint8Array, message: Uint8Array) => boolean | Promise<boolean>,
  note: string,
  key: VerifierKey,
): Promise<Checkpoint | undefined> {
  const match = /^([^\n]+)\n(0|[1-9]\d{0,15})\n([A-Za-z0-9+/=]+)\n((?:[^\n]+\n)*)\n((?:— [^\n]+\n)+)$/.exec(
    note,
  )
  const root = match && fromBase64(match[3]!)
  if (!match || !root || root.length !== HASH_BYTES || match[1] !== key.name) return undefined
  const body = text.encode(note.slice(0, note.indexOf('\n\n') + 1))
  const hash = keyHash(sha256, key)
  for (const line of match[5]!.trimEnd().split('\n')) {
    const [, name, encoded] = line.split(' ')
    const signed = encoded === undefined ? undefined : fromBase64(encoded)
    if (name !== key.name || !signed || signed.length !== KEY_HASH_BYTES + 64) continue
    if (!hash.every((byte, i) => signed[i] === byte)) continue
    // A wrong signature by the key itself spoils the note, whatever else is on it, as in Go's sumdb/note.
    const isRight = await verify(key.publicKey, signed.slice(KEY_HASH_BYTES), body)
    return isRight ? { origin: match[1]!, size: Number(match[2]), root } : undefined
  }
  return undefined
}
