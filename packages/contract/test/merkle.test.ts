import { createHash } from 'node:crypto'
import { leafHash, MerkleTree } from '@keyhold/contract/merkle'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest()
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/** The leaves and roots that the certificate-transparency implementations test with. */
const inputs = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
]
const roots = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
]

/** RFC 6962 §2.1 as it is written: the list split at the largest power of two below its length. */
function rootOf(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return sha256(new Uint8Array())
  if (leaves.length === 1) return sha256(Buffer.concat([Uint8Array.of(0), leaves[0]!]))
  let split = 1
  while (split * 2 < leaves.length) split *= 2
  return sha256(
    Buffer.concat([Uint8Array.of(1), rootOf(leaves.slice(0, split)), rootOf(leaves.slice(split))]),
  )
}

function treeOf(leaves: readonly Uint8Array[]): MerkleTree {
  const tree = new MerkleTree(sha256)
  for (const leaf of leaves) tree.append(leafHash(sha256, leaf))
  return tree
}

describe('the tree of RFC 6962', () => {
  test('known answers: the roots of the certificate-transparency test vectors', () => {
    const leaves = inputs.map((input) => Buffer.from(input, 'hex'))
    expect(roots.map((_root, size) => hex(treeOf(leaves.slice(0, size)).root()))).toEqual(roots)
    expect(roots.map((_root, size) => hex(rootOf(leaves.slice(0, size))))).toEqual(roots)
  })

  test('equals the recursive definition for any leaves', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 130 }), (leaves) => {
        const tree = treeOf(leaves)
        expect(tree.size).toBe(leaves.length)
        expect(hex(tree.root())).toBe(hex(rootOf(leaves)))
      }),
      { numRuns: 200 },
    )
  })

  test('goes on from the edge of any size as if it had never stopped', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 80 }),
        fc.nat(),
        (leaves, at) => {
          const size = at % (leaves.length + 1)
          const stopped = treeOf(leaves.slice(0, size))
          const tree = new MerkleTree(sha256, size, stopped.edge)
          expect(hex(tree.root())).toBe(hex(stopped.root()))
          for (const leaf of leaves.slice(size)) tree.append(leafHash(sha256, leaf))
          expect(hex(tree.root())).toBe(hex(rootOf(leaves)))
          expect(hex(tree.edge)).toBe(hex(treeOf(leaves).edge))
          // The tree that was stopped is not touched by the one that goes on.
          expect(hex(stopped.root())).toBe(hex(rootOf(leaves.slice(0, size))))
        },
      ),
      { numRuns: 200 },
    )
  })

  test('the edge of every size up to 300 has one hash per 1-bit', () => {
    const tree = new MerkleTree(sha256)
    for (let size = 0; size <= 300; size++) {
      expect(tree.edge.length).toBe(32 * size.toString(2).replaceAll('0', '').length)
      tree.append(leafHash(sha256, Buffer.from(String(size))))
    }
  })

  test('sizes above 2^32 keep their edge', () => {
    const size = 2 ** 40 + 1
    const edge = Buffer.concat([sha256(Buffer.from('left')), sha256(Buffer.from('right'))])
    const tree = new MerkleTree(sha256, size, edge)
    tree.append(leafHash(sha256, Buffer.from('next')))
    expect(tree.size).toBe(size + 1)
    expect(tree.edge.length).toBe(64)
    expect(hex(tree.edge.slice(0, 32))).toBe(hex(edge.subarray(0, 32)))
  })

  test('an edge of another size is refused', () => {
    const { edge } = treeOf(inputs.slice(0, 5).map((input) => Buffer.from(input, 'hex')))
    for (const [size, bytes] of [
      [4, edge],
      [7, edge],
      [5, edge.slice(1)],
      [5, edge.slice(0, 32)],
      [0, edge],
      [5, new Uint8Array()],
    ] as const) {
      expect(() => new MerkleTree(sha256, size, bytes)).toThrow('does not belong')
    }
  })
})
