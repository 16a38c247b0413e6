import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FakeProviders } from '../../packages/server/test/fake-providers.ts'
import { CLIENT_ID, CLIENT_SECRET, TestProvider } from '../../packages/server/test/oidc-kit.ts'
import { startWeb, type WebServer } from './kit.ts'

// What the page does is the same with both databases.
describe('pages that cannot be shown', () => {
  let web: WebServer
  beforeAll(async () => {
    web = await startWeb('sqlite')
  }, 120_000)
  afterAll(() => web.stop())

  test('a page that throws says so inside the shell, and is there once it is reloaded', async () => {
    const person = await web.server.addPerson()
    const { page, context, isAccessible } = await web.visit('/', person)
    await page.getByRole('heading', { name: 'Home' }).waitFor()
    // An answer that no server gives: what renders it throws.
    await page.route('**/api/v1/workspaces', (route) =>
      route.fulfill({ json: { workspaces: [{ id: 'ws-1', name: 'api' }] } }),
    )
    await page.getByRole('link', { name: 'Workspaces' }).click()
    await page.getByRole('heading', { name: 'That did not work' }).waitFor()
    await page.getByText('The application made a mistake').waitFor()
    expect(await page.getByRole('navigation', { name: 'Main navigation' }).isVisible()).toBe(true)
    await isAccessible('failed')
    await page.unroute('**/api/v1/workspaces')
    await page.getByRole('button', { name: 'Reload the page' }).click()
    await page.getByText('You have no workspaces yet').waitFor()
    await context.close()
  })

  test('code of a page that does not come says so, and is there once it is reloaded', async () => {
    const person = await web.server.addPerson()
    const { page, context } = await web.visit('/', person)
    await page.getByRole('heading', { name: 'Home' }).waitFor()
    await page.route('**/assets/security-*.js', (route) => route.abort())
    await page.getByRole('link', { name: 'Security' }).click()
    await page.getByRole('heading', { name: 'That did not work' }).waitFor()
    await page.unroute('**/assets/security-*.js')
    await page.getByRole('button', { name: 'Reload the page' }).click()
    await page.getByRole('heading', { name: 'Security', level: 1 }).waitFor()
    await context.close()
  })

  test('an address below the application that leads nowhere says so, with a way on', async () => {
    const person = await web.server.addPerson()
    const { page, leave, isAccessible } = await web.visit('/', person)
    await page.getByRole('heading', { name: 'Home' }).waitFor()
    await page.evaluate(
      'history.pushState(null, "", "/projects/none/of/these"); dispatchEvent(new PopStateEvent("popstate"))',
    )
    await page.getByRole('heading', { name: 'There is no such page' }).waitFor()
    await isAccessible('not-found')
    await page.getByRole('link', { name: 'Go to the start' }).click()
    await page.getByRole('heading', { name: 'Home' }).waitFor()
    await leave()
  })
})

describe('outside providers', () => {
  test('signing in at an identity provider leads there and back, and makes the account', async () => {
    let providerId = 'idp_none'
    let callback = ''
    const web = await startWeb('sqlite', undefined, { KEYHOLD_OUTGOING_ALLOW: '127.0.0.0/8' })
    const provider = await TestProvider.start(() => [`${callback}/${providerId}`])
    try {
      callback = `${web.url}/api/v1/identity-providers/callback`
      const admin = await web.server.addPerson('admin')
      const body = {
        issuer: provider.issuer,
        label: 'Example SSO',
        clientId: CLIENT_ID,
        clientSecret: CLIENT_SECRET,
        createsAccounts: true,
        allowedEmailDomains: ['example.com'],
      }
      const made = await web.server.ok('POST', '/api/v1/identity-providers', { token: admin.token, body })
      providerId = made.id
      provider.someone = { sub: 'grace', email: 'grace@example.com', email_verified: true, name: 'Grace' }
      const { page, context } = await web.visit('/sign-in')
      await page.getByRole('button', { name: /Example SSO/ }).click()
      await page.getByText('You are signed in as Grace').waitFor()
      await page.getByRole('link', { name: 'Continue' }).click()
      await page.getByRole('heading', { name: 'Home', level: 1 }).waitFor()
      expect(new URL(page.url()).origin).toBe(web.url)
      await page.getByRole('button', { name: 'Account' }).click()
      await page
        .getByText(/Grace|grace@example\.com/)
        .first()
        .waitFor()
      await context.close()
    } finally {
      await provider.stop()
      await web.stop()
    }
  })

  test('a GPG key that its code host did not remove is gone here, and where it still is is said (SDS-37)', async () => {
    const fakes = await FakeProviders.start()
    const web = await startWeb('sqlite', fakes.internet)
    try {
      const { server } = web
      const admin = await server.addPerson('admin')
      const person = await server.addPerson()
      const as = { token: person.token }
      const github = fakes.add('github')
      github.grantedScopes = ['repo', 'write:gpg_key']
      const { clientId, clientSecret } = github
      const known = await server.ok('POST', '/api/v1/repository-providers', {
        token: admin.token,
        body: { type: 'github', kind: 'default', clientId, clientSecret },
      })
      github.redirectUri = known.callbackUrl
      const { authorizationUrl } = await server.ok('POST', '/api/v1/repository-connections', {
        ...as,
        body: { providerId: known.id, method: 'oauth' },
      })
      const back = github.authorize(authorizationUrl, 'octo')
      const answer = await server.request('GET', `${back.pathname}${back.search}`)
      const code = /<pre>([0-9A-Z-]+)<\/pre>/.exec(answer.text)![1]!
      await server.ok('POST', '/api/v1/repository-connections/confirm', { ...as, body: { code } })
      await server.ok('POST', '/api/v1/gpg-keys', { ...as, body: {} })
      await server.ok('POST', '/api/v1/gpg-keys', { ...as, body: {} })
      const { page, leave, isAccessible } = await web.visit('/security', person)
      const section = page.getByRole('region', { name: 'GPG Keys' })
      const remove = async () => {
        await section
          .getByRole('button', { name: /^Delete / })
          .first()
          .click()
        await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
        await page.getByRole('dialog').waitFor({ state: 'detached' })
      }
      await section.getByText('GitHub: deployed').first().waitFor()
      await remove()
      expect([github.gpgKeys.size, await section.getByRole('alert').count()]).toEqual([1, 0])
      github.failures.set(/gpg/, { status: 500, body: {} })
      await remove()
      await section.getByRole('alert').getByText('GitHub: could not be removed').waitFor()
      await section.getByText('You have no GPG key').waitFor()
      await isAccessible('gpg-key-left')
      await leave()
    } finally {
      await web.stop()
      fakes.stop()
    }
  })
})

