import { Secret } from '@keyhold/contract/secret'
import { Grant } from '../../access/access.ts'
import { AppError } from '../../base/app-error.ts'
import type { Storage } from '../../storage/storage.ts'
import type { Queries, Tables, Transaction } from '../../storage/tables.ts'
import type { Vault } from '../../vault/vault.ts'
import type {
  OutsideStore,
  SealedStore,
  SourceOwner,
  SourceVariable,
  StoreSettings,
  StoreSource,
} from './outside-store.ts'

/* Stores. */

const columns = [
  'id',
  'name',
  'kind',
  'address',
  'settings',
  'ca',
  'paths',
  'sealed_credential',
  'credential_version',
  'created_at',
  'updated_at',
] as const

export async function listStores(db: Queries): Promise<SealedStore[]> {
  const rows = await db.selectFrom('outside_stores').select(columns).orderBy('name_key').execute()
  return rows.map(rowToStore)
}

export async function findStore(db: Queries, id: string): Promise<SealedStore | undefined> {
  const row = await db.selectFrom('outside_stores').select(columns).where('id', '=', id).executeTakeFirst()
  return row && rowToStore(row)
}

function rowToStore(row: Omit<Tables['outside_stores'], 'name_key'>): SealedStore {
  return {
    id: row.id,
    name: row.name,
    address: row.address,
    // `as`: written by this folder alone.
    settings: { ...(JSON.parse(row.settings) as object), kind: row.kind } as StoreSettings,
    ca: row.ca ?? undefined,
    paths: JSON.parse(row.paths) as string[], // `as`: likewise.
    credentialVersion: row.credential_version,
    sealedCredential: row.sealed_credential,
    createdAt: new Date(row.created_at),
    updatedAt: new Date(row.updated_at),
  }
}

/** @throws a unique violation when there is one of this name. */
export async function insertStore(tx: Transaction, row: Tables['outside_stores']): Promise<void> {
  await tx.insertInto('outside_stores').values(row).execute()
}

/** @throws likewise. */
export async function updateStore(
  tx: Transaction,
  id: string,
  change: Partial<Omit<Tables['outside_stores'], 'id' | 'address' | 'kind' | 'settings'>>,
): Promise<void> {
  await tx.updateTable('outside_stores').set(change).where('id', '=', id).execute()
}

/** Makes other changes of the store wait. @returns false when there is none. */
export async function lockStore(tx: Transaction, id: string): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('outside_stores')
    .set((eb) => ({ name: eb.ref('name') }))
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  return numUpdatedRows > 0n
}

export async function deleteStore(tx: Transaction, id: string): Promise<void> {
  await tx.deleteFrom('outside_stores').where('id', '=', id).execute()
}

/** How many sources each store has. */
export async function countSources(db: Queries): Promise<ReadonlyMap<string, number>> {
  const rows = await db
    .selectFrom('store_sources')
    .select((eb) => ['store_id', eb.fn.countAll<number | string>().as('count')])
    .groupBy('store_id')
    .execute()
  return new Map(rows.map(({ store_id, count }) => [store_id, Number(count)]))
}

/** What a credential is bound to: all that says where it is sent, whom Keyhold trusts there, and what is asked with it. */
export type CredentialPlace = Pick<OutsideStore, 'id' | 'address' | 'settings' | 'ca' | 'paths'>

/**
 * Whoever changes a store in the database, past the rules, gets a credential that does not open. Settings are sorted: in which
 * order a database has them is no change.
 */
const credentialContext = ({ id, address, settings, ca, paths }: CredentialPlace, version: number) => [
  'keyhold/v2/store-credential',
  id,
  address,
  JSON.stringify(Object.entries(settings).sort(([a], [b]) => (a < b ? -1 : 1))),
  ca ?? '',
  JSON.stringify(paths),
  version,
]

/** As credentials were sealed at first: bound to the addresses alone. */
const firstContext = ({ id, address, settings }: CredentialPlace, version: number) => [
  'keyhold/v1/store-credential',
  id,
  address,
  settings.kind === 'azure' ? settings.authority : '',
  version,
]

export async function sealCredential(
  tx: Transaction,
  vault: Vault,
  grant: Grant<'store.create' | 'store.update'>,
  store: CredentialPlace,
  version: number,
  value: Secret<string>,
): Promise<Uint8Array> {
  Grant.assertFor(grant, 'instance')
  return seal(tx, vault, store, version, value)
}

