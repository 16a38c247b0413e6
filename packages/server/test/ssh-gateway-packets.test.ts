// What no program of SSH would send, written to the gateway as bytes: it ends the connection, and stays as it is.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import ssh2 from 'ssh2'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { sshStrings } from '../src/base/ssh-wire.ts'
import { sendPackets } from '../src/ssh-gateway/outer-client.ts'
import { startServer, type TestPerson, type TestServer } from './kit.ts'
import { newLoginKey, RawSsh } from './raw-ssh.ts'
import { newSshPair } from './ssh-kit.ts'

/* RFC 4250 §4.1.2, and OpenSSH's PROTOCOL 1.8 */
const Message = {
  ignore: 2,
  kexinit: 20,
  userauthSuccess: 52,
  globalRequest: 80,
  channelOpen: 90,
  channelOpenConfirmation: 91,
  channelOpenFailure: 92,
  channelData: 94,
  channelRequest: 98,
  ping: 192,
} as const

// Nothing here reaches a database, so one is enough.
let server: TestServer
let stop: () => Promise<void>
let person: TestPerson
const pair = newSshPair()

beforeAll(async () => {
  ;({ server, stop } = await startServer('sqlite'))
  person = await server.addPerson()
  await server.ok('POST', '/api/ssh/keys', { token: person.token, body: { publicKey: pair.line } })
})
afterAll(() => stop())

const port = () => server.server.entrance.gateway!.port

/** A connection over which only the identification has been sent, and what has come back. */
async function greeted(): Promise<{ socket: Socket; received: () => Buffer; ended: Promise<unknown> }> {
  const socket = connect(port(), '127.0.0.1')
  const pieces: Buffer[] = []
  socket.on('error', () => {})
  const ended = new Promise((resolve) => socket.on('close', resolve))
  onTestFinished(() => void socket.destroy())
  socket.on('data', (piece: Buffer) => pieces.push(piece))
  await once(socket, 'connect')
  socket.write('SSH-2.0-Test\r\n')
  await once(socket, 'data')
  return { socket, received: () => Buffer.concat(pieces), ended }
}

/** A packet without encryption (RFC 4253 §6). */
function packet(payload: Buffer): Buffer {
  const padding = 8 - ((5 + payload.length) % 8) + 8
  const head = Buffer.alloc(5)
  head.writeUInt32BE(1 + payload.length + padding)
  head[4] = padding
  return Buffer.concat([head, payload, Buffer.alloc(padding)])
}

const list = (...names: string[]): Buffer => {
  const text = Buffer.from(names.join(','))
  const length = Buffer.alloc(4)
  length.writeUInt32BE(text.length)
  return Buffer.concat([length, text])
}
const kexinit = (): Buffer =>
  Buffer.concat([
    Buffer.from([Message.kexinit]),
    randomBytes(16),
    list('curve25519-sha256', 'kex-strict-c-v00@openssh.com'),
    list('ssh-ed25519'),
    ...[0, 1].map(() => list('aes256-gcm@openssh.com')),
    ...[0, 1].map(() => list('hmac-sha2-256-etm@openssh.com')),
    ...[0, 1].map(() => list('none')),
    ...[0, 1].map(() => list()),
    Buffer.alloc(5),
  ])

/** That the gateway still lets in who may come in. */
async function letsIn(): Promise<void> {
  const client = new ssh2.Client()
  onTestFinished(() => void client.end())
  client.on('error', () => {})
  client.connect({ host: '127.0.0.1', port: port(), username: 'x', privateKey: pair.privateKey })
  await once(client, 'ready')
}

