// What a person at a terminal sees. The terminal here is a real pseudo-terminal, as a terminal program makes one.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { environmentFor, keyhold, node, quote, startServer, TerminalRun, waitFor } from './kit.ts'

const value = 'ghp_Zq81LmQx7canary0W'
const secrets = [{ name: 'GITHUB_TOKEN', value }]

function temporaryDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), 'keyhold-test-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** Fails, and does not skip, when a program that a test needs is not there. */
function needs(program: string): void {
  if (spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0) {
    throw new Error(`${program} is missing on this machine: apt-get install ${program}`)
  }
}

async function inTerminal(args: string[], size?: { cols: number; rows: number }): Promise<TerminalRun> {
  const server = await startServer(secrets)
  return new TerminalRun(keyhold, ['run', ...args], environmentFor(server), size)
}

/** An interactive shell without anybody's settings. */
async function inShell(): Promise<TerminalRun> {
  const server = await startServer(secrets)
  const env = environmentFor(server, { PS1: '$ ', HISTFILE: '/dev/null', kh: keyhold })
  const shell = new TerminalRun('bash', ['--norc', '--noprofile', '-i'], env)
  await shell.sees(/\$ /)
  return shell
}

const state = (pid: number | string | undefined) =>
  spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }).stdout[0]

describe('R1: exit codes through a terminal', () => {
  test('codes and signals', async () => {
    const shell = await inShell()
    for (const code of [0, 1, 2, 42, 126, 127, 128, 255]) {
      shell.type(`"$kh" run -- sh -c 'exit ${code}'; echo "code=$?"\r`)
      await shell.sees(new RegExp(`\\ncode=${code}\\r\\n\\$ $`))
    }
    for (const [signal, code] of [
      ['TERM', 143],
      ['KILL', 137],
    ]) {
      shell.type(`"$kh" run -- sh -c 'kill -${signal} $$'; echo "code=$?"\r`)
      await shell.sees(new RegExp(`\\ncode=${code}\\r\\n\\$ $`))
    }
  })
})

