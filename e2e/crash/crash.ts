import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { ServerProcess } from '../../packages/server/test/server-process.ts'
import { assert, BrokenPromise, Workload, type WorkloadFigures } from '../workload.ts'

/* Kills a real server at random moments under load, starts it again, and looks at what is left (L2). */

/** When the server is killed, counted from the first request of a round. */
const KILL_AFTER_MS = [10, 400] as const

export interface CrashOptions {
  readonly env: Readonly<Record<string, string>>
  /** Whether to stop. Asked after each round. */
  readonly isEnough: (figures: CrashFigures) => boolean
  /** Called while the server is down. */
  readonly betweenRounds?: (round: number) => Promise<void>
  readonly onRound?: (figures: CrashFigures) => void
}

export interface CrashFigures extends WorkloadFigures {
  readonly rounds: number
}

export async function crash(options: CrashOptions): Promise<CrashFigures> {
  const { env } = options
  const load = new Workload()
  await load.setUp(env)
  let server = await ServerProcess.start(env)
  load.url = server.url
  const figures = (rounds: number): CrashFigures => ({ rounds, ...load.figures })
  try {
    for (let round = 0; ; ) {
      await load.start()
      await sleep(randomInt(KILL_AFTER_MS[0], KILL_AFTER_MS[1] + 1))
      const { signal } = await server.end('SIGKILL')
      assert(signal === 'SIGKILL', 'the server runs until it is killed')
      await load.stop()
      await options.betweenRounds?.(round)
      server = await ServerProcess.start(env)
      load.url = server.url
      await load.check()
      round += 1
      options.onRound?.(figures(round))
      if (!options.isEnough(figures(round))) continue
      await load.check({ all: true })
      const { code } = await server.end('SIGTERM')
      assert(code === 0, 'SIGTERM ends the server with 0')
      return figures(round)
    }
  } catch (error) {
    // The server's own words, which an answer does not have.
    const { stdout } = await server.end('SIGKILL')
    if (error instanceof BrokenPromise) error.message += `\n${stdout.slice(-3_000)}`
    throw error
  }
}
