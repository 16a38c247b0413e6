import type { SecretType } from '@keyhold/contract/api/secrets'
import type { FieldError } from '@keyhold/contract/errors'
import { limits } from '@keyhold/contract/limits'
import type { Secret } from '@keyhold/contract/secret'
import { isMasked as isValueMasked } from '@keyhold/masking'
import { type Access, type Grant, inProject, type RecordDetail } from '../../access/access.ts'
import type { Asker, Machine, Person } from '../../access/caller.ts'
import { AppError, invalidField } from '../../base/app-error.ts'
import type { Clock } from '../../base/clock.ts'
import { newId } from '../../base/ids.ts'
import { type Plaintext, parseValue } from '../../base/secret-value.ts'
import { nameKey } from '../../projects/project.ts'
import { violatedUnique } from '../../storage/storage.ts'
import type { Transaction } from '../../storage/tables.ts'
import { sameBytes } from '../../vault/same-bytes.ts'
import type { Vault } from '../../vault/vault.ts'
import { keepDeleted } from './deleted-secret.store.ts'
import { findEnvironment, secretNotFound } from './find-environment.ts'
import { type Reference, referencesOf } from './references.ts'
import * as store from './secret.store.ts'
import { assertSecretName, type StoredSecret, secretAttempt, secretRecord } from './secret.ts'
import { deleteOverridesOf } from './secret-override.store.ts'

export interface NewSecret {
  readonly name: string
  readonly type: SecretType
  readonly value: string
  readonly encoding?: 'utf8' | 'base64'
  readonly environment?: string
  readonly description?: string
  readonly hasReferences?: boolean
  readonly note?: string
  readonly rotationDays?: number | null
}

export interface SecretChange {
  readonly type?: SecretType
  readonly value?: string
  readonly encoding?: 'utf8' | 'base64'
  readonly description?: string
  readonly hasReferences?: boolean
  readonly note?: string
  readonly rotationDays?: number | null
  readonly expectedVersion?: number
}

/** One secret of an import; a new one is a token unless it says otherwise. */
export type ImportedSecret = Omit<NewSecret, 'type' | 'environment'> & { readonly type?: SecretType }

/** Names, by what became of them. */
export interface ImportResult {
  readonly created: readonly string[]
  readonly updated: readonly string[]
  readonly unchanged: readonly string[]
}

/** How a look-up names one secret of a project: by id (people) or by environment and name (machines). */
export type SecretKey =
  | { readonly id: string }
  | { readonly environment: string | undefined; readonly name: string }

/** Makes, changes and deletes projects' secrets. */
export class SecretChanges {
  readonly #access: Access
  readonly #vault: Vault
  readonly #clock: Clock

  constructor(access: Access, vault: Vault, clock: Clock) {
    this.#access = access
    this.#vault = vault
    this.#clock = clock
  }

