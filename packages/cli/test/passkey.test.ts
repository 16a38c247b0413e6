import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { keyhold, run, TerminalRun } from './kit.ts'
import { type RealServer, startRealServer } from './real-server.ts'

const PASSWORD = 'a password of a test person'
const CODES = ['AAAA-BBBB-CCCC-DDDD', 'EEEE-FFFF-GGGG-HHHH']

let server: RealServer
let person: Record<string, string>

/** Adding one takes a browser (packages/server/test/passkeys-chromium.test.ts); here it is put where that puts it. */
function addPasskeys(email: string, names: readonly string[]): void {
  const db = new DatabaseSync(join(server.dataDir, 'keyhold.db'))
  const { id } = db.prepare('select id from accounts where email = ?').get(email) as { id: string } // `as`: it is there.
  db.prepare('update accounts set second_factor_at = 1 where id = ?').run(id)
  names.forEach((name, i) => {
    db.prepare(
      `insert into passkeys (id, account_id, name, credential_id, public_key, sign_count, transports, aaguid, is_synced, created_at)
       values (?, ?, ?, ?, ?, 0, '["internal"]', '', 1, ?)`,
    ).run(`psk_${String(i).repeat(20)}`, id, name, Buffer.from([i]), Buffer.from([i]), 1_700_000_000_000 + i)
  })
  for (const code of CODES) {
    const hash = createHash('sha256').update(code.replaceAll('-', '')).digest()
    db.prepare('insert into recovery_codes (account_id, code_hash) values (?, ?)').run(id, hash)
  }
  db.close()
}

beforeAll(async () => {
  server = await startRealServer()
  person = server.person('Ada')
})
afterAll(() => server.stop())

test('`passkey list` says that there are none, and how to be safer', async () => {
  const empty = await run(['passkey', 'list'], person)
  expect([empty.code, empty.stdout]).toEqual([0, ''])
  expect(empty.stderr).toContain('keyhold second-factor enable')
})

test('`passkey list` and `rename` show and change what is there; a wrong name is refused with the next step', async () => {
  addPasskeys('Ada@example.com', ['laptop', 'key', 'key'])
  const listed = await run(['passkey', 'list', '--json'], person)
  expect(JSON.parse(listed.stdout).map(({ name }: { name: string }) => name)).toEqual([
    'laptop',
    'key',
    'key',
  ])
  expect((await run(['passkey', 'rename', 'laptop', 'old laptop'], person)).code).toBe(0)
  expect((await run(['passkey', 'list'], person)).stdout).toContain('old laptop\t')
  const twice = await run(['passkey', 'rename', 'key', 'x'], person)
  expect([twice.code, twice.stderr]).toEqual([1, expect.stringContaining('2 of your passkeys')])
  const none = await run(['passkey', 'delete', 'nothing', '--yes'], person)
  expect([none.code, none.stderr]).toEqual([1, expect.stringContaining('passkey.not_found')])
  expect((await run(['second-factor', 'show'], person)).stdout).toContain('passkeys\t3')
})

test('`passkey delete` takes the password and a code, never as arguments', async () => {
  const attempt = async (code: string) => {
    const terminal = new TerminalRun(keyhold, ['passkey', 'delete', 'old laptop', '--yes'], person)
    await terminal.sees(/your password:/)
    terminal.pty.write(`${PASSWORD}\r`)
    await terminal.sees(/or a recovery code:/)
    terminal.pty.write(`${code}\r`)
    await terminal.ended
    return terminal.output
  }
  expect(await attempt('000000')).toContain('second_factor.code_wrong')
  const done = await attempt(CODES[0]!)
  expect(done).toContain('passkey old laptop deleted')
  expect(done).not.toContain(PASSWORD)
  expect((await run(['passkey', 'list'], person)).stdout).not.toContain('old laptop')
})
