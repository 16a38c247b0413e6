/*
 * The tree of RFC 6962 §2.1: leaf hash H(0x00 ‖ data), node hash H(0x01 ‖ left ‖ right). Kept as its right edge: the
 * roots of the perfect subtrees that its size is made of (one per 1-bit of the size), largest first. That is all an
 * append needs.
 */

export const HASH_BYTES = 32

/** SHA-256, given by the caller so that this runs in Node and in browsers. Must not keep its input. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array

export function leafHash(sha256: Sha256, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(1 + data.length)
  bytes.set(data, 1)
  return sha256(bytes)
}

export function nodeHash(sha256: Sha256, left: Uint8Array, right: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(1 + 2 * HASH_BYTES)
  bytes[0] = 0x01
  bytes.set(left, 1)
  bytes.set(right, 1 + HASH_BYTES)
  return sha256(bytes)
}

/** A tree that grows at its end. */
export class MerkleTree {
  readonly #sha256: Sha256
  readonly #edge: Uint8Array[]
  #size: number

  /** @param edge what {@link MerkleTree.edge} gave for a tree of `size` leaves. @throws Error when they do not fit. */
  constructor(sha256: Sha256, size = 0, edge: Uint8Array = new Uint8Array()) {
    this.#sha256 = sha256
    this.#size = size
    this.#edge = []
    for (let i = 0; i < edge.length; i += HASH_BYTES) this.#edge.push(edge.slice(i, i + HASH_BYTES))
    if (edge.length !== HASH_BYTES * countOnes(size))
      throw new Error('the edge does not belong to a tree of this size')
  }

  get size(): number {
    return this.#size
  }

  /** The right edge, 32 bytes per perfect subtree. */
  get edge(): Uint8Array {
    const bytes = new Uint8Array(this.#edge.length * HASH_BYTES)
    for (const [i, hash] of this.#edge.entries()) bytes.set(hash, i * HASH_BYTES)
    return bytes
  }

  /** Adds a leaf by its hash. */
  append(hash: Uint8Array): void {
    let node = hash
    // Each trailing 1-bit of the size is a perfect subtree as large as the node, waiting for its right half.
    for (let size = this.#size; size % 2 === 1; size = Math.floor(size / 2)) {
      node = nodeHash(this.#sha256, this.#edge.pop()!, node)
    }
    this.#edge.push(node)
    this.#size += 1
  }

  /** Root hash; of the empty tree, the hash of nothing. */
  root(): Uint8Array {
    let root = this.#edge.at(-1)
    if (!root) return this.#sha256(new Uint8Array())
    for (const left of this.#edge.slice(0, -1).reverse()) root = nodeHash(this.#sha256, left, root)
    return root
  }
}

function countOnes(size: number): number {
  let ones = 0
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) ones += rest % 2
  return ones
}
