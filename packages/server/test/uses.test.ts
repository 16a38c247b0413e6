import { limits } from '@keyhold/contract/limits'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { databases, startServer, type TestKey, type TestPerson, type TestServer } from './kit.ts'

let runs = 0

describe.each(databases)('reports of use on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let owner: TestPerson
  let viewer: TestPerson
  let project: { id: string; name: string }
  let key: TestKey
  let run: string

  beforeAll(async () => {
    ;({ server, stop } = await startServer(database))
    owner = await server.addPerson('admin')
    viewer = await server.addPerson()
  })
  afterAll(() => stop())
  beforeEach(async () => {
    project = await server.addProject(owner)
    key = await server.addKey(owner, project.id)
    await server.addSecret(owner, project.id, { name: 'GITHUB_TOKEN', value: 'ghp_some-value' })
    runs += 1
    run = `run-number-${runs}`
  })

  const read = (more: object = {}) => ({
    name: 'GITHUB_TOKEN',
    kind: 'read',
    program: 'node',
    file: 'app.js',
    line: 12,
    ...more,
  })
  const current = (uses: unknown, more: object = {}, credential: object = { key }) =>
    server.request('POST', '/api/v1/projects/current/uses', { ...credential, body: { run, uses, ...more } })
  const byPerson = (person: TestPerson, uses: unknown, more: object = {}) =>
    server.request('POST', `/api/v1/projects/${project.id}/uses`, {
      token: person.token,
      body: { run, uses, ...more },
    })
  /** Lines of the log about this project's uses, oldest first, without the time. */
  async function lines(): Promise<string[]> {
    const { records } = await server.ok(
      'GET',
      `/api/v1/audit?action=secret.use&project=${project.id}&limit=500`,
      { token: owner.token },
    )
    return records.map(({ line }: { line: string }) => line.replace(/^.{19} - /, '')).reverse()
  }

  test('SEC-23, F43: a read is one line with file and line, whoever reports it', async () => {
    expect((await current([read()])).status).toBe(200)
    expect((await byPerson(owner, [read({ line: 20, column: 7, via: 'dotenv', count: 1000 })])).status).toBe(
      200,
    )
    expect(await lines()).toEqual([
      'Secret used: GITHUB_TOKEN (app.js:12)',
      'Secret used: GITHUB_TOKEN (app.js:20)',
    ])
    const { records } = await server.ok(
      'GET',
      '/api/v1/audit?secret=GITHUB_TOKEN&action=secret.use&limit=2',
      {
        token: owner.token,
      },
    )
    expect(records[0].line).toMatch(
      /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d - Secret used: GITHUB_TOKEN \(app\.js:20\)$/,
    )
    expect(records).toMatchObject([
      {
        action: 'secret.use',
        outcome: 'success',
        actor: { kind: 'person', id: owner.id },
        project: { id: project.id },
        environment: 'All',
        target: { kind: 'secret', name: 'GITHUB_TOKEN' },
        use: {
          run,
          kind: 'read',
          program: 'node',
          file: 'app.js',
          line: 20,
          column: 7,
          via: 'dotenv',
          count: 1000,
        },
      },
      {
        actor: { kind: 'access-key', id: key.id },
        use: { run, kind: 'read', program: 'node', file: 'app.js', line: 12 },
      },
    ])
  })

  test('C20: programs that cannot tell, other processes and packages are told apart', async () => {
    await current([
      { name: 'GITHUB_TOKEN', kind: 'program', program: 'psql' },
      { name: 'GITHUB_TOKEN', kind: 'read', program: 'node', via: '@aws-sdk/client-s3' },
      read({ kind: 'inherited' }),
    ])
    expect(await lines()).toEqual([
      'Secret used: GITHUB_TOKEN (psql)',
      'Secret used: GITHUB_TOKEN (node via @aws-sdk/client-s3)',
      'Secret used: GITHUB_TOKEN (app.js:12, to another process)',
    ])
  })

  test('SEC-23: the same place of a run is one record, also in parallel, for each run its own', async () => {
    await Promise.all(Array.from({ length: 5 }, () => current([read(), read(), read({ count: 3 })])))
    expect(await lines()).toEqual(['Secret used: GITHUB_TOKEN (app.js:12)'])
    await current([read()], { run: `${run}-again` })
    expect(await lines()).toHaveLength(2)
    // A run belongs to whoever reports it.
    await byPerson(owner, [read()])
    expect(await lines()).toHaveLength(3)
  })

  test(`of a run ${limits.usesPerRun} places are recorded, and the answer says what is left`, async () => {
    const batch = (from: number) =>
      Array.from({ length: limits.usesPerReport }, (_, i) => read({ line: from + i + 1 }))
    expect((await current(batch(0))).body).toEqual({ remaining: limits.usesPerRun - limits.usesPerReport })
    expect((await current(batch(0))).body).toEqual({ remaining: limits.usesPerRun - limits.usesPerReport })
    for (let from = limits.usesPerReport; from <= limits.usesPerRun; from += limits.usesPerReport)
      await current(batch(from))
    expect((await current([read({ line: 5_000_000 })])).body).toEqual({ remaining: 0 })
    const all = await server.core.audit.list({ projectId: project.id, action: 'secret.use' }, 2_000)
    expect(all.records).toHaveLength(limits.usesPerRun)
  })

  test('what one actor reports in an hour is bounded over all runs, and what is not there leaves no row', async () => {
    const rows = async () => {
      const { count } = await server.core.storage.db
        .selectFrom('reported_uses')
        .select((eb) => eb.fn.countAll<number>().as('count'))
        .executeTakeFirstOrThrow()
      return Number(count)
    }
    const before = await rows()
    const unknown = Array.from({ length: limits.usesPerReport }, (_, i) =>
      read({ name: 'NOT_THERE', line: i + 1 }),
    )
    for (let i = 0; i < limits.usesPerHour / limits.usesPerReport; i++)
      await current(unknown, { run: `${run}-unknown-${i}` })
    expect(await rows()).toBe(before)
    expect((await current([read()])).body).toEqual({ remaining: 0 })
    expect(await lines()).toEqual([])
    // Others are not held up by it.
    expect((await byPerson(owner, [read()])).body).toEqual({ remaining: limits.usesPerRun - 1 })
    server.clock.advance(3_600_000)
    expect((await current([read()])).body).toEqual({ remaining: limits.usesPerRun - 1 })
    expect(await lines()).toHaveLength(2)
  })

  test('"last used" moves, and nothing else of the secret', async () => {
    const info = async () =>
      (await server.ok('GET', `/api/v1/projects/${project.id}/secrets`, { token: owner.token })).secrets[0]
    const before = await info()
    expect(before.lastAccessedAt).toBe(null)
    await current([read()])
    const after = await info()
    expect(Math.abs(Date.parse(after.lastAccessedAt) - server.clock.now().getTime())).toBeLessThan(60_000)
    expect({ ...after, lastAccessedAt: null }).toEqual(before)
  })

  test('a name that could not have been delivered is dropped, and the answer is the same', async () => {
    await server.addEnvironment(owner, project.id, 'staging')
    await server.addSecret(owner, project.id, { name: 'OTHER', value: 'x', environment: 'staging' })
    const known = await current([read()])
    const unknown = await current([read({ name: 'NOT_THERE' })], { run: `${run}-b` })
    const elsewhere = await current([read({ name: 'OTHER' })], { run: `${run}-c` })
    expect([unknown.status, unknown.body]).toEqual([known.status, known.body])
    expect([elsewhere.status, elsewhere.body]).toEqual([known.status, known.body])
    expect(await lines()).toEqual(['Secret used: GITHUB_TOKEN (app.js:12)'])
    await current([read({ name: 'OTHER' }), read()], { run: `${run}-d`, environment: 'Staging' })
    const { records } = await server.core.audit.list({ projectId: project.id, action: 'secret.use' }, 2)
    expect(records.map(({ target, environment }) => [target?.name, environment])).toEqual([
      ['GITHUB_TOKEN', 'All'],
      ['OTHER', 'staging'],
    ])
  })

  test('400 with the field: paths that are not relative, control characters, too much, unknown fields', async () => {
    for (const [wrong, field] of [
      [{ file: '/home/ada/app.js' }, 'uses[0].file'],
      [{ file: '../app.js' }, 'uses[0].file'],
      [{ file: 'a/../../app.js' }, 'uses[0].file'],
      [{ file: 'a/..' }, 'uses[0].file'],
      [{ file: 'C:\\app.js' }, 'uses[0].file'],
      [{ file: 'c:app.js' }, 'uses[0].file'],
      [{ file: '\\\\host\\app.js' }, 'uses[0].file'],
      [{ file: 'file:///app.js' }, 'uses[0].file'],
      [{ file: 'app.js\n2026-01-01 00:00:00 - Signed in' }, 'uses[0].file'],
      [{ file: 'app\u202ejs' }, 'uses[0].file'],
      [{ file: 'app\u200ejs' }, 'uses[0].file'],
      [{ file: 'app\u200bjs' }, 'uses[0].file'],
      [{ program: 'no\u061cde' }, 'uses[0].program'],
      [{ file: 'x'.repeat(limits.usePathLength + 1) }, 'uses[0].file'],
      [{ program: '/usr/bin/node' }, 'uses[0].program'],
      [{ program: 'node\u001b[2J' }, 'uses[0].program'],
      [{ program: '' }, 'uses[0].program'],
      [{ via: 'a b' }, 'uses[0].via'],
      [{ line: 0 }, 'uses[0].line'],
      [{ line: 1.5 }, 'uses[0].line'],
      [{ kind: 'enumerated' }, 'uses[0].kind'],
      [{ value: 'ghp_some-value' }, 'uses[0]'],
      [{ name: '' }, 'uses[0].name'],
    ] as const) {
      const answer = await current([read(wrong)])
      expect([answer.status, answer.body.errors?.[0]?.field], JSON.stringify(wrong)).toEqual([400, field])
      for (const text of Object.values(wrong))
        if (String(text).length > 5) expect(answer.text).not.toContain(String(text))
    }
    for (const [uses, more] of [
      [[], {}],
      [Array.from({ length: limits.usesPerReport + 1 }, () => read()), {}],
      [[read()], { run: 'short' }],
      [[read()], { run: 'with space and more' }],
    ] as const)
      expect((await current(uses, more)).status).toBe(400)
    expect(await lines()).toEqual([])
  })

  test('files and packages as they are really called are taken', async () => {
    const files = ['src/пример/main file.ts', '@scope/a+b/[id].tsx', '..hidden/x.py', 'a..b/c.rb', '(eval)']
    expect((await current(files.map((file) => read({ file })))).status).toBe(200)
    expect(await lines()).toEqual(files.map((file) => `Secret used: GITHUB_TOKEN (${file}:12)`))
  })

  test('a name with what looks like the end of a line is seen to be one name', async () => {
    const forged = 'a.js) 2026-11-22 10:00:00 - Secret used: ROOT_KEY (b.js'
    const program = `psql)${' '.repeat(40)}2026-11-22 10:00:00 - Secret used: ROOT_KEY (b`
    const filled = 'a.js)\u31642026-11-22\u316410:00:00\u3164-\u3164Secret\u2800used'
    const uses = [
      read({ file: forged }),
      { name: 'GITHUB_TOKEN', kind: 'program', program },
      read({ file: filled }),
      read({ file: 'app/(shop)/main file (1).ts' }),
    ]
    expect((await current(uses)).status).toBe(200)
    const found = await lines()
    expect(found[0]).toBe(
      'Secret used: GITHUB_TOKEN (a.js)%202026-11-22%2010:00:00%20-%20Secret%20used:%20ROOT_KEY%20(b.js:12)',
    )
    expect(found[1]).toBe(`Secret used: GITHUB_TOKEN (${program.replaceAll(' ', '%20')})`)
    expect(found[2]).toMatch(/^Secret used: GITHUB_TOKEN \(a\.js\)%E3%85%A42026\S+used:12\)$/)
    expect(found[3]).toBe('Secret used: GITHUB_TOKEN (app/(shop)/main%20file%20(1).ts:12)')
    const { records } = await server.core.audit.list({ projectId: project.id, action: 'secret.use' }, 4)
    expect(records.map(({ use }) => use?.file)).toContain(forged)
  })

  test('401 without a credential; 404 for others, missing projects and environments, with the record', async () => {
    expect((await current([read()], {}, {})).status).toBe(401)
    const refused = await byPerson(viewer, [read()])
    expect([refused.status, refused.body.code]).toEqual([404, 'project.not_found'])
    expect((await server.records(1))[0]).toMatchObject({
      action: 'secret.use',
      outcome: 'refused',
      reason: 'project.not_found',
      actor: { id: viewer.id },
    })
    await server.addMember(owner, project.id, viewer, 'read_only')
    expect((await byPerson(viewer, [read()])).status).toBe(200)
    const nowhere = await current([read()], { environment: 'nowhere' })
    expect([nowhere.status, nowhere.body.code]).toEqual([404, 'environment.not_found'])
    expect((await server.records(1))[0]).toMatchObject({
      action: 'secret.use',
      outcome: 'failed',
      reason: 'environment.not_found',
    })
  })

  test('a token needs the scope that reading values needs', async () => {
    const tokenOf = async (scopes: string[]) =>
      (await server.ok('POST', '/api/v1/access-tokens', { token: owner.token, body: { name: 'x', scopes } }))
        .token
    const report = async (token: string) =>
      (
        await server.request('POST', `/api/v1/projects/${project.id}/uses`, {
          token,
          body: { run, uses: [read()] },
        })
      ).status
    expect(await report(await tokenOf(['secrets:read', 'secrets:write']))).toBe(403)
    expect(await report(await tokenOf(['secrets:reveal']))).toBe(200)
  })

  test('places are forgotten after a week, and a project that is deleted leaves nothing that fails', async () => {
    await current([read()])
    await server.core.uses.forget()
    await current([read()])
    expect(await lines()).toHaveLength(1)
    server.clock.advance(8 * 86_400_000)
    await server.core.uses.forget()
    await current([read()])
    expect(await lines()).toHaveLength(2)
  })
})
