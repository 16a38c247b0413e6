import * as api from '@keyhold/contract/api/deliveries'
import { listWorkspaceNeeds } from '@keyhold/contract/api/templates'
import type { Machine, Person, WorkspaceAgent } from '../../access/caller.ts'
import type { Http } from '../../http/http.ts'
import type { Deliveries } from './delivery.service.ts'
import type { WorkspaceStarts } from './start.service.ts'

export function deliveryRoutes(
  http: Http<Person, Machine, WorkspaceAgent>,
  deliveries: Deliveries,
  starts: WorkspaceStarts,
): void {
  http.person(api.listWorkspaceVariables, async ({ caller, origin, params }) =>
    deliveries.variables({ caller, origin }, params.workspaceId),
  )
  http.workspace(api.reportApplied, async ({ caller, origin, body }) => ({
    isCurrent: await deliveries.report({ caller, origin }, body),
  }))
  http.workspace(api.beginSession, async ({ caller, origin, body }) =>
    deliveries.beginSession({ caller, origin }, body),
  )
  http.person(listWorkspaceNeeds, async ({ caller, origin, params }) =>
    deliveries.needs({ caller, origin }, params.workspaceId),
  )
  http.workspace(api.readDelivery, async ({ caller, origin, query }) =>
    deliveries.deliver({ caller, origin }, query.have),
  )
  http.workspace(api.startWorkspace, async ({ caller, origin }) => starts.start({ caller, origin }))
}
