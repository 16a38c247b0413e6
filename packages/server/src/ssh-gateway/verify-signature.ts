import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto'
import { SshFormatError, SshReader } from '../base/ssh-wire.ts'

/** What somebody offers as a proof, as the SSH library has parsed it. */
export interface Proof {
  /** Type that the request names; `ssh-rsa` for each of the RSA algorithms. */
  readonly type: string
  /** Of RSA: the hash of `rsa-sha2-256` or `rsa-sha2-512`; undefined for the one with SHA-1. */
  readonly hash: string | undefined
  /** The public key (RFC 4253 §6.6). */
  readonly key: Uint8Array
  /** What is signed (RFC 4252 §7). */
  readonly signed: Uint8Array
  /** Without the algorithm; DER for ECDSA, with flags and counter behind it for keys on security keys. */
  readonly signature: Uint8Array
}

const curves: Readonly<Record<string, { name: string; hash: string }>> = {
  'ecdsa-sha2-nistp256': { name: 'P-256', hash: 'sha256' },
  'ecdsa-sha2-nistp384': { name: 'P-384', hash: 'sha384' },
  'ecdsa-sha2-nistp521': { name: 'P-521', hash: 'sha512' },
}

/** A person was there, and touched it (PROTOCOL.u2f, flags). */
const USER_PRESENT = 0x01

/**
 * Whether the signature was made with the key. The key itself has to be looked up besides: anybody can make one.
 * @returns false for whatever is not right, SHA-1 included; never throws.
 */
export function isProven(proof: Proof): boolean {
  try {
    const fields = new SshReader(proof.key)
    // The key says its type itself: it must not be taken for another one.
    return fields.text() === proof.type && isSigned(proof, fields)
  } catch {
    // Keys and signatures that are none: OpenSSL and the reader throw.
    return false
  }
}

/**
 * Whether a host has signed, as in a key exchange: with the key itself, in a signature blob of SSH (RFC 4253 §6.6).
 * @returns false for whatever is not right, SHA-1 included; never throws.
 */
export function isSignedByHost(hostKey: Uint8Array, signed: Uint8Array, signature: Uint8Array): boolean {
  try {
    const type = new SshReader(hostKey).text()
    const fields = new SshReader(signature)
    const [algorithm, bytes] = [fields.text(), fields.string()]
    fields.end()
    const hash = { 'rsa-sha2-256': 'sha256', 'rsa-sha2-512': 'sha512' }[algorithm]
    if (type !== (hash ? 'ssh-rsa' : algorithm)) return false
    const isEcdsa = Object.hasOwn(curves, type)
    return isProven({ type, hash, key: hostKey, signed, signature: isEcdsa ? toDer(bytes) : bytes })
  } catch {
    return false
  }
}

/** The two numbers of ECDSA (RFC 5656 §3.1.2) in DER. An mpint and an INTEGER have the same bytes. */
function toDer(numbers: Buffer): Buffer {
  const fields = new SshReader(numbers)
  const integer = (bytes: Buffer) => Buffer.concat([Buffer.of(0x02, bytes.length), bytes])
  const content = Buffer.concat([integer(fields.string()), integer(fields.string())])
  fields.end()
  const length = content.length > 0x7f ? [0x81, content.length] : [content.length]
  return Buffer.concat([Buffer.of(0x30, ...length), content])
}

function isSigned(proof: Proof, fields: SshReader): boolean {
  const { type, hash, signed, signature } = proof
  if (type === 'ssh-ed25519') return verify(null, signed, ed25519Key(fields.string()), signature)
  if (type === 'ssh-rsa') {
    if (hash !== 'sha256' && hash !== 'sha512') return false
    return verify(hash, signed, rsaKey(fields), signature)
  }
  const curve = curves[type]
  if (curve) return verify(curve.hash, signed, ecdsaKey(fields, curve.name), signature)
  if (type === 'sk-ssh-ed25519@openssh.com') {
    const key = ed25519Key(fields.string())
    const [inner, tail] = [signature.subarray(0, 64), new SshReader(signature.subarray(64))]
    return verify(null, touched(fields.text(), signed, tail), key, inner)
  }
  if (type === 'sk-ecdsa-sha2-nistp256@openssh.com') {
    const key = ecdsaKey(fields, 'P-256')
    const application = fields.text()
    const tail = new SshReader(signature)
    const inner = Buffer.concat([fixed(tail.string(), 32), fixed(tail.string(), 32)])
    const content = touched(application, signed, tail)
    return verify('sha256', content, { key, dsaEncoding: 'ieee-p1363' }, inner)
  }
  return false
}

/** What a security key signs in place of the data (PROTOCOL.u2f). @throws SshFormatError unless somebody touched it. */
function touched(application: string, signed: Uint8Array, tail: SshReader): Buffer {
  const flags = tail.byte()
  const counter = tail.take(4)
  tail.end()
  if ((flags & USER_PRESENT) === 0) throw new SshFormatError('nobody touched it')
  return Buffer.concat([sha256(Buffer.from(application)), Buffer.from([flags]), counter, sha256(signed)])
}

const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest()

/** A number of an mpint in a field of its length. */
function fixed(mpint: Buffer, length: number): Buffer {
  const magnitude = mpint.length > length ? mpint.subarray(mpint.length - length) : mpint
  return Buffer.concat([Buffer.alloc(length - magnitude.length), magnitude])
}

const jwk = (key: Record<string, string>): KeyObject => createPublicKey({ key, format: 'jwk' })

const ed25519Key = (x: Buffer) => jwk({ kty: 'OKP', crv: 'Ed25519', x: x.toString('base64url') })

function rsaKey(fields: SshReader): KeyObject {
  const [e, n] = [fields.positiveInteger(), fields.positiveInteger()]
  return jwk({ kty: 'RSA', e: e.toString('base64url'), n: n.toString('base64url') })
}

function ecdsaKey(fields: SshReader, crv: string): KeyObject {
  fields.string()
  const point = fields.string()
  const length = (point.length - 1) / 2
  const x = point.subarray(1, 1 + length).toString('base64url')
  return jwk({ kty: 'EC', crv, x, y: point.subarray(1 + length).toString('base64url') })
}
