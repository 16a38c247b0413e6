import { Secret } from '@keyhold/contract/secret'
import {
  type Outgoing,
  type OutgoingAnswer,
  OutgoingError,
  type OutgoingRequest,
} from '../../base/outgoing.ts'
import { type Endpoints, endpointsOf, type ProviderKind, type VendorType } from './vendor.ts'

/** A provider as far as calls to it need it. */
export interface VendorAccount {
  readonly type: VendorType
  readonly kind: ProviderKind
  readonly baseUrl: string
  readonly ca: string | null
  readonly clientId: string
  readonly clientSecret: Secret<string>
}

export interface TokenPair {
  readonly access: Secret<string>
  /** null: the token does not end, or cannot be refreshed. */
  readonly refresh: Secret<string> | null
  readonly expiresInSeconds: number | null
  /** null: the answer does not say. */
  readonly scopes: readonly string[] | null
}

export interface RemoteUser {
  readonly login: string
  /** How the API names the account where that is not the login. */
  readonly id: string | null
}

/**
 * Why the provider gave nothing. `grant`: code or token is no longer good, and will not be again; `client`: it does not
 * accept Keyhold's client id and secret; `token`: it does not accept the access token; `scope`: the token may not;
 * `exists`: it has that already; `no-answer`: it did not answer, or with an error of its own.
 */
export type VendorFailure = 'grant' | 'client' | 'token' | 'scope' | 'exists' | 'no-answer'

export class VendorError extends Error {
  readonly failure: VendorFailure
  /** In words, without anything that was sent or answered. */
  readonly reason: string

  constructor(failure: VendorFailure, reason: string) {
    super(reason)
    this.name = 'VendorError'
    this.failure = failure
    this.reason = reason
  }
}

/** A refresh must be over long before its lease is. */
const DEADLINE_MS = 15_000

/** Speaks to the vendors: OAuth, whose account a token is, and GPG keys. Knows no database. */
export class VendorClient {
  readonly #outgoing: Outgoing

  constructor(outgoing: Outgoing) {
    this.#outgoing = outgoing
  }

