import { Button, Divider, Modal, PasswordInput, Stack, Text, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { around, type CallAnswer, callPlainly } from '../api.ts'
import { hasPasskeys, provePasskey } from '../passkey.ts'
import { sessionQuery } from '../session.ts'
import { ErrorMessage } from './error-message.tsx'
import { shared, stepUpWords } from './messages.ts'
import { useAction } from './use-action.ts'

type PasskeyProof = { credential: never }

/** Above every other dialog: any of them may be the one that needs it. */
const Z_INDEX = 500

/** Listens for calls that need a fresh sign-in, and asks for it. One question for all that wait. */
export function StepUp() {
  const [waiting, setWaiting] = useState<((isConfirmed: boolean) => void)[]>([])
  useEffect(() => {
    around.stepUp = () => new Promise((resolve) => setWaiting((others) => [...others, resolve]))
    return () => {
      around.stepUp = async () => false
    }
  }, [])
  const end = (isConfirmed: boolean) => {
    for (const resolve of waiting) resolve(isConfirmed)
    setWaiting([])
  }
  return waiting.length === 0 ? null : <StepUpDialog onEnd={end} />
}

function StepUpDialog({ onEnd }: { onEnd: (isConfirmed: boolean) => void }) {
  const { data: session } = useQuery(sessionQuery)
  const [password, setPassword] = useState('')
  const [code, setCode] = useState('')
  const [links, setLinks] = useState<CallAnswer<'identity-link.list'>['identityLinks']>([])
  useEffect(() => {
    callPlainly('identity-link.list').then(
      ({ identityLinks }) => setLinks(identityLinks),
      () => {},
    )
  }, [])
  const byPassword = useAction(async () => {
    await callPlainly('session.reauthenticate', { body: { password, ...(code !== '' && { code }) } })
    onEnd(true)
  })
  const byPasskey = useAction(async () => {
    const credential = await provePasskey(await callPlainly('session.reauthenticate_passkey_begin'))
    // `as`: what a browser makes has the form of the contract, which the server checks.
    await callPlainly('session.reauthenticate_passkey', { body: { credential } as PasskeyProof })
    onEnd(true)
  })
  const atProvider = useAction(async (providerId: string) => {
    const { authorizationUrl } = await callPlainly('session.reauthenticate_provider_begin', {
      body: { providerId },
    })
    location.assign(authorizationUrl)
  })
  return (
    <Modal opened onClose={() => onEnd(false)} title={stepUpWords.title} zIndex={Z_INDEX}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          void byPassword.run()
        }}
      >
        <Stack>
          <Text size="sm">{stepUpWords.text}</Text>
          <PasswordInput
            label={shared.password}
            value={password}
            onChange={(event) => setPassword(event.currentTarget.value)}
            autoComplete="current-password"
            required
            data-autofocus
          />
          {session?.account.hasSecondFactor && (
            <TextInput
              label={shared.code}
              value={code}
              onChange={(event) => setCode(event.currentTarget.value)}
              autoComplete="one-time-code"
              required
            />
          )}
          <ErrorMessage error={byPassword.error ?? byPasskey.error ?? atProvider.error} />
          <Button type="submit" loading={byPassword.isRunning}>
            {stepUpWords.confirm}
          </Button>
          {(hasPasskeys() || links.length > 0) && <Divider />}
          {hasPasskeys() && (
            <Button variant="default" onClick={() => void byPasskey.run()} loading={byPasskey.isRunning}>
              {shared.usePasskey}
            </Button>
          )}
          {links.map(({ id, provider }) => (
            <Button key={id} variant="default" onClick={() => void atProvider.run(provider.id)}>
              {stepUpWords.provider(provider.label)}
            </Button>
          ))}
        </Stack>
      </form>
    </Modal>
  )
}
