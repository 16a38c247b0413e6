import type { SecretType } from '@keyhold/contract/api/secrets'
import { limits } from '@keyhold/contract/limits'
import type { Secret } from '@keyhold/contract/secret'
import { isMasked as isValueMasked } from '@keyhold/masking'
import { type Access, Grant, type RecordDetail, type Scope } from '../access/access.ts'
import type { Asker, Person } from '../access/caller.ts'
import { AppError, invalidField } from '../base/app-error.ts'
import { type Clock, LAST_USED_STEP_MS, toDate } from '../base/clock.ts'
import { newId } from '../base/ids.ts'
import { type Encoding, type Plaintext, parseValue } from '../base/secret-value.ts'
import type { Storage } from '../storage/storage.ts'
import type { Queries, TargetedSecretRow, Transaction } from '../storage/tables.ts'
import type { TargetedSecretRows } from '../storage/targeted-secrets.ts'
import { sameBytes } from '../vault/same-bytes.ts'
import type { Owner, Vault } from '../vault/vault.ts'
import type { Offer } from './offer.ts'
import {
  assertTarget,
  type DeliveredSecret,
  deliveredPath,
  exceededLimit,
  type Sealed,
  type StoredTargetedSecret,
  type StoredTargetedVersion,
  type Target,
  type TargetedLimits,
  takenFields,
} from './targeted-secret.ts'

export type TargetedKind = 'personal-secret' | 'workspace-secret'

/** Settings of a secret as columns hold them, by the names of their fields in the API. */
export type Settings = Readonly<Record<string, string | number | null>>

/** What a kind has of its own. */
export interface TargetedSpec<Row extends TargetedSecretRow, S extends StoredTargetedSecret> {
  readonly kind: TargetedKind
  readonly error: 'personal_secret' | 'workspace_secret'
  readonly idPrefix: string
  readonly rows: TargetedSecretRows<Row>
  readonly ownerKind: 'person' | 'workspace'
  readonly limits: TargetedLimits
  /** Where its files are that need a path and name none. No other path leads into it. */
  readonly folder: string
  fromRow(row: Row): S
  scope(ownerId: string, about: RecordDetail): Scope
  /** Form of a name that is unique for its owner. */
  nameKey(name: string): string
  /** The settings that only this kind has, of a secret, or of a new one. */
  ownSettings(secret: S | undefined): Settings
}

/** What a request says of a secret; fields that are left out stay as they are. */
export interface TargetedChange {
  readonly type?: SecretType
  readonly value?: string
  readonly encoding?: Encoding
  readonly description?: string
  readonly envName?: string | null
  readonly filePath?: string | null
  readonly isEnabled?: boolean
  readonly expiresAt?: string | null
  readonly expectedVersion?: number
}

export type NewTargetedSecret = TargetedChange & {
  readonly name: string
  readonly type: SecretType
  readonly value: string
}

export interface RevealedSecret {
  readonly name: string
  readonly type: SecretType
  readonly value: string
  readonly encoding: Encoding
  readonly version: number
}

/** What people and their workspaces do with the secrets of either kind. */
export class TargetedSecrets<Row extends TargetedSecretRow, S extends StoredTargetedSecret> {
  protected readonly storage: Storage
  protected readonly access: Access
  protected readonly clock: Clock
  readonly #vault: Vault
  readonly #spec: TargetedSpec<Row, S>

  constructor(
    { storage, access, vault, clock }: { storage: Storage; access: Access; vault: Vault; clock: Clock },
    spec: TargetedSpec<Row, S>,
  ) {
    this.storage = storage
    this.access = access
    this.#vault = vault
    this.clock = clock
    this.#spec = spec
  }

  /** Names and facts, no values. */
  async list(asker: Asker<Person>, ownerId: string): Promise<S[]> {
    const scope = this.#spec.scope(ownerId, {})
    return this.access.check(asker, `${this.#spec.kind}.list`, scope, () =>
      this.all(this.storage.db, ownerId),
    )
  }

