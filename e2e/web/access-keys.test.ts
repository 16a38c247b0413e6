import { readFile } from 'node:fs/promises'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases, type TestPerson } from '../../packages/server/test/kit.ts'
import { startWeb, type WebServer } from './kit.ts'

describe.each(databases)('Access Keys of a project on %s', (database) => {
  let web: WebServer
  beforeAll(async () => {
    web = await startWeb(database)
  }, 120_000)
  afterAll(() => web.stop())

  /** A project with one secret, on its page of access keys. */
  async function openKeys(person?: TestPerson) {
    const { server } = web
    const owner = await server.addPerson()
    const project = await server.addProject(owner, 'Shop')
    await server.addSecret(owner, project.id, { name: 'API_TOKEN', value: 'of the shop' })
    const path = `/projects/${project.id}/access-keys`
    return { owner, project, visit: await web.visit(path, person ?? owner) }
  }

  const use = (key: { id: string; secret: string }, method = 'GET', body?: unknown) =>
    web.server.request(method, '/api/v1/projects/current/secrets', { key, body })

  /** Chooses from the 3-dot menu of the one key there is. */
  async function choose(page: Page, item: string) {
    await page.getByRole('button', { name: /^Actions of / }).click()
    await page.getByRole('menuitem', { name: item, exact: true }).click()
  }

  test('a repository is allowed to come in without a key, refused with a pattern, stopped, and deleted (issue 6)', async () => {
    const { server } = web
    const owner = await server.addPerson()
    const project = await server.addProject(owner, 'Jobs')
    const { page, leave, isAccessible } = await web.visit(`/projects/${project.id}/access-keys`, owner)
    const part = page.getByRole('region', { name: 'CI jobs and pods without a key' })
    await part.getByText('None is allowed').waitFor()
    await part.getByRole('button', { name: 'Allow a workload' }).click()
    const form = page.getByRole('dialog', { name: 'Allow a workload' })
    await form.getByRole('textbox', { name: 'Name', exact: true }).fill('deploy')
    await form.getByRole('textbox', { name: 'Repository' }).fill('ada/*')
    await form.getByRole('textbox', { name: 'Branch or tag' }).fill('refs/heads/main')
    await form.getByRole('button', { name: 'Allow' }).click()
    await form.getByRole('alert').getByText('there are no patterns').waitFor()
    await isAccessible('workload-new')
    await form.getByRole('textbox', { name: 'Repository' }).fill('ada/shop')
    await form.getByRole('button', { name: 'Allow' }).click()
    const row = part.getByRole('row', { name: /deploy/ })
    await row.getByText('repository=ada/shop').waitFor()
    await row.getByText('ref=refs/heads/main').waitFor()
    await isAccessible('workloads')
    await part.getByRole('button', { name: 'Allow a workload' }).click()
    await form.getByLabel('Platform').selectOption('kubernetes')
    await form.getByRole('textbox', { name: 'Name', exact: true }).fill('pods')
    await form.getByRole('textbox', { name: 'Namespace' }).fill('shop')
    await form.getByRole('textbox', { name: 'Service account' }).fill('api')
    await form.getByRole('textbox', { name: 'Issuer', exact: true }).fill('https://kubernetes.example')
    await form.getByRole('button', { name: 'Allow' }).click()
    await part.getByText('sub=system:serviceaccount:shop:api').waitFor()
    await part.getByRole('button', { name: 'Actions of deploy' }).click()
    await page.getByRole('menuitem', { name: 'Stop' }).click()
    await page.getByRole('dialog', { name: 'Stop workload' }).getByRole('button', { name: 'Stop' }).click()
    await row.getByText('Stopped').waitFor()
    await page.setViewportSize({ width: 390, height: 800 })
    await isAccessible('workloads-narrow')
    await part.getByRole('button', { name: 'Actions of deploy' }).click()
    await page.getByRole('menuitem', { name: 'Delete' }).click()
    await page
      .getByRole('dialog', { name: 'Delete workload' })
      .getByRole('button', { name: 'Delete' })
      .click()
    await row.waitFor({ state: 'detached' })
    await leave()
  })

  test('Access Keys is in the project’s left navigation; New Access Key at top right asks for a permission, and shows ID and key once, to copy and to download (KEY-6, KEY-7, KEY-11, KEY-12, KEY-13, KEY-19)', async () => {
    const { server } = web
    const owner = await server.addPerson()
    const project = await server.addProject(owner, 'Shop')
    await server.addSecret(owner, project.id, { name: 'API_TOKEN', value: 'of the shop' })
    const { page, leave, isAccessible, copied } = await web.visit('/projects', owner)
    await page.getByRole('rowheader', { name: 'Shop' }).getByRole('link').click()
    await page
      .getByRole('navigation', { name: 'Main navigation' })
      .getByRole('link', { name: 'Access Keys' })
      .click()
    await page.getByText('This project has no access keys').waitFor()
    await isAccessible('access-keys-empty')
    const button = page.getByRole('button', { name: 'New Access Key', exact: true })
    const [heading, box] = [
      await page.getByRole('heading', { level: 1 }).boundingBox(),
      await button.boundingBox(),
    ]
    expect(box!.x).toBeGreaterThan(heading!.x + 300)
    expect(box!.y).toBeLessThan(heading!.y + heading!.height)
    await button.click()
    const form = page.getByRole('dialog', { name: 'New access key' })
    await form.getByRole('button', { name: 'Create', exact: true }).click()
    // Neither permission is chosen for anybody.
    expect(await form.isVisible()).toBe(true)
    expect(
      (await server.ok('GET', `/api/v1/projects/${project.id}/access-keys`, { token: owner.token }))
        .accessKeys,
    ).toEqual([])
    await form.getByRole('radio', { name: 'Read & Write' }).check()
    await isAccessible('access-key-new')
    await form.getByRole('button', { name: 'Create', exact: true }).click()
    const once = page.getByRole('dialog', { name: 'Your access key' })
    await once.getByText('displayed once only').waitFor()
    await isAccessible('access-key-once')
    await once.getByRole('button', { name: 'Copy Access Key ID' }).click()
    await expect.poll(copied).toMatch(/^\S+$/)
    const id = await copied()
    await once.getByRole('button', { name: 'Copy Access Key', exact: true }).click()
    await expect.poll(copied).not.toBe(id)
    const secret = await copied()
    const saving = page.waitForEvent('download')
    await once.getByRole('button', { name: 'Download' }).click()
    expect(await readFile(await (await saving).path(), 'utf8')).toBe(
      `KEYHOLD_URL=${web.url}\nKEYHOLD_ACCESS_KEY_ID=${id}\nKEYHOLD_ACCESS_KEY=${secret}\n`,
    )
    expect((await use({ id, secret })).status).toBe(200)
    await once.getByRole('button', { name: 'I have kept it' }).click()
    const row = page.getByRole('row').filter({ hasText: id })
    await row.getByText('Active', { exact: true }).waitFor()
    await row.getByText('Read & Write').waitFor()
    expect(await page.content()).not.toContain(secret)
    await page.reload()
    await row.waitFor()
    expect(await page.content()).not.toContain(secret)
    await isAccessible('access-keys')
    await leave()
  })

  test('Edit shows Permission and IP Restriction alone, the restriction counts at once, and what is no address is said at its field (KEY-8, KEY-9, KEY-16, KEY-17)', async () => {
    const { server } = web
    const { owner, project, visit } = await openKeys()
    const key = await server.addKey(owner, project.id, { permission: 'read_write' })
    const { page, leave, isAccessible } = visit
    await page.reload()
    await choose(page, 'Edit')
    const form = page.getByRole('dialog', { name: 'Edit access key' })
    expect(await form.getByRole('textbox').count()).toBe(1)
    expect(await form.getByRole('radio').count()).toBe(2)
    expect(await form.getByRole('combobox').count()).toBe(0)
    await form.getByText('restricts this key alone').waitFor()
    await form.getByRole('textbox', { name: 'IP Restriction' }).fill('not an address')
    await form.getByRole('button', { name: 'Save' }).click()
    await form.getByRole('alert').getByText('ipRestriction').first().waitFor()
    await isAccessible('access-key-edit')
    await form.getByRole('textbox', { name: 'IP Restriction' }).fill('203.0.113.7\n2001:db8::/32')
    await form.getByRole('radio', { name: 'Read', exact: true }).check()
    await form.getByRole('button', { name: 'Save' }).click()
    await form.waitFor({ state: 'detached' })
    await page.getByRole('cell', { name: '203.0.113.7, 2001:db8::/32' }).waitFor()
    await page.getByRole('cell', { name: 'Read', exact: true }).waitFor()
    expect((await use(key)).status).toBe(403)
    await leave()
  })

  test('Deactivate asks first and stops the key; Activate is offered only then, and the same key works again (KEY-18, KEY-19, KEY-20)', async () => {
    const { server } = web
    const { owner, project, visit } = await openKeys()
    const key = await server.addKey(owner, project.id)
    const { page, leave, isAccessible } = visit
    await page.reload()
    await page.getByRole('button', { name: /^Actions of / }).click()
    await isAccessible('access-key-menu')
    expect(await page.getByRole('menuitem').allTextContents()).toEqual([
      'Edit',
      'Deactivate',
      'Regenerate',
      'Delete',
    ])
    await page.getByRole('menuitem', { name: 'Deactivate' }).click()
    const dialog = page.getByRole('dialog', { name: 'Deactivate access key' })
    await dialog.getByText(key.id).waitFor()
    await dialog.getByRole('button', { name: 'Cancel' }).click()
    expect((await use(key)).status).toBe(200)
    await choose(page, 'Deactivate')
    await isAccessible('access-key-deactivate')
    await dialog.getByRole('button', { name: 'Deactivate' }).click()
    await page.getByText('Inactive', { exact: true }).waitFor()
    expect((await use(key)).status).toBe(401)
    await choose(page, 'Activate')
    await page.getByRole('dialog').getByRole('button', { name: 'Activate' }).click()
    await page.getByText('Active', { exact: true }).waitFor()
    expect((await use(key)).status).toBe(200)
    await leave()
  })

  test('Regenerate asks first, keeps the ID, and shows the new key once; the old one gets 401 (KEY-21, KEY-22)', async () => {
    const { server } = web
    const { owner, project, visit } = await openKeys()
    const key = await server.addKey(owner, project.id)
    const { page, leave, copied, isAccessible } = visit
    await page.reload()
    await choose(page, 'Regenerate')
    const dialog = page.getByRole('dialog', { name: 'Regenerate access key' })
    await dialog.getByText('The ID will remain').waitFor()
    await isAccessible('access-key-regenerate')
    await dialog.getByRole('button', { name: 'Regenerate' }).click()
    const once = page.getByRole('dialog', { name: 'Your access key' })
    await once.getByText(key.id, { exact: true }).waitFor()
    await once.getByRole('button', { name: 'Download' }).waitFor()
    await once.getByRole('button', { name: 'Copy Access Key', exact: true }).click()
    await expect.poll(copied).not.toBe(key.secret)
    await expect.poll(async () => (await use({ id: key.id, secret: await copied() })).status).toBe(200)
    expect((await use(key)).status).toBe(401)
    await once.getByRole('button', { name: 'I have kept it' }).click()
    await leave()
  })

  test('Delete stays off until the ID is typed exactly, says what remains, and frees the key’s place (KEY-23, KEY-24, KEY-25)', async () => {
    const { server } = web
    const { owner, project, visit } = await openKeys()
    const key = await server.addKey(owner, project.id)
    const { page, leave, isAccessible } = visit
    await page.reload()
    await choose(page, 'Delete')
    const dialog = page.getByRole('dialog', { name: 'Delete access key' })
    await dialog.getByText('will remain on the local device').waitFor()
    const button = dialog.getByRole('button', { name: 'Delete' })
    for (const text of ['', key.id.slice(0, -1), `${key.id} `, key.id.toUpperCase()]) {
      await dialog.getByLabel('Type the access key ID').fill(text)
      expect([text, await button.isDisabled()]).toEqual([text, true])
    }
    await isAccessible('access-key-delete')
    await dialog.getByLabel('Type the access key ID').fill(key.id)
    await button.click()
    await page.getByText('This project has no access keys').waitFor()
    expect((await use(key)).status).toBe(401)
    await leave()
  })

  test('a third active key is refused with the limit named; a Read Only member sees the keys and can change none (KEY-2, KEY-26)', async () => {
    const { server } = web
    const { owner, project, visit } = await openKeys()
    await server.addKey(owner, project.id)
    const { id } = await server.addKey(owner, project.id)
    const { page, leave } = visit
    await page.getByRole('button', { name: 'New Access Key' }).click()
    await page.getByRole('radio', { name: 'Read', exact: true }).check()
    await page.getByRole('button', { name: 'Create', exact: true }).click()
    await page.getByRole('dialog').getByRole('alert').getByText(/two/i).waitFor()
    await leave()

    const reader = await server.addPerson()
    await server.addMember(owner, project.id, reader, 'read_only')
    const other = await web.visit(`/projects/${project.id}/access-keys`, reader)
    await other.page.getByRole('rowheader', { name: id }).waitFor()
    await other.page.getByText('You are Read Only in this project').waitFor()
    expect(await other.page.getByRole('button', { name: 'New Access Key' }).count()).toBe(0)
    expect(await other.page.getByRole('button', { name: /^Actions of / }).count()).toBe(0)
    await other.isAccessible('access-keys-read-only')
    await other.leave()

    const stranger = await web.visit(`/projects/${project.id}/access-keys`, await server.addPerson())
    await stranger.page.getByRole('alert').waitFor()
    expect(await stranger.page.getByText(id).count()).toBe(0)
    await stranger.leave()
  })
})
