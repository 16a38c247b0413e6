import type { Kysely } from 'kysely'

/* Append-only: never edited after it landed (test/migrations.test.ts keeps its hash). */

export async function up(db: Kysely<unknown>): Promise<void> {
  // From when to when every 256 records are: made in the background, also for the records that are there.
  await db.schema
    .createTable('audit_spans')
    .addColumn('position', 'bigint', (c) => c.primaryKey())
    .addColumn('earliest', 'bigint', (c) => c.notNull())
    .addColumn('latest', 'bigint', (c) => c.notNull())
    .execute()
  // Spans do what it did, and cost a delivery nothing.
  await db.schema.dropIndex('audit_records_time').execute()
}
