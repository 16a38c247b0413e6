import type { SshIdentity as SshIdentityAnswer } from '@keyhold/contract/api/ssh-identity'
import { AppError } from '../../base/app-error.ts'
import { fingerprintOf } from '../../base/ssh-public-key.ts'
import { SshFormatError, SshReader } from '../../base/ssh-wire.ts'
import type { Tables } from '../../storage/tables.ts'

export type IdentityType = Tables['ssh_identities']['type']

/** A host, and its key as type and base64. */
export interface Destination {
  readonly name: string
  readonly publicKey: string
}

/** What a client says of the host that it has reached (PROTOCOL.agent of OpenSSH, 1): its signature of the session. */
export interface Binding {
  readonly hostKey: Uint8Array
  readonly signature: Uint8Array
}

/** Whether a host has signed. @returns false for whatever is not right. */
export type VerifyHost = (hostKey: Uint8Array, signed: Uint8Array, signature: Uint8Array) => boolean

/** A person's key pair, without its private half. */
export interface SshIdentity {
  readonly id: string
  readonly accountId: string
  readonly type: IdentityType
  readonly blob: Uint8Array
  readonly comment: string
  /** The only hosts that it logs in to; none: any. */
  readonly destinations: readonly Destination[]
  readonly createdAt: Date
  readonly lastUsedAt: Date | null
}

/** With the private half, still sealed. */
export interface SealedIdentity extends SshIdentity {
  readonly sealed: Uint8Array
}

export const bitsOf = { 'ssh-ed25519': 256, 'ssh-rsa': 4096 } as const satisfies Record<IdentityType, number>

export function toAnswer(identity: SshIdentity): SshIdentityAnswer {
  const { id, type, blob, comment } = identity
  return {
    id,
    type,
    bits: bitsOf[type],
    publicKey: `${type} ${Buffer.from(blob).toString('base64')} ${comment}`,
    publicKeyFingerprint: fingerprintOf(blob),
    destinations: [...identity.destinations],
    createdAt: identity.createdAt.toISOString(),
    lastUsedAt: identity.lastUsedAt?.toISOString() ?? null,
  }
}

export type SignatureAlgorithm = 'ssh-ed25519' | 'rsa-sha2-256' | 'rsa-sha2-512'

/** Flags of a request to an agent (RFC 9987 §5.3). */
const RSA_SHA2_256 = 2
const RSA_SHA2_512 = 4

/** @throws AppError `ssh_identity.sign_refused` for RSA without a flag: that would be SHA-1. */
export function algorithmOf(type: IdentityType, flags: number): SignatureAlgorithm {
  if (type === 'ssh-ed25519') return 'ssh-ed25519'
  if (flags & RSA_SHA2_256) return 'rsa-sha2-256'
  if (flags & RSA_SHA2_512) return 'rsa-sha2-512'
  throw refused('RSA signs with SHA-256 or SHA-512 only')
}

const refused = (detail: string): AppError => new AppError('ssh_identity.sign_refused', { detail })

const SSH_MSG_USERAUTH_REQUEST = 50
const MAGIC = 'SSHSIG'
const HASH_BYTES: Readonly<Record<string, number>> = { sha256: 32, sha512: 64 }
/** A user name that can be written into the record of a login. */
const USER = /^[\x21-\x7e]{1,64}$/

/**
 * Says what a signature of `data` would be for. What is not read to its last byte as one of two things is refused: the
 * key signs nothing that could mean something else elsewhere.
 *
 *   a login    RFC 4252 §7: string session, byte 50, string user, "ssh-connection", "publickey", TRUE, algorithm, key;
 *              for OpenSSH also "publickey-hostbound-v00@openssh.com", which ends with the key of the host (PROTOCOL)
 *   a commit   PROTOCOL.sshsig: "SSHSIG", namespace "git", "", name of the hash, hash
 *
 * @returns such as `login as git`, for the record. @throws AppError `ssh_identity.sign_refused`.
 */
export function purposeOf(data: Uint8Array, ourKey: Uint8Array, algorithm: SignatureAlgorithm): string {
  try {
    const fields = new SshReader(data)
    const isSignature = Buffer.from(data.subarray(0, MAGIC.length)).toString('latin1') === MAGIC
    const purpose = isSignature ? readGitSignature(fields) : readLogin(fields, ourKey, algorithm)
    fields.end()
    return purpose
  } catch (error) {
    if (error instanceof SshFormatError) throw refused('It is neither an SSH login nor a signature for git')
    throw error
  }
}

function readGitSignature(fields: SshReader): string {
  fields.take(MAGIC.length)
  if (fields.text() !== 'git') throw refused('Signatures are made for git only')
  if (fields.string().length !== 0) throw new SshFormatError('the reserved field is not empty')
  const hash = fields.text()
  const isHash = Object.hasOwn(HASH_BYTES, hash) && fields.string().length === HASH_BYTES[hash]
  if (!isHash) throw new SshFormatError('it is no hash')
  return 'git signature'
}

function readLogin(fields: SshReader, ourKey: Uint8Array, algorithm: SignatureAlgorithm): string {
  // The hash of the key exchange: SHA-256 to SHA-512.
  const { length } = fields.string()
  if (length < 32 || length > 64 || fields.byte() !== SSH_MSG_USERAUTH_REQUEST)
    throw new SshFormatError('it is no login')
  const user = fields.text()
  const service = fields.text()
  const method = fields.text()
  const hasSignature = fields.byte() === 1
  const isLogin =
    USER.test(user) &&
    service === 'ssh-connection' &&
    (method === 'publickey' || method === 'publickey-hostbound-v00@openssh.com') &&
    hasSignature
  if (!isLogin) throw new SshFormatError('it is no login by public key')
  if (fields.text() !== algorithm) throw refused('The login names another signature algorithm')
  if (!fields.string().equals(ourKey)) throw refused('The login is for another key')
  if (method !== 'publickey') fields.string()
  return `login as ${user}`
}

/**
 * Says to which of its hosts a login goes. That is proven by the host, not by the workspace: it has signed the session that
 * the login is for, with the key by which it is listed.
 * @param data that {@link purposeOf} has read. @returns the name; undefined for a commit, and where any host will do.
 * @throws AppError `ssh_identity.sign_refused`.
 */
export function destinationOf(
  data: Uint8Array,
  destinations: readonly Destination[],
  binding: Binding | undefined,
  isSignedByHost: VerifyHost,
): string | undefined {
  const isCommit = Buffer.from(data.subarray(0, MAGIC.length)).toString('latin1') === MAGIC
  if (destinations.length === 0 || isCommit) return undefined
  if (!binding)
    throw refused('This identity is for certain hosts, and the login does not say which one it goes to')
  const { session, hostKey } = readSession(data)
  const wanted = Buffer.from(binding.hostKey).toString('base64')
  const destination = destinations.find(({ publicKey }) => publicKey.split(' ')[1] === wanted)
  if (!destination) throw refused('The login goes to a host that this identity is not for')
  const isThere =
    isSignedByHost(binding.hostKey, session, binding.signature) &&
    (hostKey === undefined || hostKey.equals(binding.hostKey))
  if (!isThere) throw refused('The host has not signed the session that the login is for')
  return destination.name
}

function readSession(data: Uint8Array): { session: Buffer; hostKey: Buffer | undefined } {
  const fields = new SshReader(data)
  const session = fields.string()
  fields.byte()
  for (let skipped = 0; skipped < 3; skipped++) fields.string()
  fields.byte()
  fields.string()
  fields.string()
  return { session, hostKey: fields.isAtEnd ? undefined : fields.string() }
}
