import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases } from '../../packages/server/test/kit.ts'
import { startWeb, totp, type WebServer } from './kit.ts'

describe.each(databases)('Settings → Sign-in on %s', (database) => {
  let web: WebServer
  beforeAll(async () => {
    web = await startWeb(database)
  }, 120_000)
  afterAll(() => web.stop())

  test('an authenticator is turned on with a first code, recovery codes are shown once, and it is turned off', async () => {
    const { server } = web
    const person = await server.addPerson()
    const { page, leave, isAccessible } = await web.visit('/', person)
    await page.getByRole('link', { name: 'Sign-in' }).click()
    await page.getByRole('button', { name: 'Turn on authenticator' }).click()
    const form = page.getByRole('dialog', { name: 'Turn on authenticator' })
    await form.getByRole('textbox', { name: 'Password' }).fill('wrong')
    await form.getByRole('button', { name: 'Next' }).click()
    await form.getByRole('alert').getByText('The current password is wrong').waitFor()
    await form.getByRole('textbox', { name: 'Password' }).fill(person.password)
    await form.getByRole('button', { name: 'Next' }).click()
    await form.getByRole('img', { name: 'QR code for your authenticator' }).waitFor()
    const secret = await form.getByLabel('Secret of the authenticator', { exact: true }).textContent()
    await isAccessible('second-factor-new')
    await form.getByLabel('Code of the authenticator').fill(totp(secret!, server.clock.now()))
    await form.getByRole('button', { name: 'Turn on authenticator' }).click()
    const once = page.getByRole('dialog', { name: 'Your recovery codes' })
    await once.waitFor()
    await isAccessible('recovery-codes')
    await once.getByRole('button', { name: 'I have kept it' }).click()
    await page.getByText('Your authenticator is on.').waitFor()
    expect(await page.content()).not.toContain(secret)
    await isAccessible('sign-in-methods')
    server.clock.advance(60_000)
    await page.getByRole('button', { name: 'New recovery codes' }).click()
    const renew = page.getByRole('dialog', { name: 'New recovery codes' })
    await renew.getByRole('textbox', { name: 'Password' }).fill(person.password)
    await renew.getByLabel('Code of your authenticator').fill(totp(secret!, server.clock.now()))
    await renew.getByRole('button', { name: 'New recovery codes' }).click()
    await once.waitFor()
    await once.getByRole('button', { name: 'I have kept it' }).click()
    await once.waitFor({ state: 'detached' })
    server.clock.advance(60_000)
    await page.getByRole('button', { name: 'Turn off authenticator' }).click()
    const off = page.getByRole('dialog', { name: 'Turn off authenticator' })
    await off.getByRole('textbox', { name: 'Password' }).fill(person.password)
    await off.getByLabel('Code of your authenticator').fill(totp(secret!, server.clock.now()))
    await off.getByRole('button', { name: 'Turn off authenticator' }).click()
    await page.getByText('Signing in takes no code').waitFor()
    await leave()
  })

  test('a passkey is added in this browser, signs in without a password, and is deleted', async () => {
    const person = await web.server.addPerson()
    const { page, context, leave } = await web.visit('/settings/sign-in', person)
    const devTools = await context.newCDPSession(page)
    await devTools.send('WebAuthn.enable')
    await devTools.send('WebAuthn.addVirtualAuthenticator', {
      options: {
        protocol: 'ctap2',
        transport: 'internal',
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: true,
        automaticPresenceSimulation: true,
      },
    })
    await page.getByRole('button', { name: 'Add passkey' }).click()
    await page.getByRole('dialog').getByLabel('Name').fill('my laptop')
    await page.getByRole('dialog').getByRole('button', { name: 'Add', exact: true }).click()
    await page.getByRole('button', { name: 'I have kept it' }).click()
    await page.getByRole('rowheader', { name: 'my laptop' }).waitFor()
    await page.getByRole('button', { name: 'Rename my laptop' }).click()
    await page.getByRole('dialog', { name: 'Rename passkey' }).getByLabel('Name').fill('my other laptop')
    await page.getByRole('dialog').getByRole('button', { name: 'Rename' }).click()
    await page.getByRole('rowheader', { name: 'my other laptop' }).waitFor()
    await page.getByRole('button', { name: 'Account' }).click()
    await page.getByRole('menuitem', { name: 'Sign out' }).click()
    await page.getByRole('button', { name: 'Sign in with a passkey' }).click()
    await page.getByRole('heading', { name: 'Home' }).waitFor()
    await page.getByRole('link', { name: 'Sign-in' }).click()
    await page.getByRole('button', { name: 'Delete my other laptop' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
    await page.getByText('You have no passkeys').waitFor()
    await leave()
  })

  test('sessions are listed with this one marked, and another is ended with its next request', async () => {
    const { server } = web
    const person = await server.addPerson()
    const other = await server.signIn(person)
    const { page, leave } = await web.visit('/settings/sign-in', person)
    await page.getByText('This one').waitFor()
    await page.getByRole('button', { name: /^End the session of / }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'End', exact: true }).click()
    await page.getByRole('button', { name: /^End the session of / }).waitFor({ state: 'detached' })
    expect((await server.request('GET', '/api/v1/session', { headers: { cookie: other } })).status).toBe(401)
    await leave()
  })

  test('all other sessions are ended at once; browsers are named as people call them', async () => {
    const { server } = web
    const person = await server.addPerson()
    const { page, leave } = await web.visit('/', person)
    await page.getByRole('heading', { name: 'Home' }).waitFor()
    const signedIn = await page.request.post('/api/v1/session', {
      headers: {
        origin: web.url,
        'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
      },
      data: { email: person.email, password: person.password },
    })
    expect(signedIn.status()).toBe(201)
    const other = await server.signIn(person)
    await page.goto('/settings/sign-in')
    await page.getByRole('rowheader', { name: 'Firefox on Linux' }).waitFor()
    await page.getByRole('button', { name: 'End all others' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'End all others' }).click()
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    await page.getByRole('button', { name: 'End all others' }).waitFor({ state: 'detached' })
    expect((await server.request('GET', '/api/v1/session', { headers: { cookie: other } })).status).toBe(401)
    await leave()
  })

  // The last one: it stays required.
  test('where a second factor is required, whoever has none is led here from every page, and told why', async () => {
    const { server } = web
    const admin = await server.addPerson('admin')
    const person = await server.addPerson()
    await server.ok('PATCH', '/api/v1/settings', {
      token: admin.token,
      body: { requireSecondFactor: true },
    })
    const { page, leave, isAccessible } = await web.visit('/security', person)
    await page.getByText('A second factor is required here').waitFor()
    expect(new URL(page.url()).pathname).toBe('/settings/sign-in')
    await isAccessible('second-factor-required')
    await leave()
  })
})
