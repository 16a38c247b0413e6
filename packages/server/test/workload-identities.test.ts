import { createHmac, generateKeyPairSync, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { databases, startServer, type TestPerson, type TestServer } from './kit.ts'

const MINUTE_MS = 60_000
const AUDIENCE = 'http://localhost:8080'
const EXCHANGE = '/api/v1/workload-identity/token'

/** A platform that issues tokens as GitHub Actions does: discovery, keys, and failures on purpose. */
class Issuer {
  url = ''
  /** Requests for keys. */
  fetches = 0
  answer: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined
  keys: { kid: string; pair: ReturnType<typeof newPair> }[] = []
  readonly #server = createServer((request, response) => void this.#serve(request, response))

  async listen(): Promise<void> {
    this.rotate('first')
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}` // `as`: it listens on TCP.
  }

  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }

  /** Signs with a new key from now on, and shows no other. */
  rotate(kid: string): void {
    this.keys = [{ kid, pair: newPair() }]
  }

  async jwks() {
    const keys = await Promise.all(
      this.keys.map(async ({ kid, pair }) => ({ ...(await exportJWK(pair.publicKey)), kid, use: 'sig' })),
    )
    return { keys }
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.answer?.(request, response)) return
    response.setHeader('content-type', 'application/json')
    if (request.url === '/.well-known/openid-configuration')
      return void response.end(JSON.stringify({ issuer: this.url, jwks_uri: `${this.url}/.well-known/jwks` }))
    this.fetches += 1
    response.end(JSON.stringify(await this.jwks()))
  }
}

const newPair = () => generateKeyPairSync('rsa', { modulusLength: 2048 })

describe.each(databases)('workload identities on %s', (database) => {
  const issuer = new Issuer()
  let server: TestServer
  let stop: () => Promise<void>
  let owner: TestPerson
  let project: { id: string; name: string }

  beforeAll(async () => {
    await issuer.listen()
    ;({ server, stop } = await startServer(database, { KEYHOLD_OUTGOING_ALLOW: '127.0.0.0/8' }))
    owner = await server.addPerson()
    project = await server.addProject(owner)
    await server.addSecret(owner, project.id, { name: 'DEPLOY_KEY', value: 'a value for machines' })
  })
  afterAll(async () => {
    await stop()
    issuer.close()
  })
  beforeEach(() => {
    // Refused tokens are counted per minute; keys are fetched anew.
    server.clock.advance(11 * MINUTE_MS)
    issuer.answer = undefined
  })

  const path = () => `/api/v1/projects/${project.id}/workload-identities`
  const post = (body: object) =>
    server.request('POST', path(), {
      token: owner.token,
      body: { name: 'deploy', preset: 'github', issuer: issuer.url, permission: 'read', ...body },
    })
  const claims = { repository: 'ada/shop', ref: 'refs/heads/main' }
  async function create(body: object = {}): Promise<string> {
    const answer = await post({ claims, ...body })
    expect([answer.status, answer.text]).toEqual([201, expect.anything()])
    return answer.body.id
  }
  const nowS = () => Math.floor(server.clock.now().getTime() / 1000)
  const payloadOf = (more: object = {}): JWTPayload => ({
    iss: issuer.url,
    aud: AUDIENCE,
    sub: 'repo:ada/shop:ref:refs/heads/main',
    repository: 'ada/shop',
    ref: 'refs/heads/main',
    workflow: 'deploy',
    iat: nowS(),
    nbf: nowS() - 10,
    exp: nowS() + 300,
    jti: randomUUID(),
    ...more,
  })
  const sign = (more: object = {}, { kid, pair } = issuer.keys[0]!) =>
    new SignJWT(payloadOf(more)).setProtectedHeader({ alg: 'RS256', kid, typ: 'JWT' }).sign(pair.privateKey)
  const exchange = (workloadIdentityId: string, subjectToken: string) =>
    server.request('POST', EXCHANGE, { body: { workloadIdentityId, subjectToken } })
  const enter = async (id: string, token: string) => {
    const answer = await exchange(id, token)
    expect([answer.status, answer.text]).toEqual([201, expect.anything()])
    return { id: answer.body.accessKeyId, secret: answer.body.accessKey, body: answer.body }
  }
  const read = (key: { id: string; secret: string }) =>
    server.request('GET', '/api/v1/projects/current/secrets', { key })
  const testOf = async (id: string, subjectToken: string) =>
    server.ok('POST', `${path()}/${id}/test`, { token: owner.token, body: { subjectToken } })

  test('a token of the platform is exchanged for a key that reads as an access key does, ends with it, and is recorded with its claims', async () => {
    const id = await create()
    const exp = nowS() + 300
    const key = await enter(id, await sign({ exp }))
    expect(key.body).toEqual({
      project: { id: project.id, name: project.name },
      accessKeyId: expect.stringMatching(/^wic_/),
      accessKey: expect.stringMatching(/^kh_wis_\w{49}$/),
      permission: 'read',
      expiresAt: new Date(exp * 1000).toISOString(),
    })
    const answer = await read(key)
    expect(answer.body.secrets).toMatchObject([{ name: 'DEPLOY_KEY', value: 'a value for machines' }])
    const created = await server.request('POST', '/api/v1/projects/current/secrets', {
      key,
      body: { name: 'X', type: 'token', value: 'something' },
    })
    expect(created.body.code).toBe('access.refused')

    const actor = {
      kind: 'workload-identity',
      id,
      name: 'repo:ada/shop:ref:refs/heads/main',
      credential: key.id,
    }
    const records = await server.records(3)
    expect(records).toMatchObject([
      { action: 'secret.create', outcome: 'refused', actor },
      { action: 'secret.read', outcome: 'success', actor, target: { name: 'DEPLOY_KEY' } },
      {
        action: 'workload-identity.exchange',
        outcome: 'success',
        actor,
        project: { id: project.id },
        target: {
          name: 'sub=repo:ada/shop:ref:refs/heads/main; repository=ada/shop; ref=refs/heads/main; workflow=deploy',
        },
      },
    ])
    const [listed] = (await server.ok('GET', path(), { token: owner.token })).workloadIdentities
    expect(listed).toMatchObject({ lastSubject: actor.name, hasOwnKeys: false, isSingleUse: true })

    server.clock.advance(300_000)
    expect((await read(key)).status).toBe(401)
  })

  test('an hour is the longest, however long the token lasts', async () => {
    const key = await enter(await create(), await sign({ exp: nowS() + 86_000 }))
    server.clock.advance(59 * MINUTE_MS)
    expect((await read(key)).status).toBe(200)
    server.clock.advance(MINUTE_MS)
    expect((await read(key)).status).toBe(401)
  })

  describe('a token is refused', () => {
    const wrong: Record<string, [() => Promise<string>, RegExp]> = {
      'of another repository': [() => sign({ repository: 'eve/shop' }), /has another repository/],
      'with a claim in another case': [() => sign({ repository: 'Ada/shop' }), /has another repository/],
      'with a claim that begins as the right one': [
        () => sign({ repository: 'ada/shop2' }),
        /has another repository/,
      ],
      'without the claim': [() => sign({ ref: undefined }), /has another ref/],
      'with a list where a text is wanted': [
        () => sign({ repository: ['ada/shop'] }),
        /has another repository/,
      ],
      'for another audience': [() => sign({ aud: 'https://elsewhere.example' }), /for another audience/],
      'of another issuer': [() => sign({ iss: 'https://elsewhere.example' }), /from another issuer/],
      'that has ended': [() => sign({ exp: nowS() - 1 }), /has ended/],
      'without an end': [() => sign({ exp: undefined }), /has no end/],
      'that is not good yet': [() => sign({ nbf: nowS() + 120 }), /no nbf/],
      'without a time of issue': [() => sign({ iat: undefined }), /no iat/],
      'of the future': [() => sign({ iat: nowS() + 120 }), /no iat/],
      'that is more than a day old': [() => sign({ iat: nowS() - 90_000 }), /too long ago/],
      'signed by another key under the same name': [
        () => sign({}, { kid: issuer.keys[0]!.kid, pair: newPair() }),
        /no signature by a key of its issuer/,
      ],
      'signed by a key of another name': [
        () => sign({}, { kid: 'other', pair: newPair() }),
        /no signature by a key of its issuer/,
      ],
      'that brings its own key': [
        async () => {
          const pair = newPair()
          const jwk = await exportJWK(pair.publicKey)
          const header = { alg: 'RS256', jwk, jku: `${issuer.url}/evil`, x5u: `${issuer.url}/evil` }
          return new SignJWT(payloadOf()).setProtectedHeader(header).sign(pair.privateKey)
        },
        /no signature by a key of its issuer/,
      ],
      'without a signature (alg none)': [
        async () => new UnsecuredJWT(payloadOf()).encode(),
        /signed in a way that is not taken/,
      ],
      'signed with the public key as a password (HS256)': [
        async () => {
          const { kid, pair } = issuer.keys[0]!
          const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
          const body = `${encode({ alg: 'HS256', kid, typ: 'JWT' })}.${encode(payloadOf())}`
          const pem = pair.publicKey.export({ type: 'spki', format: 'pem' })
          return `${body}.${createHmac('sha256', pem).update(body).digest('base64url')}`
        },
        /signed in a way that is not taken/,
      ],
      'whose claims were changed': [
        async () => {
          const [head, , signature] = (await sign({ repository: 'eve/shop' })).split('.')
          return `${head}.${Buffer.from(JSON.stringify(payloadOf())).toString('base64url')}.${signature}`
        },
        /no signature by a key of its issuer/,
      ],
      'with a header that has to be understood (crit)': [
        () =>
          new SignJWT(payloadOf())
            .setProtectedHeader({ alg: 'RS256', kid: issuer.keys[0]!.kid, crit: ['b64'], b64: true })
            .sign(issuer.keys[0]!.pair.privateKey)
            .then((token) => {
              const [, body, signature] = token.split('.')
              const header = { alg: 'RS256', kid: issuer.keys[0]!.kid, crit: ['x'], x: 1 }
              return `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${body}.${signature}`
            }),
        /no signature by a key of its issuer/,
      ],
      'that is none': [async () => 'canary-of-a-token', /is no JWT/],
    }
    test.each(Object.entries(wrong))('%s', async (_how, [make, problem]) => {
      const id = await create()
      const token = await make()
      const answer = await exchange(id, token)
      expect(answer.body).toMatchObject({ status: 401, code: 'workload_identity.token_refused' })
      expect(answer.text).not.toContain('ada/shop')
      // Only who has a token that the issuer signed is told why.
      const isSigned = /has another/.test(String(problem))
      expect(Boolean(answer.body.detail)).toBe(isSigned)
      const [record] = await server.records(1)
      expect(record).toMatchObject({
        action: 'workload-identity.exchange',
        outcome: 'refused',
        reason: 'workload_identity.token_refused',
        actor: { kind: 'workload-identity', id },
        project: { id: project.id },
      })
      expect(JSON.stringify(record)).not.toContain('canary')
      // A member of the project is told.
      const tested = await testOf(id, token)
      expect(tested).toMatchObject({ isAccepted: false, problem: expect.stringMatching(problem) })
    })
  })

  test('a token is taken once, also when it comes ten times at once; where a job has only one, again and again', async () => {
    const once = await create()
    const token = await sign()
    expect((await testOf(once, token)).isAccepted).toBe(true)
    const answers = await Promise.all(Array.from({ length: 10 }, () => exchange(once, token)))
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1)
    expect(answers.find(({ status }) => status === 401)!.body.detail).toBe('The token was used before')
    const withoutId = await sign({ jti: undefined })
    expect((await exchange(once, withoutId)).status).toBe(201)
    expect((await exchange(once, withoutId)).status).toBe(401)

    const often = await create({ isSingleUse: false })
    const again = await sign()
    for (let i = 0; i < 2; i++) expect((await exchange(often, again)).status).toBe(201)
    // Of one identity it is no use of another one.
    expect((await exchange(await create(), again)).status).toBe(201)
  })

  test('stopped or deleted: the next request of what was let in is refused, and nobody else comes in', async () => {
    const id = await create({ permission: 'read_write', isSingleUse: false })
    const key = await enter(id, await sign())
    const change = (body: object) => server.ok('PATCH', `${path()}/${id}`, { token: owner.token, body })
    await change({ permission: 'read' })
    const created = await server.request('POST', '/api/v1/projects/current/secrets', {
      key,
      body: { name: 'Y', type: 'token', value: 'something' },
    })
    expect(created.body.code).toBe('access.refused')
    await change({ isActive: false })
    expect((await read(key)).status).toBe(401)
    expect((await exchange(id, await sign())).status).toBe(401)
    expect((await testOf(id, await sign())).problem).toMatch(/stopped/)
    await change({ isActive: true })
    expect((await read(key)).status).toBe(200)
    await server.ok('DELETE', `${path()}/${id}`, { token: owner.token })
    expect((await read(key)).status).toBe(401)
  })

  test('the secret of one, the id of another, and an access key: 401', async () => {
    const key = await enter(await create(), await sign())
    const other = await enter(await create(), await sign())
    const own = await server.addKey(owner, project.id)
    for (const wrong of [
      { id: key.id, secret: other.secret },
      { id: key.id, secret: own.secret },
      { id: own.id, secret: key.secret },
      { id: `wic_${'0'.repeat(20)}`, secret: key.secret },
      { id: key.id, secret: '' },
    ])
      expect((await read(wrong)).status).toBe(401)
  })

  test('an unknown identity and one whose token is not signed get one answer', async () => {
    const id = await create()
    const answers = [await exchange(`wid_${'0'.repeat(20)}`, await sign()), await exchange(id, 'x')]
    const [unknown, unsigned] = answers.map(({ body }) => ({ ...body, traceId: '' }))
    expect(unknown).toEqual(unsigned)
  })

  test('keys of the issuer are fetched once, again when a new one appears, and not for every name that somebody makes up', async () => {
    const id = await create({ isSingleUse: false })
    issuer.fetches = 0
    await Promise.all(Array.from({ length: 5 }, async () => enter(id, await sign())))
    expect(issuer.fetches).toBe(1)
    issuer.rotate(`next ${randomUUID()}`)
    const token = await sign()
    // Too soon after the last time.
    expect((await exchange(id, token)).status).toBe(401)
    expect(issuer.fetches).toBe(1)
    server.clock.advance(31_000)
    expect((await exchange(id, await sign())).status).toBe(201)
    expect(issuer.fetches).toBe(2)
    for (let i = 0; i < 5; i++) await exchange(id, await sign({}, { kid: `made up ${i}`, pair: newPair() }))
    expect(issuer.fetches).toBe(2)
  })

  test('an issuer that fails: 503 that says so, recorded, and not asked again for a while; then it works', async () => {
    const failures: [string, (request: IncomingMessage, response: ServerResponse) => void, RegExp][] = [
      ['an error', (_q, response) => void response.writeHead(500).end('canary'), /it answers 500/],
      ['no JSON', (_q, response) => void response.end('canary'), /names another issuer/],
      [
        'another issuer',
        (_q, response) => void response.end('{"issuer":"https://evil.example"}'),
        /names another issuer/,
      ],
      [
        'keys at an address that only this machine has',
        (_q, response) =>
          void response.end(JSON.stringify({ issuer: issuer.url, jwks_uri: 'http://169.254.169.254/keys' })),
        /Keyhold does not call/,
      ],
      [
        'a redirect',
        (_q, response) => void response.writeHead(302, { location: '/elsewhere' }).end(),
        /it answers 302/,
      ],
      ['nothing', (request) => void request.socket.destroy(), /the connection failed/],
    ]
    const id = await create()
    for (const [how, fail, reason] of failures) {
      server.clock.advance(11 * MINUTE_MS)
      let asked = 0
      issuer.answer = (request, response) => {
        asked += 1
        fail(request, response)
        return true
      }
      const answers = [await exchange(id, await sign()), await exchange(id, await sign())]
      for (const { body } of answers) {
        expect([how, body.code]).toEqual([how, 'workload_identity.issuer_unavailable'])
        expect(body.detail).toMatch(reason)
        expect(JSON.stringify(body)).not.toContain('canary')
      }
      expect([how, asked]).toEqual([how, 1])
      expect((await server.records(1))[0]).toMatchObject({ reason: 'workload_identity.issuer_unavailable' })
    }
    issuer.answer = undefined
    server.clock.advance(MINUTE_MS)
    expect((await exchange(id, await sign())).status).toBe(201)
  })

  test('keys that were given are used, and nobody is asked; a symmetric or private key is none', async () => {
    const account = 'system:serviceaccount:shop:deploy'
    const kubernetes = {
      preset: 'kubernetes',
      issuer: 'https://kubernetes.default.svc.cluster.local',
      claims: { sub: account },
    }
    const id = await create({ ...kubernetes, jwks: JSON.stringify(await issuer.jwks()) })
    issuer.fetches = 0
    const token = () => sign({ iss: kubernetes.issuer, sub: account })
    const key = await enter(id, await token())
    expect((await read(key)).status).toBe(200)
    expect((await exchange(id, await sign({ iss: kubernetes.issuer, sub: `${account}2` }))).status).toBe(401)
    expect(issuer.fetches).toBe(0)
    issuer.rotate(`rotated ${randomUUID()}`)
    expect((await exchange(id, await token())).status).toBe(401)
    const body = { jwks: JSON.stringify(await issuer.jwks()) }
    await server.ok('PATCH', `${path()}/${id}`, { token: owner.token, body })
    expect((await exchange(id, await token())).status).toBe(201)

    const privateKey = { keys: [await exportJWK(issuer.keys[0]!.pair.privateKey)] }
    for (const jwks of [
      'canary',
      '{}',
      '{"keys":[]}',
      '{"keys":[{"kty":"oct","k":"canary"}]}',
      JSON.stringify(privateKey),
    ]) {
      const answer = await post({ ...kubernetes, jwks })
      expect([answer.status, answer.body.errors[0].field]).toEqual([400, 'jwks'])
      expect(answer.text).not.toContain('canary')
    }
  })

  test('what would let in more than one repository, project or service account is refused, with the reason', async () => {
    const cases: [object, string, RegExp][] = [
      [{ claims: {} }, 'claims', /./],
      [{ claims: { ref: 'refs/heads/main' } }, 'claims', /repository_id or repository or sub/],
      [{ claims: { repository_owner: 'ada' } }, 'claims', /tells yours from theirs/],
      [{ preset: 'gitlab', claims: { ref: 'main' } }, 'claims', /project_id or project_path or sub/],
      // Whatever somebody calls it.
      [
        { preset: 'custom', issuer: 'https://token.actions.githubusercontent.com', claims: { ref: 'x' } },
        'claims',
        /repository_id/,
      ],
      [{ preset: 'kubernetes', claims: { aud: 'x' } }, 'claims.aud', /fields of their own/],
      [{ preset: 'kubernetes', claims: { sub: 'system:node:x' } }, 'claims.sub', /system:serviceaccount/],
      [{ claims: { repository: 'ada/*' } }, 'claims.repository', /no patterns/],
      [{ claims, issuer: 'http://issuer.example' }, 'issuer', /https/],
      [{ claims, issuer: 'https://issuer.example/?x=1' }, 'issuer', /query/],
      [{ claims, issuer: 'https://10.0.0.1' }, 'issuer', /KEYHOLD_OUTGOING_ALLOW/],
      [{ claims, preset: 'custom', issuer: undefined }, 'issuer', /is needed/],
      [{ claims, permission: 'admin' }, 'permission', /./],
      [{ claims, audience: '' }, 'audience', /./],
    ]
    for (const [body, field, message] of cases) {
      const { status, body: answer } = await post(body)
      expect([body, status, answer.errors?.[0]?.field]).toEqual([body, 400, field])
      expect(answer.errors[0].message).toMatch(message)
    }
  })

  test('an address whose tokens are refused again and again has to wait', async () => {
    const id = await create()
    const refused = await Promise.all(Array.from({ length: 60 }, () => exchange(id, 'x')))
    expect(new Set(refused.map(({ status }) => status))).toEqual(new Set([401]))
    expect((await exchange(id, await sign())).status).toBe(429)
    server.clock.advance(MINUTE_MS)
    expect((await exchange(id, await sign())).status).toBe(201)
  })

  test('no token and no key is in the database or the log', async () => {
    const id = await create()
    const token = await sign()
    const key = await enter(id, token)
    await exchange(id, token)
    await read(key)
    const text = `${await server.dump()}${server.log.join('\n')}`
    for (const one of [token, token.split('.')[2]!, key.secret]) expect(text).not.toContain(one)
  })
})
