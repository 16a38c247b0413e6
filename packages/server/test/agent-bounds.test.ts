// How much the credential of an agent can make the server write down: others than the owner of a workspace can read it.
import { limits } from '@keyhold/contract/limits'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { TestAgent } from './agent-kit.ts'
import { databases, startServer, type TestPerson, type TestServer } from './kit.ts'

const CURRENT = '/api/v1/workspaces/current'
/** In which one record's worth comes back. */
const RECORD_MS = 60_000 / limits.agentRecordsPerMinute

describe.each(databases)('what an agent makes the server write down, on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let owner: TestPerson
  let workspaceId: string
  let agent: string
  let count = 0

  beforeAll(async () => {
    ;({ server, stop } = await startServer(database))
    server.clock.stand()
  })
  afterAll(() => stop())
  beforeEach(async () => {
    owner = await server.addPerson()
    ;({ id: workspaceId } = await post('/api/v1/workspaces', { name: `api ${++count}` }))
    agent = await server.addAgent(owner, workspaceId)
  })

  const post = (path: string, body: object) => server.ok('POST', path, { token: owner.token, body })
  const addSecret = (name: string) =>
    post(`/api/v1/workspaces/${workspaceId}/secrets`, { name, type: 'token', value: `value of ${name}` })
  const asAgent = (method: string, path: string, body?: object) =>
    server.request(method, path, { token: agent, ...(body && { body }) })
  const recordCount = async () => ((await server.records(1))[0]?.index ?? -1) + 1

  /** Until nothing is left but so many records' worth. */
  async function drain(left = 0): Promise<void> {
    const rejected = { host: 'nowhere.example', isRejected: true }
    const times = limits.agentRecordsAtOnce / limits.agentRejectedTokenRecords
    const statuses = new Set<number>()
    // Ten at once, as a loop in a shell would not be kinder.
    for (let sent = 0; sent < times; sent += 10) {
      const batch = Array.from({ length: 10 }, () => asAgent('POST', `${CURRENT}/git-credentials`, rejected))
      for (const { status } of await Promise.all(batch)) statuses.add(status)
    }
    expect([...statuses]).toEqual([404])
    if (left > 0) server.clock.advance(left * RECORD_MS)
  }

  test('SEC-27: whatever an agent asks for in a loop, it is told to wait before anything is recorded; other workspaces are not', async () => {
    await addSecret('ONE')
    const other = await post('/api/v1/workspaces', { name: `other ${count}` })
    const otherAgent = await server.addAgent(owner, other.id)
    await drain()
    const before = await recordCount()
    const data = Buffer.from('data').toString('base64')
    for (const [method, path, body] of [
      ['GET', `${CURRENT}/delivery`, undefined],
      ['POST', `${CURRENT}/sessions`, { pass: 'none' }],
      ['PUT', `${CURRENT}/applied`, { version: null, problems: [] }],
      ['POST', `${CURRENT}/credential`, undefined],
      ['POST', `${CURRENT}/host-certificate`, { publicKey: `ssh-ed25519 ${'A'.repeat(68)}` }],
      ['POST', `${CURRENT}/git-credentials`, { host: 'nowhere.example' }],
      ['POST', `${CURRENT}/ssh-signatures`, { data }],
      ['POST', `${CURRENT}/gpg-signatures`, { fingerprint: 'A'.repeat(40), data }],
      ['POST', `${CURRENT}/start`, undefined],
      ['GET', '/api/v1/projects', undefined],
    ] as const) {
      const answer = await asAgent(method, path, body)
      expect(answer, `${method} ${path}`).toMatchObject({ status: 429, body: { code: 'rate.limited' } })
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
    }
    const refused = new TestAgent(server.url, { authorization: `Bearer ${agent}` })
    expect(await refused.opened).toBe(429)
    expect(await recordCount()).toBe(before)
    expect((await server.request('GET', `${CURRENT}/delivery`, { token: otherAgent })).status).toBe(200)
    server.clock.advance(60_000)
    expect((await asAgent('GET', `${CURRENT}/delivery`)).status).toBe(200)
  })

  test('a delivery counts each of its secrets, and one that is too large for what is left leaves nothing behind', async () => {
    for (const name of ['ONE', 'TWO', 'THREE']) await addSecret(name)
    await drain(2)
    const before = await recordCount()
    expect((await asAgent('GET', `${CURRENT}/delivery`)).status).toBe(429)
    expect(await recordCount()).toBe(before)
    server.clock.advance(RECORD_MS)
    expect((await asAgent('GET', `${CURRENT}/delivery`)).body.secrets).toHaveLength(3)
    expect(await recordCount()).toBe(before + 3)
  })
})
