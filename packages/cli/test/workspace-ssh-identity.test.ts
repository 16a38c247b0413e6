// Who ssh is in a workspace, by way of the real agent, with the real ssh, ssh-add and ssh-keygen.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { git } from './git-host.ts'
import { type Result, type Running, run, start, waitFor } from './kit.ts'
import { type RealServer, startRealServer } from './real-server.ts'

const user = userInfo().username

let server: RealServer
let admin: Record<string, string>
let ada: Record<string, string>
let home: string
let workspace: string
let count = 0

beforeAll(async () => {
  server = await startRealServer()
  admin = server.person('root', 'admin')
}, 60_000)
afterAll(() => server?.stop())
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'keyhold-id-'))
  onTestFinished(() => rmSync(home, { recursive: true, force: true }))
  ada = server.person(`ada${++count}`)
  workspace = `box-${count}`
  await done(['workspace', 'create', workspace])
})

async function done(args: string[], input = '', env = ada): Promise<Result> {
  const result = await run(args, env, input)
  expect(result, result.stderr).toMatchObject({ code: 0 })
  return result
}

/** The machine of the workspace: it knows the server, and nobody's token. */
const machine = () => ({ PATH: ada.PATH!, HOME: home, KEYHOLD_AGENT_SOCKET: join(home, 'run/agent.sock') })
const agentSocket = () => join(home, 'run/ssh-agent.sock')

async function startAgent(): Promise<Running> {
  const agent = start(['agent', `--state-dir=${home}/state`], { ...machine(), KEYHOLD_URL: server.url })
  agent.child.stdin.end((await done(['workspace', 'enroll', workspace])).stdout)
  await waitFor(
    () => /connected to/.test(agent.stderr) && existsSync(agentSocket()),
    undefined,
    () => agent.stderr,
  )
  return agent
}

const inWorkspace = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  run(['run', '--no-mask', '--', ...args], { ...machine(), ...env })

const publicKey = async () => (await done(['identity', 'show'])).stdout.trim()

