// Runs the real command as a process, against a server that speaks the protocol and fails when told to. The server is an
// outside service for these tests; that the real one gives the same answers is tested with it.
import { type ChildProcessWithoutNullStreams, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type IPty, spawn as spawnTerminal } from '@lydell/node-pty'
import { onTestFinished } from 'vitest'

export const node = process.execPath
/** As it is published, bin and dist without sources: see tools/test-programs.ts. */
export const keyhold = join(process.env.TEST_PROGRAMS!, 'cli/bin/keyhold') // `!`: set before the tests begin.
export const accessKeyId = 'kh_id_test'
export const accessKey = 'kh_key_canary-8f2b1c6d'

/** Waits for output at most this long. Long, because two cores may be busy; a test that passes never waits for it. */
const DEADLINE_MS = 15_000

export interface GivenSecret {
  name: string
  value: string | Uint8Array
  type?: 'token' | 'password' | 'key' | 'file'
}

export interface FakeServer {
  readonly url: string
  readonly requests: { url: string; authorization: string | undefined }[]
  secrets: GivenSecret[]
  /** Answers in place of the delivery. */
  answer: ((req: IncomingMessage, res: ServerResponse) => void) | undefined
}

export async function startServer(secrets: GivenSecret[] = []): Promise<FakeServer> {
  const server = createServer((req, res) => {
    const url = new URL(req.url ?? '/', 'http://localhost')
    fake.requests.push({ url: `${url.pathname}${url.search}`, authorization: req.headers.authorization })
    if (fake.answer) return fake.answer(req, res)
    const expected = `Basic ${Buffer.from(`${accessKeyId}:${accessKey}`).toString('base64')}`
    if (req.headers.authorization !== expected) {
      return sendProblem(res, 401, 'auth.invalid', 'The access key is not valid.')
    }
    if (url.pathname !== '/api/v1/projects/current/secrets') {
      return sendProblem(res, 404, 'not_found', 'There is nothing here.')
    }
    const environment = url.searchParams.get('environment') ?? 'All'
    res.writeHead(200, { 'content-type': 'application/json' })
    res.end(
      JSON.stringify({
        project: { id: 'p1', name: 'shop' },
        environment,
        secrets: fake.secrets.map(({ name, value, type = 'token' }) => ({
          name,
          type,
          ...(typeof value === 'string'
            ? { value, encoding: 'utf8' }
            : { value: Buffer.from(value).toString('base64'), encoding: 'base64' }),
          version: 1,
          environment,
        })),
      }),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const fake: FakeServer = { url: `http://127.0.0.1:${port}`, requests: [], secrets, answer: undefined }
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return fake
}

export function sendProblem(res: ServerResponse, status: number, code: string, detail: string): void {
  res.writeHead(status, { 'content-type': 'application/problem+json' })
  res.end(
    JSON.stringify({ type: `/errors/${code}`, title: 'Problem', status, detail, traceId: 'trace-1', code }),
  )
}

export function environmentFor(server: FakeServer, more: NodeJS.ProcessEnv = {}): Record<string, string> {
  const env: Record<string, string> = {}
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && !name.startsWith('KEYHOLD_')) env[name] = value
  }
  return {
    ...env,
    KEYHOLD_URL: server.url,
    KEYHOLD_ACCESS_KEY_ID: accessKeyId,
    KEYHOLD_ACCESS_KEY: accessKey,
    ...Object.fromEntries(
      Object.entries(more).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
    ),
  }
}

export interface Result {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

/** Starts keyhold with pipes. */
export function start(args: readonly string[], env: NodeJS.ProcessEnv, options: SpawnOptions = {}): Running {
  const child = spawn(keyhold, args, { ...options, env, stdio: 'pipe' }) as ChildProcessWithoutNullStreams
  return new Running(child)
}

/** Runs keyhold with pipes to its end. */
export async function run(args: readonly string[], env: NodeJS.ProcessEnv, input = ''): Promise<Result> {
  const running = start(args, env)
  running.child.stdin.on('error', () => {
    // The command may not read its input.
  })
  running.child.stdin.end(input)
  return running.ended
}

export class Running {
  readonly child: ChildProcessWithoutNullStreams
  readonly ended: Promise<Result>
  stdout = ''
  stderr = ''
  #changed = Promise.withResolvers<void>()

  constructor(child: ChildProcessWithoutNullStreams) {
    this.child = child
    child.stdout.on('data', (chunk: Buffer) => {
      this.stdout += chunk.toString('latin1')
      this.#wake()
    })
    child.stderr.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString('latin1')
      this.#wake()
    })
    this.ended = new Promise((resolve) => {
      child.on('close', (code, signal) => {
        resolve({ code, signal, stdout: fromLatin1(this.stdout), stderr: fromLatin1(this.stderr) })
      })
    })
    onTestFinished(() => {
      child.kill('SIGKILL')
    })
  }

  #wake(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }

  /** Waits until stdout matches. */
  async sees(pattern: RegExp): Promise<RegExpExecArray> {
    return waitFor(
      () => pattern.exec(this.stdout),
      () => this.#changed.promise,
      () => `${pattern} in ${JSON.stringify(this.stdout)}; stderr ${JSON.stringify(this.stderr)}`,
    )
  }
}

/** A program in a terminal, as a person has it. */
export class TerminalRun {
  readonly pty: IPty
  readonly ended: Promise<{ exitCode: number; signal: number | undefined }>
  output = ''
  #changed = Promise.withResolvers<void>()

  constructor(file: string, args: string[], env: Record<string, string>, size = { cols: 80, rows: 24 }) {
    this.pty = spawnTerminal(file, args, { ...size, env, cwd: process.cwd(), name: 'xterm-256color' })
    this.ended = new Promise((resolve) => {
      this.pty.onExit(({ exitCode, signal }) => {
        resolve({ exitCode, signal })
        this.#wake()
      })
    })
    this.pty.onData((text) => {
      // bash switches bracketed paste on and off around its prompt.
      this.output += text.replaceAll(/\x1b\[\?2004[hl]\r?/g, '')
      this.#wake()
    })
    onTestFinished(() => {
      try {
        this.pty.kill('SIGKILL')
      } catch {
        // It has ended.
      }
    })
  }

  #wake(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }

  /** Waits until the output matches, from `from` on. */
  async sees(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    return waitFor(
      () => pattern.exec(this.output.slice(from)),
      () => this.#changed.promise,
      () => `${pattern} in ${JSON.stringify(this.output.slice(from))}`,
    )
  }

  type(keys: string): void {
    this.pty.write(keys)
  }
}

/** Waits until a check gives something, looking again whenever `changed` resolves and at least every 20 ms. */
export async function waitFor<T>(
  check: () => T | null | undefined | false,
  changed: () => Promise<void> = () => new Promise(() => {}),
  explain: () => string = () => String(check),
): Promise<T> {
  const startedAt = performance.now()
  for (;;) {
    const found = check()
    if (found) return found
    if (performance.now() - startedAt > DEADLINE_MS)
      throw new Error(`not seen within ${DEADLINE_MS} ms: ${explain()}`)
    await Promise.race([changed(), new Promise((resolve) => setTimeout(resolve, 20))])
  }
}

function fromLatin1(text: string): string {
  return Buffer.from(text, 'latin1').toString('utf8')
}

/** Quotes for sh. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
