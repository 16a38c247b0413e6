import { type ControlMessage, closeCodes } from '@keyhold/contract/api/workspace-agents'
import type { WebSocket } from 'ws'
import { inWorkspace } from '../access/access.ts'
import type { Asker, WorkspaceAgent } from '../access/caller.ts'
import { AppError } from '../base/app-error.ts'
import { newId } from '../base/ids.ts'
import type { SealedMessages } from '../vault/sealed-messages.ts'
import type { AgentFacts, AgentParts } from './agents.service.ts'
import * as store from './agents.store.ts'
import { answer, type DialledTunnel, ServerTunnels, type Wish } from './server-tunnels.ts'
import { TunnelError, type TunnelPlace, Tunnels, type Visitor } from './tunnels.ts'
import type { VisitorPasses } from './visitor-pass.ts'

/** How often is looked whether agents may stay and have something to fetch: others may have said so on another server. */
const LOOK_MS = 1_000
/** How often the database hears that a connection is there: well within the silence after which it is taken to have ended. */
const BEAT_MS = 15_000
const PING_MS = 20_000
/** An agent that says nothing for so long is gone; its network did not say so. */
const DEAD_MS = 50_000
/** How long the other side may take to hear that it is over. */
const GOODBYE_MS = 1_000

/** Close code of the registry of IANA. */
const TRY_AGAIN_LATER = 1013

/** A WebSocket, as far as it is needed here. */
export interface ControlSocket {
  send(text: string): void
  ping(): void
  close(code: number): void
  terminate(): void
  on(event: 'pong' | 'message' | 'close', listener: () => void): unknown
}

interface Connection {
  readonly id: string
  readonly asker: Asker<WorkspaceAgent>
  readonly socket: ControlSocket
  /** Up to which change the agent was told. */
  changes: number
  heardAt: number
}

export interface ConnectionParts extends Omit<AgentParts, 'certificateAuthority'> {
  /** Names this server among those that share the database. */
  readonly serverId: string
  /** Between those servers. */
  readonly messages: SealedMessages
  /** Lines of the keys that let somebody into a workspace. */
  readonly keyLines: (accountId: string) => Promise<readonly string[]>
  /** The same of several people at once. */
  readonly keyLinesOf: (accountIds: readonly string[]) => Promise<ReadonlyMap<string, ReadonlySet<string>>>
  readonly passes: VisitorPasses
}

/**
 * The agents that are connected to this server. The database says which connection of a workspace counts, so that of two,
 * on two servers, one ends; memory has the sockets.
 */
export class AgentConnections {
  readonly #parts: ConnectionParts
  readonly #byWorkspace = new Map<string, Connection>()
  readonly #tunnels = new Tunnels<WebSocket>()
  /** The end of the last one that came, by workspace. */
  readonly #attaching = new Map<string, Promise<void>>()
  readonly #servers: ServerTunnels
  readonly #failed: (error: unknown) => void
  #looking: NodeJS.Timeout | undefined
  #beatAt = 0
  #isLooking = false
  /** Ends that are being written down. */
  readonly #ending = new Set<Promise<void>>()

  /** @param failed is told when the database could not be asked; it is tried again. */
  constructor(parts: ConnectionParts, failed: (error: unknown) => void) {
    this.#parts = parts
    this.#servers = new ServerTunnels(parts)
    this.#failed = failed
  }

