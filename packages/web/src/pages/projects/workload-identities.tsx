import { ActionIcon, Button, Code, Menu, Table, Text } from '@mantine/core'
import { KebabHorizontalIcon } from '@primer/octicons-react'
import { queryOptions, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { type CallAnswer, call } from '../../api.ts'
import { queryClient } from '../../query-client.ts'
import { Confirm } from '../../ui/confirm.tsx'
import { CopyIconButton } from '../../ui/copy-button.tsx'
import { StateBadge } from '../../ui/credential-state.tsx'
import { Grid, Part } from '../../ui/part.tsx'
import { QueryView } from '../../ui/query-view.tsx'
import { Time } from '../../ui/time.tsx'
import { accessKeyWords, workloadWords as words } from './messages.ts'
import { NewWorkload } from './new-workload.tsx'

type Identity = CallAnswer<'workload-identity.list'>['workloadIdentities'][number]

const identitiesQuery = (projectId: string) =>
  queryOptions({
    queryKey: ['project', projectId, 'workload-identities'],
    queryFn: async () => (await call('workload-identity.list', { params: { projectId } })).workloadIdentities,
  })

const acts = ['stop', 'start', 'delete'] as const
type Act = (typeof acts)[number]

/** CI jobs and pods that get in by what their platform signs for them, without a stored key. */
export function WorkloadIdentities({ projectId, mayChange }: { projectId: string; mayChange: boolean }) {
  const query = useQuery(identitiesQuery(projectId))
  const [isAdding, setAdding] = useState(false)
  const [asked, setAsked] = useState<{ act: Act; identity: Identity }>()
  const { queryKey } = identitiesQuery(projectId)
  return (
    <Part
      title={words.title}
      lead={words.lead}
      action={
        mayChange && (
          <Button variant="default" onClick={() => setAdding(true)}>
            {words.add}
          </Button>
        )
      }
    >
      <QueryView query={query}>
        {(identities) =>
          identities.length === 0 ? (
            <Text>{words.empty}</Text>
          ) : (
            <Grid
              columns={[words.name, words.claims, words.permission, words.state, words.lastUsed]}
              {...(mayChange && { actions: words.actions })}
            >
              {identities.map((identity) => (
                <Row
                  key={identity.id}
                  identity={identity}
                  onAct={mayChange ? (act) => setAsked({ act, identity }) : undefined}
                />
              ))}
            </Grid>
          )
        }
      </QueryView>
      {isAdding && <NewWorkload projectId={projectId} stale={[queryKey]} onClose={() => setAdding(false)} />}
      {asked && (
        <Confirm
          title={words.titles[asked.act]}
          action={words.acts[asked.act]}
          isDangerous={asked.act !== 'start'}
          onConfirm={async () => {
            const params = { projectId, workloadIdentityId: asked.identity.id }
            if (asked.act === 'delete') await call('workload-identity.delete', { params })
            else await call('workload-identity.update', { params, body: { isActive: asked.act === 'start' } })
            await queryClient.invalidateQueries({ queryKey })
          }}
          onClose={() => setAsked(undefined)}
        >
          {words.texts[asked.act](asked.identity.name)}
        </Confirm>
      )}
    </Part>
  )
}

interface RowProps {
  readonly identity: Identity
  readonly onAct: ((act: Act) => void) | undefined
}

function Row({ identity, onAct }: RowProps) {
  const { id, name, preset, issuer, claims, permission, isActive, lastUsedAt, lastSubject } = identity
  return (
    <Table.Tr>
      <Table.Th scope="row" fw={500} className="breaks">
        {name}
        <Text size="sm" c="dimmed" className="breaks">
          {words.presets[preset]}, {issuer}
        </Text>
        <Code className="breaks">{id}</Code>
        <CopyIconButton value={id} name={words.idOf(name)} />
      </Table.Th>
      <Table.Td className="breaks">
        {Object.entries(claims).map(([claim, value]) => (
          <Text key={claim} size="sm">
            <Code className="breaks">{`${claim}=${value}`}</Code>
          </Text>
        ))}
      </Table.Td>
      <Table.Td>{accessKeyWords.permissions[permission]}</Table.Td>
      <Table.Td>
        <StateBadge
          label={isActive ? accessKeyWords.statuses.active : words.stopped}
          color={isActive ? 'green' : 'gray'}
        />
      </Table.Td>
      <Table.Td className="breaks">
        <Time time={lastUsedAt} />
        <Text size="sm" c="dimmed">
          {lastSubject}
        </Text>
      </Table.Td>
      {onAct && (
        <Table.Td className="actions">
          <Menu position="bottom-end">
            <Menu.Target>
              <ActionIcon variant="subtle" color="gray" size="lg" aria-label={words.menu(name)}>
                <KebabHorizontalIcon />
              </ActionIcon>
            </Menu.Target>
            <Menu.Dropdown>
              <Menu.Item onClick={() => onAct(isActive ? 'stop' : 'start')}>
                {words.acts[isActive ? 'stop' : 'start']}
              </Menu.Item>
              <Menu.Item c="var(--mantine-color-error)" onClick={() => onAct('delete')}>
                {words.acts.delete}
              </Menu.Item>
            </Menu.Dropdown>
          </Menu>
        </Table.Td>
      )}
    </Table.Tr>
  )
}
