import type { createWorkspaceSecret, updateWorkspaceSecret } from '@keyhold/contract/api/workspace-secrets'
import { limits } from '@keyhold/contract/limits'
import { refusedSecret } from '@keyhold/contract/names'
import type { BodyOf } from '@keyhold/contract/route'
import { type Access, inWorkspace } from '../../access/access.ts'
import type { Asker, Person, WorkspaceAgent } from '../../access/caller.ts'
import { invalidField } from '../../base/app-error.ts'
import type { Clock } from '../../base/clock.ts'
import type { CredentialItem, CredentialSource } from '../../base/credential-item.ts'
import type { Storage } from '../../storage/storage.ts'
import type { Tables } from '../../storage/tables.ts'
import { TargetedSecretRows } from '../../storage/targeted-secrets.ts'
import type { Vault } from '../../vault/vault.ts'
import type { Offer } from '../offer.ts'
import { type DeliveredSecret, isLive, rowToTargeted } from '../targeted-secret.ts'
import { type TargetedChange, TargetedSecrets } from '../targeted-secrets.service.ts'
import { type StoredWorkspaceSecret, toItem, WORKSPACE_FOLDER } from './workspace-secret.ts'

export type NewWorkspaceSecret = BodyOf<typeof createWorkspaceSecret>
export type WorkspaceSecretChange = BodyOf<typeof updateWorkspaceSecret>

type Row = Tables['workspace_secrets']

const rows = new TargetedSecretRows<Row>(
  {
    secrets: 'workspace_secrets',
    owner: 'workspace_id',
    versions: 'workspace_secret_versions',
    secret: 'workspace_secret_id',
  },
  ['note', 'rotation_days'],
)

/** What this kind needs to know of workspaces. */
interface OwnedWorkspaces {
  /** The workspaces that the account owns. */
  ownedBy(accountId: string): Promise<readonly { readonly id: string; readonly name: string }[]>
}

/** Secrets of single workspaces. Their owner is the workspace. */
export class WorkspaceSecrets
  extends TargetedSecrets<Row, StoredWorkspaceSecret>
  implements CredentialSource
{
  readonly #workspaces: OwnedWorkspaces

  constructor(
    parts: { storage: Storage; access: Access; vault: Vault; clock: Clock },
    workspaces: OwnedWorkspaces,
  ) {
    super(parts, {
      kind: 'workspace-secret',
      error: 'workspace_secret',
      idPrefix: 'wsec',
      rows,
      ownerKind: 'workspace',
      limits: {
        count: limits.workspaceSecretsPerWorkspace,
        totalBytes: limits.workspaceTotalBytes,
        environmentBytes: limits.workspaceEnvironmentBytes,
        valueBytes: (type) => (type === 'file' ? limits.fileValueBytes : limits.valueBytes),
      },
      folder: WORKSPACE_FOLDER,
      fromRow: (row) => ({
        ...rowToTargeted(row, row.workspace_id),
        note: row.note,
        rotationDays: row.rotation_days,
      }),
      scope: inWorkspace,
      // `A` and `a` are different secrets (acceptance SEC-8), as they are different variables.
      nameKey: (name) => name,
      ownSettings: (secret) => ({ note: secret?.note ?? '', rotationDays: secret?.rotationDays ?? null }),
    })
    this.#workspaces = workspaces
  }

  /** Without a variable and a path, it goes into the variable of its name. */
  async create(
    asker: Asker<Person>,
    workspaceId: string,
    wish: NewWorkspaceSecret,
  ): Promise<StoredWorkspaceSecret> {
    const refused = refusedSecret(wish.name, wish.type)
    // The message of a wrong form does not quote the name: what was pasted there may be a value.
    if (refused) throw invalidField('name', refused.message)
    return this.createSecret(asker, workspaceId, { envName: wish.name, ...wish }, ownSettings(wish))
  }

  async update(
    asker: Asker<Person>,
    workspaceId: string,
    id: string,
    change: WorkspaceSecretChange,
  ): Promise<StoredWorkspaceSecret> {
    return this.updateSecret(asker, workspaceId, id, change, ownSettings(change))
  }

  /** What a workspace would get of its own, without values. Decides nothing. */
  async offers({ id, name }: { id: string; name: string }): Promise<Offer[]> {
    const now = this.clock.now()
    return this.offersOf(id, { kind: 'workspace', name }, (secret) => isLive(secret, now))
  }

  /** Delivers some of the workspace's to its agent. */
  async deliverOffered(asker: Asker<WorkspaceAgent>, ids: ReadonlySet<string>): Promise<DeliveredSecret[]> {
    const { workspaceId } = asker.caller
    return this.deliverTo(asker, workspaceId, workspaceId, ({ id }) => ids.has(id))
  }

  async items(accountId: string): Promise<CredentialItem[]> {
    const workspaces = await this.#workspaces.ownedBy(accountId)
    const names = new Map(workspaces.map(({ id, name }) => [id, name]))
    const secrets = await this.allOf(this.storage.db, [...names.keys()])
    return secrets.map((secret) => toItem(secret, names.get(secret.ownerId)!)) // `!`: of one of these.
  }
}

function ownSettings({
  note,
  rotationDays,
}: TargetedChange & { note?: string; rotationDays?: number | null }) {
  return {
    ...(note !== undefined && { note }),
    ...(rotationDays !== undefined && { rotationDays }),
  }
}
