import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { environmentFor, run, start, startServer, waitFor } from './kit.ts'

const pem = '-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\n-----END PRIVATE KEY-----\n'
const show = 'stat -c "%a %F" "$CERT" "$(dirname "$CERT")"; echo "path $CERT"; cat "$CERT"'

/** A place in memory that nothing else uses, as a login session gives one. */
function runtimeDirectory(): string {
  const path = mkdtempSync('/dev/shm/keyhold-test-')
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

describe('C17: a secret of type file is a path', () => {
  test('the file is 0600 in a directory that is 0700, in memory, holds every byte, and goes with the child', async () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte)
    const server = await startServer([{ name: 'CERT', type: 'file', value: bytes }])
    const XDG_RUNTIME_DIR = runtimeDirectory()
    const program = `const fs = require('node:fs')
      const path = process.env.CERT
      const mode = (of) => (fs.statSync(of).mode & 0o777).toString(8)
      console.log(JSON.stringify({ path, file: mode(path), directory: mode(path.replace(/[/][^/]*$/, '')), bytes: fs.readFileSync(path).toString('hex') }))`
    for (const umask of ['000', '077', '022']) {
      const result = await run(
        [
          'run',
          '--no-mask',
          '--',
          'sh',
          '-c',
          `umask ${umask}; exec "$@"`,
          'sh',
          process.execPath,
          '-e',
          program,
        ],
        environmentFor(server, { XDG_RUNTIME_DIR }),
      )
      const seen = JSON.parse(result.stdout)
      expect(seen).toMatchObject({ file: '600', directory: '700', bytes: Buffer.from(bytes).toString('hex') })
      expect(dirname(dirname(seen.path))).toBe(XDG_RUNTIME_DIR)
      expect(basename(seen.path)).toBe('CERT')
      expect(existsSync(seen.path)).toBe(false)
      expect(readdirSync(XDG_RUNTIME_DIR)).toEqual([])
    }
  })

  test('a key is the value in $NAME and a file in $NAME_FILE', async () => {
    const server = await startServer([{ name: 'SIGNING', type: 'key', value: pem }])
    const result = await run(
      [
        'run',
        '--no-mask',
        '--',
        'sh',
        '-c',
        'printf %s "$SIGNING"; cat "$SIGNING_FILE"; stat -c %a "$SIGNING_FILE"',
      ],
      environmentFor(server),
    )
    expect(result.stdout).toBe(`${pem}${pem}600\n`)
  })

  test('a secret that has the name of a key’s path wins, and it is said', async () => {
    const server = await startServer([
      { name: 'SIGNING', type: 'key', value: pem },
      { name: 'SIGNING_FILE', value: 'my-own-value' },
    ])
    const result = await run(
      ['run', '--no-mask', '--', 'sh', '-c', 'echo "$SIGNING_FILE"'],
      environmentFor(server),
    )
    expect(result.stdout).toBe('my-own-value\n')
    expect(result.stderr).toContain('SIGNING_FILE is a secret itself')
  })

  test('without a place in memory, the temporary directory', async () => {
    const server = await startServer([{ name: 'CERT', type: 'file', value: pem }])
    // A runtime directory that does not exist is passed over for /dev/shm.
    const result = await run(
      ['run', '--no-mask', '--', 'sh', '-c', show],
      environmentFor(server, { XDG_RUNTIME_DIR: '/nonexistent' }),
    )
    expect(result.stdout).toContain('path /dev/shm/keyhold-run-')
    expect(result.stdout).toContain(`600 regular file\n700 directory\n`)
    expect(tmpdir()).toBeTruthy()
  })
})

