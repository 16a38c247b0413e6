import { createSecretKey, randomBytes } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Secret } from '@keyhold/contract/secret'
import fc from 'fast-check'
import { sql } from 'kysely'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test, vi } from 'vitest'
import { systemClock } from '../src/base/clock.ts'
import { openStorage, type Storage } from '../src/storage/storage.ts'
import { type Context, decrypt, encrypt, encryptWithNonce, keyIdOf } from '../src/vault/envelope.ts'
import { deriveRootKey, readRootKeyFiles } from '../src/vault/root-key.ts'
import { type Owner, Vault } from '../src/vault/vault.ts'
import {
  databases,
  newPostgresDatabase,
  startServer,
  type TestDatabase,
  type TestPerson,
  type TestServer,
} from './kit.ts'
import { runToEnd, ServerProcess } from './server-process.ts'
import vectors from './vault-vectors.json' with { type: 'json' }

// Processes and disks take their time where the machine is busy with other things.
vi.setConfig({ testTimeout: 120_000 })

const fromHex = (hex: string) => Buffer.from(hex, 'hex')
const secret = (text: string) => new Secret<Uint8Array>(Buffer.from(text))
const unreadable = expect.objectContaining({ code: 'secret.unreadable' })

function newDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'keyhold-vault-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** An empty database of its own, gone when the test is. */
async function newStorage(
  database: TestDatabase,
): Promise<{ storage: Storage; dataDir: string; env: Record<string, string> }> {
  const dataDir = newDirectory()
  const postgres = database === 'postgres' ? await newPostgresDatabase() : undefined
  const storage = await openStorage(postgres ? { databaseUrl: postgres.url } : { dataDir })
  onTestFinished(async () => {
    await storage.close()
    await postgres?.drop()
  })
  const env = { KEYHOLD_DATA_DIR: dataDir, ...(postgres && { KEYHOLD_DATABASE_URL: postgres.url }) }
  return { storage, dataDir, env }
}

const rootKey = deriveRootKey(Buffer.alloc(32, 1))
const otherRootKey = deriveRootKey(Buffer.alloc(32, 2))
const owner: Owner = 'project:prj_a'

const seal = (storage: Storage, vault: Vault, of: Owner, context: Context, value: string) =>
  storage.transaction((tx) => vault.seal(tx, of, context, secret(value)))
async function open(storage: Storage, vault: Vault, of: Owner, context: Context, sealed: Uint8Array) {
  return Buffer.from((await vault.open(storage.db, of, context, sealed)).reveal()).toString()
}

describe('the envelope (K3)', () => {
  test.each(vectors.envelope)('known answer of another implementation, %#', (vector) => {
    const key = createSecretKey(fromHex(vector.key))
    const plaintext = fromHex(vector.plaintext)
    const sealed = encryptWithNonce(
      key,
      fromHex(vector.keyId),
      vector.context,
      plaintext,
      fromHex(vector.nonce),
    )
    expect(sealed.toString('hex')).toBe(vector.sealed)
    expect(decrypt(key, vector.context, fromHex(vector.sealed))).toEqual(plaintext)
    expect(keyIdOf(sealed)?.toString('hex')).toBe(vector.keyId)
  })

  const key = createSecretKey(randomBytes(32))
  const keyId = randomBytes(16)

  test('any bytes in any context come back, and are as long as before with 45 bytes around them', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 3000 }),
        fc.array(fc.oneof(fc.string(), fc.nat())),
        (plaintext, context) => {
          const sealed = encrypt(key, keyId, context, plaintext)
          expect(sealed.length).toBe(45 + plaintext.length)
          expect(new Uint8Array(decrypt(key, context, sealed)!)).toEqual(plaintext)
        },
      ),
    )
  })

  test('a flipped bit at every place is refused', () => {
    const sealed = encrypt(key, keyId, ['a', 1], Buffer.from('value'))
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const flipped = Buffer.from(sealed)
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      expect(decrypt(key, ['a', 1], flipped), `bit ${bit}`).toBeUndefined()
    }
  })

  test('cut off or longer by any number of bytes is refused', () => {
    const sealed = encrypt(key, keyId, [], Buffer.from('value'))
    for (let length = 0; length < sealed.length; length++) {
      expect(decrypt(key, [], sealed.subarray(0, length)), `length ${length}`).toBeUndefined()
      expect(decrypt(key, [], sealed.subarray(sealed.length - length))).toBeUndefined()
    }
    expect(decrypt(key, [], Buffer.concat([sealed, Buffer.alloc(1)]))).toBeUndefined()
  })

  test('contexts that look alike when joined are different', () => {
    const sealed = encrypt(key, keyId, ['ab', 'c'], Buffer.from('value'))
    for (const context of [['a', 'bc'], ['abc'], ['ab', 'c', ''], ['', 'ab', 'c'], ['c', 'ab'], []])
      expect(decrypt(key, context, sealed)).toBeUndefined()
    expect(decrypt(key, ['ab', 'c'], sealed)?.toString()).toBe('value')
  })

  test('another key is refused; a nonce is never used twice', () => {
    const nonces = new Set<string>()
    for (let i = 0; i < 1000; i++)
      nonces.add(encrypt(key, keyId, [], Buffer.from('value')).toString('hex', 17, 29))
    expect(nonces.size).toBe(1000)
    expect(
      decrypt(createSecretKey(randomBytes(32)), [], encrypt(key, keyId, [], Buffer.from('v'))),
    ).toBeUndefined()
  })
})

