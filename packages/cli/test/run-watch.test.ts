// The real command against the real server: what is restarted when, and what is not.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Keyhold } from '@keyhold/sdk'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { parsedGrace } from '../src/run/replacement.ts'
import { keyhold, node, quote, type Running, run, start, TerminalRun, waitFor } from './kit.ts'
import { type RealServer, startRealServer } from './real-server.ts'

let server: RealServer
let owner: Record<string, string>
let asOwner: Keyhold
let projects = 0

beforeAll(async () => {
  server = await startRealServer()
  owner = server.person('ada')
  asOwner = clientOf(owner)
})
afterAll(() => server.stop())

const clientOf = (env: Record<string, string>) =>
  new Keyhold({ url: env.KEYHOLD_URL!, token: env.KEYHOLD_TOKEN! }, { deadlineMs: 60_000 }) // `!`: as a person has them.

/** A project with a secret, and what a machine has to know of it. */
async function scene() {
  const project = `shop-${++projects}`
  const { id: projectId } = await asOwner.call('project.create', { body: { name: project } })
  /** All of them in one transaction. */
  const set = (values: Record<string, string>) =>
    asOwner.call('secret.import', {
      params: { projectId },
      body: {
        existing: 'replace',
        secrets: Object.entries(values).map(([name, value]) => ({ name, value })),
      },
    })
  await set({ API_TOKEN: 'value-number-1' })
  const { accessKey, secret } = await asOwner.call('access-key.create', {
    params: { projectId },
    body: { permission: 'read' },
  })
  const deactivate = () =>
    asOwner.call('access-key.deactivate', { params: { projectId, accessKeyId: accessKey.id } })
  const home = mkdtempSync(join(tmpdir(), 'keyhold-watch-'))
  onTestFinished(() => rmSync(home, { recursive: true, force: true }))
  const env = {
    PATH: owner.PATH!,
    HOME: home,
    XDG_CACHE_HOME: join(home, 'cache'),
    XDG_STATE_HOME: join(home, 'state'),
    KEYHOLD_URL: server.url,
    KEYHOLD_ACCESS_KEY_ID: accessKey.id,
    KEYHOLD_ACCESS_KEY: secret,
  }
  const copies = () => readdirSync(join(home, 'cache/keyhold/offline')).filter((name) => !name.includes('.'))
  return { project, projectId, set, env, deactivate, copies }
}

/** Says in which form it was started, and waits. Values are masked, so it prints the end of one. */
const program = (more = '') =>
  `${more};process.stdout.write("started:" + process.env.API_TOKEN.slice(-1) + "\\n"); setInterval(() => {}, 1000)`
const watched = (...options: string[]) => ['run', '--watch', ...options, '--', node, '-e', program()]
const starts = (running: Running) => running.stdout.match(/started:\d/g) ?? []

/** A server that was away comes back, and is asked again with growing pauses. */
async function eventually(check: () => boolean): Promise<void> {
  while (!check()) await new Promise((resolve) => setTimeout(resolve, 50))
}

async function terminated(running: Running): Promise<void> {
  running.child.kill('SIGTERM')
  expect((await running.ended).code).toBe(143)
}

