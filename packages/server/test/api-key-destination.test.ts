import { apiKeyPresets } from '@keyhold/contract/api-key-presets'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  assertPaths,
  authorizeRequest,
  canonicalBaseUrl,
  canonicalHosts,
  canonicalPlacement,
  type Destination,
  withoutParameter,
} from '../src/credentials/api-key/destination.ts'

const key: Destination = {
  baseUrl: 'https://api.x.com/v1',
  allowedHosts: ['api.x.com', 'files.x.com:8443', 'xn--mnchen-3ya.example', 'localhost:80', '[::1]:9000'],
  placement: { kind: 'bearer' },
  allowedMethods: null,
  allowedPaths: null,
}
const limited: Destination = { ...key, allowedMethods: ['GET'], allowedPaths: ['/v1/models', '/v1/files/'] }

const isAllowed = (to: Destination, url: string, method = 'GET') =>
  authorizeRequest(to, { method, url }).isAllowed

describe('a request carries the key (SDS-33)', () => {
  test.each([
    'https://api.x.com',
    'https://api.x.com/',
    'https://api.x.com/v1/models?a=b&c=%20d&e=//f/../g',
    'https://API.X.com/v1',
    'https://api.x.com:443/v1',
    'https://files.x.com:8443/a.b/..c/d..',
    'https://xn--mnchen-3ya.example/',
    'https://api.x.com/group%2Fproject',
    'https://api.x.com?query=1',
    'http://localhost/',
    'http://localhost:80/',
    'https://[::1]:9000/x',
  ])('to %j', (url) => {
    expect(isAllowed(key, url)).toBe(true)
  })

  test.each(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])('with %s', (method) => {
    expect(isAllowed(key, 'https://api.x.com/', method)).toBe(true)
    expect(isAllowed(limited, 'https://api.x.com/v1/models', method)).toBe(method === 'GET')
  })

  test.each(['/v1/models', '/v1/models/', '/v1/models/gpt?x=/admin', '/v1/files/a', '/v1/files/'])(
    'below an allowed path: %s',
    (path) => {
      expect(isAllowed(limited, `https://api.x.com${path}`)).toBe(true)
    },
  )

  test('the decision names host and URL as they are used', () => {
    expect(authorizeRequest(key, { method: 'GET', url: 'https://API.x.com:443?q=secret' })).toMatchObject({
      host: 'api.x.com',
      url: { href: 'https://api.x.com/?q=secret' },
    })
  })
})

