// A real Chromium at a real server, for tests of the web application.
import { createHmac } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { glob } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { expect, vi } from 'vitest'
import {
  startServer,
  type TestDatabase,
  type TestPerson,
  type TestServer,
} from '../../packages/server/test/kit.ts'
import { freePort } from '../../tools/free-port.ts'

/** Where `node tools/screenshots.ts` wants pictures. */
const pictures = process.env.KEYHOLD_SCREENSHOTS
const web = join(import.meta.dirname, '../../packages/web')
const axe = readFileSync(createRequire(join(web, 'package.json')).resolve('axe-core/axe.min.js'), 'utf8')

/** Shorter texts of an answer, and words such as a kind, may be anywhere. */
const TELLING_LENGTH_MIN = 12

await assertBuilt()

/** Far more than anything takes, and less than a test is given: so what was waited for is told. */
const ANSWER_MS = 60_000
const TEST_MS = 240_000
vi.setConfig({ testTimeout: TEST_MS })

/** A page, and everything about it that must not be. */
export interface Visit {
  readonly page: Page
  readonly context: BrowserContext
  /** Fails when there was an error in the console, a violation of the policy, or something of an answer was kept. */
  leave(): Promise<void>
  /** What is on the clipboard. */
  copied(): Promise<string>
  /**
   * Fails when the page, as it is now, is not accessible, in light and in dark. With one of the databases alone: the page is
   * the same with both. @param name of its pictures
   */
  isAccessible(name: string): Promise<void>
}

/** A browser of which every visit is a fresh one. */
export interface WebBrowser {
  /** @param cookie `name=value` that is there already */
  visit(path: string, cookie?: string): Promise<Visit>
  stop(): Promise<void>
}

export interface WebServer {
  readonly server: TestServer
  readonly url: string
  /** Opens a page in a browser of its own. @param person signed in there */
  visit(path: string, person?: TestPerson): Promise<Visit>
  stop(): Promise<void>
}

/** Starts a browser for a server that is there. @param looksAtPages whether `isAccessible` looks */
export async function startBrowser(url: string, looksAtPages = true): Promise<WebBrowser> {
  const browser = await launch()
  return {
    visit: async (path, cookie) => {
      const context = await browser.newContext({
        baseURL: url,
        reducedMotion: 'reduce',
        permissions: ['clipboard-read', 'clipboard-write'],
      })
      if (cookie !== undefined) {
        const [name, value] = cookie.split('=')
        await context.addCookies([{ name: name!, value: value!, url, httpOnly: true, sameSite: 'Strict' }])
      }
      return open(context, path, looksAtPages)
    },
    stop: () => browser.close(),
  }
}

/**
 * Starts a server with the web application as it was built, and a browser.
 * @param internet what the server finds outside
 * @param env of the server, besides what it needs
 */
export async function startWeb(
  database: TestDatabase,
  internet?: Parameters<typeof startServer>[2],
  env: Readonly<Record<string, string>> = {},
): Promise<WebServer> {
  const port = await freePort()
  const url = `http://localhost:${port}`
  const { server, stop } = await startServer(
    database,
    { KEYHOLD_HTTP_ADDR: `127.0.0.1:${port}`, KEYHOLD_PUBLIC_URL: url, ...env },
    internet,
    new URL('../../packages/web/dist/', import.meta.url),
  )
  const browser = await startBrowser(url, database === 'sqlite')
  return {
    server,
    url,
    visit: async (path, person) => browser.visit(path, person && (await server.newSession(person))),
    stop: async () => {
      await browser.stop()
      await stop()
    },
  }
}

function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

/** What is tested is what is served: an older build would be neither. Looked at once, when the tests begin. */
async function assertBuilt(): Promise<void> {
  const builtAt = statSync(join(web, 'dist/index.html'), { throwIfNoEntry: false })?.mtimeMs ?? 0
  for await (const file of glob('src/**/*.{ts,tsx,css,svg}', { cwd: web }))
    if (statSync(join(web, file)).mtimeMs > builtAt)
      throw new Error(`packages/web/${file} is newer than what was built: npm run build`)
}

