import type { IncomingMessage, Server } from 'node:http'
import type { BlockList } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Logger } from 'pino'
import type { WebSocket, WebSocketServer } from 'ws'
import { AppError } from '../base/app-error.ts'
import { newTraceId } from '../base/ids.ts'
import type { Origin } from '../base/origin.ts'
import { clientConnection, isLoopbackAddress } from './client-address.ts'
import { toAppError } from './problem.ts'
import { endWithProblem } from './raw-answer.ts'

/** No message is longer; what is, ends the connection before it is in memory (RFC 6455 §7.4.1, code 1009). */
const MESSAGE_BYTES_MAX = 1024 * 1024
/** RFC 6455 §7.4.1 and the registry of IANA: the server starts again, come back. */
const SERVICE_RESTART = 1012
/** How long the other side may take to say goodbye. */
const CLOSING_MS = 2_000

/** What a handler of WebSockets gets. Nothing is read before it has put its listeners on. */
export interface SocketCall<W> {
  readonly socket: WebSocket
  readonly caller: W
  readonly origin: Origin
  readonly params: Readonly<Record<string, string>>
  /** A header of the request. */
  header(name: string): string | undefined
}

export type SocketHandler<W> = (call: SocketCall<W>) => void

interface SocketOptions {
  readonly publicUrl: string
  readonly trustedProxies?: BlockList | undefined
  readonly tls?: { readonly cert: string; readonly key: string } | undefined
  readonly logger: Logger
}

interface Place {
  readonly pattern: RegExp
  readonly path: string
  readonly handler: SocketHandler<unknown>
  /** Absent: whoever calls says so as everywhere. Else what is asked is sealed, and the way it comes does not matter. */
  readonly read?: (header: Header) => unknown
  /** @throws AppError for whoever has to wait. */
  readonly admit?: (caller: unknown) => void
}

type Header = (name: string) => string | undefined

/** WebSockets of agents: which requests become one, and for whom. */
export class Sockets {
  readonly #options: SocketOptions
  readonly #identify: (request: IncomingMessage, isSecure: boolean, origin: Origin) => Promise<unknown>
  readonly #places: Place[] = []
  readonly #open = new Set<WebSocket>()
  #server: WebSocketServer | undefined
  #isClosing = false

  /** @param identify says who calls. @throws AppError when nobody may. */
  constructor(
    options: SocketOptions,
    identify: (request: IncomingMessage, isSecure: boolean, origin: Origin) => Promise<unknown>,
  ) {
    this.#options = options
    this.#identify = identify
  }

  add(path: string, handler: SocketHandler<unknown>, checks: Pick<Place, 'read' | 'admit'>): void {
    const pattern = new RegExp(`^${path.replaceAll(/\{(\w+)\}/g, '(?<$1>[\\w-]{1,64})')}$`)
    this.#places.push({ pattern, path, handler, ...checks })
  }

  /** Whether a request is for a place where there are WebSockets. */
  has(request: IncomingMessage): boolean {
    return (
      request.headers.upgrade?.toLowerCase() === 'websocket' && this.#find(request.url ?? '') !== undefined
    )
  }

  #find(url: string) {
    return this.#places.find(({ pattern }) => pattern.test(url))
  }

  attach(server: Server): void {
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      // Somebody who goes away while we look who they are.
      socket.on('error', () => socket.destroy())
      void this.#upgrade(request, socket, head)
    })
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const { trustedProxies, tls, logger } = this.#options
    const { address, isSecure } = clientConnection(request, tls !== undefined, trustedProxies)
    const client = request.headers['user-agent']?.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 200)
    const traceId = newTraceId()
    const origin = { address, ...(client !== undefined && { client }), traceId }
    try {
      if (this.#isClosing) return void socket.destroy()
      // `!`: without a place the request is none of ours.
      const place = this.#find(request.url ?? '')!
      const header = (name: string) => {
        const value = request.headers[name]
        return Array.isArray(value) ? value[0] : value
      }
      if (!place.read && !isSecure && !isLoopbackAddress(address)) throw new AppError('transport.insecure')
      // Browsers always say where a page is from that opens a WebSocket. No page has business here.
      if (request.headers.origin !== undefined) throw new AppError('request.cross_site')
      const caller = place.read ? place.read(header) : await this.#identify(request, isSecure, origin)
      if (caller === undefined) throw new AppError('auth.required')
      place.admit?.(caller)
      const server = await this.#load()
      const params = place.pattern.exec(request.url ?? '')?.groups ?? {}
      if (this.#isClosing) return void socket.destroy()
      server.handleUpgrade(request, socket, head, (one) => {
        this.#open.add(one)
        one.on('close', () => this.#open.delete(one))
        // What is wrong with a frame ends the connection, which is all there is to do.
        one.on('error', () => {})
        logger.debug({ traceId, route: place.path, address }, 'websocket')
        place.handler({ socket: one, caller, origin, params, header })
      })
    } catch (error) {
      const refusal = toAppError(error)
      if (refusal.code === 'server.error') logger.error({ traceId, err: error }, 'unexpected error')
      const status = endWithProblem(socket, refusal, traceId, this.#options)
      logger.info({ traceId, status, address }, 'websocket refused')
    }
  }

  async #load(): Promise<WebSocketServer> {
    if (this.#server) return this.#server
    // Loaded when the first agent comes: most servers of the smallest kind never have one.
    const { WebSocketServer } = await import('ws')
    this.#server ??= new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: MESSAGE_BYTES_MAX,
      skipUTF8Validation: false,
    })
    return this.#server
  }

  /** Tells everybody to come back, and takes nobody new. */
  close(): void {
    this.#isClosing = true
    for (const one of this.#open) one.close(SERVICE_RESTART)
    setTimeout(() => {
      for (const one of this.#open) one.terminate()
    }, CLOSING_MS).unref()
  }
}
