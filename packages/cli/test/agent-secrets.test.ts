// What programs in a workspace get, by way of the real agent.
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { node, type Running, run, start, waitFor } from './kit.ts'
import { type RealServer, startRealServer } from './real-server.ts'

let server: RealServer
let ada: Record<string, string>
let home: string
let workspace: string
let count = 0

beforeAll(async () => {
  server = await startRealServer()
  ada = server.person('ada')
}, 60_000)
afterAll(() => server?.stop())
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'keyhold-agent-'))
  onTestFinished(() => rmSync(home, { recursive: true, force: true }))
  workspace = `box-${++count}`
  await done(['workspace', 'create', workspace])
})

async function done(args: string[], input = '') {
  const result = await run(args, ada, input)
  expect(result, result.stderr).toMatchObject({ code: 0 })
  return result
}

/** The machine of the workspace: it knows the server, and nobody's token. */
const machine = () => ({ PATH: ada.PATH!, HOME: home, KEYHOLD_AGENT_SOCKET: join(home, 'run/agent.sock') })

async function startAgent(isJoining = true): Promise<Running> {
  const agent = start(['agent', `--state-dir=${home}/state`], { ...machine(), KEYHOLD_URL: server.url })
  if (isJoining) agent.child.stdin.end((await done(['workspace', 'enroll', workspace])).stdout)
  await waitFor(
    () => /connected to/.test(agent.stderr),
    undefined,
    () => agent.stderr,
  )
  return agent
}

const printed = (program: string) =>
  run(['run', '--no-mask', '--', node, '-e', `process.stdout.write(${program})`], machine())

