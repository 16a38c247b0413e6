// As whom the programs of the workspace are known elsewhere: its owner. Nothing of it is on a disk, and what git and ssh are
// told of it lies beside the socket of the agent, where it goes when the agent ends.
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Keyhold, KeyholdError } from '@keyhold/sdk'
import { failureOf } from '../client.ts'
import { codeOf, Failure } from '../failure.ts'
import { agentSocketPath } from '../run/agent-socket.ts'
import type { AgentPart } from './agent-part.ts'
import type { AgentStatus } from './agent-status.ts'
import { FollowerSocket } from './follower-socket.ts'
import {
  gitConfiguration,
  gitSystemConfiguration,
  hasOwnSigningKey,
  machineGitConfig,
  type Signing,
  writeGpgProgram,
  writeSshProgram,
} from './git-configuration.ts'
import { GitTokens } from './git-tokens.ts'
import { identityPlace, identityVariables } from './identity-variables.ts'
import { serveRequest } from './requests.ts'
import type { Follower } from './secrets.ts'
import { type Binding, type SshKey, serveSshAgent, toSshKey } from './ssh-agent.ts'
import { includeSshConfiguration, sshConfiguration } from './ssh-configuration.ts'
import type { UseReports } from './use-reports.ts'

export class WorkspaceIdentity implements AgentPart, Follower {
  readonly #env: NodeJS.ProcessEnv
  /** What git starts in place of gpg, and of ssh-keygen. */
  readonly #programs: Readonly<Record<Signing['format'], string>>
  readonly #home: string | undefined
  readonly #socketPath: string
  readonly #place: ReturnType<typeof identityPlace>
  readonly #note: (text: string) => void
  readonly #requests: FollowerSocket
  readonly #gitTokens: GitTokens
  readonly #sshAgent: FollowerSocket
  #sshKey: SshKey | undefined
  #sshPublicKey: string | undefined
  #gpgKey: { readonly fingerprint: string; readonly email: string } | undefined
  #client: (() => Keyhold) | undefined
  #isHeld = false
  #said: string | undefined

