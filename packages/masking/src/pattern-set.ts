/**
 * Finds many byte strings in one pass: Wu and Manber, "A fast algorithm for multi-pattern searching" (1994).
 *
 * Each pattern gives a window of m bytes (m = the shortest pattern of its group). The last block of the text
 * window is looked up in a table that says how far the window may move; at 0 a pattern may be here, and the
 * patterns whose window ends with this block are compared in full. Two refinements: the window is placed where
 * the pattern differs most from all others (not on a shared `ghp_`), and patterns above 64 bytes are cut into
 * 64-byte segments, so a match never needs more than 63 bytes of history.
 *
 * A PatternSet does not change after construction and keeps no state of any stream.
 */

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
/** From this length on a pattern is searched by 4-byte blocks; shorter ones by 2-byte blocks, a group apart. */
const LONG_BYTES_MIN = 8

export class PatternSet {
  readonly patterns: readonly Pattern[]
  readonly #groups: readonly Group[]
  readonly #beginnings: Beginnings

  /** @param patterns each at least 4 bytes; of equal ones the first counts, unless a later one is unbounded. */
  constructor(patterns: readonly Pattern[]) {
    this.patterns = segment(patterns)
    const long = this.patterns.filter((pattern) => pattern.bytes.length >= LONG_BYTES_MIN)
    const short = this.patterns.filter((pattern) => pattern.bytes.length < LONG_BYTES_MIN)
    this.#groups = [long, short].filter((group) => group.length > 0).map((group) => new Group(group))
    this.#beginnings = new Beginnings(this.patterns)
  }

