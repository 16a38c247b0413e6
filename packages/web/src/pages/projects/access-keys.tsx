import { ActionIcon, Button, Code, Menu, Radio, Stack, Table, Text } from '@mantine/core'
import { KebabHorizontalIcon } from '@primer/octicons-react'
import { queryOptions, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { type CallAnswer, call } from '../../api.ts'
import { useProjectId } from '../../projects.ts'
import { queryClient } from '../../query-client.ts'
import { Confirm } from '../../ui/confirm.tsx'
import { Command } from '../../ui/copy-button.tsx'
import { StateBadge } from '../../ui/credential-state.tsx'
import { EmptyState } from '../../ui/empty-state.tsx'
import { fieldError } from '../../ui/error-message.tsx'
import { type ExpiryChoice, expiryTime } from '../../ui/expiry.ts'
import { ExpiryField } from '../../ui/expiry-field.tsx'
import { LongTextField } from '../../ui/fields.tsx'
import { FormDialog } from '../../ui/form-dialog.tsx'
import { shared } from '../../ui/messages.ts'
import { QueryView } from '../../ui/query-view.tsx'
import { SecretOnce } from '../../ui/secret-once.tsx'
import { Time } from '../../ui/time.tsx'
import { type Action, useAction } from '../../ui/use-action.ts'
import { accessKeyWords as own } from './messages.ts'
import { ProjectPage } from './project-page.tsx'
import { WorkloadIdentities } from './workload-identities.tsx'

type AccessKey = CallAnswer<'access-key.list'>['accessKeys'][number]
type Permission = AccessKey['permission']

/** A key as it is answered once: its ID, and the key itself. */
interface Once {
  readonly id: string
  readonly key: string
}

const accessKeysQuery = (projectId: string) =>
  queryOptions({
    queryKey: ['project', projectId, 'access-keys'],
    queryFn: async () => (await call('access-key.list', { params: { projectId } })).accessKeys,
  })

const refresh = async (projectId: string) => {
  await queryClient.invalidateQueries({ queryKey: accessKeysQuery(projectId).queryKey })
  await queryClient.invalidateQueries({ queryKey: ['credentials'] })
}

type Ask = 'edit' | 'deactivate' | 'activate' | 'regenerate' | 'delete'

/** Project → Access Keys. */
export function AccessKeys() {
  const projectId = useProjectId()
  const keys = useQuery(accessKeysQuery(projectId))
  const [isCreating, setCreating] = useState(false)
  const [asked, setAsked] = useState<{ ask: Ask; key: AccessKey }>()
  // Here and nowhere else: closing the dialog forgets it.
  const [once, setOnce] = useState<Once>()
  const close = () => setAsked(undefined)
  return (
    <ProjectPage
      title={own.title}
      lead={own.lead}
      changers="editors"
      actions={() => <Button onClick={() => setCreating(true)}>{own.new}</Button>}
    >
      {(_project, mayChange) => (
        <>
          <QueryView query={keys}>
            {(list) =>
              list.length === 0 ? (
                <EmptyState title={own.empty}>{own.emptyText}</EmptyState>
              ) : (
                <KeyTable keys={list} mayChange={mayChange} onAsk={(ask, key) => setAsked({ ask, key })} />
              )
            }
          </QueryView>
          <WorkloadIdentities projectId={projectId} mayChange={mayChange} />
          {isCreating && (
            <NewKey
              projectId={projectId}
              onClose={() => setCreating(false)}
              onCreated={(created) => {
                setCreating(false)
                setOnce(created)
              }}
            />
          )}
          {asked?.ask === 'edit' && <EditKey projectId={projectId} accessKey={asked.key} onClose={close} />}
          {asked && asked.ask !== 'edit' && (
            <ConfirmKey
              projectId={projectId}
              accessKey={asked.key}
              ask={asked.ask}
              onRegenerated={setOnce}
              onClose={close}
            />
          )}
          {once && <KeyOnce once={once} onClose={() => setOnce(undefined)} />}
        </>
      )}
    </ProjectPage>
  )
}

interface TableProps {
  readonly keys: readonly AccessKey[]
  readonly mayChange: boolean
  readonly onAsk: (ask: Ask, key: AccessKey) => void
}

const columns = [own.id, own.permission, own.ip, own.status, own.created, own.lastUsed, own.expires]
const statusColors = { active: 'green', inactive: 'gray', expired: 'red' } as const

function KeyTable({ keys, mayChange, onAsk }: TableProps) {
  return (
    <Table.ScrollContainer minWidth={900}>
      <Table verticalSpacing="sm">
        <Table.Thead>
          <Table.Tr>
            {columns.map((label) => (
              <Table.Th key={label} scope="col">
                {label}
              </Table.Th>
            ))}
            {mayChange && (
              <Table.Th scope="col" className="actions">
                {own.actions}
              </Table.Th>
            )}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {keys.map((key) => (
            <Table.Tr key={key.id}>
              <Table.Th scope="row">
                <Code className="breaks">{key.id}</Code>
              </Table.Th>
              <Table.Td>{own.permissions[key.permission]}</Table.Td>
              <Table.Td className="breaks">{key.ipRestriction.join(', ') || own.anywhere}</Table.Td>
              <Table.Td>
                <StateBadge label={own.statuses[key.status]} color={statusColors[key.status]} />
              </Table.Td>
              <Table.Td>
                <Time time={key.createdAt} isDate />
                {key.createdBy !== null && (
                  <Text size="sm" c="dimmed">
                    {own.createdBy(key.createdBy)}
                  </Text>
                )}
              </Table.Td>
              <Table.Td>
                <Time time={key.lastUsedAt} />
                {key.lastUsedAddress !== null && (
                  <Text size="sm" c="dimmed">
                    {key.lastUsedAddress}
                  </Text>
                )}
              </Table.Td>
              <Table.Td>
                <Time time={key.expiresAt} none={shared.noExpiry} />
              </Table.Td>
              {mayChange && (
                <Table.Td className="actions">
                  <KeyMenu accessKey={key} onAsk={(ask) => onAsk(ask, key)} />
                </Table.Td>
              )}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  )
}

function KeyMenu({ accessKey: { id, status }, onAsk }: { accessKey: AccessKey; onAsk: (ask: Ask) => void }) {
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" size="lg" aria-label={own.menu(id)}>
          <KebabHorizontalIcon />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item onClick={() => onAsk('edit')}>{own.edit}</Menu.Item>
        {status === 'active' && <Menu.Item onClick={() => onAsk('deactivate')}>{own.deactivate}</Menu.Item>}
        {status === 'inactive' && <Menu.Item onClick={() => onAsk('activate')}>{own.activate}</Menu.Item>}
        <Menu.Item onClick={() => onAsk('regenerate')}>{own.regenerate}</Menu.Item>
        <Menu.Divider />
        <Menu.Item c="var(--mantine-color-error)" onClick={() => onAsk('delete')}>
          {own.delete}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}

/** Shows ID and key for the only time, with copy and download. */
function KeyOnce({ once: { id, key }, onClose }: { once: Once; onClose: () => void }) {
  return (
    <SecretOnce
      title={own.onceTitle}
      text={own.once}
      values={[
        { label: own.id, name: own.id, value: id },
        { label: own.key, name: own.key, value: key },
      ]}
      file={{
        name: `keyhold-${id}.env`,
        text: `KEYHOLD_URL=${location.origin}\nKEYHOLD_ACCESS_KEY_ID=${id}\nKEYHOLD_ACCESS_KEY=${key}\n`,
      }}
      onClose={onClose}
    >
      <Text size="sm">{own.onceRun}</Text>
      <Command command={own.runCommand(`keyhold-${id}.env`)} name={own.runName} />
    </SecretOnce>
  )
}

/** One address on each line; commas will do as well. */
const addressesIn = (text: string): string[] => text.split(/[\s,]+/).filter((one) => one !== '')

interface WishFieldsProps {
  readonly action: Action<[], unknown>
  /** Absent: none is chosen yet. */
  readonly permission: Permission | undefined
  readonly onPermission: (permission: Permission) => void
  readonly addresses: string
  readonly onAddresses: (addresses: string) => void
}

function WishFields({ action, permission, onPermission, addresses, onAddresses }: WishFieldsProps) {
  return (
    <>
      <Radio.Group
        label={own.permission}
        description={own.permissionHelp}
        value={permission ?? null}
        onChange={(value) => onPermission(value as Permission)} // `as`: the buttons below have no others.
        error={fieldError(action.error, 'permission')}
        required
      >
        <Stack gap="xs" mt="xs">
          {(['read', 'read_write'] as const).map((one) => (
            <Radio
              key={one}
              value={one}
              label={own.permissions[one]}
              description={own.permissionHelps[one]}
              required
            />
          ))}
        </Stack>
      </Radio.Group>
      <LongTextField
        label={own.ip}
        description={own.ipHelp}
        value={addresses}
        onValue={onAddresses}
        field="ipRestriction"
        action={action}
      />
      <Text size="sm" c="dimmed">
        {own.ipScope}
      </Text>
    </>
  )
}

function NewKey({
  projectId,
  onClose,
  onCreated,
}: {
  projectId: string
  onClose: () => void
  onCreated: (once: Once) => void
}) {
  const [permission, setPermission] = useState<Permission>()
  const [addresses, setAddresses] = useState('')
  const [expiry, setExpiry] = useState<ExpiryChoice>('none')
  const create = useAction(async () => {
    if (!permission) return
    const { accessKey, secret } = await call('access-key.create', {
      params: { projectId },
      body: { permission, ipRestriction: addressesIn(addresses), expiresAt: expiryTime(expiry) },
    })
    onCreated({ id: accessKey.id, key: secret })
    await refresh(projectId)
  })
  return (
    <FormDialog title={own.newTitle} submit={own.create} action={create} onClose={onClose}>
      <WishFields
        action={create}
        permission={permission}
        onPermission={setPermission}
        addresses={addresses}
        onAddresses={setAddresses}
      />
      <ExpiryField value={expiry} onChange={setExpiry} />
    </FormDialog>
  )
}

function EditKey({
  projectId,
  accessKey,
  onClose,
}: {
  projectId: string
  accessKey: AccessKey
  onClose: () => void
}) {
  const [permission, setPermission] = useState(accessKey.permission)
  const [addresses, setAddresses] = useState(accessKey.ipRestriction.join('\n'))
  const save = useAction(async () => {
    await call('access-key.update', {
      params: { projectId, accessKeyId: accessKey.id },
      body: { permission, ipRestriction: addressesIn(addresses) },
    })
    await refresh(projectId)
    onClose()
  })
  return (
    <FormDialog title={own.editTitle} submit={shared.save} action={save} onClose={onClose}>
      <Code className="breaks">{accessKey.id}</Code>
      <WishFields
        action={save}
        permission={permission}
        onPermission={setPermission}
        addresses={addresses}
        onAddresses={setAddresses}
      />
    </FormDialog>
  )
}

interface ConfirmProps {
  readonly projectId: string
  readonly accessKey: AccessKey
  readonly ask: Exclude<Ask, 'edit'>
  readonly onRegenerated: (once: Once) => void
  readonly onClose: () => void
}

/** What is asked before each, and what it calls. */
function ConfirmKey({ projectId, accessKey: { id }, ask, onRegenerated, onClose }: ConfirmProps) {
  const params = { projectId, accessKeyId: id }
  const does: Record<ConfirmProps['ask'], () => Promise<unknown>> = {
    deactivate: () => call('access-key.deactivate', { params }),
    activate: () => call('access-key.activate', { params }),
    regenerate: async () =>
      onRegenerated({ id, key: (await call('access-key.regenerate', { params })).secret }),
    delete: () => call('access-key.delete', { params, query: { confirm: id } }),
  }
  return (
    <Confirm
      title={own[`${ask}Title`]}
      action={own[ask]}
      isDangerous={ask !== 'activate'}
      {...(ask === 'delete' && { typed: { label: own.typed, text: id } })}
      onConfirm={async () => {
        await does[ask]()
        await refresh(projectId)
      }}
      onClose={onClose}
    >
      <Stack gap="xs">
        <span>{own[`${ask}Text`](id)}</span>
        {ask === 'delete' && <span>{own.deleteNote}</span>}
      </Stack>
    </Confirm>
  )
}
