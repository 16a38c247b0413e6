import { Paper, Text, Title } from '@mantine/core'
import type { ReactNode } from 'react'

interface Props {
  readonly title: string
  /** Of the heading: 2 on a page, 3 in a section. */
  readonly order?: 2 | 3
  readonly children: ReactNode
}

/** In place of a list that has nothing in it: what would be here, and how it comes about. */
export function EmptyState({ title, order = 2, children }: Props) {
  return (
    <Paper withBorder p="lg">
      <Title order={order} size="h4">
        {title}
      </Title>
      <Text c="dimmed" component="div" maw="48rem">
        {children}
      </Text>
    </Paper>
  )
}
