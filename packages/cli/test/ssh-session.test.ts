// What a session by SSH gets: the variables of the workspace, and otherwise exactly what sshd alone would have given it.
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { TerminalRun, waitFor } from './kit.ts'
import { SshWorld, start } from './ssh-kit.ts'

// This machine may be busy.
vi.setConfig({ testTimeout: 90_000 })

let world: SshWorld

beforeAll(async () => {
  world = await SshWorld.start()
  await set('GITHUB_TOKEN', 'ghp_canary-of-sessions')
  await set('PEM', 'first line\nsecond "line"\n$HOME `x`\n')
}, 120_000)
afterAll(() => world?.stop())

const set = (name: string, value: string, ...more: string[]) =>
  world.done(['workspace-secret', 'set', 'api', name, ...more], undefined, value)
const ssh = (command: string[], input = '', options: string[] = []) =>
  world.ssh('ada', command, input, options)
const terminal = (command: string[], options: string[] = []) =>
  new TerminalRun('ssh', [...world.optionsOf('ada'), '-tt', ...options, world.target, ...command], {
    PATH: process.env.PATH ?? '',
    HOME: world.home,
    TERM: 'xterm-256color',
  })

describe('variables', () => {
  test('SEC-10, U14: a session has them, whole, whichever way it begins, and programs can ask the agent', async () => {
    await waitFor(
      () => world.agentText.includes('connected'),
      undefined,
      () => world.agentText,
    )
    const one = await ssh(['printf %s "$GITHUB_TOKEN"; printf %s "$PEM"; printf %s "$KEYHOLD_AGENT_SOCKET"'])
    expect(one.stderr).toBe('')
    expect(one.stdout.toString()).toBe(
      `ghp_canary-of-sessionsfirst line\nsecond "line"\n$HOME \`x\`\n${join(world.home, 'run/agent.sock')}`,
    )
    // As VS Code comes in: a shell without a terminal, with a script on its input.
    const script = await ssh([], 'printf "%s|" "$GITHUB_TOKEN" "$0"\n', ['-T'])
    expect([script.stderr, script.stdout.toString().split('|')[0]]).toEqual(['', 'ghp_canary-of-sessions'])
    const inTerminal = terminal(['printf "<%s>" "$GITHUB_TOKEN"'])
    await inTerminal.sees(/<ghp_canary-of-sessions>/)
    expect((await inTerminal.ended).exitCode).toBe(0)
  })

  test('keyhold is there, as a file of a key that was given no path is', async () => {
    const key = readFileSync(join(world.home, 'ada/id'), 'utf8')
    await set('DEPLOY_KEY', key, '--type=key')
    const command = 'cat "$DEPLOY_KEY_FILE"; keyhold run -- sh -c \'echo "ran with <$GITHUB_TOKEN>"\''
    for (let tries = 0; ; tries++) {
      const { stdout } = await ssh([command])
      if (stdout.toString() === `${key}ran with <>\n`) break
      if (tries > 60) throw new Error(`it was not seen: ${stdout.toString().slice(key.length)}`)
    }
    const inTerminal = terminal([])
    inTerminal.pty.write('keyhold --version; exit\n')
    await inTerminal.sees(/\d+\.\d+\.\d+/)
    await inTerminal.ended
  })

  test('SEC-28: a new session has the new value, also on a connection that is there already', async () => {
    const control = join(world.home, 'c1')
    const master = start('ssh', [...world.optionsOf('ada'), '-M', '-S', control, '-N', world.target])
    const ask = () => ssh(['printf %s "$ROTATED"'], '', ['-S', control])
    for (const value of ['value-one', 'value-two']) {
      await set('ROTATED', value)
      for (let tries = 0; ; tries++) {
        const { stdout, stderr } = await ask()
        if (stdout.toString() === value) break
        if (tries > 60) throw new Error(`${value} was not seen, but ${stdout}${stderr}`)
      }
    }
    master.child.kill()
    await master.ended
  })

  test('SEC-40, SEC-26: what a session gets is recorded as used by its person, before it begins', async () => {
    await world.letIn('bob')
    await world.done(['share', 'add', 'api', 'bob@example.com', '--level=admin'])
    const { stdout } = await world.ssh('bob', ['printf %s "$GITHUB_TOKEN"'])
    expect(stdout.toString()).toBe('ghp_canary-of-sessions')
    const used = (await world.records('--action=workspace-secret.use', '--person=bob@example.com')).find(
      ({ target }) => target?.name === 'GITHUB_TOKEN',
    )
    expect(used).toMatchObject({
      outcome: 'success',
      actor: { kind: 'person', name: 'bob' },
      workspace: world.id,
      address: '127.0.0.1',
    })
    await world.done(['share', 'remove', 'api', 'bob@example.com', '--yes'])
  })

  test('SEC-40: what Admin can have without a session is recorded before they are in', async () => {
    await world.letIn('carl')
    await world.done(['share', 'add', 'api', 'carl@example.com', '--level=admin'])
    const used = async () =>
      (await world.records('--action=workspace-secret.use', '--person=carl@example.com')).map(
        ({ target }) => target?.name,
      )
    expect(await used()).toEqual([])
    const forwarded = join(world.home, 'forwarded')
    const options = ['-N', '-L', `${forwarded}:${join(world.home, 'run/agent.sock')}`]
    const tunnel = start('ssh', [...world.optionsOf('carl'), ...options, world.target])
    await waitFor(() => existsSync(forwarded))
    const answer = await text(connect(forwarded))
    expect(answer).toContain('ghp_canary-of-sessions')
    expect(await used()).toContain('GITHUB_TOKEN')
    const before = (await used()).length
    tunnel.child.kill()
    await tunnel.ended
    await world.ssh('carl', ['true'])
    expect((await used()).length).toBe(2 * before)
    await world.done(['share', 'remove', 'api', 'carl@example.com', '--yes'])
  })

  test('T24: no value is in what the agent says, keeps, or tells sshd', async () => {
    const inside = start('ssh', [...world.optionsOf('ada'), world.target, 'echo in; exec sleep 60'])
    await waitFor(() => inside.text().includes('in'))
    const { stdout: processes } = spawnSync('ps', ['-eo', 'args'], { encoding: 'utf8' })
    expect(processes).not.toContain('canary-of-sessions')
    expect(world.agentText).not.toContain('canary-of-sessions')
    const kept = readdirSync(join(world.home, 'state'), { recursive: true, withFileTypes: true })
    for (const file of kept.filter((one) => one.isFile()))
      expect(readFileSync(join(file.parentPath, file.name), 'utf8')).not.toContain('canary-of-sessions')
    inside.child.kill()
    await inside.ended
  })
})

