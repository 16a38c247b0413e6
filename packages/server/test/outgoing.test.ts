import { execFileSync } from 'node:child_process'
import type { lookup as systemLookup } from 'node:dns'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, BlockList, createServer as createTcpServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { Secret } from '@keyhold/contract/secret'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Outgoing, type OutgoingRequest } from '../src/base/outgoing.ts'

const servers: Server[] = []
let seen: { request: IncomingMessage; body: string }[] = []

async function listen(server: Server, host = '127.0.0.1'): Promise<number> {
  servers.push(server)
  server.listen(0, host)
  await once(server, 'listening')
  return (server.address() as AddressInfo).port // `as`: it listens on TCP.
}

/** Answers by path: what a server that means harm, or is broken, would do. */
const answer: RequestListener = async (request, response) => {
  let body = ''
  for await (const chunk of request) body += chunk
  seen.push({ request, body })
  if (request.url === '/redirect') return void response.writeHead(302, { location: '/landed' }).end()
  if (request.url === '/never') return
  if (request.url === '/half') {
    response.writeHead(200, { 'content-length': 100 }).write('half')
    return void setImmediate(() => response.destroy())
  }
  if (request.url === '/huge') {
    response.on('error', () => {})
    return void response.writeHead(200).end(Buffer.alloc(3 * 1024 * 1024))
  }
  if (request.url === '/drip') {
    response.writeHead(200)
    const timer = setInterval(() => response.write('.'), 5)
    return void response.on('close', () => clearInterval(timer))
  }
  response.writeHead(request.url === '/broken' ? 500 : 200).end('{"is":"json"}')
}

const allowed = (...addresses: string[]) => {
  const list = new BlockList()
  for (const address of addresses) list.addAddress(address, address.includes(':') ? 'ipv6' : 'ipv4')
  return list
}

/** A resolver that answers each time with the next of `answers`, the last one for ever. */
function resolver(...answers: string[][]) {
  let asked = 0
  const lookup = ((_name: string, _options: object, callback: (...args: unknown[]) => void) => {
    const addresses = answers[Math.min(asked, answers.length - 1)]!
    asked += 1
    process.nextTick(() =>
      callback(
        null,
        addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      ),
    )
  }) as unknown as typeof systemLookup // `as`: the one form of several that Outgoing calls.
  return { lookup, asked: () => asked }
}

const failure = (outgoing: Outgoing, request: Partial<OutgoingRequest> & { url: string }) =>
  outgoing.send({ method: 'GET', ...request }).then(
    ({ status }) => `answered ${status}`,
    (error: { failure?: string }) => error.failure,
  )

let folder: string
let port: number
let tlsPort: number
let ca: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'keyhold-outgoing-'))
  const files = { cert: join(folder, 'crt'), key: join(folder, 'key') }
  execFileSync(
    'openssl',
    // biome-ignore format: one command line
    ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1',
      '-subj', '/CN=git.example', '-addext', 'subjectAltName=DNS:git.example', '-keyout', files.key, '-out', files.cert],
    { stdio: 'ignore' },
  )
  ca = readFileSync(files.cert, 'utf8')
  port = await listen(createServer(answer))
  tlsPort = await listen(createTlsServer({ cert: ca, key: readFileSync(files.key) }, answer))
})
afterAll(() => {
  for (const server of servers) {
    if ('closeAllConnections' in server) (server as ReturnType<typeof createServer>).closeAllConnections() // `as`: it has the method.
    server.close()
  }
  rmSync(folder, { recursive: true, force: true })
})

const local = new Outgoing(allowed('127.0.0.1'))
const at = (path: string) => `http://127.0.0.1:${port}${path}`

describe('what is asked', () => {
  test('arrives: method, headers, form and JSON; the answer has status and body', async () => {
    seen = []
    const form = await local.send({
      method: 'POST',
      url: at('/form?x=1'),
      authorization: new Secret('Bearer abc'),
      form: { code: new Secret('a&b='), plain: 'ü' },
    })
    expect([form.status, form.isSuccess, form.json]).toEqual([200, true, { is: 'json' }])
    expect(seen[0]).toMatchObject({
      body: 'code=a%26b%3D&plain=%C3%BC',
      request: { method: 'POST', url: '/form?x=1', headers: { authorization: 'Bearer abc' } },
    })
    await local.send({ method: 'PUT', url: at('/json'), json: { a: [1] } })
    expect(seen[1]!.body).toBe('{"a":[1]}')
    const broken = await local.send({ method: 'GET', url: at('/broken') })
    expect([broken.status, broken.isSuccess]).toEqual([500, false])
    expect(inspect(broken) + JSON.stringify(broken)).not.toContain('json"')
  })

  test('a redirect is an answer, and is not followed', async () => {
    seen = []
    expect((await local.send({ method: 'GET', url: at('/redirect') })).status).toBe(302)
    expect(seen.map(({ request }) => request.url)).toEqual(['/redirect'])
  })
})

