import type { Kysely } from 'kysely'

/* Append-only: never edited after it landed (test/migrations.test.ts keeps its hash). */

export async function up(db: Kysely<unknown>): Promise<void> {
  // What agents last said is in effect in their workspaces.
  await db.schema
    .createTable('workspace_applied')
    .addColumn('workspace_id', 'text', (c) => c.primaryKey().references('workspaces.id').onDelete('cascade'))
    .addColumn('epoch', 'integer', (c) => c.notNull())
    .addColumn('version', 'text', (c) => c.notNull())
    .addColumn('items', 'text', (c) => c.notNull())
    .addColumn('applied_at', 'bigint', (c) => c.notNull())
    .execute()
}
