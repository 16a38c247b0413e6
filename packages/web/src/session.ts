import { queryOptions } from '@tanstack/react-query'
import { type CallAnswer, callPlainly, codeOf } from './api.ts'
import { queryClient } from './query-client.ts'

export type Session = CallAnswer<'session.get'>

/** Who is signed in; `null`: nobody. */
export const sessionQuery = queryOptions({
  queryKey: ['session'],
  queryFn: async (): Promise<Session | null> => {
    try {
      return await callPlainly('session.get')
    } catch (error) {
      if (codeOf(error) === 'auth.required') return null
      throw error
    }
  },
  staleTime: 60_000,
})

/** Takes over a session that has just begun. Nothing of another person's stays. */
export function beginSession(session: Session): void {
  queryClient.clear()
  queryClient.setQueryData(sessionQuery.queryKey, session)
}

/** Forgets everything that was read. */
export function forgetSession(): void {
  queryClient.clear()
  queryClient.setQueryData(sessionQuery.queryKey, null)
}

/** Not `//example.com`, nor `/\example.com`, which are addresses of other sites. */
const OWN_PATH = /^\/(?![/\\])/

/** A path of this application to go back to, and of no other site. */
export function safePath(path: unknown): string {
  if (typeof path !== 'string' || !OWN_PATH.test(path)) return '/'
  const url = URL.parse(path, location.origin)
  if (url?.origin !== location.origin) return '/'
  // Once more: `/x/..//example.com` begins well, and ends as `//example.com`.
  if (!OWN_PATH.test(url.pathname) || url.pathname === '/sign-in') return '/'
  return url.pathname + url.search
}
