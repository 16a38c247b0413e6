import { TOTP } from 'otpauth'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { databases, startServer, type TestPerson, type TestServer } from './kit.ts'

const STEP_MS = 30_000
const MINUTE_MS = 60_000

describe.each(databases)('the second factor on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let person: TestPerson

  beforeAll(async () => {
    ;({ server, stop } = await startServer(database))
    server.clock.stand()
  })
  afterAll(() => stop())
  beforeEach(async () => {
    // Wrong codes are counted in windows of five minutes; and each test begins in a time step of its own.
    server.clock.advance(6 * MINUTE_MS)
    person = await server.addPerson()
  })

  const send = (
    path: string,
    body: object,
    who: { token?: string; headers?: Record<string, string> } = person,
  ) => server.request('POST', `/api/v1/second-factor${path}`, { ...who, body })
  const state = () => server.ok('GET', '/api/v1/second-factor', { token: person.token })
  const codeOf = (secret: string, steps = 0) =>
    new TOTP({ secret }).generate({ timestamp: server.clock.now().getTime() + steps * STEP_MS })
  const next = () => server.clock.advance(STEP_MS)
  const signIn = (code?: string, password = person.password) =>
    server.request('POST', '/api/v1/session', {
      body: { email: person.email, password, ...(code && { code }) },
    })

  async function enable(): Promise<{ secret: string; recoveryCodes: string[] }> {
    const begun = await send('/totp', { password: person.password })
    expect(begun.status).toBe(201)
    const { secret } = begun.body
    const confirmed = await send('/totp/confirm', { code: codeOf(secret) })
    expect(confirmed.status).toBe(200)
    next()
    return { secret, recoveryCodes: confirmed.body.recoveryCodes }
  }

  test('counts only once a first code was given', async () => {
    const begun = await send('/totp', { password: person.password })
    expect(begun.body.uri).toMatch(
      /^otpauth:\/\/totp\/Keyhold:person\d+%40example\.com\?issuer=Keyhold&secret=[A-Z2-7]{32}&/,
    )
    expect((await state()).totp).toBeNull()
    expect((await signIn()).status).toBe(201)
    const wrong = await send('/totp/confirm', { code: '000000' })
    expect([wrong.status, wrong.body.code]).toEqual([403, 'second_factor.code_wrong'])
    expect((await signIn()).status).toBe(201)
    const confirmed = await send('/totp/confirm', { code: codeOf(begun.body.secret) })
    expect(confirmed.body.recoveryCodes).toHaveLength(10)
    expect(new Set(confirmed.body.recoveryCodes).size).toBe(10)
    expect(await state()).toMatchObject({ recoveryCodesLeft: 10, isRequired: false })
    expect((await send('/totp', { password: person.password })).body.code).toBe('second_factor.exists')
    expect((await send('/totp/confirm', { code: '000000' })).body.code).toBe('second_factor.not_begun')
  })

  test('signing in takes the password and a code; without one it says so, with a wrong one it is refused like a wrong password', async () => {
    const { secret } = await enable()
    const without = await signIn()
    expect([without.status, without.body.code]).toEqual([401, 'sign_in.code_required'])
    expect((await signIn('000000')).body.code).toBe('sign_in.failed')
    // Whoever does not know the password learns nothing of the factor.
    expect((await signIn(undefined, 'not the password of anybody')).body.code).toBe('sign_in.failed')
    expect((await signIn(codeOf(secret))).status).toBe(201)
    const refused = (await server.records()).filter(
      ({ action, outcome, actor }) =>
        action === 'session.create' && outcome === 'refused' && actor.id === person.id,
    )
    expect(refused.map(({ reason }) => reason).sort()).toEqual([
      'sign_in.code_required',
      'sign_in.failed',
      'sign_in.failed',
    ])
  })

  test('a code works once, also when it is sent twice at once; the one before and the one after are good too', async () => {
    const { secret } = await enable()
    const code = codeOf(secret)
    const answers = await Promise.all([signIn(code), signIn(code), signIn(code)])
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 401, 401])
    expect((await signIn(codeOf(secret, 1))).status).toBe(201)
    // An earlier step than the last one that was used is over.
    expect((await signIn(code)).status).toBe(401)
    server.clock.advance(10 * STEP_MS)
    expect((await signIn(codeOf(secret, -2))).status).toBe(401)
    expect((await signIn(codeOf(secret, -1))).status).toBe(201)
  })

  test('a recovery code works once, with spaces, in lower case, and in parallel', async () => {
    const { secret, recoveryCodes } = await enable()
    const [first, second, third] = recoveryCodes as [string, string, string]
    expect(first).toMatch(/^[0-9A-HJKMNP-TV-Z]{4}(?:-[0-9A-HJKMNP-TV-Z]{4}){3}$/)
    expect((await signIn(first.toLowerCase().replaceAll('-', ' '))).status).toBe(201)
    expect((await signIn(first)).status).toBe(401)
    const answers = await Promise.all([
      signIn(second),
      signIn(second.replaceAll('-', '')),
      signIn(` ${second} `),
    ])
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 401, 401])
    expect((await state()).recoveryCodesLeft).toBe(8)

    const { password } = person
    expect((await send('/recovery-codes', { password, code: '000000' })).body.code).toBe(
      'second_factor.code_wrong',
    )
    const renewed = await send('/recovery-codes', { password, code: codeOf(secret) })
    expect(renewed.body.recoveryCodes).toHaveLength(10)
    expect((await signIn(third)).status).toBe(401)
    expect((await signIn(renewed.body.recoveryCodes[0])).status).toBe(201)
  })

  test('guessing codes is limited like guessing passwords', async () => {
    const { secret } = await enable()
    for (let i = 0; i < 10; i++) expect((await signIn('000000')).status).toBe(401)
    expect((await signIn(codeOf(secret))).status).toBe(429)
  })

  test('changing it takes the password, whatever the caller holds', async () => {
    for (const path of ['/totp', '/recovery-codes']) {
      const code = path === '/totp' ? {} : { code: '000000' }
      const refused = await send(path, { password: 'not the password of anybody', ...code })
      expect([refused.status, refused.body.code]).toEqual([403, 'account.password_wrong'])
      expect((await send(path, {})).status).toBe(400)
    }
    const { secret } = await enable()
    const off = (body: object) => send('/delete', body)
    expect((await off({ password: person.password })).status).toBe(400)
    expect((await off({ password: 'not the password of anybody', code: codeOf(secret) })).status).toBe(403)
    expect((await off({ password: person.password, code: '000000' })).body.code).toBe(
      'second_factor.code_wrong',
    )
    next()
    expect((await off({ password: person.password, code: codeOf(secret) })).status).toBe(204)
    expect((await signIn()).status).toBe(201)
    expect((await state()).totp).toBeNull()
    expect((await off({ password: person.password, code: '000000' })).body.code).toBe(
      'second_factor.not_found',
    )
  })

  test('confirming the password in a session takes a code as well', async () => {
    const { secret } = await enable()
    const cookie = (await signIn(codeOf(secret))).headers.get('set-cookie')!.split(';')[0]!
    const confirm = (body: object) =>
      server.request('POST', '/api/v1/session/reauthenticate', { headers: { cookie }, body })
    expect((await confirm({ password: person.password })).body.code).toBe('second_factor.code_wrong')
    next()
    expect((await confirm({ password: person.password, code: codeOf(secret) })).status).toBe(204)
  })

  test('required of everybody: whoever has none can do nothing but get one, also with a token', async () => {
    const admin = await server.addPerson('admin')
    const settings = (requireSecondFactor: boolean, token: string) =>
      server.request('PATCH', '/api/v1/settings', { token, body: { requireSecondFactor } })
    expect((await settings(true, admin.token)).status).toBe(200)
    const list = () => server.request('GET', '/api/v1/projects', { token: person.token })
    expect((await list()).body.code).toBe('second_factor.required')
    const { secret } = await enable()
    expect((await list()).status).toBe(200)
    const off = await send('/delete', { password: person.password, code: codeOf(secret) })
    expect([off.status, off.body.code]).toEqual([403, 'second_factor.required'])
    // The administrator, too; machines go on.
    expect((await settings(false, admin.token)).body.code).toBe('second_factor.required')
    const project = await server.addProject(person)
    const key = await server.addKey(person, project.id)
    expect((await server.request('GET', '/api/v1/projects/current', { key })).status).toBe(200)
    person = admin
    await enable()
    expect((await settings(false, admin.token)).status).toBe(200)
  })

  test('an administrator turns off what somebody has lost, recorded with whose it was; nobody else does', async () => {
    const { secret } = await enable()
    const admin = await server.addPerson('admin')
    const reset = (token: string, id = person.id) =>
      server.request('DELETE', `/api/v1/accounts/${id}/second-factor`, { token })
    const other = await server.addPerson()
    expect((await reset(other.token)).status).toBe(403)
    expect((await reset(person.token)).status).toBe(403)
    expect((await signIn()).body.code).toBe('sign_in.code_required')
    expect((await reset(admin.token)).status).toBe(204)
    expect((await signIn()).status).toBe(201)
    expect((await reset(admin.token)).body.code).toBe('second_factor.not_found')
    expect((await reset(admin.token, 'usr_00000000000000000000')).body.code).toBe('account.not_found')
    const [record] = (await server.records()).filter(
      ({ action, outcome }) => action === 'account.reset-second-factor' && outcome === 'success',
    )
    expect(record).toMatchObject({ actor: { id: admin.id }, target: { id: person.id, name: person.email } })
    // What was turned off is gone: a code of the old secret says nothing.
    const again = await enable()
    expect(again.secret).not.toBe(secret)
    expect((await signIn(codeOf(secret))).status).toBe(401)
  })

  test('an administrator’s own takes password and code: the token of one turns off no factor of its owner', async () => {
    person = await server.addPerson('admin')
    await enable()
    const path = `/api/v1/accounts/${person.id}/second-factor`
    const refused = await server.request('DELETE', path, { token: person.token })
    expect([refused.status, refused.body.code]).toEqual([403, 'access.refused'])
    expect((await signIn()).body.code).toBe('sign_in.code_required')
  })

  test('neither the secret nor a recovery code is in the database, the log or an answer', async () => {
    const { secret, recoveryCodes } = await enable()
    await signIn(codeOf(secret))
    const dump = await server.dump()
    const log = server.log.join('\n')
    const raw = new TOTP({ secret }).secret
    for (const hidden of [
      secret,
      raw.hex,
      raw.hex.toLowerCase(),
      ...recoveryCodes,
      recoveryCodes[0]!.replaceAll('-', ''),
    ]) {
      expect(dump.includes(hidden)).toBe(false)
      expect(log.includes(hidden)).toBe(false)
    }
    expect(JSON.stringify(await state())).not.toContain(secret)
  })

  test('another person’s code does not sign in', async () => {
    await enable()
    const first = person
    person = await server.addPerson()
    const { secret, recoveryCodes } = await enable()
    const answer = (code: string) =>
      server.request('POST', '/api/v1/session', {
        body: { email: first.email, password: first.password, code },
      })
    expect((await answer(codeOf(secret))).status).toBe(401)
    expect((await answer(recoveryCodes[0]!)).status).toBe(401)
    expect((await state()).recoveryCodesLeft).toBe(10)
  })
})
