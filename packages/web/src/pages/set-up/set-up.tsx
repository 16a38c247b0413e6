import { Anchor, Button, PasswordInput, Skeleton, Stack, Text, TextInput, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { callPlainly } from '../../api.ts'
import { beginSession } from '../../session.ts'
import { Command } from '../../ui/copy-button.tsx'
import { ErrorMessage, fieldError } from '../../ui/error-message.tsx'
import { FirstSteps } from '../../ui/first-steps.tsx'
import { codeIn, takeFromFragment } from '../../ui/fragment.ts'
import { firstWords, shared } from '../../ui/messages.ts'
import { NewPassword } from '../../ui/new-password.tsx'
import { Page } from '../../ui/page.tsx'
import { PlainShell } from '../../ui/plain-shell.tsx'
import { useAction } from '../../ui/use-action.ts'
import { words } from './messages.ts'

/** Where the link leads that a new server prints. */
export function SetUp() {
  const { data, error, isPending } = useQuery({
    queryKey: ['setup'],
    queryFn: () => callPlainly('setup.get'),
    // What this page does changes it, and the page goes on.
    refetchOnWindowFocus: false,
  })
  const [isReady, setReady] = useState(false)
  if (isReady) return <Ready />
  return (
    <PlainShell width="32rem">
      {isPending ? (
        <Skeleton height={320} aria-label={shared.loading} />
      ) : data?.isDone ? (
        <Page title={words.done} lead={words.doneText}>
          <Anchor component={Link} to="/sign-in">
            {words.signIn}
          </Anchor>
        </Page>
      ) : (
        <Page title={words.title} lead={words.lead}>
          <ErrorMessage error={error} />
          <Account onDone={() => setReady(true)} />
        </Page>
      )}
    </PlainShell>
  )
}

function Account({ onDone }: { onDone: () => void }) {
  const [linkCode] = useState(() => takeFromFragment('code'))
  const [typedCode, setTypedCode] = useState('')
  const [email, setEmail] = useState('')
  const [name, setName] = useState('')
  const [password, setPassword] = useState<string>()
  const setUp = useAction(async () => {
    if (password === undefined) return
    const code = linkCode || codeIn(typedCode)
    await callPlainly('setup.create', { body: { code, email, name, password } })
    beginSession(await callPlainly('session.create', { body: { email, password } }))
    onDone()
  })
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        void setUp.run()
      }}
    >
      <Stack>
        {linkCode === '' && (
          <PasswordInput
            label={words.code}
            description={words.codeHelp}
            value={typedCode}
            onChange={(event) => setTypedCode(event.currentTarget.value)}
            autoComplete="off"
            required
          />
        )}
        <TextInput
          label={shared.yourName}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          error={fieldError(setUp.error, 'name')}
          autoComplete="name"
          required
        />
        <TextInput
          label={shared.email}
          type="email"
          value={email}
          onChange={(event) => setEmail(event.currentTarget.value)}
          error={fieldError(setUp.error, 'email')}
          autoComplete="username"
          required
        />
        <NewPassword onChange={setPassword} label={shared.password} />
        <ErrorMessage error={setUp.error} />
        <Button type="submit" loading={setUp.isRunning}>
          {words.submit}
        </Button>
      </Stack>
    </form>
  )
}

function Ready() {
  return (
    <PlainShell width="46rem">
      <Page title={words.ready} lead={words.readyLead}>
        <Stack>
          <Title order={2} size="h4">
            {words.kit}
          </Title>
          <Text>{words.kitText}</Text>
          <Command command={words.kitCommand} name={words.kitName} />
          <Title order={2} size="h4" mt="md">
            {firstWords.title}
          </Title>
          <Text>{firstWords.lead}</Text>
          <FirstSteps />
          <Button component={Link} to="/" variant="default">
            {words.home}
          </Button>
        </Stack>
      </Page>
    </PlainShell>
  )
}
