import { generateKeyPairSync, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodedForms } from '../src/encoded-forms.ts'
import { Masker } from '../src/masking.ts'

const TOKEN = 'sk_live_51HqLyjWDarjtT1zdp7dc'
/** Has a character for each kind of escape: quotes, backslash, slash, blank, markup, percent, plus, not ASCII. */
const AWKWARD = 'Pa"ss\'w\\o/r d<&>%+$`!é€=9'
const PEM = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
}).privateKey
const PEM_BODY = PEM.trim().split('\n').slice(1, -1)

type Secrets = Record<string, string | Uint8Array>

function maskerOf(secrets: Secrets, replacement: 'blank' | 'label' = 'blank'): Masker {
  const list = Object.entries(secrets).map(([name, value]) => ({ name, value: Buffer.from(value) }))
  return new Masker(list, { replacement })
}

function run(masker: Masker, input: string | Uint8Array, chunkBytes = Number.POSITIVE_INFINITY): string {
  const bytes = Buffer.from(input)
  const stream = masker.stream()
  const pieces: Uint8Array[] = []
  for (let at = 0; at < bytes.length; at += Math.min(chunkBytes, bytes.length)) {
    pieces.push(...stream.write(bytes.subarray(at, at + chunkBytes)))
  }
  pieces.push(...stream.end())
  return Buffer.concat(pieces).toString()
}

/** Masks in one piece, and in pieces of 1, 2, 7 and 61 bytes: all must agree. */
function mask(
  secrets: Secrets,
  input: string | Uint8Array,
  replacement: 'blank' | 'label' = 'blank',
): string {
  const masker = maskerOf(secrets, replacement)
  const whole = run(masker, input)
  for (const size of [1, 2, 7, 61]) expect(run(masker, input, size)).toBe(whole)
  return whole
}

describe('the value itself', () => {
  test('SEC-30: an echoed token leaves a blank', () => {
    expect(mask({ GITHUB_TOKEN: 'ghp_abc123def456' }, 'Token: ghp_abc123def456\n')).toBe('Token: \n')
  })

  test('SEC-32: a line without the value stays as it is', () => {
    expect(mask({ GITHUB_TOKEN: 'ghp_abc123def456' }, 'Token loaded successfully\n')).toBe(
      'Token loaded successfully\n',
    )
  })

  test('a label names the secret, once for each stretch', () => {
    const secrets = { LONG: randomBytes(150).toString('hex'), KEY: TOKEN }
    expect(mask(secrets, `${TOKEN} ${secrets.LONG} ${TOKEN}${TOKEN}`, 'label')).toBe('[KEY] [LONG] [KEY]')
  })

  test('SEC-31: of two secrets where one contains the other nothing is left, in either order', () => {
    const inner = 'live_51HqLyjWDa'
    for (const secrets of [
      { A: TOKEN, B: inner },
      { B: inner, A: TOKEN },
    ]) {
      expect(mask(secrets, `a ${TOKEN} b ${inner} c`)).toBe('a  b  c')
    }
  })

  test('M5: overlapping values are both removed', () => {
    expect(mask({ A: 'abcdefgh', B: 'fghijklm' }, '<abcdefghijklm>')).toBe('<>')
    expect(mask({ A: 'abcdef', B: 'defghi' }, '<abcdef> <defghi>')).toBe('<> <>')
  })

  test('a value stored with blanks around it is found without them', () => {
    expect(mask({ A: `  ${TOKEN}\n` }, `x=${TOKEN};`)).toBe('x=;')
  })

  test('M6: bytes that are no text and a value of such bytes', () => {
    const value = Uint8Array.from([0, 255, 1, 254, 10, 0, 128, 7, 200, 13, 77])
    const noise = Uint8Array.from([0, 255, 1, 254, 10, 0, 128, 7, 200, 13, 78])
    const input = Buffer.concat([noise, value, noise])
    expect(run(maskerOf({ A: value }), input, 5)).toBe(Buffer.concat([noise, noise]).toString())
  })

  test('M6, M7: binary input of any cut is byte-identical when no value occurs', () => {
    const masker = maskerOf({ A: TOKEN, B: PEM, C: 'hunt3r', D: AWKWARD })
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 3000, minLength: 1 }),
        fc.integer({ min: 1, max: 300 }),
        (input, size) => {
          const stream = masker.stream()
          const pieces: Uint8Array[] = []
          for (let at = 0; at < input.length; at += size)
            pieces.push(...stream.write(input.subarray(at, at + size)))
          expect(Buffer.concat([...pieces, ...stream.end()]).equals(input)).toBe(true)
        },
      ),
      { numRuns: 300 },
    )
    const large = randomBytes(3_000_000)
    const stream = masker.stream()
    const pieces: Uint8Array[] = []
    for (let at = 0; at < large.length; at += 65_536)
      pieces.push(...stream.write(large.subarray(at, at + 65_536)))
    expect(Buffer.concat([...pieces, ...stream.end()]).equals(large)).toBe(true)
  })

  test('M11: a line of 64 MB passes without being held back', () => {
    const stream = maskerOf({ A: TOKEN }).stream()
    const chunk = Buffer.alloc(65_536, 'abcdefg.')
    let heldBytesMax = 0
    let bytesIn = 0
    let bytesOut = 0
    for (let count = 0; count < 1024; count++) {
      bytesIn += chunk.length
      for (const piece of stream.write(chunk)) bytesOut += piece.length
      heldBytesMax = Math.max(heldBytesMax, bytesIn - bytesOut)
    }
    expect(heldBytesMax).toBeLessThan(64)
  })
})

