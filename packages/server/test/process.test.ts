import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { databases, newPostgresDatabase, type TestDatabase } from './kit.ts'
import { serverProgram } from './server-process.ts'

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))

interface Run {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A process of the server's own program, with nothing in its environment but what it is given. */
class Program {
  readonly child: ChildProcess
  stdout = ''
  stderr = ''
  readonly #ended: Promise<unknown>

  constructor(args: readonly string[], env: Readonly<Record<string, string>>, program = serverProgram) {
    this.child = spawn(process.execPath, [...program, ...args], { env, stdio: 'pipe' })
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
    })
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
    this.#ended = once(this.child, 'close')
    running.add(this)
  }

  async ended(): Promise<Run> {
    await this.#ended
    running.delete(this)
    return { code: this.child.exitCode, stdout: this.stdout, stderr: this.stderr }
  }

  /** Waits until the server listens. @returns its address. */
  address(): Promise<string> {
    return this.logs(/"address":"([^"]+)".*"msg":"ready"/)
  }

  /** Waits for a line of the log. @returns what the pattern's group matches. */
  logs(pattern: RegExp): Promise<string> {
    return this.#prints(() => pattern.exec(this.stdout))
  }

  /** Waits for text for people. @returns likewise. */
  says(pattern: RegExp): Promise<string> {
    return this.#prints(() => pattern.exec(this.stderr))
  }

  async #prints(find: () => RegExpExecArray | null): Promise<string> {
    const { stdout, stderr } = this.child
    for (;;) {
      const found = find()
      if (found) return found[1] ?? found[0]
      if (this.child.exitCode !== null || this.child.signalCode !== null)
        throw new Error(`the process ended: ${this.stdout}${this.stderr}`)
      await Promise.race([once(stdout!, 'data'), once(stderr!, 'data'), this.#ended])
    }
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Run> {
    this.child.kill(signal)
    return this.ended()
  }
}

const running = new Set<Program>()

async function run(args: readonly string[], env: Readonly<Record<string, string>>, stdin = ''): Promise<Run> {
  const program = new Program(args, env)
  // A program that refuses its arguments does not read.
  program.child.stdin!.on('error', () => {}).end(stdin)
  return program.ended()
}

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'keyhold-process-'))
})
afterEach(async () => {
  for (const program of running) await program.stop('SIGKILL')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function newEnv(database: TestDatabase = 'sqlite') {
  const dataDir = mkdtempSync(join(folder, 'data-'))
  const postgres = database === 'postgres' ? await newPostgresDatabase() : undefined
  return {
    dataDir,
    drop: async () => postgres?.drop(),
    env: {
      KEYHOLD_DATA_DIR: dataDir,
      KEYHOLD_HTTP_ADDR: '127.0.0.1:0',
      KEYHOLD_PUBLIC_URL: 'http://localhost:8080',
      ...(postgres && { KEYHOLD_DATABASE_URL: postgres.url }),
    } as Record<string, string>,
  }
}

const password = 'a password of good length'
const SETUP_LINK = /http:\/\/localhost:8080\/setup#code=(kh_setup_\w{49})\n/

const post = (url: string, body: object, headers: Record<string, string> = {}) =>
  fetch(url, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json', ...headers },
  })

// Each test starts several processes.
vi.setConfig({ testTimeout: 90_000 })

describe.each(databases)('the process on %s', (database) => {
  test('prints a set-up link at each start until it is set up, and none afterwards (P2)', async () => {
    const { env, dataDir, drop } = await newEnv(database)
    const first = new Program(['server'], env)
    const url = await first.address()
    const oldCode = await first.says(SETUP_LINK)
    expect(first.stderr).toMatch(/A root key was made: .*root\.key \(fingerprint [0-9a-f-]{19}\)/)
    expect(statSync(join(dataDir, 'root.key')).mode & 0o777).toBe(0o600)
    // The link leads to a page: of the web application where it was built, else one that says what to do.
    expect(await (await fetch(`${url}/setup`)).text()).toMatch(/<title>(?:Keyhold|Set up Keyhold)<\/title>/)
    expect((await fetch(`${url}/healthz`)).status).toBe(200)
    expect(await (await fetch(`${url}/readyz`)).json()).toMatchObject({ status: 'ok' })
    expect((await fetch(`${url}/metrics`)).status).toBe(404)
    expect((await first.stop()).code).toBe(0)

    const second = new Program(['server'], env)
    const newUrl = await second.address()
    const code = await second.says(SETUP_LINK)
    expect(code).not.toBe(oldCode)
    expect(second.stderr).not.toContain('A root key was made')
    const account = { email: 'ada@example.com', name: 'Ada', password, accessTokenName: 'laptop' }
    expect((await post(`${newUrl}/api/v1/setup`, { ...account, code: oldCode })).status).toBe(403)
    const made = await post(`${newUrl}/api/v1/setup`, { ...account, code })
    expect(made.status).toBe(201)
    expect((await post(`${newUrl}/api/v1/setup`, { ...account, code })).status).toBe(409)
    expect((await second.stop()).code).toBe(0)

    const third = new Program(['server'], env)
    await third.address()
    const { code: exitCode, stderr } = await third.stop()
    expect([exitCode, stderr]).toEqual([0, ''])
    await drop()
  })

  test('the admin commands work beside a running server, and its log shows nothing of them', async () => {
    const { env, drop } = await newEnv(database)
    const server = new Program(['server'], env)
    const url = await server.address()
    const code = await server.says(SETUP_LINK)
    const create = [
      'admin',
      'create-user',
      '--email',
      'ada@example.com',
      '--name',
      'Ada',
      '--admin',
      '--password-stdin',
    ]

    const made = await run(create, env, `${password}\n`)
    expect(made).toEqual({ code: 0, stdout: '', stderr: 'created admin ada@example.com\n' })
    // An instance with an account needs no code, and the one that was printed is worth nothing.
    const visitor = await post(`${url}/api/v1/setup`, {
      code,
      email: 'eve@example.com',
      name: 'Eve',
      password,
    })
    expect(visitor.status).toBe(409)

    const signIn = await post(`${url}/api/v1/session`, { email: 'ada@example.com', password })
    expect(signIn.status).toBe(201)
    const token = await run(['admin', 'create-token', '--email', 'ada@example.com', '--name', 'ci'], env)
    expect(token).toEqual({ code: 0, stdout: expect.stringMatching(/^kh_pat_\w{49}\n$/), stderr: '' })
    const session = await fetch(`${url}/api/v1/session`, {
      headers: { authorization: `Bearer ${token.stdout.trim()}` },
    })
    expect(await session.json()).toMatchObject({ account: { email: 'ada@example.com', role: 'admin' } })

    const duplicate = await run(create.with(3, 'ADA@example.com'), env, `${password}\n`)
    expect([duplicate.code, duplicate.stderr]).toEqual([1, expect.stringContaining('account.email_taken')])
    const nobody = await run(['admin', 'create-token', '--email', 'eve@example.com', '--name', 'ci'], env)
    expect([nobody.code, nobody.stdout, nobody.stderr]).toEqual([
      1,
      '',
      expect.stringContaining('account.not_found'),
    ])

    const audit = await fetch(`${url}/api/v1/audit?action=access-token.create`, {
      headers: { authorization: `Bearer ${token.stdout.trim()}` },
    })
    expect(await audit.json()).toMatchObject({
      records: [{ actor: { kind: 'operator' }, client: 'keyhold admin create-token', outcome: 'success' }],
    })
    const { stdout, stderr } = await server.stop()
    for (const secret of [password, token.stdout.trim()]) expect(stdout + stderr).not.toContain(secret)
    await drop()
  })

  test('SIGTERM lets a slow request end, takes no new ones, and exits 0', async () => {
    const { env, drop } = await newEnv(database)
    await run(
      ['admin', 'create-user', '--email', 'ada@example.com', '--name', 'Ada', '--password-stdin'],
      env,
      `${password}\n`,
    )
    const server = new Program(['server'], { ...env, KEYHOLD_LOG_LEVEL: 'debug' })
    const url = await server.address()
    // The body is the slow part: the request has begun, and ends after the signal.
    const { request } = await import('node:http')
    const slow = request(`${url}/api/v1/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'transfer-encoding': 'chunked' },
    })
    const answered = once(slow, 'response')
    const body = JSON.stringify({ email: 'ada@example.com', password })
    await new Promise((resolve) => slow.write(body.slice(0, 10), resolve))
    // Its first bytes came before an answer on another connection, which the server read later.
    await (await fetch(`${url}/healthz`)).text()
    server.child.kill('SIGTERM')
    await server.logs(/"msg":"stopping"/)
    await expect(fetch(`${url}/healthz`)).rejects.toThrow()
    slow.end(body.slice(10))
    const [response] = await answered
    expect(response.statusCode).toBe(201)
    response.resume()
    expect((await server.ended()).code).toBe(0)
    await drop()
  })
})

describe('the process', () => {
  test('SIGTERM with KEYHOLD_DRAIN_SECONDS: not ready, still answering, each answer the last of its connection; a second signal ends that', async () => {
    const { env } = await newEnv()
    const server = new Program(['server'], { ...env, KEYHOLD_DRAIN_SECONDS: '300' })
    const url = await server.address()
    server.child.kill('SIGTERM')
    await server.logs(/"msg":"draining"/)
    const ready = await fetch(`${url}/readyz`)
    expect(ready.status).toBe(503)
    expect(await ready.json()).toMatchObject({ status: 'unavailable', checks: { server: 'stopping' } })
    const answer = await fetch(`${url}/api/v1/session`)
    expect(answer.status).toBe(401)
    expect(answer.headers.get('connection')).toBe('close')
    expect((await server.stop()).code).toBe(0)
  })

  test('a client that never ends its request does not keep it from ending in order', async () => {
    const { env } = await newEnv()
    const server = new Program(['server'], env)
    const { port } = new URL(await server.address())
    const { connect } = await import('node:net')
    const socket = connect(Number(port), '127.0.0.1')
    socket.on('error', () => {})
    await new Promise<void>((resolve) => socket.write('GET /healthz HTTP/1.1\r\nX', () => resolve()))
    expect((await server.stop()).code).toBe(0)
  })

  test('two servers do not share a data directory; the second says why and leaves the first alone', async () => {
    const { env, dataDir } = await newEnv()
    const first = new Program(['server'], env)
    const url = await first.address()
    const second = await run(['server'], env)
    expect([second.code, second.stderr]).toEqual([1, `keyhold: another Keyhold server is using ${dataDir}\n`])
    expect((await fetch(`${url}/readyz`)).status).toBe(200)
    expect((await first.stop('SIGINT')).code).toBe(0)
  })

  test('metrics are on their own address, or with their token, or nowhere', async () => {
    const { env } = await newEnv()
    const free = createServer().listen(0, '127.0.0.1')
    await once(free, 'listening')
    const { port } = free.address() as { port: number } // `as`: it listens on TCP.
    free.close()
    await once(free, 'close')
    const own = new Program(['server'], { ...env, KEYHOLD_METRICS_ADDR: `127.0.0.1:${port}` })
    const url = await own.address()
    expect(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()).toContain(
      'keyhold_audit_available 1',
    )
    expect((await fetch(`http://127.0.0.1:${port}/api/v1/session`)).status).toBe(404)
    expect((await fetch(`${url}/metrics`)).status).toBe(404)
    expect((await own.stop()).code).toBe(0)

    const path = join(folder, 'metrics-token')
    writeFileSync(path, 'metrics-token-7d1\n')
    const withToken = new Program(['server'], { ...env, KEYHOLD_METRICS_TOKEN_FILE: path })
    const metrics = `${await withToken.address()}/metrics`
    const ask = async (authorization?: string) =>
      (await fetch(metrics, authorization === undefined ? {} : { headers: { authorization } })).status
    expect([await ask(), await ask('Bearer x'), await ask('Bearer ')]).toEqual([401, 401, 401])
    expect(await ask('Bearer metrics-token-7d1')).toBe(200)
    expect((await withToken.stop()).code).toBe(0)
  })

  test('its sources run as they are', async () => {
    const { env } = await newEnv()
    const server = new Program(['server'], env, [MAIN])
    expect(await (await fetch(`${await server.address()}/readyz`)).json()).toMatchObject({ status: 'ok' })
    expect((await server.stop()).code).toBe(0)
  })

  test('an unknown variable is a warning that names it, without its value', async () => {
    const { env } = await newEnv()
    const server = new Program(['server'], { ...env, KEYHOLD_DATABSE_URL: 'postgres://u:canary-1@h/d' })
    await server.address()
    const { stdout, stderr } = await server.stop()
    expect(stdout).toContain('KEYHOLD_DATABSE_URL is set, but there is no such option')
    expect(stdout + stderr).not.toContain('canary-1')
  })

  test('what a variable leads to is tried at the start: exit 1, one line, the variable, no value', async () => {
    const { env } = await newEnv()
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const address = `127.0.0.1:${(taken.address() as { port: number }).port}` // `as`: it listens on TCP.
    const wrong: [string, Record<string, string>][] = [
      ['KEYHOLD_HTTP_ADDR', { KEYHOLD_HTTP_ADDR: address }],
      ['KEYHOLD_HTTP_ADDR', { KEYHOLD_HTTP_ADDR: '0.0.0.0:0' }],
      ['KEYHOLD_METRICS_ADDR', { KEYHOLD_METRICS_ADDR: address }],
      ['KEYHOLD_DATA_DIR', { KEYHOLD_DATA_DIR: join(MAIN, 'canary-2') }],
      ['KEYHOLD_DATABASE_URL', { KEYHOLD_DATABASE_URL: 'postgres://canary-2:canary-2@127.0.0.1:1/canary-2' }],
      ['KEYHOLD_ROOT_KEY_FILE', { KEYHOLD_ROOT_KEY_FILE: '/canary-2' }],
      ['KEYHOLD_TLS_KEY', { KEYHOLD_TLS_CERT: 'canary-2', KEYHOLD_TLS_KEY: 'canary-2' }],
    ]
    for (const [variable, one] of wrong) {
      const { code, stdout, stderr } = await run(['server'], { ...env, ...one })
      expect([variable, code, stderr]).toEqual([variable, 1, expect.stringMatching(/^keyhold: [^\n]+\n$/)])
      expect(stderr).toContain(variable)
      expect(stdout + stderr).not.toContain('canary-2')
      if (one.KEYHOLD_HTTP_ADDR !== address) continue
      expect(stderr).toContain(`cannot listen at ${address} (EADDRINUSE)`)
      expect(stderr).toMatch(/KEYHOLD_HTTP_ADDR=127\.0\.0\.1:\d+ npm start/)
    }
    taken.close()
  })

  test('another root key than the one the data was made with is refused with its fingerprint (K1)', async () => {
    const { env } = await newEnv()
    const first = new Program(['server'], env)
    await first.address()
    const print = await first.says(/fingerprint ([0-9a-f-]{19})/)
    await first.stop()
    const key = Buffer.alloc(32, 9).toString('base64')
    const { code, stderr } = await run(['server'], { ...env, KEYHOLD_ROOT_KEY: key })
    expect([code, stderr]).toEqual([1, expect.stringContaining(print)])
    expect(stderr).not.toContain(key)
  })

  test('wrong use is exit 2, a hint, and no repetition of what was typed', async () => {
    const { env, dataDir } = await newEnv()
    const user = ['admin', 'create-user', '--email', 'a@example.com', '--name', 'A', '--password-stdin']
    const wrong: [readonly string[], string?][] = [
      [['serve']],
      [['server', 'canary-3']],
      [['admin', 'canary-3', '--email', 'a@example.com', '--name', 'A']],
      [['admin', 'create-user', '--email', 'a@example.com']],
      [['admin', 'create-user', '--email', 'a@example.com', '--name', 'A']],
      [[...user, 'canary-3']],
      [[...user, '--password', 'canary-3']],
      [user.with(3, 'canary-3'), `${password}\n`],
      [user.with(5, 'canary-3\n'), `${password}\n`],
      [user.with(5, 'x'.repeat(101)), `${password}\n`],
      [user, 'too short\n'],
      [user, `${'x'.repeat(257)}\n`],
    ]
    const runs = await Promise.all(
      wrong.map(async ([args, stdin]) => ({ args, ...(await run(args, env, stdin)) })),
    )
    for (const { args, code, stdout, stderr } of runs) {
      expect([args, code, stdout]).toEqual([args, 2, ''])
      expect(stderr).toMatch(/^keyhold: ./)
      expect([args, stderr]).toEqual([args, expect.not.stringMatching(/canary-3|x{50}|too short/)])
    }
    // None of them got as far as the data.
    expect(readdirSync(dataDir)).toEqual([])
    const token = await run(['admin', 'create-token', '--email', 'a@example.com', '--name', 'x'], env)
    expect([token.code, token.stderr]).toEqual([1, expect.stringContaining('account.not_found')])
  })
})
