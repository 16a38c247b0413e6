import type {
  PersonalSecret as PersonalSecretAnswer,
  PersonalSecretVersion,
  Workspaces,
} from '@keyhold/contract/api/personal-secrets'
import type { SecretType } from '@keyhold/contract/api/secrets'
import { limits } from '@keyhold/contract/limits'
import { nameWarning, pathVariable, refusedSecret } from '@keyhold/contract/names'
import type { Secret } from '@keyhold/contract/secret'
import { AppError, invalidField } from '../../base/app-error.ts'
import type { CredentialItem } from '../../base/credential-item.ts'
import type { Encoding } from '../../base/secret-value.ts'

/** Where secrets go that need a file and name none: a folder that no other path of a personal secret leads into. */
const DEFAULT_FOLDER = '~/.keyhold/personal'

/** A personal secret without its value. */
export interface StoredPersonalSecret {
  readonly id: string
  readonly accountId: string
  readonly name: string
  readonly type: SecretType
  readonly description: string
  readonly envName: string | null
  readonly filePath: string | null
  readonly isEnabled: boolean
  readonly workspaces: Workspaces
  readonly version: number
  readonly valueBytes: number
  readonly isMasked: boolean
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly rotatedAt: Date
  readonly expiresAt: Date | null
  readonly lastUsedAt: Date | null
}

/** With one of its values, still sealed. */
export interface SealedPersonalSecret extends StoredPersonalSecret {
  readonly sealed: Uint8Array
  readonly encoding: Encoding
}

export interface StoredPersonalSecretVersion {
  readonly version: number
  readonly createdAt: Date
}

/**
 * What a workspace gets of one secret. By type, `envName` holds: token and password, the value; key, the value, and
 * `<envName>_FILE` the path; file, the path. The file is written with mode 0600, its parents are made.
 */
export interface DeliveredPersonalSecret {
  readonly id: string
  readonly name: string
  readonly type: SecretType
  readonly envName: string | null
  /** Also where none was chosen, but a variable names the file. */
  readonly filePath: string | null
  readonly value: Secret<Uint8Array>
  readonly encoding: Encoding
  readonly version: number
}

/** Where a secret goes, as far as its rules go. */
export type Target = Pick<
  StoredPersonalSecret,
  'name' | 'type' | 'envName' | 'filePath' | 'isEnabled' | 'valueBytes'
>

/** The path of its file; null when it makes none. */
export function deliveredPath({ type, envName, filePath }: Omit<Target, 'name'>): string | null {
  const needsFile = envName !== null && (type === 'file' || type === 'key')
  return filePath ?? (needsFile ? `${DEFAULT_FOLDER}/${envName}` : null)
}

/** Every variable that a secret sets. */
function variablesOf({ type, envName }: Target): string[] {
  if (envName === null) return []
  return type === 'key' ? [envName, pathVariable(envName)] : [envName]
}

/** Bytes that it takes of the environment of a process. */
const environmentBytes = ({ type, envName, isEnabled, valueBytes }: Target): number =>
  isEnabled && envName !== null && type !== 'file' ? valueBytes : 0

/** @throws AppError `request.invalid` when a secret may not be delivered so. */
export function assertTarget({ type, envName, filePath, isEnabled }: Omit<Target, 'name'>): void {
  if (envName !== null) {
    const refused = refusedSecret(envName, type)
    // The message of a wrong form does not quote the name: what was pasted there may be a value.
    if (refused) throw invalidField('envName', refused.message)
  }
  if (filePath !== null) {
    const message = refusedPath(filePath)
    if (message) throw invalidField('filePath', message)
  }
  if (isEnabled && envName === null && filePath === null)
    throw new AppError('request.invalid', {
      errors: [
        {
          field: 'envName',
          message: 'an enabled secret needs a variable or a file path; disable it to keep it',
        },
      ],
    })
}

