import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { credentialsPath, findCredentials, prepareCredentials } from '../src/credentials.ts'
import { Failure } from '../src/failure.ts'
import { parsedTime } from '../src/present.ts'
import { run } from './kit.ts'

const stored = { url: 'https://keyhold.example.com', token: 'kh_pat_canary-stored' }

function home(credentials?: object, mode = 0o600): NodeJS.ProcessEnv & { XDG_CONFIG_HOME: string } {
  const directory = mkdtempSync(join(tmpdir(), 'keyhold-home-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  const env = { XDG_CONFIG_HOME: directory, PATH: process.env.PATH }
  if (credentials !== undefined) {
    mkdirSync(join(directory, 'keyhold'))
    writeFileSync(credentialsPath(env), JSON.stringify(credentials))
    chmodSync(credentialsPath(env), mode)
  }
  return env
}

function failureOf(work: () => unknown): Failure {
  try {
    work()
  } catch (error) {
    expect(error).toBeInstanceOf(Failure)
    const failure = error as Failure // `as`: just checked.
    expect(`${failure.message} ${failure.hints.join(' ')} ${failure.stack}`).not.toContain('canary')
    return failure
  }
  throw new Error('nothing was thrown')
}

describe('which credential is used', () => {
  test('the stored one, when the environment has none', () => {
    expect(findCredentials(home(stored)).connection).toEqual(stored)
  })

  test('the environment before the stored one', () => {
    const url = 'https://other.example.com'
    const key = { KEYHOLD_ACCESS_KEY_ID: 'ak_1', KEYHOLD_ACCESS_KEY: 'canary-key' }
    expect(findCredentials({ ...home(stored), ...key, KEYHOLD_URL: url }).connection).toEqual({
      url,
      accessKeyId: 'ak_1',
      accessKey: 'canary-key',
    })
    expect(findCredentials({ ...home(stored), KEYHOLD_TOKEN: 'canary-token' }).connection).toEqual({
      url: stored.url,
      token: 'canary-token',
    })
  })

  test('the stored token goes to no other address', () => {
    const failure = failureOf(() =>
      findCredentials({ ...home(stored), KEYHOLD_URL: 'https://other.example.com' }),
    )
    expect(failure.exitCode).toBe(4)
    expect(failure.message).toMatch(/not signed in to https:\/\/other\.example\.com/)
    const same = { ...home(stored), KEYHOLD_URL: 'https://KEYHOLD.example.com:443/' }
    expect(findCredentials(same).connection).toEqual(stored)
  })

  test('none: exit code 4 and how to get one', () => {
    const failure = failureOf(() => findCredentials(home()))
    expect(failure.exitCode).toBe(4)
    expect(failure.hints.join()).toMatch(/keyhold setup/)
  })

  test.each([
    [{ KEYHOLD_TOKEN: 'canary', KEYHOLD_ACCESS_KEY_ID: 'canary' }, /both KEYHOLD_TOKEN and an access key/],
    [{ KEYHOLD_ACCESS_KEY_ID: 'canary' }, /KEYHOLD_ACCESS_KEY is not/],
    [{ KEYHOLD_ACCESS_KEY: 'canary' }, /KEYHOLD_ACCESS_KEY_ID is not/],
    [{ KEYHOLD_TOKEN_FILE: '/nowhere/at/all' }, /KEYHOLD_TOKEN_FILE.*ENOENT/],
  ])('a half credential is refused: %o', (variables, message) => {
    const env = { ...home(), KEYHOLD_URL: 'http://localhost', ...variables }
    expect(failureOf(() => findCredentials(env)).message).toMatch(message)
  })
})

describe('the file', () => {
  test.each([0o640, 0o604, 0o620, 0o601, 0o777])('is refused with mode %o', (mode) => {
    const failure = failureOf(() => findCredentials(home(stored, mode)))
    expect(failure.message).toMatch(/can be read by others/)
    expect(failure.hints.join()).toMatch(/chmod 600/)
  })

  test('is refused when damaged, without being quoted', () => {
    const env = home(stored)
    for (const text of ['{"token":"canary"', '{"token":"canary"}', '[]', '"canary"', '']) {
      writeFileSync(credentialsPath(env), text)
      expect(failureOf(() => findCredentials(env)).message).toMatch(/is damaged/)
    }
  })

  test('is written with mode 600 in a folder of mode 700, at once', () => {
    const env = home()
    const { path, commit } = prepareCredentials(env)
    expect(readdirSync(join(env.XDG_CONFIG_HOME, 'keyhold'))).not.toContain('credentials.json')
    commit(stored)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(statSync(join(env.XDG_CONFIG_HOME, 'keyhold')).mode & 0o777).toBe(0o700)
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(stored)
    expect(findCredentials(env).connection).toEqual(stored)
    expect(readdirSync(join(env.XDG_CONFIG_HOME, 'keyhold'))).toEqual(['credentials.json'])
  })

  test('abandoned, it leaves nothing', () => {
    const env = home()
    prepareCredentials(env).abandon()
    expect(readdirSync(join(env.XDG_CONFIG_HOME, 'keyhold'))).toEqual([])
  })

  test('that cannot be written says so, and what to do', () => {
    // A file where the folder would be: also root, who ignores modes, cannot write there.
    const env = home()
    writeFileSync(join(env.XDG_CONFIG_HOME, 'keyhold'), '')
    const failure = failureOf(() => prepareCredentials(env))
    expect(failure.message).toMatch(/cannot be written \(E/)
    expect(failure.hints.join()).toMatch(/XDG_CONFIG_HOME/)
  })

  test('without a home, the environment still signs in', () => {
    const env = { KEYHOLD_URL: 'http://localhost', KEYHOLD_TOKEN: 'x' }
    expect(findCredentials(env).source).toBe('the environment')
    expect(failureOf(() => findCredentials({})).exitCode).toBe(4)
  })
})

describe('doctor', () => {
  test('says what is wrong, a line each, and exits with 1', async () => {
    const { code, stdout } = await run(['doctor'], home(stored, 0o644))
    expect(code).toBe(1)
    expect(stdout).toMatch(/^ok {4}version/m)
    expect(stdout).toMatch(/^fail {2}config file .*mode 644.* — chmod 600 /m)
    expect(stdout).not.toContain('canary')
  })

  test('with --json, an array', async () => {
    const env = { ...home(), KEYHOLD_URL: 'http://127.0.0.1:9', KEYHOLD_TOKEN: 'kh_pat_canary' }
    const { code, stdout } = await run(['doctor', '--json'], env)
    expect(code).toBe(1)
    expect(stdout).not.toContain('canary')
    expect(JSON.parse(stdout).at(-1)).toMatchObject({ check: 'server', status: 'fail' })
  })
})

describe('times', () => {
  const now = Date.parse('2026-06-12T14:30:22Z')
  test.each([
    ['30d', 1, '2026-07-12T14:30:22.000Z'],
    ['12h', -1, '2026-06-12T02:30:22.000Z'],
    ['5m', 1, '2026-06-12T14:35:22.000Z'],
    ['2026-12-31', 1, '2026-12-31T00:00:00.000Z'],
    ['2026-12-31T18:00', 1, '2026-12-31T18:00:00.000Z'],
    ['2026-12-31 18:00:01', 1, '2026-12-31T18:00:01.000Z'],
    ['2026-12-31T18:00:00+02:00', 1, '2026-12-31T16:00:00.000Z'],
  ] as const)('%s', (text, direction, time) => {
    expect(parsedTime(text, 'expires', direction, now)).toBe(time)
  })
  test.each(['', 'soon', '30', '30w', '2026-02-30', '2026-13-01', '2026-1-1', '2026-12-31T25:00'])(
    '%j is refused',
    (text) => {
      expect(() => parsedTime(text, 'expires', 1, now)).toThrow('--expires is not a time')
    },
  )
})