/** Runs programs until one sees it: the agent hears of a change within a second or so. */
async function seen(program: string, expected: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    const { stdout, stderr } = await printed(program)
    if (stdout === expected) return
    if (tries > 60) throw new Error(`${expected} was not seen, but ${stdout}${stderr}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/** Looks until `workspace show` or `variables` say it: the agent tells what is in effect once it is. */
async function shownWhen(command: string, pattern: RegExp): Promise<void> {
  for (let tries = 0; ; tries++) {
    const { stdout } = await done(['workspace', command, workspace])
    if (pattern.test(stdout)) return
    if (tries > 60) throw new Error(`${pattern} was not seen in ${stdout}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

test('SEC-10, SEC-28, SEC-35: programs get what the workspace has, new ones what it has now, without a token', async () => {
  await done(['workspace-secret', 'set', workspace, 'GITHUB_TOKEN'], 'ghp_canary-one')
  const agent = await startAgent()
  await seen('String(process.env.GITHUB_TOKEN)', 'ghp_canary-one')
  expect(statSync(join(home, 'run')).mode & 0o777).toBe(0o700)
  await done(['workspace-secret', 'set', workspace, 'GITHUB_TOKEN'], 'ghp_canary-two')
  await seen('String(process.env.GITHUB_TOKEN)', 'ghp_canary-two')
  await done(['workspace-secret', 'unset', workspace, 'GITHUB_TOKEN', '--yes'])
  await seen('String(process.env.GITHUB_TOKEN)', 'undefined')
  // T24: the agent has them in memory only, and says nothing of them.
  expect(agent.stderr).not.toContain('canary')
  expect(readFileSync(join(home, 'state/agent.json'), 'utf8')).not.toContain('canary')
  agent.child.kill('SIGTERM')
  await agent.ended
  expect(existsSync(join(home, 'run/agent.sock'))).toBe(false)
})

test('SEC-11, SEC-23: programs use it as the seed does, and the log says in which line, of which workspace', async () => {
  await done(['workspace-secret', 'set', workspace, 'GITHUB_TOKEN'], 'canary-used')
  const agent = await startAgent()
  await seen('process.env.GITHUB_TOKEN', 'canary-used')
  writeFileSync(join(home, 'app.js'), '\n\nprocess.stdout.write(process.env.GITHUB_TOKEN)\n')
  writeFileSync(join(home, 'app.py'), "import os\nprint(os.environ.get('GITHUB_TOKEN'), end='')\n")
  for (const program of [
    [node, 'app.js'],
    ['python3', 'app.py'],
  ]) {
    const running = start(['run', '--no-mask', '--', ...program], machine(), { cwd: home })
    running.child.stdin.end()
    expect(await running.ended).toMatchObject({ code: 0, stdout: 'canary-used', stderr: '' })
  }
  const { stdout } = await run(['audit', 'list', '--json'], server.person('root', 'admin'))
  const records = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  const used = records.filter(({ use }) => use?.kind === 'read' && use.file.startsWith('app.'))
  expect(used.map(({ target, use }) => `${target.name} ${use.file}:${use.line}`).sort()).toEqual([
    'GITHUB_TOKEN app.js:3',
    'GITHUB_TOKEN app.py:2',
  ])
  for (const one of used)
    expect(one).toMatchObject({
      action: 'workspace-secret.use',
      workspace: expect.stringMatching(/^ws-/),
      actor: { kind: 'workspace' },
    })
  const program = 'process.stdout.write(String(process.env.NODE_OPTIONS))'
  const unseen = await run(['run', '--no-record-use', '--', node, '-e', program], machine())
  expect(unseen.stdout).toBe('undefined')
  agent.child.kill('SIGTERM')
  await agent.ended
})

test('SEC-30, C17: values are taken out of the output; a file is there while the program runs', async () => {
  await done(['workspace-secret', 'set', workspace, 'TOKEN'], 'canary-masked')
  await done(['workspace-secret', 'set', workspace, 'CONFIG', '--type=file'], 'canary in a file\n')
  const agent = await startAgent()
  await seen('require("fs").readFileSync(process.env.CONFIG)', 'canary in a file\n')
  const masked = await run(['run', '--', 'sh', '-c', 'echo "[$TOKEN]"; cat "$CONFIG"'], machine())
  expect(masked.stdout).not.toContain('canary')
  expect(masked.stdout).toContain('[]')
  for (const [option, next] of [
    ['--environment=nosuch', 'keyhold workspace update WORKSPACE --environment='],
    ['--watch', 'restart it yourself, or use --project'],
  ] as const) {
    const refused = await run(['run', option, '--', 'true'], machine())
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining(next) })
  }
  agent.child.kill('SIGTERM')
  await agent.ended
})

test('SDS-19, SDS-21, SEC-4, SEC-5: files are at the paths that were chosen, byte for byte, and go with their secret', async () => {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
  const source = join(home, 'source')
  writeFileSync(source, bytes)
  await done([
    ...['workspace-secret', 'set', workspace, 'TOOL', '--type=file', `--file=${source}`],
    '--file-path=~/.config/tool/token',
  ])
  await done(['secret', 'set', `npm-${workspace}`, '--personal', '--file-path=~/.npmrc'], 'canary-npm\n')
  const agent = await startAgent()
  const path = join(home, '.config/tool/token')
  await waitFor(() => existsSync(path) && existsSync(join(home, '.npmrc')))
  expect(readFileSync(path).equals(bytes)).toBe(true)
  expect(readFileSync(join(home, '.npmrc'), 'utf8')).toBe('canary-npm\n')
  const { mode, uid } = statSync(path)
  expect([mode & 0o777, uid]).toEqual([0o600, process.getuid?.()])
  // SEC-15: of the value itself nothing is on a disk.
  expect(lstatSync(path).isSymbolicLink()).toBe(true)
  expect(readFileSync(join(home, 'state/files.json'), 'utf8')).not.toContain('canary')
  expect((await printed('process.env.TOOL')).stdout).toBe(path)

  writeFileSync(source, 'canary-next')
  await done(['workspace-secret', 'set', workspace, 'TOOL', '--type=file', `--file=${source}`])
  await waitFor(() => readFileSync(path, 'utf8') === 'canary-next')
  await done(['workspace-secret', 'unset', workspace, 'TOOL', '--yes'])
  await waitFor(() => !existsSync(join(home, '.config')))
  agent.child.kill('SIGTERM')
  await agent.ended
  expect(readdirSync(home).filter((name) => !['source', 'run', 'state', '.ssh'].includes(name))).toEqual([])
  expect(existsSync(join(home, 'state/files.json'))).toBe(false)
  await done(['secret', 'unset', `npm-${workspace}`, '--personal', '--yes'])
})

