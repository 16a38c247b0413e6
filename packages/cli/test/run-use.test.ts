// Which line used a secret: the real command, programs and server, to the line of the audit log.
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { UseReport } from '@keyhold/contract/api/uses'
import fc from 'fast-check'
import { Compile } from 'typebox/compile'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { OfflineStore } from '../src/run/offline-copy.ts'
import type { UseEvent } from '../src/run/use-event.ts'
import { UseRecorder } from '../src/run/use-recorder.ts'
import { UseReporter } from '../src/run/use-report.ts'
import { keyhold, type Result, start } from './kit.ts'
import { type RealServer, startRealServer } from './real-server.ts'

const value = 'ghp_canary0123456789abcdefghij'
const PEM = '-----BEGIN PRIVATE KEY-----\nMIIBVQIBADANBgkq\n-----END PRIVATE KEY-----\n'
const directory = mkdtempSync(join(tmpdir(), 'keyhold-use-'))
let server: RealServer
let ada: Record<string, string>
let machine: Record<string, string>
let seen = 0

const run = (args: readonly string[], env = ada, input = ''): Promise<Result> => {
  const running = start(args, env, { cwd: directory })
  running.child.stdin.end(input)
  return running.ended
}

/** Lines of use since the last time, without their time. */
async function lines(): Promise<string[]> {
  const { stdout, stderr } = await run(['audit', 'list', '--action=secret.use', '--json', '--limit=500'])
  expect(stderr).toBe('')
  const records = stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as { index: number; line: string })
    .filter(({ index }) => index >= seen)
    .sort((a, b) => a.index - b.index)
  seen = (records.at(-1)?.index ?? seen - 1) + 1
  return records.map(({ line }) => line)
}
const bare = (line: string) => line.replace(/^.{19} - Secret used: /, '')
const used = async () => (await lines()).map(bare)

beforeAll(async () => {
  server = await startRealServer()
  ada = server.person('ada', 'admin')
  const done = (args: string[], input = '') =>
    execFileSync(keyhold, args, { env: ada, input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] })
  done(['project', 'create', 'shop'])
  done(['secret', 'set', 'GITHUB_TOKEN', '--project=shop'], value)
  const { accessKey, secret } = JSON.parse(
    done(['access-key', 'create', '--project=shop', '--permission=read', '--json']),
  )
  const { KEYHOLD_TOKEN: _token, ...rest } = ada
  machine = { ...rest, KEYHOLD_ACCESS_KEY_ID: accessKey.id, KEYHOLD_ACCESS_KEY: secret }
})
afterAll(async () => {
  await server?.stop()
  rmSync(directory, { recursive: true, force: true })
})

const node = process.execPath

