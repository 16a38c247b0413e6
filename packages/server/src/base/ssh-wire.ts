/*
 * The data types of SSH (RFC 4251 §5), as far as keys, signatures and agents need them.
 */

/** What was read is not what the format says. Never holds what was read. */
export class SshFormatError extends Error {}

/** Reads a blob from its start to its end. Every method throws {@link SshFormatError} when there is not enough left. */
export class SshReader {
  readonly #bytes: Uint8Array
  #offset = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#offset === this.#bytes.length
  }

  take(length: number): Buffer {
    const end = this.#offset + length
    if (end > this.#bytes.length) throw new SshFormatError('it ends too early')
    const part = Buffer.from(this.#bytes.subarray(this.#offset, end))
    this.#offset = end
    return part
  }

  byte(): number {
    return this.take(1)[0]! // `!`: take gives as many as were asked for.
  }

  string(): Buffer {
    return this.take(this.take(4).readUInt32BE())
  }

  text(): string {
    // Names in SSH are ASCII; any other byte becomes a character that no name has.
    return this.string().toString('latin1')
  }

  /** A positive integer in its one form: no sign, no zeros in front but the one that keeps the sign off. */
  positiveInteger(): Buffer {
    const bytes = this.string()
    const [first = 0, second = 0] = bytes
    if (bytes.length === 0 || first > 0x7f || (first === 0 && second <= 0x7f))
      throw new SshFormatError('a number in it is not in its one form')
    return first === 0 ? bytes.subarray(1) : bytes
  }

  end(): void {
    if (!this.isAtEnd) throw new SshFormatError('something follows its end')
  }
}

/** Writes strings one after another, each with its length before it. Texts are written as UTF-8. */
export function sshStrings(...parts: readonly (string | Uint8Array)[]): Buffer {
  return Buffer.concat(
    parts.flatMap((part) => {
      const bytes = typeof part === 'string' ? Buffer.from(part) : part
      const length = Buffer.alloc(4)
      length.writeUInt32BE(bytes.length)
      return [length, bytes]
    }),
  )
}

/** A positive integer from its bytes, as {@link sshStrings} then writes an mpint. */
export function mpintBytes(magnitude: Uint8Array): Buffer {
  let start = 0
  while (start < magnitude.length && magnitude[start] === 0) start += 1
  const bytes = Buffer.from(magnitude.subarray(start))
  return bytes[0] !== undefined && bytes[0] > 0x7f ? Buffer.concat([Buffer.alloc(1), bytes]) : bytes
}
