import { createHmac } from 'node:crypto'
import { Secret } from '@keyhold/contract/secret'
import type { Configuration } from 'openid-client'
import { type Outgoing, OutgoingError } from '../base/outgoing.ts'
import type { Claims, IdentityProvider } from './identity-provider.ts'

/*
 * OpenID Connect Core 1.0 with the authorization code flow, PKCE (RFC 7636) and the check of who answers (RFC 9207). The
 * protocol is openid-client's; which of its freedoms are used is said here.
 */

/** Signatures with a public key only: with a shared secret, or none, whoever sees a token could make one. */
const ALGORITHMS: ReadonlySet<unknown> = new Set([
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
])
const CLOCK_TOLERANCE_S = 30
/** How long what a provider says of itself is believed. */
const METADATA_MS = 10 * 60_000
const DEADLINE_MS = 10_000
const PROVIDERS_MAX = 50

/** A provider that did not answer, or not as it should. The message is for people, and quotes nothing. */
export class OidcError extends Error {
  readonly kind: 'unavailable' | 'refused' | 'declined'

  constructor(kind: OidcError['kind'], message: string) {
    super(message)
    this.name = 'OidcError'
    this.kind = kind
  }
}

interface Known {
  readonly config: Configuration
  readonly version: string
  readonly until: number
}

/** What is derived from a state instead of being kept: nobody without the server's key can make the two from it. */
interface Derived {
  readonly nonce: string
  readonly verifier: string
}

/** Talks with identity providers. */
export class OidcClient {
  readonly #outgoing: Outgoing
  readonly #key: Buffer
  readonly #known = new Map<string, Known>()

  /** @param key of nonces and PKCE verifiers. */
  constructor(outgoing: Outgoing, key: Buffer) {
    this.#outgoing = outgoing
    this.#key = key
  }

  #derive(state: string): Derived {
    const of = (what: string) =>
      createHmac('sha256', this.#key).update(`${what}:${state}`).digest('base64url')
    return { nonce: of('nonce'), verifier: of('pkce') }
  }

  /** Where to send a browser. @param isFresh the person has to prove there anew who they are. @throws OidcError */
  async authorizationUrl(
    provider: IdentityProvider,
    secret: Secret<string>,
    wish: { readonly redirectUri: string; readonly state: string; readonly isFresh: boolean },
  ): Promise<string> {
    const client = await import('openid-client')
    const config = await this.configuration(provider, secret)
    const { nonce, verifier } = this.#derive(wish.state)
    return client.buildAuthorizationUrl(config, {
      redirect_uri: wish.redirectUri,
      scope: [...new Set(['openid', ...provider.scopes])].join(' '),
      state: wish.state,
      nonce,
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      ...(provider.trustedAcr.length > 0 && { acr_values: provider.trustedAcr.join(' ') }),
      ...(wish.isFresh && { max_age: '0', prompt: 'login' }),
    }).href
  }

  /**
   * Exchanges what a browser brought back for what the provider says of the person.
   * @param answer the query of the redirect. @throws OidcError
   */
  async exchange(
    provider: IdentityProvider,
    secret: Secret<string>,
    wish: { readonly redirectUri: string; readonly state: string; readonly answer: Record<string, string> },
  ): Promise<Claims & { readonly sub: string }> {
    const client = await import('openid-client')
    const config = await this.configuration(provider, secret)
    const { nonce, verifier } = this.#derive(wish.state)
    const url = new URL(wish.redirectUri)
    url.search = new URLSearchParams(wish.answer).toString()
    try {
      const tokens = await client.authorizationCodeGrant(config, url, {
        expectedState: wish.state,
        expectedNonce: nonce,
        pkceCodeVerifier: verifier,
        idTokenExpected: true,
      })
      // `!`: idTokenExpected.
      if (!ALGORITHMS.has(algorithmOf(tokens.id_token!)))
        throw new OidcError('refused', 'its token is signed in a way that Keyhold does not accept')
      const claims = tokens.claims()!
      // §2: at most 255 ASCII characters; what is none is not stored.
      if (!/^[\x20-\x7e]{1,255}$/.test(claims.sub))
        throw new OidcError('refused', 'its name for you is not as it has to be')
      const { requiredClaim } = provider
      const isAllThere =
        typeof claims.email === 'string' && (!requiredClaim || Object.hasOwn(claims, requiredClaim.name))
      if (isAllThere || config.serverMetadata().userinfo_endpoint === undefined) return claims
      // What the token says is signed, and stands before what the endpoint says.
      return { ...(await client.fetchUserInfo(config, tokens.access_token, claims.sub)), ...claims }
    } catch (error) {
      throw toOidcError(error)
    }
  }

