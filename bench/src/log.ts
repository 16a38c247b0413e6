import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { startPostgres } from '../../tools/test-postgres.ts'
import type { Database } from './delivery.ts'
import { type Figure, figure } from './figures.ts'
import { type Filled, fill, type Place } from './fill.ts'
import { admin, type RunningServer, startKeyhold, stop } from './processes.ts'

const ROUNDS = 15

/** Pages of a large audit log, over HTTP, and how long a request for something else waits meanwhile. */
export async function measureLog(
  databases: readonly Database[],
  records: number,
  progress: (text: string) => void,
): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-bench-'))
  const figures: Figure[] = []
  try {
    for (const database of databases) {
      const postgres = database === 'postgres' ? await startPostgres() : undefined
      try {
        const place: Place = { dataDir: join(folder, database), databaseUrl: postgres?.url }
        progress(`log: ${database}, filling`)
        const filled = await fill(place, { records, secrets: 0 })
        figures.push(...(await measurePlace(database, place, filled, progress)))
      } finally {
        await postgres?.stop()
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return figures
}

/** As {@link measureLog}, of an instance that is there. */
export async function measurePlace(
  database: Database,
  place: Place,
  filled: Filled,
  progress: (text: string) => void,
): Promise<Figure[]> {
  const server = await startKeyhold({
    KEYHOLD_DATA_DIR: place.dataDir,
    ...(place.databaseUrl !== undefined && { KEYHOLD_DATABASE_URL: place.databaseUrl }),
  })
  try {
    const token = await newToken(server)
    const get = async (path: string) => {
      const answer = await fetch(`http://127.0.0.1:${server.port}${path}`, {
        headers: { authorization: `Bearer ${token}` },
      })
      const body = await answer.text()
      if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${body}`)
      return body
    }
    const figures: Figure[] = []
    let longestWaitMs = 0
    for (const [id, what, query] of queries(filled)) {
      progress(`log: ${database}, ${what}`)
      const milliseconds: number[] = []
      let cursor = ''
      for (let round = 0; round < ROUNDS; round++) {
        const startedAt = performance.now()
        const page = get(`/api/v1/audit?${query}${cursor}`)
        // Right behind it: whatever stops the server stops this too.
        const other = get('/healthz').then(() => performance.now() - startedAt)
        const { nextCursor } = JSON.parse(await page) as { nextCursor: number | null } // `as`: our own API.
        milliseconds.push(performance.now() - startedAt)
        longestWaitMs = Math.max(longestWaitMs, await other)
        cursor = nextCursor === null ? '' : `&cursor=${nextCursor}`
      }
      figures.push(
        figure({ id: `log.${database}.${id}`, what: `${what}, ${database}`, unit: 'ms' }, milliseconds),
      )
    }
    const what = `longest wait of another request meanwhile, ${database}`
    return [...figures, figure({ id: `log.${database}.wait`, what, unit: 'ms' }, [longestWaitMs])]
  } finally {
    await stop(server.child)
  }
}

/** Filters, each with the following pages. */
function queries({ person, commonSecret, rareSecret, project, from, to }: Filled) {
  const day = `from=${from}&to=${to}`
  return [
    ['newest', 'newest records', ''],
    ['person', 'of a person', `person=${person}`],
    ['secret', 'of a secret that is used a lot', `secret=${commonSecret}`],
    ['rare', 'of a secret that was used once', `secret=${rareSecret}`],
    ['none', 'of a secret that never was', 'secret=NO_SUCH_SECRET'],
    ['event', 'of a common event', 'action=secret.read'],
    ['project', 'of a project', `project=${project}`],
    ['refused', 'what was refused', 'outcome=refused'],
    ['day', 'of a day a year ago', day],
    ['day-secret', 'of a secret on that day', `secret=${commonSecret}&${day}`],
    ['two', 'of a person and an event', `person=${person}&action=secret.update`],
    ['never', 'two common conditions that never meet', `secret=${commonSecret}&action=session.create`],
    [
      'three',
      'of a project and an event, refused',
      `project=${project}&action=secret.update&outcome=refused`,
    ],
  ] as const
}

async function newToken(server: RunningServer): Promise<string> {
  const person = ['--email', 'bench@example.com', '--name', 'Bench']
  // Of an instance that was measured before, the person is there.
  await admin(
    server,
    ['create-user', ...person, '--admin', '--password-stdin'],
    'a password of some length\n',
  ).catch(() => {})
  return admin(server, ['create-token', ...person])
}
