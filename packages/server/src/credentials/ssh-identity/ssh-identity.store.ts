import type { Secret } from '@keyhold/contract/secret'
import { Grant } from '../../access/access.ts'
import { toDate } from '../../base/clock.ts'
import type { Queries, Tables, Transaction } from '../../storage/tables.ts'
import type { Vault } from '../../vault/vault.ts'
import type { Destination, SealedIdentity, SshIdentity } from './ssh-identity.ts'

const columns = [
  'id',
  'account_id',
  'type',
  'blob',
  'comment',
  'sealed',
  'created_at',
  'last_used_at',
  'destinations',
] as const

function rowToIdentity(row: Tables['ssh_identities']): SealedIdentity {
  return {
    id: row.id,
    accountId: row.account_id,
    type: row.type,
    blob: row.blob,
    comment: row.comment,
    // `as`: written by this file.
    destinations: row.destinations === null ? [] : (JSON.parse(row.destinations) as Destination[]),
    sealed: row.sealed,
    createdAt: new Date(row.created_at),
    lastUsedAt: toDate(row.last_used_at),
  }
}

export async function findIdentity(db: Queries, accountId: string): Promise<SealedIdentity | undefined> {
  const row = await db
    .selectFrom('ssh_identities')
    .select(columns)
    .where('account_id', '=', accountId)
    .executeTakeFirst()
  return row && rowToIdentity(row)
}

/** Whether a public key is somebody's identity. */
export async function isIdentity(db: Queries, blob: Uint8Array): Promise<boolean> {
  const row = await db
    .selectFrom('ssh_identities')
    .select('id')
    .where('blob', '=', blob)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

/** What a private key is bound to: of two identities that a person had, neither opens as the other. */
const keyContext = ({ id, type }: Pick<SshIdentity, 'id' | 'type'>) => [
  'keyhold/v1/ssh-identity',
  id,
  type,
  1,
]

/** @throws a unique violation when the person has an identity. */
export async function insertIdentity(
  tx: Transaction,
  vault: Vault,
  grant: Grant<'ssh-identity.create'>,
  identity: SshIdentity,
  privateKey: Secret<Uint8Array>,
): Promise<void> {
  const { id, accountId, type, blob, comment, destinations, createdAt } = identity
  const owner = `person:${accountId}` as const
  Grant.assertFor(grant, owner)
  const sealed = await vault.seal(tx, owner, keyContext(identity), privateKey)
  await tx
    .insertInto('ssh_identities')
    .values({
      ...{ id, account_id: accountId, type, blob, comment, sealed },
      ...{ created_at: createdAt.getTime(), last_used_at: null, destinations: toText(destinations) },
    })
    .execute()
}

/** Opens the private key. The grant proves that using it was decided and recorded, for this person. */
export async function openPrivateKey(
  db: Queries,
  vault: Vault,
  grant: Grant<'ssh-identity.sign'>,
  identity: SealedIdentity,
): Promise<Secret<Uint8Array>> {
  const owner = `person:${identity.accountId}` as const
  Grant.assertFor(grant, owner)
  return vault.open(db, owner, keyContext(identity), identity.sealed)
}

const toText = (destinations: readonly Destination[]) =>
  destinations.length === 0 ? null : JSON.stringify(destinations)

/** @returns the identity as it is then; undefined when the person has none. */
export async function setDestinations(
  tx: Transaction,
  accountId: string,
  destinations: readonly Destination[],
): Promise<SshIdentity | undefined> {
  const row = await tx
    .updateTable('ssh_identities')
    .set({ destinations: toText(destinations) })
    .where('account_id', '=', accountId)
    .returning(columns)
    .executeTakeFirst()
  return row && rowToIdentity(row)
}

/** @returns what was deleted; undefined when the person has none. */
export async function deleteIdentity(tx: Transaction, accountId: string): Promise<SshIdentity | undefined> {
  const row = await tx
    .deleteFrom('ssh_identities')
    .where('account_id', '=', accountId)
    .returning(columns)
    .executeTakeFirst()
  return row && rowToIdentity(row)
}

/** Moves "last used" on unless another use just did. */
export async function touchIdentity(
  tx: Transaction,
  id: string,
  now: number,
  unlessSince: number,
): Promise<void> {
  await tx
    .updateTable('ssh_identities')
    .set({ last_used_at: now })
    .where('id', '=', id)
    .where((eb) => eb.or([eb('last_used_at', 'is', null), eb('last_used_at', '<', unlessSince)]))
    .execute()
}
