import { Button, Skeleton, Stack } from '@mantine/core'
import type { UseQueryResult } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { ErrorMessage } from './error-message.tsx'
import { shared } from './messages.ts'

const ROWS = 4

/** What was read, its outline while it comes, or why it did not come. */
export function QueryView<Data>({
  query,
  children,
}: {
  query: UseQueryResult<Data>
  children: (data: Data) => ReactNode
}) {
  if (query.data !== undefined) return children(query.data)
  if (query.isPending)
    return (
      <Stack gap="xs" aria-busy="true" aria-label={shared.loading} role="status">
        {Array.from({ length: ROWS }, (_, i) => `row ${i}`).map((key) => (
          <Skeleton key={key} height={36} />
        ))}
      </Stack>
    )
  return (
    <Stack align="flex-start">
      <ErrorMessage error={query.error} />
      <Button variant="default" onClick={() => void query.refetch()}>
        {shared.tryAgain}
      </Button>
    </Stack>
  )
}
