import { isIP } from 'node:net'
import { addressBlock } from '../base/address.ts'
import { AppError } from '../base/app-error.ts'
import type { Clock } from '../base/clock.ts'

/**
 * Keys that are remembered, in two generations: when the young one is full the old one is forgotten whole. So many
 * addresses cannot fill the memory, and forgetting costs nothing (a Map whose first key is deleted at each step gets slow).
 */
const GENERATION_KEYS_MAX = 25_000

interface Window {
  count: number
  readonly endsAt: number
}

/** Counts failed attempts per key (an address, an account) in windows of fixed length. */
export class FailedAttempts {
  readonly #clock: Clock
  readonly #max: number
  readonly #windowMs: number
  #young = new Map<string, Window>()
  #old = new Map<string, Window>()

  /** @param max failures per key and window before the key has to wait for its end. */
  constructor(clock: Clock, max: number, windowMs: number) {
    this.#clock = clock
    this.#max = max
    this.#windowMs = windowMs
  }

  isAllowed(key: string): boolean {
    return this.#waitMs(key) === 0
  }

  /** @throws AppError `rate.limited` with the seconds to wait. */
  assertAllowed(key: string): void {
    const waitMs = this.#waitMs(key)
    if (waitMs > 0) throw new AppError('rate.limited', { retryAfterSeconds: Math.ceil(waitMs / 1000) })
  }

  #waitMs(key: string): number {
    const window = this.#find(toKey(key))
    const now = this.#clock.now().getTime()
    return !window || window.count < this.#max ? 0 : Math.max(0, window.endsAt - now)
  }

  recordFailure(nameOrAddress: string): void {
    const key = toKey(nameOrAddress)
    const now = this.#clock.now().getTime()
    const window = this.#find(key)
    if (window && window.endsAt > now) {
      window.count += 1
      return
    }
    if (this.#young.size >= GENERATION_KEYS_MAX) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(key, { count: 1, endsAt: now + this.#windowMs })
  }

  #find(key: string): Window | undefined {
    return this.#young.get(key) ?? this.#old.get(key)
  }

  /** Takes one failure back: for callers that count before they know the answer, so that parallel guesses cannot all pass. */
  forgive(key: string): void {
    const window = this.#find(toKey(key))
    if (window) window.count -= 1
  }
}

/** One customer gets a whole /64 of IPv6 addresses: counted singly, a fresh one for each guess would never be refused. */
const toKey = (key: string) => (isIP(key) === 6 ? addressBlock(key) : key)
