import Type, { type Static } from 'typebox'
import { route } from '../route.ts'
import { Id, OneOf } from './shapes.ts'

/** Where what a workspace gets comes from, what goes first being first. */
export const variableSources = ['workspace', 'project', 'personal'] as const

/** A secret that a workspace gets, or would get if another one did not go before it. */
export const VariableSource = Type.Object({
  kind: OneOf(variableSources),
  /** The workspace, `project/environment`, or the owner. */
  name: Type.String(),
  secretId: Id,
  secretName: Type.String(),
  version: Type.Integer(),
})
export type VariableSource = Static<typeof VariableSource>

const Hides = Type.Array(VariableSource, { description: 'Others that would be here if this one were not' })

export const WorkspaceVariables = Type.Object({
  variables: Type.Array(
    Type.Object({
      name: Type.String(),
      /** The value, or the path of a file with it. */
      holds: OneOf(['value', 'path']),
      /** With `path`: where the file is. */
      path: Type.Optional(Type.String()),
      from: VariableSource,
      hides: Hides,
    }),
  ),
  files: Type.Array(Type.Object({ path: Type.String(), from: VariableSource, hides: Hides })),
  /** Too large together with what goes before: nothing of these is delivered. */
  tooLarge: Type.Array(Type.Object({ variable: Type.String(), from: VariableSource, bytes: Type.Integer() })),
  /** Linked environments of projects that the owner is no longer a member of: nothing of these is delivered. */
  unavailable: Type.Array(Type.Object({ project: Type.String(), environment: Type.String() })),
})
export type WorkspaceVariables = Static<typeof WorkspaceVariables>

export const listWorkspaceVariables = route({
  id: 'workspace.variables',
  method: 'GET',
  path: '/api/v1/workspaces/{workspaceId}/variables',
  summary:
    'List the variables and files that a workspace gets, where each comes from and what it hides; never values (owner, Admin, Edit)',
  caller: 'person',
  scope: 'workspace-secrets:read',
  action: 'workspace.variables',
  params: Type.Object({ workspaceId: Id }),
  status: 200,
  answer: WorkspaceVariables,
  errors: ['workspace.not_found'],
})
