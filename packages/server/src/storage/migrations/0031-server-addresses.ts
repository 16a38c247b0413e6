import type { Kysely } from 'kysely'

/* Append-only: never edited after it landed (test/migrations.test.ts keeps its hash). */

export async function up(db: Kysely<unknown>): Promise<void> {
  // Where the other servers reach this one: an agent is connected to one of them, and people come to any.
  await db.schema.alterTable('servers').addColumn('internal_url', 'text').execute()
}
