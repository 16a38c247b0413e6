import { limits } from '@keyhold/contract/limits'
import { Secret } from '@keyhold/contract/secret'
import { type Access, inProject } from '../../access/access.ts'
import type { Asker, Machine, Person } from '../../access/caller.ts'
import type { AuditLog } from '../../audit/audit-log.ts'
import { AppError, invalidField } from '../../base/app-error.ts'
import type { Clock } from '../../base/clock.ts'
import { hashToken, isToken, newId, newToken } from '../../base/ids.ts'
import type { Origin } from '../../base/origin.ts'
import type { Outgoing } from '../../base/outgoing.ts'
import { lockProject } from '../../storage/locks.ts'
import type { Storage } from '../../storage/storage.ts'
import { sameBytes } from '../../vault/same-bytes.ts'
import { type Verdict, verifyIdentityToken } from './identity-token.ts'
import { IssuerError, IssuerKeys } from './issuer-keys.ts'
import * as store from './workload-identity.store.ts'
import {
  assertTied,
  checkedIssuer,
  readJwks,
  recordedSubject,
  shownClaims,
  type WorkloadIdentity,
  type WorkloadPreset,
} from './workload-identity.ts'

/** What a machine gets in exchange, told from access keys by these. */
const CREDENTIAL_KIND = 'wic'
const SECRET_PREFIX = 'kh_wis_'
/** However long the platform's token lasts. */
const CREDENTIAL_MS_MAX = 3_600_000

export interface WorkloadIdentityParts {
  readonly storage: Storage
  readonly access: Access
  readonly audit: AuditLog
  readonly outgoing: Outgoing
  readonly clock: Clock
  /** The audience of those that name none. */
  readonly publicUrl: string
}

export interface IdentityWish {
  readonly name: string
  readonly preset: WorkloadPreset
  readonly issuer?: string | undefined
  readonly audience?: string | undefined
  readonly claims: Readonly<Record<string, string>>
  readonly permission: 'read' | 'read_write'
  readonly isSingleUse?: boolean | undefined
  readonly jwks?: string | undefined
}

export interface IdentityChange {
  readonly name?: string | undefined
  readonly permission?: 'read' | 'read_write' | undefined
  readonly isActive?: boolean | undefined
  readonly jwks?: string | undefined
}

/** What a machine was let in with. */
export interface IssuedCredential {
  readonly project: { readonly id: string; readonly name: string }
  readonly id: string
  readonly secret: Secret<string>
  readonly permission: 'read' | 'read_write'
  readonly expiresAt: Date
}

/** Machines that prove who they are by a token of their platform, and so need no stored secret. */
export class WorkloadIdentities {
  readonly #parts: WorkloadIdentityParts
  readonly #issuerKeys: IssuerKeys

  constructor(parts: WorkloadIdentityParts) {
    this.#parts = parts
    this.#issuerKeys = new IssuerKeys(parts.outgoing, parts.clock)
  }

  async list(asker: Asker<Person>, projectId: string): Promise<WorkloadIdentity[]> {
    const { access, storage } = this.#parts
    return access.check(asker, 'workload-identity.list', inProject(projectId), () =>
      store.listIdentities(storage.db, projectId),
    )
  }

  /** @throws AppError `request.invalid` for what would let in more than one repository; `workload_identity.limit`. */
  async create(asker: Asker<Person>, projectId: string, wish: IdentityWish): Promise<WorkloadIdentity> {
    const { access, clock, outgoing, publicUrl } = this.#parts
    return access.perform(asker, 'workload-identity.create', inProject(projectId), async (tx) => {
      const issuer = checkedIssuer(wish.preset, wish.issuer)
      assertTied(wish.preset, issuer, wish.claims)
      const jwks = wish.jwks === undefined ? null : checkedJwks(wish.jwks)
      const problem = jwks === null ? outgoing.problemWith({ url: issuer }) : undefined
      if (problem) throw invalidField('issuer', problem.message)
      const existing = await store.listIdentities(tx, projectId)
      if (existing.length >= limits.workloadIdentitiesPerProject)
        throw new AppError('workload_identity.limit')
      const id = newId('wid')
      await store.insertIdentity(tx, {
        id,
        project_id: projectId,
        name: wish.name,
        preset: wish.preset,
        issuer,
        audience: wish.audience ?? publicUrl,
        claims: JSON.stringify(wish.claims),
        jwks,
        permission: wish.permission,
        is_single_use: (wish.isSingleUse ?? wish.preset === 'github') ? 1 : 0,
        is_active: 1,
        created_at: clock.now().getTime(),
        created_by: asker.caller.name,
        last_used_at: null,
        last_subject: null,
      })
      return { result: (await store.findIdentity(tx, projectId, id))!, record: about(id, wish.name) }
    })
  }

