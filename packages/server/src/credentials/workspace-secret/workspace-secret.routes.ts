import * as api from '@keyhold/contract/api/workspace-secrets'
import { workspaceSecretPresets } from '@keyhold/contract/workspace-secret-presets'
import type { Machine, Person } from '../../access/caller.ts'
import type { InstanceSettings } from '../../accounts/settings.service.ts'
import type { Clock } from '../../base/clock.ts'
import type { Http } from '../../http/http.ts'
import { toTargetedVersion } from '../targeted-secret.ts'
import type { WorkspaceSecrets } from './workspace-secret.service.ts'
import { type StoredWorkspaceSecret, toAnswer } from './workspace-secret.ts'

export function workspaceSecretRoutes(
  http: Http<Person, Machine>,
  secrets: WorkspaceSecrets,
  settings: InstanceSettings,
  clock: Clock,
): void {
  const shown = async (secret: StoredWorkspaceSecret) =>
    toAnswer(secret, await settings.current(), clock.now())

  http.person(api.listWorkspaceSecretPresets, async () => ({ presets: [...workspaceSecretPresets] }))
  http.person(api.listWorkspaceSecrets, async ({ caller, origin, params }) => {
    const found = await secrets.list({ caller, origin }, params.workspaceId)
    const current = await settings.current()
    return { workspaceSecrets: found.map((secret) => toAnswer(secret, current, clock.now())) }
  })
  http.person(api.createWorkspaceSecret, async ({ caller, origin, params, body }) =>
    shown(await secrets.create({ caller, origin }, params.workspaceId, body)),
  )
  http.person(api.getWorkspaceSecret, async ({ caller, origin, params }) =>
    shown(await secrets.get({ caller, origin }, params.workspaceId, params.workspaceSecretId)),
  )
  http.person(api.updateWorkspaceSecret, async ({ caller, origin, params, body }) =>
    shown(await secrets.update({ caller, origin }, params.workspaceId, params.workspaceSecretId, body)),
  )
  http.person(api.deleteWorkspaceSecret, async ({ caller, origin, params }) =>
    secrets.delete({ caller, origin }, params.workspaceId, params.workspaceSecretId),
  )
  http.person(api.revealWorkspaceSecret, async ({ caller, origin, params, body }) =>
    secrets.reveal({ caller, origin }, params.workspaceId, params.workspaceSecretId, body.version),
  )
  http.person(api.listWorkspaceSecretVersions, async ({ caller, origin, params }) => {
    const { workspaceId, workspaceSecretId } = params
    const { versions, current } = await secrets.versions({ caller, origin }, workspaceId, workspaceSecretId)
    return { versions: versions.map((version) => toTargetedVersion(version, current)) }
  })
}
