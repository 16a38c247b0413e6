/*
 * Fills an instance as years of use would, for measuring at scale. Run it while no server runs:
 *
 *   node bench/src/fill.ts --data-dir DIR [--database-url postgres://…] [--records COUNT] [--secrets COUNT]
 *
 *   --records   audit records, as leaves of a valid tree, two years of them up to now
 *   --secrets   secrets with sealed values, 1,000 in a project, with their records
 *
 * It prints what was made as JSON: names to filter by, and how many records they have.
 */
import { randomBytes, randomInt } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import { parseArgs } from 'node:util'
import { MerkleTree } from '@keyhold/contract/merkle'
import { Secret } from '@keyhold/contract/secret'
import pg from 'pg'
import type { Asker, Person } from '../../packages/server/src/access/caller.ts'
import { appendLeaf, type PendingRecord, sha256 } from '../../packages/server/src/audit/leaf.ts'
import { type Core, composeCore } from '../../packages/server/src/compose/core.ts'
import { readConfig } from '../../packages/server/src/config/config.ts'
import type { Tables } from '../../packages/server/src/storage/tables.ts'

const SECRETS_PER_PROJECT = 1_000
const SECRETS_PER_IMPORT = 400
const ROWS_PER_COMMIT = 20_000
const YEARS_MS = 2 * 365 * 86_400_000

/** Where the instance is; both as the server's own variables have it. */
export interface Place {
  readonly dataDir: string
  readonly databaseUrl?: string | undefined
}

/** What a filter finds in a log that was filled here. */
export interface Filled {
  readonly records: number
  readonly secrets: number
  /** Account of whom a hundredth of the records are. */
  readonly person: string
  /** Name in a fifth of the records. */
  readonly commonSecret: string
  /** Name in one record, the oldest. */
  readonly rareSecret: string
  readonly project: string
  /** A day in the middle, from its beginning to its end. */
  readonly from: string
  readonly to: string
}

const log = (text: string) => process.stderr.write(`${text}\n`)

/** Adds secrets, then records. The instance may be new. */
export async function fill(place: Place, counts: { records: number; secrets: number }): Promise<Filled> {
  const core = await composeCore(
    readConfig({
      KEYHOLD_DATA_DIR: place.dataDir,
      ...(place.databaseUrl !== undefined && { KEYHOLD_DATABASE_URL: place.databaseUrl }),
    }),
  )
  try {
    if (counts.secrets > 0) await addSecrets(core, counts.secrets)
    const names = await addRecords(core, place, counts.records)
    log('preparing proofs and searches')
    await core.audit.prepare()
    return { ...counts, ...names }
  } finally {
    await core.close()
  }
}

async function addSecrets(core: Core, count: number): Promise<void> {
  const asker = await newAdministrator(core)
  for (let made = 0; made < count; ) {
    const { id } = await core.projects.create(asker, `Filled ${randomBytes(6).toString('hex')}`, '')
    const room = Math.min(SECRETS_PER_PROJECT, count - made)
    for (let from = 0; from < room; from += SECRETS_PER_IMPORT) {
      const secrets = Array.from({ length: Math.min(SECRETS_PER_IMPORT, room - from) }, (_, i) => ({
        name: `SECRET_${from + i}`,
        value: randomBytes(24).toString('base64url'),
      }))
      await core.secretChanges.import(asker, id, undefined, secrets, 'refuse')
    }
    made += room
    log(`${made} secrets`)
  }
}

async function newAdministrator(core: Core): Promise<Asker<Person>> {
  const origin = { traceId: 'fill' }
  const operator = { caller: { kind: 'operator' }, origin } as const
  const account = await core.accounts.create(operator, {
    email: `filler-${randomBytes(6).toString('hex')}@example.com`,
    name: 'Filler',
    role: 'admin',
    password: new Secret(randomBytes(16).toString('hex')),
  })
  const { token } = await core.accessTokens.create(operator, account.id, {
    name: 'fill',
    scopes: null,
    expiresAt: null,
  })
  const caller = await core.accessTokens.authenticate(token.reveal())
  if (!caller) throw new Error('the token that was just made is not known')
  return { caller, origin }
}

const id = (prefix: string, number: number) => `${prefix}_${String(number).padStart(20, '0')}`
const pick = <T>(from: readonly T[]): T => from[randomInt(from.length)]! // `!`: never empty here.

