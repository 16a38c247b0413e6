import { config, enums, generateKey, readPrivateKey } from 'openpgp'

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

/** The same public half with another private one. @param armoredKey an Ed25519 key. */
export async function withOtherSecret(armoredKey: string): Promise<string> {
  const key = await readPrivateKey({ armoredKey })
  const packet = key.keyPacket as unknown as { privateParams: { seed: Uint8Array } } // `as`: not in the published types.
  packet.privateParams.seed = packet.privateParams.seed.map((byte) => byte ^ 1)
  return key.armor()
}

/** One with many user ids, each with its signature. */
export async function withUserIds(count: number): Promise<string> {
  const userIDs = Array.from({ length: count }, (_, i) => ({ email: `many${i}@example.com` }))
  return (await generateKey({ userIDs })).privateKey
}

/** One whose passphrase takes Argon2 this long. */
export async function withArgon2(passes: number, passphrase: string): Promise<string> {
  const s2kArgon2Params = { passes, parallelism: 1, memoryExponent: 10 }
  const { privateKey } = await generateKey({
    userIDs: [{ email: 'slow@example.com' }],
    passphrase,
    date: new Date(Date.now() - 3_600_000),
    config: { ...config, aeadProtect: true, s2kType: enums.s2k.argon2, s2kArgon2Params },
  })
  return privateKey
}
