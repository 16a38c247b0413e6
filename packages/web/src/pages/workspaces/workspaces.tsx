import { Button, Table, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useRef, useState } from 'react'
import { call } from '../../api.ts'
import { templatesQuery } from '../../templates.ts'
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
import { TemplateNeeds } from './template-needs.tsx'

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
  const [values, setValues] = useState<Readonly<Record<string, string>>>({})
  // Where a value is refused, the workspace is there, and so are those before: what is left goes on from there.
  const made = useRef<{ readonly id: string; readonly secrets: Set<string> }>(undefined)
  const create = useChange([workspacesQuery.queryKey], async () => {
    if (made.current === undefined) {
      const body = { name, description, ...(template && { templateId }) }
      made.current = { id: (await call('workspace.create', { body })).id, secrets: new Set() }
      setMade(true)
    }
    const { id, secrets } = made.current
    for (const need of template?.needs ?? []) {
      const value = values[need.name] ?? ''
      if (value === '' || secrets.has(need.name)) continue
      await addNeeded(id, need, value)
      secrets.add(need.name)
    }
    await navigate({ to: '/workspaces/$workspaceId', params: { workspaceId: id } })
  })
  const [isMade, setMade] = useState(false)
  return (
    <FormDialog title={words.newTitle} submit={words.create} action={create} onClose={onClose}>
      {isMade && create.error !== undefined && <Text>{templateWords.made(name)}</Text>}
      <TextField
        label={words.name}
        description={words.nameHelp}
        value={name}
        onValue={setName}
        field="name"
        action={create}
        disabled={isMade}
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
      {templates.length > 0 && !isMade && (
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
      {template && (
        <TemplateNeeds needs={template.needs} values={values} onValues={setValues} action={create} />
      )}
    </FormDialog>
  )
}

/** A value for what a template needs, under its name. */
const addNeeded = (
  workspaceId: string,
  { name, description }: { readonly name: string; readonly description: string },
  value: string,
) =>
  call('workspace-secret.create', {
    params: { workspaceId },
    body: { name, type: 'token', value, description },
  })
