import { type Kysely, sql } from 'kysely'

/* Append-only: never edited after it landed (test/migrations.test.ts keeps its hash). */

export async function up(db: Kysely<unknown>, dialect: 'sqlite' | 'postgres'): Promise<void> {
  const bytes = dialect === 'postgres' ? sql`bytea` : sql`blob`
  const { schema } = db
  await schema
    .createTable('secret_overrides')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('project_id', 'text', (c) => c.notNull())
    .addColumn('account_id', 'text', (c) => c.notNull())
    .addColumn('environment_id', 'text', (c) => c.notNull().references('environments.id').onDelete('cascade'))
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('version', 'integer', (c) => c.notNull())
    .addColumn('sealed', bytes, (c) => c.notNull())
    .addColumn('encoding', 'text', (c) => c.notNull())
    .addColumn('is_masked', 'integer', (c) => c.notNull())
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .addColumn('updated_at', 'bigint', (c) => c.notNull())
    .addUniqueConstraint('secret_overrides_name', ['environment_id', 'name', 'account_id'])
    // It ends with the membership, however that ends.
    .addForeignKeyConstraint(
      'secret_overrides_member',
      ['project_id', 'account_id'],
      'project_members',
      ['project_id', 'account_id'],
      (c) => c.onDelete('cascade'),
    )
    .execute()
  await schema
    .createIndex('secret_overrides_of_member')
    .on('secret_overrides')
    .columns(['project_id', 'account_id'])
    .execute()
}
