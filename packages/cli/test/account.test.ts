// What administrators do with accounts of others, against the real server.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { keyhold, run, TerminalRun } from './kit.ts'
import { type RealServer, startRealServer } from './real-server.ts'

const PASSWORD = 'a password of a test person'

let server: RealServer
let admin: Record<string, string>
let bob: Record<string, string>

beforeAll(async () => {
  server = await startRealServer()
  admin = server.person('ada', 'admin')
  bob = server.person('bob')
})
afterAll(() => server?.stop())

/** Signs in as a browser does. @returns the status of a call with that session, whenever it is asked. */
async function session(email: string): Promise<() => Promise<number>> {
  const answer = await fetch(`${server.url}/api/v1/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email, password: PASSWORD }),
  })
  expect(answer.status).toBe(201)
  const cookie = answer.headers.get('set-cookie')!.split(';')[0]!
  return async () => (await fetch(`${server.url}/api/v1/session`, { headers: { cookie } })).status
}

test('`account end-sessions` asks, ends the browsers of one account, and leaves tokens and everybody else alone', async () => {
  const laptop = await session('bob@example.com')
  const phone = await session('bob@example.com')
  const own = await session('ada@example.com')
  const declined = new TerminalRun(keyhold, ['account', 'end-sessions', 'bob@example.com'], admin)
  await declined.sees(/end all browser sessions of bob \(bob@example\.com\)\?/)
  declined.type('n\r')
  expect((await declined.ended).exitCode).not.toBe(0)
  expect([await laptop(), await phone()]).toEqual([200, 200])

  const unasked = await run(['account', 'end-sessions', 'bob@example.com'], admin)
  expect(unasked.code, 'a script says --yes').not.toBe(0)
  expect([await laptop(), await phone()]).toEqual([200, 200])

  const ended = await run(['account', 'end-sessions', 'bob@example.com', '--yes'], admin)
  expect(ended.code, ended.stderr).toBe(0)
  expect(ended.stderr).toContain('the browser sessions of bob@example.com ended')
  expect([await laptop(), await phone(), await own()]).toEqual([401, 401, 200])
  expect((await run(['whoami'], bob)).code, 'tokens go on').toBe(0)
})

test('`account end-sessions` is for administrators, and says who is not there', async () => {
  const own = await session('ada@example.com')
  const refused = await run(['account', 'end-sessions', 'ada@example.com', '--yes'], bob)
  expect(refused.code).toBe(1)
  const unknown = await run(['account', 'end-sessions', 'nobody@example.com', '--yes'], admin)
  expect([unknown.code, unknown.stdout]).toEqual([1, ''])
  expect(unknown.stderr).toContain('nobody@example.com')
  expect(await own()).toBe(200)
})
