import type { Project } from '@keyhold/contract/api/projects'
import type { Keyhold } from '@keyhold/sdk'
import { closest } from '../../closest.ts'
import { Failure, usageFailure } from '../../failure.ts'

export const projectOption = {
  type: 'string',
  short: 'p',
  summary: 'name or id of the project',
  placeholder: 'PROJECT',
  variable: 'KEYHOLD_PROJECT',
} as const

/** Finds the project that is meant: by id, by exact name, or the only one. @throws Failure, KeyholdError */
export async function findProject(keyhold: Keyhold, nameOrId: string | undefined): Promise<Project> {
  const { projects } = await keyhold.call('project.list')
  if (nameOrId === undefined) {
    const [only] = projects
    if (only === undefined) {
      throw new Failure('you are not a member of any project', {
        hints: ['create one: keyhold project create NAME', 'or ask the Admin of a project to add you'],
      })
    }
    if (projects.length > 1) {
      throw usageFailure(
        `which project? you are in ${projects.length}`,
        `say --project=… or set KEYHOLD_PROJECT: ${projects
          .slice(0, 10)
          .map(({ name }) => name)
          .join(', ')}${projects.length > 10 ? ', …' : ''}`,
      )
    }
    return only
  }
  const named = projects.filter(({ name }) => name === nameOrId)
  if (named.length > 1) {
    throw usageFailure(
      `${nameOrId} names ${named.length} projects you are in`,
      `say --project=ID with one of ${named.map(({ id }) => id).join(', ')}`,
    )
  }
  const found = projects.find(({ id }) => id === nameOrId) ?? named[0]
  if (found !== undefined) return found
  const near = closest(
    nameOrId,
    projects.map(({ name }) => name),
  )
  throw new Failure(`project ${nameOrId} not found (project.not_found)`, {
    hints: [
      ...(near === undefined ? [] : [`did you mean ${near}?`]),
      'the projects you are a member of: keyhold project list',
    ],
  })
}

/** As the web page shows roles. */
export const shownRole = { admin: 'Admin', regular: 'Regular', read_only: 'Read Only' } as const
