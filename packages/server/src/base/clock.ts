/** Where time comes from, so that tests can move it. */
export interface Clock {
  now(): Date
}

export const systemClock: Clock = { now: () => new Date() }

/** "Last used" is kept to the minute; writing it at every request would cost a commit each. */
export const LAST_USED_STEP_MS = 60_000

/** A time of a row, in milliseconds, or of a request, as text. */
export const toDate = (time: number | string | null): Date | null => (time === null ? null : new Date(time))
