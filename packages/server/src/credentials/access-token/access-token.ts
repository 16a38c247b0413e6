import type { Scope } from '@keyhold/contract/actions'
import type { AccessToken as AccessTokenAnswer } from '@keyhold/contract/api/access-tokens'
import { toDate } from '../../base/clock.ts'
import type { Tables } from '../../storage/tables.ts'

export const TOKEN_PREFIX = 'kh_pat_'

const DAY_MS = 86_400_000
/** After this long without a use a token is marked as unused. */
const UNUSED_MS = 90 * DAY_MS

export interface AccessToken {
  readonly id: string
  readonly accountId: string
  readonly name: string
  readonly partialToken: string
  readonly scopes: readonly Scope[] | null
  readonly createdAt: Date
  readonly expiresAt: Date | null
  readonly lastUsedAt: Date | null
}

/** Enough to recognise a token, not to use it: prefix, four characters, "…", the last four. */
export function partialView(token: string): string {
  return `${token.slice(0, TOKEN_PREFIX.length + 4)}…${token.slice(-4)}`
}

export type AccessTokenRow = Omit<Tables['access_tokens'], 'token_hash'>

export function rowToAccessToken(row: AccessTokenRow): AccessToken {
  return {
    id: row.id,
    accountId: row.account_id,
    name: row.name,
    partialToken: row.partial_token,
    scopes: row.scopes === null ? null : (JSON.parse(row.scopes) as Scope[]), // `as`: written by the store.
    createdAt: new Date(row.created_at),
    expiresAt: toDate(row.expires_at),
    lastUsedAt: toDate(row.last_used_at),
  }
}

/** @param rotationDays after how many days a token is due for rotation; null: never. */
export function toAnswer(token: AccessToken, now: Date, rotationDays: number | null): AccessTokenAnswer {
  const isExpired = token.expiresAt !== null && token.expiresAt <= now
  return {
    id: token.id,
    name: token.name,
    partialToken: token.partialToken,
    scopes: token.scopes === null ? null : [...token.scopes],
    createdAt: token.createdAt.toISOString(),
    expiresAt: token.expiresAt?.toISOString() ?? null,
    lastUsedAt: token.lastUsedAt?.toISOString() ?? null,
    status: isExpired ? 'expired' : 'active',
    isRotationDue: rotationDays !== null && now.getTime() - token.createdAt.getTime() > rotationDays * DAY_MS,
    isUnused: now.getTime() - (token.lastUsedAt ?? token.createdAt).getTime() > UNUSED_MS,
  }
}

export type TokenSort = 'createdAt' | 'lastUsedAt' | 'expiresAt'

/** Newest first; by expiry soonest first, "No expiry" last; unused ones ("Never") last. */
export function sortTokens(tokens: readonly AccessToken[], sort: TokenSort): AccessToken[] {
  const key = (token: AccessToken): number => {
    if (sort === 'expiresAt') return -(token.expiresAt?.getTime() ?? Number.MAX_SAFE_INTEGER)
    return (sort === 'lastUsedAt' ? token.lastUsedAt : token.createdAt)?.getTime() ?? 0
  }
  return [...tokens].sort((a, b) => key(b) - key(a))
}
