import { createServer, type Server as NetServer, type Socket } from 'node:net'
import { limits } from '@keyhold/contract/limits'
import type { Logger } from 'pino'
import type { AuthContext, Connection, Server, ServerChannel, Session } from 'ssh2'
import { type Access, inWorkspace } from '../access/access.ts'
import type { Asker, Person } from '../access/caller.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import { canonicalAddress } from '../base/address.ts'
import { AppError } from '../base/app-error.ts'
import { newId, newTraceId } from '../base/ids.ts'
import type { Origin } from '../base/origin.ts'
import { fingerprintOf } from '../base/ssh-public-key.ts'
import type { AgentConnections } from '../workspaces/agent-connections.ts'
import type { SshSessions } from '../workspaces/ssh-sessions.service.ts'
import { TunnelError, type VisitorLevel } from '../workspaces/tunnels.ts'
import { hasHybridKex } from './hybrid-kex.ts'
import { changeOffer, dismiss, harden, OpenFailure, type Refuse, sendPackets } from './outer-client.ts'
import { type HalfClosable, pipeTunnel } from './pipe-tunnel.ts'
import { isProven } from './verify-signature.ts'

/** How long somebody may take to prove who they are. */
const LOGIN_MS = 20_000
/** Requests for authentication on a connection: a person has up to 50 keys, and offers all that an agent holds. */
const ATTEMPTS = 30
/** An authenticated connection without a channel ends. */
const IDLE_MS = 60_000
const KEEPALIVE_MS = 30_000
const KEEPALIVES_LOST_MAX = 4
/** How often is looked whether those inside may stay. */
const LOOK_MS = 1_000
/** How long the other side may take to hear that it is over. */
const GOODBYE_MS = 1_000
/** RFC 4253 §9: new keys after an hour or a gigabyte. */
const REKEY_MS = 3_600_000
const REKEY_BYTES = 1024 ** 3

const WORKSPACE_ID = /^ws-[a-z0-9]{8,61}$/

/** A key that lets somebody in. */
export interface LoginKey {
  readonly id: string
  readonly accountId: string
  readonly fingerprint: string
}

export interface GatewayParts {
  readonly access: Access
  readonly audit: AuditLog
  readonly connections: AgentConnections
  readonly sessions: SshSessions
  /** Whose key it is, when it lets its owner in now. */
  readonly findKey: (key: string | Uint8Array) => Promise<LoginKey | undefined>
  /** Ids of the keys that let these people in now. */
  readonly findKeyIds: (accountIds: readonly string[]) => Promise<ReadonlySet<string>>
  readonly keyUsed: (id: string) => Promise<void>
  /** Undefined when they are suspended, or gone. */
  readonly findPerson: (accountId: string, keyId: string) => Promise<Person | undefined>
  /** Whether they have no second factor where everybody has to have one. */
  readonly lacksSecondFactor: (person: Person) => Promise<boolean>
  /** Private host key as OpenSSH or PEM text. */
  readonly hostKey: string
  readonly isRecorded: (address: string) => boolean
  readonly logger: Logger
  readonly loginMs?: number
  /** After so many bytes of both ways there are new keys. */
  readonly rekeyBytes?: number
}

/** A way into a workspace, and as what its person came. */
interface Tunnel {
  /** Of the session, as others see it. */
  readonly id: string
  readonly workspaceId: string
  readonly level: VisitorLevel
  end(): void
}

/** Somebody inside. */
interface Guest {
  readonly client: Connection
  readonly socket: Socket
  readonly asker: Asker<Person>
  readonly key: LoginKey
  readonly tunnels: Set<Tunnel>
  idleSince: number
  rekeyedAt: number
  rekeyedBytes: number
}

/**
 * The way into workspaces. It knows people by their keys alone, whatever user name they give, and opens tunnels to
 * workspaces alone; what travels in a tunnel is SSH again, between client and workspace.
 */
export class SshGateway {
  readonly #parts: GatewayParts
  readonly #guests = new Set<Guest>()
  readonly #sockets = new Set<Socket>()
  /** Who has not proven who they are yet, by address. */
  readonly #knocking = new Map<string, number>()
  #knockingCount = 0
  #listener: NetServer | undefined
  #ssh: Promise<Server> | undefined
  #looking: NodeJS.Timeout | undefined
  #isLooking = false

  constructor(parts: GatewayParts) {
    this.#parts = parts
  }

