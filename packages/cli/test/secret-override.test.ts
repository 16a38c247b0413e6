import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { run } from './kit.ts'
import { type RealServer, startRealServer } from './real-server.ts'

describe('own values for secrets', () => {
  let server: RealServer
  let owner: Record<string, string>

  beforeAll(async () => {
    server = await startRealServer()
    owner = { ...server.person('owner'), KEYHOLD_PROJECT: 'shop' }
  })
  afterAll(() => server.stop())

  async function done(args: readonly string[], input = ''): Promise<{ stdout: string; stderr: string }> {
    const { code, stdout, stderr } = await run(args, owner, input)
    expect(code, stderr).toBe(0)
    return { stdout, stderr }
  }
  const staging = ['-e', 'staging']

  test('C3: run and get give the person their own value; list and debug say where each comes from', async () => {
    await done(['project', 'create', 'shop'])
    await done(['environment', 'create', 'staging'])
    await done(['secret', 'set', 'DATABASE_URL'], 'postgres://of-the-project')
    await done(['secret', 'set', 'API_KEY', ...staging], 'key-of-the-project')
    await done(['secret', 'set', 'SHARED'], 'shared-by-everybody')
    const set = ['secret-override', 'set', 'DATABASE_URL', ...staging]
    expect((await done(set, 'postgres://of-mine')).stderr).toContain('DATABASE_URL in staging')

    const listed = JSON.parse((await done(['secret', 'list', ...staging, '--json'])).stdout)
    expect(listed.map((one: { name: string; source: string }) => [one.name, one.source])).toEqual([
      ['API_KEY', 'environment'],
      ['DATABASE_URL', 'override'],
      ['SHARED', 'All'],
    ])
    expect((await done(['secret', 'list', ...staging])).stdout).toMatch(/^DATABASE_URL\tAll\t.*\toverride$/m)

    const got = await done(['secret', 'get', 'DATABASE_URL', ...staging])
    expect([got.stdout, got.stderr]).toEqual(['postgres://of-mine', expect.stringContaining('--of-project')])
    expect((await done(['secret', 'get', 'DATABASE_URL', ...staging, '--of-project'])).stdout).toBe(
      'postgres://of-the-project',
    )
    expect((await done(['secret', 'get', 'DATABASE_URL'])).stdout).toBe('postgres://of-the-project')
    expect(
      JSON.parse((await done(['secret', 'get', 'DATABASE_URL', ...staging, '--json'])).stdout),
    ).toMatchObject({
      value: 'postgres://of-mine',
      source: 'override',
    })

    const script = 'test "$DATABASE_URL" = postgres://of-mine && echo "right [$DATABASE_URL][$API_KEY]"'
    const ran = await run(['run', ...staging, '--', 'sh', '-c', script], { ...owner, KEYHOLD_DEBUG: '1' })
    expect([ran.code, ran.stdout]).toEqual([0, 'right [][]\n'])
    expect(ran.stderr).toContain('API_KEY (environment), DATABASE_URL (override), SHARED (All)')
  })

  test('a machine gets the project’s value, and its debug line says where from', async () => {
    const key = JSON.parse((await done(['access-key', 'create', '--permission=read', '--json'])).stdout)
    const { KEYHOLD_TOKEN: _, KEYHOLD_PROJECT: __, ...rest } = owner
    const machine = { ...rest, KEYHOLD_ACCESS_KEY_ID: key.accessKey.id, KEYHOLD_ACCESS_KEY: key.secret }
    const script = 'test "$DATABASE_URL" = postgres://of-the-project && echo right'
    const ran = await run(['run', ...staging, '--', 'sh', '-c', script], { ...machine, KEYHOLD_DEBUG: '1' })
    expect([ran.code, ran.stdout]).toEqual([0, 'right\n'])
    expect(ran.stderr).toContain('API_KEY (environment), DATABASE_URL (All), SHARED (All)')
    const refused = await run(['secret-override', 'set', 'SHARED'], machine, 'x')
    expect(refused.code).not.toBe(0)
  })

  test('unset asks first, takes exactly the environment, and gives the project’s value back', async () => {
    const unset = ['secret-override', 'unset', 'DATABASE_URL']
    const asked = await run([...unset, ...staging], owner, 'n\n')
    expect([asked.code, asked.stderr]).toEqual([2, expect.stringContaining('your own value')])
    const other = await run([...unset, '--yes'], owner)
    expect([other.code, other.stderr]).toEqual([1, expect.stringContaining('secret_override.not_found')])
    await done([...unset, ...staging, '--yes'])
    expect((await done(['secret', 'get', 'DATABASE_URL', ...staging])).stdout).toBe(
      'postgres://of-the-project',
    )
  })

  test('what cannot be is said, and no value is repeated', async () => {
    const missing = await run(['secret-override', 'set', 'SHARD'], owner, 'canary-value')
    expect([missing.code, missing.stderr]).toEqual([1, expect.stringContaining('SHARED')])
    expect(missing.stderr).not.toContain('canary-value')
    const empty = await run(['secret-override', 'set', 'SHARED'], owner, '')
    expect([empty.code, empty.stderr]).toEqual([1, expect.stringContaining('there is no value')])
  })
})
