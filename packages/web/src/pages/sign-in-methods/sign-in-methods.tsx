import {
  ActionIcon,
  Alert,
  Anchor,
  Button,
  Group,
  PasswordInput,
  Skeleton,
  Table,
  Text,
  TextInput,
} from '@mantine/core'
import { AlertIcon, PencilIcon, TrashIcon } from '@primer/octicons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { lazy, Suspense, useState } from 'react'
import { type CallAnswer, call } from '../../api.ts'
import { hasPasskeys, makePasskey } from '../../passkey.ts'
import { clientName } from '../../ui/client-name.ts'
import { Confirm } from '../../ui/confirm.tsx'
import { Command } from '../../ui/copy-button.tsx'
import { TextField } from '../../ui/fields.tsx'
import { FormDialog } from '../../ui/form-dialog.tsx'
import { shared } from '../../ui/messages.ts'
import { Page } from '../../ui/page.tsx'
import { Grid, Part } from '../../ui/part.tsx'
import { QueryView } from '../../ui/query-view.tsx'
import { SecretOnce } from '../../ui/secret-once.tsx'
import { Time } from '../../ui/time.tsx'
import { useAction } from '../../ui/use-action.ts'
import { useChange } from '../../ui/use-change.ts'
import { words } from './messages.ts'

// Of use to those alone who turn an authenticator on.
const QrCode = lazy(async () => ({ default: (await import('../../ui/qr-code.tsx')).QrCode }))
const QR_PIXELS = 200

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
  const [dialog, setDialog] = useState<'on' | 'off' | 'codes'>()
  return (
    <Part
      title={words.factor}
      lead={words.factorLead}
      action={
        query.data && (
          <Group gap="xs">
            {(query.data.totp !== null || query.data.passkeys > 0) && (
              <Button variant="default" onClick={() => setDialog('codes')}>
                {words.renewCodes}
              </Button>
            )}
            <Button variant="default" onClick={() => setDialog(query.data.totp ? 'off' : 'on')}>
              {query.data.totp ? words.turnOff : words.turnOn}
            </Button>
          </Group>
        )
      }
    >
      <QueryView query={query}>
        {({ totp, passkeys, recoveryCodesLeft, isRequired }) => (
          <>
            {isRequired && totp === null && passkeys === 0 && (
              <Alert color="yellow" variant="light" icon={<AlertIcon />} title={words.required}>
                {words.requiredText}
              </Alert>
            )}
            <Text>
              {totp ? words.factorOn : words.factorOff}{' '}
              {recoveryCodesLeft > 0 && words.codesLeft(recoveryCodesLeft)}
            </Text>
          </>
        )}
      </QueryView>
      {dialog === 'on' && <TurnOn onClose={() => setDialog(undefined)} onCodes={onCodes} />}
      {dialog === 'off' && <TurnOff onClose={() => setDialog(undefined)} />}
      {dialog === 'codes' && <RenewCodes onClose={() => setDialog(undefined)} onCodes={onCodes} />}
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
          <Text>{words.scanText}</Text>
          <Suspense fallback={<Skeleton height={QR_PIXELS} width={QR_PIXELS} mx="auto" />}>
            <QrCode text={begun.uri} label={words.qr} pixels={QR_PIXELS} />
          </Suspense>
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

function RenewCodes({
  onClose,
  onCodes,
}: {
  onClose: () => void
  onCodes: (codes: readonly string[]) => void
}) {
  const refresh = useRefresh()
  const [password, setPassword] = useState('')
  const [code, setCode] = useState('')
  const action = useAction(async () => {
    const { recoveryCodes } = await call('second-factor.codes', { body: { password, code } })
    await refresh()
    onClose()
    onCodes(recoveryCodes)
  })
  return (
    <FormDialog title={words.renewCodes} submit={words.renewCodes} action={action} onClose={onClose}>
      <Text>{words.renewText}</Text>
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
  const [renamed, setRenamed] = useState<Passkey>()
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
            <Grid columns={[words.name, words.created, words.lastUsed]} actions={words.actions}>
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
                      color="gray"
                      size="lg"
                      aria-label={words.renameLabel(one.name)}
                      onClick={() => setRenamed(one)}
                    >
                      <PencilIcon />
                    </ActionIcon>
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
      {renamed && <RenamePasskey passkey={renamed} onClose={() => setRenamed(undefined)} />}
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

function RenamePasskey({ passkey, onClose }: { passkey: Passkey; onClose: () => void }) {
  const [name, setName] = useState(passkey.name)
  const action = useChange(
    [['passkeys']],
    () => call('passkey.update', { params: { passkeyId: passkey.id }, body: { name } }),
    onClose,
  )
  return (
    <FormDialog title={words.renamePasskey} submit={words.rename} action={action} onClose={onClose}>
      <TextField
        label={words.name}
        field="name"
        action={action}
        value={name}
        onValue={setName}
        required
        data-autofocus
      />
    </FormDialog>
  )
}

type LiveSession = CallAnswer<'sessions.list'>['sessions'][number]

const nameOf = ({ client }: LiveSession) => (client === null ? words.unknown : clientName(client))

function Sessions() {
  const refresh = useRefresh()
  const query = useQuery({
    queryKey: ['sessions'],
    queryFn: async () => (await call('sessions.list')).sessions,
  })
  const [doomed, setDoomed] = useState<LiveSession>()
  const [isEndingAll, setEndingAll] = useState(false)
  return (
    <Part
      title={words.sessions}
      lead={words.sessionsLead}
      action={
        (query.data?.length ?? 0) > 1 && (
          <Button variant="default" onClick={() => setEndingAll(true)}>
            {words.endOthers}
          </Button>
        )
      }
    >
      <QueryView query={query}>
        {(sessions) => (
          <Grid
            columns={[words.browser, words.from, words.by, words.began, words.lastUsed]}
            actions={words.actions}
          >
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
      {isEndingAll && (
        <Confirm
          title={words.endOthers}
          action={words.endOthers}
          onConfirm={async () => {
            await call('sessions.end_others')
            await refresh()
          }}
          onClose={() => setEndingAll(false)}
        >
          {words.endOthersText}
        </Confirm>
      )}
    </Part>
  )
}
