import { Anchor, Button, Group, Stack } from '@mantine/core'
import { Link, useRouter } from '@tanstack/react-router'
import { ErrorMessage } from './error-message.tsx'
import { errorWords, notFound, shared } from './messages.ts'
import { Page } from './page.tsx'

/** In place of a page that could not be shown. */
export function FailedPage({ error, reset }: { error: unknown; reset: () => void }) {
  const router = useRouter()
  const again = () => {
    reset()
    void router.invalidate()
  }
  return (
    <Page title={errorWords.what}>
      <ErrorMessage error={error} />
      <Group>
        <Button onClick={again}>{shared.tryAgain}</Button>
        <Button variant="default" onClick={() => location.reload()}>
          {errorWords.reload}
        </Button>
      </Group>
    </Page>
  )
}

/** For an address that leads nowhere. */
export function NotFoundPage() {
  return (
    <Page title={notFound.title} lead={notFound.text}>
      <Stack align="flex-start">
        <Anchor component={Link} to="/">
          {notFound.home}
        </Anchor>
      </Stack>
    </Page>
  )
}
