import { ActionIcon, Anchor, Button, Group, Table, Text } from '@mantine/core'
import { PencilIcon, TrashIcon } from '@primer/octicons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { call } from '../../api.ts'
import { type Environment, environmentsQuery, projectQuery, useProjectId } from '../../projects.ts'
import { queryClient } from '../../query-client.ts'
import { Confirm } from '../../ui/confirm.tsx'
import { LongTextField, TextField } from '../../ui/fields.tsx'
import { FormDialog } from '../../ui/form-dialog.tsx'
import { shared } from '../../ui/messages.ts'
import { QueryView } from '../../ui/query-view.tsx'
import { Time } from '../../ui/time.tsx'
import { useChange } from '../../ui/use-change.ts'
import { environmentWords, words } from './messages.ts'
import { ProjectPage } from './project-page.tsx'

/** Project → Environments. */
export function Environments() {
  const projectId = useProjectId()
  const environments = useQuery(environmentsQuery(projectId))
  const [edited, setEdited] = useState<Environment | 'new'>()
  const [doomed, setDoomed] = useState<Environment>()
  return (
    <ProjectPage
      title={environmentWords.title}
      lead={environmentWords.lead}
      changers="editors"
      actions={() => <Button onClick={() => setEdited('new')}>{environmentWords.new}</Button>}
    >
      {(_project, mayChange) => (
        <>
          <QueryView query={environments}>
            {(list) => (
              <EnvironmentTable
                environments={list}
                mayChange={mayChange}
                onEdit={setEdited}
                onDelete={setDoomed}
              />
            )}
          </QueryView>
          {edited && (
            <EnvironmentForm
              projectId={projectId}
              environment={edited === 'new' ? undefined : edited}
              onClose={() => setEdited(undefined)}
            />
          )}
          {doomed && (
            <Confirm
              title={environmentWords.deleteTitle}
              action={shared.delete}
              typed={{ label: environmentWords.typed, text: doomed.name }}
              onConfirm={async () => {
                const params = { projectId, environmentId: doomed.id }
                await call('environment.delete', { params, query: { confirm: doomed.name } })
                await queryClient.invalidateQueries({ queryKey: projectQuery(projectId).queryKey })
              }}
              onClose={() => setDoomed(undefined)}
            >
              {environmentWords.deleteText(doomed.name)}
            </Confirm>
          )}
        </>
      )}
    </ProjectPage>
  )
}

interface TableProps {
  readonly environments: readonly Environment[]
  readonly mayChange: boolean
  readonly onEdit: (environment: Environment) => void
  readonly onDelete: (environment: Environment) => void
}

function EnvironmentTable({ environments, mayChange, onEdit, onDelete }: TableProps) {
  return (
    <Table.ScrollContainer minWidth={560}>
      <Table verticalSpacing="sm">
        <Table.Thead>
          <Table.Tr>
            {[environmentWords.name, environmentWords.description, environmentWords.url, words.created].map(
              (label) => (
                <Table.Th key={label} scope="col">
                  {label}
                </Table.Th>
              ),
            )}
            {mayChange && (
              <Table.Th scope="col" className="actions">
                {words.actions}
              </Table.Th>
            )}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {environments.map((one) => (
            <Table.Tr key={one.id}>
              <Table.Th scope="row" fw={500} className="breaks">
                {one.name}
                {one.isDefault && (
                  <Text size="sm" c="dimmed">
                    {environmentWords.isDefault}
                  </Text>
                )}
              </Table.Th>
              <Table.Td className="breaks">{one.description}</Table.Td>
              <Table.Td className="breaks">
                {one.externalUrl !== null && (
                  <Anchor href={one.externalUrl} target="_blank" rel="noreferrer" size="sm">
                    {one.externalUrl}
                  </Anchor>
                )}
              </Table.Td>
              <Table.Td>
                <Time time={one.createdAt} isDate />
              </Table.Td>
              {mayChange && (
                <Table.Td className="actions">
                  {!one.isDefault && (
                    <Group gap={4} wrap="nowrap" justify="flex-end">
                      <ActionIcon
                        variant="subtle"
                        color="gray"
                        size="lg"
                        aria-label={environmentWords.edit(one.name)}
                        onClick={() => onEdit(one)}
                      >
                        <PencilIcon />
                      </ActionIcon>
                      <ActionIcon
                        variant="subtle"
                        color="red"
                        size="lg"
                        aria-label={environmentWords.delete(one.name)}
                        onClick={() => onDelete(one)}
                      >
                        <TrashIcon />
                      </ActionIcon>
                    </Group>
                  )}
                </Table.Td>
              )}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  )
}

/** @param environment absent: a new one */
function EnvironmentForm({
  projectId,
  environment,
  onClose,
}: {
  projectId: string
  environment: Environment | undefined
  onClose: () => void
}) {
  const [name, setName] = useState(environment?.name ?? '')
  const [description, setDescription] = useState(environment?.description ?? '')
  const [url, setUrl] = useState(environment?.externalUrl ?? '')
  const save = useChange(
    [projectQuery(projectId).queryKey],
    () => {
      const body = { name, description, externalUrl: url || null }
      if (!environment) return call('environment.create', { params: { projectId }, body })
      return call('environment.update', { params: { projectId, environmentId: environment.id }, body })
    },
    onClose,
  )
  return (
    <FormDialog
      title={environment ? environmentWords.editTitle : environmentWords.newTitle}
      submit={environment ? shared.save : words.create}
      action={save}
      onClose={onClose}
    >
      <TextField
        label={environmentWords.name}
        description={environmentWords.nameHelp}
        value={name}
        onValue={setName}
        field="name"
        action={save}
        required
        data-autofocus
      />
      <LongTextField
        label={environmentWords.description}
        value={description}
        onValue={setDescription}
        field="description"
        action={save}
      />
      <TextField
        label={environmentWords.url}
        description={environmentWords.urlHelp}
        value={url}
        onValue={setUrl}
        field="externalUrl"
        action={save}
      />
    </FormDialog>
  )
}
