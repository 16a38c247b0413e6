import { Secret } from '@keyhold/contract/secret'
import { Grant } from '../access/access.ts'
import type { Queries, Tables, Transaction } from '../storage/tables.ts'
import type { Vault } from '../vault/vault.ts'
import { type IdentityLink, type IdentityProvider, rowToLink, rowToProvider } from './identity-provider.ts'

/* Providers. */

const providerColumns = [
  'id',
  'issuer',
  'label',
  'client_id',
  'secret_version',
  'rules',
  'created_at',
  'updated_at',
] as const

const secretContext = (id: string, issuer: string, version: number) => [
  'keyhold/v1/identity-provider-secret',
  id,
  issuer,
  version,
]

/** By label. */
export async function listProviders(db: Queries): Promise<IdentityProvider[]> {
  const rows = await db
    .selectFrom('identity_providers')
    .select(providerColumns)
    .orderBy('label')
    .orderBy('id')
    .execute()
  return rows.map(rowToProvider)
}

export async function findProvider(db: Queries, id: string): Promise<IdentityProvider | undefined> {
  const row = await db
    .selectFrom('identity_providers')
    .select(providerColumns)
    .where('id', '=', id)
    .executeTakeFirst()
  return row && rowToProvider(row)
}

/** @throws a unique violation when the issuer is registered. */
export async function insertProvider(
  tx: Transaction,
  row: Omit<Tables['identity_providers'], 'sealed_client_secret'>,
): Promise<void> {
  await tx
    .insertInto('identity_providers')
    .values({ ...row, sealed_client_secret: null })
    .execute()
}

export async function updateProvider(
  tx: Transaction,
  id: string,
  change: Partial<Pick<Tables['identity_providers'], 'label' | 'client_id' | 'rules'>> & {
    updated_at: number
  },
): Promise<void> {
  await tx.updateTable('identity_providers').set(change).where('id', '=', id).execute()
}

/** Makes other changes of the provider, and links to it, wait. @returns false when there is none. */
export async function lockProvider(tx: Transaction, id: string): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('identity_providers')
    .set((eb) => ({ label: eb.ref('label') }))
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  return numUpdatedRows > 0n
}

export async function deleteProvider(tx: Transaction, id: string): Promise<void> {
  await tx.deleteFrom('identity_providers').where('id', '=', id).execute()
}

/** Seals the client secret, bound to the issuer: under another one it does not open. */
export async function storeClientSecret(
  tx: Transaction,
  vault: Vault,
  grant: Grant<'identity-provider.create' | 'identity-provider.update'>,
  { id, issuer }: Pick<IdentityProvider, 'id' | 'issuer'>,
  version: number,
  value: Secret<string>,
): Promise<void> {
  Grant.assertFor(grant, 'instance')
  const bytes = new Secret<Uint8Array>(Buffer.from(value.reveal()))
  const sealed = await vault.seal(tx, 'instance', secretContext(id, issuer, version), bytes)
  await tx
    .updateTable('identity_providers')
    .set({ sealed_client_secret: sealed, secret_version: version })
    .where('id', '=', id)
    .execute()
}

/**
 * Opens the client secret for a call to the provider. Asks for no grant: it is the instance's own, belongs to no person,
 * and goes to nobody but the provider.
 */
export async function openClientSecret(
  db: Queries,
  vault: Vault,
  { id, issuer }: IdentityProvider,
): Promise<Secret<string>> {
  const row = await db
    .selectFrom('identity_providers')
    .select(['secret_version', 'sealed_client_secret'])
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  const context = secretContext(id, issuer, row.secret_version)
  // `!`: written in the transaction that made the row.
  const opened = await vault.open(db, 'instance', context, row.sealed_client_secret!)
  return new Secret(Buffer.from(opened.reveal()).toString('utf8'))
}

/* Links. Look-ups for people name the account, so another's are missing. */

const selectLinks = (db: Queries) =>
  db
    .selectFrom('identity_links as l')
    .innerJoin('identity_providers as p', 'p.id', 'l.provider_id')
    .select([
      'l.id',
      'l.account_id',
      'l.provider_id',
      'l.subject',
      'l.email',
      'l.created_at',
      'l.last_used_at',
      'p.label',
      'p.issuer',
    ])

export async function listLinks(db: Queries, accountId: string): Promise<IdentityLink[]> {
  const rows = await selectLinks(db)
    .where('l.account_id', '=', accountId)
    .orderBy('l.created_at')
    .orderBy('l.id')
    .execute()
  return rows.map(rowToLink)
}

/** Whom an account of the provider signs in. */
export async function findLink(
  db: Queries,
  providerId: string,
  subject: string,
): Promise<IdentityLink | undefined> {
  const row = await selectLinks(db)
    .where('l.provider_id', '=', providerId)
    .where('l.subject', '=', subject)
    .executeTakeFirst()
  return row && rowToLink(row)
}

export async function countLinks(db: Queries, providerId: string): Promise<number> {
  const { count } = await db
    .selectFrom('identity_links')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('provider_id', '=', providerId)
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** @throws a unique violation when the account of the provider is linked, to whomever. */
export async function insertLink(tx: Transaction, row: Tables['identity_links']): Promise<void> {
  await tx.insertInto('identity_links').values(row).execute()
}

export async function touchLink(tx: Transaction, id: string, now: number): Promise<void> {
  await tx.updateTable('identity_links').set({ last_used_at: now }).where('id', '=', id).execute()
}

/** @returns false when the person has none of this id. */
export async function deleteOwnLink(tx: Transaction, accountId: string, id: string): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom('identity_links')
    .where('account_id', '=', accountId)
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  return numDeletedRows > 0n
}
