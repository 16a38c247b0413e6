import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { keyhold, type Result, run, TerminalRun } from './kit.ts'
import { type RealServer, startRealServer } from './real-server.ts'

let server: RealServer
let person: Record<string, string>
let people = 0

beforeAll(async () => {
  server = await startRealServer()
})
afterAll(() => server.stop())
beforeEach(() => {
  people += 1
  person = server.person(`person${people}`)
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

describe('secret --personal', () => {
  test('set keeps a value byte for byte, into the variable of its name, and get gives it back', async () => {
    expect((await done(['secret', 'list', '--personal'])).stderr).toContain('you have no personal secrets')
    const set = ['secret', 'set', 'GITHUB_TOKEN', '--personal']
    expect((await done(set, 'canary-one')).stderr).toContain(
      'your secret GITHUB_TOKEN created, version 1; $GITHUB_TOKEN in all workspaces',
    )
    expect((await done(set, 'canary-one')).stderr).toContain('unchanged, version 1')
    expect((await done(set, 'canary-two\n')).stderr).toContain('updated, version 2')
    expect((await done(['secret', 'get', 'GITHUB_TOKEN', '--personal'])).stdout).toBe('canary-two\n')
    expect((await done(['secret', 'get', 'github_token', '--personal'])).stdout).toBe('canary-two\n')
    const history = (await done(['secret', 'history', 'GITHUB_TOKEN', '--personal'])).stdout
    expect(history.split('\n').map((row) => row.split('\t')[0])).toEqual(['2', '1', ''])
    const list = (await done(['secret', 'list', '--personal'])).stdout
    expect(list).toMatch(
      /^GITHUB_TOKEN\ttoken\tGITHUB_TOKEN\t\tall workspaces\t2\t[\d-]+ [\d:]+\tNo expiry\tactive\t/,
    )
    expect(list + JSON.stringify(await json('secret', 'list', '--personal'))).not.toContain('canary')
    expect((await done(['audit', 'list', '--secret=GITHUB_TOKEN'])).stdout).toContain(
      'Personal secret accessed',
    )
  })

  test('it goes where the options say, and edit changes that without the value', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'keyhold-personal-'))
    try {
      const path = join(directory, 'config')
      writeFileSync(path, Buffer.from([0, 255, 10]))
      const made = await json(
        'secret',
        'set',
        'kube config',
        '--personal',
        `--file=${path}`,
        '--file-path=~/.kube/config',
        '--workspace=ws-bbbbbbbb',
        '--workspace=ws-aaaaaaaa',
        '--expires=30d',
        '--description=of the cluster',
      )
      expect(made).toMatchObject({
        name: 'kube config',
        type: 'file',
        envName: null,
        filePath: '~/.kube/config',
        workspaces: ['ws-aaaaaaaa', 'ws-bbbbbbbb'],
        description: 'of the cluster',
      })
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
    const edit = ['secret', 'edit', 'kube config', '--personal']
    const moved = await json(
      ...edit,
      '--env-name=KUBECONFIG',
      '--file-path=',
      '--all-workspaces',
      '--expires=never',
    )
    expect(moved).toMatchObject({
      envName: 'KUBECONFIG',
      filePath: null,
      workspaces: 'all',
      expiresAt: null,
      version: 1,
    })
    expect((await done([...edit, '--disable'])).stderr).toContain('delivered nowhere')
    expect((await done([...edit, '--enable'])).stderr).toContain('$KUBECONFIG in all workspaces')
    expect(await failed([...edit, '--type=key'])).toContain('value: ')
    const { value, encoding } = await json('secret', 'get', 'kube config', '--personal')
    expect(Buffer.from(value, encoding)).toEqual(Buffer.from([0, 255, 10]))
  })

  test('what does not go together or has no place is wrong usage, and says what does', async () => {
    const set = (...more: string[]) => failed(['secret', 'set', 'A_TOKEN', ...more], 2, 'value')
    expect(await set('--personal', '--project=shop')).toContain('leave out --project')
    expect(await set('--personal', '--environment=staging')).toContain('leave out --project')
    expect(await set('--env-name=OTHER')).toContain('add --personal')
    expect(await set('--workspace=ws-aaaaaaaa')).toContain('add --personal')
    expect(await set('--personal', '--enable', '--disable')).toContain('exclude each other')
    expect(await set('--personal', '--all-workspaces', '--workspace=ws-aaaaaaaa')).toContain('exclude')
    expect(await set('--personal', '--expires=soon')).toContain('--expires is not a time')
    expect(await failed(['secret', 'set', 'no variable', '--personal'], 2, 'value')).toContain('--env-name')
    expect(await failed(['secret', 'edit', 'A_TOKEN', '--personal'], 2)).toContain('nothing to change')
    // A variable of the shell is about projects and says nothing here.
    const env = { ...person, KEYHOLD_PROJECT: 'shop', KEYHOLD_ENVIRONMENT: 'staging' }
    await done(['secret', 'set', 'A_TOKEN', '--personal'], 'value', env)
  })

  test('the server’s refusals name field and next step, and repeat no value', async () => {
    await done(['secret', 'set', 'A_TOKEN', '--personal'], 'canary-first')
    const taken = await failed(['secret', 'set', 'B', '--personal', '--env-name=A_TOKEN'], 1, 'canary-second')
    expect(taken).toContain('personal_secret.taken')
    expect(taken).toContain('hint: envName: environment variable already in use')
    expect(taken).toContain('keyhold secret list --personal')
    const reserved = await failed(['secret', 'set', 'B', '--personal', '--env-name=LD_PRELOAD'], 1, 'canary')
    expect(reserved).toContain('LD_PRELOAD cannot be used')
    const missing = await failed(['secret', 'get', 'A_TOKN', '--personal'])
    expect(missing).toContain('personal_secret.not_found')
    expect(missing).toContain('did you mean A_TOKEN?')
    expect(taken + reserved + missing).not.toContain('canary')
  })

  test('unset asks, and deletes with --yes', async () => {
    await done(['secret', 'set', 'A_TOKEN', '--personal'], 'value')
    const no = new TerminalRun(keyhold, ['secret', 'unset', 'A_TOKEN', '--personal'], person)
    await no.sees(/delete your secret A_TOKEN, with its versions\? \[y\/N\]/)
    no.pty.write('\r')
    expect((await no.ended).exitCode).toBe(1)
    await done(['secret', 'unset', 'A_TOKEN', '--personal', '--yes'])
    expect(await json('secret', 'list', '--personal')).toEqual([])
  })

  test('secret edit describes a project’s secret too', async () => {
    await done(['project', 'create', `shop ${people}`])
    await done(['secret', 'set', 'A_TOKEN'], 'value')
    await done(['secret', 'edit', 'A_TOKEN', '--type=password', '--description=what for'])
    expect(await json('secret', 'list')).toMatchObject([
      { name: 'A_TOKEN', type: 'password', description: 'what for', version: 1 },
    ])
  })
})

