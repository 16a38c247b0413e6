import { randomBytes } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { copyToPostgres } from '../src/storage/copy.ts'
import {
  BackupFileError,
  decryptBackup,
  encryptBackup,
  readBackupHeader,
} from '../src/vault/backup-cipher.ts'
import { deriveRootKey } from '../src/vault/root-key.ts'
import { databases, newPostgresDatabase, startServer, type TestDatabase, type TestServer } from './kit.ts'
import { runToEnd } from './server-process.ts'

// Processes and disks take their time where the machine is busy with other things.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 120_000 })

const rootKey = deriveRootKey(Buffer.alloc(32, 5))
const about = { instance: 'abc', madeAt: '2026-11-22T06:00:00.000Z' }

async function* pieces(...parts: Uint8Array[]) {
  yield* parts
}

async function encrypted(plaintext: Uint8Array): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of encryptBackup(rootKey, about, pieces(plaintext))) parts.push(part)
  return Buffer.concat(parts)
}

async function decrypted(file: Buffer, key = rootKey): Promise<Buffer> {
  const { line } = readBackupHeader(file)
  const parts: Uint8Array[] = []
  for await (const part of decryptBackup(key, line, pieces(file.subarray(line.length)))) parts.push(part)
  return Buffer.concat(parts)
}

describe('the encryption of backups', () => {
  const chunk = 65_536
  test.each([0, 1, chunk - 1, chunk, chunk + 1, 3 * chunk, 3 * chunk + 7])(
    '%i bytes come back, whatever the pieces they are read in',
    async (length) => {
      const plaintext = randomBytes(length)
      const file = await encrypted(plaintext)
      expect((await decrypted(file)).equals(plaintext)).toBe(true)
      const { line, header } = readBackupHeader(file)
      expect(header).toMatchObject({ ...about, rootFingerprint: rootKey.fingerprint })
      const out: Uint8Array[] = []
      const small = Array.from({ length: Math.ceil((file.length - line.length) / 10_007) }, (_, i) =>
        file.subarray(line.length + i * 10_007, Math.min(line.length + (i + 1) * 10_007, file.length)),
      )
      for await (const part of decryptBackup(rootKey, line, pieces(...small))) out.push(part)
      expect(Buffer.concat(out).equals(plaintext)).toBe(true)
    },
  )

  test('cut off anywhere, longer, with parts exchanged, left out or from another backup: refused', async () => {
    const plaintext = randomBytes(3 * chunk + 100)
    const file = await encrypted(plaintext)
    const start = readBackupHeader(file).line.length
    const sealed = chunk + 16
    const part = (i: number) => file.subarray(start + i * sealed, start + (i + 1) * sealed)
    const head = file.subarray(0, start)
    const other = await encrypted(plaintext)
    const otherStart = readBackupHeader(other).line.length
    const wrong = [
      ...[0, 1, 15, 16, 17, sealed - 1, sealed, sealed + 1, 3 * sealed, file.length - start - 1].map(
        (length) => file.subarray(0, start + length),
      ),
      Buffer.concat([file, Buffer.alloc(1)]),
      Buffer.concat([head, part(1), part(0), part(2), part(3)]),
      Buffer.concat([head, part(0), part(2), part(3)]),
      Buffer.concat([head, part(0), part(1), part(2)]),
      Buffer.concat([head, part(0), part(1), part(2), part(3), part(3)]),
      Buffer.concat([head, other.subarray(otherStart, otherStart + sealed), file.subarray(start + sealed)]),
      Buffer.concat([other.subarray(0, otherStart), file.subarray(start)]),
    ]
    for (const [i, one] of wrong.entries())
      await expect(decrypted(one), `case ${i}`).rejects.toThrow(BackupFileError)
    await expect(decrypted(file, deriveRootKey(Buffer.alloc(32, 6)))).rejects.toThrow(BackupFileError)
  })

  test('a flipped bit in the header or at any of many places is refused', async () => {
    const file = await encrypted(randomBytes(chunk + 500))
    const start = readBackupHeader(file).line.length
    const places = [
      ...Array.from({ length: start }, (_, i) => i),
      ...Array.from({ length: 200 }, (_, i) => start + Math.floor(((file.length - start) * i) / 200)),
    ]
    for (const place of places) {
      const flipped = Buffer.from(file)
      flipped[place]! ^= 1
      await expect((async () => decrypted(flipped))(), `byte ${place}`).rejects.toThrow(BackupFileError)
    }
  })
})

function newDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'keyhold-backup-test-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** An empty machine: a directory that is not there yet, and perhaps a database without anything in it. */
async function emptyMachine(database: TestDatabase) {
  const dataDir = join(newDirectory(), 'data')
  const postgres = database === 'postgres' ? await newPostgresDatabase() : undefined
  if (postgres) onTestFinished(postgres.drop)
  const env: Record<string, string> = {
    KEYHOLD_DATA_DIR: dataDir,
    ...(postgres && { KEYHOLD_DATABASE_URL: postgres.url }),
  }
  return { dataDir, env }
}

async function serverOn(env: Record<string, string>) {
  const { server, stop } = await startServer('sqlite', env)
  let isStopped = false
  const stopOnce = async () => {
    if (!isStopped) await stop()
    isStopped = true
  }
  onTestFinished(stopOnce)
  return { server, stop: stopOnce }
}

async function admin(env: Record<string, string>, line: readonly string[], stdin = '') {
  const ended = await runToEnd(['admin', ...line], env, { stdin })
  if (ended.code !== 0) throw new Error(`${line.join(' ')}: ${ended.stderr}`)
  return ended
}

/** A person with things of many kinds. */
async function seed(server: TestServer) {
  const person = await server.addPerson('admin')
  const project = await server.addProject(person)
  const key = await server.addKey(person, project.id)
  const personal = await server
    .ok('POST', '/api/v1/personal-secrets', {
      token: person.token,
      body: {
        name: 'Mine',
        type: 'token',
        value: 'personal value 7c1',
        destination: { kind: 'variable', name: 'MINE' },
      },
    })
    .catch(() => undefined)
  return { person, project, key, personal }
}

const reveal = async (server: TestServer, token: string, projectId: string, id: string) => {
  const path = `/api/v1/projects/${projectId}/secrets/${id}/reveal`
  const answer = await server.request('POST', path, { token, body: {} })
  return answer.body.value ?? answer.text
}

describe.each(databases.flatMap((from) => databases.map((to) => [from, to] as const)))(
  'an instance on %s',
  (from, to) => {
    test(`is brought back on ${to} from backup and recovery kit, with every secret acknowledged before (K4)`, async () => {
      const machine = await emptyMachine(from)
      const { server, stop } = await serverOn(machine.env)
      const { person, project, key } = await seed(server)
      const acknowledged = new Map<string, string>()
      const add = async (name: string) => {
        const { id } = await server.addSecret(person, project.id, { name, value: `value of ${name}` })
        return id
      }
      const own = await add('OVERRIDDEN')
      const override = `/api/v1/projects/${project.id}/secrets/${own}/override`
      await server.ok('PUT', override, { token: person.token, body: { value: 'own value 7c1' } })
      for (let i = 0; i < 40; i++) acknowledged.set(await add(`S${i}`), `value of S${i}`)
      const cookie = await server.signIn(person)
      const kit = (await admin(machine.env, ['recovery-kit', 'create'])).stdout
      const file = join(newDirectory(), 'keyhold.backup')
      // Others go on writing meanwhile.
      let isOver = false
      const writing = (async () => {
        for (let i = 0; !isOver; i++) await add(`LATER${i}`)
      })()
      const made = JSON.parse((await admin(machine.env, ['backup', file, '--json'])).stdout)
      isOver = true
      await writing
      expect(made).toMatchObject({ file, accessTokens: 1, accessKeys: 1 })
      expect(made.auditRecords).toBeGreaterThanOrEqual(acknowledged.size)
      expect(statSync(file).mode & 0o777).toBe(0o600)
      expect(readdirSync(join(file, '..'))).toEqual(['keyhold.backup'])
      const bytes = readFileSync(file)
      for (const text of ['value of S1', 'personal value', 'own value', person.email, project.id])
        expect(bytes.includes(text), text).toBe(false)
      const { verifierKey } = server.core.audit
      const kept = await server.core.audit.checkpoint()
      await stop()

      const empty = await emptyMachine(to)
      const done = await admin(empty.env, ['restore', file, '--recovery-kit', '--json'], kit)
      expect(JSON.parse(done.stdout)).toMatchObject({
        auditRecords: made.auditRecords,
        dataKeys: made.dataKeys,
      })
      expect(done.stderr).toContain('go through 1 access tokens, 1 active access keys')
      const again = await serverOn(empty.env)
      for (const [id, value] of acknowledged)
        expect(await reveal(again.server, person.token, project.id, id)).toBe(value)
      const reread = await again.server.ok('POST', `${override}/reveal`, { token: person.token, body: {} })
      expect(reread.value).toBe('own value 7c1')
      const machineRead = await again.server.request(
        'GET',
        '/api/v1/projects/current/secrets?environment=All',
        { key },
      )
      expect(machineRead.status).toBe(200)
      // The session is not: it may have been ended since.
      expect((await again.server.request('GET', '/api/v1/session', { headers: { cookie } })).status).toBe(401)
      expect(again.server.core.audit.verifierKey).toBe(verifierKey)
      expect(await again.server.core.audit.verify()).toMatchObject({ ok: true })
      const restored = (await again.server.records(1_000)).find(({ action }) => action === 'backup.restore')
      expect(restored).toMatchObject({
        outcome: 'success',
        actor: { kind: 'operator' },
        target: { name: made.madeAt },
      })
      // A checkpoint from after the backup shows that the log was rolled back.
      const size = Number(kept.split('\n')[1])
      expect(size).toBeGreaterThan(made.auditRecords)
      await again.stop()
    })
  },
)

