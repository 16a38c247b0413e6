// CI jobs and pods without a stored secret, against the real server and a platform that issues tokens as GitHub does.
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { exportJWK, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { run, start } from './kit.ts'
import { type RealServer, startRealServer } from './real-server.ts'

const value = 'canary-value-of-a-secret'
const requestToken = 'canary-request-token'
const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
let server: RealServer
let owner: Record<string, string>
let directory: string
let issuer: string
/** What a job asks of its runner. */
let requested: string[] = []
let repository = 'ada/shop'

const platform = createServer(async (request, response) => {
  const url = new URL(request.url ?? '/', issuer)
  const json = (answer: unknown) => response.end(JSON.stringify(answer))
  if (url.pathname === '/.well-known/openid-configuration')
    return json({ issuer, jwks_uri: `${issuer}/keys` })
  if (url.pathname === '/keys') return json({ keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'k' }] })
  requested.push(`${request.headers.authorization} ${url.pathname}${url.search}`)
  if (request.headers.authorization !== `Bearer ${requestToken}`) return response.writeHead(401).end('{}')
  json({ value: await tokenOf(url.searchParams.get('audience') ?? '') })
})

const tokenOf = (audience: string) =>
  new SignJWT({ repository, jti: randomUUID() })
    .setProtectedHeader({ alg: 'ES256', kid: 'k' })
    .setIssuer(issuer)
    .setSubject(`repo:${repository}:ref:refs/heads/main`)
    .setAudience(audience)
    .setIssuedAt()
    .setExpirationTime('5m')
    .sign(pair.privateKey)

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'keyhold-workload-'))
  platform.listen(0, '127.0.0.1')
  await once(platform, 'listening')
  issuer = `http://127.0.0.1:${(platform.address() as AddressInfo).port}` // `as`: it listens on TCP.
  server = await startRealServer({ KEYHOLD_OUTGOING_ALLOW: '127.0.0.0/8' })
  owner = { ...server.person('ada'), KEYHOLD_PROJECT: 'shop' }
})
afterAll(async () => {
  await server?.stop()
  platform.closeAllConnections()
  platform.close()
  rmSync(directory, { recursive: true, force: true })
})

async function done(args: string[], env: Record<string, string>, input = '') {
  const result = await run(args, env, input)
  expect(result, result.stderr).toMatchObject({ code: 0 })
  return result
}

/** @returns the id of a new workload identity, whose audience is the address of the test's server. */
async function created(name: string, ...more: string[]): Promise<string> {
  const line = ['workload-identity', 'create', name, '--permission=read', `--issuer=${issuer}`]
  const { stdout } = await done([...line, `--audience=${server.url}`, ...more], owner)
  return stdout.trim()
}

const job = (more: Record<string, string>): Record<string, string> => ({
  PATH: process.env.PATH ?? '',
  HOME: directory,
  KEYHOLD_URL: server.url,
  ...more,
})

