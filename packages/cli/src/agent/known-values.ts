import type { MaskedValue } from '../session/session-answer.ts'

/** As much as a workspace gets in years of changes; a program that is older than that is rare. */
const BYTES_MAX = 16 * 1024 * 1024

/**
 * The values that programs could have since the agent has started: one that was replaced or deleted is still in programs that
 * run. When there are too many, those that were in effect longest ago go.
 */
export class KnownValues {
  readonly #bytesMax: number
  /** By value, the newest last. */
  readonly #values = new Map<string, MaskedValue>()
  #bytes = 0

  /** @param bytesMax of values in base64. */
  constructor(bytesMax = BYTES_MAX) {
    this.#bytesMax = bytesMax
  }

  add(values: readonly MaskedValue[]): void {
    for (const one of values) {
      if (!this.#values.delete(one.value)) this.#bytes += one.value.length
      this.#values.set(one.value, one)
    }
    for (const value of this.#values.keys()) {
      if (this.#bytes <= this.#bytesMax) return
      this.#values.delete(value)
      this.#bytes -= value.length
    }
  }

  get all(): readonly MaskedValue[] {
    return [...this.#values.values()]
  }
}
