// Where the access token is kept: the real Secret Service of GNOME on a bus of its own, programs that fail on purpose in
// its place, and homes that cannot be written.
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { keyhold, quote, type Result, run } from './kit.ts'
import { type RealServer, startRealServer } from './real-server.ts'

const password = 'a password of a test person'
let server: RealServer
let directory: string

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'keyhold-keyring-'))
  server = await startRealServer()
  server.person('ada')
})
afterAll(async () => {
  await server?.stop()
  rmSync(directory, { recursive: true, force: true })
})

type Env = Record<string, string> & { XDG_CONFIG_HOME: string; HOME: string }

function home(more: Record<string, string> = {}): Env {
  const at = mkdtempSync(join(directory, 'home-'))
  return { PATH: process.env.PATH ?? '', HOME: at, XDG_CONFIG_HOME: join(at, '.config'), ...more }
}
const fileOf = (env: Env) => join(env.XDG_CONFIG_HOME, 'keyhold/credentials.json')
const loginLine = (...more: string[]) => [
  'login',
  `--url=${server.url}`,
  '--email=ada@example.com',
  '--password-stdin',
  ...more,
]
const whoami = async (env: Env) => JSON.parse((await run(['whoami', '--json'], env)).stdout)

/** A folder to put before the PATH, with a `secret-tool` of our own. */
function fakeTool(script: string): string {
  const bin = mkdtempSync(join(directory, 'bin-'))
  writeFileSync(join(bin, 'secret-tool'), `#!/bin/sh\n${script}\n`)
  chmodSync(join(bin, 'secret-tool'), 0o755)
  return `${bin}:${process.env.PATH}`
}

/** Runs a line on a bus of its own, with a keyring that is unlocked. */
function onDesktop(env: Env, args: readonly string[], input = ''): Result {
  const line = [keyhold, ...args].map(quote).join(' ')
  const unlock = 'printf keyring-password | gnome-keyring-daemon --unlock --components=secrets > /dev/null'
  const { status, stdout, stderr } = spawnSync('dbus-run-session', ['--', 'sh', '-c', `${unlock}; ${line}`], {
    env: { ...env, XDG_RUNTIME_DIR: env.HOME },
    input,
    encoding: 'utf8',
  })
  return { code: status, signal: null, stdout, stderr }
}

