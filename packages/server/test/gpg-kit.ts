import { generateKey } from 'openpgp'

/** A new armored private key. @param passphrase none when it is left out. */
export async function newGpgKey(passphrase?: string): Promise<string> {
  // Earlier than any clock of a test.
  const date = new Date(Date.now() - 3_600_000)
  const userIDs = [{ name: 'Ann', email: 'ann@example.com' }]
  const { privateKey } = await generateKey({ userIDs, date, ...(passphrase && { passphrase }) })
  return privateKey
}

/** One with many subkeys. */
export async function withSubkeys(count: number): Promise<string> {
  const subkeys = Array.from({ length: count }, () => ({ sign: true }))
  const { privateKey } = await generateKey({ userIDs: [{ email: 'many@example.com' }], subkeys })
  return privateKey
}
