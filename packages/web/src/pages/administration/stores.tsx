import { ActionIcon, Alert, Button, Code, Group, List, Table, Text } from '@mantine/core'
import { CheckIcon, PencilIcon, PulseIcon, TrashIcon } from '@primer/octicons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { type CallAnswer, call } from '../../api.ts'
import { queryClient } from '../../query-client.ts'
import { Confirm } from '../../ui/confirm.tsx'
import { EmptyState } from '../../ui/empty-state.tsx'
import { ChoiceField, HiddenField, LongTextField, TextField } from '../../ui/fields.tsx'
import { FormDialog } from '../../ui/form-dialog.tsx'
import { shared } from '../../ui/messages.ts'
import { Page } from '../../ui/page.tsx'
import { Grid } from '../../ui/part.tsx'
import { QueryView } from '../../ui/query-view.tsx'
import { useAction } from '../../ui/use-action.ts'
import { useChange } from '../../ui/use-change.ts'
import { storeWords as words } from './messages.ts'
import { NewStore } from './new-store.tsx'
import { linesOf, PathsField } from './store-paths.tsx'

type Store = CallAnswer<'store.list'>['stores'][number]
type Result = CallAnswer<'store.check'>

const KEY = ['stores']

const acts = ['test', 'edit', 'delete'] as const
type Act = (typeof acts)[number]
const icons = { test: PulseIcon, edit: PencilIcon, delete: TrashIcon } as const

/** Administration → Outside Stores. */
export function Stores() {
  const query = useQuery({ queryKey: KEY, queryFn: async () => (await call('store.list')).stores })
  const [isAdding, setAdding] = useState(false)
  const [asked, setAsked] = useState<{ store: Store; act: Act }>()
  const close = () => setAsked(undefined)
  return (
    <Page
      title={words.title}
      lead={words.lead}
      actions={<Button onClick={() => setAdding(true)}>{words.add}</Button>}
    >
      <QueryView query={query}>
        {(stores) =>
          stores.length === 0 ? (
            <EmptyState title={words.empty}>{words.emptyText}</EmptyState>
          ) : (
            <Grid columns={[words.name, words.address, words.paths, words.sources]} actions={words.actions}>
              {stores.map((store) => (
                <Row key={store.id} store={store} onAct={(act) => setAsked({ store, act })} />
              ))}
            </Grid>
          )
        }
      </QueryView>
      {isAdding && <NewStore stale={[KEY]} onClose={() => setAdding(false)} />}
      {asked?.act === 'test' && <Test store={asked.store} onClose={close} />}
      {asked?.act === 'edit' && <Edit store={asked.store} onClose={close} />}
      {asked?.act === 'delete' && <Remove store={asked.store} onClose={close} />}
    </Page>
  )
}

function Row({ store, onAct }: { store: Store; onAct: (act: Act) => void }) {
  const { name, kind, paths, details } = store
  return (
    <Table.Tr>
      <Table.Th scope="row" fw={500} className="breaks">
        {name}
        <Text size="sm" c="dimmed">
          {words.kinds[kind]}
        </Text>
      </Table.Th>
      <Table.Td className="breaks">
        {details?.address}
        <Text size="sm" c="dimmed">
          {accountOf(store)}
        </Text>
      </Table.Td>
      <Table.Td>
        {paths.map((path) => (
          <Code key={path} className="breaks" display="block" mb={4}>
            {path}
          </Code>
        ))}
      </Table.Td>
      <Table.Td>{details?.sources}</Table.Td>
      <Table.Td className="actions">
        <Group gap={4} wrap="nowrap" justify="flex-end">
          {acts.map((act) => {
            const Icon = icons[act]
            return (
              <ActionIcon
                key={act}
                variant="subtle"
                color={act === 'delete' ? 'red' : 'gray'}
                size="lg"
                aria-label={words.actLabels[act](name)}
                onClick={() => onAct(act)}
              >
                <Icon />
              </ActionIcon>
            )
          })}
        </Group>
      </Table.Td>
    </Table.Tr>
  )
}

