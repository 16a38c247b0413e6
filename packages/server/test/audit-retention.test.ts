import { spawn } from 'node:child_process'
import { createHash, createPublicKey, verify } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type AuditVerification, exportRemoved, verifyAuditExport } from '@keyhold/contract/audit-export'
import { parseAuditProof } from '@keyhold/contract/audit-proof'
import { fromBase64, openCheckpoint, parseVerifierKey } from '@keyhold/contract/checkpoint'
import { leafHash, MerkleTree } from '@keyhold/contract/merkle'
import { verifyConsistency, verifyInclusion } from '@keyhold/contract/merkle-proof'
import { sql } from 'kysely'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { readBegin } from '../src/audit/audit.store.ts'
import { openStorage } from '../src/storage/storage.ts'
import { databases, newPostgresDatabase, startServer, type TestPerson, type TestServer } from './kit.ts'
import { ServerProcess } from './server-process.ts'

// Processes and disks take their time where the machine is busy with other things.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

const DAY_MS = 24 * 60 * 60_000
const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest()
const verifySignature = (publicKey: Uint8Array, signature: Uint8Array, message: Uint8Array) => {
  const x = Buffer.from(publicKey).toString('base64url')
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
  return verify(null, message, key, signature)
}

async function* linesOf(text: string) {
  yield* text.split('\n').slice(0, -1)
}

async function addRecordsTo({ core }: TestServer, count: number): Promise<void> {
  const entry = {
    action: 'audit.read',
    outcome: 'success',
    actor: { kind: 'operator' },
    origin: { traceId: 'test' },
  } as const
  await core.audit.append(...Array<typeof entry>(count).fill(entry))
}

const verified = (
  text: string,
  verifierKey: string,
  earlierCheckpoint?: string,
): Promise<AuditVerification> =>
  verifyAuditExport(linesOf(text), {
    sha256,
    verifySignature,
    verifierKey,
    ...(earlierCheckpoint !== undefined && { earlierCheckpoint }),
  })

const opened = async (note: string, verifierKey: string) =>
  (await openCheckpoint(sha256, verifySignature, note, parseVerifierKey(sha256, verifierKey)!))! // `!`: our own.

