import { Alert, Button, Code, Divider, PasswordInput, Stack, Text, TextInput } from '@mantine/core'
import { KeyIcon } from '@primer/octicons-react'
import { useQuery } from '@tanstack/react-query'
import { useNavigate, useRouter, useSearch } from '@tanstack/react-router'
import { type FormEvent, useRef, useState } from 'react'
import { callPlainly, codeOf } from '../../api.ts'
import { hasPasskeys, provePasskey } from '../../passkey.ts'
import { beginSession, type Session, sessionQuery } from '../../session.ts'
import { ErrorMessage } from '../../ui/error-message.tsx'
import { shared } from '../../ui/messages.ts'
import { Page } from '../../ui/page.tsx'
import { PlainShell } from '../../ui/plain-shell.tsx'
import { useAction } from '../../ui/use-action.ts'
import { words } from './messages.ts'

/** The ways in: password with a code, passkey, identity providers. */
export function SignIn() {
  const { next } = useSearch({ from: '/sign-in' })
  const navigate = useNavigate()
  const { history } = useRouter()
  const { data: session } = useQuery(sessionQuery)
  const enter = async (begun: Session) => {
    beginSession(begun)
    if (begun.account.mustChangePassword) await navigate({ to: '/password', search: { next } })
    else history.push(next)
  }
  if (session?.needsSecondFactor) return <SecondStep onDone={enter} />
  return (
    <PlainShell>
      <Page title={words.title}>
        <Stack>
          <NotSetUp />
          {next !== '/' && <Text size="sm">{words.expired}</Text>}
          <PasswordForm onSignedIn={enter} />
          <OtherWays onSignedIn={enter} />
          <Text size="sm" c="dimmed">
            {words.forgotten}
          </Text>
        </Stack>
      </Page>
    </PlainShell>
  )
}

function NotSetUp() {
  const { data } = useQuery({ queryKey: ['setup'], queryFn: () => callPlainly('setup.get') })
  if (data?.isDone !== false) return null
  return (
    <Alert title={words.notSetUp}>
      {words.notSetUpText} <Code>{`${location.origin}/setup#code=`}</Code>
    </Alert>
  )
}

function PasswordForm({ onSignedIn }: { onSignedIn: (session: Session) => Promise<void> }) {
  const [email, setEmail] = useState('')
  const [password, setPassword] = useState('')
  const [code, setCode] = useState('')
  const [needsCode, setNeedsCode] = useState(false)
  const codeField = useRef<HTMLInputElement>(null)
  const signIn = useAction(async () => {
    try {
      const body = { email, password, ...(code !== '' && { code }) }
      await onSignedIn(await callPlainly('session.create', { body }))
    } catch (error) {
      if (codeOf(error) !== 'sign_in.code_required' || needsCode) throw error
      setNeedsCode(true)
      requestAnimationFrame(() => codeField.current?.focus())
    }
  })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    void signIn.run()
  }
  return (
    <form onSubmit={submit}>
      <Stack>
        <TextInput
          label={shared.email}
          type="email"
          value={email}
          onChange={(event) => setEmail(event.currentTarget.value)}
          autoComplete="username"
          required
        />
        <PasswordInput
          label={shared.password}
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
          autoComplete="current-password"
          required
        />
        {needsCode && (
          <TextInput
            ref={codeField}
            label={shared.code}
            value={code}
            onChange={(event) => setCode(event.currentTarget.value)}
            autoComplete="one-time-code"
            required
          />
        )}
        <ErrorMessage error={signIn.error} />
        <Button type="submit" loading={signIn.isRunning}>
          {words.submit}
        </Button>
      </Stack>
    </form>
  )
}

function OtherWays({ onSignedIn }: { onSignedIn: (session: Session) => Promise<void> }) {
  const { data } = useQuery({ queryKey: ['sign-in-options'], queryFn: () => callPlainly('session.options') })
  const byPasskey = useAction(async () => {
    const credential = await provePasskey(await callPlainly('session.passkey_begin'))
    // `as`: what a browser makes has the form of the contract, which the server checks.
    await onSignedIn(await callPlainly('session.passkey', { body: { credential } as { credential: never } }))
  })
  const atProvider = useAction(async (providerId: string) => {
    const { authorizationUrl } = await callPlainly('session.provider_begin', { body: { providerId } })
    location.assign(authorizationUrl)
  })
  const showsPasskeys = data?.passkeys === true && hasPasskeys()
  if (!showsPasskeys && (data?.identityProviders.length ?? 0) === 0) return null
  return (
    <Stack>
      <Divider label={words.or} />
      {showsPasskeys && (
        <Button
          variant="default"
          leftSection={<KeyIcon />}
          onClick={() => void byPasskey.run()}
          loading={byPasskey.isRunning}
        >
          {words.passkey}
        </Button>
      )}
      {data?.identityProviders.map(({ id, label }) => (
        <Button key={id} variant="default" onClick={() => void atProvider.run(id)}>
          {words.provider(label)}
        </Button>
      ))}
      <ErrorMessage error={byPasskey.error ?? atProvider.error} />
    </Stack>
  )
}

/** After an identity provider, where the account has a second factor. */
function SecondStep({ onDone }: { onDone: (session: Session) => Promise<void> }) {
  const [code, setCode] = useState('')
  const finish = useAction(async (prove: () => Promise<unknown>) => {
    await prove()
    await onDone(await callPlainly('session.get'))
  })
  const byPasskey = async () => {
    const credential = await provePasskey(await callPlainly('session.reauthenticate_passkey_begin'))
    // `as`: as above.
    await callPlainly('session.reauthenticate_passkey', { body: { credential } as { credential: never } })
  }
  return (
    <PlainShell>
      <Page title={words.oneMore} lead={words.oneMoreText}>
        <form
          onSubmit={(event) => {
            event.preventDefault()
            void finish.run(() => callPlainly('session.second_factor', { body: { code } }))
          }}
        >
          <Stack>
            <TextInput
              label={shared.code}
              value={code}
              onChange={(event) => setCode(event.currentTarget.value)}
              autoComplete="one-time-code"
              required
            />
            <ErrorMessage error={finish.error} />
            <Button type="submit" loading={finish.isRunning}>
              {words.finish}
            </Button>
            {hasPasskeys() && (
              <Button variant="default" onClick={() => void finish.run(byPasskey)}>
                {shared.usePasskey}
              </Button>
            )}
          </Stack>
        </form>
      </Page>
    </PlainShell>
  )
}