describe('the root key', () => {
  test('known answers of another implementation: wrapping key and fingerprint', () => {
    const { key, wrappingKey, fingerprint } = vectors.rootKey
    const derived = deriveRootKey(fromHex(key))
    expect(derived.wrappingKey.toString('hex')).toBe(wrappingKey)
    expect(derived.fingerprint).toBe(fingerprint)
  })

  test('the file is made once, mode 0600, and read again; nothing else is left beside it', async () => {
    const directory = newDirectory()
    const made = await readRootKeyFiles(directory, true)
    expect(made.isNew).toBe(true)
    expect(statSync(made.files[0]!.path).mode & 0o777).toBe(0o600)
    expect(await readRootKeyFiles(directory, true)).toEqual({ ...made, isNew: false })
    expect(await readRootKeyFiles(directory, false)).toEqual({ ...made, isNew: false })
    expect(readdirSync(directory)).toEqual(['root.key'])
  })

  test.each([
    '',
    'AAAA',
    'not a key',
    randomBytes(31).toString('base64'),
    randomBytes(33).toString('base64'),
  ])('a file that holds "%s" is refused, and stays as it is', async (text) => {
    const directory = newDirectory()
    writeFileSync(join(directory, 'root.key'), text)
    await expect(readRootKeyFiles(directory, true)).rejects.toThrow('does not hold a root key')
    expect(readFileSync(join(directory, 'root.key'), 'utf8')).toBe(text)
  })

  test('none is made where the database has a keyring already', async () => {
    const directory = newDirectory()
    await expect(readRootKeyFiles(directory, false)).rejects.toThrow(
      'is missing, and this database already has a keyring',
    )
    expect(readdirSync(directory)).toEqual([])
  })
})

