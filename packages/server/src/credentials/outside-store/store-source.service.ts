import type { createStoreSource } from '@keyhold/contract/api/stores'
import { limits } from '@keyhold/contract/limits'
import { refusedName } from '@keyhold/contract/names'
import type { BodyOf } from '@keyhold/contract/route'
import { inWorkspace, type RecordDetail } from '../../access/access.ts'
import type { Asker, Person, WorkspaceAgent } from '../../access/caller.ts'
import { AppError, invalidField } from '../../base/app-error.ts'
import { newId } from '../../base/ids.ts'
import { violatedUnique } from '../../storage/storage.ts'
import type { OutsideStoreParts } from './outside-store.service.ts'
import { problemText, targetOf } from './outside-store.service.ts'
import * as store from './outside-store.store.ts'
import {
  type FetchedVariable,
  isPathAllowed,
  refusedPath,
  type SealedStore,
  type SourceOwner,
  type StoreSource,
  toFetched,
  variableOf,
} from './outside-store.ts'
import { connectStore, type StoreClient } from './store-client.ts'

export type NewSource = BodyOf<typeof createStoreSource>

/** Something that a workspace did not get. */
export interface StoreProblem {
  readonly text: string
  readonly stopsStart: boolean
}

/** What a workspace has of outside stores, once it was fetched. */
export interface FetchedFromStores {
  /** None when something stops the start. */
  readonly variables: readonly FetchedVariable[]
  readonly problems: readonly StoreProblem[]
}

/** A variable that comes of a store, as far as it can be told without asking it. */
export interface StoreVariable {
  /** null: each of the values at the path. */
  readonly name: string | null
  readonly store: string
  readonly path: string
  readonly isAllowed: boolean
}

/** What workspaces take of outside stores. */
export class StoreSources {
  readonly #parts: OutsideStoreParts

  constructor(parts: OutsideStoreParts) {
    this.#parts = parts
  }

  async list(asker: Asker<Person>, workspaceId: string): Promise<[StoreSource, SourceOwner][]> {
    const { access, storage } = this.#parts
    return access.check(asker, 'store-source.list', inWorkspace(workspaceId), async () => {
      const owner = await ownerOf(storage.db, workspaceId)
      return (await store.listSources(storage.db, workspaceId)).map((source) => [source, owner])
    })
  }

  async create(
    asker: Asker<Person>,
    workspaceId: string,
    wish: NewSource,
  ): Promise<[StoreSource, SourceOwner]> {
    const { access, clock } = this.#parts
    const { storeId, path, variables, onFailure = 'stop' } = wish
    return access.perform(asker, 'store-source.create', inWorkspace(workspaceId), async (tx) => {
      const found = await store.findStore(tx, storeId)
      if (!found) throw new AppError('store.not_found')
      const refused = refusedPath(path, found.settings.kind)
      if (refused) throw invalidField('path', refused)
      assertVariables(variables)
      const owner = await ownerOf(tx, workspaceId)
      if (!isPathAllowed(found.paths, path, owner)) throw new AppError('store_source.path_refused')
      // The lock of the workspace makes others wait who would be one too many.
      if ((await store.listSources(tx, workspaceId)).length >= limits.sourcesPerWorkspace)
        throw new AppError('store_source.limit')
      const id = newId('oss')
      await store
        .insertSource(tx, {
          id,
          workspace_id: workspaceId,
          store_id: storeId,
          path,
          variables: variables ? JSON.stringify(variables) : null,
          on_failure: onFailure,
          created_at: clock.now().getTime(),
        })
        .catch((error: unknown) => {
          throw violatedUnique(error) ? new AppError('store_source.exists', {}, error) : error
        })
      const result = (await store.listSources(tx, workspaceId)).find((one) => one.id === id)!
      return { result: [result, owner], record: { target: targetOf(found) } }
    })
  }

  async delete(asker: Asker<Person>, workspaceId: string, id: string): Promise<void> {
    const { access } = this.#parts
    await access.perform(asker, 'store-source.delete', inWorkspace(workspaceId), async (tx) => {
      const found = (await store.listSources(tx, workspaceId)).find((one) => one.id === id)
      if (!found || !(await store.deleteSource(tx, workspaceId, id)))
        throw new AppError('store_source.not_found')
      return { result: undefined, record: { target: targetOf(found.store) } }
    })
  }

  /** What comes of stores, without asking them. Decides nothing. */
  async variablesOf(workspaceId: string): Promise<StoreVariable[]> {
    const { db } = this.#parts.storage
    const sources = await store.listSources(db, workspaceId)
    if (sources.length === 0) return []
    const owner = await ownerOf(db, workspaceId)
    return sources.flatMap((source) => {
      const { path } = source
      const isAllowed = isPathAllowed(source.store.paths, path, owner)
      return namesOf(source).map((name) => ({ name, store: source.store.name, path, isAllowed }))
    })
  }

