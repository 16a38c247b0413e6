// `keyhold run --max-age` and `--offline`: a copy for when Keyhold cannot be reached.
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Delivery } from '../src/run/delivery.ts'
import { type CopyOwner, OfflineStore, parsedAge } from '../src/run/offline-copy.ts'
import { environmentFor, type FakeServer, run, sendProblem, startServer } from './kit.ts'
import { startRealServer } from './real-server.ts'

const CANARY = 'canary_Zq81LmQx7value'
const PRINT = ['--', 'sh', '-c', 'echo $(printf %s "$API_TOKEN" | wc -c)']

function home(): string {
  const path = mkdtempSync(join(tmpdir(), 'keyhold-offline-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

const directories = (path: string) => ({
  XDG_CACHE_HOME: join(path, 'cache'),
  XDG_STATE_HOME: join(path, 'state'),
})
const copies = (path: string) => {
  const folder = join(path, 'cache/keyhold/offline')
  return readdirSync(folder)
    .filter((name) => !name.includes('.'))
    .map((name) => join(folder, name))
}

/** A server that has been asked once, with a copy of what it gave. */
async function scene(secrets = [{ name: 'API_TOKEN', value: CANARY }]) {
  const server = await startServer(secrets)
  const path = home()
  const env = environmentFor(server, directories(path))
  const online = await run(['run', '--max-age=12h', ...PRINT], env)
  expect(online).toMatchObject({ code: 0, stdout: `${CANARY.length}\n`, stderr: '' })
  return { server, env, path }
}

const failures: Record<string, (server: FakeServer) => void> = {
  'nothing but a gateway answers (502)': (server) => {
    server.answer = (_req, res) =>
      void res.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Bad gateway')
  },
  'it cannot use its database (503)': (server) => {
    server.answer = (_req, res) =>
      sendProblem(res, 503, 'storage.unavailable', 'The database does not answer.')
  },
  'it takes the request and never answers': (server) => {
    server.answer = () => {}
  },
  'it cuts the connection': (server) => {
    server.answer = (req) => void req.socket.resetAndDestroy()
  },
  'its answer breaks off': (server) => {
    server.answer = (req, res) => {
      res
        .writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' })
        .write('{"environment"')
      setImmediate(() => req.socket.destroy())
    }
  },
  'another program answers in its place': (server) => {
    server.answer = (_req, res) => void res.writeHead(200).end('Please sign in to this network')
  },
}

describe('R7: a machine goes on with the copy when', () => {
  test.each(Object.entries(failures))(
    '%s',
    async (_, fail) => {
      const { server, env } = await scene()
      fail(server)
      const result = await run(['run', '--max-age=12h', ...PRINT], env)
      expect(result).toMatchObject({ code: 0, stdout: `${CANARY.length}\n` })
      expect(result.stderr).toContain('using the copy of 0 minutes ago')
      const without = await run(['run', '--max-age=12h', '--environment=staging', ...PRINT], env)
      expect([without.code, without.stdout]).toEqual([1, ''])
    },
    60_000,
  )

  test('nothing listens there', async () => {
    const { env } = await scene()
    const result = await run(['run', '--max-age=12h', ...PRINT], {
      ...env,
      KEYHOLD_URL: 'http://127.0.0.1:9',
    })
    // Another address is another Keyhold: its copy is not this one's.
    expect(result.code).toBe(1)
  })
})

test.each([401, 403, 404])(
  'an answer of %i is never a reason to use the copy, and deletes it',
  async (status) => {
    const { server, env, path } = await scene()
    server.answer = (_req, res) => sendProblem(res, status, 'auth.invalid', 'No.')
    const refused = await run(['run', '--max-age=12h', ...PRINT], env)
    expect([refused.code, refused.stdout]).toEqual([status === 401 ? 4 : 1, ''])
    expect(copies(path)).toEqual([])
    const offline = await run(['run', '--offline', ...PRINT], env)
    expect([offline.code, offline.stderr]).toEqual([1, expect.stringContaining('no offline copy')])
  },
)

test.each([403, 404])(
  'a %i of a gateway in front of Keyhold is no refusal: the copy is used and stays',
  async (status) => {
    const { server, env, path } = await scene()
    server.answer = (_req, res) => {
      res.writeHead(status, { 'content-type': 'text/html' })
      res.end('<h1>default backend</h1>')
    }
    const result = await run(['run', '--max-age=12h', ...PRINT], env)
    expect(result).toMatchObject({ code: 0, stdout: `${CANARY.length}\n` })
    expect(copies(path)).toHaveLength(1)
  },
)

test('--offline asks nobody, and without a copy says how to make one', async () => {
  const { server, env } = await scene()
  const asked = server.requests.length
  const result = await run(['run', '--offline', ...PRINT], env)
  expect(result).toMatchObject({ code: 0, stdout: `${CANARY.length}\n` })
  expect(server.requests).toHaveLength(asked)
  const none = await run(['run', '--offline', '--environment=staging', ...PRINT], env)
  expect([none.code, none.stderr]).toEqual([1, expect.stringContaining('keyhold run --max-age=12h')])
})

test('values from the copy are taken out of the output as others are', async () => {
  const { env } = await scene()
  const result = await run(['run', '--offline', '--', 'sh', '-c', 'echo "<$API_TOKEN>"'], env)
  expect(result.stdout).toBe('<>\n')
})

test('a copy is made only when it is asked for, with modes for this user alone and no value in clear', async () => {
  const { env, path } = await scene()
  const files = [...copies(path), join(path, 'state/keyhold/machine.key')]
  for (const file of files) {
    expect(statSync(file).mode & 0o777).toBe(0o600)
    const bytes = readFileSync(file)
    for (const form of [CANARY, Buffer.from(CANARY).toString('base64'), Buffer.from(CANARY).toString('hex')])
      expect(bytes.includes(form)).toBe(false)
  }
  const elsewhere = home()
  await run(['run', ...PRINT], { ...env, ...directories(elsewhere) })
  expect(readdirSync(elsewhere)).toEqual([])
})

test('a copy that cannot be written does not throw away what was delivered (R8)', async () => {
  const server = await startServer([{ name: 'API_TOKEN', value: CANARY }])
  const path = home()
  writeFileSync(join(path, 'cache'), 'a file where a directory should be')
  const result = await run(['run', '--max-age=12h', ...PRINT], environmentFor(server, directories(path)))
  expect(result).toMatchObject({ code: 0, stdout: `${CANARY.length}\n` })
  expect(result.stderr).toContain('the offline copy cannot be kept')
})

test('the audit log says that a copy is kept, and of its uses when Keyhold is reached again', async () => {
  const server = await startRealServer()
  onTestFinished(() => server.stop())
  const path = home()
  const env = { ...server.person('ada'), ...directories(path) }
  for (const args of [
    ['project', 'create', 'shop'],
    ['secret', 'set', 'API_TOKEN', '--project=shop'],
  ])
    expect(await run(args, env, CANARY)).toMatchObject({ code: 0 })
  const asPerson = ['run', '--project=shop', '--max-age=1d']
  expect(await run([...asPerson, ...PRINT], env)).toMatchObject({ code: 0, stdout: `${CANARY.length}\n` })
  for (let i = 0; i < 2; i++)
    expect((await run(['run', '--project=shop', '--offline', ...PRINT], env)).stdout).toBe(
      `${CANARY.length}\n`,
    )
  await run([...asPerson, ...PRINT], env)
  const { stdout } = await run(['audit', 'list', '--action=secret.read', '--json'], env)
  const clients = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).client as string)
  expect(clients).toEqual([
    expect.stringMatching(/keeps a copy for 1d; copy used 2 times, last at \d{4}-/),
    expect.stringMatching(/\(keeps a copy for 1d\)$/),
  ])
}, 60_000)

test.each(['0m', '31d', '12', 'soon', '-1h'])('--max-age=%s is a usage error', async (age) => {
  const server = await startServer()
  const result = await run(['run', `--max-age=${age}`, ...PRINT], environmentFor(server))
  expect([result.code, result.stderr]).toEqual([2, expect.stringContaining('--max-age')])
  expect(server.requests).toEqual([])
})

describe('the copy itself', () => {
  const delivery: Delivery = {
    environment: 'All',
    secrets: [{ name: 'A', type: 'file', value: Buffer.from([0, 1, 255]) }],
    unresolved: [{ name: 'B', explanation: 'no' }],
    referenced: [{ name: 'C', type: 'token', value: Buffer.from('x') }],
  }
  const owner: CopyOwner = {
    url: 'https://keys.example.com',
    credentialId: 'ak_1',
    credential: 'kh_key_1',
    project: undefined,
    environment: 'All',
  }
  const HOUR_MS = parsedAge('1h')

  function store(change: Partial<CopyOwner> = {}, path = home()) {
    return { copy: new OfflineStore(directories(path), { ...owner, ...change }), path }
  }

  test('comes back as it was delivered, binary values too', () => {
    const { copy } = store()
    copy.write(delivery, HOUR_MS)
    const read = copy.read()!.delivery
    expect(read.secrets.map(({ value }) => [...value])).toEqual([[0, 1, 255]])
    expect(read).toMatchObject({ environment: 'All', unresolved: delivery.unresolved })
    expect(read.referenced).toHaveLength(1)
  })

  test('is refused when it is older than asked for now, or than it was made for, and from the future', () => {
    const { copy } = store()
    const now = Date.now()
    copy.write(delivery, HOUR_MS, now)
    expect(copy.read(parsedAge('30m'), now + parsedAge('29m'))).toBeDefined()
    expect(() => copy.read(parsedAge('30m'), now + parsedAge('31m'))).toThrow('too old: 31 minutes')
    expect(() => copy.read(parsedAge('1d'), now + HOUR_MS + 1)).toThrow('too old')
    expect(() => copy.read(undefined, now - HOUR_MS)).toThrow('has not come yet')
  })

  test('opens with its credential and its machine only, and not after any byte was changed', () => {
    const { copy, path } = store()
    copy.write(delivery, HOUR_MS)
    const [file] = copies(path) as [string]
    expect(() => store({ credential: 'kh_key_2' }, path).copy.read()).toThrow('does not open')
    const whole = readFileSync(file)
    for (let i = 0; i < whole.length; i += 7) {
      const bytes = Buffer.from(whole)
      bytes[i]! ^= 1
      writeFileSync(file, bytes)
      expect(() => copy.read()).toThrow('does not open')
    }
    writeFileSync(file, whole.subarray(0, -1))
    expect(() => copy.read()).toThrow('does not open')
    writeFileSync(file, whole)
    expect(copy.read()).toBeDefined()
    writeFileSync(join(path, 'state/keyhold/machine.key'), Buffer.alloc(32))
    expect(() => copy.read()).toThrow('does not open')
  })

  test('of one server, credential, project or environment is none of another', () => {
    const { copy, path } = store()
    copy.write(delivery, HOUR_MS)
    for (const change of [
      { url: 'https://other.example.com' },
      { credentialId: 'ak_2' },
      { project: 'shop' },
      { environment: 'staging' },
    ])
      expect(store(change, path).copy.read()).toBeUndefined()
  })
})