  async update(
    asker: Asker<Person>,
    projectId: string,
    id: string,
    change: IdentityChange,
  ): Promise<WorkloadIdentity> {
    const { access } = this.#parts
    return access.perform(asker, 'workload-identity.update', inProject(projectId), async (tx) => {
      const before = await store.findIdentity(tx, projectId, id)
      if (!before) throw new AppError('workload_identity.not_found')
      if (change.jwks !== undefined && before.jwks === null)
        throw invalidField('jwks', 'this one fetches the keys of its issuer')
      const jwks = change.jwks === undefined ? before.jwks : checkedJwks(change.jwks)
      const after = { ...before, ...definedOf(change), jwks }
      const changed = (['name', 'permission', 'isActive', 'jwks'] as const).filter(
        (field) => after[field] !== before[field],
      )
      if (changed.length === 0) return { result: before, record: null }
      await store.updateIdentity(tx, id, {
        name: after.name,
        permission: after.permission,
        is_active: after.isActive ? 1 : 0,
        jwks,
      })
      return { result: after, record: { changed, ...about(id, after.name) } }
    })
  }

  async delete(asker: Asker<Person>, projectId: string, id: string): Promise<void> {
    const { access } = this.#parts
    await access.perform(asker, 'workload-identity.delete', inProject(projectId), async (tx) => {
      const identity = await store.findIdentity(tx, projectId, id)
      if (!identity || !(await store.deleteIdentity(tx, projectId, id)))
        throw new AppError('workload_identity.not_found')
      return { result: undefined, record: about(id, identity.name) }
    })
  }

  /** Whether a token would be taken. Lets nobody in, and uses nothing up. */
  async test(
    asker: Asker<Person>,
    projectId: string,
    id: string,
    token: Secret<string>,
  ): Promise<{ isAccepted: boolean; problem: string | null; subject: string | null }> {
    const { access, storage } = this.#parts
    return access.check(asker, 'workload-identity.test', inProject(projectId, about(id)), async () => {
      const identity = await store.findIdentity(storage.db, projectId, id)
      if (!identity) throw new AppError('workload_identity.not_found')
      const verdict = await this.#verify(identity, token)
      const subject = verdict.payload ? recordedSubject(verdict.payload) : null
      if (verdict.isAccepted && !identity.isActive)
        return { isAccepted: false, problem: 'is good, but the workload identity is stopped', subject }
      return { isAccepted: verdict.isAccepted, problem: verdict.isAccepted ? null : verdict.problem, subject }
    })
  }