describe.each(databases)('the vault on %s', (database) => {
  test('a flipped bit in every byte of a stored value is refused (SEC-13)', async () => {
    const { storage } = await newStorage(database)
    const vault = await Vault.open(storage, rootKey, systemClock)
    const sealed = await seal(storage, vault, owner, ['id', 1], 'value')
    for (let i = 0; i < sealed.length; i++) {
      const flipped = Buffer.from(sealed)
      flipped[i]! ^= 1 << (i & 7)
      await expect(vault.open(storage.db, owner, ['id', 1], flipped), `byte ${i}`).rejects.toEqual(unreadable)
    }
    await expect(vault.open(storage.db, owner, ['id', 1], new Uint8Array())).rejects.toEqual(unreadable)
    expect(await open(storage, vault, owner, ['id', 1], sealed)).toBe('value')
  })

  test('a value opens for its owner and its context only (K1)', async () => {
    const { storage } = await newStorage(database)
    const vault = await Vault.open(storage, rootKey, systemClock)
    const sealed = await seal(storage, vault, owner, ['id', 'NAME', 1], 'value')
    await seal(storage, vault, 'project:prj_b', ['id', 'NAME', 1], 'value of b')
    const wrong: [Owner, Context][] = [
      ['project:prj_b', ['id', 'NAME', 1]],
      ['person:prj_a', ['id', 'NAME', 1]],
      [owner, ['other', 'NAME', 1]],
      [owner, ['id', 'OTHER', 1]],
      [owner, ['id', 'NAME', 2]],
      [owner, ['id', 'NAME']],
    ]
    // With keys in memory, and read anew.
    for (const some of [vault, await Vault.open(storage, rootKey, systemClock)])
      for (const [of, context] of wrong)
        await expect(some.open(storage.db, of, context, sealed)).rejects.toEqual(unreadable)
    expect(await open(storage, vault, owner, ['id', 'NAME', 1], sealed)).toBe('value')
  })

  test('equal values have different ciphertexts (SEC-13)', async () => {
    const { storage } = await newStorage(database)
    const vault = await Vault.open(storage, rootKey, systemClock)
    const sealed = [
      await seal(storage, vault, owner, ['id', 1], 'value'),
      await seal(storage, vault, owner, ['id', 1], 'value'),
      await seal(storage, vault, 'project:prj_b', ['id', 1], 'value'),
    ].map((bytes) => Buffer.from(bytes))
    expect(new Set(sealed.map((bytes) => bytes.toString('hex'))).size).toBe(3)
    expect(new Set(sealed.map((bytes) => bytes.toString('hex', 29))).size).toBe(3)
    // One key per owner.
    expect(keyIdOf(sealed[0]!)).toEqual(keyIdOf(sealed[1]!))
    expect(keyIdOf(sealed[0]!)).not.toEqual(keyIdOf(sealed[2]!))
  })

  test('a data key seals as many values as it may, then the next takes over; old values still open (K3)', async () => {
    const { storage } = await newStorage(database)
    const vault = await Vault.open(storage, rootKey, systemClock, 3)
    const sealed: Uint8Array[] = []
    for (let i = 0; i < 10; i++) sealed.push(await seal(storage, vault, owner, ['id', i], `value ${i}`))
    const ids = sealed.map((bytes) => keyIdOf(bytes)!.toString('hex'))
    expect(new Set(ids).size).toBe(4)
    for (const id of new Set(ids)) expect(ids.filter((other) => other === id).length).toBeLessThanOrEqual(3)
    const rows = await storage.db.selectFrom('data_keys').select(['id', 'retired_at']).execute()
    expect(rows.filter((row) => row.retired_at === null).map((row) => row.id)).toEqual([ids.at(-1)])
    for (const some of [vault, await Vault.open(storage, rootKey, systemClock, 3)])
      for (const [i, bytes] of sealed.entries())
        expect(await open(storage, some, owner, ['id', i], bytes)).toBe(`value ${i}`)
  })

  test('parallel sealing never passes the limit and always has one current key per owner (K3)', async () => {
    const { storage } = await newStorage(database)
    // Two servers at one database; on SQLite there is one, which takes its own turns.
    const vaults = await Promise.all([1, 2].map(() => Vault.open(storage, rootKey, systemClock, 5)))
    const sealed = await Promise.all(
      Array.from({ length: 60 }, (_, i) =>
        seal(storage, vaults[i % 2]!, `project:prj_${i % 3}`, ['id', i], `value ${i}`),
      ),
    )
    const uses = Map.groupBy(sealed, (bytes) => keyIdOf(bytes)!.toString('hex'))
    for (const values of uses.values()) expect(values.length).toBeLessThanOrEqual(5)
    const current = await storage.db
      .selectFrom('data_keys')
      .select('owner')
      .where('retired_at', 'is', null)
      .execute()
    expect(current.map((row) => row.owner).sort()).toEqual([
      'project:prj_0',
      'project:prj_1',
      'project:prj_2',
    ])
    for (const [i, bytes] of sealed.entries())
      expect(await open(storage, vaults[(i + 1) % 2]!, `project:prj_${i % 3}`, ['id', i], bytes)).toBe(
        `value ${i}`,
      )
  })

  test('a keyring key that was used up is followed by the next at the next start; old values still open (K3)', async () => {
    const { storage } = await newStorage(database)
    const sealed: Uint8Array[] = []
    for (let i = 0; i < 5; i++) {
      const vault = await Vault.open(storage, rootKey, systemClock, 2)
      sealed.push(await seal(storage, vault, `project:prj_${i}`, ['id'], `value ${i}`))
    }
    const keys = await storage.db.selectFrom('data_keys').select('keyring_version').orderBy('owner').execute()
    expect(keys.map((row) => row.keyring_version)).toEqual([1, 1, 2, 2, 3])
    const vault = await Vault.open(storage, rootKey, systemClock, 2)
    for (const [i, bytes] of sealed.entries())
      expect(await open(storage, vault, `project:prj_${i}`, ['id'], bytes)).toBe(`value ${i}`)
  })

  test('what is derived stays the same when keys change', async () => {
    const { storage } = await newStorage(database)
    const first = await Vault.open(storage, rootKey, systemClock, 1)
    await seal(storage, first, owner, ['id'], 'value')
    const second = await Vault.open(storage, rootKey, systemClock, 1)
    expect(await storage.db.selectFrom('keyring').select('version').execute()).toHaveLength(2)
    expect(second.deriveKey('purpose')).toEqual(first.deriveKey('purpose'))
    expect(second.deriveKey('purpose')).not.toEqual(second.deriveKey('other'))
  })

  test('the wrong root key is refused, names the fingerprint that is needed, and changes nothing (K1)', async () => {
    const { storage } = await newStorage(database)
    const vault = await Vault.open(storage, rootKey, systemClock, 1)
    const sealed = await seal(storage, vault, owner, ['id'], 'value')
    const before = await storage.db.selectFrom('keyring').selectAll().execute()
    // The keyring key is used up: the moment at which a start adds the next.
    await expect(Vault.open(storage, otherRootKey, systemClock, 1)).rejects.toThrow(
      `needs the root key with fingerprint ${rootKey.fingerprint}, but was given ${otherRootKey.fingerprint}`,
    )
    expect(await storage.db.selectFrom('keyring').selectAll().execute()).toEqual(before)
    const again = await Vault.open(storage, rootKey, systemClock, 1)
    expect(await open(storage, again, owner, ['id'], sealed)).toBe('value')
  })

  test('keys that were changed, swapped or given to another owner in the database are refused', async () => {
    const { storage } = await newStorage(database)
    const vault = await Vault.open(storage, rootKey, systemClock)
    const a = await seal(storage, vault, owner, ['id'], 'value')
    await seal(storage, vault, 'project:prj_b', ['id'], 'value')
    const rows = await storage.db.selectFrom('data_keys').selectAll().orderBy('owner').execute()
    const set = (id: string, change: object) =>
      storage.transaction((tx) => tx.updateTable('data_keys').set(change).where('id', '=', id).execute())
    const attempt = async () =>
      (await Vault.open(storage, rootKey, systemClock)).open(storage.db, owner, ['id'], a)

    await set(rows[0]!.id, { wrapped: rows[1]!.wrapped })
    await expect(attempt()).rejects.toEqual(unreadable)
    const flipped = Buffer.from(rows[0]!.wrapped)
    flipped[40]! ^= 1
    await set(rows[0]!.id, { wrapped: flipped })
    await expect(attempt()).rejects.toEqual(unreadable)
    await set(rows[0]!.id, { wrapped: rows[0]!.wrapped, owner: 'project:prj_c' })
    await expect(attempt()).rejects.toEqual(unreadable)
    const stolen = (await Vault.open(storage, rootKey, systemClock)).open(
      storage.db,
      'project:prj_c',
      ['id'],
      a,
    )
    await expect(stolen).rejects.toEqual(unreadable)
    await set(rows[0]!.id, { owner })
    expect(Buffer.from((await attempt()).reveal()).toString()).toBe('value')

    const keyring = await storage.db.selectFrom('keyring').selectAll().executeTakeFirstOrThrow()
    const changed = Buffer.from(keyring.wrapped)
    changed[35]! ^= 1
    await storage.transaction((tx) => tx.updateTable('keyring').set({ wrapped: changed }).execute())
    await expect(Vault.open(storage, rootKey, systemClock)).rejects.toThrow(
      `keyring key 1 does not open with its root key ${rootKey.fingerprint}: the database was changed`,
    )
  })

  test('two first starts at once make one keyring', async () => {
    const { storage } = await newStorage(database)
    const vaults = await Promise.all(
      Array.from({ length: 5 }, () => Vault.open(storage, rootKey, systemClock)),
    )
    expect(await storage.db.selectFrom('keyring').select('version').execute()).toHaveLength(1)
    const sealed = await seal(storage, vaults[0]!, owner, ['id'], 'value')
    expect(await open(storage, vaults[4]!, owner, ['id'], sealed)).toBe('value')
  })

  test('`keyhold server` with the wrong root key, or without its file, ends with 1 and says which it needs (K1)', async () => {
    const { storage, dataDir, env } = await newStorage(database)
    await Vault.open(storage, rootKey, systemClock)
    const wrong = await runToEnd(['server'], {
      ...env,
      KEYHOLD_ROOT_KEY: Buffer.alloc(32, 2).toString('base64'),
    })
    expect(wrong).toMatchObject({ code: 1 })
    expect(wrong.stderr).toBe(
      `keyhold: this database needs the root key with fingerprint ${rootKey.fingerprint}, but was given ${otherRootKey.fingerprint}\n`,
    )
    const missing = await runToEnd(['server'], env)
    expect(missing).toMatchObject({ code: 1 })
    expect(missing.stderr).toContain(`${join(dataDir, 'root.key')} is missing`)
    expect(existsSync(join(dataDir, 'root.key'))).toBe(false)
    writeFileSync(join(dataDir, 'root.key'), Buffer.alloc(32, 1).toString('base64'))
    chmodSync(join(dataDir, 'root.key'), 0o600)
    const right = await ServerProcess.start(env)
    expect((await fetch(`${right.url}/readyz`)).status).toBe(200)
    await right.end('SIGKILL')
  })
})

