import { randomBytes } from 'node:crypto'
import type { BlockList } from 'node:net'
import { errors as errorRegistry } from '@keyhold/contract/errors'
import { limits } from '@keyhold/contract/limits'
import type { AnswerOf, AnyRoute, BodyOf, ParamsOf, QueryOf } from '@keyhold/contract/route'
import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify'
import type { Logger } from 'pino'
import { AppError } from '../base/app-error.ts'
import type { Origin } from '../base/origin.ts'
import { clientConnection, isLoopbackAddress } from './client-address.ts'
import { type Credential, readCredential } from './credential.ts'
import { isWithinJsonLimits } from './json-limits.ts'
import { toAppError, toProblem } from './problem.ts'

/** Slow clients: a request has to arrive whole within this time, its headers sooner. */
const REQUEST_TIMEOUT_MS = 30_000
const HEADERS_TIMEOUT_MS = 10_000
const KEEP_ALIVE_MS = 75_000
const CONNECTION_CHECK_MS = 2_000
const HEADER_BYTES_MAX = 16 * 1024

const securityHeaders = {
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
}

/** Who is calling, as `authenticate` found out. */
export type Authenticated<P, M> =
  | { readonly kind: 'person'; readonly caller: P }
  | { readonly kind: 'machine'; readonly caller: M }

export interface HttpOptions<P, M> {
  readonly publicUrl: string
  readonly trustedProxies?: BlockList | undefined
  readonly tls?: { readonly cert: string; readonly key: string } | undefined
  readonly logger: Logger
  /** @returns undefined for a credential that is not valid (401). @throws AppError for a valid one refused here. */
  authenticate(credential: Credential, origin: Origin): Promise<Authenticated<P, M> | undefined>
  /** Refuses callers of the wrong kind and tokens without the scope, and records it. @throws AppError */
  admit(row: AnyRoute, who: Authenticated<P, M>, origin: Origin): Promise<void>
  /** Called before a success is answered, to keep "last used". */
  used(who: Authenticated<P, M>, origin: Origin): Promise<void> | undefined
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
  /** Adds a header to the answer. */
  setHeader(name: string, value: string): void
}

type Handler<R extends AnyRoute, C> = (call: Call<R, C>) => Promise<AnswerOf<R>>

interface RequestState {
  readonly origin: Origin
  readonly isSecure: boolean
  who?: Authenticated<unknown, unknown>
}

const states = new WeakMap<FastifyRequest, RequestState>()

/** The HTTP server. Knows no slice: slices register rows of the contract with their handlers. */
export class Http<P, M> {
  readonly fastify: FastifyInstance
  /** Rows that have a handler, for the tests that go over all of them. */
  readonly registered: AnyRoute[] = []
  readonly #options: HttpOptions<P, M>

  constructor(options: HttpOptions<P, M>) {
    this.#options = options
    this.fastify = createFastify(options)
  }

  /** Registers a route that people call. */
  person<R extends AnyRoute>(row: R, handler: Handler<R, P>): void {
    this.#register(row, 'person', handler as Handler<AnyRoute, unknown>) // `as`: #register hands it a person only.
  }

  /** Registers a route that machines call. */
  machine<R extends AnyRoute>(row: R, handler: Handler<R, M>): void {
    this.#register(row, 'machine', handler as Handler<AnyRoute, unknown>) // `as`: likewise a machine.
  }

  /** Registers a route without authentication. */
  anyone<R extends AnyRoute>(row: R, handler: Handler<R, undefined>): void {
    this.#register(row, 'anyone', handler as Handler<AnyRoute, unknown>) // `as`: likewise nobody.
  }

  #register(row: AnyRoute, caller: AnyRoute['caller'], handler: Handler<AnyRoute, unknown>): void {
    if (row.caller !== caller) throw new Error(`${row.id} is a route for ${row.caller}`)
    this.registered.push(row)
    const options = this.#options
    const isPublic = caller === 'anyone'
    this.fastify.route({
      method: row.method,
      url: row.path.replaceAll(/\{(\w+)\}/g, ':$1'),
      schema: {
        ...(row.params && { params: row.params }),
        ...(row.query && { querystring: { ...row.query, additionalProperties: false } }),
        ...(row.body && { body: row.body }),
        ...(row.answer && row.answer.type !== 'string' && { response: { [row.status]: row.answer } }),
      },
      // Before the body is read: nobody without a credential makes us parse anything.
      onRequest: async (request) => {
        const state = states.get(request)!
        if (isPublic) return
        const credential = readCredential(request.raw, state.isSecure)
        const who = credential && (await options.authenticate(credential, state.origin))
        if (!who) throw new AppError('auth.required')
        await options.admit(row, who, state.origin)
        state.who = who
      },
      handler: async (request, reply) => {
        const { origin, isSecure, who } = states.get(request)!
        const answer = await handler({
          params: request.params as never, // `as`: checked against the row's schema.
          query: request.query as never,
          body: request.body as never,
          caller: who?.caller,
          origin,
          isSecure,
          setHeader: (name, value) => void reply.header(name, value),
        })
        if (who) await options.used(who as Authenticated<P, M>, origin) // `as`: put there by authenticate.
        reply.code(row.status)
        return answer
      },
    })
  }
}

