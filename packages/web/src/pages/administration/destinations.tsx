import { ActionIcon, Button, Table, Text } from '@mantine/core'
import { TrashIcon } from '@primer/octicons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { type CallAnswer, call } from '../../api.ts'
import { Confirm } from '../../ui/confirm.tsx'
import { StateBadge } from '../../ui/credential-state.tsx'
import { ChoiceField, LongTextField, TextField } from '../../ui/fields.tsx'
import { FormDialog } from '../../ui/form-dialog.tsx'
import { shared } from '../../ui/messages.ts'
import { Page } from '../../ui/page.tsx'
import { Grid, Part } from '../../ui/part.tsx'
import { QueryView } from '../../ui/query-view.tsx'
import { SecretOnce } from '../../ui/secret-once.tsx'
import { Time } from '../../ui/time.tsx'
import { useAction } from '../../ui/use-action.ts'
import { providerWords, destinationWords as words } from './messages.ts'

type Destination = CallAnswer<'audit-destination.list'>['destinations'][number]

const KEY = ['audit-destinations']
const records = ['none', 'new', 'all'] as const

/** Administration → Audit Destinations. */
export function Destinations() {
  const cache = useQueryClient()
  const query = useQuery({
    queryKey: KEY,
    queryFn: async () => (await call('audit-destination.list')).destinations,
  })
  const [isAdding, setAdding] = useState(false)
  // Here and nowhere else: closing the dialog forgets it.
  const [secret, setSecret] = useState<string>()
  const [doomed, setDoomed] = useState<Destination>()
  const refresh = () => cache.invalidateQueries({ queryKey: KEY })
  return (
    <Page
      title={words.title}
      lead={words.lead}
      actions={<Button onClick={() => setAdding(true)}>{words.add}</Button>}
    >
      <Part title={words.list} lead={words.listLead}>
        <QueryView query={query}>
          {(destinations) =>
            destinations.length === 0 ? (
              <Text>{words.empty}</Text>
            ) : (
              <Grid
                columns={[words.target, words.records, words.state, words.pending, words.last]}
                actions={words.actions}
              >
                {destinations.map((one) => (
                  <Table.Tr key={one.id}>
                    <Table.Th scope="row" fw={500} className="breaks">
                      {one.target}
                    </Table.Th>
                    <Table.Td>{one.isSentRecords ? words.withRecords : words.checkpointsOnly}</Table.Td>
                    <Table.Td className="breaks">
                      <StateBadge
                        label={one.failures === 0 ? words.ok : words.failing(one.failures)}
                        color={one.failures === 0 ? 'green' : 'red'}
                      />
                      {one.lastFailure !== null && <Text size="sm">{one.lastFailure}</Text>}
                    </Table.Td>
                    <Table.Td>{one.pending}</Table.Td>
                    <Table.Td>
                      <Time time={one.lastSuccessAt} />
                    </Table.Td>
                    <Table.Td className="actions">
                      <ActionIcon
                        variant="subtle"
                        color="red"
                        size="lg"
                        aria-label={words.deleteLabel(one.target)}
                        onClick={() => setDoomed(one)}
                      >
                        <TrashIcon />
                      </ActionIcon>
                    </Table.Td>
                  </Table.Tr>
                ))}
              </Grid>
            )
          }
        </QueryView>
      </Part>
      {isAdding && (
        <Add
          onClose={() => setAdding(false)}
          onAdded={(answer) => {
            setAdding(false)
            setSecret(answer ?? undefined)
            void refresh()
          }}
        />
      )}
      {secret !== undefined && (
        <SecretOnce
          title={words.secretTitle}
          text={words.secretText}
          values={[{ label: words.secret, name: words.secret, value: secret }]}
          onClose={() => setSecret(undefined)}
        />
      )}
      {doomed && (
        <Confirm
          title={words.deleteTitle}
          action={shared.delete}
          onConfirm={async () => {
            await call('audit-destination.delete', { params: { destinationId: doomed.id } })
            await refresh()
          }}
          onClose={() => setDoomed(undefined)}
        >
          {words.deleteText(doomed.target)}
        </Confirm>
      )}
    </Page>
  )
}

function Add({ onClose, onAdded }: { onClose: () => void; onAdded: (secret: string | null) => void }) {
  const [target, setTarget] = useState('')
  const [sent, setSent] = useState<(typeof records)[number]>('none')
  const [ca, setCa] = useState('')
  const action = useAction(async () => {
    const body = { target, records: sent, ...(ca !== '' && { ca }) }
    onAdded((await call('audit-destination.create', { body })).secret)
  })
  return (
    <FormDialog title={words.add} submit={words.add} action={action} onClose={onClose}>
      <TextField
        label={words.target}
        description={words.targetHelp}
        field="target"
        action={action}
        value={target}
        onValue={setTarget}
        required
        data-autofocus
      />
      <ChoiceField
        label={words.records}
        value={sent}
        onValue={setSent}
        choices={records.map((value) => ({ value, label: words.recordChoices[value] }))}
      />
      <LongTextField
        label={providerWords.ca}
        description={providerWords.caHelp}
        field="ca"
        action={action}
        value={ca}
        onValue={setCa}
      />
    </FormDialog>
  )
}
