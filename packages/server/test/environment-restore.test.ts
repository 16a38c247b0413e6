import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { databases, startServer, type TestPerson, type TestServer } from './kit.ts'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

describe.each(databases)('an environment taken back to an earlier time on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let owner: TestPerson
  let project: { id: string }
  let environmentId: string

  beforeAll(async () => {
    ;({ server, stop } = await startServer(database))
    owner = await server.addPerson('admin')
  })
  afterAll(() => stop())
  beforeEach(async () => {
    project = await server.addProject(owner)
    environmentId = (await server.addEnvironment(owner, project.id, 'staging')).id
  })

  const call = (method: string, path: string, body?: object, headers?: Record<string, string>) =>
    server.request(method, `/api/v1/projects/${project.id}${path}`, {
      ...(headers ? { headers } : { token: owner.token }),
      ...(body && { body }),
    })
  const add = (name: string, value: string, environment = 'staging') =>
    server.addSecret(owner, project.id, { name, value, environment })
  const set = (secret: { id: string }, body: object) => call('PATCH', `/secrets/${secret.id}`, body)
  const remove = (secret: { id: string }) => call('DELETE', `/secrets/${secret.id}`)
  /** A moment between what was before and what comes. */
  const moment = () => {
    server.clock.advance(MINUTE_MS)
    const at = server.clock.now().toISOString()
    server.clock.advance(MINUTE_MS)
    return at
  }
  const path = () => `/environments/${environmentId}/restore`
  const preview = async (at: string) => (await call('GET', `${path()}?at=${at}`)).body
  const restore = async (at: string) => call('POST', path(), { at, expectedState: (await preview(at)).state })
  const values = async () => {
    const { secrets } = (await call('GET', '/secrets?environment=staging')).body
    const found: Record<string, string> = {}
    for (const { id, name } of secrets)
      found[name] = (await call('POST', `/secrets/${id}/reveal`, {})).body.value
    return found
  }

  test('values are as they were: changed ones as new versions, deleted ones back, later ones gone', async () => {
    await add('SAME', 'same')
    const changed = await add('CHANGED', 'one')
    const deleted = await add('DELETED', 'kept')
    const anew = await add('ANEW', 'first')
    await set(deleted, { value: 'newer' })
    const at = moment()
    await set(changed, { value: 'two' })
    await set(changed, { value: 'three' })
    await set(deleted, { value: 'newest' })
    await remove(deleted)
    await remove(anew)
    await add('ANEW', 'second')
    await add('LATER', 'later')
    await add('OTHER', 'of All', 'All')

    const { changes, isComplete } = await preview(at)
    expect([changes, isComplete]).toEqual([
      [
        { name: 'ANEW', change: 'changed' },
        { name: 'CHANGED', change: 'changed' },
        { name: 'DELETED', change: 'added' },
        { name: 'LATER', change: 'removed' },
      ],
      true,
    ])
    const now = moment()
    const answer = await restore(at)
    expect([answer.status, answer.body.changes]).toEqual([200, changes])
    const wanted = { SAME: 'same', CHANGED: 'one', DELETED: 'newer', ANEW: 'first', OTHER: 'of All' }
    expect(await values()).toEqual(wanted)
    const { versions } = (await call('GET', `/secrets/${changed.id}/versions`)).body
    expect(versions.map(({ version }: { version: number }) => version)).toEqual([4, 3, 2, 1])
    // A deleted one comes back with its history.
    const back = (await call('GET', `/secrets/${deleted.id}/versions`)).body.versions
    expect(back.map(({ version }: { version: number }) => version)).toEqual([4, 3, 2, 1])
    // The restore itself can be taken back.
    server.clock.advance(MINUTE_MS)
    expect((await restore(now)).status).toBe(200)
    expect(await values()).toEqual({
      SAME: 'same',
      CHANGED: 'three',
      ANEW: 'second',
      LATER: 'later',
      OTHER: 'of All',
    })
  })

  test('each change is recorded, with the restore before them; no record and no answer holds a value', async () => {
    const secret = await add('CHANGED', 'canary-one')
    const gone = await add('GONE', 'canary-gone')
    const at = moment()
    await set(secret, { value: 'canary-two' })
    await remove(gone)
    await add('LATER', 'canary-later')
    const answer = await restore(at)
    expect(answer.text).not.toContain('canary')
    const records = (await server.records(4)).toReversed()
    expect(records.map(({ action, outcome, target }) => [action, outcome, target?.name])).toEqual([
      ['environment.restore', 'success', 'staging'],
      ['secret.delete', 'success', 'LATER'],
      ['secret.update', 'success', 'CHANGED'],
      ['secret.create', 'success', 'GONE'],
    ])
    expect(JSON.stringify(records)).not.toContain('canary')
  })

  test('what changed after the preview is 409, and nothing was changed', async () => {
    const secret = await add('NAME', 'one')
    const at = moment()
    await set(secret, { value: 'two' })
    const { state } = await preview(at)
    for (const between of [
      () => set(secret, { value: 'three' }),
      () => add('NEW', 'x'),
      () => remove(secret),
    ]) {
      await between()
      const before = await values()
      const answer = await call('POST', path(), { at, expectedState: state })
      expect([answer.status, answer.body.code]).toEqual([409, 'environment.changed'])
      expect(await values()).toEqual(before)
    }
  })

  test('of two restores at once one is done', async () => {
    const secret = await add('NAME', 'one')
    const at = moment()
    await set(secret, { value: 'two' })
    const { state } = await preview(at)
    const answers = await Promise.all(
      Array.from({ length: 4 }, () => call('POST', path(), { at, expectedState: state })),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409])
    expect((await call('GET', `/secrets/${secret.id}`)).body.version).toBe(3)
  })

  test('all or nothing: a value that does not fit its type any more changes none', async () => {
    const file = await server.addSecret(owner, project.id, {
      name: 'B_FILE',
      type: 'file',
      value: 'x'.repeat(30_000),
      environment: 'staging',
    })
    const other = await add('A_OTHER', 'one')
    const at = moment()
    await set(other, { value: 'two' })
    await set(file, { type: 'token', value: 'short' })
    const answer = await restore(at)
    expect([answer.status, answer.body.errors?.[0]?.field]).toEqual([400, 'B_FILE'])
    expect(await values()).toEqual({ A_OTHER: 'two', B_FILE: 'short' })
  })

  test('what has references has them again', async () => {
    await add('HOST', 'h')
    const body = {
      name: 'URL',
      type: 'token',
      value: `\${HOST}`,
      environment: 'staging',
      hasReferences: true,
    }
    const url = (await call('POST', '/secrets', body)).body
    const at = moment()
    await set(url, { value: 'literal', hasReferences: false })
    await remove(url)
    expect((await restore(at)).status).toBe(200)
    const revealed = await call('POST', `/secrets/${url.id}/reveal`, { resolve: true })
    expect(revealed.body.value).toBe('h')
    const first = await call('POST', `/secrets/${url.id}/reveal`, { resolve: true, version: 1 })
    expect(first.body.value).toBe('h')
  })

  test('a deleted secret is found nowhere, and is gone for good after 30 days', async () => {
    const secret = await add('GONE', 'canary')
    const at = moment()
    await remove(secret)
    expect((await call('GET', `/secrets/${secret.id}`)).status).toBe(404)
    expect((await call('POST', `/secrets/${secret.id}/reveal`, {})).status).toBe(404)
    await server.core.environmentRestores.forgetDeleted()
    expect((await preview(at)).changes).toEqual([{ name: 'GONE', change: 'added' }])
    server.clock.advance(31 * DAY_MS)
    await server.core.environmentRestores.forgetDeleted()
    const { db } = server.core.storage
    for (const table of ['deleted_secrets', 'deleted_secret_versions'] as const)
      expect(await db.selectFrom(table).selectAll().execute()).toEqual([])
    const late = await preview(at)
    expect([late.changes, late.isComplete]).toEqual([[], false])
  })

  test('a browser session needs its password anew; the future and what is no time are 400', async () => {
    const at = moment()
    const cookie = await server.signIn(owner)
    server.clock.advance(11 * MINUTE_MS)
    const { state } = await preview(at)
    const answer = await call('POST', path(), { at, expectedState: state }, { cookie })
    expect([answer.status, answer.body.code]).toEqual([403, 'session.reauthentication_required'])
    const future = new Date(server.clock.now().getTime() + MINUTE_MS).toISOString()
    for (const wrong of [future, 'yesterday', '']) {
      const refused = await call('GET', `${path()}?at=${wrong}`)
      expect([refused.status, refused.body.errors?.[0]?.field], wrong).toEqual([400, 'at'])
    }
  })
})
