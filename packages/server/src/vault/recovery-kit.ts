import { hash } from 'node:crypto'
import { deriveRootKey } from './root-key.ts'

/*
 * A recovery kit: the root key as text for paper.
 *
 *   fingerprint  3f9a-81c2-77d0-5e1b
 *     1  7Q4M-2VXK-9T0B-HC3D         four lines of eight bytes of the key and two bytes of a checksum of them and of the
 *     2  …                           number of the line, so that a typing error is found in its line
 *
 * Digits are those of Crockford's base 32 (https://www.crockford.com/base32.html): no I, L, O and U, which are read as 1,
 * 1 and 0 where somebody wrote them.
 */

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const LINES = 4
const KEY_BYTES = 8
const CHECK_BYTES = 2

/** A kit that cannot be read. The message names the line and never quotes it. */
export class RecoveryKitError extends Error {}

/** What stands on a kit besides the key. */
export interface KitHeading {
  readonly instance: string
  readonly madeAt: Date
}

/** Writes the kit of a root key of 32 bytes. */
export function formatRecoveryKit(key: Uint8Array, { instance, madeAt }: KitHeading): string {
  const lines = kitLines(key).map((line, i) => `    ${i + 1}   ${line}`)
  return `KEYHOLD RECOVERY KIT

    instance      ${instance}
    made          ${madeAt.toISOString().slice(0, 10)}
    fingerprint   ${deriveRootKey(Buffer.from(key)).fingerprint}

${lines.join('\n')}

    Whoever has this and a copy of the database, or a backup, can read everything that is stored. Keep it on paper,
    apart from both. Without a root key or its kit nobody can read anything.

    On an empty machine:     keyhold admin restore BACKUP --recovery-kit
    When root.key is lost:   keyhold admin recovery-kit use
`
}

/** The lines of a kit, from which somebody types one back. */
export function kitLines(key: Uint8Array): string[] {
  return Array.from({ length: LINES }, (_, i) => {
    const part = key.subarray(i * KEY_BYTES, (i + 1) * KEY_BYTES)
    const digits = toBase32(Buffer.concat([part, checksum(i, part)]))
    return digits.replace(/(.{4})(?=.)/g, '$1-')
  })
}

/** Whether `text` is how a line of a kit may look, with or without its number. */
export function isKitLine(text: string): boolean {
  return LINE.test(text.trim())
}

const LINE = /^(?:([1-4])[.:)]?[ \t]+)?((?:[0-9A-Za-z]{4}[- ]?){3}[0-9A-Za-z]{4})$/

/** Reads one line of a kit. @param number from 1. @throws RecoveryKitError */
export function parseKitLine(text: string, number: number): Buffer {
  const bytes = fromBase32(LINE.exec(text.trim())?.[2] ?? '')
  const part = bytes?.subarray(0, KEY_BYTES)
  if (!bytes || !part || !checksum(number - 1, part).equals(bytes.subarray(KEY_BYTES)))
    throw new RecoveryKitError(`line ${number} of the recovery kit is not right: compare it with the paper`)
  return part
}

/**
 * Reads a kit: the whole text, or its four lines alone, with or without their numbers.
 * @returns the root key. @throws RecoveryKitError that names the line.
 */
export function parseRecoveryKit(text: string): Buffer {
  const lines = text.split(/\r?\n/)
  const typed = lines.filter(isKitLine)
  const parts = Array.from({ length: LINES }, (_, i) => {
    const numbered = typed.find((line) => LINE.exec(line.trim())?.[1] === String(i + 1))
    const line = numbered ?? typed[i]
    if (line === undefined) throw new RecoveryKitError(`line ${i + 1} of the recovery kit is missing`)
    return parseKitLine(line, i + 1)
  })
  const key = Buffer.concat(parts)
  const named = /fingerprint\s+([0-9a-f]{4}(?:-[0-9a-f]{4}){3})/i.exec(text)?.[1]
  if (named !== undefined && named.toLowerCase() !== deriveRootKey(key).fingerprint)
    throw new RecoveryKitError('the recovery kit is put together from two: its fingerprint is of another one')
  return key
}

function checksum(index: number, part: Uint8Array): Buffer {
  const bytes = Buffer.concat([Buffer.from(`keyhold/v1/recovery-kit/${index}/`), part])
  return hash('sha256', bytes, 'buffer').subarray(0, CHECK_BYTES)
}

function toBase32(bytes: Buffer): string {
  let number = BigInt(`0x${bytes.toString('hex')}`)
  let text = ''
  for (let bits = bytes.length * 8; bits > 0; bits -= 5) {
    text = ALPHABET[Number(number & 31n)] + text
    number >>= 5n
  }
  return text
}

/** @returns undefined when a character is no digit. */
function fromBase32(text: string): Buffer | undefined {
  const digits = text.toUpperCase().replace(/[- ]/g, '').replace(/O/g, '0').replace(/[IL]/g, '1')
  if (digits.length !== ((KEY_BYTES + CHECK_BYTES) * 8) / 5) return undefined
  let number = 0n
  for (const digit of digits) {
    const value = ALPHABET.indexOf(digit)
    if (value < 0) return undefined
    number = (number << 5n) | BigInt(value)
  }
  return Buffer.from(number.toString(16).padStart((KEY_BYTES + CHECK_BYTES) * 2, '0'), 'hex')
}
