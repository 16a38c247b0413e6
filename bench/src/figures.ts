/** One measured number, with what it is to be compared with. */
export interface Figure {
  /** Fixed, for bars and scripts: `delivery.sqlite.one.64.rate`. */
  readonly id: string
  readonly what: string
  readonly unit: 'req/s' | 'µs' | 'ms' | 's' | 'MB' | 'MB/s'
  /** The median of all rounds. */
  readonly value: number
  readonly min: number
  readonly max: number
  readonly rounds: number
  /** Measured in the same rounds, in turns with it: the same task without Keyhold. */
  readonly bare: readonly Bare[]
  /** What did not succeed. A figure with failures meets no bar. */
  readonly failures: number
}

export interface Bare {
  readonly what: string
  readonly value: number
  readonly min: number
  readonly max: number
}

/** A bound the project has set itself. */
export interface Bar {
  readonly what: string
  readonly limit: string
  readonly measured: string
  readonly isMet: boolean
}

/** How much slower an instance may be after years, and how much larger a server after a day. */
const SCALE_TIMES_MAX = 1.3
const SOAK_TIMES_MAX = 1.1

/** Bare limits by name, each with its rounds. */
type BareRounds = Readonly<Record<string, readonly number[]>>

export function figure(
  named: Pick<Figure, 'id' | 'what' | 'unit'>,
  rounds: readonly number[],
  bare: BareRounds = {},
  failures = 0,
): Figure {
  return {
    ...named,
    ...spread(rounds),
    rounds: rounds.length,
    bare: Object.entries(bare).map(([what, values]) => ({ what, ...spread(values) })),
    failures,
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

function spread(values: readonly number[]): { value: number; min: number; max: number } {
  return { value: median(values), min: Math.min(...values), max: Math.max(...values) }
}

/** Share of the first bare limit. */
export function share({ value, bare }: Figure): number {
  return value / (bare[0]?.value ?? Number.NaN)
}

export function bars(figures: readonly Figure[]): Bar[] {
  const made: Bar[] = []
  const add = (
    id: string,
    what: string,
    limit: string,
    measure: (figure: Figure) => readonly [text: string, isMet: boolean],
  ) => {
    const found = figures.find((figure) => figure.id === id)
    if (found === undefined) return
    const [measured, isMet] = measure(found)
    const failed = found.failures > 0 ? `, ${found.failures} failures` : ''
    made.push({ what, limit, measured: `${measured}${failed}`, isMet: isMet && found.failures === 0 })
  }
  const ofBare = (least: number) => (figure: Figure) =>
    [`${Math.round(share(figure) * 100)} %`, share(figure) >= least] as const
  const atMost = (most: number) => (figure: Figure) =>
    [`${format(figure.value)} ${figure.unit}`, figure.value <= most] as const
  add(
    'delivery.sqlite.one.64.rate',
    'one secret, record durable, SQLite, 64 connections',
    '≥ 50 % of bare node:http',
    ofBare(0.5),
  )
  add(
    'delivery.sqlite.one.16.p99',
    'one secret, record durable, SQLite, 16 connections, p99',
    '≤ 10 ms',
    atMost(10),
  )
  for (const [count, least] of [
    [1, 0.8],
    [500, 0.5],
  ] as const) {
    add(
      `masking.${count}`,
      `masked stream, ${count} secret${count > 1 ? 's' : ''}`,
      `≥ ${least * 100} % of the stream passed on by Node unmasked`,
      ofBare(least),
    )
  }
  for (const database of ['sqlite', 'postgres'])
    add(`log.${database}.newest`, `newest page of a large audit log, ${database}`, '≤ 200 ms', atMost(200))
  add('server.ready', 'start to ready', '≤ 1.5 s', atMost(1.5))
  add('server.idle', 'memory of an idle server', '≤ 120 MB', atMost(120))
  add('start.run', 'keyhold run -- true', '≤ 60 ms over node -e 0', (figure) => {
    const over = figure.value - (figure.bare[0]?.value ?? Number.NaN)
    return [`${format(over)} ms over`, over <= 60]
  })
  for (const direction of ['down', 'up']) {
    const what = `ssh -J, ${direction}`
    add(`ssh.${direction}.gigabit`, `${what}, at 1 Gbit/s`, '≥ 90 % of a jump host of OpenSSH', ofBare(0.9))
    add(`ssh.${direction}.gcm`, `${what}, AES-GCM`, '≥ 50 % of a jump host of OpenSSH', ofBare(0.5))
    add(
      `ssh.${direction}.default`,
      `${what}, the client's ciphers`,
      '≥ 50 % of a jump host of OpenSSH',
      ofBare(0.5),
    )
  }
  add('ssh.connect', 'ssh -J … true', '≤ 1.5 × a jump host of OpenSSH', (figure) => [
    `${format(share(figure))} ×`,
    share(figure) <= 1.5,
  ])
  add('ssh.echo', 'echo of a keystroke, p99', '≤ 2 ms over a jump host of OpenSSH', (figure) => {
    const over = figure.value - (figure.bare[0]?.value ?? Number.NaN)
    return [`${format(over)} ms over`, over <= 2]
  })
  for (const [language, name] of [
    ['node', 'Node'],
    ['python', 'Python'],
  ] as const) {
    add(`usage.${language}.watched`, `${name}: a read that is watched`, '≤ 2 µs', atMost(2))
    add(`usage.${language}.start`, `${name}: start with its hook`, '≤ 25 ms more', (figure) => {
      const over = figure.value - (figure.bare[0]?.value ?? Number.NaN)
      return [`${format(over)} ms more`, over <= 25]
    })
  }
  for (const database of ['sqlite', 'postgres'] as const) {
    const at = `100 k secrets and 5 M records, ${database === 'sqlite' ? 'SQLite' : 'PostgreSQL'}`
    for (const [id, what] of [
      ['one.1', 'one secret, 1 connection'],
      ['one.64', 'one secret, 64 connections'],
      ['all.16', 'all secrets, 16 connections'],
      ['audit', 'newest page of the log'],
    ] as const)
      add(`scale.${database}.${id}`, `${at}: ${what}`, '≤ 1.3 × the time of a new instance', (figure) => {
        const times = figure.unit === 'ms' ? share(figure) : 1 / share(figure)
        return [`${format(times)} ×`, times <= SCALE_TIMES_MAX]
      })
    add(`scale.${database}.audit`, `${at}: newest page of the log`, '≤ 200 ms', atMost(200))
  }
  add('soak.memory', "a day's requests: memory in the last third", '≤ 1.1 × that in the first', (figure) => [
    `${format(share(figure))} ×`,
    share(figure) <= SOAK_TIMES_MAX,
  ])
  return made
}

/** Three digits are all that rounds of this length can tell apart. */
export function format(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString('en')
  return value >= 10 ? value.toFixed(1) : value.toFixed(2)
}
