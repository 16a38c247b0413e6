import type { Scope } from '@keyhold/contract/actions'
import { Secret } from '@keyhold/contract/secret'
import { type Access, own } from '../../access/access.ts'
import type { Asker, Person } from '../../access/caller.ts'
import { type Accounts, toPerson } from '../../accounts/accounts.service.ts'
import type { InstanceSettings } from '../../accounts/settings.service.ts'
import { AppError, invalidField } from '../../base/app-error.ts'
import type { Clock } from '../../base/clock.ts'
import { hashToken, isToken, newId, newToken } from '../../base/ids.ts'
import type { Origin } from '../../base/origin.ts'
import { newTypedCode, readTypedCode, shownTypedCode } from '../../base/typed-code.ts'
import type { Storage } from '../../storage/storage.ts'
import type { Transaction } from '../../storage/tables.ts'
import { sameBytes } from '../../vault/same-bytes.ts'
import { type AccessTokens, assertWithin } from './access-token.service.ts'
import type { AccessToken } from './access-token.ts'
import * as store from './device-login.store.ts'
import type { DeviceLogin } from './device-login.ts'

const DEVICE_CODE_PREFIX = 'kh_dev_'
/** From the beginning to the access token. */
export const DEVICE_LOGIN_MS = 10 * 60_000
/** RFC 8628 §3.2's default; also what `slow_down` adds (§3.5). */
export const INTERVAL_S = 5
const INTERVAL_MAX_S = 60
/** A question that was on its way for less long than the one before did not come too soon. */
const TOLERANCE_MS = 1_000
/** 40 bits for whoever is signed in and guesses 10 times in 5 minutes. */
const USER_CODE_LENGTH = 8
/** 30 bits, and 5 attempts. */
const CONFIRMATION_CODE_LENGTH = 6
const ATTEMPTS_MAX = 5
/** Anybody may begin one: more than these are an attack. */
const LOGINS_MAX = 10_000
const DAY_MS = 86_400_000
const TOKEN_DAYS_DEFAULT = 90
const TOKEN_DAYS_MAX = 366

export interface DeviceWish {
  readonly name: string
  readonly scopes: readonly Scope[] | null
  readonly expiresAt: Date | null
}

/** Machines that are signed in by a person who is signed in elsewhere (RFC 8628). The result is an access token. */
export class DeviceLogins {
  readonly #storage: Storage
  readonly #access: Access
  readonly #accounts: Accounts
  readonly #tokens: AccessTokens
  readonly #settings: InstanceSettings
  readonly #clock: Clock

  constructor(
    storage: Storage,
    access: Access,
    accounts: Accounts,
    tokens: AccessTokens,
    settings: InstanceSettings,
    clock: Clock,
  ) {
    this.#storage = storage
    this.#access = access
    this.#accounts = accounts
    this.#tokens = tokens
    this.#settings = settings
    this.#clock = clock
  }

