import {
  AGENT_CONNECTION_PATH,
  agentHeaders,
  type ControlMessage,
} from '@keyhold/contract/api/workspace-agents'
import { KeyholdError } from '@keyhold/sdk'
import { WebSocket } from 'ws'
import { userAgent } from '../client.ts'

const OPENING_MS = 15_000
/** The server pings every 20 seconds. Silence for so long is a network that did not say that it went away. */
const DEAD_MS = 50_000
/** More than what says who comes in, with 50 keys of RSA of 16,384 bits. */
const MESSAGE_BYTES_MAX = 512 * 1024

/** The connection over which the server says when there is something to do. It carries no values. */
export class ControlConnection {
  readonly #socket: WebSocket
  #watch: NodeJS.Timeout | undefined
  #onMessage: ((message: ControlMessage) => void) | undefined
  #early: ControlMessage[] = []
  /** Resolves with the close code. */
  readonly ended: Promise<number>

  private constructor(socket: WebSocket) {
    this.#socket = socket
    this.ended = new Promise((resolve) => {
      socket.on('close', (code) => {
        clearTimeout(this.#watch)
        resolve(code)
      })
    })
    // What breaks it also closes it.
    socket.on('error', () => {})
    socket.on('ping', () => this.#heard())
    socket.on('message', (data) => {
      this.#heard()
      const message = parsed(String(data))
      if (message === undefined) return
      if (this.#onMessage) this.#onMessage(message)
      else this.#early.push(message)
    })
    this.#heard()
  }

  /** @throws KeyholdError with the status when the server refuses, else as it is for what cannot be reached. */
  static open(options: {
    url: string
    token: string
    loginName: string
    release: string
    applied: string | undefined
  }): Promise<ControlConnection> {
    const { url, token, loginName, release, applied } = options
    const socket = new WebSocket(url.replace(/^http/, 'ws') + AGENT_CONNECTION_PATH, {
      headers: {
        authorization: `Bearer ${token}`,
        'user-agent': userAgent,
        [agentHeaders.loginName]: loginName,
        [agentHeaders.release]: release,
        ...(applied !== undefined && { [agentHeaders.applied]: applied }),
      },
      perMessageDeflate: false,
      maxPayload: MESSAGE_BYTES_MAX,
      handshakeTimeout: OPENING_MS,
      followRedirects: false,
    })
    // Made at once: what the server says right after its answer must find a listener.
    const connection = new ControlConnection(socket)
    return new Promise((resolve, reject) => {
      socket.on('open', () => resolve(connection))
      socket.on('unexpected-response', (_request, response) => {
        response.resume()
        socket.terminate()
        const status = response.statusCode ?? 0
        reject(new KeyholdError('network.unreachable', `Keyhold answered ${status}`, { status }))
      })
      socket.on('error', (error) => {
        const reason = 'code' in error ? String(error.code) : 'it did not answer'
        reject(new KeyholdError('network.unreachable', `Keyhold cannot be reached: ${reason}`))
      })
    })
  }

  set onMessage(handler: (message: ControlMessage) => void) {
    this.#onMessage = handler
    for (const message of this.#early.splice(0)) handler(message)
  }

  #heard(): void {
    clearTimeout(this.#watch)
    this.#watch = setTimeout(() => this.#socket.terminate(), DEAD_MS)
  }

  close(): void {
    this.#socket.close(1000)
  }
}

function parsed(text: string): ControlMessage | undefined {
  try {
    const message = JSON.parse(text)
    return typeof message?.type === 'string' ? message : undefined
  } catch {
    // A server of a later release may say more than is known here.
    return undefined
  }
}
