import * as api from '@keyhold/contract/api/personal-secrets'
import type { Machine, Person } from '../../access/caller.ts'
import type { Clock } from '../../base/clock.ts'
import type { Http } from '../../http/http.ts'
import { toTargetedVersion } from '../targeted-secret.ts'
import type { PersonalSecrets } from './personal-secret.service.ts'
import { toAnswer } from './personal-secret.ts'

export function personalSecretRoutes(
  http: Http<Person, Machine>,
  secrets: PersonalSecrets,
  clock: Clock,
): void {
  http.person(api.listPersonalSecrets, async ({ caller, origin }) => ({
    personalSecrets: (await secrets.list({ caller, origin }, caller.accountId)).map((secret) =>
      toAnswer(secret, clock.now()),
    ),
  }))
  http.person(api.createPersonalSecret, async ({ caller, origin, body }) =>
    toAnswer(await secrets.create({ caller, origin }, body), clock.now()),
  )
  http.person(api.getPersonalSecret, async ({ caller, origin, params }) =>
    toAnswer(await secrets.get({ caller, origin }, caller.accountId, params.personalSecretId), clock.now()),
  )
  http.person(api.updatePersonalSecret, async ({ caller, origin, params, body }) =>
    toAnswer(await secrets.update({ caller, origin }, params.personalSecretId, body), clock.now()),
  )
  http.person(api.deletePersonalSecret, async ({ caller, origin, params }) =>
    secrets.delete({ caller, origin }, caller.accountId, params.personalSecretId),
  )
  http.person(api.revealPersonalSecret, async ({ caller, origin, params, body }) =>
    secrets.reveal({ caller, origin }, caller.accountId, params.personalSecretId, body.version),
  )
  http.person(api.listPersonalSecretVersions, async ({ caller, origin, params }) => {
    const { personalSecretId: id } = params
    const { versions, current } = await secrets.versions({ caller, origin }, caller.accountId, id)
    return { versions: versions.map((version) => toTargetedVersion(version, current)) }
  })
}
