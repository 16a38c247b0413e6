import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Figure, figure, median } from './figures.ts'
import { load, makeProject, residentMb, startKeyhold, stop } from './processes.ts'

/** Ten requests a second for a day, as fast as they are answered. */
const REQUESTS = 864_000
const SECRETS = 50
const CONNECTIONS = 16
/** Memory is looked at after each round, when the collector has had its time. */
const ROUND_MS = 10_000
const REST_MS = 1_000

/** A day's requests in minutes: whether memory stays where it is after the first tenth of them. */
export async function measureSoak(progress: (text: string) => void): Promise<Figure[]> {
  const dataDir = mkdtempSync(join(tmpdir(), 'keyhold-bench-'))
  const server = await startKeyhold({ KEYHOLD_DATA_DIR: dataDir })
  try {
    const { authorization, token } = await makeProject(server, SECRETS)
    const memory: { requests: number; mb: number }[] = []
    let requests = 0
    let failures = 0
    for (let round = 0; requests < REQUESTS; round++) {
      // Mostly single values; every fifth time all of them, and between these pages of the log.
      const asked =
        round % 5 === 0
          ? { path: '/api/v1/projects/current/secrets', authorization }
          : round % 5 === 3
            ? { path: '/api/v1/audit', authorization: `Bearer ${token}` }
            : { path: '/api/v1/projects/current/secrets/SECRET_7', authorization }
      const { port } = server
      const plan = { port, ...asked, connections: CONNECTIONS, warmUpMs: 0, measureMs: ROUND_MS }
      const result = await load(plan)
      requests += Math.round((result.requestsPerSecond * ROUND_MS) / 1000)
      failures += result.failures
      await sleep(REST_MS)
      memory.push({ requests, mb: residentMb(server.child) })
      progress(`soak: ${requests} requests, ${Math.round(memory.at(-1)!.mb)} MB`) // `!`: just pushed.
    }
    const warm = memory.filter((sample) => sample.requests > REQUESTS / 10).map(({ mb }) => mb)
    const third = Math.ceil(warm.length / 3)
    return [
      figure(
        { id: 'soak.memory', what: `resident memory in the last third of ${requests} requests`, unit: 'MB' },
        warm.slice(-third),
        { 'the first third': [median(warm.slice(0, third))] },
        failures,
      ),
    ]
  } finally {
    await stop(server.child)
    rmSync(dataDir, { recursive: true, force: true })
  }
}
