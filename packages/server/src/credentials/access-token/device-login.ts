import type { Scope } from '@keyhold/contract/actions'
import type { DeviceLogin as DeviceLoginAnswer } from '@keyhold/contract/api/device-logins'
import type { Tables } from '../../storage/tables.ts'

/** A machine that asks to be signed in. */
export interface DeviceLogin {
  readonly id: string
  readonly name: string
  readonly scopes: readonly Scope[] | null
  readonly tokenExpiresAt: Date
  readonly address: string | null
  readonly client: string | null
  readonly createdAt: Date
  readonly expiresAt: Date
  readonly isDenied: boolean
  /** Who approved it, and with what; null while nobody has. */
  readonly approval: {
    readonly accountId: string
    readonly sessionId: string | null
    readonly accessTokenId: string | null
    readonly confirmationHash: Uint8Array
  } | null
}

export function rowToDeviceLogin(row: Tables['device_logins']): DeviceLogin {
  const { account_id: accountId, confirmation_hash: confirmationHash } = row
  return {
    id: row.id,
    name: row.name,
    scopes: row.scopes === null ? null : (JSON.parse(row.scopes) as Scope[]), // `as`: written by the service.
    tokenExpiresAt: new Date(row.token_expires_at),
    address: row.address,
    client: row.client,
    createdAt: new Date(row.created_at),
    expiresAt: new Date(row.expires_at),
    isDenied: row.is_denied === 1,
    approval:
      accountId === null || confirmationHash === null
        ? null
        : { accountId, sessionId: row.session_id, accessTokenId: row.access_token_id, confirmationHash },
  }
}

/** What the person who decides gets to see. */
export function deviceLoginAnswer(login: DeviceLogin): DeviceLoginAnswer {
  return {
    id: login.id,
    name: login.name,
    address: login.address,
    client: login.client,
    createdAt: login.createdAt.toISOString(),
    expiresAt: login.expiresAt.toISOString(),
    token: {
      scopes: login.scopes === null ? null : [...login.scopes],
      expiresAt: login.tokenExpiresAt.toISOString(),
    },
  }
}
