import { type Kysely, sql } from 'kysely'

/* Append-only: never edited after it landed (test/migrations.test.ts keeps its hash). */

export async function up(db: Kysely<unknown>, dialect: 'sqlite' | 'postgres'): Promise<void> {
  const bytes = dialect === 'postgres' ? sql`bytea` : sql`blob`
  const { schema } = db
  await schema
    .createTable('workload_identities')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('project_id', 'text', (c) => c.notNull().references('projects.id').onDelete('cascade'))
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('preset', 'text', (c) => c.notNull())
    .addColumn('issuer', 'text', (c) => c.notNull())
    .addColumn('audience', 'text', (c) => c.notNull())
    .addColumn('claims', 'text', (c) => c.notNull())
    .addColumn('jwks', 'text')
    .addColumn('permission', 'text', (c) => c.notNull())
    .addColumn('is_single_use', 'integer', (c) => c.notNull())
    .addColumn('is_active', 'integer', (c) => c.notNull())
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .addColumn('created_by', 'text')
    .addColumn('last_used_at', 'bigint')
    .addColumn('last_subject', 'text')
    .execute()
  await schema
    .createIndex('workload_identities_by_project')
    .on('workload_identities')
    .column('project_id')
    .execute()
  await schema
    .createTable('workload_credentials')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('identity_id', 'text', (c) =>
      c.notNull().references('workload_identities.id').onDelete('cascade'),
    )
    .addColumn('secret_hash', bytes, (c) => c.notNull())
    .addColumn('subject', 'text', (c) => c.notNull())
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .addColumn('expires_at', 'bigint', (c) => c.notNull())
    .execute()
  await schema
    .createIndex('workload_credentials_by_identity')
    .on('workload_credentials')
    .column('identity_id')
    .execute()
  await schema
    .createIndex('workload_credentials_by_end')
    .on('workload_credentials')
    .column('expires_at')
    .execute()
  // Tokens that were taken once and are not taken again.
  await schema
    .createTable('workload_token_uses')
    .addColumn('identity_id', 'text', (c) =>
      c.notNull().references('workload_identities.id').onDelete('cascade'),
    )
    .addColumn('token_hash', bytes, (c) => c.notNull())
    .addColumn('expires_at', 'bigint', (c) => c.notNull())
    .addPrimaryKeyConstraint('workload_token_uses_key', ['identity_id', 'token_hash'])
    .execute()
  await schema
    .createIndex('workload_token_uses_by_end')
    .on('workload_token_uses')
    .column('expires_at')
    .execute()
}
