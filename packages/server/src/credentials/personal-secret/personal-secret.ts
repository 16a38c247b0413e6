import type {
  PersonalSecret as PersonalSecretAnswer,
  Workspaces,
} from '@keyhold/contract/api/personal-secrets'
import type { CredentialItem } from '../../base/credential-item.ts'
import { isLive, type StoredTargetedSecret, toTargetedAnswer } from '../targeted-secret.ts'

/** Where secrets go that need a file and name none: a folder that no other path of a personal secret leads into. */
export const PERSONAL_FOLDER = '~/.keyhold/personal'

/** A personal secret without its value. Its owner is an account. */
export interface StoredPersonalSecret extends StoredTargetedSecret {
  readonly workspaces: Workspaces
}

/** Whether a workspace gets it at this time. */
export function isDelivered(secret: StoredPersonalSecret, workspaceId: string, now: Date): boolean {
  const { workspaces } = secret
  return isLive(secret, now) && (workspaces === 'all' || workspaces.includes(workspaceId))
}

/** In one order, so that the same workspaces are the same text. */
export const toColumn = (workspaces: Workspaces): string | null =>
  workspaces === 'all' ? null : JSON.stringify([...workspaces].sort())

export const fromColumn = (column: string | null): Workspaces =>
  column === null ? 'all' : (JSON.parse(column) as string[]) // `as`: written by toColumn.

export function toAnswer(secret: StoredPersonalSecret, now: Date): PersonalSecretAnswer {
  return { ...toTargetedAnswer(secret, now), workspaces: secret.workspaces }
}

/** As the inventory shows it. Keys and files are replaced when their service says so, not by the calendar. */
export function toItem(secret: StoredPersonalSecret): CredentialItem {
  const { type, workspaces } = secret
  return {
    kind: 'personal-secret',
    id: secret.id,
    name: secret.name,
    purpose: secret.description,
    usedIn: workspaces === 'all' ? 'all workspaces' : workspaces.join(', '),
    accessLevel: null,
    createdAt: secret.createdAt,
    lastUsedAt: secret.lastUsedAt,
    expiresAt: secret.expiresAt,
    rotation: type === 'token' || type === 'password' ? type : null,
    rotatedAt: secret.rotatedAt,
    status: secret.isEnabled ? 'active' : 'inactive',
  }
}
