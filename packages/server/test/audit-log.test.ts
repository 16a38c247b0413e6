import { createHash, createPublicKey, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Worker } from 'node:worker_threads'
import { type AuditVerification, verifyAuditExport } from '@keyhold/contract/audit-export'
import { fromBase64 } from '@keyhold/contract/checkpoint'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  databases,
  startServer,
  type TestDatabase,
  type TestKey,
  type TestPerson,
  type TestServer,
} from './kit.ts'

// Processes and disks take their time where the machine is busy with other things.
vi.setConfig({ testTimeout: 120_000 })

const sha256 = (...parts: Uint8Array[]) => createHash('sha256').update(Buffer.concat(parts)).digest()
const VALUE = 'canary-of-the-audit-tests'

interface Scene {
  readonly server: TestServer
  readonly person: TestPerson
  readonly projectId: string
  readonly key: TestKey
}

async function startScene(database: TestDatabase): Promise<Scene & { stop: () => Promise<void> }> {
  const { server, stop } = await startServer(database)
  const person = await server.addPerson('admin')
  const { id: projectId } = await server.addProject(person)
  await server.addSecret(person, projectId, { name: 'A', value: VALUE })
  const key = await server.addKey(person, projectId)
  await server.ok('GET', '/api/v1/projects/current/secrets/A', { key })
  return { server, person, projectId, key, stop }
}

/** Each delivery names itself, and its record repeats that. */
let deliveries = 0
async function deliver({ server, key }: Scene) {
  deliveries += 1
  const client = `delivery-${deliveries}`
  const answer = await server.request('GET', '/api/v1/projects/current/secrets/A', {
    key,
    headers: { 'user-agent': client },
  })
  return { ...answer, client }
}

const storedRecords = ({ server }: Scene) =>
  server.core.storage.db
    .selectFrom('audit_records')
    .select(['leaf_index', 'leaf_hash', 'record'])
    .orderBy('leaf_index')
    .execute()

/** RFC 6962 §2.1, as it is written. */
function rootOf(leaves: readonly string[]): Uint8Array {
  if (leaves.length === 0) return sha256()
  if (leaves.length === 1) return sha256(Uint8Array.of(0), Buffer.from(leaves[0]!))
  let split = 1
  while (split * 2 < leaves.length) split *= 2
  return sha256(Uint8Array.of(1), rootOf(leaves.slice(0, split)), rootOf(leaves.slice(split)))
}

async function exportLog({ server, person }: Scene): Promise<string> {
  const { status, text } = await server.request('GET', '/api/v1/audit/export', { token: person.token })
  expect(status).toBe(200)
  return text
}

function check(
  { server }: Pick<Scene, 'server'>,
  text: string,
  earlierCheckpoint?: string,
): Promise<AuditVerification> {
  const lines = text.split('\n')
  expect(lines.pop()).toBe('')
  return verifyAuditExport(
    (async function* () {
      yield* lines
    })(),
    {
      sha256: (bytes) => sha256(bytes),
      verifySignature: (publicKey, signature, message) => {
        const x = Buffer.from(publicKey).toString('base64url')
        return verify(
          null,
          message,
          createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' }),
          signature,
        )
      },
      verifierKey: server.core.audit.verifierKey,
      ...(earlierCheckpoint !== undefined && { earlierCheckpoint }),
    },
  )
}

/** Threads that this process starts. */
const threads = new Set<Worker>()
process.on('worker', (worker: Worker) => {
  threads.add(worker)
  worker.once('exit', () => threads.delete(worker))
})

