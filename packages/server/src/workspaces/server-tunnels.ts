import type { WebSocket } from 'ws'
import type { Clock } from '../base/clock.ts'
import { newId } from '../base/ids.ts'
import type { Storage } from '../storage/storage.ts'
import type { SealedMessages } from '../vault/sealed-messages.ts'
import * as store from './agents.store.ts'
import { TunnelError, type Visitor } from './tunnels.ts'

/** Where servers that share a database open WebSockets to each other. */
export const SERVER_TUNNEL_PATH = '/internal/tunnels'
/** Header that says what the calling server wants: a {@link Wish}, sealed. */
export const SERVER_TUNNEL_HEADER = 'keyhold-tunnel'

/** How long a wish is good, in which both clocks may differ too. */
const WISH_MS = 30_000
/** Longer than an agent may take to dial: its server says why there is nothing. */
const ANSWER_MS = 15_000
/** An agent that changes from one server to another is on its way for a moment. */
const ATTEMPTS = 3
const RETRY_MS = 1_000
/** What waits in a socket before its source has to wait, and what has to be left before it goes on. */
const HIGH_BYTES = 1024 * 1024
const LOW_BYTES = 256 * 1024
/** More than agents and gateways send in one. */
const FRAME_BYTES_MAX = 1024 * 1024
/** Close code for a wish that could not be granted; its reason is for people. */
const REFUSED = 4000
/** The server that has the agent: somebody is there. The other one: I listen. */
const READY = 'ready'
const GO = 'go'

/** What one server wants of the one that an agent is connected to. */
export type Wish =
  | { readonly kind: 'enter'; readonly workspaceId: string; readonly visitor: Visitor }
  | {
      /** An agent has dialled, and the balancer brought it to the wrong server. */
      readonly kind: 'dial'
      readonly agent: { readonly workspaceId: string; readonly epoch: number }
      readonly tunnel: DialledTunnel
    }

export interface DialledTunnel {
  readonly id: string
  readonly token: string
  readonly failure: string | undefined
}

export interface ServerTunnelParts {
  readonly storage: Storage
  readonly clock: Clock
  readonly messages: SealedMessages
  readonly serverId: string
}

/**
 * Tunnels between servers: somebody's `ssh` comes to one, and the agent of the workspace is connected to another. The wish
 * is sealed for the server it goes to, with a key that only servers of this instance have, so that the way between them
 * need not be trusted: what travels in a tunnel is SSH between client and workspace (decision 0041).
 */
export class ServerTunnels {
  readonly #parts: ServerTunnelParts
  /** Ids of wishes that were granted, with the time until which they could come again. */
  readonly #granted = new Map<string, number>()

  constructor(parts: ServerTunnelParts) {
    this.#parts = parts
  }

  /** Whether another server says that it has the agent of a workspace. */
  async isElsewhere(workspaceId: string): Promise<boolean> {
    return (await this.#find(workspaceId)) !== undefined
  }

  async #find(workspaceId: string): Promise<{ id: string; url: string | null } | undefined> {
    const { storage, serverId } = this.#parts
    const server = await store.findServer(storage.db, workspaceId)
    return server?.id === serverId ? undefined : server
  }

