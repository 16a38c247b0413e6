import { agentHeaders } from '@keyhold/contract/api/workspace-agents'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually, TestAgent } from '../../packages/server/test/agent-kit.ts'
import { databases, type TestPerson } from '../../packages/server/test/kit.ts'
import { newSshKey, newSshPair } from '../../packages/server/test/ssh-kit.ts'
import { enterWorkspace } from '../../packages/server/test/ssh-visit.ts'
import { startWeb, type WebServer } from './kit.ts'

describe.each(databases)('Workspaces on %s', (database) => {
  let web: WebServer
  beforeAll(async () => {
    web = await startWeb(database)
  }, 120_000)
  afterAll(() => web.stop())

  async function addWorkspace(name = 'api') {
    const owner = await web.server.addPerson()
    const { id } = await web.server.ok('POST', '/api/v1/workspaces', { token: owner.token, body: { name } })
    return { owner, id, path: `/workspaces/${id}` }
  }

  const share = async (owner: TestPerson, id: string, person: TestPerson, level: string) =>
    web.server.ok('POST', `/api/v1/workspaces/${id}/shares`, {
      token: owner.token,
      body: { email: person.email, level },
    })

  test('a workspace is made, an agent joins by a token that is shown once with its commands, and its state is in the list (issue 6)', async () => {
    const { server } = web
    const person = await server.addPerson()
    const { page, leave, isAccessible, copied } = await web.visit('/', person)
    await page.getByRole('link', { name: 'Workspaces' }).click()
    await page.getByText('You have no workspaces yet').waitFor()
    await isAccessible('workspaces-empty')
    await page.getByRole('button', { name: 'New Workspace' }).click()
    const form = page.getByRole('dialog', { name: 'New workspace' })
    await form.getByRole('textbox', { name: 'Name' }).fill('api')
    await form.getByRole('button', { name: 'Create' }).click()
    await page.getByText('No machine is this workspace yet').waitFor()
    await page.getByRole('link', { name: 'Let a machine be it' }).click()
    await page.getByText('No agent has joined').waitFor()
    await page.getByRole('button', { name: 'New Enrollment Token' }).click()
    const once = page.getByRole('dialog', { name: 'Your enrollment token' })
    await once.getByText('It will not be shown again').waitFor()
    await isAccessible('workspace-enroll')
    await once.getByRole('button', { name: 'Copy command that starts the agent' }).click()
    await expect.poll(copied).toBe(`KEYHOLD_URL=${web.url} keyhold agent < token`)
    await once.getByRole('button', { name: 'Copy enrollment token' }).click()
    await expect.poll(copied).toMatch(/^kh_/)
    const { token } = await server.ok('POST', '/api/v1/workspaces/current/enrollment', {
      body: { enrollmentToken: await copied(), loginName: 'dev', release: '0.1.0' },
    })
    const agent = await TestAgent.connect(server.url, token)
    await once.getByRole('button', { name: 'I have kept it' }).click()
    await page.getByText('Running').waitFor()
    await isAccessible('workspace-agent')
    await page.getByRole('link', { name: 'Workspaces' }).first().click()
    await page.getByRole('row', { name: 'api' }).getByText('Running').waitFor()
    await isAccessible('workspaces')
    await page.getByRole('link', { name: 'api' }).click()
    await page.getByRole('link', { name: 'Settings' }).click()
    await page.getByRole('link', { name: 'Agent' }).click()
    await page.getByRole('button', { name: 'Cut Off Agent' }).click()
    const dialog = page.getByRole('dialog', { name: 'Cut off agent' })
    await dialog.getByText('“api”').waitFor()
    await dialog.getByRole('button', { name: 'Cut Off Agent' }).click()
    await page.getByText('No agent has joined').waitFor()
    await agent.closed
    await leave()
  })

  test('the editor drop-down leads to Connect via SSH: the string, both fingerprints, the block, and links for editors, each as the server says (SSH-14, SSH-15, SSH-21, SSH-22)', async () => {
    const { server } = web
    const { owner, id, path } = await addWorkspace()
    const { page, leave, isAccessible, copied } = await web.visit(path, owner)
    await page.getByRole('button', { name: 'Open in editor' }).click()
    // What cannot be chosen says why.
    await page.getByRole('menuitem', { name: 'No agent has joined yet' }).waitFor()
    await isAccessible('workspace-menu-off')
    const token = await server.addAgent(owner, id)
    const agent = await TestAgent.connect(server.url, token, { [agentHeaders.loginName]: 'user' })
    const publicKey = newSshKey('').line
    await server.ok('POST', '/api/v1/workspaces/current/host-certificate', { token, body: { publicKey } })
    const ssh = await server.ok('GET', `/api/v1/workspaces/${id}/ssh`, { token: owner.token })
    await page.reload()
    const button = page.getByRole('button', { name: 'Open in editor' })
    const box = await button.boundingBox()
    expect(box!.x).toBeGreaterThan(900)
    await button.click()
    await page.getByRole('menuitem', { name: 'Connect via SSH' }).click()
    const modal = page.getByRole('dialog', { name: 'Connect via SSH' })
    await modal.getByRole('button', { name: 'Copy command' }).click()
    await expect.poll(copied).toBe(ssh.command)
    expect(await copied()).toMatch(/^ssh -J \S+ user@\S+$/)
    expect(ssh.workspaceFingerprint).toMatch(/^SHA256:/)
    await modal.getByText(ssh.gatewayFingerprint).waitFor()
    await modal.getByText(ssh.workspaceFingerprint).waitFor()
    await modal.getByRole('button', { name: 'Copy configuration' }).click()
    await expect.poll(copied).toBe(ssh.configuration.trimEnd())
    expect(await modal.getByRole('link', { name: 'VS Code' }).getAttribute('href')).toBe(
      `vscode://vscode-remote/ssh-remote+${id}/home/user`,
    )
    expect(await modal.getByRole('link', { name: 'JetBrains' }).getAttribute('href')).toContain(`host=${id}&`)
    await isAccessible('workspace-connect')
    agent.socket.terminate()
    await leave()
  })

  test('workspace → Settings → Secrets → Add Secret: presets, types with examples, naming advice; then it says what has it and what must be restarted (SEC-1, SEC-2, SEC-3, SEC-7, SEC-8, SEC-9, SEC-12, SEC-27)', async () => {
    const { server } = web
    const { owner, id } = await addWorkspace()
    const { page, leave, isAccessible } = await web.visit('/workspaces', owner)
    await page.getByRole('link', { name: 'api' }).click()
    await page.getByRole('link', { name: 'Settings' }).click()
    await page.getByRole('link', { name: 'Secrets' }).click()
    await page.getByText('has no secrets of its own yet').waitFor()
    await page.getByText('Never hardcode secrets').waitFor()
    for (const name of ['Access tokens of your account', 'Activity: where secrets were used'])
      await page.getByRole('link', { name }).waitFor()
    await page.getByRole('button', { name: 'Add Secret' }).click()
    const form = page.getByRole('dialog', { name: 'Add secret' })
    const presets = await form
      .getByRole('combobox', { name: 'Common secrets' })
      .locator('option')
      .allTextContents()
    for (const name of [
      'GITHUB_TOKEN',
      'DATABASE_URL',
      'STRIPE_API_KEY',
      'MAILGUN_API_KEY',
      'SSH_PRIVATE_KEY',
      'NODE_ENV',
      'DEBUG',
    ])
      expect([name, presets.some((text) => text.startsWith(`${name}: `))]).toEqual([name, true])
    const name = form.getByRole('textbox', { name: 'Name' })
    for (const poor of ['secret123', 'key', 'password1', 'temp']) {
      await name.fill(poor)
      await form.getByText('A clearer name would help').waitFor()
    }
    await name.fill('PATH')
    await form.getByRole('textbox', { name: 'Value' }).fill('canary-of-the-workspace')
    for (const type of ['Password', 'Token'])
      await form.getByRole('combobox', { name: 'Type' }).selectOption(type)
    await form.getByText('such as GITHUB_TOKEN or STRIPE_API_KEY').waitFor()
    await form.getByRole('button', { name: 'Save' }).click()
    await form.getByRole('alert').getByText('PATH').first().waitFor()
    await isAccessible('workspace-secret-new')
    await form.getByRole('combobox', { name: 'Common secrets' }).selectOption('GITHUB_TOKEN')
    expect(await name.inputValue()).toBe('GITHUB_TOKEN')
    expect(await form.getByText('A clearer name would help').count()).toBe(0)
    await form.getByRole('button', { name: 'Save' }).click()
    await page.getByText('GITHUB_TOKEN: Now available in workspace').waitFor()
    await page.getByText('restart those that need it').waitFor()
    const row = page.getByRole('row', { name: /GITHUB_TOKEN/ })
    await row.getByText('$GITHUB_TOKEN').waitFor()
    expect(await page.content()).not.toContain('canary-of')
    await isAccessible('workspace-secrets')

    server.clock.advance(11 * 60_000)
    await page.getByRole('button', { name: 'Show GITHUB_TOKEN' }).click()
    const confirm = page.getByRole('dialog', { name: 'Confirm that it is you' })
    await confirm.getByRole('textbox', { name: 'Password' }).fill(owner.password)
    await confirm.getByRole('button', { name: 'Confirm' }).click()
    await page.getByText('canary-of-the-workspace').waitFor()
    await page.evaluate('dispatchEvent(new Event("blur"))')
    await page.getByText('canary-of-the-workspace').waitFor({ state: 'detached' })
    await page.getByRole('button', { name: 'Update GITHUB_TOKEN' }).click()
    const update = page.getByRole('dialog', { name: 'Update secret' })
    await update.getByRole('textbox', { name: 'Value' }).fill('another')
    await update.getByRole('textbox', { name: 'File path' }).fill('~/.config/gh/token')
    await update.getByRole('button', { name: 'Save' }).click()
    await row.getByText('~/.config/gh/token').waitFor()
    const listed = await server.ok('GET', `/api/v1/workspaces/${id}/secrets`, { token: owner.token })
    expect(listed.workspaceSecrets[0].version).toBe(2)
    await page.getByRole('button', { name: 'History of GITHUB_TOKEN' }).click()
    const history = page.getByRole('dialog', { name: 'History of GITHUB_TOKEN' })
    await history.getByRole('row', { name: /^2 Newest/ }).waitFor()
    await history.getByText('None of them is in effect').waitFor()
    await history.getByRole('button', { name: 'Show version 1 of GITHUB_TOKEN' }).click()
    await history.getByText('canary-of-the-workspace').waitFor()
    await page.evaluate('dispatchEvent(new Event("blur"))')
    await history.getByText('canary-of-the-workspace').waitFor({ state: 'detached' })
    await isAccessible('workspace-secret-history')
    await page.keyboard.press('Escape')
    await history.waitFor({ state: 'detached' })
    await page.getByRole('button', { name: 'Delete GITHUB_TOKEN' }).click()
    const dialog = page.getByRole('dialog', { name: 'Delete secret' })
    await dialog.getByText('Delete GITHUB_TOKEN with all its versions').waitFor()
    await dialog.getByRole('button', { name: 'Delete' }).click()
    await page.getByText('has no secrets of its own yet').waitFor()
    await leave()
  })

  test('a file of any bytes is a secret, and a private key is one of type Key; both are stored as they are (SEC-4, SEC-5)', async () => {
    const { server } = web
    const { owner, id, path } = await addWorkspace()
    const { page, leave } = await web.visit(`${path}/settings/secrets`, owner)
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
    await page.getByRole('button', { name: 'Add Secret' }).click()
    const form = page.getByRole('dialog', { name: 'Add secret' })
    await form.getByRole('textbox', { name: 'Name' }).fill('BLOB_FILE')
    await form.getByRole('combobox', { name: 'Type' }).selectOption('File')
    await form
      .locator('input[type=file]')
      .setInputFiles({ name: 'blob', mimeType: 'application/octet-stream', buffer: bytes })
    await form.getByText('blob, 256 bytes').waitFor()
    await form.getByRole('button', { name: 'Save' }).click()
    await page.getByText('BLOB_FILE: Now available').waitFor()
    const [secret] = (await server.ok('GET', `/api/v1/workspaces/${id}/secrets`, { token: owner.token }))
      .workspaceSecrets
    const revealed = await server.ok('POST', `/api/v1/workspaces/${id}/secrets/${secret.id}/reveal`, {
      token: owner.token,
      body: {},
    })
    expect([revealed.encoding, revealed.value]).toEqual(['base64', bytes.toString('base64')])
    await page.getByRole('button', { name: 'Add Secret' }).click()
    await form.getByRole('textbox', { name: 'Name' }).fill('DEPLOY_KEY')
    await form.getByRole('combobox', { name: 'Type' }).selectOption('Key')
    await form.getByRole('textbox', { name: 'Value' }).fill('not a key')
    await form.getByRole('button', { name: 'Save' }).click()
    await form.getByRole('alert').getByText('value').first().waitFor()
    await leave()
  })

  test('variables say where they come from, what they hide, and which version is in effect; environments are linked, ordered and unlinked (C3, F50)', async () => {
    const { server } = web
    const { owner, id, path } = await addWorkspace()
    const project = await server.addProject(owner, 'Shop')
    await server.addEnvironment(owner, project.id, 'staging')
    await server.addSecret(owner, project.id, { name: 'GITHUB_TOKEN', value: 'of the shop' })
    await server.addSecret(owner, project.id, { name: 'SHOP_URL', value: 'of the shop' })
    await server.ok('POST', `/api/v1/workspaces/${id}/secrets`, {
      headers: { cookie: await server.newSession(owner) },
      body: { name: 'GITHUB_TOKEN', type: 'token', value: 'of the workspace' },
    })
    const { page, leave, isAccessible } = await web.visit(`${path}/settings/environments`, owner)
    await page.getByText('No environment is linked').waitFor()
    for (const environment of ['All', 'staging']) {
      await page.getByRole('button', { name: 'Link Environment' }).click()
      const form = page.getByRole('dialog', { name: 'Link environment' })
      await form.getByRole('combobox', { name: 'Environment' }).selectOption(environment)
      await form.getByRole('button', { name: 'Link Environment' }).click()
      await page.getByRole('rowheader', { name: `Shop/${environment}` }).waitFor()
      await form.waitFor({ state: 'detached' })
    }
    await isAccessible('workspace-environments')
    await page.getByRole('button', { name: 'Move Shop/staging up' }).click()
    await expect
      .poll(() => page.getByRole('rowheader').allTextContents())
      .toEqual(['Shop/staging', 'Shop/All'])
    await page.getByRole('button', { name: 'Unlink Shop/All' }).click()
    await page
      .getByRole('dialog', { name: 'Unlink environment' })
      .getByRole('button', { name: 'Unlink' })
      .click()
    await page.getByRole('rowheader', { name: 'Shop/All' }).waitFor({ state: 'detached' })
    await page.getByRole('link', { name: 'Overview' }).click()
    const row = page.getByRole('row', { name: '$GITHUB_TOKEN' })
    await row.getByText('This workspace: GITHUB_TOKEN').waitFor()
    await row.getByText(/^Project Shop.*: GITHUB_TOKEN$/).waitFor()
    await row.getByText('pending').waitFor()
    await page
      .getByRole('row', { name: '$SHOP_URL' })
      .getByText(/^Project Shop.*: SHOP_URL$/)
      .waitFor()
    await isAccessible('workspace')

    const token = await server.addAgent(owner, id)
    const agent = await TestAgent.connect(server.url, token)
    const { version } = await server.ok('GET', '/api/v1/workspaces/current/delivery', { token })
    await server.ok('PUT', '/api/v1/workspaces/current/applied', { token, body: { version, problems: [] } })
    await page.reload()
    await row.getByText('version 1', { exact: true }).waitFor()
    await page.goto(`${path}/settings/secrets`)
    await page.getByRole('button', { name: 'History of GITHUB_TOKEN' }).click()
    await page.getByRole('row', { name: /^1 Newest In effect/ }).waitFor()
    await isAccessible('workspace-secret-history-in-effect')
    agent.socket.terminate()
    await leave()
  })

  test('who is in by SSH is listed with as what, from where and since when, and is shown out once that is confirmed (issue 6)', async () => {
    const { server } = web
    const { owner, id, path } = await addWorkspace()
    const visitor = await server.addPerson()
    await share(owner, id, visitor, 'edit')
    const pair = newSshPair()
    await server.ok('POST', '/api/ssh/keys', { token: visitor.token, body: { publicKey: pair.line } })
    const credential = await server.addAgent(owner, id)
    const agent = await TestAgent.connect(server.url, credential)
    const { page, leave, isAccessible } = await web.visit(path, owner)
    const part = page.getByRole('region', { name: 'SSH sessions' })
    await part.getByText('Nobody is in').waitFor()
    const visit = await enterWorkspace(server, id, { agent, credential }, pair.privateKey)
    await page.reload()
    const row = part.getByRole('row', { name: new RegExp(visitor.email) })
    await row.getByRole('cell', { name: 'Edit' }).waitFor()
    await row.getByText('127.0.0.1').waitFor()
    await isAccessible('workspace-sessions')
    const other = await web.visit(path, visitor)
    await other.page
      .getByRole('row', { name: new RegExp(`${visitor.email}|you`) })
      .first()
      .waitFor()
    await other.leave()
    await row.getByRole('button', { name: `End the session of ${visitor.name} from 127.0.0.1` }).click()
    const dialog = page.getByRole('dialog', { name: 'End SSH session' })
    await dialog.getByText(`End the session of ${visitor.name} from 127.0.0.1`).waitFor()
    await isAccessible('workspace-session-end')
    await dialog.getByRole('button', { name: 'End', exact: true }).click()
    await visit.closed
    await part.getByText('Nobody is in').waitFor()
    await page.setViewportSize({ width: 390, height: 800 })
    await isAccessible('workspace-sessions-narrow')
    agent.socket.terminate()
    await leave()
  })

  test('sharing warns before Admin, is changed and ended; Edit sees names and no values, View has no Secrets tab, an Admin may show a value (SEC-18, SEC-19, SEC-37, SEC-39, SEC-40, SEC-41, SEC-42)', async () => {
    const { server } = web
    const { owner, id, path } = await addWorkspace()
    const [one, viewer, editor] = [
      await server.addPerson(),
      await server.addPerson(),
      await server.addPerson(),
    ]
    await server.ok('POST', `/api/v1/workspaces/${id}/secrets`, {
      headers: { cookie: await server.newSession(owner) },
      body: { name: 'API_TOKEN', type: 'token', value: 'canary-of-a-share' },
    })
    const { page, leave, isAccessible } = await web.visit(`${path}/settings/sharing`, owner)
    await page.getByText('shared with nobody').waitFor()
    await page.getByRole('button', { name: 'Share', exact: true }).click()
    const form = page.getByRole('dialog', { name: 'Share workspace' })
    await form.getByRole('textbox', { name: 'E-mail address' }).fill(one.email)
    await form.getByRole('radio', { name: 'Edit' }).check()
    expect(await form.getByText('Only share with trusted people').count()).toBe(0)
    await form.getByRole('radio', { name: 'Admin' }).check()
    await form.getByText('Only share with trusted people').waitFor()
    await isAccessible('workspace-share')
    await form.getByRole('button', { name: 'Share', exact: true }).click()
    const level = page.getByRole('combobox', { name: `Level of ${one.name}` })
    await level.waitFor()
    await form.waitFor({ state: 'detached' })

    const admin = await web.visit(`${path}/settings/secrets`, one)
    await admin.page.getByText('As Admin you may show a value').waitFor()
    expect(await admin.page.getByRole('button', { name: 'Add Secret' }).count()).toBe(0)
    await admin.page.getByRole('button', { name: 'Show API_TOKEN' }).click()
    await admin.page.getByText('canary-of-a-share').waitFor()
    await admin.leave()
    await eventually(
      async () => (await server.records()).map(({ action, actor }) => `${action} ${actor.id}`),
      (lines) => expect(lines).toContain(`workspace-secret.read ${one.id}`),
    )

    await level.selectOption('View')
    await expect.poll(() => level.inputValue()).toBe('view')
    await level.selectOption('Admin')
    const raise = page.getByRole('dialog', { name: 'Share as Admin' })
    await raise.getByText('Only share with trusted people').waitFor()
    await isAccessible('workspace-share-admin')
    await raise.getByRole('button', { name: 'Cancel' }).click()
    expect(await level.inputValue()).toBe('view')

    await share(owner, id, viewer, 'view')
    const views = await web.visit(`${path}/settings`, viewer)
    await views.page.getByText(`${owner.name} owns this workspace`).waitFor()
    expect(await views.page.getByRole('link', { name: 'Secrets' }).count()).toBe(0)
    await views.page.goto(`${path}/settings/secrets`)
    await views.page.getByRole('alert').filter({ hasText: 'What this means' }).waitFor()
    expect(await views.page.content()).not.toContain('API_TOKEN')
    await views.page.goto(path)
    await views.page.getByRole('heading', { name: 'Overview' }).waitFor()
    await views.page.getByText('View', { exact: true }).waitFor()
    expect(await views.page.content()).not.toContain('API_TOKEN')
    await views.isAccessible('workspace-view')
    await views.leave()

    await share(owner, id, editor, 'edit')
    const edits = await web.visit(`${path}/settings/secrets`, editor)
    await edits.page.getByRole('rowheader', { name: 'API_TOKEN' }).waitFor()
    for (const name of ['Add Secret', 'Show API_TOKEN', 'Update API_TOKEN', 'Delete API_TOKEN'])
      expect([name, await edits.page.getByRole('button', { name }).count()]).toEqual([name, 0])
    await edits.page.getByRole('link', { name: 'General' }).click()
    await edits.page.getByRole('button', { name: 'Leave' }).click()
    await edits.page
      .getByRole('dialog', { name: 'Leave workspace' })
      .getByRole('button', { name: 'Leave' })
      .click()
    await edits.page.getByText('You have no workspaces yet').waitFor()
    await edits.leave()

    await page.getByRole('button', { name: `End the share with ${one.name}` }).click()
    await page.getByRole('dialog', { name: 'End share' }).getByRole('button', { name: 'End share' }).click()
    await level.waitFor({ state: 'detached' })
    expect((await server.request('GET', `/api/v1/workspaces/${id}`, { token: one.token })).status).toBe(404)
    await leave()
  })

  test('a template says which secrets it needs; those that one has are given with it, it says what is missing, and each is added there (SEC-44, SEC-45, SEC-46, SEC-47)', async () => {
    const { server } = web
    const person = await server.addPerson()
    const template = `web shop on ${database}`
    await server.ok('POST', '/api/v1/templates', {
      headers: { cookie: await server.newSession(person) },
      body: {
        name: template,
        needs: [
          {
            name: 'GITHUB_TOKEN',
            description: 'GitHub API token for private repos',
            documentationUrl: 'https://example.com/tokens',
            isRequired: true,
          },
          { name: 'STRIPE_API_KEY', description: 'Takes payments' },
          { name: 'DATABASE_URL' },
        ],
      },
    })
    await server.ok('POST', '/api/v1/personal-secrets', {
      token: person.token,
      body: { name: 'payments', type: 'token', value: 'mine', envName: 'STRIPE_API_KEY' },
    })
    const { page, leave, isAccessible } = await web.visit('/workspaces', person)
    await page.getByRole('button', { name: 'New Workspace' }).click()
    const form = page.getByRole('dialog', { name: 'New workspace' })
    await form.getByRole('textbox', { name: 'Name' }).fill('shop')
    await form.getByRole('combobox', { name: 'Start from' }).selectOption(template)
    await form.getByText('This template needs these secrets:').waitFor()
    for (const text of [
      'GITHUB_TOKEN',
      'STRIPE_API_KEY',
      'DATABASE_URL',
      'GitHub API token for private repos',
    ])
      await form.getByText(text).first().waitFor()
    // What goes into all of one's workspaces is there already; one value is given now, one is refused.
    expect(await form.getByText('Missing', { exact: true }).count()).toBe(2)
    await form.getByRole('listitem').filter({ hasText: 'STRIPE_API_KEY' }).getByText('Present').waitFor()
    await form.getByLabel('Your value for GITHUB_TOKEN').fill('canary-of-a-needed-token')
    await form.getByLabel('Your value for DATABASE_URL').fill('x'.repeat(100_000))
    await isAccessible('workspace-template')
    await form.getByRole('button', { name: 'Create' }).click()
    await form.getByText('The workspace “shop” is there').waitFor()
    await isAccessible('workspace-template-refused')
    await form.getByLabel('Your value for DATABASE_URL').fill('')
    await form.getByRole('button', { name: 'Create' }).click()
    const needs = page.getByRole('region', { name: 'This template needs these secrets:' })
    await needs.getByText('1 of them is missing').waitFor()
    expect(await page.content()).not.toContain('canary-of-a-needed-token')
    await page.getByRole('cell', { name: 'This workspace: GITHUB_TOKEN' }).waitFor()
    await isAccessible('workspace-needs')
    await needs.getByRole('link', { name: 'Add them under Settings → Secrets' }).waitFor()
    await needs.getByRole('button', { name: 'Add DATABASE_URL' }).click()
    const add = page.getByRole('dialog', { name: 'Add secret' })
    expect(await add.getByRole('textbox', { name: 'Name' }).inputValue()).toBe('DATABASE_URL')
    await add.getByRole('textbox', { name: 'Value' }).fill('of mine alone')
    await add.getByRole('button', { name: 'Save' }).click()
    await needs.getByText('1 of them is missing').waitFor({ state: 'detached' })
    expect(await needs.getByText('Present').count()).toBe(3)
    await leave()
  })

  test('a workspace is renamed, and deleted once its name is typed', async () => {
    const { owner, path } = await addWorkspace('old name')
    const { page, leave, isAccessible } = await web.visit(`${path}/settings`, owner)
    await page.getByRole('textbox', { name: 'Name' }).fill('new name')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByText('Saved').waitFor()
    await page.setViewportSize({ width: 390, height: 800 })
    await page.reload()
    await page.getByRole('button', { name: 'Delete Workspace' }).waitFor()
    await isAccessible('workspace-settings-narrow')
    await page.getByRole('button', { name: 'Delete Workspace' }).click()
    const dialog = page.getByRole('dialog', { name: 'Delete workspace' })
    await dialog.getByLabel('Type the name').fill('old name')
    expect(await dialog.getByRole('button', { name: 'Delete' }).isDisabled()).toBe(true)
    await dialog.getByLabel('Type the name').fill('new name')
    await dialog.getByRole('button', { name: 'Delete' }).click()
    await page.getByText('You have no workspaces yet').waitFor()
    await leave()
  })
})