  /** Listens. @returns the port. @throws the error of the system. */
  listen(address: { readonly host: string; readonly port: number }): Promise<number> {
    const listener = createServer({ noDelay: true, allowHalfOpen: false }, (socket) => this.#knock(socket))
    this.#listener = listener
    return new Promise((resolve, reject) => {
      listener.once('error', reject)
      listener.listen({ host: address.host || '::', port: address.port }, () => {
        listener.off('error', reject)
        listener.on('error', (error) => this.#parts.logger.warn({ err: error }, 'ssh gateway'))
        resolve((listener.address() as { port: number }).port) // `as`: it listens on TCP.
      })
    })
  }

  /** Counts who comes in before anything of theirs is read. */
  #knock(socket: Socket): void {
    const address = canonicalAddress(socket.remoteAddress ?? '') ?? 'unknown'
    const net = neighbourhood(address)
    socket.on('error', () => socket.destroy())
    const here = this.#knocking.get(net) ?? 0
    if (here >= limits.sshLoginsPerNetwork || this.#knockingCount >= limits.sshLogins)
      return void socket.destroy()
    this.#knocking.set(net, here + 1)
    this.#knockingCount += 1
    this.#sockets.add(socket)
    const deadline = setTimeout(() => socket.destroy(), this.#parts.loginMs ?? LOGIN_MS)
    const settled = () => {
      if (!waiting.delete(socket)) return
      clearTimeout(deadline)
      this.#knockingCount -= 1
      const left = (this.#knocking.get(net) ?? 1) - 1
      if (left > 0) this.#knocking.set(net, left)
      else this.#knocking.delete(net)
    }
    const waiting = new Set([socket])
    admitted.set(socket, settled)
    socket.once('close', () => {
      settled()
      this.#sockets.delete(socket)
    })
    this.#ssh ??= this.#load()
    this.#ssh.then(
      (server) => {
        sendPackets(socket, () => !waiting.has(socket))
        server.injectSocket(socket)
      },
      (error: unknown) => {
        this.#parts.logger.error({ err: error }, 'ssh gateway')
        socket.destroy()
      },
    )
  }

  /** Loaded when the first one knocks: a server that nobody enters by SSH stays as small as it is. */
  async #load(): Promise<Server> {
    const { default: ssh2 } = await import('ssh2')
    const server = new ssh2.Server({
      hostKeys: [this.#parts.hostKey],
      ident: 'Keyhold',
      keepaliveInterval: KEEPALIVE_MS,
      keepaliveCountMax: KEEPALIVES_LOST_MAX,
      algorithms: {
        kex: [
          'curve25519-sha256',
          'curve25519-sha256@libssh.org',
          'ecdh-sha2-nistp256',
          'ecdh-sha2-nistp384',
        ],
        // For clients without GCM, such as paramiko before 3.5. OpenSSH, whose order counts, is offered the fast ones alone.
        cipher: ['aes256-gcm@openssh.com', 'aes128-gcm@openssh.com', 'aes256-ctr', 'aes128-ctr'],
        hmac: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com'],
        compress: ['none'],
      },
    })
    const isHybrid = hasHybridKex()
    server.on('connection', (client, { header }) => {
      changeOffer(client, { isFastOnly: /^OpenSSH_/.test(header.versions.software), isHybrid })
      this.#greet(client)
    })
    return server
  }

  #greet(client: Connection): void {
    // First of all: an error without a listener would end the process (S14).
    client.on('error', (error) => this.#parts.logger.debug({ err: error }, 'ssh client'))
    const { _sock: socket } = client as unknown as { _sock: Socket } // `as`: as outer-client.ts does.
    const address = canonicalAddress(socket.remoteAddress ?? '') ?? 'unknown'
    const origin: Origin = { address, client: 'ssh', traceId: newTraceId() }
    let refuse: Refuse = () => {}
    harden(client, { attempts: ATTEMPTS, channels: limits.sshTunnelsPerConnection }, (one) => {
      refuse = one
    })
    let offered: string | undefined
    let guest: Guest | undefined
    client.on('authentication', (context) => {
      if (context.method === 'publickey') offered ??= fingerprintOf(context.key.data)
      this.#authenticate(context)
        .catch((error: unknown) => {
          this.#parts.logger.warn({ err: error }, 'ssh login')
          return undefined
        })
        .then((proven) => {
          if (proven === 'probe') return context.accept()
          if (!proven || this.#countOf(proven.key.accountId) >= limits.sshConnectionsPerPerson)
            return context.reject(['publickey'])
          guest = this.#welcome(client, socket, { caller: proven.person, origin }, proven.key)
          context.accept()
        })
        // Whoever has gone meanwhile hears no answer.
        .catch(() => socket.destroy())
    })
    client.on('close', () => {
      if (guest) this.#farewell(guest)
      else if (offered !== undefined) void this.#recordRefusal(origin, offered)
    })
    client.on('tcpip', (accept, reject, info) => {
      const refuseWith = refuse
      const no = (reason: number, text: string) => {
        refuseWith(reason, text)
        reject()
      }
      if (guest) this.#enter(guest, info.destIP, info.destPort, accept, no).catch(() => socket.destroy())
      else no(OpenFailure.prohibited, 'not signed in')
    })
    client.on('session', (accept) => explain(accept()))
  }

  /** @returns who it is; `probe`: that key would do; undefined: no. Nothing is kept of a probe (CVE-2024-45337). */
  async #authenticate(
    context: AuthContext,
  ): Promise<{ person: Person; key: LoginKey } | 'probe' | undefined> {
    if (context.method !== 'publickey') return undefined
    const { findKey, findPerson } = this.#parts
    const { key: offer, signature, blob, hashAlgo } = context
    const isSha1 = offer.algo === 'ssh-rsa' && hashAlgo === undefined
    if (isSha1 || !(await findKey(offer.data))) return undefined
    if (signature === undefined || blob === undefined) return 'probe'
    const proof = { type: offer.algo, hash: hashAlgo, key: offer.data, signed: blob, signature }
    if (isProven(proof) !== true) return undefined
    // Once more: it may have been removed while the signature was made.
    const key = await findKey(offer.data)
    const person = key && (await findPerson(key.accountId, key.id))
    return key && person && { person, key }
  }

  #welcome(client: Connection, socket: Socket, asker: Asker<Person>, key: LoginKey): Guest {
    admitted.get(socket)?.()
    const now = Date.now()
    const guest = {
      client,
      socket,
      asker,
      key,
      tunnels: new Set<never>(),
      idleSince: now,
      rekeyedAt: now,
      rekeyedBytes: 0,
    }
    this.#guests.add(guest)
    this.#looking ??= setInterval(() => void this.look(), LOOK_MS).unref()
    // A convenience, which must not keep anybody out.
    this.#parts.keyUsed(key.id).catch(() => {})
    return guest
  }

  #countOf(accountId: string): number {
    let count = 0
    for (const { key } of this.#guests) if (key.accountId === accountId) count += 1
    return count
  }

  /** Ends a connection from this side, whatever the other one does. */
  #showOut(guest: Guest, reason: string): void {
    dismiss(guest.client, reason)
    setTimeout(() => guest.socket.destroy(), GOODBYE_MS).unref()
    this.#farewell(guest)
  }

  #farewell(guest: Guest): void {
    this.#guests.delete(guest)
    for (const tunnel of guest.tunnels) tunnel.end()
  }

