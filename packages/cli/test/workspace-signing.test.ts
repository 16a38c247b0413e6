// Commits in a workspace, by way of the real agent, with the real git and gpg.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { type Result, type Running, run, start, waitFor } from './kit.ts'
import { type RealServer, startRealServer } from './real-server.ts'

let server: RealServer
let admin: Record<string, string>
let ada: Record<string, string>
let home: string
let repository: string
let workspace: string
let count = 0

beforeAll(async () => {
  server = await startRealServer()
  admin = server.person('root', 'admin')
}, 60_000)
afterAll(() => server?.stop())
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'kh-sign-'))
  mkdirSync(join(home, 'gnupg'), { mode: 0o700 })
  onTestFinished(() => {
    execFileSync('gpgconf', ['--kill', 'all'], {
      env: { PATH: process.env.PATH, GNUPGHOME: join(home, 'gnupg') },
    })
    rmSync(home, { recursive: true, force: true })
  })
  repository = join(home, 'shop')
  execFileSync('git', ['init', '-q', '-b', 'main', repository])
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
const machine = () => ({
  PATH: ada.PATH!,
  HOME: home,
  GNUPGHOME: join(home, 'gnupg'),
  KEYHOLD_AGENT_SOCKET: join(home, 'run/agent.sock'),
  LC_ALL: 'C',
})

async function startAgent(): Promise<Running> {
  const agent = start(['agent', `--state-dir=${home}/state`], { ...machine(), KEYHOLD_URL: server.url })
  agent.child.stdin.end((await done(['workspace', 'enroll', workspace])).stdout)
  await waitFor(
    () => /connected to/.test(agent.stderr),
    undefined,
    () => agent.stderr,
  )
  return agent
}

const systemConfig = () => {
  const path = join(home, 'run/git-system-config')
  return existsSync(path) ? readFileSync(path, 'utf8') : ''
}
/** The agent hears of a change within a second or so. */
const signing = (isOn: boolean) =>
  waitFor(() => systemConfig().includes('gpgSign') === isOn && systemConfig())
const inRepository = (args: readonly string[]) =>
  run(['run', '--no-mask', '--', 'git', '-C', repository, ...args], machine())
const author = ['-c', 'user.name=Ada', '-c', `user.email=ada@example.com`]
const commit = (...more: string[]) =>
  inRepository([...author, ...more, 'commit', '-q', '--allow-empty', '-m', 'a change'])
const isSigned = async () => (await inRepository(['cat-file', 'commit', 'HEAD'])).stdout.includes('gpgsig')

/** Generates a key of Ada's, and has the gpg of this machine know its public half. */
async function createKey(): Promise<string> {
  const { gpgKey } = JSON.parse((await done(['gpg-key', 'create', '--json'])).stdout)
  const input = (await done(['gpg-key', 'show', gpgKey.id])).stdout
  execFileSync('gpg', ['--batch', '--quiet', '--import'], { env: machine(), input, stdio: 'pipe' })
  return gpgKey.fingerprint
}

test('SDS-36, SDS-37: commits and tags are signed with nothing set up, and verified; nothing stays when the key is deleted', async () => {
  const fingerprint = await createKey()
  const agent = await startAgent()
  expect(await signing(true)).toContain(fingerprint)
  const made = await commit()
  expect(made, made.stderr).toMatchObject({ code: 0 })
  const verified = await inRepository(['verify-commit', '-v', 'HEAD'])
  expect(verified, verified.stderr).toMatchObject({
    code: 0,
    stderr: expect.stringContaining('Good signature'),
  })
  expect((await inRepository([...author, 'tag', '-m', 'first', 'v1'])).code).toBe(0)
  expect((await inRepository(['verify-tag', 'v1'])).code).toBe(0)
  const { stdout } = await run(['audit', 'list', '--action=gpg-key.sign', '--json'], admin)
  const records = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(records).toMatchObject(
    ['git tag', 'git commit'].map((what) => ({
      outcome: 'success',
      actor: { kind: 'workspace' },
      workspace: expect.stringMatching(/^ws-/),
      target: { kind: 'gpg-key', name: `${what} with ${fingerprint}` },
    })),
  )
  // A repository, or a command, may say otherwise.
  expect((await commit('-c', 'commit.gpgSign=false')).code).toBe(0)
  expect(await isSigned()).toBe(false)
  expect((await inRepository(['config', 'commit.gpgSign', 'false'])).code).toBe(0)
  await commit()
  expect(await isSigned()).toBe(false)
  await inRepository(['config', '--unset', 'commit.gpgSign'])
  await commit()
  expect(await isSigned()).toBe(true)
  // There is no private key.
  expect(
    execFileSync('gpg', ['--list-secret-keys'], { env: machine(), encoding: 'utf8', stdio: 'pipe' }),
  ).toBe('')

  await done(['gpg-key', 'delete', fingerprint, '--yes'])
  const config = await signing(false)
  expect(config).not.toMatch(/gpg|sign/i)
  await commit()
  expect(await isSigned()).toBe(false)
  expect(existsSync(join(home, 'state/keyhold-gpg'))).toBe(false)
  agent.child.kill('SIGTERM')
  await agent.ended
  expect(systemConfig()).not.toMatch(/\[(user|gpg|commit|tag)\]/)
})

