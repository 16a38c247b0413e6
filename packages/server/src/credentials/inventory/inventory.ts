import type { Credential } from '@keyhold/contract/api/credentials'
import type { Settings } from '@keyhold/contract/api/settings'
import type { CredentialItem } from '../../base/credential-item.ts'

export const DAY_MS = 86_400_000
/** What was not used for so long is probably not needed. */
const UNUSED_MS = 90 * DAY_MS

const daysSetting = { token: 'token', 'api-key': 'apiKey', password: 'password' } as const

/** When a credential is due for rotation; undefined when it never is. */
export function rotationDueAt(item: CredentialItem, { rotationDays }: Settings): Date | undefined {
  const days = item.rotationDays ?? (item.rotation === null ? null : rotationDays[daysSetting[item.rotation]])
  return days === null ? undefined : new Date(item.rotatedAt.getTime() + days * DAY_MS)
}

export function isExpired({ expiresAt }: CredentialItem, now: Date): boolean {
  return expiresAt !== null && expiresAt <= now
}

/** Whether the time has come to remind of the expiry, or it has passed. */
export function isExpiryNear({ expiresAt }: CredentialItem, { reminderDays }: Settings, now: Date): boolean {
  if (expiresAt === null || reminderDays === 0) return false
  return expiresAt.getTime() - now.getTime() <= reminderDays * DAY_MS
}

export function toCredential(item: CredentialItem, settings: Settings, now: Date): Credential {
  const dueAt = rotationDueAt(item, settings)
  const hasExpired = isExpired(item, now)
  return {
    kind: item.kind,
    id: item.id,
    name: item.name,
    purpose: item.purpose,
    usedIn: item.usedIn,
    accessLevel: item.accessLevel,
    createdAt: item.createdAt.toISOString(),
    lastUsedAt: item.lastUsedAt?.toISOString() ?? null,
    expiresAt: item.expiresAt?.toISOString() ?? null,
    isExpiringSoon: !hasExpired && isExpiryNear(item, settings, now),
    rotationDueAt: dueAt?.toISOString() ?? null,
    isRotationDue: dueAt !== undefined && dueAt <= now,
    isUnused: now.getTime() - (item.lastUsedAt ?? item.createdAt).getTime() > UNUSED_MS,
    status: hasExpired ? 'expired' : item.status,
  }
}

/** Soonest expiry first, so what has expired comes before all; then what is due for rotation; then by name. */
export function bySoonest(a: CredentialItem, b: CredentialItem, settings: Settings): number {
  const far = Number.MAX_SAFE_INTEGER
  const expiry = (item: CredentialItem) => item.expiresAt?.getTime() ?? far
  const rotation = (item: CredentialItem) => rotationDueAt(item, settings)?.getTime() ?? far
  return (
    expiry(a) - expiry(b) ||
    rotation(a) - rotation(b) ||
    a.kind.localeCompare(b.kind) ||
    a.name.localeCompare(b.name)
  )
}