  async #recordRefusal(origin: Origin, fingerprint: string): Promise<void> {
    if (!this.#parts.isRecorded(origin.address ?? '')) return
    await this.#parts.audit
      .append({
        action: 'ssh.connect',
        outcome: 'refused',
        reason: 'auth.required',
        actor: { kind: 'anonymous' },
        target: { kind: 'ssh-key', name: fingerprint },
        origin,
      })
      .catch((error: unknown) => this.#parts.logger.warn({ err: error }, 'cannot record a refused login'))
  }

  /** Opens a tunnel to a workspace, once that is decided and recorded. */
  async #enter(
    guest: Guest,
    host: string,
    port: number,
    accept: () => ServerChannel,
    refuse: Refuse,
  ): Promise<void> {
    const { access, connections, sessions } = this.#parts
    const { asker, key } = guest
    const id = host.toLowerCase()
    const target = { kind: 'ssh-key', id: key.id, name: key.fingerprint }
    try {
      // Never looked up, never dialled: what is no workspace is nothing.
      if (!WORKSPACE_ID.test(id) || port !== 22) {
        await access.refuse(asker, 'ssh.connect', 'access.refused')
        return refuse(
          OpenFailure.prohibited,
          'only workspaces can be reached from here, by id and on port 22',
        )
      }
      if (await this.#lacksFactor(key))
        throw await access.refuse(asker, 'ssh.connect', 'second_factor.required')
      const { socket, level, sessionId } = await access.deliver(
        asker,
        'ssh.connect',
        inWorkspace(id, { target }),
        async (_db, permit) => {
          if (!(await connections.isConnected(id))) throw new AppError('agent.not_connected')
          return { found: permit.level, records: [{ target }] }
        },
        async (_grant, found) => {
          const level = found as VisitorLevel // `as`: the rule of ssh.connect has no View.
          const { accountId, name } = asker.caller
          const about = {
            accountId,
            level,
            fingerprint: key.fingerprint,
            address: asker.origin.address ?? '',
          }
          const sessionId = newId('sse')
          const session = { id: sessionId, traceId: asker.origin.traceId }
          // Before the agent is asked: it says what they get before it lets them in. Whoever is not listed cannot be shown out.
          await sessions.begin({ ...about, id: sessionId, workspaceId: id })
          const socket = await connections
            .openTunnel(id, { ...about, name, session })
            .catch(async (error: unknown) => {
              await sessions.left(sessionId).catch(() => {}) // Why there is no tunnel is what counts.
              throw error
            })
          return { socket, level, sessionId }
        },
      )
      if (!this.#guests.has(guest)) {
        socket.terminate()
        return await sessions.left(sessionId)
      }
      // `as`: ssh2's channels have both.
      const channel = accept() as unknown as HalfClosable
      const tunnel = { id: sessionId, workspaceId: id, level, end: () => socket.terminate() }
      this.#track(guest, tunnel, channel)
      pipeTunnel(channel, socket, guest.socket)
    } catch (error) {
      refuse(OpenFailure.connectFailed, textOf(error, id))
      if (!(error instanceof AppError) && !(error instanceof TunnelError))
        this.#parts.logger.error({ err: error }, 'ssh tunnel')
    }
  }

  #track(guest: Guest, tunnel: Tunnel, channel: HalfClosable): void {
    guest.tunnels.add(tunnel)
    channel.once('close', () => {
      guest.tunnels.delete(tunnel)
      guest.idleSince = Date.now()
      const { audit, logger, sessions } = this.#parts
      sessions
        .left(tunnel.id)
        .catch((error: unknown) => logger.warn({ err: error }, 'cannot say that somebody has left'))
      const { asker, key } = guest
      const { accountId, name } = asker.caller
      audit
        .append({
          action: 'ssh.disconnect',
          outcome: 'success',
          actor: { kind: 'person', id: accountId, name, credential: key.id },
          workspace: tunnel.workspaceId,
          target: { kind: 'ssh-key', id: key.id, name: key.fingerprint },
          origin: asker.origin,
        })
        .catch((error: unknown) => logger.warn({ err: error }, 'cannot record the end of a connection'))
    })
  }