describe('a session is as sshd alone would have it', () => {
  test('the same process, terminal, limits and signals; nothing of how it was started is left', async () => {
    const { stdout, stderr } = await ssh([
      'cat /proc/self/status | grep Sig; echo $SHLVL/${ZDOTDIR-none}/${SSH_ORIGINAL_COMMAND-none}; ls /proc/$$/fd; cat /proc/$PPID/comm',
    ])
    const lines = stdout.toString().split('\n')
    expect([stderr, lines.find((line) => line.startsWith('SigIgn'))]).toEqual([
      '',
      'SigIgn:\t0000000000000000',
    ])
    expect(lines.find((line) => line.startsWith('SigBlk'))).toBe('SigBlk:\t0000000000000000')
    expect(stdout.toString()).toContain('/none/none\n')
    expect(stdout.toString()).toContain('\n0\n1\n2\nsshd\n')
  })

  test('a session has nothing open of the others that there are, so that each ends when its client goes (T26)', async () => {
    const others = [
      terminal(['ls -l /proc/$$/fd; echo "rea""dy"; exec sleep 600']),
      terminal(['ls -l /proc/$$/fd; echo "rea""dy"; exec sleep 600']),
    ]
    for (const other of others) await other.sees(/ready/)
    const pipe = start('ssh', [
      ...world.optionsOf('ada'),
      world.target,
      'ls -l /proc/$$/fd; echo end; exec cat',
    ])
    await waitFor(() => pipe.text().includes('end'))
    const opened = (text: string) =>
      [...text.matchAll(/ (\d+) -> (\S+?)\r?$/gm)].map(([, at, to]) => `${at} ${to}`)
    const seen = [...others.map(({ output }) => opened(output)), opened(pipe.text())]
    // A shell may keep its terminal a second time, as 255.
    for (const one of seen)
      expect(one.map((line) => line.split(' ')[0]).filter((at) => at !== '255')).toEqual(['0', '1', '2'])
    const targets = seen.map((one) => new Set(one.map((line) => line.split(' ')[1])))
    for (const [index, one] of targets.entries())
      for (const another of targets.slice(index + 1))
        expect([...one].filter((target) => another.has(target))).toEqual([])
    for (const other of others) other.pty.kill('SIGKILL')
    pipe.child.stdin.end()
    expect((await pipe.ended).code).toBe(0)
  })

  test('a login shell in a terminal, with its window, and an end of its own', async () => {
    const shell = terminal([])
    shell.type('echo "[$0]" "$SSH_TTY"; stty size\r')
    await shell.sees(/\[-\w+\] \/dev\/pts\/\d+\r\n24 80/)
    shell.pty.resize(100, 30)
    // Asked again until the new size has come through both hops.
    shell.type('until [ "$(stty size)" = "30 100" ]; do sleep 0.05; done; echo "wi""dened"\r')
    await shell.sees(/widened/)
    // What says this has the terminal already, which `sleep` alone may not.
    shell.type(`sh -c 'echo "wai""ting"; exec sleep 100'\r`)
    await shell.sees(/\nwaiting/)
    shell.type('\x03')
    // A shell that is on its way back to its prompt may lose what is typed.
    await shell.sees(/\^C.*[#$] $/s)
    shell.type('echo "ended by" $?\r')
    await shell.sees(/ended by 130/)
    shell.type('exit 7\r')
    expect((await shell.ended).exitCode).toBe(7)
  })

  test.each([
    ['kill -TERM $$', 255],
    ['kill -KILL $$', 255],
    ['exit 3', 3],
    ['nosuchcommand', 127],
  ])('%s ends with %i', async (command, code) => {
    expect((await ssh([command])).code).toBe(code)
  })

  test('without its agent a session begins, and says so only to a terminal', async () => {
    const control = join(world.home, 'c2')
    const master = start('ssh', [...world.optionsOf('ada'), '-M', '-S', control, '-N', world.target])
    await waitFor(() => readdirSync(world.home).includes('c2'))
    const sockets = readdirSync(join(world.home, 'run')).filter((name) => name.startsWith('s-'))
    expect(sockets.length).toBeGreaterThan(0)
    for (const name of sockets) rmSync(join(world.home, 'run', name))
    const quiet = await ssh(['echo "<$GITHUB_TOKEN>"'], '', ['-S', control])
    expect([quiet.code, quiet.stdout.toString(), quiet.stderr]).toEqual([0, '<>\n', ''])
    const loud = terminal(['echo "<$GITHUB_TOKEN>"'], ['-S', control])
    await loud.sees(/keyhold: no secrets in this session: the agent of this workspace does not answer\r\n<>/)
    // Bytes of a copy are not disturbed.
    const bytes = randomBytes(100_000)
    writeFileSync(join(world.home, 'from'), bytes)
    const copy = start('scp', [
      ...world.optionsOf('ada'),
      '-O',
      '-o',
      `ControlPath=${control}`,
      join(world.home, 'from'),
      `${world.target}:${join(world.home, 'there')}`,
    ])
    expect(await copy.ended).toMatchObject({ code: 0, stderr: '' })
    expect(readFileSync(join(world.home, 'there')).equals(bytes)).toBe(true)
    master.child.kill()
    await master.ended
  })
})
