import { createHash, ECDH } from 'node:crypto'
import { limits } from '@keyhold/contract/limits'
import { looksLikePrivateKey } from '@keyhold/contract/private-key'
import { type AppError, invalidField } from './app-error.ts'
import { SshFormatError, SshReader } from './ssh-wire.ts'

/*
 *   ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI… ann@laptop
 *   ───type──── ────────────blob─────────── ─comment──
 *
 * One line of OpenSSH. The blob repeats the type (RFC 4253 §6.6, RFC 5656 §3.1, RFC 8709 §4, PROTOCOL.u2f). It is read
 * strictly, so that one key has one blob: what has two forms could be registered twice.
 */

/** A public key as OpenSSH writes it. */
export interface SshPublicKey {
  readonly type: string
  readonly blob: Buffer
  /** Empty when there is none. */
  readonly comment: string
  /** As `ssh-keygen -l` counts them. */
  readonly bits: number
  /** `SHA256:` and 43 characters of base64. */
  readonly fingerprint: string
}

/** Reads the fields of a blob that follow its type. @returns the bits. @throws SshFormatError, with a text to show. */
type FieldReader = (fields: SshReader) => number

const types: Readonly<Record<string, FieldReader>> = {
  'ssh-ed25519': readEd25519,
  'ecdsa-sha2-nistp256': (fields) => readEcdsa(fields, 'nistp256'),
  'ecdsa-sha2-nistp384': (fields) => readEcdsa(fields, 'nistp384'),
  'ecdsa-sha2-nistp521': (fields) => readEcdsa(fields, 'nistp521'),
  'ssh-rsa': readRsa,
  'sk-ssh-ed25519@openssh.com': (fields) => withApplication(fields, readEd25519),
  'sk-ecdsa-sha2-nistp256@openssh.com': (fields) =>
    withApplication(fields, () => readEcdsa(fields, 'nistp256')),
}

const curves = {
  nistp256: { openssl: 'prime256v1', bits: 256 },
  nistp384: { openssl: 'secp384r1', bits: 384 },
  nistp521: { openssl: 'secp521r1', bits: 521 },
} as const

const RSA_BITS_MIN = 2048
/** What OpenSSH reads (SSHBUF_MAX_BIGNUM). */
const RSA_BITS_MAX = 16_384
/** What OpenSSL verifies with (OPENSSL_RSA_MAX_PUBEXP_BITS). */
const RSA_EXPONENT_BITS_MAX = 64
const APPLICATION = /^[\x21-\x7e]{1,255}$/
/** No control characters, line separators or halves of characters: it is shown in lists and on terminals. */
const COMMENT = /^[^\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]*$/u

const FIELD = 'publicKey'
const HOW = 'send the one line of the file that ends in .pub'
const refused = (message: string): AppError => invalidField(FIELD, message)

/** Reads a line as `ssh-keygen` writes it. Blanks and line ends around it are left out. @throws AppError `request.invalid`. */
export function parsePublicKeyLine(text: string): SshPublicKey {
  if (looksLikePrivateKey(text)) {
    throw refused(
      'this is a private key. It was neither stored nor logged, but it has left its machine: make a new pair with ssh-keygen, and send the one line of the file that ends in .pub',
    )
  }
  const line = text.trim()
  if (line === '') throw refused(`is empty; ${HOW}`)
  if (/^-{4}/.test(line)) throw refused('is not in the form of OpenSSH; convert it with: ssh-keygen -i')
  if (/[\r\n]/.test(line))
    throw refused('has several lines; send one key at a time, without line breaks in it')
  const [, type = '', base64 = '', rest = ''] = /^(\S+)[ \t]*(\S*)([\s\S]*)$/.exec(line) ?? []
  const read = Object.hasOwn(types, type) ? types[type] : undefined
  if (!read) throw refused(whyUnknown(type, line))
  const comment = rest.trim()
  if (!COMMENT.test(comment)) throw refused('has a control character in its comment')
  if ([...comment].length > limits.sshKeyCommentLength)
    throw refused(`has a comment of more than ${limits.sshKeyCommentLength} characters`)
  const blob = Buffer.from(base64, 'base64')
  // Node reads base64 leniently; only the one form of these bytes is taken.
  if (base64 === '' || blob.toString('base64') !== base64)
    throw refused(`is cut off or changed: its second word is not base64; ${HOW}`)
  return { type, blob, comment, bits: readBlob(type, blob, read), fingerprint: fingerprintOf(blob) }
}

function readBlob(type: string, blob: Buffer, read: FieldReader): number {
  const fields = new SshReader(blob)
  try {
    if (fields.text() !== type) throw new SshFormatError('what it contains is not of the type it begins with')
    const bits = read(fields)
    fields.end()
    return bits
  } catch (error) {
    if (error instanceof SshFormatError) throw refused(`is no valid ${type} key: ${error.message}; ${HOW}`)
    throw error
  }
}

