import type { SecretType, SecretValue } from '@keyhold/contract/api/secrets'
import { bytesOfBase64, textOfBytes } from './base64.ts'
import { KeyholdError } from './error.ts'

/** A secret with its value, which printing, spreading and JSON do not show: ask for it by `text()` or `bytes()`. */
export class DeliveredSecret {
  readonly name: string
  readonly type: SecretType
  readonly version: number
  /** Where the value comes from: the environment asked for, or `All`. */
  readonly environment: string
  readonly #value: string | Uint8Array<ArrayBuffer>

  /** @throws KeyholdError `integrity.answer` when the answer is not what the contract says. */
  constructor(answer: unknown) {
    const secret = (typeof answer === 'object' && answer !== null ? answer : {}) as Partial<SecretValue> // `as`: each field is checked below.
    const bytes =
      secret.encoding === 'base64' && typeof secret.value === 'string'
        ? bytesOfBase64(secret.value)
        : undefined
    const value = secret.encoding === 'utf8' ? secret.value : bytes
    if (
      typeof secret.name !== 'string' ||
      typeof secret.type !== 'string' ||
      typeof secret.version !== 'number' ||
      typeof secret.environment !== 'string' ||
      (typeof value !== 'string' && bytes === undefined) ||
      value === undefined
    ) {
      throw new KeyholdError('integrity.answer', 'the server answered something that is not a secret')
    }
    this.name = secret.name
    this.type = secret.type
    this.version = secret.version
    this.environment = secret.environment
    this.#value = value
  }

  /** @throws KeyholdError `integrity.not_text` when the value is bytes that are not UTF-8. */
  text(): string {
    if (typeof this.#value === 'string') return this.#value
    const text = textOfBytes(this.#value)
    if (text === undefined) {
      throw new KeyholdError('integrity.not_text', `${this.name} holds bytes that are not text`)
    }
    return text
  }

  bytes(): Uint8Array<ArrayBuffer> {
    // A copy: what the caller does to it must not change a cached value.
    return typeof this.#value === 'string' ? new TextEncoder().encode(this.#value) : this.#value.slice()
  }
}
