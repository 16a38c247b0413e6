import { Button, PasswordInput, Stack } from '@mantine/core'
import { useRouter, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { callPlainly } from '../../api.ts'
import { beginSession } from '../../session.ts'
import { ErrorMessage } from '../../ui/error-message.tsx'
import { NewPassword } from '../../ui/new-password.tsx'
import { Page } from '../../ui/page.tsx'
import { PlainShell } from '../../ui/plain-shell.tsx'
import { useAction } from '../../ui/use-action.ts'
import { words } from './messages.ts'

/** For somebody with a temporary password: nothing else is possible before. */
export function ChangePassword() {
  const { next } = useSearch({ from: '/password' })
  const { history } = useRouter()
  const [currentPassword, setCurrent] = useState('')
  const [newPassword, setNew] = useState<string>()
  const change = useAction(async () => {
    if (newPassword === undefined) return
    await callPlainly('account.password', { body: { currentPassword, newPassword } })
    beginSession(await callPlainly('session.get'))
    history.push(next)
  })
  return (
    <PlainShell>
      <Page title={words.title} lead={words.lead}>
        <form
          onSubmit={(event) => {
            event.preventDefault()
            void change.run()
          }}
        >
          <Stack>
            <PasswordInput
              label={words.current}
              value={currentPassword}
              onChange={(event) => setCurrent(event.currentTarget.value)}
              autoComplete="current-password"
              required
            />
            <NewPassword onChange={setNew} />
            <ErrorMessage error={change.error} />
            <Button type="submit" loading={change.isRunning}>
              {words.submit}
            </Button>
          </Stack>
        </form>
      </Page>
    </PlainShell>
  )
}
