import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { composeCore } from '../src/compose/core.ts'
import { readConfig } from '../src/config/config.ts'
import { deriveRootKey } from '../src/vault/root-key.ts'
import { databases, newPostgresDatabase, startServer, type TestDatabase, type TestServer } from './kit.ts'
import { type Ended, runToEnd } from './server-process.ts'

// Processes and disks take their time where the machine is busy with other things.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 120_000 })

function newDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'keyhold-root-keys-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** An empty place for an instance. */
async function newPlace(database: TestDatabase) {
  const dataDir = newDirectory()
  const postgres = database === 'postgres' ? await newPostgresDatabase() : undefined
  if (postgres) onTestFinished(postgres.drop)
  const env: Record<string, string> = {
    KEYHOLD_DATA_DIR: dataDir,
    ...(postgres && { KEYHOLD_DATABASE_URL: postgres.url }),
  }
  return { dataDir, env }
}

/** A server on a database that others may use as well. */
async function serverOn(env: Record<string, string>) {
  const { server, stop } = await startServer('sqlite', env)
  let isStopped = false
  const stopOnce = async () => {
    if (!isStopped) await stop()
    isStopped = true
  }
  onTestFinished(stopOnce)
  return { server, stop: stopOnce }
}

async function admin(env: Record<string, string>, ...args: string[]): Promise<Ended> {
  const ended = await runToEnd(['admin', ...args], env)
  if (ended.code !== 0) throw new Error(`${args.join(' ')}: ${ended.stderr}`)
  return ended
}
const status = async (env: Record<string, string>) =>
  JSON.parse((await admin(env, 'root-key', 'status', '--json')).stdout) as {
    rootKeys: { fingerprint: string; state: string }[]
    servers: { rootFingerprint: string }[]
  }
const states = async (env: Record<string, string>) => (await status(env)).rootKeys.map(({ state }) => state)
const printOf = (text: string) => deriveRootKey(Buffer.from(text.trim(), 'base64')).fingerprint
const printIn = (dataDir: string, file: string) => printOf(readFileSync(join(dataDir, file), 'utf8'))

/** One project with one secret. */
async function seed(server: TestServer, value: string) {
  const person = await server.addPerson('admin')
  const project = await server.addProject(person)
  const { id } = await server.addSecret(person, project.id, { name: 'TOKEN', value })
  const path = `/api/v1/projects/${project.id}/secrets/${id}/reveal`
  const read = async (from: TestServer) =>
    (await from.ok('POST', path, { token: person.token, body: {} })).value
  return { person, project, read }
}

/** Everything that is sealed or wrapped by something else than a root key. */
async function sealedRows(server: TestServer) {
  const { db } = server.core.storage
  return {
    values: await db.selectFrom('secret_versions').selectAll().orderBy('secret_id').execute(),
    dataKeys: await db.selectFrom('data_keys').select(['id', 'wrapped']).orderBy('id').execute(),
  }
}

