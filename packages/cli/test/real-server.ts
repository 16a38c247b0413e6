// A real server with an empty database, for tests that drive the real command against it.
import { execFileSync, spawn } from 'node:child_process'
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
  stop(): Promise<void>
}

/** Starts `keyhold server` on a free port of loopback. @param extra variables of the server. */
export async function startRealServer(extra: Readonly<Record<string, string>> = {}): Promise<RealServer> {
  const directory = mkdtempSync(join(tmpdir(), 'keyhold-cli-'))
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('KEYHOLD_'))
  const env: Record<string, string | undefined> = {
    ...Object.fromEntries(inherited),
    KEYHOLD_DATA_DIR: join(directory, 'data'),
    KEYHOLD_HTTP_ADDR: '127.0.0.1:0',
    ...extra,
  }
  const server = spawn(keyhold, ['server'], { env, stdio: ['ignore', 'pipe', 'ignore'] })
  const admin = (args: readonly string[], input = '') =>
    execFileSync(keyhold, ['admin', ...args], { env, input, encoding: 'utf8' }).trim()
  let url: string | undefined
  for await (const line of createInterface(server.stdout)) {
    const { msg, address } = JSON.parse(line) as { msg: string; address?: string }
    if (msg !== 'ready') continue
    url = address
    break
  }
  if (url === undefined) throw new Error('the server did not start')
  server.stdout.resume()
  const address = url
  return {
    url,
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
    async stop() {
      server.kill('SIGTERM')
      if (server.exitCode === null) await once(server, 'exit')
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
