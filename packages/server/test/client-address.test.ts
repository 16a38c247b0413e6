import type { IncomingMessage } from 'node:http'
import { isIP, isIPv4 } from 'node:net'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addressBlock, canonicalAddress } from '../src/base/address.ts'
import { readConfig } from '../src/config/config.ts'
import { clientConnection, isLoopbackAddress } from '../src/http/client-address.ts'
import { databases, startServer, type TestPerson, type TestServer } from './kit.ts'

/** What the client address is decided from. */
function from(
  remoteAddress: string | undefined,
  headers: Record<string, string | string[]> = {},
): IncomingMessage {
  return { socket: { remoteAddress }, headers } as unknown as IncomingMessage // `as`: nothing else of it is looked at.
}

const proxies = (list: string) => readConfig({ KEYHOLD_TRUSTED_PROXIES: list }).trustedProxies

const ipv4 = fc.ipV4()
const ipv6 = fc.ipV6()
const address = fc.oneof(ipv4, ipv6)

describe('the one form of an address', () => {
  test('is the same for all spellings', () => {
    const spellings: [string, string[]][] = [
      ['192.0.2.7', ['192.0.2.7', ' 192.0.2.7 ', '192.0.2.7:8080', '[192.0.2.7]:80', '::ffff:192.0.2.7']],
      [
        '192.0.2.7',
        ['::FFFF:192.0.2.7', '::ffff:c000:207', '0:0:0:0:0:ffff:c000:0207', '[::ffff:192.0.2.7]:443'],
      ],
      ['192.0.2.7', ['::ffff:192.0.2.7%eth0', '[::ffff:c000:207%1]:443']],
      ['2001:db8::1', ['2001:db8::1', '2001:DB8:0:0::1', '2001:0db8:0000:0000:0000:0000:0000:0001']],
      ['2001:db8::1', ['[2001:db8::1]', '[2001:db8::1]:443', '2001:db8::1%eth0', '2001:db8::0.0.0.1']],
      ['fe80::1', ['fe80::1%eth0', 'fe80::1%25eth0', '[fe80::1%lo]:1']],
    ]
    for (const [canonical, all] of spellings)
      for (const one of all) expect([one, canonicalAddress(one)]).toEqual([one, canonical])
  })

  test('is there for addresses only', () => {
    const none = [
      '',
      ' ',
      'unknown',
      '_hidden',
      'localhost',
      '192.0.2',
      '192.0.2.256',
      '192.0.2.07',
      '0xc0.0.2.7',
      '3221225991',
      '192.0.2.7/32',
      '192.0.2.7:',
      '192.0.2.7:port',
      '192.0.2.7 192.0.2.8',
      '192.0.2.7\n192.0.2.8',
      '::ffff:192.0.2.256',
      '2001:db8::1::2',
      '[2001:db8::1',
      '2001:db8::1]',
      '[]',
      '[]:80',
      '%eth0',
      'for=192.0.2.7',
      '"[2001:db8::1]"',
      '\0',
    ]
    for (const one of none) expect([one, canonicalAddress(one)]).toEqual([one, undefined])
  })

  test('is an address, is its own form, and keeps which address it is', () => {
    fc.assert(
      fc.property(address, (text) => {
        const canonical = canonicalAddress(text)!
        expect(isIP(canonical)).not.toBe(0)
        expect(canonicalAddress(canonical)).toBe(canonical)
        expect(canonicalAddress(text.toUpperCase())).toBe(canonical)
        if (isIPv4(text)) expect(canonicalAddress(`::ffff:${text}`)).toBe(text)
      }),
    )
  })

  test('of any text is an address or nothing, and never an error', () => {
    const hostile = fc.string({ unit: fc.constantFrom(...'0123456789abcdef.:%[]/, \n\0x-'), maxLength: 60 })
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' }), hostile), (text) => {
        const canonical = canonicalAddress(text)
        expect(canonical === undefined || isIP(canonical) !== 0).toBe(true)
      }),
      { numRuns: 1_000 },
    )
  })

  test('the /64 of an IPv6 address depends on its first half only', () => {
    expect(addressBlock('2001:db8:1:2:3:4:5:6')).toBe('2001:db8:1:2::/64')
    expect(addressBlock('2001:db8::')).toBe('2001:db8:0:0::/64')
    expect(addressBlock('::1')).toBe('0:0:0:0::/64')
    const half = fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 4, maxLength: 4 })
    fc.assert(
      fc.property(half, half, half, (network, host, other) => {
        const write = (groups: number[]) =>
          canonicalAddress([...network, ...groups].map((group) => group.toString(16)).join(':'))!
        fc.pre(isIP(write(host)) === 6 && isIP(write(other)) === 6)
        expect(addressBlock(write(host))).toBe(addressBlock(write(other)))
        expect(addressBlock(write(host))).toBe(`${network.map((group) => group.toString(16)).join(':')}::/64`)
      }),
    )
  })
})