describe.each(databases)('the audit log on %s', (database) => {
  let scene: Scene & { stop: () => Promise<void> }
  beforeAll(async () => {
    scene = await startScene(database)
  })
  afterAll(() => scene.stop())

  test('200 deliveries at once: no gaps, each answered one has its record, the root is that of the definition (L2)', async () => {
    const answers = await Promise.all(Array.from({ length: 200 }, () => deliver(scene)))
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([200]))
    const rows = await storedRecords(scene)
    expect(rows.map((row) => row.leaf_index)).toEqual(rows.map((_, i) => i))
    const records = rows.map((row) => JSON.parse(row.record))
    expect(records.map((record) => record.index)).toEqual(records.map((_, i) => i))
    for (const { client } of answers) {
      const own = records.filter((record) => record.client === client)
      expect(own).toHaveLength(1)
      expect(own[0]).toMatchObject({
        action: 'secret.read',
        outcome: 'success',
        actor: { kind: 'access-key', id: scene.key.id },
        project: { id: scene.projectId },
        target: { kind: 'secret', name: 'A', version: 1 },
      })
    }
    const { checkpoint } = await scene.server.ok('GET', '/api/v1/audit/checkpoint', {
      token: scene.person.token,
    })
    const [, size, root] = checkpoint.split('\n')
    expect(Number(size)).toBe(rows.length)
    expect(fromBase64(root)).toEqual(new Uint8Array(rootOf(rows.map((row) => row.record))))
    for (const row of rows)
      expect(Buffer.from(row.leaf_hash).equals(sha256(Uint8Array.of(0), Buffer.from(row.record)))).toBe(true)
  })

  test('writes and deliveries at once keep one order', async () => {
    const before = (await storedRecords(scene)).length
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, i) =>
        i % 2 === 0
          ? deliver(scene)
          : scene.server.request('POST', `/api/v1/projects/${scene.projectId}/secrets`, {
              token: scene.person.token,
              body: { name: `W${before}_${i}`, type: 'token', value: VALUE },
            }),
      ),
    )
    expect(answers.map((answer) => answer.status).filter((status) => status >= 300)).toEqual([])
    expect(await check(scene, await exportLog(scene))).toMatchObject({ ok: true })
    expect((await storedRecords(scene)).length).toBe(before + 60 + 1)
  })

  test('records that come together go into few commits, and each append waits for its own', async () => {
    const { audit, storage } = scene.server.core
    const first = (await storedRecords(scene)).length
    const { sqlitePath } = storage
    const commits = async () => {
      if (sqlitePath === undefined) {
        const { rows } = await sql<{ count: string }>`
          select count(distinct xmin::text) as count from audit_records where leaf_index >= ${first}`.execute(
          storage.db,
        )
        return Number(rows[0]!.count)
      }
      // Each frame of the write-ahead log that ends a commit says how large the database is then, the others 0.
      const wal = readFileSync(`${sqlitePath}-wal`)
      const pageSize = wal.readUInt32BE(8)
      let count = 0
      for (let at = 32; at + 24 + pageSize <= wal.length; at += 24 + pageSize)
        if (wal.compare(wal, 16, 24, at + 8, at + 16) === 0 && wal.readUInt32BE(at + 4) !== 0) count += 1
      return count
    }
    if (sqlitePath !== undefined) {
      const other = new DatabaseSync(sqlitePath)
      other.exec('pragma wal_checkpoint(truncate)')
      other.close()
    }
    const size = async () =>
      (await storage.db.selectFrom('audit_head').select('size').executeTakeFirstOrThrow()).size
    await Promise.all(
      Array.from({ length: 500 }, async (_, i) => {
        await audit.append({
          action: 'secret.read',
          outcome: 'success',
          actor: { kind: 'operator' },
          origin: { traceId: `group-${i}` },
        })
        // On disk when it resolves.
        expect(await size()).toBeGreaterThan(first)
      }),
    )
    const rows = (await storedRecords(scene)).slice(first)
    expect(rows.map((row) => JSON.parse(row.record).traceId)).toEqual(
      Array.from({ length: 500 }, (_, i) => `group-${i}`),
    )
    const count = await commits()
    expect(count).toBeGreaterThan(0)
    expect(count).toBeLessThanOrEqual(3)
  })

  test('kept checkpoints stand in the export and verify, also while records come (L3)', async () => {
    await scene.server.core.audit.keepCheckpoint()
    await deliver(scene)
    await scene.server.core.audit.keepCheckpoint()
    const loading = Promise.all(Array.from({ length: 50 }, () => deliver(scene)))
    const kept = scene.server.core.audit.keepCheckpoint()
    const [text] = await Promise.all([exportLog(scene), loading, kept])
    const result = await check(scene, text)
    expect(result).toMatchObject({ ok: true })
    expect(result.ok && result.checkpoints).toBeGreaterThanOrEqual(3)
  })

  test('names what was attempted, never a value (L4, SEC-26)', async () => {
    const canary = 'canary in every field'
    const token = scene.person.token
    const project = `/api/v1/projects/${scene.projectId}`
    const before = (await storedRecords(scene)).length
    for (const [method, path, body] of [
      ['POST', `${project}/secrets`, { name: canary, type: 'token', value: canary }],
      ['POST', `${project}/secrets`, { name: 'A', type: 'token', value: canary, description: canary }],
      ['POST', `${project}/secrets`, { name: 'B', type: 'token', value: canary, environment: canary }],
      ['POST', `${project}/secrets`, { name: 'C', type: 'key', value: canary }],
      ['POST', `${project}/secrets`, { name: 'PATH', type: 'token', value: canary }],
      ['POST', `${project}/secrets`, { name: 'D', type: 'token', value: canary, description: canary }],
      ['POST', '/api/v1/session', { email: 'somebody@example.com', password: canary }],
    ] as const)
      await scene.server.request(method, path, { token, body })
    const rows = (await storedRecords(scene)).slice(before)
    expect(rows.length).toBeGreaterThanOrEqual(4)
    for (const row of rows) expect(row.record).not.toContain('canary')
    const outcomes = rows
      .map((row) => JSON.parse(row.record))
      .map(({ action, outcome }) => `${action} ${outcome}`)
    expect(outcomes).toContain('secret.create failed')
    expect(outcomes).toContain('secret.create success')
    expect(outcomes).toContain('session.create refused')
  })
})

