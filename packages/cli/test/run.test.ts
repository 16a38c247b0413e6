import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { childEnvironment } from '../src/run/environment.ts'
import {
  accessKey,
  environmentFor,
  keyhold,
  node,
  quote,
  Running,
  run,
  sendProblem,
  start,
  startServer,
  waitFor,
} from './kit.ts'

function temporaryDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), 'keyhold-test-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

describe('R1: run exits as its child did', () => {
  test('every exit code from 0 to 255', { timeout: 120_000 }, async () => {
    const server = await startServer([{ name: 'API_TOKEN', value: 'tok_Zq81LmQx7' }])
    const env = environmentFor(server)
    const codes = Array.from({ length: 256 }, (_, code) => code)
    const seen: (number | null)[] = []
    const next = codes.values()
    const worker = async () => {
      for (const code of next) seen[code] = (await run(['run', '--', 'sh', '-c', `exit ${code}`], env)).code
    }
    await Promise.all([worker(), worker(), worker(), worker()])
    expect(seen).toEqual(codes)
  })

  for (const mode of [[], ['--mask=label'], ['--no-mask']]) {
    test(`128 and the signal's number (${mode[0] ?? 'default'})`, async () => {
      const server = await startServer([{ name: 'API_TOKEN', value: 'tok_Zq81LmQx7' }])
      const env = environmentFor(server)
      for (const [signal, code] of [
        ['HUP', 129],
        ['INT', 130],
        ['KILL', 137],
        ['PIPE', 141],
        ['TERM', 143],
      ]) {
        const result = await run(['run', ...mode, '--', 'sh', '-c', `kill -${signal} $$`], env)
        expect(result.code, String(signal)).toBe(code)
      }
    })
  }

  test('127 when the command is not found, 126 when it is not executable, and nothing is delivered', async () => {
    const server = await startServer()
    const env = environmentFor(server)
    const directory = temporaryDirectory()
    writeFileSync(join(directory, 'plain'), 'text', { mode: 0o644 })
    const absent = await run(['run', '--', 'keyhold-no-such-command'], env)
    expect(absent).toMatchObject({
      code: 127,
      stderr: 'keyhold: keyhold-no-such-command: command not found\n',
    })
    const joined = await run(['run', '--', 'npm start'], env)
    expect(joined.stderr).toContain('hint: the command is run without a shell')
    expect((await run(['run', '--', join(directory, 'plain')], env)).code).toBe(126)
    expect((await run(['run', '--', directory], env)).code).toBe(126)
    expect((await run(['run', '--', 'plain'], { ...env, PATH: `${directory}:${env.PATH}` })).code).toBe(126)
    expect((await run(['run', '--', ''], env)).code).toBe(127)
    expect(server.requests).toEqual([])
  })

  test('127 when the interpreter of a script is not found', async () => {
    const server = await startServer([{ name: 'API_TOKEN', value: 'tok_Zq81LmQx7' }])
    const script = join(temporaryDirectory(), 'script')
    writeFileSync(script, '#!/no/such/interpreter\n', { mode: 0o755 })
    expect((await run(['run', '--', script], environmentFor(server))).code).toBe(127)
  })
})

