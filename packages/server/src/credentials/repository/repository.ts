import type {
  RepositoryConnection as ConnectionAnswer,
  RepositoryProvider as ProviderAnswer,
} from '@keyhold/contract/api/repositories'
import type { RecordDetail } from '../../access/access.ts'
import { toDate } from '../../base/clock.ts'
import type { CredentialItem } from '../../base/credential-item.ts'
import type { Tables } from '../../storage/tables.ts'
import { cloudHosts, endpointsOf, type ProviderKind, productOf, type VendorType, vendors } from './vendor.ts'

export type Method = 'oauth' | 'ssh'

/** A registered provider. Its client secret is only ever in the row, sealed. */
export interface Provider {
  readonly id: string
  readonly type: VendorType
  readonly kind: ProviderKind
  readonly baseUrl: string
  readonly host: string
  readonly clientId: string | null
  readonly secretVersion: number
  readonly ca: string | null
  readonly scopes: readonly string[]
  readonly createdAt: Date
  readonly updatedAt: Date
}

/** A person's connection to a provider, without its tokens. */
export interface Connection {
  readonly id: string
  readonly accountId: string
  readonly provider: Pick<Provider, 'id' | 'type' | 'kind' | 'baseUrl' | 'host'>
  readonly method: Method
  readonly tokenVersion: number
  readonly hasToken: boolean
  readonly hasRefreshToken: boolean
  readonly tokenExpiresAt: Date | null
  readonly tokenChangedAt: Date | null
  readonly login: string | null
  readonly remoteId: string | null
  readonly scopes: readonly string[]
  readonly brokenReason: string | null
  readonly leaseExpiresAt: Date | null
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly lastUsedAt: Date | null
}

export type ProviderRow = Omit<Tables['repository_providers'], 'sealed_client_secret'>
export type ConnectionRow = Omit<
  Tables['repository_connections'],
  'sealed_token' | 'sealed_refresh_token' | 'provider_id' | 'lease_id'
> & {
  provider_id: string
  type: VendorType
  kind: ProviderKind
  base_url: string
  host: string
  /** 1 or 0; booleans on PostgreSQL. */
  has_token: number | boolean
  has_refresh_token: number | boolean
}
const toScopes = (text: string) => JSON.parse(text) as string[] // `as`: written by the store.

export function rowToProvider(row: ProviderRow): Provider {
  return {
    id: row.id,
    type: row.type,
    kind: row.kind,
    baseUrl: row.base_url,
    host: row.host,
    clientId: row.client_id,
    secretVersion: row.secret_version,
    ca: row.ca,
    scopes: toScopes(row.scopes),
    createdAt: new Date(row.created_at),
    updatedAt: new Date(row.updated_at),
  }
}

export function rowToConnection(row: ConnectionRow): Connection {
  return {
    id: row.id,
    accountId: row.account_id,
    provider: {
      id: row.provider_id,
      type: row.type,
      kind: row.kind,
      baseUrl: row.base_url,
      host: row.host,
    },
    method: row.method,
    tokenVersion: row.token_version,
    hasToken: Boolean(row.has_token),
    hasRefreshToken: Boolean(row.has_refresh_token),
    tokenExpiresAt: toDate(row.token_expires_at),
    tokenChangedAt: toDate(row.token_changed_at),
    login: row.login,
    remoteId: row.remote_id,
    scopes: toScopes(row.scopes),
    brokenReason: row.broken_reason,
    leaseExpiresAt: toDate(row.lease_expires_at),
    createdAt: new Date(row.created_at),
    updatedAt: new Date(row.updated_at),
    lastUsedAt: toDate(row.last_used_at),
  }
}

/** Where providers send browsers back to. Each has its own, so that an answer of one is not taken for another's. */
export const callbackUrl = (publicUrl: string, providerId: string): string =>
  `${publicUrl}/api/v1/repository-connections/callback/${providerId}`

export function providerAnswer(provider: Provider, publicUrl: string): ProviderAnswer {
  return {
    id: provider.id,
    type: provider.type,
    kind: provider.kind,
    host: provider.host,
    baseUrl: provider.baseUrl,
    clientId: provider.clientId,
    scopes: [...provider.scopes],
    hasCa: provider.ca !== null,
    methods: provider.clientId === null ? ['ssh'] : ['oauth', 'ssh'],
    callbackUrl: callbackUrl(publicUrl, provider.id),
    sshKeysUrl: endpointsOf(provider).sshKeys,
    createdAt: provider.createdAt.toISOString(),
    updatedAt: provider.updatedAt.toISOString(),
  }
}

