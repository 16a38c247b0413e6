import { type ChildProcess, spawn } from 'node:child_process'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { exportJWK, SignJWT } from 'jose'
import pg from 'pg'
import { describe, expect, test } from 'vitest'
import { newGpgKey } from './gpg-kit.ts'
import { databases, newPostgresDatabase } from './kit.ts'

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))

/** Where a canary was looked for, as text that is searched byte by byte. */
interface Place {
  readonly name: string
  readonly bytes: Buffer
}

class Canaries {
  readonly all = new Map<string, string>()

  /** A value that occurs nowhere else. @param name says which field it was put into. */
  make(name: string): string {
    // Letters and digits only, so that no encoding of JSON or of URLs changes it.
    const value = `cnry${randomBytes(12).toString('hex')}`
    this.all.set(name, value)
    return value
  }

  add(name: string, value: string): string {
    this.all.set(name, value)
    return value
  }

  /** Which canaries are in a place: as they are, in hex, and in base64 at each of the three offsets. */
  foundIn({ name, bytes }: Place): string[] {
    const text = bytes.toString('latin1')
    const lower = text.toLowerCase()
    return [...this.all].flatMap(([field, value]) => {
      const plain = Buffer.from(value)
      const base64 = [0, 1, 2].map((shift) => {
        const encoded = Buffer.concat([Buffer.alloc(shift), plain])
          .toString('base64')
          .replaceAll('=', '')
        // The characters at the ends depend on the neighbours.
        return encoded.slice(shift === 0 ? 0 : shift + 1, -2)
      })
      const forms = [
        plain.toString('latin1'),
        ...base64,
        ...base64.map((one) => one.replaceAll('+', '-').replaceAll('/', '_')),
      ]
      const isFound = forms.some((form) => text.includes(form)) || lower.includes(plain.toString('hex'))
      return isFound ? [`${field} in ${name}`] : []
    })
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number } // `as`: it listens on TCP.
  server.close()
  await once(server, 'close')
  return port
}

/** All rows of all tables, as text. */
async function dumpPostgres(url: string): Promise<Buffer> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const tables = await client.query<{ name: string }>(
    "select table_name as name from information_schema.tables where table_schema = 'public'",
  )
  const parts: Buffer[] = []
  for (const { name } of tables.rows) {
    for (const row of (await client.query(`select * from "${name}"`)).rows) {
      for (const value of Object.values(row))
        parts.push(Buffer.isBuffer(value) ? value : Buffer.from(String(value)), Buffer.from('\n'))
    }
  }
  await client.end()
  return Buffer.concat(parts)
}

test('the search finds what it looks for, in each form', () => {
  const canaries = new Canaries()
  const value = canaries.make('field')
  for (const form of [
    `x${value}y`,
    Buffer.from(value).toString('base64'),
    Buffer.from(`:${value}`).toString('base64'),
    Buffer.from(`ab${value}??`).toString('base64url'),
    Buffer.from(`id:${value}`).toString('base64'),
    Buffer.from(value).toString('hex').toUpperCase(),
  ])
    expect([form, canaries.foundIn({ name: 'place', bytes: Buffer.from(form) })]).toEqual([
      form,
      ['field in place'],
    ])
  expect(canaries.foundIn({ name: 'place', bytes: Buffer.from(value.slice(1)) })).toEqual([])
})