describe.each(databases)('retention of the audit log on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let admin: TestPerson

  beforeEach(async () => {
    ;({ server, stop } = await startServer(database))
    onTestFinished(() => stop())
    admin = await server.addPerson('admin')
  })

  const addRecords = (count: number) => addRecordsTo(server, count)
  const keepFor = (auditRetentionDays: number | null) =>
    server.ok('PATCH', '/api/v1/settings', { token: admin.token, body: { auditRetentionDays } })
  const remove = () => server.core.auditRetention.run(new AbortController().signal)
  const list = (query = '') => server.ok('GET', `/api/v1/audit?limit=500${query}`, { token: admin.token })
  /** Pages may be short, or empty, before the end. */
  async function all(query = '') {
    let page = await list(query)
    const found = [...page.records]
    while (page.nextCursor !== null) {
      page = await list(`${query}&cursor=${page.nextCursor}`)
      found.push(...page.records)
    }
    return found
  }
  const exported = async () =>
    (await server.request('GET', '/api/v1/audit/export', { token: admin.token })).text
  const check = (text: string, earlierCheckpoint?: string) =>
    verified(text, server.core.audit.verifierKey, earlierCheckpoint)
  const open = (note: string) => opened(note, server.core.audit.verifierKey)

  /** Two old blocks and a bit, kept heads in them, and then a year and a new record. */
  async function age(): Promise<{ size: number; head: string; export: string }> {
    await addRecords(100)
    await server.core.audit.keepCheckpoint()
    await addRecords(233)
    await server.core.audit.keepCheckpoint()
    await addRecords(300)
    const text = await exported()
    const { size, note } = await server.core.audit.signedHead()
    server.clock.advance(366 * DAY_MS)
    await addRecords(300)
    return { size, head: note, export: text }
  }

  test('C27: records are kept for ever until administrators say otherwise, and then a year at least', async () => {
    const { size } = await age()
    await remove()
    expect((await list()).begin).toBe(0)
    const answer = await server.request('PATCH', '/api/v1/settings', {
      token: admin.token,
      body: { auditRetentionDays: 364 },
    })
    expect([answer.status, answer.body.errors[0].field]).toEqual([400, 'auditRetentionDays'])
    await keepFor(367)
    await remove()
    expect((await list()).begin).toBe(0)
    expect(await keepFor(365)).toMatchObject({ auditRetentionDays: 365 })
    await server.server.schedule.runDue()
    const begin = Math.floor(size / 256) * 256
    expect(begin).toBe(512)
    expect((await list()).begin).toBe(begin)
    const [record] = await all('&action=audit.remove')
    expect(record).toMatchObject({
      outcome: 'success',
      actor: { kind: 'server' },
      removed: { before: begin, retentionDays: 365 },
    })
    expect(record.line).toMatch(/ - Old audit records removed: before 512$/)
    const [setting] = await all('&action=settings.update&outcome=success')
    expect(setting.changed).toEqual(['auditRetentionDays'])
  })

  test('C27, SEC-26: what is removed is gone, the rest is found, and everything is proven as before', async () => {
    const before = await age()
    const leaves = (await server.core.audit.read(0, before.size)).map(({ hash }) => hash)
    await keepFor(365)
    await remove()

    const { rows } = await sql<{
      count: number
    }>`select count(*) as count from audit_records where leaf_index < 512`.execute(server.core.storage.db)
    expect(Number(rows[0]!.count)).toBe(0)
    expect((await all()).at(-1).index).toBe(512)
    const past = new Date(server.clock.now().getTime() - 366 * DAY_MS + DAY_MS / 2).toISOString()
    expect((await all(`&to=${past}`)).at(-1).index).toBe(512)

    const prove = (index: number, token = admin.token) =>
      server.request('GET', `/api/v1/audit/${index}/proof`, { token })
    for (const index of [512, 513, before.size - 1, before.size + 200]) {
      const proof = parseAuditProof((await prove(index)).body.proof)!
      expect(
        verifyInclusion(sha256, proof.record, index, await open(proof.checkpoint), proof.hashes),
        `${index}`,
      ).toBe(true)
    }
    const member = await server.addPerson()
    for (const token of [admin.token, member.token]) {
      const gone = await prove(511, token)
      expect([gone.status, gone.body.code]).toEqual([410, 'audit.record_removed'])
      expect(gone.body.detail).toContain(server.clock.now().toISOString().slice(0, 10))
    }

    // From whatever size somebody kept a head of, also in the middle of what is gone.
    const tree = new MerkleTree(sha256)
    for (const leaf of leaves) {
      tree.append(leaf)
      if (tree.size % 13 !== 0 && tree.size !== leaves.length && tree.size % 256 !== 0) continue
      const { hashes, checkpoint } = await server.core.audit.proveGrowth(tree.size)
      const first = { size: tree.size, root: tree.root() }
      expect(verifyConsistency(sha256, first, await open(checkpoint), hashes), `${tree.size}`).toBe(true)
    }
    const growth = await server.ok('GET', `/api/v1/audit/growth?size=${before.size}`, { token: admin.token })
    const hashes = growth.hashes.map((hash: string) => fromBase64(hash))
    expect(verifyConsistency(sha256, await open(before.head), await open(growth.checkpoint), hashes)).toBe(
      true,
    )

    const after = await exported()
    expect(after).not.toContain('{"index":511,')
    expect(await check(after, before.head)).toMatchObject({ ok: true, removed: 512 })
    expect(await check(before.export)).toMatchObject({ ok: true, removed: 0 })
    // Every head of the old export is one that the new one contains.
    expect(await check(after, before.export)).toMatchObject({ ok: true })
    expect(await server.core.audit.verify()).toMatchObject({ ok: true, removed: 512 })

    // A year later the record of this removal is removed as well; the one of that removal stands for both.
    server.clock.advance(400 * DAY_MS)
    await addRecords(300)
    await remove()
    const later = await exported()
    expect(await check(later, before.head)).toMatchObject({ ok: true })
    expect((await list()).begin).toBeGreaterThan(before.size)
    server.clock.advance(400 * DAY_MS)
    await addRecords(300)
    await remove()
    expect(await check(await exported(), before.head)).toMatchObject({ ok: true })
    // The first removal's own record is among what the last one removed.
    const removals = await all('&action=audit.remove')
    expect(removals.map((one: { removed: { before: number } }) => one.removed.before)).not.toContain(512)
    expect(removals.length).toBeGreaterThan(0)
    const lines = later.split('\n')
    const at = lines.findLastIndex((line) => line.startsWith('removed\t'))
    const changed = lines.with(at, lines[at]!.replace(/^(removed\t\d+\t).{8}/, '$1AAAAAAAA'))
    const rewritten = await check(changed.join('\n'), before.head)
    expect(!rewritten.ok && rewritten.problem).toContain('differ from those of the earlier checkpoint')
  })

  test('SEC-26: a deletion that no policy decided is named, in the database and in a file', async () => {
    const { size } = await age()
    await keepFor(365)
    await remove()
    const good = await exported()
    const { storage } = server.core
    const leaves = await server.core.audit.read(512, 768)
    // The next block, just as the server does it, but without its record.
    await storage.transaction(async (tx) => {
      const hashes = Buffer.concat(leaves.map(({ hash }) => hash))
      await tx.insertInto('audit_removed').values({ position: 2, hashes, removed_at: 1 }).execute()
      await tx
        .deleteFrom('audit_records')
        .where('leaf_index', '>=', 512)
        .where('leaf_index', '<', 768)
        .execute()
    })
    const found = await check(await exported())
    expect(found).toMatchObject({ ok: false, index: 512 })
    expect(!found.ok && found.problem).toContain('the contents of the records 512 to 767 were removed')

    const lines = good.split('\n')
    const at = lines.findIndex((line) => line.includes('{"index":513,'))
    const [, hash = ''] = lines[at]!.split('\t')
    const cut = lines.with(at, exportRemoved(513, [fromBase64(hash)!]).trimEnd())
    expect(await check(cut.join('\n'))).toMatchObject({ ok: false, index: 513, line: at + 1 })
    // Wrong hashes make another root; a decision that was never in the tree does as well.
    const first = lines.findIndex((line) => line.startsWith('removed\t0\t'))
    const [, , encoded = ''] = lines[first]!.split('\t')
    const forged = fromBase64(encoded)!
    forged[40]! ^= 1
    const wrong = lines.with(first, `removed\t0\t${Buffer.from(forged).toString('base64')}`)
    expect(await check(wrong.join('\n'))).toMatchObject({ ok: false })
    const decision = lines.findIndex((line) => line.includes('"audit.remove"'))
    const claimed = lines[decision]!.replace('"before":512', '"before":768')
    expect(await check(cut.with(decision, claimed).join('\n'))).toMatchObject({ ok: false })
    expect(await check(lines.with(first, 'removed\t0\tAAAA').join('\n'))).toMatchObject({
      ok: false,
      line: first + 1,
    })
    expect(await check(lines.toSpliced(first, 1).join('\n'))).toMatchObject({ ok: false })
    expect(size).toBeGreaterThan(513)
  })

  test('SEC-26: a block that was tampered with, or lacks a record, stays as it is', async () => {
    await age()
    await keepFor(365)
    await server.core.audit.prepare()
    const { storage } = server.core
    const change = (statement: ReturnType<typeof sql>) => storage.transaction((tx) => statement.execute(tx))
    await change(
      sql`update audit_records set record = replace(record, 'success', 'refused') where leaf_index = 300`,
    )
    await expect(remove()).rejects.toThrow('are not as they were recorded')
    expect((await list()).begin).toBe(0)
    await change(
      sql`update audit_records set record = replace(record, 'refused', 'success') where leaf_index = 300`,
    )
    await remove()
    expect((await list()).begin).toBe(512)
  })

  test('SEC-26: how old a record is says the record, not the database around it', async () => {
    await addRecords(256 * 3)
    await keepFor(365)
    await server.core.audit.prepare()
    const { storage } = server.core
    const claim = (time: number) =>
      storage.transaction(async (tx) => {
        await sql`update audit_records set time = ${time} where leaf_index < 512`.execute(tx)
        await sql`update audit_spans set latest = ${time}, earliest = ${time} where position < 2`.execute(tx)
      })
    await claim(1)
    await expect(remove()).rejects.toThrow('are not as they were recorded')
    expect(await server.core.audit.begin()).toBe(0)
    expect(await server.core.audit.verify()).toMatchObject({ ok: true, removed: 0 })
    await claim(server.clock.now().getTime())
  })

  test('SEC-26: a record that was changed with all that is kept of its hash stays, and can be named', async () => {
    await age()
    await keepFor(365)
    await server.core.audit.keepCheckpoint()
    await server.core.audit.prepare()
    const { storage } = server.core
    const [original] = await server.core.audit.read(300, 301)
    const rewrite = async (json: string) => {
      const hash = Buffer.from(leafHash(sha256, Buffer.from(json)))
      await storage.transaction(async (tx) => {
        await sql`update audit_records set record = ${json}, leaf_hash = ${hash} where leaf_index = 300`.execute(
          tx,
        )
        await sql`delete from audit_subtrees`.execute(tx)
      })
    }
    await rewrite(original!.json.replace('success', 'refused'))
    await expect(remove()).rejects.toThrow('are not as they were recorded')
    expect(await server.core.audit.begin()).toBe(0)
    await rewrite(original!.json)
    await remove()
    expect(await server.core.audit.begin()).toBe(512)
    expect(await server.core.audit.verify()).toMatchObject({ ok: true, removed: 512 })
  })

  test('a removal that cannot be recorded does not happen; one that was interrupted goes on', async () => {
    await addRecords(256 * 6)
    server.clock.advance(366 * DAY_MS)
    await addRecords(10)
    await keepFor(365)
    await server.core.audit.prepare()
    const { storage } = server.core
    const size = await server.core.audit.size()
    // What comes next finds its place taken.
    await storage.transaction((tx) =>
      sql`insert into audit_records (leaf_index, leaf_hash, record, time, action, outcome)
          select ${size}, leaf_hash, record, time, action, outcome from audit_records where leaf_index = 0`.execute(
        tx,
      ),
    )
    await expect(remove()).rejects.toThrow()
    expect(await server.core.audit.begin()).toBe(0)
    expect(await server.core.audit.read(0, 1)).toHaveLength(1)
    await storage.transaction((tx) => tx.deleteFrom('audit_records').where('leaf_index', '=', size).execute())

    // Stopped after its first batch, as a server that is killed between two of them.
    let looks = 0
    const stopping = {
      get aborted() {
        return looks++ > 0
      },
    } as AbortSignal // `as`: all that is looked at.
    await server.core.auditRetention.run(stopping)
    expect(await server.core.audit.begin()).toBe(1024)
    expect(await server.core.audit.verify()).toMatchObject({ ok: true, removed: 1024 })
    await Promise.all([remove(), ...Array.from({ length: 20 }, () => addRecords(3))])
    expect(await server.core.audit.begin()).toBe(1536)
    expect(await server.core.audit.verify()).toMatchObject({ ok: true, removed: 1536 })
  })

  test('an export that was begun before a removal verifies', async () => {
    await age()
    await keepFor(365)
    const pieces = server.core.audit.export()
    let text = (await pieces.next()).value as string
    await remove()
    for await (const piece of pieces) text += piece
    expect(await check(text)).toMatchObject({ ok: true, removed: 512 })
  })

  test('what a destination has not got is not removed; one that wants all gets what there is, and it verifies', async () => {
    const add = (target: string) =>
      server.ok('POST', '/api/v1/audit-destinations', {
        token: admin.token,
        body: { target, records: 'all' },
      })
    const send = async () => {
      for (const turn of await server.core.auditSender.tick()) await turn
    }
    await age()
    // In the way of the directory: the destination fails until it is gone.
    writeFileSync(server.config.auditDir, '')
    await add('file:early.log')
    await send()
    await keepFor(365)
    await remove()
    expect(await server.core.audit.begin()).toBe(0)
    rmSync(server.config.auditDir)
    server.clock.advance(10 * 60_000)
    await send()
    await remove()
    expect(await server.core.audit.begin()).toBe(512)
    await add('file:late.log')
    await send()
    const read = (name: string) => readFileSync(join(server.config.auditDir, name), 'utf8')
    expect(await check(read('early.log'))).toMatchObject({ ok: true, removed: 0 })
    expect(await check(read('late.log'))).toMatchObject({ ok: true, removed: 512 })
  })
})

