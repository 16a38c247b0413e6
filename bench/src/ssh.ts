import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../../tools/free-port.ts'
import { type Figure, figure } from './figures.ts'
import { admin, execFileAsync, keyhold, residentMb, startKeyhold, stop } from './processes.ts'

const ROUNDS = 3
const STREAM_BYTES = 256 * 1024 * 1024
/** What 1 Gbit/s carries in a second. */
const GIGABIT_BYTES = 125_000_000
const GIGABIT_SECONDS = 3
const CONNECT_ROUNDS = 15
const KEYSTROKES = 400
const PARALLEL = 8
const CONNECTIONS = 48
const IDLE_CONNECTIONS = 32

/** Writes zeros at 1 Gbit/s, in pieces of 10 ms. */
const PACED = `import sys, time
piece = bytes(${GIGABIT_BYTES / 100})
due = time.monotonic()
for _ in range(${GIGABIT_SECONDS * 100}):
    sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()
    due += 0.01
    wait = due - time.monotonic()
    if wait > 0: time.sleep(wait)`

/** `ssh -J` through Keyhold and through a jump host of OpenSSH, in turns; both to the same kind of `sshd` in the end. */
export async function measureSsh(progress: (text: string) => void): Promise<Figure[]> {
  const home = mkdtempSync(join(tmpdir(), 'keyhold-bench-'))
  const ends: (() => Promise<void> | void)[] = [() => rmSync(home, { recursive: true, force: true })]
  try {
    const scene = await setUp(home, (end) => void ends.push(end))
    return [
      ...(await measureStreams(scene, progress)),
      ...(await measureConnecting(scene, progress)),
      await measureEcho(scene, progress),
      await measureIdle(scene, progress),
    ]
  } finally {
    for (const end of ends.reverse()) await end()
  }
}

interface Way {
  /** Leads to the same account on the same machine, by this way. */
  readonly args: readonly string[]
  /** Memory of what stands in between, in MB. */
  memory(): number
}
interface Scene {
  readonly keyhold: Way
  readonly openssh: Way
}

async function setUp(home: string, atEnd: (end: () => Promise<void> | void) => void): Promise<Scene> {
  const key = join(home, 'id')
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key])
  const common = [`IdentityFile ${key}`, 'IdentitiesOnly yes', 'StrictHostKeyChecking yes', 'BatchMode yes']

  const server = await startKeyhold({
    KEYHOLD_DATA_DIR: join(home, 'data'),
    KEYHOLD_SSH_ADDR: `127.0.0.1:${await freePort()}`,
  })
  atEnd(() => stop(server.child))
  const person = ['--email', 'bench@example.com', '--name', 'Bench']
  await admin(
    server,
    ['create-user', ...person, '--admin', '--password-stdin'],
    'a password of some length\n',
  )
  const url = `http://127.0.0.1:${server.port}`
  const env = { ...process.env, KEYHOLD_URL: url, XDG_CONFIG_HOME: home, XDG_RUNTIME_DIR: home }
  const token = { KEYHOLD_TOKEN: await admin(server, ['create-token', ...person]) }
  const run = async (...args: string[]) =>
    (await execFileAsync(keyhold, args, { env: { ...env, ...token } })).stdout.trim()
  await run('ssh-key', 'add', `${key}.pub`)
  const id = await run('workspace', 'create', 'bench')
  const enrollment = await run('workspace', 'enroll', 'bench')
  await run('ssh', 'setup', `--directory=${home}`)
  const agent = spawn(keyhold, ['agent', `--state-dir=${join(home, 'agent')}`], {
    env: { ...env, KEYHOLD_ENROLLMENT_TOKEN: enrollment },
    stdio: 'ignore',
  })
  atEnd(() => stop(agent))
  const config = join(home, 'through_keyhold')
  writeFileSync(config, [`Include ${home}/keyhold_config`, 'Host *', ...common, ''].join('\n'))
  const throughKeyhold: Way = { args: ['-F', config, id], memory: () => residentMb(server.child) }
  await untilEntered(throughKeyhold)
  return { keyhold: throughKeyhold, openssh: await startOpenSsh(home, key, common, atEnd) }
}

