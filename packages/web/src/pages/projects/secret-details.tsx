import { Alert, Button, Drawer, Group, List, Stack, Table, Text, Title } from '@mantine/core'
import { queryOptions, useQuery } from '@tanstack/react-query'
import { type ReactNode, useState } from 'react'
import { call } from '../../api.ts'
import { type ListedSecret, projectQuery } from '../../projects.ts'
import { queryClient } from '../../query-client.ts'
import { Confirm } from '../../ui/confirm.tsx'
import { StateBadge } from '../../ui/credential-state.tsx'
import { Facts } from '../../ui/facts.tsx'
import { secretValueWords, shared } from '../../ui/messages.ts'
import { QueryView } from '../../ui/query-view.tsx'
import { RevealedValue } from '../../ui/revealed-value.tsx'
import { Time } from '../../ui/time.tsx'
import { useReturnFocus } from '../../ui/use-return-focus.ts'
import { detailWords as words } from './messages.ts'
import { EditDetails, NewValue, OwnValue } from './secret-forms.tsx'

interface Props {
  readonly projectId: string
  readonly secret: ListedSecret
  /** The environment that one looks at it from. */
  readonly environment: string
  readonly isMine: boolean
  readonly mayChange: boolean
  readonly onAdd: () => void
  readonly onClose: () => void
}

const versionsQuery = (projectId: string, { id, version }: ListedSecret) =>
  queryOptions({
    queryKey: ['project', projectId, 'versions', id, version],
    queryFn: async () => (await call('secret.versions', { params: { projectId, secretId: id } })).versions,
  })

const referencesQuery = (projectId: string, { name, environment }: ListedSecret) =>
  queryOptions({
    queryKey: ['project', projectId, 'references', environment, name],
    queryFn: async () => {
      const { references } = await call('secret.references', {
        params: { projectId },
        query: { name, environment },
      })
      return references
    },
  })

/** Everything about one secret, and what can be done with it. */
export function SecretDetails(props: Props) {
  useReturnFocus()
  const { projectId, secret, environment, isMine, mayChange, onAdd, onClose } = props
  const [open, setOpen] = useState<'value' | 'details' | 'own' | 'delete' | 'remove-own'>()
  const close = () => setOpen(undefined)
  const isFromAll = secret.environment !== environment
  const params = { projectId, secretId: secret.id }
  return (
    <Drawer
      opened
      onClose={onClose}
      position="right"
      size="lg"
      title={`${secret.name} ${words.in(environment)}`}
      closeButtonProps={{ 'aria-label': shared.close }}
      attributes={{ header: { role: 'none' } }}
      classNames={{ title: 'breaks' }}
    >
      <Stack>
        {isFromAll && <Text size="sm">{words.takenFromAll(environment)}</Text>}
        <Labelled label={words.value}>
          <RevealedValue
            name={words.valueOf(secret.name, secret.environment)}
            reveal={async () => (await call('secret.reveal', { params, body: {} })).value}
          />
        </Labelled>
        {isMine && (
          <>
            <Alert variant="light" color="gray">
              {words.mineIs}
            </Alert>
            <Labelled label={words.mine}>
              <RevealedValue
                name={words.mineOf(secret.name)}
                reveal={async () =>
                  (await call('secret-override.reveal', { params, body: { environment } })).value
                }
              />
            </Labelled>
          </>
        )}
        <Group gap="xs">
          {mayChange && isFromAll && <Button onClick={onAdd}>{words.setHere(environment)}</Button>}
          {mayChange && !isFromAll && (
            <>
              <Button onClick={() => setOpen('value')}>{words.update}</Button>
              <Button variant="default" onClick={() => setOpen('details')}>
                {words.details}
              </Button>
            </>
          )}
          <Button variant="default" onClick={() => setOpen('own')}>
            {isMine ? words.replaceMine : words.setMine}
          </Button>
          {isMine && (
            <Button variant="default" onClick={() => setOpen('remove-own')}>
              {words.removeMine}
            </Button>
          )}
          {mayChange && !isFromAll && (
            <Button color="red" variant="outline" onClick={() => setOpen('delete')}>
              {words.delete}
            </Button>
          )}
        </Group>
        <SecretFacts projectId={projectId} secret={secret} />
        <History projectId={projectId} secret={secret} mayChange={mayChange} />
      </Stack>
      {open === 'value' && <NewValue projectId={projectId} secret={secret} onClose={close} />}
      {open === 'details' && <EditDetails projectId={projectId} secret={secret} onClose={close} />}
      {open === 'own' && (
        <OwnValue projectId={projectId} secret={secret} environment={environment} onClose={close} />
      )}
      {open === 'remove-own' && (
        <Confirm
          title={words.removeMineTitle}
          action={words.remove}
          onConfirm={async () => {
            await call('secret-override.delete', { params, query: { environment } })
            await queryClient.invalidateQueries({ queryKey: projectQuery(projectId).queryKey })
          }}
          onClose={close}
        >
          {words.removeMineText(secret.name, environment)}
        </Confirm>
      )}
      {open === 'delete' && (
        <DeleteSecret projectId={projectId} secret={secret} onDeleted={onClose} onClose={close} />
      )}
    </Drawer>
  )
}

