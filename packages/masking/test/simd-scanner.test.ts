import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { hasWrappedLine } from '../src/encoded-blocks.ts'
import { type Match, PatternSet } from '../src/pattern-set.ts'
import { makeSimdScanner, moduleBytes } from '../src/simd-scanner.ts'

afterEach(() => vi.unstubAllGlobals())

/** Texts of few letters, so that much is found, and long enough for every seam between two searches. */
const bytes = (minLength: number, maxLength: number, letters = 'abc') =>
  fc
    .array(fc.constantFrom(...letters), { minLength, maxLength, size: 'max' })
    .map((chars) => Buffer.from(chars.join('')))

const byPosition = (matches: readonly Match[]) => matches.map(({ start, end }) => `${start}-${end}`).sort()

function occurrences(text: Buffer, patterns: readonly Buffer[]): string[] {
  const found = new Set<string>()
  for (const pattern of patterns) {
    for (let at = text.indexOf(pattern); at >= 0; at = text.indexOf(pattern, at + 1)) {
      found.add(`${at}-${at + pattern.length}`)
    }
  }
  return [...found].sort()
}

describe('the search in WebAssembly and the one in JavaScript', () => {
  test('the module is small and valid', () => {
    expect(moduleBytes(16, 29).length).toBeLessThan(1024)
    expect(makeSimdScanner(10, 5, 64)).toBeDefined()
  })

  test('M1: find what is there, in the scanner’s memory, in a copy and without WebAssembly', () => {
    const patterns = fc.array(bytes(8, 40), { minLength: 1, maxLength: 12 })
    fc.assert(
      fc.property(patterns, bytes(0, 6000), fc.nat(40), (list, random, at) => {
        // One is there for certain.
        const text = Buffer.concat([random.subarray(0, at), list[0] ?? random, random.subarray(at)])
        const items = list.map((item) => ({ bytes: item, owner: 0, isBounded: false }))
        const expected = occurrences(text, list)
        const find = (set: PatternSet, where: Buffer) => {
          const matches: Match[] = []
          set.find(where, 0, matches)
          return byPosition(matches)
        }
        const set = new PatternSet(items)
        expect(find(set, text)).toEqual(expected)
        const inPlace = set.takeText()?.subarray(0, text.length)
        if (inPlace === undefined) throw new Error('no WebAssembly')
        inPlace.set(text)
        expect(find(set, inPlace)).toEqual(expected)
        expect(find(set, text)).toEqual(expected)

        vi.stubGlobal('WebAssembly', undefined)
        const slow = new PatternSet(items)
        expect(slow.takeText()).toBeUndefined()
        vi.unstubAllGlobals()
        expect(find(slow, text)).toEqual(expected)
      }),
      { numRuns: 300 },
    )
  })

  test('M2: see the same wrapped lines', () => {
    const scanner = makeSimdScanner(10, 5, 64)
    if (scanner === undefined) throw new Error('no WebAssembly')
    const run = fc.integer({ min: 0, max: 130 })
    const breaks = fc.constantFrom('\n', '\r\n', ' ', '.', '\n\n', '\0', 'é')
    const letters = fc.constantFrom('A', 'z', '0', '9', '+', '/', '=', '_', '-')
    const part = fc.tuple(run, letters, breaks).map(([length, letter, end]) => letter.repeat(length) + end)
    const texts = fc.array(part, { maxLength: 60 }).map((parts) => Buffer.from(parts.join('')))
    fc.assert(
      fc.property(texts, fc.nat(70), (text, runBefore) => {
        const before = 'A'.repeat(runBefore)
        const expected = /[A-Za-z0-9+/=_-]{60}[\r\n]/.test(before + text.toString('latin1'))
        expect(hasWrappedLine(text, runBefore)).toBe(expected)
        expect(hasWrappedLine(text, runBefore, scanner)).toBe(expected)
        const place = takeOnce(scanner).subarray(0, text.length)
        place.set(text)
        expect(hasWrappedLine(place, runBefore, scanner)).toBe(expected)
      }),
      { numRuns: 2000 },
    )
  })
})

let taken: Buffer | undefined
function takeOnce(scanner: { takeText(): Buffer | undefined }): Buffer {
  taken ??= scanner.takeText()
  if (taken === undefined) throw new Error('no memory left')
  return taken
}
