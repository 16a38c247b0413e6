import type { SecretType, SecretValue, UnresolvedSecret } from '@keyhold/contract/api/secrets'
import type { FieldError } from '@keyhold/contract/errors'
import { limits } from '@keyhold/contract/limits'
import { nearMatches } from '@keyhold/contract/names'
import { Secret } from '@keyhold/contract/secret'
import { isMasked as isValueMasked } from '@keyhold/masking'
import { type Access, type Grant, inProject, type RecordDetail, type Scope } from '../../access/access.ts'
import type { Asker, Machine, Person } from '../../access/caller.ts'
import { AppError, invalidField } from '../../base/app-error.ts'
import { type Clock, LAST_USED_STEP_MS } from '../../base/clock.ts'
import type { CredentialItem } from '../../base/credential-item.ts'
import { hashToken, newId } from '../../base/ids.ts'
import { type Plaintext, parseValue } from '../../base/secret-value.ts'
import { ALL, nameKey } from '../../projects/project.ts'
import { type Storage, violatedUnique } from '../../storage/storage.ts'
import type { Queries, Transaction } from '../../storage/tables.ts'
import { sameBytes } from '../../vault/same-bytes.ts'
import type { Vault } from '../../vault/vault.ts'
import {
  bringBack,
  findDeletedVersion,
  forgetDeleted,
  keepDeleted,
  listVersionsAt,
} from './deleted-secret.store.ts'
import { DELETED_KEPT_MS, planRestore, type RestorePlan, type RestoreStep } from './environment-restore.ts'
import { type Reading, ReferenceResolver } from './reference-resolver.ts'
import { type Reference, referencesOf, shownReference } from './references.ts'
import * as store from './secret.store.ts'
import {
  assertSecretName,
  type ListedSecret,
  SECRET_NAME,
  type SealedSecret,
  type StoredSecret,
  type StoredVersion,
  secretAttempt,
  toValue,
} from './secret.ts'
import { deleteOverridesOf, listOverridden } from './secret-override.store.ts'

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

/** A name in one or both of two environments. */
export interface ComparedSecret {
  readonly name: string
  /** The environment that the value is in; null: there is none. */
  readonly left: string | null
  readonly right: string | null
  readonly isSame: boolean | null
}

/** A stored secret to deliver. */
type DeliverableSecret = SealedSecret & {
  /** Its references stay as they are. */
  readonly isRaw?: boolean
}

/** What came of a delivery. */
interface Delivery {
  readonly values: SecretValue[]
  readonly unresolved: UnresolvedSecret[]
  /** What is in values by reference, and none of them. */
  readonly uses: readonly { secret: SealedSecret; environment: string; value: SecretValue }[]
}

export interface EnvironmentDelivery {
  readonly environment: string
  readonly secrets: SecretValue[]
  readonly unresolved: UnresolvedSecret[]
  readonly referenced: SecretValue[]
}

export interface RevealedValue {
  readonly value: SecretValue
  /** Whether the value still has its references in it. */
  readonly hasReferences: boolean
  readonly uses: { secretId: string; name: string; environment: string }[]
}

type ProjectScope = Extract<Scope, { kind: 'project' }>

/** How a look-up names one secret of a project: by id (people) or by environment and name (machines). */
export type SecretKey =
  | { readonly id: string }
  | { readonly environment: string | undefined; readonly name: string }

/** Why a name may not be found, most likely first (acceptance SEC-34). */
const notFoundReasons = [
  'the name has a typo',
  'the name differs in upper and lower case',
  'the secret was not added to this project and environment',
  'it was added after this program started: restart the terminal or program',
]

/** What goes makes room for what comes. */
const ORDER = { removed: 0, changed: 1, added: 2 }

const EMPTY = new Secret(new Uint8Array())

/** Projects' secrets. */
export class Secrets {
  readonly #storage: Storage
  readonly #access: Access
  readonly #vault: Vault
  readonly #clock: Clock
  readonly #findEffective: ReturnType<typeof store.prepareFindEffective>
  readonly #listEffective: ReturnType<typeof store.prepareListEffective>

  constructor(storage: Storage, access: Access, vault: Vault, clock: Clock) {
    this.#storage = storage
    this.#access = access
    this.#vault = vault
    this.#clock = clock
    this.#findEffective = store.prepareFindEffective(storage)
    this.#listEffective = store.prepareListEffective(storage)
  }

