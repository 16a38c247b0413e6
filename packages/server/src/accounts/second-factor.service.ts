import type { Action } from '@keyhold/contract/actions'
import { Secret } from '@keyhold/contract/secret'
import { type Access, instance, own } from '../access/access.ts'
import type { Asker, Operator, Person } from '../access/caller.ts'
import { AppError } from '../base/app-error.ts'
import { type Clock, toDate } from '../base/clock.ts'
import { newId } from '../base/ids.ts'
import type { Storage } from '../storage/storage.ts'
import type { Transaction } from '../storage/tables.ts'
import type { Vault } from '../vault/vault.ts'
import { endOtherSessions } from './accounts.store.ts'
import { listPasskeys } from './passkey.store.ts'
import * as store from './second-factor.store.ts'
import { hashRecoveryCode, newRecoveryCodes, newTotpSecret, shownTotp, stepOf } from './second-factor.ts'
import type { InstanceSettings } from './settings.service.ts'

/** What a person's second factor is, without anything secret. */
export interface SecondFactorState {
  readonly totp: { readonly createdAt: Date; readonly lastUsedAt: Date | null } | null
  readonly passkeys: number
  readonly recoveryCodesLeft: number
  readonly isRequired: boolean
}

/**
 * The second factor of signing in: codes of an authenticator or a passkey (passkey.service.ts), and recovery codes for when
 * they are lost.
 */
export class SecondFactors {
  readonly #storage: Storage
  readonly #access: Access
  readonly #vault: Vault
  readonly #settings: InstanceSettings
  readonly #clock: Clock

  constructor(storage: Storage, access: Access, vault: Vault, settings: InstanceSettings, clock: Clock) {
    this.#storage = storage
    this.#access = access
    this.#vault = vault
    this.#settings = settings
    this.#clock = clock
  }

