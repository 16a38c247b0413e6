// `npm run executable`: keyhold in one file, on a machine that has no Node.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { keyhold as command, node, TerminalRun, waitFor } from './kit.ts'
import { type RealServer, startRealServer } from './real-server.ts'

const VALUE = 'value-of-the-standalone-test'
/** All that the machine has. */
const PROGRAMS = ['cat', 'env', 'mkfifo', 'ps', 'sh', 'ssh-keygen', 'stty', 'true']
/** As root it keeps its files where the whole machine does. */
const systemCache = '/var/cache/keyhold'
let foundThere: readonly string[]
let home: string
let keyhold: string
let server: RealServer
let ada: Record<string, string>
/** The environment of a machine that has an access key. */
let machine: Record<string, string>

beforeAll(async () => {
  foundThere = existsSync(systemCache) ? readdirSync(systemCache) : []
  home = mkdtempSync(join(tmpdir(), 'keyhold-standalone-'))
  keyhold = join(home, 'keyhold')
  execFileSync(node, [join(import.meta.dirname, '../../../tools/executable.ts'), '--output', keyhold])
  mkdirSync(join(home, 'bin'))
  for (const name of PROGRAMS) {
    const path = execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim()
    symlinkSync(path, join(home, 'bin', name))
  }
  server = await startRealServer()
  ada = server.person('ada')
  asAda(['project', 'create', 'api'])
  asAda(['secret', 'set', 'TOKEN', '--project=api'], VALUE)
  const made = asAda(['access-key', 'create', '--project=api', '--permission=read'])
  const lines = made.split('\n').filter((line) => line.startsWith('KEYHOLD_'))
  machine = {
    PATH: join(home, 'bin'),
    HOME: home,
    XDG_CACHE_HOME: join(home, 'cache'),
    ...Object.fromEntries(lines.map((line) => line.split('='))),
  }
}, 240_000)
afterAll(async () => {
  await server?.stop()
  rmSync(home, { recursive: true, force: true })
  const made = existsSync(systemCache)
    ? readdirSync(systemCache).filter((name) => !foundThere.includes(name))
    : []
  for (const name of made) rmSync(join(systemCache, name), { recursive: true })
})

/** Does something with the command as it is installed by npm. */
const asAda = (args: readonly string[], input = ''): string =>
  execFileSync(command, args, { env: ada, input, encoding: 'utf8' })

async function alone(args: readonly string[], env = machine, input = '') {
  const child = spawn(keyhold, args, { env })
  onTestFinished(() => void child.kill('SIGKILL'))
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (text: Buffer) => {
    stdout += text.toString()
  })
  child.stderr.on('data', (text: Buffer) => {
    stderr += text.toString()
  })
  child.stdin.end(input)
  const [code] = await once(child, 'close')
  return { code: code as number, stdout, stderr } // `as`: what close tells first.
}

test('runs a program with its secrets and takes them out of its output', async () => {
  const ran = await alone(['run', '--', 'sh', '-c', 'test -n "$TOKEN" && echo "it is $TOKEN."; exit 7'])
  expect(ran).toEqual({ code: 7, stdout: 'it is .\n', stderr: '' })
})

test('has the compiled part by which a program is masked behind a terminal', async () => {
  const terminal = new TerminalRun(
    keyhold,
    ['run', '--', 'sh', '-c', 'test -t 1 && echo "it is $TOKEN."'],
    machine,
  )
  await terminal.sees(/it is \./)
  expect(terminal.output).not.toContain(VALUE)
})

test('unpacks itself once, for this account alone', async () => {
  expect(await alone(['--version'])).toMatchObject({ code: 0 })
  const cache = process.getuid?.() === 0 ? systemCache : join(home, 'cache/keyhold')
  const seen = () =>
    readdirSync(cache)
      .map((name) => ({ name, ...statSync(join(cache, name)) }))
      .map(({ name, ino, mode }) => ({ name, ino, isOpen: (mode & 0o077) !== 0 }))
  const before = seen()
  expect(before.length).toBeGreaterThan(0)
  expect(before.every(({ isOpen }) => !isOpen)).toBe(true)
  expect(await alone(['--version'])).toMatchObject({ code: 0 })
  expect(seen()).toEqual(before)
})

test('knows the programs that it unpacked, also where it would unpack elsewhere by now', async () => {
  expect(await alone(['--version'])).toMatchObject({ code: 0 })
  const cache = process.getuid?.() === 0 ? systemCache : join(home, 'cache/keyhold')
  const [name = ''] = readdirSync(cache).filter((one) => !foundThere.includes(one))
  const file = join(cache, name, 'dist/keyhold.js')
  const elsewhere = { PATH: machine.PATH!, HOME: join(home, 'elsewhere') }
  const flag = '--disable-warning=ExperimentalWarning'
  expect(await alone([flag, file, '--version'], elsewhere)).toMatchObject({ code: 0, stdout: '0.1.0\n' })
  expect(existsSync(join(home, 'elsewhere'))).toBe(false)
})

test('says that the server is not in it', async () => {
  expect(await alone(['server'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('@keyhold/server'),
  })
})

test('is the agent of a workspace, and gives its programs their secrets', async () => {
  asAda(['workspace', 'create', 'box'])
  asAda(['workspace-secret', 'set', 'box', 'BOX_TOKEN'], VALUE)
  const enrollment = asAda(['workspace', 'enroll', 'box'])
  const { PATH = '', HOME = '', XDG_CACHE_HOME = '' } = machine
  const inside = { PATH, HOME, XDG_CACHE_HOME, KEYHOLD_AGENT_SOCKET: join(home, 'run/agent.sock') }
  const agent = spawn(keyhold, ['agent', `--state-dir=${home}/state`], {
    env: { ...inside, KEYHOLD_URL: server.url },
  })
  onTestFinished(() => void agent.kill('SIGTERM'))
  let said = ''
  agent.stderr.on('data', (text: Buffer) => {
    said += text.toString()
  })
  agent.stdin.end(enrollment)
  await waitFor(
    () => /connected to/.test(said),
    undefined,
    () => said,
  )
  const ran = await alone(['run', '--no-mask', '--', 'sh', '-c', 'echo "$BOX_TOKEN"'], inside)
  expect(ran).toMatchObject({ code: 0, stdout: `${VALUE}\n` })
})