  /** @param directory of the agent's state, from which programs can be started. @param uses takes what programs tell. */
  constructor(
    env: NodeJS.ProcessEnv,
    directory: string,
    uses: UseReports,
    status: () => AgentStatus,
    note: (text: string) => void,
  ) {
    this.#env = env
    this.#programs = { openpgp: join(directory, 'keyhold-gpg'), ssh: join(directory, 'keyhold-ssh-keygen') }
    this.#home = env.HOME
    this.#socketPath = agentSocketPath(env)
    this.#place = identityPlace(env)
    this.#note = note
    this.#gitTokens = new GitTokens(async (host, isRejected) => {
      const { username, password, expiresAt } = await this.#ask((keyhold) =>
        keyhold.call('agent.git_credential', { body: { host, isRejected } }),
      )
      return { username, password, expiresAtMs: expiresAt === null ? null : Date.parse(expiresAt) }
    })
    this.#sshAgent = new FollowerSocket(this.#place.sshAgent, (socket) =>
      serveSshAgent(socket, {
        key: () => this.#sshKey,
        sign: (data, flags, binding) => this.#sign(data, flags, binding),
      }),
    )
    this.#requests = new FollowerSocket(this.#place.requests, (socket) =>
      serveRequest(socket, {
        'git-credential': async ({ host }) => {
          const credential = await this.#gitTokens.get(host)
          return credential === undefined ? {} : { credential }
        },
        'git-signing': async () => (this.#gpgKey === undefined ? {} : { key: this.#gpgKey }),
        'git-sign': ({ fingerprint, data }) =>
          this.#ask((keyhold) => keyhold.call('agent.sign_gpg', { body: { fingerprint, data } })),
        'git-credential-rejected': async ({ host, password }) => {
          await this.#gitTokens.reject(host, password)
          return {}
        },
        status: async () => status(),
        'report-uses': (report) => this.#ask(() => uses.report(report)),
      }),
    )
  }

  /** Its private half never comes here: each signature is asked for, and recorded, at the server. */
  #sign(data: Buffer, flags: number, binding: Binding | undefined): Promise<Buffer> {
    return this.#ask(async (keyhold) => {
      const destination = binding && {
        hostKey: binding.hostKey.toString('base64'),
        signature: binding.signature.toString('base64'),
      }
      const body = { data: data.toString('base64'), flags, ...(destination && { destination }) }
      const { signature } = await keyhold.call('agent.sign_ssh', { body })
      return Buffer.from(signature, 'base64')
    })
  }

  reach(client: () => Keyhold): void {
    this.#client = client
  }

  async changed(keyhold: Keyhold): Promise<void> {
    const { gitHosts, sshPublicKey, gpgKey } = await keyhold.call('agent.identity')
    this.#gpgKey = gpgKey ?? undefined
    this.#gitTokens.use(gitHosts)
    this.#sshPublicKey = sshPublicKey ?? undefined
    this.#sshKey = sshPublicKey === null ? undefined : toSshKey(sshPublicKey)
    if (this.#isHeld) this.#write()
  }

  async hold(isOurs: boolean): Promise<void> {
    const isOther = isOurs !== this.#isHeld
    this.#isHeld = isOurs
    try {
      if (!isOurs) {
        this.#gitTokens.forget()
        this.#sshKey = undefined
        this.#sshPublicKey = undefined
        this.#gpgKey = undefined
      }
      // At once: what is there later is that of another agent.
      if (isOther) {
        this.#write()
        this.#tellSsh()
      }
      await Promise.all([this.#requests.hold(isOurs), this.#sshAgent.hold(isOurs)])
      this.#said = undefined
    } catch (error) {
      const text = `git and ssh know nothing of this agent: ${dirname(this.#socketPath)} cannot be used (${codeOf(error)})`
      if (text !== this.#said) this.#note(text)
      this.#said = text
    }
  }

  /** The tokens that programs here can have, for sessions that blank values. */
  get gitTokens(): Pick<GitTokens, 'values' | 'beforeUse'> {
    return this.#gitTokens
  }

  /** Variables for a session by SSH. */
  sessionVariables(): Readonly<Record<string, string>> {
    return this.#isHeld ? identityVariables({ KEYHOLD_AGENT_SOCKET: this.#socketPath }) : {}
  }

  /** What git includes; nothing of it stays behind when there is nothing to say. */
  #write(): void {
    const { gitConfig, gitSystem } = this.#place
    const signing = this.#isHeld ? this.#signing() : undefined
    if (signing?.format === 'openpgp') writeGpgProgram(signing.program, this.#socketPath)
    else rmSync(this.#programs.openpgp, { force: true })
    if (signing?.format === 'ssh') writeSshProgram(signing.program, this.#place.sshAgent)
    else rmSync(this.#programs.ssh, { force: true })
    // It stays, with nothing of ours in it: sessions that go on have it in place of the machine's.
    if (this.#isHeld || existsSync(gitSystem))
      replaceFile(gitSystem, gitSystemConfiguration(machineGitConfig(this.#env, gitSystem), signing))
    const text = this.#isHeld ? gitConfiguration(this.#socketPath, this.#gitTokens.hosts) : undefined
    if (text === undefined) rmSync(gitConfig, { force: true })
    else replaceFile(gitConfig, text)
  }

  /** GPG first: whoever has such a key has it for nothing else. */
  #signing(): Signing | undefined {
    const { openpgp, ssh } = this.#programs
    if (this.#gpgKey !== undefined)
      return { format: 'openpgp', fingerprint: this.#gpgKey.fingerprint, program: openpgp }
    const publicKey = this.#sshPublicKey
    if (publicKey === undefined || hasOwnSigningKey(this.#env)) return undefined
    return { format: 'ssh', publicKey, program: ssh }
  }

  /** For programs that run already, or are started by others. */
  #tellSsh(): void {
    const { sshConfig, sshAgent } = this.#place
    if (!this.#isHeld) {
      rmSync(sshConfig, { force: true })
      return
    }
    writeFileSync(sshConfig, sshConfiguration(sshAgent), { mode: 0o600 })
    if (this.#home !== undefined) includeSshConfiguration(this.#home, sshConfig)
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

function replaceFile(path: string, text: string): void {
  if (text === readIfThere(path)) return
  writeFileSync(`${path}.${process.pid}`, text, { mode: 0o600 })
  renameSync(`${path}.${process.pid}`, path)
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