describe('keyhold login --keyring', { timeout: 90_000 }, () => {
  test('puts the token into the keyring and no file; the commands find it there, and logout takes it out', () => {
    const env = home()
    const login = onDesktop(env, loginLine('--keyring'), `${password}\n`)
    expect(login, login.stderr).toMatchObject({ code: 0 })
    expect(login.stderr).toContain('is in the keyring of this desktop')
    expect(JSON.parse(readFileSync(fileOf(env), 'utf8'))).toEqual({ url: server.url, tokenIn: 'keyring' })
    for (const name of readdirSync(env.HOME, { recursive: true, withFileTypes: true }))
      if (name.isFile())
        expect(readFileSync(join(name.parentPath, name.name), 'latin1')).not.toMatch(/kh_pat_/)

    const found = onDesktop(env, ['whoami'])
    expect(found, found.stderr).toMatchObject({ code: 0 })
    expect(found.stdout).toMatch(
      /ada \(ada@example\.com\), member\n.*\nat http.*\nkept in the keyring of this desktop\n/,
    )

    // Signing in once more stays in the keyring, and the token of before is deleted.
    const again = onDesktop(env, loginLine(), `${password}\n`)
    expect(again.stderr).toContain('is in the keyring of this desktop')
    expect(again.stderr).toContain('the access token that was here before is deleted')

    const logout = onDesktop(env, ['logout'])
    expect(logout, logout.stderr).toMatchObject({ code: 0 })
    expect(existsSync(fileOf(env))).toBe(false)
    expect(onDesktop(env, ['whoami']).code).toBe(4)
  })

  test.each([
    ['hangs', 'exec sleep 60', /did not answer within 10 s/],
    ['refuses', 'cat > /dev/null; exit 1', /it refused/],
    ['gives back something else', 'cat > /dev/null; echo other', /does not give back what was stored/],
  ])(
    'a keyring that %s: a file that only its owner can read, and it is said',
    async (_how, script, reason) => {
      const env = home({ PATH: fakeTool(script) })
      const login = await run(loginLine('--keyring'), env, `${password}\n`)
      expect(login, login.stderr).toMatchObject({ code: 0 })
      expect(login.stderr).toMatch(reason)
      expect(login.stderr).toContain(`is in ${fileOf(env)}`)
      expect(statSync(fileOf(env)).mode & 0o777).toBe(0o600)
      expect((await whoami(env)).kept).toBe(fileOf(env))
    },
  )

  test('the token is in no argument', async () => {
    const log = join(directory, 'arguments')
    const env = home({
      PATH: fakeTool(
        `echo "$@" >> ${quote(log)}; if [ "$1" = store ]; then cat > ${quote(`${log}.in`)}; else cat ${quote(`${log}.in`)}; fi`,
      ),
    })
    expect((await run(loginLine('--keyring'), env, `${password}\n`)).code).toBe(0)
    const token = readFileSync(`${log}.in`, 'utf8')
    expect(token).toMatch(/^kh_pat_\w+$/)
    expect(readFileSync(log, 'utf8')).toMatch(/^store --label=Keyhold http/)
    expect(readFileSync(log, 'utf8')).not.toContain('kh_pat_')
  })

  test('a keyring that answers no more: exit code 4 and the way out; signing in and out still work', async () => {
    const env = home()
    mkdirSync(join(env.XDG_CONFIG_HOME, 'keyhold'), { recursive: true })
    const content = JSON.stringify({ url: server.url, tokenIn: 'keyring' })
    writeFileSync(fileOf(env), content, { mode: 0o600 })
    const without = await run(['whoami'], env)
    expect(without.code).toBe(4)
    expect(without.stderr).toMatch(
      /in the keyring of this desktop, and it[\s\S]*keyhold logout, keyhold login/,
    )
    expect((await run(['logout'], env)).code).toBe(4)
    expect(existsSync(fileOf(env))).toBe(false)
    writeFileSync(fileOf(env), content, { mode: 0o600 })
    expect((await run(loginLine(), env, `${password}\n`)).code).toBe(0)
    expect((await whoami(env)).kept).toBe(fileOf(env))
  })
})

describe('no keyring, no bus, and a home that cannot be written (R8)', { timeout: 60_000 }, () => {
  /** A file where the folder would be: also root, who ignores modes, cannot write there. */
  function readOnlyHome(more: Record<string, string> = {}): Env {
    const env = home(more)
    writeFileSync(env.XDG_CONFIG_HOME, '')
    return env
  }

  test('login uses XDG_RUNTIME_DIR, the commands find it, and logout clears it', async () => {
    const runtime = mkdtempSync(join(directory, 'runtime-'))
    const env = readOnlyHome({ XDG_RUNTIME_DIR: runtime })
    const login = await run(loginLine(), env, `${password}\n`)
    expect(login, login.stderr).toMatchObject({ code: 0 })
    const path = join(runtime, 'keyhold/credentials.json')
    expect(login.stderr).toContain(`is in ${path}`)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect((await whoami(env)).kept).toBe(path)
    expect((await run(['logout'], env)).code).toBe(0)
    expect(existsSync(path)).toBe(false)
  })

  test('without that, login says what to set, and KEYHOLD_TOKEN or KEYHOLD_TOKEN_FILE works', async () => {
    const refused = await run(loginLine(), readOnlyHome(), `${password}\n`)
    expect(refused.code).toBe(1)
    expect(refused.stderr).toMatch(/cannot be written[\s\S]*KEYHOLD_TOKEN or KEYHOLD_TOKEN_FILE/)
    const bob = server.person('bob')
    const { KEYHOLD_TOKEN: token = '' } = bob
    const path = join(directory, 'token')
    writeFileSync(path, `${token}\n`, { mode: 0o600 })
    for (const more of [{ KEYHOLD_TOKEN: token }, { KEYHOLD_TOKEN_FILE: path }]) {
      const env = readOnlyHome({ KEYHOLD_URL: server.url, ...more })
      expect(await whoami(env)).toMatchObject({
        kept: 'the environment',
        account: { email: 'bob@example.com' },
      })
    }
  })
})