function whyUnknown(type: string, line: string): string {
  if (type === 'ssh-dss')
    return 'is a DSA key, which OpenSSH no longer accepts; make one with: ssh-keygen -t ed25519'
  if (/-cert-v0\d@openssh\.com$/.test(type)) return 'is a certificate; send the public key it was made for'
  if (/^(?:ssh-|ecdsa-|sk-|rsa-|webauthn-)[\w@.-]*$/.test(type))
    return `is of a type that is not accepted. Accepted are: ${Object.keys(types).join(', ')}`
  const isLater = line.split(/[\s,]+/).some((word) => Object.hasOwn(types, word) || word === 'ssh-dss')
  if (isLater) return 'has options or other words before the key; leave them out, begin with its type'
  return `is no public key of OpenSSH; ${HOW}`
}

function readEd25519(fields: SshReader): number {
  const key = fields.string()
  if (key.length !== 32) throw new SshFormatError('its length is wrong')
  if (!isUsableEd25519(key)) throw new SshFormatError('it is no usable point of the curve')
  return 256
}

function readEcdsa(fields: SshReader, curve: keyof typeof curves): number {
  if (fields.text() !== curve) throw new SshFormatError('its curve is not that of its type')
  const point = fields.string()
  const { openssl, bits } = curves[curve]
  // 4 means uncompressed: the one form that SSH has (RFC 5656 §3.1).
  if (point[0] !== 4 || point.length !== 1 + 2 * Math.ceil(bits / 8))
    throw new SshFormatError('its length is wrong')
  try {
    ECDH.convertKey(point, openssl)
  } catch {
    throw new SshFormatError('it is no point of the curve')
  }
  return bits
}

function readRsa(fields: SshReader): number {
  const exponent = fields.positiveInteger()
  const modulus = fields.positiveInteger()
  const bits = bitLength(modulus)
  if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX) {
    throw new SshFormatError(
      `it has ${bits} bits, and ${RSA_BITS_MIN} to ${RSA_BITS_MAX.toLocaleString('en-US')} are accepted`,
    )
  }
  if (bitLength(exponent) > RSA_EXPONENT_BITS_MAX || isEven(exponent) || bitLength(exponent) < 2)
    throw new SshFormatError('its exponent is even, too small or too large')
  if (isEven(modulus)) throw new SshFormatError('its modulus is even')
  return bits
}

/** A key on a security key names after itself the application it is for, such as `ssh:`. */
function withApplication(fields: SshReader, read: FieldReader): number {
  const bits = read(fields)
  if (!APPLICATION.test(fields.text())) throw new SshFormatError('its application is not valid')
  return bits
}

const isEven = (magnitude: Buffer): boolean => (magnitude.at(-1) ?? 0) % 2 === 0

/** @param magnitude without zeros in front. */
const bitLength = (magnitude: Buffer): number => magnitude.length * 8 - Math.clz32(magnitude[0] ?? 0) + 24

const P = 2n ** 255n - 19n
const D = 37095705934669439343138083508754565189542113879843219016388785533085940283555n

/**
 * Whether the bytes are a point of the curve in their one form, and not one of the eight of small order: for those
 * anybody can make a signature that verifies.
 */
function isUsableEd25519(key: Buffer): boolean {
  const number = BigInt(`0x${Buffer.from(key).reverse().toString('hex')}`)
  const y = number % 2n ** 255n
  if (y >= P) return false
  const y2 = (y * y) % P
  // x² = (y² − 1) / (d·y² + 1), by Fermat (RFC 8032 §5.1.3).
  const x2 = ((y2 + P - 1n) * power(D * y2 + 1n, P - 2n)) % P
  // Small order: x = 0, y = 0, or a double of it has y = 0.
  if (x2 === 0n || y === 0n || (x2 + y2) % P === 0n) return false
  return power(x2, (P - 1n) / 2n) === 1n
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n
  let square = base % P
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % P
    square = (square * square) % P
  }
  return result
}

/** `SHA256:…`, as `ssh-keygen -l` prints it. */
export function fingerprintOf(blob: Uint8Array): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace('=', '')}`
}

/** `MD5:16:27:…`, as `ssh-keygen -l -E md5` prints it. For finding a key by what older tools show, never for trusting it. */
export function md5FingerprintOf(blob: Uint8Array): string {
  return `MD5:${createHash('md5')
    .update(blob)
    .digest('hex')
    .replaceAll(/..(?!$)/g, '$&:')}`
}

/**
 * Understands a fingerprint with or without its prefix and padding, SHA-256 or MD5.
 * @returns as {@link fingerprintOf} and {@link md5FingerprintOf} write it; undefined for what is none.
 */
export function parseFingerprint(text: string): string | undefined {
  const sha256 = /^(?:SHA256:)?([A-Za-z0-9+/]{43})=?$/i.exec(text.trim())?.[1]
  if (sha256 !== undefined) {
    const isCanonical = Buffer.from(sha256, 'base64').toString('base64') === `${sha256}=`
    return isCanonical ? `SHA256:${sha256}` : undefined
  }
  const md5 = /^(?:MD5:)?([0-9a-f]{2}(?::[0-9a-f]{2}){15}|[0-9a-f]{32})$/i.exec(text.trim())?.[1]
  return (
    md5 &&
    `MD5:${md5
      .replaceAll(':', '')
      .toLowerCase()
      .replaceAll(/..(?!$)/g, '$&:')}`
  )
}
