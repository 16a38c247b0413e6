// What git does in a workspace, by way of the real agent, with the real git.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { GitHost } from './git-host.ts'
import { type Result, type Running, run, start, waitFor } from './kit.ts'
import { type RealServer, startRealServer } from './real-server.ts'

let server: RealServer
let gitHost: GitHost
let admin: Record<string, string>
let ada: Record<string, string>
let home: string
let workspace: string
let count = 0

beforeAll(async () => {
  server = await startRealServer({ KEYHOLD_OUTGOING_ALLOW: '127.0.0.0/8' })
  admin = server.person('root', 'admin')
  gitHost = await GitHost.start()
}, 60_000)
afterAll(async () => {
  gitHost?.stop()
  await server?.stop()
})
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'keyhold-git-'))
  onTestFinished(() => rmSync(home, { recursive: true, force: true }))
  if (count === 0) await gitHost.register(admin, run)
  ada = server.person(`ada${++count}`)
  workspace = `box-${count}`
  await done(['workspace', 'create', workspace])
  gitHost.seen.length = 0
  gitHost.expiresSeconds = 7200
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
  KEYHOLD_AGENT_SOCKET: join(home, 'run/agent.sock'),
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_TERMINAL_PROMPT: '0',
  GIT_SSL_CAINFO: gitHost.ca,
})

async function startAgent(): Promise<Running> {
  const agent = start(['agent', `--state-dir=${home}/state`], { ...machine(), KEYHOLD_URL: server.url })
  const joined = existsSync(join(home, 'state/agent.json'))
  if (!joined) agent.child.stdin.end((await done(['workspace', 'enroll', workspace])).stdout)
  await waitFor(
    () => /connected to/.test(agent.stderr),
    undefined,
    () => agent.stderr,
  )
  return agent
}

/** A program in the workspace. */
const inWorkspace = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  run(['run', '--no-mask', '--', ...args], { ...machine(), ...env })
const helper = (text: string, operation = 'get') => run(['git-credential', operation], machine(), text)
const asked = (host: string, protocol = 'https') => `protocol=${protocol}\nhost=${host}\n\n`
/** The agent hears of a change within a second or so. */
const configured = (isThere = true) =>
  waitFor(() => {
    const path = join(home, 'run/git-config')
    return (existsSync(path) && readFileSync(path, 'utf8').includes(gitHost.host)) === isThere
  })

