/**
 * Masks one byte stream as it passes.
 *
 *   chunk 1   … log text s k _ l i          "sk_li" could begin a value: it is carried, all before it goes out
 *   chunk 2   v e _ 4 2 \n more text        carry + chunk 2 is the window: the value is whole, and is removed
 *
 * Invariants:
 *  - A byte goes out only when no pattern that covers it can still be completed, except through a timer.
 *  - What comes out does not depend on how the stream was cut into chunks.
 *  - Bytes a timer released stay in the carry, so a value of which they are the beginning still loses its rest.
 *  - Nothing that was emitted is written to again, and no buffer is shared with another stream.
 */

import { isLineBreak } from './encoded-blocks.ts'
import { type Match, type PatternSet, SEGMENT_BYTES } from './pattern-set.ts'
import { TEXT_BYTES } from './simd-scanner.ts'
import { castShadow, needsShadow, runAtEnd, type Shadow } from './terminal-shadow.ts'

const NOTHING = new Uint8Array(0)
/** Below this, joining carry and chunk is cheaper than searching their seam apart. */
const JOINED_CHUNK_BYTES_MAX = 4096
/** A beginning of a value with this many bytes of escape sequences inside is given up on. */
const CARRY_BYTES_MAX = 16_384
/** The first timer releases what is shorter than this; a beginning of 3 bytes gives nothing away. */
const SHORT_HOLD_BYTES = 4

/** Where a window's bytes come from: positions count through `carry`, then through `chunk`. */
interface Window {
  readonly carry: Uint8Array
  readonly chunk: Uint8Array
}

/** State of one byte stream. Made by `Masker.stream()`. */
export class MaskingStream {
  readonly #patterns: PatternSet
  readonly #labels: readonly Uint8Array[]
  /** Bytes that were received and are still needed, mostly because they could begin a value. */
  #carry: Uint8Array = NOTHING
  /** How many bytes of the carry a timer has already sent out. */
  #released = 0
  /** Ranges of the carry known to belong to values. */
  #known: Match[] = []
  /** Whether the last byte that was accounted for was removed: what touches it needs no label of its own. */
  #isInsideMask = false
  /** The last visible byte before the carry, -1 at the beginning of the stream. */
  #byteBefore = -1
  #runBeforeCarry = 0
  #runAtEnd = 0
  #isCarryShadowed = false

  constructor(patterns: PatternSet, labels: readonly Uint8Array[]) {
    this.#patterns = patterns
    this.#labels = labels
  }

  /** Whether bytes are held back that a timer might release. */
  get isHolding(): boolean {
    return this.#released < this.#carry.length
  }

  /** Whether a value may have begun, shown in part or not, that the next bytes go on with. */
  get isAmidValue(): boolean {
    return this.#carry.length > 0
  }

