import { isIP } from 'node:net'
import { addressBlock } from '../base/address.ts'
import { AppError } from '../base/app-error.ts'
import type { Clock } from '../base/clock.ts'

/** Keys that are remembered; the oldest is forgotten first, so that many addresses cannot fill the memory. */
const KEYS_MAX = 50_000

/** Counts failed attempts per key (an address, an account) in windows of fixed length. */
export class FailedAttempts {
  readonly #clock: Clock
  readonly #max: number
  readonly #windowMs: number
  readonly #windows = new Map<string, { count: number; endsAt: number }>()

  /** @param max failures per key and window before the key has to wait for its end. */
  constructor(clock: Clock, max: number, windowMs: number) {
    this.#clock = clock
    this.#max = max
    this.#windowMs = windowMs
  }

  /** @throws AppError `rate.limited` with the seconds to wait. */
  assertAllowed(key: string): void {
    const window = this.#windows.get(toKey(key))
    const now = this.#clock.now().getTime()
    if (!window || window.endsAt <= now || window.count < this.#max) return
    throw new AppError('rate.limited', { retryAfterSeconds: Math.ceil((window.endsAt - now) / 1000) })
  }

  recordFailure(nameOrAddress: string): void {
    const key = toKey(nameOrAddress)
    const now = this.#clock.now().getTime()
    const window = this.#windows.get(key)
    if (window && window.endsAt > now) {
      window.count += 1
      return
    }
    this.#windows.delete(key)
    this.#windows.set(key, { count: 1, endsAt: now + this.#windowMs })
    if (this.#windows.size > KEYS_MAX) this.#windows.delete(this.#windows.keys().next().value!)
  }

  /** Takes one failure back: for callers that count before they know the answer, so that parallel guesses cannot all pass. */
  forgive(key: string): void {
    const window = this.#windows.get(toKey(key))
    if (window) window.count -= 1
  }
}

/** One customer gets a whole /64 of IPv6 addresses: counted singly, a fresh one for each guess would never be refused. */
const toKey = (key: string) => (isIP(key) === 6 ? addressBlock(key) : key)
