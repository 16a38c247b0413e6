import type { SecretType } from '@keyhold/contract/api/secrets'
import { limits } from '@keyhold/contract/limits'
import { nameWarning, pathVariable, refusedSecret } from '@keyhold/contract/names'
import type { Secret } from '@keyhold/contract/secret'
import { invalidField } from '../base/app-error.ts'
import { toDate } from '../base/clock.ts'
import type { Encoding } from '../base/secret-value.ts'
import type { TargetedSecretRow } from '../storage/tables.ts'

/*
 * Secrets that go into workspaces as variables and files: those of a person, and those of a workspace. What holds for both
 * is here; the kinds add whose they are and where they go.
 */

/** Such a secret without its value. */
export interface StoredTargetedSecret {
  readonly id: string
  /** Account or workspace. */
  readonly ownerId: string
  readonly name: string
  readonly type: SecretType
  readonly description: string
  readonly envName: string | null
  readonly filePath: string | null
  readonly isEnabled: boolean
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
export type Sealed<S> = S & { readonly sealed: Uint8Array; readonly encoding: Encoding }

export interface StoredTargetedVersion {
  readonly version: number
  readonly createdAt: Date
}

/**
 * What a workspace gets of one secret. By type, `envName` holds: token and password, the value; key, the value, and
 * `<envName>_FILE` the path; file, the path. The file is written with mode 0600, its parents are made.
 */
export interface DeliveredSecret {
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
  StoredTargetedSecret,
  'name' | 'type' | 'envName' | 'filePath' | 'isEnabled' | 'valueBytes'
>

/** Reads the columns that both kinds have. */
export function rowToTargeted(row: TargetedSecretRow, ownerId: string): StoredTargetedSecret {
  return {
    id: row.id,
    ownerId,
    name: row.name,
    type: row.type,
    description: row.description,
    envName: row.env_name,
    filePath: row.file_path,
    isEnabled: row.is_enabled === 1,
    version: row.current_version,
    valueBytes: row.value_bytes,
    isMasked: row.is_masked === 1,
    createdAt: new Date(row.created_at),
    updatedAt: new Date(row.updated_at),
    rotatedAt: new Date(row.rotated_at),
    expiresAt: toDate(row.expires_at),
    lastUsedAt: toDate(row.last_used_at),
  }
}

/** The path of its file; null when it makes none. @param folder for secrets that need a file and name none. */
export function deliveredPath(
  { type, envName, filePath }: Pick<Target, 'type' | 'envName' | 'filePath'>,
  folder: string,
): string | null {
  const needsFile = envName !== null && (type === 'file' || type === 'key')
  return filePath ?? (needsFile ? `${folder}/${envName}` : null)
}

/** Every variable that a secret sets. */
export function variablesOf({ type, envName }: Pick<Target, 'type' | 'envName'>): string[] {
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
    throw invalidField('envName', 'an enabled secret needs a variable or a file path; disable it to keep it')
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
 * Looks for what a secret may not share with another one of its owner.
 * @returns each field that is taken; empty when it is free.
 */
export function takenFields(
  target: Target & { readonly nameKey: string },
  others: readonly (Target & { readonly nameKey: string })[],
  folder: string,
): { field: string; message: string }[] {
  const variables = variablesOf(target)
  const path = deliveredPath(target, folder)
  const isName = others.some(({ nameKey }) => nameKey === target.nameKey)
  const isVariable = others.some((other) => variablesOf(other).some((name) => variables.includes(name)))
  const isPath = others.some((other) => isSameOrWithin(path, deliveredPath(other, folder)))
  return [
    ...(isName ? [{ field: 'name', message: 'name already in use' }] : []),
    ...(isVariable ? [{ field: 'envName', message: 'environment variable already in use' }] : []),
    ...(isPath ? [{ field: 'filePath', message: 'file path already in use' }] : []),
  ]
}

/** A file cannot be where another one has its folder. */
export function isSameOrWithin(a: string | null, b: string | null): boolean {
  if (a === null || b === null) return false
  return a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`)
}

/** How much an owner may have. */
export interface TargetedLimits {
  readonly count: number
  readonly totalBytes: number
  readonly environmentBytes: number
  /** Of one value, by type. */
  valueBytes(type: SecretType): number
}

/** @param all the owner's secrets as they would be. @returns which limit they exceed, in words. */
export function exceededLimit(all: readonly Target[], max: TargetedLimits): string | undefined {
  const sum = (bytesOf: (one: Target) => number) => all.reduce((total, one) => total + bytesOf(one), 0)
  if (all.length > max.count) return `there are ${max.count} already; delete one first`
  if (sum(({ valueBytes }) => valueBytes) > max.totalBytes)
    return `the values would have more than ${max.totalBytes} bytes together`
  if (sum(environmentBytes) > max.environmentBytes)
    return `the values in environment variables would have more than ${max.environmentBytes} bytes together; deliver one as a file`
  return undefined
}

/** Whether it is delivered at this time, as far as the secret itself goes. */
export function isLive({ isEnabled, expiresAt }: StoredTargetedSecret, now: Date): boolean {
  return isEnabled && (expiresAt === null || expiresAt > now)
}

/** What the answers about both kinds have. */
export function toTargetedAnswer(secret: StoredTargetedSecret, now: Date) {
  const { envName, expiresAt, lastUsedAt, isEnabled } = secret
  const isExpired = expiresAt !== null && expiresAt <= now
  return {
    id: secret.id,
    name: secret.name,
    type: secret.type,
    description: secret.description,
    envName,
    filePath: secret.filePath,
    isEnabled,
    version: secret.version,
    createdAt: secret.createdAt.toISOString(),
    updatedAt: secret.updatedAt.toISOString(),
    expiresAt: expiresAt?.toISOString() ?? null,
    lastUsedAt: lastUsedAt?.toISOString() ?? null,
    status: isExpired ? ('expired' as const) : isEnabled ? ('active' as const) : ('inactive' as const),
    nameWarning: (envName !== null && nameWarning(envName)) || null,
    isMasked: secret.isMasked,
  }
}

export function toTargetedVersion({ version, createdAt }: StoredTargetedVersion, current: number) {
  return { version, createdAt: createdAt.toISOString(), isCurrent: version === current }
}
