// The agent as somebody who is not root, with a home of their own and start-up files in it.
import { execFileSync } from 'node:child_process'
import { chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TerminalRun } from './kit.ts'
import { type Account, SshWorld, start } from './ssh-kit.ts'

let world: SshWorld
let account: Account | undefined

beforeAll(async () => {
  // Whoever runs the tests as somebody else tests it with all of them; start-up files of theirs are not touched.
  if (process.getuid?.() === 0) account = newAccount()
  world = await SshWorld.start({}, account)
  await world.done(['workspace-secret', 'set', 'api', 'TOKEN'], undefined, 'canary-of-an-account')
  await world.letIn('eve')
  await world.done(['share', 'add', 'api', 'eve@example.com', '--level=edit'])
}, 120_000)
afterAll(async () => {
  await world?.stop()
  if (!account) return
  execFileSync('userdel', [account.name])
  rmSync(account.home, { recursive: true, force: true })
})

function newAccount(): Account {
  const name = `kh-test-${process.pid}`
  const home = mkdtempSync(join(tmpdir(), 'keyhold-account-'))
  execFileSync('useradd', [
    '--no-create-home',
    '--home-dir',
    home,
    '--shell',
    '/bin/bash',
    '--groups',
    'tty',
    name,
  ])
  const [uid = 0, gid = 0] = ['-u', '-g'].map((kind) => Number(execFileSync('id', [kind, name])))
  mkdirSync(join(home, '.ssh'))
  writeFileSync(join(home, '.bashrc'), 'echo bashrc >> ~/started; export FROM_BASHRC=$((FROM_BASHRC + 1))\n')
  writeFileSync(join(home, '.bash_profile'), 'echo profile >> ~/started\n')
  writeFileSync(
    join(home, '.ssh/rc'),
    'echo rc >> ~/started; echo "rc sees: $(cat ~/state/agent.json | wc -c)" >&2\n',
  )
  writeFileSync(join(home, 'started'), '')
  for (const path of ['', '.ssh', '.bashrc', '.bash_profile', '.ssh/rc', 'started'])
    chownSync(join(home, path), uid, gid)
  return { name, uid, gid, home }
}

const name = () => account?.name ?? userInfo().username
/** What start-up files have said since this was asked last. */
function started(): string[] | undefined {
  if (!account) return undefined
  const path = join(account.home, 'started')
  const lines = readFileSync(path, 'utf8').split('\n').filter(Boolean)
  writeFileSync(path, '')
  return lines
}
const terminal = (who: string) =>
  new TerminalRun('ssh', [...world.optionsOf(who), '-tt', world.target], {
    PATH: process.env.PATH ?? '',
    HOME: world.home,
    TERM: 'xterm-256color',
  })

test('a command, with the secrets, from where it came, and start-up files once', async () => {
  const one = await world.ssh('ada', ['id -un; echo "$TOKEN ${FROM_BASHRC-}"; echo "$SSH_CONNECTION"'])
  const [who, token, from] = one.stdout.toString().split('\n')
  expect([who, from]).toEqual([name(), '127.0.0.1 0 127.0.0.1 22'])
  expect(token).toMatch(account ? /^canary-of-an-account 1$/ : /^canary-of-an-account/)
  expect(started() ?? ['rc', 'bashrc']).toEqual(['rc', 'bashrc'])
})

test('a login shell in a terminal that is this account’s', async () => {
  const shell = terminal('ada')
  shell.type('echo "<$TOKEN>" "$(stat -c %U "$(tty)")"\r')
  await shell.sees(new RegExp(`\n<canary-of-an-account> ${name()}`))
  shell.type('exit 5\r')
  expect((await shell.ended).exitCode).toBe(5)
  expect(started() ?? ['rc', 'profile']).toEqual(['rc', 'profile'])
})

test('sftp is served without start-up files of the shell', async () => {
  const batch = start('sftp', [...world.optionsOf('ada'), '-b', '-', world.target])
  batch.child.stdin.end('pwd\n')
  const { code, stdout } = await batch.ended
  expect(code).toBe(0)
  if (account) expect(stdout.toString()).toContain(account.home)
  expect(started() ?? []).toEqual([])
})

test('SEC-39: with Edit, blanks; and sshd runs nothing of its own before', async () => {
  const one = await world.ssh('eve', ['echo "<$TOKEN>" $(id -un)'])
  expect(one.stdout.toString()).toBe(`<> ${name()}\n`)
  const shell = terminal('eve')
  shell.type('echo "<$TOKEN>" "$(id -un)"\r')
  await shell.sees(new RegExp(`\n<> ${name()}`))
  shell.type('exit 5\r')
  expect((await shell.ended).exitCode).toBe(5)
  expect(shell.output).not.toContain('canary')
  expect(started() ?? ['bashrc', 'profile']).toEqual(['bashrc', 'profile'])
})
