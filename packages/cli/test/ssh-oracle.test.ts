// Each thing that people do with ssh, done twice: through Keyhold, and through OpenSSH's own jump host to OpenSSH's own
// server. What they see has to be the same: exit status, bytes, and what is said on standard error.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { connect, createServer } from 'node:net'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { TerminalRun, waitFor } from './kit.ts'
import { SshWorld, start } from './ssh-kit.ts'

// Everything is done twice, through two hops, and this machine may be busy.
vi.setConfig({ testTimeout: 120_000 })

let world: SshWorld
/** Whose name ssh is given, and the options with which it finds the way. */
let ways: readonly { readonly name: string; readonly target: string; readonly options: readonly string[] }[]
const servers: ChildProcess[] = []

beforeAll(async () => {
  world = await SshWorld.start()
  ways = [await plainWay(), { name: 'ours', target: world.target, options: world.optionsOf('ada') }]
}, 120_000)
afterAll(async () => {
  for (const server of servers) server.kill()
  await world?.stop()
})

type Way = (typeof ways)[number]

/** Two servers of OpenSSH, a jump host and where it leads, with the key that the person has for Keyhold. */
async function plainWay(): Promise<Way> {
  const at = join(world.home, 'plain')
  mkdirSync(at)
  const user = userInfo().username
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(at, 'host')])
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true })
  const ports: number[] = []
  for (const name of ['jump', 'target']) {
    const port = await freePort()
    ports.push(port)
    const lines = [
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${join(at, 'host')}`,
      `AuthorizedKeysFile ${join(world.home, 'ada/id.pub')}`,
      ...['StrictModes no', 'UsePAM no', 'PidFile none', 'UseDNS no', 'MaxStartups 100', 'LogLevel ERROR'],
      ...['PermitRootLogin prohibit-password', 'PasswordAuthentication no', 'PrintLastLog no'],
      'AcceptEnv LANG LC_* COLORTERM GIT_PROTOCOL TZ',
      'Subsystem sftp internal-sftp',
    ]
    writeFileSync(join(at, name), `${lines.join('\n')}\n`)
    const server = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', join(at, name)], { stdio: 'ignore' })
    servers.push(server)
    await listening(port)
  }
  const key = readFileSync(join(at, 'host.pub'), 'utf8').split(' ').slice(0, 2).join(' ')
  writeFileSync(
    join(at, 'known_hosts'),
    [...ports.map((port) => `[127.0.0.1]:${port} ${key}`), `plain-host ${key}`, ''].join('\n'),
  )
  const config = [
    'Host plain-host',
    '  HostName 127.0.0.1',
    `  Port ${ports[1]}`,
    `  ProxyJump ${user}@127.0.0.1:${ports[0]}`,
    'Host *',
    `  IdentityFile ${join(world.home, 'ada/id')}`,
    `  UserKnownHostsFile ${join(at, 'known_hosts')}`,
    '  IdentitiesOnly yes',
    '  StrictHostKeyChecking yes',
    '  BatchMode yes',
    '',
  ]
  writeFileSync(join(at, 'config'), config.join('\n'))
  return { name: 'oracle', target: `${user}@plain-host`, options: ['-F', join(at, 'config')] }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number } // `as`: it listens on TCP.
  server.close()
  return port
}

async function listening(port: number): Promise<void> {
  for (let tries = 0; ; tries++) {
    const socket = connect(port, '127.0.0.1')
    const isThere = await new Promise((resolve) => {
      socket.on('connect', () => resolve(true))
      socket.on('error', () => resolve(false))
    })
    socket.destroy()
    if (isThere) return
    if (tries > 500) throw new Error('nobody listens')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

/** What somebody sees of a run, with the names of the two hosts made one. */
async function seen(
  program: string,
  args: readonly string[],
  way: Way,
  input: Buffer | string = '',
  env = {},
) {
  const run = start(program, args, { env: { ...process.env, ...env } })
  run.child.stdin.end(input)
  const { code, stdout, stderr } = await run.ended
  const common = (text: string) =>
    text
      .replaceAll(/ws-[a-z0-9]{12}|plain-host|127\.0\.0\.1/g, 'HOST')
      .replaceAll(new RegExp(`\\b${way.name}-`, 'g'), 'WAY-')
  // What is long is compared by its hash: a difference of megabytes helps nobody.
  const out = stdout.length > 10_000 ? sha256(stdout) : common(stdout.toString())
  return { code, out, err: common(stderr) }
}

/** Does it both ways, and compares. @returns what was seen. */
async function same(what: (way: Way) => Promise<Awaited<ReturnType<typeof seen>>>) {
  const [oracle, ours] = [await what(ways[0]!), await what(ways[1]!)] as const // `!`: there are two.
  expect(ours).toEqual(oracle)
  return oracle
}

const ssh = (
  way: Way,
  command: readonly string[],
  input: Buffer | string = '',
  more: readonly string[] = [],
) => seen('ssh', [...way.options, ...more, way.target, ...command], way, input)

describe('ssh', () => {
  const bytes = randomBytes(3 * 1024 * 1024)
  test.each<[string, string[], (Buffer | string)?, string[]?]>([
    ['both streams and an exit status', ['echo out; echo err >&2; exit 7']],
    ['exit status 255', ['exit 255']],
    ['death by SIGTERM', ['kill -TERM $$']],
    ['death by SIGKILL', ['kill -KILL $$']],
    ['a command that is not there', ['nosuchcommand']],
    ['quotes, newlines and nothing', ["printf '<%s>' 'a b' \"c'd\" '$HOME' ''; printf 'e\nf\n'"]],
    ['an empty command', ['']],
    ['bytes there and back', ['cat'], bytes],
    ['the end of input', ['cat; echo heard']],
    ['nothing but input that is not read', ['true'], bytes],
    ['output that nobody stops', ['head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2']],
    ['new keys after each megabyte', ['cat'], bytes, ['-o', 'RekeyLimit=1M']],
    [
      'a script for a shell without a terminal',
      [],
      'echo "<$0>"; pwd; read line; echo "$line"; exit 3\nthe line\n',
      ['-T'],
    ],
    ['a background job that keeps the output', ['(sleep 0.5; echo later) & echo now']],
    ['input from nowhere', ['cat; echo heard'], '', ['-n']],
    ['who and where', ['id; pwd; umask; echo "$SHELL $HOME $LOGNAME"; ls /proc/self/fd | wc -l']],
    [
      'variables that are sent',
      ['echo "$LANG $LC_X $TZ <$OTHER>"'],
      '',
      ['-o', 'SetEnv=LANG=C.UTF-8 LC_X=x TZ=UTC OTHER=o'],
    ],
  ])('%s', async (_name, command, input = '', more = []) => {
    await same((way) => ssh(way, command, input, more))
  })

  test('the variables of a session are those of sshd, and ours', async () => {
    const ours = /^(KEYHOLD_AGENT_SOCKET|SSH_CLIENT|SSH_CONNECTION|SSH_AUTH_SOCK|GIT_CONFIG_\w+)=/
    await same(async (way) => {
      const { out, ...rest } = await ssh(way, ['env'])
      return {
        ...rest,
        out: out
          .replace(new RegExp(`^(PATH=.*):${join(world.home, 'state/bin')}$`, 'm'), '$1')
          .split('\n')
          .filter((line) => !ours.test(line))
          .sort()
          .join('\n'),
      }
    })
  })

  test('a terminal with its modes, its size and its end', async () => {
    const of = async (way: Way) => {
      const run = new TerminalRun(
        'ssh',
        [...way.options, '-tt', way.target, 'stty -a; ps -o stat= -p $$; exit 4'],
        {
          PATH: process.env.PATH ?? '',
          HOME: world.home,
          TERM: 'xterm-256color',
        },
      )
      const { exitCode } = await run.ended
      await waitFor(() => /closed\./.test(run.output))
      return [exitCode, run.output.replaceAll(/ws-[a-z0-9]{12}|plain-host|127\.0\.0\.1/g, 'HOST')]
    }
    expect(await of(ways[1]!)).toEqual(await of(ways[0]!))
  })

  test('an agent that is forwarded', async () => {
    const socket = join(world.home, 'agent.sock')
    const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' })
    onTestFinished(() => void agent.kill())
    await waitFor(() => existsSync(socket))
    const env = { SSH_AUTH_SOCK: socket }
    execFileSync('ssh-add', ['-q', join(world.home, 'ada/id')], { env: { ...process.env, ...env } })
    const { code, out } = await same((way) =>
      seen('ssh', [...way.options, '-A', way.target, 'ssh-add -L'], way, '', env),
    )
    expect([code, out]).toEqual([0, expect.stringContaining('ssh-ed25519')])
  })

  test('forwards: -L to a port and to a socket, -R, -D, -W, over one connection and over many', async () => {
    const echo = createServer((peer) => peer.pipe(peer)).listen(join(world.home, 'echo.sock'))
    const tcp = createServer((peer) => peer.pipe(peer)).listen(0, '127.0.0.1')
    onTestFinished(() => {
      echo.close()
      tcp.close()
    })
    await once(tcp, 'listening')
    const { port } = tcp.address() as { port: number } // `as`: it listens on TCP.
    const bytes = randomBytes(300_000)
    const through = async (at: number | string, first?: Buffer) => {
      const peer = typeof at === 'number' ? connect(at, '127.0.0.1') : connect(at)
      const pieces: Buffer[] = []
      peer.on('data', (piece: Buffer) => pieces.push(piece))
      if (first) peer.write(first)
      peer.end(bytes)
      await once(peer, 'close')
      return Buffer.concat(pieces)
    }
    for (const way of ways) {
      const [local, remote, socks] = [await freePort(), await freePort(), await freePort()]
      const unix = join(world.home, `${way.name}-unix.sock`)
      const forwards = [
        ...['-L', `127.0.0.1:${local}:127.0.0.1:${port}`],
        ...['-L', `${unix}:${join(world.home, 'echo.sock')}`],
        ...['-R', `127.0.0.1:${remote}:127.0.0.1:${port}`],
        ...['-D', `127.0.0.1:${socks}`],
      ]
      const run = start('ssh', [
        ...way.options,
        '-N',
        '-o',
        'ExitOnForwardFailure=yes',
        ...forwards,
        way.target,
      ])
      for (const at of [local, remote, socks]) await listening(at)
      for (const at of [local, unix, remote])
        expect([way.name, sha256(await through(at))]).toEqual([way.name, sha256(bytes)])
      // SOCKS 5 (RFC 1928): no authentication, connect to an address of IPv4.
      const target = Buffer.from([5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 255])
      const answers = await Promise.all(Array.from({ length: 20 }, () => through(socks, target)))
      for (const answer of answers)
        expect([way.name, sha256(answer.subarray(12))]).toEqual([way.name, sha256(bytes)])
      const direct = await seen('ssh', [...way.options, '-W', `127.0.0.1:${port}`, way.target], way, bytes)
      expect(direct).toMatchObject({ code: 0, out: sha256(bytes), err: '' })
      run.child.kill()
      await run.ended
    }
  })

  test('as Remote-SSH of VS Code comes in: a shell without a terminal, a script, and then forwards', async () => {
    const page = createServer((peer) => peer.end('HTTP/1.0 200 OK\r\n\r\nthe server of the editor')).listen(
      0,
      '127.0.0.1',
    )
    onTestFinished(() => void page.close())
    await once(page, 'listening')
    const { port } = page.address() as { port: number } // `as`: it listens on TCP.
    for (const way of ways) {
      const socks = await freePort()
      const run = start('ssh', [
        ...way.options,
        '-T',
        '-D',
        String(socks),
        '-o',
        'ConnectTimeout=15',
        way.target,
      ])
      // It writes a script, and leaves the input open.
      run.child.stdin.write(
        `echo "begin"; uname -s; echo "listeningOn==${port}=="; echo "osReleaseId==$(. /etc/os-release; echo $ID)=="\n`,
      )
      await waitFor(() => /osReleaseId==\w+==/.test(run.text()))
      expect(run.text()).toMatch(new RegExp(`^begin\nLinux\nlisteningOn==${port}==\n`))
      await listening(socks)
      const got = await Promise.all(
        Array.from({ length: 10 }, async () => {
          const peer = connect(socks, '127.0.0.1')
          const pieces: Buffer[] = []
          peer.on('data', (piece: Buffer) => pieces.push(piece))
          peer.write(Buffer.from([5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 255]))
          await once(peer, 'close')
          return Buffer.concat(pieces).toString('latin1')
        }),
      )
      for (const answer of got) expect(answer).toContain('the server of the editor')
      run.child.stdin.end('exit 0\n')
      expect(await run.ended).toMatchObject({ code: 0, stderr: '' })
    }
  })
})

describe('files', () => {
  /** A folder with what names and modes can be. */
  function folder(path: string): void {
    mkdirSync(join(path, 'a folder'), { recursive: true })
    for (let i = 0; i < 50; i++) writeFileSync(join(path, 'a folder', `file ${i}`), `${i}\n`.repeat(i))
    writeFileSync(join(path, 'ünïcode ♥'), randomBytes(100_000))
    writeFileSync(join(path, 'script'), '#!/bin/sh\n')
    chmodSync(join(path, 'script'), 0o755)
    utimesSync(join(path, 'script'), 1_000_000_000, 1_000_000_000)
  }
  const tree = (path: string) =>
    readdirSync(path, { recursive: true, withFileTypes: true })
      .filter((one) => one.isFile())
      .map((one) => {
        const at = join(one.parentPath, one.name)
        const { mode, mtimeMs } = lstatSync(at)
        return [at.slice(path.length), mode, Math.floor(mtimeMs / 1000), sha256(readFileSync(at))].join(' ')
      })
      .sort()

  test.each([
    ['scp', (way: Way) => ['scp', '-r', '-p', ...way.options]],
    ['scp -O', (way: Way) => ['scp', '-O', '-r', '-p', ...way.options]],
    ['rsync', (way: Way) => ['rsync', '-a', '-s', '-e', `ssh ${way.options.join(' ')}`]],
    ['rsync -z', (way: Way) => ['rsync', '-a', '-z', '--partial', '-e', `ssh ${way.options.join(' ')}`]],
  ])('%s takes a folder there and back', async (name, command) => {
    const label = name.replaceAll(/\W/g, '')
    const from = join(world.home, `from-${label}`)
    folder(from)
    await same(async (way) => {
      const [program = '', ...args] = command(way)
      const [there, back] = [`${way.name}-there-${label}`, `${way.name}-back-${label}`].map((one) =>
        join(world.home, one),
      ) as [string, string]
      const slash = program === 'rsync' ? '/' : ''
      const up = await seen(program, [...args, `${from}${slash}`, `${way.target}:${there}`], way)
      const down = await seen(program, [...args, `${way.target}:${there}${slash}`, back], way)
      const missing = await seen(program, [...args, `${way.target}:${world.home}/nowhere`, back], way)
      expect(tree(back)).toEqual(tree(from))
      return { ...missing, out: [up, down, missing].map((one) => JSON.stringify(one)).join('\n') }
    })
  })

  test('sftp lists, renames, links, resumes and says what is missing', async () => {
    writeFileSync(join(world.home, 'sftp-from'), randomBytes(500_000))
    await same((way) => {
      const at = join(world.home, `${way.name}-sftp`)
      const batch = [
        `mkdir ${at}`,
        `cd ${at}`,
        'pwd',
        `put ${join(world.home, 'sftp-from')} one`,
        'chmod 600 one',
        'rename one two',
        'symlink two three',
        'ln two four',
        'ls -1',
        `get two ${at}-back`,
        'rm two',
        '-get nothing',
        'df -h /proc/nowhere',
      ].join('\n')
      return seen('sftp', [...way.options, '-q', '-b', '-', way.target], way, `${batch}\n`)
    })
  })

  test('git clones, pushes and is refused, with protocol 2', async () => {
    const bare = join(world.home, 'origin.git')
    execFileSync('git', ['init', '-q', '--bare', '-b', 'main', bare])
    await same(async (way) => {
      const env = { GIT_SSH_COMMAND: `ssh ${way.options.join(' ')}`, GIT_TRACE_PACKET: '0' }
      const clone = join(world.home, `${way.name}-clone`)
      const git = (...args: string[]) =>
        seen(
          'git',
          ['-c', 'protocol.version=2', '-c', 'user.name=a', '-c', 'user.email=a@example.com', ...args],
          way,
          '',
          env,
        )
      const answers = [await git('clone', '-q', `${way.target}:${bare}`, clone)]
      writeFileSync(join(clone, `${way.name}.bin`), randomBytes(2_000_000))
      answers.push(await git('-C', clone, 'add', '.'))
      answers.push(await git('-C', clone, 'commit', '-q', '-m', 'one'))
      answers.push(await git('-C', clone, 'push', '-q', 'origin', `HEAD:${way.name}`))
      answers.push(await git('clone', '-q', `${way.target}:${world.home}/nowhere.git`, `${clone}-2`))
      const last = answers.at(-1)!
      // The first clone is of an empty repository, the second one is not.
      return { ...last, out: JSON.stringify(answers.slice(1)) }
    })
  })
})

test('paramiko: commands, streams, exit status, a terminal and sftp, through a channel of the first hop', async () => {
  const program = `
import hashlib, os, sys, paramiko
jump_host, jump_port, host, port, user, key_path, path = sys.argv[1:8]
key = paramiko.Ed25519Key.from_private_key_file(key_path)

class Accept(paramiko.MissingHostKeyPolicy):
    def missing_host_key(self, client, hostname, key): pass

def client(**more):
    one = paramiko.SSHClient()
    # It knows no certificates of hosts; that they are right is what other tests look at.
    one.set_missing_host_key_policy(Accept())
    one.connect(username=user, pkey=key, allow_agent=False, look_for_keys=False, **more)
    return one

first = client(hostname=jump_host, port=int(jump_port))
tunnel = first.get_transport().open_channel('direct-tcpip', (host, int(port)), ('127.0.0.1', 0))
second = client(hostname=host, sock=tunnel)
stdin, stdout, stderr = second.exec_command('cat; echo err >&2; exit 7')
data = bytes(range(256)) * 12288
stdin.write(data); stdin.channel.shutdown_write()
print(hashlib.sha256(stdout.read()).hexdigest() == hashlib.sha256(data).hexdigest(), stderr.read(), stdout.channel.recv_exit_status())
shell = second.invoke_shell(width=100, height=30)
shell.send('stty size; exit 3\\n')
text = b''
while True:
    piece = shell.recv(4096)
    if not piece: break
    text += piece
print(b'30 100' in text, shell.recv_exit_status())
sftp = second.open_sftp()
with sftp.file(path, 'wb') as file: file.write(data)
sftp.rename(path, path + '-renamed')
with sftp.file(path + '-renamed', 'rb') as file:
    file.prefetch()
    print(file.read() == data, sftp.stat(path + '-renamed').st_size)
second.close(); first.close()
`
  const { jump } = JSON.parse(await world.done(['workspace', 'connect', 'api', '--json']))
  const [jumpHost = '', jumpPort = ''] = jump.split(':')
  const config = readFileSync(join(world.home, 'plain/config'), 'utf8')
  const [, plainPort = '', plainJump = ''] = /Port (\d+)\n {2}ProxyJump \S+:(\d+)/.exec(config) ?? []
  await same((way) => {
    const hops =
      way.name === 'ours'
        ? [jumpHost, jumpPort, world.id, '22']
        : ['127.0.0.1', plainJump, '127.0.0.1', plainPort]
    const args = [
      ...hops,
      userInfo().username,
      join(world.home, 'ada/id'),
      join(world.home, `py-${way.name}`),
    ]
    return seen('/usr/bin/python3', ['-W', 'ignore', '-c', program, ...args], way)
  }).then(({ code, out, err }) =>
    expect([code, out, err]).toEqual([0, "True b'err\\n' 7\nTrue 3\nTrue 3145728\n", '']),
  )
})
