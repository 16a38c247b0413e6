import { randomBytes } from 'node:crypto'
import { Secret } from '@keyhold/contract/secret'
import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { Outgoing } from '../src/base/outgoing.ts'
import { isPathAllowed, refusedPath, refusedPattern } from '../src/credentials/outside-store/outside-store.ts'
import { type Failure, FakeStores } from './fake-stores.ts'
import { databases, startServer, type TestPerson, type TestServer } from './kit.ts'

const STORES = '/api/v1/stores'
const REDIRECT = { status: 307, body: '', headers: { location: 'http://169.254.169.254/latest' } }
const kinds = ['vault', 'aws', 'azure'] as const
type Kind = (typeof kinds)[number]

/** A value that is nowhere else. */
const canary = () => `value-${randomBytes(12).toString('hex')}`

describe.each(databases)('outside stores on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let fakes: FakeStores
  let admin: TestPerson
  let owner: TestPerson
  let workspace: { id: string; name: string }
  let agent: string
  let count = 0

  beforeAll(async () => {
    fakes = await FakeStores.start()
    ;({ server, stop } = await startServer(database, {}, fakes.internet))
    admin = await server.addPerson('admin')
  })
  afterAll(async () => {
    await stop()
    fakes.stop()
  })
  beforeEach(async () => {
    owner = await server.addPerson()
    workspace = await server.ok('POST', '/api/v1/workspaces', {
      token: owner.token,
      body: { name: `api ${++count}` },
    })
    agent = await server.addAgent(owner, workspace.id)
    for (const fake of [fakes.vault, fakes.aws, fakes.entra, fakes.azure]) {
      fake.failure = undefined
      fake.requests.length = 0
    }
    for (const { store } of await list()) await server.ok('DELETE', store, { token: admin.token })
  })

  const list = async () =>
    (await server.ok('GET', STORES, { token: admin.token })).stores.map(
      (one: { id: string; name: string }) => ({
        ...one,
        store: `${STORES}/${one.id}?confirm=${encodeURIComponent(one.name)}`,
      }),
    )
  const bodies = (): Record<Kind, Record<string, unknown>> => ({
    vault: { kind: 'vault', address: fakes.vault.origin, credential: fakes.vault.token },
    aws: {
      kind: 'aws',
      credential: fakes.aws.secretAccessKey,
      aws: { region: 'eu-central-1', accessKeyId: fakes.aws.accessKeyId },
    },
    azure: {
      kind: 'azure',
      address: fakes.azure.origin,
      credential: fakes.entra.clientSecret,
      azure: { tenantId: fakes.entra.tenantId, clientId: fakes.entra.clientId },
    },
  })
  const register = (kind: Kind, wish: object = {}) =>
    server.ok('POST', STORES, {
      token: admin.token,
      body: { name: `corp ${kind}`, paths: ['*'], ...bodies()[kind], ...wish },
    })
  const take = (storeId: string, path: string, wish: object = {}) =>
    server.ok('POST', `/api/v1/workspaces/${workspace.id}/store-sources`, {
      token: owner.token,
      body: { storeId, path, ...wish },
    })
  const start = () => server.ok('POST', '/api/v1/workspaces/current/start', { token: agent })
  const got = async () =>
    Object.fromEntries(
      (await start()).secrets.map((one: { name: string; value: string }) => [one.name, one.value]),
    )
  /** Puts a value where each kind has it. @returns its path. */
  const put = (kind: Kind, name: string, value: string): string => {
    if (kind === 'vault')
      fakes.vault.kv2.set(`secret/data/teams/${name}`, { data: { [name]: value }, deletedAt: '' })
    else if (kind === 'aws') fakes.aws.secrets.set(`teams/${name}`, JSON.stringify({ [name]: value }))
    else fakes.azure.secrets.set(name.replaceAll('_', '-'), value)
    return kind === 'azure' ? name.replaceAll('_', '-') : `teams/${name}`
  }
  const everything = async () => (await server.dump()) + server.log.join('\n')

  test('SEC-50: at the start one request with X-Vault-Token; its keys are variables, and nothing of them is stored', async () => {
    const [password, port] = [canary(), 5432]
    fakes.vault.kv2.set('secret/data/teams/shop', {
      data: { DB_PASSWORD: password, DB_PORT: port },
      deletedAt: '',
    })
    const { id } = await register('vault')
    await take(id, 'teams/shop')
    expect(fakes.vault.requests).toEqual([])
    expect(await start()).toEqual({
      secrets: [
        { name: 'DB_PASSWORD', type: 'token', path: null, value: password, encoding: 'utf8' },
        { name: 'DB_PORT', type: 'token', path: null, value: '5432', encoding: 'utf8' },
      ],
      problems: [],
    })
    expect(
      fakes.vault.requests.map(({ method, path, headers }) => [method, path, headers['x-vault-token']]),
    ).toEqual([['GET', '/v1/secret/data/teams/shop', fakes.vault.token]])
    const all = await everything()
    for (const value of [password, fakes.vault.token]) {
      expect(all).not.toContain(value)
      expect(all).not.toContain(Buffer.from(value).toString('hex'))
    }
  })

  test('SEC-50: version 1, a mount, a namespace and AppRole, whose token is taken back', async () => {
    fakes.vault.kv1.set('team-a/kv/shop', { TOKEN: 'of version 1' })
    const { id } = await register('vault', {
      credential: fakes.vault.secretId,
      vault: { auth: 'approle', roleId: fakes.vault.roleId, mount: 'kv', kvVersion: 1, namespace: 'team-a' },
    })
    await take(id, 'shop')
    expect(await got()).toEqual({ TOKEN: 'of version 1' })
    expect(fakes.vault.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'POST /v1/auth/approle/login',
      'GET /v1/kv/shop',
      'POST /v1/auth/token/revoke-self',
    ])
    expect(new Set(fakes.vault.requests.map(({ headers }) => headers['x-vault-namespace']))).toEqual(
      new Set(['team-a']),
    )
    expect(fakes.vault.leases.size).toBe(0)
  })

  test('SEC-51: GetSecretValue of AWS, signed: a JSON object, one of its keys, all of it, plain text, bytes', async () => {
    const json = JSON.stringify({ user: 'shop', port: 5432, tls: { on: true } })
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i)
    fakes.aws.secrets.set('prod/db', json)
    fakes.aws.secrets.set('prod/api-token', 'plain')
    fakes.aws.secrets.set('prod/keystore', bytes)
    const { id } = await register('aws')
    await take(id, 'prod/db', {
      variables: [{ name: 'DB_USER', key: 'user' }, { name: 'DB_TLS', key: 'tls' }, { name: 'DB_JSON' }],
    })
    await take(id, 'prod/api-token')
    await take(id, 'prod/keystore', { variables: [{ name: 'KEYSTORE' }] })
    const { secrets } = await start()
    expect(Object.fromEntries(secrets.map((one: { name: string }) => [one.name, one]))).toMatchObject({
      DB_USER: { value: 'shop', type: 'token', encoding: 'utf8' },
      DB_TLS: { value: '{"on":true}' },
      DB_JSON: { value: json },
      api_token: { value: 'plain' },
      KEYSTORE: { type: 'file', encoding: 'base64', value: Buffer.from(bytes).toString('base64') },
    })
    expect(fakes.aws.requests.length).toBe(3)
  })

  test('SEC-51: GET /secrets/{name} of Azure, with a token of its tenant; DATABASE-URL is DATABASE_URL', async () => {
    fakes.azure.secrets.set('DATABASE-URL', 'postgres://u:p%40@db:5432/shop')
    fakes.azure.secrets.set('second', 'two')
    const { id } = await register('azure')
    await take(id, 'DATABASE-URL')
    await take(id, 'second', { variables: [{ name: 'SECOND' }] })
    expect(await got()).toEqual({ DATABASE_URL: 'postgres://u:p%40@db:5432/shop', SECOND: 'two' })
    for (const { path } of fakes.azure.requests)
      expect(path).toMatch(/^\/secrets\/(?:DATABASE-URL|second)\/?$/)
  })

  test('a vault that asks for a token for somebody else gets none', async () => {
    const { id } = await register('azure')
    fakes.azure.resource = 'https://evil.example'
    onTestFinished(() => {
      fakes.azure.resource = 'https://vault.azure.net'
    })
    await take(id, put('azure', 'ONE', canary()))
    expect((await start()).problems[0].stopsStart).toBe(true)
    expect(fakes.entra.requests).toEqual([])
  })

  test.each(kinds)(
    'SEC-52: a value changed in the store (%s) is seen after a start, and not before',
    async (kind) => {
      const { id } = await register(kind)
      const path = put(kind, 'ONE', 'first')
      await take(id, path)
      expect(await got()).toEqual({ ONE: 'first' })
      const asked = fakes[kind].requests.length
      put(kind, 'ONE', 'second')
      const delivery = await server.ok('GET', '/api/v1/workspaces/current/delivery', { token: agent })
      expect(delivery.secrets).toEqual([])
      expect(fakes[kind].requests.length).toBe(asked)
      expect(await got()).toEqual({ ONE: 'second' })
    },
  )

  const failures: readonly [string, Kind, (kind: Kind) => void, RegExp][] = [
    ...kinds.flatMap((kind): [string, Kind, () => void, RegExp][] => {
      const fails = (failure: Failure) => () => {
        fakes[kind].failure = failure
      }
      return [
        [
          'status 500',
          kind,
          fails({ status: 500, body: { errors: ['x'] } }),
          /answers with an error \(status 500\)/,
        ],
        ['status 503', kind, fails({ status: 503, body: {} }), /sealed, starting or too busy|status 503/],
        ['a redirect', kind, fails(REDIRECT), /another address, which is not followed/],
        ['no JSON', kind, fails({ status: 200, body: '<html>welcome' }), /not one that such a store gives/],
        [
          'other JSON',
          kind,
          fails({ status: 200, body: { data: [], value: 5 } }),
          /not one that such a store gives/,
        ],
        ['silence', kind, fails('hang'), /cannot be reached: no complete answer in time/],
        ['a cut connection', kind, fails('drop'), /cannot be reached: the connection failed/],
      ]
    }),
    [
      'a deleted version',
      'vault',
      () => fakes.vault.kv2.set('secret/data/teams/ONE', { data: null, deletedAt: 'x' }),
      /nothing at this path/,
    ],
    ['nothing there', 'vault', () => fakes.vault.kv2.clear(), /nothing at this path/],
    ['nothing there', 'aws', () => fakes.aws.secrets.clear(), /nothing at this path/],
    ['nothing there', 'azure', () => fakes.azure.secrets.clear(), /nothing at this path/],
    ['no right', 'vault', () => fakes.vault.forbidden.add('secret/data/teams/ONE'), /does not let it read/],
    ['no right', 'aws', () => fakes.aws.forbidden.add('teams/ONE'), /does not let Keyhold read/],
    ['no right', 'azure', () => fakes.azure.forbidden.add('ONE'), /does not let Keyhold read/],
  ]
  test.each(failures)(
    'SEC-52: %s of %s stops the start, or warns when set so; the store is named',
    async (_, kind, fail, text) => {
      const { id } = await register(kind)
      const path = put(kind, 'ONE', canary())
      await take(id, path, { variables: [{ name: 'ONE', ...(kind === 'azure' ? {} : { key: 'ONE' }) }] })
      const other = kind === 'vault' ? 'aws' : 'vault'
      const { id: otherId } = await register(other, { name: 'the other' })
      const good = canary()
      await take(otherId, put(other, 'GOOD', good))
      fail(kind)
      onTestFinished(() => {
        fakes[kind].failure = undefined
        for (const fake of [fakes.vault, fakes.aws, fakes.azure]) fake.forbidden.clear()
      })
      const stopped = await server.request('POST', '/api/v1/workspaces/current/start', { token: agent })
      expect(stopped.body.secrets).toEqual([])
      expect(stopped.body.problems).toEqual([{ text: expect.stringMatching(text), stopsStart: true }])
      expect(stopped.body.problems[0].text).toContain(`outside store corp ${kind}, ${path}: `)
      for (const secret of [good, fakes.vault.token, fakes.aws.secretAccessKey, fakes.entra.clientSecret])
        expect(stopped.text).not.toContain(secret)
      expect((await server.records(1))[0]).toMatchObject({
        action: 'store.fetch',
        outcome: 'failed',
        reason: 'store.unavailable',
        workspace: workspace.id,
        target: { kind: 'store', id, name: `corp ${kind}` },
      })
      const check = await server.ok('POST', `${STORES}/${id}/check`, { token: admin.token, body: { path } })
      expect(check.problem).toMatch(text)

      const { sources } = await server.ok('GET', `/api/v1/workspaces/${workspace.id}/store-sources`, {
        token: owner.token,
      })
      await server.ok('DELETE', `/api/v1/workspaces/${workspace.id}/store-sources/${sources[0].id}`, {
        token: owner.token,
      })
      await take(id, path, { variables: sources[0].variables, onFailure: 'warn' })
      const warned = await start()
      expect(warned.problems).toEqual([{ text: expect.stringMatching(text), stopsStart: false }])
      expect(warned.secrets).toMatchObject([{ name: 'GOOD', value: good }])
    },
  )

  test.each(kinds)(
    'SEC-52: a refused credential (%s) stops the start with a message without it; a new one is used',
    async (kind) => {
      const wrong = canary()
      const { id } = await register(kind, { credential: wrong })
      await take(id, put(kind, 'ONE', 'value'))
      const answer = await server.request('POST', '/api/v1/workspaces/current/start', { token: agent })
      expect(answer.body.problems[0].text).toMatch(
        /outside store corp .*: it refuses what Keyhold signs in with/,
      )
      expect(answer.text).not.toContain(wrong)
      const check = () => server.ok('POST', `${STORES}/${id}/check`, { token: admin.token, body: {} })
      expect((await check()).problem).toMatch(/refuses what Keyhold signs in with/)
      const { credential } = bodies()[kind]
      const changed = await server.request('PATCH', `${STORES}/${id}`, {
        token: admin.token,
        body: { credential },
      })
      expect(changed.status).toBe(200)
      expect(await check()).toEqual({ problem: null, keys: null })
      expect(await got()).toEqual({ ONE: 'value' })
      const all = (await everything()) + changed.text
      for (const secret of [wrong, String(credential)]) expect(all).not.toContain(secret)
    },
  )

  test('SEC-26: that a store is asked is recorded before it is, and each value before it leaves', async () => {
    const { id } = await register('vault')
    fakes.vault.kv2.set('secret/data/a', { data: { B: '1', A: '2' }, deletedAt: '' })
    await take(id, 'a')
    const [before] = await server.records(1)
    await start()
    const records = (await server.records(10)).filter(({ index }) => index > before!.index)
    expect(records.map(({ action, target, outcome }) => `${action} ${target?.name} ${outcome}`)).toEqual([
      'store-secret.use A success',
      'store-secret.use B success',
      'store.fetch corp vault success',
    ])
    for (const { actor, workspace: at } of records)
      expect([actor, at]).toEqual([
        { kind: 'workspace', id: workspace.id, credential: expect.any(String) },
        workspace.id,
      ])
  })

  test('a workspace starts once at a time, and some times in a minute', async () => {
    const { id } = await register('vault')
    await take(id, put('vault', 'ONE', 'value'))
    const begin = () => server.request('POST', '/api/v1/workspaces/current/start', { token: agent })
    const both = await Promise.all([begin(), begin()])
    expect(both.map(({ status }) => status).sort()).toEqual([200, 429])
    expect(fakes.vault.requests.length).toBe(1)
    let last = await begin()
    for (let i = 0; i < 30 && last.status === 200; i++) last = await begin()
    expect([last.status, last.body.code]).toEqual([429, 'rate.limited'])
    expect(Number(last.headers.get('retry-after'))).toBeGreaterThan(0)
  })

  test('SEC-23: a use of what comes of a store is recorded with its line; of names that nothing has, nothing is', async () => {
    const { id } = await register('vault')
    await take(id, 'a', { variables: [{ name: 'DB_PASSWORD', key: 'x' }] })
    const report = (names: string[]) =>
      server.ok('POST', '/api/v1/workspaces/current/uses', {
        token: agent,
        body: {
          run: 'run-12345678',
          uses: names.map((name) => ({ name, kind: 'read', program: 'node', file: 'app.js', line: 12 })),
        },
      })
    const [before] = await server.records(1)
    await report(['DB_PASSWORD', 'OTHER'])
    const records = (await server.records(5)).filter(({ index }) => index > before!.index)
    expect(records).toMatchObject([
      {
        action: 'store-secret.use',
        target: { kind: 'store-secret', name: 'DB_PASSWORD' },
        use: { file: 'app.js', line: 12 },
        workspace: workspace.id,
      },
    ])
    // Only the store knows which names there are.
    await take(id, 'b')
    await report(['OTHER', 'LD_PRELOAD'])
    expect((await server.records(1))[0]!.target).toEqual({ kind: 'store-secret', name: 'OTHER' })
  })

  test('a workspace that takes nothing starts without a record and without a request', async () => {
    await register('vault')
    const [before] = await server.records(1)
    expect(await start()).toEqual({ secrets: [], problems: [] })
    expect((await server.records(1))[0]!.index).toBe(before!.index)
    expect(fakes.vault.requests).toEqual([])
  })

  test('names that no variable can have are left out and said; of two sources of one variable the first counts', async () => {
    const { id } = await register('vault')
    fakes.vault.kv2.set('secret/data/a', {
      data: { ONE: 'a', LD_PRELOAD: 'x', 'not-a-name': 'y', 'two\nlines': 'z' },
      deletedAt: '',
    })
    fakes.vault.kv2.set('secret/data/b', { data: { ONE: 'b', TWO: 'b' }, deletedAt: '' })
    await take(id, 'a', { onFailure: 'warn' })
    await take(id, 'b')
    const { secrets, problems } = await start()
    expect(secrets.map(({ name, value }: { name: string; value: string }) => `${name}=${value}`)).toEqual([
      'ONE=a',
      'TWO=b',
    ])
    expect(problems).toEqual([
      {
        text: 'outside store corp vault, a: no variable can be called LD_PRELOAD, not-a-name, two lines',
        stopsStart: false,
      },
    ])
  })

  test('C3: the list of variables says what comes of stores, after everything else', async () => {
    const { id } = await register('vault')
    await take(id, 'a', {
      variables: [
        { name: 'ONE', key: 'x' },
        { name: 'TWO', key: 'y' },
      ],
    })
    await take(id, 'b')
    await server.ok('POST', `/api/v1/workspaces/${workspace.id}/secrets`, {
      token: owner.token,
      body: { name: 'ONE', type: 'token', value: 'own' },
    })
    const path = `/api/v1/workspaces/${workspace.id}/variables`
    const { fromStores } = await server.ok('GET', path, { token: owner.token })
    const common = { store: 'corp vault', isAllowed: true }
    expect(fromStores).toEqual([
      { ...common, name: 'ONE', path: 'a', hiddenBy: expect.objectContaining({ secretName: 'ONE' }) },
      { ...common, name: 'TWO', path: 'a', hiddenBy: null },
      { ...common, name: null, path: 'b', hiddenBy: null },
    ])
    expect(fakes.vault.requests).toEqual([])
  })

  test('paths: what administrators do not let the workspace take is refused, and no longer fetched', async () => {
    const { id } = await register('vault', { paths: ['people/{owner}/*', 'boxes/{workspace}'] })
    const attempt = (path: string) =>
      server.request('POST', `/api/v1/workspaces/${workspace.id}/store-sources`, {
        token: owner.token,
        body: { storeId: id, path },
      })
    for (const path of [
      'people/other@example.com/x',
      `boxes/${workspace.id}x`,
      'boxes/ws-00000000',
      'people/x',
    ])
      expect([(await attempt(path)).status, (await attempt(path)).body.code]).toEqual([
        403,
        'store_source.path_refused',
      ])
    const path = `people/${owner.email}/db`
    fakes.vault.kv2.set(`secret/data/people/${encodeURIComponent(owner.email)}/db`, {
      data: { ONE: '1' },
      deletedAt: '',
    })
    expect((await attempt(path)).status).toBe(201)
    expect((await attempt(`boxes/${workspace.id}`)).status).toBe(201)
    await server.ok('PATCH', `${STORES}/${id}`, {
      token: admin.token,
      body: { paths: ['boxes/{workspace}'] },
    })
    const before = fakes.vault.requests.length
    expect((await start()).problems[0].text).toContain('administrators do not let this workspace take it')
    expect(fakes.vault.requests.slice(before).map(({ path: asked }) => asked)).toEqual([
      `/v1/secret/data/boxes/${workspace.id}`,
    ])
  })

  test('each wrong field of a store is 400 and named', async () => {
    const vault = { name: 'x', paths: ['*'], ...bodies().vault }
    const { aws, azure } = bodies()
    const pem = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
    for (const [field, body] of [
      ['name', { ...vault, name: '' }],
      ['kind', { ...vault, kind: 'other' }],
      ['address', { ...vault, address: undefined }],
      ['address', { ...vault, address: 'vault' }],
      ['address', { ...vault, address: 'https://u:p@vault.example' }],
      ['address', { ...vault, address: 'https://vault.example/?x=1' }],
      ['address', { ...vault, address: 'https://169.254.169.254' }],
      ['address', { ...vault, address: 'https://[fd00:ec2::254]' }],
      ['credential', { ...vault, credential: '' }],
      ['credential', { ...vault, credential: undefined }],
      ['paths', { ...vault, paths: [] }],
      ['paths[0]', { ...vault, paths: ['a/*/b'] }],
      ['paths[0]', { ...vault, paths: ['people/{owner}*'] }],
      ['paths[0]', { ...vault, paths: ['../sys'] }],
      ['ca', { ...vault, ca: pem }],
      ['aws', { ...vault, aws: aws.aws }],
      ['vault', { ...aws, name: 'x', paths: ['*'], vault: { auth: 'token' } }],
      ['vault.roleId', { ...vault, vault: { auth: 'approle' } }],
      ['vault.roleId', { ...vault, vault: { auth: 'token', roleId: 'x' } }],
      ['vault.authMount', { ...vault, vault: { auth: 'token', authMount: 'x' } }],
      ['vault.mount', { ...vault, vault: { auth: 'token', mount: 'a/../sys' } }],
      ['vault.kvVersion', { ...vault, vault: { auth: 'token', kvVersion: 3 } }],
      ['aws', { ...aws, name: 'x', paths: ['*'], aws: undefined }],
      ['aws.region', { ...aws, name: 'x', paths: ['*'], aws: { region: 'evil.example/', accessKeyId: 'A' } }],
      ['azure', { ...azure, name: 'x', paths: ['*'], azure: undefined }],
      [
        'azure.authority',
        {
          ...azure,
          name: 'x',
          paths: ['*'],
          azure: { tenantId: 't', clientId: 'c', authority: 'http://10.0.0.1' },
        },
      ],
      ['paths[0]', { ...azure, name: 'x', paths: ['a/b'] }],
    ] as const) {
      const answer = await server.request('POST', STORES, { token: admin.token, body })
      expect([answer.status, answer.body.errors?.[0]?.field], JSON.stringify([field, body])).toEqual([
        400,
        field,
      ])
    }
    expect(await list()).toEqual([])
  })

  test('each wrong field of a source is 400 and named; the same path twice is 409', async () => {
    const { id } = await register('vault')
    const attempt = (body: object) =>
      server.request('POST', `/api/v1/workspaces/${workspace.id}/store-sources`, {
        token: owner.token,
        body: { storeId: id, path: 'a', ...body },
      })
    const twice = [{ name: 'A' }, { name: 'A', key: 'b' }]
    for (const [field, body] of [
      ...['', 'a/../b', 'a//b', '/a', 'a/', 'a/%2e%2E/b', 'a%2Fb', 'a\\b', 'a\u0000b', '.'].map(
        (path) => ['path', { path }] as const,
      ),
      ['variables', { variables: [] }],
      ['variables[0].name', { variables: [{ name: 'PATH' }] }],
      ['variables[0].name', { variables: [{ name: 'NODE_OPTIONS', key: 'x' }] }],
      ['variables[1].name', { variables: twice }],
      ['onFailure', { onFailure: 'ignore' }],
    ] as const) {
      const answer = await attempt(body)
      expect([answer.status, answer.body.errors?.[0]?.field], JSON.stringify(body)).toEqual([400, field])
    }
    expect((await attempt({})).status).toBe(201)
    expect((await attempt({})).body.code).toBe('store_source.exists')
    expect((await attempt({ storeId: 'ost_00000000000000000000' })).body.code).toBe('store.not_found')
    for (let i = 1; i < 20; i++) expect((await attempt({ path: `p${i}` })).status).toBe(201)
    expect((await attempt({ path: 'one more' })).body.code).toBe('store_source.limit')
  })

  test('administrators register, change, try out and remove; others see names and paths', async () => {
    const store = await register('aws', { paths: ['teams/*'] })
    const member = await server.addPerson()
    const seen = (await server.ok('GET', STORES, { token: member.token })).stores
    expect(seen).toEqual([
      {
        id: store.id,
        name: 'corp aws',
        kind: 'aws',
        paths: ['teams/*'],
        createdAt: store.createdAt,
        updatedAt: store.updatedAt,
      },
    ])
    for (const [method, path, body] of [
      ['POST', STORES, { name: 'x', paths: ['*'], ...bodies().aws }],
      ['PATCH', `${STORES}/${store.id}`, { name: 'x' }],
      ['DELETE', `${STORES}/${store.id}`, undefined],
      ['POST', `${STORES}/${store.id}/check`, {}],
    ] as const) {
      const refused = await server.request(method, path, { token: member.token, ...(body && { body }) })
      expect([refused.status, refused.body.code]).toEqual([403, 'access.refused'])
      expect((await server.records(1))[0]).toMatchObject({ outcome: 'refused', actor: { id: member.id } })
      expect((await server.request(method, path, { ...(body && { body }) })).status).toBe(401)
    }
    expect(
      (
        await server.request('POST', STORES, {
          token: admin.token,
          body: { name: ' CORP aws', paths: ['*'], ...bodies().aws },
        })
      ).body.code,
    ).toBe('store.exists')
    expect((await list())[0].details).toMatchObject({
      address: fakes.aws.origin,
      sources: 0,
      aws: { region: 'eu-central-1' },
    })
    put('aws', 'ONE', 'x')
    const checked = await server.ok('POST', `${STORES}/${store.id}/check`, {
      token: admin.token,
      body: { path: 'teams/ONE' },
    })
    expect(checked).toEqual({ problem: null, keys: ['ONE'] })
    await take(store.id, 'teams/ONE')
    const remove = (query = '') =>
      server.request('DELETE', `${STORES}/${store.id}${query}`, { token: admin.token })
    expect((await remove()).body.code).toBe('store.in_use')
    expect((await remove('?confirm=corp')).body.code).toBe('store.in_use')
    expect((await remove('?confirm=corp%20aws')).status).toBe(204)
    expect((await remove('?confirm=corp%20aws')).body.code).toBe('store.not_found')
    expect(await start()).toEqual({ secrets: [], problems: [] })
    const actions = (await server.records(30)).filter(
      ({ actor }) => actor.kind === 'person' && actor.id === admin.id,
    )
    expect(actions.map(({ action, outcome }) => `${action} ${outcome}`)).toEqual(
      expect.arrayContaining([
        'store.create success',
        'store.check success',
        'store.delete success',
        'store.delete failed',
      ]),
    )
  })

  test('6.1: who may see and change what a workspace takes', async () => {
    const { id } = await register('vault')
    const source = await take(id, 'a')
    const path = `/api/v1/workspaces/${workspace.id}/store-sources`
    for (const [level, listed, changed] of [
      ['view', 403, 403],
      ['edit', 200, 403],
      ['admin', 200, 403],
      [undefined, 404, 404],
    ] as const) {
      const other = await server.addPerson()
      if (level)
        await server.ok('POST', `/api/v1/workspaces/${workspace.id}/shares`, {
          token: owner.token,
          body: { email: other.email, level },
        })
      const ask = async (method: string, at: string, body?: object) =>
        (await server.request(method, at, { token: other.token, ...(body && { body }) })).status
      expect(await ask('GET', path), String(level)).toBe(listed)
      expect(await ask('POST', path, { storeId: id, path: 'b' })).toBe(changed)
      expect(await ask('DELETE', `${path}/${source.id}`)).toBe(changed)
    }
    expect(
      (await server.request('DELETE', `${path}/oss_00000000000000000000`, { token: owner.token })).body.code,
    ).toBe('store_source.not_found')
    expect((await server.request('GET', path)).status).toBe(401)
    expect(
      (await server.request('POST', '/api/v1/workspaces/current/start', { token: owner.token })).status,
    ).toBe(403)
  })

  test('a browser session has to confirm the password before it registers a store or takes something of one', async () => {
    const { id } = await register('vault')
    for (const [person, path, body] of [
      [admin, STORES, { name: 'y', paths: ['*'], ...bodies().vault }],
      [owner, `/api/v1/workspaces/${workspace.id}/store-sources`, { storeId: id, path: 'a' }],
    ] as const) {
      const cookie = await server.newSession(person)
      const headers = { cookie, origin: 'http://localhost:8080' }
      server.clock.advance(11 * 60_000)
      const answer = await server.request('POST', path, { headers, body })
      expect([answer.status, answer.body.code]).toEqual([403, 'session.reauthentication_required'])
    }
  })

  test('P2: a store whose address was changed in the database gets no credential', async () => {
    const { id } = await register('vault')
    await take(id, 'a')
    const { db } = server.core.storage
    const other = 'https://corp.vault.azure.net'
    await sql`update outside_stores set address = ${other} where id = ${id}`.execute(db)
    const answer = await server.request('POST', '/api/v1/workspaces/current/start', { token: agent })
    expect([answer.status, answer.body.code]).toEqual([500, 'secret.unreadable'])
    expect(fakes.azure.requests).toEqual([])
  })

  test.each([
    ['ca', () => sql`'-----BEGIN CERTIFICATE-----'`],
    ['settings', () => sql`'{"auth":"token","mount":"other","kvVersion":2}'`],
    ['kind', () => sql`'azure'`],
    ['paths', () => sql`'["*","*"]'`],
  ])('P2: a store whose %s was changed in the database gets no credential', async (column, other) => {
    const { id } = await register('vault')
    await take(id, 'a')
    const { db } = server.core.storage
    // What is left of it is none that could be listed.
    onTestFinished(async () => void (await sql`delete from outside_stores where id = ${id}`.execute(db)))
    await sql`update outside_stores set ${sql.ref(column)} = ${other()} where id = ${id}`.execute(db)
    const answer = await server.request('POST', '/api/v1/workspaces/current/start', { token: agent })
    expect([answer.status, answer.body.code]).toEqual([500, 'secret.unreadable'])
    for (const fake of [fakes.vault, fakes.azure, fakes.entra]) expect(fake.requests).toEqual([])
    // A credential that is given anew is for what the store is now.
    const { credential } = bodies().vault
    if (column === 'paths') {
      await server.ok('PATCH', `${STORES}/${id}`, { token: admin.token, body: { credential } })
      expect(await start()).toBeDefined()
    }
  })

  test('P2: paths and certificates are changed without the credential, which is bound to them from then on', async () => {
    const { id } = await register('vault')
    const { db } = server.core.storage
    const sealed = async () =>
      (
        await sql<{
          sealed: Uint8Array
        }>`select sealed_credential as sealed from outside_stores where id = ${id}`.execute(db)
      ).rows[0]!.sealed // `!`: it is there.
    const value = canary()
    await take(id, put('vault', 'ONE', value))
    const before = await sealed()
    const change = (body: object) => server.ok('PATCH', `${STORES}/${id}`, { token: admin.token, body })
    await change({ name: 'renamed' })
    expect(await sealed()).toEqual(before)
    await change({ paths: ['teams/*'] })
    expect(await got()).toEqual({ ONE: value })
    await sql`update outside_stores set sealed_credential = ${before} where id = ${id}`.execute(db)
    expect((await server.request('POST', '/api/v1/workspaces/current/start', { token: agent })).status).toBe(
      500,
    )
  })

  test('a credential that was sealed before the rest was bound opens, and is bound when it is used', async () => {
    const { id } = await register('vault')
    const value = canary()
    await take(id, put('vault', 'ONE', value))
    const { vault, storage } = server.core
    const context = ['keyhold/v1/store-credential', id, fakes.vault.origin, '', 1]
    await storage.transaction(async (tx) => {
      const bytes = new Secret<Uint8Array>(Buffer.from(fakes.vault.token))
      const sealed = await vault.seal(tx, 'instance', context, bytes)
      await sql`update outside_stores set sealed_credential = ${sealed} where id = ${id}`.execute(tx)
    })
    expect(await got()).toEqual({ ONE: value })
    await sql`update outside_stores set ca = 'x' where id = ${id}`.execute(storage.db)
    const answer = await server.request('POST', '/api/v1/workspaces/current/start', { token: agent })
    expect(answer.body.code).toBe('secret.unreadable')
  })

  test('SDS-12: once the account of the owner is disabled no store is asked', async () => {
    const { id } = await register('vault')
    await take(id, 'a')
    await server.ok('PATCH', `/api/v1/accounts/${owner.id}`, {
      token: admin.token,
      body: { isDisabled: true },
    })
    const answer = await server.request('POST', '/api/v1/workspaces/current/start', { token: agent })
    expect(answer.status).toBe(401)
    expect(fakes.vault.requests).toEqual([])
  })

  test('no store is asked while the record of it cannot be written', async () => {
    const own = await startServer(database, {}, fakes.internet)
    onTestFinished(own.stop)
    const everybody = await own.server.addPerson('admin')
    const { token } = everybody
    const { id: storeId } = await own.server.ok('POST', STORES, {
      token,
      body: { name: 'corp', paths: ['*'], ...bodies().vault },
    })
    const box = await own.server.ok('POST', '/api/v1/workspaces', { token, body: { name: 'box' } })
    const body = { storeId, path: 'a' }
    await own.server.ok('POST', `/api/v1/workspaces/${box.id}/store-sources`, { token, body })
    const itsAgent = await own.server.addAgent(everybody, box.id)
    // The next record's place is taken.
    const { db } = own.server.core.storage
    await db
      .updateTable('audit_head')
      .set({ size: 0, edge: Buffer.alloc(0) })
      .execute()
    const answer = await own.server.request('POST', '/api/v1/workspaces/current/start', { token: itsAgent })
    expect(answer.body.code).toBe('audit.unavailable')
    expect(fakes.vault.requests).toEqual([])
  })

  test('an agent that was cut off starts nothing', async () => {
    const { id } = await register('vault')
    await take(id, 'a')
    await server.ok('DELETE', `/api/v1/workspaces/${workspace.id}/agent`, { token: owner.token })
    expect((await server.request('POST', '/api/v1/workspaces/current/start', { token: agent })).status).toBe(
      401,
    )
    expect(fakes.vault.requests).toEqual([])
  })
})

