import { Button, Table } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { call } from '../../api.ts'
import { type Project, projectsQuery } from '../../projects.ts'
import { EmptyState } from '../../ui/empty-state.tsx'
import { LongTextField, TextField } from '../../ui/fields.tsx'
import { FormDialog } from '../../ui/form-dialog.tsx'
import { Page } from '../../ui/page.tsx'
import { QueryView } from '../../ui/query-view.tsx'
import { TextLink } from '../../ui/text-link.tsx'
import { Time } from '../../ui/time.tsx'
import { useChange } from '../../ui/use-change.ts'
import { roleNames, words } from './messages.ts'

/** The projects that the person is a member of. */
export function Projects() {
  const projects = useQuery(projectsQuery)
  const [isCreating, setCreating] = useState(false)
  return (
    <Page
      title={words.title}
      lead={words.lead}
      actions={<Button onClick={() => setCreating(true)}>{words.new}</Button>}
    >
      <QueryView query={projects}>
        {(list) =>
          list.length === 0 ? (
            <EmptyState title={words.empty}>{words.emptyText}</EmptyState>
          ) : (
            <ProjectTable projects={list} />
          )
        }
      </QueryView>
      {isCreating && <NewProject onClose={() => setCreating(false)} />}
    </Page>
  )
}

function ProjectTable({ projects }: { projects: readonly Project[] }) {
  return (
    <Table.ScrollContainer minWidth={480}>
      <Table verticalSpacing="sm">
        <Table.Thead>
          <Table.Tr>
            {[words.name, words.description, words.role, words.created].map((label) => (
              <Table.Th key={label} scope="col">
                {label}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {projects.map(({ id, name, description, role, createdAt }) => (
            <Table.Tr key={id}>
              <Table.Th scope="row" fw={500} className="breaks">
                <TextLink to="/projects/$projectId" params={{ projectId: id }} inherit>
                  {name}
                </TextLink>
              </Table.Th>
              <Table.Td className="breaks">{description}</Table.Td>
              <Table.Td>{roleNames[role]}</Table.Td>
              <Table.Td>
                <Time time={createdAt} isDate />
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  )
}

function NewProject({ onClose }: { onClose: () => void }) {
  const navigate = useNavigate()
  const [name, setName] = useState('')
  const [description, setDescription] = useState('')
  const create = useChange([projectsQuery.queryKey], async () => {
    const { id } = await call('project.create', { body: { name, description } })
    await navigate({ to: '/projects/$projectId', params: { projectId: id } })
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
    </FormDialog>
  )
}
