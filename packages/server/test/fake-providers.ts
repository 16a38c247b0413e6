// GitHub, GitLab and Bitbucket, cloud and self-hosted, as far as they are asked: strict about the protocol, and able to
// fail on purpose. One local server plays all of them; `internet` leads every call there and remembers where it went.
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { type AddressInfo, BlockList } from 'node:net'
import { Outgoing, type OutgoingAnswer, OutgoingError, type OutgoingRequest } from '../src/base/outgoing.ts'

export type Product = 'github' | 'gitlab' | 'bitbucket-cloud' | 'bitbucket-data-center'

const loopback = new BlockList()
loopback.addAddress('127.0.0.1')

/** The way out of the server under test. Origins nobody plays do not exist. */
class FakeInternet extends Outgoing {
  /** Origin and path of every call, in order. */
  readonly calls: string[] = []
  readonly origins = new Map<string, FakeProvider>()
  /** The CA that the last call was to be trusted by. */
  lastCa: string | undefined
  port = 0

  constructor() {
    super(loopback)
  }

  override async send(request: OutgoingRequest): Promise<OutgoingAnswer> {
    const url = new URL(request.url)
    this.lastCa = request.ca
    this.calls.push(`${request.method} ${url.origin}${url.pathname}`)
    if (!this.origins.has(url.origin)) throw new OutgoingError('unresolved')
    const local = `http://127.0.0.1:${this.port}${url.pathname}${url.search}`
    return super.send({ ...request, url: local, headers: { ...request.headers, 'x-origin': url.origin } })
  }
}

interface Grant {
  readonly user: string
  readonly scopes: readonly string[]
  refresh: string | undefined
  /** GitLab's: accepted until the new access token was used. */
  previousRefresh: string | undefined
  expiresAt: number | undefined
  isRevoked: boolean
}

export interface Reply {
  readonly status: number
  readonly body: unknown
}

const json = (status: number, body: unknown): Reply => ({ status, body })
const random = (prefix: string) => `${prefix}${randomBytes(18).toString('hex')}`

/** One provider with its OAuth application and accounts. */
export class FakeProvider {
  readonly product: Product
  readonly base: string
  readonly clientId = random('client')
  clientSecret = random('clientsecret')
  /** What the application has registered, exactly. */
  redirectUri = ''
  /** What the next authorization grants; undefined: what was asked for. */
  grantedScopes: readonly string[] | undefined
  /** GitHub: an OAuth App, whose tokens do not end; otherwise a GitHub App. */
  isOauthApp = false
  /** Answers in place of the real one, by path; `'silence'` is no answer. */
  readonly failures = new Map<RegExp, Reply | 'silence'>()
  /** Awaited after a token was made and before it is answered. */
  beforeTokenAnswer: () => Promise<void> = async () => {}
  readonly tokens = new Map<string, Grant>()
  readonly gpgKeys = new Map<string, { user: string; key: string }>()
  /** Token requests by grant type. */
  readonly counts = { authorization_code: 0, refresh_token: 0, revoked: 0 }
  readonly #codes = new Map<
    string,
    { user: string; redirectUri: string; challenge: string | null; scopes: string[]; isUsed: boolean }
  >()
  readonly #usedRefresh = new Map<string, Grant>()

  constructor(product: Product, base: string) {
    this.product = product
    this.base = base
  }

