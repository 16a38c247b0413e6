import { createHmac, generateKeyPairSync, sign } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import Provider, { type KoaContextWithOIDC } from 'oidc-provider'

/*
 * Identity providers on loopback: a real one (the library oidc-provider, certified by the OpenID Foundation), with a proxy
 * before its token endpoint that spoils what it says when a test wants that.
 */

export const CLIENT_ID = 'keyhold'
export const CLIENT_SECRET = 'client-secret-5b1e7a90'

/** What to get wrong in the next ID token. */
export interface Spoiled {
  readonly claims?: Readonly<Record<string, unknown>>
  readonly header?: Readonly<Record<string, unknown>>
  /** `none`: no signature. `foreign`: by a key that the provider does not publish. `hmac`: by the client secret. */
  readonly signature?: 'none' | 'foreign' | 'hmac'
}

/** Who signs in at the provider, and what it says of them. */
export interface Someone {
  readonly sub: string
  readonly email?: string
  readonly email_verified?: boolean
  readonly name?: string
  readonly groups?: readonly string[]
}

const signing = generateKeyPairSync('rsa', { modulusLength: 2048 })
const foreign = generateKeyPairSync('rsa', { modulusLength: 2048 })
const KID = 'the-key'

export class TestProvider {
  readonly issuer: string
  readonly #server: Server
  /** Who has a session in the browser there; what it says is asked for at each sign-in. */
  someone: Someone = { sub: 'sub-1' }
  spoiled: Spoiled | undefined
  /** Everything is answered with that status. */
  status: number | undefined
  /** Query of the last authorization request. */
  asked = new URLSearchParams()

  private constructor(server: Server, issuer: string) {
    this.#server = server
    this.issuer = issuer
  }

  /** @param redirectUris what is registered there, exactly. */
  static async start(redirectUris: () => string[]): Promise<TestProvider> {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number } // `as`: it listens on TCP.
    const own = new TestProvider(server, `http://127.0.0.1:${port}`)
    let handler: ((request: IncomingMessage, response: ServerResponse) => void) | undefined
    let registered = ''
    server.on('request', (request, response) => {
      if (own.status !== undefined) return void response.writeHead(own.status).end()
      // The registration comes after the start: the redirect URI has an id that the server makes.
      const uris = redirectUris()
      if (!handler || registered !== uris.join()) {
        registered = uris.join()
        handler = own.#provider(uris).callback()
      }
      const url = new URL(request.url ?? '/', own.issuer)
      if (url.pathname === '/auth') own.asked = url.searchParams
      if (url.pathname === '/token' && own.spoiled) own.#spoil(response)
      handler(request, response)
    })
    return own
  }

  #provider(redirectUris: string[]): Provider {
    const jwk = { ...signing.privateKey.export({ format: 'jwk' }), kid: KID, use: 'sig', alg: 'RS256' }
    const provider = new Provider(this.issuer, {
      clients: [
        {
          client_id: CLIENT_ID,
          client_secret: CLIENT_SECRET,
          redirect_uris: redirectUris,
          response_types: ['code'],
          grant_types: ['authorization_code'],
        },
      ],
      jwks: { keys: [jwk] } as never, // `as`: its type wants each kind of key by itself.
      cookies: { keys: ['a test'] },
      claims: { email: ['email', 'email_verified'], profile: ['name', 'groups'] },
      conformIdTokenClaims: false,
      acrValues: ['urn:test:two-factors'],
      features: { devInteractions: { enabled: false } },
      pkce: { required: () => true },
      interactions: { url: (_ctx: unknown, { uid }: { uid: string }) => `/interaction/${uid}` },
      findAccount: async (_ctx: unknown, sub: string) => ({
        accountId: sub,
        claims: async () => ({ ...this.someone, sub }),
      }),
      // Whoever comes agrees to everything.
      loadExistingGrant: async (ctx: KoaContextWithOIDC) => {
        const grant = new ctx.oidc.provider.Grant({
          clientId: ctx.oidc.client!.clientId, // `!`: there is one in an authorization request.
          accountId: ctx.oidc.session!.accountId!, // `!`: and somebody who has just signed in.
        })
        grant.addOIDCScope('openid email profile')
        await grant.save()
        return grant
      },
    } as never) // `as`: the types of its options are older than the options.
    provider.use(async (ctx, next) => {
      if (!ctx.path.startsWith('/interaction/')) return next()
      const login = { accountId: this.someone.sub }
      await provider.interactionFinished(ctx.req, ctx.res, { login }, { mergeWithLastSubmission: false })
      ctx.respond = false
    })
    return provider
  }

  /** Puts another ID token in the place of the one that the provider is about to answer. */
  #spoil(response: ServerResponse): void {
    const spoiled = this.spoiled!
    const end = response.end.bind(response)
    const spoil = (body: unknown) => {
      const answer = JSON.parse(String(body)) as { id_token?: string } // `as`: a token answer.
      if (answer.id_token === undefined) return String(body)
      const [head = '', payload = ''] = answer.id_token.split('.')
      const decode = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString()) as object
      const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
      const { signature } = spoiled
      const header = {
        ...decode(head),
        ...(signature === 'none' && { alg: 'none' }),
        ...(signature === 'hmac' && { alg: 'HS256' }),
        ...spoiled.header,
      }
      const text = `${encode(header)}.${encode({ ...decode(payload), ...spoiled.claims })}`
      const bytes =
        signature === 'none'
          ? Buffer.alloc(0)
          : signature === 'hmac'
            ? createHmac('sha256', CLIENT_SECRET).update(text).digest()
            : sign('sha256', Buffer.from(text), (signature === 'foreign' ? foreign : signing).privateKey)
      return JSON.stringify({ ...answer, id_token: `${text}.${bytes.toString('base64url')}` })
    }
    response.end = ((body: unknown) => {
      const text = spoil(body)
      response.setHeader('content-length', Buffer.byteLength(text))
      return end(text)
    }) as typeof response.end // `as`: called with a body alone.
  }

  /** A browser that goes where it is sent, with cookies, until it is sent to another site. @returns that address. */
  async visit(authorizationUrl: string, jar = new Map<string, string>()): Promise<URL> {
    let url = new URL(authorizationUrl)
    for (let i = 0; i < 10; i++) {
      const response = await fetch(url, {
        redirect: 'manual',
        headers: { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; ') },
      })
      for (const cookie of response.headers.getSetCookie()) {
        const [pair = ''] = cookie.split(';')
        const equals = pair.indexOf('=')
        jar.set(pair.slice(0, equals), pair.slice(equals + 1))
      }
      const location = response.headers.get('location')
      if (location === null)
        throw new Error(`the provider answered ${response.status}: ${(await response.text()).slice(0, 300)}`)
      url = new URL(location, url)
      if (url.origin !== this.issuer) return url
    }
    throw new Error('sent around in circles')
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    if (this.#server.listening) await once(this.#server, 'close')
  }
}
