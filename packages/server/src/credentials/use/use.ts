import type { SecretUse } from '@keyhold/contract/api/uses'
import type { RecordDetail } from '../../access/access.ts'
import type { Transaction } from '../../storage/tables.ts'

/** How long a place is remembered, so that a run which reports it again makes no second record. */
export const REMEMBERED_MS = 7 * 86_400_000

/** What uses can be of: the secrets of a project, or those that a workspace gets. */
export interface UsableSecrets {
  /**
   * Finds which of these names could have been delivered, and keeps that they were used.
   * @returns by name what its record says; names that could not are missing.
   */
  find(tx: Transaction, names: ReadonlySet<string>): Promise<ReadonlyMap<string, RecordDetail>>
}

/** One place where one name was used: the same again is no new use. */
export function placeOf({ name, kind, program, file, line, via }: SecretUse): string {
  return JSON.stringify([name, kind, program, file, line, via])
}

/** What the audit log keeps of a use beside what the secret's record says. */
export function useDetail(run: string, use: SecretUse): NonNullable<RecordDetail['use']> {
  const { kind, program, file, line, column, via, count } = use
  return {
    run,
    kind,
    program,
    ...(file !== undefined && { file }),
    ...(line !== undefined && { line }),
    ...(column !== undefined && { column }),
    ...(via !== undefined && { via }),
    ...(count !== undefined && count > 1 && { count }),
  }
}
