import type { SecretUse, UseReport } from '@keyhold/contract/api/uses'
import { limits } from '@keyhold/contract/limits'
import type { Access, RecordDetail, Scope } from '../../access/access.ts'
import { type Asker, toActor } from '../../access/caller.ts'
import type { Clock } from '../../base/clock.ts'
import { hashToken } from '../../base/ids.ts'
import type { Storage } from '../../storage/storage.ts'
import * as store from './use.store.ts'
import { placeOf, REMEMBERED_MS, type UsableSecrets, useDetail } from './use.ts'

/**
 * Takes the word of programs, and of whoever runs them, for where secrets were read. A record for each run, name and place,
 * and no more than {@link limits.usesPerRun} of a run: a loop cannot fill the log.
 */
export class Uses {
  readonly #storage: Storage
  readonly #access: Access
  readonly #clock: Clock

  constructor(storage: Storage, access: Access, clock: Clock) {
    this.#storage = storage
    this.#access = access
    this.#clock = clock
  }

  /**
   * Records uses. Names that could not have been delivered are dropped, and count as the others do: the answer does not
   * tell which names there are.
   * @returns how many more of the run are recorded.
   */
  async report(
    asker: Asker,
    scope: Scope,
    { run, uses }: UseReport,
    secrets: UsableSecrets,
  ): Promise<{ remaining: number }> {
    return this.#access.perform(asker, 'secret.use', scope, async (tx) => {
      // Somebody else's run of the same id is another one.
      const runKey = keyOf(toActor(asker.caller).id, placeKeyOf(scope), run)
      const places = new Map<string, SecretUse>()
      for (const use of uses) places.set(keyOf(placeOf(use)), use)
      const before = await store.countPlaces(tx, runKey)
      const known = await store.findPlaces(tx, runKey, [...places.keys()])
      const room = Math.max(0, limits.usesPerRun - before)
      const wanted = [...places.keys()].filter((key) => !known.has(key)).slice(0, room)
      if (wanted.length === 0) return { result: { remaining: room }, record: null }
      const now = this.#clock.now().getTime()
      const added = await store.addPlaces(tx, runKey, wanted, now)
      const fresh = [...places].flatMap(([key, use]) => (added.has(key) ? [use] : []))
      const found = await secrets.find(tx, new Set(fresh.map(({ name }) => name)))
      const record = fresh.flatMap((use): RecordDetail[] => {
        const detail = found.get(use.name)
        return detail ? [{ ...detail, use: useDetail(run, use) }] : []
      })
      return { result: { remaining: room - added.size }, record }
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