test('SDS-22: without a GPG key the SSH identity signs, with nothing set up, also where another agent was forwarded', async () => {
  await done(['identity', 'generate'])
  const key = (await done(['identity', 'show'])).stdout.trim()
  await startAgent()
  expect(await signing(true)).toContain('format = ssh')
  const forwarded = { ...machine(), SSH_AUTH_SOCK: join(home, 'another.sock') }
  const line = ['git', '-C', repository, ...author, 'commit', '-q', '--allow-empty', '-m', 'a change']
  const made = await run(['run', '--no-mask', '--', ...line], forwarded)
  expect(made, made.stderr).toMatchObject({ code: 0 })
  writeFileSync(join(home, 'signers'), `ada@example.com ${key}\n`)
  const allowed = ['-c', `gpg.ssh.allowedSignersFile=${join(home, 'signers')}`]
  const verified = await inRepository([...allowed, 'verify-commit', 'HEAD'])
  expect(verified, verified.stderr).toMatchObject({ code: 0 })
  expect(verified.stderr).toContain('Good "git" signature for ada@example.com')
  // A key of their own choice is of their own format.
  await done(['identity', 'delete', '--yes'])
  expect(await signing(false)).not.toMatch(/gpg|sign/i)
  writeFileSync(join(home, '.gitconfig'), '[user]\n\tsigningKey = own@example.com\n')
  await done(['identity', 'generate'])
  await waitFor(() => existsSync(join(home, 'run/ssh-agent.sock')))
  const after = await commit()
  expect(after, after.stderr).toMatchObject({ code: 0 })
  expect(await isSigned()).toBe(false)
})

test('a key of one’s own is used by the gpg of this machine, and so is everything but signing', async () => {
  const fingerprint = await createKey()
  await startAgent()
  await signing(true)
  const made = [
    '--pinentry-mode',
    'loopback',
    '--passphrase',
    '',
    '--quick-gen-key',
    'Own <own@example.com>',
    'ed25519',
    'sign',
    '0',
  ]
  execFileSync('gpg', ['--batch', '--quiet', ...made], { env: machine(), stdio: 'pipe' })
  writeFileSync(join(home, '.gitconfig'), '[user]\n\tsigningKey = own@example.com\n')
  const own = await commit()
  expect(own, own.stderr).toMatchObject({ code: 0 })
  const verified = await inRepository(['verify-commit', 'HEAD'])
  expect(verified.stderr).toContain('own@example.com')
  expect(verified.stderr).not.toContain(fingerprint)
  // Another program for gpg is the person's choice as well.
  writeFileSync(join(home, '.gitconfig'), '[gpg]\n\tprogram = /bin/false\n')
  expect((await commit()).code).not.toBe(0)
})

test('without the agent, or without the server, a commit fails and says why; it is not made unsigned', async () => {
  const fingerprint = await createKey()
  const agent = await startAgent()
  await signing(true)
  await server.kill()
  try {
    const failed = await commit()
    expect([failed.code, failed.stderr]).toEqual([128, expect.stringContaining('failed to sign')])
    // Git before 2.41 keeps to itself what gpg said.
    const said = await run(['git-gpg', '--status-fd=2', '-bsau', fingerprint], machine(), 'a commit')
    expect([said.code, said.stdout, said.stderr]).toEqual([
      1,
      '',
      expect.stringContaining('network.unreachable'),
    ])
  } finally {
    await server.startAgain()
  }
  expect((await inRepository(['log', '-1'])).code).not.toBe(0)
  agent.child.kill('SIGTERM')
  await agent.ended
})

test('doctor says which configuration is in the way, and when the address is not that of the key', async () => {
  await createKey()
  await startAgent()
  await signing(true)
  const findings = async () => {
    const { stdout } = await run(['doctor', '--json'], machine())
    const all = JSON.parse(stdout)
    return all.filter(({ check }: { check: string }) => check === 'git')
  }
  writeFileSync(join(home, '.gitconfig'), `[user]\n\temail = ada${count}@example.com\n`)
  expect(await findings()).toMatchObject([
    { status: 'ok', message: expect.stringContaining('are signed with') },
  ])
  writeFileSync(join(home, '.gitconfig'), '[user]\n\temail = x@example.com\n[commit]\n\tgpgSign = false\n')
  expect(await findings()).toMatchObject([
    { status: 'warn', message: expect.stringMatching(/^commit.gpgSign is set in \S+\.gitconfig, /) },
    { status: 'warn', message: expect.stringContaining(`the key is for ada${count}@example.com`) },
  ])
})
