import { generateKeyPairSync } from 'node:crypto'
import { routes } from '@keyhold/contract/api/routes'
import { secretTypes } from '@keyhold/contract/api/secrets'
import { limits } from '@keyhold/contract/limits'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { databases, startServer, type TestKey, type TestPerson, type TestServer } from './kit.ts'

const MINUTE_MS = 60_000

describe.each(databases)('secrets of projects on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let owner: TestPerson
  let project: { id: string; name: string }

  beforeAll(async () => {
    ;({ server, stop } = await startServer(database))
    owner = await server.addPerson('admin')
  })
  afterAll(() => stop())
  beforeEach(async () => {
    server.clock.advance(MINUTE_MS + 1)
    project = await server.addProject(owner)
  })

  const path = (id = '', rest = '') => `/api/v1/projects/${project.id}/secrets${id && `/${id}`}${rest}`
  const create = (body: object, person = owner) =>
    server.request('POST', path(), { token: person.token, body: { type: 'token', ...body } })
  const update = (secret: { id: string }, body: object, person = owner) =>
    server.request('PATCH', path(secret.id), { token: person.token, body })
  const reveal = (secret: { id: string }, version?: number, person = owner) =>
    server.request('POST', path(secret.id, '/reveal'), {
      token: person.token,
      body: version === undefined ? {} : { version },
    })
  const value = async (secret: { id: string }, version?: number) => (await reveal(secret, version)).body.value
  const versions = async (secret: { id: string }) =>
    (await server.ok('GET', path(secret.id, '/versions'), { token: owner.token })).versions as {
      version: number
      isCurrent: boolean
      createdBy: string
    }[]
  const list = async (query = '') =>
    (await server.ok('GET', path() + query, { token: owner.token })).secrets as {
      name: string
      environment: string
      [field: string]: unknown
    }[]
  const remove = (secret: { id: string }) => server.request('DELETE', path(secret.id), { token: owner.token })
  const read = (key: TestKey, name: string, query = '') =>
    server.request('GET', `/api/v1/projects/current/secrets/${name}${query}`, { key })

  describe('values', () => {
    const allBytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
    const file = Buffer.concat(Array(limits.fileValueBytes / 256).fill(allBytes))
    const { privateKey: pem } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    })

    test('SEC-3: the four types are accepted, anything else is 400', async () => {
      expect(secretTypes).toEqual(['token', 'password', 'key', 'file'])
      for (const type of secretTypes) {
        const answer = await create({ name: `OF_${type.toUpperCase()}`, type, value: pem })
        expect([answer.status, answer.body.type]).toEqual([201, type])
      }
      for (const type of ['', 'Token', 'secret', 'ssh', null, 1, ['token']]) {
        const answer = await create({ name: 'NAME', type, value: pem })
        expect([answer.status, answer.body.errors?.[0]?.field], JSON.stringify(type)).toEqual([400, 'type'])
      }
    })

    test('SEC-4: a file of 1 MiB with all 256 byte values comes out byte-identical, to people and machines', async () => {
      const made = await create({
        name: 'FILE',
        type: 'file',
        value: file.toString('base64'),
        encoding: 'base64',
      })
      expect(made.status).toBe(201)
      const key = await server.addKey(owner, project.id)
      const all = await server.ok('GET', '/api/v1/projects/current/secrets', { key })
      for (const delivered of [
        (await reveal(made.body)).body,
        (await read(key, 'FILE')).body,
        all.secrets[0],
      ]) {
        expect(delivered.encoding).toBe('base64')
        expect(Buffer.from(delivered.value, 'base64').equals(file)).toBe(true)
      }
    })

    test('SEC-4: one byte more is 400 naming the limit, far more is 413', async () => {
      const more = Buffer.concat([file, Buffer.of(0)])
      const answer = await create({
        name: 'FILE',
        type: 'file',
        value: more.toString('base64'),
        encoding: 'base64',
      })
      expect([answer.status, answer.body.errors]).toEqual([
        400,
        [{ field: 'value', message: expect.stringContaining(String(limits.fileValueBytes)) }],
      ])
      const twice = Buffer.concat([file, file]).toString('base64')
      expect((await create({ name: 'FILE', type: 'file', value: twice, encoding: 'base64' })).status).toBe(
        413,
      )
      expect(await list()).toEqual([])
    })

    test.each(['token', 'password'])('a %s has at most 24 KiB, counted in bytes', async (type) => {
      const most = 'x'.repeat(limits.valueBytes)
      const made = await create({ name: 'MOST', type, value: most })
      expect(await value(made.body)).toBe(most)
      for (const tooLarge of [`${most}x`, 'é'.repeat(limits.valueBytes / 2 + 1)]) {
        const answer = await create({ name: 'ONE_MORE', type, value: tooLarge })
        expect([answer.status, answer.body.errors?.[0]]).toEqual([
          400,
          { field: 'value', message: `is larger than 24576 bytes, the limit for type ${type}` },
        ])
        expect((await update(made.body, { value: tooLarge })).status).toBe(400)
      }
      expect((await versions(made.body)).length).toBe(1)
    })

    test('SEC-5, SEC-6: keys in PEM and OpenSSH form are kept with their newlines, as type key or file', async () => {
      const keys = [
        pem,
        pem.trimEnd(),
        pem.replaceAll('\n', '\r\n'),
        '-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU=\n-----END OPENSSH PRIVATE KEY-----\n',
        '-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlFgEZ\n=abcd\n-----END PGP PRIVATE KEY BLOCK-----\n',
        'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl me@laptop\n',
      ]
      for (const [i, text] of keys.entries()) {
        for (const type of ['key', 'file']) {
          const made = await create({ name: `K${i}_${type}`, type, value: text })
          expect(made.status, text).toBe(201)
          expect(await value(made.body)).toBe(text)
        }
      }
      for (const text of ['no key', '-----BEGIN RSA PRIVATE KEY-----', `${pem}and more`, `# ${pem}`]) {
        const answer = await create({ name: 'NO_KEY', type: 'key', value: text })
        expect([answer.status, answer.body.errors?.[0]?.field]).toEqual([400, 'value'])
      }
    })

    test('SEC-12: text arrives as it was sent, character by character', async () => {
      const texts = [
        'postgres://user:p%40ss:word@host:5432/db?sslmode=require',
        ' leading and trailing \n',
        '"quotes" \'single\' `tick` $HOME $(id) %PATH% \\n \\u0041',
        'tab\tcr\rlf\ncrlf\r\n\u0001\u001b[31m\u007f',
        'ünïcödé 漢字 🔑 e\u0301 \u00e9 \u2028\u2029 \ufeff',
        '{"json": [1, 2, {"deep": null}]}',
        'x',
      ]
      const key = await server.addKey(owner, project.id)
      for (const [i, text] of texts.entries()) {
        const made = await create({ name: `TEXT_${i}`, value: text })
        expect(made.status).toBe(201)
        expect(await value(made.body)).toBe(text)
        expect((await read(key, `TEXT_${i}`)).body).toMatchObject({ value: text, encoding: 'utf8' })
        const asBase64 = Buffer.from(text).toString('base64')
        const same = await create({ name: `BASE64_${i}`, value: asBase64, encoding: 'base64' })
        expect(await value(same.body), 'text that came as base64 is delivered as text').toBe(text)
      }
      const { secrets } = await server.ok('GET', '/api/v1/projects/current/secrets', { key })
      expect(secrets.slice(-texts.length).map((secret: { value: string }) => secret.value)).toEqual(texts)
    })

    test('empty, NUL, broken text, wrong base64: 400 that names the field and quotes nothing', async () => {
      const refused: [object, string][] = [
        [{ value: '' }, 'is empty'],
        [{ value: '', encoding: 'base64' }, 'is empty'],
        [{ value: '', type: 'file' }, 'is empty'],
        [{ value: 'marker\u0000marker' }, 'NUL'],
        [{ value: 'marker\u0000marker', type: 'password' }, 'NUL'],
        [{ value: 'marker\ud800marker' }, 'Unicode'],
        [{ value: 'marker\udc00', type: 'file' }, 'Unicode'],
        [{ value: Buffer.from([0x6d, 0xff, 0xfe]).toString('base64'), encoding: 'base64' }, 'UTF-8'],
        [{ value: 'bWFya2Vy*', encoding: 'base64' }, 'base64'],
        [{ value: 'bWFya2Vy bWFya2Vy', encoding: 'base64' }, 'base64'],
        [{ value: 'bWFya2Vy\n', encoding: 'base64' }, 'base64'],
        [{ value: 'bWFya2U', encoding: 'base64' }, 'base64'],
        [{ value: 'bWFya2V=', encoding: 'base64' }, 'base64'],
        [{ value: '_-8=', encoding: 'base64', type: 'file' }, 'base64'],
      ]
      const existing = (await create({ name: 'EXISTING', value: 'before' })).body
      for (const [body, message] of refused) {
        const { type: _, ...change } = { type: '', ...body }
        for (const answer of [await create({ name: 'NAME', ...body }), await update(existing, change)]) {
          expect([answer.status, answer.body.errors?.[0]?.field], JSON.stringify(body)).toEqual([
            400,
            'value',
          ])
          expect(answer.body.errors[0].message).toContain(message)
          expect(answer.text).not.toMatch(/marker|bWFya2/)
        }
      }
      for (const body of [{ name: 'NAME' }, { name: 'NAME', value: null }, { name: 'NAME', value: 5 }])
        expect((await create(body)).status).toBe(400)
      expect((await create({ name: 'NAME', value: 'x', encoding: 'hex' })).status).toBe(400)
      expect(await value(existing)).toBe('before')
      expect((await list()).length).toBe(1)
      const nul = await create({ name: 'NUL', type: 'file', value: 'a\u0000b' })
      expect(await value(nul.body)).toBe('a\u0000b')
    })

    test('C18: short values and ordinary words are marked as not masked', async () => {
      for (const [text, isMasked] of [
        ['abc', false],
        ['production', false],
        ['true', false],
        ['ghp_0123456789abcdef', true],
      ] as const)
        expect((await create({ name: `M_${text}`, value: text })).body.isMasked, text).toBe(isMasked)
    })
  })

  describe('names', () => {
    test.each([
      'PATH',
      'path',
      'Home',
      'LD_PRELOAD',
      'ld_anything',
      'DYLD_INSERT_LIBRARIES',
      'NODE_OPTIONS',
      'BASH_ENV',
      'PYTHONPATH',
      'PYTHONSTARTUP',
      'GIT_SSH_COMMAND',
      'LC_ALL',
      'KEYHOLD_TOKEN',
      'keyhold_x',
      'SHELL',
      'IFS',
      'SSH_AUTH_SOCK',
      'EDITOR',
      'XDG_CONFIG_HOME',
      '1ABC',
      'A-B',
      'A.B',
      'A B',
      ' A',
      'A ',
      'A\n',
      'É',
      'А',
      'A=B',
      'A$',
      'A/B',
      '-',
      '%',
      '',
      'A\u0000',
      'x'.repeat(limits.secretNameBytes + 1),
    ])('SEC-8: %j is refused, 400 naming the field', async (name) => {
      const answer = await create({ name, value: 'some value' })
      expect([answer.status, answer.body.errors?.[0]?.field]).toEqual([400, 'name'])
      const key = await server.addKey(owner, project.id, { permission: 'read_write' })
      const body = { name, type: 'token', value: 'some value' }
      expect((await server.request('POST', '/api/v1/projects/current/secrets', { key, body })).status).toBe(
        400,
      )
      expect(await list()).toEqual([])
    })

    test('SEC-8: SSL_CERT cannot be or become a key, since its file would be SSL_CERT_FILE', async () => {
      const key = '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n'
      const refused = await create({ name: 'SSL_CERT', type: 'key', value: key })
      expect([refused.status, refused.body.errors?.[0]?.field]).toEqual([400, 'name'])
      const made = (await create({ name: 'SSL_CERT', type: 'file', value: key })).body
      expect((await update(made, { type: 'key' })).status).toBe(400)
    })

    test('SEC-8: a refused name of wrong form is not repeated: it may be a value pasted there', async () => {
      const answer = await create({ name: 'ghp-pasted-here', value: 'x' })
      expect(answer.status).toBe(400)
      expect(answer.text + JSON.stringify(await server.records(1)) + server.log.join()).not.toContain(
        'ghp-pasted',
      )
    })

    test('SEC-8: letters, digits and _ up to 256; A and a are two; twice in one environment is 409', async () => {
      for (const name of ['A', 'a', '_', '_1', 'GITHUB_TOKEN', 'x'.repeat(limits.secretNameBytes)])
        expect((await create({ name, value: `value of ${name}` })).status).toBe(201)
      const again = await create({ name: 'A', value: 'other' })
      expect([again.status, again.body.code]).toEqual([409, 'secret.exists'])
      const key = await server.addKey(owner, project.id)
      expect([(await read(key, 'A')).body.value, (await read(key, 'a')).body.value]).toEqual([
        'value of A',
        'value of a',
      ])
    })

    test('one name in two environments is two secrets', async () => {
      await server.addEnvironment(owner, project.id, 'staging')
      for (const environment of ['All', 'staging', undefined]) {
        const answer = await create({
          name: 'SAME',
          value: `of ${environment}`,
          ...(environment && { environment }),
        })
        expect(answer.status, environment).toBe(environment ? 201 : 409)
      }
      expect((await create({ name: 'SAME', value: 'again', environment: 'STAGING' })).body.code).toBe(
        'secret.exists',
      )
      const unknown = await create({ name: 'SAME', value: 'x', environment: 'nope' })
      expect([unknown.status, unknown.body.code]).toEqual([404, 'environment.not_found'])
      expect((await list()).map((secret) => [secret.name, secret.environment])).toEqual([
        ['SAME', 'All'],
        ['SAME', 'staging'],
      ])
    })

    test('of one name created many times at once, exactly one succeeds', async () => {
      const answers = await Promise.all(
        Array.from({ length: 8 }, (_, i) => create({ name: 'SAME', value: `value ${i}` })),
      )
      expect(answers.map((answer) => answer.status).sort()).toEqual([201, ...Array(7).fill(409)])
      const winner = answers.findIndex((answer) => answer.status === 201)
      expect(await value(answers[winner]!.body)).toBe(`value ${winner}`)
    })

    test('SEC-9: secret123, key, password1 and temp are saved with a warning, good names without', async () => {
      for (const name of ['secret123', 'key', 'password1', 'temp']) {
        const answer = await create({ name, value: 'some value' })
        expect(answer.status).toBe(201)
        expect(answer.body.nameWarning).toContain(name)
      }
      for (const name of [
        'GITHUB_TOKEN',
        'DATABASE_URL',
        'STRIPE_API_KEY',
        'SSH_PRIVATE_KEY',
        'NODE_ENV',
        'DEBUG',
      ])
        expect((await create({ name, value: 'some value' })).body.nameWarning, name).toBeNull()
      expect((await list()).filter((secret) => secret.nameWarning !== null).length).toBe(4)
    })
  })

  describe('versions', () => {
    test('SEC-25, SEC-28: a new value is a new version; name, type and environment stay; old ones can be read', async () => {
      const made = (await create({ name: 'ROTATED', value: 'one', description: 'what for' })).body
      server.clock.advance(MINUTE_MS)
      const changed = (await update(made, { value: 'two' })).body
      const { updatedAt, rotatedAt, rotationDueAt } = changed
      expect(changed).toEqual({ ...made, version: 2, updatedAt, rotatedAt, rotationDueAt })
      expect(rotatedAt).toBe(updatedAt)
      expect(Date.parse(changed.updatedAt)).toBeGreaterThanOrEqual(Date.parse(made.updatedAt) + MINUTE_MS)
      await update(made, { value: 'three' })
      expect(await versions(made)).toEqual([
        {
          version: 3,
          createdAt: expect.any(String),
          createdBy: owner.name,
          isCurrent: true,
          hasReferences: false,
        },
        {
          version: 2,
          createdAt: expect.any(String),
          createdBy: owner.name,
          isCurrent: false,
          hasReferences: false,
        },
        {
          version: 1,
          createdAt: expect.any(String),
          createdBy: owner.name,
          isCurrent: false,
          hasReferences: false,
        },
      ])
      expect([await value(made), await value(made, 1), await value(made, 2), await value(made, 3)]).toEqual([
        'three',
        'one',
        'two',
        'three',
      ])
      expect([(await reveal(made, 4)).status, (await reveal(made, 0)).status]).toEqual([404, 400])
    })

    test('SEC-25: changing nothing makes no version and is recorded as no update; that a guess was right is recorded', async () => {
      const made = (await create({ name: 'SAME', value: 'one', description: 'what for' })).body
      const [newest] = await server.records(1)
      for (const body of [
        { value: 'one' },
        { value: Buffer.from('one').toString('base64'), encoding: 'base64' },
        { type: 'token' },
        { description: 'what for' },
        { value: 'one', type: 'token', description: 'what for', expectedVersion: 1 },
        { expectedVersion: 1 },
      ]) {
        const answer = await update(made, body)
        expect([answer.status, answer.body]).toEqual([200, made])
      }
      const since = (await server.records(20)).filter((record) => record.index > newest!.index)
      expect(since.map((record) => record.action)).toEqual(Array(3).fill('secret.compare'))
      expect(since[0]?.target).toMatchObject({ kind: 'secret', id: made.id, name: 'SAME' })
      expect((await versions(made)).length).toBe(1)
    })

    test('description and type change without a version; a type must fit the value', async () => {
      const made = (await create({ name: 'NAME', value: 'one' })).body
      const changed = await update(made, { description: 'new', type: 'password' })
      expect(changed.body).toMatchObject({ version: 1, description: 'new', type: 'password' })
      expect((await server.records(1))[0]).toMatchObject({
        action: 'secret.update',
        changed: ['type', 'description'],
      })
      const unfit = await update(made, { type: 'key' })
      expect([unfit.status, unfit.body.errors?.[0]?.field]).toEqual([400, 'value'])
      expect((await update(made, { type: 'file', value: 'a\u0000b' })).body).toMatchObject({
        version: 2,
        type: 'file',
      })
      expect((await update(made, { type: 'token' })).status).toBe(400)
      expect((await update(made, { name: 'OTHER' })).status).toBe(400)
      expect((await update(made, {})).status).toBe(400)
    })

    test('with another version than expected: 409 and unchanged; with the current one: changed', async () => {
      const made = (await create({ name: 'NAME', value: 'one' })).body
      await update(made, { value: 'two' })
      for (const expectedVersion of [1, 3]) {
        const answer = await update(made, { value: 'three', expectedVersion })
        expect([answer.status, answer.body.code]).toEqual([409, 'secret.changed'])
      }
      expect(await value(made)).toBe('two')
      expect((await update(made, { value: 'three', expectedVersion: 2 })).body.version).toBe(3)
    })

    test('of many updates at once each that succeeds is a version of its own; with an expected version exactly one does', async () => {
      const made = (await create({ name: 'NAME', value: 'first' })).body
      const answers = await Promise.all(
        Array.from({ length: 8 }, (_, i) => update(made, { value: `value ${i}` })),
      )
      const done = answers.flatMap((answer, i) =>
        answer.status === 200 ? [{ i, version: answer.body.version }] : [],
      )
      expect(answers.filter((answer) => answer.status !== 200).map((answer) => answer.body.code)).toEqual(
        Array(8 - done.length).fill('secret.changed'),
      )
      expect(done.map(({ version }) => version).sort()).toEqual(done.map((_, n) => n + 2))
      for (const { i, version } of done) expect(await value(made, version)).toBe(`value ${i}`)
      const current = done.length + 1
      expect((await versions(made))[0]).toMatchObject({ version: current, isCurrent: true })

      const racing = await Promise.all(
        Array.from({ length: 8 }, (_, i) => update(made, { value: `raced ${i}`, expectedVersion: current })),
      )
      expect(racing.map((answer) => answer.status).sort()).toEqual([200, ...Array(7).fill(409)])
      expect((await versions(made)).length).toBe(current + 1)
    })

    test('changes of different fields at once are all kept', async () => {
      for (let round = 0; round < 5; round++) {
        const made = (await create({ name: `NAME_${round}`, value: 'first' })).body
        const answers = await Promise.all([
          update(made, { type: 'password' }),
          update(made, { description: 'described' }),
          update(made, { value: 'second' }),
        ])
        const isDone = answers.map((answer) => answer.status === 200)
        for (const answer of answers) expect([200, 409]).toContain(answer.status)
        const after = (await list()).find((secret) => secret.name === `NAME_${round}`)
        expect(after).toMatchObject({
          type: isDone[0] ? 'password' : 'token',
          description: isDone[1] ? 'described' : '',
          version: isDone[2] ? 2 : 1,
        })
        expect(await value(made)).toBe(isDone[2] ? 'second' : 'first')
      }
    })

    test('a type and a value that do not fit each other never both come through', async () => {
      const pem = '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n'
      for (let round = 0; round < 5; round++) {
        const made = (await create({ name: `NAME_${round}`, value: pem })).body
        const answers = await Promise.all([update(made, { type: 'key' }), update(made, { value: 'no key' })])
        expect(answers.filter((answer) => answer.status === 200).length).toBe(1)
      }
    })

    test('SEC-49: deleted and made again under the same name it starts anew', async () => {
      const made = (await create({ name: 'NAME', value: 'old' })).body
      expect((await remove(made)).status).toBe(204)
      expect((await remove(made)).body.code).toBe('secret.not_found')
      for (const answer of [await reveal(made), await update(made, { value: 'x' })])
        expect([answer.status, answer.body.code]).toEqual([404, 'secret.not_found'])
      const again = (await create({ name: 'NAME', value: 'new' })).body
      expect([again.version, again.id === made.id, await value(again)]).toEqual([1, false, 'new'])
      expect((await list()).map((secret) => secret.name)).toEqual(['NAME'])
    })

    test('what happens at the moment of a deletion fails with 404 or 409, never with 500', async () => {
      for (let round = 0; round < 5; round++) {
        const environment = await server.addEnvironment(owner, project.id, `env${round}`)
        const made = (await create({ name: 'GONE', value: 'x', environment: `env${round}` })).body
        const answers = await Promise.all([
          update(made, { value: 'y' }),
          reveal(made),
          remove(made),
          server.request(
            'DELETE',
            `/api/v1/projects/${project.id}/environments/${environment.id}?confirm=env${round}`,
            {
              token: owner.token,
            },
          ),
          ...Array.from({ length: 4 }, (_, i) =>
            create({ name: `NEW_${i}`, value: 'x', environment: `env${round}` }),
          ),
        ])
        for (const { status, text } of answers) expect([200, 201, 204, 404, 409], text).toContain(status)
        expect(await list()).toEqual([])
      }
      const doomed = project
      const remaining = await Promise.all([
        server.request('DELETE', `/api/v1/projects/${doomed.id}?confirm=${doomed.name}`, {
          token: owner.token,
        }),
        ...Array.from({ length: 6 }, (_, i) => create({ name: `NEW_${i}`, value: 'x' })),
      ])
      for (const { status, text } of remaining) expect([201, 204, 404], text).toContain(status)
    })

    test(`an environment has at most ${limits.secretsPerEnvironment} secrets`, async () => {
      const made = (await create({ name: 'FIRST', value: 'x' })).body
      // All but the first and the last straight into the table: a thousand requests would prove nothing more.
      const { db } = server.core.storage
      const row = await db
        .selectFrom('secrets')
        .selectAll()
        .where('id', '=', made.id)
        .executeTakeFirstOrThrow()
      const rows = Array.from({ length: limits.secretsPerEnvironment - 2 }, (_, i) => ({
        ...row,
        id: `${row.id}${i}`,
        name: `N${i}`,
      }))
      await server.core.storage.transaction(async (tx) => {
        for (let i = 0; i < rows.length; i += 100)
          await tx
            .insertInto('secrets')
            .values(rows.slice(i, i + 100))
            .execute()
      })
      const answers = await Promise.all(
        Array.from({ length: 4 }, (_, i) => create({ name: `LAST_${i}`, value: 'x' })),
      )
      expect(answers.map((answer) => answer.status).sort()).toEqual([201, 409, 409, 409])
      expect((await create({ name: 'ONE_MORE', value: 'x' })).body.code).toBe('secret.limit')
      await server.addEnvironment(owner, project.id, 'other')
      expect((await create({ name: 'ONE_MORE', value: 'x', environment: 'other' })).status).toBe(201)
    })
  })

  describe('what is stored', () => {
    test('SEC-13, SEC-16, SEC-17: the value, its base64 and its hex are in no table, file or log line', async () => {
      const text = `marker-${Math.random().toString(36).slice(2)}-marker`
      const next = `second-${Math.random().toString(36).slice(2)}-second`
      const made = (await create({ name: 'STORED', value: text })).body
      const key = await server.addKey(owner, project.id, { permission: 'read_write' })
      await read(key, 'STORED')
      await update(made, { value: next })
      await reveal(made)
      await update(made, { value: text, expectedVersion: 9 })
      await create({ name: 'STORED', value: text })
      await create({ name: text, value: text })
      await create({ name: 'BAD', value: text, type: 'key' })
      await create({ name: 'BAD', value: `${text}\u0000` })
      await server.request('POST', path(), {
        token: owner.token,
        body: `{"name": "${text}", "value": "${text}`,
      })
      await server.request('POST', path(), { token: owner.token, body: { value: [text], [text]: text } })
      await read(key, text)
      await server.request('GET', `${path()}?environment=${text}&${text}=1`, { token: owner.token })
      const everywhere = [
        await server.dump(),
        server.log.join('\n'),
        JSON.stringify(await server.records(500)),
      ].join('\n')
      expect(everywhere).toContain('STORED')
      for (const secret of [text, next]) {
        const bytes = Buffer.from(secret)
        for (const form of [secret, bytes.toString('base64').slice(0, 24), bytes.toString('hex')])
          expect(everywhere.includes(form), form).toBe(false)
      }
    })

    test('SEC-13: one value sealed twice looks different; a flipped bit or a moved row is an error, not another value', async () => {
      const one = (await create({ name: 'ONE', value: 'the same value' })).body
      const two = (await create({ name: 'TWO', value: 'the same value' })).body
      await update(one, { value: 'another value' })
      const { storage } = server.core
      const sealed = async (id: string, version: number) =>
        (
          await storage.db
            .selectFrom('secret_versions')
            .select('sealed')
            .where('secret_id', '=', id)
            .where('version', '=', version)
            .executeTakeFirstOrThrow()
        ).sealed
      const put = (id: string, version: number, bytes: Uint8Array) =>
        storage.transaction((tx) =>
          tx
            .updateTable('secret_versions')
            .set({ sealed: bytes })
            .where('secret_id', '=', id)
            .where('version', '=', version)
            .execute(),
        )
      const mine = Buffer.from(await sealed(two.id, 1))
      expect(mine.equals(Buffer.from(await sealed(one.id, 1)))).toBe(false)
      const unreadable = async (secret: { id: string }) => {
        const answer = await reveal(secret)
        expect([answer.status, answer.body.code]).toEqual([500, 'secret.unreadable'])
        expect(answer.text).not.toContain('value"')
      }
      for (let byte = 0; byte < mine.length; byte += 3) {
        const flipped = Buffer.from(mine)
        flipped[byte]! ^= 1 << (byte % 8)
        await put(two.id, 1, flipped)
        await unreadable(two)
      }
      for (const moved of [await sealed(one.id, 1), mine.subarray(0, -1), Buffer.alloc(0)]) {
        await put(two.id, 1, moved)
        await unreadable(two)
      }
      // Rolled back: the older version in the place of the newer.
      await put(one.id, 2, await sealed(one.id, 1))
      await unreadable(one)
      await put(two.id, 1, mine)
      expect(await value(two)).toBe('the same value')
    })
  })

  describe('what is shown', () => {
    test('SEC-18, SEC-19: list, detail and history hold names and no value at all', async () => {
      const made = (await create({ name: 'NAME', value: 'hidden-value' })).body
      await update(made, { value: 'hidden-value-2' })
      for (const answer of [
        await server.request('GET', path(), { token: owner.token }),
        await server.request('GET', path(made.id), { token: owner.token }),
        await server.request('GET', path(made.id, '/versions'), { token: owner.token }),
        await server.request('GET', `/api/v1/projects/${project.id}`, { token: owner.token }),
      ]) {
        expect(answer.status).toBe(200)
        expect(answer.text).not.toMatch(/hidden|"value"|sealed/)
      }
      expect(Object.keys(made).sort()).toEqual([
        'createdAt',
        'description',
        'environment',
        'hasReferences',
        'id',
        'isMasked',
        'isRotationDue',
        'lastAccessedAt',
        'name',
        'nameWarning',
        'note',
        'rotatedAt',
        'rotationDays',
        'rotationDueAt',
        'type',
        'updatedAt',
        'updatedBy',
        'version',
      ])
    })

    test('SEC-48: no route answers a person more than one value, and only the three reveals answer one', () => {
      const found: Record<string, string[]> = {}
      for (const row of routes.filter((candidate) => candidate.caller === 'person')) {
        const fields = sensitiveFields(row.answer)
        if (fields.length > 0) found[row.id] = fields
      }
      // What Keyhold itself mints is answered once, to whoever made it.
      expect(found).toEqual({
        'account.create': ['temporaryPassword'],
        'access-token.create': ['token'],
        'agent.create_enrollment': ['token'],
        'audit-destination.create': ['secret'],
        // What a claim has to be, which administrators chose; no secret.
        'identity-provider.create': ['requiredClaim.value'],
        'identity-provider.list': ['identityProviders[].requiredClaim.value'],
        'identity-provider.update': ['requiredClaim.value'],
        'personal-secret.reveal': ['value'],
        'reminder-webhook.set': ['secret'],
        'second-factor.begin': ['secret'],
        'access-key.create': ['secret'],
        'access-key.regenerate': ['secret'],
        'secret.reveal': ['value'],
        'workspace-secret.reveal': ['value'],
        'secret-override.reveal': ['value'],
      })
    })

    test('SEC-48: asking for an export is 404 or 405', async () => {
      await create({ name: 'ONE', value: 'hidden-value' })
      for (const [method, url] of [
        ['GET', path('export')],
        ['POST', path('export')],
        ['POST', path('reveal')],
        ['GET', path('values')],
        ['GET', `/api/v1/projects/${project.id}/export`],
        ['GET', `/api/v1/projects/${project.id}/backup`],
        ['GET', '/api/v1/export'],
        ['GET', '/api/v1/secrets'],
        ['GET', '/api/v1/projects/current/secrets'],
        ['GET', '/api/v1/projects/current/secrets/ONE'],
      ] as const) {
        const answer = await server.request(method, url, {
          token: owner.token,
          ...(method === 'POST' && { body: {} }),
        })
        expect([404, 405], url).toContain(answer.status)
        expect(answer.text).not.toContain('hidden-value')
      }
      for (const query of ['?values=true', '?include=value', '?reveal=1'])
        expect((await server.request('GET', path() + query, { token: owner.token })).text).not.toContain(
          'hidden-value',
        )
    })

    test('with an environment the list holds its own and what it takes from All, marked', async () => {
      await server.addEnvironment(owner, project.id, 'staging')
      await server.addEnvironment(owner, project.id, 'production')
      for (const [name, environment] of [
        ['A', 'All'],
        ['B', 'All'],
        ['B', 'staging'],
        ['C', 'staging'],
        ['D', 'production'],
      ] as const)
        await create({ name, environment, value: `${name} of ${environment}` })
      const shown = async (query: string) =>
        (await list(query)).map((secret) => `${secret.name} ${secret.environment}`)
      expect(await shown('?environment=staging')).toEqual(['A All', 'B staging', 'C staging'])
      expect(await shown('?environment=All')).toEqual(['A All', 'B All'])
      expect((await shown('')).length).toBe(5)
      const unknown = await server.request('GET', `${path()}?environment=nope`, { token: owner.token })
      expect([unknown.status, unknown.body.code]).toEqual([404, 'environment.not_found'])
    })

    test('SEC-34: a missing name is 404 with exactly "GITHUB_TOKEN not found", four reasons and near matches', async () => {
      const key = await server.addKey(owner, project.id)
      const missing = await read(key, 'GITHUB_TOKEN')
      expect(missing.status).toBe(404)
      expect(missing.body).toEqual({
        type: 'http://localhost:8080/errors/secret.not_found',
        title: 'Secret not found',
        status: 404,
        detail: 'GITHUB_TOKEN not found',
        reasons: [
          expect.stringContaining('typo'),
          expect.stringContaining('upper and lower case'),
          expect.stringContaining('not added'),
          expect.stringContaining('restart the terminal'),
        ],
        nearMatches: [],
        traceId: expect.any(String),
        code: 'secret.not_found',
      })
      for (const name of ['github_token', 'GITHUB_TOKENS', 'DATABASE_URL'])
        await create({ name, value: 'some value' })
      expect((await read(key, 'GITHUB_TOKEN')).body.nearMatches).toEqual(['github_token', 'GITHUB_TOKENS'])
      expect((await read(key, 'Github_Token')).body.nearMatches[0]).toBe('github_token')
      expect((await read(key, 'DATABASE_URI')).body.nearMatches).toEqual(['DATABASE_URL'])
      for (const pasted of ['ghp_abc-def', 'a b', 'ünï'])
        expect((await read(key, encodeURIComponent(pasted))).text).not.toContain(pasted)
    })

    test('near matches are names of the environment that was asked for, of this project only', async () => {
      await server.addEnvironment(owner, project.id, 'staging')
      await create({ name: 'GITHUB_TOKEN_', value: 'x', environment: 'staging' })
      const key = await server.addKey(owner, project.id)
      expect((await read(key, 'GITHUB_TOKEN')).body.nearMatches).toEqual([])
      expect((await read(key, 'GITHUB_TOKEN', '?environment=staging')).body.nearMatches).toEqual([
        'GITHUB_TOKEN_',
      ])
    })

    test('"last accessed" moves on with deliveries, not with listing', async () => {
      const made = (await create({ name: 'NAME', value: 'x' })).body
      const lastAccessed = async () => (await list())[0]!.lastAccessedAt as string | null
      expect(await lastAccessed()).toBeNull()
      await reveal(made)
      const first = await lastAccessed()
      expect(Math.abs(Date.parse(first!) - server.clock.now().getTime())).toBeLessThan(MINUTE_MS)
      server.clock.advance(2 * MINUTE_MS)
      expect(await lastAccessed()).toBe(first)
      const key = await server.addKey(owner, project.id)
      await server.ok('GET', '/api/v1/projects/current/secrets', { key })
      expect(Date.parse((await lastAccessed())!)).toBeGreaterThan(Date.parse(first!) + MINUTE_MS)
    })
  })

  describe('what is recorded', () => {
    const lines = async (count: number) => {
      const { records } = await server.ok('GET', `/api/v1/audit?project=${project.id}&limit=${count}`, {
        token: owner.token,
      })
      return records.map((record: { line: string }) => record.line)
    }

    test('SEC-22, SEC-24, SEC-25: created, accessed, updated and deleted, one line each', async () => {
      const made = (await create({ name: 'GITHUB_TOKEN', value: 'one' })).body
      await reveal(made)
      await update(made, { value: 'two' })
      await remove(made)
      const found = await lines(4)
      expect(found[3]).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d - Secret created: GITHUB_TOKEN$/)
      expect(found.map((line: string) => line.slice(22))).toEqual([
        'Secret deleted: GITHUB_TOKEN',
        'Secret updated: GITHUB_TOKEN',
        'Secret accessed: GITHUB_TOKEN',
        'Secret created: GITHUB_TOKEN',
      ])
      const [deleted, updated, accessed, created] = await server.records(4)
      for (const record of [deleted, updated, accessed, created]) {
        expect(record).toMatchObject({
          outcome: 'success',
          actor: { kind: 'person', id: owner.id, name: owner.name },
          project: { id: project.id, name: project.name },
          environment: 'All',
          target: { kind: 'secret', id: made.id, name: 'GITHUB_TOKEN' },
          address: '127.0.0.1',
        })
      }
      expect(updated).toMatchObject({ changed: ['value'], target: { version: 2 } })
      expect(accessed).toMatchObject({ target: { version: 1 } })
    })

    test('SEC-24: every way of reading a value yields "accessed", one record per value', async () => {
      await server.addEnvironment(owner, project.id, 'staging')
      await create({ name: 'ONE', value: '1' })
      const two = (await create({ name: 'TWO', value: '2', environment: 'staging' })).body
      const key = await server.addKey(owner, project.id)
      const accessed = async (act: () => Promise<unknown>) => {
        const before = (await server.records(1))[0]!.index
        await act()
        const records = (await server.records(50)).filter((record) => record.index > before)
        return records
          .map((record) => [record.action, record.outcome, record.target?.name, record.environment])
          .sort()
      }
      expect(await accessed(() => reveal(two))).toEqual([['secret.read', 'success', 'TWO', 'staging']])
      expect(await accessed(() => read(key, 'ONE', '?environment=staging'))).toEqual([
        ['secret.read', 'success', 'ONE', 'All'],
      ])
      expect(
        await accessed(() =>
          server.ok('GET', '/api/v1/projects/current/secrets?environment=staging', { key }),
        ),
      ).toEqual([
        ['secret.read', 'success', 'ONE', 'All'],
        ['secret.read', 'success', 'TWO', 'staging'],
      ])
      expect(await accessed(() => list()), 'names are no values').toEqual([])
    })

    test('SEC-26: refused and failed attempts are recorded as such, without a value', async () => {
      const viewer = await server.addPerson()
      const stranger = await server.addPerson()
      await server.addMember(owner, project.id, viewer, 'read_only')
      const made = (await create({ name: 'NAME', value: 'kept-value' })).body
      const attempts: [() => Promise<{ status: number }>, number, string, string][] = [
        [() => update(made, { value: 'refused-value' }, viewer), 403, 'secret.update', 'refused'],
        [() => create({ name: 'N', value: 'refused-value' }, viewer), 403, 'secret.create', 'refused'],
        [() => reveal(made, undefined, stranger), 404, 'secret.read', 'refused'],
        [() => update(made, { value: 'refused-value' }, stranger), 404, 'secret.update', 'refused'],
        [() => create({ name: 'NAME', value: 'refused-value' }), 409, 'secret.create', 'failed'],
        [() => update(made, { value: 'refused-value', expectedVersion: 7 }), 409, 'secret.update', 'failed'],
        [() => reveal({ id: 'sec_unknown' }), 404, 'secret.read', 'failed'],
      ]
      for (const [act, status, action, outcome] of attempts) {
        expect((await act()).status).toBe(status)
        const [record] = await server.records(1)
        expect(record).toMatchObject({
          action,
          outcome,
          reason: expect.any(String),
          project: { id: project.id },
        })
        expect(JSON.stringify(record)).not.toMatch(/refused-value|kept-value/)
      }
      expect((await lines(1))[0]).toMatch(/ - Secret accessed \(failed: secret\.not_found\)$/)
      expect(await value(made)).toBe('kept-value')
    })

    test('SEC-26: no route changes or removes a record', async () => {
      for (const method of ['PUT', 'PATCH', 'POST', 'DELETE'])
        for (const url of [
          '/api/v1/audit',
          '/api/v1/audit/0',
          '/api/v1/audit/export',
          '/api/v1/audit/checkpoint',
        ])
          expect(
            (await server.request(method, url, { token: owner.token, body: {} })).status,
            `${method} ${url}`,
          ).toBe(404)
    })
  })
})

