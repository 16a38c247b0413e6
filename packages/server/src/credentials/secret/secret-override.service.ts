import type { SecretValue } from '@keyhold/contract/api/secrets'
import { limits } from '@keyhold/contract/limits'
import type { Secret } from '@keyhold/contract/secret'
import { isMasked as isValueMasked } from '@keyhold/masking'
import { type Access, ownInProject } from '../../access/access.ts'
import type { Asker, Person, WorkspaceAgent } from '../../access/caller.ts'
import { AppError } from '../../base/app-error.ts'
import type { Clock } from '../../base/clock.ts'
import { newId } from '../../base/ids.ts'
import { type Encoding, parseValue } from '../../base/secret-value.ts'
import type { Storage } from '../../storage/storage.ts'
import type { Queries, Transaction } from '../../storage/tables.ts'
import type { Vault } from '../../vault/vault.ts'
import { findEnvironment } from './find-environment.ts'
import { findSecret, findSecretByName } from './secret.store.ts'
import { type StoredSecret, secretAttempt } from './secret.ts'
import * as store from './secret-override.store.ts'

/** A secret as an environment has it. */
interface Place {
  readonly secret: StoredSecret
  readonly environmentId: string
}

/** Values of people's own for secrets of a project: each is sealed for its person, and only they are told of it. */
export class SecretOverrides {
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

  /**
   * Sets the caller's own value for a secret in an environment that has it or takes it from `All`. The value has to fit
   * the secret's type. It is not compared with the one before, and has no references.
   * @param environment default: the secret's own. @throws AppError `secret_override.limit`
   */
  async set(
    asker: Asker<Person>,
    projectId: string,
    secretId: string,
    wish: { value: string; encoding?: Encoding; environment?: string },
  ): Promise<store.StoredOverride> {
    const { environment } = wish
    const scope = ownInProject(projectId, secretAttempt({ id: secretId, environment }))
    return this.#access.perform(asker, 'secret-override.create', scope, async (tx, grant) => {
      const { secret, environmentId } = await this.#place(tx, projectId, secretId, environment)
      const { accountId } = asker.caller
      const { name, type } = secret
      const value = parseValue(type, wish.value, wish.encoding)
      // The project's lock keeps two changes from passing together.
      const before = await store.findOverride(tx, accountId, environmentId, name)
      const now = this.#clock.now().getTime()
      const version = (before?.version ?? 0) + 1
      const id = before?.id ?? newId('ovr')
      const place = { id, projectId, accountId, environmentId, name, version }
      await store.writeOverride(tx, this.#vault, grant, place, value.bytes, {
        encoding: value.encoding,
        isMasked: isValueMasked(value.bytes.reveal()),
        now,
      })
      await this.#assertWithinLimits(tx, projectId, accountId)
      const result = (await store.findOverride(tx, accountId, environmentId, name))! // Written above.
      const record = overrideRecord(result)
      return { result, record: before ? { action: 'secret-override.update', ...record } : record }
    })
  }

  /** Removes the caller's own value of exactly this environment. */
  async delete(
    asker: Asker<Person>,
    projectId: string,
    secretId: string,
    environment: string | undefined,
  ): Promise<void> {
    const scope = ownInProject(projectId, secretAttempt({ id: secretId, environment }))
    await this.#access.perform(asker, 'secret-override.delete', scope, async (tx) => {
      const { secret, environmentId } = await this.#place(tx, projectId, secretId, environment)
      const { accountId } = asker.caller
      const found = await store.findOverride(tx, accountId, environmentId, secret.name)
      if (!found) throw new AppError('secret_override.not_found')
      await store.deleteOverride(tx, accountId, found.id)
      return { result: undefined, record: overrideRecord(found) }
    })
  }

  /** The caller's own value as an environment has it: what takes a secret from `All` takes their own value for it too. */
  async reveal(
    asker: Asker<Person>,
    projectId: string,
    secretId: string,
    environment: string | undefined,
  ): Promise<SecretValue> {
    const { db } = this.#storage
    return this.#access.deliver(
      asker,
      'secret-override.read',
      ownInProject(projectId, secretAttempt({ id: secretId, environment })),
      async () => {
        const { secret, environmentId } = await this.#place(db, projectId, secretId, environment)
        const { accountId } = asker.caller
        const override =
          (await store.findOverride(db, accountId, environmentId, secret.name)) ??
          (await store.findOverride(db, accountId, secret.environmentId, secret.name))
        if (!override) throw new AppError('secret_override.not_found')
        return { found: { override, type: secret.type }, records: [overrideRecord(override)] }
      },
      async (grant, { override, type }) => {
        const { name, encoding, version } = override
        const value = await store.openOverride(db, this.#vault, grant, override)
        return {
          name,
          type,
          value: Buffer.from(value.reveal()).toString(encoding),
          encoding,
          version,
          environment: override.environment,
        }
      },
    )
  }

  /** Delivers some of the owner's own values to a workspace; each is recorded as used. */
  async deliverTo(
    asker: Asker<WorkspaceAgent>,
    projectId: string,
    ids: ReadonlySet<string>,
  ): Promise<{ id: string; value: Secret<Uint8Array>; encoding: Encoding }[]> {
    const { db } = this.#storage
    const { ownerId, workspaceId: workspace } = asker.caller
    return this.#access.deliver(
      asker,
      'secret-override.use',
      ownInProject(projectId, { workspace }),
      async () => {
        const found = await store.listOverrides(db, projectId, ownerId, ids)
        const records = found.map((override) => ({ workspace, ...overrideRecord(override) }))
        return { found, records: records.length > 0 ? records : [{ workspace }] }
      },
      async (grant, found) => {
        const delivered = []
        for (const override of found) {
          const value = await store.openOverride(db, this.#vault, grant, override)
          delivered.push({ id: override.id, value, encoding: override.encoding })
        }
        return delivered
      },
    )
  }

  /** @throws AppError `secret.not_found` also when the environment has another secret of that name, or takes none from it. */
  async #place(
    db: Queries,
    projectId: string,
    secretId: string,
    environment: string | undefined,
  ): Promise<Place> {
    const secret = await findSecret(db, projectId, secretId)
    if (!secret) throw new AppError('secret.not_found')
    if (environment === undefined) return { secret, environmentId: secret.environmentId }
    const found = await findEnvironment(db, projectId, environment)
    const isTaken =
      found.id === secret.environmentId ||
      (secret.isInDefault && !(await findSecretByName(db, found.id, secret.name)))
    if (!isTaken) throw new AppError('secret.not_found')
    return { secret, environmentId: found.id }
  }

  async #assertWithinLimits(tx: Transaction, projectId: string, accountId: string): Promise<void> {
    const { count, bytes } = await store.measureOverrides(tx, projectId, accountId)
    if (count > limits.overridesPerProject || bytes > limits.overrideTotalBytes)
      throw new AppError('secret_override.limit')
  }
}

/** Without the project: its Admins read what happens in it. */
function overrideRecord({ id, name, version, environment }: store.StoredOverride) {
  return { environment, target: { kind: 'secret-override', id, name, version } }
}
