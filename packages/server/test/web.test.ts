import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib'
import { pages } from '@keyhold/contract/pages'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startServer, type TestServer } from './kit.ts'

/*
 * How the web application is served. What is served here is a small one; the real one is looked at in a browser, in e2e/web.
 */

const SCRIPT = 'console.log("a script of the application")'
let folder: string
let server: TestServer
let stop: () => Promise<void>

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'keyhold-web-'))
  mkdirSync(join(folder, 'assets'))
  writeFileSync(join(folder, 'index.html'), '<meta name="style-nonce" content="__KEYHOLD_STYLE_NONCE__">')
  writeFileSync(join(folder, 'secret.txt'), 'beside the assets')
  const script = join(folder, 'assets/index-abc.js')
  writeFileSync(script, SCRIPT)
  writeFileSync(`${script}.br`, brotliCompressSync(SCRIPT))
  writeFileSync(`${script}.gz`, gzipSync(SCRIPT))
  writeFileSync(join(folder, 'assets/plain-abc.css'), 'a { color: red }')
  ;({ server, stop } = await startServer('sqlite', {}, undefined, pathToFileURL(`${folder}/`)))
})
afterAll(async () => {
  await stop()
  rmSync(folder, { recursive: true })
})

test('each page is the application under a policy that lets no inline script, no other site and no markup from text in', async () => {
  const nonces = new Set<string>()
  for (const path of pages) {
    const answer = await server.request('GET', path.replaceAll(/:\w+/g, 'prj_1'))
    expect([path, answer.status]).toEqual([path, 200])
    const policy = answer.headers.get('content-security-policy')!
    const nonce = /'nonce-([\w+/=]{24})'/.exec(policy)![1]!
    nonces.add(nonce)
    expect(answer.text).toBe(`<meta name="style-nonce" content="${nonce}">`)
    expect(policy.replace(nonce, 'N').split('; ')).toEqual([
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self' 'nonce-N'",
      "img-src 'self' data:",
      "connect-src 'self'",
      "font-src 'self'",
      "base-uri 'none'",
      "form-action 'self'",
      "frame-ancestors 'none'",
      "require-trusted-types-for 'script'",
      'trusted-types default',
    ])
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'cache-control': 'no-store',
      'content-type': 'text/html; charset=utf-8',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'permissions-policy': expect.stringContaining('camera=()'),
    })
  }
  // One for each answer, so that one seen elsewhere is of no use.
  expect(nonces.size).toBe(pages.length)
})

test('files are kept by browsers for ever, and come compressed as the browser asks', async () => {
  const get = async (name: string, accepted: string) => {
    const { request } = await import('node:http')
    return new Promise<{ headers: NodeJS.Dict<string | string[]>; body: Buffer }>((resolve, reject) => {
      request(`${server.url}/assets/${name}`, { headers: { 'accept-encoding': accepted } }, (response) => {
        const parts: Buffer[] = []
        response.on('data', (part: Buffer) => parts.push(part))
        response.on('end', () => resolve({ headers: response.headers, body: Buffer.concat(parts) }))
      })
        .on('error', reject)
        .end()
    })
  }
  const best = await get('index-abc.js', 'gzip, deflate, br')
  expect(best.headers).toMatchObject({
    'cache-control': 'public, max-age=31536000, immutable',
    'content-encoding': 'br',
    'content-type': 'text/javascript; charset=utf-8',
    vary: 'accept-encoding',
    'x-content-type-options': 'nosniff',
  })
  expect(brotliDecompressSync(best.body).toString()).toBe(SCRIPT)
  const second = await get('index-abc.js', 'gzip, br;q=0')
  expect(second.headers['content-encoding']).toBe('gzip')
  expect(gunzipSync(second.body).toString()).toBe(SCRIPT)
  const plain = await get('index-abc.js', 'identity')
  expect(plain.headers['content-encoding']).toBeUndefined()
  expect(plain.body.toString()).toBe(SCRIPT)
  expect((await get('plain-abc.css', 'br')).headers['content-type']).toBe('text/css; charset=utf-8')
})

test.each([
  '/there-is-nothing',
  '/assets/',
  '/assets/index-abd.js',
  '/assets/index-abc.js.br',
  '/assets/..%2findex.html',
  '/assets/../secret.txt',
  '/assets/%2e%2e/secret.txt',
  '/secret.txt',
  '/index.html',
  '/api/v1/there-is-nothing',
  '/Setup',
  '/setup/',
])('nothing else is answered with the page or a file: %s', async (path) => {
  const { request } = await import('node:http')
  const { hostname, port } = new URL(server.url)
  const status = await new Promise((resolve, reject) => {
    // As it is written: fetch would tidy the path.
    request({ hostname, port, path }, (response) => resolve(response.resume().statusCode))
      .on('error', reject)
      .end()
  })
  expect([400, 404]).toContain(status)
})

test('the pages answer no plain HTTP from elsewhere, and the API answers as without them', async () => {
  expect((await server.request('GET', '/api/v1/session')).body.code).toBe('auth.required')
  expect((await server.request('POST', '/setup')).status).toBe(404)
  expect((await server.request('HEAD', '/')).status).toBe(200)
})
