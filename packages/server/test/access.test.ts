import { actionNames } from '@keyhold/contract/actions'
import { Secret } from '@keyhold/contract/secret'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Grant, inProject, instance, type RecordDetail } from '../src/access/access.ts'
import type { Asker, Machine, Person } from '../src/access/caller.ts'
import { instanceRules, machineRules, projectRules } from '../src/access/rules.ts'
import { insertVersion, openValue } from '../src/credentials/secret/secret.store.ts'
import type { SealedSecret } from '../src/credentials/secret/secret.ts'
import { type Answer, databases, startServer, type TestPerson, type TestServer } from './kit.ts'

const VALUE = 'canary-of-the-access-tests'

describe.each(databases)('access on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let owner: TestPerson
  let outsider: TestPerson
  let project: { id: string; name: string }
  let other: { id: string; name: string }
  let secretId: string
  let otherSecretId: string
  beforeAll(async () => {
    ;({ server, stop } = await startServer(database))
    owner = await server.addPerson()
    outsider = await server.addPerson()
    project = await server.addProject(owner)
    other = await server.addProject(outsider)
    secretId = (await server.addSecret(owner, project.id, { name: 'A', value: VALUE })).id
    otherSecretId = (await server.addSecret(outsider, other.id, { name: 'A', value: VALUE })).id
  })
  afterAll(() => stop())

  const askerOf = (person: TestPerson, traceId = 'test'): Asker<Person> => ({
    caller: {
      kind: 'person',
      accountId: person.id,
      name: person.name,
      role: 'member',
      mustChangePassword: false,
      hasSecondFactor: false,
      credential: { kind: 'access-token', id: 'pat_1', scopes: null, expiresAt: null, lastUsedAt: null },
    },
    origin: { traceId },
  })
  const machineOf = (id: string, permission: 'read' | 'read_write' = 'read'): Asker<Machine> => ({
    caller: {
      kind: 'access-key',
      accessKeyId: 'ak_1',
      project: { id, name: 'name' },
      permission,
      lastUsedAt: null,
    },
    origin: { traceId: 'test' },
  })

  describe('decides before anything is looked up', () => {
    let traces = 0
    test.each(['secret.read', 'secret.create', 'secret.delete', 'access-key.create'] as const)(
      '%s in a project of others or in none: neither look-up, nor work, nor opening happens, and the refusal is recorded (SEC-26)',
      async (action) => {
        const { access } = server.core
        for (const id of [project.id, 'prj_nowhere']) {
          traces += 1
          const asker = askerOf(outsider, `trace-${action}-${traces}`)
          const happened: string[] = []
          const deliver = access.deliver(
            asker,
            action,
            inProject(id),
            async () => {
              happened.push('find')
              return { found: undefined, records: [] }
            },
            async () => void happened.push('open'),
          )
          await expect(deliver).rejects.toMatchObject({ code: 'project.not_found' })
          const perform = access.perform(asker, action, inProject(id), async () => {
            happened.push('work')
            return { result: undefined, record: null }
          })
          await expect(perform).rejects.toMatchObject({ code: 'project.not_found' })
          expect(happened).toEqual([])
          const records = (await server.records(20)).filter(
            (record) => record.traceId === asker.origin.traceId,
          )
          expect(records).toHaveLength(2)
          for (const record of records)
            expect(record).toMatchObject({
              action,
              outcome: 'refused',
              reason: 'project.not_found',
              actor: { id: outsider.id },
            })
        }
      },
    )
  })

  describe('missing and not yours', () => {
    /** Everything that may differ taken away: what is left has to be equal. */
    const bare = ({ status, body, headers }: Answer) => {
      const kept = [...headers].filter(([name]) => !['date', 'content-length'].includes(name))
      const { traceId, ...rest } = body
      expect(traceId).toMatch(/^[0-9a-f]{8,}$/)
      return { status, rest, headers: kept }
    }
    const requests: readonly [method: string, path: string, body?: object][] = [
      ['GET', ''],
      ['PATCH', '', { name: 'new' }],
      ['DELETE', ''],
      ['GET', '/members'],
      ['POST', '/members', { email: 'nobody@example.com', role: 'admin' }],
      ['GET', '/environments'],
      ['POST', '/environments', { name: 'new' }],
      ['GET', '/secrets'],
      ['POST', '/secrets', { name: 'B', type: 'token', value: 'value' }],
      ['GET', '/secrets/{secret}'],
      ['PATCH', '/secrets/{secret}', { value: 'value' }],
      ['DELETE', '/secrets/{secret}'],
      ['POST', '/secrets/{secret}/reveal', {}],
      ['GET', '/secrets/{secret}/versions'],
      ['GET', '/access-keys'],
      ['POST', '/access-keys', { permission: 'read' }],
    ]

    test.each(requests)(
      '%s /projects/{project}%s: same status and body but traceId',
      async (method, path, body) => {
        const ask = async (projectId: string, id: string) =>
          bare(
            await server.request(method, `/api/v1/projects/${projectId}${path.replace('{secret}', id)}`, {
              token: outsider.token,
              ...(body && { body }),
            }),
          )
        const theirs = await ask(project.id, secretId)
        expect(theirs.status).toBe(404)
        expect(theirs.rest.code).toBe('project.not_found')
        expect(await ask('prj_00000000000000000000', secretId)).toEqual(theirs)
        expect(await ask(project.id, 'sec_00000000000000000000')).toEqual(theirs)
        expect(await ask('x', 'y')).toEqual(theirs)
      },
    )

    test("a secret of another project, asked for in one's own: same status and body but traceId", async () => {
      const ask = async (id: string) =>
        bare(
          await server.request('POST', `/api/v1/projects/${other.id}/secrets/${id}/reveal`, {
            token: outsider.token,
            body: {},
          }),
        )
      const theirs = await ask(secretId)
      expect(theirs.status).toBe(404)
      expect(await ask('sec_00000000000000000000')).toEqual(theirs)
    })
  })

  describe('a Grant', () => {
    /** A real one, as `work` gets it. */
    const realGrant = () =>
      server.core.access.perform(
        askerOf(owner),
        'secret.update',
        inProject(project.id),
        async (_tx, grant) => ({
          result: grant,
          record: null,
        }),
      )
    const sealedSecret = async (id: string, projectId: string): Promise<SealedSecret> => {
      const row = await server.core.storage.db
        .selectFrom('secret_versions')
        .select('sealed')
        .where('secret_id', '=', id)
        .executeTakeFirstOrThrow()
      // `as`: of all fields these are looked at.
      return { id, projectId, name: 'A', version: 1, sealed: row.sealed, encoding: 'utf8' } as SealedSecret
    }

    test('cannot be constructed or copied', async () => {
      expect(
        // @ts-expect-error the key is not exported
        () => new Grant(Symbol('only access.ts issues grants'), 'secret.read', `project:${project.id}`),
      ).toThrow('issued by access/')
      // @ts-expect-error nor is anything else one
      expect(() => new Grant(undefined, 'secret.read', owner)).toThrow('issued by access/')
      const real = await realGrant()
      expect(() =>
        Reflect.construct(real.constructor as typeof Grant, [Symbol(), 'secret.read', owner]),
      ).toThrow('issued by access/')
      expect(() => Object.assign(real, { owner: `project:${other.id}` })).toThrow()
      expect(real.owner).toBe(`project:${project.id}`)
    })

    test('cannot be imitated: what looks like one opens and stores nothing', async () => {
      const { vault, storage } = server.core
      const secret = await sealedSecret(secretId, project.id)
      const real = await realGrant()
      // @ts-expect-error a Grant has a private field, so no other type fits
      const plain: Grant<'secret.read'> = { owner: `project:${project.id}`, action: 'secret.read' }
      for (const imitation of [
        plain,
        Object.create(Grant.prototype, { owner: { value: `project:${project.id}` } }),
        { ...real },
        structuredClone(real),
        new Proxy(real, {}),
      ] as Grant<'secret.read'>[]) {
        await expect(openValue(storage.db, vault, imitation, secret)).rejects.toThrow('issued by access/')
        const insert = storage.transaction((tx) =>
          insertVersion(
            tx,
            vault,
            imitation as never,
            { ...secret, version: 2 },
            new Secret(Buffer.from('x')),
            {
              encoding: 'utf8',
              createdAt: 0,
              createdBy: null,
              references: [],
            },
          ),
        )
        await expect(insert).rejects.toThrow('issued by access/')
      }
      expect(Buffer.from((await openValue(storage.db, vault, real, secret)).reveal()).toString()).toBe(VALUE)
    })

    test("is for its own project: store functions refuse another one's secret", async () => {
      const { vault, storage } = server.core
      const real = await realGrant()
      const theirs = await sealedSecret(otherSecretId, other.id)
      await expect(openValue(storage.db, vault, real, theirs)).rejects.toThrow('for another owner')
      // A row that says it is of the grant's project does not open either: it was sealed for the other.
      await expect(
        openValue(storage.db, vault, real, { ...theirs, projectId: project.id }),
      ).rejects.toMatchObject({
        code: 'secret.unreadable',
      })
      const insert = storage.transaction((tx) =>
        insertVersion(tx, vault, real, { ...theirs, version: 2 }, new Secret(Buffer.from('x')), {
          encoding: 'utf8',
          createdAt: 0,
          createdBy: null,
          references: [],
        }),
      )
      await expect(insert).rejects.toThrow('for another owner')
      expect(
        await storage.db
          .selectFrom('secret_versions')
          .select('version')
          .where('secret_id', '=', otherSecretId)
          .execute(),
      ).toHaveLength(1)
    })

    test('of the instance opens nothing in a project', async () => {
      const { access, vault, storage } = server.core
      const secret = await sealedSecret(secretId, project.id)
      const attempt = access.perform(askerOf(owner), 'project.create', instance, async (_tx, grant) => ({
        result: await openValue(storage.db, vault, grant as never, secret),
        record: null,
      }))
      await expect(attempt).rejects.toThrow('for another owner')
    })
  })

  describe('rights', () => {
    test('what no rule names is refused, for every action and every kind of caller', async () => {
      const { access } = server.core
      const attempt = async (asker: Asker, action: (typeof actionNames)[number], scope: typeof instance) =>
        access
          .perform(asker, action, scope, async () => ({ result: 'allowed', record: null }))
          .catch((error: { code: string }) => error.code)
      for (const action of actionNames) {
        const isAdminOfProject = projectRules[action]?.includes('admin')
        expect(await attempt(askerOf(owner), action, inProject(project.id)), action).toBe(
          isAdminOfProject ? 'allowed' : 'access.refused',
        )
        expect(await attempt(askerOf(outsider), action, inProject(project.id)), action).toBe(
          'project.not_found',
        )
        expect(await attempt(askerOf(owner), action, instance), action).toBe(
          instanceRules[action] === 'member' ? 'allowed' : 'access.refused',
        )
        for (const permission of ['read', 'read_write'] as const)
          expect(
            await attempt(machineOf(project.id, permission), action, inProject(project.id)),
            action,
          ).toBe(machineRules[action]?.includes(permission) ? 'allowed' : 'access.refused')
        expect(await attempt(machineOf(other.id, 'read_write'), action, inProject(project.id)), action).toBe(
          'project.not_found',
        )
        expect(await attempt(machineOf(project.id, 'read_write'), action, instance), action).toBe(
          'access.refused',
        )
      }
    }, 60_000)

    test('that are taken away between the decision and the change count: the change is undone and recorded', async () => {
      const { access, storage } = server.core
      const member = await server.addPerson()
      await server.addMember(owner, project.id, member, 'regular')
      const before = await storage.db.selectFrom('secrets').select('id').execute()
      // Holds the writers' turn while both requests are past their first decision.
      const removed = storage.transaction(async (tx) => {
        const pending = access.perform(
          askerOf(member, 'too-late'),
          'secret.delete',
          inProject(project.id),
          async (own) => {
            await own.deleteFrom('secrets').where('id', '=', secretId).execute()
            return { result: undefined, record: {} as RecordDetail }
          },
        )
        pending.catch(() => {})
        await tx.deleteFrom('project_members').where('account_id', '=', member.id).execute()
        return { pending }
      })
      const outcome = await (await removed).pending.then(
        () => 'allowed',
        (error: { code: string }) => error.code,
      )
      // On PostgreSQL the request may have been whole before the removal was.
      if (database === 'sqlite') expect(outcome).toBe('project.not_found')
      if (outcome === 'allowed') return
      expect(await storage.db.selectFrom('secrets').select('id').execute()).toEqual(before)
      const record = (await server.records(20)).find(({ traceId }) => traceId === 'too-late')
      expect(record).toMatchObject({ action: 'secret.delete', reason: 'project.not_found' })
      expect(record?.outcome).not.toBe('success')
    })

    test('refused attempts of machines are recorded with their key (SEC-26)', async () => {
      const key = await server.addKey(owner, project.id)
      const client = 'refused-machine'
      const answers = [
        await server.request('POST', '/api/v1/projects/current/secrets', {
          key,
          headers: { 'user-agent': client },
          body: { name: 'B', type: 'token', value: VALUE },
        }),
        await server.request('DELETE', '/api/v1/projects/current/secrets/A', {
          key,
          headers: { 'user-agent': client },
        }),
        await server.request('GET', `/api/v1/projects/${project.id}/secrets`, {
          key,
          headers: { 'user-agent': client },
        }),
      ]
      expect(answers.map((answer) => answer.status)).toEqual([403, 403, 404])
      const records = (await server.records(20)).filter((record) => record.client === client)
      expect(records.map(({ action, outcome, actor }) => [action, outcome, actor.id]).toSorted()).toEqual([
        ['secret.create', 'refused', key.id],
        ['secret.delete', 'refused', key.id],
        ['secret.list', 'refused', key.id],
      ])
    })
  })
})