describe('keyhold run for a person', () => {
  test('SEC-23, F43: the line of app.js that reads GITHUB_TOKEN, another line another record, a loop one', async () => {
    const code = Array.from({ length: 20 }, () => '')
    code[11] = 'const token = process.env.GITHUB_TOKEN'
    code[14] = 'for (let i = 0; i < 1000; i++) process.env.GITHUB_TOKEN'
    code[19] = 'console.log(process.env.GITHUB_TOKEN === token)'
    writeFileSync(join(directory, 'app.js'), code.join('\n'))
    const ran = await run(['run', '--project=shop', '--', node, 'app.js'])
    expect([ran.code, ran.stdout, ran.stderr]).toEqual([0, 'true\n', ''])
    const found = await lines()
    expect(found[0]).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d - Secret used: GITHUB_TOKEN \(app\.js:12\)$/)
    expect(found.map(bare)).toEqual([
      'GITHUB_TOKEN (app.js:12)',
      'GITHUB_TOKEN (app.js:15)',
      'GITHUB_TOKEN (app.js:20)',
    ])
  })

  test('C20: the line of a Python program, also below a shell', async () => {
    writeFileSync(join(directory, 'app.py'), 'import os\n\nprint(len(os.environ["GITHUB_TOKEN"]))\n')
    const ran = await run(['run', '--project=shop', '--', 'sh', '-c', 'python3 app.py'])
    expect([ran.code, ran.stdout, ran.stderr]).toEqual([0, `${value.length}\n`, ''])
    expect(await used()).toEqual(['GITHUB_TOKEN (app.py:3)'])
  })

  test('SEC-30, C20: of programs that cannot tell their name; what they print is blank', async () => {
    const ran = await run(['run', '--project=shop', '--', 'bash', '-c', 'echo "<$GITHUB_TOKEN>"; exit 3'])
    expect([ran.code, ran.stdout, ran.stderr]).toEqual([3, '<>\n', ''])
    expect(await used()).toEqual(['GITHUB_TOKEN (bash)'])
  })

  test('a Node program that reads nothing used nothing', async () => {
    expect((await run(['run', '--project=shop', '--', node, '-e', '0'])).code).toBe(0)
    expect(await used()).toEqual([])
  })

  test('C4: NODE_OPTIONS and PYTHONPATH stay, and come as they were', async () => {
    const print = 'echo "$NODE_OPTIONS|$PYTHONPATH"'
    const own = { ...ada, NODE_OPTIONS: '--no-warnings', PYTHONPATH: '/own:/other' }
    const ran = await run(['run', '--project=shop', '--', 'sh', '-c', print], own)
    expect(ran.stdout).toMatch(/^--no-warnings --require \/.*\/node\.cjs\|\/.*\/python:\/own:\/other\n$/)
    await used()
  })

  test('--no-record-use loads nothing and reports nothing', async () => {
    const print = 'echo "$NODE_OPTIONS|$PYTHONPATH|$KEYHOLD_USES"'
    const ran = await run(['run', '--project=shop', '--no-record-use', '--', 'sh', '-c', print])
    expect([ran.code, ran.stdout]).toEqual([0, '||\n'])
    expect(await used()).toEqual([])
    const both = await run(['run', '--record-use', '--no-record-use', '--', 'true'])
    expect(both.code).toBe(2)
  })

  test('C2: a line of a bundle is the line of its source, by the source map beside it', async () => {
    mkdirSync(join(directory, 'dist'), { recursive: true })
    const map = { version: 3, sources: ['../src/app.ts'], names: [], mappings: 'AAIA' }
    writeFileSync(join(directory, 'dist/bundle.js.map'), JSON.stringify(map))
    writeFileSync(
      join(directory, 'dist/bundle.js'),
      'process.env.GITHUB_TOKEN\n//# sourceMappingURL=bundle.js.map\n',
    )
    expect((await run(['run', '--project=shop', '--', node, 'dist/bundle.js'])).code).toBe(0)
    expect(await used()).toEqual(['GITHUB_TOKEN (src/app.ts:5)'])
  })

  test('C8: a value in a path is not reported; of files elsewhere only the name is', async () => {
    const elsewhere = mkdtempSync(join(tmpdir(), 'keyhold-else-'))
    writeFileSync(join(directory, `${value}.js`), 'process.env.GITHUB_TOKEN')
    writeFileSync(join(elsewhere, 'other.js'), 'process.env.GITHUB_TOKEN')
    for (const file of [`${value}.js`, join(elsewhere, 'other.js')])
      expect((await run(['run', '--project=shop', '--', node, file])).code).toBe(0)
    rmSync(elsewhere, { recursive: true })
    expect(await used()).toEqual(['GITHUB_TOKEN ([GITHUB_TOKEN].js:1)', 'GITHUB_TOKEN (other.js:1)'])
  })

  test('a run that goes on is reported while it goes on', async () => {
    const running = start(
      [
        'run',
        '--project=shop',
        '--',
        node,
        '-e',
        'process.env.GITHUB_TOKEN; process.stdin.on("end", () => {}).resume()',
      ],
      ada,
      { cwd: directory },
    )
    let found: string[] = []
    while (found.length === 0 && running.child.exitCode === null) found = await used()
    expect(found).toEqual(['GITHUB_TOKEN ([eval]:1)'])
    running.child.stdin.end()
    expect((await running.ended).code).toBe(0)
    expect(await used()).toEqual([])
  })

  test('own values are not watched: nobody else hears that there is one', async () => {
    const done = (args: string[], input = '') =>
      execFileSync(keyhold, args, { env: ada, input, stdio: ['pipe', 'pipe', 'pipe'] })
    const both = 'process.env.GITHUB_TOKEN; process.env.OWN_FILE; process.env.OTHER'
    const of = '--project=own'
    done(['project', 'create', 'own'])
    for (const name of ['GITHUB_TOKEN', 'OTHER', 'OWN_FILE'])
      done(['secret', 'set', name, of], `value-of-the-project-for-${name}`)
    done(['secret', 'set', 'OWN', of, '--type=key'], PEM)
    done(['secret-override', 'set', 'GITHUB_TOKEN', of], 'a-value-of-my-own')
    done(['secret-override', 'set', 'OWN_FILE', of], 'another-value-of-my-own')
    expect((await run(['run', of, '--', node, '-e', both])).code).toBe(0)
    expect(await used()).toEqual(['OTHER ([eval]:1)'])
    // A program that cannot tell.
    expect((await run(['run', of, '--', 'true'])).code).toBe(0)
    expect((await used()).sort()).toEqual(['OTHER (true)', 'OWN (true)'])
    const hooked = await run(['run', of, '--', 'sh', '-c', 'cat "$KEYHOLD_USES/names"'])
    expect(hooked.stdout.split('\n').sort()).toEqual(['OTHER', 'OWN'])
    await used()
    for (const name of ['OTHER', 'OWN']) done(['secret-override', 'set', name, of], PEM)
    const unhooked = await run(['run', of, '--', 'sh', '-c', 'echo "$KEYHOLD_USES|$NODE_OPTIONS"'])
    expect([unhooked.code, unhooked.stdout]).toEqual([0, '|\n'])
    expect(await used()).toEqual([])
  })

  test('a copy knows which values are own ones; of one that does not, nothing is watched', () => {
    const env = { ...ada, XDG_CACHE_HOME: join(directory, 'cache'), XDG_STATE_HOME: join(directory, 'state') }
    const owner = {
      url: server.url,
      credentialId: 'person',
      credential: 'x',
      project: 'own',
      environment: 'All',
    }
    const secret = { name: 'A', type: 'token', value: Buffer.from('some-value') } as const
    const secrets = [
      { ...secret, source: 'override' },
      { ...secret, name: 'B' },
    ] as const
    new OfflineStore(env, owner).write(
      { environment: 'All', secrets, unresolved: [], referenced: [] },
      60_000,
    )
    const read = new OfflineStore(env, owner).read()?.delivery.secrets ?? []
    expect(read.map(({ source }) => source)).toEqual(['override', undefined])
    const recorder = UseRecorder.start(
      { secrets: read, referenced: [], command: 'true', directory, send: async () => 0 },
      { A: 'some-value', B: 'some-value' },
    )
    expect(recorder).toBe(undefined)
  })

  test('C6: without the files of the hooks everything runs as before', async () => {
    const home = join(directory, 'installation')
    const installed = join(keyhold, '../..')
    cpSync(installed, home, { recursive: true })
    rmSync(join(home, 'dist/hooks'), { recursive: true })
    const env = { ...ada, PATH: `${join(node, '..')}:${ada.PATH}` }
    const ran = spawnSync(
      join(home, 'bin/keyhold'),
      ['run', '--project=shop', '--', node, '-e', 'console.log(process.env.NODE_OPTIONS)'],
      { cwd: directory, env, encoding: 'utf8' },
    )
    expect([ran.status, ran.stdout, ran.stderr]).toEqual([0, 'undefined\n', ''])
    expect(await used()).toEqual(['GITHUB_TOKEN (node)'])
  })
})

