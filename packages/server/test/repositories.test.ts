import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Asker, Person } from '../src/access/caller.ts'
import { composeCore } from '../src/compose/core.ts'
import type { GitCredential } from '../src/credentials/repository/repository-tokens.service.ts'
import { type FakeProvider, FakeProviders, type Product } from './fake-providers.ts'
import { type Answer, databases, startServer, type TestPerson, type TestServer } from './kit.ts'

const PROVIDERS = '/api/v1/repository-providers'
const CONNECTIONS = '/api/v1/repository-connections'
const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000

const clouds = [
  ['github', 'github', 'github.com'],
  ['gitlab', 'gitlab', 'gitlab.com'],
  ['bitbucket', 'bitbucket-cloud', 'bitbucket.org'],
] as const
const internals = [
  ['github', 'github', 'https://ghe.corp.example'],
  ['gitlab', 'gitlab', 'https://git.corp.example:8443/gitlab'],
  ['bitbucket', 'bitbucket-data-center', 'https://bb.corp.example/bitbucket'],
] as const

interface Registered {
  readonly id: string
  readonly host: string
  readonly fake: FakeProvider
}

/** A certificate, in PEM. */
function selfSigned(): string {
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-ca-'))
  const file = join(folder, 'ca.pem')
  const line = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=ca -keyout ${file}.key -out ${file}`
  execFileSync('openssl', line.split(' '), { stdio: 'ignore' })
  const pem = readFileSync(file, 'utf8')
  rmSync(folder, { recursive: true })
  return pem
}

describe.each(databases)('repositories on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let fakes: FakeProviders
  let admin: TestPerson
  let person: TestPerson
  const registered = new Map<string, Registered>()

  beforeAll(async () => {
    fakes = await FakeProviders.start()
    ;({ server, stop } = await startServer(database, {}, fakes.internet))
    admin = await server.addPerson('admin')
    for (const [type, product] of clouds) await register(type, product)
    for (const [type, product, baseUrl] of internals) await register(type, product, baseUrl)
  })
  afterAll(async () => {
    await stop()
    fakes.stop()
  })
  beforeEach(async () => {
    person = await server.addPerson()
    fakes.internet.calls.length = 0
    for (const { fake } of registered.values()) {
      fake.failures.clear()
      fake.grantedScopes = undefined
      fake.isOauthApp = false
      fake.beforeTokenAnswer = async () => {}
      fake.gpgKeys.clear()
      Object.assign(fake.counts, { authorization_code: 0, refresh_token: 0, revoked: 0 })
    }
  })

  async function register(type: string, product: Product, baseUrl?: string): Promise<Registered> {
    const fake = fakes.add(product, baseUrl)
    const provider = await server.ok('POST', PROVIDERS, {
      token: admin.token,
      body: {
        type,
        kind: baseUrl === undefined ? 'default' : 'internal',
        ...(baseUrl !== undefined && { baseUrl }),
        clientId: fake.clientId,
        clientSecret: fake.clientSecret,
      },
    })
    fake.redirectUri = provider.callbackUrl
    const entry = { id: provider.id, host: provider.host, fake }
    registered.set(provider.host, entry)
    return entry
  }

  const at = (host: string) => registered.get(host)!
  const list = async (who = person) =>
    (await server.ok('GET', CONNECTIONS, { token: who.token })).connections as {
      id: string
      [field: string]: unknown
    }[]
  const begin = (host: string, options: Parameters<TestServer['request']>[2] = {}) =>
    server.request('POST', CONNECTIONS, {
      token: person.token,
      ...options,
      body: { providerId: at(host).id, method: 'oauth' },
    })
  /** The browser follows the provider's redirect to Keyhold. */
  const follow = (back: URL, cookie?: string) =>
    server.request('GET', `${back.pathname}${back.search}`, cookie ? { headers: { cookie } } : {})
  const codeOf = (page: Answer) => /<pre>([0-9A-Z]{4}-[0-9A-Z]{4})<\/pre>/.exec(page.text)![1]!

  /** Connects by OAuth as the command line does. */
  async function connect(host: string, login = 'octo', who = person): Promise<{ id: string }> {
    const begun = await begin(host, { token: who.token })
    const page = await follow(at(host).fake.authorize(begun.body.authorizationUrl, login))
    expect([page.status, page.text]).toEqual([200, expect.stringContaining('One more step')])
    return server.ok('POST', `${CONNECTIONS}/confirm`, { token: who.token, body: { code: codeOf(page) } })
  }

  /** How the workspace agent will ask. */
  async function asker(who = person): Promise<Asker<Person>> {
    const caller = (await server.core.accessTokens.authenticate(who.token))!
    return { caller, origin: { traceId: 'test' } }
  }
  const tokenFor = async (host: string, isRejected = false): Promise<GitCredential> =>
    server.core.repositoryTokens.tokenFor(await asker(), { host }, isRejected)
  const codeFrom = (promise: Promise<unknown>) =>
    promise.then(
      () => 'success',
      (error: { code?: string }) => error.code,
    )
  /** Whether the provider accepts it. */
  const isLive = (host: string, { token }: GitCredential) => {
    const grant = at(host).fake.tokens.get(token.reveal())
    return grant !== undefined && !grant.isRevoked
  }

  describe('providers', () => {
    test('SDS-16: an Internal without a base URL cannot be saved, nor can other nonsense', async () => {
      const before = (await server.ok('GET', PROVIDERS, { token: person.token })).providers
      const client = { clientId: 'id', clientSecret: 'secret' }
      const ca = '-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n'
      for (const [body, field] of [
        [{ type: 'gitlab', kind: 'internal', ...client }, 'baseUrl'],
        [{ type: 'gitlab', kind: 'internal', ...client, baseUrl: '' }, 'baseUrl'],
        [{ type: 'gitlab', kind: 'internal', ...client, baseUrl: 'git.example.com' }, 'baseUrl'],
        [{ type: 'gitlab', kind: 'internal', ...client, baseUrl: 'ftp://git.example.com' }, 'baseUrl'],
        [{ type: 'gitlab', kind: 'internal', ...client, baseUrl: 'https://a:b@git.example.com' }, 'baseUrl'],
        [{ type: 'gitlab', kind: 'internal', ...client, baseUrl: 'https://git.example.com/?x' }, 'baseUrl'],
        [{ type: 'gitlab', kind: 'internal', ...client, baseUrl: 'https://169.254.169.254' }, 'baseUrl'],
        [{ type: 'gitlab', kind: 'internal', ...client, baseUrl: 'https://gitlab.com' }, 'baseUrl'],
        [{ type: 'github', kind: 'internal', ...client, baseUrl: 'https://API.github.com/x' }, 'baseUrl'],
        [{ type: 'github', kind: 'default', ...client, baseUrl: 'https://git.example.com' }, 'baseUrl'],
        [{ type: 'gitea', kind: 'default', ...client }, 'type'],
        [{ type: 'github', kind: 'cloud', ...client }, 'kind'],
        [{ type: 'github', kind: 'default', clientId: 'id' }, 'clientSecret'],
        [{ type: 'github', kind: 'default', clientSecret: 'x' }, 'clientId'],
        [{ type: 'github', kind: 'default', ...client, clientId: 'a b' }, 'clientId'],
        [{ type: 'gitlab', kind: 'internal', ...client, baseUrl: 'https://x.example', ca: 'no' }, 'ca'],
        [{ type: 'gitlab', kind: 'internal', ...client, baseUrl: 'https://x.example', ca }, 'ca'],
      ] as const) {
        const answer = await server.request('POST', PROVIDERS, { token: admin.token, body })
        expect([body, answer.status, answer.body.errors?.[0]?.field]).toEqual([body, 400, field])
      }
      expect((await server.ok('GET', PROVIDERS, { token: person.token })).providers).toEqual(before)
    })

    test('a CA of its own is stored, used for its calls, and taken away again', async () => {
      const ca = selfSigned()
      const body = { type: 'gitlab', kind: 'internal', baseUrl: 'https://ca.corp.example', ca }
      const client = { clientId: 'abc', clientSecret: 'def' }
      const { id, hasCa } = await server.ok('POST', PROVIDERS, {
        token: admin.token,
        body: { ...body, ...client },
      })
      expect(hasCa).toBe(true)
      const refused = await server.request('POST', PROVIDERS, {
        token: admin.token,
        body: { type: 'github', kind: 'default', ca },
      })
      expect(refused.body.errors[0].field).toBe('ca')
      const call = async () => {
        const begun = await server.ok('POST', CONNECTIONS, {
          token: person.token,
          body: { providerId: id, method: 'oauth' },
        })
        const state = new URL(begun.authorizationUrl).searchParams.get('state')
        await server.request('GET', `${CONNECTIONS}/callback/${id}?code=c&state=${state}`)
        return fakes.internet.lastCa
      }
      expect(await call()).toBe(ca)
      const changed = await server.ok('PATCH', `${PROVIDERS}/${id}`, {
        token: admin.token,
        body: { ca: null },
      })
      expect([changed.hasCa, await call()]).toEqual([false, undefined])
      await server.ok('DELETE', `${PROVIDERS}/${id}`, { token: admin.token })
    })

    test('SDS-16: each member sees both where an Internal is registered, and no secret', async () => {
      const { providers } = await server.ok('GET', PROVIDERS, { token: person.token })
      const kinds = Map.groupBy(providers as { type: string; kind: string }[], ({ type }) => type)
      for (const type of ['github', 'gitlab', 'bitbucket'])
        expect(kinds.get(type)!.map(({ kind }) => kind)).toEqual(['default', 'internal'])
      expect(providers.find(({ host }: { host: string }) => host === 'git.corp.example:8443')).toMatchObject({
        baseUrl: 'https://git.corp.example:8443/gitlab',
        methods: ['oauth', 'ssh'],
        hasCa: false,
      })
      for (const { fake } of registered.values()) {
        expect(JSON.stringify(providers)).not.toContain(fake.clientSecret)
        expect(await server.dump()).not.toContain(fake.clientSecret)
      }
    })

    test('members register, change and remove nothing: 403, recorded', async () => {
      const { id } = at('github.com')
      for (const [method, path, body] of [
        ['POST', PROVIDERS, { type: 'github', kind: 'default' }],
        ['PATCH', `${PROVIDERS}/${id}`, { scopes: ['repo'] }],
        ['DELETE', `${PROVIDERS}/${id}`, undefined],
      ] as const) {
        const answer = await server.request(method, path, { token: person.token, body })
        expect(answer.body.code).toBe('access.refused')
        expect((await server.records(1))[0]).toMatchObject({ outcome: 'refused', actor: { id: person.id } })
      }
    })

    test('one per host; changed, recorded by field, never by value; removed with connections only when confirmed', async () => {
      const body = { type: 'gitlab', kind: 'internal', baseUrl: 'https://other.corp.example/' }
      const provider = await server.ok('POST', PROVIDERS, { token: admin.token, body })
      expect(provider).toMatchObject({
        baseUrl: 'https://other.corp.example',
        clientId: null,
        methods: ['ssh'],
      })
      const again = await server.request('POST', PROVIDERS, { token: admin.token, body })
      expect(again.body.code).toBe('repository_provider.exists')

      const path = `${PROVIDERS}/${provider.id}`
      const half = await server.request('PATCH', path, { token: admin.token, body: { clientId: 'a' } })
      expect([half.status, half.body.errors[0].field]).toEqual([400, 'clientSecret'])
      const changed = await server.ok('PATCH', path, {
        token: admin.token,
        body: { clientId: 'abc', clientSecret: 'canary-client-secret', scopes: ['api'] },
      })
      expect(changed).toMatchObject({ clientId: 'abc', scopes: ['api'], methods: ['oauth', 'ssh'] })
      const [record] = await server.records(1)
      expect(record).toMatchObject({
        action: 'repository-provider.update',
        changed: ['clientId', 'scopes', 'clientSecret'],
        target: { name: 'other.corp.example' },
      })
      expect(JSON.stringify(record)).not.toContain('canary')

      await server.ok('POST', CONNECTIONS, {
        token: person.token,
        body: { providerId: provider.id, method: 'ssh' },
      })
      for (const query of ['', '?confirm=other']) {
        const refused = await server.request('DELETE', path + query, { token: admin.token })
        expect(refused.body.code).toBe('repository_provider.in_use')
      }
      await server.ok('DELETE', `${path}?confirm=other.corp.example`, { token: admin.token })
      expect(await list()).toEqual([])
      const gone = await server.request('DELETE', path, { token: admin.token })
      expect(gone.body.code).toBe('repository_provider.not_found')
    })
  })

  describe.each([
    ...clouds.map(([, product, host]) => [product, host] as const),
    ...internals.map(([, product, baseUrl]) => [`Internal ${product}`, new URL(baseUrl).host] as const),
  ])('OAuth with %s', (_product, host) => {
    test('SDS-13: begun by an access token, the browser shows a code, and the code connects', async () => {
      const { fake } = at(host)
      const begun = await begin(host)
      expect([begun.status, begun.body.connection, begun.body.needsConfirmation]).toEqual([201, null, true])
      expect(begun.headers.get('set-cookie')).toBeNull()
      const page = await follow(fake.authorize(begun.body.authorizationUrl, 'octo'))
      expect(page.status).toBe(200)
      expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8')
      expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
      expect(page.text).not.toContain('<script')
      for (const said of ['octo', person.name]) expect(page.text).toContain(said)
      // Nothing is connected before the code is given.
      expect(await list()).toEqual([])
      const typed = codeOf(page).toLowerCase().replace('-', ' ')
      const connection = await server.ok('POST', `${CONNECTIONS}/confirm`, {
        token: person.token,
        body: { code: typed },
      })
      expect(connection).toMatchObject({
        host,
        method: 'oauth',
        login: 'octo',
        hasToken: true,
        isRefreshable: true,
        health: { status: 'ok', reason: null },
      })
      expect(await list()).toEqual([connection])
      expect((await server.records(1))[0]).toMatchObject({
        action: 'repository.connect',
        outcome: 'success',
        actor: { id: person.id },
        target: { kind: 'repository-connection', id: connection.id, name: host },
      })
      // Used up.
      const again = await server.request('POST', `${CONNECTIONS}/confirm`, {
        token: person.token,
        body: { code: typed },
      })
      expect(again.body.code).toBe('repository_connection.confirmation')

      // The token is in no answer and not in the data.
      const [access, grant] = [...fake.tokens].at(-1)!
      const dump = await server.dump()
      for (const text of [JSON.stringify(connection), begun.text, page.text, dump, server.log.join('')])
        for (const value of [access, grant.refresh!]) expect(text).not.toContain(value)
    })

    test('SDS-13: begun by a session, its browser ends it, and no other', async () => {
      const { fake } = at(host)
      const session = await server.signIn(person)
      const begun = await begin(host, { token: '', headers: { cookie: session } })
      expect(begun.body.needsConfirmation).toBe(false)
      const setCookie = begun.headers.get('set-cookie')!
      for (const part of ['HttpOnly', 'SameSite=Lax', 'Path=/', 'Max-Age=600'])
        expect(setCookie).toContain(part)
      const cookie = setCookie.split(';')[0]!
      const page = await follow(fake.authorize(begun.body.authorizationUrl, 'octo'), cookie)
      expect([page.status, page.text]).toEqual([200, expect.stringContaining('Connected')])
      expect(page.headers.get('set-cookie')).toContain('Max-Age=0')
      expect(await list()).toMatchObject([{ host, login: 'octo', method: 'oauth' }])
      expect((await server.records(1))[0]).toMatchObject({
        action: 'repository.connect',
        outcome: 'success',
        actor: { id: person.id, credential: expect.stringMatching(/^ses_/) },
      })
    })

    test('SDS-13: a wrong, reused, expired or foreign state is 400 and stores nothing', async () => {
      const { fake } = at(host)
      const session = await server.signIn(person)
      const other = await server.signIn(await server.addPerson())
      const start = async (cookie = session) => {
        const begun = await begin(host, { token: '', headers: { cookie } })
        return {
          back: fake.authorize(begun.body.authorizationUrl, 'octo'),
          cookie: begun.headers.get('set-cookie')!.split(';')[0]!,
        }
      }
      const refused = async (page: Promise<Answer>) => {
        const { status, text } = await page
        expect([status, text]).toEqual([400, expect.stringContaining('Not connected')])
      }
      // Wrong, missing, twice.
      const wrong = await start()
      for (const state of ['', 'x', `${wrong.back.searchParams.get('state')}x`]) {
        const back = new URL(wrong.back)
        back.searchParams.set('state', state)
        await refused(follow(back, wrong.cookie))
      }
      const without = new URL(wrong.back)
      without.searchParams.delete('state')
      await refused(follow(without, wrong.cookie))
      const twice = new URL(wrong.back)
      twice.searchParams.append('state', 'x')
      await refused(follow(twice, wrong.cookie))
      // From another browser: without the cookie, or with that of another person's beginning.
      const foreign = await start()
      await refused(follow(foreign.back))
      await refused(follow(foreign.back, foreign.cookie))
      const mine = await start()
      const theirs = await start(other)
      await refused(follow(mine.back, theirs.cookie))
      // At the callback of another provider.
      const elsewhere = await start()
      const mixed = new URL(elsewhere.back)
      const otherHost = host === 'github.com' ? 'gitlab.com' : 'github.com'
      mixed.pathname = mixed.pathname.replace(at(host).id, at(otherHost).id)
      await refused(follow(mixed, elsewhere.cookie))
      await refused(follow(elsewhere.back, elsewhere.cookie))
      // Declined, and an error.
      const declined = await start()
      declined.back.searchParams.delete('code')
      declined.back.searchParams.set('error', 'access_denied')
      await refused(follow(declined.back, declined.cookie))
      const [attempt] = (await server.records()).filter(({ action }) => action === 'repository.connect')
      expect(attempt).toMatchObject({
        outcome: 'refused',
        reason: 'repository_provider.unavailable',
        actor: { id: person.id },
      })
      // Too late.
      const late = await start()
      server.clock.advance(10 * MINUTE_MS + 1)
      await refused(follow(late.back, late.cookie))
      expect(fake.counts.authorization_code).toBe(0)
      expect(await list()).toEqual([])

      // Reused.
      const good = await start(await server.signIn(person))
      expect((await follow(good.back, good.cookie)).status).toBe(200)
      await refused(follow(good.back, good.cookie))
      expect(fake.counts.authorization_code).toBe(1)
    })

    test("SDS-17: all calls go to the provider's own host, and none to another", async () => {
      const connection = await connect(host)
      server.clock.advance(9 * HOUR_MS)
      await tokenFor(host)
      await server.core.repositoryGpgKeys.publishGpgKey(await asker(), 'armored', 'laptop')
      await server.ok('DELETE', `${CONNECTIONS}/${connection.id}`, { token: person.token })
      const origins = new Set(fakes.internet.calls.map((call) => new URL(call.split(' ')[1]!).origin))
      expect(fakes.internet.calls.length).toBeGreaterThan(2)
      const own = [...fakes.internet.origins].flatMap(([origin, fake]) =>
        fake === at(host).fake ? [origin] : [],
      )
      expect([...origins].filter((origin) => !own.includes(origin))).toEqual([])
    })

    test('a provider that fails leaves nothing behind, and the page says what happened', async () => {
      const { fake } = at(host)
      const attempts: [RegExp, { status: number; body: unknown }][] = [
        [/token/, { status: 500, body: 'oops' }],
        [/token/, { status: 200, body: 'access_token=form' }],
        [/token/, { status: 200, body: { access_token: 'line\nbreak' } }],
        [/token/, { status: 400, body: { error: 'invalid_grant' } }],
        [/token/, { status: 302, body: {} }],
        [/user|whoami/, { status: 401, body: {} }],
        [/user|whoami/, { status: 200, body: [] }],
      ]
      for (const [pattern, reply] of attempts) {
        fake.failures.clear()
        const begun = await begin(host)
        const back = fake.authorize(begun.body.authorizationUrl, 'octo')
        fake.failures.set(pattern, reply)
        const page = await follow(back)
        expect([reply, page.status, page.text]).toEqual([
          reply,
          400,
          expect.stringContaining('Not connected'),
        ])
      }
      expect(await list()).toEqual([])
      const { db } = server.core.storage
      const left = await db
        .selectFrom('repository_authorizations')
        .select('id')
        .where('account_id', '=', person.id)
        .execute()
      expect(left).toEqual([])
    })

    test('git gets the user name the vendor documents; disconnecting ends the token, and says where it cannot', async () => {
      const connection = await connect(host)
      const { fake } = at(host)
      const given = await tokenFor(host)
      expect(given.username).toBe(
        { github: 'x-access-token', gitlab: 'oauth2' }[fake.product as string] ?? 'x-token-auth',
      )
      expect(isLive(host, given)).toBe(true)
      expect((await server.records(1))[0]).toMatchObject({
        action: 'repository.use',
        outcome: 'success',
        target: { id: connection.id, name: host },
      })
      const answer = await server.ok('DELETE', `${CONNECTIONS}/${connection.id}`, { token: person.token })
      if (fake.product === 'bitbucket-cloud') {
        expect(answer).toEqual({ revocation: 'unsupported', next: expect.stringContaining('bitbucket.org') })
      } else {
        expect(answer).toEqual({ revocation: 'revoked', next: null })
        expect(isLive(host, given)).toBe(false)
      }
      expect(await codeFrom(tokenFor(host))).toBe('repository_connection.not_found')
      expect(await list()).toEqual([])
    })
  })

  describe('connecting', () => {
    test('over TLS the cookie is bound to the host and to TLS', async () => {
      const { server: behindProxy, stop: stopIt } = await startServer(
        database,
        { KEYHOLD_TRUSTED_PROXIES: '127.0.0.1', KEYHOLD_PUBLIC_URL: 'https://keys.example.com' },
        fakes.internet,
      )
      try {
        const secure = { 'x-forwarded-proto': 'https', 'x-forwarded-for': '192.0.2.1' }
        const owner = await behindProxy.addPerson('admin')
        const provider = await behindProxy.ok('POST', PROVIDERS, {
          token: owner.token,
          headers: secure,
          body: { type: 'gitlab', kind: 'default', clientId: 'a', clientSecret: 'b' },
        })
        expect(provider.callbackUrl).toBe(
          `https://keys.example.com/api/v1/repository-connections/callback/${provider.id}`,
        )
        const { email, password } = owner
        const signedIn = await behindProxy.request('POST', '/api/v1/session', {
          headers: secure,
          body: { email, password },
        })
        const begun = await behindProxy.request('POST', CONNECTIONS, {
          headers: { ...secure, cookie: signedIn.headers.get('set-cookie')!.split(';')[0]! },
          body: { providerId: provider.id, method: 'oauth' },
        })
        expect(begun.headers.get('set-cookie')).toMatch(
          new RegExp(
            `^__Host-keyhold_connect_${provider.id}=\\S+; Path=/; HttpOnly; SameSite=Lax; .*; Secure$`,
          ),
        )
      } finally {
        await stopIt()
      }
    })

    test("a code that another person's link led to connects nothing of the victim", async () => {
      const victim = await server.addPerson()
      // The attacker begins, the victim follows the link and says yes at the provider.
      const begun = await begin('github.com')
      const page = await follow(at('github.com').fake.authorize(begun.body.authorizationUrl, 'victim'))
      expect(page.text).toContain(`account of\n<strong>${person.name}</strong>`)
      const code = codeOf(page)
      // Without the code the attacker has nothing, and the code is no good to others.
      expect(await list()).toEqual([])
      expect(await codeFrom(tokenFor('github.com'))).toBe('repository_connection.not_found')
      const theirs = await server.request('POST', `${CONNECTIONS}/confirm`, {
        token: victim.token,
        body: { code },
      })
      expect([theirs.status, theirs.body.code]).toEqual([400, 'repository_connection.confirmation'])
      expect((await server.records(1))[0]).toMatchObject({ outcome: 'failed', actor: { id: victim.id } })
      expect(await list(victim)).toEqual([])
    })

    test('five wrong codes and what waits is given up; so it is after 10 minutes', async () => {
      const give = (code: string) =>
        server.request('POST', `${CONNECTIONS}/confirm`, { token: person.token, body: { code } })
      const waiting = async () => {
        const begun = await begin('gitlab.com')
        return codeOf(await follow(at('gitlab.com').fake.authorize(begun.body.authorizationUrl, 'octo')))
      }
      const first = await waiting()
      for (let i = 0; i < 5; i++) expect((await give('0000-0000')).status).toBe(400)
      expect((await give(first)).status).toBe(400)
      const second = await waiting()
      for (let i = 0; i < 4; i++) await give('0000-0000')
      expect((await give(second)).status).toBe(200)
      const third = await waiting()
      server.clock.advance(10 * MINUTE_MS + 1)
      expect((await give(third)).status).toBe(400)
      expect(await list()).toHaveLength(1)
    })

    test('what was begun and not finished is deleted by the clock, with its tokens', async () => {
      const begun = await begin('gitlab.com')
      await follow(at('gitlab.com').fake.authorize(begun.body.authorizationUrl, 'octo'))
      const waiting = () =>
        server.core.storage.db
          .selectFrom('repository_authorizations')
          .select('sealed_tokens')
          .where('account_id', '=', person.id)
          .execute()
      expect(await waiting()).toEqual([{ sealed_tokens: expect.any(Uint8Array) }])
      await server.server.schedule.runDue()
      expect(await waiting()).toHaveLength(1)
      server.clock.advance(10 * MINUTE_MS)
      await server.server.schedule.runDue()
      expect(await waiting()).toEqual([])
    })

    test('what was begun ends with the sign-out or the token, and with a disabled account', async () => {
      const session = await server.signIn(person)
      const bySession = await begin('gitlab.com', { token: '', headers: { cookie: session } })
      const cookie = bySession.headers.get('set-cookie')!.split(';')[0]!
      const { accessToken, token } = await server.ok('POST', '/api/v1/access-tokens', {
        token: person.token,
        body: { name: 'cli' },
      })
      const byToken = await begin('gitlab.com', { token })
      const third = await begin('gitlab.com')
      await server.ok('DELETE', '/api/v1/session', { headers: { cookie: session } })
      await server.ok('DELETE', `/api/v1/access-tokens/${accessToken.id}`, { token: person.token })
      const { fake } = at('gitlab.com')
      expect((await follow(fake.authorize(bySession.body.authorizationUrl, 'octo'), cookie)).status).toBe(400)
      expect((await follow(fake.authorize(byToken.body.authorizationUrl, 'octo'))).status).toBe(400)
      await server.ok('PATCH', `/api/v1/accounts/${person.id}`, {
        token: admin.token,
        body: { isDisabled: true },
      })
      expect((await follow(fake.authorize(third.body.authorizationUrl, 'octo'))).status).toBe(400)
    })

    test('a sign-out while the provider is asked ends what the session began', async () => {
      const session = await server.signIn(person)
      const begun = await begin('gitlab.com', { token: '', headers: { cookie: session } })
      const cookie = begun.headers.get('set-cookie')!.split(';')[0]!
      const { fake } = at('gitlab.com')
      fake.beforeTokenAnswer = () => server.ok('DELETE', '/api/v1/session', { headers: { cookie: session } })
      expect((await follow(fake.authorize(begun.body.authorizationUrl, 'octo'), cookie)).status).toBe(400)
      expect(await list()).toEqual([])
    })

    test('an answer out of all proportion is kept as far as it makes sense, and breaks no list', async () => {
      const { fake } = at('gitlab.com')
      const scope = `read_user \u0000 \u001b[31m ${'x'.repeat(101)} ${'a '.repeat(1000)}`
      for (const [given, days] of [
        [1e300, 3650],
        ['1e999', 3650],
        [0.5, 0],
      ] as const) {
        fake.failures.clear()
        const body = { access_token: 'token', expires_in: given, scope }
        fake.failures.set(/oauth\/token/, { status: 200, body })
        fake.failures.set(/user/, { status: 200, body: { username: 'octo' } })
        await connect('gitlab.com')
        const [connection] = await list()
        const { tokenExpiresAt, scopes } = connection as unknown as {
          tokenExpiresAt: string
          scopes: string[]
        }
        const lastsMs = Date.parse(tokenExpiresAt) - server.clock.now().getTime()
        expect(Math.round(lastsMs / 86_400_000)).toBe(days)
        expect([scopes[0], scopes[1], scopes.length]).toEqual(['read_user', 'a', 100])
        await server.ok('GET', '/api/v1/credentials', { token: person.token })
      }
    })

    test('400, 404 and limits', async () => {
      const post = (body: unknown) => server.request('POST', CONNECTIONS, { token: person.token, body })
      expect((await post({ providerId: at('github.com').id, method: 'https' })).body.errors[0].field).toBe(
        'method',
      )
      expect((await post({ method: 'ssh' })).body.errors[0].field).toBe('providerId')
      expect((await post({ providerId: `rpv_${'0'.repeat(20)}`, method: 'ssh' })).body.code).toBe(
        'repository_provider.not_found',
      )
      for (let i = 0; i < 10; i++) expect((await begin('github.com')).status).toBe(201)
      expect((await begin('github.com')).body.code).toBe('repository_connection.pending_limit')
      server.clock.advance(10 * MINUTE_MS + 1)
      expect((await begin('github.com')).status).toBe(201)
    })

    test('SDS-17: Default and Internal of one provider stand side by side, one connection each', async () => {
      await connect('github.com', 'public-name')
      await connect('ghe.corp.example', 'work-name')
      expect(await list()).toMatchObject([
        { host: 'github.com', login: 'public-name' },
        { host: 'ghe.corp.example', login: 'work-name' },
      ])
      // Again: the same connection, with the new token.
      const again = await connect('github.com', 'new-name')
      expect((await list()).map(({ id, login }) => [id === again.id, login])).toEqual([
        [true, 'new-name'],
        [false, 'work-name'],
      ])
    })
  })

  describe('SSH', () => {
    test('SDS-14, SDS-15: SSH says where the key is registered; switching decides which method git is offered', async () => {
      const answer = await server.ok('POST', CONNECTIONS, {
        token: person.token,
        body: { providerId: at('github.com').id, method: 'ssh' },
      })
      expect(answer).toMatchObject({
        authorizationUrl: null,
        needsConfirmation: false,
        connection: {
          method: 'ssh',
          hasToken: false,
          sshPublicKey: null,
          sshKeysUrl: 'https://github.com/settings/keys',
        },
      })
      expect((await server.records(1))[0]).toMatchObject({ action: 'repository.connect', outcome: 'success' })
      const identity = await server.ok('POST', '/api/v1/ssh-identity', { token: person.token, body: {} })
      expect(identity.publicKey).toMatch(/^ssh-ed25519 /)
      expect(await list()).toMatchObject([{ sshPublicKey: identity.publicKey }])
      const { id } = answer.connection
      const twice = await server.request('POST', CONNECTIONS, {
        token: person.token,
        body: { providerId: at('github.com').id, method: 'ssh' },
      })
      expect(twice.body.code).toBe('repository_connection.exists')
      const patch = (method: string) =>
        server.request('PATCH', `${CONNECTIONS}/${id}`, { token: person.token, body: { method } })
      expect((await patch('oauth')).body.code).toBe('repository_connection.no_token')
      expect(await codeFrom(tokenFor('github.com'))).toBe('repository_connection.no_token')

      // Connecting by OAuth switches; and back, and forth.
      expect((await connect('github.com')).id).toBe(id)
      expect(await codeFrom(tokenFor('github.com'))).toBe('success')
      const methods = () => server.core.repositories.gitHosts(person.id)
      expect(await methods()).toEqual([{ connectionId: id, host: 'github.com', method: 'oauth' }])
      expect((await patch('ssh')).body.method).toBe('ssh')
      expect((await server.records(1))[0]).toMatchObject({ action: 'repository.update', changed: ['method'] })
      expect(await methods()).toEqual([{ connectionId: id, host: 'github.com', method: 'ssh' }])
      expect(await codeFrom(tokenFor('github.com'))).toBe('repository_connection.no_token')
      expect((await patch('oauth')).body.method).toBe('oauth')
      expect(await codeFrom(tokenFor('github.com'))).toBe('success')
      expect((await patch('nonsense')).body.errors[0].field).toBe('method')
    })

    test('a connection without a token is disconnected without calling anybody', async () => {
      const { connection } = await server.ok('POST', CONNECTIONS, {
        token: person.token,
        body: { providerId: at('gitlab.com').id, method: 'ssh' },
      })
      const answer = await server.ok('DELETE', `${CONNECTIONS}/${connection.id}`, { token: person.token })
      expect([answer, fakes.internet.calls]).toEqual([{ revocation: 'none', next: null }, []])
      expect((await server.records(1))[0]).toMatchObject({
        action: 'repository.disconnect',
        target: { id: connection.id },
      })
    })
  })

  describe('tokens', () => {
    test('hosts match exactly, port included; all others get nothing', async () => {
      await connect('gitlab.com')
      await connect('git.corp.example:8443')
      for (const host of ['gitlab.com', 'GitLab.com', 'gitlab.com:443', 'git.corp.example:8443'])
        expect([host, await codeFrom(tokenFor(host))]).toEqual([host, 'success'])
      for (const host of [
        'git.corp.example',
        'git.corp.example:443',
        'gitlab.com:8443',
        'gitlab.com.evil.example',
        'evil-gitlab.com',
        'notgitlab.com',
        'sub.gitlab.com',
        'gitlab.com/evil',
        'gitlab.com@evil.example',
        'evil.example#gitlab.com',
        'gitlab.com\n',
        'gitlab.com\0',
        ' gitlab.com',
        'gitlab?com',
        'github.com',
        '',
      ])
        expect([host, await codeFrom(tokenFor(host))]).toEqual([host, 'repository_connection.not_found'])
      // Another person's connections are nobody's.
      const stranger = await asker(await server.addPerson())
      expect(await codeFrom(server.core.repositoryTokens.tokenFor(stranger, { host: 'gitlab.com' }))).toBe(
        'repository_connection.not_found',
      )
    })

    test.each(clouds.map(([, product, host]) => [product, host] as const))(
      'of %s are refreshed within 5 minutes of their end, and not before',
      async (product, host) => {
        await connect(host)
        const { fake } = at(host)
        const first = await tokenFor(host)
        server.clock.advance((product === 'github' ? 8 : 2) * HOUR_MS - 6 * MINUTE_MS)
        expect((await tokenFor(host)).token.reveal()).toBe(first.token.reveal())
        server.clock.advance(2 * MINUTE_MS)
        const second = await tokenFor(host)
        expect(second.token.reveal()).not.toBe(first.token.reveal())
        expect(isLive(host, second)).toBe(true)
        expect(fake.counts.refresh_token).toBe(1)
        const actions = (await server.records(2)).map(({ action }) => action)
        expect(actions).toEqual(['repository.refresh', 'repository.use'])
        // The next pair works as well.
        server.clock.advance(9 * HOUR_MS)
        expect(isLive(host, await tokenFor(host))).toBe(true)
        expect(fake.counts.refresh_token).toBe(2)
      },
    )

    test('of a GitHub OAuth App do not end; one that was revoked there is found out', async () => {
      const { fake } = at('github.com')
      fake.isOauthApp = true
      await connect('github.com')
      expect(await list()).toMatchObject([
        { tokenExpiresAt: null, isRefreshable: false, scopes: ['repo', 'write:gpg_key'] },
      ])
      server.clock.advance(1000 * HOUR_MS)
      const given = await tokenFor('github.com')
      expect([given.expiresAt, fake.counts.refresh_token]).toEqual([null, 0])
      // git says that it was rejected, but it is good: given again.
      expect((await tokenFor('github.com', true)).token.reveal()).toBe(given.token.reveal())
      fake.revokeAll()
      expect(await codeFrom(tokenFor('github.com', true))).toBe('repository_connection.broken')
      expect(await list()).toMatchObject([
        { health: { status: 'broken', reason: expect.stringContaining('connect again') } },
      ])
      expect(await codeFrom(tokenFor('github.com'))).toBe('repository_connection.broken')
      await connect('github.com')
      expect(await list()).toMatchObject([{ health: { status: 'ok', reason: null } }])
    })

    test('one that git says was rejected is refreshed, once', async () => {
      await connect('gitlab.com')
      const { fake } = at('gitlab.com')
      server.clock.advance(2 * MINUTE_MS)
      const first = await tokenFor('gitlab.com')
      const second = await tokenFor('gitlab.com', true)
      expect(second.token.reveal()).not.toBe(first.token.reveal())
      expect((await tokenFor('gitlab.com', true)).token.reveal()).toBe(second.token.reveal())
      expect(fake.counts.refresh_token).toBe(1)
    })

    test('50 requests at once, on two servers where the database is shared, make one refresh', async () => {
      await connect('github.com')
      const { fake } = at('github.com')
      // Slow enough that all of them are there meanwhile.
      const gate = Promise.withResolvers<void>()
      fake.beforeTokenAnswer = () => gate.promise
      server.clock.advance(9 * HOUR_MS)
      const second =
        database === 'postgres' ? await composeCore(server.config, server.clock, fakes.internet) : undefined
      try {
        const who = await asker()
        const cores = second ? [server.core, second] : [server.core]
        const all = Promise.all(
          Array.from({ length: 50 }, (_, i) =>
            cores[i % cores.length]!.repositoryTokens.tokenFor(who, { host: 'github.com' }),
          ),
        )
        while (fake.counts.refresh_token === 0) await new Promise((resolve) => setImmediate(resolve))
        gate.resolve()
        const given = await all
        expect(new Set(given.map(({ token }) => token.reveal())).size).toBe(1)
        expect(isLive('github.com', given[0]!)).toBe(true)
        expect(fake.counts.refresh_token).toBe(1)
      } finally {
        await second?.close()
      }
    })

    test('the new pair is committed before anybody gets it', async () => {
      const connection = await connect('gitlab.com')
      server.clock.advance(3 * HOUR_MS)
      const given = await tokenFor('gitlab.com')
      const row = await server.core.storage.db
        .selectFrom('repository_connections')
        .select(['token_version', 'lease_id'])
        .where('id', '=', connection.id)
        .executeTakeFirstOrThrow()
      expect([row, isLive('gitlab.com', given)]).toEqual([{ token_version: 2, lease_id: null }, true])
    })

    describe('a server that ends between answer and commit', () => {
      /** The state that such an end leaves: the provider has rotated, and the lease is held by nobody. */
      async function crash(host: string): Promise<void> {
        const connection = await connect(host)
        const { db } = server.core.storage
        const before = await db
          .selectFrom('repository_connections')
          .selectAll()
          .where('id', '=', connection.id)
          .executeTakeFirstOrThrow()
        server.clock.advance(9 * HOUR_MS)
        await tokenFor(host)
        const lease = {
          lease_id: 'lse_crashed',
          lease_expires_at: server.clock.now().getTime() + MINUTE_MS,
        }
        await server.core.storage.transaction((tx) =>
          tx
            .updateTable('repository_connections')
            .set({ ...before, ...lease })
            .where('id', '=', connection.id)
            .execute(),
        )
      }

      test('GitLab and Bitbucket: the next refresh, when the lease has run out, repairs it', async () => {
        for (const host of ['gitlab.com', 'bitbucket.org']) {
          await crash(host)
          server.clock.advance(2 * MINUTE_MS)
          expect([host, isLive(host, await tokenFor(host))]).toEqual([host, true])
        }
      })

      test('GitHub, which takes a refresh token once: broken, and says why and what to do', async () => {
        await crash('github.com')
        server.clock.advance(2 * MINUTE_MS)
        expect(await codeFrom(tokenFor('github.com'))).toBe('repository_connection.broken')
        const reason = expect.stringMatching(/interrupted; connect again/)
        expect(await list()).toMatchObject([{ health: { status: 'broken', reason } }])
        const item = (await server.core.repositories.items(person.id))[0]!
        expect(item).toMatchObject({ kind: 'repository-connection', status: 'broken', usedIn: 'github.com' })
      })
    })

    test('a provider that is away: the old token while it lasts, then 502, and it is not broken', async () => {
      await connect('gitlab.com')
      const { fake } = at('gitlab.com')
      const first = await tokenFor('gitlab.com')
      fake.failures.set(/token/, { status: 503, body: {} })
      server.clock.advance(2 * HOUR_MS - 3 * MINUTE_MS)
      expect((await tokenFor('gitlab.com')).token.reveal()).toBe(first.token.reveal())
      server.clock.advance(4 * MINUTE_MS)
      expect(await codeFrom(tokenFor('gitlab.com'))).toBe('repository_provider.unavailable')
      expect(await list()).toMatchObject([{ health: { status: 'ok' } }])
      fake.failures.clear()
      expect(isLive('gitlab.com', await tokenFor('gitlab.com'))).toBe(true)
    })

    test('revoked at the provider: broken with a reason; a client secret that is refused breaks nothing', async () => {
      await connect('gitlab.com')
      const { fake } = at('gitlab.com')
      server.clock.advance(3 * HOUR_MS)
      const secret = fake.clientSecret
      fake.clientSecret = 'changed there'
      expect(await codeFrom(tokenFor('gitlab.com'))).toBe('repository_provider.unavailable')
      fake.clientSecret = secret
      fake.revokeAll()
      expect(await codeFrom(tokenFor('gitlab.com'))).toBe('repository_connection.broken')
      expect(await list()).toMatchObject([{ health: { status: 'broken' } }])
    })

    test('moved to another row, the sealed token does not open', async () => {
      const mine = await connect('gitlab.com')
      const other = await server.addPerson()
      const theirs = await connect('gitlab.com', 'other', other)
      const { storage } = server.core
      const { sealed_token } = await storage.db
        .selectFrom('repository_connections')
        .select('sealed_token')
        .where('id', '=', theirs.id)
        .executeTakeFirstOrThrow()
      await storage.transaction((tx) =>
        tx.updateTable('repository_connections').set({ sealed_token }).where('id', '=', mine.id).execute(),
      )
      expect(await codeFrom(tokenFor('gitlab.com'))).toBe('secret.unreadable')
    })

    test('a changed address in the database gets neither tokens nor the client secret', async () => {
      const { id: providerId } = at('gitlab.com')
      const connection = await connect('gitlab.com')
      const { storage } = server.core
      const set = (change: { base_url?: string; host?: string }) =>
        storage.transaction((tx) =>
          tx.updateTable('repository_providers').set(change).where('id', '=', providerId).execute(),
        )
      const right = { base_url: 'https://gitlab.com', host: 'gitlab.com' }
      for (const [change, host] of [
        [{ host: 'evil.example' }, 'evil.example'],
        [{ base_url: 'https://evil.example' }, 'gitlab.com'],
      ] as const) {
        try {
          await set(change)
          expect(await codeFrom(tokenFor(host))).toBe('secret.unreadable')
        } finally {
          await set(right)
        }
      }
      await storage.transaction((tx) =>
        tx
          .updateTable('repository_connections')
          .set({ provider_id: at('github.com').id })
          .where('id', '=', connection.id)
          .execute(),
      )
      expect(await codeFrom(tokenFor('github.com'))).toBe('secret.unreadable')
      expect(fakes.internet.calls.some((call) => call.includes('evil'))).toBe(false)
    })

    test('disconnecting deletes here when the provider does not answer, and says so', async () => {
      const connection = await connect('gitlab.com')
      at('gitlab.com').fake.failures.set(/revoke/, { status: 500, body: 'oops' })
      const answer = await server.ok('DELETE', `${CONNECTIONS}/${connection.id}`, { token: person.token })
      expect(answer).toEqual({ revocation: 'failed', next: expect.stringContaining('gitlab.com/-/user') })
      expect(await list()).toEqual([])
    })
  })

  describe('GPG keys', () => {
    const publish = async (armored = 'armored key') =>
      server.core.repositoryGpgKeys.publishGpgKey(await asker(), armored, 'laptop')

    test('are registered at every connected provider that allows it, and removed again', async () => {
      at('gitlab.com').fake.grantedScopes = ['api']
      at('bitbucket.org').fake.grantedScopes = ['account:write']
      at('github.com').fake.grantedScopes = ['write:gpg_key']
      at('bb.corp.example').fake.grantedScopes = ['ACCOUNT_WRITE']
      const hosts = ['github.com', 'gitlab.com', 'bitbucket.org', 'bb.corp.example']
      for (const host of hosts) await connect(host)
      const published = await publish()
      expect(published.map(({ provider, status }) => [provider, status])).toEqual([
        ['Bitbucket', 'published'],
        ['GitHub', 'published'],
        ['GitLab', 'published'],
        ['Bitbucket Data Center at bb.corp.example', 'published'],
      ])
      for (const host of hosts) expect(at(host).fake.gpgKeys.size).toBe(1)
      // A second time it is there already.
      const again = await publish()
      for (const { status, reason } of again)
        expect([status, reason]).toEqual(['failed', expect.stringContaining('already')])
      const keys = published.map(({ connectionId, remoteId }) => ({ connectionId, remoteId: remoteId! }))
      for (let i = 0; i < 2; i++) {
        const removed = await server.core.repositoryGpgKeys.removeGpgKey(await asker(), keys)
        expect(removed.map(({ status }) => status)).toEqual(Array(4).fill('removed'))
      }
      for (const host of hosts) expect(at(host).fake.gpgKeys.size).toBe(0)
    })

    test('a missing scope is named: from what was granted without asking, else from the refusal', async () => {
      await connect('gitlab.com')
      at('github.com').fake.grantedScopes = ['repo']
      await connect('github.com')
      fakes.internet.calls.length = 0
      expect(await publish()).toMatchObject([
        { provider: 'GitHub', status: 'missing-scope', missingScope: 'write:gpg_key' },
        { provider: 'GitLab', status: 'missing-scope', missingScope: 'api' },
      ])
      expect(fakes.internet.calls.map((call) => call.split(' ')[1])).toEqual([
        'https://api.github.com/user/gpg_keys',
      ])
    })

    test('one provider that fails does not stop the others', async () => {
      at('gitlab.com').fake.grantedScopes = ['api']
      at('github.com').fake.grantedScopes = ['write:gpg_key']
      await connect('gitlab.com')
      await connect('github.com')
      at('github.com').fake.failures.set(/gpg/, { status: 500, body: {} })
      expect(await publish()).toMatchObject([
        { provider: 'GitHub', status: 'failed', reason: 'it answered with status 500' },
        { provider: 'GitLab', status: 'published' },
      ])
    })
  })

  test('the inventory lists a connection with host and scopes, without an end when it is refreshed', async () => {
    await connect('gitlab.com')
    const { credentials } = await server.ok('GET', '/api/v1/credentials', { token: person.token })
    const item = credentials.find(({ kind }: { kind: string }) => kind === 'repository-connection')
    expect(item).toMatchObject({
      name: 'octo at gitlab.com',
      usedIn: 'gitlab.com',
      accessLevel: 'read_user read_repository write_repository',
      expiresAt: null,
      status: 'active',
    })
  })
})
