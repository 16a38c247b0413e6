import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { extname } from 'node:path'
import { pages } from '@keyhold/contract/pages'
import type { FastifyInstance } from 'fastify'
import { AppError } from '../base/app-error.ts'
import { newStyleNonce } from '../base/ids.ts'

/** What the built page has in place of the nonce of its styles. */
const NONCE_PLACE = '__KEYHOLD_STYLE_NONCE__'

const contentTypes: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
}

/** Best first; what the build has put beside each file. */
const encodings = [
  { name: 'br', suffix: '.br' },
  { name: 'gzip', suffix: '.gz' },
] as const

/**
 * What the page may do: run the scripts of this server, talk to this server, and nothing else. Text becomes markup nowhere
 * (Trusted Types), but for the one policy of the application, which lets style sheets through.
 */
const policyOf = (nonce: string) =>
  [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'self' 'nonce-${nonce}'`,
    "img-src 'self' data:",
    "connect-src 'self'",
    "font-src 'self'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    'trusted-types default',
  ].join('; ')

const pageHeaders = {
  'cross-origin-opener-policy': 'same-origin',
  'permissions-policy':
    'camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=(), clipboard-read=(), clipboard-write=(self), publickey-credentials-create=(self), publickey-credentials-get=(self)',
}

/**
 * Serves the web application, where it was built. The page is kept, its files are read from the disk when they are asked
 * for: browsers ask once, since a file's name changes with what is in it.
 *
 * @param folder where `npm run build` has put it
 * @returns whether it is there
 */
export function webRoutes(fastify: FastifyInstance, folder: URL): boolean {
  const pageFile = new URL('index.html', folder)
  if (!existsSync(pageFile)) return false
  const [before, ...after] = readFileSync(pageFile, 'utf8').split(NONCE_PLACE)
  const assets = new URL('assets/', folder)
  // Only names from here become names of files.
  const names = new Set(readdirSync(assets))

  for (const path of pages) {
    fastify.get(path, async (_request, reply) => {
      const nonce = newStyleNonce()
      return reply
        .headers(pageHeaders)
        .header('content-security-policy', policyOf(nonce))
        .type('text/html; charset=utf-8')
        .send([before, ...after].join(nonce))
    })
  }

  fastify.get<{ Params: { name: string } }>('/assets/:name', async (request, reply) => {
    const { name } = request.params
    const contentType = contentTypes[extname(name)]
    if (contentType === undefined || !names.has(name)) throw new AppError('route.not_found')
    const accepted = request.headers['accept-encoding'] ?? ''
    const encoding = encodings.find(
      (one) =>
        names.has(name + one.suffix) &&
        new RegExp(`\\b${one.name}\\b(?!;q=0(?:[.]0*)?(?:,|$))`).test(accepted),
    )
    const bytes = await readFile(new URL(name + (encoding?.suffix ?? ''), assets)).catch(() => undefined)
    // Built anew under a server that runs: its pages name files that are gone.
    if (bytes === undefined) throw new AppError('route.not_found')
    if (encoding) reply.header('content-encoding', encoding.name)
    return reply
      .header('cache-control', 'public, max-age=31536000, immutable')
      .header('vary', 'accept-encoding')
      .type(contentType)
      .send(bytes)
  })
  return true
}
