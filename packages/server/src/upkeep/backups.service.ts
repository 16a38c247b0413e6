import type { Access } from '../access/access.ts'
import { instance } from '../access/access.ts'
import type { Asker, Operator } from '../access/caller.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import { countOrphanedValues } from '../storage/scratch.ts'
import type { Storage } from '../storage/storage.ts'
import type { Vault } from '../vault/vault.ts'
import { countCredentials, revokeCredentials } from './restore.store.ts'

/** What a restored instance was found to hold. */
export interface Restored {
  readonly auditRecords: number
  readonly dataKeys: number
  readonly accessTokens: number
  readonly accessKeys: number
}

/** Records and checks of backups. The file is written and read by backup.ts. */
export class Backups {
  readonly #storage: Storage
  readonly #access: Access
  readonly #audit: AuditLog
  readonly #vault: Vault

  constructor(storage: Storage, access: Access, audit: AuditLog, vault: Vault) {
    this.#storage = storage
    this.#access = access
    this.#audit = audit
    this.#vault = vault
  }

  /** Records that a backup is made, before anything leaves. @param name of the file. */
  recordBackup(asker: Asker<Operator>, name: string): Promise<void> {
    return this.#access.perform(asker, 'backup.create', instance, async () => ({
      result: undefined,
      record: { target: { kind: 'backup', name } },
    }))
  }

  /**
   * Checks what was restored from end to end: the audit log as anybody can from outside, every data key, and that every
   * sealed value has one. @param directory of the SQLite database this instance is on. @throws Error that says what is wrong.
   */
  async check(directory: string): Promise<Restored> {
    const log = await this.#audit.verify()
    if (!log.ok) throw new Error(`the audit log does not verify: ${log.problem}`)
    const dataKeys = await this.#vault.verifyDataKeys(this.#storage.db)
    const orphaned = countOrphanedValues(directory)
    if (orphaned > 0) throw new Error(`${orphaned} sealed values have no data key`)
    return { auditRecords: log.size, dataKeys, ...(await countCredentials(this.#storage.db)) }
  }

  /**
   * Marks a restored instance in its audit log. @param madeAt when the backup was made.
   * @param isRevoking deletes all access tokens and deactivates all access keys as well.
   */
  recordRestore(asker: Asker<Operator>, madeAt: string, isRevoking: boolean): Promise<void> {
    return this.#access.perform(asker, 'backup.restore', instance, async (tx) => {
      if (isRevoking) await revokeCredentials(tx)
      const changed = ['sessions', ...(isRevoking ? ['accessTokens', 'accessKeys'] : [])]
      return { result: undefined, record: { target: { kind: 'backup', name: madeAt }, changed } }
    })
  }
}
