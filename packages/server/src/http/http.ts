import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import type { BlockList } from 'node:net'
import type { Duplex } from 'node:stream'
import { errors as errorRegistry } from '@keyhold/contract/errors'
import { limits } from '@keyhold/contract/limits'
import type { AnswerOf, AnyRoute, BodyOf, ParamsOf, QueryOf } from '@keyhold/contract/route'
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import fastJson from 'fast-json-stringify'
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify'
import type { Logger } from 'pino'
import type { WebSocket } from 'ws'
import { AppError } from '../base/app-error.ts'
import { newTraceId } from '../base/ids.ts'
import type { Origin } from '../base/origin.ts'
import { clientConnection, isLoopbackAddress } from './client-address.ts'
import { type Credential, readCookie, readCredential } from './credential.ts'
import { countJsonMembers, countMembers } from './json-limits.ts'
import { toAppError, toProblem } from './problem.ts'
import { endWithProblem, httpsOnly, securityHeaders } from './raw-answer.ts'
import { withKeywords, withStorableBounds } from './schema-bounds.ts'
import { type SocketHandler, Sockets } from './sockets.ts'

/** Slow clients: a request has to arrive whole within this time, its headers sooner. */
const REQUEST_TIMEOUT_MS = 30_000
const HEADERS_TIMEOUT_MS = 10_000
const KEEP_ALIVE_MS = 75_000
/** Somebody who takes no byte of an answer for this long gets no more of it. */
const SILENCE_MS = 120_000
const CONNECTION_CHECK_MS = 2_000
const HEADER_BYTES_MAX = 16 * 1024

/** How long clients may take. */
export interface HttpTimes {
  readonly requestMs: number
  readonly headersMs: number
  readonly keepAliveMs: number
  readonly silenceMs: number
  readonly checkMs: number
}

const defaultTimes: HttpTimes = {
  requestMs: REQUEST_TIMEOUT_MS,
  headersMs: HEADERS_TIMEOUT_MS,
  keepAliveMs: KEEP_ALIVE_MS,
  silenceMs: SILENCE_MS,
  checkMs: CONNECTION_CHECK_MS,
}

/** What an orchestrator asks over plain HTTP, from its own address; the answers hold nothing that is secret. */
const healthPaths = new Set(['/healthz', '/readyz'])

/** Who is calling, as `authenticate` found out. */
export type Authenticated<P, M, W = unknown> =
  | { readonly kind: 'person'; readonly caller: P }
  | { readonly kind: 'machine'; readonly caller: M }
  | { readonly kind: 'workspace'; readonly caller: W }

export interface HttpOptions<P, M, W = unknown> {
  readonly publicUrl: string
  readonly trustedProxies?: BlockList | undefined
  readonly tls?: { readonly cert: string; readonly key: string } | undefined
  readonly logger: Logger
  /** Shorter ones, for tests of slow clients. */
  readonly times?: HttpTimes | undefined
  /** @returns undefined for a credential that is not valid (401). @throws AppError for a valid one refused here. */
  authenticate(credential: Credential, origin: Origin): Promise<Authenticated<P, M, W> | undefined>
  /** Refuses callers of the wrong kind and tokens without the scope, and records it. @throws AppError */
  admit(row: AnyRoute, who: Authenticated<P, M, W>, origin: Origin): Promise<void>
  /**
   * Whether somebody who was let in a while ago still would be. Records nothing, and is no use of the credential.
   * @param who as they were then.
   */
  isStillAdmitted(
    row: AnyRoute,
    who: Authenticated<P, M, W>,
    credential: Credential,
    origin: Origin,
  ): Promise<boolean>
  /** Called before a success is answered, to keep "last used". */
  used(who: Authenticated<P, M, W>, origin: Origin): Promise<void> | undefined
}

