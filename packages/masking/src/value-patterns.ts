/**
 * Decides which byte strings stand for one secret.
 *
 *   value ── trimmed ── raw (with word boundaries when short) + encoded forms
 *     ├─ several lines: CRLF form, each line, lines joined by nothing and by one space
 *     ├─ JSON object or array: each string leaf, as a value of its own
 *     ├─ lines such as `KEY=VALUE` and `key: value`: what is behind the name, as a value of its own
 *     └─ URL with userinfo: the password alone, as written and decoded, and base64 of user:password
 *
 * What must never become a pattern: `{`, `-----BEGIN …-----`, comments, lines under 8 bytes, ordinary words.
 */

import { decodeUtf8, encodedForms } from './encoded-forms.ts'
import { isOrdinaryWord } from './ordinary-words.ts'

/** Bytes that stand for a secret; `isBounded` ones count only between characters that are not of a word. */
export interface ValuePattern {
  readonly bytes: Uint8Array
  readonly isBounded: boolean
}

/** Fewer characters than this are never masked. */
export const CHARACTERS_MIN = 4
/** From this length on, a value is masked wherever it stands, and a derived form is worth a pattern. */
export const UNBOUNDED_BYTES_MIN = 8
/** A user name alone in a URL counts as a token (`https://TOKEN@host`) from this length on. */
const USERINFO_TOKEN_MIN = 16
/**
 * Up to this size a value is masked in its encoded forms too, and up to the next in forms that lines of it take.
 * Compiling grows with the number of patterns: a file of 1 MiB in all forms would take a minute.
 */
const ENCODED_BYTES_MAX = 4 * 1024
const REWRAPPED_BYTES_MAX = 32 * 1024
/** JSON in a string in JSON in a string: deeper is not looked into. */
const NESTING_MAX = 3

const encoder = new TextEncoder()

/** Says why a value is left visible; undefined when it is masked. Cheap: no patterns are made. */
export function whyUnmasked(value: Uint8Array): 'too-short' | 'ordinary-word' | undefined {
  const bytes = trim(value)
  const text = decodeUtf8(bytes)
  if ((text === undefined ? bytes.length : [...text].length) < CHARACTERS_MIN) return 'too-short'
  return text !== undefined && isOrdinaryWord(text) ? 'ordinary-word' : undefined
}

/**
 * Lists the patterns of one value.
 * @param options.force masks an ordinary word too (between word boundaries); under 4 characters stays unmasked.
 * @returns the patterns, or the reason why this value is not masked.
 */
export function valuePatterns(
  value: Uint8Array,
  options: { force?: boolean; utf16?: boolean } = {},
): ValuePattern[] | 'too-short' | 'ordinary-word' {
  const bytes = trim(value)
  const reason = whyUnmasked(value)
  if (reason === 'too-short' || (reason === 'ordinary-word' && !options.force)) return reason

  const patterns: ValuePattern[] = []
  if (reason === 'ordinary-word') patterns.push({ bytes, isBounded: true })
  else addValue(patterns, bytes, options.utf16 ?? false, 0)
  return patterns
}

function addValue(patterns: ValuePattern[], bytes: Uint8Array, utf16: boolean, nesting: number): void {
  patterns.push({ bytes, isBounded: bytes.length < UNBOUNDED_BYTES_MIN })
  const isEncoded = bytes.length <= ENCODED_BYTES_MAX
  if (isEncoded) addLong(patterns, encodedForms(bytes, { utf16 }))
  const text = bytes.length <= REWRAPPED_BYTES_MAX ? decodeUtf8(bytes) : undefined
  if (text === undefined) return

  const parsed = parseJsonContainer(text)
  if (text.includes('\n')) {
    const unix = text.replaceAll('\r\n', '\n')
    // A terminal turns "\n" into "\r\n"; a file from Windows loses its "\r" on the way.
    addLong(patterns, [encoder.encode(unix), encoder.encode(unix.replaceAll('\n', '\r\n'))])
    if (unix !== text && isEncoded) addLong(patterns, encodedForms(encoder.encode(unix), { utf16 }))
    addLines(patterns, unix, parsed === undefined, utf16)
  }
  if (parsed !== undefined && nesting < NESTING_MAX) addLeaves(patterns, parsed, utf16, nesting)
  addUserinfo(patterns, text, utf16, nesting)
}

function addLong(patterns: ValuePattern[], forms: readonly Uint8Array[]): void {
  for (const bytes of forms) {
    if (bytes.length >= UNBOUNDED_BYTES_MIN) patterns.push({ bytes, isBounded: false })
  }
}

