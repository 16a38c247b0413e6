// Signing a machine in without a password, against the real server: two people, three machines.
import { existsSync, mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { keyhold, run, TerminalRun } from './kit.ts'
import { type RealServer, startRealServer } from './real-server.ts'

let server: RealServer
/** Signed in on another machine. */
let ada: Record<string, string>

beforeAll(async () => {
  server = await startRealServer()
  ada = server.person('ada')
})
afterAll(() => server?.stop())

function newMachine(): Record<string, string> & { XDG_CONFIG_HOME: string } {
  const home = mkdtempSync(join(tmpdir(), 'keyhold-machine-'))
  return { PATH: process.env.PATH ?? '', HOME: home, XDG_CONFIG_HOME: home, KEYHOLD_URL: server.url }
}
const fileOf = (env: Record<string, string>) => join(env.XDG_CONFIG_HOME ?? '', 'keyhold/credentials.json')

/** Begins at a terminal. @returns it, and the code that it shows. */
async function begin(env: Record<string, string>, ...more: string[]) {
  const terminal = new TerminalRun(keyhold, ['login', ...more], env, { cols: 200, rows: 24 })
  const [, code = ''] = await terminal.sees(/keyhold approve-login (\S+)/)
  return { terminal, code }
}

/** Approves on the other machine. @returns what was asked, and the code that was printed. */
async function decide(code: string, decision: string) {
  const terminal = new TerminalRun(keyhold, ['approve-login', code], ada, { cols: 200, rows: 24 })
  await terminal.sees(/approve\? \[y\/N\]/)
  terminal.type(`${decision}\r`)
  const { exitCode } = await terminal.ended
  const printed = /^([0-9A-Z]{3}-[0-9A-Z]{3})\r$/m.exec(terminal.output)?.[1] ?? ''
  return { exitCode, printed, output: terminal.output }
}

describe('keyhold login by device flow (R8)', { timeout: 60_000 }, () => {
  test('shows an address and a code; approved elsewhere, and with the code of there, the machine is signed in with a token of its own until logout', async () => {
    const env = newMachine()
    const { terminal, code } = await begin(env, '--token-name=build box', '--expires=7')
    expect(terminal.output).toContain(`/device#code=${code}`)
    const decided = await decide(code, 'y')
    expect(decided.exitCode, decided.output).toBe(0)
    expect(decided.output).toContain('build box asks to be signed in as you')
    expect(decided.output).toMatch(/from 127\.0\.0\.1, at .* with keyhold-cli\//)
    expect(decided.output).toContain('it may do all that you may, until ')

    await terminal.sees(/that code:/)
    terminal.type('000-000\r')
    await terminal.sees(/not the code that was shown[\s\S]*that code:/)
    terminal.type(`${decided.printed.toLowerCase()}\r`)
    expect((await terminal.ended).exitCode, terminal.output).toBe(0)
    expect(terminal.output).toContain('ada (ada@example.com) is signed in to')
    expect(terminal.output).not.toMatch(/kh_pat_|kh_dev_/)

    const { token } = JSON.parse(readFileSync(fileOf(env), 'utf8'))
    const listed = JSON.parse((await run(['token', 'list', '--json'], env)).stdout)
    expect(listed.find(({ name }: { name: string }) => name === 'build box')).toMatchObject({ scopes: null })
    expect((await run(['logout'], env)).code).toBe(0)
    expect(existsSync(fileOf(env))).toBe(false)
    const headers = { authorization: `Bearer ${token}` }
    expect((await fetch(`${server.url}/api/v1/session`, { headers })).status).toBe(401)
  })

  test('turned away: exit code 1 on both sides, and nothing is stored', async () => {
    const env = newMachine()
    const { terminal, code } = await begin(env, '--scope=projects:read')
    const decided = await decide(code, '')
    expect(decided).toMatchObject({ exitCode: 1, printed: '' })
    expect(decided.output).toContain('it may do projects:read, until ')
    expect((await terminal.ended).exitCode).toBe(1)
    expect(terminal.output).toContain('device_login.access_denied')
    expect(existsSync(fileOf(env))).toBe(false)
  })

  test('without a terminal it says how to sign in instead, and begins nothing', async () => {
    const { code, stderr } = await run(['login'], newMachine())
    expect(code).toBe(1)
    expect(stderr).toMatch(/no terminal here[\s\S]*--password-stdin/)
  })

  test('a code that nobody has is said to be none', async () => {
    const { code, stderr } = await run(['approve-login', '0000-0000'], ada)
    expect(code).toBe(1)
    expect(stderr).toMatch(/device_login\.not_found[\s\S]*good for 10 minutes/)
  })
})
