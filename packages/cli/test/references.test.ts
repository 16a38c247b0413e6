// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references are written so
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { run } from './kit.ts'
import { type RealServer, startRealServer } from './real-server.ts'

const ref = (name: string) => `\${${name}}`

describe('references between secrets', () => {
  let server: RealServer
  let owner: Record<string, string>
  let machine: Record<string, string>

  beforeAll(async () => {
    server = await startRealServer()
    owner = { ...server.person('owner'), KEYHOLD_PROJECT: 'shop' }
  })
  afterAll(() => server.stop())

  test('a project to refer in', async () => {
    await done(['project', 'create', 'shop'])
    await done(['environment', 'create', 'staging'])
    await done(['environment', 'create', 'production'])
    const key = JSON.parse(await done(['access-key', 'create', '--permission=read', '--json']))
    const { KEYHOLD_TOKEN: _, KEYHOLD_PROJECT: __, ...rest } = owner
    machine = { ...rest, KEYHOLD_ACCESS_KEY_ID: key.accessKey.id, KEYHOLD_ACCESS_KEY: key.secret }
    await done(['secret', 'set', 'DB_PASSWORD', '-e', 'production'], 'hunter2-of-production')
    await done(
      ['secret', 'set', 'DATABASE_URL', '--references'],
      `postgres://u:${ref('production.DB_PASSWORD')}@h`,
    )
    await done(['secret', 'set', 'BROKEN', '--references'], ref('NOWHERE'))
    await done(['secret', 'set', 'PLAIN'], `as it is ${ref('DB_PASSWORD')}`)
  })
  async function done(args: readonly string[], input = '', env = owner): Promise<string> {
    const { code, stdout, stderr } = await run(args, env, input)
    expect(code, stderr).toBe(0)
    return stdout
  }

  test.each(['machine', 'person'])(
    'run as a %s: the program has the values, the output none of the pieces, and what is left out is said',
    async (who) => {
      const env = who === 'machine' ? machine : owner
      const script =
        'test "$DATABASE_URL" = "postgres://u:hunter2-of-production@h" && echo right; echo "[$DATABASE_URL][${DATABASE_URL#postgres://u:}]"; echo "$PLAIN" | wc -c; echo hunter2-of-production; echo "${BROKEN-unset}"'
      const { code, stdout, stderr } = await run(['run', '-e', 'staging', '--', 'sh', '-c', script], env)
      expect([code, stdout]).toEqual([
        0,
        `right\n[][@h]\n${`as it is ${ref('DB_PASSWORD')}`.length + 1}\n\nunset\n`,
      ])
      expect(stderr).toContain(
        `BROKEN is left out: a reference has no value: ${ref('NOWHERE')} in BROKEN: missing`,
      )
    },
  )

  test('get shows what is stored and says so; --resolve what it stands for', async () => {
    const raw = await run(['secret', 'get', 'DATABASE_URL'], owner)
    expect(raw.stdout).toBe(`postgres://u:${ref('production.DB_PASSWORD')}@h`)
    expect(raw.stderr).toContain('--resolve')
    expect(await done(['secret', 'get', 'DATABASE_URL', '--resolve'])).toBe(
      'postgres://u:hunter2-of-production@h',
    )
    expect(await done(['secret', 'get', 'DATABASE_URL'], '', machine)).toBe(
      'postgres://u:hunter2-of-production@h',
    )
    const broken = await run(['secret', 'get', 'BROKEN'], machine)
    expect([broken.code, broken.stdout]).toEqual([1, ''])
    expect(broken.stderr).toContain('secret.unresolved')
  })

  test('deleting or renaming what is referred to warns and says who refers to it', async () => {
    const warning = `warning: DATABASE_URL of All refers to ${ref('production.DB_PASSWORD')}`
    const unset = await run(['secret', 'unset', 'DB_PASSWORD', '-e', 'production'], owner, 'n\n')
    expect([unset.code, unset.stderr]).toEqual([2, expect.stringContaining(warning)])
    const renamed = await run(['environment', 'update', 'production', '--name=live'], owner)
    expect([renamed.code, renamed.stderr]).toEqual([0, expect.stringContaining(warning)])
    await done(['environment', 'update', 'live', '--name=production'])
    const removed = await run(['environment', 'delete', 'production', '--confirm=other'], owner)
    expect([removed.code, removed.stderr]).toEqual([1, expect.stringContaining(warning)])
  })

  test('edit turns it off and on; both at once, and --personal, are usage errors', async () => {
    await done(['secret', 'set', 'SWITCHED', '--references'], ref('PLAIN'))
    await done(['secret', 'edit', 'SWITCHED', '--no-references'])
    expect(await done(['secret', 'get', 'SWITCHED'], '', machine)).toBe(ref('PLAIN'))
    await done(['secret', 'edit', 'SWITCHED', '--references'])
    expect(await done(['secret', 'get', 'SWITCHED'], '', machine)).toBe(`as it is ${ref('DB_PASSWORD')}`)
    expect((await run(['secret', 'edit', 'SWITCHED', '--references', '--no-references'], owner)).code).toBe(2)
    expect((await run(['secret', 'set', 'MINE', '--personal', '--references'], owner, 'x')).code).toBe(2)
    const wrong = await run(['secret', 'set', 'WRONG', '--references'], owner, 'canary${')
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining('character 7')])
    expect(wrong.stderr).not.toContain('canary')
  })
})