describe('keyhold run for a machine', () => {
  test('reports when it is asked to, and else loads nothing', async () => {
    const program = [
      node,
      '-e',
      'console.log(process.env.NODE_OPTIONS === undefined, process.env.GITHUB_TOKEN.length)',
    ]
    const plain = await run(['run', '--', ...program], machine)
    expect([plain.code, plain.stdout]).toEqual([0, `true ${value.length}\n`])
    expect(await used()).toEqual([])
    const recorded = await run(['run', '--record-use', '--', ...program], machine)
    expect([recorded.code, recorded.stdout]).toEqual([0, `false ${value.length}\n`])
    expect(await used()).toEqual(['GITHUB_TOKEN ([eval]:1)'])
  })

  test('C9: a report that is never answered delays the end by a moment and changes nothing', async () => {
    // Passes the delivery on, and answers nothing else.
    const upstream = new URL(server.url)
    const proxy = createServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', (head) => {
        if (head.includes('/uses')) return
        const other = connect(Number(upstream.port), upstream.hostname, () => other.write(head))
        other.on('error', () => socket.destroy())
        socket.pipe(other).pipe(socket)
      })
    })
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    const { port } = proxy.address() as { port: number } // `as`: it listens on TCP.
    const env = { ...machine, KEYHOLD_URL: `http://127.0.0.1:${port}` }
    const ran = await run(
      ['run', '--record-use', '--', node, '-e', 'process.env.GITHUB_TOKEN; process.exit(7)'],
      env,
    )
    expect([ran.code, ran.stdout, ran.stderr]).toEqual([7, '', ''])
    proxy.close()
    expect(await used()).toEqual([])
  })
})

