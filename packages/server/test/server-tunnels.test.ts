import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AGENT_TUNNEL_PATH, tunnelHeaders } from '@keyhold/contract/api/workspace-agents'
import ssh2 from 'ssh2'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { SealedMessages } from '../src/vault/sealed-messages.ts'
import { SERVER_TUNNEL_HEADER, SERVER_TUNNEL_PATH } from '../src/workspaces/server-tunnels.ts'
import { eventually, TestAgent } from './agent-kit.ts'
import { startReplica, startServer, type TestPerson, type TestServer } from './kit.ts'

/* People come to any of the servers that share a database, and the agent is connected to one of them. */

let here: TestServer
let there: TestServer
let stop: () => Promise<void>
let owner: TestPerson
let workspace: { id: string }
let credential: string
let privateKey: string

beforeAll(async () => {
  const started = await startServer('postgres')
  here = started.server
  there = await startReplica(here)
  stop = started.stop
  owner = await here.addPerson()
  workspace = await here.ok('POST', '/api/v1/workspaces', { token: owner.token, body: { name: 'api' } })
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-pair-'))
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, 'id')])
  privateKey = readFileSync(join(folder, 'id'), 'utf8')
  const publicKey = readFileSync(join(folder, 'id.pub'), 'utf8').trim()
  rmSync(folder, { recursive: true })
  await here.ok('POST', '/api/ssh/keys', { token: owner.token, body: { publicKey } })
  credential = await here.addAgent(owner, workspace.id)
})
afterAll(async () => {
  await there.server.close()
  await stop()
})

async function signIn(server: TestServer): Promise<ssh2.Client> {
  const client = new ssh2.Client()
  client.on('error', () => {})
  onTestFinished(() => void client.end())
  const { port } = server.server.entrance.gateway!
  client.connect({ host: '127.0.0.1', port, username: 'whoever', privateKey })
  await once(client, 'ready')
  return client
}

const enter = (client: ssh2.Client) =>
  new Promise<ssh2.ClientChannel>((resolve, reject) =>
    client.forwardOut('127.0.0.1', 0, workspace.id, 22, (error, channel) =>
      error ? reject(error) : resolve(channel),
    ),
  )

interface Opening {
  readonly tunnelId: string
  readonly token: string
  readonly keys: readonly string[]
}

const openingOf = (agent: TestAgent): Promise<Opening> =>
  eventually(
    () => agent.messages.map((text) => JSON.parse(text)).find(({ type }) => type === 'open'),
    (seen) => expect(seen).toBeDefined(),
  )

/** Dials as an agent does, at the server that a balancer chose. */
async function dial(at: TestServer, opening: Opening, headers = {}): Promise<WebSocket> {
  const url = at.url.replace('http', 'ws') + AGENT_TUNNEL_PATH.replace('{tunnelId}', opening.tunnelId)
  const socket = new WebSocket(url, {
    headers: { authorization: `Bearer ${credential}`, [tunnelHeaders.token]: opening.token, ...headers },
  })
  onTestFinished(() => socket.terminate())
  socket.on('error', () => {})
  await once(socket, 'open')
  return socket
}

