import { ActionIcon, Alert, Button, Code, Group, List, Switch, Table, Text } from '@mantine/core'
import { PencilIcon, TrashIcon } from '@primer/octicons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { type CallAnswer, call } from '../../api.ts'
import { Confirm } from '../../ui/confirm.tsx'
import { StateBadge } from '../../ui/credential-state.tsx'
import { ErrorMessage } from '../../ui/error-message.tsx'
import { HiddenField, TextField } from '../../ui/fields.tsx'
import { FormDialog } from '../../ui/form-dialog.tsx'
import { shared } from '../../ui/messages.ts'
import { Grid, Part } from '../../ui/part.tsx'
import { QueryView } from '../../ui/query-view.tsx'
import { useAction } from '../../ui/use-action.ts'
import { useChange } from '../../ui/use-change.ts'
import { providerWords as words } from './messages.ts'

type Provider = CallAnswer<'identity-provider.list'>['identityProviders'][number]
type Checks = CallAnswer<'identity-provider.test'>['checks']

const KEY = ['identity-providers']

/** Where people sign in besides here. */
export function IdentityProviders() {
  const cache = useQueryClient()
  const query = useQuery({
    queryKey: KEY,
    queryFn: async () => (await call('identity-provider.list')).identityProviders,
  })
  const [edited, setEdited] = useState<Provider | 'new'>()
  const [doomed, setDoomed] = useState<Provider>()
  const [tested, setTested] = useState<{ label: string; checks: Checks }>()
  const test = useAction(async ({ id, label }: Provider) => {
    setTested(undefined)
    const { checks } = await call('identity-provider.test', { params: { providerId: id } })
    setTested({ label, checks })
  })
  return (
    <Part
      title={words.identity}
      lead={words.identityLead}
      action={
        <Button variant="default" onClick={() => setEdited('new')}>
          {words.register}
        </Button>
      }
    >
      <ErrorMessage error={test.error} />
      {tested && <Tested {...tested} />}
      <QueryView query={query}>
        {(providers) =>
          providers.length === 0 ? (
            <Text>{words.identityEmpty}</Text>
          ) : (
            <Grid columns={[words.label, words.issuer, words.redirect]} actions={words.actions}>
              {providers.map((one) => (
                <Table.Tr key={one.id}>
                  <Table.Th scope="row" fw={500} className="breaks">
                    {one.label}
                  </Table.Th>
                  <Table.Td className="breaks">{one.issuer}</Table.Td>
                  <Table.Td>
                    <Code className="breaks">{one.redirectUri}</Code>
                  </Table.Td>
                  <Table.Td className="actions">
                    <Group gap={4} wrap="nowrap" justify="flex-end">
                      <Button
                        variant="default"
                        size="xs"
                        aria-label={words.testLabel(one.label)}
                        loading={test.isRunning}
                        onClick={() => void test.run(one)}
                      >
                        {words.test}
                      </Button>
                      <ActionIcon
                        variant="subtle"
                        color="gray"
                        size="lg"
                        aria-label={words.editLabel(one.label)}
                        onClick={() => setEdited(one)}
                      >
                        <PencilIcon />
                      </ActionIcon>
                      <ActionIcon
                        variant="subtle"
                        color="red"
                        size="lg"
                        aria-label={words.deleteLabel(one.label)}
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
      {edited && (
        <ProviderForm provider={edited === 'new' ? undefined : edited} onClose={() => setEdited(undefined)} />
      )}
      {doomed && (
        <Confirm
          title={words.deleteTitle}
          action={shared.delete}
          typed={{ label: words.typeIssuer(doomed.issuer), text: doomed.issuer }}
          onConfirm={async () => {
            await call('identity-provider.delete', {
              params: { providerId: doomed.id },
              query: { confirm: doomed.issuer },
            })
            await cache.invalidateQueries({ queryKey: KEY })
          }}
          onClose={() => setDoomed(undefined)}
        >
          {words.identityDelete(doomed.label)}
        </Confirm>
      )}
    </Part>
  )
}

function Tested({ label, checks }: { label: string; checks: Checks }) {
  return (
    <Alert
      variant="light"
      color={checks.every(({ isOk }) => isOk) ? 'green' : 'red'}
      title={label}
      role="status"
    >
      <List size="sm" listStyleType="none">
        {checks.map(({ name, isOk, detail }) => (
          <List.Item key={name}>
            <StateBadge label={isOk ? 'ok' : 'failed'} color={isOk ? 'green' : 'red'} /> {name}: {detail}
          </List.Item>
        ))}
      </List>
    </Alert>
  )
}

function ProviderForm({ provider, onClose }: { provider: Provider | undefined; onClose: () => void }) {
  const [issuer, setIssuer] = useState(provider?.issuer ?? '')
  const [label, setLabel] = useState(provider?.label ?? '')
  const [clientId, setClientId] = useState(provider?.clientId ?? '')
  const [clientSecret, setClientSecret] = useState('')
  const [domains, setDomains] = useState(provider?.allowedEmailDomains.join(', ') ?? '')
  const [createsAccounts, setCreates] = useState(provider?.createsAccounts ?? false)
  const action = useChange(
    [KEY],
    async () => {
      const body = {
        label,
        clientId,
        createsAccounts,
        allowedEmailDomains: domains.split(/[\s,]+/).filter((domain) => domain !== ''),
      }
      if (provider === undefined)
        return call('identity-provider.create', { body: { ...body, issuer, clientSecret } })
      return call('identity-provider.update', {
        params: { providerId: provider.id },
        body: { ...body, ...(clientSecret !== '' && { clientSecret }) },
      })
    },
    onClose,
  )
  const title = provider === undefined ? words.register : words.editTitle
  return (
    <FormDialog
      title={title}
      submit={provider === undefined ? words.register : shared.save}
      action={action}
      onClose={onClose}
    >
      <TextField
        label={words.issuer}
        description={words.issuerHelp}
        field="issuer"
        action={action}
        value={issuer}
        onValue={setIssuer}
        disabled={provider !== undefined}
        required
      />
      <TextField
        label={words.label}
        field="label"
        action={action}
        value={label}
        onValue={setLabel}
        required
      />
      <TextField
        label={words.clientId}
        field="clientId"
        action={action}
        value={clientId}
        onValue={setClientId}
        required
      />
      <HiddenField
        label={words.clientSecret}
        {...(provider !== undefined && { description: words.clientSecretKeep })}
        field="clientSecret"
        action={action}
        value={clientSecret}
        onValue={setClientSecret}
        required={provider === undefined}
      />
      <TextField
        label={words.domains}
        description={words.domainsHelp}
        field="allowedEmailDomains"
        action={action}
        value={domains}
        onValue={setDomains}
      />
      <Switch
        label={words.createsAccounts}
        description={words.createsHelp}
        checked={createsAccounts}
        onChange={(event) => setCreates(event.currentTarget.checked)}
      />
    </FormDialog>
  )
}
