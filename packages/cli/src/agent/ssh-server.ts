// Lets people in by SSH: a server of OpenSSH for each connection, on the bytes of a tunnel that the agent dials when it is
// asked to. Keyhold says whose keys count for this one connection; the server checks them itself, so whoever sits at the
// gateway does not get in.
import { type ChildProcessByStdio, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import {
  AGENT_TUNNEL_PATH,
  type ControlMessage,
  type TunnelFailure,
  tunnelHeaders,
} from '@keyhold/contract/api/workspace-agents'
import type { Keyhold } from '@keyhold/sdk'
import { WebSocket } from 'ws'
import { userAgent } from '../client.ts'
import { codeOf, Failure } from '../failure.ts'
import { NO_SFTP, SFTP_SERVERS } from '../session/session-answer.ts'
import type { Terminal } from '../terminal.ts'
import type { SshStatus } from './agent-status.ts'
import { pipeTunnel } from './pipe-tunnel.ts'
import { VisitProcesses } from './visit-processes.ts'
import type { Door, VisitorSessions } from './visitor-sessions.ts'

const HOST_KEY = 'ssh_host_ed25519_key'
const SERVER_PLACES = ['/usr/sbin/sshd', '/usr/local/sbin/sshd', '/sbin/sshd', '/usr/bin/sshd']
/** A certificate is good for a day. */
const RENEW_BEFORE_MS = 12 * 3_600_000
const DIALLING_MS = 10_000
/** How long a server may take to end when its tunnel is gone. */
const ENDING_MS = 5_000
/** The same when the agent itself ends. */
const CLOSING_MS = 1_000
const FRAME_BYTES_MAX = 1024 * 1024

type Opening = Extract<ControlMessage, { type: 'open' }>
type Address = { readonly url: string; readonly token: string }
type Server = ChildProcessByStdio<Writable, Readable, Readable>

export interface SshServerOptions {
  readonly directory: string
  readonly loginName: string
  readonly terminal: Terminal
  readonly sessions: VisitorSessions
}

export class SshServer {
  readonly #options: SshServerOptions
  readonly #servers = new Map<Server, Opening['level']>()
  #certificateEndsAt = 0

  constructor(options: SshServerOptions) {
    this.#options = options
    // Of an agent that was killed. There is one agent for this directory.
    for (const name of readdirSync(options.directory))
      if (/^ssh-\w{6}$/.test(name)) rmSync(join(options.directory, name), { recursive: true, force: true })
    if (findServer() === undefined)
      options.terminal.note('nobody can enter by SSH: install the package openssh-server')
    else if (cannotOpenTerminals())
      options.terminal.note(
        `sessions by SSH get no terminal: make ${options.loginName} a member of the group tty, or mount /dev/pts with gid of tty`,
      )
  }

  get status(): SshStatus {
    const endsAt = this.#certificateEndsAt
    return {
      hasServer: findServer() !== undefined,
      canOpenTerminals: !cannotOpenTerminals(),
      certificateUntil: endsAt === 0 ? null : new Date(endsAt).toISOString(),
    }
  }

  reach(client: () => Keyhold): void {
    this.#options.sessions.reach(client)
  }

  credential(token: string): Promise<void> {
    return this.#options.sessions.hideCredential(token)
  }

  /** Sees that there is a host key, and a certificate that is good for a while. */
  async changed(keyhold: Keyhold): Promise<void> {
    const path = join(this.#options.directory, HOST_KEY)
    if (findServer() === undefined || Date.now() < this.#certificateEndsAt - RENEW_BEFORE_MS) return
    if (!existsSync(path))
      await promisify(execFile)('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', path])
    const publicKey = readFileSync(`${path}.pub`, 'utf8').trim()
    const { certificate, expiresAt } = await keyhold.call('agent.certify', { body: { publicKey } })
    writeFileSync(`${path}-cert.pub`, `${certificate}\n`, { mode: 0o644 })
    this.#certificateEndsAt = Date.parse(expiresAt)
  }

  tick(keyhold: Keyhold): Promise<void> {
    return this.changed(keyhold)
  }

  /** Lets somebody in: dials the tunnel and starts a server on it. */
  open(at: Address, opening: Opening): void {
    void this.#letIn(at, opening)
  }

  async #letIn(at: Address, opening: Opening): Promise<void> {
    const program = findServer()
    if (program === undefined) return void this.#dial(at, opening, 'no-ssh-server')
    const { terminal } = this.#options
    let socket: WebSocket | undefined
    let isCut = false
    const door = this.#admit(opening, (why) => {
      terminal.note(`ended a session of ${opening.name}: ${why}`)
      isCut = true
      socket?.terminate()
    })
    if (!(await this.#isRecorded(opening, door)) || isCut) {
      door?.close()
      this.#dial(at, opening, 'not-recorded')
      return
    }
    socket = this.#dial(at, opening)
    socket.on('close', () => door?.close())
    this.#start(program, opening, socket, door)
  }

  /**
   * Whether who comes in is known to get what there is. With Edit there is nothing but sessions, and each sees to it itself;
   * with Admin, forwarded sockets and sftp lead to it too; to the owner it belongs.
   */
  async #isRecorded({ level, name }: Opening, door: Door | undefined): Promise<boolean> {
    if (level !== 'admin') return true
    try {
      if (door === undefined) throw new Failure('there is no place for their sessions')
      await door.record()
      return true
    } catch (error) {
      const reason = error instanceof Failure ? error.message : codeOf(error)
      this.#options.terminal.note(`${name} was not let in, since that could not be recorded: ${reason}`)
      return false
    }
  }

  #start(program: string, opening: Opening, socket: WebSocket, door: Door | undefined): void {
    const { terminal } = this.#options
    try {
      const place = this.#prepare(opening, door?.path ?? '')
      const server = startServer(program, place)
      terminal.note(`${opening.name} (${opening.level}) comes in from ${opening.address}`)
      server.stderr.setEncoding('utf8').on('data', (text: string) => terminal.note(`sshd: ${text.trim()}`))
      server.on('error', () => {
        socket.terminate()
        if (server.pid === undefined) rmSync(place, { recursive: true, force: true })
      })
      server.on('exit', () => rmSync(place, { recursive: true, force: true }))
      this.#servers.set(server, opening.level)
      server.on('exit', () => this.#servers.delete(server))
      socket.on('close', () => void end(server, opening.level, ENDING_MS))
      pipeTunnel(server.stdout, server.stdin, socket)
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'unexpected failure'
      terminal.note(`the SSH server cannot be started (${code})`)
      socket.terminate()
    }
  }

  /** Ends what others than the owner run: without the agent nothing could end it any more. */
  async close(): Promise<void> {
    const visited = [...this.#servers].filter(([, level]) => level !== 'owner')
    await Promise.all(visited.map(([server, level]) => end(server, level, CLOSING_MS)))
  }

  /** @returns undefined where there is no place for it: then sessions are without secrets, and with Edit there is none. */
  #admit(opening: Opening, cut: (why: string) => void): Door | undefined {
    try {
      return this.#options.sessions.admit(opening, cut)
    } catch (error) {
      const reason = error instanceof Failure ? error.message : codeOf(error)
      this.#options.terminal.note(`sessions by SSH get no secrets: ${reason}`)
      return undefined
    }
  }

  #dial(at: Address, { tunnelId, token }: Opening, failure?: TunnelFailure): WebSocket {
    const path = AGENT_TUNNEL_PATH.replace('{tunnelId}', tunnelId)
    const socket = new WebSocket(at.url.replace(/^http/, 'ws') + path, {
      headers: {
        authorization: `Bearer ${at.token}`,
        'user-agent': userAgent,
        [tunnelHeaders.token]: token,
        ...(failure !== undefined && { [tunnelHeaders.failure]: failure }),
      },
      perMessageDeflate: false,
      maxPayload: FRAME_BYTES_MAX,
      // Masks keep proxies from taking what travels for HTTP (RFC 6455 §10.3); over TLS, or on one machine, none looks. It is
      // half of what a stream costs here and at the server, which take a mask of zeros for what it is.
      generateMask: (mask) => mask.fill(0),
      handshakeTimeout: DIALLING_MS,
      followRedirects: false,
    })
    socket.on('error', (error) =>
      this.#options.terminal.note(
        `a tunnel broke: ${'code' in error ? String(error.code) : 'it was refused'}`,
      ),
    )
    return socket
  }

  /** Writes what one server reads. @returns the directory, which only this account can enter. */
  #prepare({ keys, level }: Opening, socketPath: string): string {
    const { directory, loginName } = this.#options
    const place = mkdtempSync(join(directory, 'ssh-'))
    const hostKey = join(directory, HOST_KEY)
    const certificate = `${hostKey}-cert.pub`
    writeFileSync(join(place, 'authorized_keys'), keys.map((line) => `${line}\n`).join(''), { mode: 0o600 })
    const lines = [
      `HostKey ${quoted(hostKey)}`,
      ...(existsSync(certificate) ? [`HostCertificate ${quoted(certificate)}`] : []),
      `AuthorizedKeysFile ${quoted(join(place, 'authorized_keys'))}`,
      // The files are this account's alone; above them may be what is writable by others, such as /tmp.
      'StrictModes no',
      `AllowUsers ${loginName}`,
      'AuthenticationMethods publickey',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'HostbasedAuthentication no',
      'PermitRootLogin prohibit-password',
      // Without PAM the server needs no rights that this account does not have.
      'UsePAM no',
      'PermitUserEnvironment no',
      'AcceptEnv LANG LC_* COLORTERM GIT_PROTOCOL TZ',
      `Subsystem sftp ${level === 'edit' ? NO_SFTP : sftpServer()}`,
      `ForceCommand ${sessionCommand(socketPath, level)}`,
      // Start-up files are for what was asked for, and not for the shell that starts the session: bash reads them where it
      // believes to be the first one, zsh in this folder. The session takes both away again.
      `SetEnv SHLVL=1 ${quoted(`ZDOTDIR=${place}`)}`,
      // What leads past a session cannot be blanked.
      ...(level === 'edit' ? ['DisableForwarding yes'] : []),
      'X11Forwarding no',
      'UseDNS no',
      'PidFile none',
      'LoginGraceTime 20',
      'MaxAuthTries 30',
      'MaxSessions 50',
      'LogLevel ERROR',
    ]
    writeFileSync(join(place, 'sshd_config'), `${lines.join('\n')}\n`, { mode: 0o600 })
    return place
  }
}

