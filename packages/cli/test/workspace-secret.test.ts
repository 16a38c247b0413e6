import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { keyhold, type Result, run, TerminalRun } from './kit.ts'
import { type RealServer, startRealServer } from './real-server.ts'

let server: RealServer
let person: Record<string, string>
let people = 0

beforeAll(async () => {
  server = await startRealServer()
})
afterAll(() => server.stop())
beforeEach(async () => {
  people += 1
  person = server.person(`person${people}`)
  await done(['workspace', 'create', 'api'])
})

async function done(args: string[], input = '', env = person): Promise<Result> {
  const result = await run(args, env, input)
  expect(result, result.stderr).toMatchObject({ code: 0 })
  return result
}
async function failed(args: string[], code = 1, input = '', env = person): Promise<string> {
  const result = await run(args, env, input)
  expect(result, result.stderr).toMatchObject({ code, stdout: '' })
  return result.stderr
}
const json = async (...args: string[]) => JSON.parse((await done([...args, '--json'])).stdout)
const noun = 'workspace-secret'

test('set keeps a value byte for byte, into the variable of its name, and get gives it back', async () => {
  expect((await done([noun, 'list', 'api'])).stderr).toContain('workspace api has no secrets of its own')
  const set = [noun, 'set', 'api', 'GITHUB_TOKEN']
  expect((await done(set, 'canary-one')).stderr).toContain(
    'GITHUB_TOKEN created in api, version 1; $GITHUB_TOKEN',
  )
  expect((await done(set, 'canary-one')).stderr).toContain('unchanged in api, version 1')
  expect((await done(set, 'canary-two\n')).stderr).toContain('updated in api, version 2')
  expect((await done([noun, 'get', 'api', 'GITHUB_TOKEN'])).stdout).toBe('canary-two\n')
  const history = (await done([noun, 'history', 'api', 'GITHUB_TOKEN'])).stdout
  expect(history.split('\n').map((row) => row.split('\t')[0])).toEqual(['2', '1', ''])
  const list = (await done([noun, 'list', 'api'])).stdout
  expect(list).toMatch(
    /^GITHUB_TOKEN\ttoken\tGITHUB_TOKEN\t\t2\t[\d-]+ [\d:]+\tNo expiry\t[\d-]+ [\d:]+\tactive\t/,
  )
  expect(list + JSON.stringify(await json(noun, 'list', 'api'))).not.toContain('canary')
  expect((await done(['audit', 'list', '--secret=GITHUB_TOKEN'])).stdout).toContain(
    'Secret accessed: GITHUB_TOKEN',
  )
  expect((await done(['inventory'])).stdout).toContain('secret of a workspace\tGITHUB_TOKEN\tworkspace api')
})

test('it goes where the options say, and edit changes that without the value', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'keyhold-workspace-'))
  try {
    const path = join(directory, 'config')
    writeFileSync(path, Buffer.from([0, 255, 10]))
    const made = await json(
      noun,
      'set',
      'api',
      'KUBECONFIG_FILE',
      `--file=${path}`,
      '--env-name=',
      '--file-path=~/.kube/config',
      '--rotate=30d',
      '--note=of the cluster',
    )
    expect(made).toMatchObject({
      type: 'file',
      envName: null,
      filePath: '~/.kube/config',
      rotationDays: 30,
      note: 'of the cluster',
    })
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
  const edit = [noun, 'edit', 'api', 'KUBECONFIG_FILE']
  expect(await json(...edit, '--env-name=KUBECONFIG', '--file-path=', '--expires=never')).toMatchObject({
    envName: 'KUBECONFIG',
    filePath: null,
    version: 1,
  })
  expect((await done([...edit, '--disable'])).stderr).toContain('delivered nowhere')
  expect((await done([...edit, '--enable'])).stderr).toContain('$KUBECONFIG')
  expect(await failed([...edit, '--type=key'])).toContain('value: ')
  expect(await failed(edit, 2)).toContain('nothing to change')
  const { value, encoding } = await json(noun, 'get', 'api', 'KUBECONFIG_FILE')
  expect(Buffer.from(value, encoding)).toEqual(Buffer.from([0, 255, 10]))
})

