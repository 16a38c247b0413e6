// Drives the commands for a person's own keys against the real server.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { keyhold, type Result, run, TerminalRun } from './kit.ts'

let directory: string
let server: ChildProcess
/** The environment of the person. */
let person: Record<string, string>

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'keyhold-own-keys-'))
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('KEYHOLD_')))
  server = spawn(keyhold, ['server'], {
    env: { ...env, KEYHOLD_DATA_DIR: join(directory, 'data'), KEYHOLD_HTTP_ADDR: '127.0.0.1:0' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let log = ''
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const read = (chunk: Buffer) => {
    log += chunk
    if (/"address":"[^"]+".*"msg":"ready"/.test(log) && /#code=\S+\s/.test(log)) resolve()
  }
  server.stdout?.on('data', read)
  server.stderr?.on('data', read)
  server.on('exit', (code) => reject(new Error(`the server ended with ${code}: ${log}`)))
  await promise
  const url = /"address":"([^"]+)".*"msg":"ready"/.exec(log)?.[1] ?? ''
  const link = /\S+#code=\S+/.exec(log)?.[0] ?? ''
  person = { PATH: env.PATH ?? '', HOME: directory, XDG_CONFIG_HOME: join(directory, 'config') }
  const line = ['setup', `--url=${url}`, '--email=ada@example.com', '--name=Ada', '--answers-stdin']
  execFileSync(keyhold, line, {
    env: person,
    input: `${link}\na password of the own keys\n`,
    stdio: 'pipe',
  })
}, 60_000)

afterAll(() => {
  server?.kill('SIGKILL')
  rmSync(directory, { recursive: true, force: true })
})

/** Runs a command as the person and expects it to work. */
async function done(args: string[], input = ''): Promise<Result> {
  const result = await run(args, person, input)
  expect(result, result.stderr).toMatchObject({ code: 0 })
  return result
}

/** Runs a command and expects that it says no. */
async function refused(args: string[], input = ''): Promise<string> {
  const result = await run(args, person, input)
  expect(result.code, result.stdout + result.stderr).toBe(1)
  expect(result.stdout).toBe('')
  return result.stderr
}

describe('keyhold ssh-key', { timeout: 60_000 }, () => {
  let path: string
  let fingerprint: string

  beforeAll(() => {
    mkdirSync(join(directory, '.ssh'))
    path = join(directory, '.ssh/id_ed25519')
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'ada@laptop', '-f', path])
    fingerprint = execFileSync('ssh-keygen', ['-lf', `${path}.pub`], { encoding: 'utf8' }).split(' ')[1]!
  })

  test('an empty list teaches', async () => {
    const { stdout, stderr } = await done(['ssh-key', 'list'])
    expect(stdout).toBe('')
    expect(stderr).toContain('keyhold ssh-key add')
    expect((await done(['ssh-key', 'list', '--json'])).stdout).toBe('[]\n')
  })

  test('a private key is refused before it is sent, from a file and from a pipe (SSH-6)', async () => {
    for (const stderr of [
      await refused(['ssh-key', 'add', path]),
      await refused(['ssh-key', 'add'], readFileSync(path, 'utf8')),
    ]) {
      expect(stderr).toContain('this is a private key; it was not sent anywhere')
      expect(stderr).toContain('.pub')
    }
    expect(await refused(['ssh-key', 'add', `${path}.none`])).toContain('ENOENT')
    expect(await refused(['ssh-key', 'add'], '\n')).toContain('nothing was read')
    expect(await refused(['ssh-key', 'add'], 'nonsense')).toContain('no public key of OpenSSH')
    expect(await refused(['ssh-key', 'add', '--yes'], 'nonsense')).toContain('no public key of OpenSSH')
  })

  test('add from a file prints the fingerprint; list shows it; twice says so (SSH-2, SSH-7)', async () => {
    expect((await done(['ssh-key', 'add', `${path}.pub`, '--expires=30d'])).stdout).toBe(`${fingerprint}\n`)
    const [key] = JSON.parse((await done(['ssh-key', 'list', '--json'])).stdout)
    expect(key).toMatchObject({ title: 'ada@laptop', publicKeyFingerprint: fingerprint, status: 'active' })
    expect((await done(['ssh-key', 'list'])).stdout).toContain(
      `ada@laptop\tssh-ed25519\t256\t${fingerprint}\t`,
    )
    expect(await refused(['ssh-key', 'add'], readFileSync(`${path}.pub`, 'utf8'))).toContain('ssh_key.exists')
  })

  test('remove by title, by fingerprint, by MD5; what is not there is said (SSH-10, SSH-12)', async () => {
    const md5 = execFileSync('ssh-keygen', ['-l', '-E', 'md5', '-f', `${path}.pub`], {
      encoding: 'utf8',
    }).split(' ')[1]!
    for (const name of ['ada@laptop', fingerprint, fingerprint.slice(7), md5]) {
      expect((await done(['ssh-key', 'remove', name, '--yes'])).stderr).toContain('removed')
      expect(await refused(['ssh-key', 'remove', fingerprint, '--yes'])).toContain('ssh_key.not_found')
      await done(['ssh-key', 'add', `${path}.pub`])
    }
    const other = join(directory, 'other')
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'ada@laptop', '-f', other])
    await done(['ssh-key', 'add'], readFileSync(`${other}.pub`, 'utf8'))
    expect(await refused(['ssh-key', 'remove', 'ada@laptop', '--yes'])).toContain('2 of your SSH keys')
    await done(['ssh-key', 'remove', fingerprint, '--yes'])
  })

  test('on a terminal it offers the key of this machine, and asks before it adds or removes', async () => {
    const add = new TerminalRun(keyhold, ['ssh-key', 'add'], person)
    await add.sees(/add .*id_ed25519\.pub\? \[y\/N\]/)
    add.type('y\r')
    expect((await add.ended).exitCode).toBe(0)
    expect(add.output).toContain(fingerprint)
    const remove = new TerminalRun(keyhold, ['ssh-key', 'remove', fingerprint], person)
    await remove.sees(/remove SSH key ada@laptop\? \[y\/N\]/)
    remove.type('n\r')
    expect((await remove.ended).exitCode).toBe(1)
    expect(remove.output).toContain('nothing was changed')
  })
})

