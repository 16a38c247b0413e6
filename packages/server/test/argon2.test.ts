import { argon2Sync, createDecipheriv, randomBytes } from 'node:crypto'
import { Secret } from '@keyhold/contract/secret'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { realArgon2, useArgon2 } from '../../../tools/quick-argon2.ts'

// Slow on purpose, and slower where the machine is busy.
vi.setConfig({ testTimeout: 300_000 })

// Elsewhere in the tests Argon2 is quick.
let passwords: typeof import('../src/accounts/password.ts')
let rootKeys: typeof import('../src/vault/sealed-root-key.ts')
beforeAll(async () => {
  useArgon2(realArgon2)
  passwords = await import('../src/accounts/password.ts')
  rootKeys = await import('../src/vault/sealed-root-key.ts')
})

describe('Argon2 at its real cost', () => {
  test("passwords are compared as the reference implementation's hashes say, and no other password", async () => {
    // phc-winner-argon2, src/test.c: Argon2id, version 19, t=2, m=2^16, p=1.
    const known = '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc'
    expect(await passwords.isPassword(known, new Secret('password'))).toBe(true)
    expect(await passwords.isPassword(known, new Secret('differentpassword'))).toBe(false)
  })

  test('a password is hashed with 64 MiB in 3 passes', async () => {
    const hash = await passwords.hashPassword(new Secret('correct horse battery'))
    const [, cost, salt, digest] = /^\$argon2id\$v=19\$(.+)\$(.+)\$(.+)$/.exec(hash)!
    expect(cost).toBe('m=65536,t=3,p=1')
    const message = 'correct horse battery'
    const nonce = Buffer.from(salt!, 'base64')
    const parameters = { message, nonce, parallelism: 1, tagLength: 32, memory: 65_536, passes: 3 }
    expect(argon2Sync('argon2id', parameters).toString('base64').replace(/=+$/, '')).toBe(digest)
  })

  test('a root key is sealed with 64 MiB in 10 passes', async () => {
    const key = randomBytes(32)
    const text = await rootKeys.sealRootKey(key, '0000-0000-0000-0000', new Secret('violet tram harbour'))
    const [line, body] = text.split('\n')
    const { salt, memoryKiB, passes } = JSON.parse(line!.split('\t')[1]!)
    expect([memoryKiB, passes]).toEqual([65_536, 10])
    const sealing = argon2Sync('argon2id', {
      message: 'violet tram harbour',
      nonce: Buffer.from(salt, 'base64'),
      parallelism: 1,
      tagLength: 32,
      memory: 65_536,
      passes: 10,
    })
    const sealed = Buffer.from(body!, 'base64')
    const cipher = createDecipheriv('aes-256-gcm', sealing, sealed.subarray(0, 12))
    cipher.setAAD(Buffer.from(`${line}\n`)).setAuthTag(sealed.subarray(-16))
    expect(Buffer.concat([cipher.update(sealed.subarray(12, -16)), cipher.final()])).toEqual(key)
  })
})
