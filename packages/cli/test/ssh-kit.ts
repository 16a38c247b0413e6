// A real server, a real agent, and people with keys who enter with the programs of OpenSSH.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { keyhold, waitFor } from './kit.ts'
import { type RealServer, startRealServer } from './real-server.ts'

export interface Result {
  readonly code: number | null
  readonly stdout: Buffer
  readonly stderr: string
}

/** An account of this machine. */
export interface Account {
  readonly name: string
  readonly uid: number
  readonly gid: number
  readonly home: string
}

type Env = Readonly<Record<string, string>>

/** A workspace called `api` of ada, whose agent runs on this machine. */
export class SshWorld {
  readonly server: RealServer
  readonly home: string
  readonly account: Account | undefined
  readonly people: Record<string, Record<string, string>> = {}
  /** Id of the workspace. */
  id = ''
  agent: ReturnType<typeof spawn> | undefined
  agentText = ''

  private constructor(server: RealServer, home: string, account: Account | undefined) {
    this.server = server
    this.home = home
    this.account = account
  }

  /** @param account that the agent runs as, in place of our own. @param variables of the server. */
  static async start(variables: Env = {}, account?: Account): Promise<SshWorld> {
    const home = mkdtempSync(join(tmpdir(), 'keyhold-ssh-'))
    const world = new SshWorld(await startRealServer(variables), home, account)
    const env = world.server.person('ada')
    world.people.ada = env
    world.id = (await world.done(['workspace', 'create', 'api'])).trim()
    await world.startAgent()
    await world.letIn('ada')
    return world
  }

  async stop(): Promise<void> {
    this.agent?.kill('SIGTERM')
    await this.server.stop()
    rmSync(this.home, { recursive: true, force: true })
  }

  /** A person with a key and the file that `keyhold ssh setup` writes. */
  async letIn(name: string): Promise<Record<string, string>> {
    this.people[name] ??= this.server.person(name)
    const env = this.people[name]
    await this.newKey(name)
    await this.done(['ssh', 'setup', `--directory=${join(this.home, name)}`], env)
    return env
  }

  /** Makes a key of somebody and registers it. */
  async newKey(name: string): Promise<void> {
    mkdirSync(join(this.home, name), { recursive: true })
    const path = join(this.home, name, 'id')
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', path])
    await this.done(['ssh-key', 'add', `${path}.pub`], this.people[name])
  }

  /** Where the agent keeps what it has, and listens. */
  get agentHome(): string {
    return this.account?.home ?? this.home
  }

  async startAgent(): Promise<void> {
    const { KEYHOLD_TOKEN: _, ...env } = this.people.ada! // `!`: made before.
    const enrolled = existsSync(join(this.agentHome, 'state/agent.json'))
    const token = enrolled
      ? {}
      : { KEYHOLD_ENROLLMENT_TOKEN: (await this.done(['workspace', 'enroll', 'api'])).trim() }
    this.agentText = ''
    const command = [keyhold, 'agent', `--state-dir=${join(this.agentHome, 'state')}`]
    // With its groups, which spawn would take away.
    const as = this.account
      ? ['setpriv', `--reuid=${this.account.uid}`, `--regid=${this.account.gid}`, '--init-groups']
      : []
    const [program = '', ...args] = [...as, ...command]
    const agent = spawn(program, args, {
      env: {
        ...env,
        HOME: this.account?.home ?? env.HOME,
        KEYHOLD_AGENT_SOCKET: join(this.agentHome, 'run/agent.sock'),
        ...token,
      },
      stdio: 'pipe',
      cwd: this.agentHome,
    })
    this.agent = agent
    agent.stderr.on('data', (text: Buffer) => {
      this.agentText += text.toString()
    })
    await waitFor(
      () =>
        existsSync(join(this.agentHome, 'state/ssh_host_ed25519_key-cert.pub')) &&
        /connected to/.test(this.agentText),
      undefined,
      () => this.agentText,
    )
  }

  /** Runs keyhold to its end; also outside tests, which the kit's does not. */
  async run(args: readonly string[], env: Env = this.people.ada ?? {}, input = '') {
    const child = spawn(keyhold, args, { env, stdio: 'pipe' })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    child.stdin.on('error', () => {})
    child.stdin.end(input)
    const [code] = await once(child, 'close')
    return { code: code as number | null, stdout, stderr } // `as`: what close tells first.
  }

  async done(args: readonly string[], env: Env | undefined = this.people.ada, input = ''): Promise<string> {
    const result = await this.run(args, env, input)
    expect(result, result.stderr).toMatchObject({ code: 0 })
    return result.stdout
  }

  /** What the person's programs are told: their key, and the file that `keyhold ssh setup` wrote. Nothing is asked. */
  optionsOf(name: string, key = 'id'): string[] {
    const config = join(this.home, name, `test_config_${key}`)
    // ssh reads both hops' options from the file that -F names, and the inner ssh of -J is given the same.
    writeFileSync(
      config,
      [
        `Include ${join(this.home, name, 'keyhold_config')}`,
        'Host *',
        `  IdentityFile ${join(this.home, name, key)}`,
        '  IdentitiesOnly yes',
        '  StrictHostKeyChecking yes',
        '  BatchMode yes',
        '',
      ].join('\n'),
    )
    return ['-F', config]
  }

  /** How the workspace is named to ssh, also by those whose config does not say whom it is entered as. */
  get target(): string {
    return `${this.account?.name ?? userInfo().username}@${this.id}`
  }

  ssh(
    name: string,
    command: readonly string[],
    input: Buffer | string = '',
    options: readonly string[] = [],
  ): Promise<Result> {
    const { child, ended } = start('ssh', [...this.optionsOf(name), ...options, this.target, ...command])
    child.stdin.end(input)
    return ended
  }

  /** Records of the audit log, the newest first. */
  async records(...filter: string[]): Promise<AuditLine[]> {
    this.people.root ??= this.server.person('root', 'admin')
    const { stdout } = await this.run(['audit', 'list', '--json', ...filter], this.people.root)
    return stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line))
  }
}

export interface AuditLine {
  readonly action: string
  readonly outcome: string
  readonly actor: { readonly kind: string; readonly id?: string; readonly name?: string }
  readonly target?: { readonly name: string }
  readonly workspace?: string
  readonly address?: string
  /** Where a program read it. */
  readonly use?: { readonly kind: string; readonly file?: string; readonly line?: number }
}

export function start(program: string, args: readonly string[], options: { env?: NodeJS.ProcessEnv } = {}) {
  const child = spawn(program, args, { ...options, stdio: 'pipe' })
  const stdout: Buffer[] = []
  let stderr = ''
  child.stdout.on('data', (piece: Buffer) => stdout.push(piece))
  child.stderr.on('data', (piece: Buffer) => {
    stderr += piece.toString()
  })
  child.stdin.on('error', () => {})
  const ended = new Promise<Result>((resolve) =>
    child.on('close', (code) => resolve({ code, stdout: Buffer.concat(stdout), stderr })),
  )
  onTestFinished(() => void child.kill('SIGKILL'))
  return { child, ended, text: () => Buffer.concat(stdout).toString() }
}

/** Numbers of processes, of a text that has them as `<123>`. */
export const pidsIn = (text: string) => [...text.matchAll(/<(\d+)>/g)].map(([, pid]) => Number(pid))

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return false
  }
}