async function open(context: BrowserContext, path: string, looksAtPages: boolean): Promise<Visit> {
  const page = await context.newPage()
  page.setDefaultTimeout(ANSWER_MS)
  const problems: string[] = []
  const answered = new Set<string>()
  page.on('console', (message) => {
    // The browser's own line for an answer of 400 and more; tests of errors bring these about.
    const isRefusal = message
      .text()
      .startsWith('Failed to load resource: the server responded with a status of 4')
    if ((message.type() === 'error' || message.type() === 'warning') && !isRefusal)
      problems.push(`${message.type()}: ${message.text()}`)
  })
  page.on('pageerror', (error) => problems.push(`page: ${error.message}`))
  page.on('response', (response) => {
    if (response.headers()['content-type']?.includes('json'))
      void response.json().then(
        (body) => collect(body, answered),
        () => {},
      )
  })
  await page.addInitScript(`addEventListener('securitypolicyviolation', (event) =>
    console.error('violates ' + event.violatedDirective + ': ' + event.blockedURI + ' ' + event.sample))`)
  await page.goto(path)
  return {
    page,
    context,
    leave: async () => {
      const kept = await keptBy(page)
      expect([...answered].filter((text) => kept.includes(text))).toEqual([])
      expect(problems).toEqual([])
      await context.close()
    },
    copied: async () => {
      // The application may not read the clipboard itself: its policy says so.
      const reader = await context.newPage()
      await reader.goto('/healthz')
      const text = String(await reader.evaluate('navigator.clipboard.readText()'))
      await reader.close()
      return text
    },
    isAccessible: async (name) => {
      if (!looksAtPages) return
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme })
        if (pictures)
          await page.screenshot({ path: join(pictures, `${name}-${colorScheme}.png`), fullPage: true })
        expect([colorScheme, await axeViolations(page)]).toEqual([colorScheme, []])
      }
      await page.emulateMedia({ colorScheme: 'light' })
    },
  }
}

/** Names of secrets may be in an address; values look like this only where a test has chosen them badly. */
const NAME = /^[A-Z][A-Z0-9_]*$/

/** Ids of what a page is about: they are in its address, and name things without telling anything. */
const ADDRESSED = /^(?:prj|sec)_[0-9a-z]{20}$|^ws-[0-9a-z]+$/

/** Every text in an answer that says something. */
function collect(value: unknown, into: Set<string>): void {
  if (
    typeof value === 'string' &&
    value.length >= TELLING_LENGTH_MIN &&
    !/^[a-z-]+$/.test(value) &&
    !NAME.test(value) &&
    !ADDRESSED.test(value)
  )
    into.add(value)
  else if (typeof value === 'object' && value !== null)
    for (const part of Object.values(value)) collect(part, into)
}

/** Everything that a page can leave in a browser, as one text; cookies apart, which only the server reads. */
async function keptBy(page: Page): Promise<string> {
  const stored = await page.evaluate(async () => {
    // biome-ignore lint/suspicious/noExplicitAny: runs in the browser, whose types these tests do not have.
    const { localStorage, sessionStorage, indexedDB, caches, history, document, name } = globalThis as any
    return JSON.stringify([
      { ...localStorage },
      { ...sessionStorage },
      await indexedDB.databases(),
      await caches.keys(),
      history.state,
      document.cookie,
      name,
    ])
  })
  const { pathname, search, hash } = new URL(page.url())
  return `${stored} ${decodeURIComponent(pathname + search + hash).replaceAll(ID, '')}`
}

/** Addresses name what they are of. */
const ID = /\b[a-z]{2,4}_[a-z0-9]{20}\b/g

/** What axe finds, as `rule: where`. */
async function axeViolations(page: Page): Promise<string[]> {
  const devTools = await page.context().newCDPSession(page)
  // By the debugger, which the page's policy does not bind; the policy stays as it is for the page.
  await devTools.send('Runtime.evaluate', { expression: axe })
  const { result, exceptionDetails } = await devTools.send('Runtime.evaluate', {
    expression: `axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })
      .then(({ violations }) => violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) =>
        id + ': ' + target.join(' ') + ' ' + failureSummary)))`,
    awaitPromise: true,
    returnByValue: true,
  })
  await devTools.detach()
  if (exceptionDetails) throw new Error(`axe: ${exceptionDetails.exception?.description}`)
  return result.value
}

/** The code of an authenticator (RFC 6238) for a secret in base32. */
export function totp(secret: string, now: Date): string {
  const bits = [...secret]
    .map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0'))
    .join('')
  const key = Buffer.from(bits.match(/.{8}/g)!.map((byte) => Number.parseInt(byte, 2)))
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(Math.floor(now.getTime() / 30_000)))
  const mac = createHmac('sha1', key).update(counter).digest()
  const offset = mac.at(-1)! & 15
  return String((mac.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, '0')
}
