import { useCallback, useRef, useState } from 'react'

export interface Action<Arguments extends readonly unknown[], Result> {
  /** @returns what the work answered; undefined when it failed, which `error` then says. */
  readonly run: (...args: Arguments) => Promise<Result | undefined>
  readonly isRunning: boolean
  readonly error: unknown
  readonly reset: () => void
}

/**
 * Runs something that changes something, one at a time. Unlike a mutation of TanStack Query it keeps neither what it was
 * given nor what it answered: both may hold a value.
 */
export function useAction<Arguments extends readonly unknown[], Result>(
  work: (...args: Arguments) => Promise<Result>,
): Action<Arguments, Result> {
  const [state, setState] = useState<{ isRunning: boolean; error: unknown }>({
    isRunning: false,
    error: undefined,
  })
  const latest = useRef(work)
  latest.current = work
  const isBusy = useRef(false)
  const run = useCallback(async (...args: Arguments) => {
    if (isBusy.current) return undefined
    isBusy.current = true
    setState({ isRunning: true, error: undefined })
    try {
      const result = await latest.current(...args)
      setState({ isRunning: false, error: undefined })
      return result
    } catch (error) {
      setState({ isRunning: false, error })
      return undefined
    } finally {
      isBusy.current = false
    }
  }, [])
  const reset = useCallback(() => setState({ isRunning: false, error: undefined }), [])
  return { run, ...state, reset }
}
