// Keys with the gateway, agreed on by a client of our own, that also says what none would say.
import { createHash, sign } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SshReader, sshStrings } from '../src/base/ssh-wire.ts'
import { startServer, type TestServer } from './kit.ts'
import { hybridKeys, hybridSecret, Message, newLoginKey, RawSsh } from './raw-ssh.ts'

// Nothing here reaches a database, so one is enough.
let server: TestServer
let stop: () => Promise<void>
const key = newLoginKey()

beforeAll(async () => {
  ;({ server, stop } = await startServer('sqlite'))
  const { token } = await server.addPerson()
  await server.ok('POST', '/api/ssh/keys', { token, body: { publicKey: key.line } })
})
afterAll(() => stop())

const port = () => server.server.entrance.gateway!.port // `!`: every test server has one.
const HYBRID = 'mlkem768x25519-sha256'
const CLASSIC = 'curve25519-sha256'
const open = (kex: string[], more = {}) => RawSsh.open(port(), { kex, ...more })

describe('ML-KEM with X25519 (mlkem768x25519-sha256)', () => {
  test('is offered first, taken by who has it, and agreed on anew in a connection that goes on', async () => {
    const client = await open([HYBRID])
    expect(client.serverKex.slice(0, 2)).toEqual([HYBRID, CLASSIC])
    expect(await client.signIn(key.blob, key.privateKey)).toBe(Message.userauthSuccess)
    const id = client.sessionId
    await client.exchangeKeys()
    await client.exchangeKeys()
    expect(client.sessionId).toBe(id)
    client.send(Buffer.of(Message.globalRequest), sshStrings('keepalive@openssh.com'), Buffer.of(1))
    expect([Message.requestSuccess, Message.requestFailure]).toContain((await client.receive())[0])
  })

  test('is not forced on anybody: the first that the client has counts', async () => {
    for (const kex of [[CLASSIC], [CLASSIC, HYBRID], ['unknown@example.com', HYBRID, CLASSIC]]) {
      const client = await open(kex)
      expect(await client.signIn(key.blob, key.privateKey)).toBe(Message.userauthSuccess)
    }
  })

  test('a first guess counts when it is right, and is passed over when it is wrong (RFC 4253 §7)', async () => {
    const guess = Buffer.concat([Buffer.of(Message.kexInit), sshStrings(Buffer.alloc(7))])
    const client = await open(['unknown@example.com', HYBRID], { guess })
    expect(await client.signIn(key.blob, key.privateKey)).toBe(Message.userauthSuccess)
    // A right one is the exchange itself: this share is of no use, and ends it.
    await expect(open([HYBRID], { guess })).rejects.toThrow('has ended')
    // The first of the client is not the first of the server, though it is what they agree on: a wrong guess.
    const classic = await open([CLASSIC], { guess })
    expect(await classic.signIn(key.blob, key.privateKey)).toBe(Message.userauthSuccess)
  })

  test.each<[string, (share: Buffer) => Buffer]>([
    ['nothing', () => Buffer.alloc(0)],
    ['one byte less', (share) => share.subarray(1)],
    ['one byte more', (share) => Buffer.concat([share, Buffer.alloc(1)])],
    ['X25519 alone', (share) => share.subarray(1184)],
    ['ML-KEM alone', (share) => share.subarray(0, 1184)],
    ['a point of zeros', (share) => Buffer.concat([share.subarray(0, 1184), Buffer.alloc(32)])],
    [
      'a point of order 1',
      (share) => Buffer.concat([share.subarray(0, 1184), Buffer.of(1), Buffer.alloc(31)]),
    ],
    // 0xfff as the first coefficient, which is more than q (FIPS 203 §7.2).
    [
      'an encapsulation key out of range',
      (share) => Buffer.concat([Buffer.of(0xff, 0xff), share.subarray(2)]),
    ],
  ])(
    '%s in place of the share ends the connection, and keeps nobody else out',
    async (_name, changeShare) => {
      await expect(open([HYBRID], { changeShare })).rejects.toThrow('has ended')
      await open([HYBRID])
    },
  )

  // The two sides of the tests above are by the same hand. This answer is by another: Go's crypto/mlkem and crypto/ecdh.
  test('the client of these tests has the secret that another implementation has', () => {
    const seed = Buffer.from(Array.from({ length: 64 }, (_, i) => i))
    const scalar = Buffer.from(Array.from({ length: 32 }, (_, i) => 100 + i))
    const { share } = hybridKeys({ seed, scalar })
    expect(createHash('sha256').update(share).digest('hex')).toBe(
      '429443a3f7ba432c81ec1e6377edab601bd9647bd5104c29d5363cf2594f295b',
    )
    expect(hybridSecret({ seed, scalar }, Buffer.from(GO_REPLY.join(''), 'base64')).toString('hex')).toBe(
      'fa7402783e4a5dbfe7c4b6a19db2fda4010f417bae160d5f5193c7972bc189de',
    )
  })

  test('the host signs what was exchanged, with the key that people are told of', async () => {
    const client = await open([HYBRID])
    const { token } = await server.addPerson()
    const { hostKey } = await server.ok('GET', '/api/v1/ssh', { token })
    expect(hostKey).toBe(`ssh-ed25519 ${client.hostKey.toString('base64')}`)
  })
})

