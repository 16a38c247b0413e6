import * as api from '@keyhold/contract/api/deliveries'
import type { Machine, Person, WorkspaceAgent } from '../../access/caller.ts'
import type { Http } from '../../http/http.ts'
import type { Deliveries } from './delivery.service.ts'

export function deliveryRoutes(http: Http<Person, Machine, WorkspaceAgent>, deliveries: Deliveries): void {
  http.person(api.listWorkspaceVariables, async ({ caller, origin, params }) =>
    deliveries.variables({ caller, origin }, params.workspaceId),
  )
  http.workspace(api.beginSession, async ({ caller, origin, body }) =>
    deliveries.beginSession({ caller, origin }, body.pass),
  )
  http.workspace(api.readDelivery, async ({ caller, origin, query }) =>
    deliveries.deliver({ caller, origin }, query.have),
  )
}
