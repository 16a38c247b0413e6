import type { Kysely } from 'kysely'

/* Append-only: never edited after it landed (test/migrations.test.ts keeps its hash). */

export async function up(db: Kysely<unknown>): Promise<void> {
  const { schema } = db
  await schema
    .createTable('workspaces')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('owner_id', 'text', (c) => c.notNull().references('accounts.id').onDelete('cascade'))
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('name_key', 'text', (c) => c.notNull())
    .addColumn('description', 'text', (c) => c.notNull())
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .addUniqueConstraint('workspaces_owner_name', ['owner_id', 'name_key'])
    .execute()
  await schema
    .createTable('workspace_shares')
    .addColumn('workspace_id', 'text', (c) => c.notNull().references('workspaces.id').onDelete('cascade'))
    .addColumn('account_id', 'text', (c) => c.notNull().references('accounts.id').onDelete('cascade'))
    .addColumn('level', 'text', (c) => c.notNull())
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .addPrimaryKeyConstraint('workspace_shares_key', ['workspace_id', 'account_id'])
    .execute()
  await schema.createIndex('workspace_shares_account').on('workspace_shares').column('account_id').execute()
  await schema
    .createTable('workspace_environments')
    .addColumn('workspace_id', 'text', (c) => c.notNull().references('workspaces.id').onDelete('cascade'))
    .addColumn('environment_id', 'text', (c) => c.notNull().references('environments.id').onDelete('cascade'))
    .addColumn('position', 'integer', (c) => c.notNull())
    .addPrimaryKeyConstraint('workspace_environments_key', ['workspace_id', 'environment_id'])
    .execute()
  await schema
    .createIndex('workspace_environments_environment')
    .on('workspace_environments')
    .column('environment_id')
    .execute()
}
