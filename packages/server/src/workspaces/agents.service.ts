import { Secret } from '@keyhold/contract/secret'
import { type Access, inWorkspace } from '../access/access.ts'
import type { Asker, Person, WorkspaceAgent } from '../access/caller.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import { AppError, invalidField } from '../base/app-error.ts'
import type { Clock } from '../base/clock.ts'
import { hashToken, isToken, newId, newToken } from '../base/ids.ts'
import type { Origin } from '../base/origin.ts'
import { fingerprintOf, parsePublicKeyLine } from '../base/ssh-public-key.ts'
import { lockWorkspace } from '../storage/locks.ts'
import type { Storage } from '../storage/storage.ts'
import type { Transaction } from '../storage/tables.ts'
import * as store from './agents.store.ts'
import type { Applied } from './workspace.ts'

export const ENROLLMENT_PREFIX = 'kh_enr_'
export const AGENT_PREFIX = 'kh_agt_'

const ENROLLMENT_MS = 60 * 60_000
/** How old a credential gets before the agent renews it. */
const RENEW_MS = 24 * 60 * 60_000
/** For this long a credential that was replaced is known again, and gives away that two hold it. */
const REMEMBERED_MS = 90 * 24 * 60 * 60_000
/** How long a certificate of a host key is good, and for clocks that are behind. */
const CERTIFICATE_MS = 24 * 60 * 60_000
const CLOCK_SKEW_MS = 10 * 60_000
/** Requests that were under way when the next credential was first used are no second holder. */
const UNDER_WAY_MS = 60_000

/** What an agent says about itself. */
export interface AgentFacts {
  readonly loginName: string
  readonly release: string
  /** Version of the delivery that is in effect; one that has just started has none. */
  readonly applied?: string | undefined
}

/** Vouches for the SSH servers of workspaces. */
export interface CertificateAuthority {
  signHost(ed25519: Uint8Array, host: string, validAfter: Date, validBefore: Date): string
}

export interface AgentParts {
  readonly storage: Storage
  readonly access: Access
  readonly audit: AuditLog
  readonly clock: Clock
  readonly certificateAuthority: CertificateAuthority
}

/** The agents of workspaces: how they join, and how they are told from others. Where they are connected: {@link AgentConnections}. */
export class Agents {
  readonly #parts: AgentParts

  constructor(parts: AgentParts) {
    this.#parts = parts
  }

  /** Makes the token with which the next agent joins; the one before ends. */
  async createEnrollment(
    asker: Asker<Person>,
    workspaceId: string,
  ): Promise<{ token: Secret<string>; expiresAt: Date }> {
    const { access, clock } = this.#parts
    return access.perform(
      asker,
      'agent.create-enrollment',
      inWorkspace(workspaceId),
      async (tx, _, permit) => {
        const now = clock.now().getTime()
        const token = newToken(ENROLLMENT_PREFIX)
        const expires_at = now + ENROLLMENT_MS
        await store.setEnrollment(tx, {
          workspace_id: workspaceId,
          token_hash: hashToken(token),
          created_at: now,
          expires_at,
          used_at: null,
        })
        const result = { token: new Secret(token), expiresAt: new Date(expires_at) }
        return { result, record: { target: { kind: 'workspace', ...permit.workspace } } }
      },
    )
  }

  /** Shuts the agent out, and who has an enrollment token. @throws AppError `agent.not_enrolled` */
  async revoke(asker: Asker<Person>, workspaceId: string): Promise<void> {
    const { access } = this.#parts
    await access.perform(asker, 'agent.revoke', inWorkspace(workspaceId), async (tx, _, permit) => {
      const hadToken = await store.deleteEnrollment(tx, workspaceId)
      if (!(await store.endEpoch(tx, workspaceId)) && !hadToken) throw new AppError('agent.not_enrolled')
      return { result: undefined, record: { target: { kind: 'workspace', ...permit.workspace } } }
    })
  }

