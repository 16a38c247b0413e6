import { Paper, Text, Title } from '@mantine/core'
import type { ReactNode } from 'react'

/** In place of a list that has nothing in it: what would be here, and how it comes about. */
export function EmptyState({ title, children }: { title: string; children: ReactNode }) {
  return (
    <Paper withBorder p="lg">
      <Title order={2} size="h4">
        {title}
      </Title>
      <Text c="dimmed" component="div" maw="48rem">
        {children}
      </Text>
    </Paper>
  )
}
