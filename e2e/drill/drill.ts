import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { runToEnd } from '../../packages/server/test/server-process.ts'
import { startPostgres, type TestPostgres } from '../../tools/test-postgres.ts'
import { Replicas } from '../replicas/replicas.ts'
import { assert, Workload, type WorkloadFigures } from '../workload.ts'

/*
 * The worst day, rehearsed: two servers under load are killed in turn, the root key is exchanged, a backup is made,
 * everything is wiped, and an empty machine comes back from the backup and the recovery kit on paper (K2, K4).
 */

const SERVERS = 2
/** How long the load goes on between two events. */
const QUIET_MS = 1_500

export interface DrillFigures extends WorkloadFigures {
  /** Seconds from the empty machine to the first answer. */
  readonly restoreSeconds: number
}

/** @param say is told each step, before it is done. @throws BrokenPromise when something was lost. */
export async function drill(say: (step: string) => void): Promise<DrillFigures> {
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-drill-'))
  /** What is kept apart from the servers: backups. The kit is on paper. */
  const safe = join(folder, 'safe.backup')
  const machines: Machine[] = []
  const startMachine = async (name: string) => {
    const machine = await Machine.start(join(folder, name))
    machines.push(machine)
    return machine
  }
  try {
    say('two servers with one PostgreSQL behind a balancer, and a client that writes and reads')
    const first = await startMachine('first')
    const load = new Workload()
    await load.setUp(first.env)
    await first.startServers()
    load.url = first.replicas.url
    const oldKit = await first.recoveryKit()
    await load.start()
    await sleep(QUIET_MS)

    for (let i = 0; i < SERVERS; i++) {
      say(`server ${i + 1} is killed under load`)
      await first.replicas.restart(i, 'SIGKILL')
      await sleep(QUIET_MS)
    }
    await load.stop()
    await load.check()
    const { cutOff } = load.figures

    await load.start()
    say('the root key is exchanged under load, with a rolling restart after each step')
    const { fingerprint: oldKey } = await first.currentRootKey()
    await first.admin('root-key', 'prepare')
    await first.restartServers()
    await first.admin('root-key', 'activate')
    await first.restartServers()
    // Servers that were killed are taken to run for two minutes more; here it is known that they do not.
    await first.admin('root-key', 'retire', oldKey, '--even-if-in-use')
    const { fingerprint: newKey } = await first.currentRootKey()
    assert(newKey !== oldKey, 'another root key is the current one')
    const kit = await first.recoveryKit()
    assert(kit !== oldKit, 'the new root key has a recovery kit of its own')

    say('a backup is made under load, and restored for trial')
    await first.admin('backup', join(folder, 'under-load.backup'))
    await sleep(QUIET_MS)
    await load.stop()
    await load.check()
    assert(load.figures.cutOff === cutOff, 'neither exchanging the root key nor a backup fails a request')
    assert(load.figures.unavailable === 0, 'the database was always there')
    await first.admin('backup', safe)

    say('everything is wiped: servers, database, root keys')
    await first.stop()
    rmSync(join(folder, 'first'), { recursive: true, force: true })

    say('an empty machine comes back from the backup and the recovery kit')
    const startedAt = performance.now()
    const second = await startMachine('second')
    await second.admin('restore', safe, '--recovery-kit', { stdin: kit })
    await second.startServers()
    load.url = second.replicas.url
    const restoreSeconds = Math.round((performance.now() - startedAt) / 1000)

    say('the log is verified, and every version of every secret that was acknowledged is read')
    await load.check({ all: true })
    say('and the instance goes on')
    await load.start()
    await sleep(QUIET_MS)
    await load.stop()
    await load.check({ all: true })
    return { ...load.figures, restoreSeconds }
  } finally {
    for (const machine of machines) await machine.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** A directory, a PostgreSQL server, and Keyhold's servers on it. */
class Machine {
  readonly env: Readonly<Record<string, string>>
  readonly #postgres: TestPostgres
  #replicas: Replicas | undefined

  private constructor(postgres: TestPostgres, dataDir: string) {
    this.#postgres = postgres
    this.env = { KEYHOLD_DATA_DIR: dataDir, KEYHOLD_DATABASE_URL: postgres.url }
  }

  static async start(dataDir: string): Promise<Machine> {
    return new Machine(await startPostgres(), dataDir)
  }

  get replicas(): Replicas {
    if (!this.#replicas) throw new Error('the servers do not run')
    return this.#replicas
  }

  async startServers(): Promise<void> {
    this.#replicas = await Replicas.start(SERVERS, this.env)
  }

  async restartServers(): Promise<void> {
    for (let i = 0; i < SERVERS; i++) await this.replicas.restart(i, 'SIGTERM')
  }

  /** Runs `keyhold admin …` on this machine. @returns what it printed. */
  async admin(...args: readonly (string | { stdin: string })[]): Promise<string> {
    const words = args.filter((arg) => typeof arg === 'string')
    const stdin = args.find((arg) => typeof arg !== 'string')?.stdin ?? ''
    const { code, stdout, stderr } = await runToEnd(['admin', ...words], this.env, { stdin })
    assert(code === 0, `keyhold admin ${words.join(' ')} succeeds: ${stderr}`)
    return stdout
  }

  /** Prints a recovery kit and has it proven, as a person with paper does. */
  async recoveryKit(): Promise<string> {
    const kit = await this.admin('recovery-kit', 'create')
    await this.admin('recovery-kit', 'verify', { stdin: kit })
    return kit
  }

  async currentRootKey(): Promise<{ fingerprint: string }> {
    const { rootKeys } = JSON.parse(await this.admin('root-key', 'status', '--json')) as {
      rootKeys: { fingerprint: string; state: string }[]
    }
    return rootKeys.find(({ state }) => state === 'current')!
  }

  async stop(): Promise<void> {
    await this.#replicas?.stop()
    this.#replicas = undefined
    await this.#postgres.stop()
  }
}
