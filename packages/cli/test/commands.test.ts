// Drives the real command against the real server, as a person and a machine do on their first day.
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Keyhold, SecretNotFoundError } from '@keyhold/sdk'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { keyhold, type Result, run, TerminalRun } from './kit.ts'

const password = 'canary correct horse battery'
const value = 'ghp_canaryValue0123456789'
const line = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d - /

let directory: string
let server: ChildProcess
let serverLog = ''
let url: string
let setupLink: string
/** The environment of the person, who has no variables but a home. */
let person: Record<string, string>
/** The environment of a machine, by the access key that the test makes. */
let machine: Record<string, string>

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'keyhold-first-day-'))
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('KEYHOLD_')))
  server = spawn(keyhold, ['server'], {
    env: { ...env, KEYHOLD_DATA_DIR: join(directory, 'data'), KEYHOLD_HTTP_ADDR: '127.0.0.1:0' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const read = (chunk: Buffer) => {
    serverLog += chunk
    if (/"address":"[^"]+".*"msg":"ready"/.test(serverLog) && /#code=\S+\s/.test(serverLog)) resolve()
  }
  server.stdout?.on('data', read)
  server.stderr?.on('data', read)
  server.on('exit', (code) => reject(new Error(`the server ended with ${code}: ${serverLog}`)))
  await promise
  url = /"address":"([^"]+)".*"msg":"ready"/.exec(serverLog)?.[1] ?? ''
  setupLink = /\S+#code=\S+/.exec(serverLog)?.[0] ?? ''
  person = { PATH: env.PATH ?? '', XDG_CONFIG_HOME: join(directory, 'config') }
})

afterAll(() => {
  server?.kill('SIGKILL')
  rmSync(directory, { recursive: true, force: true })
})

/** Runs a command as the person and expects it to work. */
async function done(args: string[], input = '', env = person): Promise<Result> {
  const result = await run(args, env, input)
  expect(result, result.stderr).toMatchObject({ code: 0 })
  return result
}

/** Runs a command and expects that it says no. */
async function refused(args: string[], env = person, input = ''): Promise<string> {
  const result = await run(args, env, input)
  expect(result.code, result.stdout + result.stderr).toBe(1)
  expect(result.stdout).toBe('')
  return result.stderr
}

test('SIGUSR1 opens no debugger on the server', async () => {
  server.kill('SIGUSR1')
  // What Node would say is looked for in the log, at the end.
  expect((await fetch(`${url}/healthz`)).status).toBe(200)
})

