import type { Socket } from 'node:net'
import type { Connection } from 'ssh2'
import { SshReader, sshStrings } from '../base/ssh-wire.ts'
import { answerHybrid, HYBRID_KEX } from './hybrid-kex.ts'

/*
 * What ssh2 1.17 leaves to be wished for in a server that strangers reach, mended from outside: our handlers are put
 * before its own while nothing has been received yet. All of this looks into ssh2; test/ssh-gateway*.test.ts have one
 * test for each, so that another release of ssh2 shows what is different.
 */

/** RFC 4254 §5.1 */
export const OpenFailure = { prohibited: 1, connectFailed: 2, unknownType: 3, resourceShortage: 4 } as const

/** RFC 4253 §11.1 */
const PROTOCOL_ERROR = 2
const BY_APPLICATION = 11

/** Clients that send in smaller packets do not exist, and one packet for each byte would be all that a server does. */
const PACKET_BYTES_MIN = 1024
/** What ssh2 sends at most, as OpenSSH does. */
const PACKET_BYTES_MAX = 32 * 1024
/**
 * What may wait for a client that does not read: before it has signed in, and then. Tunnels stop long before (pipe-tunnel.ts);
 * what goes on are answers to what the client itself says.
 */
const UNREAD_STRANGER_BYTES = 1024 * 1024
const UNREAD_BYTES = 16 * 1024 * 1024

type Handler = (...args: unknown[]) => void

interface Incoming {
  readonly incoming?: { readonly window: number }
}

/** ssh2's client with its inside, as far as it is used here. */
interface Inside {
  readonly _protocol: {
    readonly _handlers: Record<string, Handler>
    channelOpenFail(sender: number, reason: number, text: string): void
    authFailure(methods: readonly string[]): void
    authPKOK(algorithm: string, key: Uint8Array): void
    disconnect(reason: number): void
  }
  /** A session has its channel once there is one. */
  readonly _chanMgr: {
    _count: number
    get(id: number): (Incoming & { readonly _channel?: Incoming }) | undefined
  }
  readonly _sock: { end(): void }
  readonly authenticated: boolean
}

export interface Bounds {
  /** Requests for authentication of all kinds. */
  readonly attempts: number
  /** Channels at a time. */
  readonly channels: number
}

/** Refuses the channel that ssh2 has just asked about, in words. */
export type Refuse = (reason: number, text: string) => void

/**
 * Puts bounds around a connection.
 * - More data than the window allows ends it (S3). ssh2 takes whatever comes.
 * - Nothing of connections is said before a login: it ends it, where ssh2 answers (CVE-2018-10933 was more of the same).
 * - Packets have a size to be worked with (RFC 4254 §5.1). ssh2 believes a client that wants none of 0 bytes, and never ends.
 * - Attempts and channels are counted (S4). ssh2 knows no limit to either.
 * - PK_OK repeats the algorithm that was asked for (S8). ssh2 says `ssh-rsa` to all of RSA, which older clients refuse.
 * - A channel is refused with a text that people read (S11).
 * - Methods other than `publickey` get "no", and what would do (S12). ssh2 hangs up on those it does not know.
 * @param onChannel is told of each channel that is asked for, before ssh2 asks about it.
 */