const REMOVE = fileURLToPath(new URL('./remove-old-records.ts', import.meta.url))
const KILLER = fileURLToPath(new URL('./kill-at-write.ts', import.meta.url))

/** Removes what is old enough, in a process of its own. @param killAt before which of its writes it is killed. */
async function removeInProcess(env: Readonly<Record<string, string>>, killAt: number) {
  const child = spawn(process.execPath, ['--import', KILLER, REMOVE], {
    env: { PATH: process.env.PATH, ...env, KILL_AT: String(killAt), KILL_FROM: 'insert into .audit_removed' },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const [code, signal] = await once(child, 'close')
  return { code, signal, stderr }
}

test.each(databases)(
  'C27, SEC-26: a removal on %s that is killed before any of its writes has removed whole blocks or nothing, and goes on; the log, proofs and exports stay good',
  async (database) => {
    const directory = mkdtempSync(join(tmpdir(), 'keyhold-retention-'))
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
    const dataDir = join(directory, 'data')
    const postgres = database === 'postgres' ? await newPostgresDatabase() : undefined
    if (postgres) onTestFinished(postgres.drop)
    const env = {
      KEYHOLD_DATA_DIR: dataDir,
      ...(postgres && { KEYHOLD_DATABASE_URL: postgres.url }),
    }

    // A log of two years and more, 24 whole blocks: six batches.
    const { server, stop } = await startServer('sqlite', env)
    server.clock.advance(-800 * DAY_MS)
    const { token } = await server.addPerson('admin')
    await addRecordsTo(server, 256 * 24)
    await server.ok('PATCH', '/api/v1/settings', { token, body: { auditRetentionDays: 365 } })
    const { audit } = server.core
    const { verifierKey } = audit
    await audit.prepare()
    const { size, note: head } = await audit.signedHead()
    const proofs = new Map<number, string>()
    for (const index of [5, 3_000, 6_143, 6_145]) proofs.set(index, await audit.prove(index, () => true))
    const before = (await server.request('GET', '/api/v1/audit/export', { token })).text
    await stop()

    const place = postgres ? { databaseUrl: postgres.url } : { dataDir }
    const begins: number[] = []
    let kills = 0
    for (let at = 1; ; at += 1 + Math.floor(at / 5)) {
      const { code, signal, stderr } = await removeInProcess(env, at)
      const storage = await openStorage(place)
      const begin = await readBegin(storage.db)
      const { count } = await storage.db
        .selectFrom('audit_records')
        .select((eb) => eb.fn.countAll<number>().as('count'))
        .where('leaf_index', '<', begin)
        .executeTakeFirstOrThrow()
      await storage.close()
      expect([begin % 1024, Number(count)]).toEqual([0, 0])
      begins.push(begin)
      if (signal !== 'SIGKILL') {
        expect([code, stderr]).toEqual([0, ''])
        break
      }
      kills += 1
    }
    expect(kills).toBeGreaterThan(4)
    // Some died before they had done anything, some between batches: none undid what another had done.
    expect(begins).toEqual(begins.toSorted((a, b) => a - b))
    expect(begins[0]).toBe(0)
    expect(begins.at(-1)).toBe(6_144)

    const again = await ServerProcess.start(env)
    onTestFinished(async () => void (await again.end('SIGKILL')))
    const get = (path: string) => fetch(again.url + path, { headers: { authorization: `Bearer ${token}` } })
    // biome-ignore lint/suspicious/noExplicitAny: answers of two shapes.
    const json = async (path: string): Promise<any> => (await get(path)).json()
    expect((await get('/readyz')).status).toBe(200)
    const after = await (await get('/api/v1/audit/export')).text()
    expect(after).not.toContain('{"index":6143,')
    expect(await verified(after, verifierKey, head)).toMatchObject({ ok: true, removed: 6_144 })
    expect(await verified(after, verifierKey, before)).toMatchObject({ ok: true })
    expect(await verified(before, verifierKey)).toMatchObject({ ok: true, removed: 0 })
    // Each batch has its record, and none has two.
    const { records, begin } = await json('/api/v1/audit?limit=100&action=audit.remove')
    expect(begin).toBe(6_144)
    expect(records.map((one: { removed: { before: number } }) => one.removed.before)).toEqual(
      [6, 5, 4, 3, 2, 1].map((batch) => batch * 1024),
    )
    for (const [index, text] of proofs) {
      const proof = parseAuditProof(text)! // `!`: made above.
      const tree = await opened(proof.checkpoint, verifierKey)
      expect(verifyInclusion(sha256, proof.record, index, tree, proof.hashes), `${index}`).toBe(true)
      const now = await get(`/api/v1/audit/${index}/proof`)
      expect([index, now.status]).toEqual([index, index < 6_144 ? 410 : 200])
    }
    const growth = await json(`/api/v1/audit/growth?size=${size}`)
    const hashes = growth.hashes.map((hash: string) => fromBase64(hash))
    const [earlier, now] = [await opened(head, verifierKey), await opened(growth.checkpoint, verifierKey)]
    expect(verifyConsistency(sha256, earlier, now, hashes)).toBe(true)
    expect(now.size).toBeGreaterThan(size)
  },
)