describe('R6: run --watch', { timeout: 60_000 }, () => {
  test('a change restarts the command once, and what changes no value does not', async () => {
    const { set, env, projectId } = await scene()
    const running = start(watched(), env)
    await running.sees(/started:1/)
    await asOwner.call('environment.create', { params: { projectId }, body: { name: 'empty' } })
    await set({ API_TOKEN: 'value-number-2', ONE_MORE: 'another value' })
    await running.sees(/started:2/)
    await set({ API_TOKEN: 'value-number-3' })
    await running.sees(/started:3/)
    expect(starts(running)).toEqual(['started:1', 'started:2', 'started:3'])
    expect(running.stderr).toContain('restarting the command, changed: API_TOKEN, ONE_MORE\n')
    expect(running.stdout + running.stderr).not.toContain('value-number')
    await terminated(running)
  })

  test('changes that come together are one restart, with the last value', async () => {
    const { set, env } = await scene()
    const running = start(watched(), env)
    await running.sees(/started:1/)
    // Together in any case: while it stands still, none of them is seen.
    running.child.kill('SIGSTOP')
    for (let i = 2; i <= 9; i++) await set({ API_TOKEN: `value-number-${i}` })
    running.child.kill('SIGCONT')
    await running.sees(/started:9/)
    expect(starts(running)).toEqual(['started:1', 'started:9'])
    // There and back again is no change.
    running.child.kill('SIGSTOP')
    await set({ API_TOKEN: 'value-number-8' })
    await set({ API_TOKEN: 'value-number-9' })
    running.child.kill('SIGCONT')
    await set({ LAST: 'that something follows' })
    await running.sees(/started:9\nstarted:9/)
    await terminated(running)
  })

  test('a command that ends by itself ends the run with its code, and signals reach it as without a watch (R1, R2)', async () => {
    const { set, env } = await scene()
    expect((await run(['run', '--watch', '--', 'sh', '-c', 'exit 7'], env)).code).toBe(7)
    const trap = 'trap "echo got; exit 9" INT; echo ready; while :; do sleep 0.1; done'
    const running = start(['run', '--watch', '--', 'sh', '-c', trap], env)
    await running.sees(/ready/)
    await set({ API_TOKEN: 'value-number-2' })
    await running.sees(/ready\nready/)
    running.child.kill('SIGINT')
    await running.sees(/got/)
    expect((await running.ended).code).toBe(9)
  })

  test('a command has its time to end, and the next one begins after it', async () => {
    const { set, env } = await scene()
    const slow = program(
      'process.on("SIGTERM", () => setTimeout(() => { console.log("bye"); process.exit() }, 1500))',
    )
    const running = start(['run', '--watch', '--grace=2m', '--', node, '-e', slow], env)
    await running.sees(/started:1/)
    await set({ API_TOKEN: 'value-number-2' })
    await running.sees(/started:2/)
    expect(running.stdout).toBe('started:1\nbye\nstarted:2\n')
    running.child.kill('SIGKILL')
  })

  test('a command that ignores SIGTERM is killed when its time is over, and not before', async () => {
    const { set, env } = await scene()
    const deaf = program('console.log("pid:" + process.pid);process.on("SIGTERM", () => console.log("no"))')
    const running = start(['run', '--watch', '--grace=2s', '--', node, '-e', deaf], env)
    const pid = Number((await running.sees(/pid:(\d+)/))[1])
    await running.sees(/started:1/)
    await set({ API_TOKEN: 'value-number-2' })
    await running.sees(/no\n/)
    const askedAt = performance.now()
    await running.sees(/started:2/)
    expect(performance.now() - askedAt).toBeGreaterThan(1500)
    expect(() => process.kill(pid, 0)).toThrow('ESRCH')
    // SIGTERM for the run itself is the command's own matter, as ever.
    running.child.kill('SIGTERM')
    await running.sees(/no\n[\s\S]*no\n/)
    running.child.kill('SIGKILL')
  })

  test('the time to end is 0s to 60m, for a watch alone', async () => {
    expect(['0s', '30s', '2m', '60m'].map(parsedGrace)).toEqual([0, 30_000, 120_000, 3_600_000])
    for (const wrong of ['', '1', '61m', '-1s', '1h', '1.5s', '99999s'])
      expect(() => parsedGrace(wrong), wrong).toThrow('--grace is no time')
    const { env } = await scene()
    expect((await run(['run', '--grace=1s', '--', 'true'], env)).code).toBe(2)
    expect((await run(['run', '--watch', '--grace=soon', '--', 'true'], env)).code).toBe(2)
  })

  test('a server that was killed lets the command run; a change that was missed is caught up with once', {
    timeout: 120_000,
  }, async () => {
    const { set, env } = await scene()
    const running = start(watched(), env)
    await running.sees(/started:1/)
    await server.kill()
    await waitFor(() => running.stderr.includes('changes are not seen now'))
    await server.startAgain()
    await set({ API_TOKEN: 'value-number-2' })
    await eventually(() => running.stdout.includes('started:2'))
    expect(starts(running)).toEqual(['started:1', 'started:2'])
    expect(running.stderr.match(/changes are not seen now/g)).toHaveLength(1)
    await terminated(running)
  })

  test('a connection that was cut is made again, and restarts nothing', { timeout: 120_000 }, async () => {
    const { set, env } = await scene()
    const { url, sockets } = await startProxy(server.url)
    const running = start(watched(), { ...env, KEYHOLD_URL: url })
    await running.sees(/started:1/)
    for (const socket of sockets) socket.resetAndDestroy()
    const before = sockets.size
    await eventually(() => sockets.size > before)
    await set({ API_TOKEN: 'value-number-2' })
    await eventually(() => running.stdout.includes('started:2'))
    expect(starts(running)).toEqual(['started:1', 'started:2'])
    await terminated(running)
  })

  test('a key that is no longer accepted is told once, and the command goes on (A4)', async () => {
    const { env, deactivate } = await scene()
    const running = start(watched(), env)
    await running.sees(/started:1/)
    await deactivate()
    await waitFor(() => running.stderr.includes('changes are not seen now'))
    expect(running.stderr).toMatch(/the command goes on as it is: .*\(auth\.required\)/)
    expect(running.child.exitCode).toBe(null)
    expect(starts(running)).toEqual(['started:1'])
    await terminated(running)
  })

  test('with --max-age it starts from the copy while the server is away, and again when that is there with another value', {
    timeout: 120_000,
  }, async () => {
    const { set, env, deactivate, copies } = await scene()
    expect((await run(['run', '--max-age=1h', '--', 'true'], env)).code).toBe(0)
    await server.kill()
    const running = start(watched('--max-age=1h'), env)
    await running.sees(/started:1/)
    expect(running.stderr).toContain('using the copy')
    await server.startAgain()
    await set({ API_TOKEN: 'value-number-2' })
    await eventually(() => running.stdout.includes('started:2'))
    expect(starts(running)).toEqual(['started:1', 'started:2'])
    // What was delivered then is the copy now.
    const offline = await run(['run', '--offline', '--', node, '-e', `${program()};process.exit()`], env)
    expect(offline.stdout).toBe('started:2\n')
    expect(copies()).toHaveLength(1)
    await deactivate()
    await eventually(() => running.stderr.includes('auth.required'))
    expect(copies()).toEqual([])
    await terminated(running)
  })

  test('a person’s project is watched with what signed them in; without it the command goes on', async () => {
    const { project, set } = await scene()
    const { accessToken, token } = await asOwner.call('access-token.create', { body: { name: 'laptop' } })
    const env = { PATH: owner.PATH!, HOME: owner.HOME!, KEYHOLD_URL: server.url, KEYHOLD_TOKEN: token }
    const running = start(watched('--project', project), env)
    await running.sees(/started:1/)
    await set({ API_TOKEN: 'value-number-2' })
    await running.sees(/started:2/)
    await asOwner.call('access-token.delete', { params: { accessTokenId: accessToken.id } })
    await waitFor(() => running.stderr.includes('changes are not seen now'))
    expect(running.stderr).toContain('(auth.required)')
    expect(starts(running)).toEqual(['started:1', 'started:2'])
    await terminated(running)
  })

  test('restarts leave nothing open', async () => {
    const { set, env } = await scene()
    const running = start(watched(), env)
    await running.sees(/started:1/)
    const open = async (value: number) => {
      await set({ API_TOKEN: `value-number-${value}` })
      await running.sees(new RegExp(`started:${value}`))
      return readdirSync(`/proc/${running.child.pid}/fd`).length
    }
    await open(2)
    await open(3)
    const after = await open(4)
    let now = 0
    for (const value of [5, 6, 7, 8]) now = await open(value)
    // A request that is just over may still have its socket.
    expect(now).toBeLessThanOrEqual(after + 2)
    await terminated(running)
  })

  test('what excludes each other is refused before anything is delivered', async () => {
    const { env } = await scene()
    const offline = await run(['run', '--watch', '--offline', '--max-age=1h', '--', 'true'], env)
    expect([offline.code, offline.stderr]).toEqual([2, expect.stringContaining('exclude each other')])
    const wrong = await run(['run', '--watch', '--', 'true'], { ...env, KEYHOLD_ACCESS_KEY: 'wrong' })
    expect(wrong.code).toBe(4)
  })
})