test('T23: a file that is there is not written over, and the agent says so until it has gone', async () => {
  const path = join(home, '.netrc')
  writeFileSync(path, 'mine')
  await done(['workspace-secret', 'set', workspace, 'NETRC', '--type=file', '--file-path=~/.netrc'], 'canary')
  const agent = await startAgent()
  await waitFor(() => agent.stderr.includes('~/.netrc is not written: something is there'))
  expect(readFileSync(path, 'utf8')).toBe('mine')
  await shownWhen(
    'variables',
    /^\$NETRC\tpath ~\/.netrc\tNETRC\tworkspace \S+\tnot written: something is there/m,
  )
  await shownWhen(
    'show',
    /^Secrets {6}0 in effect, 1 not in effect, see keyhold workspace variables, as the/m,
  )
  const { files } = JSON.parse((await done(['workspace', 'variables', workspace, '--json'])).stdout)
  expect(files).toMatchObject([{ path: '~/.netrc', effect: { state: 'refused', problem: 'taken' } }])
  // A program that keyhold run starts has it all the same.
  await seen('require("fs").readFileSync(process.env.NETRC)', 'canary')
  rmSync(path)
  await done(['workspace-secret', 'set', workspace, 'OTHER'], 'canary-other')
  await waitFor(() => agent.stderr.includes('~/.netrc is written now'))
  expect(readFileSync(path, 'utf8')).toBe('canary')
  await shownWhen('show', /^Secrets {6}2 in effect, as the agent said/m)
  agent.child.kill('SIGTERM')
  await agent.ended
  await shownWhen('variables', /^\$NETRC\t.*\tpending\t$/m)
  expect(agent.stderr).not.toContain('canary')
})

test('SDS-21: what a killed agent has left is taken away by the next one, also when it gets nothing', async () => {
  await done(['workspace-secret', 'set', workspace, 'TOOL', '--file-path=~/tool/token'], 'canary-left')
  const agent = await startAgent()
  const path = join(home, 'tool/token')
  await waitFor(() => existsSync(path))
  const bytes = readlinkSync(path)
  agent.child.kill('SIGKILL')
  await agent.ended
  expect(readFileSync(bytes, 'utf8')).toBe('canary-left')
  await done(['workspace-secret', 'unset', workspace, 'TOOL', '--yes'])
  await startAgent(false)
  await waitFor(() => !existsSync(dirname(bytes)) && !existsSync(join(home, 'tool')))
})

