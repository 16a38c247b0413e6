import type {
  SecretInfo,
  SecretSource,
  SecretType,
  SecretValue,
  SecretVersion,
} from '@keyhold/contract/api/secrets'
import type { Settings } from '@keyhold/contract/api/settings'
import { nameWarning, refusedSecret } from '@keyhold/contract/names'
import type { Secret } from '@keyhold/contract/secret'
import type { RecordDetail } from '../../access/access.ts'
import { invalidField } from '../../base/app-error.ts'
import type { Encoding } from '../../base/secret-value.ts'
import { rotationDueAt } from '../rotation.ts'

/** A secret without its value. */
export interface StoredSecret {
  readonly id: string
  readonly projectId: string
  readonly environmentId: string
  readonly environment: string
  readonly isInDefault: boolean
  readonly name: string
  readonly type: SecretType
  readonly description: string
  readonly version: number
  readonly isMasked: boolean
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly updatedBy: string | null
  readonly lastAccessedAt: Date | null
  /** Whether the current value has references. */
  readonly hasReferences: boolean
  readonly note: string
  /** 0: never; null: as the instance has it for its type. */
  readonly rotationDays: number | null
  /** When the current version was made. */
  readonly rotatedAt: Date
}

/** A secret, and where the value of who asks comes from. */
export interface ListedSecret extends StoredSecret {
  readonly source: SecretSource
}

/** What a delivery needs of a secret, with its value still sealed. */
export interface SealedSecret
  extends Pick<
    StoredSecret,
    | 'id'
    | 'projectId'
    | 'environment'
    | 'isInDefault'
    | 'name'
    | 'type'
    | 'version'
    | 'lastAccessedAt'
    | 'hasReferences'
  > {
  readonly sealed: Uint8Array
  readonly encoding: Encoding
}

export interface StoredVersion {
  readonly version: number
  readonly createdAt: Date
  readonly createdBy: string | null
  readonly hasReferences: boolean
}

/** @throws AppError `request.invalid` when the name may not be given to a secret. */
export function assertSecretName(name: string, type: SecretType): void {
  const refused = refusedSecret(name, type)
  // The message of a wrong form does not quote the name: what was pasted there may be a value.
  if (refused) throw invalidField('name', refused.message)
}

export function toInfo(secret: StoredSecret, settings: Settings, now: Date): SecretInfo {
  const dueAt = rotationDueAt(secret, settings)
  return {
    id: secret.id,
    name: secret.name,
    type: secret.type,
    environment: secret.environment,
    description: secret.description,
    version: secret.version,
    createdAt: secret.createdAt.toISOString(),
    updatedAt: secret.updatedAt.toISOString(),
    updatedBy: secret.updatedBy,
    lastAccessedAt: secret.lastAccessedAt?.toISOString() ?? null,
    nameWarning: nameWarning(secret.name) ?? null,
    isMasked: secret.isMasked,
    hasReferences: secret.hasReferences,
    note: secret.note,
    rotationDays: secret.rotationDays,
    rotatedAt: secret.rotatedAt.toISOString(),
    rotationDueAt: dueAt?.toISOString() ?? null,
    isRotationDue: dueAt !== undefined && dueAt <= now,
  }
}

export function toVersion(version: StoredVersion, current: number): SecretVersion {
  return {
    version: version.version,
    createdAt: version.createdAt.toISOString(),
    createdBy: version.createdBy,
    isCurrent: version.version === current,
    hasReferences: version.hasReferences,
  }
}

/**
 * Puts an opened value into the answer: the last line that handles it.
 * @param encoding another than the stored value's where references were resolved: those give text.
 */
export function toValue(
  secret: SealedSecret,
  value: Secret<Uint8Array>,
  encoding: Encoding = secret.encoding,
): SecretValue {
  const bytes = value.reveal()
  return {
    name: secret.name,
    type: secret.type,
    value: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString(encoding),
    encoding,
    version: secret.version,
    environment: secret.environment,
  }
}

/** The form of a name, but for what is plainly a token in the wrong place. */
export const SECRET_NAME =
  /^(?!(?:kh|gh[pousr]|github|glpat|sk|xox[a-z])_[A-Za-z0-9_]{12})[A-Za-z_][A-Za-z0-9_]{0,255}$/
const ID = /^sec_[0-9a-z]{20}$/

/** What an attempt was about. A name or id that could not exist is left out: what was pasted there may be a value. */
export function secretAttempt({
  id,
  name,
  environment,
}: {
  id?: string
  name?: string
  environment?: string | undefined
}): RecordDetail {
  const target = {
    kind: 'secret',
    ...(id !== undefined && ID.test(id) && { id }),
    ...(name !== undefined && SECRET_NAME.test(name) && { name }),
  }
  const isNamed = 'id' in target || 'name' in target
  return { ...(environment !== undefined && { environment }), ...(isNamed && { target }) }
}

/** What a record says of a secret: never its value. */
export function secretRecord({ id, name, version, environment }: StoredSecret | SealedSecret) {
  return { environment, target: { kind: 'secret', id, name, version } }
}
