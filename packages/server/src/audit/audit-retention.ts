import { setImmediate } from 'node:timers/promises'
import { leafHash } from '@keyhold/contract/merkle'
import type { Clock } from '../base/clock.ts'
import type { Storage } from '../storage/storage.ts'
import type { Transaction } from '../storage/tables.ts'
import { countOldSpans, readBegin, readForRemoval, readSubtrees, replaceByHashes } from './audit.store.ts'
import type { AuditLog } from './audit-log.ts'
import { rootOf } from './audit-proofs.ts'
import { SPAN, sha256 } from './leaf.ts'

/*
 * Removes what records say, and keeps that they were there: the tree and everything that is proven of it stay as they
 * are. Whole blocks go, always from the beginning of the log, so that one number says what is gone, and the newest
 * record of a removal says it for all removals before. Decision, record and removal are one transaction.
 */

const DAY_MS = 24 * 60 * 60_000
/** Height of the subtree that a block is. */
const BLOCK_HEIGHT = Math.log2(SPAN)
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
    while (!stopping.aborted && (await this.#removeBatch())) await setImmediate()
  }

  /** @returns whether there was anything to remove. */
  #removeBatch(): Promise<boolean> {
    const { storage, audit, clock, retention } = this.#parts
    return storage.transaction(async (tx) => {
      const { days, neededFrom } = await retention(tx)
      if (days === null) return false
      const now = clock.now().getTime()
      const oldest = now - days * DAY_MS
      const start = await readBegin(tx)
      const old = await countOldSpans(tx, start / SPAN, oldest, BLOCKS_PER_BATCH)
      const blocks = Math.min(old, Math.floor((neededFrom - start) / SPAN))
      if (blocks <= 0) return false
      const end = start + blocks * SPAN
      await replaceByHashes(tx, start, await intactHashes(tx, start, end, oldest), now)
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
 * Leaf hashes of whole blocks. What was tampered with is evidence, and so is what is missing: it is not tidied away.
 * @throws Error when a record is missing, changed or younger than its span says.
 */
async function intactHashes(
  tx: Transaction,
  start: number,
  end: number,
  oldest: number,
): Promise<Uint8Array[]> {
  const rows = await readForRemoval(tx, start, end)
  const hashes = rows.map(({ record }) => leafHash(sha256, Buffer.from(record)))
  const roots = await readSubtrees(tx, BLOCK_HEIGHT, start / SPAN, end / SPAN)
  const isWhole = rows.length === end - start && roots.length === (end - start) / SPAN
  const isSame =
    isWhole &&
    roots.every((root, i) => Buffer.compare(root, rootOf(hashes.slice(i * SPAN, (i + 1) * SPAN))) === 0)
  if (!isSame || rows.some(({ time }) => time >= oldest))
    throw new Error(`the audit records ${start} to ${end - 1} are not as they were recorded, and are kept`)
  return hashes
}