test('a database that came to hold an instance while the backup was read is not overwritten', async () => {
  const { server, stop } = await startServer('sqlite')
  onTestFinished(stop)
  const { url, drop } = await newPostgresDatabase()
  onTestFinished(drop)
  const copy = () => copyToPostgres(server.config.dataDir, url, () => {})
  // Two operators at once: one of them is late.
  const results = await Promise.allSettled([copy(), copy()])
  expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  await expect(copy()).rejects.toThrow('holds an instance by now')
})

describe.each(databases)('a backup on %s', (database) => {
  test('does not restore over an instance, with another key, or from a file that was changed; nothing is half done', async () => {
    const machine = await emptyMachine(database)
    const { server } = await serverOn(machine.env)
    const { person, project } = await seed(server)
    await server.addSecret(person, project.id, { name: 'A', value: 'value' })
    const directory = newDirectory()
    const file = join(directory, 'one')
    await admin(machine.env, ['backup', file])
    const keyFile = join(machine.dataDir, 'root.key')
    const refusal = async (env: Record<string, string>, ...line: string[]) => {
      const { code, stderr } = await runToEnd(['admin', ...line], env)
      expect([line, code]).toEqual([line, 1])
      return stderr
    }
    expect(await refusal(machine.env, 'restore', file)).toContain('holds an instance already')
    expect(await refusal(machine.env, 'backup', file)).toContain('is there already')
    const empty = await emptyMachine(database)
    expect(await refusal(empty.env, 'restore', file)).toMatch(
      /needs the root key with fingerprint [0-9a-f-]{19}: give/,
    )
    const wrongKey = join(directory, 'wrong.key')
    writeFileSync(wrongKey, randomBytes(32).toString('base64'))
    expect(await refusal(empty.env, 'restore', file, '--key-file', wrongKey)).toMatch(
      /but was given [0-9a-f-]{19}/,
    )

    const bytes = readFileSync(file)
    const flipped = Buffer.from(bytes)
    flipped[bytes.length >> 1]! ^= 1
    const wrong = {
      cut: bytes.subarray(0, -20),
      flipped,
      empty: Buffer.alloc(0),
      text: Buffer.from('hello\n'),
    }
    for (const [name, content] of Object.entries(wrong)) {
      writeFileSync(join(directory, name), content)
      const text = await refusal(empty.env, 'restore', join(directory, name), '--key-file', keyFile)
      expect([name, text]).toEqual([
        name,
        expect.stringMatching(/was changed or cut off|is no backup of Keyhold/),
      ])
      expect(text.trim().split('\n')).toHaveLength(1)
    }
    expect(existsSync(empty.dataDir) ? readdirSync(empty.dataDir) : []).toEqual([])
    await admin(empty.env, ['backup', 'verify', file, '--key-file', keyFile])
    await admin(empty.env, ['restore', file, '--key-file', keyFile, '--revoke-credentials'])
    const again = await serverOn(empty.env)
    const { status } = await again.server.request('GET', '/api/v1/session', { token: person.token })
    expect(status).toBe(401)
    const [active] = await again.server.core.storage.db
      .selectFrom('access_keys')
      .select('slot')
      .where('slot', 'is not', null)
      .execute()
    expect(active).toBeUndefined()
    await again.stop()
  })

  test('restores from a file in the data directory, whatever its name, and deletes nothing that is there', async () => {
    const machine = await emptyMachine(database)
    const { stop } = await serverOn(machine.env)
    await stop()
    const empty = await emptyMachine(database)
    mkdirSync(join(empty.dataDir, 'restore-notes'), { recursive: true })
    const file = join(empty.dataDir, 'restore-monday')
    await admin(machine.env, ['backup', file])
    await admin(empty.env, ['restore', file, '--key-file', join(machine.dataDir, 'root.key')])
    expect(readdirSync(empty.dataDir)).toEqual(expect.arrayContaining(['restore-monday', 'restore-notes']))
  })

  test('made before the root key was exchanged restores with the archived key (K2)', async () => {
    const machine = await emptyMachine(database)
    const { server, stop } = await serverOn(machine.env)
    const { person, project } = await seed(server)
    const { id } = await server.addSecret(person, project.id, { name: 'A', value: 'from before' })
    await stop()
    const file = join(newDirectory(), 'old')
    await admin(machine.env, ['backup', file])
    const { header } = readBackupHeader(readFileSync(file))
    await admin(machine.env, ['root-key', 'prepare'])
    await admin(machine.env, ['root-key', 'activate'])
    await admin(machine.env, ['root-key', 'retire', header.rootFingerprint])
    const archived = join(machine.dataDir, `root.key.${header.rootFingerprint}`)
    const empty = await emptyMachine(database)
    const { code, stderr } = await runToEnd(
      ['admin', 'restore', file, '--key-file', join(machine.dataDir, 'root.key')],
      empty.env,
    )
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining(`needs the root key with fingerprint ${header.rootFingerprint}`),
    ])
    await admin(empty.env, ['restore', file, '--key-file', archived])
    const again = await serverOn(empty.env)
    expect(await reveal(again.server, person.token, project.id, id)).toBe('from before')
    await again.stop()
  })

  test('a restore that was killed at any write has done nothing or all, and can be repeated', async () => {
    const machine = await emptyMachine(database)
    const { server, stop } = await serverOn(machine.env)
    const { person, project } = await seed(server)
    const { id } = await server.addSecret(person, project.id, { name: 'A', value: 'whole' })
    await stop()
    const file = join(newDirectory(), 'backup')
    await admin(machine.env, ['backup', file])
    const keyFile = join(machine.dataDir, 'root.key')
    const empty = await emptyMachine(database)
    mkdirSync(empty.dataDir, { recursive: true })
    let kills = 0
    for (let at = 1; ; at = Math.ceil(at * 1.7)) {
      const line = ['admin', 'restore', file, '--key-file', keyFile]
      const { code, signal, stderr } = await runToEnd(line, empty.env, {
        killed: { at, from: 'foreign_keys = off' },
      })
      if (signal !== 'SIGKILL') {
        expect([code, stderr]).toEqual([
          stderr.includes('holds an instance already') ? 1 : 0,
          expect.any(String),
        ])
        break
      }
      kills += 1
    }
    expect(kills).toBeGreaterThan(5)
    expect(readdirSync(empty.dataDir).filter((name) => name.startsWith('.keyhold-restore-'))).toHaveLength(0)
    const again = await serverOn(empty.env)
    expect(await reveal(again.server, person.token, project.id, id)).toBe('whole')
    await again.stop()
  })
})
