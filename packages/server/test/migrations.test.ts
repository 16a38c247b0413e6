import { spawn } from 'node:child_process'
import { createHash, randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { sql } from 'kysely'
import pg from 'pg'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { migrations } from '../src/storage/migrations/migrations.ts'
import { openStorage, type Storage, type StorageLocation } from '../src/storage/storage.ts'
import { databases, newPostgresDatabase, type TestDatabase } from './kit.ts'
import landed from './migrations.json' with { type: 'json' }

// Processes and disks take their time where the machine is busy with other things.
vi.setConfig({ testTimeout: 120_000 })

const folder = new URL('../src/storage/migrations/', import.meta.url)
const files = readdirSync(folder).filter((name) => name !== 'migrations.ts')

describe('migrations', () => {
  test('that landed never change; a new one is added to migrations.json with its hash', () => {
    const hashes = files.map((name) => [
      name,
      createHash('sha256')
        .update(readFileSync(new URL(name, folder)))
        .digest('hex'),
    ])
    expect(Object.fromEntries(hashes)).toEqual(landed)
  })

  test.each(databases)('are the files of the folder, in order, on %s', (database) => {
    expect(Object.keys(migrations(database)).map((name) => `${name}.ts`)).toEqual(files.toSorted())
    files.toSorted().forEach((name, i) => {
      expect(name).toMatch(new RegExp(`^${String(i + 1).padStart(4, '0')}-[a-z-]+\\.ts$`))
    })
  })

  test('use nothing of the application, which may change', () => {
    for (const name of files) {
      const imports = [...readFileSync(new URL(name, folder), 'utf8').matchAll(/ from '([^']+)'/g)]
      expect(imports.map((match) => match[1])).toEqual(['kysely'])
    }
  })
})

async function newLocation(database: TestDatabase): Promise<StorageLocation> {
  const dataDir = mkdtempSync(join(tmpdir(), 'keyhold-migrations-'))
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }))
  if (database === 'sqlite') return { dataDir }
  const postgres = await newPostgresDatabase()
  onTestFinished(postgres.drop)
  return { databaseUrl: postgres.url }
}

/** All that is stored, by table. */
async function contents({ db }: Storage): Promise<Record<string, unknown[]>> {
  const tables = (await db.introspection.getTables()).map((table) => table.name).toSorted()
  const all: Record<string, unknown[]> = {}
  for (const table of tables) {
    const { rows } = await sql`select * from ${sql.table(table)} order by 1`.execute(db)
    all[table] = rows
  }
  return all
}

const script = fileURLToPath(new URL('./open-storage.ts', import.meta.url))
function openInProcess(location: StorageLocation) {
  const where = 'dataDir' in location ? location.dataDir : location.databaseUrl
  const child = spawn(process.execPath, [script, where], { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines = new Set<string>()
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    for (const line of text.split('\n')) lines.add(line)
    child.emit('said')
  })
  const until = async (line: string) => {
    while (!lines.has(line)) await once(child, 'said')
  }
  return { child, lines, until, ended: once(child, 'close') }
}

describe.each(databases)('a database on %s', (database) => {
  test('keeps its data when it is opened again', async () => {
    const location = await newLocation(database)
    const first = await openStorage(location)
    await first.transaction(async (tx) => {
      const project = {
        id: 'prj_1',
        name: 'Ä 🔑',
        name_key: 'ä 🔑',
        description: '',
        created_at: 1_700_000_000_123,
      }
      await tx.insertInto('projects').values(project).execute()
      await tx
        .insertInto('audit_records')
        .values({
          leaf_index: 2 ** 40,
          leaf_hash: Buffer.from([0, 1, 255]),
          record: '{"a":"\u2028"}',
          time: 1,
          action: 'a',
          outcome: 'success',
          actor_id: null,
          project_id: 'prj_1',
          secret_name: null,
        })
        .execute()
    })
    const before = await contents(first)
    await first.close()
    const second = await openStorage(location)
    expect(await contents(second)).toEqual(before)
    const row = await second.db.selectFrom('audit_records').selectAll().executeTakeFirstOrThrow()
    expect(row.leaf_index).toBe(2 ** 40)
    expect(Buffer.from(row.leaf_hash).toString('hex')).toBe('0001ff')
    await second.close()
  })

  test('is made by several servers that start at once (real processes)', async () => {
    const location = await newLocation(database)
    const processes = Array.from({ length: 3 }, () => openInProcess(location))
    expect(await Promise.all(processes.map(({ ended }) => ended))).toEqual(processes.map(() => [0, null]))
    const storage = await openStorage(location)
    expect(await storage.db.selectFrom('audit_head').select('size').execute()).toEqual([{ size: 0 }])
    await storage.close()
  })

  test('whose first migration is killed at any moment is whole after the next start (O1)', async () => {
    let killed = 0
    for (let round = 0; round < 8; round++) {
      const location = await newLocation(database)
      const { child, until, lines, ended } = openInProcess(location)
      await until('opening')
      await sleep(randomInt(0, 40))
      child.kill('SIGKILL')
      await ended
      if (!lines.has('open')) killed += 1
      const storage = await openStorage(location)
      expect(await storage.db.selectFrom('audit_head').select('size').execute()).toEqual([{ size: 0 }])
      expect(await storage.db.selectFrom('secrets').select('id').execute()).toEqual([])
      await storage.close()
    }
    expect(killed).toBeGreaterThan(0)
  })

  test('whose migration fails half-way is as it was before, and is made when nothing is in the way (O1)', async () => {
    const location = await newLocation(database)
    const run = async (text: string) => {
      if ('dataDir' in location) {
        const db = new DatabaseSync(join(location.dataDir, 'keyhold.db'))
        const rows = db.prepare(text).all()
        db.close()
        return rows
      }
      const client = new pg.Client({ connectionString: location.databaseUrl })
      await client.connect()
      const { rows } = await client.query(text)
      await client.end()
      return rows
    }
    // In the way of one of the last tables that the first migration makes.
    await run('create table audit_checkpoints (note text)')
    await expect(openStorage(location)).rejects.toThrow(
      'cannot bring the database up to date (migration 0001-foundation)',
    )
    const tables = await run(
      database === 'sqlite'
        ? "select name from sqlite_schema where type = 'table'"
        : "select table_name as name from information_schema.tables where table_schema = 'public'",
    )
    const names = tables.map((row) => String(row.name)).filter((name) => !name.startsWith('kysely_'))
    expect(names).toEqual(['audit_checkpoints'])
    await run('drop table audit_checkpoints')
    const storage = await openStorage(location)
    expect(await storage.db.selectFrom('audit_checkpoints').select(['size']).execute()).toEqual([])
    await storage.close()
  })
})
