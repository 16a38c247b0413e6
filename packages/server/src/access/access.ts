import type { Action } from '@keyhold/contract/actions'
import type { ProjectRole } from '@keyhold/contract/api/projects'
import type { WorkspaceLevel } from '@keyhold/contract/api/workspaces'
import type { ErrorCode } from '@keyhold/contract/errors'
import type { AuditEntry, AuditLog } from '../audit/audit-log.ts'
import { AppError } from '../base/app-error.ts'
import type { Clock } from '../base/clock.ts'
import { lockActiveAccount, lockProject, lockWorkspace } from '../storage/locks.ts'
import type { Storage } from '../storage/storage.ts'
import type { Queries, Transaction } from '../storage/tables.ts'
import type { Owner } from '../vault/vault.ts'
import {
  findLinkedMembership,
  findMembership,
  findWorkspaceLevel,
  isActiveAccount,
  isCurrentAgent,
  levelKey,
  listLinkedWorkspaces,
  listOwnWorkspaces,
  listWorkspaceLevels,
  tellWorkspaces,
} from './access.store.ts'
import { type Asker, ownerIdOf, type Person, toActor, type WorkspaceAgent } from './caller.ts'
import {
  agentActions,
  agentOwnActions,
  instanceRules,
  machineRules,
  ownActions,
  projectRules,
  workspaceRules,
} from './rules.ts'

/** What was typed in place of an id may be a value, and is not recorded. */
const PROJECT_ID = /^prj_[0-9a-z]{20}$/
const WORKSPACE_ID = /^ws-[0-9a-z]{8,61}$/

/** How long a confirmed password lets a browser session reveal values. */
const FRESH_PASSWORD_MS = 10 * 60_000

/**
 * Acts that need a freshly confirmed password in a browser session: they show a value, or make or widen something that
 * can. Without the second kind the first would be got round by making a key.
 */
const needsFreshPassword: ReadonlySet<Action> = new Set([
  // The machine that joins gets the secrets of the workspace.
  'agent.create-enrollment',
  'secret.read',
  'access-key.create',
  'access-key.activate',
  'access-key.regenerate',
  'access-key.update',
  'access-token.create',
  'account.create',
  'account.update',
  'account.reset-second-factor',
  'api-key.update',
  'audit.export',
  // Values that somebody replaced for a reason come back, all at once.
  'environment.restore',
  // Who may watch is not settled by a browser that was left open, nor that nobody watches any more.
  'audit-destination.create',
  'audit-destination.delete',
  'device-login.approve',
  // A key of somebody else's, deployed to code hosts, signs as this person.
  'gpg-key.create',
  // Not a value, but whoever has it can make the key worthless.
  'gpg-key.revocation',
  'invitation.create',
  'invitation.renew',
  // Whoever says who somebody is can be anybody.
  'identity-provider.create',
  'identity-provider.update',
  'identity-provider.delete',
  'member.create',
  'member.update',
  // Who has one is that person from then on.
  'identity-link.create',
  'identity-link.delete',
  'passkey.create',
  'passkey.delete',
  // It may be any file of a workspace: what runs there reads the others, and who may enter is a file as well.
  'personal-secret.create',
  'personal-secret.update',
  'personal-secret.read',
  'workspace-secret.create',
  'workspace-secret.update',
  'workspace-secret.read',
  'repository-provider.create',
  'repository-provider.update',
  // It signs in beside the factor that is there, and its recovery codes take the place of that one's.
  'second-factor.begin',
  // What replaces a value runs on the person's machine with everything else that they have there.
  'secret-override.create',
  'secret-override.update',
  'secret-override.read',
  'settings.update',
  'share.create',
  'share.update',
  'ssh-key.create',
  // What Keyhold sends a credential to, and what of it workspaces may take.
  'store.create',
  'store.update',
  // Whoever the workspace is shared with gets what comes of it.
  'store-source.create',
  // It links environments of projects, and whoever the workspace is shared with gets their values.
  'workspace.update',
  'workload-identity.create',
  'workload-identity.update',
])

