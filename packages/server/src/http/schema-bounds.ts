import type { Ajv } from 'ajv'
import addFormats from 'ajv-formats'

/** What an integer column of either database holds. */
const INTEGER_MAX = 2_147_483_647

type Schema = Readonly<Record<string, unknown>>

/**
 * Bounds that follow from where things are stored: no string holds NUL, which PostgreSQL does not take, unless it is a
 * value (`writeOnly`), which is stored as bytes; no integer leaves the range of a column unless its schema says so.
 * Without them such input would be an error of the database.
 */
export function withStorableBounds(schema: unknown): Schema {
  return bounded(schema) as Schema // `as`: an object stays one.
}

function bounded(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(bounded)
  if (typeof schema !== 'object' || schema === null) return schema
  const entries = Object.entries(schema).map(([key, value]) => [key, bounded(value)] as const)
  const { type, writeOnly, maximum } = schema as Schema // `as`: any object may be looked at so.
  if (type === 'string' && writeOnly !== true) entries.push(['not', { pattern: '\\u0000' }])
  if (type === 'integer') entries.push(['isFinite', true])
  if (type === 'integer' && maximum === undefined) entries.push(['maximum', INTEGER_MAX])
  return Object.fromEntries(entries)
}

/** Adds what the contract and the bounds above use. `date-time` also has to be a time for `Date`: a leap second is valid text, but not a Date. */
export function withKeywords(ajv: Ajv): Ajv {
  addFormats.default(ajv, ['date-time'])
  const format = ajv.formats['date-time'] as { validate: (text: string) => boolean } // `as`: ajv-formats adds this form.
  // A query's 1e400 becomes Infinity, which Ajv compares with no maximum.
  ajv.addKeyword({ keyword: 'isFinite', validate: (_is: true, data: unknown) => Number.isFinite(data) })
  return ajv.addFormat(
    'date-time',
    (text: string) => format.validate(text) && !Number.isNaN(Date.parse(text)),
  )
}
