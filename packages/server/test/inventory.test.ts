import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { databases, startServer, type TestPerson, type TestServer } from './kit.ts'

const DAY_MS = 86_400_000
const PATH = '/api/v1/credentials'

describe.each(databases)('the inventory on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let person: TestPerson

  beforeAll(async () => {
    ;({ server, stop } = await startServer(database))
  })
  afterAll(() => stop())
  beforeEach(async () => {
    server.clock.advance(61_000)
    person = await server.addPerson()
  })

  const later = (days: number) => new Date(server.clock.now().getTime() + days * DAY_MS).toISOString()
  const list = async (token = person.token) =>
    (await server.ok('GET', PATH, { token })).credentials as Record<string, unknown>[]
  const addToken = async (name: string, wish: object = {}): Promise<{ id: string; token: string }> => {
    const answer = await server.ok('POST', '/api/v1/access-tokens', {
      token: person.token,
      body: { name, ...wish },
    })
    return { id: answer.accessToken.id, token: answer.token }
  }

  test('SDS-4: one request lists tokens and access keys of one’s projects, each once', async () => {
    const token = await addToken('laptop', { scopes: ['projects:read', 'secrets:read'] })
    const project = await server.addProject(person, 'Shop')
    const key = await server.addKey(person, project.id, { permission: 'read_write' })
    const found = await list()
    expect(found.map(({ id }) => id).sort()).toEqual(
      [token.id, key.id, found.find(({ name }) => name === 'test')!.id].sort(),
    )
    expect(found.find(({ id }) => id === token.id)).toMatchObject({
      kind: 'access-token',
      name: 'laptop',
      accessLevel: 'projects:read, secrets:read',
      lastUsedAt: null,
      expiresAt: null,
      status: 'active',
    })
    expect(found.find(({ id }) => id === key.id)).toMatchObject({
      kind: 'access-key',
      usedIn: 'project Shop',
      accessLevel: 'Read & Write',
    })
  })

  test('SDS-1: nothing of another person is in it, also not of their projects', async () => {
    const other = await server.addPerson()
    const project = await server.addProject(other)
    const key = await server.addKey(other, project.id)
    expect((await list()).map(({ name }) => name)).toEqual(['test'])
    // Who may see a project's keys but not manage them has nothing to do about them.
    await server.addMember(other, project.id, person, 'read_only')
    expect((await list()).map(({ id }) => id)).not.toContain(key.id)
  })

  test('SDS-5: a use changes "last used"', async () => {
    const token = await addToken('laptop')
    await server.ok('GET', '/api/v1/projects', { token: token.token })
    const { lastUsedAt } = (await list()).find(({ id }) => id === token.id)!
    expect(Date.parse(String(lastUsedAt))).toBeGreaterThan(server.clock.now().getTime() - 60_000)
  })

  test('SDS-9: the level of an access key is shown, and lowering it counts on the next request', async () => {
    const project = await server.addProject(person)
    const key = await server.addKey(person, project.id, { permission: 'read_write' })
    const write = () =>
      server.request('POST', '/api/v1/projects/current/secrets', {
        key,
        body: {
          name: `A_${Math.random().toString(36).slice(2)}`,
          type: 'token',
          value: 'a long enough value',
        },
      })
    expect((await write()).status).toBe(201)
    await server.ok('PATCH', `/api/v1/projects/${project.id}/access-keys/${key.id}`, {
      token: person.token,
      body: { permission: 'read' },
    })
    expect((await write()).status).toBe(403)
    expect((await list()).find(({ id }) => id === key.id)!.accessLevel).toBe('Read')
  })

  test('SDS-10, SDS-11: soonest expiry first, what has expired is marked and refused, no clean-up having run', async () => {
    const expired = await addToken('expired', { expiresAt: later(0.5) })
    const tomorrow = await addToken('tomorrow', { expiresAt: later(2) })
    const nextYear = await addToken('next year', { expiresAt: later(366) })
    const never = await addToken('never')
    server.clock.advance(DAY_MS)
    const mine = (await list()).filter(({ name }) => name !== 'test')
    expect(mine.map(({ id }) => id)).toEqual([expired.id, tomorrow.id, nextYear.id, never.id])
    expect(mine.map(({ status }) => status)).toEqual(['expired', 'active', 'active', 'active'])
    expect(mine.map(({ isExpiringSoon }) => isExpiringSoon)).toEqual([false, true, false, false])
    expect(mine.at(-1)!.expiresAt).toBeNull()
    expect((await server.request('GET', PATH, { token: expired.token })).status).toBe(401)
  })

  test('SEC-29: due for rotation after the days of the settings, unused after 90', async () => {
    const admin = await server.addPerson('admin')
    const token = await addToken('old')
    const project = await server.addProject(person)
    const key = await server.addKey(person, project.id)
    const marks = async () => {
      const found = await list()
      return [token.id, key.id].map((id) => {
        const { isRotationDue, isUnused } = found.find((one) => one.id === id)!
        return { isRotationDue, isUnused }
      })
    }
    expect(await marks()).toEqual(Array(2).fill({ isRotationDue: false, isUnused: false }))
    server.clock.advance(91 * DAY_MS)
    expect(await marks()).toEqual(Array(2).fill({ isRotationDue: true, isUnused: true }))

    await server.ok('PATCH', '/api/v1/settings', {
      token: admin.token,
      body: { rotationDays: { token: 92, apiKey: null } },
    })
    expect((await marks()).map(({ isRotationDue }) => isRotationDue)).toEqual([false, false])
    const found = (await list()).find(({ id }) => id === key.id)!
    expect(found.rotationDueAt).toBeNull()
    // Regenerating is a rotation: the date counts from there.
    await server.ok('PATCH', '/api/v1/settings', {
      token: admin.token,
      body: { rotationDays: { token: 90, apiKey: 90, password: 180 } },
    })
    await server.ok('POST', `/api/v1/projects/${project.id}/access-keys/${key.id}/regenerate`, {
      token: person.token,
    })
    expect((await marks()).map(({ isRotationDue }) => isRotationDue)).toEqual([true, false])
  })

  describe('settings', () => {
    test('are seen by everybody, changed by administrators, and the change is recorded without a value', async () => {
      const admin = await server.addPerson('admin')
      const body = { reminderDays: 30 }
      expect((await server.request('PATCH', '/api/v1/settings', { token: person.token, body })).status).toBe(
        403,
      )
      const changed = await server.ok('PATCH', '/api/v1/settings', { token: admin.token, body })
      expect(changed).toEqual({
        rotationDays: { token: 90, apiKey: 90, password: 180 },
        reminderDays: 30,
        maximumLife: { accessTokenDays: null, accessKeyDays: null, sessionHours: null },
        requireSecondFactor: false,
        auditRetentionDays: null,
      })
      expect(await server.ok('GET', '/api/v1/settings', { token: person.token })).toEqual(changed)
      const [record, refusal] = (await server.records()).filter(({ action }) => action === 'settings.update')
      expect(record).toMatchObject({ outcome: 'success', changed: ['reminderDays'] })
      expect(refusal).toMatchObject({ outcome: 'refused', actor: { id: person.id } })
      await server.ok('PATCH', '/api/v1/settings', { token: admin.token, body: { reminderDays: 14 } })
    })

    test.each([
      [{}, 'body'],
      [{ rotationDays: { token: 0 } }, 'rotationDays.token'],
      [{ rotationDays: { tokens: 3 } }, 'rotationDays.tokens'],
      [{ reminderDays: 1.5 }, 'reminderDays'],
      [{ maximumLife: { accessTokenDays: 0 } }, 'maximumLife.accessTokenDays'],
      [{ maximumLife: { accessKeyDays: 3_651 } }, 'maximumLife.accessKeyDays'],
      [{ maximumLife: { sessionHours: 13 } }, 'maximumLife.sessionHours'],
      [{ maximumLife: { other: 1 } }, 'maximumLife.other'],
      [{ auditRetentionDays: 364 }, 'auditRetentionDays'],
      [{ auditRetentionDays: 36_501 }, 'auditRetentionDays'],
      [{ other: 1 }, 'body'],
    ])('400 for %j, naming the field', async (body, field) => {
      const admin = await server.addPerson('admin')
      const answer = await server.request('PATCH', '/api/v1/settings', { token: admin.token, body })
      expect(answer.status).toBe(400)
      expect(answer.body.errors[0].field).toContain(field.split('.')[0])
    })

    test('what is made from now on lives no longer than the maximum; the refusal names it and the field, and what was there stays (issue 6)', async () => {
      const admin = await server.addPerson('admin')
      const { token } = admin
      const change = (maximumLife: object) =>
        server.ok('PATCH', '/api/v1/settings', { token, body: { maximumLife } })
      const project = await server.addProject(admin)
      const makers = {
        accessTokenDays: (expiresAt?: string | null) =>
          server.request('POST', '/api/v1/access-tokens', { token, body: { name: 'one', expiresAt } }),
        accessKeyDays: (expiresAt?: string | null) =>
          server.request('POST', `/api/v1/projects/${project.id}/access-keys`, {
            token,
            body: { permission: 'read', expiresAt },
          }),
      }
      const inDays = (days: number) =>
        new Date(server.clock.now().getTime() + days * 86_400_000).toISOString()
      const before = await makers.accessTokenDays(null)
      expect(before.status).toBe(201)
      expect((await change({ accessTokenDays: 30, accessKeyDays: 30 })).maximumLife).toEqual({
        accessTokenDays: 30,
        accessKeyDays: 30,
        sessionHours: null,
      })
      const [record] = await server.records()
      expect(record).toMatchObject({ changed: ['maximumLife.accessTokenDays', 'maximumLife.accessKeyDays'] })
      for (const make of Object.values(makers)) {
        for (const expiresAt of [undefined, null, inDays(31)]) {
          const { status, body } = await make(expiresAt)
          expect([status, body.code, body.errors]).toEqual([
            400,
            'request.invalid',
            [{ field: 'expiresAt', message: expect.stringContaining('within 30 days') }],
          ])
        }
        expect((await make(inDays(30))).status).toBe(201)
      }
      const stays = await server.request('GET', '/api/v1/session', { token: before.body.token })
      expect(stays.status).toBe(200)
      // keyhold login asks for no time of its own, and gets what there is.
      const begin = (body: object) => server.request('POST', '/api/v1/device-logins', { body })
      expect((await begin({ name: 'laptop' })).status).toBe(201)
      expect((await begin({ name: 'laptop', expiresAt: inDays(31) })).body.errors).toEqual([
        { field: 'expiresAt', message: expect.stringContaining('within 30 days') },
      ])
      await change({ accessTokenDays: null, accessKeyDays: null })
      expect((await makers.accessTokenDays(null)).status).toBe(201)
    })

    test('a browser session without a passkey ends after the hours that administrators set', async () => {
      const admin = await server.addPerson('admin')
      const change = (sessionHours: number | null) =>
        server.ok('PATCH', '/api/v1/settings', {
          token: admin.token,
          body: { maximumLife: { sessionHours } },
        })
      await change(1)
      const headers = { cookie: await server.signIn(person) }
      const status = async () => (await server.request('GET', '/api/v1/session', { headers })).status
      await change(null)
      for (const expected of [200, 200, 401]) {
        server.clock.advance(expected === 401 ? 13 * 60_000 : 24 * 60_000)
        expect(await status()).toBe(expected)
      }
    })

    test('of two changes at once none is lost', async () => {
      const admin = await server.addPerson('admin')
      const change = (body: object) => server.ok('PATCH', '/api/v1/settings', { token: admin.token, body })
      await Promise.all([
        change({ reminderDays: 7 }),
        change({ rotationDays: { token: 30 } }),
        change({ rotationDays: { password: 365 } }),
      ])
      expect(await server.ok('GET', '/api/v1/settings', { token: admin.token })).toEqual({
        rotationDays: { token: 30, apiKey: 90, password: 365 },
        reminderDays: 7,
        maximumLife: { accessTokenDays: null, accessKeyDays: null, sessionHours: null },
        requireSecondFactor: false,
        auditRetentionDays: null,
      })
      await change({ reminderDays: 14, rotationDays: { token: 90, password: 180 } })
    })
  })
})
