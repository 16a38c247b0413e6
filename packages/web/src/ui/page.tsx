import { Box, Group, Stack, Text, Title } from '@mantine/core'
import { type ReactNode, useEffect, useRef } from 'react'
import { shared } from './messages.ts'

/** The first page of a visit: there the browser's own focus is right, and the skip link comes first. */
let isFirstPage = true

/** A page with its heading, which names the tab and has the focus once the page is there. */
export function Page(props: { title: string; lead?: ReactNode; actions?: ReactNode; children: ReactNode }) {
  const heading = useRef<HTMLHeadingElement>(null)
  const { title } = props
  useEffect(() => {
    document.title = shared.title(title)
  }, [title])
  useEffect(() => {
    if (!isFirstPage) heading.current?.focus()
    isFirstPage = false
  }, [])
  return (
    <Stack gap="lg">
      <Group justify="space-between" align="flex-start">
        <Box flex="1 1 20rem" miw={0}>
          <Title order={1} size="h2" ref={heading} tabIndex={-1} data-focus-target className="breaks">
            {title}
          </Title>
          {props.lead !== undefined && (
            <Text c="dimmed" mt={4} maw="48rem">
              {props.lead}
            </Text>
          )}
        </Box>
        {props.actions}
      </Group>
      {props.children}
    </Stack>
  )
}
