import Type, { type Static } from 'typebox'
import { limits } from '../limits.ts'
import { route } from '../route.ts'
import { Description, Id, Name, Nullable, PersonRef, Time } from './shapes.ts'

/*
 * What new workspaces start from. A template names the secrets that are needed, and has no value: whoever makes a workspace of
 * it adds their own.
 */

/** A secret that is needed, as a request says it. There is no field for a value. */
export const Need = Type.Object(
  {
    name: Type.String({
      minLength: 1,
      maxLength: limits.secretNameBytes,
      description: 'Environment variable; not a reserved name',
    }),
    description: Type.Optional(Description),
    documentationUrl: Type.Optional(
      Type.String({
        maxLength: limits.urlLength,
        pattern: '^https://[\\u0021-\\u007e]+$',
        description: 'Where to read how to get one',
      }),
    ),
    /** Without it the workspace does not start. */
    isRequired: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
)
export type Need = Static<typeof Need>

export const Needs = Type.Array(Need, { maxItems: limits.needsPerTemplate })

/** As answers have it. */
export const NeededSecret = Type.Object({
  name: Type.String(),
  description: Type.String(),
  documentationUrl: Nullable(Type.String()),
  isRequired: Type.Boolean(),
})
export type NeededSecret = Static<typeof NeededSecret>

export const Template = Type.Object({
  id: Id,
  name: Type.String(),
  description: Type.String(),
  owner: PersonRef,
  needs: Type.Array(NeededSecret),
  /** The caller may change and delete it: its owner, and administrators. */
  isYours: Type.Boolean(),
  createdAt: Time,
  updatedAt: Time,
})
export type Template = Static<typeof Template>

/** What is needed in one workspace, and whether it is there. */
export const WorkspaceNeeds = Type.Object({
  /** Name of the template that the workspace was made from. */
  template: Nullable(Type.String()),
  needs: Type.Array(
    Type.Object({
      ...NeededSecret.properties,
      /** Something sets the variable, as far as it can be told before the start. */
      isPresent: Type.Boolean(),
    }),
  ),
})
export type WorkspaceNeeds = Static<typeof WorkspaceNeeds>

const Devcontainer = Type.String({
  maxLength: limits.devcontainerLength,
  description:
    'A devcontainer.json with comments, whose "secrets" say what is needed, and "customizations.keyhold.required" which of them the start waits for. Nothing else of it is kept',
})

const Params = Type.Object({ templateId: Id })

export const listTemplates = route({
  id: 'template.list',
  method: 'GET',
  path: '/api/v1/templates',
  summary: 'List the templates of the instance with the secrets that they need; never values',
  caller: 'person',
  scope: 'workspaces:read',
  action: 'template.list',
  status: 200,
  answer: Type.Object({ templates: Type.Array(Template) }),
})

export const createTemplate = route({
  id: 'template.create',
  method: 'POST',
  path: '/api/v1/templates',
  summary: 'Create a template; everybody can make workspaces from it',
  caller: 'person',
  scope: 'workspaces:write',
  action: 'template.create',
  body: Type.Object(
    {
      name: Name,
      description: Type.Optional(Description),
      needs: Type.Optional(Needs),
      devcontainer: Type.Optional(Devcontainer),
    },
    { additionalProperties: false },
  ),
  status: 201,
  answer: Template,
  errors: ['template.name_taken', 'template.limit'],
})

export const updateTemplate = route({
  id: 'template.update',
  method: 'PATCH',
  path: '/api/v1/templates/{templateId}',
  summary: 'Change a template (its owner, administrators); workspaces keep what they were made with',
  caller: 'person',
  scope: 'workspaces:write',
  action: 'template.update',
  params: Params,
  body: Type.Object(
    {
      name: Type.Optional(Name),
      description: Type.Optional(Description),
      needs: Type.Optional(Needs),
      devcontainer: Type.Optional(Devcontainer),
    },
    { additionalProperties: false, minProperties: 1 },
  ),
  status: 200,
  answer: Template,
  errors: ['template.not_found', 'template.name_taken'],
})

export const deleteTemplate = route({
  id: 'template.delete',
  method: 'DELETE',
  path: '/api/v1/templates/{templateId}',
  summary: 'Delete a template (its owner, administrators); workspaces stay as they are',
  caller: 'person',
  scope: 'workspaces:write',
  action: 'template.delete',
  params: Params,
  status: 204,
  errors: ['template.not_found'],
})

export const listWorkspaceNeeds = route({
  id: 'workspace.needs',
  method: 'GET',
  path: '/api/v1/workspaces/{workspaceId}/needs',
  summary: 'List the secrets that a workspace needs, and which of them are missing (owner, Admin, Edit)',
  caller: 'person',
  scope: 'workspace-secrets:read',
  action: 'workspace.variables',
  params: Type.Object({ workspaceId: Id }),
  status: 200,
  answer: WorkspaceNeeds,
  errors: ['workspace.not_found'],
})
