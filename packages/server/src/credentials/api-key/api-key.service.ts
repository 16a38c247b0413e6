import type { ApiKeyPreset, createApiKey, updateApiKey } from '@keyhold/contract/api/api-keys'
import { apiKeyPresets } from '@keyhold/contract/api-key-presets'
import { limits } from '@keyhold/contract/limits'
import type { BodyOf } from '@keyhold/contract/route'
import { type Access, own, type RecordDetail } from '../../access/access.ts'
import type { Asker, Person } from '../../access/caller.ts'
import { AppError, invalidField } from '../../base/app-error.ts'
import { type Clock, LAST_USED_STEP_MS, toDate } from '../../base/clock.ts'
import type { CredentialItem, CredentialSource } from '../../base/credential-item.ts'
import { newId } from '../../base/ids.ts'
import { nameKey } from '../../projects/project.ts'
import { type Storage, violatedUnique } from '../../storage/storage.ts'
import type { Queries } from '../../storage/tables.ts'
import type { Vault } from '../../vault/vault.ts'
import * as store from './api-key.store.ts'
import {
  type AuthorizedRequest,
  isExpired,
  parseKey,
  place,
  type SealedApiKey,
  type StoredApiKey,
  toItem,
} from './api-key.ts'
import {
  assertPaths,
  authorizeRequest,
  canonicalBaseUrl,
  canonicalHosts,
  canonicalPlacement,
  type OutgoingUse,
  withoutParameter,
} from './destination.ts'

export type NewApiKey = BodyOf<typeof createApiKey>
export type ApiKeyChange = BodyOf<typeof updateApiKey>

/** Where a key may go, as far as it is asked for. */
type Wish = Partial<
  Pick<StoredApiKey, 'baseUrl' | 'allowedHosts' | 'placement' | 'allowedMethods' | 'allowedPaths'>
>

/** People's API keys for outside services. A value comes in, and leaves only in a request to its own hosts. */
export class ApiKeys implements CredentialSource {
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

  async list(asker: Asker<Person>): Promise<StoredApiKey[]> {
    const list = () => store.listKeys(this.#storage.db, asker.caller.accountId)
    return this.#access.check(asker, 'api-key.list', own(), list)
  }

  /** Services whose hosts and placement are known. */
  async presets(asker: Asker<Person>): Promise<readonly ApiKeyPreset[]> {
    return this.#access.check(asker, 'api-key.list', own(), async () => apiKeyPresets)
  }

  async get(asker: Asker<Person>, id: string): Promise<StoredApiKey> {
    return this.#access.check(asker, 'api-key.list', own(attempt(id)), () =>
      this.#find(this.#storage.db, asker, id),
    )
  }

  async create(asker: Asker<Person>, { name, value, ...wish }: NewApiKey): Promise<StoredApiKey> {
    return this.#access.perform(asker, 'api-key.create', own(), async (tx, grant) => {
      const { accountId } = asker.caller
      const secret = parseKey(value)
      const preset = apiKeyPresets.find(({ id }) => id === wish.service)
      const destination = toDestination({
        ...(preset && presetWish(preset, wish.baseUrl !== undefined)),
        ...wish,
      })
      const expiresAt = this.#parseExpiry(wish.expiresAt ?? null)
      // The account's lock, which Access.perform takes, keeps two creations from passing the limit together.
      if ((await store.countKeys(tx, accountId)) >= limits.apiKeysPerPerson)
        throw new AppError('api_key.limit')
      const id = newId('apk')
      const now = this.#clock.now().getTime()
      const key = { id, accountId, name, version: 1, ...destination }
      await store
        .insertKey(tx, {
          id,
          account_id: accountId,
          name,
          name_key: nameKey(name),
          service: wish.service ?? '',
          description: wish.description ?? '',
          ...store.toDestinationColumns(destination),
          sealed: await store.sealValue(tx, this.#vault, grant, key, secret),
          version: 1,
          created_at: now,
          updated_at: now,
          rotated_at: now,
          expires_at: expiresAt?.getTime() ?? null,
          last_used_at: null,
        })
        .catch(nameTaken)
      return { result: await this.#find(tx, asker, id), record: keyRecord(key) }
    })
  }