  /** Exchanges the code of an authorization. @param verifier of PKCE, where the vendor has it. @throws VendorError */
  exchange(
    provider: VendorAccount,
    code: Secret<string>,
    redirectUri: string,
    verifier: Secret<string> | undefined,
  ): Promise<TokenPair> {
    return this.#token(provider, {
      grant_type: 'authorization_code',
      code,
      redirect_uri: redirectUri,
      ...(verifier && { code_verifier: verifier }),
    })
  }

  /** Gets a new pair. A vendor that gives no new refresh token lets the old one live. @throws VendorError */
  async refresh(provider: VendorAccount, refresh: Secret<string>): Promise<TokenPair> {
    const pair = await this.#token(provider, { grant_type: 'refresh_token', refresh_token: refresh })
    return { ...pair, refresh: pair.refresh ?? refresh }
  }

  /** Whose account the token is. @throws VendorError */
  async whoAmI(provider: VendorAccount, token: Secret<string>): Promise<RemoteUser> {
    const { api, product } = endpointsOf(provider)
    // Data Center has no resource for "me"; this is what its own links between products ask.
    const url =
      product === 'bitbucket-data-center'
        ? `${provider.baseUrl}/plugins/servlet/applinks/whoami`
        : `${api}/user`
    const answer = await this.#call(provider, token, { method: 'GET', url })
    if (!answer.isSuccess) throw failureOf(answer)
    const user = record(answer.json)
    const login =
      product === 'bitbucket-data-center'
        ? answer.text.trim()
        : String(user.login ?? user.username ?? user.nickname ?? '')
    // Data Center answers bare text, which a page of HTML is too; names in JSON may hold whatever can be printed.
    const form =
      product === 'bitbucket-data-center'
        ? /^[\p{L}\p{N}_][\p{L}\p{N}._@+~-]{0,199}$/u
        : /^[^\p{Cc}\p{Cs}]{1,200}$/u
    if (!form.test(login)) throw new VendorError('no-answer', 'its answer names no account')
    const id = typeof user.uuid === 'string' && /^\{[\w-]{1,60}\}$/.test(user.uuid) ? user.uuid : null
    return { login, id }
  }

  /**
   * Ends the tokens at the provider. @returns false where the vendor has no way to. @throws VendorError
   */
  async revoke(
    provider: VendorAccount,
    tokens: { access: Secret<string>; refresh: Secret<string> | null },
  ): Promise<boolean> {
    const { api, product } = endpointsOf(provider)
    if (product === 'bitbucket-cloud') return false
    if (product === 'github') {
      // The grant, not the token: a refresh token may outlive its access token.
      const answer = await this.#send(provider, {
        method: 'DELETE',
        url: `${api}/applications/${encodeURIComponent(provider.clientId)}/grant`,
        authorization: basic(provider),
        json: { access_token: tokens.access.reveal() },
      })
      // 404, 422: there is no such grant any more.
      if (!answer.isSuccess && answer.status !== 404 && answer.status !== 422) throw failureOf(answer)
      return true
    }
    const answer = await this.#send(provider, {
      method: 'POST',
      url:
        product === 'gitlab'
          ? `${provider.baseUrl}/oauth/revoke`
          : `${provider.baseUrl}/rest/oauth2/latest/revoke`,
      form: {
        client_id: provider.clientId,
        client_secret: provider.clientSecret,
        token: tokens.refresh ?? tokens.access,
      },
    })
    if (!answer.isSuccess) throw failureOf(answer)
    return true
  }

  /** Registers a public GPG key. @returns how the provider names it. @throws VendorError */
  async addGpgKey(
    provider: VendorAccount,
    token: Secret<string>,
    user: RemoteUser,
    armored: string,
    name: string,
  ): Promise<string> {
    const { api, product } = endpointsOf(provider)
    const answer = await this.#call(provider, token, {
      method: 'POST',
      url: gpgUrl(api, product, user),
      json:
        product === 'github'
          ? { name, armored_public_key: armored }
          : product === 'bitbucket-data-center'
            ? { text: armored }
            : { key: armored },
    })
    if (!answer.isSuccess) throw failureOf(answer)
    const { id, fingerprint } = record(answer.json)
    const remoteId = product.startsWith('bitbucket') ? fingerprint : id
    if (typeof remoteId !== 'string' && typeof remoteId !== 'number')
      throw new VendorError('no-answer', 'its answer names no key')
    if (!/^[\x21-\x7e]{1,200}$/.test(String(remoteId)))
      throw new VendorError('no-answer', 'its answer names no key')
    return String(remoteId)
  }

  /** Removes a key of {@link addGpgKey}. One that is gone already is removed. @throws VendorError */
  async removeGpgKey(
    provider: VendorAccount,
    token: Secret<string>,
    user: RemoteUser,
    remoteId: string,
  ): Promise<void> {
    const { api, product } = endpointsOf(provider)
    const answer = await this.#call(provider, token, {
      method: 'DELETE',
      url: `${gpgUrl(api, product, user)}/${encodeURIComponent(remoteId)}`,
    })
    if (!answer.isSuccess && answer.status !== 404) throw failureOf(answer)
  }

  async #token(
    provider: VendorAccount,
    fields: Readonly<Record<string, string | Secret<string>>>,
  ): Promise<TokenPair> {
    const { token, product } = endpointsOf(provider)
    const isBasic = product === 'bitbucket-cloud'
    const answer = await this.#send(provider, {
      method: 'POST',
      url: token,
      ...(isBasic && { authorization: basic(provider) }),
      form: {
        ...fields,
        ...(!isBasic && { client_id: provider.clientId, client_secret: provider.clientSecret }),
      },
    })
    const body = record(answer.json)
    // GitHub answers 200 to what it refuses.
    if (typeof body.error === 'string') throw tokenFailure(body.error)
    if (!answer.isSuccess) throw failureOf(answer)
    const { access_token: access, refresh_token: refresh, expires_in: expiresIn } = body
    if (typeof access !== 'string' || !isTokenText(access))
      throw new VendorError('no-answer', 'its answer holds no token')
    const scopes = body.scope ?? body.scopes
    return {
      access: new Secret(access),
      refresh: typeof refresh === 'string' && isTokenText(refresh) ? new Secret(refresh) : null,
      expiresInSeconds: toSeconds(expiresIn),
      // GitHub separates by commas, the others by blanks.
      scopes:
        typeof scopes === 'string'
          ? scopes
              .split(/[\s,]+/)
              .filter(isScope)
              .slice(0, SCOPES_MAX)
          : null,
    }
  }

  #call(provider: VendorAccount, token: Secret<string>, request: OutgoingRequest): Promise<OutgoingAnswer> {
    return this.#send(provider, { ...request, authorization: new Secret(`Bearer ${token.reveal()}`) })
  }

  async #send(provider: VendorAccount, request: OutgoingRequest): Promise<OutgoingAnswer> {
    try {
      return await this.#outgoing.send({
        ...request,
        deadlineMs: DEADLINE_MS,
        isPrivateAllowed: provider.kind === 'internal',
        ...(provider.ca !== null && { ca: provider.ca }),
      })
    } catch (error) {
      if (error instanceof OutgoingError) throw new VendorError('no-answer', error.message)
      throw error
    }
  }
}

