import type { Person } from '../access/caller.ts'
import type { Accounts } from '../accounts/accounts.service.ts'
import type { InstanceSettings } from '../accounts/settings.service.ts'

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

/** Whether somebody has no second factor where everybody has to have one: they may do nothing but get it. */
export async function lacksSecondFactor(
  settings: InstanceSettings,
  { hasSecondFactor }: Person,
): Promise<boolean> {
  return !hasSecondFactor && (await settings.current()).requireSecondFactor
}

/** Those of them who do not. @param accountIds of people who have come in. */
export async function withSecondFactor(
  settings: InstanceSettings,
  accounts: Accounts,
  accountIds: readonly string[],
): Promise<readonly string[]> {
  if (!(await settings.current()).requireSecondFactor) return accountIds
  const people = await Promise.all(accountIds.map((id) => accounts.find(id)))
  return people.flatMap((one) => (one?.hasSecondFactor ? [one.id] : []))
}
