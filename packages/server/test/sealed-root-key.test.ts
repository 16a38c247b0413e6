import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Secret } from '@keyhold/contract/secret'
import { spawn as spawnTerminal } from '@lydell/node-pty'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { deriveRootKey } from '../src/vault/root-key.ts'
import { openSealedRootKey, sealRootKey } from '../src/vault/sealed-root-key.ts'
import { databases, newPostgresDatabase, startServer, type TestDatabase } from './kit.ts'
import { type Ended, runToEnd, serverProgram } from './server-process.ts'

// Processes, and a key derivation that is slow on purpose, take their time where the machine is busy.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 120_000 })

const passphrase = 'violet tram canary 71 harbour'
const other = 'quiet anvil canary 29 meadow'
const WRONG = 'no passphrase of anybody here'

interface Place {
  readonly dataDir: string
  readonly env: Record<string, string>
  /** Variables with the passphrase out of a file. */
  readonly withFile: Record<string, string>
  readonly file: (name: string) => string
}

/** An instance with its root key in clear. */
async function newPlace(database: TestDatabase = 'sqlite'): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), 'kh-sealed-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const dataDir = join(folder, 'data')
  const postgres = database === 'postgres' ? await newPostgresDatabase() : undefined
  if (postgres) onTestFinished(postgres.drop)
  const env: Record<string, string> = {
    KEYHOLD_DATA_DIR: dataDir,
    KEYHOLD_HTTP_ADDR: `127.0.0.1:${await freePort()}`,
    ...(postgres && { KEYHOLD_DATABASE_URL: postgres.url }),
  }
  const credential = join(folder, 'passphrase')
  writeFileSync(credential, `${passphrase}\n`, { mode: 0o600 })
  await ok(
    env,
    ['create-user', '--email=a@b.example', '--name=A', '--admin', '--password-stdin'],
    `${other}\n`,
  )
  return {
    dataDir,
    env,
    withFile: { ...env, KEYHOLD_ROOT_KEY_PASSPHRASE_FILE: credential },
    file: (name) => readFileSync(join(dataDir, name), 'utf8'),
  }
}

