// The agent of a workspace. It stays connected, renews its credential, and lets its parts do their work when there is
// something to fetch.

import { userInfo } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { closeCodes } from '@keyhold/contract/api/workspace-agents'
import { Keyhold, KeyholdError } from '@keyhold/sdk'
import { explained, failureOf, userAgent } from '../client.ts'
import { readSettings } from '../connection.ts'
import { ExitCode } from '../exit-codes.ts'
import { Failure } from '../failure.ts'
import type { Terminal } from '../terminal.ts'
import { version } from '../version.ts'
import { AgentLock } from './agent-lock.ts'
import type { AgentPart } from './agent-part.ts'
import { type AgentState, readState, stateDirectory, writeState } from './agent-state.ts'
import type { AgentStatus } from './agent-status.ts'
import { ControlConnection } from './control-connection.ts'
import { WorkspaceIdentity } from './identity.ts'
import { writeOwnProgram } from './own-program.ts'
import { SecretFiles } from './secret-files.ts'
import { WorkspaceSecrets } from './secrets.ts'
import { SshServer } from './ssh-server.ts'
import { UseReports } from './use-reports.ts'
import { VisitorSessions } from './visitor-sessions.ts'

/** Reconnecting: twice as long after each failure, and not all agents at once. */
const BACKOFF_MS_MIN = 500
const BACKOFF_MS_MAX = 30_000
/** A connection that stood so long was a good one. */
const STEADY_MS = 10_000
/** How long an agent that is stopped waits for the server to hear of it. */
const STOPPING_MS = 2_000
/** How often is looked whether the credential is due. */
const RENEW_LOOK_MS = 60_000

export interface AgentOptions {
  readonly stateDirectory: string | undefined
  /** Folders outside the home directory in which secrets may be files. */
  readonly allowedPaths: readonly string[]
  readonly isEnrolling: boolean
  readonly env: NodeJS.ProcessEnv
  readonly terminal: Terminal
}

/** Runs the agent. @returns the exit code, when it is stopped. @throws Failure when it was cut off, or never joined. */
export async function runAgent(options: AgentOptions): Promise<number> {
  const directory = stateDirectory(options.env, options.stateDirectory)
  const lock = new AgentLock(directory)
  try {
    return await runIn(directory, options)
  } finally {
    lock.release()
  }
}

async function runIn(directory: string, options: AgentOptions): Promise<number> {
  const state = await join(options, directory)
  const { terminal } = options
  const note = (text: string) => terminal.note(text)
  const files = new SecretFiles({ env: options.env, directory, allowed: options.allowedPaths })
  const secrets = new WorkspaceSecrets(options.env, state.workspaceId, files, note)
  const uses = new UseReports()
  const status = (): AgentStatus => {
    const ahead = secrets.clockAheadMs
    return {
      ...agent.status,
      clockAheadSeconds: ahead === undefined ? null : Math.round(ahead / 1_000),
      secrets: secrets.status,
      ssh: ssh.status,
    }
  }
  const identity = new WorkspaceIdentity(options.env, directory, uses, status, note)
  secrets.follow(identity)
  // Without a place for it, who comes in by SSH is still let in.
  await secrets.start()
  const sessions = new VisitorSessions({
    env: options.env,
    secrets,
    gitTokens: identity.gitTokens,
    reportUses: (report, pass) => uses.report(report, pass),
    workspaceId: state.workspaceId,
    programs: writeOwnProgram(directory),
    additions: async (visitor) => {
      const all = await Promise.all(parts.map((part) => part.sessionVariables?.(visitor)))
      return Object.assign({}, ...all)
    },
  })
  const ssh = new SshServer({ directory, loginName: loginName(), terminal, sessions })
  const parts: readonly AgentPart[] = [secrets, identity, ssh, uses]
  const agent = new Agent(directory, state, terminal, parts)
  const stopping = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => stopping.abort())
  try {
    await agent.run(stopping.signal)
  } finally {
    secrets.close()
    await ssh.close()
  }
  return ExitCode.Ok
}

/** The state that is there, or a new one in exchange for an enrollment token. */
async function join(options: AgentOptions, directory: string): Promise<AgentState> {
  const { env, terminal, isEnrolling } = options
  const url = readSettings(env).url
  const state = isEnrolling ? undefined : readState(directory)
  // Of a container that starts again, the token in its environment was used long ago.
  if (state !== undefined) return url === undefined ? state : { ...state, url }
  if (url === undefined)
    throw new Failure('KEYHOLD_URL is not set', { hints: ['set it to the address of your Keyhold server'] })
  const enrollmentToken = await readEnrollmentToken(env, terminal)
  return explained(async () => {
    const keyhold = new Keyhold({ url }, { userAgent })
    const { workspaceId, name, token } = await keyhold.call('agent.enroll', {
      body: { enrollmentToken, loginName: loginName(), release: version },
    })
    const joined = { url, workspaceId, token }
    writeState(directory, joined)
    terminal.note(`joined workspace ${name} (${workspaceId})`)
    return joined
  })
}

