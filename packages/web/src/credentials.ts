import { queryOptions } from '@tanstack/react-query'
import { type CallAnswer, call } from './api.ts'

export type Credential = CallAnswer<'credential.list'>['credentials'][number]

/** Everything that is kept for the person, soonest expiry first. */
export const credentialsQuery = queryOptions({
  queryKey: ['credentials'],
  queryFn: async () => (await call('credential.list')).credentials,
})
