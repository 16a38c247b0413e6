import type { Kysely } from 'kysely'

/* Append-only: never edited after it landed (test/migrations.test.ts keeps its hash). */

export async function up(db: Kysely<unknown>): Promise<void> {
  // The hosts that an identity is for; null: any, as before.
  await db.schema.alterTable('ssh_identities').addColumn('destinations', 'text').execute()
}