/** What may change what workspaces get: secrets, their environments, who is a member, what is linked, whom git knows. */
const changesDelivery =
  /^(?:(?:personal-|workspace-)?secret|secret-override|environment|member|project|workspace|repository|ssh-identity|gpg-key)[.](?!list|read|refresh|use|compare|sign|publish|revocation)/

/** What is acted on, as far as rights go. */
export type Scope =
  | { readonly kind: 'instance' }
  | {
      /** What belongs to the caller. Look-ups name the caller's account, so missing and another's are the same. */
      readonly kind: 'own'
      readonly about: RecordDetail
    }
  | {
      readonly kind: 'project'
      readonly projectId: string
      /** What in the project is asked for, as far as the request says: for the record of a refusal or failure. */
      readonly about: RecordDetail
      /**
       * The caller's own, which only members have: values are sealed for the person, and no record of what a member does
       * with it names the project, whose Admins would read it.
       */
      readonly isOwn?: true
    }
  | { readonly kind: 'workspace'; readonly workspaceId: string; readonly about: RecordDetail }

export const instance: Scope = { kind: 'instance' }
export const own = (about: RecordDetail = {}): Scope => ({ kind: 'own', about })
export const inProject = (
  projectId: string,
  about: RecordDetail = {},
): Extract<Scope, { kind: 'project' }> => ({
  kind: 'project',
  projectId,
  about,
})

/** What belongs to the caller alone, as long as they are a member of a project. */
export const ownInProject = (projectId: string, about: RecordDetail = {}): Scope => ({
  kind: 'project',
  projectId,
  about,
  isOwn: true,
})

export const inWorkspace = (workspaceId: string, about: RecordDetail = {}): Scope => ({
  kind: 'workspace',
  workspaceId,
  about,
})

/** The outcome of a decision that was "yes". */
export interface Permit {
  readonly project?: { readonly id: string; readonly name: string }
  /** The person's role in the project. */
  readonly role?: ProjectRole
  readonly workspace?: { readonly id: string; readonly name: string }
  /** What the person is in the workspace. */
  readonly level?: WorkspaceLevel
}

/** A decision that was "no", and where it was made, as far as the caller may know of it. */
type Refusal = { readonly refused: ErrorCode } & Pick<Permit, 'project' | 'workspace'>

/** What the audit log should say beyond who, what and where. */
export type RecordDetail = Pick<
  AuditEntry,
  'environment' | 'workspace' | 'target' | 'use' | 'host' | 'changed' | 'project'
> &
  // Where it turned out to be something else than what was asked for.
  Partial<Pick<AuditEntry, 'action'>>

const issuing = Symbol('only access.ts issues grants')

/**
 * Proof that an action was decided and recorded. Store functions that touch a value ask for one, so forgetting the
 * decision or the record is a type error. Only this file can make one.
 */
export class Grant<A extends Action = Action> {
  readonly #action: A
  /** Whose values it is for. */
  readonly owner: Owner

  constructor(key: typeof issuing, action: A, owner: Owner) {
    if (key !== issuing) throw new Error('grants are issued by access/ only')
    this.#action = action
    this.owner = owner
    Object.freeze(this)
  }

  get action(): A {
    return this.#action
  }

