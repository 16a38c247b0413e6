import { Alert, Stack, Text } from '@mantine/core'
import { AlertIcon } from '@primer/octicons-react'
import { useQuery } from '@tanstack/react-query'
import { useIsAdmin } from '../../accounts.ts'
import { instanceQuery } from '../../instance.ts'
import { Command } from '../../ui/copy-button.tsx'
import { words } from './messages.ts'

/** Says to administrators, until somebody has proven a recovery kit, that everything could be lost. */
export function RootKeyReminder() {
  const { data } = useQuery({ ...instanceQuery, enabled: useIsAdmin() })
  const current = data?.rootKeys.find(({ state }) => state === 'current')
  if (current === undefined || current.kitProvenAt !== null) return null
  return (
    <Alert color="yellow" variant="light" title={words.kit} icon={<AlertIcon />}>
      <Stack gap="xs">
        <Text size="sm">{current.kitMadeAt === null ? words.kitMissing : words.kitUnproven}</Text>
        <Command
          command={current.kitMadeAt === null ? words.kitCreate : words.kitVerify}
          name={words.kitName}
        />
      </Stack>
    </Alert>
  )
}
