import { limits } from '@keyhold/contract/limits'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { databases, startServer, type TestPerson, type TestServer } from './kit.ts'

const DAY_MS = 86_400_000

describe.each(databases)('periods and notes of secrets on %s', (database) => {
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
    project = await server.addProject(owner)
  })

  const call = (method: string, path: string, body?: object, person = owner) =>
    server.request(method, `/api/v1/projects/${project.id}${path}`, {
      token: person.token,
      ...(body && { body }),
    })
  const create = async (name: string, more: object = {}) =>
    (await call('POST', '/secrets', { name, type: 'token', value: 'some value', ...more })).body
  const get = async (secret: { id: string }) => (await call('GET', `/secrets/${secret.id}`)).body
  const set = (secret: { id: string }, body: object) => call('PATCH', `/secrets/${secret.id}`, body)
  const due = async () =>
    ((await call('GET', '/secrets')).body.secrets as { name: string; isRotationDue: boolean }[])
      .filter(({ isRotationDue }) => isRotationDue)
      .map(({ name }) => name)
  const inDays =
    (days: number, from = server.clock.now()) =>
    (time: string) =>
      Math.abs(Date.parse(time) - from.getTime() - days * DAY_MS) < 60_000

  test('SEC-29: tokens are due after 90 days and passwords after 180, keys and files never; a period of its own comes first', async () => {
    const token = await create('OF_TYPE')
    expect(token.rotationDueAt).toSatisfy(inDays(90))
    expect((await create('A_PASSWORD', { type: 'password' })).rotationDueAt).toSatisfy(inDays(180))
    expect((await create('A_FILE', { type: 'file' })).rotationDueAt).toBeNull()
    expect((await create('FILE_OF_30', { type: 'file', rotationDays: 30 })).rotationDueAt).toSatisfy(
      inDays(30),
    )
    expect((await create('NEVER', { rotationDays: 0 })).rotationDueAt).toBeNull()
    await create('OF_200', { rotationDays: 200 })
    expect(await due()).toEqual([])
    server.clock.advance(31 * DAY_MS)
    expect(await due()).toEqual(['FILE_OF_30'])
    server.clock.advance(60 * DAY_MS)
    expect(await due()).toEqual(['FILE_OF_30', 'OF_TYPE'])
    server.clock.advance(110 * DAY_MS)
    expect(await due()).toEqual(['A_PASSWORD', 'FILE_OF_30', 'OF_200', 'OF_TYPE'])
    // The periods of the instance can be changed.
    const settings = (rotationDays: object) =>
      server.ok('PATCH', '/api/v1/settings', { token: owner.token, body: { rotationDays } })
    await settings({ token: 365 })
    expect(await due()).toEqual(['A_PASSWORD', 'FILE_OF_30', 'OF_200'])
    await settings({ token: 90 })
  })

  test('SEC-28: a new value begins the period anew; a note, a description or an equal value does not', async () => {
    const secret = await create('ROTATED', { rotationDays: 10 })
    server.clock.advance(11 * DAY_MS)
    await set(secret, { note: 'looked at', description: 'looked at' })
    await set(secret, { value: 'some value' })
    expect(await due()).toEqual(['ROTATED'])
    await set(secret, { value: 'another value' })
    expect(await due()).toEqual([])
    const after = await get(secret)
    expect(after.rotatedAt).toSatisfy(inDays(0))
    expect([after.rotationDays, after.name, after.type]).toEqual([10, 'ROTATED', 'token'])
    await set(secret, { rotationDays: null })
    expect((await get(secret)).rotationDueAt).toSatisfy(inDays(90))
  })

  test('a note is in lists and details, is changed without a version, and the record has only that it was', async () => {
    const note = 'renewed by Ada\nat https://example.com → "tokens"'
    const secret = await create('NOTED', { note })
    expect((await call('GET', '/secrets')).body.secrets[0].note).toBe(note)
    const changed = (await set(secret, { note: 'canary of the note' })).body
    expect([changed.note, changed.version]).toEqual(['canary of the note', 1])
    const [record] = await server.records(1)
    expect(record).toMatchObject({ action: 'secret.update', changed: ['note'] })
    expect(JSON.stringify(record)).not.toContain('canary')
    expect((await set(secret, { note: '' })).body.note).toBe('')
    const key = await server.addKey(owner, project.id)
    const names = await server.ok('GET', '/api/v1/projects/current/names', { key })
    expect(names.secrets[0].note).toBe('')
  })

  test('what is too long, too far or no number is 400 with its field', async () => {
    for (const [body, field] of [
      [{ note: 'x'.repeat(limits.noteLength + 1) }, 'note'],
      [{ note: 'a\0b' }, 'note'],
      [{ rotationDays: -1 }, 'rotationDays'],
      [{ rotationDays: 3651 }, 'rotationDays'],
      [{ rotationDays: 1.5 }, 'rotationDays'],
    ] as const) {
      const answer = await call('POST', '/secrets', { name: 'NEW', type: 'token', value: 'x', ...body })
      expect([answer.status, answer.body.errors?.[0]?.field], JSON.stringify(body)).toEqual([400, field])
    }
  })

  test('those with a period of their own are in the inventory and reminders of who may give them a new value', async () => {
    const regular = await server.addPerson()
    const viewer = await server.addPerson()
    const stranger = await server.addPerson()
    await server.addMember(owner, project.id, regular, 'regular')
    await server.addMember(owner, project.id, viewer, 'read_only')
    await create('WITH_PERIOD', { rotationDays: 5 })
    await create('OF_TYPE')
    await create('NEVER', { rotationDays: 0 })
    server.clock.advance(6 * DAY_MS)
    const inventory = async (person: TestPerson) =>
      (await server.ok('GET', '/api/v1/credentials', { token: person.token })).credentials.filter(
        ({ kind, usedIn }: { kind: string; usedIn: string }) =>
          kind === 'secret' && usedIn.includes(project.name),
      )
    expect(await inventory(regular)).toMatchObject([
      {
        name: 'WITH_PERIOD',
        usedIn: `environment All of project ${project.name}`,
        isRotationDue: true,
      },
    ])
    expect(await inventory(owner)).toHaveLength(1)
    expect(await inventory(viewer)).toEqual([])
    expect(await inventory(stranger)).toEqual([])
  })

  test('period and note come back with a deleted secret', async () => {
    const environment = await server.addEnvironment(owner, project.id, 'staging')
    const secret = await create('GONE', { environment: 'staging', note: 'kept', rotationDays: 7 })
    server.clock.advance(60_000)
    const at = server.clock.now().toISOString()
    server.clock.advance(60_000)
    await call('DELETE', `/secrets/${secret.id}`)
    const path = `/environments/${environment.id}/restore`
    const { state } = (await call('GET', `${path}?at=${at}`)).body
    expect((await call('POST', path, { at, expectedState: state })).status).toBe(200)
    expect(await get(secret)).toMatchObject({ note: 'kept', rotationDays: 7, rotatedAt: secret.rotatedAt })
  })
})
