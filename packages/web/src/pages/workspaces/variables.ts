import { queryOptions } from '@tanstack/react-query'
import { call } from '../../api.ts'

/** What programs of a workspace get, where it comes from, and what of it is in effect. */
export const variablesQuery = (workspaceId: string) =>
  queryOptions({
    queryKey: ['workspace', workspaceId, 'variables'],
    queryFn: () => call('workspace.variables', { params: { workspaceId } }),
  })
