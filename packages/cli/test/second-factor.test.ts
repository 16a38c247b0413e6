import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { TOTP } from 'otpauth'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { keyhold, run, TerminalRun } from './kit.ts'
import { type RealServer, startRealServer } from './real-server.ts'

const PASSWORD = 'a password of a test person'

let server: RealServer
let person: Record<string, string>
let recoveryCodes: string[]

beforeAll(async () => {
  server = await startRealServer()
  person = server.person('Ada', 'admin')
})
afterAll(() => server.stop())

test('`second-factor enable` asks for the password and a first code, and prints recovery codes', async () => {
  expect((await run(['second-factor', 'show'], person)).stdout).toContain('authenticator\toff')
  const terminal = new TerminalRun(keyhold, ['second-factor', 'enable'], person, { cols: 200, rows: 40 })
  await terminal.sees(/your password:/)
  terminal.pty.write(`${PASSWORD}\r`)
  const [secret] = await terminal.sees(/\b[A-Z2-7]{32}\b/)
  await terminal.sees(/otpauth:\/\/totp\/Keyhold:Ada%40example\.com/)
  await terminal.sees(/the code it shows now:/)
  terminal.pty.write(`${new TOTP({ secret }).generate()}\r`)
  await terminal.sees(/keep them where your phone is not/)
  expect(await terminal.ended).toMatchObject({ exitCode: 0 })
  expect(terminal.output).not.toContain(PASSWORD)
  recoveryCodes = terminal.output.match(/\b[0-9A-Z]{4}(?:-[0-9A-Z]{4}){3}\b/g) ?? []
  expect(recoveryCodes).toHaveLength(10)
  const shown = await run(['second-factor', 'show', '--json'], person)
  expect(JSON.parse(shown.stdout)).toMatchObject({ recoveryCodesLeft: 10, isRequired: false })
})

test('`login` asks for the code; a recovery code will do', async () => {
  const home = { PATH: person.PATH!, XDG_CONFIG_HOME: mkdtempSync(join(server.dataDir, '..', 'home-')) }
  const login = ['login', `--url=${server.url}`, '--email=Ada@example.com']
  const terminal = new TerminalRun(keyhold, login, home)
  await terminal.sees(/password of Ada@example.com:/)
  terminal.pty.write(`${PASSWORD}\r`)
  await terminal.sees(/a code of your authenticator, or a recovery code:/)
  terminal.pty.write(`${recoveryCodes[0]!.toLowerCase()}\r`)
  await terminal.sees(/is signed in to/)
  expect(await terminal.ended).toMatchObject({ exitCode: 0 })
  // In a script there is nobody to ask.
  const script = await run([...login, '--password-stdin'], home, `${PASSWORD}\n`)
  expect(script.code).toBe(4)
  expect(script.stderr).toContain('sign_in.code_required')
})

test('`second-factor disable` takes the password and a code', async () => {
  const attempt = async (code: string) => {
    const terminal = new TerminalRun(keyhold, ['second-factor', 'disable'], person)
    await terminal.sees(/your password:/)
    terminal.pty.write(`${PASSWORD}\r`)
    await terminal.sees(/or a recovery code:/)
    terminal.pty.write(`${code}\r`)
    await terminal.ended
    return terminal.output
  }
  expect(await attempt('000000')).toContain('second_factor.code_wrong')
  expect(await attempt(recoveryCodes[1]!)).toContain('the password alone signs you in')
  expect((await run(['second-factor', 'show'], person)).stdout).toContain('authenticator\toff')
})
