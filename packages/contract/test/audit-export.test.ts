import { createHash, createPrivateKey, createPublicKey, sign, verify } from 'node:crypto'
import {
  type AuditVerification,
  exportCheckpoint,
  exportHeader,
  exportRecord,
  verifyAuditExport,
} from '@keyhold/contract/audit-export'
import {
  checkpointBody,
  formatVerifierKey,
  signedCheckpoint,
  type VerifierKey,
} from '@keyhold/contract/checkpoint'
import { leafHash, MerkleTree } from '@keyhold/contract/merkle'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest()

class Log {
  readonly name: string
  readonly verifierKey: string
  readonly #privateKey
  readonly #key: VerifierKey

  constructor(name = 'keyhold-audit/test', seed = 1) {
    this.name = name
    this.#privateKey = createPrivateKey({
      key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, seed)]),
      format: 'der',
      type: 'pkcs8',
    })
    const publicKey = createPublicKey(this.#privateKey).export({ format: 'der', type: 'spki' }).subarray(-32)
    this.#key = { name, publicKey }
    this.verifierKey = formatVerifierKey(sha256, this.#key)
  }

  checkpoint(records: readonly string[]): string {
    const tree = new MerkleTree(sha256)
    for (const record of records) tree.append(leafHash(sha256, Buffer.from(record)))
    const checkpoint = { origin: this.name, size: tree.size, root: tree.root() }
    const signature = sign(null, Buffer.from(checkpointBody(checkpoint)), this.#privateKey)
    return signedCheckpoint(sha256, checkpoint, this.#key, signature)
  }

  /** The file: a checkpoint after each of these sizes, and one at the end. */
  export(records: readonly string[], checkpointsAt: readonly number[] = []): string {
    let file = exportHeader(this.verifierKey)
    for (let size = 0; size <= records.length; size++) {
      if (size === records.length || checkpointsAt.includes(size))
        file += exportCheckpoint(size, this.checkpoint(records.slice(0, size)))
      if (size < records.length) file += recordLine(records[size]!)
    }
    return file
  }
}

const recordLine = (record: string) => exportRecord(leafHash(sha256, Buffer.from(record)), record)
const recordAt = (index: number, name = `NAME_${index}`) =>
  JSON.stringify({ index, time: '2026-01-02T03:04:05.678Z', action: 'secret.read', target: { name } })
const recordsOf = (count: number) => Array.from({ length: count }, (_, index) => recordAt(index))

/** Splits at newlines alone, as the command does. */
async function* linesOf(file: string | Uint8Array): AsyncGenerator<string> {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(
    typeof file === 'string' ? Buffer.from(file) : file,
  )
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  yield* lines
}

function check(
  file: string | Uint8Array,
  options: { verifierKey?: string; earlierCheckpoint?: string } = {},
): Promise<AuditVerification> {
  return verifyAuditExport(linesOf(file), {
    sha256,
    verifySignature: (publicKey, signature, message) =>
      verify(
        null,
        message,
        createPublicKey({
          key: { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(publicKey).toString('base64url') },
          format: 'jwk',
        }),
        signature,
      ),
    ...options,
  })
}

const log = new Log()
const { verifierKey } = log
const records = recordsOf(9)
const file = log.export(records, [0, 4])
const lines = file.trimEnd().split('\n')
const join = (some: readonly string[]) => `${some.join('\n')}\n`
/** Line of the file, from 1, that record `index` stands on: header, checkpoint 0, four records, checkpoint 4, … */
const lineOf = (index: number) => index + (index < 4 ? 3 : 4)

describe('verifying an exported log (L3)', () => {
  test('an untouched one is right, with all its checkpoints', async () => {
    expect(await check(file, { verifierKey })).toMatchObject({ ok: true, size: 9, checkpoints: 3 })
    expect(await check(file)).toMatchObject({ ok: true, size: 9 })
    expect(await check(log.export([]), { verifierKey })).toMatchObject({ ok: true, size: 0, checkpoints: 1 })
  })

  test('any log of any records is right', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ unit: 'binary', maxLength: 20 }), { maxLength: 20 }),
        fc.array(fc.nat(20)),
        async (names, at) => {
          const some = names.map((name, index) => recordAt(index, name))
          expect(await check(log.export(some, at), { verifierKey })).toMatchObject({
            ok: true,
            size: some.length,
          })
        },
      ),
      { numRuns: 40 },
    )
  })

  test('every byte changed at every place, in several ways: found, and for a record its very line is named', async () => {
    const bytes = Buffer.from(file)
    let line = 1
    for (let i = 0; i < bytes.length; i++) {
      // The file's last byte is checked with the cut-off ones below.
      const isRecord = lines[line - 1]!.startsWith('record')
      for (const value of new Set([
        bytes[i]! ^ 0x01,
        bytes[i]! ^ 0x20,
        bytes[i]! ^ 0x80,
        0x0a,
        0x0d,
        0x09,
        0x20,
        0x30,
      ])) {
        if (value === bytes[i]) continue
        const changed = Buffer.from(bytes)
        changed[i] = value
        const result = await check(changed, { verifierKey })
        expect(result, `byte ${i} to ${value}`).toMatchObject({ ok: false })
        // A newline put into a line makes two of it, and the first of them is what is wrong.
        if (isRecord) expect(result, `byte ${i} to ${value}`).toMatchObject({ line })
      }
      if (bytes[i] === 0x0a) line += 1
    }
  }, 120_000)

  test('any single byte changed to any other is found (property)', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(Buffer.byteLength(file) - 1),
        fc.integer({ min: 1, max: 255 }),
        async (i, mask) => {
          const changed = Buffer.from(file)
          changed[i]! ^= mask
          expect(await check(changed)).toMatchObject({ ok: false })
        },
      ),
      { numRuns: 500 },
    )
  })

  test('a record deleted: named where the next one stands', async () => {
    for (let index = 0; index < 9; index++) {
      const rest = lines.filter((_, i) => i !== lineOf(index) - 1)
      const result = await check(join(rest), { verifierKey })
      expect(result).toMatchObject({ ok: false, line: lineOf(index), index })
    }
  })

  test('two records swapped: named at the first of them', async () => {
    for (const [a, b] of [
      [0, 1],
      [2, 7],
      [7, 8],
    ] as const) {
      const swapped = [...lines]
      swapped[lineOf(a) - 1] = lines[lineOf(b) - 1]!
      swapped[lineOf(b) - 1] = lines[lineOf(a) - 1]!
      const result = await check(join(swapped), { verifierKey })
      expect(result).toMatchObject({ ok: false, line: lineOf(a), index: a })
      expect(result).toHaveProperty('problem', expect.stringContaining('reordered'))
    }
  })

  test('a record twice, and one put in between: named', async () => {
    const twice = lines.toSpliced(lineOf(5), 0, lines[lineOf(5) - 1]!)
    expect(await check(join(twice), { verifierKey })).toMatchObject({
      ok: false,
      line: lineOf(5) + 1,
      index: 6,
    })
    const inserted = lines.toSpliced(lineOf(5) - 1, 0, recordLine(recordAt(5, 'FORGED')).trimEnd())
    expect(await check(join(inserted), { verifierKey })).toMatchObject({
      ok: false,
      line: lineOf(5) + 1,
      index: 6,
    })
  })

  test('a record replaced with a hash that fits: the span between two checkpoints is named', async () => {
    const forged = [...lines]
    forged[lineOf(6) - 1] = recordLine(recordAt(6, 'FORGED')).trimEnd()
    const result = await check(join(forged), { verifierKey })
    expect(result).toMatchObject({ ok: false, line: lines.length, index: 4 })
    expect(result).toHaveProperty('problem', expect.stringContaining('records 4 to 8'))
    const early = [...lines]
    early[lineOf(2) - 1] = recordLine(recordAt(2, 'FORGED')).trimEnd()
    expect(await check(join(early), { verifierKey })).toMatchObject({ ok: false, line: 7, index: 0 })
  })

  test('cut off after any line: found', async () => {
    for (let count = 0; count < lines.length; count++) {
      const rest = count === 0 ? '' : join(lines.slice(0, count))
      const result = await check(rest, { verifierKey })
      // Up to a checkpoint it is the whole log of that time: only a checkpoint kept from later can tell.
      if (lines[count - 1]?.startsWith('checkpoint')) {
        expect(result).toMatchObject({ ok: true })
        expect(await check(rest, { verifierKey, earlierCheckpoint: log.checkpoint(records) })).toMatchObject({
          ok: false,
          index: count === 2 ? 0 : 4,
        })
      } else expect(result).toMatchObject({ ok: false })
    }
  })

  test('cut off within any line: found', async () => {
    const bytes = Buffer.from(file)
    for (let end = 0; end < bytes.length - 1; end++) {
      // Cut exactly before or after a newline, lines are whole: see above.
      if (bytes[end] === 0x0a || bytes[end - 1] === 0x0a) continue
      expect(await check(bytes.subarray(0, end), { verifierKey }), `at ${end}`).toMatchObject({ ok: false })
    }
  })

  test('records appended without a signature: found', async () => {
    const longer = file + recordLine(recordAt(9))
    expect(await check(longer, { verifierKey })).toMatchObject({ ok: false, index: 10 })
    const withOldCheckpoint = `${longer}${lines.at(-1)}\n`
    expect(await check(withOldCheckpoint, { verifierKey })).toMatchObject({
      ok: false,
      line: lines.length + 2,
      index: 9,
    })
  })

  test('rolled back to an earlier export: found with the checkpoint that was kept', async () => {
    const earlier = log.export(records.slice(0, 6), [0, 4])
    const earlierCheckpoint = log.checkpoint(records.slice(0, 8))
    expect(await check(earlier, { verifierKey })).toMatchObject({ ok: true })
    expect(await check(earlier, { verifierKey, earlierCheckpoint })).toMatchObject({ ok: false, index: 6 })
    expect(await check(file, { verifierKey, earlierCheckpoint })).toMatchObject({ ok: true })
  })

  test('history written anew by the one who has the key: found with the checkpoint that was kept', async () => {
    const forged = records.with(3, recordAt(3, 'FORGED'))
    const anew = log.export(forged)
    expect(await check(anew, { verifierKey })).toMatchObject({ ok: true })
    for (const size of [4, 6, 9]) {
      const earlierCheckpoint = log.checkpoint(records.slice(0, size))
      expect(await check(anew, { verifierKey, earlierCheckpoint })).toMatchObject({ ok: false })
      expect(await check(file, { verifierKey, earlierCheckpoint })).toMatchObject({ ok: true })
    }
    expect(
      await check(anew, { verifierKey, earlierCheckpoint: log.checkpoint(records.slice(0, 3)) }),
    ).toMatchObject({ ok: true })
  })

  test('a whole log of another key: refused by the key one trusts', async () => {
    const other = new Log(log.name, 2)
    const forged = other.export(records)
    expect(await check(forged)).toMatchObject({ ok: true })
    expect(await check(forged, { verifierKey })).toMatchObject({ ok: false, line: 1 })
    // The header of the trusted key over a log that another one signed.
    const dressed = join([lines[0]!, ...forged.trimEnd().split('\n').slice(1)])
    expect(await check(dressed, { verifierKey })).toMatchObject({ ok: false, line: 11 })
  })

  test('an earlier checkpoint of another log is refused', async () => {
    const other = new Log('keyhold-audit/other', 3)
    expect(
      await check(file, { verifierKey, earlierCheckpoint: other.checkpoint(records.slice(0, 4)) }),
    ).toMatchObject({ ok: false, line: 1 })
  })

  test('checkpoints removed in between change nothing that is proven; one from the past in a later place is found', async () => {
    expect(await check(join(lines.filter((_, i) => i !== 6)), { verifierKey })).toMatchObject({ ok: true })
    const moved = lines.filter((_, i) => i !== 6).toSpliced(8, 0, lines[6]!)
    expect(await check(join(moved), { verifierKey })).toMatchObject({ ok: false, line: 9, index: 4 })
  })

  test.each([
    ['another version', file.replace('export/v1', 'export/v2')],
    ['a space after the key', file.replace(`${log.verifierKey}\n`, `${log.verifierKey} \n`)],
    ['an empty line', file.replace('\n', '\n\n')],
    ['an empty line at the end', `${file}\n`],
    ['carriage returns', file.replaceAll('\n', '\r\n')],
    ['a byte order mark', `\ufeff${file}`],
    ['a fourth field', file.replace('\nrecord\t', '\nrecord\tmore\t')],
    ['only a header', `${lines[0]}\n`],
    ['no header', join(lines.slice(1))],
    ['two headers', join([lines[0]!, ...lines])],
  ])('malformed: %s', async (_what, text) => {
    expect(await check(text)).toMatchObject({ ok: false })
    expect(await check(text, { verifierKey })).toMatchObject({ ok: false })
  })

  test('a byte order mark within a checkpoint is found', async () => {
    const note = `\ufeff${log.checkpoint(records)}`
    const changed = join([...lines.slice(0, -1), exportCheckpoint(9, note).trimEnd()])
    expect(await check(changed, { verifierKey })).toMatchObject({ ok: false, line: lines.length })
  })
})
