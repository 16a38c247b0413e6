import { type LookupAddress, lookup as systemLookup } from 'node:dns'
import { type ClientRequest, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { Secret } from '@keyhold/contract/secret'
import { canonicalAddress } from './address.ts'

/** From the first byte to the last, name look-up included. */
const DEADLINE_MS = 20_000
/** Until there is a connection, TLS included. */
const CONNECT_MS = 8_000
const ANSWER_BYTES_MAX = 1024 * 1024

const list = (...ranges: string[]): BlockList => {
  const blocks = new BlockList()
  for (const range of ranges) {
    const [address = '', bits] = range.split('/')
    blocks.addSubnet(address, Number(bits), isIP(address) === 6 ? 'ipv6' : 'ipv4')
  }
  return blocks
}

/** Where other machines of an organisation are. */
const privateRanges = list('10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7')

/** What no service for others has: this machine, its link, metadata of clouds, groups, examples, tunnels. */
const neverRanges = list(
  '0.0.0.0/8',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
  // Metadata services outside 169.254: Azure, Alibaba, and by IPv6 AWS and Google.
  '168.63.129.16/32',
  '100.100.100.200/32',
  'fd00:ec2::254/128',
  'fd20:ce::254/128',
  // These carry an IPv4 address that would be reached: Teredo and its neighbours, 6to4.
  '2001::/23',
  '2002::/16',
  '2001:db8::/32',
  '3fff::/20',
)

/** Of IPv6 only this is for everybody's use (RFC 4291 §2.4); NAT64, mapped and site-local forms are not in it. */
const globalIpv6 = list('2000::/3')

/** Why a request got no answer. */
export type OutgoingFailure =
  | 'bad-url'
  | 'insecure'
  | 'address-refused'
  | 'unresolved'
  | 'connect-timeout'
  | 'certificate'
  | 'unreachable'
  | 'timeout'
  | 'too-large'

const failureTexts: Record<OutgoingFailure, string> = {
  'bad-url': 'the address is not an https URL without user and password',
  insecure: 'plain HTTP is only for addresses in KEYHOLD_OUTGOING_ALLOW',
  'address-refused':
    'the name leads to an address that Keyhold does not call; KEYHOLD_OUTGOING_ALLOW can allow it',
  unresolved: 'the name cannot be resolved',
  'connect-timeout': 'no connection in time',
  certificate: 'the certificate is not trusted, or is for another name',
  unreachable: 'the connection failed',
  timeout: 'no complete answer in time',
  'too-large': 'the answer is too large',
}

/** A request without an answer. Says why and nothing of what was sent: URLs and bodies may hold values. */
export class OutgoingError extends Error {
  readonly failure: OutgoingFailure

  constructor(failure: OutgoingFailure) {
    super(failureTexts[failure])
    this.name = 'OutgoingError'
    this.failure = failure
  }
}

export interface OutgoingRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly url: string | URL
  readonly headers?: Readonly<Record<string, string>>
  /** The Authorization header. */
  readonly authorization?: Secret<string>
  /** Sent as application/x-www-form-urlencoded. */
  readonly form?: Readonly<Record<string, string | Secret<string>>>
  /** Sent as application/json. */
  readonly json?: unknown
  /** Sent as they are, with the type that `headers` name. */
  readonly bytes?: Uint8Array
  /** Certificates (PEM) to trust instead of the system's. */
  readonly ca?: string | undefined
  /** Lets private ranges through, for what an administrator says is self-hosted. */
  readonly isPrivateAllowed?: boolean
  readonly deadlineMs?: number
  readonly connectMs?: number
  readonly answerBytesMax?: number
}

/** A connection that is no HTTP. */
export interface HostUse {
  readonly isSecure: boolean
  readonly isPrivateAllowed: boolean
  /** Lets it go unencrypted within private ranges. */
  readonly isPlainAllowedPrivately: boolean
}

/** An answer of any status. The body is kept where no log prints it. */
export class OutgoingAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly #body: Buffer

  constructor(status: number, headers: IncomingHttpHeaders, body: Buffer) {
    this.status = status
    this.headers = headers
    this.#body = body
  }

  get isSuccess(): boolean {
    return this.status >= 200 && this.status < 300
  }

  get text(): string {
    return this.#body.toString('utf8')
  }

  /** @returns undefined for what is no JSON; its parser would quote the body. */
  get json(): unknown {
    try {
      return JSON.parse(this.text)
    } catch {
      return undefined
    }
  }
}

