import type { createPersonalSecret, updatePersonalSecret } from '@keyhold/contract/api/personal-secrets'
import { limits } from '@keyhold/contract/limits'
import type { BodyOf } from '@keyhold/contract/route'
import { type Access, own } from '../../access/access.ts'
import type { Asker, Person, WorkspaceAgent } from '../../access/caller.ts'
import type { Clock } from '../../base/clock.ts'
import type { CredentialItem, CredentialSource } from '../../base/credential-item.ts'
import { nameKey } from '../../projects/project.ts'
import type { Storage } from '../../storage/storage.ts'
import type { Tables } from '../../storage/tables.ts'
import { TargetedSecretRows } from '../../storage/targeted-secrets.ts'
import type { Vault } from '../../vault/vault.ts'
import type { Offer } from '../offer.ts'
import { type DeliveredSecret, rowToTargeted } from '../targeted-secret.ts'
import { TargetedSecrets } from '../targeted-secrets.service.ts'
import {
  fromColumn,
  isDelivered,
  PERSONAL_FOLDER,
  type StoredPersonalSecret,
  toColumn,
  toItem,
} from './personal-secret.ts'

export type NewPersonalSecret = BodyOf<typeof createPersonalSecret>
export type PersonalSecretChange = BodyOf<typeof updatePersonalSecret>

type Row = Tables['personal_secrets']

const rows = new TargetedSecretRows<Row>(
  {
    secrets: 'personal_secrets',
    owner: 'account_id',
    versions: 'personal_secret_versions',
    secret: 'personal_secret_id',
  },
  ['workspaces'],
)

/** People's own secrets, for their workspaces. Their owner is always the account of who asks. */
export class PersonalSecrets extends TargetedSecrets<Row, StoredPersonalSecret> implements CredentialSource {
  constructor(storage: Storage, access: Access, vault: Vault, clock: Clock) {
    super(
      { storage, access, vault, clock },
      {
        kind: 'personal-secret',
        error: 'personal_secret',
        idPrefix: 'psec',
        rows,
        ownerKind: 'person',
        limits: {
          count: limits.personalSecretsPerPerson,
          totalBytes: limits.personalTotalBytes,
          environmentBytes: limits.personalEnvironmentBytes,
          valueBytes: () => limits.personalValueBytes,
        },
        folder: PERSONAL_FOLDER,
        fromRow: (row) => ({ ...rowToTargeted(row, row.account_id), workspaces: fromColumn(row.workspaces) }),
        scope: (_ownerId, about) => own(about),
        nameKey,
        ownSettings: (secret) => ({ workspaces: toColumn(secret?.workspaces ?? 'all') }),
      },
    )
  }

  async create(asker: Asker<Person>, wish: NewPersonalSecret): Promise<StoredPersonalSecret> {
    return this.createSecret(asker, asker.caller.accountId, wish, ownSettings(wish))
  }

  async update(
    asker: Asker<Person>,
    id: string,
    change: PersonalSecretChange,
  ): Promise<StoredPersonalSecret> {
    return this.updateSecret(asker, asker.caller.accountId, id, change, ownSettings(change))
  }

  /** Delivers some of the owner's to their workspace. */
  async deliverOffered(asker: Asker<WorkspaceAgent>, ids: ReadonlySet<string>): Promise<DeliveredSecret[]> {
    const { ownerId, workspaceId } = asker.caller
    return this.deliverTo(asker, ownerId, workspaceId, ({ id }) => ids.has(id))
  }

  /** Everything that one of the person's workspaces gets at this moment. Each value is recorded before it leaves. */
  async deliver(asker: Asker<Person>, workspaceId: string): Promise<DeliveredSecret[]> {
    const now = this.clock.now()
    return this.deliverTo(asker, asker.caller.accountId, workspaceId, (secret) =>
      isDelivered(secret, workspaceId, now),
    )
  }

  /** What one of a person's workspaces would get, without values. Decides nothing. */
  async offers(owner: { id: string; name: string }, workspaceId: string): Promise<Offer[]> {
    const now = this.clock.now()
    return this.offersOf(owner.id, { kind: 'personal', name: owner.name }, (secret) =>
      isDelivered(secret, workspaceId, now),
    )
  }

  async items(accountId: string): Promise<CredentialItem[]> {
    return (await this.all(this.storage.db, accountId)).map(toItem)
  }
}

function ownSettings({ workspaces }: PersonalSecretChange) {
  return workspaces === undefined ? {} : { workspaces: toColumn(workspaces) }
}
