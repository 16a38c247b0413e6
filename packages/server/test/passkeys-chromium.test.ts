import { once } from 'node:events'
import { createServer } from 'node:net'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startServer, type TestServer } from './kit.ts'

/*
 * The wire format of a real browser, with an authenticator that DevTools puts into it. The other tests of passkeys have an
 * authenticator of ours, which can fail on purpose.
 */

let server: TestServer
let stop: () => Promise<void>
let browser: Browser

async function freePort(): Promise<number> {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as { port: number } // `as`: it listens on TCP.
  taken.close()
  await once(taken, 'close')
  return port
}

beforeAll(async () => {
  const port = await freePort()
  ;({ server, stop } = await startServer('sqlite', {
    KEYHOLD_HTTP_ADDR: `127.0.0.1:${port}`,
    KEYHOLD_PUBLIC_URL: `http://localhost:${port}`,
  }))
  browser = await chromium.launch({
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
}, 120_000)
afterAll(async () => {
  await browser?.close()
  await stop()
})

/** A page of the server, in a browser of its own, with an authenticator. */
async function openPage(): Promise<{ page: Page; verifies: (isVerified: boolean) => Promise<void> }> {
  // The server's own pages forbid scripts; the test's are put in past that.
  const context = await browser.newContext({ bypassCSP: true })
  const page = await context.newPage()
  const devTools = await context.newCDPSession(page)
  await devTools.send('WebAuthn.enable')
  const { authenticatorId } = await devTools.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  })
  await page.goto(`${server.config.publicUrl}/healthz`)
  return {
    page,
    verifies: async (isUserVerified) => {
      await devTools.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified })
    },
  }
}

/** In the page: sends a request as a web application would. @returns status and body. */
const send = (page: Page, path: string, body?: unknown) =>
  page.evaluate(
    async ([url, json]) => {
      const response = await fetch(url as string, {
        method: 'POST',
        ...(json !== undefined && {
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(json),
        }),
      })
      const text = await response.text()
      return { status: response.status, body: text ? JSON.parse(text) : undefined }
    },
    [path, body],
  )

/** In the page: asks the authenticator for a new passkey, or for one that it has. */
const ask = (page: Page, kind: 'create' | 'get', options: unknown) =>
  page.evaluate(
    // biome-ignore lint/suspicious/noExplicitAny: runs in the browser, whose types the server's tests do not have.
    async ([how, json]: any) => {
      // biome-ignore lint/suspicious/noExplicitAny: see above
      const { PublicKeyCredential, navigator } = globalThis as any
      const publicKey =
        how === 'create'
          ? PublicKeyCredential.parseCreationOptionsFromJSON(json)
          : PublicKeyCredential.parseRequestOptionsFromJSON(json)
      return (await navigator.credentials[how]({ publicKey })).toJSON()
    },
    [kind, options],
  )

test('Chromium adds a passkey, signs in by it without a password, and confirms by it; not when it verifies nobody', async () => {
  const person = await server.addPerson()
  const { page, verifies } = await openPage()
  const signedIn = await send(page, '/api/v1/session', { email: person.email, password: person.password })
  expect(signedIn.status).toBe(201)

  const creation = await send(page, '/api/v1/passkeys/options', {})
  const made = await ask(page, 'create', creation.body)
  const added = await send(page, '/api/v1/passkeys', { name: 'Chromium', credential: made })
  expect(added).toMatchObject({
    status: 201,
    body: { passkey: { name: 'Chromium', transports: ['internal'] } },
  })

  await page.context().clearCookies()
  const request = await send(page, '/api/v1/session/passkey/options')
  const proof = await ask(page, 'get', request.body)
  const entered = await send(page, '/api/v1/session/passkey', { credential: proof })
  expect(entered).toMatchObject({ status: 201, body: { account: { id: person.id } } })
  expect((await send(page, '/api/v1/session/passkey', { credential: proof })).status).toBe(401)

  const confirmation = await send(page, '/api/v1/session/reauthenticate/passkey/options')
  const confirmed = await ask(page, 'get', confirmation.body)
  const answer = await send(page, '/api/v1/session/reauthenticate/passkey', { credential: confirmed })
  expect(answer.status).toBe(204)

  await verifies(false)
  const last = await send(page, '/api/v1/session/passkey/options')
  await expect(ask(page, 'get', last.body)).rejects.toThrow('NotAllowedError')
})