describe('M2, M3: encoded forms', () => {
  for (const [name, value] of Object.entries({
    TOKEN,
    AWKWARD,
    BINARY: randomBytes(33),
    EIGHT: 'k3y!k3y?',
  })) {
    const bytes = Buffer.from(value)

    test(`base64 and base64url of ${name}, in every position: nothing but the edges is left`, () => {
      const original = mask({ A: value }, '')
      expect(original).toBe('')
      for (const before of ['', 'a', 'ab', 'abc', 'user:', 'x'.repeat(50)]) {
        for (const after of ['', '\n', 'z', 'zz', 'zzz', '@host']) {
          for (const encoding of ['base64', 'base64url'] as const) {
            const encoded = Buffer.concat([Buffer.from(before), bytes, Buffer.from(after)]).toString(encoding)
            const masked = mask({ A: value }, `data: ${encoded} end`)
            // At each end, one character can mix bits of the value with those of its neighbour.
            const foreign = Math.ceil((before.length * 8) / 6) + Math.ceil((after.length * 8) / 6)
            expect(masked.replace(/^data: | end$|=/g, '').length).toBeLessThanOrEqual(foreign + 1)
          }
        }
      }
    })

    test(`base64 of ${name} alone, and as echo and base64 print it, is gone completely`, () => {
      expect(mask({ A: value }, bytes.toString('base64')).replaceAll('=', '')).toBe('')
      expect(mask({ A: value }, bytes.toString('base64url'))).toBe('')
      const echoed = mask({ A: value }, Buffer.concat([bytes, Buffer.from('\n')]).toString('base64'))
      expect(echoed.replaceAll('=', '').length).toBeLessThanOrEqual(2) // What the line feed alone decides.
    })

    test(`hex of ${name}, lower and upper case`, () => {
      expect(mask({ A: value }, `0x${bytes.toString('hex')}.`)).toBe('0x.')
      expect(mask({ A: value }, `0x${bytes.toString('hex').toUpperCase()}.`)).toBe('0x.')
    })
  }

  const forms: Record<string, string> = {
    encodeURIComponent: encodeURIComponent(AWKWARD),
    'encodeURIComponent, lower case': encodeURIComponent(AWKWARD).replace(/%../g, (code) =>
      code.toLowerCase(),
    ),
    encodeURI: encodeURI(AWKWARD),
    'form body': new URLSearchParams({ v: AWKWARD }).toString().slice(2),
    'Python quote': encodeURIComponent(AWKWARD)
      .replaceAll('%2F', '/')
      .replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`),
    JSON: JSON.stringify(AWKWARD).slice(1, -1),
    'JSON, slash escaped': JSON.stringify(AWKWARD).slice(1, -1).replaceAll('/', '\\/'),
    'JSON, ASCII only': JSON.stringify(AWKWARD).slice(1, -1).replace('é', '\\u00e9').replace('€', '\\u20ac'),
    'JSON, ASCII only, upper case': JSON.stringify(AWKWARD)
      .slice(1, -1)
      .replace('é', '\\u00E9')
      .replace('€', '\\u20AC'),
    'JSON of Go': JSON.stringify(AWKWARD)
      .slice(1, -1)
      .replace('<', '\\u003c')
      .replace('&', '\\u0026')
      .replace('>', '\\u003e'),
    'JSON in JSON': JSON.stringify(JSON.stringify(AWKWARD)).slice(3, -3),
    'shell, single quotes': AWKWARD.replaceAll("'", "'\\''"),
    'Python shlex.quote': AWKWARD.replaceAll("'", `'"'"'`),
    'shell, double quotes': 'Pa\\"ss\'w\\\\o/r d<&>%+\\$\\`!é€=9',
    'bash printf %q': 'Pa\\"ss\\\'w\\\\o/r\\ d\\<\\&\\>%+\\$\\`\\!é€=9',
    XML: 'Pa"ss\'w\\o/r d&lt;&amp;&gt;%+$`!é€=9',
    'XML, quotes too': 'Pa&quot;ss&apos;w\\o/r d&lt;&amp;&gt;%+$`!é€=9',
    'Python html.escape': 'Pa&quot;ss&#x27;w\\o/r d&lt;&amp;&gt;%+$`!é€=9',
    'Go html': 'Pa&#34;ss&#39;w\\o/r d&lt;&amp;&gt;%+$`!é€=9',
  }
  for (const [name, form] of Object.entries(forms)) {
    test(`${name}: masked between any neighbours`, () => {
      expect(form).not.toBe('')
      for (const [before, after] of [
        ['', ''],
        ['k=', '&z=1'],
        ['"', '"'],
        ['abc', 'xyz'],
      ]) {
        expect(mask({ A: AWKWARD }, `${before}${form}${after}`)).toBe(`${before}${after}`)
      }
    })
  }

  test('UTF-16LE is a form on Windows only', () => {
    const utf16 = Buffer.from(TOKEN, 'utf16le').toString('hex')
    const hexOf = (utf16On: boolean) =>
      encodedForms(Buffer.from(TOKEN), { utf16: utf16On }).map((form) => Buffer.from(form).toString('hex'))
    expect(hexOf(true)).toContain(utf16)
    expect(hexOf(false)).not.toContain(utf16)
  })

  test('base64 wrapped at 60, 64 or 76 is gone line by line, also indented', () => {
    for (const length of [40, 90, 300]) {
      const value = randomBytes(length).toString('hex').slice(0, length)
      for (const before of ['', 'user:', 'some text before the value, ']) {
        const encoded = Buffer.from(`${before}${value}`).toString('base64')
        for (const width of [60, 64, 76]) {
          for (const lineBreak of ['\n', '\r\n', '\n    ']) {
            // Something longer than one line stands before: the value starts anywhere in a full line.
            const text = `${'QUJD'.repeat(15)}${encoded}`.replace(
              new RegExp(`.{${width}}(?=.)`, 'g'),
              `$&${lineBreak}`,
            )
            const left = mask({ A: value }, text).replace(/[\s=]/g, '').length
            expect(left).toBeLessThanOrEqual(60 + Math.ceil((before.length * 8) / 6) + 1)
          }
        }
      }
    }
  })

  test('double base64 is not covered, as the README says', () => {
    const twice = Buffer.from(Buffer.from(TOKEN).toString('base64')).toString('base64')
    expect(mask({ A: TOKEN }, twice)).toBe(twice)
  })
})