  /** @throws Error unless `grant` was issued here, for this owner. Looks at the private field: nothing else has it. */
  static assertFor(grant: Grant, owner: Owner): void {
    if (!(#action in grant)) throw new Error('grants are issued by access/ only')
    if (grant.owner !== owner) throw new Error('the grant is for another owner')
  }
}

/** The one door to everything that is allowed, refused and recorded. */
export class Access {
  readonly #storage: Storage
  readonly #audit: AuditLog
  readonly #clock: Clock

  constructor(storage: Storage, audit: AuditLog, clock: Clock) {
    this.#storage = storage
    this.#audit = audit
    this.#clock = clock
  }

  /**
   * Decides on reading things that hold no value, and reads them. Refusals and failures are recorded, what a machine
   * reads as well; what a person sees of names and settings is not.
   * @throws AppError as {@link refuse} tells.
   */
  async check<T>(asker: Asker, action: Action, scope: Scope, read: () => Promise<T>): Promise<T> {
    const permit = await this.#decide(this.#storage.db, asker, action, scope)
    const result = await read().catch(async (error: unknown) => {
      await this.#recordFailure(asker, action, scope, permit, error)
      throw error
    })
    if (asker.caller.kind === 'access-key') await this.#audit.append(this.#entry(asker, action, permit, {}))
    return result
  }

  /**
   * Changes something: decides, does `work` and writes the record, all in one transaction.
   * @param work returns its result and the details of its record, or records; without one nothing changed. What it throws as
   *   AppError is recorded as a failed attempt.
   */
  async perform<A extends Action, T>(
    asker: Asker,
    action: A,
    scope: Scope,
    work: (
      tx: Transaction,
      grant: Grant<A>,
      permit: Permit,
    ) => Promise<{ result: T; record: RecordDetail | readonly RecordDetail[] | null }>,
  ): Promise<T> {
    // Decided once before, so that a refusal is recorded outside the transaction it would be undone with …
    const permit = await this.#decide(this.#storage.db, asker, action, scope)
    const { changes } = this.#storage
    let changed: ReadonlySet<string> = new Set()
    try {
      const done = await this.#storage.transaction(async (tx) => {
        // … and once more inside, where rights taken away meanwhile count.
        // Locked before: who waits for the removal of a member is decided on after it.
        const ownerId = isOwn(scope) ? ownerIdOf(asker.caller) : undefined
        if (ownerId !== undefined) await lockActiveAccount(tx, ownerId)
        if (scope.kind === 'project') await lockProject(tx, scope.projectId)
        else if (scope.kind === 'workspace') await lockWorkspace(tx, scope.workspaceId)
        const current = await this.#find(tx, asker, action, scope)
        if ('refused' in current) throw new AppError(current.refused)
        // Before the work: what it deletes is linked no more.
        const told = await this.#workspacesToTell(tx, asker, action, scope)
        const { result, record } = await work(tx, new Grant(issuing, action, ownerOf(asker, scope)), current)
        // `as`: what is no list is one record, or none.
        const records = (Array.isArray(record) ? record : record ? [record] : []) as readonly RecordDetail[]
        if (records.length > 0) {
          changed = changedBy(asker, action, scope, records)
          await changes.announceIn(tx, changed)
          await tellWorkspaces(tx, told)
          await this.#audit.appendIn(tx, ...records.map((one) => this.#entry(asker, action, current, one)))
        }
        return result
      })
      changes.committed(changed)
      return done
    } catch (error) {
      await this.#recordFailure(asker, action, scope, permit, error)
      throw error
    }
  }

