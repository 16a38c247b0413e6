import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { run } from './kit.ts'
import { type RealServer, startRealServer } from './real-server.ts'

let server: RealServer
let admin: Record<string, string>
let provider: Server
let issuer: string
/** What the provider says of itself. */
let metadata: Record<string, unknown>

beforeAll(async () => {
  provider = createServer((request, response) => {
    const answer = request.url?.endsWith('/keys')
      ? { keys: [{ kty: 'RSA', n: 'AQAB', e: 'AQAB' }] }
      : metadata
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
  }).listen(0, '127.0.0.1')
  await once(provider, 'listening')
  const { port } = provider.address() as { port: number } // `as`: it listens on TCP.
  issuer = `http://127.0.0.1:${port}`
  metadata = {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    jwks_uri: `${issuer}/keys`,
    scopes_supported: ['openid', 'email', 'profile'],
    code_challenge_methods_supported: ['S256'],
  }
  server = await startRealServer({ KEYHOLD_OUTGOING_ALLOW: '127.0.0.0/8' })
  admin = server.person('Ada', 'admin')
})
afterAll(async () => {
  provider.close()
  await server.stop()
})

test('a provider is added with its secret on standard input, listed, changed, tested and removed', async () => {
  expect((await run(['identity-provider', 'list'], admin)).stderr).toContain('people sign in here only')
  const add = ['identity-provider', 'add', issuer, '--client-id=keyhold', '--label=Example SSO']
  const refused = await run([...add, '--create-accounts=yes'], admin, 'the-client-secret\n')
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('createsAccounts')])
  const added = await run(
    [...add, '--domain=example.com', '--create-accounts=yes'],
    admin,
    'the-client-secret\n',
  )
  expect([added.code, added.stdout]).toEqual([0, expect.stringMatching(/^idp_[0-9a-z]{20}\n$/)])
  expect(added.stderr).toContain(`/api/v1/identity-providers/callback/${added.stdout.trim()}`)
  const [listed] = JSON.parse((await run(['identity-provider', 'list', '--json'], admin)).stdout)
  expect(listed).toMatchObject({ issuer, createsAccounts: true, allowedEmailDomains: ['example.com'] })

  const tested = await run(['identity-provider', 'test', 'Example SSO'], admin)
  expect([tested.code, tested.stdout]).toEqual([0, expect.stringContaining('discovery\tok')])

  const edit = ['identity-provider', 'edit', 'Example SSO']
  expect((await run(edit, admin)).code).toBe(2)
  const edited = await run([...edit, '--claim=groups=developers', '--trust-amr=mfa', '--domain=any'], admin)
  expect(edited.code).toBe(0)
  const [changed] = JSON.parse((await run(['identity-provider', 'list', '--json'], admin)).stdout)
  expect(changed).toMatchObject({
    allowedEmailDomains: [],
    requiredClaim: { name: 'groups', value: 'developers' },
    trustedAmr: ['mfa'],
  })
  const remove = ['identity-provider', 'remove', issuer]
  expect((await run([...remove, '--confirm=wrong'], admin)).code).not.toBe(0)
  expect((await run([...remove, `--confirm=${issuer}`], admin)).code).toBe(0)
  expect((await run(['identity-provider', 'remove', issuer], admin)).stderr).toContain(
    'identity_provider.not_found',
  )
})

test('`identity-provider test` says what is wrong, and fails', async () => {
  const added = await run(
    ['identity-provider', 'add', `${issuer}/`, '--client-id=keyhold'],
    admin,
    'the-client-secret\n',
  )
  const tested = await run(['identity-provider', 'test', added.stdout.trim(), '--json'], admin)
  expect(tested.code).toBe(1)
  const [check] = JSON.parse(tested.stdout)
  expect(check).toMatchObject({ name: 'discovery', isOk: false, detail: expect.stringContaining('issuer') })
})
