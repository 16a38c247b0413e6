import type { Effect, VariableSource, WorkspaceVariables } from '@keyhold/contract/api/deliveries'
import { limits } from '@keyhold/contract/limits'
import { pathVariable } from '@keyhold/contract/names'
import type { RecordDetail } from '../../access/access.ts'
import type { AppliedItem } from '../../workspaces/workspace.ts'
import type { Offer } from '../offer.ts'
import { deliveredPath } from '../targeted-secret.ts'

/** What a workspace gets of one secret: of its variables and its file those that nothing goes before. */
export interface Placed {
  readonly offer: Offer
  /** Set to the value. */
  readonly variable: string | null
  /** Set to the path of the file. */
  readonly fileVariable: string | null
  readonly path: string | null
}

/** Who is where, and what they hide. */
interface Taken {
  readonly offer: Offer
  readonly hides: Offer[]
}

export interface Placement {
  readonly placed: readonly Placed[]
  readonly variables: ReadonlyMap<string, Taken>
  readonly files: ReadonlyMap<string, Taken>
  readonly tooLarge: readonly { readonly variable: string; readonly offer: Offer; readonly bytes: number }[]
}

/**
 * Decides what goes where, of secrets in the order in which they count (acceptance C3). Variables and files are apart: a
 * secret whose variable is hidden still has the file that was chosen for it. A variable that does not fit beside those
 * before it is left out and said, since a process whose environment is too large does not start.
 */
export function place(offers: readonly Offer[]): Placement {
  const variables = new Map<string, Taken>()
  const files = new Map<string, Taken>()
  /** Of the files that are placed, and the first one in each. */
  const folders = new Map<string, string>()
  const placed: Placed[] = []
  const tooLarge: { variable: string; offer: Offer; bytes: number }[] = []
  let total = 0

  const takeVariable = (name: string, offer: Offer, bytes: number): boolean => {
    const before = variables.get(name)
    if (before) {
      before.hides.push(offer)
      return false
    }
    const entry = entryBytes(name, bytes)
    if (entry > limits.variableBytes || total + entry > limits.variablesBytes) {
      tooLarge.push({ variable: name, offer, bytes })
      return false
    }
    total += entry
    variables.set(name, { offer, hides: [] })
    return true
  }
  const takePath = (path: string, offer: Offer): boolean => {
    const above = foldersAbove(path)
    // A file cannot be where another one has its folder.
    const taken = [path, ...above].find((one) => files.has(one)) ?? folders.get(path)
    if (taken !== undefined) {
      files.get(taken)?.hides.push(offer)
      return false
    }
    files.set(path, { offer, hides: [] })
    for (const folder of above) if (!folders.has(folder)) folders.set(folder, path)
    return true
  }

  for (const offer of offers) {
    const { envName, filePath, type, folder, valueBytes } = offer
    const wantsPath = deliveredPath(offer, folder)
    const holdsPath = type === 'file'
    const hasVariable =
      envName !== null && takeVariable(envName, offer, holdsPath ? (wantsPath?.length ?? 0) : valueBytes)
    const needsPath = filePath !== null || (hasVariable && wantsPath !== null)
    const path = needsPath && wantsPath !== null && takePath(wantsPath, offer) ? wantsPath : null
    const hasKeyPath =
      hasVariable &&
      path !== null &&
      type === 'key' &&
      takeVariable(pathVariable(envName), offer, path.length)
    // A variable that would name a file that another secret has.
    if (hasVariable && holdsPath && path === null) variables.delete(envName)
    const variable = hasVariable && !holdsPath ? envName : null
    const fileVariable =
      hasVariable && holdsPath && path !== null ? envName : hasKeyPath ? pathVariable(envName) : null
    if (variable !== null || path !== null) placed.push({ offer, variable, fileVariable, path })
  }
  return { placed, variables, files, tooLarge }
}

/** `/a/b/c`: `/a/b` and `/a`. */
function foldersAbove(path: string): string[] {
  const folders: string[] = []
  for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1))
    folders.push(path.slice(0, at))
  return folders
}