  async state(asker: Asker<Person>): Promise<SecondFactorState> {
    const { db } = this.#storage
    const { accountId, hasSecondFactor } = asker.caller
    return this.#access.check(asker, 'second-factor.read', own(), async () => {
      const factor = await store.findFactor(db, accountId)
      return {
        totp: factor?.confirmed_at
          ? {
              createdAt: new Date(factor.created_at),
              lastUsedAt: toDate(factor.last_used_at),
            }
          : null,
        passkeys: (await listPasskeys(db, accountId)).length,
        recoveryCodesLeft: hasSecondFactor ? await store.countRecoveryCodes(db, accountId) : 0,
        isRequired: (await this.#settings.current()).requireSecondFactor,
      }
    })
  }

  /**
   * Makes a secret that counts once {@link confirm} was given a code of it. The caller's password was asked for before.
   * Where there is a passkey already, that is not enough: a session is fresh, which access/ sees to, a token has a code.
   * @throws AppError `second_factor.exists`, `second_factor.code_wrong`.
   */
  async begin(
    asker: Asker<Person>,
    email: string,
    code = '',
  ): Promise<{ secret: Secret<string>; uri: Secret<string> }> {
    const { accountId, credential, hasSecondFactor } = asker.caller
    const isThere = (await store.findFactor(this.#storage.db, accountId))?.confirmed_at != null
    if (!isThere && hasSecondFactor && credential.kind === 'access-token')
      await this.#assertCode(asker, 'second-factor.begin', code)
    const secret = newTotpSecret()
    await this.#access.perform(asker, 'second-factor.begin', own(), async (tx, grant) => {
      if ((await store.findFactor(tx, accountId))?.confirmed_at) throw new AppError('second_factor.exists')
      const now = this.#clock.now().getTime()
      const row = {
        id: newId('2fa'),
        account_id: accountId,
        created_at: now,
        confirmed_at: null,
        last_step: 0,
        last_used_at: null,
      }
      await store.replaceFactor(tx, this.#vault, grant, row, secret)
      return { result: undefined, record: {} }
    })
    return shownTotp(secret, email)
  }

  /** Turns the factor on. @returns recovery codes, which are nowhere else. @throws AppError `second_factor.code_wrong`. */
  async confirm(asker: Asker<Person>, code: string, endsOthers = false): Promise<Secret<string>[]> {
    const { accountId } = asker.caller
    return this.#access.perform(asker, 'second-factor.create', own(), async (tx) => {
      const factor = await store.findFactor(tx, accountId)
      if (!factor || factor.confirmed_at) throw new AppError('second_factor.not_begun')
      // Begun with the password alone, before a passkey was there: it must not stand beside that one.
      const { second_factor_at: since } = (await store.findState(tx, accountId)) ?? {}
      if (since != null && factor.created_at < since) throw new AppError('second_factor.not_begun')
      const now = this.#clock.now()
      const step = await stepOf(await store.openFactor(tx, this.#vault, factor), code, now)
      if (step === undefined || !(await store.takeStep(tx, factor, step, now.getTime())))
        throw new AppError('second_factor.code_wrong')
      await store.confirmFactor(tx, factor.id, now.getTime())
      const result = await this.#newCodes(tx, accountId, now)
      return { result, record: [{}, ...(endsOthers ? await endOtherSessions(tx, asker) : [])] }
    })
  }

  async #newCodes(tx: Transaction, accountId: string, now: Date): Promise<Secret<string>[]> {
    const codes = newRecoveryCodes()
    await store.replaceRecoveryCodes(tx, accountId, codes.map(hashRecoveryCode))
    await store.setSecondFactorAt(tx, accountId, now.getTime())
    return codes
  }

  /** Notes that an account has a factor now. @returns recovery codes when it is the first; otherwise none. */
  async added(tx: Transaction, accountId: string): Promise<Secret<string>[]> {
    const isFirst = (await store.findState(tx, accountId))?.second_factor_at == null
    return isFirst ? this.#newCodes(tx, accountId, this.#clock.now()) : []
  }

  /** Notes that one of an account's factors is gone. @throws AppError `second_factor.required` for the last one. */
  async removed(tx: Transaction, accountId: string): Promise<void> {
    if (await store.isAnyFactor(tx, accountId)) return
    if ((await this.#settings.current(tx)).requireSecondFactor) throw new AppError('second_factor.required')
    // It was good only together with a factor (NIST SP 800-63B-4 §3.1.1.2).
    if (await store.hasShortPassword(tx, accountId)) throw new AppError('second_factor.password_short')
    await store.removeFactors(tx, accountId)
  }

  /** Replaces the recovery codes. The caller's password was asked for before. */
  async renewCodes(asker: Asker<Person>, code: string): Promise<Secret<string>[]> {
    const { accountId } = asker.caller
    // Else a password that somebody learned and a token that they stole would be worth a factor.
    await this.#assertCode(asker, 'second-factor.update', code)
    return this.#access.perform(asker, 'second-factor.update', own(), async (tx) => {
      if ((await store.findState(tx, accountId))?.second_factor_at == null)
        throw new AppError('second_factor.not_found')
      const codes = newRecoveryCodes()
      await store.replaceRecoveryCodes(tx, accountId, codes.map(hashRecoveryCode))
      return { result: codes, record: { changed: ['recoveryCodes'] } }
    })
  }

  /** Turns the authenticator off. The caller's password was asked for before. */
  async delete(asker: Asker<Person>, code: string, endsOthers = false): Promise<void> {
    const { accountId } = asker.caller
    await this.#assertCode(asker, 'second-factor.delete', code)
    await this.#access.perform(asker, 'second-factor.delete', own(), async (tx) => {
      if (!(await store.findFactor(tx, accountId))?.confirmed_at)
        throw new AppError('second_factor.not_found')
      await store.deleteFactor(tx, accountId)
      await this.removed(tx, accountId)
      return { result: undefined, record: [{}, ...(endsOthers ? await endOtherSessions(tx, asker) : [])] }
    })
  }

  async #assertCode(asker: Asker<Person>, action: Action, code: string): Promise<void> {
    if (!asker.caller.hasSecondFactor) throw new AppError('second_factor.not_found')
    if (!(await this.accepts(asker.caller.accountId, code)))
      throw await this.#access.refuse(asker, action, 'second_factor.code_wrong')
  }

  /** Turns off somebody else's factors, passkeys included, who has lost them. @throws AppError `account.not_found`, `second_factor.not_found`. */
  async reset(asker: Asker<Person | Operator>, accountId: string): Promise<void> {
    await this.#access.perform(asker, 'account.reset-second-factor', instance, async (tx) => {
      // One's own takes password and code, whatever role somebody has: a stolen token must not change who gets in.
      if (asker.caller.kind === 'person' && asker.caller.accountId === accountId)
        throw new AppError('access.refused')
      const state = await store.findState(tx, accountId)
      if (!state) throw new AppError('account.not_found')
      if (state.second_factor_at === null) throw new AppError('second_factor.not_found')
      await store.removeFactors(tx, accountId)
      if (await store.hasShortPassword(tx, accountId)) await store.setMustChangePassword(tx, accountId)
      return { result: undefined, record: { target: { kind: 'account', id: accountId, name: state.email } } }
    })
  }

  /**
   * Whether a code is one of the person's. It works once: of two requests with the same one, the database lets one
   * through. Decides and records nothing.
   */
  async accepts(accountId: string, code: string): Promise<boolean> {
    const now = this.#clock.now()
    const digits = code.replaceAll(/\s/g, '')
    if (!/^\d{6}$/.test(digits)) {
      const hash = hashRecoveryCode(new Secret(code))
      return this.#storage.transaction((tx) => store.takeRecoveryCode(tx, accountId, hash, now.getTime()))
    }
    const factor = await store.findFactor(this.#storage.db, accountId)
    // One that was begun and not confirmed may be anybody's.
    if (!factor?.confirmed_at) return false
    const step = await stepOf(await store.openFactor(this.#storage.db, this.#vault, factor), digits, now)
    if (step === undefined) return false
    return this.#storage.transaction((tx) => store.takeStep(tx, factor, step, now.getTime()))
  }
}
