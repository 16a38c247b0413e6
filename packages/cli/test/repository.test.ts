import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { keyhold, run, TerminalRun } from './kit.ts'
import { type RealServer, startRealServer } from './real-server.ts'

const CLIENT_SECRET = 'canary-client-secret-5d1f'
const TOKEN = 'canary-access-token-77a0'

let server: RealServer
let admin: Record<string, string>
let person: Record<string, string>
let gitlab: Server
let base: string
let host: string
/** Paths that were called. */
const calls: string[] = []

beforeAll(async () => {
  server = await startRealServer({ KEYHOLD_OUTGOING_ALLOW: '127.0.0.0/8' })
  admin = server.person('Ada', 'admin')
  person = server.person('Bob')
  // As much of a GitLab as connecting takes; the server's own tests have a strict one.
  gitlab = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    calls.push(request.url ?? '')
    const isClient = body.includes(CLIENT_SECRET)
    const answer = (status: number, value: unknown) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
    if (request.url === '/oauth/token' && isClient)
      return answer(200, { access_token: TOKEN, refresh_token: 'r', expires_in: 7200, scope: 'read_user' })
    if (request.url === '/api/v4/user' && request.headers.authorization === `Bearer ${TOKEN}`)
      return answer(200, { username: 'bob-at-work' })
    if (request.url === '/oauth/revoke' && isClient) return answer(200, {})
    return answer(404, {})
  }).listen(0, '127.0.0.1')
  await once(gitlab, 'listening')
  host = `127.0.0.1:${(gitlab.address() as AddressInfo).port}` // `as`: it listens on TCP.
  base = `http://${host}`
})
afterAll(async () => {
  gitlab.close()
  await server.stop()
})

/** What the browser does: the provider sends it back, and Keyhold shows the code. */
async function browse(address: string): Promise<string> {
  const state = new URL(address).searchParams.get('state')
  const back = new URL(new URL(address).searchParams.get('redirect_uri') ?? '')
  const page = await fetch(`${server.url}${back.pathname}?code=c&state=${state}`)
  return /<pre>([0-9A-Z-]{9})<\/pre>/.exec(await page.text())?.[1] ?? ''
}

test('an administrator registers, changes and removes a provider; a member does not', async () => {
  const empty = await run(['repository-provider', 'list'], person)
  expect(empty).toMatchObject({ code: 0, stdout: '' })
  expect(empty.stderr).toContain('keyhold repository-provider add github')

  const args = ['repository-provider', 'add', 'gitlab', `--base-url=${base}`]
  const refused = await run(args, person)
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('access.refused')])
  const added = await run(args, admin)
  expect(added, added.stderr).toMatchObject({ code: 0, stdout: expect.stringMatching(/^rpv_\w+\n$/) })
  expect(added.stderr).toContain(`/api/v1/repository-connections/callback/${added.stdout.trim()}`)
  expect((await run(args, admin)).stderr).toContain('repository_provider.exists')
  expect((await run(['repository-provider', 'edit', host], admin)).code).toBe(2)
  const noClient = await run(['repository', 'connect', host, '--method=oauth'], person)
  expect(noClient.stderr).toContain('repository_provider.no_client')

  const edited = await run(
    ['repository-provider', 'edit', host, '--client-id=id', '--scope=read_user'],
    admin,
    `${CLIENT_SECRET}\n`,
  )
  expect(edited, edited.stderr).toMatchObject({ code: 0, stdout: '' })
  const listed = await run(['repository-provider', 'list', '--json'], person)
  expect(JSON.parse(listed.stdout)).toMatchObject([{ host, clientId: 'id', scopes: ['read_user'] }])
  for (const { stdout, stderr } of [added, edited, listed])
    expect(stdout + stderr).not.toContain(CLIENT_SECRET)

  await run(['repository-provider', 'add', 'github'], admin)
  const removed = await run(['repository-provider', 'remove', 'github', '--confirm=github.com'], admin)
  expect(removed, removed.stderr).toMatchObject({ code: 0 })
  expect((await run(['repository-provider', 'remove', 'github'], admin)).stderr).toContain(
    'repository_provider.not_found',
  )
})

