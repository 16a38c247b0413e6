import './activity.css'
import { actionNames, actions, outcomes } from '@keyhold/contract/actions'
import {
  Alert,
  Button,
  Group,
  NativeSelect,
  Paper,
  SimpleGrid,
  Stack,
  Switch,
  Text,
  TextInput,
  Title,
} from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { type FormEvent, useEffect, useMemo, useState } from 'react'
import { accountsQuery, useIsAdmin, usePeople } from '../../accounts.ts'
import { projectsQuery } from '../../projects.ts'
import { ErrorMessage } from '../../ui/error-message.tsx'
import { Page } from '../../ui/page.tsx'
import { QueryView } from '../../ui/query-view.tsx'
import { workspacesQuery } from '../../workspaces.ts'
import { CheckpointPanel } from './checkpoint.tsx'
import { type ActivitySearch, type Filters, readSearch } from './filters.ts'
import { words } from './messages.ts'
import { RecordDialog } from './record-dialog.tsx'
import { RecordList } from './record-list.tsx'
import { SecretUse } from './secret-use.tsx'
import { type AuditRecord, useRecords } from './use-records.ts'

/** The audit log. */
export function Activity() {
  const { live, record, ...asked } = useSearch({ from: '/signed-in/activity' })
  const { who, secret, action, project, workspace, outcome, from, to } = asked
  // The same object for the same filters, whatever else the address says.
  const filters = useMemo<Filters>(
    () => ({ who, secret, action, project, workspace, outcome, from, to }),
    [who, secret, action, project, workspace, outcome, from, to],
  )
  const navigate = useNavigate()
  const go = (search: ActivitySearch) => void navigate({ to: '/activity', search, replace: true })
  const isAdmin = useIsAdmin()
  const nameOf = useNames()
  return (
    <Page
      title={words.title}
      lead={isAdmin ? words.lead.admin : words.lead.member}
      actions={
        <Switch
          label={words.live}
          checked={live === true}
          onChange={(event) => go({ ...filters, live: event.currentTarget.checked || undefined })}
        />
      }
    >
      <FilterBar key={JSON.stringify(filters)} filters={filters} onChange={(next) => go({ ...next, live })} />
      {secret !== undefined && <SecretUse secret={secret} project={project} nameOf={nameOf} />}
      <Records
        filters={filters}
        isLive={live === true}
        nameOf={nameOf}
        onOpen={({ index }) => go({ ...filters, live, record: index })}
      />
      <CheckpointPanel />
      {record !== undefined && (
        <RecordDialog index={record} nameOf={nameOf} onClose={() => go({ ...filters, live })} />
      )}
    </Page>
  )
}

/** How people call whoever a record is of. */
function useNames(): (record: Pick<AuditRecord, 'actor'>) => string {
  const people = usePeople()
  return ({ actor }) => {
    if (actor.kind === 'server') return words.server
    if (actor.kind === 'operator') return words.operator
    if (actor.kind === 'anonymous') return words.nameless
    return people.get(actor.id ?? '') ?? actor.name ?? actor.id ?? actor.kind
  }
}

interface RecordsProps {
  readonly filters: Filters
  readonly isLive: boolean
  readonly nameOf: (record: AuditRecord) => string
  readonly onOpen: (record: AuditRecord) => void
}

function Records({ filters, isLive, nameOf, onOpen }: RecordsProps) {
  const query = useRecords(filters, isLive)
  const { records, hasNextPage, isFetchingNextPage, fetchNextPage, isFetchNextPageError } = query
  // What is empty has more to come, which nobody can scroll to.
  const isSearching = records.length === 0 && hasNextPage
  useEffect(() => {
    if (isSearching && !isFetchingNextPage && !isFetchNextPageError) void fetchNextPage()
  }, [isSearching, isFetchingNextPage, isFetchNextPageError, fetchNextPage])
  return (
    <QueryView query={query}>
      {() =>
        records.length === 0 && !hasNextPage ? (
          <Paper withBorder p="lg">
            <Title order={2} size="h4">
              {words.nothing}
            </Title>
            <Text c="dimmed">{words.nothingText}</Text>
          </Paper>
        ) : (
          <Stack gap="xs">
            <ErrorMessage error={query.liveProblem} />
            <Paper withBorder>
              <RecordList
                records={records}
                nameOf={nameOf}
                hasOlder={hasNextPage}
                isReading={isFetchingNextPage || isFetchNextPageError}
                onOlder={() => void fetchNextPage()}
                onOpen={onOpen}
              />
            </Paper>
            {isFetchNextPageError && (
              <Group>
                <ErrorMessage error={query.error} />
                <Button variant="default" onClick={() => void fetchNextPage()}>
                  {words.tryOlder}
                </Button>
              </Group>
            )}
            {!hasNextPage && query.begin > 0 && <Alert variant="light">{words.begins(query.begin)}</Alert>}
          </Stack>
        )
      }
    </QueryView>
  )
}

