import type { SecretUse, UseReport } from '@keyhold/contract/api/uses'
import { limits } from '@keyhold/contract/limits'
import type { Access, RecordDetail, Scope } from '../../access/access.ts'
import { type Asker, toActor } from '../../access/caller.ts'
import type { Clock } from '../../base/clock.ts'
import { hashToken } from '../../base/ids.ts'
import type { Storage } from '../../storage/storage.ts'
import * as store from './use.store.ts'
import { placeOf, REMEMBERED_MS, type UsableSecrets, useDetail } from './use.ts'
import { UseBounds } from './use-bounds.ts'

/**
 * Takes the word of programs, and of whoever runs them, for where secrets were read. A record for each run, name and place,
 * no more than {@link limits.usesPerRun} of a run, and of an actor no more than {@link limits.usesPerHour} in an hour: runs
 * are called as the caller likes.
 */
export class Uses {
  readonly #storage: Storage
  readonly #access: Access
  readonly #clock: Clock
  readonly #bounds: UseBounds

  constructor(storage: Storage, access: Access, clock: Clock) {
    this.#storage = storage
    this.#access = access
    this.#clock = clock
    this.#bounds = new UseBounds(clock)
  }

  /**
   * Records uses. Names that could not have been delivered are dropped, and count as the others do: the answer does not
   * tell which names there are.
   * @returns how many more are recorded.
   */
  async report(
    asker: Asker,
    scope: Scope,
    { run, uses }: UseReport,
    secrets: UsableSecrets,
  ): Promise<{ remaining: number }> {
    return this.#access.perform(asker, 'secret.use', scope, async (tx) => {
      // Somebody else's run of the same id is another one.
      const { kind, id } = toActor(asker.caller)
      const runKey = keyOf(id, placeKeyOf(scope), run)
      const places = new Map<string, SecretUse>()
      for (const use of uses) places.set(keyOf(placeOf(use)), use)
      const { admitted, remaining } = this.#bounds.admit(keyOf(kind, id), runKey, [...places.keys()])
      if (admitted.length === 0) return { result: { remaining }, record: null }
      // What was kept by other servers, and before this one began, counts as well.
      const room = limits.usesPerRun - (await store.countPlaces(tx, runKey))
      const known = await store.findPlaces(tx, runKey, admitted)
      const fresh = admitted.filter((key) => !known.has(key))
      if (fresh.length === 0 || room <= 0) return { result: { remaining }, record: null }
      const nameOf = (key: string) => places.get(key)!.name // Set: `admitted` is of these.
      const found = await secrets.find(tx, new Set(fresh.map(nameOf)))
      // Of a name that is not there nothing is kept.
      const wanted = fresh.filter((key) => found.has(nameOf(key))).slice(0, room)
      if (wanted.length === 0) return { result: { remaining }, record: null }
      const added = await store.addPlaces(tx, runKey, wanted, this.#clock.now().getTime())
      const record = [...places].flatMap(([key, use]): RecordDetail[] => {
        const detail = added.has(key) ? found.get(use.name) : undefined
        return detail ? [{ ...detail, use: useDetail(run, use) }] : []
      })
      return { result: { remaining }, record }
    })
  }

  /** Forgets places that were reported long ago. Run by the schedule. */
  async forget(): Promise<void> {
    const before = this.#clock.now().getTime() - REMEMBERED_MS
    await this.#storage.transaction((tx) => store.forgetPlaces(tx, before))
  }
}

/** A short text that stands for others and shows none of them. */
function keyOf(...texts: readonly (string | undefined)[]): string {
  return hashToken(JSON.stringify(texts)).toString('base64url')
}

function placeKeyOf(scope: Scope): string | undefined {
  if (scope.kind === 'project') return scope.projectId
  return scope.kind === 'workspace' ? scope.workspaceId : undefined
}