describe('R2: signals without a terminal', () => {
  for (const signal of [
    'SIGTERM',
    'SIGHUP',
    'SIGINT',
    'SIGQUIT',
    'SIGUSR1',
    'SIGUSR2',
    'SIGWINCH',
  ] as const) {
    test(`${signal} reaches the child once`, async () => {
      const server = await startServer([{ name: 'API_TOKEN', value: 'tok_Zq81LmQx7' }])
      const program = `let count = 0
        process.on('${signal}', () => { count++; console.log('got', count) })
        process.on('SIGCONT', () => process.exit(count))
        setInterval(() => {}, 1000)
        console.log('ready', process.pid)`
      const running = start(['run', '--', node, '-e', program], environmentFor(server))
      await running.sees(/ready/)
      running.child.kill(signal)
      await running.sees(/got 1/)
      running.child.kill('SIGCONT')
      expect((await running.ended).code).toBe(1)
    })
  }

  test('SIGUSR1 opens no debugger on a command that is at work', async () => {
    const server = await startServer()
    for (const line of [
      ['run', '--', 'true'],
      ['secret', 'get', 'API_TOKEN'],
    ]) {
      const { promise: asked, resolve } = Promise.withResolvers<() => void>()
      server.answer = (_req, res) => resolve(() => sendProblem(res, 403, 'access.refused', 'No.'))
      const running = start(line, environmentFor(server))
      const answer = await asked
      running.child.kill('SIGUSR1')
      // Node's debugger would say so within a few milliseconds.
      await new Promise((wait) => setTimeout(wait, 300))
      answer()
      const { code, stderr } = await running.ended
      expect(code).toBe(1)
      expect(stderr).toContain('No.')
      expect(stderr).not.toContain('Debugger')
    }
  })

  test('a child that handles SIGTERM ends in its own time and with its own code', async () => {
    const server = await startServer([{ name: 'API_TOKEN', value: 'tok_Zq81LmQx7' }])
    const running = start(
      ['run', '--', 'sh', '-c', "trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.05; done"],
      environmentFor(server),
    )
    await running.sees(/ready/)
    running.child.kill('SIGTERM')
    expect(await running.ended).toMatchObject({ code: 7, stdout: 'ready\nbye\n' })
  })

  test('stops with the child and continues with it', async () => {
    const server = await startServer([{ name: 'API_TOKEN', value: 'tok_Zq81LmQx7' }])
    // A parent of the same session and another process group in between, as a shell with job control is. Without one the
    // group may be orphaned, as it is where nobody sits at a terminal, and the kernel then lets SIGTSTP stop nobody
    // (POSIX.1-2017, 11.1.4).
    const program = [
      'import os, subprocess, sys',
      'job = subprocess.Popen(sys.argv[1:], preexec_fn=os.setpgrp)',
      'print("job", job.pid, flush=True)',
      'code = job.wait()',
      'sys.exit(code if code >= 0 else 128 - code)',
    ].join('\n')
    const child = ['sh', '-c', 'echo pid $$; while :; do sleep 0.05; done']
    const shell = spawn('python3', ['-c', program, keyhold, 'run', '--', ...child], {
      env: environmentFor(server),
      stdio: 'pipe',
    })
    const running = new Running(shell)
    const job = Number((await running.sees(/job (\d+)\n/))[1])
    const pid = Number((await running.sees(/pid (\d+)\n/))[1])
    onTestFinished(() => {
      for (const one of [job, pid]) spawnSync('kill', ['-9', String(one)])
    })
    const state = (of: number) =>
      execFileSync('ps', ['-o', 'stat=', '-p', String(of)], { encoding: 'utf8' })[0]
    process.kill(job, 'SIGTSTP')
    await waitFor(() => state(job) === 'T' && state(pid) === 'T')
    process.kill(job, 'SIGCONT')
    await waitFor(() => state(job) !== 'T' && state(pid) !== 'T')
    process.kill(job, 'SIGTERM')
    expect((await running.ended).code).toBe(143)
  })

  test('no zombie and no child is left', async () => {
    const server = await startServer([{ name: 'API_TOKEN', value: 'tok_Zq81LmQx7' }])
    const running = start(['run', '--', 'sh', '-c', 'echo pid $$; exec sleep 60'], environmentFor(server))
    const [, pid] = await running.sees(/pid (\d+)\n/)
    running.child.kill('SIGTERM')
    await running.ended
    expect(() => process.kill(Number(pid), 0)).toThrow('ESRCH')
  })
})

test('R3: the argument vector reaches the child as it is', async () => {
  const server = await startServer([{ name: 'API_TOKEN', value: 'tok_Zq81LmQx7' }])
  const args = [
    '',
    ' ',
    'a b',
    '"',
    "'",
    '\\',
    '$HOME',
    '`id`',
    '$(id)',
    '*',
    '?',
    '[a]',
    '~',
    ';',
    '&&',
    '|',
    '>x',
    '#',
    '!',
    '-n',
    '--',
    '--help',
    '--no-mask',
    'a\nb',
    'tab\t',
    'ünï🔑',
    '{a,b}',
    '%s',
    '=',
  ]
  const program = 'process.stdout.write(JSON.stringify(process.argv.slice(1)))'
  for (const mode of [[], ['--no-mask']]) {
    const { stdout } = await run(
      ['run', ...mode, '--', node, '-e', program, '--', ...args],
      environmentFor(server),
    )
    expect(JSON.parse(stdout)).toEqual(args)
  }
})

