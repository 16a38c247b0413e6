import { ActionIcon, Button, Code, Group, Table, Text } from '@mantine/core'
import { PencilIcon, TrashIcon } from '@primer/octicons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { type CallAnswer, call } from '../../api.ts'
import { Confirm } from '../../ui/confirm.tsx'
import { ChoiceField, HiddenField, LongTextField, TextField } from '../../ui/fields.tsx'
import { FormDialog } from '../../ui/form-dialog.tsx'
import { shared } from '../../ui/messages.ts'
import { Grid, Part } from '../../ui/part.tsx'
import { QueryView } from '../../ui/query-view.tsx'
import { useChange } from '../../ui/use-change.ts'
import { providerWords as words } from './messages.ts'

type Provider = CallAnswer<'repository-provider.list'>['providers'][number]

const KEY = ['repository-providers']
/** What people see of them on their Security page. */
const STALE = [KEY, ['security']]

const types = ['github', 'gitlab', 'bitbucket'] as const
const kinds = ['default', 'internal'] as const

/** Where people's code is. */
export function RepositoryProviders() {
  const cache = useQueryClient()
  const query = useQuery({
    queryKey: KEY,
    queryFn: async () => (await call('repository-provider.list')).providers,
  })
  const [edited, setEdited] = useState<Provider | 'new'>()
  const [doomed, setDoomed] = useState<Provider>()
  return (
    <Part
      title={words.repositories}
      lead={words.repositoriesLead}
      action={
        <Button variant="default" onClick={() => setEdited('new')}>
          {words.register}
        </Button>
      }
    >
      <QueryView query={query}>
        {(providers) =>
          providers.length === 0 ? (
            <Text>{words.repositoriesEmpty}</Text>
          ) : (
            <Grid columns={[words.host, words.kind, words.methods, words.callback]} actions={words.actions}>
              {providers.map((one) => (
                <Table.Tr key={one.id}>
                  <Table.Th scope="row" fw={500} className="breaks">
                    {one.host}
                    <Text size="sm" c="dimmed">
                      {words.types[one.type]}
                    </Text>
                  </Table.Th>
                  <Table.Td>{words.kinds[one.kind]}</Table.Td>
                  <Table.Td>{one.methods.map((method) => words[method]).join(', ')}</Table.Td>
                  <Table.Td>
                    <Code className="breaks">{one.callbackUrl}</Code>
                  </Table.Td>
                  <Table.Td className="actions">
                    <Group gap={4} wrap="nowrap" justify="flex-end">
                      <ActionIcon
                        variant="subtle"
                        color="gray"
                        size="lg"
                        aria-label={words.editLabel(one.host)}
                        onClick={() => setEdited(one)}
                      >
                        <PencilIcon />
                      </ActionIcon>
                      <ActionIcon
                        variant="subtle"
                        color="red"
                        size="lg"
                        aria-label={words.deleteLabel(one.host)}
                        onClick={() => setDoomed(one)}
                      >
                        <TrashIcon />
                      </ActionIcon>
                    </Group>
                  </Table.Td>
                </Table.Tr>
              ))}
            </Grid>
          )
        }
      </QueryView>
      {edited === 'new' && <Register onClose={() => setEdited(undefined)} />}
      {edited && edited !== 'new' && <Edit provider={edited} onClose={() => setEdited(undefined)} />}
      {doomed && (
        <Confirm
          title={words.deleteTitle}
          action={shared.delete}
          typed={{ label: words.typeHost(doomed.host), text: doomed.host }}
          onConfirm={async () => {
            await call('repository-provider.delete', {
              params: { providerId: doomed.id },
              query: { confirm: doomed.host },
            })
            await Promise.all(STALE.map((queryKey) => cache.invalidateQueries({ queryKey })))
          }}
          onClose={() => setDoomed(undefined)}
        >
          {words.deleteText(doomed.host)}
        </Confirm>
      )}
    </Part>
  )
}

function Register({ onClose }: { onClose: () => void }) {
  const [type, setType] = useState<(typeof types)[number]>('github')
  const [kind, setKind] = useState<(typeof kinds)[number]>('default')
  const [baseUrl, setBaseUrl] = useState('')
  const [clientId, setClientId] = useState('')
  const [clientSecret, setClientSecret] = useState('')
  const [ca, setCa] = useState('')
  const action = useChange(
    STALE,
    () =>
      call('repository-provider.create', {
        body: {
          type,
          kind,
          ...(kind === 'internal' && { baseUrl }),
          ...(clientId !== '' && { clientId, clientSecret }),
          ...(ca !== '' && { ca }),
        },
      }),
    onClose,
  )
  return (
    <FormDialog title={words.register} submit={words.register} action={action} onClose={onClose}>
      <ChoiceField
        label={words.type}
        value={type}
        onValue={setType}
        choices={types.map((value) => ({ value, label: words.types[value] }))}
      />
      <ChoiceField
        label={words.kind}
        value={kind}
        onValue={setKind}
        choices={kinds.map((value) => ({ value, label: words.kinds[value] }))}
      />
      {kind === 'internal' && (
        <TextField
          label={words.baseUrl}
          description={words.baseUrlHelp}
          field="baseUrl"
          action={action}
          value={baseUrl}
          onValue={setBaseUrl}
          required
        />
      )}
      <TextField
        label={words.clientId}
        description={words.clientIdHelp}
        field="clientId"
        action={action}
        value={clientId}
        onValue={setClientId}
      />
      {clientId !== '' && (
        <HiddenField
          label={words.clientSecret}
          field="clientSecret"
          action={action}
          value={clientSecret}
          onValue={setClientSecret}
          required
        />
      )}
      {kind === 'internal' && (
        <LongTextField
          label={words.ca}
          description={words.caHelp}
          field="ca"
          action={action}
          value={ca}
          onValue={setCa}
        />
      )}
    </FormDialog>
  )
}

function Edit({ provider, onClose }: { provider: Provider; onClose: () => void }) {
  const [clientId, setClientId] = useState(provider.clientId ?? '')
  const [clientSecret, setClientSecret] = useState('')
  const action = useChange(
    STALE,
    () =>
      call('repository-provider.update', {
        params: { providerId: provider.id },
        body: { clientId, ...(clientSecret !== '' && { clientSecret }) },
      }),
    onClose,
  )
  return (
    <FormDialog title={words.editTitle} submit={shared.save} action={action} onClose={onClose}>
      <Text className="breaks">{provider.baseUrl}</Text>
      <TextField
        label={words.clientId}
        field="clientId"
        action={action}
        value={clientId}
        onValue={setClientId}
        required
        data-autofocus
      />
      <HiddenField
        label={words.clientSecret}
        {...(provider.clientId !== null && { description: words.clientSecretKeep })}
        field="clientSecret"
        action={action}
        value={clientSecret}
        onValue={setClientSecret}
        required={provider.clientId === null}
      />
    </FormDialog>
  )
}
