import type { Settings } from '@keyhold/contract/api/settings'
import type { CredentialItem } from '../../base/credential-item.ts'
import { DAY_MS, isExpiryNear, rotationDueAt } from './inventory.ts'

/** A server that was off for so long still reminds of what expired meanwhile; what expired before is old news. */
const EXPIRED_MS = 30 * DAY_MS

/** One thing to remind a person of. Sent once by each way. */
export interface Reminder {
  readonly kind: CredentialItem['kind']
  readonly id: string
  readonly name: string
  readonly usedIn: string
  readonly reason: 'expires' | 'rotation'
  /** When it expires or expired, or since when it is due. */
  readonly dueAt: Date
}

/** What a person should be told of now, soonest first. */
export function dueReminders(items: readonly CredentialItem[], settings: Settings, now: Date): Reminder[] {
  const time = now.getTime()
  return items
    .flatMap((item): Reminder[] => {
      const { kind, id, name, usedIn, expiresAt } = item
      if (item.status === 'inactive') return []
      const about = { kind, id, name, usedIn }
      const untilExpiry = expiresAt === null ? Number.POSITIVE_INFINITY : expiresAt.getTime() - time
      if (expiresAt && isExpiryNear(item, settings, now)) {
        // Whoever is told that it ends need not be told to replace it.
        return untilExpiry > -EXPIRED_MS ? [{ ...about, reason: 'expires', dueAt: expiresAt }] : []
      }
      const dueAt = rotationDueAt(item, settings)
      return dueAt && dueAt <= now && untilExpiry > 0 ? [{ ...about, reason: 'rotation', dueAt }] : []
    })
    .sort((a, b) => a.dueAt.getTime() - b.dueAt.getTime())
}

const kinds: Record<CredentialItem['kind'], string> = {
  'repository-connection': 'code repository connection',
  'personal-secret': 'personal secret',
  'ssh-key': 'SSH key',
  'ssh-identity': 'SSH identity',
  'api-key': 'API key',
  'gpg-key': 'GPG key',
  'access-token': 'access token',
  'access-key': 'access key',
  secret: 'secret',
  'workspace-secret': 'secret of a workspace',
}

const day = (date: Date) => date.toISOString().slice(0, 10)

/** The mail of some reminders. Names of credentials are in its text, never in its headers. */
export function reminderMail(
  person: string,
  reminders: readonly Reminder[],
  now: Date,
  publicUrl: string,
): { subject: string; text: string } {
  const lines = reminders.map(({ kind, name, usedIn, reason, dueAt }) => {
    const what =
      reason === 'rotation'
        ? `is due for rotation since ${day(dueAt)}: give it a new value, or replace it`
        : dueAt <= now
          ? `expired on ${day(dueAt)}`
          : `expires on ${day(dueAt)}`
    return `* ${kinds[kind]} "${name}" (${usedIn}) ${what}`
  })
  const count = reminders.length === 1 ? 'a credential needs' : `${reminders.length} credentials need`
  return {
    subject: `Keyhold: ${count} your attention`,
    text: [
      `Hello ${person},`,
      '',
      ...lines,
      '',
      'All of your credentials: keyhold inventory',
      `This is the Keyhold at ${publicUrl}. You are told once of each date.`,
      '',
    ].join('\n'),
  }
}
