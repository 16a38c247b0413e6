import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { run } from './kit.ts'
import { type RealServer, startRealServer } from './real-server.ts'

let server: RealServer
let person: Record<string, string>
let admin: Record<string, string>

beforeAll(async () => {
  server = await startRealServer({ KEYHOLD_OUTGOING_ALLOW: '127.0.0.0/8' })
  admin = server.person('Ada', 'admin')
  person = server.person('Bob')
})
afterAll(() => server.stop())

test('SDS-4: `keyhold inventory` lists every credential with its level, last use and expiry', async () => {
  await run(['token', 'create', 'laptop', '--expires', '30d'], person)
  const shown = await run(['inventory'], person)
  expect(shown.code, shown.stderr).toBe(0)
  const [first] = shown.stdout.split('\n')
  expect(first).toMatch(/^access token\tlaptop\t.*\tall your rights\t.*\tNever\t/)
  expect(shown.stdout).toContain('No expiry')

  const listed = JSON.parse((await run(['inventory', '--json'], person)).stdout)
  expect(listed.map(({ name }: { name: string }) => name)[0]).toBe('laptop')
})

test('`keyhold inventory --attention` says what expires soon, and when there is nothing to do', async () => {
  const quiet = await run(['inventory', '--attention'], admin)
  expect(quiet).toMatchObject({ code: 0, stdout: '' })
  expect(quiet.stderr).toContain('nothing needs your attention')
  await run(['token', 'create', 'short', '--expires', '3d'], admin)
  const soon = await run(['inventory', '--attention'], admin)
  expect(soon.stdout).toMatch(/^access token\tshort\t.*\texpires soon\n$/)
})

test('SEC-29: an administrator sets the rotation periods, a member does not', async () => {
  const args = ['settings', 'set', '--rotate-tokens=30', '--rotate-passwords=never', '--remind=7']
  const refused = await run(args, person)
  expect(refused.code).toBe(1)
  expect(refused.stderr).toContain('access.refused')
  expect((await run(args, admin)).code).toBe(0)
  expect(JSON.parse((await run(['settings', 'show', '--json'], person)).stdout)).toEqual({
    rotationDays: { token: 30, apiKey: 90, password: null },
    reminderDays: 7,
    maximumLife: { accessTokenDays: null, accessKeyDays: null, sessionHours: null },
    requireSecondFactor: false,
    auditRetentionDays: null,
  })
  expect((await run(['settings', 'show'], person)).stdout).toMatch(/rotation of passwords\tnever/)
  expect((await run(['settings', 'set'], admin)).code).toBe(2)
  for (const wrong of ['--remind=soon', '--remind=never', '--rotate-tokens=0', '--rotate-tokens=99999']) {
    const answer = await run(['settings', 'set', wrong], admin)
    expect(answer.code).toBe(2)
    expect(answer.stderr).toContain('is a number of days')
  }
})

test('an administrator sets the longest life of tokens, access keys and sessions without a passkey (issue 6)', async () => {
  const lives = ['--max-token-life=90', '--max-access-key-life=30', '--max-session-life=4']
  expect((await run(['settings', 'set', ...lives], person)).stderr).toContain('access.refused')
  expect((await run(['settings', 'set', ...lives], admin)).code).toBe(0)
  const { stdout } = await run(['settings', 'show'], person)
  expect(stdout).toMatch(/longest life of access tokens\t90 days/)
  expect(stdout).toMatch(/longest life of access keys\t30 days/)
  expect(stdout).toMatch(/longest session without passkey\t4 hours/)
  const refused = await run(['token', 'create', 'too-long'], person)
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('within 90 days')])
  for (const wrong of ['--max-session-life=13', '--max-token-life=0', '--max-access-key-life=never'])
    expect((await run(['settings', 'set', wrong], admin)).code).toBe(2)
  const any = ['--max-token-life=any', '--max-access-key-life=any', '--max-session-life=any']
  expect((await run(['settings', 'set', ...any], admin)).code).toBe(0)
  expect((await run(['settings', 'show'], person)).stdout).toMatch(/longest life of access tokens\tno limit/)
})

test('C27: an administrator sets how long audit records are kept, is asked first, and a year is the least', async () => {
  const keep = (days: string, ...more: string[]) =>
    run(['settings', 'set', `--keep-audit=${days}`, ...more], admin)
  const kept = async () =>
    JSON.parse((await run(['settings', 'show', '--json'], admin)).stdout).auditRetentionDays
  const shown = async () =>
    /^audit records are kept\t(.*)$/m.exec((await run(['settings', 'show'], admin)).stdout)?.[1]
  expect([await kept(), await shown()]).toEqual([null, 'for ever'])
  for (const wrong of ['364', '0', '36501', '999999', '-400', '1y', '400.5', '', 'Never']) {
    const answer = await keep(wrong, '--yes')
    expect([wrong, answer.code, answer.stderr]).toEqual([
      wrong,
      2,
      expect.stringContaining('--keep-audit is a number of days, 365 to 36500, or never'),
    ])
  }
  const asked = await run(['settings', 'set', '--keep-audit=730'], admin, 'n\n')
  expect(asked.code).not.toBe(0)
  expect(asked.stderr).toContain('older than 730 days, now and from now on? This cannot be undone')
  expect((await run(['settings', 'set', '--keep-audit=730', '--yes'], person)).stderr).toContain(
    'access.refused',
  )
  expect(await kept()).toBe(null)
  expect((await keep('730', '-y')).code).toBe(0)
  expect([await kept(), await shown()]).toEqual([730, '730 days'])
  // What is not named stays, and keeping for ever loses nothing: it is not asked about.
  expect((await run(['settings', 'set', '--remind=7'], admin)).code).toBe(0)
  expect(await kept()).toBe(730)
  expect((await keep('never')).code).toBe(0)
  expect([await kept(), await shown()]).toEqual([null, 'for ever'])
})

test('`keyhold reminder-webhook`: set, tested, shown, removed', async () => {
  let signature: unknown
  let status = 204
  const receiver = createServer((request, response) => {
    signature = request.headers['webhook-signature']
    response.writeHead(status).end()
  }).listen(0, '127.0.0.1')
  await once(receiver, 'listening')
  onTestFinished(() => void receiver.close())
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`

  expect((await run(['reminder-webhook', 'show'], person)).stderr).toContain('no address is set')
  const set = await run(['reminder-webhook', 'set', url], person)
  expect(set).toMatchObject({ code: 0, stdout: expect.stringMatching(/^whsec_\S{44}\n$/) })
  expect((await run(['reminder-webhook', 'test'], person)).stderr).toContain('the test message arrived')
  expect(signature).toMatch(/^v1,/)
  status = 500
  const failed = await run(['reminder-webhook', 'test'], person)
  expect(failed.code).toBe(1)
  expect(failed.stderr).toContain('answered 500')
  const shown = await run(['reminder-webhook', 'show', '--json'], person)
  expect(JSON.parse(shown.stdout)).toMatchObject({ url, lastFailure: 'answered 500' })
  expect((await run(['reminder-webhook', 'remove', '--yes'], person)).code).toBe(0)
  expect((await run(['reminder-webhook', 'remove', '--yes'], person)).stderr).toContain(
    'reminder_webhook.not_found',
  )
})
