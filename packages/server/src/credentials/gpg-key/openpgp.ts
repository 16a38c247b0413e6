import { setImmediate as nextTurn } from 'node:timers/promises'
import { Secret } from '@keyhold/contract/secret'
import type { Config, Key, PrivateKey } from 'openpgp'
import { invalidField } from '../../base/app-error.ts'
import type { GpgKeyFacts } from './gpg-key.ts'

/*
 * Key pairs of OpenPGP. A private key is kept without a passphrase of its own, in binary: the vault seals it.
 */

/** A key pair, just made or just read. */
export interface KeyPair {
  readonly facts: GpgKeyFacts
  readonly privateKey: Secret<Uint8Array>
}

/** What is taken in is worked on by the server: a key made to keep it busy is refused. */
const PARTS_MAX = 8
const BITS_MAX = 8_192
/** Self-signatures are all verified, some kinds for milliseconds in which the server does nothing else. */
const SIGNATURES_MAX = 100
/** 64 MiB, what RFC 9106 recommends where memory is short, in the three passes that go with it, and one more. */
const ARGON2_MEMORY_EXPONENT_MAX = 16
const ARGON2_PASSES_MAX = 4

const WEAK =
  'has no part that signs, or is too weak: it takes RSA of 2,048 bits or an elliptic curve, certified with SHA-256 or better, and not expired'

/** Loaded when it is needed: it is large, and most requests have nothing to do with it. */
const load = () => import('openpgp')

/**
 * Makes a key that only signs: Ed25519 in the form that GnuPG 2.2 and all code hosts read.
 * @throws AppError `request.invalid` for what cannot be in a user id.
 */
export async function generateKeyPair(
  { name, email, expiresAt }: { name: string; email: string; expiresAt: Date | null },
  now: Date,
): Promise<KeyPair> {
  const { generateKey, UserIDPacket } = await load()
  try {
    UserIDPacket.fromObject({ name, email })
  } catch {
    // The library takes fewer addresses than accounts do, and its error quotes them.
    throw invalidField('email', 'cannot be in a GPG key; give a plain address')
  }
  const { privateKey } = await generateKey({
    type: 'ecc',
    curve: 'ed25519Legacy',
    userIDs: [{ name, email }],
    subkeys: [],
    date: now,
    ...(expiresAt && { keyExpirationTime: Math.ceil((expiresAt.getTime() - now.getTime()) / 1000) }),
    format: 'object',
  })
  return { facts: await factsOf(privateKey, now), privateKey: new Secret(privateKey.write()) }
}

/**
 * Reads a private key as `gpg --armor --export-secret-keys` writes it, and unlocks it.
 * @throws AppError `request.invalid` naming what is wrong with the key or its passphrase; never quotes either.
 */
export async function importKeyPair(
  armored: Secret<string>,
  passphrase: Secret<string> | undefined,
  now: Date,
): Promise<KeyPair> {
  const { config, readPrivateKeys } = await load()
  const text = armored.reveal().trim()
  const refused = (message: string) => invalidField('privateKey', message)
  if (/-----BEGIN PGP PUBLIC KEY/.test(text))
    throw refused('holds a public key; export the private one: gpg --armor --export-secret-keys KEY')
  // The library reads the first block and leaves out others.
  if (text.split('-----BEGIN').length > 2) throw refused('holds several keys; import them one by one')
  const keys = await readPrivateKeys({ armoredKeys: text }).catch(() => [])
  if (keys.length > 1) throw refused('holds several keys; import them one by one')
  const [key] = keys
  if (!key)
    throw refused('is no armored private key of GPG; export it with: gpg --armor --export-secret-keys KEY')
  const parts = key.getKeys()
  if (parts.length > PARTS_MAX || parts.some((part) => (part.getAlgorithmInfo().bits ?? 0) > BITS_MAX))
    throw refused(`has more than ${PARTS_MAX - 1} subkeys, or more than ${BITS_MAX} bits`)
  if (signaturesOf(key) > SIGNATURES_MAX)
    throw refused(
      `has more than ${SIGNATURES_MAX} signatures; export it with: --export-options export-minimal`,
    )
  // Before anything is verified: the library computes these itself, slowly.
  if (parts.some((part) => part.getAlgorithmInfo().algorithm === 'dsa')) throw refused(WEAK)
  if (parts.some((part) => (packetOf(part).s2k?.t ?? 0) > ARGON2_PASSES_MAX))
    throw refused(`is protected by Argon2 with more than ${ARGON2_PASSES_MAX} passes; change its passphrase`)
  if (isLocked(key)) {
    if (!passphrase?.reveal())
      throw invalidField('passphrase', 'is missing: the key is protected by one. It is not kept')
    if (!(await unlock(key, passphrase, config))) throw invalidField('passphrase', 'is wrong')
  }
  const facts = await usableFacts(key, now)
  if (typeof facts === 'string') throw refused(facts)
  return { facts, privateKey: new Secret(key.write()) }
}

/** Signs as `gpg --detach-sign --armor` does. */
export async function signDetached(
  privateKey: Secret<Uint8Array>,
  data: Uint8Array,
  now: Date,
): Promise<string> {
  const { createMessage, readPrivateKey, sign } = await load()
  const signingKeys = await readPrivateKey({ binaryKey: privateKey.reveal() })
  const message = await createMessage({ binary: data })
  return sign({ message, signingKeys, detached: true, date: now, format: 'armored' })
}

