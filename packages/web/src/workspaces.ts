import { queryOptions } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { type CallAnswer, call } from './api.ts'

export type Workspace = CallAnswer<'workspace.get'>
export type WorkspaceLevel = Workspace['level']

/** After which what a machine is about to change is asked for again, while the page is looked at. */
export const SOON_MS = 5_000

export const workspacesQuery = queryOptions({
  queryKey: ['workspaces'],
  queryFn: async () => (await call('workspace.list')).workspaces,
})

export const workspaceQuery = (workspaceId: string) =>
  queryOptions({
    queryKey: ['workspace', workspaceId],
    queryFn: () => call('workspace.get', { params: { workspaceId } }),
    // Somebody is about to start its first agent.
    refetchInterval: ({ state: { data } }) => (data?.agent === null ? SOON_MS : false),
  })

/** The workspace of the page. */
export function useWorkspaceId(): string {
  return useParams({ strict: false }).workspaceId ?? ''
}

/** Whether its agent is there: what the machine is doing otherwise is not known. */
export type WorkspaceState = 'running' | 'stopped' | 'new'

export function stateOf({ agent }: Workspace): WorkspaceState {
  if (agent === null) return 'new'
  return agent.isConnected ? 'running' : 'stopped'
}

/** Who enters, whose processes get the secrets, and who sees their names; the server decides, this explains. */
export const runsCode = (level: WorkspaceLevel): boolean => level !== 'view'

/** Who sees values, and with whom it is shared. */
export const isTrusted = (level: WorkspaceLevel): boolean => level === 'owner' || level === 'admin'