  /** @returns those of the names that variables of its stores can have, though only a store knows which there are. */
  async possibleNames(workspaceId: string, names: Iterable<string>): Promise<Set<string>> {
    const sources = await store.listSources(this.#parts.storage.db, workspaceId)
    const known = new Set(sources.flatMap(namesOf))
    const isPossible = (name: string) =>
      known.has(name) || (known.has(null) && refusedName(name) === undefined)
    return new Set([...names].filter(isPossible))
  }

  /** Records that somebody gets what the agent has of stores, before they do. @returns what was recorded. */
  async recordUse(asker: Asker<WorkspaceAgent>, names: Iterable<string>): Promise<string[]> {
    const { workspaceId } = asker.caller
    const possible = [...(await this.possibleNames(workspaceId, names))]
    if (possible.length === 0) return []
    return this.#parts.access.deliver(
      asker,
      'store-secret.use',
      inWorkspace(workspaceId),
      async () => ({ found: possible, records: possible.map(aboutVariable) }),
      async (_, recorded) => recorded,
    )
  }

  /**
   * Fetches what the workspace takes of stores: each path once, and kept nowhere. That stores are asked is recorded before
   * they are, and each value before it leaves.
   */
  async fetch(asker: Asker<WorkspaceAgent>): Promise<FetchedFromStores> {
    const { access, storage } = this.#parts
    const { workspaceId } = asker.caller
    const scope = inWorkspace(workspaceId)
    // Where nothing is to be fetched, nothing is recorded.
    if ((await store.listSources(storage.db, workspaceId)).length === 0)
      return { variables: [], problems: [] }
    const outcomes = await access.deliver(
      asker,
      'store.fetch',
      scope,
      async (db) => {
        const sources = await store.listSources(db, workspaceId)
        const stores = new Map((await store.listStores(db)).map((one) => [one.id, one]))
        const owner = await ownerOf(db, workspaceId)
        const found = sources.map((source) => ({ source, store: stores.get(source.store.id) }))
        const used = new Map(sources.map((source) => [source.store.id, { target: targetOf(source.store) }]))
        return { found: { wanted: found, owner }, records: [...used.values()] }
      },
      async (grant, { wanted, owner }) => {
        const clients = new Map<string, Promise<StoreClient>>()
        const connect = async (found: SealedStore) => {
          const credential = await store.openAndBindCredential(storage, this.#parts.vault, grant, found)
          return connectStore({ store: found, credential, outgoing: this.#parts.outgoing })
        }
        const clientOf = (found: SealedStore) => {
          const client = clients.get(found.id) ?? connect(found)
          clients.set(found.id, client)
          return client
        }
        try {
          return await Promise.all(
            wanted.map(async ({ source, store: found }) => {
              // Deleted in between: its sources went with it.
              if (!found) return { source, fetched: [], problem: 'it was removed' }
              if (!isPathAllowed(found.paths, source.path, owner))
                return { source, fetched: [], problem: 'administrators do not let this workspace take it' }
              return fetchOne(source, () => clientOf(found))
            }),
          )
        } finally {
          for (const client of clients.values()) await client.then((one) => one.close()).catch(() => {})
        }
      },
    )
    const problems = outcomes.flatMap(({ source, problem }) =>
      problem === undefined
        ? []
        : [
            {
              text: `outside store ${source.store.name}, ${source.path}: ${problem}`,
              stopsStart: source.onFailure === 'stop',
            },
          ],
    )
    for (const { source, problem } of outcomes)
      if (problem !== undefined)
        await access.recordFailed(asker, 'store.fetch', aboutSource(workspaceId, source), 'store.unavailable')
    if (problems.some(({ stopsStart }) => stopsStart)) return { variables: [], problems }

    const variables = new Map<string, FetchedVariable>()
    for (const { fetched } of outcomes)
      for (const one of fetched) if (!variables.has(one.name)) variables.set(one.name, one)
    if (variables.size === 0) return { variables: [], problems }
    return access.deliver(
      asker,
      'store-secret.use',
      scope,
      async () => ({
        found: undefined,
        records: [...variables.keys()].map(aboutVariable),
      }),
      async () => ({ variables: [...variables.values()], problems }),
    )
  }
}

const aboutVariable = (name: string): RecordDetail => ({ target: { kind: 'store-secret', name } })

interface Outcome {
  readonly source: StoreSource
  readonly fetched: readonly FetchedVariable[]
  readonly problem?: string
}

async function fetchOne(source: StoreSource, connect: () => Promise<StoreClient>): Promise<Outcome> {
  try {
    return { source, ...toFetched(source, await (await connect()).read(source.path)) }
  } catch (error) {
    return { source, fetched: [], problem: problemText(error) }
  }
}

const aboutSource = (workspace: string, { store: of }: StoreSource): RecordDetail => ({
  workspace,
  target: targetOf(of),
})

/** @throws AppError `workspace.not_found` when it was deleted meanwhile. */
async function ownerOf(...[db, id]: Parameters<typeof store.findSourceOwner>): Promise<SourceOwner> {
  const owner = await store.findSourceOwner(db, id)
  if (!owner) throw new AppError('workspace.not_found')
  return owner
}

/** The variables that a source fills; null where only the store knows them. */
function namesOf({ store: { kind }, path, variables }: StoreSource): (string | null)[] {
  if (variables) return variables.map(({ name }) => name)
  return [kind === 'azure' ? variableOf(path) : null]
}

function assertVariables(variables: NewSource['variables']): void {
  const names = new Set<string>()
  for (const [i, { name }] of (variables ?? []).entries()) {
    const refused = refusedName(name)
    // The message of a wrong form does not quote the name: what was pasted there may be a value.
    if (refused) throw invalidField(`variables[${i}].name`, refused.message)
    if (names.has(name)) throw invalidField(`variables[${i}].name`, 'is there twice')
    names.add(name)
  }
}