export function harden(client: Connection, bounds: Bounds, onChannel: (refuse: Refuse) => void): void {
  const inside = client as unknown as Inside // `as`: see above.
  const { _protocol: protocol, _chanMgr: channels, _sock: socket } = inside
  const handlers = protocol._handlers
  const before = (name: string, ours: (next: () => void, ...args: never[]) => void) => {
    const theirs = handlers[name]
    handlers[name] = (...args) => ours(() => theirs?.(...args), ...(args as never[]))
  }
  const hangUp = () => {
    protocol.disconnect(PROTOCOL_ERROR)
    socket.end()
  }

  let attempts = 0
  before(
    'USERAUTH_REQUEST',
    (next, _protocol: never, _user: string, service: string, method: string, data: never) => {
      attempts += 1
      if (attempts > bounds.attempts) return hangUp()
      const isKnown = method === 'publickey' || method === 'none'
      if (!isKnown && service === 'ssh-connection') return protocol.authFailure(['publickey'])
      asked = (data as { hashAlgo?: string } | null)?.hashAlgo
      next()
    },
  )
  let asked: string | undefined
  const pkOk = protocol.authPKOK.bind(protocol)
  protocol.authPKOK = (algorithm, key) =>
    pkOk(algorithm === 'ssh-rsa' && asked ? `rsa-sha2-${asked.slice('sha'.length)}` : algorithm, key)

  before('CHANNEL_DATA', (next, _protocol: never, id: number, data: Uint8Array) => {
    const channel = channels.get(id)
    const window = (channel?.incoming ?? channel?._channel?.incoming)?.window
    if (window !== undefined && data.length > window) return hangUp()
    next()
  })

  const fail = protocol.channelOpenFail.bind(protocol)
  const texts = new Map<number, readonly [number, string]>()
  protocol.channelOpenFail = (sender, reason, text) => {
    const [ourReason, ourText] = texts.get(sender) ?? [reason, text]
    texts.delete(sender)
    fail(sender, ourReason, ourText)
  }
  before('CHANNEL_OPEN', (next, _protocol: never, wish: { sender: number; packetSize: number }) => {
    const { sender } = wish
    if (wish.packetSize < PACKET_BYTES_MIN)
      return fail(sender, OpenFailure.resourceShortage, `packets of fewer than ${PACKET_BYTES_MIN} bytes`)
    wish.packetSize = Math.min(wish.packetSize, PACKET_BYTES_MAX)
    if (channels._count >= bounds.channels)
      return fail(sender, OpenFailure.resourceShortage, 'too many connections at once through this one')
    onChannel((reason, text) => texts.set(sender, [reason, text]))
    next()
  })

  // The last, and so before all others.
  for (const name of Object.keys(handlers).filter((one) => /^(?:GLOBAL|REQUEST|CHANNEL)_/.test(one)))
    before(name, (next) => (inside.authenticated ? next() : hangUp()))
}

/**
 * Sends what ssh2 writes in one go as one: each packet is three writes of it, which without Nagle's algorithm were three
 * segments. A client that reads nothing of it is cut off; ssh2 would keep all of it for them.
 * @param isKnown whether the client has signed in.
 */
export function sendPackets(socket: Socket, isKnown: () => boolean): void {
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean // `as`: one of its forms.
  let isCorked = false
  const uncork = () => {
    isCorked = false
    socket.uncork()
  }
  socket.write = (...args: unknown[]) => {
    if (!isCorked) {
      isCorked = true
      socket.cork()
      process.nextTick(uncork)
    }
    if (socket.writableLength > (isKnown() ? UNREAD_BYTES : UNREAD_STRANGER_BYTES)) socket.destroy()
    return write(...args)
  }
}

interface NameList {
  readonly array: readonly string[]
}

/** One way's algorithms in KEXINIT (RFC 4253 §7.1). */
type OneWay<List> = { readonly [kind in 'cipher' | 'mac' | 'compress' | 'lang']: List }

/** ssh2's KEXINIT, made of lists and giving them back. */
interface Offer {
  readonly lists: {
    readonly kex: NameList
    readonly serverHostKey: NameList
    readonly cs: OneWay<NameList>
    readonly sc: OneWay<NameList>
  }
}

/** ssh2's key exchange of the moment. */
interface KeyExchange {
  remoteExtInfoEnabled: boolean
  _remoteKexinit: Uint8Array
  readonly negotiated: { kex: string }
  convertPublicKey(theirs: Uint8Array): Uint8Array
  computeSecret(theirs: Uint8Array): Uint8Array | Error
  getPublicKey(): Uint8Array
}

