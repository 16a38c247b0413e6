import type { Account } from '@keyhold/contract/api/accounts'
import type { Keyhold } from '@keyhold/sdk'
import { Failure } from '../../failure.ts'

/** Finds an account by e-mail address or id. @throws Failure, KeyholdError */
export async function findAccount(keyhold: Keyhold, wanted: string): Promise<Account> {
  const { accounts } = await keyhold.call('account.list')
  const account = accounts.find(
    ({ id, email }) => id === wanted || email.toLowerCase() === wanted.toLowerCase(),
  )
  if (account !== undefined) return account
  throw new Failure(`account ${wanted} not found (account.not_found)`, {
    hints: ['the accounts: keyhold account list'],
  })
}
