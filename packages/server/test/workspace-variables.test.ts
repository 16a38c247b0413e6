import { limits } from '@keyhold/contract/limits'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { place } from '../src/credentials/delivery/delivery.ts'
import type { Offer } from '../src/credentials/offer.ts'
import { databases, startServer, type TestPerson, type TestServer } from './kit.ts'

describe('what goes where', () => {
  const offer = (name: string, wish: Partial<Offer> = {}): Offer => ({
    source: { kind: 'workspace', name: 'api' },
    id: name,
    name,
    type: 'token',
    version: 1,
    expiresAt: null,
    envName: name,
    filePath: null,
    folder: '~/.keyhold/test',
    valueBytes: 10,
    ...wish,
  })
  const placed = (...offers: Offer[]) =>
    place(offers).placed.map(({ offer: { id }, variable, fileVariable, path }) => [
      id,
      variable,
      fileVariable,
      path,
    ])

  test('C17: by type, a variable holds the value or the path of a file', () => {
    expect(
      placed(
        offer('TOKEN'),
        offer('KEY', { type: 'key' }),
        offer('FILE', { type: 'file' }),
        offer('HIDDEN', { envName: null, filePath: '~/.npmrc' }),
        offer('CHOSEN', { type: 'file', filePath: '/etc/chosen' }),
      ),
    ).toEqual([
      ['TOKEN', 'TOKEN', null, null],
      ['KEY', 'KEY', 'KEY_FILE', '~/.keyhold/test/KEY'],
      ['FILE', null, 'FILE', '~/.keyhold/test/FILE'],
      ['HIDDEN', null, null, '~/.npmrc'],
      ['CHOSEN', null, 'CHOSEN', '/etc/chosen'],
    ])
  })

  test('C3: the first of one name counts; a file that was chosen stays where it is when its variable is hidden', () => {
    const { variables, files } = place([
      offer('first', { envName: 'TOKEN' }),
      offer('second', { envName: 'TOKEN', filePath: '~/second' }),
      offer('third', { envName: 'TOKEN', type: 'file' }),
      offer('fourth', { envName: null, filePath: '~/second/below' }),
    ])
    const ids = (taken: typeof files) =>
      [...taken].map(
        ([
          name,
          {
            offer: { id },
            hides,
          },
        ]) => [name, id, hides.map((one) => one.id)],
      )
    expect(ids(variables)).toEqual([['TOKEN', 'first', ['second', 'third']]])
    expect(ids(files)).toEqual([['~/second', 'second', ['fourth']]])
  })

  test('the variable of the path of a key gives way to a secret of that name that goes before', () => {
    expect(placed(offer('KEY_FILE'), offer('KEY', { type: 'key' }))).toEqual([
      ['KEY_FILE', 'KEY_FILE', null, null],
      ['KEY', 'KEY', null, '~/.keyhold/test/KEY'],
    ])
  })

  test('5.9: a variable of 128 KiB fits, one byte more does not; what would make more than 1 MiB is left out, and named', () => {
    const fits = limits.variableBytes - 'A'.length - 2
    expect(placed(offer('A', { valueBytes: fits }))).toHaveLength(1)
    expect(place([offer('A', { valueBytes: fits + 1 })])).toMatchObject({
      placed: [],
      tooLarge: [{ variable: 'A', bytes: fits + 1 }],
    })
    const many = 'ABCDEFGHI'.split('').map((name) => offer(name, { valueBytes: fits }))
    const { tooLarge, placed: all } = place([...many, offer('Z', { valueBytes: 1, type: 'file' })])
    expect(tooLarge.map(({ variable }) => variable)).toEqual(['I', 'Z'])
    expect(all.map(({ offer: { id } }) => id)).toEqual('ABCDEFGH'.split(''))
  })
})

