import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { run, start, waitFor } from './kit.ts'
import { type RealServer, startRealServer } from './real-server.ts'

let server: RealServer
let admin: Record<string, string>
let file: string

beforeAll(async () => {
  server = await startRealServer()
  admin = server.person('Ada', 'admin')
  file = join(server.dataDir, '..', 'checkpoint')
})
afterAll(() => server.stop())

const check = (...options: string[]) => run(['audit', 'check', file, ...options], admin)
let projects = 0
/** Leaves a record or more. */
const act = () => run(['project', 'create', `project ${++projects}`], admin)
const verifierKey = () => readFileSync(file, 'utf8').split('\n')[0]!

test('SEC-26: `audit check` keeps a checkpoint, and sees that the log has only grown', async () => {
  const first = await check()
  expect(first, first.stderr).toMatchObject({ code: 0 })
  expect(first.stderr).toContain('the first checkpoint')
  await act()
  const second = await check()
  expect(second).toMatchObject({ code: 0 })
  expect(second.stderr).toMatch(/nothing was changed: \d+ records then, \d+ now/)
  expect((await check('--key', verifierKey())).code).toBe(0)
})

test('a checkpoint that was tampered with, or another key, is refused, and the file stays', async () => {
  const kept = readFileSync(file, 'utf8')
  const tampered = kept.replace(/\n(\d+)\n/, (_all, size: string) => `\n${Number(size) - 1}\n`)
  writeFileSync(file, tampered)
  const refused = await check()
  expect(refused).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('not signed by the key you trust'),
  })
  expect(readFileSync(file, 'utf8')).toBe(tampered)
  writeFileSync(file, kept)
  expect((await check('--key', 'nonsense')).stderr).toContain('malformed')
})

test('a log that was rolled back is noticed, also when it has grown past the checkpoint since', async () => {
  const db = new DatabaseSync(join(server.dataDir, 'keyhold.db'))
  const head = db.prepare('select size, edge from audit_head').get()!
  for (let i = 0; i < 3; i++) await act()
  expect((await check()).code).toBe(0)
  db.prepare('delete from audit_records where leaf_index >= ?').run(head.size!)
  db.prepare('update audit_head set size = ?, edge = ?').run(head.size!, head.edge!)
  db.close()
  const shorter = await check()
  expect(shorter).toMatchObject({ code: 1, stderr: expect.stringContaining('audit.shorter') })
  for (let i = 0; i < 6; i++) await act()
  const rewritten = await check()
  expect(rewritten).toMatchObject({ code: 1, stderr: expect.stringContaining('the log was rewritten') })
  expect(rewritten.stderr).toContain('keyhold audit export')
  rmSync(file)
  expect((await check()).code).toBe(0)
})

test('SEC-26: `audit prove` writes a file that `audit verify --proof` verifies without the server', async () => {
  const proof = await run(['audit', 'prove', '0'], admin)
  expect(proof.stdout, proof.stderr).toMatch(/^c2sp\.org\/tlog-proof@v1\nextra \S+\nindex 0\n/)
  const path = join(server.dataDir, '..', 'record.tlog-proof')
  writeFileSync(path, proof.stdout)
  const offline = { PATH: admin.PATH! }
  const verify = (...options: string[]) => run(['audit', 'verify', path, '--proof', ...options], offline)
  const right = await verify('--key', verifierKey())
  expect(right, right.stderr).toMatchObject({ code: 0 })
  expect(JSON.parse(right.stdout)).toMatchObject({ index: 0 })
  expect((await verify()).code).toBe(2)
  expect((await run(['audit', 'verify', path], offline)).stderr).toContain('--proof')

  const forged = Buffer.from(JSON.stringify({ ...JSON.parse(right.stdout), outcome: 'refused' }))
  writeFileSync(path, proof.stdout.replace(/^extra .*$/m, `extra ${forged.toString('base64')}`))
  expect(await verify('--key', verifierKey())).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringContaining('the proof does not hold'),
  })
  writeFileSync(path, 'something else\n')
  expect((await verify('--key', verifierKey())).stderr).toContain('no proof')
  expect((await run(['audit', 'prove', '999999'], admin)).stderr).toContain('audit.record_not_found')
})

test('SEC-27: `audit list --follow` prints what comes, in the order of the log, and nothing twice', async () => {
  const follow = start(['audit', 'list', '--follow', '--action=project.create', '--limit=1', '--json'], admin)
  const indexes = () =>
    follow.stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line).index as number)
  await waitFor(() => indexes().length === 1)
  for (let i = 0; i < 3; i++) await act()
  await waitFor(() => indexes().length === 4)
  expect(indexes()).toEqual(indexes().toSorted((a, b) => a - b))
  expect(new Set(indexes()).size).toBe(4)
  follow.child.kill('SIGINT')
  await follow.ended
})

test('L3: what was sent to a file is what `audit verify` compares an export with', async () => {
  const add = await run(['audit-destination', 'add', 'file:sent.log', '--records=all'], admin)
  expect(add, add.stderr).toMatchObject({ code: 0 })
  const sent = join(server.dataDir, 'audit', 'sent.log')
  await waitFor(() => existsSync(sent) && readFileSync(sent, 'utf8').includes('\ncheckpoint\t'))
  const list = await run(['audit-destination', 'list', '--json'], admin)
  expect(JSON.parse(list.stdout)).toMatchObject([
    { target: 'file:sent.log', isSentRecords: true, lastFailure: null },
  ])
  const exported = join(server.dataDir, 'export.log')
  writeFileSync(exported, (await run(['audit', 'export'], admin)).stdout)
  const offline = { PATH: admin.PATH ?? '' }
  const verify = (checkpoint: string) =>
    run(['audit', 'verify', exported, `--checkpoint=${checkpoint}`], offline)
  expect(await verify(sent)).toMatchObject({ code: 0 })
  expect(await run(['audit', 'verify', sent], offline)).toMatchObject({ code: 0 })
  // What a collector of syslog or webhooks wrote around it does not matter; the file of "audit check" is one, too.
  const { checkpoint } = JSON.parse((await run(['audit', 'checkpoint', '--json'], admin)).stdout)
  const collected = join(server.dataDir, 'collected.log')
  writeFileSync(collected, `Nov 22 host keyhold ${JSON.stringify({ size: 1, checkpoint })}\n`)
  writeFileSync(exported, (await run(['audit', 'export'], admin)).stdout)
  expect(await verify(collected)).toMatchObject({ code: 0 })
  expect((await check()).code).toBe(0)
  writeFileSync(exported, (await run(['audit', 'export'], admin)).stdout)
  expect(await verify(file)).toMatchObject({ code: 0 })
  const cut = readFileSync(exported, 'utf8').split('\n').slice(0, 6)
  writeFileSync(exported, `${cut.join('\n')}\n`)
  expect((await verify(sent)).code).toBe(1)
  expect((await run(['audit-destination', 'remove', 'file:nothing', '--yes'], admin)).code).toBe(1)
  const removed = await run(['audit-destination', 'remove', 'file:sent.log', '--yes'], admin)
  expect(removed, removed.stderr).toMatchObject({ code: 0 })
  expect((await run(['audit-destination', 'list'], admin)).stderr).toContain('sent nowhere')
})