/** A jump host and a server behind it, as the package of the system makes them, without its limits for strangers. */
async function startOpenSsh(
  home: string,
  key: string,
  common: readonly string[],
  atEnd: (end: () => Promise<void> | void) => void,
): Promise<Way> {
  const hostKey = join(home, 'host')
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', hostKey])
  const hostLine = readFileSync(`${hostKey}.pub`, 'utf8')
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })
  const children: ChildProcess[] = []
  const start = async (): Promise<number> => {
    const port = await freePort()
    const config = join(home, `sshd_config_${port}`)
    const lines = [
      `ListenAddress 127.0.0.1:${port}`,
      `HostKey ${hostKey}`,
      `AuthorizedKeysFile ${key}.pub`,
      'StrictModes no',
      'UsePAM no',
      'UseDNS no',
      'PidFile none',
      'PermitRootLogin prohibit-password',
      'MaxStartups 1000',
      'Subsystem sftp internal-sftp',
    ]
    writeFileSync(config, `${lines.join('\n')}\n`)
    const child = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', config], { stdio: 'ignore' })
    children.push(child)
    atEnd(() => stop(child))
    return port
  }
  const [jump, inner] = [await start(), await start()]
  const knownHosts = join(home, 'openssh_known_hosts')
  writeFileSync(knownHosts, [jump, inner].map((port) => `[127.0.0.1]:${port} ${hostLine}`).join(''))
  const config = join(home, 'through_openssh')
  const host = (name: string, port: number) => [`Host ${name}`, 'HostName 127.0.0.1', `Port ${port}`]
  const lines = [...host('inner', inner), 'ProxyJump jump', ...host('jump', jump)]
  writeFileSync(config, [...lines, 'Host *', `UserKnownHostsFile ${knownHosts}`, ...common, ''].join('\n'))
  const way: Way = { args: ['-F', config, 'inner'], memory: () => familyMb(children[0]!) } // `!`: started above.
  await untilEntered(way)
  return way
}

/** Resident memory of a process and all below it, in MB. */
function familyMb(root: ChildProcess): number {
  const parents = new Map<number, number>()
  const sizes = new Map<number, number>()
  for (const name of readdirSync('/proc').filter((one) => /^\d+$/.test(one))) {
    try {
      const status = readFileSync(`/proc/${name}/status`, 'utf8')
      parents.set(Number(name), Number(/PPid:\s+(\d+)/.exec(status)?.[1]))
      // What a process has to itself: pages that forked ones share count once.
      const rollup = readFileSync(`/proc/${name}/smaps_rollup`, 'utf8')
      sizes.set(Number(name), Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0) / 1024)
    } catch {
      // It has ended.
    }
  }
  const isBelow = (pid: number | undefined): boolean =>
    pid !== undefined && (pid === root.pid || isBelow(parents.get(pid)))
  return [...sizes].reduce((sum, [pid, size]) => sum + (isBelow(pid) ? size : 0), 0)
}

async function untilEntered(way: Way): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await execFileAsync('ssh', [...way.args, 'true'])
      return
    } catch (error) {
      if (tries === 100) throw error
      await sleep(100)
    }
  }
}

const ways = ['keyhold', 'openssh'] as const
type Rounds = Record<(typeof ways)[number], number[]>
const noRounds = (): Rounds => ({ keyhold: [], openssh: [] })

/** Goes both ways in turns. @returns how often it failed. */
async function inTurns(
  scene: Scene,
  rounds: number,
  into: Rounds,
  once: (way: Way) => Promise<number>,
): Promise<number> {
  let failures = 0
  // The first round warms up.
  for (let round = -1; round < rounds; round++)
    for (const name of ways) {
      try {
        const value = await once(scene[name])
        if (round >= 0) into[name].push(value)
      } catch {
        failures++
      }
    }
  return failures
}

async function measureStreams(scene: Scene, progress: (text: string) => void): Promise<Figure[]> {
  const figures: Figure[] = []
  const streams = {
    down: ['cat /dev/null', `head -c ${STREAM_BYTES} /dev/zero`],
    up: [`head -c ${STREAM_BYTES} /dev/zero`, 'cat >/dev/null'],
  } as const
  const paced = `python3 -c '${PACED}'`
  const speeds = [
    ['gcm', 'AES-GCM', ['-c', 'aes128-gcm@openssh.com'], streams, STREAM_BYTES],
    ['default', "the client's ciphers", [], streams, STREAM_BYTES],
    [
      'gigabit',
      'AES-GCM at 1 Gbit/s',
      ['-c', 'aes128-gcm@openssh.com'],
      { down: ['cat /dev/null', paced], up: [paced, 'cat >/dev/null'] },
      GIGABIT_BYTES * GIGABIT_SECONDS,
    ],
  ] as const
  for (const [id, ciphers, options, commands, bytes] of speeds)
    for (const direction of ['down', 'up'] as const) {
      progress(`ssh: ${direction}, ${ciphers}, ${ROUNDS} rounds`)
      const [source, command] = commands[direction]
      const rounds = noRounds()
      const failures = await inTurns(scene, ROUNDS, rounds, async ({ args }) => {
        const ssh = ['ssh', ...options, ...args, quoted(command)].join(' ')
        const startedAt = performance.now()
        await execFileAsync('bash', ['-o', 'pipefail', '-c', `${source} | ${ssh} | cat >/dev/null`])
        return bytes / 1e6 / ((performance.now() - startedAt) / 1000)
      })
      const named = {
        id: `ssh.${direction}.${id}`,
        what: `ssh -J, ${direction}, ${ciphers}`,
        unit: 'MB/s' as const,
      }
      figures.push(figure(named, rounds.keyhold, { 'jump host of OpenSSH': rounds.openssh }, failures))
    }
  return figures
}

