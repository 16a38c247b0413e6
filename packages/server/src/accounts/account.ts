import type { Account as AccountAnswer } from '@keyhold/contract/api/accounts'
import { toDate } from '../base/clock.ts'
import type { Tables } from '../storage/tables.ts'

export interface Account {
  readonly id: string
  readonly email: string
  readonly name: string
  readonly role: 'admin' | 'member'
  readonly passwordHash: string
  readonly mustChangePassword: boolean
  readonly createdAt: Date
  readonly disabledAt: Date | null
  /** Signing in takes a code besides the password. */
  readonly hasSecondFactor: boolean
}

export type AccountRow = Tables['accounts']

export function rowToAccount(row: AccountRow): Account {
  return {
    id: row.id,
    email: row.email,
    name: row.name,
    role: row.role,
    passwordHash: row.password_hash,
    mustChangePassword: row.must_change_password === 1,
    createdAt: new Date(row.created_at),
    disabledAt: toDate(row.disabled_at),
    hasSecondFactor: row.second_factor_at !== null,
  }
}

/** What others see of an account. */
export function toAnswer(account: Account): AccountAnswer {
  return {
    id: account.id,
    email: account.email,
    name: account.name,
    role: account.role,
    isDisabled: account.disabledAt !== null,
    mustChangePassword: account.mustChangePassword,
    hasSecondFactor: account.hasSecondFactor,
    createdAt: account.createdAt.toISOString(),
  }
}

/** The one form of an e-mail address that look-ups, uniqueness and lock-outs go by. */
export function emailKey(email: string): string {
  return email.trim().normalize('NFKC').toLowerCase()
}
