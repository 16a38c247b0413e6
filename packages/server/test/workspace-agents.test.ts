import { closeCodes } from '@keyhold/contract/api/workspace-agents'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { AgentConnections } from '../src/workspaces/agent-connections.ts'
import { eventually, TestAgent } from './agent-kit.ts'
import { databases, startReplica, startServer, type TestPerson, type TestServer } from './kit.ts'

const HOUR_MS = 3_600_000
const CURRENT = '/api/v1/workspaces/current'

describe.each(databases)('agents of workspaces on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let owner: TestPerson
  let workspace: { id: string; name: string }
  let count = 0

  beforeAll(async () => {
    ;({ server, stop } = await startServer(database))
  })
  afterAll(() => stop())
  beforeEach(async () => {
    owner = await server.addPerson()
    const body = { name: `Workspace ${++count}` }
    workspace = await server.ok('POST', '/api/v1/workspaces', { token: owner.token, body })
  })

  const invite = (person = owner) =>
    server.request('POST', `/api/v1/workspaces/${workspace.id}/enrollments`, { token: person.token })
  const enroll = (enrollmentToken: string, facts: object = {}) =>
    server.request('POST', `${CURRENT}/enrollment`, {
      body: { enrollmentToken, loginName: 'user', release: '0.1.0', ...facts },
    })
  const show = async () =>
    (await server.ok('GET', `/api/v1/workspaces/${workspace.id}`, { token: owner.token })).agent
  const get = (token: string) => server.request('GET', CURRENT, { token })
  const renew = async (token: string): Promise<string> =>
    (await server.ok('POST', `${CURRENT}/credential`, { token })).token
  const recordsOf = async (action: string) =>
    (await server.records(200)).filter((one) => one.action === action && one.workspace === workspace.id)
  const connect = async (token: string, at = server) => {
    const agent = await TestAgent.connect(at.url, token)
    onTestFinished(() => agent.socket.terminate())
    return agent
  }

  describe('joining', () => {
    test('an enrollment token becomes a credential of its workspace, which is shown', async () => {
      expect(await show()).toBeNull()
      const made = await invite()
      expect([made.status, made.body.token]).toEqual([201, expect.stringMatching(/^kh_enr_\w{49}$/)])
      const joined = await enroll(made.body.token)
      expect(joined.body).toEqual({
        workspaceId: workspace.id,
        name: workspace.name,
        token: expect.stringMatching(/^kh_agt_\w{49}$/),
      })
      expect((await get(joined.body.token)).body).toMatchObject({ workspaceId: workspace.id, epoch: 1 })
      expect(await show()).toMatchObject({
        isConnected: false,
        since: null,
        loginName: 'user',
        release: '0.1.0',
      })
      expect(await recordsOf('agent.create-enrollment')).toMatchObject([
        { outcome: 'success', actor: { id: owner.id } },
      ])
      expect(await recordsOf('agent.enroll')).toMatchObject([
        { outcome: 'success', actor: { kind: 'workspace', id: workspace.id }, address: '127.0.0.1' },
      ])
      expect(await server.dump()).not.toContain(joined.body.token)
    })

    test('cutting off takes back a token that no agent has used', async () => {
      const { token } = (await invite()).body
      const path = `/api/v1/workspaces/${workspace.id}/agent`
      expect((await server.request('DELETE', path, { token: owner.token })).status).toBe(204)
      expect((await enroll(token)).body.code).toBe('agent.enrollment_invalid')
      expect((await server.request('DELETE', path, { token: owner.token })).status).toBe(409)
    })

    test('a token is good once, also in parallel; the second use is recorded (T19)', async () => {
      const { token } = (await invite()).body
      const answers = await Promise.all(Array.from({ length: 5 }, () => enroll(token)))
      expect(answers.map(({ status }) => status).sort()).toEqual([201, 404, 404, 404, 404])
      const refused = answers.find(({ status }) => status === 404)!
      expect(refused.body.code).toBe('agent.enrollment_invalid')
      const outcomes = (await recordsOf('agent.enroll')).map(({ outcome }) => outcome)
      expect(outcomes.sort()).toEqual(['refused', 'refused', 'refused', 'refused', 'success'])
    })

    test('it ends after an hour, with a newer one, with the workspace, and with the owner’s account', async () => {
      const late = (await invite()).body.token
      server.clock.advance(HOUR_MS + 1)
      const older = (await invite()).body.token
      const newer = (await invite()).body.token
      for (const token of [late, older, `${newer}x`, newer.toUpperCase(), 'kh_enr_0', owner.token])
        expect([token, (await enroll(token)).status]).toEqual([token, 404])
      const admin = await server.addPerson('admin')
      const disable = (isDisabled: boolean) =>
        server.ok('PATCH', `/api/v1/accounts/${owner.id}`, { token: admin.token, body: { isDisabled } })
      await disable(true)
      expect((await enroll(newer)).status).toBe(404)
      await disable(false)
      const path = `/api/v1/workspaces/${workspace.id}?confirm=${encodeURIComponent(workspace.name)}`
      const { token } = await server.addPerson()
      expect((await server.request('DELETE', path, { token })).status).toBe(404)
      await server.ok('DELETE', path, { token: owner.token })
      expect((await enroll(newer)).status).toBe(404)
    })

    test('400 that names the field for names that no account has', async () => {
      for (const loginName of ['', 'A', '-x', 'a b', 'a;b', 'x'.repeat(33), '../x'])
        expect((await enroll('kh_enr_0', { loginName })).body.errors[0].field).toBe('loginName')
      expect((await enroll('kh_enr_0', { release: 'a\nb' })).body.errors[0].field).toBe('release')
    })

    test('the agent that joins shuts the one before it out: credential and connection (T19)', async () => {
      const first = (await enroll((await invite()).body.token)).body.token
      const connection = await connect(first)
      const second = (await enroll((await invite()).body.token)).body.token
      expect((await get(first)).status).toBe(401)
      expect((await get(second)).body.epoch).toBe(2)
      expect(await connection.closed).toBe(closeCodes.revoked)
      expect(await new TestAgent(server.url, { authorization: `Bearer ${first}` }).opened).toBe(401)
    })

    test('in a browser session it needs a fresh password', async () => {
      const headers = { cookie: await server.signIn(owner) }
      server.clock.advance(11 * 60_000)
      const answer = await server.request('POST', `/api/v1/workspaces/${workspace.id}/enrollments`, {
        headers,
      })
      expect(answer.body.code).toBe('session.reauthentication_required')
    })
  })

  describe('the credential', () => {
    let token: string
    beforeEach(async () => {
      token = await server.addAgent(owner, workspace.id)
    })

    test('opens what is the agent’s, and nothing of a person’s or a project’s', async () => {
      for (const path of ['/api/v1/session', '/api/v1/workspaces', `/api/v1/workspaces/${workspace.id}`])
        expect([path, (await server.request('GET', path, { token })).status]).toEqual([path, 403])
      expect((await server.request('GET', '/api/v1/projects/current/secrets', { token })).status).toBe(404)
    })

    test('the next one takes over when it is used; until then the present one is good, so a crash loses nothing', async () => {
      const lost = await renew(token)
      const next = await renew(token)
      expect((await get(lost)).status).toBe(401)
      expect((await get(token)).status).toBe(200)
      expect((await get(next)).status).toBe(200)
      // What was under way when it was replaced is refused, and no more than that.
      expect((await get(token)).status).toBe(401)
      expect((await get(next)).status).toBe(200)
    })

    test('one that was replaced and comes back fences both off, and is recorded (T19)', async () => {
      const next = await renew(token)
      expect((await get(next)).status).toBe(200)
      const connection = await connect(next)
      server.clock.advance(2 * 60_000)
      expect((await get(token)).status).toBe(401)
      expect((await get(next)).status).toBe(401)
      expect(await connection.closed).toBe(closeCodes.revoked)
      expect(await recordsOf('agent.fence')).toMatchObject([
        { actor: { kind: 'workspace', id: workspace.id } },
      ])
      expect(await show()).toBeNull()
    })

    test.each(['end', 'lowering'])(
      'is due at once after the %s of a share with which one comes in; the one before is refused, and no more',
      async (how) => {
        const guest = await server.addPerson()
        const shares = `/api/v1/workspaces/${workspace.id}/shares`
        const body = { email: guest.email, level: 'edit' }
        await server.ok('POST', shares, { token: owner.token, body })
        const agent = await connect(token)
        const heard = agent.messages.length
        const isDue = async (one: string) =>
          Date.parse((await get(one)).body.renewAt) <= server.clock.now().getTime()
        expect(await isDue(token)).toBe(false)
        const at = { token: owner.token }
        if (how === 'end') await server.ok('DELETE', `${shares}/${guest.id}`, at)
        else await server.ok('PATCH', `${shares}/${guest.id}`, { ...at, body: { level: 'view' } })
        await eventually(
          () => agent.messages.length,
          (length) => expect(length).toBeGreaterThan(heard),
        )
        expect(await isDue(token)).toBe(true)
        const next = await renew(token)
        expect(await isDue(next)).toBe(false)
        server.clock.advance(2 * 60_000)
        expect((await get(token)).status).toBe(401)
        expect((await get(next)).status).toBe(200)
        expect(await recordsOf('agent.fence')).toEqual([])
      },
    )

    test('is due after a day', async () => {
      const { renewAt } = (await get(token)).body
      const inMs = Date.parse(renewAt) - server.clock.now().getTime()
      expect(inMs).toBeGreaterThan(23 * HOUR_MS)
      expect(inMs).toBeLessThanOrEqual(24 * HOUR_MS)
    })
  })

  describe('the connection', () => {
    let token: string
    beforeEach(async () => {
      token = await server.addAgent(owner, workspace.id)
    })

    test('is shown from its beginning to its end, and both are recorded', async () => {
      const agent = await connect(token)
      expect(agent.messages).toEqual(['{"type":"changed"}'])
      expect(await show()).toMatchObject({ isConnected: true, loginName: 'dev', release: '1.2.3' })
      expect(await recordsOf('agent.connect')).toMatchObject([{ outcome: 'success', address: '127.0.0.1' }])
      agent.socket.close()
      await eventually(show, (shown) => expect(shown).toMatchObject({ isConnected: false }))
      expect(await recordsOf('agent.disconnect')).toHaveLength(1)
    })

    test('401 or 403 without the credential of an agent, and for pages of browsers', async () => {
      const refused = async (headers: Record<string, string>) => new TestAgent(server.url, headers).opened
      expect(await refused({})).toBe(401)
      expect(await refused({ authorization: `Bearer ${owner.token}` })).toBe(401)
      expect(await refused({ authorization: `Bearer ${token}x` })).toBe(401)
      expect(await refused({ authorization: `Bearer ${token}`, origin: 'http://localhost:8080' })).toBe(403)
      expect(await show()).toMatchObject({ isConnected: false })
    })

    test('a request that would like to be something else elsewhere is answered as any other', async () => {
      const headers = { connection: 'upgrade', upgrade: 'websocket' }
      const { status } = await new Promise<{ status: number | undefined }>((resolve, reject) => {
        const { request } = process.getBuiltinModule('node:http')
        request(`${server.url}/healthz`, { headers }, (response) => {
          response.resume()
          resolve({ status: response.statusCode })
        })
          .on('error', reject)
          .end()
      })
      expect(status).toBe(200)
    })

    test('the newer one of two counts', async () => {
      const first = await connect(token)
      const second = await connect(token)
      expect(await first.closed).toBe(closeCodes.replaced)
      expect(await show()).toMatchObject({ isConnected: true })
      expect(second.socket.readyState).toBe(second.socket.OPEN)
    })

    test('of two that connect at once the one that the database has stays, whichever was answered first', async () => {
      const owner = await server.addPerson()
      const { core, clock } = server
      const origin = { traceId: 'test' }
      const agentOf = async (name: string) => {
        const { id } = await server.ok('POST', '/api/v1/workspaces', { token: owner.token, body: { name } })
        return (await core.agents.authenticate(await server.addAgent(owner, id), origin))!
      }
      const [caller, other] = [await agentOf('twice'), await agentOf('beside')]
      const slow = Promise.withResolvers<void>()
      let calls = 0
      // The first one is written down, and hears of it late.
      const perform: typeof core.access.perform = async (...args) => {
        const result = await core.access.perform(...args)
        if (calls++ === 0) await slow.promise
        return result
      }
      const connections = new AgentConnections(
        {
          ...{ storage: core.storage, audit: core.audit, clock, serverId: core.servers.id },
          ...{ messages: core.serverMessages, passes: core.visitorPasses },
          access: { perform } as typeof core.access, // `as`: nothing else of it is used.
          keyLines: async () => [],
          keyLinesOf: async () => new Map(),
        },
        () => {},
      )
      onTestFinished(() => connections.stop())
      const connect = (asking = caller) => {
        const closes: number[] = []
        const nothing = () => {}
        const close = (code: number) => void closes.push(code)
        const socket = { send: nothing, ping: nothing, close, terminate: nothing, on: nothing }
        const facts = { loginName: 'dev', release: '1.2.3' }
        return { closes, attached: connections.attach({ caller: asking, origin }, socket, facts) }
      }
      const first = connect()
      await eventually(
        () => calls,
        (count) => expect(count).toBe(1),
      )
      const second = connect()
      // Begun after the second one: would that not wait, it had come through by now.
      await connect(other).attached
      slow.resolve()
      await Promise.all([first.attached, second.attached])
      await connections.look()
      expect([first.closes, second.closes]).toEqual([[closeCodes.replaced], []])
    })

    test('ends within two seconds when the agent is cut off, the workspace deleted, or the owner disabled', async () => {
      const admin = await server.addPerson('admin')
      const path = `/api/v1/workspaces/${workspace.id}`
      const ends = [
        () => server.ok('DELETE', `${path}/agent`, { token: owner.token }),
        () =>
          server.ok('DELETE', `${path}?confirm=${encodeURIComponent(workspace.name)}`, {
            token: owner.token,
          }),
      ]
      for (const end of ends) {
        const agent = await connect(await server.addAgent(owner, workspace.id))
        await end()
        const endedAt = Date.now()
        expect(await agent.closed).toBe(closeCodes.revoked)
        expect(Date.now() - endedAt).toBeLessThan(2_000)
      }
      const body = { name: `Workspace ${++count}` }
      workspace = await server.ok('POST', '/api/v1/workspaces', { token: owner.token, body })
      const agent = await connect(await server.addAgent(owner, workspace.id))
      const isDisabled = { isDisabled: true }
      await server.ok('PATCH', `/api/v1/accounts/${owner.id}`, { token: admin.token, body: isDisabled })
      expect(await agent.closed).toBe(closeCodes.revoked)
    })

    test('cutting off ends the credential as well; a second time there is nothing to cut off', async () => {
      const path = `/api/v1/workspaces/${workspace.id}/agent`
      expect((await server.request('DELETE', path, { token: owner.token })).status).toBe(204)
      expect((await get(token)).status).toBe(401)
      expect(await show()).toBeNull()
      const again = await server.request('DELETE', path, { token: owner.token })
      expect([again.status, again.body.code]).toEqual([409, 'agent.not_enrolled'])
    })

    test('an agent hears that there is something to fetch: once for its workspace, and once for all of a person', async () => {
      const agent = await connect(token)
      const { core } = server
      await core.storage.transaction((tx) => core.agents.noteChange(tx, { workspaceId: workspace.id }))
      await eventually(
        () => agent.messages.length,
        (length) => expect(length).toBe(2),
      )
      await core.storage.transaction((tx) => core.agents.noteChange(tx, { ownerId: owner.id }))
      await eventually(
        () => agent.messages.length,
        (length) => expect(length).toBe(3),
      )
      const stranger = await server.addPerson()
      await core.storage.transaction((tx) => core.agents.noteChange(tx, { ownerId: stranger.id }))
      await server.server.agentConnections.look()
      expect(agent.messages).toHaveLength(3)
    })

    test('a server that vanished is not taken for a connection', async () => {
      await connect(token)
      const { core, clock } = server
      // As it is when nobody says any more that it is there.
      await core.storage.transaction((tx) =>
        tx
          .updateTable('workspace_agents')
          .set({ seen_at: clock.now().getTime() - 61_000 })
          .execute(),
      )
      expect(await show()).toMatchObject({ isConnected: false })
    })
  })
})

describe('two servers with one database', () => {
  test('an agent that comes to one ends its connection at the other, and is cut off and told at either (T16)', async () => {
    const { server: here, stop } = await startServer('postgres')
    const there = await startReplica(here)
    try {
      const owner = await here.addPerson()
      const body = { name: 'api' }
      const workspace = await here.ok('POST', '/api/v1/workspaces', { token: owner.token, body })
      const token = await here.addAgent(owner, workspace.id)
      const first = await TestAgent.connect(here.url, token)
      const second = await TestAgent.connect(there.url, token)
      expect(await first.closed).toBe(closeCodes.replaced)
      const { storage, agents } = here.core
      await storage.transaction((tx) => agents.noteChange(tx, { workspaceId: workspace.id }))
      await eventually(
        () => second.messages.length,
        (length) => expect(length).toBe(2),
      )
      await here.ok('DELETE', `/api/v1/workspaces/${workspace.id}/agent`, { token: owner.token })
      const cutAt = Date.now()
      expect(await second.closed).toBe(closeCodes.revoked)
      expect(Date.now() - cutAt).toBeLessThan(2_000)
    } finally {
      await there.server.close()
      await stop()
    }
  })
})