const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`

async function measureConnecting(scene: Scene, progress: (text: string) => void): Promise<Figure[]> {
  progress(`ssh: true, ${CONNECT_ROUNDS} rounds`)
  const times = noRounds()
  const failures = await inTurns(scene, CONNECT_ROUNDS, times, async ({ args }) => {
    const startedAt = performance.now()
    await execFileAsync('ssh', [...args, 'true'])
    return performance.now() - startedAt
  })
  progress(`ssh: ${CONNECTIONS} connections, ${PARALLEL} at once, ${ROUNDS} rounds`)
  const rates = noRounds()
  const failed = await inTurns(scene, ROUNDS, rates, async ({ args }) => {
    let left = CONNECTIONS
    const startedAt = performance.now()
    const worker = async () => {
      while (left-- > 0) await execFileAsync('ssh', [...args, 'true'])
    }
    await Promise.all(Array.from({ length: PARALLEL }, worker))
    return CONNECTIONS / ((performance.now() - startedAt) / 1000)
  })
  const bare = (rounds: Rounds) => ({ 'jump host of OpenSSH': rounds.openssh })
  return [
    figure({ id: 'ssh.connect', what: 'ssh -J … true', unit: 'ms' }, times.keyhold, bare(times), failures),
    figure(
      { id: 'ssh.rate', what: `connections, ${PARALLEL} at once`, unit: 'req/s' },
      rates.keyhold,
      bare(rates),
      failed,
    ),
  ]
}

/** From a byte that is typed to its return from a program behind a terminal; p99. */
async function measureEcho(scene: Scene, progress: (text: string) => void): Promise<Figure> {
  progress(`ssh: ${KEYSTROKES} keystrokes, ${ROUNDS} rounds`)
  const rounds = noRounds()
  const failures = await inTurns(scene, ROUNDS, rounds, async ({ args }) => {
    const child = spawn('ssh', ['-tt', ...args, 'stty raw -echo; echo ready; cat'], {
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    try {
      let heard = ''
      while (!heard.includes('ready\n')) heard += String((await once(child.stdout, 'data'))[0])
      const times: number[] = []
      for (let i = 0; i < KEYSTROKES; i++) {
        const startedAt = performance.now()
        const returned = once(child.stdout, 'data')
        child.stdin.write('x')
        await returned
        times.push(performance.now() - startedAt)
        // As nobody types faster, and as Nagle's algorithm would be noticed.
        await sleep(3)
      }
      times.sort((a, b) => a - b)
      return times[Math.floor(times.length * 0.99)] ?? Number.NaN
    } finally {
      child.kill()
    }
  })
  const named = { id: 'ssh.echo', what: 'echo of a keystroke, p99', unit: 'ms' as const }
  return figure(named, rounds.keyhold, { 'jump host of OpenSSH': rounds.openssh }, failures)
}

/** What a connection costs in between that does nothing. */
async function measureIdle(scene: Scene, progress: (text: string) => void): Promise<Figure> {
  progress(`ssh: ${IDLE_CONNECTIONS} idle connections`)
  const rounds = noRounds()
  let failures = 0
  for (const name of ways) {
    const { args, memory } = scene[name]
    const before = memory()
    const children: ChildProcess[] = []
    // One after the other: who logs in at once is counted, as strangers are.
    const open = async () => {
      const child = spawn('ssh', ['-tt', ...args, 'echo ready; cat'], { stdio: ['pipe', 'pipe', 'ignore'] })
      children.push(child)
      const [first] = await Promise.race([once(child.stdout, 'data'), once(child, 'close')])
      if (!String(first).includes('ready')) failures++
    }
    try {
      for (let i = 0; i < IDLE_CONNECTIONS; i++) await open()
      rounds[name].push((memory() - before) / IDLE_CONNECTIONS)
    } finally {
      for (const child of children) child.kill()
    }
  }
  return figure(
    { id: 'ssh.idle', what: 'memory in between of an idle connection', unit: 'MB' },
    rounds.keyhold,
    { 'jump host of OpenSSH': rounds.openssh },
    failures,
  )
}
