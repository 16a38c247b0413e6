import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { text } from 'node:stream/consumers'
import { logText } from '@keyhold/masking/bench/stream.ts'
import { type Figure, figure } from './figures.ts'
import { here } from './processes.ts'

const SECRET_COUNTS = [1, 10, 100, 500]
const ROUNDS = 5
const FILE_BYTES = 32 * 2 ** 20
/** 512 MiB in all: start-up and compilation are a small part then. */
const TIMES = 16

/** The way of a child's output through `keyhold run`, next to the same bytes through Node as they are, and through nothing. */
export async function measureMasking(progress: (text: string) => void): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-bench-'))
  try {
    const file = join(folder, 'log')
    writeFileSync(file, logText(FILE_BYTES))
    const masked = SECRET_COUNTS.map((count) => ({ count, rates: [] as number[] }))
    const unmasked: number[] = []
    const nothing: number[] = []
    const pump: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      progress(`masking: round ${round + 1} of ${ROUNDS}`)
      for (const { count, rates } of masked) rates.push(await rate(String(count), file))
      unmasked.push(await rate('node', file))
      pump.push(await rate('0', file))
      nothing.push(await rateOfPipe(file))
    }
    return masked.map(({ count, rates }) =>
      figure(
        {
          id: `masking.${count}`,
          what: `child | keyhold | reader, ${count} secret${count > 1 ? 's' : ''}`,
          unit: 'MB/s',
        },
        rates,
        { 'through Node, unmasked': unmasked, 'our way, no secrets': pump, 'cat | cat': nothing },
      ),
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function rate(how: string, file: string): Promise<number> {
  // The shell makes real pipes, as in "command | less"; Node itself would make sockets.
  const script = '"$1" "$2" "$3" "$4" "$5" | cat > /dev/null'
  const args = [process.execPath, here('masking-filter.ts'), how, file, String(TIMES)]
  const shell = spawn('sh', ['-c', script, 'sh', ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
  const report = await text(shell.stderr)
  const seconds = Number(report)
  if (!(seconds > 0)) throw new Error(`the measured process failed: ${report}`)
  return (FILE_BYTES * TIMES) / 1e6 / seconds
}

async function rateOfPipe(file: string): Promise<number> {
  const script = 'cat "$@" | cat > /dev/null'
  const startedAt = performance.now()
  const shell = spawn('sh', ['-c', script, 'sh', ...new Array<string>(TIMES).fill(file)], {
    stdio: 'ignore',
  })
  await once(shell, 'exit')
  return (FILE_BYTES * TIMES) / 1e6 / ((performance.now() - startedAt) / 1000)
}
