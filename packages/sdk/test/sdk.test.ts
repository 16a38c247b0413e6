import { mkdtempSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Keyhold, KeyholdError, type KeyholdOptions, SecretNotFoundError } from '../src/sdk.ts'
import {
  accessKey,
  accessKeyId,
  cut,
  drip,
  gateway,
  hang,
  problem,
  reset,
  startFakeKeyhold,
  text,
} from './fake-keyhold.ts'

let fake: Awaited<ReturnType<typeof startFakeKeyhold>>
beforeEach(async () => {
  fake = await startFakeKeyhold()
  fake.hold('GITHUB_TOKEN', 'ghp_canaryCANARYvalue')
})
afterEach(async () => {
  await fake[Symbol.asyncDispose]()
})

const machine = (options: KeyholdOptions = {}) =>
  new Keyhold({ url: fake.url, accessKeyId, accessKey }, { deadlineMs: 5_000, ...options })

const failureOf = async (call: Promise<unknown>): Promise<KeyholdError> => {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(KeyholdError)
  return error as KeyholdError // `as`: just checked.
}

const notQuoted = (error: unknown, ...confidential: string[]) => {
  const shown = `${inspect(error, { depth: 9, showHidden: true })} ${JSON.stringify(error)} ${String(error)}`
  for (const one of [accessKey, btoa(`${accessKeyId}:${accessKey}`), ...confidential]) {
    expect(shown).not.toContain(one)
  }
}

describe('reading', () => {
  test('get sends the key as Basic to the machine route and gives the value', async () => {
    expect(await machine().get('GITHUB_TOKEN', { environment: 'staging' })).toBe('ghp_canaryCANARYvalue')
    expect(fake.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'GET /api/v1/projects/current/secrets/GITHUB_TOKEN?environment=staging',
    ])
    expect(fake.requests[0]?.headers['user-agent']).toMatch(/^keyhold-sdk\//)
  })

  test('a missing name says exactly "GITHUB_TOKEN not found", with reasons and near matches', async () => {
    fake.secrets.clear()
    const error = await failureOf(machine().get('GITHUB_TOKEN'))
    expect(error).toBeInstanceOf(SecretNotFoundError)
    expect(error.message).toBe('GITHUB_TOKEN not found')
    expect(error).toMatchObject({
      code: 'secret.not_found',
      status: 404,
      traceId: 'trace-1',
      reasons: ['the name is misspelt', 'the case differs'],
      nearMatches: ['GITHUB_TOKEN'],
    })
  })

  test('the default stands in for a missing secret only', async () => {
    expect(await machine().get('NOT_THERE', { default: 'other' })).toBe('other')
    for (const [failure, code] of [
      [problem(404, 'environment.not_found', 'Environment not found'), 'environment.not_found'],
      [problem(401, 'auth.required', 'Sign in'), 'auth.required'],
      [problem(403, 'access.refused', 'You may not do this'), 'access.refused'],
      [text('<h1>Not Found</h1>', 404), 'integrity.answer'],
      [text('{"code":"secret.not_found"', 404), 'integrity.answer'],
      [gateway(500), 'integrity.answer'],
    ] as const) {
      fake.failures.push(failure)
      expect((await failureOf(machine().get('NOT_THERE', { default: 'other' }))).code).toBe(code)
    }
    const dead = new Keyhold(
      { url: 'http://127.0.0.1:1', accessKeyId, accessKey },
      { deadlineMs: 2_000, maxStalenessMs: 0 },
    )
    expect((await failureOf(dead.get('X', { default: 'other' }))).code).toBe('network.unreachable')
  })

  test('bytes that are not text come from getBytes, and get says so', async () => {
    const bytes = Uint8Array.from([0xff, 0xfe, 0x00, 0x41])
    fake.hold('KEYSTORE', Buffer.from(bytes).toString('base64'), 'base64')
    expect(await machine().getBytes('KEYSTORE')).toEqual(bytes)
    expect((await failureOf(machine().get('KEYSTORE'))).code).toBe('integrity.not_text')
    expect(new TextDecoder().decode(await machine().getBytes('GITHUB_TOKEN'))).toBe('ghp_canaryCANARYvalue')
  })

  test('all gives every secret by name, and printing it shows no value', async () => {
    fake.hold('OTHER', 'second')
    const all = await machine({ environment: 'staging' }).all()
    expect([...all].map(([name, secret]) => [name, secret.text(), secret.environment])).toEqual([
      ['GITHUB_TOKEN', 'ghp_canaryCANARYvalue', 'staging'],
      ['OTHER', 'second', 'staging'],
    ])
    notQuoted(all, 'ghp_canaryCANARYvalue')
    expect(JSON.stringify([...all.values()].map((secret) => ({ ...secret })))).not.toContain('canary')
  })

  test('a name that would leave its path is refused before any request', async () => {
    for (const name of ['', '.', '..', '\ud800']) {
      expect((await failureOf(machine().get(name, { default: 'x' }))).code).toBe('request.invalid')
    }
    await machine()
      .get('../../accounts', { default: 'x' })
      .catch(() => undefined)
    expect(fake.requests.map(({ path }) => path)).toEqual([
      '/api/v1/projects/current/secrets/..%2F..%2Faccounts',
    ])
  })

  test('project says what the key opens', async () => {
    expect(await machine().project()).toEqual({
      project: { id: 'prj_1', name: 'Shop' },
      accessKeyId,
      permission: 'read_write',
    })
  })
})

