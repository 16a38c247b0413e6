import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Figure, figure } from './figures.ts'
import { residentMb, startKeyhold, stop } from './processes.ts'

const ROUNDS = 3
/** Until then the start itself has been tidied up. */
const IDLE_MS = 2_000

/** Start to ready with a new database, and the memory of the server when nobody asks for anything. */
export async function measureServer(progress: (text: string) => void): Promise<Figure[]> {
  const dataDir = mkdtempSync(join(tmpdir(), 'keyhold-bench-'))
  const readySeconds: number[] = []
  const idleMb: number[] = []
  try {
    for (let round = 0; round < ROUNDS; round++) {
      progress(`server: start ${round + 1} of ${ROUNDS}`)
      const server = await startKeyhold({ KEYHOLD_DATA_DIR: join(dataDir, String(round)) })
      readySeconds.push(server.readyMs / 1000)
      await sleep(IDLE_MS)
      idleMb.push(residentMb(server.child))
      await stop(server.child)
    }
  } finally {
    rmSync(dataDir, { recursive: true, force: true })
  }
  return [
    figure({ id: 'server.ready', what: 'start to ready, new database', unit: 's' }, readySeconds),
    figure({ id: 'server.idle', what: 'resident memory, idle', unit: 'MB' }, idleMb),
  ]
}
