import { setImmediate } from 'node:timers/promises'
import type { AuditRecord } from '@keyhold/contract/api/audit'
import { leafHash } from '@keyhold/contract/merkle'
import type { Clock } from '../base/clock.ts'
import type { Storage } from '../storage/storage.ts'
import type { Transaction } from '../storage/tables.ts'
import { countOldSpans, readBegin, readRecords, replaceByHashes } from './audit.store.ts'
import type { AuditLog } from './audit-log.ts'
import { rootOf } from './audit-proofs.ts'
import { SPAN, sha256 } from './leaf.ts'

/*
 * Removes what records say, and keeps that they were there: the tree and everything that is proven of it stay as they
 * are. Whole blocks go, always from the beginning of the log, so that one number says what is gone, and the newest
 * record of a removal says it for all removals before. Decision, record and removal are one transaction.
 */

const DAY_MS = 24 * 60 * 60_000
/** Blocks that are removed at once: some milliseconds in which SQLite does nothing else. */
const BLOCKS_PER_BATCH = 4

/** What may be removed, as it stays until the transaction ends. */
export interface Retention {
  /** Days that records are kept; null: for ever. */
  readonly days: number | null
  /** Records from here on are still wanted elsewhere. */
  readonly neededFrom: number
}

export interface RetentionParts {
  readonly storage: Storage
  readonly audit: AuditLog
  readonly clock: Clock
  readonly retention: (tx: Transaction) => Promise<Retention>
}

export class AuditRetention {
  readonly #parts: RetentionParts

  constructor(parts: RetentionParts) {
    this.#parts = parts
  }

  /** Removes what is old enough, a batch at a time. @throws Error when a block is not what was recorded: it stays. */
  async run(stopping: AbortSignal): Promise<void> {
    // Of a log that has just been brought up to date they may not be there yet.
    await this.#parts.audit.prepare()
    await this.#parts.audit.keepCheckpoint()
    while (!stopping.aborted && (await this.#removeBatch())) await setImmediate()
  }

  /** @returns whether there was anything to remove. */
  async #removeBatch(): Promise<boolean> {
    const { storage, audit, clock, retention } = this.#parts
    const now = clock.now().getTime()
    /** What may go, as the policy has it, and as the database says of itself. */
    const candidates = async (tx: Transaction) => {
      const { days, neededFrom } = await retention(tx)
      if (days === null) return undefined
      const oldest = now - days * DAY_MS
      const start = await readBegin(tx)
      const old = await countOldSpans(tx, start / SPAN, oldest, BLOCKS_PER_BATCH)
      const blocks = Math.min(old, Math.floor((neededFrom - start) / SPAN))
      return blocks > 0 ? { days, oldest, start, blocks } : undefined
    }
    const found = await storage.transaction(candidates)
    if (!found) return false
    const roots = await audit.signedBlocks(found.start / SPAN, found.blocks)
    return storage.transaction(async (tx) => {
      // Another server may have been here, or the policy have changed.
      const still = await candidates(tx)
      if (still?.start !== found.start) return still !== undefined
      const { days, oldest, start } = still
      const blocks = Math.min(still.blocks, found.blocks)
      const end = start + blocks * SPAN
      const hashes = intactHashes(await readRecords(tx, start, end), roots.slice(0, blocks), oldest)
      if (!hashes)
        throw new Error(
          `the audit records ${start} to ${end - 1} are not as they were recorded, and are kept`,
        )
      await replaceByHashes(tx, start, hashes, now)
      // Last: it takes the lock that deliveries wait for.
      await audit.appendIn(tx, {
        action: 'audit.remove',
        outcome: 'success',
        actor: { kind: 'server' },
        target: { kind: 'audit-records', name: `before ${end}` },
        removed: { before: end, retentionDays: days },
        origin: { traceId: 'retention' },
      })
      return true
    })
  }
}

/**
 * Leaf hashes of whole blocks. What was tampered with is evidence, and so is what is missing: it is not tidied away. Hashes
 * and times are those of the records' own bytes: whatever else the database says of them is not signed.
 * @param roots of the blocks, as they are in a signed tree; undefined for one that is not.
 * @returns undefined when a record is missing, changed or too young.
 */
function intactHashes(
  rows: readonly { readonly record: string }[],
  roots: readonly (Uint8Array | undefined)[],
  oldest: number,
): Uint8Array[] | undefined {
  if (rows.length !== roots.length * SPAN) return undefined
  const hashes = rows.map(({ record }) => leafHash(sha256, Buffer.from(record)))
  const isSigned = roots.every(
    (root, i) => root && Buffer.compare(root, rootOf(hashes.slice(i * SPAN, (i + 1) * SPAN))) === 0,
  )
  // `as`: what is signed was written by the log itself. Not a time is not old.
  const isOld = ({ record }: { readonly record: string }) =>
    Date.parse((JSON.parse(record) as AuditRecord).time) < oldest
  return isSigned && rows.every(isOld) ? hashes : undefined
}
