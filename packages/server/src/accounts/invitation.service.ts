import { limits } from '@keyhold/contract/limits'
import { Secret } from '@keyhold/contract/secret'
import { type Access, inProject, instance } from '../access/access.ts'
import type { Asker, Person } from '../access/caller.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import { AppError, invalidField } from '../base/app-error.ts'
import type { Clock } from '../base/clock.ts'
import { hashToken, isToken, newId, newToken } from '../base/ids.ts'
import type { Mailer } from '../base/mailer.ts'
import type { Origin } from '../base/origin.ts'
import { Turns } from '../base/turns.ts'
import { type Storage, violatedUnique } from '../storage/storage.ts'
import type { Transaction } from '../storage/tables.ts'
import { type Account, emailKey } from './account.ts'
import { type Accounts, assertNewPassword } from './accounts.service.ts'
import * as store from './invitation.store.ts'
import { type Invitation, invitationLink, invitationMail, type MembershipWish } from './invitation.ts'
import { hashPassword } from './password.ts'

const TOKEN_PREFIX = 'kh_inv_'
const DAY_MS = 86_400_000
const DAYS_DEFAULT = 7
const DAYS_MAX = 30
/** Passwords that are hashed at once, and that wait for it. */
const PARALLEL_MAX = 2
const WAITING_MAX = 16

/** A project that somebody became a member of. */
export interface Joined {
  readonly id: string
  readonly name: string
}

/** What invitations need of projects, which know accounts and not the other way round. */
export interface ProjectMembership {
  /** Makes the account a member where the inviter still is an Admin. @returns where that was so. */
  join(
    tx: Transaction,
    inviterId: string,
    accountId: string,
    wishes: readonly MembershipWish[],
  ): Promise<readonly Joined[]>
}

export interface InvitationParts {
  readonly storage: Storage
  readonly access: Access
  readonly audit: AuditLog
  readonly accounts: Accounts
  readonly projects: ProjectMembership
  readonly mailer: Mailer
  readonly clock: Clock
  readonly publicUrl: string
}

/** An invitation, and the link for who made it; null when it was mailed. */
export interface MadeInvitation {
  readonly invitation: Invitation
  readonly link: Secret<string> | null
}

/** Links by which people make their own accounts. Each works once. */
export class Invitations {
  readonly #parts: InvitationParts
  /** One at a time for each link, so that it keeps nobody else from signing in. */
  readonly #turns = new Turns(PARALLEL_MAX, WAITING_MAX)

  constructor(parts: InvitationParts) {
    this.#parts = parts
  }

  async list(asker: Asker<Person>): Promise<Invitation[]> {
    const { access, storage } = this.#parts
    return access.check(asker, 'invitation.list', instance, () => store.listInvitations(storage.db))
  }

  /** @throws AppError `account.email_taken`, `invitation.exists`, `invitation.limit`, `project.not_found`. */
  async create(
    asker: Asker<Person>,
    wish: {
      email: string
      role: 'admin' | 'member'
      projects: readonly MembershipWish[]
      expiresAt: Date | null
    },
  ): Promise<MadeInvitation> {
    const { access, accounts, clock } = this.#parts
    if (new Set(wish.projects.map(({ projectId }) => projectId)).size < wish.projects.length)
      throw invalidField('projects', 'names a project twice')
    await this.#assertMayAdd(asker, wish.projects)
    const token = newToken(TOKEN_PREFIX)
    const id = newId('inv')
    const key = emailKey(wish.email)
    const invitation = await access.perform(asker, 'invitation.create', instance, async (tx) => {
      const now = clock.now().getTime()
      const expiresAt = wish.expiresAt?.getTime() ?? now + DAYS_DEFAULT * DAY_MS
      if (expiresAt <= now) throw invalidField('expiresAt', 'must be in the future')
      if (expiresAt > now + DAYS_MAX * DAY_MS)
        throw invalidField('expiresAt', `must be within ${DAYS_MAX} days`)
      if (await accounts.findByEmail(wish.email, tx)) throw new AppError('account.email_taken')
      await store.deleteExpired(tx, key, now)
      if ((await store.countOpen(tx)) >= limits.openInvitations) throw new AppError('invitation.limit')
      const row = {
        id,
        email: wish.email.trim(),
        open_email_key: key,
        role: wish.role,
        projects: JSON.stringify(wish.projects.map(({ projectId, role }) => ({ projectId, role }))),
        token_hash: hashToken(token),
        invited_by: asker.caller.accountId,
        created_at: now,
        expires_at: expiresAt,
        mailed_at: null,
        accepted_at: null,
      }
      await store.insertInvitation(tx, row).catch((error: unknown) => {
        throw violatedUnique(error) ? new AppError('invitation.exists', {}, error) : error
      })
      return { result: (await store.findInvitation(tx, id))!, record: about(id, row.email) }
    })
    return this.#handOver(invitation, new Secret(token))
  }

