import { type Kysely, sql } from 'kysely'

/* Append-only: never edited after it landed (test/migrations.test.ts keeps its hash). */

export async function up(db: Kysely<unknown>, dialect: 'sqlite' | 'postgres'): Promise<void> {
  const bytes = dialect === 'postgres' ? sql`bytea` : sql`blob`
  const { schema } = db

  await schema
    .createTable('repository_providers')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('type', 'text', (c) => c.notNull())
    .addColumn('kind', 'text', (c) => c.notNull())
    .addColumn('base_url', 'text', (c) => c.notNull())
    .addColumn('host', 'text', (c) => c.notNull().unique())
    .addColumn('client_id', 'text')
    .addColumn('sealed_client_secret', bytes)
    .addColumn('secret_version', 'integer', (c) => c.notNull())
    .addColumn('ca', 'text')
    .addColumn('scopes', 'text', (c) => c.notNull())
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .addColumn('updated_at', 'bigint', (c) => c.notNull())
    .execute()

  await schema
    .createTable('repository_connections')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('account_id', 'text', (c) => c.notNull().references('accounts.id').onDelete('cascade'))
    .addColumn('provider_id', 'text', (c) =>
      c.notNull().references('repository_providers.id').onDelete('cascade'),
    )
    .addColumn('method', 'text', (c) => c.notNull())
    .addColumn('token_version', 'integer', (c) => c.notNull())
    .addColumn('sealed_token', bytes)
    .addColumn('sealed_refresh_token', bytes)
    .addColumn('token_expires_at', 'bigint')
    .addColumn('token_changed_at', 'bigint')
    .addColumn('login', 'text')
    .addColumn('remote_id', 'text')
    .addColumn('scopes', 'text', (c) => c.notNull())
    .addColumn('broken_reason', 'text')
    .addColumn('lease_id', 'text')
    .addColumn('lease_expires_at', 'bigint')
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .addColumn('updated_at', 'bigint', (c) => c.notNull())
    .addColumn('last_used_at', 'bigint')
    .addUniqueConstraint('repository_connections_provider', ['account_id', 'provider_id'])
    .execute()
  await schema
    .createIndex('repository_connections_by_provider')
    .on('repository_connections')
    .column('provider_id')
    .execute()

  await schema
    .createTable('repository_authorizations')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('account_id', 'text', (c) => c.notNull().references('accounts.id').onDelete('cascade'))
    .addColumn('provider_id', 'text', (c) =>
      c.notNull().references('repository_providers.id').onDelete('cascade'),
    )
    // Whoever signs out, or deletes the token, ends what was begun with it.
    .addColumn('session_id', 'text', (c) => c.references('sessions.id').onDelete('cascade'))
    .addColumn('access_token_id', 'text', (c) => c.references('access_tokens.id').onDelete('cascade'))
    .addColumn('state_hash', bytes, (c) => c.unique())
    .addColumn('browser_hash', bytes)
    .addColumn('code_hash', bytes)
    .addColumn('wrong_codes', 'integer', (c) => c.notNull())
    .addColumn('sealed_tokens', bytes)
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .addColumn('expires_at', 'bigint', (c) => c.notNull())
    .execute()
  await schema
    .createIndex('repository_authorizations_account')
    .on('repository_authorizations')
    .column('account_id')
    .execute()
}