  /**
   * Replaces a key, or changes what it is and where it may go; a new host takes the value anew. A value that is sent is always a new version: comparing
   * it with the one that is kept would tell who guesses that they are right.
   * @throws AppError `request.invalid`, `api_key.not_found`, `api_key.name_taken`.
   */
  async update(
    asker: Asker<Person>,
    id: string,
    { value, expiresAt, ...wish }: ApiKeyChange,
  ): Promise<StoredApiKey> {
    const isNothing = value === undefined && expiresAt === undefined && Object.keys(wish).length === 0
    if (isNothing) throw new AppError('request.invalid', { detail: 'At least one field must be provided.' })
    return this.#access.perform(asker, 'api-key.update', own(attempt(id)), async (tx, grant) => {
      const before = await this.#find(tx, asker, id)
      const destination = toDestination({ ...before, ...wish })
      const secret = value === undefined ? undefined : parseKey(value)
      // Else whoever may change a key could send it to themselves, though nothing shows it.
      if (!secret && destination.allowedHosts.some((host) => !before.allowedHosts.includes(host)))
        throw invalidField(
          'value',
          'is needed as well: a key goes to another host only when it is given anew',
        )
      const after = {
        name: wish.name ?? before.name,
        service: wish.service ?? before.service,
        description: wish.description ?? before.description,
        expires_at: (expiresAt === undefined ? before.expiresAt : toDate(expiresAt))?.getTime() ?? null,
        ...store.toDestinationColumns(destination),
      }
      const changed = changedFields(before, after)
      if (changed.includes('expiresAt')) this.#parseExpiry(expiresAt ?? null)
      if (secret) changed.push('value')
      if (changed.length === 0) return { result: before, record: null }
      const now = this.#clock.now().getTime()
      const version = secret ? before.version + 1 : before.version
      // Sealed anew also for new hosts: the value is bound to them.
      const sealed = await store.sealValue(
        tx,
        this.#vault,
        grant,
        { ...before, name: after.name, version, ...destination },
        secret ?? (await store.openValue(tx, this.#vault, grant, before)),
      )
      await store
        .updateKey(tx, id, {
          ...after,
          name_key: nameKey(after.name),
          sealed,
          version,
          updated_at: now,
          ...(secret && { rotated_at: now }),
        })
        .catch(nameTaken)
      const result = await this.#find(tx, asker, id)
      return { result, record: { changed, ...keyRecord(result) } }
    })
  }

