import { ActionIcon, Box, Button, Group, Paper, Stack, Table, Text, Title } from '@mantine/core'
import { TrashIcon } from '@primer/octicons-react'
import { type QueryKey, type UseQueryResult, useQueryClient } from '@tanstack/react-query'
import { type ReactNode, useId, useState } from 'react'
import { Confirm } from '../../ui/confirm.tsx'
import { StateBadge } from '../../ui/credential-state.tsx'
import { shared } from '../../ui/messages.ts'
import { QueryView } from '../../ui/query-view.tsx'
import { Time } from '../../ui/time.tsx'
import { words } from './messages.ts'

/** What every credential of a section shows. */
export interface Row {
  readonly id: string
  readonly name: string
  readonly details: ReactNode
  readonly createdAt: string
  readonly lastUsedAt: string | null
  /** `undefined`: this kind does not end. */
  readonly expiresAt?: string | null
  readonly problem?: string | undefined
  /** More actions, before the bin. */
  readonly actions?: ReactNode
}

interface Props<Item> {
  readonly words: {
    readonly title: string
    readonly lead: string
    readonly empty: string
    readonly add: string
    readonly what: string
    readonly gone: (name: string) => string
  }
  readonly query: UseQueryResult<readonly Item[]>
  readonly toRow: (item: Item) => Row
  readonly onAdd: () => void
  /** The one thing that there can be is there. */
  readonly isFull?: boolean
  readonly remove: (row: Row) => Promise<unknown>
  readonly children?: ReactNode
}

/** One kind of credential: its heading, its list, and the dialog before one is deleted. */
export function Section<Item>({
  words: own,
  query,
  toRow,
  onAdd,
  isFull = false,
  remove,
  children,
}: Props<Item>) {
  const heading = useId()
  const cache = useQueryClient()
  const [doomed, setDoomed] = useState<Row>()
  return (
    <Paper withBorder p="lg" component="section" aria-labelledby={heading}>
      <Stack>
        <Group justify="space-between" align="flex-start">
          <Box flex="1 1 16rem" miw={0}>
            <Title order={2} size="h4" id={heading}>
              {own.title}
            </Title>
            <Text size="sm" c="dimmed">
              {own.lead}
            </Text>
          </Box>
          {!isFull && (
            <Button variant="default" onClick={onAdd}>
              {own.add}
            </Button>
          )}
        </Group>
        <QueryView query={query}>
          {(items) =>
            items.length === 0 ? (
              <Text>{own.empty}</Text>
            ) : (
              <Rows rows={items.map(toRow)} onRemove={setDoomed} />
            )
          }
        </QueryView>
        {children}
      </Stack>
      {doomed && (
        <Confirm
          title={words.removeTitle(own.what)}
          action={shared.delete}
          onConfirm={async () => {
            await remove(doomed)
            await refresh(cache)
          }}
          onClose={() => setDoomed(undefined)}
        >
          {own.gone(doomed.name)}
        </Confirm>
      )}
    </Paper>
  )
}

/** One change, such as a connection, may show in several lists. */
export const shownIn: readonly QueryKey[] = [['security'], ['credentials']]

export const refresh = (cache: ReturnType<typeof useQueryClient>) =>
  Promise.all(shownIn.map((queryKey) => cache.invalidateQueries({ queryKey })))

function Rows({ rows, onRemove }: { rows: Row[]; onRemove: (row: Row) => void }) {
  const hasExpiry = rows.some(({ expiresAt }) => expiresAt !== undefined)
  return (
    <Table.ScrollContainer minWidth={640}>
      <Table verticalSpacing="xs">
        <Table.Thead>
          <Table.Tr>
            <Table.Th scope="col">{words.name}</Table.Th>
            <Table.Th scope="col">{words.details}</Table.Th>
            <Table.Th scope="col">{words.created}</Table.Th>
            <Table.Th scope="col">{words.lastUsed}</Table.Th>
            {hasExpiry && <Table.Th scope="col">{words.expires}</Table.Th>}
            <Table.Th scope="col" className="actions">
              {words.actions}
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.map((row) => (
            <Table.Tr key={row.id}>
              <Table.Th scope="row" fw={500} className="breaks">
                {row.name}
                {row.problem !== undefined && (
                  <div>
                    <StateBadge label={row.problem} color="red" />
                  </div>
                )}
              </Table.Th>
              <Table.Td className="breaks">{row.details}</Table.Td>
              <Table.Td>
                <Time time={row.createdAt} isDate />
              </Table.Td>
              <Table.Td>
                <Time time={row.lastUsedAt} />
              </Table.Td>
              {hasExpiry && (
                <Table.Td>
                  <Time time={row.expiresAt ?? null} none={shared.noExpiry} />
                </Table.Td>
              )}
              <Table.Td className="actions">
                <Group gap={4} wrap="nowrap" justify="flex-end">
                  {row.actions}
                  <ActionIcon
                    variant="subtle"
                    color="red"
                    size="lg"
                    aria-label={words.remove(row.name)}
                    onClick={() => onRemove(row)}
                  >
                    <TrashIcon />
                  </ActionIcon>
                </Group>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  )
}
