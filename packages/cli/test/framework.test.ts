import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { OptionTable } from '../src/command.ts'
import { allCommands, renderReference } from '../src/reference.ts'
import { visible } from '../src/terminal.ts'
import { keyhold, run } from './kit.ts'

const env = { PATH: process.env.PATH }

describe('wrong usage exits with 2, says what is wrong on stderr and the next step', () => {
  const cases: [string[], RegExp][] = [
    [[], /a command is missing\nhint: /],
    [['rnu'], /unknown command "rnu"\nhint: did you mean "keyhold run"\?/],
    [['constructor'], /unknown command/],
    [['__proto__'], /unknown command/],
    [['--hlep'], /unknown option --hlep/],
    [
      ['run', '--enviroment=canary', '--', 'true'],
      /unknown option --enviroment\nhint: did you mean --environment\?/,
    ],
    [['run', '-x', '--', 'true'], /unknown option -x/],
    [['run', '--mask=all', '--', 'true'], /--mask is one of blank, label/],
    [['run', '--mask', '--', 'true'], /--mask needs HOW/],
    [['run', '--environment', '--no-mask', '--', 'true'], /--environment needs NAME/],
    [['run', '-e', 'a', '-e', 'b', '--', 'true'], /--environment is given twice/],
    [['run', '--no-mask=yes', '--', 'true'], /--no-mask takes no value/],
    [['run', '--no-mask', '--mask=label', '--', 'true'], /exclude each other/],
    [['run', 'node', 'app.js'], /put -- before the command: -- node/],
    [['run'], /the command is missing/],
    [['run', '--'], /the command is missing/],
    [['completion'], /SHELL is missing/],
    [['completion', 'tcsh'], /SHELL is one of bash, zsh, fish/],
  ]
  for (const [line, message] of cases) {
    test(`keyhold ${line.join(' ')}`, async () => {
      const result = await run(line, env)
      expect(result).toMatchObject({ code: 2, stdout: '' })
      expect(result.stderr).toMatch(message)
      expect(result.stderr).not.toContain('canary')
    })
  }
})

test('help and version go to stdout; -h is the short form', async () => {
  expect(await run(['--version'], env)).toMatchObject({ code: 0, stdout: '0.1.0\n', stderr: '' })
  for (const line of [['--help'], ['-h'], ['help']]) {
    const result = await run(line, env)
    expect(result).toMatchObject({ code: 0, stderr: '' })
    expect(result.stdout).toContain('run ')
  }
  const short = await run(['run', '-h'], env)
  const long = await run(['run', '--help'], env)
  expect(short.stdout).toContain('--allow-variable=NAME')
  expect(short.stdout).not.toContain('examples:')
  expect(long.stdout).toContain('examples:')
  expect((await run(['help', 'run'], env)).stdout).toBe(long.stdout)
})

test('every command loads, and its help and the reference have its options', async () => {
  const reference = await renderReference()
  for (const { path, entry } of allCommands()) {
    const { command } = await entry.load()
    expect(reference).toContain(`## \`keyhold ${path}\``)
    for (const name of Object.keys(command.options)) expect(reference, path).toContain(`--${name}`)
  }
})

test('no option takes a secret: arguments are seen by every process of the machine', async () => {
  for (const { path, entry } of allCommands()) {
    const { command } = await entry.load()
    for (const [name, option] of Object.entries<OptionTable[string]>(command.options)) {
      // An id or a name is no secret.
      if (option.type === 'boolean' || /^(ID|NAME)$/.test(option.placeholder)) continue
      expect(`${path} --${name}`).not.toMatch(
        /--(value|secret|password|passphrase|token|access-key|private-key)$/,
      )
    }
  }
})

describe('completion', () => {
  test('bash completes commands and options', async () => {
    const { stdout } = await run(['completion', 'bash'], env)
    const complete = (...words: string[]) =>
      execFileSync(
        'bash',
        [
          '-c',
          `${stdout}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _keyhold; printf '%s\\n' "\${COMPREPLY[@]}"`,
          'bash',
          ...words,
        ],
        { encoding: 'utf8' },
      ).split('\n')
    expect(complete('keyhold', 'ru')).toContain('run')
    expect(complete('keyhold', 'run', '--env')).toContain('--environment')
    expect(complete('keyhold', 'completion', '')).toEqual(expect.arrayContaining(['bash', 'zsh', 'fish']))
    expect(complete('keyhold', 'run', '--', 'ls', '--')).toEqual(['', ''])
  })

  test('zsh and fish scripts have every command', async () => {
    for (const shell of ['zsh', 'fish']) {
      const { stdout } = await run(['completion', shell], env)
      for (const { path } of allCommands()) expect(stdout).toContain(path.split(' ')[0])
    }
  })
})

describe('bin/keyhold', () => {
  function directory(): string {
    const path = mkdtempSync(join(tmpdir(), 'keyhold-bin-'))
    onTestFinished(() => rmSync(path, { recursive: true, force: true }))
    return path
  }

  test('is found through relative and absolute links, from anywhere, in a path with spaces', () => {
    const place = join(directory(), 'a b')
    mkdirSync(place)
    symlinkSync(keyhold, join(place, 'absolute'))
    symlinkSync('absolute', join(place, 'relative'))
    for (const [command, cwd] of [
      [join(place, 'relative'), '/'],
      ['./relative', place],
      [keyhold, '/'],
    ] as const) {
      expect(execFileSync(command, ['--version'], { cwd, encoding: 'utf8' })).toBe('0.1.0\n')
    }
    const found = { PATH: `${place}:${process.env.PATH}` }
    expect(execFileSync('relative', ['--version'], { env: found, encoding: 'utf8' })).toBe('0.1.0\n')
  })

  test('says so when there is no Node, or one that is too old', () => {
    const place = directory()
    // A copy outside the checkout brings no Node of its own.
    mkdirSync(join(place, 'cli/bin'), { recursive: true })
    const copy = join(place, 'cli/bin/keyhold')
    execFileSync('cp', [keyhold, copy])
    const tools = join(place, 'tools')
    mkdirSync(tools)
    for (const name of ['sh', 'readlink', 'find', 'dirname']) {
      symlinkSync(
        execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim(),
        join(tools, name),
      )
    }
    const none = spawnSync(copy, ['--version'], { env: { PATH: tools }, encoding: 'utf8' })
    expect(none).toMatchObject({ status: 1, stdout: '' })
    expect(none.stderr).toContain('Node.js 24 or newer is needed, and there is no node in PATH')
    writeFileSync(join(tools, 'node'), '#!/bin/sh\necho v20.1.0\n')
    chmodSync(join(tools, 'node'), 0o755)
    const old = spawnSync(copy, ['--version'], { env: { PATH: tools }, encoding: 'utf8' })
    expect(old.status).toBe(1)
    expect(old.stderr).toContain('is v20.1.0')
  })
})

test('control and direction characters of others cannot act on the terminal', () => {
  expect(visible('a\tb\nc\x1b[31m\x9b1m\r\x07\x7f\u202e\u2066')).toBe(
    'a\tb\nc\\x1b[31m\\x9b1m\\x0d\\x07\\x7f\\u202e\\u2066',
  )
  expect(visible('a\u200bb\u061c')).toBe('a\\u200bb\\u061c')
  expect(visible('ünï🔑')).toBe('ünï🔑')
})
