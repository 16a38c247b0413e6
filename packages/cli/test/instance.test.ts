import { afterAll, beforeAll, expect, test } from 'vitest'
import { run } from './kit.ts'
import { type RealServer, startRealServer } from './real-server.ts'

let server: RealServer
beforeAll(async () => {
  server = await startRealServer()
})
afterAll(() => server.stop())

test('`keyhold instance` shows an administrator how the instance is, and a member that they may not', async () => {
  const admin = server.person('Ada', 'admin')
  const shown = await run(['instance'], admin)
  expect(shown.code, shown.stderr).toBe(0)
  expect(shown.stdout).toMatch(/^recovery kit\tmissing$/m)
  expect(shown.stdout).toMatch(/^check database\tok$/m)
  expect(shown.stdout).toMatch(/^last backup\tNever$/m)
  const listed = JSON.parse((await run(['instance', '--json'], admin)).stdout)
  expect(listed.auditVerifierKey).toMatch(/^keyhold-audit\//)
  const refused = await run(['instance'], server.person('Bob'))
  expect(refused.code).toBe(1)
  expect(refused.stderr).not.toBe('')
})