/**
 * Sends requests to addresses that people and administrators choose, without letting them reach what only this machine
 * can reach. The address is checked when the connection is made, so a name that changes its answer in between gains
 * nothing. Redirects are answers like others, never followed.
 */
export class Outgoing {
  readonly #allowed: BlockList | undefined
  readonly #lookup: typeof systemLookup

  /** @param allowed addresses that may be called whatever they are, by plain HTTP too. @param lookup for tests. */
  constructor(allowed?: BlockList, lookup: typeof systemLookup = systemLookup) {
    this.#allowed = allowed
    this.#lookup = lookup
  }

  /** @throws OutgoingError when there is no answer. */
  async send(request: OutgoingRequest): Promise<OutgoingAnswer> {
    const refused = this.problemWith(request)
    if (refused) throw refused
    return this.#send(new URL(request.url), request)
  }

  /** What is wrong with an address, as far as it can be told without resolving its name. */
  problemWith(request: Pick<OutgoingRequest, 'url' | 'isPrivateAllowed'>): OutgoingError | undefined {
    const url = parseUrl(request.url)
    if (!url) return new OutgoingError('bad-url')
    const literal = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname
    // Node asks no look-up for an address.
    const refused = isIP(literal)
      ? this.#whyRefused(literal, isHttps(url), request)
      : url.protocol === 'http:' && !this.#allowed
        ? 'insecure'
        : undefined
    return refused && new OutgoingError(refused)
  }

  /** As {@link problemWith}, for what is no HTTP. @param isSecure the connection is encrypted. */
  problemWithHost(host: string, use: HostUse): OutgoingError | undefined {
    const refused = isIP(host) ? this.#whyRefused(host, use.isSecure, use) : undefined
    return refused && new OutgoingError(refused)
  }

  /**
   * Resolves a name for a connection that is no HTTP, which has to go to the address that is given back. Without encryption
   * only private ranges and what the operator allowed are reached.
   * @throws OutgoingError
   */
  async addressOf(host: string, use: HostUse): Promise<string> {
    const resolved = isIP(host)
      ? [{ address: host }]
      : await new Promise<LookupAddress[]>((resolve) =>
          this.#lookup(host, { all: true }, (error, found) => resolve(error ? [] : found)),
        )
    const [first] = resolved
    if (!first) throw new OutgoingError('unresolved')
    for (const { address } of resolved) {
      const refused = this.#whyRefused(address, use.isSecure, use)
      if (refused) throw new OutgoingError(refused)
    }
    return first.address
  }

  #send(url: URL, request: OutgoingRequest): Promise<OutgoingAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<OutgoingAnswer>()
    const body = bodyOf(request)
    const answerBytesMax = request.answerBytesMax ?? ANSWER_BYTES_MAX
    let sent: ClientRequest | undefined
    const fail = (failure: OutgoingFailure) => {
      reject(new OutgoingError(failure))
      sent?.destroy()
    }
    const deadline = setTimeout(() => fail('timeout'), request.deadlineMs ?? DEADLINE_MS)
    const connecting = setTimeout(() => fail('connect-timeout'), request.connectMs ?? CONNECT_MS)

