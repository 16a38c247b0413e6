import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AuditEntry } from '../src/audit/audit-log.ts'
import { searchRecords } from '../src/audit/audit-search.ts'
import { databases, startServer, type TestPerson, type TestServer } from './kit.ts'

const HOUR_MS = 3_600_000
const COUNT = 4_000
const RARE = 1_234

interface Event {
  readonly index: number
  readonly time: number
  readonly secretName?: string
  readonly actorId: string
  readonly projectId?: string
  readonly workspaceId?: string
  readonly action: string
  readonly outcome: string
}

describe.each(databases)('searching the audit log on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let admin: TestPerson
  let member: TestPerson
  let project: { id: string }
  const events: Event[] = []

  beforeAll(async () => {
    ;({ server, stop } = await startServer(database))
    admin = await server.addPerson('admin')
    member = await server.addPerson()
    project = await server.addProject(member)
    const from = (await server.records(1))[0]!.index + 1
    for (let i = 0; i < COUNT; i += 100) {
      server.clock.advance(HOUR_MS)
      // Now and then a clock is two days ahead, and is set right.
      const isAhead = i % 1_300 === 0
      if (isAhead) server.clock.advance(48 * HOUR_MS)
      await server.core.audit.append(...Array.from({ length: 100 }, (_, j) => entryOf(from + i + j)))
      if (isAhead) server.clock.advance(-48 * HOUR_MS)
      // The newest records have no spans, as between two runs of the job.
      if (i === 3_000) await server.core.audit.prepare()
    }
    const rows = await server.core.storage.db
      .selectFrom('audit_records')
      .select([
        'leaf_index',
        'time',
        'secret_name',
        'actor_id',
        'project_id',
        'workspace_id',
        'action',
        'outcome',
      ])
      .orderBy('leaf_index', 'desc')
      .execute()
    for (const row of rows)
      events.push({
        index: row.leaf_index,
        time: row.time,
        actorId: row.actor_id ?? '',
        action: row.action,
        outcome: row.outcome,
        ...(row.secret_name !== null && { secretName: row.secret_name }),
        ...(row.project_id !== null && { projectId: row.project_id }),
        ...(row.workspace_id !== null && { workspaceId: row.workspace_id }),
      })
  }, 120_000)
  afterAll(() => stop())

  function entryOf(i: number): AuditEntry {
    const isRefused = i % 50 === 0
    return {
      action: i % 3 === 0 ? 'secret.update' : 'secret.read',
      outcome: isRefused ? 'refused' : 'success',
      actor: { kind: 'person', id: i % 7 === 0 ? member.id : `usr_${i % 4}` },
      project: { id: i % 11 === 0 ? project.id : `prj_${i % 5}` },
      ...(i % 13 === 0 && { workspace: `ws-${i % 3}` }),
      target: { kind: 'secret', name: i === RARE ? 'RARE' : i % 2 === 0 ? 'COMMON' : `S${i % 40}` },
      origin: { traceId: 'test' },
    }
  }

  type Filter = Parameters<typeof searchRecords>[1]
  const matches = (filter: Filter) => (event: Event) =>
    (['secretName', 'actorId', 'projectId', 'workspaceId', 'action', 'outcome'] as const).every(
      (name) => filter[name] === undefined || filter[name] === event[name],
    ) &&
    event.index >= (filter.start ?? 0) &&
    event.time >= (filter.from ?? 0) &&
    event.time < (filter.to ?? Number.POSITIVE_INFINITY) &&
    (!filter.visibleTo ||
      event.actorId === filter.visibleTo.accountId ||
      filter.visibleTo.projectIds.includes(event.projectId ?? '') ||
      filter.visibleTo.workspaceIds.includes(event.workspaceId ?? ''))

  /** All pages, each ended after its first window. */
  async function found(filter: Filter, limit: number): Promise<{ indexes: number[]; pages: number }> {
    const indexes: number[] = []
    let before: number | undefined
    for (let pages = 1; ; pages++) {
      const { rows, nextCursor } = await searchRecords(
        server.core.storage.db,
        { ...filter, before },
        limit,
        0,
      )
      expect(rows.length).toBeLessThanOrEqual(limit)
      indexes.push(...rows.map((row) => row.leaf_index))
      if (nextCursor === null) return { indexes, pages }
      expect(nextCursor).toBeLessThan(before ?? Number.POSITIVE_INFINITY)
      before = nextCursor
    }
  }

  test('SEC-27: every combination of filters finds exactly what it says, in order, whatever the pages are', async () => {
    const times = events.map((event) => event.time)
    const middle = times[Math.floor(times.length / 2)]!
    const mine = { accountId: member.id, projectIds: [project.id, 'prj_3'], workspaceIds: ['ws-1'] }
    const one = {
      secretName: [undefined, 'COMMON', 'RARE', 'S7', 'NONE'],
      actorId: [undefined, member.id, 'usr_1'],
      projectId: [undefined, project.id, 'prj_2'],
      workspaceId: [undefined, undefined, 'ws-1', undefined, 'ws-2'],
      action: [undefined, 'secret.update', 'account.create'],
      outcome: [undefined, 'success', 'refused', 'failed'],
      from: [undefined, middle, middle + 20 * HOUR_MS],
      to: [undefined, middle + HOUR_MS, middle + 100 * HOUR_MS],
      visibleTo: [undefined, mine, { accountId: 'usr_none', projectIds: [], workspaceIds: [] }],
    }
    // Chosen by counting with steps of primes: every pair of values comes together.
    for (let i = 0; i < 180; i++) {
      const at = <T>(values: readonly T[], step: number): T => values[Math.floor(i / step) % values.length]!
      const filter: Filter = {
        secretName: at(one.secretName, 1),
        actorId: at(one.actorId, 5),
        projectId: at(one.projectId, 7),
        workspaceId: at(one.workspaceId, 6),
        action: at(one.action, 2),
        outcome: at(one.outcome, 3),
        from: at(one.from, 11),
        to: at(one.to, 4),
        visibleTo: at(one.visibleTo, 13),
        start: i % 17 === 0 ? 2_000 : undefined,
      }
      const expected = events.filter(matches(filter)).map((event) => event.index)
      const { indexes } = await found(filter, i % 2 === 0 ? 500 : 37)
      expect([filter, indexes]).toEqual([filter, expected])
    }
  }, 120_000)

  test('who is Admin of thousands of projects keeps nobody waiting while each is looked at', async () => {
    const projectIds = Array.from({ length: 3_000 }, (_, i) => `prj_nobody${i}`)
    let turns = 0
    const timer = setInterval(() => {
      turns += 1
    }, 1)
    const visibleTo = { accountId: 'usr_none', projectIds, workspaceIds: [] }
    const { rows } = await searchRecords(server.core.storage.db, { visibleTo }, 50)
    clearInterval(timer)
    expect(rows).toEqual([])
    expect(turns).toBeGreaterThan(3)
  })

  test('a search that finds little ends after a while with the place where to go on (L5)', async () => {
    const filter = { action: 'secret.update', actorId: 'usr_1', outcome: 'success', secretName: 'COMMON' }
    const first = await searchRecords(server.core.storage.db, { ...filter, projectId: 'prj_none' }, 50, 0)
    expect(first).toEqual({ rows: [], nextCursor: null })
    const none = { ...filter, actorId: undefined, outcome: undefined, secretName: undefined, from: 1, to: 2 }
    expect((await found(none, 50)).indexes).toEqual([])
    // Two conditions that are both common and never meet.
    const never = { action: 'session.create', outcome: 'success' }
    expect((await found(never, 50)).indexes).toEqual([])
    const apart = { outcome: 'success', from: events.at(-1)!.time, to: events[0]!.time + 49 * HOUR_MS }
    const { pages } = await found({ ...apart, visibleTo: undefined }, 5_000)
    expect(pages).toBeGreaterThan(2)
  })

  test('over HTTP: a person finds by e-mail address, a name, an event and a time; cursors go to the end (SEC-27)', async () => {
    const at = events.find((event) => event.index === RARE)!.time
    const around = `from=${new Date(at).toISOString()}&to=${new Date(at + 1).toISOString()}`
    const get = (query: string) => server.ok('GET', `/api/v1/audit?${query}`, { token: admin.token })
    const rare = await get(`secret=RARE&${around}&action=secret.read`)
    expect(rare.records.map((record: { index: number }) => record.index)).toEqual([RARE])
    expect(rare.nextCursor).toBeNull()
    const seen: number[] = []
    for (let cursor = ''; ; ) {
      const page = await get(`person=${member.email}&limit=200${cursor}`)
      seen.push(...page.records.map((record: { index: number }) => record.index))
      if (page.nextCursor === null) break
      cursor = `&cursor=${page.nextCursor}`
    }
    expect(seen).toEqual(events.filter((event) => event.actorId === member.id).map((event) => event.index))
  })
})
