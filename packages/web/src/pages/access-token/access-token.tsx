import {
  ActionIcon,
  Badge,
  Button,
  Code,
  Group,
  List,
  Paper,
  Stack,
  Table,
  Text,
  Title,
  UnstyledButton,
} from '@mantine/core'
import { TrashIcon } from '@primer/octicons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { type CallAnswer, call } from '../../api.ts'
import { Confirm } from '../../ui/confirm.tsx'
import { StateBadge } from '../../ui/credential-state.tsx'
import { shared, stateWords } from '../../ui/messages.ts'
import { Page } from '../../ui/page.tsx'
import { QueryView } from '../../ui/query-view.tsx'
import { SecretOnce } from '../../ui/secret-once.tsx'
import { Time } from '../../ui/time.tsx'
import { words } from './messages.ts'
import { NewToken } from './new-token.tsx'

type AccessTokens = CallAnswer<'access-token.list'>['accessTokens']

/** Settings → Access Token. */
export function AccessToken() {
  const { sort } = useSearch({ from: '/signed-in/settings/access-token' })
  const tokens = useQuery({
    queryKey: ['access-tokens', sort],
    queryFn: async () => (await call('access-token.list', { query: { sort } })).accessTokens,
  })
  const cache = useQueryClient()
  const refresh = () => cache.invalidateQueries({ queryKey: ['access-tokens'] })
  const [isCreating, setCreating] = useState(false)
  // Here and nowhere else: closing the dialog forgets it.
  const [created, setCreated] = useState<string>()
  const [doomed, setDoomed] = useState<AccessTokens[number]>()
  return (
    <Page
      title={words.title}
      lead={words.lead}
      actions={<Button onClick={() => setCreating(true)}>{words.new}</Button>}
    >
      <QueryView query={tokens}>{(list) => <TokenTable tokens={list} onDelete={setDoomed} />}</QueryView>
      <Guidance />
      {isCreating && (
        <NewToken
          onClose={() => setCreating(false)}
          onCreated={(token) => {
            setCreating(false)
            setCreated(token)
            void refresh()
          }}
        />
      )}
      {created !== undefined && (
        <SecretOnce
          title={words.createdTitle}
          text={words.once}
          values={[{ label: words.token, name: words.fullToken, value: created }]}
          onClose={() => setCreated(undefined)}
        />
      )}
      {doomed && (
        <Confirm
          title={words.deleteTitle}
          action={shared.delete}
          onConfirm={async () => {
            await call('access-token.delete', { params: { accessTokenId: doomed.id } })
            await refresh()
          }}
          onClose={() => setDoomed(undefined)}
        >
          {words.deleteText(doomed.name, doomed.partialToken)}
        </Confirm>
      )}
    </Page>
  )
}

function TokenTable({
  tokens,
  onDelete,
}: {
  tokens: AccessTokens
  onDelete: (token: AccessTokens[number]) => void
}) {
  if (tokens.length === 0)
    return (
      <Paper withBorder p="lg">
        <Title order={2} size="h4">
          {words.empty}
        </Title>
        <Text c="dimmed">{words.emptyText}</Text>
      </Paper>
    )
  return (
    <Table.ScrollContainer minWidth={760}>
      <Table verticalSpacing="sm">
        <Table.Thead>
          <Table.Tr>
            <Table.Th scope="col">{words.name}</Table.Th>
            <Table.Th scope="col">{words.token}</Table.Th>
            <Table.Th scope="col">{words.access}</Table.Th>
            <Sortable by="createdAt" label={words.created} direction="descending" />
            <Sortable by="lastUsedAt" label={words.lastUsed} direction="descending" />
            <Sortable by="expiresAt" label={words.expires} direction="ascending" />
            <Table.Th scope="col" className="actions">
              {words.actions}
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {tokens.map((token) => (
            <Table.Tr key={token.id}>
              <Table.Th scope="row" fw={500} className="breaks">
                {token.name}
                <Group gap={4}>
                  {token.isRotationDue && <StateBadge label={stateWords.due} color="yellow" />}
                  {token.isUnused && <StateBadge label={stateWords.unused} color="yellow" />}
                </Group>
              </Table.Th>
              <Table.Td>
                <Code>{token.partialToken}</Code>
              </Table.Td>
              <Table.Td>
                {token.scopes === null ? (
                  words.allRights
                ) : (
                  <Badge variant="default" tt="none" title={token.scopes.join(', ')}>
                    {words.scopes(token.scopes.length)}
                  </Badge>
                )}
              </Table.Td>
              <Table.Td>
                <Time time={token.createdAt} isDate />
              </Table.Td>
              <Table.Td>
                <Time time={token.lastUsedAt} />
              </Table.Td>
              <Table.Td>
                {token.status === 'expired' ? (
                  <StateBadge label={shared.expired} color="red" />
                ) : (
                  <Time time={token.expiresAt} none={shared.noExpiry} />
                )}
              </Table.Td>
              <Table.Td className="actions">
                <ActionIcon
                  variant="subtle"
                  color="red"
                  size="lg"
                  aria-label={words.deleteLabel(token.name)}
                  onClick={() => onDelete(token)}
                >
                  <TrashIcon />
                </ActionIcon>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  )
}

interface SortableProps {
  readonly by: 'createdAt' | 'lastUsedAt' | 'expiresAt'
  readonly label: string
  readonly direction: 'ascending' | 'descending'
}

function Sortable({ by, label, direction }: SortableProps) {
  const { sort } = useSearch({ from: '/signed-in/settings/access-token' })
  const navigate = useNavigate()
  const isSorted = sort === by
  return (
    <Table.Th scope="col" aria-sort={isSorted ? direction : 'none'}>
      <UnstyledButton
        fw={700}
        fz="sm"
        onClick={() => void navigate({ to: '/settings/access-token', search: { sort: by } })}
      >
        {label} {isSorted && <span aria-hidden>{direction === 'descending' ? '↓' : '↑'}</span>}
      </UnstyledButton>
    </Table.Th>
  )
}

function Guidance() {
  return (
    <Stack gap="xs">
      <Title order={2} size="h4">
        {words.guidanceTitle}
      </Title>
      <List>
        {words.guidance.map((line) => (
          <List.Item key={line}>{line}</List.Item>
        ))}
      </List>
    </Stack>
  )
}
