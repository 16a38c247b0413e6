import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { startPostgres } from '../../tools/test-postgres.ts'
import { Workload } from '../workload.ts'
import { Replicas } from './replicas.ts'

const TIMEOUT_MS = 180_000
/** How long the load goes on between two events. */
const QUIET_MS = 1_000

const cleanUps: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

/** A PostgreSQL server of its own, since some tests end it; servers; and a client. */
async function scene(count: number) {
  const postgres = await startPostgres()
  cleanUps.push(() => postgres.stop())
  const dataDir = mkdtempSync(join(tmpdir(), 'keyhold-replicas-data-'))
  cleanUps.push(() => rmSync(dataDir, { recursive: true, force: true }))
  const env = { KEYHOLD_DATA_DIR: dataDir, KEYHOLD_DATABASE_URL: postgres.url }
  const load = new Workload()
  await load.setUp(env)
  const replicas = await Replicas.start(count, env)
  cleanUps.push(() => replicas.stop())
  load.url = replicas.url
  return { postgres, load, replicas }
}

describe('several servers with one PostgreSQL behind a balancer', () => {
  test('are restarted one after the other under load, and no request fails', {
    timeout: TIMEOUT_MS,
  }, async () => {
    const { load, replicas } = await scene(3)
    await load.start()
    for (let i = 0; i < replicas.count; i++) {
      await sleep(QUIET_MS)
      await replicas.restart(i, 'SIGTERM')
    }
    await sleep(QUIET_MS)
    await load.stop()
    await load.check({ all: true })
    console.info(load.figures)
    expect(load.figures.writes).toBeGreaterThan(100)
    expect(load.figures).toMatchObject({ cutOff: 0, unavailable: 0 })
  })

  test('lose nothing that was acknowledged when they are killed in turn', {
    timeout: TIMEOUT_MS,
  }, async () => {
    const { load, replicas } = await scene(2)
    for (let i = 0; i < 4; i++) {
      await load.start()
      await sleep(QUIET_MS)
      await replicas.restart(i % 2, 'SIGKILL')
      await load.stop()
      await load.check()
    }
    await load.check({ all: true })
    console.info(load.figures)
    expect(load.figures.unavailable).toBe(0)
  })

  test.each(['SIGINT', 'SIGQUIT'] as const)(
    'say clearly that the database is away when it ends by %s, lose nothing, and go on by themselves',
    { timeout: TIMEOUT_MS },
    async (signal) => {
      const { load, replicas, postgres } = await scene(2)
      // Past the balancer, which would answer in place of servers that are not ready.
      load.url = replicas.urlOf(0)
      await load.start()
      for (let i = 0; i < 3; i++) {
        await sleep(QUIET_MS)
        await postgres.restart(signal)
      }
      await sleep(QUIET_MS)
      await load.stop()
      await load.check({ all: true })
      console.info(load.figures)
      expect(load.figures.unavailable).toBeGreaterThan(0)
      expect(load.figures.cutOff).toBe(0)
      for (let i = 0; i < replicas.count; i++)
        expect((await fetch(`${replicas.urlOf(i)}/readyz`)).status).toBe(200)
    },
  )
})
