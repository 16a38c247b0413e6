import type { ConnectionOptions } from './connection.ts'
import { KeyholdError } from './error.ts'

/** Variables by name, such as `process.env`. */
export type EnvironmentVariables = Readonly<Record<string, string | undefined>>

/** What the variables say. An empty variable counts as one that is not set. */
export interface EnvironmentSettings {
  readonly url: string | undefined
  readonly token: string | undefined
  readonly accessKeyId: string | undefined
  readonly accessKey: string | undefined
  readonly environment: string | undefined
}

/**
 * Reads `KEYHOLD_URL`, `KEYHOLD_TOKEN`, `KEYHOLD_ACCESS_KEY_ID`, `KEYHOLD_ACCESS_KEY` and `KEYHOLD_ENVIRONMENT`, each
 * also from the file that `<NAME>_FILE` names (its last line end is left out).
 *
 * @throws KeyholdError `configuration.invalid`; it names variables and paths, never what is in them
 */
export function environmentSettings(variables: EnvironmentVariables): EnvironmentSettings {
  const read = (name: string): string | undefined => {
    const value = variables[name] || undefined
    const path = variables[`${name}_FILE`] || undefined
    if (path === undefined) return value
    if (value !== undefined) throw invalid(`both ${name} and ${name}_FILE are set; keep one`)
    return readFile(name, path)
  }
  return {
    url: read('KEYHOLD_URL'),
    token: read('KEYHOLD_TOKEN'),
    accessKeyId: read('KEYHOLD_ACCESS_KEY_ID'),
    accessKey: read('KEYHOLD_ACCESS_KEY'),
    environment: read('KEYHOLD_ENVIRONMENT'),
  }
}

/** Turns the settings into a connection. @throws KeyholdError `configuration.invalid` */
export function connectionOfSettings(settings: EnvironmentSettings): ConnectionOptions {
  const { url, token, accessKeyId, accessKey } = settings
  if (url === undefined) throw invalid('KEYHOLD_URL is not set')
  if (token !== undefined && (accessKeyId !== undefined || accessKey !== undefined)) {
    throw invalid('both KEYHOLD_TOKEN and an access key are set; keep one, so that it is clear who calls')
  }
  if (token !== undefined) return { url, token }
  if (accessKeyId === undefined && accessKey === undefined) {
    throw invalid('set KEYHOLD_ACCESS_KEY_ID and KEYHOLD_ACCESS_KEY, or KEYHOLD_TOKEN')
  }
  if (accessKeyId === undefined) throw invalid('KEYHOLD_ACCESS_KEY is set, but KEYHOLD_ACCESS_KEY_ID is not')
  if (accessKey === undefined) throw invalid('KEYHOLD_ACCESS_KEY_ID is set, but KEYHOLD_ACCESS_KEY is not')
  return { url, accessKeyId, accessKey }
}

function readFile(name: string, path: string): string {
  // Asked for here and not imported: the SDK can also be bundled for where there are no files.
  const files = globalThis.process?.getBuiltinModule?.('node:fs')
  if (files === undefined) throw invalid(`${name}_FILE is set, but files cannot be read here`)
  let text: string
  try {
    text = files.readFileSync(path, 'utf8')
  } catch (error) {
    const code = (error as { code?: unknown }).code // `as`: only looked at.
    throw invalid(`${name}_FILE: ${path} cannot be read${typeof code === 'string' ? ` (${code})` : ''}`)
  }
  const value = text.replace(/\r?\n$/, '')
  if (value === '') throw invalid(`${name}_FILE: ${path} is empty`)
  return value
}

const invalid = (message: string) => new KeyholdError('configuration.invalid', message)
