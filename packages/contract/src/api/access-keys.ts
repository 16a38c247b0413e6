import Type, { type Static } from 'typebox'
import { limits } from '../limits.ts'
import { route } from '../route.ts'
import { AccessKeyPermission } from './secrets.ts'
import { Id, Nullable, OneOf, Time } from './shapes.ts'

export const AccessKey = Type.Object({
  /** The access key ID: an identifier, always visible. */
  id: Id,
  /** Shown as "Read" and "Read & Write". */
  permission: AccessKeyPermission,
  /** Addresses and CIDR ranges, IPv4 and IPv6, in canonical form. Empty: no restriction. */
  ipRestriction: Type.Array(Type.String()),
  /** Only `active` keys work and count towards the two. */
  status: OneOf(['active', 'inactive', 'expired']),
  createdAt: Time,
  createdBy: Nullable(Type.String()),
  expiresAt: Nullable(Time),
  lastUsedAt: Nullable(Time),
  lastUsedAddress: Nullable(Type.String()),
})
export type AccessKey = Static<typeof AccessKey>

const NewAccessKey = Type.Object({
  accessKey: AccessKey,
  /** The access key itself, answered once. */
  secret: Type.String(),
})

const ProjectParams = Type.Object({ projectId: Id })
const KeyParams = Type.Object({ projectId: Id, accessKeyId: Id })
const IpRestriction = Type.Array(Type.String({ maxLength: 64 }), { maxItems: limits.addressesPerAccessKey })

export const listAccessKeys = route({
  id: 'access-key.list',
  method: 'GET',
  path: '/api/v1/projects/{projectId}/access-keys',
  summary: "List a project's access keys",
  caller: 'person',
  scope: 'access-keys:read',
  action: 'access-key.list',
  params: ProjectParams,
  status: 200,
  answer: Type.Object({ accessKeys: Type.Array(AccessKey) }),
  errors: ['project.not_found'],
})

export const createAccessKey = route({
  id: 'access-key.create',
  method: 'POST',
  path: '/api/v1/projects/{projectId}/access-keys',
  summary: 'Create an access key; at most two are active',
  caller: 'person',
  scope: 'access-keys:write',
  action: 'access-key.create',
  params: ProjectParams,
  body: Type.Object(
    {
      permission: AccessKeyPermission,
      ipRestriction: Type.Optional(IpRestriction),
      expiresAt: Type.Optional(Nullable(Time)),
    },
    { additionalProperties: false },
  ),
  status: 201,
  answer: NewAccessKey,
  errors: ['project.not_found', 'access_key.limit', 'access_key.total_limit'],
})

export const updateAccessKey = route({
  id: 'access-key.update',
  method: 'PATCH',
  path: '/api/v1/projects/{projectId}/access-keys/{accessKeyId}',
  summary: 'Change the permission or the IP restriction; in effect on the next request',
  caller: 'person',
  scope: 'access-keys:write',
  action: 'access-key.update',
  params: KeyParams,
  body: Type.Object(
    { permission: Type.Optional(AccessKeyPermission), ipRestriction: Type.Optional(IpRestriction) },
    { additionalProperties: false, minProperties: 1 },
  ),
  status: 200,
  answer: AccessKey,
  errors: ['project.not_found', 'access_key.not_found'],
})

export const deactivateAccessKey = route({
  id: 'access-key.deactivate',
  method: 'POST',
  path: '/api/v1/projects/{projectId}/access-keys/{accessKeyId}/deactivate',
  summary: 'Stop an access key; it gets 401 at once',
  caller: 'person',
  scope: 'access-keys:write',
  action: 'access-key.deactivate',
  params: KeyParams,
  status: 200,
  answer: AccessKey,
  errors: ['project.not_found', 'access_key.not_found'],
})

export const activateAccessKey = route({
  id: 'access-key.activate',
  method: 'POST',
  path: '/api/v1/projects/{projectId}/access-keys/{accessKeyId}/activate',
  summary: 'Let an inactive access key work again, with the same secret',
  caller: 'person',
  scope: 'access-keys:write',
  action: 'access-key.activate',
  params: KeyParams,
  status: 200,
  answer: AccessKey,
  errors: ['project.not_found', 'access_key.not_found', 'access_key.expired', 'access_key.limit'],
})

export const regenerateAccessKey = route({
  id: 'access-key.regenerate',
  method: 'POST',
  path: '/api/v1/projects/{projectId}/access-keys/{accessKeyId}/regenerate',
  summary: 'Give the same access key ID a new secret; the old one gets 401 at once',
  caller: 'person',
  scope: 'access-keys:write',
  action: 'access-key.regenerate',
  params: KeyParams,
  status: 200,
  answer: NewAccessKey,
  errors: ['project.not_found', 'access_key.not_found'],
})

export const deleteAccessKey = route({
  id: 'access-key.delete',
  method: 'DELETE',
  path: '/api/v1/projects/{projectId}/access-keys/{accessKeyId}',
  summary: 'Delete an access key. Data already retrieved with it stays where it is',
  caller: 'person',
  scope: 'access-keys:write',
  action: 'access-key.delete',
  params: KeyParams,
  query: Type.Object({ confirm: Type.Optional(Type.String({ description: 'The access key ID, exactly' })) }),
  status: 204,
  errors: ['project.not_found', 'access_key.not_found', 'access_key.confirmation'],
})
