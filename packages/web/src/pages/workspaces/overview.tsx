import { Alert, List, Stack, Table, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import type { CallAnswer } from '../../api.ts'
import { EmptyState } from '../../ui/empty-state.tsx'
import { Facts } from '../../ui/facts.tsx'
import { QueryView } from '../../ui/query-view.tsx'
import { TextLink } from '../../ui/text-link.tsx'
import { Time } from '../../ui/time.tsx'
import { runsCode, type Workspace } from '../../workspaces.ts'
import { levelNames, variableWords, words } from './messages.ts'
import { OpenMenu } from './open-menu.tsx'
import { Sessions } from './sessions.tsx'
import { WorkspaceNeeds } from './template-needs.tsx'
import { variablesQuery } from './variables.ts'
import { WorkspacePage } from './workspace-page.tsx'
import { WorkspaceStateBadge } from './workspaces.tsx'

type Variables = CallAnswer<'workspace.variables'>
type Source = Variables['variables'][number]['from']
type Effect = Variables['variables'][number]['effect']

/** A workspace: how it is, how it is entered, and what its programs get. */
export function Overview() {
  return (
    <WorkspacePage title={words.overview} actions={(workspace) => <OpenMenu workspace={workspace} />}>
      {(workspace) => (
        <>
          <WorkspaceFacts workspace={workspace} />
          {workspace.agent === null && workspace.level === 'owner' && (
            <Text>
              {words.firstAgent}{' '}
              <TextLink
                to="/workspaces/$workspaceId/settings/agent"
                params={{ workspaceId: workspace.id }}
                underline="always"
              >
                {words.firstAgentLink}
              </TextLink>
            </Text>
          )}
          {runsCode(workspace.level) && <WorkspaceNeeds workspace={workspace} />}
          {runsCode(workspace.level) && workspace.agent !== null && <Sessions workspace={workspace} />}
          {runsCode(workspace.level) && <VariablesSection workspaceId={workspace.id} />}
        </>
      )}
    </WorkspacePage>
  )
}

function WorkspaceFacts({ workspace }: { workspace: Workspace }) {
  const { id, agent, owner, level, description, environments } = workspace
  return (
    <Facts
      facts={[
        { label: words.state, fact: <WorkspaceStateBadge workspace={workspace} /> },
        { label: words.since, fact: agent?.since && <Time time={agent.since} /> },
        { label: words.id, fact: <code>{id}</code> },
        { label: words.description, fact: description },
        { label: words.owner, fact: owner.name },
        { label: words.level, fact: levelNames[level] },
        { label: words.account, fact: agent && <code>{agent.loginName}</code> },
        { label: words.release, fact: agent?.release },
        {
          label: words.environments,
          fact: environments.map(({ project, environment }) => `${project}/${environment}`).join(', '),
        },
      ]}
    />
  )
}

function VariablesSection({ workspaceId }: { workspaceId: string }) {
  const variables = useQuery(variablesQuery(workspaceId))
  return (
    <Stack component="section" aria-label={variableWords.title}>
      <div>
        <Title order={2} size="h4">
          {variableWords.title}
        </Title>
        <Text size="sm" c="dimmed" maw="48rem">
          {variableWords.lead}
        </Text>
      </div>
      <QueryView query={variables}>{(found) => <VariablesView found={found} />}</QueryView>
    </Stack>
  )
}

const sourceName = ({ kind, name, secretName }: Source): string =>
  `${kind === 'workspace' ? variableWords.kinds.workspace : `${variableWords.kinds[kind]} ${name}`}: ${secretName}`

function VariablesView({ found }: { found: Variables }) {
  const { variables, files, tooLarge, unavailable, fromStores, applied } = found
  return (
    <>
      {unavailable.length > 0 && (
        <Warning
          title={variableWords.unavailable}
          lines={unavailable.map(({ project, environment }) => `${project}/${environment}`)}
        />
      )}
      {tooLarge.length > 0 && (
        <Warning
          title={variableWords.tooLarge}
          lines={tooLarge.map(({ variable, bytes }) => variableWords.tooLargeOne(variable, bytes))}
        />
      )}
      {applied && (
        <Text size="sm" c="dimmed">
          {variableWords.said} <Time time={applied.at} />
        </Text>
      )}
      {variables.length === 0 && files.length === 0 && fromStores.length === 0 && (
        <EmptyState title={variableWords.empty} order={3}>
          {variableWords.emptyText}
        </EmptyState>
      )}
      {variables.length > 0 && (
        <SourceTable
          label={variableWords.title}
          columns={[
            variableWords.name,
            variableWords.holds,
            variableWords.from,
            variableWords.hides,
            variableWords.effect,
          ]}
          rows={variables.map(({ name, holds, path, from, hides, effect }) => ({
            name: `$${name}`,
            holds: holds === 'value' ? variableWords.value : variableWords.path(path ?? ''),
            from,
            hides,
            effect,
          }))}
        />
      )}
      {files.length > 0 && (
        <SourceTable
          label={variableWords.files}
          columns={[variableWords.path_, variableWords.from, variableWords.hides, variableWords.effect]}
          rows={files.map(({ path, from, hides, effect }) => ({ name: path, from, hides, effect }))}
        />
      )}
      {fromStores.length > 0 && <FromStores fromStores={fromStores} />}
    </>
  )
}

/** What comes from outside at start. Its values are never here. */
function FromStores({ fromStores }: Pick<Variables, 'fromStores'>) {
  return (
    <div>
      <Text fw={600}>{variableWords.fromStores}</Text>
      <List size="sm">
        {fromStores.map(({ name, store, path, hiddenBy, isAllowed }) => (
          <List.Item key={`${store} ${path} ${name}`}>
            {variableWords.fromStore(name, store, path)}
            {hiddenBy !== null && ` · ${variableWords.hiddenBy(sourceName(hiddenBy))}`}
            {!isAllowed && ` · ${variableWords.notAllowed}`}
          </List.Item>
        ))}
      </List>
    </div>
  )
}

interface SourceRow {
  readonly name: string
  readonly holds?: string
  readonly from: Source
  readonly hides: readonly Source[]
  readonly effect: Effect
}

/** Which version programs get; where it is not the newest, why. */
function effectText({ state, version, problem }: Effect): string {
  if (state === 'in-effect') return variableWords.inEffect(version ?? 0)
  if (state === 'pending')
    return version === null ? variableWords.pending : variableWords.pendingBehind(version)
  return variableWords.problems[problem ?? 'left-out']
}

function SourceTable({
  label,
  columns,
  rows,
}: {
  label: string
  columns: readonly string[]
  rows: readonly SourceRow[]
}) {
  return (
    <Table.ScrollContainer minWidth={640}>
      <Table verticalSpacing="xs" aria-label={label}>
        <Table.Thead>
          <Table.Tr>
            {columns.map((column) => (
              <Table.Th key={column} scope="col">
                {column}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.map(({ name, holds, from, hides, effect }) => (
            <Table.Tr key={name}>
              <Table.Th scope="row" fw={500} className="breaks mono">
                {name}
              </Table.Th>
              {holds !== undefined && <Table.Td className="breaks">{holds}</Table.Td>}
              <Table.Td className="breaks">{sourceName(from)}</Table.Td>
              <Table.Td className="breaks">{hides.map(sourceName).join(', ')}</Table.Td>
              <Table.Td className="breaks">{effectText(effect)}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  )
}

function Warning({ title, lines }: { title: string; lines: readonly string[] }) {
  return (
    <Alert color="yellow" variant="light" title={title}>
      <List size="sm">
        {lines.map((line) => (
          <List.Item key={line}>{line}</List.Item>
        ))}
      </List>
    </Alert>
  )
}