  /** Has the server of an agent ask it to open. @returns the bytes, not read yet. @throws TunnelError */
  async enter(workspaceId: string, visitor: Visitor): Promise<WebSocket> {
    let problem = new TunnelError(`workspace ${workspaceId} is stopped: its agent is not connected`)
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (attempt > 0) await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
      const server = await this.#find(workspaceId)
      if (!server) continue
      const socket = await this.#dial(server, { kind: 'enter', workspaceId, visitor })
      const answer = socket && (await answerOf(socket))
      if (answer === READY) return socket!
      problem = new TunnelError(
        answer ?? `the server that workspace ${workspaceId} is connected to cannot be reached; try again`,
      )
      // It said why: asking again would not help.
      if (answer !== undefined) break
    }
    throw problem
  }

  /** Brings what an agent has dialled to the server that asked for it. @returns false when there is none. */
  async pass(
    agent: { readonly workspaceId: string; readonly epoch: number },
    tunnel: DialledTunnel,
    socket: WebSocket,
  ): Promise<boolean> {
    const server = await this.#find(agent.workspaceId)
    const { workspaceId, epoch } = agent
    const other =
      server && (await this.#dial(server, { kind: 'dial', agent: { workspaceId, epoch }, tunnel }))
    if (other) relay(socket, other)
    return other !== undefined
  }

  /** @returns an open WebSocket from which nothing has been read; undefined when the server is not reached. */
  async #dial(server: { id: string; url: string | null }, wish: Wish): Promise<WebSocket | undefined> {
    if (server.url === null) return undefined
    const { clock, messages } = this.#parts
    const { WebSocket } = await import('ws')
    const until = clock.now().getTime() + WISH_MS
    const text = JSON.stringify({ ...wish, id: newId('wsh'), until })
    const socket = new WebSocket(server.url.replace(/^http/, 'ws') + SERVER_TUNNEL_PATH, {
      headers: { [SERVER_TUNNEL_HEADER]: messages.seal(contextOf(server.id), text) },
      handshakeTimeout: ANSWER_MS,
      perMessageDeflate: false,
      maxPayload: FRAME_BYTES_MAX,
      // As agents do over TLS: a mask costs as much as all the rest of passing on.
      ...(server.url.startsWith('https:') && { generateMask: (mask: Buffer) => mask.fill(0) }),
      // The wish says who may read it, and the tunnel is sealed end to end; a name in a certificate adds nothing.
      rejectUnauthorized: false,
    })
    socket.on('error', () => {})
    return new Promise((resolve) => {
      socket.once('close', () => resolve(undefined))
      socket.once('open', () => {
        socket.pause()
        resolve(socket)
      })
    })
  }

  /** Reads the wish of another server. @returns undefined unless it is for this one, of now, and new. */
  open(sealed: string): Wish | undefined {
    const { clock, messages, serverId } = this.#parts
    const text = messages.open(contextOf(serverId), sealed)
    if (text === undefined) return undefined
    const { id, until, ...wish } = JSON.parse(text) // Sealed by a server of this instance, which made it from a Wish.
    const now = clock.now().getTime()
    for (const [old, end] of this.#granted) if (end < now) this.#granted.delete(old)
    if (until < now || until > now + 2 * WISH_MS || this.#granted.has(id)) return undefined
    this.#granted.set(id, until)
    return wish
  }
}

const contextOf = (serverId: string) => ['keyhold/v1/server-tunnel', serverId]

/** @returns {@link READY}; or why not, in words; undefined when there was no answer. */
function answerOf(socket: WebSocket): Promise<string | undefined> {
  return new Promise((resolve) => {
    const deadline = setTimeout(() => socket.terminate(), ANSWER_MS)
    socket.once('close', (code, reason) => {
      clearTimeout(deadline)
      resolve(code === REFUSED ? String(reason) : undefined)
    })
    socket.once('message', (data) => {
      clearTimeout(deadline)
      // Before it hears that somebody listens, the other side sends nothing.
      socket.pause()
      socket.send(GO)
      resolve(String(data))
    })
    socket.resume()
  })
}

/** Answers a server that wants in: with the tunnel, or with why there is none. */
export function answer(caller: WebSocket, opening: Promise<WebSocket>): void {
  opening.then(
    (tunnel) => {
      caller.once('close', () => tunnel.terminate())
      caller.once('message', () => relay(caller, tunnel))
      caller.resume()
      if (caller.readyState === caller.OPEN) caller.send(READY)
      else tunnel.terminate()
    },
    (error: unknown) => {
      const reason = error instanceof TunnelError ? error.message : 'something went wrong in Keyhold'
      caller.resume()
      // RFC 6455 §5.5: 125 bytes with the code.
      caller.close(REFUSED, Buffer.from(reason).subarray(0, 123))
    },
  )
}

/** Joins two WebSockets, frame by frame, until one of them is gone. Neither reads faster than the other writes. */
function relay(one: WebSocket, other: WebSocket): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.on('message', (data: Buffer, isBinary: boolean) => {
      if (to.readyState !== to.OPEN) return
      to.send(data, { binary: isBinary }, () => {
        if (from.isPaused && to.bufferedAmount < LOW_BYTES) from.resume()
      })
      if (to.bufferedAmount > HIGH_BYTES) from.pause()
    })
    from.on('close', (code) => {
      // A paused socket would never hear the answer to its goodbye.
      to.resume()
      // RFC 6455 §7.4.2: others are not for the wire.
      to.close(code === 1000 || (code >= 4000 && code < 5000) ? code : 1011)
    })
    if (from.readyState > from.OPEN) to.close(1011)
  }
  one.resume()
  other.resume()
}