describe('R4: names that would give a writer of secrets the reader’s machine', () => {
  for (const name of [
    'PATH',
    'LD_PRELOAD',
    'NODE_OPTIONS',
    'BASH_ENV',
    'GIT_SSH_COMMAND',
    'KEYHOLD_URL',
    '__proto__',
    'A=B',
    'a\x1b[31m',
  ]) {
    test(`${JSON.stringify(name)} is refused and the child not started`, async () => {
      const server = await startServer([{ name, value: 'canary-51e0c6' }])
      const result = await run(['run', '--', 'echo', 'started'], environmentFor(server))
      expect(result.code).toBe(1)
      expect(result.stdout).toBe('')
      expect(result.stderr).not.toContain('canary')
      expect(result.stderr).not.toContain('\x1b')
      if (/^\w+$/.test(name)) expect(result.stderr).toContain(name)
    })
  }

  test('a key whose path variable would be refused is refused', async () => {
    const server = await startServer([{ name: 'SSL_CERT', type: 'key', value: 'canary-51e0c6' }])
    const result = await run(['run', '--', 'true'], environmentFor(server))
    expect(result).toMatchObject({ code: 1 })
    expect(result.stderr).toContain('SSL_CERT_FILE')
  })

  test('--allow-variable accepts the one that is named', async () => {
    const server = await startServer([
      { name: 'PS4', value: 'first-value-1' },
      { name: 'LESSOPEN', value: 'second-value-2' },
    ])
    const env = environmentFor(server)
    const line = ['--no-mask', '--', 'sh', '-c', 'echo "$PS4 $LESSOPEN"']
    expect((await run(['run', '--allow-variable', 'PS4', ...line], env)).code).toBe(1)
    const both = await run(['run', '--allow-variable', 'PS4', '--allow-variable=LESSOPEN', ...line], env)
    expect(both.stdout).toBe('first-value-1 second-value-2\n')
  })

  test('our own names cannot be allowed', async () => {
    const server = await startServer([{ name: 'KEYHOLD_TOKEN', value: 'x'.repeat(20) }])
    const result = await run(
      ['run', '--allow-variable', 'KEYHOLD_TOKEN', '--', 'true'],
      environmentFor(server),
    )
    expect(result.code).toBe(1)
  })
})

test('R5: what keyhold signed in with is not in the child’s environment', async () => {
  const server = await startServer([{ name: 'API_TOKEN', value: 'tok_Zq81LmQx7' }])
  const file = join(temporaryDirectory(), 'access-key')
  writeFileSync(file, `${accessKey}\n`)
  const env = environmentFor(server, {
    KEYHOLD_ACCESS_KEY: '',
    KEYHOLD_ACCESS_KEY_FILE: file,
    KEYHOLD_ROOT_KEY: 'canary-root',
    KEYHOLD_DATABASE_URL: 'postgres://canary@localhost/keyhold',
    KEYHOLD_TLS_KEY: 'canary-tls',
    KEYHOLD_TLS_KEY_FILE: '/canary/tls',
    KEYHOLD_METRICS_TOKEN: 'canary-metrics',
    KEYHOLD_METRICS_TOKEN_FILE: '/canary/metrics',
    KEYHOLD_ENVIRONMENT: 'staging',
    OTHER: 'kept',
  })
  const { stdout } = await run(['run', '--no-mask', '--', 'env'], env)
  expect(stdout).not.toContain('canary')
  expect(stdout.match(/^KEYHOLD_\w+/gm)?.sort()).toEqual(['KEYHOLD_ENVIRONMENT', 'KEYHOLD_URL'])
  expect(stdout).toContain('OTHER=kept\n')
  expect(stdout).toContain('API_TOKEN=tok_Zq81LmQx7\n')
})

