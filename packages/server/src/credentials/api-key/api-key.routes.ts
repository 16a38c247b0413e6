import * as api from '@keyhold/contract/api/api-keys'
import type { Machine, Person } from '../../access/caller.ts'
import type { Clock } from '../../base/clock.ts'
import type { Http } from '../../http/http.ts'
import type { ApiKeys } from './api-key.service.ts'
import { toAnswer } from './api-key.ts'

export function apiKeyRoutes(http: Http<Person, Machine>, keys: ApiKeys, clock: Clock): void {
  http.person(api.listApiKeys, async ({ caller, origin }) => ({
    apiKeys: (await keys.list({ caller, origin })).map((key) => toAnswer(key, clock.now())),
  }))
  http.person(api.listApiKeyPresets, async ({ caller, origin }) => ({
    presets: [...(await keys.presets({ caller, origin }))],
  }))
  http.person(api.createApiKey, async ({ caller, origin, body }) =>
    toAnswer(await keys.create({ caller, origin }, body), clock.now()),
  )
  http.person(api.getApiKey, async ({ caller, origin, params }) =>
    toAnswer(await keys.get({ caller, origin }, params.apiKeyId), clock.now()),
  )
  http.person(api.updateApiKey, async ({ caller, origin, params, body }) =>
    toAnswer(await keys.update({ caller, origin }, params.apiKeyId, body), clock.now()),
  )
  http.person(api.deleteApiKey, async ({ caller, origin, params }) =>
    keys.delete({ caller, origin }, params.apiKeyId),
  )
}
