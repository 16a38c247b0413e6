import { ActionIcon, Alert, Button, Radio, Stack, Table, Text } from '@mantine/core'
import { AlertIcon, TrashIcon } from '@primer/octicons-react'
import { queryOptions, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { type CallAnswer, call } from '../../api.ts'
import { queryClient } from '../../query-client.ts'
import { Confirm } from '../../ui/confirm.tsx'
import { EmptyState } from '../../ui/empty-state.tsx'
import { ErrorMessage } from '../../ui/error-message.tsx'
import { ChoiceField, TextField } from '../../ui/fields.tsx'
import { FormDialog } from '../../ui/form-dialog.tsx'
import { QueryView } from '../../ui/query-view.tsx'
import { Time } from '../../ui/time.tsx'
import { useChange } from '../../ui/use-change.ts'
import { levelNames, shareWords as own, tabs, words } from './messages.ts'
import { OwnerOnly, WorkspacePage } from './workspace-page.tsx'

type Share = CallAnswer<'share.list'>['shares'][number]
type Level = Share['level']

const sharesQuery = (workspaceId: string) =>
  queryOptions({
    queryKey: ['workspace', workspaceId, 'shares'],
    queryFn: async () => (await call('share.list', { params: { workspaceId } })).shares,
  })

const levels = ['view', 'edit', 'admin'] as const
const levelChoices = levels.map((value) => ({ value, label: levelNames[value] }))

/** Workspace → Settings → Sharing. */
export function Sharing() {
  const [isAdding, setAdding] = useState(false)
  return (
    <WorkspacePage
      title={tabs.sharing}
      lead={own.lead}
      isSetting
      actions={({ level }) => level === 'owner' && <Button onClick={() => setAdding(true)}>{own.add}</Button>}
    >
      {({ id, level, owner }) => (
        <>
          {level !== 'owner' && <OwnerOnly text={words.ownerOnly(owner.name)} />}
          <Shares workspaceId={id} isOwner={level === 'owner'} />
          {isAdding && <AddShare workspaceId={id} onClose={() => setAdding(false)} />}
        </>
      )}
    </WorkspacePage>
  )
}

/** What whoever gives somebody Admin has to know (SEC-41). */
function AdminWarning() {
  return (
    <Alert color="yellow" variant="light" title={own.warning} icon={<AlertIcon />}>
      {own.warningText}
    </Alert>
  )
}

function Shares({ workspaceId, isOwner }: { workspaceId: string; isOwner: boolean }) {
  const shares = useQuery(sharesQuery(workspaceId))
  const [doomed, setDoomed] = useState<Share>()
  const [raised, setRaised] = useState<Share>()
  const update = ({ person }: Share, level: Level) =>
    call('share.update', { params: { workspaceId, accountId: person.id }, body: { level } })
  const change = useChange([sharesQuery(workspaceId).queryKey], update)
  const refresh = () => queryClient.invalidateQueries({ queryKey: sharesQuery(workspaceId).queryKey })
  return (
    <>
      <ErrorMessage error={change.error} />
      <QueryView query={shares}>
        {(list) =>
          list.length === 0 ? (
            <EmptyState title={own.empty}>{own.emptyText}</EmptyState>
          ) : (
            <ShareTable
              shares={list}
              isOwner={isOwner}
              onLevel={(share, level) =>
                level === 'admin' ? setRaised(share) : void change.run(share, level)
              }
              onRemove={setDoomed}
            />
          )
        }
      </QueryView>
      {raised && (
        <Confirm
          title={own.makeAdminTitle}
          action={own.makeAdminAction}
          onConfirm={async () => {
            await update(raised, 'admin')
            await refresh()
          }}
          onClose={() => setRaised(undefined)}
        >
          <Stack gap="xs">
            <span>{own.makeAdmin(raised.person.name)}</span>
            <AdminWarning />
          </Stack>
        </Confirm>
      )}
      {doomed && (
        <Confirm
          title={own.removeTitle}
          action={own.removeAction}
          onConfirm={async () => {
            await call('share.delete', { params: { workspaceId, accountId: doomed.person.id } })
            await refresh()
          }}
          onClose={() => setDoomed(undefined)}
        >
          {own.removeText(doomed.person.name)}
        </Confirm>
      )}
    </>
  )
}

interface TableProps {
  readonly shares: readonly Share[]
  readonly isOwner: boolean
  readonly onLevel: (share: Share, level: Level) => void
  readonly onRemove: (share: Share) => void
}

function ShareTable({ shares, isOwner, onLevel, onRemove }: TableProps) {
  return (
    <Table.ScrollContainer minWidth={560}>
      <Table verticalSpacing="sm">
        <Table.Thead>
          <Table.Tr>
            {[own.person, own.level, own.since].map((label) => (
              <Table.Th key={label} scope="col">
                {label}
              </Table.Th>
            ))}
            {isOwner && (
              <Table.Th scope="col" className="actions">
                {words.actions}
              </Table.Th>
            )}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {shares.map((share) => (
            <Table.Tr key={share.person.id}>
              <Table.Th scope="row" fw={500} className="breaks">
                {share.person.name}
                <Text size="sm" c="dimmed">
                  {share.person.email}
                </Text>
              </Table.Th>
              <Table.Td>
                {isOwner ? (
                  <ChoiceField
                    aria-label={own.levelOf(share.person.name)}
                    value={share.level}
                    onValue={(level) => onLevel(share, level)}
                    choices={levelChoices}
                    maw="12rem"
                  />
                ) : (
                  levelNames[share.level]
                )}
              </Table.Td>
              <Table.Td>
                <Time time={share.createdAt} isDate />
              </Table.Td>
              {isOwner && (
                <Table.Td className="actions">
                  <ActionIcon
                    variant="subtle"
                    color="red"
                    size="lg"
                    aria-label={own.remove(share.person.name)}
                    onClick={() => onRemove(share)}
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
  )
}

function AddShare({ workspaceId, onClose }: { workspaceId: string; onClose: () => void }) {
  const [email, setEmail] = useState('')
  const [level, setLevel] = useState<Level>('view')
  const add = useChange(
    [sharesQuery(workspaceId).queryKey],
    () => call('share.create', { params: { workspaceId }, body: { email, level } }),
    onClose,
  )
  return (
    <FormDialog title={own.addTitle} submit={own.add} action={add} onClose={onClose}>
      <TextField
        label={own.email}
        description={own.emailHelp}
        type="email"
        value={email}
        onValue={setEmail}
        field="email"
        action={add}
        required
        data-autofocus
      />
      <Radio.Group
        label={own.level}
        value={level}
        onChange={(value) => setLevel(value as Level)} // `as`: the buttons below have no others.
      >
        <Stack gap="xs" mt="xs">
          {levels.map((one) => (
            <Radio key={one} value={one} label={levelNames[one]} description={own.helps[one]} />
          ))}
        </Stack>
      </Radio.Group>
      {level === 'admin' && <AdminWarning />}
    </FormDialog>
  )
}