describe('writing', () => {
  test('set creates what is missing and updates what is there', async () => {
    const keyhold = machine()
    expect((await keyhold.set('NEW_ONE', 'first')).version).toBe(1)
    expect((await keyhold.set('NEW_ONE', 'second')).version).toBe(2)
    expect((await keyhold.set('NEW_ONE', 'second')).version).toBe(2)
    expect(await keyhold.get('NEW_ONE')).toBe('second')
    expect(fake.requests.map(({ method }) => method)).toEqual(['PATCH', 'POST', 'PATCH', 'PATCH', 'GET'])
  })

  test('bytes arrive as they were, with a byte order mark, and as base64 where they are not text', async () => {
    const keyhold = machine()
    const marked = Uint8Array.from([0xef, 0xbb, 0xbf, 0x41])
    const binary = Uint8Array.from([0x80, 0x00])
    await keyhold.set('MARKED', marked, { type: 'file' })
    await keyhold.set('BINARY', binary, { type: 'file' })
    expect(await keyhold.getBytes('MARKED')).toEqual(marked)
    expect(await keyhold.getBytes('BINARY')).toEqual(binary)
    expect(fake.secrets.get('MARKED')?.encoding).toBe('utf8')
    expect(fake.secrets.get('BINARY')?.encoding).toBe('base64')
  })

  test.each([
    ['reset', reset, 'network.unreachable'],
    ['502', gateway(502), 'network.unreachable'],
    ['503', problem(503, 'audit.unavailable', 'Unavailable'), 'audit.unavailable'],
    ['429', problem(429, 'rate.limited', 'Too many'), 'rate.limited'],
  ] as const)('a create or update that ends in %s is never sent again', async (_name, failure, code) => {
    fake.failures.push(failure, failure, failure)
    expect((await failureOf(machine().set('GITHUB_TOKEN', 'a-new-canary-value'))).code).toBe(code)
    expect(fake.requests).toHaveLength(1)
  })

  test('with an expected version a missing secret is not created', async () => {
    expect((await failureOf(machine().set('NEW_ONE', 'x', { expectedVersion: 3 }))).code).toBe(
      'secret.not_found',
    )
    expect(fake.secrets.has('NEW_ONE')).toBe(false)
  })
})