/** @param sshPublicKey of the person's SSH identity. */
export function connectionAnswer(connection: Connection, sshPublicKey: string | undefined): ConnectionAnswer {
  const { provider, brokenReason } = connection
  return {
    id: connection.id,
    providerId: provider.id,
    type: provider.type,
    kind: provider.kind,
    host: provider.host,
    method: connection.method,
    hasToken: connection.hasToken,
    login: connection.login,
    scopes: [...connection.scopes],
    tokenExpiresAt: connection.tokenExpiresAt?.toISOString() ?? null,
    isRefreshable: connection.hasRefreshToken,
    health: { status: brokenReason === null ? 'ok' : 'broken', reason: brokenReason },
    sshPublicKey: connection.method === 'ssh' ? (sshPublicKey ?? null) : null,
    sshKeysUrl: endpointsOf(provider).sshKeys,
    createdAt: connection.createdAt.toISOString(),
    updatedAt: connection.updatedAt.toISOString(),
    lastUsedAt: connection.lastUsedAt?.toISOString() ?? null,
  }
}

/** How the inventory shows a connection. */
export function connectionItem(connection: Connection): CredentialItem {
  const { provider, method } = connection
  const isToken = method === 'oauth'
  return {
    kind: 'repository-connection',
    id: connection.id,
    name: connection.login === null ? provider.host : `${connection.login} at ${provider.host}`,
    purpose: '',
    usedIn: provider.host,
    accessLevel: isToken ? connection.scopes.join(' ') || null : 'SSH key',
    createdAt: connection.createdAt,
    lastUsedAt: connection.lastUsedAt,
    // A token that is refreshed by itself ends for nobody.
    expiresAt: isToken && !connection.hasRefreshToken ? connection.tokenExpiresAt : null,
    rotation: null,
    rotatedAt: connection.tokenChangedAt ?? connection.createdAt,
    status: isToken && connection.brokenReason !== null ? 'broken' : 'active',
  }
}

/** How the vendor is called where a person reads it: "GitHub", "GitLab at git.example.com". */
export function providerName(provider: Pick<Provider, 'type' | 'kind' | 'host'>): string {
  const { name } = vendors[productOf(provider)]
  return provider.kind === 'default' ? name : `${name} at ${provider.host}`
}

/** Reads the base URL of a self-hosted provider. @returns why it cannot be one. */
export function parseBaseUrl(text: string): { baseUrl: string; host: string } | { problem: string } {
  // `new URL` quotes its input when it throws.
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || !/^https?:$/.test(url.protocol))
    return { problem: 'must be a URL, such as https://git.example.com' }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    return { problem: 'must have no user, password, query or fragment' }
  if (cloudHosts.has(url.hostname))
    return { problem: 'is the cloud service; register it with kind default, without a base URL' }
  return { baseUrl: url.href.replace(/\/+$/, ''), host: url.host }
}

/**
 * Host and port in the one form they are compared in: lower case, without the port that https has anyway. Exact, so that
 * a token for `github.com` goes to no `github.com.example`, and to nothing that only becomes it by decoding.
 */
export function canonicalHost(text: string): string | undefined {
  const host = text.toLowerCase()
  const url = URL.canParse(`https://${host}`) ? new URL(`https://${host}`) : undefined
  const isPlain = url && (host === url.host || host === `${url.host}:443`)
  return isPlain && url.pathname === '/' ? url.host : undefined
}

/** What the log says of a connection, or of the wish for one. */
export function aboutConnection(connection?: Connection): RecordDetail {
  const kind = 'repository-connection'
  return {
    target: connection ? { kind, id: connection.id, name: connection.provider.host } : { kind },
  }
}

const CONNECTION_ID = /^rcn_[0-9a-z]{20}$/

/** What the log says before the connection was found; what is no id may be a value. */
export const connectionAttempt = (id: string): RecordDetail => ({
  target: { kind: 'repository-connection', ...(CONNECTION_ID.test(id) && { id }) },
})