    try {
      sent = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, {
        method: request.method,
        // One connection per request: a kept one would have been checked for another request's rules.
        agent: false,
        lookup: this.#checkedLookup(url, request),
        rejectUnauthorized: true,
        minVersion: 'TLSv1.2',
        ...(request.ca !== undefined && { ca: request.ca }),
        headers: {
          accept: 'application/json',
          'user-agent': 'keyhold',
          ...request.headers,
          ...(request.authorization && { authorization: request.authorization.reveal() }),
          ...(body?.type && { 'content-type': body.type }),
          ...(body && { 'content-length': body.bytes.length }),
        },
      })
    } catch {
      // A header that cannot be sent; Node's error quotes it. Or certificates that are none.
      fail(request.ca === undefined ? 'bad-url' : 'certificate')
    }

    sent?.on('socket', (socket) => {
      const isTls = url.protocol === 'https:'
      socket.once(isTls ? 'secureConnect' : 'connect', () => clearTimeout(connecting))
    })
    sent?.on('error', (error) => {
      const socket = sent?.socket as TLSSocket | null // `as`: plain sockets have no authorizationError.
      if (error instanceof OutgoingError) reject(error)
      else reject(new OutgoingError(failureOf(error, Boolean(socket?.authorizationError))))
    })
    sent?.on('response', (response) => {
      const chunks: Buffer[] = []
      let length = 0
      response.on('data', (chunk: Buffer) => {
        length += chunk.length
        if (length > answerBytesMax) fail('too-large')
        else chunks.push(chunk)
      })
      // `!`: a response that was received has a status.
      response.on('end', () =>
        resolve(new OutgoingAnswer(response.statusCode!, response.headers, Buffer.concat(chunks))),
      )
      response.on('error', () => fail('unreachable'))
      response.on('close', () => reject(new OutgoingError('unreachable')))
    })
    sent?.end(body?.bytes)
    return promise.finally(() => {
      clearTimeout(deadline)
      clearTimeout(connecting)
    })
  }

  /** Resolves a name once, and lets the connection go only to what was checked. One refused address refuses the name. */
  #checkedLookup(url: URL, request: OutgoingRequest): LookupFunction {
    return (hostname, options, callback) => {
      this.#lookup(hostname, { all: true }, (error, addresses: LookupAddress[]) => {
        const [first] = addresses ?? []
        if (error || !first) return callback(new OutgoingError('unresolved'), [])
        for (const { address } of addresses) {
          const refused = this.#whyRefused(address, isHttps(url), request)
          if (refused) return callback(new OutgoingError(refused), [])
        }
        if (options.all) callback(null, addresses)
        else callback(null, first.address, first.family)
      })
    }
  }

  #whyRefused(
    text: string,
    isSecure: boolean,
    {
      isPrivateAllowed,
      isPlainAllowedPrivately,
    }: Pick<OutgoingRequest, 'isPrivateAllowed'> & Partial<HostUse>,
  ): OutgoingFailure | undefined {
    // IPv4 inside IPv6 is the IPv4 address, however it is written.
    const address = canonicalAddress(text)
    if (address === undefined) return 'address-refused'
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    const isIn = (blocks: BlockList | undefined) => blocks?.check(address, family) ?? false
    if (isIn(this.#allowed)) return undefined
    if (isIn(neverRanges)) return 'address-refused'
    if (isIn(privateRanges)) {
      if (!isPrivateAllowed) return 'address-refused'
      if (isPlainAllowedPrivately) return undefined
    } else if (family === 'ipv6' && !isIn(globalIpv6)) return 'address-refused'
    return isSecure ? undefined : 'insecure'
  }
}

const isHttps = (url: URL) => url.protocol === 'https:'

function parseUrl(given: string | URL): URL | undefined {
  // `new URL` quotes its input when it throws.
  const url = typeof given !== 'string' ? given : URL.canParse(given) ? new URL(given) : undefined
  const isPlain = url?.username === '' && url.password === ''
  return isPlain && /^https?:$/.test(url.protocol) ? url : undefined
}

function bodyOf({ form, json, bytes }: OutgoingRequest): { type?: string; bytes: Uint8Array } | undefined {
  if (bytes) return { bytes }
  if (form) {
    const fields = new URLSearchParams()
    for (const [name, value] of Object.entries(form))
      fields.append(name, value instanceof Secret ? value.reveal() : value)
    return { type: 'application/x-www-form-urlencoded', bytes: Buffer.from(fields.toString()) }
  }
  if (json === undefined) return undefined
  return { type: 'application/json', bytes: Buffer.from(JSON.stringify(json)) }
}

function failureOf(error: Error, isUnauthorized: boolean): OutgoingFailure {
  const code = 'code' in error ? String(error.code) : ''
  const isCertificate = isUnauthorized || /CERT|ERR_OSSL|UNABLE_TO/.test(code)
  return isCertificate ? 'certificate' : 'unreachable'
}
