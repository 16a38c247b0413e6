import type {
  CreationOptions,
  NewCredential,
  ProvenCredential,
  RequestOptions,
} from '@keyhold/contract/api/passkeys'
import type { ErrorCode } from '@keyhold/contract/errors'
import { limits } from '@keyhold/contract/limits'
import type { Secret } from '@keyhold/contract/secret'
import { type Access, own } from '../access/access.ts'
import { type Asker, type Person, toActor } from '../access/caller.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import { AppError } from '../base/app-error.ts'
import type { Clock } from '../base/clock.ts'
import { newId } from '../base/ids.ts'
import type { Origin } from '../base/origin.ts'
import { type Storage, violatedUnique } from '../storage/storage.ts'
import type { Transaction } from '../storage/tables.ts'
import type { Accounts, BegunSession, FactorProof } from './accounts.service.ts'
import { endOtherSessions } from './accounts.store.ts'
import { listLinks } from './identity-provider.store.ts'
import * as store from './passkey.store.ts'
import {
  algorithms,
  checkProof,
  checkRegistration,
  type Passkey,
  type RelyingParty,
  relyingPartyOf,
  userHandleOf,
} from './passkey.ts'
import type { SecondFactors } from './second-factor.service.ts'
import { ATTEMPT_MS, type SignInAttempts } from './sign-in-attempts.ts'

interface Parts {
  readonly storage: Storage
  readonly access: Access
  readonly audit: AuditLog
  readonly accounts: Accounts
  readonly secondFactors: SecondFactors
  readonly attempts: SignInAttempts
  readonly clock: Clock
  readonly publicUrl: string
}

/** What a browser gets to ask its authenticators with, and the cookie that its answer has to come with. */
export interface Begun<Options> {
  readonly options: Options
  readonly browserToken: Secret<string>
}

/** A passkey that was verified, and what has to be written down in the transaction that its use is for. */
interface Proven {
  readonly passkey: Passkey
  /** @throws AppError `passkey.copied`. */
  readonly take: (tx: Transaction) => Promise<void>
}

/**
 * Passkeys: something one has, opened by something one is or knows, which the authenticator checks (user verification). So
 * one is two factors by itself, and as good as password and code.
 */
export class Passkeys {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  async list(asker: Asker<Person>): Promise<Passkey[]> {
    const { access, storage } = this.#parts
    return access.check(asker, 'passkey.list', own(), () =>
      store.listPasskeys(storage.db, asker.caller.accountId),
    )
  }

  /** Begins to add one. @throws AppError as {@link Accounts.assertFactorProof}; `passkey.limit`. */
  async begin(asker: Asker<Person>, proof: FactorProof): Promise<Begun<CreationOptions>> {
    const { access, accounts, attempts, storage } = this.#parts
    const party = this.#party()
    await accounts.assertFactorProof(asker, 'passkey.create', proof)
    return access.check(asker, 'passkey.create', own(), async () => {
      const { accountId, name } = asker.caller
      const known = await store.listPasskeys(storage.db, accountId)
      if (known.length >= limits.passkeysPerPerson) throw new AppError('passkey.limit')
      const { email } = (await accounts.find(accountId))! // `!`: who is signed in has an account.
      const { challenge, browserToken } = await attempts.begin('passkey-create', asker.caller)
      const options: CreationOptions = {
        rp: { id: party.id, name: 'Keyhold' },
        user: { id: userHandleOf(accountId), name: email, displayName: name },
        challenge,
        pubKeyCredParams: algorithms.map((alg) => ({ type: 'public-key', alg })),
        timeout: ATTEMPT_MS,
        excludeCredentials: known.map(descriptorOf),
        authenticatorSelection: {
          residentKey: 'required',
          requireResidentKey: true,
          userVerification: 'required',
        },
        attestation: 'none',
      }
      return { options, browserToken }
    })
  }