describe('M2, M3: values of several lines', () => {
  const left = (input: string) => mask({ KEY: PEM }, input)

  test('a private key as it is, and through a terminal that writes CRLF', () => {
    expect(left(`a\n${PEM}b`)).toBe('a\n\nb')
    expect(left(PEM.replaceAll('\n', '\r\n')).trim()).toBe('')
  })

  test('SEC-31: a private key line by line, each line alone and the last without a newline', () => {
    for (const line of PEM_BODY) {
      expect(left(`>${line}`)).toBe('>')
      expect(left(`    ${line}  # note`).trim()).toBe('# note')
    }
  })

  test('a private key indented, with CRLF, prefixed, on one line, joined by blanks, escaped', () => {
    const body = PEM_BODY.join('')
    const inputs = [
      PEM.replace(/^/gm, '      '),
      PEM.replace(/^/gm, '\t').replaceAll('\n', '\r\n'),
      PEM.replace(/^/gm, '2026-01-01 | '),
      body,
      PEM_BODY.join(' '),
      JSON.stringify({ key: PEM }),
      JSON.stringify(PEM).replaceAll('/', '\\/'),
      encodeURIComponent(PEM),
      Buffer.from(PEM).toString('hex'),
      body.replace(/.{76}/g, '$&\n'),
    ]
    for (const input of inputs) {
      const output = left(input)
      for (let at = 0; at + 8 <= body.length; at += 1) expect(output).not.toContain(body.slice(at, at + 8))
      expect(output.length).toBeLessThan(PEM_BODY.length * 20)
    }
  })

  test('a value with CRLF is found with LF, and its lines alone', () => {
    const value = 'first-line-of-it\r\nsecond-line-of-it'
    expect(mask({ A: value }, 'first-line-of-it\nsecond-line-of-it')).toBe('')
    expect(mask({ A: value }, 'x second-line-of-it')).toBe('x ')
    expect(mask({ A: value }, 'first-line-of-it second-line-of-it')).toBe('')
  })

  test('M5: structural lines, comments and short lines never become patterns', () => {
    const value =
      '{\n# a comment line\n-----BEGIN PRIVATE KEY-----\nabc\nlocalhost\nreal-secret-line\n========\n}\nx'
    const log = [
      'if (x) { y }',
      '# a comment line',
      '-----BEGIN PRIVATE KEY-----',
      'abc abcdef',
      'localhost',
      '======== title ========',
    ].join('\n')
    expect(mask({ A: value }, log)).toBe(log)
    expect(mask({ A: value }, 'got real-secret-line')).toBe('got ')
  })
})

