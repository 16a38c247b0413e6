import { routes } from '@keyhold/contract/api/routes'
import { shareLevels } from '@keyhold/contract/api/workspaces'
import { auditLine } from '@keyhold/contract/audit-line'
import { limits } from '@keyhold/contract/limits'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { databases, startServer, type TestPerson, type TestServer } from './kit.ts'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
const PEM = '-----BEGIN PRIVATE KEY-----\nMIIBVQIBADANBgkq\n-----END PRIVATE KEY-----\n'

/** What each level gets (acceptance 6.1): owner, Admin, Edit, View, and who has no share. */
const matrix: Record<string, readonly number[]> = {
  'workspace-secret.list': [200, 200, 200, 403, 404],
  'workspace-secret.get': [200, 200, 200, 403, 404],
  'workspace-secret.versions': [200, 200, 200, 403, 404],
  'workspace-secret.reveal': [200, 200, 403, 403, 404],
  'workspace-secret.create': [201, 403, 403, 403, 404],
  'workspace-secret.update': [200, 403, 403, 403, 404],
  'workspace-secret.delete': [204, 403, 403, 403, 404],
}

describe.each(databases)('secrets of workspaces on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let owner: TestPerson
  let people: Record<'admin' | 'edit' | 'view', TestPerson>
  let stranger: TestPerson
  let workspace: { id: string; name: string }
  let count = 0

  beforeAll(async () => {
    ;({ server, stop } = await startServer(database))
    owner = await server.addPerson()
    people = {
      admin: await server.addPerson(),
      edit: await server.addPerson(),
      view: await server.addPerson(),
    }
    // An administrator of the instance has no rights in workspaces of others.
    stranger = await server.addPerson('admin')
  })
  afterAll(() => stop())
  beforeEach(async () => {
    server.clock.advance(MINUTE_MS + 1)
    workspace = await addWorkspace()
  })

  const addWorkspace = (person = owner) =>
    server.ok('POST', '/api/v1/workspaces', {
      token: person.token,
      body: { name: `Workspace ${++count}` },
    }) as Promise<{ id: string; name: string }>
  const pathOf = (secret?: { id: string }, of = workspace) =>
    `/api/v1/workspaces/${of.id}/secrets${secret ? `/${secret.id}` : ''}`
  const share = (person: TestPerson, level: string) =>
    server.ok('POST', `/api/v1/workspaces/${workspace.id}/shares`, {
      token: owner.token,
      body: { email: person.email, level },
    })
  const post = (body: object, of = workspace) =>
    server.request('POST', pathOf(undefined, of), {
      token: owner.token,
      body: { name: `NAME_${++count}`, type: 'token', value: `value ${count}`, ...body },
    })
  const create = async (body: object = {}, of = workspace) => {
    const answer = await post(body, of)
    expect(answer.status, answer.text).toBe(201)
    return answer.body
  }
  const update = (secret: { id: string }, body: object) =>
    server.request('PATCH', pathOf(secret), { token: owner.token, body })
  const remove = (secret: { id: string }) => server.request('DELETE', pathOf(secret), { token: owner.token })
  const reveal = (secret: { id: string }, version?: number, as: object = { token: owner.token }) =>
    server.request('POST', `${pathOf(secret)}/reveal`, {
      ...as,
      body: version === undefined ? {} : { version },
    })
  const find = (secret: { id: string }) => server.ok('GET', pathOf(secret), { token: owner.token })
  const list = async (person = owner, of = workspace) =>
    (await server.ok('GET', pathOf(undefined, of), { token: person.token })).workspaceSecrets
  const later = (ms: number) => new Date(server.clock.now().getTime() + ms).toISOString()
  const newest = async () => (await server.records(1))[0]!

  describe('who may do what (6.1, SEC-18, SEC-19, SEC-36 … SEC-41, SEC-43)', () => {
    const rows = routes.filter((row) => row.path.startsWith('/api/v1/workspaces/{workspaceId}/secrets'))

    test('every route is in the matrix', () => {
      expect(rows.map(({ id }) => id).sort()).toEqual(Object.keys(matrix).sort())
    })

    test.each(rows.map((row) => [row.id, row] as const))('%s', async (id, row) => {
      for (const level of shareLevels) await share(people[level], level)
      const secret = await create({ value: 'canary-of-the-owner' })
      const [asOwner, ...others] = matrix[id]!
      const askers = [
        ...shareLevels.toReversed().map((level, i) => [people[level], others[i]!] as const),
        [stranger, others[3]!] as const,
        [owner, asOwner!] as const,
      ]
      const bodies: Record<string, () => unknown> = {
        'workspace-secret.create': () => ({ name: `MADE_${++count}`, type: 'token', value: 'x' }),
        'workspace-secret.update': () => ({ description: `changed ${++count}` }),
        'workspace-secret.reveal': () => ({}),
      }
      const path = row.path.replace('{workspaceId}', workspace.id).replace('{workspaceSecretId}', secret.id)
      for (const [person, status] of askers) {
        const answer = await server.request(row.method, path, {
          token: person.token,
          ...(bodies[id] && { body: bodies[id]() }),
        })
        expect([id, person.name, answer.status]).toEqual([id, person.name, status])
        if (status > 399 || id !== 'workspace-secret.reveal')
          expect(answer.text).not.toContain('canary-of-the-owner')
        // View learns neither names nor how many there are.
        if (status > 399) expect(answer.text).not.toContain(secret.name)
        if (status < 400 && row.method === 'GET') continue
        expect(await newest()).toMatchObject({
          action: row.action,
          outcome: status < 400 ? 'success' : 'refused',
          actor: { id: person.id },
          workspace: workspace.id,
        })
      }
    })

    test('a level that is lowered counts at the next request (SEC-42)', async () => {
      const secret = await create()
      await share(people.admin, 'admin')
      expect((await reveal(secret, 1, { token: people.admin.token })).status).toBe(200)
      await server.ok('PATCH', `/api/v1/workspaces/${workspace.id}/shares/${people.admin.id}`, {
        token: owner.token,
        body: { level: 'edit' },
      })
      expect((await reveal(secret, 1, { token: people.admin.token })).status).toBe(403)
    })

    test('a secret of one workspace is missing in another, of the same owner too (SEC-21)', async () => {
      const secret = await create()
      const other = await addWorkspace()
      const missing = { id: 'wsec_00000000000000000000' }
      for (const of of [secret, missing])
        for (const [method, suffix, body] of [
          ['GET', '', undefined],
          ['GET', '/versions', undefined],
          ['PATCH', '', { value: 'stolen' }],
          ['POST', '/reveal', {}],
          ['DELETE', '', undefined],
        ] as const) {
          const answer = await server.request(method, pathOf(of, other) + suffix, {
            token: owner.token,
            ...(body && { body }),
          })
          expect([answer.status, answer.body.code]).toEqual([404, 'workspace_secret.not_found'])
        }
      expect(await list(owner, other)).toEqual([])
      expect(await list()).toHaveLength(1)
    })
  })

  describe('what is kept', () => {
    test('F37: answered with all its facts and without its value; into the variable of its name unless it says otherwise', async () => {
      const secret = await create({
        name: 'GITHUB_TOKEN',
        value: 'canary-value',
        description: 'for private repos',
        note: 'ask Ann',
        rotationDays: 30,
      })
      expect(secret).toEqual({
        id: expect.stringMatching(/^wsec_[0-9a-z]{20}$/),
        name: 'GITHUB_TOKEN',
        type: 'token',
        description: 'for private repos',
        note: 'ask Ann',
        envName: 'GITHUB_TOKEN',
        filePath: null,
        isEnabled: true,
        version: 1,
        createdAt: expect.any(String),
        updatedAt: expect.any(String),
        expiresAt: null,
        lastUsedAt: null,
        status: 'active',
        nameWarning: null,
        isMasked: true,
        rotationDays: 30,
        rotatedAt: expect.any(String),
        rotationDueAt: expect.any(String),
        isRotationDue: false,
      })
      expect(await list()).toEqual([secret])
      expect(await find(secret)).toEqual(secret)
      expect(await server.dump()).not.toContain('canary-value')
      expect(await create({ envName: null, filePath: '~/.npmrc' })).toMatchObject({
        envName: null,
        filePath: '~/.npmrc',
      })
    })

    test.each(['PATH', 'ld_preload', 'GIT_SSH', 'KEYHOLD_TOKEN', 'NODE_OPTIONS', '1A', 'A-B', '', 'a b'])(
      'SEC-8: the name %j is 400, and so is the variable',
      async (name) => {
        const answer = await post({ name, envName: 'FINE' })
        expect([answer.status, answer.body.errors?.[0]?.field]).toEqual([400, 'name'])
        const variable = await post({ envName: name })
        expect([variable.status, variable.body.errors?.[0]?.field]).toEqual([400, 'envName'])
      },
    )

    test.each(['token', './x', '~', '/', '~/../x', '/a/..', '~/a//b', '~/a\u0000', '~/.keyhold/workspace/X'])(
      'SDS-20: the path %j is 400',
      async (filePath) => {
        const answer = await post({ filePath })
        expect([answer.status, answer.body.errors?.[0]?.field]).toEqual([400, 'filePath'])
      },
    )

    test('SEC-8: the same name twice is 409; A and a are different, and another workspace has its own', async () => {
      await create({ name: 'A' })
      const twice = await post({ name: 'A', envName: 'OTHER' })
      expect([twice.status, twice.body.code, twice.body.errors[0].field]).toEqual([
        409,
        'workspace_secret.taken',
        'name',
      ])
      await create({ name: 'a' })
      await create({ name: 'A' }, await addWorkspace())
      await create({ name: 'KEY_ONE', type: 'key', value: PEM, filePath: '~/keys/one' })
      for (const [body, field] of [
        [{ envName: 'KEY_ONE' }, 'envName'],
        [{ envName: 'KEY_ONE_FILE' }, 'envName'],
        [{ filePath: '~/keys' }, 'filePath'],
        [{ filePath: '~/keys/one/two' }, 'filePath'],
      ] as const)
        expect((await post(body)).body.errors).toMatchObject([{ field }])
    })

    test('of one name wanted many times at once, exactly one gets it', async () => {
      const answers = await Promise.all(Array.from({ length: 6 }, () => post({ name: 'SAME' })))
      expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409, 409])
    })

    test('SEC-9: avoidable names are saved with a warning, good ones without', async () => {
      for (const name of ['secret123', 'key', 'password1', 'temp'])
        expect((await create({ name })).nameWarning).toEqual(expect.any(String))
      for (const name of ['GITHUB_TOKEN', 'DATABASE_URL', 'STRIPE_API_KEY'])
        expect((await create({ name })).nameWarning).toBeNull()
    })

    test('SEC-3, C16: four types; a key has to be one, a file may be anything; others are 400', async () => {
      for (const type of ['token', 'password', 'file']) await create({ type })
      await create({ type: 'key', value: PEM })
      await create({ type: 'file', value: PEM })
      for (const [body, field] of [
        [{ type: 'ssh' }, 'type'],
        [{ type: 'key', value: 'marker' }, 'value'],
        [{ value: '' }, 'value'],
        [{ value: 'marker\u0000' }, 'value'],
        [{ value: 'marker!', encoding: 'base64' }, 'value'],
        [{ value: 'm'.repeat(limits.valueBytes + 1) }, 'value'],
        [{ expiresAt: later(-1_000) }, 'expiresAt'],
        [{ rotationDays: -1 }, 'rotationDays'],
        [{ envName: null }, 'envName'],
        [{ more: 1 }, 'body'],
      ] as const) {
        const answer = await post(body)
        const fields = answer.body.errors?.map((error: { field: string }) => error.field)
        expect([answer.status, fields], JSON.stringify(body)).toEqual([400, expect.arrayContaining([field])])
        expect(answer.text).not.toContain('marker')
      }
    })

    test('SEC-4: a file of 1 MiB with all bytes comes out as it went in; one byte more is 400 and names the limit', async () => {
      const bytes = Buffer.from(Array.from({ length: limits.fileValueBytes }, (_, i) => i % 256))
      const file = await create({ type: 'file', value: bytes.toString('base64'), encoding: 'base64' })
      const { body } = await reveal(file)
      expect([body.encoding, Buffer.from(body.value, 'base64').equals(bytes)]).toEqual(['base64', true])
      const more = Buffer.concat([bytes, Buffer.from('x')]).toString('base64')
      const refused = await post({ type: 'file', value: more, encoding: 'base64' })
      expect(refused.status).toBeGreaterThanOrEqual(400)
      expect(refused.text).toMatch(/1048576|1398104/)
    })

    test('SEC-5, SEC-6, SEC-12: keys keep their newlines, URLs their characters', async () => {
      for (const [type, value] of [
        ['key', PEM],
        ['file', PEM],
        ['password', 'postgres://u:p%40ss@db:5432/shop?a=1&b=%2F'],
        ['token', 'ends with a newline\n'],
      ])
        expect((await reveal(await create({ type, value }))).body.value).toBe(value)
    })

    test('SEC-12: presets with names, types and purposes, and no values', async () => {
      const { presets } = await server.ok('GET', '/api/v1/workspace-secret-presets', { token: owner.token })
      expect(presets.map(({ name }: { name: string }) => name)).toEqual([
        'GITHUB_TOKEN',
        'DATABASE_URL',
        'STRIPE_API_KEY',
        'MAILGUN_API_KEY',
        'SSH_PRIVATE_KEY',
        'NODE_ENV',
        'DEBUG',
      ])
      for (const preset of presets)
        expect(Object.keys(preset).sort()).toEqual(['description', 'name', 'type'])
    })

    test('SEC-13: a value that was moved to another row, version or workspace does not open', async () => {
      const [a, b] = [await create({ value: 'same' }), await create({ value: 'same' })]
      const { db } = server.core.storage
      const sealedOf = async ({ id }: { id: string }) =>
        (
          await db
            .selectFrom('workspace_secret_versions')
            .select('sealed')
            .where('workspace_secret_id', '=', id)
            .executeTakeFirstOrThrow()
        ).sealed
      const sealed = await sealedOf(a)
      expect(Buffer.from(await sealedOf(b)).equals(Buffer.from(sealed))).toBe(false)
      await db
        .updateTable('workspace_secret_versions')
        .set({ sealed })
        .where('workspace_secret_id', '=', b.id)
        .execute()
      expect((await reveal(b)).body.code).toBe('secret.unreadable')
      const other = await addWorkspace()
      await db
        .updateTable('workspace_secrets')
        .set({ workspace_id: other.id })
        .where('id', '=', a.id)
        .execute()
      const moved = await server.request('POST', `${pathOf(a, other)}/reveal`, {
        token: owner.token,
        body: {},
      })
      expect(moved.body.code).toBe('secret.unreadable')
    })

    test('each workspace has a data key of its own, which goes with it, as its secrets do', async () => {
      const secret = await create({ value: 'canary-of-a-deleted-workspace' })
      const { db } = server.core.storage
      const keys = () =>
        db.selectFrom('data_keys').select('id').where('owner', '=', `workspace:${workspace.id}`).execute()
      expect(await keys()).toHaveLength(1)
      const confirm = encodeURIComponent(workspace.name)
      await server.ok('DELETE', `/api/v1/workspaces/${workspace.id}?confirm=${confirm}`, {
        token: owner.token,
      })
      expect(await keys()).toEqual([])
      expect((await reveal(secret)).body.code).toBe('workspace.not_found')
      for (const [table, column, id] of [
        ['workspace_secrets', 'workspace_id', workspace.id],
        ['workspace_secret_versions', 'workspace_secret_id', secret.id],
      ] as const)
        expect(
          await db
            .selectFrom(table)
            .selectAll()
            .where(column as 'workspace_id', '=', id)
            .execute(),
        ).toEqual([])
    })
  })

  describe('limits', () => {
    test('so many secrets, also when two want the last place at once', async () => {
      for (let i = 0; i < limits.workspaceSecretsPerWorkspace - 1; i++) await create()
      const answers = await Promise.all([post({}), post({})])
      expect(answers.map(({ status }) => status).sort()).toEqual([201, 409])
      const refused = await post({})
      expect([refused.body.code, refused.body.detail]).toEqual([
        'workspace_secret.limit',
        expect.stringContaining('there are 200'),
      ])
    })

    test('so many bytes in all, and in variables', async () => {
      const file = { type: 'file', value: 'x'.repeat(limits.fileValueBytes) }
      for (let i = 0; i < limits.workspaceTotalBytes / limits.fileValueBytes; i++) await create(file)
      expect((await post({ type: 'file', value: 'x' })).body.detail).toContain('together')
      const other = await addWorkspace()
      const most = { value: 'x'.repeat(limits.valueBytes) }
      for (let i = 0; i < Math.floor(limits.workspaceEnvironmentBytes / limits.valueBytes); i++)
        await create(most, other)
      expect((await post(most, other)).body.detail).toContain('environment')
      expect((await post({ ...most, isEnabled: false }, other)).status).toBe(201)
    })

    test('old versions are kept, up to a number', async () => {
      const secret = await create({ value: 'value 1' })
      for (let i = 2; i <= limits.versionsKept + 2; i++) await update(secret, { value: `value ${i}` })
      const { versions } = await server.ok('GET', `${pathOf(secret)}/versions`, { token: owner.token })
      expect(versions).toHaveLength(limits.versionsKept)
      expect(versions.at(-1).version).toBe(3)
      expect((await reveal(secret, 3)).body.value).toBe('value 3')
      expect((await reveal(secret, 2)).body.code).toBe('workspace_secret.not_found')
    })
  })

  describe('changes', () => {
    test('SEC-28: a new value is a new version, and keeps name, type and targets; "last rotated" moves on', async () => {
      const secret = await create({ value: 'one', filePath: '~/one' })
      server.clock.advance(MINUTE_MS)
      const changed = (await update(secret, { value: 'two' })).body
      const { updatedAt, rotatedAt, rotationDueAt } = changed
      expect(changed).toEqual({ ...secret, version: 2, updatedAt, rotatedAt, rotationDueAt })
      expect(Date.parse(rotatedAt)).toBeGreaterThan(Date.parse(secret.rotatedAt))
      expect((await reveal(secret)).body).toMatchObject({ value: 'two', version: 2 })
      expect((await reveal(secret, 1)).body.value).toBe('one')
    })

    test('SEC-29: due by its type, by its own period, or never', async () => {
      const due = async (body: object) => (await create(body)).rotationDueAt
      const inDays = (days: number) => (time: string) =>
        Math.round((Date.parse(time) - server.clock.now().getTime()) / DAY_MS) === days
      expect(await due({})).toSatisfy(inDays(90))
      expect(await due({ type: 'password' })).toSatisfy(inDays(180))
      expect(await due({ type: 'file', rotationDays: 7 })).toSatisfy(inDays(7))
      expect(await due({ type: 'file' })).toBeNull()
      expect(await due({ rotationDays: 0 })).toBeNull()
      server.clock.advance(8 * DAY_MS)
      const shown = await list()
      expect(shown.filter((one: { isRotationDue: boolean }) => one.isRotationDue)).toHaveLength(1)
      server.clock.advance(-8 * DAY_MS)
    })

    test('with another version than expected: 409 and unchanged; an update of nothing is 400', async () => {
      const secret = await create()
      const stale = await update(secret, { value: 'two', expectedVersion: 2 })
      expect([stale.status, stale.body.code]).toEqual([409, 'workspace_secret.changed'])
      expect((await update(secret, {})).status).toBe(400)
      expect((await update(secret, { name: 'RENAMED' })).status).toBe(400)
    })

    test('SEC-49: deleted it is gone, a second time 404, and the name is free again', async () => {
      const secret = await create({ name: 'GONE' })
      expect((await remove(secret)).status).toBe(204)
      for (const answer of [await remove(secret), await update(secret, { value: 'x' }), await reveal(secret)])
        expect([answer.status, answer.body.code]).toEqual([404, 'workspace_secret.not_found'])
      expect((await create({ name: 'GONE', value: 'new' })).version).toBe(1)
    })

    test('in a browser session, making, changing and revealing need a fresh password', async () => {
      const secret = await create()
      const headers = { cookie: await server.signIn(owner) }
      expect((await reveal(secret, 1, { headers })).status).toBe(200)
      server.clock.advance(11 * MINUTE_MS)
      for (const [method, path, body] of [
        ['POST', pathOf(), { name: 'NEW_ONE', type: 'token', value: 'x' }],
        ['PATCH', pathOf(secret), { value: 'x' }],
        ['POST', `${pathOf(secret)}/reveal`, {}],
      ] as const)
        expect((await server.request(method, path, { headers, body })).body.code).toBe(
          'session.reauthentication_required',
        )
      expect((await server.request('GET', pathOf(), { headers })).status).toBe(200)
    })
  })

  test('SEC-22, SEC-24, SEC-25, SEC-26: the log has a line per event, with the name and never a value', async () => {
    const secret = await create({ name: 'GITHUB_TOKEN', value: 'canary-audited' })
    await update(secret, { value: 'canary-audited' })
    await update(secret, { description: secret.description })
    await update(secret, { value: 'canary-changed' })
    await reveal(secret)
    await share(people.edit, 'edit')
    await reveal(secret, undefined, { token: people.edit.token })
    await remove(secret)
    const { records } = await server.ok('GET', '/api/v1/audit?secret=GITHUB_TOKEN&limit=20', {
      token: owner.token,
    })
    const of = records.filter(({ target }: { target?: { id?: string } }) => target?.id === secret.id)
    const lines = of.toReversed().map(auditLine)
    for (const line of lines) expect(line).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d - Secret/)
    expect(lines.map((line: string) => line.slice(22))).toEqual([
      'Secret created: GITHUB_TOKEN',
      'Secret compared: GITHUB_TOKEN',
      'Secret updated: GITHUB_TOKEN',
      'Secret accessed: GITHUB_TOKEN',
      'Secret deleted: GITHUB_TOKEN',
    ])
    const all = await server.records(20)
    expect(all).toContainEqual(
      expect.objectContaining({
        action: 'workspace-secret.read',
        outcome: 'refused',
        actor: expect.objectContaining({ id: people.edit.id }),
        target: { kind: 'workspace-secret', id: secret.id },
      }),
    )
    expect(JSON.stringify(all)).not.toContain('canary')
  })

  test('the inventory of the owner has them, with where they are used and when they are due; that of others does not', async () => {
    const person = await server.addPerson()
    workspace = await addWorkspace(person)
    await server.ok('POST', pathOf(), {
      token: person.token,
      body: { name: 'A_TOKEN', type: 'token', value: 'x', description: 'for a' },
    })
    await server.ok('POST', pathOf(), {
      token: person.token,
      body: { name: 'A_FILE', type: 'file', value: 'x', rotationDays: 5, isEnabled: false },
    })
    const { credentials } = await server.ok('GET', '/api/v1/credentials', { token: person.token })
    const shown = credentials.filter(({ kind }: { kind: string }) => kind === 'workspace-secret')
    expect(shown).toMatchObject([
      { name: 'A_FILE', usedIn: `workspace ${workspace.name}`, status: 'inactive' },
      { name: 'A_TOKEN', usedIn: `workspace ${workspace.name}`, purpose: 'for a', status: 'active' },
    ])
    expect(shown[0].rotationDueAt < shown[1].rotationDueAt).toBe(true)
    expect(
      (await server.ok('GET', '/api/v1/credentials', { token: stranger.token })).credentials,
    ).not.toContainEqual(expect.objectContaining({ kind: 'workspace-secret' }))
  })
})
