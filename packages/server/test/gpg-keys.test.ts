import { execFile, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { limits } from '@keyhold/contract/limits'
import { readPrivateKey } from 'openpgp'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Asker, Person } from '../src/access/caller.ts'
import { GpgKeys } from '../src/credentials/gpg-key/gpg-key.service.ts'
import { findSealed, listKeys } from '../src/credentials/gpg-key/gpg-key.store.ts'
import type { GitHosts, GpgPublication } from '../src/credentials/gpg-key/gpg-key.ts'
import { FakeProviders } from './fake-providers.ts'
import { newGpgKey, withArgon2, withOtherSecret, withSubkeys, withUserIds } from './gpg-kit.ts'
import { databases, startServer, type TestPerson, type TestServer } from './kit.ts'

vi.setConfig({ testTimeout: 60_000 })

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
const PATH = '/api/v1/gpg-keys'

/** The real gpg with a home of its own. Sockets need a short path. */
class Gpg {
  readonly home = mkdtempSync(join(tmpdir(), 'kh-gpg-'))

  constructor() {
    // Passphrases of tests need not be slow.
    writeFileSync(join(this.home, 'gpg-agent.conf'), 's2k-count 65536\n')
  }

  run(args: readonly string[], input: string | Uint8Array = ''): string {
    return execFileSync('gpg', ['--batch', '--no-tty', '--quiet', ...args], {
      env: { ...process.env, GNUPGHOME: this.home, LC_ALL: 'C' },
      input,
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'pipe'],
    })
  }

  fails(args: readonly string[], input: string | Uint8Array = ''): string {
    try {
      this.run(args, input)
    } catch (error) {
      return String((error as { stderr?: string }).stderr) // `as`: what execFileSync throws.
    }
    throw new Error('gpg accepted it')
  }

  /** Generates a key and exports it. */
  make(
    address: string,
    algorithm: string,
    usage = 'sign',
    expiry = '0',
    more: readonly string[] = [],
  ): string {
    const protection = ['--pinentry-mode', 'loopback', '--passphrase', '']
    this.run([...protection, ...more, '--quick-gen-key', `Ann <${address}>`, algorithm, usage, expiry])
    return this.run(['--armor', '--export-secret-keys', address])
  }

  /** The field of the line of this kind that `--with-colons` prints. */
  listed(kind: string, field: number, key = ''): string {
    const lines = this.run([
      '--with-colons',
      '--fixed-list-mode',
      '--list-keys',
      ...(key ? [key] : []),
    ]).split('\n')
    return lines.find((line) => line.startsWith(`${kind}:`))!.split(':')[field]!
  }

  verifies(signature: string, data: string): boolean {
    const [file, signed] = [join(this.home, 'signature.asc'), join(this.home, 'signed')]
    writeFileSync(file, signature)
    writeFileSync(signed, data)
    try {
      this.run(['--verify', file, signed])
      return true
    } catch {
      return false
    }
  }

  close(): void {
    execFileSync('gpgconf', ['--kill', 'all'], { env: { ...process.env, GNUPGHOME: this.home } })
    rmSync(this.home, { recursive: true, force: true })
  }
}

const askerOf = ({ id, name }: TestPerson): Asker<Person> => ({
  caller: {
    kind: 'person',
    accountId: id,
    name,
    role: 'member',
    mustChangePassword: false,
    hasSecondFactor: false,
    credential: { kind: 'access-token', id: 'tok_1', scopes: null, expiresAt: null, lastUsedAt: null },
  },
  origin: { traceId: 'gpg' },
})

