import { auditLine } from '@keyhold/contract/audit-line'
import { Text } from '@mantine/core'
import { defaultRangeExtractor, useVirtualizer } from '@tanstack/react-virtual'
import { type KeyboardEvent, useEffect, useRef, useState } from 'react'
import { words } from './messages.ts'
import type { AuditRecord } from './use-records.ts'

/** Height of a row in pixels; as in activity.css. */
const ROW = 44
const ROW_NARROW = 68
const NARROW = '(max-width: 48em)'
const OVERSCAN = 12
/** Rows before the end at which the next page is read. */
const AHEAD = 150
/** Rows that the keys for a page move by. */
const PAGE_ROWS = 12

interface Props {
  readonly records: readonly AuditRecord[]
  readonly nameOf: (record: AuditRecord) => string
  /** There are older ones; `onOlder` reads them. */
  readonly hasOlder: boolean
  readonly isReading: boolean
  readonly onOlder: () => void
  readonly onOpen: (record: AuditRecord) => void
}

/**
 * Any number of records, of which the page has only those in sight. By keyboard it is one stop: arrows, Page Up and Down, Home
 * and End move in it.
 */
export function RecordList({ records, nameOf, hasOlder, isReading, onOlder, onOpen }: Props) {
  const scroller = useRef<HTMLDivElement>(null)
  const [current, setCurrent] = useState(0)
  const wanted = useRef<number>(undefined)
  const row = matchMedia(NARROW).matches ? ROW_NARROW : ROW
  const list = useVirtualizer({
    count: records.length + (hasOlder ? 1 : 0),
    getScrollElement: () => scroller.current,
    estimateSize: () => row,
    overscan: OVERSCAN,
    getItemKey: (i) => records[i]?.index ?? 'older',
    // Where the focus is has to stay in the page.
    rangeExtractor: (range) => [...new Set([current, ...defaultRangeExtractor(range)])].sort((a, b) => a - b),
  })
  const items = list.getVirtualItems()
  const last = items.at(-1)?.index ?? 0
  useEffect(() => {
    if (hasOlder && !isReading && last >= records.length - AHEAD) onOlder()
  }, [hasOlder, isReading, last, records.length, onOlder])

  const newest = records[0]?.index
  const seen = useRef(newest)
  useEffect(() => {
    const at = records.findIndex((record) => record.index === seen.current)
    seen.current = newest
    // What came in front does not move what somebody reads.
    if (at <= 0) return
    setCurrent((i) => i + at)
    const { current: box } = scroller
    if (box && box.scrollTop > 0) box.scrollTop += at * row
  }, [records, newest, row])

  const move = (event: KeyboardEvent) => {
    const steps: Record<string, number> = {
      ArrowDown: 1,
      ArrowUp: -1,
      PageDown: PAGE_ROWS,
      PageUp: -PAGE_ROWS,
      Home: -records.length,
      End: records.length,
    }
    const step = steps[event.key]
    if (step === undefined) return
    event.preventDefault()
    const next = Math.min(Math.max(current + step, 0), records.length - 1)
    wanted.current = next
    setCurrent(next)
    list.scrollToIndex(next)
  }
  return (
    <>
      <div className="activity-row activity-head" aria-hidden>
        <span>{words.event}</span>
        <span>{words.who}</span>
        <span>{words.address}</span>
      </div>
      <div
        ref={scroller}
        className="activity-scroller"
        style={{ height: `min(${list.getTotalSize()}px, max(20rem, 100dvh - 26rem))` }}
      >
        <ol aria-label={words.records} style={{ height: list.getTotalSize() }} onKeyDown={move}>
          {items.map(({ index, key, start }) => {
            const record = records[index]
            const placed = { className: 'activity-row', style: { transform: `translateY(${start}px)` } }
            if (record === undefined)
              return (
                <li key={key} {...placed}>
                  <Text size="sm">{words.loadingMore}</Text>
                </li>
              )
            return (
              <li
                key={key}
                {...placed}
                aria-posinset={index + 1}
                aria-setsize={hasOlder ? -1 : records.length}
              >
                <span className="activity-line">
                  <button
                    type="button"
                    data-outcome={record.outcome}
                    tabIndex={index === current ? 0 : -1}
                    ref={(button) => {
                      if (button === null || wanted.current !== index) return
                      wanted.current = undefined
                      button.focus({ preventScroll: true })
                    }}
                    onClick={() => {
                      setCurrent(index)
                      onOpen(record)
                    }}
                  >
                    {auditLine(record)}
                  </button>
                </span>
                <span className="activity-cell">{nameOf(record)}</span>
                <span className="activity-cell">{record.address}</span>
              </li>
            )
          })}
        </ol>
      </div>
    </>
  )
}