describe('what is reported', () => {
  const reports: UseReport[] = []
  const reporter = () =>
    new UseReporter('run-of-a-test', [], '/home/ada/shop', async (report) => {
      reports.push(report)
      return 1
    })
  async function reported(events: readonly Partial<UseEvent>[]): Promise<UseReport['uses']> {
    reports.length = 0
    const whole = events.map((event) => ({
      kind: 'read',
      name: 'A',
      program: 'node',
      isMapped: true,
      ...event,
    }))
    await reporter().report(whole as UseEvent[], AbortSignal.timeout(5_000)) // `as`: of the parts above.
    return reports.flatMap(({ uses }) => uses)
  }

  test('names of programs and files that the server would refuse are taken as something it does not', async () => {
    const programs = ['a\\b', '\\', '😀'.repeat(60), `${'x'.repeat(99)}😀`, '\ud83d', 'c\u001b[2J']
    const uses = await reported(programs.map((program) => ({ program })))
    expect(uses.map(({ program }) => program)).toEqual([
      'a_b',
      '_',
      '😀'.repeat(50),
      `${'x'.repeat(99)}\ufffd`,
      '\ufffd',
      'c\ufffd[2J',
    ])
    const files = [
      '/home/ada/shop/😀.js',
      `/home/ada/shop/${'😀'.repeat(300)}.js`,
      'a\\..\\b.js',
      'c:d:e.js',
      '..',
      `C:${'x'.repeat(600)}`,
    ]
    const placed = await reported(files.map((file) => ({ file, line: 1 })))
    expect(placed.map(({ file }) => file)).toEqual([
      '😀.js',
      `\ufffd${'😀'.repeat(254)}.js`,
      'a_.._b.js',
      'c_d_e.js',
      undefined,
      'x'.repeat(512),
    ])
  })

  test('whatever programs and files are called, the report is one that the contract takes', async () => {
    const validator = Compile(UseReport)
    const odd = fc.constantFrom(
      '\\',
      '/',
      '..',
      ':',
      '://',
      'C',
      ' ',
      ')',
      '\ud83d',
      '😀',
      '\u200e',
      '\u061c',
      '\0',
    )
    const text = fc.array(fc.oneof(odd, fc.string({ unit: 'binary', maxLength: 300 })), { maxLength: 6 })
    const name = text.map((parts) => parts.join(''))
    await fc.assert(
      fc.asyncProperty(name, name, async (program, file) => {
        await reported([{ program, ...(file && { file, line: 1 }) }])
        for (const report of reports)
          expect([...validator.Errors(report)], JSON.stringify(report)).toEqual([])
      }),
      { numRuns: 500 },
    )
  })
})
