import { generateKeyPairSync } from 'node:crypto'
import { TOTP } from 'otpauth'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Answer, databases, startServer, type TestPerson, type TestServer } from './kit.ts'
import { type Mistake, SoftAuthenticator } from './passkey-kit.ts'

const ORIGIN = 'http://localhost:8080'
const MINUTE_MS = 60_000

/** Everything that a browser or an authenticator may get wrong, on purpose or not. */
const mistakes: readonly (readonly [string, Mistake])[] = [
  ['a page of another origin', { origin: 'https://evil.example' }],
  ['a page of another port', { origin: 'http://localhost:8081' }],
  ['a page in a frame of another site', { crossOrigin: true }],
  ['a page in a frame that names its top', { crossOrigin: true, topOrigin: 'https://evil.example' }],
  ['a top origin without being cross-origin', { topOrigin: ORIGIN }],
  ['another RP ID', { rpId: 'evil.example' }],
  ['a challenge of its own', { challenge: 'x'.repeat(43) }],
  ['the other ceremony', { type: 'payment.get' }],
  ['nobody verified', { flags: 0x01 }],
  ['nobody present', { flags: 0x04 }],
]

const cookieOf = (answer: Answer) =>
  answer.headers
    .getSetCookie()
    .map((cookie) => cookie.split(';')[0]!)
    .join('; ')