  /** Gives an invitation a new link, for 7 days from now. @throws AppError `invitation.not_found`. */
  async renew(asker: Asker<Person>, id: string): Promise<MadeInvitation> {
    const { access, clock, storage } = this.#parts
    // Whoever renews it answers for it from now on, memberships included.
    const before = await store.findInvitation(storage.db, id)
    if (before && asker.caller.role === 'admin') await this.#assertMayAdd(asker, before.projects)
    const token = newToken(TOKEN_PREFIX)
    const invitation = await access.perform(asker, 'invitation.renew', instance, async (tx) => {
      const isRenewed = await store.renewInvitation(tx, id, {
        token_hash: hashToken(token),
        expires_at: clock.now().getTime() + DAYS_DEFAULT * DAY_MS,
        invited_by: asker.caller.accountId,
        mailed_at: null,
      })
      if (!isRenewed) throw new AppError('invitation.not_found')
      const result = (await store.findInvitation(tx, id))!
      return { result, record: about(id, result.email) }
    })
    return this.#handOver(invitation, new Secret(token))
  }

  /** @throws AppError `invitation.not_found`, also for one that was accepted. */
  async revoke(asker: Asker<Person>, id: string): Promise<void> {
    await this.#parts.access.perform(asker, 'invitation.revoke', instance, async (tx) => {
      const invitation = await store.findInvitation(tx, id)
      if (!invitation || !(await store.deleteOpen(tx, id))) throw new AppError('invitation.not_found')
      return { result: undefined, record: about(id, invitation.email) }
    })
  }

  /** What a link invites to; decides and uses up nothing. @throws AppError `invitation.link_invalid`, for all reasons. */
  async find(token: Secret<string>): Promise<Invitation> {
    const text = token.reveal()
    const now = this.#parts.clock.now().getTime()
    const found = isToken(TOKEN_PREFIX, text)
      ? await store.findByToken(this.#parts.storage.db, hashToken(text), now)
      : undefined
    if (!found) throw new AppError('invitation.link_invalid')
    return found
  }

  /** Makes the account. @param also what belongs into the same transaction. @throws AppError `invitation.link_invalid`. */
  async accept(
    origin: Origin,
    token: Secret<string>,
    person: { name: string; password: Secret<string> },
    also: (tx: Transaction, account: Account) => Promise<void>,
  ): Promise<Account> {
    const { storage, audit, accounts, projects, clock } = this.#parts
    // Hashing is expensive on purpose: not for those without a link.
    const { id, email: invited } = await this.find(token)
    const owner = { email: invited, name: person.name, hasSecondFactor: false }
    assertNewPassword('password', person.password, owner)
    const passwordHash = await this.#turns.take(id, () => hashPassword(person.password))
    return storage.transaction(async (tx) => {
      const hash = hashToken(token.reveal())
      const now = clock.now().getTime()
      const invitation = await store.findByToken(tx, hash, now)
      if (!invitation || !(await store.takeInvitation(tx, invitation.id, hash, now)))
        throw new AppError('invitation.link_invalid')
      const { email, role, inviter } = invitation
      const account = await accounts.add(tx, { email, name: person.name, role, passwordHash })
      const joined = await projects.join(tx, inviter.id, account.id, invitation.projects)
      await also(tx, account)
      const record = {
        action: 'invitation.accept',
        outcome: 'success',
        actor: { kind: 'person', id: account.id, name: account.name },
        origin,
      } as const
      await audit.appendIn(
        tx,
        { ...record, ...about(invitation.id, email) },
        // One for each project, so that its Admins see who came.
        ...joined.map((project) => ({
          ...record,
          project,
          target: { kind: 'member', id: account.id, name: email },
        })),
      )
      return account
    })
  }

  /** Adding members takes an Admin of each project, and a token that may. @throws AppError */
  async #assertMayAdd(asker: Asker<Person>, projects: readonly MembershipWish[]): Promise<void> {
    const { access } = this.#parts
    if (projects.length === 0) return
    const { credential } = asker.caller
    const isLimited = credential.kind === 'access-token' && credential.scopes !== null
    if (isLimited && !credential.scopes?.includes('projects:write'))
      throw await access.refuse(asker, 'member.create', 'access.scope_missing')
    for (const { projectId } of projects)
      await access.check(asker, 'member.create', inProject(projectId), async () => undefined)
  }

  async #handOver(invitation: Invitation, token: Secret<string>): Promise<MadeInvitation> {
    const { mailer, publicUrl, storage, clock } = this.#parts
    const link = invitationLink(publicUrl, token)
    if (!mailer.isConfigured) return { invitation, link: new Secret(link) }
    try {
      await mailer.send(invitationMail(invitation, publicUrl, link))
    } catch {
      // It exists all the same: whoever made it gets the link to hand on.
      return { invitation, link: new Secret(link) }
    }
    const mailedAt = clock.now()
    await storage.transaction((tx) => store.setMailed(tx, invitation.id, mailedAt.getTime()))
    return { invitation: { ...invitation, mailedAt }, link: null }
  }
}

const about = (id: string, name: string) => ({ target: { kind: 'invitation', id, name } })
