import { Badge, Group } from '@mantine/core'
import type { Credential } from '../credentials.ts'
import { stateWords } from './messages.ts'

/** Why a credential needs its person, in words; empty when it does not. */
export function reasonsOf(one: Credential): string[] {
  return [
    one.status === 'expired' ? stateWords.expired : undefined,
    one.status === 'broken' ? stateWords.broken : undefined,
    one.isExpiringSoon ? stateWords.soon : undefined,
    one.isRotationDue ? stateWords.due : undefined,
    one.isUnused ? stateWords.unused : undefined,
  ].filter((reason) => reason !== undefined)
}

/** The reasons, as words with a color. */
export function Reasons({ credential }: { credential: Credential }) {
  return (
    <Group gap={4}>
      {reasonsOf(credential).map((reason) => (
        <StateBadge
          key={reason}
          label={reason}
          color={reason === stateWords.expired || reason === stateWords.broken ? 'red' : 'yellow'}
        />
      ))}
    </Group>
  )
}

/** A word with a color, which says nothing that the word does not. */
export function StateBadge({ label, color }: { label: string; color: 'red' | 'yellow' | 'green' | 'gray' }) {
  return (
    <Badge variant="light" color={color} tt="none" fw={600} miw="max-content" c="var(--mantine-color-text)">
      {label}
    </Badge>
  )
}
