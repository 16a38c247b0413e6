import { Alert, Button, Code, Group, Stack, Switch, Text, TextInput } from '@mantine/core'
import { CheckIcon, SearchIcon } from '@primer/octicons-react'
import { useQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import type { CallAnswer } from '../../api.ts'
import { type Environment, environmentsQuery, secretsQuery, useProjectId } from '../../projects.ts'
import { EmptyState } from '../../ui/empty-state.tsx'
import { shared } from '../../ui/messages.ts'
import { QueryView } from '../../ui/query-view.tsx'
import { gridRows } from './grid-rows.ts'
import { DropTarget, ImportSecrets } from './import-secrets.tsx'
import { secretWords as words } from './messages.ts'
import { ProjectPage } from './project-page.tsx'
import { SecretDetails } from './secret-details.tsx'
import { AddSecret } from './secret-forms.tsx'
import { SecretGrid } from './secret-grid.tsx'

/** Project → Secrets. */
export function Secrets() {
  const projectId = useProjectId()
  const secrets = useQuery(secretsQuery(projectId))
  const environments = useQuery(environmentsQuery(projectId))
  const [added, setAdded] = useState<{ name: string; environment: string }>()
  // The text of a file has values in it: here and nowhere else, until the dialog is closed.
  const [imported, setImported] = useState<string>()
  const [summary, setSummary] = useState<string>()
  const first = environments.data?.[0]?.name ?? ''
  return (
    <ProjectPage
      title={shared.secrets}
      lead={words.lead}
      changers="editors"
      actions={() => (
        <Group gap="xs">
          <Button variant="default" onClick={() => setImported('')}>
            {words.import}
          </Button>
          <Button onClick={() => setAdded({ name: '', environment: first })}>{words.add}</Button>
        </Group>
      )}
    >
      {(_project, mayChange) => (
        <>
          {summary !== undefined && (
            <Alert color="green" variant="light" role="status" icon={<CheckIcon />}>
              {summary}
            </Alert>
          )}
          <QueryView query={environments}>
            {(columns) => (
              <QueryView query={secrets}>
                {(found) => (
                  <>
                    <DropTarget onText={(text) => mayChange && setImported(text)}>
                      {found.secrets.length === 0 ? (
                        <EmptyState title={words.empty}>
                          <Stack gap="xs">
                            <span>{words.emptyText}</span>
                            <Code block>{words.emptyCommand}</Code>
                            <span>{words.neverHardcode}</span>
                          </Stack>
                        </EmptyState>
                      ) : (
                        <Grid
                          projectId={projectId}
                          found={found}
                          environments={columns}
                          mayChange={mayChange}
                          onAdd={setAdded}
                        />
                      )}
                    </DropTarget>
                    {added && (
                      <AddSecret
                        projectId={projectId}
                        environments={columns}
                        wish={added}
                        onClose={() => setAdded(undefined)}
                      />
                    )}
                    {imported !== undefined && (
                      <ImportSecrets
                        projectId={projectId}
                        environments={columns}
                        secrets={found.secrets}
                        text={imported}
                        onClose={() => setImported(undefined)}
                        onDone={(done) => {
                          setImported(undefined)
                          setSummary(done)
                        }}
                      />
                    )}
                  </>
                )}
              </QueryView>
            )}
          </QueryView>
        </>
      )}
    </ProjectPage>
  )
}

interface GridProps {
  readonly projectId: string
  readonly found: CallAnswer<'secret.list'>
  readonly environments: readonly Environment[]
  readonly mayChange: boolean
  readonly onAdd: (wish: { name: string; environment: string }) => void
}

const from = '/signed-in/projects/$projectId'

function Grid({ projectId, found, environments, mayChange, onAdd }: GridProps) {
  const search = useSearch({ from })
  const navigate = useNavigate()
  const go = (change: Partial<typeof search>, replace: boolean) =>
    void navigate({
      to: '/projects/$projectId',
      params: { projectId },
      search: { ...search, ...change },
      replace,
    })
  const rows = useMemo(() => gridRows(found, environments), [found, environments])
  const wanted = (search.find ?? '').toUpperCase()
  const shown = rows.filter(
    ({ name, isMissingSome }) =>
      name.toUpperCase().includes(wanted) && (search.missing !== true || isMissingSome),
  )
  const opened = found.secrets.find(({ id }) => id === search.secret)
  const environment = search.environment ?? opened?.environment ?? ''
  const cell = rows
    .find(({ name }) => name === opened?.name)
    ?.cells.find((one) => one.environment.name === environment)
  const close = () => go({ secret: undefined, environment: undefined }, false)
  return (
    <Stack gap="sm">
      <Group align="center">
        <TextInput
          aria-label={words.search}
          placeholder={words.search}
          leftSection={<SearchIcon />}
          value={search.find ?? ''}
          onChange={(event) => go({ find: event.currentTarget.value || undefined }, true)}
          type="search"
          flex="1 1 14rem"
          maw="24rem"
        />
        <Switch
          label={words.onlyMissing}
          checked={search.missing === true}
          onChange={(event) => go({ missing: event.currentTarget.checked || undefined }, true)}
        />
        <Text size="sm" c="dimmed" role="status">
          {words.count(shown.length, rows.length)}
        </Text>
      </Group>
      {shown.length === 0 ? (
        <Text>{words.nothingFound}</Text>
      ) : (
        <SecretGrid
          rows={shown}
          environments={environments}
          mayChange={mayChange}
          onOpen={({ id }, seen) => go({ secret: id, environment: seen }, false)}
          onAdd={(name, into) => onAdd({ name, environment: into })}
        />
      )}
      <Text size="sm" c="dimmed">
        {words.legend}
      </Text>
      {opened && cell?.secret && (
        <SecretDetails
          key={opened.id}
          projectId={projectId}
          secret={opened}
          environment={environment}
          isMine={cell.isMine}
          mayChange={mayChange}
          onAdd={() => {
            close()
            onAdd({ name: opened.name, environment })
          }}
          onClose={close}
        />
      )}
    </Stack>
  )
}