describe('failures', () => {
  test.each([
    ['reset', reset],
    ['502', gateway(502)],
    ['503', gateway(503)],
    ['504', gateway(504)],
    ['429', problem(429, 'rate.limited', 'Too many')],
  ] as const)('a read that ends in %s is tried again', async (_name, failure) => {
    fake.failures.push(failure, failure)
    expect(await machine().get('GITHUB_TOKEN')).toBe('ghp_canaryCANARYvalue')
    expect(fake.requests).toHaveLength(3)
  })

  test.each([400, 401, 403, 404, 409, 500, 501, 507])(
    'a read answered %d is not tried again',
    async (status) => {
      fake.failures.push(problem(status, 'some.problem', 'No'))
      expect(await failureOf(machine().get('GITHUB_TOKEN'))).toMatchObject({ status, code: 'some.problem' })
      expect(fake.requests).toHaveLength(1)
    },
  )

  test('attempts are capped', async () => {
    fake.failures.push(...Array.from({ length: 9 }, () => gateway(502)))
    expect(await failureOf(machine().get('GITHUB_TOKEN'))).toMatchObject({
      code: 'network.unreachable',
      status: 502,
    })
    expect(fake.requests).toHaveLength(4)
  })

  test('Retry-After is waited for, and one beyond the deadline fails at once', async () => {
    fake.failures.push(gateway(503, { 'retry-after': '1' }))
    await machine().get('GITHUB_TOKEN')
    const [first, second] = fake.requests
    expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThanOrEqual(990)

    fake.failures.push((_req, res) => {
      res.setHeader('retry-after', '3600')
      problem(429, 'rate.limited', 'Too many')(_req, res)
    })
    const startedAt = performance.now()
    expect(await failureOf(machine().get('GITHUB_TOKEN'))).toMatchObject({
      code: 'rate.limited',
      retryAfterSeconds: 3_600,
    })
    expect(performance.now() - startedAt).toBeLessThan(1_000)
  })

  test.each([
    ['nothing', hang],
    ['a drip', drip],
  ] as const)('the deadline ends a call that gets %s', async (_name, failure) => {
    fake.failures.push(failure)
    const startedAt = performance.now()
    const error = await failureOf(machine({ deadlineMs: 300 }).get('GITHUB_TOKEN'))
    expect(error).toMatchObject({ code: 'network.deadline', status: undefined })
    expect(performance.now() - startedAt).toBeLessThan(1_500)
  })

  test('the deadline ends a call whose fetch ignores its signal', async () => {
    const never: Promise<Response> = new Promise(() => undefined)
    const keyhold = machine({ deadlineMs: 100, fetch: () => never })
    expect((await failureOf(keyhold.get('GITHUB_TOKEN'))).code).toBe('network.deadline')
  })

  test('a signal gives the call up', async () => {
    fake.failures.push(hang)
    const error = await failureOf(machine().get('GITHUB_TOKEN', { signal: AbortSignal.timeout(50) }))
    expect(error.code).toBe('network.aborted')
    expect((await failureOf(machine({ signal: AbortSignal.abort() }).get('X'))).code).toBe('network.aborted')
  })

  test.each([
    ['no JSON', text('hello')],
    ['half of it', text('{"name":"GITHUB_TOKEN"')],
    ['another shape', text('{"secret":"ghp_canaryCANARYvalue"}')],
    ['null', text('null')],
    ['a list', text('[]')],
    [
      'another secret',
      text('{"name":"B","type":"token","version":1,"environment":"All","value":"x","encoding":"utf8"}'),
    ],
    [
      'bad base64',
      text(
        '{"name":"GITHUB_TOKEN","type":"token","version":1,"environment":"All","value":"ghp_canaryCANARYvalue","encoding":"base64"}',
      ),
    ],
    [
      'an unknown encoding',
      text(
        '{"name":"GITHUB_TOKEN","type":"token","version":1,"environment":"All","value":"x","encoding":"hex"}',
      ),
    ],
  ] as const)('an answer of %s is an integrity error that quotes none of it', async (_name, failure) => {
    fake.failures.push(failure)
    const error = await failureOf(machine().get('GITHUB_TOKEN'))
    expect(error.code).toBe('integrity.answer')
    notQuoted(error, 'ghp_canaryCANARYvalue', 'hello')
  })

  test('an answer that breaks off is a network error', async () => {
    fake.failures.push(cut)
    expect((await failureOf(machine().get('GITHUB_TOKEN'))).code).toBe('network.unreachable')
  })

  test('a server that repeats the credential, the value or terminal controls does not get them into an error', async () => {
    const more = {
      detail: `${accessKey} is wrong`,
      errors: [{ field: 'value', message: 'not a-new-canary-value' }],
    }
    fake.failures.push(problem(400, 'request.invalid', 'Not valid \u001b[31m', more))
    const error = await failureOf(machine().set('GITHUB_TOKEN', 'a-new-canary-value'))
    notQuoted(error, 'a-new-canary-value', '\u001b[31m')
    expect(error.message).toBe('Not valid  [31m')
  })

  test('no redirect is followed and the credential goes nowhere else', async () => {
    let visits = 0
    const other = createServer((_req, res) => {
      visits++
      res.end()
    })
    await new Promise<void>((done) => other.listen(0, '127.0.0.1', done))
    const { port } = other.address() as { port: number } // `as`: it listens on TCP.
    for (const status of [301, 302, 303, 307, 308]) {
      fake.failures.push(gateway(status, { location: `http://127.0.0.1:${port}/elsewhere?x=1` }))
      const error = await failureOf(machine().get('GITHUB_TOKEN'))
      expect(error.code).toBe('network.redirected')
      expect(error.message).toContain(`http://127.0.0.1:${port},`)
    }
    other.close()
    expect(visits).toBe(0)
  })
})

