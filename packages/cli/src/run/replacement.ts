import { usageFailure } from '../failure.ts'
import type { SignalPlan } from './signals.ts'

/** How long a command may take to end after SIGTERM, where nobody says otherwise. */
export const GRACE = '10s'
const GRACE_MAX_MS = 3_600_000

/** Reads such a time, 0s to 60m, as it was typed. @returns milliseconds. @throws Failure */
export function parsedGrace(text: string): number {
  const [, count = '', unit] = /^(\d{1,4})([sm])$/.exec(text) ?? []
  const graceMs = Number(count) * (unit === 'm' ? 60_000 : 1_000)
  if (unit === undefined || graceMs > GRACE_MAX_MS)
    throw usageFailure('--grace is no time from 0s to 60m', 'write 30s or 2m')
  return graceMs
}

/** How one child makes room for the next. */
export class Replacement {
  #isWanted = false
  #isLast = false
  #hasEnded = false
  #plan: SignalPlan | undefined
  #grace: NodeJS.Timeout | undefined
  readonly #graceMs: number

  constructor(graceMs: number) {
    this.#graceMs = graceMs
  }

  /** The child was, or is being, ended for the next one. */
  get isWanted(): boolean {
    return this.#isWanted
  }

  /** Ends the child: SIGTERM, and SIGKILL when that is of no use. */
  begin(): void {
    if (this.#isLast || this.#hasEnded) return
    this.#isWanted = true
    this.#terminate()
  }

  /** Somebody wants the end of the command itself: no other child comes after this one. */
  cancel(): void {
    this.#isWanted = false
    this.#isLast = true
  }

  follow(plan: SignalPlan): void {
    this.#plan = plan
    if (this.#isWanted) this.#terminate()
  }

  /** The child has ended. By itself, if nothing was begun before. */
  ended(): void {
    this.#hasEnded = true
    clearTimeout(this.#grace)
  }

  #terminate(): void {
    if (this.#plan === undefined) return // It has not been started; follow() does this then.
    this.#plan.forward('SIGTERM')
    this.#grace = setTimeout(() => this.#plan?.kill(), this.#graceMs)
  }
}
