import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { databases, startServer, type TestPerson, type TestServer } from './kit.ts'

const MINUTE_MS = 60_000
const PATH = '/api/v1/device-logins'

interface Begun {
  readonly deviceCode: string
  readonly userCode: string
}

describe.each(databases)('sign-in of a machine (RFC 8628) on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let person: TestPerson

  beforeAll(async () => {
    ;({ server, stop } = await startServer(database))
  })
  afterAll(() => stop())
  beforeEach(async () => {
    // What is counted per address and 10 minutes begins anew.
    server.clock.advance(11 * MINUTE_MS)
    person = await server.addPerson()
  })

  const begin = (body: object = {}): Promise<Begun> =>
    server.ok('POST', PATH, { body: { name: 'keyhold on laptop', ...body } })
  const finish = ({ deviceCode }: Begun, confirmationCode?: string) =>
    server.request('POST', `${PATH}/token`, {
      body: { deviceCode, ...(confirmationCode !== undefined && { confirmationCode }) },
    })
  const asPerson = (verb: string, { userCode }: Pick<Begun, 'userCode'>, token = person.token) =>
    server.request('POST', `${PATH}/${verb}`, { token, body: { userCode } })
  const approve = async (begun: Begun, token = person.token): Promise<string> => {
    const answer = await asPerson('approve', begun, token)
    expect([answer.status, answer.text]).toEqual([200, expect.anything()])
    return answer.body.confirmationCode
  }
  const codeOf = async (answer: Promise<{ body: { code?: string } }>) => (await answer).body.code
  const tokensOf = async () =>
    (await server.ok('GET', '/api/v1/access-tokens', { token: person.token })).accessTokens

  test('is begun by the machine, seen and approved by a person, and ends in a token of theirs that is named after the machine, expires, is listed and deleted', async () => {
    const begun = await server.ok('POST', PATH, { body: { name: 'keyhold on laptop' } })
    expect(begun).toEqual({
      deviceCode: expect.stringMatching(/^kh_dev_\w{49}$/),
      userCode: expect.stringMatching(/^[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}$/),
      verificationUri: 'http://localhost:8080/device',
      verificationUriComplete: `http://localhost:8080/device#code=${begun.userCode}`,
      expiresIn: 600,
      interval: 5,
    })
    const pending = await finish(begun)
    expect(pending.body).toMatchObject({ status: 400, code: 'device_login.authorization_pending' })
    expect(pending.headers.get('retry-after')).toBe('5')

    // As it was read out: lower case, without the dash.
    const typed = { userCode: ` ${begun.userCode.toLowerCase().replace('-', ' ')} ` }
    const seen = await asPerson('find', typed)
    expect(seen.body).toMatchObject({
      name: 'keyhold on laptop',
      address: '127.0.0.1',
      client: 'node',
      token: { scopes: null },
    })
    const days = (Date.parse(seen.body.token.expiresAt) - server.clock.now().getTime()) / 86_400_000
    expect(days).toBeCloseTo(90, 2)

    const code = await approve(begun)
    expect(code).toMatch(/^[0-9A-Z]{3}-[0-9A-Z]{3}$/)
    const made = await finish(begun, code.toLowerCase().replace('-', ''))
    expect(made.status).toBe(201)
    expect(made.body.accessToken).toMatchObject({ name: 'keyhold on laptop', scopes: null })
    const me = await server.ok('GET', '/api/v1/session', { token: made.body.token })
    expect(me.account.email).toBe(person.email)
    expect(me.expiresAt).toBe(seen.body.token.expiresAt)

    expect((await tokensOf()).map(({ name }: { name: string }) => name)).toContain('keyhold on laptop')
    await server.ok('DELETE', `/api/v1/access-tokens/${made.body.accessToken.id}`, { token: person.token })
    expect((await server.request('GET', '/api/v1/session', { token: made.body.token })).status).toBe(401)

    const records = await server.records(20)
    const ofPerson = records.filter(({ actor }) => actor.id === person.id).map(({ action }) => action)
    const expected = ['device-login.approve', 'device-login.finish', 'access-token.delete']
    expect(ofPerson.slice(0, 3).toReversed()).toEqual(expected)
    expect(records.find(({ action }) => action === 'device-login.finish')).toMatchObject({
      outcome: 'success',
      actor: { id: person.id },
      target: { kind: 'access-token', id: made.body.accessToken.id, name: 'keyhold on laptop' },
    })
  })

  test('an approval is worth nothing without the code that only the person who approved was shown (phishing)', async () => {
    const begun = await begin()
    const code = await approve(begun)
    expect(await codeOf(finish(begun))).toBe('device_login.confirmation_required')
    for (const wrong of ['000-000', begun.userCode, 'x', code.slice(0, -1)])
      expect([wrong, await codeOf(finish(begun, wrong))]).toEqual([wrong, 'device_login.confirmation_wrong'])
    expect((await server.records(1))[0]).toMatchObject({
      action: 'device-login.finish',
      outcome: 'refused',
      reason: 'device_login.confirmation_wrong',
      actor: { id: person.id },
    })
    expect((await finish(begun, code)).status).toBe(201)
  })

  test('the confirmation code has five attempts, also when they come at once', async () => {
    const begun = await begin()
    const code = await approve(begun)
    const guesses = await Promise.all(Array.from({ length: 20 }, () => codeOf(finish(begun, '000-000'))))
    expect(guesses.filter((one) => one === 'device_login.confirmation_wrong')).toHaveLength(5)
    expect(guesses.filter((one) => one === 'device_login.access_denied')).toHaveLength(15)
    expect(await codeOf(finish(begun, code))).toBe('device_login.access_denied')
    expect(await tokensOf()).toHaveLength(1)
  })

  test('gives one token, also to five machines that have the code at once', async () => {
    const begun = await begin()
    const code = await approve(begun)
    const answers = await Promise.all(Array.from({ length: 5 }, () => finish(begun, code)))
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1)
    expect(await tokensOf()).toHaveLength(2)
    expect(await codeOf(finish(begun, code))).toBe('device_login.expired_token')
  })

  test('is decided once: approved or denied, by one person', async () => {
    const other = await server.addPerson()
    const begun = await begin()
    const answers = await Promise.all([
      asPerson('approve', begun),
      asPerson('approve', begun, other.token),
      asPerson('deny', begun, other.token),
    ])
    expect(answers.filter(({ status }) => status < 300)).toHaveLength(1)
    for (const verb of ['find', 'approve', 'deny'])
      expect(await codeOf(asPerson(verb, begun))).toBe('device_login.not_found')
  })

  test('that was denied is over', async () => {
    const begun = await begin()
    expect((await asPerson('deny', begun)).status).toBe(204)
    expect(await codeOf(finish(begun))).toBe('device_login.access_denied')
    expect(await codeOf(finish(begun, '000-000'))).toBe('device_login.access_denied')
    expect((await server.records(1))[0]).toMatchObject({ action: 'device-login.deny', outcome: 'success' })
  })

  test('is over after 10 minutes, approved or not', async () => {
    const waiting = await begin()
    const approved = await begin()
    const code = await approve(approved)
    server.clock.advance(10 * MINUTE_MS + 1)
    expect(await codeOf(asPerson('find', waiting))).toBe('device_login.not_found')
    expect(await codeOf(asPerson('approve', waiting))).toBe('device_login.not_found')
    expect(await codeOf(finish(waiting))).toBe('device_login.expired_token')
    expect(await codeOf(finish(approved, code))).toBe('device_login.expired_token')
    await begin()
    const rows = await server.core.storage.db.selectFrom('device_logins').select('id').execute()
    expect(rows).toHaveLength(1)
  })

  test('who asks too soon is told to slow down, by 5 seconds each time (§3.5)', async () => {
    const begun = await begin()
    const ask = async () => {
      const answer = await finish(begun)
      return [answer.body.code, answer.headers.get('retry-after')]
    }
    expect(await ask()).toEqual(['device_login.authorization_pending', '5'])
    server.clock.advance(5_000)
    expect(await ask()).toEqual(['device_login.authorization_pending', '5'])
    expect(await ask()).toEqual(['device_login.slow_down', '10'])
    server.clock.advance(6_000)
    expect(await ask()).toEqual(['device_login.slow_down', '15'])
    server.clock.advance(15_000)
    expect(await ask()).toEqual(['device_login.authorization_pending', '15'])
    // Whoever never pauses is told a minute at last, and causes no more writes.
    const asked = async () =>
      (await server.core.storage.db.selectFrom('device_logins').select('last_polled_at').execute())
        .map((row) => row.last_polled_at)
        .join()
    for (let i = 0; i < 9; i++) await ask()
    const before = await asked()
    server.clock.advance(1_000)
    expect(await ask()).toEqual(['device_login.slow_down', '60'])
    expect(await asked()).toBe(before)
    server.clock.advance(60_000)
    expect(await ask()).toEqual(['device_login.authorization_pending', '60'])
  })

  test('user codes cannot be guessed: the eleventh wrong one of a person has to wait, and is in the log', async () => {
    const begun = await begin()
    const guesses = await Promise.all(
      Array.from({ length: 12 }, () => codeOf(asPerson('find', { userCode: '0000-0000' }))),
    )
    expect(guesses.filter((one) => one === 'device_login.not_found')).toHaveLength(10)
    expect(guesses.filter((one) => one === 'rate.limited')).toHaveLength(2)
    expect(await codeOf(asPerson('approve', begun))).toBe('rate.limited')
    const records = (await server.records(20)).filter(({ actor }) => actor.id === person.id)
    expect(records.filter(({ outcome }) => outcome === 'failed')).toHaveLength(10)
    server.clock.advance(5 * MINUTE_MS)
    expect((await asPerson('find', begun)).status).toBe(200)
  })

  test('an address that begins too many has to wait, not those of other people who are asked', async () => {
    const answers = await Promise.all(
      Array.from({ length: 62 }, () => server.request('POST', PATH, { body: { name: 'many' } })),
    )
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(60)
    const refused = answers.find(({ status }) => status === 429)!
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  })

  test('what an approval began ends with the session or the token that gave it, and with the account', async () => {
    const cookie = await server.signIn(person)
    const bySession = await begin()
    const approved = await server.ok('POST', `${PATH}/approve`, {
      headers: { cookie },
      body: { userCode: bySession.userCode },
    })
    await server.ok('DELETE', '/api/v1/session', { headers: { cookie } })
    expect(await codeOf(finish(bySession, approved.confirmationCode))).toBe('device_login.expired_token')

    const { token, accessToken } = await server.ok('POST', '/api/v1/access-tokens', {
      token: person.token,
      body: { name: 'other' },
    })
    const byToken = await begin()
    const code = await approve(byToken, token)
    await server.ok('DELETE', `/api/v1/access-tokens/${accessToken.id}`, { token: person.token })
    expect(await codeOf(finish(byToken, code))).toBe('device_login.expired_token')

    const ofDisabled = await begin()
    const lastCode = await approve(ofDisabled)
    const admin = await server.addPerson('admin')
    await server.ok('PATCH', `/api/v1/accounts/${person.id}`, {
      token: admin.token,
      body: { isDisabled: true },
    })
    expect((await finish(ofDisabled, lastCode)).status).toBe(401)
  })

  test('a session needs a fresh password to approve; looking and denying do not', async () => {
    const cookie = await server.signIn(person)
    server.clock.advance(11 * MINUTE_MS)
    const begun = await begin()
    const send = (verb: string) =>
      server.request('POST', `${PATH}/${verb}`, { headers: { cookie }, body: { userCode: begun.userCode } })
    expect((await send('find')).status).toBe(200)
    expect((await send('approve')).body.code).toBe('session.reauthentication_required')
    await server.ok('POST', '/api/v1/session/reauthenticate', {
      headers: { cookie },
      body: { password: person.password },
    })
    expect((await send('approve')).status).toBe(200)
  })

  test('a limited token lets no machine in that could do more, or for longer, than itself', async () => {
    const expiresAt = new Date(server.clock.now().getTime() + 60 * MINUTE_MS).toISOString()
    const { token } = await server.ok('POST', '/api/v1/access-tokens', {
      token: person.token,
      body: { name: 'limited', scopes: ['access-tokens:write', 'projects:read'], expiresAt },
    })
    const more = await begin({ expiresAt })
    const longer = await begin({ scopes: ['projects:read'] })
    const within = await begin({ scopes: ['projects:read'], expiresAt })
    expect((await asPerson('approve', more, token)).body.errors[0].field).toBe('scopes')
    expect((await asPerson('approve', longer, token)).body.errors[0].field).toBe('expiresAt')
    const made = await finish(within, await approve(within, token))
    expect(made.body.accessToken).toMatchObject({ scopes: ['projects:read'], expiresAt })
  })

  test('400 for what no token can be', async () => {
    const later = (days: number) =>
      new Date(server.clock.now().getTime() + days * 1440 * MINUTE_MS).toISOString()
    for (const [body, field] of [
      [{}, 'name'],
      [{ name: '' }, 'name'],
      [{ name: 'x', scopes: [] }, 'scopes'],
      [{ name: 'x', scopes: ['everything'] }, 'scopes[0]'],
      [{ name: 'x', expiresAt: later(-1) }, 'expiresAt'],
      [{ name: 'x', expiresAt: later(367) }, 'expiresAt'],
    ] as const) {
      const answer = await server.request('POST', PATH, { body })
      expect([body, answer.body.code, answer.body.errors?.[0]?.field]).toEqual([
        body,
        'request.invalid',
        field,
      ])
    }
    expect((await server.request('POST', `${PATH}/token`, { body: {} })).status).toBe(400)
    expect((await server.request('POST', `${PATH}/approve`, { token: person.token, body: {} })).status).toBe(
      400,
    )
  })

  test('no code is in the database or the log', async () => {
    const begun = await begin()
    const code = await approve(begun)
    const plain = (shown: string) => shown.replace('-', '').toLowerCase()
    const text = `${await server.dump()}${server.log.join('\n')}`.toLowerCase()
    for (const one of [
      begun.deviceCode.toLowerCase(),
      begun.userCode.toLowerCase(),
      plain(begun.userCode),
      code.toLowerCase(),
    ])
      expect(text).not.toContain(one)
  })
})
