// A client of SSH of its own, as small as the transport allows (RFC 4253, RFC 4252), for what no library would send: it says
// exactly what it is told to. One cipher, one host key algorithm, strict key exchange.
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  decapsulate,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  verify,
} from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { mpintBytes, SshReader, sshStrings } from '../src/base/ssh-wire.ts'

/* RFC 4250 §4.1.2 */
export const Message = {
  disconnect: 1,
  ignore: 2,
  serviceRequest: 5,
  serviceAccept: 6,
  extInfo: 7,
  kexinit: 20,
  newkeys: 21,
  kexInit: 30,
  kexReply: 31,
  userauthRequest: 50,
  userauthFailure: 51,
  userauthSuccess: 52,
  userauthPkOk: 60,
  globalRequest: 80,
  requestSuccess: 81,
  requestFailure: 82,
} as const

export type KexName = 'curve25519-sha256' | 'mlkem768x25519-sha256'

/** What a client keeps to itself until the server has answered. */
export interface KexSecrets {
  /** Seed of ML-KEM-768, d and z (FIPS 203 §7.1). */
  readonly seed: Buffer
  /** Of X25519. */
  readonly scalar: Buffer
}

const base64url = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url')
const sha256 = (...parts: Uint8Array[]) => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

/** Keys of a hybrid exchange out of their secrets. */
export function hybridKeys({ seed, scalar }: KexSecrets): {
  share: Buffer
  kem: KeyObject
  curve: KeyObject
} {
  // A seed alone (RFC 9935 §6: PrivateKeyInfo with [0] seed), so that known answers can be tried.
  const kem = createPrivateKey({
    key: Buffer.concat([Buffer.from('3054020100300b060960864801650304040204428040', 'hex'), seed]),
    format: 'der',
    type: 'pkcs8',
  })
  const curve = createPrivateKey({
    key: Buffer.concat([Buffer.from('302e020100300506032b656e04220420', 'hex'), scalar]),
    format: 'der',
    type: 'pkcs8',
  })
  // The public half stands at the end of its SPKI.
  const raw = (key: KeyObject, bytes: number) =>
    createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-bytes)
  return { share: Buffer.concat([raw(kem, 1184), raw(curve, 32)]), kem, curve }
}

/** K of a hybrid exchange (draft-ietf-sshm-mlkem-hybrid-kex §2.4): a hash, and hashed as a string. */
export function hybridSecret(secrets: KexSecrets, reply: Uint8Array): Buffer {
  const { kem, curve } = hybridKeys(secrets)
  const fields = new SshReader(reply)
  const ours = decapsulate(kem, fields.take(1088))
  const secret = sha256(ours, curveSecret(curve, fields.take(32)))
  fields.end()
  return secret
}

const curveSecret = (privateKey: KeyObject, point: Uint8Array) =>
  diffieHellman({
    privateKey,
    publicKey: createPublicKey({
      key: { kty: 'OKP', crv: 'X25519', x: base64url(point) },
      format: 'jwk',
    }),
  })

interface Way {
  readonly key: Buffer
  readonly nonce: Buffer
}

export interface RawOptions {
  readonly kex?: readonly string[]
  readonly software?: string
  /** Changes the share of the client before it is sent. */
  readonly changeShare?: (share: Buffer) => Buffer
  /** A first guess, sent with KEXINIT (RFC 4253 §7). */
  readonly guess?: Buffer
  /** Sent before the identification. */
  readonly before?: Buffer
}

export class RawSsh {
  readonly socket: Socket
  readonly options: RawOptions
  /** What the server has identified itself as. */
  ident = ''
  /** Algorithms of key exchange that the server has offered. */
  serverKex: string[] = []
  sessionId: Buffer = Buffer.alloc(0)
  hostKey: Buffer = Buffer.alloc(0)
  #buffered: Buffer = Buffer.alloc(0)
  #hasEnded = false
  #more = Promise.withResolvers<void>()
  #out: Way | undefined
  #in: Way | undefined

  private constructor(socket: Socket, options: RawOptions) {
    this.socket = socket
    this.options = options
    socket.on('error', () => {})
    const wake = () => {
      this.#more.resolve()
      this.#more = Promise.withResolvers()
    }
    socket.on('data', (piece: Buffer) => {
      this.#buffered = Buffer.concat([this.#buffered, piece])
      wake()
    })
    socket.on('close', () => {
      this.#hasEnded = true
      wake()
    })
  }

