import Type, { type Static } from 'typebox'
import { route } from '../route.ts'
import { Id, Nullable, OneOf, Time } from './shapes.ts'

/** Everything that is kept for a person, by kind. */
export const credentialKinds = [
  'repository-connection',
  'personal-secret',
  'ssh-key',
  'ssh-identity',
  'api-key',
  'gpg-key',
  'access-token',
  'access-key',
  'secret',
  'workspace-secret',
] as const
export type CredentialKind = (typeof credentialKinds)[number]

export const CredentialStatus = OneOf(['active', 'inactive', 'expired', 'broken'], {
  description: 'broken: needs its person, such as a repository connection that the provider ended',
})

export const Credential = Type.Object({
  kind: OneOf(credentialKinds),
  id: Id,
  name: Type.String(),
  /** What it is for, in its person's words; empty when they gave none. */
  purpose: Type.String(),
  /** Where it is used: a host, a provider, a project, "all workspaces". */
  usedIn: Type.String(),
  /** How far it reaches, such as scopes or a permission; `null` for kinds without levels. */
  accessLevel: Nullable(Type.String()),
  createdAt: Time,
  /** `null`: "Never". Moves on within one minute of a use. */
  lastUsedAt: Nullable(Time),
  /** `null`: "No expiry". */
  expiresAt: Nullable(Time),
  /** Not expired, and within the days before expiry on which the settings have people reminded. */
  isExpiringSoon: Type.Boolean(),
  /** `null`: this kind needs no rotation. */
  rotationDueAt: Nullable(Time),
  isRotationDue: Type.Boolean(),
  /** Not used for 90 days. */
  isUnused: Type.Boolean(),
  status: CredentialStatus,
})
export type Credential = Static<typeof Credential>

export const listCredentials = route({
  id: 'credential.list',
  method: 'GET',
  path: '/api/v1/credentials',
  summary: 'List all your credentials of every kind, soonest expiry first',
  caller: 'person',
  scope: 'credentials:read',
  action: 'credential.list',
  status: 200,
  answer: Type.Object({ credentials: Type.Array(Credential) }),
})