describe('cache', () => {
  test('off: every get asks', async () => {
    const keyhold = machine()
    await Promise.all([keyhold.get('GITHUB_TOKEN'), keyhold.get('GITHUB_TOKEN')])
    expect(fake.requests).toHaveLength(2)
  })

  test('parallel gets share one request, and a kept value is used until it is too old', async () => {
    const keyhold = machine({ maxStalenessMs: 200 })
    await Promise.all(Array.from({ length: 20 }, () => keyhold.get('GITHUB_TOKEN')))
    await keyhold.get('GITHUB_TOKEN')
    expect(fake.requests).toHaveLength(1)
    fake.hold('GITHUB_TOKEN', 'rotated')
    expect(await keyhold.get('GITHUB_TOKEN', { maxStalenessMs: 0 })).toBe('rotated')
    await new Promise((done) => setTimeout(done, 250))
    expect(await keyhold.get('GITHUB_TOKEN')).toBe('rotated')
    expect(fake.requests).toHaveLength(3)
  })

  test('environments are kept apart, and so are get and all', async () => {
    const keyhold = machine({ maxStalenessMs: 10_000 })
    await keyhold.get('GITHUB_TOKEN', { environment: 'staging' })
    await keyhold.get('GITHUB_TOKEN', { environment: 'production' })
    const all = (await keyhold.all()) as Map<string, unknown> // `as`: to show that changing it changes nothing.
    all.clear()
    expect((await keyhold.all()).size).toBe(1)
    expect(fake.requests).toHaveLength(3)
  })

  test.each([
    [401, 'auth.required'],
    [403, 'access.refused'],
  ] as const)('after %d nothing kept is served', async (status, code) => {
    const keyhold = machine({ maxStalenessMs: 10_000 })
    fake.hold('OTHER', 'second')
    await keyhold.get('GITHUB_TOKEN')
    const refusal = problem(status, code, 'No')
    fake.failures.push(refusal, refusal, refusal)
    expect((await failureOf(keyhold.get('OTHER', { default: 'x' }))).code).toBe(code)
    expect((await failureOf(keyhold.get('GITHUB_TOKEN', { default: 'x' }))).code).toBe(code)
    expect((await failureOf(keyhold.get('GITHUB_TOKEN'))).code).toBe(code)
  })

  test('an answer on its way when the key is refused is not kept', async () => {
    const keyhold = machine({ maxStalenessMs: 10_000 })
    const slow = keyhold.get('GITHUB_TOKEN')
    fake.failures.push((_req, res) => {
      setTimeout(() => {
        res.end(
          '{"name":"GITHUB_TOKEN","type":"token","version":1,"environment":"All","value":"old","encoding":"utf8"}',
        )
      }, 150)
    })
    await new Promise((done) => setTimeout(done, 50))
    fake.failures.push(problem(401, 'auth.required', 'No'))
    await failureOf(keyhold.get('OTHER'))
    expect(await slow).toBe('old')
    expect(await keyhold.get('GITHUB_TOKEN')).toBe('ghp_canaryCANARYvalue')
  })

  test('a stale value is not served when the server is away', async () => {
    const keyhold = machine({ maxStalenessMs: 20, deadlineMs: 300 })
    await keyhold.get('GITHUB_TOKEN')
    await new Promise((done) => setTimeout(done, 40))
    fake.failures.push(...Array.from({ length: 4 }, () => reset))
    expect((await failureOf(keyhold.get('GITHUB_TOKEN', { default: 'x' }))).code).toMatch(/^network\./)
  })

  test('what this client writes, it reads', async () => {
    const keyhold = machine({ maxStalenessMs: 10_000 })
    await keyhold.get('GITHUB_TOKEN')
    await keyhold.set('GITHUB_TOKEN', 'rotated')
    expect(await keyhold.get('GITHUB_TOKEN')).toBe('rotated')
  })

  test('one caller who gives up does not end the request of the others', async () => {
    const keyhold = machine({ maxStalenessMs: 10_000 })
    fake.failures.push((_req, res) => {
      setTimeout(() => gateway(503)(_req, res), 100)
    })
    const impatient = failureOf(keyhold.get('GITHUB_TOKEN', { signal: AbortSignal.timeout(20) }))
    const patient = keyhold.get('GITHUB_TOKEN')
    expect((await impatient).code).toBe('network.aborted')
    expect(await patient).toBe('ghp_canaryCANARYvalue')
  })

  test('staleness beyond 5 minutes cannot be asked for', () => {
    expect(() => machine({ maxStalenessMs: 300_001 })).toThrow(/maxStalenessMs/)
  })
})

