// A real server with an empty database, for tests that drive the real command against it.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { keyhold } from './kit.ts'

export interface RealServer {
  readonly url: string
  readonly dataDir: string
  /** Creates a person, as an operator would. @returns the environment in which `keyhold` acts for them. */
  person(name: string, role?: 'admin' | 'member'): Record<string, string>
  /** Ends the server, and starts it at the same address. */
  restart(): Promise<void>
  stop(): Promise<void>
  /** Ends the server as a power cut would; {@link startAgain} has it on the same port with the same data. */
  kill(): Promise<void>
  startAgain(): Promise<void>
}

/** Starts `keyhold server` on a free port of loopback. @param extra variables of the server. */
export async function startRealServer(extra: Readonly<Record<string, string>> = {}): Promise<RealServer> {
  const directory = mkdtempSync(join(tmpdir(), 'keyhold-cli-'))
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('KEYHOLD_'))
  const env: Record<string, string | undefined> = {
    ...Object.fromEntries(inherited),
    KEYHOLD_DATA_DIR: join(directory, 'data'),
    KEYHOLD_HTTP_ADDR: '127.0.0.1:0',
    KEYHOLD_SSH_ADDR: '127.0.0.1:0',
    NODE_COMPILE_CACHE: `${process.env.TEST_PROGRAMS}/compiled`,
    NODE_OPTIONS: `--import=${process.env.TEST_PROGRAMS}/quick-argon2.js`,
    ...extra,
  }
  const first = await startProcess(env)
  let server = first.server
  const address = first.url
  const admin = (args: readonly string[], input = '') =>
    execFileSync(keyhold, ['admin', ...args], { env, input, encoding: 'utf8' }).trim()
  const startAgain = async () => {
    ;({ server } = await startProcess({ ...env, KEYHOLD_HTTP_ADDR: new URL(address).host }))
  }
  return {
    url: address,
    dataDir: join(directory, 'data'),
    person(name, role = 'member') {
      const who = ['--email', `${name}@example.com`, '--name', name]
      const asAdmin = role === 'admin' ? ['--admin'] : []
      admin(['create-user', ...who, ...asAdmin, '--password-stdin'], 'a password of a test person\n')
      const token = admin(['create-token', ...who])
      return {
        PATH: env.PATH ?? '',
        HOME: directory,
        XDG_CONFIG_HOME: join(directory, name),
        KEYHOLD_URL: address,
        KEYHOLD_TOKEN: token,
      }
    },
    async restart() {
      await stopProcess(server)
      await startAgain()
    },
    async kill() {
      const gone = once(server, 'exit')
      server.kill('SIGKILL')
      await gone
    },
    startAgain,
    async stop() {
      await stopProcess(server)
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

async function startProcess(env: NodeJS.ProcessEnv): Promise<{ server: ChildProcess; url: string }> {
  const server = spawn(keyhold, ['server'], { env, stdio: ['ignore', 'pipe', 'ignore'] })
  for await (const line of createInterface(server.stdout)) {
    const { msg, address } = JSON.parse(line) as { msg: string; address?: string }
    if (msg !== 'ready' || address === undefined) continue
    server.stdout.resume()
    return { server, url: address }
  }
  throw new Error('the server did not start')
}

async function stopProcess(server: ChildProcess): Promise<void> {
  server.kill('SIGTERM')
  if (server.exitCode === null && server.signalCode === null) await once(server, 'exit')
}