const PEM_MARK = /^-----(?:BEGIN|END) [A-Z0-9 ]+-----$/
const PEM_HEADER = /^(?:Proc-Type|DEK-Info|Version|Comment): /
const COMMENT = /^(?:#|\/\/|--)(?:\s|$)/
/** Of `.env`, INI, `.npmrc`, `.netrc` and simple YAML. */
const ASSIGNED = /^(?:export\s+)?(?:[\w.:/@-]*[\w-](?:\s*=|:\s)|password\s)\s*(\S.*)$/
/** Shorter ones are ports, names and switches. */
const ASSIGNED_MIN = 16
const NO_CONTENT = /^[^\p{L}\p{N}]*$/u

function addLines(patterns: ValuePattern[], text: string, eachLine: boolean, utf16: boolean): void {
  const lines = text.split('\n').map((line) => line.trim())
  const content = lines.filter((line) => !PEM_MARK.test(line) && !PEM_HEADER.test(line))
  for (const joined of [content.join(''), content.join(' ')]) {
    addLong(patterns, [encoder.encode(joined)])
  }
  if (!eachLine) return // The lines of JSON are mostly keys and punctuation; its leaves are masked instead.
  for (const line of content) {
    const assigned = ASSIGNED.exec(line)?.[1]?.replace(/^(["'])(.*)\1$/, '$2')
    if (assigned !== undefined && assigned.length >= ASSIGNED_MIN && !isPublicLeaf(assigned))
      addLong(patterns, [encoder.encode(assigned), ...encodedForms(encoder.encode(assigned), { utf16 })])
    if (!COMMENT.test(line) && !NO_CONTENT.test(line) && !isOrdinaryWord(line)) {
      addLong(patterns, [encoder.encode(line)])
    }
  }
}

function parseJsonContainer(text: string): object | undefined {
  if (!/^\s*[[{]/.test(text)) return undefined
  try {
    const parsed: unknown = JSON.parse(text)
    return typeof parsed === 'object' && parsed !== null ? parsed : undefined
  } catch {
    return undefined // Not JSON. The error quotes its input, so it goes no further.
  }
}

function addLeaves(patterns: ValuePattern[], parsed: object, utf16: boolean, nesting: number): void {
  // A list, not recursion: a deeply nested value must not overflow the stack.
  const open: object[] = [parsed]
  for (let container = open.pop(); container !== undefined; container = open.pop()) {
    for (const item of Object.values(container) as unknown[]) {
      if (typeof item === 'object' && item !== null) open.push(item)
      if (typeof item !== 'string') continue
      const leaf = trim(encoder.encode(item))
      if (leaf.length >= UNBOUNDED_BYTES_MIN && !isPublicLeaf(item.trim())) {
        addValue(patterns, leaf, utf16, nesting + 1)
      }
    }
  }
}

/** `https://oauth2.googleapis.com/token`: an address made of words, without credentials, query or identifiers. */
const PUBLIC_ADDRESS =
  /^https?:\/\/[a-z0-9.-]+(?::\d+)?(?:\/[a-z]{0,20}\d{0,2}(?:[._-][a-z]{1,20}\d{0,2})*)*$/i

function isPublicLeaf(text: string): boolean {
  return isOrdinaryWord(text) || PUBLIC_ADDRESS.test(text) || new Set(text).size < 4
}

function addUserinfo(patterns: ValuePattern[], text: string, utf16: boolean, nesting: number): void {
  const afterScheme = /^[a-z][a-z0-9+.-]*:\/\/(\S+)$/i.exec(text)?.[1]
  if (afterScheme === undefined) return
  const authority = /^[^/?#]*/.exec(afterScheme)?.[0] ?? ''
  // An unencoded "/" or "#" in a password moves the "@" out of the authority; the last "@" is the best guess then.
  const end = authority.includes('@') ? authority.lastIndexOf('@') : afterScheme.lastIndexOf('@')
  if (end < 1) return
  const userinfo = afterScheme.slice(0, end)
  const colon = userinfo.indexOf(':')
  const user = colon < 0 ? '' : userinfo.slice(0, colon)
  const password = userinfo.slice(colon + 1)
  const lengthMin = colon < 0 ? USERINFO_TOKEN_MIN : CHARACTERS_MIN
  for (const form of new Set([password, decodePercent(password)])) {
    if ([...form].length < lengthMin || isOrdinaryWord(form)) continue
    const bytes = encoder.encode(form)
    if (nesting < NESTING_MAX) addValue(patterns, bytes, utf16, nesting + 1)
  }
  if (colon < 0 || password === '') return
  const basic = Buffer.from(`${decodePercent(user)}:${decodePercent(password)}`).toString('base64')
  addLong(patterns, [encoder.encode(basic)])
}

function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text // A "%" that is no escape: the text is what it is.
  }
}

function trim(bytes: Uint8Array): Uint8Array {
  let start = 0
  let end = bytes.length
  while (start < end && isBlank(bytes[start])) start++
  while (end > start && isBlank(bytes[end - 1])) end--
  return bytes.subarray(start, end)
}

function isBlank(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d
}
