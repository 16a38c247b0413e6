import { leafHash, nodeHash, type Sha256 } from './merkle.ts'

/*
 * Proofs about the tree of merkle.ts: that a record is in it (RFC 9162 §2.1.3), and that a later tree has grown out of
 * an earlier one (§2.1.4). Sizes pass 2^32, so there are no bit operators.
 */

/** Leaves from `start` up to before `end`, whose root is one hash of a proof. */
export interface LeafRange {
  readonly start: number
  readonly end: number
}

/** The largest power of two below `count`; `count` is 2 or more. */
export function splitOf(count: number): number {
  let split = 1
  while (split * 2 < count) split *= 2
  return split
}

/** What the proof consists of that leaf `index` is in the tree of `size` leaves, in its order. */
export function inclusionRanges(index: number, size: number): LeafRange[] {
  const ranges: LeafRange[] = []
  let start = 0
  let end = size
  while (end - start > 1) {
    const middle = start + splitOf(end - start)
    if (index < middle) {
      ranges.push({ start: middle, end })
      end = middle
    } else {
      ranges.push({ start, end: middle })
      start = middle
    }
  }
  return ranges.reverse()
}

/** What the proof consists of that the tree of `second` leaves has grown out of the one of `first`. */
export function consistencyRanges(first: number, second: number): LeafRange[] {
  if (first === 0 || first === second) return []
  const ranges: LeafRange[] = []
  let start = 0
  let end = second
  while (end !== first) {
    const middle = start + splitOf(end - start)
    if (first <= middle) {
      ranges.push({ start: middle, end })
      end = middle
    } else {
      ranges.push({ start, end: middle })
      start = middle
    }
  }
  // The root of the earlier tree is known to whoever checks; only a part of it has to be given.
  if (start > 0) ranges.push({ start, end })
  return ranges.reverse()
}

/** Whether `record` is leaf `index` of the tree with this size and root (RFC 9162 §2.1.3.2). */
export function verifyInclusion(
  sha256: Sha256,
  record: Uint8Array,
  index: number,
  tree: { readonly size: number; readonly root: Uint8Array },
  proof: readonly Uint8Array[],
): boolean {
  return verifyHash(sha256, leafHash(sha256, record), index, tree, proof)
}

/** As {@link verifyInclusion}, of a leaf whose hash is known. */
export function verifyHash(
  sha256: Sha256,
  leaf: Uint8Array,
  index: number,
  tree: { readonly size: number; readonly root: Uint8Array },
  proof: readonly Uint8Array[],
): boolean {
  if (!(index >= 0 && index < tree.size)) return false
  let node = index
  let last = tree.size - 1
  let hash = leaf
  for (const other of proof) {
    if (last === 0) return false
    if (node % 2 === 1 || node === last) {
      hash = nodeHash(sha256, other, hash)
      while (node % 2 === 0 && node !== 0) {
        node /= 2
        last = Math.floor(last / 2)
      }
    } else hash = nodeHash(sha256, hash, other)
    node = Math.floor(node / 2)
    last = Math.floor(last / 2)
  }
  return last === 0 && isSame(hash, tree.root)
}

/** Whether the second tree has grown out of the first, nothing changed (RFC 9162 §2.1.4.2). */
export function verifyConsistency(
  sha256: Sha256,
  first: { readonly size: number; readonly root: Uint8Array },
  second: { readonly size: number; readonly root: Uint8Array },
  proof: readonly Uint8Array[],
): boolean {
  if (first.size > second.size) return false
  if (first.size === second.size) return proof.length === 0 && isSame(first.root, second.root)
  // Everything grows out of the empty tree.
  if (first.size === 0) return proof.length === 0 && isSame(first.root, sha256(new Uint8Array()))
  const isWhole = splitOf(first.size * 2) === first.size
  const [start, ...path] = isWhole ? [first.root, ...proof] : proof
  if (start === undefined) return false
  let node = first.size - 1
  let last = second.size - 1
  while (node % 2 === 1) {
    node = Math.floor(node / 2)
    last = Math.floor(last / 2)
  }
  let before = start
  let after = start
  for (const other of path) {
    if (last === 0) return false
    if (node % 2 === 1 || node === last) {
      before = nodeHash(sha256, other, before)
      after = nodeHash(sha256, other, after)
      while (node % 2 === 0 && node !== 0) {
        node /= 2
        last = Math.floor(last / 2)
      }
    } else after = nodeHash(sha256, after, other)
    node = Math.floor(node / 2)
    last = Math.floor(last / 2)
  }
  return last === 0 && isSame(before, first.root) && isSame(after, second.root)
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}
