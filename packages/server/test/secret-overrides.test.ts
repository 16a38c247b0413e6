// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references are written so
import { limits } from '@keyhold/contract/limits'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { databases, startServer, type TestPerson, type TestServer } from './kit.ts'

const PEM = '-----BEGIN PRIVATE KEY-----\nMIIBVQIBADANBgkq\n-----END PRIVATE KEY-----\n'

describe.each(databases)('own values for secrets on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let admin: TestPerson
  let ann: TestPerson
  let project: { id: string }
  let staging: { id: string }
  /** In All, in staging, and in All with another in staging. */
  let shared: { id: string }
  let own: { id: string }
  let both: { id: string; staging: string }

  beforeAll(async () => {
    ;({ server, stop } = await startServer(database))
  })
  afterAll(() => stop())
  beforeEach(async () => {
    admin = await server.addPerson()
    ann = await server.addPerson()
    project = await server.addProject(admin)
    staging = await server.addEnvironment(admin, project.id, 'staging')
    await server.addMember(admin, project.id, ann, 'read_only')
    const add = async (name: string, environment: string) =>
      server.addSecret(admin, project.id, { name, value: `${name} of ${environment}`, environment })
    shared = await add('SHARED', 'All')
    own = await add('OWN', 'staging')
    const { id } = await add('BOTH', 'All')
    both = { id, staging: (await add('BOTH', 'staging')).id }
  })

  const url = (secretId: string, end = '') =>
    `/api/v1/projects/${project.id}/secrets/${secretId}/override${end}`
  const set = (secretId: string, body: object, as: object = { token: ann.token }) =>
    server.request('PUT', url(secretId), { ...as, body })
  const reveal = (secretId: string, environment?: string, as: object = { token: ann.token }) =>
    server.request('POST', url(secretId, '/reveal'), { ...as, body: environment ? { environment } : {} })
  const unset = (secretId: string, environment?: string, as: object = { token: ann.token }) =>
    server.request('DELETE', url(secretId, environment ? `?environment=${environment}` : ''), as)
  const value = async (secretId: string, environment?: string, person = ann) => {
    const answer = await reveal(secretId, environment, { token: person.token })
    return answer.status === 200 ? answer.body.value : answer.body.code
  }
  const sources = async (environment?: string, person = ann) => {
    const query = environment === undefined ? '' : `?environment=${environment}`
    const { secrets } = await server.ok('GET', `/api/v1/projects/${project.id}/secrets${query}`, {
      token: person.token,
    })
    return Object.fromEntries(
      (secrets as { name: string; environment: string; source: string }[]).map((secret) => [
        environment === undefined ? `${secret.name} ${secret.environment}` : secret.name,
        secret.source,
      ]),
    )
  }
  const rows = async () =>
    (await server.core.storage.db.selectFrom('secret_overrides').selectAll().execute()).filter(
      ({ project_id }) => project_id === project.id,
    )

  test('the list names the caller’s own values of the whole project, also where an environment takes the name from All, and nobody else’s', async () => {
    await set(shared.id, { value: 'mine', environment: 'staging' })
    await set(own.id, { value: 'mine' })
    const list = (person: TestPerson) =>
      server.ok('GET', `/api/v1/projects/${project.id}/secrets`, { token: person.token })
    expect((await list(ann)).overrides).toEqual([
      { name: 'OWN', environment: 'staging' },
      { name: 'SHARED', environment: 'staging' },
    ])
    expect((await list(admin)).overrides).toEqual([])
  })

  test('C3: a member, Read Only too, sets their own value; the list says where each of their values comes from', async () => {
    const answer = await set(shared.id, { value: 'mine', environment: 'staging' })
    expect([answer.status, answer.body]).toEqual([
      200,
      {
        name: 'SHARED',
        environment: 'staging',
        version: 1,
        createdAt: expect.any(String),
        updatedAt: expect.any(String),
        isMasked: true,
      },
    ])
    await set(both.staging, { value: 'mine of both' })
    expect(await sources('staging')).toEqual({ BOTH: 'override', OWN: 'environment', SHARED: 'override' })
    expect(await sources('All')).toEqual({ BOTH: 'All', SHARED: 'All' })
    expect(await sources()).toEqual({
      'BOTH All': 'All',
      'BOTH staging': 'override',
      'OWN staging': 'environment',
      'SHARED All': 'All',
    })
    expect(await value(shared.id, 'staging')).toBe('mine')
    expect(await value(shared.id)).toBe('secret_override.not_found')
    expect(await value(both.staging)).toBe('mine of both')
  })

  test('C3: the own value for All goes to environments that take the secret from All, and to no others', async () => {
    await set(shared.id, { value: 'mine of All' })
    await set(both.id, { value: 'mine of both' })
    expect(await sources('staging')).toEqual({ BOTH: 'environment', OWN: 'environment', SHARED: 'override' })
    expect(await value(shared.id, 'STAGING')).toBe('mine of All')
    expect(await value(both.id, 'staging')).toBe('secret.not_found')
    expect(await value(both.staging, 'staging')).toBe('secret_override.not_found')
    await set(shared.id, { value: 'mine of staging', environment: 'staging' })
    expect(await value(shared.id, 'staging')).toBe('mine of staging')
    expect(await value(shared.id, 'All')).toBe('mine of All')
  })

  test('nobody else gets it or sees that it is there: no member, no Admin, no machine, no comparison', async () => {
    const before = await server.ok('GET', `/api/v1/projects/${project.id}/secrets`, { token: admin.token })
    await set(shared.id, { value: 'canary-of-ann' })
    await set(own.id, { value: 'canary-of-ann too' })
    const after = await server.ok('GET', `/api/v1/projects/${project.id}/secrets`, { token: admin.token })
    expect(after).toEqual(before)
    expect(await value(shared.id, undefined, admin)).toBe('secret_override.not_found')
    expect((await unset(shared.id, undefined, { token: admin.token })).body.code).toBe(
      'secret_override.not_found',
    )
    const project_ = `/api/v1/projects/${project.id}`
    for (const person of [admin, ann]) {
      const { token } = person
      const answer = await server.ok('POST', `${project_}/secrets/${own.id}/reveal`, { token, body: {} })
      expect(answer.value).toBe('OWN of staging')
      const compared = await server.request('GET', `${project_}/compare?left=All&right=staging`, { token })
      expect(compared.text).not.toContain('canary')
    }
    const key = await server.addKey(admin, project.id)
    const headers = {
      authorization: `Basic ${Buffer.from(`${key.id}:${key.secret}`).toString('base64')}`,
    }
    const machine = await server.ok('GET', '/api/v1/projects/current/secrets?environment=staging', {
      headers,
    })
    expect(machine.secrets.map((one: { value: string }) => one.value).sort()).toEqual([
      'BOTH of staging',
      'OWN of staging',
      'SHARED of All',
    ])
    const names = await server.ok('GET', '/api/v1/projects/current/names?environment=staging', { headers })
    expect(names.secrets.map((one: { source: string }) => one.source)).toEqual([
      'environment',
      'environment',
      'All',
    ])
    for (const answer of [
      await set(shared.id, { value: 'x' }, { headers }),
      await reveal(shared.id, undefined, { headers }),
    ])
      expect([answer.status, answer.body.code]).toEqual([404, 'project.not_found'])
    expect(await server.dump()).not.toContain('canary-of-ann')
  })

  test('a reference of another secret has the project’s value, and an own value has no references', async () => {
    await server.ok('POST', `/api/v1/projects/${project.id}/secrets`, {
      token: admin.token,
      body: { name: 'REFERS', type: 'token', value: '<${SHARED}>', hasReferences: true },
    })
    await set(shared.id, { value: 'mine ${BOTH}' })
    const { secrets } = await server.ok('GET', `/api/v1/projects/${project.id}/secrets`, { token: ann.token })
    const { id } = secrets.find(({ name }: { name: string }) => name === 'REFERS')
    const resolved = await server.ok('POST', `/api/v1/projects/${project.id}/secrets/${id}/reveal`, {
      token: ann.token,
      body: { resolve: true },
    })
    expect(resolved.value).toBe('<SHARED of All>')
    expect(await value(shared.id)).toBe('mine ${BOTH}')
  })

  test('records are under the person’s name, for them and instance administrators, and name no project', async () => {
    const boss = await server.addPerson('admin')
    await set(shared.id, { value: 'one', environment: 'staging' })
    await set(shared.id, { value: 'two', environment: 'staging' })
    await reveal(shared.id, 'staging')
    await unset(shared.id, 'staging')
    await reveal(shared.id, 'staging')
    const session = { headers: { cookie: await server.newSession(ann) } }
    server.clock.advance(11 * 60_000)
    await reveal(shared.id, 'staging', session)
    const records = (await server.records(12))
      .filter(({ action, actor }) => action.startsWith('secret-override') && actor.id === ann.id)
      .toReversed()
    const target = { kind: 'secret-override', id: expect.stringMatching(/^ovr_/), name: 'SHARED' }
    expect(records).toMatchObject([
      { action: 'secret-override.create', outcome: 'success', target: { ...target, version: 1 } },
      { action: 'secret-override.update', outcome: 'success', target: { ...target, version: 2 } },
      { action: 'secret-override.read', outcome: 'success', target: { ...target, version: 2 } },
      { action: 'secret-override.delete', outcome: 'success', target: { ...target, version: 2 } },
      { action: 'secret-override.read', outcome: 'failed', reason: 'secret_override.not_found' },
      { action: 'secret-override.read', outcome: 'refused', reason: 'session.reauthentication_required' },
    ])
    for (const record of records) {
      expect(record).toMatchObject({ actor: { id: ann.id }, environment: 'staging' })
      expect(record).not.toHaveProperty('project')
    }
    const seenBy = async (person: TestPerson) => {
      const { records: seen } = await server.ok('GET', '/api/v1/audit?limit=200', { token: person.token })
      return (seen as { action: string }[]).filter(({ action }) => action.startsWith('secret-override'))
        .length
    }
    expect(await seenBy(ann)).toBe(6)
    expect(await seenBy(admin)).toBe(0)
    expect(await seenBy(boss)).toBeGreaterThanOrEqual(6)
  })

  test('it ends with the membership, and does not come back with it', async () => {
    await set(shared.id, { value: 'mine' })
    await server.addMember(admin, project.id, await server.addPerson(), 'regular')
    await server.request('DELETE', `/api/v1/projects/${project.id}/members/${ann.id}`, { token: admin.token })
    expect(await rows()).toEqual([])
    expect(await value(shared.id)).toBe('project.not_found')
    await server.addMember(admin, project.id, ann, 'regular')
    expect(await value(shared.id)).toBe('secret_override.not_found')
  })

  test('it ends with the secret: those of All with all that took it, those of an environment with its own', async () => {
    const remove = (id: string) =>
      server.request('DELETE', `/api/v1/projects/${project.id}/secrets/${id}`, { token: admin.token })
    await set(shared.id, { value: 'mine' })
    await set(shared.id, { value: 'mine', environment: 'staging' })
    await set(shared.id, { value: 'of the Admin' }, { token: admin.token })
    await set(both.id, { value: 'mine of All' })
    await set(both.staging, { value: 'mine of staging' })
    await remove(shared.id)
    expect((await rows()).map(({ name }) => name)).toEqual(['BOTH', 'BOTH'])
    await remove(both.id)
    expect((await rows()).map(({ environment_id }) => environment_id)).toEqual([staging.id])
    await remove(both.staging)
    expect(await rows()).toEqual([])
  })

  test('it ends with the environment and with the project, and stays when the environment is renamed', async () => {
    await set(own.id, { value: 'mine' })
    await set(shared.id, { value: 'mine of All' })
    const path = `/api/v1/projects/${project.id}/environments/${staging.id}`
    await server.ok('PATCH', path, { token: admin.token, body: { name: 'live' } })
    expect(await value(own.id, 'live')).toBe('mine')
    expect((await server.request('DELETE', `${path}?confirm=live`, { token: admin.token })).status).toBe(204)
    expect((await rows()).map(({ name }) => name)).toEqual(['SHARED'])
    const { name } = await server.ok('GET', `/api/v1/projects/${project.id}`, { token: admin.token })
    const confirm = `?confirm=${encodeURIComponent(name)}`
    await server.request('DELETE', `/api/v1/projects/${project.id}${confirm}`, { token: admin.token })
    expect(await rows()).toEqual([])
  })

  test('a row that was moved to another person, name or version does not open', async () => {
    const { db } = server.core.storage
    await set(shared.id, { value: 'one' })
    const [first] = await rows()
    await set(shared.id, { value: 'two' })
    await set(own.id, { value: 'three' })
    await set(shared.id, { value: 'of the Admin' }, { token: admin.token })
    const put = (change: object, person: TestPerson, name: string) =>
      db
        .updateTable('secret_overrides')
        .set(change)
        .where('account_id', '=', person.id)
        .where('name', '=', name)
        .execute()
    await put({ sealed: first!.sealed }, ann, 'SHARED')
    expect(await value(shared.id)).toBe('secret.unreadable')
    await put({ sealed: first!.sealed, version: 1 }, ann, 'SHARED')
    expect(await value(shared.id)).toBe('one')
    await put({ sealed: first!.sealed, version: 1 }, ann, 'OWN')
    expect(await value(own.id)).toBe('secret.unreadable')
    await put({ sealed: first!.sealed, version: 1 }, admin, 'SHARED')
    expect(await value(shared.id, undefined, admin)).toBe('secret.unreadable')
  })

  test('setting and reading need a fresh password in a browser, removing does not', async () => {
    const session = { headers: { cookie: await server.newSession(ann) } }
    expect((await set(shared.id, { value: 'mine' }, session)).status).toBe(200)
    server.clock.advance(11 * 60_000)
    for (const answer of [
      await set(shared.id, { value: 'x' }, session),
      await reveal(shared.id, undefined, session),
    ])
      expect([answer.status, answer.body.code]).toEqual([403, 'session.reauthentication_required'])
    expect((await unset(shared.id, undefined, session)).status).toBe(204)
  })

  test('the value fits the type of the secret; bad input names its field, and no credential is 401', async () => {
    const { id } = await server.addSecret(admin, project.id, { name: 'A_KEY', type: 'key', value: PEM })
    expect((await set(id, { value: PEM })).status).toBe(200)
    const wrong: [object, string][] = [
      [{ value: 'no key' }, 'value'],
      [{ value: '' }, 'value'],
      [{ value: 'x', encoding: 'base64' }, 'value'],
      [{ value: 'x', hasReferences: true }, 'body'],
      [{}, 'value'],
    ]
    for (const [body, field] of wrong) {
      const answer = await set(id, body)
      expect([answer.status, answer.body.errors?.[0]?.field], answer.text).toEqual([400, field])
    }
    expect((await set(id, { value: PEM, environment: 'nowhere' })).body.code).toBe('environment.not_found')
    expect((await reveal(id, 'nowhere')).status).toBe(404)
    expect((await unset(id, 'nowhere')).status).toBe(404)
    for (const answer of [
      await set(id, { value: PEM }, {}),
      await reveal(id, undefined, {}),
      await unset(id, undefined, {}),
    ])
      expect(answer.status).toBe(401)
  })

  test('a person has so many in a project; replacing one is no more, and others have theirs', async () => {
    await set(shared.id, { value: 'mine' })
    const { db } = server.core.storage
    const [row] = await rows()
    const more = Array.from({ length: limits.overridesPerProject - 1 }, (_, i) => ({
      ...row!,
      id: `${row!.id}${i}`,
      name: `MADE_${i}`,
    }))
    await db.insertInto('secret_overrides').values(more).execute()
    expect((await set(own.id, { value: 'one more' })).body.code).toBe('secret_override.limit')
    expect(await rows()).toHaveLength(limits.overridesPerProject)
    expect((await set(shared.id, { value: 'another' })).status).toBe(200)
    expect((await set(own.id, { value: 'x' }, { token: admin.token })).status).toBe(200)
    await db.deleteFrom('secret_overrides').where('name', 'like', 'MADE_%').execute()
    const big = { type: 'file', value: 'x'.repeat(limits.fileValueBytes) }
    const files = ['FILE_1', 'FILE_2'].map((name) => server.addSecret(admin, project.id, { name, ...big }))
    const [first, second] = await Promise.all(files)
    expect((await set(first!.id, { value: big.value })).status).toBe(200)
    expect((await set(second!.id, { value: big.value })).body.code).toBe('secret_override.limit')
  })
})