/** Bytes of `NAME=value` with the NUL after it, as the kernel counts them (execve(2), MAX_ARG_STRLEN). */
const entryBytes = (name: string, valueBytes: number): number => Buffer.byteLength(name) + valueBytes + 2

const toSource = ({ source, id, name, version }: Offer): VariableSource => ({
  ...source,
  secretId: id,
  secretName: name,
  version,
})

/** What the log says of the use of a secret, as that of its delivery does. */
export function useRecord({ source: { kind }, link, id, name, version }: Offer): RecordDetail {
  if (kind === 'workspace')
    return { action: 'workspace-secret.use', target: { kind: 'workspace-secret', id, name, version } }
  if (kind === 'personal')
    return { action: 'personal-secret.use', target: { kind: 'personal-secret', id, name, version } }
  // `!`: those of projects are linked.
  const { projectId, environment } = link!
  // The Admins of a project do not read of own values.
  if (kind === 'override')
    return {
      action: 'secret-override.use',
      environment,
      target: { kind: 'secret-override', id, name, version },
    }
  return { project: { id: projectId }, environment, target: { kind: 'secret', id, name, version } }
}

/** The same of a variable that comes of an outside store. */
export const storeUseRecord = (name: string): RecordDetail => ({
  action: 'store-secret.use',
  target: { kind: 'store-secret', name },
})

/** A variable that comes of an outside store; `null`: each of the values at the path. */
export interface StoreVariable {
  readonly name: string | null
  readonly store: string
  readonly path: string
  readonly isAllowed: boolean
}

/** What is in effect of a secret, for its variables and for its file. */
export interface Effects {
  readonly variable: Effect
  readonly file: Effect
}

/** Compares what there is with what the agent has. @param applied undefined when it does not have it. */
export function effectsOf(now: AppliedItem, applied: AppliedItem | undefined): Effects {
  if (!applied) return both({ state: 'pending', version: null })
  // `as`: it was checked when the agent said it.
  const problem = applied.problem as Effect['problem']
  const isSame = applied.version === now.version && applied.key === now.key
  const version = problem === 'left-out' ? null : applied.version
  const fine: Effect = { state: isSame ? 'in-effect' : 'pending', version }
  if (problem === undefined) return both(fine)
  const refused: Effect = { state: isSame ? 'refused' : 'pending', version: null, problem }
  return problem === 'left-out' ? both(refused) : { variable: fine, file: refused }
}

const both = (effect: Effect): Effects => ({ variable: effect, file: effect })

/** @param effects of each secret that is placed, by its id. */
export function toVariables(
  { placed, variables, files, tooLarge }: Placement,
  fromStores: readonly StoreVariable[],
  effects: (secretId: string) => Effects,
): Pick<WorkspaceVariables, 'variables' | 'files' | 'tooLarge' | 'fromStores'> {
  const of = (taken: ReadonlyMap<string, Taken>, key: string) => {
    const { offer, hides } = taken.get(key)! // `!`: what is placed took it.
    const which = taken === files ? 'file' : 'variable'
    return { from: toSource(offer), hides: hides.map(toSource), effect: effects(offer.id)[which] }
  }
  const shown = placed.flatMap(({ variable, fileVariable, path }) => [
    ...(variable === null ? [] : [{ name: variable, holds: 'value' as const, ...of(variables, variable) }]),
    ...(fileVariable === null || path === null
      ? []
      : [{ name: fileVariable, holds: 'path' as const, path, ...of(variables, fileVariable) }]),
  ])
  return {
    variables: shown.sort((a, b) => (a.name < b.name ? -1 : 1)),
    files: [...files.keys()].sort().map((path) => ({ path, ...of(files, path) })),
    tooLarge: tooLarge.map(({ variable, offer, bytes }) => ({ variable, from: toSource(offer), bytes })),
    fromStores: fromStores.map((one) => {
      const taken = one.name === null ? undefined : variables.get(one.name)
      return { ...one, hiddenBy: taken ? toSource(taken.offer) : null }
    }),
  }
}
