import { type Kysely, sql } from 'kysely'

/* Append-only: never edited after it landed (test/migrations.test.ts keeps its hash). */

export async function up(db: Kysely<unknown>, dialect: 'sqlite' | 'postgres'): Promise<void> {
  // One more copy for filtering: what happened in a workspace, whoever did it.
  await db.schema.alterTable('audit_records').addColumn('workspace_id', 'text').execute()
  const told = dialect === 'postgres' ? sql`record::json ->> 'workspace'` : sql`record ->> '$.workspace'`
  await sql`update audit_records set workspace_id = ${told} where record like '%"workspace":"ws-%'`.execute(
    db,
  )
  // Most records are of no workspace, and cost nothing here.
  await sql`create index audit_records_workspace_id on audit_records (workspace_id, leaf_index)
    where workspace_id is not null`.execute(db)
}
