import { generateKeyPairSync } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases } from '../../packages/server/test/kit.ts'
import { startWeb, type WebServer } from './kit.ts'

const DAY_MS = 86_400_000

/** One line, as OpenSSH writes it (RFC 8709 §4). */
function publicKey(comment: string): string {
  const { x } = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' })
  const field = (bytes: Buffer) => Buffer.concat([Buffer.from([0, 0, 0, bytes.length]), bytes])
  const blob = Buffer.concat([field(Buffer.from('ssh-ed25519')), field(Buffer.from(x!, 'base64url'))])
  return `ssh-ed25519 ${blob.toString('base64')} ${comment}`
}

describe.each(databases)('the Security page on %s', (database) => {
  let web: WebServer
  beforeAll(async () => {
    web = await startWeb(database)
  }, 120_000)
  afterAll(() => web.stop())

  test('has exactly the six sections, each with an empty state, and nothing of other people (SDS-1, SDS-2)', async () => {
    const person = await web.server.addPerson()
    const other = await web.server.addPerson()
    await web.server.ok('POST', '/api/ssh/keys', {
      token: other.token,
      body: { publicKey: publicKey('of somebody else') },
    })
    const { page, leave, isAccessible } = await web.visit('/', person)
    await page.getByRole('link', { name: 'Security' }).click()
    await page.getByText('You have no GPG key').waitFor()
    for (const empty of [
      'no code repository',
      'no personal secrets',
      'No key may enter',
      'no SSH identity',
      'no API keys',
    ])
      await page.getByText(empty).waitFor()
    expect(await page.getByRole('heading', { level: 2 }).allTextContents()).toEqual([
      'Code Repository Tokens',
      'Personal Secrets',
      'Remote Access Over SSH',
      'Personal SSH Identity',
      'API Keys',
      'GPG Keys',
    ])
    expect(await page.getByText('of somebody else').count()).toBe(0)
    await isAccessible('security-empty')
    await leave()
  })

  test('a personal secret is added, shown for a while after the password was confirmed, and deleted (SDS-7, SDS-18, C12)', async () => {
    const { server } = web
    const person = await server.addPerson()
    const { page, leave, isAccessible } = await web.visit('/security', person)
    const section = page.getByRole('region', { name: 'Personal Secrets' })
    await section.getByRole('button', { name: 'Add personal secret' }).click()
    const form = page.getByRole('dialog', { name: 'Add personal secret' })
    await form.getByLabel('Name').fill('my token')
    await form.getByRole('textbox', { name: 'Value' }).fill('canary-of-a-personal-secret')
    await form.getByLabel('Environment variable').fill('PATH')
    await isAccessible('personal-secret-new')
    await form.getByRole('button', { name: 'Add', exact: true }).click()
    await form.getByRole('alert').getByText('envName').waitFor()
    await form.getByLabel('Environment variable').fill('MY_TOKEN')
    await form.getByRole('button', { name: 'Add', exact: true }).click()
    await section.getByRole('rowheader', { name: 'my token' }).waitFor()
    await form.waitFor({ state: 'detached' })
    expect(await page.content()).not.toContain('canary-of-a-personal-secret')

    server.clock.advance(11 * 60_000)
    await section.getByRole('button', { name: 'Show my token' }).click()
    const confirm = page.getByRole('dialog', { name: 'Confirm that it is you' })
    await confirm.getByRole('textbox', { name: 'Password' }).fill(person.password)
    await confirm.getByRole('button', { name: 'Confirm' }).click()
    const value = section.getByText('canary-of-a-personal-secret')
    await value.waitFor()
    await isAccessible('personal-secret-shown')
    await page.evaluate('dispatchEvent(new Event("blur"))')
    await value.waitFor({ state: 'detached' })
    await section.getByRole('button', { name: 'Show my token' }).click()
    await value.waitFor()
    await page.getByRole('link', { name: 'Home' }).click()
    await page.getByRole('heading', { name: 'Home' }).waitFor()
    expect(await page.content()).not.toContain('canary-of-a-personal-secret')
    await page.goBack()
    await section.getByRole('button', { name: 'Delete my token' }).click()
    const dialog = page.getByRole('dialog', { name: 'Delete personal secret' })
    await dialog.getByText('“my token”').waitFor()
    await dialog.getByRole('button', { name: 'Delete' }).click()
    await section.getByText('You have no personal secrets').waitFor()
    await leave()
  })

  test('a trusted SSH key is added with its type, fingerprint, title and date, and one that the API added is there too (SDS-7, SDS-22, SDS-23)', async () => {
    const { server } = web
    const person = await server.addPerson()
    const taken = publicKey('ada@desk')
    await server.ok('POST', '/api/ssh/keys', { token: person.token, body: { publicKey: taken } })
    const { page, leave } = await web.visit('/security', person)
    const section = page.getByRole('region', { name: 'Remote Access Over SSH' })
    await section.getByRole('rowheader', { name: 'ada@desk' }).waitFor()
    await section.getByRole('button', { name: 'Add SSH key' }).click()
    const form = page.getByRole('dialog', { name: 'Add SSH key' })
    await form.getByLabel('Public key').fill(taken)
    await form.getByRole('button', { name: 'Add', exact: true }).click()
    await form.getByRole('alert').getByText('registered already').waitFor()
    await form.getByLabel('Public key').fill(publicKey('ada@laptop'))
    await form.getByRole('button', { name: 'Add', exact: true }).click()
    const row = section.getByRole('row', { name: 'ada@laptop' })
    await row.getByText(/^ssh-ed25519 · SHA256:/).waitFor()
    await row.getByText('Never').waitFor()
    await section.getByRole('button', { name: 'Delete ada@laptop' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
    await row.waitFor({ state: 'detached' })
    expect(await server.ok('GET', '/api/ssh/keys', { token: person.token })).toHaveLength(1)
    await leave()
  })

  test('an SSH identity is generated, shown by its public key, replaced after a warning, and deleted (SDS-7, SDS-27, SDS-30)', async () => {
    const person = await web.server.addPerson()
    const { page, leave, copied } = await web.visit('/security', person)
    const section = page.getByRole('region', { name: 'Personal SSH Identity' })
    await section.getByRole('button', { name: 'Generate SSH identity' }).click()
    await section.getByText(/^ssh-ed25519 /).waitFor()
    const first = await section.getByText(/^ssh-ed25519 /).textContent()
    await section.getByRole('button', { name: 'Copy public key of your SSH identity' }).click()
    await expect.poll(copied).toBe(first)
    await section.getByRole('button', { name: 'Replace' }).click()
    const warning = page.getByRole('dialog', { name: 'Replace SSH identity' })
    await warning.getByText('refuses you').waitFor()
    await warning.getByRole('button', { name: 'Replace' }).click()
    await expect.poll(() => section.getByText(/^ssh-ed25519 /).textContent()).not.toBe(first)
    await section.getByRole('button', { name: 'Delete SSH identity' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
    await section.getByText('You have no SSH identity').waitFor()
    await leave()
  })

  test('an API key is kept for its host, never shown, and deleted (SDS-7, SDS-31)', async () => {
    const person = await web.server.addPerson()
    const { page, leave } = await web.visit('/security', person)
    const section = page.getByRole('region', { name: 'API Keys' })
    await section.getByRole('button', { name: 'Add API key' }).click()
    const form = page.getByRole('dialog', { name: 'Add API key' })
    await form.getByLabel('Name').fill('weather')
    await form.getByLabel('Address of the service').fill('https://api.example.com')
    await form.getByRole('textbox', { name: 'Key' }).fill('canary-of-an-api-key')
    await form.getByRole('button', { name: 'Add', exact: true }).click()
    await section.getByRole('row', { name: 'weather' }).getByText('api.example.com').waitFor()
    expect(await page.content()).not.toContain('canary-of-an-api-key')
    await section.getByRole('button', { name: 'Delete weather' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
    await section.getByText('You have no API keys').waitFor()
    await leave()
  })

  test('a GPG key is generated, its revocation certificate shown once with copy and download, and it is deleted (SDS-7, SDS-34)', async () => {
    const person = await web.server.addPerson()
    const { page, leave, isAccessible } = await web.visit('/security', person)
    const section = page.getByRole('region', { name: 'GPG Keys' })
    await section.getByRole('button', { name: 'Generate GPG key' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Generate GPG key' }).click()
    const once = page.getByRole('dialog', { name: 'Your new GPG key' })
    await once.getByText('BEGIN PGP PUBLIC KEY BLOCK').waitFor()
    await isAccessible('gpg-key-once')
    const saving = page.waitForEvent('download')
    await once.getByRole('button', { name: 'Download' }).click()
    expect((await saving).suggestedFilename()).toBe('keyhold-gpg-revocation.asc')
    await once.getByRole('button', { name: 'I have kept it' }).click()
    await section.getByText(/^[0-9A-F]{40}$/).waitFor()
    await isAccessible('security-gpg')
    await section.getByRole('button', { name: /^Delete / }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
    await section.getByText('You have no GPG key').waitFor()
    await leave()
  })

  test('a code repository is connected by Personal SSH Keys, Default or Internal said, and disconnected (SDS-7, SDS-14, SDS-16)', async () => {
    const { server } = web
    const admin = await server.addPerson('admin')
    const cookie = await server.newSession(admin)
    await server.ok('POST', '/api/v1/repository-providers', {
      headers: { cookie },
      body: { type: 'gitlab', kind: 'internal', baseUrl: `https://git.${database}.example.com` },
    })
    await server.ok('POST', '/api/v1/ssh-identity', { headers: { cookie }, body: {} })
    const { page, leave, isAccessible } = await web.visit('/security', admin)
    const section = page.getByRole('region', { name: 'Code Repository Tokens' })
    await section.getByRole('button', { name: 'Connect a repository' }).click()
    const form = page.getByRole('dialog', { name: 'Connect a repository' })
    await form
      .getByRole('option', { name: `git.${database}.example.com (Internal)` })
      .waitFor({ state: 'attached' })
    await isAccessible('repository-connect')
    await form.getByRole('button', { name: 'Connect' }).click()
    const row = section.getByRole('row', { name: `git.${database}.example.com` })
    await row.getByText('Personal SSH Keys · Internal').waitFor()
    await row.getByRole('button', { name: 'Copy public key of your SSH identity' }).waitFor()
    await isAccessible('security')
    await section.getByRole('button', { name: /^Delete / }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
    await section.getByText('connected to no code repository').waitFor()
    await leave()
  })

  test('the overview of expiry lists every kind, soonest first, marks what expired, and says "No expiry" (SDS-4, SDS-10)', async () => {
    const { server } = web
    const person = await server.addPerson()
    const cookie = await server.newSession(person)
    const make = (name: string, days: number) =>
      server.ok('POST', '/api/v1/access-tokens', {
        headers: { cookie },
        body: { name, expiresAt: new Date(server.clock.now().getTime() + days * DAY_MS).toISOString() },
      })
    await make('in a year', 365)
    await make('tomorrow', 2)
    await make('over', 1)
    await server.ok('POST', '/api/ssh/keys', {
      token: person.token,
      body: { publicKey: publicKey('without end') },
    })
    server.clock.advance(DAY_MS + 60_000)
    const { page, leave, isAccessible } = await web.visit('/security', person)
    await page.getByRole('link', { name: 'Expiry of everything' }).click()
    await page.getByRole('rowheader', { name: 'tomorrow' }).waitFor()
    const names = await page.getByRole('rowheader').allTextContents()
    expect(names.slice(0, 3)).toEqual(['over', 'tomorrow', 'in a year'])
    await page.getByRole('row', { name: 'over' }).getByText('Expired').waitFor()
    await page.getByRole('row', { name: 'without end' }).getByText('No expiry').waitFor()
    await isAccessible('expiry')
    await leave()
  })

  test('a personal secret and an API key are edited; a value that is left empty stays (SDS-21)', async () => {
    const { server } = web
    const person = await server.addPerson()
    await server.ok('POST', '/api/v1/personal-secrets', {
      token: person.token,
      body: { name: 'mine', type: 'token', value: 'canary-of-an-edited-secret', envName: 'MINE' },
    })
    await server.ok('POST', '/api/v1/api-keys', {
      token: person.token,
      body: {
        name: 'service',
        baseUrl: 'https://api.example.com',
        placement: { kind: 'bearer' },
        value: 'canary-of-an-edited-key',
      },
    })
    const { page, leave, isAccessible } = await web.visit('/security', person)
    await page.getByRole('button', { name: 'Edit mine' }).click()
    const form = page.getByRole('dialog', { name: 'Edit personal secret' })
    await form.getByLabel('Environment variable').fill('PATH')
    await form.getByRole('button', { name: 'Save' }).click()
    await form.getByRole('alert').getByText('envName').waitFor()
    await form.getByLabel('Environment variable').fill('MY_OWN')
    await isAccessible('personal-secret-edit')
    await form.getByRole('button', { name: 'Save' }).click()
    await page.getByText('$MY_OWN').waitFor()
    const { personalSecrets } = await server.ok('GET', '/api/v1/personal-secrets', { token: person.token })
    expect(personalSecrets[0]).toMatchObject({ envName: 'MY_OWN', version: 1 })

    await page.getByRole('button', { name: 'Edit service' }).click()
    const key = page.getByRole('dialog', { name: 'Edit API key' })
    await key.getByLabel('Name').fill('another service')
    await key.getByLabel('Address of the service').fill('https://api.elsewhere.example')
    await key.getByLabel('Hosts that it may be sent to').fill('api.elsewhere.example')
    await key.getByRole('button', { name: 'Save' }).click()
    await key.getByRole('alert').getByText('only when it is given anew').first().waitFor()
    await isAccessible('api-key-edit')
    await key.getByLabel('Address of the service').fill('https://api.example.com/v1')
    await key.getByLabel('Hosts that it may be sent to').fill('api.example.com')
    await key.getByLabel('Paths that it may be sent to').fill('/v1/models\n')
    await key.getByRole('checkbox', { name: 'GET' }).check()
    await key.getByLabel('Expiry').selectOption('30 days')
    await key.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('rowheader', { name: 'another service' }).waitFor()
    const { apiKeys } = await server.ok('GET', '/api/v1/api-keys', { token: person.token })
    expect(apiKeys[0]).toMatchObject({
      baseUrl: expect.stringContaining('https://api.example.com/v1'),
      allowedHosts: ['api.example.com'],
      allowedPaths: ['/v1/models'],
      allowedMethods: ['GET'],
      expiresAt: expect.any(String),
      version: 1,
    })
    await leave()
  })

  test('nothing is asked for that may be missing: a person without anything has no error in the console', async () => {
    const { page, leave } = await web.visit('/security', await web.server.addPerson())
    const refused: string[] = []
    page.on('response', (response) => {
      if (response.status() >= 400) refused.push(`${response.status()} ${response.url()}`)
    })
    await page.reload()
    await page.getByText('You have no API keys').waitFor()
    await page.waitForLoadState('networkidle')
    expect(refused).toEqual([])
    await leave()
  })

  test('the section of SSH keys leads to a guide in the product (SDS-26)', async () => {
    const person = await web.server.addPerson()
    const { page, leave, isAccessible } = await web.visit('/security', person)
    await page.getByRole('link', { name: 'View SSH Into Your Workspace' }).click()
    await page.getByRole('heading', { name: 'SSH Into Your Workspace', exact: true }).waitFor()
    await page.getByText('ssh -J localhost user@ws-').waitFor()
    await isAccessible('ssh-guide')
    await leave()
  })

  test('a text that is no GPG key is not imported, and the form says so', async () => {
    const person = await web.server.addPerson()
    const { page, leave } = await web.visit('/security', person)
    await page.getByRole('button', { name: 'Import GPG key' }).click()
    const form = page.getByRole('dialog', { name: 'Import GPG key' })
    await form.getByLabel('Private key').fill('no key at all')
    await form.getByRole('button', { name: 'Import GPG key' }).click()
    await form.getByRole('alert').getByText('privateKey').waitFor()
    await leave()
  })
})