describe.each(databases)('a database that was tampered with, on %s (L3)', (database) => {
  /** A log of 12 records with a kept checkpoint at 8 and the one that somebody noted at 10. */
  async function newLog() {
    const { server, stop } = await startServer(database)
    onTestFinished(stop)
    const { audit, storage } = server.core
    const append = async (count: number) => {
      for (let i = 0; i < count; i++)
        await audit.append({
          action: 'secret.read',
          outcome: 'success',
          actor: { kind: 'operator' },
          target: { kind: 'secret', name: `NAME_${i}` },
          origin: { traceId: 'test' },
        })
    }
    await append(8)
    await audit.keepCheckpoint()
    const headAt8 = await storage.db.selectFrom('audit_head').selectAll().executeTakeFirstOrThrow()
    await append(2)
    const noted = await audit.checkpoint()
    await append(2)
    let text = ''
    const exported = async () => {
      text = ''
      for await (const piece of audit.export()) text += piece
      return text
    }
    expect(await check({ server }, await exported(), noted)).toMatchObject({
      ok: true,
      size: 12,
      checkpoints: 2,
    })
    const verifyNow = async () => check({ server }, await exported())
    return { server, storage, audit, verifyNow, exported, noted, headAt8 }
  }
  const change = (log: Awaited<ReturnType<typeof newLog>>, statement: ReturnType<typeof sql>) =>
    log.storage.transaction((tx) => statement.execute(tx))

  test('a changed record: its line is named', async () => {
    const log = await newLog()
    await change(
      log,
      sql`update audit_records set record = replace(record, 'success', 'refused') where leaf_index = 9`,
    )
    expect(await log.verifyNow()).toMatchObject({ ok: false, index: 9, problem: 'record 9 was changed' })
  })

  test('a changed record with a hash that fits: the span since the checkpoint before is named', async () => {
    const log = await newLog()
    const { record } = await log.storage.db
      .selectFrom('audit_records')
      .select('record')
      .where('leaf_index', '=', 9)
      .executeTakeFirstOrThrow()
    const forged = record.replace('success', 'refused')
    await change(
      log,
      sql`update audit_records set record = ${forged}, leaf_hash = ${sha256(Uint8Array.of(0), Buffer.from(forged))} where leaf_index = 9`,
    )
    expect(await log.verifyNow()).toMatchObject({ ok: false, index: 8 })
  })

  test('a deleted record: named where the next one stands', async () => {
    const log = await newLog()
    await change(log, sql`delete from audit_records where leaf_index = 5`)
    expect(await log.verifyNow()).toMatchObject({ ok: false, index: 5 })
  })

  test('deleted records at the end: named', async () => {
    const log = await newLog()
    await change(log, sql`delete from audit_records where leaf_index >= 10`)
    expect(await log.verifyNow()).toMatchObject({ ok: false, index: 10 })
  })

  test('two records that changed places: named at the first', async () => {
    const log = await newLog()
    await change(log, sql`update audit_records set leaf_index = 100 where leaf_index = 3`)
    await change(log, sql`update audit_records set leaf_index = 3 where leaf_index = 6`)
    await change(log, sql`update audit_records set leaf_index = 6 where leaf_index = 100`)
    expect(await log.verifyNow()).toMatchObject({ ok: false, index: 3 })
  })

  test('a head that was set back: what lies beyond it goes out too and is named; nothing is recorded over it', async () => {
    const log = await newLog()
    const { size, edge } = log.headAt8
    await change(log, sql`update audit_head set size = ${size}, edge = ${edge}`)
    expect(await log.verifyNow()).toMatchObject({ ok: false, index: 8 })
    await expect(
      log.audit.append({
        action: 'secret.read',
        outcome: 'success',
        actor: { kind: 'operator' },
        origin: { traceId: 'x' },
      }),
    ).rejects.toMatchObject({ code: 'audit.unavailable' })
  })

  test('head and records set back together: the kept checkpoint shows it', async () => {
    const log = await newLog()
    await log.audit.keepCheckpoint()
    const { size, edge } = log.headAt8
    await change(log, sql`update audit_head set size = ${size}, edge = ${edge}`)
    await change(log, sql`delete from audit_records where leaf_index >= 8`)
    expect(await log.verifyNow()).toMatchObject({ ok: false, index: 8 })
  })

  test('all of it set back: the checkpoint that somebody noted elsewhere shows it', async () => {
    const log = await newLog()
    const { size, edge } = log.headAt8
    await change(log, sql`update audit_head set size = ${size}, edge = ${edge}`)
    await change(log, sql`delete from audit_records where leaf_index >= 8`)
    expect(await log.verifyNow()).toMatchObject({ ok: true, size: 8 })
    expect(await check(log, await log.exported(), log.noted)).toMatchObject({ ok: false, index: 8 })
  })

  test('history written anew with a head that fits: the kept checkpoint shows it, also at the very end', async () => {
    const log = await newLog()
    await log.audit.keepCheckpoint()
    const rows = await log.storage.db
      .selectFrom('audit_records')
      .select(['leaf_index', 'record'])
      .orderBy('leaf_index')
      .execute()
    const forged = rows[11]!.record.replace('success', 'refused')
    const hash = sha256(Uint8Array.of(0), Buffer.from(forged))
    await change(
      log,
      sql`update audit_records set record = ${forged}, leaf_hash = ${hash} where leaf_index = 11`,
    )
    const leaves = rows.map((row) => row.record).with(11, forged)
    // 12 = 8 + 4: the edge has the roots of the first eight and of the last four.
    const edge = Buffer.concat([rootOf(leaves.slice(0, 8)), rootOf(leaves.slice(8))])
    await change(log, sql`update audit_head set edge = ${edge}`)
    expect(await log.verifyNow()).toMatchObject({ ok: false, index: 8 })
  })
})

