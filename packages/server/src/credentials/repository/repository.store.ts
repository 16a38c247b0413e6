import { Secret } from '@keyhold/contract/secret'
import { Grant } from '../../access/access.ts'
import type { Queries, Tables, Transaction } from '../../storage/tables.ts'
import type { Vault } from '../../vault/vault.ts'
import { type Connection, type Provider, rowToConnection, rowToProvider } from './repository.ts'

/* Providers. */

const providerColumns = [
  'id',
  'type',
  'kind',
  'base_url',
  'host',
  'client_id',
  'secret_version',
  'ca',
  'scopes',
  'created_at',
  'updated_at',
] as const

export async function listProviders(db: Queries): Promise<Provider[]> {
  const rows = await db
    .selectFrom('repository_providers')
    .select(providerColumns)
    .orderBy('kind')
    .orderBy('host')
    .execute()
  return rows.map(rowToProvider)
}

export async function findProvider(db: Queries, id: string): Promise<Provider | undefined> {
  const row = await db
    .selectFrom('repository_providers')
    .select(providerColumns)
    .where('id', '=', id)
    .executeTakeFirst()
  return row && rowToProvider(row)
}

export async function insertProvider(
  tx: Transaction,
  row: Omit<Tables['repository_providers'], 'sealed_client_secret'>,
): Promise<void> {
  await tx
    .insertInto('repository_providers')
    .values({ ...row, sealed_client_secret: null })
    .execute()
}

export async function updateProvider(
  tx: Transaction,
  id: string,
  change: Partial<Pick<Tables['repository_providers'], 'client_id' | 'ca' | 'scopes'>> & {
    updated_at: number
  },
): Promise<void> {
  await tx.updateTable('repository_providers').set(change).where('id', '=', id).execute()
}

/** Makes other changes of the provider, and connections to it, wait. @returns false when there is none. */
export async function lockProvider(tx: Transaction, id: string): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('repository_providers')
    .set((eb) => ({ host: eb.ref('host') }))
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  return numUpdatedRows > 0n
}

export async function deleteProvider(tx: Transaction, id: string): Promise<void> {
  await tx.deleteFrom('repository_providers').where('id', '=', id).execute()
}