test('R5: no credential of a person, a machine or a server is passed on, in either form', () => {
  const credentials = 'TOKEN ACCESS_KEY_ID ACCESS_KEY ROOT_KEY DATABASE_URL TLS_KEY METRICS_TOKEN'.split(' ')
  const inherited = Object.fromEntries(
    credentials.flatMap((name) => [
      [`KEYHOLD_${name}`, 'canary'],
      [`KEYHOLD_${name}_FILE`, '/canary'],
    ]),
  )
  const { env } = childEnvironment({ ...inherited, KEYHOLD_URL: 'kept' }, [], [], () => {
    throw new Error('no file is asked for')
  })
  expect(Object.entries(env)).toEqual([['KEYHOLD_URL', 'kept']])
})

test('R8: works with a home that cannot be written and without any session', async () => {
  const server = await startServer([{ name: 'API_TOKEN', value: 'tok_Zq81LmQx7' }])
  const env = environmentFor(server, { HOME: '/nonexistent', XDG_RUNTIME_DIR: undefined })
  for (const name of ['DBUS_SESSION_BUS_ADDRESS', 'XDG_CONFIG_HOME', 'TERM']) delete env[name]
  const result = await run(['run', '--', 'sh', '-c', 'echo "${#API_TOKEN}"'], env)
  expect(result).toMatchObject({ code: 0, stdout: '13\n', stderr: '' })
})

