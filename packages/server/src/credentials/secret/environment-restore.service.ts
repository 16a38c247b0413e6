import { Secret } from '@keyhold/contract/secret'
import { isMasked as isValueMasked } from '@keyhold/masking'
import { type Access, type Grant, inProject, type RecordDetail } from '../../access/access.ts'
import type { Asker, Person } from '../../access/caller.ts'
import { AppError, invalidField } from '../../base/app-error.ts'
import type { Clock } from '../../base/clock.ts'
import { hashToken } from '../../base/ids.ts'
import type { Storage } from '../../storage/storage.ts'
import type { Queries, Transaction } from '../../storage/tables.ts'
import type { Vault } from '../../vault/vault.ts'
import { bringBack, findDeletedVersion, forgetDeleted, listVersionsAt } from './deleted-secret.store.ts'
import { DELETED_KEPT_MS, planRestore, type RestorePlan, type RestoreStep } from './environment-restore.ts'
import * as store from './secret.store.ts'
import { secretRecord } from './secret.ts'
import type { SecretChanges } from './secret-changes.service.ts'

/** What goes makes room for what comes. */
const ORDER = { removed: 0, changed: 1, added: 2 }

const EMPTY = new Secret(new Uint8Array())

/** Takes environments back to what they were. */
export class EnvironmentRestores {
  readonly #storage: Storage
  readonly #access: Access
  readonly #vault: Vault
  readonly #clock: Clock
  readonly #changes: SecretChanges

  constructor(storage: Storage, access: Access, vault: Vault, clock: Clock, changes: SecretChanges) {
    this.#storage = storage
    this.#access = access
    this.#vault = vault
    this.#clock = clock
    this.#changes = changes
  }

  /** What a restore of an environment would do. Opens nothing. */
  async preview(
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
  async restore(
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
      await this.#changes.deleteIn(tx, secret)
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
        updated_by: asker.caller.name,
        is_masked: isValueMasked(value) ? 1 : 0,
      })
      await this.#changes.assertRoom(tx, (await store.findSecret(tx, projectId, id))!.environmentId, 0, EMPTY)
    }
    const before = (await store.findSecret(tx, projectId, now?.id ?? id))!
    const made = await this.#changes
      .changeIn(tx, grant, asker, before, {
        value: value.toString(encoding),
        encoding,
        hasReferences,
      })
      .catch((error: unknown) => {
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
}
