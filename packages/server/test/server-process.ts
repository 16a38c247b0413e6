import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const programs = process.env.TEST_PROGRAMS
const SOURCES = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const KILLER = fileURLToPath(new URL('./kill-at-write.ts', import.meta.url))

/** Arguments of Node that start the server's program: in tests its bundle, with a quick Argon2; in scripts its sources. */
export const serverProgram: readonly string[] = programs
  ? ['--import', `${programs}/quick-argon2.js`, `${programs}/server/main.js`]
  : [SOURCES]

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  /** What people see. */
  readonly stderr: string
}

/** `keyhold server` as a process of its own, for what only the end of a process can show. */
export class ServerProcess {
  readonly url: string
  readonly ended: Promise<Ended>
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, url: string, ended: Promise<Ended>) {
    this.#child = child
    this.url = url
    this.ended = ended
  }

  /** Starts a server on a free port of loopback and waits until it is ready. @throws Error when it ends instead. */
  static async start(env: Readonly<Record<string, string>>): Promise<ServerProcess> {
    const { child, ended, stdout } = run(['server'], env)
    const ready = new Promise<string>((resolve) => {
      stdout.on('line', (line: string) => {
        const { address, msg } = JSON.parse(line) as { address?: string; msg?: string }
        if (msg === 'ready') resolve(address!)
      })
    })
    const first = await Promise.race([ready, ended])
    if (typeof first !== 'string')
      throw new Error(`the server ended with ${first.signal ?? first.code}: ${first.stderr}`)
    return new ServerProcess(child, first, ended)
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** Sends a signal and waits for the end. */
  async end(signal: NodeJS.Signals): Promise<Ended> {
    this.#child.kill(signal)
    return this.ended
  }
}

interface RunOptions {
  readonly stdin?: string
  /** Where it is killed: see kill-at-write.ts. */
  readonly killed?: { readonly at: number; readonly from: string }
}

/** Runs a command of the server to its end. */
export function runToEnd(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  options: RunOptions = {},
): Promise<Ended> {
  return run(args, env, options).ended
}

/** Lines of stdout come as events `line`. */
function run(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  { stdin = '', killed }: RunOptions = {},
) {
  const line = [...(killed ? ['--import', KILLER] : []), ...serverProgram, ...args]
  const child = spawn(process.execPath, line, {
    env: {
      PATH: process.env.PATH,
      KEYHOLD_HTTP_ADDR: '127.0.0.1:0',
      ...(programs && { NODE_COMPILE_CACHE: `${programs}/compiled` }),
      ...env,
      ...(killed && { KILL_AT: String(killed.at), KILL_FROM: killed.from }),
    },
    stdio: 'pipe',
  })
  // A process that ended before it read all of it says so with its exit code.
  child.stdin.on('error', () => {}).end(stdin)
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  let stdout = ''
  let rest = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    const lines = (rest + text).split('\n')
    rest = lines.pop()!
    for (const line of lines) child.stdout.emit('line', line)
  })
  const ended = once(child, 'close').then(([code, signal]): Ended => ({ code, signal, stdout, stderr }))
  return { child, ended, stdout: child.stdout }
}
