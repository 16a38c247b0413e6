import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AuditEntry } from '../../packages/server/src/audit/audit-log.ts'
import { databases, type TestPerson } from '../../packages/server/test/kit.ts'
import { startWeb, type Visit, type WebServer } from './kit.ts'

const MANY = 100_000
const BATCH = 5_000
/** A list of any length has no more rows in the page than fit on a few screens. */
const ROWS_MAX = 80
/** Pixels that are scrolled through. */
const SCROLLED = 250_000

describe.each(databases)('the Activity page on %s', (database) => {
  let web: WebServer
  let admin: TestPerson
  let owner: TestPerson
  let project: { id: string; name: string }
  beforeAll(async () => {
    web = await startWeb(database)
    const { server } = web
    admin = await server.addPerson('admin')
    owner = await server.addPerson()
    project = await server.addProject(owner, `Shop ${database}`)
    await server.addSecret(owner, project.id, { name: 'GITHUB_TOKEN', value: 'canary-of-the-activity-page' })
    await server.addSecret(owner, project.id, { name: 'DATABASE_URL', value: 'canary-two-of-activity' })
    const key = await server.addKey(owner, project.id)
    for (let i = 0; i < 3; i++)
      await server.ok('GET', '/api/v1/projects/current/secrets/GITHUB_TOKEN', { key })
    await server.ok('POST', '/api/v1/projects/current/uses', {
      key,
      body: {
        run: 'a-run-of-the-test',
        uses: [{ name: 'GITHUB_TOKEN', kind: 'read', program: 'node', file: 'app.js', line: 12 }],
      },
    })
    await server.request('GET', '/api/v1/projects/current/secrets/MISSING_ONE', { key })
  }, 120_000)
  afterAll(() => web.stop())

  const line = (visit: Visit, text: string) => visit.page.getByRole('button', { name: text })

  test('an administrator sees all of the log in its line form; a member what they did (F43)', async () => {
    const visit = await web.visit('/', admin)
    await visit.page.getByRole('link', { name: 'Activity' }).click()
    await line(visit, 'Secret used: GITHUB_TOKEN (app.js:12)').waitFor()
    await line(visit, `Project created: ${project.name}`).waitFor()
    expect(await visit.page.content()).not.toContain('canary-of-the-activity-page')
    await visit.isAccessible('activity')
    await visit.leave()

    const stranger = await web.server.addPerson()
    const theirs = await web.visit('/activity', stranger)
    await theirs.page.getByRole('heading', { name: 'Activity' }).waitFor()
    await line(theirs, 'Signed in').waitFor()
    expect(await line(theirs, 'GITHUB_TOKEN').count()).toBe(0)
    await theirs.leave()
  })

  test('filters are in the address: by event, secret, person, project, outcome and time (SEC-27)', async () => {
    const visit = await web.visit('/activity', admin)
    const { page } = visit
    await line(visit, 'Secret created: DATABASE_URL').waitFor()
    await page.getByLabel('Secret', { exact: true }).fill('GITHUB_TOKEN')
    await page.getByLabel('Secret', { exact: true }).press('Enter')
    await line(visit, 'Secret used: GITHUB_TOKEN (app.js:12)').waitFor()
    await expect.poll(() => line(visit, 'DATABASE_URL').count()).toBe(0)
    expect(new URL(page.url()).searchParams.get('secret')).toBe('GITHUB_TOKEN')

    await page.getByLabel('Event', { exact: true }).selectOption('secret.read')
    await expect.poll(() => page.getByRole('listitem').count()).toBe(3)
    await page.reload()
    await expect.poll(() => page.getByRole('listitem').count()).toBe(3)
    expect(await page.getByLabel('Event', { exact: true }).inputValue()).toBe('secret.read')

    await page.getByRole('button', { name: 'Clear' }).click()
    await page.getByLabel('Who').fill(owner.email)
    await page.getByRole('button', { name: 'Filter', exact: true }).click()
    await line(visit, 'Secret created: DATABASE_URL').waitFor()
    await expect.poll(() => line(visit, 'Secret accessed').count()).toBe(0)

    await page.goto('/activity?outcome=refused')
    await page.getByText('Nothing matches').or(page.getByRole('listitem').first()).waitFor()
    await page.goto(`/activity?project=${project.id}&to=2001-01-01T00:00:00.000Z`)
    await page.getByText('Nothing matches').waitFor()
    await visit.isAccessible('activity-empty')
    await visit.leave()
  })

  test('what happens is there as it happens while it is live, and the log being read by somebody is not moved', async () => {
    const visit = await web.visit('/activity?live=true', owner)
    await line(visit, 'Secret created: DATABASE_URL').waitFor()
    await web.server.addSecret(owner, project.id, {
      name: 'MADE_WHILE_LIVE',
      value: 'canary-made-while-live',
    })
    await line(visit, 'Secret created: MADE_WHILE_LIVE').waitFor()
    expect(await visit.page.getByLabel('Live').isChecked()).toBe(true)
    await visit.leave()
  })

  test('a record is proven to be in the signed tree by the browser; an answer that was tampered with fails', async () => {
    const visit = await web.visit('/activity?secret=DATABASE_URL', admin)
    const { page } = visit
    await line(visit, 'Secret created: DATABASE_URL').click()
    const dialog = page.getByRole('dialog', { name: 'Record' })
    await dialog.getByRole('button', { name: 'Verify that it is in the log' }).click()
    await dialog.getByText('byte for byte').waitFor()
    await dialog.getByText('compare it with the one noted at set-up').waitFor()
    await visit.isAccessible('activity-record')

    const again = dialog.getByRole('button', { name: 'Verify that it is in the log' })
    // A hash of the path, another record in the proof, a head that was not signed: each by one bit or name.
    const tampers: [string, (proof: string) => string, string][] = [
      ['a hash', (proof) => changed(proof, 4), 'not in the tree that was signed'],
      ['the record', (proof) => forgedRecord(proof), 'not in the tree that was signed'],
      ['the root', (proof) => changed(proof, -5), 'Not signed by this key'],
      ['the form', () => 'no proof', 'not in the tree that was signed'],
    ]
    for (const [, tamper, said] of tampers) {
      await page.route('**/api/v1/audit/*/proof', async (route) => {
        const answer = await route.fetch()
        const { proof } = await answer.json()
        await route.fulfill({ response: answer, json: { proof: tamper(proof) } })
      })
      await again.click()
      await dialog.getByRole('alert').getByText(said).waitFor()
      await page.unroute('**/api/v1/audit/*/proof')
    }
    await visit.leave()
  })

  test('a record that was changed on its way to the page is not the one that is proven', async () => {
    const visit = await web.visit('/activity?secret=DATABASE_URL', admin)
    const { page } = visit
    await page.route('**/api/v1/audit?*', async (route) => {
      const answer = await route.fetch()
      const body = await answer.json()
      for (const record of body.records) {
        record.actor.id = admin.id
        // What is shown is said by the browser, of what it proves.
        record.line = 'forged'
      }
      await route.fulfill({ response: answer, json: body })
    })
    await line(visit, 'Secret created: DATABASE_URL').click()
    const dialog = page.getByRole('dialog', { name: 'Record' })
    await dialog.getByRole('button', { name: 'Verify that it is in the log' }).click()
    await dialog.getByRole('alert').getByText('another record than the one shown').waitFor()
    await visit.leave()
  })

  test('a checkpoint that was kept proves that nothing was rewritten since; another history, or key, fails', async () => {
    const kept = await web.server.ok('GET', '/api/v1/audit/checkpoint', { token: admin.token })
    await web.server.addProject(owner)
    const visit = await web.visit('/activity', admin)
    const { page } = visit
    const panel = page.getByRole('region', { name: 'Signed checkpoint' })
    await panel.getByRole('button', { name: 'Verify' }).click()
    await panel.getByText('compare it with the one noted at set-up').waitFor()
    await panel.getByLabel('Checkpoint that you kept').fill(kept.checkpoint)
    await panel.getByLabel('Verifier key that you noted').fill(kept.verifierKey)
    await panel.getByRole('button', { name: 'Verify' }).click()
    await panel.getByText('Nothing was changed: all').waitFor()
    await visit.isAccessible('activity-verified')

    await page.route('**/api/v1/audit/growth?*', async (route) => {
      const answer = await route.fetch()
      const body = await answer.json()
      body.hashes[0] = Buffer.alloc(32, 7).toString('base64')
      await route.fulfill({ response: answer, json: body })
    })
    await panel.getByRole('button', { name: 'Verify' }).click()
    await panel.getByRole('alert').getByText('The log was rewritten').waitFor()
    await page.unroute('**/api/v1/audit/growth?*')
    await panel.getByLabel('Verifier key that you noted').fill(`${kept.verifierKey.slice(0, -2)}AA`)
    await panel.getByRole('button', { name: 'Verify' }).click()
    await panel.getByRole('alert').getByText('The verifier key is malformed').waitFor()
    await panel.getByLabel('Verifier key that you noted').fill(kept.verifierKey)
    await panel
      .getByLabel('Checkpoint that you kept')
      .fill(kept.checkpoint.replace(/\n\d+\n/, '\n99999999\n'))
    await panel.getByRole('button', { name: 'Verify' }).click()
    await panel.getByRole('alert').getByText('shorter than it was').waitFor()
    await visit.leave()
  })

  test('the picture of a secret: use a day, who can read it, who did, and who can no longer', async () => {
    const { server } = web
    const guest = await server.addPerson()
    await server.addMember(owner, project.id, guest, 'read_only')
    const { secrets } = await server.ok('GET', `/api/v1/projects/${project.id}/secrets`, {
      token: owner.token,
    })
    const secret = secrets.find(({ name }: { name: string }) => name === 'GITHUB_TOKEN')
    await server.ok('POST', `/api/v1/projects/${project.id}/secrets/${secret.id}/reveal`, {
      headers: { cookie: await server.newSession(guest) },
      body: {},
    })
    await server.ok('DELETE', `/api/v1/projects/${project.id}/members/${guest.id}`, { token: owner.token })
    const visit = await web.visit(`/activity?secret=GITHUB_TOKEN&project=${project.id}`, owner)
    const picture = visit.page.getByRole('region', { name: 'Use of GITHUB_TOKEN' })
    await picture.getByRole('img', { name: /GITHUB_TOKEN: \d+ records on 1 of the last 30 days/ }).waitFor()
    await picture.getByRole('row', { name: /Access key 4/ }).waitFor()
    await picture.getByRole('row', { name: new RegExp(`${owner.name} Admin`) }).waitFor()
    await visit.isAccessible('activity-secret')
    await picture.getByRole('row', { name: new RegExp(`${guest.name} Can no longer 1`) }).waitFor()
    await visit.leave()
  })

  test('by keyboard the list is one stop, in which the arrows move; Enter opens', async () => {
    const visit = await web.visit('/activity', owner)
    const { page } = visit
    await line(visit, 'Secret created: DATABASE_URL').waitFor()
    await page.getByRole('listitem').first().getByRole('button').focus()
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('ArrowDown')
    const third = await page.getByRole('listitem').nth(2).textContent()
    await expect.poll(() => page.evaluate('document.activeElement.closest("li")?.textContent')).toBe(third)
    await page.keyboard.press('Enter')
    await page.getByRole('dialog', { name: 'Record' }).waitFor()
    await visit.leave()
  })

  test('100,000 records: rows in the page stay few, pages come as they are needed, and frames keep coming', async () => {
    const { server } = web
    const entry: AuditEntry = {
      action: 'secret.read',
      outcome: 'success',
      actor: { kind: 'person', id: owner.id },
      project: { id: project.id, name: project.name },
      target: { kind: 'secret', id: 'sec_of_a_hundred_thousand', name: 'OFTEN_READ', version: 1 },
      origin: { traceId: 'test', address: '192.0.2.7', client: 'test' },
    }
    for (let i = 0; i < MANY; i += BATCH)
      await server.core.audit.append(...Array<AuditEntry>(BATCH).fill(entry))
    const visit = await web.visit('/activity', admin)
    const { page } = visit
    await line(visit, 'Secret accessed: OFTEN_READ').first().waitFor()
    let reads = 0
    page.on('request', (request) => {
      if (request.url().includes('/api/v1/audit?')) reads += 1
    })
    const rows = page.getByRole('listitem')
    const scrolled = (await page.evaluate(SCROLL)) as { rowsMax: number; longestMs: number }
    expect(scrolled.rowsMax).toBeLessThan(ROWS_MAX)
    // Far from all of it was read, and what was, once for each of its pages.
    expect(reads).toBeGreaterThan(5)
    expect(reads).toBeLessThan(100)
    // The last row is reached by one key, and reading goes on from there.
    await rows.first().getByRole('button').focus()
    await page.keyboard.press('End')
    await expect.poll(() => rows.count()).toBeLessThan(ROWS_MAX)
    await visit.leave()
    console.log(`activity on ${database}: longest frame ${Math.round(scrolled.longestMs)} ms, ${reads} reads`)
  })
})

/** Scrolls half a screen a frame until much of it was read. Runs in the browser, whose types these tests do not have. */
const SCROLL = `(async () => {
  const box = document.querySelector('.activity-scroller')
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve))
  let rowsMax = 0
  let longestMs = 0
  let before = await frame()
  while (box.scrollHeight < ${SCROLLED}) {
    box.scrollTop += box.clientHeight / 2
    const now = await frame()
    longestMs = Math.max(longestMs, now - before)
    before = now
    rowsMax = Math.max(rowsMax, box.querySelectorAll('li').length)
  }
  return { rowsMax, longestMs }
})()`

/** The proof with one character of a line changed. */
function changed(proof: string, at: number): string {
  const lines = proof.split('\n')
  const i = at < 0 ? lines.length + at : at
  const text = lines[i]!
  lines[i] = (text.startsWith('A') ? 'B' : 'A') + text.slice(1)
  return lines.join('\n')
}

/** The proof with somebody else in its record. */
function forgedRecord(proof: string): string {
  const [, encoded] = /^extra (.+)$/m.exec(proof)!
  const record = Buffer.from(encoded!, 'base64').toString().replace('"person"', '"server"')
  return proof.replace(encoded!, Buffer.from(record).toString('base64'))
}
