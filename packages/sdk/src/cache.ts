/** Longest staleness that can be asked for: 5 minutes after a value was withdrawn nobody may still get it. */
export const STALENESS_MS_MAX = 300_000

/** Answers kept at once; the one read longest ago goes first. */
const ENTRIES_MAX = 1_024

/**
 * Keeps answers for a bounded time, and lets parallel readers of one thing share one request.
 *
 * - Age counts from when the request was sent, so a kept answer is never older than it claims.
 * - `drop` also keeps answers that are still on their way from being kept: they were asked for before.
 * - Nothing stale is ever served, not even when the server cannot be reached.
 */
export class Cache<Value> {
  readonly #entries = new Map<string, { value: Value; readAt: Moment }>()
  readonly #flights = new Map<string, Promise<Value>>()
  #generation = 0

  /** Returns a kept answer of at most this age, or reads it. With 0 it always reads, and shares with nobody. */
  async get(key: string, stalenessMsMax: number, read: () => Promise<Value>): Promise<Value> {
    if (stalenessMsMax === 0) return read()
    const entry = this.#entries.get(key)
    if (entry !== undefined && ageMs(entry.readAt) <= stalenessMsMax) {
      this.#entries.delete(key)
      this.#entries.set(key, entry)
      return entry.value
    }
    const flying = this.#flights.get(key)
    if (flying !== undefined) return flying
    const flight = this.#read(key, read)
    this.#flights.set(key, flight)
    const land = () => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key)
    }
    flight.then(land, land)
    return flight
  }

  drop(): void {
    this.#generation++
    this.#entries.clear()
    this.#flights.clear()
  }

  async #read(key: string, read: () => Promise<Value>): Promise<Value> {
    const generation = this.#generation
    const readAt = now()
    this.#entries.delete(key)
    const value = await read()
    if (generation !== this.#generation) return value
    this.#entries.set(key, { value, readAt })
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= ENTRIES_MAX) break
      this.#entries.delete(oldest)
    }
    return value
  }
}

/** Both clocks: one stands still while the machine sleeps, the other can be set back. */
interface Moment {
  readonly wallMs: number
  readonly runningMs: number
}

const now = (): Moment => ({ wallMs: Date.now(), runningMs: performance.now() })

const ageMs = (since: Moment): number =>
  Math.max(Date.now() - since.wallMs, performance.now() - since.runningMs)
