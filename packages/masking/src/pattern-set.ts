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
/** 2^32 divided by the golden ratio: multiplying by it spreads similar blocks (Knuth, vol. 3, 6.4). */
const HASH_FACTOR = 0x9e3779b1
/** A window may end here; whether it does or not, the next place to look is 1 further. */
const CANDIDATE = 0x81
const MOVE = 0x7f
/** From this length on a pattern is searched by 4-byte blocks; shorter ones by 2-byte blocks, a group apart. */
const LONG_BYTES_MIN = 8

export class PatternSet {
  /** Number of patterns after long ones were cut into segments. */
  readonly size: number
  readonly #groups: readonly Group[]
  readonly #beginnings: Beginnings

  /** @param patterns each at least 4 bytes; of equal ones the first counts, unless a later one is unbounded. */
  constructor(patterns: readonly Pattern[]) {
    const segments = segment(patterns)
    const long = segments.filter((pattern) => pattern.bytes.length >= LONG_BYTES_MIN)
    const short = segments.filter((pattern) => pattern.bytes.length < LONG_BYTES_MIN)
    this.size = segments.length
    this.#groups = [long, short].filter((group) => group.length > 0).map((group) => new Group(group))
    this.#beginnings = new Beginnings(segments)
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

/** Patterns searched together. */
class Group {
  readonly #patterns: PackedPatterns
  readonly #windowBytes: number
  readonly #hasLongBlocks: boolean
  /** Where in its pattern each window begins. */
  readonly #windowStarts: Int32Array
  readonly #hashShift: number
  /** By hash of a block: how far the window may move, or CANDIDATE. */
  readonly #moves: Uint8Array
  /** By hash of a block: one bit of a finer hash for each window that ends with it. Refuses 7 of 8 wrong candidates. */
  readonly #fineHashes: Uint8Array
  /** By hash of a block: 1 + index of the first pattern whose window ends with it. */
  readonly #firstByBlock: Int32Array
  /** By pattern: 1 + index of the next pattern of the same hash. */
  readonly #next: Int32Array
  /** The last and the first 4 bytes of each window: most candidates are refused on these. */
  readonly #lastBlocks: Int32Array
  readonly #firstBlocks: Int32Array

  constructor(patterns: readonly Pattern[]) {
    const shortest = patterns.reduce((min, { bytes }) => Math.min(min, bytes.length), WINDOW_BYTES_MAX)
    this.#patterns = new PackedPatterns(patterns)
    this.#windowBytes = shortest
    this.#hasLongBlocks = shortest >= LONG_BYTES_MIN
    const blockBytes = this.#hasLongBlocks ? 4 : 2
    const blocksPerWindow = shortest - blockBytes + 1
    const blocks = patterns.length * blocksPerWindow
    const hashBits = this.#hasLongBlocks ? Math.min(18, Math.max(12, Math.ceil(Math.log2(blocks * 8)))) : 16
    this.#hashShift = 32 - hashBits
    this.#moves = new Uint8Array(2 ** hashBits).fill(blocksPerWindow)
    this.#fineHashes = new Uint8Array(2 ** hashBits)
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
        if (move === 0) this.#moves[hash] = CANDIDATE
        else if (move < (this.#moves[hash] ?? 0) && this.#moves[hash] !== CANDIDATE) this.#moves[hash] = move
      }
      const lastBlock = readBlock(bytes, start + blocksPerWindow - 1, blockBytes)
      const hash = this.#hash(lastBlock)
      this.#fineHashes[hash] = (this.#fineHashes[hash] ?? 0) | this.#fineHash(lastBlock)
      this.#next[index] = this.#firstByBlock[hash] ?? 0
      this.#firstByBlock[hash] = index + 1
      this.#lastBlocks[index] = lastBlock
      this.#firstBlocks[index] = readBlock(bytes, start, blockBytes)
    })
  }

  #hash(block: number): number {
    // 2-byte blocks index the table directly.
    return this.#hasLongBlocks ? Math.imul(block, HASH_FACTOR) >>> this.#hashShift : block
  }