describe('a request does not carry the key (SDS-33)', () => {
  test.each([
    ['another host', 'https://evil.com/'],
    ['a sub-domain', 'https://evil.api.x.com/'],
    ['the domain above', 'https://x.com/'],
    ['the allowed name as a prefix', 'https://api.x.com.evil.com/'],
    ['the allowed name as a suffix', 'https://evilapi.x.com/'],
    ['the allowed name with a dot after it', 'https://api.x.com./'],
    ['a host that looks alike', 'https://api.х.com/'],
    ['full-width letters', 'https://ａpi.x.com/'],
    ['an IDN that is not in its ASCII form', 'https://münchen.example/'],
    ['user info before another host', 'https://api.x.com@evil.com/'],
    ['user info with a port', 'https://api.x.com:443@evil.com/'],
    ['user info before the right host', 'https://user:password@api.x.com/'],
    ['empty user info', 'https://@api.x.com/'],
    ['a backslash before user info', 'https://evil.com\\@api.x.com/'],
    ['a backslash as slash', 'https:\\\\api.x.com\\'],
    ['a backslash in the path', 'https://api.x.com/a\\b'],
    ['an encoded host', 'https://api%2ex.com/'],
    ['another port', 'https://api.x.com:8443/'],
    ['port 80 over https', 'https://api.x.com:80/'],
    ['the default port where another is allowed', 'https://files.x.com/'],
    ['http', 'http://api.x.com/'],
    ['http on the right port', 'http://api.x.com:443/'],
    ['http to another port of localhost', 'http://localhost:8080/'],
    ['https to a localhost that is allowed over http', 'https://localhost/'],
    ['ws', 'wss://api.x.com/'],
    ['ftp', 'ftp://api.x.com/'],
    ['file', 'file://api.x.com/etc/passwd'],
    ['data', 'data:text/plain,https://api.x.com/'],
    ['no scheme', '//api.x.com/'],
    ['a path alone', '/v1/models'],
    ['one slash', 'https:/api.x.com/'],
    ['three slashes', 'https:///api.x.com/'],
    ['no slash', 'https:api.x.com/'],
    ['a tab in the scheme', 'ht\ttps://api.x.com/'],
    ['a newline in the host', 'https://api.x\n.com/'],
    ['a space before', ' https://api.x.com/'],
    ['a space after', 'https://api.x.com/ '],
    ['NUL', 'https://api.x.com/\u0000'],
    ['header injection', 'https://api.x.com/\r\nHost: evil.com'],
    ['a fragment', 'https://api.x.com/#@evil.com'],
    ['a fragment in the host', 'https://evil.com#.api.x.com/'],
    ['a query in the host', 'https://evil.com?.api.x.com/'],
    ['a dot segment', 'https://api.x.com/v1/./models'],
    ['a double-dot segment', 'https://api.x.com/v1/../admin'],
    ['a double-dot segment at the end', 'https://api.x.com/v1/..'],
    ['an encoded dot segment', 'https://api.x.com/v1/%2e%2e/admin'],
    ['a half-encoded dot segment', 'https://api.x.com/v1/.%2E/admin'],
    ['a dot segment with a parameter', 'https://api.x.com/v1/..;x/admin'],
    ['an empty segment', 'https://api.x.com/v1//models'],
    ['two slashes first', 'https://api.x.com//evil.com/'],
    ['an encoded NUL', 'https://api.x.com/v1%00'],
    ['characters that have to be encoded', 'https://api.x.com/ä'],
    ['nothing', ''],
  ])('%s: %j', (_what, url) => {
    expect(isAllowed(key, url)).toBe(false)
  })

  test.each(['TRACE', 'CONNECT', 'get', 'PROPFIND', '', 'GET ', 'POST\r\nX: y'])('method %j', (method) => {
    expect(isAllowed(key, 'https://api.x.com/', method)).toBe(false)
  })

  test.each([
    '',
    '/',
    '/v1',
    '/v1/',
    '/v1/modelsx',
    '/v1/models-x',
    '/V1/models',
    '/v1/file',
    '/v1/files',
    '/admin?x=/v1/models',
    '/v1/models%2F..%2Fadmin',
    '/v1/models/%2e%2e/admin',
    '/v1/models/..%2fadmin',
    '/v1/models/..%5cadmin',
    '/v1/models/%252e%252e/admin',
    '/v1/models/%c0%ae%c0%ae/admin',
    '/v1/models/..%3bx/admin',
    '/v1/models/%u002e%u002e/admin',
    '/v1/models/..%252fadmin',
    '/v1/models/..;/admin',
    '/v1/%6dodels',
    '//v1/models',
    '/v1/models//x',
  ])('outside the allowed paths: %j', (path) => {
    expect(isAllowed(limited, `https://api.x.com${path}`)).toBe(false)
  })

  test('a redirect to another host, scheme, port or path is refused when it is asked for', () => {
    const from = 'https://api.x.com/v1/models'
    expect(isAllowed(limited, from)).toBe(true)
    for (const location of [
      'https://evil.com/',
      '//evil.com/',
      'http://api.x.com/v1/models',
      ':8443/',
      '/admin',
    ]) {
      const target = location.startsWith(':') ? `https://api.x.com${location}` : new URL(location, from).href
      expect([location, isAllowed(limited, target)]).toEqual([location, false])
    }
  })

  test('reasons quote nothing of the request', () => {
    for (const url of ['https://marker.com/', 'https://api.x.com/marker/..', 'http://marker', 'marker'])
      expect(JSON.stringify(authorizeRequest(key, { method: 'GET', url }))).not.toContain('marker')
  })

  test('whatever text it is: what is allowed goes to an allowed host over a secure connection', () => {
    const pieces = fc.constantFrom(
      'https://',
      'http:',
      '//',
      '/',
      '\\',
      '@',
      ':',
      '#',
      '?',
      'api.x.com',
      'evil.com',
      '.',
      '443',
      '%2e',
      '\t',
      'ä',
      'localhost',
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(pieces, { maxLength: 8 }).map((list) => list.join('')),
          fc.webUrl(),
          fc.string(),
        ),
        (url) => {
          const decision = authorizeRequest(key, { method: 'GET', url })
          if (!decision.isAllowed) return
          expect(['api.x.com', 'localhost']).toContain(new URL(url).hostname)
          expect(new URL(url).href).toBe(decision.url.href)
        },
      ),
      { numRuns: 5_000 },
    )
  })
})

