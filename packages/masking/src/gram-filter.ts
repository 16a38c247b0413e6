/**
 * Finds places where one of many byte strings may be, by looking at 4 bytes (a gram) out of every few.
 *
 *   text      . . . . | . . . . | . . . . | . . . .      a gram is looked up at every `stride`
 *   pattern       [ x x g g g g x x ]                    all `stride` grams of its window are in the table
 *
 * Whichever way a pattern lies, one place that is looked at falls on a gram of its window. Almost all places are refused
 * by two bits of a filter (Bloom, 1970); no lookup waits for the one before it, as in Wu and Manber's search.
 */

import { FIRST_BIT, HASH_FACTOR, makeSimdScanner, SECOND_BIT, type SimdScanner } from './simd-scanner.ts'

export const GRAM_BYTES = 4
const FILTER_BITS_PER_GRAM = 16
const WORD_BITS_MIN = 10
/** 256 KB, which stays in a processor's second cache. */
const WORD_BITS_MAX = 16
const GRAMS_MAX = 2 ** (WORD_BITS_MAX + 5) / FILTER_BITS_PER_GRAM
const POSITIONS_MAX = 4096
/** So much is searched before the scanner is made. */
const SCRIPT_BYTES = 256 * 1024

/** The longest stride for patterns of which the shortest has so many bytes. */
export function strideFor(patternCount: number, shortestBytes: number): number {
  const mostGrams = Math.max(1, Math.floor(GRAMS_MAX / patternCount))
  return Math.min(shortestBytes - GRAM_BYTES + 1, mostGrams)
}

export function gramAt(bytes: Uint8Array, at: number): number {
  // Outside, undefined becomes 0 in the sum.
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  )
}

