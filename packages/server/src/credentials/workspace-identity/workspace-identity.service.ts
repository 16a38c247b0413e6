import type { WorkspaceIdentity } from '@keyhold/contract/api/workspace-identity'
import { type Access, inWorkspace } from '../../access/access.ts'
import type { Asker, WorkspaceAgent } from '../../access/caller.ts'

/** What the identity of a workspace is made of: what its owner has. None of these decides anything. */
export interface IdentitySources {
  gitHosts(ownerId: string): Promise<WorkspaceIdentity['gitHosts']>
  sshPublicKey(ownerId: string): Promise<string | undefined>
  gpgKey(ownerId: string): Promise<WorkspaceIdentity['gpgKey'] | undefined>
}

/** As whom the programs of a workspace are known elsewhere. What is done as them, their kinds decide and record. */
export class WorkspaceIdentities {
  readonly #access: Access
  readonly #sources: IdentitySources

  constructor(access: Access, sources: IdentitySources) {
    this.#access = access
    this.#sources = sources
  }

  async get(asker: Asker<WorkspaceAgent>): Promise<WorkspaceIdentity> {
    const { workspaceId, ownerId } = asker.caller
    return this.#access.check(asker, 'agent.read', inWorkspace(workspaceId), async () => ({
      gitHosts: await this.#sources.gitHosts(ownerId),
      sshPublicKey: (await this.#sources.sshPublicKey(ownerId)) ?? null,
      gpgKey: (await this.#sources.gpgKey(ownerId)) ?? null,
    }))
  }
}
