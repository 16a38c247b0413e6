import * as api from '@keyhold/contract/api/projects'
import type { Machine, Person } from '../access/caller.ts'
import type { Http } from '../http/http.ts'
import { toEnvironmentAnswer, toMemberAnswer, toProjectAnswer } from './project.ts'
import type { Projects } from './projects.service.ts'

export function projectRoutes(http: Http<Person, Machine>, projects: Projects): void {
  http.person(api.listProjects, async ({ caller, origin }) => ({
    projects: (await projects.list({ caller, origin })).map(toProjectAnswer),
  }))
  http.person(api.createProject, async ({ caller, origin, body }) =>
    toProjectAnswer(await projects.create({ caller, origin }, body.name, body.description ?? '')),
  )
  http.person(api.getProject, async ({ caller, origin, params }) =>
    toProjectAnswer(await projects.get({ caller, origin }, params.projectId)),
  )
  http.person(api.updateProject, async ({ caller, origin, params, body }) =>
    toProjectAnswer(await projects.update({ caller, origin }, params.projectId, body)),
  )
  http.person(api.deleteProject, async ({ caller, origin, params, query }) =>
    projects.delete({ caller, origin }, params.projectId, query.confirm),
  )

  http.person(api.listMembers, async ({ caller, origin, params }) => ({
    members: (await projects.listMembers({ caller, origin }, params.projectId)).map(toMemberAnswer),
  }))
  http.person(api.addMember, async ({ caller, origin, params, body }) =>
    toMemberAnswer(await projects.addMember({ caller, origin }, params.projectId, body.email, body.role)),
  )
  http.person(api.updateMember, async ({ caller, origin, params, body }) =>
    toMemberAnswer(
      await projects.updateMember({ caller, origin }, params.projectId, params.accountId, body.role),
    ),
  )
  http.person(api.removeMember, async ({ caller, origin, params }) =>
    projects.removeMember({ caller, origin }, params.projectId, params.accountId),
  )

  http.person(api.listEnvironments, async ({ caller, origin, params }) => ({
    environments: (await projects.listEnvironments({ caller, origin }, params.projectId)).map(
      toEnvironmentAnswer,
    ),
  }))
  http.person(api.createEnvironment, async ({ caller, origin, params, body }) =>
    toEnvironmentAnswer(
      await projects.createEnvironment({ caller, origin }, params.projectId, {
        name: body.name,
        description: body.description ?? '',
        externalUrl: body.externalUrl ?? null,
      }),
    ),
  )
  http.person(api.updateEnvironment, async ({ caller, origin, params, body }) =>
    toEnvironmentAnswer(
      await projects.updateEnvironment({ caller, origin }, params.projectId, params.environmentId, body),
    ),
  )
  http.person(api.deleteEnvironment, async ({ caller, origin, params, query }) =>
    projects.deleteEnvironment({ caller, origin }, params.projectId, params.environmentId, query.confirm),
  )
}