// One after another: a day.
describe('the first day', { timeout: 60_000 }, () => {
  test('nobody is signed in: exit code 4 and the next step', async () => {
    const { code, stderr } = await run(['project', 'list'], person)
    expect(code).toBe(4)
    expect(stderr).toContain('keyhold setup')
  })

  test('setup with the one-time code signs this machine in, and works once', async () => {
    const line = ['setup', `--url=${url}`, '--email=ada@example.com', '--name=Ada', '--answers-stdin']
    const wrong = await run(line, person, `kh_setup_wrong\n${password}\n`)
    expect(wrong.code).toBe(1)
    expect(wrong.stderr).toContain('setup.code_wrong')
    expect(existsSync(join(directory, 'config/keyhold/credentials.json'))).toBe(false)

    const { stderr, stdout } = await done(line, `${setupLink}\n${password}\n`)
    expect(stdout).toBe('')
    expect(stderr).toContain('keyhold project create')
    const path = join(directory, 'config/keyhold/credentials.json')
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({ url, token: expect.stringMatching(/^kh_pat_/) })

    expect(await refused(line, person, `${setupLink}\n${password}\n`)).toContain('setup.done')
  })

  test('an empty list teaches and is no failure', async () => {
    const { stdout, stderr } = await done(['project', 'list'])
    expect(stdout).toBe('')
    expect(stderr).toContain('keyhold project create NAME')
    expect((await done(['project', 'list', '--json'])).stdout).toBe('[]\n')
  })

  test('project and environment', async () => {
    expect((await done(['project', 'create', 'shop'])).stdout).toMatch(/^prj_\w+\n$/)
    await done(['environment', 'create', 'staging'])
    const environments = JSON.parse((await done(['environment', 'list', '--json'])).stdout)
    expect(environments.map(({ name }: { name: string }) => name)).toEqual(['All', 'staging'])
    expect(await refused(['project', 'create', 'shop'])).toContain('project.name_taken')
    expect(await refused(['environment', 'create', 'staging'])).toContain('environment.name_taken')
    expect(await refused(['secret', 'list', '--project=shp'])).toContain('did you mean shop?')
  })

  test('secret set takes the value from standard input as it is, and says what it did', async () => {
    expect((await done(['secret', 'set', 'GITHUB_TOKEN'], value)).stderr).toContain(
      'created in All, version 1',
    )
    expect((await done(['secret', 'set', 'GITHUB_TOKEN'], value)).stderr).toContain(
      'unchanged in All, version 1',
    )
    expect((await done(['secret', 'set', 'GITHUB_TOKEN'], `${value}\n`)).stderr).toContain(
      'ends with a newline',
    )
    expect((await done(['secret', 'get', 'GITHUB_TOKEN'])).stdout).toBe(`${value}\n`)
    expect((await done(['secret', 'set', 'GITHUB_TOKEN'], value)).stderr).toContain(
      'updated in All, version 3',
    )
    expect((await done(['secret', 'get', 'GITHUB_TOKEN'])).stdout).toBe(value)
    expect(await refused(['secret', 'set', 'GITHUB_TOKEN'])).toContain('standard input is empty')
    await done(['secret', 'set', 'GITHUB_TOKEN', '--environment=staging'], 'of-staging-0123')
  })

  test('an environment is the same in any case', async () => {
    const inStaging = '--environment=Staging'
    const set = (text: string) => done(['secret', 'set', 'CASE_TOKEN', inStaging], text)
    await done(['secret', 'set', 'CASE_TOKEN'], 'of-all-4567')
    expect((await set('one-4567')).stderr).toContain('created in staging, version 1')
    expect((await set('two-4567')).stderr).toContain('updated in staging, version 2')
    expect((await set('two-4567')).stderr).toContain('unchanged in staging, version 2')
    expect((await done(['secret', 'get', 'CASE_TOKEN', inStaging])).stdout).toBe('two-4567')
    const line = ['run', '--project=shop', inStaging, '--no-mask', '--', 'sh', '-c', 'echo "$CASE_TOKEN"']
    expect((await done(line)).stdout).toBe('two-4567\n')
    await done(['secret', 'unset', 'CASE_TOKEN', inStaging, '--yes'])
    expect((await done(['secret', 'get', 'CASE_TOKEN', inStaging])).stdout).toBe('of-all-4567')
    expect(await refused(['secret', 'unset', 'CASE_TOKEN', inStaging, '--yes'])).toContain(
      'takes the one of All',
    )
    await done(['secret', 'unset', 'CASE_TOKEN', '--environment=all', '--yes'])
  })

  test('a reserved name is refused, a poor one gets advice', async () => {
    expect(await refused(['secret', 'set', 'LD_PRELOAD'], person, 'x')).toContain('LD_PRELOAD cannot be used')
    expect((await done(['secret', 'set', 'temp'], 'something-long')).stderr).toContain(
      'does not say what it opens',
    )
  })

  test('a file goes in and comes out byte for byte', async () => {
    const bytes = Buffer.from([0, 255, 254, 10, 13, 128, 10])
    const path = join(directory, 'keystore')
    writeFileSync(path, bytes)
    await done(['secret', 'set', 'KEYSTORE', `--file=${path}`])
    const { stdout } = await done(['secret', 'get', 'KEYSTORE', '--json'])
    expect(JSON.parse(stdout)).toMatchObject({ type: 'file', encoding: 'base64' })
    expect(Buffer.from(JSON.parse(stdout).value, 'base64')).toEqual(bytes)
  })

  test('no list has a value', async () => {
    const { stdout } = await done(['secret', 'list', '--json'])
    expect(stdout).not.toContain('canary')
    expect((await done(['secret', 'list'])).stdout).toMatch(/^GITHUB_TOKEN\tAll\ttoken\t3\t/m)
    const { stdout: history } = await done(['secret', 'history', 'GITHUB_TOKEN'])
    expect(history.split('\n').map((row) => row.split('\t')[0])).toEqual(['3', '2', '1', ''])
  })

  test('a missing name: exactly "GITHUB_TOKN not found", near names and reasons', async () => {
    const stderr = await refused(['secret', 'get', 'GITHUB_TOKN'])
    expect(stderr).toMatch(/^keyhold: GITHUB_TOKN not found\nhint: did you mean GITHUB_TOKEN\?\n/)
    expect(stderr).toContain('typo')
  })

  test('an access key is handed over once, in a file only I can read', async () => {
    const path = join(directory, 'shop.env')
    const { stdout } = await done(['access-key', 'create', '--permission=read', `--output=${path}`])
    expect(stdout).toBe('')
    expect(statSync(path).mode & 0o777).toBe(0o600)
    const text = readFileSync(path, 'utf8')
    expect(text).toMatch(/^KEYHOLD_URL=\S+\nKEYHOLD_ACCESS_KEY_ID=\S+\nKEYHOLD_ACCESS_KEY=\S+\n$/)
    machine = { PATH: person.PATH ?? '' }
    for (const row of text.trim().split('\n')) {
      const [name = '', content = ''] = row.split('=')
      machine[name] = content
    }
    const again = await refused(['access-key', 'create', '--permission=read', `--output=${path}`])
    expect(again).toContain('exists already')
    expect(readFileSync(path, 'utf8')).toBe(text)
    expect(machine.KEYHOLD_URL).toBe(url)
    const { stdout: list } = await done(['access-key', 'list', '--json'])
    expect(JSON.parse(list)).toHaveLength(1)
    expect(list).not.toContain(machine.KEYHOLD_ACCESS_KEY)
  })

  test('the machine reads with it, and may not write', async () => {
    const get = (...args: string[]) => done(['secret', 'get', 'GITHUB_TOKEN', ...args], '', machine)
    expect((await get()).stdout).toBe(value)
    expect((await get('--environment=staging')).stdout).toBe('of-staging-0123')
    expect((await done(['secret', 'list'], '', machine)).stdout).toMatch(/^GITHUB_TOKEN\tAll\ttoken\t3\t/m)
    const missing = await refused(['secret', 'get', 'GITHUB_TOKN'], machine)
    expect(missing).toMatch(/^keyhold: GITHUB_TOKN not found\nhint: did you mean GITHUB_TOKEN\?\n/)
    expect(await refused(['secret', 'set', 'OTHER'], machine, 'x')).toContain('access.refused')
    expect(await refused(['secret', 'unset', 'temp', '--yes'], machine)).toContain('takes a person')
    expect(await refused(['project', 'list'], machine)).toContain('takes a person')
    expect((await done(['doctor'], '', machine)).stdout).toMatch(/^ok {4}permission {4}Read$/m)
  })

  test('the SDK does the same', async () => {
    const client = Keyhold.fromEnvironment(machine)
    expect(await client.get('GITHUB_TOKEN')).toBe(value)
    expect([...(await client.all({ environment: 'staging' })).keys()].sort()).toEqual([
      'GITHUB_TOKEN',
      'KEYSTORE',
      'temp',
    ])
    expect((await client.project()).permission).toBe('read')
    const missing = await client.get('GITHUB_TOKN').catch((error: unknown) => error)
    expect(missing).toBeInstanceOf(SecretNotFoundError)
    expect(missing).toMatchObject({ message: 'GITHUB_TOKN not found', nearMatches: ['GITHUB_TOKEN'] })
    await expect(client.get('X', { environment: 'none', default: 'y' })).rejects.toMatchObject({
      code: 'environment.not_found',
    })
    await expect(client.set('OTHER', 'x')).rejects.toMatchObject({ code: 'access.refused', status: 403 })
  })

  test('read and write, from one address, until it is stopped', async () => {
    const id = machine.KEYHOLD_ACCESS_KEY_ID ?? ''
    await done(['access-key', 'edit', id, '--permission=read_write', '--ip=127.0.0.1'])
    expect((await done(['secret', 'set', 'OTHER'], 'first', machine)).stderr).toContain('version 1')
    expect((await done(['secret', 'set', 'OTHER'], 'second', machine)).stderr).toContain('version 2')
    await done(['access-key', 'edit', id, '--ip=203.0.113.7'])
    expect(await refused(['secret', 'get', 'OTHER'], machine)).toContain('access.address_refused')
    await done(['access-key', 'edit', id, '--no-ip-restriction'])

    await done(['access-key', 'deactivate', id, '--yes'])
    const stopped = await run(['secret', 'get', 'OTHER'], machine)
    expect(stopped).toMatchObject({ code: 4, stdout: '' })
    expect(stopped.stderr).toContain('auth.required')
    await done(['access-key', 'activate', id])
    expect((await done(['secret', 'get', 'OTHER'], '', machine)).stdout).toBe('second')

    const { stdout } = await done(['access-key', 'regenerate', id, '--yes'])
    expect(stdout).toMatch(
      new RegExp(`^KEYHOLD_URL=${url}\nKEYHOLD_ACCESS_KEY_ID=${id}\nKEYHOLD_ACCESS_KEY=\\S+\n$`),
    )
    expect((await run(['secret', 'get', 'OTHER'], machine)).code).toBe(4)
    machine.KEYHOLD_ACCESS_KEY = /KEYHOLD_ACCESS_KEY=(\S+)/.exec(stdout)?.[1] ?? ''
    expect((await done(['secret', 'get', 'OTHER'], '', machine)).stdout).toBe('second')
  })

  test('run gives a person one value per request', async () => {
    const print = ['--', 'sh', '-c', 'printf %s "$GITHUB_TOKEN" | base64']
    const count = async () =>
      (await done(['audit', 'list', '--action=secret.read', '--json', '--limit=1000'])).stdout.split('\n')
        .length
    const before = await count()
    const { stdout } = await done(['run', '--project=shop', '--environment=staging', '--no-mask', ...print])
    expect(Buffer.from(stdout, 'base64').toString()).toBe('of-staging-0123')
    expect((await count()) - before).toBe(4)
    const asMachine = await run(['run', '--project=shop', ...print], machine)
    expect(asMachine.stderr).toContain('takes a person')
  })

  test('people: an account, a member, and the end of both', async () => {
    const { stdout: temporary, stderr } = await done(['account', 'create', 'bob@example.com', '--name=Bob'])
    expect(temporary).toMatch(/^\S{15,}\n$/)
    expect(stderr).not.toContain(temporary.trim())
    await done(['member', 'add', 'bob@example.com', '--role=read_only'])
    await done(['member', 'update', 'Bob', '--role=regular'])
    expect((await done(['member', 'list'])).stdout).toMatch(/^Bob\tbob@example\.com\tRegular\t/m)
    await done(['member', 'remove', 'bob@example.com', '--yes'])
    expect(await refused(['member', 'remove', 'Bob', '--yes'])).toContain('member.not_found')
    await done(['account', 'disable', 'bob@example.com', '--yes'])
    expect((await done(['account', 'list'])).stdout).toMatch(/^Bob\t.*\tDisabled\t/m)
    await done(['account', 'enable', 'bob@example.com'])
    expect(await refused(['account', 'disable', 'ada@example.com', '--yes'])).toContain('account.last_admin')
  })

  test('a token alone on standard output, limited to its scopes, gone when deleted', async () => {
    const { stdout, stderr } = await done([
      'token',
      'create',
      'ci',
      '--scope=secrets:read',
      '--scope=projects:read',
    ])
    expect(stdout).toMatch(/^kh_pat_\w+\n$/)
    expect(stderr).toContain('do not share it')
    const ci = { PATH: person.PATH ?? '', KEYHOLD_URL: url, KEYHOLD_TOKEN: stdout.trim() }
    expect((await done(['secret', 'list'], '', ci)).stdout).toContain('GITHUB_TOKEN')
    expect(await refused(['secret', 'get', 'GITHUB_TOKEN'], ci)).toContain('access.scope_missing')
    const list = await done(['token', 'list'])
    expect(list.stdout).toMatch(/^ci\tkh_pat_.*…/m)
    expect(list.stdout).not.toContain(stdout.trim())
    await done(['token', 'delete', 'ci', '--yes'])
    expect((await run(['secret', 'list'], ci)).code).toBe(4)
  })

  test('the audit log says who did it, and can be verified without the server', async () => {
    const { stdout } = await done(['audit', 'list', '--secret=GITHUB_TOKEN', '--limit=1000'])
    const lines = stdout.trim().split('\n')
    expect(lines.every((text) => line.test(text))).toBe(true)
    expect(lines.at(-1)).toMatch(/^[\d: -]+ - Secret created: GITHUB_TOKEN$/)
    expect(stdout).toMatch(/ - Secret updated: GITHUB_TOKEN$/m)
    expect(stdout).toMatch(/ - Secret accessed: GITHUB_TOKEN$/m)

    const refusals = await done(['audit', 'list', '--outcome=refused', '--project=shop', '--json'])
    const records = refusals.stdout
      .trim()
      .split('\n')
      .map((text) => JSON.parse(text))
    expect(records.map(({ reason }) => reason)).toContain('access.address_refused')
    expect(records.every(({ client }) => client.startsWith('keyhold-'))).toBe(true)
    expect((await done(['audit', 'list', '--from=2020-01-01', '--to=2020-01-02'])).stderr).toContain(
      'nothing that matches',
    )
    expect((await run(['audit', 'list', '--action=secret.reed'], person)).code).toBe(2)

    const kept = JSON.parse((await done(['audit', 'checkpoint', '--json'])).stdout)
    const checkpoint = join(directory, 'kept.checkpoint')
    writeFileSync(checkpoint, kept.checkpoint)
    const log = (await done(['audit', 'export'])).stdout
    expect(log).not.toContain('canary')
    const path = join(directory, 'audit.log')
    writeFileSync(path, log)
    const verify = ['audit', 'verify', path, `--key=${kept.verifierKey}`, `--checkpoint=${checkpoint}`]
    expect((await done(verify)).stdout).toMatch(/^verified: \d+ records/)
    writeFileSync(path, log.replace('"name":"Bob"', '"name":"Eve"').replace('bob@', 'eve@'))
    expect(await refused(verify)).toMatch(/line \d+: record \d+ was changed/)
  })

  test('deleting asks for the name, and takes it from --confirm', async () => {
    const id = machine.KEYHOLD_ACCESS_KEY_ID ?? ''
    expect(await refused(['access-key', 'delete', id, '--confirm=other'])).toContain('nothing was changed')
    expect((await done(['secret', 'get', 'OTHER'], '', machine)).stdout).toBe('second')
    await done(['access-key', 'delete', id, `--confirm=${id}`])
    expect((await run(['secret', 'get', 'OTHER'], machine)).code).toBe(4)
    await done(['secret', 'unset', 'OTHER', '--yes'])
    await done(['secret', 'unset', 'GITHUB_TOKEN', '--environment=staging', '--yes'])
    expect(await refused(['secret', 'unset', 'GITHUB_TOKEN', '--environment=staging', '--yes'])).toContain(
      'has no GITHUB_TOKEN of its own',
    )
    expect(await refused(['environment', 'delete', 'staging', '--confirm=stagin'])).toContain(
      'nothing was changed',
    )
    await done(['environment', 'delete', 'staging', '--confirm=staging'])
  })
})

