import { createHash } from 'node:crypto'
import { routes } from '@keyhold/contract/api/routes'
import { limits } from '@keyhold/contract/limits'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { databases, startServer, type TestPerson, type TestServer } from './kit.ts'

/** What each role gets from each route about projects: Admin, Regular, Read Only, and who is no member. */
const matrix: Record<string, readonly [admin: number, regular: number, readOnly: number, outsider: number]> =
  {
    'project.list': [200, 200, 200, 200],
    'project.create': [201, 201, 201, 201],
    'project.get': [200, 200, 200, 404],
    'project.update': [200, 403, 403, 404],
    'project.delete': [204, 403, 403, 404],
    'member.list': [200, 200, 200, 404],
    'member.create': [201, 403, 403, 404],
    'member.update': [200, 403, 403, 404],
    'member.delete': [204, 403, 403, 404],
    'environment.list': [200, 200, 200, 404],
    'environment.create': [201, 201, 403, 404],
    'environment.update': [200, 200, 403, 404],
    'environment.restore_preview': [200, 200, 200, 404],
    'environment.restore': [200, 200, 403, 404],
    'environment.delete': [204, 204, 403, 404],
    'secret.list': [200, 200, 200, 404],
    'secret.changes': [200, 200, 200, 404],
    'secret.create': [201, 201, 403, 404],
    'secret.get': [200, 200, 200, 404],
    'secret.update': [200, 200, 403, 404],
    'secret.delete': [204, 204, 403, 404],
    'secret.reveal': [200, 200, 200, 404],
    'secret.use': [200, 200, 200, 404],
    'secret.references': [200, 200, 200, 404],
    'secret.versions': [200, 200, 200, 404],
    'secret.restore': [200, 200, 403, 404],
    'secret.import': [200, 200, 403, 404],
    'secret.compare': [200, 200, 200, 404],
    'secret-override.set': [200, 200, 200, 404],
    'secret-override.reveal': [200, 200, 200, 404],
    'secret-override.delete': [204, 204, 204, 404],
    'access-key.list': [200, 200, 200, 404],
    'access-key.create': [201, 201, 403, 404],
    'workload-identity.list': [200, 200, 200, 404],
    'workload-identity.create': [201, 201, 403, 404],
    'workload-identity.update': [200, 200, 403, 404],
    'workload-identity.delete': [204, 204, 403, 404],
    'workload-identity.test': [200, 200, 200, 404],
    'access-key.update': [200, 200, 403, 404],
    'access-key.deactivate': [200, 200, 403, 404],
    'access-key.activate': [200, 200, 403, 404],
    'access-key.regenerate': [200, 200, 403, 404],
    'access-key.delete': [204, 204, 403, 404],
  }

const NOTHING = createHash('sha256').digest('hex')
const workloadIdentity = {
  name: 'deploy',
  preset: 'github',
  claims: { repository: 'ada/shop' },
  permission: 'read',
}

/** What a route is recorded as, where that is not its own action: each secret, and a value that was the same. */
const recordedAs: Readonly<Record<string, string>> = {
  'secret.import': 'secret.create',
  'secret.restore': 'secret.compare',
  'secret-override.set': 'secret-override.update',
}