test('SEC-12: a preset gives type and description; others are tokens, or files with --file', async () => {
  const presets = await json(noun, 'presets')
  expect(presets.map(({ name }: { name: string }) => name)).toContain('DATABASE_URL')
  const url = 'postgres://u:p%40ss@db:5432/shop'
  await done([noun, 'set', 'api', 'DATABASE_URL'], url)
  const [listed] = await json(noun, 'list', 'api')
  expect(listed).toMatchObject({ type: 'password', description: expect.stringContaining('database') })
  expect((await done([noun, 'get', 'api', 'DATABASE_URL'])).stdout).toBe(url)
})

test('SEC-34: a missing name says why that may be, and which one is near', async () => {
  await done([noun, 'set', 'api', 'github_token'], 'value')
  const message = await failed([noun, 'get', 'api', 'GITHUB_TOKEN'])
  expect(message).toContain('GITHUB_TOKEN not found')
  expect(message).toContain('not added to this workspace')
  expect(message).toContain('github_token')
  expect(await failed([noun, 'list', 'apj'])).toContain('did you mean api?')
})

test('unset asks in a terminal, and does not without a yes', async () => {
  await done([noun, 'set', 'api', 'OLD_TOKEN'], 'value')
  const run = new TerminalRun(keyhold, [noun, 'unset', 'api', 'OLD_TOKEN'], person)
  await run.sees(/delete OLD_TOKEN of api, with its versions\?/)
  run.type('n\r')
  expect((await run.ended).exitCode).toBe(1)
  expect(await json(noun, 'list', 'api')).toHaveLength(1)
  expect((await done([noun, 'unset', 'api', 'OLD_TOKEN', '--yes'])).stderr).toContain('deleted from api')
  expect(await json(noun, 'list', 'api')).toEqual([])
})

test('SEC-39, SEC-40: shared as Edit, names are listed; values, changes and deletion are refused', async () => {
  await done([noun, 'set', 'api', 'SHARED_TOKEN'], 'canary-shared')
  const guest = server.person(`guest${people}`)
  await done(['share', 'add', 'api', `guest${people}@example.com`, '--level=edit'])
  expect((await done([noun, 'list', 'api'], '', guest)).stdout).toContain('SHARED_TOKEN')
  expect(await failed([noun, 'get', 'api', 'SHARED_TOKEN'], 1, '', guest)).toContain('access.refused')
  expect(await failed([noun, 'set', 'api', 'SHARED_TOKEN'], 1, 'other', guest)).toContain('access.refused')
  expect(await failed([noun, 'unset', 'api', 'SHARED_TOKEN', '--yes'], 1, '', guest)).toContain(
    'access.refused',
  )
})

test('workspace variables: what programs get, where it comes from and what it hides', async () => {
  expect((await done(['workspace', 'variables', 'api'])).stderr).toContain('workspace api gets no secrets')
  await done([noun, 'set', 'api', 'GITHUB_TOKEN'], 'canary-w')
  await done(
    ['secret', 'set', 'GITHUB_TOKEN', '--personal', '--env-name=GITHUB_TOKEN', '--file-path=~/.config/gh'],
    'canary-p',
  )
  const { stdout } = await done(['workspace', 'variables', 'api'])
  const me = `personal secrets of person${people}`
  expect(stdout).toBe(
    `$GITHUB_TOKEN\tvalue\tGITHUB_TOKEN\tworkspace api\tpending\t${me}\n~/.config/gh\tfile\tGITHUB_TOKEN\t${me}\tpending\t\n`,
  )
  expect((await json('workspace', 'variables', 'api')).variables).toMatchObject([{ name: 'GITHUB_TOKEN' }])
  await done([noun, 'set', 'api', 'CONFIG', '--type=file'], 'canary-f')
  expect((await done(['workspace', 'variables', 'api'])).stdout).toContain(
    '$CONFIG\tpath of a file, while a program runs\tCONFIG\tworkspace api',
  )
})
