import { createHash } from 'node:crypto'
import { formatAuditProof, parseAuditProof } from '@keyhold/contract/audit-proof'
import { leafHash, nodeHash } from '@keyhold/contract/merkle'
import {
  consistencyRanges,
  inclusionRanges,
  type LeafRange,
  splitOf,
  verifyConsistency,
  verifyInclusion,
} from '@keyhold/contract/merkle-proof'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest()
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/** The leaves that the certificate-transparency implementations test with. */
const known = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
]
const leaves = (count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, i) => Buffer.from(known[i] ?? i.toString(16).padStart(8, '0'), 'hex'))

/** RFC 6962 §2.1 as it is written. */
function rootOf(list: readonly Uint8Array[]): Uint8Array {
  if (list.length === 0) return sha256(new Uint8Array())
  if (list.length === 1) return leafHash(sha256, list[0]!)
  const split = splitOf(list.length)
  return nodeHash(sha256, rootOf(list.slice(0, split)), rootOf(list.slice(split)))
}

const tree = (list: readonly Uint8Array[], size = list.length) => ({
  size,
  root: rootOf(list.slice(0, size)),
})
const hashesOf = (list: readonly Uint8Array[], ranges: readonly LeafRange[]) =>
  ranges.map(({ start, end }) => rootOf(list.slice(start, end)))

describe('proofs', () => {
  test('are those of certificate transparency (known answers)', () => {
    const list = leaves(8)
    const consistency = (from: number, to: number) => hashesOf(list, consistencyRanges(from, to)).map(hex)
    expect(consistency(1, 8)).toEqual([
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ])
    expect(consistency(6, 8)).toEqual([
      '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ])
    expect(consistency(2, 5)).toEqual([
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
    ])
    expect(hashesOf(list, inclusionRanges(5, 8)).map(hex)).toEqual([
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ])
  })

  test('of every leaf of every tree up to 70 hold, and for no other leaf, place, size or root', () => {
    const list = leaves(70)
    for (let size = 1; size <= 70; size++) {
      const whole = tree(list, size)
      for (let index = 0; index < size; index++) {
        const proof = hashesOf(list, inclusionRanges(index, size))
        const holds = (record: Uint8Array, at: number, of = whole, path = proof) =>
          verifyInclusion(sha256, record, at, of, path)
        expect(holds(list[index]!, index)).toBe(true)
        expect(holds(Buffer.from('other'), index)).toBe(false)
        expect(holds(list[index]!, index + 1)).toBe(false)
        expect(holds(list[index]!, -1)).toBe(false)
        expect(holds(list[index]!, index, { ...whole, root: sha256(whole.root) })).toBe(false)
        expect(holds(list[index]!, index, whole, [...proof, whole.root])).toBe(false)
        if (size > 1) expect(holds(list[index]!, index, whole, proof.slice(1))).toBe(false)
      }
    }
  })

  test('of growth hold between all sizes up to 70, and for nothing that was changed', () => {
    const list = leaves(70)
    for (let second = 0; second <= 70; second++) {
      for (let first = 0; first <= second; first++) {
        const proof = hashesOf(list, consistencyRanges(first, second))
        const holds = (a = tree(list, first), b = tree(list, second), path = proof) =>
          verifyConsistency(sha256, a, b, path)
        expect([first, second, holds()]).toEqual([first, second, true])
        expect(holds({ size: first, root: sha256(Buffer.from('other')) })).toBe(false)
        expect(holds(undefined, undefined, [...proof, sha256(new Uint8Array())])).toBe(false)
        if (proof.length > 0) expect(holds(undefined, undefined, proof.slice(1))).toBe(false)
        if (first < second) expect(holds(tree(list, second), tree(list, first))).toBe(false)
        if (first > 0 && first < second)
          expect(holds(undefined, { size: second, root: sha256(Buffer.from('other')) })).toBe(false)
      }
    }
  })

  test('work past 2^32 leaves, where bit operators do not', () => {
    const size = 2 ** 40 + 5
    expect(inclusionRanges(2 ** 40 + 4, size)).toEqual([
      { start: 2 ** 40, end: 2 ** 40 + 4 },
      { start: 0, end: 2 ** 40 },
    ])
    expect(consistencyRanges(2 ** 40, size)).toEqual([{ start: 2 ** 40, end: size }])
  })

  test('as files: what is written is read, and what is no file is refused (fuzzed)', () => {
    const hash = fc.uint8Array({ minLength: 32, maxLength: 32 })
    const proof = fc.record({
      record: fc.uint8Array({ minLength: 1 }),
      index: fc.maxSafeNat(),
      hashes: fc.array(hash),
      checkpoint: fc.constant('log\n5\nAAAA\n\n— log AAAA\n'),
    })
    fc.assert(
      fc.property(proof, (given) => {
        const read = parseAuditProof(formatAuditProof(given))
        expect(read?.index).toBe(given.index)
        expect(hex(read!.record)).toBe(hex(given.record))
        expect(read!.hashes.map(hex)).toEqual(given.hashes.map(hex))
        expect(read!.checkpoint).toBe(given.checkpoint)
      }),
    )
    fc.assert(fc.property(fc.string(), (text) => parseAuditProof(text) === undefined))
    for (const text of [
      '',
      'c2sp.org/tlog-proof@v1\nindex 1\n\nx',
      'c2sp.org/tlog-proof@v1\nextra AA==\nindex 01\n\nx',
    ])
      expect(parseAuditProof(text)).toBeUndefined()
  })
})