describe('before keys are agreed on', () => {
  test('strict key exchange is offered, and something else before its end ends the connection (T1, CVE-2023-48795)', async () => {
    const { socket, received, ended } = await greeted()
    socket.write(packet(kexinit()))
    socket.write(packet(Buffer.from([Message.ignore, 0, 0, 0, 0])))
    await ended
    expect(received().toString('latin1')).toContain('kex-strict-s-v00@openssh.com')
  })

  test.each([
    ['USERAUTH_SUCCESS', Buffer.from([Message.userauthSuccess])],
    ['CHANNEL_OPEN', Buffer.concat([Buffer.from([Message.channelOpen]), list('session'), Buffer.alloc(12)])],
    [
      'GLOBAL_REQUEST',
      Buffer.concat([Buffer.from([Message.globalRequest]), list('tcpip-forward'), Buffer.alloc(9)]),
    ],
    ['CHANNEL_DATA', Buffer.concat([Buffer.from([Message.channelData]), Buffer.alloc(4), list('x')])],
  ])('%s before a login ends the connection (T3, CVE-2018-10933, CVE-2025-32433)', async (_name, payload) => {
    const { socket, received, ended } = await greeted()
    socket.write(packet(kexinit()))
    socket.write(packet(payload))
    await ended
    // Neither a confirmation of a channel nor success follows: only its own beginning, and goodbye.
    expect(received().length).toBeLessThan(2_000)
  })

  test.each(['00000000', '00000001', 'ffffffff', '7fffffff', '00100000'])(
    'a packet that says it has a length of %s ends the connection before it has come (T5)',
    async (length) => {
      const { socket, ended } = await greeted()
      socket.write(Buffer.concat([Buffer.from(length, 'hex'), Buffer.alloc(64)]))
      await ended
    },
  )

  test('floods of KEXINIT and of PING end, take no memory, and keep nobody out (T6, CVE-2016-8858, CVE-2025-26466)', async () => {
    const before = process.memoryUsage().rss
    for (const payload of [kexinit(), Buffer.concat([Buffer.from([Message.ping]), list('x'.repeat(1000))])]) {
      const { socket, received, ended } = await greeted()
      const flood = Buffer.concat(Array.from({ length: 10_000 }, () => packet(payload)))
      socket.write(flood)
      await ended
      expect(received().length).toBeLessThan(10_000)
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(96 * 1024 * 1024)
    await letsIn()
  })
})

test('who says nothing is shown out after 20 seconds (S4, T7)', { timeout: 60_000 }, async () => {
  const startedAt = Date.now()
  const silent = await Promise.all(Array.from({ length: 8 }, () => greeted()))
  await Promise.all(silent.map(({ ended }) => ended))
  const seconds = (Date.now() - startedAt) / 1000
  // Less than twice the time, however busy this machine is; and not at once either.
  expect(seconds).toBeGreaterThan(15)
  expect(seconds).toBeLessThan(40)
  await letsIn()
})

describe('after keys are agreed on', () => {
  test.each(['00000000', '00000001', 'ffffffff', '00100000'])(
    'a packet that says it has a length of %s ends the connection (T5)',
    async (length) => {
      const client = new ssh2.Client()
      client.on('error', () => {})
      onTestFinished(() => void client.end())
      client.connect({
        host: '127.0.0.1',
        port: port(),
        username: 'x',
        privateKey: pair.privateKey,
        algorithms: { cipher: ['aes256-gcm@openssh.com'] },
      })
      await once(client, 'ready')
      const gone = new Promise<void>((resolve) => client.on('close', () => resolve()))
      // With AES-GCM the length is not encrypted (RFC 5647 §7.3).
      const { _sock: socket } = client as unknown as { _sock: Socket } // `as`: ssh2's own state.
      socket.write(Buffer.concat([Buffer.from(length, 'hex'), Buffer.alloc(64)]))
      await gone
      await letsIn()
    },
  )
})

test.each([
  ['OpenSSH_9.2p1', ['aes256-gcm@openssh.com', 'aes128-gcm@openssh.com']],
  ['paramiko_2.12.0', ['aes256-gcm@openssh.com', 'aes128-gcm@openssh.com', 'aes256-ctr', 'aes128-ctr']],
])('%s is offered the ciphers that are fast, others also those that all have', async (name, ciphers) => {
  const socket = connect(port(), '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  let text = ''
  socket.on('data', (piece: Buffer) => {
    text += piece.toString('latin1')
  })
  socket.write(`SSH-2.0-${name}\r\n`)
  while (!text.includes('none')) await once(socket, 'data')
  expect(text.match(/aes\d+-[a-z]+(?:@[a-z.]+)?/g)).toEqual([...ciphers, ...ciphers])
  expect(text).toContain('kex-strict-s-v00@openssh.com')
})

describe('once keys are agreed on', () => {
  const uint32 = (...numbers: number[]) => {
    const bytes = Buffer.alloc(4 * numbers.length)
    for (const [i, number] of numbers.entries()) bytes.writeUInt32BE(number, 4 * i)
    return bytes
  }
  const session = (window: number, packetBytes: number) => [
    Buffer.of(Message.channelOpen),
    list('session'),
    uint32(0, window, packetBytes),
  ]
  const own = newLoginKey()
  const signedIn = async (): Promise<RawSsh> => {
    const client = await RawSsh.open(port())
    expect(await client.signIn(own.blob, own.privateKey)).toBe(Message.userauthSuccess)
    return client
  }
  beforeAll(() => server.ok('POST', '/api/ssh/keys', { token: person.token, body: { publicKey: own.line } }))

  test.each([
    ['GLOBAL_REQUEST', [Buffer.of(Message.globalRequest), list('keepalive@openssh.com'), Buffer.of(1)]],
    ['CHANNEL_OPEN', session(100_000, 32_768)],
    ['CHANNEL_DATA', [Buffer.of(Message.channelData), uint32(0), list('x')]],
  ])('%s before a login ends the connection (T3)', async (_name, payload) => {
    const client = await RawSsh.open(port())
    client.send(...payload)
    await client.ended()
  })

  test.each([0, 1, 1023])(
    'a channel in packets of %i bytes is refused: it would never end',
    async (bytes) => {
      const client = await signedIn()
      client.send(...session(100_000, bytes))
      expect((await client.receive())[0]).toBe(Message.channelOpenFailure)
      await letsIn()
    },
  )

  test('more than the window of a session ends the connection, also once its command has ended (S3, T8)', async () => {
    const client = await signedIn()
    client.send(...session(100_000, 32_768))
    const opened = await client.receive()
    expect(opened[0]).toBe(Message.channelOpenConfirmation)
    const [, ours, window] = [1, 5, 9].map((at) => opened.readUInt32BE(at))
    client.send(Buffer.of(Message.channelRequest), uint32(ours!), list('shell'), Buffer.of(0)) // `!`: it has 17 bytes.
    const piece = Buffer.alloc(32_000)
    for (let sent = 0; sent <= window! + 4 * 1024 * 1024; sent += piece.length)
      client.send(Buffer.of(Message.channelData), uint32(ours!), sshStrings(piece))
    await client.ended()
  })

  test.each([
    ['who has not signed in', false, 2],
    ['who has signed in', true, 17],
  ])('%s and reads nothing is cut off (S4)', async (_who, isKnown, mebibytes) => {
    const { promise: accepted, resolve: accept } = Promise.withResolvers<Socket>()
    const listener = createServer(accept).listen(0, '127.0.0.1')
    onTestFinished(() => void listener.close())
    await once(listener, 'listening')
    const reader = connect((listener.address() as AddressInfo).port, '127.0.0.1').pause() // `as`: it listens on TCP.
    onTestFinished(() => void reader.destroy())
    const socket = await accepted
    socket.on('error', () => {})
    sendPackets(socket, () => isKnown)
    // One less waits and is sent; more than the kernel takes is what waits.
    while (socket.writableLength < (mebibytes - 1) * 1024 * 1024) socket.write(Buffer.alloc(65_536))
    expect(socket.destroyed).toBe(false)
    for (let i = 0; i < 32; i++) socket.write(Buffer.alloc(65_536))
    expect(socket.destroyed).toBe(true)
  })
})
