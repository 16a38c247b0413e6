import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MaskingStream } from '../src/masking-stream.ts'
import { type Pattern, PatternSet } from '../src/pattern-set.ts'
import { latin1, naiveMask } from './naive-reference.ts'

const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'))

function patternsOf(...texts: string[]): Pattern[] {
  return texts.map((text, owner) => ({ bytes: bytes(text), owner, isBounded: text.length < 8 }))
}

function maskWhole(
  patterns: readonly Pattern[],
  chunks: readonly Uint8Array[],
  labels: string[] = [],
): string {
  const stream = new MaskingStream(new PatternSet(patterns), labels.map(bytes))
  return latin1(Buffer.concat([...chunks.flatMap((chunk) => stream.write(chunk)), ...stream.end()]))
}

function cutAt(text: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = []
  for (let at = 0, turn = 0; at < text.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1
    chunks.push(text.slice(at, at + size))
    at += size
  }
  return chunks
}

/** Texts made of pieces of the patterns, so that near misses, overlaps and cut values are the rule. */
const scenario = fc
  .record({
    alphabet: fc.integer({ min: 2, max: 16 }),
    // 2 to 4 letters of short alphabets repeat within a pattern: the case that a naive automaton gets wrong.
    shapes: fc.array(
      fc.record({
        letters: fc.array(fc.nat(15), { minLength: 4, maxLength: 150 }),
        isBounded: fc.boolean(),
      }),
      { minLength: 1, maxLength: 8 },
    ),
    pieces: fc.array(
      fc.record({
        which: fc.nat(7),
        from: fc.nat(40),
        length: fc.nat(200),
        filler: fc.array(fc.nat(15), { maxLength: 20 }),
      }),
      { maxLength: 25 },
    ),
    sizes: fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 6 }),
    isLabelled: fc.boolean(),
  })
  .map(({ alphabet, shapes, pieces, sizes, isLabelled }) => {
    const letter = (value: number) => 'ab .cdefghijk_mno'.charCodeAt(value % alphabet)
    const patterns: Pattern[] = shapes.map(({ letters, isBounded }, owner) => ({
      bytes: Uint8Array.from(letters, letter),
      owner,
      isBounded: isBounded && letters.length <= 12,
    }))
    // A pattern inside another, and two that overlap.
    const first = patterns[0]?.bytes ?? bytes('abab')
    patterns.push({
      bytes: first.slice(0, 4 + (first.length >> 1)),
      owner: patterns.length,
      isBounded: false,
    })
    patterns.push({
      bytes: Uint8Array.from([...first.slice(-5), ...first.slice(0, 6)]),
      owner: patterns.length,
      isBounded: false,
    })
    const usable = patterns.filter((pattern) => pattern.bytes.length >= 4)
    const text = Uint8Array.from(
      pieces.flatMap(({ which, from, length, filler }) => {
        const source = usable[which % usable.length]?.bytes ?? first
        const start = from < 30 ? 0 : from % source.length
        const end = length > 60 ? source.length : start + length
        return [...source.slice(start, end), ...filler.map(letter)]
      }),
    )
    return { patterns: usable, text, sizes, labels: isLabelled ? usable.map((_, index) => `[${index}]`) : [] }
  })

describe('the stream against the naive reference', () => {
  test('M1: any patterns, any text, any cut: byte for byte what the naive reference leaves', () => {
    fc.assert(
      fc.property(scenario, ({ patterns, text, sizes, labels }) => {
        const expected = naiveMask(text, firstOfEach(patterns), labels.length > 0 ? labels : undefined)
        expect(maskWhole(patterns, cutAt(text, sizes), labels)).toBe(expected)
      }),
      { numRuns: 4000 },
    )
  })

  test('M1: two streams of one masker, written in turns, do not see each other', () => {
    fc.assert(
      fc.property(scenario, fc.infiniteStream(fc.boolean()), ({ patterns, text, sizes }, turns) => {
        const set = new PatternSet(patterns)
        const other = text.toReversed()
        const sides = [text, other].map((input) => ({
          stream: new MaskingStream(set, []),
          chunks: cutAt(input, sizes),
          output: [] as Uint8Array[],
        }))
        while (sides.some(({ chunks }) => chunks.length > 0)) {
          const side = sides[turns.next().value ? 1 : 0]
          const chunk = side?.chunks.shift()
          if (side && chunk) side.output.push(...side.stream.write(chunk))
        }
        sides.forEach(({ stream, output }, index) => {
          output.push(...stream.end())
          const input = index === 0 ? text : other
          expect(latin1(Buffer.concat(output))).toBe(naiveMask(input, firstOfEach(patterns)))
        })
      }),
      { numRuns: 1500 },
    )
  })

  test('M1: chunks around 64 KiB, a value over the edge, and the seam of carry and chunk', () => {
    const patterns = patternsOf('sk_live_0123456789', 'aaaaaaaab', 'x'.repeat(3) + 'yz'.repeat(100), 'pin_7')
    for (const edge of [4096, 4097, 65_535, 65_536, 65_537]) {
      for (let before = 0; before <= 20; before++) {
        const text = bytes(
          `${'aaaaaaa '.repeat(9000).slice(0, edge - before)}sk_live_0123456789 xxx${'yz'.repeat(100)} pin_7.pin_7x` +
            'aaaaaaa '.repeat(9000),
        )
        const expected = naiveMask(text, patterns)
        expect(expected).not.toContain('sk_live')
        expect(maskWhole(patterns, cutAt(text, [edge]))).toBe(expected)
      }
    }
  })

  test('M1: hundreds of patterns, found wherever they stand', () => {
    const random = fc.sample(
      fc.string({ unit: fc.constantFrom(...'abcdefghijklmnop0123456789_'), minLength: 4, maxLength: 70 }),
      {
        seed: 7,
        numRuns: 800,
      },
    )
    const patterns = patternsOf(...random)
    const text = bytes(
      random.map((value, index) => `${value}${' -é\0'[index % 4]}`.repeat(1 + (index % 2))).join(''),
    )
    expect(maskWhole(patterns, cutAt(text, [1, 7000, 5000, 64]))).toBe(naiveMask(text, firstOfEach(patterns)))
  })
})

