import type {
  NewCredential,
  Passkey as PasskeyAnswer,
  ProvenCredential,
} from '@keyhold/contract/api/passkeys'
import { toDate } from '../base/clock.ts'
import type { Tables } from '../storage/tables.ts'

/*
 * Checks of Web Authentication Level 3, §7.1 and §7.2. Signatures, COSE keys and CBOR are read by @simplewebauthn; what
 * it leaves open (frames of other sites, attestation) is decided here.
 */

/** ES256, EdDSA and RS256: one of them is in every authenticator. */
export const algorithms = [-7, -8, -257]

/** No model is told: authenticators that are not attested, and most that are software. */
const NO_AAGUID = '00000000-0000-0000-0000-000000000000'

/** For whom passkeys are: the address that people know Keyhold by. */
export interface RelyingParty {
  readonly id: string
  readonly origin: string
}

export interface Passkey {
  readonly id: string
  readonly accountId: string
  readonly name: string
  readonly credentialId: Uint8Array
  readonly publicKey: Uint8Array
  readonly signCount: number
  readonly transports: readonly string[]
  readonly aaguid: string
  readonly isSynced: boolean
  readonly createdAt: Date
  readonly lastUsedAt: Date | null
}

export function rowToPasskey(row: Tables['passkeys']): Passkey {
  return {
    id: row.id,
    accountId: row.account_id,
    name: row.name,
    credentialId: row.credential_id,
    publicKey: row.public_key,
    signCount: row.sign_count,
    transports: JSON.parse(row.transports) as string[], // `as`: written by the service.
    aaguid: row.aaguid,
    isSynced: row.is_synced === 1,
    createdAt: new Date(row.created_at),
    lastUsedAt: toDate(row.last_used_at),
  }
}

export function passkeyAnswer(passkey: Passkey): PasskeyAnswer {
  return {
    id: passkey.id,
    name: passkey.name,
    aaguid: passkey.aaguid === NO_AAGUID ? null : passkey.aaguid,
    transports: [...passkey.transports],
    isSynced: passkey.isSynced,
    createdAt: passkey.createdAt.toISOString(),
    lastUsedAt: passkey.lastUsedAt?.toISOString() ?? null,
  }
}

/** @returns undefined where browsers make no passkeys: for an address of numbers, and without TLS elsewhere than here. */
export function relyingPartyOf(publicUrl: string): RelyingParty | undefined {
  const { protocol, hostname, origin } = new URL(publicUrl)
  const isName = !hostname.startsWith('[') && !/^[\d.]+$/.test(hostname)
  const isSecure = protocol === 'https:' || hostname === 'localhost' || hostname.endsWith('.localhost')
  return isName && isSecure ? { id: hostname, origin } : undefined
}

export interface Registration {
  readonly credentialId: Uint8Array
  readonly publicKey: Uint8Array
  readonly signCount: number
  readonly aaguid: string
  readonly isSynced: boolean
}

/** Checks what a browser made of our options. @returns what is wrong with it, as text for people, when it is not right. */
export async function checkRegistration(
  credential: NewCredential,
  challenge: string,
  party: RelyingParty,
): Promise<Registration | string> {
  const problem = problemWithClient(credential.response.clientDataJSON, party)
  if (problem) return problem
  // Loaded only where a passkey is used: memory and start-up count.
  const [{ verifyRegistrationResponse }, { decodeAttestationObject, isoBase64URL, isoCBOR }] =
    await Promise.all([import('@simplewebauthn/server'), import('@simplewebauthn/server/helpers')])
  try {
    const { clientDataJSON, attestationObject } = credential.response
    // Which model it is proves nothing that is asked for here, and verifying it would fetch addresses that a stranger's
    // certificate names. So whatever statement came is dropped, as §7.1 allows for attestation that is not wanted.
    const authData = decodeAttestationObject(isoBase64URL.toBuffer(attestationObject)).get('authData')
    const unattested = isoCBOR.encode(
      new Map<string, unknown>([
        ['fmt', 'none'],
        ['attStmt', new Map()],
        ['authData', authData],
      ]) as never, // `as`: its type of CBOR has no name outside.
    )
    const { verified, registrationInfo } = await verifyRegistrationResponse({
      response: {
        ...credential,
        response: { clientDataJSON, attestationObject: isoBase64URL.fromBuffer(unattested) },
        clientExtensionResults: {},
      },
      expectedChallenge: challenge,
      expectedOrigin: party.origin,
      expectedRPID: party.id,
      requireUserVerification: true,
      supportedAlgorithmIDs: algorithms,
    })
    if (!verified) return NOT_RIGHT
    const { id, publicKey, counter } = registrationInfo.credential
    if (id !== credential.id) return NOT_RIGHT
    return {
      credentialId: isoBase64URL.toBuffer(id),
      publicKey,
      signCount: counter,
      aaguid: registrationInfo.aaguid,
      isSynced: registrationInfo.credentialBackedUp,
    }
  } catch {
    // The library's texts quote what was sent.
    return NOT_RIGHT
  }
}

/** Checks a signature of a passkey. @returns its counter, or what is wrong as text for people. */
export async function checkProof(
  credential: ProvenCredential,
  passkey: Pick<Passkey, 'credentialId' | 'publicKey' | 'accountId'>,
  challenge: string,
  party: RelyingParty,
): Promise<{ readonly signCount: number; readonly isSynced: boolean } | string> {
  const problem = problemWithClient(credential.response.clientDataJSON, party)
  if (problem) return problem
  const { userHandle, ...response } = credential.response
  // §7.2 step 6: whom the authenticator means has to be whom the key belongs to.
  if (userHandle != null && userHandle !== userHandleOf(passkey.accountId)) return NOT_RIGHT
  const { verifyAuthenticationResponse } = await import('@simplewebauthn/server')
  try {
    const { verified, authenticationInfo } = await verifyAuthenticationResponse({
      response: { ...credential, response, clientExtensionResults: {} },
      expectedChallenge: challenge,
      expectedOrigin: party.origin,
      expectedRPID: party.id,
      // The counter is compared by the database, after the signature: the library would do it before.
      credential: { id: credential.id, publicKey: Uint8Array.from(passkey.publicKey), counter: 0 },
      requireUserVerification: true,
    })
    if (!verified) return NOT_RIGHT
    return { signCount: authenticationInfo.newCounter, isSynced: authenticationInfo.credentialBackedUp }
  } catch {
    return NOT_RIGHT
  }
}

/** How authenticators name an account: by its id, which says nothing of the person (§14.6.1). */
export const userHandleOf = (accountId: string): string => Buffer.from(accountId).toString('base64url')

const NOT_RIGHT =
  'The answer does not fit what was asked for, or the authenticator did not check who uses it: take one with a PIN, a fingerprint or the like'

/** What the browser says of the page that asked (§5.8.1), as far as the library lets it pass or quotes it. */
function problemWithClient(clientDataJSON: string, party: RelyingParty): string | undefined {
  let client: { origin?: unknown; crossOrigin?: unknown; topOrigin?: unknown } | null
  try {
    client = JSON.parse(Buffer.from(clientDataJSON, 'base64url').toString('utf8'))
  } catch {
    return NOT_RIGHT
  }
  if (typeof client !== 'object' || client === null) return NOT_RIGHT
  if (client.origin !== party.origin)
    return 'The page that asked has another address than the server’s KEYHOLD_PUBLIC_URL'
  // A page of ours in a frame of somebody else's: who looks at it does not see where they are.
  if ((client.crossOrigin ?? false) !== false || client.topOrigin !== undefined)
    return 'The page that asked is a part of a page of somebody else'
  return undefined
}