describe('connection', () => {
  const refusal = (url: string): string => {
    try {
      new Keyhold({ url, token: 'kh_pat_x' })
    } catch (error) {
      notQuoted(error, 'canary')
      return (error as KeyholdError).message // `as`: the constructor throws nothing else.
    }
    return ''
  }

  test('plain http is refused except to this machine', () => {
    for (const url of [
      'http://keyhold.example.com',
      'http://10.0.0.1',
      'http://localhost.example.com',
      'http://127.0.0.1.example.com',
      'http://[::ffff:127.0.0.1]',
      'http://0.0.0.0',
      'http://128.0.0.1',
    ]) {
      expect(refusal(url)).toMatch(/use https/)
    }
    for (const url of [
      'http://localhost:8080',
      'http://127.0.0.1',
      'http://127.9.9.9:1',
      'http://[::1]:8080/',
      'https://keyhold.example.com/keyhold/',
    ]) {
      expect(refusal(url)).toBe('')
    }
    expect(new Keyhold({ url: 'https://a.example/keyhold/', token: 'x' }).url).toBe(
      'https://a.example/keyhold',
    )
  })

  test('a URL with credentials, a query, or no URL is refused without being quoted', () => {
    expect(refusal('https://canary:canary@a.example')).toMatch(/user name or password/)
    expect(refusal('https://a.example/?token=canary')).toMatch(/query/)
    expect(refusal('canary')).toMatch(/not an http/)
    expect(refusal('http://canary:canary@[')).toMatch(/not an http/)
    expect(refusal('file:///etc/canary')).toMatch(/not an http/)
  })

  test('a credential that cannot be one is refused without being quoted', () => {
    for (const token of ['', 'canary canary', 'canary\n', 'canary\r\nHost: x', 'canäry']) {
      try {
        new Keyhold({ url: fake.url, token })
        expect.unreachable()
      } catch (error) {
        expect(error).toMatchObject({ code: 'configuration.invalid' })
        notQuoted(error, 'canary', 'canäry')
      }
    }
  })

  test('printing the client shows no credential', async () => {
    const keyhold = machine({ maxStalenessMs: 10_000 })
    await keyhold.get('GITHUB_TOKEN')
    notQuoted(keyhold, 'ghp_canaryCANARYvalue')
    notQuoted({ ...keyhold }, 'ghp_canaryCANARYvalue')
    expect(inspect(keyhold)).toBe(`Keyhold { url: "${fake.url}", credential: 'access-key' }`)
  })

  test('a token is sent as Bearer, to no route that needs none, and not for machine calls', async () => {
    const keyhold = new Keyhold({ url: fake.url, token: 'kh_pat_canary' })
    fake.failures.push(text('{"projects":[]}'), text('{"isDone":true}'))
    expect(await keyhold.call('project.list')).toEqual({ projects: [] })
    expect(await keyhold.call('setup.get')).toEqual({ isDone: true })
    expect(fake.requests.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer kh_pat_canary',
      undefined,
    ])
    expect((await failureOf(keyhold.get('GITHUB_TOKEN'))).code).toBe('configuration.invalid')
  })

  test('call fills in parameters, query and body as the contract types them', async () => {
    const keyhold = new Keyhold({ url: fake.url, token: 'kh_pat_canary' })
    fake.failures.push(text('{}'), (_req, res) => {
      res.writeHead(204)
      res.end()
    })
    await keyhold.call('secret.create', {
      params: { projectId: 'prj_a/b' },
      body: { name: 'A', type: 'token', value: 'x' },
    })
    const answer = await keyhold.call('access-key.delete', {
      params: { projectId: 'prj_1', accessKeyId: 'ak_1' },
      query: { confirm: 'ak_1' },
    })
    expect(answer).toBeUndefined()
    // @ts-expect-error: this route has parameters.
    await failureOf(keyhold.call('secret.list'))
    const body = { name: '', type: 'variable', value: '' } as const
    // @ts-expect-error: there is no such type of secret.
    const wrong = () => keyhold.call('secret.create', { params: { projectId: '' }, body })
    expect(wrong).toBeTypeOf('function')
    expect(fake.requests.map(({ method, path, body }) => `${method} ${path} ${body}`)).toEqual([
      'POST /api/v1/projects/prj_a%2Fb/secrets {"name":"A","type":"token","value":"x"}',
      'DELETE /api/v1/projects/prj_1/access-keys/ak_1?confirm=ak_1 ',
    ])
  })

  test('a long answer streams, and its deadline is per piece', async () => {
    const pieces: string[] = []
    for await (const piece of machine({ deadlineMs: 1_000 }).stream('audit.export')) {
      pieces.push(new TextDecoder().decode(piece))
    }
    expect(pieces.join('')).toBe('line 1\nline 2\n')
    fake.failures.push((_req, res) => res.write('line 1\n'))
    const stuck = async () => {
      for await (const _ of machine({ deadlineMs: 200 }).stream('audit.export'));
    }
    expect((await failureOf(stuck())).code).toBe('network.deadline')
  })
})

