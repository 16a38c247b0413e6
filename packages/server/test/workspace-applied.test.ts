import { agentHeaders } from '@keyhold/contract/api/workspace-agents'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { TestAgent } from './agent-kit.ts'
import { databases, startServer, type TestPerson, type TestServer } from './kit.ts'

describe.each(databases)('what an agent says is in effect, on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let owner: TestPerson
  let workspace: { id: string; name: string }
  let agent: string
  let count = 0

  beforeAll(async () => {
    ;({ server, stop } = await startServer(database))
  })
  afterAll(() => stop())
  beforeEach(async () => {
    owner = await server.addPerson()
    workspace = await server.ok('POST', '/api/v1/workspaces', {
      token: owner.token,
      body: { name: `api ${++count}` },
    })
    agent = await server.addAgent(owner, workspace.id)
  })

  const secretsPath = () => `/api/v1/workspaces/${workspace.id}/secrets`
  const add = (name: string, wish: object = {}) =>
    server.ok('POST', secretsPath(), {
      token: owner.token,
      body: { name, type: 'token', value: `value-of-${name}`, ...wish },
    })
  const change = (id: string, body: object) =>
    server.ok('PATCH', `${secretsPath()}/${id}`, { token: owner.token, body })
  const deliveredVersion = async (token = agent): Promise<string> =>
    (await server.ok('GET', '/api/v1/workspaces/current/delivery', { token })).version
  const report = (body: unknown, token = agent) =>
    server.request('PUT', '/api/v1/workspaces/current/applied', { token, body })
  /** Fetches, and says that it is in effect but for what is named. */
  const apply = async (problems: { secretId: string; problem: string }[] = []) =>
    (await report({ version: await deliveredVersion(), problems })).body
  const variables = (person = owner) =>
    server.ok('GET', `/api/v1/workspaces/${workspace.id}/variables`, { token: person.token })
  const stateOf = async (name: string) =>
    (await variables()).variables.find((one: { name: string }) => one.name === name)?.effect

  test('a secret is pending until the agent has it, with the version that programs get meanwhile', async () => {
    const { id } = await add('ONE')
    expect(await stateOf('ONE')).toEqual({ state: 'pending', version: null })
    expect((await variables()).applied).toBeNull()
    expect(await apply()).toEqual({ isCurrent: true })
    expect(await stateOf('ONE')).toEqual({ state: 'in-effect', version: 1 })
    expect((await variables()).applied).toEqual({ at: expect.any(String), isCurrent: true })

    await change(id, { value: 'the next' })
    await add('TWO')
    expect(await stateOf('ONE')).toEqual({ state: 'pending', version: 1 })
    expect(await stateOf('TWO')).toEqual({ state: 'pending', version: null })
    expect((await variables()).applied.isCurrent).toBe(false)
    await apply()
    expect(await stateOf('ONE')).toEqual({ state: 'in-effect', version: 2 })
    // Nothing is pending, and still something is there that should not be.
    await server.ok('DELETE', `${secretsPath()}/${id}`, { token: owner.token })
    expect([await stateOf('TWO'), (await variables()).applied.isCurrent]).toEqual([
      { state: 'in-effect', version: 1 },
      false,
    ])
  })

  test('it is recorded when it is another, and the same again is not', async () => {
    await add('ONE')
    await apply()
    expect((await server.records(1))[0]).toMatchObject({
      action: 'agent.apply',
      outcome: 'success',
      actor: { kind: 'workspace', id: workspace.id },
      workspace: workspace.id,
      target: { kind: 'workspace', id: workspace.id },
    })
    const version = await deliveredVersion()
    const { index } = (await server.records(1))[0]!
    expect((await report({ version, problems: [] })).body).toEqual({ isCurrent: true })
    expect((await server.records(1))[0]!.index).toBe(index)
  })

  test('what could not be put into effect says why: a file alone, or all of it', async () => {
    const both = await add('BOTH', { filePath: '~/.config/both' })
    const left = await add('LEFT')
    await apply([
      { secretId: both.id, problem: 'taken' },
      { secretId: left.id, problem: 'left-out' },
      { secretId: 'wsec_of_nobody', problem: 'failed' },
    ])
    const { files } = await variables()
    expect(files[0].effect).toEqual({ state: 'refused', version: null, problem: 'taken' })
    expect(await stateOf('BOTH')).toEqual({ state: 'in-effect', version: 1 })
    expect(await stateOf('LEFT')).toEqual({ state: 'refused', version: null, problem: 'left-out' })
    await apply()
    expect((await variables()).files[0].effect).toEqual({ state: 'in-effect', version: 1 })
  })

  test('another place, and another value of a reference, are pending without a new version', async () => {
    const { id } = await add('ONE', { filePath: '~/.one' })
    const shop = await server.addProject(owner, `shop ${count}`)
    const environments = [{ projectId: shop.id, environment: 'All' }]
    await server.ok('PATCH', `/api/v1/workspaces/${workspace.id}`, {
      token: owner.token,
      body: { environments },
    })
    const secret = (body: object) =>
      server.ok('POST', `/api/v1/projects/${shop.id}/secrets`, {
        token: owner.token,
        body: { type: 'token', ...body },
      })
    const part = await secret({ name: 'PART', value: 'a part' })
    await secret({ name: 'WHOLE', value: `\${PART}!`, hasReferences: true })
    await apply()
    expect(await stateOf('WHOLE')).toEqual({ state: 'in-effect', version: 1 })
    await server.ok('PATCH', `/api/v1/projects/${shop.id}/secrets/${part.id}`, {
      token: owner.token,
      body: { value: 'another part' },
    })
    expect(await stateOf('WHOLE')).toEqual({ state: 'pending', version: 1 })
    expect(await stateOf('ONE')).toEqual({ state: 'in-effect', version: 1 })
    await change(id, { filePath: '~/.two' })
    expect(await stateOf('ONE')).toEqual({ state: 'pending', version: 1 })
  })

  test('a delivery that is no longer the current one is not kept', async () => {
    const { id } = await add('ONE')
    const version = await deliveredVersion()
    await change(id, { value: 'the next' })
    expect((await report({ version, problems: [] })).body).toEqual({ isCurrent: false })
    expect((await variables()).applied).toBeNull()
  })

  test('T19: an agent that was replaced says nothing any more, and what it said is forgotten', async () => {
    await add('ONE')
    const version = await deliveredVersion()
    await apply()
    const next = await server.addAgent(owner, workspace.id)
    expect((await variables()).applied).toBeNull()
    expect((await report({ version, problems: [] })).status).toBe(401)
    expect((await variables()).applied).toBeNull()
    expect((await report({ version, problems: [] }, next)).body).toEqual({ isCurrent: true })
    await server.ok('DELETE', `/api/v1/workspaces/${workspace.id}/agent`, { token: owner.token })
    expect((await variables()).applied).toBeNull()
  })

  test('a connection that was cut changes nothing; an agent that starts anew, or ends, has nothing in effect', async () => {
    await add('ONE')
    const version = await deliveredVersion()
    await apply()
    const again = await TestAgent.connect(server.url, agent, { [agentHeaders.applied]: version })
    expect((await variables()).applied).not.toBeNull()
    again.socket.terminate()
    const other = await TestAgent.connect(server.url, agent, { [agentHeaders.applied]: 'another' })
    expect((await variables()).applied).toBeNull()
    other.socket.terminate()
    await apply()
    const fresh = await TestAgent.connect(server.url, agent)
    expect((await variables()).applied).toBeNull()
    await apply()
    expect((await report({ version: null, problems: [] })).body).toEqual({ isCurrent: true })
    expect((await variables()).applied).toBeNull()
    fresh.socket.terminate()
  })

  test('400 with the field; 401; people and access keys are refused; View is not told', async () => {
    const many = Array.from({ length: 501 }, (_, i) => ({ secretId: `s${i}`, problem: 'failed' }))
    for (const [body, field] of [
      [{ version: 'short', problems: [] }, 'version'],
      [{ version: null }, 'problems'],
      [{ version: null, problems: [{ secretId: 'x', problem: 'my own words' }] }, 'problems[0].problem'],
      [{ version: null, problems: many }, 'problems'],
    ] as const) {
      const { status, body: answer } = await report(body)
      expect([status, answer.errors[0].field]).toEqual([400, field])
    }
    const fine = { version: null, problems: [] }
    expect((await report(fine, 'kh_agt_nobody')).status).toBe(401)
    expect((await report(fine, owner.token)).status).toBe(403)
    const viewer = await server.addPerson()
    await server.ok('POST', `/api/v1/workspaces/${workspace.id}/shares`, {
      token: owner.token,
      body: { email: viewer.email, level: 'view' },
    })
    const path = `/api/v1/workspaces/${workspace.id}`
    expect((await server.request('GET', `${path}/variables`, { token: viewer.token })).status).toBe(403)
    const seen = await server.request('GET', path, { token: viewer.token })
    expect(seen.text).not.toContain('applied')
  })
})
