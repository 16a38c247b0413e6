import { limits } from '@keyhold/contract/limits'
import { Secret } from '@keyhold/contract/secret'
import { type Access, inProject } from '../../access/access.ts'
import type { Asker, Machine, Person } from '../../access/caller.ts'
import type { InstanceSettings } from '../../accounts/settings.service.ts'
import type { AuditLog } from '../../audit/audit-log.ts'
import { AppError, invalidField } from '../../base/app-error.ts'
import { type Clock, LAST_USED_STEP_MS } from '../../base/clock.ts'
import type { CredentialItem, CredentialSource } from '../../base/credential-item.ts'
import { hashToken, isToken, newId, newToken } from '../../base/ids.ts'
import type { Origin } from '../../base/origin.ts'
import type { Storage } from '../../storage/storage.ts'
import type { Transaction } from '../../storage/tables.ts'
import { sameBytes } from '../../vault/same-bytes.ts'
import * as store from './access-key.store.ts'
import { type AccessKey, isAddressAllowed, parseIpRestriction, SECRET_PREFIX } from './access-key.ts'

/** The places of active keys. Two are what makes rotation without downtime possible. */
const SLOTS = Array.from({ length: limits.activeAccessKeys }, (_, i) => i + 1)

const NO_HASH = Buffer.alloc(32)

export interface NewAccessKey {
  readonly accessKey: AccessKey
  readonly secret: Secret<string>
}

/** Projects' access keys: made, changed, and told from forgeries. */
export class AccessKeys implements CredentialSource {
  readonly #storage: Storage
  readonly #access: Access
  readonly #audit: AuditLog
  readonly #settings: InstanceSettings
  readonly #clock: Clock
  readonly #findKeyToCheck: ReturnType<typeof store.prepareFindKeyToCheck>

  constructor(storage: Storage, access: Access, audit: AuditLog, settings: InstanceSettings, clock: Clock) {
    this.#storage = storage
    this.#access = access
    this.#audit = audit
    this.#settings = settings
    this.#clock = clock
    this.#findKeyToCheck = store.prepareFindKeyToCheck(storage)
  }

  async list(asker: Asker<Person>, projectId: string): Promise<AccessKey[]> {
    return this.#access.check(asker, 'access-key.list', inProject(projectId), () =>
      store.listKeys(this.#storage.db, projectId),
    )
  }