async function readEnrollmentToken(env: NodeJS.ProcessEnv, terminal: Terminal): Promise<string> {
  const { token } = readSettings({
    KEYHOLD_TOKEN: env.KEYHOLD_ENROLLMENT_TOKEN,
    KEYHOLD_TOKEN_FILE: env.KEYHOLD_ENROLLMENT_TOKEN_FILE,
  })
  const text = token ?? Buffer.from(await terminal.readValue('enrollment token:')).toString('utf8')
  const trimmed = text.trim()
  if (trimmed === '')
    throw new Failure('no enrollment token was given', {
      exitCode: ExitCode.NotSignedIn,
      hints: [
        'the owner of the workspace makes one: keyhold workspace enroll WORKSPACE',
        'give it on standard input, or name its file in KEYHOLD_ENROLLMENT_TOKEN_FILE',
      ],
    })
  return trimmed
}

/** The account that the agent runs as, as far as its name is one that `ssh` takes. */
function loginName(): string {
  const { username } = userInfo()
  return /^[a-z_][a-z0-9_.-]{0,31}$/.test(username) ? username : 'user'
}

class Agent {
  readonly #directory: string
  readonly #terminal: Terminal
  readonly #parts: readonly AgentPart[]
  #state: AgentState
  #keyhold: Keyhold
  #renewAt = 0
  #renewing: Promise<void> = Promise.resolve()
  #hasBegun = false
  #wasConnected = false
  #connectedAt: Date | undefined
  #epoch: number | undefined
  /** What is told to the parts, one after the other. */
  #work: Promise<void> = Promise.resolve()

  constructor(directory: string, state: AgentState, terminal: Terminal, parts: readonly AgentPart[]) {
    this.#directory = directory
    this.#terminal = terminal
    this.#parts = parts
    this.#state = state
    this.#keyhold = clientOf(state)
    for (const part of parts) {
      part.reach?.(() => this.#keyhold)
      part.whenWanted?.(() =>
        this.#tellParts((one) => (one === part ? part.changed(this.#keyhold) : undefined)),
      )
    }
  }

  get status(): Pick<AgentStatus, 'workspaceId' | 'url' | 'connectedAt' | 'epoch'> {
    const { workspaceId, url } = this.#state
    const connectedAt = this.#connectedAt?.toISOString() ?? null
    return { workspaceId, url, connectedAt, epoch: this.#epoch ?? null }
  }

  /** Stays connected until `stopping`. @throws Failure when the credential is no longer good. */
  async run(stopping: AbortSignal): Promise<void> {
    await this.#tellCredential(this.#state.token)
    await this.#untilStopped(stopping)
    const told = this.#work.then(() =>
      Promise.allSettled(this.#parts.map((part) => part.stopped?.(this.#keyhold))),
    )
    await Promise.race([told, sleep(STOPPING_MS, undefined, { ref: false })])
  }

  async #untilStopped(stopping: AbortSignal): Promise<void> {
    let failures = 0
    while (!stopping.aborted) {
      const startedAt = performance.now()
      try {
        await this.#renewIfDue()
        await this.#begin()
        await this.#stayConnected(stopping)
      } catch (error) {
        if (error instanceof Failure) throw error
        if (isFinal(error)) throw cutOff()
        if (stopping.aborted) return
        this.#terminal.note(`not connected: ${reasonOf(error)}`)
      }
      failures = performance.now() - startedAt > STEADY_MS ? 0 : failures + 1
      const most = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.min(failures, 10))
      await sleep(most * (0.5 + Math.random() / 2), undefined, { signal: stopping }).catch(() => {})
    }
  }