  get #usesPkce(): boolean {
    return this.product !== 'bitbucket-cloud'
  }

  get authorizePath(): string {
    const { product } = this
    if (product === 'github') return '/login/oauth/authorize'
    if (product === 'gitlab') return '/oauth/authorize'
    return product === 'bitbucket-cloud' ? '/site/oauth2/authorize' : '/rest/oauth2/latest/authorize'
  }

  /** What the browser of `user` does with the address: the person says yes. @returns where it is sent back to. */
  authorize(address: string, user: string): URL {
    const url = new URL(address)
    const get = (name: string) => url.searchParams.get(name)
    if (url.origin + url.pathname !== this.base + this.authorizePath)
      throw new Error(`not the authorize page: ${url.origin}${url.pathname}`)
    if (get('client_id') !== this.clientId || get('response_type') !== 'code') throw new Error('bad request')
    // "redirect URI is not valid", to the letter.
    if (get('redirect_uri') !== this.redirectUri) throw new Error('redirect_uri_mismatch')
    if (url.searchParams.has('code_verifier')) throw new Error('the verifier is in the URL')
    const challenge = get('code_challenge')
    if (this.#usesPkce && (challenge?.length !== 43 || get('code_challenge_method') !== 'S256'))
      throw new Error('no PKCE')
    const code = random('code')
    this.#codes.set(code, {
      user,
      redirectUri: this.redirectUri,
      challenge,
      scopes: get('scope')?.split(' ') ?? ['account', 'repository:write'],
      isUsed: false,
    })
    const back = new URL(this.redirectUri)
    back.searchParams.set('code', code)
    back.searchParams.set('state', get('state') ?? '')
    return back
  }

  /** Ends all access tokens that are still good, as time would. */
  revokeAll(): void {
    for (const grant of this.tokens.values()) grant.isRevoked = true
  }

  async answer(request: IncomingMessage, path: string, body: string): Promise<Reply> {
    const at = path.slice(new URL(this.base).pathname.replace(/\/$/, '').length)
    const key = `${request.method} ${at}`
    switch (this.product) {
      case 'github':
        if (key === 'POST /login/oauth/access_token') return this.#token(request, body)
        // The cloud's API has a host of its own.
        return this.#github(request, key.replace(' /api/v3', ' '), body)
      case 'gitlab':
        if (key === 'POST /oauth/token') return this.#token(request, body)
        if (key === 'POST /oauth/revoke') return this.#revoke(body)
        return this.#resource(request, key.replace('/api/v4', ''), body)
      case 'bitbucket-cloud':
        if (key === 'POST /site/oauth2/access_token') return this.#token(request, body)
        return this.#resource(request, key.replace('/2.0', ''), body)
      case 'bitbucket-data-center':
        if (key === 'POST /rest/oauth2/latest/token') return this.#token(request, body)
        if (key === 'POST /rest/oauth2/latest/revoke') return this.#revoke(body)
        return this.#resource(request, key, body)
    }
  }

  #isClient(request: IncomingMessage, fields: URLSearchParams): boolean {
    if (this.product === 'bitbucket-cloud') return request.headers.authorization === this.#basic()
    return fields.get('client_id') === this.clientId && fields.get('client_secret') === this.clientSecret
  }

  #basic(): string {
    return `Basic ${Buffer.from(`${this.clientId}:${this.clientSecret}`).toString('base64')}`
  }

  /** GitHub refuses with 200. */
  #refuse(github: string, standard: string): Reply {
    return this.product === 'github'
      ? json(200, { error: github, error_description: 'no' })
      : json(standard === 'invalid_client' ? 401 : 400, { error: standard, error_description: 'no' })
  }

  async #token(request: IncomingMessage, body: string): Promise<Reply> {
    const fields = new URLSearchParams(body)
    const type = fields.get('grant_type')
    if (type === 'authorization_code' || type === 'refresh_token') this.counts[type] += 1
    if (!this.#isClient(request, fields))
      return this.#refuse('incorrect_client_credentials', 'invalid_client')
    if (type === 'authorization_code') {
      const code = this.#codes.get(fields.get('code') ?? '')
      const refused = this.#refuse('bad_verification_code', 'invalid_grant')
      if (!code || code.isUsed || fields.get('redirect_uri') !== code.redirectUri) return refused
      code.isUsed = true
      if (code.challenge !== null) {
        const verifier = createHash('sha256').update(fields.get('code_verifier') ?? '')
        if (verifier.digest('base64url') !== code.challenge) return refused
      }
      const scopes = this.grantedScopes ?? code.scopes
      const reply = this.#issue(code.user, scopes, undefined)
      await this.beforeTokenAnswer()
      return reply
    }
    const given = fields.get('refresh_token') ?? ''
    const refused = this.#refuse('bad_refresh_token', 'invalid_grant')
    const found = [...this.tokens].find(([, grant]) => grant.refresh === given && !grant.isRevoked)
    if (!found) {
      // Used before: GitLab accepts it until the new access token was used; whoever reuses it later ends all.
      const reused = this.#usedRefresh.get(given)
      if (reused && this.product === 'gitlab' && reused.previousRefresh === given && !reused.isRevoked)
        return this.#issue(reused.user, reused.scopes, given)
      if (reused) reused.isRevoked = true
      return refused
    }
    const [access, old] = found
    if (this.product !== 'bitbucket-cloud') {
      // GitHub ends the old access token at once.
      if (this.product !== 'gitlab') this.tokens.delete(access)
      old.refresh = undefined
    }
    const reply = this.#issue(old.user, old.scopes, given)
    await this.beforeTokenAnswer()
    return reply
  }

  #issue(user: string, scopes: readonly string[], from: string | undefined): Reply {
    const { product } = this
    const access = random('access')
    const ends = !(product === 'github' && this.isOauthApp)
    const refresh = !ends ? undefined : product === 'bitbucket-cloud' && from ? from : random('refresh')
    const seconds = product === 'github' ? 28_800 : 7_200
    const grant: Grant = {
      user,
      scopes,
      refresh,
      previousRefresh: from,
      expiresAt: ends ? Date.now() + seconds * 1000 : undefined,
      isRevoked: false,
    }
    this.tokens.set(access, grant)
    if (from) this.#usedRefresh.set(from, grant)
    return json(200, {
      access_token: access,
      token_type: 'bearer',
      ...(ends && { expires_in: seconds, refresh_token: refresh }),
      // A GitHub App's tokens have permissions, not scopes; Bitbucket says `scopes`.
      ...(product === 'bitbucket-cloud'
        ? { scopes: scopes.join(' ') }
        : { scope: product === 'github' ? (this.isOauthApp ? scopes.join(',') : '') : scopes.join(' ') }),
    })
  }

  #revoke(body: string): Reply {
    const fields = new URLSearchParams(body)
    if (fields.get('client_id') !== this.clientId || fields.get('client_secret') !== this.clientSecret)
      return json(403, { error: 'unauthorized_client' })
    const token = fields.get('token')
    for (const [access, grant] of this.tokens) {
      if (access !== token && grant.refresh !== token) continue
      grant.isRevoked = true
      this.counts.revoked += 1
    }
    return json(200, {})
  }

  #grantOf(request: IncomingMessage): Grant | undefined {
    const access = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? ''
    const grant = this.tokens.get(access)
    if (!grant || grant.isRevoked) return undefined
    // From now on the refresh token before is no longer accepted.
    grant.previousRefresh = undefined
    return grant
  }

  #github(request: IncomingMessage, key: string, body: string): Reply {
    if (key === `DELETE /applications/${this.clientId}/grant`) {
      if (request.headers.authorization !== this.#basic()) return json(401, { message: 'Bad credentials' })
      const grant = this.tokens.get(JSON.parse(body).access_token)
      if (!grant) return json(404, { message: 'Not Found' })
      for (const one of this.tokens.values()) if (one.user === grant.user) one.isRevoked = true
      this.counts.revoked += 1
      return json(204, undefined)
    }
    return this.#resource(request, key, body)
  }

  #resource(request: IncomingMessage, key: string, body: string): Reply {
    const grant = this.#grantOf(request)
    if (!grant) return json(401, { message: 'Bad credentials' })
    const { user } = grant
    switch (key) {
      case 'GET /user':
        return json(
          200,
          this.product === 'github'
            ? { login: user }
            : { username: user, ...(this.product === 'bitbucket-cloud' && { uuid: `{${user}}` }) },
        )
      case 'GET /plugins/servlet/applinks/whoami':
        return json(200, user)
    }
    const path = {
      github: ' /user/gpg_keys',
      gitlab: ' /user/gpg_keys',
      'bitbucket-cloud': ` /users/${encodeURIComponent(`{${user}}`)}/gpg-keys`,
      'bitbucket-data-center': ' /rest/gpg/latest/keys',
    }[this.product]
    if (!key.includes(path)) return json(404, { message: 'Not Found' })
    const mayWrite = { github: 'write:gpg_key', gitlab: 'api', 'bitbucket-cloud': 'account:write' }
    const needed = this.product === 'bitbucket-data-center' ? 'ACCOUNT_WRITE' : mayWrite[this.product]
    // GitHub hides what a token may not see.
    if (!grant.scopes.includes(needed))
      return json(this.product === 'github' ? 404 : 403, { message: 'Forbidden' })
    if (key === `POST${path}`) {
      const sent = JSON.parse(body)
      const key = sent.armored_public_key ?? sent.key ?? sent.text
      if ([...this.gpgKeys.values()].some((one) => one.key === key))
        return json(this.product === 'github' ? 422 : 400, { message: 'key_id already exists' })
      const id = String(1000 + this.gpgKeys.size)
      this.gpgKeys.set(id, { user, key })
      return json(201, this.product.startsWith('bitbucket') ? { fingerprint: id } : { id: Number(id) })
    }
    const id = key.slice(`DELETE${path}/`.length)
    return this.gpgKeys.delete(id) ? json(204, undefined) : json(404, { message: 'Not Found' })
  }
}

