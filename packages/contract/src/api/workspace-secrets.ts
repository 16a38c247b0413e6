import Type, { type Static } from 'typebox'
import { route } from '../route.ts'
import { targetFields, targetSettings } from './secret-targets.ts'
import { Encoding, Note, RotationDays, SecretName, SecretType, Value } from './secrets.ts'
import { Id, Nullable, Time } from './shapes.ts'

/** A secret of a workspace without its value: no list or detail ever has one. */
export const WorkspaceSecret = Type.Object({
  id: Id,
  name: Type.String(),
  type: SecretType,
  ...targetFields,
  note: Type.String(),
  rotationDays: RotationDays,
  /** When its value last changed. */
  rotatedAt: Time,
  /** By its own period, or else that of the instance for its type; `null`: never. */
  rotationDueAt: Nullable(Time),
  isRotationDue: Type.Boolean(),
})
export type WorkspaceSecret = Static<typeof WorkspaceSecret>

export const WorkspaceSecretVersion = Type.Object({
  version: Type.Integer(),
  createdAt: Time,
  isCurrent: Type.Boolean(),
})
export type WorkspaceSecretVersion = Static<typeof WorkspaceSecretVersion>

/** A revealed value. */
export const WorkspaceSecretValue = Type.Object({
  name: Type.String(),
  type: SecretType,
  value: Type.String(),
  encoding: Encoding,
  version: Type.Integer(),
})
export type WorkspaceSecretValue = Static<typeof WorkspaceSecretValue>

const Params = Type.Object({ workspaceId: Id })
const SecretParams = Type.Object({ workspaceId: Id, workspaceSecretId: Id })

const settings = {
  ...targetSettings,
  note: Type.Optional(Note),
  rotationDays: Type.Optional(RotationDays),
}

export const listWorkspaceSecretPresets = route({
  id: 'workspace-secret.presets',
  method: 'GET',
  path: '/api/v1/workspace-secret-presets',
  summary: 'List secrets that many workspaces need: names and purposes',
  caller: 'person',
  scope: 'workspace-secrets:read',
  action: 'workspace-secret.list',
  status: 200,
  answer: Type.Object({
    presets: Type.Array(Type.Object({ name: Type.String(), type: SecretType, description: Type.String() })),
  }),
})

export const listWorkspaceSecrets = route({
  id: 'workspace-secret.list',
  method: 'GET',
  path: '/api/v1/workspaces/{workspaceId}/secrets',
  summary: 'List the secrets of a workspace by name, never values (owner, Admin, Edit)',
  caller: 'person',
  scope: 'workspace-secrets:read',
  action: 'workspace-secret.list',
  params: Params,
  status: 200,
  answer: Type.Object({ workspaceSecrets: Type.Array(WorkspaceSecret) }),
  errors: ['workspace.not_found'],
})

export const createWorkspaceSecret = route({
  id: 'workspace-secret.create',
  method: 'POST',
  path: '/api/v1/workspaces/{workspaceId}/secrets',
  summary:
    'Create a secret of a workspace; it goes into the variable of its name unless you say otherwise (owner)',
  caller: 'person',
  scope: 'workspace-secrets:write',
  action: 'workspace-secret.create',
  params: Params,
  body: Type.Object(
    { name: SecretName, type: SecretType, value: Value, encoding: Type.Optional(Encoding), ...settings },
    { additionalProperties: false },
  ),
  status: 201,
  answer: WorkspaceSecret,
  errors: [
    'workspace.not_found',
    'workspace_secret.taken',
    'workspace_secret.limit',
    'session.reauthentication_required',
  ],
})

export const getWorkspaceSecret = route({
  id: 'workspace-secret.get',
  method: 'GET',
  path: '/api/v1/workspaces/{workspaceId}/secrets/{workspaceSecretId}',
  summary: 'Read what is known of a secret of a workspace, without its value (owner, Admin, Edit)',
  caller: 'person',
  scope: 'workspace-secrets:read',
  action: 'workspace-secret.list',
  params: SecretParams,
  status: 200,
  answer: WorkspaceSecret,
  errors: ['workspace.not_found', 'workspace_secret.not_found'],
})

export const updateWorkspaceSecret = route({
  id: 'workspace-secret.update',
  method: 'PATCH',
  path: '/api/v1/workspaces/{workspaceId}/secrets/{workspaceSecretId}',
  summary:
    'Change a secret of a workspace; a new value is a new version, an equal one changes nothing (owner)',
  caller: 'person',
  scope: 'workspace-secrets:write',
  action: 'workspace-secret.update',
  params: SecretParams,
  body: Type.Object(
    {
      type: Type.Optional(SecretType),
      value: Type.Optional(Value),
      encoding: Type.Optional(Encoding),
      ...settings,
      /** Refuse with `workspace_secret.changed` unless this is the current version. */
      expectedVersion: Type.Optional(Type.Integer({ minimum: 1 })),
    },
    { additionalProperties: false },
  ),
  status: 200,
  answer: WorkspaceSecret,
  errors: [
    'workspace.not_found',
    'workspace_secret.not_found',
    'workspace_secret.changed',
    'workspace_secret.taken',
    'workspace_secret.limit',
    'session.reauthentication_required',
  ],
})

export const deleteWorkspaceSecret = route({
  id: 'workspace-secret.delete',
  method: 'DELETE',
  path: '/api/v1/workspaces/{workspaceId}/secrets/{workspaceSecretId}',
  summary: 'Delete a secret of a workspace with its versions (owner)',
  caller: 'person',
  scope: 'workspace-secrets:write',
  action: 'workspace-secret.delete',
  params: SecretParams,
  status: 204,
  errors: ['workspace.not_found', 'workspace_secret.not_found'],
})

export const revealWorkspaceSecret = route({
  id: 'workspace-secret.reveal',
  method: 'POST',
  path: '/api/v1/workspaces/{workspaceId}/secrets/{workspaceSecretId}/reveal',
  summary:
    'Read the value of one secret of a workspace (owner, Admin); in a browser session the password must be fresh',
  caller: 'person',
  scope: 'workspace-secrets:reveal',
  action: 'workspace-secret.read',
  params: SecretParams,
  body: Type.Object(
    { version: Type.Optional(Type.Integer({ minimum: 1 })) },
    { additionalProperties: false },
  ),
  status: 200,
  answer: WorkspaceSecretValue,
  errors: ['workspace.not_found', 'workspace_secret.not_found', 'session.reauthentication_required'],
})

export const listWorkspaceSecretVersions = route({
  id: 'workspace-secret.versions',
  method: 'GET',
  path: '/api/v1/workspaces/{workspaceId}/secrets/{workspaceSecretId}/versions',
  summary: 'List the versions of a secret of a workspace, newest first, without values (owner, Admin, Edit)',
  caller: 'person',
  scope: 'workspace-secrets:read',
  action: 'workspace-secret.list',
  params: SecretParams,
  status: 200,
  answer: Type.Object({ versions: Type.Array(WorkspaceSecretVersion) }),
  errors: ['workspace.not_found', 'workspace_secret.not_found'],
})
