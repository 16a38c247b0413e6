import { spawnSync } from 'node:child_process'
import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exportCheckpoint, exportHeader, exportRecord, exportRemoved } from '@keyhold/contract/audit-export'
import { checkpointBody, formatVerifierKey, signedCheckpoint } from '@keyhold/contract/checkpoint'
import { leafHash, MerkleTree } from '@keyhold/contract/merkle'
import { expect, onTestFinished, test } from 'vitest'

/* docs/audit-log.md has a verifier that shares nothing with Keyhold. It is run here as it stands there. */

const document = readFileSync(join(import.meta.dirname, '../docs/audit-log.md'), 'utf8')
const verifier = /```python\n([\s\S]*?)```/.exec(document)![1]! // `!`: without it there is nothing to test.

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest()
const { privateKey, publicKey } = generateKeyPairSync('ed25519')
const key = {
  name: 'keyhold-audit/test',
  publicKey: publicKey.export({ format: 'der', type: 'spki' }).subarray(-32),
}
const trusted = formatVerifierKey(sha256, key)

/** @param removedBefore contents of records before it are gone. @param decided what the last record says of that. */
function exported(records: number, removedBefore = 0, decided = 0): string {
  const tree = new MerkleTree(sha256)
  let text = exportHeader(trusted)
  const checkpoint = () => {
    const head = { origin: key.name, size: tree.size, root: tree.root() }
    const signature = sign(null, Buffer.from(checkpointBody(head)), privateKey)
    text += exportCheckpoint(tree.size, signedCheckpoint(sha256, head, key, signature))
  }
  for (let index = 0; index < records; index++) {
    const said =
      decided > 0 && index === records - 1
        ? {
            action: 'audit.remove',
            outcome: 'success',
            actor: { kind: 'server' },
            removed: { before: decided, retentionDays: 365 },
          }
        : { action: 'secret.read', actor: { name: 'Adá\u2028' } }
    const record = JSON.stringify({ index, ...said })
    const hash = leafHash(sha256, Buffer.from(record))
    tree.append(hash)
    text += index < removedBefore ? exportRemoved(index, [hash]) : exportRecord(hash, record)
    if (index === 4) checkpoint()
  }
  checkpoint()
  return text
}

function verify(text: string, verifierKey = trusted) {
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'verify.py'), verifier)
  writeFileSync(join(folder, 'audit.log'), text)
  const args = [join(folder, 'verify.py'), join(folder, 'audit.log'), verifierKey]
  const { status, stdout, stderr } = spawnSync('python3', args, { encoding: 'utf8' })
  return { status, text: stdout + stderr }
}

test.each([0, 1, 5, 13])('the documented verifier accepts a log of %d records', (records) => {
  expect(verify(exported(records))).toMatchObject({
    status: 0,
    text: expect.stringContaining(`${records} records`),
  })
})

test('it refuses a log in which a record was changed, removed, exchanged or cut off', () => {
  const text = exported(13)
  const lines = text.split('\n')
  const [seventh, eighth] = [lines[8]!, lines[9]!] // `!`: header, 5 records, a checkpoint, 8 records, a checkpoint.
  for (const broken of [
    text.replace('secret.read', 'secret.list'),
    text.replace(`${seventh}\n`, ''),
    text.replace(`${seventh}\n${eighth}`, `${eighth}\n${seventh}`),
    `${lines.slice(0, -2).join('\n')}\n`,
  ]) {
    expect(broken).not.toBe(text)
    expect(verify(broken).status).toBe(1)
  }
})

test('it takes removed records only as far as the log says that they were removed', () => {
  expect(verify(exported(13, 7, 7))).toMatchObject({ status: 0, text: expect.stringContaining('13 records') })
  expect(verify(exported(13, 7, 6))).toMatchObject({ status: 1, text: expect.stringContaining('old enough') })
  expect(verify(exported(13, 7)).status).toBe(1)
  expect(verify(exported(13, 7, 14)).status).toBe(1)
  const text = exported(13, 7, 7)
  expect(verify(text.replace(/removed\t1\t..../, 'removed\t1\tAAAA')).status).toBe(1)
})

test('it refuses a log that another key signed', () => {
  const other = formatVerifierKey(sha256, { ...key, publicKey: sha256(Buffer.from('another key')) })
  expect(verify(exported(3), other)).toMatchObject({ status: 1, text: expect.stringContaining('not signed') })
})
