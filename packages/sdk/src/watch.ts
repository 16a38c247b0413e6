import { KeyholdError } from './error.ts'
import { streamEvents } from './event-stream.ts'

/** What somebody gets of an environment has this version now. */
export interface SecretsVersion {
  /** Says nothing but whether it is the same as another one. */
  readonly version: string
  /** The first of this watch, which says how things were when it began. */
  readonly isFirst: boolean
}

/** Changes are not seen for now. Those that are missed are one version together, once Keyhold is there again. */
export interface WatchInterruption {
  /** Undefined where Keyhold ended the stream in order, as a server does that stops or that lets nobody in any more. */
  readonly error: KeyholdError | undefined
  /** Milliseconds until it is tried again. */
  readonly retryMs: number
}

export interface WatchSettings {
  /** The project, for a person. A project access key has one. */
  readonly projectId?: string | undefined
  /** Default: the client's environment, else `All`. */
  readonly environment?: string | undefined
  /** Ends the watch, without an error. */
  readonly signal?: AbortSignal | undefined
  readonly onInterrupted?: ((interruption: WatchInterruption) => void) | undefined
}

/** Milliseconds. The longest wait doubles with each failure. */
const RETRY_MIN_MS = 1_000
const RETRY_MAX_MS = 30_000
/** A stream that was open this long was a good one. */
const GOOD_MS = 5_000

/** Opens one stream of events. */
type Open = (signal: AbortSignal) => AsyncIterable<Uint8Array>

/**
 * Follows versions over any number of streams. Whoever is busy with one gets only the newest of those that came meanwhile.
 *
 * @throws KeyholdError when Keyhold says no
 */
export async function* watchVersions(
  open: Open,
  { signal, onInterrupted }: WatchSettings,
): AsyncGenerator<SecretsVersion, void> {
  const end = new AbortController()
  const abort = () => end.abort()
  if (signal?.aborted) abort()
  signal?.addEventListener('abort', abort)
  let told: string | undefined
  let seen: string | undefined
  let news = Promise.withResolvers<void>()
  let isOver = false
  let refusal: unknown
  const following = followed(open, end.signal, onInterrupted, (version) => {
    told = version
    news.resolve()
  })
    .catch((error: unknown) => {
      refusal = error
    })
    .finally(() => {
      isOver = true
      news.resolve()
    })
  try {
    for (;;) {
      while (!isOver && (told === undefined || told === seen)) {
        news = Promise.withResolvers()
        await news.promise
      }
      if (refusal !== undefined) throw refusal
      if (isOver || told === undefined) return
      const isFirst = seen === undefined
      seen = told
      yield { version: told, isFirst }
    }
  } finally {
    signal?.removeEventListener('abort', abort)
    end.abort()
    await following
  }
}

/** Reads streams, one after another, until the signal. @throws KeyholdError when Keyhold says no */
async function followed(
  open: Open,
  signal: AbortSignal,
  onInterrupted: WatchSettings['onInterrupted'],
  tell: (version: string) => void,
): Promise<void> {
  let failures = 0
  while (!signal.aborted) {
    const startedAt = performance.now()
    let error: KeyholdError | undefined
    try {
      await readStream(open(signal), tell)
    } catch (caught) {
      if (signal.aborted) return
      if (!(caught instanceof KeyholdError) || isFinal(caught)) throw caught
      error = caught
    }
    if (signal.aborted) return
    failures = performance.now() - startedAt > GOOD_MS ? 0 : failures + 1
    const longestMs = Math.min(RETRY_MIN_MS * 2 ** failures, RETRY_MAX_MS)
    // At random, so that thousands who lost one server do not come back at one moment.
    const retryMs = (error?.retryAfterSeconds ?? 0) * 1_000 + longestMs * (0.5 + Math.random() / 2)
    onInterrupted?.({ error, retryMs })
    await wait(retryMs, signal)
  }
}

async function readStream(bytes: AsyncIterable<Uint8Array>, tell: (version: string) => void): Promise<void> {
  let isBegun = false
  for await (const { type, data } of streamEvents(bytes)) {
    // Others may come from a newer server.
    if (type !== 'version') continue
    isBegun = true
    tell(data)
  }
  // Something else than Keyhold answered: its first event comes at once.
  if (!isBegun) throw new KeyholdError('integrity.answer', 'what answered is no stream of changes')
}

/** Keyhold said no, or nothing was asked. A gateway's no is no word of Keyhold's, and it may be there again later. */
function isFinal({ code, status = 0 }: KeyholdError): boolean {
  if (code === 'network.aborted') return true
  if (/^(?:network|integrity)[.]/.test(code)) return false
  return code === 'configuration.invalid' || (status >= 400 && status < 500 && status !== 429)
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done)
  })
}