  /**
   * Names and facts, no values. With an environment: its own, and those it takes from `All`. Each says where the caller's
   * value comes from; of values of people's own only the caller's count.
   */
  async list(
    asker: Asker<Person | Machine>,
    projectId: string,
    environment: string | undefined,
  ): Promise<ListedSecret[]> {
    const { db } = this.#storage
    return this.#access.check(
      asker,
      'secret.list',
      inProject(projectId, secretAttempt({ environment })),
      async () => {
        const found = await this.#listIn(db, projectId, environment)
        const { caller } = asker
        const mine = caller.kind === 'person' ? await listOverridden(db, projectId, caller.accountId) : []
        const overridden = new Set(mine.map((one) => `${one.environmentId} ${one.name}`))
        return found.secrets.map((secret) => {
          const places = [secret.environmentId, found.environmentId ?? secret.environmentId]
          const isMine = places.some((id) => overridden.has(`${id} ${secret.name}`))
          return { ...secret, source: isMine ? 'override' : secret.isInDefault ? 'All' : 'environment' }
        })
      },
    )
  }

  async #listIn(
    db: Queries,
    projectId: string,
    environment: string | undefined,
  ): Promise<{ secrets: StoredSecret[]; environmentId?: string }> {
    if (environment === undefined) return { secrets: await store.listSecrets(db, projectId) }
    const { id } = await this.#environment(db, projectId, environment)
    const secrets = await store.listSecrets(db, projectId, nameKey(environment))
    const own = new Set(secrets.filter((secret) => secret.environmentId === id).map((secret) => secret.name))
    return {
      secrets: secrets.filter((secret) => secret.environmentId === id || !own.has(secret.name)),
      environmentId: id,
    }
  }

  async get(asker: Asker<Person>, projectId: string, id: string): Promise<StoredSecret> {
    return this.#access.check(asker, 'secret.list', inProject(projectId, secretAttempt({ id })), async () => {
      const secret = await store.findSecret(this.#storage.db, projectId, id)
      if (!secret) throw new AppError('secret.not_found')
      return secret
    })
  }

  /** For the inventory and its reminders: those with a period of their own, of whoever may give them a new value. */
  async items(accountId: string): Promise<CredentialItem[]> {
    const secrets = await store.listRotatingOfMember(this.#storage.db, accountId)
    return secrets.map(({ secret, projectName }) => ({
      kind: 'secret',
      id: secret.id,
      name: secret.name,
      purpose: secret.description,
      usedIn: `environment ${secret.environment} of project ${projectName}`,
      accessLevel: null,
      createdAt: secret.createdAt,
      lastUsedAt: secret.lastAccessedAt,
      expiresAt: null,
      rotation: null,
      rotationDays: secret.rotationDays ?? 0, // Above 0: the query asks for no others.
      rotatedAt: secret.rotatedAt,
      status: 'active',
    }))
  }

  async versions(
    asker: Asker<Person>,
    projectId: string,
    id: string,
  ): Promise<{ versions: StoredVersion[]; current: number }> {
    const secret = await this.get(asker, projectId, id)
    return { versions: await store.listVersions(this.#storage.db, id), current: secret.version }
  }

  async create(asker: Asker<Person | Machine>, projectId: string, secret: NewSecret): Promise<StoredSecret> {
    const scope = inProject(projectId, secretAttempt(secret))
    return this.#access.perform(asker, 'secret.create', scope, async (tx, grant) => {
      const environment = await this.#environment(tx, projectId, secret.environment)
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
      return this.#change(tx, grant, asker, before, change)
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
      return this.#change(tx, grant, asker, before, change)
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
      const environment = await this.#environment(tx, projectId, environmentName)
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
        const { record } = await this.#change(tx, grant, asker, before, change)
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
    await this.#assertRoom(tx, environmentId, 1, value.bytes)
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

  async #change(
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
        await this.#assertRoom(tx, before.environmentId, 0, value.bytes)
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

  /** Deletes a secret with all its versions. For a while it can come back, with its environment: see {@link restoreTo}. */
  async delete(asker: Asker<Person | Machine>, projectId: string, key: SecretKey): Promise<void> {
    await this.#access.perform(
      asker,
      'secret.delete',
      inProject(projectId, secretAttempt(key)),
      async (tx) => {
        const secret = await this.#findToChange(tx, projectId, key)
        await this.#delete(tx, secret)
        return { result: undefined, record: secretRecord(secret) }
      },
    )
  }

  async #delete(tx: Transaction, secret: StoredSecret): Promise<void> {
    await keepDeleted(tx, secret.id, this.#clock.now().getTime())
    if (!(await store.deleteSecret(tx, secret.id))) throw new AppError('secret.not_found')
    await deleteOverridesOf(tx, secret)
  }

  /** What a restore of an environment would do. Opens nothing. */
  async previewRestore(
    asker: Asker<Person>,
    projectId: string,
    environmentId: string,
    at: Date,
  ): Promise<RestorePlan> {
    return this.#access.check(asker, 'secret.list', inProject(projectId), async () => {
      await this.#environmentById(this.#storage.db, projectId, environmentId)
      return this.#planRestore(this.#storage.db, projectId, environmentId, at)
    })
  }

  /**
   * Takes an environment's own secrets back to what they were at a time: earlier values become new versions, deleted
   * secrets come back with theirs, later ones are deleted. All or none.
   * @param expectedState what the plan said that was looked at. @throws AppError `environment.changed`
   */
  async restoreTo(
    asker: Asker<Person>,
    projectId: string,
    environmentId: string,
    at: Date,
    expectedState: string,
  ): Promise<RestorePlan> {
    return this.#access.perform(asker, 'environment.restore', inProject(projectId), async (tx, grant) => {
      const { name: environment } = await this.#environmentById(tx, projectId, environmentId)
      const plan = await this.#planRestore(tx, projectId, environmentId, at)
      if (plan.state !== expectedState) throw new AppError('environment.changed')
      const target = { kind: 'environment', id: environmentId, name: environment }
      const records: RecordDetail[] = [{ environment, target }]
      for (const step of plan.changes.toSorted((a, b) => ORDER[a.change] - ORDER[b.change])) {
        const record = await this.#restoreOne(tx, grant, asker, projectId, step)
        if (record) records.push(record)
      }
      return { result: plan, record: records }
    })
  }

  async #restoreOne(
    tx: Transaction,
    grant: Grant<'environment.restore'>,
    asker: Asker<Person>,
    projectId: string,
    { name, change, now, earlier }: RestoreStep,
  ): Promise<RecordDetail | null> {
    if (change === 'removed') {
      const secret = (await store.findSecret(tx, projectId, now!.id))! // There, under the project's lock.
      await this.#delete(tx, secret)
      return { action: 'secret.delete', ...secretRecord(secret) }
    }
    // The plan has an earlier version of all but what is removed.
    const { id, version, isDeleted } = earlier!
    const sealed = isDeleted
      ? await findDeletedVersion(tx, id, version)
      : await store
          .findSecret(tx, projectId, id)
          .then((secret) => secret && store.findVersion(tx, secret, version))
    if (!sealed) throw new AppError('secret.version_not_found')
    const value = Buffer.from((await store.openValue(tx, this.#vault, grant, sealed)).reveal())
    const { encoding, hasReferences } = sealed
    if (change === 'added') {
      await bringBack(tx, id, {
        updated_at: this.#clock.now().getTime(),
        updated_by: callerId(asker),
        is_masked: isValueMasked(value) ? 1 : 0,
      })
      await this.#assertRoom(tx, (await store.findSecret(tx, projectId, id))!.environmentId, 0, EMPTY)
    }
    const before = (await store.findSecret(tx, projectId, now?.id ?? id))!
    const made = await this.#change(tx, grant, asker, before, {
      value: value.toString(encoding),
      encoding,
      hasReferences,
    }).catch((error: unknown) => {
      // The type may have changed since, and the earlier value not fit it. Which secret that is has to be said.
      if (!(error instanceof AppError) || error.code !== 'request.invalid') throw error
      throw invalidField(name, 'the earlier value does not fit the type it has now')
    })
    if (change === 'added') return { action: 'secret.create', ...secretRecord(made.result) }
    return made.record && { action: 'secret.update', ...made.record }
  }

  async #planRestore(db: Queries, projectId: string, environmentId: string, at: Date): Promise<RestorePlan> {
    const clockNow = this.#clock.now().getTime()
    if (at.getTime() > clockNow) throw invalidField('at', 'is in the future')
    const all = await store.listSecrets(db, projectId)
    const live = all.filter((secret) => secret.environmentId === environmentId)
    const earlier = await listVersionsAt(db, environmentId, at.getTime())
    return {
      at,
      changes: planRestore(live, earlier),
      isComplete: at.getTime() >= clockNow - DELETED_KEPT_MS,
      state: hashToken(live.map(({ id, version, type }) => `${id} ${version} ${type}`).join('\n')).toString(
        'hex',
      ),
    }
  }

  async #environmentById(db: Queries, projectId: string, id: string): Promise<{ id: string; name: string }> {
    const environment = await store.findEnvironmentById(db, projectId, id)
    if (!environment) throw new AppError('environment.not_found')
    return environment
  }

  /** Forgets what was deleted too long ago to come back. Run by the schedule. */
  async forgetDeleted(): Promise<void> {
    const before = this.#clock.now().getTime() - DELETED_KEPT_MS
    await this.#storage.transaction((tx) => forgetDeleted(tx, before))
  }

  /**
   * Delivers one value to a person, as it is stored.
   * @param options `version`: default the current one; `resolve`: with what its references stand for in `environment`,
   *   default the secret's own.
   */
  async reveal(
    asker: Asker<Person>,
    projectId: string,
    id: string,
    options: { version?: number; resolve?: boolean; environment?: string } = {},
  ): Promise<RevealedValue> {
    const { version, resolve = false, environment } = options
    const scope = inProject(projectId, secretAttempt({ id, environment }))
    let hasReferences = false
    const delivery = await this.#deliver(asker, scope, async (db) => {
      const secret = await store.findSecret(db, projectId, id)
      const sealed = secret && (await store.findVersion(db, secret, version ?? secret.version))
      if (!sealed) throw new AppError('secret.not_found')
      hasReferences = sealed.hasReferences && !resolve
      const { name } = await this.#environment(db, projectId, environment ?? sealed.environment)
      // As it is: whatever it refers to stays where it is.
      const secrets = [resolve ? sealed : { ...sealed, isRaw: true }]
      return { secrets, environmentKey: nameKey(name) }
    })
    const value = onlyValue(delivery)
    const uses = delivery.uses.map(({ secret, environment }) => ({
      secretId: secret.id,
      name: secret.name,
      environment,
    }))
    return { value, hasReferences, uses }
  }

  /** Delivers one value to a machine: the environment's, else the one of `All`. */
  async read(asker: Asker<Machine>, environment: string | undefined, name: string): Promise<SecretValue> {
    const { id: projectId } = asker.caller.project
    const delivery = await this.#deliver(
      asker,
      inProject(projectId, secretAttempt({ environment, name })),
      async (db) => {
        const key = nameKey(environment ?? ALL)
        const secret = await this.#findEffective(projectId, key, name)
        // A name found in `All` says nothing about the environment that was asked for.
        if (!secret || (secret.isInDefault && key !== nameKey(ALL)))
          await this.#environment(db, projectId, environment)
        if (!secret) throw await this.#notFound(db, projectId, key, name)
        return { secrets: [secret], environmentKey: key }
      },
    )
    return onlyValue(delivery)
  }

  /** Delivers all values of an environment to a machine; what has a reference without a value is left out, and said. */
  async readAll(asker: Asker<Machine>, environment: string | undefined): Promise<EnvironmentDelivery> {
    const { id: projectId } = asker.caller.project
    let name = ALL
    const { values, unresolved, uses } = await this.#deliver(
      asker,
      inProject(projectId, secretAttempt({ environment })),
      async (db) => {
        name = (await this.#environment(db, projectId, environment)).name
        const environmentKey = nameKey(name)
        return { secrets: await this.#listEffective(projectId, environmentKey), environmentKey }
      },
    )
    return { environment: name, secrets: values, unresolved, referenced: uses.map(({ value }) => value) }
  }

  /**
   * Compares what two environments deliver. That two values are the same says something of both, so each comparison is
   * recorded; what both take from `All` is one value, and nothing is compared.
   */
  async compare(
    asker: Asker<Person>,
    projectId: string,
    left: string,
    right: string,
  ): Promise<ComparedSecret[]> {
    const { db } = this.#storage
    return this.#access.deliver(
      asker,
      'secret.compare',
      inProject(projectId),
      async () => {
        const sides: Map<string, SealedSecret>[] = []
        for (const name of [left, right]) {
          const environment = await this.#environment(db, projectId, name)
          const secrets = await this.#listEffective(projectId, nameKey(environment.name))
          sides.push(new Map(secrets.map((secret) => [secret.name, secret])))
        }
        const names = [...new Set(sides.flatMap((side) => [...side.keys()]))].sort()
        const found = names.map((name) => ({ name, left: sides[0]!.get(name), right: sides[1]!.get(name) }))
        const compared = found.flatMap(({ left: a, right: b }) =>
          a && b && !isOneValue(a, b)
            ? [
                { secret: a, environmentKey: nameKey(left) },
                { secret: b, environmentKey: nameKey(right) },
              ]
            : [],
        )
        const resolver = await this.#planReferences(asker, projectId, compared)
        const all = [...compared.map(({ secret }) => secret), ...resolver.planned]
        const once = [...new Map(all.map((secret) => [secret.id, secret])).values()]
        return { found: { found, resolver }, records: once.map(secretRecord) }
      },
      async (grant, { found, resolver }) => {
        const open = (secret: SealedSecret) => store.openValue(db, this.#vault, grant, secret)
        const isSameValue = async (a: SealedSecret, b: SealedSecret) => {
          if (isOneValue(a, b)) return true
          const one = await resolver.resolve({ secret: a, environmentKey: nameKey(left) }, open)
          const other = await resolver.resolve({ secret: b, environmentKey: nameKey(right) }, open)
          return 'reason' in one || 'reason' in other ? null : sameBytes(one.reveal(), other.reveal())
        }
        const answer: ComparedSecret[] = []
        for (const { name, left: a, right: b } of found) {
          const isSame = a && b ? await isSameValue(a, b) : null
          answer.push({ name, left: a?.environment ?? null, right: b?.environment ?? null, isSame })
        }
        return answer
      },
    )
  }

  /** Delivers secrets as an environment has them, and records them with all that they refer to before any is opened. */
  async #deliver(
    asker: Asker<Person | Machine>,
    scope: ProjectScope,
    find: (db: Queries) => Promise<{ secrets: readonly DeliverableSecret[]; environmentKey: string }>,
  ): Promise<Delivery> {
    const { db } = this.#storage
    return this.#access.deliver(
      asker,
      'secret.read',
      scope,
      async () => {
        const { secrets, environmentKey } = await find(db)
        const readings = secrets.map((secret) => ({ secret, environmentKey }))
        const resolver = await this.#planReferences(
          asker,
          scope.projectId,
          readings.filter(({ secret }) => !secret.isRaw),
        )
        const ids = new Set(secrets.map(({ id }) => id))
        const all = [...secrets, ...resolver.planned.filter(({ id }) => !ids.has(id))]
        return { found: { readings, resolver, all }, records: all.map(secretRecord) }
      },
      async (grant: Grant<'secret.read'>, { readings, resolver, all }) => {
        const open = (secret: SealedSecret) => store.openValue(db, this.#vault, grant, secret)
        const values: SecretValue[] = []
        const unresolved: UnresolvedSecret[] = []
        for (const reading of readings) {
          const { secret } = reading
          if (secret.isRaw) {
            values.push(toValue(secret, await open(secret)))
            continue
          }
          const value = await resolver.resolve(reading, open)
          if ('reason' in value) unresolved.push({ name: secret.name, ...value })
          else values.push(toValue(secret, value, secret.hasReferences ? 'utf8' : secret.encoding))
        }
        const direct = new Set(readings.map(({ secret }) => secret))
        const uses = resolver
          .uses(readings)
          .filter(({ reading }) => !direct.has(reading.secret))
          .map(({ reading: { secret, environmentKey }, value }) => ({
            secret,
            environment: environmentKey,
            value: toValue(secret, value, secret.hasReferences ? 'utf8' : secret.encoding),
          }))
        await this.#touch(all)
        return { values, unresolved, uses }
      },
    )
  }

  /** Finds what the references of these lead to. The reader's rights decide, not those of who wrote them. */
  async #planReferences(
    asker: Asker<Person | Machine>,
    projectId: string,
    readings: readonly Reading[],
  ): Promise<ReferenceResolver> {
    const rights = new Map<string, Promise<boolean>>()
    // Most references are to secrets that are delivered themselves.
    const here = new Map(
      readings.map(({ secret, environmentKey }) => [`${environmentKey} ${secret.name}`, secret]),
    )
    const isWhole = readings.length > 1
    return ReferenceResolver.plan(readings, {
      list: (secrets) => store.listReferences(this.#storage.db, secrets),
      find: async (environmentKey, name) =>
        (isWhole ? here.get(`${environmentKey} ${name}`) : undefined) ??
        (await this.#findIn(projectId, environmentKey, name)),
      mayRead: (environmentKey) => {
        const known = rights.get(environmentKey)
        if (known) return known
        const scope = inProject(projectId, { environment: environmentKey })
        const right = this.#access.permits(asker, 'secret.read', scope)
        rights.set(environmentKey, right)
        return right
      },
    })
  }

  /** What an environment delivers under a name; undefined also when there is no such environment. */
  async #findIn(projectId: string, environmentKey: string, name: string): Promise<SealedSecret | undefined> {
    const secret = await this.#findEffective(projectId, environmentKey, name)
    if (!secret?.isInDefault || environmentKey === nameKey(ALL)) return secret
    return (await store.findEnvironmentByKey(this.#storage.db, projectId, environmentKey)) && secret
  }

  /**
   * Which secrets refer to a secret, or with no name to any of an environment: what has no value when it goes. Of the
   * references without an environment those count that may mean it.
   */
  async references(
    asker: Asker<Person>,
    projectId: string,
    environment: string,
    name: string | undefined,
  ): Promise<{ secretId: string; name: string; environment: string; reference: string }[]> {
    const { db } = this.#storage
    const scope = inProject(projectId, secretAttempt({ environment }))
    return this.#access.check(asker, 'secret.list', scope, async () => {
      const key = nameKey((await this.#environment(db, projectId, environment)).name)
      const isAll = key === nameKey(ALL)
      const referring = await store.listReferring(db, projectId, name)
      return referring
        .filter(({ environment: from, reference }) => {
          if (reference.environment !== undefined)
            return nameKey(reference.environment) === key || (isAll && name !== undefined)
          return name !== undefined && (isAll || nameKey(from) === key || nameKey(from) === nameKey(ALL))
        })
        .map(({ reference, ...secret }) => ({ ...secret, reference: shownReference(reference) }))
    })
  }

  /** Keeps "last accessed", to the minute. */
  async #touch(secrets: readonly SealedSecret[]): Promise<void> {
    const now = this.#clock.now().getTime()
    const unlessSince = now - LAST_USED_STEP_MS
    const stale = secrets.filter(
      ({ lastAccessedAt }) => !lastAccessedAt || lastAccessedAt.getTime() < unlessSince,
    )
    if (stale.length === 0) return
    const ids = stale.map((secret) => secret.id)
    // The value is recorded and on its way: that a convenience could not be kept must not stop it.
    await this.#storage.transaction((tx) => store.touchSecrets(tx, ids, now, unlessSince)).catch(() => {})
  }

  /** Keeps an environment to a size that one answer can deliver. The project's lock keeps two from passing together. */
  async #assertRoom(
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

  async #environment(
    db: Queries,
    projectId: string,
    name: string | undefined,
  ): Promise<{ id: string; name: string }> {
    const environment = await store.findEnvironmentByKey(db, projectId, nameKey(name ?? ALL))
    if (!environment) throw new AppError('environment.not_found')
    return environment
  }

  /** The project is locked (see Access.perform): of two changes at once the second sees the first. */
  async #findToChange(tx: Transaction, projectId: string, key: SecretKey): Promise<StoredSecret> {
    if ('id' in key) {
      const secret = await store.findSecret(tx, projectId, key.id)
      if (!secret) throw new AppError('secret.not_found')
      return secret
    }
    const environment = await this.#environment(tx, projectId, key.environment)
    const secret = await store.findSecretByName(tx, environment.id, key.name)
    if (!secret) throw await this.#notFound(tx, projectId, nameKey(environment.name), key.name)
    return secret
  }

  /** The explained not-found error: the caller may list the names, so near ones are no secret to them. */
  async #notFound(db: Queries, projectId: string, environmentKey: string, name: string): Promise<AppError> {
    // Not repeated, for the same reason as in `secretAttempt`.
    if (!SECRET_NAME.test(name)) return new AppError('secret.not_found')
    const names = (await store.listSecrets(db, projectId, environmentKey)).map((secret) => secret.name)
    return new AppError('secret.not_found', {
      detail: `${name} not found`,
      reasons: notFoundReasons,
      nearMatches: nearMatches(name, [...new Set(names)]),
    })
  }
}

/** Whether two environments take one value from the same place: with references it may come out differently. */
function isOneValue(a: SealedSecret, b: SealedSecret): boolean {
  return a.id === b.id && !a.hasReferences
}

/** @throws AppError `secret.unresolved` when the one secret of a delivery has no value. */
function onlyValue({ values, unresolved }: Delivery): SecretValue {
  const [failed] = unresolved
  if (failed) {
    throw new AppError('secret.unresolved', {
      detail: `\${${failed.reference}} in ${failed.writtenIn}: ${failed.reason}`,
    })
  }
  return values[0]! // There is one or the other.
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

function secretRecord({ id, name, version, environment }: StoredSecret | SealedSecret) {
  return { environment, target: { kind: 'secret', id, name, version } }
}
