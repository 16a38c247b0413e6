import { createHash, createPublicKey, randomBytes, randomInt, verify } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AuditRecord } from '@keyhold/contract/api/audit'
import { verifyAuditExport } from '@keyhold/contract/audit-export'
import { runToEnd } from '../packages/server/test/server-process.ts'

/*
 * A client that writes and reads secrets over HTTP, remembers every answer it got whole, and afterwards looks whether
 * the promises were kept, whatever was done to the servers meanwhile:
 *
 *   - every version of every secret that was acknowledged is there and opens, and no other than one that was on its way;
 *   - every value that was answered has its audit record, every write that was answered too; and a write whose record
 *     is there happened, answered or not;
 *   - the exported log verifies with the key that was noted at the beginning, and contains the checkpoint kept before.
 *
 * Each request has a User-Agent of its own, which the record repeats: so record and answer are matched exactly.
 */

const WRITERS = 3
const READERS = 4
/** Secrets of one project; then the next project begins, so that reading all of them stays quick. */
const SECRETS_PER_PROJECT = 300
/** Until a worker whose request failed sends its next one. */
const PAUSE_MS = 50

/** What a server says that cannot use its database just now. A write that it answers so may have been stored. */
const UNAVAILABLE: readonly unknown[] = ['storage.unavailable', 'audit.unavailable']

export interface WorkloadFigures {
  /** Writes and deliveries that were answered. */
  writes: number
  deliveries: number
  values: number
  /** Requests without an answer, or with one that was cut off. A balancer's own error is one of these. */
  cutOff: number
  /** Requests answered with 503 and a code that says why. */
  unavailable: number
  /** Of both, writes that were stored nevertheless. */
  storedUnanswered: number
  /** The longest time that a request took, in milliseconds. */
  slowestMs: number
  /** Size of the audit tree at the last check. */
  records: number
}

/** A broken promise. */
export class BrokenPromise extends Error {}

