import { QueryClient } from '@tanstack/react-query'
import { isPassing } from './api.ts'

/**
 * What was read, for as long as the page is open; lists and names, never a value. Changes do not go through it: the cache of
 * mutations would keep what they were given and what they answered.
 */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      // The client of the API has repeated already what can be repeated.
      retry: false,
      refetchOnWindowFocus: (query) => query.state.error === null || isPassing(query.state.error),
    },
  },
})