  /** Takes a connection in. What went before it on this workspace ends. */
  async attach(asker: Asker<WorkspaceAgent>, socket: ControlSocket, facts: AgentFacts): Promise<void> {
    const { workspaceId } = asker.caller
    let isClosed = false
    socket.on('close', () => {
      isClosed = true
    })
    // One after another, so that memory and the database agree which one was the last.
    const before = this.#attaching.get(workspaceId)
    const attached = (before ?? Promise.resolve()).then(() =>
      isClosed ? undefined : this.#attach(asker, socket, facts),
    )
    this.#attaching.set(workspaceId, attached)
    await attached
    if (this.#attaching.get(workspaceId) === attached) this.#attaching.delete(workspaceId)
  }

  async #attach(asker: Asker<WorkspaceAgent>, socket: ControlSocket, facts: AgentFacts): Promise<void> {
    const { access, clock, serverId } = this.#parts
    const { workspaceId, epoch } = asker.caller
    const id = newId('con')
    let isClosed = false
    socket.on('close', () => {
      isClosed = true
      this.#track(this.#detach(workspaceId, id))
    })
    try {
      const changes = await access.perform(asker, 'agent.connect', inWorkspace(workspaceId), async (tx) => {
        const { applied, ...said } = facts
        const connection = { id, serverId, ...said, now: clock.now().getTime() }
        // An agent that has just started has nothing in effect, whatever the one before had.
        await store.deleteApplied(tx, workspaceId, applied)
        // `!`: access has decided in this transaction that the epoch is the current one.
        const set = (await store.setConnection(tx, { workspaceId, epoch }, connection))!
        const target = { kind: 'agent', name: facts.loginName, version: epoch }
        return { result: set.changes, record: { target } }
      })
      const replaced = this.#byWorkspace.get(workspaceId)
      if (replaced) this.#hangUp(replaced, closeCodes.replaced)
      // It went away while it was written down, and nobody would say so.
      if (isClosed) return await this.#detach(workspaceId, id)
      const connection = { id, asker, socket, changes, heardAt: Date.now() }
      this.#byWorkspace.set(workspaceId, connection)
      for (const event of ['pong', 'message'] as const)
        socket.on(event, () => {
          connection.heardAt = Date.now()
        })
      this.#tell(connection, { type: 'changed' })
      this.#looking ??= setInterval(() => void this.look(), LOOK_MS).unref()
    } catch (error) {
      // Refused and recorded, or a database that does not answer: then the agent comes again.
      const isRefused = error instanceof AppError && error.status < 500
      if (!isRefused) this.#failed(error)
      socket.close(isRefused ? closeCodes.revoked : TRY_AGAIN_LATER)
    }
  }