  /** What a provider says of itself, asked once in a while. @throws OidcError */
  async configuration(provider: IdentityProvider, secret: Secret<string>): Promise<Configuration> {
    const version = `${provider.clientId} ${provider.secretVersion}`
    const known = this.#known.get(provider.id)
    // By the machine's own clock: it is about how old an answer is, not about what time it is.
    if (known && known.version === version && known.until > performance.now()) return known.config
    const config = await this.#discover(provider, secret).catch((error: unknown) => {
      throw toOidcError(error)
    })
    if (this.#known.size >= PROVIDERS_MAX) this.#known.clear()
    this.#known.set(provider.id, { config, version, until: performance.now() + METADATA_MS })
    return config
  }

  /** @returns how many keys a provider publishes to check its signatures with; 0 when it publishes no set. */
  async countKeys(jwksUri: string | undefined): Promise<number> {
    if (jwksUri === undefined) return 0
    const answer = await this.fetch(jwksUri, { method: 'GET', headers: {} }).catch((error: unknown) => {
      throw toOidcError(error)
    })
    const set = (await answer.json().catch(() => undefined)) as { keys?: unknown } | undefined // `as`: any JSON may be looked at so.
    return Array.isArray(set?.keys) ? set.keys.length : 0
  }

  async #discover(provider: IdentityProvider, secret: Secret<string>): Promise<Configuration> {
    const client = await import('openid-client')
    const send = (url: string, options: Parameters<typeof this.fetch>[1]) => this.fetch(url, options)
    const found = await client.discovery(
      new URL(provider.issuer),
      provider.clientId,
      undefined,
      client.None(),
      {
        [client.customFetch]: send,
        timeout: DEADLINE_MS / 1000,
        // Which addresses may be plain HTTP is the business of Outgoing: those that the operator has named.
        execute: [client.allowInsecureRequests],
      },
    )
    const metadata = found.serverMetadata()
    // The library lets a template of Entra pass: then any organisation of theirs could say who somebody is.
    if (metadata.issuer !== provider.issuer)
      throw new OidcError(
        'unavailable',
        `it calls itself by another issuer than the one that is registered; register the issuer exactly as it writes it`,
      )
    const methods = metadata.token_endpoint_auth_methods_supported ?? ['client_secret_basic']
    const authentication = methods.includes('client_secret_basic')
      ? client.ClientSecretBasic(secret.reveal())
      : client.ClientSecretPost(secret.reveal())
    const settings = { [client.clockTolerance]: CLOCK_TOLERANCE_S }
    const config = new client.Configuration(metadata, provider.clientId, settings, authentication)
    config[client.customFetch] = send
    config.timeout = DEADLINE_MS / 1000
    client.allowInsecureRequests(config)
    // Also tokens that came over TLS have to be signed, by a key of the provider's own set.
    client.enableNonRepudiationChecks(config)
    return config
  }

  /** `fetch` as the library wants it, by the way out that keeps to its rules. */
  async fetch(
    url: string,
    options: { method: string; headers: Record<string, string>; body?: unknown },
  ): Promise<Response> {
    const { authorization, 'content-type': _form, ...headers } = options.headers
    const answer = await this.#outgoing.send({
      // `as`: the library sends no others.
      method: options.method as 'GET' | 'POST',
      url,
      headers,
      ...(authorization !== undefined && { authorization: new Secret(authorization) }),
      ...(options.body instanceof URLSearchParams && { form: Object.fromEntries(options.body) }),
      // An administrator says where it is.
      isPrivateAllowed: true,
      deadlineMs: DEADLINE_MS,
    })
    const type = answer.headers['content-type']
    return new Response(answer.text || null, {
      status: answer.status,
      headers: { ...(type !== undefined && { 'content-type': type }) },
    })
  }
}

function algorithmOf(jwt: string): unknown {
  const [header = ''] = jwt.split('.')
  // It was parsed before by the library.
  return (JSON.parse(Buffer.from(header, 'base64url').toString('utf8')) as { alg?: unknown }).alg // `as`: an object.
}

/** What the library's errors mean for people. Their own texts and causes quote what was sent. */
function toOidcError(error: unknown): OidcError {
  if (error instanceof OidcError) return error
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause)
    if (cause instanceof OutgoingError)
      return new OidcError('unavailable', `it cannot be asked: ${cause.message}`)
  // `as`: what is missing is undefined.
  const { code, error: answer } = error as { code?: unknown; error?: unknown }
  if (answer === 'access_denied') return new OidcError('declined', 'you declined')
  if (answer === 'invalid_client' || answer === 'unauthorized_client')
    return new OidcError(
      'refused',
      'it does not accept the client ID and client secret that are registered here',
    )
  const known = typeof code === 'string' && /^[A-Z_]{3,60}$/.test(code) ? ` (${code})` : ''
  return new OidcError('refused', `its answer is not as it has to be${known}`)
}
