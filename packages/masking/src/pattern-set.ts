/**
 * Finds many byte strings in one pass.
 *
 * Patterns of 8 bytes and more are found by their grams (see gram-filter.ts), each looked up only within a window of the
 * pattern: the one whose grams are rarest among all patterns, so not a shared `ghp_`. Patterns above 64 bytes are cut
 * into 64-byte segments, so a match never needs more than 63 bytes of history.
 *
 * A PatternSet does not change after construction and keeps no state of any stream.
 */

import { GRAM_BYTES, GramFilter, gramAt, strideFor } from './gram-filter.ts'
import { HASH_FACTOR, type SimdScanner } from './simd-scanner.ts'

export interface Pattern {
  readonly bytes: Uint8Array
  /** Index of the secret this pattern stands for. */
  readonly owner: number
  /** Counts only between characters that are not of a word. */
  readonly isBounded: boolean
}

/** Half-open range of positions that holds a pattern. */
export interface Match {
  start: number
  end: number
  readonly owner: number
  readonly isBounded: boolean
}

export const SEGMENT_BYTES = 64
/** Patterns shorter than one 3-byte hold have no place in the tables. */
export const PATTERN_BYTES_MIN = 4
const WINDOW_BYTES_MAX = 32
/** A window may end here; whether it does or not, the next place to look is 1 further. */
const CANDIDATE = 0x81
const MOVE = 0x7f
/** From this length on a pattern is searched by its grams. */
const LONG_BYTES_MIN = 8

export class PatternSet {
  /** Number of patterns after long ones were cut into segments. */
  readonly size: number
  readonly #long: LongPatterns | undefined
  readonly #short: ShortPatterns | undefined
  readonly #beginnings: Beginnings

  /** @param patterns each at least 4 bytes; of equal ones the first counts, unless a later one is unbounded. */
  constructor(patterns: readonly Pattern[]) {
    const segments = segment(patterns)
    const long = segments.filter((pattern) => pattern.bytes.length >= LONG_BYTES_MIN)
    const short = segments.filter((pattern) => pattern.bytes.length < LONG_BYTES_MIN)
    this.size = segments.length
    this.#long = long.length > 0 ? new LongPatterns(long) : undefined
    this.#short = short.length > 0 ? new ShortPatterns(short) : undefined
    this.#beginnings = new Beginnings(segments)
  }

  /** For other searches in the same text; undefined where WebAssembly is missing, and while it is not worth it. */
  get scanner(): SimdScanner | undefined {
    return this.#long?.filter.scanner
  }

  /** Memory for a text that is searched without a copy of it; undefined when there is none, or no more. */
  takeText(): Buffer | undefined {
    return this.#long?.filter.makeScanner()?.takeText()
  }

  /** Adds every occurrence in `text` to `matches`, moved by `offset`; in no particular order. */
  find(text: Uint8Array, offset: number, matches: Match[]): void {
    this.#long?.find(text, offset, matches)
    this.#short?.find(text, offset, matches)
  }

  /**
   * Finds the first position from which `text` to its end could be the beginning of a pattern (of a bounded
   * pattern also the whole: what follows it decides). @returns `text.length` if there is none.
   */
  heldFrom(text: Uint8Array): number {
    for (let at = Math.max(0, text.length - SEGMENT_BYTES); at < text.length; at++) {
      if (this.#beginnings.shortest(text, at) > 0) return at
    }
    return text.length
  }

  /** Length of the shortest pattern that begins with all of `text` from `at` on, or 0. */
  shortestFrom(text: Uint8Array, at: number): number {
    return this.#beginnings.shortest(text, at)
  }
}

/** Patterns in four arrays instead of thousands of objects, which the collector would visit again and again. */
class PackedPatterns {
  readonly bytes: Uint8Array
  /** By pattern: where its bytes begin. One entry more than patterns. */
  readonly starts: Int32Array
  readonly owners: Int32Array
  readonly bounded: Uint8Array

  constructor(patterns: readonly Pattern[]) {
    this.bytes = new Uint8Array(patterns.reduce((sum, { bytes }) => sum + bytes.length, 0))
    this.starts = new Int32Array(patterns.length + 1)
    this.owners = Int32Array.from(patterns, ({ owner }) => owner)
    this.bounded = Uint8Array.from(patterns, ({ isBounded }) => (isBounded ? 1 : 0))
    let at = 0
    patterns.forEach(({ bytes }, index) => {
      this.bytes.set(bytes, at)
      at += bytes.length
      this.starts[index + 1] = at
    })
  }

  lengthOf(index: number): number {
    return (this.starts[index + 1] ?? 0) - (this.starts[index] ?? 0)
  }

