import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { type ClientRequest, type IncomingMessage, request as send } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Secret } from '@keyhold/contract/secret'
import { sql } from 'kysely'
import pg from 'pg'
import { pino } from 'pino'
import { inject, onTestFinished } from 'vitest'
import { emailKey } from '../src/accounts/account.ts'
import { insertAccount, insertSession } from '../src/accounts/accounts.store.ts'
import { hashPassword } from '../src/accounts/password.ts'
import { newId } from '../src/base/ids.ts'
import type { Outgoing } from '../src/base/outgoing.ts'
import { type Core, composeCore } from '../src/compose/core.ts'
import { composeServer, type Server } from '../src/compose/server.ts'
import { type Config, readConfig } from '../src/config/config.ts'

/** Every test of stores and routes runs on both. */
export const databases = ['sqlite', 'postgres'] as const
export type TestDatabase = (typeof databases)[number]

/** A clock that tests move. Starts now, since certificates and cookies are compared with the real one. */
export class TestClock {
  #offsetMs = 0
  #stoodAt: number | undefined

  now(): Date {
    return new Date((this.#stoodAt ?? Date.now()) + this.#offsetMs)
  }

  /** Goes on only by {@link advance}: for codes of 30 seconds on a busy machine. */
  stand(): void {
    this.#stoodAt ??= Date.now()
  }

  advance(ms: number): void {
    this.#offsetMs += ms
  }
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  /** Parsed JSON, or the text of other answers. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look at answers of every shape.
  readonly body: any
  readonly text: string
}

export interface RequestOptions {
  readonly token?: string
  readonly key?: { readonly id: string; readonly secret: string }
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON; a string is sent as it is. */
  readonly body?: unknown
}

export interface TestPerson {
  readonly id: string
  readonly email: string
  readonly name: string
  readonly password: string
  readonly token: string
}

export interface TestKey {
  readonly id: string
  readonly secret: string
}

let people = 0

/** Of every person; hashed once per run. */
const PASSWORD = 'password of a test person'
let passwordHash: Promise<string> | undefined

/** The first event of a stream, which is left after it. */
async function firstEvent(response: Response): Promise<string> {
  let text = ''
  // A break of this loop ends the request.
  for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
    text += part
    if (text.includes('\n\n')) break
  }
  return text
}

/** A stream of changes as a client sees it: versions are noted as they come. */
export class TestStream {
  readonly versions: string[] = []
  readonly ended: Promise<void>
  readonly response: IncomingMessage
  readonly #request: ClientRequest
  #text = ''
  #changed = Promise.withResolvers<void>()

  /** @param path after /api/v1/projects/ */
  static async open(server: TestServer, path: string, who: RequestOptions): Promise<TestStream> {
    const request = send(`${server.url}/api/v1/projects/${path}`, { agent: false, headers: credentials(who) })
    request.end()
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    return new TestStream(request, response)
  }

  constructor(request: ClientRequest, response: IncomingMessage) {
    this.#request = request
    this.response = response
    request.on('error', () => {})
    response.on('data', (bytes: Buffer) => {
      this.#text += bytes
      const parts = this.#text.split('\n\n')
      this.#text = parts.pop()!
      this.versions.push(...parts.flatMap((part) => /^data: (.+)$/m.exec(part)?.[1] ?? []))
      this.#changed.resolve()
      this.#changed = Promise.withResolvers()
    })
    this.ended = new Promise((resolve) => response.once('close', resolve))
    onTestFinished(() => this.close())
  }

  /** Waits until so many versions have come. */
  async sees(count: number): Promise<void> {
    while (this.versions.length < count) await this.#changed.promise
  }

  close(): void {
    this.#request.destroy()
  }
}

/** Headers that say who asks. */
function credentials({ token, key, headers }: RequestOptions): Record<string, string> {
  return {
    ...(token && { authorization: `Bearer ${token}` }),
    ...(key && { authorization: `Basic ${Buffer.from(`${key.id}:${key.secret}`).toString('base64')}` }),
    ...headers,
  }
}

/** A server of the real parts, on a free port of loopback, with an empty database. */
export class TestServer {
  readonly url: string
  readonly core: Core
  readonly server: Server
  readonly clock: TestClock
  readonly config: Config
  /** Lines of the server's log, at level trace. */
  readonly log: string[]
  readonly database: TestDatabase

  constructor(parts: Pick<TestServer, 'url' | 'core' | 'server' | 'clock' | 'config' | 'log' | 'database'>) {
    this.url = parts.url
    this.core = parts.core
    this.server = parts.server
    this.clock = parts.clock
    this.config = parts.config
    this.log = parts.log
    this.database = parts.database
  }

