// What sessions by SSH get. Each connection has a socket of its own, which names whose it is: nothing that a client can set
// does. Before a session gets anything, the server has written down that this person gets it; before an Admin comes in at
// all, since what sshd does for them beside sessions leads to all of it.
import { chmodSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { dirname, join } from 'node:path'
import type { ControlMessage } from '@keyhold/contract/api/workspace-agents'
import { limits } from '@keyhold/contract/limits'
import { type Keyhold, KeyholdError } from '@keyhold/sdk'
import { failureOf } from '../client.ts'
import { Failure } from '../failure.ts'
import { type AgentAnswer, agentSocketPath, assertPrivate } from '../run/agent-socket.ts'
import { childEnvironment } from '../run/environment.ts'
import type { MaskedValue, SessionAnswer, SessionRefusal } from '../session/session-answer.ts'
import type { GitTokens } from './git-tokens.ts'
import { KnownValues } from './known-values.ts'
import { type AgentRequests, serveRequest, VISIT_VARIABLE } from './requests.ts'
import type { WorkspaceSecrets } from './secrets.ts'

type Opening = Extract<ControlMessage, { type: 'open' }>
type WorkspaceDelivery = NonNullable<AgentAnswer['delivery']>

/** Whose session it is. */
export type Visitor = Pick<Opening, 'accountId' | 'name' | 'level' | 'address'>

/** How long the server may take to write down who gets the secrets. */
const RECORDING_MS = 5_000
/** How often is asked again when what there is changes at the same moment. */
const TRIES = 3
/** How long a session may take to hear of other values. One that does not is ended: programs wait for it no longer. */
const HEARING_MS = 3_000

export interface VisitorSessionsParts {
  readonly env: NodeJS.ProcessEnv
  readonly secrets: WorkspaceSecrets
  /** They are no secrets of the workspace, and programs in it can have them. */
  readonly gitTokens: Pick<GitTokens, 'values' | 'beforeUse'>
  /** Takes what programs of a session tell of their secrets. */
  readonly reportUses: (
    report: AgentRequests['report-uses']['request'],
    pass: string,
  ) => Promise<AgentRequests['report-uses']['answer']>
  /** Which workspace it is, for people. */
  readonly workspaceId: string
  /** Folder with `keyhold`, which every session has at the end of its PATH. */
  readonly programs: string
  /** What parts of the agent add to a session. */
  readonly additions: (visitor: Visitor) => Promise<Readonly<Record<string, string>>>
}

interface Recorded {
  readonly version: string
  /** Variables of outside stores that the server was told of, and those of them that it wrote down. */
  readonly told: ReadonlySet<string>
  readonly stored: ReadonlySet<string>
}

/** Ends a connection: from then on nothing of it arrives. `why` goes to the log of the agent. */
type Cut = (why: string) => void

/** The place of a connection, for its sessions. */
export interface Door {
  /** Of the socket. */
  readonly path: string
  /** Has the server write down that this person can have what there is. @throws Failure when it could not */
  record(): Promise<void>
  /** Stops listening. */
  close(): void
}

/** A connection, as far as its sessions are concerned. */
interface Visit {
  readonly opening: Opening
  readonly cut: Cut
  /** Where its programs say what they use. */
  readonly usesPath: string | undefined
  /** What was last written down for it. */
  recorded: Recorded | undefined
  /** Sessions that blank values, as long as they last. */
  readonly masking: Set<MaskingSession>
}

export class VisitorSessions {
  readonly #parts: VisitorSessionsParts
  readonly #directory: string
  readonly #visits = new Set<Visit>()
  #count = 0
  readonly #known = new KnownValues()
  #credential: MaskedValue | undefined
  /** What sessions that blank values were last told of: it may be about to come into effect. */
  #told: WorkspaceDelivery | undefined
  #client: (() => Keyhold) | undefined

  constructor(parts: VisitorSessionsParts) {
    this.#parts = parts
    this.#directory = dirname(agentSocketPath(parts.env))
    parts.secrets.beforeChange = async (delivery) => {
      await Promise.all([this.#tellMasking(delivery), this.#recordForThoseIn(delivery.version)])
    }
    parts.gitTokens.beforeUse = async () => {
      const delivery = parts.secrets.inEffect?.delivery
      if (delivery !== undefined) await this.#tellMasking(delivery)
      else this.#presentOf()
    }
  }

  /** Blanks the agent's own credential from now on, too: it lies on this machine. Those before may be in what runs. */
  async hideCredential(token: string): Promise<void> {
    this.#credential = { name: 'agent', value: Buffer.from(token).toString('base64') }
    await this.#tell(this.#presentOf())
  }

  /** @param client gives the client as it is by then. */
  reach(client: () => Keyhold): void {
    this.#client = client
  }

  /**
   * Listens for the sessions of one connection.
   * @param cut ends the connection, at once. @throws Failure and system errors
   */
  admit(opening: Opening, cut: Cut): Door {
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 })
    assertPrivate(this.#directory)
    if (this.#count === 0) this.#sweep()
    this.#count += 1
    // Short: a path of a socket has at most 107 bytes (unix(7)).
    const path = join(this.#directory, `s-${process.pid}.${this.#count}`)
    rmSync(path, { force: true })
    const usesPath =
      opening.level === 'owner' ? undefined : join(this.#directory, `u-${process.pid}.${this.#count}`)
    const visit: Visit = { opening, cut, usesPath, recorded: undefined, masking: new Set() }
    const server = createServer((socket) => {
      // Whoever has gone does not miss the answer.
      socket.on('error', () => {})
      void this.#answer(visit, socket)
    })
    server.on('error', () => {})
    server.listen(path, () => chmodSync(path, 0o600))
    const requests = this.#takeUses(visit)
    this.#visits.add(visit)
    return {
      path,
      record: () => this.#recordEntry(visit),
      close: () => {
        this.#visits.delete(visit)
        server.close()
        requests?.close()
        for (const session of visit.masking) session.end()
        rmSync(path, { force: true })
      },
    }
  }

  /** Listens for what programs of this connection tell. Of the owner nothing is theirs alone: it is the workspace's. */
  #takeUses({ opening, usesPath }: Visit): Server | undefined {
    if (usesPath === undefined) return undefined
    rmSync(usesPath, { force: true })
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => {})
      serveRequest(socket, {
        'report-uses': (report) => this.#parts.reportUses(report, opening.pass).catch(explained),
      })
    })
    server.on('error', () => {})
    return server.listen(usesPath, () => chmodSync(usesPath, 0o600))
  }

  /** Removes the sockets of agents that were killed. */
  #sweep(): void {
    for (const name of readdirSync(this.#directory)) {
      const pid = /^[su]-(\d+)\.\d+$/.exec(name)?.[1]
      if (pid !== undefined && !isAlive(Number(pid))) rmSync(join(this.#directory, name), { force: true })
    }
  }

  async #answer(visit: Visit, socket: Socket): Promise<void> {
    const { answer, delivery } = await this.#begin(visit)
    if (delivery === undefined) return void socket.end(`${JSON.stringify(answer)}\n`)
    // In one go: it hears of every change that begins after this, and has the one that began before.
    const session = new MaskingSession(socket)
    visit.masking.add(session)
    socket.on('close', () => visit.masking.delete(session))
    const masked = [...this.#presentOf(delivery, this.#told), ...this.#known.all]
    session.begin({ ...answer, masked: distinct(masked) })
  }

  /** @returns with `delivery` when its values are to be blanked. */
  async #begin(
    visit: Visit,
  ): Promise<
    | { readonly answer: SessionAnswer; readonly delivery?: WorkspaceDelivery }
    | { readonly answer: SessionRefusal; readonly delivery?: undefined }
  > {
    const { level, address } = visit.opening
    const { programs, workspaceId } = this.#parts
    try {
      const delivery = await this.#recorded(visit)
      const { variables, notes: missing } = variablesOf(delivery)
      const notes = [
        ...(level === 'edit'
          ? [`you have Edit in ${workspaceId}: values of its secrets are blanked in what you see here`]
          : []),
        ...missing,
      ]
      const additions = await this.#additions(visit)
      const answer = { variables, additions, programs, notes, address }
      return level === 'edit' ? { answer, delivery } : { answer }
    } catch (error) {
      const reason = reasonOf(error)
      if (level === 'edit')
        return { answer: { refused: `nothing could be blanked in this session: ${reason}` } }
      const additions = await this.#additions(visit).catch(() => ({}))
      const notes = [`no secrets in this session: ${reason}`]
      return { answer: { variables: {}, additions, programs, notes, address } }
    }
  }

  async #additions({ opening, usesPath }: Visit): Promise<Readonly<Record<string, string>>> {
    const additions = await this.#parts.additions(opening)
    return usesPath === undefined ? additions : { ...additions, [VISIT_VARIABLE]: usesPath }
  }

  /** What there is, once the server has written down that this person gets it. Once for a connection and a version. */
  async #recorded(visit: Visit): Promise<WorkspaceDelivery> {
    const { secrets } = this.#parts
    for (let tries = 0; tries < TRIES; tries++) {
      const { inEffect } = secrets
      const named = inEffect?.storeVariables ?? []
      const storeVariables = this.#storeVariables()
      const { recorded } = visit
      // A variable of a store may have come to light since the server was told which there are.
      const isRecorded =
        recorded?.version === inEffect?.version && storeVariables.every((name) => recorded?.told.has(name))
      if (inEffect && recorded && isRecorded) {
        const isLeftOut = (name: string | null) =>
          name !== null && named.includes(name) && !recorded.stored.has(name)
        return without(inEffect.delivery, isLeftOut)
      }
      const { version } = await this.#tellServer(visit)
      // `!`: nobody comes in before the agent has connected.
      if (secrets.inEffect?.version !== version) await secrets.changed(this.#client!())
    }
    throw new Failure('the agent of this workspace has none, or they change just now')
  }

  #storeVariables(): string[] {
    return (this.#parts.secrets.inEffect?.storeVariables ?? []).slice(0, limits.storeVariablesPerSession)
  }

  /** Has the server write down that this person gets what there is by now. */
  async #tellServer(visit: Visit): Promise<Recorded> {
    const storeVariables = this.#storeVariables()
    // `!`: nobody comes in before the agent has connected.
    const { version, storeVariables: stored } = await this.#client!().call('agent.session', {
      body: { pass: visit.opening.pass, storeVariables },
      signal: AbortSignal.timeout(RECORDING_MS),
    })
    visit.recorded = { version, told: new Set(storeVariables), stored: new Set(stored) }
    return visit.recorded
  }

  async #recordEntry(visit: Visit): Promise<void> {
    try {
      await this.#recorded(visit)
    } catch (error) {
      // This agent has nothing to give, and what it would have is written down.
      if (visit.recorded !== undefined && this.#parts.secrets.inEffect === undefined) return
      throw new Failure(reasonOf(error))
    }
  }

  /** Who came in as Admin can have the next values without a session that begins: of each the server knows, or it ends. */
  async #recordForThoseIn(version: string | undefined): Promise<void> {
    const telling = [...this.#visits].map(async (visit) => {
      const { opening, recorded, cut } = visit
      if (opening.level !== 'admin' || recorded === undefined || recorded.version === version) return
      await this.#tellServer(visit).catch((error: unknown) =>
        cut(`that they get new values could not be recorded: ${reasonOf(error)}`),
      )
    })
    await Promise.all(telling)
  }

  /** What there is to blank at present, which is remembered. */
  #presentOf(...deliveries: (WorkspaceDelivery | undefined)[]): MaskedValue[] {
    const tokens = [...this.#parts.gitTokens.values].map(([name, value]) => ({
      name,
      value: Buffer.from(value).toString('base64'),
    }))
    const fromStores = { secrets: this.#parts.secrets.fromStores, leftOut: [], referenced: [] }
    const all = [...deliveries, fromStores].flatMap((one) => (one === undefined ? [] : maskedOf(one)))
    const credential = this.#credential ? [this.#credential] : []
    const present = distinct([...all, ...tokens, ...credential])
    this.#known.add(present)
    return present
  }

  /** Has those who blank values know the next ones, before any program can have them, or ends them. */
  async #tellMasking(delivery: WorkspaceDelivery): Promise<void> {
    this.#told = delivery
    await this.#tell(this.#presentOf(delivery))
  }

  async #tell(masked: readonly MaskedValue[]): Promise<void> {
    const telling = [...this.#visits].map(async ({ masking, cut }) => {
      const heard = await Promise.all([...masking].map((session) => session.tell(masked)))
      if (heard.includes(false)) cut('it did not answer, so new values could not be blanked')
    })
    await Promise.all(telling)
  }
}

