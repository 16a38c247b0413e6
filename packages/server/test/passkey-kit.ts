import { createHash, createSign, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto'

/*
 * An authenticator in software that speaks the wire format of Web Authentication Level 3 (§6.1 authenticator data, §6.5.4
 * attestation object, §5.8.1 client data) with ES256, and gets one thing wrong when it is told to.
 */

export interface Mistake {
  readonly origin?: string
  readonly rpId?: string
  readonly challenge?: string
  readonly type?: string
  /** User present, user verified. */
  readonly flags?: number
  readonly crossOrigin?: boolean
  readonly topOrigin?: string
  readonly signCount?: number
  /** Of somebody else's account. */
  readonly userHandle?: string | null
  readonly signature?: Buffer
  /** Another key signs. */
  readonly key?: KeyObject
  /** Attestation that nobody asked for. */
  readonly format?: string
  readonly alg?: number
}

interface Options {
  readonly challenge: string
}

const UP = 0x01
const UV = 0x04
const HAS_CREDENTIAL = 0x40

const sha256 = (data: Buffer | string) => createHash('sha256').update(data).digest()

/** CBOR (RFC 8949 §3) of what authenticators send: integers, bytes, text and maps. */
function cbor(value: number | string | Buffer | Map<unknown, unknown>): Buffer {
  const head = (major: number, n: number): Buffer => {
    if (n < 24) return Buffer.from([(major << 5) | n])
    if (n < 256) return Buffer.from([(major << 5) | 24, n])
    return Buffer.from([(major << 5) | 25, n >> 8, n & 255])
  }
  if (typeof value === 'number') return value >= 0 ? head(0, value) : head(1, -1 - value)
  if (Buffer.isBuffer(value)) return Buffer.concat([head(2, value.length), value])
  if (typeof value === 'string') return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)])
  const parts = [...value].flatMap(([k, v]) => [cbor(k as string), cbor(v as string)]) // `as`: one of the four.
  return Buffer.concat([head(5, value.size), ...parts])
}

export class SoftAuthenticator {
  readonly credentialId = randomBytes(32)
  readonly id = this.credentialId.toString('base64url')
  readonly #key = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  readonly #origin: string
  signCount = 0
  /** Whose passkey it holds. */
  userHandle: string | undefined

  constructor(origin: string) {
    this.#origin = origin
  }

  get privateKey(): KeyObject {
    return this.#key.privateKey
  }

  #client(type: string, { challenge }: Options, mistake: Mistake): Buffer {
    return Buffer.from(
      JSON.stringify({
        type: mistake.type ?? type,
        challenge: mistake.challenge ?? challenge,
        origin: mistake.origin ?? this.#origin,
        crossOrigin: mistake.crossOrigin ?? false,
        ...(mistake.topOrigin !== undefined && { topOrigin: mistake.topOrigin }),
      }),
    )
  }

  #authData(rpId: string, flags: number, mistake: Mistake, credential = Buffer.alloc(0)): Buffer {
    this.signCount += 1
    const count = Buffer.alloc(4)
    count.writeUInt32BE(mistake.signCount ?? this.signCount)
    const bits = (mistake.flags ?? UP | UV) | flags
    return Buffer.concat([sha256(mistake.rpId ?? rpId), Buffer.from([bits]), count, credential])
  }

  /** Answers `passkey.begin`. */
  create(options: Options & { rp: { id: string }; user: { id: string } }, mistake: Mistake = {}) {
    this.userHandle = options.user.id
    const { x, y } = this.#key.publicKey.export({ format: 'jwk' }) as { x: string; y: string } // `as`: of an EC key.
    // COSE_Key of an EC2 key (RFC 9053 §7.1.1).
    const publicKey = new Map<number, number | Buffer>([
      [1, 2],
      [3, mistake.alg ?? -7],
      [-1, 1],
      [-2, Buffer.from(x, 'base64url')],
      [-3, Buffer.from(y, 'base64url')],
    ])
    const idLength = Buffer.from([this.credentialId.length >> 8, this.credentialId.length & 255])
    const attested = Buffer.concat([Buffer.alloc(16), idLength, this.credentialId, cbor(publicKey)])
    const authData = this.#authData(options.rp.id, HAS_CREDENTIAL, mistake, attested)
    const statement = new Map<unknown, unknown>(mistake.format ? [['ver', 'none of this is to be read']] : [])
    const attestation = new Map<unknown, unknown>([
      ['fmt', mistake.format ?? 'none'],
      ['attStmt', statement],
      ['authData', authData],
    ])
    return {
      id: this.id,
      rawId: this.id,
      type: 'public-key',
      response: {
        clientDataJSON: this.#client('webauthn.create', options, mistake).toString('base64url'),
        attestationObject: cbor(attestation).toString('base64url'),
        transports: ['internal', 'hybrid'],
        // What browsers add besides, and servers need not read.
        publicKeyAlgorithm: -7,
      },
      authenticatorAttachment: 'platform',
      clientExtensionResults: {},
    }
  }

  /** Answers `session.passkey_begin` and `session.reauthenticate_passkey_begin`. */
  get(options: Options & { rpId: string }, mistake: Mistake = {}) {
    const client = this.#client('webauthn.get', options, mistake)
    const authData = this.#authData(options.rpId, 0, mistake)
    const signer = createSign('sha256').update(authData).update(sha256(client))
    const signature = mistake.signature ?? signer.sign(mistake.key ?? this.#key.privateKey)
    const userHandle = mistake.userHandle === undefined ? this.userHandle : mistake.userHandle
    return {
      id: this.id,
      rawId: this.id,
      type: 'public-key',
      response: {
        clientDataJSON: client.toString('base64url'),
        authenticatorData: authData.toString('base64url'),
        signature: signature.toString('base64url'),
        userHandle,
      },
      clientExtensionResults: {},
    }
  }
}
