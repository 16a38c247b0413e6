import { limits } from '@keyhold/contract/limits'
import { Secret } from '@keyhold/contract/secret'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { databases, startServer, type TestPerson, type TestServer } from './kit.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
/** Wrong passwords per account in five minutes, and per address. */
const GUESSES_MAX = 10
const WINDOW_MS = 5 * MINUTE_MS

/** For tests that hash a dozen passwords, on a machine that does other things too. */
const HASHING = { timeout: 120_000 }

const SESSION = '/api/v1/session'
const PASSWORD = '/api/v1/account/password'

describe.each(databases)('accounts on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let admin: TestPerson
  let person: TestPerson

  beforeAll(async () => {
    ;({ server, stop } = await startServer(database))
  })
  afterAll(() => stop())
  beforeEach(async () => {
    // Wrong passwords and credentials are counted in windows; each test begins new ones.
    server.clock.advance(WINDOW_MS + 1)
    admin = await server.addPerson('admin')
    person = await server.addPerson()
  })

  const signIn = (email: string, password: string) =>
    server.request('POST', SESSION, { body: { email, password } })
  const withCookie = (cookie: string) => ({ headers: { cookie } })
  /** Status of the simplest call with a session. */
  const use = async (cookie: string) => (await server.request('GET', SESSION, withCookie(cookie))).status
  const useToken = async (token: string) =>
    (await server.request('GET', '/api/v1/projects', { token })).status
  const update = (id: string, body: object, by = admin) =>
    server.request('PATCH', `/api/v1/accounts/${id}`, { token: by.token, body })
  const createAccount = (body: object, by = admin) =>
    server.request('POST', '/api/v1/accounts', { token: by.token, body })
  const changePassword = (currentPassword: string, newPassword: string, credential: object) =>
    server.request('POST', PASSWORD, { ...credential, body: { currentPassword, newPassword } })
  const comparable = (answer: { body: object }) => JSON.stringify({ ...answer.body, traceId: '' })

  describe('signing in', () => {
    test('the right password makes a session: a cookie that scripts and other sites do not get, and nothing in the body', async () => {
      const answer = await signIn(person.email, person.password)
      expect(answer.status).toBe(201)
      expect(answer.body.account).toMatchObject({
        id: person.id,
        email: person.email,
        role: 'member',
        isDisabled: false,
      })
      const cookie = answer.headers.get('set-cookie')!
      expect(cookie).toMatch(/^keyhold_session=kh_ses_[0-9A-Za-z]{49}; Path=\/; HttpOnly; SameSite=Strict$/)
      const token = /=(kh_ses_\w+);/.exec(cookie)![1]!
      expect(answer.text).not.toMatch(/kh_ses_|argon2|password_?hash/i)
      expect(await use(cookie.split(';')[0]!)).toBe(200)
      expect(await useToken(token), 'a session is no access token').toBe(401)
      expect((await server.records(1))[0]).toMatchObject({
        action: 'session.create',
        outcome: 'success',
        actor: { id: person.id },
      })
      const everywhere = (await server.dump()) + server.log.join()
      for (const secret of [token, token.slice(7, 40), person.password])
        expect(everywhere.includes(secret)).toBe(false)
    })

    test('unknown address, wrong password and disabled account get one answer, and none names who was tried', async () => {
      const disabled = await server.addPerson()
      await update(disabled.id, { isDisabled: true })
      const typed = 'my-password-typed-into-the-wrong-field'
      const answers = [
        await signIn('nobody@example.com', person.password),
        await signIn(person.email, 'not the password at all'),
        await signIn(person.email, `${person.password} `),
        await signIn(disabled.email, disabled.password),
        await signIn(typed, 'not the password at all'),
        await signIn(`${typed}@x`, 'not the password at all'),
      ]
      for (const answer of answers) {
        expect([answer.status, answer.body.code]).toEqual([401, 'sign_in.failed'])
        expect(answer.headers.get('set-cookie')).toBeNull()
      }
      expect(new Set(answers.map(comparable)).size).toBe(1)
      const headers = answers.map((answer) =>
        [...answer.headers]
          .filter(([name]) => name !== 'date')
          .map(([name]) => name)
          .join(),
      )
      expect(new Set(headers).size).toBe(1)
      const recorded = await server.records(6)
      expect(recorded.map((record) => [record.action, record.outcome, record.actor.id]).reverse()).toEqual([
        ['session.create', 'refused', undefined],
        ['session.create', 'refused', person.id],
        ['session.create', 'refused', person.id],
        ['session.create', 'refused', disabled.id],
        ['session.create', 'refused', undefined],
        ['session.create', 'refused', undefined],
      ])
      expect(JSON.stringify(recorded) + server.log.join()).not.toContain(typed)
    })

    test(
      'ten wrong passwords in five minutes, however the address is written, and the account has to wait',
      HASHING,
      async () => {
        const { email } = person
        const spellings = [
          email,
          email.toUpperCase(),
          `  ${email}`,
          `${email}\t`,
          `\u00a0${email}\u3000`,
          email.replace('@', '\uff20'),
          email.replace('p', '\uff50'),
          email.replace('e', '\u{1d41e}'),
          email.replace('P', 'p').replace('person', 'PerSon'),
          email.replace('.', '\uff0e'),
        ]
        expect(spellings.length).toBe(GUESSES_MAX)
        for (const spelling of spellings)
          expect((await signIn(spelling, 'wrong password')).status, spelling).toBe(401)
        const refused = await signIn(email, person.password)
        expect([refused.status, refused.body.code]).toEqual([429, 'rate.limited'])
        const wait = Number(refused.headers.get('retry-after'))
        expect(wait).toBeGreaterThan(0)
        expect(wait).toBeLessThanOrEqual(WINDOW_MS / 1000)
        expect((await signIn(admin.email, admin.password)).status, 'another account is unaffected').toBe(201)
        server.clock.advance(wait * 1000)
        expect((await signIn(email.toUpperCase(), person.password)).status).toBe(201)
      },
    )

    test('an unknown address has to wait just the same', HASHING, async () => {
      for (let i = 0; i < GUESSES_MAX; i++)
        expect((await signIn('nobody@example.com', 'wrong')).status).toBe(401)
      expect((await signIn('NOBODY@example.com', 'wrong')).status).toBe(429)
    })

    test('guesses sent at once are counted before they are answered', HASHING, async () => {
      const answers = await Promise.all(
        Array.from({ length: 16 }, (_, i) =>
          signIn(person.email, i === 15 ? person.password : `wrong password ${i}`),
        ),
      )
      const statuses = answers.map((answer) => answer.status)
      expect(statuses.filter((status) => status !== 429).length).toBe(GUESSES_MAX)
    })

    test('signing in well uses up no guess', HASHING, async () => {
      for (let i = 0; i <= GUESSES_MAX; i++)
        expect((await signIn(person.email, person.password)).status).toBe(201)
    })

    test('a body that is no sign-in is 400', async () => {
      for (const body of [
        {},
        { email: person.email },
        { password: person.password },
        { email: '', password: 'x' },
        { email: person.email, password: '' },
        { email: person.email, password: 'x'.repeat(257) },
        { email: [person.email], password: person.password },
        { email: { like: '%' }, password: person.password },
        { email: `${person.email}\u0000`, password: person.password },
        { email: person.email, password: person.password, remember: true },
      ])
        expect((await server.request('POST', SESSION, { body })).status, JSON.stringify(body)).toBe(400)
    })
  })

  describe('sessions', () => {
    test('a session ends 12 hours after signing in, however much it is used', async () => {
      const cookie = await server.signIn(person)
      for (let i = 0; i < 35; i++) {
        server.clock.advance(20 * MINUTE_MS)
        expect(await use(cookie), `after ${(i + 1) * 20} minutes`).toBe(200)
      }
      server.clock.advance(20 * MINUTE_MS - 5_000)
      expect(await use(cookie)).toBe(200)
      server.clock.advance(5_000)
      expect(await use(cookie)).toBe(401)
    })

    test('a session ends after 30 minutes without a request', async () => {
      const cookie = await server.signIn(person)
      server.clock.advance(29 * MINUTE_MS)
      expect(await use(cookie)).toBe(200)
      server.clock.advance(29 * MINUTE_MS)
      expect(await use(cookie)).toBe(200)
      server.clock.advance(30 * MINUTE_MS)
      expect(await use(cookie)).toBe(401)
    })

    test('the answer says who it is, when the password was confirmed, and when it ends', async () => {
      const cookie = await server.signIn(person)
      const { body } = await server.request('GET', SESSION, withCookie(cookie))
      expect(body.account.id).toBe(person.id)
      expect(Date.parse(body.expiresAt) - Date.parse(body.authenticatedAt)).toBe(12 * HOUR_MS)
      expect((await server.ok('GET', SESSION, { token: person.token })).authenticatedAt).toBeNull()
    })

    test('signing out ends this session at once and no other', async () => {
      const [cookie, other] = [await server.signIn(person), await server.signIn(person)]
      const answer = await server.request('DELETE', SESSION, withCookie(cookie))
      expect(answer.status).toBe(204)
      expect(answer.headers.get('set-cookie')).toMatch(/^keyhold_session=; .*Max-Age=0$/)
      expect([await use(cookie), await use(other), await useToken(person.token)]).toEqual([401, 200, 200])
      expect((await server.records(1))[0]).toMatchObject({
        action: 'session.delete',
        outcome: 'success',
        actor: { id: person.id },
      })
    })

    test('SEC-24, C12: revealing in a session needs a password not older than 10 minutes; a token needs none', async () => {
      const project = await server.addProject(person)
      const secret = await server.addSecret(person, project.id, { name: 'NAME', value: 'some value' })
      const path = `/api/v1/projects/${project.id}/secrets/${secret.id}/reveal`
      const cookie = await server.signIn(person)
      const reveal = () => server.request('POST', path, { ...withCookie(cookie), body: {} })
      const confirm = (password: string) =>
        server.request('POST', '/api/v1/session/reauthenticate', {
          ...withCookie(cookie),
          body: { password },
        })

      expect((await reveal()).body.value).toBe('some value')
      server.clock.advance(10 * MINUTE_MS - 5_000)
      expect((await reveal()).status).toBe(200)
      server.clock.advance(5_001)
      const stale = await reveal()
      expect([stale.status, stale.body.code]).toEqual([403, 'session.reauthentication_required'])
      expect(stale.text).not.toContain('some value')
      expect((await server.records(1))[0]).toMatchObject({
        action: 'secret.read',
        outcome: 'refused',
        actor: { id: person.id },
      })
      const list = await server.request('GET', `/api/v1/projects/${project.id}/secrets`, withCookie(cookie))
      expect(list.status, 'names need no fresh password').toBe(200)
      expect((await server.request('POST', path, { token: person.token, body: {} })).status).toBe(200)
      // Nor is it got round by making something that can read the value.
      for (const [at, body] of [
        ['/api/v1/access-tokens', { name: 'new' }],
        [`/api/v1/projects/${project.id}/access-keys`, { permission: 'read' }],
        [`/api/v1/projects/${project.id}/members`, { email: 'else@example.com', role: 'admin' }],
      ] as const) {
        const answer = await server.request('POST', at, { ...withCookie(cookie), body })
        expect([answer.status, answer.body.code], at).toEqual([403, 'session.reauthentication_required'])
      }

      const wrong = await confirm('wrong password')
      expect([wrong.status, wrong.body.code]).toEqual([403, 'account.password_wrong'])
      expect((await reveal()).status).toBe(403)
      expect((await confirm(person.password)).status).toBe(204)
      expect((await reveal()).status).toBe(200)
      server.clock.advance(10 * MINUTE_MS + 1)
      expect((await reveal()).status).toBe(403)
    })

    test('guesses of the password in a session are limited as well', HASHING, async () => {
      const cookie = await server.signIn(person)
      const guess = (password: string) =>
        server.request('POST', '/api/v1/session/reauthenticate', {
          ...withCookie(cookie),
          body: { password },
        })
      for (let i = 0; i < GUESSES_MAX; i++) expect((await guess(`wrong ${i}`)).status).toBe(403)
      expect((await guess(person.password)).status).toBe(429)
      expect((await changePassword(person.password, 'a new long password', withCookie(cookie))).status).toBe(
        429,
      )
      server.clock.advance(WINDOW_MS)
      expect((await guess(person.password)).status).toBe(204)
    })
  })

  describe('passwords', () => {
    test('changing it ends the other sessions, not this one and no token; the old one is over', async () => {
      const [cookie, other] = [await server.signIn(person), await server.signIn(person)]
      const stranger = await server.signIn(admin)
      expect((await changePassword(person.password, 'a new long password', withCookie(cookie))).status).toBe(
        204,
      )
      expect([await use(cookie), await use(other), await use(stranger)]).toEqual([200, 401, 200])
      expect(await useToken(person.token)).toBe(200)
      expect((await signIn(person.email, person.password)).status).toBe(401)
      expect((await signIn(person.email, 'a new long password')).status).toBe(201)
      const record = (await server.records(5)).find((entry) => entry.action === 'account.password')
      expect(record).toMatchObject({ outcome: 'success', actor: { id: person.id } })
      expect(await server.dump()).not.toContain('a new long password')
    })

    test('changed with a token, it ends all sessions', async () => {
      const cookie = await server.signIn(person)
      expect(
        (await changePassword(person.password, 'a new long password', { token: person.token })).status,
      ).toBe(204)
      expect(await use(cookie)).toBe(401)
    })

    test('a wrong current password is 403, recorded, and changes nothing', async () => {
      const cookie = await server.signIn(person)
      const answer = await changePassword('wrong password', 'a new long password', withCookie(cookie))
      expect([answer.status, answer.body.code]).toEqual([403, 'account.password_wrong'])
      expect((await server.records(1))[0]).toMatchObject({
        action: 'account.password',
        outcome: 'refused',
        actor: { id: person.id },
      })
      expect((await signIn(person.email, person.password)).status).toBe(201)
    })

    test(`a password has ${limits.passwordLengthMin} to ${limits.passwordLengthMax} characters, and is not the one before`, async () => {
      const credential = { token: person.token }
      for (const next of [
        'x'.repeat(limits.passwordLengthMin - 1),
        'x'.repeat(limits.passwordLengthMax + 1),
        person.password,
      ]) {
        const answer = await changePassword(person.password, next, credential)
        expect([answer.status, answer.body.errors?.[0]?.field]).toEqual([400, 'newPassword'])
      }
      const symbols = Array.from({ length: limits.passwordLengthMax }, (_, i) => 0x1f300 + ((i * 37) % 512))
      const longest = String.fromCodePoint(...symbols)
      expect((await changePassword(person.password, longest, credential)).status).toBe(204)
      expect((await signIn(person.email, longest)).status).toBe(201)
      expect((await signIn(person.email, longest.slice(0, -2))).status, 'nothing is cut off').toBe(401)
    })

    test('a password typed composed and decomposed is one password', async () => {
      await changePassword(person.password, 'a pass\u00e9word of some length', { token: person.token })
      expect((await signIn(person.email, 'a passe\u0301word of some length')).status).toBe(201)
    })

    test('F66: a temporary password is answered once, and until it is changed nothing else works', async () => {
      const email = `new-${person.id}@example.com`
      const made = await createAccount({ email, name: 'New' })
      expect(made.status).toBe(201)
      expect(made.body.account).toMatchObject({
        email,
        name: 'New',
        role: 'member',
        mustChangePassword: true,
      })
      const { temporaryPassword } = made.body
      expect(temporaryPassword).toMatch(/^[\w-]{24}$/)
      const { accounts } = await server.ok('GET', '/api/v1/accounts', { token: admin.token })
      expect(JSON.stringify(accounts)).not.toContain(temporaryPassword)
      expect((await server.dump()) + server.log.join()).not.toContain(temporaryPassword)

      const cookie = await server.signIn({ ...person, email, password: temporaryPassword })
      expect((await server.request('GET', SESSION, withCookie(cookie))).body.account.mustChangePassword).toBe(
        true,
      )
      for (const [method, url, body] of [
        ['GET', '/api/v1/projects'],
        ['POST', '/api/v1/projects', { name: 'Mine' }],
        ['GET', '/api/v1/access-tokens'],
        ['POST', '/api/v1/access-tokens', { name: 'mine' }],
        ['GET', '/api/v1/audit'],
        ['GET', '/api/v1/accounts'],
      ] as const) {
        const answer = await server.request(method, url, { ...withCookie(cookie), ...(body && { body }) })
        expect([answer.status, answer.body.code], url).toEqual([403, 'account.password_change_required'])
      }
      const same = await changePassword(temporaryPassword, temporaryPassword, withCookie(cookie))
      expect([same.status, same.body.errors?.[0]?.field], 'who made the account knows it').toEqual([
        400,
        'newPassword',
      ])
      expect(
        (await changePassword(temporaryPassword, 'a password of my own', withCookie(cookie))).status,
      ).toBe(204)
      expect((await server.request('GET', '/api/v1/projects', withCookie(cookie))).status).toBe(200)
      expect((await server.request('GET', SESSION, withCookie(cookie))).body.account.mustChangePassword).toBe(
        false,
      )
    })
  })

  describe('administration', () => {
    test('members get 403 on everything about accounts, recorded', async () => {
      for (const [method, url, body, action] of [
        ['GET', '/api/v1/accounts', undefined, 'account.list'],
        ['POST', '/api/v1/accounts', { email: 'x@example.com', name: 'X' }, 'account.create'],
        ['PATCH', `/api/v1/accounts/${person.id}`, { role: 'admin' }, 'account.update'],
        ['PATCH', '/api/v1/accounts/usr_unknown', { name: 'X' }, 'account.update'],
      ] as const) {
        const answer = await server.request(method, url, { token: person.token, ...(body && { body }) })
        expect([answer.status, answer.body.code], url).toEqual([403, 'access.refused'])
        expect((await server.records(1))[0]).toMatchObject({
          action,
          outcome: 'refused',
          actor: { id: person.id },
        })
      }
      expect((await server.ok('GET', SESSION, { token: person.token })).account.role).toBe('member')
    })

    test('an address is taken whatever its case and width: 409, at once too', async () => {
      const email = `same-${person.id}@example.com`
      const answers = await Promise.all(
        [email, email.toUpperCase(), email, email.replace('s', '\uff53')].map((spelling) =>
          createAccount({ email: spelling, name: 'Same' }),
        ),
      )
      expect(answers.map((answer) => answer.status).sort()).toEqual([201, 409, 409, 409])
      expect((await createAccount({ email, name: 'Same' })).body.code).toBe('account.email_taken')
    })

    test('wrong addresses, names and roles are 400', async () => {
      const right = { email: 'right@example.com', name: 'Right' }
      for (const wrong of [
        { email: 'no address' },
        { email: 'a@b@c' },
        { email: ' a@b' },
        { email: 'a\u0000@b' },
        { email: `${'x'.repeat(251)}@b.c` },
        { name: ' ' },
        { name: undefined },
        { role: 'owner' },
        { password: 'chosen by the admin' },
      ])
        expect((await createAccount({ ...right, ...wrong })).status, JSON.stringify(wrong)).toBe(400)
    })

    test('disabling ends sessions and tokens at once; enabling gives back the tokens and no session', async () => {
      const cookie = await server.signIn(person)
      const second = (
        await server.ok('POST', '/api/v1/access-tokens', {
          token: person.token,
          body: { name: 'second', scopes: ['projects:read'] },
        })
      ).token
      expect([await use(cookie), await useToken(person.token), await useToken(second)]).toEqual([
        200, 200, 200,
      ])
      const disabled = await update(person.id, { isDisabled: true })
      expect(disabled.body).toMatchObject({ id: person.id, isDisabled: true })
      expect([await use(cookie), await useToken(person.token), await useToken(second)]).toEqual([
        401, 401, 401,
      ])
      expect((await server.records(1))[0]).toMatchObject({
        action: 'account.update',
        changed: ['isDisabled'],
        target: { id: person.id },
      })
      expect((await update(person.id, { isDisabled: false })).body.isDisabled).toBe(false)
      expect([await use(cookie), await useToken(person.token), await useToken(second)]).toEqual([
        401, 200, 200,
      ])
      expect((await signIn(person.email, person.password)).status).toBe(201)
    })

    test('while an account is disabled, no request that starts after the answer gets through', async () => {
      const cookie = await server.signIn(person)
      let isDisabled = false
      const storm = Array.from({ length: 4 }, async (_, n) => {
        const late: number[] = []
        for (let i = 0; i < 15; i++) {
          const startedAfter = isDisabled
          const status = n % 2 === 0 ? await use(cookie) : await useToken(person.token)
          if (startedAfter) late.push(status)
        }
        return late
      })
      expect((await update(person.id, { isDisabled: true })).status).toBe(200)
      isDisabled = true
      const late = (await Promise.all(storm)).flat()
      expect(late.length).toBeGreaterThan(0)
      expect(new Set(late)).toEqual(new Set([401]))
    })

    test('a changed role counts on the next request', async () => {
      const accounts = async () =>
        (await server.request('GET', '/api/v1/accounts', { token: person.token })).status
      expect(await accounts()).toBe(403)
      await update(person.id, { role: 'admin' })
      expect(await accounts()).toBe(200)
      await update(person.id, { role: 'member' })
      expect(await accounts()).toBe(403)
    })

    test('changing nothing makes no record; an unknown account is 404', async () => {
      const before = (await server.records(1))[0]!.index
      const answer = await update(person.id, { name: person.name, role: 'member', isDisabled: false })
      expect([answer.status, answer.body.name]).toEqual([200, person.name])
      expect((await server.records(1))[0]!.index).toBe(before)
      expect((await update('usr_unknown', { name: 'X' })).body.code).toBe('account.not_found')
      for (const body of [{}, { email: 'other@example.com' }, { mustChangePassword: false }])
        expect((await update(person.id, body)).status).toBe(400)
    })
  })
})

