import type {
  createPersonalSecret,
  PersonalSecretValue,
  updatePersonalSecret,
} from '@keyhold/contract/api/personal-secrets'
import { limits } from '@keyhold/contract/limits'
import type { BodyOf } from '@keyhold/contract/route'
import { isMasked as isValueMasked } from '@keyhold/masking'
import { type Access, own, type RecordDetail } from '../../access/access.ts'
import type { Asker, Person } from '../../access/caller.ts'
import { AppError, invalidField } from '../../base/app-error.ts'
import { type Clock, LAST_USED_STEP_MS, toDate } from '../../base/clock.ts'
import type { CredentialItem, CredentialSource } from '../../base/credential-item.ts'
import { newId } from '../../base/ids.ts'
import { type Plaintext, parseValue } from '../../base/secret-value.ts'
import { nameKey } from '../../projects/project.ts'
import type { Storage } from '../../storage/storage.ts'
import type { Queries, Transaction } from '../../storage/tables.ts'
import { sameBytes } from '../../vault/same-bytes.ts'
import type { Vault } from '../../vault/vault.ts'
import * as store from './personal-secret.store.ts'
import {
  assertFree,
  assertTarget,
  assertWithinLimits,
  type DeliveredPersonalSecret,
  deliveredPath,
  isDelivered,
  type SealedPersonalSecret,
  type StoredPersonalSecret,
  type StoredPersonalSecretVersion,
  type Target,
  toItem,
} from './personal-secret.ts'

export type NewPersonalSecret = BodyOf<typeof createPersonalSecret>
export type PersonalSecretChange = BodyOf<typeof updatePersonalSecret>

/** People's own secrets, for their workspaces. */
export class PersonalSecrets implements CredentialSource {
  readonly #storage: Storage
  readonly #access: Access
  readonly #vault: Vault
  readonly #clock: Clock

  constructor(storage: Storage, access: Access, vault: Vault, clock: Clock) {
    this.#storage = storage
    this.#access = access
    this.#vault = vault
    this.#clock = clock
  }

  /** Names and facts, no values. */
  async list(asker: Asker<Person>): Promise<StoredPersonalSecret[]> {
    const list = () => store.listSecrets(this.#storage.db, asker.caller.accountId)
    return this.#access.check(asker, 'personal-secret.list', own(), list)
  }

  async get(asker: Asker<Person>, id: string): Promise<StoredPersonalSecret> {
    return this.#access.check(asker, 'personal-secret.list', attempt({ id }), () =>
      this.#find(this.#storage.db, asker, id),
    )
  }

