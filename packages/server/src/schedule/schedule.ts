import type { Clock } from '../base/clock.ts'
import type { Storage } from '../storage/storage.ts'
import { claimJob, moveLease } from './schedule.store.ts'

const TICK_MS = 30_000
/** A server that dies in the middle of a job keeps it from the others for so long. */
const LEASE_MS = 120_000
const RENEW_MS = 30_000

/** Work that is done by the clock. */
export interface Job {
  readonly name: string
  readonly everyMs: number
  /** @param stopping is aborted when the server stops: what is left can wait for the next time. */
  run(stopping: AbortSignal): Promise<void>
}

/**
 * Runs jobs when they are due, each on one of all servers that share the database: the row of the job is the lease. A job
 * that fails is tried again when it is next due.
 */
export class Schedule {
  readonly #storage: Storage
  readonly #clock: Clock
  readonly #jobs: readonly Job[]
  readonly #failed: (job: Job, error: unknown) => void
  readonly #stopping = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined

  /** @param failed is told what a job threw. */
  constructor(
    storage: Storage,
    clock: Clock,
    jobs: readonly Job[],
    failed: (job: Job, error: unknown) => void,
  ) {
    this.#storage = storage
    this.#clock = clock
    this.#jobs = jobs
    this.#failed = failed
  }

  start(): void {
    this.#timer = setInterval(() => void this.runDue(), TICK_MS)
    this.#timer.unref()
  }

  /** Runs what is due now, one after the other; resolves when all is done. */
  runDue(): Promise<void> {
    this.#running ??= this.#runDue().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  async #runDue(): Promise<void> {
    for (const job of this.#jobs) {
      if (this.#stopping.signal.aborted) return
      try {
        await this.#runIfDue(job)
      } catch (error) {
        this.#failed(job, error)
      }
    }
  }

  async #runIfDue(job: Job): Promise<void> {
    const now = this.#clock.now().getTime()
    const isOurs = await this.#storage.transaction((tx) =>
      claimJob(tx, job.name, now, now - job.everyMs, now + LEASE_MS),
    )
    if (!isOurs) return
    const move = (until: number) =>
      this.#storage.transaction((tx) => moveLease(tx, job.name, now, until)).catch(() => {})
    const renewing = setInterval(() => void move(this.#clock.now().getTime() + LEASE_MS), RENEW_MS)
    renewing.unref()
    try {
      await job.run(this.#stopping.signal)
    } finally {
      clearInterval(renewing)
      await move(this.#clock.now().getTime())
    }
  }

  /** Stops the clock, tells what is running, and waits for it. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#stopping.abort()
    await this.#running
  }
}