describe.each(databases)('the last administrator on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  beforeEach(async () => {
    ;({ server, stop } = await startServer(database))
  })
  afterEach(() => stop())
  const update = (about: TestPerson, body: object, by = about) =>
    server.request('PATCH', `/api/v1/accounts/${about.id}`, { token: by.token, body })

  test('can be neither disabled nor made a member; a disabled administrator does not count', async () => {
    const [first, second] = [await server.addPerson('admin'), await server.addPerson('admin')]
    expect((await update(second, { isDisabled: true }, first)).status).toBe(200)
    for (const body of [{ isDisabled: true }, { role: 'member' }, { role: 'member', isDisabled: true }]) {
      const answer = await update(first, body)
      expect([answer.status, answer.body.code]).toEqual([409, 'account.last_admin'])
    }
    const session = await server.ok('GET', '/api/v1/session', { token: first.token })
    expect(session.account).toMatchObject({ role: 'admin', isDisabled: false })
    expect((await update(second, { isDisabled: false }, first)).status).toBe(200)
    expect((await update(first, { role: 'member' })).status).toBe(200)
  })

  test('of administrators who disable or demote each other at the same moment one stays', async () => {
    const people = [
      await server.addPerson('admin'),
      await server.addPerson('admin'),
      await server.addPerson('admin'),
    ]
    const { storage } = server.core
    for (let round = 0; round < 6; round++) {
      const body = round % 2 === 0 ? { role: 'member' } : { isDisabled: true }
      const answers = await Promise.all(
        people.map((by, i) => update(people[(i + 1) % people.length]!, body, by)),
      )
      for (const { status, text } of answers) expect([200, 401, 403, 409], text).toContain(status)
      const rows = await storage.db.selectFrom('accounts').select(['role', 'disabled_at']).execute()
      const active = rows.filter((row) => row.role === 'admin' && row.disabled_at === null).length
      expect(active).toBe(people.length - answers.filter((answer) => answer.status === 200).length)
      expect(active).toBeGreaterThan(0)
      await storage.transaction((tx) =>
        tx.updateTable('accounts').set({ role: 'admin', disabled_at: null }).execute(),
      )
    }
  })
})

