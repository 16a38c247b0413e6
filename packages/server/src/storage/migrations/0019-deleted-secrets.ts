import { type Kysely, sql } from 'kysely'

/* Append-only: never edited after it landed (test/migrations.test.ts keeps its hash). */

export async function up(db: Kysely<unknown>, dialect: 'sqlite' | 'postgres'): Promise<void> {
  const bytes = dialect === 'postgres' ? sql`bytea` : sql`blob`
  const { schema } = db
  for (const column of ['gone_from', 'gone_until'])
    await schema.alterTable('secrets').addColumn(column, 'bigint').execute()
  await schema
    .createTable('deleted_secrets')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('project_id', 'text', (c) => c.notNull().references('projects.id').onDelete('cascade'))
    .addColumn('environment_id', 'text', (c) => c.notNull().references('environments.id').onDelete('cascade'))
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('type', 'text', (c) => c.notNull())
    .addColumn('description', 'text', (c) => c.notNull())
    .addColumn('current_version', 'integer', (c) => c.notNull())
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .addColumn('gone_from', 'bigint')
    .addColumn('gone_until', 'bigint')
    .addColumn('deleted_at', 'bigint', (c) => c.notNull())
    .execute()
  await schema
    .createIndex('deleted_secrets_environment')
    .on('deleted_secrets')
    .columns(['environment_id', 'deleted_at'])
    .execute()
  await schema
    .createTable('deleted_secret_versions')
    .addColumn('secret_id', 'text', (c) => c.notNull().references('deleted_secrets.id').onDelete('cascade'))
    .addColumn('version', 'integer', (c) => c.notNull())
    .addColumn('sealed', bytes, (c) => c.notNull())
    .addColumn('encoding', 'text', (c) => c.notNull())
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .addColumn('created_by', 'text')
    .addColumn('has_references', 'integer', (c) => c.notNull())
    .addPrimaryKeyConstraint('deleted_secret_versions_key', ['secret_id', 'version'])
    .execute()
  await schema
    .createTable('deleted_secret_references')
    .addColumn('secret_id', 'text', (c) => c.notNull().references('deleted_secrets.id').onDelete('cascade'))
    .addColumn('version', 'integer', (c) => c.notNull())
    .addColumn('environment', 'text', (c) => c.notNull())
    .addColumn('name', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('deleted_secret_references_key', ['secret_id', 'version', 'environment', 'name'])
    .execute()
}
