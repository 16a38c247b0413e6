import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ConfigError, readConfig } from '../src/config/config.ts'
import { options } from '../src/config/options.ts'
import { startServer } from './kit.ts'

const CANARY = 'canary-5e2b1a'

let folder: string
let tls: { KEYHOLD_TLS_CERT_FILE: string; KEYHOLD_TLS_KEY_FILE: string }

function makeCertificate(name: string): { cert: string; key: string } {
  const files = { cert: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) }
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '1',
      '-subj',
      '/CN=localhost',
      '-addext',
      'subjectAltName=DNS:localhost',
      '-keyout',
      files.key,
      '-out',
      files.cert,
    ],
    { stdio: 'ignore' },
  )
  return files
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'keyhold-config-'))
  const { cert, key } = makeCertificate('server')
  tls = { KEYHOLD_TLS_CERT_FILE: cert, KEYHOLD_TLS_KEY_FILE: key }
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function problemOf(env: Record<string, string>): string {
  try {
    readConfig(env)
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError)
    return (error as Error).message
  }
  throw new Error(`${JSON.stringify(env)} was accepted`)
}

describe('the configuration', () => {
  test('has defaults for everything, on loopback', () => {
    expect(readConfig({})).toMatchObject({
      http: { host: 'localhost', port: 8080 },
      publicUrl: 'http://localhost:8080',
      logLevel: 'info',
      metrics: {},
      warnings: [],
    })
    expect(Object.isFrozen(readConfig({}))).toBe(true)
  })

  test('refuses plain HTTP on what is not loopback, without TLS or a trusted proxy (SEC-14)', () => {
    for (const address of [
      '0.0.0.0:8080',
      ':8080',
      '[::]:8080',
      '192.0.2.7:8080',
      'keys.example.com:8080',
      '127.0.0.1.example.com:8080',
      'localhost.example.com:8080',
      '[::ffff:192.0.2.7]:80',
      '127.1:8080',
    ]) {
      expect([address, problemOf({ KEYHOLD_HTTP_ADDR: address })]).toEqual([
        address,
        expect.stringMatching(/^KEYHOLD_HTTP_ADDR: refusing plain HTTP/),
      ])
      expect(readConfig({ KEYHOLD_HTTP_ADDR: address, ...tls }).tls).toBeDefined()
      expect(
        readConfig({ KEYHOLD_HTTP_ADDR: address, KEYHOLD_TRUSTED_PROXIES: '10.0.0.1' }).http,
      ).toBeDefined()
    }
    for (const address of ['127.0.0.1:80', '127.9.9.9:80', '[::1]:80', 'localhost:0'])
      expect(readConfig({ KEYHOLD_HTTP_ADDR: address }).http.port).toBeLessThan(81)
  })

  test('each mistake names its variable, in one line, and quotes no value', () => {
    const other = makeCertificate('other')
    const mistakes: [string, Record<string, string>][] = [
      ['KEYHOLD_HTTP_ADDR', { KEYHOLD_HTTP_ADDR: CANARY }],
      ['KEYHOLD_HTTP_ADDR', { KEYHOLD_HTTP_ADDR: `${CANARY}:80` }],
      ['KEYHOLD_HTTP_ADDR', { KEYHOLD_HTTP_ADDR: 'localhost:65536' }],
      ['KEYHOLD_HTTP_ADDR', { KEYHOLD_HTTP_ADDR: 'localhost:-1' }],
      ['KEYHOLD_HTTP_ADDR', { KEYHOLD_HTTP_ADDR: '::1:8080' }],
      ['KEYHOLD_SSH_ADDR', { KEYHOLD_SSH_ADDR: CANARY }],
      ['KEYHOLD_SSH_PUBLIC_ADDR', { KEYHOLD_SSH_PUBLIC_ADDR: `${CANARY}:x` }],
      ['KEYHOLD_METRICS_ADDR', { KEYHOLD_METRICS_ADDR: CANARY }],
      ['KEYHOLD_PUBLIC_URL', { KEYHOLD_PUBLIC_URL: CANARY }],
      ['KEYHOLD_INTERNAL_URL', { KEYHOLD_INTERNAL_URL: CANARY }],
      ['KEYHOLD_PUBLIC_URL', { KEYHOLD_PUBLIC_URL: `ftp://${CANARY}` }],
      ['KEYHOLD_PUBLIC_URL', { KEYHOLD_PUBLIC_URL: `https://user:${CANARY}@example.com` }],
      ['KEYHOLD_PUBLIC_URL', { KEYHOLD_PUBLIC_URL: `https://example.com?${CANARY}` }],
      ['KEYHOLD_PUBLIC_URL', { KEYHOLD_PUBLIC_URL: `https://example.com#${CANARY}` }],
      ['KEYHOLD_PUBLIC_URL', { KEYHOLD_PUBLIC_URL: `javascript:${CANARY}` }],
      ['KEYHOLD_TRUSTED_PROXIES', { KEYHOLD_TRUSTED_PROXIES: CANARY }],
      ['KEYHOLD_TRUSTED_PROXIES', { KEYHOLD_TRUSTED_PROXIES: '10.0.0.1,' }],
      ['KEYHOLD_TRUSTED_PROXIES', { KEYHOLD_TRUSTED_PROXIES: '10.0.0.1/33' }],
      ['KEYHOLD_TRUSTED_PROXIES', { KEYHOLD_TRUSTED_PROXIES: '10.0.0.1/8/8' }],
      ['KEYHOLD_TRUSTED_PROXIES', { KEYHOLD_TRUSTED_PROXIES: '10.0.0.1/-1' }],
      ['KEYHOLD_DRAIN_SECONDS', { KEYHOLD_DRAIN_SECONDS: CANARY }],
      ['KEYHOLD_DRAIN_SECONDS', { KEYHOLD_DRAIN_SECONDS: '301' }],
      ['KEYHOLD_DRAIN_SECONDS', { KEYHOLD_DRAIN_SECONDS: '-1' }],
      ['KEYHOLD_OUTGOING_ALLOW', { KEYHOLD_OUTGOING_ALLOW: CANARY }],
      ['KEYHOLD_SMTP_URL', { KEYHOLD_SMTP_URL: `smtp://user:${CANARY}@localhost` }],
      ['KEYHOLD_SMTP_URL', { KEYHOLD_SMTP_URL: CANARY, KEYHOLD_MAIL_FROM: 'keyhold@example.com' }],
      [
        'KEYHOLD_SMTP_URL',
        { KEYHOLD_SMTP_URL: `https://${CANARY}`, KEYHOLD_MAIL_FROM: 'keyhold@example.com' },
      ],
      [
        'KEYHOLD_MAIL_FROM',
        { KEYHOLD_SMTP_URL: `smtps://u:${CANARY}@localhost`, KEYHOLD_MAIL_FROM: 'nobody' },
      ],
      ['KEYHOLD_DATABASE_URL', { KEYHOLD_DATABASE_URL: CANARY }],
      ['KEYHOLD_DATABASE_URL', { KEYHOLD_DATABASE_URL: `mysql://root:${CANARY}@localhost/keyhold` }],
      ['KEYHOLD_DATABASE_URL', { KEYHOLD_DATABASE_URL: `postgres://keyhold:${CANARY}@localhost` }],
      ['KEYHOLD_ROOT_KEY', { KEYHOLD_ROOT_KEY: CANARY }],
      ['KEYHOLD_ROOT_KEY', { KEYHOLD_ROOT_KEY: Buffer.alloc(31).toString('base64') }],
      ['KEYHOLD_ROOT_KEY', { KEYHOLD_ROOT_KEY: Buffer.alloc(33).toString('base64') }],
      ['KEYHOLD_ROOT_KEY', { KEYHOLD_ROOT_KEY: `${Buffer.alloc(32).toString('base64')} ${CANARY}` }],
      ['KEYHOLD_ROOT_KEY', { KEYHOLD_ROOT_KEY: Buffer.alloc(32).toString('hex') }],
      // The value where its file's name should be.
      ['KEYHOLD_ROOT_KEY_FILE', { KEYHOLD_ROOT_KEY_FILE: CANARY }],
      ['KEYHOLD_DATABASE_URL_FILE', { KEYHOLD_DATABASE_URL_FILE: `postgres://u:${CANARY}@h/d` }],
      ['KEYHOLD_ROOT_KEY_FILE', { KEYHOLD_ROOT_KEY_FILE: folder }],
      ['KEYHOLD_ROOT_KEY', { KEYHOLD_ROOT_KEY: CANARY, KEYHOLD_ROOT_KEY_FILE: CANARY }],
      ['KEYHOLD_LOG_LEVEL', { KEYHOLD_LOG_LEVEL: CANARY }],
      ['KEYHOLD_TLS_CERT', { KEYHOLD_TLS_CERT_FILE: tls.KEYHOLD_TLS_CERT_FILE }],
      ['KEYHOLD_TLS_CERT', { KEYHOLD_TLS_KEY_FILE: tls.KEYHOLD_TLS_KEY_FILE }],
      ['KEYHOLD_TLS_CERT', { KEYHOLD_TLS_CERT: CANARY, KEYHOLD_TLS_KEY: CANARY }],
      ['KEYHOLD_TLS_CERT', { ...tls, KEYHOLD_TLS_KEY_FILE: other.key }],
      ['KEYHOLD_TLS_CERT', { KEYHOLD_TLS_CERT_FILE: other.key, KEYHOLD_TLS_KEY_FILE: other.cert }],
    ]
    for (const [variable, env] of mistakes) {
      const problem = problemOf(env)
      expect([env, problem]).toEqual([env, expect.stringContaining(variable)])
      expect([env, problem]).toEqual([env, expect.not.stringContaining(CANARY)])
      expect(problem).not.toContain('\n')
    }
  })

  test('the SSH gateway is where HTTP is unless it is told otherwise: on loopback, nobody reaches it from outside', () => {
    const addressOf = (env: Record<string, string>) => readConfig(env).ssh.address
    expect(addressOf({})).toEqual({ host: 'localhost', port: 2222 })
    expect(addressOf({ KEYHOLD_HTTP_ADDR: '127.0.0.1:81' })).toEqual({ host: '127.0.0.1', port: 2222 })
    expect(addressOf({ KEYHOLD_SSH_ADDR: ':22' })).toMatchObject({ port: 22 })
    expect(addressOf({ KEYHOLD_SSH_ADDR: 'off' })).toBeUndefined()
  })

  test('every option may come from a file, and an empty variable is none', () => {
    for (const { name, ...option } of options) {
      const path = join(folder, name)
      const good: Partial<Record<string, string>> = {
        KEYHOLD_DATA_DIR: '/srv/keyhold',
        KEYHOLD_DATABASE_URL: 'postgres://u:p@h/d',
        KEYHOLD_AUDIT_DIR: '/srv/audit',
        KEYHOLD_HTTP_ADDR: '127.0.0.1:81',
        KEYHOLD_SSH_ADDR: '127.0.0.1:2222',
        KEYHOLD_SSH_PUBLIC_ADDR: 'keys.example.com:22',
        KEYHOLD_PUBLIC_URL: 'https://keys.example.com',
        KEYHOLD_INTERNAL_URL: 'http://10.0.0.4:8080',
        KEYHOLD_TRUSTED_PROXIES: '10.0.0.1',
        KEYHOLD_OUTGOING_ALLOW: '127.0.0.1,fd00::/8',
        KEYHOLD_TLS_CERT: readFileSync(tls.KEYHOLD_TLS_CERT_FILE, 'utf8'),
        KEYHOLD_TLS_KEY: readFileSync(tls.KEYHOLD_TLS_KEY_FILE, 'utf8'),
        KEYHOLD_ROOT_KEY: Buffer.alloc(32, 7).toString('base64'),
        KEYHOLD_ROOT_KEY_PASSPHRASE: CANARY,
        KEYHOLD_METRICS_ADDR: '127.0.0.1:82',
        KEYHOLD_METRICS_TOKEN: 'metrics',
        KEYHOLD_DRAIN_SECONDS: '5',
        KEYHOLD_SMTP_URL: 'smtps://u:p@mail.example.com',
        KEYHOLD_MAIL_FROM: 'Keyhold <keyhold@example.com>',
        KEYHOLD_LOG_LEVEL: 'debug',
      }
      const value = good[name]
      if (value === undefined) throw new Error(`${name} is new: give it a good value here`)
      writeFileSync(path, `${value}\n`)
      const together = [
        ['KEYHOLD_TLS_CERT', 'KEYHOLD_TLS_KEY'],
        ['KEYHOLD_SMTP_URL', 'KEYHOLD_MAIL_FROM'],
      ].find((names) => names.includes(name))
      const pair = Object.fromEntries(together?.map((one) => [one, good[one]!]) ?? [])
      const { [name]: _direct, ...rest } = pair
      const fromFile = readConfig({ ...rest, [`${name}_FILE`]: path })
      expect(JSON.stringify(fromFile)).not.toBe(JSON.stringify(readConfig({})))
      if ('isFileOnly' in option) {
        expect(problemOf({ [name]: value })).toContain(`set ${name}_FILE`)
        continue
      }
      const { tls: tlsOfFile, ...others } = fromFile
      const { tls: tlsDirect, ...direct } = readConfig({ ...pair, [name]: value })
      expect([name, JSON.stringify(others)]).toEqual([name, JSON.stringify(direct)])
      expect(tlsOfFile?.cert.trim()).toBe(tlsDirect?.cert.trim())
      if (!together)
        expect([name, JSON.stringify(readConfig({ [name]: '' }))]).toEqual([
          name,
          JSON.stringify(readConfig({})),
        ])
    }
  })

  test('warns of unknown variables by name only, and of trusting everybody', () => {
    const { warnings } = readConfig({
      KEYHOLD_HTTP_ADRR: CANARY,
      KEYHOLD_X_FILE: CANARY,
      KEYHOLD_URL: 'https://x',
      PATH: CANARY,
    })
    expect(warnings).toEqual([
      'KEYHOLD_HTTP_ADRR is set, but there is no such option',
      'KEYHOLD_X_FILE is set, but there is no such option',
    ])
    expect(readConfig({ KEYHOLD_TRUSTED_PROXIES: '0.0.0.0/0' }).warnings).toEqual([
      'KEYHOLD_TRUSTED_PROXIES trusts every address: anybody can say to be anybody',
    ])
    expect(readConfig({ KEYHOLD_TRUSTED_PROXIES: '10.0.0.0/8' }).warnings).toEqual([])
  })
})

