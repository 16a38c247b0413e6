import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPostgres } from '../../tools/test-postgres.ts'
import type { Database } from './delivery.ts'
import { type Figure, figure } from './figures.ts'
import {
  execFileAsync,
  here,
  load,
  makeProject,
  type Project,
  type RunningServer,
  residentMb,
  startKeyhold,
  stop,
} from './processes.ts'

/** What a team has after years. */
const SECRETS = 100_000
const RECORDS = 5_000_000
/** Of the project that is measured, in both. */
const PROJECT_SECRETS = 50
const ROUNDS = 5

interface Instance {
  readonly server: RunningServer
  readonly project: Project
}

/** What is asked of both instances. */
const questions = [
  { id: 'one.1', what: 'one secret, 1 connection', connections: 1, unit: 'ms' },
  { id: 'one.64', what: 'one secret, 64 connections', connections: 64, unit: 'req/s' },
  { id: 'all.16', what: `all ${PROJECT_SECRETS} secrets, 16 connections`, connections: 16, unit: 'req/s' },
  { id: 'audit', what: 'newest page of the log', connections: 1, unit: 'ms' },
] as const

type Question = (typeof questions)[number]

/** A new instance and one of many secrets and records, in turns; the new one is the bare limit of the other. */
export async function measureScale(
  databases: readonly Database[],
  progress: (text: string) => void,
): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const database of databases) {
    const folder = mkdtempSync(join(tmpdir(), 'keyhold-bench-'))
    // One server for each, so that neither has the pages of the other in its cache.
    const postgres = database === 'postgres' ? [await startPostgres(), await startPostgres()] : []
    const servers: RunningServer[] = []
    try {
      const place = (name: string, i: number): Record<string, string> => ({
        KEYHOLD_DATA_DIR: join(folder, name),
        ...(postgres[i] && { KEYHOLD_DATABASE_URL: postgres[i].url }),
      })
      const small = place('small', 0)
      const large = place('large', 1)
      progress(`scale: ${database}, filling`)
      await fill(large, progress)
      const instances = []
      for (const env of [small, large]) {
        const server = await startKeyhold(env)
        servers.push(server)
        instances.push({ server, project: await makeProject(server, PROJECT_SECRETS) })
      }
      const [before, after] = instances as [Instance, Instance] // `as`: likewise.
      for (const question of questions) {
        progress(`scale: ${database}, ${question.what}`)
        figures.push(await compare(database, question, before, after))
      }
      if (database === 'postgres') {
        progress('scale: two servers with one database')
        const second = await startKeyhold(large)
        servers.push(second)
        figures.push(await compareReplicas(after, second))
      }
      figures.push(
        figure(
          {
            id: `scale.${database}.memory`,
            what: `${title(database)}, resident memory after these`,
            unit: 'MB',
          },
          [residentMb(after.server.child)],
          { 'new instance': [residentMb(before.server.child)] },
        ),
      )
    } finally {
      for (const server of servers) await stop(server.child)
      for (const one of postgres) await one.stop()
      rmSync(folder, { recursive: true, force: true })
    }
  }
  return figures
}

const title = (database: Database) =>
  `${SECRETS / 1000} k secrets, ${RECORDS / 1e6} M records, ${database === 'sqlite' ? 'SQLite' : 'PostgreSQL'}`

async function fill(env: Record<string, string>, progress: (text: string) => void): Promise<void> {
  const { KEYHOLD_DATA_DIR: dataDir = '', KEYHOLD_DATABASE_URL: url } = env
  const args = ['--data-dir', dataDir, '--records', String(RECORDS), '--secrets', String(SECRETS)]
  // A process of its own: what it leaves behind is nobody's memory here.
  const { stderr } = await execFileAsync(process.execPath, [
    here('fill.ts'),
    ...args,
    ...(url === undefined ? [] : ['--database-url', url]),
  ])
  progress(`scale: ${stderr.trim().split('\n').at(-1)}`)
}

async function compare(
  database: Database,
  question: Question,
  small: Instance,
  large: Instance,
): Promise<Figure> {
  const ask = ({ server, project }: Instance) => {
    const isAudit = question.id === 'audit'
    const path = isAudit
      ? '/api/v1/audit'
      : `/api/v1/projects/current/secrets${question.id.startsWith('one') ? '/SECRET_7' : ''}`
    const authorization = isAudit ? `Bearer ${project.token}` : project.authorization
    return load({ port: server.port, path, authorization, connections: question.connections })
  }
  const before = []
  const after = []
  for (let round = 0; round < ROUNDS; round++) {
    before.push(await ask(small))
    after.push(await ask(large))
  }
  const field = question.unit === 'ms' ? 'p50Ms' : 'requestsPerSecond'
  return figure(
    {
      id: `scale.${database}.${question.id}`,
      what: `${title(database)}: ${question.what}${question.unit === 'ms' ? ', p50' : ''}`,
      unit: question.unit,
    },
    after.map((result) => result[field]),
    { 'new instance': before.map((result) => result[field]) },
    [...before, ...after].reduce((sum, { failures }) => sum + failures, 0),
  )
}

/** Half of the connections at each of two servers, next to all of them at one. */
async function compareReplicas({ server, project }: Instance, second: RunningServer): Promise<Figure> {
  const ask = ({ port }: RunningServer, connections: number) =>
    load({
      port,
      path: '/api/v1/projects/current/secrets/SECRET_7',
      authorization: project.authorization,
      connections,
    })
  const one = []
  const two = []
  let failures = 0
  for (let round = 0; round < ROUNDS; round++) {
    const alone = await ask(server, 64)
    const [a, b] = await Promise.all([ask(server, 32), ask(second, 32)])
    one.push(alone.requestsPerSecond)
    two.push(a.requestsPerSecond + b.requestsPerSecond)
    failures += alone.failures + a.failures + b.failures
  }
  return figure(
    {
      id: 'scale.postgres.replicas',
      what: `${title('postgres')}: one secret, two servers of 32 connections`,
      unit: 'req/s',
    },
    two,
    { 'one server of 64': one },
    failures,
  )
}
