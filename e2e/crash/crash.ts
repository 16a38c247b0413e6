import { createHash, createPublicKey, randomBytes, randomInt, verify } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AuditRecord } from '@keyhold/contract/api/audit'
import { verifyAuditExport } from '@keyhold/contract/audit-export'
import { runToEnd, ServerProcess } from '../../packages/server/test/server-process.ts'

/*
 * Kills a real server at random moments under load and looks at what is left (L2). A client writes and reads over
 * HTTP and remembers every answer it got whole. After each kill the server starts again, and then
 *
 *   - every version of every secret that was acknowledged is there and opens, and no other than one that was on its way;
 *   - every value that was answered has its audit record, every write that was answered too; and a write whose record
 *     is there happened, answered or not;
 *   - the exported log verifies with the key that was noted at the beginning, and contains the checkpoint kept before.
 *
 * Each request has a User-Agent of its own, which the record repeats: so record and answer are matched exactly.
 */

/** When the server is killed, counted from the first request of a round. */
const KILL_AFTER_MS = [10, 400] as const
const WRITERS = 3
const READERS = 4
/** Secrets of one project; then the next project begins, so that reading all of them stays quick. */
const SECRETS_PER_PROJECT = 300

export interface CrashOptions {
  readonly env: Readonly<Record<string, string>>
  /** Whether to stop. Asked after each round. */
  readonly isEnough: (figures: CrashFigures) => boolean
  /** Called while the server is down. */
  readonly betweenRounds?: (round: number) => Promise<void>
  readonly onRound?: (round: number, figures: CrashFigures) => void
}

export interface CrashFigures {
  rounds: number
  /** Writes and deliveries that were answered before the kill. */
  writes: number
  deliveries: number
  values: number
  /** Requests that the kill cut off. */
  cutOff: number
  /** Of these, writes that were stored nevertheless. */
  storedUnanswered: number
  /** Size of the audit tree at the end. */
  records: number
}

/** A broken promise. */
export class CrashFailure extends Error {}

function assert(isKept: boolean, promise: string): asserts isKept {
  if (!isKept) throw new CrashFailure(promise)
}

interface Known {
  readonly id: string
  /** Value of each version, the first at 0. */
  readonly values: string[]
  /** A write that was sent and not answered. */
  pending?: { readonly value: string; readonly client: string }
}

interface Project {
  readonly id: string
  readonly key: string
  readonly secrets: Map<string, Known>
  /** Creations that were sent and not answered. */
  readonly pending: Map<string, { readonly value: string; readonly client: string }>
}

interface Delivered {
  readonly client: string
  readonly values: readonly { readonly name: string; readonly version: number }[]
}

export async function crash(options: CrashOptions): Promise<CrashFigures> {
  const run = new CrashRun(options)
  try {
    await run.setUp()
    do await run.round()
    while (!options.isEnough(run.figures))
    await run.finish()
  } finally {
    await run.stop()
  }
  return run.figures
}

class CrashRun {
  readonly figures: CrashFigures = {
    rounds: 0,
    writes: 0,
    deliveries: 0,
    values: 0,
    cutOff: 0,
    storedUnanswered: 0,
    records: 0,
  }
  readonly #options: CrashOptions
  readonly #projects: Project[] = []
  #server: ServerProcess | undefined
  #token = ''
  #verifierKey = ''
  #checkpoint = ''
  #requests = 0
  /** What the last round was answered. */
  #deliveries: Delivered[] = []
  #writes: string[] = []
  #checkedRecords = 0

  constructor(options: CrashOptions) {
    this.#options = options
  }

  async setUp(): Promise<void> {
    const { env } = this.#options
    const email = 'crash@example.com'
    const user = await runToEnd(
      ['admin', 'create-user', '--email', email, '--name', 'Crash', '--admin', '--password-stdin'],
      env,
      'a password of the crash test\n',
    )
    assert(user.code === 0, `the first account is made: ${user.stderr}`)
    const token = await runToEnd(['admin', 'create-token', '--email', email, '--name', 'crash'], env)
    assert(token.code === 0, `the first token is made: ${token.stderr}`)
    this.#token = token.stdout.trim()
    await this.#start()
    const { verifierKey, checkpoint } = await this.#ok('GET', '/api/v1/audit/checkpoint')
    this.#verifierKey = verifierKey
    this.#checkpoint = checkpoint
    await this.#addProject()
  }

