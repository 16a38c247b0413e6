import type { Socket } from 'node:net'
import type { Connection } from 'ssh2'

/*
 * What ssh2 1.17 leaves to be wished for in a server that strangers reach, mended from outside: our handlers are put
 * before its own while nothing has been received yet. All of this looks into ssh2; test/ssh-gateway-hardening.test.ts has
 * one test for each, so that another release of ssh2 shows what is different.
 */

/** RFC 4254 §5.1 */
export const OpenFailure = { prohibited: 1, connectFailed: 2, unknownType: 3, resourceShortage: 4 } as const

/** RFC 4253 §11.1 */
const PROTOCOL_ERROR = 2

type Handler = (...args: unknown[]) => void

/** ssh2's client with its inside, as far as it is used here. */
interface Inside {
  readonly _protocol: {
    readonly _handlers: Record<string, Handler>
    channelOpenFail(sender: number, reason: number, text: string): void
    authFailure(methods: readonly string[]): void
    authPKOK(algorithm: string, key: Uint8Array): void
    disconnect(reason: number): void
  }
  readonly _chanMgr: { _count: number; get(id: number): { incoming?: { window: number } } | undefined }
  readonly _sock: { end(): void }
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
 * - Attempts and channels are counted (S4). ssh2 knows no limit to either.
 * - PK_OK repeats the algorithm that was asked for (S8). ssh2 says `ssh-rsa` to all of RSA, which older clients refuse.
 * - A channel is refused with a text that people read (S11).
 * - Methods other than `publickey` get "no", and what would do (S12). ssh2 hangs up on those it does not know.
 * @param onChannel is told of each channel that is asked for, before ssh2 asks about it.
 */
export function harden(client: Connection, bounds: Bounds, onChannel: (refuse: Refuse) => void): void {
  const { _protocol: protocol, _chanMgr: channels, _sock: socket } = client as unknown as Inside // `as`: see above.
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
    const window = channels.get(id)?.incoming?.window
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
  before('CHANNEL_OPEN', (next, _protocol: never, { sender }: { sender: number }) => {
    if (channels._count >= bounds.channels)
      return fail(sender, OpenFailure.resourceShortage, 'too many connections at once through this one')
    onChannel((reason, text) => texts.set(sender, [reason, text]))
    next()
  })
}

/**
 * Sends what ssh2 writes in one go as one: each packet is three writes of it, which without Nagle's algorithm were three
 * segments.
 */
export function corkPackets(socket: Socket): void {
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

/**
 * Takes out what is not AES-GCM, before KEXINIT is sent: which cipher is taken is the client's choice, and OpenSSH before 10
 * puts slower ones first. To be called as soon as ssh2 tells of the client.
 */
export function offerFastCiphers(client: Connection): void {
  const { _protocol: protocol } = client as unknown as { _protocol: { _offer: Offer } } // `as`: see above.
  const { kex, serverHostKey, cs, sc } = protocol._offer.lists
  const fast = ({ cipher, mac, compress, lang }: OneWay<NameList>): OneWay<readonly string[]> => ({
    cipher: cipher.array.filter((name) => name.includes('-gcm@')),
    mac: mac.array,
    compress: compress.array,
    lang: lang.array,
  })
  // `as`: the class is not exported, and its constructor takes what its lists hold.
  const KexInit = protocol._offer.constructor as new (lists: object) => Offer
  protocol._offer = new KexInit({
    kex: kex.array,
    serverHostKey: serverHostKey.array,
    cs: fast(cs),
    sc: fast(sc),
  })
}
