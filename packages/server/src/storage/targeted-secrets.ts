import type { Queries, SecretVersionRow, Tables, TargetedSecretRow, Transaction } from './tables.ts'

/** Where the secrets of a kind are, and their values by version. Both kinds have the columns of {@link TargetedSecretRow}. */
export type TargetedTables =
  | {
      readonly secrets: 'personal_secrets'
      readonly owner: 'account_id'
      readonly versions: 'personal_secret_versions'
      readonly secret: 'personal_secret_id'
    }
  | {
      readonly secrets: 'workspace_secrets'
      readonly owner: 'workspace_id'
      readonly versions: 'workspace_secret_versions'
      readonly secret: 'workspace_secret_id'
    }

export type SealedRow<Row> = Row & Pick<SecretVersionRow, 'sealed' | 'encoding'>

const columns = [
  'id',
  'name',
  'name_key',
  'type',
  'description',
  'env_name',
  'file_path',
  'is_enabled',
  'current_version',
  'value_bytes',
  'is_masked',
  'created_at',
  'updated_at',
  'rotated_at',
  'expires_at',
  'last_used_at',
] as const

/** The rows of secrets that go into variables and files of workspaces: one code for the tables of people and of workspaces. */
export class TargetedSecretRows<Row extends TargetedSecretRow> {
  // `as`: one of the two stands for both, in the columns that they share.
  readonly #secrets: 'personal_secrets'
  readonly #owner: 'account_id'
  readonly #versions: 'personal_secret_versions'
  readonly #secret: 'personal_secret_id'
  readonly #columns: (typeof columns)[number][]

  /** @param own columns of this kind alone, besides the owner. */
  constructor(tables: TargetedTables, own: readonly Exclude<keyof Row, keyof TargetedSecretRow>[]) {
    this.#secrets = tables.secrets as 'personal_secrets'
    this.#owner = tables.owner as 'account_id'
    this.#versions = tables.versions as 'personal_secret_versions'
    this.#secret = tables.secret as 'personal_secret_id'
    this.#columns = [...columns, tables.owner, ...own] as (typeof columns)[number][]
  }

  #select(db: Queries, ownerIds: readonly string[]) {
    return db
      .selectFrom(this.#secrets)
      .select(this.#columns.map((column) => `${this.#secrets}.${column}` as const))
      .where(`${this.#secrets}.${this.#owner}`, 'in', ownerIds)
  }

  /** All that these owners have, by name. */
  async list(db: Queries, ownerIds: readonly string[]): Promise<Row[]> {
    if (ownerIds.length === 0) return []
    const rows = await this.#select(db, ownerIds).orderBy('name_key').execute()
    return rows as unknown as Row[] // `as`: the columns of the constructor.
  }

  /** All of an owner's with their current values, still sealed. */
  async listSealed(db: Queries, ownerId: string): Promise<SealedRow<Row>[]> {
    const rows = await this.#select(db, [ownerId])
      .innerJoin(this.#versions, (join) =>
        join
          .onRef(`${this.#versions}.${this.#secret}`, '=', `${this.#secrets}.id`)
          .onRef(`${this.#versions}.version`, '=', `${this.#secrets}.current_version`),
      )
      .select([`${this.#versions}.sealed`, `${this.#versions}.encoding`])
      .orderBy(`${this.#secrets}.name_key`)
      .execute()
    return rows as unknown as SealedRow<Row>[] // `as`: likewise.
  }

  /** @returns undefined when the owner has none of this id. */
  async find(db: Queries, ownerId: string, id: string): Promise<Row | undefined> {
    const row = await this.#select(db, [ownerId]).where('id', '=', id).executeTakeFirst()
    return row as unknown as Row | undefined // `as`: likewise.
  }

  async findVersion(
    db: Queries,
    id: string,
    version: number,
  ): Promise<Pick<SecretVersionRow, 'sealed' | 'encoding'> | undefined> {
    return db
      .selectFrom(this.#versions)
      .select(['sealed', 'encoding'])
      .where(this.#secret, '=', id)
      .where('version', '=', version)
      .executeTakeFirst()
  }

  /** Newest first. */
  async listVersions(db: Queries, id: string): Promise<Pick<SecretVersionRow, 'version' | 'created_at'>[]> {
    return db
      .selectFrom(this.#versions)
      .select(['version', 'created_at'])
      .where(this.#secret, '=', id)
      .orderBy('version', 'desc')
      .execute()
  }

  async insert(tx: Transaction, ownerId: string, row: Row): Promise<void> {
    const values = { ...row, [this.#owner]: ownerId } as unknown as Tables['personal_secrets'] // `as`: see the top.
    await tx.insertInto(this.#secrets).values(values).execute()
  }

  /** Adds a version, and lets those go that are not kept. @param kept how many are, this one included. */
  async insertVersion(tx: Transaction, id: string, row: SecretVersionRow, kept: number): Promise<void> {
    const values = { ...row, [this.#secret]: id } as unknown as Tables['personal_secret_versions'] // `as`: see the top.
    await tx.insertInto(this.#versions).values(values).execute()
    await tx
      .deleteFrom(this.#versions)
      .where(this.#secret, '=', id)
      .where('version', '<=', row.version - kept)
      .execute()
  }

  async update(tx: Transaction, id: string, change: Partial<Row>): Promise<void> {
    const values = change as Partial<Tables['personal_secrets']> // `as`: see the top.
    await tx.updateTable(this.#secrets).set(values).where('id', '=', id).execute()
  }

  /** @returns the name of what was deleted; undefined when the owner has none of this id. */
  async delete(tx: Transaction, ownerId: string, id: string): Promise<{ name: string } | undefined> {
    return tx
      .deleteFrom(this.#secrets)
      .where(this.#owner, '=', ownerId)
      .where('id', '=', id)
      .returning('name')
      .executeTakeFirst()
  }

  /** Moves "last used" on where another request did not just do so. */
  async touch(tx: Transaction, ids: readonly string[], now: number, unlessSince: number): Promise<void> {
    await tx
      .updateTable(this.#secrets)
      .set({ last_used_at: now })
      .where('id', 'in', ids)
      .where((eb) => eb.or([eb('last_used_at', 'is', null), eb('last_used_at', '<', unlessSince)]))
      .execute()
  }
}