const actionOptions = [
  { value: '', label: words.any },
  ...actionNames.map((name) => ({ value: name, label: `${actions[name].line} (${name})` })),
]

/** One of one's own, or any; and the one that is asked for, which may be somebody else's or be gone. */
function optionsOf(
  known: readonly { readonly id: string; readonly name: string }[],
  asked: string | undefined,
): { value: string; label: string }[] {
  const isOther = asked !== undefined && known.every(({ id }) => id !== asked)
  return [
    { value: '', label: words.any },
    ...known.map(({ id, name }) => ({ value: id, label: name })),
    ...(isOther ? [{ value: asked, label: asked }] : []),
  ]
}

function FilterBar({ filters, onChange }: { filters: Filters; onChange: (filters: Filters) => void }) {
  const [draft, setDraft] = useState(filters)
  const isAdmin = useIsAdmin()
  const { data: accounts } = useQuery({ ...accountsQuery, enabled: isAdmin })
  const { data: projects = [] } = useQuery(projectsQuery)
  const { data: workspaces = [] } = useQuery(workspacesQuery)
  const apply = (event: FormEvent) => {
    event.preventDefault()
    onChange(readSearch({ ...draft }))
  }
  /** What is chosen counts at once, what is typed with Enter. */
  const choose = (part: Filters) => onChange(readSearch({ ...draft, ...part }))
  const type = (part: Filters) => setDraft({ ...draft, ...part })
  const people = 'activity-people'
  const isFiltered = Object.values(filters).some((value) => value !== undefined)
  return (
    <form onSubmit={apply} aria-label={words.filters}>
      <datalist id={people}>
        {accounts?.map(({ id, email, name }) => (
          <option key={id} value={email}>
            {name}
          </option>
        ))}
      </datalist>
      <SimpleGrid cols={{ base: 1, xs: 2, md: 4 }} spacing="sm">
        <TextInput
          label={words.who}
          value={draft.who ?? ''}
          onChange={(event) => type({ who: event.currentTarget.value })}
          list={people}
          title={words.whoHelp}
          placeholder={words.whoPlaceholder}
          autoComplete="off"
          spellCheck={false}
        />
        <TextInput
          label={words.secret}
          value={draft.secret ?? ''}
          onChange={(event) => type({ secret: event.currentTarget.value })}
          title={words.secretHelp}
          autoComplete="off"
          spellCheck={false}
        />
        <NativeSelect
          label={words.action}
          value={draft.action ?? ''}
          data={actionOptions}
          onChange={(event) =>
            choose({ action: (event.currentTarget.value || undefined) as Filters['action'] })
          } // `as`: there are no others.
        />
        <NativeSelect
          label={words.project}
          value={draft.project ?? ''}
          data={optionsOf(projects, filters.project)}
          onChange={(event) => choose({ project: event.currentTarget.value || undefined })}
        />
        <NativeSelect
          label={words.workspace}
          value={draft.workspace ?? ''}
          data={optionsOf(workspaces, filters.workspace)}
          onChange={(event) => choose({ workspace: event.currentTarget.value || undefined })}
        />
        <NativeSelect
          label={words.outcome}
          value={draft.outcome ?? ''}
          data={[
            { value: '', label: words.any },
            ...outcomes.map((one) => ({ value: one, label: words.outcomes[one] })),
          ]}
          onChange={(event) =>
            choose({ outcome: (event.currentTarget.value || undefined) as Filters['outcome'] })
          } // `as`: there are no others.
        />
        <TimeField label={words.from} value={draft.from} onChange={(from) => type({ from })} />
        <TimeField label={words.to} value={draft.to} onChange={(to) => type({ to })} />
        <Group align="flex-end" gap="xs">
          <Button type="submit">{words.apply}</Button>
          {isFiltered && (
            <Button variant="default" onClick={() => onChange({})}>
              {words.clear}
            </Button>
          )}
        </Group>
      </SimpleGrid>
    </form>
  )
}

/** A time in UTC, as the log has it. */
function TimeField({
  label,
  value,
  onChange,
}: {
  label: string
  value: string | undefined
  onChange: (time: string | undefined) => void
}) {
  return (
    <TextInput
      label={label}
      type="datetime-local"
      value={value?.slice(0, 'yyyy-mm-ddThh:mm'.length) ?? ''}
      onChange={(event) => {
        const typed = event.currentTarget.value
        onChange(typed === '' ? undefined : `${typed}:00.000Z`)
      }}
    />
  )
}