describe('a workspace whose agent is connected to another server', () => {
  let agent: TestAgent
  beforeEach(async () => {
    agent = await TestAgent.connect(here.url, credential)
    onTestFinished(() => agent.socket.terminate())
  })

  test.each([
    ['the right server', () => here],
    ['the wrong server', () => there],
  ] as const)(
    'is entered through any, where the agent dials %s: every byte of both ways, and both ends',
    async (_where, at) => {
      const client = await signIn(there)
      const entering = enter(client)
      const opening = await openingOf(agent)
      expect(opening.keys).toHaveLength(1)
      const tunnel = await dial(at(), opening)
      const seen: Buffer[] = []
      let hasEnded = false
      tunnel.on('message', (data: Buffer, isBinary: boolean) => {
        if (isBinary) seen.push(data)
        else hasEnded = true
      })
      // Before anybody listens at the other end.
      tunnel.send(Buffer.from('SSH-2.0-first words\r\n'))
      const channel = await entering
      const back: Buffer[] = []
      channel.on('data', (piece: Buffer) => back.push(piece))
      const up = Buffer.alloc(5_000_000, 'up').fill('U', 4_000_000)
      const down = Buffer.alloc(5_000_000, 'down').fill('D', 1_000_000, 2_000_000)
      channel.write(up)
      for (let at = 0; at < down.length; at += 200_000) tunnel.send(down.subarray(at, at + 200_000))
      await eventually(
        () => [seen, back].map((pieces) => pieces.reduce((sum, piece) => sum + piece.length, 0)),
        (sizes) => expect(sizes).toEqual([up.length, down.length + 21]),
      )
      expect(Buffer.concat(seen).equals(up)).toBe(true)
      expect(Buffer.concat(back).subarray(21).equals(down)).toBe(true)
      channel.end()
      await eventually(
        () => hasEnded,
        (ended) => expect(ended).toBe(true),
      )
      tunnel.close()
      await once(channel, 'close')
      const records = await here.records(10)
      expect(records).toContainEqual(expect.objectContaining({ action: 'ssh.connect', outcome: 'success' }))
    },
  )

  test('says in words why the agent could not let anybody in, also across servers', async () => {
    const client = await signIn(there)
    const entering = enter(client)
    entering.catch(() => {})
    const opening = await openingOf(agent)
    await dial(there, opening, { [tunnelHeaders.failure]: 'no-ssh-server' })
    await expect(entering).rejects.toThrow('install the package openssh-server')
  })

  test('shows who is in through another server, and ends that (issue 6)', async () => {
    const client = await signIn(there)
    const entering = enter(client)
    const tunnel = await dial(there, await openingOf(agent))
    const channel = await entering
    channel.resume()
    const path = `/api/v1/workspaces/${workspace.id}/ssh-sessions`
    const { sshSessions } = await here.ok('GET', path, { token: owner.token })
    expect(sshSessions).toHaveLength(1)
    const isCut = Promise.all([once(channel, 'close'), once(tunnel, 'close')])
    await here.ok('DELETE', `${path}/${sshSessions[0].id}`, { token: owner.token })
    await isCut
  })

  test('is left by everybody whose key is taken away at any server (T16)', async () => {
    const client = await signIn(there)
    const entering = enter(client)
    const tunnel = await dial(there, await openingOf(agent))
    await entering
    const [{ publicKey, publicKeyFingerprint }] = await here.ok('GET', '/api/ssh/keys', {
      token: owner.token,
    })
    const isCut = Promise.all([once(client, 'close'), once(tunnel, 'close')])
    await here.ok('DELETE', '/api/ssh/keys', { token: owner.token, body: { publicKeyFingerprint } })
    await isCut
    await here.ok('POST', '/api/ssh/keys', { token: owner.token, body: { publicKey } })
  })
})

describe('the place where servers meet', () => {
  const knock = async (at: TestServer, headers: Record<string, string>): Promise<number> => {
    const socket = new WebSocket(at.url.replace('http', 'ws') + SERVER_TUNNEL_PATH, { headers })
    onTestFinished(() => socket.terminate())
    socket.on('error', () => {})
    return new Promise((resolve) => {
      socket.on('open', () => resolve(101))
      socket.on('unexpected-response', (_, response) => resolve(response.statusCode ?? 0))
    })
  }
  const wish = (until: number) => ({
    kind: 'enter',
    id: `wsh_${Math.random()}`,
    until,
    workspaceId: workspace.id,
    visitor: { accountId: owner.id, name: 'Eve', level: 'owner', fingerprint: 'x', address: '192.0.2.1' },
  })
  const seal = (to: TestServer, content: object, by = to.core.serverMessages) =>
    by.seal(['keyhold/v1/server-tunnel', to.core.servers.id], JSON.stringify(content))

  test('answers 401 to everybody who is no server of the instance, whatever credential they have', async () => {
    const now = here.clock.now().getTime()
    const foreign = new SealedMessages(Buffer.alloc(32, 7))
    const good = seal(here, wish(now + 30_000))
    const tries: Record<string, string>[] = [
      {},
      { authorization: `Bearer ${credential}` },
      { authorization: `Bearer ${owner.token}` },
      { [SERVER_TUNNEL_HEADER]: '' },
      { [SERVER_TUNNEL_HEADER]: 'AAAA' },
      { [SERVER_TUNNEL_HEADER]: JSON.stringify(wish(now + 30_000)) },
      { [SERVER_TUNNEL_HEADER]: seal(here, wish(now + 30_000), foreign) },
      { [SERVER_TUNNEL_HEADER]: seal(there, wish(now + 30_000)) },
      { [SERVER_TUNNEL_HEADER]: seal(here, wish(now - 1)) },
      { [SERVER_TUNNEL_HEADER]: seal(here, wish(now + 3_600_000)) },
      { [SERVER_TUNNEL_HEADER]: `${good.slice(0, -4)}AAAA` },
    ]
    for (const headers of tries) expect([headers, await knock(here, headers)]).toEqual([headers, 401])
  })

  test('takes a wish once', async () => {
    const agent = await TestAgent.connect(here.url, credential)
    onTestFinished(() => agent.socket.terminate())
    const sealed = seal(here, wish(here.clock.now().getTime() + 30_000))
    expect(await knock(here, { [SERVER_TUNNEL_HEADER]: sealed })).toBe(101)
    expect(await knock(here, { [SERVER_TUNNEL_HEADER]: sealed })).toBe(401)
  })
})
