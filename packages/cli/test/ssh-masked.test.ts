// Edit comes in by SSH: what runs has the values, and what is seen of it does not (acceptance 6.1, SEC-38 to SEC-40).
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { copiesOut } from '../src/session/masked-session.ts'
import { keyhold, node, TerminalRun, waitFor } from './kit.ts'
import { isAlive, pidsIn, type Result, SshWorld, start } from './ssh-kit.ts'

const TOKEN = 'ghp_canary-of-masked-sessions'
const PEM = `-----BEGIN KEY-----\n${randomBytes(30).toString('base64')}\n${randomBytes(30).toString('base64')}\n-----END KEY-----\n`

let world: SshWorld

beforeAll(async () => {
  world = await SshWorld.start()
  await set('GITHUB_TOKEN', TOKEN)
  await set('PEM', PEM)
  await set(
    'CONFIG',
    `secret-of-a-file-${TOKEN}\n`,
    '--type=file',
    `--file-path=${join(world.home, 'config')}`,
  )
  await world.letIn('eve')
  await world.done(['share', 'add', 'api', 'eve@example.com', '--level=edit'])
}, 120_000)
afterAll(() => world?.stop())

const set = (name: string, value: string, ...more: string[]) =>
  world.done(['workspace-secret', 'set', 'api', name, ...more], undefined, value)
const eve = (command: string[], input: Buffer | string = '', options: string[] = []) =>
  world.ssh('eve', command, input, options)
const terminal = (command: string[] = [], options: string[] = []) =>
  new TerminalRun('ssh', [...world.optionsOf('eve'), '-tt', ...options, world.target, ...command], {
    PATH: process.env.PATH ?? '',
    HOME: world.home,
    TERM: 'xterm-256color',
  })
const sha256 = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest('hex')
const text = ({ stdout, stderr }: Result) => stdout.toString() + stderr

describe('without a terminal', () => {
  test('SEC-38, SEC-39: a program has the value whole; everything that shows it shows blanks', async () => {
    const used = await eve(['printf %s "$GITHUB_TOKEN" | sha256sum; printf %s "$PEM" | sha256sum'])
    expect(used.stdout.toString()).toContain(sha256(TOKEN))
    expect(used.stdout.toString()).toContain(sha256(PEM))
    const shown = await eve([
      'echo "<$GITHUB_TOKEN>"; echo "<$GITHUB_TOKEN>" >&2; env; printenv GITHUB_TOKEN; echo "$PEM"; cat /proc/self/environ; sh -c "echo \\"$GITHUB_TOKEN\\""',
    ])
    expect(shown.stdout.toString()).toContain('<>\n')
    expect(shown.stderr).toContain('<>\n')
    expect(text(shown)).not.toContain('canary')
    for (const line of PEM.split('\n').slice(1, 3)) expect(text(shown)).not.toContain(line)
    // The agent's own credential is there to be read, and another of Keyhold's too.
    const state = join(world.home, 'state/agent.json')
    const { token } = JSON.parse(readFileSync(state, 'utf8'))
    const other = `kh_pat_${'0123456789'.repeat(5).slice(1)}`
    const tokens = text(await eve([`cat ${state}; echo "<${other}>"`]))
    expect(tokens).toContain('workspaceId')
    expect(tokens).toContain('<kh_pat_>')
    for (const one of [token, other].map((whole) => whole.split('_')[2] ?? ''))
      expect(tokens).not.toContain(one)
  })

  test('M1, M3: in pieces, with pauses, and in the forms in which programs print it', async () => {
    const forms = await eve([
      [
        'printf %s "$GITHUB_TOKEN" | base64; printf "x%s" "$GITHUB_TOKEN" | base64',
        'printf %s "$GITHUB_TOKEN" | od -An -tx1 | tr -d " \\n"; echo',
        'for i in $(seq 1 ${#GITHUB_TOKEN}); do printf %s "$(printf %s "$GITHUB_TOKEN" | cut -c$i)"; [ $i = 12 ] && sleep 1; done; echo',
      ].join('; '),
    ])
    expect(forms.code).toBe(0)
    for (const bytes of [TOKEN, `x${TOKEN}`].map((one) => Buffer.from(one))) {
      const base64 = bytes.toString('base64')
      expect(text(forms)).not.toContain(base64.slice(4, -4))
      expect(text(forms)).not.toContain(bytes.toString('hex'))
    }
    expect(text(forms)).not.toContain('canary')
  })

  test('M7, M12: other bytes are as they were, both ways; exit status and death by a signal arrive', async () => {
    const bytes = randomBytes(2 * 1024 * 1024)
    const back = await eve(['cat'], bytes)
    expect([back.code, sha256(back.stdout)]).toEqual([0, sha256(bytes)])
    const both = await eve(['(head -c 1000000 /dev/zero & head -c 1000000 /dev/zero >&2; wait); exit 7'])
    expect([both.code, both.stdout.length, both.stderr.length]).toEqual([7, 1_000_000, 1_000_000])
    expect((await eve(['kill -TERM $$'])).code).toBe(255)
    expect((await eve(['kill -KILL $$'])).code).toBe(255)
    expect((await eve(['cat; echo heard'])).stdout.toString()).toBe('heard\n')
    const script = await eve([], 'echo "<$GITHUB_TOKEN>"; exit 3\n', ['-T'])
    expect([script.code, script.stdout.toString()]).toEqual([3, '<>\n'])
  })

  test('what is asked and answered over the pipes gets through: git takes and brings', async () => {
    const at = join(world.home, 'there.git')
    const made = await eve([
      `git init -q --bare ${at} && git clone -q ${at} ${at}-work && cd ${at}-work && git -c user.name=e -c user.email=e@example.com commit -q --allow-empty -m one && git push -q origin HEAD:main`,
    ])
    expect(made.code, made.stderr).toBe(0)
    const env = { ...process.env, GIT_SSH_COMMAND: `ssh ${world.optionsOf('eve').join(' ')}` }
    const clone = join(world.home, 'clone')
    const cloned = start('git', ['clone', '-q', '-b', 'main', `${world.target}:${at}`, clone], { env })
    expect(await cloned.ended).toMatchObject({ code: 0 })
    writeFileSync(join(clone, 'file'), 'text\n')
    const git = async (...args: string[]) => {
      const one = start(
        'git',
        ['-C', clone, '-c', 'user.name=e', '-c', 'user.email=e@example.com', ...args],
        {
          env,
        },
      )
      expect(await one.ended).toMatchObject({ code: 0 })
    }
    await git('add', '.')
    await git('commit', '-q', '-m', 'two')
    await git('push', '-q', 'origin', 'main')
  })
})

