import type { SecretType } from '@keyhold/contract/api/secrets'

/** A secret that a workspace may get, without its value: what kinds tell the delivery of theirs. */
export interface Offer {
  readonly source: {
    readonly kind: 'workspace' | 'override' | 'project' | 'personal'
    /** The workspace, `project/environment` (also of an own value), or the owner. */
    readonly name: string
  }
  /** Of a project: where it was linked. */
  readonly link?: {
    readonly projectId: string
    readonly environment: string
    readonly hasReferences: boolean
  }
  readonly id: string
  readonly name: string
  readonly type: SecretType
  readonly version: number
  readonly expiresAt: Date | null
  /** Main variable; a key also sets `<envName>_FILE`. */
  readonly envName: string | null
  /** The path that was chosen for it. */
  readonly filePath: string | null
  /** Where its file is, when it needs one and none was chosen. */
  readonly folder: string
  /** Bytes of the value, before anything is put in place of its references. */
  readonly valueBytes: number
}
