import type { Kysely } from 'kysely'

/* Append-only: never edited after it landed (test/migrations.test.ts keeps its hash). */

export async function up(db: Kysely<unknown>): Promise<void> {
  const { schema } = db
  // What was stored before has no references: `${NAME}` in it stays as it is.
  for (const table of ['secrets', 'secret_versions']) {
    await schema
      .alterTable(table)
      .addColumn('has_references', 'integer', (c) => c.notNull().defaultTo(0))
      .execute()
  }
  await schema
    .createTable('secret_references')
    .addColumn('secret_id', 'text', (c) => c.notNull())
    .addColumn('version', 'integer', (c) => c.notNull())
    .addColumn('environment', 'text', (c) => c.notNull())
    .addColumn('name', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('secret_references_key', ['secret_id', 'version', 'environment', 'name'])
    .addForeignKeyConstraint(
      'secret_references_version',
      ['secret_id', 'version'],
      'secret_versions',
      ['secret_id', 'version'],
      (c) => c.onDelete('cascade'),
    )
    .execute()
  await schema.createIndex('secret_references_name').on('secret_references').column('name').execute()
}
