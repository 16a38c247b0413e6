import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { databases, startServer, type TestPerson, type TestServer } from './kit.ts'

const PATH = '/api/v1/sessions'
const DAY_MS = 86_400_000

describe.each(databases)('sessions on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let person: TestPerson

  beforeAll(async () => {
    ;({ server, stop } = await startServer(database))
  })
  afterAll(() => stop())
  beforeEach(async () => {
    person = await server.addPerson()
  })

  type Session = Record<string, unknown> & { id: string }
  const list = async (headers: Record<string, string>): Promise<Session[]> =>
    (await server.ok('GET', PATH, { headers })).sessions
  const signIn = async (client: string): Promise<Record<string, string>> => {
    const answer = await server.request('POST', '/api/v1/session', {
      headers: { 'user-agent': client },
      body: { email: person.email, password: person.password },
    })
    return { cookie: answer.headers.get('set-cookie')!.split(';')[0]! }
  }
  const end = (id: string, headers: Record<string, string>) =>
    server.request('DELETE', `${PATH}/${id}`, { headers })

  test('are listed with where they were begun and with what, the one that asks marked', async () => {
    const first = await signIn('Firefox on the laptop')
    const second = await signIn('Safari on the phone')
    const found = await list(second)
    expect(found.map(({ client, isCurrent }) => [client, isCurrent]).sort()).toEqual([
      ['Firefox on the laptop', false],
      ['Safari on the phone', true],
    ])
    expect(found[0]).toMatchObject({ address: '127.0.0.1' })
    expect(JSON.stringify(found)).not.toContain(first.cookie!.split('=')[1])
  })

  test('one is ended: its next request is 401, the other goes on, a second time is 404', async () => {
    const [first, second] = [await signIn('first'), await signIn('second')]
    const other = (await list(second)).find(({ isCurrent }) => !isCurrent)!
    expect((await end(other.id, second)).status).toBe(204)
    expect((await server.request('GET', PATH, { headers: first })).status).toBe(401)
    expect((await list(second)).length).toBe(1)
    const again = await end(other.id, second)
    expect([again.status, again.body.code]).toEqual([404, 'session.not_found'])
    const records = (await server.records()).filter(({ action }) => action === 'session.end')
    expect(records.slice(0, 2).map(({ outcome, target }) => [outcome, target!.id])).toEqual([
      ['failed', other.id],
      ['success', other.id],
    ])
  })

  test('all others are ended at once; by a token, all', async () => {
    const [first, second] = [await signIn('first'), await signIn('second')]
    expect((await server.request('DELETE', PATH, { headers: second })).status).toBe(204)
    expect((await server.request('GET', PATH, { headers: first })).status).toBe(401)
    expect((await list(second)).length).toBe(1)
    expect((await server.request('DELETE', PATH, { token: person.token })).status).toBe(204)
    expect((await server.request('GET', PATH, { headers: second })).status).toBe(401)
  })

  test('another person’s session is 404 and goes on', async () => {
    const mine = await signIn('mine')
    const other = await server.addPerson()
    const id = await server.addSession(other)
    expect((await end(id, mine)).status).toBe(404)
    expect((await server.ok('GET', PATH, { token: other.token })).sessions).toHaveLength(1)
  })

  test('one that was idle too long is not listed', async () => {
    await server.addSession(person)
    server.clock.advance(60 * DAY_MS)
    expect((await server.ok('GET', PATH, { token: person.token })).sessions).toEqual([])
  })

  test('a token needs the scopes', async () => {
    const { token } = await server.ok('POST', '/api/v1/access-tokens', {
      token: person.token,
      body: { name: 'limited', scopes: ['sessions:read'] },
    })
    expect((await server.request('GET', PATH, { token })).status).toBe(200)
    expect((await server.request('DELETE', PATH, { token })).body.code).toBe('access.scope_missing')
  })
})
