import { AppError } from './app-error.ts'

/** What somebody is told to wait who has to wait. */
const RETRY_SECONDS = 5

/**
 * Lets expensive work happen only so many times at once. The threads that do it are few, and signing in, looking up names
 * and files need them too; who floods them would keep everybody else out.
 */
export class Turns {
  readonly #parallelMax: number
  readonly #waitingMax: number
  readonly #people = new Set<string>()
  readonly #queue: (() => void)[] = []
  #running = 0

  constructor(parallelMax: number, waitingMax: number) {
    this.#parallelMax = parallelMax
    this.#waitingMax = waitingMax
  }

  /** @param person has one turn at a time. @throws AppError `rate.limited` for a second one, or when too many wait. */
  async take<T>(person: string, work: () => Promise<T>): Promise<T> {
    if (this.#people.has(person) || this.#queue.length >= this.#waitingMax)
      throw new AppError('rate.limited', { retryAfterSeconds: RETRY_SECONDS })
    this.#people.add(person)
    try {
      if (this.#running < this.#parallelMax) this.#running += 1
      // Who ends hands the turn over, so that nobody who comes in between has it too.
      else await new Promise<void>((resolve) => this.#queue.push(resolve))
      try {
        return await work()
      } finally {
        const next = this.#queue.shift()
        if (next) next()
        else this.#running -= 1
      }
    } finally {
      this.#people.delete(person)
    }
  }
}