describe('logins that no client would make', () => {
  const begin = async () => {
    const client = await open([CLASSIC])
    await client.beginLogin()
    return client
  }
  const uint = (value: number, bytes: number) => Buffer.alloc(bytes).fill(value)

  test.each<[string, string, Buffer]>([
    ...[0, 16, 31, 33].map((bytes): [string, string, Buffer] => [
      `an Ed25519 key of ${bytes} bytes`,
      'ssh-ed25519',
      sshStrings('ssh-ed25519', Buffer.alloc(bytes, 7)),
    ]),
    ['a key of nothing', 'ssh-ed25519', Buffer.alloc(0)],
    ['a key that is only a name', 'ssh-ed25519', sshStrings('ssh-ed25519')],
    ['a key that says to be longer than it is', 'ssh-ed25519', Buffer.from('ffffffff00', 'hex')],
    ['RSA with the exponent 1', 'rsa-sha2-256', sshStrings('ssh-rsa', Buffer.of(1), uint(0x7f, 256))],
    ['RSA of nothing', 'rsa-sha2-256', sshStrings('ssh-rsa', '', '')],
    ['RSA of 16,384 bits', 'rsa-sha2-512', sshStrings('ssh-rsa', Buffer.of(1, 0, 1), uint(0x7f, 2048))],
    [
      'a point that is on no curve',
      'ecdsa-sha2-nistp256',
      sshStrings('ecdsa-sha2-nistp256', 'nistp256', uint(4, 65)),
    ],
    [
      'a point without coordinates',
      'ecdsa-sha2-nistp256',
      sshStrings('ecdsa-sha2-nistp256', 'nistp256', Buffer.of(4)),
    ],
    [
      'a certificate',
      'ssh-ed25519-cert-v01@openssh.com',
      sshStrings('ssh-ed25519-cert-v01@openssh.com', uint(7, 32)),
    ],
  ])(
    '%s is refused, as a probe and as a proof, and keeps nobody out (T4, T12, CVE-2020-9283)',
    async (_name, algorithm, blob) => {
      for (const signature of [undefined, uint(7, 64), Buffer.alloc(0), uint(7, 2048)]) {
        const client = await begin()
        client.request(algorithm, blob, signature && (() => sshStrings(algorithm, signature)))
        // "No", or goodbye.
        const type = await client.receive().then(
          ([first]) => first,
          (error: Error) => error.message.slice(0, 35),
        )
        expect([Message.userauthFailure, 'the server has ended the connection']).toContain(type)
      }
      const client = await open([CLASSIC])
      expect(await client.signIn(key.blob, key.privateKey)).toBe(Message.userauthSuccess)
    },
  )

  test("keys of RSA that are large cost a refusal, not seconds: they are nobody's, and nothing is computed with them (T4)", async () => {
    const blob = sshStrings('ssh-rsa', Buffer.of(1, 0, 1), uint(0x7f, 2048))
    const client = await begin()
    const before = process.cpuUsage()
    for (let i = 0; i < 20; i++) {
      client.request('rsa-sha2-512', blob, () => sshStrings('rsa-sha2-512', uint(7, 2048)))
      expect((await client.receive())[0]).toBe(Message.userauthFailure)
    }
    const { user, system } = process.cpuUsage(before)
    expect((user + system) / 1e6).toBeLessThan(5)
  })

  test.each([
    ['user name', { user: 'y' }],
    ['service', { service: 'ssh-userauth' }],
  ])(
    'another %s than before ends the connection, also with a key that is right (T17)',
    async (_name, change) => {
      const client = await begin()
      client.request('ssh-ed25519', key.blob)
      expect((await client.receive())[0]).toBe(Message.userauthPkOk)
      const proof = (data: Buffer) => sshStrings('ssh-ed25519', sign(null, data, key.privateKey))
      client.request('ssh-ed25519', key.blob, proof, change)
      await expect(client.receive()).rejects.toThrow('has ended')
      await client.ended()
    },
  )

  test('a request after one has been let in is no other identity: it ends the connection or is not heard (T2, T17)', async () => {
    const client = await open([CLASSIC])
    expect(await client.signIn(key.blob, key.privateKey)).toBe(Message.userauthSuccess)
    const other = newLoginKey()
    client.request('ssh-ed25519', other.blob, (data) =>
      sshStrings('ssh-ed25519', sign(null, data, other.privateKey)),
    )
    await expect(client.receive()).rejects.toThrow('has ended')
  })
})

