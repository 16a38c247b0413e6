import { ActionIcon, Button, Stack, Table, Text } from '@mantine/core'
import { TrashIcon } from '@primer/octicons-react'
import { queryOptions, useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { type CallAnswer, call } from '../../api.ts'
import { projectQuery, projectsQuery, useProjectId } from '../../projects.ts'
import { queryClient } from '../../query-client.ts'
import { sessionQuery } from '../../session.ts'
import { Confirm } from '../../ui/confirm.tsx'
import { ErrorMessage } from '../../ui/error-message.tsx'
import { ChoiceField, TextField } from '../../ui/fields.tsx'
import { FormDialog } from '../../ui/form-dialog.tsx'
import { QueryView } from '../../ui/query-view.tsx'
import { Time } from '../../ui/time.tsx'
import { useChange } from '../../ui/use-change.ts'
import { memberWords, roleNames, words } from './messages.ts'
import { ProjectPage } from './project-page.tsx'

type Member = CallAnswer<'member.list'>['members'][number]
type Role = Member['role']

const membersQuery = (projectId: string) =>
  queryOptions({
    queryKey: ['project', projectId, 'members'],
    queryFn: async () => (await call('member.list', { params: { projectId } })).members,
  })

// `as`: the keys of a literal are exactly its key type.
const roleChoices = (Object.keys(roleNames) as Role[]).map((value) => ({ value, label: roleNames[value] }))

/** Project → Members. */
export function Members() {
  const projectId = useProjectId()
  const members = useQuery(membersQuery(projectId))
  const { data: session } = useQuery(sessionQuery)
  const navigate = useNavigate()
  const [isAdding, setAdding] = useState(false)
  const [doomed, setDoomed] = useState<Member>()
  return (
    <ProjectPage
      title={memberWords.title}
      lead={memberWords.lead}
      changers="admins"
      actions={() => <Button onClick={() => setAdding(true)}>{memberWords.new}</Button>}
    >
      {(_project, mayChange) => (
        <>
          <QueryView query={members}>
            {(list) => (
              <MemberTable projectId={projectId} members={list} mayChange={mayChange} onRemove={setDoomed} />
            )}
          </QueryView>
          {isAdding && <AddMember projectId={projectId} onClose={() => setAdding(false)} />}
          {doomed && (
            <Confirm
              title={memberWords.removeTitle}
              action={memberWords.removeAction}
              onConfirm={async () => {
                await call('member.delete', { params: { projectId, accountId: doomed.person.id } })
                // Whoever leaves sees nothing of it any more.
                if (doomed.person.id === session?.account.id) await navigate({ to: '/projects' })
                await queryClient.invalidateQueries({ queryKey: projectsQuery.queryKey })
                await queryClient.invalidateQueries({ queryKey: projectQuery(projectId).queryKey })
              }}
              onClose={() => setDoomed(undefined)}
            >
              {memberWords.removeText(doomed.person.name)}
            </Confirm>
          )}
        </>
      )}
    </ProjectPage>
  )
}

interface TableProps {
  readonly projectId: string
  readonly members: readonly Member[]
  readonly mayChange: boolean
  readonly onRemove: (member: Member) => void
}

function MemberTable({ projectId, members, mayChange, onRemove }: TableProps) {
  const { data: session } = useQuery(sessionQuery)
  const change = useChange(
    [projectQuery(projectId).queryKey, projectsQuery.queryKey],
    ({ person }: Member, role: Role) =>
      call('member.update', { params: { projectId, accountId: person.id }, body: { role } }),
  )
  return (
    <Stack>
      <ErrorMessage error={change.error} />
      <Table.ScrollContainer minWidth={560}>
        <Table verticalSpacing="sm">
          <Table.Thead>
            <Table.Tr>
              {[memberWords.person, memberWords.role, memberWords.since].map((label) => (
                <Table.Th key={label} scope="col">
                  {label}
                </Table.Th>
              ))}
              {mayChange && (
                <Table.Th scope="col" className="actions">
                  {words.actions}
                </Table.Th>
              )}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {members.map((member) => (
              <Table.Tr key={member.person.id}>
                <Table.Th scope="row" fw={500} className="breaks">
                  {member.person.name}
                  {member.person.id === session?.account.id && ` (${memberWords.you})`}
                  <Text size="sm" c="dimmed">
                    {member.person.email}
                  </Text>
                </Table.Th>
                <Table.Td>
                  {mayChange ? (
                    <ChoiceField
                      aria-label={memberWords.roleOf(member.person.name)}
                      value={member.role}
                      onValue={(role) => void change.run(member, role)}
                      choices={roleChoices}
                      maw="12rem"
                    />
                  ) : (
                    roleNames[member.role]
                  )}
                </Table.Td>
                <Table.Td>
                  <Time time={member.createdAt} isDate />
                </Table.Td>
                {mayChange && (
                  <Table.Td className="actions">
                    <ActionIcon
                      variant="subtle"
                      color="red"
                      size="lg"
                      aria-label={memberWords.remove(member.person.name)}
                      onClick={() => onRemove(member)}
                    >
                      <TrashIcon />
                    </ActionIcon>
                  </Table.Td>
                )}
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Stack>
  )
}

function AddMember({ projectId, onClose }: { projectId: string; onClose: () => void }) {
  const [email, setEmail] = useState('')
  const [role, setRole] = useState<Role>('regular')
  const add = useChange(
    [membersQuery(projectId).queryKey],
    () => call('member.create', { params: { projectId }, body: { email, role } }),
    onClose,
  )
  return (
    <FormDialog title={memberWords.newTitle} submit={memberWords.add} action={add} onClose={onClose}>
      <TextField
        label={memberWords.email}
        description={memberWords.emailHelp}
        type="email"
        value={email}
        onValue={setEmail}
        field="email"
        action={add}
        required
        data-autofocus
      />
      <ChoiceField label={memberWords.role} value={role} onValue={setRole} choices={roleChoices} />
    </FormDialog>
  )
}
