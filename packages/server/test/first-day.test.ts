import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases, startServer, type TestServer } from './kit.ts'

describe.each(databases)('the main job on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  beforeAll(async () => {
    ;({ server, stop } = await startServer(database))
  })
  afterAll(() => stop())

  test('a secret is created, delivered to a machine, and both are in the audit log (SEC-22, SEC-24, KEY-1)', async () => {
    const owner = await server.addPerson('admin')
    const project = await server.addProject(owner, 'Shop')
    await server.addEnvironment(owner, project.id, 'staging')
    await server.addSecret(owner, project.id, {
      name: 'DATABASE_URL',
      value: 'postgres://u:p%40:/@h/db',
      environment: 'staging',
    })
    await server.addSecret(owner, project.id, { name: 'GITHUB_TOKEN', value: 'ghp_0123456789' })
    const key = await server.addKey(owner, project.id)

    const all = await server.ok('GET', '/api/v1/projects/current/secrets?environment=staging', { key })
    expect(all.project).toEqual({ id: project.id, name: 'Shop' })
    expect(
      all.secrets.map((secret: { name: string; value: string; environment: string }) => [
        secret.name,
        secret.value,
        secret.environment,
      ]),
    ).toEqual([
      ['DATABASE_URL', 'postgres://u:p%40:/@h/db', 'staging'],
      ['GITHUB_TOKEN', 'ghp_0123456789', 'All'],
    ])

    const { records } = await server.ok('GET', '/api/v1/audit', { token: owner.token })
    const lines = records.map((record: { line: string }) => record.line.slice(22))
    expect(lines).toContain('Secret created: GITHUB_TOKEN')
    expect(lines.slice(0, 2).sort()).toEqual([
      'Secret accessed: DATABASE_URL',
      'Secret accessed: GITHUB_TOKEN',
    ])
    expect(records[0].line).toMatch(
      /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d - Secret accessed: (DATABASE_URL|GITHUB_TOKEN)$/,
    )
  })
})
