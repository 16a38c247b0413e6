import { nodeHash } from '@keyhold/contract/merkle'
import { type LeafRange, splitOf } from '@keyhold/contract/merkle-proof'
import { AppError } from '../base/app-error.ts'
import type { Storage } from '../storage/storage.ts'
import { addSubtrees, countSubtrees, readHead, readLeafHashes, readSubtrees } from './audit.store.ts'
import { sha256 } from './leaf.ts'

/*
 * Hashes inside the tree, for proofs. The roots of all whole subtrees of 2^8, 2^16, 2^24 … leaves are kept, so that a
 * proof reads some hundred hashes however long the log is. They follow from the leaves and are trusted by nobody: a
 * proof made of wrong ones does not verify.
 */

const STEP = 8
const CHILDREN = 2 ** STEP
/** 2^40 records are more than any disk holds. */
const HEIGHT_MAX = 40
/** Subtrees that are made at once: 4,096 rows read, some milliseconds in which SQLite does nothing else. */
const BATCH = 16

export class AuditProofs {
  readonly #storage: Storage

  constructor(storage: Storage) {
    this.#storage = storage
  }

  /** Keeps the roots of the subtrees that have become whole. Of two servers at once each makes the same. */
  async grow(): Promise<void> {
    const { size } = await readHead(this.#storage.db)
    for (let height = STEP; height <= HEIGHT_MAX && 2 ** height <= size; height += STEP) {
      const whole = Math.floor(size / 2 ** height)
      for (let from = await countSubtrees(this.#storage.db, height); from < whole; from += BATCH) {
        const count = Math.min(BATCH, whole - from)
        const nodes = await this.#nodes(height - STEP, from * CHILDREN, count * CHILDREN)
        const hashes = Array.from({ length: count }, (_, i) =>
          rootOf(nodes.slice(i * CHILDREN, (i + 1) * CHILDREN)),
        )
        await this.#storage.transaction((tx) => addSubtrees(tx, height, from, hashes))
      }
    }
  }

  /** Roots of parts of the tree, as proofs are made of. Call {@link grow} before. */
  async hashes(ranges: readonly LeafRange[]): Promise<Uint8Array[]> {
    const found: Uint8Array[] = []
    for (const { start, end } of ranges) found.push(await this.#hash(start, end))
    return found
  }

  async #hash(start: number, end: number): Promise<Uint8Array> {
    const count = end - start
    const split = splitOf(count * 2)
    if (split !== count) {
      const middle = start + splitOf(count)
      return nodeHash(sha256, await this.#hash(start, middle), await this.#hash(middle, end))
    }
    const height = Math.log2(count)
    const kept = height - (height % STEP)
    return rootOf(await this.#nodes(kept, start / 2 ** kept, 2 ** (height - kept)))
  }

  /** @throws AppError `audit.incomplete` when records are missing. */
  async #nodes(height: number, from: number, count: number): Promise<Uint8Array[]> {
    const { db } = this.#storage
    const nodes =
      height === 0
        ? await readLeafHashes(db, from, from + count)
        : await readSubtrees(db, height, from, from + count)
    if (nodes.length !== count) throw new AppError('audit.incomplete')
    return nodes
  }
}

/** Of a power of two of nodes. */
export function rootOf(nodes: readonly Uint8Array[]): Uint8Array {
  let level = nodes
  while (level.length > 1) {
    level = Array.from({ length: level.length / 2 }, (_, i) =>
      nodeHash(sha256, level[2 * i]!, level[2 * i + 1]!),
    )
  }
  return level[0]!
}