describe.each(databases)('a new root key on %s', (database) => {
  test('takes over in three steps, each with its record; no value is encrypted anew (K2)', async () => {
    const { env, dataDir } = await newPlace(database)
    const { server, stop } = await serverOn(env)
    const { read } = await seed(server, 'kept through it all')
    const before = await sealedRows(server)
    const first = printIn(dataDir, 'root.key')
    const key = await server.core.audit.checkpoint()

    await admin(env, 'root-key', 'prepare')
    expect(await states(env)).toEqual(['current', 'next'])
    const second = printIn(dataDir, 'root.key.next')
    expect(await read(server)).toBe('kept through it all')

    const { stderr } = await admin(env, 'root-key', 'activate')
    expect(stderr).toContain(`root key ${second} is current`)
    expect(await states(env)).toEqual(['previous', 'current'])
    expect([printIn(dataDir, 'root.key'), printIn(dataDir, `root.key.${first}`)]).toEqual([second, first])
    expect(existsSync(join(dataDir, 'root.key.next'))).toBe(false)
    // The server that runs has the old one: it goes on, and says what it needs to start again.
    expect(await read(server)).toBe('kept through it all')
    const ready = await server.request('GET', '/readyz')
    expect([ready.status, ready.body.checks.rootKey]).toEqual([
      200,
      `ok: ${first}, but ${second} is current: start this server with that root key`,
    ])
    const early = await runToEnd(['admin', 'root-key', 'retire', first], env)
    expect([early.code, early.stderr]).toEqual([1, expect.stringContaining('root_key.in_use')])
    expect((await status(env)).servers.map((one) => one.rootFingerprint)).toEqual([first])
    const rows = await sealedRows(server)
    expect(rows).toEqual(before)
    const actions = (await server.records()).map((record) => [
      record.action,
      record.outcome,
      record.target?.id,
    ])
    expect(actions.filter(([action]) => action?.startsWith('root-key.'))).toEqual([
      ['root-key.retire', 'failed', undefined],
      ['root-key.activate', 'success', second],
      ['root-key.prepare', 'success', second],
    ])
    const { verifierKey } = server.core.audit
    await stop()

    await admin(env, 'root-key', 'retire', first)
    expect(await states(env)).toEqual(['retired', 'current'])
    const again = await serverOn(env)
    expect(await read(again.server)).toBe('kept through it all')
    // Whoever noted the key of the log verifies with it still.
    expect(again.server.core.audit.verifierKey).toBe(verifierKey)
    expect(key).toContain(verifierKey.split('+')[0])
    const retired = (await again.server.records()).find(
      ({ outcome, action }) => outcome === 'success' && action === 'root-key.retire',
    )
    expect(retired).toMatchObject({
      actor: { kind: 'operator' },
      target: { kind: 'root-key', id: first },
    })
    const old = readFileSync(join(dataDir, `root.key.${first}`), 'utf8').trim()
    const refused = await runToEnd(['admin', 'root-key', 'status'], { ...env, KEYHOLD_ROOT_KEY: old })
    expect([refused.code, refused.stderr]).toEqual([
      1,
      `keyhold: this database needs the root key with fingerprint ${second}, but was given ${first}\n`,
    ])
    await again.stop()
  })

  test('steps out of order, a key used before and a second rotation are refused, and change nothing', async () => {
    const { env, dataDir } = await newPlace(database)
    await admin(env, 'create-user', '--help')
    await states(env)
    const refusal = async (...args: string[]) => {
      const { code, stderr } = await runToEnd(['admin', 'root-key', ...args], env)
      expect(code).toBe(1)
      return /root_key[.]\w+/.exec(stderr)?.[0]
    }
    const other = join(newDirectory(), 'other.key')
    const first = printIn(dataDir, 'root.key')
    expect(await refusal('retire', first)).toBe('root_key.none_to_retire')
    expect(await refusal('cancel')).toBe('root_key.not_prepared')
    expect(await refusal('prepare', '--key-file', join(dataDir, 'root.key'))).toBe('root_key.used')
    await admin(env, 'root-key', 'prepare')
    expect(await refusal('prepare', '--key-file', other)).toBe('root_key.rotating')
    expect(await refusal('activate', '--key-file', other)).toBe('root_key.not_prepared')
    expect(await states(env)).toEqual(['current', 'next'])
    await admin(env, 'root-key', 'cancel')
    expect(await states(env)).toEqual(['current'])
    await admin(env, 'root-key', 'prepare', '--key-file', other)
    await admin(env, 'root-key', 'activate', '--key-file', other)
    // The data directory still has the old one: it opens for now, but may not retire itself.
    expect(await refusal('retire', first)).toBe('root_key.not_current')
    expect(await refusal('prepare')).toBe('root_key.rotating')
    expect(await states(env)).toEqual(['previous', 'current'])
    await admin({ ...env, KEYHOLD_ROOT_KEY_FILE: other }, 'root-key', 'retire', first)
    expect((await runToEnd(['admin', 'root-key', 'retire', 'x'], env)).code).toBe(2)
  })

  test('an old copy of the database opens with the archived key, and with no other (K2)', async () => {
    const { env, dataDir } = await newPlace(database)
    const { server, stop } = await serverOn(env)
    const { read } = await seed(server, 'of the old copy')
    const { db } = server.core.storage
    const keyring = await db.selectFrom('keyring').selectAll().execute()
    const first = printIn(dataDir, 'root.key')
    await stop()
    await admin(env, 'root-key', 'prepare')
    await admin(env, 'root-key', 'activate')
    await admin(env, 'root-key', 'retire', first)
    // The keyring as it was then.
    const core = await composeCore(readConfig({ ...env }))
    await core.storage.transaction(async (tx) => {
      await tx.deleteFrom('root_keys').where('fingerprint', '<>', first).execute()
      await tx
        .updateTable('root_keys')
        .set({ state: 'current', retired_at: null })
        .where('fingerprint', '=', first)
        .execute()
      await tx.updateTable('keyring').set({ wrapped: keyring[0]!.wrapped, root_fingerprint: first }).execute()
    })
    await core.close()
    const wrong = await runToEnd(['admin', 'root-key', 'status'], env)
    expect(wrong.stderr).toContain(`needs the root key with fingerprint ${first}`)
    const right = await serverOn({ ...env, KEYHOLD_ROOT_KEY_FILE: join(dataDir, `root.key.${first}`) })
    expect(await read(right.server)).toBe('of the old copy')
    await right.stop()
  })

  test('killed before any write of any step, the next start serves every value, and the same command goes on (K2)', async () => {
    const { env, dataDir } = await newPlace(database)
    const { server, stop } = await serverOn(env)
    const { read } = await seed(server, 'survives kill -9')
    await stop()
    const first = printIn(dataDir, 'root.key')
    const steps = [
      { line: ['prepare'], before: 1, after: 2 },
      { line: ['activate'], before: 2, after: 2 },
      { line: ['retire', first], before: 2, after: 1 },
    ]
    for (const { line, before, after } of steps) {
      let kills = 0
      for (;;) {
        // On PostgreSQL every write but those to files goes to the database, which undoes what was not committed.
        const at = database === 'sqlite' ? kills + 1 : 1 + kills * 4
        const killed = { at, from: 'root[.]key|update "root_keys"' }
        const ended = await runToEnd(['admin', 'root-key', ...line], env, { killed })
        if (ended.signal !== 'SIGKILL') {
          // What was committed right before the last kill is not done twice.
          const isDone = ended.stderr.includes('root_key.none_to_retire')
          expect([line, ended.code, ended.stderr]).toEqual([line, isDone ? 1 : 0, expect.any(String)])
          break
        }
        kills += 1
        const { rootKeys } = await inspect(env)
        const live = rootKeys.filter(({ state }) => state !== 'retired')
        expect(live.filter(({ state }) => state === 'current')).toHaveLength(1)
        expect([before, after]).toContain(live.length)
      }
      expect([line, kills]).toEqual([line, expect.toSatisfy((n: number) => n >= 4)])
      const now = await serverOn(env)
      expect(await read(now.server)).toBe('survives kill -9')
      await now.stop()
    }
    expect(await states(env)).toEqual(['retired', 'current'])
    const keys = readdirSync(dataDir).filter((name) => name === 'root.key' || name === 'root.key.next')
    expect(keys).toEqual(['root.key'])
    expect(printIn(dataDir, 'root.key')).not.toBe(first)
    expect(printIn(dataDir, `root.key.${first}`)).toBe(first)
  })
})