/** The same with its root key sealed. */
async function newSealedPlace(database?: TestDatabase): Promise<Place> {
  const place = await newPlace(database)
  await ok(place.env, ['root-key', 'seal', '--without-kit'], `${passphrase}\n`)
  return place
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

const admin = (env: Record<string, string>, args: string[], stdin = ''): Promise<Ended> =>
  runToEnd(['admin', ...args], env, { stdin })

async function ok(env: Record<string, string>, args: string[], stdin = ''): Promise<Ended> {
  const ended = await admin(env, args, stdin)
  if (ended.code !== 0) throw new Error(`${args.join(' ')}: ${ended.stderr}`)
  return ended
}

/** A server that runs, and everything that it said. */
class Running {
  readonly child: ChildProcess
  text = ''
  readonly #closed: Promise<unknown>

  constructor(env: Record<string, string>) {
    this.child = spawn(process.execPath, [...serverProgram, 'server'], {
      env: { PATH: process.env.PATH, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [this.child.stdout!, this.child.stderr!])
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.text += text
      })
    this.#closed = once(this.child, 'close')
    onTestFinished(async () => {
      await this.end('SIGKILL')
    })
  }

  async says(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.text)) {
      if (this.child.exitCode !== null || this.child.signalCode !== null)
        throw new Error(`it ended: ${this.text}`)
      await Promise.race([once(this.child.stdout!, 'data'), once(this.child.stderr!, 'data'), this.#closed])
    }
  }

  async end(signal: NodeJS.Signals): Promise<number | null> {
    this.child.kill(signal)
    await this.#closed
    return this.child.exitCode
  }

  async ended(): Promise<number | null> {
    await this.#closed
    return this.child.exitCode
  }
}

const get = async ({ env }: Place, path: string, init?: RequestInit) => {
  const response = await fetch(`http://${env.KEYHOLD_HTTP_ADDR}${path}`, init)
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}
const SEALED = /"msg":"sealed"/
const READY = /"msg":"ready"/

describe.each(databases)('a sealed root key on %s', (database) => {
  test('a server waits sealed, answers 503 and opens nothing, until it is given the passphrase; so after a restart', async () => {
    const place = await newSealedPlace(database)
    expect(place.file('root.key')).toMatch(/^keyhold-sealed-root-key\/1\t\{"fingerprint":"[0-9a-f-]{19}"/)
    expect(statSync(join(place.dataDir, 'root.key')).mode & 0o777).toBe(0o600)
    const socket = join(place.dataDir, 'unseal.sock')

    for (const round of ['first', 'restarted']) {
      // A database that is not there is not missed before the passphrase is right.
      const server = new Running(place.env)
      await server.says(SEALED)
      expect(await get(place, '/healthz')).toEqual({ status: 200, body: { status: 'ok' } })
      expect(await get(place, '/readyz')).toEqual({
        status: 503,
        body: {
          status: 'sealed',
          checks: { rootKey: 'sealed: give the passphrase with keyhold admin unseal' },
        },
      })
      for (const [path, method] of [
        ['/api/v1/session', 'GET'],
        ['/api/v1/sessions', 'POST'],
        ['/nowhere', 'GET'],
        ['/', 'GET'],
      ] as const)
        expect([path, await get(place, path, { method })]).toMatchObject([
          path,
          { status: 503, body: { code: 'server.sealed', status: 503 } },
        ])
      expect([statSync(socket).isSocket(), statSync(socket).mode & 0o777]).toEqual([true, 0o600])

      const wrong = await admin(place.env, ['unseal'], `${WRONG}\n`)
      expect([wrong.code, wrong.stderr]).toEqual([
        1,
        `keyhold: the passphrase does not open ${join(place.dataDir, 'root.key')}, or that file was changed\n`,
      ])
      expect((await get(place, '/readyz')).status).toBe(503)
      const opened = await ok(place.env, ['unseal'], `${passphrase}\n`)
      expect(opened.stderr).toMatch(/^root key [0-9a-f-]{19} is open, and the server starts\n$/)
      await server.says(READY)
      expect([round, (await get(place, '/readyz')).status]).toEqual([round, 200])
      expect(existsSync(socket)).toBe(false)
      expect((await admin(place.env, ['unseal'], `${passphrase}\n`)).stderr).toContain(
        'no sealed server waits',
      )
      expect(await server.end('SIGTERM')).toBe(0)
      expect(server.text).not.toMatch(/canary|no passphrase of anybody/)
    }
  })

  test('a server that is killed while it waits leaves nothing in the way of the next; SIGTERM ends it in order', async () => {
    const place = await newSealedPlace(database)
    const killed = new Running(place.env)
    await killed.says(SEALED)
    await killed.end('SIGKILL')
    expect(existsSync(join(place.dataDir, 'unseal.sock'))).toBe(true)
    const server = new Running(place.env)
    await server.says(SEALED)
    // Somebody who says nothing keeps it neither from being opened nor from ending.
    expect(await server.end('SIGTERM')).toBe(0)
    expect(existsSync(join(place.dataDir, 'unseal.sock'))).toBe(false)
  })
})

describe('a sealed root key', () => {
  test('opens with the passphrase out of a file, and a wrong one there ends the start with its reason', async () => {
    const place = await newSealedPlace()
    const server = new Running(place.withFile)
    await server.says(READY)
    expect(server.text).not.toContain('"sealed"')
    expect(await server.end('SIGTERM')).toBe(0)

    writeFileSync(place.withFile.KEYHOLD_ROOT_KEY_PASSPHRASE_FILE!, WRONG)
    const refused = new Running(place.withFile)
    expect(await refused.ended()).toBe(1)
    expect(refused.text).toBe(
      `keyhold: the passphrase does not open ${join(place.dataDir, 'root.key')}, or that file was changed\n`,
    )
    const direct = new Running({ ...place.env, KEYHOLD_ROOT_KEY_PASSPHRASE: passphrase })
    expect(await direct.ended()).toBe(1)
    expect(direct.text).toBe(
      'keyhold: KEYHOLD_ROOT_KEY_PASSPHRASE is read from a file only: unset it, and set KEYHOLD_ROOT_KEY_PASSPHRASE_FILE\n',
    )
  })

  test('is asked for on a terminal, unseen, again after a wrong one; seal has it typed twice', async () => {
    const place = await newPlace()
    const differs = terminal(place, ['admin', 'root-key', 'seal', '--without-kit'])
    await differs.answers(/new passphrase/, passphrase)
    await differs.answers(/again: /, other)
    expect([await differs.code, differs.text]).toEqual([
      2,
      expect.stringContaining('the two passphrases differ'),
    ])
    expect(place.file('root.key')).toMatch(/^[A-Za-z0-9+/=]{44}\n$/)

    const sealing = terminal(place, ['admin', 'root-key', 'seal', '--without-kit'])
    await sealing.answers(/new passphrase/, passphrase)
    await sealing.answers(/again: /, passphrase)
    expect(await sealing.code).toBe(0)
    expect(place.file('root.key')).toMatch(/^keyhold-sealed-root-key/)

    const server = terminal(place, ['server'])
    await server.answers(/passphrase of .*root\.key: /, WRONG)
    await server.answers(/does not open[\s\S]*passphrase of .*root\.key: /, passphrase)
    await server.says(READY)
    expect((await get(place, '/readyz')).status).toBe(200)
    server.kill('SIGTERM')
    expect(await server.code).toBe(0)

    // Every other command asks as well; broken off, it ends.
    const status = terminal(place, ['admin', 'root-key', 'status'])
    await status.answers(/passphrase of .*root\.key: /, passphrase)
    expect([await status.code, status.text]).toEqual([0, expect.stringContaining('current since')])
    const stopped = terminal(place, ['server'])
    await stopped.answers(/passphrase of .*root\.key: /, '\x03', '')
    expect([await stopped.code, stopped.text]).toEqual([1, expect.stringContaining('nothing was typed')])
    for (const { text } of [differs, sealing, server, status, stopped]) expect(text).not.toMatch(/canary/)
  })

  test('commands that need it say so where nobody can be asked, and take the file', async () => {
    const place = await newSealedPlace()
    const backup = join(place.dataDir, '..', 'one.backup')
    for (const args of [
      ['status'],
      ['recovery-kit', 'create'],
      ['root-key', 'prepare'],
      ['root-key', 'unseal', '--for-good'],
      ['root-key', 'change-passphrase'],
      ['backup', backup],
    ]) {
      const ended = await admin(place.env, args)
      expect([args, ended.code, ended.stderr]).toEqual([
        args,
        1,
        expect.stringContaining(
          'run this on a terminal and type the passphrase, or set KEYHOLD_ROOT_KEY_PASSPHRASE_FILE',
        ),
      ])
    }
    const kit = (await ok(place.withFile, ['recovery-kit', 'create'])).stdout
    await ok(place.withFile, ['recovery-kit', 'verify'], kit)
    await ok(place.withFile, ['backup', backup])
    await ok(place.withFile, ['backup', 'verify', backup])
    // The kit alone is enough, and the sealed file beside it is seen to be of the same key without being opened.
    rmSync(join(place.dataDir, 'keyhold.db'))
    await ok(place.env, ['restore', backup, '--recovery-kit'], kit)
    await ok(place.withFile, ['status'])
    // Forgotten: the kit writes the file anew.
    expect((await admin(place.env, ['recovery-kit', 'use'], kit)).stderr).toContain('is there already')
    rmSync(join(place.dataDir, 'root.key'))
    await ok(place.env, ['recovery-kit', 'use'], kit)
    await ok(place.env, ['status'])
  })

  test('an exchange of the root key leaves no key in clear, and is recorded as each sealing is', async () => {
    const place = await newSealedPlace()
    await ok(place.withFile, ['root-key', 'prepare'])
    expect(place.file('root.key.next')).toMatch(/^keyhold-sealed-root-key/)
    // A change of the passphrase that is killed before the last file still opens with the old one, and is given again.
    const change = ['admin', 'root-key', 'change-passphrase']
    const killed = { at: 1, from: 'renameSync \\S*root[.]key[.][0-9a-f]{8}[.]partial' }
    const before = [place.file('root.key'), place.file('root.key.next')]
    expect((await runToEnd(change, place.withFile, { stdin: `${other}\n`, killed })).signal).toBe('SIGKILL')
    expect(place.file('root.key')).toBe(before[0])
    expect(place.file('root.key.next')).not.toBe(before[1])
    await ok(place.withFile, ['root-key', 'change-passphrase'], `${other}\n`)
    expect((await admin(place.withFile, ['status'])).stderr).toContain('the passphrase does not open')
    writeFileSync(place.withFile.KEYHOLD_ROOT_KEY_PASSPHRASE_FILE!, other)
    await ok(place.withFile, ['root-key', 'activate'])
    const names = readdirSync(place.dataDir).filter((name) => name.startsWith('root.key'))
    expect(names).toHaveLength(2)
    for (const name of names)
      expect([name, place.file(name)]).toEqual([name, expect.stringMatching(/^keyhold-sealed/)])

    expect((await admin(place.withFile, ['root-key', 'unseal'])).code).toBe(2)
    await ok(place.withFile, ['root-key', 'unseal', '--for-good'])
    for (const name of names) expect(place.file(name)).toMatch(/^[A-Za-z0-9+/=]{44}\n$/)

    const { server, stop } = await startServer('sqlite', place.env)
    onTestFinished(stop)
    const records = (await server.records()).filter(({ action }) => action.startsWith('root-key.'))
    expect(records.map(({ action, outcome, actor }) => [action, outcome, actor.kind])).toEqual(
      ['unseal', 'activate', 'change-passphrase', 'change-passphrase', 'prepare', 'seal'].map((what) => [
        `root-key.${what}`,
        'success',
        'operator',
      ]),
    )
  })

  test('is not made without a proven kit, nor with a passphrase that is guessed first', async () => {
    const place = await newPlace()
    const before = place.file('root.key')
    const without = await admin(place.env, ['root-key', 'seal'], `${passphrase}\n`)
    expect([without.code, without.stderr]).toEqual([1, expect.stringContaining('no proven recovery kit')])
    for (const weak of ['short', 'passwordispassword', ` ${passphrase}`]) {
      const ended = await admin(place.env, ['root-key', 'seal', '--without-kit'], `${weak}\n`)
      expect([weak, ended.code, ended.stderr]).toEqual([weak, 2, expect.stringContaining('the passphrase ')])
    }
    expect(place.file('root.key')).toBe(before)
    await ok(place.env, ['recovery-kit', 'verify'], (await ok(place.env, ['recovery-kit', 'create'])).stdout)
    await ok(place.env, ['root-key', 'seal'], `${passphrase}\n`)
    expect((await ok(place.withFile, ['root-key', 'seal'])).stderr).toContain('already sealed')
  })

  test('killed at any moment, sealing and its opposite leave files that open, and the same command ends it', async () => {
    const place = await newPlace()
    await ok(place.env, ['root-key', 'prepare'])
    const directions = [
      { args: ['root-key', 'seal', '--without-kit'], form: /^keyhold-sealed/ },
      { args: ['root-key', 'unseal', '--for-good'], form: /^[A-Za-z0-9+/=]{44}\n$/ },
    ]
    for (const { args, form } of directions) {
      let kills = 0
      for (let at = 1; ; at++) {
        const killed = { at, from: '[.]partial' }
        const { signal, code, stderr } = await runToEnd(['admin', ...args], place.withFile, { killed })
        if (signal !== 'SIGKILL') {
          expect([code, stderr]).toEqual([0, expect.any(String)])
          break
        }
        kills += 1
        // With the passphrase at hand the instance opens, whichever files are sealed by now.
        await ok(place.withFile, ['root-key', 'status'])
      }
      expect(kills).toBeGreaterThan(5)
      for (const name of ['root.key', 'root.key.next']) expect(place.file(name)).toMatch(form)
      expect(readdirSync(place.dataDir).filter((name) => name.endsWith('.partial'))).toEqual([])
    }
  })

  test('a file that was changed anywhere does not open, and asks for no more memory or time than ever', async () => {
    const place = await newSealedPlace()
    const key = Buffer.alloc(32, 7)
    const text = await sealRootKey(key, deriveRootKey(key).fingerprint, new Secret(passphrase))
    const open = (changed: string) => openSealedRootKey(changed, 'root.key', new Secret(passphrase))
    expect(await open(text)).toEqual(key)
    // Composed or not, it is one passphrase.
    const composed = await sealRootKey(
      key,
      deriveRootKey(key).fingerprint,
      new Secret('caf\u00e9 of a long name'),
    )
    expect(await openSealedRootKey(composed, 'root.key', new Secret('cafe\u0301 of a long name'))).toEqual(
      key,
    )
    const changes: [string, string | RegExp, string][] = [
      ['fingerprint', /"fingerprint":"..../, '"fingerprint":"0000'],
      ['passes', '"passes":10', '"passes":11'],
      ['order', '"passes":10,"lanes":1', '"lanes":1,"passes":10'],
      ['spaces', '{"fingerprint"', '{ "fingerprint"'],
    ]
    for (const [what, from, to] of changes)
      await expect(open(text.replace(from, to)), what).rejects.toThrow('does not open root.key')
    for (let byte = 0; byte < 60; byte += 7) {
      const [line = '', body = ''] = text.split('\n')
      const bytes = Buffer.from(body, 'base64')
      bytes[byte]! ^= 1
      await expect(open(`${line}\n${bytes.toString('base64')}\n`), `${byte}`).rejects.toThrow(
        'does not open root.key',
      )
    }
    for (const [from, to] of [
      ['"memoryKiB":65536', '"memoryKiB":99999999'],
      ['"memoryKiB":65536', '"memoryKiB":8'],
      ['"passes":10', '"passes":100000'],
      ['argon2id', 'none'],
      ['{', ''],
    ] as const)
      await expect(open(text.replace(from, to)), to).rejects.toThrow('root.key is damaged')
    await expect(open(text.slice(0, -20))).rejects.toThrow('root.key is damaged')
    await expect(open(text.replace('key/1', 'key/2'))).rejects.toThrow('does not know')

    const path = join(place.dataDir, 'root.key')
    writeFileSync(path, place.file('root.key').replace(/"fingerprint":"..../, '"fingerprint":"0000'))
    const server = new Running(place.env)
    await server.says(SEALED)
    expect((await admin(place.env, ['unseal'], passphrase)).stderr).toContain('or that file was changed')
    expect((await get(place, '/readyz')).status).toBe(503)
    writeFileSync(path, place.file('root.key').slice(0, -30))
    expect((await admin(place.env, ['unseal'], passphrase)).stderr).toContain('is damaged')
  })

  test('the passphrase is sent to no socket that others may use', async () => {
    const place = await newSealedPlace()
    const path = join(place.dataDir, 'unseal.sock')
    const received: string[] = []
    const server = createServer((socket) => socket.on('data', (data) => received.push(String(data))))
    server.listen(path)
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    chmodSync(path, 0o666)
    const ended = await admin(place.env, ['unseal'], `${passphrase}\n`)
    expect([ended.code, ended.stderr]).toEqual([1, expect.stringContaining('nothing was sent')])
    expect(received).toEqual([])
  })
})

/** The program in a terminal. */
function terminal({ env }: Place, args: string[]) {
  const pty = spawnTerminal(process.execPath, [...serverProgram, ...args], {
    env: { PATH: process.env.PATH, ...env },
    cols: 300,
  })
  let seen = 0
  const self = {
    text: '',
    code: new Promise<number>((resolve) => pty.onExit(({ exitCode }) => resolve(exitCode))),
    kill: (signal: string) => pty.kill(signal),
    async says(pattern: RegExp): Promise<void> {
      for (;;) {
        const found = pattern.exec(self.text.slice(seen))
        if (found) {
          seen += found.index + found[0].length
          return
        }
        await changed()
      }
    },
    async answers(pattern: RegExp, line: string, end = '\r'): Promise<void> {
      await self.says(pattern)
      pty.write(`${line}${end}`)
    },
  }
  let waiting: (() => void)[] = []
  const changed = () => new Promise<void>((resolve) => waiting.push(resolve))
  pty.onData((data) => {
    self.text += data
    for (const wake of waiting) wake()
    waiting = []
  })
  onTestFinished(() => {
    try {
      pty.kill('SIGKILL')
    } catch {
      // It ended by itself.
    }
  })
  return self
}