test('a value that has expired is given out no more, in variable or file, though the server is not there', async () => {
  const own = await startRealServer()
  onTestFinished(() => own.stop())
  const bob = own.person('bob')
  const created = await run(['workspace', 'create', 'box', '--json'], bob)
  const { id } = JSON.parse(created.stdout)
  const save = (name: string, wish: object) =>
    fetch(`${own.url}/api/v1/workspaces/${id}/secrets`, {
      method: 'POST',
      headers: { authorization: `Bearer ${bob.KEYHOLD_TOKEN}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name, type: 'token', value: `canary-${name}`, ...wish }),
    }).then(({ status }) => expect(status).toBe(201))
  const expiresAt = new Date(Date.now() + 6_000).toISOString()
  await save('BRIEF', { expiresAt, filePath: '~/brief' })
  await save('LASTING', {})
  const agent = start(['agent', `--state-dir=${home}/state`], { ...machine(), KEYHOLD_URL: own.url })
  agent.child.stdin.end((await run(['workspace', 'enroll', 'box'], bob)).stdout)
  await waitFor(() => existsSync(join(home, 'brief')))
  await own.kill()
  await waitFor(() => !existsSync(join(home, 'brief')))
  expect(Date.now()).toBeGreaterThan(Date.parse(expiresAt) - 2_000)
  await seen('[process.env.BRIEF, process.env.LASTING].join()', ',canary-LASTING')
  await own.startAgain()
})

test('an agent that was killed is followed by another one; of two for one user the second says so', async () => {
  await done(['workspace-secret', 'set', workspace, 'TOKEN'], 'canary-killed')
  const agent = await startAgent()
  await seen('process.env.TOKEN', 'canary-killed')
  agent.child.kill('SIGKILL')
  await agent.ended
  const { code, stderr } = await printed('process.env.TOKEN')
  expect([code, stderr]).toEqual([1, expect.stringContaining('does not answer')])
  const next = await startAgent(false)
  await seen('process.env.TOKEN', 'canary-killed')
  cpSync(join(home, 'state'), join(home, 'copy'), { recursive: true })
  const second = start(['agent', `--state-dir=${home}/copy`], { ...machine(), KEYHOLD_URL: server.url })
  await waitFor(() => second.stderr.includes('another agent listens'))
  await next.ended
  await waitFor(() => second.stderr.includes('from this agent now'))
  await done(['workspace', 'create', `${workspace}-other`])
  const { stdout: token } = await done(['workspace', 'enroll', `${workspace}-other`])
  const other = start(['agent', `--state-dir=${home}/other`], { ...machine(), KEYHOLD_URL: server.url })
  other.child.stdin.end(token)
  await waitFor(
    () => other.stderr.includes('of another workspace'),
    undefined,
    () => `OTHER ${other.stderr} SECOND ${second.stderr} NEXT ${next.stderr}`,
  )
  other.child.kill('SIGTERM')
  await other.ended
  second.child.kill('SIGKILL')
  await second.ended
})

test('an agent that takes the place of a running one hands out the secrets, and so does one whose socket has gone', async () => {
  await done(['workspace-secret', 'set', workspace, 'TOKEN'], 'canary-taken-over')
  const first = await startAgent()
  await seen('process.env.TOKEN', 'canary-taken-over')
  cpSync(join(home, 'state'), join(home, 'copy'), { recursive: true })
  const second = start(['agent', `--state-dir=${home}/copy`], { ...machine(), KEYHOLD_URL: server.url })
  expect((await first.ended).stderr).toContain('took the place of this one')
  await waitFor(() => second.stderr.includes('from this agent now'))
  await seen('process.env.TOKEN', 'canary-taken-over')
  // Another one may be there by then: only its own socket is removed.
  rmSync(join(home, 'run'), { recursive: true })
  await seen('process.env.TOKEN', 'canary-taken-over')
  rmSync(join(home, 'run/agent.sock'))
  const others = createServer().listen(join(home, 'run/agent.sock'))
  onTestFinished(() => void others.close())
  second.child.kill('SIGTERM')
  await second.ended
  expect(existsSync(join(home, 'run/agent.sock'))).toBe(true)
})

test('T21: a place that others can enter is not used, by the agent or by run', async () => {
  const { chmodSync, mkdirSync } = await import('node:fs')
  const directory = dirname(machine().KEYHOLD_AGENT_SOCKET)
  mkdirSync(directory)
  chmodSync(directory, 0o755)
  const agent = start(['agent', `--state-dir=${home}/state`], { ...machine(), KEYHOLD_URL: server.url })
  agent.child.stdin.end((await done(['workspace', 'enroll', workspace])).stdout)
  await waitFor(() => agent.stderr.includes('only you can enter'))
  const { code, stderr } = await printed('process.env.TOKEN')
  expect([code, stderr]).not.toEqual([0, ''])
  agent.child.kill('SIGTERM')
  await agent.ended
})