describe.each(databases)('projects on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let owner: TestPerson
  let regular: TestPerson
  let viewer: TestPerson
  let stranger: TestPerson
  let instanceAdmin: TestPerson
  let project: { id: string; name: string }

  beforeAll(async () => {
    ;({ server, stop } = await startServer(database))
    owner = await server.addPerson()
    regular = await server.addPerson()
    viewer = await server.addPerson()
    stranger = await server.addPerson()
    instanceAdmin = await server.addPerson('admin')
  })
  afterAll(() => stop())
  beforeEach(async () => {
    project = await server.addProject(owner)
  })

  const call = (method: string, path: string, body?: unknown, person = owner) =>
    server.request(method, `/api/v1/projects/${project.id}${path}`, {
      token: person.token,
      ...(body !== undefined && { body }),
    })
  const addMember = (email: string, role = 'regular') => call('POST', '/members', { email, role })
  const members = async () =>
    (await call('GET', '/members')).body.members as { person: { id: string; email: string }; role: string }[]
  const newestIndex = async () => (await server.records(1))[0]!.index

  describe('who may do what', () => {
    const rows = routes.filter((row) => row.caller === 'person' && row.path.startsWith('/api/v1/projects'))

    /** A project with something to act on for every route. */
    async function fixture() {
      const { id, name } = await server.addProject(owner)
      await server.addMember(owner, id, regular, 'regular')
      await server.addMember(owner, id, viewer, 'read_only')
      await server.addMember(owner, id, instanceAdmin, 'read_only')
      const environment = await server.addEnvironment(owner, id, 'staging')
      const secret = await server.addSecret(owner, id, { name: 'NAME', value: 'some value' })
      for (const { token } of [owner, regular, viewer])
        await server.ok('PUT', `/api/v1/projects/${id}/secrets/${secret.id}/override`, {
          token,
          body: { value: 'own value' },
        })
      const key = await server.addKey(owner, id)
      const workload = await server.ok('POST', `/api/v1/projects/${id}/workload-identities`, {
        token: owner.token,
        body: workloadIdentity,
      })
      return {
        name,
        projectId: id,
        environmentId: environment.id,
        secretId: secret.id,
        accessKeyId: key.id,
        workloadIdentityId: workload.id,
        accountId: instanceAdmin.id,
        key,
      }
    }
    type Fixture = Awaited<ReturnType<typeof fixture>>
    let count = 0

    function send(row: (typeof rows)[number], about: Fixture, credential: object) {
      count += 1
      const bodies: Record<string, unknown> = {
        'project.create': { name: `Made ${count} ${about.projectId}` },
        'project.update': { description: `changed ${count}` },
        'member.create': { email: stranger.email, role: 'read_only' },
        'member.update': { role: 'regular' },
        'environment.create': { name: `made-${count}` },
        'environment.update': { description: `changed ${count}` },
        // The state of an environment without secrets: SHA-256 of nothing.
        'environment.restore': { at: new Date().toISOString(), expectedState: NOTHING },
        'secret.create': { name: `MADE_${count}`, type: 'token', value: 'some value' },
        'secret.update': { value: `changed ${count}` },
        'secret.reveal': {},
        'secret.use': {
          run: `run-of-test-${count}`,
          uses: [{ name: 'NAME', kind: 'read', program: 'node', file: 'app.js', line: 12 }],
        },
        'secret.restore': { version: 1 },
        'secret-override.set': { value: 'another own value' },
        'secret-override.reveal': {},
        'secret.import': { secrets: [{ name: `IMPORTED_${count}`, value: 'some value' }] },
        'access-key.create': { permission: 'read' },
        'workload-identity.create': workloadIdentity,
        'workload-identity.update': { permission: 'read_write' },
        'workload-identity.test': { subjectToken: 'x' },
        'access-key.update': { permission: 'read_write' },
      }
      const queries: Record<string, string> = {
        'project.delete': `?confirm=${encodeURIComponent(about.name)}`,
        'environment.delete': '?confirm=staging',
        'access-key.delete': `?confirm=${about.accessKeyId}`,
        'secret.compare': '?left=All&right=staging',
        'secret.references': '?environment=staging',
        'environment.restore_preview': `?at=${new Date().toISOString()}`,
      }
      const url = row.path.replaceAll(/\{(\w+)\}/g, (_, name: keyof Fixture) => String(about[name]))
      return server.request(row.method, url + (queries[row.id] ?? ''), {
        ...credential,
        ...(bodies[row.id] !== undefined && { body: bodies[row.id] }),
      })
    }

    test('the matrix names every route about projects that people call', () => {
      expect(rows.map((row) => row.id).sort()).toEqual(Object.keys(matrix).sort())
    })

    test.each(Object.entries(matrix))(
      'KEY-26, SEC-19, SEC-26: %s is %j for Admin, Regular, Read Only, outsider',
      async (id, statuses) => {
        const row = rows.find((candidate) => candidate.id === id)!
        const people = [owner, regular, viewer, stranger]
        const shared = await fixture()
        for (const [i, person] of people.entries()) {
          const isAllowed = statuses[i]! < 300
          // What is allowed may change its project; what is refused must not.
          const about = isAllowed ? await fixture() : shared
          const before = await newestIndex()
          const answer = await send(row, about, { token: person.token })
          expect([answer.status, person.name], answer.text).toEqual([statuses[i], person.name])
          const records = (await server.records(5)).filter((record) => record.index > before)
          if (!isAllowed) {
            expect(answer.body.code).toBe(statuses[i] === 404 ? 'project.not_found' : 'access.refused')
            expect(records).toMatchObject([
              {
                action: row.action,
                outcome: 'refused',
                reason: answer.body.code,
                actor: { id: person.id },
                project: { id: about.projectId },
              },
            ])
          } else if (
            id === 'secret.compare' ||
            (row.method !== 'GET' && !/^(?:access-key.activate|workload-identity.test)$/.test(id))
          ) {
            const action = recordedAs[id] ?? row.action
            expect(records).toMatchObject([{ action, outcome: 'success', actor: { id: person.id } }])
          } else expect(records).toEqual([])
        }
      },
    )

    test('a person gets 401 without a credential, a machine 404, or 403 where no project is named', async () => {
      const about = await fixture()
      for (const row of rows) {
        expect((await send(row, about, {})).status, row.id).toBe(401)
        const asMachine = await send(row, about, { key: about.key })
        expect(asMachine.status, row.id).toBe(row.path === '/api/v1/projects' ? 403 : 404)
      }
    })

    test('not yours and not there are one answer, for administrators of the instance too', async () => {
      const mine = await fixture()
      await server.ok('DELETE', `/api/v1/projects/${mine.projectId}/members/${instanceAdmin.id}`, {
        token: owner.token,
      })
      const missing = { ...mine, projectId: 'prj_00000000000000000000' }
      for (const row of rows.filter((candidate) => candidate.path.includes('{projectId}'))) {
        for (const person of [stranger, instanceAdmin]) {
          const [foreign, absent] = [
            await send(row, mine, { token: person.token }),
            await send(row, missing, { token: person.token }),
          ]
          expect(foreign.status, row.id).toBe(404)
          expect({ ...foreign.body, traceId: '' }).toEqual({ ...absent.body, traceId: '' })
        }
      }
    })
  })

  describe('projects', () => {
    test('whoever makes a project is its Admin, and sees only their own', async () => {
      const made = await server.request('POST', '/api/v1/projects', {
        token: regular.token,
        body: { name: '  Läden 店 ', description: 'what for' },
      })
      expect(made.status).toBe(201)
      expect(made.body).toMatchObject({ name: '  Läden 店 ', description: 'what for', role: 'admin' })
      const names = async (person: TestPerson) =>
        (await server.ok('GET', '/api/v1/projects', { token: person.token })).projects.map(
          (listed: { id: string }) => listed.id,
        )
      expect(await names(regular)).toContain(made.body.id)
      expect(await names(instanceAdmin)).not.toContain(made.body.id)
      await addMember(viewer.email, 'read_only')
      const { projects } = await server.ok('GET', '/api/v1/projects', { token: viewer.token })
      expect(projects.find((listed: { id: string }) => listed.id === project.id).role).toBe('read_only')
    })

    test('a name is taken whatever its case, width and spaces around: 409, at once too', async () => {
      const name = `Unique ${project.id}`
      const create = (text: string) =>
        server.request('POST', '/api/v1/projects', { token: owner.token, body: { name: text } })
      const answers = await Promise.all(Array.from({ length: 5 }, () => create(name)))
      expect(answers.map((answer) => answer.status).sort()).toEqual([201, 409, 409, 409, 409])
      for (const text of [name.toUpperCase(), ` ${name} `, name.replace('U', '\uff35'), `${name}\u3000`]) {
        const answer = await create(text)
        expect([answer.status, answer.body.code], text).toEqual([409, 'project.name_taken'])
      }
      const renamed = await call('PATCH', '', { name: name.toLowerCase() })
      expect([renamed.status, renamed.body.code]).toEqual([409, 'project.name_taken'])
    })

    test('a name that only others use is free: creating a project tells nothing about theirs', async () => {
      const name = `Shared ${project.id}`
      for (const person of [owner, viewer]) {
        const made = await server.request('POST', '/api/v1/projects', { token: person.token, body: { name } })
        expect(made.status).toBe(201)
      }
    })

    test('wrong names and descriptions are 400', async () => {
      for (const body of [
        {},
        { name: '' },
        { name: '\t' },
        { name: 'x'.repeat(limits.nameLength + 1) },
        { name: 'half \ud83d' },
        { name: 'N', description: 'NUL \u0000' },
        { name: 'N', description: 'half \udc00' },
        { name: 'N', description: 'x'.repeat(limits.descriptionLength + 1) },
        { name: 'N', id: 'prj_mine' },
        [],
        null,
      ])
        expect(
          (await server.request('POST', '/api/v1/projects', { token: owner.token, body })).status,
          JSON.stringify(body),
        ).toBe(400)
    })

    test('renamed it keeps its id; changing nothing is no record', async () => {
      const name = `Renamed ${project.id}`
      expect((await call('PATCH', '', { name, description: 'line\nline' })).body).toMatchObject({
        id: project.id,
        name,
        description: 'line\nline',
      })
      expect((await server.records(1))[0]).toMatchObject({
        action: 'project.update',
        changed: ['name', 'description'],
      })
      const before = await newestIndex()
      expect((await call('PATCH', '', { name, description: 'line\nline' })).status).toBe(200)
      expect(await newestIndex()).toBe(before)
      expect((await call('PATCH', '', {})).status).toBe(400)
    })

    test('deletion needs the exact name, and takes everything in the project with it', async () => {
      await server.addSecret(owner, project.id, { name: 'NAME', value: 'some value' })
      const key = await server.addKey(owner, project.id)
      for (const confirm of [
        '',
        '?confirm=',
        `?confirm=${project.id}`,
        `?confirm=${project.name.toUpperCase()}`,
        `?confirm=${project.name}%20`,
      ]) {
        const answer = await call('DELETE', confirm)
        expect([answer.status, answer.body.code], confirm).toEqual([400, 'project.confirmation'])
      }
      const answers = await Promise.all(
        Array.from({ length: 4 }, () => call('DELETE', `?confirm=${encodeURIComponent(project.name)}`)),
      )
      expect(answers.map((answer) => answer.status).sort()).toEqual([204, 404, 404, 404])
      expect((await server.request('GET', '/api/v1/projects/current', { key })).status).toBe(401)
      const { db } = server.core.storage
      for (const table of ['secrets', 'environments', 'project_members', 'access_keys'] as const)
        expect(
          await db.selectFrom(table).selectAll().where('project_id', '=', project.id).execute(),
          table,
        ).toEqual([])
      expect(
        (await server.ok('POST', '/api/v1/projects', { token: owner.token, body: { name: project.name } }))
          .id,
      ).not.toBe(project.id)
    })
  })

  describe('members', () => {
    test('F66: added by e-mail address in any case, with one of three roles', async () => {
      const answer = await addMember(regular.email.toUpperCase(), 'regular')
      expect(answer.status).toBe(201)
      expect(answer.body).toMatchObject({
        person: { id: regular.id, name: regular.name, email: regular.email },
        role: 'regular',
      })
      const again = await addMember(regular.email, 'admin')
      expect([again.status, again.body.code]).toEqual([409, 'member.exists'])
      const unknown = await addMember('nobody@example.com')
      expect([unknown.status, unknown.body.code]).toEqual([404, 'account.not_found'])
      for (const body of [
        { email: viewer.email },
        { email: viewer.email, role: 'owner' },
        { email: 'no address', role: 'admin' },
        { role: 'admin' },
      ])
        expect((await call('POST', '/members', body)).status).toBe(400)
      expect((await members()).map((member) => [member.person.id, member.role])).toEqual([
        [owner.id, 'admin'],
        [regular.id, 'regular'],
      ])
    })

    test('SEC-42: a changed role and a removal count on the next request', async () => {
      await addMember(regular.email, 'regular')
      const write = async (name: string) =>
        (await call('POST', '/secrets', { name, type: 'token', value: 'x' }, regular)).status
      expect(await write('ONE')).toBe(201)
      expect((await call('PATCH', `/members/${regular.id}`, { role: 'read_only' })).body.role).toBe(
        'read_only',
      )
      expect(await write('TWO')).toBe(403)
      expect((await call('GET', '/secrets', undefined, regular)).status).toBe(200)
      expect((await call('DELETE', `/members/${regular.id}`)).status).toBe(204)
      expect((await call('GET', '/secrets', undefined, regular)).status).toBe(404)
      for (const answer of [
        await call('DELETE', `/members/${regular.id}`),
        await call('PATCH', `/members/${regular.id}`, { role: 'admin' }),
      ])
        expect([answer.status, answer.body.code]).toEqual([404, 'member.not_found'])
    })

    test('the same role again changes and records nothing', async () => {
      await addMember(regular.email, 'regular')
      const before = await newestIndex()
      expect((await call('PATCH', `/members/${regular.id}`, { role: 'regular' })).body.role).toBe('regular')
      expect(await newestIndex()).toBe(before)
    })

    test('the last Admin can neither go nor be made less; with a second one they can', async () => {
      await addMember(regular.email, 'regular')
      for (const answer of [
        await call('DELETE', `/members/${owner.id}`),
        await call('PATCH', `/members/${owner.id}`, { role: 'regular' }),
        await call('PATCH', `/members/${owner.id}`, { role: 'read_only' }),
      ])
        expect([answer.status, answer.body.code]).toEqual([409, 'member.last_admin'])
      expect((await members())[0]).toMatchObject({ person: { id: owner.id }, role: 'admin' })
      await call('PATCH', `/members/${regular.id}`, { role: 'admin' })
      expect((await call('DELETE', `/members/${owner.id}`)).status).toBe(204)
      expect((await call('GET', '', undefined, regular)).body.role).toBe('admin')
      expect((await call('GET', '')).status).toBe(404)
    })

    test('of two Admins who remove or demote each other at the same moment one stays', async () => {
      for (let round = 0; round < 4; round++) {
        project = await server.addProject(owner)
        await addMember(regular.email, 'admin')
        const act = (about: TestPerson, by: TestPerson) =>
          round % 2 === 0
            ? call('DELETE', `/members/${about.id}`, undefined, by)
            : call('PATCH', `/members/${about.id}`, { role: 'read_only' }, by)
        const answers = await Promise.all([act(owner, regular), act(regular, owner)])
        expect(answers.filter((answer) => answer.status < 300).length).toBe(1)
        for (const { status, text } of answers) expect([200, 204, 403, 404, 409], text).toContain(status)
        const left = await server.core.storage.db
          .selectFrom('project_members')
          .selectAll()
          .where('project_id', '=', project.id)
          .execute()
        expect(left.filter((member) => member.role === 'admin').length).toBe(1)
      }
    })

    test('more members added at once than the database has connections all come in', async () => {
      const { core } = server
      const now = Date.now()
      const emails = Array.from({ length: 25 }, (_, i) => `m${i}-${project.id}@example.com`)
      // Straight into the table: hashing 25 passwords would prove nothing more.
      await core.storage.transaction((tx) =>
        tx
          .insertInto('accounts')
          .values(
            emails.map((email, i) => ({
              id: `usr_${project.id}_${i}`,
              email,
              email_key: email,
              name: email,
              role: 'member' as const,
              password_hash: '',
              must_change_password: 0,
              created_at: now,
              disabled_at: null,
            })),
          )
          .execute(),
      )
      const answers = await Promise.all(emails.map((email) => addMember(email)))
      expect(answers.map((answer) => answer.status)).toEqual(Array(25).fill(201))
      expect((await members()).length).toBe(26)
    })
  })

  describe('environments', () => {
    const create = (body: object) => call('POST', '/environments', body)
    const list = async () =>
      (await call('GET', '/environments')).body.environments as {
        id: string
        name: string
        isDefault: boolean
        description: string
      }[]

    test('F65: a project begins with All; others have name, description and address; All comes first', async () => {
      const made = await create({
        name: 'Staging_1',
        description: 'for tests',
        externalUrl: 'https://staging.example.com/x?y=1',
      })
      expect(made.status).toBe(201)
      expect(made.body).toMatchObject({
        name: 'Staging_1',
        description: 'for tests',
        externalUrl: 'https://staging.example.com/x?y=1',
        isDefault: false,
      })
      await create({ name: 'a-first' })
      expect((await list()).map((environment) => [environment.name, environment.isDefault])).toEqual([
        ['All', true],
        ['a-first', false],
        ['Staging_1', false],
      ])
      const changed = await call('PATCH', `/environments/${made.body.id}`, {
        externalUrl: null,
        name: 'STAGING_1',
      })
      expect(changed.body).toMatchObject({ name: 'STAGING_1', externalUrl: null, description: 'for tests' })
      expect((await server.records(1))[0]).toMatchObject({
        action: 'environment.update',
        changed: ['name', 'externalUrl'],
        environment: 'STAGING_1',
      })
      const before = await newestIndex()
      expect(
        (await call('PATCH', `/environments/${made.body.id}`, { externalUrl: null, name: 'STAGING_1' }))
          .status,
      ).toBe(200)
      expect(await newestIndex()).toBe(before)
    })

    test('wrong names and addresses are 400', async () => {
      for (const name of [
        '',
        ' ',
        'a b',
        '-a',
        '_a',
        'ä',
        'a/b',
        'a.b',
        '*',
        'x'.repeat(65),
        'a\n',
        '..',
        null,
      ])
        expect((await create({ name })).status, JSON.stringify(name)).toBe(400)
      for (const externalUrl of [
        'javascript:alert(1)',
        'ftp://x',
        'https://user:password@host',
        'https://a b',
        'staging.example.com',
        '',
      ])
        expect((await create({ name: 'x', externalUrl })).status, externalUrl).toBe(400)
      expect((await list()).length).toBe(1)
    })

    test('KEY-27: a name is taken whatever its case: 409, by renaming and at once too', async () => {
      const answers = await Promise.all(
        ['staging', 'Staging', 'STAGING', 'staging'].map((name) => create({ name })),
      )
      expect(answers.map((answer) => answer.status).sort()).toEqual([201, 409, 409, 409])
      for (const name of ['All', 'all', 'ALL']) {
        const answer = await create({ name })
        expect([answer.status, answer.body.code], name).toEqual([409, 'environment.name_taken'])
      }
      const other = (await create({ name: 'other' })).body
      for (const name of ['StaginG', 'aLL']) {
        const answer = await call('PATCH', `/environments/${other.id}`, { name })
        expect([answer.status, answer.body.code]).toEqual([409, 'environment.name_taken'])
      }
      const here = project
      project = await server.addProject(owner)
      expect((await create({ name: 'staging' })).status, 'another project is unaffected').toBe(201)
      project = here
    })

    test('All cannot be renamed or deleted, but described', async () => {
      const [all] = await list()
      for (const answer of [
        await call('PATCH', `/environments/${all!.id}`, { name: 'Everything' }),
        await call('PATCH', `/environments/${all!.id}`, { name: 'all' }),
        await call('DELETE', `/environments/${all!.id}?confirm=All`),
        await call('DELETE', `/environments/${all!.id}`),
      ])
        expect([answer.status, answer.body.code]).toEqual([409, 'environment.default'])
      expect(
        (await call('PATCH', `/environments/${all!.id}`, { name: 'All', description: 'for all' })).status,
      ).toBe(200)
      expect(await list()).toMatchObject([{ name: 'All', isDefault: true, description: 'for all' }])
    })

    test('deletion needs the exact name and takes its secrets; then it is not found, and All is untouched', async () => {
      const made = (await create({ name: 'staging' })).body
      await server.addSecret(owner, project.id, { name: 'NAME', value: 'of staging', environment: 'staging' })
      await server.addSecret(owner, project.id, { name: 'NAME', value: 'of All' })
      const key = await server.addKey(owner, project.id)
      for (const confirm of ['', '?confirm=Staging', '?confirm=', `?confirm=${made.id}`]) {
        const answer = await call('DELETE', `/environments/${made.id}${confirm}`)
        expect([answer.status, answer.body.code]).toEqual([400, 'environment.confirmation'])
      }
      expect((await call('DELETE', `/environments/${made.id}?confirm=staging`)).status).toBe(204)
      const { secrets } = (await call('GET', '/secrets')).body
      expect(secrets.map((secret: { environment: string }) => secret.environment)).toEqual(['All'])
      const read = (query: string) =>
        server.request('GET', `/api/v1/projects/current/secrets/NAME${query}`, { key })
      expect((await read('?environment=staging')).body.code).toBe('environment.not_found')
      expect((await read('')).body.value).toBe('of All')
      for (const answer of [
        await call('DELETE', `/environments/${made.id}?confirm=staging`),
        await call('PATCH', `/environments/${made.id}`, { description: 'x' }),
      ])
        expect([answer.status, answer.body.code]).toEqual([404, 'environment.not_found'])
    })

    test('an environment is reached through its own project only', async () => {
      const made = (await create({ name: 'staging' })).body
      project = await server.addProject(owner)
      for (const answer of [
        await call('DELETE', `/environments/${made.id}?confirm=staging`),
        await call('PATCH', `/environments/${made.id}`, { description: 'x' }),
      ])
        expect([answer.status, answer.body.code]).toEqual([404, 'environment.not_found'])
    })

    test('a machine sees the environments of its project, without ids', async () => {
      await create({ name: 'staging', description: 'for tests' })
      const key = await server.addKey(owner, project.id)
      expect(await server.ok('GET', '/api/v1/projects/current/environments', { key })).toEqual({
        environments: [
          { name: 'All', description: '', isDefault: true },
          { name: 'staging', description: 'for tests', isDefault: false },
        ],
      })
    })

    test(`a project has at most ${limits.environmentsPerProject} environments, also when the last ones are made at once`, async () => {
      for (let i = 0; i < 14; i++)
        await Promise.all(
          Array.from({ length: 7 }, (_, n) => server.addEnvironment(owner, project.id, `e${i}-${n}`)),
        )
      const answers = await Promise.all(Array.from({ length: 4 }, (_, i) => create({ name: `last${i}` })))
      expect(answers.map((answer) => answer.status).sort()).toEqual([201, 409, 409, 409])
      expect((await create({ name: 'more' })).body.code).toBe('environment.limit')
      expect((await list()).length).toBe(limits.environmentsPerProject)
    })

    test('changes and deletions of one environment at once fail with 404, never with 500', async () => {
      for (let round = 0; round < 4; round++) {
        const made = (await create({ name: `gone${round}` })).body
        const answers = await Promise.all([
          call('PATCH', `/environments/${made.id}`, { description: 'x' }),
          call('DELETE', `/environments/${made.id}?confirm=gone${round}`),
          call('DELETE', `/environments/${made.id}?confirm=gone${round}`),
          call('PATCH', `/environments/${made.id}`, { description: 'y' }),
        ])
        const statuses = answers.map((answer) => answer.status)
        expect([statuses[1], statuses[2]].sort()).toEqual([204, 404])
        for (const status of [statuses[0], statuses[3]]) expect([200, 404]).toContain(status)
        expect((await list()).length).toBe(1)
      }
    })
  })
})
