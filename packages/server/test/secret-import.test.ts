import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { databases, startServer, type TestPerson, type TestServer } from './kit.ts'

describe.each(databases)('secrets in daily work on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let owner: TestPerson
  let project: string

  beforeAll(async () => {
    ;({ server, stop } = await startServer(database))
    owner = await server.addPerson()
  })
  afterAll(() => stop())
  beforeEach(async () => {
    project = (await server.addProject(owner)).id
    await server.addEnvironment(owner, project, 'staging')
  })

  const path = (rest: string) => `/api/v1/projects/${project}${rest}`
  const post = (rest: string, body: unknown, token = owner.token) =>
    server.request('POST', path(rest), { token, body })
  const list = async (environment = 'All') =>
    (await server.ok('GET', path(`/secrets?environment=${environment}`), { token: owner.token })).secrets as {
      id: string
      name: string
      version: number
      type: string
      environment: string
    }[]
  const reveal = async (id: string, version?: number) =>
    (await server.ok('POST', path(`/secrets/${id}/reveal`), { token: owner.token, body: { version } }))
      .value as string
  const recordsOf = async (...actions: string[]) =>
    (await server.records()).filter((one) => one.project?.id === project && actions.includes(one.action))

  describe('import', () => {
    const importAll = (secrets: unknown, rest: object = {}, token?: string) =>
      post('/secrets/import', { secrets, ...rest }, token)

    test('creates all, each with its record, in the environment that was named', async () => {
      const answer = await importAll(
        [
          { name: 'DATABASE_URL', value: 'postgres://a:b%40c@d/e' },
          { name: 'DB_PASSWORD', type: 'password', value: 'pass word\n' },
        ],
        { environment: 'staging' },
      )
      expect(answer.status).toBe(200)
      expect(answer.body).toEqual({ created: ['DATABASE_URL', 'DB_PASSWORD'], updated: [], unchanged: [] })
      const found = await list('staging')
      expect(found.map(({ name, type, environment }) => [name, type, environment])).toEqual([
        ['DATABASE_URL', 'token', 'staging'],
        ['DB_PASSWORD', 'password', 'staging'],
      ])
      expect(await reveal(found[1]!.id)).toBe('pass word\n')
      const records = await recordsOf('secret.create')
      expect(records.map(({ target, environment }) => [target!.name, environment])).toEqual([
        ['DB_PASSWORD', 'staging'],
        ['DATABASE_URL', 'staging'],
      ])
    })

    test('all or nothing: every wrong secret is named at once, and none is stored', async () => {
      const answer = await importAll([
        { name: 'GOOD', value: 'a good value' },
        { name: 'PATH', value: 'canary-in-an-import' },
        { name: 'GOOD', value: 'again' },
        { name: 'A_KEY', type: 'key', value: 'canary-in-an-import' },
      ])
      expect(answer.status).toBe(400)
      expect(answer.body.errors.map(({ field }: { field: string }) => field)).toEqual([
        'secrets[1].name',
        'secrets[2].name',
        'secrets[3].value',
      ])
      expect(answer.text).not.toContain('canary')
      expect(await list()).toEqual([])
      expect(await recordsOf('secret.create')).toEqual([])
      const [failure] = await recordsOf('secret.import')
      expect(failure).toMatchObject({ outcome: 'failed', reason: 'request.invalid' })
    })

    test('names that are there: refused, skipped or replaced, as was asked', async () => {
      await server.addSecret(owner, project, { name: 'A', value: 'the first value' })
      await server.addSecret(owner, project, { name: 'B', value: 'the same value', type: 'password' })
      const given = [
        { name: 'A', value: 'a new value' },
        { name: 'B', value: 'the same value' },
        { name: 'C', value: 'brand new' },
      ]
      const refused = await importAll(given)
      expect(refused.status).toBe(409)
      expect(refused.body.errors.map(({ field }: { field: string }) => field)).toEqual([
        'secrets[0].name',
        'secrets[1].name',
      ])
      expect((await list()).length).toBe(2)
      expect((await importAll(given, { existing: 'skip' })).body).toEqual({
        created: ['C'],
        updated: [],
        unchanged: ['A', 'B'],
      })
      expect((await importAll(given, { existing: 'replace' })).body).toEqual({
        created: [],
        updated: ['A'],
        unchanged: ['B', 'C'],
      })
      const found = await list()
      expect(found.map(({ name, version, type }) => [name, version, type])).toEqual([
        ['A', 2, 'token'],
        ['B', 1, 'password'],
        ['C', 1, 'token'],
      ])
      // That a value is the same says what it is to whoever guessed it.
      const compared = await recordsOf('secret.compare')
      expect(compared.map(({ target }) => target!.name).sort()).toEqual(['B', 'C'])
      expect((await recordsOf('secret.update')).map(({ changed }) => changed)).toEqual([['value']])
    })

    test('400 for none and for too many; 404 for an environment that is none; 403 for Read Only', async () => {
      const one = { name: 'A', value: 'a value' }
      expect((await importAll([])).status).toBe(400)
      const many = Array.from({ length: 401 }, (_, i) => ({ name: `A_${i}`, value: 'v' }))
      expect([400, 413]).toContain((await importAll(many)).status)
      expect((await importAll([one], { environment: 'nowhere' })).body.code).toBe('environment.not_found')
      const reader = await server.addPerson()
      await server.addMember(owner, project, reader, 'read_only')
      expect((await importAll([one], {}, reader.token)).status).toBe(403)
      const stranger = await server.addPerson()
      expect((await importAll([one], {}, stranger.token)).status).toBe(404)
      expect(await list()).toEqual([])
    })

    test('two imports at once of the same names: one comes first, nothing is half done', async () => {
      const secrets = Array.from({ length: 20 }, (_, i) => ({ name: `N_${i}`, value: `value ${i}` }))
      const answers = await Promise.all([importAll(secrets), importAll(secrets)])
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 409])
      expect((await list()).length).toBe(20)
    })
  })

  test('restore makes an earlier value the current one as a new version, and says so in the log', async () => {
    const { id } = await server.addSecret(owner, project, { name: 'A', value: 'the first value' })
    const set = (value: string) =>
      server.ok('PATCH', path(`/secrets/${id}`), { token: owner.token, body: { value } })
    await set('the second value')
    const restored = await post(`/secrets/${id}/restore`, { version: 1 })
    expect([restored.status, restored.body.version]).toEqual([200, 3])
    expect(await reveal(id)).toBe('the first value')
    expect(await reveal(id, 2)).toBe('the second value')
    const [record] = await recordsOf('secret.update')
    expect(record).toMatchObject({ changed: ['value'], target: { name: 'A', version: 3 } })
    // The current one: nothing changes.
    expect((await post(`/secrets/${id}/restore`, { version: 3 })).body.version).toBe(3)
    const missing = await post(`/secrets/${id}/restore`, { version: 9 })
    expect([missing.status, missing.body.code]).toEqual([404, 'secret.version_not_found'])
    expect((await post(`/secrets/${id}/restore`, {})).status).toBe(400)
  })

  test('KEY-27: compare says which names two environments have, and whether values are the same; values stay', async () => {
    const add = (name: string, value: string, environment?: string) =>
      server.addSecret(owner, project, { name, value, ...(environment && { environment }) })
    await add('FALLBACK', 'canary value of All')
    await add('SAME', 'canary one')
    await add('SAME', 'canary one', 'staging')
    await add('OTHER', 'canary two')
    await add('OTHER', 'canary three', 'staging')
    await add('ONLY', 'canary four', 'staging')
    const compare = (left: string, right: string, token = owner.token) =>
      server.request('GET', path(`/compare?left=${left}&right=${right}`), { token })
    const answer = await compare('All', 'staging')
    expect(answer.body.secrets).toEqual([
      { name: 'FALLBACK', left: 'All', right: 'All', isSame: true },
      { name: 'ONLY', left: null, right: 'staging', isSame: null },
      { name: 'OTHER', left: 'All', right: 'staging', isSame: false },
      { name: 'SAME', left: 'All', right: 'staging', isSame: true },
    ])
    expect(answer.text).not.toContain('canary')
    const records = await recordsOf('secret.compare')
    expect(records.map(({ target }) => target!.name).sort()).toEqual(['OTHER', 'OTHER', 'SAME', 'SAME'])
    expect((await compare('All', 'nowhere')).body.code).toBe('environment.not_found')
    const stranger = await server.addPerson()
    expect((await compare('All', 'staging', stranger.token)).status).toBe(404)
  })
})