  /** Lets an agent join; the one that the workspace had is shut out. @throws AppError `agent.enrollment_invalid` */
  async enroll(
    origin: Origin,
    token: Secret<string>,
    facts: AgentFacts,
  ): Promise<{ workspaceId: string; name: string; token: Secret<string> }> {
    const { storage, audit, clock } = this.#parts
    const text = token.reveal()
    const tokenHash = hashToken(text)
    const found = isToken(ENROLLMENT_PREFIX, text) && (await store.findEnrollment(storage.db, tokenHash))
    if (!found) throw new AppError('agent.enrollment_invalid')
    const { workspaceId, name } = found
    const joined = await storage.transaction(async (tx) => {
      // A workspace that is deleted meanwhile is refused by name, and not by a broken reference.
      await lockWorkspace(tx, workspaceId)
      const now = clock.now().getTime()
      if (!(await store.useEnrollment(tx, tokenHash, now))) return undefined
      const epoch = await store.beginEpoch(tx, workspaceId, { ...facts, now })
      const credential = await this.#addCredential(tx, { workspaceId, epoch })
      await audit.appendIn(tx, {
        action: 'agent.enroll',
        outcome: 'success',
        actor: { kind: 'workspace', id: workspaceId, credential: credential.id },
        workspace: workspaceId,
        target: { kind: 'agent', name: facts.loginName, version: epoch },
        origin,
      })
      return { workspaceId, name, token: credential.token }
    })
    if (joined) return joined
    await audit.append({
      action: 'agent.enroll',
      outcome: 'refused',
      reason: 'agent.enrollment_invalid',
      actor: { kind: 'anonymous' },
      workspace: workspaceId,
      origin,
    })
    throw new AppError('agent.enrollment_invalid')
  }

  /** Gives the next credential. The present one is good until that is used, so that none is lost on the way. */
  async renew(asker: Asker<WorkspaceAgent>): Promise<Secret<string>> {
    const { access, clock } = this.#parts
    const { workspaceId, epoch } = asker.caller
    return access.perform(asker, 'agent.renew', inWorkspace(workspaceId), async (tx) => {
      await store.deleteIdleCredentials(tx, workspaceId, clock.now().getTime() - REMEMBERED_MS)
      const { id, token } = await this.#addCredential(tx, { workspaceId, epoch })
      return { result: token, record: { target: { kind: 'agent', id, version: epoch } } }
    })
  }

  /** Which workspace the credential is of, and when it has to be renewed. */
  async get(asker: Asker<WorkspaceAgent>): Promise<{ renewAt: Date }> {
    const { access } = this.#parts
    const { workspaceId, credentialCreatedAt } = asker.caller
    return access.check(asker, 'agent.read', inWorkspace(workspaceId), async () => ({
      renewAt: new Date(credentialCreatedAt.getTime() + RENEW_MS),
    }))
  }

  /**
   * Certifies the key of the workspace's SSH server. The first one that an agent tells is the one that it is known by.
   * @param line `ssh-ed25519` and the key. @throws AppError `agent.host_key_changed`, recorded: somebody may be in its place.
   */
  async certify(
    asker: Asker<WorkspaceAgent>,
    line: string,
  ): Promise<{ certificate: string; expiresAt: Date }> {
    const { access, clock, certificateAuthority } = this.#parts
    const { workspaceId, epoch } = asker.caller
    const key = readEd25519(line)
    const target = {
      kind: 'ssh-host-key',
      name: fingerprintOf(Buffer.from(line.split(' ')[1] ?? '', 'base64')),
    }
    return access.perform(asker, 'agent.certify', inWorkspace(workspaceId, { target }), async (tx) => {
      const kept = await store.keepHostKey(tx, { workspaceId, epoch }, line)
      if (kept !== line) throw new AppError('agent.host_key_changed')
      const now = clock.now().getTime()
      const expiresAt = new Date(now + CERTIFICATE_MS)
      const certificate = certificateAuthority.signHost(
        key,
        workspaceId,
        new Date(now - CLOCK_SKEW_MS),
        expiresAt,
      )
      return { result: { certificate, expiresAt }, record: { target } }
    })
  }

  /** How a workspace is entered, for who may. @throws AppError `agent.not_enrolled` */
  async entrance(
    asker: Asker<Person>,
    workspaceId: string,
  ): Promise<{ loginName: string; hostKey: string | null }> {
    const { access, storage } = this.#parts
    return access.check(asker, 'ssh.read', inWorkspace(workspaceId), async () => {
      const found = await store.findEntrance(storage.db, workspaceId)
      if (!found) throw new AppError('agent.not_enrolled')
      return found
    })
  }

