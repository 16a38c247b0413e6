import { ActionIcon, Alert, Button, Group, List, Stack, Switch, Table, Text, Title } from '@mantine/core'
import { CheckIcon, HistoryIcon, PencilIcon, TrashIcon } from '@primer/octicons-react'
import { queryOptions, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { type CallAnswer, call } from '../../api.ts'
import { queryClient } from '../../query-client.ts'
import { Confirm } from '../../ui/confirm.tsx'
import { StateBadge } from '../../ui/credential-state.tsx'
import { EmptyState } from '../../ui/empty-state.tsx'
import { changedExpiry, type ExpiryChange, ExpiryChangeField } from '../../ui/expiry-change-field.tsx'
import { LongTextField, TextField } from '../../ui/fields.tsx'
import { FormDialog } from '../../ui/form-dialog.tsx'
import { secretValueWords, shared, stateWords } from '../../ui/messages.ts'
import { QueryView } from '../../ui/query-view.tsx'
import { RevealedValue } from '../../ui/revealed-value.tsx'
import { noValue, SecretValueFields } from '../../ui/secret-value.tsx'
import { TextLink } from '../../ui/text-link.tsx'
import { Time } from '../../ui/time.tsx'
import { useAction } from '../../ui/use-action.ts'
import { isTrusted } from '../../workspaces.ts'
import { AddSecret, type FormProps, shownIn } from './add-secret.tsx'
import { secretWords as own, tabs, words } from './messages.ts'
import { SecretHistory } from './secret-history.tsx'
import { StoreSources } from './store-sources.tsx'
import { OwnerOnly, WorkspacePage } from './workspace-page.tsx'

type WorkspaceSecret = CallAnswer<'workspace-secret.list'>['workspaceSecrets'][number]

const secretsQuery = (workspaceId: string) =>
  queryOptions({
    queryKey: ['workspace', workspaceId, 'secrets'],
    queryFn: async () => (await call('workspace-secret.list', { params: { workspaceId } })).workspaceSecrets,
  })

/** Workspace → Settings → Secrets. */
export function WorkspaceSecrets() {
  const [isAdding, setAdding] = useState(false)
  const [saved, setSaved] = useState<string>()
  return (
    <WorkspacePage
      title={tabs.secrets}
      lead={own.lead}
      isSetting
      actions={({ level }) => level === 'owner' && <Button onClick={() => setAdding(true)}>{own.add}</Button>}
    >
      {({ id, level }) => (
        <>
          {level !== 'owner' && <OwnerOnly text={level === 'admin' ? own.ownerOnlyAdmin : own.ownerOnly} />}
          {saved !== undefined && (
            <Alert color="green" variant="light" role="status" icon={<CheckIcon />}>
              {own.available(saved)}
            </Alert>
          )}
          <Secrets
            workspaceId={id}
            isOwner={level === 'owner'}
            mayReveal={isTrusted(level)}
            onSaved={setSaved}
          />
          {level !== 'view' && <StoreSources workspaceId={id} isOwner={level === 'owner'} />}
          <Guidance />
          {isAdding && <AddSecret workspaceId={id} onClose={() => setAdding(false)} onSaved={setSaved} />}
        </>
      )}
    </WorkspacePage>
  )
}

interface SecretsProps {
  readonly workspaceId: string
  readonly isOwner: boolean
  readonly mayReveal: boolean
  readonly onSaved: (name: string) => void
}

function Secrets({ workspaceId, isOwner, mayReveal, onSaved }: SecretsProps) {
  const secrets = useQuery(secretsQuery(workspaceId))
  const [edited, setEdited] = useState<WorkspaceSecret>()
  const [doomed, setDoomed] = useState<WorkspaceSecret>()
  const [shown, setShown] = useState<WorkspaceSecret>()
  return (
    <>
      <QueryView query={secrets}>
        {(list) =>
          list.length === 0 ? (
            <EmptyState title={own.empty}>{own.emptyText}</EmptyState>
          ) : (
            <SecretTable
              workspaceId={workspaceId}
              secrets={list}
              isOwner={isOwner}
              mayReveal={mayReveal}
              onEdit={setEdited}
              onDelete={setDoomed}
              onHistory={setShown}
            />
          )
        }
      </QueryView>
      {shown && (
        <SecretHistory
          workspaceId={workspaceId}
          secret={shown}
          mayReveal={mayReveal}
          onClose={() => setShown(undefined)}
        />
      )}
      {edited && (
        <UpdateSecret
          workspaceId={workspaceId}
          secret={edited}
          onClose={() => setEdited(undefined)}
          onSaved={onSaved}
        />
      )}
      {doomed && (
        <Confirm
          title={own.deleteTitle}
          action={shared.delete}
          onConfirm={async () => {
            await call('workspace-secret.delete', {
              params: { workspaceId, workspaceSecretId: doomed.id },
            })
            for (const queryKey of shownIn(workspaceId)) await queryClient.invalidateQueries({ queryKey })
          }}
          onClose={() => setDoomed(undefined)}
        >
          {own.deleteText(doomed.name)}
        </Confirm>
      )}
    </>
  )
}

interface TableProps {
  readonly workspaceId: string
  readonly secrets: readonly WorkspaceSecret[]
  readonly isOwner: boolean
  readonly mayReveal: boolean
  readonly onEdit: (secret: WorkspaceSecret) => void
  readonly onDelete: (secret: WorkspaceSecret) => void
  readonly onHistory: (secret: WorkspaceSecret) => void
}

const columns = [own.name, own.type, own.goesTo, own.rotated, own.lastUsed, own.expires]

function SecretTable(props: TableProps) {
  const { workspaceId, secrets, isOwner, mayReveal, onEdit, onDelete, onHistory } = props
  return (
    <Table.ScrollContainer minWidth={820}>
      <Table verticalSpacing="sm">
        <Table.Thead>
          <Table.Tr>
            {columns.map((label) => (
              <Table.Th key={label} scope="col">
                {label}
              </Table.Th>
            ))}
            <Table.Th scope="col" className="actions">
              {words.actions}
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {secrets.map((secret) => (
            <Table.Tr key={secret.id}>
              <Table.Th scope="row" fw={500} className="breaks">
                <span className="mono">{secret.name}</span>
                {secret.description !== '' && (
                  <Text size="sm" c="dimmed">
                    {secret.description}
                  </Text>
                )}
                <Group gap={4}>
                  {secret.status === 'expired' && <StateBadge label={shared.expired} color="red" />}
                  {secret.status === 'inactive' && <StateBadge label={own.disabled} color="gray" />}
                  {secret.isRotationDue && <StateBadge label={stateWords.due} color="yellow" />}
                </Group>
              </Table.Th>
              <Table.Td>{secretValueWords.types[secret.type]}</Table.Td>
              <Table.Td className="breaks">
                {[secret.envName !== null && `$${secret.envName}`, secret.filePath]
                  .filter(Boolean)
                  .join(', ')}
              </Table.Td>
              <Table.Td>
                <Time time={secret.rotatedAt} />
              </Table.Td>
              <Table.Td>
                <Time time={secret.lastUsedAt} />
              </Table.Td>
              <Table.Td>
                <Time time={secret.expiresAt} none={shared.noExpiry} />
              </Table.Td>
              <Table.Td className="actions">
                <Group gap={4} wrap="nowrap" justify="flex-end">
                  {mayReveal && (
                    <RevealedValue
                      name={secret.name}
                      reveal={async () => {
                        const params = { workspaceId, workspaceSecretId: secret.id }
                        return (await call('workspace-secret.reveal', { params, body: {} })).value
                      }}
                    />
                  )}
                  <ActionIcon
                    variant="subtle"
                    color="gray"
                    size="lg"
                    aria-label={own.history(secret.name)}
                    onClick={() => onHistory(secret)}
                  >
                    <HistoryIcon />
                  </ActionIcon>
                  {isOwner && (
                    <>
                      <ActionIcon
                        variant="subtle"
                        color="gray"
                        size="lg"
                        aria-label={own.update(secret.name)}
                        onClick={() => onEdit(secret)}
                      >
                        <PencilIcon />
                      </ActionIcon>
                      <ActionIcon
                        variant="subtle"
                        color="red"
                        size="lg"
                        aria-label={own.delete(secret.name)}
                        onClick={() => onDelete(secret)}
                      >
                        <TrashIcon />
                      </ActionIcon>
                    </>
                  )}
                </Group>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  )
}

function UpdateSecret({ workspaceId, secret, onClose, onSaved }: FormProps & { secret: WorkspaceSecret }) {
  const [hasNewValue, setNewValue] = useState(true)
  const [value, setValue] = useState({ ...noValue, type: secret.type })
  const [description, setDescription] = useState(secret.description)
  const [envName, setEnvName] = useState(secret.envName ?? '')
  const [filePath, setFilePath] = useState(secret.filePath ?? '')
  const [isEnabled, setEnabled] = useState(secret.isEnabled)
  const [expiry, setExpiry] = useState<ExpiryChange>('keep')
  const save = useAction(async () => {
    await call('workspace-secret.update', {
      params: { workspaceId, workspaceSecretId: secret.id },
      body: {
        ...(hasNewValue && value),
        description,
        envName: envName || null,
        filePath: filePath || null,
        isEnabled,
        ...changedExpiry(expiry),
        expectedVersion: secret.version,
      },
    })
    for (const queryKey of shownIn(workspaceId)) await queryClient.invalidateQueries({ queryKey })
    onSaved(secret.name)
    onClose()
  })
  return (
    <FormDialog title={own.updateTitle} submit={shared.save} action={save} onClose={onClose}>
      <Text className="breaks mono" fw={600}>
        {secret.name}
      </Text>
      <Switch
        label={own.newValue}
        checked={hasNewValue}
        onChange={(event) => setNewValue(event.currentTarget.checked)}
      />
      {hasNewValue && <SecretValueFields action={save} value={value} onValue={setValue} />}
      <LongTextField
        label={own.description}
        value={description}
        onValue={setDescription}
        field="description"
        action={save}
        minRows={2}
      />
      <TextField
        label={own.envName}
        description={own.envHelp}
        value={envName}
        onValue={setEnvName}
        field="envName"
        action={save}
        spellCheck={false}
      />
      <TextField
        label={own.filePath}
        description={own.fileHelp}
        value={filePath}
        onValue={setFilePath}
        field="filePath"
        action={save}
        spellCheck={false}
      />
      <ExpiryChangeField current={secret.expiresAt} value={expiry} onValue={setExpiry} />
      <Switch
        label={own.isEnabled}
        checked={isEnabled}
        onChange={(event) => setEnabled(event.currentTarget.checked)}
      />
    </FormDialog>
  )
}

function Guidance() {
  return (
    <Stack gap="xs">
      <Title order={2} size="h4">
        {own.guidanceTitle}
      </Title>
      <List>
        {own.guidance.map((line) => (
          <List.Item key={line}>{line}</List.Item>
        ))}
      </List>
      <Title order={2} size="h4">
        {own.related}
      </Title>
      <List>
        <List.Item>
          <TextLink to="/settings/access-token">{own.tokens}</TextLink>
        </List.Item>
        <List.Item>
          <TextLink to="/workspaces">{own.workspaces}</TextLink>
        </List.Item>
        <List.Item>
          <TextLink to="/activity" search={{}}>
            {own.activity}
          </TextLink>
        </List.Item>
      </List>
    </Stack>
  )
}
