// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references are written so
import { limits } from '@keyhold/contract/limits'
import { Secret } from '@keyhold/contract/secret'
import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { ReferenceResolver } from '../src/credentials/secret/reference-resolver.ts'
import { parseParts, type Reference } from '../src/credentials/secret/references.ts'
import type { SealedSecret } from '../src/credentials/secret/secret.ts'
import { databases, startServer, type TestKey, type TestPerson, type TestServer } from './kit.ts'

/** `${name}`. */
const ref = (name: string) => `\${${name}}`

describe('references in a value', () => {
  test('are names and names of an environment; all else is text', () => {
    const A = { environment: undefined, name: 'A' }
    const staging = { environment: 'staging-2', name: '_b9' }
    expect(parseParts('')).toEqual([])
    expect(parseParts('no $reference { } $ $$ $A')).toEqual(['no $reference { } $ $$ $A'])
    expect(parseParts(`x${ref('A')}y${ref('staging-2._b9')}`)).toEqual(['x', A, 'y', staging])
    expect(parseParts(`${ref('A')}${ref('A')}`)).toEqual([A, A])
    expect(parseParts(`a\n${ref('A')}\r\nb`)).toEqual(['a\n', A, '\r\nb'])
    expect(parseParts(`${ref('A')}}`)).toEqual([A, '}'])
  })

  test('of the $ before a { each two are one, so that everything can be written', () => {
    const text = (value: string) => {
      const parts = parseParts(value)
      return 'invalidAt' in parts
        ? undefined
        : parts.map((part) => (typeof part === 'string' ? part : `<${part.name}>`)).join('')
    }
    expect(text('$${A}')).toBe('${A}')
    expect(text('$$${A}')).toBe('$<A>')
    expect(text('$$$${A}')).toBe('$${A}')
    expect(text('$${')).toBe('${')
    expect(text('$$')).toBe('$$')
    expect(text('$$$')).toBe('$$$')
  })

  test('a ${ that begins none is said with its place', () => {
    for (const [value, invalidAt] of [
      ['${', 1],
      ['ab${}', 3],
      ['${A', 1],
      ['${A:-b}', 1],
      ['${a b}', 1],
      ['${.A}', 1],
      ['${a.b.c}', 1],
      ['${1A}', 1],
      ['${Ä}', 1],
      [`${ref('A')}\${`, 5],
      [`\${${'A'.repeat(limits.secretNameBytes + 1)}}`, 1],
    ] as const)
      expect([value, parseParts(value)]).toEqual([value, { invalidAt }])
  })

  test('text whose $ before { are doubled comes back as it was, whatever it is', () => {
    const piece = fc.oneof(fc.constantFrom('$', '{', '}', '${', 'A', '.'), fc.string())
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const text = pieces.join('')
        const escaped = text.replaceAll(/\$+\{/g, (run) => `${'$'.repeat((run.length - 1) * 2)}{`)
        const parts = parseParts(escaped)
        expect('invalidAt' in parts ? parts : parts.join('')).toEqual(text)
      }),
    )
  })

  test('a megabyte of $ or of { takes no longer than its length', () => {
    for (const text of ['$'.repeat(1_000_000), '${'.repeat(500_000), `${'$'.repeat(999_999)}{`]) {
      const begin = performance.now()
      parseParts(text)
      expect(performance.now() - begin).toBeLessThan(2_000)
    }
  })
})

/** Secrets of one environment by name; a plan and its results over them. */
async function resolveAll(values: Record<string, string>, mayRead: (key: string) => boolean = () => true) {
  const secretOf = (environmentKey: string, name: string): SealedSecret | undefined => {
    const value = values[environmentKey === 'all' ? name : `${environmentKey}.${name}`]
    return value === undefined
      ? undefined
      : ({
          id: `sec_${environmentKey}_${name}`,
          version: 1,
          name,
          type: 'token',
          hasReferences: value.includes('${'),
          sealed: Buffer.from(value),
        } as unknown as SealedSecret) // `as`: what the resolver looks at.
  }
  const readings = Object.keys(values).flatMap((name) => {
    const secret = secretOf('all', name)
    return name.includes('.') || !secret ? [] : [{ secret, environmentKey: 'all' }]
  })
  const resolver = await ReferenceResolver.plan(readings, {
    list: async (secrets) =>
      secrets.map((secret) => {
        const parts = parseParts(Buffer.from(secret.sealed).toString())
        return 'invalidAt' in parts ? [] : parts.filter((part): part is Reference => typeof part !== 'string')
      }),
    find: async (environmentKey, name) => secretOf(environmentKey, name),
    mayRead: async (environmentKey) => mayRead(environmentKey),
  })
  const opened: string[] = []
  const results: Record<string, string> = {}
  for (const reading of readings) {
    const result = await resolver.resolve(reading, async (secret) => {
      opened.push(secret.id)
      return new Secret(secret.sealed)
    })
    results[reading.secret.name] =
      'reason' in result
        ? `${result.reason} ${result.reference} in ${result.writtenIn}`
        : Buffer.from(result.reveal()).toString()
  }
  return { results, opened, planned: resolver.planned.map(({ id }) => id) }
}