export class FakeProviders {
  readonly internet = new FakeInternet()
  readonly #server: Server

  private constructor() {
    this.#server = createServer(async (request, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      const path = request.url ?? '/'
      const provider = this.internet.origins.get(String(request.headers['x-origin']))!
      const failure = [...provider.failures].find(([pattern]) => pattern.test(path))?.[1]
      if (failure === 'silence') return
      const { status, body: answer } = failure ?? (await provider.answer(request, path, body))
      const text = typeof answer === 'string' ? answer : answer === undefined ? '' : JSON.stringify(answer)
      response.writeHead(status, { 'content-type': 'application/json' }).end(text)
    })
  }

  static async start(): Promise<FakeProviders> {
    const fake = new FakeProviders()
    fake.#server.listen(0, '127.0.0.1')
    await once(fake.#server, 'listening')
    fake.internet.port = (fake.#server.address() as AddressInfo).port // `as`: it listens on TCP.
    return fake
  }

  /** Adds a provider. A base URL of its own makes it self-hosted. */
  add(product: Product, base?: string): FakeProvider {
    const clouds: Partial<Record<Product, string[]>> = {
      github: ['https://github.com', 'https://api.github.com'],
      gitlab: ['https://gitlab.com'],
      'bitbucket-cloud': ['https://bitbucket.org', 'https://api.bitbucket.org'],
    }
    const origins = base === undefined ? clouds[product]! : [new URL(base).origin]
    const provider = new FakeProvider(product, base ?? origins[0]!)
    for (const origin of origins) this.internet.origins.set(origin, provider)
    return provider
  }

  stop(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }
}