describe('R2, M8: run --watch in a terminal', { timeout: 60_000 }, () => {
  const inTerminal = (env: Record<string, string>, script: string) =>
    new TerminalRun(
      'sh',
      [
        '-c',
        `${quote(keyhold)} run --mask=label --watch -- ${quote(node)} -e ${quote(script)}; echo "code:$?"; stty -a`,
      ],
      env,
      { cols: 91, rows: 31 },
    )

  test('the next command has it as the one before: masked, with raw keys and the size of the window; afterwards it is as it was (M1)', async () => {
    const { set, env } = await scene()
    const script = `
      process.stdin.setRawMode(true)
      process.stdout.write('size ' + process.stdout.columns + 'x' + process.stdout.rows + ' value <' + process.env.API_TOKEN + '>\\r\\n')
      process.stdin.on('data', (keys) => String(keys).includes('q') && process.exit(5))`
    const terminal = inTerminal(env, script)
    await terminal.sees(/size 91x31 value <\[API_TOKEN\]>/)
    await set({ API_TOKEN: 'value-number-2' })
    await terminal.sees(/changed: API_TOKEN\r+\n[\s\S]*size 91x31 value <\[API_TOKEN\]>/)
    // Without Enter.
    terminal.type('q')
    await terminal.sees(/code:5[\s\S]*[^-]icanon[\s\S]*[^-]echo /)
    expect(terminal.output).not.toContain('value-number')
  })

  test.each([
    ['the first command', 0],
    ['one after a restart', 2],
  ])('Ctrl-C ends %s and the run', async (_which, changes) => {
    const { set, env } = await scene()
    const terminal = inTerminal(
      env,
      'console.log("started:" + process.env.API_TOKEN.slice(-1)); setInterval(() => {}, 1000)',
    )
    await terminal.sees(/started:1/)
    for (let i = 2; i < 2 + changes; i++) {
      await set({ API_TOKEN: `value-number-${i}` })
      await terminal.sees(new RegExp(`started:${i}`))
    }
    terminal.type('\x03')
    await terminal.ended
    // The death by SIGINT is passed on, and ends the shell's script as well.
    expect(terminal.output).not.toMatch(/code:[^1]/)
    expect(terminal.output.match(/started:/g)).toHaveLength(1 + changes)
  })

  test('Ctrl-C while a command takes its time to make room ends the run, and no other begins', async () => {
    const { set, env } = await scene()
    const script = `
      process.on('SIGTERM', () => console.log('still busy'))
      process.on('SIGINT', () => process.exit(6))
      console.log('started:' + process.env.API_TOKEN.slice(-1)); setInterval(() => {}, 1000)`
    // Output that is no terminal: the signal then comes to both.
    const terminal = new TerminalRun(
      'sh',
      [
        '-c',
        `${quote(keyhold)} run --watch --grace=5m -- ${quote(node)} -e ${quote(script)} | cat; echo over`,
      ],
      env,
    )
    await terminal.sees(/started:1/)
    await set({ API_TOKEN: 'value-number-2' })
    await terminal.sees(/still busy/)
    terminal.type('\x03')
    await terminal.ended
    expect(terminal.output).not.toContain('started:2')
  })
})

/** Between the command and the server. @returns the connections there were. */
async function startProxy(target: string): Promise<{ url: string; sockets: Set<Socket> }> {
  const { hostname, port } = new URL(target)
  const sockets = new Set<Socket>()
  const proxy = createServer((client) => {
    sockets.add(client)
    const upstream = connect(Number(port), hostname)
    client.pipe(upstream).pipe(client)
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      socket.on('error', () => {})
      socket.on('close', () => other.destroy())
    }
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    proxy.close()
  })
  const address = proxy.address()
  if (address === null || typeof address === 'string') throw new Error('it listens on TCP')
  return { url: `http://127.0.0.1:${address.port}`, sockets }
}