describe.each(databases)('set-up on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let code: string
  beforeEach(async () => {
    ;({ server, stop } = await startServer(database))
    code = (await server.core.accounts.newSetupCode())!.reveal()
  })
  afterEach(() => stop())

  const account = { email: 'first@example.com', name: 'First', password: 'a password of the first' }
  const setUp = (given: string, also: object = {}) =>
    server.request('POST', '/api/v1/setup', { body: { code: given, ...account, ...also } })
  const isDone = async () => (await server.ok('GET', '/api/v1/setup')).isDone
  const accounts = async () => server.core.storage.db.selectFrom('accounts').selectAll().execute()

  test('the wrong code is 403, the right one works once, then it is 409', async () => {
    expect(await isDone()).toBe(false)
    for (const wrong of [
      'x',
      code.slice(0, -1),
      code.toUpperCase(),
      `${code}0`,
      code.replace('kh_setup_', ''),
    ]) {
      const answer = await setUp(wrong)
      expect([answer.status, answer.body.code], wrong).toEqual([403, 'setup.code_wrong'])
    }
    expect(await accounts()).toEqual([])
    expect((await server.records(1))[0]).toMatchObject({
      action: 'instance.setup',
      outcome: 'refused',
      actor: { kind: 'anonymous' },
      address: '127.0.0.1',
    })

    const done = await setUp(` ${code}\n`)
    expect(done.status).toBe(201)
    expect(done.body).toEqual({
      account: {
        ...done.body.account,
        email: account.email,
        name: 'First',
        role: 'admin',
        mustChangePassword: false,
      },
    })
    expect((await server.records(1))[0]).toMatchObject({
      action: 'instance.setup',
      outcome: 'success',
      actor: { id: done.body.account.id },
    })
    expect(await isDone()).toBe(true)
    for (const given of [code, 'wrong']) {
      const again = await setUp(given, { email: 'second@example.com' })
      expect([again.status, again.body.code]).toEqual([409, 'setup.done'])
    }
    expect((await accounts()).length).toBe(1)
    expect(
      (
        await server.request('POST', '/api/v1/session', {
          body: { email: account.email, password: account.password },
        })
      ).status,
    ).toBe(201)
    const everywhere = (await server.dump()) + server.log.join()
    for (const secret of [code, code.slice(9, 40), account.password])
      expect(everywhere.includes(secret)).toBe(false)
  })

  test('with a name for it, an access token is answered once', async () => {
    const { body } = await setUp(code, { accessTokenName: 'laptop' })
    const { accessTokens } = await server.ok('GET', '/api/v1/access-tokens', { token: body.accessToken })
    expect(accessTokens).toMatchObject([{ name: 'laptop', scopes: null }])
  })

  test('20 set-ups at the same moment make exactly one administrator', HASHING, async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        setUp(code, { email: `p${i}@example.com`, accessTokenName: 'laptop' }),
      ),
    )
    const statuses = answers.map((answer) => answer.status)
    expect(statuses.filter((status) => status === 201).length).toBe(1)
    for (const status of statuses) expect([201, 409, 429]).toContain(status)
    expect((await accounts()).length).toBe(1)
    expect((await server.core.storage.db.selectFrom('access_tokens').selectAll().execute()).length).toBe(1)
  })

  test('a code made at a later start replaces the one before', async () => {
    const next = (await server.core.accounts.newSetupCode())!.reveal()
    expect((await setUp(code)).status).toBe(403)
    expect((await setUp(next)).status).toBe(201)
    expect(await server.core.accounts.newSetupCode()).toBeUndefined()
  })

  test('guesses of the code are limited per address, also when they come at once', async () => {
    const guesses = await Promise.all(Array.from({ length: 55 }, (_, i) => setUp(`guess ${i}`)))
    const statuses = guesses.map((answer) => answer.status)
    expect(statuses.filter((status) => status === 403).length).toBe(50)
    expect(statuses.filter((status) => status === 429).length).toBe(5)
    const refused = await setUp(code)
    expect([refused.status, refused.body.code]).toEqual([429, 'rate.limited'])
    server.clock.advance(WINDOW_MS)
    expect((await setUp(code)).status).toBe(201)
  })

  test('what is no set-up is 400 and uses up no guess', async () => {
    for (let i = 0; i < GUESSES_MAX + 1; i++)
      for (const wrong of [
        { password: 'too short' },
        { email: 'no address' },
        { name: ' ' },
        { role: 'admin' },
      ])
        expect((await setUp(code, wrong)).status).toBe(400)
    expect((await setUp(code)).status).toBe(201)
  })

  test('an operator who makes the first account ends the set-up', async () => {
    const operator = { caller: { kind: 'operator' }, origin: { traceId: 'test' } } as const
    const password = new Secret(account.password)
    await server.core.accounts.create(operator, { ...account, role: 'admin', password })
    expect(await isDone()).toBe(true)
    expect((await setUp(code, { email: 'second@example.com' })).status).toBe(409)
  })
})
