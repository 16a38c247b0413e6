// Signing in and out against the real server, with the temporary password that an administrator hands over.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { keyhold, type Result, run, start, TerminalRun } from './kit.ts'

const adminPassword = 'canary correct horse battery'
const ownPassword = 'canary of my own choosing'

let directory: string
let server: ChildProcess
let serverLog = ''
let url: string
/** The administrator, signed in by set-up. */
let admin: Record<string, string>

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'keyhold-login-'))
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
})

afterAll(() => {
  server?.kill('SIGKILL')
  rmSync(directory, { recursive: true, force: true })
})

/** The environment of somebody with an empty home. */
function home(name: string): Record<string, string> & { XDG_CONFIG_HOME: string } {
  return { PATH: process.env.PATH ?? '', XDG_CONFIG_HOME: mkdtempSync(join(directory, `${name}-`)) }
}

const fileOf = (env: Record<string, string>) => join(env.XDG_CONFIG_HOME ?? '', 'keyhold/credentials.json')
const tokenOf = (env: Record<string, string>): string => JSON.parse(readFileSync(fileOf(env), 'utf8')).token

/** Runs a command, and looks whether it said anything confidential. */
async function said(args: string[], env: Record<string, string>, input = ''): Promise<Result> {
  const result = await run(args, env, input)
  for (const text of [result.stdout, result.stderr]) expect(text).not.toMatch(/canary|kh_ses_/)
  for (const row of input.split('\n')) if (row.length > 5) expect(result.stderr).not.toContain(row)
  return result
}

async function done(args: string[], env: Record<string, string>, input = ''): Promise<Result> {
  const result = await said(args, env, input)
  expect(result, result.stderr).toMatchObject({ code: 0 })
  return result
}

/** Has the administrator make an account that may read the project. @returns its temporary password. */
async function newAccount(email: string): Promise<string> {
  const { stdout, stderr } = await done(['account', 'create', email, `--name=${email.split('@')[0]}`], admin)
  expect(stderr).toContain(`keyhold login --url=${url} --email=${email}`)
  await done(['member', 'add', email, '--role=read_only', '--project=shop'], admin)
  return stdout.trim()
}

/** Makes an account whose password is {@link ownPassword}, and signs it in. */
async function signedIn(email: string): Promise<Record<string, string>> {
  const env = home('person')
  await done(login(email), env, `${await newAccount(email)}\n${ownPassword}\n`)
  return env
}

/** Signs the administrator in on one more machine. */
async function adaSignedIn(): Promise<Record<string, string> & { XDG_CONFIG_HOME: string }> {
  const env = home('ada')
  await done(login('ada@example.com'), env, adminPassword)
  return env
}

const login = (email: string, ...more: string[]) => [
  'login',
  `--url=${url}`,
  `--email=${email}`,
  '--password-stdin',
  ...more,
]

/** The status that an access token gets at the server. */
async function statusOf(token: string): Promise<number> {
  const response = await fetch(`${url}/api/v1/session`, { headers: { authorization: `Bearer ${token}` } })
  return response.status
}

async function countOf(action: string): Promise<number> {
  const { stdout } = await done(['audit', 'list', `--action=${action}`, '--json', '--limit=1000'], admin)
  return stdout.trim().split('\n').filter(Boolean).length
}

/** How many access tokens the administrator has. */
async function tokenCount(): Promise<number> {
  return JSON.parse((await done(['token', 'list', '--json'], admin)).stdout).length
}

async function answer(terminal: TerminalRun, question: RegExp, text: string, from = 0): Promise<number> {
  await terminal.sees(question, from)
  const { length } = terminal.output
  terminal.type(`${text}\r`)
  // The next question may be the same one.
  while (terminal.output.length === length) await new Promise((resolve) => setTimeout(resolve, 10))
  return length
}

test('before set-up nobody can sign in, and is told so', { timeout: 60_000 }, async () => {
  admin = home('admin')
  const line = login('ada@example.com')
  expect((await said(line, admin, adminPassword)).stderr).toMatch(/not set up yet\nhint: keyhold setup/)
  const code = /\S+#code=\S+/.exec(serverLog)?.[0] ?? ''
  const setUp = ['setup', `--url=${url}`, '--email=ada@example.com', '--name=Ada', '--answers-stdin']
  await done(setUp, admin, `${code}\n${adminPassword}\n`)
  await done(['project', 'create', 'shop'], admin)
  await done(['secret', 'set', 'API_TOKEN'], admin, 'canary-value')
})