describe('M4: structured values', () => {
  const account = {
    type: 'service_account',
    project_id: 'acme-prod-7731',
    private_key_id: 'f00dfacef00dfacef00dfacef00dface01234567',
    private_key: PEM,
    client_email: 'robot@acme-prod-7731.iam.gserviceaccount.com',
    auth_uri: 'https://accounts.google.com/o/oauth2/auth',
    nested: { list: [{ webhook: 'https://hooks.example.com/services/T0421/B77/aZ9dKq' }] },
  }
  const stored = JSON.stringify(account, null, 2)
  const secrets = { GOOGLE: stored }

  test('each string leaf of a JSON secret is masked alone', () => {
    for (const leaf of [
      account.private_key_id,
      account.client_email,
      account.nested.list[0]?.webhook ?? '',
      ...PEM_BODY.filter((line) => line.length >= 8),
    ]) {
      expect(mask(secrets, `leaf=${leaf};`)).toBe('leaf=;')
    }
  })

  test('what a file of names and values has behind each name is masked alone; short ones stay visible', () => {
    const files = {
      AWS: '[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = wJalrXUtnFEMIK7MDENGbPxRfiCY\nregion = eu-central-1\n',
      NPM: '//registry.npmjs.org/:_authToken=npm_3kPq9ZdLwX7Rn2Vb5Tc8Yh\nalways-auth=true\n',
      ENV: 'export TOKEN="two words of a secret"\nPORT=8080\n# a comment\n',
      NETRC: 'machine git.example.com\nlogin ada\npassword 6fQ2mXb81LkzTs0VnYpw\n',
    }
    for (const leaf of [
      ...['AKIAIOSFODNN7EXAMPLE', 'wJalrXUtnFEMIK7MDENGbPxRfiCY', 'npm_3kPq9ZdLwX7Rn2Vb5Tc8Yh'],
      ...['two words of a secret', '6fQ2mXb81LkzTs0VnYpw'],
    ]) {
      expect(mask(files, `leaf ${leaf};`)).toBe('leaf ;')
      expect(mask(files, Buffer.from(leaf).toString('base64'))).not.toContain(
        Buffer.from(leaf).toString('base64').slice(4, -4),
      )
    }
    expect(mask(files, 'eu-central-1 8080 true ada')).toBe('eu-central-1 8080 true ada')
  })

  test('a JSON secret as stored, minified and indented otherwise leaves no leaf', () => {
    expect(mask(secrets, stored)).toBe('')
    for (const text of [JSON.stringify(account), JSON.stringify(account, null, 4).replaceAll('\n', '\r\n')]) {
      const output = mask(secrets, text)
      for (const leaf of [account.private_key_id, 'acme-prod-7731', 'aZ9dKq', PEM_BODY[3] ?? '']) {
        expect(output).not.toContain(leaf)
      }
    }
  })

  test('braces, keys, public addresses and ordinary words of a JSON secret stay visible', () => {
    const log =
      'function f() { return {} }\n  "type": "service_account",\n "private_key" service_account https://accounts.google.com/o/oauth2/auth'
    expect(mask(secrets, log)).toBe(log)
  })

  test('a JSON string inside a JSON secret is opened too', () => {
    const nested = JSON.stringify({ config: JSON.stringify({ token: TOKEN }) })
    expect(mask({ A: nested }, `x ${TOKEN} y`)).toBe('x  y')
  })

  test('the password of a URL is masked alone, decoded and encoded, and with its user in base64', () => {
    const secrets = { DATABASE_URL: 'postgres://app:p%40ss-w0rd-77@db.internal:5432/app' }
    expect(mask(secrets, secrets.DATABASE_URL)).toBe('')
    expect(mask(secrets, 'PGPASSWORD=p@ss-w0rd-77 psql')).toBe('PGPASSWORD= psql')
    expect(mask(secrets, 'p%40ss-w0rd-77')).toBe('')
    expect(mask(secrets, `Basic ${Buffer.from('app:p@ss-w0rd-77').toString('base64')}`)).toBe('Basic ')
    expect(mask(secrets, 'connecting to db.internal:5432/app as app')).toBe(
      'connecting to db.internal:5432/app as app',
    )
    expect(mask({ A: 'amqp://u:wei/rd#p4ss@mq' }, 'wei/rd#p4ss')).toBe('')
    expect(mask({ A: `https://${TOKEN}@host/x` }, TOKEN)).toBe('')
    expect(mask({ A: 'ssh://git@github.com/acme' }, 'git')).toBe('git')
  })
})

