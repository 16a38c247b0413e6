import { X509Certificate } from 'node:crypto'
import type { createStore, updateStore } from '@keyhold/contract/api/stores'
import { limits } from '@keyhold/contract/limits'
import type { BodyOf } from '@keyhold/contract/route'
import type { Secret } from '@keyhold/contract/secret'
import { type Access, type Grant, instance } from '../../access/access.ts'
import type { Asker, Person } from '../../access/caller.ts'
import { AppError, invalidField } from '../../base/app-error.ts'
import type { Clock } from '../../base/clock.ts'
import { newId } from '../../base/ids.ts'
import { type Outgoing, OutgoingError } from '../../base/outgoing.ts'
import { nameKey } from '../../projects/project.ts'
import { type Storage, violatedUnique } from '../../storage/storage.ts'
import type { Transaction } from '../../storage/tables.ts'
import type { Vault } from '../../vault/vault.ts'
import * as store from './outside-store.store.ts'
import {
  type OutsideStore,
  refusedPath,
  refusedPattern,
  type SealedStore,
  type StoreSettings,
} from './outside-store.ts'
import { connectStore, type StoreClient, StoreError } from './store-client.ts'

export type NewStore = Omit<BodyOf<typeof createStore>, 'credential'> & {
  readonly credential: Secret<string>
}
export type StoreChange = Omit<BodyOf<typeof updateStore>, 'credential'> & {
  readonly credential?: Secret<string>
}

export interface OutsideStoreParts {
  readonly storage: Storage
  readonly access: Access
  readonly vault: Vault
  readonly clock: Clock
  readonly outgoing: Outgoing
}

/** What administrators register: where values are that Keyhold fetches and does not keep. */
export class OutsideStores {
  readonly #parts: OutsideStoreParts

  constructor(parts: OutsideStoreParts) {
    this.#parts = parts
  }

  /** @returns each with the number of its sources. */
  async list(asker: Asker<Person>): Promise<[OutsideStore, number][]> {
    const { access, storage } = this.#parts
    return access.check(asker, 'store.list', instance, async () => {
      const counts = await store.countSources(storage.db)
      return (await store.listStores(storage.db)).map((one) => [one, counts.get(one.id) ?? 0])
    })
  }

  async create(asker: Asker<Person>, wish: NewStore): Promise<OutsideStore> {
    const { access, vault, clock } = this.#parts
    return access.perform(asker, 'store.create', instance, async (tx, grant) => {
      const settings = settingsOf(wish)
      const address = this.#addressOf(wish, settings)
      assertPaths(wish.paths, settings.kind)
      if (wish.ca !== undefined) assertCa(wish.ca)
      if ((await store.listStores(tx)).length >= limits.stores) throw new AppError('store.limit')
      const id = newId('ost')
      const now = clock.now().getTime()
      const { kind, ...rest } = settings
      const at = { id, address, settings, ca: wish.ca, paths: wish.paths }
      await orNameTaken(async () =>
        store.insertStore(tx, {
          id,
          name: wish.name,
          name_key: nameKey(wish.name),
          kind,
          address,
          settings: JSON.stringify(rest),
          ca: wish.ca ?? null,
          paths: JSON.stringify(wish.paths),
          sealed_credential: await store.sealCredential(tx, vault, grant, at, 1, wish.credential),
          credential_version: 1,
          created_at: now,
          updated_at: now,
        }),
      )
      const result = (await store.findStore(tx, id))!
      return { result, record: { target: targetOf(result) } }
    })
  }

