import * as api from '@keyhold/contract/api/workspaces'
import type { Machine, Person } from '../access/caller.ts'
import type { Clock } from '../base/clock.ts'
import type { Http } from '../http/http.ts'
import { toShareAnswer, toWorkspaceAnswer, type Workspace } from './workspace.ts'
import type { Workspaces } from './workspaces.service.ts'

export function workspaceRoutes(http: Http<Person, Machine>, workspaces: Workspaces, clock: Clock): void {
  const toAnswer = (workspace: Workspace) => toWorkspaceAnswer(workspace, clock.now())
  http.person(api.listWorkspaces, async ({ caller, origin }) => ({
    workspaces: (await workspaces.list({ caller, origin })).map(toAnswer),
  }))
  http.person(api.createWorkspace, async ({ caller, origin, body }) =>
    toAnswer(await workspaces.create({ caller, origin }, body)),
  )
  http.person(api.getWorkspace, async ({ caller, origin, params }) =>
    toAnswer(await workspaces.get({ caller, origin }, params.workspaceId)),
  )
  http.person(api.updateWorkspace, async ({ caller, origin, params, body }) =>
    toAnswer(await workspaces.update({ caller, origin }, params.workspaceId, body)),
  )
  http.person(api.deleteWorkspace, async ({ caller, origin, params, query }) =>
    workspaces.delete({ caller, origin }, params.workspaceId, query.confirm),
  )

  http.person(api.listShares, async ({ caller, origin, params }) => ({
    shares: (await workspaces.listShares({ caller, origin }, params.workspaceId)).map(toShareAnswer),
  }))
  http.person(api.createShare, async ({ caller, origin, params, body }) =>
    toShareAnswer(
      await workspaces.createShare({ caller, origin }, params.workspaceId, body.email, body.level),
    ),
  )
  http.person(api.updateShare, async ({ caller, origin, params, body }) =>
    toShareAnswer(
      await workspaces.updateShare({ caller, origin }, params.workspaceId, params.accountId, body.level),
    ),
  )
  http.person(api.deleteShare, async ({ caller, origin, params }) =>
    workspaces.deleteShare({ caller, origin }, params.workspaceId, params.accountId),
  )
}