/** A session that blanks values, as long as it lasts: it answers each line but the first with a byte. */
class MaskingSession {
  readonly #socket: Socket
  /** One for each line that it has not answered yet, in their order. */
  readonly #unanswered: ((heard: boolean) => void)[] = []

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (bytes: Buffer) => {
      for (const answered of this.#unanswered.splice(0, bytes.length)) answered(true)
    })
    // With its end nothing of it is shown any more.
    socket.on('close', () => {
      for (const answered of this.#unanswered.splice(0)) answered(true)
    })
  }

  begin(answer: SessionAnswer): void {
    this.#socket.write(`${JSON.stringify(answer)}\n`)
  }

  /** @returns false when it did not answer in time, and may go on to show these values. */
  tell(masked: readonly MaskedValue[]): Promise<boolean> {
    // Its end may have been told already, and is not told again.
    if (this.#socket.destroyed) return Promise.resolve(true)
    return new Promise((resolve) => {
      const deadline = setTimeout(() => resolve(false), HEARING_MS)
      this.#unanswered.push((heard) => {
        clearTimeout(deadline)
        resolve(heard)
      })
      this.#socket.write(`${JSON.stringify({ masked })}\n`)
    })
  }

  end(): void {
    this.#socket.destroy()
  }
}

/** What nobody wrote down is not handed over, and said as what else is left out. */
function without(
  delivery: WorkspaceDelivery,
  isLeftOut: (name: string | null) => boolean,
): WorkspaceDelivery {
  const left = delivery.secrets.flatMap(({ name }) => (name !== null && isLeftOut(name) ? [name] : []))
  return {
    ...delivery,
    secrets: delivery.secrets.filter(({ name }) => !isLeftOut(name)),
    leftOut: [...delivery.leftOut, ...left.map((name) => ({ name, reason: 'not-recorded' }))],
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

/** Variables as `keyhold run` makes them, but what cannot be one is left out: a session has to begin. */
function variablesOf({ secrets, leftOut }: WorkspaceDelivery): {
  variables: Record<string, string>
  notes: string[]
} {
  const variables: Record<string, string> = {}
  const missing = leftOut.map(({ name }) => name)
  for (const { name, type, value, encoding, file: chosen, link } of secrets) {
    if (name === null) continue
    const file = chosen ?? link
    // One that could not be written is there for as long as a program runs, with keyhold run.
    if (type === 'file' && file === undefined) continue
    const ofType = type === 'key' && file === undefined ? 'token' : type
    const secret = { name, type: ofType, value: Buffer.from(value, encoding), ...(file && { file }) }
    try {
      Object.assign(variables, childEnvironment({}, [secret], [], noFiles).env)
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      missing.push(name)
    }
  }
  const names = missing.join(', ')
  const notes = missing.length > 0 ? [`not in this session: ${names}; see: keyhold workspace variables`] : []
  return { variables, notes }
}

const noFiles = () => {
  throw new Failure('no file is made for a session')
}

function maskedOf({ secrets, referenced }: WorkspaceDelivery): MaskedValue[] {
  return [...secrets, ...referenced.map((one) => ({ name: null, ...one }))].map((one) => ({
    name: one.name ?? 'reference',
    value: Buffer.from(one.value, one.encoding).toString('base64'),
  }))
}

function explained(error: unknown): never {
  throw error instanceof KeyholdError ? failureOf(error) : error
}

/** Of those with one value the last. */
function distinct(values: readonly MaskedValue[]): MaskedValue[] {
  return [...new Map(values.map((one) => [one.value, one])).values()]
}

function reasonOf(error: unknown): string {
  if (error instanceof KeyholdError) return failureOf(error).message
  return error instanceof Failure ? error.message : 'the agent could not ask Keyhold'
}
