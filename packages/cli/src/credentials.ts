// Where the command line finds its credential, first match wins:
//
//   1. KEYHOLD_TOKEN, or KEYHOLD_ACCESS_KEY_ID and KEYHOLD_ACCESS_KEY (each also as <NAME>_FILE)
//   2. $XDG_CONFIG_HOME/keyhold/credentials.json, mode 0600, which `keyhold setup` and `keyhold login` write; with
//      `keyhold login --keyring` it only says that the keyring of the desktop has the token
//   3. $XDG_RUNTIME_DIR/keyhold/credentials.json, where the first cannot be written, as in a home that is read-only
//
// KEYHOLD_URL says where Keyhold is, else the file does. The token of the file is sent only to the URL of the file.
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'
import type { ConnectionOptions } from '@keyhold/sdk'
import { assertOneCaller, readSettings } from './connection.ts'
import { ExitCode } from './exit-codes.ts'
import { codeOf, Failure } from './failure.ts'
import { readFromKeyring, removeFromKeyring, storeInKeyring } from './keyring.ts'

export interface StoredCredentials {
  readonly url: string
  readonly token: string
  /** Where it is kept, as a person is told. */
  readonly place: string
  readonly isInKeyring: boolean
}

export interface FoundCredentials {
  readonly connection: ConnectionOptions
  /** Says to a person where the credential is from. */
  readonly source: string
  readonly environment: string | undefined
}

/** Finds where Keyhold is and who calls. @throws Failure */
export function findCredentials(env: NodeJS.ProcessEnv): FoundCredentials {
  const settings = readSettings(env)
  const { url, token, accessKeyId, accessKey, environment } = settings
  if (token !== undefined || accessKeyId !== undefined || accessKey !== undefined) {
    assertOneCaller(settings)
    const at = url ?? readCredentials(env)?.url
    if (at === undefined) throw new Failure('KEYHOLD_URL is not set', { hints: [URL_HINT] })
    if (token !== undefined) {
      return { connection: { url: at, token }, source: 'the environment', environment }
    }
    if (accessKeyId === undefined || accessKey === undefined) {
      const [has, lacks] =
        accessKey === undefined
          ? ['KEYHOLD_ACCESS_KEY_ID', 'KEYHOLD_ACCESS_KEY']
          : ['KEYHOLD_ACCESS_KEY', 'KEYHOLD_ACCESS_KEY_ID']
      throw new Failure(`${has} is set, but ${lacks} is not`, { exitCode: ExitCode.NotSignedIn })
    }
    return { connection: { url: at, accessKeyId, accessKey }, source: 'the environment', environment }
  }
  const stored = readCredentials(env)
  if (stored === undefined) {
    throw new Failure('you are not signed in', {
      exitCode: ExitCode.NotSignedIn,
      hints: [
        'sign in: keyhold login',
        'new instance: keyhold setup',
        'else set KEYHOLD_URL, and KEYHOLD_TOKEN to an access token, or KEYHOLD_ACCESS_KEY_ID and KEYHOLD_ACCESS_KEY',
      ],
    })
  }
  if (url !== undefined && sameUrl(url, stored.url) === false) {
    throw new Failure(
      `you are not signed in to ${shownUrl(url)}; ${credentialsPath(env)} is for ${shownUrl(stored.url)}`,
      {
        exitCode: ExitCode.NotSignedIn,
        hints: [
          'set KEYHOLD_TOKEN to an access token of that instance, or unset KEYHOLD_URL',
          'to change over: keyhold logout, then keyhold login',
        ],
      },
    )
  }
  const { url: storedUrl, token: storedToken, place } = stored
  return { connection: { url: storedUrl, token: storedToken }, source: place, environment }
}

