import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Kysely, PostgresDialect } from 'kysely'
import { Migrator } from 'kysely/migration'
import pg from 'pg'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { migrations } from '../src/storage/migrations/migrations.ts'
import { sqliteDialect } from '../src/storage/sqlite.ts'
import { openSqlite } from '../src/storage/sqlite-open.ts'
import { databases, newPostgresDatabase, startServer, type TestDatabase } from './kit.ts'
import { known, rootKey, Seeding, seeds } from './upgrade-seeds.ts'

// Processes and disks take their time where the machine is busy with other things.
vi.setConfig({ testTimeout: 300_000 })

/** Numbers of eight bytes as the server reads them. */
const types = new pg.TypeOverrides()
types.setTypeParser(20, Number)

const names = Object.keys(migrations('sqlite'))

/** A database as a server left it that knew the migrations up to `last`, with data of every kind that it knew. */
async function seeded(database: TestDatabase, last: string) {
  const dataDir = mkdtempSync(join(tmpdir(), 'keyhold-upgrade-'))
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }))
  const postgres = database === 'postgres' ? await newPostgresDatabase() : undefined
  if (postgres) onTestFinished(postgres.drop)
  const dialect = postgres
    ? new PostgresDialect({ pool: new pg.Pool({ connectionString: postgres.url, types }) })
    : sqliteDialect(openSqlite(join(dataDir, 'keyhold.db')), 'write')
  const db = new Kysely<Record<string, Record<string, unknown>>>({ dialect })
  const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations(database) } })
  const seed = new Seeding(db)
  for (const name of names.slice(0, names.indexOf(last) + 1)) {
    const { error } = await migrator.migrateTo(name)
    if (error) throw error
    await seeds[name]!(seed) // `!`: the first test sees that there is one.
  }
  await db.destroy()
  const env = {
    KEYHOLD_DATA_DIR: dataDir,
    KEYHOLD_ROOT_KEY: rootKey.toString('base64'),
    ...(postgres && { KEYHOLD_DATABASE_URL: postgres.url }),
  }
  return { env, where: postgres?.url ?? dataDir, rows: seed.rows }
}

/** Starts this release on it: every row is there, every value opens, and the log verifies. */
async function expectWhole({ env, rows }: Awaited<ReturnType<typeof seeded>>, last: string): Promise<void> {
  const { server, stop } = await startServer('sqlite', env)
  onTestFinished(stop)
  const { db } = server.core.storage
  const tables = new Map<string, Record<string, unknown>[]>()
  for (const { table, row } of rows) {
    // `as`: tables are named by the seeds.
    if (!tables.has(table))
      tables.set(
        table,
        await db
          .selectFrom(table as 'secrets')
          .selectAll()
          .execute(),
      )
    const plain = (value: unknown) =>
      value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value
    const has = tables
      .get(table)!
      .some((found) => Object.entries(row).every(([name, value]) => plain(found[name]) === plain(value)))
    expect([table, Object.keys(row), has]).toEqual([table, Object.keys(row), true])
  }
  const { token } = known
  const secret = `/api/v1/projects/${known.project}/secrets/${known.secret}/reveal`
  expect((await server.ok('POST', secret, { token, body: {} })).value).toBe(known.secretValue)
  if (last >= '0002') {
    const personal = `/api/v1/personal-secrets/${known.personalSecret}/reveal`
    expect((await server.ok('POST', personal, { token, body: {} })).value).toBe(known.personalValue)
  }
  if (last >= '0028') {
    const override = `/api/v1/projects/${known.project}/secrets/${known.secret}/override/reveal`
    expect((await server.ok('POST', override, { token, body: {} })).value).toBe(known.overrideValue)
  }
  expect(await server.core.audit.verify()).toMatchObject({ ok: true })
  // What happened in a workspace is found by it, also of the time before there was a column for that.
  const ofWorkspace = await server.core.audit.list({ workspaceId: 'ws-seeded00' }, 10)
  expect(ofWorkspace.records.map(({ action }) => action)).toEqual(
    last >= '0027' ? ['workspace-secret.create'] : [],
  )
  expect(await server.core.vault.verifyDataKeys(db)).toBe(2)
  expect(
    (await server.core.rootKeys.status()).rootKeys.filter(({ state }) => state === 'current'),
  ).toHaveLength(1)
  expect((await server.request('GET', '/readyz')).status).toBe(200)
}

const OPEN = fileURLToPath(new URL('./open-storage.ts', import.meta.url))
const KILLER = fileURLToPath(new URL('./kill-at-write.ts', import.meta.url))

test('every migration has a seed, with data in every table that it made (O1)', async () => {
  expect(Object.keys(seeds)).toEqual(names)
  const { rows } = await seeded('sqlite', names.at(-1)!)
  const seededTables = new Set(rows.map(({ table }) => table))
  const { server, stop } = await startServer('sqlite')
  const tables = (await server.core.storage.db.introspection.getTables()).map(({ name }) => name)
  await stop()
  // What the log and the servers make for themselves.
  const ownWork = [
    'audit_records',
    'audit_head',
    'audit_subtrees',
    'audit_spans',
    'audit_removed',
    'audit_checkpoints',
    'servers',
  ]
  const others = [...ownWork, 'keyring_wraps', 'repository_authorizations']
  expect(tables.filter((name) => !seededTables.has(name) && !others.includes(name))).toEqual([])
})

describe.each(databases)('an instance on %s', (database) => {
  test.each(names)('of migration %s is brought up to date with all it holds (O1)', async (last) => {
    await expectWhole(await seeded(database, last), last)
  })

  test('whose upgrade is killed at any write goes on at the next start, with all it holds (O1)', async () => {
    const place = await seeded(database, '0001-foundation')
    let kills = 0
    for (let at = 1; ; at += 1 + Math.floor(at / 2)) {
      const child = spawn(process.execPath, ['--import', KILLER, OPEN, place.where], {
        env: { PATH: process.env.PATH, KILL_AT: String(at), KILL_FROM: 'personal_secrets|kysely_migration' },
        stdio: 'ignore',
      })
      const [code, signal] = await once(child, 'close')
      if (signal !== 'SIGKILL') {
        expect(code).toBe(0)
        break
      }
      kills += 1
    }
    expect(kills).toBeGreaterThan(3)
    await expectWhole(place, '0001-foundation')
  })
})
