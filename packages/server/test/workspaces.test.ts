import { routes } from '@keyhold/contract/api/routes'
import { shareLevels } from '@keyhold/contract/api/workspaces'
import { limits } from '@keyhold/contract/limits'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { newWorkspaceId } from '../src/workspaces/workspace.ts'
import { databases, startServer, type TestPerson, type TestServer } from './kit.ts'

/** What each level gets from each route about workspaces: owner, Admin, Edit, View, and who has no share. */
const matrix: Record<
  string,
  readonly [owner: number, admin: number, edit: number, view: number, outsider: number]
> = {
  'workspace.list': [200, 200, 200, 200, 200],
  'workspace.create': [201, 201, 201, 201, 201],
  'workspace.get': [200, 200, 200, 200, 404],
  'workspace.update': [200, 403, 403, 403, 404],
  'workspace.delete': [204, 403, 403, 403, 404],
  'agent.create_enrollment': [201, 403, 403, 403, 404],
  'agent.disconnect': [204, 403, 403, 403, 404],
  'ssh.workspace': [200, 200, 200, 403, 404],
  // Of one that there is: ssh-gateway.test.ts.
  'ssh-session.list': [200, 200, 200, 403, 404],
  'share.list': [200, 200, 403, 403, 404],
  'share.create': [201, 403, 403, 403, 404],
  'share.update': [200, 403, 403, 403, 404],
  'share.delete': [204, 403, 403, 403, 404],
}

test('ids are host names that OpenSSH takes for no address (SSH-17)', () => {
  for (let i = 0; i < 1_000; i++) expect(newWorkspaceId()).toMatch(/^ws-(?=.*[a-z])[a-z0-9]{12}$/)
})