describe('keyhold identity', { timeout: 60_000 }, () => {
  test('show without one teaches; generate prints the public key, which show prints again (SDS-27)', async () => {
    expect(await refused(['identity', 'show'])).toContain('ssh_identity.not_found')
    const { stdout, stderr } = await done(['identity', 'generate'])
    expect(stdout).toMatch(/^ssh-ed25519 AAAA\S+ ada@example\.com\n$/)
    expect(stderr).toContain('register this public key')
    expect((await done(['identity', 'show'])).stdout).toBe(stdout)
    expect(JSON.parse((await done(['identity', 'show', '--json'])).stdout)).toMatchObject({ bits: 256 })
    expect(await refused(['identity', 'generate'])).toContain('ssh_identity.exists')
  })

  test('it warns before it replaces, and asks before it deletes (SDS-30)', async () => {
    const before = (await done(['identity', 'show'])).stdout
    const no = new TerminalRun(keyhold, ['identity', 'generate', '--replace'], person)
    await no.sees(/hosts that know the old key will refuse you/)
    await no.sees(/replace SHA256:\S+\? \[y\/N\]/)
    no.type('n\r')
    expect((await no.ended).exitCode).toBe(1)
    expect((await done(['identity', 'show'])).stdout).toBe(before)
    expect((await done(['identity', 'generate', '--replace', '--yes'])).stdout).not.toBe(before)
    const remove = new TerminalRun(keyhold, ['identity', 'delete'], person)
    await remove.sees(/delete SSH identity SHA256:\S+\? \[y\/N\]/)
    remove.type('y\r')
    expect((await remove.ended).exitCode).toBe(0)
    expect(await refused(['identity', 'delete', '--yes'])).toContain('ssh_identity.not_found')
    await done(['identity', 'generate', '--replace', '--type=ed25519'])
  })
})

