import { createHash, timingSafeEqual } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { errors } from '@keyhold/contract/errors'
import type { FastifyInstance } from 'fastify'
import { AppError } from '../base/app-error.ts'

export interface Readiness {
  readonly isReady: boolean
  /** One line per part: `ok`, or what is wrong. */
  readonly checks: Readonly<Record<string, string>>
}

export interface OperationsOptions {
  readonly readiness: () => Promise<Readiness>
  /** Bearer token of /metrics here; absent: no /metrics here. */
  readonly metricsToken?: string | undefined
  readonly metrics: () => Promise<string>
  readonly openapi: () => object
  /** Folder with a page per error code. */
  readonly errorPages: URL
}

const digest = (text: string) => createHash('sha256').update(text).digest()

/** What operators and tools ask of the server itself: health, metrics, the API's description, pages of error codes. */
export function operationRoutes(fastify: FastifyInstance, options: OperationsOptions): void {
  // Alive: the process answers. Nothing else is looked at, so that a slow database does not get the process killed.
  fastify.get('/healthz', async () => ({ status: 'ok' }))

  fastify.get('/readyz', async (_request, reply) => {
    const { isReady, checks } = await options.readiness()
    return reply.code(isReady ? 200 : 503).send({ status: isReady ? 'ok' : 'unavailable', checks })
  })

  fastify.get('/metrics', async (request, reply) => {
    const { metricsToken } = options
    if (metricsToken === undefined) throw new AppError('route.not_found')
    const given = /^bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? ''
    if (!timingSafeEqual(digest(given), digest(metricsToken))) throw new AppError('auth.required')
    return reply.type('text/plain; version=0.0.4').send(await options.metrics())
  })

  let openapi: string | undefined
  fastify.get('/api/openapi.json', async (_request, reply) => {
    openapi ??= JSON.stringify(options.openapi())
    return reply.type('application/json').send(openapi)
  })

  fastify.get<{ Params: { code: string } }>('/errors/:code', async (request, reply) => {
    const { code } = request.params
    // Only codes of the registry become file names.
    if (!Object.hasOwn(errors, code)) throw new AppError('route.not_found')
    const page = await readFile(new URL(`${code}.md`, options.errorPages), 'utf8').catch(() => undefined)
    if (page === undefined) throw new AppError('route.not_found')
    return reply.type('text/markdown; charset=utf-8').send(page)
  })
}