/** Opens the instance as a server would, and closes it. */
async function inspect(env: Record<string, string>) {
  const core = await composeCore(readConfig(env))
  try {
    return await core.rootKeys.status()
  } finally {
    await core.close()
  }
}

test('servers with the old and the new root key work side by side; a rolling restart loses no request (K2)', async () => {
  const { env } = await newPlace('postgres')
  const [oldKey, newKey] = [randomBytes(32), randomBytes(32)].map((key) => key.toString('base64')) as [
    string,
    string,
  ]
  const withOld = { ...env, KEYHOLD_ROOT_KEY: oldKey }
  const withNew = { ...env, KEYHOLD_ROOT_KEY: newKey }
  const newFile = join(newDirectory(), 'new.key')
  writeFileSync(newFile, newKey)
  const start = async (one: Record<string, string>) => ({ ...(await serverOn(one)), running: 0 })
  const servers = [await start(withOld), await start(withOld)]
  const { person, project } = await seed(servers[0]!.server, 'first')
  let turn = 0
  /** What a balancer does: each request goes to a server that is in service. */
  const request = async (method: string, path: string, body?: object) => {
    const target = servers[turn++ % servers.length]!
    target.running += 1
    try {
      return await target.server.request(method, path, { token: person.token, ...(body && { body }) })
    } finally {
      target.running -= 1
    }
  }
  const written: string[] = []
  const failures: string[] = []
  let isOver = false
  const secrets = `/api/v1/projects/${project.id}/secrets`
  const load = Array.from({ length: 4 }, async (_, worker) => {
    for (let i = 0; !isOver; i++) {
      const name = `W${worker}_${i}`
      const made = await request('POST', secrets, { name, type: 'token', value: name })
      if (made.status !== 201) failures.push(`${made.status} ${made.text}`)
      else written.push(made.body.id)
      const value = await request('POST', `${secrets}/${made.body.id}/reveal`, {})
      if (value.body.value !== name) failures.push(`${value.status} ${value.text}`)
    }
  })
  /** Takes a server out of service, ends it, and puts one with another root key in its place. */
  const restart = async (index: number, next: Record<string, string>) => {
    const [leaving] = servers.splice(index, 1)
    while (leaving!.running > 0) await new Promise((resolve) => setImmediate(resolve))
    await leaving!.stop()
    servers.push(await start(next))
  }
  await admin(withOld, 'root-key', 'prepare', '--key-file', newFile)
  await restart(0, withNew)
  await admin(withOld, 'root-key', 'activate', '--key-file', newFile)
  const stillOld = servers.find(({ server }) => server.config.rootKey!.toString('base64') === oldKey)!
  expect((await stillOld.server.request('GET', '/readyz')).status).toBe(200)
  await restart(servers.indexOf(stillOld), withNew)
  await admin(withNew, 'root-key', 'retire', printOf(oldKey))
  isOver = true
  await Promise.all(load)
  expect(failures).toEqual([])
  expect(written.length).toBeGreaterThan(20)
  for (const id of written) expect((await request('POST', `${secrets}/${id}/reveal`, {})).status).toBe(200)
})
