import { TOTP } from 'otpauth'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { passwordProblem } from '../src/accounts/password-rules.ts'
import { databases, startServer, type TestPerson, type TestServer } from './kit.ts'

// Each sign-in hashes, which takes long on purpose, and longer where the machine is busy.
vi.setConfig({ testTimeout: 120_000 })

const owner = { email: 'ada.lovelace@example.com', name: 'Ada Lovelace', hasSecondFactor: false }

describe('new passwords (NIST SP 800-63B-4)', () => {
  test.each([
    ['fourteen chars', 'fewer than 15'],
    ['🔑'.repeat(14), 'fewer than 15'],
    ['passwordpassword', 'guessed first'],
    ['CorrectHorseBatteryStaple', 'guessed first'],
    ['correct horse battery staple', 'guessed first'],
    ['aaaaaaaaaaaaaaaaaa', 'repetition'],
    ['abcabcabcabcabcabc', 'repetition'],
    ['123456789012345', 'run'],
    ['zyxwvutsrqponmlkji', 'run'],
    ['Lovelace-Lovelace1', 'little more than'],
    ['keyhold-example-12', 'little more than'],
    ['password.keyhold.9', 'little more than'],
  ])('%s is refused', (password, why) => {
    expect(passwordProblem(password, owner)).toContain(why)
  })
  test.each([
    'fifteen charact',
    'my keyhold is in example street',
    'пароль из пятнадцати',
    'Lovelace wrote the first program',
    '🔑🐴🔋📎🐘🦒🌵🍕🎸🚲⛵🧲🧵🪁🎲',
  ])('%s will do, whatever kinds of characters it has', (password) => {
    expect(passwordProblem(password, owner)).toBeUndefined()
  })
  test('eight will do with a second factor, not the common ones', () => {
    const withFactor = { ...owner, hasSecondFactor: true }
    expect(passwordProblem('x7-quzb!', withFactor)).toBeUndefined()
    expect(passwordProblem('x7-quzb', withFactor)).toContain('fewer than 8')
    for (const common of ['Password1', 'QWERTYUI', '12345678', '87654321', 'iloveyou', 'Lovelace'])
      expect([common, passwordProblem(common, withFactor)]).toEqual([common, expect.any(String)])
  })
})

describe.each(databases)('short passwords on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let person: TestPerson
  const SHORT = 'x7-quzb!'

  beforeAll(async () => {
    ;({ server, stop } = await startServer(database))
    server.clock.stand()
  })
  afterAll(() => stop())
  beforeEach(async () => {
    server.clock.advance(6 * 60_000)
    person = await server.addPerson()
  })

  const post = (path: string, body: object) => server.request('POST', path, { token: person.token, body })
  const change = (currentPassword: string, newPassword: string) =>
    post('/api/v1/account/password', { currentPassword, newPassword })

  async function enable(): Promise<() => string> {
    const begun = await post('/api/v1/second-factor/totp', { password: person.password })
    const totp = new TOTP({ secret: begun.body.secret })
    const code = () => {
      server.clock.advance(30_000)
      return totp.generate({ timestamp: server.clock.now().getTime() })
    }
    expect((await post('/api/v1/second-factor/totp/confirm', { code: code() })).status).toBe(200)
    return code
  }

  test('are for accounts with a second factor, whose last factor stays until the password is long', async () => {
    const refused = await change(person.password, SHORT)
    expect([refused.status, refused.body.errors]).toEqual([
      400,
      [{ field: 'newPassword', message: 'has fewer than 15 characters' }],
    ])
    const code = await enable()
    expect((await change(person.password, SHORT)).status).toBe(204)
    const off = async (password: string) => post('/api/v1/second-factor/delete', { password, code: code() })
    const kept = await off(SHORT)
    expect([kept.status, kept.body.code]).toEqual([409, 'second_factor.password_short'])
    const long = 'a long one that nobody guesses'
    expect((await change(SHORT, long)).status).toBe(204)
    expect((await off(long)).status).toBe(204)
    expect((await change(long, SHORT)).status).toBe(400)
  })

  test('have to be changed when an administrator turns the factor off', async () => {
    await enable()
    expect((await change(person.password, SHORT)).status).toBe(204)
    const admin = await server.addPerson('admin')
    const reset = { token: admin.token }
    await server.ok('DELETE', `/api/v1/accounts/${person.id}/second-factor`, reset)
    const signedIn = await server.request('POST', '/api/v1/session', {
      body: { email: person.email, password: SHORT },
    })
    expect(signedIn.body.account.mustChangePassword).toBe(true)
    const list = await server.request('GET', '/api/v1/projects', { token: person.token })
    expect(list.body.code).toBe('account.password_change_required')
  })

  test('the name and the address of the account are no password, when it is set up and when it is changed', async () => {
    const own = await change(person.password, `${person.email} 1`)
    expect([own.status, own.body.errors[0].field]).toEqual([400, 'newPassword'])
    expect(own.text).not.toContain(person.email)
  })
})
