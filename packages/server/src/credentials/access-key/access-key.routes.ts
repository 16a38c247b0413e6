import * as api from '@keyhold/contract/api/access-keys'
import { getCurrentProject, listCurrentEnvironments } from '@keyhold/contract/api/secrets'
import type { Machine, Person } from '../../access/caller.ts'
import type { Clock } from '../../base/clock.ts'
import type { Http } from '../../http/http.ts'
import type { Projects } from '../../projects/projects.service.ts'
import type { AccessKeys, NewAccessKey } from './access-key.service.ts'
import { toAnswer } from './access-key.ts'

export function accessKeyRoutes(
  http: Http<Person, Machine>,
  keys: AccessKeys,
  projects: Projects,
  clock: Clock,
): void {
  const toNewAnswer = ({ accessKey, secret }: NewAccessKey) => ({
    accessKey: toAnswer(accessKey, clock.now()),
    secret: secret.reveal(),
  })

  http.person(api.listAccessKeys, async ({ caller, origin, params }) => {
    const list = await keys.list({ caller, origin }, params.projectId)
    return { accessKeys: list.map((key) => toAnswer(key, clock.now())) }
  })
  http.person(api.createAccessKey, async ({ caller, origin, params, body }) =>
    toNewAnswer(
      await keys.create({ caller, origin }, params.projectId, {
        permission: body.permission,
        ipRestriction: body.ipRestriction ?? [],
        expiresAt: body.expiresAt ? new Date(body.expiresAt) : null,
      }),
    ),
  )
  http.person(api.updateAccessKey, async ({ caller, origin, params, body }) =>
    toAnswer(await keys.update({ caller, origin }, params.projectId, params.accessKeyId, body), clock.now()),
  )
  http.person(api.deactivateAccessKey, async ({ caller, origin, params }) =>
    toAnswer(await keys.deactivate({ caller, origin }, params.projectId, params.accessKeyId), clock.now()),
  )
  http.person(api.activateAccessKey, async ({ caller, origin, params }) =>
    toAnswer(await keys.activate({ caller, origin }, params.projectId, params.accessKeyId), clock.now()),
  )
  http.person(api.regenerateAccessKey, async ({ caller, origin, params }) =>
    toNewAnswer(await keys.regenerate({ caller, origin }, params.projectId, params.accessKeyId)),
  )
  http.person(api.deleteAccessKey, async ({ caller, origin, params, query }) =>
    keys.delete({ caller, origin }, params.projectId, params.accessKeyId, query.confirm),
  )

  http.machine(getCurrentProject, async ({ caller, origin }) => {
    const { project, accessKeyId, permission } = await keys.whoami({ caller, origin })
    return { project, accessKeyId, permission }
  })
  http.machine(listCurrentEnvironments, async ({ caller, origin }) => ({
    environments: (await projects.listEnvironments({ caller, origin }, caller.project.id)).map(
      ({ name, description, isDefault }) => ({ name, description, isDefault }),
    ),
  }))
}