  async get(asker: Asker<Person>, ownerId: string, id: string): Promise<S> {
    return this.access.check(asker, `${this.#spec.kind}.list`, this.#attempt(ownerId, id), () =>
      this.#find(this.storage.db, ownerId, id),
    )
  }

  async versions(
    asker: Asker<Person>,
    ownerId: string,
    id: string,
  ): Promise<{ versions: StoredTargetedVersion[]; current: number }> {
    const { version } = await this.get(asker, ownerId, id)
    const rows = await this.#spec.rows.listVersions(this.storage.db, id)
    const versions = rows.map((row) => ({ version: row.version, createdAt: new Date(row.created_at) }))
    return { versions, current: version }
  }

  /** @param own settings that only this kind has. */
  protected async createSecret(
    asker: Asker<Person>,
    ownerId: string,
    wish: NewTargetedSecret,
    own: Settings,
  ): Promise<S> {
    const { kind, rows, idPrefix, nameKey } = this.#spec
    return this.access.perform(asker, `${kind}.create`, this.#attempt(ownerId), async (tx, grant) => {
      const value = this.#parse(wish.type, wish.value, wish.encoding)
      const bytes = value.bytes.reveal()
      const target: Target = {
        name: wish.name,
        type: wish.type,
        envName: wish.envName ?? null,
        filePath: wish.filePath ?? null,
        isEnabled: wish.isEnabled ?? true,
        valueBytes: bytes.length,
      }
      const expiresAt = this.#parseExpiry(wish.expiresAt ?? null)
      await this.#assertFits(tx, ownerId, target)
      const id = newId(idPrefix)
      const now = this.clock.now().getTime()
      const row: TargetedSecretRow = {
        id,
        name: wish.name,
        name_key: nameKey(wish.name),
        type: wish.type,
        description: wish.description ?? '',
        env_name: target.envName,
        file_path: target.filePath,
        is_enabled: target.isEnabled ? 1 : 0,
        current_version: 1,
        value_bytes: bytes.length,
        is_masked: isValueMasked(bytes) ? 1 : 0,
        created_at: now,
        updated_at: now,
        rotated_at: now,
        expires_at: expiresAt?.getTime() ?? null,
        last_used_at: null,
      }
      const ownColumns = toColumns({ ...this.#spec.ownSettings(undefined), ...own })
      await rows.insert(tx, ownerId, { ...row, ...ownColumns } as unknown as Row) // `as`: what the kind adds is in `own`.
      await this.#insertVersion(tx, grant, { id, ownerId, name: wish.name, version: 1 }, value, now)
      const result = await this.#find(tx, ownerId, id)
      return { result, record: this.#record(result) }
    })
  }

  /** Changes a secret. An equal value makes no version, and no change at all makes no record. */
  protected async updateSecret(
    asker: Asker<Person>,
    ownerId: string,
    id: string,
    change: TargetedChange,
    own: Settings,
  ): Promise<S> {
    const { encoding: _, expectedVersion, ...wished } = change
    if (Object.keys(wished).length === 0)
      throw new AppError('request.invalid', { detail: 'At least one field must be provided.' })
    const { kind, rows, error } = this.#spec
    return this.access.perform(asker, `${kind}.update`, this.#attempt(ownerId, id), async (tx, grant) => {
      // The owner is locked (see Access.perform): of two changes at once the second sees the first.
      const before = await this.#find(tx, ownerId, id)
      if (expectedVersion !== undefined && expectedVersion !== before.version)
        throw new AppError(`${error}.changed`)
      const was: Settings = { ...shared(before), ...this.#spec.ownSettings(before) }
      const after: Settings = { ...was, ...sharedWish(wished), ...own }
      const changed = Object.keys(after).filter((field) => after[field] !== was[field])
      if (changed.includes('expiresAt')) this.#parseExpiry(wished.expiresAt ?? null)

      const isCompared = wished.value !== undefined || changed.includes('type')
      const value = isCompared ? await this.#newValue(tx, grant, before, change) : undefined
      if (value) changed.push('value')
      if (changed.length === 0) {
        // Telling that a value is the same tells the value to whoever guessed it: that is recorded, though not as an update.
        const record = isCompared ? { action: `${kind}.compare` as const, ...this.#record(before) } : null
        return { result: before, record }
      }
      const bytes = value?.bytes.reveal()
      const target: Target = {
        name: before.name,
        type: wished.type ?? before.type,
        envName: wished.envName === undefined ? before.envName : wished.envName,
        filePath: wished.filePath === undefined ? before.filePath : wished.filePath,
        isEnabled: wished.isEnabled ?? before.isEnabled,
        valueBytes: bytes?.length ?? before.valueBytes,
      }
      await this.#assertFits(tx, ownerId, target, id)
      const now = this.clock.now().getTime()
      const version = value ? before.version + 1 : before.version
      if (value) await this.#insertVersion(tx, grant, { ...before, version }, value, now)
      const row: Partial<TargetedSecretRow> = {
        ...toColumns(after),
        updated_at: now,
        ...(bytes && {
          current_version: version,
          value_bytes: bytes.length,
          is_masked: isValueMasked(bytes) ? 1 : 0,
          rotated_at: now,
        }),
      }
      await rows.update(tx, id, row as Partial<Row>) // `as`: the columns that both kinds have, and those of `own`.
      const result = await this.#find(tx, ownerId, id)
      return { result, record: { changed, ...this.#record(result) } }
    })
  }

  /** Deletes a secret with all its versions. */
  async delete(asker: Asker<Person>, ownerId: string, id: string): Promise<void> {
    const { kind, rows, error } = this.#spec
    await this.access.perform(asker, `${kind}.delete`, this.#attempt(ownerId, id), async (tx) => {
      const deleted = await rows.delete(tx, ownerId, id)
      if (!deleted) throw new AppError(`${error}.not_found`)
      return { result: undefined, record: { target: { kind, id, name: deleted.name } } }
    })
  }

  /** Shows one value, also of a secret that has expired. @param version default: the current one. */
  async reveal(asker: Asker<Person>, ownerId: string, id: string, version?: number): Promise<RevealedSecret> {
    const { db } = this.storage
    const { kind, rows, error } = this.#spec
    return this.access.deliver(
      asker,
      `${kind}.read`,
      this.#attempt(ownerId, id),
      async () => {
        const secret = await this.#find(db, ownerId, id)
        const wanted = version ?? secret.version
        const sealed = await rows.findVersion(db, id, wanted)
        if (!sealed) throw new AppError(`${error}.not_found`)
        const found = { ...secret, version: wanted, ...sealed }
        return { found, records: [this.#record(found)] }
      },
      async (grant, found) => {
        const value = await this.#open(db, grant, found)
        await this.touch([found])
        const { name, type, encoding } = found
        return {
          name,
          type,
          value: Buffer.from(value.reveal()).toString(encoding),
          encoding,
          version: found.version,
        }
      },
    )
  }

  /**
   * Delivers those of an owner's secrets that `isWanted` says, to a workspace. Each value is recorded before it leaves.
   * @param asker who may use them.
   */
  protected async deliverTo(
    asker: Asker,
    ownerId: string,
    workspaceId: string,
    isWanted: (secret: S) => boolean,
  ): Promise<DeliveredSecret[]> {
    const { db } = this.storage
    const { kind, rows, fromRow, folder, scope } = this.#spec
    const workspace = { workspace: workspaceId }
    return this.access.deliver(
      asker,
      `${kind}.use`,
      scope(ownerId, workspace),
      async () => {
        const found = (await rows.listSealed(db, ownerId))
          .map((row): Sealed<S> => ({ ...fromRow(row), sealed: row.sealed, encoding: row.encoding }))
          .filter(isWanted)
        const records = found.map((secret) => ({ ...workspace, ...this.#record(secret) }))
        // Nothing to deliver is still asked for by a workspace.
        return { found, records: records.length > 0 ? records : [workspace] }
      },
      async (grant, found) => {
        const delivered: DeliveredSecret[] = []
        for (const secret of found) {
          const { id, name, type, envName, encoding, version } = secret
          const value = await this.#open(db, grant, secret)
          const filePath = deliveredPath(secret, folder)
          delivered.push({ id, name, type, envName, filePath, value, encoding, version })
        }
        await this.touch(found)
        return delivered
      },
    )
  }

  /** What of an owner's a workspace may get, without values. Decides nothing. */
  protected async offersOf(
    ownerId: string,
    source: Offer['source'],
    isWanted: (secret: S) => boolean,
  ): Promise<Offer[]> {
    const secrets = (await this.all(this.storage.db, ownerId)).filter(isWanted)
    return secrets.map(({ id, name, type, version, expiresAt, envName, filePath, valueBytes }) => ({
      source,
      id,
      name,
      type,
      version,
      expiresAt,
      envName,
      filePath,
      folder: this.#spec.folder,
      valueBytes,
    }))
  }

  /** All of an owner's, by name. Decides nothing. */
  protected async all(db: Queries, ownerId: string): Promise<S[]> {
    return this.allOf(db, [ownerId])
  }

  /** Likewise of several. */
  protected async allOf(db: Queries, ownerIds: readonly string[]): Promise<S[]> {
    return (await this.#spec.rows.list(db, ownerIds)).map((row) => this.#spec.fromRow(row))
  }

  async #find(db: Queries, ownerId: string, id: string): Promise<S> {
    const row = await this.#spec.rows.find(db, ownerId, id)
    if (!row) throw new AppError(`${this.#spec.error}.not_found`)
    return this.#spec.fromRow(row)
  }

  /** Opens a value. The grant proves that reading (or replacing) it was decided and recorded, for this owner. */
  async #open(
    db: Queries,
    grant: Grant<`${TargetedKind}.${'read' | 'use' | 'update'}`>,
    secret: Sealed<StoredTargetedSecret>,
  ): Promise<Secret<Uint8Array>> {
    const owner = this.#owner(secret.ownerId)
    Grant.assertFor(grant, owner)
    return this.#vault.open(db, owner, this.#context(secret), secret.sealed)
  }

  /** Seals a value as a version of its secret. */
  async #insertVersion(
    tx: Transaction,
    grant: Grant<`${TargetedKind}.${'create' | 'update'}`>,
    secret: Pick<StoredTargetedSecret, 'id' | 'ownerId' | 'name' | 'version'>,
    { bytes, encoding }: Plaintext,
    now: number,
  ): Promise<void> {
    const owner = this.#owner(secret.ownerId)
    Grant.assertFor(grant, owner)
    const sealed = await this.#vault.seal(tx, owner, this.#context(secret), bytes)
    const row = { version: secret.version, sealed, encoding, created_at: now }
    await this.#spec.rows.insertVersion(tx, secret.id, row, limits.versionsKept)
  }

  #owner(ownerId: string): Owner {
    return `${this.#spec.ownerKind}:${ownerId}`
  }

  /** What a value is bound to: a row that was swapped, moved or rolled back does not open. */
  #context({ id, name, version }: Pick<StoredTargetedSecret, 'id' | 'name' | 'version'>) {
    return [`keyhold/v1/${this.#spec.kind}-value`, id, name, version]
  }

  /** The value of a change, checked for its type. @returns undefined when it is the one that is stored. */
  async #newValue(
    tx: Transaction,
    grant: Grant<`${TargetedKind}.update`>,
    before: S,
    change: TargetedChange,
  ): Promise<Plaintext | undefined> {
    const sealed = (await this.#spec.rows.findVersion(tx, before.id, before.version))! // `!`: the current one is kept.
    const old = (await this.#open(tx, grant, { ...before, ...sealed })).reveal()
    const type = change.type ?? before.type
    // A new type checks the old value too.
    const value =
      change.value === undefined
        ? this.#parse(type, Buffer.from(old).toString('base64'), 'base64')
        : this.#parse(type, change.value, change.encoding)
    return sameBytes(old, value.bytes.reveal()) ? undefined : value
  }

  #parse(type: SecretType, value: string, encoding: Encoding | undefined): Plaintext {
    return parseValue(type, value, encoding, this.#spec.limits.valueBytes(type))
  }

  #parseExpiry(expiresAt: string | null): Date | null {
    const time = toDate(expiresAt)
    if (time !== null && time <= this.clock.now()) throw invalidField('expiresAt', 'must be in the future')
    return time
  }

  /**
   * Looks at all of the owner's secrets as they would be. The owner's lock, which Access.perform takes, keeps two changes
   * from passing together.
   * @param replacedId the secret that `target` is a change of.
   */
  async #assertFits(tx: Transaction, ownerId: string, target: Target, replacedId?: string): Promise<void> {
    const { nameKey, folder, error, limits: max } = this.#spec
    assertTarget(target)
    const others = (await this.all(tx, ownerId)).filter(({ id }) => id !== replacedId)
    const withKey = <T extends Target>(one: T) => ({ ...one, nameKey: nameKey(one.name) })
    const errors = takenFields(withKey(target), others.map(withKey), folder)
    if (errors.length > 0) throw new AppError(`${error}.taken`, { errors })
    const detail = exceededLimit([...others, target], max)
    if (detail) throw new AppError(`${error}.limit`, { detail })
  }

  /** Keeps "last used", to the minute. */
  protected async touch(secrets: readonly S[]): Promise<void> {
    const now = this.clock.now().getTime()
    const unlessSince = now - LAST_USED_STEP_MS
    const stale = secrets.filter(({ lastUsedAt }) => !lastUsedAt || lastUsedAt.getTime() < unlessSince)
    if (stale.length === 0) return
    const ids = stale.map(({ id }) => id)
    // The value is recorded and on its way: that a convenience could not be kept must not stop it.
    await this.storage.transaction((tx) => this.#spec.rows.touch(tx, ids, now, unlessSince)).catch(() => {})
  }

  /** What an attempt is about. An id that could not exist is left out: what was pasted there may be a value. */
  #attempt(ownerId: string, id?: string): Scope {
    const { kind, idPrefix, scope } = this.#spec
    const isId = id !== undefined && new RegExp(`^${idPrefix}_[0-9a-z]{20}$`).test(id)
    return scope(ownerId, isId ? { target: { kind, id } } : {})
  }

  #record({ id, name, version }: StoredTargetedSecret): RecordDetail {
    return { target: { kind: this.#spec.kind, id, name, version } }
  }
}

function shared(secret: StoredTargetedSecret): Settings {
  const { type, description, envName, filePath, isEnabled, expiresAt } = secret
  return {
    type,
    description,
    envName,
    filePath,
    isEnabled: isEnabled ? 1 : 0,
    expiresAt: expiresAt?.getTime() ?? null,
  }
}

/** Only those that the request names. */
function sharedWish(wish: TargetedChange): Settings {
  const { type, description, envName, filePath, isEnabled, expiresAt } = wish
  return {
    ...(type !== undefined && { type }),
    ...(description !== undefined && { description }),
    ...(envName !== undefined && { envName }),
    ...(filePath !== undefined && { filePath }),
    ...(isEnabled !== undefined && { isEnabled: isEnabled ? 1 : 0 }),
    ...(expiresAt !== undefined && { expiresAt: toDate(expiresAt)?.getTime() ?? null }),
  }
}

/** Columns are named as fields are, in snake case. */
function toColumns(settings: Settings): Record<string, string | number | null> {
  const entries = Object.entries(settings)
  return Object.fromEntries(
    entries.map(([field, value]) => [field.replaceAll(/[A-Z]/g, (c) => `_${c.toLowerCase()}`), value]),
  )
}
