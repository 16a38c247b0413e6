import { Text, Tooltip } from '@mantine/core'
import { shared } from './messages.ts'

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })
const exact = new Intl.DateTimeFormat('en', { dateStyle: 'full', timeStyle: 'long' })
const date = new Intl.DateTimeFormat('en', { dateStyle: 'medium' })

const steps = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['week', 604_800],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
] as const

/** `3 days ago`, `in 2 weeks`. @param nowMs milliseconds since the epoch */
export function relativeTime(time: Date, nowMs: number): string {
  const seconds = (time.getTime() - nowMs) / 1000
  for (const [unit, length] of steps)
    if (Math.abs(seconds) >= length) return relative.format(Math.trunc(seconds / length), unit)
  return relative.format(0, 'second')
}

/** The day of a time, as people write it. @param time ISO 8601 */
export const shownDate = (time: string): string => date.format(new Date(time))

interface Props {
  /** ISO 8601; `null`: never, or what `none` says. */
  readonly time: string | null
  readonly none?: string
  /** Show the date in place of how long ago it is. */
  readonly isDate?: boolean
}

/** A time as people say it, and exactly when one points at it. */
export function Time({ time, none = shared.never, isDate = false }: Props) {
  if (time === null)
    return (
      <Text span inherit>
        {none}
      </Text>
    )
  const at = new Date(time)
  return (
    <Tooltip label={exact.format(at)} events={{ hover: true, focus: true, touch: true }}>
      <time dateTime={time}>{isDate ? date.format(at) : relativeTime(at, Date.now())}</time>
    </Tooltip>
  )
}
