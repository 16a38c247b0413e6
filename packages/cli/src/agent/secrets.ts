// The secrets of a workspace, as its agent has them: in memory only, and for whoever is the same user.
import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { dirname } from 'node:path'
import type { Keyhold } from '@keyhold/sdk'
import { codeOf, Failure } from '../failure.ts'
import { type AgentAnswer, agentSocketPath, assertPrivate } from '../run/agent-socket.ts'

/** Fetches what the workspace gets whenever it changes, and hands it to `keyhold run` on this machine. */
export class WorkspaceSecrets {
  readonly #path: string
  readonly #server: Server
  #answer: AgentAnswer
  #version: string | undefined

  private constructor(path: string, workspaceId: string) {
    this.#path = path
    this.#answer = { workspaceId }
    this.#server = createServer((socket) => {
      // Who went away before the end of the answer does not miss it.
      socket.on('error', () => {})
      socket.end(JSON.stringify(this.#answer))
    })
  }

  /** Listens for programs of this user. @throws Failure when another agent does, or the place is not a private one. */
  static async open(env: NodeJS.ProcessEnv, workspaceId: string): Promise<WorkspaceSecrets> {
    const path = agentSocketPath(env)
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    } catch (error) {
      throw new Failure(`${dirname(path)} cannot be made (${codeOf(error)})`)
    }
    assertPrivate(dirname(path))
    if (await isAnswered(path))
      throw new Failure(`another agent listens at ${path}`, {
        hints: ['let one agent run for each user, or name another place: KEYHOLD_AGENT_SOCKET'],
      })
    // What an agent has left that was killed.
    rmSync(path, { force: true })
    const secrets = new WorkspaceSecrets(path, workspaceId)
    await new Promise<void>((resolve, reject) => {
      secrets.#server.on('error', (error) =>
        reject(new Failure(`the agent cannot listen at ${path} (${codeOf(error)})`)),
      )
      secrets.#server.listen(path, resolve)
    })
    chmodSync(path, 0o600)
    return secrets
  }

  async changed(keyhold: Keyhold): Promise<void> {
    const query = this.#version === undefined ? {} : { have: this.#version }
    const { version, isUnchanged, ...delivery } = await keyhold.call('agent.delivery', { query })
    if (isUnchanged) return
    this.#answer = { ...this.#answer, delivery }
    this.#version = version
  }

  /** Forgets the values, and where they were to be had. */
  close(): void {
    this.#answer = { workspaceId: this.#answer.workspaceId }
    this.#server.close()
    rmSync(this.#path, { force: true })
  }
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}