interface PacketReader {
  read(payload: Buffer): Buffer
}

/** ssh2's protocol, as far as the agreement on keys is concerned. */
interface Transport {
  _offer: Offer
  _kex: KeyExchange | undefined
  _skipNextInboundPacket: boolean
  _onHandshakeComplete: (...args: unknown[]) => void
  readonly _cipher: { encrypt(packet: Uint8Array): void }
  readonly _packetRW: {
    read: PacketReader
    readonly write: {
      readonly allocStart: number
      alloc(bytes: number, isForced: boolean): Uint8Array
      finalize(packet: Uint8Array, isForced: boolean): Uint8Array
    }
  }
}

const transportOf = (client: Connection): Transport =>
  (client as unknown as { _protocol: Transport })._protocol // `as`: see above.

/** RFC 4250 §4.1.2, RFC 8308 §2.3 */
const Message = { disconnect: 1, extInfo: 7, kexinit: 20 } as const

/** KEXINIT begins with its type and a cookie (RFC 4253 §7.1). */
const KEX_LIST_AT = 1 + 16
/** Of key exchange, host keys, and for each way ciphers, MACs, compression and languages. */
const KEX_LISTS = 10

/** What logins may be signed with (RFC 8308 §3.1): what verify-signature.ts knows. */
const SIGNATURE_ALGORITHMS = [
  'ssh-ed25519',
  'sk-ssh-ed25519@openssh.com',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'sk-ecdsa-sha2-nistp256@openssh.com',
  'rsa-sha2-512',
  'rsa-sha2-256',
]

/**
 * Changes what is offered, before KEXINIT is sent. To be called as soon as ssh2 tells of the client.
 * @param change.isFastOnly takes out what is not AES-GCM: which cipher is taken is the client's choice, and OpenSSH before 10
 * puts slower ones first. @param change.isHybrid puts ML-KEM with X25519 first, which ssh2 does not know.
 */
export function changeOffer(
  client: Connection,
  change: { readonly isFastOnly: boolean; readonly isHybrid: boolean },
): void {
  const protocol = transportOf(client)
  const { kex, serverHostKey, cs, sc } = protocol._offer.lists
  const oneWay = ({ cipher, mac, compress, lang }: OneWay<NameList>): OneWay<readonly string[]> => ({
    cipher: change.isFastOnly ? cipher.array.filter((name) => name.includes('-gcm@')) : cipher.array,
    mac: mac.array,
    compress: compress.array,
    lang: lang.array,
  })
  // `as`: the class is not exported, and its constructor takes what its lists hold.
  const KexInit = protocol._offer.constructor as new (lists: object) => Offer
  protocol._offer = new KexInit({
    kex: [...(change.isHybrid ? [HYBRID_KEX] : []), ...kex.array],
    serverHostKey: serverHostKey.array,
    cs: oneWay(cs),
    sc: oneWay(sc),
  })
  exchangeHybrid(protocol)
  tellAlgorithms(protocol)
}

/** What there is to know of a client's KEXINIT (RFC 4253 §7.1). */
function readKexinit(payload: Buffer) {
  const fields = new SshReader(payload.subarray(KEX_LIST_AT))
  const [kex = [], hostKeys = []] = Array.from({ length: KEX_LISTS }, () => fields.text().split(','))
  return { kex, hostKeys, hasGuessed: fields.byte() !== 0 }
}

/**
 * Has ssh2 exchange keys in a way that it does not know: where both sides agree on it, ssh2 reads the client's KEXINIT with
 * the name of one that it does know, and its exchange is given the client's own bytes, and other arithmetic. Besides, ssh2
 * passes over every guess of a client, and waits for another one in vain where it was right.
 */