test('a name that leads to a metadata address is not asked', async () => {
  const lookup = ((_host: string, _options: unknown, done: (error: null, found: unknown) => void) =>
    done(null, [{ address: '169.254.169.254', family: 4 }])) as never // `as`: the one overload that is used.
  const { server, stop } = await startServer('sqlite', {}, new Outgoing(undefined, lookup))
  onTestFinished(stop)
  const admin = await server.addPerson('admin')
  for (const body of [
    { kind: 'vault', address: 'https://vault.example' },
    { kind: 'aws', aws: { region: 'eu-central-1', accessKeyId: 'AKIA0' } },
    { kind: 'azure', address: 'https://x.vault.azure.net', azure: { tenantId: 't', clientId: 'c' } },
  ]) {
    const { id } = await server.ok('POST', STORES, {
      token: admin.token,
      body: { name: body.kind, credential: 'x', paths: ['*'], ...body },
    })
    const { problem } = await server.ok('POST', `${STORES}/${id}/check`, { token: admin.token, body: {} })
    expect(problem).toMatch(/leads to an address that Keyhold does not call/)
  }
})

describe('paths of stores', () => {
  const ann = { workspaceId: 'ws-abcdefgh1234', ownerEmail: 'Ann@Example.com' }

  test.each([
    ['*', 'a/b', true],
    ['a', 'a', true],
    ['a', 'A', false],
    ['a', 'a/b', false],
    ['a/*', 'a/b/c', true],
    ['a/*', 'a/', false],
    ['a/*', 'ab', false],
    ['team-*', 'team-x', true],
    ['people/{owner}/*', 'people/ann@example.com/db', true],
    ['people/{owner}/*', 'people/ann@example.com.evil/db', false],
    ['boxes/{workspace}', 'boxes/ws-abcdefgh1234', true],
    ['{workspace}-*', 'ws-abcdefgh1234-x', true],
    ['{workspace}-*', 'ws-abcdefgh12345-x', false],
  ])('%s and %s: %s', (pattern, path, isAllowed) => {
    expect(isPathAllowed([pattern], path, ann)).toBe(isAllowed)
  })

  test.each(['/', '%2f'])('an e-mail address with %s is nobody’s folder', (slash) => {
    const ownerEmail = `ann@example.com${slash}db`
    expect(isPathAllowed(['people/{owner}'], `people/${ownerEmail}`, { ...ann, ownerEmail })).toBe(false)
  })

  test('patterns that would match more than they seem to are refused', () => {
    for (const pattern of [
      '{owner}*',
      '{owner}-x',
      '{workspace}*',
      '{workspace}a',
      'a*b',
      '{other}',
      'a/',
      '/a',
      '..',
      'a/%2E./b',
      'a%2fb',
      'a//b',
    ])
      expect(refusedPattern(pattern, 'vault'), pattern).toBeDefined()
    for (const pattern of ['*', 'a/*', 'a-*', '{owner}', '{owner}/*', '{workspace}/x', '{workspace}_*'])
      expect(refusedPattern(pattern, 'vault'), pattern).toBeUndefined()
    expect(refusedPath('a b/ü', 'vault')).toBeUndefined()
    expect(refusedPath('a b', 'aws')).toBeDefined()
    expect(refusedPath('a_b', 'azure')).toBeDefined()
  })
})