describe('in a terminal', () => {
  test('SEC-39, M2, M8: blanks in all that is shown, echo of what is typed too; window, Ctrl-C and exit status as ever', async () => {
    const shell = terminal()
    shell.type('tty; stty size; echo "<$GITHUB_TOKEN>"; echo "$PEM"; env\r')
    await shell.sees(/dev\/pts\/\d+\r\n24 80\r\n<>/)
    shell.type('echo en""ough\r')
    await shell.sees(/\nenough/)
    shell.type(`: "${TOKEN}"; cat ${join(world.home, 'config')}; echo re""ad\r`)
    await shell.sees(/\nread/)
    shell.pty.resize(100, 30)
    shell.type('until [ "$(stty size)" = "30 100" ]; do sleep 0.05; done; echo "wi""dened"\r')
    await shell.sees(/\nwidened/)
    // What says this has the terminal already, which `sleep` alone may not.
    shell.type(`sh -c 'echo "wai""ting"; exec sleep 100'\r`)
    await shell.sees(/\nwaiting/)
    shell.type('\x03')
    // A shell that is on its way back to its prompt may lose what is typed.
    await shell.sees(/\^C.*[#$] $/s)
    shell.type('echo "ended by" $?\r')
    await shell.sees(/\nended by 130/)
    shell.type('exit 7\r')
    expect((await shell.ended).exitCode).toBe(7)
    expect(shell.output).not.toContain('canary')
    for (const line of PEM.split('\n').slice(1, 3)) expect(shell.output).not.toContain(line)
  })

  test('M9: a value that is new is blanked in a session that is there already', async () => {
    const shell = terminal()
    shell.type('echo rea""dy\r')
    await shell.sees(/\nready/)
    await set('LATER', 'canary-that-came-later')
    // A program in the session gets it from the agent, as soon as the agent has it.
    const { keyhold } = await import('./kit.ts')
    const ask = `${keyhold} run --no-mask -- sh -c 'printf "%s" "$LATER" | sha256sum; echo "<$LATER>"'`
    shell.type(
      `until ${ask} | tee /dev/stderr | grep -q ${sha256('canary-that-came-later')}; do :; done; echo fou""nd\r`,
    )
    await shell.sees(/\nfound/)
    expect(shell.output).not.toContain('canary')
    shell.type('exit\r')
    await shell.ended
  })
})

describe('what leads past a session', () => {
  test('sftp, scp and rsync bring files in and take none out, and say so', { timeout: 90_000 }, async () => {
    const options = world.optionsOf('eve')
    const bytes = randomBytes(300_000)
    writeFileSync(join(world.home, 'from'), bytes)
    const there = join(world.home, 'brought')
    const at = `${world.target}:${there}`
    for (const args of [
      ['scp', '-O', ...options, join(world.home, 'from'), at],
      ['rsync', '-e', `ssh ${options.join(' ')}`, join(world.home, 'from'), `${at}-2`],
    ]) {
      const [program = '', ...rest] = args
      expect(await start(program, rest).ended).toMatchObject({ code: 0 })
    }
    for (const path of [there, `${there}-2`]) expect(readFileSync(path).equals(bytes)).toBe(true)
    const back = join(world.home, 'back')
    for (const args of [
      ['scp', ...options, `${world.target}:${join(world.home, 'config')}`, back],
      ['scp', '-O', ...options, `${world.target}:${join(world.home, 'config')}`, back],
      ['scp', '-O', '-r', '-p', ...options, `${world.target}:${world.home}/eve`, back],
      ['sftp', ...options, `${world.target}:${join(world.home, 'config')}`, back],
      [
        'rsync',
        '-az',
        '-e',
        `ssh ${options.join(' ')}`,
        `${world.target}:${join(world.home, 'config')}`,
        back,
      ],
    ]) {
      const [program = '', ...rest] = args
      const one = start(program, rest)
      one.child.stdin.end()
      const { code, stderr } = await one.ended
      expect([args[0], code === 0, stderr]).toEqual([
        args[0],
        false,
        expect.stringMatching(/with Edit, files cannot be copied out|[Pp]ermission denied/),
      ])
      expect(existsSync(back)).toBe(false)
    }
  })

  test.each([
    'sudo rsync --server --sender -logDtpr . /etc/hostname',
    '/usr/lib/openssh/sftp-server -e',
    'cd /; exec scp -p -f /etc/hostname',
    'scp -rf -- x',
  ])('a copy out is refused however it is asked for: %s', (command) => {
    expect(copiesOut(command)).toBe(true)
    for (const other of [undefined, 'ls', 'scp -t .; rm -rf x', 'rsync --server -logDtpr . x', 'sftp host'])
      expect(copiesOut(other)).toBe(false)
  })

  test.each([
    ['-L', '42411:127.0.0.1:22'],
    ['-R', '42412:127.0.0.1:22'],
    ['-R', '42413'],
  ])('a forward is refused: %s %s', async (kind, forward) => {
    const forwards = start('ssh', [
      ...world.optionsOf('eve'),
      '-o',
      'ExitOnForwardFailure=yes',
      kind,
      forward,
      world.target,
      'sleep 2',
    ])
    forwards.child.stdin.end()
    if (kind === '-R') {
      expect((await forwards.ended).code).toBe(255)
      return
    }
    const { connect } = await import('node:net')
    const port = Number(forward.split(':')[0])
    for (let tries = 0; ; tries++) {
      const peer = connect(port, '127.0.0.1')
      const heard = await new Promise<string>((resolve) => {
        peer.on('data', (data) => resolve(String(data)))
        peer.on('error', () => resolve('refused'))
        peer.on('close', () => resolve('closed'))
      })
      peer.destroy()
      if (heard === 'closed') break
      expect(heard).toBe('refused')
      if (tries > 1000) throw new Error('the forward was never there')
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    expect((await forwards.ended).stderr).toContain('administratively prohibited')
  })

  test('no agent is forwarded', async () => {
    const one = await eve(['echo "<${SSH_AUTH_SOCK-none}>"'], '', ['-A'])
    expect(one.stdout.toString()).not.toContain('/tmp/ssh-')
  })

  test('a session that could not be blanked does not begin', async () => {
    const control = join(world.home, 'c')
    const master = start('ssh', [...world.optionsOf('eve'), '-M', '-S', control, '-N', world.target])
    await waitFor(() => readdirSync(world.home).includes('c'))
    for (const name of readdirSync(join(world.home, 'run')).filter((one) => one.startsWith('s-')))
      rmSync(join(world.home, 'run', name))
    const refused = await eve(['echo in'], '', ['-S', control])
    expect([refused.code, refused.stdout.toString()]).toEqual([1, ''])
    expect(refused.stderr).toContain('nothing could be blanked')
    master.child.kill()
    await master.ended
  })
})

test('a session that does not answer ends before programs have a new value', async () => {
  // The process that blanks is what the command is a child of.
  const inside = start('ssh', [...world.optionsOf('eve'), world.target, 'echo "<$PPID>in"; exec sleep 600'])
  await waitFor(
    () => inside.text().includes('in'),
    undefined,
    () => inside.text(),
  )
  for (const pid of pidsIn(inside.text())) process.kill(pid, 'SIGSTOP')
  await set('LATER', 'canary-that-comes-later')
  expect((await inside.ended).code).toBe(255)
  await waitFor(() => world.agentText.includes('ended a session of eve'))
  await waitFor(() => pidsIn(inside.text()).every((pid) => !isAlive(pid)))
  expect((await eve(['printf %s "$LATER" | wc -c'])).stdout.toString().trim()).toBe('23')
})

describe('rights', () => {
  test('SEC-40: Edit changes and reveals nothing, and its uses are under its own name', async () => {
    const as = world.people.eve
    for (const args of [
      ['workspace-secret', 'set', world.id, 'NEW'],
      ['workspace-secret', 'unset', world.id, 'GITHUB_TOKEN', '--yes'],
      ['workspace-secret', 'get', world.id, 'GITHUB_TOKEN'],
    ])
      expect((await world.run(args, as, 'x')).code).toBe(1)
    await eve(['true'])
    const used = await world.records('--action=workspace-secret.use', '--person=eve@example.com')
    expect(used.map(({ target }) => target?.name)).toEqual(expect.arrayContaining(['GITHUB_TOKEN', 'CONFIG']))
    for (const { actor, workspace } of used)
      expect([actor.kind, actor.name, workspace]).toEqual(['person', 'eve', world.id])
  })

  test('SEC-26, SEC-40: where a program of a session reads a secret is recorded under the name of its person', async () => {
    writeFileSync(join(world.home, 'app.js'), '\n\nif (!process.env.GITHUB_TOKEN) throw new Error()\n')
    const ran = await eve([`cd ${world.home} && ${keyhold} run -- ${node} app.js`])
    expect(ran.code, ran.stderr).toBe(0)
    const ofEve = await world.records('--action=workspace-secret.use', '--person=eve@example.com')
    // Other programs of other sessions are there too.
    const read = ofEve.filter(({ use }) => use?.kind === 'read')
    expect(read.map(({ target, use }) => [target?.name, use])).toEqual([
      ['GITHUB_TOKEN', expect.objectContaining({ file: 'app.js', line: 3 })],
    ])
    // The owner's programs are the workspace's, wherever they are started.
    await world.ssh('ada', [`cd ${world.home} && ${keyhold} run -- ${node} app.js`])
    const all = await world.records('--action=workspace-secret.use')
    const kinds = all.filter(({ use }) => use?.file === 'app.js').map(({ actor }) => actor.kind)
    expect(kinds.sort()).toEqual(['person', 'workspace'])
  })

  test.each([
    ['edit', 'view', false],
    ['edit', 'admin', true],
    ['admin', 'edit', true],
    ['admin', 'view', false],
  ])('SEC-42, T16: from %s to %s ends what runs within two seconds', async (from, to, comesBack) => {
    const change = (level: string) =>
      world.done(['share', 'update', 'api', 'eve@example.com', `--level=${level}`])
    await change(from)
    // One in the background, which outlives its shell.
    const command = '(sleep 600 & echo "<$!>"); echo "<$$>in"; exec sleep 600'
    const inside = start('ssh', [...world.optionsOf('eve'), world.target, command])
    await waitFor(
      () => inside.text().includes('in'),
      undefined,
      () => inside.text(),
    )
    await change(to)
    const changedAt = Date.now()
    expect((await inside.ended).code).toBe(255)
    expect(Date.now() - changedAt).toBeLessThan(2_500)
    await waitFor(() => pidsIn(inside.text()).every((pid) => !isAlive(pid)))
    const again = await eve(['echo "<$GITHUB_TOKEN>"'])
    expect(again.code).toBe(comesBack ? 0 : 255)
    expect(again.stdout.toString()).toBe(!comesBack ? '' : to === 'admin' ? `<${TOKEN}>\n` : '<>\n')
  })
})
