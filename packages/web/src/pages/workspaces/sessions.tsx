import { Button, Table, Text } from '@mantine/core'
import { queryOptions, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { type CallAnswer, call } from '../../api.ts'
import { queryClient } from '../../query-client.ts'
import { Confirm } from '../../ui/confirm.tsx'
import { Grid, Part } from '../../ui/part.tsx'
import { QueryView } from '../../ui/query-view.tsx'
import { Time } from '../../ui/time.tsx'
import { isTrusted, type Workspace } from '../../workspaces.ts'
import { levelNames, sessionWords as words } from './messages.ts'

type SshSession = CallAnswer<'ssh-session.list'>['sshSessions'][number]

/** Others come and go. */
const REFRESH_MS = 10_000

const sessionsQuery = (workspaceId: string) =>
  queryOptions({
    queryKey: ['workspace', workspaceId, 'ssh-sessions'],
    queryFn: async () => (await call('ssh-session.list', { params: { workspaceId } })).sshSessions,
    refetchInterval: REFRESH_MS,
  })

/** Who is in a workspace by SSH: everybody for its owner and Admins, oneself for others. */
export function Sessions({ workspace: { id, level } }: { workspace: Workspace }) {
  const query = useQuery(sessionsQuery(id))
  const [doomed, setDoomed] = useState<SshSession>()
  return (
    <Part title={words.title} lead={isTrusted(level) ? words.lead : words.leadOwn}>
      <QueryView query={query}>
        {(sessions) =>
          sessions.length === 0 ? (
            <Text>{words.empty}</Text>
          ) : (
            <Grid
              columns={[words.person, words.level, words.address, words.since, words.server]}
              actions={words.actions}
            >
              {sessions.map((session) => (
                <Row key={session.id} session={session} onEnd={() => setDoomed(session)} />
              ))}
            </Grid>
          )
        }
      </QueryView>
      {doomed && (
        <Confirm
          title={words.endTitle}
          action={words.end}
          onConfirm={async () => {
            await call('ssh-session.end', { params: { workspaceId: id, sshSessionId: doomed.id } })
            await queryClient.invalidateQueries({ queryKey: sessionsQuery(id).queryKey })
          }}
          onClose={() => setDoomed(undefined)}
        >
          {words.endText(doomed.person.name, doomed.address)} <Time time={doomed.since} />? {words.endEffect}
        </Confirm>
      )}
    </Part>
  )
}

function Row({ session, onEnd }: { session: SshSession; onEnd: () => void }) {
  const { person, level, address, fingerprint, since, server, isYours } = session
  return (
    <Table.Tr>
      <Table.Th scope="row" fw={500} className="breaks">
        {person.name} {isYours && `(${words.you})`}
        <Text size="sm" c="dimmed">
          {person.email}
        </Text>
      </Table.Th>
      <Table.Td>{levelNames[level]}</Table.Td>
      <Table.Td className="breaks">
        {address}
        <Text size="xs" c="dimmed" className="breaks mono">
          {fingerprint}
        </Text>
      </Table.Td>
      <Table.Td>
        <Time time={since} />
      </Table.Td>
      <Table.Td className="breaks">{server}</Table.Td>
      <Table.Td className="actions">
        <Button
          variant="subtle"
          color="red"
          size="xs"
          aria-label={words.endLabel(person.name, address)}
          onClick={onEnd}
        >
          {words.end}
        </Button>
      </Table.Td>
    </Table.Tr>
  )
}