describe('the request', () => {
  test('one request with the access key; the environment comes from the option, else the variable', async () => {
    const server = await startServer([])
    const env = environmentFor(server, { KEYHOLD_ENVIRONMENT: 'a b/ä' })
    await run(['run', '--', 'true'], env)
    await run(['run', '--environment', 'staging', '--', 'true'], env)
    await run(['run', '-e', 'x', '--', 'true'], environmentFor(server))
    await run(['run', '--', 'true'], environmentFor(server))
    const path = '/api/v1/projects/current/secrets'
    expect(server.requests.map(({ url }) => url)).toEqual([
      `${path}?environment=a%20b%2F%C3%A4`,
      `${path}?environment=staging`,
      `${path}?environment=x`,
      path,
    ])
  })

  test('exit 4 and the next step when there is no credential', async () => {
    const server = await startServer()
    const none = await run(['run', '--', 'true'], environmentFor(server, { KEYHOLD_ACCESS_KEY: '' }))
    expect(none.code).toBe(4)
    expect(none.stderr).toContain('hint: ')
    const person = environmentFor(server, {
      KEYHOLD_ACCESS_KEY: '',
      KEYHOLD_ACCESS_KEY_ID: '',
      KEYHOLD_TOKEN: 'kh_pat_x',
    })
    const refused = await run(['run', '--', 'true'], person)
    expect(refused.code).toBe(4)
    expect(refused.stderr).toMatch(
      /hint: [^\n]*--project=PROJECT[^\n]*\nhint: in a workspace: start keyhold agent/,
    )
    expect(server.requests).toEqual([])
  })

  test('the variables are read as by every other command: both forms, or two callers, are refused', async () => {
    const server = await startServer()
    const file = join(temporaryDirectory(), 'environment')
    writeFileSync(file, 'staging\n')
    for (const [more, message] of [
      [{ KEYHOLD_ACCESS_KEY_FILE: file }, 'both KEYHOLD_ACCESS_KEY and KEYHOLD_ACCESS_KEY_FILE are set'],
      [{ KEYHOLD_URL_FILE: file }, 'both KEYHOLD_URL and KEYHOLD_URL_FILE are set'],
      [{ KEYHOLD_TOKEN: 'kh_pat_canary' }, 'both KEYHOLD_TOKEN and an access key are set'],
      [{ KEYHOLD_ACCESS_KEY: '', KEYHOLD_ACCESS_KEY_FILE: '/dev/null' }, '/dev/null is empty'],
    ] as const) {
      const env = environmentFor(server, more)
      const messages = await Promise.all(
        [
          ['run', '--', 'true'],
          ['secret', 'get', 'API_TOKEN'],
        ].map(async (line) => {
          const { code, stderr } = await run(line, env)
          expect(code, message).toBe(1)
          expect(stderr).toContain(message)
          expect(stderr).not.toContain('canary')
          return stderr
        }),
      )
      expect(messages[0]).toBe(messages[1])
    }
    expect(server.requests).toEqual([])
    await run(['run', '--', 'true'], environmentFor(server, { KEYHOLD_ENVIRONMENT_FILE: file }))
    expect(server.requests.map((request) => request.url)).toEqual([
      '/api/v1/projects/current/secrets?environment=staging',
    ])
  })

  test('exit 4 when the server does not know the key, with its code and trace', async () => {
    const server = await startServer()
    const result = await run(['run', '--', 'true'], environmentFor(server, { KEYHOLD_ACCESS_KEY: 'wrong' }))
    expect(result.code).toBe(4)
    expect(result.stderr).toContain('auth.invalid, trace trace-1')
  })

  test('plain http is for this machine only', async () => {
    const server = await startServer()
    for (const url of [
      'http://keyhold.example.com',
      'http://127.0.0.1.example.com',
      'http://192.0.2.1:8080',
      'ftp://localhost',
    ]) {
      const result = await run(['run', '--', 'true'], environmentFor(server, { KEYHOLD_URL: url }))
      expect(result.code, url).toBe(2)
      expect(result.stderr, url).toMatch(/refusing to send a credential|not a protocol/)
    }
  })

  test('a refusal of the server fails the run and its text cannot act on the terminal', async () => {
    const server = await startServer()
    server.answer = (_req, res) =>
      sendProblem(res, 403, 'access_key.address', 'not from \x1b[2J\u009b here\u202e')
    const result = await run(['run', '--', 'echo', 'started'], environmentFor(server))
    expect(result).toMatchObject({ code: 1, stdout: '' })
    expect(result.stderr).toContain('not from \\x1b[2J\\x9b here\\u202e')
  })

  const broken: [string, (server: Awaited<ReturnType<typeof startServer>>) => void][] = [
    ['cuts the connection', (server) => (server.answer = (req) => req.socket.destroy())],
    [
      'breaks off',
      (server) =>
        (server.answer = (req, res) => {
          res.writeHead(200, { 'content-length': '100' })
          res.write('{"canary-9')
          setImmediate(() => req.socket.destroy())
        }),
    ],
    ['answers with a page', (server) => (server.answer = (_req, res) => res.end('<html>canary-9</html>'))],
    [
      'answers with another shape',
      (server) => (server.answer = (_req, res) => res.end('{"secrets":[{"name":"A","value":"canary-9"}]}')),
    ],
    [
      'answers with 502 and a page',
      (server) =>
        (server.answer = (_req, res) => {
          res.writeHead(502)
          res.end('<html>canary-9')
        }),
    ],
    [
      'redirects',
      (server) =>
        (server.answer = (_req, res) => {
          res.writeHead(302, { location: `${server.url}/other` })
          res.end()
        }),
    ],
  ]
  for (const [what, breakIt] of broken) {
    test(`fails clearly, without quoting the answer, when the server ${what}`, async () => {
      const server = await startServer()
      breakIt(server)
      const result = await run(
        ['run', '--', 'echo', 'started'],
        environmentFor(server, { KEYHOLD_DEBUG: '1' }),
      )
      expect(result).toMatchObject({ code: 1, stdout: '' })
      expect(result.stderr).toMatch(/^keyhold: (?!internal error)/)
      expect(result.stderr).not.toContain('canary')
      expect(server.requests.length).toBe(1)
    })
  }

  test('nothing listening', async () => {
    const server = await startServer()
    const result = await run(
      ['run', '--', 'true'],
      environmentFor(server, { KEYHOLD_URL: 'http://127.0.0.1:1' }),
    )
    expect(result).toMatchObject({ code: 1 })
    expect(result.stderr).toContain('nothing is listening there')
  })
})