export async function countConnections(db: Queries, providerId: string): Promise<number> {
  const { count } = await db
    .selectFrom('repository_connections')
    .select((eb) => eb.fn.countAll<number | string>().as('count'))
    .where('provider_id', '=', providerId)
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** Bound to the address as well: whoever changes that in the database gets nothing sent to another one. */
const clientSecretContext = (id: string, baseUrl: string, version: number) =>
  ['keyhold/v1/repository-client-secret', id, baseUrl, version] as const

export async function storeClientSecret(
  tx: Transaction,
  vault: Vault,
  grant: Grant<'repository-provider.create' | 'repository-provider.update'>,
  { id, baseUrl }: Pick<Provider, 'id' | 'baseUrl'>,
  version: number,
  value: Secret<string>,
): Promise<void> {
  Grant.assertFor(grant, 'instance')
  const bytes = new Secret<Uint8Array>(Buffer.from(value.reveal()))
  const sealed = await vault.seal(tx, 'instance', clientSecretContext(id, baseUrl, version), bytes)
  await tx
    .updateTable('repository_providers')
    .set({ sealed_client_secret: sealed, secret_version: version })
    .where('id', '=', id)
    .execute()
}

/**
 * Opens the client secret for a call to the provider. Asks for no grant: it is the instance's own, belongs to no person,
 * and goes to nobody but the provider. @returns undefined when there is none.
 */
export async function openClientSecret(
  db: Queries,
  vault: Vault,
  id: string,
): Promise<{ clientId: string; clientSecret: Secret<string> } | undefined> {
  const row = await db
    .selectFrom('repository_providers')
    .select(['base_url', 'client_id', 'secret_version', 'sealed_client_secret'])
    .where('id', '=', id)
    .executeTakeFirst()
  if (!row?.client_id || !row.sealed_client_secret) return undefined
  const context = clientSecretContext(id, row.base_url, row.secret_version)
  const opened = await vault.open(db, 'instance', context, row.sealed_client_secret)
  return { clientId: row.client_id, clientSecret: toText(opened) }
}

/* Connections. Every look-up names the account, so another's are missing. */

function selectConnections(db: Queries, accountId: string) {
  return db
    .selectFrom('repository_connections as c')
    .innerJoin('repository_providers as p', 'p.id', 'c.provider_id')
    .select([
      'c.id',
      'c.account_id',
      'c.provider_id',
      'c.method',
      'c.token_version',
      'c.token_expires_at',
      'c.token_changed_at',
      'c.login',
      'c.remote_id',
      'c.scopes',
      'c.broken_reason',
      'c.lease_expires_at',
      'c.created_at',
      'c.updated_at',
      'c.last_used_at',
      'p.type',
      'p.kind',
      'p.base_url',
      'p.host',
    ])
    .select((eb) => [
      eb('c.sealed_token', 'is not', null).$castTo<number | boolean>().as('has_token'),
      eb('c.sealed_refresh_token', 'is not', null).$castTo<number | boolean>().as('has_refresh_token'),
    ])
    .where('c.account_id', '=', accountId)
    .orderBy('p.kind')
    .orderBy('p.host')
}

export async function listConnections(db: Queries, accountId: string): Promise<Connection[]> {
  return (await selectConnections(db, accountId).execute()).map(rowToConnection)
}

export async function findConnection(
  db: Queries,
  accountId: string,
  by: { readonly id: string } | { readonly host: string } | { readonly providerId: string },
): Promise<Connection | undefined> {
  const select = selectConnections(db, accountId)
  const row = await ('id' in by
    ? select.where('c.id', '=', by.id)
    : 'host' in by
      ? select.where('p.host', '=', by.host)
      : select.where('c.provider_id', '=', by.providerId)
  ).executeTakeFirst()
  return row && rowToConnection(row)
}

export async function insertConnection(
  tx: Transaction,
  row: Pick<
    Tables['repository_connections'],
    'id' | 'account_id' | 'provider_id' | 'method' | 'created_at' | 'updated_at'
  >,
): Promise<void> {
  await tx
    .insertInto('repository_connections')
    .values({
      ...row,
      token_version: 0,
      sealed_token: null,
      sealed_refresh_token: null,
      token_expires_at: null,
      token_changed_at: null,
      login: null,
      remote_id: null,
      scopes: '[]',
      broken_reason: null,
      lease_id: null,
      lease_expires_at: null,
      last_used_at: null,
    })
    .execute()
}

export async function setMethod(
  tx: Transaction,
  id: string,
  method: 'oauth' | 'ssh',
  now: number,
): Promise<void> {
  await tx
    .updateTable('repository_connections')
    .set({ method, updated_at: now })
    .where('id', '=', id)
    .execute()
}

export async function deleteConnection(tx: Transaction, id: string): Promise<void> {
  await tx.deleteFrom('repository_connections').where('id', '=', id).execute()
}

/** Marks as broken what still has the tokens that did not work. */
export async function setBroken(
  tx: Transaction,
  connection: Pick<Connection, 'id' | 'tokenVersion'>,
  reason: string,
): Promise<void> {
  await tx
    .updateTable('repository_connections')
    .set({ broken_reason: reason, lease_id: null, lease_expires_at: null })
    .where('id', '=', connection.id)
    .where('token_version', '=', connection.tokenVersion)
    .execute()
}

/** Moves "last used" on unless another request just did. */
export async function touchConnection(
  tx: Transaction,
  id: string,
  now: number,
  unlessSince: number,
): Promise<void> {
  await tx
    .updateTable('repository_connections')
    .set({ last_used_at: now })
    .where('id', '=', id)
    .where((eb) => eb.or([eb('last_used_at', 'is', null), eb('last_used_at', '<', unlessSince)]))
    .execute()
}

/* Tokens. */

export interface Tokens {
  readonly access: Secret<string>
  readonly refresh: Secret<string> | null
}

const ownerOf = ({ accountId }: Pick<Connection, 'accountId'>) => `person:${accountId}` as const

/** Bound to the provider and its host as well: moved to another one, a token does not open. */
const tokenContext = (
  { id, provider }: Pick<Connection, 'id' | 'provider'>,
  name: 'access' | 'refresh',
  version: number,
) => ['keyhold/v1/repository-token', id, provider.id, provider.baseUrl, provider.host, name, version] as const

const toText = (bytes: Secret<Uint8Array>) => new Secret(Buffer.from(bytes.reveal()).toString('utf8'))

/** Opens the tokens of the version that `connection` was read with. @returns undefined when they were replaced since. */
export async function openTokens(
  db: Queries,
  vault: Vault,
  grant: Grant<'repository.use' | 'repository.connect' | 'repository.disconnect'>,
  connection: Connection,
): Promise<Tokens | undefined> {
  const owner = ownerOf(connection)
  Grant.assertFor(grant, owner)
  const { id, tokenVersion } = connection
  const row = await db
    .selectFrom('repository_connections')
    .select(['sealed_token', 'sealed_refresh_token'])
    .where('id', '=', id)
    .where('token_version', '=', tokenVersion)
    .executeTakeFirst()
  if (!row?.sealed_token) return undefined
  const open = async (name: 'access' | 'refresh', sealed: Uint8Array) =>
    toText(await vault.open(db, owner, tokenContext(connection, name, tokenVersion), sealed))
  return {
    access: await open('access', row.sealed_token),
    refresh: row.sealed_refresh_token && (await open('refresh', row.sealed_refresh_token)),
  }
}

/**
 * Stores the next version of the tokens and ends what was said of the one before, lease and breakage.
 * @returns false when another version came between: the caller's tokens are then nowhere.
 */
export async function storeTokens(
  tx: Transaction,
  vault: Vault,
  grant: Grant<'repository.connect' | 'repository.refresh'>,
  connection: Pick<Connection, 'id' | 'accountId' | 'provider' | 'tokenVersion'>,
  tokens: Tokens,
  facts: Partial<
    Pick<Tables['repository_connections'], 'method' | 'login' | 'remote_id' | 'scopes' | 'updated_at'>
  > & { token_expires_at: number | null; token_changed_at: number },
): Promise<boolean> {
  const owner = ownerOf(connection)
  Grant.assertFor(grant, owner)
  const { id } = connection
  const version = connection.tokenVersion + 1
  const seal = (name: 'access' | 'refresh', value: Secret<string>) =>
    vault.seal(
      tx,
      owner,
      tokenContext(connection, name, version),
      new Secret<Uint8Array>(Buffer.from(value.reveal())),
    )
  const { numUpdatedRows } = await tx
    .updateTable('repository_connections')
    .set({
      ...facts,
      token_version: version,
      sealed_token: await seal('access', tokens.access),
      sealed_refresh_token: tokens.refresh && (await seal('refresh', tokens.refresh)),
      broken_reason: null,
      lease_id: null,
      lease_expires_at: null,
    })
    .where('id', '=', id)
    .where('token_version', '=', connection.tokenVersion)
    .executeTakeFirstOrThrow()
  return numUpdatedRows > 0n
}

/**
 * Claims the refresh of this version of the tokens. The guarded update lets one win: on PostgreSQL the others wait for
 * the row and then find the lease taken, on SQLite there is one writer.
 */
export async function claimLease(
  tx: Transaction,
  connection: Pick<Connection, 'id' | 'tokenVersion'>,
  leaseId: string,
  now: number,
  expiresAt: number,
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('repository_connections')
    .set({ lease_id: leaseId, lease_expires_at: expiresAt })
    .where('id', '=', connection.id)
    .where('token_version', '=', connection.tokenVersion)
    .where('broken_reason', 'is', null)
    .where((eb) => eb.or([eb('lease_id', 'is', null), eb('lease_expires_at', '<=', now)]))
    .executeTakeFirstOrThrow()
  return numUpdatedRows > 0n
}

export async function releaseLease(tx: Transaction, id: string, leaseId: string): Promise<void> {
  await tx
    .updateTable('repository_connections')
    .set({ lease_id: null, lease_expires_at: null })
    .where('id', '=', id)
    .where('lease_id', '=', leaseId)
    .execute()
}

/* Authorizations: connections that were begun. */

export interface Authorization {
  readonly id: string
  readonly accountId: string
  readonly providerId: string
  readonly sessionId: string | null
  readonly accessTokenId: string | null
  readonly browserHash: Uint8Array | null
  readonly expiresAt: Date
}

/** What waits for its confirmation code. */
export interface PendingTokens {
  readonly access: string
  readonly refresh: string | null
  readonly expiresAt: number | null
  readonly scopes: readonly string[]
  readonly login: string
  readonly remoteId: string | null
}

const authorizationColumns = [
  'id',
  'account_id',
  'provider_id',
  'session_id',
  'access_token_id',
  'browser_hash',
  'expires_at',
] as const

function rowToAuthorization(
  row: Pick<Tables['repository_authorizations'], (typeof authorizationColumns)[number]>,
): Authorization {
  return {
    id: row.id,
    accountId: row.account_id,
    providerId: row.provider_id,
    sessionId: row.session_id,
    accessTokenId: row.access_token_id,
    browserHash: row.browser_hash,
    expiresAt: new Date(row.expires_at),
  }
}

export async function insertAuthorization(
  tx: Transaction,
  row: Omit<Tables['repository_authorizations'], 'code_hash' | 'wrong_codes' | 'sealed_tokens'>,
): Promise<void> {
  await tx
    .insertInto('repository_authorizations')
    .values({ ...row, code_hash: null, wrong_codes: 0, sealed_tokens: null })
    .execute()
}

export async function countAuthorizations(db: Queries, accountId: string, now: number): Promise<number> {
  const { count } = await db
    .selectFrom('repository_authorizations')
    .select((eb) => eb.fn.countAll<number | string>().as('count'))
    .where('account_id', '=', accountId)
    .where('expires_at', '>', now)
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** Whether anybody waits for this state. Asked before, so that noise from outside takes no transaction. */
export async function isStateKnown(db: Queries, stateHash: Uint8Array): Promise<boolean> {
  const row = await db
    .selectFrom('repository_authorizations')
    .select('id')
    .where('state_hash', '=', stateHash)
    .executeTakeFirst()
  return row !== undefined
}

/** Uses a state up, whatever comes of it. The update lets one of several that present it win. */
export async function takeState(tx: Transaction, stateHash: Uint8Array): Promise<Authorization | undefined> {
  const row = await tx
    .updateTable('repository_authorizations')
    .set({ state_hash: null })
    .where('state_hash', '=', stateHash)
    .returning(authorizationColumns)
    .executeTakeFirst()
  return row && rowToAuthorization(row)
}

const pendingContext = (id: string) => ['keyhold/v1/repository-authorization', id, 1] as const

/** Keeps tokens until their code is given. @returns false when what was begun has ended meanwhile. */
export async function storePending(
  tx: Transaction,
  vault: Vault,
  grant: Grant<'repository.connect'>,
  { id, accountId }: Authorization,
  codeHash: Uint8Array,
  expiresAt: number,
  pending: Secret<PendingTokens>,
): Promise<boolean> {
  Grant.assertFor(grant, `person:${accountId}`)
  const bytes = new Secret<Uint8Array>(Buffer.from(JSON.stringify(pending.reveal())))
  const sealed = await vault.seal(tx, `person:${accountId}`, pendingContext(id), bytes)
  const { numUpdatedRows } = await tx
    .updateTable('repository_authorizations')
    .set({ code_hash: codeHash, sealed_tokens: sealed, expires_at: expiresAt })
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  return numUpdatedRows > 0n
}

/** The account's own authorization that waits for this code. */
export async function findPending(
  db: Queries,
  accountId: string,
  codeHash: Uint8Array,
  now: number,
): Promise<Authorization | undefined> {
  const row = await db
    .selectFrom('repository_authorizations')
    .select(authorizationColumns)
    .where('account_id', '=', accountId)
    .where('code_hash', '=', codeHash)
    .where('expires_at', '>', now)
    .executeTakeFirst()
  return row && rowToAuthorization(row)
}

/** Counts a wrong code against all that wait for one, and ends those that saw too many. */
export async function countWrongCode(tx: Transaction, accountId: string, most: number): Promise<void> {
  await tx
    .updateTable('repository_authorizations')
    .set((eb) => ({
      wrong_codes: eb('wrong_codes', '+', 1),
      code_hash: eb
        .case()
        .when('wrong_codes', '>=', most - 1)
        .then(null)
        .else(eb.ref('code_hash'))
        .end(),
    }))
    .where('account_id', '=', accountId)
    .where('code_hash', 'is not', null)
    .execute()
}

export async function openPending(
  db: Queries,
  vault: Vault,
  grant: Grant<'repository.connect'>,
  { id, accountId }: Authorization,
): Promise<Secret<PendingTokens> | undefined> {
  Grant.assertFor(grant, `person:${accountId}`)
  const row = await db
    .selectFrom('repository_authorizations')
    .select('sealed_tokens')
    .where('id', '=', id)
    .executeTakeFirst()
  if (!row?.sealed_tokens) return undefined
  const bytes = await vault.open(db, `person:${accountId}`, pendingContext(id), row.sealed_tokens)
  // `as`: storePending wrote it, and it is authenticated.
  return new Secret(JSON.parse(Buffer.from(bytes.reveal()).toString('utf8')) as PendingTokens)
}

/** @returns false when it was ended before. */
export async function deleteAuthorization(tx: Transaction, id: string): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom('repository_authorizations')
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  return numDeletedRows > 0n
}

export async function deleteEndedAuthorizations(tx: Transaction, now: number): Promise<void> {
  await tx.deleteFrom('repository_authorizations').where('expires_at', '<=', now).execute()
}