/** Why a file may not be at this path. One file has one spelling, so that two secrets cannot mean the same one. */
function refusedPath(path: string): string | undefined {
  if (!path.startsWith('~/') && !path.startsWith('/')) return 'starts with ~/ or /'
  if (Buffer.byteLength(path) > limits.filePathBytes) return `is longer than ${limits.filePathBytes} bytes`
  if (/[\u0000-\u001f\u007f]/.test(path) || !path.isWellFormed()) return 'cannot hold control characters'
  const segments = path.split('/').slice(1)
  if (segments.includes('..')) return 'cannot have a .. segment'
  if (segments.includes('.') || segments.includes(''))
    return 'names a file: no . segment, no // and no / at its end'
  if (path.startsWith('~/.keyhold/') || path === '~/.keyhold') return '~/.keyhold is kept for Keyhold itself'
  return undefined
}

/**
 * Looks for what a secret may not share with another one of its person.
 * @throws AppError `personal_secret.taken` with each field that is taken.
 */
export function assertFree(
  target: Target & { readonly nameKey: string },
  others: readonly (Target & { readonly nameKey: string })[],
): void {
  const variables = variablesOf(target)
  const path = deliveredPath(target)
  const isName = others.some(({ nameKey }) => nameKey === target.nameKey)
  const isVariable = others.some((other) => variablesOf(other).some((name) => variables.includes(name)))
  const isPath = others.some((other) => isSameOrWithin(path, deliveredPath(other)))
  const errors = [
    ...(isName ? [{ field: 'name', message: 'name already in use' }] : []),
    ...(isVariable ? [{ field: 'envName', message: 'environment variable already in use' }] : []),
    ...(isPath ? [{ field: 'filePath', message: 'file path already in use' }] : []),
  ]
  if (errors.length > 0) throw new AppError('personal_secret.taken', { errors })
}

/** A file cannot be where another one has its folder. */
function isSameOrWithin(a: string | null, b: string | null): boolean {
  if (a === null || b === null) return false
  return a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`)
}

/** @param all the person's secrets as they would be. @throws AppError `personal_secret.limit` saying which. */
export function assertWithinLimits(all: readonly Target[]): void {
  const sum = (bytesOf: (one: Target) => number) => all.reduce((total, one) => total + bytesOf(one), 0)
  const exceeded =
    all.length > limits.personalSecretsPerPerson
      ? `you have ${limits.personalSecretsPerPerson} personal secrets; delete one first`
      : sum(({ valueBytes }) => valueBytes) > limits.personalTotalBytes
        ? `your values would have more than ${limits.personalTotalBytes} bytes together`
        : sum(environmentBytes) > limits.personalEnvironmentBytes
          ? `the values in environment variables would have more than ${limits.personalEnvironmentBytes} bytes together; deliver one as a file`
          : undefined
  if (exceeded) throw new AppError('personal_secret.limit', { detail: exceeded })
}

/** Whether a workspace gets it at this time. */
export function isDelivered(secret: StoredPersonalSecret, workspaceId: string, now: Date): boolean {
  const { isEnabled, workspaces, expiresAt } = secret
  const isFor = workspaces === 'all' || workspaces.includes(workspaceId)
  return isEnabled && isFor && (expiresAt === null || expiresAt > now)
}

export function toAnswer(secret: StoredPersonalSecret, now: Date): PersonalSecretAnswer {
  const { envName, expiresAt, lastUsedAt, isEnabled, workspaces } = secret
  const isExpired = expiresAt !== null && expiresAt <= now
  return {
    id: secret.id,
    name: secret.name,
    type: secret.type,
    description: secret.description,
    envName,
    filePath: secret.filePath,
    isEnabled,
    workspaces,
    version: secret.version,
    createdAt: secret.createdAt.toISOString(),
    updatedAt: secret.updatedAt.toISOString(),
    expiresAt: expiresAt?.toISOString() ?? null,
    lastUsedAt: lastUsedAt?.toISOString() ?? null,
    status: isExpired ? 'expired' : isEnabled ? 'active' : 'inactive',
    nameWarning: (envName !== null && nameWarning(envName)) || null,
    isMasked: secret.isMasked,
  }
}

export function toVersion(version: StoredPersonalSecretVersion, current: number): PersonalSecretVersion {
  return {
    version: version.version,
    createdAt: version.createdAt.toISOString(),
    isCurrent: version.version === current,
  }
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
