import { nearMatches } from '@keyhold/contract/names'
import { AppError } from '../../base/app-error.ts'
import { ALL, nameKey } from '../../projects/project.ts'
import type { Queries } from '../../storage/tables.ts'
import { findEnvironmentByKey, listSecrets } from './secret.store.ts'
import { SECRET_NAME } from './secret.ts'

/** Finds an environment by its name. @param name default: `All`. @throws AppError `environment.not_found` */
export async function findEnvironment(
  db: Queries,
  projectId: string,
  name: string | undefined,
): Promise<{ id: string; name: string }> {
  const environment = await findEnvironmentByKey(db, projectId, nameKey(name ?? ALL))
  if (!environment) throw new AppError('environment.not_found')
  return environment
}

/** Why a name may not be found, most likely first (acceptance SEC-34). */
const notFoundReasons = [
  'the name has a typo',
  'the name differs in upper and lower case',
  'the secret was not added to this project and environment',
  'it was added after this program started: restart the terminal or program',
]

/** Makes the explained not-found error: the caller may list the names, so near ones are no secret to them. */
export async function secretNotFound(
  db: Queries,
  projectId: string,
  environmentKey: string,
  name: string,
): Promise<AppError> {
  // Not repeated, for the same reason as in `secretAttempt`.
  if (!SECRET_NAME.test(name)) return new AppError('secret.not_found')
  const names = (await listSecrets(db, projectId, environmentKey)).map((secret) => secret.name)
  return new AppError('secret.not_found', {
    detail: `${name} not found`,
    reasons: notFoundReasons,
    nearMatches: nearMatches(name, [...new Set(names)]),
  })
}
