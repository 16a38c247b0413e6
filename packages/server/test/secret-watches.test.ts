import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { limits } from '@keyhold/contract/limits'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { newId } from '../src/base/ids.ts'
import { PostgresChanges } from '../src/storage/changes.ts'
import {
  databases,
  newPostgresDatabase,
  type RequestOptions,
  startReplica,
  startServer,
  type TestKey,
  type TestPerson,
  type TestServer,
  TestStream,
} from './kit.ts'

/** Opens the stream of a machine, or of a person. */
const watch = (server: TestServer, who: RequestOptions, environment?: string, projectId = 'current') =>
  TestStream.open(
    server,
    `${projectId}/changes${environment === undefined ? '' : `?environment=${environment}`}`,
    who,
  )

/** Waits for the end of a stream, which has to come within 2 seconds of what ends it. */
async function endsSoon(stream: TestStream, why: string): Promise<void> {
  const at = performance.now()
  await stream.ended
  expect(performance.now() - at, why).toBeLessThan(2000)
}

for (const database of databases) {
  describe(`changes of secrets, as events (${database})`, () => {
    let server: TestServer
    let stop: () => Promise<void>
    let admin: TestPerson
    beforeAll(async () => {
      const started = await startServer(database)
      server = started.server
      stop = started.stop
      admin = await server.addPerson('admin')
    })
    afterAll(() => stop())

    const scene = async () => {
      const { id: projectId } = await server.addProject(admin)
      await server.addEnvironment(admin, projectId, 'staging')
      const { id: secretId } = await server.addSecret(admin, projectId, {
        name: 'API_TOKEN',
        value: 'first value of it',
        environment: 'staging',
      })
      const key = await server.addKey(admin, projectId)
      return { projectId, secretId, key }
    }
    const change = (projectId: string, secretId: string, body: object) =>
      server.ok('PATCH', `/api/v1/projects/${projectId}/secrets/${secretId}`, { token: admin.token, body })

    test('R6: one event at once, one for each change that is delivered, and none for others; alike for machine and person', async () => {
      const { projectId, secretId, key } = await scene()
      await server.addEnvironment(admin, projectId, 'production')
      const stream = await watch(server, { key }, 'staging')
      expect(stream.response.statusCode).toBe(200)
      expect(stream.response.headers['content-type']).toContain('text/event-stream')
      expect(stream.response.headers['cache-control']).toBe('no-store')
      await stream.sees(1)
      const person = await watch(server, { token: admin.token }, 'staging', projectId)
      await person.sees(1)
      // No other value: a description, another environment, a name of All that staging has itself, a member.
      await change(projectId, secretId, { description: 'what it is for' })
      await server.addSecret(admin, projectId, {
        name: 'OTHER',
        value: 'of production',
        environment: 'production',
      })
      await server.addSecret(admin, projectId, { name: 'API_TOKEN', value: 'of All, not delivered' })
      await server.addMember(admin, projectId, await server.addPerson(), 'regular')
      await change(projectId, secretId, { value: 'second value of it' })
      await stream.sees(2)
      await person.sees(2)
      await server.addSecret(admin, projectId, { name: 'FROM_ALL', value: 'taken from All' })
      await stream.sees(3)
      await person.sees(3)
      expect(new Set(stream.versions).size).toBe(3)
      expect(person.versions).toEqual(stream.versions)
      // The version is the same to whoever asks next, which is how a change is found that was missed.
      const again = await watch(server, { key }, 'staging')
      await again.sees(1)
      expect(again.versions).toEqual([stream.versions[2]])
    })

    test('R6: a change of what is only referred to is one, and so is another name of its environment', async () => {
      const { projectId, key } = await scene()
      const shared = await server.addEnvironment(admin, projectId, 'shared')
      const far = await server.addSecret(admin, projectId, {
        name: 'HOST',
        value: 'db.example.com',
        environment: 'shared',
      })
      await server.ok('POST', `/api/v1/projects/${projectId}/secrets`, {
        token: admin.token,
        body: {
          name: 'DATABASE_URL',
          type: 'token',
          value: `postgres://\${shared.HOST}/shop`,
          environment: 'staging',
          hasReferences: true,
        },
      })
      const stream = await watch(server, { key }, 'staging')
      await stream.sees(1)
      await change(projectId, far.id, { value: 'db2.example.com' })
      await stream.sees(2)
      await server.ok('PATCH', `/api/v1/projects/${projectId}/environments/${shared.id}`, {
        token: admin.token,
        body: { name: 'common' },
      })
      await stream.sees(3)
    })

    test('R6: a value of one’s own tells its person, and nobody else', async () => {
      const { projectId, secretId, key } = await scene()
      const other = await server.addPerson()
      await server.addMember(admin, projectId, other, 'regular')
      const own = await watch(server, { token: other.token }, 'staging', projectId)
      const streams = [
        await watch(server, { token: admin.token }, 'staging', projectId),
        await watch(server, { key }, 'staging'),
      ]
      for (const stream of [own, ...streams]) await stream.sees(1)
      const path = `/api/v1/projects/${projectId}/secrets/${secretId}/override`
      await server.ok('PUT', path, { token: other.token, body: { value: 'only for this person' } })
      await own.sees(2)
      await server.ok('PUT', path, { token: other.token, body: { value: 'another for this person' } })
      await own.sees(3)
      await server.ok('DELETE', path, { token: other.token })
      await own.sees(4)
      expect(own.versions[3]).toBe(own.versions[0])
      expect(new Set(own.versions).size).toBe(3)
      await change(projectId, secretId, { value: 'for everybody' })
      for (const stream of streams) {
        await stream.sees(2)
        expect(stream.versions).toHaveLength(2)
      }
    })

    test('A4: a stream ends when its key is deactivated, regenerated, deleted, not for its address or expires, its environment or project goes', async () => {
      const path = (projectId: string, key: TestKey) => `/api/v1/projects/${projectId}/access-keys/${key.id}`
      const by = { token: admin.token }
      const endings: Record<string, (projectId: string, key: TestKey) => Promise<unknown>> = {
        deactivated: (id, key) => server.ok('POST', `${path(id, key)}/deactivate`, by),
        regenerated: (id, key) => server.ok('POST', `${path(id, key)}/regenerate`, by),
        deleted: (id, key) => server.ok('DELETE', `${path(id, key)}?confirm=${key.id}`, by),
        'another address': (id, key) =>
          server.ok('PATCH', path(id, key), { ...by, body: { ipRestriction: ['192.0.2.1'] } }),
        'environment renamed': async (id) => {
          const { environments } = await server.ok('GET', `/api/v1/projects/${id}/environments`, by)
          const staging = environments.find(({ name }: { name: string }) => name === 'staging')
          await server.ok('PATCH', `/api/v1/projects/${id}/environments/${staging.id}`, {
            ...by,
            body: { name: 'stage' },
          })
        },
        'project deleted': async (id) => {
          const { name } = await server.ok('GET', `/api/v1/projects/${id}`, by)
          await server.ok('DELETE', `/api/v1/projects/${id}?confirm=${encodeURIComponent(name)}`, by)
        },
      }
      for (const [why, ending] of Object.entries(endings)) {
        const { projectId, key } = await scene()
        const stream = await watch(server, { key }, 'staging')
        await stream.sees(1)
        await ending(projectId, key)
        await endsSoon(stream, why)
        expect(stream.versions, why).toHaveLength(1)
      }
      const { projectId } = await scene()
      const expiresAt = new Date(server.clock.now().getTime() + 3_600_000).toISOString()
      const stream = await watch(server, { key: await server.addKey(admin, projectId, { expiresAt }) })
      await stream.sees(1)
      server.clock.advance(3_600_001)
      await endsSoon(stream, 'expired')
    })

    test('A4, ASVS 7.4.2: a person’s stream ends when the account is disabled, the token deleted, the session ended, the membership taken away', async () => {
      interface Watcher {
        readonly person: TestPerson
        readonly projectId: string
        readonly who: RequestOptions
      }
      const by = { token: admin.token }
      const tokenOf = async (person: TestPerson) =>
        server.ok('POST', '/api/v1/access-tokens', { token: person.token, body: { name: 'watching' } })
      const endings: Record<string, (watcher: Watcher) => Promise<unknown>> = {
        'account disabled': ({ person }) =>
          server.ok('PATCH', `/api/v1/accounts/${person.id}`, { ...by, body: { isDisabled: true } }),
        'sessions ended': ({ person }) => server.ok('DELETE', `/api/v1/accounts/${person.id}/sessions`, by),
        'signed out': ({ who }) => server.ok('DELETE', '/api/v1/session', who),
        'no member any more': ({ projectId, person }) =>
          server.ok('DELETE', `/api/v1/projects/${projectId}/members/${person.id}`, by),
      }
      for (const [why, ending] of Object.entries(endings)) {
        const { projectId } = await scene()
        const person = await server.addPerson()
        await server.addMember(admin, projectId, person, 'read_only')
        const who = { headers: { cookie: await server.newSession(person) } }
        const stream = await watch(server, who, 'staging', projectId)
        await stream.sees(1)
        await ending({ person, projectId, who })
        await endsSoon(stream, why)
        expect(stream.versions, why).toHaveLength(1)
      }
      const { projectId } = await scene()
      const person = await server.addPerson()
      await server.addMember(admin, projectId, person, 'regular')
      const [kept, deleted] = [await tokenOf(person), await tokenOf(person)]
      const stays = await watch(server, { token: kept.token }, 'staging', projectId)
      const goes = await watch(server, { token: deleted.token }, 'staging', projectId)
      await Promise.all([stays.sees(1), goes.sees(1)])
      await server.ok('DELETE', `/api/v1/access-tokens/${deleted.accessToken.id}`, { token: person.token })
      await endsSoon(goes, 'token deleted')
      // Another role is no end, and the other token's stream goes on.
      await server.ok('PATCH', `/api/v1/projects/${projectId}/members/${person.id}`, {
        ...by,
        body: { role: 'read_only' },
      })
      await server.addSecret(admin, projectId, { name: 'ONE_MORE', value: 'another value' })
      await stays.sees(2)
    })

    test('ASVS 7.3.1: a stream is no use of its session, which ends as idle', async () => {
      const { projectId, secretId } = await scene()
      const cookie = await server.newSession(admin)
      const stream = await watch(server, { headers: { cookie } }, 'staging', projectId)
      await stream.sees(1)
      server.clock.advance(20 * 60_000)
      await change(projectId, secretId, { value: 'second value of it' })
      await stream.sees(2)
      server.clock.advance(11 * 60_000)
      await change(projectId, secretId, { value: 'third value of it' })
      await endsSoon(stream, 'idle')
      expect(stream.versions).toHaveLength(2)
    })

    test('A2: opening is recorded as the use of the key; 400, 401, 403 and 404 are answered as elsewhere', async () => {
      const { projectId, key } = await scene()
      const stream = await watch(server, { key }, 'staging')
      await stream.sees(1)
      const [record] = await server.records(1)
      expect(record).toMatchObject({
        action: 'secret.watch',
        outcome: 'success',
        actor: { kind: 'access-key', id: key.id },
        project: { id: projectId },
      })
      const stranger = await server.addPerson()
      const own = `/api/v1/projects/${projectId}/changes`
      for (const [path, who] of [
        ['/api/v1/projects/current/changes', { key }],
        [own, { token: admin.token }],
      ] as const) {
        expect((await server.request('GET', path)).status).toBe(401)
        const missing = await server.request('GET', `${path}?environment=nowhere`, who)
        expect(missing.body.code).toBe('environment.not_found')
        const unknown = await server.request('GET', `${path}?since=1`, who)
        expect(unknown.body).toMatchObject({
          code: 'request.invalid',
          errors: [{ message: 'there is no such field' }],
        })
      }
      const current = '/api/v1/projects/current/changes'
      expect((await server.request('GET', current, { key: { ...key, secret: 'wrong' } })).status).toBe(401)
      expect((await server.request('GET', current, { token: admin.token })).body.code).toBe(
        'project.not_found',
      )
      expect((await server.request('GET', own, { key })).body.code).toBe('project.not_found')
      const foreign = await server.request('GET', own, { token: stranger.token })
      const none = await server.request('GET', `/api/v1/projects/${newId('prj')}/changes`, {
        token: stranger.token,
      })
      expect({ ...foreign.body, traceId: '' }).toEqual({ ...none.body, traceId: '' })
      expect(foreign.status).toBe(404)
      const [refused] = (await server.records(2)).slice(1)
      expect(refused).toMatchObject({
        action: 'secret.watch',
        outcome: 'refused',
        reason: 'project.not_found',
        actor: { kind: 'person', id: stranger.id },
      })
      const { token } = await server.ok('POST', '/api/v1/access-tokens', {
        token: admin.token,
        body: { name: 'limited', scopes: ['projects:read'] },
      })
      expect((await server.request('GET', own, { token })).body.code).toBe('access.scope_missing')
    })

    test('the head alone opens no stream', async () => {
      const { projectId, key } = await scene()
      const before = server.core.secretWatches.size
      expect((await server.request('HEAD', '/api/v1/projects/current/changes', { key })).status).toBe(404)
      const path = `/api/v1/projects/${projectId}/changes`
      expect((await server.request('HEAD', path, { token: admin.token })).status).toBe(404)
      // Fewer, where those of other tests have just been closed.
      expect(server.core.secretWatches.size).toBeLessThanOrEqual(before)
    })

    test('LIM-1: no more streams with one key than stated; what is closed makes room', {
      timeout: 120_000,
    }, async () => {
      const { key } = await scene()
      const streams: TestStream[] = []
      for (let i = 0; i < limits.watchesPerCaller; i++) streams.push(await watch(server, { key }))
      const refused = await watch(server, { key })
      expect(refused.response.statusCode).toBe(429)
      expect(refused.response.headers['retry-after']).toBe('60')
      streams[0]!.close()
      let status: number | undefined
      while (status !== 200) status = (await watch(server, { key })).response.statusCode
      for (const stream of streams) stream.close()
    })

    test('LIM-1: no more streams at one server than stated, whosever they are', async () => {
      const [one, other] = [await scene(), await scene()]
      const stated = limits as { watchesPerServer: number } // `as`: ten thousand would take the test's whole machine.
      const { watchesPerServer } = stated
      try {
        stated.watchesPerServer = 1
        const first = await watch(server, { key: one.key })
        // Streams of other tests may just be ending.
        while (server.core.secretWatches.size > 1) await new Promise((resolve) => setTimeout(resolve, 10))
        const refused = await watch(server, { key: other.key })
        expect(refused.response.statusCode).toBe(429)
        first.close()
        let status: number | undefined
        while (status !== 200) status = (await watch(server, { key: other.key })).response.statusCode
      } finally {
        stated.watchesPerServer = watchesPerServer
      }
    })

    test('O4: whoever does not read holds one event, and gets the newest when they do', async () => {
      const { projectId, secretId, key } = await scene()
      const caller = (await server.core.accessKeys.authenticate(key.id, key.secret, { traceId: 'test' }))! // `!`: it is right.
      const asker = { caller, origin: { traceId: 'test' } }
      const open = () => server.core.secretWatches.open(asker, projectId, 'staging', async () => true)
      const slow = await open()
      const quick = await watch(server, { key }, 'staging')
      for (let count = 1; count <= 60; count++) {
        await quick.sees(count)
        await change(projectId, secretId, { value: `value number ${count}` })
        expect(slow.readableLength).toBeLessThan(100)
      }
      await quick.sees(61)
      let text = ''
      for await (const bytes of slow) {
        text += bytes
        if (text.includes(quick.versions[60]!)) break
      }
      expect(text.match(/^event: version$/gm)!.length).toBeLessThanOrEqual(2)
    })

    test('a server that drains or stops ends all streams, and waits for none', async () => {
      const own = await startServer(database)
      const person = await own.server.addPerson('admin')
      const { id } = await own.server.addProject(person)
      const key = await own.server.addKey(person, id)
      const stream = await watch(own.server, { key })
      await stream.sees(1)
      own.server.server.drain()
      await stream.ended
      // Whoever comes while it drains is told the version, and goes elsewhere.
      const late = await watch(own.server, { key })
      expect(late.response.headers.connection).toBe('close')
      await late.ended
      expect(late.versions).toEqual(stream.versions)
      await own.stop()
    })
  })
}