describe('what is refused', () => {
  test.each([
    'https://127.0.0.1/',
    'https://127.1/',
    'https://2130706433/',
    'https://0x7f.0.0.1/',
    'https://0/',
    'https://169.254.169.254/latest/meta-data/',
    'https://100.100.100.200/',
    'https://168.63.129.16/',
    'https://224.0.0.1/',
    'https://255.255.255.255/',
    'https://[::1]/',
    'https://[::]/',
    'https://[::ffff:127.0.0.1]/',
    'https://[::ffff:7f00:1]/',
    'https://[::127.0.0.1]/',
    'https://[64:ff9b::7f00:1]/',
    'https://[2002:7f00:1::]/',
    'https://[2001::1]/',
    'https://[fe80::1]/',
    'https://[fec0::1]/',
    'https://[ff02::1]/',
    'https://[fd00:ec2::254]/',
  ])('%s, also for what is self-hosted', async (url) => {
    for (const isPrivateAllowed of [false, true])
      expect(await failure(new Outgoing(), { url, isPrivateAllowed })).toBe('address-refused')
  })

  test.each(['10.0.0.1', '172.31.255.254', '192.168.1.1', '100.64.0.1', 'fd12::1', '::ffff:10.0.0.1'])(
    '%s, by address and by name, unless it is self-hosted',
    async (address) => {
      const { lookup } = resolver([address])
      const outgoing = new Outgoing(undefined, lookup)
      const literal = `https://${address.includes(':') ? `[${address}]` : address}:1/`
      for (const url of [literal, 'https://git.example:1/'])
        expect(await failure(outgoing, { url })).toBe('address-refused')
      const open = { url: literal, isPrivateAllowed: true, connectMs: 50 }
      expect(await failure(outgoing, open)).not.toBe('address-refused')
    },
  )

  test.each([
    'ftp://git.example/',
    'file:///etc/passwd',
    'nonsense',
    'https://user:password@git.example/',
    'https://user@git.example/',
  ])('%s, which is no address to call', async (url) => {
    expect(await failure(new Outgoing(), { url })).toBe('bad-url')
  })

  test('plain HTTP, to addresses that are not on the list', async () => {
    const { lookup } = resolver(['8.8.8.8'])
    expect(await failure(new Outgoing(undefined, lookup), { url: 'http://git.example/' })).toBe('insecure')
    expect(await failure(new Outgoing(), { url: 'http://8.8.8.8/' })).toBe('insecure')
    expect(await failure(local, { url: at('/') })).toBe('answered 200')
  })

  test('a name when any of its addresses is refused', async () => {
    const { lookup } = resolver(['8.8.8.8', '127.0.0.1'])
    expect(await failure(new Outgoing(undefined, lookup), { url: 'https://git.example/' })).toBe(
      'address-refused',
    )
  })

  test('a name that leads elsewhere when it is asked again (rebinding)', async () => {
    const { lookup, asked } = resolver(['127.0.0.1'], ['127.0.0.2'])
    const outgoing = new Outgoing(allowed('127.0.0.1'), lookup)
    const url = `http://git.example:${port}/`
    // One look-up: what was checked is what is connected to.
    expect([await failure(outgoing, { url }), asked()]).toEqual(['answered 200', 1])
    expect([await failure(outgoing, { url }), asked()]).toEqual(['address-refused', 2])
  })

  test('a name that does not exist', async () => {
    const lookup = ((_name: string, _options: object, callback: (error: Error) => void) =>
      process.nextTick(() => callback(new Error('ENOTFOUND git.example')))) as unknown as typeof systemLookup
    expect(await failure(new Outgoing(undefined, lookup), { url: 'https://git.example/' })).toBe('unresolved')
  })

  test('a header that would end the line', async () => {
    expect(await failure(local, { url: at('/'), headers: { 'x-name': 'a\r\nb: c' } })).toBe('bad-url')
  })
})

describe('certificates', () => {
  const byName = (name: string) => ({ url: `https://${name}:${tlsPort}/` })
  const outgoing = () => new Outgoing(allowed('127.0.0.1'), resolver(['127.0.0.1']).lookup)

  test('its own CA is trusted, for its own name only', async () => {
    expect(await failure(outgoing(), { ...byName('git.example'), ca })).toBe('answered 200')
    expect(await failure(outgoing(), { ...byName('other.example'), ca })).toBe('certificate')
  })
  test('another CA is not, nor is the list of addresses a way round', async () => {
    expect(await failure(outgoing(), byName('git.example'))).toBe('certificate')
    expect(await failure(outgoing(), { ...byName('git.example'), ca: 'nonsense' })).toMatch(
      /^(certificate|unreachable)$/,
    )
  })
})

describe('servers that do harm', () => {
  test('no answer, a slow one, half of one, too much of one: an error in time', async () => {
    const soon = { deadlineMs: 150 }
    expect(await failure(local, { url: at('/never'), ...soon })).toBe('timeout')
    expect(await failure(local, { url: at('/drip'), ...soon })).toBe('timeout')
    expect(await failure(local, { url: at('/half') })).toBe('unreachable')
    expect(await failure(local, { url: at('/huge') })).toBe('too-large')
  })

  test('a connection that comes to nothing', async () => {
    const silent = await listen(createTcpServer(() => {}))
    expect(await failure(local, { url: `https://127.0.0.1:${silent}/`, connectMs: 100 })).toBe(
      'connect-timeout',
    )
    const closed = createTcpServer()
    const closedPort = await listen(closed)
    closed.close()
    expect(await failure(local, { url: `http://127.0.0.1:${closedPort}/` })).toBe('unreachable')
  })

  test('errors name neither the query nor the body', async () => {
    const error: unknown = await local
      .send({
        method: 'POST',
        url: `${at('/never')}?key=canary1`,
        form: { code: 'canary2' },
        authorization: new Secret('canary3'),
        deadlineMs: 50,
      })
      .catch((thrown: unknown) => thrown)
    expect(inspect(error, { depth: 9, showHidden: true }) + (error as Error).stack).not.toContain('canary')
  })
})
