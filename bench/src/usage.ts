import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { type Figure, figure } from './figures.ts'
import { here } from './processes.ts'

const ROUNDS = 15
const READS = 1_000_000

/** Reads a variable a million times, and prints how long one took, in µs. */
const programs = {
  node: (name: string) => [
    process.execPath,
    '-e',
    `const { env } = process
     const from = process.hrtime.bigint()
     for (let i = 0; i < ${READS}; i++) env.${name}
     console.log(Number(process.hrtime.bigint() - from) / 1e3 / ${READS})`,
  ],
  python: (name: string) => [
    'python3',
    '-c',
    `import os, time
started = time.perf_counter()
for _ in range(${READS}): os.environ["${name}"]
print((time.perf_counter() - started) * 1e6 / ${READS})`,
  ],
} as const
const starts = { node: [process.execPath, '-e', '0'], python: ['python3', '-c', ''] } as const

/** What the hooks of `keyhold run` cost programs: a read of a secret, of another variable, and the start. */
export function measureUsage(progress: (text: string) => void): Figure[] {
  const home = mkdtempSync(join(tmpdir(), 'keyhold-bench-'))
  try {
    mkdirSync(join(home, 'uses'))
    writeFileSync(join(home, 'uses/names'), 'WATCHED')
    const hooks = here('../../packages/cli/dist/hooks')
    const bare = { ...process.env, WATCHED: 'a value', OTHER: 'another' }
    const hooked = {
      ...bare,
      KEYHOLD_USES: join(home, 'uses'),
      NODE_OPTIONS: `--require "${join(hooks, 'node.cjs')}"`,
      PYTHONPATH: join(hooks, 'python'),
    }
    return (['node', 'python'] as const).flatMap((language) => {
      progress(`usage: ${language}, ${ROUNDS} rounds`)
      const rounds = { bare: [], watched: [], other: [], start: [], hookedStart: [] } as Record<
        string,
        number[]
      >
      let failures = 0
      for (let round = -1; round < ROUNDS; round++) {
        writeFileSync(join(home, 'uses/events'), '')
        const once = (name: string, [command, ...args]: readonly string[], env: NodeJS.ProcessEnv) => {
          const startedAt = performance.now()
          // `!`: none of these lists is empty.
          const { status, stdout } = spawnSync(command!, args, { env, encoding: 'utf8' })
          const ms = performance.now() - startedAt
          if (status !== 0) failures++
          // The first round fills the caches of the file system.
          if (round >= 0) rounds[name]?.push(/start/i.test(name) ? ms : Number(stdout))
        }
        once('bare', programs[language]('WATCHED'), bare)
        once('watched', programs[language]('WATCHED'), hooked)
        once('other', programs[language]('OTHER'), hooked)
        once('start', starts[language], bare)
        once('hookedStart', starts[language], hooked)
      }
      const { bare: reads = [], watched = [], other = [], start = [], hookedStart = [] } = rounds
      const named = (id: string, what: string) =>
        ({ id: `usage.${language}.${id}`, what, unit: 'µs' }) as const
      const of = language === 'node' ? 'Node' : 'Python'
      return [
        figure(
          named('watched', `${of}: reading a secret, a million times`),
          watched,
          { 'without the hook': reads },
          failures,
        ),
        figure(
          named('other', `${of}: reading another variable`),
          other,
          { 'without the hook': reads },
          failures,
        ),
        figure(
          { id: `usage.${language}.start`, what: `${of}: start and end`, unit: 'ms' },
          hookedStart,
          { 'without the hook': start },
          failures,
        ),
      ]
    })
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}