describe('changes at another server (postgres)', () => {
  let here: TestServer
  let there: TestServer
  let stop: () => Promise<void>
  let admin: TestPerson
  beforeAll(async () => {
    const started = await startServer('postgres')
    here = started.server
    there = await startReplica(here)
    stop = started.stop
    admin = await here.addPerson('admin')
  })
  afterAll(async () => {
    await there.server.close()
    await stop()
  })

  test('R6, A4: a change and a revocation at one server reach the streams of the other, also past a broken connection', async () => {
    const { id: projectId } = await here.addProject(admin)
    const key = await here.addKey(admin, projectId)
    const stream = await watch(there, { key })
    await stream.sees(1)
    await here.addSecret(admin, projectId, { name: 'ONE', value: 'the first of them' })
    await stream.sees(2)
    const client = new pg.Client({ connectionString: here.config.databaseUrl })
    await client.connect()
    const { rowCount } = await client.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where application_name = 'keyhold changes' and datname = current_database()`,
    )
    await client.end()
    expect(rowCount).toBe(1)
    await here.addSecret(admin, projectId, { name: 'TWO', value: 'the second of them' })
    await stream.sees(3)
    await here.ok('POST', `/api/v1/projects/${projectId}/access-keys/${key.id}/deactivate`, {
      token: admin.token,
    })
    await endsSoon(stream, 'deactivated')
    expect(stream.versions).toHaveLength(3)
  })

  test('A4: an account that is disabled at one server has no streams at the other', async () => {
    const { id: projectId } = await here.addProject(admin)
    const person = await here.addPerson()
    await here.addMember(admin, projectId, person, 'regular')
    const stream = await watch(there, { token: person.token }, undefined, projectId)
    await stream.sees(1)
    await here.ok('PATCH', `/api/v1/accounts/${person.id}`, {
      token: admin.token,
      body: { isDisabled: true },
    })
    await endsSoon(stream, 'disabled')
  })
})

/**
 * A pooler as far as this goes: it takes LISTEN, and whoever asks for it hears nothing.
 * @returns its address, and when the first query after LISTEN has been answered.
 */
async function startDeafPooler(databaseUrl: string): Promise<{ url: string; answered: Promise<void> }> {
  const { promise: answered, resolve } = Promise.withResolvers<void>()
  const { hostname, port } = new URL(databaseUrl)
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const database = connect(Number(port), hostname)
    for (const socket of [client, database]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        client.destroy()
        database.destroy()
      })
    }
    let hasListened = false
    let hasAsked = false
    database.on('data', (bytes) => {
      client.write(bytes)
      if (hasAsked) resolve()
    })
    client.on('data', (bytes) => {
      hasAsked = hasListened
      // Of the same length, so that the message stays one (PostgreSQL protocol 3.0, Query).
      const text = bytes.toString('latin1').replace(/listen \w+/, (found) => {
        hasListened = true
        return 'select 1'.padEnd(found.length)
      })
      database.write(text, 'latin1')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const url = new URL(databaseUrl)
  url.host = `127.0.0.1:${(server.address() as AddressInfo).port}` // `as`: it listens on TCP.
  return { url: url.href, answered }
}

test('behind a pooler that carries no notifications a server knows that it hears nothing, and elsewhere that it does', async () => {
  const { url, drop } = await newPostgresDatabase()
  const pooler = await startDeafPooler(url)
  const [deaf, hearing] = [new PostgresChanges(pooler.url), new PostgresChanges(url)]
  try {
    let isDeafTold = false
    deaf.listen(() => {
      isDeafTold = true
    })
    // It also hears what the other one tells itself, and nobody knows as a project.
    await new Promise<void>((resolve) => hearing.listen((id) => id === undefined && resolve()))
    expect(hearing.isHearing).toBe(true)
    await pooler.answered
    expect([deaf.isHearing, isDeafTold]).toEqual([false, false])
  } finally {
    deaf.close()
    hearing.close()
    await drop()
  }
})