describe('what is stored', () => {
  test.each([
    ['https://api.x.com', 'https://api.x.com', 'api.x.com'],
    ['https://API.X.com:443/v1/', 'https://api.x.com/v1', 'api.x.com'],
    ['https://api.x.com:8443/a/b', 'https://api.x.com:8443/a/b', 'api.x.com:8443'],
    ['https://münchen.example', 'https://xn--mnchen-3ya.example', 'xn--mnchen-3ya.example'],
    ['http://localhost', 'http://localhost', 'localhost:80'],
    ['http://127.0.0.1:3000/x', 'http://127.0.0.1:3000/x', '127.0.0.1:3000'],
    ['http://[::1]:9000', 'http://[::1]:9000', '[::1]:9000'],
  ])('the base URL %j is kept as %j', (text, baseUrl, host) => {
    expect(canonicalBaseUrl(text)).toEqual({ baseUrl, host })
  })

  test.each([
    'api.x.com',
    'http://api.x.com',
    'http://localhost.evil.com',
    'http://evil.localhost',
    'ftp://api.x.com',
    'javascript:alert(1)',
    'https://user@api.x.com',
    'https://user:password@api.x.com',
    'https://@api.x.com',
    'https://api.x.com/?',
    'https://api.x.com/?a=b',
    'https://api.x.com/#',
    'https://api.x.com//v1',
    'https://api.x.com/%2e%2e/v1',
    'https://api.x.com./',
    'https:\\\\api.x.com',
    'https:/api.x.com',
    'https://api.x\t.com',
    ' https://api.x.com',
    'https://',
    '',
  ])('the base URL %j is refused', (text) => {
    expect(() => canonicalBaseUrl(text)).toThrow('request.invalid')
  })

  test('hosts are kept in one form, each once', () => {
    expect(
      canonicalHosts(['API.x.com', 'api.x.com:443', 'api.x.com:8443', 'ß.example', '[::1]:80', '0x7f.1']),
    ).toEqual(['api.x.com', 'api.x.com:8443', 'xn--zca.example', '[::1]:80', '127.0.0.1'])
  })

  test.each([
    '*',
    '*.x.com',
    'a*.x.com',
    'https://x.com',
    'x.com/',
    'x.com?',
    'x.com#',
    'user@x.com',
    'x.com.',
    'x .com',
    'x\t.com',
    'x.com:99999',
    'x.com:port',
    'x%2ecom',
    'x\\y',
    '',
    ':443',
  ])('the host %j is refused', (text) => {
    expect(() => canonicalHosts(['ok.com', text])).toThrow('request.invalid')
  })

  test('paths are plain', () => {
    expect(() => assertPaths(['/', '/v1/models', '/v1/files/', '/a%20b', '/a:b@c;d=e'])).not.toThrow()
    for (const path of [
      '',
      'v1',
      '/v1/../x',
      '/v1//x',
      '/v1/*?',
      '/v1?x',
      '/v1#x',
      '/%2e',
      '/a%2fb',
      '/ä',
      '/a b',
      '/a\\b',
    ])
      expect(() => assertPaths([path]), path).toThrow('request.invalid')
  })

  test.each([
    'Connection',
    'host',
    'Cookie',
    'content-length',
    'Transfer-Encoding',
    'TE',
    'Upgrade',
    'Proxy-Authorization',
    'Keep-Alive',
    'X-Forwarded-For',
  ])('a key is no %s header', (name) => {
    expect(() => canonicalPlacement({ kind: 'header', name })).toThrow('request.invalid')
  })

  test('header names are kept in lower case', () => {
    expect(canonicalPlacement({ kind: 'header', name: 'X-API-Key' })).toEqual({
      kind: 'header',
      name: 'x-api-key',
    })
  })

  test('a parameter of the key’s name is taken out of the query, however it is spelled, and nothing else changes', () => {
    expect(withoutParameter('?a=1&key=x&b=%20+y&k%65y=z&KEY=w&key', 'key')).toBe('?a=1&b=%20+y&KEY=w')
    expect(withoutParameter('?key=x', 'key')).toBe('')
    expect(withoutParameter('', 'key')).toBe('')
  })

  test('presets are canonical, sorted, and allow their own base URL', () => {
    expect(apiKeyPresets.map(({ id }) => id)).toEqual(apiKeyPresets.map(({ id }) => id).toSorted())
    for (const { baseUrl, allowedHosts, placement, note } of apiKeyPresets) {
      expect(canonicalBaseUrl(baseUrl).baseUrl).toBe(baseUrl)
      expect(canonicalHosts(allowedHosts)).toEqual(allowedHosts)
      if (placement) expect(canonicalPlacement(placement)).toEqual(placement)
      else expect(note).not.toBe('')
      const of: Destination = { ...key, baseUrl, allowedHosts }
      expect(isAllowed(of, `${baseUrl}/anything`)).toBe(true)
    }
  })
})
