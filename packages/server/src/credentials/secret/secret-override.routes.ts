import * as api from '@keyhold/contract/api/secret-overrides'
import type { Machine, Person } from '../../access/caller.ts'
import type { Http } from '../../http/http.ts'
import type { SecretOverrides } from './secret-override.service.ts'

export function secretOverrideRoutes(http: Http<Person, Machine>, overrides: SecretOverrides): void {
  http.person(api.setSecretOverride, async ({ caller, origin, params, body }) => {
    const override = await overrides.set({ caller, origin }, params.projectId, params.secretId, body)
    const { name, environment, version, createdAt, updatedAt, isMasked } = override
    return {
      name,
      environment,
      version,
      createdAt: createdAt.toISOString(),
      updatedAt: updatedAt.toISOString(),
      isMasked,
    }
  })
  http.person(api.revealSecretOverride, async ({ caller, origin, params, body }) =>
    overrides.reveal({ caller, origin }, params.projectId, params.secretId, body.environment),
  )
  http.person(api.deleteSecretOverride, async ({ caller, origin, params, query }) =>
    overrides.delete({ caller, origin }, params.projectId, params.secretId, query.environment),
  )
}
