import * as api from '@keyhold/contract/api/workspace-identity'
import { limits } from '@keyhold/contract/limits'
import type { Secret } from '@keyhold/contract/secret'
import type { Asker, Machine, Person, WorkspaceAgent } from '../../access/caller.ts'
import type { Http } from '../../http/http.ts'
import type { WorkspaceIdentities } from './workspace-identity.service.ts'

/** What is done as the owner of a workspace. Each decides and records. */
export interface IdentityUses {
  gitCredential(
    asker: Asker<WorkspaceAgent>,
    host: string,
    isRejected: boolean,
  ): Promise<{ username: string; token: Secret<string>; expiresAt: Date | null }>
  signForSsh(
    asker: Asker<WorkspaceAgent>,
    data: Uint8Array,
    flags: number,
    binding?: { readonly hostKey: Uint8Array; readonly signature: Uint8Array },
  ): Promise<Uint8Array>
  signWithGpg(asker: Asker<WorkspaceAgent>, fingerprint: string, data: Uint8Array): Promise<string>
  /** Called before each. @param records as what it counts. @throws AppError `rate.limited` */
  admit(workspaceId: string, records: number): void
}

export function workspaceIdentityRoutes(
  http: Http<Person, Machine, WorkspaceAgent>,
  identities: WorkspaceIdentities,
  uses: IdentityUses,
): void {
  http.workspace(api.readIdentity, ({ caller, origin }) => identities.get({ caller, origin }))

  http.workspace(api.readGitCredential, async ({ caller, origin, body }) => {
    uses.admit(caller.workspaceId, body.isRejected ? limits.agentRejectedTokenRecords : 1)
    const { username, token, expiresAt } = await uses.gitCredential(
      { caller, origin },
      body.host,
      body.isRejected ?? false,
    )
    return { username, password: token.reveal(), expiresAt: expiresAt?.toISOString() ?? null }
  })

  http.workspace(api.signForSsh, async ({ caller, origin, body }) => {
    uses.admit(caller.workspaceId, 1)
    const data = Buffer.from(body.data, 'base64')
    const binding = body.destination && {
      hostKey: Buffer.from(body.destination.hostKey, 'base64'),
      signature: Buffer.from(body.destination.signature, 'base64'),
    }
    const signature = await uses.signForSsh({ caller, origin }, data, body.flags ?? 0, binding)
    return { signature: Buffer.from(signature).toString('base64') }
  })

  http.workspace(api.signWithGpg, async ({ caller, origin, body }) => {
    uses.admit(caller.workspaceId, 1)
    const data = Buffer.from(body.data, 'base64')
    return { signature: await uses.signWithGpg({ caller, origin }, body.fingerprint, data) }
  })
}
