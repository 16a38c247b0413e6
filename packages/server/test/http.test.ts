import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { routes } from '@keyhold/contract/api/routes'
import { pino } from 'pino'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { FailedAttempts } from '../src/http/attempts.ts'
import { Http, type HttpTimes } from '../src/http/http.ts'
import { countJsonMembers, countMembers } from '../src/http/json-limits.ts'
import { operationRoutes } from '../src/http/operations.ts'
import { databases, startServer, TestClock, type TestPerson, type TestServer } from './kit.ts'

const PROBLEM = 'application/problem+json'

/** Sends bytes as they are and reads until the server closes. */
async function raw(url: string, ...parts: readonly (string | Buffer)[]): Promise<string> {
  const socket = await open(url)
  for (const part of parts) socket.write(part)
  return ending(socket)
}

function open(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true }, () => resolve(socket))
    socket.once('error', reject)
  })
}

/** All that comes until the server closes the connection. */
function ending(socket: Socket): Promise<string> {
  let text = ''
  return new Promise((resolve) => {
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
    })
    socket.on('error', () => {})
    socket.once('end', () => socket.end())
    socket.once('close', () => resolve(text))
  })
}

const statusesOf = (text: string) =>
  [...text.matchAll(/HTTP\/1\.1 (\d{3}) [A-Z]/g)].map((match) => Number(match[1]))

const oneAnswer = 'Host: localhost\r\nConnection: close\r\n'

