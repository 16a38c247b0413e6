import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Masker, maskingTransform } from '../src/masking.ts'

const VALUE = 'sk_live_0123456789'
const masker = new Masker([
  { name: 'KEY', value: Buffer.from(VALUE) },
  { name: 'MARK', value: Buffer.from('?what-is-it?') },
])

describe('M6, M8: idle terminals', () => {
  beforeEach(() => vi.useFakeTimers())
  afterEach(() => vi.useRealTimers())

  function terminal() {
    const transform = maskingTransform(masker, { terminal: true })
    let shown = ''
    transform.on('data', (piece: Buffer) => {
      shown += piece.toString()
    })
    // Data events come a turn after the push; no time passes for that.
    const shownAfter = async (ms: number) => {
      await vi.advanceTimersByTimeAsync(ms)
      return shown
    }
    return { transform, shownAfter }
  }

  test('M6: a prompt that ends like a value begins is complete after 20 ms, not before', async () => {
    const { transform, shownAfter } = terminal()
    transform.write('Continue?')
    expect(await shownAfter(19)).toBe('Continue')
    expect(await shownAfter(1)).toBe('Continue?')
  })

  test('M8: output restarts the wait', async () => {
    const { transform, shownAfter } = terminal()
    transform.write('first?')
    await shownAfter(15)
    transform.write(' second?')
    expect(await shownAfter(19)).toBe('first? second')
    expect(await shownAfter(1)).toBe('first? second?')
  })

  test('M8: 4 bytes and more wait for 250 ms', async () => {
    const { transform, shownAfter } = terminal()
    transform.write('$ sk_live')
    expect(await shownAfter(249)).toBe('$ ')
    expect(await shownAfter(1)).toBe('$ sk_live')
  })

  test('M8: half of a value is never shown, however long the pause', async () => {
    const { transform, shownAfter } = terminal()
    transform.write(`$ ${VALUE.slice(0, 9)}`)
    expect(await shownAfter(60_000)).toBe('$ ')
    transform.write(`${VALUE.slice(9)} done`)
    expect(await shownAfter(0)).toBe('$  done')
  })

  test('M1: pauses of 0 to 5 s at every byte: never more than the smaller half, and never the rest', async () => {
    for (const pause of [0, 20, 50, 250, 5000]) {
      for (let cut = 1; cut < VALUE.length; cut++) {
        const { transform, shownAfter } = terminal()
        transform.write(VALUE.slice(0, cut))
        const first = await shownAfter(pause)
        expect(first.length).toBeLessThan(VALUE.length / 2)
        transform.write(`${VALUE.slice(cut)}.`)
        expect(await shownAfter(5000)).toBe(`${first}.`)
      }
    }
  })

  test('M8: what is typed letter by letter is shown letter by letter, as far as half of a value', async () => {
    const { transform, shownAfter } = terminal()
    for (const char of VALUE.slice(0, 8)) {
      transform.write(char)
      await shownAfter(300)
    }
    expect(await shownAfter(0)).toBe(VALUE.slice(0, 8))
    transform.write(VALUE.slice(8))
    expect(await shownAfter(300)).toBe(VALUE.slice(0, 8))
  })

  test('M8: a longer beginning is shown up to where half of a shorter value begins', async () => {
    const nested = new Masker([
      { name: 'LONG', value: Buffer.from('abcdefgh-0123456789-0123456789') },
      { name: 'SHORT', value: Buffer.from('efgh-012') },
    ])
    const transform = maskingTransform(nested, { terminal: true })
    let shown = ''
    transform.on('data', (piece: Buffer) => {
      shown += piece.toString()
    })
    transform.write('abcdefgh')
    await vi.advanceTimersByTimeAsync(1000)
    expect(shown).toBe('abcd')
    transform.write('-012!')
    await vi.advanceTimersByTimeAsync(0)
    expect(shown).toBe('abcd!')
  })

  test('M8: what counts is half of the shortest value that could follow, and never 3 bytes or less', async () => {
    for (const values of [
      ['abcdab-0123456789-0123456789', 'abcdab-01'],
      ['abcdab-01', 'abcdab-0123456789-0123456789'],
    ]) {
      const transform = maskingTransform(
        new Masker(values.map((value) => ({ name: 'A', value: Buffer.from(value) }))),
        { terminal: true },
      )
      let shown = ''
      transform.on('data', (piece: Buffer) => {
        shown += piece.toString()
      })
      transform.write('abcda')
      await vi.advanceTimersByTimeAsync(1000)
      expect(shown).toBe('')
    }
    const { transform, shownAfter } = terminal()
    transform.write('?what')
    // "?wh" to "?what" is under half of it; a value that begins inside is only in its first 3 bytes.
    expect(await shownAfter(1000)).toBe('?what')
    const repeating = maskingTransform(
      new Masker([{ name: 'A', value: Buffer.from('abcdab-0123456789-x') }]),
      {
        terminal: true,
      },
    )
    let shown = ''
    repeating.on('data', (piece: Buffer) => {
      shown += piece.toString()
    })
    repeating.write('abcdab')
    await vi.advanceTimersByTimeAsync(1000)
    expect(shown).toBe('abcdab')
  })

  test('M6: an escape sequence after the possible beginning does not count as text', async () => {
    const { transform, shownAfter } = terminal()
    transform.write('Continue?\x1b[0m')
    expect(await shownAfter(20)).toBe('Continue?\x1b[0m')
    transform.write('what-is-it?')
    expect(await shownAfter(300)).toBe('Continue?\x1b[0m')
  })

  test('a pipe has no timers: the beginning of a value waits for the end', async () => {
    const transform = maskingTransform(masker)
    let shown = ''
    transform.on('data', (piece: Buffer) => {
      shown += piece.toString()
    })
    transform.write('Continue?')
    await vi.advanceTimersByTimeAsync(60_000)
    expect(shown).toBe('Continue')
    expect(vi.getTimerCount()).toBe(0)
    transform.end()
    await vi.advanceTimersByTimeAsync(0)
    expect(shown).toBe('Continue?')
  })

  test('no timer is left after the end or after destroy', async () => {
    for (const stop of ['end', 'destroy'] as const) {
      const { transform, shownAfter } = terminal()
      transform.write('Continue?')
      transform[stop]()
      await shownAfter(0)
      expect(vi.getTimerCount()).toBe(0)
      await shownAfter(1000)
    }
  })
})

