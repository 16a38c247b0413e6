import Type, { type Static } from 'typebox'
import { limits } from '../limits.ts'
import { route } from '../route.ts'
import { Description, Id, Name, Nullable, OneOf, Time } from './shapes.ts'

const closed = { additionalProperties: false }

/** Where in a request the key is put. */
export const Placement = Type.Union(
  [
    Type.Object({ kind: Type.Literal('bearer') }, closed),
    Type.Object(
      {
        kind: Type.Literal('header'),
        name: Type.String({ minLength: 1, maxLength: 100, pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$" }),
      },
      closed,
    ),
    Type.Object(
      {
        kind: Type.Literal('query'),
        name: Type.String({ minLength: 1, maxLength: 100, pattern: '^[A-Za-z0-9._~-]+$' }),
      },
      closed,
    ),
    Type.Object(
      {
        kind: Type.Literal('basic'),
        username: Type.String({ maxLength: 200, pattern: '^[\\u0020-\\u0039\\u003b-\\u007e]*$' }),
      },
      closed,
    ),
  ],
  {
    description:
      'bearer: Authorization: Bearer KEY; header: a header of its own; query: a query parameter; basic: HTTP Basic with the key as password',
  },
)
export type Placement = Static<typeof Placement>

export const apiKeyMethods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const

const BaseUrl = Type.String({
  maxLength: 2_000,
  description: 'https://host/path; http only for localhost. No user, query or fragment',
})
const AllowedHosts = Type.Array(Type.String({ minLength: 1, maxLength: 260 }), {
  minItems: 1,
  maxItems: limits.hostsPerApiKey,
  description: 'Exact hosts that the key may be sent to, with :port where it is not 443. No wildcards',
})
const AllowedMethods = Nullable(Type.Array(OneOf(apiKeyMethods), { minItems: 1, uniqueItems: true }))
const AllowedPaths = Nullable(
  Type.Array(Type.String({ minLength: 1, maxLength: 1_000 }), {
    minItems: 1,
    maxItems: limits.pathsPerApiKey,
    description: 'Paths that the key may be sent to, each with all that is below it: /v1/models',
  }),
)
const Service = Type.String({
  maxLength: limits.nameLength,
  pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f\\ud800-\\udfff]*$',
  description: 'The outside service: id of a preset, which fills in what is left out, or any text',
})
const Value = Type.String({
  minLength: 1,
  maxLength: limits.apiKeyValueBytes,
  description: 'The key: printable ASCII, no space at either end. It is never answered again',
  writeOnly: true,
})

/** An API key for an outside service. There is no route that answers its value. */
export const ApiKey = Type.Object({
  id: Id,
  name: Type.String(),
  service: Type.String(),
  description: Type.String(),
  baseUrl: Type.String(),
  allowedHosts: Type.Array(Type.String()),
  placement: Placement,
  /** `null`: all of them. */
  allowedMethods: Nullable(Type.Array(OneOf(apiKeyMethods))),
  /** `null`: all of them. */
  allowedPaths: Nullable(Type.Array(Type.String())),
  /** Counts the keys that were put in, from 1. */
  version: Type.Integer(),
  createdAt: Time,
  updatedAt: Time,
  /** When the key was last replaced. */
  rotatedAt: Time,
  /** `null`: "No expiry". */
  expiresAt: Nullable(Time),
  /** `null`: "Never". Moves on within one minute of a use. */
  lastUsedAt: Nullable(Time),
  status: OneOf(['active', 'expired']),
})
export type ApiKey = Static<typeof ApiKey>

export const ApiKeyPreset = Type.Object({
  id: Type.String(),
  name: Type.String(),
  baseUrl: Type.String(),
  allowedHosts: Type.Array(Type.String()),
  /** `null`: differs by account, see `note`. */
  placement: Nullable(Placement),
  note: Type.String(),
})
export type ApiKeyPreset = Static<typeof ApiKeyPreset>

const Params = Type.Object({ apiKeyId: Id })

const settings = {
  service: Type.Optional(Service),
  description: Type.Optional(Description),
  /** Needed unless `service` is a preset. */
  baseUrl: Type.Optional(BaseUrl),
  /** Default: the host of `baseUrl`, or those of the preset. */
  allowedHosts: Type.Optional(AllowedHosts),
  /** Needed unless `service` is a preset that has one. */
  placement: Type.Optional(Placement),
  allowedMethods: Type.Optional(AllowedMethods),
  allowedPaths: Type.Optional(AllowedPaths),
  expiresAt: Type.Optional(Nullable(Time)),
}

export const listApiKeys = route({
  id: 'api-key.list',
  method: 'GET',
  path: '/api/v1/api-keys',
  summary: 'List your API keys for outside services, never values',
  caller: 'person',
  scope: 'api-keys:read',
  action: 'api-key.list',
  status: 200,
  answer: Type.Object({ apiKeys: Type.Array(ApiKey) }),
})

export const listApiKeyPresets = route({
  id: 'api-key.presets',
  method: 'GET',
  path: '/api/v1/api-key-presets',
  summary: 'List services that Keyhold knows the hosts and placement of',
  caller: 'person',
  scope: 'api-keys:read',
  action: 'api-key.list',
  status: 200,
  answer: Type.Object({ presets: Type.Array(ApiKeyPreset) }),
})

export const createApiKey = route({
  id: 'api-key.create',
  method: 'POST',
  path: '/api/v1/api-keys',
  summary: 'Keep an API key for an outside service, bound to the hosts it may be sent to',
  caller: 'person',
  scope: 'api-keys:write',
  action: 'api-key.create',
  body: Type.Object({ name: Name, value: Value, ...settings }, closed),
  status: 201,
  answer: ApiKey,
  errors: ['api_key.name_taken', 'api_key.limit'],
})

export const getApiKey = route({
  id: 'api-key.get',
  method: 'GET',
  path: '/api/v1/api-keys/{apiKeyId}',
  summary: 'Read what is known of an API key, without its value',
  caller: 'person',
  scope: 'api-keys:read',
  action: 'api-key.list',
  params: Params,
  status: 200,
  answer: ApiKey,
  errors: ['api_key.not_found'],
})

export const updateApiKey = route({
  id: 'api-key.update',
  method: 'PATCH',
  path: '/api/v1/api-keys/{apiKeyId}',
  summary: 'Replace an API key or change where it may go; in a browser session the password must be fresh',
  caller: 'person',
  scope: 'api-keys:write',
  action: 'api-key.update',
  params: Params,
  body: Type.Object({ name: Type.Optional(Name), value: Type.Optional(Value), ...settings }, closed),
  status: 200,
  answer: ApiKey,
  errors: ['api_key.not_found', 'api_key.name_taken', 'session.reauthentication_required'],
})

export const deleteApiKey = route({
  id: 'api-key.delete',
  method: 'DELETE',
  path: '/api/v1/api-keys/{apiKeyId}',
  summary: 'Delete an API key; no request carries it any more',
  caller: 'person',
  scope: 'api-keys:write',
  action: 'api-key.delete',
  params: Params,
  status: 204,
  errors: ['api_key.not_found'],
})
