// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references are written so
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases, type TestPerson } from '../../packages/server/test/kit.ts'
import { startWeb, type WebServer } from './kit.ts'

describe.each(databases)('Secrets of a project on %s', (database) => {
  let web: WebServer
  beforeAll(async () => {
    web = await startWeb(database)
  }, 120_000)
  afterAll(() => web.stop())

  /** A project with production and staging. */
  async function addShop() {
    const { server } = web
    const owner = await server.addPerson()
    const project = await server.addProject(owner, 'Shop')
    await server.addEnvironment(owner, project.id, 'production')
    await server.addEnvironment(owner, project.id, 'staging')
    const add = (name: string, environment: string, more: object = {}) =>
      server.addSecret(owner, project.id, {
        name,
        environment,
        value: `canary of ${name} in ${environment}`,
        ...more,
      })
    return { owner, project, add, path: `/projects/${project.id}` }
  }

  async function confirmWith(page: Page, person: TestPerson) {
    const confirm = page.getByRole('dialog', { name: 'Confirm that it is you' })
    await confirm.getByRole('textbox', { name: 'Password' }).fill(person.password)
    await confirm.getByRole('button', { name: 'Confirm' }).click()
  }

  test('the grid shows names by environment: what falls back to All, what is missing, references, and one’s own values (C3, F65)', async () => {
    const { server } = web
    const { owner, project, add, path } = await addShop()
    const { id } = await add('API_URL', 'All')
    await add('API_URL', 'production')
    await add('ONLY_STAGING', 'staging')
    await add('LINK', 'All', { value: '${API_URL}/x', hasReferences: true })
    await server.ok('PUT', `/api/v1/projects/${project.id}/secrets/${id}/override`, {
      headers: { cookie: await server.newSession(owner) },
      body: { value: 'canary of my own', environment: 'staging' },
    })
    const { page, leave, isAccessible } = await web.visit(path, owner)
    await page.getByRole('button', { name: 'API_URL in production: version 1', exact: true }).waitFor()
    for (const cell of [
      'API_URL in All: version 1',
      'API_URL in staging: from All, your own value',
      'ONLY_STAGING in production: Missing, add a value',
      'ONLY_STAGING in staging: version 1',
      'LINK in production: from All, has references',
    ])
      expect([cell, await page.getByRole('button', { name: cell, exact: true }).count()]).toEqual([cell, 1])
    expect(await page.getByRole('columnheader').allTextContents()).toEqual([
      'Name',
      'All',
      'production',
      'staging',
    ])
    expect(await page.content()).not.toContain('canary of')
    await isAccessible('secrets')
    await page.getByRole('switch', { name: 'Only names that miss a value' }).click()
    await page.getByText('1 of 3 names').waitFor()
    expect(new URL(page.url()).searchParams.get('missing')).toBe('true')
    await page.getByRole('switch', { name: 'Only names that miss a value' }).click()
    await page.getByRole('searchbox', { name: 'Find a name' }).fill('link')
    await page.getByText('1 of 3 names').waitFor()
    await page.setViewportSize({ width: 390, height: 800 })
    await page.reload()
    await page.getByRole('searchbox').fill('')
    await page.getByText('3 names').waitFor()
    await isAccessible('secrets-narrow')
    await leave()
  })

  test('a secret is added, its value shown after the password and hidden again, given a new value, restored from its history, and deleted by name (SEC-24, SEC-28, C12)', async () => {
    const { server } = web
    const { owner, path } = await addShop()
    const { page, leave, isAccessible } = await web.visit(path, owner)
    await page.getByText('This project has no secrets yet').waitFor()
    await isAccessible('secrets-empty')
    await page.getByRole('button', { name: 'Add Secret' }).click()
    const form = page.getByRole('dialog', { name: 'Add secret' })
    await form.getByRole('textbox', { name: 'Name' }).fill('secret123')
    await form.getByText('A clearer name would help').waitFor()
    await form.getByRole('textbox', { name: 'Name' }).fill('LD_PRELOAD')
    await form.getByRole('textbox', { name: 'Value' }).fill('canary-of-the-first-value')
    await form.getByRole('combobox', { name: 'Environment' }).selectOption('production')
    await form.getByRole('combobox', { name: 'Type' }).selectOption('Password')
    await isAccessible('secret-new')
    await form.getByRole('button', { name: 'Save' }).click()
    await form.getByRole('alert').getByText('LD_PRELOAD').waitFor()
    await form.getByRole('textbox', { name: 'Name' }).fill('DATABASE_PASSWORD')
    await form.getByRole('button', { name: 'Save' }).click()
    const cell = page.getByRole('button', { name: /^DATABASE_PASSWORD in production: version/ })
    await cell.click()
    const details = page.getByRole('dialog', { name: 'DATABASE_PASSWORD in production' })
    server.clock.advance(11 * 60_000)
    await details.getByRole('button', { name: 'Show DATABASE_PASSWORD in production' }).click()
    await confirmWith(page, owner)
    const value = details.getByText('canary-of-the-first-value')
    await value.waitFor()
    await isAccessible('secret-shown')
    await page.evaluate('dispatchEvent(new Event("blur"))')
    await value.waitFor({ state: 'detached' })

    await details.getByRole('button', { name: 'New value' }).click()
    const next = page.getByRole('dialog', { name: 'New value' })
    await next.getByRole('textbox', { name: 'Value' }).fill('canary-of-the-second-value')
    await next.getByRole('button', { name: 'Save' }).click()
    await details.getByRole('row', { name: /^2 Current/ }).waitFor()
    await details.getByRole('button', { name: 'Show version 1 of DATABASE_PASSWORD' }).click()
    await value.waitFor()
    await isAccessible('secret-details')
    await details.getByRole('button', { name: 'Restore version 1' }).click()
    await page
      .getByRole('dialog', { name: 'Restore version' })
      .getByRole('button', { name: 'Restore' })
      .click()
    await details.getByRole('row', { name: /^3 Current/ }).waitFor()
    await details.getByRole('button', { name: 'Edit details' }).click()
    const edit = page.getByRole('dialog', { name: 'Edit details' })
    await edit.getByRole('textbox', { name: 'Note' }).fill('ask the owner of the database')
    await edit.getByRole('textbox', { name: 'Rotation due after' }).fill('30')
    await edit.getByRole('button', { name: 'Save' }).click()
    await details.getByText('ask the owner of the database').waitFor()

    await details.getByRole('button', { name: 'Delete', exact: true }).click()
    const confirm = page.getByRole('dialog', { name: 'Delete secret' })
    await confirm.getByText('Delete DATABASE_PASSWORD of production').waitFor()
    await isAccessible('secret-delete')
    await confirm.getByRole('button', { name: 'Delete' }).click()
    await page.getByText('This project has no secrets yet').waitFor()
    expect(await page.content()).not.toContain('canary-of')
    await leave()
  })

  test('a value is gone with the page that showed it, and is nowhere in the address or the history (C12)', async () => {
    const { owner, add, path } = await addShop()
    await add('API_TOKEN', 'All')
    const { page, leave } = await web.visit(path, owner)
    await page.getByRole('button', { name: 'API_TOKEN in All: version 1' }).click()
    await page.getByRole('button', { name: 'Show API_TOKEN in All' }).click()
    await page.getByText('canary of API_TOKEN in All').waitFor()
    await page.goBack()
    await page.getByRole('button', { name: 'API_TOKEN in All: version 1' }).waitFor()
    await expect.poll(() => page.content()).not.toContain('canary of')
    await page.goForward()
    await page.getByRole('button', { name: 'Show API_TOKEN in All' }).waitFor()
    expect(await page.content()).not.toContain('canary of')
    await leave()
  })

  test('what an environment takes from All gets a value of its own, and a Read Only member sets their own value only (C3, F66)', async () => {
    const { server } = web
    const { owner, project, add, path } = await addShop()
    await add('API_TOKEN', 'All')
    await add('USES_IT', 'All', { value: '${API_TOKEN}', hasReferences: true })
    const { page, leave, isAccessible } = await web.visit(path, owner)
    await page.getByRole('button', { name: 'API_TOKEN in staging: from All' }).click()
    const details = page.getByRole('dialog', { name: 'API_TOKEN in staging' })
    await details.getByText('has no value of its own and takes this one from All').waitFor()
    await details.getByText('USES_IT (All)').waitFor()
    expect(await details.getByRole('button', { name: 'Delete', exact: true }).count()).toBe(0)
    await isAccessible('secret-from-all')
    await details.getByRole('button', { name: 'Set a value for staging' }).click()
    const form = page.getByRole('dialog', { name: 'Add secret' })
    expect(await form.getByRole('textbox', { name: 'Name' }).inputValue()).toBe('API_TOKEN')
    await form.getByRole('textbox', { name: 'Value' }).fill('of staging')
    await form.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('button', { name: 'API_TOKEN in staging: version 1' }).waitFor()
    await leave()

    const reader = await server.addPerson()
    await server.addMember(owner, project.id, reader, 'read_only')
    const theirs = await web.visit(path, reader)
    await theirs.page.getByText('You are Read Only in this project').waitFor()
    expect(await theirs.page.getByRole('button', { name: 'Add Secret' }).count()).toBe(0)
    await theirs.page.getByRole('button', { name: 'API_TOKEN in staging: version 1' }).click()
    const seen = theirs.page.getByRole('dialog', { name: 'API_TOKEN in staging' })
    await seen.getByRole('button', { name: 'Set my own value' }).click()
    const own = theirs.page.getByRole('dialog', { name: 'Your own value' })
    await own.getByRole('textbox', { name: 'Value' }).fill('canary of their own')
    await own.getByRole('button', { name: 'Save' }).click()
    await seen.getByText('You get a value of your own here').waitFor()
    expect(await seen.getByRole('button', { name: 'New value' }).count()).toBe(0)
    await seen.getByRole('button', { name: 'Show your own API_TOKEN' }).click()
    await seen.getByText('canary of their own').waitFor()
    await seen.getByRole('button', { name: 'Remove my own value' }).click()
    await theirs.page
      .getByRole('dialog', { name: 'Remove your own value' })
      .getByRole('button', { name: 'Remove' })
      .click()
    await seen.getByText('You get a value of your own here').waitFor({ state: 'detached' })
    await theirs.leave()
  })

  test('by keyboard alone: a project is found by its name, a cell of the grid opened and left again with the focus where it was', async () => {
    const { owner, add } = await addShop()
    await add('API_TOKEN', 'All')
    const { page, leave } = await web.visit('/', owner)
    await page.getByRole('heading', { name: 'Home' }).waitFor()
    await page.keyboard.press('Control+K')
    await page.getByRole('textbox', { name: 'Go to …' }).fill('Shop')
    await page.getByRole('dialog').getByText('Project', { exact: true }).waitFor()
    await page.keyboard.press('Enter')
    const cell = page.getByRole('button', { name: 'API_TOKEN in All: version 1' })
    await cell.waitFor()
    const focused = () => page.evaluate('document.activeElement.getAttribute("aria-label")')
    // From the heading, which has the focus, over everything before the grid.
    for (let presses = 0; presses < 10 && (await focused()) !== 'API_TOKEN in All: version 1'; presses++)
      await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    const details = page.getByRole('dialog', { name: 'API_TOKEN in All' })
    await details.waitFor()
    await page.keyboard.press('Escape')
    await details.waitFor({ state: 'detached' })
    await expect.poll(focused).toBe('API_TOKEN in All: version 1')
    await leave()
  })

  test('a .env file is pasted or dropped: what is wrong is said by line, the preview says what would be done, and it is all or nothing (F13)', async () => {
    const { server } = web
    const { owner, project, add, path } = await addShop()
    await add('THERE', 'All')
    const { page, leave, isAccessible } = await web.visit(path, owner)
    await page.getByRole('button', { name: 'Import' }).click()
    const form = page.getByRole('dialog', { name: 'Import secrets' })
    const lines = form.getByRole('textbox', { name: 'Lines' })
    await lines.fill('GOOD=canary-of-a-line\nwhat is this\nPATH=/bin\nGOOD=again')
    const problems = form.getByRole('alert')
    await problems.getByText('Line 2: is neither NAME=value nor a comment').waitFor()
    await problems.getByText('Line 3: PATH cannot be used').waitFor()
    await problems.getByText('Line 4: GOOD is in line 1 already').waitFor()
    expect(
      await form
        .getByRole('button', { name: /^Import / })
        .last()
        .isDisabled(),
    ).toBe(true)
    expect(await problems.textContent()).not.toContain('canary-of')
    await isAccessible('import-wrong')
    await lines.fill(`GOOD=fine\nTHERE=other\nLONG=${'x'.repeat(25_000)}`)
    await form.getByRole('row', { name: 'THERE' }).getByText('it is there already').waitFor()
    await form.getByRole('combobox', { name: 'Names that are there' }).selectOption('Replace their values')
    await form.getByRole('row', { name: 'THERE' }).getByText('get another value').waitFor()
    await form.getByRole('row', { name: 'GOOD' }).getByText('be created').waitFor()
    await isAccessible('import-preview')
    await form.getByRole('button', { name: 'Import 3 secrets' }).click()
    await form.getByText(/Line 3: LONG/).waitFor()
    const listed = async () =>
      (await server.ok('GET', `/api/v1/projects/${project.id}/secrets`, { token: owner.token })).secrets.map(
        (one: { name: string; version: number }) => `${one.name} ${one.version}`,
      )
    expect(await listed()).toEqual(['THERE 1'])
    await form.getByRole('button', { name: 'Cancel' }).click()

    // As a file that is dropped onto the page.
    const transfer = await page.evaluateHandle(`(() => {
      const transfer = new DataTransfer()
      transfer.items.add(new File(['# mine\\nexport GOOD="two\\\\nlines"\\nTHERE=other\\n'], '.env'))
      return transfer
    })()`)
    const grid = page.getByRole('region', { name: 'Secrets by environment' })
    await grid.dispatchEvent('dragover', { dataTransfer: transfer })
    await grid.dispatchEvent('drop', { dataTransfer: transfer })
    await form.getByRole('combobox', { name: 'Names that are there' }).selectOption('Replace their values')
    await form.getByRole('button', { name: 'Import 2 secrets' }).click()
    await page.getByText('Imported: 1 created, 1 updated, 0 left as they were.').waitFor()
    expect(await listed()).toEqual(['GOOD 1', 'THERE 2'])
    await leave()
  })

  test('a grid of 5,000 names keeps few rows in the document, and scrolls to any of them in time', async () => {
    const { server } = web
    const { owner, project, path } = await addShop()
    const cookie = await server.newSession(owner)
    const environments = ['All', 'production', 'staging', 'four', 'five']
    for (const environment of environments.slice(3))
      await server.addEnvironment(owner, project.id, environment)
    for (const [i, environment] of environments.entries())
      for (let begin = 0; begin < 1000; begin += 250) {
        const secrets = Array.from({ length: 250 }, (_, at) => ({
          name: `NAME_${String(i * 1000 + begin + at).padStart(4, '0')}`,
          value: 'x',
        }))
        await server.ok('POST', `/api/v1/projects/${project.id}/secrets/import`, {
          headers: { cookie },
          body: { environment, secrets },
        })
      }
    const { page, leave } = await web.visit(path, owner)
    await page.getByText('5000 names').waitFor()
    const grid = page.getByRole('region', { name: 'Secrets by environment' })
    await page.getByRole('rowheader', { name: 'NAME_0000' }).waitFor()
    expect(await grid.getByRole('row').count()).toBeLessThan(80)
    expect(await grid.getByRole('table').getAttribute('aria-rowcount')).toBe('5001')
    // Down to the end in steps of a screen: the longest time that the page was busy without a frame.
    const longest = await page.evaluate(`(async () => {
      const grid = document.querySelector('[role=region].grid')
      const frame = () => new Promise((resolve) => requestAnimationFrame(resolve))
      let longest = 0
      for (let step = 0; step < 60; step++) {
        const start = performance.now()
        grid.scrollTop += grid.scrollHeight / 60
        await frame()
        await frame()
        longest = Math.max(longest, performance.now() - start)
      }
      return longest
    })()`)
    await page.getByRole('rowheader', { name: 'NAME_4999' }).waitFor()
    expect(await grid.getByRole('row').count()).toBeLessThan(80)
    // A frame is 16 ms; a whole table of 5,000 rows takes seconds even where nothing else runs.
    expect(longest).toBeLessThan(1_000)
    await leave()
  })
})
