import { queryOptions } from '@tanstack/react-query'
import { call } from './api.ts'

/** How the installation is, for administrators. */
export const instanceQuery = queryOptions({ queryKey: ['instance'], queryFn: () => call('instance.get') })