function exchangeHybrid(protocol: Transport): void {
  const { kex: known, serverHostKey } = protocol._offer.lists
  let original: Buffer | undefined
  let isGuessWrong = false
  const renamed = (payload: Buffer): Buffer => {
    if (payload[0] !== Message.kexinit) return payload
    const { kex, hostKeys, hasGuessed } = readKexinit(payload)
    isGuessWrong = hasGuessed && (kex[0] !== known.array[0] || hostKeys[0] !== serverHostKey.array[0])
    // The client's first that we have as well.
    if (kex.find((name) => known.array.includes(name)) !== HYBRID_KEX) return payload
    original = payload
    const list = kex.map((name) => (name === HYBRID_KEX ? 'curve25519-sha256' : name)).join(',')
    const rest = payload.subarray(KEX_LIST_AT + 4 + payload.readUInt32BE(KEX_LIST_AT))
    return Buffer.concat([payload.subarray(0, KEX_LIST_AT), sshStrings(list), rest])
  }
  let reader: PacketReader
  const reading = (one: PacketReader) => {
    const read = one.read.bind(one)
    reader = Object.assign(one, {
      read: (payload: Buffer) => {
        const message = read(payload)
        try {
          return renamed(message)
        } catch {
          // Malformed, as ssh2 will say of it.
          return message
        }
      },
    })
  }
  reading(protocol._packetRW.read)
  // A new one comes with new keys.
  Object.defineProperty(protocol._packetRW, 'read', { get: () => reader, set: reading })

  let kex = protocol._kex
  const exchanging = (next: KeyExchange | undefined) => {
    kex = next
    protocol._skipNextInboundPacket = isGuessWrong
    if (next && original) answerInstead(next, original)
    original = undefined
  }
  Object.defineProperty(protocol, '_kex', { get: () => kex, set: exchanging })
}

/** @param kexinit of the client, as it came. */
function answerInstead(kex: KeyExchange, kexinit: Uint8Array): void {
  let reply: Buffer
  kex._remoteKexinit = kexinit
  kex.negotiated.kex = HYBRID_KEX
  kex.convertPublicKey = (theirs) => theirs
  // Before the other one, which then has its answer.
  kex.computeSecret = (theirs) => {
    try {
      const answer = answerHybrid(theirs)
      reply = answer.reply
      return answer.secret
    } catch (error) {
      return error instanceof Error ? error : new Error('no key exchange')
    }
  }
  kex.getPublicKey = () => reply
}

/** Says what logins may be signed with (S7): ssh2 leaves a comma out, and names what nobody gets in with. */
function tellAlgorithms(protocol: Transport): void {
  const complete = protocol._onHandshakeComplete
  let isFirst = true
  protocol._onHandshakeComplete = (...args) => {
    const kex = protocol._kex
    if (isFirst && kex?.remoteExtInfoEnabled) {
      kex.remoteExtInfoEnabled = false
      const list = sshStrings('server-sig-algs', SIGNATURE_ALGORITHMS.join(','))
      send(protocol, Buffer.concat([Buffer.of(Message.extInfo, 0, 0, 0, 1), list]))
    }
    isFirst = false
    complete(...args)
  }
}

/** Ends a connection with a reason, which `ssh` prints: ssh2 says none. */
export function dismiss(client: Connection, reason: string): void {
  const { _sock: socket } = client as unknown as { _sock: Socket } // `as`: see above.
  if (!socket.writable) return
  const why = Buffer.of(Message.disconnect, 0, 0, 0, BY_APPLICATION)
  send(transportOf(client), Buffer.concat([why, sshStrings(reason, 'en')]))
  socket.end()
}

/** Sends a message of our own. While keys are exchanged, only what may be sent then (RFC 4253 §7.1). */
function send({ _packetRW: { write }, _cipher: cipher }: Transport, payload: Uint8Array): void {
  const start = write.allocStart
  const packet = write.alloc(payload.length, true)
  packet.set(payload, start)
  cipher.encrypt(write.finalize(packet, true))
}