describe.each(databases)('a server on %s', (database) => {
  test('keeps every value, password, token, key and code out of logs, errors, data, metrics and its process (L4, M9, SEC-16)', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'keyhold-canary-'))
    const postgres = database === 'postgres' ? await newPostgresDatabase() : undefined
    const metricsPort = await freePort()
    const env: Record<string, string> = {
      KEYHOLD_DATA_DIR: dataDir,
      KEYHOLD_HTTP_ADDR: '127.0.0.1:0',
      KEYHOLD_PUBLIC_URL: 'http://localhost:8080',
      KEYHOLD_METRICS_ADDR: `127.0.0.1:${metricsPort}`,
      KEYHOLD_LOG_LEVEL: 'trace',
      KEYHOLD_OUTGOING_ALLOW: '127.0.0.0/8',
      ...(postgres && { KEYHOLD_DATABASE_URL: postgres.url }),
    }
    const child: ChildProcess = spawn(process.execPath, ['--trace-warnings', MAIN, 'server'], {
      env,
      stdio: 'pipe',
    })
    let stdout = ''
    let stderr = ''
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
    })
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    try {
      const prints = async (find: () => RegExpExecArray | null): Promise<string> => {
        for (;;) {
          const found = find()
          if (found) return found[1]!
          if (child.exitCode !== null) throw new Error(`the server ended: ${stdout}${stderr}`)
          await Promise.race([once(child.stdout!, 'data'), once(child.stderr!, 'data'), once(child, 'exit')])
        }
      }
      const url = await prints(() => /"address":"([^"]+)".*"msg":"ready"/.exec(stdout))
      const code = await prints(() => /#code=(kh_setup_\w+)/.exec(stderr))

      const canaries = new Canaries()
      canaries.add('set-up code', code)
      /** Answers that deliver nothing. */
      const answers: string[] = []
      const send = async (
        method: string,
        path: string,
        options: {
          body?: unknown
          token?: string
          headers?: Record<string, string>
          delivers?: boolean
        } = {},
      ) => {
        const { body, token } = options
        const response = await fetch(url + path, {
          method,
          headers: {
            ...(token && { authorization: `Bearer ${token}` }),
            ...(body !== undefined && { 'content-type': 'application/json' }),
            ...options.headers,
          },
          ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
        })
        const text = await response.text()
        const head = JSON.stringify([...response.headers])
        if (!options.delivers) answers.push(`${response.status} ${head} ${text}`)
        const isJson = response.headers.get('content-type')?.includes('json')
        return {
          status: response.status,
          headers: response.headers,
          text,
          body: isJson ? JSON.parse(text) : undefined,
        }
      }
      const made = (status: number) => expect([200, 201, 204]).toContain(status)

      // Set-up, wrong and right.
      const password = canaries.make('password')
      await send('POST', '/api/v1/setup', {
        body: { code: canaries.make('wrong code'), email: 'ada@example.com', name: 'Ada', password },
      })
      await send('POST', '/api/v1/setup', { body: { code, email: 'no address', name: 'Ada', password } })
      const setup = await send('POST', '/api/v1/setup', {
        body: { code, email: 'ada@example.com', name: 'Ada', password, accessTokenName: 'laptop' },
        delivers: true,
      })
      made(setup.status)
      const token = canaries.add('access token', setup.body.accessToken)

      // Signing in.
      for (const body of [
        { email: 'ada@example.com', password: canaries.make('wrong password') },
        { email: canaries.make('password typed as address'), password: 'x' },
        {
          email: `${canaries.make('unknown address')}@example.com`,
          password: canaries.make('password of nobody'),
        },
        { email: 'ada@example.com', password: [canaries.make('password in a list')] },
        { email: 'ada@example.com', passwort: canaries.make('password in a wrong field') },
        { email: 'ada@example.com', password: canaries.make('long password').repeat(20) },
      ])
        expect((await send('POST', '/api/v1/session', { body })).status).toBeGreaterThanOrEqual(400)
      const signIn = await send('POST', '/api/v1/session', {
        body: { email: 'ada@example.com', password },
        delivers: true,
      })
      const cookie = signIn.headers.get('set-cookie')!.split(';')[0]!
      canaries.add('session token', cookie.split('=')[1]!)
      made((await send('GET', '/api/v1/session', { headers: { cookie } })).status)
      made(
        (await send('POST', '/api/v1/session/reauthenticate', { headers: { cookie }, body: { password } }))
          .status,
      )
      await send('POST', '/api/v1/session/reauthenticate', {
        headers: { cookie },
        body: { password: canaries.make('wrong password again') },
      })
      const newPassword = canaries.make('new password')
      await send('POST', '/api/v1/account/password', {
        token,
        body: { currentPassword: canaries.make('wrong current password'), newPassword },
      })
      made(
        (
          await send('POST', '/api/v1/account/password', {
            token,
            body: { currentPassword: password, newPassword },
          })
        ).status,
      )
      const created = await send('POST', '/api/v1/accounts', {
        token,
        body: { email: 'bob@example.com', name: 'Bob' },
        delivers: true,
      })
      canaries.add('temporary password', created.body.temporaryPassword)
      made(
        (
          await send('POST', '/api/v1/session', {
            body: { email: 'bob@example.com', password: created.body.temporaryPassword },
            delivers: true,
          })
        ).status,
      )

      const invited = await send('POST', '/api/v1/invitations', {
        token,
        body: { email: 'eve@example.com' },
        delivers: true,
      })
      const invitation = canaries.add('invitation', invited.body.link.split('#token=')[1])
      made((await send('POST', '/api/v1/invitations/find', { body: { token: invitation } })).status)
      for (const name of ['', 'Eve'])
        await send('POST', '/api/v1/invitations/accept', {
          body: { token: invitation, name, password: canaries.make(`password of an invited person ${name}`) },
        })
      const device = await send('POST', '/api/v1/device-logins', { body: { name: 'box' }, delivers: true })
      const { deviceCode, userCode } = device.body
      canaries.add('device code', deviceCode)
      await send('POST', '/api/v1/device-logins/token', { body: { deviceCode } })
      const approved = await send('POST', '/api/v1/device-logins/approve', {
        token,
        body: { userCode },
        delivers: true,
      })
      const onDevice = await send('POST', '/api/v1/device-logins/token', {
        body: { deviceCode, confirmationCode: approved.body.confirmationCode },
        delivers: true,
      })
      canaries.add('token of a device', onDevice.body.token)

      // Tokens and keys.
      const limited = await send('POST', '/api/v1/access-tokens', {
        token,
        body: { name: 'limited', scopes: ['projects:read'] },
        delivers: true,
      })
      canaries.add('limited token', limited.body.token)
      const project = await send('POST', '/api/v1/projects', { token, body: { name: 'Shop' } })
      const base = `/api/v1/projects/${project.body.id}`
      await send('GET', `${base}/secrets`, { token: limited.body.token })
      await send('POST', `${base}/environments`, { token, body: { name: 'staging' } })
      const key = await send('POST', `${base}/access-keys`, {
        token,
        body: { permission: 'read_write' },
        delivers: true,
      })
      canaries.add('access key', key.body.secret)
      const regenerated = await send('POST', `${base}/access-keys/${key.body.accessKey.id}/regenerate`, {
        token,
        delivers: true,
      })
      canaries.add('regenerated access key', regenerated.body.secret)
      const basic = (id: string, secret: string) => ({
        authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
      })
      const machine = { headers: basic(key.body.accessKey.id, regenerated.body.secret) }
      const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      const account = 'system:serviceaccount:shop:web'
      const identity = await send('POST', `${base}/workload-identities`, {
        token,
        body: {
          name: 'pods',
          preset: 'kubernetes',
          issuer: 'https://cluster.example',
          claims: { sub: account },
          permission: 'read',
          jwks: JSON.stringify({ keys: [await exportJWK(publicKey)] }),
        },
      })
      made(identity.status)
      const subjectToken = await new SignJWT({ sub: account, aud: 'http://localhost:8080' })
        .setProtectedHeader({ alg: 'ES256' })
        .setIssuer('https://cluster.example')
        .setIssuedAt()
        .setExpirationTime('5m')
        .sign(privateKey)
      canaries.add('token of a machine', subjectToken)
      for (const wrong of ['', subjectToken.slice(0, -4), canaries.make('what is no token of a machine')])
        await send('POST', '/api/v1/workload-identity/token', {
          body: { workloadIdentityId: identity.body.id, subjectToken: wrong },
        })
      const letIn = await send('POST', '/api/v1/workload-identity/token', {
        body: { workloadIdentityId: identity.body.id, subjectToken },
        delivers: true,
      })
      made(letIn.status)
      canaries.add('key of a machine that was let in', letIn.body.accessKey)

      // Values of every type and encoding, created, changed, and refused.
      const pem = (body: string) => `-----BEGIN PRIVATE KEY-----\n${body}\n-----END PRIVATE KEY-----\n`
      const values: Record<string, { type: string; value: string; encoding?: string }> = {
        A_TOKEN: { type: 'token', value: canaries.make('value of a token') },
        A_PASSWORD: { type: 'password', value: canaries.make('value of a password') },
        A_KEY: { type: 'key', value: pem(canaries.make('value of a key')) },
        A_FILE: { type: 'file', value: `${canaries.make('value of a file')}\u0000` },
        ENCODED: {
          type: 'token',
          value: Buffer.from(canaries.make('value sent in base64')).toString('base64'),
          encoding: 'base64',
        },
        BYTES: {
          type: 'file',
          value: Buffer.concat([
            Buffer.from([0xff, 0xfe]),
            Buffer.from(canaries.make('value of bytes')),
          ]).toString('base64'),
          encoding: 'base64',
        },
      }
      for (const [name, secret] of Object.entries(values)) {
        const answer = await send('POST', `${base}/secrets`, { token, body: { name, ...secret } })
        made(answer.status)
        made(
          (
            await send('PATCH', `${base}/secrets/${answer.body.id}`, {
              token,
              body: {
                value:
                  secret.type === 'key'
                    ? pem(canaries.make(`second value of ${name}`))
                    : canaries.make(`second value of ${name}`),
              },
            })
          ).status,
        )
        await send('POST', `${base}/secrets`, { token, body: { name, ...secret } })
        await send('PATCH', `${base}/secrets/${answer.body.id}`, {
          token,
          body: { value: canaries.make(`unexpected value of ${name}`), expectedVersion: 1 },
        })
        for (const version of [undefined, 1, 99])
          await send('POST', `${base}/secrets/${answer.body.id}/reveal`, {
            token,
            body: { ...(version && { version }) },
            delivers: version !== 99,
          })
        await send('GET', `${base}/secrets/${answer.body.id}/versions`, { token })
        const override = `${base}/secrets/${answer.body.id}/override`
        for (const canary of [`own value for ${name}`, `second own value for ${name}`]) {
          const own = canaries.make(canary)
          const body = { value: secret.type === 'key' ? pem(own) : own }
          made((await send('PUT', override, { token, body })).status)
        }
        made((await send('POST', `${override}/reveal`, { token, body: {}, delivers: true })).status)
      }
      const value = (where = 'a body') => canaries.make(`refused value ${canaries.all.size}, in ${where}`)
      const refused: unknown[] = [
        { name: 'BAD', type: 'nonsense', value: value() },
        { name: 'BAD', type: value('a type'), value: 'x' },
        { name: 'BAD', type: 'key', value: value() },
        { name: 'BAD', type: 'token', value: `${value()}\u0000` },
        { name: 'BAD', type: 'token', value: value().repeat(2_000) },
        { name: 'BAD', type: 'token', value: { nested: value() } },
        { name: 'BAD', type: 'token', value: [value()] },
        { name: 'BAD', type: 'token', value: `!${value()}`, encoding: 'base64' },
        { name: 'BAD', type: 'token', value: 'x', encoding: value('an encoding') },
        { name: 'BAD', type: 'token', value: 'x', [value('a field')]: 1 },
        { name: 'BAD', type: 'token', value: 'x', environment: `${value('an environment')}.` },
        { name: 'LD_PRELOAD', type: 'token', value: value() },
        { name: `not a name ${value('a name')}`, type: 'token', value: 'x' },
        { name: 'BAD', type: 'token', value: value(), environment: 'nowhere' },
        `{"name":"BAD","type":"token","value":"${value()}`,
        `{"name":"BAD","type":"token","value":${value()}}`,
        `{"name":"BAD","value":"${value()}","value":"${value()}"}`,
        `"${value()}"`,
        value(),
        `${'['.repeat(50)}"${value()}"`,
        `{"name":"BAD","type":"token","value":"${value().repeat(100_000)}"}`,
      ]
      for (const body of refused) {
        expect([body, (await send('POST', `${base}/secrets`, { token, body })).status]).toEqual([
          body,
          expect.toSatisfy((status: number) => status >= 400 && status < 500),
        ])
        await send('POST', '/api/v1/projects/current/secrets', { ...machine, body })
      }
      await send('POST', `${base}/secrets`, {
        token,
        body: value(),
        headers: { 'content-type': 'text/plain' },
      })
      await send('POST', `${base}/secrets`, { body: { name: 'BAD', type: 'token', value: value() } })
      await send('POST', '/api/v1/projects/prj_0/secrets', {
        token,
        body: { name: 'BAD', type: 'token', value: value() },
      })

      // A person's own secrets.
      const personal = await send('POST', '/api/v1/personal-secrets', {
        token,
        body: {
          name: 'own',
          type: 'token',
          value: canaries.make('value of a personal secret'),
          envName: 'OWN_TOKEN',
          filePath: '~/own',
        },
      })
      made(personal.status)
      const ownPath = `/api/v1/personal-secrets/${personal.body.id}`
      const second = { value: canaries.make('second value of a personal secret') }
      for (const body of [second, second, { description: 'described' }])
        made((await send('PATCH', ownPath, { token, body })).status)
      for (const body of [{}, { version: 1 }])
        made((await send('POST', `${ownPath}/reveal`, { token, body, delivers: true })).status)
      made((await send('GET', `${ownPath}/versions`, { token })).status)
      for (const body of [
        { name: 'own', type: 'token', value: value(), envName: 'OTHER_TOKEN' },
        { name: `a/${value('a personal name')}`, type: 'token', value: 'x', envName: 'X_TOKEN' },
        { name: 'bad', type: 'token', value: 'x', envName: `!${value('a variable')}` },
        { name: 'bad', type: 'token', value: 'x', filePath: value('a path') },
        { name: 'bad', type: 'token', value: 'x', envName: 'X_TOKEN', workspaces: [value('a workspace')] },
        { name: 'bad', type: 'token', value: 'x', envName: 'X_TOKEN', expiresAt: value('a time') },
        { name: 'bad', type: 'key', value: value(), envName: 'X_TOKEN' },
        { name: 'bad', type: 'file', value: value().repeat(2_000), envName: 'X_TOKEN' },
      ])
        expect((await send('POST', '/api/v1/personal-secrets', { token, body })).status).toBeGreaterThan(399)
      await send('PATCH', ownPath, { token, body: { value: value(), expectedVersion: 9 } })
      // A workspace's secrets.
      const crate = await send('POST', '/api/v1/workspaces', { token, body: { name: 'crate' } })
      const boxPath = `/api/v1/workspaces/${crate.body.id}/secrets`
      const boxed = await send('POST', boxPath, {
        token,
        body: {
          name: 'BOX_TOKEN',
          type: 'token',
          value: canaries.make('value of a secret of a workspace'),
          filePath: '~/box',
        },
      })
      made(boxed.status)
      const boxedPath = `${boxPath}/${boxed.body.id}`
      const secondBoxed = { value: canaries.make('second value of a secret of a workspace') }
      for (const body of [secondBoxed, secondBoxed, { note: 'noted' }])
        made((await send('PATCH', boxedPath, { token, body })).status)
      for (const body of [{}, { version: 1 }])
        made((await send('POST', `${boxedPath}/reveal`, { token, body, delivers: true })).status)
      for (const body of [
        { name: 'BOX_TOKEN', type: 'token', value: value() },
        { name: `!${value('a name in a workspace')}`, type: 'token', value: 'x' },
        { name: 'BAD', type: 'token', value: 'x', envName: `!${value('a variable of a workspace')}` },
        { name: 'BAD', type: 'token', value: 'x', filePath: value('a path in a workspace') },
        { name: 'BAD', type: 'key', value: value() },
        { name: 'BAD', type: 'token', value: value(), expiresAt: value('a time') },
      ])
        expect((await send('POST', boxPath, { token, body })).status).toBeGreaterThan(399)
      await send('PATCH', boxedPath, { token, body: { value: value(), expectedVersion: 9 } })
      for (const one of [
        `${boxPath}/${value('an id in a workspace')}`,
        `/api/v1/workspaces/${value('a workspace')}/secrets`,
      ])
        expect((await send('GET', one, { token })).status).toBe(404)
      // An outside store: a token, and a value that is fetched and never kept.
      const stored = canaries.make('value in an outside store')
      const vault = createHttpServer((request, response) => {
        const answer = { data: { data: { VAULTED: stored } } }
        request.resume().on('end', () => response.end(JSON.stringify(answer)))
      }).listen(0, '127.0.0.1')
      await once(vault, 'listening')
      const { port: vaultPort } = vault.address() as { port: number } // `as`: it listens on TCP.
      const outside = { name: 'corp', kind: 'vault', address: `http://127.0.0.1:${vaultPort}`, paths: ['*'] }
      for (const body of [
        { ...outside, credential: value('a token'), kind: value('a kind') },
        { ...outside, credential: value('a token'), paths: [`${value('a path')}*x`] },
        {
          ...outside,
          credential: value('a token'),
          address: `https://u:${value('an address')}@vault.example`,
        },
        { ...outside, credential: value('a token'), ca: value('a CA') },
        {
          ...outside,
          credential: value('a token'),
          vault: { auth: 'token', mount: `../${value('a mount')}` },
        },
      ])
        expect((await send('POST', '/api/v1/stores', { token, body })).status).toBe(400)
      const registered = await send('POST', '/api/v1/stores', {
        token,
        body: { ...outside, credential: canaries.make('token of an outside store') },
      })
      made(registered.status)
      const storePath = `/api/v1/stores/${registered.body.id}`
      const anotherToken = { credential: canaries.make('second token of an outside store') }
      made((await send('PATCH', storePath, { token, body: anotherToken })).status)
      made((await send('POST', `${storePath}/check`, { token, body: { path: 'shop' } })).status)
      const taking = await send('POST', '/api/v1/workspaces', { token, body: { name: 'taking' } })
      const sourcePath = `/api/v1/workspaces/${taking.body.id}/store-sources`
      const source = { storeId: registered.body.id, path: 'shop' }
      made((await send('POST', sourcePath, { token, body: source })).status)
      for (const body of [
        { ...source, path: `/${value('a path')}` },
        { ...source, variables: [{ name: `!${value('a variable')}` }] },
        { ...source, storeId: value('a store') },
      ])
        expect((await send('POST', sourcePath, { token, body })).status).toBeGreaterThanOrEqual(400)
      const joining = await send('POST', `/api/v1/workspaces/${taking.body.id}/enrollments`, {
        token,
        delivers: true,
      })
      const agent = await send('POST', '/api/v1/workspaces/current/enrollment', {
        body: { enrollmentToken: joining.body.token, loginName: 'user', release: '0.1.0' },
        delivers: true,
      })
      const began = await send('POST', '/api/v1/workspaces/current/start', {
        token: agent.body.token,
        delivers: true,
      })
      expect(began.body.secrets).toMatchObject([{ name: 'VAULTED', value: stored }])
      vault.close()
      // Code repositories: a client secret, a code, two tokens, a state, and a code of the browser.
      const git = { code: canaries.make('authorization code'), secret: canaries.make('client secret') }
      const pair = {
        access_token: canaries.make('repository token'),
        refresh_token: canaries.make('refresh token'),
      }
      const gitlab = createHttpServer((request, response) => {
        const answer = request.url === '/oauth/token' ? { ...pair, expires_in: 7200 } : { username: 'ada' }
        request.resume().on('end', () => response.end(JSON.stringify(answer)))
      }).listen(0, '127.0.0.1')
      await once(gitlab, 'listening')
      const providers = '/api/v1/repository-providers'
      const { port } = gitlab.address() as { port: number } // `as`: it listens on TCP.
      const internal = { type: 'gitlab', kind: 'internal', baseUrl: `http://127.0.0.1:${port}` }
      const client = { clientId: 'keyhold', clientSecret: git.secret }
      for (const body of [
        { ...internal, clientSecret: value('a client secret') },
        { ...internal, ...client, baseUrl: `https://user:${value('a base URL')}@git.example` },
        { ...internal, ...client, ca: value('a CA') },
        { ...internal, ...client, clientSecret: `${value('a client secret')} ` },
      ])
        expect((await send('POST', providers, { token, body })).status).toBe(400)
      const provider = await send('POST', providers, { token, body: { ...internal, ...client } })
      made(provider.status)
      const next = { clientSecret: canaries.make('second client secret') }
      made((await send('PATCH', `${providers}/${provider.body.id}`, { token, body: next })).status)
      const connections = '/api/v1/repository-connections'
      const begin = { providerId: provider.body.id, method: 'oauth' }
      const begun = await send('POST', connections, { token, body: begin, delivers: true })
      made(begun.status)
      const state = new URL(begun.body.authorizationUrl).searchParams.get('state')!
      canaries.add('state', state)
      const callback = `${connections}/callback/${provider.body.id}`
      await send('GET', `${callback}?code=${value('a code')}&state=${value('a state')}`)
      await send('GET', `${callback}?error=${value('an error')}&state=x&error_description=${value('a text')}`)
      const page = await send('GET', `${callback}?code=${git.code}&state=${state}`, { delivers: true })
      const [, shown] = /<pre>([0-9A-Z-]{9})<\/pre>/.exec(page.text)!
      await send('POST', `${connections}/confirm`, { token, body: { code: value('a wrong code') } })
      const connection = await send('POST', `${connections}/confirm`, { token, body: { code: shown } })
      made(connection.status)
      for (const place of [providers, connections, '/api/v1/credentials'])
        made((await send('GET', place, { token })).status)
      for (const method of ['PATCH', 'DELETE'])
        for (const place of [connections, providers])
          await send(method, `${place}/${value('an id')}`, {
            token,
            ...(method === 'PATCH' && {
              body: place === connections ? { method: 'ssh' } : { scopes: ['x'] },
            }),
          })
      made((await send('DELETE', `${connections}/${connection.body.id}`, { token })).status)
      gitlab.close()

      // A workspace, and the agent that joins it.
      const box = await send('POST', '/api/v1/workspaces', { token, body: { name: 'box' } })
      made(box.status)
      const enrollment = await send('POST', `/api/v1/workspaces/${box.body.id}/enrollments`, {
        token,
        delivers: true,
      })
      made(enrollment.status)
      const current = '/api/v1/workspaces/current'
      const facts = { loginName: 'user', release: '0.1.0' }
      for (const body of [
        { ...facts, enrollmentToken: value('an enrollment token') },
        { ...facts, enrollmentToken: [value('an enrollment token in a list')] },
        { enrollmentToken: 'x', release: '0.1.0', loginName: value('a login name!') },
      ])
        expect((await send('POST', `${current}/enrollment`, { body })).status).toBeGreaterThan(399)
      const enrollmentToken = canaries.add('enrollment token', enrollment.body.token)
      const joined = await send('POST', `${current}/enrollment`, {
        body: { ...facts, enrollmentToken },
        delivers: true,
      })
      made(joined.status)
      const agentToken = canaries.add('credential of an agent', joined.body.token)
      await send('POST', `${current}/enrollment`, { body: { ...facts, enrollmentToken } })
      const nextCredential = await send('POST', `${current}/credential`, {
        token: agentToken,
        delivers: true,
      })
      made(nextCredential.status)
      const nextToken = canaries.add('next credential of an agent', nextCredential.body.token)
      for (const one of [nextToken, agentToken]) await send('GET', current, { token: one })
      for (const body of [
        { host: value('a host') },
        { host: `${value('a user')}@github.com` },
        { host: 'github.com', isRejected: value('a flag') },
      ])
        expect(
          (await send('POST', `${current}/git-credentials`, { token: nextToken, body })).status,
        ).toBeGreaterThan(399)
      for (const data of [value('what is to be signed!'), btoa(value('what is to be signed in base64'))])
        expect(
          (await send('POST', `${current}/ssh-signatures`, { token: nextToken, body: { data } })).status,
        ).toBeGreaterThan(399)
      for (const body of [
        { fingerprint: value('a fingerprint'), data: '' },
        { fingerprint: 'A'.repeat(40), data: btoa(value('a commit')) },
      ])
        expect(
          (await send('POST', `${current}/gpg-signatures`, { token: nextToken, body })).status,
        ).toBeGreaterThan(399)

      // Keys in the wrong place: a private one where a public one belongs, anything where a fingerprint does.
      const sshPath = '/api/ssh/keys'
      for (const publicKey of [
        pem(canaries.make('private SSH key')),
        `ssh-ed25519 ${canaries.make('cut-off SSH key')}`,
        canaries.make('value as SSH key'),
      ])
        expect((await send('POST', sshPath, { token, body: { publicKey } })).status).toBe(400)
      const noFingerprint = canaries.make('value as fingerprint')
      await send('DELETE', sshPath, { token, body: { publicKeyFingerprint: noFingerprint } })
      await send(
        'DELETE',
        `${sshPath}?publicKeyFingerprint=${canaries.make('value as fingerprint in a query')}`,
        {
          token,
        },
      )

      // A key for an outside service: no answer has it, not even the one that made it.
      const service = { service: 'openai', value: canaries.make('value of an API key') }
      const apiKey = await send('POST', '/api/v1/api-keys', { token, body: { name: 'service', ...service } })
      made(apiKey.status)
      const apiKeyPath = `/api/v1/api-keys/${apiKey.body.id}`
      for (const body of [
        { value: canaries.make('second value of an API key') },
        { allowedMethods: ['GET'] },
      ])
        made((await send('PATCH', apiKeyPath, { token, body })).status)
      for (const body of [
        { name: 'service', ...service, value: value() },
        { name: 'bad', ...service, value: `${value()}\n` },
        { name: 'bad', service: 'none', value: value() },
        { name: 'bad', ...service, baseUrl: `https://${value('a user')}@x.com` },
        { name: 'bad', ...service, baseUrl: `https://x.com/?${value('a query')}` },
        { name: 'bad', ...service, allowedHosts: [`*.${value('a host')}`] },
        { name: 'bad', ...service, allowedPaths: [`/${value('a path of a service')}/..`] },
        { name: 'bad', ...service, placement: { kind: value('a placement') } },
        { name: 'bad', ...service, placement: { kind: 'header', name: `a ${value('a header')}` } },
      ])
        expect((await send('POST', '/api/v1/api-keys', { token, body })).status).toBeGreaterThan(399)

      // A private GPG key, right and wrong, and its passphrase.
      const passphrase = canaries.make('passphrase of a GPG key')
      const armored = await newGpgKey(passphrase)
      canaries.add('armored private GPG key', armored.split('\n')[4]!)
      const importPath = '/api/v1/gpg-keys/import'
      made((await send('POST', importPath, { token, body: { privateKey: armored, passphrase } })).status)
      for (const body of [
        { privateKey: armored, passphrase: canaries.make('wrong passphrase') },
        { privateKey: armored.slice(0, -100), passphrase },
        { privateKey: `-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n${canaries.make('no GPG key')}\n` },
        { privateKey: armored, pass: canaries.make('passphrase in a wrong field') },
      ])
        expect((await send('POST', importPath, { token, body })).status).toBe(400)
      await send('GET', '/api/v1/gpg-keys', { token })
      await send('GET', `/api/v1/gpg-keys/${canaries.make('value as GPG key')}`, { token })

      // A machine reads, writes and fails.
      await send('GET', '/api/v1/projects/current/secrets', { ...machine, delivers: true })
      await send('GET', '/api/v1/projects/current/secrets/A_TOKEN', { ...machine, delivers: true })
      await send('POST', '/api/v1/projects/current/secrets', {
        ...machine,
        body: { name: 'FROM_CI', type: 'token', value: canaries.make('value of a machine') },
      })
      await send('PATCH', '/api/v1/projects/current/secrets/FROM_CI', {
        ...machine,
        body: { value: canaries.make('changed value of a machine') },
      })
      await send('DELETE', '/api/v1/projects/current/secrets/FROM_CI', machine)

      // Reports of use with a value where a name, a path or nothing belongs.
      const use = { name: 'A_TOKEN', kind: 'read', program: 'node', file: 'app.js', line: 12 }
      for (const wrong of [
        { name: canaries.make('value as the name of a use') },
        { file: `/home/${canaries.make('value in a path of a use')}` },
        { program: `/${canaries.make('value as the program of a use')}` },
        { via: ` ${canaries.make('value as the package of a use')}` },
        { value: canaries.make('value in a use') },
      ])
        await send('POST', '/api/v1/projects/current/uses', {
          ...machine,
          body: { run: 'a-run-of-a-machine', uses: [{ ...use, ...wrong }] },
        })
      await send('POST', '/api/v1/projects/current/uses', {
        ...machine,
        body: {
          run: 'a-run-of-a-machine',
          environment: canaries.make('value as the environment of a use'),
          uses: [use],
        },
      })

      // Credentials where they do not belong, and wrong ones.
      const wrongly: [string, Record<string, string>][] = [
        ['/api/v1/session', { authorization: `Bearer ${canaries.make('wrong token')}` }],
        ['/api/v1/session', { authorization: canaries.make('bare credential') }],
        ['/api/v1/session', basic(key.body.accessKey.id, canaries.make('wrong key'))],
        ['/api/v1/session', basic(canaries.make('wrong key ID'), 'x')],
        ['/api/v1/projects/current/secrets', basic(key.body.accessKey.id, key.body.secret)],
        ['/api/v1/session', { cookie: `keyhold_session=${canaries.make('wrong cookie')}` }],
        [`/api/v1/session?token=${canaries.make('token in a query')}`, {}],
        [`/api/v1/audit?${canaries.make('query name')}=1`, { authorization: `Bearer ${token}` }],
        [`/api/v1/${canaries.make('path')}`, {}],
        [`/errors/${canaries.make('error code')}`, {}],
        [`/api/v1/projects/%zz${canaries.make('bad escape')}`, {}],
        [`${base}/secrets/${canaries.make('value as id')}`, { authorization: `Bearer ${token}` }],
        [
          `${base}/secrets?environment=${canaries.make('value as environment')}`,
          { authorization: `Bearer ${token}` },
        ],
        [`/api/v1/projects/current/secrets/${canaries.make('value as name')}-`, machine.headers],
        [
          '/api/v1/session',
          { 'x-forwarded-for': canaries.make('header'), forwarded: canaries.make('other header') },
        ],
        ['/metrics', { authorization: `Bearer ${canaries.make('metrics token')}` }],
      ]
      // Ids are recorded with attempts; what is no id must not be.
      for (const pathOf of [
        (id: string) => `${base}/secrets/${id}/reveal`,
        (id: string) => `${base}/environments/${id}`,
        (id: string) => `${base}/access-keys/${id}/activate`,
        (id: string) => `${base}/members/${id}`,
        (id: string) => `${base}/secrets/${id}/override/reveal`,
        (id: string) => `/api/v1/access-tokens/${id}`,
        (id: string) => `/api/v1/personal-secrets/${id}`,
        (id: string) => `/api/v1/api-keys/${id}`,
        (id: string) => `/api/v1/personal-secrets/${id}/reveal`,
      ]) {
        const path = pathOf(canaries.make(`value as id in ${pathOf('…')}`))
        for (const method of ['GET', 'POST', 'DELETE'])
          expect(
            (await send(method, path, { token, body: method === 'POST' ? { name: 'x' } : undefined })).status,
          ).toBeGreaterThan(399)
      }
      for (const [path, headers] of wrongly)
        expect((await send('GET', path, { headers })).status).toBeGreaterThan(399)

      // Everything that can be read of it all.
      for (const path of [
        `${base}/secrets`,
        `${base}/access-keys`,
        '/api/v1/access-tokens',
        '/api/v1/personal-secrets',
        '/api/v1/api-keys',
        '/api/v1/accounts',
        base,
      ])
        made((await send('GET', path, { token })).status)
      made((await send('GET', '/api/v1/audit?limit=500', { token })).status)
      const audit = await send('GET', '/api/v1/audit/export', { token, delivers: true })
      const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()
      const ready = await (await fetch(`${url}/readyz`)).text()

      const proc = (file: string): Place[] =>
        process.platform === 'linux'
          ? [{ name: file, bytes: readFileSync(`/proc/${child.pid}/${file}`) }]
          : []
      const processPlaces = [...proc('cmdline'), ...proc('environ')]
      // While it runs, with what is still in the write-ahead log; and after it ended.
      const files = (when: string): Place[] =>
        readdirSync(dataDir).map((name) => ({
          name: `${name} ${when}`,
          bytes: readFileSync(join(dataDir, name)),
        }))
      const running = files('while running')
      child.kill('SIGTERM')
      await once(child, 'close')
      expect(child.exitCode).toBe(0)

      const places: Place[] = [
        { name: 'stdout', bytes: Buffer.from(stdout) },
        // The set-up link is there on purpose.
        { name: 'stderr', bytes: Buffer.from(stderr.replace(code, '')) },
        ...answers.map((answer, i) => ({ name: `answer ${i}`, bytes: Buffer.from(answer) })),
        { name: 'audit export', bytes: Buffer.from(audit.text) },
        { name: 'metrics', bytes: Buffer.from(metrics) },
        { name: 'readiness', bytes: Buffer.from(ready) },
        ...processPlaces,
        ...running,
        ...files('after the end'),
        ...(postgres ? [{ name: 'tables', bytes: await dumpPostgres(postgres.url) }] : []),
      ]
      expect(places.flatMap((place) => canaries.foundIn(place))).toEqual([])
      expect(stdout).not.toContain('"level":50')
      // The search had something to search: what is kept in clear is there.
      const all = Buffer.concat(places.map(({ bytes }) => bytes)).toString('latin1')
      for (const clear of [
        'A_TOKEN',
        'Shop',
        'bob@example.com',
        'Secret accessed',
        '"route":"/api/v1/session"',
      ])
        expect(all).toContain(clear)
      expect(canaries.all.size).toBeGreaterThan(70)
      if (process.platform === 'linux') {
        const environ = processPlaces.at(-1)!.bytes.toString().split('\0').filter(Boolean)
        expect(environ.sort()).toEqual(
          Object.entries(env)
            .map(([name, one]) => `${name}=${one}`)
            .sort(),
        )
      }
    } finally {
      child.kill('SIGKILL')
      if (child.exitCode === null && child.signalCode === null) await once(child, 'close')
      await postgres?.drop()
      rmSync(dataDir, { recursive: true, force: true })
    }
  }, 120_000)
})
