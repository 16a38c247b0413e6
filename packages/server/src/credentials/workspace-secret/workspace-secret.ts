import type { Settings } from '@keyhold/contract/api/settings'
import type { WorkspaceSecret as WorkspaceSecretAnswer } from '@keyhold/contract/api/workspace-secrets'
import type { CredentialItem } from '../../base/credential-item.ts'
import { rotationDueAt } from '../rotation.ts'
import { type StoredTargetedSecret, toTargetedAnswer } from '../targeted-secret.ts'

/** Where secrets go that need a file and name none: a folder that no other path leads into. */
export const WORKSPACE_FOLDER = '~/.keyhold/workspace'

/** A secret of a workspace without its value. Its owner is the workspace. */
export interface StoredWorkspaceSecret extends StoredTargetedSecret {
  readonly note: string
  /** 0: never; null: as the instance has it for its type. */
  readonly rotationDays: number | null
}

export function toAnswer(
  secret: StoredWorkspaceSecret,
  settings: Settings,
  now: Date,
): WorkspaceSecretAnswer {
  const dueAt = rotationDueAt(secret, settings)
  return {
    ...toTargetedAnswer(secret, now),
    note: secret.note,
    rotationDays: secret.rotationDays,
    rotatedAt: secret.rotatedAt.toISOString(),
    rotationDueAt: dueAt?.toISOString() ?? null,
    isRotationDue: dueAt !== undefined && dueAt <= now,
  }
}

/** As the inventory of the workspace's owner shows it. */
export function toItem(secret: StoredWorkspaceSecret, workspace: string): CredentialItem {
  const { type, rotationDays } = secret
  const ofType = type === 'token' || type === 'password' ? type : null
  return {
    kind: 'workspace-secret',
    id: secret.id,
    name: secret.name,
    purpose: secret.description,
    usedIn: `workspace ${workspace}`,
    accessLevel: null,
    createdAt: secret.createdAt,
    lastUsedAt: secret.lastUsedAt,
    expiresAt: secret.expiresAt,
    rotation: rotationDays === null ? ofType : null,
    ...(rotationDays !== null && rotationDays > 0 && { rotationDays }),
    rotatedAt: secret.rotatedAt,
    status: secret.isEnabled ? 'active' : 'inactive',
  }
}
