import type { Action } from '@keyhold/contract/actions'
import { limits } from '@keyhold/contract/limits'
import { Secret } from '@keyhold/contract/secret'
import { type Access, instance, own } from '../access/access.ts'
import type { Asker, Operator, Person } from '../access/caller.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import { AppError, invalidField } from '../base/app-error.ts'
import { type Clock, LAST_USED_STEP_MS } from '../base/clock.ts'
import { hashToken, isToken, newId, newToken } from '../base/ids.ts'
import type { Origin } from '../base/origin.ts'
import { lockAccount, lockActiveAccount } from '../storage/locks.ts'
import { type Storage, violatedUnique } from '../storage/storage.ts'
import type { Queries, Tables, Transaction } from '../storage/tables.ts'
import { sameBytes } from '../vault/same-bytes.ts'
import { type Account, emailKey } from './account.ts'
import {
  countActiveAdmins,
  deleteEndedSessions,
  deleteOwnSession,
  deleteSession,
  deleteSessionsOf,
  endOtherSessions,
  findAccount,
  findAccountByEmail,
  findInstanceValue,
  findLiveSession,
  insertAccount,
  insertSession,
  isAnyAccount,
  listAccounts,
  listLiveSessions,
  lockAccounts,
  setAuthenticated,
  setComplete,
  setInstanceValue,
  takeInstanceValue,
  touchSession,
  updateAccount,
} from './accounts.store.ts'
import { listPasskeys } from './passkey.store.ts'
import { hashPassword, isPassword, NO_PASSWORD } from './password.ts'
import { isShort, type PasswordOwner, passwordProblem } from './password-rules.ts'
import type { SecondFactors } from './second-factor.service.ts'
import type { InstanceSettings } from './settings.service.ts'

const SESSION_PREFIX = 'kh_ses_'
const SETUP_PREFIX = 'kh_setup_'
const HOUR_MS = 3_600_000
/** NIST SP 800-63B-4 §2.2.3 for AAL2: sign in again after 12 hours (limits.sessionHours), or 30 minutes without a request. */
const SESSION_IDLE_MS = 30 * 60_000

/** Name of the row that holds the hash of the set-up code while the instance is not set up. */
const SETUP_CODE = 'setup-code-hash'

export interface NewAccount {
  readonly email: string
  readonly name: string
  readonly role: 'admin' | 'member'
  readonly password: Secret<string>
  readonly mustChangePassword?: boolean
}

const SESSION_ID = /^ses_[0-9a-z]{20}$/

/** A browser session as its person sees it. */
export interface LiveSession {
  readonly id: string
  /** From where it was begun, and with what; null for sessions begun before this was kept. */
  readonly address: string | null
  readonly client: string | null
  readonly signedInBy: string | null
  readonly createdAt: Date
  readonly lastUsedAt: Date
  readonly expiresAt: Date
  readonly isCurrent: boolean
}

/** A session that was begun. */
export interface BegunSession {
  /** Answered once. */
  readonly token: Secret<string>
  readonly person: Person
  readonly account: Account
}

/** What somebody gives with an access token to change their factors. */
export interface FactorProof {
  readonly password: Secret<string> | undefined
  readonly code: string | undefined
}

/** People, their sessions, and the set-up of the instance. */
export class Accounts {
  readonly #storage: Storage
  readonly #access: Access
  readonly #audit: AuditLog
  readonly #secondFactors: SecondFactors
  readonly #settings: InstanceSettings
  readonly #clock: Clock

  constructor(
    storage: Storage,
    access: Access,
    audit: AuditLog,
    secondFactors: SecondFactors,
    settings: InstanceSettings,
    clock: Clock,
  ) {
    this.#storage = storage
    this.#access = access
    this.#audit = audit
    this.#secondFactors = secondFactors
    this.#settings = settings
    this.#clock = clock
  }

