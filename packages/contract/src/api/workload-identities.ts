import Type, { type Static } from 'typebox'
import { limits } from '../limits.ts'
import { route } from '../route.ts'
import { AccessKeyPermission } from './secrets.ts'
import { Id, Name, Nullable, OneOf, Time } from './shapes.ts'

export const workloadPresets = ['github', 'gitlab', 'kubernetes', 'custom'] as const
const Preset = OneOf(workloadPresets, {
  description: 'What issues the tokens; decides which claims have to be named',
})

const Claims = Type.Record(
  Type.String({ pattern: '^[A-Za-z][A-Za-z0-9_.:/-]{0,99}$' }),
  Type.String({ minLength: 1, maxLength: limits.claimValueLength }),
  {
    minProperties: 1,
    maxProperties: limits.claimsPerWorkloadIdentity,
    description: 'Claims that a token must have, with exactly these values; there are no patterns',
  },
)
const Issuer = Type.String({
  minLength: 1,
  maxLength: limits.urlLength,
  description: 'The `iss` of its tokens, exactly',
})
const Audience = Type.String({
  minLength: 1,
  maxLength: limits.urlLength,
  description: 'The `aud` of its tokens. Default: the address of this Keyhold',
})
/** A JSON Web Key Set (RFC 7517 §5), with public keys. */
const Jwks = Type.String({
  minLength: 2,
  maxLength: limits.jwksLength,
  description: 'JSON Web Key Set, for an issuer that cannot be reached; else it is fetched',
})
const SubjectToken = Type.String({
  minLength: 1,
  maxLength: limits.identityTokenLength,
  description: 'The JWT of the machine',
})

export const WorkloadIdentity = Type.Object({
  id: Id,
  name: Type.String(),
  preset: Preset,
  issuer: Type.String(),
  audience: Type.String(),
  claims: Type.Record(Type.String(), Type.String()),
  permission: AccessKeyPermission,
  /** Each token of a machine is taken once. */
  isSingleUse: Type.Boolean(),
  /** The keys of the issuer were given, and are not fetched. */
  hasOwnKeys: Type.Boolean(),
  isActive: Type.Boolean(),
  createdAt: Time,
  createdBy: Nullable(Type.String()),
  lastUsedAt: Nullable(Time),
  /** The `sub` of the machine that used it last. */
  lastSubject: Nullable(Type.String()),
})
export type WorkloadIdentity = Static<typeof WorkloadIdentity>

const ProjectParams = Type.Object({ projectId: Id })
const IdentityParams = Type.Object({ projectId: Id, workloadIdentityId: Id })

export const listWorkloadIdentities = route({
  id: 'workload-identity.list',
  method: 'GET',
  path: '/api/v1/projects/{projectId}/workload-identities',
  summary: 'List the machines that may use a project by the tokens of their platform',
  caller: 'person',
  scope: 'access-keys:read',
  action: 'workload-identity.list',
  params: ProjectParams,
  status: 200,
  answer: Type.Object({ workloadIdentities: Type.Array(WorkloadIdentity) }),
  errors: ['project.not_found'],
})

export const createWorkloadIdentity = route({
  id: 'workload-identity.create',
  method: 'POST',
  path: '/api/v1/projects/{projectId}/workload-identities',
  summary:
    'Let machines use a project whose platform issues tokens for them (OpenID Connect), without a stored secret',
  caller: 'person',
  scope: 'access-keys:write',
  action: 'workload-identity.create',
  params: ProjectParams,
  body: Type.Object(
    {
      name: Name,
      preset: Preset,
      /** Default for github and gitlab: the cloud. */
      issuer: Type.Optional(Issuer),
      audience: Type.Optional(Audience),
      claims: Claims,
      permission: AccessKeyPermission,
      /** Default: for github. The others give a job one token, which it uses again and again. */
      isSingleUse: Type.Optional(Type.Boolean()),
      jwks: Type.Optional(Jwks),
    },
    { additionalProperties: false },
  ),
  status: 201,
  answer: WorkloadIdentity,
  errors: ['project.not_found', 'workload_identity.limit'],
})

export const updateWorkloadIdentity = route({
  id: 'workload-identity.update',
  method: 'PATCH',
  path: '/api/v1/projects/{projectId}/workload-identities/{workloadIdentityId}',
  summary: 'Rename, stop, start or change the permission; in effect on the next request',
  caller: 'person',
  scope: 'access-keys:write',
  action: 'workload-identity.update',
  params: IdentityParams,
  body: Type.Object(
    {
      name: Type.Optional(Name),
      permission: Type.Optional(AccessKeyPermission),
      isActive: Type.Optional(Type.Boolean()),
      jwks: Type.Optional(Jwks),
    },
    { additionalProperties: false, minProperties: 1 },
  ),
  status: 200,
  answer: WorkloadIdentity,
  errors: ['project.not_found', 'workload_identity.not_found'],
})

export const deleteWorkloadIdentity = route({
  id: 'workload-identity.delete',
  method: 'DELETE',
  path: '/api/v1/projects/{projectId}/workload-identities/{workloadIdentityId}',
  summary: 'Delete a workload identity; what it let in gets 401 at once',
  caller: 'person',
  scope: 'access-keys:write',
  action: 'workload-identity.delete',
  params: IdentityParams,
  status: 204,
  errors: ['project.not_found', 'workload_identity.not_found'],
})

export const testWorkloadIdentity = route({
  id: 'workload-identity.test',
  method: 'POST',
  path: '/api/v1/projects/{projectId}/workload-identities/{workloadIdentityId}/test',
  summary: 'See whether a token would be taken, and why not. Lets nobody in',
  caller: 'person',
  scope: 'access-keys:read',
  action: 'workload-identity.test',
  params: IdentityParams,
  body: Type.Object({ subjectToken: SubjectToken }, { additionalProperties: false }),
  status: 200,
  answer: Type.Object({
    isAccepted: Type.Boolean(),
    /** Why not. */
    problem: Nullable(Type.String()),
    subject: Nullable(Type.String()),
  }),
  errors: ['project.not_found', 'workload_identity.not_found'],
})

export const exchangeIdentityToken = route({
  id: 'workload-identity.exchange',
  method: 'POST',
  path: '/api/v1/workload-identity/token',
  summary: "Exchange the token of a machine's platform for an access key that ends with it, within an hour",
  caller: 'anyone',
  action: 'workload-identity.exchange',
  body: Type.Object(
    {
      /** Which one; it is no secret. */
      workloadIdentityId: Id,
      subjectToken: SubjectToken,
    },
    { additionalProperties: false },
  ),
  status: 201,
  answer: Type.Object({
    project: Type.Object({ id: Id, name: Type.String() }),
    /** To be used as those of an access key. */
    accessKeyId: Type.String(),
    accessKey: Type.String(),
    permission: AccessKeyPermission,
    expiresAt: Time,
  }),
  errors: ['workload_identity.token_refused', 'workload_identity.issuer_unavailable', 'rate.limited'],
})
