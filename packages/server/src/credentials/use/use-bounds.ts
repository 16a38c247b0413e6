import { limits } from '@keyhold/contract/limits'
import type { Clock } from '../../base/clock.ts'

const HOUR_MS = 3_600_000
/** Places that are remembered of all actors together, some 20 MB. */
const PLACES_MAX = 100_000

interface Hour {
  readonly endsAt: number
  count: number
  /** By run, the places that were counted. */
  runs: Map<string, Set<string>>
}

/**
 * Bounds what one actor reports, in an hour and of a run. Names that are not there count as the others do, so what is left
 * tells nothing of which there are. In memory: with several servers each has its own bound, and a restart begins anew. That
 * is enough to keep a loop from filling the log.
 */
export class UseBounds {
  readonly #clock: Clock
  readonly #hours = new Map<string, Hour>()
  #places = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Counts places that are new. @returns those within the bounds, old ones too, and how many more are. */
  admit(actor: string, run: string, places: readonly string[]): { admitted: string[]; remaining: number } {
    const hour = this.#hourOf(actor)
    const counted = hour.runs.get(run) ?? new Set()
    hour.runs.set(run, counted)
    const left = () =>
      Math.max(0, Math.min(limits.usesPerRun - counted.size, limits.usesPerHour - hour.count))
    const admitted = places.filter((place) => {
      if (counted.has(place)) return true
      if (left() === 0) return false
      counted.add(place)
      hour.count += 1
      this.#places += 1
      return true
    })
    const remaining = left()
    if (counted.size === 0) hour.runs.delete(run)
    this.#forgetPlaces()
    return { admitted, remaining }
  }

  #hourOf(actor: string): Hour {
    const now = this.#clock.now().getTime()
    const found = this.#hours.get(actor)
    if (found && found.endsAt > now) return found
    // Those that began first are over first.
    for (const [key, hour] of this.#hours) {
      if (hour.endsAt > now) break
      this.#drop(hour)
      this.#hours.delete(key)
    }
    const hour = { endsAt: now + HOUR_MS, count: 0, runs: new Map() }
    this.#hours.set(actor, hour)
    return hour
  }

  /** The counts stay: a place that is reported again counts again. */
  #forgetPlaces(): void {
    for (const hour of this.#hours.values()) {
      if (this.#places <= PLACES_MAX) return
      this.#drop(hour)
    }
  }

  #drop(hour: Hour): void {
    for (const places of hour.runs.values()) this.#places -= places.size
    hour.runs = new Map()
  }
}
