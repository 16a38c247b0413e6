import { limits } from '@keyhold/contract/limits'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c

/**
 * Whether JSON text stays within depth and number of items. Looked at before parsing, since a parsed bomb already took
 * the memory; text that is no JSON may pass, the parser refuses it.
 */
export function isWithinJsonLimits(
  text: string,
  depthMax = limits.jsonDepth,
  itemsMax = limits.jsonItems,
): boolean {
  let depth = 0
  let items = 0
  let isInString = false
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (isInString) {
      if (code === BACKSLASH) i++
      else if (code === QUOTE) isInString = false
      continue
    }
    if (code === QUOTE) isInString = true
    else if (code === COMMA) items++
    else if (code === 0x7b || code === 0x5b) {
      depth++
      items++
    } else if (code === 0x7d || code === 0x5d) depth--
    if (depth > depthMax || items > itemsMax) return false
  }
  return true
}
