import { type Kysely, sql } from 'kysely'

/* Append-only: never edited after it landed (test/migrations.test.ts keeps its hash). */

export async function up(db: Kysely<unknown>, dialect: 'sqlite' | 'postgres'): Promise<void> {
  const bytes = dialect === 'postgres' ? sql`bytea` : sql`blob`
  await db.schema
    .createTable('device_logins')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('device_code_hash', bytes, (c) => c.notNull().unique())
    .addColumn('user_code_hash', bytes, (c) => c.notNull().unique())
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('scopes', 'text')
    .addColumn('token_expires_at', 'bigint', (c) => c.notNull())
    .addColumn('address', 'text')
    .addColumn('client', 'text')
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .addColumn('expires_at', 'bigint', (c) => c.notNull())
    .addColumn('interval_seconds', 'integer', (c) => c.notNull())
    .addColumn('last_polled_at', 'bigint')
    .addColumn('is_denied', 'integer', (c) => c.notNull())
    .addColumn('account_id', 'text', (c) => c.references('accounts.id').onDelete('cascade'))
    // Whoever signs out, or deletes the token, ends what was approved with it.
    .addColumn('session_id', 'text', (c) => c.references('sessions.id').onDelete('cascade'))
    .addColumn('access_token_id', 'text', (c) => c.references('access_tokens.id').onDelete('cascade'))
    .addColumn('confirmation_hash', bytes)
    .addColumn('wrong_codes', 'integer', (c) => c.notNull())
    .execute()
  await db.schema.createIndex('device_logins_by_end').on('device_logins').column('expires_at').execute()
}
