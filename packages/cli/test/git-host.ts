// A self-hosted GitLab, as far as connecting and git take it: OAuth and repositories over HTTPS, by the real git. Strict about
// who asks; it can stop accepting a token on purpose.
import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Runs `keyhold` to its end. */
type Run = (
  args: string[],
  env: Record<string, string>,
  input?: string,
) => Promise<{ code: number | null; stdout: string; stderr: string }>

const CLIENT_SECRET = 'client-secret-of-git-host'

export class GitHost {
  readonly directory = mkdtempSync(join(tmpdir(), 'keyhold-git-'))
  /** The certificate, which is its own CA. */
  readonly ca = join(this.directory, 'ca.pem')
  /** Access tokens that are good. */
  readonly tokens = new Set<string>()
  /** The user name and token of each request for a repository; empty for those without. */
  readonly seen: string[] = []
  refreshes = 0
  /** How long the next tokens are good. */
  expiresSeconds = 7200
  host = ''
  #server: Server | undefined
  #refresh = ''

  static async start(): Promise<GitHost> {
    const gitHost = new GitHost()
    const { directory, ca } = gitHost
    const key = join(directory, 'key.pem')
    const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
    const form = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
    execFileSync('openssl', [...form, '-days', '2', ...subject, '-keyout', key, '-out', ca], {
      stdio: 'ignore',
    })
    git(['init', '-q', '--bare', '-b', 'main', join(directory, 'repositories/shop.git')])
    git(['-C', join(directory, 'repositories/shop.git'), 'config', 'http.receivepack', 'true'])
    const server = createServer(
      { key: readFileSync(key), cert: readFileSync(ca) },
      (request, response) => void gitHost.#answer(request, response),
    ).listen(0, '127.0.0.1')
    await once(server, 'listening')
    gitHost.#server = server
    gitHost.host = `127.0.0.1:${(server.address() as AddressInfo).port}` // `as`: it listens on TCP.
    return gitHost
  }

  stop(): void {
    this.#server?.closeAllConnections()
    this.#server?.close()
    rmSync(this.directory, { recursive: true, force: true })
  }

  get url(): string {
    return `https://${this.host}/shop.git`
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', `https://${this.host}`)
    if (url.pathname.startsWith('/shop.git/')) return this.#repository(url, request, response)
    let body = ''
    for await (const chunk of request) body += chunk
    const answer = (status: number, value: unknown) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
    }
    const fields = new URLSearchParams(body)
    if (url.pathname === '/oauth/token' && fields.get('client_secret') === CLIENT_SECRET) {
      if (fields.get('grant_type') === 'refresh_token') {
        if (fields.get('refresh_token') !== this.#refresh) return answer(400, { error: 'invalid_grant' })
        this.refreshes += 1
      }
      const token = `canary-${randomBytes(12).toString('hex')}`
      this.tokens.add(token)
      this.#refresh = randomBytes(12).toString('hex')
      const expires_in = this.expiresSeconds
      return answer(200, { access_token: token, refresh_token: this.#refresh, expires_in, scope: 'x' })
    }
    if (url.pathname === '/api/v4/user') return answer(200, { username: 'ada-at-work' })
    return answer(url.pathname === '/oauth/revoke' ? 200 : 404, {})
  }

  #repository(url: URL, request: IncomingMessage, response: ServerResponse): void {
    const basic = Buffer.from(request.headers.authorization?.slice('Basic '.length) ?? '', 'base64')
    const [user, token] = basic.toString().split(':')
    this.seen.push(basic.toString())
    if (user !== 'oauth2' || !this.tokens.has(token ?? '')) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end()
      return
    }
    // CGI (RFC 3875), as git-http-backend(1) has it.
    const backend = spawn('git', ['http-backend'], {
      env: {
        PATH: process.env.PATH,
        GIT_PROJECT_ROOT: join(this.directory, 'repositories'),
        GIT_HTTP_EXPORT_ALL: '1',
        REMOTE_USER: user,
        REQUEST_METHOD: request.method,
        PATH_INFO: url.pathname,
        QUERY_STRING: url.search.slice(1),
        CONTENT_TYPE: request.headers['content-type'] ?? '',
        HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
        GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
      },
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    request.pipe(backend.stdin)
    backend.stdin.on('error', () => {})
    const parts: Buffer[] = []
    backend.stdout.on('data', (part: Buffer) => parts.push(part))
    backend.on('close', () => {
      const all = Buffer.concat(parts)
      const end = all.indexOf('\r\n\r\n')
      const headers = all.subarray(0, end).toString().split('\r\n')
      let status = 200
      for (const line of headers) {
        const [name = '', value = ''] = line.split(/: (.*)/)
        if (name === 'Status') status = Number.parseInt(value, 10)
        else response.setHeader(name, value)
      }
      response.writeHead(status).end(all.subarray(end + 4))
    })
  }

  /** An administrator registers it. */
  async register(admin: Record<string, string>, run: Run): Promise<void> {
    const base = `--base-url=https://${this.host}`
    const line = ['repository-provider', 'add', 'gitlab', base, '--client-id=id', `--ca=${this.ca}`]
    const { code, stderr } = await run(line, admin, CLIENT_SECRET)
    if (code !== 0) throw new Error(stderr)
  }

  /** A person connects, with what their browser does. @param url of the server. */
  async connect(url: string, person: Record<string, string>, run: Run): Promise<void> {
    const begun = await run(['repository', 'connect', this.host], person)
    const address = new URL(begun.stdout.trim())
    const back = new URL(address.searchParams.get('redirect_uri') ?? '')
    const state = address.searchParams.get('state')
    const page = await fetch(`${url}${back.pathname}?code=c&state=${state}`)
    const shown = /<pre>([0-9A-Z-]{9})<\/pre>/.exec(await page.text())?.[1] ?? ''
    const { code, stderr } = await run(['repository', 'confirm'], person, shown)
    if (code !== 0) throw new Error(stderr)
  }
}

/** The real git, with nothing of this machine's configuration. */
export function git(args: readonly string[], env: NodeJS.ProcessEnv = {}): string {
  const own = { GIT_CONFIG_NOSYSTEM: '1', HOME: '/nonexistent', PATH: process.env.PATH }
  return execFileSync('git', args, { env: { ...own, ...env }, encoding: 'utf8', stdio: 'pipe' })
}
