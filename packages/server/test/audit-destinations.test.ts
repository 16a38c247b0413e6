import { execFileSync } from 'node:child_process'
import { createHash, createHmac, createPublicKey, verify } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import {
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import { type AuditVerification, verifyAuditExport } from '@keyhold/contract/audit-export'
import { sql } from 'kysely'
import { pino } from 'pino'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { composeCore } from '../src/compose/core.ts'
import { composeServer } from '../src/compose/server.ts'
import { databases, startServer, type TestPerson, type TestServer } from './kit.ts'

// Processes and disks take their time where the machine is busy with other things.
vi.setConfig({ testTimeout: 60_000 })

const PATH = '/api/v1/audit-destinations'
const MINUTE_MS = 60_000

/** A program that takes what is posted, and can fail or hang. */
class Receiver {
  readonly messages: { headers: IncomingHttpHeaders; body: string }[] = []
  status = 204
  hangs = false
  readonly #server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    this.messages.push({ headers: request.headers, body })
    if (!this.hangs) response.writeHead(this.status).end()
  })

  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`
  }

  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }
}

const digest = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest()

function verified(text: string, verifierKey: string, earlierCheckpoint?: string): Promise<AuditVerification> {
  const lines = text.split('\n')
  lines.pop()
  return verifyAuditExport(
    (async function* () {
      yield* lines
    })(),
    {
      sha256: digest,
      verifySignature: (publicKey, signature, message) => {
        const x = Buffer.from(publicKey).toString('base64url')
        const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
        return verify(null, message, key, signature)
      },
      verifierKey,
      ...(earlierCheckpoint !== undefined && { earlierCheckpoint }),
    },
  )
}

describe.each(databases)('destinations of the audit log on %s', (database) => {
  let folder: string
  let env: Record<string, string>
  let server: TestServer
  let stop: () => Promise<void>
  let admin: TestPerson
  const receiver = new Receiver()
  let hook: string

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'keyhold-audit-'))
    env = { KEYHOLD_AUDIT_DIR: folder, KEYHOLD_OUTGOING_ALLOW: '127.0.0.0/8' }
    ;({ server, stop } = await startServer(database, env))
    admin = await server.addPerson('admin')
    hook = await receiver.listen()
  })
  afterAll(async () => {
    await stop()
    receiver.close()
    rmSync(folder, { recursive: true, force: true })
  })
  beforeEach(async () => {
    const { destinations } = await list()
    for (const { id } of destinations) await remove(id)
    receiver.messages.length = 0
    receiver.status = 204
    receiver.hangs = false
  })

  const list = (token = admin.token) => server.ok('GET', PATH, { token })
  const add = (body: object, token = admin.token) => server.request('POST', PATH, { token, body })
  const remove = (id: string, token = admin.token) => server.request('DELETE', `${PATH}/${id}`, { token })
  /** Something happens, a checkpoint of it is kept, and all that is due is sent. */
  const happen = async (count = 1) => {
    for (let i = 0; i < count; i++) await server.addProject(admin)
    await server.core.audit.keepCheckpoint()
  }
  const send = async (one: TestServer = server) => {
    // What the server began by itself holds the lease until it is over.
    for (const sent of await one.core.auditSender.tick()) await sent
    for (const sent of await one.core.auditSender.tick()) await sent
  }
  const only = async () => (await list()).destinations[0]
  /** Place of the record of adding it, which is the first that is new to it. */
  const addedAt = async () => (await server.core.audit.size()) - 1
  const read = (name: string) => readFileSync(join(folder, name), 'utf8')

  test('administrators add, see and remove them with a fresh password, and that is recorded', async () => {
    const created = await add({ target: `${hook}a`, records: 'new' })
    expect(created.status).toBe(201)
    expect(created.body.secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
    expect(created.body.destination).toMatchObject({ target: `${hook}a`, isSentRecords: true, failures: 0 })
    expect((await add({ target: `${hook}a` })).body.code).toBe('audit_destination.exists')
    expect((await list()).destinations).toHaveLength(1)
    expect(JSON.stringify(await list())).not.toContain('whsec_')
    const { id } = created.body.destination
    expect((await remove(id)).status).toBe(204)
    expect((await remove(id)).body.code).toBe('audit_destination.not_found')
    const acts = (await server.records(20)).filter(({ action }) => action.startsWith('audit-destination'))
    expect(acts.map(({ action, outcome, target }) => [action, outcome, target?.name])).toEqual(
      expect.arrayContaining([
        ['audit-destination.create', 'success', new URL(hook).origin],
        ['audit-destination.create', 'failed', undefined],
        // Its path may be as good as a password.
        ['audit-destination.delete', 'success', new URL(hook).origin],
        ['audit-destination.delete', 'failed', undefined],
      ]),
    )
    const cookie = await server.signIn(admin)
    server.clock.advance(11 * MINUTE_MS)
    const headers = { cookie, origin: 'http://localhost:8080', 'sec-fetch-site': 'same-origin' }
    const stale = await server.request('POST', PATH, { headers, body: { target: 'file:a.log' } })
    expect([stale.status, stale.body.code]).toEqual([403, 'session.reauthentication_required'])
  })

  test('401 without a credential, 403 for others than administrators, who learn nothing', async () => {
    const member = await server.addPerson()
    for (const [method, path] of [
      ['GET', PATH],
      ['POST', PATH],
      ['DELETE', `${PATH}/dst_00000000000000000000`],
    ] as const) {
      const body = method === 'POST' ? { target: 'file:x' } : undefined
      expect((await server.request(method, path, { body })).status).toBe(401)
      expect((await server.request(method, path, { body, token: member.token })).status).toBe(403)
    }
  })

  test.each([
    ['file:../escape', 'target'],
    ['file:/etc/passwd', 'target'],
    ['file:', 'target'],
    ['ftp://example.com/', 'target'],
    ['syslog://example.com', 'target'],
    ['syslog+tls://user@example.com', 'target'],
    ['syslog+tls://example.com/path', 'target'],
    ['syslog+udp://8.8.8.8', 'target'],
    ['syslog+tls://169.254.169.254', 'target'],
    ['https://169.254.169.254/', 'target'],
    ['https://user:secret@example.com/', 'target'],
    ['not an address', 'target'],
  ])('400 for %s, which names the field', async (target, field) => {
    const answer = await add({ target })
    expect(answer.status).toBe(400)
    expect(answer.body.errors[0].field).toBe(field)
    expect(answer.text).not.toContain('secret@')
  })

  test('400 for certificates where nothing is encrypted', async () => {
    const answer = await add({ target: 'file:x', ca: 'x' })
    expect([answer.status, answer.body.errors[0].field]).toEqual([400, 'ca'])
  })

  test('a file gets the whole log and each checkpoint, and is itself an export that verifies', async () => {
    expect((await add({ target: 'file:whole.log', records: 'all' })).status).toBe(201)
    await happen(3)
    await send()
    await happen(2)
    await send()
    const result = await verified(read('whole.log'), server.core.audit.verifierKey)
    expect(result).toMatchObject({ ok: true, size: await server.core.audit.size() })
    expect(await only()).toMatchObject({ pending: 0, failures: 0, lastFailure: null })
    expect((await only()).lastSuccessAt).not.toBeNull()
  })

  test('a file that is rotated, deleted or torn: it goes on in a new one, on a line of its own, and nothing is lost', async () => {
    await add({ target: 'file:rotated.log', records: 'new' })
    const from = await addedAt()
    await happen()
    await send()
    renameSync(join(folder, 'rotated.log'), join(folder, 'rotated.log.1'))
    await happen()
    await send()
    const second = read('rotated.log')
    unlinkSync(join(folder, 'rotated.log'))
    await happen()
    await send()
    writeFileSync(join(folder, 'rotated.log'), 'record\ttorn', { flag: 'a' })
    await happen()
    await send()
    const all = `${read('rotated.log.1')}${second}${read('rotated.log')}`
    const indexes = [...all.matchAll(/^record\t\S+\t\{"index":(\d+),/gm)].map((match) => Number(match[1]))
    const size = await server.core.audit.size()
    expect(indexes).toEqual(Array.from({ length: size - from }, (_, i) => from + i))
    expect(all.split('\n').filter((line) => line.startsWith('keyhold-audit-export/v1'))).toHaveLength(3)
    expect(all).toContain('\nrecord\ttorn\n')
  })

  test('a link in the place of a file is not followed, and the failure is told', async () => {
    const elsewhere = join(folder, 'elsewhere')
    writeFileSync(elsewhere, '')
    symlinkSync(elsewhere, join(folder, 'link.log'))
    await add({ target: 'file:link.log' })
    await happen()
    await send()
    expect(readFileSync(elsewhere, 'utf8')).toBe('')
    expect((await only()).lastFailure).toContain('ELOOP')
  })

  test('webhooks: signed, in order; what was not taken is sent again with the same id, and later ones wait', async () => {
    const { secret } = (await add({ target: hook, records: 'new' })).body
    const from = await addedAt()
    await happen(2)
    receiver.status = 500
    await send()
    const failing = await only()
    expect(failing).toMatchObject({ failures: 1, lastFailure: 'answered 500' })
    expect(failing.pending).toBeGreaterThan(0)
    const ready = await server.request('GET', '/readyz')
    expect([ready.status, ready.body.checks.auditDestinations]).toEqual([
      200,
      expect.stringContaining('warning: 1 of 1 failing'),
    ])
    // Not at once again: the next attempt is later each time.
    const attempts = receiver.messages.length
    await send()
    expect(receiver.messages).toHaveLength(attempts)
    receiver.status = 204
    server.clock.advance(MINUTE_MS)
    await send()
    const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
    const taken = receiver.messages.slice(attempts)
    for (const { headers, body } of taken) {
      const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`
      expect(headers['webhook-signature']).toBe(
        `v1,${createHmac('sha256', key).update(signed).digest('base64')}`,
      )
    }
    const bodies = taken.map(({ body }) => JSON.parse(body))
    const indexes = bodies.flatMap(({ type, data }) =>
      type === 'audit.records' ? data.records.map((record: { index: number }) => record.index) : [],
    )
    const size = await server.core.audit.size()
    expect(indexes).toEqual(Array.from({ length: size - from }, (_, i) => from + i))
    expect(bodies.at(-1)).toMatchObject({ type: 'audit.checkpoint', data: { size } })
    expect(taken[0]!.headers['webhook-id']).toBe(receiver.messages[0]!.headers['webhook-id'])
    expect(await only()).toMatchObject({ pending: 0, failures: 0, lastFailure: null })
  })

  test('one that hangs delays neither another destination nor a delivery', async () => {
    receiver.hangs = true
    await add({ target: hook })
    await add({ target: 'file:beside.log' })
    await happen()
    const sent = await server.core.auditSender.tick()
    expect(sent.length).toBeGreaterThan(0)
    await vi.waitFor(() => expect(read('beside.log')).toContain('checkpoint\t'), 10_000)
    const { id } = await server.addProject(admin)
    await server.addSecret(admin, id, { name: 'A', value: 'a value' })
    const key = await server.addKey(admin, id)
    const startedAt = performance.now()
    expect((await server.ok('GET', '/api/v1/projects/current/secrets/A', { key })).value).toBe('a value')
    // Far below the ten seconds for which the other one is waited for.
    expect(performance.now() - startedAt).toBeLessThan(5_000)
    await Promise.allSettled(sent)
    const hanging = (await list()).destinations.find((one: { target: string }) => one.target === hook)
    expect(hanging).toMatchObject({ failures: 1, lastFailure: 'no complete answer in time' })
  })

  // SQLite has one server.
  test.runIf(database === 'postgres')(
    'of two servers one sends at a time, and nothing comes twice',
    async () => {
      const core = await composeCore({ ...server.config, dataDir: server.config.dataDir }, server.clock)
      const other = await composeServer(server.config, core, pino({ level: 'silent' }), server.clock)
      onTestFinished(() => other.close())
      await add({ target: hook, records: 'new' })
      const from = await addedAt()
      await happen(3)
      const turns = await Promise.all([server.core.auditSender.tick(), core.auditSender.tick()])
      await Promise.all(turns.flat())
      await send()
      const indexes = receiver.messages.flatMap(({ body }) => {
        const { data } = JSON.parse(body)
        return (data.records ?? []).map((record: { index: number }) => record.index)
      })
      const size = await server.core.audit.size()
      expect(indexes).toEqual(Array.from({ length: size - from }, (_, i) => from + i))
    },
  )

  describe('syslog', () => {
    /** Takes the octets apart as RFC 5425 §4.3 and RFC 6587 §3.4.1 have them. */
    function counted(bytes: Buffer): string[] {
      const messages: string[] = []
      for (let rest = bytes; rest.length > 0; ) {
        const space = rest.indexOf(' ')
        const length = Number(rest.subarray(0, space).toString())
        expect(length).toBeGreaterThan(0)
        messages.push(rest.subarray(space + 1, space + 1 + length).toString())
        rest = rest.subarray(space + 1 + length)
      }
      return messages
    }
    const FORM = /^<(\d+)>1 (\S+) localhost keyhold - (\S+) - (\{.*\})$/s

    function expectMessages(messages: readonly string[], from: number, size: number): void {
      const parsed = messages.map((message) => {
        const [, priority, time, id, json = ''] = FORM.exec(message) ?? []
        return { priority, time, id, data: JSON.parse(json) }
      })
      const records = parsed.filter(({ id }) => id !== 'audit.checkpoint')
      expect(records.map(({ data }) => data.index)).toEqual(
        Array.from({ length: size - from }, (_, i) => from + i),
      )
      // Facility 13; warnings for what was refused or failed.
      for (const { priority, time, data } of records) {
        expect(priority).toBe(String(13 * 8 + (data.outcome === 'success' ? 6 : 4)))
        expect(time).toBe(data.time)
      }
      expect(parsed.at(-1)).toMatchObject({
        priority: String(13 * 8 + 5),
        id: 'audit.checkpoint',
        data: { size },
      })
    }

    async function collect(listener: ReturnType<typeof createTcpServer>, chunks: Buffer[]): Promise<number> {
      listener.on('tlsClientError', () => {
        // A client that does not trust us says so by going away.
      })
      const take = (socket: Socket) => {
        socket.on('error', () => {
          // Likewise.
        })
        socket.on('data', (chunk: Buffer) => void chunks.push(chunk))
      }
      listener.on(
        listener.listenerCount('secureConnection') >= 0 && 'setSecureContext' in listener
          ? 'secureConnection'
          : 'connection',
        take,
      )
      listener.listen(0, '127.0.0.1')
      await once(listener, 'listening')
      onTestFinished(() => void listener.close())
      return (listener.address() as AddressInfo).port
    }

    test('by TCP: each record a counted message, in order', async () => {
      const chunks: Buffer[] = []
      const port = await collect(createTcpServer(), chunks)
      await add({ target: `syslog+tcp://127.0.0.1:${port}`, records: 'new' })
      const from = await addedAt()
      await server.request('DELETE', `${PATH}/dst_00000000000000000000`, { token: admin.token })
      await happen(2)
      await send()
      expectMessages(counted(Buffer.concat(chunks)), from, await server.core.audit.size())
      expect(await only()).toMatchObject({ pending: 0, failures: 0 })
    })

    test('by UDP: a datagram each', async () => {
      const socket = createSocket('udp4')
      onTestFinished(() => void socket.close())
      const messages: string[] = []
      socket.on('message', (bytes) => void messages.push(bytes.toString()))
      socket.bind(0, '127.0.0.1')
      await once(socket, 'listening')
      await add({ target: `syslog+udp://127.0.0.1:${socket.address().port}`, records: 'new' })
      const from = await addedAt()
      await happen(2)
      await send()
      await vi.waitFor(() => expect(messages.at(-1)).toContain('audit.checkpoint'), 10_000)
      expectMessages(messages, from, await server.core.audit.size())
    })

    test('by TLS: with a certificate that is trusted, and not with another', async () => {
      const files = { key: join(folder, 'key.pem'), cert: join(folder, 'cert.pem') }
      const subject = ['-subj', '/CN=siem', '-addext', 'subjectAltName=IP:127.0.0.1']
      const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1']
      const out = ['-keyout', files.key, '-out', files.cert]
      execFileSync('openssl', ['req', '-x509', ...curve, ...subject, ...out], { stdio: 'ignore' })
      const cert = readFileSync(files.cert, 'utf8')
      const chunks: Buffer[] = []
      const port = await collect(createTlsServer({ key: readFileSync(files.key), cert }), chunks)
      const target = `syslog+tls://127.0.0.1:${port}`
      const refused = (await add({ target, records: 'new' })).body.destination
      await happen()
      await send()
      expect(chunks).toEqual([])
      expect((await only()).lastFailure).toMatch(/SELF_SIGNED|connection/)
      await remove(refused.id)
      await add({ target, records: 'new', ca: cert })
      const from = await addedAt()
      await happen()
      await send()
      expectMessages(counted(Buffer.concat(chunks)), from, await server.core.audit.size())
    })

    test('a receiver that is away: the failure is told without what was sent, and all comes when it is back', async () => {
      const chunks: Buffer[] = []
      const listener = createTcpServer()
      const port = await collect(listener, chunks)
      listener.close()
      await once(listener, 'close')
      await add({ target: `syslog+tcp://127.0.0.1:${port}`, records: 'new' })
      const from = await addedAt()
      await happen()
      await send()
      expect((await only()).lastFailure).toBe('the connection failed (ECONNREFUSED)')
      listener.listen(port, '127.0.0.1')
      await once(listener, 'listening')
      server.clock.advance(MINUTE_MS)
      await send()
      expectMessages(counted(Buffer.concat(chunks)), from, await server.core.audit.size())
    })
  })
})