function gpgUrl(api: string, product: Endpoints['product'], user: RemoteUser): string {
  if (product === 'bitbucket-cloud')
    return `${api}/users/${encodeURIComponent(user.id ?? user.login)}/gpg-keys`
  return product === 'bitbucket-data-center' ? `${api}/gpg/latest/keys` : `${api}/user/gpg_keys`
}

function basic({ clientId, clientSecret }: VendorAccount): Secret<string> {
  return new Secret(`Basic ${Buffer.from(`${clientId}:${clientSecret.reveal()}`).toString('base64')}`)
}

/** Scopes that are kept of an answer, and their form: they are shown in lists and on terminals. */
const SCOPES_MAX = 100
const isScope = (text: string) => /^[\x21-\x7e]{1,100}$/.test(text)

/** What lasts longer than this is not counted: the sum must stay a date, and a whole number, in every database. */
const LIFE_SECONDS_MAX = 10 * 365 * 86_400

/** @returns null for a token that does not end, as for an answer that does not say. */
function toSeconds(expiresIn: unknown): number | null {
  const seconds = Math.ceil(Number(expiresIn))
  return seconds > 0 ? Math.min(seconds, LIFE_SECONDS_MAX) : null
}

/** Printable ASCII: what fits into a header and into git's lines. */
const isTokenText = (text: string) => /^[\x21-\x7e]{1,8192}$/.test(text)

const record = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? { ...value } : {}

function tokenFailure(code: string): VendorError {
  if (['invalid_client', 'unauthorized_client', 'incorrect_client_credentials'].includes(code))
    return new VendorError('client', "it does not accept Keyhold's client id and secret")
  if (code === 'redirect_uri_mismatch')
    return new VendorError('client', 'the OAuth application names another callback URL')
  if (['invalid_grant', 'bad_refresh_token', 'bad_verification_code', 'unverified_user_email'].includes(code))
    return new VendorError('grant', 'it no longer accepts the authorization')
  return new VendorError('no-answer', 'it refused the request')
}

function failureOf(answer: OutgoingAnswer): VendorError {
  const { status } = answer
  if (status === 401) return new VendorError('token', 'it does not accept the token')
  if (status === 403 || status === 404) return new VendorError('scope', 'the token may not do this')
  // GitHub says 422, GitLab and Bitbucket 400 or 409, of a key that somebody has registered.
  if (/already|taken|exists|in use|duplicate/i.test(answer.text) && [400, 409, 422].includes(status))
    return new VendorError('exists', 'the key is registered there already, by you or by somebody else')
  return new VendorError('no-answer', `it answered with status ${status}`)
}

/** When a token ends, in milliseconds; `null`: it does not say. */
export const tokenEndsAt = ({ expiresInSeconds }: TokenPair, now: number) =>
  expiresInSeconds === null ? null : now + expiresInSeconds * 1000