describe('C18, M5: what is not masked', () => {
  test('values under 4 characters and ordinary words stay visible, and are reported by name', () => {
    const masker = maskerOf({
      PIN: '123',
      ACCENTS: 'é€ü',
      BLANK: ' \n',
      NODE_ENV: 'production',
      DEBUG: 'False',
      PORT: '8080',
      BASE: 'http://localhost:3000',
      TOKEN,
    })
    expect(masker.unmasked).toEqual([
      { name: 'PIN', reason: 'too-short' },
      { name: 'ACCENTS', reason: 'too-short' },
      { name: 'BLANK', reason: 'too-short' },
      { name: 'NODE_ENV', reason: 'ordinary-word' },
      { name: 'DEBUG', reason: 'ordinary-word' },
      { name: 'PORT', reason: 'ordinary-word' },
      { name: 'BASE', reason: 'ordinary-word' },
    ])
    const log = '123 é€ü production false False 8080 http://localhost:3000'
    expect(run(masker, log)).toBe(log)
  })

  test('the word "1" as a secret does not touch "101 ms"', () => {
    expect(mask({ A: '1', B: '{', C: 'e', D: 'dev' }, '101 ms { dev e }')).toBe('101 ms { dev e }')
  })

  test('values of 4 to 7 characters are masked as whole words only', () => {
    const output = mask(
      { A: 'hunt3r', B: '#4x!' },
      'hunt3r hunt3rs ahunt3r "hunt3r" hunt3r-hunt3r _hunt3r #4x! a#4x!b hunt3r',
    )
    expect(output).toBe(' hunt3rs ahunt3r "" - _hunt3r  ab ')
  })

  test('force masks an ordinary word between word boundaries, and nothing under 4 characters', () => {
    const masker = new Masker([
      { name: 'A', value: Buffer.from('production'), force: true },
      { name: 'B', value: Buffer.from('abc'), force: true },
    ])
    expect(masker.unmasked).toEqual([{ name: 'B', reason: 'too-short' }])
    expect(run(masker, 'production productions abc')).toBe(' productions abc')
  })

  test('a long value with a run of zeros or spaces does not blank such runs', () => {
    const value = `${TOKEN}${'0'.repeat(200)}${' '.repeat(200)}end-of-it`
    expect(mask({ A: value }, `${'0'.repeat(100)}|${' '.repeat(100)}`)).toBe(
      `${'0'.repeat(100)}|${' '.repeat(100)}`,
    )
  })
})