/** The agent hears of a change within a second or so. */
async function listed(expected: string | undefined): Promise<void> {
  for (let tries = 0; ; tries++) {
    const { stdout } = await inWorkspace(['ssh-add', '-L'])
    if (expected === undefined ? stdout.includes('no identities') : stdout.includes(expected)) return
    if (tries > 60) throw new Error(`the agent lists ${stdout}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/** An outside host: the real sshd, which knows one key. @returns what ssh is to be called with. */
async function startHost(key: string, log: string[] = []): Promise<string[]> {
  const place = join(home, `host-${randomBytes(4).toString('hex')}`)
  mkdirSync(place, { mode: 0o700 })
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(place, 'key')])
  writeFileSync(join(place, 'authorized_keys'), `${key}\n`)
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo // `as`: it listens on TCP.
  await new Promise((resolve) => probe.close(resolve))
  const lines = [
    ...[`Port ${port}`, 'ListenAddress 127.0.0.1', `HostKey ${place}/key`, 'PidFile none', 'UsePAM no'],
    ...[`AuthorizedKeysFile ${place}/authorized_keys`, 'StrictModes no', 'PasswordAuthentication no'],
    ...['KbdInteractiveAuthentication no', 'PermitRootLogin prohibit-password', 'LogLevel INFO'],
  ]
  writeFileSync(join(place, 'config'), `${lines.join('\n')}\n`)
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })
  const sshd: ChildProcess = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', join(place, 'config')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  onTestFinished(() => void sshd.kill())
  sshd.stderr?.setEncoding('utf8').on('data', (text: string) => log.push(text))
  await waitFor(
    () => log.join('').includes('listening on'),
    undefined,
    () => log.join(''),
  )
  const known = [`UserKnownHostsFile=${place}/known`, 'StrictHostKeyChecking=accept-new', 'BatchMode=yes']
  return ['-p', String(port), ...known.flatMap((option) => ['-o', option]), `${user}@127.0.0.1`]
}

const records = async () => {
  const { stdout } = await run(['audit', 'list', '--action=ssh-identity.sign', '--json'], admin)
  return stdout
    .trim()
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
}

/** One message to the agent, and what it answers; empty when it hangs up. */
async function said(message: Buffer, socket: Socket = connect(agentSocket())): Promise<Buffer> {
  const parts: Buffer[] = []
  const answer = new Promise<Buffer>((resolve) => {
    const whole = () => {
      const bytes = Buffer.concat(parts)
      return bytes.length >= 4 && bytes.length >= 4 + bytes.readUInt32BE() ? bytes.subarray(4) : undefined
    }
    socket.on('data', (part: Buffer) => {
      parts.push(part)
      const bytes = whole()
      if (bytes) resolve(bytes)
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(Buffer.alloc(0)))
  })
  const length = Buffer.alloc(4)
  length.writeUInt32BE(message.length)
  socket.write(Buffer.concat([length, message]))
  const bytes = await answer
  socket.destroy()
  return bytes
}
const string = (text: string | Buffer) => {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(Buffer.byteLength(text))
  return Buffer.concat([length, Buffer.from(text)])
}

test('SDS-27, SDS-28, SDS-29: a workspace that runs already has the identity; ssh and git log in with it, and there is no key', async () => {
  const agent = await startAgent()
  expect(statSync(agentSocket()).mode & 0o777).toBe(0o600)
  expect(statSync(join(home, 'run')).mode & 0o777).toBe(0o700)
  await listed(undefined)
  await done(['identity', 'generate'])
  const key = await publicKey()
  await listed(key.split(' ')[1])
  const host = await startHost(key)
  const login = await inWorkspace(['ssh', ...host, 'echo in'])
  expect(login, login.stderr).toMatchObject({ code: 0, stdout: 'in\n' })
  git(['init', '-q', '--bare', join(home, 'shop.git')])
  const command = `ssh ${host.slice(0, -1).join(' ')}`
  const listing = await inWorkspace(['git', 'ls-remote', `${user}@127.0.0.1:${home}/shop.git`], {
    GIT_SSH_COMMAND: command,
  })
  expect(listing, listing.stderr).toMatchObject({ code: 0 })
  expect((await records()).slice(0, 2)).toMatchObject(
    Array.from({ length: 2 }, () => ({
      outcome: 'success',
      actor: { kind: 'workspace' },
      workspace: expect.stringMatching(/^ws-/),
      target: { kind: 'ssh-identity', name: `login as ${user}` },
    })),
  )
  const found = await run(['run', '--no-mask', '--', 'grep', '-rlE', 'PRIVATE KEY', home], machine())
  expect(found.stdout.split('\n').filter((path) => path && !path.includes('/host-'))).toEqual(
    [`${home}/state/ssh_host_ed25519_key`].filter(existsSync),
  )
  agent.child.kill('SIGTERM')
  await agent.ended
  expect([existsSync(agentSocket()), existsSync(join(home, 'run/ssh-config'))]).toEqual([false, false])
})

test('SDS-30: replaced or deleted, the old one opens nothing with the next login', async () => {
  await done(['identity', 'generate'])
  await startAgent()
  const first = await publicKey()
  await listed(first.split(' ')[1])
  const host = await startHost(first)
  expect((await inWorkspace(['ssh', ...host, 'true'])).code).toBe(0)
  await done(['identity', 'generate', '--replace', '--yes'])
  expect((await inWorkspace(['ssh', ...host, 'true'])).code).toBe(255)
  const second = await startHost(await publicKey())
  await listed((await publicKey()).split(' ')[1])
  expect((await inWorkspace(['ssh', ...second, 'true'])).code).toBe(0)
  await done(['identity', 'delete', '--yes'])
  expect((await inWorkspace(['ssh', ...second, 'true'])).code).toBe(255)
})

test('U4: programs without the variable find it by the configuration of ssh, unless the person chose an agent; a forwarded one wins', async () => {
  await done(['identity', 'generate'])
  mkdirSync(join(home, '.ssh'), { mode: 0o700 })
  writeFileSync(join(home, '.ssh/config'), 'Host elsewhere\n  User x\n')
  const agent = await startAgent()
  const key = await publicKey()
  await listed(key.split(' ')[1])
  const host = await startHost(key)
  const ssh = (env: NodeJS.ProcessEnv = {}) => {
    try {
      return execFileSync('ssh', ['-F', join(home, '.ssh/config'), ...host, 'echo in'], {
        env: { PATH: process.env.PATH, HOME: home, ...env },
        encoding: 'utf8',
        stdio: 'pipe',
      })
    } catch {
      return 'refused'
    }
  }
  expect(ssh()).toBe('in\n')
  const config = readFileSync(join(home, '.ssh/config'), 'utf8')
  expect(config).toMatch(/^Host elsewhere\n {2}User x\n# Keyhold: [^\n]+\nMatch all\nInclude \S+\n$/)
  // A forwarded agent, here an empty one, counts.
  const other = join(home, 'other.sock')
  const forwarded = spawn('ssh-agent', ['-D', '-a', other], { stdio: 'ignore' })
  onTestFinished(() => void forwarded.kill())
  await waitFor(() => existsSync(other))
  expect(ssh({ SSH_AUTH_SOCK: other })).toBe('refused')
  const inside = await inWorkspace(['printenv', 'SSH_AUTH_SOCK'], { SSH_AUTH_SOCK: other })
  expect(inside.stdout).toBe(`${other}\n`)
  agent.child.kill('SIGTERM')
  await agent.ended
  expect(ssh()).toBe('refused')
  // The person's own choice stays as it is.
  const chosen = `Host *\n  IdentityAgent ${other}\n`
  writeFileSync(join(home, '.ssh/config'), chosen)
  const again = start(['agent', `--state-dir=${home}/state`], machine())
  await waitFor(() => existsSync(join(home, 'run/ssh-config')) && /connected to/.test(again.stderr))
  expect(readFileSync(join(home, '.ssh/config'), 'utf8')).toBe(chosen)
})

test('T22: the agent signs logins and commits, and nothing else; nothing is added, removed or locked', async () => {
  await done(['identity', 'generate'])
  await startAgent()
  const key = await publicKey()
  await listed(key.split(' ')[1])
  const blob = Buffer.from(key.split(' ')[1]!, 'base64')
  writeFileSync(join(home, 'key.pub'), `${key}\n`)
  writeFileSync(join(home, 'text'), 'text\n')
  const signed = (namespace: string) =>
    inWorkspace([
      'ssh-keygen',
      '-Y',
      'sign',
      '-f',
      join(home, 'key.pub'),
      '-n',
      namespace,
      join(home, 'text'),
    ])
  expect((await signed('file')).code).not.toBe(0)
  expect(existsSync(join(home, 'text.sig'))).toBe(false)
  const asGit = await signed('git')
  expect(asGit, asGit.stderr).toMatchObject({ code: 0 })
  const [success, refused] = await records()
  expect(refused).toMatchObject({ outcome: 'refused', workspace: expect.stringMatching(/^ws-/) })
  expect(success).toMatchObject({ outcome: 'success', target: { name: 'git signature' } })

  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(home, 'own')])
  for (const args of [[join(home, 'own')], ['-D'], ['-d', join(home, 'key.pub')], ['-s', '/usr/lib/x.so']])
    expect([args, (await inWorkspace(['ssh-add', ...args])).code]).not.toEqual([args, 0])
  await listed(key.split(' ')[1])

  const failure = Buffer.of(5)
  const sign = (data: Buffer, name = blob) =>
    said(Buffer.concat([Buffer.of(13), string(name), string(data), Buffer.alloc(4)]))
  const sshsig = (namespace: string) =>
    Buffer.concat([Buffer.from('SSHSIG'), ...[namespace, '', 'sha512', Buffer.alloc(64)].map(string)])
  expect((await sign(sshsig('git')))[0]).toBe(14)
  for (const data of [
    Buffer.alloc(0),
    Buffer.from('arbitrary'),
    randomBytes(300),
    sshsig('file'),
    sshsig(''),
  ])
    expect(await sign(data)).toEqual(failure)
  expect(await sign(sshsig('git'), Buffer.from('another key'))).toEqual(failure)
  for (const type of [0, 1, 9, 17, 18, 19, 20, 21, 22, 23, 25, 26, 28, 255])
    expect([type, await said(Buffer.concat([Buffer.of(type), string(blob)]))]).toEqual([type, failure])
  expect(await said(Buffer.concat([Buffer.of(27), string('unknown@example.com')]))).toEqual(failure)
  for (const cut of [Buffer.of(13), Buffer.of(13, 0xff, 0xff, 0xff, 0xff), Buffer.of(11, 0)])
    expect(await said(cut)).toEqual(failure)
})

test('T22: an identity for certain hosts logs in to those, and to no other, whatever the workspace asks for', {
  timeout: 120_000,
}, async () => {
  await done(['identity', 'generate'])
  await startAgent()
  const key = await publicKey()
  await listed(key.split(' ')[1])
  const [one, two] = [await startHost(key), await startHost(key)]
  const into = async (host: string[]) => (await inWorkspace(['ssh', ...host, 'true'])).code
  expect([await into(one), await into(two)]).toEqual([0, 0])
  // What ssh has learnt of the first one.
  const known = one.find((option) => option.startsWith('UserKnownHostsFile='))!.split('=')[1]!
  const name = `[127.0.0.1]:${one[1]}`
  const found = execFileSync('ssh-keygen', ['-F', name, '-f', known], { encoding: 'utf8' })
  const set = await done(['identity', 'destinations', '-'], found)
  expect(set.stderr).toContain('these hosts only')
  const line = readFileSync(known, 'utf8').trim().split(' ').slice(1).join(' ')
  expect((await done(['identity', 'destinations'])).stdout).toBe(`${name} ${line}\n`)
  expect([await into(one), await into(two)]).toEqual([0, 255])
  const [refused, success] = await records()
  expect(success).toMatchObject({
    outcome: 'success',
    target: { name: expect.stringMatching(/ to \[127\.0\.0\.1\]:\d+$/) },
  })
  expect(refused).toMatchObject({ outcome: 'refused', workspace: expect.stringMatching(/^ws-/) })
  for (const wrong of [
    '',
    '@cert-authority * ssh-ed25519 AAAA',
    'only-a-name',
    'host ssh-ed25519 AAAA',
    '|1|a|b ssh-ed25519 AAAA',
  ])
    expect([wrong, (await run(['identity', 'destinations', '-'], ada, wrong)).code]).toEqual([wrong, 1])
  expect(JSON.parse((await done(['identity', 'destinations', '--json'])).stdout)).toHaveLength(1)
  expect((await run(['identity', 'destinations', '--any'], ada)).code).not.toBe(0)
  await done(['identity', 'destinations', '--any', '--yes'])
  expect(await into(two)).toBe(0)
})

test('T22: a message of more than 256 KiB ends its connection; 1,000 connections keep nobody out', async () => {
  await done(['identity', 'generate'])
  const agent = await startAgent()
  const key = await publicKey()
  await listed(key.split(' ')[1])
  const large = connect(agentSocket())
  const closed = once(large, 'close')
  large.on('error', () => {})
  const length = Buffer.alloc(4)
  length.writeUInt32BE(256 * 1024 + 1)
  large.write(length)
  await closed
  const idle = Array.from({ length: 1_000 }, () => connect(agentSocket()).on('error', () => {}))
  onTestFinished(() => {
    for (const socket of idle) socket.destroy()
  })
  await Promise.all(idle.map((socket) => once(socket, 'connect').catch(() => {})))
  expect((await said(Buffer.of(11)))[0]).toBe(12)
  await listed(key.split(' ')[1])
  expect(idle.filter((socket) => !socket.destroyed).length).toBeLessThanOrEqual(128)
  expect(agent.child.exitCode).toBe(null)
})
