import {
  ActionIcon,
  Anchor,
  Box,
  Button,
  Group,
  Paper,
  PasswordInput,
  Stack,
  Table,
  Text,
  TextInput,
  Title,
} from '@mantine/core'
import { TrashIcon } from '@primer/octicons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { type ReactNode, useId, useState } from 'react'
import { type CallAnswer, call } from '../../api.ts'
import { hasPasskeys, makePasskey } from '../../passkey.ts'
import { Confirm } from '../../ui/confirm.tsx'
import { Command } from '../../ui/copy-button.tsx'
import { FormDialog } from '../../ui/form-dialog.tsx'
import { shared } from '../../ui/messages.ts'
import { Page } from '../../ui/page.tsx'
import { QueryView } from '../../ui/query-view.tsx'
import { SecretOnce } from '../../ui/secret-once.tsx'
import { Time } from '../../ui/time.tsx'
import { useAction } from '../../ui/use-action.ts'
import { words } from './messages.ts'

/** Settings → Sign-in: second factor, passkeys and sessions. */
export function SignInMethods() {
  // Here and nowhere else: closing the dialog forgets them.
  const [codes, setCodes] = useState<readonly string[]>([])
  return (
    <Page title={words.title} lead={words.lead}>
      <SecondFactor onCodes={setCodes} />
      <Passkeys onCodes={setCodes} />
      <Sessions />
      {codes.length > 0 && (
        <SecretOnce
          title={words.codesTitle}
          text={words.codesText}
          values={[{ label: words.codes, name: words.codes, value: codes.join('\n') }]}
          file={{ name: 'keyhold-recovery-codes.txt', text: `${codes.join('\n')}\n` }}
          onClose={() => setCodes([])}
        />
      )}
    </Page>
  )
}

function Part({
  title,
  lead,
  action,
  children,
}: {
  title: string
  lead: string
  action?: ReactNode
  children: ReactNode
}) {
  const heading = useId()
  return (
    <Paper withBorder p="lg" component="section" aria-labelledby={heading}>
      <Stack>
        <Group justify="space-between" align="flex-start">
          <Box flex="1 1 16rem" miw={0}>
            <Title order={2} size="h4" id={heading}>
              {title}
            </Title>
            <Text size="sm" c="dimmed">
              {lead}
            </Text>
          </Box>
          {action}
        </Group>
        {children}
      </Stack>
    </Paper>
  )
}

/** Reads anew what a change of factors may have changed. */
function useRefresh() {
  const cache = useQueryClient()
  return () =>
    Promise.all(
      ['sessions', 'passkeys', 'second-factor', 'session'].map((key) =>
        cache.invalidateQueries({ queryKey: [key] }),
      ),
    )
}

function SecondFactor({ onCodes }: { onCodes: (codes: readonly string[]) => void }) {
  const query = useQuery({ queryKey: ['second-factor'], queryFn: () => call('second-factor.get') })
  const [dialog, setDialog] = useState<'on' | 'off'>()
  return (
    <Part
      title={words.factor}
      lead={words.factorLead}
      action={
        query.data && (
          <Button variant="default" onClick={() => setDialog(query.data.totp ? 'off' : 'on')}>
            {query.data.totp ? words.turnOff : words.turnOn}
          </Button>
        )
      }
    >
      <QueryView query={query}>
        {({ totp, recoveryCodesLeft }) => (
          <Text>
            {totp ? words.factorOn : words.factorOff}{' '}
            {recoveryCodesLeft > 0 && words.codesLeft(recoveryCodesLeft)}
          </Text>
        )}
      </QueryView>
      {dialog === 'on' && <TurnOn onClose={() => setDialog(undefined)} onCodes={onCodes} />}
      {dialog === 'off' && <TurnOff onClose={() => setDialog(undefined)} />}
    </Part>
  )
}

function TurnOn({ onClose, onCodes }: { onClose: () => void; onCodes: (codes: readonly string[]) => void }) {
  const refresh = useRefresh()
  const [password, setPassword] = useState('')
  const [code, setCode] = useState('')
  const [begun, setBegun] = useState<CallAnswer<'second-factor.begin'>>()
  const action = useAction(async () => {
    if (begun === undefined) {
      setBegun(await call('second-factor.begin', { body: { password } }))
      return
    }
    const { recoveryCodes } = await call('second-factor.confirm', { body: { code } })
    await refresh()
    onClose()
    onCodes(recoveryCodes)
  })
  return (
    <FormDialog
      title={words.turnOn}
      submit={begun ? words.turnOn : words.next}
      action={action}
      onClose={onClose}
    >
      {begun === undefined ? (
        <PasswordInput
          label={shared.password}
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
          autoComplete="current-password"
          required
          data-autofocus
        />
      ) : (
        <>
          <Text>{words.secretText}</Text>
          <Command command={begun.secret} name={words.secret} />
          <Anchor href={begun.uri}>{words.open}</Anchor>
          <TextInput
            label={words.firstCode}
            value={code}
            onChange={(event) => setCode(event.currentTarget.value)}
            autoComplete="one-time-code"
            inputMode="numeric"
            required
          />
        </>
      )}
    </FormDialog>
  )
}

function TurnOff({ onClose }: { onClose: () => void }) {
  const refresh = useRefresh()
  const [password, setPassword] = useState('')
  const [code, setCode] = useState('')
  const action = useAction(async () => {
    await call('second-factor.delete', { body: { password, code } })
    await refresh()
    onClose()
  })
  return (
    <FormDialog title={words.turnOff} submit={words.turnOff} action={action} onClose={onClose}>
      <PasswordInput
        label={shared.password}
        value={password}
        onChange={(event) => setPassword(event.currentTarget.value)}
        autoComplete="current-password"
        required
        data-autofocus
      />
      <TextInput
        label={shared.code}
        value={code}
        onChange={(event) => setCode(event.currentTarget.value)}
        autoComplete="one-time-code"
        required
      />
    </FormDialog>
  )
}