  /** @returns the codes, which are stored as hashes only. @throws AppError `rate.limited` while too many wait. */
  async begin(
    origin: Origin,
    wish: DeviceWish,
  ): Promise<{ deviceCode: Secret<string>; userCode: Secret<string> }> {
    const now = this.#clock.now().getTime()
    const days = (await this.#settings.current()).maximumLife.accessTokenDays ?? TOKEN_DAYS_MAX
    const tokenExpiresAt = wish.expiresAt?.getTime() ?? now + Math.min(TOKEN_DAYS_DEFAULT, days) * DAY_MS
    if (tokenExpiresAt <= now) throw invalidField('expiresAt', 'must be in the future')
    if (tokenExpiresAt > now + TOKEN_DAYS_MAX * DAY_MS)
      throw invalidField('expiresAt', `must be within ${TOKEN_DAYS_MAX} days`)
    await this.#settings.assertLife(
      this.#storage.db,
      'accessTokenDays',
      new Date(tokenExpiresAt),
      new Date(now),
    )
    const deviceCode = newToken(DEVICE_CODE_PREFIX)
    const userCode = newTypedCode(USER_CODE_LENGTH)
    await this.#storage.transaction(async (tx) => {
      await store.deleteEndedLogins(tx, now)
      if ((await store.countLogins(tx)) >= LOGINS_MAX)
        throw new AppError('rate.limited', { retryAfterSeconds: 60 })
      await store.insertLogin(tx, {
        id: newId('dvl'),
        device_code_hash: hashToken(deviceCode),
        user_code_hash: hashToken(userCode),
        name: wish.name,
        scopes: wish.scopes === null ? null : JSON.stringify(wish.scopes),
        token_expires_at: tokenExpiresAt,
        address: origin.address ?? null,
        client: origin.client ?? null,
        created_at: now,
        expires_at: now + DEVICE_LOGIN_MS,
        interval_seconds: INTERVAL_S,
        last_polled_at: null,
        is_denied: 0,
        account_id: null,
        session_id: null,
        access_token_id: null,
        confirmation_hash: null,
        wrong_codes: 0,
      })
    })
    return { deviceCode: new Secret(deviceCode), userCode: new Secret(shownTypedCode(userCode)) }
  }

  /** Which machine asks. @throws AppError `device_login.not_found`, also when somebody has decided. */
  async find(asker: Asker<Person>, userCode: string): Promise<DeviceLogin> {
    return this.#access.check(asker, 'device-login.read', own(), () =>
      this.#findOpen(this.#storage.db, userCode),
    )
  }

  async #findOpen(db: Parameters<typeof store.findOpenLogin>[0], userCode: string): Promise<DeviceLogin> {
    const hash = hashToken(readTypedCode(userCode))
    const login = await store.findOpenLogin(db, hash, this.#clock.now().getTime())
    if (!login) throw new AppError('device_login.not_found')
    return login
  }

  /** @returns the code without which the approval is worth nothing, to be given where the sign-in began. */
  async approve(asker: Asker<Person>, userCode: string): Promise<Secret<string>> {
    const { accountId, credential } = asker.caller
    const code = newTypedCode(CONFIRMATION_CODE_LENGTH)
    await this.#decide(asker, 'device-login.approve', userCode, (login) => {
      assertWithin(asker.caller, { name: login.name, scopes: login.scopes, expiresAt: login.tokenExpiresAt })
      return {
        account_id: accountId,
        session_id: credential.kind === 'session' ? credential.id : null,
        access_token_id: credential.kind === 'access-token' ? credential.id : null,
        confirmation_hash: hashToken(code),
      }
    })
    return new Secret(shownTypedCode(code))
  }

  async deny(asker: Asker<Person>, userCode: string): Promise<void> {
    await this.#decide(asker, 'device-login.deny', userCode, () => ({ is_denied: 1 }))
  }

  async #decide(
    asker: Asker<Person>,
    action: 'device-login.approve' | 'device-login.deny',
    userCode: string,
    decide: (login: DeviceLogin) => Parameters<typeof store.decideLogin>[2],
  ): Promise<void> {
    await this.#access.perform(asker, action, own(), async (tx) => {
      const login = await this.#findOpen(tx, userCode)
      if (!(await store.decideLogin(tx, login.id, decide(login))))
        throw new AppError('device_login.not_found')
      return {
        result: undefined,
        record: { target: { kind: 'device-login', id: login.id, name: login.name } },
      }
    })
  }

  /**
   * What the machine asks again and again, and at last with the code that the person typed.
   * @throws AppError with the codes of RFC 8628 §3.5, and `device_login.confirmation_required`, `.confirmation_wrong`.
   */
  async finish(
    origin: Origin,
    deviceCode: Secret<string>,
    confirmationCode: string | undefined,
  ): Promise<{ accessToken: AccessToken; token: Secret<string> }> {
    const login = await this.#findOwn(deviceCode)
    if (login.isDenied) throw new AppError('device_login.access_denied')
    const { approval } = login
    if (confirmationCode === undefined || !approval) {
      const { isTooSoon, intervalSeconds } = await this.#storage.transaction((tx) =>
        store.notePoll(tx, login.id, this.#clock.now().getTime(), TOLERANCE_MS, INTERVAL_S, INTERVAL_MAX_S),
      )
      if (approval) throw new AppError('device_login.confirmation_required')
      const code = isTooSoon ? 'device_login.slow_down' : 'device_login.authorization_pending'
      throw new AppError(code, { retryAfterSeconds: intervalSeconds })
    }
    const account = await this.#accounts.find(approval.accountId)
    if (!account) throw new AppError('device_login.expired_token')
    const asker = { caller: toPerson(account, credentialOf(login, approval)), origin }
    const attempt = (tx: Transaction) => store.takeAttempt(tx, login.id, ATTEMPTS_MAX)
    // Counted before it is compared, so that parallel guesses cannot all be compared.
    if (!(await this.#storage.transaction(attempt)))
      throw await this.#access.refuse(asker, 'device-login.finish', 'device_login.access_denied')
    if (!sameBytes(hashToken(readTypedCode(confirmationCode)), approval.confirmationHash))
      throw await this.#access.refuse(asker, 'device-login.finish', 'device_login.confirmation_wrong')
    return this.#access.perform(asker, 'device-login.finish', own(), async (tx) => {
      // Of two that have the code, one finds the sign-in gone; so does who was signed out meanwhile.
      if (!(await store.takeLogin(tx, login.id))) throw new AppError('device_login.expired_token')
      const { name, scopes, tokenExpiresAt: expiresAt } = login
      const result = await this.#tokens.add(tx, account.id, { name, scopes, expiresAt })
      return { result, record: { target: { kind: 'access-token', id: result.accessToken.id, name } } }
    })
  }

  async #findOwn(deviceCode: Secret<string>): Promise<DeviceLogin> {
    const code = deviceCode.reveal()
    const now = this.#clock.now().getTime()
    const login = isToken(DEVICE_CODE_PREFIX, code)
      ? await store.findLogin(this.#storage.db, hashToken(code), now)
      : undefined
    if (!login) throw new AppError('device_login.expired_token')
    return login
  }
}

/** What approved it, for the record: what it may do was decided then. */
function credentialOf(
  login: DeviceLogin,
  { sessionId, accessTokenId }: NonNullable<DeviceLogin['approval']>,
): Person['credential'] {
  if (sessionId !== null)
    return { kind: 'session', id: sessionId, authenticatedAt: new Date(0), expiresAt: login.expiresAt }
  const facts = { scopes: null, expiresAt: null, lastUsedAt: null }
  return { kind: 'access-token', id: accessTokenId ?? '', ...facts }
}
