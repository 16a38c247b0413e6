import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases } from '../../packages/server/test/kit.ts'
import { startWeb, type WebServer } from './kit.ts'

const DAY_MS = 86_400_000

describe.each(databases)('Settings → Access Token on %s', (database) => {
  let web: WebServer
  beforeAll(async () => {
    web = await startWeb(database)
  }, 120_000)
  afterAll(() => web.stop())

  const me = (token: string) => web.server.request('GET', '/api/v1/session', { token })

  test('a token is made with "+ New Token", shown once with a copy button, and works; closing and reloading lose it (TOK-1, TOK-3, TOK-4, TOK-5, TOK-6)', async () => {
    const person = await web.server.addPerson()
    const { page, leave, isAccessible, copied } = await web.visit('/', person)
    await page.getByRole('link', { name: 'Access Token' }).click()
    await page.getByRole('heading', { name: 'Access Token', level: 1 }).waitFor()
    expect(new URL(page.url()).pathname).toBe('/settings/access-token')
    await page.getByRole('button', { name: '+ New Token', exact: true }).click()
    const form = page.getByRole('dialog', { name: 'New access token' })
    await form.getByLabel('Name').fill('deploy 東京')
    await isAccessible('access-token-new')
    await form.getByRole('button', { name: 'Create', exact: true }).click()
    const once = page.getByRole('dialog', { name: 'Your new access token' })
    await once.getByText('It will not be shown again').waitFor()
    await isAccessible('access-token-once')
    await once.getByRole('button', { name: 'Copy access token' }).click()
    await expect.poll(copied).toMatch(/^kh_pat_\w{49}$/)
    const token = await copied()
    expect((await me(token)).body.account.email).toBe(person.email)
    // A stray key loses nothing.
    await page.keyboard.press('Escape')
    await once.getByRole('button', { name: 'I have kept it' }).click()
    await once.waitFor({ state: 'detached' })
    expect(await page.content()).not.toContain(token)
    await page.reload()
    await page.getByRole('rowheader', { name: 'deploy 東京' }).waitFor()
    expect(await page.content()).not.toContain(token)
    await leave()
  })

  test('the list has Name, Token in part, Created Date, Last Used as "Never" and then the day, and all of the person’s tokens only (TOK-7, TOK-8, TOK-9, TOK-10, TOK-11, TOK-12, SDS-1)', async () => {
    const { server } = web
    const person = await server.addPerson()
    const other = await server.addPerson()
    const make = async (name: string, owner = person) =>
      (
        await server.core.accessTokens.create(
          { caller: { kind: 'operator' }, origin: { traceId: 'test' } },
          owner.id,
          {
            name,
            scopes: null,
            expiresAt: null,
          },
        )
      ).token.reveal()
    const token = await make('twice')
    await make('twice')
    await make('of somebody else', other)
    const { page, leave, isAccessible } = await web.visit('/settings/access-token', person)
    const rows = page.getByRole('row').filter({ has: page.getByRole('rowheader') })
    await rows.first().waitFor()
    expect(await rows.count()).toBe(3)
    expect(await page.getByText('of somebody else').count()).toBe(0)
    const columns = (await page.getByRole('columnheader').allTextContents()).map((text) =>
      text.replace(/ [↓↑]/, '').trim(),
    )
    expect(columns).toEqual(expect.arrayContaining(['Name', 'Token', 'Created Date', 'Last Used', 'Action']))
    const row = rows.filter({ hasText: `${token.slice(-4)}` })
    const cells = await row.getByRole('cell').allTextContents()
    expect(cells[0]).toMatch(/^kh_pat_.{4}…/)
    expect(token).not.toBe(cells[0])
    expect((await me(cells[0]!.replace('…', ''))).status).toBe(401)
    expect(cells[2]).toBe(new Intl.DateTimeFormat('en', { dateStyle: 'medium' }).format(new Date()))
    expect(cells[3]).toBe('Never')
    await isAccessible('access-token')
    await me(token)
    await page.reload()
    await row.waitFor()
    expect((await row.getByRole('cell').allTextContents())[3]).toMatch(
      /^(?:this minute|now|\d+ minutes? ago)$/,
    )
    await leave()
  })

  test('the bin icon names the token; Cancel leaves it, Delete takes it away with its next request, and others work on (TOK-13, TOK-14, TOK-15)', async () => {
    const { server } = web
    const person = await server.addPerson()
    const { page, leave, isAccessible } = await web.visit('/settings/access-token', person)
    await page.getByRole('button', { name: 'Delete test' }).click()
    const dialog = page.getByRole('dialog', { name: 'Delete access token' })
    await dialog.getByText('“test”').waitFor()
    await isAccessible('access-token-delete')
    await dialog.getByRole('button', { name: 'Cancel' }).click()
    expect((await me(person.token)).status).toBe(200)
    await page.getByRole('button', { name: 'Delete test' }).click()
    await dialog.getByRole('button', { name: 'Delete' }).click()
    await page.getByText('You have no access tokens').waitFor()
    expect((await me(person.token)).status).toBe(401)
    await isAccessible('access-token-empty')
    await page.getByRole('button', { name: '+ New Token' }).click()
    await page.getByRole('dialog').getByLabel('Name').fill('the next one')
    await page.getByRole('button', { name: 'Create', exact: true }).click()
    await page.getByRole('button', { name: 'I have kept it' }).click()
    await page.getByRole('row', { name: 'the next one' }).getByText('Never').waitFor()
    await leave()
  })

  test('a limited token may do what was chosen and no more; its rights are in the list (TOK-2, SDS-9)', async () => {
    const person = await web.server.addPerson()
    const { page, leave, isAccessible, copied } = await web.visit('/settings/access-token', person)
    await page.getByRole('button', { name: '+ New Token' }).click()
    const form = page.getByRole('dialog')
    await form.getByLabel('Name').fill('reads SSH keys')
    await form.getByRole('switch', { name: 'Limit what it may do' }).click()
    await isAccessible('access-token-limited')
    await form.getByRole('button', { name: 'Create', exact: true }).click()
    await form.getByRole('alert').waitFor()
    await form.getByRole('checkbox', { name: 'ssh-keys:read' }).check()
    await form.getByRole('button', { name: 'Create', exact: true }).click()
    await page.getByRole('button', { name: 'Copy access token' }).click()
    await expect.poll(copied).toMatch(/^kh_pat_/)
    const token = await copied()
    expect((await web.server.request('GET', '/api/ssh/keys', { token })).status).toBe(200)
    expect(
      (await web.server.request('POST', '/api/ssh/keys', { token, body: { publicKey: 'x' } })).status,
    ).toBe(403)
    await page.getByRole('button', { name: 'I have kept it' }).click()
    await page.getByRole('row', { name: 'reads SSH keys' }).getByText('1 scope').waitFor()
    await leave()
  })

  test('making a token long after signing in asks for the password first, and then makes it', async () => {
    const { server } = web
    const person = await server.addPerson()
    const { page, leave } = await web.visit('/settings/access-token', person)
    await page.getByRole('row', { name: 'test' }).waitFor()
    server.clock.advance(11 * 60_000)
    await page.getByRole('button', { name: '+ New Token' }).click()
    await page.getByRole('dialog').getByLabel('Name').fill('late')
    await page.getByRole('button', { name: 'Create', exact: true }).click()
    const confirm = page.getByRole('dialog', { name: 'Confirm that it is you' })
    await confirm.getByRole('textbox', { name: 'Password' }).fill(person.password)
    await confirm.getByRole('button', { name: 'Confirm' }).click()
    await page.getByRole('button', { name: 'I have kept it' }).click()
    await page.getByRole('row', { name: 'late' }).waitFor()
    await leave()
  })

  test('tokens are sorted by Last Used, in the address too; unused and old ones are marked; the guidance is there (TOK-16, TOK-17, TOK-18)', async () => {
    const { server } = web
    const person = await server.addPerson()
    server.clock.advance(100 * DAY_MS)
    const { page, leave } = await web.visit('/settings/access-token', person)
    const row = page.getByRole('row', { name: 'test' })
    await row.getByText('Unused for 90 days').waitFor()
    await row.getByText('Rotation due').waitFor()
    await page.getByRole('button', { name: 'Last Used' }).click()
    await expect.poll(() => new URL(page.url()).searchParams.get('sort')).toBe('lastUsedAt')
    expect(await page.getByRole('columnheader', { name: 'Last Used' }).getAttribute('aria-sort')).toBe(
      'descending',
    )
    await page.getByText('Do not share tokens').waitFor()
    await page.getByText('secure and encrypted location').waitFor()
    await leave()
  })
})
