import { createHash, timingSafeEqual } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { errors } from '@keyhold/contract/errors'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { AppError } from '../base/app-error.ts'
import { escapeHtml, htmlPage } from './page.ts'

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
  readonly publicUrl: string
  /** Folder with a page per error code. */
  readonly errorPages: URL
  /** The web application is there, and has pages of its own in place of those that name commands. */
  readonly hasWeb: boolean
}

const digest = (text: string) => createHash('sha256').update(text).digest()

const sendPage = (reply: FastifyReply, title: string, body: string): FastifyReply =>
  reply.type('text/html; charset=utf-8').send(htmlPage(title, body))

/** What a server answers whose root key nobody has opened yet: that it is alive, and else that it is sealed. */
export function sealedRoutes(fastify: FastifyInstance): void {
  const checks = { rootKey: 'sealed: give the passphrase with keyhold admin unseal' }
  fastify.addHook('onRequest', async ({ routeOptions: { url } }) => {
    if (url !== '/healthz' && url !== '/readyz') throw new AppError('server.sealed')
  })
  fastify.get('/healthz', async () => ({ status: 'ok' }))
  fastify.get('/readyz', async (_request, reply) => reply.code(503).send({ status: 'sealed', checks }))
}

/** What operators and tools ask of the server itself: health, metrics, the API's description, pages of error codes. */
export function operationRoutes(fastify: FastifyInstance, options: OperationsOptions): void {
  if (!options.hasWeb) textPages(fastify, options.publicUrl)

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

/** Where links lead on a server without the web application: to commands. */
function textPages(fastify: FastifyInstance, publicUrl: string): void {
  const url = escapeHtml(publicUrl)

  fastify.get('/', async (_request, reply) =>
    sendPage(
      reply,
      'This is Keyhold',
      `<p>One place for every key a developer's work needs. It is used from the command line:</p>
<pre>npx keyhold setup --url ${url}     the first time, with the code that the server printed
npx keyhold help                   what else there is</pre>
<p>Programs use the API: <a href="/api/openapi.json">/api/openapi.json</a> describes it.</p>`,
    ),
  )

  // Where the link leads that the server prints. The code stands after the #, which browsers do not send.
  fastify.get('/setup', async (_request, reply) =>
    sendPage(
      reply,
      'Set up Keyhold',
      `<p>Run this in a terminal:</p>
<pre>npx keyhold setup --url ${url}</pre>
<p>It asks for the one-time code. The code is in the address of this page, after <code>#code=</code>; the whole address may
be pasted as well. When Keyhold is set up already, the code no longer works.</p>`,
    ),
  )

  // Where `keyhold login` sends people. The code stands after the #, as above.
  fastify.get('/device', async (_request, reply) =>
    sendPage(
      reply,
      'Sign a machine in',
      `<p>Did you just run <code>keyhold login</code>? Then run this in a terminal where you are signed in already:</p>
<pre>keyhold approve-login</pre>
<p>It asks for the code that <code>keyhold login</code> printed, and shows which machine asks, from where, and what it
may do. Approve nothing that you did not begin yourself.</p>`,
    ),
  )
}
