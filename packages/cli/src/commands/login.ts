import { hostname } from 'node:os'
import { isatty } from 'node:tty'
import { type Scope, scopeNames } from '@keyhold/contract/actions'
import { limits } from '@keyhold/contract/limits'
import { Keyhold, KeyholdError, type KeyholdOptions } from '@keyhold/sdk'
import { explained, failureOf, userAgent } from '../client.ts'
import { defineCommand } from '../command.ts'
import { readSettings } from '../connection.ts'
import {
  assertSameInstance,
  credentialVariables,
  type PreparedCredentials,
  prepareCredentials,
  readCredentials,
  type StoredCredentials,
} from '../credentials.ts'
import { Failure, usageFailure } from '../failure.ts'
import { KeyringFailure } from '../keyring.ts'
import { parsedTime, shownTime } from '../present.ts'
import type { Terminal } from '../terminal.ts'
import { deleteStoredToken } from './account/delete-stored-token.ts'
import { askNewPassword, PASSWORD_DEADLINE_MS, passwordProblem } from './account/new-password.ts'
import type { MadeToken, TokenWish } from './account/wait-for-approval.ts'

const DEFAULT_URL = 'http://localhost:8080'

export const command = defineCommand({
  usage:
    '[--url=URL] [--password] [--email=EMAIL] [--token-name=NAME] [--scope=SCOPE]… [--expires=WHEN] [--keyring]',
  description:
    'Prints an address and a code. Open the address in a browser where you are signed in, or give the code to\n' +
    '"keyhold approve-login" on a machine where you are; look at what asks, approve it, and type here the code that you are\n' +
    'shown there. This machine then has an access token of its own, which ends after 90 days, and no password was typed.\n\n' +
    'With --password, or --email, it is your password that is asked for, and a code if you have a second factor. A temporary\n' +
    'password, as an administrator hands it over, has to be replaced by your own. The password is not kept.\n\n' +
    'The token is stored in a file that only you can read; with --keyring in the keyring of your desktop (the Secret Service by\n' +
    'secret-tool, or the keychain of macOS), which is then asked at every command.\n\n' +
    'An access token that was stored here before, for the same URL, is replaced and deleted.',
  options: {
    url: { type: 'string', placeholder: 'URL', summary: 'where Keyhold is', variable: 'KEYHOLD_URL' },
    password: { type: 'boolean', summary: 'sign in by password, here' },
    email: { type: 'string', placeholder: 'EMAIL', summary: 'your e-mail address, for the password' },
    'token-name': {
      type: 'string',
      placeholder: 'NAME',
      summary: 'name of the access token; default: keyhold on, and the name of this machine',
    },
    scope: {
      type: 'string',
      placeholder: 'SCOPE',
      summary: 'what the access token may do; default: all that you may',
      choices: scopeNames,
      isRepeatable: true,
    },
    expires: {
      type: 'string',
      placeholder: 'WHEN',
      summary: 'when the access token ends: 90, 12h or 2026-12-31; default: 90 days, by password no expiry',
    },
    keyring: { type: 'boolean', summary: 'keep the access token in the keyring of your desktop' },
    'password-stdin': {
      type: 'boolean',
      summary:
        'take the password from standard input; when it is a temporary one, the new one from a second line',
    },
  },
  examples: [
    {
      does: 'sign in; what is missing is asked for',
      command: 'keyhold login --url=https://keyhold.example.com',
    },
    { does: 'sign in by password', command: 'keyhold login --email=ada@example.com' },
    {
      does: 'sign in in a script, for a day',
      command: 'keyhold login --email=ada@example.com --expires=1 --password-stdin < password',
    },
  ],
  async run({ options, env, terminal }) {
    const wish: TokenWish = {
      name: options['token-name'] ?? machineName(),
      scopes: options.scope.length > 0 ? ([...new Set(options.scope)] as Scope[]) : null, // `as`: all are choices.
      expiresAt: options.expires === undefined ? null : expiry(options.expires),
    }
    const stored = readStored(env, terminal)
    const isForKeyring = options.keyring || stored?.isInKeyring === true
    const prepare = () => prepareCredentials(env, isForKeyring)
    const knownUrl = options.url ?? readSettings(env).url ?? stored?.url
    const isScript = options['password-stdin']
    const isByPassword = options.password || isScript || options.email !== undefined
    if (isScript && (knownUrl === undefined || options.email === undefined)) {
      throw usageFailure('--password-stdin needs --url and --email as well')
    }
    // It would be seen while it is typed.
    if (isScript && isatty(0)) {
      throw usageFailure('--password-stdin is for a pipe or a file', 'leave it out to be asked')
    }
    await explained(async () => {
      const url = knownUrl ?? (terminal.ask(`where Keyhold is [${DEFAULT_URL}]:`).trim() || DEFAULT_URL)
      assertSameInstance(env, stored, url)
      const keyhold = new Keyhold(
        { url },
        { userAgent, deadlineMs: PASSWORD_DEADLINE_MS, fetch: fetchWithCookie() },
      )
      // Asked before the password goes there.
      const { isDone } = await keyhold.call('setup.get')
      if (!isDone) throw new Failure('this instance is not set up yet', { hints: ['keyhold setup'] })
      if (isByPassword)
        await signInByPassword(keyhold, options.email, isScript, wish, stored, prepare, terminal)
      else await signInByDevice(keyhold, wish, stored, prepare, terminal)
      const variables = credentialVariables(env)
      if (variables.length === 0) {
        terminal.hint('next: keyhold project list')
        return
      }
      const verb = variables.length > 1 ? 'are' : 'is'
      terminal.note(`but ${variables.join(', ')} ${verb} set, and the other commands use that instead`)
      terminal.hint(`unset ${variables.join(' ')}`)
    })
  },
})