describe('a first day', { timeout: 60_000 }, () => {
  test('at a terminal: everything is asked for, the temporary password replaced, nothing shown', async () => {
    const temporary = await newAccount('bob@example.com')
    const env = { ...home('bob'), HOME: directory }
    const terminal = new TerminalRun(keyhold, ['login', '--password'], env)
    await answer(terminal, /where Keyhold is \[http:\/\/localhost:8080\]:/, url)
    await answer(terminal, /your e-mail address:/, 'bob@example.com')
    await answer(terminal, /password of bob@example\.com:/, temporary)
    await terminal.sees(/this password is temporary/)
    let from = await answer(terminal, /new password, at least 15 characters:/, 'canary short')
    from = await answer(terminal, /fewer than 15 characters[\s\S]*new password/, ownPassword, from)
    from = await answer(terminal, /the same password again:/, `${ownPassword}, not`, from)
    from = await answer(terminal, /the two passwords differ[\s\S]*new password/, ownPassword, from)
    await answer(terminal, /the same password again:/, ownPassword, from)
    expect((await terminal.ended).exitCode, terminal.output).toBe(0)
    expect(terminal.output).not.toMatch(/canary|kh_pat_|kh_ses_/)
    expect(terminal.output).not.toContain(temporary)
    expect(terminal.output).toContain('your password is changed')
    expect(terminal.output).toContain('bob (bob@example.com) is signed in to')
    expect(terminal.output).toContain('next: keyhold project list')

    expect(statSync(fileOf(env)).mode & 0o777).toBe(0o600)
    expect(readdirSync(join(env.XDG_CONFIG_HOME, 'keyhold'))).toEqual(['credentials.json'])
    expect((await done(['secret', 'list'], env)).stdout).toContain('API_TOKEN')
    expect((await done(['token', 'list'], env)).stdout).toMatch(/^keyhold on .*No expiry/)

    const token = tokenOf(env)
    const { stderr } = await done(['logout'], env)
    expect(stderr).toContain(`signed out of ${url}; the access token is deleted there`)
    expect(existsSync(fileOf(env))).toBe(false)
    expect(await statusOf(token)).toBe(401)
    expect((await run(['secret', 'list'], env)).code).toBe(4)
    expect((await done(['logout'], env)).stderr).toContain('nobody is signed in here')
    // The old password is no password any more.
    expect((await said(login('bob@example.com'), env, `${temporary}\n`)).code).toBe(4)
    await done(login('bob@example.com'), env, ownPassword)
  })

  test('from standard input, with a name and an end for the token', async () => {
    const temporary = await newAccount('eve@example.com')
    const env = home('eve')
    for (const [input, message] of [
      [`${temporary}\n`, /temporary, and standard input has no second line/],
      [`${temporary}\ncanary short\n`, /fewer than 15 characters/],
      [`${temporary}\n${temporary}\n`, /the one that you have/],
    ] as const) {
      const { code, stderr } = await said(login('eve@example.com'), env, input)
      expect(stderr).toMatch(message)
      expect(code).toBe(2)
    }
    expect(readdirSync(join(env.XDG_CONFIG_HOME, 'keyhold'))).toEqual([])
    const { stdout, stderr } = await done(
      login('eve@example.com', '--token-name=ci', '--expires=30'),
      env,
      `${temporary}\n${ownPassword}\n`,
    )
    expect(stdout).toBe('')
    expect(stderr).toContain('access token ci is in')
    const [token] = JSON.parse((await done(['token', 'list', '--json'], env)).stdout)
    expect(token.name).toBe('ci')
    const days = (Date.parse(token.expiresAt) - Date.now()) / 86_400_000
    expect(Math.round(days)).toBe(30)

    const two = await said(login('eve@example.com'), env, `${ownPassword}\ncanary another password\n`)
    expect(two).toMatchObject({ code: 2 })
    expect(two.stderr).toContain('not a temporary one')
    expect(await statusOf(tokenOf(env))).toBe(200)
  })

  test('the session ends: what is left is the token', async () => {
    const before = [await countOf('session.create'), await countOf('session.delete')]
    await signedIn('sid@example.com')
    const after = [await countOf('session.create'), await countOf('session.delete')]
    expect(after.map((count, index) => count - (before[index] ?? 0))).toEqual([1, 1])
  })
})

