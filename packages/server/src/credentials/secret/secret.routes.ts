import type { Readable } from 'node:stream'
import * as api from '@keyhold/contract/api/secrets'
import type { Machine, Person } from '../../access/caller.ts'
import type { InstanceSettings } from '../../accounts/settings.service.ts'
import type { Clock } from '../../base/clock.ts'
import type { Http } from '../../http/http.ts'
import type { EnvironmentRestores } from './environment-restore.service.ts'
import type { RestorePlan } from './environment-restore.ts'
import type { Secrets } from './secret.service.ts'
import { type ListedSecret, type StoredSecret, toInfo, toVersion } from './secret.ts'
import type { SecretChanges } from './secret-changes.service.ts'
import type { SecretWatches } from './secret-watches.service.ts'

export function secretRoutes(
  http: Http<Person, Machine>,
  {
    secrets,
    changes,
    restores,
    watches,
  }: { secrets: Secrets; changes: SecretChanges; restores: EnvironmentRestores; watches: SecretWatches },
  settings: InstanceSettings,
  clock: Clock,
): void {
  const toListed = async (found: readonly ListedSecret[]) => {
    const current = await settings.current()
    const now = clock.now()
    return found.map((secret) => ({ ...toInfo(secret, current, now), source: secret.source }))
  }
  const toOneInfo = async (secret: StoredSecret) => toInfo(secret, await settings.current(), clock.now())

  http.person(api.listSecrets, async ({ caller, origin, params, query }) => {
    const found = await secrets.list({ caller, origin }, params.projectId, query.environment)
    return { secrets: await toListed(found.secrets), overrides: found.overrides }
  })
  http.person(api.createSecret, async ({ caller, origin, params, body }) =>
    toOneInfo(await changes.create({ caller, origin }, params.projectId, body)),
  )
  http.person(api.getSecret, async ({ caller, origin, params }) =>
    toOneInfo(await secrets.get({ caller, origin }, params.projectId, params.secretId)),
  )
  http.person(api.updateSecret, async ({ caller, origin, params, body }) =>
    toOneInfo(await changes.update({ caller, origin }, params.projectId, { id: params.secretId }, body)),
  )
  http.person(api.restoreSecret, async ({ caller, origin, params, body }) =>
    toOneInfo(await changes.restore({ caller, origin }, params.projectId, params.secretId, body.version)),
  )
  http.person(api.importSecrets, async ({ caller, origin, params, body }) => {
    const { created, updated, unchanged } = await changes.import(
      { caller, origin },
      params.projectId,
      body.environment,
      body.secrets,
      body.existing ?? 'refuse',
    )
    return { created: [...created], updated: [...updated], unchanged: [...unchanged] }
  })
  http.person(api.previewRestore, async ({ caller, origin, params, query }) =>
    toRestore(
      await restores.preview({ caller, origin }, params.projectId, params.environmentId, new Date(query.at)),
    ),
  )
  http.person(api.restoreEnvironment, async ({ caller, origin, params, body }) =>
    toRestore(
      await restores.restore(
        { caller, origin },
        params.projectId,
        params.environmentId,
        new Date(body.at),
        body.expectedState,
      ),
    ),
  )
  http.person(api.compareEnvironments, async ({ caller, origin, params, query }) => ({
    secrets: await secrets.compare({ caller, origin }, params.projectId, query.left, query.right),
  }))
  http.person(api.deleteSecret, async ({ caller, origin, params }) =>
    changes.delete({ caller, origin }, params.projectId, { id: params.secretId }),
  )
  http.person(api.revealSecret, async ({ caller, origin, params, body }) => {
    const revealed = await secrets.reveal({ caller, origin }, params.projectId, params.secretId, body)
    const { value, uses, hasReferences } = revealed
    return { ...value, hasReferences, uses }
  })
  http.person(api.listReferences, async ({ caller, origin, params, query }) => ({
    references: await secrets.references({ caller, origin }, params.projectId, query.environment, query.name),
  }))
  http.person(api.listSecretVersions, async ({ caller, origin, params }) => {
    const { versions, current } = await secrets.versions(
      { caller, origin },
      params.projectId,
      params.secretId,
    )
    return { versions: versions.map((version) => toVersion(version, current)) }
  })
  http.person(api.watchSecrets, async ({ caller, origin, params, query, isStillAdmitted }) =>
    asAnswer(await watches.open({ caller, origin }, params.projectId, query.environment, isStillAdmitted)),
  )

  http.machine(api.listCurrentSecrets, async ({ caller, origin, query }) => ({
    secrets: await toListed(
      (await secrets.list({ caller, origin }, caller.project.id, query.environment)).secrets,
    ),
  }))
  http.machine(api.readCurrentSecrets, async ({ caller, origin, query }) => ({
    project: caller.project,
    ...(await secrets.readAll({ caller, origin }, query.environment)),
  }))
  http.machine(api.watchCurrentSecrets, async ({ caller, origin, query, isStillAdmitted }) =>
    asAnswer(await watches.open({ caller, origin }, caller.project.id, query.environment, isStillAdmitted)),
  )
  http.machine(api.readCurrentSecret, async ({ caller, origin, params, query }) =>
    secrets.read({ caller, origin }, query.environment, params.name),
  )
  http.machine(api.createCurrentSecret, async ({ caller, origin, body }) =>
    toOneInfo(await changes.create({ caller, origin }, caller.project.id, body)),
  )
  http.machine(api.updateCurrentSecret, async ({ caller, origin, params, query, body }) =>
    toOneInfo(
      await changes.update(
        { caller, origin },
        caller.project.id,
        { environment: query.environment, name: params.name },
        body,
      ),
    ),
  )
  http.machine(api.deleteCurrentSecret, async ({ caller, origin, params, query }) =>
    changes.delete({ caller, origin }, caller.project.id, {
      environment: query.environment,
      name: params.name,
    }),
  )
}

/** `as`: the row says that its answer is a stream of events; its schema can only say what they are made of. */
const asAnswer = (events: Readable): string => events as unknown as string

const toRestore = ({ at, changes, isComplete, state }: RestorePlan) => ({
  at: at.toISOString(),
  changes: changes.map(({ name, change }) => ({ name, change })),
  isComplete,
  state,
})
