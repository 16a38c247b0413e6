import type { Kysely } from 'kysely'

/* Append-only: never edited after it landed (test/migrations.test.ts keeps its hash). */

export async function up(db: Kysely<unknown>): Promise<void> {
  const { schema } = db
  await schema
    .createTable('ssh_sessions')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('workspace_id', 'text', (c) => c.notNull().references('workspaces.id').onDelete('cascade'))
    .addColumn('account_id', 'text', (c) => c.notNull().references('accounts.id').onDelete('cascade'))
    .addColumn('server_id', 'text', (c) => c.notNull())
    .addColumn('level', 'text', (c) => c.notNull())
    .addColumn('address', 'text', (c) => c.notNull())
    .addColumn('fingerprint', 'text', (c) => c.notNull())
    .addColumn('began_at', 'bigint', (c) => c.notNull())
    .execute()
  await schema
    .createIndex('ssh_sessions_workspace')
    .on('ssh_sessions')
    .columns(['workspace_id', 'began_at'])
    .execute()
  await schema.createIndex('ssh_sessions_account').on('ssh_sessions').column('account_id').execute()
  await schema.createIndex('ssh_sessions_server').on('ssh_sessions').column('server_id').execute()
}