describe.each(databases)('hostile input on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let owner: TestPerson
  let projectId: string
  let paths: Record<string, string>
  let key: { id: string; secret: string }
  let agentToken: string

  beforeAll(async () => {
    ;({ server, stop } = await startServer(database))
    owner = await server.addPerson('admin')
    const project = await server.addProject(owner)
    projectId = project.id
    const environment = await server.addEnvironment(owner, projectId, 'staging')
    const secret = await server.addSecret(owner, projectId, {
      name: 'A_TOKEN',
      value: 'a value of some length',
    })
    key = await server.addKey(owner, projectId, { permission: 'read_write' })
    const { id } = await server.ok('POST', '/api/v1/workspaces', {
      token: owner.token,
      body: { name: 'api' },
    })
    agentToken = await server.addAgent(owner, id)
    paths = {
      projectId,
      environmentId: environment.id,
      secretId: secret.id,
      accessKeyId: key.id,
      accountId: owner.id,
      name: 'A_TOKEN',
    }
  })
  afterAll(() => stop())
  beforeEach(() => server.clock.advance(6 * 60_000))

  const withBody = routes.filter((row) => row.body)
  const pathOf = (path: string) =>
    path.replaceAll(/\{(\w+)\}/g, (_all, name: string) => paths[name] ?? 'x_unknown')
  describe.each(withBody.map((row) => [row.id, row] as const))('the body of %s', (_id, row) => {
    const canary = `CANARY-${row.id}-7c1d`
    // A body that may be missing is one of two schemas.
    const object = row.body.anyOf?.find((one: { properties?: object }) => one.properties) ?? row.body
    const fields = Object.keys(object.properties)
    const nested = (depth: number, open: string, close: string) =>
      `${open.repeat(depth)}"${canary}"${close.repeat(depth)}`
    const manyKeys = (count: number) =>
      `{${Array.from({ length: count }, (_, i) => `"k${i}":"${canary}"`).join(',')}}`

    /** Bodies that no route takes. */
    const bad: [string, string][] = [
      ['not JSON', canary],
      ['half of JSON', `{"${fields[0]}":"${canary}`],
      ['a JSON that goes on', `{} ${canary}`],
      ['JSON with a comment', `{/*${canary}*/}`],
      ['JSON in single quotes', `{'${fields[0]}':'${canary}'}`],
      ['an array', `["${canary}"]`],
      ['a string', `"${canary}"`],
      ['a number', '1e999'],
      ['null', 'null'],
      ['NaN', `{"${fields[0]}":NaN}`],
      ['an unknown field', `{"${canary}":1}`],
      ['__proto__', `{"__proto__":{"${fields[0]}":"${canary}"}}`],
      ['constructor', `{"constructor":{"prototype":{"${fields[0]}":"${canary}"}}}`],
      ...fields.map((field): [string, string] => [
        `an object for ${field}`,
        `{"${field}":{"x":"${canary}"}}`,
      ]),
      ...fields.map((field): [string, string] => [
        `a nested array for ${field}`,
        `{"${field}":[["${canary}"]]}`,
      ]),
      ...fields.map((field): [string, string] => [`a huge number for ${field}`, `{"${field}":1e400}`]),
      ...fields.map((field): [string, string] => [
        `${field} twice`,
        `{"${field}":"${canary}","\\u00${field.charCodeAt(0).toString(16)}${field.slice(1)}":"${canary}"}`,
      ]),
      ['deep arrays', nested(100_000, '[', ']')],
      ['deep objects', nested(100_000, '{"a":', '}')],
      ['many keys', manyKeys(60_000)],
      ['many items', `[${'0,'.repeat(500_000)}0]`],
    ]

    test('4xx that names the field and never quotes, for all that is not in the contract (SEC-16, L4)', async () => {
      const send = (body: string | Buffer, type: string | undefined = 'application/json') =>
        fetch(server.url + pathOf(row.path), {
          method: row.method,
          body,
          headers: {
            ...(type !== '' && { 'content-type': type }),
            ...(row.caller === 'person' && { authorization: `Bearer ${owner.token}` }),
            ...(row.caller === 'workspace' && { authorization: `Bearer ${agentToken}` }),
            ...(row.caller === 'machine' && {
              authorization: `Basic ${Buffer.from(`${key.id}:${key.secret}`).toString('base64')}`,
            }),
          },
        })
      const assertRefused = async (name: string, response: Response, statuses = [400, 413]) => {
        const text = await response.text()
        expect([name, statuses.includes(response.status), response.status, text]).toEqual([
          name,
          true,
          response.status,
          expect.anything(),
        ])
        expect(response.headers.get('content-type')).toContain(PROBLEM)
        expect([name, text]).toEqual([name, expect.not.stringContaining('CANARY')])
        const problem = JSON.parse(text)
        // Either a rule of the whole body, or the field that breaks one.
        expect([name, problem.detail ?? problem.errors?.[0]?.field ?? problem.title]).toEqual([
          name,
          expect.stringMatching(/./),
        ])
      }
      const before = server.log.length
      for (const [name, body] of bad) await assertRefused(name, await send(body))
      await assertRefused('nothing', await send(''), row.id === 'secret.reveal' ? [400] : [400])
      await assertRefused(
        'invalid UTF-8',
        await send(
          Buffer.concat([
            Buffer.from(`{"${fields[0]}":"${canary}`),
            Buffer.from([0xff, 0xfe]),
            Buffer.from('"}'),
          ]),
        ),
      )
      await assertRefused('UTF-16', await send(Buffer.from(`{"${fields[0]}":"${canary}"}`, 'utf16le')))
      await assertRefused('10 MB', await send(`{"${fields[0]}":"${canary.repeat(400_000)}"}`), [413])
      for (const type of [
        'text/plain',
        'text/plain; a=application/json',
        'application/x-www-form-urlencoded',
        'multipart/form-data; boundary=x',
        'application/jsonx',
        'application/xml',
        'nonsense',
      ]) {
        const response = await send(`{"${fields[0]}":"${canary}"}`, type)
        await assertRefused(type, response, [415])
      }
      const untyped = await raw(
        server.url,
        `${row.method} ${pathOf(row.path)} HTTP/1.1\r\n${oneAnswer}Content-Length: 2\r\n${authorization(row.caller)}\r\n{}`,
      )
      expect(statusesOf(untyped)).toEqual([415])
      expect(server.log.slice(before).join('')).not.toContain('CANARY')
      expect(server.log.slice(before).join('')).not.toContain('"level":50')
    })
  })

  const authorization = (caller: string) =>
    caller === 'person'
      ? `Authorization: Bearer ${owner.token}\r\n`
      : caller === 'workspace'
        ? `Authorization: Bearer ${agentToken}\r\n`
        : caller === 'machine'
          ? `Authorization: Basic ${Buffer.from(`${key.id}:${key.secret}`).toString('base64')}\r\n`
          : ''

  test('NUL, numbers without end and times that are none are refused before the database sees them', async () => {
    const token = owner.token
    const base = `/api/v1/projects/${projectId}`
    const nul = '\u0000'
    const cases: [string, string, object?][] = [
      ['POST', '/api/v1/session', { email: `a${nul}@example.com`, password: 'x' }],
      ['POST', '/api/v1/projects', { name: 'With description', description: `a${nul}b` }],
      ['POST', `${base}/environments`, { name: 'web', externalUrl: `https://a${nul}b` }],
      ['PATCH', `${base}/environments/${paths.environmentId}`, { description: nul }],
      ['POST', `${base}/secrets`, { name: `A${nul}`, type: 'token', value: 'some long value' }],
      [
        'POST',
        `${base}/secrets`,
        { name: 'B_TOKEN', type: 'token', value: 'some long value', description: nul },
      ],
      ['POST', `${base}/members`, { email: `a${nul}b@example.com`, role: 'regular' }],
      ['POST', `${base}/secrets/${paths.secretId}/reveal`, { version: 3_000_000_000 }],
      ['POST', `${base}/secrets/${paths.secretId}/reveal`, { version: 1.5 }],
      ['POST', `${base}/secrets/${paths.secretId}/reveal`, { version: 2 ** 60 }],
      ['PATCH', `${base}/secrets/${paths.secretId}`, { description: 'x', expectedVersion: 1e300 }],
      ['POST', '/api/v1/access-tokens', { name: 'leap', expiresAt: '2030-12-31T23:59:60Z' }],
      ['POST', `${base}/access-keys`, { permission: 'read', expiresAt: '2030-12-31T23:59:60Z' }],
      ['GET', `/api/v1/audit?person=%00`],
      ['GET', `/api/v1/audit?secret=a%00`],
      ['GET', `/api/v1/audit?project=%00`],
      ['GET', `/api/v1/audit?accessKey=%00`],
      ['GET', '/api/v1/audit?cursor=99999999999999999999999'],
      ['GET', '/api/v1/audit?cursor=1e400'],
      ['GET', '/api/v1/audit?cursor=-1'],
      ['GET', '/api/v1/audit?limit=1&limit=2'],
      ['GET', '/api/v1/audit?limit[]=1'],
      ['GET', '/api/v1/audit?__proto__=1'],
      ['GET', '/api/v1/audit?from=2030-12-31T23:59:60Z'],
      ['GET', '/api/v1/audit?unknown=1'],
      ['DELETE', `${base}?confirm=%00`],
    ]
    for (const [method, path, body] of cases) {
      const answer = await server.request(method, path, { token, ...(body && { body }) })
      expect([path, body, answer.status, answer.body.code]).toEqual([path, body, 400, 'request.invalid'])
    }
    const { accessTokens } = await server.ok('GET', '/api/v1/access-tokens', { token })
    expect(accessTokens.map(({ name }: { name: string }) => name)).not.toContain('leap')
  })

  test('what breaks a pattern is explained in words, without the value', async () => {
    const options = { token: owner.token, body: { name: '   ' } }
    const { status, body: problem } = await server.request('POST', '/api/v1/projects', options)
    const message = 'is not as it has to be: Not blank, no control characters, at most 100 characters'
    expect([status, problem.errors]).toEqual([400, [{ field: 'name', message }]])
  })

  test('odd but right input is stored as it was sent', async () => {
    const values = ['\u0000 in a file', '\ud83d\udd11 \u202e', '__proto__', '{"a":1,"a":2}', '\\u0000', '%00']
    for (const [i, value] of values.entries()) {
      const secret = await server.addSecret(owner, projectId, { name: `ODD_${i}`, type: 'file', value })
      const revealed = await server.ok('POST', `/api/v1/projects/${projectId}/secrets/${secret.id}/reveal`, {
        token: owner.token,
        body: {},
      })
      expect(revealed.value).toBe(value)
    }
    const lone = await server.request('POST', `/api/v1/projects/${projectId}/secrets`, {
      token: owner.token,
      body: '{"name":"LONE","type":"file","value":"\\ud800 is half a character"}',
    })
    expect(lone.body.errors).toEqual([{ field: 'value', message: 'is not Unicode text; send it as base64' }])
  })
})

