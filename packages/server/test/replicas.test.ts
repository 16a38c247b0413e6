import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startReplica, startServer, type TestKey, type TestPerson, type TestServer } from './kit.ts'

/* What two servers with one database owe each other. Rolling restarts and kills: e2e/replicas. */

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

interface Scene {
  readonly person: TestPerson
  readonly projectId: string
  readonly secretId: string
  readonly key: TestKey
  readonly cookie: string
}

/** A member of an administrator's project who has just used both servers, and an access key that has too. */
async function makeScene(): Promise<Scene> {
  const person = await here.addPerson()
  const { id: projectId } = await here.addProject(admin)
  await here.addMember(admin, projectId, person, 'regular')
  const { id: secretId } = await here.addSecret(admin, projectId, {
    name: 'TOKEN',
    value: 'value of a secret',
  })
  const scene = {
    person,
    projectId,
    secretId,
    key: await here.addKey(admin, projectId),
    cookie: await here.signIn(person),
  }
  for (const server of [here, there]) {
    expect(await readWithKey(scene, server)).toBe(200)
    expect(await readWithToken(scene, server)).toBe(200)
    expect(await readInSession(scene, server)).toBe(200)
  }
  return scene
}

const readWithKey = async ({ key }: Scene, server: TestServer) =>
  (await server.request('GET', '/api/v1/projects/current/secrets/TOKEN', { key })).status
const revealPath = ({ projectId, secretId }: Scene) =>
  `/api/v1/projects/${projectId}/secrets/${secretId}/reveal`
const readWithToken = async (scene: Scene, server: TestServer) =>
  (await server.request('POST', revealPath(scene), { token: scene.person.token, body: {} })).status
const readInSession = async (scene: Scene, server: TestServer) =>
  (await server.request('POST', revealPath(scene), { headers: { cookie: scene.cookie }, body: {} })).status

/** What is taken away at one server, and what the very next request at the other is answered. */
const takings: Record<
  string,
  {
    take: (scene: Scene) => Promise<unknown>
    key?: number
    token?: number
    session?: number
  }
> = {
  'an access key that is deactivated': {
    take: ({ projectId, key }) =>
      here.ok('POST', `/api/v1/projects/${projectId}/access-keys/${key.id}/deactivate`, {
        token: admin.token,
      }),
    key: 401,
  },
  'an access key that is deleted': {
    take: ({ projectId, key }) =>
      here.ok('DELETE', `/api/v1/projects/${projectId}/access-keys/${key.id}?confirm=${key.id}`, {
        token: admin.token,
      }),
    key: 401,
  },
  'an access key that is regenerated': {
    take: ({ projectId, key }) =>
      here.ok('POST', `/api/v1/projects/${projectId}/access-keys/${key.id}/regenerate`, {
        token: admin.token,
      }),
    key: 401,
  },
  'a token that is revoked': {
    take: async ({ person }) => {
      const { accessTokens } = await here.ok('GET', '/api/v1/access-tokens', { token: person.token })
      await here.ok('DELETE', `/api/v1/access-tokens/${accessTokens[0].id}`, { token: person.token })
    },
    token: 401,
  },
  'a session that is ended': {
    take: ({ cookie }) => here.ok('DELETE', '/api/v1/session', { headers: { cookie } }),
    session: 401,
  },
  'a member who is removed': {
    take: ({ projectId, person }) =>
      here.ok('DELETE', `/api/v1/projects/${projectId}/members/${person.id}`, { token: admin.token }),
    token: 404,
    session: 404,
  },
  'a person who is disabled': {
    take: ({ person }) =>
      here.ok('PATCH', `/api/v1/accounts/${person.id}`, { token: admin.token, body: { isDisabled: true } }),
    token: 401,
    session: 401,
  },
  'a secret that is deleted': {
    take: ({ projectId, secretId }) =>
      here.ok('DELETE', `/api/v1/projects/${projectId}/secrets/${secretId}`, { token: admin.token }),
    key: 404,
    token: 404,
    session: 404,
  },
  'a project that is deleted': {
    take: async ({ projectId }) => {
      const { name } = await here.ok('GET', `/api/v1/projects/${projectId}`, { token: admin.token })
      await here.ok('DELETE', `/api/v1/projects/${projectId}?confirm=${encodeURIComponent(name)}`, {
        token: admin.token,
      })
    },
    key: 401,
    token: 404,
    session: 404,
  },
}

describe('what is taken away at one server is gone at the other with the next request (SDS-12)', () => {
  test.each(Object.entries(takings))('%s', async (_, { take, key = 200, token = 200, session = 200 }) => {
    const scene = await makeScene()
    await take(scene)
    expect({
      key: await readWithKey(scene, there),
      token: await readWithToken(scene, there),
      session: await readInSession(scene, there),
    }).toEqual({ key, token, session })
  })
})
