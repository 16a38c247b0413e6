import { useInfiniteQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useMemo, useState } from 'react'
import { type CallAnswer, call } from '../../api.ts'
import { ShownError } from '../../ui/error-message.tsx'
import { sizeOf } from '../../verification.ts'
import { type Filters, toQuery } from './filters.ts'
import { words } from './messages.ts'

type AuditPage = CallAnswer<'audit.list'>
export type AuditRecord = AuditPage['records'][number]

const PAGE = 500
/** How often is asked for what has come. */
const LIVE_MS = 2_000
/** Searches of a large log are answered in parts, which may be empty: so many are put together. */
const PARTS_MAX = 10

interface Page {
  readonly records: readonly AuditRecord[]
  readonly nextCursor: number | null
  readonly begin: number
  /** How many records the log had when this was read. */
  readonly size: number
}

async function readPage(filters: Filters, before: number, size: number, start = 0): Promise<Page> {
  const records: AuditRecord[] = []
  let cursor: number | null = before
  let begin = 0
  for (let part = 0; part < PARTS_MAX && cursor !== null && records.length < PAGE; part++) {
    const answer: AuditPage = await call('audit.list', {
      query: { ...toQuery(filters), start, cursor, limit: PAGE - records.length },
    })
    records.push(...answer.records)
    cursor = answer.nextCursor
    begin = answer.begin
  }
  return { records, nextCursor: cursor, begin, size }
}

const readSize = async () => sizeOf((await call('audit.checkpoint')).checkpoint)

/** All that has come since there were `from` records, newest first. */
async function readNewer(filters: Filters, from: number, size: number): Promise<AuditRecord[]> {
  const records: AuditRecord[] = []
  for (let cursor: number | null = size; cursor !== null; ) {
    const page: Page = await readPage(filters, cursor, size, from)
    records.push(...page.records)
    cursor = page.nextCursor
  }
  return records
}

/**
 * The records that meet the filters, newest first: read a page at a time, going back, and at the front as they come while
 * it is live. What was read never changes, so nothing is read twice.
 */
export function useRecords(filters: Filters, isLive: boolean) {
  const cache = useQueryClient()
  const queryKey = useMemo(() => ['audit', filters] as const, [filters])
  const query = useInfiniteQuery({
    queryKey,
    initialPageParam: undefined as Pick<Page, 'nextCursor' | 'size'> | undefined,
    queryFn: async ({ pageParam }) => {
      const size = pageParam?.size ?? (await readSize())
      return readPage(filters, pageParam?.nextCursor ?? size, size)
    },
    getNextPageParam: (last: Page) => (last.nextCursor === null ? undefined : last),
    staleTime: Number.POSITIVE_INFINITY,
    // Who comes back sees what has come meanwhile.
    gcTime: 0,
    structuralSharing: false,
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
  })
  const pages = query.data?.pages
  const size = pages?.[0]?.size
  const [problem, setProblem] = useState<unknown>()
  useEffect(() => {
    if (!isLive || size === undefined) return
    let isOver = false
    let isBusy = false
    const look = async () => {
      const grown = await readSize()
      if (grown < size) throw new ShownError(words.setBack)
      if (grown === size || isOver) return
      const records = await readNewer(filters, size, grown)
      if (isOver) return
      cache.setQueryData<typeof query.data>(queryKey, (data) => data && withNewer(data, records, grown))
    }
    const timer = setInterval(() => {
      if (isBusy || document.hidden) return
      isBusy = true
      look()
        .then(() => setProblem(undefined), setProblem)
        .finally(() => {
          isBusy = false
        })
    }, LIVE_MS)
    return () => {
      isOver = true
      clearInterval(timer)
    }
  }, [isLive, size, filters, queryKey, cache])
  const records = useMemo(() => pages?.flatMap((page) => page.records) ?? [], [pages])
  return { ...query, records, begin: pages?.at(-1)?.begin ?? 0, liveProblem: problem }
}

/** The first page with what has come in front of it. */
function withNewer<Data extends { pages: Page[] }>(data: Data, records: AuditRecord[], size: number): Data {
  const [first, ...others] = data.pages
  if (first === undefined) return data
  return { ...data, pages: [{ ...first, size, records: [...records, ...first.records] }, ...others] }
}