describe('fromEnvironment', () => {
  const directory = mkdtempSync(join(tmpdir(), 'keyhold-sdk-'))
  const file = (content: string) => {
    const path = join(directory, Math.random().toString(36).slice(2))
    writeFileSync(path, content, { mode: 0o600 })
    return path
  }
  const refusal = (variables: Record<string, string>): string => {
    try {
      Keyhold.fromEnvironment(variables)
    } catch (error) {
      notQuoted(error, 'canary')
      return (error as KeyholdError).message // `as`: it throws nothing else.
    }
    return ''
  }

  test('reads variables, and files without their last line end', async () => {
    const keyhold = Keyhold.fromEnvironment({
      KEYHOLD_URL: fake.url,
      KEYHOLD_ACCESS_KEY_ID_FILE: file(`${accessKeyId}\r\n`),
      KEYHOLD_ACCESS_KEY_FILE: file(`${accessKey}\n`),
      KEYHOLD_ENVIRONMENT: 'staging',
      KEYHOLD_TOKEN: '',
    })
    expect(await keyhold.get('GITHUB_TOKEN')).toBe('ghp_canaryCANARYvalue')
    expect(fake.requests[0]?.path).toMatch(/\?environment=staging$/)
  })

  test('says which variable is missing, doubled or unreadable, and quotes none', () => {
    const url = { KEYHOLD_URL: 'http://localhost' }
    expect(refusal({})).toBe('KEYHOLD_URL is not set')
    expect(refusal(url)).toMatch(/^set KEYHOLD_ACCESS_KEY_ID and KEYHOLD_ACCESS_KEY/)
    expect(refusal({ ...url, KEYHOLD_ACCESS_KEY: 'canary' })).toMatch(/KEYHOLD_ACCESS_KEY_ID is not/)
    expect(refusal({ ...url, KEYHOLD_ACCESS_KEY_ID: 'canary' })).toMatch(/KEYHOLD_ACCESS_KEY is not/)
    expect(refusal({ ...url, KEYHOLD_TOKEN: 'canary', KEYHOLD_ACCESS_KEY: 'canary' })).toMatch(/keep one/)
    expect(refusal({ ...url, KEYHOLD_TOKEN: 'canary', KEYHOLD_TOKEN_FILE: '/canary' })).toMatch(/both/)
    expect(refusal({ ...url, KEYHOLD_TOKEN_FILE: join(directory, 'none') })).toMatch(/ENOENT/)
    expect(refusal({ ...url, KEYHOLD_TOKEN_FILE: file('\n') })).toMatch(/is empty/)
  })
})