  /** One of 8 bits, chosen by the three bits of the product below those of the hash. */
  #fineHash(block: number): number {
    return 1 << ((Math.imul(block, HASH_FACTOR) >>> (this.#hashShift - 3)) & 7)
  }

  find(text: Uint8Array, offset: number, matches: Match[]): void {
    if (text.length < this.#windowBytes) return
    if (this.#hasLongBlocks) this.#findByLongBlocks(text, offset, matches)
    else this.#findByShortBlocks(text, offset, matches)
  }

  #findByLongBlocks(text: Uint8Array, offset: number, matches: Match[]): void {
    const view = new DataView(text.buffer, text.byteOffset, text.byteLength)
    const first = this.#windowBytes - 4
    const end = text.length - 3
    const quarter = (end - first) >> 2
    const end0 = first + quarter
    const end1 = end0 + quarter
    const end2 = end1 + quarter
    let at0 = first
    let at1 = end0
    let at2 = end1
    let at3 = end2
    // One cursor would wait for memory at each step; four, each in its quarter of the text, wait together.
    const moves = this.#moves
    const hashShift = this.#hashShift
    while (at0 < end0 && at1 < end1 && at2 < end2 && at3 < end) {
      const hash0 = Math.imul(view.getInt32(at0, true), HASH_FACTOR) >>> hashShift
      const hash1 = Math.imul(view.getInt32(at1, true), HASH_FACTOR) >>> hashShift
      const hash2 = Math.imul(view.getInt32(at2, true), HASH_FACTOR) >>> hashShift
      const hash3 = Math.imul(view.getInt32(at3, true), HASH_FACTOR) >>> hashShift
      // The hash has as many bits as the table has entries.
      const move0 = moves[hash0] as number
      const move1 = moves[hash1] as number
      const move2 = moves[hash2] as number
      const move3 = moves[hash3] as number
      if ((move0 | move1 | move2 | move3) > MOVE) {
        if (move0 === CANDIDATE) this.#compareAt(text, view, at0, hash0, offset, matches)
        if (move1 === CANDIDATE) this.#compareAt(text, view, at1, hash1, offset, matches)
        if (move2 === CANDIDATE) this.#compareAt(text, view, at2, hash2, offset, matches)
        if (move3 === CANDIDATE) this.#compareAt(text, view, at3, hash3, offset, matches)
      }
      at0 += move0 & MOVE
      at1 += move1 & MOVE
      at2 += move2 & MOVE
      at3 += move3 & MOVE
    }
    this.#finish(text, view, at0, end0, offset, matches)
    this.#finish(text, view, at1, end1, offset, matches)
    this.#finish(text, view, at2, end2, offset, matches)
    this.#finish(text, view, at3, end, offset, matches)
  }

  #finish(
    text: Uint8Array,
    view: DataView,
    from: number,
    end: number,
    offset: number,
    matches: Match[],
  ): void {
    const moves = this.#moves
    const hashShift = this.#hashShift
    let at = from
    while (at < end) {
      const hash = Math.imul(view.getInt32(at, true), HASH_FACTOR) >>> hashShift
      const move = moves[hash] as number
      if (move === CANDIDATE) this.#compareAt(text, view, at, hash, offset, matches)
      at += move & MOVE
    }
  }

  #compareAt(
    text: Uint8Array,
    view: DataView,
    at: number,
    hash: number,
    offset: number,
    matches: Match[],
  ): void {
    const lastBlock = view.getInt32(at, true)
    if (((this.#fineHashes[hash] ?? 0) & this.#fineHash(lastBlock)) === 0) return
    const windowStart = at + 4 - this.#windowBytes
    const firstBlock = view.getInt32(windowStart, true)
    this.#compare(text, windowStart, lastBlock, firstBlock, hash, offset, matches)
  }

  #findByShortBlocks(text: Uint8Array, offset: number, matches: Match[]): void {
    const moves = this.#moves
    const last = text.length - 2
    let at = this.#windowBytes - 2
    while (at <= last) {
      // Both positions are inside the text, and a 2-byte block is below the table's 65,536 entries.
      const block = (text[at] as number) | ((text[at + 1] as number) << 8)
      const move = moves[block] as number
      if (move === CANDIDATE) {
        const windowStart = at + 2 - this.#windowBytes
        this.#compare(text, windowStart, block, readBlock(text, windowStart, 2), block, offset, matches)
      }
      at += move & MOVE
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
      const start = windowStart - (this.#windowStarts[index] ?? 0)
      const length = this.#patterns.lengthOf(index)
      if (start < 0 || start + length > text.length || !this.#patterns.isAt(text, start, index, length))
        continue
      const owner = this.#patterns.owners[index] ?? 0
      const isBounded = this.#patterns.bounded[index] === 1
      matches.push({ start: start + offset, end: start + length + offset, owner, isBounded })
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
    const hash = Math.imul(readBlock(text, at, 4), HASH_FACTOR) >>> 16
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
