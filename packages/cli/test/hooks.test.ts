// The hooks by themselves, without keyhold: programs with and without them, and what they told.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'

const root = mkdtempSync(join(tmpdir(), 'keyhold programs '))
// A copy, since Python compiles what it loads beside it.
const hooks = join(root, 'installed/hooks')
cpSync(join(import.meta.dirname, '../src/hooks'), hooks, { recursive: true })
afterAll(() => rmSync(root, { recursive: true, force: true }))

const secrets = {
  TOKEN: 'ghp_canary-of-the-hooks',
  OTHER: 'another-canary',
  THIRD: 'third-canary',
  LAST: 'last-canary',
}
let runs = 0

interface Hooked {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
  /** `kind NAME file:line`, and ` via package`. */
  readonly events: string[]
  /** Everything that was told. */
  readonly text: string
}

/** Writes files, and runs a program there with the hooks. */
function run(
  files: Record<string, string>,
  command: string,
  args: readonly string[],
  env: Record<string, string> = {},
  prepare: (home: string) => void = () => {},
): Hooked {
  const directory = place(files)
  const home = join(directory, '.uses')
  mkdirSync(home)
  writeFileSync(join(home, 'names'), Object.keys(secrets).join('\n'))
  writeFileSync(join(home, 'events'), '')
  prepare(home)
  const ran = spawnSync(command, args, {
    cwd: directory,
    encoding: 'utf8',
    env: {
      PATH: process.env.PATH,
      HOME: directory,
      ...secrets,
      KEYHOLD_USES: home,
      NODE_OPTIONS: `--require "${join(hooks, 'node.cjs')}"`,
      PYTHONPATH: join(hooks, 'python'),
      ...env,
    },
  })
  const text = tryRead(join(home, 'events'))
  const events = text.split('\n').flatMap((line) => {
    const [kind, name, , file = '', at, , via] = line.split('\t')
    if (kind !== 'read' && kind !== 'inherited') return []
    return [
      `${kind} ${name} ${file.replace(`${directory}/`, '').replace(`file://`, '')}:${at}${via ? ` via ${via}` : ''}`,
    ]
  })
  return { status: ran.status, stdout: ran.stdout, stderr: ran.stderr, events, text }
}

function place(files: Record<string, string>): string {
  runs += 1
  const directory = join(root, `run ${runs}`)
  for (const [name, text] of Object.entries(files)) {
    const path = join(directory, name)
    mkdirSync(join(path, '..'), { recursive: true })
    writeFileSync(path, text)
  }
  mkdirSync(directory, { recursive: true })
  return directory
}

