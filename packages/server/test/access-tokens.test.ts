import { type Scope, scopeNames } from '@keyhold/contract/actions'
import { routes } from '@keyhold/contract/api/routes'
import { limits } from '@keyhold/contract/limits'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { databases, startServer, type TestPerson, type TestServer } from './kit.ts'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
const PATH = '/api/v1/access-tokens'

describe.each(databases)('access tokens on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let person: TestPerson

  beforeAll(async () => {
    ;({ server, stop } = await startServer(database))
  })
  afterAll(() => stop())
  beforeEach(async () => {
    // Wrong credentials are counted per minute; each test begins a new one.
    server.clock.advance(MINUTE_MS + 1)
    person = await server.addPerson()
  })

  const post = (body: unknown, token = person.token) => server.request('POST', PATH, { token, body })
  const create = async (
    body: object = {},
    token = person.token,
  ): Promise<{ id: string; token: string; partial: string }> => {
    const answer = await server.ok('POST', PATH, { token, body: { name: 'deploy', ...body } })
    return { id: answer.accessToken.id, token: answer.token, partial: answer.accessToken.partialToken }
  }
  const remove = (id: string, token = person.token) => server.request('DELETE', `${PATH}/${id}`, { token })
  const list = async (query = '') =>
    (await server.ok('GET', PATH + query, { token: person.token })).accessTokens as {
      id: string
      name: string
      lastUsedAt: string | null
      [field: string]: unknown
    }[]
  const find = async (id: string) => (await list()).find((token) => token.id === id)!
  const use = async (token: string) => (await server.request('GET', '/api/v1/projects', { token })).status
  const later = (ms: number) => new Date(server.clock.now().getTime() + ms).toISOString()

  describe('reach', () => {
    test('TOK-2: limited to reading, GET is 200 and POST 403; without a limit both are 2xx', async () => {
      const limited = await create({ scopes: ['projects:read'] })
      const whole = await create()
      const attempts = async (token: string) => [
        (await server.request('GET', '/api/v1/projects', { token })).status,
        (await server.request('POST', '/api/v1/projects', { token, body: { name: `P ${token.slice(-8)}` } }))
          .status,
      ]
      expect(await attempts(limited.token)).toEqual([200, 403])
      expect(await attempts(whole.token)).toEqual([200, 201])

      const refused = await server.request('POST', '/api/v1/projects', {
        token: limited.token,
        body: { name: 'Refused' },
      })
      expect(refused.body.code).toBe('access.scope_missing')
      expect((await server.records(1))[0]).toMatchObject({
        action: 'project.create',
        outcome: 'refused',
        reason: 'access.scope_missing',
        actor: { id: person.id, credential: limited.id },
        traceId: refused.body.traceId,
      })
    })

    test('TOK-2: every route for people asks for its own scope, and no other scope opens it', async () => {
      const only = new Map<Scope, string>()
      const allBut = new Map<Scope, string>()
      for (const scope of scopeNames) {
        only.set(scope, (await create({ scopes: [scope] })).token)
        const scopes = scopeNames.filter((other) => other !== scope)
        allBut.set(scope, (await create({ scopes })).token)
      }
      const all = (await create({ scopes: [...scopeNames] })).token
      const personal = routes.filter((row) => row.caller === 'person')
      expect(personal.length).toBeGreaterThan(30)
      for (const row of personal) {
        const url = row.path.replaceAll(/\{\w+\}/g, 'x_unknown')
        const opens = async (token: string) =>
          (await server.request(row.method, url, { token })).body?.code !== 'access.scope_missing'
        if (row.scope) {
          expect([row.id, await opens(only.get(row.scope)!)]).toEqual([row.id, true])
          expect([row.id, await opens(allBut.get(row.scope)!)]).toEqual([row.id, false])
        } else expect([row.id, await opens(all)]).toEqual([row.id, row.id === 'session.get'])
      }
    })

    test('a limited token makes no token that reaches further or lives longer', async () => {
      const expiresAt = later(DAY_MS)
      const limited = await create({ scopes: ['access-tokens:write', 'secrets:read'], expiresAt })
      for (const [wish, field] of [
        [{}, 'scopes'],
        [{ scopes: null }, 'scopes'],
        [{ scopes: ['secrets:reveal'] }, 'scopes'],
        [{ scopes: ['secrets:read', 'secrets:write'] }, 'scopes'],
        [{ scopes: ['secrets:read'] }, 'expiresAt'],
        [{ scopes: ['secrets:read'], expiresAt: null }, 'expiresAt'],
        [{ scopes: ['secrets:read'], expiresAt: later(DAY_MS + MINUTE_MS) }, 'expiresAt'],
      ] as const) {
        const answer = await post({ name: 'wider', ...wish }, limited.token)
        expect([answer.status, answer.body.errors?.[0]?.field], JSON.stringify(wish)).toEqual([400, field])
      }
      expect((await list()).map((token) => token.name)).not.toContain('wider')
      const narrow = await create({ scopes: ['secrets:read'], expiresAt }, limited.token)
      expect((await post({ name: 'further' }, narrow.token)).body.code).toBe('access.scope_missing')

      const brief = await create({ expiresAt })
      expect((await post({ name: 'longer' }, brief.token)).status).toBe(400)
      expect((await post({ name: 'as long', expiresAt }, brief.token)).status).toBe(201)
    })

    test('a limited token changes no password, ends no session, confirms none', async () => {
      const limited = await create({ scopes: [...scopeNames] })
      for (const [method, url, body] of [
        [
          'POST',
          '/api/v1/account/password',
          { currentPassword: person.password, newPassword: 'a new long password' },
        ],
        ['POST', '/api/v1/session/reauthenticate', { password: person.password }],
        ['DELETE', '/api/v1/session', undefined],
      ] as const) {
        const answer = await server.request(method, url, { token: limited.token, body })
        expect([answer.status, answer.body.code], url).toEqual([403, 'access.scope_missing'])
      }
      expect((await server.ok('GET', '/api/v1/session', { token: limited.token })).account.id).toBe(person.id)
    })

    test('an expired token is 401 and listed as expired; a token never outlives its expiry', async () => {
      const expiresAt = later(DAY_MS)
      const { id, token } = await create({ expiresAt })
      expect(await use(token)).toBe(200)
      expect(await find(id)).toMatchObject({ status: 'active', expiresAt })
      server.clock.advance(DAY_MS)
      expect(await use(token)).toBe(401)
      expect(await find(id)).toMatchObject({ status: 'expired', expiresAt })
    })

    test('an expiry that is past or no time, an unknown, empty or repeated scope: 400', async () => {
      for (const [wish, field] of [
        [{ expiresAt: later(-1_000) }, 'expiresAt'],
        [{ expiresAt: 'never' }, 'expiresAt'],
        [{ expiresAt: '2090-12-31T23:59:60Z' }, 'expiresAt'],
        [{ scopes: [] }, 'scopes'],
        [{ scopes: ['everything'] }, 'scopes[0]'],
        [{ scopes: ['secrets:read', 'secrets:read'] }, 'scopes'],
      ] as const) {
        const answer = await post({ name: 'wrong', ...wish })
        expect([answer.status, answer.body.errors?.[0]?.field], JSON.stringify(wish)).toEqual([400, field])
      }
      expect((await post({ name: 'more', role: 'admin' })).status).toBe(400)
      expect((await list()).length).toBe(1)
    })
  })

  describe('the list', () => {
    test('TOK-5: an empty, blank or missing name is 400', async () => {
      for (const body of [
        {},
        { name: '' },
        { name: ' ' },
        { name: '\u00a0\u3000' },
        { name: null },
        { name: 7 },
      ]) {
        const answer = await post(body)
        expect([answer.status, answer.body.errors?.[0]?.field], JSON.stringify(body)).toEqual([400, 'name'])
      }
      expect((await list()).length).toBe(1)
    })

    test('TOK-7, TOK-10, TOK-12: all own tokens with name, partial view, creation time and null for "Never"', async () => {
      const made = [await create({ name: 'one' }), await create({ name: 'two', scopes: ['audit:read'] })]
      await server.addPerson()
      const tokens = await list()
      expect(tokens.map((token) => token.name).sort()).toEqual(['one', 'test', 'two'])
      expect(await find(made[1]!.id)).toEqual({
        id: made[1]!.id,
        name: 'two',
        partialToken: made[1]!.partial,
        scopes: ['audit:read'],
        createdAt: expect.any(String),
        expiresAt: null,
        lastUsedAt: null,
        status: 'active',
        isRotationDue: false,
        isUnused: false,
      })
      expect((await find(made[0]!.id)).scopes).toBeNull()
      for (const { createdAt } of tokens)
        expect(Math.abs(Date.parse(String(createdAt)) - server.clock.now().getTime())).toBeLessThan(MINUTE_MS)
    })

    test(`TOK-8: names are kept as typed, up to ${limits.nameLength} characters, and may repeat`, async () => {
      const names = [
        'CI – déploiement 部署 🔑',
        ' spaces around ',
        'e\u0301 is not \u00e9',
        '<b>"quoted" & \\escaped\\',
        'x'.repeat(limits.nameLength),
        '漢'.repeat(limits.nameLength),
        'same',
        'same',
      ]
      for (const name of names) expect((await post({ name })).body.accessToken.name).toBe(name)
      const listed = (await list()).map((token) => token.name).filter((name) => name !== 'test')
      expect(listed.sort()).toEqual([...names].sort())
      for (const name of ['x'.repeat(limits.nameLength + 1), 'line\nbreak', 'NUL\u0000', '\u2028', '\ud800'])
        expect((await post({ name })).status, JSON.stringify(name)).toBe(400)
    })

    test('TOK-9: the partial view is a strict part of the token, and refused as one', async () => {
      const { token, partial } = await create()
      const [start, end] = partial.split('…')
      expect([token.startsWith(start!), token.endsWith(end!)]).toEqual([true, true])
      expect(start).toMatch(/^kh_pat_.{4}$/)
      expect(end).toHaveLength(4)
      for (const attempt of [`${start}...${end}`, start!, end!, `${start}${end}`])
        expect(await use(attempt), attempt).toBe(401)
      // The view as it is shown: a header holds bytes, here those of its UTF-8 form.
      expect(await use(Buffer.from(partial).toString('latin1'))).toBe(401)
      expect(await use(token)).toBe(200)
    })

    test('TOK-11: "last used" is the latest use that succeeded, to within a minute', async () => {
      const { id, token } = await create({ scopes: ['projects:read'] })
      const lastUsed = async () => (await find(id)).lastUsedAt
      expect(await use(token)).toBe(200)
      const first = await lastUsed()
      expect(Math.abs(Date.parse(first!) - server.clock.now().getTime())).toBeLessThan(MINUTE_MS)

      server.clock.advance(3 * DAY_MS)
      expect((await server.request('POST', '/api/v1/projects', { token, body: { name: 'No' } })).status).toBe(
        403,
      )
      expect((await server.request('GET', '/api/v1/projects/prj_unknown', { token })).status).toBe(404)
      expect(await lastUsed()).toBe(first)
      expect(await use(token)).toBe(200)
      expect(Math.abs(Date.parse((await lastUsed())!) - server.clock.now().getTime())).toBeLessThan(MINUTE_MS)

      server.clock.advance(DAY_MS)
      const before = await lastUsed()
      expect((await server.request('POST', '/api/v1/projects', { token, body: { name: 'No' } })).status).toBe(
        403,
      )
      expect((await server.request('GET', '/api/v1/projects/prj_unknown', { token })).status).toBe(404)
      expect(await lastUsed(), 'a refused call changes nothing').toBe(before)
    })

    test('TOK-16: sorted by last use, "Never" last; unused for 90 days is marked', async () => {
      const unused = await create({ name: 'unused' })
      const early = await create({ name: 'early' })
      const late = await create({ name: 'late' })
      await use(early.token)
      server.clock.advance(2 * MINUTE_MS)
      await use(late.token)
      server.clock.advance(2 * MINUTE_MS)
      const order = async (sort: string) => (await list(`?sort=${sort}`)).map((token) => token.name)
      await list()
      expect(await order('lastUsedAt')).toEqual(['test', 'late', 'early', 'unused'])

      const unusedNow = async () =>
        (await list()).filter((token) => token.isUnused).map((token) => token.name)
      server.clock.advance(89 * DAY_MS)
      expect(await unusedNow()).toEqual([])
      await use(late.token)
      server.clock.advance(DAY_MS)
      expect((await unusedNow()).sort()).toEqual(['early', 'unused'])
      await use(unused.token)
      expect(await unusedNow()).toEqual(['early'])
      expect((await server.request('GET', `${PATH}?sort=name`, { token: person.token })).status).toBe(400)
    })

    test('sorted by creation newest first, by expiry soonest first with "No expiry" last', async () => {
      await create({ name: 'in 9 days', expiresAt: later(9 * DAY_MS) })
      server.clock.advance(1_000)
      await create({ name: 'in 2 days', expiresAt: later(2 * DAY_MS) })
      server.clock.advance(1_000)
      await create({ name: 'in 5 days', expiresAt: later(5 * DAY_MS) })
      const names = async (query: string) => (await list(query)).map((token) => token.name)
      expect(await names('')).toEqual(['in 5 days', 'in 2 days', 'in 9 days', 'test'])
      expect(await names('?sort=createdAt')).toEqual(await names(''))
      expect(await names('?sort=expiresAt')).toEqual(['in 2 days', 'in 5 days', 'in 9 days', 'test'])
    })

    test('TOK-17: older than 90 days is marked as due for rotation, used or not', async () => {
      const { id, token } = await create()
      server.clock.advance(90 * DAY_MS - MINUTE_MS)
      await use(token)
      expect((await find(id)).isRotationDue).toBe(false)
      server.clock.advance(2 * MINUTE_MS)
      await use(token)
      expect(await find(id)).toMatchObject({ isRotationDue: true, isUnused: false })
    })

    test(`a person has at most ${limits.accessTokensPerPerson} tokens, also when the last ones are made at once`, async () => {
      for (let made = 1; made < limits.accessTokensPerPerson - 1; ) {
        const batch = Math.min(20, limits.accessTokensPerPerson - 1 - made)
        await Promise.all(Array.from({ length: batch }, () => create()))
        made += batch
      }
      const answers = await Promise.all(Array.from({ length: 6 }, () => post({ name: 'last' })))
      expect(answers.map((answer) => answer.status).sort()).toEqual([201, 409, 409, 409, 409, 409])
      expect((await post({ name: 'one more' })).body.code).toBe('access_token.limit')
      const tokens = await list()
      expect(tokens.length).toBe(limits.accessTokensPerPerson)
      expect((await remove(tokens.find((token) => token.name === 'deploy')!.id)).status).toBe(204)
      expect((await post({ name: 'one more' })).status).toBe(201)
      expect(await use((await server.addPerson()).token), 'others are unaffected').toBe(200)
    })
  })

  describe('the token itself', () => {
    test('TOK-3, TOK-6: it is in the answer that made it and nowhere else', async () => {
      const admin = await server.addPerson('admin')
      const answer = await post({ name: 'secret one' })
      expect(answer.status).toBe(201)
      expect(answer.headers.get('cache-control')).toBe('no-store')
      const { token, accessToken } = answer.body
      expect(token).toMatch(/^kh_pat_[0-9A-Za-z]{49}$/)
      expect(JSON.stringify(accessToken).includes(token)).toBe(false)
      expect(await use(token)).toBe(200)
      expect(await use(`${token}x`)).toBe(401)

      const later = [
        await server.request('GET', PATH, { token }),
        await server.request('GET', '/api/v1/session', { token }),
        await server.request('GET', '/api/v1/audit?limit=500', { token: admin.token }),
        await server.request('GET', '/api/v1/audit/export', { token: admin.token }),
        await remove('tok_unknown', token),
      ].map((answer) => answer.text)
      expect(later.join()).toContain(accessToken.id)
      const everywhere = [...later, server.log.join(), await server.dump()].join()
      expect(everywhere).toContain(accessToken.partialToken)
      // Without prefix, and without what the partial view shows: random digits only.
      const random = token.slice(7 + 4, -4)
      for (const part of [token, random, random.slice(0, 20), random.slice(-20)])
        expect(everywhere.includes(part)).toBe(false)
      expect(everywhere.includes(Buffer.from(token).toString('base64').slice(16, 48))).toBe(false)
      expect(everywhere.includes(Buffer.from(token).toString('hex').slice(24, 72))).toBe(false)
    })

    test('TOK-6: no route shows a token again', async () => {
      const { id } = await create()
      for (const [method, url] of [
        ['GET', `${PATH}/${id}`],
        ['POST', `${PATH}/${id}`],
        ['POST', `${PATH}/${id}/reveal`],
        ['PATCH', `${PATH}/${id}`],
        ['PUT', `${PATH}/${id}`],
      ] as const)
        expect(
          (await server.request(method, url, { token: person.token, ...(method !== 'GET' && { body: {} }) }))
            .status,
        ).toBe(404)
    })

    test('TOK-13, TOK-14: deleted it is 401 at once, others are unaffected, and it is recorded by name', async () => {
      const { id, token } = await create({ name: 'laptop' })
      const other = await create({ name: 'other' })
      expect(await use(token)).toBe(200)
      expect((await remove(id)).status).toBe(204)
      expect((await server.records(1))[0]).toMatchObject({
        action: 'access-token.delete',
        outcome: 'success',
        target: { kind: 'access-token', id, name: 'laptop' },
      })
      const statuses = await Promise.all(Array.from({ length: 10 }, () => use(token)))
      expect(statuses).toEqual(Array(10).fill(401))
      expect(await use(other.token)).toBe(200)
      expect((await list()).map((entry) => entry.id)).not.toContain(id)
      expect((await remove(id)).status).toBe(404)
    })

    test('TOK-14: while a token is deleted, no request that starts after the answer gets through', async () => {
      for (let round = 0; round < 3; round++) {
        const { id, token } = await create()
        let isDeleted = false
        const storm = Array.from({ length: 4 }, async () => {
          const late: number[] = []
          for (let i = 0; i < 15; i++) {
            const startedAfter = isDeleted
            const status = await use(token)
            if (startedAfter) late.push(status)
          }
          return late
        })
        expect((await remove(id)).status).toBe(204)
        isDeleted = true
        const late = (await Promise.all(storm)).flat()
        expect(late.length).toBeGreaterThan(0)
        expect(new Set(late)).toEqual(new Set([401]))
        server.clock.advance(MINUTE_MS + 1)
      }
    })

    test('TOK-14: a token can delete itself, and then nothing more', async () => {
      const { id, token } = await create()
      expect((await remove(id, token)).status).toBe(204)
      expect((await remove(id, token)).status).toBe(401)
    })

    test('TOK-15: deleted and made anew, the new one differs and starts at "Never"', async () => {
      const old = await create({ name: 'laptop' })
      await use(old.token)
      await remove(old.id)
      const renewed = await create({ name: 'laptop' })
      expect(renewed.token).not.toBe(old.token)
      expect(renewed.id).not.toBe(old.id)
      expect((await find(renewed.id)).lastUsedAt).toBeNull()
      expect([await use(old.token), await use(renewed.token)]).toEqual([401, 200])
    })

    test('TOK-19: another person’s token is 404, like one that is not there, and goes on working', async () => {
      const stranger = await server.addPerson('admin')
      const { id, token } = await create()
      const foreign = await remove(id, stranger.token)
      const missing = await remove('tok_00000000000000000000', stranger.token)
      expect(foreign.status).toBe(404)
      expect({ ...foreign.body, traceId: '' }).toEqual({ ...missing.body, traceId: '' })
      expect(await use(token)).toBe(200)
      const { accessTokens } = await server.ok('GET', PATH, { token: stranger.token })
      expect(accessTokens.map((entry: { id: string }) => entry.id)).not.toContain(id)
    })

    test('TOK-20: no header, malformed, unknown, deleted, expired, of a disabled person: 401 with one body', async () => {
      const admin = await server.addPerson('admin')
      const deleted = await create()
      await remove(deleted.id)
      const expired = await create({ expiresAt: later(1_000) })
      server.clock.advance(2_000)
      const disabled = await server.addPerson()
      await server.ok('PATCH', `/api/v1/accounts/${disabled.id}`, {
        token: admin.token,
        body: { isDisabled: true },
      })
      const { token } = person
      const changed = token.slice(0, -1) + (token.endsWith('0') ? '1' : '0')
      const wrong: Record<string, string>[] = [
        {},
        { authorization: '' },
        { authorization: 'Bearer' },
        { authorization: 'Bearer ' },
        { authorization: token },
        { authorization: `Token ${token}` },
        { authorization: `Bearer Bearer ${token}` },
        { authorization: `Bearer ${token} ${token}` },
        { authorization: `Bearer ${token},` },
        { authorization: `Bearer "${token}"` },
        { authorization: `Bearer ${changed}` },
        { authorization: `Bearer ${token.toUpperCase()}` },
        { authorization: `Bearer ${token.replace('kh_pat_', 'kh_ses_')}` },
        { authorization: `Basic ${Buffer.from(`${person.email}:${person.password}`).toString('base64')}` },
        { authorization: `Basic ${Buffer.from(`x:${token}`).toString('base64')}` },
        { authorization: `Bearer ${deleted.token}` },
        { authorization: `Bearer ${expired.token}` },
        { authorization: `Bearer ${disabled.token}` },
        { 'x-api-key': token },
        { cookie: `keyhold_session=${token}` },
        { cookie: `token=${token}` },
      ]
      const bodies = new Set<string>()
      for (const headers of wrong) {
        const answer = await server.request('GET', '/api/v1/projects', { headers })
        expect(answer.status, JSON.stringify(headers)).toBe(401)
        expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="keyhold"')
        expect(answer.headers.get('content-type')).toBe('application/problem+json')
        bodies.add(JSON.stringify({ ...answer.body, traceId: '' }))
      }
      expect([...bodies]).toEqual([
        JSON.stringify({
          type: 'http://localhost:8080/errors/auth.required',
          title: 'Sign in, or send a valid credential',
          status: 401,
          traceId: '',
          code: 'auth.required',
        }),
      ])
      const inUrl = await server.request('GET', `/api/v1/projects?access_token=${token}`)
      expect(inUrl.status).toBe(401)
      expect(server.log.join().includes(token)).toBe(false)
      expect(await use(token)).toBe(200)
      expect(
        (await server.request('GET', '/api/v1/projects', { headers: { authorization: `bearer ${token}` } }))
          .status,
        'schemes have no case',
      ).toBe(200)
    })
  })
})