  /** The keys that the person may manage. */
  async items(accountId: string): Promise<CredentialItem[]> {
    const keys = await store.listKeysOfMember(this.#storage.db, accountId)
    return keys.map(({ key, projectName }) => ({
      kind: 'access-key',
      id: key.id,
      name: key.id,
      purpose: '',
      usedIn: `project ${projectName}`,
      accessLevel: key.permission === 'read' ? 'Read' : 'Read & Write',
      createdAt: key.createdAt,
      lastUsedAt: key.lastUsedAt,
      expiresAt: key.expiresAt,
      rotation: 'api-key',
      rotatedAt: key.regeneratedAt ?? key.createdAt,
      status: key.isActive ? 'active' : 'inactive',
    }))
  }

  /** @returns the key with its secret, which is nowhere else. @throws AppError `access_key.limit`, `.total_limit`. */
  async create(
    asker: Asker<Person>,
    projectId: string,
    wish: { permission: 'read' | 'read_write'; ipRestriction: readonly string[]; expiresAt: Date | null },
  ): Promise<NewAccessKey> {
    return this.#access.perform(asker, 'access-key.create', inProject(projectId), async (tx) => {
      const now = this.#clock.now()
      const ipRestriction = parseIpRestriction(wish.ipRestriction)
      if (wish.expiresAt && wish.expiresAt <= now) throw invalidField('expiresAt', 'must be in the future')
      await this.#settings.assertLife(tx, 'accessKeyDays', wish.expiresAt, now)
      const slot = await this.#takeSlot(tx, projectId)
      const existing = await store.listKeys(tx, projectId)
      if (existing.length >= limits.accessKeysPerProject) throw new AppError('access_key.total_limit')
      const id = newId('ak')
      const secret = newToken(SECRET_PREFIX)
      await store.insertKey(tx, {
        id,
        project_id: projectId,
        secret_hash: hashToken(secret),
        permission: wish.permission,
        ip_restriction: JSON.stringify(ipRestriction),
        slot,
        created_at: now.getTime(),
        created_by: asker.caller.name,
        expires_at: wish.expiresAt?.getTime() ?? null,
        last_used_at: null,
        last_used_address: null,
        regenerated_at: null,
      })
      const accessKey = (await store.findKey(tx, projectId, id))!
      return { result: { accessKey, secret: new Secret(secret) }, record: keyRecord(id) }
    })
  }

  /**
   * Finds a place among the active keys. The project's lock (see Access.perform) puts two who ask at once in order; the unique constraint
   * on (project, slot) would settle it even without.
   */
  async #takeSlot(tx: Transaction, projectId: string): Promise<number> {
    await store.freeExpiredSlots(tx, projectId, this.#clock.now().getTime())
    const slot = await store.findFreeSlot(tx, projectId, SLOTS)
    if (slot === undefined) {
      throw new AppError('access_key.limit', {
        detail: 'Deactivate or delete one of the two active access keys first',
      })
    }
    return slot
  }

  /** Changes permission or addresses; in effect on the key's next request. */
  async update(
    asker: Asker<Person>,
    projectId: string,
    id: string,
    change: { permission?: 'read' | 'read_write'; ipRestriction?: readonly string[] },
  ): Promise<AccessKey> {
    return this.#access.perform(asker, 'access-key.update', inProject(projectId), async (tx) => {
      const before = await findToChange(tx, projectId, id)
      const permission = change.permission ?? before.permission
      const ipRestriction = change.ipRestriction
        ? parseIpRestriction(change.ipRestriction)
        : before.ipRestriction
      const changed = [
        ...(permission !== before.permission ? ['permission'] : []),
        ...(ipRestriction.join() !== before.ipRestriction.join() ? ['ipRestriction'] : []),
      ]
      if (changed.length === 0) return { result: before, record: null }
      await store.updateKey(tx, id, { permission, ip_restriction: JSON.stringify(ipRestriction) })
      return { result: { ...before, permission, ipRestriction }, record: { changed, ...keyRecord(id) } }
    })
  }

  async deactivate(asker: Asker<Person>, projectId: string, id: string): Promise<AccessKey> {
    return this.#access.perform(asker, 'access-key.deactivate', inProject(projectId), async (tx) => {
      const before = await findToChange(tx, projectId, id)
      if (!before.isActive) return { result: before, record: null }
      await store.updateKey(tx, id, { slot: null })
      return { result: { ...before, isActive: false }, record: keyRecord(id) }
    })
  }

  /** Lets an inactive key work again with the same secret. @throws AppError `access_key.limit`. */
  async activate(asker: Asker<Person>, projectId: string, id: string): Promise<AccessKey> {
    return this.#access.perform(asker, 'access-key.activate', inProject(projectId), async (tx) => {
      const before = await findToChange(tx, projectId, id)
      if (before.expiresAt && before.expiresAt <= this.#clock.now()) throw new AppError('access_key.expired')
      if (before.isActive) return { result: before, record: null }
      const slot = await this.#takeSlot(tx, projectId)
      await store.updateKey(tx, id, { slot })
      return { result: { ...before, isActive: true }, record: keyRecord(id) }
    })
  }

  /** Gives the same id a new secret; the old one stops working with this commit. Nothing else changes. */
  async regenerate(asker: Asker<Person>, projectId: string, id: string): Promise<NewAccessKey> {
    return this.#access.perform(asker, 'access-key.regenerate', inProject(projectId), async (tx) => {
      const accessKey = await findToChange(tx, projectId, id)
      const secret = newToken(SECRET_PREFIX)
      await store.updateKey(tx, id, {
        secret_hash: hashToken(secret),
        regenerated_at: this.#clock.now().getTime(),
      })
      return { result: { accessKey, secret: new Secret(secret) }, record: keyRecord(id) }
    })
  }

  /** @param confirm has to be the access key ID. */
  async delete(
    asker: Asker<Person>,
    projectId: string,
    id: string,
    confirm: string | undefined,
  ): Promise<void> {
    await this.#access.perform(asker, 'access-key.delete', inProject(projectId), async (tx) => {
      await findToChange(tx, projectId, id)
      if (confirm !== id) throw new AppError('access_key.confirmation')
      await store.deleteKey(tx, id)
      return { result: undefined, record: keyRecord(id) }
    })
  }

  /** What a machine may know of its own key. */
  async whoami(asker: Asker<Machine>): Promise<Machine> {
    return this.#access.check(
      asker,
      'project.read',
      inProject(asker.caller.project.id),
      async () => asker.caller,
    )
  }

  /**
   * Who holds this key. Refusals of a known key are recorded.
   * @returns undefined for an unknown, inactive or expired key and for a wrong secret.
   * @param isRecorded false for an address that failed too often: it must not fill the log.
   * @throws AppError `access.address_refused` for the right secret from the wrong address.
   */
  async authenticate(
    id: string,
    secret: string,
    origin: Origin,
    isRecorded = true,
  ): Promise<Machine | undefined> {
    const found = await this.#findKeyToCheck(id)
    const given = isToken(SECRET_PREFIX, secret) ? hashToken(secret) : NO_HASH
    const isRight = sameBytes(given, found?.secretHash ?? Buffer.alloc(32, 1))
    if (!found) return undefined
    const { key } = found
    const isExpired = key.expiresAt !== null && key.expiresAt <= this.#clock.now()
    const project = { id: key.projectId, name: found.projectName }
    if (!isRight || !key.isActive || isExpired) {
      if (isRecorded) await this.#recordRefusal(key.id, project, 'auth.required', origin)
      return undefined
    }
    if (!isAddressAllowed(key.ipRestriction, origin.address)) {
      if (isRecorded) await this.#recordRefusal(key.id, project, 'access.address_refused', origin)
      throw new AppError('access.address_refused')
    }
    return {
      kind: 'access-key',
      accessKeyId: key.id,
      project,
      permission: key.permission,
      lastUsedAt: key.lastUsedAt,
      expiresAt: key.expiresAt,
    }
  }

  async #recordRefusal(
    id: string,
    project: { id: string; name: string },
    reason: 'auth.required' | 'access.address_refused',
    origin: Origin,
  ): Promise<void> {
    await this.#audit.append({
      action: 'access-key.authenticate',
      outcome: 'refused',
      reason,
      actor: { kind: 'access-key', id },
      project,
      target: { kind: 'access-key', id },
      origin,
    })
  }

  /** Keeps "last used", to the minute. @returns undefined when there is nothing to write. */
  used(machine: Machine, address: string | undefined): Promise<void> | undefined {
    const now = this.#clock.now().getTime()
    const unlessSince = now - LAST_USED_STEP_MS
    if (machine.lastUsedAt && machine.lastUsedAt.getTime() >= unlessSince) return undefined
    return this.#storage.transaction((tx) =>
      store.touchKey(tx, machine.accessKeyId, address ?? null, now, unlessSince),
    )
  }
}

/** The project is locked (see Access.perform): of two changes at once the second sees the first. */
async function findToChange(tx: Transaction, projectId: string, id: string): Promise<AccessKey> {
  const key = await store.findKey(tx, projectId, id)
  if (!key) throw new AppError('access_key.not_found')
  return key
}

function keyRecord(id: string) {
  return { target: { kind: 'access-key', id } }
}