  /**
   * Takes the next bytes of the stream.
   * @returns what may go out now, as views of `chunk` where possible: do not reuse its memory before that is written.
   */
  write(chunk: Uint8Array): Uint8Array[] {
    if (chunk.length === 0) return []
    if (this.#patterns.size === 0) return [chunk]
    if (chunk.length <= TEXT_BYTES) return this.#advance(chunk, false)
    const pieces: Uint8Array[] = []
    for (let at = 0; at < chunk.length; at += TEXT_BYTES) {
      pieces.push(...this.#advance(chunk.subarray(at, at + TEXT_BYTES), false))
    }
    return pieces
  }

  /** Ends the stream. @returns what was held back and belongs to no value. */
  end(): Uint8Array[] {
    const pieces = this.#advance(NOTHING, true)
    this.#isInsideMask = false
    this.#byteBefore = -1
    this.#runBeforeCarry = 0
    this.#runAtEnd = 0
    return pieces
  }

  /** For terminals, after 20 ms without output: shows what is held back if it is under 4 bytes of text. */
  releaseShort(): Uint8Array[] {
    if (!this.isHolding) return []
    const held = this.#heldText()
    return held.bytes.length < SHORT_HOLD_BYTES ? this.#release(this.#carry.length) : []
  }

  /**
   * For terminals, after 250 ms without output: shows what is held back, up to where half or more of a value
   * would be seen. That part waits for more output or the end.
   */
  releaseLong(): Uint8Array[] {
    if (!this.isHolding) return []
    const { bytes, origins } = this.#heldText()
    for (let at = 0; at < bytes.length; at++) {
      const length = bytes.length - at
      if (length < SHORT_HOLD_BYTES) break
      const shortest = this.#patterns.shortestFrom(bytes, at)
      if (shortest > 0 && length * 2 >= shortest) return this.#release(origins?.[at] ?? at)
    }
    return this.#release(this.#carry.length)
  }

  /** The carry as text: its shadow if it has one. */
  #heldText(): { bytes: Uint8Array; origins?: Int32Array } {
    return this.#isCarryShadowed ? castShadow(this.#carry, this.#runBeforeCarry) : { bytes: this.#carry }
  }

  #release(to: number): Uint8Array[] {
    const pieces: Uint8Array[] = []
    if (to > this.#released) {
      this.#emit(
        pieces,
        { carry: NOTHING, chunk: this.#carry },
        this.#released,
        to,
        mergeTouching(this.#known),
      )
      this.#released = to
    }
    return pieces
  }

  #advance(chunk: Uint8Array, isEnd: boolean): Uint8Array[] {
    const isShadowed = this.#isCarryShadowed || needsShadow(chunk, this.#runAtEnd, this.#patterns.scanner)
    const isJoined = isShadowed || chunk.length <= JOINED_CHUNK_BYTES_MAX
    const window: Window =
      this.#carry.length > 0 && isJoined
        ? { carry: NOTHING, chunk: Buffer.concat([this.#carry, chunk]) }
        : { carry: this.#carry, chunk }
    const total = window.carry.length + window.chunk.length

    const matches = this.#known
    this.#findIn(window, total, isEnd, matches)
    let hold = isEnd ? total : window.carry.length + this.#patterns.heldFrom(window.chunk)
    let byteBeforeHold = byteAt(window, hold - 1) ?? this.#byteBefore
    let runBeforeHold = 0
    if (isShadowed) {
      const shadow = castShadow(window.chunk, this.#runBeforeCarry)
      this.#findInShadow(window.chunk, shadow, isEnd, matches)
      if (!isEnd) hold = Math.min(hold, this.#shadowHold(shadow, total))
      const next = shadowIndexAt(shadow, hold)
      byteBeforeHold = this.#visibleBefore(window.chunk, shadow, next, hold)
      runBeforeHold = shadow.runs[next] ?? 0
      this.#runAtEnd = shadow.runs[shadow.bytes.length] ?? 0
    } else {
      const sinceCarry = hold < window.carry.length ? window.carry.subarray(0, hold) : window.carry
      const runBeforeChunk = runAtEnd(sinceCarry, this.#runBeforeCarry)
      const inChunk = window.chunk.subarray(0, Math.max(0, hold - window.carry.length))
      runBeforeHold = runAtEnd(inChunk, runBeforeChunk)
      this.#runAtEnd = runAtEnd(window.chunk.subarray(inChunk.length), runBeforeHold)
    }

    const regions = mergeTouching(matches)
    const pieces: Uint8Array[] = []
    const shown = Math.max(this.#released, hold)
    this.#emit(pieces, window, this.#released, shown, regions)

    this.#byteBefore = byteBeforeHold
    this.#runBeforeCarry = runBeforeHold
    this.#released = shown - hold
    this.#known = regions.filter((region) => region.end > hold)
    for (const region of this.#known) {
      region.start -= hold
      region.end -= hold
    }
    // A copy: the chunk's memory belongs to the caller, and a view would keep all of it alive. (Buffer's own slice
    // makes a view.)
    this.#carry = hold < total ? Uint8Array.from(window.chunk.subarray(hold - window.carry.length)) : NOTHING
    this.#isCarryShadowed = isShadowed && hold < total
    return pieces
  }

  #findIn(window: Window, total: number, isEnd: boolean, matches: Match[]): void {
    const { carry, chunk } = window
    const first = matches.length
    if (carry.length > 0) {
      const seam = Buffer.concat([carry, chunk.subarray(0, SEGMENT_BYTES)])
      this.#patterns.find(seam, 0, matches)
    }
    this.#patterns.find(chunk, carry.length, matches)
    keepFrom(matches, first, (match) => {
      if (!match.isBounded) return true
      if (match.end === total && !isEnd) return false // The byte that decides has not come yet.
      const before = match.start === 0 ? this.#byteBefore : byteAt(window, match.start - 1)
      return (
        isBoundary(before, byteAt(window, match.start)) &&
        isBoundary(byteAt(window, match.end), byteAt(window, match.end - 1))
      )
    })
  }

  #findInShadow(window: Uint8Array, shadow: Shadow, isEnd: boolean, matches: Match[]): void {
    const { bytes, origins } = shadow
    const found: Match[] = []
    this.#patterns.find(bytes, 0, found)
    for (const match of found) {
      if (match.isBounded && !this.#isBoundedInShadow(window, shadow, match, isEnd)) continue
      // One match for each stretch of the window without anything left out.
      let start = origins[match.start] ?? 0
      let owner = match.owner
      for (let index = match.start + 1; index <= match.end; index++) {
        const previous = origins[index - 1] ?? 0
        if (index < match.end && origins[index] === previous + 1) continue
        matches.push({ start, end: previous + 1, owner, isBounded: match.isBounded })
        start = origins[index] ?? 0
        owner = NO_LABEL
      }
    }
  }

  #isBoundedInShadow(window: Uint8Array, shadow: Shadow, match: Match, isEnd: boolean): boolean {
    const { bytes, origins } = shadow
    if (match.end === bytes.length && !isEnd) return false
    const before = this.#visibleBefore(window, shadow, match.start, origins[match.start] ?? 0)
    const after =
      match.end === bytes.length
        ? undefined
        : (lineBreakIn(window, origins[match.end - 1] ?? 0, origins[match.end] ?? 0) ?? bytes[match.end])
    return (
      lineBreakIn(window, origins[match.start] ?? 0, origins[match.end - 1] ?? 0) === undefined &&
      isBoundary(before, bytes[match.start]) &&
      isBoundary(after, bytes[match.end - 1])
    )
  }

  #shadowHold(shadow: Shadow, total: number): number {
    const { bytes, origins, completeTo } = shadow
    const from = this.#patterns.heldFrom(bytes)
    const hold = from < bytes.length ? (origins[from] ?? 0) : completeTo
    return total - hold > CARRY_BYTES_MAX ? total : hold
  }

  /** The visible byte before a shadow position: a line break if one was left out, skipping escape sequences. */
  #visibleBefore(window: Uint8Array, shadow: Shadow, index: number, position: number): number {
    const from = index > 0 ? (shadow.origins[index - 1] ?? 0) + 1 : 0
    const previous = index > 0 ? (shadow.bytes[index - 1] ?? 0) : this.#byteBefore
    return lineBreakIn(window, from, position) ?? previous
  }

  /** Sends out the window from `from` to `to` without the regions. */
  #emit(pieces: Uint8Array[], window: Window, from: number, to: number, regions: readonly Match[]): void {
    let at = from
    for (const region of regions) {
      if (region.end <= at) continue
      if (region.start >= to) break
      if (region.start > at) {
        addPieces(pieces, window, at, region.start)
        this.#isInsideMask = false
      }
      const label = this.#labels[region.owner]
      if (!this.#isInsideMask && label !== undefined) pieces.push(label)
      this.#isInsideMask = true
      at = Math.min(region.end, to)
    }
    if (at < to) {
      addPieces(pieces, window, at, to)
      this.#isInsideMask = false
    }
  }
}

/** Owner of the later parts of a value that escape sequences cut apart: the first part has the label. */
const NO_LABEL = -1

/** Joins ranges that overlap or touch. @returns new ranges by position; each has the owner of its first one. */
function mergeTouching(matches: readonly Match[]): Match[] {
  if (matches.length === 0) return []
  const sorted = matches.toSorted((a, b) => a.start - b.start || a.owner - b.owner)
  const regions: Match[] = []
  let last: Match | undefined
  for (const match of sorted) {
    if (last !== undefined && match.start <= last.end) {
      last.end = Math.max(last.end, match.end)
    } else {
      last = { ...match }
      regions.push(last)
    }
  }
  return regions
}

/** Removes the matches from `first` on that do not pass, in place. */
function keepFrom(matches: Match[], first: number, passes: (match: Match) => boolean): void {
  let kept = first
  for (let index = first; index < matches.length; index++) {
    const match = matches[index]
    if (match !== undefined && passes(match)) matches[kept++] = match
  }
  matches.length = kept
}

function byteAt({ carry, chunk }: Window, position: number): number | undefined {
  return position < carry.length ? carry[position] : chunk[position - carry.length]
}

function addPieces(pieces: Uint8Array[], { carry, chunk }: Window, from: number, to: number): void {
  if (from < carry.length) pieces.push(carry.subarray(from, Math.min(to, carry.length)))
  if (to > carry.length) pieces.push(chunk.subarray(Math.max(0, from - carry.length), to - carry.length))
}

/** Whether a word that ends with `inside` ends there. Outside the stream counts as no word. */
function isBoundary(outside: number | undefined, inside: number | undefined): boolean {
  return !(isWordByte(outside) && isWordByte(inside))
}

function isWordByte(byte: number | undefined): boolean {
  if (byte === undefined) return false
  return (
    (byte >= 0x30 && byte <= 0x39) ||
    (byte >= 0x41 && byte <= 0x5a) ||
    byte === 0x5f ||
    (byte >= 0x61 && byte <= 0x7a)
  )
}

function lineBreakIn(text: Uint8Array, from: number, to: number): number | undefined {
  for (let at = from; at < to; at++) {
    if (isLineBreak(text[at])) return text[at]
  }
  return undefined
}

/** Index of the first shadow byte at or after a position of the window. */
function shadowIndexAt({ bytes, origins }: Shadow, position: number): number {
  let low = 0
  let high = bytes.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((origins[middle] ?? 0) < position) low = middle + 1
    else high = middle
  }
  return low
}
