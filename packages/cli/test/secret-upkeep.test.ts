import { afterAll, beforeAll, expect, test } from 'vitest'
import { run } from './kit.ts'
import { type RealServer, startRealServer } from './real-server.ts'

let server: RealServer
beforeAll(async () => {
  server = await startRealServer()
})
afterAll(() => server.stop())

test('a note and a period are set, shown, searched for and taken away again (SEC-29)', async () => {
  const env = { ...server.person('owner'), KEYHOLD_PROJECT: 'shop' }
  const done = async (args: readonly string[], input = '') => {
    const { code, stdout, stderr } = await run(args, env, input)
    expect(code, stderr).toBe(0)
    return stdout
  }
  const listed = async (...options: string[]) =>
    JSON.parse(await done(['secret', 'list', '--json', ...options])) as {
      name: string
      note: string
      rotationDays: number | null
    }[]
  await done(['project', 'create', 'shop'])
  await done(['secret', 'set', 'STRIPE_KEY', '--note=renewed by Ada', '--rotate=30d'], 'one')
  await done(['secret', 'set', 'OTHER_KEY'], 'two')
  expect(await listed('--search=ADA')).toMatchObject([{ name: 'STRIPE_KEY', rotationDays: 30 }])
  expect(await listed('--due')).toEqual([])
  expect(await done(['secret', 'list'])).toContain('renewed by Ada')
  await done(['secret', 'edit', 'STRIPE_KEY', '--rotate=never', '--note='])
  expect(await listed('--search=stripe')).toMatchObject([{ note: '', rotationDays: 0 }])
  await done(['secret', 'edit', 'STRIPE_KEY', '--rotate=default'])
  expect(await listed('--search=stripe')).toMatchObject([{ rotationDays: null }])
  for (const wrong of ['0d', '30', '4000d', 'soon'])
    expect((await run(['secret', 'edit', 'STRIPE_KEY', `--rotate=${wrong}`], env)).code, wrong).toBe(2)
  expect((await run(['secret', 'edit', 'STRIPE_KEY', '--personal', '--note=x'], env)).code).toBe(2)
})
