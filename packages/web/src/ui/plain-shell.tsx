import { Box, Center, Group, Paper, Text } from '@mantine/core'
import type { ReactNode } from 'react'
import { shared } from './messages.ts'
import { ColorSchemeMenu, SkipLink } from './shell.tsx'

/** What is around the pages of somebody who is not signed in. */
export function PlainShell({ children, width = '28rem' }: { children: ReactNode; width?: string }) {
  return (
    <Box mih="100vh" p="md">
      <SkipLink />
      <Group component="header" justify="space-between" mb="xl">
        <Text fw={700} size="lg">
          {shared.application}
        </Text>
        <ColorSchemeMenu />
      </Group>
      <Center component="main" id="content" tabIndex={-1} data-focus-target>
        <Paper withBorder p="xl" w="100%" maw={width}>
          {children}
        </Paper>
      </Center>
    </Box>
  )
}