describe('M5: terminals', () => {
  test('escape sequences inside a value: the value goes, the sequences stay', () => {
    const cases: [string, string][] = [
      ['\x1b[31m', 'CSI colour'],
      ['\x1b[38;5;196m\x1b[1m', 'two CSI'],
      ['\x1b]0;title\x07', 'OSC with BEL'],
      ['\x1b]8;;https://example.com\x1b\\', 'OSC with ST'],
      ['\x1b(B', 'character set'],
      ['\x1b7', 'two characters'],
      ['\x1bP1$r0m\x1b\\', 'DCS'],
    ]
    for (const [sequence] of cases) {
      for (let at = 1; at < TOKEN.length; at += 3) {
        const input = `a ${TOKEN.slice(0, at)}${sequence}${TOKEN.slice(at)}\x1b[0m b`
        expect(mask({ A: TOKEN }, input)).toBe(`a ${sequence}\x1b[0m b`)
      }
    }
  })

  test('a sequence after every character, and one label for it all', () => {
    const rainbow = [...TOKEN].map((char, index) => `\x1b[3${index % 8}m${char}`).join('')
    const output = mask({ KEY: TOKEN }, `${rainbow}\x1b[0m.`, 'label')
    expect(output.replace(/\x1b\[\d+m/g, '')).toBe('[KEY].')
    expect(output.match(/\x1b/g)).toHaveLength(TOKEN.length + 1)
  })

  test('a short value between colours is a word: the letter that ends a sequence does not count', () => {
    expect(mask({ A: 'hunt3r' }, '\x1b[31mhunt3r\x1b[0m \x1b[1mxhunt3r\x1b[0m hun\x1b[1mt3r\x1b[0m')).toBe(
      '\x1b[31m\x1b[0m \x1b[1mxhunt3r\x1b[0m \x1b[1m\x1b[0m',
    )
  })

  test('coloured text without values is byte-identical, whatever the cut', () => {
    const sequence = fc.constantFrom(
      '\x1b[31m',
      '\x1b[',
      '\x1b',
      '\x1b]0;t',
      '\x07',
      '\x1b\\',
      'sk_live',
      '\r\n',
      'é',
      ' text ',
    )
    fc.assert(
      fc.property(fc.array(sequence, { maxLength: 40 }), fc.integer({ min: 1, max: 20 }), (parts, size) => {
        expect(run(maskerOf({ A: TOKEN, B: 'hunt3r' }), parts.join(''), size)).toBe(parts.join(''))
      }),
      { numRuns: 500 },
    )
  })

  test('M1: values with escape sequences anywhere, any cut: what is visible is what the reference leaves', () => {
    const part = fc.constantFrom(
      '\x1b[31m',
      '\x1b]0;t\x07',
      '\x1bM',
      'aab',
      'ab',
      'aabaabaab',
      'b',
      ' ',
      '\r\n',
    )
    fc.assert(
      fc.property(
        fc.array(part, { maxLength: 60 }),
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }),
        (parts, sizes) => {
          const masker = maskerOf({ A: 'aabaabaab', B: 'abaab aab' })
          const input = Buffer.from(parts.join(''))
          const visible = parts.filter((text) => !text.startsWith('\x1b')).join('')
          const stream = masker.stream()
          const pieces: Uint8Array[] = []
          for (let at = 0, turn = 0; at < input.length; turn++) {
            const size = sizes[turn % sizes.length] ?? 1
            pieces.push(...stream.write(input.subarray(at, at + size)))
            at += size
          }
          const output = Buffer.concat([...pieces, ...stream.end()]).toString()
          expect(output.replace(/\x1b\[31m|\x1b\]0;t\x07|\x1bM/g, '')).toBe(
            removeAll(visible, ['aabaabaab', 'abaab aab']),
          )
          // Every sequence is still there, in its order.
          expect(output.match(/\x1b\[31m|\x1b\]0;t\x07|\x1bM/g) ?? []).toEqual(
            parts.filter((text) => text.startsWith('\x1b')),
          )
        },
      ),
      { numRuns: 2000 },
    )
  })

  test('UTF-8 cut in the middle of a character, in a value and around it', () => {
    expect(mask({ A: 'pässwörd-€uro' }, 'é pässwörd-€uro ü')).toBe('é  ü')
  })

  test('a short value cut by the line break of wrapped output is two words', () => {
    const text = `${'A'.repeat(60)}/hun\nt3r x`
    expect(mask({ A: 'hunt3r' }, text)).toBe(text)
  })

  test('endless colours after the beginning of a value are not held back for ever', () => {
    const stream = maskerOf({ A: TOKEN }).stream()
    const bytesOut = stream
      .write(Buffer.from(`sk_live_${'\x1b[0m'.repeat(10_000)}`))
      .reduce((sum, piece) => sum + piece.length, 0)
    expect(bytesOut).toBe(40_008)
  })

  test('a stream that ended begins anew', () => {
    const stream = maskerOf({ A: 'hunt3r' }).stream()
    stream.write(Buffer.from(`x${'A'.repeat(60)}`))
    stream.end()
    expect(Buffer.concat([...stream.write(Buffer.from('hunt3r ')), ...stream.end()]).toString()).toBe(' ')
  })

  test('an endless sequence is not held back for ever', () => {
    const stream = maskerOf({ A: TOKEN }).stream()
    const chunk = Buffer.from(`\x1b]52;c;${'QUJD'.repeat(2000)}`)
    const bytesOut = stream.write(chunk).reduce((sum, piece) => sum + piece.length, 0)
    expect(bytesOut).toBeGreaterThan(chunk.length - 64)
  })
})

