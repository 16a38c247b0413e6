import { execFileSync } from 'node:child_process'
import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { limits } from '@keyhold/contract/limits'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { AppError } from '../src/base/app-error.ts'
import { md5FingerprintOf, parseFingerprint, parsePublicKeyLine } from '../src/base/ssh-public-key.ts'
import { mpintBytes, sshStrings } from '../src/base/ssh-wire.ts'
import { databases, startServer, type TestPerson, type TestServer } from './kit.ts'
import { newSshKey } from './ssh-kit.ts'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
const PATH = '/api/ssh/keys'

const directory = mkdtempSync(join(tmpdir(), 'keyhold-ssh-keys-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))
let files = 0

/** Makes a pair with the real ssh-keygen. */
function keygen(...args: string[]): { path: string; line: string; privateKey: string } {
  files += 1
  const path = join(directory, `key${files}`)
  execFileSync('ssh-keygen', ['-q', '-N', '', '-C', 'ann@laptop', '-f', path, ...args])
  return { path, line: readFileSync(`${path}.pub`, 'utf8'), privateKey: readFileSync(path, 'utf8') }
}

/** What `ssh-keygen -l` says of a line. */
function listed(line: string, ...args: string[]): { bits: number; fingerprint: string } {
  files += 1
  const path = join(directory, `listed${files}.pub`)
  writeFileSync(path, `${line.trim()}\n`)
  const [bits, fingerprint] = execFileSync('ssh-keygen', ['-l', ...args, '-f', path], {
    encoding: 'utf8',
  }).split(' ')
  return { bits: Number(bits), fingerprint: fingerprint! }
}

const lineOf = (type: string, ...fields: readonly (string | Uint8Array)[]) =>
  `${type} ${sshStrings(type, ...fields).toString('base64')} made by hand`

const rawEd25519 = () => {
  const { publicKey } = generateKeyPairSync('ed25519')
  return Buffer.from(publicKey.export({ format: 'jwk' }).x!, 'base64url')
}
const point = (curve: string) => {
  const jwk = generateKeyPairSync('ec', { namedCurve: curve }).publicKey.export({ format: 'jwk' })
  return Buffer.concat([Buffer.from([4]), Buffer.from(jwk.x!, 'base64url'), Buffer.from(jwk.y!, 'base64url')])
}
const rsa = (modulusLength: number) => {
  const jwk = generateKeyPairSync('rsa', { modulusLength }).publicKey.export({ format: 'jwk' })
  return { e: Buffer.from(jwk.e!, 'base64url'), n: Buffer.from(jwk.n!, 'base64url') }
}

const real = {
  ed25519: keygen('-t', 'ed25519'),
  'ECDSA P-256': keygen('-t', 'ecdsa', '-b', '256'),
  'ECDSA P-384': keygen('-t', 'ecdsa', '-b', '384'),
  'ECDSA P-521': keygen('-t', 'ecdsa', '-b', '521'),
  'RSA 2048': keygen('-t', 'rsa', '-b', '2048'),
  'RSA 3072': keygen('-t', 'rsa', '-b', '3072'),
}
// No device is there to make these with.
const onDevice = {
  'Ed25519 on a security key': lineOf('sk-ssh-ed25519@openssh.com', rawEd25519(), 'ssh:'),
  'ECDSA on a security key': lineOf('sk-ecdsa-sha2-nistp256@openssh.com', 'nistp256', point('P-256'), 'ssh:'),
}
const accepted: [string, string][] = [
  ...Object.entries(real).map(([name, { line }]): [string, string] => [name, line]),
  ...Object.entries(onDevice),
]

/** Made by ssh-keygen of OpenSSH 9.2; newer ones make none. */
const dsa =
  'ssh-dss AAAAB3NzaC1kc3MAAACBAIyjB85cNrcIdxFOGDH/l2XGaNhrXgBqKt/Yf7RJ2wN3iLP42g1GeFRkzIdmRPldV2Df2HdShi5SiDeiGOvwmV7peXDQAog1KJv+2EQaz41MrNJpx1sB7oqRIPUGYBhWil4GF6WVb8cT4kjaB2S74HZn52hP4/wA/KD3/6tHX5yBAAAAFQCIG8QEwYeRslmeKQmIPgXDTqo01QAAAIB6FsqBCmIkqZacpGxSiE5QzL/IvCHupKXMmPClWr1/nXWeC4gZkv+xCimB5ekmY7ibQmLVaJfdhIvka1o7WOvi/hvVQeJxNzOEEXx7YnQTVf1hSjuG06ES4PfcKoJi/s+/WadQWZy4pwG/foz/+kUuCiMcVfS8wPg+7cPI2m2AHAAAAIB51Slq1TWVbwlCrjcghXPGV5nbJG0By5sifLhOf6LAsH31vHz9UjYhfYvrAlkg4tY2ImN7epBi8Q2qtEavyoOVHit5UmGOSvo59bmXMftFVd7D0PdpbZeBnC10sSlApG4KkZvVgw3UIEwUSLde7QvO/9RkKG//LNjXEsdbFUpdmw== ann@laptop'

/** The message of the refusal. */
function refusal(text: string): string {
  try {
    parsePublicKeyLine(text)
  } catch (error) {
    if (error instanceof AppError && error.code === 'request.invalid') return error.shown.errors![0]!.message
    throw error
  }
  throw new Error('it was accepted')
}

describe('the parser of public keys', () => {
  test.each(accepted)(
    'accepts %s, with the fingerprints and bits of ssh-keygen (SSH-5, SSH-9, SSH-12)',
    (_name, line) => {
      const key = parsePublicKeyLine(line)
      expect({ bits: key.bits, fingerprint: key.fingerprint }).toEqual(listed(line))
      expect(md5FingerprintOf(key.blob)).toBe(listed(line, '-E', 'md5').fingerprint)
    },
  )

  test('accepts line ends and blanks around, tabs between, a comment of any language, and none (SSH-4)', () => {
    const [type, base64] = real.ed25519.line.split(' ') as [string, string]
    const { fingerprint } = parsePublicKeyLine(real.ed25519.line)
    for (const [text, comment] of [
      [`${type} ${base64}`, ''],
      [`${type} ${base64}\n`, ''],
      [`${type} ${base64}   \r\n`, ''],
      [`\ufeff ${type} ${base64} a\r\n\r\n`, 'a'],
      [`${type}\t${base64} \t a  b `, 'a  b'],
      [`${type} ${base64} 部署 é 🔑`, '部署 é 🔑'],
      [`${type} ${base64} of my private key`, 'of my private key'],
      [`${type} ${base64} ${'x'.repeat(limits.sshKeyCommentLength)}`, 'x'.repeat(limits.sshKeyCommentLength)],
    ] as const)
      expect(parsePublicKeyLine(text), text).toMatchObject({ fingerprint, comment })
  })

  test('refuses what is no single plain key, and says what it is (SSH-5)', () => {
    const ca = keygen('-t', 'ed25519')
    execFileSync('ssh-keygen', ['-q', '-s', ca.path, '-I', 'id', '-n', 'ann', `${real.ed25519.path}.pub`])
    const certificate = readFileSync(`${real.ed25519.path}-cert.pub`, 'utf8')
    const [type, base64, comment] = real.ed25519.line.trim().split(' ') as [string, string, string]
    const raw = rawEd25519()
    const p256 = point('P-256')
    const offCurve = Buffer.from(p256)
    offCurve[64]! ^= 1
    const { e, n } = rsa(2048)
    const [short, long] = [rsa(1024).n, Buffer.alloc(2049, 0xff)]
    const rsaLine = (exponent: Uint8Array, modulus: Uint8Array) => lineOf('ssh-rsa', exponent, modulus)
    const plus = (line: string) => {
      const [word, blob] = line.split(' ') as [string, string]
      return `${word} ${Buffer.concat([Buffer.from(blob, 'base64'), Buffer.alloc(1)]).toString('base64')}`
    }
    const refusals: [string, RegExp][] = [
      ['', /empty/],
      [' \r\n ', /empty/],
      ['hello', /no public key/],
      ['__proto__ AAAA', /no public key/],
      ['constructor AAAA', /no public key/],
      [base64, /no public key/],
      [type, /base64/],
      [dsa, /DSA/],
      [certificate, /certificate/],
      [`ssh-ed448 ${base64}`, /type that is not accepted.*ssh-ed25519/],
      [`ssh-rsa-cert-v01@openssh.com ${base64}`, /certificate/],
      [`no-pty,command="x" ${real.ed25519.line}`, /options/],
      [`from="10.0.0.0/8" ${dsa}`, /options/],
      [`1024 65537 ${'9'.repeat(300)}`, /no public key/],
      [`${real.ed25519.line}${real['ECDSA P-256'].line}`, /several lines/],
      [`${type} ${base64.slice(0, 20)}\n${base64.slice(20)}`, /several lines/],
      [`${type} ${base64}\r${comment}`, /several lines/],
      [`${type} ${base64} a\u0000b`, /control character/],
      [`${type} ${base64} a\u001b[2Jb`, /control character/],
      [`${type} ${base64} a\u0085b`, /control character/],
      [`${type} ${base64} a\u202eb`, /control character/],
      [`${type} ${base64} a\u2028b`, /control character/],
      [`${type} ${base64} \ud800`, /control character/],
      [`${type} ${base64} ${'x'.repeat(limits.sshKeyCommentLength + 1)}`, /comment of more than/],
      [`${type} ${base64}=`, /base64/],
      [`${type} ${base64.slice(0, -1)}`, /base64|ends too early/],
      [`${type} ${base64.slice(0, -4)}`, /ends too early/],
      [`${type} ${base64.replace('A', '-')}`, /base64/],
      [`${type} ${base64.slice(0, 30)}%${base64.slice(31)}`, /base64/],
      [`ecdsa-sha2-nistp256 ${base64}`, /not of the type/],
      [`${type} ${real['RSA 2048'].line.split(' ')[1]}`, /not of the type/],
      [`SSH-ED25519 ${base64}`, /no public key/],
      [plus(real.ed25519.line), /follows its end/],
      [plus(real['ECDSA P-384'].line), /follows its end/],
      [plus(real['RSA 2048'].line), /follows its end/],
      [plus(onDevice['Ed25519 on a security key']), /follows its end/],
      [lineOf('ssh-ed25519', raw.subarray(1)), /length/],
      [lineOf('ssh-ed25519', Buffer.concat([raw, raw])), /length/],
      [lineOf('ssh-ed25519', Buffer.alloc(32)), /no usable point/],
      [lineOf('ssh-ed25519', Buffer.from([1, ...Buffer.alloc(31)])), /no usable point/],
      [lineOf('ssh-ed25519', Buffer.alloc(32, 0xff)), /no usable point/],
      [
        lineOf(
          'ssh-ed25519',
          Buffer.from('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a', 'hex'),
        ),
        /no usable point/,
      ],
      [lineOf('ssh-ed25519', Buffer.from([2, ...Buffer.alloc(31)])), /no usable point/],
      [lineOf('ecdsa-sha2-nistp256', 'nistp384', point('P-384')), /curve is not/],
      [lineOf('ecdsa-sha2-nistp256', 'nistp256', point('P-384')), /length/],
      [lineOf('ecdsa-sha2-nistp256', 'nistp256', offCurve), /no point/],
      [lineOf('ecdsa-sha2-nistp256', 'nistp256', Buffer.from([0])), /length/],
      [
        lineOf('ecdsa-sha2-nistp256', 'nistp256', Buffer.concat([Buffer.from([2]), p256.subarray(1, 33)])),
        /length/,
      ],
      [
        lineOf('ecdsa-sha2-nistp256', 'nistp256', Buffer.concat([Buffer.from([6]), p256.subarray(1)])),
        /length/,
      ],
      [rsaLine(e, mpintBytes(short)), /1024 bits/],
      [rsaLine(e, mpintBytes(long)), /16392 bits/],
      [rsaLine(Buffer.from([2]), mpintBytes(n)), /exponent is even/],
      [rsaLine(Buffer.from([1]), mpintBytes(n)), /exponent/],
      [rsaLine(Buffer.alloc(9, 0x7f), mpintBytes(n)), /exponent/],
      [rsaLine(Buffer.concat([Buffer.alloc(1), e]), mpintBytes(n)), /one form/],
      [rsaLine(e, n), /one form/],
      [rsaLine(e, Buffer.concat([Buffer.alloc(2), n])), /one form/],
      [rsaLine(Buffer.alloc(0), mpintBytes(n)), /one form/],
      [rsaLine(e, mpintBytes(Buffer.concat([n.subarray(0, -1), Buffer.from([2])]))), /modulus is even/],
      [lineOf('sk-ssh-ed25519@openssh.com', raw), /ends too early/],
      [lineOf('sk-ssh-ed25519@openssh.com', raw, ''), /application/],
      [lineOf('sk-ssh-ed25519@openssh.com', raw, 'ssh:\n'), /application/],
    ]
    for (const [text, reason] of refusals) expect(refusal(text), text).toMatch(reason)
  })

  test('knows private keys of every kind, and says so (SSH-6)', () => {
    const pem = (format: 'pkcs1' | 'pkcs8' | 'sec1', type: 'rsa' | 'ec') =>
      (type === 'rsa'
        ? generateKeyPairSync('rsa', { modulusLength: 2048 })
        : generateKeyPairSync('ec', { namedCurve: 'P-256' })
      ).privateKey.export({ type: format as 'pkcs8', format: 'pem' }) as string
    const whole = [
      ...Object.values(real).map(({ privateKey }) => privateKey),
      keygen('-t', 'rsa', '-b', '2048', '-m', 'PEM').privateKey,
      keygen('-t', 'ed25519', '-Z', 'aes256-ctr').privateKey,
      pem('pkcs8', 'rsa'),
      pem('pkcs1', 'rsa'),
      pem('pkcs8', 'ec'),
      pem('sec1', 'ec'),
      generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
      '-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQ',
      'PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none',
      '---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----',
    ]
    const bare = whole.slice(0, -3).map((text) => text.split('\n').slice(1, -2).join('\n'))
    const inLine = whole.map((text) => `ssh-ed25519 ${text.replaceAll('\n', ' ')}`)
    for (const text of [...whole, ...bare, ...inLine]) {
      const message = refusal(text)
      expect(message, text).toContain('private key')
      expect(message).toContain('neither stored nor logged')
    }
    // Public keys in the other forms are not taken for private ones.
    const spki = createPublicKey(readFileSync(keygen('-t', 'rsa', '-m', 'PEM').path, 'utf8'))
    expect(refusal(spki.export({ type: 'spki', format: 'pem' }) as string)).toContain('ssh-keygen -i')
    expect(refusal(spki.export({ type: 'pkcs1', format: 'pem' }) as string)).toContain('ssh-keygen -i')
  })

  test('understands fingerprints in each form that tools print, and nothing else (SSH-12, C45)', () => {
    const { blob, fingerprint } = parsePublicKeyLine(real.ed25519.line)
    const md5 = md5FingerprintOf(blob)
    for (const form of [fingerprint, fingerprint.slice(7), `${fingerprint}=`, ` ${fingerprint}\n`])
      expect(parseFingerprint(form)).toBe(fingerprint)
    for (const form of [md5, md5.slice(4), md5.toUpperCase(), md5.slice(4).replaceAll(':', '')])
      expect(parseFingerprint(form)).toBe(md5)
    for (const form of [
      '',
      'SHA256:',
      fingerprint.slice(0, -1),
      `${fingerprint}==`,
      `${md5}:00`,
      'MD5:zz',
      `SHA1:${fingerprint}`,
    ])
      expect(parseFingerprint(form), form).toBeUndefined()
  })

  test('no input makes it throw anything but its refusal (property)', () => {
    const texts = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc
        .tuple(
          fc.constantFrom(...accepted.map(([, line]) => line.split(' ')[0]!)),
          fc.uint8Array({ maxLength: 400 }),
        )
        .map(([type, bytes]) => `${type} ${Buffer.concat([sshStrings(type), bytes]).toString('base64')}`),
    )
    fc.assert(
      fc.property(texts, (text) => {
        try {
          parsePublicKeyLine(text)
        } catch (error) {
          expect(error).toBeInstanceOf(AppError)
        }
      }),
      { numRuns: 1_000 },
    )
  })

  test('a changed line is refused, or is another key with another fingerprint (property)', () => {
    const changes = fc.tuple(fc.constantFrom(...accepted), fc.nat(), fc.integer({ min: 1, max: 255 }))
    fc.assert(
      fc.property(changes, ([[, line], at, flip]) => {
        const [type, base64] = line.split(' ') as [string, string]
        const blob = Buffer.from(base64, 'base64')
        blob[at % blob.length]! ^= flip
        const changed = `${type} ${blob.toString('base64')}`
        let key: ReturnType<typeof parsePublicKeyLine>
        try {
          key = parsePublicKeyLine(changed)
        } catch (error) {
          expect(error).toBeInstanceOf(AppError)
          return
        }
        expect(key.fingerprint).not.toBe(parsePublicKeyLine(line).fingerprint)
        expect(sshStrings(type)).toEqual(key.blob.subarray(0, type.length + 4))
      }),
      { numRuns: 1_000 },
    )
    // One character of the text: never the same key in another spelling.
    const { fingerprint } = parsePublicKeyLine(real.ed25519.line)
    const [type, base64] = real.ed25519.line.split(' ') as [string, string]
    fc.assert(
      fc.property(
        fc.nat({ max: base64.length - 1 }),
        fc.string({ unit: 'binary', maxLength: 2 }),
        (at, put) => {
          const changed = base64.slice(0, at) + put + base64.slice(at + 1)
          // Blanks and line ends around are left out, and blanks within end the blob.
          fc.pre(changed !== base64 && !/\s/.test(put))
          try {
            expect(parsePublicKeyLine(`${type} ${changed}`).fingerprint).not.toBe(fingerprint)
          } catch (error) {
            if (!(error instanceof AppError)) throw error
          }
        },
      ),
    )
  })
})

describe.each(databases)('SSH keys on %s', (database) => {
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

  const post = (publicKey: unknown, more: object = {}, token = person.token) =>
    server.request('POST', PATH, { token, body: { publicKey, ...more } })
  const list = async (token = person.token) =>
    (await server.ok('GET', PATH, { token })) as Record<string, unknown>[]
  const remove = (publicKeyFingerprint: unknown, token = person.token) =>
    server.request('DELETE', PATH, { token, body: { publicKeyFingerprint } })
  const later = (ms: number) => new Date(server.clock.now().getTime() + ms).toISOString()

  test('SSH-1: without a token, or with a deleted one, each of the three is 401 and changes nothing', async () => {
    const { line, fingerprint } = newSshKey()
    await post(line)
    const { accessToken, token } = await server.ok('POST', '/api/v1/access-tokens', {
      token: person.token,
      body: { name: 'soon deleted' },
    })
    await server.ok('DELETE', `/api/v1/access-tokens/${accessToken.id}`, { token: person.token })
    for (const as of [{}, { token }]) {
      for (const [method, body] of [
        ['GET', undefined],
        ['POST', { publicKey: newSshKey().line }],
        ['DELETE', { publicKeyFingerprint: fingerprint }],
      ] as const)
        expect((await server.request(method, PATH, { ...as, body })).status).toBe(401)
    }
    expect((await list()).length).toBe(1)
  })

  test('SSH-2, SSH-8, SSH-9: a key made by ssh-keygen is added and listed once, with what ssh-keygen says of it', async () => {
    expect(await list()).toEqual([])
    const { line } = keygen('-t', 'ed25519')
    const answer = await post(line)
    expect(answer.status).toBe(201)
    const { bits, fingerprint } = listed(line)
    expect(answer.body).toEqual({
      id: expect.stringMatching(/^ssh_/),
      publicKey: line.trim(),
      publicKeyFingerprint: fingerprint,
      title: 'ann@laptop',
      type: 'ssh-ed25519',
      bits,
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      expiresAt: null,
      lastUsedAt: null,
      status: 'active',
    })
    expect(await list()).toEqual([answer.body])
    expect((await server.records(1))[0]).toMatchObject({
      action: 'ssh-key.create',
      outcome: 'success',
      actor: { id: person.id },
      target: { kind: 'ssh-key', id: answer.body.id, name: fingerprint },
    })
  })

  test('SSH-3: another content type is 415; no JSON, and a publicKey that is missing, empty or no text: 400', async () => {
    const { line } = newSshKey()
    const typed = await server.request('POST', PATH, {
      token: person.token,
      body: line,
      headers: { 'content-type': 'text/plain' },
    })
    expect(typed.status).toBe(415)
    const notJson = await server.request('POST', PATH, { token: person.token, body: `{"publicKey":"${line}` })
    expect(notJson.status).toBe(400)
    for (const publicKey of [undefined, null, '', '  ', 7, [line], { line }]) {
      const answer = await post(publicKey)
      expect([answer.status, answer.body.errors?.[0]?.field], String(publicKey)).toEqual([400, 'publicKey'])
    }
    expect((await post(line, { title: 'mine' })).status).toBe(400)
    expect((await post(line.padEnd(limits.sshPublicKeyLength + 1))).status).toBe(400)
    expect(await list()).toEqual([])
  })

  test('SSH-4: stored trimmed; without a comment the fingerprint is the title', async () => {
    const { line, fingerprint } = newSshKey('')
    const answer = await post(`  ${line} \r\n`)
    expect(answer.body).toMatchObject({ publicKey: line, title: fingerprint })
  })

  test('SSH-5: every accepted kind is added over HTTP; what is refused is recorded as failed and not stored', async () => {
    const stranger = await server.addPerson()
    for (const [name, line] of accepted) expect((await post(line, {}, stranger.token)).status, name).toBe(201)
    expect((await list(stranger.token)).map((key) => key.publicKey)).toEqual(
      accepted.map(([, line]) => line.trim()),
    )
    const answer = await post(dsa)
    expect([answer.status, answer.body.errors[0].message]).toEqual([400, expect.stringContaining('DSA')])
    expect((await server.records(1))[0]).toMatchObject({
      action: 'ssh-key.create',
      outcome: 'failed',
      reason: 'request.invalid',
    })
    for (const { publicKeyFingerprint } of await list(stranger.token))
      await remove(publicKeyFingerprint, stranger.token)
  })

  test('SSH-6: a private key is 400, says so, and is nowhere: not in the answer, the log or the database', async () => {
    const { privateKey } = keygen('-t', 'ed25519')
    const answer = await post(privateKey)
    expect([answer.status, answer.body.errors[0].message]).toEqual([
      400,
      expect.stringContaining('this is a private key'),
    ])
    const everywhere = [answer.text, server.log.join(), await server.dump()].join()
    for (const line of privateKey.split('\n').slice(1, 4)) expect(everywhere.includes(line)).toBe(false)
  })

  test('SSH-7: the same key is 409, with another comment too, and the list has one; another person’s is 409 in the same words', async () => {
    const { line, base } = newSshKey()
    expect((await post(line)).status).toBe(201)
    const again = [await post(line), await post(`${base} other comment`)]
    const stranger = await server.addPerson()
    const foreign = await post(line, {}, stranger.token)
    for (const answer of [...again, foreign]) {
      expect(answer.status).toBe(409)
      expect({ ...answer.body, traceId: '' }).toEqual({ ...foreign.body, traceId: '' })
    }
    expect(foreign.text.includes(person.id) || foreign.text.includes(person.name)).toBe(false)
    expect([(await list()).length, (await list(stranger.token)).length]).toEqual([1, 0])
    expect((await server.records(1))[0]).toMatchObject({
      action: 'ssh-key.create',
      outcome: 'failed',
      reason: 'ssh_key.exists',
    })
  })

  test('of several people who add one key at once, one gets it (race)', async () => {
    const others = await Promise.all(Array.from({ length: 5 }, () => server.addPerson()))
    for (let round = 0; round < 3; round++) {
      const { line } = newSshKey()
      const answers = await Promise.all([person, ...others].map(({ token }) => post(line, {}, token)))
      expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409, 409])
    }
    const lists = await Promise.all([person, ...others].map(({ token }) => list(token)))
    expect(lists.flat().length).toBe(3)
  })

  test(`a person has at most ${limits.sshKeysPerPerson} keys, also when the last ones are added at once`, async () => {
    for (let i = 1; i < limits.sshKeysPerPerson; i++) await post(newSshKey().line)
    const answers = await Promise.all(Array.from({ length: 4 }, () => post(newSshKey().line)))
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409])
    expect((await post(newSshKey().line)).body.code).toBe('ssh_key.limit')
    expect((await list()).length).toBe(limits.sshKeysPerPerson)
  })

  test('SSH-10, SSH-11: of two keys exactly the named one goes; again, unknown and another’s are one 404; no fingerprint is 400', async () => {
    const [one, two] = [newSshKey(), newSshKey()]
    await post(one.line)
    const kept = (await post(two.line)).body
    const stranger = await server.addPerson()
    expect((await remove(one.fingerprint)).status).toBe(204)
    expect(await list()).toEqual([kept])
    expect((await server.records(1))[0]).toMatchObject({
      action: 'ssh-key.delete',
      outcome: 'success',
      target: { kind: 'ssh-key', name: one.fingerprint },
    })
    const answers = [
      await remove(one.fingerprint),
      await remove(newSshKey().fingerprint),
      await remove(two.fingerprint, stranger.token),
    ]
    for (const answer of answers) {
      expect(answer.status).toBe(404)
      expect({ ...answer.body, traceId: '' }).toEqual({ ...answers[0]!.body, traceId: '' })
    }
    expect((await server.records(1))[0]).toMatchObject({
      action: 'ssh-key.delete',
      outcome: 'failed',
      reason: 'ssh_key.not_found',
      actor: { id: stranger.id },
      target: { kind: 'ssh-key', name: two.fingerprint },
    })
    for (const wrong of [undefined, '', 'nonsense', two.fingerprint.slice(0, -1), 7, null]) {
      const answer = await remove(wrong)
      expect([answer.status, answer.body.errors?.[0]?.field], String(wrong)).toEqual([
        400,
        'publicKeyFingerprint',
      ])
    }
    expect(await list()).toEqual([kept])
  })

  test('SSH-12, C45, C46: each form of a fingerprint, in the body or in the query; both or neither is 400', async () => {
    const query = (text: string) => `${PATH}?publicKeyFingerprint=${encodeURIComponent(text)}`
    const as = { token: person.token }
    const md5 = (line: string) => listed(line, '-E', 'md5').fingerprint
    for (const form of [
      ({ fingerprint }: { fingerprint: string }) => fingerprint,
      ({ fingerprint }: { fingerprint: string }) => fingerprint.slice(7),
      ({ fingerprint }: { fingerprint: string }) => `${fingerprint}=`,
      ({ line }: { line: string }) => md5(line),
      ({ line }: { line: string }) => md5(line).slice(4),
    ]) {
      const [inBody, inQuery] = [newSshKey(), newSshKey()] as const
      for (const { line } of [inBody, inQuery]) expect((await post(line)).status).toBe(201)
      expect((await remove(form({ ...inBody }))).status).toBe(204)
      expect((await server.request('DELETE', query(form({ ...inQuery })), as)).status).toBe(204)
    }
    const key = newSshKey()
    await post(key.line)
    const both = await server.request('DELETE', query(key.fingerprint), {
      ...as,
      body: { publicKeyFingerprint: key.fingerprint },
    })
    const neither = [
      await server.request('DELETE', PATH, as),
      await server.request('DELETE', PATH, { ...as, body: {} }),
      await server.request('DELETE', PATH, { ...as, body: null }),
    ]
    for (const answer of [both, ...neither])
      expect([answer.status, answer.body.errors[0].field]).toEqual([400, 'publicKeyFingerprint'])
    expect((await list()).length).toBe(1)
    expect((await server.request('DELETE', query(key.fingerprint), { ...as, body: {} })).status).toBe(204)
  })

  test('an expiry must be in the future; an expired key is listed as such', async () => {
    const expiresAt = later(DAY_MS)
    for (const wrong of [later(-1), 'soon', 7])
      expect((await post(newSshKey().line, { expiresAt: wrong })).body.errors[0].field).toBe('expiresAt')
    expect((await post(newSshKey().line, { expiresAt })).body).toMatchObject({ expiresAt, status: 'active' })
    server.clock.advance(DAY_MS)
    expect(await list()).toMatchObject([{ expiresAt, status: 'expired' }])
  })

  test('a session adds a key only with a fresh password; a token without the scope never; both are recorded', async () => {
    const cookie = await server.signIn(person)
    const send = () =>
      server.request('POST', PATH, { headers: { cookie }, body: { publicKey: newSshKey().line } })
    expect((await send()).status).toBe(201)
    server.clock.advance(11 * MINUTE_MS)
    expect((await send()).body.code).toBe('session.reauthentication_required')
    expect((await server.records(1))[0]).toMatchObject({ action: 'ssh-key.create', outcome: 'refused' })
    expect((await server.request('GET', PATH, { headers: { cookie } })).status).toBe(200)
    const { token } = await server.ok('POST', '/api/v1/access-tokens', {
      token: person.token,
      body: { name: 'reads', scopes: ['ssh-keys:read'] },
    })
    expect((await server.request('GET', PATH, { token })).status).toBe(200)
    expect((await post(newSshKey().line, {}, token)).body.code).toBe('access.scope_missing')
  })

  describe('at the door', () => {
    test('SSH-13: a key is found by fingerprint and by blob until it is removed or expires', async () => {
      const { line, fingerprint, blob } = newSshKey('ann@laptop')
      const { id } = (await post(line, { expiresAt: later(DAY_MS) })).body
      const { sshKeys } = server.core
      const found = { id, accountId: person.id, fingerprint, title: 'ann@laptop' }
      expect(await sshKeys.findForLogin(fingerprint)).toEqual(found)
      expect(await sshKeys.findForLogin(blob)).toEqual(found)
      expect(await sshKeys.findForLogin(newSshKey().fingerprint)).toBeUndefined()
      expect(await sshKeys.findForLogin(randomBytes(40))).toBeUndefined()
      expect(await sshKeys.findForLogin('')).toBeUndefined()
      server.clock.advance(DAY_MS)
      expect(await sshKeys.findForLogin(fingerprint)).toBeUndefined()

      const other = newSshKey()
      await post(other.line)
      expect(await sshKeys.findForLogin(other.fingerprint)).toBeDefined()
      await remove(other.fingerprint)
      expect(await sshKeys.findForLogin(other.fingerprint)).toBeUndefined()
    })

    test('an SSH identity, whoever has it, is no key for this: 409, and one that was added earlier lets nobody in', async () => {
      const { line, blob, fingerprint } = newSshKey()
      expect((await post(line)).status).toBe(201)
      const stranger = await server.addPerson()
      const generated = await server.ok('POST', '/api/v1/ssh-identity', { token: stranger.token, body: {} })
      const refused = await post(generated.publicKey)
      expect([refused.status, refused.body.code]).toEqual([409, 'ssh_key.is_identity'])
      expect((await server.records(1))[0]).toMatchObject({
        action: 'ssh-key.create',
        outcome: 'failed',
        reason: 'ssh_key.is_identity',
      })
      const { sshKeys, storage } = server.core
      expect([await sshKeys.findForLogin(fingerprint), await sshKeys.linesForLogin(person.id)]).toEqual([
        expect.anything(),
        [expect.anything()],
      ])
      await storage.transaction((tx) =>
        tx.updateTable('ssh_identities').set({ blob }).where('account_id', '=', stranger.id).execute(),
      )
      expect([await sshKeys.findForLogin(fingerprint), await sshKeys.linesForLogin(person.id)]).toEqual([
        undefined,
        [],
      ])
    })

    test('SDS-12: not for a disabled account, nor one whose password an administrator set', async () => {
      const admin = await server.addPerson('admin')
      const { line, fingerprint } = newSshKey()
      await post(line)
      const { sshKeys } = server.core
      const update = (body: object) =>
        server.ok('PATCH', `/api/v1/accounts/${person.id}`, { token: admin.token, body })
      await update({ isDisabled: true })
      expect(await sshKeys.findForLogin(fingerprint)).toBeUndefined()
      await update({ isDisabled: false })
      expect(await sshKeys.findForLogin(fingerprint)).toBeDefined()
      await server.core.storage.transaction((tx) =>
        tx.updateTable('accounts').set({ must_change_password: 1 }).where('id', '=', person.id).execute(),
      )
      expect(await sshKeys.findForLogin(fingerprint)).toBeUndefined()
    })

    test('"last used" is kept to the minute, and the inventory has what the list has', async () => {
      const { line } = newSshKey('ann@laptop')
      const { id, createdAt } = (await post(line)).body
      const { sshKeys } = server.core
      await sshKeys.used(id)
      const [{ lastUsedAt: first }] = (await list()) as [{ lastUsedAt: string }]
      expect(Math.abs(Date.parse(first) - server.clock.now().getTime())).toBeLessThan(MINUTE_MS)
      await sshKeys.used(id)
      expect((await list())[0]!.lastUsedAt).toBe(first)
      server.clock.advance(2 * MINUTE_MS)
      await sshKeys.used(id)
      expect((await list())[0]!.lastUsedAt).not.toBe(first)
      await sshKeys.used('ssh_unknown')
      expect(await sshKeys.items(person.id)).toMatchObject([
        {
          kind: 'ssh-key',
          id,
          name: 'ann@laptop',
          usedIn: 'your workspaces',
          rotation: null,
          createdAt: new Date(createdAt),
        },
      ])
      expect(await sshKeys.items('usr_unknown')).toEqual([])
    })
  })
})
