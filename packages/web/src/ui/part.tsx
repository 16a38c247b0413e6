import { Box, Group, Paper, Stack, Table, Text, Title } from '@mantine/core'
import { type ReactNode, useId } from 'react'

/** A part of a page that is there by itself: heading, what it is, what can be done, and what there is. */
export function Part({
  title,
  lead,
  action,
  children,
}: {
  title: string
  lead: ReactNode
  action?: ReactNode
  children: ReactNode
}) {
  const heading = useId()
  return (
    <Paper withBorder p="lg" component="section" aria-labelledby={heading}>
      <Stack>
        <Group justify="space-between" align="flex-start">
          <Box flex="1 1 16rem" miw={0}>
            <Title order={2} size="h4" id={heading} className="breaks">
              {title}
            </Title>
            <Text size="sm" c="dimmed" maw="48rem">
              {lead}
            </Text>
          </Box>
          {action}
        </Group>
        {children}
      </Stack>
    </Paper>
  )
}

/** A table whose last column, where `actions` names it, is what can be done with a row. */
export function Grid({
  columns,
  actions,
  children,
}: {
  columns: readonly string[]
  actions?: string
  children: ReactNode
}) {
  return (
    <Table.ScrollContainer
      minWidth={560}
      // What has nothing in it to go to has to be reached itself, or a keyboard could not scroll it.
      {...(actions === undefined && { scrollAreaProps: { viewportProps: { tabIndex: 0 } } })}
    >
      <Table verticalSpacing="xs">
        <Table.Thead>
          <Table.Tr>
            {columns.map((label) => (
              <Table.Th key={label} scope="col">
                {label}
              </Table.Th>
            ))}
            {actions !== undefined && (
              <Table.Th scope="col" className="actions">
                {actions}
              </Table.Th>
            )}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>{children}</Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  )
}