describe('the thread that writes (SQLite)', () => {
  test('that dies fails what it had closed; the next request works (L2)', async () => {
    const before = new Set(threads)
    const scene = await startScene('sqlite')
    onTestFinished(scene.stop)
    const writers = () => [...threads].filter((thread) => !before.has(thread))
    expect(writers()).toHaveLength(1)
    const delivered: string[] = []
    let failed = 0
    for (let round = 0; round < 15; round++) {
      const [writer] = writers()
      const pending = Array.from({ length: 20 }, () => deliver(scene))
      if (round % 3 > 0) await Promise.race(pending)
      await writer!.terminate()
      for (const answer of await Promise.all(pending)) {
        if (answer.status === 200) delivered.push(answer.client)
        else {
          expect(answer.status).toBe(503)
          expect(answer.body.code).toBe('audit.unavailable')
          expect(answer.text).not.toContain(VALUE)
          failed += 1
        }
      }
      const next = await deliver(scene)
      expect(next.status).toBe(200)
      expect(next.body.value).toBe(VALUE)
      delivered.push(next.client)
      expect(writers()).toHaveLength(1)
    }
    expect(failed).toBeGreaterThan(0)
    const recorded = new Set((await storedRecords(scene)).map((row) => JSON.parse(row.record).client))
    expect(delivered.filter((client) => !recorded.has(client))).toEqual([])
    expect(await check(scene, await exportLog(scene))).toMatchObject({ ok: true })
    expect(scene.server.core.audit.problem).toBeUndefined()
  })

  test('that cannot start fails its own batch only; the end of it is not taken for that of the next thread (L2)', async () => {
    const before = new Set(threads)
    const scene = await startScene('sqlite')
    onTestFinished(scene.stop)
    const writers = () => [...threads].filter((thread) => !before.has(thread))
    const other = new DatabaseSync(join(scene.server.config.dataDir, 'keyhold.db'))
    await writers()[0]!.terminate()
    // A thread looks for this table when it starts. It is back as soon as the first one failed, before that has ended.
    other.exec('alter table audit_head rename to audit_head_away')
    process.once('worker', (worker: Worker) => {
      worker.prependOnceListener('error', () =>
        other.exec('alter table audit_head_away rename to audit_head'),
      )
    })
    const answers = await Promise.all(Array.from({ length: 20 }, () => deliver(scene)))
    other.close()
    // The first had the failed thread to itself; the others waited meanwhile and went to the next.
    const refused = answers.filter((answer) => answer.status !== 200)
    expect(refused.map((answer) => answer.body.code)).toEqual(['audit.unavailable'])
    expect(writers()).toHaveLength(1)
    const delivered = [...answers.filter((answer) => answer.status === 200), await deliver(scene)]
    const recorded = new Set((await storedRecords(scene)).map((row) => JSON.parse(row.record).client))
    expect(delivered.filter(({ client }) => !recorded.has(client))).toEqual([])
    expect(recorded).not.toContain(refused[0]!.client)
  })
})

