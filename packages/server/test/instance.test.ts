import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases, startServer, type TestPerson, type TestServer } from './kit.ts'

const PASSWORD = 'canary-of-the-mail-server'

describe.each(databases)('the state of the instance on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let admin: TestPerson
  let member: TestPerson
  beforeAll(async () => {
    ;({ server, stop } = await startServer(database, {
      KEYHOLD_SMTP_URL: `smtps://keyhold:${PASSWORD}@mail.example.com`,
      KEYHOLD_MAIL_FROM: 'Keyhold <keyhold@example.com>',
    }))
    admin = await server.addPerson('admin')
    member = await server.addPerson()
  })
  afterAll(() => stop())

  test('200 for an administrator: health, root key by fingerprint, verifier key, backup and options', async () => {
    const { status, body } = await server.request('GET', '/api/v1/instance', { token: admin.token })
    expect(status).toBe(200)
    expect(body).toMatchObject({ url: server.config.publicUrl, database, hasMail: true, lastBackupAt: null })
    expect(body.checks).toMatchObject({ database: 'ok', audit: 'ok' })
    expect(body.rootKeys).toEqual([
      expect.objectContaining({
        state: 'current',
        kitProvenAt: null,
        fingerprint: server.core.vault.rootFingerprint,
      }),
    ])
    const { verifierKey } = await server.ok('GET', '/api/v1/audit/checkpoint', { token: admin.token })
    expect(body.auditVerifierKey).toBe(verifierKey)
  })

  test('no option that is secret has a value, and those that nobody chose say so', async () => {
    const { text, body } = await server.request('GET', '/api/v1/instance', { token: admin.token })
    expect(text).not.toContain(PASSWORD)
    const options = new Map(body.options.map((option: { name: string }) => [option.name, option]))
    expect(options.get('KEYHOLD_SMTP_URL')).toMatchObject({ isSet: true, shown: null, isSecret: true })
    expect(options.get('KEYHOLD_DATABASE_URL')).toMatchObject({ shown: null, isSecret: true })
    expect(options.get('KEYHOLD_MAIL_FROM')).toMatchObject({
      isSet: true,
      shown: 'Keyhold <keyhold@example.com>',
    })
    expect(options.get('KEYHOLD_DRAIN_SECONDS')).toMatchObject({ isSet: false, shown: '0' })
    expect(options.get('KEYHOLD_TLS_CERT')).toMatchObject({ isSet: false, shown: null })
  })

  test('a backup shows when it was begun', async () => {
    await server.core.backups.recordBackup(
      { caller: { kind: 'operator' }, origin: { traceId: 'test' } },
      'one.backup',
    )
    const { lastBackupAt } = await server.ok('GET', '/api/v1/instance', { token: admin.token })
    expect(Math.abs(Date.parse(lastBackupAt) - server.clock.now().getTime())).toBeLessThan(600_000)
  })

  test('401 without a credential; 403 for a member, which is recorded; 403 for a token that may not', async () => {
    expect((await server.request('GET', '/api/v1/instance')).status).toBe(401)
    expect((await server.request('GET', '/api/v1/instance', { token: member.token })).status).toBe(403)
    const [record] = await server.records(1)
    expect(record).toMatchObject({ action: 'instance.read', outcome: 'refused', actor: { id: member.id } })
    const { token } = await server.ok('POST', '/api/v1/access-tokens', {
      token: admin.token,
      body: { name: 'narrow', scopes: ['ssh-keys:read'] },
    })
    expect((await server.request('GET', '/api/v1/instance', { token })).status).toBe(403)
  })
})
