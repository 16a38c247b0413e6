import type { WorkspaceSecret } from '@keyhold/contract/api/workspace-secrets'
import type { Workspace } from '@keyhold/contract/api/workspaces'
import { nearMatches } from '@keyhold/contract/names'
import type { Keyhold } from '@keyhold/sdk'
import { secretNotFound } from '../../client.ts'
import { findWorkspace } from '../workspace/find-workspace.ts'

export const workspaceArgument = { name: 'WORKSPACE', summary: 'name or id' } as const

/** Finds a workspace, and what it has of a name or id. @throws Failure, KeyholdError */
export async function lookForWorkspaceSecret(
  keyhold: Keyhold,
  workspaceNameOrId: string,
  wanted: string,
): Promise<{ workspace: Workspace; secret: WorkspaceSecret | undefined; names: string[] }> {
  const workspace = await findWorkspace(keyhold, workspaceNameOrId)
  const { workspaceSecrets } = await keyhold.call('workspace-secret.list', {
    params: { workspaceId: workspace.id },
  })
  // Names are exact: two that differ in case are two secrets.
  const secret = workspaceSecrets.find(({ id, name }) => id === wanted || name === wanted)
  return { workspace, secret, names: workspaceSecrets.map(({ name }) => name) }
}

/** As {@link lookForWorkspaceSecret}. @throws Failure `NAME not found`, with the reasons that may have; KeyholdError */
export async function findWorkspaceSecret(
  keyhold: Keyhold,
  workspaceNameOrId: string,
  wanted: string,
): Promise<{ workspace: Workspace; secret: WorkspaceSecret }> {
  const { workspace, secret, names } = await lookForWorkspaceSecret(keyhold, workspaceNameOrId, wanted)
  if (secret !== undefined) return { workspace, secret }
  throw secretNotFound(`${wanted} not found`, nearMatches(wanted, names), [
    'the name has a typo',
    'the name differs in upper and lower case',
    'the secret was not added to this workspace',
    'it was added after this program started: restart the terminal or program',
  ])
}