describe.each(databases)('a record that cannot be written, on %s', (database) => {
  test('nothing is delivered, changed or allowed; then it goes on (L1, L2)', async () => {
    const scene = await startScene(database)
    onTestFinished(scene.stop)
    const { storage } = scene.server.core
    await storage.transaction((tx) => sql`alter table audit_records rename to audit_records_away`.execute(tx))
    const token = scene.person.token
    const project = `/api/v1/projects/${scene.projectId}`
    const { secrets } = await scene.server.ok('GET', `${project}/secrets`, { token })
    const reveal = `${project}/secrets/${secrets[0].id}/reveal`
    for (const [method, path, credential, body] of [
      ['GET', '/api/v1/projects/current/secrets/A', { key: scene.key }, undefined],
      ['GET', '/api/v1/projects/current/secrets', { key: scene.key }, undefined],
      ['GET', '/api/v1/projects/current', { key: scene.key }, undefined],
      ['POST', reveal, { token }, {}],
      ['POST', `${project}/secrets`, { token }, { name: 'B', type: 'token', value: VALUE }],
      ['DELETE', `${project}/secrets/${secrets[0].id}`, { token }, undefined],
    ] as const) {
      const answer = await scene.server.request(method, path, { ...credential, ...(body && { body }) })
      expect(answer.status, `${method} ${path}`).toBeGreaterThanOrEqual(500)
      expect(answer.text).not.toContain(VALUE)
    }
    expect((await scene.server.request('GET', '/readyz')).status).toBe(503)
    await storage.transaction((tx) => sql`alter table audit_records_away rename to audit_records`.execute(tx))
    expect((await deliver(scene)).body.value).toBe(VALUE)
    const after = await scene.server.ok('GET', `${project}/secrets`, { token })
    expect(after.secrets.map((secret: { name: string }) => secret.name)).toEqual(['A'])
    expect((await scene.server.request('GET', '/readyz')).status).toBe(200)
    expect(await check(scene, await exportLog(scene))).toMatchObject({ ok: true })
  })
})
