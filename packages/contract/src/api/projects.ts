import Type, { type Static } from 'typebox'
import { route } from '../route.ts'
import { Description, Email, Id, Name, Nullable, OneOf, PersonRef, Time } from './shapes.ts'

export const projectRoles = ['admin', 'regular', 'read_only'] as const
export type ProjectRole = (typeof projectRoles)[number]
/** Shown as Admin, Regular and Read Only. */
export const ProjectRole = OneOf(['admin', 'regular', 'read_only'])

export const Project = Type.Object({
  id: Id,
  name: Type.String(),
  description: Type.String(),
  /** The caller's own role. */
  role: ProjectRole,
  createdAt: Time,
})
export type Project = Static<typeof Project>

export const Member = Type.Object({ person: PersonRef, role: ProjectRole, createdAt: Time })
export type Member = Static<typeof Member>

export const Environment = Type.Object({
  id: Id,
  name: Type.String(),
  description: Type.String(),
  externalUrl: Nullable(Type.String()),
  /** True for `All`, which the others fall back to. */
  isDefault: Type.Boolean(),
  createdAt: Time,
})
export type Environment = Static<typeof Environment>

/** `[A-Za-z0-9]` first, then also `.`, `_` and `-`: safe in a URL, a file name and `${environment.NAME}`. */
export const EnvironmentName = Type.String({
  pattern: '^[A-Za-z0-9][A-Za-z0-9_-]*$',
  maxLength: 64,
  description: 'Letters, digits, _ and -, starting with a letter or digit; at most 64 characters',
})

const ProjectParams = Type.Object({ projectId: Id })
const MemberParams = Type.Object({ projectId: Id, accountId: Id })
const EnvironmentParams = Type.Object({ projectId: Id, environmentId: Id })
const ExternalUrl = Nullable(Type.String({ maxLength: 2_000, pattern: '^https?://[^\\s@]+$' }))

export const listProjects = route({
  id: 'project.list',
  method: 'GET',
  path: '/api/v1/projects',
  summary: 'List the projects you are a member of',
  caller: 'person',
  scope: 'projects:read',
  action: 'project.read',
  status: 200,
  answer: Type.Object({ projects: Type.Array(Project) }),
})

export const createProject = route({
  id: 'project.create',
  method: 'POST',
  path: '/api/v1/projects',
  summary: 'Create a project; you become its Admin',
  caller: 'person',
  scope: 'projects:write',
  action: 'project.create',
  body: Type.Object({ name: Name, description: Type.Optional(Description) }, { additionalProperties: false }),
  status: 201,
  answer: Project,
  errors: ['project.name_taken'],
})

export const getProject = route({
  id: 'project.get',
  method: 'GET',
  path: '/api/v1/projects/{projectId}',
  summary: 'Read a project',
  caller: 'person',
  scope: 'projects:read',
  action: 'project.read',
  params: ProjectParams,
  status: 200,
  answer: Project,
  errors: ['project.not_found'],
})

export const updateProject = route({
  id: 'project.update',
  method: 'PATCH',
  path: '/api/v1/projects/{projectId}',
  summary: 'Change the name or description of a project',
  caller: 'person',
  scope: 'projects:write',
  action: 'project.update',
  params: ProjectParams,
  body: Type.Object(
    { name: Type.Optional(Name), description: Type.Optional(Description) },
    { additionalProperties: false, minProperties: 1 },
  ),
  status: 200,
  answer: Project,
  errors: ['project.not_found', 'project.name_taken'],
})

export const deleteProject = route({
  id: 'project.delete',
  method: 'DELETE',
  path: '/api/v1/projects/{projectId}',
  summary: 'Delete a project with its environments, secrets and access keys',
  caller: 'person',
  scope: 'projects:write',
  action: 'project.delete',
  params: ProjectParams,
  query: Type.Object({ confirm: Type.Optional(Type.String({ description: "The project's name, exactly" })) }),
  status: 204,
  errors: ['project.not_found', 'project.confirmation'],
})