describe('a second login', { timeout: 60_000 }, () => {
  test('replaces the token of the first, and deletes it at the server', async () => {
    const env = await adaSignedIn()
    const first = tokenOf(env)
    const line = ['login', '--email=ada@example.com', '--password-stdin']
    const { stderr } = await done(line, env, adminPassword)
    expect(stderr).toContain(`signed in to ${url}`)
    expect(stderr).toContain('the access token that was here before is deleted')
    expect(await statusOf(first)).toBe(401)
    expect(await statusOf(tokenOf(env))).toBe(200)
    expect(await statusOf(tokenOf(admin))).toBe(200)
  })

  test('of somebody else deletes the token of the person before', async () => {
    const env = await signedIn('one@example.com')
    const first = tokenOf(env)
    const { stderr } = await done(login('ada@example.com'), env, adminPassword)
    expect(stderr).toContain('the access token that was here before is deleted')
    expect(await statusOf(first)).toBe(401)
    expect((await done(['doctor'], env)).stdout).toContain('ada@example.com')
  })

  test('at another instance is refused before anything is asked', async () => {
    const env = await adaSignedIn()
    const { code, stderr } = await said(
      ['login', '--url=http://localhost:9', '--email=ada@example.com', '--password-stdin'],
      env,
      adminPassword,
    )
    expect(code).toBe(1)
    expect(stderr).toMatch(/credentials of another instance\nhint: sign out of it: keyhold logout/)
    expect(await statusOf(tokenOf(env))).toBe(200)
  })

  test('that fails leaves the first as it was', async () => {
    const env = await adaSignedIn()
    const before = readFileSync(fileOf(env), 'utf8')
    expect((await said(login('ada@example.com'), env, 'canary wrong password')).code).toBe(4)
    expect(readFileSync(fileOf(env), 'utf8')).toBe(before)
    expect(readdirSync(join(env.XDG_CONFIG_HOME ?? '', 'keyhold'))).toEqual(['credentials.json'])
    expect(await statusOf(tokenOf(env))).toBe(200)
  })
})

