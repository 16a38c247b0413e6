import type { Environment } from '@keyhold/contract/api/projects'
import type { Keyhold } from '@keyhold/sdk'
import { closest } from '../../closest.ts'
import { Failure } from '../../failure.ts'

export const environmentOption = {
  type: 'string',
  short: 'e',
  summary: 'environment, such as staging; All if none is named',
  placeholder: 'ENVIRONMENT',
  variable: 'KEYHOLD_ENVIRONMENT',
} as const

/** Compares names as the server does, for which `Staging` and `staging` are one environment. */
export const sameEnvironment = (a: string, b: string): boolean => folded(a) === folded(b)

const folded = (name: string): string => name.trim().normalize('NFKC').toLowerCase()

/** Finds an environment by id or exact name. @throws Failure, KeyholdError */
export async function findEnvironment(
  keyhold: Keyhold,
  projectId: string,
  nameOrId: string,
): Promise<Environment> {
  const { environments } = await keyhold.call('environment.list', { params: { projectId } })
  const found =
    environments.find(({ name }) => name === nameOrId) ?? environments.find(({ id }) => id === nameOrId)
  if (found !== undefined) return found
  const near = closest(
    nameOrId,
    environments.map(({ name }) => name),
  )
  throw new Failure(`environment ${nameOrId} not found (environment.not_found)`, {
    hints: [
      ...(near === undefined ? [] : [`did you mean ${near}?`]),
      'the environments of the project: keyhold environment list',
    ],
  })
}
