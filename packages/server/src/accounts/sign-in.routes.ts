import type { ErrorCode } from '@keyhold/contract/errors'
import { Secret } from '@keyhold/contract/secret'
import { AppError } from '../base/app-error.ts'
import type { Clock } from '../base/clock.ts'
import type { Origin } from '../base/origin.ts'
import { FailedAttempts } from '../http/attempts.ts'
import { ATTEMPT_MS } from './sign-in-attempts.ts'

/** Wrong guesses per account, and per address, before both have to wait. */
const WINDOW_MS = 5 * 60_000
const PER_ACCOUNT_MAX = 10
const PER_ADDRESS_MAX = 50
/** Sign-ins that an address may begin in that time: each is a row until it is answered or too old. */
const BEGINNINGS_MAX = 300
const wrongGuess: ReadonlySet<ErrorCode> = new Set([
  'sign_in.failed',
  'sign_in.passkey_failed',
  'setup.code_wrong',
  'account.password_wrong',
  'second_factor.code_wrong',
  'passkey.refused',
])

/** Limits to guessing who somebody is, whichever way they say so: one count per account, one per address. */
export class SignInLimits {
  readonly #byAccount: FailedAttempts
  readonly #byAddress: FailedAttempts
  readonly #beginnings: FailedAttempts

  constructor(clock: Clock) {
    this.#byAccount = new FailedAttempts(clock, PER_ACCOUNT_MAX, WINDOW_MS)
    this.#byAddress = new FailedAttempts(clock, PER_ADDRESS_MAX, WINDOW_MS)
    this.#beginnings = new FailedAttempts(clock, BEGINNINGS_MAX, WINDOW_MS)
  }

  /**
   * Runs a check of a password, code or passkey with both limits around it. Only wrong ones count.
   * @param account undefined where there is none to protect. @throws AppError `rate.limited`
   */
  async run<T>(account: string | undefined, origin: Origin, check: () => Promise<T>): Promise<T> {
    const address = origin.address ?? ''
    if (account !== undefined) this.#byAccount.assertAllowed(account)
    this.#byAddress.assertAllowed(address)
    // Counted before the answer is known, so that parallel guesses cannot all pass.
    if (account !== undefined) this.#byAccount.recordFailure(account)
    this.#byAddress.recordFailure(address)
    const forgive = () => {
      if (account !== undefined) this.#byAccount.forgive(account)
      this.#byAddress.forgive(address)
    }
    try {
      const result = await check()
      forgive()
      return result
    } catch (error) {
      if (!(error instanceof AppError && wrongGuess.has(error.code))) forgive()
      throw error
    }
  }

  /** Counts a sign-in that somebody begins. @throws AppError `rate.limited` */
  countBeginning({ address = '' }: Origin): void {
    this.#beginnings.assertAllowed(address)
    this.#beginnings.recordFailure(address)
  }
}

/** `__Host-` as the session's: no other host, and nobody without TLS, can put another one in its place. */
const nameOf = (name: string, isSecure: boolean) => `${isSecure ? '__Host-' : ''}${name}`

/**
 * Binds what a browser begins to that browser.
 * @param token undefined takes the cookie away. @param sameSite Lax where another site sends the browser back.
 */
export function browserCookie(
  name: string,
  isSecure: boolean,
  token?: Secret<string>,
  sameSite: 'Strict' | 'Lax' = 'Strict',
): string {
  const attributes = `Path=/; HttpOnly; SameSite=${sameSite}; Max-Age=${token ? ATTEMPT_MS / 1000 : 0}`
  return `${nameOf(name, isSecure)}=${token?.reveal() ?? ''}; ${attributes}${isSecure ? '; Secure' : ''}`
}

/** What {@link browserCookie} put there. */
export function readBrowserCookie(
  name: string,
  isSecure: boolean,
  cookie: (name: string) => string | undefined,
): Secret<string> | undefined {
  const value = cookie(nameOf(name, isSecure))
  return value ? new Secret(value) : undefined
}