describe.each(databases)('passkeys on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let person: TestPerson
  let cookie: string

  beforeAll(async () => {
    ;({ server, stop } = await startServer(database))
  })
  afterAll(() => stop())
  beforeEach(async () => {
    // Wrong answers are counted in windows of five minutes.
    server.clock.advance(6 * MINUTE_MS)
    person = await server.addPerson()
    cookie = await server.newSession(person)
  })

  const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    server.request('POST', path, { headers, body })

  async function beginAdding(session = cookie) {
    const begun = await post('/api/v1/passkeys/options', {}, { cookie: session })
    expect([begun.status, begun.text]).toEqual([200, expect.anything()])
    return { options: begun.body, cookie: `${session}; ${cookieOf(begun)}` }
  }

  async function add(name = 'laptop', session = cookie) {
    const authenticator = new SoftAuthenticator(ORIGIN)
    const begun = await beginAdding(session)
    const credential = authenticator.create(begun.options)
    const added = await post('/api/v1/passkeys', { name, credential }, { cookie: begun.cookie })
    expect([added.status, added.text]).toEqual([201, expect.anything()])
    return { authenticator, passkey: added.body.passkey, recoveryCodes: added.body.recoveryCodes as string[] }
  }

  async function beginSignIn() {
    const begun = await post('/api/v1/session/passkey/options', undefined)
    return { options: begun.body, cookie: cookieOf(begun) }
  }

  async function signIn(authenticator: SoftAuthenticator, mistake: Mistake = {}): Promise<Answer> {
    const begun = await beginSignIn()
    const credential = authenticator.get(begun.options, mistake)
    return post('/api/v1/session/passkey', { credential }, { cookie: begun.cookie })
  }

  async function beginConfirming(session: string) {
    const begun = await post('/api/v1/session/reauthenticate/passkey/options', undefined, { cookie: session })
    return { options: begun.body, cookie: `${session}; ${cookieOf(begun)}` }
  }

  async function confirm(authenticator: SoftAuthenticator, session: string, mistake: Mistake = {}) {
    const begun = await beginConfirming(session)
    const credential = authenticator.get(begun.options, mistake)
    return post('/api/v1/session/reauthenticate/passkey', { credential }, { cookie: begun.cookie })
  }

  const list = async () => (await server.ok('GET', '/api/v1/passkeys', { token: person.token })).passkeys
  const signInByPassword = (code?: string) =>
    post('/api/v1/session', { email: person.email, password: person.password, ...(code && { code }) })
  const lastRecord = async (action: string) =>
    (await server.records()).find((record) => record.action === action)

  test('one is added, listed without its key, renamed, and signs in without address and password', async () => {
    const { authenticator, passkey } = await add('my laptop')
    expect(passkey).toEqual({
      id: expect.stringMatching(/^psk_/),
      name: 'my laptop',
      aaguid: null,
      transports: ['internal', 'hybrid'],
      isSynced: false,
      createdAt: expect.any(String),
      lastUsedAt: null,
    })
    expect(await lastRecord('passkey.create')).toMatchObject({
      outcome: 'success',
      actor: { id: person.id },
      target: { kind: 'passkey', id: passkey.id, name: 'my laptop' },
    })
    const answer = await signIn(authenticator)
    expect([answer.status, answer.body.account.id]).toEqual([201, person.id])
    const session = cookieOf(answer)
    const { sessions } = await server.ok('GET', '/api/v1/sessions', { headers: { cookie: session } })
    expect(sessions.find((one: { isCurrent: boolean }) => one.isCurrent).signedInBy).toBe('passkey')
    expect(sessions.find((one: { isCurrent: boolean }) => !one.isCurrent).signedInBy).toBe('password')
    const renamed = await server.ok('PATCH', `/api/v1/passkeys/${passkey.id}`, {
      token: person.token,
      body: { name: 'old laptop' },
    })
    expect(renamed).toMatchObject({ name: 'old laptop', lastUsedAt: expect.any(String) })
    expect(await list()).toEqual([renamed])
  })

  test('what is asked for wants a discoverable passkey and a verified user, of this site, and none twice', async () => {
    const { authenticator } = await add()
    const { options } = await beginAdding()
    expect(options).toMatchObject({
      rp: { id: 'localhost', name: 'Keyhold' },
      user: { id: Buffer.from(person.id).toString('base64url'), name: person.email },
      timeout: 5 * MINUTE_MS,
      excludeCredentials: [{ type: 'public-key', id: authenticator.id, transports: ['internal', 'hybrid'] }],
      authenticatorSelection: {
        residentKey: 'required',
        requireResidentKey: true,
        userVerification: 'required',
      },
      attestation: 'none',
    })
    const begun = await beginSignIn()
    expect(begun.options).toMatchObject({
      rpId: 'localhost',
      userVerification: 'required',
      allowCredentials: [],
    })
    expect(Buffer.from(begun.options.challenge, 'base64url')).toHaveLength(32)
  })

  test('attestation that nobody asked for is not looked at, whatever it says', async () => {
    for (const format of ['packed', 'android-safetynet', 'tpm', 'nonsense']) {
      const authenticator = new SoftAuthenticator(ORIGIN)
      const begun = await beginAdding()
      const credential = authenticator.create(begun.options, { format })
      const added = await post('/api/v1/passkeys', { name: format, credential }, { cookie: begun.cookie })
      expect([format, added.status]).toEqual([format, 201])
      expect((await signIn(authenticator)).status).toBe(201)
    }
  })

  test.each([...mistakes, ['an algorithm of its own', { alg: -65_535 }] as const])(
    'adding is refused: %s',
    async (_what, mistake) => {
      const begun = await beginAdding()
      const credential = new SoftAuthenticator(ORIGIN).create(begun.options, mistake)
      const answer = await post('/api/v1/passkeys', { name: 'x', credential }, { cookie: begun.cookie })
      expect([answer.status, answer.body.code]).toEqual([403, 'passkey.refused'])
      expect(await list()).toEqual([])
      expect(await lastRecord('passkey.create')).toMatchObject({
        outcome: 'refused',
        reason: 'passkey.refused',
        actor: { id: person.id },
      })
    },
  )

  test.each([
    ...mistakes,
    ['the signature of another key', { key: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey }],
    ['no signature', { signature: Buffer.from([1]) }],
    [
      'another person’s handle',
      { userHandle: Buffer.from('usr_00000000000000000000').toString('base64url') },
    ],
    ['no handle', { userHandle: null }],
  ] as const)('signing in is refused, with one answer: %s', async (_what, mistake) => {
    const { authenticator } = await add()
    const unknown = await signIn(new SoftAuthenticator(ORIGIN), {
      userHandle: Buffer.from(person.id).toString('base64url'),
    })
    const answer = await signIn(authenticator, mistake)
    const shown = ({ body }: Answer) => ({ ...body, traceId: undefined })
    expect([answer.status, shown(answer)]).toEqual([401, shown(unknown)])
    expect(answer.body.code).toBe('sign_in.passkey_failed')
    expect(answer.headers.getSetCookie()).toEqual([])
    expect(await lastRecord('session.create')).toMatchObject({
      outcome: 'refused',
      reason: 'sign_in.passkey_failed',
    })
    expect((await signIn(authenticator)).status).toBe(201)
  })

  test('an answer is good once, in the browser that asked, for five minutes, for what was asked', async () => {
    const { authenticator } = await add()
    const begun = await beginSignIn()
    const send = (credential: object, headers: Record<string, string>) =>
      post('/api/v1/session/passkey', { credential }, headers)
    const first = authenticator.get(begun.options)
    // Of the same answer twice at once, one gets in.
    const twice = await Promise.all([1, 2, 3].map(() => send(first, { cookie: begun.cookie })))
    expect(twice.map(({ status }) => status).sort()).toEqual([201, 401, 401])
    expect((await send(authenticator.get(begun.options), { cookie: begun.cookie })).status).toBe(401)
    // Another browser, or none.
    const other = await beginSignIn()
    const again = await beginSignIn()
    expect((await send(authenticator.get(again.options), { cookie: other.cookie })).status).toBe(401)
    expect((await send(authenticator.get(again.options), {})).status).toBe(401)
    expect((await send(authenticator.get(again.options), { cookie: again.cookie })).status).toBe(201)
    // Too late.
    const late = await beginSignIn()
    server.clock.advance(5 * MINUTE_MS + 1)
    expect((await send(authenticator.get(late.options), { cookie: late.cookie })).status).toBe(401)
    // Something else was asked.
    const confirming = await beginConfirming(cookie)
    expect((await send(authenticator.get(confirming.options), { cookie: confirming.cookie })).status).toBe(
      401,
    )
  })

  test('begun attempts that nobody finished are deleted', async () => {
    await beginSignIn()
    server.clock.advance(6 * MINUTE_MS)
    await server.core.signInAttempts.discardExpired()
    expect(await server.core.storage.db.selectFrom('sign_in_attempts').selectAll().execute()).toEqual([])
  })

  test('a counter that goes back is refused and recorded: the passkey was copied', async () => {
    const { authenticator, passkey } = await add()
    expect((await signIn(authenticator, { signCount: 7 })).status).toBe(201)
    for (const signCount of [7, 6, 0]) {
      const answer = await signIn(authenticator, { signCount })
      expect([signCount, answer.status, answer.body.code]).toEqual([signCount, 403, 'passkey.copied'])
      expect(await lastRecord('session.create')).toMatchObject({
        outcome: 'refused',
        reason: 'passkey.copied',
        actor: { id: person.id },
      })
    }
    expect((await signIn(authenticator, { signCount: 8 })).status).toBe(201)
    expect((await list())[0].id).toBe(passkey.id)
    // One that does not count stays at 0.
    const silent = new SoftAuthenticator(ORIGIN)
    const begun = await beginAdding()
    const credential = silent.create(begun.options, { signCount: 0 })
    expect((await post('/api/v1/passkeys', { name: 'x', credential }, { cookie: begun.cookie })).status).toBe(
      201,
    )
    for (let i = 0; i < 2; i++) expect((await signIn(silent, { signCount: 0 })).status).toBe(201)
  })

  test('of two uses with one count at once, one gets in', async () => {
    const { authenticator } = await add()
    const begun = await Promise.all([1, 2, 3].map(beginSignIn))
    const answers = await Promise.all(
      begun.map(({ options, cookie: browser }) =>
        post(
          '/api/v1/session/passkey',
          { credential: authenticator.get(options, { signCount: 50 }) },
          { cookie: browser },
        ),
      ),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 403, 403])
  })

  test('it is a second factor: the password alone no longer signs in, and the passkey meets what is required', async () => {
    expect((await signInByPassword()).status).toBe(201)
    const { authenticator, recoveryCodes } = await add()
    expect(recoveryCodes).toHaveLength(10)
    expect((await signInByPassword()).body.code).toBe('sign_in.code_required')
    // With no authenticator app there is no code of six digits.
    expect((await signInByPassword('000000')).body.code).toBe('sign_in.failed')
    expect((await signInByPassword(recoveryCodes[0])).status).toBe(201)
    expect((await add('second')).recoveryCodes).toEqual([])
    expect(await server.ok('GET', '/api/v1/second-factor', { token: person.token })).toEqual({
      totp: null,
      passkeys: 2,
      recoveryCodesLeft: 9,
      isRequired: false,
    })
    const admin = await server.addPerson('admin')
    const require = (requireSecondFactor: boolean) =>
      server.core.settings.update({ caller: { kind: 'operator' }, origin: { traceId: 'test' } } as never, {
        requireSecondFactor,
      })
    await require(true)
    try {
      const session = { cookie: cookieOf(await signIn(authenticator)) }
      expect((await server.request('GET', '/api/v1/projects', { headers: session })).status).toBe(200)
      const refused = await server.request('GET', '/api/v1/projects', { token: admin.token })
      expect(refused.body.code).toBe('second_factor.required')
      // The last one stays; before it is the last, not.
      const [one, two] = await list()
      const remove = (id: string) => post(`/api/v1/passkeys/${id}/delete`, {}, session)
      expect((await remove(two.id)).status).toBe(204)
      expect((await remove(one.id)).body.code).toBe('second_factor.required')
      expect(await list()).toHaveLength(1)
    } finally {
      await require(false)
    }
  })

  test('one that was begun in an authenticator app and not confirmed gives no codes, whatever else there is', async () => {
    const begun = await server.ok('POST', '/api/v1/second-factor/totp', {
      token: person.token,
      body: { password: person.password },
    })
    await add()
    const code = new TOTP({ secret: begun.secret }).generate({ timestamp: server.clock.now().getTime() })
    expect((await signInByPassword(code)).body.code).toBe('sign_in.failed')
  })

  test('an authenticator app beside a passkey takes a fresh session or a recovery code: a token and the password do not do', async () => {
    const beginApp = (who: object, code?: string) =>
      server.request('POST', '/api/v1/second-factor/totp', {
        ...who,
        body: { password: person.password, ...(code !== undefined && { code }) },
      })
    const confirmApp = (secret: string) =>
      server.request('POST', '/api/v1/second-factor/totp/confirm', {
        token: person.token,
        body: { code: new TOTP({ secret }).generate({ timestamp: server.clock.now().getTime() }) },
      })
    const token = { token: person.token }
    // What was begun with the password alone does not wait for the passkey to come.
    const early = await beginApp(token)
    expect(early.status).toBe(201)
    server.clock.advance(1_000)
    const { recoveryCodes } = await add()
    expect((await confirmApp(early.body.secret)).body.code).toBe('second_factor.not_begun')

    expect((await beginApp(token)).body.code).toBe('second_factor.code_wrong')
    expect((await beginApp(token, '000000')).body.code).toBe('second_factor.code_wrong')
    expect(await lastRecord('second-factor.begin')).toMatchObject({
      outcome: 'refused',
      reason: 'second_factor.code_wrong',
      actor: { id: person.id },
    })
    expect((await signInByPassword(recoveryCodes[1])).status).toBe(201)

    const session = { headers: { cookie } }
    server.clock.advance(11 * MINUTE_MS)
    expect((await beginApp(session)).body.code).toBe('session.reauthentication_required')
    server.clock.advance(1_000)
    const begun = await beginApp(token, recoveryCodes[0])
    expect(begun.status).toBe(201)
    expect((await confirmApp(begun.body.secret)).status).toBe(200)
    expect((await beginApp(token)).body.code).toBe('second_factor.exists')
  })

  test('confirms that it is you as password and code do; another person’s, another browser’s and a wrong one do not', async () => {
    const { authenticator } = await add()
    server.clock.advance(11 * MINUTE_MS)
    const begin = () => post('/api/v1/passkeys/options', {}, { cookie })
    expect((await begin()).body.code).toBe('session.reauthentication_required')
    for (const [what, mistake] of mistakes) {
      const refused = await confirm(authenticator, cookie, mistake)
      expect([what, refused.body.code]).toEqual([what, 'passkey.refused'])
      server.clock.advance(MINUTE_MS)
    }
    server.clock.advance(5 * MINUTE_MS)
    expect((await begin()).body.code).toBe('session.reauthentication_required')
    const mine = person
    const myCookie = cookie
    person = await server.addPerson()
    const theirs = await add('theirs', await server.newSession(person))
    expect((await confirm(theirs.authenticator, myCookie)).body.code).toBe('passkey.refused')
    person = mine
    const answer = await confirm(authenticator, cookie)
    expect([answer.status, answer.text]).toEqual([204, ''])
    expect((await begin()).status).toBe(200)
    expect(await lastRecord('session.reauthenticate')).toMatchObject({
      outcome: 'success',
      actor: { id: person.id },
    })
  })

  test('confirms also while a stranger guesses the password', async () => {
    const { authenticator } = await add()
    const guess = () =>
      post('/api/v1/session', { email: person.email, password: 'a password that is a guess' })
    const guesses = await Promise.all(Array.from({ length: 12 }, guess))
    expect(guesses.map(({ status }) => status)).toContain(429)
    expect((await confirm(authenticator, cookie)).status).toBe(204)
  })

  test('is of one account: what is registered is not registered again, also not by another person', async () => {
    const { authenticator } = await add()
    for (const session of [cookie, await server.newSession(await server.addPerson())]) {
      const begun = await beginAdding(session)
      const credential = authenticator.create(begun.options)
      const answer = await post('/api/v1/passkeys', { name: 'x', credential }, { cookie: begun.cookie })
      expect([answer.status, answer.body.code]).toEqual([409, 'passkey.exists'])
    }
  })

  test('what one session began another does not finish', async () => {
    const begun = await beginAdding()
    const other = await server.newSession(person)
    const credential = new SoftAuthenticator(ORIGIN).create(begun.options)
    const browser = begun.cookie.split('; ')[1]
    const answer = await post(
      '/api/v1/passkeys',
      { name: 'x', credential },
      { cookie: `${other}; ${browser}` },
    )
    expect(answer.body.code).toBe('passkey.refused')
  })

  test('a token changes no factor without the password, and a code where there is one', async () => {
    const send = (path: string, body: object) => server.request('POST', path, { token: person.token, body })
    const options = '/api/v1/passkeys/options'
    const without = await send(options, {})
    expect([without.status, without.body.errors[0].field]).toEqual([400, 'password'])
    expect((await send(options, { password: 'not the password of anybody' })).body.code).toBe(
      'account.password_wrong',
    )
    expect((await send(options, { password: person.password })).status).toBe(200)
    const { passkey, recoveryCodes } = await add()
    const remove = `/api/v1/passkeys/${passkey.id}/delete`
    expect((await send(remove, { password: person.password })).body.code).toBe('second_factor.code_wrong')
    expect((await send(remove, {})).status).toBe(400)
    expect(await list()).toHaveLength(1)
    const [code] = recoveryCodes
    expect((await send(remove, { password: person.password, code })).status).toBe(204)
    expect(await list()).toEqual([])
    expect((await signInByPassword()).status).toBe(201)
  })

  test('removed, it signs nobody in; the other sessions end when that is wished (ASVS 7.4.3)', async () => {
    const { authenticator, passkey } = await add()
    const session = cookieOf(await signIn(authenticator))
    const remove = await post(`/api/v1/passkeys/${passkey.id}/delete`, { endOtherSessions: true }, { cookie })
    expect(remove.status).toBe(204)
    expect((await signIn(authenticator)).status).toBe(401)
    const get = (one: string) => server.request('GET', '/api/v1/session', { headers: { cookie: one } })
    expect((await get(session)).status).toBe(401)
    expect((await get(cookie)).status).toBe(200)
    const records = await server.records(3)
    expect(records.map(({ action }) => action)).toContain('session.end')
  })

  test('a disabled account signs in by none, and gets the answer of an unknown passkey', async () => {
    const { authenticator } = await add()
    const admin = await server.addPerson('admin')
    const session = cookieOf(await signIn(authenticator))
    const update = (isDisabled: boolean) =>
      server.ok('PATCH', `/api/v1/accounts/${person.id}`, { token: admin.token, body: { isDisabled } })
    await update(true)
    expect((await server.request('GET', '/api/v1/session', { headers: { cookie: session } })).status).toBe(
      401,
    )
    expect((await signIn(authenticator)).body.code).toBe('sign_in.passkey_failed')
    await update(false)
    expect((await signIn(authenticator)).status).toBe(201)
  })

  test('another person’s passkey is 404 and stays', async () => {
    const { passkey } = await add()
    const other = await server.addPerson()
    const rename = await server.request('PATCH', `/api/v1/passkeys/${passkey.id}`, {
      token: other.token,
      body: { name: 'mine' },
    })
    const remove = await server.request('POST', `/api/v1/passkeys/${passkey.id}/delete`, {
      token: other.token,
      body: { password: other.password },
    })
    expect([rename.status, remove.status]).toEqual([404, 404])
    expect((await list())[0].name).toBe('laptop')
  })

  test('guessing is limited like guessing passwords, and so is beginning', async () => {
    const stranger = new SoftAuthenticator(ORIGIN)
    const statuses: number[] = []
    for (let i = 0; i < 51; i++) statuses.push((await signIn(stranger)).status)
    expect([statuses[0], statuses[49], statuses[50]]).toEqual([401, 401, 429])
    server.clock.advance(6 * MINUTE_MS)
    let last = 0
    for (let i = 0; i < 301; i++) last = (await post('/api/v1/session/passkey/options', undefined)).status
    expect(last).toBe(429)
  })

  test('at most 20, also when two are added at once', async () => {
    const begun = []
    for (let i = 0; i < 19; i++) await add(`key ${i}`)
    for (let i = 0; i < 2; i++) begun.push(await beginAdding())
    const answers = await Promise.all(
      begun.map(({ options, cookie: browser }) =>
        post(
          '/api/v1/passkeys',
          { name: 'x', credential: new SoftAuthenticator(ORIGIN).create(options) },
          { cookie: browser },
        ),
      ),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409])
    expect((await post('/api/v1/passkeys/options', {}, { cookie })).body.code).toBe('passkey.limit')
  })
})

test('an address of numbers, and plain HTTP elsewhere than here, have no passkeys, and say so', async () => {
  const { server, stop } = await startServer('sqlite', { KEYHOLD_PUBLIC_URL: 'http://127.0.0.1:8080' })
  try {
    const answer = await server.request('POST', '/api/v1/session/passkey/options')
    expect([answer.status, answer.body.code]).toEqual([409, 'passkey.unavailable'])
  } finally {
    await stop()
  }
})