describe.each(databases)('stored secrets on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let person: TestPerson
  beforeAll(async () => {
    ;({ server, stop } = await startServer(database))
    person = await server.addPerson('admin')
  })
  afterAll(() => stop())

  const reveal = (projectId: string, id: string) =>
    server.request('POST', `/api/v1/projects/${projectId}/secrets/${id}/reveal`, {
      token: person.token,
      body: {},
    })
  const sealedOf = async (id: string, version = 1) =>
    (
      await server.core.storage.db
        .selectFrom('secret_versions')
        .select('sealed')
        .where('secret_id', '=', id)
        .where('version', '=', version)
        .executeTakeFirstOrThrow()
    ).sealed
  const setSealed = (id: string, sealed: Uint8Array, version = 1) =>
    server.core.storage.transaction((tx) =>
      tx
        .updateTable('secret_versions')
        .set({ sealed })
        .where('secret_id', '=', id)
        .where('version', '=', version)
        .execute(),
    )
  async function expectUnreadable(projectId: string, id: string) {
    const answer = await reveal(projectId, id)
    expect(answer.status).toBe(500)
    expect(answer.body.code).toBe('secret.unreadable')
    expect(answer.body).not.toHaveProperty('value')
  }

  test('a row copied to another secret, project, name or version is refused (K1, SEC-13)', async () => {
    const project = await server.addProject(person)
    const other = await server.addProject(person)
    const a = await server.addSecret(person, project.id, { name: 'A', value: 'value of a' })
    const b = await server.addSecret(person, project.id, { name: 'B', value: 'value of b' })
    const c = await server.addSecret(person, other.id, { name: 'A', value: 'value of c' })
    const own = await sealedOf(b.id)
    await setSealed(b.id, await sealedOf(a.id))
    await expectUnreadable(project.id, b.id)
    await setSealed(b.id, await sealedOf(c.id))
    await expectUnreadable(project.id, b.id)
    await setSealed(b.id, own)
    expect((await reveal(project.id, b.id)).body.value).toBe('value of b')

    const key = await server.addKey(person, project.id)
    const update = (id: string, change: object) =>
      server.core.storage.transaction((tx) =>
        tx.updateTable('secrets').set(change).where('id', '=', id).execute(),
      )
    await update(b.id, { name: 'RENAMED' })
    await expectUnreadable(project.id, b.id)
    const delivered = await server.request('GET', '/api/v1/projects/current/secrets', { key })
    expect(delivered.status).toBe(500)
    expect(delivered.text).not.toContain('value of')
    await update(b.id, { name: 'B' })

    const environment = await server.core.storage.db
      .selectFrom('environments')
      .select('id')
      .where('project_id', '=', other.id)
      .executeTakeFirstOrThrow()
    await update(b.id, { project_id: other.id, environment_id: environment.id })
    await expectUnreadable(other.id, b.id)
  })

  test('an older version put in place of the newer is refused, and so is the newer as the older (K1)', async () => {
    const project = await server.addProject(person)
    const { id } = await server.addSecret(person, project.id, { name: 'A', value: 'old value' })
    await server.ok('PATCH', `/api/v1/projects/${project.id}/secrets/${id}`, {
      token: person.token,
      body: { value: 'new value' },
    })
    const [old, current] = [await sealedOf(id, 1), await sealedOf(id, 2)]
    await setSealed(id, old, 2)
    await expectUnreadable(project.id, id)
    await setSealed(id, current, 2)
    await setSealed(id, current, 1)
    const answer = await server.request('POST', `/api/v1/projects/${project.id}/secrets/${id}/reveal`, {
      token: person.token,
      body: { version: 1 },
    })
    expect(answer.body.code).toBe('secret.unreadable')
    expect((await reveal(project.id, id)).body.value).toBe('new value')
  })

  test('a flipped bit is refused over HTTP, the rest stays readable', async () => {
    const project = await server.addProject(person)
    const a = await server.addSecret(person, project.id, { name: 'A', value: 'value of a' })
    const b = await server.addSecret(person, project.id, { name: 'B', value: 'value of b' })
    const flipped = Buffer.from(await sealedOf(a.id))
    flipped[flipped.length - 20]! ^= 1
    await setSealed(a.id, flipped)
    await expectUnreadable(project.id, a.id)
    expect((await reveal(project.id, b.id)).body.value).toBe('value of b')
  })

  test('no form of a value is in any file, any row or any line of the log (SEC-13, SEC-16, SEC-17, L4)', async () => {
    const value = `canary-${randomBytes(30).toString('base64url')}`
    const later = `canary-${randomBytes(30).toString('base64url')}`
    const project = await server.addProject(person)
    const { id } = await server.addSecret(person, project.id, { name: 'CANARY', value })
    const path = `/api/v1/projects/${project.id}/secrets/${id}`
    await server.ok('PATCH', path, { token: person.token, body: { value: later } })
    await reveal(project.id, id)
    const key = await server.addKey(person, project.id)
    await server.ok('GET', '/api/v1/projects/current/secrets', { key })
    // Failing with a value: where it does not belong, and where it is refused.
    for (const body of [
      { name: value, type: 'token', value: later },
      { name: 'CANARY', type: 'token', value: later },
      { name: 'OTHER', type: 'key', value },
      { name: 'OTHER', type: value, value },
      { name: 'OTHER', type: 'token', value, environment: value },
      { name: 'OTHER', type: 'token', value, [value]: value },
    ])
      expect(
        (
          await server.request('POST', `/api/v1/projects/${project.id}/secrets`, {
            token: person.token,
            body,
          })
        ).status,
      ).toBeGreaterThanOrEqual(400)
    for (const [method, where] of [
      ['GET', `/api/v1/projects/current/secrets/${value}`],
      ['GET', `/api/v1/projects/current/secrets?environment=${value}`],
      ['GET', `/api/v1/nowhere/${value}`],
    ] as const)
      expect((await server.request(method, where, { key })).status).toBeGreaterThanOrEqual(400)
    await server.request('POST', '/api/v1/session', { body: { email: `${value}@x`, password: later } })
    await server.request('GET', '/api/v1/projects', { token: value })
    await server.request('GET', '/api/v1/projects/current', { key: { id: key.id, secret: value } })

    const needles = [value, later].flatMap((canary) => {
      const bytes = Buffer.from(canary)
      return [
        canary,
        bytes.toString('hex'),
        bytes.toString('hex').toUpperCase(),
        // Base64 at each of the three places within a longer text, without the characters that depend on neighbours.
        ...[0, 1, 2].map((shift) =>
          Buffer.concat([Buffer.alloc(shift), bytes])
            .toString('base64')
            .slice(4, -4),
        ),
      ].map((text) => Buffer.from(text))
    })
    const assertClean = (where: string, bytes: Buffer) => {
      for (const needle of needles) expect(bytes.includes(needle), `${needle} in ${where}`).toBe(false)
    }
    let count = 0
    const searchFiles = (directory: string) => {
      for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
        const file = join(directory, name)
        if (!statSync(file, { throwIfNoEntry: false })?.isFile()) continue
        count += 1
        assertClean(file, readFileSync(file))
      }
    }

    searchFiles(server.config.dataDir)
    expect(count).toBeGreaterThan(0)
    assertClean('the log', Buffer.from(server.log.join('\n')))
    if (database === 'sqlite') expect(readdirSync(server.config.dataDir)).toContain('keyhold.db-wal')
    else {
      // The server's own files: tables and write-ahead log.
      const admin = new pg.Client({ connectionString: inject('postgresUrl') })
      await admin.connect()
      await admin.query('checkpoint')
      const { rows } = await admin.query("select current_setting('data_directory') as directory")
      await admin.end()
      count = 0
      searchFiles(rows[0].directory)
      expect(count).toBeGreaterThan(500)
    }

    // All tables as text, as a dump has them.
    const { db } = server.core.storage
    const tables = (await db.introspection.getTables()).map((table) => table.name)
    expect(tables).toContain('secret_versions')
    let rowCount = 0
    for (const table of tables) {
      const { rows } = await sql<Record<string, unknown>>`select * from ${sql.table(table)}`.execute(db)
      for (const row of rows) {
        rowCount += 1
        for (const [column, cell] of Object.entries(row)) {
          const bytes = cell instanceof Uint8Array ? Buffer.from(cell) : Buffer.from(String(cell))
          assertClean(`${table}.${column}`, bytes)
        }
      }
    }
    expect(rowCount).toBeGreaterThan(20)
    // The search finds what is there: the name stands in rows and files.
    expect(
      await db.selectFrom('audit_records').select('record').where('secret_name', '=', 'CANARY').execute(),
    ).not.toEqual([])
  })

  test('a database without its root key is useless (SEC-17)', async () => {
    expect(server.core.vault.rootFingerprint).toMatch(/^[0-9a-f]{4}(-[0-9a-f]{4}){3}$/)
    const path = join(server.config.dataDir, 'root.key')
    const text = readFileSync(path)
    const key = Buffer.from(text.toString(), 'base64')
    const rows = await server.core.storage.db.selectFrom('keyring').selectAll().execute()
    for (const row of rows) expect(Buffer.from(row.wrapped).includes(key)).toBe(false)
    await expect(Vault.open(server.core.storage, otherRootKey, systemClock)).rejects.toThrow(
      server.core.vault.rootFingerprint,
    )
  })
})
