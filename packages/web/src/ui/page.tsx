import { Box, Group, Stack, Text, Title } from '@mantine/core'
import { type ReactNode, useEffect, useRef } from 'react'
import { shared } from './messages.ts'

/** The first page of a visit: there the browser's own focus is right, and the skip link comes first. */
let isFirstPage = true

interface Props {
  readonly title: string
  /** Name of what the page is a part of, for the tab. */
  readonly of?: string | undefined
  readonly lead?: ReactNode
  readonly actions?: ReactNode
  /** The way back up, above the heading. */
  readonly crumbs?: ReactNode
  readonly children: ReactNode
}

/** A page with its heading, which names the tab and has the focus once the page is there. */
export function Page(props: Props) {
  const heading = useRef<HTMLHeadingElement>(null)
  const { title, of } = props
  useEffect(() => {
    document.title = shared.title(of === undefined ? title : `${title} · ${of}`)
  }, [title, of])
  useEffect(() => {
    if (!isFirstPage) heading.current?.focus()
    isFirstPage = false
  }, [])
  return (
    <Stack gap="lg">
      <Group justify="space-between" align="flex-start">
        <Box flex="1 1 20rem" miw={0}>
          {props.crumbs}
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