export class GramFilter {
  #scanner: SimdScanner | undefined
  #isScannerMade = false
  #searchedBytes = 0
  readonly #words: Int32Array
  readonly #wordShift: number
  readonly #stride: number
  #found: Int32Array = new Int32Array(POSITIONS_MAX + 1)
  /** By hash: where the entries of this hash begin; one more than hashes. */
  readonly #starts: Int32Array
  readonly #startShift: number
  /**
   * Four numbers for each gram of each window: the gram; the last 4 bytes of its pattern, or the first 4 when they are
   * nearer than 8; how far away those are; pattern * 64 + offset. Many hex digits share a gram, few also the others.
   */
  readonly #entries: Int32Array
  readonly #hits = {
    positions: new Int32Array(POSITIONS_MAX + 1),
    grams: new Int32Array(POSITIONS_MAX + 1),
    firsts: new Int32Array(POSITIONS_MAX + 1),
    ends: new Int32Array(POSITIONS_MAX + 1),
  }

  /** @param windows for each pattern, where its window of `stride` grams begins. */
  constructor(patterns: readonly { bytes: Uint8Array }[], windows: Int32Array, stride: number) {
    const count = patterns.length * stride
    const bits = Math.ceil(Math.log2((count * FILTER_BITS_PER_GRAM) / 32))
    const wordBits = Math.min(WORD_BITS_MAX, Math.max(WORD_BITS_MIN, bits))
    this.#stride = stride
    this.#wordShift = 32 - wordBits
    this.#words = new Int32Array(2 ** wordBits)

    const hashBits = Math.max(8, Math.ceil(Math.log2(count)))
    this.#startShift = 32 - hashBits
    this.#starts = new Int32Array(2 ** hashBits + 1)
    this.#entries = new Int32Array(count * 4)
    const starts = this.#starts
    const forEachGram = (visit: (gram: number, hash: number, index: number, offset: number) => void) => {
      patterns.forEach(({ bytes }, index) => {
        const first = windows[index] ?? 0
        for (let offset = first; offset < first + stride; offset++) {
          const gram = gramAt(bytes, offset)
          visit(gram, Math.imul(gram, HASH_FACTOR), index, offset)
        }
      })
    }
    forEachGram((_gram, hash) => {
      const word = hash >>> this.#wordShift
      this.#words[word] =
        (this.#words[word] ?? 0) | (1 << (hash >>> FIRST_BIT)) | (1 << (hash >>> SECOND_BIT))
      const bucket = hash >>> this.#startShift
      starts[bucket] = (starts[bucket] ?? 0) + 1
    })
    // Now each start is the end of its entries; filling them in from the back makes it the start.
    for (let bucket = 1; bucket < starts.length; bucket++) {
      starts[bucket] = (starts[bucket] ?? 0) + (starts[bucket - 1] ?? 0)
    }
    forEachGram((gram, hash, index, offset) => {
      const bucket = hash >>> this.#startShift
      const entry = (starts[bucket] ?? 0) - 1
      starts[bucket] = entry
      const bytes = patterns[index]?.bytes as Uint8Array // forEachGram counts through the patterns.
      const lastOffset = bytes.length - GRAM_BYTES
      const other = lastOffset - offset >= GRAM_BYTES ? lastOffset : 0
      const at = entry * 4
      this.#entries[at] = gram
      this.#entries[at + 1] = gramAt(bytes, other)
      this.#entries[at + 2] = other - offset
      this.#entries[at + 3] = index * 64 + offset
    })
  }

  /** Undefined where WebAssembly is missing, and for short streams: most commands are over before it is compiled. */
  get scanner(): SimdScanner | undefined {
    return this.#searchedBytes < SCRIPT_BYTES ? this.#scanner : this.makeScanner()
  }

  /** The scanner, also for a short stream. */
  makeScanner(): SimdScanner | undefined {
    if (this.#isScannerMade) return this.#scanner
    this.#isScannerMade = true
    this.#scanner = makeSimdScanner(32 - this.#wordShift, this.#stride, POSITIONS_MAX)
    if (this.#scanner === undefined) return undefined
    this.#scanner.filter.set(this.#words)
    this.#found = this.#scanner.found
    return this.#scanner
  }

  /** Calls `visit` with each pattern that has a gram in common with the text, and where it would begin. */
  find(text: Uint8Array, visit: (pattern: number, start: number) => void): void {
    const lastEnd = text.length - GRAM_BYTES + 1
    const step = this.#stride * POSITIONS_MAX
    this.#searchedBytes += text.length
    const scanner = this.scanner
    const address = scanner?.addressOf(text)
    for (let from = 0; from < lastEnd; from += step) {
      const end = Math.min(lastEnd, from + step)
      const count =
        address === undefined || scanner === undefined
          ? this.#findByScript(text, from, end)
          : scanner.findGrams(address + from, address + end)
      this.#compare(text, address ?? 0, count, visit)
    }
  }

  #findByScript(text: Uint8Array, from: number, end: number): number {
    const words = this.#words
    const found = this.#found
    const wordShift = this.#wordShift
    const stride = this.#stride
    const view = new DataView(text.buffer, text.byteOffset, text.byteLength)
    let count = 0
    for (let at = from; at < end; at += stride) {
      const hash = Math.imul(view.getInt32(at, true), HASH_FACTOR)
      const word = words[hash >>> wordShift] as number // A hash has as many values as there are words.
      found[count] = at
      count += (word >>> (hash >>> FIRST_BIT)) & (word >>> (hash >>> SECOND_BIT)) & 1
    }
    return count
  }

  /** Compares what the filter let pass with the grams themselves. */
  #compare(
    text: Uint8Array,
    address: number,
    count: number,
    visit: (pattern: number, start: number) => void,
  ): void {
    // The tables are larger than a processor's second cache. Without branches it fetches many entries at once; with them
    // it would wait for one after the other.
    const entries = this.#entries
    const { positions, grams, firsts, ends } = this.#hits
    const view = new DataView(text.buffer, text.byteOffset, text.byteLength)
    const lastGram = text.length - GRAM_BYTES
    let hits = 0
    for (let index = 0; index < count; index++) {
      const at = (this.#found[index] as number) - address
      const gram = view.getInt32(at, true)
      const bucket = Math.imul(gram, HASH_FACTOR) >>> this.#startShift
      const first = this.#starts[bucket] as number
      const end = this.#starts[bucket + 1] as number
      positions[hits] = at
      grams[hits] = gram
      firsts[hits] = first
      ends[hits] = end
      hits += (first - end) >>> 31 // 1 if there are entries.
    }
    let fetched = 0
    for (let hit = 0; hit < hits; hit++) {
      fetched += entries[(firsts[hit] as number) * 4] === grams[hit] ? 1 : 0
    }
    positions[hits] = fetched // Read by nobody, but so the loop above is not left out.
    for (let hit = 0; hit < hits; hit++) {
      const end = (ends[hit] as number) * 4
      const at = positions[hit] as number
      for (let entry = (firsts[hit] as number) * 4; entry < end; entry += 4) {
        if (entries[entry] !== grams[hit]) continue
        const other = at + (entries[entry + 2] as number)
        if (other < 0 || other > lastGram || entries[entry + 1] !== view.getInt32(other, true)) continue
        const place = entries[entry + 3] as number
        visit(place >>> 6, at - (place & 63))
      }
    }
  }
}
