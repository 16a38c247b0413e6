import * as api from '@keyhold/contract/api/audit-destinations'
import type { Machine, Person } from '../access/caller.ts'
import type { Http } from '../http/http.ts'
import type { AuditDestinations, DestinationState } from './destinations.service.ts'

export function destinationRoutes(http: Http<Person, Machine>, destinations: AuditDestinations): void {
  http.person(api.listAuditDestinations, async ({ caller, origin }) => {
    const states = await destinations.list({ caller, origin })
    return { destinations: states.map(toAnswer) }
  })
  http.person(api.createAuditDestination, async ({ caller, origin, body }) => {
    const { state, secret } = await destinations.create({ caller, origin }, body)
    return { destination: toAnswer(state), secret: secret?.reveal() ?? null }
  })
  http.person(api.deleteAuditDestination, ({ caller, origin, params }) =>
    destinations.delete({ caller, origin }, params.destinationId),
  )
}

function toAnswer({ destination, pending }: DestinationState): api.AuditDestination {
  const { id, target, isSentRecords, failures, lastFailure } = destination
  return {
    id,
    target,
    isSentRecords,
    createdAt: destination.createdAt.toISOString(),
    pending,
    failures,
    lastAttemptAt: destination.lastAttemptAt?.toISOString() ?? null,
    lastSuccessAt: destination.lastSuccessAt?.toISOString() ?? null,
    lastFailure,
  }
}
