import type { Asker, Person } from '../../access/caller.ts'
import { AppError } from '../../base/app-error.ts'
import type { Storage } from '../../storage/storage.ts'
import * as store from './repository.store.ts'
import { type Connection, providerName } from './repository.ts'
import type { RepositoryTokens } from './repository-tokens.service.ts'
import { productOf, vendors } from './vendor.ts'
import { type RemoteUser, type VendorClient, VendorError } from './vendor-client.ts'

/** What became of a GPG key at one connected provider. */
export interface GpgPublication {
  readonly connectionId: string
  readonly provider: string
  readonly status: 'published' | 'missing-scope' | 'failed'
  readonly remoteId?: string
  readonly missingScope?: string
  readonly reason?: string
}

export interface GpgRemoval {
  readonly connectionId: string
  readonly provider: string
  readonly status: 'removed' | 'failed'
  readonly reason?: string
}

/** GPG keys of people at the providers that they are connected to. */
export class RepositoryGpgKeys {
  readonly #storage: Storage
  readonly #tokens: RepositoryTokens
  readonly #client: VendorClient

  constructor(storage: Storage, tokens: RepositoryTokens, client: VendorClient) {
    this.#storage = storage
    this.#tokens = tokens
    this.#client = client
  }

  /** Registers a public GPG key at every provider connected by OAuth. One that fails does not stop the others. */
  async publishGpgKey(asker: Asker<Person>, armored: string, name: string): Promise<GpgPublication[]> {
    return this.#everywhere(asker, async (connection) => {
      const base = { connectionId: connection.id, provider: providerName(connection.provider) }
      const { gpgScopes } = vendors[productOf(connection.provider)]
      const missing: GpgPublication = {
        ...base,
        status: 'missing-scope',
        missingScope: gpgScopes[0]!,
        reason: `connect again with the scope ${gpgScopes[0]}; an administrator sets which scopes are asked for`,
      }
      // Tokens of GitHub Apps have permissions and name no scopes: those have to try.
      const isKnown = connection.scopes.length > 0
      if (isKnown && !gpgScopes.some((scope) => connection.scopes.includes(scope))) return missing
      try {
        const remoteId = await this.#tokens.use(
          asker,
          { id: connection.id },
          false,
          async ({ access }, used) => {
            const provider = await this.#tokens.providerOf(used)
            return this.#client.addGpgKey(
              await this.#tokens.accountOf(provider),
              access,
              userOf(used),
              armored,
              name,
            )
          },
        )
        return { ...base, status: 'published', remoteId }
      } catch (error) {
        if (error instanceof VendorError && error.failure === 'scope') return missing
        return { ...base, status: 'failed', reason: reasonOf(error) }
      }
    })
  }

  /** Removes what {@link publishGpgKey} registered. @param published by connection, as it answered. */
  async removeGpgKey(
    asker: Asker<Person>,
    published: readonly { readonly connectionId: string; readonly remoteId: string }[],
  ): Promise<GpgRemoval[]> {
    return this.#everywhere(asker, async (connection) => {
      const entry = published.find(({ connectionId }) => connectionId === connection.id)
      if (!entry) return undefined
      const base = { connectionId: connection.id, provider: providerName(connection.provider) }
      try {
        await this.#tokens.use(asker, { id: connection.id }, false, async ({ access }, used) => {
          const provider = await this.#tokens.providerOf(used)
          const account = await this.#tokens.accountOf(provider)
          return this.#client.removeGpgKey(account, access, userOf(used), entry.remoteId)
        })
        return { ...base, status: 'removed' }
      } catch (error) {
        return { ...base, status: 'failed', reason: reasonOf(error) }
      }
    })
  }

  async #everywhere<T>(
    { caller }: Asker<Person>,
    work: (connection: Connection) => Promise<T | undefined>,
  ): Promise<T[]> {
    const connections = await store.listConnections(this.#storage.db, caller.accountId)
    const results = await Promise.all(
      connections.filter(({ method, hasToken }) => method === 'oauth' && hasToken).map(work),
    )
    return results.filter((result) => result !== undefined)
  }
}

const userOf = ({ login, remoteId }: Connection): RemoteUser => ({ login: login ?? '', id: remoteId })

/** Why one provider of several failed. @throws what is no expected failure. */
function reasonOf(error: unknown): string {
  if (error instanceof VendorError) return error.reason
  if (error instanceof AppError && error.status !== 500) return error.shown.detail ?? error.message
  throw error
}
