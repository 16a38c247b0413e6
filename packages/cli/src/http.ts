// A fetch on node:http. The global `fetch` loads undici, which costs about 50 ms at every start; this costs about 7, and
// 25 with TLS. It follows no redirect, because a redirect would carry the credential elsewhere, and it keeps no
// connection, because a command makes one or two requests.
import type { IncomingMessage } from 'node:http'
import { Failure } from './failure.ts'

export interface HttpRequest {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  /** From start to last byte. */
  readonly deadlineMs?: number
  readonly signal?: AbortSignal
}

/** The part of a fetch Response that a client of JSON needs. */
export interface HttpResponse {
  readonly ok: boolean
  readonly status: number
  readonly headers: { get(name: string): string | null }
  text(): Promise<string>
  json(): Promise<unknown>
  arrayBuffer(): Promise<ArrayBuffer>
}

const DEADLINE_MS = 15_000
const BODY_BYTES_MAX = 64 * 1024 * 1024

/** Makes one request, as `fetch` does. @throws Failure that names the host, never a header or the body. */
export function httpFetch(address: string | URL, request: HttpRequest = {}): Promise<HttpResponse> {
  const url = new URL(address)
  refusePlainHttp(url)
  // Not `import`: that reads every export, and http's WebSocket is a getter that loads undici.
  const { request: send } =
    url.protocol === 'https:' ? process.getBuiltinModule('node:https') : process.getBuiltinModule('node:http')
  const deadlineMs = request.deadlineMs ?? DEADLINE_MS
  return new Promise((resolve, reject) => {
    const fail = (reason: string) =>
      reject(
        new Failure(`${url.host} cannot be reached: ${reason}`, {
          hints: ['is KEYHOLD_URL right, and the server up?'],
          kind: 'unavailable',
        }),
      )
    const outgoing = send(url, {
      method: request.method ?? 'GET',
      headers: { accept: 'application/json', ...request.headers },
      agent: false,
      ...(request.signal ? { signal: request.signal } : {}),
    })
    const deadline = setTimeout(() => {
      outgoing.destroy()
      fail(`no answer within ${deadlineMs / 1000} s`)
    }, deadlineMs)
    outgoing.on('error', (error) => {
      clearTimeout(deadline)
      fail('code' in error ? explainCode(String(error.code)) : error.name)
    })
    outgoing.on('response', (incoming) => {
      readBody(incoming).then(
        (body) => {
          clearTimeout(deadline)
          resolve(toResponse(incoming, body))
        },
        (error: unknown) => {
          clearTimeout(deadline)
          outgoing.destroy()
          fail(error instanceof RangeError ? error.message : 'the answer broke off')
        },
      )
    })
    outgoing.end(request.body)
  })
}

/** Refuses to send a credential in clear, except to this machine. */
export function refusePlainHttp(url: URL): void {
  if (url.protocol === 'https:') return
  const host = url.hostname
  const isThisMachine =
    host === 'localhost' || host.endsWith('.localhost') || /^127(\.[0-9]+){3}$/.test(host) || host === '[::1]'
  if (url.protocol === 'http:' && isThisMachine) return
  throw new Failure(
    url.protocol === 'http:'
      ? `refusing to send a credential to ${url.host} over plain http`
      : `${url.protocol.replace(':', '')} is not a protocol of Keyhold`,
    { exitCode: 2, hints: ['KEYHOLD_URL has to start with https://, or name this machine'] },
  )
}

async function readBody(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > BODY_BYTES_MAX) throw new RangeError('the answer is too long')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function toResponse(incoming: IncomingMessage, body: Buffer): HttpResponse {
  const status = incoming.statusCode ?? 0
  return {
    ok: status >= 200 && status < 300,
    status,
    headers: {
      get: (name) => {
        const value = incoming.headers[name.toLowerCase()]
        return value === undefined ? null : String(value)
      },
    },
    text: async () => body.toString('utf8'),
    json: async () => JSON.parse(body.toString('utf8')),
    arrayBuffer: async () => new Uint8Array(body).buffer,
  }
}

function explainCode(code: string): string {
  const reasons: Record<string, string> = {
    ECONNREFUSED: 'nothing is listening there',
    ENOTFOUND: 'the name is not known',
    EAI_AGAIN: 'the name cannot be looked up now',
    ECONNRESET: 'the connection was cut',
    ABORT_ERR: 'given up',
    DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate signs itself; NODE_EXTRA_CA_CERTS can name your authority',
  }
  return reasons[code] ?? code
}