function seal(
  tx: Transaction,
  vault: Vault,
  store: CredentialPlace,
  version: number,
  value: Secret<string>,
): Promise<Uint8Array> {
  const bytes = new Secret<Uint8Array>(Buffer.from(value.reveal()))
  return vault.seal(tx, 'instance', credentialContext(store, version), bytes)
}

type OpeningGrant = Grant<'store.check' | 'store.fetch' | 'store.update'>

/** Opens what Keyhold signs in with, for those who were let at what the store has: that goes to the store and to nobody else. */
export async function openCredential(
  db: Queries,
  vault: Vault,
  grant: OpeningGrant,
  store: SealedStore,
): Promise<Secret<string>> {
  return (await open(db, vault, grant, store)).credential
}

/** The same, and binds one that was sealed before to all that it is bound to now. */
export async function openAndBindCredential(
  storage: Storage,
  vault: Vault,
  grant: OpeningGrant,
  store: SealedStore,
): Promise<Secret<string>> {
  const { credential, isBound } = await open(storage.db, vault, grant, store)
  if (!isBound)
    await storage.transaction(async (tx) => {
      const sealed = await seal(tx, vault, store, store.credentialVersion, credential)
      // Unless it was changed meanwhile, which has bound it.
      await tx
        .updateTable('outside_stores')
        .set({ sealed_credential: sealed })
        .where('id', '=', store.id)
        .where('sealed_credential', '=', store.sealedCredential)
        .execute()
    })
  return credential
}

async function open(
  db: Queries,
  vault: Vault,
  grant: OpeningGrant,
  store: SealedStore,
): Promise<{ credential: Secret<string>; isBound: boolean }> {
  // Whosever values it is for: the credential is the instance's, and what was decided is that the store may be asked.
  Grant.assertFor(grant, grant.owner)
  const { credentialVersion: version, sealedCredential: sealed } = store
  const opened = async (context: ReturnType<typeof credentialContext>) => {
    const bytes = await vault.open(db, 'instance', context, sealed)
    return new Secret(Buffer.from(bytes.reveal()).toString())
  }
  try {
    return { credential: await opened(credentialContext(store, version)), isBound: true }
  } catch (error) {
    if (!(error instanceof AppError && error.code === 'secret.unreadable')) throw error
    return { credential: await opened(firstContext(store, version)), isBound: false }
  }
}

/* What workspaces take of them. */

/** In the order in which they count: the one that was there first. */
export async function listSources(db: Queries, workspaceId: string): Promise<StoreSource[]> {
  const rows = await db
    .selectFrom('store_sources')
    .innerJoin('outside_stores', 'outside_stores.id', 'store_sources.store_id')
    .select([
      'store_sources.id',
      'store_sources.path',
      'store_sources.variables',
      'store_sources.on_failure',
      'store_sources.created_at',
      'outside_stores.id as store_id',
      'outside_stores.name',
      'outside_stores.kind',
      'outside_stores.paths',
    ])
    .where('store_sources.workspace_id', '=', workspaceId)
    .orderBy('store_sources.created_at')
    .orderBy('store_sources.id')
    .execute()
  return rows.map((row) => ({
    id: row.id,
    // `as`, here and below: written by this folder alone.
    store: { id: row.store_id, name: row.name, kind: row.kind, paths: JSON.parse(row.paths) as string[] },
    path: row.path,
    variables: row.variables === null ? null : (JSON.parse(row.variables) as SourceVariable[]),
    onFailure: row.on_failure,
    createdAt: new Date(row.created_at),
  }))
}

/** Whom paths of this workspace can be for. @returns undefined when there is no such workspace. */
export async function findSourceOwner(db: Queries, workspaceId: string): Promise<SourceOwner | undefined> {
  const row = await db
    .selectFrom('workspaces')
    .innerJoin('accounts', 'accounts.id', 'workspaces.owner_id')
    .select('accounts.email')
    .where('workspaces.id', '=', workspaceId)
    .executeTakeFirst()
  return row && { workspaceId, ownerEmail: row.email }
}

/** @throws a unique violation when the workspace takes this path already. */
export async function insertSource(tx: Transaction, row: Tables['store_sources']): Promise<void> {
  await tx.insertInto('store_sources').values(row).execute()
}

/** @returns false when the workspace has no such source. */
export async function deleteSource(tx: Transaction, workspaceId: string, id: string): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom('store_sources')
    .where('id', '=', id)
    .where('workspace_id', '=', workspaceId)
    .executeTakeFirstOrThrow()
  return numDeletedRows > 0n
}
