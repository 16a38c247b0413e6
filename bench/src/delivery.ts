import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPostgres } from '../../tools/test-postgres.ts'
import { admin, load, type RunningServer, residentMb, startBare, startKeyhold, stop } from './processes.ts'

const CONNECTIONS = [1, 16, 64]
const ROUNDS = 3
const SECRETS = 50

export interface DeliveryFigure {
  readonly what: string
  readonly database: 'sqlite' | 'postgres'
  readonly connections: number
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Bare node:http and bare Fastify answering the same bytes, in the same rounds. */
  readonly bareHttpRequestsPerSecond: number
  readonly bareFastifyRequestsPerSecond: number
  /** Share of bare node:http. */
  readonly share: number
}

async function prepare(server: RunningServer): Promise<{ authorization: string }> {
  const person = ['--email', 'bench@example.com', '--name', 'Bench']
  await admin(
    server,
    ['create-user', ...person, '--admin', '--password-stdin'],
    'a password of some length\n',
  )
  const token = await admin(server, ['create-token', ...person])
  const call = async (path: string, body: object) => {
    const response = await fetch(`http://127.0.0.1:${server.port}/api/v1/projects${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    if (!response.ok) throw new Error(`preparing failed: ${await response.text()}`)
    return response.json() as Promise<unknown> // `as`: our own API; callers know the shape.
  }
  const project = (await call('', { name: 'Bench' })) as { id: string }
  for (let i = 0; i < SECRETS; i++) {
    await call(`/${project.id}/secrets`, {
      name: `SECRET_${i}`,
      type: 'token',
      value: `value-${i}-`.padEnd(40, 'x'),
    })
  }
  const key = (await call(`/${project.id}/access-keys`, { permission: 'read' })) as {
    accessKey: { id: string }
    secret: string
  }
  return { authorization: `Basic ${Buffer.from(`${key.accessKey.id}:${key.secret}`).toString('base64')}` }
}

const median = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!

async function measure(database: 'sqlite' | 'postgres', server: RunningServer): Promise<DeliveryFigure[]> {
  const { authorization } = await prepare(server)
  const figures: DeliveryFigure[] = []
  for (const [what, path] of [
    ['one secret', '/api/v1/projects/current/secrets/SECRET_7'],
    [`all ${SECRETS} secrets`, '/api/v1/projects/current/secrets'],
  ] as const) {
    const answer = await fetch(`http://127.0.0.1:${server.port}${path}`, { headers: { authorization } })
    const body = await answer.text()
    const bareHttp = await startBare('http', body)
    const bareFastify = await startBare('fastify', body)
    for (const connections of CONNECTIONS) {
      const results = []
      // Taken in turns, so that whatever else the machine does falls on all three alike.
      for (let round = 0; round < ROUNDS; round++) {
        const http = await load({ port: bareHttp.port, path, connections })
        const keyhold = await load({ port: server.port, path, authorization, connections })
        const fastify = await load({ port: bareFastify.port, path, connections })
        if (keyhold.failures > 0) throw new Error(`${keyhold.failures} requests failed`)
        results.push({ http, keyhold, fastify })
      }
      const requestsPerSecond = median(results.map((result) => result.keyhold.requestsPerSecond))
      const bareHttpRequestsPerSecond = median(results.map((result) => result.http.requestsPerSecond))
      figures.push({
        what,
        database,
        connections,
        requestsPerSecond,
        p50Ms: median(results.map((result) => result.keyhold.p50Ms)),
        p99Ms: median(results.map((result) => result.keyhold.p99Ms)),
        bareHttpRequestsPerSecond,
        bareFastifyRequestsPerSecond: median(results.map((result) => result.fastify.requestsPerSecond)),
        share: requestsPerSecond / bareHttpRequestsPerSecond,
      })
    }
    await stop(bareHttp.child)
    await stop(bareFastify.child)
  }
  return figures
}

export interface ServerFigures {
  readonly delivery: readonly DeliveryFigure[]
  readonly readyMs: number
  readonly idleMb: number
}

/** Deliveries with the audit record durable, next to servers that do nothing; start to ready; idle memory. */
export async function measureServer(only?: 'sqlite' | 'postgres'): Promise<ServerFigures> {
  const dataDir = mkdtempSync(join(tmpdir(), 'keyhold-bench-'))
  const delivery: DeliveryFigure[] = []
  const readyMs: number[] = []
  let idleMb = 0
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const server = await startKeyhold({ KEYHOLD_DATA_DIR: join(dataDir, `start${round}`) })
      readyMs.push(server.readyMs)
      await new Promise((resolve) => setTimeout(resolve, 2_000))
      idleMb = Math.max(idleMb, residentMb(server.child))
      await stop(server.child)
    }
    if (only !== 'postgres') {
      const server = await startKeyhold({ KEYHOLD_DATA_DIR: join(dataDir, 'sqlite') })
      delivery.push(...(await measure('sqlite', server)))
      await stop(server.child)
    }
    if (only !== 'sqlite') {
      const postgres = await startPostgres()
      const server = await startKeyhold({
        KEYHOLD_DATA_DIR: join(dataDir, 'postgres'),
        KEYHOLD_DATABASE_URL: postgres.url,
      })
      delivery.push(...(await measure('postgres', server)))
      await stop(server.child)
      await postgres.stop()
    }
  } finally {
    rmSync(dataDir, { recursive: true, force: true })
  }
  return { delivery, readyMs: median(readyMs), idleMb }
}
