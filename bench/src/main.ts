/*
 * `npm run bench [-- OPTION …]`: builds, measures, and prints a table.
 *
 *   --only PART                            one part: delivery, masking, ssh, start, usage, server; or one of those that take long,
 *                                          scale (100,000 secrets, 5 million records), soak (a day's requests) and
 *                                          log (every filter of a large audit log)
 *   --records 5000000                      how large that log is
 *   --database sqlite|postgres             deliveries from one database
 *   --json                                 JSON on standard output, and nothing else
 *   --markdown                             writes docs/benchmark.md
 */
import { spawnSync } from 'node:child_process'
import { readdirSync, statSync, writeFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Database, measureDelivery } from './delivery.ts'
import { bars, type Figure } from './figures.ts'
import { measureLog } from './log.ts'
import { measureMasking } from './masking.ts'
import { here } from './processes.ts'
import { markdown, type Report, table } from './report.ts'
import { measureScale } from './scale.ts'
import { measureServer } from './server.ts'
import { measureSoak } from './soak.ts'
import { measureSsh } from './ssh.ts'
import { measureStart } from './start.ts'
import { measureUsage } from './usage.ts'

const PARTS = ['server', 'start', 'usage', 'masking', 'ssh', 'delivery'] as const
/** Measured when they are asked for, or for the page. */
const LONG_PARTS = ['scale', 'soak', 'log'] as const
const LOG_RECORDS = 5_000_000
const root = here('../..')

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    database: { type: 'string' },
    records: { type: 'string' },
    json: { type: 'boolean' },
    markdown: { type: 'boolean' },
  },
})
const parts = [...PARTS, ...LONG_PARTS].filter((part) =>
  values.only === undefined ? values.markdown || PARTS.some((one) => one === part) : values.only === part,
)
const databases = (['sqlite', 'postgres'] as const).filter(
  (database: Database) => values.database === undefined || values.database === database,
)
if (parts.length === 0 || databases.length === 0) {
  console.error(`--only is one of ${[...PARTS, ...LONG_PARTS].join(', ')}; --database is sqlite or postgres`)
  process.exit(2)
}

const progress = (text: string) => process.stderr.write(`${text}\n`)
progress('building')
const build = spawnSync(process.execPath, [join(root, 'tools/build.ts')], { stdio: ['ignore', 2, 2] })
if (build.status !== 0) process.exit(1)

const measure = {
  server: () => measureServer(progress),
  start: () => measureStart(progress),
  usage: () => measureUsage(progress),
  masking: () => measureMasking(progress),
  ssh: () => measureSsh(progress),
  delivery: () => measureDelivery(databases, progress),
  scale: () => measureScale(databases, progress),
  soak: () => measureSoak(progress),
  log: () => measureLog(databases, Number(values.records ?? LOG_RECORDS), progress),
}
const startedAt = new Date()
const figures: Figure[] = []
for (const part of parts) figures.push(...(await measure[part]()))

const [cpu] = cpus()
const report: Report = {
  date: startedAt.toISOString(),
  machine: {
    processor: cpu?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${release()}`,
    node: process.version,
  },
  seconds: Math.round((Date.now() - startedAt.getTime()) / 1000),
  figures,
  bars: bars(figures),
}
if (values.markdown) {
  const page = join(root, 'docs/benchmark.md')
  writeFileSync(page, markdown(report))
  // Its tables as the check wants them.
  spawnSync(join(root, 'node_modules/.bin/biome'), ['format', '--write', page], { stdio: 'ignore' })
  progress('docs/benchmark.md is written')
}
process.stdout.write(values.json ? `${JSON.stringify(report, null, 2)}\n` : table(report))
warnOfSources()
// A figure with failures is shown, but does not pass for one.
process.exitCode = figures.some(({ failures }) => failures > 0) ? 1 : 0

/** `bin/keyhold` runs sources when one has changed since the build, which is slower. */
function warnOfSources(): void {
  const builtAt = statSync(join(root, 'packages/cli/dist/stamp')).mtimeMs
  for (const name of ['cli', 'contract', 'masking', 'sdk', 'server']) {
    const source = join(root, 'packages', name, 'src')
    const files = readdirSync(source, { recursive: true, encoding: 'utf8' })
    const changed = files.find((file) => statSync(join(source, file)).mtimeMs > builtAt)
    if (changed === undefined) continue
    progress(
      `warning: packages/${name}/src/${changed} changed meanwhile, so sources ran instead of the bundle`,
    )
  }
}
