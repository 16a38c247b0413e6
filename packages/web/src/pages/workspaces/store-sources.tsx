import { ActionIcon, Button, Group, Table, Text } from '@mantine/core'
import { TrashIcon } from '@primer/octicons-react'
import { queryOptions, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { type CallAnswer, call } from '../../api.ts'
import { queryClient } from '../../query-client.ts'
import { Confirm } from '../../ui/confirm.tsx'
import { StateBadge } from '../../ui/credential-state.tsx'
import { ChoiceField, LongTextField, TextField } from '../../ui/fields.tsx'
import { FormDialog } from '../../ui/form-dialog.tsx'
import { shared } from '../../ui/messages.ts'
import { Grid, Part } from '../../ui/part.tsx'
import { QueryView } from '../../ui/query-view.tsx'
import { useChange } from '../../ui/use-change.ts'
import { workspaceQuery } from '../../workspaces.ts'
import { sourceWords as words } from './messages.ts'

type Source = CallAnswer<'store-source.list'>['sources'][number]
type Store = CallAnswer<'store.list'>['stores'][number]

const modes = ['stop', 'warn'] as const

const sourcesQuery = (workspaceId: string) =>
  queryOptions({
    queryKey: ['workspace', workspaceId, 'store-sources'],
    queryFn: async () => (await call('store-source.list', { params: { workspaceId } })).sources,
  })

const storesQuery = queryOptions({
  queryKey: ['stores'],
  queryFn: async () => (await call('store.list')).stores,
})

/** What a workspace takes of outside stores. Nothing where there is none of either. */
export function StoreSources({ workspaceId, isOwner }: { workspaceId: string; isOwner: boolean }) {
  const sources = useQuery(sourcesQuery(workspaceId))
  const stores = useQuery(storesQuery)
  const [isAdding, setAdding] = useState(false)
  const [doomed, setDoomed] = useState<Source>()
  if (stores.data?.length === 0 && sources.data?.length === 0) return null
  return (
    <Part
      title={words.title}
      lead={words.lead}
      action={
        isOwner && (
          <Button variant="default" onClick={() => setAdding(true)} disabled={!stores.data?.length}>
            {words.add}
          </Button>
        )
      }
    >
      <QueryView query={sources}>
        {(list) =>
          list.length === 0 ? (
            <Text>{words.empty}</Text>
          ) : (
            <Grid
              columns={[words.store, words.path, words.variables, words.onFailure]}
              {...(isOwner && { actions: words.actions })}
            >
              {list.map((source) => (
                <Row key={source.id} source={source} onRemove={isOwner ? setDoomed : undefined} />
              ))}
            </Grid>
          )
        }
      </QueryView>
      {isAdding && stores.data && (
        <Add workspaceId={workspaceId} stores={stores.data} onClose={() => setAdding(false)} />
      )}
      {doomed && (
        <Confirm
          title={words.removeTitle}
          action={words.remove}
          onConfirm={async () => {
            await call('store-source.delete', { params: { workspaceId, sourceId: doomed.id } })
            await queryClient.invalidateQueries({ queryKey: workspaceQuery(workspaceId).queryKey })
          }}
          onClose={() => setDoomed(undefined)}
        >
          {words.removeText(doomed.path, doomed.store)}
        </Confirm>
      )}
    </Part>
  )
}

function Row({ source, onRemove }: { source: Source; onRemove: ((source: Source) => void) | undefined }) {
  const { store, path, variables, onFailure, isAllowed } = source
  return (
    <Table.Tr>
      <Table.Th scope="row" fw={500} className="breaks">
        {store}
      </Table.Th>
      <Table.Td className="breaks">
        <span className="mono">{path}</span> {!isAllowed && <StateBadge label={words.refused} color="red" />}
      </Table.Td>
      <Table.Td className="breaks">
        {variables === null
          ? words.each
          : variables.map(({ name, key }) => (
              <Text key={name} size="sm">
                {words.variable(name, key)}
              </Text>
            ))}
      </Table.Td>
      <Table.Td>{words.modes[onFailure]}</Table.Td>
      {onRemove && (
        <Table.Td className="actions">
          <Group justify="flex-end">
            <ActionIcon
              variant="subtle"
              color="red"
              size="lg"
              aria-label={words.removeLabel(path, store)}
              onClick={() => onRemove(source)}
            >
              <TrashIcon />
            </ActionIcon>
          </Group>
        </Table.Td>
      )}
    </Table.Tr>
  )
}

interface AddProps {
  readonly workspaceId: string
  readonly stores: readonly Store[]
  readonly onClose: () => void
}

/** `NAME` for all that is at the path, `NAME=key` for one of its values, a line each. */
const variablesOf = (text: string) =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => {
      const at = line.indexOf('=')
      return at < 0 ? { name: line } : { name: line.slice(0, at).trim(), key: line.slice(at + 1).trim() }
    })

function Add({ workspaceId, stores, onClose }: AddProps) {
  const [storeId, setStore] = useState(stores[0]?.id ?? '')
  const [path, setPath] = useState('')
  const [variables, setVariables] = useState('')
  const [onFailure, setOnFailure] = useState<(typeof modes)[number]>('stop')
  const store = stores.find(({ id }) => id === storeId)
  const add = useChange(
    [workspaceQuery(workspaceId).queryKey],
    () => {
      const wished = variablesOf(variables)
      const body = { storeId, path, onFailure, ...(wished.length > 0 && { variables: wished }) }
      return call('store-source.create', { params: { workspaceId }, body })
    },
    onClose,
  )
  return (
    <FormDialog title={words.addTitle} submit={shared.save} action={add} onClose={onClose}>
      <ChoiceField
        label={words.store}
        value={storeId}
        onValue={setStore}
        choices={stores.map(({ id, name }) => ({ value: id, label: name }))}
      />
      <TextField
        label={words.path}
        description={words.allowed(store?.paths.join(', ') ?? '')}
        field="path"
        action={add}
        value={path}
        onValue={setPath}
        spellCheck={false}
        required
        data-autofocus
      />
      <LongTextField
        label={words.variables}
        description={words.variablesHelp}
        field="variables"
        action={add}
        value={variables}
        onValue={setVariables}
        classNames={{ input: 'mono' }}
      />
      <ChoiceField
        label={words.onFailure}
        value={onFailure}
        onValue={setOnFailure}
        choices={modes.map((value) => ({ value, label: words.modes[value] }))}
      />
    </FormDialog>
  )
}
