import { afterAll, beforeAll, expect, test } from 'vitest'
import { run, waitFor } from './kit.ts'
import { type RealServer, startRealServer } from './real-server.ts'

let server: RealServer
beforeAll(async () => {
  server = await startRealServer()
})
afterAll(() => server.stop())

test('environment restore: shows names first, asks, and takes back what was changed and deleted', async () => {
  const env = { ...server.person('owner'), KEYHOLD_PROJECT: 'shop', KEYHOLD_ENVIRONMENT: 'staging' }
  const done = async (args: readonly string[], input = '') => {
    const { code, stdout, stderr } = await run(args, env, input)
    expect(code, stderr).toBe(0)
    return stdout
  }
  await done(['project', 'create', 'shop'])
  await done(['environment', 'create', 'staging'])
  await done(['secret', 'set', 'CHANGED'], 'canary-one')
  await done(['secret', 'set', 'DELETED'], 'canary-kept')
  const at = new Date().toISOString()
  await waitFor(() => new Date().toISOString() > at)
  await done(['secret', 'set', 'CHANGED'], 'canary-two')
  await done(['secret', 'unset', 'DELETED', '--yes'])
  const restore = ['environment', 'restore', 'staging', `--at=${at}`]
  const shown = await done([...restore, '--dry-run'])
  expect(shown.split(/\s+/).filter(Boolean)).toEqual(['CHANGED', 'changed', 'DELETED', 'added'])
  expect(shown).not.toContain('canary')
  const asked = await run(restore, env, '')
  expect([asked.code, asked.stderr]).toEqual([2, expect.stringContaining('there is no terminal to ask')])
  expect(await done(['secret', 'get', 'CHANGED'])).toBe('canary-two')
  await done([...restore, '--yes'])
  expect(await done(['secret', 'get', 'CHANGED'])).toBe('canary-one')
  expect(await done(['secret', 'get', 'DELETED'])).toBe('canary-kept')
  const again = await run([...restore, '--yes'], env)
  expect(again.code).toBe(0)
  expect((await run(['environment', 'restore', 'staging'], env)).code).toBe(2)
})
