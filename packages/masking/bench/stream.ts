/**
 * Measures how much a stream slows down when it is masked: child pipe -> masker -> standard output with a reader.
 *
 *   node packages/masking/bench/stream.ts [secrets …]
 */

import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { Masker, maskingTransform, type SecretToMask } from '../src/masking.ts'

const FILE_BYTES = 32 * 2 ** 20
const REPEATS = 32
const RUNS = 5

/**
 * Sends 1 GiB of log lines through the stream, with and without masking, in turns.
 * @returns the best of 5 runs each, in MB/s (10^6 bytes), start-up and compilation not counted.
 */
export async function measureMasking(
  secretCount: number,
): Promise<{ maskedMBs: number; unmaskedMBs: number }> {
  const folder = await mkdtemp(join(tmpdir(), 'masking-bench-'))
  try {
    const file = join(folder, 'log')
    await writeFile(file, logText(FILE_BYTES))
    let maskedMBs = 0
    let unmaskedMBs = 0
    for (let run = 0; run < RUNS; run++) {
      unmaskedMBs = Math.max(unmaskedMBs, await measureOnce(file, undefined))
      maskedMBs = Math.max(maskedMBs, await measureOnce(file, secretCount))
    }
    return { maskedMBs: Math.round(maskedMBs), unmaskedMBs: Math.round(unmaskedMBs) }
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function measureOnce(file: string, secretCount: number | undefined): Promise<number> {
  const self = fileURLToPath(import.meta.url)
  // The shell makes a real pipe, as in "command | less"; Node itself would make a socket pair.
  const command = '"$1" "$2" filter "$3" "$4" | cat > /dev/null'
  const shell = spawn(
    'sh',
    ['-c', command, 'sh', process.execPath, self, file, String(secretCount ?? 'none')],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  )
  const report = await text(shell.stderr)
  const seconds = Number(report)
  if (!(seconds > 0)) throw new Error(`the measured process failed: ${report}`)
  return (FILE_BYTES * REPEATS) / 1e6 / seconds
}

/** The measured process: masks what `cat` writes, and reports the seconds on standard error. */
function filter(file: string, secretCount: string): void {
  const masker = secretCount === 'none' ? undefined : new Masker(sampleSecrets(Number(secretCount)))
  const start = process.hrtime.bigint()
  const child = spawn('cat', Array(REPEATS).fill(file), { stdio: ['ignore', 'pipe', 'inherit'] })
  const output = masker === undefined ? child.stdout : child.stdout.pipe(maskingTransform(masker))
  output.pipe(process.stdout)
  output.once('end', () => process.stderr.write(String(Number(process.hrtime.bigint() - start) / 1e9)))
}

/** Secrets of the shapes people store: tokens, keys, passwords, database addresses, one in 50 a private key. */
export function sampleSecrets(count: number): SecretToMask[] {
  const random = (seed: string, length: number) => {
    let out = ''
    for (let part = 0; out.length < length; part++) {
      out += createHash('sha512').update(`${seed}/${part}`).digest('base64').replace(/=+$/, '')
    }
    return out.slice(0, length)
  }
  const word = (seed: string, length: number) =>
    random(seed, length * 2)
      .replace(/[+/]/g, '')
      .slice(0, length)
  const shapes = [
    (seed: string) => `ghp_${word(seed, 36)}`,
    (seed: string) => `sk_live_${word(seed, 24)}`,
    (seed: string) => random(seed, 40),
    (seed: string) => word(seed, 16),
    (seed: string) => `postgres://app:${word(seed, 20)}@db.internal:5432/app`,
    (seed: string) => `${word(seed, 6)}!${word(`${seed}!`, 5)}`,
    (seed: string) => createHash('sha256').update(seed).digest('hex'),
  ]
  return Array.from({ length: count }, (_, index) => {
    const seed = `secret ${index}`
    const pem = () => {
      const body = random(seed, 1600).match(/.{1,64}/g) ?? []
      return ['-----BEGIN PRIVATE KEY-----', ...body, '-----END PRIVATE KEY-----', ''].join('\n')
    }
    const value = index % 50 === 49 ? pem() : (shapes[index % shapes.length]?.(seed) ?? '')
    return { name: `SECRET_${index}`, value: new TextEncoder().encode(value) }
  })
}

/** Lines as services write them, of a few shapes. */
export function logText(bytes: number): Uint8Array {
  const lines: string[] = []
  let length = 0
  for (let index = 0; length < bytes; index++) {
    const id = createHash('md5').update(String(index)).digest('hex')
    const line = [
      `2026-03-0${1 + (index % 9)}T12:${10 + (index % 50)}:07.${100 + (index % 900)}Z info  [http] GET /api/v1/users/${index % 9973}/orders 200 ${index % 97}ms request=${id}\n`,
      `2026-03-0${1 + (index % 9)}T12:${10 + (index % 50)}:08.${100 + (index % 900)}Z debug [worker] job ${index} finished: processed ${index % 512} rows in ${index % 61} s, queue default, retry false\n`,
      `{"level":"warn","time":${1770000000000 + index},"msg":"cache miss for key user:${index % 4096}","host":"node-${index % 7}","trace":"${id.slice(0, 16)}"}\n`,
      `    at processTicksAndRejections (node:internal/process/task_queues:${index % 400}:${index % 70})\n`,
    ][index % 4] as string
    lines.push(line)
    length += line.length
  }
  return new TextEncoder().encode(lines.join('')).subarray(0, bytes)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [mode, file = '', secretCount = ''] = process.argv.slice(2)
  if (mode === 'filter') filter(file, secretCount)
  else {
    const counts = process.argv.slice(2).map(Number)
    for (const count of counts.length > 0 ? counts : [1, 10, 100, 500]) {
      const { maskedMBs, unmaskedMBs } = await measureMasking(count)
      const share = Math.round((maskedMBs / unmaskedMBs) * 100)
      process.stdout.write(`${count} secrets: ${maskedMBs} of ${unmaskedMBs} MB/s, ${share} %\n`)
    }
  }
}