export const listMembers = route({
  id: 'member.list',
  method: 'GET',
  path: '/api/v1/projects/{projectId}/members',
  summary: 'List the members of a project',
  caller: 'person',
  scope: 'projects:read',
  action: 'member.list',
  params: ProjectParams,
  status: 200,
  answer: Type.Object({ members: Type.Array(Member) }),
  errors: ['project.not_found'],
})

export const addMember = route({
  id: 'member.create',
  method: 'POST',
  path: '/api/v1/projects/{projectId}/members',
  summary: 'Add a person to a project (Admin)',
  caller: 'person',
  scope: 'projects:write',
  action: 'member.create',
  params: ProjectParams,
  body: Type.Object({ email: Email, role: ProjectRole }, { additionalProperties: false }),
  status: 201,
  answer: Member,
  errors: ['project.not_found', 'account.not_found', 'member.exists'],
})

export const updateMember = route({
  id: 'member.update',
  method: 'PATCH',
  path: '/api/v1/projects/{projectId}/members/{accountId}',
  summary: "Change a member's role (Admin)",
  caller: 'person',
  scope: 'projects:write',
  action: 'member.update',
  params: MemberParams,
  body: Type.Object({ role: ProjectRole }, { additionalProperties: false }),
  status: 200,
  answer: Member,
  errors: ['project.not_found', 'member.not_found', 'member.last_admin'],
})

export const removeMember = route({
  id: 'member.delete',
  method: 'DELETE',
  path: '/api/v1/projects/{projectId}/members/{accountId}',
  summary: 'Remove a person from a project (Admin)',
  caller: 'person',
  scope: 'projects:write',
  action: 'member.delete',
  params: MemberParams,
  status: 204,
  errors: ['project.not_found', 'member.not_found', 'member.last_admin'],
})

export const listEnvironments = route({
  id: 'environment.list',
  method: 'GET',
  path: '/api/v1/projects/{projectId}/environments',
  summary: 'List the environments of a project, All first',
  caller: 'person',
  scope: 'projects:read',
  action: 'environment.list',
  params: ProjectParams,
  status: 200,
  answer: Type.Object({ environments: Type.Array(Environment) }),
  errors: ['project.not_found'],
})

export const createEnvironment = route({
  id: 'environment.create',
  method: 'POST',
  path: '/api/v1/projects/{projectId}/environments',
  summary: 'Create an environment',
  caller: 'person',
  scope: 'projects:write',
  action: 'environment.create',
  params: ProjectParams,
  body: Type.Object(
    {
      name: EnvironmentName,
      description: Type.Optional(Description),
      externalUrl: Type.Optional(ExternalUrl),
    },
    { additionalProperties: false },
  ),
  status: 201,
  answer: Environment,
  errors: ['project.not_found', 'environment.name_taken', 'environment.limit'],
})

export const updateEnvironment = route({
  id: 'environment.update',
  method: 'PATCH',
  path: '/api/v1/projects/{projectId}/environments/{environmentId}',
  summary: 'Change an environment',
  caller: 'person',
  scope: 'projects:write',
  action: 'environment.update',
  params: EnvironmentParams,
  body: Type.Object(
    {
      name: Type.Optional(EnvironmentName),
      description: Type.Optional(Description),
      externalUrl: Type.Optional(ExternalUrl),
    },
    { additionalProperties: false, minProperties: 1 },
  ),
  status: 200,
  answer: Environment,
  errors: ['project.not_found', 'environment.not_found', 'environment.name_taken', 'environment.default'],
})

export const deleteEnvironment = route({
  id: 'environment.delete',
  method: 'DELETE',
  path: '/api/v1/projects/{projectId}/environments/{environmentId}',
  summary: 'Delete an environment with its secrets',
  caller: 'person',
  scope: 'projects:write',
  action: 'environment.delete',
  params: EnvironmentParams,
  query: Type.Object({
    confirm: Type.Optional(Type.String({ description: "The environment's name, exactly" })),
  }),
  status: 204,
  errors: ['project.not_found', 'environment.not_found', 'environment.default', 'environment.confirmation'],
})
