import { limits } from '@keyhold/contract/limits'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a

/**
 * Looks at JSON text before it is parsed, since a parsed bomb already took the memory. Text that is no JSON may pass,
 * the parser refuses it.
 * @returns how many members (`"name": …`) the text has; undefined when it is nested too deeply or has too many items.
 */
export function countJsonMembers(
  text: string,
  depthMax: number = limits.jsonDepth,
  itemsMax: number = limits.jsonItems,
): number | undefined {
  let depth = 0
  let items = 0
  let members = 0
  let isInString = false
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (isInString) {
      if (code === BACKSLASH) i++
      else if (code === QUOTE) isInString = false
      continue
    }
    if (code === QUOTE) isInString = true
    else if (code === COLON) members++
    else if (code === COMMA) items++
    else if (code === 0x7b || code === 0x5b) {
      depth++
      items++
    } else if (code === 0x7d || code === 0x5d) depth--
    if (depth > depthMax || items > itemsMax) return undefined
  }
  return members
}

/** How many members a parsed value has. Fewer than its text means that a name stood there twice. */
export function countMembers(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  const parts = Object.values(value)
  let members = Array.isArray(value) ? 0 : parts.length
  for (const part of parts) members += countMembers(part)
  return members
}