export function assert(isKept: boolean, promise: string): asserts isKept {
  if (!isKept) throw new BrokenPromise(promise)
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

interface SendOptions {
  readonly client?: string
  readonly key?: string
  readonly body?: unknown
}

export class Workload {
  readonly figures: WorkloadFigures = {
    writes: 0,
    deliveries: 0,
    values: 0,
    cutOff: 0,
    unavailable: 0,
    storedUnanswered: 0,
    slowestMs: 0,
    records: 0,
  }
  /** Where requests go. Servers that come back may come back at another port. */
  url = ''
  #token = ''
  readonly #projects: Project[] = []
  #verifierKey = ''
  #checkpoint = ''
  #requests = 0
  #runs = 0
  #running: { readonly stopping: AbortController; readonly workers: Promise<unknown> } | undefined
  /** What was answered since the last check. */
  #deliveries: Delivered[] = []
  #writes: string[] = []
  #checkedRecords = 0

  /** Makes the first account and its token, as an operator does. The servers need not run. */
  async setUp(env: Readonly<Record<string, string>>): Promise<void> {
    const email = 'load@example.com'
    const user = await runToEnd(
      ['admin', 'create-user', '--email', email, '--name', 'Load', '--admin', '--password-stdin'],
      env,
      { stdin: 'a password of the load test\n' },
    )
    assert(user.code === 0, `the first account is made: ${user.stderr}`)
    const token = await runToEnd(['admin', 'create-token', '--email', email, '--name', 'load'], env)
    assert(token.code === 0, `the first token is made: ${token.stderr}`)
    this.#token = token.stdout.trim()
  }

  /** Starts writing and reading, until {@link stop}. */
  async start(): Promise<void> {
    if (this.#verifierKey === '') {
      const { verifierKey, checkpoint } = await this.ok('GET', '/api/v1/audit/checkpoint')
      this.#verifierKey = verifierKey
      this.#checkpoint = checkpoint
    }
    if ((this.#projects.at(-1)?.secrets.size ?? SECRETS_PER_PROJECT) >= SECRETS_PER_PROJECT)
      await this.#addProject()
    const project = this.#projects.at(-1)!
    const run = this.#runs++
    const stopping = new AbortController()
    const { signal } = stopping
    const workers = Promise.all([
      ...Array.from({ length: WRITERS }, (_, worker) => this.#write(project, `R${run}_W${worker}`, signal)),
      ...Array.from({ length: READERS }, (_, worker) => this.#read(project, worker === 0, signal)),
    ])
    // Looked at by stop(); until then a broken promise must not end the process.
    workers.catch(() => {})
    this.#running = { stopping, workers }
  }

  /** Ends the load: requests on their way are waited for. @throws BrokenPromise what a worker has seen. */
  async stop(): Promise<void> {
    this.#running?.stopping.abort()
    await this.#running?.workers
    this.#running = undefined
  }

  /** Looks at the log and at the secrets of the last project. @param all also at each version of each secret of all. */
  async check({ all = false } = {}): Promise<void> {
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
    this.#deliveries = []
    this.#writes = []
    for (const project of all ? this.#projects : this.#projects.slice(-1))
      await this.#checkSecrets(project, clients)
    if (all) for (const project of this.#projects) await this.#checkVersions(project)
  }

  async #addProject(): Promise<void> {
    const { id } = await this.ok('POST', '/api/v1/projects', {
      body: { name: randomBytes(8).toString('hex') },
    })
    const { accessKey, secret } = await this.ok('POST', `/api/v1/projects/${id}/access-keys`, {
      body: { permission: 'read' },
    })
    const key = Buffer.from(`${accessKey.id}:${secret}`).toString('base64')
    this.#projects.push({ id, key, secrets: new Map(), pending: new Map() })
  }

  /** Creates a secret, changes it twice, and so on. Nobody else writes these names. */
  async #write(project: Project, prefix: string, stopping: AbortSignal): Promise<void> {
    for (let i = 0; !stopping.aborted; i++) {
      const name = `${prefix}_${i}`
      const value = `${name} ${randomBytes(12).toString('base64')}`
      const client = this.#newClient()
      project.pending.set(name, { value, client })
      const path = `/api/v1/projects/${project.id}/secrets`
      const created = await this.#send(
        'POST',
        path,
        { client, body: { name, type: 'token', value } },
        stopping,
      )
      if (!created) continue
      project.pending.delete(name)
      const known: Known = { id: created.id, values: [value] }
      project.secrets.set(name, known)
      this.#acknowledge(client)
      for (let version = 2; version <= 3 && !stopping.aborted; version++) {
        const next = `${name} ${randomBytes(12).toString('base64')}`
        const updater = this.#newClient()
        known.pending = { value: next, client: updater }
        const options = { client: updater, body: { value: next } }
        const updated = await this.#send('PATCH', `${path}/${known.id}`, options, stopping)
        // Whether it was stored is not known: this secret is left alone until it is looked at.
        if (!updated) break
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

  /** Reads single values, or all of them at once. */
  async #read(project: Project, readsAll: boolean, stopping: AbortSignal): Promise<void> {
    while (!stopping.aborted) {
      const names = [...project.secrets.keys()]
      const name = names.length > 0 ? names[randomInt(names.length)] : undefined
      const client = this.#newClient()
      const path = readsAll || name === undefined ? '' : `/${name}`
      const answer = await this.#send(
        'GET',
        `/api/v1/projects/current/secrets${path}`,
        { client, key: project.key },
        stopping,
      )
      if (!answer) continue
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

  async #checkSecrets(project: Project, clients: ReadonlyMap<string, AuditRecord[]>): Promise<void> {
    const { secrets } = await this.ok('GET', '/api/v1/projects/current/secrets', { key: project.key })
    const stored = new Map<string, { value: string; version: number }>(
      secrets.map((secret: { name: string }) => [secret.name, secret]),
    )
    if (project.pending.size > 0) {
      const path = `/api/v1/projects/${project.id}/secrets`
      const { secrets: infos } = await this.ok('GET', path)
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

  /** Earlier versions, one by one. */
  async #checkVersions(project: Project): Promise<void> {
    for (const [name, { id, values }] of project.secrets)
      for (const [i, value] of values.slice(0, -1).entries()) {
        const path = `/api/v1/projects/${project.id}/secrets/${id}/reveal`
        const revealed = await this.ok('POST', path, { body: { version: i + 1 } })
        assert(revealed.value === value, `version ${i + 1} of ${name} is what was acknowledged`)
      }
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
    this.#checkpoint = (await this.ok('GET', '/api/v1/audit/checkpoint')).checkpoint

    const records = lines
      .filter((line) => line.startsWith('record\t'))
      .slice(this.#checkedRecords)
      .map((line): AuditRecord => JSON.parse(line.split('\t')[2]!))
    this.#checkedRecords += records.length
    return Map.groupBy(records, (record) => record.client ?? '')
  }

  #newClient(): string {
    this.#requests += 1
    return `load-${this.#requests}`
  }

  #fetch(method: string, path: string, { client, key, body }: SendOptions): Promise<Response> {
    return fetch(this.url + path, {
      method,
      headers: {
        authorization: key === undefined ? `Bearer ${this.#token}` : `Basic ${key}`,
        'user-agent': client ?? 'check',
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
  }

  /**
   * A request under load. @returns the answer when it came whole and is a success; undefined when nothing came, or that
   * the database cannot be used. @throws BrokenPromise for any other answer.
   */
  async #send(
    method: string,
    path: string,
    options: SendOptions,
    stopping: AbortSignal,
    // biome-ignore lint/suspicious/noExplicitAny: answers of every shape.
  ): Promise<any> {
    const startedAt = performance.now()
    const answer = await this.#fetch(method, path, options)
      .then(async (response) => ({ response, text: await response.text() }))
      .catch(() => undefined)
    const { figures } = this
    figures.slowestMs = Math.max(figures.slowestMs, Math.round(performance.now() - startedAt))
    if (answer?.response.ok) return JSON.parse(answer.text)
    const isOurs = answer?.response.headers.get('content-type')?.startsWith('application/problem+json')
    if (answer && isOurs) {
      const { status } = answer.response
      const isUnavailable = status === 503 && UNAVAILABLE.includes(JSON.parse(answer.text).code)
      assert(isUnavailable, `${method} ${path} succeeds under load: ${status} ${answer.text}`)
      figures.unavailable += 1
    } else figures.cutOff += 1
    await sleep(PAUSE_MS, undefined, { signal: stopping }).catch(() => {})
    return undefined
  }

  /** A request that has to succeed. */
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape.
  async ok(method: string, path: string, options: SendOptions = {}): Promise<any> {
    const response = await this.#fetch(method, path, options)
    const text = await response.text()
    assert(response.ok, `${method} ${path} has to succeed: ${response.status} ${text}`)
    return text === '' ? undefined : JSON.parse(text)
  }
}
