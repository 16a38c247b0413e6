import { Button, Group, Paper, Stack, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { call } from '../../api.ts'
import { queryClient } from '../../query-client.ts'
import { sessionQuery } from '../../session.ts'
import { Confirm } from '../../ui/confirm.tsx'
import { ErrorMessage } from '../../ui/error-message.tsx'
import { LongTextField, TextField } from '../../ui/fields.tsx'
import { shared } from '../../ui/messages.ts'
import { useChange } from '../../ui/use-change.ts'
import { type Workspace, workspaceQuery, workspacesQuery } from '../../workspaces.ts'
import { generalWords, tabs, words } from './messages.ts'
import { OwnerOnly, WorkspacePage } from './workspace-page.tsx'

/** Workspace → Settings. */
export function General() {
  return (
    <WorkspacePage title={tabs.general} isSetting>
      {(workspace) => (
        <>
          {workspace.level !== 'owner' && <OwnerOnly text={words.ownerOnly(workspace.owner.name)} />}
          <Name key={workspace.id} workspace={workspace} />
          <End workspace={workspace} />
        </>
      )}
    </WorkspacePage>
  )
}

function Name({ workspace }: { workspace: Workspace }) {
  const isOwner = workspace.level === 'owner'
  const [name, setName] = useState(workspace.name)
  const [description, setDescription] = useState(workspace.description)
  const [isSaved, setSaved] = useState(false)
  const save = useChange(
    [workspacesQuery.queryKey, workspaceQuery(workspace.id).queryKey],
    () => call('workspace.update', { params: { workspaceId: workspace.id }, body: { name, description } }),
    () => setSaved(true),
  )
  const isSame = name === workspace.name && description === workspace.description
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        void save.run()
      }}
    >
      <Stack maw="36rem">
        <TextField
          label={words.name}
          value={name}
          onValue={setName}
          field="name"
          action={save}
          readOnly={!isOwner}
          required
        />
        <LongTextField
          label={words.description}
          value={description}
          onValue={setDescription}
          field="description"
          action={save}
          readOnly={!isOwner}
        />
        <ErrorMessage error={save.error} />
        {isOwner && (
          <Group>
            <Button type="submit" disabled={isSame} loading={save.isRunning}>
              {shared.save}
            </Button>
            <Text size="sm" role="status">
              {isSaved && isSame && generalWords.saved}
            </Text>
          </Group>
        )}
      </Stack>
    </form>
  )
}

/** The owner deletes it, others leave it. */
function End({ workspace: { id, name, level } }: { workspace: Workspace }) {
  const isOwner = level === 'owner'
  const { data: session } = useQuery(sessionQuery)
  const navigate = useNavigate()
  const [isAsking, setAsking] = useState(false)
  const end = async () => {
    if (isOwner) await call('workspace.delete', { params: { workspaceId: id }, query: { confirm: name } })
    else await call('share.delete', { params: { workspaceId: id, accountId: session?.account.id ?? '' } })
    await navigate({ to: '/workspaces' })
    queryClient.removeQueries({ queryKey: workspaceQuery(id).queryKey })
    await queryClient.invalidateQueries({ queryKey: workspacesQuery.queryKey })
  }
  return (
    <Paper withBorder p="lg">
      <Title order={2} size="h4">
        {isOwner ? generalWords.deleteHeading : generalWords.leaveHeading}
      </Title>
      <Text c="dimmed" size="sm" mb="md">
        {isOwner ? generalWords.deleteLead : generalWords.leaveLead}
      </Text>
      <Button color="red" onClick={() => setAsking(true)}>
        {isOwner ? generalWords.delete : generalWords.leave}
      </Button>
      {isAsking && (
        <Confirm
          title={isOwner ? generalWords.deleteTitle : generalWords.leaveTitle}
          action={isOwner ? shared.delete : generalWords.leave}
          {...(isOwner && { typed: { label: generalWords.typed, text: name } })}
          onConfirm={end}
          onClose={() => setAsking(false)}
        >
          {isOwner ? generalWords.deleteText(name) : generalWords.leaveText(name)}
        </Confirm>
      )}
    </Paper>
  )
}