  /**
   * Has the server fetch what comes of outside stores: once, so that what changes there is seen at the next start.
   * @throws Failure when something stops the start.
   */
  async #begin(): Promise<void> {
    if (this.#hasBegun) return
    const { secrets, problems } = await this.#keyhold.call('agent.start')
    const [stopping] = problems.filter(({ stopsStart }) => stopsStart)
    for (const problem of problems) if (problem !== stopping) this.#terminal.note(problem.text)
    if (stopping !== undefined)
      throw new Failure(`the workspace does not start: ${stopping.text}`, {
        hints: ['put that right, and start the agent again'],
      })
    for (const part of this.#parts) part.begin?.(secrets)
    this.#hasBegun = true
  }

  /** @returns when the connection ended. @throws Failure when the server said that it is over. */
  async #stayConnected(stopping: AbortSignal): Promise<void> {
    const { url, token } = this.#state
    const connection = await ControlConnection.open({
      url,
      token,
      loginName: loginName(),
      release: version,
      applied: this.#parts.map((part) => part.appliedVersion?.()).find((one) => one !== undefined),
    })
    this.#connectedAt = new Date()
    this.#terminal.note(`connected to ${new URL(url).host}`)
    if (!this.#wasConnected) this.#terminal.hint('give programs the secrets: keyhold run -- COMMAND')
    this.#wasConnected = true
    connection.onMessage = (message) => {
      if (message.type === 'changed') {
        // With the end of a share it is due at once. In turn with the parts, which ask with the credential that there is.
        this.#work = this.#work.then(() => this.#renewIfDue(true).catch(() => {}))
        this.#tellParts((part) => part.changed(this.#keyhold))
      } else if (message.type === 'open') for (const part of this.#parts) part.open?.(this.#state, message)
    }
    const stop = () => connection.close()
    stopping.addEventListener('abort', stop)
    // Stopped while it connected.
    if (stopping.aborted) stop()
    const renewing = setInterval(() => {
      // A failure shows at the next turn, or as the end of the connection.
      void this.#renewIfDue().catch(() => {})
      this.#tellParts((part) => part.tick?.(this.#keyhold))
    }, RENEW_LOOK_MS)
    try {
      const code = await connection.ended
      if (code === closeCodes.revoked) throw cutOff()
      if (code === closeCodes.replaced)
        throw new Failure('another agent with a copy of this state directory took the place of this one', {
          hints: ['do not copy the state directory of an agent; each machine joins with its own token'],
        })
      if (!stopping.aborted) this.#terminal.note('the connection ended')
    } finally {
      this.#connectedAt = undefined
      clearInterval(renewing)
      stopping.removeEventListener('abort', stop)
    }
  }

  /** Has the parts do something, after what they do already. */
  #tellParts(what: (part: AgentPart) => Promise<void> | undefined): void {
    const work = async () => {
      for (const part of this.#parts) {
        try {
          await what(part)
        } catch (error) {
          this.#terminal.note(reasonOf(error))
        }
      }
    }
    this.#work = this.#work.then(work)
  }

  async #tellCredential(token: string): Promise<void> {
    await Promise.all(this.#parts.map((part) => part.credential?.(token)))
  }

  /** Takes the next credential when the present one is old: on disk first, and then in use. */
  #renewIfDue(isAskedAnew = false): Promise<void> {
    // One at a time: a credential that is not used yet ends with the one that is made after it.
    const renewing = this.#renewing.then(() => {
      if (isAskedAnew) this.#renewAt = 0
      return this.#renew()
    })
    this.#renewing = renewing.catch(() => {})
    return renewing
  }

  async #renew(): Promise<void> {
    if (this.#renewAt === 0) {
      const { renewAt, epoch } = await this.#keyhold.call('agent.get')
      this.#epoch = epoch
      this.#renewAt = Date.parse(renewAt)
    }
    if (Date.now() < this.#renewAt) return
    const { token } = await this.#keyhold.call('agent.renew')
    await this.#tellCredential(token)
    this.#state = { ...this.#state, token }
    writeState(this.#directory, this.#state)
    this.#keyhold = clientOf(this.#state)
    // Its first use makes it the one that counts.
    this.#renewAt = Date.parse((await this.#keyhold.call('agent.get')).renewAt)
  }
}

const clientOf = ({ url, token }: AgentState) => new Keyhold({ url, token }, { userAgent })

/** Whether asking again is of no use. */
const isFinal = (error: unknown) => error instanceof KeyholdError && error.status === 401

const cutOff = () =>
  new Failure('this agent was cut off, or another one has joined in its place', {
    exitCode: ExitCode.NotSignedIn,
    hints: ['join anew: keyhold agent --enroll, with a token of: keyhold workspace enroll WORKSPACE'],
  })

function reasonOf(error: unknown): string {
  if (error instanceof KeyholdError) return failureOf(error).message
  return error instanceof Error && 'code' in error ? String(error.code) : 'unexpected failure'
}
