import { limits } from '@keyhold/contract/limits'
import type { Encoding } from '../../base/secret-value.ts'

/*
 * References in values: `${NAME}` stands for the secret NAME of the environment that is read, `${environment.NAME}` for
 * the one of that environment; both fall back to All. Of the `$` before a `{` each two stand for one, and the `{` after
 * an even number is only that: `$${` is `${`, and `$$${NAME}` is `$` and a reference. All else is as it is.
 */

export interface Reference {
  /** As written; undefined for the environment that is read. */
  readonly environment: string | undefined
  readonly name: string
}

/** A value taken apart: text, and references. */
export type Part = string | Reference

/** The longest reference: 64 characters of environment, a dot, 256 of name. */
const REFERENCE_LENGTH_MAX = 64 + 1 + limits.secretNameBytes
const REFERENCE = /^(?:([A-Za-z0-9][A-Za-z0-9_-]{0,63})\.)?([A-Za-z_][A-Za-z0-9_]{0,255})$/

/** Takes a value apart. @returns `invalidAt`, counted in characters from 1, where a `${` begins no reference. */
export function parseParts(text: string): readonly Part[] | { readonly invalidAt: number } {
  const parts: Part[] = []
  let from = 0
  for (;;) {
    const brace = text.indexOf('${', from) + 1
    if (brace === 0) break
    let start = brace
    while (start > from && text[start - 1] === '$') start -= 1
    const dollars = brace - start
    parts.push(text.slice(from, start) + '$'.repeat(dollars >> 1))
    if (dollars % 2 === 0) {
      parts.push('{')
      from = brace + 1
      continue
    }
    const rest = text.slice(brace + 1, brace + 2 + REFERENCE_LENGTH_MAX)
    const end = rest.indexOf('}')
    const found = end < 0 ? null : REFERENCE.exec(rest.slice(0, end))
    if (!found) return { invalidAt: brace }
    parts.push({ environment: found[1], name: found[2]! }) // The second group always matches.
    from = brace + 1 + end + 1
  }
  parts.push(text.slice(from))
  return parts.filter((part) => part !== '')
}

/** Each reference once. @throws AppError through `refuse` when the value is not one that can have references. */
export function referencesOf(
  value: { readonly text: string; readonly encoding: Encoding },
  refuse: (message: string) => Error,
): readonly Reference[] {
  if (value.encoding !== 'utf8') throw refuse('has to be text to have references')
  const parts = parseParts(value.text)
  if ('invalidAt' in parts) {
    throw refuse(
      `has a \${ at character ${parts.invalidAt} that begins no \${NAME} or \${environment.NAME}; $\${ is a \${ that is only that`,
    )
  }
  const references = parts.filter((part) => typeof part !== 'string')
  const distinct = new Map(references.map((reference) => [shownReference(reference), reference]))
  if (distinct.size > limits.referencesPerSecret)
    throw refuse(`has more than ${limits.referencesPerSecret} references`)
  return [...distinct.values()]
}

/** As written, without `${` and `}`. */
export function shownReference({ environment, name }: Reference): string {
  return environment === undefined ? name : `${environment}.${name}`
}