describe('resolving', () => {
  test('Z2: what the reader may not read is left out with what refers to it, and is not opened', async () => {
    const values = {
      OPEN: 'open',
      DEEP: `x${ref('production.PASSWORD')}`,
      DEEPER: ref('DEEP'),
      FINE: ref('OPEN'),
      'production.PASSWORD': 'not for this reader',
    }
    const { results, opened, planned } = await resolveAll(values, (key) => key !== 'production')
    expect(results).toEqual({
      OPEN: 'open',
      FINE: 'open',
      DEEP: 'refused production.PASSWORD in DEEP',
      DEEPER: 'refused production.PASSWORD in DEEP',
    })
    expect([...opened, ...planned]).not.toContain('sec_production_PASSWORD')
  })

  test('cycles of any length fail, and whatever leads to one; the rest does not', async () => {
    const { results } = await resolveAll({
      SELF: ref('SELF'),
      A: `a${ref('B')}`,
      B: `b${ref('C')}`,
      C: `c${ref('A')}`,
      LEADS: ref('A'),
      DIAMOND: `${ref('LEFT')}${ref('RIGHT')}`,
      LEFT: ref('LEAF'),
      RIGHT: ref('LEAF'),
      LEAF: '1',
    })
    expect(results).toMatchObject({ DIAMOND: '11', LEFT: '1', LEAF: '1' })
    for (const name of ['SELF', 'A', 'B', 'C', 'LEADS']) expect(results[name]).toMatch(/^cycle /)
  })

  test(`a chain leads ${limits.referenceDepth} secrets far, wherever it is begun`, async () => {
    const length = limits.referenceDepth + 3
    const values = Object.fromEntries(
      Array.from({ length }, (_, i) => [`S${i}`, i === length - 1 ? 'end' : ref(`S${i + 1}`)]),
    )
    const { results } = await resolveAll(values)
    expect(Object.values(results).filter((result) => result === 'end').length).toBe(limits.referenceDepth + 1)
    expect(results.S0).toMatch(/^too-deep /)
  })

  test('an expansion bomb stops at the limit of its type, and hurts nothing else', async () => {
    const values: Record<string, string> = { L0: 'x'.repeat(1_000), OTHER: ref('L0') }
    for (let i = 1; i <= 9; i++) values[`L${i}`] = ref(`L${i - 1}`).repeat(30)
    const begin = process.memoryUsage().rss
    const { results } = await resolveAll(values)
    expect(results.L9).toMatch(/^too-large /)
    expect(results.OTHER).toBe(values.L0)
    expect(process.memoryUsage().rss - begin).toBeLessThan(200 * 2 ** 20)
  })

  test('hundreds of thousands of references to one short value are too large, and others have their turn meanwhile', async () => {
    const values: Record<string, string> = { A: 'a', FIRST: `begins ${ref('A')}` }
    for (let i = 0; i < 60; i++) values[`S${i}`] = ref('A').repeat(6_000)
    let turns = 0
    const timer = setInterval(() => {
      turns += 1
    }, 1)
    const { results } = await resolveAll(values)
    clearInterval(timer)
    expect(results.FIRST).toBe('begins a')
    expect(results.S0).toBe('a'.repeat(6_000))
    expect(results.S59).toBe('too-large A in S59')
    expect(turns).toBeGreaterThan(0)
  })
})