  /** Connects and identifies itself. */
  static async greet(port: number, options: RawOptions = {}): Promise<RawSsh> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    onTestFinished(() => void socket.destroy())
    const client = new RawSsh(socket, options)
    await once(socket, 'connect')
    if (options.before) socket.write(options.before)
    socket.write(`SSH-2.0-${client.#software}\r\n`)
    return client
  }

  /** Connects, and agrees on keys. @throws Error when the server ends it. */
  static async open(port: number, options: RawOptions = {}): Promise<RawSsh> {
    const client = await RawSsh.greet(port, options)
    await client.exchangeKeys()
    return client
  }

  get #software(): string {
    return this.options.software ?? 'Test'
  }

  /** Waits for the end of the connection. */
  async ended(): Promise<void> {
    while (!this.#hasEnded) await this.#more.promise
  }

  async #take(length: number): Promise<Buffer> {
    while (this.#buffered.length < length) {
      if (this.#hasEnded) throw new Error('the server has ended the connection')
      await this.#more.promise
    }
    const part = this.#buffered.subarray(0, length)
    this.#buffered = this.#buffered.subarray(length)
    return part
  }

  async #readIdent(): Promise<void> {
    let line = ''
    while (!line.endsWith('\r\n')) line += (await this.#take(1)).toString('latin1')
    this.ident = line.slice(0, -2)
  }

  /** Sends a message: without encryption until there are keys (RFC 4253 §6), then with AES-256-GCM (RFC 5647). */
  send(...payload: readonly Uint8Array[]): void {
    const content = Buffer.concat(payload)
    const way = this.#out
    const block = way ? 16 : 8
    const beside = way ? 1 : 5
    const padding = block - ((beside + content.length) % block) + (way ? block : 8)
    const head = Buffer.alloc(4)
    head.writeUInt32BE(1 + content.length + padding)
    const body = Buffer.concat([Buffer.of(padding), content, Buffer.alloc(padding)])
    if (!way) {
      this.socket.write(Buffer.concat([head, body]))
      return
    }
    const cipher = createCipheriv('aes-256-gcm', way.key, way.nonce)
    cipher.setAAD(head)
    const sealed = Buffer.concat([cipher.update(body), cipher.final()])
    this.socket.write(Buffer.concat([head, sealed, cipher.getAuthTag()]))
    next(way.nonce)
  }

  /** The next message that is not EXT_INFO or a request of the server's own. @throws Error when the connection has ended. */
  async receive(): Promise<Buffer> {
    for (;;) {
      const message = await this.receiveAny()
      if (message[0] !== Message.extInfo && message[0] !== Message.globalRequest) return message
    }
  }

  async receiveAny(): Promise<Buffer> {
    const head = await this.#take(4)
    const length = head.readUInt32BE()
    const way = this.#in
    let body = await this.#take(length)
    if (way) {
      const decipher = createDecipheriv('aes-256-gcm', way.key, way.nonce)
      decipher.setAAD(head)
      decipher.setAuthTag(await this.#take(16))
      body = Buffer.concat([decipher.update(body), decipher.final()])
      next(way.nonce)
    }
    const message = body.subarray(1, body.length - body[0]!) // `!`: every packet has its padding's length.
    if (message[0] === Message.disconnect)
      throw new Error(`the server has ended the connection: ${message.readUInt32BE(1)}`)
    return message
  }

  /** Agrees on keys, the first time or anew. @param theirs KEXINIT of the server, when that has come already. */
  async exchangeKeys(theirs?: Buffer): Promise<void> {
    const isFirst = this.sessionId.length === 0
    const ours = this.#kexinit()
    if (isFirst) await this.#readIdent()
    this.send(ours)
    if (this.options.guess && isFirst) this.send(this.options.guess)
    const serverInit = theirs ?? (await this.receive())
    const lists = new SshReader(serverInit.subarray(17))
    this.serverKex = lists.text().split(',')
    const name = this.#kex.find((one) => this.serverKex.includes(one)) as KexName | undefined // `as`: what is offered here.
    const secrets = { seed: randomBytes(64), scalar: randomBytes(32) }
    const { share, curve } = hybridKeys(secrets)
    const isHybrid = name === 'mlkem768x25519-sha256'
    const sent = (this.options.changeShare ?? ((one) => one))(isHybrid ? share : share.subarray(1184))
    this.send(Buffer.of(Message.kexInit), sshStrings(sent))
    const reply = new SshReader(await this.receive())
    if (reply.byte() !== Message.kexReply) throw new Error('the server has not replied')
    const [hostKey, answer, signature] = [reply.string(), reply.string(), reply.string()]
    const k = isHybrid ? hybridSecret(secrets, answer) : mpintBytes(curveSecret(curve, answer))
    const hash = sha256(
      sshStrings(`SSH-2.0-${this.#software}`, this.ident, ours, serverInit, hostKey, sent, answer, k),
    )
    prove(hostKey, signature, hash)
    this.hostKey = hostKey
    if (isFirst) this.sessionId = hash
    const derive = (letter: string, bytes: number) =>
      sha256(sshStrings(k), hash, Buffer.from(letter), this.sessionId).subarray(0, bytes)
    this.send(Buffer.of(Message.newkeys))
    this.#out = { key: derive('C', 32), nonce: Buffer.from(derive('A', 12)) }
    if ((await this.receive())[0] !== Message.newkeys) throw new Error('no new keys')
    this.#in = { key: derive('D', 32), nonce: Buffer.from(derive('B', 12)) }
  }

  get #kex(): readonly string[] {
    return this.options.kex ?? ['curve25519-sha256']
  }

  #kexinit(): Buffer {
    const kex = [...this.#kex, 'ext-info-c', 'kex-strict-c-v00@openssh.com'].join(',')
    const both = (name: string) => [name, name]
    return Buffer.concat([
      Buffer.of(Message.kexinit),
      randomBytes(16),
      sshStrings(kex, 'ssh-ed25519', ...both('aes256-gcm@openssh.com')),
      sshStrings(...both('hmac-sha2-256-etm@openssh.com'), ...both('none'), ...both('')),
      Buffer.of(this.options.guess ? 1 : 0, 0, 0, 0, 0),
    ])
  }

  /** Asks for the service of authentication. */
  async beginLogin(): Promise<void> {
    this.send(Buffer.of(Message.serviceRequest), sshStrings('ssh-userauth'))
    await this.receive()
  }

  /** Asks to be let in (RFC 4252 §7). @param signature none: only whether the key would do. */
  request(
    algorithm: string,
    blob: Uint8Array,
    signature?: (signed: Buffer) => Uint8Array,
    { user = 'x', service = 'ssh-connection' } = {},
  ): void {
    const text = Buffer.concat([
      Buffer.of(Message.userauthRequest),
      sshStrings(user, service, 'publickey'),
      Buffer.of(signature ? 1 : 0),
      sshStrings(algorithm, blob),
    ])
    const proof = signature?.(Buffer.concat([sshStrings(this.sessionId), text]))
    this.send(text, ...(proof ? [sshStrings(proof)] : []))
  }

  /** Signs in with a key of Ed25519. @returns the type of the answer. */
  async signIn(blob: Uint8Array, privateKey: KeyObject): Promise<number | undefined> {
    await this.beginLogin()
    this.request('ssh-ed25519', blob, (data) => sshStrings('ssh-ed25519', sign(null, data, privateKey)))
    return (await this.receive())[0]
  }
}

/** The invocation counter (RFC 5647 §7.1). */
function next(nonce: Buffer): void {
  nonce.writeBigUInt64BE(nonce.readBigUInt64BE(4) + 1n, 4)
}

/** That the server has the host key that it names. @throws Error */
function prove(hostKey: Buffer, signature: Buffer, hash: Buffer): void {
  const key = new SshReader(hostKey)
  key.string()
  const proof = new SshReader(signature)
  proof.string()
  const publicKey = createPublicKey({
    key: { kty: 'OKP', crv: 'Ed25519', x: base64url(key.string()) },
    format: 'jwk',
  })
  if (!verify(null, hash, publicKey, proof.string())) throw new Error('the host has not proven itself')
}

/** A key of Ed25519 that signs in this process. */
export function newLoginKey(): { line: string; blob: Buffer; privateKey: KeyObject } {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const x = publicKey.export({ format: 'jwk' }).x! // `!`: an Ed25519 key has one.
  const blob = sshStrings('ssh-ed25519', Buffer.from(x, 'base64url'))
  return { line: `ssh-ed25519 ${blob.toString('base64')}`, blob, privateKey }
}
