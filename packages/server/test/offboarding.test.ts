import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Asker, Person } from '../src/access/caller.ts'
import { newGpgKey } from './gpg-kit.ts'
import { type Answer, databases, startServer, type TestPerson, type TestServer, TestStream } from './kit.ts'
import { CLIENT_ID, CLIENT_SECRET, TestProvider } from './oidc-kit.ts'
import { SoftAuthenticator } from './passkey-kit.ts'

const armored = await newGpgKey()

const cookiesOf = (answer: Answer) =>
  answer.headers
    .getSetCookie()
    .map((cookie) => cookie.split(';')[0]!)
    .join('; ')

describe.each(databases)('a disabled account on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let provider: TestProvider
  let providerId: string
  let admin: TestPerson
  let person: TestPerson

  beforeAll(async () => {
    ;({ server, stop } = await startServer(database, { KEYHOLD_OUTGOING_ALLOW: '127.0.0.0/8' }))
    admin = await server.addPerson('admin')
    person = await server.addPerson()
    const uri = () => `http://localhost:8080/api/v1/identity-providers/callback/${providerId}`
    provider = await TestProvider.start(() => [uri()])
    const body = { issuer: provider.issuer, label: 'SSO', clientId: CLIENT_ID, clientSecret: CLIENT_SECRET }
    providerId = (await server.ok('POST', '/api/v1/identity-providers', { token: admin.token, body })).id
  })
  afterAll(async () => {
    await provider.stop()
    await stop()
  })

  const post = (path: string, body: unknown, cookie = '') =>
    server.request('POST', path, { headers: { cookie }, ...(body !== undefined && { body }) })

  async function visitProvider(path: string, cookie = '') {
    const begun = await post(path, { providerId }, cookie)
    expect([begun.status, begun.text]).toEqual([200, expect.anything()])
    const back = await provider.visit(begun.body.authorizationUrl)
    return { path: back.pathname + back.search, headers: { cookie: cookiesOf(begun) } }
  }

  test('gets nothing more by any way that it had, from the moment of the answer (A4, SDS-12, ASVS 7.4.2)', async () => {
    const cookie = await server.newSession(person)

    // Everything that lets somebody in, or hands something out.
    const authenticator = new SoftAuthenticator('http://localhost:8080')
    const begun = await post('/api/v1/passkeys/options', {}, cookie)
    const credential = authenticator.create(begun.body)
    const jar = `${cookie}; ${cookiesOf(begun)}`
    expect((await post('/api/v1/passkeys', { name: 'laptop', credential }, jar)).status).toBe(201)
    const linking = await visitProvider('/api/v1/identity-links', cookie)
    expect((await server.request('GET', linking.path, linking)).status).toBe(200)
    const { token } = person
    await server.ok('POST', '/api/v1/ssh-identity', { token, body: {} })
    const gpg = await server.ok('POST', '/api/v1/gpg-keys/import', { token, body: { privateKey: armored } })
    const apiKey = await server.ok('POST', '/api/v1/api-keys', {
      token,
      body: { name: 'service', service: 'openai', value: 'a-key-that-nobody-knows' },
    })
    await server.ok('POST', '/api/v1/personal-secrets', {
      token,
      body: { name: 'mine', type: 'token', value: 'a-value-that-nobody-knows', envName: 'MINE' },
    })
    const project = await server.addProject(person)
    const secret = await server.addSecret(person, project.id, { name: 'SHARED', value: 'of the project' })
    await server.ok('PUT', `/api/v1/projects/${project.id}/secrets/${secret.id}/override`, {
      token,
      body: { value: 'own-value-that-nobody-knows' },
    })
    const device = await server.ok('POST', '/api/v1/device-logins', { body: { name: 'machine' } })

    // What was let in before, and is in the middle of something.
    const { id: projectId } = await server.addProject(person)
    const streams = {
      'stream of the session': await TestStream.open(server, `${projectId}/changes`, { headers: { cookie } }),
      'stream of the access token': await TestStream.open(server, `${projectId}/changes`, { token }),
    }
    for (const stream of Object.values(streams)) await stream.sees(1)
    const caller = (await server.core.accessTokens.authenticate(token))! // `!`: it is valid now.
    const asker: Asker<Person> = { caller, origin: { traceId: 'test' } }
    const half = {
      passkey: await post('/api/v1/session/passkey/options', undefined),
      adding: await post('/api/v1/passkeys/options', {}, cookie),
      confirming: await post('/api/v1/session/reauthenticate/passkey/options', undefined, cookie),
      provider: await visitProvider('/api/v1/session/identity-provider'),
      link: await visitProvider('/api/v1/identity-links', cookie),
    }

    await server.ok('PATCH', `/api/v1/accounts/${person.id}`, {
      token: admin.token,
      body: { isDisabled: true },
    })

    const disabledAt = performance.now()
    for (const [what, stream] of Object.entries(streams)) {
      await stream.ended
      expect(performance.now() - disabledAt, what).toBeLessThan(2000)
      expect(stream.versions, what).toHaveLength(1)
    }

    const statusOf = async (answer: Promise<Answer>) => (await answer).status
    const codeOf = (work: Promise<unknown>) =>
      work.then(
        () => 'success',
        (error: { code?: string }) => error.code,
      )
    const after: Record<string, unknown> = {
      session: await statusOf(server.request('GET', '/api/v1/session', { headers: { cookie } })),
      'access token': await statusOf(server.request('GET', '/api/v1/session', { token })),
      password: await statusOf(post('/api/v1/session', { email: person.email, password: person.password })),
      passkey: await statusOf(
        post(
          '/api/v1/session/passkey',
          { credential: authenticator.get(half.passkey.body) },
          cookiesOf(half.passkey),
        ),
      ),
      'new passkey': await statusOf(
        post(
          '/api/v1/passkeys',
          { name: 'x', credential: new SoftAuthenticator('http://localhost:8080').create(half.adding.body) },
          `${cookie}; ${cookiesOf(half.adding)}`,
        ),
      ),
      'passkey confirmation': await statusOf(
        post(
          '/api/v1/session/reauthenticate/passkey',
          { credential: authenticator.get(half.confirming.body) },
          `${cookie}; ${cookiesOf(half.confirming)}`,
        ),
      ),
      'identity provider': await statusOf(server.request('GET', half.provider.path, half.provider)),
      'new link': await statusOf(server.request('GET', half.link.path, half.link)),
      'approving a machine': await statusOf(
        server.request('POST', '/api/v1/device-logins/approve', {
          token,
          body: { userCode: device.userCode },
        }),
      ),
      'SSH signature': await codeOf(server.core.sshIdentities.sign(asker, Buffer.from('x'))),
      'GPG signature': await codeOf(server.core.gpgKeys.sign(asker, gpg.gpgKey.id, Buffer.from('x'))),
      'API key': await codeOf(
        server.core.apiKeys.use(asker, apiKey.id, {
          method: 'GET',
          url: 'https://api.openai.com/v1/models',
        }),
      ),
      'personal secrets': await codeOf(server.core.personalSecrets.deliver(asker, 'ws-4k7p2m9x')),
      'repository token': await codeOf(server.core.repositoryTokens.tokenFor(asker, { host: 'github.com' })),
      'own value of a secret': await codeOf(
        server.core.secretOverrides.reveal(asker, project.id, secret.id, undefined),
      ),
      'new own value': await codeOf(
        server.core.secretOverrides.set(asker, project.id, secret.id, { value: 'x' }),
      ),
      'change of what is theirs': await codeOf(server.core.passkeys.rename(asker, 'psk_x', 'x')),
    }
    expect(after).toEqual({
      session: 401,
      'access token': 401,
      password: 401,
      passkey: 401,
      'new passkey': 401,
      'passkey confirmation': 401,
      'identity provider': 403,
      'new link': 403,
      'approving a machine': 401,
      'SSH signature': 'auth.required',
      'GPG signature': 'auth.required',
      'API key': 'auth.required',
      'personal secrets': 'auth.required',
      'repository token': 'auth.required',
      'own value of a secret': 'auth.required',
      'new own value': 'auth.required',
      'change of what is theirs': 'auth.required',
    })
    // Enabled again, no session of before is there; what belongs to the person is.
    await server.ok('PATCH', `/api/v1/accounts/${person.id}`, {
      token: admin.token,
      body: { isDisabled: false },
    })
    expect(await statusOf(server.request('GET', '/api/v1/session', { headers: { cookie } }))).toBe(401)
    expect(await statusOf(server.request('GET', '/api/v1/session', { token }))).toBe(200)
  })

  test('an administrator ends the sessions of somebody, recorded with whose; others do not (ASVS 7.4.5)', async () => {
    const someone = await server.addPerson()
    const cookie = await server.newSession(someone)
    const end = (token: string, id = someone.id) =>
      server.request('DELETE', `/api/v1/accounts/${id}/sessions`, { token })
    expect((await end(person.token)).status).toBe(403)
    expect((await end(admin.token, 'usr_00000000000000000000')).body.code).toBe('account.not_found')
    expect((await server.request('GET', '/api/v1/session', { headers: { cookie } })).status).toBe(200)
    expect((await end(admin.token)).status).toBe(204)
    expect((await server.request('GET', '/api/v1/session', { headers: { cookie } })).status).toBe(401)
    expect((await server.request('GET', '/api/v1/session', { token: someone.token })).status).toBe(200)
    const [record] = (await server.records()).filter(
      ({ action, outcome }) => action === 'account.end-sessions' && outcome === 'success',
    )
    expect(record).toMatchObject({ actor: { id: admin.id }, target: { id: someone.id, name: someone.email } })
  })
})
