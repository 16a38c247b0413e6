import { TOTP } from 'otpauth'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Answer, databases, startServer, type TestPerson, type TestServer } from './kit.ts'
import { CLIENT_ID, CLIENT_SECRET, type Spoiled, TestProvider } from './oidc-kit.ts'
import { SoftAuthenticator } from './passkey-kit.ts'

const MINUTE_MS = 60_000

const cookiesOf = (answer: Answer) =>
  answer.headers
    .getSetCookie()
    .filter((cookie) => !cookie.includes('Max-Age=0'))
    .map((cookie) => cookie.split(';')[0]!)
    .join('; ')

describe.each(databases)('signing in at an identity provider on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let admin: TestPerson
  let provider: TestProvider
  let providerId: string
  let subjects = 0

  beforeAll(async () => {
    ;({ server, stop } = await startServer(database, { KEYHOLD_OUTGOING_ALLOW: '127.0.0.0/8' }))
    admin = await server.addPerson('admin')
    provider = await TestProvider.start(() => [redirectUri(providerId ?? 'idp_none')])
    providerId = (await register(provider.issuer)).id
  })
  afterAll(async () => {
    await provider.stop()
    await stop()
  })
  beforeEach(async () => {
    server.clock.advance(6 * MINUTE_MS)
    subjects += 1
    const email = `someone${subjects}@example.com`
    provider.someone = { sub: `sub-${subjects}`, email, email_verified: true, name: `Some One ${subjects}` }
    provider.spoiled = undefined
    await change({
      createsAccounts: true,
      allowedEmailDomains: ['example.com'],
      requiredClaim: null,
      isEmailTrusted: false,
      trustedAmr: [],
      trustedAcr: [],
    })
  })

  const redirectUri = (id: string) => `http://localhost:8080/api/v1/identity-providers/callback/${id}`
  const register = (issuer: string, wish: object = {}) =>
    server.ok('POST', '/api/v1/identity-providers', {
      token: admin.token,
      body: { issuer, label: 'Example SSO', clientId: CLIENT_ID, clientSecret: CLIENT_SECRET, ...wish },
    })
  const change = (wish: object) =>
    server.ok('PATCH', `/api/v1/identity-providers/${providerId}`, { token: admin.token, body: wish })
  const post = (path: string, body: unknown, cookie?: string) =>
    server.request('POST', path, { body, ...(cookie && { headers: { cookie } }) })

  /** @returns where the browser was sent back to, as a path of the server, and its cookie. */
  async function visitProvider(path = '/api/v1/session/identity-provider', cookie?: string) {
    const begun = await post(path, { providerId }, cookie)
    expect([begun.status, begun.text]).toEqual([200, expect.anything()])
    expect(begun.headers.getSetCookie()[0]).toMatch(/HttpOnly; SameSite=Lax; Max-Age=300$/)
    const back = await provider.visit(begun.body.authorizationUrl)
    return { path: back.pathname + back.search, cookie: cookiesOf(begun) }
  }

  const comeBack = ({ path, cookie }: { path: string; cookie: string }) =>
    server.request('GET', path, { headers: { cookie } })
  const signIn = async () => comeBack(await visitProvider())
  const session = (cookie: string) => server.ok('GET', '/api/v1/session', { headers: { cookie } })
  const lastRecord = async (action: string) =>
    (await server.records()).find((record) => record.action === action)

  /** Makes a session that was authenticated long ago of it. */
  const age = async (cookie: string) => {
    const { id } = (await server.ok('GET', '/api/v1/sessions', { headers: { cookie } })).sessions.find(
      (one: { isCurrent: boolean }) => one.isCurrent,
    )
    await server.core.storage.transaction((tx) =>
      tx.updateTable('sessions').set({ authenticated_at: 1 }).where('id', '=', id).execute(),
    )
  }

  test('the first sign-in makes an account, the second finds it by subject, whatever the address is by then', async () => {
    const answer = await signIn()
    expect([answer.status, answer.text]).toEqual([200, expect.stringContaining('Signed in')])
    const cookie = cookiesOf(answer)
    expect(answer.headers.getSetCookie().find((one) => one.startsWith('keyhold_session'))).toMatch(
      /HttpOnly; SameSite=Strict/,
    )
    const first = await session(cookie)
    expect(first.account).toMatchObject({ email: provider.someone.email, role: 'member' })
    expect(await lastRecord('account.create')).toMatchObject({ target: { id: first.account.id } })
    provider.someone = { ...provider.someone, email: 'renamed@example.com' }
    const again = await session(cookiesOf(await signIn()))
    expect(again.account).toMatchObject({ id: first.account.id, email: first.account.email })
    const { sessions } = await server.ok('GET', '/api/v1/sessions', { headers: { cookie } })
    expect(sessions[0].signedInBy).toBe('Example SSO')
    expect(await lastRecord('session.create')).toMatchObject({
      outcome: 'success',
      actor: { id: first.account.id },
    })
  })

  test('asks with PKCE, state, nonce and the registered redirect URI', async () => {
    await signIn()
    const { asked } = provider
    expect(asked.get('redirect_uri')).toBe(redirectUri(providerId))
    expect(asked.get('code_challenge_method')).toBe('S256')
    for (const name of ['state', 'nonce', 'code_challenge'])
      expect([name, asked.get(name)]).toEqual([name, expect.stringMatching(/^[\w-]{43}$/)])
    expect(asked.get('scope')).toBe('openid email profile')
    expect(asked.get('prompt')).toBeNull()
  })

  const spoilings: readonly (readonly [string, Spoiled])[] = [
    ['another nonce', { claims: { nonce: 'x' } }],
    ['no nonce', { claims: { nonce: undefined } }],
    ['another audience', { claims: { aud: 'somebody-else' } }],
    ['a second audience and another party', { claims: { aud: [CLIENT_ID, 'x'], azp: 'x' } }],
    ['another issuer', { claims: { iss: 'https://evil.example' } }],
    ['an expired token', { claims: { exp: Math.floor(Date.now() / 1000) - 3600 } }],
    ['a token of tomorrow', { claims: { nbf: Math.floor(Date.now() / 1000) + 86_400 } }],
    ['no signature (alg none)', { signature: 'none' }],
    ['a signature with the client secret', { signature: 'hmac' }],
    ['a signature by a key that is not published', { signature: 'foreign' }],
    ['a key that the token names itself (jwk)', { signature: 'foreign', header: { jwk: { kty: 'RSA' } } }],
    [
      'a key at an address of the token (jku)',
      { signature: 'foreign', header: { jku: 'http://127.0.0.1:9/keys' } },
    ],
    [
      'a certificate at an address of the token (x5u)',
      { signature: 'foreign', header: { x5u: 'http://127.0.0.1:9/c' } },
    ],
    ['an extension that has to be understood', { header: { crit: ['x'], x: 1 } }],
    ['no subject', { claims: { sub: undefined } }],
    ['a subject that is no text of RFC length', { claims: { sub: 'x'.repeat(256) } }],
  ]
  test.each(spoilings)('is refused and recorded: %s', async (_what, spoiled) => {
    provider.spoiled = spoiled
    const answer = await signIn()
    expect([answer.status, answer.text]).toEqual([403, expect.stringContaining('Not signed in')])
    expect(answer.headers.getSetCookie().some((cookie) => cookie.startsWith('keyhold_session'))).toBe(false)
    expect(await lastRecord('session.create')).toMatchObject({
      outcome: 'refused',
      reason: 'sign_in.provider_refused',
      target: { kind: 'identity-provider', id: providerId },
    })
    expect(await server.core.accounts.findByEmail(provider.someone.email!)).toBeUndefined()
  })

  test('an answer is good once, for five minutes, in the browser that began, with its own state and issuer', async () => {
    const back = await visitProvider()
    const twice = await Promise.all([comeBack(back), comeBack(back)])
    expect(twice.map(({ status }) => status).sort()).toEqual([200, 400])
    const other = await visitProvider()
    const mine = await visitProvider()
    expect((await comeBack({ path: mine.path, cookie: other.cookie })).status).toBe(400)
    expect((await comeBack({ path: mine.path, cookie: '' })).status).toBe(400)
    expect((await comeBack(mine)).status).toBe(200)
    const late = await visitProvider()
    server.clock.advance(5 * MINUTE_MS + 1)
    expect((await comeBack(late)).status).toBe(400)
    // RFC 9207: the provider says in its answer who it is.
    const mixed = await visitProvider()
    expect(mixed.path).toContain('iss=')
    const swapped = mixed.path.replace(/iss=[^&]+/, `iss=${encodeURIComponent('https://evil.example')}`)
    expect((await comeBack({ ...mixed, path: swapped })).status).toBe(403)
    const stripped = await visitProvider()
    expect((await comeBack({ ...stripped, path: stripped.path.replace(/&?iss=[^&]+/, '') })).status).toBe(403)
    // Another provider's callback is no place for it.
    const lost = await visitProvider()
    const elsewhere = lost.path.replace(providerId, 'idp_00000000000000000000')
    expect((await comeBack({ ...lost, path: elsewhere })).status).toBe(400)
  })

  test('an address alone signs nobody in: an existing account has to be linked by its person', async () => {
    const person = await server.addPerson()
    provider.someone = { ...provider.someone, email: person.email.toUpperCase(), email_verified: true }
    const refused = await signIn()
    expect([refused.status, refused.text]).toEqual([403, expect.stringContaining('not linked')])
    // Linking takes a session that has just been confirmed; a token cannot.
    expect(
      (await server.request('POST', '/api/v1/identity-links', { token: person.token, body: { providerId } }))
        .status,
    ).toBe(403)
    const cookie = await server.newSession(person)
    await age(cookie)
    expect((await post('/api/v1/identity-links', { providerId }, cookie)).body.code).toBe(
      'session.reauthentication_required',
    )
    const fresh = await server.newSession(person)
    const linked = await comeBack(await visitProvider('/api/v1/identity-links', fresh))
    expect([linked.status, linked.text]).toEqual([200, expect.stringContaining('Linked')])
    expect((await session(cookiesOf(await signIn()))).account.id).toBe(person.id)
    // Nobody else takes that account of the provider; and nobody links into somebody else's session.
    const other = await server.addPerson()
    const taken = await comeBack(
      await visitProvider('/api/v1/identity-links', await server.newSession(other)),
    )
    expect([taken.status, taken.text]).toEqual([403, expect.stringContaining('linked to somebody else')])
    const { identityLinks } = await server.ok('GET', '/api/v1/identity-links', { token: person.token })
    expect(identityLinks).toEqual([
      expect.objectContaining({
        provider: { id: providerId, label: 'Example SSO', issuer: provider.issuer },
      }),
    ])
    const path = `/api/v1/identity-links/${identityLinks[0].id}`
    const foreign = { headers: { cookie: await server.newSession(other) } }
    expect((await server.request('DELETE', path, foreign)).status).toBe(404)
    expect((await server.request('DELETE', path, { headers: { cookie: fresh } })).status).toBe(204)
    expect((await signIn()).status).toBe(403)
  })

  test('a link that was begun in a session that has ended since is not made', async () => {
    const person = await server.addPerson()
    const cookie = await server.newSession(person)
    const back = await visitProvider('/api/v1/identity-links', cookie)
    await server.ok('DELETE', '/api/v1/sessions', { token: person.token })
    const answer = await comeBack(back)
    expect([answer.status, answer.text]).toEqual([403, expect.stringContaining('has ended')])
  })

  test('only addresses that the provider vouches for, of the domains that may, are let in', async () => {
    const attempt = async (someone: object) => {
      provider.someone = { sub: provider.someone.sub, ...someone }
      return (await signIn()).status
    }
    expect(await attempt({ email: 'a@evil.example', email_verified: true })).toBe(403)
    expect(await attempt({ email: 'a@evil.example@example.com', email_verified: true })).toBe(403)
    expect(await attempt({ email: 'new-a@example.com', email_verified: false })).toBe(403)
    expect(await attempt({ email: 'new-a@example.com' })).toBe(403)
    expect(await attempt({})).toBe(403)
    await change({ isEmailTrusted: true })
    expect(await attempt({ email: 'new-a@example.com', email_verified: false })).toBe(403)
    expect(await attempt({ email: `new-${subjects}@EXAMPLE.com` })).toBe(200)
    // The rules hold at each sign-in, not at the first alone.
    await change({ allowedEmailDomains: ['example.org'] })
    expect(await attempt({ email: `new-${subjects}@example.com` })).toBe(403)
  })

  test('a claim that is required has to be there, in a list or alone', async () => {
    await change({ requiredClaim: { name: 'groups', value: 'developers' } })
    expect((await signIn()).status).toBe(403)
    provider.someone = { ...provider.someone, groups: ['others', 'developers-old'] }
    expect((await signIn()).status).toBe(403)
    provider.someone = { ...provider.someone, groups: ['others', 'developers'] }
    expect((await signIn()).status).toBe(200)
  })

  test('without leave to make accounts, whoever has none is told so', async () => {
    await change({ createsAccounts: false })
    const answer = await signIn()
    expect([answer.status, answer.text]).toEqual([403, expect.stringContaining('ask an administrator')])
  })

  test('two first sign-ins at once make one account', async () => {
    const backs = [await visitProvider(), await visitProvider()]
    const answers = await Promise.all(backs.map(comeBack))
    expect(answers.map(({ status }) => status)).toEqual([200, 200])
    const ids = await Promise.all(
      answers.map(async (answer) => (await session(cookiesOf(answer))).account.id),
    )
    expect(new Set(ids).size).toBe(1)
  })

  test('a disabled account is refused, and its sessions end', async () => {
    const cookie = cookiesOf(await signIn())
    const { account } = await session(cookie)
    await server.ok('PATCH', `/api/v1/accounts/${account.id}`, {
      token: admin.token,
      body: { isDisabled: true },
    })
    expect((await server.request('GET', '/api/v1/session', { headers: { cookie } })).status).toBe(401)
    const answer = await signIn()
    expect([answer.status, answer.text]).toEqual([403, expect.stringContaining('disabled')])
  })

  test('a second factor is still asked for, unless the provider’s word counts', async () => {
    const person = await server.addPerson()
    const cookie = await server.newSession(person)
    await comeBack(await visitProvider('/api/v1/identity-links', cookie))
    const begun = await server.ok('POST', '/api/v1/second-factor/totp', {
      token: person.token,
      body: { password: person.password },
    })
    const totp = new TOTP({ secret: begun.secret })
    const code = () => totp.generate({ timestamp: server.clock.now().getTime() })
    await server.ok('POST', '/api/v1/second-factor/totp/confirm', {
      token: person.token,
      body: { code: code() },
    })
    server.clock.advance(MINUTE_MS)

    const pending = await signIn()
    expect([pending.status, pending.text]).toEqual([200, expect.stringContaining('One more step')])
    const half = cookiesOf(pending)
    expect((await session(half)).needsSecondFactor).toBe(true)
    for (const path of ['/api/v1/projects', '/api/v1/sessions', '/api/v1/passkeys']) {
      const refused = await server.request('GET', path, { headers: { cookie: half } })
      expect([path, refused.body.code]).toEqual([path, 'session.second_factor_required'])
    }
    expect((await post('/api/v1/session/second-factor', { code: '000000' }, half)).body.code).toBe(
      'second_factor.code_wrong',
    )
    expect((await post('/api/v1/session/second-factor', { code: code() }, half)).status).toBe(204)
    expect((await session(half)).needsSecondFactor).toBe(false)
    expect((await server.request('GET', '/api/v1/projects', { headers: { cookie: half } })).status).toBe(200)
    expect((await post('/api/v1/session/second-factor', { code: '000000' }, half)).body.code).toBe(
      'session.complete',
    )

    // amr and acr count only where administrators say so.
    provider.spoiled = { claims: { amr: ['pwd', 'otp'] } }
    expect((await session(cookiesOf(await signIn()))).needsSecondFactor).toBe(true)
    await change({ trustedAmr: ['otp', 'hwk'] })
    expect((await session(cookiesOf(await signIn()))).needsSecondFactor).toBe(false)
    await change({ trustedAmr: [], trustedAcr: ['urn:test:two-factors'] })
    provider.spoiled = undefined
    expect((await session(cookiesOf(await signIn()))).needsSecondFactor).toBe(true)
    expect(provider.asked.get('acr_values')).toBe('urn:test:two-factors')
    provider.spoiled = { claims: { acr: 'urn:test:two-factors' } }
    expect((await session(cookiesOf(await signIn()))).needsSecondFactor).toBe(false)
  })

  test('what the provider says of a second factor meets what is required of everybody', async () => {
    const list = async (cookie: string) =>
      (await server.request('GET', '/api/v1/projects', { headers: { cookie } })).status
    await change({ trustedAmr: ['otp'] })
    const operator = { caller: { kind: 'operator' }, origin: { traceId: 'test' } } as never
    await server.core.settings.update(operator, { requireSecondFactor: true })
    try {
      expect(await list(cookiesOf(await signIn()))).toBe(403)
      provider.spoiled = { claims: { amr: ['otp'] } }
      expect(await list(cookiesOf(await signIn()))).toBe(200)
    } finally {
      await server.core.settings.update(operator, { requireSecondFactor: false })
    }
  })

  test('confirms that it is you when the provider has just asked, by the account that is linked', async () => {
    const cookie = cookiesOf(await signIn())
    const confirm = async () =>
      comeBack(await visitProvider('/api/v1/session/reauthenticate/identity-provider', cookie))
    const isFresh = async () => (await post('/api/v1/passkeys/options', {}, cookie)).status === 200
    await age(cookie)
    expect(await isFresh()).toBe(false)
    // The clock of the test is ahead of the provider's; what counts is when it asked.
    provider.spoiled = { claims: { auth_time: Math.floor(server.clock.now().getTime() / 1000) } }
    const confirmed = await confirm()
    expect([confirmed.status, confirmed.text]).toEqual([200, expect.stringContaining('Confirmed')])
    expect([provider.asked.get('prompt'), provider.asked.get('max_age')]).toEqual(['login', '0'])
    expect(await isFresh()).toBe(true)
    await age(cookie)
    for (const claims of [{ auth_time: undefined }, { auth_time: 1_700_000_000 }, { auth_time: 'now' }]) {
      provider.spoiled = { claims }
      const answer = await confirm()
      expect([claims, answer.status]).toEqual([claims, 403])
    }
    provider.spoiled = { claims: { auth_time: Math.floor(server.clock.now().getTime() / 1000) } }
    const mine = provider.someone
    provider.someone = { ...mine, sub: 'somebody-else' }
    expect((await confirm()).text).toContain('another account')
    expect(await isFresh()).toBe(false)
    const stranger = await server.newSession(await server.addPerson())
    const begun = await post('/api/v1/session/reauthenticate/identity-provider', { providerId }, stranger)
    expect([begun.status, begun.body.code]).toEqual([404, 'identity_link.not_found'])
  })

  test('a passkey is not removed when it is the only way in', async () => {
    const cookie = cookiesOf(await signIn())
    const begun = await post('/api/v1/passkeys/options', {}, cookie)
    const credential = new SoftAuthenticator('http://localhost:8080').create(begun.body)
    const added = await post('/api/v1/passkeys', { name: 'x', credential }, `${cookie}; ${cookiesOf(begun)}`)
    expect(added.status).toBe(201)
    const remove = () => post(`/api/v1/passkeys/${added.body.passkey.id}/delete`, {}, cookie)
    const { identityLinks } = await server.ok('GET', '/api/v1/identity-links', { headers: { cookie } })
    const path = `/api/v1/identity-links/${identityLinks[0].id}`
    expect((await server.request('DELETE', path, { headers: { cookie } })).status).toBe(204)
    expect((await remove()).body.code).toBe('passkey.last')
    expect((await server.ok('GET', '/api/v1/passkeys', { headers: { cookie } })).passkeys).toHaveLength(1)
    await post('/api/v1/account/password', { newPassword: 'a password of one’s own' }, cookie)
    expect((await remove()).status).toBe(204)
  })

  test('whoever has no password sets one after signing in, and cannot lose the only way in', async () => {
    const cookie = cookiesOf(await signIn())
    const { identityLinks } = await server.ok('GET', '/api/v1/identity-links', { headers: { cookie } })
    const unlink = () =>
      server.request('DELETE', `/api/v1/identity-links/${identityLinks[0].id}`, { headers: { cookie } })
    expect((await unlink()).body.code).toBe('identity_link.last')
    for (const password of ['', 'password of a test person']) {
      const guess = await post('/api/v1/session', {
        email: provider.someone.email,
        password: password || ' ',
      })
      expect(guess.status).toBe(401)
    }
    const newPassword = 'a password of one’s own'
    await age(cookie)
    const set = () => post('/api/v1/account/password', { newPassword }, cookie)
    expect((await set()).body.code).toBe('session.reauthentication_required')
    const fresh = cookiesOf(await signIn())
    expect((await post('/api/v1/account/password', { newPassword }, fresh)).status).toBe(204)
    expect(
      (await post('/api/v1/session', { email: provider.someone.email, password: newPassword })).status,
    ).toBe(201)
    expect(
      (
        await server.request('DELETE', `/api/v1/identity-links/${identityLinks[0].id}`, {
          headers: { cookie: fresh },
        })
      ).status,
    ).toBe(204)
  })

  test('a provider that is down, slow or wrong is said to be, and signs nobody in', async () => {
    const other = await TestProvider.start(() => [redirectUri('idp_none')])
    const { id } = await register(other.issuer, { label: 'Other SSO' })
    const begin = () => post('/api/v1/session/identity-provider', { providerId: id })
    const check = async () =>
      (await server.ok('POST', `/api/v1/identity-providers/${id}/test`, { token: admin.token })).checks as {
        name: string
        isOk: boolean
        detail: string
      }[]
    other.status = 500
    const broken = await begin()
    expect([broken.status, broken.body.code]).toEqual([502, 'identity_provider.unavailable'])
    expect(await check()).toEqual([{ name: 'discovery', isOk: false, detail: expect.any(String) }])
    other.status = undefined
    const checks = await check()
    expect(checks.map(({ name, isOk }) => [name, isOk])).toEqual([
      ['discovery', true],
      ['keys', true],
      ['PKCE', true],
      ['scopes', true],
      ['client authentication', true],
      ['issuer in answers (RFC 9207)', true],
    ])
    await other.stop()
    const { id: gone } = await register('http://127.0.0.1:9/gone', { label: 'Gone' })
    const down = await post('/api/v1/session/identity-provider', { providerId: gone })
    expect(down.body).toMatchObject({
      code: 'identity_provider.unavailable',
      detail: expect.stringContaining('Gone'),
    })
    const none = await post('/api/v1/session/identity-provider', { providerId: 'idp_00000000000000000000' })
    expect([none.status, none.body.code]).toEqual([404, 'identity_provider.not_found'])
  })

  test('several are offered; what strangers see of them is id and label', async () => {
    const answer = await server.ok('GET', '/api/v1/session/options')
    expect(answer.passkeys).toBe(true)
    expect(answer.identityProviders).toContainEqual({ id: providerId, label: 'Example SSO' })
    expect(JSON.stringify(answer)).not.toContain(provider.issuer)
  })

  test('the client secret is sealed, and in no answer and no log', async () => {
    await signIn()
    expect((await server.dump()).includes(CLIENT_SECRET)).toBe(false)
    expect(server.log.join('').includes(CLIENT_SECRET)).toBe(false)
    const listed = await server.request('GET', '/api/v1/identity-providers', { token: admin.token })
    expect(listed.text).not.toContain(CLIENT_SECRET)
  })

  test('one is registered by administrators alone, with rules that keep the world out', async () => {
    const member = await server.addPerson()
    const wish = { issuer: 'https://sso.example', label: 'X', clientId: 'x', clientSecret: 'x' }
    const create = (body: object, token = admin.token) =>
      server.request('POST', '/api/v1/identity-providers', { token, body })
    expect((await create(wish, member.token)).status).toBe(403)
    expect((await create({ ...wish, issuer: provider.issuer })).body.code).toBe('identity_provider.exists')
    const bad: readonly [object, string][] = [
      [{ issuer: 'ftp://sso.example' }, 'issuer'],
      [{ issuer: 'https://sso.example/?x=1' }, 'issuer'],
      [{ issuer: 'https://sso.example/.well-known/openid-configuration' }, 'issuer'],
      [{ issuer: 'https://169.254.169.254/' }, 'issuer'],
      [{ createsAccounts: true }, 'createsAccounts'],
      [{ role: 'owner' }, 'role'],
    ]
    for (const [part, field] of bad) {
      const answer = await create({ ...wish, ...part })
      expect([part, answer.status, answer.body.errors?.[0].field]).toEqual([part, 400, field])
    }
    // In use: the issuer confirms. With it people's links go.
    await signIn()
    const remove = (query: string) =>
      server.request('DELETE', `/api/v1/identity-providers/${providerId}${query}`, { token: admin.token })
    expect((await remove('')).body.code).toBe('identity_provider.in_use')
    expect((await remove(`?confirm=${encodeURIComponent(provider.issuer)}`)).status).toBe(204)
    expect(await server.core.storage.db.selectFrom('identity_links').selectAll().execute()).toEqual([])
    providerId = (await register(provider.issuer)).id
  })
})
