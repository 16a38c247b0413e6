// The way into a workspace, with the programs of OpenSSH at both ends, the real server and the real agent.
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { waitFor } from './kit.ts'
import { type RealServer, startRealServer } from './real-server.ts'
import { isAlive, pidsIn, SshWorld, start } from './ssh-kit.ts'

let world: SshWorld
let server: RealServer
let ada: Record<string, string>
let home: string
/** Id of the workspace that runs. */
let id: string

beforeAll(async () => {
  world = await SshWorld.start()
  ;({ server, home, id } = world)
  ada = world.people.ada!
  await world.letIn('eve')
}, 120_000)
afterAll(() => world?.stop())

const run = (args: string[], env: Record<string, string>) => world.run(args, env)
const done = (args: string[], env = ada) => world.done(args, env)
const optionsOf = (name: string, key?: string) => world.optionsOf(name, key)
const ssh = (command: readonly string[], input: Buffer | string = '', options: readonly string[] = []) =>
  world.ssh('ada', command, input, options)

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

describe('a workspace is entered with what everybody has', () => {
  test('the string that is shown, pasted: a command, its output, its exit status (SSH-15, SSH-16, SDS-24)', async () => {
    const shown = JSON.parse(await done(['workspace', 'connect', 'api', '--json']))
    expect(shown.command).toMatch(/^ssh -J \S+ \S+@ws-[a-z0-9]+$/)
    expect((await done(['workspace', 'connect', 'api'])).trim()).toBe(shown.command)
    const words = shown.command.split(' ').slice(1)
    const one = start('ssh', [...optionsOf('ada'), ...words, 'echo out; echo err >&2; exit 7'])
    one.child.stdin.end()
    expect(await one.ended).toMatchObject({ code: 7, stderr: 'err\n', stdout: Buffer.from('out\n') })
  })

  test.each([0, 1, 255])('exit status %i arrives', async (code) => {
    expect((await ssh([`exit ${code}`])).code).toBe(code)
  })

  test('megabytes arrive as they were sent, both ways at once, and the end of input is heard', async () => {
    const bytes = randomBytes(8 * 1024 * 1024)
    const back = await ssh(['cat'], bytes)
    expect([back.code, sha256(back.stdout)]).toEqual([0, sha256(bytes)])
    expect((await ssh(['wc -c'], bytes)).stdout.toString().trim()).toBe(String(bytes.length))
    expect((await ssh(['cat > /dev/null; echo heard'])).stdout.toString()).toBe('heard\n')
  })

  test('both streams full, at once (S1)', async () => {
    const both = await ssh(['(head -c 5000000 /dev/zero & head -c 5000000 /dev/zero >&2; wait)'])
    expect([both.code, both.stdout.length, both.stderr.length]).toEqual([0, 5_000_000, 5_000_000])
  })

  test('new keys after every megabyte change nothing', async () => {
    const bytes = randomBytes(6 * 1024 * 1024)
    const back = await ssh(['cat'], bytes, ['-o', 'RekeyLimit=1M'])
    expect([back.code, sha256(back.stdout)]).toEqual([0, sha256(bytes)])
  })

  test('scp, sftp and rsync (SDS-24)', async () => {
    const bytes = randomBytes(3 * 1024 * 1024)
    const [from, there, back] = ['from', 'there', 'back'].map((name) => join(home, `file ${name}`)) as [
      string,
      string,
      string,
    ]
    writeFileSync(from, bytes)
    const options = optionsOf('ada')
    for (const args of [
      ['scp', ...options, from, `${id}:${there}`],
      ['scp', ...options, `${id}:${there}`, back],
      ['rsync', '-s', '-e', `ssh ${options.join(' ')}`, from, `${id}:${there}2`],
    ]) {
      const [program = '', ...rest] = args
      const copied = start(program, rest)
      expect(await copied.ended).toMatchObject({ code: 0 })
    }
    const batch = start('sftp', [...options, '-b', '-', id])
    batch.child.stdin.end(`put "${from}" "${there}3"\nls -l "${there}3"\n`)
    expect(await batch.ended).toMatchObject({ code: 0 })
    for (const path of [there, back, `${there}2`, `${there}3`])
      expect(sha256(readFileSync(path))).toBe(sha256(bytes))
  })

  test('one connection for many commands, and ports forwarded in all three ways (SDS-24)', async () => {
    const socket = join(home, 'control')
    const master = start('ssh', [...optionsOf('ada'), '-M', '-S', socket, '-N', id])
    await waitFor(() => existsSync(socket))
    for (let i = 0; i < 3; i++) {
      const one = start('ssh', [...optionsOf('ada'), '-S', socket, id, `echo ${i}`])
      one.child.stdin.end()
      expect((await one.ended).stdout.toString()).toBe(`${i}\n`)
    }
    const echo = createServer((peer) => peer.pipe(peer)).listen(0, '127.0.0.1')
    await once(echo, 'listening')
    onTestFinished(() => void echo.close())
    const { port } = echo.address() as { port: number } // `as`: it listens on TCP.
    const ask = (forward: string) => {
      const asked = start('ssh', [
        ...optionsOf('ada'),
        '-S',
        socket,
        '-O',
        'forward',
        ...forward.split(' '),
        id,
      ])
      return asked.ended
    }
    expect(await ask(`-L 127.0.0.1:42311:127.0.0.1:${port}`)).toMatchObject({ code: 0 })
    expect(await ask(`-R 127.0.0.1:42312:127.0.0.1:${port}`)).toMatchObject({ code: 0 })
    expect(await ask('-D 127.0.0.1:42313')).toMatchObject({ code: 0 })
    const { connect } = await import('node:net')
    for (const at of [42311, 42312]) {
      const peer = connect(at, '127.0.0.1')
      peer.end('over there and back')
      const [heard] = await once(peer, 'data')
      expect(String(heard)).toBe('over there and back')
    }
    master.child.kill()
  })
})

