import { queryOptions } from '@tanstack/react-query'
import { type CallAnswer, call } from '../../api.ts'
import { SOON_MS } from '../../workspaces.ts'

/** What programs of a workspace get, where it comes from, and what of it is in effect. */
export const variablesQuery = (workspaceId: string) =>
  queryOptions({
    queryKey: ['workspace', workspaceId, 'variables'],
    queryFn: () => call('workspace.variables', { params: { workspaceId } }),
    refetchInterval: ({ state: { data } }) => (data && isPending(data) ? SOON_MS : false),
  })

/** Whether the agent is still to say that something is in effect. */
const isPending = ({ variables, files }: CallAnswer<'workspace.variables'>): boolean =>
  [...variables, ...files].some(({ effect }) => effect.state === 'pending')
