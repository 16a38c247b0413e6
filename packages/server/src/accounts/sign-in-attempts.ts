import { Secret } from '@keyhold/contract/secret'
import type { Person } from '../access/caller.ts'
import type { Clock } from '../base/clock.ts'
import { hashToken, isToken, newToken, randomKey } from '../base/ids.ts'
import type { Storage } from '../storage/storage.ts'
import {
  deleteExpiredAttempts,
  insertAttempt,
  type SignInAttempt,
  takeAttempt,
} from './sign-in-attempts.store.ts'

/** How long a browser has to come back with an answer. */
export const ATTEMPT_MS = 5 * 60_000
const BROWSER_PREFIX = 'kh_browser_'
/** 256 bits; WebAuthn §13.4.3 asks for 16 bytes. */
const CHALLENGE_BYTES = 32

/** What an attempt is for. An answer to one is none to another. */
const providerPurposes = ['provider-sign-in', 'provider-link', 'provider-confirm'] as const
export type Purpose =
  | 'passkey-sign-in'
  | 'passkey-confirm'
  | 'passkey-create'
  | (typeof providerPurposes)[number]

/** An attempt that was begun: what is asked, and what the browser has to bring along with the answer. */
export interface BegunAttempt {
  readonly challenge: string
  /** For a cookie of the browser; only its hash is kept. */
  readonly browserToken: Secret<string>
}

/**
 * What browsers began and have not finished: each is good once, for five minutes, in the browser that began it, and in the
 * session of it.
 */
export class SignInAttempts {
  readonly #storage: Storage
  readonly #clock: Clock

  constructor(storage: Storage, clock: Clock) {
    this.#storage = storage
    this.#clock = clock
  }

  /** @param caller who has to be signed in when the answer comes; undefined: nobody is. */
  async begin(purpose: Purpose, caller?: Person, providerId: string | null = null): Promise<BegunAttempt> {
    const token = newToken(BROWSER_PREFIX)
    const challenge = randomKey(CHALLENGE_BYTES).toString('base64url')
    await this.#storage.transaction((tx) =>
      insertAttempt(tx, {
        browser_hash: hashToken(token),
        purpose,
        challenge,
        account_id: caller?.accountId ?? null,
        credential_id: caller?.credential.id ?? null,
        provider_id: providerId,
        expires_at: this.#clock.now().getTime() + ATTEMPT_MS,
      }),
    )
    return { challenge, browserToken: new Secret(token) }
  }

  /** Takes the attempt of this browser: it is over then. @returns undefined when there is none, or somebody else's. */
  async take(
    purpose: Purpose,
    browserToken: Secret<string> | undefined,
    caller?: Person,
  ): Promise<SignInAttempt | undefined> {
    const attempt = await this.#take([purpose], browserToken)
    if (!attempt) return undefined
    const isTheirs =
      attempt.account_id === (caller?.accountId ?? null) &&
      attempt.credential_id === (caller?.credential.id ?? null)
    return isTheirs ? attempt : undefined
  }

  /**
   * As {@link take}, for what an identity provider answers, whatever it is for. Whoever began it has to be looked up: the
   * cookie of a session does not come along when another site sends a browser here.
   */
  async takeOfProvider(
    providerId: string,
    browserToken: Secret<string> | undefined,
  ): Promise<SignInAttempt | undefined> {
    const attempt = await this.#take(providerPurposes, browserToken)
    return attempt?.provider_id === providerId ? attempt : undefined
  }

  async #take(
    purposes: readonly Purpose[],
    browserToken: Secret<string> | undefined,
  ): Promise<SignInAttempt | undefined> {
    const token = browserToken?.reveal()
    if (token === undefined || !isToken(BROWSER_PREFIX, token)) return undefined
    const attempt = await this.#storage.transaction((tx) => takeAttempt(tx, hashToken(token), purposes))
    return attempt && attempt.expires_at > this.#clock.now().getTime() ? attempt : undefined
  }

  async discardExpired(): Promise<void> {
    await this.#storage.transaction((tx) => deleteExpiredAttempts(tx, this.#clock.now().getTime()))
  }
}