describe('who gets in', () => {
  const through = (name: string, host: string, key = 'id') => {
    const one = start('ssh', [...optionsOf(name, key), host, 'true'])
    one.child.stdin.end()
    return one.ended
  }
  const records = async (action: string) => {
    const admin = server.person(`admin-${randomBytes(3).toString('hex')}`, 'admin')
    const { stdout } = await run(['audit', 'list', '--json', `--action=${action}`], admin)
    const records = stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line))
    return records as { outcome: string; target?: { name: string }; workspace?: string; address?: string }[]
  }

  test('a workspace that is another’s and one that is not there are the same to who types ssh (SSH-18)', async () => {
    const theirs = await through('eve', id)
    const missing = await through('eve', 'ws-000000000000')
    expect(theirs.code).toBe(255)
    expect(theirs.stderr.replaceAll(id, 'ID')).toBe(missing.stderr.replaceAll('ws-000000000000', 'ID'))
    expect(theirs.stderr).toContain('there is no workspace')
  })

  test('Admin and Edit get in; View does not (6.1)', async () => {
    for (const [level, code] of [
      ['admin', 0],
      ['edit', 0],
      ['view', 255],
    ] as const) {
      await done(['share', 'add', 'api', 'eve@example.com', `--level=${level}`])
      expect([level, (await through('eve', world.target)).code]).toEqual([level, code])
      await done(['share', 'remove', 'api', 'eve@example.com', '--yes'])
    }
  })

  test('the gateway leads to workspaces and nowhere else (SSH-19, T14)', async () => {
    const { jump } = JSON.parse(await done(['workspace', 'connect', 'api', '--json']))
    const [host = '', port = '22'] = jump.split(':')
    for (const to of [
      '127.0.0.1:22',
      'localhost:22',
      '[::1]:22',
      '169.254.169.254:80',
      'example.com:22',
      `${id}:80`,
      `${id}.:22`,
    ]) {
      const one = start('ssh', [...optionsOf('ada'), '-p', port, '-W', to, host])
      one.child.stdin.end()
      expect([to, await one.ended]).toMatchObject([
        to,
        { code: 255, stderr: expect.stringContaining('only workspaces') },
      ])
    }
    const shell = start('ssh', [...optionsOf('ada'), '-p', port, host])
    shell.child.stdin.end()
    expect(await shell.ended).toMatchObject({ code: 1 })
    expect(shell.text()).toContain('It has no shell')
  })

  test('a key that nobody has registered stays outside, and is recorded (SSH-23, SDS-25)', async () => {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(home, 'ada', 'other')])
    const { code, stderr } = await through('ada', id, 'other')
    expect([code, stderr]).toEqual([255, expect.stringContaining('Permission denied (publickey)')])
    const fingerprint = execFileSync('ssh-keygen', ['-lf', join(home, 'ada', 'other.pub')])
      .toString()
      .split(' ')[1]
    await waitForRecord(() => records('ssh.connect'), { outcome: 'refused', target: { name: fingerprint } })
  })

  test('who came in and went is recorded, with key, workspace and address (SSH-23)', async () => {
    await through('ada', id)
    const seen = {
      outcome: 'success',
      workspace: id,
      address: '127.0.0.1',
      target: { name: expect.stringMatching(/^SHA256:/) },
    }
    await waitForRecord(() => records('ssh.connect'), seen)
    await waitForRecord(() => records('ssh.disconnect'), seen)
  })

  test('who is in is listed, and a session is ended by its id; others go on, and its person can come in again (issue 6)', async () => {
    const first = start('ssh', [...optionsOf('ada'), id, 'echo in; sleep 600'])
    onTestFinished(() => void first.child.kill('SIGKILL'))
    await once(first.child.stdout, 'data')
    const listed = async () => JSON.parse(await done(['workspace', 'sessions', 'api', '--json']))
    const [session] = await listed()
    expect(session).toMatchObject({ level: 'owner', address: '127.0.0.1', isYours: true })
    expect(await done(['workspace', 'sessions', 'api'])).toContain(session.id)
    const unknown = await run(['workspace', 'end-session', 'api', 'sse_none', '--yes'], ada)
    expect([unknown.code, unknown.stderr]).toEqual([1, expect.stringContaining('ssh_session.not_found')])
    const { code, stderr } = await run(['workspace', 'end-session', 'api', session.id, '--yes'], ada)
    expect([code, stderr]).toEqual([0, expect.stringContaining('from 127.0.0.1 in api ends')])
    expect((await first.ended).code).toBe(255)
    expect(await listed()).toEqual([])
    expect((await ssh(['exit 3'])).code).toBe(3)
  })

  test('keys of hosts survive restarts; without its agent a workspace is stopped, and ssh says so at once (SSH-20, SSH-21)', async () => {
    const shown = async () => JSON.parse(await done(['workspace', 'connect', 'api', '--json']))
    const before = await shown()
    expect(before).toMatchObject({
      gatewayFingerprint: expect.stringMatching(/^SHA256:/),
      workspaceFingerprint: execFileSync('ssh-keygen', ['-lf', join(home, 'state/ssh_host_ed25519_key')])
        .toString()
        .split(' ')[1],
    })
    world.agent!.kill('SIGTERM') // `!`: it runs.
    await once(world.agent!, 'exit')
    expect(await through('ada', id)).toMatchObject({
      code: 255,
      stderr: expect.stringContaining(`workspace ${id} is stopped`),
    })
    await server.restart()
    const left = join(home, 'state/ssh-Ab12cD')
    mkdirSync(left)
    await world.startAgent()
    expect(existsSync(left)).toBe(false)
    const after = await shown()
    expect([after.gatewayFingerprint, after.workspaceFingerprint]).toEqual([
      before.gatewayFingerprint,
      before.workspaceFingerprint,
    ])
    // The gateway may have another port, since it chose one; what is known of it has to be the same key.
    await done(['ssh', 'setup', `--directory=${join(home, 'ada')}`])
    expect((await through('ada', id)).code).toBe(0)
  })

  test.each([
    ['the key', async () => done(['ssh-key', 'remove', fingerprintOf('mia'), '--yes'], world.people.mia!)],
    ['the share', async () => done(['share', 'remove', 'api', 'mia@example.com', '--yes'])],
    ['the agent', async () => done(['workspace', 'disconnect', 'api', '--yes'])],
  ])(
    '%s taken away ends what runs within two seconds, and nobody gets back in (SSH-13, T16)',
    async (_what, take) => {
      const mia = world.people.mia
      if (!mia) await world.letIn('mia')
      else if (!(await done(['ssh-key', 'list'], mia)).includes('SHA256'))
        await done(['ssh-key', 'add', join(home, 'mia', 'id.pub')], mia)
      if (!(await done(['share', 'list', 'api', '--json'])).includes('mia'))
        await done(['share', 'add', 'api', 'mia@example.com', '--level=admin'])
      const inside = start('ssh', [...optionsOf('mia'), world.target, 'echo "<$$>in"; exec sleep 600'])
      await waitFor(
        () => inside.text().includes('in'),
        undefined,
        () => inside.text(),
      )
      await take()
      const takenAt = Date.now()
      expect((await inside.ended).code).toBe(255)
      expect(Date.now() - takenAt).toBeLessThan(2_500)
      await waitFor(() => pidsIn(inside.text()).every((pid) => !isAlive(pid)))
      expect((await through('mia', world.target)).code).toBe(255)
    },
  )
})