  /** The workspaces whose agents have something new to fetch once this is done. */
  async #workspacesToTell(
    tx: Transaction,
    { caller }: Asker,
    action: Action,
    scope: Scope,
  ): Promise<readonly string[]> {
    if (!changesDelivery.test(action)) return []
    if (scope.kind === 'workspace') return [scope.workspaceId]
    if (scope.kind === 'project' && !scope.isOwn) return listLinkedWorkspaces(tx, scope.projectId)
    if (isOwn(scope) && caller.kind === 'person') return listOwnWorkspaces(tx, caller.accountId)
    return []
  }

  /**
   * Delivers values: decides, finds what is asked for (still sealed), writes the records, and only when they are on
   * disk lets `open` have the grant.
   * @param find returns what was found and a record per value.
   */
  async deliver<A extends Action, Found, T>(
    asker: Asker,
    action: A,
    scope: Scope,
    find: (db: Queries, permit: Permit) => Promise<{ found: Found; records: readonly RecordDetail[] }>,
    open: (grant: Grant<A>, found: Found) => Promise<T>,
  ): Promise<T> {
    const permit = await this.#decide(this.#storage.db, asker, action, scope)
    await this.#assertActive(asker, action, scope)
    const result = await find(this.#storage.db, permit).catch(async (error: unknown) => {
      await this.#recordFailure(asker, action, scope, permit, error)
      throw error
    })
    // An answer without any value is still a use of the credential.
    const records = result.records.length > 0 ? result.records : [{}]
    await this.#audit.append(...records.map((record) => this.#entry(asker, action, permit, record)))
    return open(new Grant(issuing, action, ownerOf(asker, scope)), result.found)
  }

  /**
   * Who asks may have been let in a while ago, as a workspace is: once the account is disabled, nothing of what belongs
   * to it leaves (acceptance SDS-12). For changes, the lock of the account sees to that.
   */
  async #assertActive({ caller, origin }: Asker, action: Action, scope: Scope): Promise<void> {
    if (!isOwn(scope) || caller.kind !== 'person') return
    if (await isActiveAccount(this.#storage.db, caller.accountId)) return
    await this.#recordRefusal({ caller, origin }, action, aboutOf(scope), 'auth.required')
    throw new AppError('auth.required')
  }

  /**
   * Whether the caller may do something, for a part of an answer that is left out when they may not. Records nothing: what
   * is delivered or left out is recorded with the delivery that asks.
   */
  async permits(asker: Asker, action: Action, scope: Scope): Promise<boolean> {
    return (await this.permit(asker, action, scope)) !== undefined
  }

  /** The same, and as what: undefined when they may not. */
  async permit(asker: Asker, action: Action, scope: Scope): Promise<Permit | undefined> {
    const decision = await this.#find(this.#storage.db, asker, action, scope)
    return 'refused' in decision ? undefined : decision
  }

  /**
   * As what each of these people may do something in each workspace, in one query: for what is asked again and again of all
   * who are inside. Records nothing.
   */
  async levels(
    action: Action,
    wanted: readonly { readonly accountId: string; readonly workspaceId: string }[],
  ): Promise<(accountId: string, workspaceId: string) => WorkspaceLevel | undefined> {
    const workspaceIds = [...new Set(wanted.map(({ workspaceId }) => workspaceId))]
    const accountIds = [...new Set(wanted.map(({ accountId }) => accountId))]
    const found =
      wanted.length === 0
        ? new Map<string, WorkspaceLevel>()
        : await listWorkspaceLevels(this.#storage.db, workspaceIds, accountIds)
    return (accountId, workspaceId) => {
      const level = found.get(levelKey(accountId, workspaceId))
      return level !== undefined && workspaceRules[action]?.includes(level) ? level : undefined
    }
  }

  /** Records that a caller was refused before anything could be decided, and gives the error to throw. */
  async refuse(asker: Asker, action: Action, reason: ErrorCode): Promise<AppError> {
    await this.#recordRefusal(asker, action, {}, reason)
    return new AppError(reason)
  }

  /** Records that what was allowed could not be done, where the answer itself says so. */
  async recordFailed(
    { caller, origin }: Asker,
    action: Action,
    about: RecordDetail,
    reason: ErrorCode,
  ): Promise<void> {
    await this.#audit.append({ action, outcome: 'failed', reason, actor: toActor(caller), ...about, origin })
  }

  async #decide(db: Queries, asker: Asker, action: Action, scope: Scope): Promise<Permit> {
    const decision = await this.#find(db, asker, action, scope)
    if (!('refused' in decision)) return decision
    await this.#recordRefusal(asker, action, placeOf(scope, decision), decision.refused)
    throw new AppError(decision.refused)
  }

  /** The decision: a permit, or the error to refuse with. */
  async #find(db: Queries, asker: Asker, action: Action, scope: Scope): Promise<Permit | Refusal> {
    const decision = await this.#findRight(db, asker, action, scope)
    const { caller } = asker
    if ('refused' in decision || caller.kind !== 'person' || caller.credential.kind !== 'session')
      return decision
    if (this.isFresh(caller) || !needsFreshPassword.has(action)) return decision
    const { project, workspace } = decision
    return {
      refused: 'session.reauthentication_required',
      ...(project && { project }),
      ...(workspace && { workspace }),
    }
  }

  /** Whether somebody has just proven who they are, in a browser. A token never does: it may be in other hands. */
  isFresh({ credential }: Person): boolean {
    if (credential.kind !== 'session') return false
    return this.#clock.now().getTime() - credential.authenticatedAt.getTime() <= FRESH_PASSWORD_MS
  }

  /** What role, permission and membership say. Missing and not-yours are the same. */
  async #findRight(db: Queries, { caller }: Asker, action: Action, scope: Scope): Promise<Permit | Refusal> {
    if (caller.kind === 'operator') return {}
    if (scope.kind === 'instance') {
      const needed = caller.kind === 'person' ? instanceRules[action] : undefined
      const isAllowed =
        needed === 'member' || (needed === 'admin' && caller.kind === 'person' && caller.role === 'admin')
      return isAllowed ? {} : { refused: 'access.refused' }
    }
    if (caller.kind === 'workspace') return findRightOfAgent(db, caller, action, scope)
    if (scope.kind === 'own')
      return caller.kind === 'person' && ownActions.has(action) ? {} : { refused: 'access.refused' }
    if (scope.kind === 'workspace') {
      const { workspaceId: id } = scope
      const found = caller.kind === 'person' && (await findWorkspaceLevel(db, id, caller.accountId))
      if (!found) return { refused: 'workspace.not_found' }
      const workspace = { id, name: found.name }
      const isAllowed = workspaceRules[action]?.includes(found.level)
      return isAllowed ? { workspace, level: found.level } : { refused: 'access.refused', workspace }
    }
    if (caller.kind === 'access-key') {
      if (caller.project.id !== scope.projectId) return { refused: 'project.not_found' }
      const isAllowed = machineRules[action]?.includes(caller.permission)
      return isAllowed ? { project: caller.project } : { refused: 'access.refused', project: caller.project }
    }
    const membership = await findMembership(db, scope.projectId, caller.accountId)
    if (!membership) return { refused: 'project.not_found' }
    const { role, projectName: name } = membership
    const place = scope.isOwn ? {} : { project: { id: scope.projectId, name } }
    if (!projectRules[action]?.includes(role)) return { refused: 'access.refused', ...place }
    return { ...place, role }
  }

  #entry(asker: Asker, action: Action, permit: Permit, record: RecordDetail): AuditEntry {
    return {
      action,
      outcome: 'success',
      actor: toActor(asker.caller),
      ...(permit.project && { project: permit.project }),
      ...(permit.workspace && { workspace: permit.workspace.id }),
      ...record,
      origin: asker.origin,
    }
  }

  async #recordRefusal(asker: Asker, action: Action, about: RecordDetail, reason: ErrorCode): Promise<void> {
    const { caller, origin } = asker
    await this.#audit.append({ action, outcome: 'refused', reason, actor: toActor(caller), ...about, origin })
  }

  /** An expected error is a failed attempt; others are the server's own fault and go to its log. */
  async #recordFailure(
    asker: Asker,
    action: Action,
    scope: Scope,
    { project, workspace }: Permit,
    error: unknown,
  ): Promise<void> {
    if (!(error instanceof AppError) || error.status >= 500) return
    const { caller, origin } = asker
    const { environment, ...rest }: RecordDetail = aboutOf(scope)
    // What was typed for an environment that does not exist may be a value.
    const isFound = environment !== undefined && error.code !== 'environment.not_found'
    const about = isFound ? { environment, ...rest } : rest
    await this.#audit.append({
      action,
      outcome: error.status === 403 ? 'refused' : 'failed',
      reason: error.code,
      actor: toActor(caller),
      ...(project && { project }),
      ...(workspace && { workspace: workspace.id }),
      ...about,
      origin,
    })
  }
}

