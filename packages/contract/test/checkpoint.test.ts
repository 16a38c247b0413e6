import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import {
  type Checkpoint,
  checkpointBody,
  formatVerifierKey,
  fromBase64,
  openCheckpoint,
  parseVerifierKey,
  signedCheckpoint,
  toBase64,
  type VerifierKey,
} from '@keyhold/contract/checkpoint'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest()
const verifySignature = (publicKey: Uint8Array, signature: Uint8Array, message: Uint8Array) =>
  verify(
    null,
    message,
    createPublicKey({
      key: { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(publicKey).toString('base64url') },
      format: 'jwk',
    }),
    signature,
  )
const open = (note: string, key: VerifierKey) => openCheckpoint(sha256, verifySignature, note, key)

/** The key of the examples of Go's sumdb/note, published with its private half. */
const PETER = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'
const PETER_SEED = Buffer.from('AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz', 'base64').subarray(1)
/** The verifier key in the text of C2SP signed-note. */
const EXAMPLE = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k'

/** Signed by another implementation (Python's cryptography) with that key: the tree of the eight test leaves of CT. */
const CHECKPOINT = `PeterNeumann
8
XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=

— PeterNeumann x08gozdSgLMzAnw63LH1RGViJhUfW60EUGKY7Kmr004fQNOSqfrcd1hIk3BCtdcLWIqvGtX67sL24VN+44uTlxMnbAA=
`
const ROOT = '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328'

function signer(seed: Buffer, name: string): { key: VerifierKey; privateKey: KeyObject } {
  const privateKey = createPrivateKey({
    key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]),
    format: 'der',
    type: 'pkcs8',
  })
  const publicKey = createPublicKey(privateKey).export({ format: 'der', type: 'spki' }).subarray(-32)
  return { privateKey, key: { name, publicKey } }
}

function signed(checkpoint: Checkpoint, by: { key: VerifierKey; privateKey: KeyObject }): string {
  const signature = sign(null, Buffer.from(checkpointBody(checkpoint)), by.privateKey)
  return signedCheckpoint(sha256, checkpoint, by.key, signature)
}

const peter = signer(PETER_SEED, 'PeterNeumann')
const mallory = signer(Buffer.alloc(32, 7), 'PeterNeumann')
const checkpoint: Checkpoint = { origin: 'PeterNeumann', size: 8, root: Buffer.from(ROOT, 'hex') }

describe('verifier keys (C2SP signed-note)', () => {
  test.each([PETER, EXAMPLE])('known answer: %s', (formatted) => {
    const key = parseVerifierKey(sha256, formatted)!
    expect(key.name).toBe(formatted.split('+')[0])
    expect(toBase64(Uint8Array.of(1, ...key.publicKey))).toBe(formatted.split('+').slice(2).join('+'))
    expect(formatVerifierKey(sha256, key)).toBe(formatted)
  })

  test('any single changed character and any part of it is refused', () => {
    for (let i = 0; i < PETER.length; i++) {
      for (const other of ['A', 'b', '0', '+', '=', ' ', '\n']) {
        const changed = PETER.slice(0, i) + other + PETER.slice(i + 1)
        if (changed !== PETER) expect(parseVerifierKey(sha256, changed)).toBeUndefined()
      }
      expect(parseVerifierKey(sha256, PETER.slice(0, i))).toBeUndefined()
      if (i > 0) expect(parseVerifierKey(sha256, PETER.slice(i))).toBeUndefined()
    }
  })

  test('a key of another algorithm or length is refused even with the right hash', () => {
    const { publicKey } = peter.key
    for (const bytes of [
      Uint8Array.of(2, ...publicKey),
      Uint8Array.of(1, ...publicKey.subarray(1)),
      Uint8Array.of(1, ...publicKey, 0),
    ]) {
      const hash = Buffer.from(sha256(Buffer.concat([Buffer.from('PeterNeumann\n'), bytes])))
      const formatted = `PeterNeumann+${hash.toString('hex', 0, 4)}+${toBase64(bytes)}`
      expect(parseVerifierKey(sha256, formatted)).toBeUndefined()
    }
  })
})