describe('files go', () => {
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT'] as const) {
    test(`when keyhold gets ${signal}`, async () => {
      const server = await startServer([{ name: 'CERT', type: 'file', value: pem }])
      const XDG_RUNTIME_DIR = runtimeDirectory()
      const running = start(
        ['run', '--', 'sh', '-c', 'echo ready; exec sleep 60'],
        environmentFor(server, { XDG_RUNTIME_DIR }),
      )
      await running.sees(/ready/)
      expect(readdirSync(XDG_RUNTIME_DIR)).toHaveLength(1)
      running.child.kill(signal)
      await running.ended
      expect(readdirSync(XDG_RUNTIME_DIR)).toEqual([])
    })
  }

  test('when the child is killed', async () => {
    const server = await startServer([{ name: 'CERT', type: 'file', value: pem }])
    const XDG_RUNTIME_DIR = runtimeDirectory()
    const result = await run(
      ['run', '--', 'sh', '-c', 'kill -KILL $$'],
      environmentFor(server, { XDG_RUNTIME_DIR }),
    )
    expect(result.code).toBe(137)
    expect(readdirSync(XDG_RUNTIME_DIR)).toEqual([])
  })

  test('when the child cannot be started', async () => {
    const server = await startServer([{ name: 'CERT', type: 'file', value: pem }])
    const XDG_RUNTIME_DIR = runtimeDirectory()
    const script = join(runtimeDirectory(), 'script')
    writeFileSync(script, '#!/no/such/interpreter\n', { mode: 0o755 })
    await run(['run', '--', script], environmentFor(server, { XDG_RUNTIME_DIR }))
    expect(readdirSync(XDG_RUNTIME_DIR)).toEqual([])
  })

  test('at the next run, when keyhold was killed with -9; those of running ones and of others stay', async () => {
    const server = await startServer([{ name: 'CERT', type: 'file', value: pem }])
    const XDG_RUNTIME_DIR = runtimeDirectory()
    const env = environmentFor(server, { XDG_RUNTIME_DIR })
    const killed = start(['run', '--', 'sh', '-c', 'echo pid $$; exec sleep 60'], env)
    const [, orphan] = await killed.sees(/pid (\d+)/)
    const [left] = readdirSync(XDG_RUNTIME_DIR) as [string]
    killed.child.kill('SIGKILL')
    // The child holds the pipes, so the end of keyhold is looked for, not the end of its output.
    await waitFor(() => killed.child.signalCode !== null)
    process.kill(Number(orphan), 'SIGKILL')
    const living = start(['run', '--', 'sh', '-c', 'echo ready; exec sleep 60'], env)
    await living.sees(/ready/)
    await waitFor(() => !readdirSync(XDG_RUNTIME_DIR).includes(left))
    const [ours] = readdirSync(XDG_RUNTIME_DIR) as [string]

    // The same process number with another start, as when numbers are used again, is a dead owner.
    const [, namespace, pid] = /^keyhold-run-(\d+)-(\d+)-/.exec(ours)!
    const reused = `keyhold-run-${namespace}-${pid}-1-abcdef`
    const foreign = `keyhold-run-1-999999999-1-abcdef`
    const other = 'keyhold-run-notes'
    for (const name of [reused, foreign, other]) mkdirSync(join(XDG_RUNTIME_DIR, name))
    await run(['run', '--', 'true'], env)
    expect(readdirSync(XDG_RUNTIME_DIR).sort()).toEqual([ours, foreign, other].sort())
    living.child.kill('SIGTERM')
    await living.ended
  })
})

describe('values that cannot be delivered are named, and the child is not started', () => {
  const cases: [string, Uint8Array, RegExp][] = [
    ['a NUL byte', Buffer.from('canary-1\0x'), /API_TOKEN has a NUL byte/],
    ['bytes that are not text', Buffer.from([0x63, 0xff, 0xfe]), /API_TOKEN is not text/],
    ['more than an environment variable holds', Buffer.alloc(200_000, 'canary'), /API_TOKEN is too long/],
  ]
  for (const [what, value, message] of cases) {
    test(what, async () => {
      const XDG_RUNTIME_DIR = runtimeDirectory()
      const server = await startServer([
        { name: 'CERT', type: 'file', value: pem },
        { name: 'API_TOKEN', value },
      ])
      const result = await run(['run', '--', 'echo', 'started'], environmentFor(server, { XDG_RUNTIME_DIR }))
      expect(result).toMatchObject({ code: 1, stdout: '' })
      expect(result.stderr).toMatch(message)
      expect(result.stderr).not.toContain('canary')
      expect(readdirSync(XDG_RUNTIME_DIR)).toEqual([])
    })
  }

  test('as a file all of them are fine', async () => {
    const server = await startServer([
      { name: 'BLOB', type: 'file', value: Buffer.alloc(200_000, '\0\xff', 'latin1') },
    ])
    const result = await run(['run', '--', 'sh', '-c', 'wc -c < "$BLOB"'], environmentFor(server))
    expect(result.stdout.trim()).toBe('200000')
  })
})

test('values are in no argument of any process', async () => {
  const server = await startServer([{ name: 'API_TOKEN', value: 'canary-argv-5d1' }])
  const running = start(['run', '--', 'sh', '-c', 'echo ready; exec sleep 60'], environmentFor(server))
  await running.sees(/ready/)
  expect(execFileSync('ps', ['-eo', 'args='], { encoding: 'utf8' })).not.toContain('canary-argv')
  expect(statSync(`/proc/${running.child.pid}`).isDirectory()).toBe(true)
  running.child.kill('SIGTERM')
  await running.ended
})
