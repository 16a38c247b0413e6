import { isUtf8 } from 'node:buffer'
import type { SecretInfo, SecretType, SecretValue, SecretVersion } from '@keyhold/contract/api/secrets'
import { limits } from '@keyhold/contract/limits'
import { nameWarning, refusedSecret } from '@keyhold/contract/names'
import { Secret } from '@keyhold/contract/secret'
import { invalidField } from '../../base/app-error.ts'

export type Encoding = 'utf8' | 'base64'

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
}

/** What a delivery needs of a secret, with its value still sealed. */
export interface SealedSecret
  extends Pick<
    StoredSecret,
    'id' | 'projectId' | 'environment' | 'isInDefault' | 'name' | 'type' | 'version' | 'lastAccessedAt'
  > {
  readonly sealed: Uint8Array
  readonly encoding: Encoding
}

export interface StoredVersion {
  readonly version: number
  readonly createdAt: Date
  readonly createdBy: string | null
}

/** A value as it came in: bytes, and how they are written in JSON. */
export interface Plaintext {
  readonly bytes: Secret<Uint8Array>
  readonly encoding: Encoding
}

/** @throws AppError `request.invalid` when the name may not be given to a secret. */
export function assertSecretName(name: string, type: SecretType): void {
  const refused = refusedSecret(name, type)
  // The message of a wrong form does not quote the name: what was pasted there may be a value.
  if (refused) throw invalidField('name', refused.message)
}

const PEM_KEY = /^-----BEGIN ([A-Z0-9 ]*KEY(?: BLOCK)?)-----\r?\n[\s\S]+\n-----END \1-----\s*$/
const SSH_KEY = /^(?:ssh-|ecdsa-|sk-)[a-z0-9@.-]+ [A-Za-z0-9+/]+=*(?: .*)?\s*$/

/**
 * Reads a value from a request. @throws AppError `request.invalid` naming the rule it breaks, never the value.
 */
export function parseValue(type: SecretType, value: string, encoding: Encoding = 'utf8'): Plaintext {
  const bytes = Buffer.from(value, encoding)
  if (encoding === 'base64' && bytes.toString('base64') !== value)
    throw invalidField('value', 'is not base64')
  if (encoding === 'utf8' && !value.isWellFormed())
    throw invalidField('value', 'is not Unicode text; send it as base64')
  if (bytes.length === 0) throw invalidField('value', 'is empty')
  const bytesMax = type === 'file' ? limits.fileValueBytes : limits.valueBytes
  if (bytes.length > bytesMax) {
    throw invalidField('value', `is larger than ${bytesMax} bytes, the limit for type ${type}`)
  }
  if (type !== 'file') {
    if (bytes.includes(0))
      throw invalidField('value', `of type ${type} cannot hold a NUL byte; use type file`)
    if (!isUtf8(bytes)) throw invalidField('value', `of type ${type} must be UTF-8 text; use type file`)
  }
  if (type === 'key' && !PEM_KEY.test(bytes.toString('latin1')) && !SSH_KEY.test(bytes.toString('latin1'))) {
    throw invalidField(
      'value',
      'of type key must be a key in PEM or OpenSSH form; use type file to store it unchecked',
    )
  }
  return { bytes: new Secret(bytes), encoding: isUtf8(bytes) ? 'utf8' : 'base64' }
}

export function toInfo(secret: StoredSecret): SecretInfo {
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
  }
}

export function toVersion(version: StoredVersion, current: number): SecretVersion {
  return {
    version: version.version,
    createdAt: version.createdAt.toISOString(),
    createdBy: version.createdBy,
    isCurrent: version.version === current,
  }
}

/** Puts an opened value into the answer: the last line that handles it. */
export function toValue(secret: SealedSecret, value: Secret<Uint8Array>): SecretValue {
  const bytes = value.reveal()
  return {
    name: secret.name,
    type: secret.type,
    value: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString(secret.encoding),
    encoding: secret.encoding,
    version: secret.version,
    environment: secret.environment,
  }
}
