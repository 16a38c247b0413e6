import { type Bar, type Figure, format, share } from './figures.ts'

export interface Report {
  readonly date: string
  readonly machine: {
    readonly processor: string
    readonly cores: number
    readonly memoryGb: number
    readonly system: string
    readonly node: string
  }
  readonly seconds: number
  readonly figures: readonly Figure[]
  readonly bars: readonly Bar[]
}

const FIGURE_HEADINGS = ['what', 'measured', 'lowest to highest', 'bare limit', 'share'] as const
const BAR_HEADINGS = ['bar', 'wanted', 'measured', 'met'] as const

export function table(report: Report): string {
  return [
    machineLine(report),
    '',
    ...aligned([FIGURE_HEADINGS, ...report.figures.map(figureRow)]),
    '',
    ...aligned([BAR_HEADINGS, ...report.bars.map(barRow)]),
    '',
  ].join('\n')
}

function machineLine({ machine, date, seconds }: Report): string {
  const { processor, cores, memoryGb, system, node } = machine
  return `${processor}, ${cores} cores, ${memoryGb} GB, ${system}, Node ${node}; ${date.slice(0, 10)}, ${seconds} s`
}

function figureRow(figure: Figure): string[] {
  const { what, unit, value, min, max, rounds, bare, failures } = figure
  const limits = bare.map((limit) => `${limit.what} ${format(limit.value)}`).join(', ')
  const isRate = unit === 'req/s' || unit === 'MB/s'
  return [
    failures > 0 ? `${what} (${failures} FAILED)` : what,
    `${format(value)} ${unit}`,
    `${format(min)} to ${format(max)} (${rounds})`,
    limits,
    isRate && bare.length > 0 ? `${percent(share(figure))} %` : '',
  ]
}

/** Small shares differ too. */
const percent = (part: number) => (part * 100).toFixed(part < 0.095 ? 1 : 0)

function barRow({ what, limit, measured, isMet }: Bar): string[] {
  return [what, limit, measured, isMet ? 'yes' : 'NO']
}

function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}

const markdownRow = (cells: readonly string[]) =>
  `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`

function markdownTable(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  return [markdownRow(headings), markdownRow(headings.map(() => '---')), ...rows.map(markdownRow)].join('\n')
}

/** docs/benchmark.md. */
export function markdown(report: Report): string {
  const missed = report.bars.filter(({ isMet }) => !isMet)
  return `# Benchmark

\`npm run bench\` builds Keyhold, measures it for about seven minutes and prints these tables; \`npm run bench -- --markdown\`
measures scale and a day's requests as well, for about half an hour in all, and writes this page. \`--json\` gives the same
as JSON, \`--only delivery|masking|ssh|start|usage|server|scale|soak\` and \`--database sqlite|postgres\` measure a part.

${machineLine(report)}.

## Bars

${markdownTable(BAR_HEADINGS, report.bars.map(barRow))}

${missed.length === 0 ? 'All are met on this machine.' : `Not met on this machine: ${missed.map(({ what }) => what).join('; ')}. Where the time goes is below.`}

## Figures

${markdownTable(FIGURE_HEADINGS, report.figures.map(figureRow))}

## How to read it

Numbers of one machine say little about another, so each stands next to its bare limit: the same task without Keyhold,
measured in the same rounds, in turns. The share is that of the first limit. A figure is the median of its rounds; the
lowest and the highest are shown, and how many there were. The load generator runs on the same machine and takes a part of
it. Requests that fail are counted and shown, and a figure with failures meets no bar.

- **Delivery.** An access key asks for one secret, or for all. The server has checked the key, decrypted the values and
  written the audit record to disk before it answers. The bare limits answer the same bytes from memory, without any of
  that: \`node:http\` alone, and Fastify, on which the server is built.
- **Masking.** \`cat\` writes 512 MiB of log lines to the pipe of \`keyhold run\`, another \`cat\` reads what comes out. The
  secrets are of the shapes people store, with all their encodings: 500 are about 13,000 patterns. The first limit is a Node
  program that only passes the stream on (\`child.stdout.pipe(process.stdout)\`); the second is \`keyhold run\`'s own way with
  nothing to mask; the third is no program in between.
- **Start.** \`keyhold run -- true\` fetches and masks with a real server on the same machine; the bars count what it adds to
  \`node -e 0\`, below which no Node program can be.
- **Usage.** A program reads a variable a million times, with and without what \`keyhold run\` loads into it to tell which line
  reads a secret; and starts and ends. No server takes part.
- **Server.** From the start of the process to the log line \`ready\`, with a database that does not exist yet; resident
  memory two seconds later.
- **Scale.** The same server with 100,000 secrets and 5 million audit records, in turns with a new one, which is its limit;
  and two servers with one PostgreSQL, next to one. All of them, PostgreSQL and the load generator share two processors.
- **A day.** 864,000 requests, ten a second for a day, as fast as they are answered; resident memory after each ten
  seconds. The limit is what it was when a tenth of them was done.

## Where the time goes

- **A delivery** is bound by the one thread that does everything but the record: 90 to 105 µs of processor time a request
  at 64 connections, against 13 to 15 µs of bare node:http and 19 of Fastify. A profile (\`--cpu-prof\`) shows no one place:
  the two look-ups in SQLite 21 µs (access key, secret; each reads again the pages that the last record's commit changed),
  the collector 14, the record's JSON and handing it over 11, AES-GCM and SHA-256 11, the write of the answer 8, routing,
  hooks, headers and promises the rest. The record takes another thread 23 to 28 µs, and the disk as long as it takes,
  shared by all that wait. Half of bare is not within reach where the load generator (13 µs a request), the server and its
  writer share two processors: HTTP by Fastify, the record and the load generator alone add up to it, with nothing left
  for telling who asks, deciding and decrypting. There is no cache of keys or values on purpose: taking away works on the
  next request, whichever process did it.
- **Masking** costs three passes over each 60 KB: one for escape sequences (under 1 µs), one for wrapped lines (about 6 µs)
  and the search (about 6 µs for one secret, 30 to 45 µs for 500, a third of which is comparing what the filter lets pass).
  Copying through the two pipes costs about 40 µs and is most of the limit itself.
- **Start** is Node itself (\`node -e 0\`), then about 18 ms for \`node:http\` and the request, 13 for starting a child, 10 for
  the bundle, and 12 for masking: its chunk and \`mkfifo\`, and for a command that prints something its patterns, about 14 ms
  for 10 secrets, made while it starts. In a checkout \`bin/keyhold\` also looks whether a source is newer than the bundle,
  about 5 ms; a published package does not.
`
}
