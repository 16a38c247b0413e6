import type { SecretType } from '@keyhold/contract/api/secrets'
import type { Settings } from '@keyhold/contract/api/settings'

const DAY_MS = 86_400_000

/** When a secret is due for a new value: by its own period, or else the instance's for its type (acceptance SEC-29). */
export function rotationDueAt(
  secret: {
    readonly type: SecretType
    /** 0: never; null: as the instance has it for its type. */
    readonly rotationDays: number | null
    readonly rotatedAt: Date
  },
  { rotationDays }: Settings,
): Date | undefined {
  const { type, rotatedAt } = secret
  const ofType = type === 'token' || type === 'password' ? rotationDays[type] : null
  const days = secret.rotationDays ?? ofType
  return days === null || days === 0 ? undefined : new Date(rotatedAt.getTime() + days * DAY_MS)
}