function Labelled({ label, children }: { label: string; children: ReactNode }) {
  return (
    <Group justify="space-between">
      <Text fw={600} size="sm">
        {label}
      </Text>
      {children}
    </Group>
  )
}

function SecretFacts({ projectId, secret }: { projectId: string; secret: ListedSecret }) {
  const { data: references = [] } = useQuery(referencesQuery(projectId, secret))
  return (
    <>
      <Facts
        facts={[
          { label: words.type, fact: secretValueWords.types[secret.type] },
          { label: words.version, fact: secret.version },
          {
            label: words.updated,
            fact: (
              <>
                <Time time={secret.updatedAt} /> {secret.updatedBy !== null && words.by(secret.updatedBy)}
              </>
            ),
          },
          { label: words.accessed, fact: <Time time={secret.lastAccessedAt} /> },
          {
            label: words.rotation,
            fact: secret.isRotationDue ? (
              <StateBadge label={words.rotationDue} color="yellow" />
            ) : (
              <Time time={secret.rotationDueAt} none={words.noRotation} />
            ),
          },
          { label: words.description, fact: secret.description },
          { label: words.note, fact: secret.note && <span className="wraps">{secret.note}</span> },
          { label: words.references, fact: secret.hasReferences && words.hasReferences },
          {
            label: words.referredBy,
            fact: references.map((one) => `${one.name} (${one.environment})`).join(', '),
          },
        ]}
      />
      {secret.nameWarning !== null && (
        <Text size="sm">
          <strong>{secretValueWords.warning}</strong> {secret.nameWarning}
        </Text>
      )}
      {!secret.isMasked && <Text size="sm">{secretValueWords.unmasked}</Text>}
    </>
  )
}

function DeleteSecret({
  projectId,
  secret,
  onDeleted,
  onClose,
}: {
  projectId: string
  secret: ListedSecret
  onDeleted: () => void
  onClose: () => void
}) {
  const { data: references = [] } = useQuery(referencesQuery(projectId, secret))
  return (
    <Confirm
      title={words.deleteTitle}
      action={words.delete}
      onConfirm={async () => {
        await call('secret.delete', { params: { projectId, secretId: secret.id } })
        onDeleted()
        await queryClient.invalidateQueries({ queryKey: projectQuery(projectId).queryKey })
        await queryClient.invalidateQueries({ queryKey: ['credentials'] })
      }}
      onClose={onClose}
    >
      <Stack gap="xs">
        <span>{words.deleteText(secret.name, secret.environment)}</span>
        {secret.source === 'All' && <span>{words.deleteFallback(secret.name)}</span>}
        {references.length > 0 && (
          <div>
            {words.refersToIt}
            <List size="sm">
              {references.map((one) => (
                <List.Item key={`${one.secretId} ${one.reference}`}>
                  {one.name} ({one.environment})
                </List.Item>
              ))}
            </List>
          </div>
        )}
      </Stack>
    </Confirm>
  )
}

function History({
  projectId,
  secret,
  mayChange,
}: {
  projectId: string
  secret: ListedSecret
  mayChange: boolean
}) {
  const versions = useQuery(versionsQuery(projectId, secret))
  const [restored, setRestored] = useState<number>()
  const params = { projectId, secretId: secret.id }
  return (
    <Stack gap="xs">
      <Title order={3} size="h5">
        {words.history}
      </Title>
      <QueryView query={versions}>
        {(list) => (
          <Table verticalSpacing="xs">
            <Table.Thead>
              <Table.Tr>
                <Table.Th scope="col">{words.version}</Table.Th>
                <Table.Th scope="col">{words.value}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {list.map((one) => (
                <Table.Tr key={one.version}>
                  <Table.Th scope="row" fw={500} w="45%">
                    <Group gap="xs">
                      {one.version} {one.isCurrent && <StateBadge label={words.current} color="green" />}
                    </Group>
                    <Text size="sm" c="dimmed" className="breaks">
                      <Time time={one.createdAt} /> {one.createdBy !== null && words.by(one.createdBy)}
                    </Text>
                  </Table.Th>
                  <Table.Td>
                    <Group gap={4} justify="flex-end">
                      {!one.isCurrent && (
                        <RevealedValue
                          name={words.versionName(secret.name, one.version)}
                          reveal={async () => {
                            const body = { version: one.version }
                            return (await call('secret.reveal', { params, body })).value
                          }}
                        />
                      )}
                      {mayChange && !one.isCurrent && (
                        <Button
                          variant="subtle"
                          size="xs"
                          aria-label={words.restoreOf(one.version)}
                          onClick={() => setRestored(one.version)}
                        >
                          {words.restore}
                        </Button>
                      )}
                    </Group>
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        )}
      </QueryView>
      {restored !== undefined && (
        <Confirm
          title={words.restoreTitle}
          action={words.restore}
          isDangerous={false}
          onConfirm={async () => {
            await call('secret.restore', { params, body: { version: restored } })
            await queryClient.invalidateQueries({ queryKey: projectQuery(projectId).queryKey })
          }}
          onClose={() => setRestored(undefined)}
        >
          {words.restoreText(secret.name, restored)}
        </Confirm>
      )}
    </Stack>
  )
}
