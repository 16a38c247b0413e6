import { limits } from '@keyhold/contract/limits'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { databases, startServer, type TestKey, type TestPerson, type TestServer } from './kit.ts'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

interface AccessKeyAnswer {
  readonly id: string
  readonly status: string
  readonly [field: string]: unknown
}

describe.each(databases)('access keys on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let owner: TestPerson
  let project: { id: string; name: string }

  beforeAll(async () => {
    ;({ server, stop } = await startServer(database))
    owner = await server.addPerson()
  })
  afterAll(() => stop())
  beforeEach(async () => {
    // Wrong credentials are counted per minute; each test begins a new one.
    server.clock.advance(MINUTE_MS + 1)
    project = await server.addProject(owner)
  })

  const path = (id = '', act = '') =>
    `/api/v1/projects/${project.id}/access-keys${id && `/${id}`}${act && `/${act}`}`
  const create = (wish: object = {}, person = owner) =>
    server.request('POST', path(), { token: person.token, body: { permission: 'read', ...wish } })
  const act = (key: { id: string }, verb: string, person = owner) =>
    server.request('POST', path(key.id, verb), { token: person.token })
  const edit = (key: { id: string }, body: unknown, person = owner) =>
    server.request('PATCH', path(key.id), { token: person.token, body })
  const remove = (key: { id: string }, confirm?: string, person = owner) =>
    server.request('DELETE', path(key.id) + (confirm === undefined ? '' : `?confirm=${confirm}`), {
      token: person.token,
    })
  const list = async (): Promise<AccessKeyAnswer[]> =>
    (await server.ok('GET', path(), { token: owner.token })).accessKeys
  const statuses = async () => (await list()).map((key) => key.status)
  /** Status of the key's simplest call. */
  const use = async (key: TestKey, headers: Record<string, string> = {}) =>
    (await server.request('GET', '/api/v1/projects/current', { key, headers })).status
  /** Statuses of every kind of call a key makes: reads and writes, of secrets and of environments. */
  const useEverywhere = async (key: TestKey, headers: Record<string, string> = {}) => {
    const base = '/api/v1/projects/current'
    const calls = [
      server.request('GET', base, { key, headers }),
      server.request('GET', `${base}/environments`, { key, headers }),
      server.request('GET', `${base}/secrets`, { key, headers }),
      server.request('GET', `${base}/secrets/GITHUB_TOKEN`, { key, headers }),
      server.request('POST', `${base}/secrets`, {
        key,
        headers,
        body: {
          name: `N${Date.now()}_${Math.random().toString(36).slice(2)}`,
          type: 'token',
          value: 'new value',
        },
      }),
      server.request('PATCH', `${base}/secrets/GITHUB_TOKEN`, {
        key,
        headers,
        body: { description: `seen ${Math.random()}` },
      }),
    ]
    return (await Promise.all(calls)).map((answer) => answer.status)
  }

  describe('what a key may do', () => {
    test('KEY-1: a Read & Write key lists, reads, creates and updates secrets of its project', async () => {
      await server.addSecret(owner, project.id, { name: 'GITHUB_TOKEN', value: 'first' })
      const key = await server.addKey(owner, project.id, { permission: 'read_write' })
      const base = '/api/v1/projects/current/secrets'

      const { secrets } = await server.ok('GET', base, { key })
      expect(secrets).toMatchObject([{ name: 'GITHUB_TOKEN', value: 'first', encoding: 'utf8' }])
      expect((await server.ok('GET', `${base}/GITHUB_TOKEN`, { key })).value).toBe('first')

      const created = await server.request('POST', base, {
        key,
        body: { name: 'MADE_BY_KEY', type: 'password', value: 'second' },
      })
      expect(created.status).toBe(201)
      expect(created.body).toMatchObject({ name: 'MADE_BY_KEY', version: 1, updatedBy: key.id })
      expect((await server.ok('GET', `${base}/MADE_BY_KEY`, { key })).value).toBe('second')

      const updated = await server.request('PATCH', `${base}/GITHUB_TOKEN`, { key, body: { value: 'third' } })
      expect(updated.status).toBe(200)
      expect(updated.body).toMatchObject({ name: 'GITHUB_TOKEN', version: 2, updatedBy: key.id })
      expect((await server.ok('GET', `${base}/GITHUB_TOKEN`, { key })).value).toBe('third')
      expect(await server.ok('GET', '/api/v1/projects/current', { key })).toEqual({
        project: { id: project.id, name: project.name },
        accessKeyId: key.id,
        permission: 'read_write',
      })
    })

    test('KEY-4: a Read key gets all secrets of its project, writes are 403, other projects 404', async () => {
      const other = await server.addProject(owner)
      await server.addEnvironment(owner, project.id, 'staging')
      await server.addSecret(owner, project.id, { name: 'A', value: 'in All' })
      await server.addSecret(owner, project.id, { name: 'B', value: 'in staging', environment: 'staging' })
      await server.addSecret(owner, other.id, { name: 'OF_OTHER', value: 'of another project' })
      const key = await server.addKey(owner, project.id, { permission: 'read' })
      const base = '/api/v1/projects/current/secrets'

      const { secrets } = await server.ok('GET', `${base}?environment=staging`, { key })
      expect(secrets.map((secret: { name: string; value: string }) => [secret.name, secret.value])).toEqual([
        ['A', 'in All'],
        ['B', 'in staging'],
      ])
      expect((await server.ok('GET', `${base}/B?environment=staging`, { key })).value).toBe('in staging')

      const body = { name: 'C', type: 'token', value: 'value' }
      expect((await server.request('POST', base, { key, body })).body.code).toBe('access.refused')
      const update = await server.request('PATCH', `${base}/A`, { key, body: { value: 'changed' } })
      expect([update.status, update.body.code]).toEqual([403, 'access.refused'])
      expect((await server.ok('GET', `${base}/A`, { key })).value).toBe('in All')

      const ofOther = await server.request('GET', `${base}/OF_OTHER`, { key })
      expect(ofOther.status).toBe(404)
      expect(ofOther.body.nearMatches).toEqual([])
      for (const id of [other.id, 'prj_doesnotexist']) {
        const answer = await server.request('GET', `/api/v1/projects/${id}/secrets`, { key })
        expect([answer.status, answer.body.code]).toEqual([404, 'project.not_found'])
      }
    })

    test('KEY-5: no key deletes a secret, 403 with either permission', async () => {
      await server.addSecret(owner, project.id, { name: 'GITHUB_TOKEN', value: 'kept' })
      for (const permission of ['read', 'read_write']) {
        const key = await server.addKey(owner, project.id, { permission })
        const answer = await server.request('DELETE', '/api/v1/projects/current/secrets/GITHUB_TOKEN', {
          key,
        })
        expect([answer.status, answer.body.code]).toEqual([403, 'access.refused'])
        expect((await server.ok('GET', '/api/v1/projects/current/secrets/GITHUB_TOKEN', { key })).value).toBe(
          'kept',
        )
        const [newest, refused] = await server.records(2)
        expect([newest?.action, refused?.action, refused?.outcome]).toEqual([
          'secret.read',
          'secret.delete',
          'refused',
        ])
      }
    })

    test('KEY-17: Read & Write made Read, the next write is 403; and the other way round', async () => {
      const key = await server.addKey(owner, project.id, { permission: 'read_write' })
      const write = async (name: string) =>
        (
          await server.request('POST', '/api/v1/projects/current/secrets', {
            key,
            body: { name, type: 'token', value: 'value' },
          })
        ).status
      expect(await write('ONE')).toBe(201)
      expect((await edit(key, { permission: 'read' })).status).toBe(200)
      expect(await write('TWO')).toBe(403)
      expect((await edit(key, { permission: 'read_write' })).status).toBe(200)
      expect(await write('TWO')).toBe(201)
    })

    test('KEY-27: the environment’s own secret, else the one of All; names are unique per environment', async () => {
      await server.addEnvironment(owner, project.id, 'staging')
      await server.addEnvironment(owner, project.id, 'production')
      await server.addSecret(owner, project.id, { name: 'BOTH', value: 'of All' })
      await server.addSecret(owner, project.id, { name: 'BOTH', value: 'of staging', environment: 'staging' })
      await server.addSecret(owner, project.id, { name: 'ONLY_ALL', value: 'only All' })
      const key = await server.addKey(owner, project.id, { permission: 'read_write' })
      const base = '/api/v1/projects/current/secrets'
      const read = async (name: string, environment?: string) =>
        server.ok('GET', `${base}/${name}${environment ? `?environment=${environment}` : ''}`, { key })

      expect(await read('BOTH', 'staging')).toMatchObject({ value: 'of staging', environment: 'staging' })
      expect(await read('BOTH', 'production')).toMatchObject({ value: 'of All', environment: 'All' })
      expect(await read('BOTH')).toMatchObject({ value: 'of All', environment: 'All' })
      expect(await read('ONLY_ALL', 'staging')).toMatchObject({ value: 'only All', environment: 'All' })
      expect(await read('BOTH', 'STAGING')).toMatchObject({ value: 'of staging', environment: 'staging' })

      const taken = await server.request('POST', base, {
        key,
        body: { name: 'BOTH', type: 'token', value: 'again', environment: 'staging' },
      })
      expect([taken.status, taken.body.code]).toEqual([409, 'secret.exists'])
      for (const name of ['ONLY_ALL', 'NOWHERE']) {
        const unknown = await server.request('GET', `${base}/${name}?environment=nope`, { key })
        expect([unknown.status, unknown.body.code]).toEqual([404, 'environment.not_found'])
      }
      // An update never falls back: it would change the value of every other environment.
      const fallback = await server.request('PATCH', `${base}/ONLY_ALL?environment=staging`, {
        key,
        body: { value: 'changed' },
      })
      expect([fallback.status, fallback.body.code]).toEqual([404, 'secret.not_found'])
      expect((await read('ONLY_ALL')).value).toBe('only All')
    })
  })

  describe('two active at most', () => {
    test('KEY-2: the third active key is 409 naming the limit; a deactivated one makes room', async () => {
      const first = await server.addKey(owner, project.id)
      await server.addKey(owner, project.id)
      const third = await create()
      expect([third.status, third.body.code]).toEqual([409, 'access_key.limit'])
      expect(third.body.title).toMatch(/two/)

      const here = project
      project = await server.addProject(owner)
      expect((await create()).status, 'another project is unaffected').toBe(201)
      project = here

      expect((await act(first, 'deactivate')).status).toBe(200)
      expect((await create()).status).toBe(201)
      expect((await create()).status).toBe(409)
      expect((await statuses()).sort()).toEqual(['active', 'active', 'inactive'])
    })

    test('KEY-3: activating a third is 409', async () => {
      const first = await server.addKey(owner, project.id)
      await act(first, 'deactivate')
      await server.addKey(owner, project.id)
      await server.addKey(owner, project.id)
      const answer = await act(first, 'activate')
      expect([answer.status, answer.body.code]).toEqual([409, 'access_key.limit'])
      expect((await statuses()).sort()).toEqual(['active', 'active', 'inactive'])
      expect(await use(first)).toBe(401)
    })

    test('KEY-3: of creations sent at the same moment with one place left, exactly one succeeds', async () => {
      for (let round = 0; round < 3; round++) {
        project = await server.addProject(owner)
        await server.addKey(owner, project.id)
        const answers = await Promise.all(Array.from({ length: 8 }, () => create()))
        expect(answers.map((answer) => answer.status).sort()).toEqual([201, ...Array(7).fill(409)])
        expect(await statuses()).toEqual(['active', 'active'])
      }
    })

    test('KEY-3: of two activations at the same moment with one place left, exactly one succeeds', async () => {
      const keys: TestKey[] = []
      for (let i = 0; i < 4; i++) {
        const key = await server.addKey(owner, project.id)
        await act(key, 'deactivate')
        keys.push(key)
      }
      await server.addKey(owner, project.id)
      for (let round = 0; round < 4; round++) {
        const answers = await Promise.all(keys.map((key) => act(key, 'activate')))
        expect(answers.map((answer) => answer.status).sort()).toEqual([200, 409, 409, 409])
        const winner = keys[answers.findIndex((answer) => answer.status === 200)]!
        expect(await Promise.all(keys.map((key) => use(key)))).toEqual(
          keys.map((key) => (key === winner ? 200 : 401)),
        )
        await act(winner, 'deactivate')
      }
    })

    test('KEY-3: one key activated many times at once takes one place', async () => {
      const first = await server.addKey(owner, project.id)
      const second = await server.addKey(owner, project.id)
      await act(second, 'deactivate')
      const answers = await Promise.all(Array.from({ length: 6 }, () => act(second, 'activate')))
      expect(answers.map((answer) => answer.status)).toEqual(Array(6).fill(200))
      expect(await statuses()).toEqual(['active', 'active'])
      await act(first, 'deactivate')
      expect((await create()).status).toBe(201)
    })

    test('an expired key is refused, says so, and frees its place', async () => {
      const expiresAt = new Date(server.clock.now().getTime() + DAY_MS).toISOString()
      const key = await server.addKey(owner, project.id, { expiresAt })
      await server.addKey(owner, project.id)
      expect(await use(key)).toBe(200)
      expect((await create()).status).toBe(409)

      server.clock.advance(DAY_MS)
      expect(await use(key)).toBe(401)
      expect((await list())[0]).toMatchObject({ id: key.id, status: 'expired', expiresAt })
      const activated = await server.request(
        'POST',
        `/api/v1/projects/${project.id}/access-keys/${key.id}/activate`,
        {
          token: owner.token,
        },
      )
      expect([activated.status, activated.body.code]).toEqual([409, 'access_key.expired'])
      expect((await create()).status).toBe(201)
      expect((await create()).status).toBe(409)
    })

    test('an expiry that is past or no time is 400', async () => {
      const past = new Date(server.clock.now().getTime() - 1_000).toISOString()
      for (const expiresAt of [past, 'tomorrow', '2090-02-30T00:00:00Z', '2090-12-31T23:59:60Z', 5]) {
        const answer = await create({ expiresAt })
        expect([answer.status, answer.body.errors?.[0]?.field], String(expiresAt)).toEqual([400, 'expiresAt'])
      }
      expect(await list()).toEqual([])
    })

    test(`a project has at most ${limits.accessKeysPerProject} keys, active or not`, async () => {
      for (let i = 0; i < limits.accessKeysPerProject; i++) {
        const key = await server.addKey(owner, project.id)
        await act(key, 'deactivate')
      }
      const answer = await create()
      expect([answer.status, answer.body.code]).toEqual([409, 'access_key.total_limit'])
      const [oldest] = await list()
      expect((await remove(oldest!, oldest!.id)).status).toBe(204)
      expect((await create()).status).toBe(201)
    })
  })

  describe('creation', () => {
    test('KEY-7: the permission is required and one of the two', async () => {
      for (const permission of [undefined, null, '', 'write', 'READ', 'readwrite', 'admin', ['read'], 1]) {
        const answer = await create({ permission })
        expect([answer.status, answer.body.code], JSON.stringify(permission)).toEqual([
          400,
          'request.invalid',
        ])
        expect(answer.body.errors[0].field).toBe('permission')
      }
      expect(await list()).toEqual([])
    })

    test('KEY-8: addresses and ranges, IPv4 and IPv6, in their one form; none is no restriction', async () => {
      const restriction = [
        '192.0.2.7',
        ' 198.51.100.0/24 ',
        '2001:DB8:0:0::1',
        '2001:db8::/32',
        '::ffff:203.0.113.7',
        '::ffff:10.0.0.0/104',
        '192.0.2.7/32',
      ]
      const { body } = await create({ ipRestriction: restriction })
      expect(body.accessKey.ipRestriction).toEqual([
        '192.0.2.7',
        '198.51.100.0/24',
        '2001:db8::1',
        '2001:db8::/32',
        '203.0.113.7',
        '10.0.0.0/8',
      ])
      const open = await create()
      expect(open.body.accessKey.ipRestriction).toEqual([])
      expect(await use({ id: open.body.accessKey.id, secret: open.body.secret })).toBe(200)
    })

    test.each([
      'localhost',
      'example.com',
      '',
      '256.1.1.1',
      '1.2.3',
      '010.0.0.1',
      '0x7f.1',
      '127.0.0.1:80',
      '[::1]',
      'fe80::1%eth0',
      '10.0.0.0/33',
      '10.0.0.0/-1',
      '10.0.0.0/',
      '10.0.0.0/8/8',
      '10.0.0.0/255.0.0.0',
      '2001:db8::/129',
      '::ffff:10.0.0.0/24',
      '10.0.0.1-10.0.0.9',
      '10.0.0.1,10.0.0.2',
    ])('KEY-8: %s is no address, 400 naming its place', async (address) => {
      const answer = await create({ ipRestriction: ['192.0.2.7', address] })
      expect([answer.status, answer.body.errors?.[0]?.field]).toEqual([400, 'ipRestriction[1]'])
      const key = await server.addKey(owner, project.id)
      expect((await edit(key, { ipRestriction: ['192.0.2.7', address] })).status).toBe(400)
      expect((await list()).map((entry) => entry.ipRestriction)).toEqual([[]])
    })

    test(`KEY-8: at most ${limits.addressesPerAccessKey} addresses`, async () => {
      const many = Array.from({ length: limits.addressesPerAccessKey }, (_, i) => `192.0.2.${i}`)
      expect((await create({ ipRestriction: [...many, '198.51.100.1'] })).status).toBe(400)
      expect((await create({ ipRestriction: many })).status).toBe(201)
    })

    test('KEY-11: the answer has ID and key, a secret of 256 bits in a form scanners can find', async () => {
      const answer = await create()
      expect(answer.status).toBe(201)
      expect(answer.body.accessKey).toMatchObject({
        permission: 'read',
        status: 'active',
        createdBy: owner.name,
        lastUsedAt: null,
        lastUsedAddress: null,
        expiresAt: null,
      })
      expect(answer.body.accessKey.id).toMatch(/^ak_[0-9a-z]{20}$/)
      expect(answer.body.secret).toMatch(/^kh_aks_[0-9A-Za-z]{49}$/)
      expect(answer.headers.get('cache-control')).toBe('no-store')
      const created = Date.parse(answer.body.accessKey.createdAt)
      expect(Math.abs(created - server.clock.now().getTime())).toBeLessThan(MINUTE_MS)
    })

    test('KEY-12: the key is in no later answer, record, log line or table, in clear', async () => {
      await server.addSecret(owner, project.id, { name: 'GITHUB_TOKEN', value: 'some value' })
      const admin = await server.addPerson('admin')
      const { body } = await create()
      const key = { id: body.accessKey.id, secret: body.secret }
      const regenerated = (await act(key, 'regenerate')).body.secret
      await use({ ...key, secret: regenerated })
      await use(key)
      await edit(key, { permission: 'read_write', secret: regenerated })
      await edit(key, { permission: 'read_write' })

      const answers = [
        await server.request('GET', path(), { token: owner.token }),
        await edit(key, { permission: 'read' }),
        await act(key, 'deactivate'),
        await act(key, 'activate'),
        await server.request('GET', `/api/v1/projects/${project.id}`, { token: owner.token }),
        await server.request('GET', '/api/v1/audit?limit=500', { token: admin.token }),
        await server.request('GET', '/api/v1/audit/export', { token: admin.token }),
      ].map((answer) => answer.text)
      expect(answers.join()).toContain(key.id)
      const everywhere = [...answers, server.log.join(), await server.dump()].join()
      for (const secret of [key.secret, regenerated]) {
        // Prefix and checksum aside: 43 digits hold the random bits.
        expect(everywhere.includes(secret)).toBe(false)
        expect(everywhere.includes(secret.slice(7, 7 + 20))).toBe(false)
        expect(everywhere.includes(secret.slice(7 + 20, 7 + 43))).toBe(false)
        expect(everywhere.includes(Buffer.from(secret).toString('base64').slice(8, 40))).toBe(false)
      }
    })

    test('KEY-14: ID and key work from any client, with no login', async () => {
      const member = await server.addPerson()
      await server.addMember(owner, project.id, member, 'regular')
      const key = await server.addKey(member, project.id)
      await server.ok('DELETE', `/api/v1/projects/${project.id}/members/${member.id}`, { token: owner.token })
      expect(await use(key, { 'user-agent': 'another machine' })).toBe(200)
    })
  })

  describe('credentials', () => {
    test('KEY-15: ID with another key’s secret, ID alone, secret alone: 401, all alike', async () => {
      const one = await server.addKey(owner, project.id)
      const two = await server.addKey(owner, project.id)
      const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` })
      const wrong = [
        basic(`${one.id}:${two.secret}`),
        basic(`${two.id}:${one.secret}`),
        basic(`${one.id}:`),
        basic(one.id),
        basic(`:${one.secret}`),
        basic(one.secret),
        basic(`${one.id}:${one.secret} `),
        basic(`${one.id.toUpperCase()}:${one.secret}`),
        basic(`${one.id}:${one.secret.slice(0, -1)}`),
        basic(`ak_00000000000000000000:${one.secret}`),
        basic(`${one.id}\u0000:${one.secret}`),
        basic(`\ufffd\u{1f511}:${one.secret}`),
        basic(`${one.id}:${owner.token}`),
        { authorization: `Bearer ${one.secret}` },
        { authorization: `Bearer ${one.id}:${one.secret}` },
        { authorization: 'Basic' },
        { authorization: 'Basic ****' },
        {},
      ]
      const bodies = new Set<string>()
      for (const headers of wrong) {
        const answer = await server.request('GET', '/api/v1/projects/current', { headers })
        expect([answer.status, answer.body.code], JSON.stringify(headers)).toEqual([401, 'auth.required'])
        bodies.add(JSON.stringify({ ...answer.body, traceId: '' }))
      }
      expect(bodies.size).toBe(1)
      expect(await use(one)).toBe(200)
    })

    test('a key is not a person: every route for people is 404 or 403', async () => {
      const key = await server.addKey(owner, project.id, { permission: 'read_write' })
      expect((await server.request('GET', path(), { key })).status).toBe(404)
      expect((await server.request('GET', `/api/v1/projects/${project.id}`, { key })).status).toBe(404)
      for (const url of ['/api/v1/session', '/api/v1/access-tokens', '/api/v1/accounts', '/api/v1/audit'])
        expect((await server.request('GET', url, { key })).status, url).toBe(403)
    })
  })

  describe('changes', () => {
    test('KEY-16: permission and addresses change at once; ID and key stay; other fields are 400', async () => {
      const key = await server.addKey(owner, project.id, { permission: 'read_write' })
      const [before] = await list()
      const edited = await edit(key, { ipRestriction: ['203.0.113.7'] })
      expect(edited.body).toEqual({ ...before, ipRestriction: ['203.0.113.7'] })
      expect(await use(key)).toBe(403)
      const both = await edit(key, { ipRestriction: [], permission: 'read' })
      expect(both.body).toMatchObject({ ...before, permission: 'read', ipRestriction: [] })
      expect(await use(key)).toBe(200)

      const [after] = await list()
      for (const body of [
        {},
        { status: 'inactive' },
        { permission: 'read', expiresAt: null },
        { permission: 'read', id: 'ak_x' },
        { permission: 'read', secret: 'kh_aks_x' },
        { permission: 'admin' },
        { ipRestriction: 'no list' },
        { ipRestriction: null },
      ])
        expect((await edit(key, body)).status, JSON.stringify(body)).toBe(400)
      expect((await list())[0]).toEqual(after)
    })

    test('KEY-18, KEY-19, KEY-20: deactivated it is 401 everywhere and listed so; activated the same secret works', async () => {
      await server.addSecret(owner, project.id, { name: 'GITHUB_TOKEN', value: 'some value' })
      const key = await server.addKey(owner, project.id, { permission: 'read_write' })
      expect(await useEverywhere(key)).toEqual([200, 200, 200, 200, 201, 200])
      expect(await statuses()).toEqual(['active'])

      expect((await act(key, 'deactivate')).body).toMatchObject({ id: key.id, status: 'inactive' })
      expect(await useEverywhere(key)).toEqual(Array(6).fill(401))
      expect(await statuses()).toEqual(['inactive'])

      expect((await act(key, 'activate')).body).toMatchObject({ id: key.id, status: 'active' })
      expect(await useEverywhere(key)).toEqual([200, 200, 200, 200, 201, 200])
      expect(await statuses()).toEqual(['active'])
    })

    test('KEY-18, KEY-20: doing it twice changes and records nothing more', async () => {
      const key = await server.addKey(owner, project.id)
      const recorded = async () => (await server.records(1))[0]!.index
      for (const verb of ['activate', 'deactivate', 'deactivate', 'activate', 'activate'])
        expect((await act(key, verb)).status).toBe(200)
      const actions = (await server.records(3)).map((record) => record.action)
      expect(actions).toEqual(['access-key.activate', 'access-key.deactivate', 'access-key.create'])
      const before = await recorded()
      await edit(key, { permission: 'read', ipRestriction: [] })
      expect(await recorded()).toBe(before)
    })

    test('KEY-21: regenerated: same ID, new secret, the old one 401 at once, all else unchanged', async () => {
      const key = await server.addKey(owner, project.id, {
        permission: 'read_write',
        ipRestriction: ['127.0.0.0/8', '::1'],
      })
      await server.addKey(owner, project.id)
      expect(await use(key)).toBe(200)
      const before = await list()
      const answer = await act(key, 'regenerate')
      expect(answer.status).toBe(200)
      expect(answer.body.accessKey).toEqual(before[0])
      expect(answer.body.secret).toMatch(/^kh_aks_/)
      expect(answer.body.secret).not.toBe(key.secret)
      expect(await use(key)).toBe(401)
      expect(await use({ id: key.id, secret: answer.body.secret })).toBe(200)
      expect(await list()).toEqual(before)
      expect((await create()).status, 'it counts once').toBe(409)
    })

    test('KEY-21: of many regenerations at once the secret of exactly one works', async () => {
      const key = await server.addKey(owner, project.id)
      const answers = await Promise.all(Array.from({ length: 5 }, () => act(key, 'regenerate')))
      expect(answers.map((answer) => answer.status)).toEqual(Array(5).fill(200))
      const worked = await Promise.all(
        answers.map((answer) => use({ id: key.id, secret: answer.body.secret as string })),
      )
      expect(worked.sort()).toEqual([200, 401, 401, 401, 401])
    })

    test('KEY-22: a regenerated inactive key stays inactive', async () => {
      const key = await server.addKey(owner, project.id)
      await act(key, 'deactivate')
      const { body } = await act(key, 'regenerate')
      const renewed = { id: key.id, secret: body.secret as string }
      expect(body.accessKey.status).toBe('inactive')
      expect(await use(renewed)).toBe(401)
      await act(key, 'activate')
      expect(await use(renewed)).toBe(200)
      expect(await use(key)).toBe(401)
    })

    test('KEY-23: deletion without the exact ID is 400 and the key still works', async () => {
      const key = await server.addKey(owner, project.id)
      const other = await server.addKey(owner, project.id)
      for (const confirm of [
        undefined,
        '',
        'yes',
        other.id,
        key.id.toUpperCase(),
        `${key.id}%20`,
        key.id.slice(0, -1),
      ]) {
        const answer = await remove(key, confirm)
        expect([answer.status, answer.body.code], confirm).toEqual([400, 'access_key.confirmation'])
      }
      expect(
        (
          await server.request('DELETE', `${path(key.id)}?confirm=${key.id}&confirm=${key.id}`, {
            token: owner.token,
          })
        ).status,
      ).toBe(400)
      expect(await use(key)).toBe(200)
    })

    test('KEY-24, KEY-25: deleted it is 401, gone from the list, and frees its place; values stay', async () => {
      await server.addSecret(owner, project.id, { name: 'GITHUB_TOKEN', value: 'some value' })
      const key = await server.addKey(owner, project.id, { permission: 'read_write' })
      const other = await server.addKey(owner, project.id)
      expect((await create()).status).toBe(409)
      expect((await remove(key, key.id)).status).toBe(204)
      expect(await useEverywhere(key)).toEqual(Array(6).fill(401))
      expect((await list()).map((entry) => entry.id)).toEqual([other.id])
      expect((await create()).status).toBe(201)
      for (const answer of [
        await remove(key, key.id),
        await edit(key, { permission: 'read' }),
        await act(key, 'activate'),
        await act(key, 'deactivate'),
        await act(key, 'regenerate'),
      ])
        expect([answer.status, answer.body.code]).toEqual([404, 'access_key.not_found'])
    })

    test('a key is reached through its own project only', async () => {
      const key = await server.addKey(owner, project.id)
      const here = project
      project = await server.addProject(owner)
      for (const answer of [
        await remove(key, key.id),
        await edit(key, { permission: 'read_write' }),
        await act(key, 'deactivate'),
        await act(key, 'regenerate'),
      ])
        expect([answer.status, answer.body.code]).toEqual([404, 'access_key.not_found'])
      project = here
      expect(await use(key)).toBe(200)
    })

    test('of deletion and regeneration at the same moment, no dead secret is answered', async () => {
      for (let round = 0; round < 5; round++) {
        const key = await server.addKey(owner, project.id)
        const [removed, ...renewed] = await Promise.all([
          remove(key, key.id),
          act(key, 'regenerate'),
          edit(key, { permission: 'read_write' }),
          act(key, 'deactivate'),
        ])
        expect(removed.status).toBe(204)
        for (const answer of renewed) expect([200, 404]).toContain(answer.status)
        expect(await list()).toEqual([])
        const actions = (await server.records(5)).map((record) => record.action)
        // What was done to the key stands before its deletion in the log, never after.
        const afterDeletion = actions.slice(0, actions.indexOf('access-key.delete'))
        const failed = (await server.records(5)).slice(0, afterDeletion.length)
        expect(failed.map((record) => record.outcome)).toEqual(Array(afterDeletion.length).fill('failed'))
      }
    })
  })

  test('KEY-26: Admin and Regular manage keys, Read Only sees them, outsiders get 404', async () => {
    const people = {
      admin: owner,
      regular: await server.addPerson(),
      read_only: await server.addPerson(),
      outsider: await server.addPerson(),
      instanceAdmin: await server.addPerson('admin'),
    }
    await server.addMember(owner, project.id, people.regular, 'regular')
    await server.addMember(owner, project.id, people.read_only, 'read_only')
    const attempts = async (person: TestPerson) => {
      const made = await create({}, person)
      const key = made.status === 201 ? made.body.accessKey : await server.addKey(owner, project.id)
      const statuses = [
        (await server.request('GET', path(), { token: person.token })).status,
        made.status,
        (await edit(key, { permission: 'read_write' }, person)).status,
        (await act(key, 'deactivate', person)).status,
        (await act(key, 'activate', person)).status,
        (await act(key, 'regenerate', person)).status,
        (await remove(key, key.id, person)).status,
      ]
      await remove(key, key.id)
      return statuses
    }
    expect(await attempts(people.admin)).toEqual([200, 201, 200, 200, 200, 200, 204])
    expect(await attempts(people.regular)).toEqual([200, 201, 200, 200, 200, 200, 204])
    expect(await attempts(people.read_only)).toEqual([200, 403, 403, 403, 403, 403, 403])
    expect(await attempts(people.outsider)).toEqual(Array(7).fill(404))
    expect(await attempts(people.instanceAdmin)).toEqual(Array(7).fill(404))
  })

  test('KEY-28: every call of a key is recorded with key, project, address, access, time and client', async () => {
    await server.addEnvironment(owner, project.id, 'staging')
    await server.addSecret(owner, project.id, { name: 'GITHUB_TOKEN', value: 'some value' })
    const key = await server.addKey(owner, project.id, { permission: 'read' })
    const headers = { 'user-agent': 'deploy-robot/1.2' }
    const base = '/api/v1/projects/current'
    const write = { name: 'NEW', type: 'token', value: 'value' }
    const calls: [string, string, unknown, string, string][] = [
      ['GET', base, undefined, 'project.read', 'success'],
      ['GET', `${base}/environments`, undefined, 'environment.list', 'success'],
      ['GET', `${base}/secrets`, undefined, 'secret.read', 'success'],
      ['GET', `${base}/secrets/GITHUB_TOKEN?environment=staging`, undefined, 'secret.read', 'success'],
      ['GET', `${base}/secrets/MISSING`, undefined, 'secret.read', 'failed'],
      ['POST', `${base}/secrets`, write, 'secret.create', 'refused'],
      ['PATCH', `${base}/secrets/GITHUB_TOKEN`, { value: 'other' }, 'secret.update', 'refused'],
      ['DELETE', `${base}/secrets/GITHUB_TOKEN`, undefined, 'secret.delete', 'refused'],
    ]
    for (const [method, url, body, action, outcome] of calls) {
      const answer = await server.request(method, url, { key, headers, body })
      const [record, before] = await server.records(2)
      expect(record, `${method} ${url}`).toMatchObject({
        action,
        outcome,
        actor: { kind: 'access-key', id: key.id },
        project: { id: project.id, name: project.name },
        address: '127.0.0.1',
        client: 'deploy-robot/1.2',
      })
      expect(Math.abs(Date.parse(record!.time) - server.clock.now().getTime())).toBeLessThan(MINUTE_MS)
      if (answer.status >= 400)
        expect(record).toMatchObject({ traceId: answer.body.traceId, reason: answer.body.code })
      expect(before?.traceId, 'one record per call').not.toBe(record?.traceId)
    }

    await use({ ...key, secret: (await server.addKey(owner, project.id)).secret }, headers)
    expect((await server.records(1))[0]).toMatchObject({
      action: 'access-key.authenticate',
      outcome: 'refused',
      reason: 'auth.required',
      actor: { kind: 'access-key', id: key.id },
      project: { id: project.id },
      address: '127.0.0.1',
      client: 'deploy-robot/1.2',
    })

    const seen = (
      await server.ok('GET', `/api/v1/audit?accessKey=${key.id}&limit=500`, { token: owner.token })
    ).records
    expect(seen.filter((record: { traceId: string }) => record.traceId).length).toBe(calls.length + 1)
    expect((await list())[0]).toMatchObject({ lastUsedAddress: '127.0.0.1' })
  })

  test('KEY-28: "last used" moves on with uses that succeed, to within a minute', async () => {
    const key = await server.addKey(owner, project.id)
    const lastUsed = async () => (await list())[0]?.lastUsedAt as string | null
    expect(await lastUsed()).toBeNull()
    await use(key)
    const first = await lastUsed()
    expect(Math.abs(Date.parse(first!) - server.clock.now().getTime())).toBeLessThan(MINUTE_MS)
    server.clock.advance(2 * MINUTE_MS)
    await server.request('DELETE', '/api/v1/projects/current/secrets/NAME', { key })
    await use({ ...key, secret: 'wrong' })
    expect(await lastUsed()).toBe(first)
    await use(key)
    expect(Date.parse((await lastUsed())!) - Date.parse(first!)).toBeGreaterThan(MINUTE_MS)
  })

  test('deleting the project ends its keys', async () => {
    const key = await server.addKey(owner, project.id)
    await server.ok('DELETE', `/api/v1/projects/${project.id}?confirm=${encodeURIComponent(project.name)}`, {
      token: owner.token,
    })
    expect(await use(key)).toBe(401)
  })
})

describe.each(databases)('access keys and addresses on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let owner: TestPerson
  let project: { id: string; name: string }

  beforeAll(async () => {
    ;({ server, stop } = await startServer(database, { KEYHOLD_TRUSTED_PROXIES: '127.0.0.1/32,10.0.0.0/8' }))
    owner = await server.addPerson()
    project = await server.addProject(owner)
    await server.addSecret(owner, project.id, { name: 'GITHUB_TOKEN', value: 'some value' })
  })
  afterAll(() => stop())
  const keys: string[] = []
  beforeEach(async () => {
    server.clock.advance(MINUTE_MS + 1)
    for (const id of keys.splice(0)) {
      await server.ok('DELETE', `/api/v1/projects/${project.id}/access-keys/${id}?confirm=${id}`, {
        token: owner.token,
      })
    }
  })

  async function addKey(ipRestriction: readonly string[]): Promise<TestKey> {
    const key = await server.addKey(owner, project.id, { permission: 'read_write', ipRestriction })
    keys.push(key.id)
    return key
  }
  /** As a TLS proxy on loopback passes a request on. */
  const from = (forwarded: string) => ({ 'x-forwarded-for': forwarded, 'x-forwarded-proto': 'https' })
  const use = async (key: TestKey, forwarded: string) =>
    (await server.request('GET', '/api/v1/projects/current/secrets', { key, headers: from(forwarded) }))
      .status

  test('KEY-9: from another address 403 on secrets and environments, reads and writes; from a listed one not', async () => {
    const key = await addKey(['203.0.113.7'])
    const base = '/api/v1/projects/current'
    let count = 0
    const everything = async (forwarded: string) => {
      count += 1
      const options = { key, headers: from(forwarded) }
      const body = { name: `NAME_${count}`, type: 'token', value: 'value' }
      const answers = [
        await server.request('GET', base, options),
        await server.request('GET', `${base}/environments`, options),
        await server.request('GET', `${base}/secrets`, options),
        await server.request('GET', `${base}/secrets/GITHUB_TOKEN`, options),
        await server.request('POST', `${base}/secrets`, { ...options, body }),
        await server.request('PATCH', `${base}/secrets/GITHUB_TOKEN`, {
          ...options,
          body: { description: `d${count}` },
        }),
      ]
      return answers.map((answer) => (answer.status < 300 ? answer.status : answer.body.code))
    }
    expect(await everything('203.0.113.7')).toEqual([200, 200, 200, 200, 201, 200])
    expect(await everything('203.0.113.8')).toEqual(Array(6).fill('access.address_refused'))
    expect((await server.request('GET', base, { key, headers: from('203.0.113.8') })).status).toBe(403)
    expect((await server.records(1))[0]).toMatchObject({
      action: 'access-key.authenticate',
      outcome: 'refused',
      reason: 'access.address_refused',
      actor: { id: key.id },
      project: { id: project.id },
      address: '203.0.113.8',
    })
  })

  test('KEY-9: an edit of the addresses counts on the next request', async () => {
    const key = await addKey(['203.0.113.7'])
    const change = (ipRestriction: string[]) =>
      server.ok('PATCH', `/api/v1/projects/${project.id}/access-keys/${key.id}`, {
        token: owner.token,
        body: { ipRestriction },
      })
    expect(await use(key, '198.51.100.1')).toBe(403)
    await change(['198.51.100.1'])
    expect([await use(key, '198.51.100.1'), await use(key, '203.0.113.7')]).toEqual([200, 403])
    await change([])
    expect([await use(key, '198.51.100.1'), await use(key, '203.0.113.7')]).toEqual([200, 200])
  })

  test.each([
    {
      listed: ['203.0.113.7'],
      inside: ['203.0.113.7', '::ffff:203.0.113.7', '::ffff:cb00:7107', '203.0.113.7:4711'],
      outside: ['203.0.113.70', '::1', '203.0.113'],
    },
    {
      listed: ['::ffff:203.0.113.7'],
      inside: ['203.0.113.7', '::FFFF:203.0.113.7'],
      outside: ['203.0.113.6'],
    },
    {
      listed: ['198.51.100.0/24'],
      inside: ['198.51.100.0', '198.51.100.255', '::ffff:198.51.100.9'],
      outside: ['198.51.99.255', '198.51.101.0'],
    },
    { listed: ['198.51.100.77/24'], inside: ['198.51.100.1'], outside: ['198.51.101.77'] },
    { listed: ['0.0.0.0/0'], inside: ['203.0.113.7', '255.255.255.255'], outside: ['2001:db8::1'] },
    {
      listed: ['2001:db8::/33'],
      inside: ['2001:db8::1', '2001:DB8:7fff:ffff::1', '[2001:db8::1]:443'],
      outside: ['2001:db8:8000::', '2001:db7::1', '203.0.113.7'],
    },
    { listed: ['2001:db8::1'], inside: ['2001:db8:0:0:0:0:0:1'], outside: ['2001:db8::2'] },
    {
      listed: ['192.0.2.1', '2001:db8::/32'],
      inside: ['192.0.2.1', '2001:db8:ffff::'],
      outside: ['192.0.2.2'],
    },
  ])('KEY-9: $listed lets in $inside and not $outside', async ({ listed, inside, outside }) => {
    const key = await addKey(listed)
    for (const address of inside) expect([address, await use(key, address)]).toEqual([address, 200])
    for (const address of outside) expect([address, await use(key, address)]).toEqual([address, 403])
  })

  test('KEY-9: the right-most hop that no proxy of ours reported counts, whatever the client wrote before it', async () => {
    const key = await addKey(['203.0.113.7'])
    expect(await use(key, '203.0.113.7, 198.51.100.9')).toBe(403)
    expect(await use(key, '198.51.100.9, 203.0.113.7')).toBe(200)
    expect(await use(key, '198.51.100.9, 203.0.113.7, 10.1.2.3')).toBe(200)
    expect(await use(key, '203.0.113.7, 198.51.100.9, 10.1.2.3')).toBe(403)
    expect(await use(key, '203.0.113.7, nonsense')).toBe(403)
    expect(await use(key, 'nonsense, 203.0.113.7')).toBe(200)
  })

  test('KEY-9, C34: two keys with two lists are each judged on their own', async () => {
    const one = await addKey(['203.0.113.7'])
    const two = await addKey(['198.51.100.1'])
    expect([await use(one, '203.0.113.7'), await use(two, '203.0.113.7')]).toEqual([200, 403])
    expect([await use(one, '198.51.100.1'), await use(two, '198.51.100.1')]).toEqual([403, 200])
  })

  test('KEY-10: the restriction is the key’s; a member at another address works on', async () => {
    const key = await addKey(['203.0.113.7'])
    expect(await use(key, '198.51.100.9')).toBe(403)
    const options = { token: owner.token, headers: from('198.51.100.9') }
    for (const url of ['', '/secrets', '/environments', '/access-keys'])
      expect((await server.request('GET', `/api/v1/projects/${project.id}${url}`, options)).status).toBe(200)
    const body = { name: 'BY_PERSON', type: 'token', value: 'value' }
    const made = await server.request('POST', `/api/v1/projects/${project.id}/secrets`, { ...options, body })
    expect(made.status).toBe(201)
  })
})

test.each(databases)(
  'KEY-9: X-Forwarded-For of an untrusted peer changes nothing, on %s',
  async (database) => {
    const { server, stop } = await startServer(database, { KEYHOLD_TRUSTED_PROXIES: '192.0.2.0/24' })
    try {
      const owner = await server.addPerson()
      const project = await server.addProject(owner)
      const local = await server.addKey(owner, project.id, { ipRestriction: ['127.0.0.1'] })
      const elsewhere = await server.addKey(owner, project.id, { ipRestriction: ['203.0.113.7'] })
      for (const headers of [
        {},
        { 'x-forwarded-for': '203.0.113.7', 'x-forwarded-proto': 'https' },
        { 'x-forwarded-for': '203.0.113.7, 192.0.2.1' },
        {
          forwarded: 'for=203.0.113.7;proto=https',
          'x-real-ip': '203.0.113.7',
          'cf-connecting-ip': '203.0.113.7',
        },
        { 'x-client-ip': '203.0.113.7', 'true-client-ip': '203.0.113.7', 'x-forwarded-host': '203.0.113.7' },
      ]) {
        const status = async (key: TestKey) =>
          (await server.request('GET', '/api/v1/projects/current/secrets', { key, headers })).status
        expect([await status(local), await status(elsewhere)]).toEqual([200, 403])
      }
      expect((await server.records(1))[0]?.address).toBe('127.0.0.1')
    } finally {
      await stop()
    }
  },
)