describe('at a terminal', { timeout: 60_000 }, () => {
  const terminal = (...args: string[]) => new TerminalRun(keyhold, args, person)

  test('a value is typed unseen', async () => {
    const run = terminal('secret', 'set', 'TYPED_TOKEN')
    await run.sees(/value of TYPED_TOKEN:/)
    run.pty.write('canary-typed-unseen\r')
    expect((await run.ended).exitCode).toBe(0)
    expect(run.output).toContain('TYPED_TOKEN created')
    expect(run.output).not.toContain('canary')
    expect((await done(['secret', 'get', 'TYPED_TOKEN'])).stdout).toBe('canary-typed-unseen')
  })

  test('a value is printed with a newline, bytes are not printed', async () => {
    const text = terminal('secret', 'get', 'TYPED_TOKEN')
    await text.ended
    expect(text.output).toBe('canary-typed-unseen\r\n')
    const bytes = terminal('secret', 'get', 'KEYSTORE')
    expect((await bytes.ended).exitCode).toBe(1)
    expect(bytes.output).toContain('not text')
  })

  test('a deletion asks, naming it: no changes nothing', async () => {
    const no = terminal('secret', 'unset', 'TYPED_TOKEN')
    await no.sees(/delete TYPED_TOKEN from All of shop.*\[y\/N\]/)
    no.pty.write('\r')
    expect((await no.ended).exitCode).toBe(1)
    expect((await done(['secret', 'get', 'TYPED_TOKEN'])).stdout).toBe('canary-typed-unseen')
    const yes = terminal('secret', 'unset', 'TYPED_TOKEN')
    await yes.sees(/\[y\/N\]/)
    yes.pty.write('y\r')
    expect((await yes.ended).exitCode).toBe(0)
  })

  test('a project goes when its name is typed', async () => {
    const wrong = terminal('project', 'delete', 'shop')
    await wrong.sees(/type shop to confirm:/)
    wrong.pty.write('shp\r')
    expect((await wrong.ended).exitCode).toBe(1)
    const right = terminal('project', 'delete', 'shop')
    await right.sees(/type shop to confirm:/)
    right.pty.write('shop\r')
    expect((await right.ended).exitCode).toBe(0)
    expect((await done(['project', 'list', '--json'])).stdout).toBe('[]\n')
  })
})

test('the server wrote no value and no credential into its log', () => {
  expect(serverLog).not.toContain('canary')
  expect(serverLog).not.toMatch(/kh_pat_|kh_aks_/)
  expect(serverLog).not.toContain('Debugger')
})
