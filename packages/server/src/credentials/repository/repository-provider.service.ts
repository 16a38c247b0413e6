import { X509Certificate } from 'node:crypto'
import { limits } from '@keyhold/contract/limits'
import type { Secret } from '@keyhold/contract/secret'
import { type Access, instance } from '../../access/access.ts'
import type { Asker, Person } from '../../access/caller.ts'
import { AppError, invalidField } from '../../base/app-error.ts'
import type { Clock } from '../../base/clock.ts'
import { newId } from '../../base/ids.ts'
import type { Outgoing } from '../../base/outgoing.ts'
import { type Storage, violatedUnique } from '../../storage/storage.ts'
import type { Vault } from '../../vault/vault.ts'
import * as store from './repository.store.ts'
import { type Provider, parseBaseUrl } from './repository.ts'
import { cloudUrls, type ProviderKind, productOf, type VendorType, vendors } from './vendor.ts'

export interface NewProvider {
  readonly type: VendorType
  readonly kind: ProviderKind
  readonly baseUrl?: string | undefined
  readonly clientId?: string | undefined
  readonly clientSecret?: Secret<string> | undefined
  readonly ca?: string | undefined
  readonly scopes?: readonly string[] | undefined
}

export interface ProviderChange {
  readonly clientId?: string | undefined
  readonly clientSecret?: Secret<string> | undefined
  readonly ca?: string | null | undefined
  readonly scopes?: readonly string[] | undefined
}

/** What administrators register: which code repository services there are, and as which OAuth application. */
export class RepositoryProviders {
  readonly #storage: Storage
  readonly #access: Access
  readonly #vault: Vault
  readonly #clock: Clock
  readonly #outgoing: Outgoing

  constructor(storage: Storage, access: Access, vault: Vault, clock: Clock, outgoing: Outgoing) {
    this.#storage = storage
    this.#access = access
    this.#vault = vault
    this.#clock = clock
    this.#outgoing = outgoing
  }

  async list(asker: Asker<Person>): Promise<Provider[]> {
    return this.#access.check(asker, 'repository-provider.list', instance, () =>
      store.listProviders(this.#storage.db),
    )
  }

  /** Registers a provider. The OAuth application may come later: it needs the callback URL, which needs the id. */
  async create(asker: Asker<Person>, wish: NewProvider): Promise<Provider> {
    return this.#access.perform(asker, 'repository-provider.create', instance, async (tx, grant) => {
      const { baseUrl, host } = this.#address(wish)
      if ((wish.clientId === undefined) !== (wish.clientSecret === undefined))
        throw invalidField(
          wish.clientId === undefined ? 'clientId' : 'clientSecret',
          'client id and client secret belong together',
        )
      if (wish.ca !== undefined) assertCa(wish.kind, wish.ca)
      if ((await store.listProviders(tx)).length >= limits.repositoryProviders)
        throw new AppError('repository_provider.limit')
      const now = this.#clock.now().getTime()
      const id = newId('rpv')
      try {
        await store.insertProvider(tx, {
          id,
          type: wish.type,
          kind: wish.kind,
          base_url: baseUrl,
          host,
          client_id: wish.clientId ?? null,
          secret_version: 0,
          ca: wish.ca ?? null,
          scopes: JSON.stringify(wish.scopes ?? vendors[productOf(wish)].scopes),
          created_at: now,
          updated_at: now,
        })
      } catch (error) {
        throw violatedUnique(error) ? new AppError('repository_provider.exists', {}, error) : error
      }
      if (wish.clientSecret)
        await store.storeClientSecret(tx, this.#vault, grant, { id, baseUrl }, 1, wish.clientSecret)
      const result = (await store.findProvider(tx, id))!
      return { result, record: { target: target(result) } }
    })
  }

  /** Changes anything but the address: tokens must not be sent to another address than they came from. */
  async update(asker: Asker<Person>, id: string, change: ProviderChange): Promise<Provider> {
    return this.#access.perform(asker, 'repository-provider.update', instance, async (tx, grant) => {
      if (!(await store.lockProvider(tx, id))) throw new AppError('repository_provider.not_found')
      const before = (await store.findProvider(tx, id))!
      const { clientId, clientSecret, ca, scopes } = change
      if (before.clientId === null && (clientId === undefined) !== (clientSecret === undefined))
        throw invalidField(
          clientId === undefined ? 'clientId' : 'clientSecret',
          'client id and client secret belong together',
        )
      if (ca) assertCa(before.kind, ca)
      await store.updateProvider(tx, id, {
        ...(clientId !== undefined && { client_id: clientId }),
        ...(ca !== undefined && { ca }),
        ...(scopes && { scopes: JSON.stringify(scopes) }),
        updated_at: this.#clock.now().getTime(),
      })
      if (clientSecret)
        await store.storeClientSecret(tx, this.#vault, grant, before, before.secretVersion + 1, clientSecret)
      const changed = Object.entries(change).flatMap(([name, value]) => (value === undefined ? [] : [name]))
      const result = (await store.findProvider(tx, id))!
      return { result, record: { changed, target: target(result) } }
    })
  }

  /**
   * Removes a provider, with people's connections when its host confirms that. Their tokens are deleted, not revoked:
   * opening them takes the person. Who deletes the OAuth application at the provider ends them all.
   */
  async delete(asker: Asker<Person>, id: string, confirm: string | undefined): Promise<void> {
    await this.#access.perform(asker, 'repository-provider.delete', instance, async (tx) => {
      if (!(await store.lockProvider(tx, id))) throw new AppError('repository_provider.not_found')
      const provider = (await store.findProvider(tx, id))!
      if (confirm !== provider.host && (await store.countConnections(tx, id)) > 0)
        throw new AppError('repository_provider.in_use')
      await store.deleteProvider(tx, id)
      return { result: undefined, record: { target: target(provider) } }
    })
  }

  #address({ type, kind, baseUrl }: NewProvider): { baseUrl: string; host: string } {
    if (kind === 'default') {
      if (baseUrl !== undefined) throw invalidField('baseUrl', 'only internal providers have one')
      const cloud = cloudUrls[type]
      return { baseUrl: cloud, host: new URL(cloud).host }
    }
    if (baseUrl === undefined) throw invalidField('baseUrl', 'an internal provider needs its base URL')
    const parsed = parseBaseUrl(baseUrl)
    if ('problem' in parsed) throw invalidField('baseUrl', parsed.problem)
    const problem = this.#outgoing.problemWith({ url: parsed.baseUrl, isPrivateAllowed: true })
    if (problem) throw invalidField('baseUrl', problem.message)
    return parsed
  }
}

const target = ({ id, host }: Provider) => ({ kind: 'repository-provider', id, name: host })

function assertCa(kind: ProviderKind, ca: string): void {
  if (kind === 'default') throw invalidField('ca', 'only internal providers have a CA of their own')
  const blocks = ca.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  try {
    if (blocks.length === 0) throw new Error('no certificate')
    for (const block of blocks) new X509Certificate(block)
  } catch {
    throw invalidField('ca', 'must be certificates in PEM')
  }
}
