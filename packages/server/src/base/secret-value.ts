import { isUtf8 } from 'node:buffer'
import type { SecretType } from '@keyhold/contract/api/secrets'
import { limits } from '@keyhold/contract/limits'
import { Secret } from '@keyhold/contract/secret'
import { invalidField } from './app-error.ts'

/*
 * Values of secrets as requests carry them, the same for those of projects and of people.
 */

/** How bytes are written in JSON. */
export type Encoding = 'utf8' | 'base64'

/** A value as it came in: bytes, and how they are written in JSON. */
export interface Plaintext {
  readonly bytes: Secret<Uint8Array>
  readonly encoding: Encoding
}

const PEM_KEY = /^-----BEGIN ([A-Z0-9 ]*KEY(?: BLOCK)?)-----\r?\n[\s\S]+\n-----END \1-----\s*$/
const SSH_KEY = /^(?:ssh-|ecdsa-|sk-)[a-z0-9@.-]+ [A-Za-z0-9+/]+=*(?: .*)?\s*$/

/**
 * Reads a value from a request. @throws AppError `request.invalid` naming the rule it breaks, never the value.
 */
export function parseValue(
  type: SecretType,
  value: string,
  encoding: Encoding = 'utf8',
  bytesMax: number = type === 'file' ? limits.fileValueBytes : limits.valueBytes,
): Plaintext {
  const bytes = Buffer.from(value, encoding)
  if (encoding === 'base64' && bytes.toString('base64') !== value)
    throw invalidField('value', 'is not base64')
  if (encoding === 'utf8' && !value.isWellFormed())
    throw invalidField('value', 'is not Unicode text; send it as base64')
  if (bytes.length === 0) throw invalidField('value', 'is empty')
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
