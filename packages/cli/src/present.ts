import { writeSync } from 'node:fs'
import { Failure, usageFailure } from './failure.ts'
import type { Terminal } from './terminal.ts'

/** Shows a time of the API, in UTC, to the minute. */
export function shownTime(time: string): string {
  return time.slice(0, 16).replace('T', ' ')
}

export const shownTimeOr = (time: string | null, otherwise: string): string =>
  time === null ? otherwise : shownTime(time)

/**
 * Reads a time that a person typed: `30d` or `12h` from now, a date, or a date with a time.
 *
 * @param direction of `30d`: 1 is the future, -1 the past
 * @throws Failure with the usage exit code
 */
export function parsedTime(text: string, option: string, direction: 1 | -1, nowMs = Date.now()): string {
  const span = /^(\d{1,5})([mhd])$/.exec(text)
  if (span !== null) {
    const [, count = '', unit = ''] = span
    const unitMs = { m: 60_000, h: 3_600_000, d: 86_400_000 }[unit as 'm' | 'h' | 'd'] // `as`: the pattern allows no other.
    return new Date(nowMs + direction * Number(count) * unitMs).toISOString()
  }
  const day = /^(\d{4}-\d{2}-\d{2})([T ](\d{2}:\d{2}(:\d{2})?(\.\d{1,3})?)(Z|[+-]\d{2}:\d{2})?)?$/.exec(text)
  if (day !== null) {
    // Without a zone it is UTC, as everything that is printed.
    const at = new Date(`${day[1]}T${day[3] ?? '00:00'}${day[6] ?? 'Z'}`)
    // Date rolls the 31st of February over to March; what was typed must be what is meant.
    const midnight = new Date(`${day[1]}T00:00Z`)
    const isReal = !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(day[1] ?? '')
    if (isReal && !Number.isNaN(at.getTime())) return at.toISOString()
  }
  throw usageFailure(`--${option} is not a time`, 'write 30d or 12h, 2026-12-31, or 2026-12-31T18:00 (UTC)')
}

/** Prints bytes as they are, for a pipe or a file. */
export function writeBytes(bytes: Uint8Array): void {
  let rest = bytes
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest))
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : ''
      if (code === 'EAGAIN') {
        // A parent left its end non-blocking.
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
        continue
      }
      throw new Failure(`standard output cannot be written (${String(code)})`)
    }
  }
}

/** Asks for yes or no unless that was given. @throws Failure when the answer is no. */
export function confirmed(terminal: Terminal, isGiven: boolean, question: string): void {
  if (!isGiven && !terminal.confirm(question, '--yes')) throw new Failure('nothing was changed')
}

/**
 * Makes the person type the name of what is about to go.
 *
 * @param given what `--confirm` says, in place of asking
 * @throws Failure when something else was typed
 */
export function confirmTyped(
  terminal: Terminal,
  given: string | undefined,
  expected: string,
  consequence: string,
): void {
  if (given === undefined) terminal.note(consequence)
  const typed = given ?? terminal.ask(`type ${expected} to confirm:`)
  if (typed !== expected) throw new Failure(`what was typed is not ${expected}; nothing was changed`)
}

export const yesOption = { type: 'boolean', short: 'y', summary: 'do not ask' } as const

/** Says that a list is empty, and how to change that. The list itself stays empty. */
export function sayEmpty(terminal: Terminal, what: string, ...next: string[]): void {
  terminal.note(what)
  for (const hint of next) terminal.hint(hint)
}
