import { Button, Group, Paper, Stack, Text, Title } from '@mantine/core'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { call } from '../../api.ts'
import { type Project, projectQuery, projectsQuery } from '../../projects.ts'
import { queryClient } from '../../query-client.ts'
import { Confirm } from '../../ui/confirm.tsx'
import { ErrorMessage } from '../../ui/error-message.tsx'
import { LongTextField, TextField } from '../../ui/fields.tsx'
import { shared } from '../../ui/messages.ts'
import { useChange } from '../../ui/use-change.ts'
import { settingsWords, words } from './messages.ts'
import { ProjectPage } from './project-page.tsx'

/** Project → Settings. */
export function ProjectSettings() {
  return (
    <ProjectPage title={settingsWords.title} lead={settingsWords.lead} changers="admins">
      {(project, mayChange) => (
        <>
          <Name key={project.id} project={project} mayChange={mayChange} />
          {mayChange && <Delete project={project} />}
        </>
      )}
    </ProjectPage>
  )
}

function Name({ project, mayChange }: { project: Project; mayChange: boolean }) {
  const [name, setName] = useState(project.name)
  const [description, setDescription] = useState(project.description)
  const [isSaved, setSaved] = useState(false)
  const save = useChange(
    [projectsQuery.queryKey, projectQuery(project.id).queryKey],
    () => call('project.update', { params: { projectId: project.id }, body: { name, description } }),
    () => setSaved(true),
  )
  const isSame = name === project.name && description === project.description
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
          readOnly={!mayChange}
          required
        />
        <LongTextField
          label={words.description}
          value={description}
          onValue={setDescription}
          field="description"
          action={save}
          readOnly={!mayChange}
        />
        <ErrorMessage error={save.error} />
        {mayChange && (
          <Group>
            <Button type="submit" disabled={isSame} loading={save.isRunning}>
              {shared.save}
            </Button>
            <Text size="sm" role="status">
              {isSaved && isSame && settingsWords.saved}
            </Text>
          </Group>
        )}
      </Stack>
    </form>
  )
}

function Delete({ project: { id, name } }: { project: Project }) {
  const navigate = useNavigate()
  const [isAsking, setAsking] = useState(false)
  return (
    <Paper withBorder p="lg">
      <Title order={2} size="h4">
        {settingsWords.deleteHeading}
      </Title>
      <Text c="dimmed" size="sm" mb="md">
        {settingsWords.deleteLead}
      </Text>
      <Button color="red" onClick={() => setAsking(true)}>
        {settingsWords.delete}
      </Button>
      {isAsking && (
        <Confirm
          title={settingsWords.deleteTitle}
          action={shared.delete}
          typed={{ label: settingsWords.typed, text: name }}
          onConfirm={async () => {
            await call('project.delete', { params: { projectId: id }, query: { confirm: name } })
            await navigate({ to: '/projects' })
            queryClient.removeQueries({ queryKey: projectQuery(id).queryKey })
            await queryClient.invalidateQueries({ queryKey: projectsQuery.queryKey })
          }}
          onClose={() => setAsking(false)}
        >
          {settingsWords.deleteText(name)}
        </Confirm>
      )}
    </Paper>
  )
}
