import type {
  AwsSettings,
  AzureSettings,
  failureModes,
  Store as StoreAnswer,
  StoreKind,
  StoreSource as StoreSourceAnswer,
  VaultSettings,
} from '@keyhold/contract/api/stores'
import { limits } from '@keyhold/contract/limits'
import { refusedName } from '@keyhold/contract/names'
import type { Secret } from '@keyhold/contract/secret'
import { emailKey } from '../../accounts/account.ts'

/** How Keyhold signs in to a store, and where in it values are. What is secret of it is the credential. */
export type StoreSettings =
  | ({ readonly kind: 'vault' } & Required<Pick<VaultSettings, 'auth' | 'mount' | 'kvVersion'>> &
      Pick<VaultSettings, 'roleId' | 'authMount' | 'namespace'>)
  | ({ readonly kind: 'aws' } & AwsSettings)
  | ({ readonly kind: 'azure' } & Required<AzureSettings>)

/** A store that administrators registered. */
export interface OutsideStore {
  readonly id: string
  readonly name: string
  /** Never changes: the credential would go to another address than it was given for. */
  readonly address: string
  readonly settings: StoreSettings
  /** PEM. */
  readonly ca: string | undefined
  /** What workspaces may take. */
  readonly paths: readonly string[]
  readonly credentialVersion: number
  readonly createdAt: Date
  readonly updatedAt: Date
}

/** With what it signs in with, still sealed. */
export type SealedStore = OutsideStore & { readonly sealedCredential: Uint8Array }

export interface SourceVariable {
  readonly name: string
  readonly key?: string
}

/** What a workspace takes of a store. */
export interface StoreSource {
  readonly id: string
  readonly store: Pick<OutsideStore, 'id' | 'name' | 'paths'> & { readonly kind: StoreKind }
  readonly path: string
  /** null: each of the values, in a variable of its own name. */
  readonly variables: readonly SourceVariable[] | null
  readonly onFailure: (typeof failureModes)[number]
  readonly createdAt: Date
}

/** Whom a path can be for. */
export interface SourceOwner {
  readonly workspaceId: string
  readonly ownerEmail: string
}

/** What was found at a path. */
export interface StoredOutside {
  /** By name; undefined where there is a single value. */
  readonly values?: ReadonlyMap<string, Secret<Uint8Array>>
  /** All of it: the single value, or several as JSON. */
  readonly whole: Secret<Uint8Array>
}

/** A value, and the variable that it goes into. */
export interface FetchedVariable {
  readonly name: string
  readonly value: Secret<Uint8Array>
}

const OWNER = '{owner}'
const WORKSPACE = '{workspace}'

/** Why a pattern of paths cannot be one; undefined when it can. */
export function refusedPattern(pattern: string, kind: StoreKind): string | undefined {
  const star = pattern.indexOf('*')
  if (star !== -1 && star !== pattern.length - 1) return 'has * in the middle; it may only end with it'
  // What follows has to end the address or the id: ann@example.com* would be ann@example.community as well.
  if (/\{owner\}(?!\/|$)/.test(pattern)) return 'has something but / after {owner}'
  if (/\{workspace\}(?![/._-]|$)/.test(pattern)) return 'has something but / . _ or - after {workspace}'
  const literal = pattern.replaceAll(OWNER, 'o').replaceAll(WORKSPACE, 'w')
  if (/[{}]/.test(literal)) return 'may have {owner} and {workspace} in braces, nothing else'
  // A * may stand for a whole segment, or for the rest of one.
  return literal === '*' ? undefined : refusedPath(literal.replace('*', 'x'), kind)
}

/** Why there can be nothing at a path; undefined when there can. */
export function refusedPath(path: string, kind: StoreKind): string | undefined {
  // Key Vault's names of secrets; Secrets Manager's names and ARNs (CreateSecret, parameter Name).
  if (kind === 'azure' && !/^[0-9A-Za-z-]{1,127}$/.test(path)) return 'has letters, digits and - only'
  if (kind === 'aws' && !/^[0-9A-Za-z/_+=.@!:-]+$/.test(path))
    return 'has letters, digits and / _ + = . @ ! : - only'
  if (/[\u0000-\u001f\u007f\\]/.test(path) || !path.isWellFormed())
    return 'has a control character or a backslash'
  // It is sent as such, and some servers decode twice (CVE-2026-3605): the path would be another one.
  if (path.includes('%')) return 'has no %'
  const segments = path.split('/')
  if (segments.some((segment) => ['', '.', '..'].includes(segment)))
    return 'names something without empty segments, . and .., and no / at either end'
  return undefined
}