  async versions(
    asker: Asker<Person>,
    id: string,
  ): Promise<{ versions: StoredPersonalSecretVersion[]; current: number }> {
    const secret = await this.get(asker, id)
    return { versions: await store.listVersions(this.#storage.db, secret.id), current: secret.version }
  }

  async create(asker: Asker<Person>, secret: NewPersonalSecret): Promise<StoredPersonalSecret> {
    return this.#access.perform(asker, 'personal-secret.create', attempt({}), async (tx, grant) => {
      const { accountId } = asker.caller
      const value = this.#parse(secret.type, secret.value, secret.encoding)
      const { length: valueBytes } = value.bytes.reveal()
      const target: Target = {
        name: secret.name,
        type: secret.type,
        envName: secret.envName ?? null,
        filePath: secret.filePath ?? null,
        isEnabled: secret.isEnabled ?? true,
        valueBytes,
      }
      const expiresAt = this.#parseExpiry(secret.expiresAt ?? null)
      await this.#assertFits(tx, accountId, target)
      const id = newId('psec')
      const now = this.#clock.now().getTime()
      await store.insertSecret(tx, {
        id,
        account_id: accountId,
        name: secret.name,
        name_key: nameKey(secret.name),
        type: secret.type,
        description: secret.description ?? '',
        env_name: target.envName,
        file_path: target.filePath,
        is_enabled: target.isEnabled ? 1 : 0,
        workspaces: toColumn(secret.workspaces ?? 'all'),
        current_version: 1,
        value_bytes: valueBytes,
        is_masked: isValueMasked(value.bytes.reveal()) ? 1 : 0,
        created_at: now,
        updated_at: now,
        rotated_at: now,
        expires_at: expiresAt?.getTime() ?? null,
        last_used_at: null,
      })
      const version = { id, accountId, name: secret.name, version: 1 }
      await store.insertVersion(tx, this.#vault, grant, version, value.bytes, {
        encoding: value.encoding,
        createdAt: now,
      })
      const result = (await store.findSecret(tx, accountId, id))!
      return { result, record: secretRecord(result) }
    })
  }

  /** Changes a secret. An equal value makes no version, and no change at all makes no record. */
  async update(
    asker: Asker<Person>,
    id: string,
    change: PersonalSecretChange,
  ): Promise<StoredPersonalSecret> {
    const { encoding: _, expectedVersion, ...wished } = change
    if (Object.keys(wished).length === 0)
      throw new AppError('request.invalid', { detail: 'At least one field must be provided.' })
    return this.#access.perform(asker, 'personal-secret.update', attempt({ id }), async (tx, grant) => {
      // The account is locked (see Access.perform): of two changes at once the second sees the first.
      const before = await this.#find(tx, asker, id)
      if (expectedVersion !== undefined && expectedVersion !== before.version)
        throw new AppError('personal_secret.changed')
      const wishedExpiry = wished.expiresAt === undefined ? before.expiresAt : toDate(wished.expiresAt)
      const after = {
        type: wished.type ?? before.type,
        description: wished.description ?? before.description,
        envName: wished.envName === undefined ? before.envName : wished.envName,
        filePath: wished.filePath === undefined ? before.filePath : wished.filePath,
        isEnabled: wished.isEnabled ?? before.isEnabled,
        workspaces: toColumn(wished.workspaces ?? before.workspaces),
        expiresAt: wishedExpiry?.getTime() ?? null,
      }
      const was: typeof after = {
        ...before,
        workspaces: toColumn(before.workspaces),
        expiresAt: before.expiresAt?.getTime() ?? null,
      }
      const fields = Object.keys(after) as (keyof typeof after)[] // `as`: the keys of a literal.
      const changed: string[] = fields.filter((field) => after[field] !== was[field])
      if (changed.includes('expiresAt')) this.#parseExpiry(wished.expiresAt ?? null)

      const isCompared = wished.value !== undefined || changed.includes('type')
      const value = isCompared ? await this.#newValue(tx, grant, before, change) : undefined
      if (value) changed.push('value')
      if (changed.length === 0) {
        // Telling that a value is the same tells the value to whoever guessed it: that is recorded, though not as an update.
        return {
          result: before,
          record: isCompared ? { action: 'personal-secret.compare', ...secretRecord(before) } : null,
        }
      }
      const valueBytes = value ? value.bytes.reveal().length : before.valueBytes
      await this.#assertFits(tx, before.accountId, { ...after, name: before.name, valueBytes }, id)
      const now = this.#clock.now().getTime()
      const version = value ? before.version + 1 : before.version
      if (value)
        await store.insertVersion(tx, this.#vault, grant, { ...before, version }, value.bytes, {
          encoding: value.encoding,
          createdAt: now,
        })
      await store.updateSecret(tx, id, {
        type: after.type,
        description: after.description,
        env_name: after.envName,
        file_path: after.filePath,
        is_enabled: after.isEnabled ? 1 : 0,
        workspaces: after.workspaces,
        expires_at: after.expiresAt,
        updated_at: now,
        ...(value && {
          current_version: version,
          value_bytes: valueBytes,
          is_masked: isValueMasked(value.bytes.reveal()) ? 1 : 0,
          rotated_at: now,
        }),
      })
      const result = await this.#find(tx, asker, id)
      return { result, record: { changed, ...secretRecord(result) } }
    })
  }

  /** Deletes a secret with all its versions. */
  async delete(asker: Asker<Person>, id: string): Promise<void> {
    await this.#access.perform(asker, 'personal-secret.delete', attempt({ id }), async (tx) => {
      const deleted = await store.deleteSecret(tx, asker.caller.accountId, id)
      if (!deleted) throw new AppError('personal_secret.not_found')
      return {
        result: undefined,
        record: { target: { kind: 'personal-secret', id, name: deleted.name } },
      }
    })
  }

  /** Shows one value to its owner, also of a secret that has expired. @param version default: the current one. */
  async reveal(asker: Asker<Person>, id: string, version?: number): Promise<PersonalSecretValue> {
    const { db } = this.#storage
    return this.#access.deliver(
      asker,
      'personal-secret.read',
      attempt({ id }),
      async () => {
        const secret = await this.#find(db, asker, id)
        const found = await store.findVersion(db, secret, version ?? secret.version)
        if (!found) throw new AppError('personal_secret.not_found')
        return { found, records: [secretRecord(found)] }
      },
      async (grant, found) => {
        const value = await store.openValue(db, this.#vault, grant, found)
        await this.#touch([found])
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

  /** Everything that one of the person's workspaces gets at this moment. Each value is recorded before it leaves. */
  async deliver(asker: Asker<Person>, workspaceId: string): Promise<DeliveredPersonalSecret[]> {
    const { db } = this.#storage
    const workspace = { workspace: workspaceId }
    return this.#access.deliver(
      asker,
      'personal-secret.use',
      own(workspace),
      async () => {
        const now = this.#clock.now()
        const sealed = await store.listSealed(db, asker.caller.accountId)
        const found = sealed.filter((secret) => isDelivered(secret, workspaceId, now))
        const records = found.map((secret) => ({ ...workspace, ...secretRecord(secret) }))
        // Nothing to deliver is still asked for by a workspace.
        return { found, records: records.length > 0 ? records : [workspace] }
      },
      async (grant, found) => {
        const delivered: DeliveredPersonalSecret[] = []
        for (const secret of found) {
          const { id, name, type, envName, encoding, version } = secret
          const value = await store.openValue(db, this.#vault, grant, secret)
          delivered.push({
            id,
            name,
            type,
            envName,
            filePath: deliveredPath(secret),
            value,
            encoding,
            version,
          })
        }
        await this.#touch(found)
        return delivered
      },
    )
  }

  async items(accountId: string): Promise<CredentialItem[]> {
    return (await store.listSecrets(this.#storage.db, accountId)).map(toItem)
  }

  async #find(db: Queries, asker: Asker<Person>, id: string): Promise<StoredPersonalSecret> {
    const secret = await store.findSecret(db, asker.caller.accountId, id)
    if (!secret) throw new AppError('personal_secret.not_found')
    return secret
  }

  /** The value of a change, checked for its type. @returns undefined when it is the one that is stored. */
  async #newValue(
    tx: Transaction,
    grant: Parameters<typeof store.openValue>[2],
    before: StoredPersonalSecret,
    change: PersonalSecretChange,
  ): Promise<Plaintext | undefined> {
    const current = (await store.findVersion(tx, before, before.version))!
    const old = (await store.openValue(tx, this.#vault, grant, current)).reveal()
    const type = change.type ?? before.type
    // A new type checks the old value too.
    const value =
      change.value === undefined
        ? this.#parse(type, Buffer.from(old).toString('base64'), 'base64')
        : this.#parse(type, change.value, change.encoding)
    return sameBytes(old, value.bytes.reveal()) ? undefined : value
  }

  #parse(
    type: StoredPersonalSecret['type'],
    value: string,
    encoding: 'utf8' | 'base64' | undefined,
  ): Plaintext {
    return parseValue(type, value, encoding, limits.personalValueBytes)
  }

  #parseExpiry(expiresAt: string | null): Date | null {
    const time = toDate(expiresAt)
    if (time !== null && time <= this.#clock.now()) throw invalidField('expiresAt', 'must be in the future')
    return time
  }

  /**
   * Looks at all of the person's secrets as they would be. The account's lock, which Access.perform takes, keeps two
   * changes from passing together.
   * @param replacedId the secret that `target` is a change of.
   */
  async #assertFits(tx: Transaction, accountId: string, target: Target, replacedId?: string): Promise<void> {
    assertTarget(target)
    const others = (await store.listSecrets(tx, accountId)).filter(({ id }) => id !== replacedId)
    const withKey = <T extends Target>(one: T) => ({ ...one, nameKey: nameKey(one.name) })
    assertFree(withKey(target), others.map(withKey))
    assertWithinLimits([...others, target])
  }

  /** Keeps "last used", to the minute. */
  async #touch(secrets: readonly SealedPersonalSecret[]): Promise<void> {
    const now = this.#clock.now().getTime()
    const unlessSince = now - LAST_USED_STEP_MS
    const stale = secrets.filter(({ lastUsedAt }) => !lastUsedAt || lastUsedAt.getTime() < unlessSince)
    if (stale.length === 0) return
    const ids = stale.map(({ id }) => id)
    // The value is recorded and on its way: that a convenience could not be kept must not stop it.
    await this.#storage.transaction((tx) => store.touchSecrets(tx, ids, now, unlessSince)).catch(() => {})
  }
}

const ID = /^psec_[0-9a-z]{20}$/

/** What an attempt is about. An id that could not exist is left out: what was pasted there may be a value. */
function attempt({ id }: { id?: string }) {
  const isId = id !== undefined && ID.test(id)
  return own(isId ? { target: { kind: 'personal-secret', id } } : {})
}

/** In one order, so that the same workspaces are the same text. */
const toColumn = (workspaces: StoredPersonalSecret['workspaces']): string | null =>
  workspaces === 'all' ? null : JSON.stringify([...workspaces].sort())

function secretRecord({ id, name, version }: StoredPersonalSecret): RecordDetail {
  return { target: { kind: 'personal-secret', id, name, version } }
}
