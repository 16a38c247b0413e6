import type { SshKey as SshKeyAnswer } from '@keyhold/contract/api/ssh-keys'
import { toDate } from '../../base/clock.ts'
import type { Tables } from '../../storage/tables.ts'

/** A public key that may enter its owner's workspaces. */
export interface SshKey {
  readonly id: string
  readonly accountId: string
  /** `SHA256:…` */
  readonly fingerprint: string
  readonly type: string
  readonly blob: Uint8Array
  readonly bits: number
  /** Empty when there is none. */
  readonly comment: string
  readonly createdAt: Date
  readonly expiresAt: Date | null
  readonly lastUsedAt: Date | null
}

export function rowToSshKey(row: Tables['ssh_keys']): SshKey {
  return {
    id: row.id,
    accountId: row.account_id,
    fingerprint: row.fingerprint,
    type: row.type,
    blob: row.blob,
    bits: row.bits,
    comment: row.comment,
    createdAt: new Date(row.created_at),
    expiresAt: toDate(row.expires_at),
    lastUsedAt: toDate(row.last_used_at),
  }
}

/** What a key is called: its comment, else its fingerprint. */
export const titleOf = ({ comment, fingerprint }: Pick<SshKey, 'comment' | 'fingerprint'>): string =>
  comment || fingerprint

export function toAnswer(key: SshKey, now: Date): SshKeyAnswer {
  const line = `${key.type} ${Buffer.from(key.blob).toString('base64')}`
  return {
    id: key.id,
    publicKey: key.comment ? `${line} ${key.comment}` : line,
    publicKeyFingerprint: key.fingerprint,
    title: titleOf(key),
    type: key.type,
    bits: key.bits,
    createdAt: key.createdAt.toISOString(),
    expiresAt: key.expiresAt?.toISOString() ?? null,
    lastUsedAt: key.lastUsedAt?.toISOString() ?? null,
    status: key.expiresAt !== null && key.expiresAt <= now ? 'expired' : 'active',
  }
}