describe('focus', () => {
  test('returns to the 3-dot menu, or the button, that a dialog was opened from, on every page that has some', async () => {
    const web = await startWeb('sqlite')
    try {
      const { server } = web
      const admin = await server.addPerson('admin')
      const other = await server.addPerson()
      const project = await server.addProject(admin, 'Shop')
      await server.addEnvironment(admin, project.id, 'staging')
      await server.addMember(admin, project.id, other, 'regular')
      await server.addKey(admin, project.id)
      const { id } = await server.ok('POST', '/api/v1/workspaces', {
        token: admin.token,
        body: { name: 'api' },
      })
      const opened: string[] = []
      const { page, leave } = await web.visit('/', admin)
      const focused = () =>
        page.evaluate(
          'document.activeElement?.getAttribute("aria-label") || document.activeElement?.textContent?.slice(0, 80)',
        )
      const isBack = async (what: string, name: string) => {
        await page.getByRole('dialog').waitFor()
        await page.keyboard.press('Escape')
        await page.getByRole('dialog').waitFor({ state: 'detached' })
        await expect.poll(async () => [what, await focused()]).toEqual([what, name])
        opened.push(what)
      }
      for (const [path, ready] of [
        [`/projects/${project.id}/access-keys`, /^Actions of/],
        [`/projects/${project.id}/members`, /./],
        [`/projects/${project.id}/environments`, /./],
        [`/projects/${project.id}/settings`, /./],
        [`/workspaces/${id}/settings`, /./],
        ['/administration/people', /./],
        ['/projects', /./],
        ['/workspaces', /./],
        ['/settings/access-token', /./],
        ['/settings/sign-in', /./],
        ['/security', /./],
      ] as const) {
        await page.goto(path)
        const main = page.getByRole('main')
        await main.getByRole('button', { name: ready }).first().waitFor()
        const menus = main.getByRole('button', { name: /^Actions of/ })
        for (let i = 0; i < (await menus.count()); i++) {
          const menu = menus.nth(i)
          const name = (await menu.getAttribute('aria-label'))!
          await menu.click()
          const items = await page.getByRole('menuitem').allTextContents()
          await page.keyboard.press('Escape')
          for (const item of items) {
            await menu.click()
            await page.getByRole('menuitem', { name: item, exact: true }).click()
            await isBack(`${path} ${name} ${item}`, name)
          }
        }
        const buttons = main.getByRole('button', {
          name: /^(New|Add|Delete|Share|Generate GPG|Import|Invite|Turn on) ?/,
        })
        for (let i = 0; i < (await buttons.count()); i++) {
          const button = buttons.nth(i)
          if (await button.isDisabled()) continue
          const name = (await button.getAttribute('aria-label')) ?? (await button.textContent())!
          await button.click()
          await isBack(`${path} ${name}`, name)
        }
      }
      // Far more would have to be left out than an overlooked button.
      expect(opened.length).toBeGreaterThan(12)
      await leave()
    } finally {
      await web.stop()
    }
  })
})
