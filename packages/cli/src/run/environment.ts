// How secrets reach the child.
//
//   token, password   $NAME is the value
//   key               $NAME is the value, $NAME_FILE the path of a file with it
//   file              $NAME is the path of a file with the value
//
// The file is made for this child, unless the agent of the workspace has it at a path that was chosen for it.
//
// The child does not get what this process signed in with, nor what a server on this machine is kept by.
import { isUtf8 } from 'node:buffer'
import { pathVariable, refusedName } from '@keyhold/contract/names'
import { Failure } from '../failure.ts'
import type { DeliveredSecret } from './delivery.ts'
import type { PrivateDirectory } from './private-directory.ts'

const CREDENTIALS = [
  'KEYHOLD_TOKEN',
  'KEYHOLD_ACCESS_KEY_ID',
  'KEYHOLD_ACCESS_KEY',
  'KEYHOLD_WORKLOAD_IDENTITY',
  'KEYHOLD_ID_TOKEN',
  'KEYHOLD_ROOT_KEY',
  'KEYHOLD_ROOT_KEY_PASSPHRASE',
  'KEYHOLD_DATABASE_URL',
  'KEYHOLD_TLS_KEY',
  'KEYHOLD_METRICS_TOKEN',
].flatMap((name) => [name, `${name}_FILE`])

/** The longest single `NAME=value` that Linux takes, with its final NUL (MAX_ARG_STRLEN). */
const ENTRY_BYTES_MAX = 128 * 1024

export interface ChildEnvironment {
  readonly env: Record<string, string>
  /** Names of keys whose path could not be given because a secret has the name `<key>_FILE`. */
  readonly keysWithoutPath: readonly string[]
}

/**
 * Makes the child's environment and writes the files that it names.
 *
 * @throws Failure that names the variable and never shows the value. Every name and value is checked before the first file is
 *   written.
 */
export function childEnvironment(
  inherited: NodeJS.ProcessEnv,
  secrets: readonly DeliveredSecret[],
  allowedNames: readonly string[],
  directory: () => Pick<PrivateDirectory, 'write'>,
): ChildEnvironment {
  const names = new Set(secrets.map(({ name }) => name))
  const keysWithoutPath: string[] = []
  const values = new Map<string, string>()
  const files = new Map<string, Pick<DeliveredSecret, 'name' | 'value' | 'file'>>()
  for (const secret of secrets) {
    const { name, type, value } = secret
    checkName(name, allowedNames)
    if (values.has(name) || files.has(name)) throw new Failure(`${name} was delivered twice`)
    if (type === 'file') {
      files.set(name, secret)
      continue
    }
    values.set(name, text(name, value))
    if (type !== 'key') continue
    const pathName = pathVariable(name)
    if (names.has(pathName)) {
      keysWithoutPath.push(name)
    } else {
      checkName(pathName, allowedNames)
      files.set(pathName, secret)
    }
  }

  // Without a prototype every name is only a name.
  const env: Record<string, string> = Object.create(null)
  for (const [name, value] of Object.entries(inherited)) {
    if (value !== undefined && !CREDENTIALS.includes(name)) env[name] = value
  }
  for (const [name, value] of values) env[name] = value
  for (const [variable, { name, value, file }] of files)
    env[variable] = file ?? directory().write(name, value)
  return { env, keysWithoutPath }
}

function checkName(name: string, allowedNames: readonly string[]): void {
  const refused = refusedName(name)
  if (refused === undefined) return
  const canBeAllowed = refused.reason === 'loader' || refused.reason === 'reserved'
  if (canBeAllowed && allowedNames.includes(name)) return
  // A name of the wrong form may hold anything, so it is shown as JSON.
  const message =
    refused.reason === 'form'
      ? `secret ${JSON.stringify(name.slice(0, 80))}: ${refused.message}`
      : refused.message
  throw new Failure(message, {
    hints: canBeAllowed
      ? [`whoever may write the secret ${name} could run code here; --allow-variable ${name} accepts that`]
      : ['rename the secret'],
  })
}

function text(name: string, value: Uint8Array): string {
  if (value.includes(0)) {
    throw new Failure(`${name} has a NUL byte, which no environment variable can have`, {
      hints: ['store it as a file'],
    })
  }
  if (!isUtf8(value)) {
    throw new Failure(`${name} is not text, and cannot be an environment variable`, {
      hints: ['store it as a file'],
    })
  }
  if (name.length + value.length + 2 > ENTRY_BYTES_MAX) {
    throw new Failure(`${name} is too long for an environment variable`, { hints: ['store it as a file'] })
  }
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('utf8')
}
