import { queryOptions, useQuery } from '@tanstack/react-query'
import { call } from './api.ts'
import { sessionQuery } from './session.ts'

/** Everybody, for administrators. */
export const accountsQuery = queryOptions({
  queryKey: ['accounts'],
  queryFn: async () => (await call('account.list')).accounts,
})

/** Whether the person who is signed in is an administrator. */
export function useIsAdmin(): boolean {
  return useQuery(sessionQuery).data?.account.role === 'admin'
}

/** Names of people by their id, as far as the person who is signed in may know them. */
export function usePeople(): ReadonlyMap<string, string> {
  const { data: session } = useQuery(sessionQuery)
  const { data: accounts } = useQuery({ ...accountsQuery, enabled: useIsAdmin() })
  const known = accounts ?? (session ? [session.account] : [])
  return new Map(known.map(({ id, name, email }) => [id, name === '' ? email : name]))
}
