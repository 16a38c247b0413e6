/** Attempts of one call, the first included. */
export const ATTEMPTS_MAX = 4

const FIRST_WAIT_MS = 100
const WAIT_MS_MAX = 2_000

/** Answers that say "not now", so the same question may be put again. */
export const isPassing = (status: number): boolean =>
  status === 429 || status === 502 || status === 503 || status === 504

/**
 * Says how long to wait before the next attempt: exponential with full jitter, so that many clients that failed
 * together do not come back together; never shorter than the server asked for.
 *
 * @param attempt number of the attempt that failed, from 1
 */
export function waitMsBeforeRetry(attempt: number, retryAfterSeconds: number | undefined): number {
  const jittered = Math.random() * Math.min(WAIT_MS_MAX, FIRST_WAIT_MS * 2 ** (attempt - 1))
  return (retryAfterSeconds ?? 0) * 1_000 + jittered
}

/** Reads Retry-After, in seconds or as an HTTP date; undefined when it is neither. */
export function readRetryAfter(header: string | null, nowMs: number): number | undefined {
  if (header === null) return undefined
  if (/^\d{1,9}$/.test(header)) return Number(header)
  // Only the form that RFC 9110 tells senders to write; Date.parse takes almost anything.
  if (!/^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(header)) return undefined
  const at = Date.parse(header)
  return Number.isNaN(at) ? undefined : Math.max(0, Math.ceil((at - nowMs) / 1_000))
}
