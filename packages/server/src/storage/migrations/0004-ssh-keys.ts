import { type Kysely, sql } from 'kysely'

/* Append-only: never edited after it landed (test/migrations.test.ts keeps its hash). */

export async function up(db: Kysely<unknown>, dialect: 'sqlite' | 'postgres'): Promise<void> {
  const bytes = dialect === 'postgres' ? sql`bytea` : sql`blob`
  await db.schema
    .createTable('ssh_keys')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('account_id', 'text', (c) => c.notNull().references('accounts.id').onDelete('cascade'))
    // A key lets its owner in, and says who that is: it is one person's, and of two who add it at once one gets it.
    .addColumn('fingerprint', 'text', (c) => c.notNull().unique())
    .addColumn('type', 'text', (c) => c.notNull())
    .addColumn('blob', bytes, (c) => c.notNull())
    .addColumn('bits', 'integer', (c) => c.notNull())
    .addColumn('comment', 'text', (c) => c.notNull())
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .addColumn('expires_at', 'bigint')
    .addColumn('last_used_at', 'bigint')
    .execute()
  await db.schema.createIndex('ssh_keys_account').on('ssh_keys').column('account_id').execute()
}
