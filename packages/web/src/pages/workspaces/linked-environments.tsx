import { ActionIcon, Button, Group, Table, Text } from '@mantine/core'
import { ArrowUpIcon, TrashIcon } from '@primer/octicons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { call } from '../../api.ts'
import { environmentsQuery, type Project, projectsQuery } from '../../projects.ts'
import { queryClient } from '../../query-client.ts'
import { Confirm } from '../../ui/confirm.tsx'
import { EmptyState } from '../../ui/empty-state.tsx'
import { ErrorMessage } from '../../ui/error-message.tsx'
import { ChoiceField } from '../../ui/fields.tsx'
import { FormDialog } from '../../ui/form-dialog.tsx'
import { QueryView } from '../../ui/query-view.tsx'
import { useChange } from '../../ui/use-change.ts'
import { type Workspace, workspaceQuery, workspacesQuery } from '../../workspaces.ts'
import { environmentWords as own, tabs, words } from './messages.ts'
import { OwnerOnly, WorkspacePage } from './workspace-page.tsx'

type Linked = Workspace['environments'][number]

const nameOf = ({ project, environment }: Linked): string => `${project}/${environment}`

/** Saves which environments are linked, in this order. */
const save = (workspaceId: string, environments: readonly Pick<Linked, 'projectId' | 'environment'>[]) =>
  call('workspace.update', {
    params: { workspaceId },
    body: { environments: environments.map(({ projectId, environment }) => ({ projectId, environment })) },
  })

const shownIn = (workspaceId: string) => [workspacesQuery.queryKey, workspaceQuery(workspaceId).queryKey]

/** Workspace → Settings → Linked environments. */
export function LinkedEnvironments() {
  const [isAdding, setAdding] = useState(false)
  return (
    <WorkspacePage
      title={tabs.environments}
      lead={own.lead}
      isSetting
      actions={({ level }) => level === 'owner' && <Button onClick={() => setAdding(true)}>{own.add}</Button>}
    >
      {(workspace) => (
        <>
          {workspace.level !== 'owner' && <OwnerOnly text={words.ownerOnly(workspace.owner.name)} />}
          {workspace.environments.length === 0 ? (
            <EmptyState title={own.empty}>{own.emptyText}</EmptyState>
          ) : (
            <LinkedTable workspace={workspace} />
          )}
          {isAdding && <Link workspace={workspace} onClose={() => setAdding(false)} />}
        </>
      )}
    </WorkspacePage>
  )
}

function LinkedTable({ workspace: { id, level, environments } }: { workspace: Workspace }) {
  const [doomed, setDoomed] = useState<Linked>()
  const move = useChange(shownIn(id), (at: number) =>
    save(id, [
      ...environments.slice(0, at - 1),
      ...environments.slice(at, at + 1),
      ...environments.slice(at - 1, at),
      ...environments.slice(at + 1),
    ]),
  )
  return (
    <>
      <ErrorMessage error={move.error} />
      <Table.ScrollContainer minWidth={480}>
        <Table verticalSpacing="sm">
          <Table.Thead>
            <Table.Tr>
              <Table.Th scope="col">{own.order}</Table.Th>
              <Table.Th scope="col">{own.environment}</Table.Th>
              {level === 'owner' && (
                <Table.Th scope="col" className="actions">
                  {words.actions}
                </Table.Th>
              )}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {environments.map((one, at) => (
              <Table.Tr key={nameOf(one)}>
                <Table.Td w="5rem">{at + 1}</Table.Td>
                <Table.Th scope="row" fw={500} className="breaks">
                  {nameOf(one)}
                  {!one.isAvailable && (
                    <Text size="sm" c="var(--mantine-color-error)">
                      {own.unavailable}
                    </Text>
                  )}
                </Table.Th>
                {level === 'owner' && (
                  <Table.Td className="actions">
                    <Group gap={4} wrap="nowrap" justify="flex-end">
                      {at > 0 && (
                        <ActionIcon
                          variant="subtle"
                          color="gray"
                          size="lg"
                          aria-label={own.up(nameOf(one))}
                          onClick={() => void move.run(at)}
                        >
                          <ArrowUpIcon />
                        </ActionIcon>
                      )}
                      <ActionIcon
                        variant="subtle"
                        color="red"
                        size="lg"
                        aria-label={own.unlink(nameOf(one))}
                        onClick={() => setDoomed(one)}
                      >
                        <TrashIcon />
                      </ActionIcon>
                    </Group>
                  </Table.Td>
                )}
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {doomed && (
        <Confirm
          title={own.unlinkTitle}
          action={own.unlinkAction}
          onConfirm={async () => {
            const left = environments.filter((one) => one !== doomed)
            await save(id, left)
            for (const queryKey of shownIn(id)) await queryClient.invalidateQueries({ queryKey })
          }}
          onClose={() => setDoomed(undefined)}
        >
          {own.unlinkText(nameOf(doomed))}
        </Confirm>
      )}
    </>
  )
}

function Link({ workspace, onClose }: { workspace: Workspace; onClose: () => void }) {
  const projects = useQuery(projectsQuery)
  return (
    <QueryView query={projects}>
      {(list) => <LinkForm workspace={workspace} projects={list} onClose={onClose} />}
    </QueryView>
  )
}

function LinkForm({
  workspace: { id, environments },
  projects,
  onClose,
}: {
  workspace: Workspace
  projects: readonly Project[]
  onClose: () => void
}) {
  const [chosenProject, setProject] = useState('')
  // Not kept as it is now: the list may be one of before, and read anew.
  const projectId = chosenProject || (projects[0]?.id ?? '')
  const [chosen, setEnvironment] = useState('')
  const found = useQuery({ ...environmentsQuery(projectId), enabled: projectId !== '' })
  const environment = chosen || (found.data?.[0]?.name ?? '')
  const add = useChange(shownIn(id), () => save(id, [...environments, { projectId, environment }]), onClose)
  return (
    <FormDialog
      title={own.addTitle}
      submit={own.add}
      action={add}
      isBlocked={environment === ''}
      onClose={onClose}
    >
      {projects.length === 0 && <Text>{own.noProjects}</Text>}
      <ChoiceField
        label={own.project}
        value={projectId}
        onValue={(next) => {
          setProject(next)
          setEnvironment('')
        }}
        choices={projects.map(({ id: value, name }) => ({ value, label: name }))}
      />
      <ChoiceField
        label={own.environment}
        value={environment}
        onValue={setEnvironment}
        choices={(found.data ?? []).map(({ name }) => ({ value: name, label: name }))}
      />
    </FormDialog>
  )
}
