import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import pg from 'pg'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { startPostgres } from '../../../tools/test-postgres.ts'
import { openStorage } from '../src/storage/storage.ts'
import {
  databases,
  newPostgresDatabase,
  startServer,
  type TestKey,
  type TestPerson,
  type TestServer,
} from './kit.ts'
import { runToEnd, ServerProcess } from './server-process.ts'

// Processes and disks take their time where the machine is busy with other things.
vi.setConfig({ testTimeout: 120_000 })

const isRoot = process.getuid?.() === 0

function newDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'keyhold-storage-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** A disk of its own, as small as it has to be. Only root may mount. */
class SmallDisk {
  readonly path = newDirectory()

  constructor(size: string) {
    this.#run('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', this.path])
    // Lazy: a connection that a failed test left open must not keep the directory.
    onTestFinished(() => this.#run('umount', ['-l', this.path]))
  }

  remount(options: string): void {
    this.#run('mount', ['-o', `remount,${options}`, this.path])
  }

  /** Takes all the space that is left. @returns a function that gives it back. */
  fill(): () => void {
    const path = join(this.path, 'filler')
    const file = openSync(path, 'w')
    try {
      for (let size = 65_536; size >= 1; size = size >> 1) {
        try {
          for (;;) if (writeSync(file, Buffer.alloc(size)) < size) break
        } catch (error) {
          if (!(error instanceof Error) || !error.message.includes('ENOSPC')) throw error
        }
      }
    } finally {
      closeSync(file)
    }
    return () => rmSync(path)
  }

  #run(command: string, args: string[]): void {
    const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' })
    if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`)
  }
}

const VALUE = 'canary-of-the-storage-tests'

interface Scene {
  readonly server: TestServer
  readonly person: TestPerson
  readonly projectId: string
  readonly secretId: string
  readonly key: TestKey
}

async function startScene(env: Readonly<Record<string, string>>): Promise<Scene> {
  const { server, stop } = await startServer('sqlite', env)
  onTestFinished(stop)
  const person = await server.addPerson('admin')
  const { id: projectId } = await server.addProject(person)
  const { id: secretId } = await server.addSecret(person, projectId, { name: 'A', value: VALUE })
  const key = await server.addKey(person, projectId)
  await server.ok('GET', '/api/v1/projects/current/secrets/A', { key })
  return { server, person, projectId, secretId, key }
}

let deliveries = 0
const deliver = ({ server, key }: Scene) => {
  deliveries += 1
  const client = `delivery-${deliveries}`
  return server
    .request('GET', '/api/v1/projects/current/secrets/A', { key, headers: { 'user-agent': client } })
    .then((answer) => ({ ...answer, client }))
}
const create = ({ server, person, projectId }: Scene, name: string) =>
  server.request('POST', `/api/v1/projects/${projectId}/secrets`, {
    token: person.token,
    body: { name, type: 'token', value: VALUE },
  })

/** Asks until it is as expected; what is waited for has no event. */
async function eventually(isSo: () => Promise<boolean>, withinMs = 15_000): Promise<void> {
  const endsAt = Date.now() + withinMs
  while (!(await isSo())) {
    if (Date.now() > endsAt) throw new Error(`not so within ${withinMs} ms`)
    await sleep(50)
  }
}
const isReady = async ({ server }: Scene) => (await server.request('GET', '/readyz')).status === 200

async function expectAllRecorded({ server }: Scene, clients: readonly string[]): Promise<void> {
  const rows = await server.core.storage.db.selectFrom('audit_records').select('record').execute()
  const recorded = new Set(rows.map((row) => JSON.parse(row.record).client))
  expect(clients.filter((client) => !recorded.has(client))).toEqual([])
}

describe('a directory with SQLite', () => {
  test('is used by one server; after kill -9 the next starts at once (real processes)', async () => {
    const env = { KEYHOLD_DATA_DIR: newDirectory() }
    const first = await ServerProcess.start(env)
    const second = await runToEnd(['server'], env)
    expect(second).toMatchObject({
      code: 1,
      stderr: `keyhold: another Keyhold server is using ${env.KEYHOLD_DATA_DIR}\n`,
    })
    expect((await fetch(`${first.url}/readyz`)).status).toBe(200)
    await first.end('SIGKILL')
    const third = await ServerProcess.start(env)
    expect((await fetch(`${third.url}/readyz`)).status).toBe(200)
    await third.end('SIGKILL')
  })

  test('and its files are readable by their owner only', async () => {
    const directory = join(newDirectory(), 'data')
    const server = await ServerProcess.start({ KEYHOLD_DATA_DIR: directory })
    expect(statSync(directory).mode & 0o777).toBe(0o700)
    for (const name of ['keyhold.db', 'keyhold.db-wal', 'keyhold.db-shm', 'root.key'])
      expect(statSync(join(directory, name)).mode & 0o777, name).toBe(0o600)
    await server.end('SIGKILL')
  })

  test('that cannot be written is a clear error at the start', async () => {
    const disk = isRoot ? new SmallDisk('4m') : undefined
    const directory = disk?.path ?? newDirectory()
    if (disk) disk.remount('ro')
    else chmodSync(directory, 0o500)
    const ended = await runToEnd(['server'], { KEYHOLD_DATA_DIR: directory })
    expect(ended).toMatchObject({ code: 1 })
    expect(ended.stderr).toMatch(
      /^keyhold: KEYHOLD_DATA_DIR: cannot use that directory \((EROFS|EACCES|ENOENT)\)\n$/,
    )
    const within = await runToEnd(['server'], { KEYHOLD_DATA_DIR: join(directory, 'data') })
    expect(within).toMatchObject({ code: 1 })
    expect(within.stderr).toMatch(
      /^keyhold: KEYHOLD_DATA_DIR: cannot use that directory \((EROFS|EACCES|ENOENT)\)\n$/,
    )

    const file = join(newDirectory(), 'file')
    writeFileSync(file, '')
    const notADirectory = await runToEnd(['server'], { KEYHOLD_DATA_DIR: file })
    expect(notADirectory).toMatchObject({ code: 1 })
    expect(notADirectory.stderr).toMatch(/^keyhold: KEYHOLD_DATA_DIR: cannot use that directory/)
  })

  test.runIf(isRoot)('that was used before and became read-only is a clear error too', async () => {
    const disk = new SmallDisk('8m')
    const env = { KEYHOLD_DATA_DIR: disk.path }
    await (await ServerProcess.start(env)).end('SIGKILL')
    disk.remount('ro')
    const ended = await runToEnd(['server'], env)
    expect(ended).toMatchObject({ code: 1 })
    expect(ended.stderr).toBe('keyhold: KEYHOLD_DATA_DIR: cannot use that directory (EROFS)\n')
    disk.remount('rw')
    await (await ServerProcess.start(env)).end('SIGKILL')
  })
})

describe('a full disk (L1)', () => {
  test.runIf(isRoot)(
    'stops writes and deliveries, says why, loses nothing, and is over when there is space again',
    async () => {
      const disk = new SmallDisk('6m')
      const scene = await startScene({ KEYHOLD_DATA_DIR: disk.path })
      const { server, person, projectId } = scene
      const free = disk.fill()

      const delivered: string[] = []
      const created = ['A']
      let refused = 0
      // The log's file has room for a while yet: what still goes through has to be whole.
      for (let i = 0; refused < 20; i++) {
        expect(i).toBeLessThan(5000)
        const answers = await Promise.all([deliver(scene), deliver(scene), deliver(scene)])
        for (const answer of answers) {
          if (answer.status === 200) delivered.push(answer.client)
          else {
            expect(answer.status).toBe(503)
            expect(answer.body.code).toBe('audit.unavailable')
            expect(answer.text).not.toContain(VALUE)
            refused += 1
          }
        }
      }
      const storedAtLast = await create(scene, 'B')
      expect(storedAtLast.status).toBe(507)
      expect(storedAtLast.body.code).toBe('storage.full')
      const reveal = await server.request(
        'POST',
        `/api/v1/projects/${projectId}/secrets/${scene.secretId}/reveal`,
        { token: person.token, body: {} },
      )
      expect(reveal.status).toBe(503)
      expect(reveal.text).not.toContain(VALUE)

      const readiness = await server.request('GET', '/readyz')
      expect(readiness.status).toBe(503)
      expect(readiness.body.checks.audit).toContain('full')
      expect((await server.request('GET', '/healthz')).status).toBe(200)
      const list = await server.ok('GET', `/api/v1/projects/${projectId}/secrets`, { token: person.token })
      expect(list.secrets.map((secret: { name: string }) => secret.name)).toEqual(created)
      await expectAllRecorded(scene, delivered)

      free()
      // Nobody asks for anything: readiness comes back by itself.
      await eventually(() => isReady(scene))
      const after = await deliver(scene)
      expect(after.status).toBe(200)
      expect(after.body.value).toBe(VALUE)
      expect((await create(scene, 'B')).status).toBe(201)
      await expectAllRecorded(scene, [...delivered, after.client])
    },
  )

  test.runIf(isRoot)(
    'interrupts a migration, which is done whole when there is space again (O1)',
    async () => {
      let interrupted = 0
      for (const kibibytes of [16, 48, 96, 160, 224, 288, 352]) {
        const disk = new SmallDisk(`${kibibytes}k`)
        try {
          const storage = await openStorage({ dataDir: disk.path })
          await storage.close()
          continue
        } catch (error) {
          expect(String(error)).toMatch(/cannot bring the database up to date|disk is full|disk I\/O error/)
          interrupted += 1
        }
        disk.remount('size=8m')
        const storage = await openStorage({ dataDir: disk.path })
        expect(await storage.db.selectFrom('audit_head').select(['size']).execute()).toEqual([{ size: 0 }])
        expect(await storage.db.selectFrom('secrets').select('id').execute()).toEqual([])
        await storage.close()
      }
      expect(interrupted).toBeGreaterThanOrEqual(3)
    },
  )
})

describe('a database file that is deleted or replaced under the server (L1)', () => {
  test('stops writes and deliveries, says why, and is over when the file is back', async () => {
    const dataDir = newDirectory()
    const scene = await startScene({ KEYHOLD_DATA_DIR: dataDir })
    const path = join(dataDir, 'keyhold.db')
    renameSync(path, `${path}.away`)
    for (const put of [() => {}, () => writeFileSync(path, '')]) {
      put()
      const answer = await deliver(scene)
      expect(answer.status).toBe(503)
      expect(answer.body.code).toBe('audit.unavailable')
      expect(answer.text).not.toContain(VALUE)
      const write = await create(scene, 'B')
      expect(write.status).toBe(503)
      expect(write.body.code).toBe('storage.unavailable')
      const readiness = await scene.server.request('GET', '/readyz')
      expect(readiness.status).toBe(503)
      expect(readiness.body.checks.audit).toContain('deleted or replaced')
    }
    renameSync(`${path}.away`, path)
    await eventually(() => isReady(scene))
    expect((await deliver(scene)).body.value).toBe(VALUE)
    expect((await create(scene, 'B')).status).toBe(201)
  })
})

describe('a database that hangs (L1)', () => {
  test('SQLite: another process that keeps the write lock stops deliveries, not the server', async () => {
    const dataDir = newDirectory()
    const scene = await startScene({ KEYHOLD_DATA_DIR: dataDir })
    const other = new DatabaseSync(join(dataDir, 'keyhold.db'))
    other.exec('begin immediate')
    const waiting = deliver(scene)
    // Answers while the record waits.
    expect((await scene.server.request('GET', '/healthz')).status).toBe(200)
    const answer = await waiting
    expect(answer.status).toBe(503)
    expect(answer.body.code).toBe('audit.unavailable')
    expect(answer.text).not.toContain(VALUE)
    expect((await scene.server.request('GET', '/readyz')).body.checks.audit).toContain('locked')
    other.exec('rollback')
    other.close()
    expect((await deliver(scene)).body.value).toBe(VALUE)
    expect(await isReady(scene)).toBe(true)
  })

  test('PostgreSQL: a lock that does not end stops deliveries, not the server', async () => {
    const postgres = await newPostgresDatabase()
    onTestFinished(postgres.drop)
    const scene = await startScene({ KEYHOLD_DATABASE_URL: postgres.url })
    const other = new pg.Client({ connectionString: postgres.url })
    await other.connect()
    await other.query('begin')
    await other.query('select * from audit_head for update')
    const waiting = deliver(scene)
    expect((await scene.server.request('GET', '/healthz')).status).toBe(200)
    const answer = await waiting
    expect(answer.status).toBe(503)
    expect(answer.body.code).toBe('audit.unavailable')
    expect(answer.text).not.toContain(VALUE)
    expect((await scene.server.request('GET', '/readyz')).body.checks.audit).toContain('does not answer')
    await other.query('rollback')
    await other.end()
    expect((await deliver(scene)).body.value).toBe(VALUE)
    expect(await isReady(scene)).toBe(true)
  }, 60_000)
})

describe('PostgreSQL that stops while Keyhold runs', () => {
  test('is a clear 503 for reads and writes, and over when it is back, without a restart', async () => {
    const postgres = await startPostgres(['fsync=off'])
    onTestFinished(() => postgres.stop())
    const scene = await startScene({ KEYHOLD_DATABASE_URL: postgres.url })
    const delivered: string[] = []
    const created: string[] = []
    const codes = new Set<string>()
    for (const signal of ['SIGQUIT', 'SIGINT'] as const) {
      let isBack = false
      const back = postgres.restart(signal).then(() => {
        isBack = true
      })
      for (let i = 0; !isBack; i++) {
        const name = `${signal}_${i}`
        const [delivery, creation, list, readiness] = await Promise.all([
          deliver(scene),
          create(scene, name),
          scene.server.request('GET', `/api/v1/projects/${scene.projectId}/secrets`, {
            token: scene.person.token,
          }),
          scene.server.request('GET', '/readyz'),
        ])
        for (const answer of [delivery, creation, list]) {
          expect([200, 201, 503], answer.text).toContain(answer.status)
          if (answer.status !== 503) continue
          codes.add(answer.body.code)
          expect(answer.text).not.toContain(VALUE)
        }
        expect([200, 503]).toContain(readiness.status)
        if (delivery.status === 200) delivered.push(delivery.client)
        if (creation.status === 201) created.push(name)
      }
      await back
      await eventually(() => isReady(scene))
      const after = await deliver(scene)
      expect(after.status).toBe(200)
      delivered.push(after.client)
    }
    expect(codes).toContain('storage.unavailable')
    for (const code of codes) expect(['storage.unavailable', 'audit.unavailable']).toContain(code)
    await expectAllRecorded(scene, delivered)
    const list = await scene.server.ok('GET', `/api/v1/projects/${scene.projectId}/secrets`, {
      token: scene.person.token,
    })
    expect(list.secrets.map((secret: { name: string }) => secret.name)).toEqual(
      expect.arrayContaining(created),
    )
  }, 60_000)

  test('is frozen whole: deliveries end with 503 in bounded time, and go on when it thaws, without a restart (L1)', async () => {
    const postgres = await startPostgres(['fsync=off'])
    onTestFinished(() => postgres.stop())
    const scene = await startScene({ KEYHOLD_DATABASE_URL: postgres.url })
    const before = await deliver(scene)
    const { rows } = await sql<{ pid: number }>`select pid from pg_stat_activity`.execute(
      scene.server.core.storage.db,
    )
    // Its own processes and the one that started them, which takes new connections.
    const parent = spawnSync('ps', ['-o', 'ppid=', '-p', String(rows[0]!.pid)], { encoding: 'utf8' }).stdout
    const all = [Number(parent), ...rows.map(({ pid }) => pid)]
    const signal = (name: NodeJS.Signals) => {
      for (const pid of all) process.kill(pid, name)
    }
    signal('SIGSTOP')
    const startedAt = performance.now()
    let answers: Awaited<ReturnType<typeof deliver>>[]
    try {
      expect((await scene.server.request('GET', '/healthz')).status).toBe(200)
      answers = await Promise.all([deliver(scene), deliver(scene), deliver(scene)])
      // Twenty seconds of silence, and what a busy machine adds.
      expect(performance.now() - startedAt).toBeLessThan(50_000)
    } finally {
      signal('SIGCONT')
    }
    for (const answer of answers) {
      expect(answer.status).toBe(503)
      expect(answer.text).not.toContain(VALUE)
    }
    await eventually(() => isReady(scene))
    const after = await deliver(scene)
    expect(after.body.value).toBe(VALUE)
    await expectAllRecorded(scene, [before.client, after.client])
  })

  test('is a clear error at the start of a server', async () => {
    const postgres = await newPostgresDatabase()
    await postgres.drop()
    const gone = await runToEnd(['server'], {
      KEYHOLD_DATA_DIR: newDirectory(),
      KEYHOLD_DATABASE_URL: postgres.url,
    })
    expect(gone).toMatchObject({ code: 1 })
    // SQLSTATE 3D000: there is no such database.
    expect(gone.stderr).toBe('keyhold: KEYHOLD_DATABASE_URL: cannot use the PostgreSQL database (3D000)\n')
    const refused = await runToEnd(['server'], {
      KEYHOLD_DATA_DIR: newDirectory(),
      KEYHOLD_DATABASE_URL: 'postgres://user:canary-password@127.0.0.1:9/keyhold',
    })
    expect(refused).toMatchObject({ code: 1 })
    expect(refused.stderr).toContain('ECONNREFUSED')
    expect(refused.stderr).not.toContain('canary-password')
  })
})

describe.each(databases)('a transaction on %s', (database) => {
  test('that throws leaves nothing, one that ends is there for the next connection', async () => {
    const dataDir = newDirectory()
    const postgres = database === 'postgres' ? await newPostgresDatabase() : undefined
    const location = postgres ? { databaseUrl: postgres.url } : { dataDir }
    const storage = await openStorage(location)
    const insert = (name: string, fails: boolean) =>
      storage.transaction(async (tx) => {
        await tx.insertInto('instance').values({ name, value: 'x' }).execute()
        if (fails) throw new Error('no')
      })
    await expect(insert('a', true)).rejects.toThrow('no')
    await insert('b', false)
    await Promise.all(Array.from({ length: 30 }, (_, i) => insert(`c${i}`, i % 2 === 0).catch(() => {})))
    await storage.close()
    const again = await openStorage(location)
    const rows = await again.db.selectFrom('instance').select('name').where('name', '!=', 'id').execute()
    expect(rows.map((row) => row.name).sort()).toEqual(
      ['b', ...Array.from({ length: 30 }, (_, i) => `c${i}`).filter((_, i) => i % 2 === 1)].sort(),
    )
    await again.close()
    await postgres?.drop()
  })
})
