import type { CredentialKind } from '@keyhold/contract/api/credentials'

/** After how many days a credential is due for rotation is settable for each of these. */
export type RotationClass = 'token' | 'api-key' | 'password'

/** One credential as its kind tells the inventory of it. Holds no value. */
export interface CredentialItem {
  readonly kind: CredentialKind
  readonly id: string
  readonly name: string
  /** What it is for, in its person's words; empty when they gave none. */
  readonly purpose: string
  /** Where it is used: a host, a provider, a project, "all workspaces". */
  readonly usedIn: string
  /** How far it reaches; null for kinds without levels. */
  readonly accessLevel: string | null
  readonly createdAt: Date
  readonly lastUsedAt: Date | null
  readonly expiresAt: Date | null
  /** null: needs no rotation. */
  readonly rotation: RotationClass | null
  /** Days of its own in place of those of its class. */
  readonly rotationDays?: number
  /** When the value was made or last changed. */
  readonly rotatedAt: Date
  /** `expired` follows from `expiresAt` and is not for the kind to say. */
  readonly status: 'active' | 'inactive' | 'broken'
}

/** What a kind of credential offers to the inventory. */
export interface CredentialSource {
  /** Everything of this kind that belongs to the account, in any order. Decides nothing: the inventory has decided. */
  items(accountId: string): Promise<CredentialItem[]>
}