describe('what is refused', { timeout: 60_000 }, () => {
  test('a wrong password: exit code 4, plainly, and then how long to wait', async () => {
    const env = home('wrong')
    const line = login('nobody@example.com')
    const wrong = await said(line, env, 'canary wrong password')
    expect(wrong).toMatchObject({ code: 4, stdout: '' })
    expect(wrong.stderr).toMatch(
      /^keyhold: e-mail address, password or code is wrong \(sign_in\.failed\)\nhint: /,
    )
    const body = JSON.stringify({ email: 'nobody@example.com', password: 'wrong' })
    const headers = { 'content-type': 'application/json' }
    const guess = () => fetch(`${url}/api/v1/session`, { method: 'POST', headers, body })
    const guesses = await Promise.all(Array.from({ length: 9 }, guess))
    expect(guesses.map(({ status }) => status)).toEqual(Array(9).fill(401))
    const { code, stderr } = await said(line, env, 'canary wrong password')
    expect(code).toBe(1)
    expect(stderr).toMatch(/too many attempts.*\(rate\.limited\)\nhint: try again in \d+ seconds/)
    expect(readdirSync(join(env.XDG_CONFIG_HOME, 'keyhold'))).toEqual([])
  })

  test('a disabled account, as a wrong password; its token is no longer valid, and logout says so', async () => {
    const env = await signedIn('gone@example.com')
    await done(['account', 'disable', 'gone@example.com', '--yes'], admin)
    const { code, stderr } = await said(login('gone@example.com'), env, ownPassword)
    expect(code).toBe(4)
    expect(stderr).toContain('sign_in.failed')
    const out = await done(['logout'], env)
    expect(out.stderr).toContain('was no longer valid')
    expect(existsSync(fileOf(env))).toBe(false)
  })

  test('no terminal and no --password-stdin', async () => {
    const env = home('no-terminal')
    // A session of its own has no terminal.
    const running = start(['login', `--url=${url}`, '--email=ada@example.com'], env, { detached: true })
    running.child.stdin.end(adminPassword)
    const { code, stderr } = await running.ended
    expect(code).toBe(2)
    expect(stderr).toContain('there is no terminal to ask "password of ada@example.com:" on')
    expect(readdirSync(join(env.XDG_CONFIG_HOME, 'keyhold'))).toEqual([])
  })

  test('--password-stdin at a terminal, where it would be seen', async () => {
    const terminal = new TerminalRun(keyhold, login('ada@example.com'), home('seen'))
    expect((await terminal.ended).exitCode).toBe(2)
    expect(terminal.output).toContain('leave it out to be asked')
  })

  test('interrupting the question: nothing is left, and the session ends', async () => {
    const temporary = await newAccount('int@example.com')
    const env = { ...home('interrupted'), KEYHOLD_URL: url }
    const before = await countOf('session.delete')
    const terminal = new TerminalRun(keyhold, ['login', '--email=int@example.com'], env)
    await answer(terminal, /password of int@example\.com:/, temporary)
    await terminal.sees(/new password, at least 15/)
    terminal.type('canary\x03')
    expect((await terminal.ended).exitCode).toBe(130)
    expect(terminal.output).not.toContain('canary')
    expect(readdirSync(join(env.XDG_CONFIG_HOME, 'keyhold'))).toEqual([])
    expect((await countOf('session.delete')) - before).toBe(1)
  })

  test('a home that cannot be written: before anybody signs in', async () => {
    const env = home('read-only')
    // A file where the folder would be: also root, who ignores modes, cannot write there.
    writeFileSync(join(env.XDG_CONFIG_HOME, 'keyhold'), '')
    const before = await countOf('session.create')
    const { code, stderr } = await said(login('ada@example.com'), env, adminPassword)
    expect(code).toBe(1)
    expect(stderr).toMatch(/credentials\.json cannot be written/)
    expect(await countOf('session.create')).toBe(before)
  })

  test('a file that cannot be put in place: the new token is deleted again', async () => {
    const env = home('no-place')
    const before = await tokenCount()
    const deletions = await countOf('access-token.delete')
    // Nothing can be renamed over a folder that is not empty; until then it looks like no file.
    const terminal = new TerminalRun(keyhold, ['login', `--url=${url}`, '--email=ada@example.com'], env)
    await terminal.sees(/password of ada@example\.com:/)
    mkdirSync(join(fileOf(env), 'in-the-way'), { recursive: true })
    terminal.type(`${adminPassword}\r`)
    expect((await terminal.ended).exitCode).toBe(1)
    expect(terminal.output).toContain('could not be written; you are not signed in')
    expect(readdirSync(join(env.XDG_CONFIG_HOME, 'keyhold'))).toEqual(['credentials.json'])
    expect(await tokenCount()).toBe(before)
    expect((await countOf('access-token.delete')) - deletions).toBe(1)
  })

  test.each([
    [['--expires=soon'], /--expires is not a time/],
    [['--expires=2020-01-01'], /--expires is not in the future/],
    [['--expires=0'], /--expires is not in the future/],
  ])('%j, before the password is used', async (more, message) => {
    const { code, stderr } = await said(login('ada@example.com', ...more), home('usage'), adminPassword)
    expect(code).toBe(2)
    expect(stderr).toMatch(message)
  })

  test.each(['', '\n', 'one\ntwo canary password\nthree\n'])('standard input %j', async (input) => {
    const { code, stderr } = await said(login('ada@example.com'), home('input'), input)
    expect(code).toBe(2)
    expect(stderr).toContain('standard input does not have one line')
  })

  test('--password-stdin without knowing where, and who', async () => {
    const line = ['login', '--email=ada@example.com', '--password-stdin']
    expect((await said(line, home('where'), adminPassword)).stderr).toContain('needs --url and --email')
    const who = ['login', `--url=${url}`, '--password-stdin']
    expect((await said(who, home('who'), adminPassword)).code).toBe(2)
  })

  test('plain http to another machine gets no password', async () => {
    const line = ['login', '--url=http://192.0.2.1', '--email=ada@example.com', '--password-stdin']
    const { code, stderr } = await said(line, home('http'), adminPassword)
    expect(code).not.toBe(0)
    expect(stderr).toContain('use https')
  })
})