/**
 * An agent acts in its own workspace only, and only until another one took its place. What it reads elsewhere it gets as the
 * owner does: personal secrets, and those of projects that are linked while the owner is a member.
 */
async function findRightOfAgent(
  db: Queries,
  agent: WorkspaceAgent,
  action: Action,
  scope: Scope,
): Promise<Permit | Refusal> {
  const workspace = { id: agent.workspaceId, name: agent.name }
  if (scope.kind === 'own') {
    const isAllowed = agentOwnActions.has(action) && (await isCurrentAgent(db, agent))
    return isAllowed ? { workspace } : { refused: 'access.refused', workspace }
  }
  if (scope.kind === 'project') {
    const linked = await findLinkedMembership(db, agent, scope.projectId)
    if (!linked || !(await isCurrentAgent(db, agent))) return { refused: 'project.not_found' }
    const project = { id: scope.projectId, name: linked.projectName }
    // What its owner may read of a project, and no record of own values names that (see Scope).
    const needed = scope.isOwn ? 'secret-override.use' : 'secret.read'
    const place = scope.isOwn ? { workspace } : { project }
    const isAllowed = action === needed && projectRules['secret.read']?.includes(linked.role)
    return isAllowed ? { ...place, role: linked.role } : { refused: 'access.refused', ...place }
  }
  if (scope.kind !== 'workspace') return { refused: 'access.refused' }
  if (scope.workspaceId !== agent.workspaceId) return { refused: 'workspace.not_found' }
  if (!(await isCurrentAgent(db, agent))) return { refused: 'auth.required', workspace }
  return agentActions.has(action) ? { workspace } : { refused: 'access.refused', workspace }
}