  /** @throws AppError `workload_identity.issuer_unavailable` */
  async #verify(identity: WorkloadIdentity, token: Secret<string>): Promise<Verdict> {
    const { clock } = this.#parts
    return verifyIdentityToken(identity, token, this.#issuerKeys, clock).catch((error: unknown) => {
      if (!(error instanceof IssuerError)) throw error
      const detail = `The keys of the issuer cannot be had: ${error.message}`
      throw new AppError('workload_identity.issuer_unavailable', { detail })
    })
  }

  /**
   * Lets a machine in for as long as its token lasts, an hour at most.
   * @throws AppError `workload_identity.token_refused`; it says why only to who has a token of the right issuer
   */
  async exchange(origin: Origin, id: string, token: Secret<string>): Promise<IssuedCredential> {
    const { storage, clock } = this.#parts
    const found = await store.findActiveIdentity(storage.db, id)
    if (!found) throw new AppError('workload_identity.token_refused')
    const verdict = await this.#verify(found.identity, token).catch(async (error: unknown) => {
      if (error instanceof AppError) await this.#recordRefusal(found, 'issuer_unavailable', origin)
      throw error
    })
    if (!verdict.isAccepted) {
      await this.#recordRefusal(found, 'token_refused', origin, verdict)
      const detail = `The token ${verdict.problem}`
      throw new AppError('workload_identity.token_refused', verdict.isSigned ? { detail } : {})
    }
    const issued = await this.#issue(origin, id, verdict, clock.now().getTime())
    if (issued) return issued
    const again = { ...verdict, isAccepted: false, problem: 'was used before', isSigned: true } as const
    await this.#recordRefusal(found, 'token_refused', origin, again)
    throw new AppError('workload_identity.token_refused', { detail: `The token ${again.problem}` })
  }

  /** @returns undefined when the token was used before. */
  async #issue(
    origin: Origin,
    id: string,
    { payload, expiresAt: endsAt, useHash }: Verdict & { isAccepted: true },
    now: number,
  ): Promise<IssuedCredential | undefined> {
    const { storage, audit } = this.#parts
    return storage.transaction(async (tx) => {
      const current = await store.findActiveIdentity(tx, id)
      if (!current) throw new AppError('workload_identity.token_refused')
      const { identity, projectName } = current
      // A project that is deleted meanwhile is refused by name, and not by a broken reference.
      await lockProject(tx, identity.projectId)
      await store.deleteEnded(tx, now)
      const use = { identity_id: id, token_hash: useHash, expires_at: endsAt }
      if (identity.isSingleUse && !(await store.takeToken(tx, use))) return undefined
      const secret = newToken(SECRET_PREFIX)
      const credentialId = newId(CREDENTIAL_KIND)
      const expiresAt = Math.min(endsAt, now + CREDENTIAL_MS_MAX)
      const subject = recordedSubject(payload)
      await store.insertCredential(tx, {
        id: credentialId,
        identity_id: id,
        secret_hash: hashToken(secret),
        subject,
        created_at: now,
        expires_at: expiresAt,
      })
      await store.updateIdentity(tx, id, { last_used_at: now, last_subject: subject })
      const project = { id: identity.projectId, name: projectName }
      await audit.appendIn(tx, {
        action: 'workload-identity.exchange',
        outcome: 'success',
        actor: { kind: 'workload-identity', id, name: subject, credential: credentialId },
        project,
        target: { kind: 'workload-identity', id, name: shownClaims(payload) },
        origin,
      })
      const { permission } = identity
      const issued = { project, id: credentialId, permission, expiresAt: new Date(expiresAt) }
      return { ...issued, secret: new Secret(secret) }
    })
  }

  /** Whether an id is of what {@link exchange} gave, and not of an access key. */
  static isCredentialId(id: string): boolean {
    return id.startsWith(`${CREDENTIAL_KIND}_`)
  }

  /** Who holds this credential. @returns undefined when it is not, or no longer, valid. */
  async authenticate(id: string, secret: string): Promise<Machine | undefined> {
    if (!isToken(SECRET_PREFIX, secret)) return undefined
    const { storage, clock } = this.#parts
    const live = await store.findLiveCredential(storage.db, id, clock.now().getTime())
    if (!live || !sameBytes(hashToken(secret), live.secretHash)) return undefined
    return {
      kind: 'access-key',
      accessKeyId: live.identityId,
      project: live.project,
      permission: live.permission,
      lastUsedAt: null,
      expiresAt: live.expiresAt,
      workload: { subject: live.subject, credentialId: id },
    }
  }

  async #recordRefusal(
    { identity, projectName }: { identity: WorkloadIdentity; projectName: string },
    reason: 'token_refused' | 'issuer_unavailable',
    origin: Origin,
    verdict?: Verdict,
  ): Promise<void> {
    const { id, projectId } = identity
    // Only of a token whose signature was right: others say what somebody wrote into them.
    const payload = verdict && !verdict.isAccepted && verdict.isSigned ? verdict.payload : undefined
    await this.#parts.audit.append({
      action: 'workload-identity.exchange',
      outcome: 'refused',
      reason: `workload_identity.${reason}`,
      actor: { kind: 'workload-identity', id, ...(payload && { name: recordedSubject(payload) }) },
      project: { id: projectId, name: projectName },
      target: { kind: 'workload-identity', id, ...(payload && { name: shownClaims(payload) }) },
      origin,
    })
  }
}

function checkedJwks(text: string): string {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    // JSON.parse quotes its input in the error, and somebody may have pasted a private key.
    throw invalidField('jwks', 'is not JSON')
  }
  const keys = readJwks(parsed)
  if (!keys) throw invalidField('jwks', 'is no JSON Web Key Set of public keys alone')
  return JSON.stringify(keys)
}

/** Without the fields that were not given. */
function definedOf<T extends object>(change: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  // `as`: what is undefined was taken out.
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined)) as never
}

const about = (id: string, name?: string) => ({
  target: { kind: 'workload-identity', id, ...(name !== undefined && { name }) },
})
