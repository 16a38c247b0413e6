import { type Kysely, sql } from 'kysely'

/* Append-only: never edited after it landed (test/migrations.test.ts keeps its hash). */

export async function up(db: Kysely<unknown>, dialect: 'sqlite' | 'postgres'): Promise<void> {
  const bytes = dialect === 'postgres' ? sql`bytea` : sql`blob`
  const { schema } = db

  await schema
    .createTable('workspace_secrets')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('workspace_id', 'text', (c) => c.notNull().references('workspaces.id').onDelete('cascade'))
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('name_key', 'text', (c) => c.notNull())
    .addColumn('type', 'text', (c) => c.notNull())
    .addColumn('description', 'text', (c) => c.notNull())
    .addColumn('env_name', 'text')
    // No unique constraint: an index of PostgreSQL takes no 4,096 bytes. The workspace's lock keeps paths apart.
    .addColumn('file_path', 'text')
    .addColumn('is_enabled', 'integer', (c) => c.notNull())
    .addColumn('current_version', 'integer', (c) => c.notNull())
    .addColumn('value_bytes', 'integer', (c) => c.notNull())
    .addColumn('is_masked', 'integer', (c) => c.notNull())
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .addColumn('updated_at', 'bigint', (c) => c.notNull())
    .addColumn('rotated_at', 'bigint', (c) => c.notNull())
    .addColumn('expires_at', 'bigint')
    .addColumn('last_used_at', 'bigint')
    .addColumn('note', 'text', (c) => c.notNull())
    .addColumn('rotation_days', 'integer')
    .addUniqueConstraint('workspace_secrets_name', ['workspace_id', 'name_key'])
    .addUniqueConstraint('workspace_secrets_env_name', ['workspace_id', 'env_name'])
    .execute()
  await schema
    .createTable('workspace_secret_versions')
    .addColumn('workspace_secret_id', 'text', (c) =>
      c.notNull().references('workspace_secrets.id').onDelete('cascade'),
    )
    .addColumn('version', 'integer', (c) => c.notNull())
    .addColumn('sealed', bytes, (c) => c.notNull())
    .addColumn('encoding', 'text', (c) => c.notNull())
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .addPrimaryKeyConstraint('workspace_secret_versions_key', ['workspace_secret_id', 'version'])
    .execute()
}