describe.each(databases)(
  'checkpoints that were sent name where the database was tampered with, on %s (L3)',
  (database) => {
    interface Kept {
      readonly server: TestServer
      readonly admin: TestPerson
      /** Size and edge of the log when half of it was sent. */
      readonly half: { size: number; edge: Uint8Array }
      readonly size: number
      readonly sent: () => string
      readonly exported: () => Promise<string>
    }

    async function startKept(): Promise<Kept> {
      const folder = mkdtempSync(join(tmpdir(), 'keyhold-audit-'))
      const { server, stop } = await startServer(database, { KEYHOLD_AUDIT_DIR: folder })
      onTestFinished(async () => {
        await stop()
        rmSync(folder, { recursive: true, force: true })
      })
      const admin = await server.addPerson('admin')
      const { token } = admin
      await server.ok('POST', PATH, { token, body: { target: 'file:sent.log' } })
      const step = async () => {
        for (let i = 0; i < 4; i++) await server.addProject(admin)
        await server.core.audit.keepCheckpoint()
        for (const sent of await server.core.auditSender.tick()) await sent
        for (const sent of await server.core.auditSender.tick()) await sent
      }
      await step()
      const half = await server.core.storage.db
        .selectFrom('audit_head')
        .select(['size', 'edge'])
        .executeTakeFirstOrThrow()
      await step()
      return {
        server,
        admin,
        half,
        size: await server.core.audit.size(),
        sent: () => readFileSync(join(folder, 'sent.log'), 'utf8'),
        exported: async () => (await server.request('GET', '/api/v1/audit/export', { token })).text,
      }
    }

    const change = ({ server }: Kept, query: ReturnType<typeof sql>) =>
      server.core.storage.transaction((tx) => query.execute(tx))
    const check = async ({ server, sent, exported }: Kept) =>
      verified(await exported(), server.core.audit.verifierKey, sent())

    /** Records, hashes and head as an operator would write them who changed one record, kept checkpoints included. */
    async function forge(kept: Kept, records: readonly string[]): Promise<void> {
      const { storage } = kept.server.core
      const { MerkleTree, leafHash } = await import('@keyhold/contract/merkle')
      const tree = new MerkleTree(digest)
      await change(kept, sql`delete from audit_records`)
      await change(kept, sql`delete from audit_checkpoints`)
      await storage.transaction(async (tx) => {
        for (const [i, text] of records.entries()) {
          const record = text.replace(/^\{"index":\d+/, `{"index":${i}`)
          const leaf_hash = leafHash(digest, Buffer.from(record))
          tree.append(leaf_hash)
          const copy = {
            time: 0,
            action: 'x',
            outcome: 'success',
            actor_id: null,
            project_id: null,
            secret_name: null,
          }
          await tx
            .insertInto('audit_records')
            .values({ leaf_index: i, leaf_hash, record, ...copy })
            .execute()
        }
        await tx.updateTable('audit_head').set({ size: tree.size, edge: tree.edge }).execute()
      })
    }
    const stored = async ({ server }: Kept) =>
      (
        await server.core.storage.db
          .selectFrom('audit_records')
          .select('record')
          .orderBy('leaf_index')
          .execute()
      ).map(({ record }) => record)

    test('untouched: it verifies', async () => {
      expect(await check(await startKept())).toMatchObject({ ok: true })
    })

    test('rolled back to an earlier state, and gone on since: the records after it are named', async () => {
      const kept = await startKept()
      const { half, size } = kept
      await change(kept, sql`delete from audit_records where leaf_index >= ${half.size}`)
      await change(kept, sql`delete from audit_checkpoints where size > ${half.size}`)
      await change(kept, sql`update audit_head set size = ${half.size}, edge = ${half.edge}`)
      expect(await check(kept)).toMatchObject({
        ok: false,
        index: expect.any(Number),
        problem: expect.stringContaining('cut, or rolled back'),
      })
      while ((await kept.server.core.audit.size()) <= size) await kept.server.addProject(kept.admin)
      expect(await check(kept)).toMatchObject({ ok: false, index: half.size })
      // The one who sends notices, too, when the log is shorter than what was sent.
    })

    test('cut at its end: where it ends is named, and the destination says so itself', async () => {
      const kept = await startKept()
      const { half } = kept
      await change(kept, sql`delete from audit_records where leaf_index >= ${half.size}`)
      await change(kept, sql`delete from audit_checkpoints`)
      await change(kept, sql`update audit_head set size = ${half.size}, edge = ${half.edge}`)
      await kept.server.core.audit.keepCheckpoint()
      for (const sent of await kept.server.core.auditSender.tick()) await sent
      const { destinations } = await kept.server.ok('GET', PATH, { token: kept.admin.token })
      expect(destinations[0].lastFailure).toContain('shorter than what was sent')
      // That export is a record more.
      expect(await check(kept)).toMatchObject({ ok: false, index: half.size + 1 })
    })

    test('a record edited and everything signed anew: the span between two checkpoints is named', async () => {
      const kept = await startKept()
      const records = await stored(kept)
      await forge(
        kept,
        records.with(kept.half.size + 1, records[kept.half.size + 1]!.replace('success', 'refused')),
      )
      expect(await check(kept)).toMatchObject({ ok: false, index: kept.half.size })
    })

    test('records that changed places, signed anew: likewise', async () => {
      const kept = await startKept()
      const records = await stored(kept)
      const [a, b] = [records[kept.half.size]!, records[kept.half.size + 2]!]
      await forge(kept, records.with(kept.half.size, b).with(kept.half.size + 2, a))
      expect(await check(kept)).toMatchObject({ ok: false, index: kept.half.size })
    })

    test('a record deleted and the rest signed anew: likewise', async () => {
      const kept = await startKept()
      const records = await stored(kept)
      await forge(kept, records.toSpliced(2, 1))
      expect(await check(kept)).toMatchObject({ ok: false, index: 0 })
    })
  },
)
