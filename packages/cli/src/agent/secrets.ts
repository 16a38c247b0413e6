// The secrets of a workspace, as its agent has them: in memory, and for whoever is the same user.
import { chmodSync, lstatSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { dirname, join } from 'node:path'
import type { deliveryProblems } from '@keyhold/contract/api/deliveries'
import { limits } from '@keyhold/contract/limits'
import type { CallAnswer, Keyhold } from '@keyhold/sdk'
import { codeOf, Failure } from '../failure.ts'
import { type AgentAnswer, agentSocketPath, assertPrivate } from '../run/agent-socket.ts'
import type { SecretsStatus } from './agent-status.ts'
import { problemTexts } from './problem-texts.ts'
import type { SecretFiles, WantedFile } from './secret-files.ts'
import { ServerTime } from './server-time.ts'
import { besideOthers } from './store-secrets.ts'

/** How often is looked whether the socket is still there. */
const LOOK_MS = 1_000
/** An agent that listens instead is asked so often whether it is still alive; one that ends removes its socket. */
const ASK_AGAIN_MS = 30_000
const ANSWER_MS = 5_000

/** What else is at the place of the agent, and is there as long as it is ours. */
export interface Follower {
  /** Told every second, and when it ends. Fails for no reason that the next second would not. */
  hold(isOurs: boolean): Promise<void>
}

type Delivery = CallAnswer<'agent.delivery'>

/** In place of the version of a delivery of which something has expired. */
const EXPIRED = 'expired'

/** Fetches what the workspace gets whenever it changes, and hands it to `keyhold run` on this machine, and to files. */
export class WorkspaceSecrets {
  readonly #path: string
  readonly #note: (text: string) => void
  readonly #files: SecretFiles
  readonly #followers: Follower[] = []
  #delivery: Delivery | undefined
  #fromStores: CallAnswer<'agent.start'>['secrets'] = []
  /** Those of them that programs get: nothing else has their names, and they fit. */
  #shownFromStores: readonly string[] = []
  #wantedFiles: readonly WantedFile[] = []
  /** What of it is not in effect. */
  #problems: readonly { readonly secretId: string; readonly problem: (typeof deliveryProblems)[number] }[] =
    []
  /** What the server has heard of it. */
  #reported: string | undefined
  #time = new ServerTime()
  /** Something has expired, and the server has not been asked yet what takes its place. */
  #wantsFetch = false
  /** What was said of files that could not be written. */
  readonly #saidOfFiles = new Map<string, string>()
  #answer: AgentAnswer
  #server: Server | undefined
  /** Which file our socket is. */
  #ours: string | undefined
  #other: { readonly file: string | undefined; readonly askAgainAt: number } | undefined
  #said: string | undefined
  /** How often; each time has a name of its own. */
  #listened = 0
  #isClosed = false
  #timer: NodeJS.Timeout | undefined
  #fetch: () => void = () => {}
  /** Told of what comes, before programs can have it. */
  beforeChange: (
    delivery: NonNullable<AgentAnswer['delivery']> & { readonly version?: string },
  ) => Promise<void> = async () => {}

  constructor(env: NodeJS.ProcessEnv, workspaceId: string, files: SecretFiles, note: (text: string) => void) {
    this.#path = agentSocketPath(env)
    this.#files = files
    this.#note = note
    this.#answer = { workspaceId }
  }

  /** Has another one be there whenever the place is ours. */
  follow(follower: Follower): void {
    this.#followers.push(follower)
  }

  /** Listens for programs of this user, now or as soon as the place is free, and again when the socket has gone. */
  async start(): Promise<void> {
    try {
      const wasSilent = this.#said !== undefined
      if (await this.#listen()) {
        if (wasSilent) this.#note('programs get their secrets from this agent now')
        this.#said = undefined
        this.#fetch()
      }
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      if (this.#said !== error.message)
        this.#note(`programs get no secrets from this agent: ${error.message}`)
      this.#said = error.message
    }
    this.#endExpired()
    for (const one of this.#followers) await one.hold(this.#server !== undefined)
    if (!this.#isClosed) this.#timer = setTimeout(() => void this.start(), LOOK_MS)
  }

  /** `fetch` has `changed` called, after what is done already. */
  whenWanted(fetch: () => void): void {
    this.#fetch = fetch
  }

  /** @returns whether the socket is new. @throws Failure when another agent listens, or the place is not a private one. */
  async #listen(): Promise<boolean> {
    const file = fileAt(this.#path)
    if (file !== undefined && file === this.#ours) return false
    this.#stopListening()
    if (file !== undefined && file === this.#other?.file && performance.now() < this.#other.askAgainAt)
      return false
    const directory = dirname(this.#path)
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 })
    } catch (error) {
      throw new Failure(`${directory} cannot be made (${codeOf(error)})`)
    }
    assertPrivate(directory)
    const other = await listenerAt(this.#path)
    if (other !== undefined) {
      // What a program gets must not become that of another workspace because an agent restarts.
      const isOfOther = other !== this.#answer.workspaceId
      this.#other = {
        file,
        askAgainAt: isOfOther ? Number.POSITIVE_INFINITY : performance.now() + ASK_AGAIN_MS,
      }
      if (isOfOther) this.#isClosed = true
      throw new Failure(
        `another agent listens at ${this.#path}${isOfOther ? ', of another workspace: name another place, KEYHOLD_AGENT_SOCKET, or end it and start this one again' : ''}`,
      )
    }
    // Made beside it and then moved: a server that ends removes the name at which it began, whoever is there by then.
    this.#listened += 1
    const made = join(directory, `.${process.pid}.${this.#listened}`)
    // Of a process that had this number before, and was killed here.
    rmSync(made, { force: true })
    const server = createServer((socket) => {
      this.#endExpired()
      // Who went away before the end of the answer does not miss it.
      socket.on('error', () => {})
      socket.end(JSON.stringify(this.#answer))
    })
    await new Promise<void>((resolve, reject) => {
      server.on('error', (error) =>
        reject(new Failure(`the agent cannot listen at ${this.#path} (${codeOf(error)})`)),
      )
      server.listen(made, resolve)
    })
    if (this.#isClosed) {
      server.close()
      return false
    }
    try {
      chmodSync(made, 0o600)
      renameSync(made, this.#path)
    } catch (error) {
      server.close()
      throw new Failure(`the agent cannot listen at ${this.#path} (${codeOf(error)})`)
    }
    this.#server = server
    this.#ours = fileAt(this.#path)
    return true
  }

  /** What programs get now, and which it is. */
  get inEffect():
    | {
        version: string
        delivery: NonNullable<AgentAnswer['delivery']>
        /** Names of those that outside stores had. */
        storeVariables: readonly string[]
      }
    | undefined {
    const { delivery } = this.#answer
    const version = this.#delivery?.version
    if (version === undefined || delivery === undefined) return undefined
    return { version, delivery, storeVariables: this.#shownFromStores }
  }

  /** How it is, in names. */
  get status(): SecretsStatus {
    const { secrets = [], leftOut = [] } = this.#answer.delivery ?? {}
    const files = [...this.#saidOfFiles].flatMap(([name, reason]) =>
      reason === '' ? [] : [{ name, reason }],
    )
    return {
      isCurrent: this.#delivery !== undefined && this.#reported === this.#reportText(),
      inEffect: secrets.map(({ name, file }) => ({ name, ...(file !== undefined && { file }) })),
      refused: [...leftOut.map(({ name, reason }) => ({ name, reason })), ...files],
    }
  }

  /** By how much the clock of this machine is ahead of the server's, in milliseconds; undefined until it was asked. */
  get clockAheadMs(): number | undefined {
    return this.#delivery === undefined ? undefined : Date.now() - this.#time.now()
  }

  /** All that outside stores had, also what something else hides: that may come to light at any moment. */
  get fromStores(): CallAnswer<'agent.start'>['secrets'] {
    return this.#fromStores
  }

  /** So that programs of a session find this agent, wherever it listens. */
  sessionVariables(): Readonly<Record<string, string>> {
    return { KEYHOLD_AGENT_SOCKET: this.#path }
  }

  /** Takes what was fetched from outside stores when the workspace started. */
  begin(fromStores: CallAnswer<'agent.start'>['secrets']): void {
    this.#fromStores = fromStores
  }

  async changed(keyhold: Keyhold): Promise<void> {
    // What nobody can ask for here is not fetched: it would be recorded as used.
    if (this.#server === undefined) return
    const have = this.#delivery?.version
    const expiry = new ServerTime()
    const delivery = await keyhold.call('agent.delivery', { query: have === undefined ? {} : { have } })
    expiry.start(Date.parse(delivery.now))
    // Stopped meanwhile: nothing is written after it was removed.
    if (this.#isClosed) return
    if (!delivery.isUnchanged) {
      await this.beforeChange(delivery)
      if (this.#isClosed) return
      this.#hold(delivery)
    }
    this.#time = expiry
    this.#putIntoEffect()
    // It is in effect, whether the server has heard of that or not: it is told again.
    await this.#report(keyhold).catch(() => {})
  }

  #hold(delivery: Delivery): void {
    this.#delivery = delivery
    this.#wantedFiles = delivery.secrets.flatMap(({ path, value, encoding }) =>
      path === null ? [] : [{ path, value: Buffer.from(value, encoding) }],
    )
  }

  /** Gives out no more what has expired, whether the server can be asked or not, and asks what there is in its place. */
  #endExpired(): void {
    if (this.#wantsFetch) {
      this.#wantsFetch = false
      this.#fetch()
    }
    const delivery = this.#delivery
    if (delivery === undefined) return
    const now = this.#time.now()
    const secrets = delivery.secrets.filter(
      ({ expiresAt }) => expiresAt === null || Date.parse(expiresAt) > now,
    )
    if (secrets.length === delivery.secrets.length) return
    // It is no delivery of the server's any more. By the next look the server's clock is there too.
    this.#hold({ ...delivery, version: EXPIRED, secrets })
    this.#wantsFetch = true
    this.#putIntoEffect()
  }

  /** Sees that the files are still there, and that the server knows what is in effect. */
  async tick(keyhold: Keyhold): Promise<void> {
    if (this.#server === undefined || this.#isClosed || this.#delivery === undefined) return
    this.#putIntoEffect()
    if (this.#reported !== this.#reportText()) await this.#report(keyhold)
  }

  appliedVersion(): string | undefined {
    const version = this.#server && this.#delivery?.version
    return version === EXPIRED ? undefined : version
  }

  /** Says that programs get nothing any more. */
  async stopped(keyhold: Keyhold): Promise<void> {
    if (this.#reported === undefined) return
    await keyhold.call('agent.applied', { body: { version: null, problems: [] } })
  }

  async #report(keyhold: Keyhold): Promise<void> {
    if (this.#delivery === undefined || this.#delivery.version === EXPIRED) return
    const text = this.#reportText()
    const body = { version: this.#delivery.version, problems: [...this.#problems] }
    this.#reported = undefined
    const { isCurrent } = await keyhold.call('agent.applied', { body })
    // What has changed meanwhile is fetched, and said then.
    this.#reported = isCurrent ? text : undefined
  }

  #reportText(): string {
    return JSON.stringify({ version: this.#delivery?.version, problems: this.#problems })
  }

  #putIntoEffect(): void {
    if (this.#delivery === undefined) return
    const { secrets, leftOut, referenced } = this.#delivery
    const outcomes = this.#files.apply(this.#wantedFiles)
    for (const path of this.#saidOfFiles.keys()) if (!outcomes.has(path)) this.#saidOfFiles.delete(path)
    for (const [path, outcome] of outcomes) {
      const problem = 'problem' in outcome ? problemTexts[outcome.problem] : ''
      if ((this.#saidOfFiles.get(path) ?? '') === problem) continue
      this.#note(problem === '' ? `${path} is written now` : `${path} is not written: ${problem}`)
      this.#saidOfFiles.set(path, problem)
    }
    this.#problems = [
      ...leftOut.map(({ secretId }) => ({ secretId, problem: 'left-out' as const })),
      ...secrets.flatMap(({ id, path }) => {
        const outcome = path === null ? undefined : outcomes.get(path)
        return outcome && 'problem' in outcome ? [{ secretId: id, problem: outcome.problem }] : []
      }),
    ].slice(0, limits.deliveryProblems)
    const withFile = (secret: Delivery['secrets'][number]) => {
      const { path } = secret
      const outcome = path === null ? undefined : outcomes.get(path)
      if (path === null || outcome === undefined || 'problem' in outcome) return secret
      return { ...secret, [isChosen(path) ? 'file' : 'link']: outcome.file }
    }
    const stored = besideOthers(secrets, this.#fromStores)
    // `flatMap`: all of them have a name.
    this.#shownFromStores = stored.secrets.flatMap(({ name }) => name ?? [])
    this.#answer = {
      ...this.#answer,
      delivery: {
        secrets: [...secrets.map(withFile), ...stored.secrets],
        leftOut: [...leftOut, ...stored.leftOut],
        referenced,
      },
    }
  }

  #stopListening(): void {
    this.#server?.close()
    this.#server = undefined
    this.#ours = undefined
  }

  /** Forgets the values, and removes where they were to be had. */
  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
    this.#files.close()
    this.#answer = { workspaceId: this.#answer.workspaceId }
    for (const one of this.#followers) void one.hold(false)
    this.#fromStores = []
    if (this.#ours !== undefined && fileAt(this.#path) === this.#ours) rmSync(this.#path, { force: true })
    this.#stopListening()
  }
}

/** Files for which nobody chose a path are made anew for each program of `keyhold run`: it keeps them when the agent ends. */
const isChosen = (path: string): boolean => !path.startsWith('~/.keyhold/')

/** Which file there is: another socket at the same place is another one. */
function fileAt(path: string): string | undefined {
  const status = lstatSync(path, { bigint: true, throwIfNoEntry: false })
  return status && `${status.dev}:${status.ino}`
}

/** @returns the workspace of the agent that listens; empty when it does not say; undefined when there is none. */
function listenerAt(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const parts: Buffer[] = []
    let isConnected = false
    const socket = connect(path)
    socket.setTimeout(ANSWER_MS, () => socket.destroy())
    socket.on('connect', () => {
      isConnected = true
    })
    socket.on('data', (part) => parts.push(Buffer.from(part as Buffer))) // `as`: no encoding is set.
    socket.on('error', () => {})
    socket.on('close', () => resolve(isConnected ? workspaceIn(parts) : undefined))
  })
}

function workspaceIn(parts: readonly Buffer[]): string {
  try {
    return String(JSON.parse(Buffer.concat(parts).toString('utf8')).workspaceId)
  } catch {
    // The cause is dropped: a JSON error quotes its input.
    return ''
  }
}
