import { execFile, execFileSync } from 'node:child_process'
import { createPublicKey, randomBytes, verify } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Grant } from '../src/access/access.ts'
import type { Asker, Person } from '../src/access/caller.ts'
import { AppError } from '../src/base/app-error.ts'
import { parsePublicKeyLine } from '../src/base/ssh-public-key.ts'
import { SshReader, sshStrings } from '../src/base/ssh-wire.ts'
import { findIdentity, openPrivateKey } from '../src/credentials/ssh-identity/ssh-identity.store.ts'
import { purposeOf } from '../src/credentials/ssh-identity/ssh-identity.ts'
import { databases, startServer, type TestPerson, type TestServer } from './kit.ts'
import { login, newSshKey, signedData } from './ssh-kit.ts'

const MINUTE_MS = 60_000
const PATH = '/api/v1/ssh-identity'

const directory = mkdtempSync(join(tmpdir(), 'keyhold-ssh-identity-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

function armored(publicBlob: Uint8Array, signature: Uint8Array, namespace = 'git', hash = 'sha512'): string {
  const version = Buffer.from([0, 0, 0, 1])
  const blob = Buffer.concat([
    Buffer.from('SSHSIG'),
    version,
    sshStrings(publicBlob, namespace, '', hash, signature),
  ])
  const lines = blob.toString('base64').match(/.{1,70}/g)!
  return ['-----BEGIN SSH SIGNATURE-----', ...lines, '-----END SSH SIGNATURE-----', ''].join('\n')
}

/** Asks the real ssh-keygen whether a signature is that of the key. */
function verifies(publicKey: string, signature: string, message: string): boolean {
  const [allowed, file] = [join(directory, 'allowed'), join(directory, 'signature')]
  writeFileSync(allowed, `ann@example.com namespaces="git" ${publicKey}\n`)
  writeFileSync(file, signature)
  try {
    execFileSync(
      'ssh-keygen',
      ['-Y', 'verify', '-f', allowed, '-I', 'ann@example.com', '-n', 'git', '-s', file],
      {
        input: message,
        stdio: ['pipe', 'pipe', 'pipe'],
      },
    )
    return true
  } catch {
    return false
  }
}

describe('what the identity signs', () => {
  const { blob } = newSshKey()
  const refusal = (data: Uint8Array, algorithm: 'ssh-ed25519' | 'rsa-sha2-256' = 'ssh-ed25519') => {
    try {
      return purposeOf(data, blob, algorithm)
    } catch (error) {
      if (error instanceof AppError) return error.code
      throw error
    }
  }
  const NO = 'ssh_identity.sign_refused'

  test('logins with this key, and signatures for git', () => {
    expect(refusal(login(blob))).toBe('login as git')
    const bound = Buffer.concat([
      login(blob, { user: 'ann', method: 'publickey-hostbound-v00@openssh.com' }),
      sshStrings(newSshKey().blob),
    ])
    expect(refusal(bound)).toBe('login as ann')
    expect(refusal(signedData('x'))).toBe('git signature')
    expect(refusal(signedData('x', 'git', 'sha256'))).toBe('git signature')
  })

  test('nothing else: another key, service, method, algorithm or namespace, something cut off, added or quite different', () => {
    const good = [login(blob), signedData('x')]
    const wrong = [
      Buffer.alloc(0),
      Buffer.from('SSHSIG'),
      Buffer.from('tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n'),
      randomBytes(32),
      blob,
      login(newSshKey().blob),
      login(blob, { service: 'ssh-userauth' }),
      login(blob, { method: 'hostbased' }),
      login(blob, { method: 'publickey-hostbound-v00@openssh.com' }),
      login(blob, { algorithm: 'rsa-sha2-256' }),
      login(blob, { user: '' }),
      login(blob, { user: 'two words' }),
      login(blob, { user: 'x'.repeat(65) }),
      signedData('x', 'file'),
      signedData('x', ''),
      signedData('x', 'git\0'),
      signedData('x', 'git', 'sha1'),
      Buffer.concat([Buffer.from('SSHSIG'), sshStrings('git', 'x', 'sha512', Buffer.alloc(64))]),
      Buffer.concat([Buffer.from('SSHSIG'), sshStrings('git', '', 'sha512', Buffer.alloc(32))]),
      Buffer.concat([Buffer.from('SSHSIG'), sshStrings('git', '', 'constructor', Buffer.alloc(32))]),
      ...good.flatMap((data) => [
        data.subarray(0, -1),
        data.subarray(1),
        Buffer.concat([data, Buffer.alloc(1)]),
      ]),
    ]
    for (const data of wrong)
      expect([data.toString('latin1'), refusal(data)]).toEqual([data.toString('latin1'), NO])
    expect(refusal(login(blob), 'rsa-sha2-256')).toBe(NO)
  })

  test('no bytes make the parser throw anything but the refusal (property)', () => {
    const changed = fc
      .tuple(fc.constantFrom(login(blob), signedData('x')), fc.nat(), fc.nat({ max: 255 }))
      .map(([data, at, byte]) => {
        const copy = Buffer.from(data)
        copy[at % copy.length] = byte
        return copy
      })
    fc.assert(
      fc.property(fc.oneof(changed, fc.uint8Array({ maxLength: 200 })), (data) => {
        expect(refusal(data)).toMatch(
          /^(login as [\x21-\x7e]{1,64}|git signature|ssh_identity\.sign_refused)$/,
        )
      }),
      { numRuns: 2_000 },
    )
  })
})

describe.each(databases)('the SSH identity on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let person: TestPerson

  beforeAll(async () => {
    ;({ server, stop } = await startServer(database))
  })
  afterAll(() => stop())
  beforeEach(async () => {
    server.clock.advance(MINUTE_MS + 1)
    person = await server.addPerson()
  })

  const send = (method: string, body?: unknown, token = person.token) =>
    server.request(method, PATH, { token, body })
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
    origin: { traceId: 'sign' },
  })
  const sign = (data: Uint8Array, options: { flags?: number; workspaceId?: string } = {}, who = person) =>
    server.core.sshIdentities.sign(askerOf(who), data, options)
  const blobOf = (line: string) => parsePublicKeyLine(line).blob

  test('SDS-27: generated as Ed25519 with the e-mail address as comment, as ssh-keygen reads it; recorded', async () => {
    const answer = await send('POST', {})
    expect(answer.status).toBe(201)
    const { id, publicKey, publicKeyFingerprint } = answer.body
    expect(answer.body).toEqual({
      id: expect.stringMatching(/^idn_/),
      type: 'ssh-ed25519',
      bits: 256,
      publicKey: expect.stringMatching(/^ssh-ed25519 AAAA\S+ \S+@example\.com$/),
      publicKeyFingerprint: expect.stringMatching(/^SHA256:/),
      createdAt: expect.any(String),
      lastUsedAt: null,
      destinations: [],
    })
    expect(publicKey.split(' ')[2]).toBe(person.email)
    const path = join(directory, 'identity.pub')
    writeFileSync(path, publicKey)
    const listed = execFileSync('ssh-keygen', ['-lf', path], { encoding: 'utf8' })
    expect(listed).toBe(`256 ${publicKeyFingerprint} ${person.email} (ED25519)\n`)
    expect((await send('GET')).body).toEqual(answer.body)
    expect((await server.records(1))[0]).toMatchObject({
      action: 'ssh-identity.create',
      outcome: 'success',
      actor: { id: person.id },
      target: { kind: 'ssh-identity', id, name: publicKeyFingerprint },
    })
  })

  test('SDS-27: the private key is in no answer, not in the log, and not in the database in clear', async () => {
    const { publicKey } = (await send('POST', {})).body
    const data = login(blobOf(publicKey))
    await sign(data)
    const answers = [await send('GET'), await send('POST', { replace: false }), await send('DELETE')]
    const audit = await server.request('GET', '/api/v1/audit', { token: person.token })
    // The seed, as only this test can have it.
    const { id } = await server.ok('POST', PATH, { token: person.token, body: {} })
    const { db } = server.core.storage
    const row = (await findIdentity(db, person.id))!
    expect(row.id).toBe(id)
    const opened = await server.core.vault.open(
      db,
      `person:${person.id}`,
      ['keyhold/v1/ssh-identity', id, 'ssh-ed25519', 1],
      row.sealed,
    )
    const seed = Buffer.from(opened.reveal()).subarray(-32)
    const everywhere =
      [...answers, audit].map(({ text }) => text).join() + server.log.join() + (await server.dump())
    expect(everywhere).toContain(id)
    for (const form of [seed.toString('latin1'), seed.toString('hex'), seed.toString('base64').slice(1, -2)])
      expect(everywhere.includes(form)).toBe(false)
  })

  test('there is one: a second is 409 unless it replaces; missing is 404 for all three; bad bodies are 400', async () => {
    for (const method of ['GET', 'DELETE'])
      expect((await send(method)).body).toMatchObject({ status: 404, code: 'ssh_identity.not_found' })
    expect((await send('POST', { replace: true })).status).toBe(201)
    expect((await send('POST', {})).body.code).toBe('ssh_identity.exists')
    expect((await server.records(1))[0]).toMatchObject({
      action: 'ssh-identity.create',
      outcome: 'failed',
      reason: 'ssh_identity.exists',
    })
    for (const [body, field] of [
      [{ type: 'dsa' }, 'type'],
      [{ replace: 'yes' }, 'replace'],
      [{ privateKey: 'x' }, 'privateKey'],
    ] as const) {
      const answer = await send('POST', body)
      expect([answer.status, answer.body.errors?.[0]?.field.split('.')[0]]).toEqual([
        400,
        field === 'privateKey' ? 'body' : field,
      ])
    }
    const stranger = await server.addPerson()
    expect((await send('GET', undefined, stranger.token)).status).toBe(404)
    expect((await send('DELETE')).status).toBe(204)
    expect((await server.records(1))[0]).toMatchObject({ action: 'ssh-identity.delete', outcome: 'success' })
    expect((await send('DELETE')).status).toBe(404)
  })

  test('of several that are generated at once one is kept (race)', async () => {
    const answers = await Promise.all(Array.from({ length: 4 }, () => send('POST', {})))
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409])
    const kept = answers.find(({ status }) => status === 201)!
    expect((await send('GET')).body).toEqual(kept.body)
    const replaced = await Promise.all(Array.from({ length: 3 }, () => send('POST', { replace: true })))
    expect(replaced.map(({ status }) => status)).toEqual([201, 201, 201])
  })

  test('whoever asks for many RSA keys at once gets one, and is told to wait', async () => {
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => send('POST', { type: 'rsa', replace: true })),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 429, 429, 429, 429, 429])
    expect(answers.find(({ status }) => status === 429)!.headers.get('retry-after')).toBe('5')
    expect((await send('POST', { type: 'rsa', replace: true })).status).toBe(201)
  }, 60_000)

  test('SDS-28: a login is signed so that the host verifies it; recorded before with user and workspace', async () => {
    const { id, publicKey } = (await send('POST', {})).body
    const blob = blobOf(publicKey)
    const data = login(blob)
    const signature = new SshReader(await sign(data, { workspaceId: 'ws-1' }))
    expect(signature.text()).toBe('ssh-ed25519')
    const x = Buffer.from(blob.subarray(-32)).toString('base64url')
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
    expect(verify(null, data, key, signature.string())).toBe(true)
    signature.end()
    expect((await server.records(1))[0]).toMatchObject({
      action: 'ssh-identity.sign',
      outcome: 'success',
      actor: { id: person.id },
      workspace: 'ws-1',
      target: { kind: 'ssh-identity', id, name: 'login as git' },
    })
    expect((await send('GET')).body.lastUsedAt).toEqual(expect.any(String))
  })

  test('a signature for git is one that ssh-keygen -Y verify accepts, for this message only', async () => {
    const { publicKey } = (await send('POST', {})).body
    const message = 'tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\ncommit\n'
    const signature = armored(blobOf(publicKey), await sign(signedData(message)))
    expect(verifies(publicKey, signature, message)).toBe(true)
    expect(verifies(publicKey, signature, `${message} `)).toBe(false)
  })

  test('the real ssh-keygen signs through an agent that asks the service: for git it verifies, for files it is refused', async () => {
    const { publicKey } = (await send('POST', {})).body
    const folder = mkdtempSync(join(tmpdir(), 'kh-agent-'))
    const agent = createServer((socket) => {
      let input = Buffer.alloc(0)
      socket.on('data', async (chunk: Buffer) => {
        input = Buffer.concat([input, chunk])
        if (input.length < 4 || input.length < 4 + input.readUInt32BE()) return
        const request = new SshReader(new SshReader(input).string())
        input = Buffer.alloc(0)
        const type = request.byte()
        const count = Buffer.from([0, 0, 0, 1])
        if (type === 11)
          socket.write(
            sshStrings(Buffer.concat([Buffer.from([12]), count, sshStrings(blobOf(publicKey), 'ann')])),
          )
        else if (type === 13) {
          request.string()
          const signature = await sign(request.string(), { flags: request.take(4).readUInt32BE() }).catch(
            () => undefined,
          )
          const answer = signature ? [Buffer.from([14]), sshStrings(signature)] : [Buffer.from([5])]
          socket.write(sshStrings(Buffer.concat(answer)))
        } else socket.write(sshStrings(Buffer.from([5])))
      })
    }).listen(join(folder, 'agent'))
    try {
      await once(agent, 'listening')
      writeFileSync(join(folder, 'key.pub'), `${publicKey}\n`)
      const env = { ...process.env, SSH_AUTH_SOCK: join(folder, 'agent') }
      const signFile = async (namespace: string) => {
        const file = join(folder, namespace)
        writeFileSync(file, 'what is signed')
        await promisify(execFile)(
          'ssh-keygen',
          ['-Y', 'sign', '-n', namespace, '-f', join(folder, 'key.pub'), file],
          { env },
        )
        return readFileSync(`${file}.sig`, 'utf8')
      }
      expect(verifies(publicKey, await signFile('git'), 'what is signed')).toBe(true)
      await expect(signFile('file')).rejects.toThrow()
    } finally {
      agent.close()
      rmSync(folder, { recursive: true, force: true })
    }
  })

  test('RSA has 4096 bits and signs with SHA-256 and SHA-512 by the flags 2 and 4, never with SHA-1', async () => {
    const { publicKey, bits, type } = (await send('POST', { type: 'rsa' })).body
    expect([type, bits, parsePublicKeyLine(publicKey).bits]).toEqual(['ssh-rsa', 4096, 4096])
    const blob = blobOf(publicKey)
    for (const flags of [2, 4, 6])
      expect(verifies(publicKey, armored(blob, await sign(signedData('x'), { flags })), 'x')).toBe(true)
    for (const [flags, algorithm] of [
      [2, 'rsa-sha2-256'],
      [4, 'rsa-sha2-512'],
    ] as const) {
      const signature = new SshReader(await sign(login(blob, { algorithm }), { flags }))
      expect(signature.text()).toBe(algorithm)
    }
    for (const [data, flags] of [
      [signedData('x'), 0],
      [signedData('x'), 1],
      [login(blob, { algorithm: 'ssh-rsa' }), 0],
      [login(blob, { algorithm: 'ssh-rsa' }), 2],
      [login(blob, { algorithm: 'rsa-sha2-512' }), 2],
    ] as const)
      await expect(sign(data, { flags })).rejects.toMatchObject({ code: 'ssh_identity.sign_refused' })
  }, 60_000)

  test('what is not signed is recorded as refused, with the reason', async () => {
    await send('POST', {})
    await expect(sign(signedData('x', 'file'), { workspaceId: 'ws-1' })).rejects.toMatchObject({
      code: 'ssh_identity.sign_refused',
    })
    expect((await server.records(1))[0]).toMatchObject({
      action: 'ssh-identity.sign',
      outcome: 'refused',
      reason: 'ssh_identity.sign_refused',
      workspace: 'ws-1',
    })
  })

  test('SDS-30: replaced or deleted, the old key signs nothing any more, at once', async () => {
    const old = blobOf((await send('POST', {})).body.publicKey)
    const anew = blobOf((await send('POST', { replace: true })).body.publicKey)
    expect(anew.equals(old)).toBe(false)
    await expect(sign(login(old))).rejects.toMatchObject({ code: 'ssh_identity.sign_refused' })
    await sign(login(anew))
    await send('DELETE')
    await expect(sign(login(anew))).rejects.toMatchObject({ code: 'ssh_identity.not_found' })
  })

  test('another person’s key is never the one that signs, and their grant opens nothing', async () => {
    const { publicKey } = (await send('POST', {})).body
    const stranger = await server.addPerson()
    await send('POST', {}, stranger.token)
    await expect(sign(login(blobOf(publicKey)), {}, stranger)).rejects.toMatchObject({
      code: 'ssh_identity.sign_refused',
    })
    const identity = (await findIdentity(server.core.storage.db, person.id))!
    const grant = Object.create(Grant.prototype) as Grant<'ssh-identity.sign'>
    await expect(openPrivateKey(server.core.storage.db, server.core.vault, grant, identity)).rejects.toThrow(
      'grants',
    )
  })

  test('a row that was swapped with another person’s does not open', async () => {
    const stranger = await server.addPerson()
    const { publicKey } = (await send('POST', {})).body
    await send('POST', {}, stranger.token)
    const theirs = (await findIdentity(server.core.storage.db, stranger.id))!
    await server.core.storage.transaction((tx) =>
      tx
        .updateTable('ssh_identities')
        .set({ sealed: theirs.sealed })
        .where('account_id', '=', person.id)
        .execute(),
    )
    await expect(sign(login(blobOf(publicKey)))).rejects.toMatchObject({ code: 'secret.unreadable' })
  })

  test('in the inventory it is used at outside hosts and needs no rotation', async () => {
    expect(await server.core.sshIdentities.items(person.id)).toEqual([])
    await send('POST', {})
    const { credentials } = await server.ok('GET', '/api/v1/credentials', { token: person.token })
    expect(credentials.find(({ kind }: { kind: string }) => kind === 'ssh-identity')).toMatchObject({
      name: person.email,
      usedIn: 'outside hosts',
      expiresAt: null,
      rotationDueAt: null,
    })
  })
})