/** Waits until somebody has approved, and keeps the access token. */
async function signInByDevice(
  keyhold: Keyhold,
  wish: TokenWish,
  stored: StoredCredentials | undefined,
  prepare: () => PreparedCredentials,
  terminal: Terminal,
): Promise<void> {
  const { waitForApproval } = await import('./account/wait-for-approval.ts')
  const finish = await waitForApproval(keyhold, wish, terminal)
  // Once there is nothing left but to get the token, so that it is not answered and then lost.
  const credentials = prepare()
  try {
    const made = await finish()
    const owner = new Keyhold({ url: keyhold.url, token: made.token }, { userAgent })
    await keep(credentials, owner, made, terminal)
    if (stored !== undefined) await deleteReplaced(owner, stored, terminal)
  } finally {
    credentials.abandon()
  }
}

/** Signs in, makes an access token for this machine, and signs out again. */
async function signInByPassword(
  keyhold: Keyhold,
  knownEmail: string | undefined,
  isScript: boolean,
  wish: TokenWish,
  stored: StoredCredentials | undefined,
  prepare: () => PreparedCredentials,
  terminal: Terminal,
): Promise<void> {
  const email = knownEmail ?? terminal.ask('your e-mail address:').trim()
  if (email === '') throw usageFailure('the e-mail address is missing')
  // First of all, so that the token is not answered and then lost.
  const credentials = prepare()
  try {
    const given = isScript
      ? passwordsOf(terminal.readInput(4_096))
      : { password: await terminal.askSecret(`password of ${email}:`), next: undefined }
    if (given.password === '') throw usageFailure('the password is missing')
    const signIn = (code?: string) =>
      keyhold.call('session.create', {
        body: { email, password: given.password, ...(code !== undefined && { code }) },
        ...confidential(given.password),
      })
    const { account } = await signIn().catch((error: unknown) => {
      const wantsCode = error instanceof KeyholdError && error.code === 'sign_in.code_required'
      // In a script there is nobody to ask.
      if (!wantsCode || isScript) throw error
      return signIn(terminal.ask('a code of your authenticator, or a recovery code:').trim())
    })
    try {
      if (account.mustChangePassword) {
        await replaceTemporary(keyhold, terminal, given.password, given.next, isScript)
      } else if (given.next !== undefined) {
        throw usageFailure(
          'the password is not a temporary one, so a second line is not expected; nothing was changed',
          'to change it: keyhold account password',
        )
      }
      const made = await keyhold.call('access-token.create', { body: wish })
      await keep(credentials, keyhold, made, terminal)
      if (stored !== undefined) await deleteReplaced(keyhold, stored, terminal)
    } finally {
      // Its cookie is forgotten now and it ends by itself soon, so there is nothing to do when this fails.
      await keyhold.call('session.delete').catch(() => undefined)
    }
  } finally {
    credentials.abandon()
  }
}