/** What a handler gets. Params, query and body have been checked against the contract. */
export interface Call<R extends AnyRoute, C> {
  readonly params: ParamsOf<R>
  readonly query: QueryOf<R>
  readonly body: BodyOf<R>
  readonly caller: C
  readonly origin: Origin
  /** The request came over TLS, or over a trusted proxy that says so. */
  readonly isSecure: boolean
  /** The value of a cookie, as the browser sent it. */
  cookie(name: string): string | undefined
  /** Adds a header to the answer. */
  setHeader(name: string, value: string): void
  /** Whether who calls would still be let in, for an answer that goes on for long. @throws AppError of the database */
  isStillAdmitted(): Promise<boolean>
}

/** What a page for browsers gets: one that is no part of the API, and answers HTML whatever comes of it. */
export interface PageCall {
  readonly params: Readonly<Record<string, string>>
  /** What was sent once, and as text. */
  readonly query: Readonly<Record<string, string>>
  readonly origin: Origin
  /** The value of a cookie, as the browser sent it. */
  cookie(name: string): string | undefined
  readonly isSecure: boolean
  setHeader(name: string, value: string): void
}

type Handler<R extends AnyRoute, C> = (call: Call<R, C>) => Promise<AnswerOf<R>>

interface RequestState {
  readonly origin: Origin
  readonly isSecure: boolean
  who?: Authenticated<unknown, unknown, unknown>
}

const states = new WeakMap<FastifyRequest, RequestState>()

/** The HTTP server. Knows no slice: slices register rows of the contract with their handlers. */
export class Http<P, M, W = unknown> {
  readonly fastify: FastifyInstance
  /** Rows that have a handler, for the tests that go over all of them. */
  readonly registered: AnyRoute[] = []
  #isDraining = false
  readonly #options: HttpOptions<P, M, W>
  readonly #sockets: Sockets

  constructor(options: HttpOptions<P, M, W>) {
    this.#options = options
    const sockets = new Sockets(options, async (request, isSecure, origin) => {
      const credential = readCredential(request, isSecure)
      const who = credential && (await options.authenticate(credential, origin))
      if (who?.kind !== 'workspace') throw new AppError('auth.required')
      return who.caller
    })
    this.#sockets = sockets
    this.fastify = createFastify(
      options,
      () => this.#isDraining,
      (request) => sockets.has(request),
    )
    sockets.attach(this.fastify.server)
  }

  /** From now on each answer closes its connection, so that who asked goes elsewhere with the next request. */
  drain(): void {
    this.#isDraining = true
    this.#sockets.close()
  }

  /** Registers a route that people call. */
  person<R extends AnyRoute>(row: R, handler: Handler<R, P>): void {
    this.#register(row, 'person', handler as Handler<AnyRoute, unknown>) // `as`: #register hands it a person only.
  }

  /** Registers a route that machines call. */
  machine<R extends AnyRoute>(row: R, handler: Handler<R, M>): void {
    this.#register(row, 'machine', handler as Handler<AnyRoute, unknown>) // `as`: likewise a machine.
  }

  /** Registers a route that agents of workspaces call. */
  workspace<R extends AnyRoute>(row: R, handler: Handler<R, W>): void {
    this.#register(row, 'workspace', handler as Handler<AnyRoute, unknown>) // `as`: likewise an agent.
  }

  /**
   * Registers a place where agents of workspaces open WebSockets.
   * @param path with `{name}` parameters. @param admit throws the AppError that is answered instead.
   */
  socket(path: string, handler: SocketHandler<W>, admit: (caller: W) => void = () => {}): void {
    // `as`: both are handed an agent only.
    this.#sockets.add(path, handler as SocketHandler<unknown>, { admit: admit as (caller: unknown) => void })
  }

