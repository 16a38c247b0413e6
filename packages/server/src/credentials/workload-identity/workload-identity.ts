import type { WorkloadIdentity as WorkloadIdentityAnswer } from '@keyhold/contract/api/workload-identities'
import { invalidField } from '../../base/app-error.ts'
import { toDate } from '../../base/clock.ts'
import type { Tables } from '../../storage/tables.ts'

export type WorkloadPreset = WorkloadIdentityAnswer['preset']

/** Machines that may use a project: those whose platform says of them what is named here. */
export interface WorkloadIdentity {
  readonly id: string
  readonly projectId: string
  readonly name: string
  readonly preset: WorkloadPreset
  readonly issuer: string
  readonly audience: string
  readonly claims: Readonly<Record<string, string>>
  /** JSON Web Key Set; null: fetched from the issuer. */
  readonly jwks: string | null
  readonly permission: 'read' | 'read_write'
  readonly isSingleUse: boolean
  readonly isActive: boolean
  readonly createdAt: Date
  readonly createdBy: string | null
  readonly lastUsedAt: Date | null
  readonly lastSubject: string | null
}

export function rowToIdentity(row: Tables['workload_identities']): WorkloadIdentity {
  return {
    id: row.id,
    projectId: row.project_id,
    name: row.name,
    preset: row.preset,
    issuer: row.issuer,
    audience: row.audience,
    claims: JSON.parse(row.claims) as Record<string, string>, // `as`: written by the service.
    jwks: row.jwks,
    permission: row.permission,
    isSingleUse: row.is_single_use === 1,
    isActive: row.is_active === 1,
    createdAt: new Date(row.created_at),
    createdBy: row.created_by,
    lastUsedAt: toDate(row.last_used_at),
    lastSubject: row.last_subject,
  }
}

export function identityAnswer(identity: WorkloadIdentity): WorkloadIdentityAnswer {
  const { projectId: _project, jwks, createdAt, lastUsedAt, claims, ...shown } = identity
  return {
    ...shown,
    claims: { ...claims },
    hasOwnKeys: jwks !== null,
    createdAt: createdAt.toISOString(),
    lastUsedAt: lastUsedAt?.toISOString() ?? null,
  }
}

/** Issuers of the clouds: what their tokens have to be tied to does not depend on what somebody calls them. */
const cloudIssuers: Partial<Record<WorkloadPreset, string>> = {
  github: 'https://token.actions.githubusercontent.com',
  gitlab: 'https://gitlab.com',
}

/** One of these ties a token to one repository, project or service account; without one, anybody's would do. */
const tyingClaims: Record<Exclude<WorkloadPreset, 'custom'>, readonly string[]> = {
  github: ['repository_id', 'repository', 'sub'],
  gitlab: ['project_id', 'project_path', 'sub'],
  kubernetes: ['sub'],
}

/** Claims that have a field of their own, or differ from token to token (RFC 7519 §4.1). */
const otherClaims: ReadonlySet<string> = new Set(['iss', 'aud', 'exp', 'nbf', 'iat', 'jti'])

/** The issuer that is meant. @throws AppError naming the field */
export function checkedIssuer(preset: WorkloadPreset, given: string | undefined): string {
  const issuer = given ?? cloudIssuers[preset]
  if (issuer === undefined) throw invalidField('issuer', 'is needed: the iss of the tokens, exactly')
  const url = URL.canParse(issuer) ? new URL(issuer) : undefined
  const isPlain = url && !url.username && !url.password && !url.search && !url.hash
  if (!url || !isPlain) throw invalidField('issuer', 'is not an address without user, query and fragment')
  const isThisMachine = /^(?:localhost|127[.]\d+[.]\d+[.]\d+|\[::1\])$/.test(url.hostname)
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isThisMachine))
    throw invalidField('issuer', 'has to begin with https://, or its keys could be exchanged on the way')
  return issuer
}

/** Refuses what would let in more than one repository, project or service account. @throws AppError naming the field */
export function assertTied(
  preset: WorkloadPreset,
  issuer: string,
  claims: Readonly<Record<string, string>>,
): void {
  for (const [name, value] of Object.entries(claims)) {
    if (otherClaims.has(name))
      throw invalidField(`claims.${name}`, 'issuer and audience have fields of their own; the rest changes')
    if (value.includes('*'))
      throw invalidField(`claims.${name}`, 'is compared as it is: there are no patterns')
  }
  const cloud = Object.entries(cloudIssuers).find(([, one]) => one === issuer)?.[0]
  const kind = (cloud ?? preset) as WorkloadPreset // `as`: keys of the table.
  if (kind === 'custom') return
  const wanted = tyingClaims[kind]
  if (!wanted.some((name) => claims[name] !== undefined)) {
    throw invalidField(
      'claims',
      `need ${wanted.join(' or ')}: the issuer gives tokens to everybody, and this is what tells yours from theirs`,
    )
  }
  if (kind === 'kubernetes' && !/^system:serviceaccount:[^:]+:[^:]+$/.test(claims.sub ?? ''))
    throw invalidField('claims.sub', 'is system:serviceaccount:NAMESPACE:NAME')
}

/** Public keys of an issuer. */
export interface Jwks {
  readonly keys: readonly Readonly<Record<string, unknown>>[]
}

const KEYS_MAX = 100

/** Reads a key set; of each key only what is public. @returns undefined for what is none, or has a secret key. */
export function readJwks(value: unknown): Jwks | undefined {
  const keys = (value as { keys?: unknown } | null)?.keys // `as`: looked at as unknown.
  if (!Array.isArray(keys) || keys.length === 0 || keys.length > KEYS_MAX) return undefined
  // A symmetric key is no key of an issuer: whoever reads the set could sign with it.
  const isPublic = (key: unknown): key is Record<string, unknown> =>
    typeof key === 'object' && key !== null && 'kty' in key && /^(?:RSA|EC|OKP)$/.test(String(key.kty))
  if (keys.some((key) => typeof key === 'object' && key !== null && 'd' in key)) return undefined
  const usable = keys.filter(isPublic)
  return usable.length === 0 ? undefined : { keys: usable }
}

/** What the record of an exchange says besides the subject, as far as the platform tells it. */
const recordedClaims = [
  'repository',
  'ref',
  'workflow',
  'event_name',
  'environment',
  'run_id',
  'actor',
  'project_path',
  'pipeline_id',
  'job_id',
  'user_login',
] as const
const RECORDED_LENGTH_MAX = 500

/** Text of a claim for a record: nothing that could pass for something else. */
const plain = (text: string) => text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\ud800-\udfff]/g, '?')

export const recordedSubject = (payload: Readonly<Record<string, unknown>>): string =>
  plain(typeof payload.sub === 'string' ? payload.sub : '(no sub)').slice(0, RECORDED_LENGTH_MAX)

export function shownClaims(payload: Readonly<Record<string, unknown>>): string {
  const parts = recordedClaims.flatMap((name) => {
    const value = payload[name]
    return typeof value === 'string' && value !== '' ? [`${name}=${plain(value)}`] : []
  })
  return [`sub=${recordedSubject(payload)}`, ...parts].join('; ').slice(0, RECORDED_LENGTH_MAX)
}