/** What happens in a team: mostly deliveries to machines, some looks and changes by people, some refusals. */
function* invented(count: number, until: number): Generator<PendingRecord> {
  for (let i = 0; i < count; i++) {
    const time = until - Math.floor(((count - i) / count) * YEARS_MS)
    const isMachine = i % 10 < 7
    const action = isMachine
      ? 'secret.read'
      : pick(['secret.update', 'secret.create', 'session.create', 'personal-secret.read'])
    const outcome = i % 97 === 0 ? 'refused' : 'success'
    const project = id('prj', randomInt(100))
    const name = i === 0 ? 'RARE_SECRET' : i % 5 === 0 ? 'COMMON_SECRET' : `SECRET_${randomInt(5_000)}`
    const isSecret = action !== 'session.create'
    const actor = isMachine
      ? { kind: 'access-key', id: id('key', randomInt(200)) }
      : { kind: 'person', id: id('usr', randomInt(30)) }
    const record = {
      time: new Date(time).toISOString(),
      action,
      outcome,
      ...(outcome === 'refused' && { reason: 'access.refused' }),
      actor,
      ...(isSecret && { project: { id: project, name: 'Filled' }, environment: 'All' }),
      ...(isSecret && { target: { kind: 'secret', id: id('sec', randomInt(5_000)), name, version: 1 } }),
      address: '192.0.2.7',
      client: 'keyhold/0.1.0 (linux)',
      traceId: randomBytes(8).toString('hex'),
    }
    yield {
      json: JSON.stringify(record),
      time,
      action,
      outcome,
      actorId: actor.id,
      projectId: isSecret ? project : null,
      workspaceId: null,
      secretName: isSecret ? name : null,
    }
  }
}

type Row = Tables['audit_records']
const columns = [
  'leaf_index',
  'leaf_hash',
  'record',
  'time',
  'action',
  'outcome',
  'actor_id',
  'project_id',
  'secret_name',
  'workspace_id',
] as const

/** Writes rows past the server's own code, which waits for the disk after each batch. */
interface BulkWriter {
  write(rows: readonly Row[], tree: MerkleTree): Promise<void>
  close(): Promise<void>
}

async function addRecords(
  core: Core,
  place: Place,
  count: number,
): Promise<Omit<Filled, 'records' | 'secrets'>> {
  const head = await core.storage.db
    .selectFrom('audit_head')
    .select(['size', 'edge'])
    .executeTakeFirstOrThrow()
  const tree = new MerkleTree(sha256, head.size, head.edge)
  const until = Date.now()
  const writer =
    place.databaseUrl === undefined
      ? openSqlite(core.storage.sqlitePath!)
      : await openPostgres(place.databaseUrl)
  let rows: Row[] = []
  const flush = async () => {
    if (rows.length > 0) await writer.write(rows, tree)
    rows = []
  }
  for (const entry of invented(count, until)) {
    rows.push(appendLeaf(tree, entry))
    if (rows.length < ROWS_PER_COMMIT) continue
    await flush()
    if (tree.size % 1_000_000 < ROWS_PER_COMMIT) log(`${tree.size} records`)
  }
  await flush()
  await writer.close()
  const noon = until - YEARS_MS / 2
  return {
    person: id('usr', 7),
    commonSecret: 'COMMON_SECRET',
    rareSecret: 'RARE_SECRET',
    project: id('prj', 7),
    from: new Date(noon).toISOString(),
    to: new Date(noon + 86_400_000).toISOString(),
  }
}

function openSqlite(path: string): BulkWriter {
  const db = new DatabaseSync(path)
  // Faster than the server may be: nobody relies on what is made here.
  db.exec('pragma synchronous = off; pragma cache_size = -1000000')
  const insert = db.prepare(
    `insert into audit_records (${columns.join(', ')}) values (${columns.map(() => '?').join(', ')})`,
  )
  const setHead = db.prepare('update audit_head set size = ?, edge = ?')
  return {
    write: async (rows, tree) => {
      db.exec('begin immediate')
      for (const row of rows) insert.run(...columns.map((column) => row[column]))
      setHead.run(tree.size, tree.edge)
      db.exec('commit')
    },
    close: async () => {
      db.exec('pragma wal_checkpoint(truncate)')
      db.close()
    },
  }
}

async function openPostgres(url: string): Promise<BulkWriter> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query('set synchronous_commit = off')
  const types = ['bigint', 'bytea', 'text', 'bigint', 'text', 'text', 'text', 'text', 'text']
  const arrays = types.map((type, i) => `$${i + 1}::${type}[]`).join(', ')
  return {
    write: async (rows, tree) => {
      await client.query('begin')
      const values = columns.map((column) => rows.map((row) => row[column]))
      await client.query(
        `insert into audit_records (${columns.join(', ')}) select * from unnest(${arrays})`,
        values,
      )
      await client.query('update audit_head set size = $1, edge = $2', [tree.size, Buffer.from(tree.edge)])
      await client.query('commit')
    },
    close: async () => {
      // As its own daemon would, sooner or later.
      await client.query('vacuum analyze')
      await client.end()
    },
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      'data-dir': { type: 'string' },
      'database-url': { type: 'string' },
      records: { type: 'string', default: '0' },
      secrets: { type: 'string', default: '0' },
    },
  })
  const counts = { records: Number(values.records), secrets: Number(values.secrets) }
  const dataDir = values['data-dir']
  if (dataDir === undefined || !Object.values(counts).every(Number.isSafeInteger)) {
    log(
      'usage: node bench/src/fill.ts --data-dir DIR [--database-url URL] [--records COUNT] [--secrets COUNT]',
    )
    process.exit(2)
  }
  const startedAt = performance.now()
  const filled = await fill({ dataDir, databaseUrl: values['database-url'] }, counts)
  log(`filled in ${Math.round((performance.now() - startedAt) / 1000)} s`)
  process.stdout.write(`${JSON.stringify(filled, null, 2)}\n`)
}