describe('a machine without a stored secret', { timeout: 60_000 }, () => {
  test('in GitHub Actions the token is asked for by itself; the command gets the secrets and no credential', async () => {
    await done(['project', 'create', 'shop'], owner)
    await done(['secret', 'set', 'DEPLOY_KEY'], owner, value)
    const identity = await created('deploy', '--github=ada/shop')
    const env = job({
      KEYHOLD_WORKLOAD_IDENTITY: identity,
      ACTIONS_ID_TOKEN_REQUEST_URL: `${issuer}/request?api-version=2`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: requestToken,
    })
    requested = []
    const program =
      'process.stdout.write(`${process.env.DEPLOY_KEY} ${process.env.KEYHOLD_WORKLOAD_IDENTITY}`)'
    const ran = await done(['run', '--no-mask', '--', process.execPath, '-e', program], env)
    expect(ran.stdout).toBe(`${value} undefined`)
    const audience = encodeURIComponent(server.url)
    expect(requested).toEqual([`Bearer ${requestToken} /request?api-version=2&audience=${audience}`])

    // Each command has a token of its own.
    expect((await done(['secret', 'get', 'DEPLOY_KEY'], env)).stdout).toBe(value)
    expect((await done(['whoami'], env)).stdout).toContain(identity)
    expect(requested).toHaveLength(3)

    const { stdout } = await done(['audit', 'list', '--json', '--limit=50'], owner)
    const records = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    const exchange = records.find(({ action }) => action === 'workload-identity.exchange')
    expect(exchange.actor).toMatchObject({
      kind: 'workload-identity',
      name: 'repo:ada/shop:ref:refs/heads/main',
    })

    repository = 'eve/shop'
    const refused = await run(['run', '--', 'true'], env)
    repository = 'ada/shop'
    expect(refused.code).toBe(4)
    expect(refused.stderr).toMatch(/has another repository, or none[\s\S]*keyhold workload-identity test/)

    await done(['workload-identity', 'deactivate', 'deploy', '--yes'], owner)
    expect((await run(['run', '--', 'true'], env)).code).toBe(4)
    await done(['workload-identity', 'activate', 'deploy'], owner)
    await done(['run', '--', 'true'], env)
    await done(['workload-identity', 'delete', 'deploy', '--yes'], owner)
    expect((await run(['run', '--', 'true'], env)).stderr).not.toMatch(/canary/)
  })

  test('in GitLab CI by KEYHOLD_ID_TOKEN, in Kubernetes by KEYHOLD_ID_TOKEN_FILE, again and again', async () => {
    const identity = await created('pods', '--claim=repository=ada/shop')
    const token = await tokenOf(server.url)
    const path = join(directory, 'token')
    writeFileSync(path, `${token}\n`)
    const program =
      'console.log(process.env.DEPLOY_KEY.length, process.env.KEYHOLD_ID_TOKEN, process.env.KEYHOLD_ID_TOKEN_FILE)'
    for (const more of [{ KEYHOLD_ID_TOKEN: token }, { KEYHOLD_ID_TOKEN_FILE: path }]) {
      const env = job({ KEYHOLD_WORKLOAD_IDENTITY: identity, ...more })
      for (let i = 0; i < 2; i++)
        expect((await done(['run', '--', process.execPath, '-e', program], env)).stdout).toBe(
          `${value.length} undefined undefined\n`,
        )
    }
  })

  test('R6: with --watch a credential that has ended is had anew, and the command gets what was changed', async () => {
    const identity = await created('watching', '--claim=repository=ada/shop')
    const env = job({ KEYHOLD_WORKLOAD_IDENTITY: identity, KEYHOLD_ID_TOKEN: await tokenOf(server.url) })
    const program = 'console.log("length:" + process.env.DEPLOY_KEY.length); setInterval(() => {}, 1000)'
    const running = start(['run', '--watch', '--', process.execPath, '-e', program], env)
    await running.sees(new RegExp(`length:${value.length}\n`))
    // As after an hour: the server's clock is nobody's to move.
    const database = new DatabaseSync(join(server.dataDir, 'keyhold.db'))
    database.exec('pragma busy_timeout = 30000; delete from workload_credentials')
    database.close()
    await done(['secret', 'set', 'DEPLOY_KEY'], owner, `${value}, longer`)
    await running.sees(new RegExp(`length:${value.length + 8}\n`))
    expect(running.stderr).toBe('keyhold: restarting the command, changed: DEPLOY_KEY\n')
    running.child.kill('SIGTERM')
    expect((await running.ended).code).toBe(143)
    await done(['secret', 'set', 'DEPLOY_KEY'], owner, value)
  })

  test('without a token of a platform it says where one comes from', async () => {
    const { code, stderr } = await run(['run', '--', 'true'], job({ KEYHOLD_WORKLOAD_IDENTITY: 'wid_x' }))
    expect(code).toBe(4)
    expect(stderr).toMatch(/id-token: write[\s\S]*id_tokens[\s\S]*KEYHOLD_ID_TOKEN_FILE/)
    const missing = job({
      KEYHOLD_WORKLOAD_IDENTITY: 'wid_x',
      KEYHOLD_ID_TOKEN_FILE: join(directory, 'none'),
    })
    expect((await run(['run', '--', 'true'], missing)).stderr).toContain('cannot be read (ENOENT)')
    const runner = job({
      KEYHOLD_WORKLOAD_IDENTITY: 'wid_x',
      ACTIONS_ID_TOKEN_REQUEST_URL: `${issuer}/request`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'canary-wrong',
    })
    const refused = await run(['run', '--', 'true'], runner)
    expect(refused.stderr).toMatch(/GitHub Actions gave no token: .* answered 401/)
    expect(refused.stderr).not.toContain('canary')
  })

  test('test says why a token would be refused; create refuses what would let in everybody', async () => {
    await created('main', '--github=ada/shop', '--claim=ref=refs/heads/main')
    const good = await tokenOf(server.url)
    const tested = await run(['workload-identity', 'test', 'main'], owner, good)
    expect(tested.code).toBe(1)
    expect(tested.stderr).toMatch(
      /of repo:ada\/shop:ref:refs\/heads\/main would be refused: it has another ref, or none/,
    )
    expect(tested.stderr).not.toContain(good)
    const listed = await done(['workload-identity', 'list'], owner)
    expect(listed.stdout).toContain('repository=ada/shop ref=refs/heads/main')

    const line = ['workload-identity', 'create', 'x', '--permission=read']
    const tooWide = await run([...line, '--github=ada/*'], owner)
    expect(tooWide.code).toBe(1)
    expect(tooWide.stderr).toContain('there are no patterns')
    for (const wrong of [
      [],
      ['--github=a/b', '--gitlab=a/b'],
      ['--kubernetes=web'],
      ['--issuer=https://x.example', '--claim=x'],
    ])
      expect((await run([...line, ...wrong], owner)).code).toBe(2)
  })
})