describe.each(databases)('references between secrets on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let owner: TestPerson
  let project: { id: string; name: string }
  let key: TestKey

  beforeAll(async () => {
    ;({ server, stop } = await startServer(database))
    owner = await server.addPerson('admin')
  })
  afterAll(() => stop())
  beforeEach(async () => {
    project = await server.addProject(owner)
    await server.addEnvironment(owner, project.id, 'staging')
    await server.addEnvironment(owner, project.id, 'production')
    key = await server.addKey(owner, project.id, { permission: 'read_write' })
  })

  const call = (method: string, path: string, body?: object) =>
    server.request(method, `/api/v1/projects/${project.id}${path}`, {
      token: owner.token,
      ...(body && { body }),
    })
  const plain = (name: string, value: string, environment = 'All') =>
    server.addSecret(owner, project.id, { name, value, environment })
  const template = async (name: string, value: string, environment = 'All', more: object = {}) => {
    const answer = await call('POST', '/secrets', {
      name,
      type: 'token',
      value,
      environment,
      hasReferences: true,
      ...more,
    })
    expect(answer.status, answer.text).toBe(201)
    return answer.body as { id: string; version: number }
  }
  const readAll = async (environment = 'staging') => {
    const body = await server.ok('GET', `/api/v1/projects/current/secrets?environment=${environment}`, {
      key,
    })
    return {
      values: Object.fromEntries(
        body.secrets.map((secret: { name: string; value: string }) => [secret.name, secret.value]),
      ),
      unresolved: body.unresolved,
      referenced: body.referenced.map(({ name, value }: { name: string; value: string }) => [name, value]),
    }
  }
  const read = (name: string, environment = 'staging') =>
    server.request('GET', `/api/v1/projects/current/secrets/${name}?environment=${environment}`, { key })
  const accessed = async () =>
    (await server.records())
      .filter(({ action, project: of }) => action === 'secret.read' && of?.id === project.id)
      .map(({ target, environment }) => `${target?.name} ${environment}`)

  test('are looked up in the environment that is read, with the fallback to All', async () => {
    await template('DATABASE_URL', `postgres://u:${ref('DB_PASSWORD')}@${ref('DB_HOST')}/db`)
    await plain('DB_HOST', 'db.internal')
    await plain('DB_PASSWORD', 'of-all')
    await plain('DB_PASSWORD', 'of-staging', 'staging')
    expect((await readAll('staging')).values.DATABASE_URL).toBe('postgres://u:of-staging@db.internal/db')
    expect((await readAll('production')).values.DATABASE_URL).toBe('postgres://u:of-all@db.internal/db')
    expect((await read('DATABASE_URL', 'staging')).body.value).toBe('postgres://u:of-staging@db.internal/db')
    expect((await readAll('All')).values.DATABASE_URL).toBe('postgres://u:of-all@db.internal/db')
  })

  test('name another environment, also in other case, also All from an override of the same name', async () => {
    await plain('HOST', 'all-host')
    await plain('HOST', 'production-host', 'production')
    await template('HOST', `${ref('All.HOST')}:8080`, 'staging')
    await template('PEER', `${ref('PRODUCTION.HOST')}`, 'staging')
    const { values, referenced } = await readAll()
    expect(values).toEqual({ HOST: 'all-host:8080', PEER: 'production-host' })
    // What is in the values without being one of them, for masking.
    expect(referenced.toSorted()).toEqual([
      ['HOST', 'all-host'],
      ['HOST', 'production-host'],
    ])
  })

  test('a value from before, or without the flag, keeps its ${…} as it is; an escape gives one', async () => {
    await plain('TARGET', 'value of the target')
    const literal = await plain('LITERAL', `a${ref('TARGET')}b`)
    await template('ESCAPED', `a$${ref('TARGET')}b`)
    expect((await readAll()).values).toMatchObject({
      LITERAL: `a${ref('TARGET')}b`,
      ESCAPED: `a${ref('TARGET')}b`,
    })
    // A new value keeps what the secret is; asking for it makes a version.
    await call('PATCH', `/secrets/${literal.id}`, { value: `c${ref('TARGET')}` })
    expect((await readAll()).values.LITERAL).toBe(`c${ref('TARGET')}`)
    const changed = await call('PATCH', `/secrets/${literal.id}`, { hasReferences: true })
    expect([changed.body.version, changed.body.hasReferences]).toEqual([3, true])
    expect((await readAll()).values.LITERAL).toBe('cvalue of the target')
    await call('PATCH', `/secrets/${literal.id}`, { value: `d${ref('TARGET')}` })
    expect((await readAll()).values.LITERAL).toBe('dvalue of the target')
    // An earlier version comes back as what it was.
    await call('POST', `/secrets/${literal.id}/restore`, { version: 2 })
    expect((await readAll()).values.LITERAL).toBe(`c${ref('TARGET')}`)
    const { versions } = (await call('GET', `/secrets/${literal.id}/versions`)).body
    expect(versions.map((version: { hasReferences: boolean }) => version.hasReferences)).toEqual([
      false,
      true,
      true,
      false,
      false,
    ])
  })

  test('values of several lines and of other types are put in as they are', async () => {
    const pem = '-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n'
    await server.addSecret(owner, project.id, { name: 'KEY', value: pem, type: 'key' })
    await template('BUNDLE', `first\n${ref('KEY')}last`, 'All', { type: 'file' })
    const { values } = await readAll()
    expect(values.BUNDLE).toBe(`first\n${pem}last`)
  })

  test('a partial result: what has no value is left out with its reason, all others arrive', async () => {
    await plain('GOOD', 'good')
    await template('NO_NAME', `x${ref('NOWHERE')}`)
    await template('NO_ENVIRONMENT', ref('nowhere.GOOD'))
    await template('BY_ANOTHER', ref('NO_NAME'))
    await template('LOOP', ref('LOOP'))
    const bytes = Buffer.from([0xff, 0]).toString('base64')
    await call('POST', '/secrets', { name: 'BYTES', type: 'file', value: bytes, encoding: 'base64' })
    await template('OF_BYTES', ref('BYTES'))
    const { values, unresolved } = await readAll()
    expect(values).toEqual({ GOOD: 'good', BYTES: bytes })
    expect(unresolved).toEqual([
      { name: 'BY_ANOTHER', writtenIn: 'NO_NAME', reference: 'NOWHERE', reason: 'missing' },
      { name: 'LOOP', writtenIn: 'LOOP', reference: 'LOOP', reason: 'cycle' },
      { name: 'NO_ENVIRONMENT', writtenIn: 'NO_ENVIRONMENT', reference: 'nowhere.GOOD', reason: 'missing' },
      { name: 'NO_NAME', writtenIn: 'NO_NAME', reference: 'NOWHERE', reason: 'missing' },
      { name: 'OF_BYTES', writtenIn: 'OF_BYTES', reference: 'BYTES', reason: 'not-text' },
    ])
    const one = await read('BY_ANOTHER')
    expect([one.status, one.body.code, one.body.detail]).toEqual([
      409,
      'secret.unresolved',
      `${ref('NOWHERE')} in NO_NAME: missing`,
    ])
  })

  test('the audit log names every secret whose value left, also the referenced ones (SEC-24)', async () => {
    await plain('PASSWORD', 'pw', 'production')
    await template('INNER', ref('production.PASSWORD'), 'production')
    await template('URL', ref('production.INNER'), 'staging')
    await read('URL')
    expect((await accessed()).toSorted()).toEqual(['INNER production', 'PASSWORD production', 'URL staging'])
    const list = (await call('GET', '/secrets')).body.secrets
    expect(list.every((secret: { lastAccessedAt: string | null }) => secret.lastAccessedAt)).toBe(true)
  })

  test('a reveal shows what is stored; with resolve what it stands for, and which secrets that used', async () => {
    const host = await plain('HOST', 'h.example', 'staging')
    const url = await template('URL', `https://${ref('HOST')}`)
    const raw = (await call('POST', `/secrets/${url.id}/reveal`, {})).body
    expect([raw.value, raw.hasReferences, raw.uses]).toEqual([`https://${ref('HOST')}`, true, []])
    expect(await accessed()).toEqual(['URL All'])
    const resolved = await call('POST', `/secrets/${url.id}/reveal`, {
      resolve: true,
      environment: 'staging',
    })
    expect([resolved.body.value, resolved.body.hasReferences, resolved.body.uses]).toEqual([
      'https://h.example',
      false,
      [{ secretId: host.id, name: 'HOST', environment: 'staging' }],
    ])
    const failed = await call('POST', `/secrets/${url.id}/reveal`, { resolve: true })
    expect([failed.status, failed.body.code]).toEqual([409, 'secret.unresolved'])
    const nowhere = await call('POST', `/secrets/${url.id}/reveal`, { resolve: true, environment: 'nowhere' })
    expect([nowhere.status, nowhere.body.code]).toEqual([404, 'environment.not_found'])
  })

  test('what cannot be one is 400 with its field, and quotes nothing', async () => {
    const create = (body: object) =>
      call('POST', '/secrets', { name: 'NEW', type: 'token', hasReferences: true, ...body })
    for (const [body, field] of [
      [{ value: 'canary-ä${' }, 'value'],
      [{ value: 'canary-${A:-b}' }, 'value'],
      [
        { value: Array.from({ length: limits.referencesPerSecret + 1 }, (_, i) => ref(`A${i}`)).join('') },
        'value',
      ],
      [{ value: Buffer.from([0xff, 0xfe]).toString('base64'), encoding: 'base64', type: 'file' }, 'value'],
      [{ value: 'ssh-ed25519 AAAA', type: 'key' }, 'hasReferences'],
    ] as const) {
      const answer = await create(body)
      expect([answer.status, answer.body.errors?.[0]?.field], answer.text).toEqual([400, field])
      expect(answer.text).not.toContain('canary')
    }
    const made = await plain('LITERAL', 'a${')
    expect((await call('PATCH', `/secrets/${made.id}`, { hasReferences: true })).status).toBe(400)
    expect((await readAll()).values.LITERAL).toBe('a${')
  })

  test('an import takes references if it says so', async () => {
    await plain('HOST', 'h')
    const secrets = [
      { name: 'URL', value: ref('HOST'), hasReferences: true },
      { name: 'LITERAL', value: ref('HOST') },
    ]
    expect((await call('POST', '/secrets/import', { secrets })).status).toBe(200)
    expect((await readAll()).values).toEqual({ HOST: 'h', URL: 'h', LITERAL: ref('HOST') })
  })

  test('who refers to a secret or an environment is told, to members only', async () => {
    await plain('HOST', 'h')
    await plain('HOST', 's', 'staging')
    await template('FROM_ALL', ref('HOST'))
    await template('FROM_STAGING', ref('HOST'), 'staging')
    await template('NAMED', ref('Staging.HOST'), 'production')
    const referring = async (query: string) =>
      (await call('GET', `/references?${query}`)).body.references.map(
        ({ name, environment, reference }: Record<string, string>) => `${name} ${environment} ${reference}`,
      )
    expect(await referring('environment=staging&name=HOST')).toEqual([
      'FROM_ALL All HOST',
      'FROM_STAGING staging HOST',
      'NAMED production Staging.HOST',
    ])
    expect(await referring('environment=staging')).toEqual(['NAMED production Staging.HOST'])
    expect(await referring('environment=production&name=HOST')).toEqual(['FROM_ALL All HOST'])
    expect((await call('GET', '/references?environment=nowhere')).status).toBe(404)
    expect((await call('GET', '/references')).status).toBe(400)
  })

  test('comparing goes by what the environments deliver', async () => {
    await template('URL', ref('HOST'))
    await template('BROKEN', ref('NOWHERE'))
    await plain('SAME', 'x')
    await plain('HOST', 'a', 'staging')
    await plain('HOST', 'b', 'production')
    const { secrets } = (await call('GET', '/compare?left=staging&right=production')).body
    expect(
      secrets.map(({ name, isSame }: { name: string; isSame: boolean | null }) => [name, isSame]),
    ).toEqual([
      ['BROKEN', null],
      ['HOST', false],
      ['SAME', true],
      ['URL', false],
    ])
  })

  test('a flag that was changed in the database does not open: nobody turns a literal into a reference (K1)', async () => {
    await plain('TARGET', 'value')
    const literal = await plain('LITERAL', ref('TARGET'))
    await sql`update secret_versions set has_references = 1 where secret_id = ${literal.id}`.execute(
      server.core.storage.db,
    )
    expect([(await read('LITERAL')).status, (await read('LITERAL')).body.code]).toEqual([
      500,
      'secret.unreadable',
    ])
  })

  test('a name that is taken out of the list of references is not delivered unrecorded', async () => {
    await plain('TARGET', 'value')
    await template('URL', ref('TARGET'))
    await sql`delete from secret_references`.execute(server.core.storage.db)
    expect((await read('URL')).body.code).toBe('secret.unresolved')
  })

  test('a machine writes and reads references with the same rights', async () => {
    await plain('HOST', 'h')
    const body = { name: 'URL', type: 'token', value: ref('HOST'), hasReferences: true }
    const made = await server.request('POST', '/api/v1/projects/current/secrets', { key, body })
    expect([made.status, made.body.hasReferences]).toEqual([201, true])
    expect((await read('URL', 'All')).body.value).toBe('h')
  })
})
