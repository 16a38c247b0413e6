import { createPrivateKey, createPublicKey, type KeyObject, randomBytes, sign } from 'node:crypto'
import { sshStrings } from '../base/ssh-wire.ts'

/** PKCS #8 around a raw Ed25519 seed (RFC 8410 §7). */
const ED25519_PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex')
const TYPE = 'ssh-ed25519'
const CERTIFICATE_TYPE = 'ssh-ed25519-cert-v01@openssh.com'
/** SSH2_CERT_TYPE_HOST (PROTOCOL.certkeys). */
const HOST_CERTIFICATE = 2
const NONCE_BYTES = 32

/** An Ed25519 key of the instance for SSH. The private half stays in here, but for the text that the gateway needs. */
export class SshHostKey {
  readonly #seed: Uint8Array
  readonly #key: KeyObject
  readonly #public: Buffer
  /** The public key (RFC 8709 §4). */
  readonly blob: Buffer

  /** @param seed 32 bytes, as the vault derives them: the same on every server, as long as the instance lives. */
  constructor(seed: Uint8Array) {
    this.#seed = seed
    this.#key = createPrivateKey({
      key: Buffer.concat([ED25519_PKCS8, seed]),
      format: 'der',
      type: 'pkcs8',
    })
    this.#public = createPublicKey(this.#key).export({ format: 'der', type: 'spki' }).subarray(-32)
    this.blob = sshStrings(TYPE, this.#public)
  }

  /** The public key as a line, without comment. */
  get line(): string {
    return `${TYPE} ${this.blob.toString('base64')}`
  }

  /** The private key as text, for the SSH library, which takes no other form (PROTOCOL.key). */
  privateText(): string {
    const check = randomBytes(4)
    const content = Buffer.concat([
      check,
      check,
      sshStrings(TYPE, this.#public, Buffer.concat([this.#seed, this.#public]), ''),
    ])
    // Padded with 1, 2, 3 … to blocks of 8.
    const padding = Buffer.from(Array.from({ length: -content.length & 7 }, (_, i) => i + 1))
    const file = Buffer.concat([
      Buffer.from('openssh-key-v1\0'),
      sshStrings('none', 'none', ''),
      uint32(1),
      sshStrings(this.blob, Buffer.concat([content, padding])),
    ])
    const lines = file.toString('base64').match(/.{1,70}/g) ?? []
    return ['-----BEGIN OPENSSH PRIVATE KEY-----', ...lines, '-----END OPENSSH PRIVATE KEY-----', ''].join(
      '\n',
    )
  }

  /**
   * Signs a certificate that says which host has a key (PROTOCOL.certkeys §2.2).
   * @param ed25519 the host's public key, 32 bytes. @param host the one name it is good for.
   * @returns a line as in a `-cert.pub` file.
   */
  signHost(ed25519: Uint8Array, host: string, validAfter: Date, validBefore: Date): string {
    // What stands in a certificate is compared with names as people type them: nothing but what ids are made of.
    if (!/^[a-z0-9-]+$/.test(host)) throw new Error('no name of a host')
    const body = Buffer.concat([
      sshStrings(CERTIFICATE_TYPE, randomBytes(NONCE_BYTES), ed25519),
      uint64(0),
      uint32(HOST_CERTIFICATE),
      sshStrings(host, sshStrings(host)),
      uint64(Math.floor(validAfter.getTime() / 1000)),
      uint64(Math.floor(validBefore.getTime() / 1000)),
      sshStrings('', '', '', this.blob),
    ])
    const signature = sshStrings(TYPE, sign(null, body, this.#key))
    const blob = Buffer.concat([body, sshStrings(signature)])
    return `${CERTIFICATE_TYPE} ${blob.toString('base64')} ${host}`
  }
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return bytes
}