describe('checkpoints (C2SP tlog-checkpoint)', () => {
  test('known answer: a note signed by another implementation opens, and ours is the same text', async () => {
    expect(await open(CHECKPOINT, parseVerifierKey(sha256, PETER)!)).toEqual({
      origin: 'PeterNeumann',
      size: 8,
      root: new Uint8Array(Buffer.from(ROOT, 'hex')),
    })
    // Ed25519 signatures are deterministic (RFC 8032).
    expect(signed(checkpoint, peter)).toBe(CHECKPOINT)
  })

  test('any changed byte is refused', async () => {
    const bytes = Buffer.from(CHECKPOINT)
    for (let i = 0; i < bytes.length; i++) {
      for (const bit of [0x01, 0x20, 0x80]) {
        const changed = Buffer.from(bytes)
        changed[i]! ^= bit
        expect(await open(changed.toString(), peter.key), `byte ${i}`).toBeUndefined()
      }
    }
  })

  test('the signature of another key is refused, also under the same name and the same key hash', async () => {
    expect(await open(signed(checkpoint, mallory), peter.key)).toBeUndefined()
    const signature = sign(null, Buffer.from(checkpointBody(checkpoint)), mallory.privateKey)
    expect(await open(signedCheckpoint(sha256, checkpoint, peter.key, signature), peter.key)).toBeUndefined()
    expect(await open(signed(checkpoint, mallory), mallory.key)).toMatchObject({ size: 8 })
  })

  test('the wrong origin is refused, although the key signed it', async () => {
    const note = signed({ ...checkpoint, origin: 'somebody-else' }, peter)
    expect(await open(note, peter.key)).toBeUndefined()
  })

  test('signatures of others beside it are left alone, a wrong one of the key itself is not', async () => {
    const witness = signer(Buffer.alloc(32, 9), 'witness.example')
    const [body, own] = CHECKPOINT.split('\n\n') as [string, string]
    const of = (by: typeof witness) => signed(checkpoint, by).split('\n\n')[1]!
    expect(await open(`${body}\n\n${of(witness)}${own}`, peter.key)).toMatchObject({ size: 8 })
    expect(await open(`${body}\n\n${own}${of(witness)}`, peter.key)).toMatchObject({ size: 8 })
    expect(await open(`${body}\n\n${of(witness)}`, peter.key)).toBeUndefined()
    const forged = signedCheckpoint(sha256, checkpoint, peter.key, new Uint8Array(64)).split('\n\n')[1]!
    expect(await open(`${body}\n\n${forged}${own}`, peter.key)).toBeUndefined()
  })

  test('lines after the root are part of what is signed', async () => {
    const body = `${checkpointBody(checkpoint)}extension\n`
    const signature = sign(null, Buffer.from(body), peter.privateKey)
    const line = signedCheckpoint(sha256, checkpoint, peter.key, signature).split('\n\n')[1]!
    expect(await open(`${body}\n${line}`, peter.key)).toMatchObject({ size: 8 })
    expect(await open(`${checkpointBody(checkpoint)}\n${line}`, peter.key)).toBeUndefined()
    expect(await open(CHECKPOINT.replace('\n\n', '\nextension\n\n'), peter.key)).toBeUndefined()
  })

  test.each([
    ['nothing', ''],
    ['no signature', 'PeterNeumann\n8\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n\n'],
    ['no blank line', CHECKPOINT.replace('\n\n', '\n')],
    ['two blank lines', CHECKPOINT.replace('\n\n', '\n\n\n')],
    ['no newline at the end', CHECKPOINT.slice(0, -1)],
    ['text after the signature', `${CHECKPOINT}more\n`],
    ['text before', `\n${CHECKPOINT}`],
    ['carriage returns', CHECKPOINT.replaceAll('\n', '\r\n')],
    ['a byte order mark', `\ufeff${CHECKPOINT}`],
    ['a hyphen for the dash', CHECKPOINT.replace('—', '-')],
  ])('malformed: %s', async (_what, note) => {
    expect(await open(note, peter.key)).toBeUndefined()
  })

  test.each(['08', '-8', '+8', '8.0', '0x8', '8 ', '', '10000000000000000000'])(
    'a size written as "%s" is refused, although it is signed',
    async (size) => {
      const body = `PeterNeumann\n${size}\n${toBase64(checkpoint.root)}\n`
      const signature = sign(null, Buffer.from(body), peter.privateKey)
      const line = signedCheckpoint(sha256, checkpoint, peter.key, signature).split('\n\n')[1]!
      expect(await open(`${body}\n${line}`, peter.key)).toBeUndefined()
    },
  )

  test('a root of another length or not in canonical base64 is refused, although it is signed', async () => {
    for (const root of [
      toBase64(new Uint8Array(31)),
      toBase64(new Uint8Array(33)),
      `${toBase64(checkpoint.root).slice(0, -2)}l=`,
      '',
    ]) {
      const body = `PeterNeumann\n8\n${root}\n`
      const signature = sign(null, Buffer.from(body), peter.privateKey)
      const line = signedCheckpoint(sha256, checkpoint, peter.key, signature).split('\n\n')[1]!
      expect(await open(`${body}\n${line}`, peter.key), root).toBeUndefined()
    }
  })

  test('what is signed opens again, for any size and root', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.maxSafeNat(),
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        async (size, root) => {
          fc.pre(size < 1e16)
          const note = signed({ origin: 'PeterNeumann', size, root }, peter)
          expect(await open(note, peter.key)).toEqual({ origin: 'PeterNeumann', size, root })
        },
      ),
      { numRuns: 100 },
    )
  })
})

describe('base64', () => {
  test('only the one spelling of bytes is read', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        expect(toBase64(bytes)).toBe(Buffer.from(bytes).toString('base64'))
        expect(fromBase64(toBase64(bytes))).toEqual(bytes)
      }),
    )
    for (const text of ['QQ', 'QR==', 'Q Q=', 'QQ==\n', 'Q-_=', '!', 'QQ===', '\u20ac'])
      expect(fromBase64(text)).toBeUndefined()
  })
})