describe.each(databases)('what a workspace gets, on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let owner: TestPerson
  let workspace: { id: string; name: string }
  let shop: { id: string; name: string }
  let count = 0

  beforeAll(async () => {
    ;({ server, stop } = await startServer(database))
  })
  afterAll(() => stop())
  beforeEach(async () => {
    owner = await server.addPerson()
    workspace = await post('/api/v1/workspaces', { name: `api ${++count}` })
    shop = await server.addProject(owner, `shop ${count}`)
  })

  const post = (path: string, body: object, person = owner) =>
    server.ok('POST', path, { token: person.token, body })
  const link = (...environments: { projectId: string; environment: string }[]) =>
    server.ok('PATCH', `/api/v1/workspaces/${workspace.id}`, { token: owner.token, body: { environments } })
  const ofWorkspace = (name: string, wish: object = {}) =>
    post(`/api/v1/workspaces/${workspace.id}/secrets`, { name, type: 'token', value: 'canary-w', ...wish })
  const personal = (envName: string, wish: object = {}) =>
    post('/api/v1/personal-secrets', {
      name: `my ${envName}`,
      type: 'token',
      value: 'canary-p',
      envName,
      ...wish,
    })
  const ofProject = (name: string, environment: string, of = shop) =>
    server.addSecret(owner, of.id, { name, value: 'canary-s', environment })
  const request = (person = owner) =>
    server.request('GET', `/api/v1/workspaces/${workspace.id}/variables`, { token: person.token })
  const shown = async () => {
    const { body } = await request()
    return body.variables.map(
      ({ name, from, hides }: { name: string; from: { name: string }; hides: { name: string }[] }) =>
        [name, from.name, ...hides.map((one) => one.name)].join(' < '),
    )
  }

  test('C3: workspace, linked environments in their order, All, personal; each says what it hides', async () => {
    const mail = await server.addProject(owner, `mail ${count}`)
    for (const [project, name] of [
      [shop, 'staging'],
      [mail, 'dev'],
    ] as const)
      await server.addEnvironment(owner, project.id, name)
    await link({ projectId: shop.id, environment: 'staging' }, { projectId: mail.id, environment: 'dev' })
    for (const name of ['ONE', 'TWO', 'THREE', 'FOUR', 'FIVE']) await personal(name)
    for (const name of ['ONE', 'TWO', 'THREE', 'FOUR']) await ofProject(name, 'All', shop)
    for (const name of ['ONE', 'TWO', 'THREE']) await ofProject(name, 'dev', mail)
    for (const name of ['ONE', 'TWO']) await ofProject(name, 'staging', shop)
    await ofWorkspace('ONE')
    const [ofShop, ofAll, ofMail] = [`${shop.name}/staging`, `${shop.name}/All`, `${mail.name}/dev`]
    const me = owner.name
    expect(await shown()).toEqual([
      `FIVE < ${me}`,
      `FOUR < ${ofAll} < ${me}`,
      `ONE < ${workspace.name} < ${ofShop} < ${ofMail} < ${me}`,
      `THREE < ${ofMail} < ${ofAll} < ${me}`,
      `TWO < ${ofShop} < ${ofMail} < ${me}`,
    ])
    await link({ projectId: mail.id, environment: 'dev' }, { projectId: shop.id, environment: 'staging' })
    expect(await shown()).toContain(`TWO < ${ofMail} < ${ofShop} < ${me}`)
    await link({ projectId: shop.id, environment: 'All' })
    expect(await shown()).toContain(`TWO < ${ofAll} < ${me}`)
  })

  test('files with their paths; disabled, expired and other workspaces’ secrets are not there; no value is', async () => {
    await ofWorkspace('DEPLOY', { type: 'file', note: 'x' })
    await ofWorkspace('OFF', { isEnabled: false })
    await personal('NPMRC', { envName: null, filePath: '~/.npmrc' })
    await personal('ELSEWHERE', { workspaces: ['ws-elsewhere'] })
    const brief = new Date(server.clock.now().getTime() + 60_000).toISOString()
    await personal('BRIEF', { expiresAt: brief })
    server.clock.advance(60_000)
    const { body, text } = await request()
    expect(body.variables).toMatchObject([
      { name: 'DEPLOY', holds: 'path', path: '~/.keyhold/workspace/DEPLOY', from: { kind: 'workspace' } },
    ])
    expect(body.files.map(({ path }: { path: string }) => path)).toEqual([
      '~/.keyhold/workspace/DEPLOY',
      '~/.npmrc',
    ])
    expect(text).not.toContain('canary')
  })

  test('of a project whose member the owner is no longer nothing, and that is said', async () => {
    const other = await server.addPerson()
    await ofProject('TOKEN', 'All')
    await link({ projectId: shop.id, environment: 'All' })
    expect(await shown()).toEqual([`TOKEN < ${shop.name}/All`])
    await server.addMember(owner, shop.id, other, 'admin')
    await server.ok('DELETE', `/api/v1/projects/${shop.id}/members/${owner.id}`, { token: other.token })
    expect((await request()).body).toMatchObject({
      variables: [],
      unavailable: [{ project: shop.name, environment: 'All' }],
    })
  })

  test('6.1: for owner, Admin and Edit; refused and recorded for View, missing for others (SEC-37)', async () => {
    await ofWorkspace('TOKEN')
    for (const [level, status] of [
      ['admin', 200],
      ['edit', 200],
      ['view', 403],
    ] as const) {
      const person = await server.addPerson()
      await post(`/api/v1/workspaces/${workspace.id}/shares`, { email: person.email, level })
      const answer = await request(person)
      expect([level, answer.status]).toEqual([level, status])
      if (status === 403) expect(answer.text).not.toContain('TOKEN')
    }
    expect((await server.records(1))[0]).toMatchObject({
      action: 'workspace.variables',
      outcome: 'refused',
      workspace: workspace.id,
    })
    expect((await request(await server.addPerson('admin'))).body.code).toBe('workspace.not_found')
  })
})