describe('paths', () => {
  let server: TestServer
  let stop: () => Promise<void>
  let owner: TestPerson
  beforeAll(async () => {
    ;({ server, stop } = await startServer('sqlite'))
    owner = await server.addPerson('admin')
  })
  afterAll(() => stop())

  test('only the plain form of a path is a path (Z3, CVE-2026-3605)', async () => {
    const project = await server.addProject(owner)
    const secret = await server.addSecret(owner, project.id, {
      name: 'A_TOKEN',
      value: 'a value of some length',
    })
    const good = `/api/v1/projects/${project.id}/secrets/${secret.id}`
    const ask = async (target: string, method = 'GET') =>
      raw(
        server.url,
        `${method} ${target} HTTP/1.1\r\n${oneAnswer}Authorization: Bearer ${owner.token}\r\n\r\n`,
      )
    expect(statusesOf(await ask(good))).toEqual([200])
    const tricks = [
      `/api/v1/projects/x/../${project.id}/secrets/${secret.id}`,
      `/api/v1/projects/./${project.id}`,
      `/api/v1/projects/%2e/${project.id}`,
      `/api/v1/projects/x/%2e%2e/${project.id}`,
      `/api/v1/projects/x/%2E%2e/${project.id}`,
      `/api/v1/projects/x/.%2e/${project.id}`,
      `/api/v1/projects/x/%252e%252e/${project.id}`,
      `/api/v1/projects%2f${project.id}`,
      `/api/v1/projects%2F${project.id}`,
      `/api/v1/projects%252f${project.id}`,
      `/api/v1/projects\\${project.id}`,
      `/api/v1/projects%5c${project.id}`,
      `//api/v1/projects/${project.id}`,
      `/api//v1/projects/${project.id}`,
      `/api/v1/projects//${project.id}`,
      `/api/v1/projects/${project.id}/`,
      `/api/v1/projects/${project.id}/.`,
      `/api/v1/projects/${project.id}.`,
      `/api/v1/projects/${project.id}.json`,
      `/api/v1/projects/${project.id};x=1`,
      `/api/v1/projects/${project.id};/secrets`,
      `/api/v1/projects/${project.id}%00`,
      `/api/v1/projects/${project.id}%0a`,
      `/api/v1/projects/${project.id}%0d%0aX-Injected:%201`,
      `/api/v1/projects/${project.id}%20`,
      `/api/v1/projects/${project.id}%`,
      `/api/v1/projects/${project.id}%zz`,
      `/api/v1/projects/${project.id}%ff`,
      `/api/v1/projects/${project.id}%C0%AF`,
      `/api/v1/projects/${project.id.toUpperCase()}`,
      `/API/v1/projects/${project.id}`,
      `/api/V1/projects/${project.id}`,
      `/api/v1/Projects/${project.id}`,
      `/api/v1/projects/${project.id}/secrets/${secret.id.toUpperCase()}`,
      `/api/v1/projects/${project.id}/secrets/${'a'.repeat(5_000)}`,
      `/api/v1/projects/*`,
      `/api/v1/projects/%2a`,
      `/api/v1/projects/:projectId`,
      `/api/v1/projects/__proto__`,
      `/api/v1/projects/constructor`,
      `http://localhost${good}`,
      `https://evil.example${good}`,
      `*`,
      `api/v1/projects`,
      `?/api/v1/projects`,
      `/errors/..%2f..%2fpackage.json`,
      `/errors/../../package.json`,
      `/errors/auth.required.md`,
      `/errors/__proto__`,
      `/errors/toString`,
    ]
    for (const target of tricks) {
      const text = await ask(target)
      const [status] = statusesOf(text)
      expect([target, status === 400 || status === 404, text]).toEqual([target, true, expect.anything()])
      expect([target, text]).toEqual([
        target,
        expect.stringMatching(/content-type: application\/problem\+json/i),
      ])
      // Not in the answer, not in a header.
      expect(text).not.toMatch(/^X-Injected/im)
    }
    expect(server.log.join('')).not.toContain('"level":50')
  })

  test('another method is another route: none of them opens the one that exists', async () => {
    for (const method of ['OPTIONS', 'PUT', 'TRACE', 'LINK', 'PROPFIND', 'REPORT', 'PURGE', 'SEARCH']) {
      const text = await raw(server.url, `${method} /api/v1/session HTTP/1.1\r\n${oneAnswer}\r\n`)
      expect([method, statusesOf(text)[0]]).toEqual([method, 404])
    }
    const overridden = await server.request('POST', '/api/v1/accounts?_method=GET', {
      headers: { 'x-http-method-override': 'GET' },
      token: owner.token,
      body: {},
    })
    expect(overridden.status).toBe(400)
    const connected = await raw(server.url, `CONNECT example.com:443 HTTP/1.1\r\n${oneAnswer}\r\n`)
    expect(connected).toBe('')
    const upgraded = await raw(
      server.url,
      'GET /api/v1/session HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAAA\r\n\r\n',
    )
    expect(statusesOf(upgraded)).toEqual([401])
  })

  test('HEAD says what GET says, without a body', async () => {
    const head = (headers: Record<string, string>) =>
      fetch(`${server.url}/api/v1/projects`, { method: 'HEAD', headers })
    const allowed = await head({ authorization: `Bearer ${owner.token}` })
    expect([allowed.status, await allowed.text()]).toEqual([200, ''])
    const refused = await head({})
    expect([refused.status, await refused.text()]).toEqual([401, ''])
  })
})

