import type { GpgKey } from '@keyhold/contract/api/gpg-keys'
import type { Keyhold } from '@keyhold/sdk'
import { Failure } from '../../failure.ts'
import type { Terminal } from '../../terminal.ts'

export const keyArgument = {
  name: 'KEY',
  summary: 'key id, fingerprint, id, or e-mail address if only one key has it',
} as const

/** Finds one of the person's keys. @throws Failure when none or several are meant. */
export async function findGpgKey(keyhold: Keyhold, wanted: string): Promise<GpgKey> {
  const { gpgKeys } = await keyhold.call('gpg-key.list')
  const name = wanted.replace(/^0x/i, '').replaceAll(' ', '').toUpperCase()
  const named = gpgKeys.find((key) => key.id === wanted || key.keyId === name || key.fingerprint === name)
  const addressed = gpgKeys.filter(({ email }) => email.toLowerCase() === wanted.toLowerCase())
  const key = named ?? (addressed.length === 1 ? addressed[0] : undefined)
  if (key !== undefined) return key
  throw new Failure(
    addressed.length > 1
      ? `${addressed.length} of your GPG keys have this address`
      : 'GPG key not found (gpg_key.not_found)',
    { hints: ['your GPG keys: keyhold gpg-key list'] },
  )
}

/** Says where a key is deployed, and where not and why. */
export function sayDeployments(terminal: Terminal, key: GpgKey): void {
  for (const { provider, status, missingScope, reason } of key.deployments) {
    if (status === 'published') terminal.note(`deployed to ${provider}`)
    else if (status === 'missing-scope') {
      terminal.note(`not deployed to ${provider}: the connection lacks the scope ${missingScope}`)
      terminal.hint(`paste it there yourself: keyhold gpg-key show ${key.keyId}`)
    } else {
      terminal.note(`not deployed to ${provider}: ${reason ?? 'it failed'}`)
      terminal.hint(`try again: keyhold gpg-key publish ${key.keyId}`)
    }
  }
  if (key.deployments.length === 0) {
    terminal.note('not deployed: no code host is connected')
    terminal.hint(`paste it at your code host yourself: keyhold gpg-key show ${key.keyId}`)
  }
}
