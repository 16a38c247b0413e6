import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { readDevcontainer } from '../src/workspaces/template.ts'
import { databases, startServer, type TestPerson, type TestServer } from './kit.ts'

const TEMPLATES = '/api/v1/templates'
const needs = [
  { name: 'GITHUB_TOKEN', description: 'GitHub API token for private repos', isRequired: true },
  { name: 'DATABASE_URL', documentationUrl: 'https://docs.example.com/db' },
  { name: 'STRIPE_API_KEY' },
]
const devcontainer = `{
  // What the editor reads.
  "name": "Node",
  "image": "node:26", /* newest */
  "containerEnv": { "NODE_ENV": "canary-of-the-maintainer" },
  "secrets": {
    "GITHUB_TOKEN": { "description": "for private repos", "documentationUrl": "https://docs.github.com/tokens" },
    "DATABASE_URL": {},
  },
  "customizations": { "keyhold": { "required": ["GITHUB_TOKEN", "NOT_DECLARED"] } },
}`

describe.each(databases)('templates on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let maintainer: TestPerson
  let owner: TestPerson
  let count = 0

  beforeAll(async () => {
    ;({ server, stop } = await startServer(database))
  })
  afterAll(() => stop())
  beforeEach(async () => {
    maintainer = await server.addPerson()
    owner = await server.addPerson()
    count += 1
  })

  const attempt = (body: object, person = maintainer) =>
    server.request('POST', TEMPLATES, { token: person.token, body })
  const create = async (wish: object = { needs }) => {
    const { status, body } = await attempt({ name: `template ${count}`, ...wish })
    expect(status).toBe(201)
    return body as { id: string; name: string }
  }
  const workspaceOf = (templateId: string, wish: object = {}) =>
    server.ok('POST', '/api/v1/workspaces', {
      token: owner.token,
      body: { name: `box ${count}`, templateId, ...wish },
    })
  const needsOf = (id: string, person = owner) =>
    server.request('GET', `/api/v1/workspaces/${id}/needs`, { token: person.token })
  const present = async (id: string) =>
    (await needsOf(id)).body.needs.map(({ name, isPresent }: { name: string; isPresent: boolean }) => [
      name,
      isPresent,
    ])
  const add = (id: string, name: string) =>
    server.ok('POST', `/api/v1/workspaces/${id}/secrets`, {
      token: owner.token,
      body: { name, type: 'token', value: `value of ${name}` },
    })
  const start = async (agent: string) =>
    (await server.ok('POST', '/api/v1/workspaces/current/start', { token: agent })).problems

  test('SEC-44, SEC-47: a workspace of a template shows what it needs, present or missing, with descriptions', async () => {
    const template = await create()
    await server.ok('POST', '/api/v1/personal-secrets', {
      token: owner.token,
      body: { name: 'mine', type: 'token', value: 'x', envName: 'DATABASE_URL' },
    })
    const { id } = await workspaceOf(template.id)
    expect((await needsOf(id)).body).toEqual({
      template: template.name,
      needs: [
        { ...needs[0], documentationUrl: null, isPresent: false },
        {
          name: 'DATABASE_URL',
          description: '',
          documentationUrl: 'https://docs.example.com/db',
          isRequired: false,
          isPresent: true,
        },
        {
          name: 'STRIPE_API_KEY',
          description: '',
          documentationUrl: null,
          isRequired: false,
          isPresent: false,
        },
      ],
    })
    await add(id, 'STRIPE_API_KEY')
    expect(await present(id)).toEqual([
      ['GITHUB_TOKEN', false],
      ['DATABASE_URL', true],
      ['STRIPE_API_KEY', true],
    ])
  })

  test('SEC-46: what is missing does not stop the creation; what is required stops the start, nothing stops the end', async () => {
    const template = await create()
    const { id, name } = await workspaceOf(template.id)
    const agent = await server.addAgent(owner, id)
    await add(id, 'STRIPE_API_KEY')
    expect(await start(agent)).toEqual([
      {
        text: `GITHUB_TOKEN is missing (GitHub API token for private repos); add it: keyhold workspace-secret set ${name} GITHUB_TOKEN`,
        stopsStart: true,
      },
      { text: expect.stringMatching(/^DATABASE_URL is missing; add it: /), stopsStart: false },
    ])
    await add(id, 'GITHUB_TOKEN')
    expect(await start(agent)).toEqual([
      { text: expect.stringMatching(/^DATABASE_URL is missing/), stopsStart: false },
    ])
    // What runs is not stopped when something goes.
    const { workspaceSecrets } = await server.ok('GET', `/api/v1/workspaces/${id}/secrets`, {
      token: owner.token,
    })
    for (const secret of workspaceSecrets)
      await server.ok('DELETE', `/api/v1/workspaces/${id}/secrets/${secret.id}`, { token: owner.token })
    expect(
      (await server.request('GET', '/api/v1/workspaces/current/delivery', { token: agent })).status,
    ).toBe(200)
    expect((await start(agent))[0].stopsStart).toBe(true)
    const path = `/api/v1/workspaces/${id}`
    expect((await server.request('DELETE', `${path}/agent`, { token: owner.token })).status).toBe(204)
    const confirm = encodeURIComponent(name)
    expect(
      (await server.request('DELETE', `${path}?confirm=${confirm}`, { token: owner.token })).status,
    ).toBe(204)
  })

  test('SEC-46: the owner of a workspace says what it needs from then on', async () => {
    const { id } = await workspaceOf((await create()).id)
    const agent = await server.addAgent(owner, id)
    const update = (body: object, person = owner) =>
      server.request('PATCH', `/api/v1/workspaces/${id}`, { token: person.token, body })
    expect((await update({ needs: [{ name: 'PATH' }] })).body.errors[0].field).toBe('needs[0].name')
    expect((await update({ needs: [{ name: 'OTHER', isRequired: true }] })).status).toBe(200)
    expect((await server.records(1))[0]).toMatchObject({ action: 'workspace.update', changed: ['needs'] })
    expect((await start(agent))[0].text).toMatch(/^OTHER is missing/)
    expect((await update({ needs: [] })).status).toBe(200)
    expect(await start(agent)).toEqual([])
  })

  test('a workspace keeps what it was made with when the template changes or goes', async () => {
    const template = await create()
    const { id } = await workspaceOf(template.id)
    await server.ok('PATCH', `${TEMPLATES}/${template.id}`, { token: maintainer.token, body: { needs: [] } })
    await server.ok('DELETE', `${TEMPLATES}/${template.id}`, { token: maintainer.token })
    expect((await present(id)).length).toBe(3)
    const gone = await server.request('POST', '/api/v1/workspaces', {
      token: owner.token,
      body: { name: 'next', templateId: template.id },
    })
    expect([gone.status, gone.body.code]).toEqual([404, 'template.not_found'])
  })

  test('SEC-45: a declaration with a value is 400, and nothing of it is stored or logged', async () => {
    const value = `canary-${count}-of-the-maintainer`
    const withSecret = (text: string) => ({ devcontainer: `{"secrets": {"TOKEN": ${text}}}` })
    for (const [field, wish] of [
      ['needs[0]', { needs: [{ name: 'TOKEN', value }] }],
      ['needs[0]', { needs: [{ name: 'TOKEN', default: value }] }],
      ['devcontainer', withSecret(JSON.stringify(value))],
      ['devcontainer', withSecret(JSON.stringify({ description: 'x', value }))],
      ['devcontainer', withSecret(JSON.stringify({ default: value }))],
      ['devcontainer', { devcontainer: `{"secrets": {"TOKEN": ${value}` }],
      ['devcontainer', { devcontainer: `{"secrets": ["${value}"]}` }],
      ['devcontainer', { devcontainer: `["${value}"]` }],
    ] as const) {
      const answer = await attempt({ name: 'x', ...wish })
      expect([answer.status, answer.body.errors[0].field], JSON.stringify(wish)).toEqual([400, field])
      expect(answer.text).not.toContain(value)
    }
    expect((await server.dump()) + server.log.join('\n')).not.toContain(value)
  })

  test('SEC-45, SEC-20: of a devcontainer.json with comments the declarations are kept, and nothing else', async () => {
    const template = await create({
      devcontainer,
      needs: [{ name: 'DATABASE_URL', description: 'the shop' }],
    })
    expect(template).toMatchObject({
      needs: [
        {
          name: 'GITHUB_TOKEN',
          description: 'for private repos',
          documentationUrl: 'https://docs.github.com/tokens',
          isRequired: true,
        },
        { name: 'DATABASE_URL', description: 'the shop', documentationUrl: null, isRequired: false },
      ],
    })
    const { id } = await workspaceOf(template.id)
    const all = (await server.dump()) + JSON.stringify(template) + (await needsOf(id)).text
    expect(all).not.toContain('canary-of-the-maintainer')
  })

  test('each wrong field is 400 and named', async () => {
    for (const [field, body] of [
      ['name', { needs }],
      ['name', { name: ' ', needs }],
      ['needs[0].name', { name: 'x', needs: [{ name: 'LD_PRELOAD' }] }],
      ['needs[0].name', { name: 'x', needs: [{ name: 'a-b' }] }],
      ['needs[1].name', { name: 'x', needs: [{ name: 'A' }, { name: 'A' }] }],
      [
        'needs[0].documentationUrl',
        { name: 'x', needs: [{ name: 'A', documentationUrl: 'javascript:alert(1)' }] },
      ],
      ['needs[0].isRequired', { name: 'x', needs: [{ name: 'A', isRequired: 'yes' }] }],
      ['needs', { name: 'x', needs: Array.from({ length: 51 }, (_, i) => ({ name: `A${i}` })) }],
      ['devcontainer', { name: 'x', devcontainer: '{"secrets": {"PATH": {}}}' }],
      ['devcontainer', { name: 'x', devcontainer: '{"secrets": {"A": {"documentationUrl": "http://x"}}}' }],
    ] as const) {
      const answer = await attempt(body)
      expect([answer.status, answer.body.errors?.[0]?.field], JSON.stringify(body)).toEqual([400, field])
    }
  })

  test('everybody sees and uses templates; their owner and administrators change them; all of it is recorded', async () => {
    const template = await create()
    const admin = await server.addPerson('admin')
    const seen = async (person: TestPerson) =>
      (await server.ok('GET', TEMPLATES, { token: person.token })).templates.find(
        ({ id }: { id: string }) => id === template.id,
      )
    expect(await seen(owner)).toMatchObject({
      isYours: false,
      owner: { id: maintainer.id },
      needs: [{ name: 'GITHUB_TOKEN' }, {}, {}],
    })
    expect([(await seen(maintainer)).isYours, (await seen(admin)).isYours]).toEqual([true, true])
    const path = `${TEMPLATES}/${template.id}`
    const ask = (method: string, person?: TestPerson) =>
      server.request(method, path, {
        ...(person && { token: person.token }),
        ...(method === 'PATCH' && { body: { description: `by ${person?.id}` } }),
      })
    for (const method of ['PATCH', 'DELETE']) {
      const refused = await ask(method, owner)
      expect([refused.status, refused.body.code]).toEqual([404, 'template.not_found'])
      expect((await ask(method)).status).toBe(401)
    }
    expect((await attempt({ name: ` TEMPLATE ${count}` })).body.code).toBe('template.name_taken')
    expect([(await ask('PATCH', maintainer)).status, (await ask('PATCH', admin)).status]).toEqual([200, 200])
    const [before] = await server.records(1)
    expect((await ask('PATCH', admin)).status).toBe(200)
    expect((await server.records(1))[0]!.index).toBe(before!.index)
    expect((await ask('DELETE', admin)).status).toBe(204)
    const records = await server.records(10)
    expect(
      records.map(({ action, outcome, target }) => `${action} ${outcome} ${target?.name ?? ''}`),
    ).toEqual(
      expect.arrayContaining([
        `template.create success ${template.name}`,
        `template.update success ${template.name}`,
        `template.delete success ${template.name}`,
      ]),
    )
    expect((await server.request('GET', TEMPLATES)).status).toBe(401)
  })

  test('6.1: what a workspace needs is for those who may know of its secrets', async () => {
    const { id } = await workspaceOf((await create()).id)
    for (const [level, status] of [
      ['view', 403],
      ['edit', 200],
      ['admin', 200],
      [undefined, 404],
    ] as const) {
      const other = await server.addPerson()
      if (level)
        await server.ok('POST', `/api/v1/workspaces/${id}/shares`, {
          token: owner.token,
          body: { email: other.email, level },
        })
      expect((await needsOf(id, other)).status, String(level)).toBe(status)
    }
  })
})

test('a devcontainer.json without secrets needs nothing', async () => {
  expect(await readDevcontainer('{ "image": "node" } // end')).toEqual([])
})
