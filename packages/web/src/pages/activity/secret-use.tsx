import { Badge, Box, ColorSwatch, Group, Paper, Stack, Table, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useId } from 'react'
import { call } from '../../api.ts'
import { QueryView } from '../../ui/query-view.tsx'
import { Time } from '../../ui/time.tsx'
import { useWords as words } from './messages.ts'
import type { AuditRecord } from './use-records.ts'

const DAY_MS = 86_400_000
const DAYS = 30
/** Records that are counted at most: some seconds of reading. */
const COUNTED_MAX = 5_000
const PAGE = 500

const kinds = ['read', 'use', 'change', 'refused'] as const
type Kind = (typeof kinds)[number]

const colors: Readonly<Record<Kind, string>> = {
  read: 'cyan.7',
  use: 'teal.5',
  change: 'grape.6',
  refused: 'red.7',
}

function kindOf({ action, outcome }: AuditRecord): Kind {
  if (outcome !== 'success') return 'refused'
  const verb = action.split('.')[1]
  return verb === 'read' ? 'read' : verb === 'use' ? 'use' : 'change'
}

/** Whether somebody got the value by it. */
const isReading = (record: AuditRecord) => ['read', 'use'].includes(kindOf(record))

interface Props {
  readonly secret: string
  /** Its project, when the filters name one. */
  readonly project: string | undefined
  readonly nameOf: (record: Pick<AuditRecord, 'actor'>) => string
}

/** A secret over the last 30 days: how often a day, by whom, and who else could. */
export function SecretUse({ secret, project, nameOf }: Props) {
  const heading = useId()
  const query = useQuery({
    queryKey: ['secret-use', secret, project],
    queryFn: () => readMonth(secret, project),
  })
  return (
    <Paper withBorder p="lg" component="section" aria-labelledby={heading}>
      <Stack>
        <div>
          <Title order={2} size="h4" id={heading} className="breaks">
            {words.title(secret)}
          </Title>
          <Text size="sm" c="dimmed">
            {words.lead}
          </Text>
        </div>
        <QueryView query={query}>
          {({ records, isPartial, today }) => (
            <>
              <Chart secret={secret} records={records} today={today} />
              {isPartial && <Text size="sm">{words.partial(records.length)}</Text>}
              <Readers records={records.filter(isReading)} project={project} nameOf={nameOf} />
            </>
          )}
        </QueryView>
      </Stack>
    </Paper>
  )
}

async function readMonth(secret: string, project: string | undefined) {
  const today = Math.floor(Date.now() / DAY_MS)
  const from = new Date((today - DAYS + 1) * DAY_MS).toISOString()
  const records: AuditRecord[] = []
  let cursor: number | null | undefined
  while (cursor !== null && records.length < COUNTED_MAX) {
    const page: { records: AuditRecord[]; nextCursor: number | null } = await call('audit.list', {
      query: {
        secret,
        from,
        limit: PAGE,
        ...(project !== undefined && { project }),
        ...(cursor !== undefined && { cursor }),
      },
    })
    records.push(...page.records)
    cursor = page.nextCursor
  }
  return { records, isPartial: cursor !== null, today }
}

const WIDTH = 600
const HEIGHT = 120
const BAR = WIDTH / DAYS