  async isSetUp(): Promise<boolean> {
    return isAnyAccount(this.#storage.db)
  }

  /**
   * Makes the one-time set-up code of an instance without accounts; a code made before stops working.
   * @returns undefined when the instance is set up.
   */
  async newSetupCode(): Promise<Secret<string> | undefined> {
    if (await this.isSetUp()) return undefined
    const code = newToken(SETUP_PREFIX)
    const hash = hashToken(code).toString('hex')
    await this.#storage.transaction((tx) => setInstanceValue(tx, SETUP_CODE, hash))
    return new Secret(code)
  }

  /** Makes the first administrator. @throws AppError `setup.done`, `setup.code_wrong`. */
  async setUp(
    origin: Origin,
    code: Secret<string>,
    account: Omit<NewAccount, 'role'>,
    also: (tx: Transaction, account: Account) => Promise<void>,
  ): Promise<Account> {
    const expected = await findInstanceValue(this.#storage.db, SETUP_CODE)
    if (await this.isSetUp()) throw new AppError('setup.done')
    const given = hashToken(code.reveal().trim())
    if (expected === undefined || !sameBytes(given, Buffer.from(expected, 'hex'))) {
      await this.#audit.append({
        action: 'instance.setup',
        outcome: 'refused',
        reason: 'setup.code_wrong',
        actor: { kind: 'anonymous' },
        origin,
      })
      throw new AppError('setup.code_wrong')
    }
    assertNewPassword('password', account.password, { ...account, hasSecondFactor: false })
    const passwordHash = await hashPassword(account.password)
    return this.#storage.transaction(async (tx) => {
      // Of two set-ups with the right code at once, one finds the code taken.
      if (!(await takeInstanceValue(tx, SETUP_CODE))) throw new AppError('setup.done')
      const created = await this.add(tx, { ...account, role: 'admin', passwordHash })
      await also(tx, created)
      await this.#audit.appendIn(tx, {
        action: 'instance.setup',
        outcome: 'success',
        actor: { kind: 'person', id: created.id, name: created.name },
        target: { kind: 'account', id: created.id, name: created.email },
        origin,
      })
      return created
    })
  }

  /** Creates an account. @throws AppError `account.email_taken`. */
  async create(asker: Asker<Person | Operator>, account: NewAccount): Promise<Account> {
    // Hashing is expensive on purpose: not for those who may not create accounts.
    const passwordHash = await this.#access.check(asker, 'account.create', instance, async () => {
      assertNewPassword('password', account.password, { ...account, hasSecondFactor: false })
      return hashPassword(account.password)
    })
    return this.#access.perform(asker, 'account.create', instance, async (tx) => {
      const result = await this.add(tx, { ...account, passwordHash })
      // An instance that an operator gave its first account needs no set-up code any more.
      await takeInstanceValue(tx, SETUP_CODE)
      return { result, record: { target: { kind: 'account', id: result.id, name: result.email } } }
    })
  }

  /** Adds an account in a transaction that records it itself. @throws AppError `account.email_taken`. */
  async add(
    tx: Transaction,
    { passwordHash, ...account }: Omit<NewAccount, 'password'> & { passwordHash: string },
  ): Promise<Account> {
    const id = newId('usr')
    try {
      await insertAccount(tx, {
        id,
        email: account.email.trim(),
        email_key: emailKey(account.email),
        name: account.name,
        role: account.role,
        password_hash: passwordHash,
        must_change_password: account.mustChangePassword ? 1 : 0,
        created_at: this.#clock.now().getTime(),
        disabled_at: null,
        second_factor_at: null,
        has_short_password: 0,
      })
    } catch (error) {
      if (violatedUnique(error)) throw new AppError('account.email_taken', {}, error)
      throw error
    }
    return (await findAccount(tx, id))!
  }

  /** Makes an account that an identity provider signs in. Decides and records nothing. @throws AppError `account.email_taken`. */
  async addWithoutPassword(
    tx: Transaction,
    account: Pick<NewAccount, 'email' | 'name' | 'role'>,
  ): Promise<Account> {
    return this.add(tx, { ...account, passwordHash: NO_PASSWORD })
  }

  /** Whether a password or a passkey signs somebody in. */
  async hasOtherWayIn(db: Queries, accountId: string): Promise<boolean> {
    const account = await findAccount(db, accountId)
    return account?.passwordHash !== NO_PASSWORD || (await listPasskeys(db, accountId)).length > 0
  }

  async list(asker: Asker<Person>): Promise<Account[]> {
    return this.#access.check(asker, 'account.list', instance, () => listAccounts(this.#storage.db))
  }

  /** Everybody who is not disabled. For the server's own use: decides nothing. */
  async listActive(): Promise<Account[]> {
    return (await listAccounts(this.#storage.db)).filter(({ disabledAt }) => disabledAt === null)
  }

  async find(id: string): Promise<Account | undefined> {
    return findAccount(this.#storage.db, id)
  }

  /** @param db the transaction, inside one: it holds a connection, and waiting for a second one may be for ever. */
  async findByEmail(email: string, db: Queries = this.#storage.db): Promise<Account | undefined> {
    return findAccountByEmail(db, email)
  }

  /** @throws AppError `account.not_found`, `account.last_admin`. */
  async update(
    asker: Asker<Person>,
    id: string,
    change: { name?: string; role?: 'admin' | 'member'; isDisabled?: boolean },
  ): Promise<Account> {
    return this.#access.perform(asker, 'account.update', instance, async (tx) => {
      await lockAccounts(tx)
      const before = await findAccount(tx, id)
      if (!before) throw new AppError('account.not_found')
      const isDisabled = before.disabledAt !== null
      const changed = [
        ...(change.name !== undefined && change.name !== before.name ? ['name'] : []),
        ...(change.role !== undefined && change.role !== before.role ? ['role'] : []),
        ...(change.isDisabled !== undefined && change.isDisabled !== isDisabled ? ['isDisabled'] : []),
      ]
      if (changed.length === 0) return { result: before, record: null }
      await updateAccount(tx, id, {
        name: change.name ?? before.name,
        role: change.role ?? before.role,
        ...(changed.includes('isDisabled') && {
          disabled_at: change.isDisabled ? this.#clock.now().getTime() : null,
        }),
      })
      if (change.isDisabled) await deleteSessionsOf(tx, id)
      if ((await countActiveAdmins(tx)) === 0) throw new AppError('account.last_admin')
      const result = (await findAccount(tx, id))!
      return { result, record: { changed, target: { kind: 'account', id, name: result.email } } }
    })
  }

  /** Signs in. @returns the session's token, answered once. @throws AppError `sign_in.failed`, alike for all reasons. */
  async signIn(
    origin: Origin,
    email: string,
    password: Secret<string>,
    code?: string,
  ): Promise<BegunSession> {
    const account = await this.findByEmail(email)
    const isRight = await isPassword(account?.passwordHash, password)
    const isKnown = account && isRight && account.disabledAt === null
    const isCodeMissing = isKnown && account.hasSecondFactor && code === undefined
    const isProven =
      isKnown &&
      !isCodeMissing &&
      (!account.hasSecondFactor || (await this.#secondFactors.accepts(account.id, code!)))
    if (!isProven) {
      // That the password alone was right is worth knowing: to its owner, who has to give the code, and to the log.
      const reason = isCodeMissing ? 'sign_in.code_required' : 'sign_in.failed'
      await this.#audit.append({
        action: 'session.create',
        outcome: 'refused',
        reason,
        // What was typed as an address may be a password: only a known account is named.
        actor: account ? { kind: 'person', id: account.id, name: account.name } : { kind: 'anonymous' },
        origin,
      })
      throw new AppError(reason)
    }
    return this.beginSession(origin, account, 'password')
  }

  /**
   * Begins a session for somebody who has just proven who they are.
   * @param within what has to happen in the same transaction. @throws AppError `auth.required` when disabled meanwhile.
   */
  async beginSession(
    origin: Origin,
    account: Account,
    signedInBy: string,
    within: (tx: Transaction) => Promise<void> = async () => {},
    proven?: { readonly secondFactor: 'pending' | 'provider' | null; readonly authenticatedAt: number },
  ): Promise<BegunSession> {
    const token = newToken(SESSION_PREFIX)
    const id = newId('ses')
    const now = this.#clock.now().getTime()
    const expiresAt = now + (await this.#sessionHours(signedInBy)) * HOUR_MS
    const { secondFactor, authenticatedAt } = proven ?? { secondFactor: null, authenticatedAt: now }
    const person = sessionPerson(account, {
      id,
      authenticated_at: authenticatedAt,
      expires_at: expiresAt,
      second_factor: secondFactor,
    })
    await this.#access.perform({ caller: person, origin }, 'session.create', instance, async (tx) => {
      // A session that begins while the account is being disabled would be there when it is enabled again.
      await lockActiveAccount(tx, account.id)
      await within(tx)
      await deleteEndedSessions(tx, account.id, now)
      await insertSession(tx, {
        id,
        account_id: account.id,
        token_hash: hashToken(token),
        created_at: now,
        authenticated_at: authenticatedAt,
        last_used_at: now,
        expires_at: expiresAt,
        address: origin.address ?? null,
        client: origin.client ?? null,
        signed_in_by: signedInBy,
        second_factor: secondFactor,
      })
      return { result: undefined, record: { target: { kind: 'session', id, name: `by ${signedInBy}` } } }
    })
    return { token: new Secret(token), person, account }
  }

  /** A passkey cannot be phished or guessed, so administrators limit the others only. */
  async #sessionHours(signedInBy: string): Promise<number> {
    if (signedInBy === 'passkey') return limits.sessionHours
    return (await this.#settings.current()).maximumLife.sessionHours ?? limits.sessionHours
  }

  /** Who holds this session token. @returns undefined when it is not, or no longer, valid. */
  async authenticateSession(token: string): Promise<Person | undefined> {
    if (!isToken(SESSION_PREFIX, token)) return undefined
    const now = this.#clock.now().getTime()
    const live = await findLiveSession(
      this.#storage.db,
      { tokenHash: hashToken(token) },
      now,
      now - SESSION_IDLE_MS,
    )
    if (!live) return undefined
    if (now - live.session.last_used_at > LAST_USED_STEP_MS) {
      await this.#storage.transaction((tx) => touchSession(tx, live.session.id, now))
    }
    return sessionPerson(live.account, live.session)
  }

  /** Who holds a session that something was begun in; undefined when it has ended since. */
  async findSessionPerson(accountId: string | null, id: string | null): Promise<Person | undefined> {
    if (accountId === null || id === null) return undefined
    const now = this.#clock.now().getTime()
    const live = await findLiveSession(this.#storage.db, { id, accountId }, now, now - SESSION_IDLE_MS)
    return live && sessionPerson(live.account, live.session)
  }

  /** The caller's browser sessions that have not ended, last used first. */
  async listSessions(asker: Asker<Person>): Promise<LiveSession[]> {
    const { accountId, credential } = asker.caller
    return this.#access.check(asker, 'session.list', own(), async () => {
      const now = this.#clock.now().getTime()
      const rows = await listLiveSessions(this.#storage.db, accountId, now, now - SESSION_IDLE_MS)
      return rows.map((row) => ({
        id: row.id,
        address: row.address,
        client: row.client,
        signedInBy: row.signed_in_by,
        createdAt: new Date(row.created_at),
        lastUsedAt: new Date(row.last_used_at),
        expiresAt: new Date(row.expires_at),
        isCurrent: row.id === credential.id,
      }))
    })
  }

  /** Ends one of the caller's sessions; its next request gets 401. @throws AppError `session.not_found`. */
  async endSession(asker: Asker<Person>, id: string): Promise<void> {
    const target = { kind: 'session', ...(SESSION_ID.test(id) && { id }) }
    await this.#access.perform(asker, 'session.end', own({ target }), async (tx) => {
      if (!(await deleteOwnSession(tx, asker.caller.accountId, id))) throw new AppError('session.not_found')
      return { result: undefined, record: { target } }
    })
  }

  /** Ends all of the caller's sessions but the one that asks. */
  async endOtherSessions(asker: Asker<Person>): Promise<void> {
    await this.#access.perform(asker, 'session.end', own(), async (tx) => ({
      result: undefined,
      record: await endOtherSessions(tx, asker),
    }))
  }

  /** Ends all sessions of somebody, whose browser may be in other hands. @throws AppError `account.not_found`. */
  async endSessionsOf(asker: Asker<Person>, accountId: string): Promise<void> {
    await this.#access.perform(asker, 'account.end-sessions', instance, async (tx) => {
      const account = await findAccount(tx, accountId)
      if (!account) throw new AppError('account.not_found')
      await deleteSessionsOf(tx, accountId)
      return {
        result: undefined,
        record: { target: { kind: 'account', id: accountId, name: account.email } },
      }
    })
  }

  async signOut(asker: Asker<Person>): Promise<void> {
    const { credential } = asker.caller
    await this.#access.perform(asker, 'session.delete', instance, async (tx) => {
      if (credential.kind === 'session') await deleteSession(tx, credential.id)
      return { result: undefined, record: { target: { kind: credential.kind, id: credential.id } } }
    })
  }

  /** Confirms the password, so that acts which need it fresh are allowed for a while. */
  async reauthenticate(asker: Asker<Person>, password: Secret<string>, code?: string): Promise<void> {
    const account = await this.assertPassword(asker, 'session.reauthenticate', password)
    if (account.hasSecondFactor && !(await this.#secondFactors.accepts(account.id, code ?? '')))
      throw await this.#access.refuse(asker, 'session.reauthenticate', 'second_factor.code_wrong')
    await this.confirmSession(asker)
  }

  /** Notes that the caller has just proven again who they are. @param within as {@link beginSession}'s. */
  async confirmSession(
    asker: Asker<Person>,
    within: (tx: Transaction) => Promise<void> = async () => {},
  ): Promise<void> {
    const { credential } = asker.caller
    await this.#access.perform(asker, 'session.reauthenticate', instance, async (tx) => {
      await within(tx)
      if (credential.kind === 'session')
        await setAuthenticated(tx, credential.id, this.#clock.now().getTime())
      return { result: undefined, record: { target: { kind: credential.kind, id: credential.id } } }
    })
  }

  /**
   * Sees that a change of factors comes from its person, whatever the caller holds: a stolen token must not change who gets
   * in. Sessions are fresh, which access/ sees to; a token comes with the password, and a code where there is a factor.
   * @throws AppError `account.password_wrong`, `second_factor.code_wrong`, `request.invalid` without a password.
   */
  async assertFactorProof(asker: Asker<Person>, action: Action, proof: FactorProof): Promise<void> {
    if (asker.caller.credential.kind === 'session') return
    if (!proof.password) throw invalidField('password', 'is needed with an access token')
    const account = await this.assertPassword(asker, action, proof.password)
    if (account.hasSecondFactor && !(await this.#secondFactors.accepts(account.id, proof.code ?? '')))
      throw await this.#access.refuse(asker, action, 'second_factor.code_wrong')
  }

  /**
   * Changes the caller's own password and ends their other sessions.
   * @throws AppError `account.password_wrong`; `request.invalid` for the same password, which others may know.
   */
  async changePassword(
    asker: Asker<Person>,
    current: Secret<string> | undefined,
    next: Secret<string>,
  ): Promise<void> {
    const account = await this.#assertMayChangePassword(asker, current)
    if (await isPassword(account.passwordHash, next)) throw invalidField('newPassword', 'is the one you have')
    assertNewPassword('newPassword', next, account)
    const passwordHash = await hashPassword(next)
    const { accountId, credential } = asker.caller
    await this.#access.perform(asker, 'account.password', instance, async (tx) => {
      // Of two changes from one password the second finds another one there.
      await lockAccount(tx, accountId)
      const now = await findAccount(tx, accountId)
      if (now?.passwordHash !== account.passwordHash) throw new AppError('account.password_wrong')
      // A factor that was removed meanwhile: then this password would be too short.
      assertNewPassword('newPassword', next, now)
      await updateAccount(tx, accountId, {
        password_hash: passwordHash,
        must_change_password: 0,
        has_short_password: isShort(next.reveal()) ? 1 : 0,
      })
      await deleteSessionsOf(tx, accountId, credential.kind === 'session' ? credential.id : undefined)
      return { result: undefined, record: { target: { kind: 'account', id: accountId } } }
    })
  }

  /** Whoever has no password yet has just proven who they are in another way. */
  async #assertMayChangePassword(
    asker: Asker<Person>,
    current: Secret<string> | undefined,
  ): Promise<Account> {
    const account = await this.find(asker.caller.accountId)
    if (account?.passwordHash === NO_PASSWORD) {
      if (this.#access.isFresh(asker.caller)) return account
      throw await this.#access.refuse(asker, 'account.password', 'session.reauthentication_required')
    }
    if (!current) throw invalidField('currentPassword', 'is needed')
    return this.assertPassword(asker, 'account.password', current)
  }

  /** Finishes a sign-in that an identity provider began. @throws AppError `second_factor.code_wrong`, `session.complete`. */
  async giveSecondFactor(asker: Asker<Person>, code: string): Promise<void> {
    const { accountId, credential } = asker.caller
    if (credential.kind !== 'session' || !credential.needsSecondFactor) throw new AppError('session.complete')
    if (!(await this.#secondFactors.accepts(accountId, code)))
      throw await this.#access.refuse(asker, 'session.reauthenticate', 'second_factor.code_wrong')
    await this.#access.perform(asker, 'session.reauthenticate', instance, async (tx) => {
      await setComplete(tx, credential.id)
      return {
        result: undefined,
        record: { target: { kind: 'session', id: credential.id }, changed: ['secondFactor'] },
      }
    })
  }

  /** @throws AppError `account.password_wrong`, recorded as a refusal of the action. */
  async assertPassword(asker: Asker<Person>, action: Action, password: Secret<string>): Promise<Account> {
    const account = await this.find(asker.caller.accountId)
    if ((await isPassword(account?.passwordHash, password)) && account) return account
    throw await this.#access.refuse(asker, action, 'account.password_wrong')
  }
}

/** @throws AppError `request.invalid` naming the field, for a password that is too short or guessed first. */
export function assertNewPassword(field: string, password: Secret<string>, owner: PasswordOwner): void {
  const problem = passwordProblem(password.reveal(), owner)
  if (problem) throw invalidField(field, problem)
}

/** Somebody by a row of their sessions. */
function sessionPerson(
  account: Account,
  session: Pick<Tables['sessions'], 'id' | 'authenticated_at' | 'expires_at' | 'second_factor'>,
): Person {
  const person = toPerson(account, {
    kind: 'session',
    id: session.id,
    authenticatedAt: new Date(session.authenticated_at),
    expiresAt: new Date(session.expires_at),
    needsSecondFactor: session.second_factor === 'pending',
  })
  return { ...person, hasSecondFactor: account.hasSecondFactor || session.second_factor === 'provider' }
}

export function toPerson(account: Account, credential: Person['credential']): Person {
  return {
    kind: 'person',
    accountId: account.id,
    name: account.name,
    role: account.role,
    mustChangePassword: account.mustChangePassword,
    hasSecondFactor: account.hasSecondFactor,
    credential,
  }
}