  /** Changes anything but where the credential is sent. @returns it, with the number of its sources. */
  async update(asker: Asker<Person>, id: string, change: StoreChange): Promise<[OutsideStore, number]> {
    const { access, clock } = this.#parts
    return access.perform(asker, 'store.update', instance, async (tx, grant) => {
      if (!(await store.lockStore(tx, id))) throw new AppError('store.not_found')
      const before = (await store.findStore(tx, id))!
      const { name, credential, paths, ca } = change
      if (paths) assertPaths(paths, before.settings.kind)
      if (ca) assertCa(ca)
      const isBoundAnew = credential !== undefined || paths !== undefined || ca !== undefined
      await orNameTaken(async () =>
        store.updateStore(tx, id, {
          ...(name !== undefined && { name, name_key: nameKey(name) }),
          ...(paths && { paths: JSON.stringify(paths) }),
          ...(ca !== undefined && { ca }),
          ...(isBoundAnew && (await this.#bound(tx, grant, before, change))),
          updated_at: clock.now().getTime(),
        }),
      )
      const changed = Object.entries(change).flatMap(([field, value]) => (value === undefined ? [] : [field]))
      const result = (await store.findStore(tx, id))!
      const sources = (await store.countSources(tx)).get(id) ?? 0
      return { result: [result, sources], record: { changed, target: targetOf(result) } }
    })
  }

  /** The credential, new or the one before, sealed for what the store is from now on. */
  async #bound(tx: Transaction, grant: Grant<'store.update'>, before: SealedStore, change: StoreChange) {
    const { vault } = this.#parts
    const value = change.credential ?? (await store.openCredential(tx, vault, grant, before))
    const ca = change.ca === undefined ? before.ca : (change.ca ?? undefined)
    const place = { ...before, paths: change.paths ?? before.paths, ca }
    const version = before.credentialVersion + 1
    return {
      sealed_credential: await store.sealCredential(tx, vault, grant, place, version, value),
      credential_version: version,
    }
  }

  /** @param confirm has to be the name of the store while workspaces take something of it. */
  async delete(asker: Asker<Person>, id: string, confirm: string | undefined): Promise<void> {
    await this.#parts.access.perform(asker, 'store.delete', instance, async (tx) => {
      if (!(await store.lockStore(tx, id))) throw new AppError('store.not_found')
      const before = (await store.findStore(tx, id))!
      if (confirm !== before.name && (await store.countSources(tx)).has(id))
        throw new AppError('store.in_use')
      await store.deleteStore(tx, id)
      return { result: undefined, record: { target: targetOf(before) } }
    })
  }

  /** Signs in, and with a path reads what is there. @returns what is wrong, and names of values. */
  async check(
    asker: Asker<Person>,
    id: string,
    path: string | undefined,
  ): Promise<{ problem: string | null; keys: string[] | null }> {
    const { access, storage, vault, outgoing } = this.#parts
    return access.deliver(
      asker,
      'store.check',
      instance,
      async (db) => {
        const found = await store.findStore(db, id)
        if (!found) throw new AppError('store.not_found')
        const refused = path === undefined ? undefined : refusedPath(path, found.settings.kind)
        if (refused) throw invalidField('path', refused)
        return { found, records: [{ target: targetOf(found) }] }
      },
      async (grant, found) => {
        const credential = await store.openAndBindCredential(storage, vault, grant, found)
        const client = await connectStore({ store: found, credential, outgoing })
        try {
          return { problem: null, keys: await keysAt(client, path) }
        } catch (error) {
          return { problem: problemText(error), keys: null }
        } finally {
          await client.close()
        }
      },
    )
  }

  #addressOf({ address: given }: NewStore, settings: StoreSettings): string {
    const address = given ?? (settings.kind === 'aws' ? awsAddress(settings.region) : undefined)
    if (address === undefined) throw invalidField('address', 'such a store needs its address')
    this.#assertAddress('address', address)
    if (settings.kind === 'azure') this.#assertAddress('azure.authority', settings.authority)
    return address.replace(/\/+$/, '')
  }

  #assertAddress(field: string, text: string): void {
    // `new URL` quotes its input when it throws.
    const url = URL.canParse(text) ? new URL(text) : undefined
    if (!url || !/^https?:$/.test(url.protocol))
      throw invalidField(field, 'must be a URL, such as https://vault.example.com')
    if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
      throw invalidField(field, 'must have no user, password, query or fragment')
    const problem = this.#parts.outgoing.problemWith({ url, isPrivateAllowed: true })
    if (problem) throw invalidField(field, problem.message)
  }
}

/** What went wrong at a store, in words that can be shown. Anything else is the server's own fault. */
export function problemText(error: unknown): string {
  if (error instanceof StoreError) return error.message
  if (error instanceof OutgoingError) return `it cannot be reached: ${error.message}`
  throw error
}

export const targetOf = ({ id, name }: Pick<OutsideStore, 'id' | 'name'>) => ({ kind: 'store', id, name })

async function keysAt(client: StoreClient, path: string | undefined): Promise<string[] | null> {
  if (path === undefined) {
    await client.check()
    return null
  }
  const { values } = await client.read(path)
  return values ? [...values.keys()].sort() : null
}

/** The one settings that belong to the kind, with what is left out filled in. */
function settingsOf(wish: NewStore): StoreSettings {
  const { kind } = wish
  for (const other of ['vault', 'aws', 'azure'] as const)
    if (other !== kind && wish[other] !== undefined)
      throw invalidField(other, `does not belong to a store of kind ${kind}`)
  if (wish.kind === 'vault') {
    const {
      auth,
      roleId,
      authMount,
      mount = 'secret',
      kvVersion = 2,
      namespace,
    } = wish.vault ?? {
      auth: 'token',
    }
    if ((auth === 'approle') !== (roleId !== undefined))
      throw invalidField('vault.roleId', 'belongs to approle, and approle needs it')
    if (authMount !== undefined && auth !== 'approle')
      throw invalidField('vault.authMount', 'belongs to approle')
    for (const [field, value] of Object.entries({ mount, authMount, namespace })) {
      const refused = value === undefined ? undefined : refusedPath(value, 'vault')
      if (refused) throw invalidField(`vault.${field}`, refused)
    }
    return {
      kind: 'vault',
      auth,
      mount,
      kvVersion,
      ...(roleId !== undefined && { roleId }),
      ...(authMount !== undefined && { authMount }),
      ...(namespace !== undefined && { namespace }),
    }
  }
  if (kind === 'aws') {
    if (!wish.aws) throw invalidField('aws', 'such a store needs its region and access key id')
    return { kind, ...wish.aws }
  }
  if (!wish.azure) throw invalidField('azure', 'such a store needs its tenant and client id')
  const { authority = 'https://login.microsoftonline.com' } = wish.azure
  return { kind: 'azure', ...wish.azure, authority: authority.replace(/\/+$/, '') }
}

/** Where Secrets Manager of a region is (docs.aws.amazon.com, AWS service endpoints). */
const awsAddress = (region: string) =>
  `https://secretsmanager.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`

function assertPaths(paths: readonly string[], kind: StoreSettings['kind']): void {
  for (const [i, path] of paths.entries()) {
    const refused = refusedPattern(path, kind)
    if (refused) throw invalidField(`paths[${i}]`, refused)
  }
}

function assertCa(ca: string): void {
  const blocks = ca.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  try {
    if (blocks.length === 0) throw new Error('no certificate')
    for (const block of blocks) new X509Certificate(block)
  } catch {
    throw invalidField('ca', 'must be certificates in PEM')
  }
}

async function orNameTaken(write: () => Promise<void>): Promise<void> {
  try {
    await write()
  } catch (error) {
    throw violatedUnique(error) ? new AppError('store.exists', {}, error) : error
  }
}
