import { BlockList, isIP } from 'node:net'
import type { AccessKey as AccessKeyAnswer } from '@keyhold/contract/api/access-keys'
import { canonicalAddress } from '../../base/address.ts'
import { invalidField } from '../../base/app-error.ts'
import { toDate } from '../../base/clock.ts'
import type { Tables } from '../../storage/tables.ts'

export const SECRET_PREFIX = 'kh_aks_'

export interface AccessKey {
  readonly id: string
  readonly projectId: string
  readonly permission: 'read' | 'read_write'
  /** Canonical addresses and CIDR ranges; empty: anywhere. */
  readonly ipRestriction: readonly string[]
  readonly isActive: boolean
  readonly createdAt: Date
  readonly createdBy: string | null
  readonly expiresAt: Date | null
  readonly lastUsedAt: Date | null
  readonly lastUsedAddress: string | null
  /** When its secret was last replaced; null: never. */
  readonly regeneratedAt: Date | null
}

export type AccessKeyRow = Omit<Tables['access_keys'], 'secret_hash'>

export function rowToAccessKey(row: AccessKeyRow): AccessKey {
  return {
    id: row.id,
    projectId: row.project_id,
    permission: row.permission,
    ipRestriction: JSON.parse(row.ip_restriction) as string[], // `as`: written by the store.
    isActive: row.slot !== null,
    createdAt: new Date(row.created_at),
    createdBy: row.created_by,
    expiresAt: toDate(row.expires_at),
    lastUsedAt: toDate(row.last_used_at),
    lastUsedAddress: row.last_used_address,
    regeneratedAt: toDate(row.regenerated_at),
  }
}

export function toAnswer(key: AccessKey, now: Date): AccessKeyAnswer {
  const isExpired = key.expiresAt !== null && key.expiresAt <= now
  return {
    id: key.id,
    permission: key.permission,
    ipRestriction: [...key.ipRestriction],
    status: isExpired ? 'expired' : key.isActive ? 'active' : 'inactive',
    createdAt: key.createdAt.toISOString(),
    createdBy: key.createdBy,
    expiresAt: key.expiresAt?.toISOString() ?? null,
    lastUsedAt: key.lastUsedAt?.toISOString() ?? null,
    lastUsedAddress: key.lastUsedAddress,
  }
}

/** Reads addresses and CIDR ranges into their one form, without repeats. @throws AppError naming the wrong entry. */
export function parseIpRestriction(entries: readonly string[]): string[] {
  const parsed = entries.map((entry, i) => {
    const [text = '', bitsText, ...rest] = entry.trim().split('/')
    // A zone or a port names no address of a peer.
    const address = /[%\][]/.test(text) || /^[\d.]+:\d+$/.test(text) ? undefined : canonicalAddress(text)
    const bitsMax = address && isIP(address) === 4 ? 32 : 128
    let bits = bitsText === undefined ? bitsMax : /^\d{1,3}$/.test(bitsText) ? Number(bitsText) : -1
    // ::ffff:10.0.0.0/104 is 10.0.0.0/8.
    if (bitsText !== undefined && bitsMax === 32 && text.includes(':')) bits -= 96
    if (address === undefined || rest.length > 0 || bits < 0 || bits > bitsMax) {
      throw invalidField(
        `ipRestriction[${i}]`,
        'is neither an IP address nor a CIDR range, such as 192.0.2.7 or 2001:db8::/32',
      )
    }
    return bits === bitsMax ? address : `${address}/${bits}`
  })
  return [...new Set(parsed)]
}

/** Whether a key with this restriction may be used from `address` (canonical). */
export function isAddressAllowed(ipRestriction: readonly string[], address: string | undefined): boolean {
  if (ipRestriction.length === 0) return true
  if (address === undefined || isIP(address) === 0) return false
  const list = new BlockList()
  for (const entry of ipRestriction) {
    const [text = '', bits] = entry.split('/')
    const family = isIP(text) === 4 ? 'ipv4' : 'ipv6'
    list.addSubnet(text, bits === undefined ? (family === 'ipv4' ? 32 : 128) : Number(bits), family)
  }
  return list.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6')
}
