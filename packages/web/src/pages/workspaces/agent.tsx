import { Button, Group, Stack, Text } from '@mantine/core'
import { useState } from 'react'
import { type CallAnswer, call } from '../../api.ts'
import { queryClient } from '../../query-client.ts'
import { Confirm } from '../../ui/confirm.tsx'
import { Command } from '../../ui/copy-button.tsx'
import { EmptyState } from '../../ui/empty-state.tsx'
import { ErrorMessage } from '../../ui/error-message.tsx'
import { Facts } from '../../ui/facts.tsx'
import { SecretOnce } from '../../ui/secret-once.tsx'
import { Time } from '../../ui/time.tsx'
import { useAction } from '../../ui/use-action.ts'
import { type Workspace, workspaceQuery, workspacesQuery } from '../../workspaces.ts'
import { agentWords as own, tabs, words } from './messages.ts'
import { OwnerOnly, WorkspacePage } from './workspace-page.tsx'
import { WorkspaceStateBadge } from './workspaces.tsx'

/** Workspace → Settings → Agent. */
export function Agent() {
  return (
    <WorkspacePage title={tabs.agent} lead={own.lead} isSetting>
      {(workspace) => (
        <>
          {workspace.level !== 'owner' && <OwnerOnly text={words.ownerOnly(workspace.owner.name)} />}
          <AgentFacts workspace={workspace} />
          {workspace.level === 'owner' && <Change workspace={workspace} />}
        </>
      )}
    </WorkspacePage>
  )
}

function AgentFacts({ workspace }: { workspace: Workspace }) {
  const { agent } = workspace
  if (agent === null) return <EmptyState title={own.none}>{own.noneText}</EmptyState>
  return (
    <Facts
      facts={[
        { label: words.state, fact: <WorkspaceStateBadge workspace={workspace} /> },
        { label: words.since, fact: agent.since && <Time time={agent.since} /> },
        { label: own.enrolled, fact: <Time time={agent.enrolledAt} isDate /> },
        { label: words.account, fact: <code>{agent.loginName}</code> },
        { label: words.release, fact: agent.release },
      ]}
    />
  )
}

function Change({ workspace: { id, name, agent } }: { workspace: Workspace }) {
  // Here and nowhere else: closing the dialog forgets it.
  const [once, setOnce] = useState<CallAnswer<'agent.create_enrollment'>>()
  const [isAsking, setAsking] = useState(false)
  const enroll = useAction(async () =>
    setOnce(await call('agent.create_enrollment', { params: { workspaceId: id } })),
  )
  const refresh = async () => {
    await queryClient.invalidateQueries({ queryKey: workspacesQuery.queryKey })
    await queryClient.invalidateQueries({ queryKey: workspaceQuery(id).queryKey })
  }
  return (
    <Stack>
      <Text size="sm" maw="48rem">
        {own.enrollText}
      </Text>
      <ErrorMessage error={enroll.error} />
      <Group>
        <Button onClick={() => void enroll.run()} loading={enroll.isRunning}>
          {own.enroll}
        </Button>
        {agent !== null && (
          <Button color="red" variant="outline" onClick={() => setAsking(true)}>
            {own.disconnect}
          </Button>
        )}
      </Group>
      {once && (
        <SecretOnce
          title={own.onceTitle}
          text={own.once}
          values={[{ label: own.token, name: own.token, value: once.token }]}
          onClose={() => {
            setOnce(undefined)
            void refresh()
          }}
        >
          <Facts facts={[{ label: own.expires, fact: <Time time={once.expiresAt} /> }]} />
          <Text size="sm">{own.commands}</Text>
          <Command command={own.save} name={own.saveName} />
          <Command command={own.start(location.origin)} name={own.startName} />
        </SecretOnce>
      )}
      {isAsking && (
        <Confirm
          title={own.disconnectTitle}
          action={own.disconnect}
          onConfirm={async () => {
            await call('agent.disconnect', { params: { workspaceId: id } })
            await refresh()
          }}
          onClose={() => setAsking(false)}
        >
          {own.disconnectText(name)}
        </Confirm>
      )}
    </Stack>
  )
}
