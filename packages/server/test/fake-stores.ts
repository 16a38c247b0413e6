// HashiCorp Vault, AWS Secrets Manager and Azure Key Vault, as far as they are asked: strict about the protocol, and able to
// fail on purpose. One local server plays all of them; `internet` leads every call there.
import { createHash, createHmac, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { type AddressInfo, BlockList } from 'node:net'
import { Outgoing, type OutgoingAnswer, OutgoingError, type OutgoingRequest } from '../src/base/outgoing.ts'

const loopback = new BlockList()
loopback.addAddress('127.0.0.1')

export interface Reply {
  readonly status: number
  readonly body: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** A request as a store sees it. */
export interface StoreRequest {
  readonly method: string
  readonly path: string
  readonly query: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** In place of its answers. `hang`: none; `drop`: the connection ends. */
export type Failure = Reply | 'hang' | 'drop'

export abstract class FakeStore {
  readonly requests: StoreRequest[] = []
  failure: Failure | undefined
  abstract answer(request: StoreRequest): Reply
}

const random = (prefix: string) => `${prefix}${randomBytes(16).toString('hex')}`
const vaultError = (status: number, ...errors: string[]): Reply => ({ status, body: { errors } })

/** Vault or OpenBao with key-value engines and AppRole. */
export class FakeVault extends FakeStore {
  readonly origin = 'https://vault.corp.example:8200'
  token = random('hvs.')
  readonly roleId = random('role-')
  secretId = random('sid-')
  /** What AppRole gave out and was not revoked. */
  readonly leases = new Set<string>()
  /** By namespace, mount and path. */
  readonly kv2 = new Map<string, { data: object | null; deletedAt: string }>()
  readonly kv1 = new Map<string, object>()
  /** Paths that the token may not read. */
  readonly forbidden = new Set<string>()

  answer({ method, path, headers, body }: StoreRequest): Reply {
    const namespace = headers['x-vault-namespace']
    const prefix = namespace === undefined ? '' : `${namespace}/`
    if (headers['x-vault-request'] !== 'true') return vaultError(400, 'missing X-Vault-Request')
    if (method === 'POST' && path.endsWith('/login')) {
      const { role_id, secret_id } = JSON.parse(body)
      if (role_id !== this.roleId || secret_id !== this.secretId)
        return vaultError(400, 'invalid role or secret ID')
      const token = random('hvs.approle.')
      this.leases.add(token)
      return { status: 200, body: { auth: { client_token: token, lease_duration: 3600 }, data: null } }
    }
    const token = String(headers['x-vault-token'])
    if (token !== this.token && !this.leases.has(token)) return vaultError(403, 'permission denied')
    if (method === 'POST' && path === '/v1/auth/token/revoke-self') {
      this.leases.delete(token)
      return { status: 204, body: undefined }
    }
    if (method !== 'GET') return vaultError(405, 'unsupported operation')
    if (path === '/v1/auth/token/lookup-self')
      return { status: 200, body: { data: { id: token, ttl: 3600 } } }
    const place = prefix + path.slice('/v1/'.length)
    if (this.forbidden.has(place)) return vaultError(403, '1 error occurred:\n\t* permission denied\n\n')
    const first = this.kv1.get(place)
    if (first) return { status: 200, body: { lease_duration: 2764800, data: first } }
    const second = this.kv2.get(place)
    if (!second) return vaultError(404)
    const { data, deletedAt } = second
    const metadata = { version: 3, deletion_time: deletedAt, destroyed: false }
    // A deleted version is 404 with a body (api-docs/secret/kv/kv-v2, Read secret version).
    return { status: data === null ? 404 : 200, body: { data: { data, metadata } } }
  }
}

const awsError = (status: number, type: string): Reply => ({
  status,
  headers: { 'x-amzn-errortype': type, 'content-type': 'application/x-amz-json-1.1' },
  body: { __type: type, message: `this is ${type}` },
})

/** Secrets Manager of one region. Looks at signatures as AWS does (Signature Version 4). */
export class FakeAws extends FakeStore {
  readonly origin = 'https://secretsmanager.eu-central-1.amazonaws.com'
  readonly accessKeyId = `AKIA${randomBytes(8).toString('hex').toUpperCase()}`
  secretAccessKey = random('aws')
  readonly secrets = new Map<string, string | Uint8Array>()
  readonly forbidden = new Set<string>()

  answer(request: StoreRequest): Reply {
    const { method, path, headers, body } = request
    const isAsked =
      method === 'POST' && path === '/' && headers['content-type'] === 'application/x-amz-json-1.1'
    if (!isAsked || headers['x-amz-target'] !== 'secretsmanager.GetSecretValue')
      return awsError(400, 'UnknownOperationException')
    const authorization = String(headers.authorization)
    const scope = `/eu-central-1/secretsmanager/aws4_request`
    const credential = /Credential=([^/]+)\/(\d{8})(\/[^,]+)/.exec(authorization)
    if (!credential) return awsError(400, 'MissingAuthenticationToken')
    const [, id, date = '', rest] = credential
    if (id !== this.accessKeyId || rest !== scope) return awsError(400, 'UnrecognizedClientException')
    if (!authorization.includes(`Signature=${this.#signature(request, date, scope)}`))
      return awsError(400, 'InvalidSignatureException')
    const { SecretId: name } = JSON.parse(body)
    if (this.forbidden.has(name)) return awsError(400, 'AccessDeniedException')
    const value = this.secrets.get(name)
    if (value === undefined) return awsError(400, 'ResourceNotFoundException')
    const content =
      typeof value === 'string'
        ? { SecretString: value }
        : { SecretBinary: Buffer.from(value).toString('base64') }
    return { status: 200, body: { Name: name, VersionId: randomBytes(16).toString('hex'), ...content } }
  }

  #signature({ method, path, query, headers, body }: StoreRequest, date: string, scope: string): string {
    const [, signed = ''] = /SignedHeaders=([^,]+)/.exec(String(headers.authorization)) ?? []
    for (const needed of ['host', 'x-amz-date', 'x-amz-target'])
      if (!signed.split(';').includes(needed)) return `without ${needed}`
    const hash = (text: string) => createHash('sha256').update(text).digest('hex')
    const lines = signed.split(';').map((name) => `${name}:${String(headers[name]).trim()}\n`)
    const canonical = [method, path, query, lines.join(''), signed, hash(body)].join('\n')
    const text = ['AWS4-HMAC-SHA256', headers['x-amz-date'], date + scope, hash(canonical)].join('\n')
    const hmac = (key: string | Buffer, data: string) => createHmac('sha256', key).update(data).digest()
    const parts = [date, 'eu-central-1', 'secretsmanager', 'aws4_request']
    return hmac(parts.reduce<string | Buffer>(hmac, `AWS4${this.secretAccessKey}`), text).toString('hex')
  }
}

/** The token service of Azure, for one vault. */
export class FakeEntra extends FakeStore {
  readonly origin = 'https://login.microsoftonline.com'
  readonly tenantId = '72f988bf-86f1-41af-91ab-2d7cd011db47'
  readonly clientId = '04b07795-8ddb-461a-bbee-02f9e1bf7b46'
  clientSecret = random('aad')
  readonly tokens = new Set<string>()

  answer({ method, path, body }: StoreRequest): Reply {
    const form = new URLSearchParams(body)
    const isAsked = method === 'POST' && path === `/${this.tenantId}/oauth2/v2.0/token`
    if (!isAsked || form.get('grant_type') !== 'client_credentials')
      return { status: 400, body: { error: 'invalid_request' } }
    if (form.get('client_id') !== this.clientId || form.get('client_secret') !== this.clientSecret)
      return { status: 401, body: { error: 'invalid_client' } }
    if (form.get('scope') !== 'https://vault.azure.net/.default')
      return { status: 400, body: { error: 'invalid_scope' } }
    const token = random('eyJ')
    this.tokens.add(token)
    return { status: 200, body: { token_type: 'Bearer', expires_in: 3599, access_token: token } }
  }
}

/** One key vault. Without a token it says where one is to be had. */
export class FakeAzure extends FakeStore {
  readonly origin = 'https://corp.vault.azure.net'
  readonly entra: FakeEntra
  /** What the challenge names. */
  resource = 'https://vault.azure.net'
  readonly secrets = new Map<string, string>()
  readonly forbidden = new Set<string>()

  constructor(entra: FakeEntra) {
    super()
    this.entra = entra
  }

  answer({ method, path, query, headers }: StoreRequest): Reply {
    const error = (status: number, code: string): Reply => ({
      status,
      body: { error: { code, message: code } },
    })
    if (!new URLSearchParams(query).has('api-version')) return error(400, 'BadParameter')
    const [, token = ''] = /^Bearer (.+)$/.exec(String(headers.authorization)) ?? []
    if (!this.entra.tokens.has(token)) {
      const authorization = `${this.entra.origin}/${this.entra.tenantId}`
      const challenge = `Bearer authorization="${authorization}", resource="${this.resource}"`
      return { ...error(401, 'Unauthorized'), headers: { 'www-authenticate': challenge } }
    }
    const [, name = ''] = /^\/secrets\/([0-9A-Za-z-]+)\/?$/.exec(path) ?? []
    if (method !== 'GET' || name === '') return error(404, 'NotFound')
    if (this.forbidden.has(name)) return error(403, 'Forbidden')
    const value = this.secrets.get(name)
    if (value === undefined) return error(404, 'SecretNotFound')
    const id = `${this.origin}/secrets/${name}/${randomBytes(16).toString('hex')}`
    return { status: 200, body: { value, id, attributes: { enabled: true } } }
  }
}

/** The way out of the server under test. Origins nobody plays do not exist. */
class FakeInternet extends Outgoing {
  readonly #origins: ReadonlyMap<string, FakeStore>
  port = 0

  constructor(origins: ReadonlyMap<string, FakeStore>) {
    super(loopback)
    this.#origins = origins
  }

  override async send(request: OutgoingRequest): Promise<OutgoingAnswer> {
    const url = new URL(request.url)
    const fake = this.#origins.get(url.origin)
    if (!fake) throw new OutgoingError('unresolved')
    return super.send({
      ...request,
      url: `http://127.0.0.1:${this.port}${url.pathname}${url.search}`,
      headers: { ...request.headers, 'x-origin': url.origin },
      // Whoever never answers need not be waited for long.
      ...(fake.failure === 'hang' && { deadlineMs: 200 }),
    })
  }
}

/** All of them at one local server. */
export class FakeStores {
  readonly vault = new FakeVault()
  readonly aws = new FakeAws()
  readonly entra = new FakeEntra()
  readonly azure = new FakeAzure(this.entra)
  readonly internet: FakeInternet
  readonly #server: Server

  static async start(): Promise<FakeStores> {
    const fakes = new FakeStores()
    fakes.#server.listen(0, '127.0.0.1')
    await once(fakes.#server, 'listening')
    fakes.internet.port = (fakes.#server.address() as AddressInfo).port // `as`: it listens on TCP.
    return fakes
  }

  private constructor() {
    const all = [this.vault, this.aws, this.entra, this.azure]
    const origins = new Map<string, FakeStore>(all.map((one) => [one.origin, one]))
    this.internet = new FakeInternet(origins)
    this.#server = createServer(async (request, response) => {
      let body = ''
      for await (const part of request.setEncoding('utf8')) body += part
      const { pathname, search } = new URL(request.url!, 'http://localhost')
      const { 'x-origin': origin, ...headers } = request.headers
      const fake = origins.get(String(origin))! // `!`: the way out leads here for these alone.
      const seen = { method: request.method!, path: pathname, query: search.slice(1), headers, body }
      fake.requests.push(seen)
      const reply = fake.failure ?? fake.answer(seen)
      if (reply === 'hang') return
      if (reply === 'drop') return void request.socket.destroy()
      const { status, headers: extra, body: content } = reply
      response.writeHead(status, { 'content-type': 'application/json', ...extra })
      response.end(
        typeof content === 'string' ? content : content === undefined ? '' : JSON.stringify(content),
      )
    })
  }

  stop(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }
}