function Chart({
  secret,
  records,
  today,
}: {
  secret: string
  records: readonly AuditRecord[]
  today: number
}) {
  const days = Array.from({ length: DAYS }, () => ({ read: 0, use: 0, change: 0, refused: 0 }))
  for (const record of records) {
    const day = days[DAYS - 1 - (today - Math.floor(Date.parse(record.time) / DAY_MS))]
    if (day) day[kindOf(record)] += 1
  }
  const totals = days.map((day) => kinds.reduce((sum, kind) => sum + day[kind], 0))
  const highest = Math.max(1, ...totals)
  const present = kinds.filter((kind) => days.some((day) => day[kind] > 0))
  return (
    <Box component="figure" m={0}>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT + 1}`}
        width="100%"
        height={HEIGHT}
        preserveAspectRatio="none"
        role="img"
        aria-label={words.summary(secret, records.length, totals.filter((total) => total > 0).length)}
      >
        <line className="activity-axis" x1={0} x2={WIDTH} y1={HEIGHT + 0.5} y2={HEIGHT + 0.5} />
        {days.map((day, i) => {
          const date = new Date((today - DAYS + 1 + i) * DAY_MS).toISOString().slice(0, 10)
          let y = HEIGHT
          return (
            <g key={date}>
              <title>{words.day(date, totals[i] ?? 0)}</title>
              <rect x={i * BAR} y={0} width={BAR} height={HEIGHT} fill="transparent" />
              {kinds.map((kind) => {
                const height = (day[kind] / highest) * HEIGHT
                y -= height
                return (
                  height > 0 && (
                    <rect
                      key={kind}
                      className={`activity-bar-${kind}`}
                      x={i * BAR + 2}
                      y={y}
                      width={BAR - 4}
                      height={height}
                    />
                  )
                )
              })}
            </g>
          )
        })}
      </svg>
      <Group component="figcaption" gap="md" mt="xs">
        {present.map((kind) => (
          <Group key={kind} gap={6}>
            <ColorSwatch
              color={`var(--mantine-color-${colors[kind].replace('.', '-')})`}
              size={12}
              withShadow={false}
            />
            <Text size="sm">
              {words.kinds[kind]}: {days.reduce((sum, day) => sum + day[kind], 0)}
            </Text>
          </Group>
        ))}
      </Group>
    </Box>
  )
}

interface Reader {
  readonly id: string
  readonly name: string
  /** By what they may; `undefined`: they may no longer. */
  readonly how: string | undefined
}

async function readEntitled(projectId: string): Promise<Reader[]> {
  const params = { projectId }
  const [{ members }, { accessKeys }, { workloadIdentities }] = await Promise.all([
    call('member.list', { params }),
    call('access-key.list', { params }),
    call('workload-identity.list', { params }),
  ])
  const inUse = (label: string, isUsed: boolean) => (isUsed ? label : `${label}, ${words.notInUse}`)
  return [
    ...members.map(({ person, role }) => ({
      id: person.id,
      name: person.name || person.email,
      how: words.roles[role],
    })),
    ...accessKeys.map(({ id, status }) => ({
      id,
      name: id,
      how: inUse(words.accessKey, status === 'active'),
    })),
    ...workloadIdentities.map(({ id, name, isActive }) => ({
      id,
      name,
      how: inUse(words.workloadIdentity, isActive),
    })),
  ]
}

function Readers({
  records,
  project,
  nameOf,
}: { records: readonly AuditRecord[] } & Pick<Props, 'project' | 'nameOf'>) {
  const entitled = useQuery({
    queryKey: ['secret-readers', project],
    queryFn: () => readEntitled(project ?? ''),
    enabled: project !== undefined,
    retry: false,
  })
  const reads = new Map<string, { count: number; last: AuditRecord }>()
  for (const record of records) {
    const id = record.workspace ?? record.actor.id ?? record.actor.kind
    const known = reads.get(id)
    reads.set(id, { count: (known?.count ?? 0) + 1, last: known?.last ?? record })
  }
  const known = new Set(entitled.data?.map(({ id }) => id))
  const others = [...reads]
    .filter(([id]) => !known.has(id))
    .map(([id, { last }]): Reader => {
      if (last.workspace !== undefined) return { id, name: last.workspace, how: words.workspaceReader }
      return { id, name: nameOf(last), how: entitled.data ? undefined : '' }
    })
  const rows = [...(entitled.data ?? []), ...others].sort(
    (a, b) => (reads.get(b.id)?.count ?? 0) - (reads.get(a.id)?.count ?? 0),
  )
  return (
    <Stack gap="xs">
      <Title order={3} size="h5">
        {words.readersTitle}
      </Title>
      <Text size="sm" c="dimmed">
        {entitled.data ? words.workspaces : words.chooseProject}
      </Text>
      {rows.length === 0 ? (
        <Text>{words.nobody}</Text>
      ) : (
        <Table.ScrollContainer minWidth={480}>
          <Table verticalSpacing={6}>
            <Table.Thead>
              <Table.Tr>
                {[words.reader, words.how, words.reads, words.last].map((label) => (
                  <Table.Th key={label} scope="col">
                    {label}
                  </Table.Th>
                ))}
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {rows.map(({ id, name, how }) => (
                <Table.Tr key={id}>
                  <Table.Th scope="row" fw={500} className="breaks">
                    {name}
                  </Table.Th>
                  <Table.Td>
                    {how ?? (
                      <Badge variant="light" color="yellow" tt="none" c="var(--mantine-color-text)">
                        {words.noMore}
                      </Badge>
                    )}
                  </Table.Td>
                  <Table.Td>{reads.get(id)?.count ?? 0}</Table.Td>
                  <Table.Td>
                    <Time time={reads.get(id)?.last.time ?? null} />
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
    </Stack>
  )
}
