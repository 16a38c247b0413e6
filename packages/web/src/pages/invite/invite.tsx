import { Button, PasswordInput, Stack, TextInput } from '@mantine/core'
import { useNavigate } from '@tanstack/react-router'
import { useEffect, useRef, useState } from 'react'
import { type CallAnswer, callPlainly } from '../../api.ts'
import { beginSession } from '../../session.ts'
import { ErrorMessage, fieldError } from '../../ui/error-message.tsx'
import { codeIn, takeFromFragment } from '../../ui/fragment.ts'
import { shared } from '../../ui/messages.ts'
import { NewPassword } from '../../ui/new-password.tsx'
import { Page } from '../../ui/page.tsx'
import { PlainShell } from '../../ui/plain-shell.tsx'
import { useAction } from '../../ui/use-action.ts'
import { words } from './messages.ts'

/** Where the link of an invitation leads. The link is kept in this page only. */
export function Invite() {
  const token = useRef('')
  const [typed, setTyped] = useState('')
  const [invitation, setInvitation] = useState<CallAnswer<'invitation.find'>>()
  const look = useAction(async () => {
    setInvitation(await callPlainly('invitation.find', { body: { token: token.current } }))
  })
  useEffect(() => {
    const found = takeFromFragment('token')
    if (found === '') return
    token.current = found
    void look.run()
  }, [look.run])
  return (
    <PlainShell width="32rem">
      <Page title={words.title} lead={invitation && words.lead(invitation.invitedBy, invitation.email)}>
        {invitation ? (
          <Account email={invitation.email} token={token.current} />
        ) : (
          <form
            onSubmit={(event) => {
              event.preventDefault()
              token.current = codeIn(typed)
              void look.run()
            }}
          >
            <Stack>
              <PasswordInput
                label={words.link}
                value={typed}
                onChange={(event) => setTyped(event.currentTarget.value)}
                autoComplete="off"
                required
              />
              <ErrorMessage error={look.error} />
              <Button type="submit" loading={look.isRunning}>
                {words.show}
              </Button>
            </Stack>
          </form>
        )}
      </Page>
    </PlainShell>
  )
}

function Account({ email, token }: { email: string; token: string }) {
  const navigate = useNavigate()
  const [name, setName] = useState('')
  const [password, setPassword] = useState<string>()
  const accept = useAction(async () => {
    if (password === undefined) return
    await callPlainly('invitation.accept', { body: { token, name, password } })
    beginSession(await callPlainly('session.create', { body: { email, password } }))
    await navigate({ to: '/' })
  })
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        void accept.run()
      }}
    >
      <Stack>
        <TextInput
          label={shared.yourName}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          error={fieldError(accept.error, 'name')}
          autoComplete="name"
          required
        />
        <NewPassword onChange={setPassword} label={shared.password} />
        <ErrorMessage error={accept.error} />
        <Button type="submit" loading={accept.isRunning}>
          {words.submit}
        </Button>
      </Stack>
    </form>
  )
}
