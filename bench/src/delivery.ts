import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPostgres } from '../../tools/test-postgres.ts'
import { type Figure, figure } from './figures.ts'
import { load, makeProject, type RunningServer, startBare, startKeyhold, stop } from './processes.ts'

const CONNECTIONS = [1, 16, 64]
const ROUNDS = 3
const SECRETS = 50

export type Database = 'sqlite' | 'postgres'

/** Deliveries, each with its audit record on disk before the answer, next to servers that answer the same bytes. */
export async function measureDelivery(
  databases: readonly Database[],
  progress: (text: string) => void,
): Promise<Figure[]> {
  const dataDir = mkdtempSync(join(tmpdir(), 'keyhold-bench-'))
  const figures: Figure[] = []
  try {
    for (const database of databases) {
      progress(`delivery: ${database}`)
      const postgres = database === 'postgres' ? await startPostgres() : undefined
      try {
        const server = await startKeyhold({
          KEYHOLD_DATA_DIR: join(dataDir, database),
          ...(postgres ? { KEYHOLD_DATABASE_URL: postgres.url } : {}),
        })
        try {
          figures.push(...(await measure(database, server, progress)))
        } finally {
          await stop(server.child)
        }
      } finally {
        await postgres?.stop()
      }
    }
  } finally {
    rmSync(dataDir, { recursive: true, force: true })
  }
  return figures
}

async function measure(
  database: Database,
  server: RunningServer,
  progress: (text: string) => void,
): Promise<Figure[]> {
  const { authorization } = await makeProject(server, SECRETS)
  const figures: Figure[] = []
  for (const [id, what, path] of [
    ['one', 'one secret', '/api/v1/projects/current/secrets/SECRET_7'],
    ['all', `all ${SECRETS} secrets`, '/api/v1/projects/current/secrets'],
  ] as const) {
    const answer = await fetch(`http://127.0.0.1:${server.port}${path}`, { headers: { authorization } })
    if (!answer.ok) throw new Error(`delivering failed: ${await answer.text()}`)
    const body = await answer.text()
    const bareHttp = await startBare('http', body)
    const bareFastify = await startBare('fastify', body)
    for (const connections of CONNECTIONS) {
      progress(`delivery: ${database}, ${what}, ${connections} connections`)
      const http: Load[] = []
      const keyhold: Load[] = []
      const fastify: Load[] = []
      // Taken in turns, so that whatever else the machine does falls on all three alike.
      for (let round = 0; round < ROUNDS; round++) {
        http.push(await load({ port: bareHttp.port, path, connections }))
        keyhold.push(await load({ port: server.port, path, authorization, connections }))
        fastify.push(await load({ port: bareFastify.port, path, connections }))
      }
      const failures = keyhold.reduce((sum, result) => sum + result.failures, 0)
      const values = (field: 'requestsPerSecond' | 'p50Ms' | 'p99Ms') =>
        [
          keyhold.map((result) => result[field]),
          {
            'node:http': http.map((result) => result[field]),
            Fastify: fastify.map((result) => result[field]),
          },
          failures,
        ] as const
      const name = (kind: string) => `delivery.${database}.${id}.${connections}.${kind}`
      const text = `${what}, ${database === 'sqlite' ? 'SQLite' : 'PostgreSQL'}, ${connections} connection${connections > 1 ? 's' : ''}`
      figures.push(
        figure({ id: name('rate'), what: text, unit: 'req/s' }, ...values('requestsPerSecond')),
        figure({ id: name('p50'), what: `${text}, p50`, unit: 'ms' }, ...values('p50Ms')),
        figure({ id: name('p99'), what: `${text}, p99`, unit: 'ms' }, ...values('p99Ms')),
      )
    }
    await stop(bareHttp.child)
    await stop(bareFastify.child)
  }
  return figures
}

type Load = Awaited<ReturnType<typeof load>>
