import type { Kysely } from 'kysely'

/* Append-only: never edited after it landed (test/migrations.test.ts keeps its hash). */

export async function up(db: Kysely<unknown>): Promise<void> {
  // Until now every password had the full length.
  await db.schema.alterTable('accounts').addColumn('has_short_password', 'integer').execute()
}