/** Stores a token that was made, or deletes it. @param keyhold signed in as the person whose it is */
async function keep(
  credentials: PreparedCredentials,
  keyhold: Keyhold,
  { accessToken, token }: MadeToken,
  terminal: Terminal,
): Promise<void> {
  const { account } = await keyhold.call('session.get')
  let kept: ReturnType<PreparedCredentials['commit']>
  try {
    kept = credentials.commit({ url: keyhold.url, token })
  } catch {
    await keyhold.call('access-token.delete', { params: { accessTokenId: accessToken.id } })
    throw new Failure(`${credentials.path} could not be written; you are not signed in`)
  }
  const { expiresAt } = accessToken
  const until = expiresAt === null ? '' : `, until ${shownTime(expiresAt)}`
  terminal.note(`${account.name} (${account.email}) is signed in to ${keyhold.url}${until}`)
  if (kept.keyringProblem !== undefined) terminal.note(`not in the keyring: ${kept.keyringProblem}`)
  terminal.note(`access token ${accessToken.name} is in ${kept.place}`)
}

/** What is stored; a keyring that does not answer must not keep somebody from signing in anew. */
function readStored(env: NodeJS.ProcessEnv, terminal: Terminal): StoredCredentials | undefined {
  try {
    return readCredentials(env)
  } catch (error) {
    if (!(error instanceof KeyringFailure)) throw error
    terminal.note(error.message)
    return undefined
  }
}

async function replaceTemporary(
  keyhold: Keyhold,
  terminal: Terminal,
  currentPassword: string,
  given: string | undefined,
  isScript: boolean,
): Promise<void> {
  if (isScript && given === undefined) {
    throw usageFailure(
      'the password is temporary, and standard input has no second line with your own; nothing was changed',
    )
  }
  if (!isScript) {
    terminal.note('this password is temporary: whoever gave it to you knows it, so choose your own')
  }
  const newPassword = given ?? (await askNewPassword(terminal, currentPassword))
  await keyhold.call('account.password', {
    body: { currentPassword, newPassword },
    ...confidential(currentPassword, newPassword),
  })
  terminal.note('your password is changed')
}

/** Deletes the token that this machine had. Signing in has been done, so a failure is only told. */
async function deleteReplaced(
  keyhold: Keyhold,
  stored: StoredCredentials,
  terminal: Terminal,
): Promise<void> {
  try {
    const isDeleted =
      (await deleteStoredToken(keyhold, stored)) ||
      // Not this person's: somebody else was signed in here.
      (await deleteStoredToken(new Keyhold(stored, { userAgent }), stored))
    if (isDeleted) terminal.note('the access token that was here before is deleted')
    else terminal.hint('the access token that was here before was not found; see keyhold token list')
  } catch (error) {
    if (!(error instanceof KeyholdError)) throw error
    // It is no longer valid.
    if (error.status === 401) return
    terminal.note(`the access token that was here before was not deleted: ${failureOf(error).message}`)
    terminal.hint('delete it: keyhold token list, keyhold token delete')
  }
}

function passwordsOf(bytes: Uint8Array): { password: string; next: string | undefined } {
  const [password = '', next, ...more] = new TextDecoder()
    .decode(bytes)
    .replace(/\r?\n$/, '')
    .split(/\r?\n/)
  if (password === '' || more.length > 0) {
    throw usageFailure(
      'standard input does not have one line, the password, or two: a temporary password, and the new one',
    )
  }
  const problem = next === undefined ? undefined : passwordProblem(next, password)
  if (problem !== undefined) throw usageFailure(`${problem}; nothing was changed`)
  return { password, next }
}

function expiry(text: string): string {
  const expiresAt = parsedTime(/^\d+$/.test(text) ? `${text}d` : text, 'expires', 1)
  if (Date.parse(expiresAt) <= Date.now()) throw usageFailure('--expires is not in the future')
  return expiresAt
}

const machineName = (): string => `keyhold on ${hostname()}`.slice(0, limits.nameLength)

/** For the transport: texts that may not come back out in an error, whatever answered. */
const confidential = (...texts: string[]): { confidential: readonly string[] } => ({ confidential: texts })

/** A fetch that keeps the session's cookie, in memory only. */
function fetchWithCookie(): NonNullable<KeyholdOptions['fetch']> {
  let cookie: string | undefined
  return async (url, init) => {
    const headers = new Headers(init.headers)
    if (cookie !== undefined) headers.set('cookie', cookie)
    const response = await fetch(url, { ...init, headers })
    const [pair] = response.headers.getSetCookie()[0]?.split(';') ?? []
    // Checked before a header is made of it: the errors of Headers quote what they refuse.
    if (response.ok && pair !== undefined && /^[\x21-\x7e]+$/.test(pair)) cookie = pair
    return response
  }
}