  async #start(): Promise<void> {
    this.#server = await ServerProcess.start(this.#options.env)
  }

  /** Load, kill, start, check. */
  async round(): Promise<void> {
    const { figures } = this
    const round = figures.rounds
    if (this.#projects.at(-1)!.secrets.size >= SECRETS_PER_PROJECT) await this.#addProject()
    this.#deliveries = []
    this.#writes = []
    const project = this.#projects.at(-1)!
    const workers = Promise.all([
      ...Array.from({ length: WRITERS }, (_, worker) => this.#write(project, `R${round}_W${worker}`)),
      ...Array.from({ length: READERS }, (_, worker) => this.#read(project, worker === 0)),
    ])
    // Looked at below; until then a broken promise must not end the process.
    workers.catch(() => {})
    await sleep(randomInt(KILL_AFTER_MS[0], KILL_AFTER_MS[1] + 1))
    const { signal } = await this.#server!.end('SIGKILL')
    assert(signal === 'SIGKILL', 'the server runs until it is killed')
    await workers
    await this.#options.betweenRounds?.(round)
    await this.#start()
    await this.#check([project])
    figures.rounds += 1
    this.#options.onRound?.(figures.rounds, figures)
  }

  /** Leaves no process behind when a promise was broken. */
  async stop(): Promise<void> {
    await this.#server?.end('SIGKILL')
  }

  /** Every version of every secret of every project, one by one, and the log once more. */
  async finish(): Promise<void> {
    this.#deliveries = []
    this.#writes = []
    await this.#check(this.#projects)
    for (const project of this.#projects)
      for (const [name, { id, values }] of project.secrets)
        for (const [i, value] of values.slice(0, -1).entries()) {
          const path = `/api/v1/projects/${project.id}/secrets/${id}/reveal`
          const revealed = await this.#ok('POST', path, { body: { version: i + 1 } })
          assert(revealed.value === value, `version ${i + 1} of ${name} is what was acknowledged`)
        }
    const { code } = await this.#server!.end('SIGTERM')
    assert(code === 0, 'SIGTERM ends the server with 0')
  }

  async #addProject(): Promise<void> {
    const { id } = await this.#ok('POST', '/api/v1/projects', {
      body: { name: randomBytes(8).toString('hex') },
    })
    const { accessKey, secret } = await this.#ok('POST', `/api/v1/projects/${id}/access-keys`, {
      body: { permission: 'read' },
    })
    const key = Buffer.from(`${accessKey.id}:${secret}`).toString('base64')
    this.#projects.push({ id, key, secrets: new Map(), pending: new Map() })
  }

  /** Creates a secret, changes it twice, and so on, until the server is gone. Nobody else writes these names. */
  async #write(project: Project, prefix: string): Promise<void> {
    for (let i = 0; ; i++) {
      const name = `${prefix}_${i}`
      const value = `${name} ${randomBytes(12).toString('base64')}`
      const client = this.#newClient()
      project.pending.set(name, { value, client })
      const created = await this.#send('POST', `/api/v1/projects/${project.id}/secrets`, {
        client,
        body: { name, type: 'token', value },
      })
      if (!created) return
      project.pending.delete(name)
      const known: Known = { id: created.id, values: [value] }
      project.secrets.set(name, known)
      this.#acknowledge(client)
      for (let version = 2; version <= 3; version++) {
        const next = `${name} ${randomBytes(12).toString('base64')}`
        const updater = this.#newClient()
        known.pending = { value: next, client: updater }
        const updated = await this.#send('PATCH', `/api/v1/projects/${project.id}/secrets/${known.id}`, {
          client: updater,
          body: { value: next },
        })
        if (!updated) return
        assert(updated.version === version, `an update makes version ${version}, not ${updated.version}`)
        delete known.pending
        known.values.push(next)
        this.#acknowledge(updater)
      }
    }
  }

  #acknowledge(client: string): void {
    this.figures.writes += 1
    this.#writes.push(client)
  }

  /** Reads single values, or all of them at once, until the server is gone. */
  async #read(project: Project, readsAll: boolean): Promise<void> {
    for (;;) {
      const names = [...project.secrets.keys()]
      const name = names.length > 0 ? names[randomInt(names.length)] : undefined
      const client = this.#newClient()
      const path = readsAll || name === undefined ? '' : `/${name}`
      const answer = await this.#send('GET', `/api/v1/projects/current/secrets${path}`, {
        client,
        key: project.key,
      })
      if (!answer) return
      const values: { name: string; version: number; value: string }[] =
        path === '' ? answer.secrets : [answer]
      for (const { name: delivered, value, version } of values) {
        const known = project.secrets.get(delivered)
        // A value may be delivered before its writer has the answer.
        const isKnown =
          known?.values[version - 1] === value ||
          known?.pending?.value === value ||
          project.pending.get(delivered)?.value === value
        assert(isKnown, `version ${version} of ${delivered} was never written as it was delivered`)
      }
      this.figures.deliveries += 1
      this.figures.values += values.length
      this.#deliveries.push({ client, values })
    }
  }

  async #check(projects: readonly Project[]): Promise<void> {
    const clients = await this.#checkLog()
    for (const { client, values } of this.#deliveries) {
      const records = clients.get(client) ?? []
      for (const { name, version } of values) {
        assert(
          records.some(
            (record) =>
              record.action === 'secret.read' &&
              record.outcome === 'success' &&
              record.target?.name === name &&
              record.target.version === version,
          ),
          `version ${version} of ${name} was delivered and has its audit record`,
        )
      }
    }
    for (const client of this.#writes)
      assert(clients.has(client), 'a write that was answered has its audit record')
    for (const project of projects) await this.#checkSecrets(project, clients)
  }

  async #checkSecrets(project: Project, clients: ReadonlyMap<string, AuditRecord[]>): Promise<void> {
    const { secrets } = await this.#ok('GET', '/api/v1/projects/current/secrets', { key: project.key })
    const stored = new Map<string, { value: string; version: number }>(
      secrets.map((secret: { name: string }) => [secret.name, secret]),
    )
    if (project.pending.size > 0) {
      const path = `/api/v1/projects/${project.id}/secrets`
      const { secrets: infos } = await this.#ok('GET', path)
      for (const [name, { value, client }] of project.pending) {
        const info = infos.find((some: { name: string }) => some.name === name)
        assert((info !== undefined) === clients.has(client), `${name} is there if and only if its record is`)
        if (!info) continue
        project.secrets.set(name, { id: info.id, values: [value] })
        this.figures.storedUnanswered += 1
      }
      project.pending.clear()
    }
    for (const [name, known] of project.secrets) {
      if (!known.pending) continue
      const isStored = stored.get(name)?.version === known.values.length + 1
      const isRecorded = clients.has(known.pending.client)
      assert(isStored === isRecorded, `the change of ${name} is there if and only if its record is`)
      if (isStored) {
        known.values.push(known.pending.value)
        this.figures.storedUnanswered += 1
      }
      delete known.pending
    }
    for (const [name, { values }] of project.secrets) {
      const found = stored.get(name)
      assert(found !== undefined, `${name} was acknowledged and is there`)
      assert(
        found.version === values.length,
        `${name} is at version ${values.length}, which was acknowledged`,
      )
      assert(found.value === values.at(-1), `${name} opens as it was acknowledged`)
    }
    assert(stored.size === project.secrets.size, 'nothing is there that was not written')
  }

  /** Verifies the exported log. @returns the records since the last time, by the request they are of. */
  async #checkLog(): Promise<Map<string, AuditRecord[]>> {
    const response = await this.#fetch('GET', '/api/v1/audit/export', {})
    assert(response.status === 200, `the log is exported (${response.status})`)
    const lines = (await response.text()).split('\n')
    assert(lines.pop() === '', 'the exported log ends with a newline')
    const result = await verifyAuditExport(
      (async function* () {
        yield* lines
      })(),
      {
        sha256: (bytes) => createHash('sha256').update(bytes).digest(),
        verifySignature: (publicKey, signature, message) => {
          const x = Buffer.from(publicKey).toString('base64url')
          const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
          return verify(null, message, key, signature)
        },
        verifierKey: this.#verifierKey,
        earlierCheckpoint: this.#checkpoint,
      },
    )
    assert(result.ok, `the log verifies: ${result.ok || `line ${result.line}: ${result.problem}`}`)
    this.figures.records = result.size
    this.#checkpoint = (await this.#ok('GET', '/api/v1/audit/checkpoint')).checkpoint

    const records = lines
      .filter((line) => line.startsWith('record\t'))
      .slice(this.#checkedRecords)
      .map((line): AuditRecord => JSON.parse(line.split('\t')[2]!))
    this.#checkedRecords += records.length
    return Map.groupBy(records, (record) => record.client ?? '')
  }

  #newClient(): string {
    this.#requests += 1
    return `crash-${this.#requests}`
  }

  #fetch(
    method: string,
    path: string,
    { client, key, body }: { client?: string; key?: string; body?: unknown },
  ): Promise<Response> {
    return fetch(this.#server!.url + path, {
      method,
      headers: {
        authorization: key === undefined ? `Bearer ${this.#token}` : `Basic ${key}`,
        'user-agent': client ?? 'check',
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
  }

  /** A request under load. @returns the answer when it came whole; undefined when the kill cut it off. */
  async #send(
    method: string,
    path: string,
    options: { client: string; key?: string; body?: unknown },
    // biome-ignore lint/suspicious/noExplicitAny: answers of every shape.
  ): Promise<any> {
    let response: Response
    let text: string
    try {
      response = await this.#fetch(method, path, options)
      text = await response.text()
    } catch {
      this.figures.cutOff += 1
      return undefined
    }
    assert(response.ok, `${method} ${path} succeeds under load: ${response.status} ${text}`)
    return JSON.parse(text)
  }

  /** A request that has to succeed. */
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape.
  async #ok(method: string, path: string, options: { key?: string; body?: unknown } = {}): Promise<any> {
    const response = await this.#fetch(method, path, options)
    const text = await response.text()
    if (!response.ok) {
      // The server's own words, which an answer does not have.
      const { stdout } = await this.#server!.end('SIGKILL')
      throw new CrashFailure(
        `${method} ${path} has to succeed: ${response.status} ${text}\n${stdout.slice(-3_000)}`,
      )
    }
    return JSON.parse(text)
  }
}