describe('TLS', () => {
  test('with a certificate it serves HTTPS of version 1.2 and later, secure cookies and HSTS, and no HTTP (SEC-14)', async () => {
    const { server, stop } = await startServer('sqlite', { ...tls, KEYHOLD_PUBLIC_URL: 'https://localhost' })
    try {
      const person = await server.addPerson()
      const { port } = new URL(server.url)
      const ca = readFileSync(tls.KEYHOLD_TLS_CERT_FILE)
      const send = (method: string, path: string, body?: object) =>
        new Promise<{ status: number; headers: Record<string, unknown> }>((resolve, reject) => {
          request(
            {
              host: '127.0.0.1',
              port,
              servername: 'localhost',
              ca,
              method,
              path,
              headers: { 'content-type': 'application/json' },
            },
            (response) => {
              response
                .resume()
                .once('end', () => resolve({ status: response.statusCode!, headers: response.headers }))
            },
          )
            .once('error', reject)
            .end(body && JSON.stringify(body))
        })
      const health = await send('GET', '/healthz')
      expect(health.status).toBe(200)
      expect(health.headers['strict-transport-security']).toBe('max-age=31536000; includeSubDomains')
      const signIn = await send('POST', '/api/v1/session', { email: person.email, password: person.password })
      expect(signIn.headers['set-cookie']).toEqual([
        expect.stringMatching(/^__Host-keyhold=kh_ses_\w+; Path=\/; HttpOnly; SameSite=Strict; Secure$/),
      ])

      const handshake = (maxVersion: 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3') =>
        new Promise<string | null>((resolve) => {
          const socket = connect(
            {
              host: '127.0.0.1',
              port: Number(port),
              servername: 'localhost',
              ca,
              minVersion: 'TLSv1',
              maxVersion,
              ciphers: 'DEFAULT@SECLEVEL=0',
            },
            () => {
              resolve(socket.getProtocol())
              socket.destroy()
            },
          )
          socket.once('error', () => resolve(null))
        })
      expect(await handshake('TLSv1.1')).toBeNull()
      expect(await handshake('TLSv1.2')).toBe('TLSv1.2')
      expect(await handshake('TLSv1.3')).toBe('TLSv1.3')

      // Plain HTTP on the same port gets no answer.
      await expect(fetch(`http://127.0.0.1:${port}/healthz`)).rejects.toThrow()
    } finally {
      await stop()
    }
  })
})
