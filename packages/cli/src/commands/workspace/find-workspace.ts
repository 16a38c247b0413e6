import type { Workspace } from '@keyhold/contract/api/workspaces'
import type { Keyhold } from '@keyhold/sdk'
import { closest } from '../../closest.ts'
import { Failure, usageFailure } from '../../failure.ts'
import { findProject } from '../project/find-project.ts'

/** Finds a workspace by id or exact name, one's own before those of others. @throws Failure, KeyholdError */
export async function findWorkspace(keyhold: Keyhold, nameOrId: string): Promise<Workspace> {
  const { workspaces } = await keyhold.call('workspace.list')
  const byId = workspaces.find(({ id }) => id === nameOrId.toLowerCase())
  if (byId !== undefined) return byId
  const named = workspaces.filter(({ name }) => name === nameOrId)
  const own = named.find(({ level }) => level === 'owner')
  const [found = own, ...others] = own === undefined ? named : [own]
  if (others.length > 0) {
    throw usageFailure(
      `${named.length} workspaces that are shared with you are called ${nameOrId}`,
      `give an id: ${named.map(({ id, owner }) => `${id} (of ${owner.name})`).join(', ')}`,
    )
  }
  if (found !== undefined) return found
  const near = closest(
    nameOrId,
    workspaces.map(({ name }) => name),
  )
  throw new Failure(`workspace ${nameOrId} not found (workspace.not_found)`, {
    hints: [
      ...(near === undefined ? [] : [`did you mean ${near}?`]),
      'yours, and those that are shared with you: keyhold workspace list',
    ],
  })
}

/** As the web page shows levels. */
export const shownLevel = { owner: 'Owner', admin: 'Admin', edit: 'Edit', view: 'View' } as const

export const environmentOption = {
  type: 'string',
  placeholder: 'PROJECT/ENVIRONMENT',
  summary: 'environment of a project whose secrets the workspace gets; of two, the first one counts',
  isRepeatable: true,
} as const

/** Reads `PROJECT/ENVIRONMENT`. The last slash counts: names of environments have none. */
export async function readEnvironments(
  keyhold: Keyhold,
  texts: readonly string[],
): Promise<{ projectId: string; environment: string }[]> {
  const environments = []
  for (const text of texts) {
    const slash = text.lastIndexOf('/')
    if (slash < 1 || slash === text.length - 1)
      throw usageFailure(
        `${text} is no environment of a project`,
        'say it as PROJECT/ENVIRONMENT: shop/staging',
      )
    const { id: projectId } = await findProject(keyhold, text.slice(0, slash))
    environments.push({ projectId, environment: text.slice(slash + 1) })
  }
  return environments
}