  /**
   * Registers a place where another server of the instance opens WebSockets.
   * @param read says what it wants; undefined: it is no server of this instance.
   */
  serverSocket<T>(
    path: string,
    read: (header: (name: string) => string | undefined) => T | undefined,
    handler: (wish: T, socket: WebSocket) => void,
  ): void {
    // `as`: it is handed what `read` answered.
    this.#sockets.add(path, ({ caller, socket }) => handler(caller as T, socket), { read })
  }

  /** Ends the WebSockets: a server that closes waits for all its connections. */
  closeSockets(): void {
    this.#sockets.close()
  }

  /** Registers a route without authentication. */
  anyone<R extends AnyRoute>(row: R, handler: Handler<R, undefined>): void {
    this.#register(row, 'anyone', handler as Handler<AnyRoute, unknown>) // `as`: likewise nobody.
  }

  /** Registers a page that a browser is sent to from elsewhere, without authentication. @param path as Fastify's. */
  page(path: string, handler: (call: PageCall) => Promise<{ status: number; html: string }>): void {
    this.fastify.get(path, async (request, reply) => {
      const { origin, isSecure } = states.get(request)!
      const query = Object.entries(request.query as object).filter(([, value]) => typeof value === 'string')
      const { status, html } = await handler({
        params: request.params as Record<string, string>, // `as`: parts of a path.
        query: Object.fromEntries(query),
        origin,
        isSecure,
        cookie: (name) => readCookie(request.raw, name),
        setHeader: (name, value) => void reply.header(name, value),
      })
      return reply.code(status).type('text/html; charset=utf-8').send(html)
    })
  }

  #register(row: AnyRoute, caller: AnyRoute['caller'], handler: Handler<AnyRoute, unknown>): void {
    if (row.caller !== caller) throw new Error(`${row.id} is a route for ${row.caller}`)
    this.registered.push(row)
    const options = this.#options
    const isPublic = caller === 'anyone'
    const identify = async (request: FastifyRequest) => {
      const state = states.get(request)!
      const credential = readCredential(request.raw, state.isSecure)
      const who = credential && (await options.authenticate(credential, state.origin))
      if (!who) throw new AppError('auth.required')
      await options.admit(row, who, state.origin)
      state.who = who
    }
    this.fastify.route({
      method: row.method,
      url: row.path.replaceAll(/\{(\w+)\}/g, ':$1'),
      schema: {
        ...(row.params && { params: row.params }),
        ...(row.query && { querystring: { ...row.query, additionalProperties: false } }),
        ...(row.body && { body: row.body }),
        ...(row.answer && row.answer.type !== 'string' && { response: { [row.status]: row.answer } }),
      },
      // The head of an answer without end would keep the answer open, with nobody to read it.
      exposeHeadRoute: !row.isEventStream,
      // Before the body is read: nobody without a credential makes us parse anything.
      ...(!isPublic && { onRequest: identify }),
      // And once more when a body came after it, which may take its time: a credential that was taken away meanwhile
      // must not be outlived by a request that was held open.
      ...(!isPublic && { preHandler: async (request) => (hasBody(request) ? identify(request) : undefined) }),
      handler: async (request, reply) => {
        const { origin, isSecure, who } = states.get(request)!
        const answer = await handler({
          params: request.params as never, // `as`: checked against the row's schema.
          query: request.query as never,
          body: request.body as never,
          caller: who?.caller,
          origin,
          isSecure,
          cookie: (name) => readCookie(request.raw, name),
          setHeader: (name, value) => void reply.header(name, value),
          isStillAdmitted: async () => {
            const credential = readCredential(request.raw, isSecure)
            if (who === undefined || credential === undefined) return false
            // `as`: put there by authenticate.
            return options.isStillAdmitted(row, who as Authenticated<P, M, W>, credential, origin)
          },
        })
        // What was asked for is done: that "last used" could not be kept must not be answered as its failure.
        if (who)
          await options
            .used(who as Authenticated<P, M, W>, origin) // `as`: put there by authenticate.
            ?.catch((error: unknown) =>
              request.log.warn(loggable(request.id, error), 'cannot keep "last used"'),
            )
        reply.code(row.status)
        if (row.isEventStream) {
          // A proxy that collects an answer before it passes it on would hold events back.
          reply.header('content-type', 'text/event-stream; charset=utf-8').header('x-accel-buffering', 'no')
        }
        return answer
      },
    })
  }
}

