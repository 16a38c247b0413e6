import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { GitHost } from '../../packages/cli/test/git-host.ts'
import { freePort } from '../../tools/free-port.ts'

export const keyhold = fileURLToPath(new URL('../../packages/cli/bin/keyhold', import.meta.url))
/** The secret that a program in the workspace reads. */
export const SECRET = { name: 'SHOP_PAYMENT_TOKEN', value: 'sk_live_51HxDemoDemoDemoDemo' } as const
const PASSWORD = 'a password for the demonstration\n'

type Env = Record<string, string>

/**
 * A server, a person, a workspace with its agent, and a host of repositories that asks who is there, by HTTPS and by SSH: all
 * of it on loopback and below one directory that {@link end} removes.
 */
export class Scene {
  readonly home = mkdtempSync(join(tmpdir(), 'keyhold-demo-'))
  /** In which `keyhold` acts for the person. */
  ada: Env = {}
  url = ''
  workspaceId = ''
  gitHost!: GitHost
  /** Where the same repositories are by SSH: `host:port`. */
  gitSsh = ''
  readonly #children: ChildProcess[] = []

  static async start(): Promise<Scene> {
    const scene = new Scene()
    try {
      await scene.#startServer()
      await scene.#startGitHost()
      await scene.#startWorkspace()
      return scene
    } catch (error) {
      await scene.end()
      throw error
    }
  }

  async end(): Promise<void> {
    for (const child of this.#children.reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      await ended
    }
    this.gitHost?.stop()
    rmSync(this.home, { recursive: true, force: true })
  }

  /** The words before the command that enters the workspace with the person's key, asking nothing. */
  get ssh(): readonly string[] {
    return ['ssh', '-F', join(this.home, 'ssh/config'), `${userInfo().username}@${this.workspaceId}`]
  }

  readonly run = async (args: readonly string[], env: Env = this.ada, input = '') => {
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

  async done(args: readonly string[], env: Env = this.ada, input = ''): Promise<string> {
    const { code, stdout, stderr } = await this.run(args, env, input)
    if (code !== 0) throw new Error(`keyhold ${args.join(' ')}: ${stderr}`)
    return stdout.trim()
  }

  async #startServer(): Promise<void> {
    const env = {
      PATH: process.env.PATH ?? '',
      HOME: this.home,
      XDG_CONFIG_HOME: join(this.home, 'config'),
      KEYHOLD_DATA_DIR: join(this.home, 'data'),
      KEYHOLD_HTTP_ADDR: `127.0.0.1:${await freePort()}`,
      KEYHOLD_SSH_ADDR: `127.0.0.1:${await freePort()}`,
      // The host of repositories is on this machine.
      KEYHOLD_OUTGOING_ALLOW: '127.0.0.0/8',
    }
    const server = spawn(keyhold, ['server'], { env, stdio: ['ignore', 'pipe', 'ignore'] })
    this.#children.push(server)
    for await (const line of createInterface(server.stdout)) {
      const entry = JSON.parse(line) as { msg: string; address?: string } // `as`: our own log.
      if (entry.msg !== 'ready') continue
      this.url = entry.address ?? ''
      break
    }
    server.stdout.resume()
    const who = ['--email', 'ada@example.com', '--name', 'Ada Example']
    await this.done(['admin', 'create-user', ...who, '--admin', '--password-stdin'], env, PASSWORD)
    const token = await this.done(['admin', 'create-token', ...who], env)
    const { KEYHOLD_DATA_DIR: _, ...rest } = env
    this.ada = { ...rest, KEYHOLD_URL: this.url, KEYHOLD_TOKEN: token }
  }

  /** Repositories by HTTPS, for a token that Keyhold gets by OAuth; and by SSH, for the person's SSH identity. */
  async #startGitHost(): Promise<void> {
    this.gitHost = await GitHost.start()
    await this.gitHost.register(this.ada, this.run)
    await this.gitHost.connect(this.url, this.ada, this.run)
    const identity = await this.done(['identity', 'generate'])
    const key = identity.split('\n').find((line) => line.startsWith('ssh-')) ?? ''
    writeFileSync(join(this.home, 'identity.pub'), `${key}\n`)
    const place = join(this.home, 'git-ssh')
    mkdirSync(place, { mode: 0o700 })
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(place, 'host')])
    const port = await freePort()
    const repository = join(this.gitHost.directory, 'repositories/shop.git')
    // As code hosts do it: whatever is asked, this key gets git and this repository.
    const only = `restrict,command="git upload-pack ${repository}"`
    writeFileSync(join(place, 'authorized_keys'), `${only} ${key}\n`)
    const lines = [
      ...[`Port ${port}`, 'ListenAddress 127.0.0.1', `HostKey ${place}/host`, 'PidFile none', 'UsePAM no'],
      ...[`AuthorizedKeysFile ${place}/authorized_keys`, 'StrictModes no', 'PasswordAuthentication no'],
      ...['KbdInteractiveAuthentication no', 'PermitRootLogin prohibit-password', 'LogLevel ERROR'],
    ]
    writeFileSync(join(place, 'config'), `${lines.join('\n')}\n`)
    if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })
    const sshd = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', join(place, 'config')], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    this.#children.push(sshd)
    this.gitSsh = `127.0.0.1:${port}`
    writeFileSync(
      join(this.home, 'git_known_hosts'),
      `[127.0.0.1]:${port} ${readFileSync(join(place, 'host.pub'), 'utf8')}`,
    )
  }

  async #startWorkspace(): Promise<void> {
    this.workspaceId = await this.done(['workspace', 'create', 'demo'])
    await this.done(['workspace-secret', 'set', 'demo', SECRET.name], this.ada, SECRET.value)
    const directory = join(this.home, 'ssh')
    mkdirSync(directory, { mode: 0o700 })
    execFileSync('ssh-keygen', [
      '-q',
      '-t',
      'ed25519',
      '-N',
      '',
      '-C',
      'ada@laptop',
      '-f',
      join(directory, 'id'),
    ])
    await this.done(['ssh-key', 'add', join(directory, 'id.pub')])
    const enrollment = await this.done(['workspace', 'enroll', 'demo'])
    const { KEYHOLD_TOKEN: _, ...machine } = this.ada
    const agent = spawn(keyhold, ['agent', `--state-dir=${join(this.home, 'agent')}`], {
      env: {
        ...machine,
        KEYHOLD_ENROLLMENT_TOKEN: enrollment,
        KEYHOLD_AGENT_SOCKET: join(this.home, 'run/agent.sock'),
      },
      stdio: 'ignore',
    })
    this.#children.push(agent)
    const certificate = join(this.home, 'agent/ssh_host_ed25519_key-cert.pub')
    for (let tries = 0; !existsSync(certificate); tries++) {
      if (tries === 300 || agent.exitCode !== null) throw new Error('the agent did not connect')
      await sleep(100)
    }
    await this.done(['ssh', 'setup', `--directory=${directory}`])
    const own = [`IdentityFile ${directory}/id`, 'IdentitiesOnly yes', 'StrictHostKeyChecking yes']
    writeFileSync(
      join(directory, 'config'),
      [`Include ${directory}/keyhold_config`, 'Host *', ...own, ''].join('\n'),
    )
  }
}
