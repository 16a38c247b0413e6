// Drives the commands for a person's own keys against the real server.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
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
    if (/"address":"[^"]+"/.test(log) && /#code=\S+\s/.test(log)) resolve()
  }
  server.stdout?.on('data', read)
  server.stderr?.on('data', read)
  server.on('exit', (code) => reject(new Error(`the server ended with ${code}: ${log}`)))
  await promise
  const url = /"address":"([^"]+)"/.exec(log)?.[1] ?? ''
  const link = /\S+#code=\S+/.exec(log)?.[0] ?? ''
  person = { PATH: env.PATH ?? '', HOME: directory, XDG_CONFIG_HOME: join(directory, 'config') }
  const line = ['setup', `--url=${url}`, '--email=ada@example.com', '--name=Ada', '--answers-stdin']
  execFileSync(keyhold, line, {
    env: person,
    input: `${link}\ncorrect horse battery staple\n`,
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