  /** Adds a match if a pattern is at a position, which may be outside the text. */
  matchAt(text: Uint8Array, start: number, index: number, offset: number, matches: Match[]): void {
    const length = this.lengthOf(index)
    if (start < 0 || start + length > text.length || !this.isAt(text, start, index, length)) return
    const owner = this.owners[index] ?? 0
    const isBounded = this.bounded[index] === 1
    matches.push({ start: start + offset, end: start + length + offset, owner, isBounded })
  }

  /** Whether `text` has the first `length` bytes of a pattern at a position. */
  isAt(text: Uint8Array, at: number, index: number, length: number): boolean {
    const start = this.starts[index] ?? 0
    for (let offset = 0; offset < length; offset++) {
      if (text[at + offset] !== this.bytes[start + offset]) return false
    }
    return true
  }
}

function segment(patterns: readonly Pattern[]): Pattern[] {
  const byContent = new Map<string, Pattern>()
  const add = (pattern: Pattern) => {
    const key = Buffer.from(pattern.bytes).toString('latin1')
    const known = byContent.get(key)
    if (known === undefined || (known.isBounded && !pattern.isBounded)) byContent.set(key, pattern)
  }
  for (const pattern of patterns) {
    const { bytes, owner } = pattern
    if (bytes.length < PATTERN_BYTES_MIN) throw new RangeError('a pattern needs at least 4 bytes')
    if (bytes.length <= SEGMENT_BYTES) {
      add(pattern)
      continue
    }
    const segments: Uint8Array[] = []
    for (let end = SEGMENT_BYTES; end < bytes.length; end += SEGMENT_BYTES) {
      segments.push(bytes.subarray(end - SEGMENT_BYTES, end))
    }
    segments.push(bytes.subarray(bytes.length - SEGMENT_BYTES))
    // A run of zeros or spaces inside a long value is no secret, and would be found everywhere.
    const telling = segments.filter((part) => new Set(part).size > 2)
    for (const part of telling.length > 0 ? telling : segments) add({ bytes: part, owner, isBounded: false })
  }
  return [...byContent.values()]
}

/** Patterns of 8 bytes and more. */
class LongPatterns {
  readonly filter: GramFilter
  readonly #patterns: PackedPatterns

  constructor(patterns: readonly Pattern[]) {
    const shortest = patterns.reduce((min, { bytes }) => Math.min(min, bytes.length), WINDOW_BYTES_MAX)
    const stride = strideFor(patterns.length, shortest)
    this.#patterns = new PackedPatterns(patterns)
    const windows = chooseWindows(patterns, stride + GRAM_BYTES - 1, GRAM_BYTES)
    this.filter = new GramFilter(patterns, windows, stride)
  }

  find(text: Uint8Array, offset: number, matches: Match[]): void {
    this.filter.find(text, (index, start) => this.#patterns.matchAt(text, start, index, offset, matches))
  }
}

/** Patterns of 4 to 7 bytes, searched as Wu and Manber do: the last 2 bytes of a window say how far it may move. */
class ShortPatterns {
  readonly #patterns: PackedPatterns
  readonly #windowBytes: number
  readonly #windowStarts: Int32Array
  /** By 2 bytes: how far the window may move, or CANDIDATE. */
  readonly #moves = new Uint8Array(2 ** 16)
  /** By 2 bytes: 1 + index of the first pattern whose window ends with them. */
  readonly #first = new Int32Array(2 ** 16)
  /** By pattern: 1 + index of the next pattern with the same end. */
  readonly #next: Int32Array