  async request(method: string, path: string, options: RequestOptions = {}): Promise<Answer> {
    const { body } = options
    const response = await fetch(this.url + path, {
      method,
      redirect: 'manual',
      headers: {
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...credentials(options),
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const type = response.headers.get('content-type')
    const text = type?.startsWith('text/event-stream') ? await firstEvent(response) : await response.text()
    const isJson = type?.includes('json') && method !== 'HEAD'
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: isJson ? JSON.parse(text) : text,
    }
  }

  /** Sends a request that has to succeed. @returns its body. */
  // biome-ignore lint/suspicious/noExplicitAny: see Answer.
  async ok(method: string, path: string, options: RequestOptions = {}): Promise<any> {
    const answer = await this.request(method, path, options)
    if (answer.status >= 300) throw new Error(`${method} ${path} answered ${answer.status}: ${answer.text}`)
    return answer.body
  }

  /** Creates a person with an access token of all rights, as an operator would. */
  async addPerson(role: 'admin' | 'member' = 'member'): Promise<TestPerson> {
    people += 1
    const operator = { caller: { kind: 'operator' }, origin: { traceId: 'test' } } as const
    const name = `Person ${people}`
    const email = `person${people}@example.com`
    const account = { id: newId('usr') }
    // Straight into the table: hashing a password takes long on purpose.
    passwordHash ??= hashPassword(new Secret(PASSWORD))
    const row = {
      id: account.id,
      email,
      email_key: emailKey(email),
      name,
      role,
      password_hash: await passwordHash,
      must_change_password: 0,
      created_at: this.clock.now().getTime(),
      disabled_at: null,
      second_factor_at: null,
      has_short_password: 0,
    }
    await this.core.storage.transaction((tx) => insertAccount(tx, row))
    const token = await this.core.accessTokens.create(operator, account.id, {
      name: 'test',
      scopes: null,
      expiresAt: null,
    })
    return { id: account.id, email, name, password: PASSWORD, token: token.token.reveal() }
  }

  /** Begins a session past the password, whose hash takes long. @returns its id. */
  async addSession(person: TestPerson): Promise<string> {
    const id = newId('ses')
    const now = this.clock.now().getTime()
    const row = {
      id,
      account_id: person.id,
      token_hash: randomBytes(32),
      created_at: now,
      authenticated_at: now,
      last_used_at: now,
      expires_at: now + 3_600_000,
      address: '192.0.2.7',
      client: 'a browser',
      signed_in_by: 'password',
      second_factor: null,
    }
    await this.core.storage.transaction((tx) => insertSession(tx, row))
    return id
  }

  /** Begins a session that was just authenticated, as {@link addSession} past the password. @returns the Cookie header. */
  async newSession(person: TestPerson): Promise<string> {
    const account = (await this.core.accounts.find(person.id))! // `!`: made by addPerson.
    const { token } = await this.core.accounts.beginSession({ traceId: 'test' }, account, 'password')
    return `keyhold_session=${token.reveal()}`
  }

  /** Signs in. @returns the Cookie header. */
  async signIn(person: TestPerson): Promise<string> {
    const answer = await this.request('POST', '/api/v1/session', {
      body: { email: person.email, password: person.password },
    })
    if (answer.status !== 201) throw new Error(`signing in answered ${answer.status}: ${answer.text}`)
    return answer.headers.get('set-cookie')!.split(';')[0]!
  }

  async addProject(
    owner: TestPerson,
    name = `Project ${randomBytes(4).toString('hex')}`,
  ): Promise<{ id: string; name: string }> {
    return this.ok('POST', '/api/v1/projects', { token: owner.token, body: { name } })
  }

  async addEnvironment(owner: TestPerson, projectId: string, name: string): Promise<{ id: string }> {
    return this.ok('POST', `/api/v1/projects/${projectId}/environments`, {
      token: owner.token,
      body: { name },
    })
  }

  async addSecret(
    owner: TestPerson,
    projectId: string,
    secret: { name: string; value: string; type?: string; environment?: string },
  ): Promise<{ id: string; version: number }> {
    return this.ok('POST', `/api/v1/projects/${projectId}/secrets`, {
      token: owner.token,
      body: { type: 'token', ...secret },
    })
  }

  async addKey(owner: TestPerson, projectId: string, wish: object = {}): Promise<TestKey> {
    const { accessKey, secret } = await this.ok('POST', `/api/v1/projects/${projectId}/access-keys`, {
      token: owner.token,
      body: { permission: 'read', ...wish },
    })
    return { id: accessKey.id, secret }
  }

  async addMember(owner: TestPerson, projectId: string, member: TestPerson, role: string): Promise<void> {
    await this.ok('POST', `/api/v1/projects/${projectId}/members`, {
      token: owner.token,
      body: { email: member.email, role },
    })
  }

  /** Lets an agent join a workspace. @returns its credential. */
  async addAgent(owner: TestPerson, workspaceId: string): Promise<string> {
    const path = `/api/v1/workspaces/${workspaceId}/enrollments`
    const { token: enrollmentToken } = await this.ok('POST', path, { token: owner.token })
    const body = { enrollmentToken, loginName: 'user', release: '0.1.0' }
    const { token } = await this.ok('POST', '/api/v1/workspaces/current/enrollment', { body })
    return token
  }

  /**
   * Everything the database holds, as one text to search: texts as they are, bytes as hex and as base64. On SQLite also
   * the bytes of every file of the data directory but the root key, so that nothing left in a journal is missed.
   */
  async dump(): Promise<string> {
    const { db } = this.core.storage
    const parts: string[] = []
    for (const { name } of await db.introspection.getTables()) {
      const { rows } = await sql<Record<string, unknown>>`select * from ${sql.table(name)}`.execute(db)
      for (const value of rows.flatMap((row) => Object.values(row))) {
        if (value instanceof Uint8Array) {
          const bytes = Buffer.from(value)
          parts.push(bytes.toString('latin1'), bytes.toString('hex'), bytes.toString('base64'))
        } else parts.push(String(value))
      }
    }
    for (const file of readdirSync(this.config.dataDir)) {
      if (file !== 'root.key') parts.push(readFileSync(join(this.config.dataDir, file), 'latin1'))
    }
    return parts.join('\n')
  }

  /** Newest audit records first, read past HTTP so that reading leaves no trace. */
  async records(limit = 100) {
    return (await this.core.audit.list({}, limit)).records
  }
}

/** An empty database in the run's PostgreSQL server. */
export async function newPostgresDatabase(): Promise<{ url: string; drop: () => Promise<void> }> {
  const admin = inject('postgresUrl')
  const name = `keyhold_${randomBytes(6).toString('hex')}`
  const run = async (sql: string) => {
    const client = new pg.Client({ connectionString: admin })
    await client.connect()
    await client.query(sql)
    await client.end()
  }
  await run(`create database ${name}`)
  const url = new URL(admin)
  url.pathname = `/${name}`
  return { url: url.href, drop: () => run(`drop database ${name} with (force)`) }
}

/** The tests of the API do without the web application, whether it was built or not. */
const NO_WEB = new URL('./there-is-no-web-application/', import.meta.url)

/** Starts a server and stops it when `onTestFinished` or `afterAll` calls the returned function. */
export async function startServer(
  database: TestDatabase,
  env: Readonly<Record<string, string>> = {},
  outgoing?: Outgoing,
  webFolder?: URL,
): Promise<{ server: TestServer; stop: () => Promise<void> }> {
  const dataDir = mkdtempSync(join(tmpdir(), 'keyhold-test-'))
  const postgres = database === 'postgres' ? await newPostgresDatabase() : undefined
  const config = readConfig({
    KEYHOLD_DATA_DIR: dataDir,
    KEYHOLD_HTTP_ADDR: '127.0.0.1:0',
    KEYHOLD_SSH_ADDR: '127.0.0.1:0',
    KEYHOLD_PUBLIC_URL: 'http://localhost:8080',
    ...(postgres && { KEYHOLD_DATABASE_URL: postgres.url }),
    ...env,
  })
  const server = await listen(database, config, new TestClock(), outgoing, webFolder)
  return {
    server,
    stop: async () => {
      await server.server.close()
      await postgres?.drop()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

/** Starts another server with the database and the clock of one on PostgreSQL. Close its `server` before that one. */
export function startReplica(
  { database, config, clock }: TestServer,
  outgoing?: Outgoing,
): Promise<TestServer> {
  return listen(database, config, clock, outgoing)
}

async function listen(
  database: TestDatabase,
  config: Config,
  clock: TestClock,
  outgoing: Outgoing | undefined,
  webFolder = NO_WEB,
): Promise<TestServer> {
  const log: string[] = []
  const logger = pino({ level: 'trace' }, { write: (line: string) => void log.push(line) })
  const core = await composeCore(config, clock, outgoing)
  const server = await composeServer(config, core, logger, clock, webFolder)
  const url = await server.listen()
  return new TestServer({ url, core, server, clock, config, log, database })
}