/** Whether the workspace may take what is at the path. Patterns say what may be taken; what they do not say may not. */
export function isPathAllowed(
  patterns: readonly string[],
  path: string,
  { workspaceId, ownerEmail }: SourceOwner,
): boolean {
  const email = emailKey(ownerEmail)
  return patterns.some((pattern) => {
    // An address with a slash, or what a server takes for one, would reach into what is somebody else's.
    if (pattern.includes(OWNER) && /[/%]/.test(email)) return false
    const isPrefix = pattern.endsWith('*')
    const meant = (isPrefix ? pattern.slice(0, -1) : pattern)
      .replaceAll(WORKSPACE, workspaceId)
      .replaceAll(OWNER, () => email)
    return isPrefix ? path.startsWith(meant) && path !== meant : path === meant
  })
}

/** Says which value goes into which variable, and in words what does not: by name, never by value. */
export function toFetched(
  { path, variables }: Pick<StoreSource, 'path' | 'variables'>,
  { values, whole }: StoredOutside,
): { readonly fetched: readonly FetchedVariable[]; readonly problem?: string } {
  if (!variables && values && values.size > limits.variablesPerSource)
    return {
      fetched: [],
      problem: `it has more than ${limits.variablesPerSource} values; name those to take`,
    }
  const missing: string[] = []
  const refused: string[] = []
  const all: readonly SourceVariable[] = values
    ? [...values.keys()].map((key) => ({ name: key, key }))
    : [{ name: variableOf(path) }]
  const fetched = (variables ?? all).flatMap(({ name, key }) => {
    // Those that were named were looked at when they were.
    if (refusedName(name)) {
      refused.push(name)
      return []
    }
    const value = key === undefined ? whole : values?.get(key)
    if (value) return [{ name, value }]
    missing.push(key ?? name)
    return []
  })
  const parts = [
    ...(missing.length > 0 ? [`there is no ${shownNames(missing)}`] : []),
    ...(refused.length > 0 ? [`no variable can be called ${shownNames(refused)}`] : []),
  ]
  return { fetched, ...(parts.length > 0 && { problem: parts.join('; ') }) }
}

/** Names as a store has them may be long, and many. */
function shownNames(names: readonly string[]): string {
  const shown = names.slice(0, 5).map((name) => name.slice(0, 60).replaceAll(/\s+/g, ' '))
  return shown.join(', ') + (names.length > 5 ? ` and ${names.length - 5} more` : '')
}

/** The variable of a single value: `DATABASE-URL` of Key Vault is `DATABASE_URL` (acceptance 6.6). */
export function variableOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1).replaceAll(/[^A-Za-z0-9_]/g, '_')
}

export function toStoreAnswer(store: OutsideStore, isAdmin: boolean, sources: number): StoreAnswer {
  const { kind, ...settings } = store.settings
  return {
    id: store.id,
    name: store.name,
    kind,
    paths: [...store.paths],
    createdAt: store.createdAt.toISOString(),
    updatedAt: store.updatedAt.toISOString(),
    ...(isAdmin && {
      details: { address: store.address, hasCa: store.ca !== undefined, [kind]: settings, sources },
    }),
  }
}

export function toSourceAnswer(source: StoreSource, owner: SourceOwner): StoreSourceAnswer {
  return {
    id: source.id,
    storeId: source.store.id,
    store: source.store.name,
    kind: source.store.kind,
    path: source.path,
    variables: source.variables && [...source.variables],
    onFailure: source.onFailure,
    isAllowed: isPathAllowed(source.store.paths, source.path, owner),
    createdAt: source.createdAt.toISOString(),
  }
}
