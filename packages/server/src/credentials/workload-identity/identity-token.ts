import type { Secret } from '@keyhold/contract/secret'
import type { JSONWebKeySet, JWTPayload } from 'jose'
import type { Clock } from '../../base/clock.ts'
import { hashToken } from '../../base/ids.ts'
import type { IssuerKeys } from './issuer-keys.ts'
import { type Jwks, readJwks, type WorkloadIdentity } from './workload-identity.ts'

/** Signatures with a key pair; none by which whoever checks could sign (RFC 8725 §3.1). */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
]
/** Clocks differ, for `nbf` and `iat`; what has ended has ended. */
const TOLERANCE_S = 30
/** Older ones were made for something else. */
const AGE_MAX_S = 86_400

/** What became of a token. */
export type Verdict =
  | {
      readonly isAccepted: true
      readonly payload: JWTPayload
      readonly expiresAt: number
      readonly useHash: Buffer
    }
  | {
      readonly isAccepted: false
      /** Continues "the token …". */
      readonly problem: string
      /** The signature was right, so whoever sent it may know more. */
      readonly isSigned: boolean
      readonly payload?: JWTPayload
    }

const refused = (problem: string): Verdict => ({ isAccepted: false, problem, isSigned: false })

/**
 * Checks a token of a platform (OpenID Connect Core §3.1.3.7, RFC 8725).
 * @throws IssuerError when the keys of the issuer cannot be had
 */
export async function verifyIdentityToken(
  identity: WorkloadIdentity,
  token: Secret<string>,
  issuerKeys: IssuerKeys,
  clock: Clock,
): Promise<Verdict> {
  // Loaded only where machines come this way: memory and start-up count.
  const jose = await import('jose')
  const text = token.reveal()
  let alg: string | undefined
  let unproven: JWTPayload
  try {
    alg = jose.decodeProtectedHeader(text).alg
    unproven = jose.decodeJwt(text)
  } catch {
    // Its errors may quote the token.
    return refused('is no JWT')
  }
  // Before anybody is asked for keys: what is wrong anyhow must not cause requests.
  if (!ALGORITHMS.includes(alg ?? '')) return refused('is signed in a way that is not taken')
  const audiences = [unproven.aud ?? []].flat()
  if (unproven.iss !== identity.issuer) return refused('comes from another issuer')
  if (!audiences.includes(identity.audience)) return refused('is for another audience')
  const now = clock.now()
  if (typeof unproven.exp !== 'number') return refused('has no end')
  if (unproven.exp * 1000 <= now.getTime()) return refused('has ended')

  const verify = async (keys: Jwks) => {
    // `as`: readJwks looked at the keys; what they hold beyond it is for jose to check.
    const find = jose.createLocalJWKSet({ keys: keys.keys } as unknown as JSONWebKeySet)
    return jose.jwtVerify(text, find, {
      algorithms: ALGORITHMS,
      issuer: identity.issuer,
      audience: identity.audience,
      requiredClaims: ['exp', 'iat'],
      maxTokenAge: AGE_MAX_S,
      clockTolerance: TOLERANCE_S,
      currentDate: now,
    })
  }
  const own = identity.jwks === null ? undefined : readJwks(JSON.parse(identity.jwks))
  try {
    const { payload } = await verify(own ?? (await issuerKeys.keysOf(identity.issuer))).catch(
      async (error: unknown) => {
        // The issuer may have changed its keys since.
        if (own || !(error instanceof jose.errors.JWKSNoMatchingKey)) throw error
        return verify(await issuerKeys.keysOf(identity.issuer, true))
      },
    )
    return judge(identity, payload, text)
  } catch (error) {
    if (!(error instanceof jose.errors.JOSEError)) throw error
    if (error instanceof jose.errors.JWTClaimValidationFailed)
      return refused(`has no ${error.claim} that would do`)
    if (error instanceof jose.errors.JWTExpired) return refused('was issued too long ago')
    return refused('has no signature by a key of its issuer')
  }
}

/** Compares the claims of a token whose signature is right. */
function judge(identity: WorkloadIdentity, payload: JWTPayload, text: string): Verdict {
  for (const [name, expected] of Object.entries(identity.claims)) {
    // As they are: another case, a number or a list is another value. Own ones only: no toString.
    const isSame = Object.hasOwn(payload, name) && payload[name] === expected
    if (!isSame)
      return { isAccepted: false, problem: `has another ${name}, or none`, isSigned: true, payload }
  }
  const { jti, exp = 0 } = payload
  // Without a jti the signed part itself: signatures of some algorithms can be rewritten, it cannot.
  const useHash = hashToken(typeof jti === 'string' ? `jti:${jti}` : text.slice(0, text.lastIndexOf('.')))
  return { isAccepted: true, payload, expiresAt: exp * 1000, useHash }
}