  /** Adds every occurrence in `text` to `matches`, moved by `offset`; in no particular order. */
  find(text: Uint8Array, offset: number, matches: Match[]): void {
    for (const group of this.#groups) group.find(text, offset, matches)
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

/** Patterns searched together. */
class Group {
  readonly #patterns: readonly Pattern[]
  readonly #windowBytes: number
  readonly #hasLongBlocks: boolean
  /** Where in its pattern each window begins. */
  readonly #windowStarts: Int32Array
  readonly #hashShift: number
  /** By hash of a block: how far the window may move. */
  readonly #moves: Uint8Array
  /** By hash of a block: 1 + index of the first pattern whose window ends with it. */
  readonly #firstByBlock: Int32Array
  /** By pattern: 1 + index of the next pattern of the same hash. */
  readonly #next: Int32Array
  /** The last and the first 4 bytes of each window: most candidates are refused on these. */
  readonly #lastBlocks: Int32Array
  readonly #firstBlocks: Int32Array

  constructor(patterns: readonly Pattern[]) {
    const shortest = patterns.reduce((min, { bytes }) => Math.min(min, bytes.length), WINDOW_BYTES_MAX)
    this.#patterns = patterns
    this.#windowBytes = shortest
    this.#hasLongBlocks = shortest >= LONG_BYTES_MIN
    const blockBytes = this.#hasLongBlocks ? 4 : 2
    const blocksPerWindow = shortest - blockBytes + 1
    const blocks = patterns.length * blocksPerWindow
    const hashBits = this.#hasLongBlocks ? Math.min(18, Math.max(12, Math.ceil(Math.log2(blocks * 8)))) : 16
    this.#hashShift = 32 - hashBits
    this.#moves = new Uint8Array(2 ** hashBits).fill(blocksPerWindow)
    this.#firstByBlock = new Int32Array(2 ** hashBits)
    this.#next = new Int32Array(patterns.length)
    this.#lastBlocks = new Int32Array(patterns.length)
    this.#firstBlocks = new Int32Array(patterns.length)
    this.#windowStarts = chooseWindows(patterns, shortest, blockBytes)

    patterns.forEach(({ bytes }, index) => {
      const start = this.#windowStarts[index] ?? 0
      for (let block = 0; block < blocksPerWindow; block++) {
        const hash = this.#hash(readBlock(bytes, start + block, blockBytes))
        const move = blocksPerWindow - 1 - block
        if (move < (this.#moves[hash] ?? 0)) this.#moves[hash] = move
      }
      const lastBlock = readBlock(bytes, start + blocksPerWindow - 1, blockBytes)
      const hash = this.#hash(lastBlock)
      this.#next[index] = this.#firstByBlock[hash] ?? 0
      this.#firstByBlock[hash] = index + 1
      this.#lastBlocks[index] = lastBlock
      this.#firstBlocks[index] = readBlock(bytes, start, blockBytes)
    })
  }

  #hash(block: number): number {
    // 2-byte blocks index the table directly; 0x9e3779b1 is 2^32 divided by the golden ratio (Knuth, vol. 3, 6.4).
    return this.#hasLongBlocks ? Math.imul(block, 0x9e3779b1) >>> this.#hashShift : block
  }

  find(text: Uint8Array, offset: number, matches: Match[]): void {
    if (text.length < this.#windowBytes) return
    if (this.#hasLongBlocks) this.#findByLongBlocks(text, offset, matches)
    else this.#findByShortBlocks(text, offset, matches)
  }

  #findByLongBlocks(text: Uint8Array, offset: number, matches: Match[]): void {
    const view = new DataView(text.buffer, text.byteOffset, text.byteLength)
    const moves = this.#moves
    const hashShift = this.#hashShift
    const last = text.length - 4
    let at = this.#windowBytes - 4
    while (at <= last) {
      const block = view.getInt32(at, true)
      const hash = Math.imul(block, 0x9e3779b1) >>> hashShift
      // The hash has as many bits as the table has entries.
      const move = moves[hash] as number
      if (move === 0) {
        const windowStart = at + 4 - this.#windowBytes
        this.#compare(text, windowStart, block, view.getInt32(windowStart, true), hash, offset, matches)
        at++
      } else at += move
    }
  }

  #findByShortBlocks(text: Uint8Array, offset: number, matches: Match[]): void {
    const moves = this.#moves
    const last = text.length - 2
    let at = this.#windowBytes - 2
    while (at <= last) {
      // Both positions are inside the text, and a 2-byte block is below the table's 65,536 entries.
      const block = (text[at] as number) | ((text[at + 1] as number) << 8)
      const move = moves[block] as number
      if (move === 0) {
        const windowStart = at + 2 - this.#windowBytes
        this.#compare(text, windowStart, block, readBlock(text, windowStart, 2), block, offset, matches)
        at++
      } else at += move
    }
  }

  #compare(
    text: Uint8Array,
    windowStart: number,
    lastBlock: number,
    firstBlock: number,
    hash: number,
    offset: number,
    matches: Match[],
  ): void {
    for (let next = this.#firstByBlock[hash] ?? 0; next !== 0; next = this.#next[next - 1] ?? 0) {
      const index = next - 1
      if (this.#lastBlocks[index] !== lastBlock || this.#firstBlocks[index] !== firstBlock) continue
      // The chain holds indexes of this group's patterns only.
      const { bytes, owner, isBounded } = this.#patterns[index] as Pattern
      const start = windowStart - (this.#windowStarts[index] ?? 0)
      if (start < 0 || start + bytes.length > text.length || !hasAt(text, start, bytes, bytes.length))
        continue
      matches.push({ start: start + offset, end: start + bytes.length + offset, owner, isBounded })
    }
  }
}

/** For each pattern, the start of the window whose blocks are rarest among all patterns of the group. */
function chooseWindows(patterns: readonly Pattern[], windowBytes: number, blockBytes: number): Int32Array {
  const starts = new Int32Array(patterns.length)
  if (patterns.every(({ bytes }) => bytes.length === windowBytes)) return starts
  const uses = new Map<number, number>()
  for (const { bytes } of patterns) {
    for (let at = 0; at + blockBytes <= bytes.length; at++) {
      const block = readBlock(bytes, at, blockBytes)
      uses.set(block, (uses.get(block) ?? 0) + 1)
    }
  }
  const blocksPerWindow = windowBytes - blockBytes + 1
  patterns.forEach(({ bytes }, index) => {
    const counts: number[] = []
    for (let at = 0; at + blockBytes <= bytes.length; at++) {
      counts.push(uses.get(readBlock(bytes, at, blockBytes)) ?? 0)
    }
    let sum = counts.slice(0, blocksPerWindow).reduce((total, count) => total + count, 0)
    let best = sum
    for (let start = 1; start + windowBytes <= bytes.length; start++) {
      sum += (counts[start + blocksPerWindow - 1] ?? 0) - (counts[start - 1] ?? 0)
      if (sum < best) {
        best = sum
        starts[index] = start
      }
    }
  })
  return starts
}

/** Answers whether the end of a text begins a pattern. */
class Beginnings {
  /** Beginnings of 1 to 3 bytes, the length in the top byte. */
  readonly #short = new Set<number>()
  /** Patterns by their first 4 bytes, and a bitmap of those so that most lookups end early. */
  readonly #byHead = new Map<number, Pattern[]>()
  readonly #heads = new Uint8Array(2 ** 16)

  constructor(patterns: readonly Pattern[]) {
    for (const pattern of patterns) {
      for (let length = 1; length < 4; length++) {
        this.#short.add((length << 24) | readBlock(pattern.bytes, 0, length))
      }
      const head = readBlock(pattern.bytes, 0, 4)
      this.#heads[Math.imul(head, 0x9e3779b1) >>> 16] = 1
      const sameHead = this.#byHead.get(head)
      if (sameHead === undefined) this.#byHead.set(head, [pattern])
      else sameHead.push(pattern)
    }
  }

  /** Length of the shortest pattern that begins with `text` from `at` to its end, or 0. */
  shortest(text: Uint8Array, at: number): number {
    const length = text.length - at
    if (length < 4) {
      return length > 0 && this.#short.has((length << 24) | readBlock(text, at, length))
        ? PATTERN_BYTES_MIN
        : 0
    }
    const head = readBlock(text, at, 4)
    if (this.#heads[Math.imul(head, 0x9e3779b1) >>> 16] === 0) return 0
    let shortest = 0
    for (const { bytes, isBounded } of this.#byHead.get(head) ?? []) {
      const isOpen = bytes.length > length || (isBounded && bytes.length === length)
      if (isOpen && (shortest === 0 || bytes.length < shortest) && hasAt(text, at, bytes, length)) {
        shortest = bytes.length
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

function hasAt(text: Uint8Array, at: number, bytes: Uint8Array, length: number): boolean {
  for (let index = 0; index < length; index++) {
    if (text[at + index] !== bytes[index]) return false
  }
  return true
}