/** Whether what is acted on belongs to the caller alone. */
function isOwn(scope: Scope): boolean {
  return scope.kind === 'own' || (scope.kind === 'project' && scope.isOwn === true)
}

/** What the request says of what it is about. */
function aboutOf(scope: Scope): RecordDetail {
  return scope.kind === 'instance' ? {} : scope.about
}

/** Where a refused action was to take place. What was typed in place of an id is left out. */
function placeOf(scope: Scope, { refused, project, workspace }: Refusal): RecordDetail {
  if (scope.kind === 'instance') return {}
  const { about } = scope
  // Of a member's own even a refusal says too much; an outsider has nothing there to hide.
  if (scope.kind === 'project' && scope.isOwn && refused !== 'project.not_found') return about
  if (scope.kind === 'project') {
    const place = project ?? (PROJECT_ID.test(scope.projectId) ? { id: scope.projectId } : undefined)
    return { ...(place && { project: place }), ...about }
  }
  if (scope.kind === 'workspace') {
    const id = workspace?.id ?? (WORKSPACE_ID.test(scope.workspaceId) ? scope.workspaceId : undefined)
    return { ...(id !== undefined && { workspace: id }), ...about }
  }
  return { ...(workspace && { workspace: workspace.id }), ...about }
}

/** The project or the accounts whose watchers have to look: at what is delivered, or at whether they still may. */
function changedBy(
  { caller }: Asker,
  action: Action,
  scope: Scope,
  records: readonly RecordDetail[],
): ReadonlySet<string> {
  // That something was used is recorded often, and changes nothing.
  if (scope.kind === 'workspace' || action === 'secret.use') return new Set()
  if (scope.kind === 'project') return new Set([scope.projectId])
  const accounts = records.flatMap(({ target }) => (target?.kind === 'account' ? (target.id ?? []) : []))
  return new Set(caller.kind === 'person' ? [...accounts, caller.accountId] : accounts)
}

/** Whose values a grant of this scope is for. */
function ownerOf({ caller }: Asker, scope: Scope): Owner {
  if (isOwn(scope)) {
    const ownerId = ownerIdOf(caller)
    return ownerId === undefined ? 'instance' : `person:${ownerId}`
  }
  if (scope.kind === 'project') return `project:${scope.projectId}`
  return scope.kind === 'workspace' ? `workspace:${scope.workspaceId}` : 'instance'
}
