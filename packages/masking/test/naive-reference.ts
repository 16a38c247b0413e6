/** What masking means, written the slow way: no stream, no tables, no cleverness. The fuzz tests compare with it. */

export interface NaivePattern {
  readonly bytes: Uint8Array
  readonly owner: number
  readonly isBounded: boolean
}

/**
 * Marks every byte that any occurrence of any pattern covers, and drops the marked ones. With `labels`, each
 * stretch of marked bytes becomes the label of the lowest owner among the occurrences that begin the stretch.
 */
export function naiveMask(text: Uint8Array, patterns: readonly NaivePattern[], labels?: string[]): string {
  const input = latin1(text)
  const covered = new Array<boolean>(text.length).fill(false)
  const beginsWith = new Map<number, number>()
  for (const { bytes, owner, isBounded } of patterns) {
    for (const part of cut(latin1(bytes))) {
      for (let at = input.indexOf(part); at >= 0; at = input.indexOf(part, at + 1)) {
        const end = at + part.length
        if (isBounded) {
          const joinsLeft = /\w/.test(input[at - 1] ?? ' ') && /\w/.test(part[0] ?? ' ')
          const joinsRight = /\w/.test(input[end] ?? ' ') && /\w/.test(part.at(-1) ?? ' ')
          if (joinsLeft || joinsRight) continue
        }
        covered.fill(true, at, end)
        beginsWith.set(at, Math.min(owner, beginsWith.get(at) ?? Number.POSITIVE_INFINITY))
      }
    }
  }
  let output = ''
  for (let at = 0; at < input.length; at++) {
    if (!covered[at]) output += input[at]
    else if (labels && !covered[at - 1]) output += labels[beginsWith.get(at) ?? -1]
  }
  return output
}

/** Patterns above 64 bytes count in pieces of 64, and the last 64. */
function cut(pattern: string): string[] {
  if (pattern.length <= 64) return [pattern]
  const parts: string[] = []
  for (let at = 0; at + 64 < pattern.length; at += 64) parts.push(pattern.slice(at, at + 64))
  parts.push(pattern.slice(-64))
  const telling = parts.filter((part) => new Set(part).size > 2)
  return telling.length > 0 ? telling : parts
}

export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}