describe('keyhold gpg-key', { timeout: 60_000 }, () => {
  let home: string
  const gpg = (args: string[], input = ''): string =>
    execFileSync('gpg', ['--batch', '--no-tty', '--quiet', '--pinentry-mode', 'loopback', ...args], {
      env: { ...process.env, GNUPGHOME: home, LC_ALL: 'C' },
      input,
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'pipe'],
    })

  beforeAll(() => {
    // Sockets need a short path.
    home = mkdtempSync(join(tmpdir(), 'kh-gpg-'))
  })
  afterAll(() => {
    execFileSync('gpgconf', ['--kill', 'all'], { env: { ...process.env, GNUPGHOME: home } })
    rmSync(home, { recursive: true, force: true })
  })

  test('an empty list teaches; create prints the key id and says that nothing is connected (SDS-34, SDS-35)', async () => {
    expect((await done(['gpg-key', 'list'])).stderr).toContain('keyhold gpg-key create')
    const { stdout, stderr } = await done(['gpg-key', 'create', '--expires=30d'])
    expect(stdout).toMatch(/^[0-9A-F]{16}\n$/)
    expect(stderr).toContain('Ada <ada@example.com> generated')
    expect(stderr).toContain('no code host is connected')
    expect((await done(['gpg-key', 'list'])).stdout).toContain(`${stdout.trim()}\tEd25519\tada@example.com\t`)
    expect(JSON.parse((await done(['gpg-key', 'list', '--json'])).stdout)).toMatchObject([
      { keyId: stdout.trim() },
    ])
    expect((await done(['gpg-key', 'publish', stdout.trim()])).stderr).toContain('no code host is connected')
  })

  test('show prints a public key that gpg imports, revocation a certificate that revokes it', async () => {
    gpg(['--import'], (await done(['gpg-key', 'show', 'ada@example.com'])).stdout)
    expect(gpg(['--list-keys'])).toContain('Ada <ada@example.com>')
    gpg(['--import'], (await done(['gpg-key', 'revocation', 'ada@example.com'])).stdout)
    expect(gpg(['--list-keys'])).toContain('[ revoked] Ada <ada@example.com>')
  })

  test('import takes what gpg exports, from a pipe or a file, and asks for a passphrase where there is one', async () => {
    gpg(['--passphrase', '', '--quick-gen-key', 'Open <open@example.com>', 'ed25519', 'sign', '0'])
    const open = gpg(['--armor', '--export-secret-keys', 'open@example.com'])
    const { stdout } = await done(['gpg-key', 'import'], open)
    expect(stdout).toMatch(/^[0-9A-F]{16}\n$/)
    expect(await refused(['gpg-key', 'import'], open)).toContain('gpg_key.exists')
    expect(await refused(['gpg-key', 'import'], 'nonsense')).toContain('gpg --armor --export-secret-keys')

    gpg([
      '--passphrase',
      'pass phrase',
      '--quick-gen-key',
      'Locked <locked@example.com>',
      'ed25519',
      'sign',
      '0',
    ])
    const path = join(directory, 'locked.asc')
    writeFileSync(
      path,
      gpg(['--passphrase', 'pass phrase', '--armor', '--export-secret-keys', 'locked@example.com']),
    )
    expect(await refused(['gpg-key', 'import', path, '--passphrase-stdin'], 'wrong\n')).toContain('is wrong')
    expect(await refused(['gpg-key', 'import', '--passphrase-stdin'], 'x')).toContain(
      'needs the key in a file',
    )
    const asked = new TerminalRun(keyhold, ['gpg-key', 'import', path], person)
    await asked.sees(/passphrase of the key:/)
    asked.type('pass phrase\r')
    expect((await asked.ended).exitCode).toBe(0)
    expect(asked.output).not.toContain('pass phrase')
    expect(JSON.parse((await done(['gpg-key', 'list', '--json'])).stdout)).toHaveLength(3)
  })

  test('delete asks, and says what is not there (SDS-37)', async () => {
    const no = new TerminalRun(keyhold, ['gpg-key', 'delete', 'open@example.com'], person)
    await no.sees(/delete GPG key [0-9A-F]{16} of Open <open@example\.com>\? \[y\/N\]/)
    no.type('n\r')
    expect((await no.ended).exitCode).toBe(1)
    await done(['gpg-key', 'delete', 'open@example.com', '--yes'])
    expect(await refused(['gpg-key', 'delete', 'open@example.com', '--yes'])).toContain('gpg_key.not_found')
    expect(await refused(['gpg-key', 'show', 'nobody@example.com'])).toContain('keyhold gpg-key list')
  })
})