const quoted = (path: string) => `"${path}"`

/**
 * Whether sshd would end for want of rights when a terminal is asked for: it gives terminals to the group tty, which the
 * system does by itself where /dev/pts is mounted so, as containers and systemd do.
 */
function cannotOpenTerminals(): boolean {
  if (process.getuid?.() === 0) return false
  try {
    const gid = /^tty:[^:]*:(\d+):/m.exec(readFileSync('/etc/group', 'utf8'))?.[1]
    const options = /^\S+ \/dev\/pts devpts (\S+)/m.exec(readFileSync('/proc/mounts', 'utf8'))?.[1]
    if (gid === undefined || options === undefined) return false
    return !options.split(',').includes(`gid=${gid}`) && process.getgroups?.().includes(Number(gid)) !== true
  } catch {
    // Not Linux, or nothing is known of it.
    return false
  }
}

/** What sshd runs for each session, as a line for any shell. */
function sessionCommand(socketPath: string, level: Opening['level']): string {
  const isSource = import.meta.url.endsWith('.ts')
  const entry = fileURLToPath(new URL(isSource ? '../session/session.ts' : '../session.js', import.meta.url))
  // That process.execve is still being tried out is of no interest to who sits at the terminal.
  const words = [process.execPath, '--disable-warning=ExperimentalWarning', entry, socketPath, level]
  return `exec ${words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ')}`
}