  constructor(patterns: readonly Pattern[]) {
    this.#windowBytes = patterns.reduce((min, { bytes }) => Math.min(min, bytes.length), LONG_BYTES_MIN)
    this.#patterns = new PackedPatterns(patterns)
    this.#next = new Int32Array(patterns.length)
    this.#windowStarts = chooseWindows(patterns, this.#windowBytes, 2)
    const blocks = this.#windowBytes - 1
    this.#moves.fill(blocks)
    patterns.forEach(({ bytes }, index) => {
      const start = this.#windowStarts[index] ?? 0
      for (let block = 0; block < blocks; block++) {
        const value = readBlock(bytes, start + block, 2)
        const move = blocks - 1 - block
        if (move === 0) this.#moves[value] = CANDIDATE
        else if (move < (this.#moves[value] ?? 0) && this.#moves[value] !== CANDIDATE)
          this.#moves[value] = move
      }
      const last = readBlock(bytes, start + blocks - 1, 2)
      this.#next[index] = this.#first[last] ?? 0
      this.#first[last] = index + 1
    })
  }

  find(text: Uint8Array, offset: number, matches: Match[]): void {
    const moves = this.#moves
    const last = text.length - 2
    let at = this.#windowBytes - 2
    while (at <= last) {
      // Both positions are inside the text, and 2 bytes are below the table's 65,536 entries.
      const block = (text[at] as number) | ((text[at + 1] as number) << 8)
      const move = moves[block] as number
      if (move === CANDIDATE) {
        const windowStart = at + 2 - this.#windowBytes
        for (let next = this.#first[block] ?? 0; next !== 0; next = this.#next[next - 1] ?? 0) {
          const start = windowStart - (this.#windowStarts[next - 1] ?? 0)
          this.#patterns.matchAt(text, start, next - 1, offset, matches)
        }
      }
      at += move & MOVE
    }
  }
}

/** By hash of a block: how often the patterns of a group have it. Blocks that share a hash only count as more frequent. */
const USE_BITS = 15

/** For each pattern, the start of the window whose blocks are rarest among all patterns of the group. */
function chooseWindows(patterns: readonly Pattern[], windowBytes: number, blockBytes: number): Int32Array {
  const starts = new Int32Array(patterns.length)
  if (patterns.every(({ bytes }) => bytes.length === windowBytes)) return starts
  const uses = new Uint32Array(2 ** USE_BITS)
  const hashAt = (bytes: Uint8Array, at: number) =>
    Math.imul(readBlock(bytes, at, blockBytes), HASH_FACTOR) >>> (32 - USE_BITS)
  for (const { bytes } of patterns) {
    for (let at = 0; at + blockBytes <= bytes.length; at++) {
      const hash = hashAt(bytes, at)
      uses[hash] = (uses[hash] as number) + 1 // A hash has as many values as there are counts.
    }
  }
  const blocksPerWindow = windowBytes - blockBytes + 1
  const counts = new Uint32Array(SEGMENT_BYTES)
  patterns.forEach(({ bytes }, index) => {
    let sum = 0
    let best = Number.POSITIVE_INFINITY
    for (let at = 0; at + blockBytes <= bytes.length; at++) {
      const count = uses[hashAt(bytes, at)] as number
      counts[at] = count
      sum += count - (at < blocksPerWindow ? 0 : (counts[at - blocksPerWindow] as number))
      const start = at - blocksPerWindow + 1
      if (start < 0 || sum >= best) continue
      best = sum
      starts[index] = start
    }
  })
  return starts
}

/** Answers whether the end of a text begins a pattern. */
class Beginnings {
  /** Beginnings of 1 to 3 bytes, the length in the top byte. */
  readonly #short = new Set<number>()
  readonly #patterns: PackedPatterns
  /** By hash of 4 bytes: 1 + index of the first pattern that begins with them. */
  readonly #firstByHead = new Int32Array(2 ** 16)
  /** By pattern: 1 + index of the next pattern of the same hash. */
  readonly #next: Int32Array

  constructor(patterns: readonly Pattern[]) {
    this.#patterns = new PackedPatterns(patterns)
    this.#next = new Int32Array(patterns.length)
    patterns.forEach(({ bytes }, index) => {
      for (let length = 1; length < 4; length++) {
        this.#short.add((length << 24) | readBlock(bytes, 0, length))
      }
      const hash = Math.imul(readBlock(bytes, 0, 4), HASH_FACTOR) >>> 16
      this.#next[index] = this.#firstByHead[hash] ?? 0
      this.#firstByHead[hash] = index + 1
    })
  }

  /** Length of the shortest pattern that begins with `text` from `at` to its end, or 0. */
  shortest(text: Uint8Array, at: number): number {
    const length = text.length - at
    if (length < 4) {
      return length > 0 && this.#short.has((length << 24) | readBlock(text, at, length))
        ? PATTERN_BYTES_MIN
        : 0
    }
    let shortest = 0
    const hash = Math.imul(gramAt(text, at), HASH_FACTOR) >>> 16
    for (let next = this.#firstByHead[hash] ?? 0; next !== 0; next = this.#next[next - 1] ?? 0) {
      const index = next - 1
      const whole = this.#patterns.lengthOf(index)
      const isOpen = whole > length || (whole === length && this.#patterns.bounded[index] === 1)
      if (isOpen && (shortest === 0 || whole < shortest) && this.#patterns.isAt(text, at, index, length)) {
        shortest = whole
      }
    }
    return shortest
  }
}

function readBlock(bytes: Uint8Array, at: number, length: number): number {
  let block = 0
  for (let index = 0; index < length; index++) block |= (bytes[at + index] ?? 0) << (8 * index)
  return block
}
