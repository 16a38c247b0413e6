/**
 * A text as the eye joins it: without escape sequences, and without the line breaks of wrapped output.
 *
 *   window   s k _ ESC[0m l i v e        …76 base64 characters \n 12 more
 *   shadow   s k _        l i v e        …76 base64 characters    12 more
 *
 * Only the shadow is searched for values; what was left out stays in the output, so colours and lines survive.
 * A line break counts as wrapping when 60 or more characters of base64, base64url or hex stand before it.
 */

import {
  type BlockScanner,
  ENCODING_CHARACTERS,
  hasWrappedLine,
  isLineBreak,
  WRAPPED_LINE_MIN,
} from './encoded-blocks.ts'

const ESC = 0x1b
const BEL = 0x07
/** A sequence that is longer, a clipboard or an image, is treated as text. */
const SEQUENCE_BYTES_MAX = 4096

export interface Shadow {
  readonly bytes: Uint8Array
  /** Position in the window of each shadow byte. */
  readonly origins: Int32Array
  /** Length of the run of encoding characters before each shadow byte, and at the end. At most 255. */
  readonly runs: Uint8Array
  /** Where the window stops inside an escape sequence; the window's length if it does not. */
  readonly completeTo: number
}

/** Makes the shadow of a window. @param runBefore length of the run of encoding characters before the window. */
export function castShadow(window: Uint8Array, runBefore: number): Shadow {
  const bytes = new Uint8Array(window.length)
  const origins = new Int32Array(window.length)
  const runs = new Uint8Array(window.length + 1)
  let length = 0
  let run = runBefore
  let at = 0
  let completeTo = window.length
  while (at < window.length) {
    const byte = window[at] ?? 0
    if (byte === ESC) {
      const end = sequenceEnd(window, at)
      if (end === undefined) {
        completeTo = at
        break
      }
      if (end > at) {
        at = end
        continue
      }
    }
    if (isLineBreak(byte) && run >= WRAPPED_LINE_MIN) {
      run = 0
      while (isLineBreak(window[at])) at++
      while (window[at] === 0x20 || window[at] === 0x09) at++
      continue
    }
    bytes[length] = byte
    origins[length] = at
    runs[length] = run
    length++
    run = ENCODING_CHARACTERS[byte] === 1 ? Math.min(255, run + 1) : 0
    at++
  }
  runs[length] = run
  return { bytes: bytes.subarray(0, length), origins, runs, completeTo }
}

/** Says whether a text has escape sequences, or lines that look wrapped. */
export function needsShadow(text: Uint8Array, runBefore: number, scanner?: BlockScanner): boolean {
  // Buffer's search is native; that of Uint8Array is 8 times slower.
  return asBuffer(text).includes(ESC) || hasWrappedLine(text, runBefore, scanner)
}

/** Length of the run of encoding characters at the end of a text. At most 255. */
export function runAtEnd(text: Uint8Array, runBefore: number): number {
  let run = 0
  while (run < text.length && run < 255 && ENCODING_CHARACTERS[text[text.length - 1 - run] ?? 0] === 1) run++
  return run === text.length ? Math.min(255, run + runBefore) : run
}

function asBuffer(text: Uint8Array): Buffer {
  return Buffer.isBuffer(text) ? text : Buffer.from(text.buffer, text.byteOffset, text.byteLength)
}

/**
 * Finds the end of the escape sequence at `start` (ECMA-48 5.3, 5.4, 5.6 and 8.3.89; xterm's OSC).
 * @returns the position after it, `start` if it is too long to be one, undefined if the text stops inside.
 */
function sequenceEnd(text: Uint8Array, start: number): number | undefined {
  const limit = Math.min(text.length, start + SEQUENCE_BYTES_MAX)
  const unfinished = limit === text.length && limit < start + SEQUENCE_BYTES_MAX ? undefined : start
  if (start + 1 >= limit) return unfinished
  const kind = text[start + 1] ?? 0
  let at = start + 2
  if (kind === 0x5b) {
    while (at < limit && isBetween(text[at], 0x20, 0x3f)) at++
    if (at >= limit) return unfinished
    return isBetween(text[at], 0x40, 0x7e) ? at + 1 : at // A broken sequence ends where it breaks.
  }
  if (kind === 0x5d || kind === 0x50 || kind === 0x58 || kind === 0x5e || kind === 0x5f) {
    for (; at < limit; at++) {
      if (text[at] === BEL && kind === 0x5d) return at + 1
      if (text[at] !== ESC) continue
      if (at + 1 >= limit) return unfinished
      return text[at + 1] === 0x5c ? at + 2 : at
    }
    return unfinished
  }
  at = start + 1
  while (at < limit && isBetween(text[at], 0x20, 0x2f)) at++
  if (at >= limit) return unfinished
  return isBetween(text[at], 0x30, 0x7e) ? at + 1 : at
}

function isBetween(byte: number | undefined, low: number, high: number): boolean {
  return byte !== undefined && byte >= low && byte <= high
}