  async delete(asker: Asker<Person>, id: string): Promise<void> {
    await this.#access.perform(asker, 'api-key.delete', own(attempt(id)), async (tx) => {
      const deleted = await store.deleteKey(tx, asker.caller.accountId, id)
      if (!deleted) throw new AppError('api_key.not_found')
      return { result: undefined, record: { target: { kind: 'api-key', id, name: deleted.name } } }
    })
  }

  /**
   * Gives what makes a request carry the key, if it may. The record says where the request goes, not what it asks for.
   * @param workspaceId the workspace that the request comes from.
   * @throws AppError `api_key.not_found`, `api_key.expired`, `api_key.request_refused` with the reason.
   */
  async use(
    asker: Asker<Person>,
    id: string,
    request: OutgoingUse,
    workspaceId?: string,
  ): Promise<AuthorizedRequest> {
    const { db } = this.#storage
    const workspace = workspaceId === undefined ? {} : { workspace: workspaceId }
    return this.#access.deliver(
      asker,
      'api-key.use',
      own({ ...attempt(id), ...workspace }),
      async () => {
        const key = await this.#find(db, asker, id)
        if (isExpired(key, this.#clock.now())) throw new AppError('api_key.expired')
        const decision = authorizeRequest(key, request)
        // A refused host is not recorded: what a program puts there may be a value.
        if (!decision.isAllowed) throw new AppError('api_key.request_refused', { detail: decision.reason })
        const { url, host } = decision
        return { found: { key, url }, records: [{ ...workspace, ...keyRecord(key), host }] }
      },
      async (grant, { key, url }) => {
        const parts = place(key.placement, await store.openValue(db, this.#vault, grant, key))
        for (const { name } of parts.query) url.search = withoutParameter(url.search, name)
        await this.#touch(key)
        return { url: url.href, ...parts }
      },
    )
  }

  async items(accountId: string): Promise<CredentialItem[]> {
    return (await store.listKeys(this.#storage.db, accountId)).map(toItem)
  }

  async #find(db: Queries, asker: Asker<Person>, id: string): Promise<SealedApiKey> {
    const key = await store.findKey(db, asker.caller.accountId, id)
    if (!key) throw new AppError('api_key.not_found')
    return key
  }

  #parseExpiry(text: string | null): Date | null {
    const time = toDate(text)
    if (time !== null && time <= this.#clock.now()) throw invalidField('expiresAt', 'must be in the future')
    return time
  }

  /** Keeps "last used", to the minute. */
  async #touch({ id, lastUsedAt }: StoredApiKey): Promise<void> {
    const now = this.#clock.now().getTime()
    const unlessSince = now - LAST_USED_STEP_MS
    if (lastUsedAt && lastUsedAt.getTime() >= unlessSince) return
    // The use is recorded: that a convenience could not be kept must not stop it.
    await this.#storage.transaction((tx) => store.touchKey(tx, id, now, unlessSince)).catch(() => {})
  }
}

/** What a preset fills in. Its hosts go with its address: another address brings its own. */
function presetWish({ baseUrl, allowedHosts, placement }: ApiKeyPreset, hasOwnUrl: boolean): Wish {
  return { ...(!hasOwnUrl && { baseUrl, allowedHosts }), ...(placement && { placement }) }
}

/** Checks where a key may go and brings it into its one form. @throws AppError `request.invalid` */
function toDestination(wish: Wish) {
  if (wish.baseUrl === undefined)
    throw invalidField('baseUrl', 'is needed, unless service is the id of a preset')
  if (wish.placement === undefined)
    throw invalidField('placement', 'is needed, unless service is the id of a preset that has one')
  const { baseUrl, host } = canonicalBaseUrl(wish.baseUrl)
  const allowedHosts = wish.allowedHosts ? canonicalHosts(wish.allowedHosts) : [host]
  if (!allowedHosts.includes(host))
    throw invalidField('allowedHosts', 'do not have the host of baseUrl among them')
  const allowedPaths = wish.allowedPaths ?? null
  if (allowedPaths) assertPaths(allowedPaths)
  const placement = canonicalPlacement(wish.placement)
  return { baseUrl, allowedHosts, placement, allowedMethods: wish.allowedMethods ?? null, allowedPaths }
}

/** Names of the API for the columns that differ. */
function changedFields(before: StoredApiKey, after: Readonly<Record<string, unknown>>): string[] {
  const was: Readonly<Record<string, unknown>> = {
    name: before.name,
    service: before.service,
    description: before.description,
    expires_at: before.expiresAt?.getTime() ?? null,
    ...store.toDestinationColumns(before),
  }
  return Object.keys(was)
    .filter((column) => was[column] !== after[column])
    .map((column) => column.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase()))
}

/** The unique constraint settles which of two keys gets a name. */
function nameTaken(error: unknown): never {
  throw violatedUnique(error) ? new AppError('api_key.name_taken', {}, error) : error
}

const ID = /^apk_[0-9a-z]{20}$/

/** What an attempt is about. An id that could not exist is left out: what was pasted there may be a value. */
const attempt = (id: string): RecordDetail => (ID.test(id) ? { target: { kind: 'api-key', id } } : {})

const keyRecord = ({ id, name, version }: Pick<StoredApiKey, 'id' | 'name' | 'version'>) => ({
  target: { kind: 'api-key', id, name, version },
})
