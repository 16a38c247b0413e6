import { type Kysely, sql } from 'kysely'

/* Append-only: never edited after it landed (test/migrations.test.ts keeps its hash). */

export async function up(db: Kysely<unknown>, dialect: 'sqlite' | 'postgres'): Promise<void> {
  // Blocks of 256 records whose contents were removed: their leaf hashes, one after the other.
  await db.schema
    .createTable('audit_removed')
    .addColumn('position', 'bigint', (c) => c.primaryKey())
    .addColumn('hashes', dialect === 'postgres' ? sql`bytea` : sql`blob`, (c) => c.notNull())
    .addColumn('removed_at', 'bigint', (c) => c.notNull())
    .execute()
}
