import type { Kysely } from 'kysely'

/* Append-only: never edited after it landed (test/migrations.test.ts keeps its hash). */

export async function up(db: Kysely<unknown>): Promise<void> {
  // The key by which SSH clients know the workspace; the agent tells it once.
  await db.schema.alterTable('workspace_agents').addColumn('host_key', 'text').execute()
}
