import { once } from 'node:events'
import { AGENT_TUNNEL_PATH, tunnelHeaders } from '@keyhold/contract/api/workspace-agents'
import ssh2 from 'ssh2'
import { expect } from 'vitest'
import { WebSocket } from 'ws'
import { eventually, type TestAgent } from './agent-kit.ts'
import type { TestServer } from './kit.ts'

/** Comes into a workspace as ssh does, up to where the workspace's own SSH server would answer. */
export async function enterWorkspace(
  server: TestServer,
  workspaceId: string,
  { agent, credential }: { readonly agent: TestAgent; readonly credential: string },
  privateKey: string,
): Promise<{ readonly closed: Promise<unknown>; leave(): void }> {
  const client = new ssh2.Client()
  client.on('error', () => {})
  const { port } = server.server.entrance.gateway! // `!`: servers of tests have one.
  client.connect({ host: '127.0.0.1', port, username: 'whoever', privateKey })
  await once(client, 'ready')
  const entering = new Promise<ssh2.ClientChannel>((resolve, reject) =>
    client.forwardOut('127.0.0.1', 0, workspaceId, 22, (error, channel) =>
      error ? reject(error) : resolve(channel),
    ),
  )
  const opening = await eventually(
    () => agent.messages.map((text) => JSON.parse(text)).findLast(({ type }) => type === 'open'),
    (seen) => expect(seen).toBeDefined(),
  )
  const url = server.url.replace('http', 'ws') + AGENT_TUNNEL_PATH.replace('{tunnelId}', opening.tunnelId)
  const tunnel = new WebSocket(url, {
    headers: { authorization: `Bearer ${credential}`, [tunnelHeaders.token]: opening.token },
  })
  tunnel.on('error', () => {})
  const channel = await entering
  channel.resume()
  return { closed: once(channel, 'close'), leave: () => void client.end() }
}