describe('values cut in two', () => {
  test('M1: a value split at every byte, in two writes, is never emitted', () => {
    const value = 'sk_live_51HqLyjWDarjtT1zdp7dc'
    const text = `before ${value} after`
    for (let cut = 1; cut < text.length; cut++) {
      const chunks = [bytes(text.slice(0, cut)), bytes(text.slice(cut))]
      expect(maskWhole(patternsOf(value), chunks)).toBe('before  after')
    }
  })

  test('M1: GitLab (a): "sksk_live_9" written as "sksk" and "sk_live_9" does not lose its place', () => {
    expect(maskWhole(patternsOf('sksk_live_9'), [bytes('sksk'), bytes('sk_live_9')])).toBe('sk')
    expect(maskWhole(patternsOf('abcabcab'), [bytes('abcabc'), bytes('abcab')])).toBe('')
    const short: Pattern[] = [{ bytes: bytes('abcabd'), owner: 0, isBounded: false }]
    expect(maskWhole(short, [bytes('abcab'), bytes('cabd')])).toBe('abc')
  })

  test('M1: GitLab (b): two values that overlap are both removed, whatever the cut', () => {
    const patterns = patternsOf('secret-one-AAAA', 'AAAA-two-secret')
    const text = 'x secret-one-AAAA-two-secret y'
    for (let cut = 1; cut < text.length; cut++) {
      expect(maskWhole(patterns, [bytes(text.slice(0, cut)), bytes(text.slice(cut))])).toBe('x  y')
    }
  })

  test('M1: the first half goes out only with the end of the stream', () => {
    const stream = new MaskingStream(new PatternSet(patternsOf('sk_live_0123456789')), [])
    expect(stream.write(bytes('log sk_live_012')).map(latin1)).toEqual(['log '])
    expect(stream.end().map(latin1)).toEqual(['sk_live_012'])
    expect(stream.write(bytes('3456789')).map(latin1)).toEqual(['3456789'])
  })

  test('what was emitted stays as it was when more is written', () => {
    const stream = new MaskingStream(new PatternSet(patternsOf('sk_live_0123456789')), [])
    const emitted: { piece: Uint8Array; copy: string }[] = []
    for (const chunk of ['one sk', '_liv two s', 'k_live_0123456789', ' three']) {
      for (const piece of stream.write(bytes(chunk))) emitted.push({ piece, copy: latin1(piece) })
    }
    for (const { piece, copy } of emitted) expect(latin1(piece)).toBe(copy)
    expect(emitted.map(({ copy }) => copy).join('')).toBe('one sk_liv two  three')
  })

  test('what is held back and what is compiled do not change when the caller reuses the memory', () => {
    const value = Buffer.from('sk_live_0123456789')
    const set = new PatternSet([{ bytes: value, owner: 0, isBounded: false }])
    value.fill(0)
    for (const chunk of [Buffer.from('log sk_live_01'), new Uint8Array(Buffer.from('log sk_live_01'))]) {
      const stream = new MaskingStream(set, [])
      expect(stream.write(chunk).map(latin1)).toEqual(['log '])
      chunk.fill(0)
      expect([...stream.write(bytes('23456789.')), ...stream.end()].map(latin1)).toEqual(['.'])
    }
  })

  test('a chunk without values comes out as the same memory, not as a copy', () => {
    const chunk = Buffer.alloc(65_536, 'log line ')
    const [piece, ...rest] = new MaskingStream(new PatternSet(patternsOf('sk_live_01')), []).write(chunk)
    expect(rest).toEqual([])
    expect(piece?.buffer).toBe(chunk.buffer)
    expect(piece?.byteOffset).toBe(chunk.byteOffset)
  })
})

/** Of equal patterns only the first counts, or the first unbounded one. */
function firstOfEach(patterns: readonly Pattern[]): Pattern[] {
  const seen = new Map<string, Pattern>()
  for (const pattern of patterns) {
    const known = seen.get(latin1(pattern.bytes))
    if (known === undefined || (known.isBounded && !pattern.isBounded))
      seen.set(latin1(pattern.bytes), pattern)
  }
  return [...seen.values()]
}
