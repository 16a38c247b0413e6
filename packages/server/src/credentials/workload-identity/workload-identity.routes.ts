import * as api from '@keyhold/contract/api/workload-identities'
import { Secret } from '@keyhold/contract/secret'
import type { Machine, Person } from '../../access/caller.ts'
import { AppError } from '../../base/app-error.ts'
import type { Clock } from '../../base/clock.ts'
import { FailedAttempts } from '../../http/attempts.ts'
import type { Http } from '../../http/http.ts'
import type { WorkloadIdentities } from './workload-identity.service.ts'
import { identityAnswer } from './workload-identity.ts'

/** Tokens of one address that were refused in a minute, before it has to wait: each may be in the log. */
const REFUSED_MAX = 60
const WINDOW_MS = 60_000

export function workloadIdentityRoutes(
  http: Http<Person, Machine>,
  identities: WorkloadIdentities,
  clock: Clock,
): void {
  const refused = new FailedAttempts(clock, REFUSED_MAX, WINDOW_MS)

  http.person(api.listWorkloadIdentities, async ({ caller, origin, params }) => ({
    workloadIdentities: (await identities.list({ caller, origin }, params.projectId)).map(identityAnswer),
  }))
  http.person(api.createWorkloadIdentity, async ({ caller, origin, params, body }) =>
    identityAnswer(await identities.create({ caller, origin }, params.projectId, body)),
  )
  http.person(api.updateWorkloadIdentity, async ({ caller, origin, params, body }) =>
    identityAnswer(
      await identities.update({ caller, origin }, params.projectId, params.workloadIdentityId, body),
    ),
  )
  http.person(api.deleteWorkloadIdentity, ({ caller, origin, params }) =>
    identities.delete({ caller, origin }, params.projectId, params.workloadIdentityId),
  )
  http.person(api.testWorkloadIdentity, ({ caller, origin, params, body }) => {
    const token = new Secret(body.subjectToken)
    return identities.test({ caller, origin }, params.projectId, params.workloadIdentityId, token)
  })

  http.anyone(api.exchangeIdentityToken, async ({ body, origin }) => {
    const address = origin.address ?? ''
    refused.assertAllowed(address)
    try {
      const issued = await identities.exchange(origin, body.workloadIdentityId, new Secret(body.subjectToken))
      return {
        project: issued.project,
        accessKeyId: issued.id,
        accessKey: issued.secret.reveal(),
        permission: issued.permission,
        expiresAt: issued.expiresAt.toISOString(),
      }
    } catch (error) {
      if (error instanceof AppError) refused.recordFailure(address)
      throw error
    }
  })
}