/** Names of the fields of an answer that may hold something secret; inside arrays with `[]`, which no answer may have. */
function sensitiveFields(schema: unknown, name = '', path = ''): string[] {
  if (typeof schema !== 'object' || schema === null) return []
  const { type, properties, items, anyOf, allOf } = schema as Record<string, unknown> // `as`: JSON Schema.
  const inside = [
    ...Object.entries(properties ?? {}).flatMap(([key, part]) =>
      sensitiveFields(part, key, path ? `${path}.${key}` : key),
    ),
    ...(items ? sensitiveFields(items, name, `${path}[]`) : []),
    ...[...((anyOf as unknown[]) ?? []), ...((allOf as unknown[]) ?? [])].flatMap((part) =>
      sensitiveFields(part, name, path),
    ),
  ]
  const isSensitive = type === 'string' && /(value|token|secret|password|plaintext|privateKey)$/i.test(name)
  // The part of a token that recognises it is made to be shown.
  return isSensitive && name !== 'partialToken' ? [...inside, path] : inside
}

test.each(databases)(
  'SEC-14: over plain HTTP from another machine nothing is answered, on %s',
  async (database) => {
    const { server, stop } = await startServer(database, { KEYHOLD_TRUSTED_PROXIES: '127.0.0.1' })
    try {
      const owner = await server.addPerson()
      const project = await server.addProject(owner)
      await server.addSecret(owner, project.id, { name: 'NAME', value: 'some value' })
      const key = await server.addKey(owner, project.id)
      const plain = { 'x-forwarded-for': '203.0.113.7' }
      const tls = { ...plain, 'x-forwarded-proto': 'https' }
      const url = '/api/v1/projects/current/secrets'
      for (const headers of [
        plain,
        { ...plain, 'x-forwarded-proto': 'http' },
        { ...plain, 'x-forwarded-proto': 'https, http' },
      ]) {
        const answer = await server.request('GET', url, { key, headers })
        expect([answer.status, answer.body.code]).toEqual([403, 'transport.insecure'])
        const signIn = await server.request('POST', '/api/v1/session', {
          headers,
          body: { email: owner.email, password: owner.password },
        })
        expect([signIn.status, signIn.headers.get('set-cookie')]).toEqual([403, null])
      }
      const answer = await server.request('GET', url, { key, headers: tls })
      expect(answer.status).toBe(200)
      expect(answer.headers.get('strict-transport-security')).toMatch(/^max-age=\d{8}/)
      const signIn = await server.request('POST', '/api/v1/session', {
        headers: tls,
        body: { email: owner.email, password: owner.password },
      })
      expect(signIn.headers.get('set-cookie')).toMatch(
        /^__Host-keyhold=kh_ses_\w+; Path=\/; HttpOnly; SameSite=Strict; Secure$/,
      )
    } finally {
      await stop()
    }
  },
)
