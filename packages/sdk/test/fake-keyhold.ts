import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** One request as the fake received it. */
export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
  readonly atMs: number
}

/** Takes over the answer to one request. */
export type Failure = (req: IncomingMessage, res: ServerResponse) => void

export const accessKeyId = 'ak_0123456789abcdef'
export const accessKey = 'kh_key_canaryCANARY0123456789'

/**
 * Speaks the machine's part of the API for one project over real HTTP, and fails on purpose: each entry of `failures`
 * takes over one request, in order.
 */
export async function startFakeKeyhold() {
  const secrets = new Map<string, { value: string; encoding: string; type: string; version: number }>()
  const requests: SeenRequest[] = []
  const failures: Failure[] = []
  const server = createServer(async (req, res) => {
    const parts: Buffer[] = []
    for await (const part of req) parts.push(part as Buffer) // `as`: no encoding is set.
    const body = Buffer.concat(parts).toString()
    const { method = '', url: path = '' } = req
    requests.push({ method, path, headers: req.headers, body, atMs: performance.now() })
    const failure = failures.shift()
    if (failure !== undefined) return failure(req, res)
    if (req.headers.authorization !== `Basic ${btoa(`${accessKeyId}:${accessKey}`)}`) {
      return problem(401, 'auth.required', 'Sign in, or send a valid credential')(req, res)
    }
    answer(res, method, new URL(path, 'http://localhost'), body)
  })

  const answer = (res: ServerResponse, method: string, url: URL, body: string) => {
    const environment = url.searchParams.get('environment') ?? 'All'
    const name = /^\/api\/v1\/projects\/current\/secrets\/([^/]+)$/.exec(url.pathname)?.[1]
    if (method === 'GET' && url.pathname === '/api/v1/projects/current') {
      return json(res, 200, {
        project: { id: 'prj_1', name: 'Shop' },
        accessKeyId,
        permission: 'read_write',
      })
    }
    if (method === 'GET' && url.pathname === '/api/v1/audit/export') {
      res.writeHead(200, { 'content-type': 'text/plain' })
      res.write('line 1\n')
      setTimeout(() => res.end('line 2\n'), 50)
      return
    }
    const delivered = (of: string) => ({ name: of, environment, ...secrets.get(of) })
    const info = (of: string) => ({
      id: `sec_${of}`,
      name: of,
      environment,
      version: secrets.get(of)?.version,
    })
    if (method === 'GET' && url.pathname === '/api/v1/projects/current/secrets') {
      return json(res, 200, { environment, secrets: [...secrets.keys()].map(delivered) })
    }
    if (method === 'POST' && url.pathname === '/api/v1/projects/current/secrets') {
      const created = JSON.parse(body)
      if (secrets.has(created.name)) return answerProblem(res, 409, 'secret.exists', 'Exists')
      secrets.set(created.name, {
        value: created.value,
        encoding: created.encoding,
        type: created.type,
        version: 1,
      })
      return json(res, 201, info(created.name))
    }
    if (name !== undefined) {
      const secret = secrets.get(name)
      if (secret === undefined) {
        return answerProblem(res, 404, 'secret.not_found', 'Secret not found', {
          reasons: ['the name is misspelt', 'the case differs'],
          nearMatches: ['GITHUB_TOKEN'],
        })
      }
      if (method === 'GET') return json(res, 200, delivered(name))
      if (method === 'PATCH') {
        const { value, encoding } = JSON.parse(body)
        const isChanged = value !== undefined && value !== secret.value
        secrets.set(name, { ...secret, value, encoding, version: secret.version + (isChanged ? 1 : 0) })
        return json(res, 200, info(name))
      }
    }
    answerProblem(res, 404, 'route.not_found', 'There is nothing at this address')
  }

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // `as`: it listens on TCP.
  return {
    url: `http://127.0.0.1:${port}`,
    secrets,
    requests,
    failures,
    hold(name: string, value: string, encoding = 'utf8') {
      secrets.set(name, { value, encoding, type: 'token', version: 1 })
    },
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close').catch(() => undefined)
    },
  }
}

export function json(res: ServerResponse, status: number, body: unknown): void {
  res.writeHead(status, { 'content-type': 'application/json' })
  res.end(JSON.stringify(body))
}

export function answerProblem(
  res: ServerResponse,
  status: number,
  code: string,
  title: string,
  more = {},
): void {
  res.writeHead(status, { 'content-type': 'application/problem+json' })
  res.end(JSON.stringify({ type: 'about:blank', title, status, traceId: 'trace-1', code, ...more }))
}

export const problem =
  (status: number, code: string, title: string, more = {}): Failure =>
  (_req, res) =>
    answerProblem(res, status, code, title, more)

export const hang: Failure = () => undefined

export const reset: Failure = (req) => {
  req.socket.resetAndDestroy()
}

export const gateway =
  (status: number, headers: Record<string, string> = {}): Failure =>
  (_req, res) => {
    res.writeHead(status, { 'content-type': 'text/html', ...headers })
    res.end('<h1>Bad gateway</h1>')
  }

/** Starts a good answer and then sends a byte at a time without end. */
export const drip: Failure = (_req, res) => {
  res.writeHead(200, { 'content-type': 'application/json' })
  res.write('{"name":"')
  const timer = setInterval(() => res.write('x'), 20)
  res.on('close', () => clearInterval(timer))
}

/** Promises more than it sends, and breaks off. */
export const cut: Failure = (req, res) => {
  res.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' })
  res.write('{"name":')
  setTimeout(() => req.socket.resetAndDestroy(), 20)
}

export const text =
  (body: string, status = 200): Failure =>
  (_req, res) => {
    res.writeHead(status, { 'content-type': 'application/json' })
    res.end(body)
  }
