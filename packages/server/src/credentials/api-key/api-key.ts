import type { ApiKey as ApiKeyAnswer, apiKeyMethods, Placement } from '@keyhold/contract/api/api-keys'
import { Secret } from '@keyhold/contract/secret'
import { invalidField } from '../../base/app-error.ts'
import type { CredentialItem } from '../../base/credential-item.ts'
import type { Destination } from './destination.ts'

type Method = (typeof apiKeyMethods)[number]

/** An API key without its value. */
export interface StoredApiKey extends Destination {
  readonly id: string
  readonly accountId: string
  readonly name: string
  readonly service: string
  readonly description: string
  readonly allowedMethods: readonly Method[] | null
  readonly version: number
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly rotatedAt: Date
  readonly expiresAt: Date | null
  readonly lastUsedAt: Date | null
}

/** With its value, still sealed. */
export interface SealedApiKey extends StoredApiKey {
  readonly sealed: Uint8Array
}

/** One part of a request, with the key in it. */
export interface KeyPart {
  readonly name: string
  readonly value: Secret<string>
}

/**
 * How a request carries the key. It goes to exactly this URL; the headers take the place of those of their name, the
 * parameters, not yet encoded, are added to the query. A redirect is not followed: its target is asked for anew.
 */
export interface AuthorizedRequest {
  readonly url: string
  readonly headers: readonly KeyPart[]
  readonly query: readonly KeyPart[]
}

/** Wraps a key that came in. @throws AppError `request.invalid` when it cannot be sent in a request. */
export function parseKey(value: string): Secret<Uint8Array> {
  if (/[\r\n]/.test(value)) throw invalidField('value', 'has a line break, also at its end perhaps')
  if (!/^[\u0020-\u007e]+$/.test(value)) throw invalidField('value', 'is not printable ASCII')
  if (value.trim() !== value) throw invalidField('value', 'has a space at one end')
  return new Secret(Buffer.from(value))
}

/** Puts the key where the service looks for it. */
export function place(placement: Placement, key: Secret<Uint8Array>): Omit<AuthorizedRequest, 'url'> {
  const text = Buffer.from(key.reveal()).toString('latin1')
  const header = (name: string, value: string) => ({
    headers: [{ name, value: new Secret(value) }],
    query: [],
  })
  switch (placement.kind) {
    case 'bearer':
      return header('authorization', `Bearer ${text}`)
    case 'header':
      return header(placement.name, text)
    case 'basic': {
      const pair = Buffer.from(`${placement.username}:${text}`).toString('base64')
      return header('authorization', `Basic ${pair}`)
    }
    case 'query':
      return { headers: [], query: [{ name: placement.name, value: new Secret(text) }] }
  }
}

export function toAnswer(key: StoredApiKey, now: Date): ApiKeyAnswer {
  return {
    id: key.id,
    name: key.name,
    service: key.service,
    description: key.description,
    baseUrl: key.baseUrl,
    allowedHosts: [...key.allowedHosts],
    placement: key.placement,
    allowedMethods: key.allowedMethods && [...key.allowedMethods],
    allowedPaths: key.allowedPaths && [...key.allowedPaths],
    version: key.version,
    createdAt: key.createdAt.toISOString(),
    updatedAt: key.updatedAt.toISOString(),
    rotatedAt: key.rotatedAt.toISOString(),
    expiresAt: key.expiresAt?.toISOString() ?? null,
    lastUsedAt: key.lastUsedAt?.toISOString() ?? null,
    status: isExpired(key, now) ? 'expired' : 'active',
  }
}

export const isExpired = ({ expiresAt }: StoredApiKey, now: Date): boolean =>
  expiresAt !== null && expiresAt <= now

/** As the inventory shows it. */
export function toItem(key: StoredApiKey): CredentialItem {
  const { allowedMethods, allowedPaths } = key
  const methods = allowedMethods?.join(' ') ?? 'all requests'
  return {
    kind: 'api-key',
    id: key.id,
    name: key.name,
    purpose: key.description,
    usedIn: key.allowedHosts.join(', '),
    accessLevel: allowedPaths ? `${methods} below ${allowedPaths.join(', ')}` : methods,
    createdAt: key.createdAt,
    lastUsedAt: key.lastUsedAt,
    expiresAt: key.expiresAt,
    rotation: 'api-key',
    rotatedAt: key.rotatedAt,
    status: 'active',
  }
}