  /**
   * Ends who may no longer be here, and who does nothing; renews keys that were used for long. What is asked of the database is
   * as many queries for all who are inside as for one.
   */
  async look(): Promise<void> {
    if (this.#isLooking || this.#guests.size === 0) return
    this.#isLooking = true
    try {
      // Taken before it is asked who may go on: who comes meanwhile is not among those.
      const inside = [...this.#guests].map((guest) => ({ guest, tunnels: [...guest.tunnels] }))
      const rights = await this.#rightsOf(inside)
      for (const { guest, tunnels } of inside) this.#lookAt(guest, tunnels, rights)
    } catch (error) {
      this.#parts.logger.warn({ err: error }, 'cannot see who may stay')
    } finally {
      this.#isLooking = false
    }
  }

  #lookAt(guest: Guest, tunnels: readonly Tunnel[], rights: Rights): void {
    try {
      for (const tunnel of tunnels) if (!rights.isGoing(tunnel)) tunnel.end()
      const isIdle = guest.tunnels.size === 0 && Date.now() - guest.idleSince > IDLE_MS
      const reason = isIdle ? 'nothing was done here for a minute' : rights.reasonToGo(guest, tunnels)
      if (reason === undefined) this.#rekeyIfDue(guest)
      else this.#showOut(guest, reason)
    } catch (error) {
      // What is wrong with one connection keeps nobody else inside.
      this.#parts.logger.warn({ err: error }, 'cannot see whether somebody may stay')
      guest.socket.destroy()
    }
  }

  async #rightsOf(
    inside: readonly { readonly guest: Guest; readonly tunnels: readonly Tunnel[] }[],
  ): Promise<Rights> {
    const { access, findKeyIds, sessions } = this.#parts
    const going = await sessions.going()
    const keyIds = await findKeyIds([...new Set(inside.map(({ guest }) => guest.key.accountId))])
    const wanted = inside.flatMap(({ guest, tunnels }) =>
      tunnels.map(({ workspaceId }) => ({ accountId: guest.key.accountId, workspaceId })),
    )
    const levelOf = await access.levels('ssh.connect', wanted)
    return {
      isGoing: ({ id }) => going.has(id),
      reasonToGo: ({ key }, tunnels) => {
        if (!keyIds.has(key.id)) return 'your access to Keyhold by this key has ended'
        for (const { workspaceId, level } of tunnels) {
          const now = levelOf(key.accountId, workspaceId)
          if (now === undefined) return `your access to ${workspaceId} has ended`
          // What a session shows was settled when it began: as something else they come in anew (acceptance SEC-42).
          if (now !== level) return `your level in ${workspaceId} has changed: come in anew`
        }
        return undefined
      },
    }
  }