function createFastify<P, M>(options: HttpOptions<P, M>): FastifyInstance {
  const fastify = Fastify({
    loggerInstance: options.logger as FastifyBaseLogger, // `as`: pino is what that interface describes.
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => randomBytes(8).toString('hex'),
    requestIdHeader: false,
    bodyLimit: limits.bodyBytes,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionTimeout: 0,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    routerOptions: { maxParamLength: 512, caseSensitive: true, ignoreTrailingSlash: false },
    http: {
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: CONNECTION_CHECK_MS,
      maxHeaderSize: HEADER_BYTES_MAX,
    },
    ...(options.tls && {
      https: {
        cert: options.tls.cert,
        key: options.tls.key,
        minVersion: 'TLSv1.2' as const,
        headersTimeout: HEADERS_TIMEOUT_MS,
        connectionsCheckingInterval: CONNECTION_CHECK_MS,
        maxHeaderSize: HEADER_BYTES_MAX,
      },
    }),
    frameworkErrors: (error, request, reply) =>
      sendProblem(toAppError(error), request, reply, options.publicUrl),
  })

  const strict = addFormats.default(
    new Ajv({ removeAdditional: false, useDefaults: false, allErrors: false }),
    ['date-time'],
  )
  const coercing = addFormats.default(new Ajv({ removeAdditional: false, coerceTypes: true }), ['date-time'])
  fastify.setValidatorCompiler(({ schema, httpPart }) =>
    (httpPart === 'body' ? strict : coercing).compile(schema),
  )
  fastify.setSchemaErrorFormatter((failures) => {
    const fields = failures.map((failure) => ({
      field: fieldName(failure.instancePath ?? '', failure.keyword, failure.params),
      // Ajv's messages speak of the schema, never of the value.
      message:
        failure.keyword === 'additionalProperties'
          ? 'there is no such field'
          : (failure.message ?? 'is not valid'),
    }))
    return new AppError('request.invalid', { errors: fields })
  })

  fastify.removeAllContentTypeParsers()
  fastify.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => {
    const text = body as string // `as`: parseAs string.
    if (text === '') return done(null, undefined)
    if (!isWithinJsonLimits(text)) {
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
    reply.headers(securityHeaders)
    if (connection.isSecure) reply.header('strict-transport-security', 'max-age=31536000; includeSubDomains')
    else if (!isLoopbackAddress(connection.address)) throw new AppError('transport.insecure')
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

function sendProblem(
  error: AppError,
  request: FastifyRequest,
  reply: FastifyReply,
  publicUrl: string,
): FastifyReply {
  if (error.code === 'server.error')
    request.log.error({ traceId: request.id, err: error.cause }, 'unexpected error')
  else if (error.status >= 500)
    request.log.warn({ traceId: request.id, err: error.cause ?? error, code: error.code }, 'failed')
  const { status } = errorRegistry[error.code]
  reply.headers(securityHeaders).code(status).header('content-type', 'application/problem+json')
  if (status === 401) reply.header('www-authenticate', 'Bearer realm="keyhold"')
  if (error.shown.retryAfterSeconds !== undefined)
    reply.header('retry-after', String(error.shown.retryAfterSeconds))
  // What is left of a body that was not read must not be taken for the next request.
  if (request.raw.headers['content-length'] !== undefined && !request.raw.complete)
    reply.header('connection', 'close')
  return reply.serializer(JSON.stringify).send(toProblem(error, request.id, publicUrl))
}

/** Escapes that no path of ours needs, and forms that proxies read differently. Looks at the path only, never the query. */
function hasPathTrick(url: string): boolean {
  const end = url.indexOf('?')
  const path = end < 0 ? url : url.slice(0, end)
  return /\\|\/\/|\/\.{1,2}(?:\/|$)|%(?:2e|2f|5c|00|25|0a|0d)|[\u0000-\u0020\u007f]/i.test(path)
}

/** Whether a browser says that another site sent a changing request (Fetch Metadata; Origin for older browsers). */
function isCrossSite(request: FastifyRequest, publicUrl: string): boolean {
  const site = request.headers['sec-fetch-site']
  if (site !== undefined) return site !== 'same-origin' && site !== 'none'
  const { origin, host } = request.headers
  if (origin === undefined) return false
  return origin !== new URL(publicUrl).origin && !(URL.canParse(origin) && new URL(origin).host === host)
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
