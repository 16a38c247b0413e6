import { actions } from './actions.ts'
import type { AuditRecord } from './api/audit.ts'

/** Characters that would let a name forge a line or drive a terminal. */
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g

/** Whatever takes place and shows nothing, or shows nothing at all. */
const BLANK = /[\s\u2800\p{Default_Ignorable_Code_Point}]/gu
const ODD_BLANK = /(?<![\p{L}\p{N}]) | (?![\p{L}\p{N}])|(?! )[\s\u2800\p{Default_Ignorable_Code_Point}]/u

/**
 * The line form of a record: `2024-06-12 14:30:22 - Secret created: GITHUB_TOKEN`, in UTC. A use says where: `… - Secret
 * used: GITHUB_TOKEN (app.js:12)`, or which program had it when no line is known. Refused and failed attempts
 * say so at the end: `… (refused: access.refused)`.
 */
export function auditLine(record: AuditRecord): string {
  const time = record.time.slice(0, 19).replace('T', ' ')
  // `as`: a log may be older or newer than this code; unknown actions fall through to their name.
  const event = (actions as Partial<typeof actions>)[record.action]?.line ?? record.action
  const name = record.target?.name ?? record.target?.id
  const place = record.use ? ` (${usePlace(record.use)})` : ''
  const outcome =
    record.outcome === 'success' ? '' : ` (${record.outcome}${record.reason ? `: ${record.reason}` : ''})`
  return `${time} - ${event}${name === undefined ? '' : `: ${name}${place}`}${outcome}`.replace(
    UNPRINTABLE,
    '\ufffd',
  )
}

/** @returns `app.js:12`, `node via aws-sdk`, or `psql`. */
function usePlace({ kind, program, file, line, via }: NonNullable<AuditRecord['use']>): string {
  const shown = withVisibleBlanks(file ?? program)
  const whole = via === undefined ? shown : `${shown} via ${via}`
  const place = file === undefined ? whole : line === undefined ? shown : `${shown}:${line}`
  return kind === 'inherited' ? `${place}, to another process` : place
}

/**
 * Programs and files are called as somebody likes, and `a.js) 2026-01-01 00:00:00 - Secret used: ROOT_KEY (b.js` is not to
 * look like two lines: where blanks are anything but one space between letters or digits, all are written as `%20`.
 */
function withVisibleBlanks(name: string): string {
  return ODD_BLANK.test(name) ? name.replace(BLANK, encodeURIComponent) : name
}