/** Makes a certificate that revokes the key without naming a reason. @returns null where the primary key is not there. */
export async function revocationCertificateOf(
  privateKey: Secret<Uint8Array>,
  now: Date,
): Promise<string | null> {
  const { readPrivateKey, revokeKey } = await load()
  const key = await readPrivateKey({ binaryKey: privateKey.reveal() })
  if (isElsewhere(key)) return null
  const { publicKey } = await revokeKey({ key, date: now, format: 'object' })
  const certificate = await publicKey.getRevocationCertificate(now)
  return typeof certificate === 'string' ? certificate : null
}

/** What is verified of a key: signatures that it made of itself. */
function signaturesOf(key: PrivateKey): number {
  // `as`: the published types leave it out.
  const { directSignatures } = key as unknown as { readonly directSignatures: readonly unknown[] }
  const { revocationSignatures, users, subkeys } = key
  const ofUsers = users.map((user) => [...user.selfCertifications, ...user.revocationSignatures])
  const ofSubkeys = subkeys.map((subkey) => [...subkey.bindingSignatures, ...subkey.revocationSignatures])
  return [revocationSignatures, directSignatures, ...ofUsers, ...ofSubkeys].flat().length
}

type Packet = {
  /** How the passphrase becomes a key; `t`: passes of Argon2. */
  s2k?: { readonly t?: number } | null
  isDecrypted?: () => boolean | null
  isDummy?: () => boolean
  decrypt?: (passphrase: string, config: Config) => Promise<void>
  validate?: () => Promise<void>
}

/** `as`: the published types leave out methods that packets of private keys have. */
const packetOf = (key: { readonly keyPacket: unknown }) => key.keyPacket as Packet

/** A part whose secret was left out of the export, such as a primary key that is kept offline. */
const isElsewhere = (key: { readonly keyPacket: unknown }): boolean => packetOf(key).isDummy?.() ?? false

const isLocked = (key: PrivateKey): boolean =>
  key.getKeys().some((part) => !isElsewhere(part) && packetOf(part).isDecrypted?.() !== true)

/** Unlocks one part after another: each takes up to 65 MB for as long as it lasts. @returns false for a wrong passphrase. */
async function unlock(key: PrivateKey, passphrase: Secret<string>, config: Config): Promise<boolean> {
  const bounded = { ...config, maxArgon2MemoryExponent: ARGON2_MEMORY_EXPONENT_MAX }
  try {
    for (const part of key.getKeys()) {
      // Others get their turn in between: what the library does, it does in one go.
      await nextTurn()
      if (!isElsewhere(part)) await packetOf(part).decrypt?.(passphrase.reveal(), bounded)
    }
    return !isLocked(key)
  } catch {
    return false
  }
}

/** What can be told of the key, or why it cannot be used: the end of a sentence about it. */
async function usableFacts(key: PrivateKey, now: Date): Promise<GpgKeyFacts | string> {
  const { config, enums } = await load()
  // Certifications by SHA-1 can be forged for another key (SHA-1 is a Shambles, 2020).
  const strict: Config = {
    ...config,
    rejectHashAlgorithms: new Set([...config.rejectHashAlgorithms, enums.hash.sha1]),
  }
  if (await key.isRevoked(undefined, undefined, now, strict)) return 'has been revoked'
  const expiry = await key.getExpirationTime(undefined, config).catch(() => null)
  if (expiry instanceof Date && expiry <= now) return 'has expired; extend it, or generate a new one'
  const signing = await key.getSigningKey(undefined, now, undefined, strict).catch(() => undefined)
  if (!signing) return WEAK
  if (isElsewhere(signing)) return 'does not hold the secret of the part that signs'
  try {
    // A public half that does not belong to the private one would sign so that the private one can be computed.
    await packetOf(signing).validate?.()
  } catch {
    return 'is damaged: its halves do not belong together'
  }
  return factsOf(key, now)
}

async function factsOf(key: PrivateKey, now: Date): Promise<GpgKeyFacts> {
  const signing = await key.getSigningKey(undefined, now)
  const expiries = await Promise.all([
    key.getExpirationTime(),
    'mainKey' in signing ? signing.getExpirationTime(now) : null,
  ])
  const dates = expiries.filter((time) => time instanceof Date)
  const { user } = await key.getPrimaryUser(now)
  return {
    fingerprint: key.getFingerprint().toUpperCase(),
    keyId: key.getKeyID().toHex().toUpperCase(),
    userIds: key.getUserIDs(),
    email: user.userID?.email ?? '',
    algorithm: algorithmOf(signing),
    publicKey: key.toPublic().armor(),
    expiresAt: dates.length === 0 ? null : new Date(Math.min(...dates.map((date) => date.getTime()))),
  }
}

/** As people know it: `Ed25519`, `RSA 3072`, `ECDSA nistP256`. */
function algorithmOf(key: Pick<Key, 'getAlgorithmInfo'>): string {
  const { algorithm, bits, curve } = key.getAlgorithmInfo()
  if (algorithm.startsWith('rsa')) return `RSA ${bits}`
  if (algorithm === 'ed25519' || curve === 'ed25519Legacy') return 'Ed25519'
  return curve === undefined ? algorithm : `${algorithm.toUpperCase()} ${curve}`
}