  async create(asker: Asker<Person | Machine>, projectId: string, secret: NewSecret): Promise<StoredSecret> {
    const scope = inProject(projectId, secretAttempt(secret))
    return this.#access.perform(asker, 'secret.create', scope, async (tx, grant) => {
      const environment = await findEnvironment(tx, projectId, secret.environment)
      const result = await this.#insert(tx, grant, asker, projectId, environment.id, secret)
      return { result, record: secretRecord(result) }
    })
  }

  /** Changes a secret. An equal value makes no version, and no change at all makes no record. */
  async update(
    asker: Asker<Person | Machine>,
    projectId: string,
    key: SecretKey,
    change: SecretChange,
  ): Promise<StoredSecret> {
    const scope = inProject(projectId, secretAttempt(key))
    return this.#access.perform(asker, 'secret.update', scope, async (tx, grant) => {
      const before = await this.#findToChange(tx, projectId, key)
      return this.changeIn(tx, grant, asker, before, change)
    })
  }

  /** Makes an earlier value the current one again, as a new version. */
  async restore(asker: Asker<Person>, projectId: string, id: string, version: number): Promise<StoredSecret> {
    const scope = inProject(projectId, secretAttempt({ id }))
    return this.#access.perform(asker, 'secret.update', scope, async (tx, grant) => {
      const before = await this.#findToChange(tx, projectId, { id })
      const sealed = await store.findVersion(tx, before, version)
      if (!sealed) throw new AppError('secret.version_not_found')
      const value = Buffer.from((await store.openValue(tx, this.#vault, grant, sealed)).reveal())
      const { encoding, hasReferences } = sealed
      const change = { value: value.toString(encoding), encoding, hasReferences }
      return this.changeIn(tx, grant, asker, before, change)
    })
  }

  /**
   * Creates and changes many secrets of one environment, all or none.
   * @param existing what to do with names that are there already.
   * @throws AppError `request.invalid` naming each secret that is wrong, `secret.exists` naming those that are there.
   */
  async import(
    asker: Asker<Person>,
    projectId: string,
    environmentName: string | undefined,
    secrets: readonly ImportedSecret[],
    existing: 'refuse' | 'skip' | 'replace',
  ): Promise<ImportResult> {
    const scope = inProject(projectId, secretAttempt({ environment: environmentName }))
    return this.#access.perform(asker, 'secret.import', scope, async (tx, grant) => {
      const environment = await findEnvironment(tx, projectId, environmentName)
      assertImportable(secrets)
      const result = { created: [] as string[], updated: [] as string[], unchanged: [] as string[] }
      const records: RecordDetail[] = []
      const taken: FieldError[] = []
      for (const [i, secret] of secrets.entries()) {
        const before = await store.findSecretByName(tx, environment.id, secret.name)
        if (!before) {
          const created = await this.#insert(tx, grant, asker, projectId, environment.id, secret)
          result.created.push(secret.name)
          records.push({ action: 'secret.create', ...secretRecord(created) })
          continue
        }
        if (existing === 'refuse')
          taken.push({ field: `secrets[${i}].name`, message: 'is already in this environment' })
        if (existing !== 'replace') {
          result.unchanged.push(secret.name)
          continue
        }
        const { name: _, ...given } = secret
        const change = { type: before.type, description: before.description, ...given }
        const { record } = await this.changeIn(tx, grant, asker, before, change)
        const isUpdated = record !== null && 'changed' in record
        ;(isUpdated ? result.updated : result.unchanged).push(secret.name)
        if (record) records.push({ action: isUpdated ? 'secret.update' : 'secret.compare', ...record })
      }
      if (taken.length > 0) throw new AppError('secret.exists', { errors: taken })
      return { result, record: records }
    })
  }

  async #insert(
    tx: Transaction,
    grant: Grant<'secret.create' | 'secret.import'>,
    asker: Asker<Person | Machine>,
    projectId: string,
    environmentId: string,
    secret: NewSecret | ImportedSecret,
  ): Promise<StoredSecret> {
    const { name, type = 'token' } = secret
    assertSecretName(name, type)
    const value = parseValue(type, secret.value, secret.encoding)
    const hasReferences = secret.hasReferences ?? false
    const references = hasReferences ? readReferences(type, value) : []
    await this.assertRoom(tx, environmentId, 1, value.bytes)
    const id = newId('sec')
    const now = this.#clock.now().getTime()
    const by = callerId(asker)
    try {
      await store.insertSecret(tx, {
        id,
        project_id: projectId,
        environment_id: environmentId,
        name,
        type,
        description: secret.description ?? '',
        current_version: 1,
        is_masked: isValueMasked(value.bytes.reveal()) ? 1 : 0,
        created_at: now,
        updated_at: now,
        updated_by: by,
        last_accessed_at: null,
        has_references: hasReferences ? 1 : 0,
        gone_from: null,
        gone_until: null,
        note: secret.note ?? '',
        rotation_days: secret.rotationDays ?? null,
        rotated_at: now,
      })
    } catch (error) {
      throw violatedUnique(error) ? new AppError('secret.exists', {}, error) : error
    }
    const version = { id, projectId, name, version: 1, hasReferences }
    await store.insertVersion(tx, this.#vault, grant, version, value.bytes, {
      encoding: value.encoding,
      createdAt: now,
      createdBy: by,
      references,
    })
    return (await store.findSecret(tx, projectId, id))!
  }

  /**
   * Changes a secret within a transaction. @returns its record too: null when nothing changed and nothing was compared.
   * @throws AppError `secret.changed` where another change came first
   */
  async changeIn(
    tx: Transaction,
    grant: Grant<'secret.update' | 'secret.import' | 'environment.restore'>,
    asker: Asker<Person | Machine>,
    before: StoredSecret,
    change: SecretChange,
  ): Promise<{ result: StoredSecret; record: RecordDetail | null }> {
    if (change.expectedVersion !== undefined && change.expectedVersion !== before.version) {
      throw new AppError('secret.changed')
    }
    const { projectId } = before
    const changed: string[] = []
    const type = change.type ?? before.type
    if (type !== before.type) {
      assertSecretName(before.name, type)
      changed.push('type')
    }
    if (change.description !== undefined && change.description !== before.description)
      changed.push('description')
    const { note = before.note, rotationDays = before.rotationDays } = change
    if (note !== before.note) changed.push('note')
    if (rotationDays !== before.rotationDays) changed.push('rotationDays')
    const hasReferences = change.hasReferences ?? before.hasReferences
    if (hasReferences !== before.hasReferences) changed.push('hasReferences')

    const current = (await store.findVersion(tx, before, before.version))!
    const now = this.#clock.now().getTime()
    const by = callerId(asker)
    let { version, isMasked } = before
    if (change.value !== undefined || changed.includes('type') || changed.includes('hasReferences')) {
      const old = await store.openValue(tx, this.#vault, grant, current)
      // A new type checks the old value too.
      const value = parseValue(
        type,
        change.value ?? Buffer.from(old.reveal()).toString('base64'),
        change.value === undefined ? 'base64' : change.encoding,
      )
      const references = hasReferences ? readReferences(type, value) : []
      const isSame = sameBytes(old.reveal(), value.bytes.reveal())
      if (!isSame) changed.push('value')
      if (!isSame || changed.includes('hasReferences')) {
        version += 1
        await this.assertRoom(tx, before.environmentId, 0, value.bytes)
        isMasked = isValueMasked(value.bytes.reveal())
        const next = { id: before.id, projectId, name: before.name, version, hasReferences }
        await store
          .insertVersion(tx, this.#vault, grant, next, value.bytes, {
            encoding: value.encoding,
            createdAt: now,
            createdBy: by,
            references,
          })
          .catch((error: unknown) => {
            // Of two updates at once, the second one's version number is taken.
            throw violatedUnique(error) ? new AppError('secret.changed', {}, error) : error
          })
      }
    }
    // Telling that a value is the same tells the value to whoever guessed it: that is recorded, though not as an update.
    const isCompared = change.value !== undefined || type !== before.type
    if (changed.length === 0) {
      return {
        result: before,
        record: isCompared ? { action: 'secret.compare', ...secretRecord(before) } : null,
      }
    }
    const isUpdated = await store.updateSecret(tx, before.id, before.version, {
      type,
      description: change.description ?? before.description,
      current_version: version,
      is_masked: isMasked ? 1 : 0,
      has_references: hasReferences ? 1 : 0,
      note,
      rotation_days: rotationDays,
      ...(version !== before.version && { rotated_at: now }),
      updated_at: now,
      updated_by: by,
    })
    if (!isUpdated) throw new AppError('secret.changed')
    const result = (await store.findSecret(tx, projectId, before.id))!
    return { result, record: { changed, ...secretRecord(result) } }
  }

  /** Deletes a secret with all its versions. For a while it can come back, with its environment: see environment-restore.service.ts. */
  async delete(asker: Asker<Person | Machine>, projectId: string, key: SecretKey): Promise<void> {
    await this.#access.perform(
      asker,
      'secret.delete',
      inProject(projectId, secretAttempt(key)),
      async (tx) => {
        const secret = await this.#findToChange(tx, projectId, key)
        await this.deleteIn(tx, secret)
        return { result: undefined, record: secretRecord(secret) }
      },
    )
  }

  /** Deletes a secret within a transaction, with everybody's own values for it. */
  async deleteIn(tx: Transaction, secret: StoredSecret): Promise<void> {
    await keepDeleted(tx, secret.id, this.#clock.now().getTime())
    if (!(await store.deleteSecret(tx, secret.id))) throw new AppError('secret.not_found')
    await deleteOverridesOf(tx, secret)
  }

  /** Keeps an environment to a size that one answer can deliver. The project's lock keeps two from passing together. */
  async assertRoom(
    tx: Transaction,
    environmentId: string,
    added: number,
    value: Secret<Uint8Array>,
  ): Promise<void> {
    const { count, bytes } = await store.measureEnvironment(tx, environmentId)
    const isFull =
      count + added > limits.secretsPerEnvironment ||
      bytes + value.reveal().length > limits.environmentValueBytes
    if (isFull) throw new AppError('secret.limit')
  }

  /** The project is locked (see Access.perform): of two changes at once the second sees the first. */
  async #findToChange(tx: Transaction, projectId: string, key: SecretKey): Promise<StoredSecret> {
    if ('id' in key) {
      const secret = await store.findSecret(tx, projectId, key.id)
      if (!secret) throw new AppError('secret.not_found')
      return secret
    }
    const environment = await findEnvironment(tx, projectId, key.environment)
    const secret = await store.findSecretByName(tx, environment.id, key.name)
    if (!secret) throw await secretNotFound(tx, projectId, nameKey(environment.name), key.name)
    return secret
  }
}

/** @throws AppError `request.invalid` when a value cannot have references. */
function readReferences(type: SecretType, value: Plaintext): readonly Reference[] {
  if (type === 'key') throw invalidField('hasReferences', 'cannot be true for type key')
  const text = Buffer.from(value.bytes.reveal()).toString('utf8')
  return referencesOf({ text, encoding: value.encoding }, (message) => invalidField('value', message))
}

/** @throws AppError `request.invalid` with every secret that cannot be stored, so that all are mended at once. */
function assertImportable(secrets: readonly ImportedSecret[]): void {
  const names = new Set<string>()
  const errors = secrets.flatMap(({ name, type = 'token', value, encoding }, i): FieldError[] => {
    const field = `secrets[${i}]`
    if (names.has(name)) return [{ field: `${field}.name`, message: 'is there twice' }]
    names.add(name)
    try {
      assertSecretName(name, type)
      parseValue(type, value, encoding)
      return []
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      return (error.shown.errors ?? []).map((one) => ({ ...one, field: `${field}.${one.field}` }))
    }
  })
  if (errors.length > 0) throw new AppError('request.invalid', { errors })
}

function callerId({ caller }: Asker<Person | Machine>): string {
  return caller.kind === 'person' ? caller.name : caller.accessKeyId
}