describe('the client of a request', () => {
  test('without trusted proxies no header changes it (A2, KEY-9)', () => {
    fc.assert(
      fc.property(address, fc.string(), fc.string(), (peer, forwarded, protocol) => {
        const spoofed = from(peer, { 'x-forwarded-for': forwarded, 'x-forwarded-proto': protocol, forwarded })
        const plain = clientConnection(from(peer), false, undefined)
        expect(clientConnection(spoofed, false, undefined)).toEqual(plain)
        expect(plain).toEqual({ address: canonicalAddress(peer), isSecure: false })
        // Nor does it when somebody else is trusted.
        const others = proxies('198.51.100.1,2001:db8:ffff::1')
        expect(clientConnection(spoofed, false, others)).toEqual(plain)
      }),
    )
  })

  test('is the right-most hop that is not a trusted proxy, whatever stands to its left', () => {
    const trusted = proxies('10.0.0.0/8, fd00::/8')
    const proxy = fc.oneof(
      fc.integer({ min: 0, max: 255 }).map((n) => `10.1.2.${n}`),
      fc.integer({ min: 0, max: 0xffff }).map((n) => `fd00::${n.toString(16)}`),
    )
    const outside = address.filter((text) => !/^(10\.|f[cd])/i.test(canonicalAddress(text)!))
    const junk = fc.oneof(address, fc.string({ unit: fc.constantFrom(...'0123456789abcdef.:%[]; "_') }))
    fc.assert(
      fc.property(
        fc.array(junk),
        outside,
        fc.array(proxy, { maxLength: 5 }),
        proxy,
        (left, client, right, peer) => {
          const forwarded = [...left, client, ...right].join(', ')
          const found = clientConnection(from(peer, { 'x-forwarded-for': forwarded }), false, trusted)
          expect(found.address).toBe(canonicalAddress(client))
        },
      ),
      { numRuns: 1_000 },
    )
  })

  test('ports, zones, mapped addresses, repeated headers and garbage', () => {
    const trusted = proxies('10.0.0.1')
    const find = (value: string | string[]) =>
      clientConnection(from('::ffff:10.0.0.1', { 'x-forwarded-for': value }), false, trusted).address
    expect(find('203.0.113.9:5123')).toBe('203.0.113.9')
    expect(find('[2001:db8::9]:5123')).toBe('2001:db8::9')
    expect(find('fe80::9%eth0')).toBe('fe80::9')
    expect(find('::ffff:203.0.113.9')).toBe('203.0.113.9')
    expect(find('::ffff:10.0.0.1')).toBe('10.0.0.1')
    expect(find(['1.1.1.1', '203.0.113.9'])).toBe('203.0.113.9')
    // What the proxy next to us says it cannot read is not skipped over to what the client wrote.
    expect(find('127.0.0.1, unknown')).toBe('10.0.0.1')
    expect(find('127.0.0.1, ')).toBe('10.0.0.1')
    expect(find('127.0.0.1, 203.0.113.9/32')).toBe('10.0.0.1')
    expect(find('')).toBe('10.0.0.1')
    // Ten thousand hops are looked at no longer than a few.
    expect(find(Array(10_000).fill('10.0.0.1').join(','))).toBe('10.0.0.1')
    expect(find(`127.0.0.1,${Array(10_000).fill('10.0.0.1').join(',')}`)).toBe('10.0.0.1')
    expect(clientConnection(from(undefined), false, trusted).address).toBe('unknown')
  })

  test('a proxy may be given in any spelling', () => {
    for (const list of ['10.0.0.1', '10.0.0.1/32', '10.0.0.0/8', '::ffff:10.0.0.1', '::ffff:10.0.0.0/104']) {
      const found = clientConnection(
        from('10.0.0.1', { 'x-forwarded-for': '203.0.113.9' }),
        false,
        proxies(list),
      )
      expect([list, found.address]).toEqual([list, '203.0.113.9'])
    }
    for (const list of ['10.0.0.2', '10.0.0.0/32', '::ffff:11.0.0.0/104', '2001:db8::/32']) {
      const found = clientConnection(
        from('10.0.0.1', { 'x-forwarded-for': '203.0.113.9' }),
        false,
        proxies(list),
      )
      expect([list, found.address]).toEqual([list, '10.0.0.1'])
    }
  })

  test('is on an encrypted connection only when the proxy next to us says https, or it is TLS', () => {
    const trusted = proxies('10.0.0.1')
    const isSecure = (value: string | string[] | undefined) =>
      clientConnection(
        from('10.0.0.1', value === undefined ? {} : { 'x-forwarded-proto': value }),
        false,
        trusted,
      ).isSecure
    expect([isSecure('https'), isSecure('HTTPS '), isSecure('http, https')]).toEqual([true, true, true])
    for (const value of [undefined, '', 'http', 'https, http', 'https,', 'wss', ['https', 'http']])
      expect([value, isSecure(value)]).toEqual([value, false])
    expect(clientConnection(from('203.0.113.9'), true, undefined).isSecure).toBe(true)
  })

  test('loopback is loopback and nothing that looks like it', () => {
    for (const one of ['127.0.0.1', '127.8.9.10', '::1']) expect(isLoopbackAddress(one)).toBe(true)
    for (const one of ['unknown', '', '12.7.0.0', '::', '::2', '0.0.0.0', '10.0.0.1', '1::1', '2127:0::1'])
      expect([one, isLoopbackAddress(one)]).toEqual([one, false])
  })
})

