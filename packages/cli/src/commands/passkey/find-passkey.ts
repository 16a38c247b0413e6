import type { Passkey } from '@keyhold/contract/api/passkeys'
import { Failure } from '../../failure.ts'

/** By id, or by name if only one has it. @throws Failure */
export function findPasskey(passkeys: readonly Passkey[], wanted: string): Passkey {
  const named = passkeys.filter(({ name }) => name === wanted)
  const found = passkeys.find(({ id }) => id === wanted) ?? (named.length === 1 ? named[0] : undefined)
  if (found) return found
  throw new Failure(
    named.length > 1
      ? `${named.length} of your passkeys have this name`
      : 'passkey not found (passkey.not_found)',
    { hints: ['your passkeys, with their ids: keyhold passkey list'] },
  )
}
