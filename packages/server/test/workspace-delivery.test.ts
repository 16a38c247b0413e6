import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { eventually, TestAgent } from './agent-kit.ts'
import { databases, startServer, type TestPerson, type TestServer } from './kit.ts'

describe.each(databases)('what the agent of a workspace gets, on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let owner: TestPerson
  let workspace: { id: string; name: string }
  let agent: string
  let shop: { id: string; name: string }
  let count = 0

  beforeAll(async () => {
    ;({ server, stop } = await startServer(database))
  })
  afterAll(() => stop())
  beforeEach(async () => {
    owner = await server.addPerson()
    workspace = await post('/api/v1/workspaces', { name: `api ${++count}` })
    agent = await server.addAgent(owner, workspace.id)
    shop = await server.addProject(owner, `shop ${count}`)
  })

  const post = (path: string, body: object, person = owner) =>
    server.ok('POST', path, { token: person.token, body })
  const link = (...environments: { projectId: string; environment: string }[]) =>
    server.ok('PATCH', `/api/v1/workspaces/${workspace.id}`, { token: owner.token, body: { environments } })
  const ofWorkspace = (name: string, value: string, wish: object = {}) =>
    post(`/api/v1/workspaces/${workspace.id}/secrets`, { name, type: 'token', value, ...wish })
  const personal = (envName: string, value: string, wish: object = {}) =>
    post('/api/v1/personal-secrets', { name: `my ${envName}`, type: 'token', value, envName, ...wish })
  const ofProject = (name: string, value: string, wish: object = {}) =>
    post(`/api/v1/projects/${shop.id}/secrets`, { name, value, type: 'token', ...wish })
  const ask = (have?: string, token = agent) =>
    server.request('GET', `/api/v1/workspaces/current/delivery${have === undefined ? '' : `?have=${have}`}`, {
      token,
    })
  const got = async () =>
    (await ask()).body.secrets
      .map(({ name, value }: { name: string; value: string }) => `${name}=${value}`)
      .sort()

  test('C3, SEC-10: values of workspace, project and owner, each variable once, and each recorded as used before it leaves', async () => {
    await link({ projectId: shop.id, environment: 'All' })
    await ofWorkspace('ONE', 'w1')
    await ofProject('ONE', 'p1')
    await ofProject('TWO', 'p2')
    for (const name of ['ONE', 'TWO', 'THREE']) await personal(name, `own-${name}`)
    expect(await got()).toEqual(['ONE=w1', 'THREE=own-THREE', 'TWO=p2'])
    const records = await server.records(3)
    for (const record of records)
      expect(record).toMatchObject({
        outcome: 'success',
        actor: { kind: 'workspace', id: workspace.id },
        workspace: workspace.id,
      })
    expect(records.map(({ action, target }) => `${action} ${target?.name}`).sort()).toEqual([
      'personal-secret.use my THREE',
      'secret.use TWO',
      'workspace-secret.use ONE',
    ])
  })

  test('SEC-27: who has used what in a workspace is seen by its owner and its Admins, and by nobody else', async () => {
    await ofWorkspace('ONE', 'w1')
    await got()
    const [admin, editor, stranger] = await Promise.all([1, 2, 3].map(() => server.addPerson()))
    const share = (email: string, level: string) =>
      post(`/api/v1/workspaces/${workspace.id}/shares`, { email, level })
    await share(admin!.email, 'admin')
    await share(editor!.email, 'edit')
    const seenBy = async ({ token }: TestPerson) => {
      const path = `/api/v1/audit?workspace=${workspace.id}&action=workspace-secret.use`
      return (await server.ok('GET', path, { token })).records
    }
    const record = { actor: { kind: 'workspace', id: workspace.id }, target: { name: 'ONE' } }
    for (const person of [owner, admin!]) expect(await seenBy(person)).toMatchObject([record])
    for (const person of [editor!, stranger!]) expect(await seenBy(person)).toEqual([])
    // And so is a proof of it.
    const [{ index }] = await seenBy(owner)
    const proof = (person: TestPerson) =>
      server.request('GET', `/api/v1/audit/${index}/proof`, { token: person.token })
    expect((await proof(admin!)).status).toBe(200)
    expect((await proof(editor!)).status).toBe(404)
  })

  test('SEC-4, C17: bytes come out as they went in, with the path of the file', async () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i)).toString('base64')
    await ofWorkspace('BINARY', bytes, { type: 'file', encoding: 'base64', filePath: '~/.config/binary' })
    expect((await ask()).body.secrets).toEqual([
      {
        id: expect.any(String),
        name: 'BINARY',
        type: 'file',
        path: '~/.config/binary',
        value: bytes,
        encoding: 'base64',
        expiresAt: null,
      },
    ])
  })

  test('references stand for what the owner may read; what has no value is left out and named', async () => {
    await link({ projectId: shop.id, environment: 'All' })
    await ofProject('PASSWORD', 's3cret-word')
    await ofProject('URL', `db:\${PASSWORD}`, { hasReferences: true })
    await ofProject('BROKEN', `\${NOWHERE}`, { hasReferences: true })
    expect(await got()).toEqual(['PASSWORD=s3cret-word', 'URL=db:s3cret-word'])
    expect((await ask()).body.leftOut).toEqual([
      { secretId: expect.stringMatching(/^sec_/), name: 'BROKEN', reason: `\${NOWHERE}: missing` },
    ])
  })

  test('the version is another after each change, and an unchanged delivery has no values and no records', async () => {
    await link({ projectId: shop.id, environment: 'All' })
    const versions = new Set<string>()
    const next = async () => {
      const { version } = (await ask()).body
      expect(versions.has(version)).toBe(false)
      versions.add(version)
      return version as string
    }
    await next()
    const { id } = await ofWorkspace('ONE', 'w1')
    await next()
    await server.ok('PATCH', `/api/v1/workspaces/${workspace.id}/secrets/${id}`, {
      token: owner.token,
      body: { value: 'w2' },
    })
    await next()
    const { id: secretId } = await ofProject('TWO', 'p2')
    await next()
    await ofProject('REFERS', `\${TWO}`, { hasReferences: true })
    await next()
    await server.ok('PATCH', `/api/v1/projects/${shop.id}/secrets/${secretId}`, {
      token: owner.token,
      body: { value: 'p3' },
    })
    await next()
    await personal('THREE', 'own')
    await next()
    await link()
    const last = await next()
    const before = (await server.records(1))[0]!
    const { body } = await ask(last)
    expect(body).toEqual({
      ...{ version: last, isUnchanged: true, now: expect.any(String) },
      ...{ secrets: [], leftOut: [], referenced: [] },
    })
    expect((await server.records(1))[0]!.index).toBe(before.index)
    expect((await ask('other')).body.isUnchanged).toBe(false)
  })

  test('what expires says when, by the clock of the server; then what it went before takes its place', async () => {
    const expiresAt = new Date(server.clock.now().getTime() + 60_000).toISOString()
    const { id } = await ofWorkspace('ONE', 'brief', { expiresAt })
    await personal('ONE', 'own')
    const { body } = await ask()
    expect(body.secrets).toMatchObject([{ value: 'brief', expiresAt }])
    expect(Date.parse(expiresAt) - Date.parse(body.now)).toBeLessThanOrEqual(60_000)
    // A later end is no new value, and the agent has to hear of it.
    const later = new Date(server.clock.now().getTime() + 120_000).toISOString()
    await server.ok('PATCH', `/api/v1/workspaces/${workspace.id}/secrets/${id}`, {
      token: owner.token,
      body: { expiresAt: later },
    })
    expect((await ask(body.version)).body.secrets).toMatchObject([{ value: 'brief', expiresAt: later }])
    server.clock.advance(120_000)
    expect((await ask()).body.secrets).toMatchObject([{ value: 'own', expiresAt: null }])
  })

  test('0029: own values of the owner stand in for what an environment has; of nobody else, and for nothing that is not there', async () => {
    await server.addEnvironment(owner, shop.id, 'staging')
    await link({ projectId: shop.id, environment: 'staging' })
    const ids: Record<string, string> = {}
    for (const name of ['ALL', 'TAKEN', 'HIDDEN']) ids[name] = (await ofProject(name, `all-${name}`)).id
    ids.ITS = (await ofProject('ITS', 'staging-ITS', { environment: 'staging' })).id
    await ofProject('REFERS', `\${ALL}!`, { hasReferences: true })
    const own = (name: string, value: string, environment?: string, person = owner) =>
      server.ok('PUT', `/api/v1/projects/${shop.id}/secrets/${ids[name]}/override`, {
        token: person.token,
        body: { value, ...(environment !== undefined && { environment }) },
      })
    await own('ALL', 'mine-ALL')
    await own('TAKEN', 'mine-TAKEN', 'staging')
    await own('ITS', 'mine-ITS')
    await own('HIDDEN', 'mine-HIDDEN')
    await ofWorkspace('HIDDEN', 'w')
    const other = await server.addPerson()
    await server.addMember(owner, shop.id, other, 'regular')
    await own('ALL', 'of the other', undefined, other)
    expect(await got()).toEqual([
      'ALL=mine-ALL',
      'HIDDEN=w',
      'ITS=mine-ITS',
      // As everywhere, a reference stands for the project's value.
      'REFERS=all-ALL!',
      'TAKEN=mine-TAKEN',
    ])
    const records = (await server.records(20)).filter(({ action }) => action === 'secret-override.use')
    expect(records).toHaveLength(3)
    for (const record of records) {
      expect(record).toMatchObject({ actor: { kind: 'workspace' }, workspace: workspace.id })
      expect(record.project).toBeUndefined()
    }
    const { variables } = await server.ok('GET', `/api/v1/workspaces/${workspace.id}/variables`, {
      token: owner.token,
    })
    const sources = variables.map(
      ({
        name,
        from,
        hides,
      }: {
        name: string
        from: { kind: string; name: string }
        hides: { kind: string }[]
      }) => [name, from.kind, from.name, ...hides.map(({ kind }) => kind)].join(' '),
    )
    expect(sources).toContain(`ALL override ${shop.name}/All project`)
    expect(sources).toContain(`TAKEN override ${shop.name}/staging project`)
    expect(sources).toContain(`HIDDEN workspace ${workspace.name} override project`)
    await server.ok('DELETE', `/api/v1/projects/${shop.id}/secrets/${ids.ALL}/override`, {
      token: owner.token,
    })
    expect(await got()).toContain('ALL=all-ALL')
  })

  test('SEC-23: uses are recorded as those of the secret that the workspace gets by that name, and no others', async () => {
    await link({ projectId: shop.id, environment: 'All' })
    await ofWorkspace('ONE', 'w1')
    await ofProject('ONE', 'hidden')
    await ofProject('TWO', 'p2')
    await personal('THREE', 'own')
    const report = (body: unknown, token = agent) =>
      server.request('POST', '/api/v1/workspaces/current/uses', { token, body })
    const use = (name: string, more = {}) => ({
      ...{ name, kind: 'read', program: 'node', file: 'app.js', line: 12 },
      ...more,
    })
    const uses = ['ONE', 'TWO', 'THREE', 'FOUR'].map((name) => use(name))
    const answer = await report({ run: 'run-12345678', uses })
    expect([answer.status, answer.body.remaining]).toEqual([200, 996])
    const records = await server.records(3)
    for (const record of records)
      expect(record).toMatchObject({
        ...{ outcome: 'success', workspace: workspace.id, use: { file: 'app.js', line: 12 } },
        actor: { kind: 'workspace', id: workspace.id },
      })
    const lines = records.map(
      ({ action, target, project }) => `${action} ${target?.kind} ${target?.name} ${project?.id === shop.id}`,
    )
    expect(lines.sort()).toEqual([
      'personal-secret.use personal-secret my THREE false',
      'secret.use secret TWO true',
      'workspace-secret.use workspace-secret ONE false',
    ])
    // The same again is no new use, and a report is for nobody's environment.
    await report({ run: 'run-12345678', uses })
    expect((await server.records(1))[0]!.index).toBe(records[0]!.index)
    expect((await report({ run: 'run-12345678', environment: 'All', uses })).status).toBe(400)
    expect((await report({ run: 'short', uses })).status).toBe(400)
    expect((await report({ run: 'run-12345678', uses: [use('ONE', { file: '/etc/passwd' })] })).status).toBe(
      400,
    )
    expect((await report({ run: 'run-12345678', uses }, 'kh_agt_nobody')).status).toBe(401)
    expect((await report({ run: 'run-12345678', uses }, owner.token)).status).toBe(403)
    await server.ok('DELETE', `/api/v1/workspaces/${workspace.id}/agent`, { token: owner.token })
    expect((await report({ run: 'run-12345678', uses })).status).toBe(401)
  })

  test('SEC-21: nothing of another workspace, nor of projects that are not linked or that the owner has left', async () => {
    const other = await post('/api/v1/workspaces', { name: `other ${count}` })
    await post(`/api/v1/workspaces/${other.id}/secrets`, { name: 'OTHER', type: 'token', value: 'x' })
    await ofProject('TWO', 'p2')
    expect(await got()).toEqual([])
    await link({ projectId: shop.id, environment: 'All' })
    expect(await got()).toEqual(['TWO=p2'])
    const admin = await server.addPerson()
    await server.addMember(owner, shop.id, admin, 'admin')
    await server.ok('DELETE', `/api/v1/projects/${shop.id}/members/${owner.id}`, { token: admin.token })
    expect(await got()).toEqual([])
  })

  test('the agent is told of every change of what it gets, and of no other', async () => {
    await link({ projectId: shop.id, environment: 'All' })
    const connected = await TestAgent.connect(server.url, agent)
    const told = async (change: () => Promise<unknown>, isTold = true) => {
      const before = connected.messages.length
      await change()
      await server.server.agentConnections.look()
      if (isTold)
        await eventually(
          () => connected.messages.length,
          (seen) => expect(seen).toBeGreaterThan(before),
        )
      else expect(connected.messages).toHaveLength(before)
    }
    await told(() => ofWorkspace('ONE', 'w1'))
    await told(() => personal('TWO', 'own'))
    await told(() => ofProject('THREE', 'p3'))
    const { id } = await ofProject('OWN', 'p')
    const setOwn = (person: TestPerson) =>
      server.ok('PUT', `/api/v1/projects/${shop.id}/secrets/${id}/override`, {
        token: person.token,
        body: { value: 'mine' },
      })
    await told(() => setOwn(owner))
    const member = await server.addPerson()
    await told(() => server.addMember(owner, shop.id, member, 'regular'))
    await told(() => setOwn(member), false)
    const stranger = await server.addPerson()
    const foreign = await server.addProject(stranger)
    await told(() => server.addSecret(stranger, foreign.id, { name: 'FOUR', value: 'x' }), false)
    await told(() => link())
    await told(() => ofProject('FIVE', 'p5'), false)
    connected.socket.terminate()
  })

  test('an agent that was cut off, and one whose owner is disabled, get nothing', async () => {
    await ofWorkspace('ONE', 'canary-cut')
    const admin = await server.addPerson('admin')
    await server.ok('PATCH', `/api/v1/accounts/${owner.id}`, {
      token: admin.token,
      body: { isDisabled: true },
    })
    const answer = await ask()
    expect([answer.status, answer.text.includes('canary-cut')]).toEqual([401, false])
  })
})
