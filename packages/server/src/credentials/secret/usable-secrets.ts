import type { RecordDetail } from '../../access/access.ts'
import { AppError } from '../../base/app-error.ts'
import { type Clock, LAST_USED_STEP_MS } from '../../base/clock.ts'
import { ALL, nameKey } from '../../projects/project.ts'
import type { Transaction } from '../../storage/tables.ts'
import { findEnvironmentByKey, listSecrets, touchSecrets } from './secret.store.ts'
import type { StoredSecret } from './secret.ts'

/**
 * Makes the look-up that reports of use ask: which of some names an environment delivers.
 * @param environment default: All.
 */
export function usableSecrets(clock: Clock, projectId: string, environment: string = ALL) {
  return {
    /** Finds names, and keeps that they were used. @throws AppError `environment.not_found` */
    async find(tx: Transaction, names: ReadonlySet<string>): Promise<ReadonlyMap<string, RecordDetail>> {
      const key = nameKey(environment)
      if (!(await findEnvironmentByKey(tx, projectId, key))) throw new AppError('environment.not_found')
      const found = new Map<string, StoredSecret>()
      // Those of All come first, and the environment's own take their place.
      for (const secret of await listSecrets(tx, projectId, key))
        if (names.has(secret.name)) found.set(secret.name, secret)
      const now = clock.now().getTime()
      const ids = [...found.values()].map(({ id }) => id)
      if (ids.length > 0) await touchSecrets(tx, ids, now, now - LAST_USED_STEP_MS)
      return new Map(
        [...found].map(([name, secret]) => [
          name,
          { environment: secret.environment, target: { kind: 'secret', id: secret.id, name } },
        ]),
      )
    },
  }
}