type Passkey = CallAnswer<'passkey.list'>['passkeys'][number]

function Passkeys({ onCodes }: { onCodes: (codes: readonly string[]) => void }) {
  const refresh = useRefresh()
  const query = useQuery({
    queryKey: ['passkeys'],
    queryFn: async () => (await call('passkey.list')).passkeys,
  })
  const [isAdding, setAdding] = useState(false)
  const [doomed, setDoomed] = useState<Passkey>()
  return (
    <Part
      title={words.passkeys}
      lead={words.passkeysLead}
      action={
        hasPasskeys() && (
          <Button variant="default" onClick={() => setAdding(true)}>
            {words.addPasskey}
          </Button>
        )
      }
    >
      <QueryView query={query}>
        {(passkeys) =>
          passkeys.length === 0 ? (
            <Text>{words.passkeysEmpty}</Text>
          ) : (
            <Grid columns={[words.name, words.created, words.lastUsed]}>
              {passkeys.map((one) => (
                <Table.Tr key={one.id}>
                  <Table.Th scope="row" fw={500} className="breaks">
                    {one.name}
                  </Table.Th>
                  <Table.Td>
                    <Time time={one.createdAt} isDate />
                  </Table.Td>
                  <Table.Td>
                    <Time time={one.lastUsedAt} />
                  </Table.Td>
                  <Table.Td className="actions">
                    <ActionIcon
                      variant="subtle"
                      color="red"
                      size="lg"
                      aria-label={words.deleteLabel(one.name)}
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
      {isAdding && <AddPasskey onClose={() => setAdding(false)} onCodes={onCodes} />}
      {doomed && (
        <Confirm
          title={words.deletePasskey}
          action={shared.delete}
          onConfirm={async () => {
            await call('passkey.delete', { params: { passkeyId: doomed.id }, body: {} })
            await refresh()
          }}
          onClose={() => setDoomed(undefined)}
        >
          {words.deleteText(doomed.name)}
        </Confirm>
      )}
    </Part>
  )
}

function AddPasskey({
  onClose,
  onCodes,
}: {
  onClose: () => void
  onCodes: (codes: readonly string[]) => void
}) {
  const refresh = useRefresh()
  const [name, setName] = useState('')
  const action = useAction(async () => {
    const credential = await makePasskey(await call('passkey.begin', { body: {} }))
    // `as`: what a browser makes has the form of the contract, which the server checks.
    const { recoveryCodes } = await call('passkey.create', {
      body: { name, credential } as { name: string; credential: never },
    })
    await refresh()
    onClose()
    onCodes(recoveryCodes)
  })
  return (
    <FormDialog title={words.addPasskey} submit={words.add} action={action} onClose={onClose}>
      <TextInput
        label={words.name}
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
        autoComplete="off"
        required
        data-autofocus
      />
    </FormDialog>
  )
}

type LiveSession = CallAnswer<'sessions.list'>['sessions'][number]

/** A browser's name for people: the part that says most. */
const nameOf = ({ client }: LiveSession) => client ?? words.unknown

function Sessions() {
  const refresh = useRefresh()
  const query = useQuery({
    queryKey: ['sessions'],
    queryFn: async () => (await call('sessions.list')).sessions,
  })
  const [doomed, setDoomed] = useState<LiveSession>()
  return (
    <Part title={words.sessions} lead={words.sessionsLead}>
      <QueryView query={query}>
        {(sessions) => (
          <Grid columns={[words.browser, words.from, words.by, words.began, words.lastUsed]}>
            {sessions.map((one) => (
              <Table.Tr key={one.id}>
                <Table.Th scope="row" fw={500} className="breaks">
                  {nameOf(one)}
                </Table.Th>
                <Table.Td>{one.address ?? words.unknown}</Table.Td>
                <Table.Td>{one.signedInBy ?? words.unknown}</Table.Td>
                <Table.Td>
                  <Time time={one.createdAt} />
                </Table.Td>
                <Table.Td>
                  <Time time={one.lastUsedAt} />
                </Table.Td>
                <Table.Td className="actions">
                  {one.isCurrent ? (
                    <Text size="sm">{words.current}</Text>
                  ) : (
                    <Button
                      variant="default"
                      size="xs"
                      aria-label={words.endLabel(nameOf(one))}
                      onClick={() => setDoomed(one)}
                    >
                      {words.end}
                    </Button>
                  )}
                </Table.Td>
              </Table.Tr>
            ))}
          </Grid>
        )}
      </QueryView>
      {doomed && (
        <Confirm
          title={words.endTitle}
          action={words.end}
          onConfirm={async () => {
            await call('sessions.end', { params: { sessionId: doomed.id } })
            await refresh()
          }}
          onClose={() => setDoomed(undefined)}
        >
          {words.endText(nameOf(doomed))}
        </Confirm>
      )}
    </Part>
  )
}

function Grid({ columns, children }: { columns: readonly string[]; children: ReactNode }) {
  return (
    <Table.ScrollContainer minWidth={560}>
      <Table verticalSpacing="xs">
        <Table.Thead>
          <Table.Tr>
            {columns.map((label) => (
              <Table.Th key={label} scope="col">
                {label}
              </Table.Th>
            ))}
            <Table.Th scope="col" className="actions">
              {words.actions}
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>{children}</Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  )
}
