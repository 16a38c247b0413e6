import { AGENT_CONNECTION_PATH, agentHeaders } from '@keyhold/contract/api/workspace-agents'
import { expect } from 'vitest'
import { WebSocket } from 'ws'

/** Waits until something is so. For what the server does after its answer. */
export async function eventually<T>(look: () => Promise<T> | T, check: (seen: T) => void): Promise<T> {
  for (let tries = 0; ; tries++) {
    const seen = await look()
    try {
      check(seen)
      return seen
    } catch (error) {
      if (tries > 600) throw error
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
  }
}

/** The control connection of an agent, as any client of WebSockets would hold it. */
export class TestAgent {
  readonly socket: WebSocket
  readonly messages: string[] = []
  /** The status when the server refused, else undefined. */
  readonly opened: Promise<number | undefined>
  readonly closed: Promise<number>

  constructor(url: string, headers: Record<string, string>) {
    const socket = new WebSocket(url.replace(/^http/, 'ws') + AGENT_CONNECTION_PATH, { headers })
    this.socket = socket
    socket.on('message', (data) => this.messages.push(String(data)))
    this.opened = new Promise((resolve, reject) => {
      socket.on('open', () => resolve(undefined))
      socket.on('unexpected-response', (_, response) => {
        resolve(response.statusCode)
        socket.terminate()
      })
      socket.on('error', reject)
    })
    this.opened.catch(() => {})
    this.closed = new Promise((resolve) => socket.on('close', (code) => resolve(code)))
  }

  /** Connects, and waits for the first word. */
  static async connect(url: string, token: string, headers: Record<string, string> = {}): Promise<TestAgent> {
    const agent = new TestAgent(url, {
      authorization: `Bearer ${token}`,
      [agentHeaders.loginName]: 'dev',
      [agentHeaders.release]: '1.2.3',
      ...headers,
    })
    expect(await agent.opened).toBeUndefined()
    await eventually(
      () => agent.messages.length,
      (count) => expect(count).toBeGreaterThan(0),
    )
    return agent
  }
}
