import { type Kysely, sql } from 'kysely'

/* Append-only: never edited after it landed (test/migrations.test.ts keeps its hash). */

export async function up(db: Kysely<unknown>): Promise<void> {
  const { schema } = db
  for (const table of ['secrets', 'deleted_secrets']) {
    await schema
      .alterTable(table)
      .addColumn('note', 'text', (c) => c.notNull().defaultTo(''))
      .execute()
    await schema.alterTable(table).addColumn('rotation_days', 'integer').execute()
  }
  await schema
    .alterTable('secrets')
    .addColumn('rotated_at', 'bigint', (c) => c.notNull().defaultTo(0))
    .execute()
  await sql`update secrets set rotated_at = (select created_at from secret_versions
    where secret_id = secrets.id and version = secrets.current_version)`.execute(db)
}
