import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { type Figure, figure } from './figures.ts'
import { keyhold, makeProject, startKeyhold, stop } from './processes.ts'

const ROUNDS = 30
const SECRETS = 10

/** What `keyhold run` adds to a command: fetched, recorded and masked, next to starting Node and to starting nothing. */
export async function measureStart(progress: (text: string) => void): Promise<Figure[]> {
  const dataDir = mkdtempSync(join(tmpdir(), 'keyhold-bench-'))
  try {
    const server = await startKeyhold({ KEYHOLD_DATA_DIR: dataDir })
    try {
      const key = await makeProject(server, SECRETS)
      const env = {
        ...process.env,
        KEYHOLD_URL: `http://127.0.0.1:${server.port}`,
        KEYHOLD_ACCESS_KEY_ID: key.id,
        KEYHOLD_ACCESS_KEY: key.secret,
      }
      return measureRounds(env, progress)
    } finally {
      await stop(server.child)
    }
  } finally {
    rmSync(dataDir, { recursive: true, force: true })
  }
}

function measureRounds(env: NodeJS.ProcessEnv, progress: (text: string) => void): Figure[] {
  const commands = {
    run: [keyhold, 'run', '--', 'true'],
    version: [keyhold, '--version'],
    node: [process.execPath, '-e', '0'],
    true: ['true'],
  } as const
  const milliseconds = { run: [], version: [], node: [], true: [] } as Record<keyof typeof commands, number[]>
  let failures = 0
  progress(`start: ${ROUNDS} rounds`)
  for (let round = -2; round < ROUNDS; round++) {
    for (const [name, [program, ...args]] of Object.entries(commands) as Entries<typeof commands>) {
      const startedAt = performance.now()
      const { status } = spawnSync(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
      const took = performance.now() - startedAt
      if (status !== 0) failures++
      // The first rounds fill the caches of the file system.
      if (round >= 0) milliseconds[name].push(took)
    }
  }
  const bare = { 'node -e 0': milliseconds.node, true: milliseconds.true }
  return [
    figure(
      { id: 'start.run', what: `keyhold run -- true, ${SECRETS} secrets`, unit: 'ms' },
      milliseconds.run,
      bare,
      failures,
    ),
    figure(
      { id: 'start.version', what: 'keyhold --version', unit: 'ms' },
      milliseconds.version,
      bare,
      failures,
    ),
  ]
}

type Entries<T> = { [K in keyof T]: [K, T[K]] }[keyof T][]