export function credentialsPath(env: NodeJS.ProcessEnv): string {
  const { XDG_CONFIG_HOME: configHome, HOME: home } = env
  // The XDG specification: a relative path is to be ignored.
  if (configHome !== undefined && isAbsolute(configHome))
    return join(configHome, 'keyhold', 'credentials.json')
  if (home !== undefined && isAbsolute(home)) return join(home, '.config', 'keyhold', 'credentials.json')
  throw new Failure('neither HOME nor XDG_CONFIG_HOME says where your configuration is', {
    hints: ['set KEYHOLD_URL and KEYHOLD_TOKEN instead'],
  })
}

/** Where credentials may be: in the configuration, and for this session of the machine where that cannot be written. */
function credentialsPaths(env: NodeJS.ProcessEnv): string[] {
  const paths: string[] = []
  try {
    paths.push(credentialsPath(env))
  } catch {
    // No home.
  }
  const { XDG_RUNTIME_DIR: runtimeDir } = env
  if (runtimeDir !== undefined && isAbsolute(runtimeDir))
    paths.push(join(runtimeDir, 'keyhold', 'credentials.json'))
  return paths
}

/**
 * Reads the stored credentials; undefined when there are none.
 *
 * @throws Failure when others could have read them; KeyringFailure when the keyring has them and does not answer
 */
export function readCredentials(env: NodeJS.ProcessEnv): StoredCredentials | undefined {
  for (const path of credentialsPaths(env)) {
    const stored = readFile(path)
    if (stored === undefined) continue
    const { url, token } = stored
    if (token !== undefined) return { url, token, place: path, isInKeyring: false }
    return { url, token: readFromKeyring(env, url), place: 'the keyring of this desktop', isInKeyring: true }
  }
  return undefined
}

/** @returns no token where the keyring has it. */
function readFile(path: string): { url: string; token: string | undefined } | undefined {
  let file: number
  try {
    file = openSync(path, constants.O_RDONLY)
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined
    throw new Failure(`${path} cannot be read (${codeOf(error)})`)
  }
  try {
    // The open file is looked at, not the path: what is checked is what is read.
    const { mode, uid } = fstatSync(file)
    if ((mode & 0o077) !== 0) {
      throw new Failure(`${path} can be read by others (mode ${(mode & 0o777).toString(8)})`, {
        hints: [`chmod 600 ${path}, and delete the access token in it: others may have read it`],
      })
    }
    const ownUid = process.getuid?.()
    if (ownUid !== undefined && uid !== ownUid) throw new Failure(`${path} belongs to somebody else`)
    const stored = parsedCredentials(readFileSync(file, 'utf8'))
    if (stored === undefined) {
      throw new Failure(`${path} is damaged`, {
        hints: ['delete it, and set KEYHOLD_TOKEN or sign in again'],
      })
    }
    return stored
  } finally {
    closeSync(file)
  }
}

/** Refuses to replace the credentials of one instance by those of another. @throws Failure */
export function assertSameInstance(
  env: NodeJS.ProcessEnv,
  stored: StoredCredentials | undefined,
  url: string,
): void {
  if (stored === undefined || sameUrl(stored.url, url)) return
  throw new Failure(`${credentialsPath(env)} has the credentials of another instance`, {
    hints: ['sign out of it: keyhold logout', 'or set XDG_CONFIG_HOME to another folder'],
  })
}

/** Names the variables that say who calls, and so come before what is stored. */
export function credentialVariables(env: NodeJS.ProcessEnv): string[] {
  return ['KEYHOLD_TOKEN', 'KEYHOLD_ACCESS_KEY_ID', 'KEYHOLD_ACCESS_KEY']
    .flatMap((name) => [name, `${name}_FILE`])
    .filter((name) => env[name])
}

/** Deletes the stored credentials. @throws Failure */
export function removeCredentials(env: NodeJS.ProcessEnv): void {
  for (const path of credentialsPaths(env)) {
    const stored = readFile(path)
    if (stored === undefined) continue
    if (stored.token === undefined) removeFromKeyring(env, stored.url)
    try {
      rmSync(path, { force: true })
    } catch (error) {
      throw new Failure(`${path} cannot be deleted (${codeOf(error)})`, { hints: ['delete it yourself'] })
    }
  }
}

