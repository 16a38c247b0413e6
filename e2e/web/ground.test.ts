import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases } from '../../packages/server/test/kit.ts'
import { startWeb, totp, type WebServer } from './kit.ts'

const PASSWORD = 'the stoker of the night train'

describe.each(databases)('the web application on %s', (database) => {
  let web: WebServer
  beforeAll(async () => {
    web = await startWeb(database)
  }, 120_000)
  afterAll(() => web.stop())

  test('set-up by the link: an account, the recovery kit and the first run with commands to copy; the code is gone from the address', async () => {
    const code = await web.server.core.accounts.newSetupCode()
    const { page, leave, isAccessible, copied } = await web.visit(`/setup#code=${code!.reveal()}`)
    await page.getByRole('heading', { name: 'Set up Keyhold' }).waitFor()
    expect(page.url()).toBe(`${web.url}/setup`)
    await isAccessible('set-up')
    await page.getByLabel('Your name').fill('Ada')
    await page.getByLabel('E-mail address').fill('ada@example.com')
    await page.getByRole('textbox', { name: 'Password', exact: true }).fill(PASSWORD)
    await page.getByRole('textbox', { name: 'The same password again' }).fill(PASSWORD)
    await page.getByRole('button', { name: 'Set up' }).click()
    await page.getByRole('heading', { name: 'Keyhold is yours' }).waitFor()
    await isAccessible('set-up-ready')
    await page.getByRole('button', { name: 'Copy command that makes the recovery kit' }).click()
    await expect.poll(copied).toBe('npx keyhold admin recovery-kit create')
    await page.getByLabel('Project').fill('a first project')
    await page.getByLabel('Name of the secret').fill('not a name')
    await page.getByRole('textbox', { name: 'Value' }).fill('canary-of-the-first-secret')
    await page.getByRole('button', { name: 'Make project and secret' }).click()
    await page.getByRole('alert').getByText('name').first().waitFor()
    await page.getByLabel('Name of the secret').fill('GREETING')
    await page.getByRole('button', { name: 'Make project and secret' }).click()
    await page.getByText('GREETING is in the project a first project.').waitFor()
    await isAccessible('set-up-run')
    await page.getByRole('button', { name: 'Copy command that makes an access key' }).click()
    await expect
      .poll(copied)
      .toBe(
        `npx keyhold access-key create --project='a first project' --permission=read --output="$HOME/first.env"`,
      )
    await page.getByRole('button', { name: 'Copy command that starts a program with its secrets' }).click()
    await expect
      .poll(copied)
      // biome-ignore lint/suspicious/noTemplateCurlyInString: for a shell
      .toContain('npx keyhold run -- sh -c \'echo "$GREETING has ${#GREETING} characters"\'')
    expect(await page.content()).not.toContain('canary-of-the-first-secret')
    await page.getByRole('link', { name: 'Go to Keyhold' }).click()
    await page.getByRole('heading', { name: 'Home' }).waitFor()
    await page.getByText('The root key has no recovery kit').waitFor()
    await isAccessible('home')
    await page.goto('/setup')
    await page.getByRole('heading', { name: 'This Keyhold is set up already' }).waitFor()
    await leave()
  })

  test('a wrong set-up code is refused with what to do and the trace id', async () => {
    const fresh = await startWeb(database)
    const { page, leave } = await fresh.visit('/setup')
    await page
      .getByRole('textbox', { name: 'One-time code, or the link with it' })
      .fill('https://example.com/setup#code=wrong')
    await page.getByLabel('Your name').fill('Ada')
    await page.getByLabel('E-mail address').fill('ada@example.com')
    await page.getByRole('textbox', { name: 'Password', exact: true }).fill(PASSWORD)
    await page.getByRole('textbox', { name: 'The same password again' }).fill(PASSWORD)
    await page.getByRole('button', { name: 'Set up' }).click()
    const alert = page.getByRole('alert')
    await alert.getByText('The set-up code is wrong').waitFor()
    expect(await alert.textContent()).toMatch(/Trace id.*[0-9a-f]{16}/)
    await leave()
    await fresh.stop()
  })

  test('signing in leads back to where one was; a wrong password says so; signing out ends the session', async () => {
    const person = await web.server.addPerson()
    const { page, leave, isAccessible } = await web.visit('/device')
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
    expect(new URL(page.url()).searchParams.get('next')).toBe('/device')
    await isAccessible('sign-in')
    await page.getByLabel('E-mail address').fill(person.email)
    await page.getByRole('textbox', { name: 'Password' }).fill('wrong')
    await page.getByRole('button', { name: 'Sign in', exact: true }).click()
    await page.getByRole('alert').getByText('E-mail address, password or code is wrong').waitFor()
    await isAccessible('sign-in-wrong')
    await page.getByRole('textbox', { name: 'Password' }).fill(person.password)
    await page.getByRole('button', { name: 'Sign in', exact: true }).click()
    await page.getByRole('heading', { name: 'Sign a machine in' }).waitFor()
    expect(new URL(page.url()).pathname).toBe('/device')
    await page.getByRole('button', { name: 'Account' }).click()
    await page.getByRole('menuitem', { name: 'Sign out' }).click()
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
    await page.goto('/device')
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
    await leave()
  })

  test.each([
    '//example.com',
    '/\\example.com',
    'https://example.com',
    'javascript:alert(1)',
    '/x/..//example.com',
  ])('signing in never leads to another site: %s', async (next) => {
    const person = await web.server.addPerson()
    const { page, leave } = await web.visit(`/sign-in?next=${encodeURIComponent(next)}`)
    await page.getByLabel('E-mail address').fill(person.email)
    await page.getByRole('textbox', { name: 'Password' }).fill(person.password)
    await page.getByRole('button', { name: 'Sign in', exact: true }).click()
    await page.getByRole('heading', { name: 'Home' }).waitFor()
    expect(page.url()).toBe(`${web.url}/`)
    await leave()
  })

  test('a second factor is asked for, by a code of the authenticator', async () => {
    const person = await web.server.addPerson()
    const { server } = web
    const { secret } = await server.ok('POST', '/api/v1/second-factor/totp', {
      token: person.token,
      body: { password: person.password },
    })
    await server.ok('POST', '/api/v1/second-factor/totp/confirm', {
      token: person.token,
      body: { code: totp(secret, server.clock.now()) },
    })
    server.clock.advance(60_000)
    const { page, leave, isAccessible } = await web.visit('/sign-in')
    await page.getByLabel('E-mail address').fill(person.email)
    await page.getByRole('textbox', { name: 'Password' }).fill(person.password)
    await page.getByRole('button', { name: 'Sign in', exact: true }).click()
    await page
      .getByLabel('Code of your authenticator, or a recovery code')
      .fill(totp(secret, server.clock.now()))
    await isAccessible('sign-in-code')
    await page.getByRole('button', { name: 'Sign in', exact: true }).click()
    await page.getByRole('heading', { name: 'Home' }).waitFor()
    await leave()
  })

  test('an invitation makes an account by its link, which is gone from the address', async () => {
    const admin = await web.server.addPerson('admin')
    const session = await web.server.newSession(admin)
    const { link } = await web.server.ok('POST', '/api/v1/invitations', {
      headers: { cookie: session },
      body: { email: `invited.${database}@example.com` },
    })
    const { page, leave, isAccessible } = await web.visit(new URL(link).pathname + new URL(link).hash)
    await page.getByText(`invited.${database}@example.com`).waitFor()
    expect(page.url()).toBe(`${web.url}/invite`)
    await isAccessible('invite')
    await page.getByLabel('Your name').fill('Grace')
    await page.getByRole('textbox', { name: 'Password', exact: true }).fill(PASSWORD)
    await page.getByRole('textbox', { name: 'The same password again' }).fill(PASSWORD)
    await page.getByRole('button', { name: 'Make my account' }).click()
    await page.getByRole('heading', { name: 'Home' }).waitFor()
    await leave()
  })

  test('a machine is signed in by its code, after the person has confirmed that it is them; what was begun goes on by itself', async () => {
    const { server } = web
    const person = await server.addPerson()
    const begun = await server.ok('POST', '/api/v1/device-logins', { body: { name: 'a laptop' } })
    const { page, leave, isAccessible } = await web.visit(`/device#code=${begun.userCode}`, person)
    await page.getByRole('button', { name: 'Show which machine asks' }).click()
    await page.getByText('a laptop wants to act as you').waitFor()
    await isAccessible('device')
    // The sign-in is older than 10 minutes.
    server.clock.advance(11 * 60_000)
    const again = await server.ok('POST', '/api/v1/device-logins', { body: { name: 'another laptop' } })
    await page.goto('/device')
    await page.getByLabel('Code that keyhold login printed').fill(again.userCode)
    await page.getByRole('button', { name: 'Show which machine asks' }).click()
    await page.getByRole('button', { name: 'Approve' }).click()
    const dialog = page.getByRole('dialog', { name: 'Confirm that it is you' })
    await dialog.waitFor()
    await isAccessible('step-up')
    await dialog.getByRole('textbox', { name: 'Password' }).fill('wrong')
    await dialog.getByRole('button', { name: 'Confirm' }).click()
    await dialog.getByRole('alert').getByText('The current password is wrong').waitFor()
    await dialog.getByRole('textbox', { name: 'Password' }).fill(person.password)
    await dialog.getByRole('button', { name: 'Confirm' }).click()
    await page.getByText('Now type this code where you ran keyhold login').waitFor()
    await isAccessible('device-approved')
    await leave()
  })

  test('a session that has ended leads to sign-in and back', async () => {
    const person = await web.server.addPerson()
    const { page, leave, context } = await web.visit('/device', person)
    await page.getByRole('heading', { name: 'Sign a machine in' }).waitFor()
    await context.clearCookies()
    await page.getByLabel('Code that keyhold login printed').fill('ABCD-EFGH')
    await page.getByRole('button', { name: 'Show which machine asks' }).click()
    await page.getByText('your session has ended').waitFor()
    await page.getByLabel('E-mail address').fill(person.email)
    await page.getByRole('textbox', { name: 'Password' }).fill(person.password)
    await page.getByRole('button', { name: 'Sign in', exact: true }).click()
    await page.getByRole('heading', { name: 'Sign a machine in' }).waitFor()
    await leave()
  })

  test('everything is reached by keyboard: skip link, command palette, focus on the heading of the next page', async () => {
    const person = await web.server.addPerson()
    const { page, leave, isAccessible } = await web.visit('/device', person)
    await page.getByRole('heading', { name: 'Sign a machine in' }).waitFor()
    await page.keyboard.press('Tab')
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the content')
    await page.keyboard.press('Control+k')
    await page.getByPlaceholder('Go to …').waitFor()
    await isAccessible('palette')
    await page.keyboard.type('Home')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Home' }).waitFor()
    await expect.poll(() => page.evaluate('document.activeElement.textContent')).toBe('Home')
    expect(await page.title()).toBe('Home · Keyhold')
    await leave()
  })

  test('light and dark can be chosen, and a narrow screen has its navigation behind a button', async () => {
    const person = await web.server.addPerson()
    const { page, leave, isAccessible } = await web.visit('/', person)
    await page.getByRole('button', { name: 'Colors' }).click()
    await page.getByRole('menuitem', { name: 'Dark' }).click()
    await expect
      .poll(() => page.evaluate('document.documentElement.getAttribute("data-mantine-color-scheme")'))
      .toBe('dark')
    await page.reload()
    await page.getByRole('heading', { name: 'Home' }).waitFor()
    expect(await page.evaluate('document.documentElement.getAttribute("data-mantine-color-scheme")')).toBe(
      'dark',
    )
    await page.setViewportSize({ width: 360, height: 640 })
    await page.getByRole('button', { name: 'Open the navigation' }).click()
    await isAccessible('narrow')
    await page.getByRole('navigation').getByRole('link', { name: 'Home' }).click()
    await expect
      .poll(() =>
        page.evaluate('document.documentElement.scrollWidth <= document.documentElement.clientWidth'),
      )
      .toBe(true)
    await leave()
  })

  test('an address that leads nowhere says so, with a way on', async () => {
    const answer = await fetch(`${web.url}/there-is-nothing`)
    expect(answer.status).toBe(404)
    expect(answer.headers.get('content-type')).toContain('problem+json')
  })
})
