import { limits } from '@keyhold/contract/limits'
import { AppError } from '../base/app-error.ts'
import type { Clock } from '../base/clock.ts'

/** How much of a bucket comes back with one record's worth of time. */
const RECORD_MS = 60_000 / limits.agentRecordsPerMinute
const BUCKET_MS = limits.agentRecordsAtOnce * RECORD_MS
/** From so many on, full buckets are forgotten: they are as those that were never used. */
const REMEMBERED_MAX = 10_000

/**
 * Bounds what the credential of one agent makes the server write down and do: a token bucket for each workspace, counted in
 * audit records. Whoever may run programs in a workspace can read that credential, and a loop must neither fill the log nor
 * keep others from theirs. In memory: each server has its own, and a restart begins anew.
 */
export class AgentBounds {
  readonly #clock: Clock
  /** When each bucket is full again, in ms since 1970. */
  readonly #fullAt = new Map<string, number>()
  /** The end of the last turn that was asked for, by name. */
  readonly #turns = new Map<string, Promise<unknown>>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * Called before anything is recorded.
   * @param records that are about to be written. @throws AppError `rate.limited` with the seconds to wait.
   */
  admit(workspaceId: string, records = 1): void {
    const now = this.#clock.now().getTime()
    const wanted = Math.min(records, limits.agentRecordsAtOnce) * RECORD_MS
    const waitMs = Math.max(now, this.#fullAt.get(workspaceId) ?? 0) + wanted - now - BUCKET_MS
    if (waitMs > 0) throw new AppError('rate.limited', { retryAfterSeconds: Math.ceil(waitMs / 1000) })
    this.note(workspaceId, records)
  }

  /** Counts records whose number was not known before; those that come after wait for them. */
  note(workspaceId: string, records: number): void {
    const now = this.#clock.now().getTime()
    if (this.#fullAt.size >= REMEMBERED_MAX)
      for (const [id, fullAt] of this.#fullAt) if (fullAt <= now) this.#fullAt.delete(id)
    this.#fullAt.set(workspaceId, Math.max(now, this.#fullAt.get(workspaceId) ?? 0) + records * RECORD_MS)
  }

  /**
   * One delivery of a workspace after another: the log takes a number of records at a time, of everybody together, and what
   * is asked for all at once would take the places of others. @param name of the workspace, or of what else goes so.
   */
  async inTurn<T>(name: string, deliver: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(name)
    const turn = (before ?? Promise.resolve()).then(deliver)
    const ended = turn.catch(() => {})
    this.#turns.set(name, ended)
    try {
      return await turn
    } finally {
      if (this.#turns.get(name) === ended) this.#turns.delete(name)
    }
  }
}
