// `npm test`: every test, on a fresh machine, with no step before it. Arguments go on to Vitest:
// `npm test -- packages/server -t audit`.
import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

const root = join(import.meta.dirname, '..')

/** Programs that tests start, and the Debian package of each. Tests fail without them; none is skipped. */
const programs: Readonly<Record<string, string>> = {
  bash: 'bash',
  'dbus-run-session': 'dbus',
  chromium: 'chromium',
  curl: 'curl',
  git: 'git',
  'gnome-keyring-daemon': 'gnome-keyring',
  gpg: 'gnupg',
  haproxy: 'haproxy',
  less: 'less',
  openssl: 'openssl',
  ps: 'procps',
  psql: 'postgresql-client',
  python3: 'python3',
  'secret-tool': 'libsecret-tools',
  rsync: 'rsync',
  ssh: 'openssh-client',
  'ssh-keygen': 'openssh-client',
  setpriv: 'util-linux',
  sshd: 'openssh-server',
  stty: 'coreutils',
  useradd: 'passwd',
  vim: 'vim',
}

/** Modules of the system's Python, as `programs`. */
const modules: Readonly<Record<string, string>> = { paramiko: 'python3-paramiko' }

function isThere(program: string): boolean {
  if (program in modules) return spawnSync('/usr/bin/python3', ['-c', `import ${program}`]).status === 0
  return [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin'].some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** @param env added to the environment. @returns the exit code. */
function run(command: string, args: readonly string[], env: Record<string, string> = {}): number {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  })
  if (error) console.error(`${command}: ${error.message}`)
  return status ?? 1
}

/** Installs what is missing where that can be done without asking: as root, on Debian. */
function ensurePrograms(): void {
  const missing = () => Object.keys({ ...programs, ...modules }).filter((name) => !isThere(name))
  const wanted = missing()
  if (wanted.length === 0) return
  const packages = [...new Set(wanted.map((name) => (programs[name] ?? modules[name])!))] // `!`: keys of the table.
  if (process.getuid?.() === 0 && isThere('apt-get')) {
    console.error(`The tests need ${wanted.join(', ')}: installing ${packages.join(' ')}`)
    const quiet = { DEBIAN_FRONTEND: 'noninteractive' }
    run('apt-get', ['update', '-qq'], quiet)
    run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], quiet)
  }
  const still = missing()
  if (still.length === 0) return
  console.error(`The tests need programs that are not on this machine: ${still.join(', ')}`)
  console.error(`On Debian and Ubuntu: sudo apt-get install ${packages.join(' ')}`)
  process.exit(1)
}

ensurePrograms()
const built = run(process.execPath, ['tools/build.ts'])
if (built !== 0) process.exit(built)
// The Node that runs this file, whatever PATH says; and for what the tests start, the one that the repository brought.
const path = `${join(root, 'node_modules/.bin')}${delimiter}${process.env.PATH ?? ''}`
const reporters = ['--reporter=default', '--reporter=./tools/test-summary.ts']
process.exit(
  run(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', ...reporters, ...process.argv.slice(2)], {
    PATH: path,
  }),
)