function createFastify<P, M, W>(
  options: HttpOptions<P, M, W>,
  isDraining: () => boolean,
  isSocket: (request: IncomingMessage) => boolean,
): FastifyInstance {
  const times = options.times ?? defaultTimes
  const nodeOptions = {
    headersTimeout: times.headersMs,
    connectionsCheckingInterval: times.checkMs,
    maxHeaderSize: HEADER_BYTES_MAX,
    // Node's own answer to a request without Host has no headers of ours; see the onRequest hook.
    requireHostHeader: false,
    // All other requests that would like to be something else are answered as if they had not asked (RFC 9110 §7.8).
    shouldUpgradeCallback: isSocket,
  }
  const fastify = Fastify({
    loggerInstance: options.logger as FastifyBaseLogger, // `as`: pino is what that interface describes.
    logController: new LogController({ disableRequestLogging: true }),
    // One logger for all requests: lines name their trace id themselves, and a child for each request costs time.
    childLoggerFactory: (logger) => logger,
    genReqId: newTraceId,
    requestIdHeader: false,
    bodyLimit: limits.bodyBytes,
    requestTimeout: times.requestMs,
    keepAliveTimeout: times.keepAliveMs,
    connectionTimeout: times.silenceMs,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    routerOptions: { maxParamLength: 512, caseSensitive: true, ignoreTrailingSlash: false },
    http: nodeOptions,
    ...(options.tls && {
      https: {
        ...nodeOptions,
        cert: options.tls.cert,
        key: options.tls.key,
        minVersion: 'TLSv1.2' as const,
        handshakeTimeout: times.headersMs,
      },
    }),
    clientErrorHandler: (error, socket) => answerBrokenRequest(error, socket, options),
    frameworkErrors: (error, request, reply) =>
      sendProblem(toAppError(error), request, reply, options.publicUrl),
  })

  // Node answers an Expect header that is not 100-continue by itself, without our headers: here it is one more header.
  fastify.server.on('checkExpectation', (request, response) => fastify.routing(request, response))

  // Verbose: failures come with their schema, whose description says more than a pattern does.
  const common = { removeAdditional: false, verbose: true }
  const strict = withKeywords(new Ajv({ ...common, useDefaults: false, allErrors: false }))
  const coercing = withKeywords(new Ajv({ ...common, coerceTypes: true }))
  fastify.setValidatorCompiler(({ schema, httpPart }) => {
    const ajv = httpPart === 'body' ? strict : coercing
    let compiled: ValidateFunction | undefined
    // Compiled when it is first needed: most servers use few routes, and all of them take 6 MB and half a second.
    const validate = (data: unknown): boolean => {
      compiled ??= ajv.compile(withStorableBounds(schema))
      const isValid = compiled(data)
      validate.errors = compiled.errors ?? null
      return isValid
    }
    validate.errors = null as ErrorObject[] | null // `as`: where Ajv leaves them.
    return validate
  })
  fastify.setSerializerCompiler(({ schema }) => {
    let serialize: ((answer: unknown) => string) | undefined
    return (answer) => {
      serialize ??= fastJson(schema as object) // `as`: Fastify leaves open what a schema is.
      return serialize(answer)
    }
  })
  fastify.setSchemaErrorFormatter((failures) => {
    const fields = failures.map((failure) => ({
      field: fieldName(failure.instancePath ?? '', failure.keyword, failure.params),
      // Ajv's messages speak of the schema, never of the value.
      message:
        failure.keyword === 'additionalProperties'
          ? 'there is no such field'
          : failure.keyword === 'not'
            ? 'cannot hold a NUL character'
            : (describedPattern(failure) ?? failure.message ?? 'is not valid'),
    }))
    return new AppError('request.invalid', { errors: fields })
  })

  fastify.removeAllContentTypeParsers()
  fastify.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    const bytes = body as Buffer // `as`: parseAs buffer.
    if (bytes.length === 0) return done(null, undefined)
    // Decoding would put U+FFFD in place of what is wrong, and a value would be stored that was never sent.
    if (!isUtf8(bytes)) return done(new AppError('request.invalid', { detail: 'The body is not UTF-8' }))
    const text = bytes.toString('utf8')
    const members = countJsonMembers(text)
    if (members === undefined) {
      return done(
        new AppError('request.too_large', { detail: 'The JSON is nested too deeply or has too many items' }),
      )
    }
    let parsed: unknown
    try {
      parsed = JSON.parse(text)
    } catch {
      // JSON.parse quotes its input in the error, and the input may be a secret.
      return done(new AppError('request.invalid', { detail: 'The body is not JSON' }))
    }
    // Of two members with one name JSON.parse keeps the last, a proxy or a log may see the first.
    if (countMembers(parsed) !== members)
      return done(new AppError('request.invalid', { detail: 'The JSON names a field twice' }))
    done(null, parsed)
  })

  fastify.addHook('onRequest', async (request, reply) => {
    const isTls = options.tls !== undefined
    const connection = clientConnection(request.raw, isTls, options.trustedProxies)
    const client = request.headers['user-agent']
    states.set(request, {
      isSecure: connection.isSecure,
      origin: {
        address: connection.address,
        ...(client !== undefined && { client: client.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 200) }),
        traceId: request.id,
      },
    })
    if (isDraining()) reply.header('connection', 'close')
    reply.headers(securityHeaders)
    if (connection.isSecure) reply.headers(httpsOnly)
    else if (!isLoopbackAddress(connection.address) && !healthPaths.has(request.raw.url ?? ''))
      throw new AppError('transport.insecure')
    if (request.headers.host === undefined && request.raw.httpVersion !== '1.0')
      throw new AppError('request.invalid', { detail: 'The Host header is missing' })
    if (hasPathTrick(request.raw.url ?? ''))
      throw new AppError('request.invalid', { detail: 'The path is not in its plain form' })
    if (request.method !== 'GET' && isCrossSite(request, options.publicUrl))
      throw new AppError('request.cross_site')
  })

  fastify.setErrorHandler((error, request, reply) =>
    sendProblem(toAppError(error), request, reply, options.publicUrl),
  )
  fastify.setNotFoundHandler((request, reply) =>
    sendProblem(new AppError('route.not_found'), request, reply, options.publicUrl),
  )
  fastify.addHook('onResponse', async (request, reply) => {
    const level = reply.statusCode >= 500 ? 'warn' : reply.statusCode >= 400 ? 'info' : 'debug'
    if (!options.logger.isLevelEnabled(level)) return
    // The route's pattern, not the URL: a query may hold what somebody pasted.
    request.log[level](
      {
        traceId: request.id,
        method: request.method,
        route: request.routeOptions.url ?? '(none)',
        status: reply.statusCode,
        durationMs: Math.round(reply.elapsedTime * 10) / 10,
        address: states.get(request)?.origin.address,
      },
      'request',
    )
  })
  return fastify
}

