import type { inspect } from 'node:util'

/** What every accidental way of printing a {@link Secret} shows. */
const REDACTED = '[secret]'

/**
 * A value that cannot be printed by accident: string conversion, JSON, `util.inspect`, spreading and
 * `structuredClone` show `[secret]` or nothing.
 *
 * Wrap at the first line that sees a plaintext, `reveal()` at the last. It does not protect a value after
 * `reveal()`, a heap dump, or errors that quote their input.
 */
export class Secret<T = Uint8Array> {
  // A `#` field, not a TypeScript `private` one: the latter shows in inspect, spread and structuredClone.
  readonly #value: T

  constructor(value: T) {
    this.#value = value
  }

  /** Returns the plaintext. Each call site is listed in `tools/reveal-sites.txt` and reviewed. */
  reveal(): T {
    return this.#value
  }

  toString(): string {
    return REDACTED
  }

  toJSON(): string {
    return REDACTED
  }

  [Symbol.toPrimitive](): string {
    return REDACTED
  }

  [Symbol.for('nodejs.util.inspect.custom') as typeof inspect.custom](): string {
    return REDACTED
  }
}