  /** Adds the passkey that a browser made. @returns it, and recovery codes when it is the account's first factor. */
  async create(
    asker: Asker<Person>,
    browserToken: Secret<string> | undefined,
    name: string,
    credential: NewCredential,
    endsOthers: boolean,
  ): Promise<{ passkey: Passkey; recoveryCodes: Secret<string>[] }> {
    const { access, attempts, secondFactors, clock } = this.#parts
    const party = this.#party()
    const { accountId } = asker.caller
    const target = { kind: 'passkey', name }
    const attempt = await attempts.take('passkey-create', browserToken, asker.caller)
    const made = attempt ? await checkRegistration(credential, attempt.challenge, party) : NOT_BEGUN
    if (typeof made === 'string')
      throw await this.#refusal(asker, 'passkey.create', new AppError('passkey.refused', { detail: made }))
    return access.perform(asker, 'passkey.create', own({ target }), async (tx) => {
      if ((await store.listPasskeys(tx, accountId)).length >= limits.passkeysPerPerson)
        throw new AppError('passkey.limit')
      const id = newId('psk')
      try {
        await store.insertPasskey(tx, {
          id,
          account_id: accountId,
          name,
          credential_id: made.credentialId,
          public_key: made.publicKey,
          sign_count: made.signCount,
          transports: JSON.stringify(credential.response.transports ?? []),
          aaguid: made.aaguid,
          is_synced: made.isSynced ? 1 : 0,
          created_at: clock.now().getTime(),
          last_used_at: null,
        })
      } catch (error) {
        throw violatedUnique(error) ? new AppError('passkey.exists', {}, error) : error
      }
      const recoveryCodes = await secondFactors.added(tx, accountId)
      const passkey = (await store.findOwnPasskey(tx, accountId, id))! // `!`: inserted above.
      const record = [{ target: { ...target, id } }, ...(endsOthers ? await endOtherSessions(tx, asker) : [])]
      return { result: { passkey, recoveryCodes }, record }
    })
  }