const hasBody = ({ raw }: FastifyRequest): boolean =>
  (raw.headers['content-length'] ?? '0') !== '0' || raw.headers['transfer-encoding'] !== undefined

/** What the log gets of an error: PostgreSQL's also carry rows, which are nobody's business there. */
function loggable(traceId: string, error: unknown) {
  const { name, message, stack, code } = error as Error & { code?: unknown } // `as`: what is missing is undefined.
  return { traceId, err: { type: name, code, message, stack } }
}

function sendProblem(
  error: AppError,
  request: FastifyRequest,
  reply: FastifyReply,
  publicUrl: string,
): FastifyReply {
  if (error.code === 'server.error') request.log.error(loggable(request.id, error.cause), 'unexpected error')
  else if (error.status >= 500)
    request.log.warn({ ...loggable(request.id, error.cause ?? error), code: error.code }, 'failed')
  const { status } = errorRegistry[error.code]
  // Here as well: what the framework refuses by itself has passed no hook.
  reply.headers(securityHeaders).code(status).header('content-type', 'application/problem+json')
  if (status === 401) reply.header('www-authenticate', 'Bearer realm="keyhold"')
  if (error.shown.retryAfterSeconds !== undefined)
    reply.header('retry-after', String(error.shown.retryAfterSeconds))
  // What is left of a body that was not read must not be taken for the next request.
  const { headers, complete } = request.raw
  if ((headers['content-length'] ?? headers['transfer-encoding']) !== undefined && !complete)
    reply.header('connection', 'close')
  return reply.serializer(JSON.stringify).send(toProblem(error, request.id, publicUrl))
}