describe.each(databases)('the IP restriction of an access key on %s', (database) => {
  const path = '/api/v1/projects/current/secrets'
  const fromAddress = (list: string) => ({ 'x-forwarded-for': list, 'x-forwarded-proto': 'https' })

  async function withKeys(env: Record<string, string>) {
    const started = await startServer(database, env)
    const owner = await started.server.addPerson('admin')
    const project = await started.server.addProject(owner)
    await started.server.addSecret(owner, project.id, { name: 'A_TOKEN', value: 'a value of some length' })
    return { ...started, owner, project }
  }

  describe('with no trusted proxy', () => {
    let server: TestServer
    let stop: () => Promise<void>
    let owner: TestPerson
    let project: { id: string }
    beforeAll(async () => {
      ;({ server, stop, owner, project } = await withKeys({}))
    })
    afterAll(() => stop())

    test('403 for secrets and environments from elsewhere, 200 from a listed address; headers change neither (KEY-9)', async () => {
      const elsewhere = await server.addKey(owner, project.id, {
        permission: 'read_write',
        ipRestriction: ['203.0.113.7'],
      })
      const here = await server.addKey(owner, project.id, { ipRestriction: ['127.0.0.1'] })
      const spoofs: Record<string, string>[] = [
        {},
        fromAddress('203.0.113.7'),
        { forwarded: 'for=203.0.113.7' },
        { 'x-real-ip': '203.0.113.7', 'true-client-ip': '203.0.113.7', 'cf-connecting-ip': '203.0.113.7' },
      ]
      const requests: [string, string, object?][] = [
        ['GET', path],
        ['GET', `${path}/A_TOKEN`],
        ['POST', path, { name: 'B_TOKEN', type: 'token', value: 'another value' }],
        ['PATCH', `${path}/A_TOKEN`, { value: 'another value' }],
        ['GET', '/api/v1/projects/current/environments'],
        ['GET', '/api/v1/projects/current'],
      ]
      for (const headers of spoofs) {
        for (const [method, url, body] of requests) {
          const answer = await server.request(method, url, { key: elsewhere, headers, ...(body && { body }) })
          expect([method, url, headers, answer.body.code]).toEqual([
            method,
            url,
            headers,
            'access.address_refused',
          ])
          const [record] = await server.records(1)
          expect(record).toMatchObject({
            outcome: 'refused',
            reason: 'access.address_refused',
            address: '127.0.0.1',
          })
        }
        expect((await server.request('GET', path, { key: here, headers })).status).toBe(200)
      }
    })
  })

  describe('behind a trusted proxy', () => {
    let server: TestServer
    let stop: () => Promise<void>
    let owner: TestPerson
    let project: { id: string }
    beforeAll(async () => {
      ;({ server, stop, owner, project } = await withKeys({
        KEYHOLD_TRUSTED_PROXIES: '127.0.0.1,10.0.0.0/8',
      }))
    })
    afterAll(() => stop())

    test('counts the right-most hop that is no proxy, mapped or not (A2)', async () => {
      const key = await server.addKey(owner, project.id, { ipRestriction: ['203.0.113.7', '2001:db8::/32'] })
      const ask = async (list: string) =>
        (await server.request('GET', path, { key, headers: fromAddress(list) })).status
      for (const list of [
        '203.0.113.7',
        '::ffff:203.0.113.7',
        '203.0.113.7:4711',
        '198.51.100.1, 203.0.113.7',
        'garbage, 203.0.113.7, 10.0.0.3',
        '[2001:db8::1]:80',
      ])
        expect([list, await ask(list)]).toEqual([list, 200])
      for (const list of [
        '198.51.100.1',
        '203.0.113.7, 198.51.100.1',
        '203.0.113.7, garbage',
        '203.0.113.70',
        '',
      ])
        expect([list, await ask(list)]).toEqual([list, 403])
    })
  })
})
