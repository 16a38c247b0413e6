/** Takes secret values out of byte streams: the values themselves and the forms in which programs print them. */

import { Transform } from 'node:stream'
import { MaskingStream } from './masking-stream.ts'
import { type Pattern, PatternSet } from './pattern-set.ts'
import { TEXT_BYTES } from './simd-scanner.ts'
import { valuePatterns, whyUnmasked } from './value-patterns.ts'

export type { MaskingStream } from './masking-stream.ts'

export interface SecretToMask {
  /** What warnings and labels call it, for example `GITHUB_TOKEN`. Never printed as a value. */
  readonly name: string
  readonly value: Uint8Array
  /** Masks it even if it is an ordinary word; between word boundaries then. Under 4 characters stays unmasked. */
  readonly force?: boolean
}

/** A secret that is deliberately left visible. */
export interface Unmasked {
  readonly name: string
  /** `too-short`: under 4 characters. `ordinary-word`: a word such as `production`, a port, a local address. */
  readonly reason: 'too-short' | 'ordinary-word'
}

/** Whether a {@link Masker} masks this value, told without compiling it. */
export function isMasked(value: Uint8Array): boolean {
  return whyUnmasked(value) === undefined
}

/** A compiled, immutable set of patterns; many streams may share one. */
export class Masker {
  /** Secrets deliberately not masked, so that the caller can warn by name. */
  readonly unmasked: readonly Unmasked[]
  readonly #patterns: PatternSet
  readonly #labels: readonly Uint8Array[]

  /**
   * Compiles the patterns: about 1 ms for each secret, most of it spent on private keys. The values are copied.
   * @param options.replacement `blank` (default) leaves nothing in place of a value, `label` leaves `[NAME]`.
   */
  constructor(secrets: readonly SecretToMask[], options: { replacement?: 'blank' | 'label' } = {}) {
    const unmasked: Unmasked[] = []
    const patterns: Pattern[] = []
    const utf16 = process.platform === 'win32'
    secrets.forEach(({ name, value, force = false }, owner) => {
      const found = valuePatterns(value, { force, utf16 })
      if (typeof found === 'string') unmasked.push({ name, reason: found })
      else for (const pattern of found) patterns.push({ ...pattern, owner })
    })
    this.unmasked = unmasked
    this.#patterns = new PatternSet(patterns)
    const encoder = new TextEncoder()
    this.#labels =
      options.replacement === 'label' ? secrets.map(({ name }) => encoder.encode(`[${name}]`)) : []
  }

  /** Starts a byte stream. Standard output and standard error need one each. */
  stream(): MaskingStream {
    return new MaskingStream(this.#patterns, this.#labels)
  }

  /** Gives memory for chunks of 64 KiB that streams of this masker search without copying them first. Worth it for long streams. */
  takeBuffer(): Buffer {
    return this.#patterns.takeText() ?? Buffer.allocUnsafeSlow(TEXT_BYTES)
  }
}

const BUFFER_BYTES = 2 ** 20
/** Time without output after which a terminal gets what is too short to tell anything. */
const SHORT_IDLE_MS = 20
/** Time without output after which a terminal gets what is under half of a value. */
const LONG_IDLE_MS = 250

export type MaskingTransform = Transform & {
  /** Masks with another masker from here on, which should have the values of the one before: they may still be printed. */
  use(next: Masker): void
}

/**
 * Makes a Node stream around a MaskingStream.
 * @param options.terminal arms the two idle timers: a prompt that ends like the beginning of a value appears
 *   after 20 or 250 ms. Without it such bytes wait for more output or the end, which is safer: use it for pipes.
 * @param options.dialogue for a pipe whose reader may answer before it goes on: what is too short to tell anything appears
 *   after 20 ms, and nothing longer.
 * @param options.after changes what goes out, piece by piece in their order.
 */
export function maskingTransform(
  masker: Masker,
  options: { terminal?: boolean; dialogue?: boolean; after?: (piece: Uint8Array) => Uint8Array } = {},
): MaskingTransform {
  // Usually one. Who takes the place of another follows it until that one is not amid a value.
  let streams = [masker.stream()]
  let idle: NodeJS.Timeout | undefined

  /** Has one stream after the other do something, after it has taken what the one before it lets through. */
  const push = (act: (stream: MaskingStream) => Uint8Array[], chunk?: Uint8Array) => {
    let pieces = chunk === undefined ? [] : [chunk]
    for (const stream of streams) pieces = [...pieces.flatMap((piece) => stream.write(piece)), ...act(stream)]
    for (const piece of pieces) transform.push(options.after?.(piece) ?? piece)
    while (streams.length > 1 && streams[0]?.isAmidValue === false) streams = streams.slice(1)
  }
  const isHolding = () => streams.some((stream) => stream.isHolding)
  const armTimers = () => {
    if (!(options.terminal || options.dialogue) || !isHolding()) return
    idle = setTimeout(() => {
      push((stream) => stream.releaseShort())
      if (!options.terminal || !isHolding()) return
      idle = setTimeout(() => push((stream) => stream.releaseLong()), LONG_IDLE_MS - SHORT_IDLE_MS)
    }, SHORT_IDLE_MS)
  }
  const transform = new Transform({
    // With the default of 64 KiB, one chunk of a pipe fills the buffer: each would stop and restart the source.
    readableHighWaterMark: BUFFER_BYTES,
    writableHighWaterMark: BUFFER_BYTES,
    transform(chunk: Uint8Array, _encoding, done) {
      clearTimeout(idle)
      push(() => [], chunk)
      armTimers()
      done()
    },
    flush(done) {
      clearTimeout(idle)
      push((stream) => stream.end())
      done()
    },
    destroy(error, done) {
      clearTimeout(idle)
      done(error)
    },
  })
  return Object.assign(transform, {
    use(next: Masker) {
      streams = [...streams.filter((stream) => stream.isAmidValue), next.stream()]
    },
  })
}