describe('stdin, stdout and stderr', () => {
  test('stdin is the child’s, binary and to its end', async () => {
    const server = await startServer([{ name: 'API_TOKEN', value: 'tok_Zq81LmQx7' }])
    const text = 'line\n'.repeat(50_000)
    const { stdout } = await run(['run', '--', 'cat'], environmentFor(server), text)
    expect(stdout === text).toBe(true)
  })

  test('what the child leaves of stdin is left for the next', async () => {
    const server = await startServer([{ name: 'API_TOKEN', value: 'tok_Zq81LmQx7' }])
    const script = `printf 'one\\ntwo\\n' | { ${quote(keyhold)} run -- sh -c 'read -r line; echo "child $line"'; read -r rest; echo "after $rest"; }`
    const out = await runScript(script, environmentFor(server))
    expect(out.stdout).toBe('child one\nafter two\n')
  })

  test('/dev/stdout and /dev/stderr can be opened', async () => {
    const server = await startServer([{ name: 'API_TOKEN', value: 'tok_Zq81LmQx7' }])
    const result = await run(
      ['run', '--', 'sh', '-c', 'echo "out $API_TOKEN" > /dev/stdout; echo "err $API_TOKEN" > /dev/stderr'],
      environmentFor(server),
    )
    expect(result).toMatchObject({ code: 0, stdout: 'out \n', stderr: 'err \n' })
  })

  test('with 2>&1 the order of the two is kept', async () => {
    const server = await startServer([{ name: 'API_TOKEN', value: 'tok_Zq81LmQx7' }])
    const count = 'i=0; while [ $i -lt 300 ]; do echo "o$i"; echo "e$i" >&2; i=$((i+1)); done'
    const { stdout } = await runScript(
      `${quote(keyhold)} run -- sh -c ${quote(count)} 2>&1`,
      environmentFor(server),
    )
    expect(stdout).toBe(Array.from({ length: 300 }, (_, i) => `o${i}\ne${i}\n`).join(''))
  })

  for (const mode of ['', '--no-mask']) {
    test(`a reader that goes away ends the child at once (${mode || 'masked'})`, async () => {
      const server = await startServer([{ name: 'API_TOKEN', value: 'tok_Zq81LmQx7' }])
      const script = `{ ${quote(keyhold)} run ${mode} -- yes; echo "code $?" >&2; } | head -1`
      const startedAt = performance.now()
      const result = await runScript(script, environmentFor(server))
      expect(result.stdout).toBe('y\n')
      expect(result.stderr).toBe('code 141\n')
      expect(performance.now() - startedAt).toBeLessThan(10_000)
    })
  }

  test('a slow reader slows the child down, and signals are forwarded meanwhile', async () => {
    const server = await startServer([{ name: 'API_TOKEN', value: 'tok_Zq81LmQx7' }])
    const running = start(['run', '--', 'yes'], environmentFor(server))
    await running.sees(/y/)
    running.child.stdout.pause()
    const memory = () =>
      Number(
        /VmRSS:\s+(\d+)/.exec(
          execFileSync('cat', [`/proc/${running.child.pid}/status`], { encoding: 'utf8' }),
        )?.[1],
      )
    // Long enough for an unbounded buffer to show: yes writes gigabytes in a second.
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(memory()).toBeLessThan(300_000)
    running.child.kill('SIGTERM')
    running.child.stdout.resume()
    expect((await running.ended).code).toBe(143)
  })

  test('a descendant that keeps the output open does not keep keyhold', async () => {
    const server = await startServer([{ name: 'API_TOKEN', value: 'tok_Zq81LmQx7' }])
    const startedAt = performance.now()
    const result = await run(['run', '--', 'sh', '-c', 'sleep 30 & echo done $!'], environmentFor(server))
    expect(result).toMatchObject({ code: 0 })
    expect(performance.now() - startedAt).toBeLessThan(10_000)
    process.kill(Number(/\d+/.exec(result.stdout)?.[0]), 'SIGKILL')
  })

  test('megabytes that end with the child arrive whole', async () => {
    const server = await startServer([{ name: 'API_TOKEN', value: 'tok_Zq81LmQx7' }])
    const { stdout } = await run(
      ['run', '--', 'sh', '-c', 'head -c 20000000 /dev/zero | tr "\\0" x'],
      environmentFor(server),
    )
    expect(stdout.length).toBe(20_000_000)
  })
})

function runScript(
  script: string,
  env: NodeJS.ProcessEnv,
): Promise<{ stdout: string; stderr: string; code: number | null }> {
  return new Promise((resolve) => {
    const shell = spawn('sh', ['-c', script], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    let stdout = ''
    let stderr = ''
    shell.stdout.on('data', (chunk) => (stdout += chunk))
    shell.stderr.on('data', (chunk) => (stderr += chunk))
    shell.on('close', (code) => resolve({ stdout, stderr, code }))
  })
}
