import type {
  Environment as EnvironmentAnswer,
  Member as MemberAnswer,
  Project as ProjectAnswer,
  ProjectRole,
} from '@keyhold/contract/api/projects'

/** Name of the environment that the others fall back to. */
export const ALL = 'All'

export interface Project {
  readonly id: string
  readonly name: string
  readonly description: string
  readonly role: ProjectRole
  readonly createdAt: Date
}

export interface Member {
  readonly person: { readonly id: string; readonly name: string; readonly email: string }
  readonly role: ProjectRole
  readonly createdAt: Date
}

export interface Environment {
  readonly id: string
  readonly projectId: string
  readonly name: string
  readonly description: string
  readonly externalUrl: string | null
  readonly isDefault: boolean
  readonly createdAt: Date
}

/** The one form of a name that uniqueness goes by: `Shop`, ` shop` and a full-width `ｓhop` are one. */
export function nameKey(name: string): string {
  return name.trim().normalize('NFKC').toLowerCase()
}

export const toProjectAnswer = (project: Project): ProjectAnswer => ({
  ...project,
  createdAt: project.createdAt.toISOString(),
})

export const toMemberAnswer = (member: Member): MemberAnswer => ({
  ...member,
  createdAt: member.createdAt.toISOString(),
})

export const toEnvironmentAnswer = ({ projectId: _, ...environment }: Environment): EnvironmentAnswer => ({
  ...environment,
  createdAt: environment.createdAt.toISOString(),
})
