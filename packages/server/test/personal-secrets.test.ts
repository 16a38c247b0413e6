import { limits } from '@keyhold/contract/limits'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Asker, Person } from '../src/access/caller.ts'
import { databases, startServer, type TestPerson, type TestServer } from './kit.ts'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
const PATH = '/api/v1/personal-secrets'
const PEM = '-----BEGIN PRIVATE KEY-----\nMIIBVQIBADANBgkq\n-----END PRIVATE KEY-----\n'
const HERE = 'ws-here0001'

describe.each(databases)('personal secrets on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let person: TestPerson

  beforeAll(async () => {
    ;({ server, stop } = await startServer(database))
  })
  afterAll(() => stop())
  beforeEach(async () => {
    server.clock.advance(MINUTE_MS + 1)
    person = await server.addPerson()
  })

  let made = 0
  const post = (body: object, token = person.token) => {
    made += 1
    const defaults = {
      name: `secret ${made}`,
      type: 'token',
      value: `value ${made}`,
      envName: `NAME_${made}`,
    }
    return server.request('POST', PATH, { token, body: { ...defaults, ...body } })
  }
  const create = async (body: object = {}) => {
    const answer = await post(body)
    expect(answer.status, answer.text).toBe(201)
    return answer.body
  }
  const update = (secret: { id: string }, body: object, token = person.token) =>
    server.request('PATCH', `${PATH}/${secret.id}`, { token, body })
  const remove = (secret: { id: string }, token = person.token) =>
    server.request('DELETE', `${PATH}/${secret.id}`, { token })
  const reveal = (secret: { id: string }, version?: number, as: object = { token: person.token }) =>
    server.request('POST', `${PATH}/${secret.id}/reveal`, {
      ...as,
      body: version === undefined ? {} : { version },
    })
  const versions = async (secret: { id: string }) =>
    (await server.ok('GET', `${PATH}/${secret.id}/versions`, { token: person.token })).versions
  const list = async (token = person.token) =>
    (await server.ok('GET', PATH, { token })).personalSecrets as { id: string; name: string }[]
  const find = async ({ id }: { id: string }) => server.ok('GET', `${PATH}/${id}`, { token: person.token })
  const later = (ms: number) => new Date(server.clock.now().getTime() + ms).toISOString()
  const askerOf = ({ id, name }: TestPerson, traceId = 'agent'): Asker<Person> => ({
    caller: {
      kind: 'person',
      accountId: id,
      name,
      role: 'member',
      mustChangePassword: false,
      hasSecondFactor: false,
      credential: { kind: 'access-token', id: 'tok_1', scopes: null, expiresAt: null, lastUsedAt: null },
    },
    origin: { traceId },
  })
  const deliver = async (workspaceId = HERE, to = person) =>
    (await server.core.personalSecrets.deliver(askerOf(to), workspaceId)).map(({ value, ...secret }) => ({
      ...secret,
      text: Buffer.from(value.reveal()).toString(),
      bytes: Buffer.from(value.reveal()),
    }))
  const names = async (workspaceId = HERE, to = person) =>
    (await deliver(workspaceId, to)).map(({ name }) => name)

  describe('what is kept', () => {
    test('F13: a secret is answered with all its facts and without its value, in list and detail alike', async () => {
      const expiresAt = later(DAY_MS)
      const secret = await create({
        name: 'GitHub of Ann',
        type: 'password',
        value: 'canary-value',
        description: 'for the CLI',
        envName: 'GITHUB_TOKEN',
        filePath: '~/.config/gh/token',
        workspaces: ['ws-bbbbbbbb', 'ws-aaaaaaaa'],
        expiresAt,
      })
      expect(secret).toEqual({
        id: expect.stringMatching(/^psec_[0-9a-z]{20}$/),
        name: 'GitHub of Ann',
        type: 'password',
        description: 'for the CLI',
        envName: 'GITHUB_TOKEN',
        filePath: '~/.config/gh/token',
        isEnabled: true,
        workspaces: ['ws-aaaaaaaa', 'ws-bbbbbbbb'],
        version: 1,
        createdAt: expect.any(String),
        updatedAt: expect.any(String),
        expiresAt,
        lastUsedAt: null,
        status: 'active',
        nameWarning: null,
        isMasked: true,
      })
      expect(await list()).toEqual([secret])
      expect(await find(secret)).toEqual(secret)
      expect((await server.records(1))[0]).toMatchObject({
        action: 'personal-secret.create',
        outcome: 'success',
        actor: { id: person.id },
        target: { kind: 'personal-secret', id: secret.id, name: 'GitHub of Ann', version: 1 },
      })
      expect(await server.dump()).not.toContain('canary-value')
    })

    test('defaults: enabled, for all workspaces, no description, no path, no expiry', async () => {
      expect(await create()).toMatchObject({
        description: '',
        filePath: null,
        isEnabled: true,
        workspaces: 'all',
        expiresAt: null,
      })
    })

    test.each(['', ' ', '\u3000', ' x', 'x ', 'a/b', 'a?', '#1', 'x\ny', 'x\u0000'])(
      '6.4: the name %j is 400',
      async (name) => {
        const answer = await post({ name })
        expect([answer.status, answer.body.errors?.[0]?.field]).toEqual([400, 'name'])
        expect(await list()).toEqual([])
      },
    )

    test.each(['PATH', 'ld_preload', 'GIT_SSH', 'KEYHOLD_TOKEN', 'NODE_OPTIONS', '1A', 'A-B', ''])(
      '6.4: the variable %j is 400',
      async (envName) => {
        const secret = await create()
        for (const answer of [await post({ envName }), await update(secret, { envName })])
          expect([answer.status, answer.body.errors?.[0]?.field]).toEqual([400, 'envName'])
      },
    )

    test.each([
      'token',
      './token',
      '~',
      '~/',
      '/',
      '~user/token',
      '~/../token',
      '/a/../b',
      '/a/..',
      '~/a//b',
      '~/./a',
      '~/a/',
      '~/a\u0000b',
      '~/a\nb',
      '~/.keyhold/personal/X',
      '~/.keyhold',
    ])('SDS-20: the path %j is 400', async (filePath) => {
      const answer = await post({ filePath })
      expect([answer.status, answer.body.errors?.[0]?.field]).toEqual([400, 'filePath'])
    })

    test('SDS-20: paths under home and absolute ones, up to 4,096 bytes', async () => {
      for (const filePath of [
        '~/.netrc',
        '/etc/tool.d/token',
        '~/ä b/…',
        '~/..a/b..',
        `/${'x'.repeat(4095)}`,
      ])
        expect((await create({ filePath, envName: null })).filePath).toBe(filePath)
    })

    test('6.4: a name of more than 100 characters, a variable of more than 256 bytes, a path of more than 4,096: 400', async () => {
      for (const [body, field] of [
        [{ name: 'x'.repeat(limits.nameLength + 1) }, 'name'],
        [{ envName: 'X'.repeat(limits.secretNameBytes + 1) }, 'envName'],
        [{ envName: 'X'.repeat(limits.secretNameBytes), type: 'key', value: PEM }, 'envName'],
        [{ filePath: `~/${'x'.repeat(limits.filePathBytes - 1)}` }, 'filePath'],
        [{ filePath: `~/${'é'.repeat(limits.filePathBytes / 2)}` }, 'filePath'],
      ] as const)
        expect((await post(body)).body.errors?.[0]?.field).toBe(field)
    })

    test('an enabled secret needs a target; disabled it is kept without', async () => {
      const refused = await post({ envName: null })
      expect([refused.status, refused.body.errors?.[0]?.field]).toEqual([400, 'envName'])
      const kept = await create({ envName: null, isEnabled: false })
      expect(kept.status).toBe('inactive')
      expect((await update(kept, { isEnabled: true })).status).toBe(400)
      expect((await update(kept, { isEnabled: true, filePath: '~/kept' })).body.status).toBe('active')
      expect((await update(kept, { filePath: null })).status).toBe(400)
    })

    test('wrong types, values, workspaces and times are 400 that names the field and quotes nothing', async () => {
      for (const [body, field] of [
        [{ type: 'ssh' }, 'type'],
        [{ value: '' }, 'value'],
        [{ value: 'marker\u0000' }, 'value'],
        [{ value: 'marker!', encoding: 'base64' }, 'value'],
        [{ value: 'marker', type: 'key' }, 'value'],
        [{ value: 'm'.repeat(limits.personalValueBytes + 1) }, 'value'],
        [{ value: 'm'.repeat(limits.personalValueBytes + 1), type: 'file' }, 'value'],
        [{ workspaces: [] }, 'workspaces'],
        [{ workspaces: ['ws-short'] }, 'workspaces[0]'],
        [{ workspaces: ['ws-UPPERCASE'] }, 'workspaces[0]'],
        [{ workspaces: ['ws-aaaaaaaa', 'ws-aaaaaaaa'] }, 'workspaces'],
        [{ expiresAt: later(-1_000) }, 'expiresAt'],
        [{ expiresAt: 'soon' }, 'expiresAt'],
        [{ isEnabled: 'yes' }, 'isEnabled'],
        [{ more: 1 }, 'body'],
      ] as const) {
        const answer = await post(body)
        const fields = answer.body.errors?.map((error: { field: string }) => error.field)
        expect([answer.status, fields], JSON.stringify(body)).toEqual([400, expect.arrayContaining([field])])
        expect(answer.text).not.toContain('marker')
      }
      expect(await list()).toEqual([])
    })

    test('SDS-20: a name, variable or path that another one has is 409, naming each that is taken', async () => {
      const first = { name: 'First', envName: 'FIRST_TOKEN', filePath: '~/first' }
      const { id } = await create(first)
      const taken = async (body: object) => {
        const answer = await post(body)
        expect([answer.status, answer.body.code]).toEqual([409, 'personal_secret.taken'])
        return answer.body.errors
      }
      const name = { field: 'name', message: 'name already in use' }
      const envName = { field: 'envName', message: 'environment variable already in use' }
      const filePath = { field: 'filePath', message: 'file path already in use' }
      expect(await taken({ name: 'FIRST' })).toEqual([name])
      expect(await taken({ envName: 'FIRST_TOKEN', isEnabled: false })).toEqual([envName])
      expect(await taken({ filePath: '~/first' })).toEqual([filePath])
      expect(await taken({ filePath: '~/first/below' })).toEqual([filePath])
      expect(await taken(first)).toEqual([name, envName, filePath])
      const other = await create()
      expect((await update(other, { envName: 'FIRST_TOKEN' })).body.errors).toEqual([envName])
      expect((await update(other, { filePath: '~/first' })).body.errors).toEqual([filePath])
      expect((await update({ id }, { filePath: '~/first', description: 'itself' })).status).toBe(200)

      await create({ type: 'key', value: PEM, envName: 'DEPLOY' })
      expect(await taken({ envName: 'DEPLOY_FILE' })).toEqual([envName])
      const stranger = await server.addPerson()
      expect((await post(first, stranger.token)).status, 'others are unaffected').toBe(201)
    })

    test('of one name, variable or path wanted many times at once, exactly one gets it', async () => {
      for (const same of [{ name: 'same' }, { envName: 'SAME' }, { filePath: '~/same' }]) {
        const answers = await Promise.all(Array.from({ length: 6 }, () => post(same)))
        expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409, 409])
      }
    })
  })

  describe('limits', () => {
    test('6.4: 50 secrets, also when two want the last place at once', async () => {
      for (let i = 0; i < limits.personalSecretsPerPerson - 1; i++) await create({ isEnabled: i % 2 === 0 })
      const answers = await Promise.all([post({}), post({})])
      expect(answers.map(({ status }) => status).sort()).toEqual([201, 409])
      const refused = await post({})
      expect([refused.body.code, refused.body.detail]).toEqual([
        'personal_secret.limit',
        expect.stringContaining('there are 50'),
      ])
      const [oldest] = await list()
      expect((await remove(oldest!)).status).toBe(204)
      expect((await post({})).status).toBe(201)
    })

    test('6.4: 24 KiB each in bytes, 24 KiB in variables together, 200 KiB in all', async () => {
      const most = 'x'.repeat(limits.personalValueBytes)
      const first = await create({ value: most })
      expect((await reveal(first)).body.value).toBe(most)
      const refused = await post({ value: 'x' })
      expect([refused.body.code, refused.body.detail]).toEqual([
        'personal_secret.limit',
        expect.stringContaining('environment'),
      ])
      expect(
        (await post({ value: 'é'.repeat(limits.personalValueBytes / 2 + 1), envName: null })).status,
      ).toBe(400)

      // Not in a variable: disabled, a file, or a path alone.
      const disabled = await create({ value: 'x', isEnabled: false })
      expect((await update(disabled, { isEnabled: true })).body.code).toBe('personal_secret.limit')
      await create({ value: 'x', type: 'file' })
      await create({ value: 'x', envName: null, filePath: '~/path' })

      const free = limits.personalTotalBytes - limits.personalValueBytes - 3
      const inFile = { type: 'file', envName: null }
      for (let i = 0; i * limits.personalValueBytes < free - limits.personalValueBytes; i++)
        await create({ ...inFile, filePath: `~/f${i}`, value: most })
      const rest = free % limits.personalValueBytes
      const answers = await Promise.all([
        post({ ...inFile, filePath: '~/a', value: 'x'.repeat(rest) }),
        post({ ...inFile, filePath: '~/b', value: 'x'.repeat(rest) }),
      ])
      expect(answers.map(({ status }) => status).sort()).toEqual([201, 409])
      expect((await update(disabled, { value: 'xx' })).body.detail).toContain('together')
      expect((await update(disabled, { value: 'y' })).status).toBe(200)
    })
  })

  describe('changes', () => {
    test('a new value is a new version, old ones stay readable, and the list of versions has no values', async () => {
      const secret = await create({ value: 'one' })
      server.clock.advance(MINUTE_MS)
      const changed = (await update(secret, { value: 'two' })).body
      expect(changed).toEqual({ ...secret, version: 2, updatedAt: changed.updatedAt })
      expect((await server.records(1))[0]).toMatchObject({
        action: 'personal-secret.update',
        changed: ['value'],
        target: { id: secret.id, version: 2 },
      })
      expect(await versions(secret)).toEqual([
        { version: 2, createdAt: changed.updatedAt, isCurrent: true },
        { version: 1, createdAt: secret.createdAt, isCurrent: false },
      ])
      expect((await reveal(secret)).body).toMatchObject({ value: 'two', version: 2, encoding: 'utf8' })
      expect((await reveal(secret, 1)).body.value).toBe('one')
      expect([(await reveal(secret, 3)).body.code, (await reveal(secret, 0)).status]).toEqual([
        'personal_secret.not_found',
        400,
      ])
    })

    test('6.4: an update of nothing is 400', async () => {
      const secret = await create()
      for (const body of [{}, { encoding: 'utf8' }, { expectedVersion: 1 }]) {
        const answer = await update(secret, body)
        expect([answer.status, answer.body.detail]).toEqual([400, 'At least one field must be provided.'])
      }
      expect((await update(secret, { name: 'renamed' })).status).toBe(400)
    })

    test('an equal value makes no version; that it was compared is recorded, that nothing changed is not', async () => {
      const secret = await create({
        value: 'one',
        description: 'what for',
        workspaces: ['ws-bbbbbbbb', 'ws-aaaaaaaa'],
      })
      const [newest] = await server.records(1)
      for (const body of [
        { value: 'one' },
        { value: Buffer.from('one').toString('base64'), encoding: 'base64' },
        { type: 'token', description: 'what for', isEnabled: true, expiresAt: null },
        { workspaces: ['ws-aaaaaaaa', 'ws-bbbbbbbb'] },
      ]) {
        const answer = await update(secret, body)
        expect([answer.status, answer.body]).toEqual([200, secret])
      }
      const since = (await server.records(20)).filter((record) => record.index > newest!.index)
      expect(since.map((record) => record.action)).toEqual(Array(2).fill('personal-secret.compare'))
      expect(since[0]?.target).toMatchObject({ id: secret.id, name: secret.name })
      expect(await versions(secret)).toHaveLength(1)
    })

    test('settings change without a version; a type has to fit value and variable', async () => {
      const secret = await create({ value: 'one' })
      const wish = {
        type: 'password',
        description: 'new',
        envName: 'OTHER',
        filePath: '~/other',
        isEnabled: false,
        expiresAt: later(DAY_MS),
        workspaces: ['ws-cccccccc'],
      }
      const changed = (await update(secret, wish)).body
      expect(changed).toMatchObject({ ...wish, version: 1, status: 'inactive' })
      expect((await server.records(1))[0]).toMatchObject({
        action: 'personal-secret.update',
        changed: Object.keys(wish),
      })
      expect((await update(secret, { workspaces: 'all', expiresAt: null })).body).toMatchObject({
        workspaces: 'all',
        expiresAt: null,
      })
      expect((await update(secret, { type: 'key' })).body.errors?.[0]?.field).toBe('value')
      const certificate = await create({ type: 'file', value: PEM, envName: 'SSL_CERT' })
      expect((await update(certificate, { type: 'key' })).body.errors?.[0]?.field).toBe('envName')
      expect((await update(secret, { type: 'file', value: 'a\u0000b' })).body.version).toBe(2)
      expect((await update(secret, { type: 'token' })).body.errors?.[0]?.field).toBe('value')
    })

    test('with another version than expected: 409 and unchanged; of racing updates each is a version of its own', async () => {
      const secret = await create({ value: 'one' })
      const stale = await update(secret, { value: 'two', expectedVersion: 2 })
      expect([stale.status, stale.body.code]).toEqual([409, 'personal_secret.changed'])
      const racing = await Promise.all(
        Array.from({ length: 5 }, (_, i) => update(secret, { value: `raced ${i}`, expectedVersion: 1 })),
      )
      expect(racing.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409, 409])
      await Promise.all(Array.from({ length: 5 }, (_, i) => update(secret, { value: `all ${i}` })))
      expect(await versions(secret)).toHaveLength(7)
    })

    test('SDS-8: deleted it is gone with its versions, and a second time 404', async () => {
      const secret = await create({ name: 'gone' })
      expect((await remove(secret)).status).toBe(204)
      expect((await server.records(1))[0]).toMatchObject({
        action: 'personal-secret.delete',
        target: { kind: 'personal-secret', id: secret.id, name: 'gone' },
      })
      for (const answer of [await remove(secret), await update(secret, { value: 'x' }), await reveal(secret)])
        expect([answer.status, answer.body.code]).toEqual([404, 'personal_secret.not_found'])
      const { db } = server.core.storage
      const rows = await db
        .selectFrom('personal_secret_versions')
        .select('version')
        .where('personal_secret_id', '=', secret.id)
        .execute()
      expect(rows).toEqual([])
      expect((await create({ name: 'gone', value: 'new' })).version).toBe(1)
    })
  })

  describe('revealing', () => {
    test('C12: one value to its owner, recorded before it leaves, and only with the scope', async () => {
      const secret = await create({ value: 'canary-revealed' })
      const answer = await reveal(secret)
      expect(answer.body).toEqual({
        name: secret.name,
        type: 'token',
        value: 'canary-revealed',
        encoding: 'utf8',
        version: 1,
      })
      expect((await server.records(1))[0]).toMatchObject({
        action: 'personal-secret.read',
        outcome: 'success',
        target: { kind: 'personal-secret', id: secret.id, name: secret.name, version: 1 },
      })
      const lastUsed = (await find(secret)).lastUsedAt
      expect(Math.abs(Date.parse(lastUsed) - server.clock.now().getTime())).toBeLessThan(MINUTE_MS)

      const { token } = await server.ok('POST', '/api/v1/access-tokens', {
        token: person.token,
        body: { name: 'limited', scopes: ['personal-secrets:read', 'personal-secrets:write'] },
      })
      expect((await reveal(secret, 1, { token })).body.code).toBe('access.scope_missing')
    })

    test('a browser session needs a fresh password for it, and for what is written into workspaces', async () => {
      const secret = await create()
      const headers = { cookie: await server.signIn(person) }
      expect((await reveal(secret, 1, { headers })).status).toBe(200)
      server.clock.advance(11 * MINUTE_MS)
      const refused = await reveal(secret, 1, { headers })
      expect(refused.body.code).toBe('session.reauthentication_required')
      expect((await server.records(1))[0]).toMatchObject({
        action: 'personal-secret.read',
        outcome: 'refused',
        target: { id: secret.id },
      })
      const file = {
        name: 'door',
        type: 'file',
        value: 'ssh-ed25519 AAAA',
        filePath: '~/.ssh/authorized_keys',
      }
      const created = await server.request('POST', PATH, { headers, body: file })
      expect(created.body.code).toBe('session.reauthentication_required')
      for (const body of [{ filePath: '~/.ssh/authorized_keys' }, { value: 'other' }]) {
        const updated = await server.request('PATCH', `${PATH}/${secret.id}`, { headers, body })
        expect(updated.body.code).toBe('session.reauthentication_required')
      }
      expect((await server.request('GET', PATH, { headers })).status).toBe(200)
      expect((await server.request('DELETE', `${PATH}/${secret.id}`, { headers })).status).toBe(204)
    })

    test('SDS-19: every byte comes out as it went in', async () => {
      const bytes = Buffer.from(Array.from({ length: 512 }, (_, i) => i % 256))
      const file = await create({ type: 'file', value: bytes.toString('base64'), encoding: 'base64' })
      const { body } = await reveal(file)
      expect([body.encoding, Buffer.from(body.value, 'base64').equals(bytes)]).toEqual(['base64', true])
      for (const text of ['ends with a newline\n', ' \t spaces ', '漢字 🔑 \ufeff', PEM])
        expect(
          (await reveal(await create({ value: text, type: text === PEM ? 'key' : 'token' }))).body.value,
        ).toBe(text)
    })

    test('a value that was moved to another row, version or person does not open', async () => {
      const [a, b] = [await create({ value: 'of a' }), await create({ value: 'of b' })]
      const { db } = server.core.storage
      const { sealed } = await db
        .selectFrom('personal_secret_versions')
        .select('sealed')
        .where('personal_secret_id', '=', a.id)
        .executeTakeFirstOrThrow()
      await db
        .updateTable('personal_secret_versions')
        .set({ sealed })
        .where('personal_secret_id', '=', b.id)
        .execute()
      expect((await reveal(b)).body.code).toBe('secret.unreadable')
      const stranger = await server.addPerson()
      await db
        .updateTable('personal_secrets')
        .set({ account_id: stranger.id })
        .where('id', '=', a.id)
        .execute()
      expect((await reveal(a, 1, { token: stranger.token })).body.code).toBe('secret.unreadable')
    })
  })

  describe('delivery to workspaces', () => {
    test('SDS-18, SDS-20: name, type, variable, path and value; to each of the owner’s workspaces and to nobody else', async () => {
      const secret = await create({ name: 'both', value: 'canary\n', envName: 'BOTH', filePath: '~/.both' })
      for (const workspace of [HERE, 'ws-other001'])
        expect(await deliver(workspace)).toEqual([
          {
            id: secret.id,
            name: 'both',
            type: 'token',
            envName: 'BOTH',
            filePath: '~/.both',
            text: 'canary\n',
            bytes: Buffer.from('canary\n'),
            encoding: 'utf8',
            version: 1,
          },
        ])
      expect(await deliver(HERE, await server.addPerson())).toEqual([])
    })

    test('C17: for type file and key the file has a path, chosen or not, that no other secret can have', async () => {
      await create({ name: '1', type: 'file', value: 'x', envName: 'FILE' })
      await create({ name: '2', type: 'file', value: 'x', envName: 'CHOSEN', filePath: '~/chosen' })
      await create({ name: '3', type: 'key', value: PEM, envName: 'DEPLOY' })
      await create({ name: '4', type: 'password', value: 'x', envName: 'PASSWORD_ALONE' })
      await create({ name: '5', type: 'token', value: 'x', envName: null, filePath: '/etc/token' })
      expect((await deliver()).map(({ envName, filePath }) => [envName, filePath])).toEqual([
        ['FILE', '~/.keyhold/personal/FILE'],
        ['CHOSEN', '~/chosen'],
        ['DEPLOY', '~/.keyhold/personal/DEPLOY'],
        ['PASSWORD_ALONE', null],
        [null, '/etc/token'],
      ])
    })

    test('only what is enabled, unexpired and for that workspace; an expired one can still be revealed', async () => {
      await create({ name: 'everywhere' })
      await create({ name: 'here', workspaces: [HERE] })
      await create({ name: 'elsewhere', workspaces: ['ws-elsewhere'] })
      await create({ name: 'disabled', isEnabled: false })
      const brief = await create({ name: 'brief', expiresAt: later(MINUTE_MS) })
      expect(await names()).toEqual(['brief', 'everywhere', 'here'])
      expect(await names('ws-elsewhere')).toEqual(['brief', 'elsewhere', 'everywhere'])
      server.clock.advance(MINUTE_MS)
      expect(await names()).toEqual(['everywhere', 'here'])
      expect((await find(brief)).status).toBe('expired')
      expect((await reveal(brief)).status).toBe(200)
      expect((await update(brief, { expiresAt: null })).body.status).toBe('active')
      expect(await names()).toContain('brief')
    })

    test('SDS-21: what changed or was deleted is so at the next delivery', async () => {
      const secret = await create({ value: 'old' })
      await update(secret, { value: 'new' })
      expect((await deliver()).map(({ text, version }) => [text, version])).toEqual([['new', 2]])
      await remove(secret)
      expect(await deliver()).toEqual([])
    })

    test('one record per value, with the workspace; last use is kept to the minute', async () => {
      const secrets = [await create({ name: 'a' }), await create({ name: 'b' })]
      await create({ name: 'disabled', isEnabled: false })
      await deliver()
      const records = await server.records(2)
      expect(records.map(({ target }) => target?.name)).toEqual(['b', 'a'])
      for (const record of records)
        expect(record).toMatchObject({
          action: 'personal-secret.use',
          outcome: 'success',
          workspace: HERE,
          actor: { id: person.id },
          target: { kind: 'personal-secret', version: 1 },
        })
      for (const secret of secrets) expect((await find(secret)).lastUsedAt).not.toBeNull()
      expect(
        (await server.ok('GET', '/api/v1/audit?secret=a', { token: person.token })).records,
      ).toHaveLength(2)

      await deliver('ws-nothing0', await server.addPerson())
      expect((await server.records(1))[0]).toMatchObject({
        action: 'personal-secret.use',
        workspace: 'ws-nothing0',
      })
    })

    test('SDS-12: once the account is disabled nothing is delivered, not even to a workspace that was let in before', async () => {
      const admin = await server.addPerson('admin')
      await create()
      expect(await names()).toHaveLength(1)
      const body = { isDisabled: true }
      await server.ok('PATCH', `/api/v1/accounts/${person.id}`, { token: admin.token, body })
      await expect(deliver()).rejects.toMatchObject({ code: 'auth.required' })
      expect((await server.records(1))[0]).toMatchObject({
        action: 'personal-secret.use',
        outcome: 'refused',
        reason: 'auth.required',
        workspace: HERE,
      })
    })

    test('nothing leaves while the record cannot be written', async () => {
      const own = await startServer(database)
      try {
        const owner = await own.server.addPerson()
        await own.server.ok('POST', PATH, {
          token: owner.token,
          body: { name: 'a', type: 'token', value: 'x', envName: 'A' },
        })
        // The next record's place is taken.
        await own.server.core.storage.db
          .updateTable('audit_head')
          .set({ size: 0, edge: Buffer.alloc(0) })
          .execute()
        await expect(own.server.core.personalSecrets.deliver(askerOf(owner), HERE)).rejects.toMatchObject({
          code: 'audit.unavailable',
        })
      } finally {
        await own.stop()
      }
    })
  })

  test('SDS-1: another person’s is 404 with the body of a missing one, in no list, and unchanged', async () => {
    const secret = await create({ name: 'mine' })
    const stranger = await server.addPerson('admin')
    const missing = { id: 'psec_00000000000000000000' }
    const withoutTrace = ({ status, body }: { status: number; body: object }) => ({
      status,
      ...body,
      traceId: '',
    })
    for (const act of [
      (of: { id: string }) => server.request('GET', `${PATH}/${of.id}`, { token: stranger.token }),
      (of: { id: string }) => server.request('GET', `${PATH}/${of.id}/versions`, { token: stranger.token }),
      (of: { id: string }) => update(of, { value: 'stolen' }, stranger.token),
      (of: { id: string }) => remove(of, stranger.token),
      (of: { id: string }) => reveal(of, undefined, { token: stranger.token }),
    ]) {
      const [foreign, none] = [await act(secret), await act(missing)]
      expect(foreign.status).toBe(404)
      expect(withoutTrace(foreign)).toEqual(withoutTrace(none))
    }
    expect(await list(stranger.token)).toEqual([])
    const { lastUsedAt: _, ...before } = secret
    expect(await find(secret)).toMatchObject(before)
  })

  test('the inventory gets each with purpose, place, rotation and status', async () => {
    const expiresAt = later(DAY_MS)
    await create({ name: 'a', description: 'for a', expiresAt })
    await create({ name: 'b', type: 'password', workspaces: ['ws-aaaaaaaa', 'ws-bbbbbbbb'] })
    await create({ name: 'c', type: 'file', isEnabled: false })
    const key = await create({ name: 'd', type: 'key', value: PEM })
    server.clock.advance(DAY_MS)
    const other = PEM.replace('MIIB', 'MIIC')
    await update(key, { value: other })
    const items = await server.core.personalSecrets.items(person.id)
    expect(items.map(({ name, usedIn, rotation, status }) => [name, usedIn, rotation, status])).toEqual([
      ['a', 'all workspaces', 'token', 'active'],
      ['b', 'ws-aaaaaaaa, ws-bbbbbbbb', 'password', 'active'],
      ['c', 'all workspaces', null, 'inactive'],
      ['d', 'all workspaces', null, 'active'],
    ])
    expect(items[0]).toMatchObject({
      kind: 'personal-secret',
      purpose: 'for a',
      accessLevel: null,
      lastUsedAt: null,
      expiresAt: new Date(expiresAt),
    })
    expect(items[3]!.rotatedAt.getTime() - items[3]!.createdAt.getTime()).toBeGreaterThanOrEqual(DAY_MS)
  })
})
