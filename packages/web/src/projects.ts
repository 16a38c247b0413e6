import { queryOptions } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { type CallAnswer, call } from './api.ts'

export type Project = CallAnswer<'project.get'>
export type ListedSecret = CallAnswer<'secret.list'>['secrets'][number]
export type Environment = CallAnswer<'environment.list'>['environments'][number]

export const projectsQuery = queryOptions({
  queryKey: ['projects'],
  queryFn: async () => (await call('project.list')).projects,
})

export const projectQuery = (projectId: string) =>
  queryOptions({
    queryKey: ['project', projectId],
    queryFn: () => call('project.get', { params: { projectId } }),
  })

/** `All` first. */
export const environmentsQuery = (projectId: string) =>
  queryOptions({
    queryKey: ['project', projectId, 'environments'],
    queryFn: async () => (await call('environment.list', { params: { projectId } })).environments,
  })

/** All of the project: names and facts, never a value. */
export const secretsQuery = (projectId: string) =>
  queryOptions({
    queryKey: ['project', projectId, 'secrets'],
    queryFn: () => call('secret.list', { params: { projectId }, query: {} }),
  })

/** The project of the page. */
export function useProjectId(): string {
  return useParams({ strict: false }).projectId ?? ''
}

/** Whether somebody may change the project's secrets, environments and access keys; the server decides, this explains. */
export const mayEdit = ({ role }: Project): boolean => role !== 'read_only'