describe('api-key', () => {
  test('create with a preset, list, replace, limit, delete; the key is never shown', async () => {
    expect((await done(['api-key', 'list'])).stderr).toContain('you have no API keys')
    expect((await done(['api-key', 'presets'])).stdout).toMatch(
      /^openai\tOpenAI\thttps:\/\/api\.openai\.com\/v1\tapi\.openai\.com\tbearer\t$/m,
    )
    const made = await done(
      ['api-key', 'create', 'assistant', '--service=openai', '--expires=90d'],
      'sk-canary-one\n',
    )
    expect(made.stderr).toContain('it goes to api.openai.com only, as bearer')
    expect((await done(['api-key', 'list'])).stdout).toMatch(
      /^assistant\topenai\tapi\.openai\.com\tbearer\t\t1\tNever\t\d{4}-\d\d-\d\d \d\d:\d\d\tactive\t\n$/,
    )
    const renewed = await done(
      ['api-key', 'edit', 'Assistant', '--new-value', '--expires=never', '--method=POST', '--path=/v1/chat'],
      'sk-canary-two',
    )
    expect(renewed.stderr).toContain('API key assistant changed, version 2')
    expect(await json('api-key', 'list')).toMatchObject([
      { version: 2, expiresAt: null, allowedMethods: ['POST'], allowedPaths: ['/v1/chat'] },
    ])
    await done(['api-key', 'edit', 'assistant', '--all-methods', '--all-paths', '--name=helper'])
    expect(await json('api-key', 'list')).toMatchObject([
      { name: 'helper', allowedMethods: null, allowedPaths: null },
    ])
    const { stdout, stderr } = await done(['api-key', 'delete', 'helper', '--yes'])
    expect(stderr).toContain('revoke it at the service')
    expect(await failed(['api-key', 'delete', 'helper', '--yes'])).toContain('api_key.not_found')
    expect(made.stdout + made.stderr + renewed.stdout + renewed.stderr + stdout + stderr).not.toContain(
      'canary',
    )
  })

  test('a service of one’s own, in each placement', async () => {
    for (const [option, placement] of [
      ['--bearer', { kind: 'bearer' }],
      ['--header=X-Api-Key', { kind: 'header', name: 'x-api-key' }],
      ['--query=key', { kind: 'query', name: 'key' }],
      ['--basic=api', { kind: 'basic', username: 'api' }],
    ] as const) {
      const name = placement.kind
      const args = ['api-key', 'create', name, option, '--base-url=https://api.example.com/v1', '--json']
      const { stdout } = await done(args, 'sk-1')
      expect(JSON.parse(stdout)).toMatchObject({ name, allowedHosts: ['api.example.com'], placement })
    }
    expect(await failed(['api-key', 'create', 'x', '--bearer', '--query=a'], 2)).toContain(
      'exclude each other',
    )
    expect(await failed(['api-key', 'edit', 'x'], 2)).toContain('nothing to change')
    expect(await failed(['api-key', 'create', 'x'], 2, 'k')).toContain('say which service')
    const none = await failed(['api-key', 'create', 'x', '--base-url=https://x.example.com', '--bearer'])
    expect(none).toContain('standard input is empty')
    const plain = await failed(
      ['api-key', 'create', 'x', '--base-url=http://x.example.com', '--bearer'],
      1,
      'k',
    )
    expect(plain).toContain('baseUrl: begins with https://')
  })

  test('at a terminal the key is typed unseen, and a deletion asks', async () => {
    const create = new TerminalRun(keyhold, ['api-key', 'create', 'typed', '--service=stripe'], person)
    await create.sees(/API key typed:/)
    create.pty.write('sk-canary-unseen\r')
    expect((await create.ended).exitCode).toBe(0)
    expect(create.output).not.toContain('canary')
    const no = new TerminalRun(keyhold, ['api-key', 'delete', 'typed'], person)
    await no.sees(/delete API key typed \(api\.stripe\.com, files\.stripe\.com\)\? \[y\/N\]/)
    no.pty.write('n\r')
    expect((await no.ended).exitCode).toBe(1)
    expect(await json('api-key', 'list')).toHaveLength(1)
  })
})