  /** @throws AppError `passkey.not_found`. */
  async rename(asker: Asker<Person>, id: string, name: string): Promise<Passkey> {
    const { accountId } = asker.caller
    return this.#parts.access.perform(asker, 'passkey.update', own(aboutPasskey(id)), async (tx) => {
      const before = await store.findOwnPasskey(tx, accountId, id)
      if (!before) throw new AppError('passkey.not_found')
      await store.renamePasskey(tx, id, name)
      return {
        result: { ...before, name },
        record: { target: { kind: 'passkey', id, name }, changed: ['name'] },
      }
    })
  }

  /**
   * @throws AppError `passkey.not_found`, `second_factor.required`, and as {@link Accounts.assertFactorProof};
   *   `passkey.last` when nothing else would sign the caller in.
   */
  async delete(asker: Asker<Person>, id: string, proof: FactorProof, endsOthers: boolean): Promise<void> {
    const { access, accounts, secondFactors } = this.#parts
    const { accountId } = asker.caller
    await accounts.assertFactorProof(asker, 'passkey.delete', proof)
    await access.perform(asker, 'passkey.delete', own(aboutPasskey(id)), async (tx) => {
      const passkey = await store.findOwnPasskey(tx, accountId, id)
      if (!passkey) throw new AppError('passkey.not_found')
      await store.deleteOwnPasskey(tx, accountId, id)
      const isOut = !(await accounts.hasOtherWayIn(tx, accountId))
      if (isOut && (await listLinks(tx, accountId)).length === 0) throw new AppError('passkey.last')
      await secondFactors.removed(tx, accountId)
      const target = { kind: 'passkey', id, name: passkey.name }
      return {
        result: undefined,
        record: [{ target }, ...(endsOthers ? await endOtherSessions(tx, asker) : [])],
      }
    })
  }

  /** Begins to sign in. Asks for any passkey of this site: whose it is, the answer says. */
  async beginSignIn(): Promise<Begun<RequestOptions>> {
    const party = this.#party()
    const { challenge, browserToken } = await this.#parts.attempts.begin('passkey-sign-in')
    return { options: requestOptions(party, challenge, []), browserToken }
  }

  /** Signs in. @throws AppError `sign_in.passkey_failed`, alike for all reasons; `passkey.copied` to who has the key. */
  async signIn(
    origin: Origin,
    browserToken: Secret<string> | undefined,
    credential: ProvenCredential,
  ): Promise<BegunSession> {
    const { accounts, attempts, audit } = this.#parts
    const attempt = await attempts.take('passkey-sign-in', browserToken)
    // Nobody has said who they are before: then the authenticator has to (WebAuthn §7.2 step 6).
    const isNamed = credential.response.userHandle != null
    const proven = attempt && isNamed ? await this.#prove(credential, attempt.challenge) : undefined
    const account = proven?.isRight ? await accounts.find(proven.passkey.accountId) : undefined
    if (!proven?.isRight || !account || account.disabledAt !== null) {
      const known = proven && (account ?? (await accounts.find(proven.passkey.accountId)))
      await audit.append({
        action: 'session.create',
        outcome: 'refused',
        reason: 'sign_in.passkey_failed',
        actor: known ? { kind: 'person', id: known.id, name: known.name } : { kind: 'anonymous' },
        origin,
      })
      throw new AppError('sign_in.passkey_failed')
    }
    return accounts.beginSession(origin, account, 'passkey', proven.take)
  }

  /** Begins to confirm that it is still the caller. @throws AppError `passkey.not_found` when they have none. */
  async beginConfirmation(asker: Asker<Person>): Promise<Begun<RequestOptions>> {
    const { attempts, storage } = this.#parts
    const party = this.#party()
    const known = await store.listPasskeys(storage.db, asker.caller.accountId)
    if (known.length === 0) throw new AppError('passkey.not_found')
    const { challenge, browserToken } = await attempts.begin('passkey-confirm', asker.caller)
    return { options: requestOptions(party, challenge, known.map(descriptorOf)), browserToken }
  }

  /** Confirms by one of the caller's passkeys, as by password and code. @throws AppError `passkey.refused`, `passkey.copied`. */
  async confirm(
    asker: Asker<Person>,
    browserToken: Secret<string> | undefined,
    credential: ProvenCredential,
  ): Promise<void> {
    const { accounts, attempts } = this.#parts
    const attempt = await attempts.take('passkey-confirm', browserToken, asker.caller)
    const proven = attempt && (await this.#prove(credential, attempt.challenge))
    if (!proven?.isRight || proven.passkey.accountId !== asker.caller.accountId)
      throw await this.#refusal(asker, 'session.reauthenticate', new AppError('passkey.refused'))
    await accounts.confirmSession(asker, proven.take)
  }

  /** Finds the passkey and checks its signature. @returns undefined when no such passkey is registered. */
  async #prove(
    credential: ProvenCredential,
    challenge: string,
  ): Promise<(Proven & { isRight: true }) | { isRight: false; passkey: Passkey } | undefined> {
    const { storage, clock } = this.#parts
    const id = Buffer.from(credential.id, 'base64url')
    const passkey = await store.findPasskeyByCredential(storage.db, id)
    if (!passkey) return undefined
    const proof = await checkProof(credential, passkey, challenge, this.#party())
    if (typeof proof === 'string') return { isRight: false, passkey }
    const take = async (tx: Transaction) => {
      const now = clock.now().getTime()
      if (!(await store.takeSignCount(tx, passkey.id, proof.signCount, proof.isSynced, now)))
        throw new AppError('passkey.copied')
    }
    return { isRight: true, passkey, take }
  }

  async #refusal(
    { caller, origin }: Asker<Person>,
    action: 'passkey.create' | 'session.reauthenticate',
    error: AppError,
  ): Promise<AppError> {
    const reason: ErrorCode = error.code
    await this.#parts.audit.append({ action, outcome: 'refused', reason, actor: toActor(caller), origin })
    return error
  }

  /** @throws AppError `passkey.unavailable`. */
  #party(): RelyingParty {
    const party = relyingPartyOf(this.#parts.publicUrl)
    if (!party) throw new AppError('passkey.unavailable')
    return party
  }
}

const NOT_BEGUN =
  'Nothing was begun in this browser and session in the last 5 minutes, or it was answered already'

const PASSKEY_ID = /^psk_[0-9a-z]{20}$/
/** What was typed in place of an id is not recorded. */
const aboutPasskey = (id: string) => ({ target: { kind: 'passkey', ...(PASSKEY_ID.test(id) && { id }) } })

const descriptorOf = ({ credentialId, transports }: Passkey) => ({
  type: 'public-key' as const,
  id: Buffer.from(credentialId).toString('base64url'),
  transports: [...transports],
})

const requestOptions = (
  party: RelyingParty,
  challenge: string,
  allowCredentials: RequestOptions['allowCredentials'],
): RequestOptions => ({
  challenge,
  rpId: party.id,
  timeout: ATTEMPT_MS,
  userVerification: 'required',
  allowCredentials,
})
