// An administrator invites somebody, who makes an account, against the real server.
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { keyhold, run, TerminalRun } from './kit.ts'
import { type RealServer, startRealServer } from './real-server.ts'

const password = 'a canary password of my own'
let server: RealServer
let admin: Record<string, string>

beforeAll(async () => {
  server = await startRealServer()
  // The link names the server where it is.
  admin = server.person('ada', 'admin')
})
afterAll(() => server?.stop())

function newMachine(): Record<string, string> {
  const home = mkdtempSync(join(tmpdir(), 'keyhold-invited-'))
  return { PATH: process.env.PATH ?? '', HOME: home, XDG_CONFIG_HOME: home }
}

/** The link, at the address where the test's server listens. */
async function invited(email: string, ...more: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(['invitation', 'create', email, ...more], admin)
  expect(code, stderr).toBe(0)
  return stdout.trim().replace(/^.*(?=\/invite#)/, server.url)
}

test('invited into a project: link and password are asked for, and the machine is signed in', {
  timeout: 60_000,
}, async () => {
  await run(['project', 'create', 'shop'], admin)
  const link = await invited('bob@example.com', '--project=shop', '--role=read_only')
  const env = newMachine()
  const terminal = new TerminalRun(keyhold, ['accept-invitation', '--name=Bob'], env, { cols: 200, rows: 24 })
  await terminal.sees(/the link that you were sent:/)
  terminal.type(`${link}\r`)
  await terminal.sees(/ada invites bob@example\.com to[\s\S]*new password/)
  terminal.type(`${password}\r`)
  await terminal.sees(/the same password again:/)
  terminal.type(`${password}\r`)
  expect((await terminal.ended).exitCode, terminal.output).toBe(0)
  expect(terminal.output).not.toMatch(/canary|kh_inv_|kh_pat_/)
  expect(terminal.output).toContain('Bob (bob@example.com) has an account')
  const projects = JSON.parse((await run(['project', 'list', '--json'], env)).stdout)
  expect(projects).toMatchObject([{ name: 'shop', role: 'read_only' }])
  expect(readFileSync(join(env.XDG_CONFIG_HOME ?? '', 'keyhold/credentials.json'), 'utf8')).toContain(
    'kh_pat_',
  )

  const again = await run(
    ['accept-invitation', '--name=X', '--answers-stdin'],
    newMachine(),
    `${link}\n${password}\n`,
  )
  expect(again.code).toBe(1)
  expect(again.stderr).toMatch(/invitation\.link_invalid[\s\S]*sign in, if you used it already/)
  expect(again.stderr).not.toMatch(/canary|kh_inv_/)
})

test('listed with its state, sent again, and taken back', { timeout: 60_000 }, async () => {
  const first = await invited('eve@example.com')
  const resent = await run(['invitation', 'resend', 'EVE@example.com', '--json'], admin)
  const { link } = JSON.parse(resent.stdout)
  expect(link).not.toBe(first)
  const accept = (line: string) =>
    run(['accept-invitation', '--name=Eve', '--answers-stdin'], newMachine(), `${line}\n${password}\n`)
  expect((await accept(first)).stderr).toContain('invitation.link_invalid')
  const states = async () =>
    JSON.parse((await run(['invitation', 'list', '--json'], admin)).stdout).map(
      ({ email, status }: { email: string; status: string }) => `${email} ${status}`,
    )
  expect(await states()).toContain('eve@example.com open')
  expect((await run(['invitation', 'revoke', 'eve@example.com', '--yes'], admin)).code).toBe(0)
  expect((await accept(link.replace(/^.*(?=\/invite#)/, server.url))).code).toBe(1)
  expect((await states()).join()).not.toContain('eve')
  expect((await run(['invitation', 'revoke', 'eve@example.com', '--yes'], admin)).stderr).toContain(
    'keyhold invitation list',
  )
})

test.each(['', 'kh_inv_canary', 'https://example.com/invite', 'not a canary link'])(
  'what is no link is refused, and not repeated: %j',
  async (link) => {
    const answers = `${link}\n${password}\n`
    const { code, stderr } = await run(
      ['accept-invitation', '--name=X', '--answers-stdin'],
      newMachine(),
      answers,
    )
    expect(code).toBe(2)
    expect(stderr).not.toContain('canary')
  },
)
