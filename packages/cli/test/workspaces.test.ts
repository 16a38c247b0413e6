// Drives the commands about workspaces and shares against the real server.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { run } from './kit.ts'
import { type RealServer, startRealServer } from './real-server.ts'

let server: RealServer
let ada: Record<string, string>
let bob: Record<string, string>

beforeAll(async () => {
  server = await startRealServer()
  ada = server.person('ada')
  bob = server.person('bob')
}, 60_000)
afterAll(() => server?.stop())

async function done(args: string[], env = ada) {
  const result = await run(args, env)
  expect(result, result.stderr).toMatchObject({ code: 0 })
  return result
}

test('a workspace from its creation to its end, with the secrets of a project and a share (6.1)', async () => {
  expect((await done(['workspace', 'list'])).stderr).toContain('keyhold workspace create NAME')
  await done(['project', 'create', 'shop'])
  await done(['environment', 'create', 'staging', '--project=shop'])
  const created = await done([
    'workspace',
    'create',
    'api',
    '--environment=shop/staging',
    '--environment=shop/All',
  ])
  const id = created.stdout.trim()
  expect(id).toMatch(/^ws-[a-z0-9]{12}$/)
  const shown = await done(['workspace', 'show', 'api'])
  expect(shown.stdout).toContain('shop/staging')
  expect(JSON.parse((await done(['workspace', 'show', id.toUpperCase(), '--json'])).stdout)).toMatchObject({
    id,
    level: 'owner',
    environments: [{ environment: 'staging' }, { environment: 'All' }],
  })

  expect((await done(['share', 'list', 'api'])).stderr).toContain('shared with nobody')
  const shared = await done(['share', 'add', 'api', 'bob@example.com', '--level=admin'])
  expect(shared.stderr).toContain('Only share with trusted people')
  expect((await done(['workspace', 'list'], bob)).stdout).toMatch(/api\s+ws-\S+\s+Admin\s+ada/)
  const refused = await run(['workspace', 'delete', 'api', '--confirm=api'], bob)
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('access.refused')])
  expect((await done(['share', 'update', 'api', 'bob', '--level=view'])).stderr).toContain('now View')
  await done(['share', 'remove', 'api', '--yes'], bob)
  expect((await run(['workspace', 'show', 'api'], bob)).stderr).toContain('workspace.not_found')

  await done(['workspace', 'update', 'api', '--name=backend', '--no-environment'])
  const wrong = await run(['workspace', 'update', 'backend', '--environment=shop'], ada)
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('PROJECT/ENVIRONMENT')])
  expect((await done(['workspace', 'show', 'backend'])).stdout).not.toContain('staging')
  await done(['workspace', 'delete', 'backend', '--confirm=backend'])
  expect(JSON.parse((await done(['workspace', 'list', '--json'])).stdout)).toEqual([])
})