describe.each(databases)('workspaces on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let owner: TestPerson
  let people: Record<'admin' | 'edit' | 'view', TestPerson>
  let stranger: TestPerson
  let guest: TestPerson
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
    guest = await server.addPerson()
  })
  afterAll(() => stop())
  beforeEach(async () => {
    workspace = await create()
  })

  const create = (body: object = {}, person = owner) =>
    server.ok('POST', '/api/v1/workspaces', {
      token: person.token,
      body: { name: `Workspace ${++count}`, ...body },
    })
  const call = (method: string, path = '', body?: unknown, person = owner) =>
    server.request(method, `/api/v1/workspaces/${workspace.id}${path}`, {
      token: person.token,
      ...(body !== undefined && { body }),
    })
  const share = (person: TestPerson, level: string) => call('POST', '/shares', { email: person.email, level })
  const newest = async () => (await server.records(1))[0]!

  describe('who may do what (6.1)', () => {
    const rows = routes.filter(
      (row) =>
        row.caller === 'person' &&
        /^\/api\/v1\/workspaces(?:$|\/\{workspaceId\}(?:$|\/shares|\/agent|\/enrollments|\/ssh(?!-sessions\/\{)))/.test(
          row.path,
        ),
    )

    test('every route is in the matrix', () => {
      expect(rows.map(({ id }) => id).sort()).toEqual(Object.keys(matrix).sort())
    })

    test.each(rows.map((row) => [row.id, row] as const))('%s', async (id, row) => {
      const [asOwner, ...others] = matrix[id]!
      const askers = [
        ...shareLevels.toReversed().map((level, i) => [people[level], others[i]!] as const),
        [stranger, others[3]!] as const,
        // Last, since it may be gone then.
        [owner, asOwner] as const,
      ]
      for (const level of shareLevels) expect((await share(people[level], level)).status).toBe(201)
      expect((await share(guest, 'view')).status).toBe(201)
      await server.addAgent(owner, workspace.id)
      const newcomer = await server.addPerson()
      const bodies: Record<string, () => unknown> = {
        'workspace.create': () => ({ name: `Made ${++count}` }),
        'workspace.update': () => ({ description: `changed ${++count}` }),
        'share.create': () => ({ email: newcomer.email, level: 'view' }),
        'share.update': () => ({ level: 'edit' }),
      }
      const path = row.path.replace('{workspaceId}', workspace.id).replace('{accountId}', guest.id)
      const query = id === 'workspace.delete' ? `?confirm=${encodeURIComponent(workspace.name)}` : ''
      for (const [person, status] of askers) {
        const answer = await server.request(row.method, path + query, {
          token: person.token,
          ...(bodies[id] && { body: bodies[id]() }),
        })
        expect([id, person.name, answer.status]).toEqual([id, person.name, status])
        if (status < 400 && row.method === 'GET') continue
        const record = await newest()
        expect(record).toMatchObject({
          action: row.action,
          outcome: status < 400 ? 'success' : 'refused',
          actor: { id: person.id },
        })
        if (id !== 'workspace.create') expect(record.workspace).toBe(workspace.id)
      }
    })

    test('for outsiders, a workspace that exists and one that does not are the same', async () => {
      const existing = await call('GET', '', undefined, stranger)
      const missing = await server.request('GET', '/api/v1/workspaces/ws-000000000000', {
        token: stranger.token,
      })
      const { traceId: _a, ...one } = existing.body
      const { traceId: _b, ...other } = missing.body
      expect([existing.status, one]).toEqual([missing.status, other])
    })

    test('a level that is lowered and a share that is ended count at the next request (SEC-42)', async () => {
      await share(people.admin, 'admin')
      expect((await call('GET', '/shares', undefined, people.admin)).status).toBe(200)
      await call('PATCH', `/shares/${people.admin.id}`, { level: 'view' })
      expect((await call('GET', '/shares', undefined, people.admin)).status).toBe(403)
      await call('DELETE', `/shares/${people.admin.id}`)
      expect((await call('GET', '', undefined, people.admin)).status).toBe(404)
    })

    test('whoever it is shared with may leave, and may not remove others', async () => {
      await share(people.view, 'view')
      await share(people.edit, 'edit')
      expect((await call('DELETE', `/shares/${people.edit.id}`, undefined, people.view)).status).toBe(403)
      expect((await call('DELETE', `/shares/${people.view.id}`, undefined, people.view)).status).toBe(204)
      expect((await call('GET', '', undefined, people.view)).status).toBe(404)
      expect((await call('GET', '', undefined, people.edit)).status).toBe(200)
    })

    test('in a browser session, sharing and linking need a fresh password; nothing is done without it', async () => {
      const headers = { cookie: await server.signIn(owner) }
      server.clock.advance(11 * 60_000)
      const path = `/api/v1/workspaces/${workspace.id}`
      for (const [method, at, body] of [
        ['POST', `${path}/shares`, { email: guest.email, level: 'view' }],
        ['PATCH', path, { environments: [] }],
      ] as const) {
        const answer = await server.request(method, at, { headers, body })
        expect([answer.status, answer.body.code]).toEqual([403, 'session.reauthentication_required'])
      }
      expect((await call('GET', '/shares')).body.shares).toEqual([])
    })
  })

  test('what was created is listed, with owner and own level; names are free for others', async () => {
    await share(people.edit, 'edit')
    const listed = async (person: TestPerson) =>
      (await server.ok('GET', '/api/v1/workspaces', { token: person.token })).workspaces.find(
        ({ id }: { id: string }) => id === workspace.id,
      )
    expect(await listed(owner)).toMatchObject({
      name: workspace.name,
      description: '',
      level: 'owner',
      owner: { id: owner.id, name: owner.name, email: owner.email },
      environments: [],
    })
    expect(await listed(people.edit)).toMatchObject({ level: 'edit', owner: { id: owner.id } })
    expect(await listed(guest)).toBeUndefined()
    await create({ name: workspace.name }, guest)
    const again = await server.request('POST', '/api/v1/workspaces', {
      token: owner.token,
      body: { name: ` ${workspace.name.toUpperCase()}` },
    })
    expect([again.status, again.body.code]).toEqual([409, 'workspace.name_taken'])
  })

  test('a change that changes nothing leaves no record; one that does names the fields', async () => {
    const before = await newest()
    expect((await call('PATCH', '', { name: workspace.name })).status).toBe(200)
    expect((await newest()).index).toBe(before.index)
    const answer = await call('PATCH', '', { name: `${workspace.name} anew`, description: 'for the API' })
    expect(answer.body).toMatchObject({ name: `${workspace.name} anew`, description: 'for the API' })
    expect(await newest()).toMatchObject({ action: 'workspace.update', changed: ['name', 'description'] })
    expect((await call('PATCH', '', {})).status).toBe(400)
  })

  describe('environments of projects', () => {
    let project: { id: string; name: string }
    beforeEach(async () => {
      project = await server.addProject(owner)
      await server.addEnvironment(owner, project.id, 'staging')
    })
    const link = (environments: object[]) => call('PATCH', '', { environments })
    const at = (environment: string, projectId = project.id) => ({ projectId, environment })

    test('are linked in their order, and shown to all but View (C29)', async () => {
      const answer = await link([at('STAGING'), at('All'), at('staging')])
      const shown = (environment: string) => ({
        ...at(environment),
        project: project.name,
        isAvailable: true,
      })
      expect(answer.body.environments).toEqual([shown('staging'), shown('All')])
      expect((await newest()).changed).toEqual(['environments'])
      await share(people.edit, 'edit')
      await share(people.view, 'view')
      expect((await call('GET', '', undefined, people.edit)).body.environments).toHaveLength(2)
      expect((await call('GET', '', undefined, people.view)).body.environments).toEqual([])
      expect((await link([])).body.environments).toEqual([])
    })

    test('can be linked by who may read them; another person’s project and a missing one are the same', async () => {
      const foreign = await server.addProject(stranger)
      for (const id of [foreign.id, 'prj_00000000000000000000']) {
        const answer = await link([at('staging'), at('All', id)])
        expect([answer.status, answer.body.code]).toEqual([404, 'project.not_found'])
      }
      const missing = await link([at('staging'), at('nowhere')])
      expect([missing.status, missing.body.code]).toEqual([404, 'environment.not_found'])
      expect((await call('GET')).body.environments).toEqual([])
    })

    test('of which the owner is no longer a member are marked; those that are deleted are gone', async () => {
      await link([at('staging')])
      await server.addMember(owner, project.id, stranger, 'admin')
      const path = `/api/v1/projects/${project.id}`
      await server.ok('DELETE', `${path}/members/${owner.id}`, { token: stranger.token })
      expect((await call('GET')).body.environments).toMatchObject([{ isAvailable: false }])
      const confirm = encodeURIComponent(project.name)
      await server.ok('DELETE', `${path}?confirm=${confirm}`, { token: stranger.token })
      expect((await call('GET')).body.environments).toEqual([])
    })
  })

  describe('sharing', () => {
    test('is listed by name, and takes each person once, the owner not at all', async () => {
      await share(people.view, 'view')
      const twice = await share(people.view, 'admin')
      expect([twice.status, twice.body.code]).toEqual([409, 'share.exists'])
      expect((await share(owner, 'view')).body.code).toBe('share.exists')
      expect((await call('GET', '/shares')).body.shares).toMatchObject([
        { person: { id: people.view.id, email: people.view.email }, level: 'view' },
      ])
      const nobody = await call('POST', '/shares', { email: 'nobody@example.com', level: 'view' })
      expect([nobody.status, nobody.body.code]).toEqual([404, 'account.not_found'])
      const wrong = await call('POST', '/shares', { email: people.edit.email, level: 'owner' })
      expect([wrong.status, wrong.body.errors[0].field]).toEqual([400, 'level'])
    })

    test('ends once: the second time is a 404', async () => {
      await share(people.view, 'view')
      expect((await call('DELETE', `/shares/${people.view.id}`)).status).toBe(204)
      const again = await call('DELETE', `/shares/${people.view.id}`)
      expect([again.status, again.body.code]).toEqual([404, 'share.not_found'])
      const changed = await call('PATCH', `/shares/${people.view.id}`, { level: 'edit' })
      expect(changed.body.code).toBe('share.not_found')
    })

    test('of 20 at once with one person makes one', async () => {
      const answers = await Promise.all(Array.from({ length: 20 }, () => share(people.edit, 'edit')))
      const statuses = answers.map(({ status }) => status).sort()
      expect(statuses).toEqual([201, ...Array(19).fill(409)])
    })
  })

  test('is deleted with its name only, and is gone with its shares', async () => {
    await share(people.view, 'view')
    const wrong = await call('DELETE', '?confirm=something')
    expect([wrong.status, wrong.body.code]).toEqual([400, 'workspace.confirmation'])
    expect((await call('DELETE', `?confirm=${encodeURIComponent(workspace.name)}`)).status).toBe(204)
    expect((await call('GET')).status).toBe(404)
    const { db } = server.core.storage
    const left = await db
      .selectFrom('workspace_shares')
      .selectAll()
      .where('workspace_id', '=', workspace.id)
      .execute()
    expect(left).toEqual([])
  })

  test('a person owns so many and no more, also when created at once', async () => {
    const person = await server.addPerson()
    const id = () => newWorkspaceId()
    const now = Date.now()
    const rows = Array.from({ length: limits.workspacesPerPerson - 1 }, (_, i) => ({
      id: id(),
      owner_id: person.id,
      name: `n${i}`,
      name_key: `n${i}`,
      description: '',
      created_at: now,
    }))
    await server.core.storage.transaction((tx) => tx.insertInto('workspaces').values(rows).execute())
    const answers = await Promise.all(
      ['a', 'b', 'c'].map((name) =>
        server.request('POST', '/api/v1/workspaces', { token: person.token, body: { name } }),
      ),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409])
  })
})
