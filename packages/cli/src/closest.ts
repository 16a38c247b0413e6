// Loaded when something was mistyped, not before.
import { nearMatches } from '@keyhold/contract/names'

/** Finds the word that was probably meant: the one it begins, or the one with the fewest slips. */
export function closest(word: string, candidates: readonly string[]): string | undefined {
  const begun = word.length > 1 ? candidates.find((candidate) => candidate.startsWith(word)) : undefined
  return begun ?? nearMatches(word, candidates)[0]
}
