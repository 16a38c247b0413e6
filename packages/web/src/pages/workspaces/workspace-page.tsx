import { Alert, Group } from '@mantine/core'
import { InfoIcon } from '@primer/octicons-react'
import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { Crumbs } from '../../ui/crumbs.tsx'
import { shared } from '../../ui/messages.ts'
import { Page } from '../../ui/page.tsx'
import { QueryView } from '../../ui/query-view.tsx'
import { TextLink } from '../../ui/text-link.tsx'
import { isTrusted, runsCode, useWorkspaceId, type Workspace, workspaceQuery } from '../../workspaces.ts'
import { tabs, words } from './messages.ts'

interface Props {
  readonly title: string
  readonly lead?: string
  readonly actions?: (workspace: Workspace) => ReactNode
  /** One of the pages below Settings. */
  readonly isSetting?: boolean
  readonly children: (workspace: Workspace) => ReactNode
}

/** A page of one workspace. */
export function WorkspacePage({ title, lead, actions, isSetting = false, children }: Props) {
  const workspaceId = useWorkspaceId()
  const workspace = useQuery(workspaceQuery(workspaceId))
  const { data } = workspace
  return (
    <Page
      title={title}
      of={data?.name}
      lead={lead}
      actions={data && actions?.(data)}
      crumbs={
        <Crumbs>
          <TextLink to="/workspaces" inherit>
            {shared.workspaces}
          </TextLink>
          <TextLink to="/workspaces/$workspaceId" params={{ workspaceId }} inherit>
            {data?.name ?? '…'}
          </TextLink>
          {isSetting && (
            <TextLink to="/workspaces/$workspaceId/settings" params={{ workspaceId }} inherit>
              {words.settings}
            </TextLink>
          )}
        </Crumbs>
      }
    >
      {isSetting && data && <SettingTabs workspace={data} />}
      <QueryView query={workspace}>{children}</QueryView>
    </Page>
  )
}

/** To each the pages that the server answers: for View there is no tab of secrets (SEC-37). */
function SettingTabs({ workspace: { id, level } }: { workspace: Workspace }) {
  const to = [
    { path: '/workspaces/$workspaceId/settings', label: tabs.general, is: true },
    { path: '/workspaces/$workspaceId/settings/secrets', label: tabs.secrets, is: runsCode(level) },
    {
      path: '/workspaces/$workspaceId/settings/environments',
      label: tabs.environments,
      is: runsCode(level),
    },
    { path: '/workspaces/$workspaceId/settings/sharing', label: tabs.sharing, is: isTrusted(level) },
    { path: '/workspaces/$workspaceId/settings/agent', label: tabs.agent, is: true },
  ] as const
  return (
    <Group component="nav" aria-label={tabs.label} gap="xs" className="tabs">
      {to
        .filter(({ is }) => is)
        .map(({ path, label }) => (
          <TextLink
            key={path}
            to={path}
            params={{ workspaceId: id }}
            activeOptions={{ exact: true }}
            className="tab"
            underline="never"
          >
            {label}
          </TextLink>
        ))}
    </Group>
  )
}

/** Says who changes what is on the page, to whoever does not. */
export function OwnerOnly({ text }: { text: string }) {
  return (
    <Alert variant="light" color="gray" icon={<InfoIcon />}>
      {text}
    </Alert>
  )
}
