import * as api from '@keyhold/contract/api/deliveries'
import { listWorkspaceNeeds } from '@keyhold/contract/api/templates'
import type { Machine, Person, WorkspaceAgent } from '../../access/caller.ts'
import { AppError } from '../../base/app-error.ts'
import type { Clock } from '../../base/clock.ts'
import { FailedAttempts } from '../../http/attempts.ts'
import type { Http } from '../../http/http.ts'
import type { AgentBounds } from '../../workspaces/agent-bounds.ts'
import type { Deliveries } from './delivery.service.ts'
import type { WorkspaceStarts } from './start.service.ts'

/** Each start asks all stores that the workspace takes something of. */
const STARTS_MAX = 20
const MINUTE_MS = 60_000
/** After how long to try again while another start of the workspace is going on. */
const RUNNING_SECONDS = 5

export function deliveryRoutes(
  http: Http<Person, Machine, WorkspaceAgent>,
  deliveries: Deliveries,
  starts: WorkspaceStarts,
  bounds: AgentBounds,
  clock: Clock,
): void {
  const begun = new FailedAttempts(clock, STARTS_MAX, MINUTE_MS)
  const running = new Set<string>()

  http.person(api.listWorkspaceVariables, async ({ caller, origin, params }) =>
    deliveries.variables({ caller, origin }, params.workspaceId),
  )
  http.workspace(api.reportApplied, async ({ caller, origin, body }) => {
    bounds.admit(caller.workspaceId)
    return { isCurrent: await deliveries.report({ caller, origin }, body) }
  })
  http.workspace(api.beginSession, async ({ caller, origin, body }) => {
    bounds.admit(caller.workspaceId, 1 + (body.storeVariables?.length ?? 0))
    return deliveries.beginSession({ caller, origin }, body)
  })
  http.person(listWorkspaceNeeds, async ({ caller, origin, params }) =>
    deliveries.needs({ caller, origin }, params.workspaceId),
  )
  http.workspace(api.readDelivery, async ({ caller, origin, query }) =>
    deliveries.deliver({ caller, origin }, query.have),
  )
  http.workspace(api.startWorkspace, async ({ caller, origin }) => {
    const { workspaceId } = caller
    begun.assertAllowed(workspaceId)
    if (running.has(workspaceId)) throw new AppError('rate.limited', { retryAfterSeconds: RUNNING_SECONDS })
    bounds.admit(workspaceId)
    begun.recordFailure(workspaceId)
    running.add(workspaceId)
    try {
      const start = await starts.start({ caller, origin })
      bounds.note(workspaceId, start.secrets.length)
      return start
    } finally {
      running.delete(workspaceId)
    }
  })
}