describe('headers', () => {
  let server: TestServer
  let stop: () => Promise<void>
  let owner: TestPerson
  beforeAll(async () => {
    ;({ server, stop } = await startServer('sqlite', { KEYHOLD_TRUSTED_PROXIES: '127.0.0.1' }))
    owner = await server.addPerson('admin')
  })
  afterAll(() => stop())

  /** A browser behind a TLS proxy. */
  const proxied = { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'https' }

  const expected: Record<string, string> = {
    'cache-control': 'no-store',
    'content-security-policy':
      "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-resource-policy': 'same-origin',
  }

  function assertSecured(name: string, text: string): void {
    const head = text.split('\r\n\r\n')[0]!.toLowerCase()
    for (const [header, value] of Object.entries(expected))
      expect([name, head]).toEqual([name, expect.stringContaining(`${header}: ${value}`)])
    for (const header of ['x-powered-by', 'server:', 'access-control-', 'etag'])
      expect([name, head]).toEqual([name, expect.not.stringContaining(header)])
  }

  test('the security headers are on every answer, of whatever kind', async () => {
    const bearer = `Authorization: Bearer ${owner.token}\r\n`
    const requests: Record<string, string> = {
      page: `GET / HTTP/1.1\r\n${oneAnswer}\r\n`,
      'set-up page': `GET /setup HTTP/1.1\r\n${oneAnswer}\r\n`,
      health: `GET /healthz HTTP/1.1\r\n${oneAnswer}\r\n`,
      'OpenAPI file': `GET /api/openapi.json HTTP/1.1\r\n${oneAnswer}\r\n`,
      success: `GET /api/v1/projects HTTP/1.1\r\n${oneAnswer}${bearer}\r\n`,
      'text answer': `GET /api/v1/audit/export HTTP/1.1\r\n${oneAnswer}${bearer}\r\n`,
      401: `GET /api/v1/projects HTTP/1.1\r\n${oneAnswer}\r\n`,
      403: `POST /api/v1/projects HTTP/1.1\r\n${oneAnswer}Origin: https://evil.example\r\n\r\n`,
      404: `GET /nothing HTTP/1.1\r\n${oneAnswer}\r\n`,
      'bad URL': `GET /api/v1/projects/%zz HTTP/1.1\r\n${oneAnswer}\r\n`,
      'long parameter': `GET /errors/${'a'.repeat(2_000)} HTTP/1.1\r\n${oneAnswer}\r\n`,
      'too large': `POST /api/v1/projects HTTP/1.1\r\n${oneAnswer}${bearer}Content-Type: application/json\r\nContent-Length: 99999999\r\n\r\n{`,
      'no HTTP': 'nonsense\r\n\r\n',
      'no Host': 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n',
      'large headers': `GET / HTTP/1.1\r\n${oneAnswer}X: ${'a'.repeat(20_000)}\r\n\r\n`,
      'two lengths': `POST / HTTP/1.1\r\n${oneAnswer}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`,
      'an expectation': `POST / HTTP/1.1\r\n${oneAnswer}Expect: the-impossible\r\n\r\n`,
      preflight: `OPTIONS /api/v1/projects HTTP/1.1\r\n${oneAnswer}Origin: https://evil.example\r\nAccess-Control-Request-Method: POST\r\n\r\n`,
    }
    for (const [name, request] of Object.entries(requests))
      assertSecured(name, await raw(server.url, request))
  })

  test('HSTS when the connection is encrypted, and only then', async () => {
    for (const path of ['/', '/healthz', '/nothing', '/api/v1/projects']) {
      const plain = await server.request('GET', path)
      expect(plain.headers.get('strict-transport-security')).toBeNull()
      const secure = await server.request('GET', path, { headers: proxied })
      expect(secure.headers.get('strict-transport-security')).toBe('max-age=31536000; includeSubDomains')
    }
  })

  test('cookies are __Host-, Secure, HttpOnly and SameSite=Strict (SEC-14)', async () => {
    const signIn = { body: { email: owner.email, password: owner.password }, headers: proxied }
    const secure = await server.request('POST', '/api/v1/session', signIn)
    const cookie = secure.headers.get('set-cookie')!
    expect(cookie).toMatch(/^__Host-keyhold=kh_ses_\w{49}; Path=\/; HttpOnly; SameSite=Strict; Secure$/)
    const pair = cookie.split(';')[0]!
    const session = (headers: Record<string, string>) => server.request('GET', '/api/v1/session', { headers })
    expect((await session({ ...proxied, cookie: pair })).status).toBe(200)
    // Not under the name that a plain connection or another host could have set.
    expect(
      (await session({ ...proxied, cookie: pair.replace('__Host-keyhold', 'keyhold_session') })).status,
    ).toBe(401)
    expect((await session({ cookie: pair })).status).toBe(401)
    // A thousand cookies, and one of them right.
    const many = Array.from({ length: 1_000 }, (_, i) => `c${i}=x`).join('; ')
    expect((await session({ ...proxied, cookie: `${many}; ${pair}` })).status).toBe(200)
    const out = await server.request('DELETE', '/api/v1/session', { headers: { ...proxied, cookie: pair } })
    expect(out.headers.get('set-cookie')).toBe(
      '__Host-keyhold=; Path=/; HttpOnly; SameSite=Strict; Secure; Max-Age=0',
    )
    expect((await session({ ...proxied, cookie: pair })).status).toBe(401)
    const plain = await server.request('POST', '/api/v1/session', { body: signIn.body })
    expect(plain.headers.get('set-cookie')).toMatch(
      /^keyhold_session=kh_ses_\w{49}; Path=\/; HttpOnly; SameSite=Strict$/,
    )
  })

  test('behind a proxy that did not receive HTTPS nothing but health is answered (SEC-14)', async () => {
    const insecure: Record<string, string>[] = [
      { 'x-forwarded-for': '203.0.113.9' },
      { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'http' },
      { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'https, http' },
      { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'httpsx' },
      { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-ssl': 'on', 'front-end-https': 'on' },
      { 'x-forwarded-for': '203.0.113.9', forwarded: 'proto=https' },
    ]
    for (const headers of insecure) {
      for (const path of [
        '/api/v1/projects',
        '/api/v1/projects/current/secrets',
        '/api/v1/session',
        '/',
        '/setup',
      ]) {
        const answer = await server.request('GET', path, { headers, token: owner.token })
        expect([headers, path, answer.body.code]).toEqual([headers, path, 'transport.insecure'])
      }
      const signIn = await server.request('POST', '/api/v1/session', {
        headers,
        body: { email: owner.email, password: owner.password },
      })
      expect(signIn.body.code).toBe('transport.insecure')
      expect(signIn.headers.get('set-cookie')).toBeNull()
      expect((await server.request('GET', '/healthz', { headers })).status).toBe(200)
    }
    expect(
      (await server.request('GET', '/api/v1/projects', { headers: proxied, token: owner.token })).status,
    ).toBe(200)
  })

  test('the pages say what to do, and hold no script (set-up link, sign-in of a machine)', async () => {
    const setup = await server.request('GET', '/setup')
    expect(setup.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(setup.text).toContain('npx keyhold setup --url http://localhost:8080')
    expect(setup.text).toContain('#code=')
    const home = await server.request('GET', '/')
    expect(home.text).toContain('This is Keyhold')
    const device = await server.request('GET', '/device')
    expect(device.text).toContain('keyhold approve-login')
    for (const { text } of [setup, home, device])
      expect(text).not.toMatch(/<script|style=|<style|\son\w+=|javascript:/i)
  })
})

describe('wrong credentials', () => {
  const wrong = { headers: { authorization: `Bearer kh_pat_${'0'.repeat(49)}` } }

  test('are limited per address, whatever the headers say; valid ones, others and later are not affected', async () => {
    const { server, stop } = await startServer('sqlite', { KEYHOLD_TRUSTED_PROXIES: '127.0.0.1' })
    try {
      const owner = await server.addPerson()
      const from = (address: string, headers: Record<string, string>) => ({
        headers: { ...headers, 'x-forwarded-for': address, 'x-forwarded-proto': 'https' },
      })
      const good = { authorization: `Bearer ${owner.token}` }
      const ask = (options: object) => server.request('GET', '/api/v1/session', options)
      let refused = 0
      for (let i = 0; i < 200; i++) {
        const answer = await ask({
          headers: {
            ...from('', wrong.headers).headers,
            // The client writes what it likes to the left of what the proxy saw.
            'x-forwarded-for': `198.51.100.${i}, 203.0.113.9`,
            'x-real-ip': `198.51.100.${i}`,
            'client-ip': `198.51.100.${i}`,
            forwarded: `for=198.51.100.${i}`,
            'user-agent': `agent ${i}`,
          },
        })
        if (answer.status === 429) refused += 1
        else expect(answer.status).toBe(401)
      }
      expect(refused).toBe(80)
      const blocked = await ask({ headers: { ...wrong.headers, ...from('203.0.113.9', {}).headers } })
      expect(blocked.body.code).toBe('rate.limited')
      // Whoever shares the address with the guesser (a NAT, a proxy that is not named) goes on working.
      expect((await ask(from('203.0.113.9', good))).status).toBe(200)
      const wait = Number(blocked.headers.get('retry-after'))
      expect(wait).toBeGreaterThan(0)
      expect(wait).toBeLessThanOrEqual(60)
      expect((await ask(from('203.0.113.10', good))).status).toBe(200)
      server.clock.advance(wait * 1_000)
      const again = await ask({ headers: { ...wrong.headers, ...from('203.0.113.9', {}).headers } })
      expect(again.status).toBe(401)
    } finally {
      await stop()
    }
  })

  test('from one IPv6 network count together: a new address per guess is no way around', async () => {
    const { server, stop } = await startServer('sqlite', { KEYHOLD_TRUSTED_PROXIES: '127.0.0.1' })
    try {
      const ask = (address: string) =>
        server.request('GET', '/api/v1/session', {
          headers: { ...wrong.headers, 'x-forwarded-for': address, 'x-forwarded-proto': 'https' },
        })
      for (let i = 0; i < 120; i++) expect((await ask(`2001:db8:1:2::${i.toString(16)}`)).status).toBe(401)
      expect((await ask('2001:db8:1:2:ffff::1')).status).toBe(429)
      expect((await ask('2001:db8:1:3::1')).status).toBe(401)
    } finally {
      await stop()
    }
  })

  test('remembering them takes bounded memory, and forgets the oldest first', () => {
    const clock = new TestClock()
    const attempts = new FailedAttempts(clock, 1, 60_000)
    const isRemembered = (key: string) => {
      try {
        attempts.assertAllowed(key)
        return false
      } catch {
        return true
      }
    }
    const keys = Array.from({ length: 200_000 }, (_, i) => `person:${i}@example.com`)
    for (const key of keys) attempts.recordFailure(key)
    const remembered = keys.filter(isRemembered)
    expect(remembered.length).toBeGreaterThan(20_000)
    expect(remembered.length).toBeLessThanOrEqual(50_000)
    expect(remembered).toEqual(keys.slice(-remembered.length))
    clock.advance(60_001)
    expect(isRemembered(keys.at(-1)!)).toBe(false)
  })
})

describe('slow and crooked connections', () => {
  const times: HttpTimes = {
    requestMs: 1_200,
    headersMs: 600,
    keepAliveMs: 500,
    silenceMs: 1_500,
    checkMs: 100,
  }
  let http: Http<never, never>
  let url: string
  const log: string[] = []

  beforeAll(async () => {
    http = new Http<never, never>({
      publicUrl: 'http://localhost:8080',
      logger: pino({ level: 'trace' }, { write: (line: string) => void log.push(line) }),
      times,
      authenticate: async () => undefined,
      isStillAdmitted: async () => false,
      admit: async () => {},
      used: () => undefined,
    })
    operationRoutes(http.fastify, {
      readiness: async () => ({ isReady: true, checks: {} }),
      metrics: async () => '',
      openapi: () => ({}),
      publicUrl: 'http://localhost:8080',
      errorPages: new URL('./', import.meta.url),
      hasWeb: false,
    })
    http.fastify.post('/echo', async (request) => ({ got: request.body ?? null }))
    http.fastify.get('/endless', async (_request, reply) => reply.send('x'.repeat(50_000_000)))
    url = await http.fastify.listen({ host: '127.0.0.1', port: 0 })
  })
  afterAll(() => http.fastify.close())

  const post = (length: number) =>
    `POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`
  const get = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n'

  /** Sends one byte at a time until the connection is over. @returns what came, and after how long. */
  async function drip(start: string, next: string): Promise<{ text: string; ms: number }> {
    const begun = performance.now()
    const socket = await open(url)
    const ended = ending(socket)
    socket.write(start)
    const timer = setInterval(() => socket.writable && socket.write(next), 50)
    const text = await ended
    clearInterval(timer)
    return { text, ms: performance.now() - begun }
  }

  test('headers and bodies that drip are cut off with 408 (O4)', async () => {
    const [headers, body, chunks, silent] = await Promise.all([
      drip(get, 'X-A: b\r\n'),
      drip(post(1_000_000), ' '),
      drip(
        'POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n',
        '1\r\n \r\n',
      ),
      drip('', ''),
    ])
    for (const { text, ms } of [headers, body, chunks]) {
      expect(statusesOf(text)).toEqual([408])
      expect(text).toContain('"code":"request.timeout"')
      expect(ms).toBeLessThan(4_000)
    }
    expect(silent.ms).toBeLessThan(4_000)
  })

  test('an idle connection is closed after its time', async () => {
    const begun = performance.now()
    const text = await raw(url, `${get}\r\n`)
    expect(statusesOf(text)).toEqual([200])
    expect(performance.now() - begun).toBeLessThan(4_000)
  })

  test('a client that ends its half early gets its answer; one that leaves amid a body leaves nothing', async () => {
    const socket = await open(url)
    const ended = ending(socket)
    socket.end(`${get}Connection: close\r\n\r\n`)
    expect(statusesOf(await ended)).toEqual([200])

    const errorsBefore = log.filter((line) => line.includes('"level":50')).length
    for (let i = 0; i < 20; i++) {
      const gone = await open(url)
      gone.on('error', () => {}).resume()
      gone.write(`${post(100)}{"half":`)
      if (i % 2) gone.end()
      else gone.resetAndDestroy()
      await new Promise((resolve) => gone.once('close', resolve))
    }
    expect(statusesOf(await raw(url, `${get}Connection: close\r\n\r\n`))).toEqual([200])
    // Strangers cannot fill the log with errors of the server.
    expect(log.filter((line) => line.includes('"level":50')).length).toBe(errorsBefore)
  })

  test('pipelined requests are answered in order, each once', async () => {
    const bodies = Array.from({ length: 50 }, (_, i) => JSON.stringify({ i }))
    const text = await raw(
      url,
      bodies.map((body) => post(body.length) + body).join(''),
      `${get}Connection: close\r\n\r\n`,
    )
    expect(statusesOf(text)).toEqual(Array(51).fill(200))
    expect([...text.matchAll(/"i":(\d+)/g)].map((match) => Number(match[1]))).toEqual(bodies.map((_, i) => i))
  })

  test('no second request hides in the body of the first (smuggling)', async () => {
    const hidden = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n'
    const json = 'Host: localhost\r\nContent-Type: application/json\r\n'
    const chunked = `${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`
    const attempts: Record<string, string> = {
      'CL and TE': `POST /echo HTTP/1.1\r\n${json}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n${chunked}`,
      'TE and CL': `POST /echo HTTP/1.1\r\n${json}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n${hidden}`,
      'two lengths': `POST /echo HTTP/1.1\r\n${json}Content-Length: 0\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}`,
      'length with a sign': `POST /echo HTTP/1.1\r\n${json}Content-Length: +0\r\n\r\n${hidden}`,
      'length list': `POST /echo HTTP/1.1\r\n${json}Content-Length: 0, ${hidden.length}\r\n\r\n${hidden}`,
      'TE twice': `POST /echo HTTP/1.1\r\n${json}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n${hidden}`,
      'TE not last': `POST /echo HTTP/1.1\r\n${json}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n${hidden}`,
      'TE with a tab': `POST /echo HTTP/1.1\r\n${json}Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n${hidden}`,
      'space before the colon': `POST /echo HTTP/1.1\r\n${json}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${hidden}`,
      'folded header': `POST /echo HTTP/1.1\r\n${json}X: a\r\n Content-Length: 5\r\n\r\n${hidden}`,
      'bare LF': `POST /echo HTTP/1.1\nHost: localhost\nContent-Length: 0\n\n${hidden}`,
      'bare CR in a value': `POST /echo HTTP/1.1\r\n${json}X: a\rContent-Length: 0\r\n\r\n${hidden}`,
      'NUL in a value': `POST /echo HTTP/1.1\r\n${json}X: a\0b\r\n\r\n${hidden}`,
      'chunk size with text': `POST /echo HTTP/1.1\r\n${json}Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n${hidden}`,
      'chunk size too large': `POST /echo HTTP/1.1\r\n${json}Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n\r\n${hidden}`,
      'HTTP/0.9': 'GET /healthz\r\n\r\n',
      'HTTP/3.0 on TCP': `GET /healthz HTTP/3.0\r\nHost: localhost\r\n\r\n`,
    }
    for (const [name, text] of Object.entries(attempts)) {
      const answer = await raw(url, text)
      // One answer, and it is a refusal; then the connection is over.
      expect([name, statusesOf(answer)]).toEqual([name, [400]])
    }
  })

  test('a body that nobody read is not taken for the next request', async () => {
    const next = `${get}Connection: close\r\n\r\n`
    // No route reads it, so that it stands before the next request.
    for (const framing of ['Content-Length: 2000000', 'Transfer-Encoding: chunked']) {
      const text = await raw(
        url,
        `POST /nothing HTTP/1.1\r\nHost: localhost\r\n${framing}\r\n\r\n${next}${next}`,
      )
      expect([framing, statusesOf(text)[0]]).toEqual([framing, expect.toBeOneOf([400, 404])])
      expect(statusesOf(text)).toHaveLength(1)
    }
  })

  test('headers are bounded in size and number', async () => {
    const many = Array.from({ length: 3_000 }, (_, i) => `X${i}: a\r\n`).join('')
    expect(statusesOf(await raw(url, `${get}X: ${'a'.repeat(17_000)}\r\n\r\n`))).toEqual([413])
    expect(statusesOf(await raw(url, `${get}${many}\r\n`))).toEqual([413])
    expect(statusesOf(await raw(url, `GET /${'a'.repeat(17_000)} HTTP/1.1\r\n\r\n`))).toEqual([413])
    expect(
      statusesOf(await raw(url, `${get}Cookie: ${'a=b; '.repeat(3_000)}\r\nConnection: close\r\n\r\n`)),
    ).toEqual([200])
    expect(log.join('')).not.toContain('aaaaaaaa')
  })

  test('somebody who takes no byte of an answer does not keep it forever', async () => {
    const { hostname, port } = new URL(url)
    const socket = connect({ host: hostname, port: Number(port) })
    socket.pause()
    socket.on('error', () => {})
    socket.write('GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n')
    const connections = () =>
      new Promise<number>((resolve) => http.fastify.server.getConnections((_error, count) => resolve(count)))
    await expect.poll(connections, { timeout: 3_000 }).toBeGreaterThan(0)
    await expect.poll(connections, { timeout: 15_000 }).toBe(0)
    socket.destroy()
  })

  test('a thousand idle connections leave the server able to answer, and are closed', async () => {
    const sockets = await Promise.all(Array.from({ length: 1_000 }, () => open(url)))
    const begun = performance.now()
    const response = await fetch(`${url}/healthz`)
    expect(response.status).toBe(200)
    expect(performance.now() - begun).toBeLessThan(2_000)
    await Promise.all(sockets.map(ending))
  }, 60_000)
})

describe('bombs', () => {
  test('2,000 of them, and the memory stays flat (O4, CVE-2025-6203)', async () => {
    const { server, stop } = await startServer('sqlite')
    try {
      const owner = await server.addPerson()
      const bombs = [
        '['.repeat(300_000),
        '{"a":'.repeat(60_000),
        `[${'{},'.repeat(100_000)}{}]`,
        `{${'"a":1,'.repeat(50_000)}"b":1}`,
        `{"name":"${'\\u0041'.repeat(50_000)}"}`,
      ].map((text) => Buffer.from(text))
      const agent = new Agent({ keepAlive: true, maxSockets: 8 })
      const send = (body: Buffer) =>
        new Promise<number>((resolve, reject) => {
          const headers = {
            authorization: `Bearer ${owner.token}`,
            'content-type': 'application/json',
            'content-length': body.length,
          }
          request(`${server.url}/api/v1/projects`, { method: 'POST', agent, headers }, (response) => {
            response.resume().once('end', () => resolve(response.statusCode!))
          })
            .once('error', reject)
            .end(body)
        })
      const throwAll = async (count: number) => {
        let next = 0
        const thrower = async () => {
          for (let i = next++; i < count; i = next++)
            expect([400, 413]).toContain(await send(bombs[i % bombs.length]!))
        }
        await Promise.all(Array.from({ length: 8 }, thrower))
      }
      await throwAll(300)
      const before = process.memoryUsage.rss()
      await throwAll(2_000)
      // What is not freed would be 600 MB of text, and several times that when parsed.
      expect(process.memoryUsage.rss() - before).toBeLessThan(200_000_000)
      expect((await server.request('GET', '/healthz')).status).toBe(200)
    } finally {
      await stop()
    }
  }, 120_000)

  test('JSON is measured before it is parsed', () => {
    expect(countJsonMembers('{"a":{"b":[1,2,{"c":":"}]}}')).toBe(3)
    expect(countJsonMembers('"[[[[,,,,\\"[[["', 1, 1)).toBe(0)
    expect(countJsonMembers('[[]]', 1)).toBeUndefined()
    expect(countJsonMembers('[1,2,3]', 9, 2)).toBeUndefined()
    for (const text of ['{}', '{"a":1}', '{"a":{"a":{"a":[{"a":1},{"a":1}]}}}', '{"__proto__":{"a":":"}}'])
      expect(countMembers(JSON.parse(text))).toBe(countJsonMembers(text))
    expect(countMembers(JSON.parse('{"a":1,"a":2}'))).toBe(1)
    expect(countJsonMembers('{"a":1,"a":2}')).toBe(2)
  })
})

describe('a request that is held open', () => {
  test('does not outlive its credential: what is sent after the deletion is 401 and does nothing', async () => {
    const { server, stop } = await startServer('sqlite')
    try {
      const owner = await server.addPerson()
      const { accessToken, token } = await server.ok('POST', '/api/v1/access-tokens', {
        token: owner.token,
        body: { name: 'stolen' },
      })
      const body = JSON.stringify({ name: 'kept by the thief' })
      const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
      socket.write(
        `POST /api/v1/access-tokens HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n` +
          `Content-Type: application/json\r\nContent-Length: ${body.length}\r\nExpect: 100-continue\r\n\r\n`,
      )
      // "100 Continue" says that the headers were read.
      await once(socket, 'data')
      await server.ok('DELETE', `/api/v1/access-tokens/${accessToken.id}`, { token: owner.token })
      socket.write(body)
      const [answer] = await once(socket, 'data')
      expect(String(answer)).toMatch(/^HTTP\/1\.1 401 /)
      socket.destroy()
      const { accessTokens } = await server.ok('GET', '/api/v1/access-tokens', { token: owner.token })
      expect(accessTokens.map((one: { name: string }) => one.name)).not.toContain('kept by the thief')
    } finally {
      await stop()
    }
  })
})
