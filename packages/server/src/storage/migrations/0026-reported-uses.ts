import type { Kysely } from 'kysely'

/* Append-only: never edited after it landed (test/migrations.test.ts keeps its hash). */

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('reported_uses')
    .addColumn('run_key', 'text', (c) => c.notNull())
    .addColumn('place_key', 'text', (c) => c.notNull())
    .addColumn('reported_at', 'bigint', (c) => c.notNull())
    .addPrimaryKeyConstraint('reported_uses_pk', ['run_key', 'place_key'])
    .execute()
  await db.schema.createIndex('reported_uses_by_time').on('reported_uses').column('reported_at').execute()
}