/** Which account Keyhold has there, without its credential. */
const accountOf = ({ details }: Store): string | undefined =>
  details?.vault?.auth === 'approle'
    ? `${words.roleId}: ${details.vault.roleId ?? ''}`
    : details?.vault
      ? words.auths.token
      : (details?.aws?.accessKeyId ?? details?.azure?.clientId)

/** Signs in there, and looks at a path where one is given: names alone come back. */
function Test({ store, onClose }: { store: Store; onClose: () => void }) {
  const [path, setPath] = useState('')
  const [result, setResult] = useState<Result>()
  const test = useAction(async () => {
    setResult(undefined)
    const params = { storeId: store.id }
    setResult(await call('store.check', { params, body: path === '' ? {} : { path } }))
  })
  return (
    <FormDialog title={words.testTitle(store.name)} submit={words.test} action={test} onClose={onClose}>
      <Text>{words.testText}</Text>
      <TextField
        label={words.path}
        description={words.pathHelp[store.kind]}
        field="path"
        action={test}
        value={path}
        onValue={setPath}
        spellCheck={false}
        data-autofocus
      />
      {result && <TestResult result={result} />}
    </FormDialog>
  )
}

function TestResult({ result: { problem, keys } }: { result: Result }) {
  if (problem !== null)
    return (
      <Alert color="red" variant="light" role="status" title={words.testFailed}>
        {problem}
      </Alert>
    )
  return (
    <Alert color="green" variant="light" role="status" icon={<CheckIcon />} title={words.testOk}>
      {keys !== null && (
        <>
          {words.keys}
          <List size="sm">
            {keys.map((key) => (
              <List.Item key={key}>
                <code className="breaks">{key}</code>
              </List.Item>
            ))}
          </List>
        </>
      )}
    </Alert>
  )
}

function Edit({ store, onClose }: { store: Store; onClose: () => void }) {
  const [name, setName] = useState(store.name)
  const [paths, setPaths] = useState(store.paths.join('\n'))
  const [credential, setCredential] = useState('')
  const hasCa = store.details?.hasCa === true
  const [ca, setCa] = useState('')
  const [caAct, setCaAct] = useState<'keep' | 'replace' | 'remove'>('keep')
  const save = useChange(
    [KEY],
    () =>
      call('store.update', {
        params: { storeId: store.id },
        body: {
          name,
          paths: linesOf(paths),
          ...(credential !== '' && { credential }),
          ...(caAct === 'replace' && { ca }),
          ...(caAct === 'remove' && { ca: null }),
        },
      }),
    onClose,
  )
  return (
    <FormDialog title={words.editTitle} submit={shared.save} action={save} onClose={onClose}>
      <Text className="breaks">{store.details?.address}</Text>
      <TextField
        label={words.name}
        field="name"
        action={save}
        value={name}
        onValue={setName}
        required
        data-autofocus
      />
      <PathsField action={save} value={paths} onValue={setPaths} />
      <HiddenField
        label={words.credentials[store.kind]}
        description={words.credentialKeep}
        field="credential"
        action={save}
        value={credential}
        onValue={setCredential}
      />
      <ChoiceField
        label={words.ca}
        value={caAct}
        onValue={setCaAct}
        choices={(['keep', 'replace', ...(hasCa ? (['remove'] as const) : [])] as const).map((value) => ({
          value,
          label: words.caActs[value === 'keep' && !hasCa ? 'none' : value],
        }))}
      />
      {caAct === 'replace' && (
        <LongTextField label={words.caValue} field="ca" action={save} value={ca} onValue={setCa} required />
      )}
    </FormDialog>
  )
}

function Remove({ store: { id, name, details }, onClose }: { store: Store; onClose: () => void }) {
  const sources = details?.sources ?? 0
  return (
    <Confirm
      title={words.deleteTitle}
      action={shared.delete}
      {...(sources > 0 && { typed: { label: words.typeName(name), text: name } })}
      onConfirm={async () => {
        await call('store.delete', { params: { storeId: id }, query: sources > 0 ? { confirm: name } : {} })
        await queryClient.invalidateQueries({ queryKey: KEY })
      }}
      onClose={onClose}
    >
      {words.deleteText(name, sources)}
    </Confirm>
  )
}