  async #lacksFactor({ accountId, id }: LoginKey): Promise<boolean> {
    const { findPerson, lacksSecondFactor } = this.#parts
    const person = await findPerson(accountId, id)
    return person === undefined || lacksSecondFactor(person)
  }

  #rekeyIfDue(guest: Guest): void {
    const now = Date.now()
    const bytes = guest.socket.bytesRead + guest.socket.bytesWritten
    const bytesMax = this.#parts.rekeyBytes ?? REKEY_BYTES
    if (now - guest.rekeyedAt < REKEY_MS && bytes - guest.rekeyedBytes < bytesMax) return
    guest.rekeyedAt = now
    guest.rekeyedBytes = bytes
    guest.client.rekey()
  }

  async close(): Promise<void> {
    clearInterval(this.#looking)
    for (const guest of [...this.#guests]) this.#showOut(guest, 'Keyhold is stopping')
    for (const socket of this.#sockets) socket.destroy()
    const listener = this.#listener
    if (listener) await new Promise((resolve) => listener.close(resolve))
  }
}

/** What the database said of those inside. */
interface Rights {
  isGoing(tunnel: Tunnel): boolean
  /** What `ssh` prints when its connection is ended; undefined: they may stay. */
  reasonToGo(guest: Guest, tunnels: readonly Tunnel[]): string | undefined
}

/** What to do when somebody has proven who they are: their place among those who knock is free. */
const admitted = new WeakMap<Socket, () => void>()

/** Addresses that one household or company has: /24 and /56. */
function neighbourhood(address: string): string {
  if (!address.includes(':')) return address.split('.').slice(0, 3).join('.')
  const [head = '', tail = ''] = address.split('::')
  const groups = head.split(':').filter(Boolean)
  const missing = 8 - groups.length - tail.split(':').filter(Boolean).length
  const full = [...groups, ...Array(Math.max(0, missing)).fill('0'), ...tail.split(':').filter(Boolean)]
  return full.slice(0, 3).join(':') + (full[3] ?? '0').padStart(4, '0').slice(0, 2)
}

/** Says what this is to whoever types `ssh <domain>`, as code hosts do. */
function explain(session: Session): void {
  session.on('pty', (accept) => accept?.())
  const answer = (accept: () => ServerChannel) => {
    const channel = accept()
    channel.on('error', () => {})
    channel.write(
      'This is the SSH gateway of Keyhold. It has no shell. Enter a workspace through it: keyhold workspace connect WORKSPACE\r\n',
    )
    channel.exit(1)
    channel.end()
  }
  session.on('shell', (accept) => answer(accept))
  session.on('exec', (accept) => answer(accept))
}

/** What `ssh` prints. Forbidden and unknown are one text. */
function textOf(error: unknown, id: string): string {
  if (error instanceof TunnelError) return error.message
  if (!(error instanceof AppError)) return 'something went wrong in Keyhold'
  if (error.code === 'agent.not_connected') return `workspace ${id} is stopped: its agent is not connected`
  if (error.code === 'second_factor.required')
    return 'everybody has to have a second factor here: sign in to Keyhold in a browser and set one up'
  if (error.status >= 500) return 'Keyhold cannot open connections now; try again'
  return `there is no workspace ${id}, or you may not enter it`
}