  #tell({ socket }: Connection, message: ControlMessage): void {
    socket.send(JSON.stringify(message))
  }

  #track(work: Promise<void>): void {
    const tracked: Promise<void> = work.catch(this.#failed).finally(() => this.#ending.delete(tracked))
    this.#ending.add(tracked)
  }

  async #detach(workspaceId: string, id: string): Promise<void> {
    const { storage, audit, clock } = this.#parts
    const connection = this.#byWorkspace.get(workspaceId)
    if (connection?.id === id) this.#byWorkspace.delete(workspaceId)
    await storage.transaction(async (tx) => {
      if (!(await store.clearConnection(tx, id, clock.now().getTime()))) return
      await audit.appendIn(tx, {
        action: 'agent.disconnect',
        outcome: 'success',
        actor: { kind: 'workspace', id: workspaceId },
        workspace: workspaceId,
        origin: connection?.asker.origin ?? { traceId: id },
      })
    })
  }

  /** Whether the agent of a workspace is connected, to this server or to another one. */
  async isConnected(workspaceId: string): Promise<boolean> {
    return this.#byWorkspace.has(workspaceId) || this.#servers.isElsewhere(workspaceId)
  }

  /** Has the agent start an SSH server for somebody. @returns its bytes, not read yet. @throws TunnelError */
  async openTunnel(workspaceId: string, visitor: Visitor): Promise<WebSocket> {
    return this.#byWorkspace.has(workspaceId)
      ? this.#openHere(workspaceId, visitor)
      : this.#servers.enter(workspaceId, visitor)
  }

  async #openHere(workspaceId: string, visitor: Visitor): Promise<WebSocket> {
    const keys = [...(await this.#parts.keyLines(visitor.accountId))]
    const connection = this.#byWorkspace.get(workspaceId)
    if (!connection) throw new TunnelError(`workspace ${workspaceId} is stopped: its agent is not connected`)
    const { epoch } = connection.asker.caller
    const { session, ...shown } = visitor
    const { accountId, level, fingerprint, address } = shown
    const { passes, clock } = this.#parts
    // A server of the release before says nothing of it.
    const { id: sessionId = '', traceId = '' } = session ?? {}
    const about = { workspaceId, epoch, accountId, level, fingerprint, address, sessionId, traceId }
    const pass = passes.issue(about, clock.now())
    const place = { workspaceId, epoch, accountId, isOwner: level === 'owner', keys }
    return this.#tunnels.open(place, (tunnel) =>
      this.#tell(connection, { type: 'open', ...shown, ...tunnel, keys, pass }),
    )
  }

  /** Reads what another server wants. @returns undefined when it is none of this instance, or not meant for this one. */
  readWish(sealed: string): Wish | undefined {
    return this.#servers.open(sealed)
  }

  /** Does what another server wants. @param socket to it, paused. */
  grant(wish: Wish, socket: WebSocket): void {
    if (wish.kind === 'enter') answer(socket, this.#openHere(wish.workspaceId, wish.visitor))
    else this.#settle(wish.agent, wish.tunnel, socket)
  }

  /** Takes what an agent has dialled because it was asked to. */
  async attachTunnel(agent: WorkspaceAgent, tunnel: DialledTunnel, socket: WebSocket): Promise<void> {
    // Its balancer may have brought it elsewhere than to who asked.
    if (!this.#tunnels.isAsked(tunnel.id) && (await this.#servers.pass(agent, tunnel, socket))) return
    this.#settle(agent, tunnel, socket)
  }

  #settle(agent: { workspaceId: string; epoch: number }, tunnel: DialledTunnel, socket: WebSocket): void {
    const answer = tunnel.failure === undefined ? socket : new TunnelError(failureText(tunnel.failure))
    const isAsked = this.#tunnels.attach(agent, tunnel.id, tunnel.token, answer)
    if (isAsked && tunnel.failure === undefined) return
    // It was paused, and a close is done when the other side has been heard.
    socket.resume()
    socket.close(closeCodes.revoked)
  }

  /** Looks who may stay, and who has something to fetch. Also for tests that do not want to wait. */
  async look(): Promise<void> {
    // Taken before it is asked who may go on: what comes meanwhile is not among those.
    const tunnels = this.#tunnels.list()
    if (this.#isLooking || this.#byWorkspace.size + tunnels.length === 0) return
    this.#isLooking = true
    try {
      const connections = [...this.#byWorkspace.values()]
      this.#ping(connections)
      const ids = connections.map(({ id }) => id)
      const { storage, clock } = this.#parts
      if (ids.length > 0 && Date.now() - this.#beatAt >= BEAT_MS) {
        this.#beatAt = Date.now()
        const now = clock.now().getTime()
        await storage.transaction((tx) => store.touchConnections(tx, ids, now))
      }
      const workspaceIds = [...connections.map(({ asker }) => asker.caller), ...tunnels].map(
        ({ workspaceId }) => workspaceId,
      )
      const rows = await store.listLiveAgents(storage.db, [...new Set(workspaceIds)])
      const live = new Map(rows.map((row) => [row.workspaceId, row]))
      for (const connection of connections) this.#lookAt(connection, live)
      this.#tunnels.end(tunnels.filter(({ workspaceId, epoch }) => live.get(workspaceId)?.epoch !== epoch))
      await this.#endWithKeys(tunnels)
    } catch (error) {
      this.#failed(error)
    } finally {
      this.#isLooking = false
    }
  }

  #lookAt(connection: Connection, live: ReadonlyMap<string, store.LiveAgent>): void {
    const { workspaceId, epoch } = connection.asker.caller
    const agent = live.get(workspaceId)
    if (agent?.epoch !== epoch) this.#hangUp(connection, closeCodes.revoked)
    // It connected once more, to another server.
    else if (agent.connectionId !== connection.id) this.#hangUp(connection, closeCodes.replaced)
    else if (agent.changes !== connection.changes) {
      connection.changes = agent.changes
      this.#tell(connection, { type: 'changed' })
    }
  }

  /** An agent that was tampered with may take no notice of a close. */
  #hangUp({ socket }: Connection, code: number): void {
    socket.close(code)
    setTimeout(() => socket.terminate(), GOODBYE_MS).unref()
  }

  /**
   * Ends what a key could have let in that lets nobody in any more: the workspace's own SSH server was told all keys of the
   * person, and which of them was used there is known to the workspace alone.
   */
  async #endWithKeys(tunnels: readonly TunnelPlace[]): Promise<void> {
    if (tunnels.length === 0) return
    const lines = await this.#parts.keyLinesOf([...new Set(tunnels.map(({ accountId }) => accountId))])
    this.#tunnels.end(
      tunnels.filter(({ accountId, keys }) => !keys.every((key) => lines.get(accountId)?.has(key))),
    )
  }

  #pingedAt = 0

  #ping(connections: readonly Connection[]): void {
    const now = Date.now()
    for (const { socket, heardAt } of connections) if (now - heardAt > DEAD_MS) socket.terminate()
    if (now - this.#pingedAt < PING_MS) return
    this.#pingedAt = now
    for (const { socket } of connections) socket.ping()
  }

  /** Waits until the ends of connections are written down; the sockets are closed by who opened them. */
  async stop(): Promise<void> {
    clearInterval(this.#looking)
    await Promise.all(this.#ending)
  }
}

/** What `ssh` prints of an agent that could not let anybody in. */
function failureText(failure: string): string {
  if (failure === 'no-ssh-server')
    return 'the workspace has no SSH server; install the package openssh-server there'
  if (failure === 'not-recorded')
    return 'the workspace lets nobody in whose visit it cannot have recorded; try again, and its agent says why'
  return 'the workspace could not start its SSH server; its agent says why'
}
