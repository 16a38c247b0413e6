import type { CallAnswer } from '../../api.ts'
import type { Environment, ListedSecret } from '../../projects.ts'

/** What an environment has for a name. */
export interface Cell {
  readonly environment: Environment
  /** What is delivered there: its own, else the one of All. */
  readonly secret: ListedSecret | undefined
  readonly isFromAll: boolean
  /** The person gets a value of their own there. */
  readonly isMine: boolean
}

export interface Row {
  readonly name: string
  /** One for each environment, in their order. */
  readonly cells: readonly Cell[]
  /** An environment has no value, nor has All. */
  readonly isMissingSome: boolean
}

/** Names down, environments across. @param environments All first */
export function gridRows(
  { secrets, overrides }: CallAnswer<'secret.list'>,
  environments: readonly Environment[],
): Row[] {
  const byName = Map.groupBy(secrets, ({ name }) => name)
  const mine = new Set(overrides.map(({ name, environment }) => `${environment} ${name}`))
  const defaultName = environments.find(({ isDefault }) => isDefault)?.name
  return [...byName]
    .map(([name, found]) => {
      const by = new Map(found.map((secret) => [secret.environment, secret]))
      const fallback = defaultName === undefined ? undefined : by.get(defaultName)
      const cells = environments.map((environment): Cell => {
        const own = by.get(environment.name)
        return {
          environment,
          secret: own ?? fallback,
          isFromAll: own === undefined && fallback !== undefined,
          isMine: mine.has(`${environment.name} ${name}`),
        }
      })
      // What All has no value for is missing only where an environment has none either.
      const isMissingSome = cells.some((cell) => !cell.environment.isDefault && cell.secret === undefined)
      return { name, cells, isMissingSome }
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}
