import { hashToken, newId, newToken } from '../base/ids.ts'
import { sameBytes } from '../vault/same-bytes.ts'

const TOKEN_PREFIX = 'kh_tun_'
/** How long an agent may take to dial. */
const DIALLING_MS = 10_000

/** As what somebody may enter. */
export type VisitorLevel = 'owner' | 'admin' | 'edit'

/** Who enters, and with which keys: what the SSH server in the workspace has to know. */
export interface Visitor {
  readonly accountId: string
  readonly name: string
  readonly level: VisitorLevel
  /** Of the key that was proven at the gateway. */
  readonly fingerprint: string
  readonly address: string
  /** How others see this way in, and the record of it. */
  readonly session: { readonly id: string; readonly traceId: string }
}

/** Why there is no tunnel, in words for whoever types `ssh`. */
export class TunnelError extends Error {}

interface Waiting<Socket> {
  readonly workspaceId: string
  readonly epoch: number
  readonly tokenHash: Buffer
  readonly settle: (socket: Socket | TunnelError) => void
}

/** What goes to the agent: it dials back with the token, which is good once. */
export interface TunnelCall {
  readonly tunnelId: string
  readonly token: string
}

/** Tunnels of agents: asked for, dialled, open. */
export class Tunnels<Socket extends { once(event: 'close', listener: () => void): unknown }> {
  readonly #waiting = new Map<string, Waiting<Socket>>()
  /** How many are open or asked for, by workspace. */
  readonly #counts = new Map<string, number>()

  isAsked(tunnelId: string): boolean {
    return this.#waiting.has(tunnelId)
  }

  countOf(workspaceId: string): number {
    return this.#counts.get(workspaceId) ?? 0
  }

  #count(workspaceId: string, by: 1 | -1): void {
    const count = this.countOf(workspaceId) + by
    if (count > 0) this.#counts.set(workspaceId, count)
    else this.#counts.delete(workspaceId)
  }

  /**
   * Asks an agent to dial.
   * @param call hands the question to it. @throws TunnelError when it does not answer in time.
   */
  open(
    at: { readonly workspaceId: string; readonly epoch: number },
    call: (tunnel: TunnelCall) => void,
  ): Promise<Socket> {
    const tunnelId = newId('tun')
    const token = newToken(TOKEN_PREFIX)
    this.#count(at.workspaceId, 1)
    return new Promise<Socket>((resolve, reject) => {
      const deadline = setTimeout(() => {
        this.#waiting.delete(tunnelId)
        this.#count(at.workspaceId, -1)
        reject(new TunnelError('the workspace did not answer in time'))
      }, DIALLING_MS)
      const settle = (socket: Socket | TunnelError) => {
        clearTimeout(deadline)
        if (socket instanceof TunnelError) {
          this.#count(at.workspaceId, -1)
          return reject(socket)
        }
        socket.once('close', () => this.#count(at.workspaceId, -1))
        resolve(socket)
      }
      this.#waiting.set(tunnelId, { ...at, tokenHash: hashToken(token), settle })
      call({ tunnelId, token })
    })
  }

  /** Takes the tunnel that an agent has dialled. @returns false when nobody asked for it, or somebody else was asked. */
  attach(
    agent: { readonly workspaceId: string; readonly epoch: number },
    tunnelId: string,
    token: string,
    socket: Socket | TunnelError,
  ): boolean {
    const waiting = this.#waiting.get(tunnelId)
    const isTheirs = waiting?.workspaceId === agent.workspaceId && waiting.epoch === agent.epoch
    if (!waiting || !isTheirs || !sameBytes(hashToken(token), waiting.tokenHash)) return false
    // Good once: a second one with the same token finds nothing.
    this.#waiting.delete(tunnelId)
    waiting.settle(socket)
    return true
  }
}
