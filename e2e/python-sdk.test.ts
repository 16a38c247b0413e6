// The tests of the Python SDK, which are Python's own, with a real server; and what the audit log has of them.
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { keyhold } from '../packages/cli/test/kit.ts'
import { type RealServer, startRealServer } from '../packages/cli/test/real-server.ts'

const home = join(import.meta.dirname, '../sdks/python')
let server: RealServer
let ada: Record<string, string>

const done = (args: readonly string[], input: string | Uint8Array = '') =>
  execFileSync(keyhold, args, { env: ada, input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] })

beforeAll(async () => {
  server = await startRealServer()
  ada = { ...server.person('ada', 'admin'), KEYHOLD_PROJECT: 'shop' }
  done(['project', 'create', 'shop'])
  done(['environment', 'create', 'staging'])
  done(['secret', 'set', 'GITHUB_TOKEN'], 'ghp_canary-of-the-python-sdk')
  done(['secret', 'set', 'GITHUB_TOKEN', '-e', 'staging'], 'of staging')
  done(['secret', 'set', 'BYTES', '--type=file'], new Uint8Array([0, 255]))
  done(['secret', 'set', 'BROKEN', '--references'], '$'.concat('{NOWHERE}'))
})
afterAll(() => server?.stop())

test('SEC-11, SEC-23, SEC-34: the Python SDK reads, writes and explains, and its lines are in the audit log', async () => {
  const key = (permission: string) =>
    JSON.parse(done(['access-key', 'create', `--permission=${permission}`, '--json']))
  const [writer, reader] = [key('read_write'), key('read')]
  const ran = spawnSync('python3', ['-m', 'unittest', 'discover', '-s', 'tests'], {
    cwd: home,
    encoding: 'utf8',
    env: {
      PATH: process.env.PATH,
      PYTHONPATH: join(home, 'src'),
      PYTHONDONTWRITEBYTECODE: '1',
      KEYHOLD_URL: server.url,
      KEYHOLD_ACCESS_KEY_ID: writer.accessKey.id,
      KEYHOLD_ACCESS_KEY: writer.secret,
      READER_ID: reader.accessKey.id,
      READER_KEY: reader.secret,
    },
  })
  expect([ran.status, ran.stderr]).toEqual([0, expect.stringMatching(/\nOK\n$/)])
  const lines = done(['audit', 'list', '--action=secret.use', '--secret=GITHUB_TOKEN'])
    .split('\n')
    .map((line) => line.replace(/^.{19} - /, ''))
  expect(lines.filter((line) => line.includes('app.py'))).toEqual(['Secret used: GITHUB_TOKEN (app.py:5)'])
  const tests = readFileSync(join(home, 'tests/test_keyhold.py'), 'utf8').split('\n')
  const line = tests.findIndex((text) => text.includes('# This line is looked for')) + 1
  expect(lines).toContain(`Secret used: GITHUB_TOKEN (tests/test_keyhold.py:${line})`)
})