describe.each(databases)('GPG keys on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let person: TestPerson
  let gpg: Gpg

  // The clock is not moved: gpg looks at the real one.
  beforeAll(async () => {
    ;({ server, stop } = await startServer(database))
  })
  afterAll(() => stop())
  beforeEach(async () => {
    person = await server.addPerson()
    gpg = new Gpg()
    return () => gpg.close()
  })

  const send = (method: string, path = '', body?: unknown, token = person.token) =>
    server.request(method, PATH + path, { token, body })
  const create = async (body: object = {}) =>
    (await server.ok('POST', PATH, { token: person.token, body })).gpgKey
  const list = async (token = person.token) => (await server.ok('GET', PATH, { token })).gpgKeys
  const sign = (
    key: string,
    data: string | Uint8Array,
    options: { workspaceId?: string } = {},
    who = person,
  ) => server.core.gpgKeys.sign(askerOf(who), key, Buffer.from(data), options)

  test('SDS-34: generated for the person’s name and address; gpg imports it and agrees on all; recorded', async () => {
    const answer = await send('POST', '', {})
    expect(answer.status).toBe(201)
    const { gpgKey } = answer.body
    expect(gpgKey).toEqual({
      id: expect.stringMatching(/^gpg_/),
      fingerprint: expect.stringMatching(/^[0-9A-F]{40}$/),
      keyId: gpgKey.fingerprint.slice(-16),
      userIds: [`${person.name} <${person.email}>`],
      email: person.email,
      algorithm: 'Ed25519',
      createdAt: expect.any(String),
      expiresAt: null,
      lastUsedAt: null,
      status: 'active',
      publicKey: expect.stringMatching(/^-----BEGIN PGP PUBLIC KEY BLOCK-----/),
      deployments: [],
    })
    expect(answer.text).not.toContain('PRIVATE KEY')
    gpg.run(['--import'], gpgKey.publicKey)
    expect(gpg.listed('fpr', 9)).toBe(gpgKey.fingerprint)
    expect(gpg.listed('uid', 9)).toBe(gpgKey.userIds[0])
    expect([gpg.listed('pub', 3), gpg.listed('pub', 11).replaceAll(/[^sc]/g, '')]).toEqual(['22', 'sc'])
    expect((await send('GET', `/${gpgKey.id}`)).body).toEqual(gpgKey)
    expect(await list()).toEqual([gpgKey])
    const records = await server.records(5)
    expect(records.find(({ action }) => action === 'gpg-key.create')).toMatchObject({
      outcome: 'success',
      actor: { id: person.id },
      target: { kind: 'gpg-key', id: gpgKey.id, name: gpgKey.fingerprint },
    })
  })

  test('a name, an address and an expiry of one’s own are in the key; what cannot be is 400 with its field', async () => {
    const expiresAt = new Date(Date.now() + 30 * DAY_MS).toISOString()
    const key = await create({ name: 'Änn O’Neil', email: 'ann+git@example.org', expiresAt })
    gpg.run(['--import'], key.publicKey)
    expect(gpg.listed('uid', 9)).toBe('Änn O’Neil <ann+git@example.org>')
    expect(Math.abs(Date.parse(key.expiresAt) - Date.parse(expiresAt))).toBeLessThan(2_000)
    expect(Number(gpg.listed('pub', 6)) * 1000).toBe(Date.parse(key.expiresAt))
    for (const [body, field] of [
      [{ name: 'Ann <ann@example.com>' }, 'name'],
      [{ name: 'Ann (work)' }, 'name'],
      [{ name: '' }, 'name'],
      [{ email: 'nowhere' }, 'email'],
      [{ email: '<a>@b' }, 'email'],
      [{ expiresAt: '2020-01-01T00:00:00Z' }, 'expiresAt'],
      [{ publish: 1 }, 'publish'],
    ] as const) {
      const answer = await send('POST', '', body)
      expect([answer.status, answer.body.errors?.[0]?.field], JSON.stringify(body)).toEqual([400, field])
    }
    expect((await list()).length).toBe(1)
  })

  test('SDS-36: a detached signature is one that gpg verifies, for this data only; recorded before, with workspace', async () => {
    const key = await create()
    gpg.run(['--import'], key.publicKey)
    const signature = await sign(key.id, 'tree 4b825dc\n', { workspaceId: 'ws-1' })
    expect(signature).toMatch(/^-----BEGIN PGP SIGNATURE-----/)
    expect(gpg.verifies(signature, 'tree 4b825dc\n')).toBe(true)
    expect(gpg.verifies(signature, 'tree 4b825dd\n')).toBe(false)
    expect((await server.records(1))[0]).toMatchObject({
      action: 'gpg-key.sign',
      outcome: 'success',
      actor: { id: person.id },
      workspace: 'ws-1',
      target: { kind: 'gpg-key', id: key.id, name: key.fingerprint },
    })
    expect((await list())[0].lastUsedAt).toEqual(expect.any(String))
    // git names keys by fingerprint or key id.
    for (const name of [key.fingerprint, key.keyId, key.keyId.toLowerCase()])
      expect(gpg.verifies(await sign(name, 'x'), 'x')).toBe(true)
  })

  test('SDS-36: git commits with it, and git verify-commit accepts the commit with the public key shown', async () => {
    const key = await create()
    gpg.run(['--import'], key.publicKey)
    // Stands for the agent of a workspace: takes what git wants signed, gives the signature.
    const agent = createServer(async (request, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer) // `as`: no encoding is set.
      response.end(await sign(request.url!.slice(1), Buffer.concat(chunks)))
    }).listen(0, '127.0.0.1')
    await once(agent, 'listening')
    const { port } = agent.address() as AddressInfo // `as`: it listens on TCP.
    const repository = mkdtempSync(join(tmpdir(), 'kh-git-'))
    try {
      const shim = join(repository, 'sign.mjs')
      writeFileSync(
        shim,
        `#!${process.execPath}
import { readFileSync, writeSync } from 'node:fs'
const key = process.argv.at(-1)
const answer = await fetch('http://127.0.0.1:${port}/' + key, { method: 'POST', body: readFileSync(0) })
writeSync(2, '\\n[GNUPG:] SIG_CREATED D\\n')
writeSync(1, await answer.text())
`,
      )
      chmodSync(shim, 0o755)
      const env = { PATH: process.env.PATH ?? '', HOME: repository, GNUPGHOME: gpg.home, LC_ALL: 'C' }
      const git = (...args: string[]) =>
        promisify(execFile)('git', ['-c', 'user.name=Ann', '-c', `user.email=${key.email}`, ...args], {
          cwd: repository,
          env,
        })
      await git('init', '-q')
      const signing = ['-c', `gpg.program=${shim}`, '-c', `user.signingkey=${key.keyId}`]
      await git(...signing, 'commit', '-q', '-S', '--allow-empty', '-m', 'signed')
      const { stderr } = await git('verify-commit', 'HEAD')
      expect(stderr).toContain('Good signature')
      expect(stderr.replaceAll(' ', '')).toContain(key.fingerprint)
      await git('commit', '-q', '--allow-empty', '-m', 'unsigned')
      await expect(git('verify-commit', 'HEAD')).rejects.toThrow()
    } finally {
      agent.close()
      rmSync(repository, { recursive: true, force: true })
    }
  })

  test('the revocation certificate, at creation and anew, revokes the key in gpg', async () => {
    for (const isAnew of [false, true]) {
      const { gpgKey, revocationCertificate } = (await send('POST', '', {})).body
      gpg.run(['--import'], gpgKey.publicKey)
      expect(gpg.listed('pub', 1, gpgKey.fingerprint)).not.toBe('r')
      const certificate = isAnew
        ? (await send('POST', `/${gpgKey.id}/revocation-certificate`)).body.revocationCertificate
        : revocationCertificate
      gpg.run(['--import'], certificate)
      expect(gpg.listed('pub', 1, gpgKey.fingerprint)).toBe('r')
      if (isAnew)
        expect((await server.records(1))[0]).toMatchObject({
          action: 'gpg-key.revocation',
          outcome: 'success',
          target: { id: gpgKey.id },
        })
    }
  })

  test('a session gets a key or a revocation certificate only with a fresh password', async () => {
    const moved = await startServer(database)
    try {
      const someone = await moved.server.addPerson()
      const cookie = await moved.server.signIn(someone)
      const headers = { cookie }
      const { gpgKey } = await moved.server.ok('POST', PATH, { headers, body: {} })
      const revoke = () =>
        moved.server.request('POST', `${PATH}/${gpgKey.id}/revocation-certificate`, { headers })
      expect((await revoke()).status).toBe(200)
      moved.server.clock.advance(11 * MINUTE_MS)
      expect((await revoke()).body.code).toBe('session.reauthentication_required')
      expect((await moved.server.records(1))[0]).toMatchObject({
        action: 'gpg-key.revocation',
        outcome: 'refused',
      })
      for (const [path, body] of [
        [PATH, {}],
        [`${PATH}/import`, { privateKey: await newGpgKey() }],
      ] as const) {
        const refused = await moved.server.request('POST', path, { headers, body })
        expect(refused.body.code).toBe('session.reauthentication_required')
      }
    } finally {
      await moved.stop()
    }
  })

  test('imported keys of gpg sign: RSA, Ed25519, NIST, with a subkey that signs, with a passphrase', async () => {
    const made: [string, string, string][] = [
      ['rsa@example.com', gpg.make('rsa@example.com', 'rsa2048'), 'RSA 2048'],
      ['ed@example.com', gpg.make('ed@example.com', 'ed25519'), 'Ed25519'],
      ['nist@example.com', gpg.make('nist@example.com', 'nistp256'), 'ECDSA nistP256'],
    ]
    for (const [email, privateKey, algorithm] of made) {
      const answer = await send('POST', '/import', { privateKey })
      expect([answer.status, answer.text]).toEqual([201, expect.anything()])
      const { gpgKey } = answer.body
      expect(gpgKey).toMatchObject({ email, algorithm, fingerprint: gpg.listed('fpr', 9, email) })
      expect(gpg.verifies(await sign(gpgKey.id, 'data'), 'data')).toBe(true)
      expect((await send('POST', '/import', { privateKey })).body.code).toBe('gpg_key.exists')
    }

    const protection = ['--pinentry-mode', 'loopback', '--passphrase', 'pass phrase']
    gpg.run([...protection, '--quick-gen-key', 'Ann <locked@example.com>', 'ed25519', 'cert', '0'])
    const fingerprint = gpg.listed('fpr', 9, 'locked@example.com')
    gpg.run([...protection, '--quick-add-key', fingerprint, 'ed25519', 'sign', '1y'])
    const locked = gpg.run([...protection, '--armor', '--export-secret-keys', 'locked@example.com'])
    for (const [passphrase, message] of [
      [undefined, 'is missing'],
      ['', 'is missing'],
      ['wrong', 'is wrong'],
    ] as const) {
      const answer = await send('POST', '/import', { privateKey: locked, passphrase })
      expect([answer.status, answer.body.errors[0].field]).toEqual([400, 'passphrase'])
      expect(answer.body.errors[0].message).toContain(message)
    }
    const whole = (await send('POST', '/import', { privateKey: locked, passphrase: 'pass phrase' })).body
    expect(whole.revocationCertificate).toContain('BEGIN PGP')
    expect(Date.parse(whole.gpgKey.expiresAt)).toBeGreaterThan(Date.now() + 360 * DAY_MS)
    expect(gpg.verifies(await sign(whole.gpgKey.id, 'data'), 'data')).toBe(true)
    await send('DELETE', `/${whole.gpgKey.id}`)

    // The primary key stays at home, as careful people do: it signs, and cannot be revoked from here.
    const part = gpg.run([...protection, '--armor', '--export-secret-subkeys', 'locked@example.com'])
    const partial = (await send('POST', '/import', { privateKey: part, passphrase: 'pass phrase' })).body
    expect(partial.revocationCertificate).toBeNull()
    expect(gpg.verifies(await sign(partial.gpgKey.id, 'data'), 'data')).toBe(true)
    const again = await send('POST', `/${partial.gpgKey.id}/revocation-certificate`)
    expect(again.body).toEqual({ revocationCertificate: null })
  })

  test('a key that would keep the server busy is refused before it does; whoever takes in many at once has to wait', async () => {
    const take = (privateKey: string) =>
      server.request('POST', `${PATH}/import`, {
        token: person.token,
        body: { privateKey, passphrase: 'words', publish: false },
      })
    for (const [key, message] of [
      [await withArgon2(5, 'words'), /Argon2 with more than 4 passes/],
      [await withUserIds(110), /more than 100 signatures/],
    ] as const) {
      const refused = await take(key)
      expect([refused.status, refused.body.errors[0].field]).toEqual([400, 'privateKey'])
      expect(refused.body.errors[0].message).toMatch(message)
    }
    // How many have to wait depends on how soon the first is done; turns.test.ts tells who.
    const keys = [await withArgon2(4, 'words'), await newGpgKey('words'), await newGpgKey('words')]
    const statuses = (await Promise.all(keys.map(take))).map(({ status }) => status)
    expect(statuses).toContain(201)
    expect(statuses.filter((status) => status !== 201 && status !== 429)).toEqual([])
  })

  test('what cannot sign, is weak, expired, revoked, several or no key is 400 and says what it is', async () => {
    const expired = gpg.make('old@example.com', 'ed25519', 'sign', '20200201T000000', [
      '--faked-system-time',
      '20200101T000000',
    ])
    const revoked = (() => {
      gpg.make('gone@example.com', 'ed25519')
      const fingerprint = gpg.listed('fpr', 9, 'gone@example.com')
      const certificate = readFileSync(join(gpg.home, 'openpgp-revocs.d', `${fingerprint}.rev`), 'utf8')
      gpg.run(['--import'], certificate.replace(':-----BEGIN', '-----BEGIN'))
      return gpg.run(['--armor', '--export-secret-keys', 'gone@example.com'])
    })()
    const good = gpg.make('good@example.com', 'ed25519')
    const both = gpg.run(['--armor', '--export-secret-keys', 'good@example.com', 'old@example.com'])
    const refused: [string, RegExp][] = [
      ['', /no armored private key/],
      ['nonsense', /no armored private key/],
      [good.slice(0, 200), /no armored private key/],
      [await withOtherSecret(good), /halves do not belong together/],
      [gpg.run(['--armor', '--export', 'good@example.com']), /public key/],
      [both, /several keys/],
      [`${good}\n${good}`, /several keys/],
      [expired, /expired/],
      [revoked, /revoked/],
      [gpg.make('weak@example.com', 'rsa1024'), /too weak/],
      [await withSubkeys(9), /more than 7 subkeys/],
      [gpg.make('dsa@example.com', 'dsa2048'), /too weak/],
      [gpg.make('cert@example.com', 'ed25519', 'cert'), /no part that signs/],
      [
        gpg.make('sha1@example.com', 'rsa2048', 'sign', '0', [
          '--cert-digest-algo',
          'SHA1',
          '--allow-weak-digest-algos',
        ]),
        /too weak/,
      ],
    ]
    for (const [privateKey, message] of refused) {
      const answer = await send('POST', '/import', { privateKey })
      expect([answer.status, answer.body.errors?.[0]], privateKey.slice(0, 60)).toEqual([
        400,
        { field: 'privateKey', message: expect.stringMatching(message) },
      ])
    }
    for (const body of [
      {},
      { privateKey: 7 },
      { privateKey: good, passphrase: 7 },
      { privateKey: good, name: 'x' },
    ])
      expect((await send('POST', '/import', body)).status).toBe(400)
    expect(await list()).toEqual([])
    expect((await server.records(1))[0]).toMatchObject({ action: 'gpg-key.create', outcome: 'failed' })
  })

  test('SDS-34: private key and passphrase are in no answer, not in the log, and not in the database in clear', async () => {
    const passphrase = 'canary-of-a-passphrase'
    const protection = ['--pinentry-mode', 'loopback', '--passphrase', passphrase]
    gpg.run([...protection, '--quick-gen-key', 'Ann <locked@example.com>', 'ed25519', 'sign', '0'])
    const armored = gpg.run([...protection, '--armor', '--export-secret-keys', 'locked@example.com'])
    const answers = [
      await send('POST', '/import', { privateKey: armored, passphrase: `${passphrase}-wrong` }),
      await send('POST', '/import', { privateKey: armored, passphrase }),
      await send('POST', '', {}),
      await send('GET'),
    ]
    const { db } = server.core.storage
    const seeds: Buffer[] = []
    for (const key of await listKeys(db, person.id)) {
      await sign(key.id, 'x')
      const context = ['keyhold/v1/gpg-key', key.id, key.fingerprint, 1]
      const sealed = (await findSealed(db, key))!
      const opened = await server.core.vault.open(db, `person:${person.id}`, context, sealed)
      const { keyPacket } = await readPrivateKey({ binaryKey: opened.reveal() })
      const { privateParams } = keyPacket as unknown as { privateParams: { seed: Uint8Array } }
      seeds.push(Buffer.from(privateParams.seed))
    }
    expect(seeds.map(({ length }) => length)).toEqual([32, 32])
    const everywhere = answers.map(({ text }) => text).join() + server.log.join() + (await server.dump())
    expect(everywhere).toContain('locked@example.com')
    expect(everywhere.includes(passphrase)).toBe(false)
    expect(everywhere.includes(armored.split('\n')[3]!)).toBe(false)
    for (const seed of seeds)
      for (const form of [
        seed.toString('latin1'),
        seed.toString('hex'),
        seed.toString('base64').slice(1, -2),
      ])
        expect(everywhere.includes(form)).toBe(false)
  })

  test('another person’s key is 404 like one that is not there, for every route and for signing; it stays', async () => {
    const key = await create()
    const stranger = await server.addPerson()
    for (const [method, path] of [
      ['GET', ''],
      ['DELETE', ''],
      ['POST', '/publish'],
      ['POST', '/revocation-certificate'],
    ] as const) {
      const foreign = await send(method, `/${key.id}${path}`, undefined, stranger.token)
      const missing = await send(method, `/gpg_${'0'.repeat(20)}${path}`, undefined, stranger.token)
      expect([foreign.status, { ...foreign.body, traceId: '' }]).toEqual([
        404,
        { ...missing.body, traceId: '' },
      ])
    }
    await expect(sign(key.fingerprint, 'x', {}, stranger)).rejects.toMatchObject({
      code: 'gpg_key.not_found',
    })
    expect((await server.records(1))[0]).toMatchObject({
      action: 'gpg-key.sign',
      outcome: 'failed',
      reason: 'gpg_key.not_found',
      actor: { id: stranger.id },
    })
    expect((await list()).length).toBe(1)
    expect(await list(stranger.token)).toEqual([])
  })

  test('SDS-37: deleted, it signs nothing any more, and a second time is 404; recorded', async () => {
    const key = await create()
    expect((await send('DELETE', `/${key.id}`)).body).toEqual({ removals: [] })
    expect((await server.records(1))[0]).toMatchObject({
      action: 'gpg-key.delete',
      outcome: 'success',
      target: { id: key.id, name: key.fingerprint },
    })
    await expect(sign(key.id, 'x')).rejects.toMatchObject({ code: 'gpg_key.not_found' })
    expect((await send('DELETE', `/${key.id}`)).status).toBe(404)
  })

  test(`a person has at most ${limits.gpgKeysPerPerson} keys, also when the last ones are made at once`, async () => {
    for (let i = 1; i < limits.gpgKeysPerPerson; i++) await create()
    const answers = await Promise.all(Array.from({ length: 4 }, () => send('POST', '', {})))
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409])
    expect((await send('POST', '', {})).body.code).toBe('gpg_key.limit')
  })

  test('an expired key is listed as such and refused at the moment of use; a row that was swapped does not open', async () => {
    const moved = await startServer(database)
    try {
      const { server } = moved
      const someone = await server.addPerson()
      const as = { token: someone.token }
      const expiresAt = new Date(Date.now() + DAY_MS).toISOString()
      const { gpgKey } = await server.ok('POST', PATH, { ...as, body: { expiresAt } })
      const { gpgKey: lasting } = await server.ok('POST', PATH, { ...as, body: {} })
      const sign = (id: string) => server.core.gpgKeys.sign(askerOf(someone), id, Buffer.from('x'))
      await sign(gpgKey.id)
      server.clock.advance(DAY_MS + 2_000)
      await expect(sign(gpgKey.id)).rejects.toMatchObject({ code: 'gpg_key.expired' })
      expect((await server.records(1))[0]).toMatchObject({
        action: 'gpg-key.sign',
        reason: 'gpg_key.expired',
      })
      const { gpgKeys } = await server.ok('GET', PATH, as)
      expect(gpgKeys.map(({ status }: { status: string }) => status)).toEqual(['expired', 'active'])

      const { db } = server.core.storage
      const [first] = await listKeys(db, someone.id)
      const sealed = (await findSealed(db, first!))!
      await server.core.storage.transaction((tx) =>
        tx.updateTable('gpg_keys').set({ sealed }).where('id', '=', lasting.id).execute(),
      )
      await expect(sign(lasting.id)).rejects.toMatchObject({ code: 'secret.unreadable' })
    } finally {
      await moved.stop()
    }
  })

  test('in the inventory it is used at its address, with its expiry', async () => {
    const expiresAt = new Date(Date.now() + DAY_MS).toISOString()
    const key = await create({ expiresAt })
    const { credentials } = await server.ok('GET', '/api/v1/credentials', { token: person.token })
    expect(credentials.find(({ kind }: { kind: string }) => kind === 'gpg-key')).toMatchObject({
      id: key.id,
      name: key.keyId,
      usedIn: person.email,
      expiresAt: key.expiresAt,
      rotationDueAt: null,
    })
  })

  describe('at code hosts', () => {
    /** Stands for three code hosts, each of which does what it is told to. */
    class Hosts implements GitHosts {
      readonly keys = new Map<string, string>()
      outcomes: readonly GpgPublication[] = []
      isDown = false

      async publishGpgKey(_asker: unknown, armored: string, name: string): Promise<GpgPublication[]> {
        for (const { status, remoteId } of this.outcomes)
          if (status === 'published') this.keys.set(remoteId!, `${name} ${armored}`)
        return [...this.outcomes]
      }

      async removeGpgKey(_asker: unknown, published: readonly { connectionId: string; remoteId: string }[]) {
        if (this.isDown) throw new Error('no answer')
        return published.map(({ connectionId, remoteId }) => ({
          ...{ connectionId, provider: 'GitHub' },
          status: this.keys.delete(remoteId) ? ('removed' as const) : ('failed' as const),
        }))
      }
    }
    const published: GpgPublication = {
      connectionId: 'con_1',
      provider: 'GitHub',
      status: 'published',
      remoteId: '7',
    }
    const missing: GpgPublication = {
      connectionId: 'con_2',
      provider: 'GitLab',
      status: 'missing-scope',
      missingScope: 'api',
    }
    const failed: GpgPublication = {
      connectionId: 'con_3',
      provider: 'Bitbucket',
      status: 'failed',
      reason: 'no answer',
    }
    let hosts: Hosts
    let keys: GpgKeys
    beforeEach(() => {
      hosts = new Hosts()
      keys = new GpgKeys({ ...server.core, hosts, clock: server.clock })
    })
    const make = async () => (await keys.create(askerOf(person), { expiresAt: null })).gpgKey

    test('SDS-35: it is deployed; a missing scope is named, a failure told; all of it is shown in the list', async () => {
      const { id, publicKey, keyId } = await make()
      hosts.outcomes = [published, missing, failed]
      await keys.publish(askerOf(person), id)
      expect([...hosts.keys]).toEqual([['7', `Keyhold ${keyId} ${publicKey}`]])
      const [shown] = await list()
      expect(shown.deployments).toEqual([
        { ...failed, missingScope: null, updatedAt: expect.any(String) },
        {
          connectionId: 'con_1',
          provider: 'GitHub',
          status: 'published',
          missingScope: null,
          reason: null,
          updatedAt: expect.any(String),
        },
        { ...missing, reason: null, updatedAt: expect.any(String) },
      ])
      expect((await server.records(1))[0]).toMatchObject({
        action: 'gpg-key.publish',
        outcome: 'success',
        target: { id },
      })
    })

    test('deployed again, what was published stays published though the host refuses a second one; the others are tried', async () => {
      const { id } = await make()
      hosts.outcomes = [published, missing]
      await keys.publish(askerOf(person), id)
      hosts.outcomes = [
        { connectionId: 'con_1', provider: 'GitHub', status: 'failed', reason: 'already there' },
        { ...missing, status: 'published', remoteId: '8' },
      ]
      const again = await keys.publish(askerOf(person), id)
      expect(again.deployments.map(({ status, remoteId }) => [status, remoteId])).toEqual([
        ['published', '7'],
        ['published', '8'],
      ])
    })

    test('SDS-37: deletion removes it where it was published, and says where that did not work', async () => {
      const { id } = await make()
      hosts.outcomes = [published, { ...missing, status: 'published', remoteId: '8' }, failed]
      await keys.publish(askerOf(person), id)
      hosts.keys.delete('8')
      expect(await keys.delete(askerOf(person), id)).toEqual([
        { connectionId: 'con_1', provider: 'GitHub', status: 'removed' },
        { connectionId: 'con_2', provider: 'GitHub', status: 'failed' },
      ])
      expect(hosts.keys.size).toBe(0)
    })

    test('SDS-37: with hosts that do not answer, or are disconnected, the key is deleted and the rest is told', async () => {
      const { id } = await make()
      hosts.outcomes = [published]
      await keys.publish(askerOf(person), id)
      hosts.isDown = true
      expect(await keys.delete(askerOf(person), id)).toEqual([
        {
          connectionId: 'con_1',
          provider: 'GitHub',
          status: 'failed',
          reason: expect.stringContaining('by hand'),
        },
      ])
      expect(await list()).toEqual([])
    })

    test('deleted while it is being deployed, it does not stay at the host (race)', async () => {
      const { id } = await make()
      hosts.outcomes = [published]
      const publish = hosts.publishGpgKey.bind(hosts)
      hosts.publishGpgKey = async (...args) => {
        const outcomes = await publish(...args)
        await keys.delete(askerOf(person), id)
        return outcomes
      }
      await expect(keys.publish(askerOf(person), id)).rejects.toMatchObject({ code: 'gpg_key.not_found' })
      expect(hosts.keys.size).toBe(0)
    })
  })

  test('SDS-35, SDS-37: generated, it is posted to the connected GitHub; a missing scope is named; deleted, it is removed there', async () => {
    const fakes = await FakeProviders.start()
    const connected = await startServer(database, {}, fakes.internet)
    try {
      const { server } = connected
      const admin = await server.addPerson('admin')
      const someone = await server.addPerson()
      const as = { token: someone.token }
      const connect = async (type: 'github' | 'gitlab', grantedScopes: string[]) => {
        const fake = fakes.add(type)
        fake.grantedScopes = grantedScopes
        const { clientId, clientSecret } = fake
        const body = { type, kind: 'default', clientId, clientSecret }
        const provider = await server.ok('POST', '/api/v1/repository-providers', { token: admin.token, body })
        fake.redirectUri = provider.callbackUrl
        const path = '/api/v1/repository-connections'
        const { authorizationUrl } = await server.ok('POST', path, {
          ...as,
          body: { providerId: provider.id, method: 'oauth' },
        })
        const back = fake.authorize(authorizationUrl, 'octo')
        const page = await server.request('GET', `${back.pathname}${back.search}`)
        const code = /<pre>([0-9A-Z-]+)<\/pre>/.exec(page.text)![1]!
        await server.ok('POST', `${path}/confirm`, { ...as, body: { code } })
        return fake
      }
      const github = await connect('github', ['repo', 'write:gpg_key'])
      const gitlab = await connect('gitlab', ['read_user'])

      const { gpgKey } = await server.ok('POST', PATH, { ...as, body: {} })
      expect([...github.gpgKeys.values()].map(({ key }) => key)).toEqual([gpgKey.publicKey])
      expect(fakes.internet.calls).toContain('POST https://api.github.com/user/gpg_keys')
      expect(gitlab.gpgKeys.size).toBe(0)
      const shown = (key: { deployments: Record<string, unknown>[] }) =>
        key.deployments.map(({ provider, status, missingScope }) => [provider, status, missingScope])
      const expected = [
        ['GitHub', 'published', null],
        ['GitLab', 'missing-scope', 'api'],
      ]
      expect(shown(gpgKey)).toEqual(expected)
      // Again changes nothing: GitHub has it already.
      expect(shown(await server.ok('POST', `${PATH}/${gpgKey.id}/publish`, as))).toEqual(expected)

      const { gpgKey: quiet } = await server.ok('POST', PATH, { ...as, body: { publish: false } })
      expect([quiet.deployments, github.gpgKeys.size]).toEqual([[], 1])
      expect((await server.ok('DELETE', `${PATH}/${gpgKey.id}`, as)).removals).toMatchObject([
        { provider: 'GitHub', status: 'removed', reason: null },
      ])
      expect(github.gpgKeys.size).toBe(0)

      await server.ok('POST', `${PATH}/${quiet.id}/publish`, as)
      github.failures.set(/gpg/, { status: 500, body: {} })
      expect((await server.ok('DELETE', `${PATH}/${quiet.id}`, as)).removals).toMatchObject([
        { provider: 'GitHub', status: 'failed', reason: expect.stringContaining('500') },
      ])
      expect((await server.ok('GET', PATH, as)).gpgKeys).toEqual([])
    } finally {
      await connected.stop()
      fakes.stop()
    }
  })

  test('a key that openpgp made is imported as one of gpg is', async () => {
    const answer = await send('POST', '/import', { privateKey: await newGpgKey(), publish: false })
    expect([answer.status, answer.body.gpgKey.email]).toEqual([201, 'ann@example.com'])
  })
})