function tryRead(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** Code of one line each, and what it is. */
const rows: readonly [code: string, expected: 'read' | 'nothing'][] = [
  ['env.TOKEN', 'read'],
  ["env['TOKEN']", 'read'],
  ['env?.TOKEN', 'read'],
  ['const { TOKEN } = env', 'read'],
  ['const { TOKEN: renamed = 1 } = env', 'read'],
  ['Reflect.get(env, "TOKEN")', 'read'],
  ["if (env.hasOwnProperty('TOKEN')) env.TOKEN", 'read'],
  ["if (Object.hasOwn(env, 'TOKEN')) env.TOKEN", 'read'],
  ['for (let i = 0; i < 10000; i++) env.TOKEN', 'read'],
  ["'TOKEN' in env", 'nothing'],
  ["Object.hasOwn(env, 'TOKEN')", 'nothing'],
  ["env.hasOwnProperty('TOKEN')", 'nothing'],
  ["Object.getOwnPropertyDescriptor(env, 'TOKEN')", 'nothing'],
  ['({ ...env })', 'nothing'],
  ['Object.assign({}, env)', 'nothing'],
  ['Object.keys(env)', 'nothing'],
  ['Object.values(env)', 'nothing'],
  ['Object.entries(env)', 'nothing'],
  ['JSON.stringify(env)', 'nothing'],
  ['for (const key in env) env[key]', 'nothing'],
  ['for (const key of Object.keys(env)) env[key]', 'nothing'],
  ['Object.keys(env).forEach((key) => env[key])', 'nothing'],
  ["Object.keys(env).filter((key) => key !== 'HOME').map((key) => env[key])", 'nothing'],
  ["require('node:util').inspect(env)", 'nothing'],
  ['env.HOME', 'nothing'],
  ['env.MISSING', 'nothing'],
  ['env.TOKEN', 'read'],
]

describe('the hook of Node', () => {
  const wanted = (first: number) =>
    rows.flatMap(([, kind], i) => (kind === 'read' ? [`read TOKEN app.js:${first + i}`] : []))
  // Each in a function and a turn of its own, as in a program.
  const lines = rows.map(([code]) => `await 0; (() => { ${code} })()`)

  test('C1, SEC-23: reads in CommonJS are told with their line, looking through all variables is not', () => {
    const code = ['const { env } = process; const require_ = require; (async () => {', ...lines, '})()'].join(
      '\n',
    )
    const ran = run({ 'app.js': code }, process.execPath, ['app.js'])
    expect([ran.status, ran.stdout, ran.stderr]).toEqual([0, '', ''])
    expect(ran.events).toEqual(wanted(2))
  })

  test('C1: the same in a module that imports `env` by name', () => {
    const code = [
      "import { env } from 'node:process'; import { createRequire } from 'node:module'; const require = createRequire('/')",
      ...lines,
    ].join('\n')
    const ran = run({ 'app.js': code, 'package.json': '{"type":"module"}' }, process.execPath, ['app.js'])
    expect([ran.status, ran.stdout, ran.stderr]).toEqual([0, '', ''])
    expect(ran.events).toEqual(wanted(2))
  })

  test('C2: TypeScript that Node runs itself; source maps that are switched on', () => {
    const ts = run(
      { 'app.ts': 'interface A {\n  a: string\n}\nconst token: A = { a: process.env.TOKEN! }\n' },
      process.execPath,
      ['app.ts'],
    )
    expect(ts.events).toEqual(['read TOKEN app.ts:4'])
    const map = { version: 3, sources: ['src/app.ts'], names: [], mappings: 'AAIA' }
    const inline = Buffer.from(JSON.stringify(map)).toString('base64')
    const mapped = run(
      { 'app.js': `process.env.TOKEN\n//# sourceMappingURL=data:application/json;base64,${inline}\n` },
      process.execPath,
      ['--enable-source-maps', 'app.js'],
    )
    expect(mapped.events).toEqual(['read TOKEN src/app.ts:5'])
  })

  test('a package that reads for a line is told beside it', () => {
    const ran = run(
      {
        'node_modules/@a/config/index.js': 'module.exports = (name) => process.env[name]',
        'app.js': "const config = require('@a/config')\n\nconfig('TOKEN')\n",
      },
      process.execPath,
      ['app.js'],
    )
    expect(ran.events).toEqual(['read TOKEN app.js:3 via @a/config'])
  })

  test('C3: workers and child processes, with and without an environment of their own', () => {
    const files = {
      'worker.js': 'process.env.OTHER',
      'child.js': 'process.env.THIRD',
      'app.js': `const { Worker, SHARE_ENV } = require('node:worker_threads')
const { fork, spawnSync } = require('node:child_process')
const done = (one) => new Promise((resolve) => one.on('exit', resolve))
;(async () => {
  await done(new Worker('./worker.js'))
  await done(new Worker('process.env.TOKEN', { eval: true }))
  await done(new Worker('\\nprocess.env.TOKEN', { eval: true, env: SHARE_ENV }))
  await done(new Worker('\\n\\nprocess.env.TOKEN', { eval: true, env: process.env }))
  await done(fork('./child.js'))
  spawnSync(process.execPath, ['-e', '\\n\\n\\nprocess.env.LAST'], { env: { ...process.env } })
  spawnSync('true', { env: {} })
})()`,
    }
    const ran = run(files, process.execPath, ['app.js'])
    expect([ran.status, ran.stdout, ran.stderr]).toEqual([0, '', ''])
    expect(new Set(ran.events)).toEqual(
      new Set([
        'read OTHER worker.js:1',
        'read TOKEN [worker eval]:1',
        'read TOKEN [worker eval]:2',
        'read TOKEN [worker eval]:3',
        'read THIRD child.js:1',
        'read LAST [eval]:4',
        ...Object.keys(secrets).map((name) => `inherited ${name} app.js:9`),
      ]),
    )
  })

  test('C3, C4: Node that Python starts, and back, below folders with spaces and other options', () => {
    const files = {
      'a.js': "require('node:child_process').execFileSync('python3', ['b.py'], { stdio: 'inherit' })",
      'b.py': 'import os, subprocess\nos.environ["OTHER"]\nsubprocess.run(["node", "c.js"], check=True)\n',
      'c.js': '\n\nconsole.log(process.env.THIRD, process.execArgv.length, globalThis.isPreloaded)',
      'own.js': 'globalThis.isPreloaded = true',
    }
    const spaced = join(root, 'keyhold with spaces', 'hooks')
    cpSync(hooks, spaced, { recursive: true })
    const ran = run(files, 'node', ['a.js'], {
      NODE_OPTIONS: `--require ./own.js --require "${join(spaced, 'node.cjs')}"`,
      PYTHONPATH: join(spaced, 'python'),
    })
    expect([ran.status, ran.stdout, ran.stderr]).toEqual([0, 'third-canary 0 true\n', ''])
    expect(ran.events).toEqual(
      expect.arrayContaining([
        'read OTHER b.py:2',
        'read THIRD c.js:3',
        'inherited TOKEN a.js:1',
        'inherited LAST b.py:3',
      ]),
    )
  })

  const program = `
const show = (...all) => console.log(JSON.stringify(all))
process.env.TOKEN = 'mine'; show(process.env.TOKEN, delete process.env.TOKEN, process.env.TOKEN, 'TOKEN' in process.env)
process.env[5] = 1; show(process.env[5], process.env['5'], Object.keys(process.env).includes('5'))
show(process.env[Symbol.iterator] === undefined, process.env.toString(), typeof process.env.constructor, process.env instanceof Object)
try { Object.defineProperty(process.env, 'X', { value: 'x', configurable: true, writable: true, enumerable: true }); show(process.env.X) } catch (error) { show(error.code) }
try { Object.defineProperty(process.env, 'Y', { get() { return 1 } }) } catch (error) { show(error.code) }
try { process.env[Symbol('a')] = 1 } catch (error) { show(error.name, error.message) }
try { Object.freeze(process.env) } catch (error) { show(error.name) }
process.env.NUMBER = 7; process.env.UNDEFINED = undefined; show(process.env.NUMBER, process.env.UNDEFINED)
process.env.TZ = 'Asia/Tokyo'; show(new Date(0).getHours()); process.env.TZ = 'UTC'; show(new Date(0).getHours())
show(require('node:child_process').execFileSync('printenv', ['NUMBER', 'OTHER'], { encoding: 'utf8' }))
const copy = Object.freeze({ ...process.env }); show(copy.OTHER, Object.isFrozen(copy))
show(Object.getOwnPropertyNames(process.env).length === Object.keys(process.env).length, Object.prototype.toString.call(process.env))
show(require('node:util').inspect({ A: process.env }).includes('another-canary'), require('node:util').types.isProxy(Object.create(process.env)))
process.env = { ...process.env, OTHER: 'replaced' }; show(process.env.OTHER)
console.error('to stderr'); process.on('exit', () => console.log('at the end')); process.exitCode = 3
`
  /** The program's own output, which must not depend on the hook. */
  const outcome = ({ status, stdout, stderr }: Hooked) => ({ status, stdout, stderr })
  const bare = (files: Record<string, string>, command: string, args: string[]) =>
    outcome(run(files, command, args, { NODE_OPTIONS: '', PYTHONPATH: '' }))

  test('C5, C6: variables are set, deleted and defined as before; output and exit are the same', () => {
    const without = bare({ 'app.js': program }, process.execPath, ['app.js'])
    expect(without.status).toBe(3)
    expect(outcome(run({ 'app.js': program }, process.execPath, ['app.js']))).toEqual(without)
    for (const code of [
      "throw new Error('x')",
      'process.exit(4)',
      "process.kill(process.pid, 'SIGKILL')",
      'process.abort',
      'await 0',
    ]) {
      const files = { 'app.mjs': code }
      const { status, stdout } = bare(files, process.execPath, ['app.mjs'])
      expect(outcome(run(files, process.execPath, ['app.mjs'])), code).toMatchObject({ status, stdout })
    }
  })

  test('C6, C9: no channel, a full one, one that cannot be written, a broken hook: the program does not notice', () => {
    const files = { 'app.js': 'console.log(process.env.TOKEN)' }
    const expected = { status: 0, stdout: `${secrets.TOKEN}\n`, stderr: '' }
    const full = run(files, process.execPath, ['app.js'], {}, (home) =>
      writeFileSync(join(home, 'events'), Buffer.alloc(1024 * 1024)),
    )
    expect([outcome(full), full.text.length]).toEqual([expected, 1024 * 1024])
    const gone = run(files, process.execPath, ['app.js'], {}, (home) => rmSync(home, { recursive: true }))
    expect(outcome(gone)).toEqual(expected)
    const noFile = run(files, process.execPath, ['app.js'], {}, (home) => rmSync(join(home, 'events')))
    expect([outcome(noFile), noFile.text]).toEqual([expected, ''])
    const folder = run(files, process.execPath, ['app.js'], {}, (home) => {
      rmSync(join(home, 'events'))
      mkdirSync(join(home, 'events'))
    })
    expect(outcome(folder)).toEqual(expected)
    expect(outcome(run(files, process.execPath, ['app.js'], { KEYHOLD_USES: '' }))).toEqual(expected)
    // Frozen intrinsics: what the hook is made of cannot be changed.
    const frozen = run(
      { 'app.js': "Object.freeze(Error); 'use strict'; console.log(process.env.TOKEN)" },
      process.execPath,
      ['app.js'],
    )
    expect(outcome(frozen)).toEqual(expected)
  })

  test('C8: no value is ever in what is told', () => {
    const ran = run(
      { 'app.js': rows.map(([code]) => `(() => { const { env } = process; ${code} })()`).join('\n') },
      process.execPath,
      ['app.js'],
    )
    expect(ran.text).toContain('TOKEN')
    for (const value of Object.values(secrets)) expect(ran.text).not.toContain(value)
  })

  test('C7: a million reads are one line, and what follows them is told too', () => {
    const ran = run(
      {
        'app.js':
          'for (let i = 0; i < 1000; i++) process.env.TOKEN\nprocess.env.TOKEN\nfor (let i = 0; i < 1e6; i++) process.env.OTHER\n',
      },
      process.execPath,
      ['app.js'],
    )
    expect(ran.events).toEqual(['read TOKEN app.js:1', 'read TOKEN app.js:2', 'read OTHER app.js:3'])
  })
})

describe('the hook of Python', () => {
  const python = 'python3'
  const rows: readonly [code: string, expected: 'read' | 'nothing'][] = [
    ['os.environ["TOKEN"]', 'read'],
    ['os.environ.get("TOKEN")', 'read'],
    ['os.getenv("TOKEN", "x")', 'read'],
    ['environ["TOKEN"]', 'read'],
    ['[environ["TOKEN"] for _ in range(10000)]', 'read'],
    ['os.environ.setdefault("TOKEN", "x")', 'read'],
    ['"TOKEN" in os.environ', 'nothing'],
    ['dict(os.environ)', 'nothing'],
    ['os.environ.copy()', 'nothing'],
    ['{**os.environ}', 'nothing'],
    ['list(os.environ.items())', 'nothing'],
    ['list(os.environ.values())', 'nothing'],
    ['sorted(os.environ)', 'nothing'],
    ['[os.environ[key] for key in os.environ]', 'nothing'],
    ['repr(os.environ)', 'nothing'],
    ['os.environ["HOME"]', 'nothing'],
    ['os.environ.get("MISSING")', 'nothing'],
    ['os.environ["TOKEN"]', 'read'],
  ]

  test('C1, SEC-23: reads are told with their line, looking through all variables is not', () => {
    const code = ['import os; from os import environ', ...rows.map(([line]) => line)].join('\n')
    const ran = run({ 'app.py': code }, python, ['app.py'])
    expect([ran.status, ran.stdout, ran.stderr]).toEqual([0, '', ''])
    expect(ran.events).toEqual(
      rows.flatMap(([, kind], i) => (kind === 'read' ? [`read TOKEN app.py:${i + 2}`] : [])),
    )
    for (const value of Object.values(secrets)) expect(ran.text).not.toContain(value)
  })

  test('C3: processes that get the environment, threads, and forks', () => {
    const code = `import os, subprocess, threading
subprocess.run(["true"])
subprocess.run(["true"], env={})
os.system("true")
thread = threading.Thread(target=lambda: os.environ["TOKEN"]); thread.start(); thread.join()
if os.fork() == 0:
    os.environ["OTHER"]
    os._exit(0)
os.wait()
`
    const ran = run({ 'app.py': code }, python, ['app.py'])
    expect([ran.status, ran.stdout, ran.stderr]).toEqual([0, '', ''])
    expect(ran.events.filter((one) => /TOKEN|read/.test(one))).toEqual([
      'inherited TOKEN app.py:2',
      'inherited TOKEN app.py:4',
      'read TOKEN app.py:5',
      'read OTHER app.py:7',
    ])
  })

  test('C4, C6: a sitecustomize of one’s own, sys.path, set and deleted variables, errors: all as without the hook', () => {
    const files = {
      'own/sitecustomize.py': 'print("own")',
      'own/helper.py': 'name = "helper"',
      'app.py': `import os, sys, helper, sitecustomize
print(helper.name, sitecustomize.__file__, [p for p in sys.path if "hooks" in p])
os.environ["TOKEN"] = "mine"; print(os.environ["TOKEN"], os.environ.pop("TOKEN"), "TOKEN" in os.environ)
print(type(os.environ).__name__, isinstance(os.environ, os._Environ), len(os.environ) == len(dict(os.environ)))
print(os.popen("printenv OTHER").read(), os.environb[b"OTHER"])
try:
    os.environ["MISSING"]
except KeyError as error:
    print(repr(error), error.__cause__, error.__context__)
try:
    os.environ[5]
except TypeError as error:
    print(error)
sys.exit(3)
`,
    }
    const own = (hook: string) => ({ PYTHONPATH: [hook, 'own'].filter(Boolean).join(':') })
    const without = run(files, python, ['app.py'], own(''))
    const ran = run(files, python, ['app.py'], own(join(hooks, 'python')))
    const inPlace = ({ status, stdout, stderr }: Hooked) => [
      status,
      stdout.replaceAll(/run \d+/g, 'run'),
      stderr,
    ]
    expect(inPlace(ran)).toEqual(inPlace(without))
    expect(ran.status).toBe(3)
    expect(ran.stdout).toMatch(
      /^own\nhelper .*own\/sitecustomize\.py \[\]\nmine mine False\n_Environ True True\n/,
    )
  })

  test('C10: with -I, -E and -S nothing is told, and nothing said', () => {
    for (const option of ['-I', '-E', '-S']) {
      const ran = run({ 'app.py': 'import os\nprint(os.environ["TOKEN"])' }, python, [option, 'app.py'])
      expect([ran.status, ran.stdout, ran.stderr, ran.text]).toEqual([0, `${secrets.TOKEN}\n`, '', ''])
    }
  })

  test('a package that reads for a line is told beside it', () => {
    const files = {
      'lib/site-packages/config/__init__.py': 'import os\ndef read(name):\n    return os.environ[name]\n',
      'app.py': 'import sys; sys.path.append("lib/site-packages")\nimport config\nconfig.read("TOKEN")\n',
    }
    expect(run(files, python, ['app.py']).events).toEqual(['read TOKEN app.py:3 via config'])
  })
})