  /** What is in effect in a workspace, as its agent last said. Decides nothing. */
  async findApplied(workspaceId: string): Promise<(Applied & { readonly at: Date }) | undefined> {
    const row = await store.findApplied(this.#parts.storage.db, workspaceId)
    if (!row) return undefined
    return { version: row.version, items: JSON.parse(row.items), at: new Date(row.appliedAt) }
  }

  /** Keeps what an agent says is in effect; `undefined`: nothing any more. What is the same again is no record. */
  async apply(asker: Asker<WorkspaceAgent>, applied: Applied | undefined): Promise<void> {
    const { access, clock } = this.#parts
    const { workspaceId, epoch } = asker.caller
    await access.perform(asker, 'agent.apply', inWorkspace(workspaceId), async (tx, _, permit) => {
      const record = { target: { kind: 'workspace', ...permit.workspace } }
      if (applied === undefined) {
        const isChanged = await store.deleteApplied(tx, workspaceId)
        return { result: undefined, record: isChanged ? record : null }
      }
      const { version } = applied
      const items = JSON.stringify(applied.items)
      const before = await store.findApplied(tx, workspaceId)
      if (before?.version === version && before.items === items) return { result: undefined, record: null }
      const applied_at = clock.now().getTime()
      await store.setApplied(tx, { workspace_id: workspaceId, epoch, version, items, applied_at })
      return { result: undefined, record }
    })
  }

  async #addCredential(
    tx: Transaction,
    { workspaceId, epoch }: { workspaceId: string; epoch: number },
  ): Promise<{ id: string; token: Secret<string> }> {
    const id = newId('agt')
    const token = newToken(AGENT_PREFIX)
    await store.insertCredential(tx, {
      id,
      workspace_id: workspaceId,
      epoch,
      token_hash: hashToken(token),
      created_at: this.#parts.clock.now().getTime(),
      used_at: null,
      replaced_at: null,
    })
    return { id, token: new Secret(token) }
  }

  /** Whose credential this is. @returns undefined when it is none, or no longer. */
  async authenticate(token: string, origin: Origin): Promise<WorkspaceAgent | undefined> {
    if (!isToken(AGENT_PREFIX, token)) return undefined
    const { storage, clock } = this.#parts
    const found = await store.findCredential(storage.db, hashToken(token))
    if (!found) return undefined
    const now = clock.now().getTime()
    if (found.replacedAt !== null) {
      const isExpected = found.createdAt === store.LEFT_BEHIND
      if (now - found.replacedAt > UNDER_WAY_MS && !isExpected) await this.#fence(found, origin)
      return undefined
    }
    if (found.usedAt === null)
      await storage.transaction(async (tx) => {
        await lockWorkspace(tx, found.workspaceId)
        await store.takeInUse(tx, found, now)
      })
    const { workspaceId, name, ownerId, epoch } = found
    return {
      kind: 'workspace',
      ...{ workspaceId, name, ownerId, epoch },
      credentialId: found.id,
      credentialCreatedAt: new Date(found.createdAt),
    }
  }

  /** A credential that was replaced came back: two hold what only one should, and nobody can tell which is which. */
  async #fence({ id, workspaceId, epoch }: store.FoundCredential, origin: Origin): Promise<void> {
    const { storage, audit } = this.#parts
    await storage.transaction(async (tx) => {
      await lockWorkspace(tx, workspaceId)
      if (!(await store.endEpoch(tx, workspaceId, epoch))) return
      await audit.appendIn(tx, {
        action: 'agent.fence',
        outcome: 'success',
        actor: { kind: 'workspace', id: workspaceId, credential: id },
        workspace: workspaceId,
        target: { kind: 'agent', id, version: epoch },
        origin,
      })
    })
  }

  /**
   * Tells agents that there is something to fetch, on whichever server they are, within a second or so after the
   * transaction is committed. @param whose one workspace, or all of a person.
   */
  noteChange(
    tx: Transaction,
    whose: { readonly workspaceId: string } | { readonly ownerId: string },
  ): Promise<void> {
    return store.noteChange(tx, whose)
  }
}

/** The 32 bytes of a key that `parsePublicKeyLine` takes. @throws AppError `request.invalid` */
function readEd25519(line: string): Buffer {
  const { type, blob } = parsePublicKeyLine(line)
  if (type !== 'ssh-ed25519') throw invalidField('publicKey', 'is no key of type ssh-ed25519')
  return blob.subarray(-32)
}