/** A program, and not sshd itself, since that does it for no session with a command of ours. */
const sftpServer = () => SFTP_SERVERS.find((path) => existsSync(path)) ?? NO_SFTP

function findServer(): string | undefined {
  return SERVER_PLACES.find((path) => {
    try {
      accessSync(path, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

function startServer(program: string, place: string): Server {
  // Where it runs as root it wants this one, which containers do not have (sshd(8), FILES).
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })
  return spawn(program, ['-i', '-e', '-f', join(place, 'sshd_config')], {
    stdio: ['pipe', 'pipe', 'pipe'],
    // A group of its own: all of it ends with the tunnel.
    detached: true,
    // Nothing of what the agent was started with.
    env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' },
  })
}

/**
 * Ends a server whose tunnel is gone. Of what it runs, commands without a terminal would not hear of it: the owner's go on, as
 * with OpenSSH, and those of others, who may have lost their share, end too.
 */
async function end(server: Server, level: Opening['level'], patienceMs: number): Promise<void> {
  const { pid } = server
  if (pid === undefined || server.exitCode !== null || server.signalCode !== null) return
  const hasEnded = once(server, 'exit')
  const runs = level === 'owner' ? undefined : new VisitProcesses(pid)
  // Before the server goes: afterwards nothing says whose they are.
  runs?.find()
  runs?.signal('SIGHUP')
  runs?.signal('SIGTERM')
  signalGroup(pid, 'SIGTERM')
  await Promise.all([Promise.race([hasEnded, sleep(patienceMs)]), runs?.ended(patienceMs)])
  if (server.exitCode === null && server.signalCode === null) signalGroup(pid, 'SIGKILL')
  runs?.find()
  runs?.signal('SIGKILL')
}

function signalGroup(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(-pid, name)
  } catch {
    // It has ended.
  }
}
