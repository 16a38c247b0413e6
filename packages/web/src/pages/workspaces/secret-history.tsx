import { Group, Modal, Stack, Table, Text } from '@mantine/core'
import { queryOptions, useQuery } from '@tanstack/react-query'
import { type CallAnswer, call } from '../../api.ts'
import { StateBadge } from '../../ui/credential-state.tsx'
import { QueryView } from '../../ui/query-view.tsx'
import { RevealedValue } from '../../ui/revealed-value.tsx'
import { Time } from '../../ui/time.tsx'
import { useReturnFocus } from '../../ui/use-return-focus.ts'
import { historyWords as words } from './messages.ts'
import { variablesQuery } from './variables.ts'

type WorkspaceSecret = CallAnswer<'workspace-secret.list'>['workspaceSecrets'][number]
type Version = CallAnswer<'workspace-secret.versions'>['versions'][number]
type Variables = CallAnswer<'workspace.variables'>

const versionsQuery = (workspaceId: string, { id, version }: WorkspaceSecret) =>
  queryOptions({
    queryKey: ['workspace', workspaceId, 'versions', id, version],
    queryFn: async () => {
      const params = { workspaceId, workspaceSecretId: id }
      return (await call('workspace-secret.versions', { params })).versions
    },
  })

interface Props {
  readonly workspaceId: string
  readonly secret: WorkspaceSecret
  readonly mayReveal: boolean
  readonly onClose: () => void
}

/** Which versions a secret of a workspace has had, and which of them programs get. */
export function SecretHistory({ workspaceId, secret, mayReveal, onClose }: Props) {
  useReturnFocus()
  const versions = useQuery(versionsQuery(workspaceId, secret))
  const variables = useQuery(variablesQuery(workspaceId))
  const inEffect = variables.data && versionsInEffect(variables.data, secret.name)
  return (
    <Modal opened onClose={onClose} title={words.title(secret.name)} size="lg">
      <Stack>
        <Text size="sm">{words.lead}</Text>
        <QueryView query={versions}>
          {(list) => (
            <Table verticalSpacing="xs">
              <Table.Thead>
                <Table.Tr>
                  <Table.Th scope="col">{words.version}</Table.Th>
                  <Table.Th scope="col">{words.created}</Table.Th>
                  {mayReveal && (
                    <Table.Th scope="col" className="actions">
                      {words.value}
                    </Table.Th>
                  )}
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {list.map((one) => (
                  <Row
                    key={one.version}
                    version={one}
                    isInEffect={inEffect?.has(one.version) === true}
                    reveal={mayReveal ? revealOf(workspaceId, secret, one) : undefined}
                    name={words.versionName(secret.name, one.version)}
                  />
                ))}
              </Table.Tbody>
            </Table>
          )}
        </QueryView>
        {inEffect?.size === 0 && <Text size="sm">{words.noneInEffect}</Text>}
      </Stack>
    </Modal>
  )
}

interface RowProps {
  readonly version: Version
  readonly isInEffect: boolean
  readonly name: string
  readonly reveal: (() => Promise<string>) | undefined
}

function Row({ version: { version, createdAt, isCurrent }, isInEffect, name, reveal }: RowProps) {
  return (
    <Table.Tr>
      <Table.Th scope="row" fw={500}>
        <Group gap="xs">
          {version}
          {isCurrent && <StateBadge label={words.current} color="gray" />}
          {isInEffect && <StateBadge label={words.inEffect} color="green" />}
        </Group>
      </Table.Th>
      <Table.Td>
        <Time time={createdAt} />
      </Table.Td>
      {reveal && (
        <Table.Td className="actions">
          <RevealedValue name={name} reveal={reveal} />
        </Table.Td>
      )}
    </Table.Tr>
  )
}

const revealOf =
  (workspaceId: string, { id }: WorkspaceSecret, { version }: Version) =>
  async () => {
    const params = { workspaceId, workspaceSecretId: id }
    return (await call('workspace-secret.reveal', { params, body: { version } })).value
  }

/** As the agent said: of its variable and of its file, which may differ while one of them could not be written. */
function versionsInEffect({ variables, files }: Variables, secretName: string): ReadonlySet<number> {
  return new Set(
    [...variables, ...files]
      .filter(({ from }) => from.kind === 'workspace' && from.secretName === secretName)
      .map(({ effect }) => effect.version)
      .filter((version) => version !== null),
  )
}
