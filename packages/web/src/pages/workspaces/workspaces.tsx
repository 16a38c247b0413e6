import { Button, Table } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { call } from '../../api.ts'
import { StateBadge } from '../../ui/credential-state.tsx'
import { EmptyState } from '../../ui/empty-state.tsx'
import { ChoiceField, LongTextField, TextField } from '../../ui/fields.tsx'
import { FormDialog } from '../../ui/form-dialog.tsx'
import { Page } from '../../ui/page.tsx'
import { QueryView } from '../../ui/query-view.tsx'
import { TextLink } from '../../ui/text-link.tsx'
import { Time } from '../../ui/time.tsx'
import { useChange } from '../../ui/use-change.ts'
import { stateOf, type Workspace, workspacesQuery } from '../../workspaces.ts'
import { levelNames, stateNames, templateWords, words } from './messages.ts'
import { TemplateNeeds, templatesQuery } from './template-needs.tsx'

/** The person's workspaces, and those that are shared with them. */
export function Workspaces() {
  const workspaces = useQuery(workspacesQuery)
  const [isCreating, setCreating] = useState(false)
  return (
    <Page
      title={words.title}
      lead={words.lead}
      actions={<Button onClick={() => setCreating(true)}>{words.new}</Button>}
    >
      <QueryView query={workspaces}>
        {(list) =>
          list.length === 0 ? (
            <EmptyState title={words.empty}>{words.emptyText}</EmptyState>
          ) : (
            <WorkspaceTable workspaces={list} />
          )
        }
      </QueryView>
      {isCreating && <NewWorkspace onClose={() => setCreating(false)} />}
    </Page>
  )
}

const colors = { running: 'green', stopped: 'gray', new: 'yellow' } as const

/** A word with a color. */
export function WorkspaceStateBadge({ workspace }: { workspace: Workspace }) {
  const state = stateOf(workspace)
  return <StateBadge label={stateNames[state]} color={colors[state]} />
}

function WorkspaceTable({ workspaces }: { workspaces: readonly Workspace[] }) {
  return (
    <Table.ScrollContainer minWidth={640}>
      <Table verticalSpacing="sm">
        <Table.Thead>
          <Table.Tr>
            {[words.name, words.state, words.owner, words.level, words.description, words.created].map(
              (label) => (
                <Table.Th key={label} scope="col">
                  {label}
                </Table.Th>
              ),
            )}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {workspaces.map((workspace) => (
            <Table.Tr key={workspace.id}>
              <Table.Th scope="row" fw={500} className="breaks">
                <TextLink to="/workspaces/$workspaceId" params={{ workspaceId: workspace.id }} inherit>
                  {workspace.name}
                </TextLink>
              </Table.Th>
              <Table.Td>
                <WorkspaceStateBadge workspace={workspace} />
              </Table.Td>
              <Table.Td className="breaks">{workspace.owner.name}</Table.Td>
              <Table.Td>{levelNames[workspace.level]}</Table.Td>
              <Table.Td className="breaks">{workspace.description}</Table.Td>
              <Table.Td>
                <Time time={workspace.createdAt} isDate />
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  )
}

function NewWorkspace({ onClose }: { onClose: () => void }) {
  const navigate = useNavigate()
  const [name, setName] = useState('')
  const [description, setDescription] = useState('')
  const [templateId, setTemplate] = useState('')
  const { data: templates = [] } = useQuery(templatesQuery)
  const template = templates.find(({ id }) => id === templateId)
  const create = useChange([workspacesQuery.queryKey], async () => {
    const body = { name, description, ...(template && { templateId }) }
    const { id } = await call('workspace.create', { body })
    await navigate({ to: '/workspaces/$workspaceId', params: { workspaceId: id } })
  })
  return (
    <FormDialog title={words.newTitle} submit={words.create} action={create} onClose={onClose}>
      <TextField
        label={words.name}
        description={words.nameHelp}
        value={name}
        onValue={setName}
        field="name"
        action={create}
        required
        data-autofocus
      />
      <LongTextField
        label={words.description}
        value={description}
        onValue={setDescription}
        field="description"
        action={create}
      />
      {templates.length > 0 && (
        <ChoiceField
          label={templateWords.from}
          {...(template && { description: template.description })}
          value={templateId}
          onValue={setTemplate}
          choices={[
            { value: '', label: templateWords.empty },
            ...templates.map(({ id, name: label }) => ({ value: id, label })),
          ]}
        />
      )}
      {template && <TemplateNeeds needs={template.needs} />}
    </FormDialog>
  )
}
