import { Alert } from '@mantine/core'
import { InfoIcon } from '@primer/octicons-react'
import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { type Project, projectQuery, useProjectId } from '../../projects.ts'
import { Crumbs } from '../../ui/crumbs.tsx'
import { shared } from '../../ui/messages.ts'
import { Page } from '../../ui/page.tsx'
import { QueryView } from '../../ui/query-view.tsx'
import { TextLink } from '../../ui/text-link.tsx'
import { words } from './messages.ts'

interface Props {
  readonly title: string
  readonly lead?: string
  readonly actions?: (project: Project) => ReactNode
  /** Who may change what is on the page. */
  readonly changers: 'editors' | 'admins'
  readonly children: (project: Project, mayChange: boolean) => ReactNode
}

/** A page of one project; says so to whoever may look only. */
export function ProjectPage({ title, lead, actions, changers, children }: Props) {
  const projectId = useProjectId()
  const project = useQuery(projectQuery(projectId))
  const { data } = project
  const mayChange =
    data !== undefined && (changers === 'admins' ? data.role === 'admin' : data.role !== 'read_only')
  return (
    <Page
      title={title}
      of={data?.name}
      lead={lead}
      actions={data && mayChange && actions?.(data)}
      crumbs={
        <Crumbs>
          <TextLink to="/projects" inherit>
            {shared.projects}
          </TextLink>
          <TextLink to="/projects/$projectId" params={{ projectId }} inherit>
            {data?.name ?? '…'}
          </TextLink>
        </Crumbs>
      }
    >
      {data && !mayChange && (
        <Alert variant="light" color="gray" icon={<InfoIcon />}>
          {data.role === 'read_only' ? words.readOnly : words.adminOnly}
        </Alert>
      )}
      <QueryView query={project}>{(found) => children(found, mayChange)}</QueryView>
    </Page>
  )
}