test.each([
  ['a line more', 'gate.example.com\n  ProxyCommand touch /tmp/owned'],
  ['an option', '-oProxyCommand=touch'],
  ['characters of a shell', '$(touch x)'],
])(
  '%s in place of the name of the gateway is not written into what ssh reads (T15, CVE-2023-51385)',
  async (_name, host) => {
    const evil = await startRealServer({ KEYHOLD_SSH_PUBLIC_ADDR: `${host}:22` })
    onTestFinished(() => evil.stop())
    const directory = join(home, 'evil')
    const setup = await run(['ssh', 'setup', `--directory=${directory}`], evil.person('mallory'))
    expect([setup.code, setup.stderr]).toEqual([1, expect.stringContaining('must not be told')])
    expect(existsSync(directory)).toBe(false)
  },
)

const fingerprintOf = (name: string) =>
  execFileSync('ssh-keygen', ['-lf', join(home, name, 'id.pub')])
    .toString()
    .split(' ')[1]!

/** Records are written beside what they are of. */
async function waitForRecord(read: () => Promise<object[]>, wanted: object): Promise<void> {
  for (let tries = 0; ; tries++) {
    const found = await read()
    try {
      expect(found).toContainEqual(
        expect.objectContaining(wanted.constructor === Object ? nested(wanted) : wanted),
      )
      return
    } catch (error) {
      if (tries > 40) throw error
    }
  }
}

const nested = (wanted: object): object =>
  Object.fromEntries(
    Object.entries(wanted).map(([key, value]) => [
      key,
      value?.constructor === Object ? expect.objectContaining(value) : value,
    ]),
  )