test('SDS-13: connect prints the address, confirm takes the code; the token is never shown', async () => {
  const connect = await run(['repository', 'connect', host], person)
  expect(connect, connect.stderr).toMatchObject({ code: 0 })
  expect(connect.stdout).toMatch(new RegExp(`^${base}/oauth/authorize\\?\\S*code_challenge=\\S+\n$`))
  expect(connect.stderr).toContain('keyhold repository confirm')
  const code = await browse(connect.stdout.trim())
  const wrong = await run(['repository', 'confirm'], person, '0000-0000\n')
  expect([wrong.code, wrong.stderr]).toEqual([
    1,
    expect.stringContaining('repository_connection.confirmation'),
  ])
  const confirmed = await run(['repository', 'confirm'], person, `${code}\n`)
  expect(confirmed.stderr).toContain(`connected to ${host} as bob-at-work`)

  const listed = await run(['repository', 'list', '--json'], person)
  expect(JSON.parse(listed.stdout)).toMatchObject([{ host, login: 'bob-at-work', method: 'oauth' }])
  const table = await run(['repository', 'list'], person)
  expect(table.stdout).toMatch(new RegExp(`^${host}\toauth\tbob-at-work\tread_user\tNever\t\trcn_`))
  const inventory = await run(['inventory'], person)
  expect(inventory.stdout).toContain(`bob-at-work at ${host}`)
  for (const { stdout, stderr } of [connect, confirmed, listed, table, inventory])
    expect(stdout + stderr).not.toContain(TOKEN)
})

test('on a terminal, connect waits for the code', async () => {
  const carol = server.person('Carol')
  const shown = new TerminalRun(keyhold, ['repository', 'connect', 'gitlab'], carol, { cols: 2000, rows: 24 })
  const [address] = await shown.sees(/http:\S+code_challenge=\S+/)
  await shown.sees(/code that the browser shows:/)
  shown.type(`${(await browse(address!)).toLowerCase()}\r`)
  await shown.sees(/connected to \S+ as bob-at-work/)
  expect((await shown.ended).exitCode).toBe(0)
})

test('SDS-15: switch, and disconnect, which revokes', async () => {
  const none = await run(['repository', 'switch', 'github.com', '--method=ssh'], person)
  expect(none.stderr).toContain('repository_connection.not_found')
  expect((await run(['repository', 'switch', host], person)).code).toBe(2)
  const switched = await run(['repository', 'switch', host, '--method=ssh'], person)
  expect(switched.stderr).toContain(`git uses your SSH key with ${host}`)
  expect(switched).toMatchObject({ stdout: '', stderr: expect.stringContaining('keyhold identity generate') })
  expect((await run(['repository', 'list'], person)).stdout).toContain(`public key at ${base}`)
  calls.length = 0
  const gone = await run(['repository', 'disconnect', host, '--yes'], person)
  expect(gone.stderr).toContain('the token was revoked there')
  expect(calls).toEqual(['/oauth/revoke'])
  expect(JSON.parse((await run(['repository', 'list', '--json'], person)).stdout)).toEqual([])
  expect((await run(['repository', 'list'], person)).stderr).toContain('keyhold repository connect')
})

test('SDS-14: connecting by SSH says where the public key is registered', async () => {
  await run(['identity', 'generate'], person)
  const { stdout: publicKey } = await run(['identity', 'show'], person)
  const connected = await run(['repository', 'connect', host, '--method=ssh'], person)
  expect(connected).toMatchObject({ code: 0, stdout: publicKey })
  expect(connected.stderr).toContain(`${base}/-/user_settings/ssh_keys`)
  const twice = await run(['repository', 'connect', host, '--method=ssh'], person)
  expect(twice.stderr).toContain('repository_connection.exists')
})