test('F10, SDS-3: git clones, fetches and pushes with nothing set up; the token is nowhere on disk and in no argument (T24)', async () => {
  await gitHost.connect(server.url, ada, run)
  const agent = await startAgent()
  await configured()
  expect(statSync(join(home, 'run/git-config')).mode & 0o777).toBe(0o600)
  // Not the whole command line, which takes four times as long to start.
  expect(readFileSync(join(home, 'run/git-config'), 'utf8')).toMatch(/\/git-program\.js' credential"$/m)
  // What the person has configured stays, but a helper that keeps what it sees gets nothing of this host.
  writeFileSync(
    join(home, '.gitconfig'),
    '[credential]\n\thelper = store\n[user]\n\tname = Ada\n\temail = a@b.c\n',
  )
  const work = join(home, 'work')
  const script = `set -e; git clone -q ${gitHost.url} ${work}; cd ${work}; git config user.name
    echo 1 > file; git add file; git commit -q -m first; git push -q origin HEAD:main; git ls-remote origin; git config -l`
  const done = await inWorkspace(['sh', '-c', script], {
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: 'user.name',
    GIT_CONFIG_VALUE_0: 'Ada Elsewhere',
  })
  expect(done, done.stderr).toMatchObject({ code: 0, stdout: expect.stringContaining('refs/heads/main') })
  expect(done.stdout).toContain('Ada Elsewhere')
  const [token] = [...gitHost.tokens].slice(-1)
  expect(gitHost.seen).toContain(`oauth2:${token}`)
  expect(existsSync(join(home, '.git-credentials'))).toBe(false)
  expect(done.stdout + done.stderr + agent.stderr).not.toContain(token)
  const found = await run(['run', '--no-mask', '--', 'grep', '-rl', token!, home], machine())
  expect(found).toMatchObject({ code: 1, stdout: '' })
  const { stdout } = await run(['audit', 'list', '--action=repository.use', '--json'], admin)
  const record = JSON.parse(stdout.split('\n')[0]!)
  expect(record).toMatchObject({
    actor: { kind: 'workspace' },
    workspace: expect.stringMatching(/^ws-/),
    target: { name: gitHost.host },
  })
  // Nothing of it stays behind.
  agent.child.kill('SIGTERM')
  await agent.ended
  for (const name of ['git-config', 'requests.sock', 'agent.sock'])
    expect([name, existsSync(join(home, 'run', name))]).toEqual([name, false])
  expect((await inWorkspace(['true'])).code).not.toBe(0)
})

test('T20: only https, and host and port to the letter; nothing for what could be read in two ways', async () => {
  await gitHost.connect(server.url, ada, run)
  await startAgent()
  await configured()
  const given = await helper(`${asked(gitHost.host)}`)
  expect(given.stdout).toMatch(
    /^username=oauth2\npassword=canary-[0-9a-f]{24}\npassword_expiry_utc=\d{10}\n$/,
  )
  expect(Number(/utc=(\d+)/.exec(given.stdout)![1]) - Date.now() / 1000).toBeGreaterThan(7000)
  expect(
    (
      await helper(
        `protocol=https\nhost=${gitHost.host}\npath=shop.git\nusername=x\nwwwauth[]=a\nwwwauth[]=b\n`,
      )
    ).stdout,
  ).toBe(given.stdout)
  const [, port] = gitHost.host.split(':')
  const refused = [
    ...['', '\n', 'protocol=https\n', `host=${gitHost.host}\n`, asked(''), asked(gitHost.host, '')],
    ...['http', 'HTTPS', 'ssh', 'file'].map((protocol) => asked(gitHost.host, protocol)),
    ...['127.0.0.1', `127.0.0.1:${Number(port) + 1}`, `127.0.0.1:0${port}`, `${gitHost.host}.evil.tld`],
    ...[`x@${gitHost.host}`, `x:y@${gitHost.host}`, `evil.tld#@${gitHost.host}`, `${gitHost.host}/evil`],
    ...[
      ` ${gitHost.host}`,
      `${gitHost.host} `,
      `${gitHost.host}\r`,
      `${gitHost.host}\0`,
      `localhost:${port}`,
    ],
    ...[`１27.0.0.1:${port}`, `127.1:${port}`, `2130706433:${port}`, `%31%32%37.0.0.1:${port}`],
  ].map((text) => (text.includes('=') || text.trim() === '' ? text : asked(text)))
  refused.push(
    `${asked(gitHost.host).trim()}\nhost=${gitHost.host}\n`,
    `protocol=https\nprotocol=https\nhost=${gitHost.host}\n`,
    `protocol=https\nhost=${gitHost.host}\nnonsense\n`,
    `protocol=https\nhost=${gitHost.host}\npath=a\rb\n`,
    `protocol=https\nhost=${gitHost.host}\nx=${'y'.repeat(70_000)}\n`,
  )
  const answers = await Promise.all(refused.map((text) => helper(text)))
  for (const [i, { code, stdout, stderr }] of answers.entries())
    expect([refused[i], code, stdout, stderr]).toEqual([refused[i], 0, '', ''])
  for (const operation of ['store', 'capability', 'nonsense'])
    expect(await helper(given.stdout, operation)).toMatchObject({ code: 0, stdout: '', stderr: '' })
})

test('the token comes from the memory of the agent; a rejected one is replaced once, a foreign one is not', async () => {
  await gitHost.connect(server.url, ada, run)
  await startAgent()
  await configured()
  const passwordOf = async () => /password=(\S+)/.exec((await helper(asked(gitHost.host))).stdout)?.[1]
  const uses = async () => {
    const { stdout } = await run(['audit', 'list', '--action=repository.use', '--json'], admin)
    return stdout.trim().split('\n').length
  }
  const first = await passwordOf()
  const before = await uses()
  for (let i = 0; i < 3; i++) expect(await passwordOf()).toBe(first)
  expect(await uses()).toBe(before)
  // Not ours: nothing happens.
  await helper(`${asked(gitHost.host).trim()}\nusername=oauth2\npassword=other\n`, 'erase')
  expect(await passwordOf()).toBe(first)
  // The connection is a minute old at least before another refresh is forced: here it is younger, so the same comes back.
  await helper(`${asked(gitHost.host).trim()}\nusername=oauth2\npassword=${first}\n`, 'erase')
  await passwordOf()
  expect(await uses()).toBe(before + 1)
})

test('SDS-15: what is disconnected is no longer given, nor configured; a connected host is, in what runs already', async () => {
  const agent = await startAgent()
  const waiting = start(
    ['run', '--no-mask', '--', 'sh', '-c', `read _; git ls-remote ${gitHost.url} && echo cloned`],
    machine(),
  )
  await gitHost.connect(server.url, ada, run)
  await configured()
  waiting.child.stdin.end('go\n')
  expect(await waiting.ended).toMatchObject({ code: 0, stdout: expect.stringContaining('cloned') })
  await done(['repository', 'disconnect', gitHost.host, '--yes'])
  await configured(false)
  expect(await helper(asked(gitHost.host))).toMatchObject({ code: 0, stdout: '' })
  expect((await inWorkspace(['git', 'ls-remote', gitHost.url])).code).toBe(128)
  agent.child.kill('SIGTERM')
  await agent.ended
  const without = await helper(asked(gitHost.host))
  expect([without.code, without.stderr]).toEqual([1, expect.stringContaining('keyhold agent')])
})

test('T21: a directory that others can enter is not asked, and is not taken', async () => {
  mkdirSync(join(home, 'run'), { mode: 0o755 })
  const agent = start(['agent', `--state-dir=${home}/state`], { ...machine(), KEYHOLD_URL: server.url })
  agent.child.stdin.end((await done(['workspace', 'enroll', workspace])).stdout)
  await waitFor(() => agent.stderr.includes('only you can enter') && agent.stderr.includes('connected to'))
  expect(existsSync(join(home, 'run/requests.sock'))).toBe(false)
  expect(await helper(asked(gitHost.host))).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringContaining('only you can enter'),
  })
})