describe('M4, M11: pipes', () => {
  test('M4: standard output and standard error of one process are masked apart', async () => {
    const script = `
      const v = '${VALUE}'
      for (let i = 0; i < v.length; i++) { process.stdout.write(v[i]); process.stderr.write(v[i]) }
      process.stdout.write('out'); process.stderr.write('err')`
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'pipe'] })
    const [out, err] = await Promise.all(
      [child.stdout, child.stderr].map(async (side) =>
        Buffer.concat(await side.pipe(maskingTransform(masker)).toArray()).toString(),
      ),
    )
    expect([out, err]).toEqual(['out', 'err'])
  })

  test('M7: a slow reader slows the source: no more is buffered than the two buffers hold', async () => {
    const transform = maskingTransform(masker)
    const chunk = Buffer.alloc(65_536, 'x')
    let written = 0
    while (transform.write(chunk)) written += chunk.length
    expect(written).toBeLessThan(4 * 2 ** 20)
    expect(transform.writableNeedDrain).toBe(true)
    transform.resume()
    await once(transform, 'drain')
  })

  test('M11: a reader that goes away ends the stream with its error, and the process goes on', async () => {
    const reader = new Writable({
      write: (_chunk, _encoding, done) => done(Object.assign(new Error('gone'), { code: 'EPIPE' })),
    })
    const source = Readable.from([Buffer.from('one'), Buffer.from('two')])
    await expect(pipeline(source, maskingTransform(masker), reader)).rejects.toMatchObject({ code: 'EPIPE' })
  })

  test('M11: what was held back when the writer was killed comes out', async () => {
    const script = `process.stdout.write('log sk_live_01', () => process.kill(process.pid, 'SIGKILL'))`
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
    const output = Buffer.concat(await child.stdout.pipe(maskingTransform(masker)).toArray()).toString()
    expect(output).toBe('log sk_live_01')
  })
})

describe('another masker', () => {
  beforeEach(() => vi.useFakeTimers())
  afterEach(() => vi.useRealTimers())
  const LATER = 'another_value_9876543210'
  const both = () =>
    new Masker([
      { name: 'KEY', value: Buffer.from(VALUE) },
      { name: 'LATER', value: Buffer.from(LATER) },
    ])
  /** Writes pieces, and changes the masker before the one that `at` counts. */
  async function shown(pieces: readonly string[], at: readonly number[], options = {}) {
    const transform = maskingTransform(masker, options)
    let text = ''
    transform.on('data', (piece: Buffer) => {
      text += piece.toString()
    })
    for (const [index, piece] of pieces.entries()) {
      for (const one of at) if (one === index) transform.use(both())
      transform.write(piece)
    }
    transform.end()
    await once(transform, 'end')
    return text
  }

  test('M9: a value that comes later is masked from then on, and the one before at every cut, once and twice', async () => {
    const text = `a ${VALUE} b ${LATER} c`
    expect(await shown([text], [0])).toBe('a  b  c')
    for (let cut = 0; cut <= 2 + VALUE.length; cut++)
      for (const at of [[1], [1, 1], [1, 2]])
        expect(await shown([text.slice(0, cut), text.slice(cut, cut + 3), text.slice(cut + 3)], at)).toBe(
          'a  b  c',
        )
  })

  test('nothing is lost that only begins like a value', async () => {
    for (const at of [[1], [1, 1, 2]])
      expect(await shown(['x sk_live_01', 'another_va', 'y'], at)).toBe('x sk_live_01another_vay')
  })

  test('M1: a dialogue is not kept waiting for what tells nothing, and never gets more', async () => {
    const transform = maskingTransform(masker, { dialogue: true })
    let text = ''
    transform.on('data', (piece: Buffer) => {
      text += piece.toString()
    })
    transform.write('0009sk')
    await vi.advanceTimersByTimeAsync(20)
    expect(text).toBe('0009sk')
    transform.write('_live_0')
    await vi.advanceTimersByTimeAsync(60_000)
    expect(text).toBe('0009sk')
  })
})
