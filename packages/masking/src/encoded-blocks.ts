/**
 * Finds line breaks that wrap encoded text: 60 or more characters of base64, base64url or hex stand before them.
 *
 * A run of 60 characters has at least one block of 16 that begins at a multiple of 45. Only those blocks are looked at;
 * most of a log is never read.
 */

/** The same search with SIMD. */
export interface BlockScanner {
  addressOf(text: Uint8Array): number | undefined
  findEncoded(from: number, end: number): number
}

/** `xxd -p` wraps at 60, `openssl base64` and PEM at 64, MIME and `base64` at 76. */
export const WRAPPED_LINE_MIN = 60
export const BLOCK_BYTES = 16
export const STRIDE_BYTES = WRAPPED_LINE_MIN - BLOCK_BYTES + 1
/** A run around a block has half of its other characters on one side of it, or more. */
export const SIDE_BYTES = (WRAPPED_LINE_MIN - BLOCK_BYTES) / 2

/** By byte: 1 for what base64, base64url and hex are written with. */
export const ENCODING_CHARACTERS = new Uint8Array(256)
for (const char of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_-') {
  ENCODING_CHARACTERS[char.charCodeAt(0)] = 1
}

const LF = 0x0a
const CR = 0x0d

export function isLineBreak(byte: number | undefined): boolean {
  return byte === LF || byte === CR
}

/** @param runBefore length of the run of encoding characters before the text. */
export function hasWrappedLine(text: Uint8Array, runBefore: number, scanner?: BlockScanner): boolean {
  const first = runEnd(text, 0)
  if (first < text.length && runBefore + first >= WRAPPED_LINE_MIN && isLineBreak(text[first])) return true
  const address = scanner?.addressOf(text)
  return scanner === undefined || address === undefined
    ? hasLineByScript(text, first)
    : hasLineBySimd(text, first, scanner, address)
}

function hasLineBySimd(text: Uint8Array, from: number, scanner: BlockScanner, address: number): boolean {
  const end = text.length - BLOCK_BYTES + 1
  let at = from
  while (at < end) {
    at = scanner.findEncoded(address + at, address + end) - address
    if (at < 0) return false
    const after = runEnd(text, at)
    if (isLineBreak(text[after])) {
      let start = at
      while (start > 0 && ENCODING_CHARACTERS[text[start - 1] as number] === 1) start--
      if (after - start >= WRAPPED_LINE_MIN) return true
    }
    at = after
  }
  return false
}

function hasLineByScript(text: Uint8Array, from: number): boolean {
  // As in Boyer and Moore's search, a run is looked for where its 60th character would stand, and read backwards.
  let at = from + WRAPPED_LINE_MIN
  while (at < text.length) {
    const before = at - WRAPPED_LINE_MIN
    let start = at
    // `start` is between 0 and the end of the text, and the table has an entry for each byte.
    while (start > before && ENCODING_CHARACTERS[text[start] as number] === 1) start--
    if (start > before) {
      at = start + WRAPPED_LINE_MIN
      continue
    }
    const end = runEnd(text, at)
    if (isLineBreak(text[end])) return true
    at = end + WRAPPED_LINE_MIN
  }
  return false
}

function runEnd(text: Uint8Array, from: number): number {
  let end = from
  while (end < text.length && ENCODING_CHARACTERS[text[end] as number] === 1) end++
  return end
}