/** Credentials that are about to be stored. */
export interface PreparedCredentials {
  readonly path: string
  /** Replaces the file at once or not at all. @returns where the token is now, and why it is not in the keyring. */
  commit(credentials: { url: string; token: string }): { place: string; keyringProblem?: string | undefined }
  /** Does nothing after {@link commit}. */
  abandon(): void
}

/**
 * Makes sure that credentials can be stored, before something is done whose answer must not be lost.
 *
 * @param isForKeyring puts the token into the keyring of the desktop, or into the file where that fails
 * @throws Failure
 */
export function prepareCredentials(env: NodeJS.ProcessEnv, isForKeyring = false): PreparedCredentials {
  const { path, temporary, file } = openTemporary(env)
  let isOpen = true
  const close = () => {
    if (isOpen) closeSync(file)
    isOpen = false
  }
  const abandon = () => {
    close()
    rmSync(temporary, { force: true })
  }
  return {
    path,
    abandon,
    commit({ url, token }) {
      const keyringProblem = isForKeyring ? storeInKeyring(env, url, token) : undefined
      const isInKeyring = isForKeyring && keyringProblem === undefined
      try {
        const content = isInKeyring ? { url, tokenIn: 'keyring' } : { url, token }
        const bytes = Buffer.from(`${JSON.stringify(content, undefined, 2)}\n`)
        for (let written = 0; written < bytes.length; ) written += writeSync(file, bytes, written)
        fsyncSync(file)
        close()
        renameSync(temporary, path)
      } catch (error) {
        // A part of the token may be in it.
        abandon()
        throw error
      }
      return { place: isInKeyring ? 'the keyring of this desktop' : path, keyringProblem }
    },
  }
}

/** Opens a file beside the one that it will replace, at the first place that can be written. */
function openTemporary(env: NodeJS.ProcessEnv): { path: string; temporary: string; file: number } {
  let problem: string | undefined
  for (const path of credentialsPaths(env)) {
    const temporary = `${path}.${process.pid}`
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
      rmSync(temporary, { force: true })
      return { path, temporary, file: openSync(temporary, 'wx', 0o600) }
    } catch (error) {
      problem ??= `${path} cannot be written (${codeOf(error)})`
    }
  }
  const none = 'neither HOME, XDG_CONFIG_HOME nor XDG_RUNTIME_DIR says where your configuration is'
  throw new Failure(problem ?? none, {
    hints: [
      'set XDG_CONFIG_HOME to a folder that you can write to',
      'or make an access token elsewhere, keyhold token create, and set KEYHOLD_TOKEN or KEYHOLD_TOKEN_FILE',
    ],
  })
}

/** The mode of the stored file, for `doctor`; undefined when there is none. */
export function storedMode(env: NodeJS.ProcessEnv): number | undefined {
  let file: number
  try {
    file = openSync(credentialsPath(env), constants.O_RDONLY)
  } catch {
    return undefined
  }
  try {
    return fstatSync(file).mode & 0o777
  } finally {
    closeSync(file)
  }
}

export const sameUrl = (a: string, b: string): boolean => withoutEnd(a) === withoutEnd(b)

function withoutEnd(url: string): string {
  const parsed = URL.parse(url)
  return parsed === null ? url : `${parsed.origin}${parsed.pathname}`.replace(/\/+$/, '')
}

/** An address without what may be confidential in it. */
function shownUrl(url: string): string {
  return URL.parse(url)?.origin ?? 'the address in KEYHOLD_URL'
}

function parsedCredentials(text: string): { url: string; token: string | undefined } | undefined {
  try {
    const { url, token, tokenIn } = JSON.parse(text)
    if (typeof url !== 'string') return undefined
    if (tokenIn === 'keyring') return { url, token: undefined }
    return typeof token === 'string' ? { url, token } : undefined
  } catch {
    // The error quotes the text, which has the token in it.
    return undefined
  }
}

const URL_HINT = 'set it to where Keyhold is, such as https://keyhold.example.com or http://localhost:8080'
