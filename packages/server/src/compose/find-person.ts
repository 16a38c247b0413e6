import type { Person } from '../access/caller.ts'
import type { Accounts } from '../accounts/accounts.service.ts'

/** Whoever has proven to have a key of theirs. */
export async function findPerson(
  accounts: Accounts,
  accountId: string,
  keyId: string,
): Promise<Person | undefined> {
  const account = await accounts.find(accountId)
  if (!account || account.disabledAt !== null) return undefined
  return {
    kind: 'person',
    accountId,
    name: account.name,
    role: account.role,
    mustChangePassword: account.mustChangePassword,
    hasSecondFactor: account.hasSecondFactor,
    credential: { kind: 'ssh-key', id: keyId, expiresAt: null },
  }
}