test('what logins may be signed with is said in full, and no SHA-1 among it (S7)', async () => {
  const client = await open([CLASSIC])
  client.send(Buffer.of(Message.serviceRequest), sshStrings('ssh-userauth'))
  const fields = new SshReader(await client.receiveAny())
  expect([fields.byte(), fields.take(4).readUInt32BE(), fields.text()]).toEqual([
    Message.extInfo,
    1,
    'server-sig-algs',
  ])
  expect(fields.text().split(',')).toEqual([
    'ssh-ed25519',
    'sk-ssh-ed25519@openssh.com',
    'ecdsa-sha2-nistp256',
    'ecdsa-sha2-nistp384',
    'ecdsa-sha2-nistp521',
    'sk-ecdsa-sha2-nistp256@openssh.com',
    'rsa-sha2-512',
    'rsa-sha2-256',
  ])
  fields.end()
  expect((await client.receive())[0]).toBe(Message.serviceAccept)
})

/** S_REPLY to the share above, in base64. */
const GO_REPLY = [
  'gQX5qiVQMsjIMOVT02XRsnPFmneCb6RQVwn/K6TXS5UC3w0RFe8IcqBagSQ9PRF4YHxBAS1bSKwOajLXAPjP3j95jTbt73WV',
  'rGi80t9rysTWX+QfoytFsfCTKwumv4FEJUliUwgf3xX4gVhl7MN2dMolcyWuXfMJncP3rtCZGn9unePRCUxUadXb/bX3z7hC',
  '29vczk9WbB1nUZFhpP6WuLWvnSZwddH8FyGhyRdjQ8lwnkjFj+zrkVfzZY5Jyf4yH1KiLsIEgKXUUe8WfgLUBzv4dMEaKCcC',
  'SbxfPU+F07iwMrHodlLR33d2Fn0+PyctkHMik8fEJ5s6Z/qX5nOZJ23VVk3jYOgo0J42E3kOYdFG35ZYrEfsKYcVwSM8bkmz',
  'kv+KXgXsj43j3OG03JMj5WrTYuBqDdW1RiSMjmrm9hogupXdZ1EPjF43iSWZwDAPjP/zhBS2x6vdTZFWVr2bFEtsR5RYugs9',
  'scTc3HYdyU9cwLuSsmxdBH4+PwN21oNBKbSdUJTeP+VOn5Cui394bUn3naFNrXEk+spncnjWQ9km9UzCzKp6GKlijL0dCz7q',
  '4Bvk+Bbr+wTv2mSm4PwW3SBnr6YDP7pCNzlFuogyemVVFjVf1VLqR72KP95/mc8Kn4aXIEQlTZCiRZ8xSPYcDnzNvP+DnxYH',
  'GJ1WCkGS46Hka4jdaQUIg7ifwI1use9qg1j9z3GU/Ii4dKymzPUafWB2/mW21WrcEklBZr66uuI9x4+HvBiWofEWiP8GX1HV',
  'moI8RkvZ+eCEy1UuaSeRtGd03TvAsmpOtMMS3J8lh5ARwtmL/v6bWmjiH7+rollUhkz0e28GzIyRq2rcmF690mOD8pRpftAu',
  'BFKuG2JlzTbdFw8zkt+XNRTJ4tiDRIei/wcAca2q8F2cU3rcHLABtPSlN5rTRR3mqy90Llgyg7wUO0x3LopI45atY4kMS/Dw',
  'MylpwyHJESxqiGuTB3mLQvxAl0SsKSVDW9c4azwrjXFPSawpLyEtxL8JgsFSTSJXM15S4pHtBYhYxV7bYDz1qfTknRtsNqNq',
  'RMfisn/rYCZe2UmnCD2QzGTjyS4yAs349fAfOQ+BxNG4jdWWRldLShtqvrhDuvPCcBrvZTfRTW3bGGzi7Ka8Z8IteRGsJiWy',
  '3J0QKZWASkzRWgEwFMqCxTWwbVdEla27txaKGVQaIoCWeTKE6cEXkA0MdIiko6SdU8xAaPjOXHJvG4aaBZMg27Dr0dcXpNvI',
  '87WlP72Sw4Xowef1XR4oi4dGaxSPoo7RGwRdejEFlDcu/ICPLgd5wrYPFT1KWmqxHkhiah9eEJZR9bCABhC9L26itHauU1Kz',
  'ZYGYstpivcVm3oyhPFA8/PqF/XAv2POvAJzaGVdUBhn9eLA1i6g3UGNdgKlaGkYxY+QyDB6l84GM6QmK4TLCb80iPFbemrzV',
  '4W/VishRbtJ632Dc7BDnN15KbrZ1coeXabgjNIeDUL581BPI+sLcAw==',
]
