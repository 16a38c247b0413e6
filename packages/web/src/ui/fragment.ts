/**
 * Takes a code out of the address, where links have it after the #: browsers send that nowhere, but keep it in their history.
 * It is gone from the address with the first look.
 *
 * @param name as in `#code=…`
 */
export function takeFromFragment(name: string): string {
  const prefix = `#${name}=`
  if (!location.hash.startsWith(prefix)) return ''
  const code = location.hash.slice(prefix.length)
  history.replaceState(history.state, '', location.pathname + location.search)
  return code
}

/** What somebody pasted: the code alone, or the whole link. */
export const codeIn = (typed: string): string => typed.trim().replace(/^.*#\w+=/, '')