/** What Node itself refuses, before there is a request: broken syntax, headers that are too large or too slow. */
function answerBrokenRequest<P, M, W>(
  error: Error & { code?: string },
  socket: Duplex,
  options: HttpOptions<P, M, W>,
): void {
  // Nobody is left to read an answer; or one is half-way out, and a second one would be taken for its rest.
  const { _httpMessage: answer } = socket as { _httpMessage?: { headersSent: boolean } } // `as`: what Node itself looks at.
  if (error.code === 'ECONNRESET' || !socket.writable || answer?.headersSent) {
    socket.destroy()
    return
  }
  const code =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? 'request.too_large'
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? 'request.timeout'
        : 'request.invalid'
  const traceId = newTraceId()
  const status = endWithProblem(socket, new AppError(code), traceId, options)
  // The error's text and its raw packet are what was sent; only its code may be logged.
  options.logger.info({ traceId, status, cause: error.code }, 'broken request')
}

/** Escapes that no path of ours needs, and forms that proxies read differently. Looks at the path only, never the query. */
function hasPathTrick(url: string): boolean {
  const end = url.indexOf('?')
  const path = end < 0 ? url : url.slice(0, end)
  return /^[^/]|\\|\/\/|\/\.{1,2}(?:\/|$)|%(?:2e|2f|5c|00|25|0a|0d)|[\u0000-\u0020\u007f]/i.test(path)
}

/** Whether a browser says that another site sent a changing request (Fetch Metadata; Origin for older browsers). */
function isCrossSite(request: FastifyRequest, publicUrl: string): boolean {
  const site = request.headers['sec-fetch-site']
  if (site !== undefined) return site !== 'same-origin' && site !== 'none'
  const { origin, host } = request.headers
  if (origin === undefined) return false
  return origin !== new URL(publicUrl).origin && !(URL.canParse(origin) && new URL(origin).host === host)
}

/** What a pattern stands for, in words. */
function describedPattern({ keyword, parentSchema }: { keyword?: string; parentSchema?: unknown }) {
  const { description } = (parentSchema ?? {}) as { description?: string } // `as`: every schema may have one.
  return keyword === 'pattern' && description ? `is not as it has to be: ${description}` : undefined
}

/** `/ipRestriction/1` → `ipRestriction[1]`; a missing property is named itself. */
function fieldName(
  path: string,
  keyword: string | undefined,
  params: Record<string, unknown> | undefined,
): string {
  const named = path
    .slice(1)
    .replaceAll(/\/(\d+)(?=\/|$)/g, '[$1]')
    .replaceAll('/', '.')
  const missing = keyword === 'required' ? String(params?.missingProperty) : undefined
  return [named, missing].filter(Boolean).join('.') || 'body'
}
