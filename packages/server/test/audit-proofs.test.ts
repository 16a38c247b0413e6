import { createHash, createPublicKey, verify } from 'node:crypto'
import { parseAuditProof } from '@keyhold/contract/audit-proof'
import { type Checkpoint, fromBase64, openCheckpoint, parseVerifierKey } from '@keyhold/contract/checkpoint'
import { verifyConsistency, verifyInclusion } from '@keyhold/contract/merkle-proof'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases, startServer, type TestPerson, type TestServer } from './kit.ts'

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest()
const verifySignature = (publicKey: Uint8Array, signature: Uint8Array, message: Uint8Array) => {
  const x = Buffer.from(publicKey).toString('base64url')
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
  return verify(null, message, key, signature)
}

describe.each(databases)('proofs of the audit log on %s', (database) => {
  // Past the first kept subtrees on both; past the second kind on SQLite, where writing so many is quick.
  const many = database === 'sqlite' ? 66_000 : 700
  let server: TestServer
  let stop: () => Promise<void>
  let admin: TestPerson
  let member: TestPerson

  beforeAll(async () => {
    ;({ server, stop } = await startServer(database))
    admin = await server.addPerson('admin')
    member = await server.addPerson()
    await server.addProject(member)
  }, 60_000)
  afterAll(() => stop())

  async function addRecords(count: number): Promise<void> {
    const entry = {
      action: 'audit.read',
      outcome: 'success',
      actor: { kind: 'operator' },
      origin: { traceId: 'test' },
    } as const
    for (let left = count; left > 0; left -= 5_000)
      await server.core.audit.append(...Array<typeof entry>(Math.min(left, 5_000)).fill(entry))
  }

  async function open(note: string): Promise<Checkpoint> {
    const key = parseVerifierKey(sha256, server.core.audit.verifierKey)!
    const checkpoint = await openCheckpoint(sha256, verifySignature, note, key)
    expect(checkpoint).toBeDefined()
    return checkpoint!
  }

  const prove = (index: number | string, token = admin.token) =>
    server.request('GET', `/api/v1/audit/${index}/proof`, { token })
  const growth = (size: number | string, token = admin.token) =>
    server.request('GET', `/api/v1/audit/growth?size=${size}`, { token })

  async function holds(index: number): Promise<boolean> {
    const answer = await prove(index)
    expect(answer.status).toBe(200)
    const proof = parseAuditProof(answer.body.proof)!
    expect(proof.index).toBe(index)
    expect(JSON.parse(Buffer.from(proof.record).toString()).index).toBe(index)
    return verifyInclusion(sha256, proof.record, index, await open(proof.checkpoint), proof.hashes)
  }

  async function hasGrown(from: Checkpoint): Promise<boolean> {
    const answer = await growth(from.size)
    expect(answer.status).toBe(200)
    const hashes = answer.body.hashes.map((hash: string) => fromBase64(hash))
    return verifyConsistency(sha256, from, await open(answer.body.checkpoint), hashes)
  }

  test('SEC-26: every record is proven, every earlier head is one the log has grown out of', async () => {
    const small = await open(await server.core.audit.checkpoint())
    await addRecords(300)
    const middle = await open(await server.core.audit.checkpoint())
    for (const index of [0, 1, small.size - 1, small.size, 255, 256, middle.size - 1])
      expect([index, await holds(index)]).toEqual([index, true])
    expect(await hasGrown(small)).toBe(true)
    await addRecords(many)
    const large = await open(await server.core.audit.checkpoint())
    for (const index of [
      0,
      255,
      256,
      middle.size,
      large.size - 257,
      large.size - 1,
      Math.floor(large.size / 2),
    ])
      expect([index, await holds(index)]).toEqual([index, true])
    for (const head of [small, middle, large, { ...small, size: 0, root: sha256(new Uint8Array()) }])
      expect([head.size, await hasGrown(head)]).toEqual([head.size, true])
  }, 120_000)

  test('a head that the log never had has not grown into it; a larger one is 409', async () => {
    const head = await open(await server.core.audit.checkpoint())
    expect(await hasGrown({ ...head, size: 5 })).toBe(false)
    expect(await hasGrown({ ...head, root: sha256(head.root) })).toBe(false)
    const answer = await growth(head.size + 1_000)
    expect([answer.status, answer.body.code]).toEqual([409, 'audit.shorter'])
  })

  test('a record that was changed in the database has no proof that holds, nor has the log grown', async () => {
    const { db } = server.core.storage
    const before = await open(await server.core.audit.checkpoint())
    const row = await db
      .selectFrom('audit_records')
      .select(['record', 'leaf_hash'])
      .where('leaf_index', '=', 3)
      .executeTakeFirstOrThrow()
    const set = (record: string, leaf_hash: Uint8Array) =>
      server.core.storage.transaction((tx) =>
        tx.updateTable('audit_records').set({ record, leaf_hash }).where('leaf_index', '=', 3).execute(),
      )
    await set(row.record.replace('success', 'refused'), row.leaf_hash)
    expect(await holds(3)).toBe(false)
    // Also when the hash was made to fit: the signed head says otherwise.
    const forged = row.record.replace('success', 'refused')
    await set(forged, sha256(Buffer.concat([Buffer.of(0), Buffer.from(forged)])))
    expect(await holds(3)).toBe(false)
    await set(row.record, row.leaf_hash)
    expect(await holds(3)).toBe(true)
    expect(await hasGrown(before)).toBe(true)
  })

  test('records that are missing: 500 that says so, not a proof of something else', async () => {
    const { db } = server.core.storage
    const size = (await open(await server.core.audit.checkpoint())).size
    const row = await db
      .selectFrom('audit_records')
      .selectAll()
      .where('leaf_index', '=', size - 1)
      .executeTakeFirstOrThrow()
    await server.core.storage.transaction((tx) =>
      tx
        .deleteFrom('audit_records')
        .where('leaf_index', '=', size - 1)
        .execute(),
    )
    expect((await prove(size - 1)).body.code).toBe('audit.record_not_found')
    const neighbour = await prove(size - 2)
    expect([neighbour.status, neighbour.body.code]).toEqual([500, 'audit.incomplete'])
    await server.core.storage.transaction((tx) => tx.insertInto('audit_records').values(row).execute())
    expect((await prove(size - 2)).status).toBe(200)
  })

  test('people who are no administrators get proofs of what they may see, else the answer of a missing record', async () => {
    const mine = (await server.core.audit.list({ actorId: member.id }, 1)).records[0]!.index
    const others = (await server.core.audit.list({ actorId: admin.id }, 1)).records[0]?.index ?? 0
    expect((await prove(mine, member.token)).status).toBe(200)
    const refused = await prove(others, member.token)
    const missing = await prove(99_999_999, member.token)
    expect(refused.status).toBe(404)
    expect({ ...refused.body, traceId: '' }).toEqual({ ...missing.body, traceId: '' })
  })

  test.each(['-1', '1.5', 'x', '1e400'])('400 for %s', async (bad) => {
    expect((await prove(bad)).status).toBe(400)
    expect((await growth(bad)).status).toBe(400)
  })
})
