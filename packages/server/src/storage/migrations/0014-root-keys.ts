import { type Kysely, sql } from 'kysely'

/* Append-only: never edited after it landed (test/migrations.test.ts keeps its hash). */

export async function up(db: Kysely<unknown>, dialect: 'sqlite' | 'postgres'): Promise<void> {
  const bytes = dialect === 'postgres' ? sql`bytea` : sql`blob`
  const { schema } = db

  await schema
    .createTable('root_keys')
    .addColumn('fingerprint', 'text', (c) => c.primaryKey())
    .addColumn('state', 'text', (c) =>
      c.notNull().check(sql`state in ('next', 'current', 'previous', 'retired')`),
    )
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .addColumn('activated_at', 'bigint')
    .addColumn('retired_at', 'bigint')
    .addColumn('kit_made_at', 'bigint')
    .addColumn('kit_proven_at', 'bigint')
    .execute()
  // Of two rotations begun at once, one fails.
  await sql`create unique index root_keys_state on root_keys (state) where state <> 'retired'`.execute(db)
  await sql`insert into root_keys (fingerprint, state, created_at, activated_at)
    select root_fingerprint, 'current', min(created_at), min(created_at) from keyring group by root_fingerprint`.execute(
    db,
  )

  await schema
    .createTable('keyring_wraps')
    .addColumn('root_fingerprint', 'text', (c) => c.notNull().references('root_keys.fingerprint'))
    .addColumn('version', 'integer', (c) => c.notNull().references('keyring.version'))
    .addColumn('wrapped', bytes, (c) => c.notNull())
    .addPrimaryKeyConstraint('keyring_wraps_key', ['root_fingerprint', 'version'])
    .execute()

  await schema
    .createTable('servers')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('host', 'text', (c) => c.notNull())
    .addColumn('release', 'text', (c) => c.notNull())
    .addColumn('root_fingerprint', 'text', (c) => c.notNull())
    .addColumn('started_at', 'bigint', (c) => c.notNull())
    .addColumn('seen_at', 'bigint', (c) => c.notNull())
    .execute()
}
