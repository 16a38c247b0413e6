import { type QueryKey, useQueryClient } from '@tanstack/react-query'
import { type Action, useAction } from './use-action.ts'

/**
 * Runs something that changes something, has the lists that show it read anew, and goes on.
 *
 * @param stale keys of what was read before
 */
export function useChange<Arguments extends readonly unknown[]>(
  stale: readonly QueryKey[],
  work: (...args: Arguments) => Promise<unknown>,
  onDone: () => void = () => {},
): Action<Arguments, void> {
  const cache = useQueryClient()
  return useAction(async (...args: Arguments) => {
    await work(...args)
    await Promise.all(stale.map((queryKey) => cache.invalidateQueries({ queryKey })))
    onDone()
  })
}
