import Type, { type Static } from 'typebox'
import { scopeNames } from '../actions.ts'
import { route } from '../route.ts'
import { Id, Name, Nullable, OneOf, Time } from './shapes.ts'

export const Scope = OneOf(scopeNames)

export const AccessToken = Type.Object({
  id: Id,
  name: Type.String(),
  /** Enough to recognise the token, not to use it: `kh_pat_4kQz…9fXa`. */
  partialToken: Type.String(),
  /** `null`: all of the person's rights. */
  scopes: Nullable(Type.Array(Scope)),
  createdAt: Time,
  /** `null`: "No expiry". */
  expiresAt: Nullable(Time),
  /** `null`: "Never". Moves on within one minute of a use. */
  lastUsedAt: Nullable(Time),
  status: OneOf(['active', 'expired']),
  /** Older than the settings of the instance want: 90 days unless they say otherwise. */
  isRotationDue: Type.Boolean(),
  /** Not used for 90 days. */
  isUnused: Type.Boolean(),
})
export type AccessToken = Static<typeof AccessToken>

export const listAccessTokens = route({
  id: 'access-token.list',
  method: 'GET',
  path: '/api/v1/access-tokens',
  summary: 'List your access tokens',
  caller: 'person',
  scope: 'access-tokens:read',
  action: 'access-token.list',
  query: Type.Object({
    sort: Type.Optional(
      OneOf(['createdAt', 'lastUsedAt', 'expiresAt'], {
        description: 'Newest first; for expiresAt soonest first. Default createdAt',
      }),
    ),
  }),
  status: 200,
  answer: Type.Object({ accessTokens: Type.Array(AccessToken) }),
})

export const createAccessToken = route({
  id: 'access-token.create',
  method: 'POST',
  path: '/api/v1/access-tokens',
  summary: 'Create an access token; the full token is answered once',
  caller: 'person',
  scope: 'access-tokens:write',
  action: 'access-token.create',
  body: Type.Object(
    {
      name: Name,
      scopes: Type.Optional(Nullable(Type.Array(Scope, { minItems: 1, uniqueItems: true }))),
      expiresAt: Type.Optional(Nullable(Time)),
    },
    { additionalProperties: false },
  ),
  status: 201,
  answer: Type.Object({ accessToken: AccessToken, token: Type.String() }),
  errors: ['access_token.limit'],
})

export const deleteAccessToken = route({
  id: 'access-token.delete',
  method: 'DELETE',
  path: '/api/v1/access-tokens/{accessTokenId}',
  summary: 'Delete one of your access tokens; its next use gets 401',
  caller: 'person',
  scope: 'access-tokens:write',
  action: 'access-token.delete',
  params: Type.Object({ accessTokenId: Id }),
  status: 204,
  errors: ['access_token.not_found'],
})
