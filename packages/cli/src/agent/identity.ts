// As whom the programs of the workspace are known elsewhere: its owner. Nothing of it is on a disk, and what git and ssh are
// told of it lies beside the socket of the agent, where it goes when the agent ends.
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { type Keyhold, KeyholdError } from '@keyhold/sdk'
import { failureOf } from '../client.ts'
import { codeOf, Failure } from '../failure.ts'
import { agentSocketPath } from '../run/agent-socket.ts'
import type { AgentPart } from './agent.ts'
import { FollowerSocket } from './follower-socket.ts'
import { gitConfiguration } from './git-configuration.ts'
import { GitTokens } from './git-tokens.ts'
import { identityPlace } from './identity-variables.ts'
import { serveRequest } from './requests.ts'
import type { Follower } from './secrets.ts'

export class WorkspaceIdentity implements AgentPart, Follower {
  readonly #socketPath: string
  readonly #place: ReturnType<typeof identityPlace>
  readonly #note: (text: string) => void
  readonly #requests: FollowerSocket
  readonly #gitTokens: GitTokens
  #client: (() => Keyhold) | undefined
  #isHeld = false
  #said: string | undefined

  constructor(env: NodeJS.ProcessEnv, note: (text: string) => void) {
    this.#socketPath = agentSocketPath(env)
    this.#place = identityPlace(env)
    this.#note = note
    this.#gitTokens = new GitTokens(async (host, isRejected) => {
      const { username, password, expiresAt } = await this.#ask((keyhold) =>
        keyhold.call('agent.git_credential', { body: { host, isRejected } }),
      )
      return { username, password, expiresAtMs: expiresAt === null ? null : Date.parse(expiresAt) }
    })
    this.#requests = new FollowerSocket(this.#place.requests, (socket) =>
      serveRequest(socket, {
        'git-credential': async ({ host }) => {
          const credential = await this.#gitTokens.get(host)
          return credential === undefined ? {} : { credential }
        },
        'git-credential-rejected': async ({ host, password }) => {
          await this.#gitTokens.reject(host, password)
          return {}
        },
      }),
    )
  }

  reach(client: () => Keyhold): void {
    this.#client = client
  }

  async changed(keyhold: Keyhold): Promise<void> {
    const { gitHosts } = await keyhold.call('agent.identity')
    this.#gitTokens.use(gitHosts)
    if (this.#isHeld) this.#write()
  }

  async hold(isOurs: boolean): Promise<void> {
    const isOther = isOurs !== this.#isHeld
    this.#isHeld = isOurs
    try {
      if (!isOurs) this.#gitTokens.forget()
      // At once: what is there later is that of another agent.
      if (isOther) this.#write()
      await this.#requests.hold(isOurs)
      this.#said = undefined
    } catch (error) {
      const text = `git gets no tokens from this agent: ${dirname(this.#socketPath)} cannot be used (${codeOf(error)})`
      if (text !== this.#said) this.#note(text)
      this.#said = text
    }
  }

  /** What git includes; nothing of it stays behind when there is nothing to say. */
  #write(): void {
    const { gitConfig } = this.#place
    const text = this.#isHeld ? gitConfiguration(this.#socketPath, this.#gitTokens.hosts) : undefined
    if (text === undefined) return rmSync(gitConfig, { force: true })
    if (text === readIfThere(gitConfig)) return
    writeFileSync(`${gitConfig}.${process.pid}`, text, { mode: 0o600 })
    renameSync(`${gitConfig}.${process.pid}`, gitConfig)
  }

  /** Does something as the owner. @throws Failure */
  async #ask<T>(work: (keyhold: Keyhold) => Promise<T>): Promise<T> {
    const client = this.#client
    if (client === undefined) throw new Failure('the agent has not begun yet')
    const keyhold = client()
    try {
      return await work(keyhold).catch((error: unknown) => {
        // The credential was renewed while this was on its way.
        const isOutdated = error instanceof KeyholdError && error.status === 401 && client() !== keyhold
        if (!isOutdated) throw error
        return work(client())
      })
    } catch (error) {
      throw error instanceof KeyholdError ? failureOf(error) : error
    }
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
