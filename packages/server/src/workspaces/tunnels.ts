import { limits } from '@keyhold/contract/limits'
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

/** Where a tunnel leads, and for whom. */
export interface TunnelPlace {
  readonly workspaceId: string
  /** Of the agent that was asked. */
  readonly epoch: number
  readonly accountId: string
  readonly isOwner: boolean
  /** Lines of the keys that were handed over. */
  readonly keys: readonly string[]
}

interface TunnelSocket {
  once(event: 'close', listener: () => void): unknown
  /** Ends it whatever the other side does. */
  terminate(): void
}

interface Waiting<Socket> {
  readonly tokenHash: Buffer
  readonly settle: (socket: Socket | TunnelError) => void
}

interface Tunnel<Socket> extends TunnelPlace {
  /** Absent once the agent has dialled. */
  waiting: Waiting<Socket> | undefined
  socket: Socket | undefined
}

/** What goes to the agent: it dials back with the token, which is good once. */
export interface TunnelCall {
  readonly tunnelId: string
  readonly token: string
}

/** Tunnels of agents: asked for, dialled, open. */
export class Tunnels<Socket extends TunnelSocket> {
  /** Asked for or open, by id. */
  readonly #tunnels = new Map<string, Tunnel<Socket>>()

  isAsked(tunnelId: string): boolean {
    return this.#tunnels.get(tunnelId)?.waiting !== undefined
  }

  /** Asked for or open. */
  list(): TunnelPlace[] {
    return [...this.#tunnels.values()]
  }

  /** Ends those that are open. */
  end(places: readonly TunnelPlace[]): void {
    const ended = new Set(places)
    for (const tunnel of this.#tunnels.values()) if (ended.has(tunnel)) tunnel.socket?.terminate()
  }

  /** Nobody with whom a workspace is shared takes all places, nor all of them together the owner's. */
  #assertRoom({ workspaceId, accountId, isOwner }: TunnelPlace): void {
    const there = this.list().filter((one) => one.workspaceId === workspaceId)
    const theirs = there.filter((one) => one.accountId === accountId)
    const visitors = there.filter((one) => !one.isOwner)
    const isFull =
      there.length >= limits.sshTunnelsPerWorkspace ||
      (!isOwner &&
        (theirs.length >= limits.sshTunnelsPerVisitor ||
          visitors.length >= limits.sshTunnelsPerWorkspace - limits.sshTunnelsForOwner))
    if (isFull) throw new TunnelError(`too many connections to workspace ${workspaceId} at once`)
  }

  /**
   * Asks an agent to dial.
   * @param call hands the question to it. @throws TunnelError when there is no room, or it does not answer in time.
   */
  async open(place: TunnelPlace, call: (tunnel: TunnelCall) => void): Promise<Socket> {
    this.#assertRoom(place)
    const tunnelId = newId('tun')
    const token = newToken(TOKEN_PREFIX)
    return new Promise<Socket>((resolve, reject) => {
      const fail = (error: TunnelError) => {
        this.#tunnels.delete(tunnelId)
        reject(error)
      }
      const deadline = setTimeout(
        () => fail(new TunnelError('the workspace did not answer in time')),
        DIALLING_MS,
      )
      const settle = (socket: Socket | TunnelError) => {
        clearTimeout(deadline)
        if (socket instanceof TunnelError) return fail(socket)
        tunnel.socket = socket
        socket.once('close', () => this.#tunnels.delete(tunnelId))
        resolve(socket)
      }
      const waiting = { tokenHash: hashToken(token), settle }
      const tunnel: Tunnel<Socket> = { ...place, waiting, socket: undefined }
      this.#tunnels.set(tunnelId, tunnel)
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
    const tunnel = this.#tunnels.get(tunnelId)
    const isTheirs = tunnel?.workspaceId === agent.workspaceId && tunnel.epoch === agent.epoch
    if (!tunnel?.waiting || !isTheirs || !sameBytes(hashToken(token), tunnel.waiting.tokenHash)) return false
    const { settle } = tunnel.waiting
    // Good once: a second one with the same token finds nothing.
    tunnel.waiting = undefined
    settle(socket)
    return true
  }
}
