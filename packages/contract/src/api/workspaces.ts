import Type, { type Static } from 'typebox'
import { limits } from '../limits.ts'
import { route } from '../route.ts'
import { EnvironmentName } from './projects.ts'
import { Description, Email, Id, Name, Nullable, OneOf, PersonRef, Time, WorkspaceId } from './shapes.ts'
import { Needs } from './templates.ts'

export const shareLevels = ['view', 'edit', 'admin'] as const
export type ShareLevel = (typeof shareLevels)[number]
/** Shown as View, Edit and Admin. */
const ShareLevel = OneOf(shareLevels, {
  description:
    'view: look at the code, no terminal and no secrets; edit: also run code, which gets the secrets; admin: also see values',
})

/** What somebody is in a workspace. */
export const workspaceLevels = [...shareLevels, 'owner'] as const
export type WorkspaceLevel = (typeof workspaceLevels)[number]

/** An environment of a project whose secrets the workspace gets. */
export const LinkedEnvironment = Type.Object({
  projectId: Id,
  project: Type.String(),
  environment: Type.String(),
  /** False once the owner is no longer a member of the project: nothing of it is delivered. */
  isAvailable: Type.Boolean(),
})
export type LinkedEnvironment = Static<typeof LinkedEnvironment>

/** The agent that has joined a workspace. */
export const WorkspaceAgent = Type.Object({
  isConnected: Type.Boolean(),
  /** Since when it is connected, or when it was last. */
  since: Nullable(Time),
  enrolledAt: Time,
  /** Account that it runs as: the one that `ssh` enters. */
  loginName: Type.String(),
  release: Type.String(),
})
export type WorkspaceAgent = Static<typeof WorkspaceAgent>

/** A development environment: a container, a virtual machine or a host that runs the agent. */
export const Workspace = Type.Object({
  id: WorkspaceId,
  name: Type.String(),
  description: Type.String(),
  owner: PersonRef,
  /** The caller's own level. */
  level: OneOf(workspaceLevels),
  /** In the order in which they count: of two that have a name, the first one's is delivered. None for View. */
  environments: Type.Array(LinkedEnvironment),
  /** Null until an agent has joined. */
  agent: Nullable(WorkspaceAgent),
  createdAt: Time,
})
export type Workspace = Static<typeof Workspace>

export const Share = Type.Object({ person: PersonRef, level: ShareLevel, createdAt: Time })
export type Share = Static<typeof Share>

const Params = Type.Object({ workspaceId: Id })
const ShareParams = Type.Object({ workspaceId: Id, accountId: Id })

const Environments = Type.Array(
  Type.Object({ projectId: Id, environment: EnvironmentName }, { additionalProperties: false }),
  { maxItems: limits.environmentsPerWorkspace },
)

export const listWorkspaces = route({
  id: 'workspace.list',
  method: 'GET',
  path: '/api/v1/workspaces',
  summary: 'List your workspaces, and those that are shared with you',
  caller: 'person',
  scope: 'workspaces:read',
  action: 'workspace.read',
  status: 200,
  answer: Type.Object({ workspaces: Type.Array(Workspace) }),
})

export const createWorkspace = route({
  id: 'workspace.create',
  method: 'POST',
  path: '/api/v1/workspaces',
  summary: 'Create a workspace; you become its owner',
  caller: 'person',
  scope: 'workspaces:write',
  action: 'workspace.create',
  body: Type.Object(
    {
      name: Name,
      description: Type.Optional(Description),
      environments: Type.Optional(Environments),
      /** What it starts from: the workspace then needs what the template names. */
      templateId: Type.Optional(Id),
    },
    { additionalProperties: false },
  ),
  status: 201,
  answer: Workspace,
  errors: [
    'workspace.name_taken',
    'workspace.limit',
    'project.not_found',
    'environment.not_found',
    'template.not_found',
  ],
})

export const getWorkspace = route({
  id: 'workspace.get',
  method: 'GET',
  path: '/api/v1/workspaces/{workspaceId}',
  summary: 'Read a workspace',
  caller: 'person',
  scope: 'workspaces:read',
  action: 'workspace.read',
  params: Params,
  status: 200,
  answer: Workspace,
  errors: ['workspace.not_found'],
})

export const updateWorkspace = route({
  id: 'workspace.update',
  method: 'PATCH',
  path: '/api/v1/workspaces/{workspaceId}',
  summary: 'Change the name, the description or the environments of a workspace (owner)',
  caller: 'person',
  scope: 'workspaces:write',
  action: 'workspace.update',
  params: Params,
  body: Type.Object(
    {
      name: Type.Optional(Name),
      description: Type.Optional(Description),
      environments: Type.Optional(Environments),
      /** In place of those of its template. */
      needs: Type.Optional(Needs),
    },
    { additionalProperties: false, minProperties: 1 },
  ),
  status: 200,
  answer: Workspace,
  errors: [
    'workspace.not_found',
    'workspace.name_taken',
    'project.not_found',
    'environment.not_found',
    'session.reauthentication_required',
  ],
})

export const deleteWorkspace = route({
  id: 'workspace.delete',
  method: 'DELETE',
  path: '/api/v1/workspaces/{workspaceId}',
  summary: 'Delete a workspace with its secrets and shares (owner)',
  caller: 'person',
  scope: 'workspaces:write',
  action: 'workspace.delete',
  params: Params,
  query: Type.Object({
    confirm: Type.Optional(Type.String({ description: "The workspace's name, exactly" })),
  }),
  status: 204,
  errors: ['workspace.not_found', 'workspace.confirmation'],
})

export const listShares = route({
  id: 'share.list',
  method: 'GET',
  path: '/api/v1/workspaces/{workspaceId}/shares',
  summary: 'List with whom a workspace is shared (owner, Admin)',
  caller: 'person',
  scope: 'workspaces:read',
  action: 'share.list',
  params: Params,
  status: 200,
  answer: Type.Object({ shares: Type.Array(Share) }),
  errors: ['workspace.not_found'],
})

export const createShare = route({
  id: 'share.create',
  method: 'POST',
  path: '/api/v1/workspaces/{workspaceId}/shares',
  summary:
    'Share a workspace with a person (owner). Only share as Admin with trusted people: they see all secrets',
  caller: 'person',
  scope: 'workspaces:write',
  action: 'share.create',
  params: Params,
  body: Type.Object({ email: Email, level: ShareLevel }, { additionalProperties: false }),
  status: 201,
  answer: Share,
  errors: [
    'workspace.not_found',
    'account.not_found',
    'share.exists',
    'share.limit',
    'session.reauthentication_required',
  ],
})

export const updateShare = route({
  id: 'share.update',
  method: 'PATCH',
  path: '/api/v1/workspaces/{workspaceId}/shares/{accountId}',
  summary: 'Change what a person may do in a workspace (owner)',
  caller: 'person',
  scope: 'workspaces:write',
  action: 'share.update',
  params: ShareParams,
  body: Type.Object({ level: ShareLevel }, { additionalProperties: false }),
  status: 200,
  answer: Share,
  errors: ['workspace.not_found', 'share.not_found', 'session.reauthentication_required'],
})

export const deleteShare = route({
  id: 'share.delete',
  method: 'DELETE',
  path: '/api/v1/workspaces/{workspaceId}/shares/{accountId}',
  summary: 'End a share (owner), or leave a workspace that is shared with you',
  caller: 'person',
  scope: 'workspaces:write',
  action: 'share.delete',
  params: ShareParams,
  status: 204,
  errors: ['workspace.not_found', 'share.not_found'],
})
