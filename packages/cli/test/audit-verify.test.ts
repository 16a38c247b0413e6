import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exportCheckpoint, exportHeader, exportRecord } from '@keyhold/contract/audit-export'
import { checkpointBody, formatVerifierKey, signedCheckpoint } from '@keyhold/contract/checkpoint'
import { leafHash, MerkleTree } from '@keyhold/contract/merkle'
import { expect, onTestFinished, test } from 'vitest'
import { run } from './kit.ts'

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest()
const env = { PATH: process.env.PATH }

/** Writes a log as the server does, with a signer of its own. */
function exportedLog(names: readonly string[]) {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const { x = '' } = publicKey.export({ format: 'jwk' })
  const key = { name: 'keyhold.example.com', publicKey: Buffer.from(x, 'base64url') }
  const tree = new MerkleTree(sha256)
  const lines = [exportHeader(formatVerifierKey(sha256, key))]
  const checkpoint = () => {
    const head = { origin: key.name, size: tree.size, root: tree.root() }
    const note = signedCheckpoint(
      sha256,
      head,
      key,
      sign(null, Buffer.from(checkpointBody(head)), privateKey),
    )
    lines.push(exportCheckpoint(tree.size, note))
    return note
  }
  const notes = names.map((name, index) => {
    const record = JSON.stringify({ index, action: 'secret.read', target: { kind: 'secret', name } })
    const hash = leafHash(sha256, Buffer.from(record))
    tree.append(hash)
    lines.push(exportRecord(hash, record))
    return index % 2 === 1 ? checkpoint() : ''
  })
  if (names.length % 2 === 1) checkpoint()
  const directory = mkdtempSync(join(tmpdir(), 'keyhold-audit-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  const path = join(directory, 'audit.log')
  const write = (changed: readonly string[]) => writeFileSync(path, changed.join(''))
  write(lines)
  return { path, lines, notes, write, directory, verifierKey: formatVerifierKey(sha256, key) }
}

test('an untouched log is verified, also one with line separators inside of records', async () => {
  const { path, verifierKey } = exportedLog(['A', 'B\u2028\u2029\u0085', 'C', '😀', 'E'])
  const { code, stdout, stderr } = await run(['audit', 'verify', path, `--key=${verifierKey}`], env)
  expect(stderr).toBe('')
  expect(stdout).toMatch(/^verified: 5 records, 3 checkpoints, root \S+\n$/)
  expect(code).toBe(0)
  const withoutKey = await run(['audit', 'verify', path], env)
  expect(withoutKey.stderr).toMatch(/--key/)
})

test('a change, a removal, a swap, a cut and another signer are found, with the line', async () => {
  const { path, lines, write, verifierKey } = exportedLog(['A', 'B', 'C', 'D', 'E', 'F'])
  const changed = (lines[2] ?? '').replace('"B"', '"X"')
  for (const [name, tampered, line] of [
    ['changed', lines.with(2, changed), 3],
    ['removed', lines.toSpliced(4, 1), 5],
    ['swapped', lines.with(4, lines[5] ?? '').with(5, lines[4] ?? ''), 5],
    ['cut', lines.slice(0, -1), 9],
    ['cut to an earlier checkpoint in the middle of a line', [...lines.slice(0, 7), 'record\tx'], 8],
    ['empty', [], 0],
  ] as const) {
    write(tampered)
    const { code, stdout, stderr } = await run(['audit', 'verify', path, `--key=${verifierKey}`], env)
    expect(code, name).toBe(1)
    expect(stdout, name).toBe('')
    expect(stderr, name).toContain(line === 0 ? 'is empty' : `line ${line}:`)
    const json = await run(['audit', 'verify', path, '--json'], env)
    expect(JSON.parse(json.stdout), name).toMatchObject({ ok: false, line })
  }
  const other = exportedLog(['A'])
  const { code, stderr } = await run(['audit', 'verify', other.path, `--key=${verifierKey}`], env)
  expect(code).toBe(1)
  expect(stderr).toMatch(/another verifier key/)
})

test('a log that was rolled back does not contain a checkpoint kept from before', async () => {
  const { path, lines, notes, write, directory } = exportedLog(['A', 'B', 'C', 'D'])
  const kept = join(directory, 'kept.checkpoint')
  writeFileSync(kept, notes[3] ?? '')
  expect((await run(['audit', 'verify', path, `--checkpoint=${kept}`], env)).code).toBe(0)
  write(lines.slice(0, 4))
  expect((await run(['audit', 'verify', path], env)).code).toBe(0)
  const { code, stderr } = await run(['audit', 'verify', path, `--checkpoint=${kept}`], env)
  expect(code).toBe(1)
  expect(stderr).toMatch(/signs 4 records, but the log has only 2/)
})

test('standard input can be verified, and a missing file says so', async () => {
  const { lines } = exportedLog(['A'])
  expect((await run(['audit', 'verify', '-'], env, lines.join(''))).code).toBe(0)
  const { code, stderr } = await run(['audit', 'verify', '/nowhere'], env)
  expect(code).toBe(1)
  expect(stderr).toMatch(/\/nowhere cannot be read \(ENOENT\)/)
})

test('bytes that are no UTF-8 in place of a recorded U+FFFD are a change, in that very record', async () => {
  const { path, lines, verifierKey } = exportedLog(['A', '\ufffd', 'C'])
  const text = Buffer.from(lines.join(''))
  const at = text.indexOf(Buffer.from('\ufffd'))
  writeFileSync(
    path,
    Buffer.concat([text.subarray(0, at), Buffer.from([0xf0, 0xbf, 0xbd]), text.subarray(at + 3)]),
  )
  const { code, stdout, stderr } = await run(['audit', 'verify', path, `--key=${verifierKey}`], env)
  expect(code).toBe(1)
  expect(stdout + stderr).toContain('record 1 was changed')
})