function removeAll(text: string, values: readonly string[]): string {
  const covered = new Set<number>()
  for (const value of values) {
    for (let at = text.indexOf(value); at >= 0; at = text.indexOf(value, at + 1)) {
      for (let index = at; index < at + value.length; index++) covered.add(index)
    }
  }
  return [...text].filter((_, index) => !covered.has(index)).join('')
}

describe('large values', () => {
  test('a file of 1 MiB is masked as it is, whole and in parts, and is compiled into few patterns', () => {
    const file = randomBytes(1024 * 1024)
    const masker = maskerOf({ FILE: file })
    expect(run(masker, Buffer.concat([Buffer.from('before '), file, Buffer.from(' after')]), 65_536)).toBe(
      'before  after',
    )
    const part = file.subarray(640_000, 640_000 + 64 * 4)
    expect(run(masker, Buffer.concat([Buffer.from('<'), part, Buffer.from('>')]))).toBe('<>')
  })

  test('a key file of 5 KiB is masked line by line; its base64 is not, and a value of 4 KiB has both', () => {
    const lines = (bytes: number) =>
      randomBytes(bytes)
        .toString('base64')
        .replace(/(.{64})/g, '$1\n')
    const large = lines(3_800)
    expect(large.length).toBeGreaterThan(4 * 1024)
    expect(run(maskerOf({ LARGE: large }), `  ${large.split('\n')[7]}\n`)).toBe('  \n')
    const encoded = Buffer.from(large).toString('base64')
    expect(run(maskerOf({ LARGE: large }), encoded)).toBe(encoded)
    const small = lines(2_900)
    expect(run(maskerOf({ SMALL: small }), Buffer.from(small).toString('base64'))).toMatch(/^=*$/)
  })
})