test('an answer that repeats the password does not reach the terminal', async () => {
  const echo = createServer(async (req, res) => {
    let body = ''
    for await (const part of req) body += part
    if (req.method === 'GET') return res.end('{"isDone":true}')
    res.writeHead(400, { 'content-type': 'application/problem+json' })
    res.end(
      JSON.stringify({ code: 'request.invalid', title: `no: ${JSON.parse(body).password}`, status: 400 }),
    )
  }).listen(0, '127.0.0.1')
  await once(echo, 'listening')
  onTestFinished(() => {
    echo.close()
  })
  const at = `http://127.0.0.1:${(echo.address() as AddressInfo).port}` // `as`: it listens on TCP.
  const line = ['login', `--url=${at}`, '--email=ada@example.com', '--password-stdin']
  expect(await said(line, home('echo'), adminPassword)).toMatchObject({ code: 1 })
})

test('variables that say who calls come first: login and logout say so', { timeout: 60_000 }, async () => {
  const token = tokenOf(admin)
  const both = { ...home('both'), KEYHOLD_TOKEN: token }
  const { stderr } = await done(login('eve@example.com'), both, ownPassword)
  expect(stderr).toContain('eve (eve@example.com) is signed in')
  expect(stderr).toMatch(
    /but KEYHOLD_TOKEN is set, and the other commands use that instead\nhint: unset KEYHOLD_TOKEN/,
  )
  expect((await done(['doctor'], both)).stdout).toContain('ada@example.com')
  const out = await done(['logout'], both)
  expect(out.stderr).toContain('KEYHOLD_TOKEN is set and still signs you in')
  // What is deleted is the stored one.
  expect(await statusOf(token)).toBe(200)
})

test('logout without the server: the file goes, the exit code is 1, and what is left is said', async () => {
  const env = home('offline')
  mkdirSync(join(env.XDG_CONFIG_HOME, 'keyhold'))
  const credentials = { url: 'http://127.0.0.1:9', token: 'kh_pat_canary' }
  writeFileSync(fileOf(env), JSON.stringify(credentials), { mode: 0o600 })
  const { code, stderr } = await said(['logout'], env)
  expect(code).toBe(1)
  expect(stderr).toMatch(/signed out here, but the access token was not deleted at http:\/\/127\.0\.0\.1:9/)
  expect(existsSync(fileOf(env))).toBe(false)
})

describe('account password', { timeout: 60_000 }, () => {
  const next = 'canary with another one'

  test('asks for the current and the new one; the token stays', async () => {
    const env = await signedIn('pat@example.com')
    const terminal = new TerminalRun(keyhold, ['account', 'password'], env)
    await answer(terminal, /current password of pat@example\.com:/, ownPassword)
    let from = await answer(terminal, /new password, at least 15 characters:/, ownPassword)
    from = await answer(terminal, /the one that you have[\s\S]*new password/, next, from)
    await answer(terminal, /the same password again:/, next, from)
    expect((await terminal.ended).exitCode, terminal.output).toBe(0)
    expect(terminal.output).toContain('the password of pat@example.com is changed')
    expect(terminal.output).not.toContain('canary')
    expect(await statusOf(tokenOf(env))).toBe(200)
    expect((await said(login('pat@example.com'), home('old'), ownPassword)).code).toBe(4)
    await done(login('pat@example.com'), home('new'), next)
  })

  test('a wrong current one changes nothing', async () => {
    const env = await adaSignedIn()
    const terminal = new TerminalRun(keyhold, ['account', 'password'], env)
    await answer(terminal, /current password of/, 'canary not this one')
    const from = await answer(terminal, /new password, at least 15 characters:/, next)
    await answer(terminal, /the same password again:/, next, from)
    expect((await terminal.ended).exitCode).toBe(1)
    expect(terminal.output).toContain('account.password_wrong')
    await adaSignedIn()
  })

  test('nobody who is not signed in types a password', async () => {
    const terminal = new TerminalRun(keyhold, ['account', 'password'], home('nobody'))
    expect((await terminal.ended).exitCode).toBe(4)
    expect(terminal.output).toContain('keyhold login')
  })
})

test('logout deletes the token that set-up made, as any other', async () => {
  const token = tokenOf(admin)
  await done(['logout'], admin)
  expect(await statusOf(token)).toBe(401)
})

test('no password and no session is in the log of the server', () => {
  expect(serverLog).not.toMatch(/canary|kh_ses_|kh_pat_/)
})