describe('R2: signals through a terminal', () => {
  const counting = `let count = 0
    process.on('SIGINT', () => { count++; console.log('interrupt ' + count) })
    process.stdin.resume()
    process.stdin.on('data', () => { console.log('total ' + count); process.exit(9) })
    console.log('ready')`

  test('Ctrl-C reaches the child exactly once', async () => {
    const run = await inTerminal(['--', node, '-e', counting])
    await run.sees(/ready/)
    run.type('\x03')
    await run.sees(/interrupt 1/)
    run.type('x\r')
    await run.sees(/total 1/)
    expect(await run.ended).toMatchObject({ exitCode: 9 })
  })

  for (const [what, redirect] of [
    ['stdout is piped', '| cat'],
    ['stderr is a file', '2> /dev/null'],
    ['stdin is a file', '< /dev/null'],
  ] as const) {
    test(`Ctrl-C reaches the child exactly once when ${what}`, async () => {
      const shell = await inShell()
      const program = `const say = (text) => require('node:fs').writeFileSync('/dev/tty', text + '\\n')
        let count = 0
        process.on('SIGINT', () => { count++; setTimeout(() => { say('total=' + count); process.exit(9) }, 300) })
        setInterval(() => {}, 1000); say('rea' + 'dy')`.replaceAll('\n', ';')
      shell.type(`"$kh" run -- ${quote(node)} -e ${quote(program)} ${redirect}\r`)
      await shell.sees(/ready/)
      shell.type('\x03')
      await shell.sees(/total=\d/)
      expect(shell.output).toContain('total=1')
    })
  }

  test('Ctrl-C ends the loop of the calling shell, as it does without keyhold', async () => {
    const shell = await inShell()
    shell.type(`for i in 1 2 3; do "$kh" run -- sh -c 'echo sta''rted; exec sleep 60'; done\r`)
    await shell.sees(/started/)
    const from = shell.output.length
    shell.type('\x03')
    await shell.sees(/\$ $/, from)
    shell.type('echo code=$?\r')
    await shell.sees(/code=130/, from)
    expect(shell.output.match(/started/g)).toHaveLength(1)
  })

  test('Ctrl-Z stops it, fg continues it, and the terminal is given back in between', async () => {
    const shell = await inShell()
    shell.type(`"$kh" run -- sh -c 'echo pid=$$; while :; do read -r line; echo "read <$line>"; done'\r`)
    const [, pid] = await shell.sees(/pid=(\d+)/)
    let from = shell.output.length
    shell.type('\x1a')
    await shell.sees(/Stopped.*\r\n\$ $/, from)
    await waitFor(() => state(pid) === 'T')
    from = shell.output.length
    shell.type('stty -a | grep -o "[-]*icanon\\|[-]*echo "; echo "sec""ond"\r')
    await shell.sees(/second/, from)
    expect(shell.output.slice(from)).toMatch(/\nicanon\r\necho \r\n/)
    shell.type('fg\r')
    await waitFor(() => state(pid) !== 'T')
    from = shell.output.length
    // Typed until it is read: fg gives no sign that the terminal is raw again.
    await waitFor(() => {
      if (/read </.test(shell.output.slice(from))) return true
      shell.type('hello\r')
      return false
    })
    await shell.sees(/read <hello>/, from)
    shell.type('\x03')
    await shell.sees(/\$ $/, from)
  })

  test('a shell inside has its own job control', async () => {
    const run = await inTerminal(['--', 'bash', '--norc', '--noprofile', '-i'])
    await run.sees(/[#$] $/)
    run.type('sleep 60\r')
    await waitFor(() => /sleep 60\r\n/.test(run.output))
    await waitFor(() => execFileSync('ps', ['-eo', 'args='], { encoding: 'utf8' }).includes('sleep 60'))
    run.type('\x1a')
    await run.sees(/Stopped/)
    run.type('echo inner=$((6*7))\r')
    await run.sees(/inner=42/)
    run.type('kill %1; exit 5\r')
    run.type('exit 5\r')
    expect(await run.ended).toMatchObject({ exitCode: 5 })
  })

  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGUSR2'] as const) {
    test(`${signal} sent to keyhold alone reaches the child, and the terminal is as before`, async () => {
      const shell = await inShell()
      shell.type(
        `"$kh" run -- sh -c 'trap "echo caught; exit 6" ${signal.slice(3)}; echo parent=$PPID; while :; do sleep 0.05; done'; echo "code=$?"\r`,
      )
      const [, pid] = await shell.sees(/parent=(\d+)/)
      process.kill(Number(pid), signal)
      await shell.sees(/caught\r\ncode=6\r\n\$ $/)
      shell.type('stty -a | grep -o "[-]*icanon"\r')
      await shell.sees(/\nicanon/)
    })
  }

  test('the child ends when the terminal goes away', async () => {
    const run = await inTerminal(['--', 'sh', '-c', 'echo pid=$$; exec sleep 60'])
    const [, pid] = await run.sees(/pid=(\d+)/)
    ;(run.pty as unknown as { destroy(): void }).destroy()
    await waitFor(() => state(pid) === undefined)
  })
})

describe('M6: a prompt that ends like the beginning of a value', () => {
  for (const held of [1, 2, 3]) {
    test(`appears within 100 ms (${held} characters)`, async () => {
      const program = `console.log('start'); setTimeout(() => { console.log('now'); process.stdout.write('go on? ' + process.env.GITHUB_TOKEN.slice(0, ${held})) }, 200); setInterval(() => {}, 1000)`
      const run = await inTerminal(['--', node, '-e', program])
      await run.sees(/now/)
      const startedAt = performance.now()
      await run.sees(new RegExp(`go on\\? ${value.slice(0, held)}$`))
      expect(performance.now() - startedAt).toBeLessThan(100)
    })
  }
})

describe('M8: programs for terminals are unharmed', () => {
  const drawing = `const { stdout, stderr, stdin } = process
    console.log([stdin.isTTY, stdout.isTTY, stderr.isTTY, stdout.columns, stdout.rows, stdout.getColorDepth()].join(' '))
    stdout.write('\\x1b[1;31mred\\x1b[0m \\x1b[38;2;1;2;3mdeep\\x1b[0m ünï🔑\\n')
    for (let i = 0; i <= 100; i += 5) stdout.write('\\r[' + '#'.repeat(i / 5).padEnd(20) + '] ' + i + '%')
    stderr.write('\\n\\x1b]0;title\\x07done\\n')`

  test('colours, progress bar, title: byte for byte what the terminal gets without keyhold', async () => {
    const size = { cols: 113, rows: 37 }
    const run = await inTerminal(['--', node, '-e', drawing], size)
    await run.ended
    const server = await startServer(secrets)
    const bare = new TerminalRun(node, ['-e', drawing], environmentFor(server), size)
    await bare.ended
    expect(run.output).toBe(bare.output)
    expect(run.output).toContain('true true true 113 37')
  })

  test('a new window size reaches the child, with its signal', async () => {
    const run = await inTerminal([
      '--',
      node,
      '-e',
      `process.stdin.resume(); process.stdout.on('resize', () => console.log('size ' + process.stdout.columns + ' ' + process.stdout.rows)); console.log('ready')`,
    ])
    await run.sees(/ready/)
    run.pty.resize(101, 33)
    await run.sees(/size 101 33/)
  })

  test('vim edits', async () => {
    needs('vim')
    const file = join(temporaryDirectory(), 'text.txt')
    const run = await inTerminal(['--', 'vim', '-u', 'NONE', '-N', '-n', '-i', 'NONE', file])
    await run.sees(/text\.txt/)
    run.type('ihello vim\x1b')
    await run.sees(/hello vim/)
    const from = run.output.length
    run.pty.resize(100, 30)
    // It draws the window anew.
    await run.sees(/hello vim/, from)
    run.type(':put =&columns\r')
    await run.sees(/100/)
    run.type(':wq\r')
    expect(await run.ended).toMatchObject({ exitCode: 0 })
    expect(readFileSync(file, 'utf8')).toBe('hello vim\n100\n')
    expect(run.output).toContain('\x1b[?1049h')
    expect(run.output).toContain('\x1b[?1049l')
  })

  test('less pages', async () => {
    needs('less')
    const file = join(temporaryDirectory(), 'text.txt')
    writeFileSync(file, Array.from({ length: 500 }, (_, i) => `line-${i + 1}\n`).join(''))
    const run = await inTerminal(['--', 'less', file])
    await run.sees(/line-23\r?\n/)
    expect(run.output).not.toContain('line-25')
    run.type(' ')
    await run.sees(/line-46/)
    run.type('G')
    await run.sees(/line-500/)
    run.type('q')
    expect(await run.ended).toMatchObject({ exitCode: 0 })
  })

  test('less on a pipe inside takes its keys from the terminal', async () => {
    needs('less')
    const shell = await inShell()
    shell.type(`"$kh" run -- sh -c 'seq -f "item-%g" 500 | less'; echo "co""de=$?"\r`)
    await shell.sees(/item-23/)
    shell.type('G')
    await shell.sees(/item-500/)
    shell.type('q')
    await shell.sees(/code=0/)
  })
})

describe('each of stdin, stdout and stderr is a terminal for the child where it is one', () => {
  const program = `const tty = require('node:tty')
    const say = [0, 1, 2].map((fd) => tty.isatty(fd) ? 'tty' : 'no').join(' ')
    require('node:fs').writeFileSync(process.argv[1], say)
    process.stdout.write('OUT ' + process.env.GITHUB_TOKEN + '.\\n')
    process.stderr.write('ERR ' + process.env.GITHUB_TOKEN + '.\\n')`
  const cases = [
    ['', 'tty tty tty'],
    ['> out', 'tty no tty'],
    ['2> err', 'tty tty no'],
    ['> out 2> err', 'tty no no'],
    ['< /dev/null', 'no tty tty'],
    ['< /dev/null > out', 'no no tty'],
    ['< /dev/null 2> err', 'no tty no'],
    ['< /dev/null > out 2>&1', 'no no no'],
  ] as const
  for (const [redirect, expected] of cases) {
    test(`keyhold run -- … ${redirect}`, async () => {
      const directory = temporaryDirectory()
      const shell = await inShell()
      shell.type(`cd ${quote(directory)}; touch out err; clear; echo "be""gin"\r`)
      await shell.sees(/begin/)
      const from = shell.output.length
      shell.type(`"$kh" run -- ${quote(node)} -e ${quote(program)} seen ${redirect}; echo "co""de=$?"\r`)
      await shell.sees(/code=0/, from)
      expect(readFileSync(join(directory, 'seen'), 'utf8')).toBe(expected)
      // The value is left out everywhere, and line ends are those of the place.
      const everything = [
        shell.output.slice(from),
        readFileSync(join(directory, 'out'), 'utf8'),
        readFileSync(join(directory, 'err'), 'utf8'),
      ]
      expect(everything.join('')).not.toContain(value)
      expect(everything.join('')).toMatch(/OUT \.\r?\n/)
      expect(everything.join('')).toMatch(/ERR \.\r?\n/)
      expect(everything[0]).not.toContain('\r\r\n')
      expect(everything[1]).not.toContain('\r')
      expect(everything[2]).not.toContain('\r')
    })
  }

  test('a new window size reaches a child that shares the terminal', async () => {
    const shell = await inShell()
    const sizes = `process.stderr.write('rea' + 'dy\\n'); process.stderr.on('resize', () => console.error('size=' + process.stderr.columns)); setTimeout(() => {}, 20000)`
    shell.type(`"$kh" run -- ${quote(node)} -e ${quote(sizes)} | cat\r`)
    await shell.sees(/ready/)
    shell.pty.resize(97, 31)
    await shell.sees(/size=97/)
    shell.type('\x03')
  })
})

test('in the background keyhold leaves the terminal alone', async () => {
  const shell = await inShell()
  shell.type(`"$kh" run -- sh -c 'sleep 0.3; echo "back""ground $GITHUB_TOKEN."' & wait; echo "co""de=$?"\r`)
  await shell.sees(/code=0/)
  expect(shell.output).toContain('background .')
})
