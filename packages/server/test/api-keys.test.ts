import { apiKeyPresets } from '@keyhold/contract/api-key-presets'
import { limits } from '@keyhold/contract/limits'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Asker, Person } from '../src/access/caller.ts'
import { databases, startServer, type TestPerson, type TestServer } from './kit.ts'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
const PATH = '/api/v1/api-keys'
const HERE = 'ws-here0001'

describe.each(databases)('API keys for outside services on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let person: TestPerson

  beforeAll(async () => {
    ;({ server, stop } = await startServer(database))
  })
  afterAll(() => stop())
  beforeEach(async () => {
    server.clock.advance(MINUTE_MS + 1)
    person = await server.addPerson()
  })

  let made = 0
  const post = (body: object = {}, token = person.token) => {
    made += 1
    const defaults = {
      name: `key ${made}`,
      value: `sk-canary-${made}`,
      baseUrl: 'https://api.example.com/v1',
      placement: { kind: 'bearer' },
    }
    return server.request('POST', PATH, { token, body: { ...defaults, ...body } })
  }
  const create = async (body: object = {}) => {
    const answer = await post(body)
    expect(answer.status, answer.text).toBe(201)
    return answer.body
  }
  const update = (key: { id: string }, body: object, as: object = { token: person.token }) =>
    server.request('PATCH', `${PATH}/${key.id}`, { ...as, body })
  const remove = (key: { id: string }, token = person.token) =>
    server.request('DELETE', `${PATH}/${key.id}`, { token })
  const list = async (token = person.token) => (await server.ok('GET', PATH, { token })).apiKeys
  const find = async ({ id }: { id: string }) => server.ok('GET', `${PATH}/${id}`, { token: person.token })
  const later = (ms: number) => new Date(server.clock.now().getTime() + ms).toISOString()
  const askerOf = ({ id, name }: TestPerson): Asker<Person> => ({
    caller: {
      kind: 'person',
      accountId: id,
      name,
      role: 'member',
      mustChangePassword: false,
      hasSecondFactor: false,
      credential: { kind: 'access-token', id: 'tok_1', scopes: null, expiresAt: null, lastUsedAt: null },
    },
    origin: { traceId: 'agent' },
  })
  const use = async (
    key: { id: string },
    url = 'https://api.example.com/v1/x',
    method = 'GET',
    as = person,
  ) => {
    const request = await server.core.apiKeys.use(askerOf(as), key.id, { method, url }, HERE)
    const revealed = (parts: typeof request.headers) => parts.map(({ name, value }) => [name, value.reveal()])
    return { url: request.url, headers: revealed(request.headers), query: revealed(request.query) }
  }
  const refusal = (key: { id: string }, url?: string, method?: string, as?: TestPerson) =>
    use(key, url, method, as).then(
      () => 'carried',
      (error: { code: string }) => error.code,
    )

  describe('what is kept', () => {
    test('SDS-31: a key with its name and target is answered without its value, in list and detail alike', async () => {
      const expiresAt = later(DAY_MS)
      const key = await create({
        name: 'Payments',
        value: 'sk_live_canary',
        service: 'our own',
        description: 'for the shop',
        baseUrl: 'https://API.Example.com/v1/',
        allowedHosts: ['API.example.com', 'files.example.com:8443'],
        placement: { kind: 'header', name: 'X-Api-Key' },
        allowedMethods: ['GET', 'POST'],
        allowedPaths: ['/v1/charges'],
        expiresAt,
      })
      expect(key).toEqual({
        id: expect.stringMatching(/^apk_[0-9a-z]{20}$/),
        name: 'Payments',
        service: 'our own',
        description: 'for the shop',
        baseUrl: 'https://api.example.com/v1',
        allowedHosts: ['api.example.com', 'files.example.com:8443'],
        placement: { kind: 'header', name: 'x-api-key' },
        allowedMethods: ['GET', 'POST'],
        allowedPaths: ['/v1/charges'],
        version: 1,
        createdAt: expect.any(String),
        updatedAt: key.createdAt,
        rotatedAt: key.createdAt,
        expiresAt,
        lastUsedAt: null,
        status: 'active',
      })
      expect(await list()).toEqual([key])
      expect(await find(key)).toEqual(key)
      expect((await server.records(1))[0]).toMatchObject({
        action: 'api-key.create',
        outcome: 'success',
        actor: { id: person.id },
        target: { kind: 'api-key', id: key.id, name: 'Payments', version: 1 },
      })
      expect((await server.dump()) + server.log.join()).not.toContain('sk_live_canary')
    })

    test('no route shows a value', async () => {
      const key = await create()
      for (const [method, path] of [
        ['POST', `${PATH}/${key.id}/reveal`],
        ['GET', `${PATH}/${key.id}/value`],
        ['POST', `${PATH}/${key.id}/use`],
        ['GET', `${PATH}/${key.id}/versions`],
      ] as const) {
        const answer = await server.request(method, path, {
          token: person.token,
          ...(method === 'POST' && { body: {} }),
        })
        expect(answer.status, path).toBe(404)
      }
    })

    test('a preset fills in what is left out, and what is given wins', async () => {
      const { presets } = await server.ok('GET', '/api/v1/api-key-presets', { token: person.token })
      expect(presets).toEqual(apiKeyPresets)
      const body = (more: object) => ({ value: 'sk-1', name: `of ${JSON.stringify(more)}`, ...more })
      const asPreset = async (more: object) =>
        server.ok('POST', PATH, { token: person.token, body: body(more) })
      for (const preset of apiKeyPresets.filter(({ placement }) => placement !== null)) {
        const { baseUrl, allowedHosts, placement } = preset
        expect(await asPreset({ service: preset.id })).toMatchObject({ baseUrl, allowedHosts, placement })
      }
      expect(await asPreset({ service: 'mailgun', baseUrl: 'https://api.eu.mailgun.net' })).toMatchObject({
        allowedHosts: ['api.eu.mailgun.net'],
        placement: { kind: 'basic', username: 'api' },
      })
      const twilio = body({ service: 'twilio' })
      const refused = await server.request('POST', PATH, { token: person.token, body: twilio })
      expect([refused.status, refused.body.errors?.[0]?.field]).toEqual([400, 'placement'])
      const basic = { kind: 'basic', username: 'AC0123' }
      expect((await asPreset({ service: 'twilio', placement: basic })).placement).toEqual(basic)
    })

    test('wrong targets, placements and values are 400 that names the field and quotes nothing', async () => {
      for (const [body, field] of [
        [{ name: ' ' }, 'name'],
        [{ value: '' }, 'value'],
        [{ value: 'marker\n' }, 'value'],
        [{ value: 'marker\r\nX-Evil: 1' }, 'value'],
        [{ value: ' marker' }, 'value'],
        [{ value: 'märker' }, 'value'],
        [{ value: 'marker\u0000' }, 'value'],
        [{ value: 'm'.repeat(limits.apiKeyValueBytes + 1) }, 'value'],
        [{ baseUrl: undefined }, 'baseUrl'],
        [{ baseUrl: 'http://marker.com' }, 'baseUrl'],
        [{ baseUrl: 'https://marker@x.com' }, 'baseUrl'],
        [{ allowedHosts: [] }, 'allowedHosts'],
        [{ allowedHosts: ['*.example.com'] }, 'allowedHosts[0]'],
        [{ allowedHosts: ['other.example.com'] }, 'allowedHosts'],
        [{ placement: undefined }, 'placement'],
        [{ placement: { kind: 'header', name: 'Host' } }, 'placement.name'],
        [{ placement: { kind: 'header', name: 'a b' } }, 'placement.name'],
        [{ placement: { kind: 'query', name: 'a&b' } }, 'placement.name'],
        [{ placement: { kind: 'basic', username: 'a:b' } }, 'placement.username'],
        [{ placement: { kind: 'cookie' } }, 'placement'],
        [{ allowedMethods: ['TRACE'] }, 'allowedMethods[0]'],
        [{ allowedMethods: [] }, 'allowedMethods'],
        [{ allowedPaths: ['/ok', '/marker/../x'] }, 'allowedPaths[1]'],
        [{ expiresAt: later(-1_000) }, 'expiresAt'],
        [{ more: 1 }, 'body'],
      ] as const) {
        const answer = await post(body)
        const fields = answer.body.errors?.map((error: { field: string }) => error.field)
        expect([answer.status, fields], JSON.stringify(body)).toEqual([400, expect.arrayContaining([field])])
        expect(answer.text).not.toMatch(/m[aä]rker/)
      }
      expect(await list()).toEqual([])
    })

    test('a name is one key’s, whatever its case, also when it is wanted many times at once', async () => {
      const answers = await Promise.all(['Same', 'SAME', 'same', ' same'].map((name) => post({ name })))
      expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409])
      expect(answers.find(({ status }) => status === 409)!.body.code).toBe('api_key.name_taken')
      const other = await create()
      expect((await update(other, { name: 'sAmE' })).body.code).toBe('api_key.name_taken')
      expect((await post({ name: 'same' }, (await server.addPerson()).token)).status).toBe(201)
    })

    test('a person has at most 100 keys, also when two want the last place at once', async () => {
      for (let i = 0; i < limits.apiKeysPerPerson - 1; i++) await create()
      const answers = await Promise.all([post(), post()])
      expect(answers.map(({ status }) => status).sort()).toEqual([201, 409])
      expect((await post()).body.code).toBe('api_key.limit')
      const [first] = await list()
      expect((await remove(first)).status).toBe(204)
      expect((await post()).status).toBe(201)
    })
  })

  describe('changes', () => {
    test('a new value is a new version at once, also an equal one: nothing tells that a guess was right', async () => {
      const key = await create({ value: 'sk-old' })
      server.clock.advance(DAY_MS)
      for (const [value, version] of [
        ['sk-new', 2],
        ['sk-new', 3],
      ] as const) {
        const changed = (await update(key, { value })).body
        expect(changed.version).toBe(version)
        expect(changed.rotatedAt).toBe(changed.updatedAt)
        expect((await server.records(1))[0]).toMatchObject({
          action: 'api-key.update',
          changed: ['value'],
          target: { id: key.id, version },
        })
      }
      expect((await use(key)).headers).toEqual([['authorization', 'Bearer sk-new']])
    })

    test('SDS-33: a key goes to another host only when it is given anew: who may change it cannot send it to themselves', async () => {
      const key = await create({ value: 'sk-1', allowedHosts: ['api.example.com', 'eu.example.com'] })
      const evil = { baseUrl: 'https://evil.example.com', allowedHosts: ['evil.example.com'] }
      for (const wish of [evil, { allowedHosts: ['api.example.com', 'evil.example.com'] }]) {
        const refused = await update(key, wish)
        expect([refused.status, refused.body.errors?.[0]?.field]).toEqual([400, 'value'])
      }
      expect(await refusal(key, 'https://evil.example.com/v1')).toBe('api_key.request_refused')
      expect((await update(key, { allowedHosts: ['api.example.com'] })).status).toBe(200)
      expect((await update(key, { allowedHosts: ['eu.example.com', 'api.example.com'] })).status).toBe(400)
      expect((await update(key, { ...evil, value: 'sk-2' })).body).toMatchObject({ ...evil, version: 2 })
      expect((await use(key, 'https://evil.example.com/v1')).headers).toEqual([
        ['authorization', 'Bearer sk-2'],
      ])
    })

    test('name and target change without a new value, and the key goes there', async () => {
      const key = await create({ value: 'sk-1', allowedHosts: ['api.example.com', 'other.example.com'] })
      const wish = {
        name: 'renamed',
        service: 'other',
        description: 'changed',
        baseUrl: 'https://other.example.com',
        allowedHosts: ['other.example.com'],
        placement: { kind: 'query', name: 'key' },
        allowedMethods: ['GET'],
        allowedPaths: ['/v2'],
        expiresAt: later(DAY_MS),
      }
      const changed = (await update(key, wish)).body
      expect(changed).toMatchObject({ ...wish, version: 1, rotatedAt: key.rotatedAt })
      const [record] = await server.records(1)
      expect([...record!.changed!].sort()).toEqual(Object.keys(wish).sort())
      expect(await refusal(key)).toBe('api_key.request_refused')
      expect((await use(key, 'https://other.example.com/v2')).query).toEqual([['key', 'sk-1']])
      const open = { allowedMethods: null, allowedPaths: null, expiresAt: null }
      expect((await update(key, open)).body).toMatchObject(open)
      expect((await use(key, 'https://other.example.com/v9', 'POST')).query).toEqual([['key', 'sk-1']])
    })

    test('a new address needs its host among the hosts; nothing at all is 400; the same is no record', async () => {
      const key = await create()
      const moved = await update(key, { baseUrl: 'https://other.example.com' })
      expect([moved.status, moved.body.errors?.[0]?.field]).toEqual([400, 'allowedHosts'])
      const nothing = await update(key, {})
      expect([nothing.status, nothing.body.detail]).toEqual([400, 'At least one field must be provided.'])
      const [newest] = await server.records(1)
      expect((await update(key, { name: key.name, baseUrl: key.baseUrl })).body).toEqual(key)
      expect((await server.records(1))[0]!.index).toBe(newest!.index)
    })

    test('a browser session needs a fresh password to change a key, not to list or create one', async () => {
      const key = await create()
      const headers = { cookie: await server.signIn(person) }
      expect((await update(key, { description: 'fresh' }, { headers })).status).toBe(200)
      server.clock.advance(11 * MINUTE_MS)
      for (const body of [{ allowedHosts: ['evil.example.com'] }, { value: 'x' }])
        expect((await update(key, body, { headers })).body.code).toBe('session.reauthentication_required')
      expect((await server.records(1))[0]).toMatchObject({
        action: 'api-key.update',
        outcome: 'refused',
        target: { id: key.id },
      })
      expect((await server.request('GET', PATH, { headers })).status).toBe(200)
    })

    test('SDS-8, SDS-32: deleted it is gone, a second time 404, and no request carries it', async () => {
      const key = await create({ name: 'gone' })
      expect((await remove(key)).status).toBe(204)
      expect((await server.records(1))[0]).toMatchObject({
        action: 'api-key.delete',
        target: { kind: 'api-key', id: key.id, name: 'gone' },
      })
      for (const answer of [await remove(key), await update(key, { value: 'x' })])
        expect([answer.status, answer.body.code]).toEqual([404, 'api_key.not_found'])
      expect(await refusal(key)).toBe('api_key.not_found')
      expect(await list()).toEqual([])
    })
  })

  describe('use', () => {
    test('SDS-32: each placement puts the key where the service looks for it', async () => {
      const url = 'https://api.example.com/v1/x?a=1&key=mine'
      for (const [placement, headers, query, sent] of [
        [{ kind: 'bearer' }, [['authorization', 'Bearer sk-1']], [], url],
        [{ kind: 'header', name: 'X-Key' }, [['x-key', 'sk-1']], [], url],
        [
          { kind: 'basic', username: 'api' },
          [['authorization', `Basic ${Buffer.from('api:sk-1').toString('base64')}`]],
          [],
          url,
        ],
        [{ kind: 'query', name: 'key' }, [], [['key', 'sk-1']], 'https://api.example.com/v1/x?a=1'],
      ] as const) {
        const key = await create({ value: 'sk-1', placement })
        expect(await use(key, url)).toEqual({ url: sent, headers, query })
      }
    })

    test('SDS-33: each use is recorded with host, workspace and time, never path or query; last use to the minute', async () => {
      const key = await create({ name: 'recorded' })
      await use(key, 'https://api.example.com/canary-path?canary=query')
      const [record] = await server.records(1)
      expect(record).toMatchObject({
        action: 'api-key.use',
        outcome: 'success',
        actor: { id: person.id },
        workspace: HERE,
        host: 'api.example.com',
        target: { kind: 'api-key', id: key.id, name: 'recorded', version: 1 },
      })
      expect(JSON.stringify(record)).not.toContain('canary')
      const { lastUsedAt } = await find(key)
      expect(Math.abs(Date.parse(lastUsedAt) - server.clock.now().getTime())).toBeLessThan(MINUTE_MS)
    })

    test('SDS-33: to another host it is refused with the reason and recorded without what was asked for', async () => {
      const key = await create()
      for (const [url, method] of [
        ['https://canary.example.com/', 'GET'],
        ['https://api.example.com@canary.com/', 'GET'],
        ['http://api.example.com/canary', 'GET'],
        ['https://api.example.com/v1/../canary', 'GET'],
        ['https://api.example.com/canary', 'TRACE'],
      ] as const) {
        const error = await use(key, url, method).catch((reason: unknown) => reason)
        expect(error).toMatchObject({
          code: 'api_key.request_refused',
          shown: { detail: expect.any(String) },
        })
        expect(String(error)).not.toContain('canary')
        const [record] = await server.records(1)
        expect(record).toMatchObject({
          action: 'api-key.use',
          outcome: 'refused',
          reason: 'api_key.request_refused',
          workspace: HERE,
          target: { id: key.id },
        })
        expect(JSON.stringify(record)).not.toContain('canary')
      }
      expect((await find(key)).lastUsedAt).toBeNull()
    })

    test('an expired key is refused at the moment of use, with no clean-up, until its expiry is changed', async () => {
      const key = await create({ expiresAt: later(MINUTE_MS) })
      expect(await refusal(key)).toBe('carried')
      server.clock.advance(MINUTE_MS)
      expect(await refusal(key)).toBe('api_key.expired')
      expect((await server.records(1))[0]).toMatchObject({ outcome: 'refused', reason: 'api_key.expired' })
      expect((await find(key)).status).toBe('expired')
      await update(key, { expiresAt: null })
      expect(await refusal(key)).toBe('carried')
    })

    test('SDS-12: once the account is disabled no request carries it', async () => {
      const key = await create()
      const admin = await server.addPerson('admin')
      const body = { isDisabled: true }
      await server.ok('PATCH', `/api/v1/accounts/${person.id}`, { token: admin.token, body })
      expect(await refusal(key)).toBe('auth.required')
    })

    test('nobody else uses it: another person’s is like none', async () => {
      const key = await create()
      expect(await refusal(key, undefined, undefined, await server.addPerson())).toBe('api_key.not_found')
    })

    test('hosts, placement or limits that were changed past the rules make the key unreadable', async () => {
      const { db } = server.core.storage
      for (const change of [
        { allowed_hosts: '["evil.example.com","api.example.com"]' },
        { placement: '{"kind":"query","name":"q"}' },
        { base_url: 'https://evil.example.com' },
        { allowed_methods: '["GET","POST"]' },
        { allowed_paths: '["/"]' },
        { name: 'other' },
        { version: 2 },
      ]) {
        const key = await create()
        await db.updateTable('api_keys').set(change).where('id', '=', key.id).execute()
        expect([change, await refusal(key)]).toEqual([change, 'secret.unreadable'])
      }
      const [a, b] = [await create(), await create()]
      const { sealed } = await db
        .selectFrom('api_keys')
        .select('sealed')
        .where('id', '=', a.id)
        .executeTakeFirstOrThrow()
      await db.updateTable('api_keys').set({ sealed }).where('id', '=', b.id).execute()
      expect(await refusal(b)).toBe('secret.unreadable')
    })

    test('while it is replaced, each request carries the old or the new key, whole', async () => {
      const key = await create({ value: 'sk-old' })
      const uses = Array.from({ length: 10 }, () => use(key))
      const [changed] = await Promise.all([update(key, { value: 'sk-new' }), ...uses])
      expect(changed.status).toBe(200)
      for (const { headers } of await Promise.all(uses))
        expect(['Bearer sk-old', 'Bearer sk-new']).toContain(headers[0]![1])
      expect((await use(key)).headers[0]![1]).toBe('Bearer sk-new')
    })
  })

  test('SDS-1: another person’s is 404 with the body of a missing one, in no list, and unchanged', async () => {
    const key = await create()
    const stranger = await server.addPerson('admin')
    const missing = { id: 'apk_00000000000000000000' }
    const withoutTrace = ({ status, body }: { status: number; body: object }) => ({
      status,
      ...body,
      traceId: '',
    })
    for (const act of [
      (of: { id: string }) => server.request('GET', `${PATH}/${of.id}`, { token: stranger.token }),
      (of: { id: string }) => update(of, { value: 'stolen' }, { token: stranger.token }),
      (of: { id: string }) => remove(of, stranger.token),
    ]) {
      const [foreign, none] = [await act(key), await act(missing)]
      expect(foreign.status).toBe(404)
      expect(withoutTrace(foreign)).toEqual(withoutTrace(none))
    }
    expect(await list(stranger.token)).toEqual([])
    expect(await find(key)).toEqual(key)
  })

  test('the inventory gets hosts, reach, rotation and times', async () => {
    const expiresAt = later(DAY_MS)
    await create({
      name: 'a',
      description: 'for a',
      allowedHosts: ['api.example.com', 'b.example.com'],
      expiresAt,
    })
    await create({ name: 'b', allowedMethods: ['GET', 'HEAD'], allowedPaths: ['/v1', '/v2'] })
    const items = await server.core.apiKeys.items(person.id)
    expect(items).toMatchObject([
      {
        kind: 'api-key',
        purpose: 'for a',
        usedIn: 'api.example.com, b.example.com',
        accessLevel: 'all requests',
        rotation: 'api-key',
        expiresAt: new Date(expiresAt),
        lastUsedAt: null,
        status: 'active',
      },
      { accessLevel: 'GET HEAD below /v1, /v2', expiresAt: null },
    ])
  })
})
