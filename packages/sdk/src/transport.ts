import type { Connection } from './connection.ts'
import { KeyholdError, readProblem, SecretNotFoundError } from './error.ts'
import { ATTEMPTS_MAX, isPassing, readRetryAfter, waitMsBeforeRetry } from './retry.ts'
import type { CallSettings } from './route-types.ts'
import type { RouteEntry } from './routes.gen.ts'

export type Fetch = (url: string, init: RequestInit) => Promise<Response>

export interface TransportOptions {
  readonly fetch?: Fetch | undefined
  readonly deadlineMs: number
  readonly signal?: AbortSignal | undefined
  readonly userAgent: string
}

/** The parts of a request, as the routes' types describe them. */
export interface TransportInput extends CallSettings {
  readonly params?: object | undefined
  readonly query?: object | undefined
  readonly body?: unknown
  /** Texts in the body that may not come back out in an error. */
  readonly confidential?: readonly string[] | undefined
  /** The secret that was asked for: a `secret.not_found` then names it. */
  readonly secretName?: string | undefined
}

/**
 * Sends requests and keeps to their deadline.
 *
 * - The deadline covers the whole call: connecting, every attempt, waiting between them, and the body to its end.
 * - Only GET is repeated, and only when the connection failed or the answer was 429, 502, 503 or 504. A create or an
 *   update whose answer was lost may have been done, so repeating it is the caller's decision.
 * - No redirect is followed: the credential goes to the address that was configured and to no other.
 */
export class Transport {
  readonly connection: Connection
  readonly #options: TransportOptions
  /** Told of every 401 and 403, before the call fails. */
  readonly #onRefused: () => void

  constructor(connection: Connection, options: TransportOptions, onRefused: () => void) {
    this.connection = connection
    this.#options = options
    this.#onRefused = onRefused
  }

  /**
   * Makes one call and reads its answer.
   *
   * @returns the parsed JSON, the text of a text route, or undefined where the answer has no body
   * @throws KeyholdError
   */
  async call(route: RouteEntry, input: TransportInput): Promise<unknown> {
    const request = this.#request(route, input)
    return withDeadline(this.#deadlineMs(input), [this.#options.signal, input.signal], async (signal) => {
      const response = await this.#successOrThrow(request, input, signal)
      if (response.status === 204) return undefined
      const text = await this.#readText(response, signal)
      if (route.isText) return text
      const answer = parsedJson(text)
      if (answer === undefined) throw notKeyhold(response.status)
      return answer
    })
  }

  /**
   * Makes one call and hands on its body in pieces. The deadline holds for the start and then for each piece, because a
   * long answer is not a stuck one.
   */
  async *stream(route: RouteEntry, input: TransportInput): AsyncGenerator<Uint8Array, void> {
    const request = this.#request(route, input)
    const deadlineMs = this.#deadlineMs(input)
    const signals = [this.#options.signal, input.signal]
    const connectionEnd = new AbortController()
    try {
      const response = await withDeadline(deadlineMs, signals, (signal) => {
        signal.addEventListener('abort', () => connectionEnd.abort())
        deadlines.set(connectionEnd.signal, performance.now() + deadlineMs)
        return this.#successOrThrow(request, input, connectionEnd.signal)
      })
      const reader = response.body?.getReader()
      if (reader === undefined) return
      for (;;) {
        const piece = await withDeadline(deadlineMs, signals, async () => {
          try {
            return await reader.read()
          } catch (error) {
            throw unreachable(error)
          }
        })
        if (piece.done) return
        yield piece.value
      }
    } finally {
      connectionEnd.abort()
    }
  }

  #deadlineMs(input: TransportInput): number {
    return input.deadlineMs === undefined ? this.#options.deadlineMs : checkedDeadline(input.deadlineMs)
  }

  #request(route: RouteEntry, input: TransportInput): { url: string; init: RequestInit } {
    const headers: Record<string, string> = {
      accept: route.isEventStream ? 'text/event-stream' : route.isText ? 'text/plain' : 'application/json',
      'user-agent': this.#options.userAgent,
    }
    const authorization = this.connection.authorization()
    if (authorization !== undefined && route.caller !== 'anyone') headers.authorization = authorization
    const init: RequestInit = { method: route.method, headers, redirect: 'manual', cache: 'no-store' }
    if (input.body !== undefined) {
      headers['content-type'] = 'application/json'
      init.body = JSON.stringify(input.body)
    }
    return { url: this.connection.url + pathOf(route, input.params) + queryOf(input.query), init }
  }

  async #successOrThrow(
    request: { url: string; init: RequestInit },
    input: TransportInput,
    signal: AbortSignal,
  ): Promise<Response> {
    const isRepeatable = request.init.method === 'GET'
    for (let attempt = 1; ; attempt++) {
      const isLast = !isRepeatable || attempt === ATTEMPTS_MAX
      let response: Response
      try {
        const fetch: Fetch = this.#options.fetch ?? globalThis.fetch
        response = await fetch(request.url, { ...request.init, signal })
      } catch (error) {
        if (isLast || signal.aborted) throw unreachable(error)
        await wait(waitMsBeforeRetry(attempt, undefined), signal)
        continue
      }
      if (response.status >= 200 && response.status < 300) return response
      if (response.type === 'opaqueredirect' || (response.status >= 300 && response.status < 400)) {
        await response.body?.cancel().catch(ignored)
        throw redirected(response, request.url)
      }
      if (response.status === 401 || response.status === 403) this.#onRefused()
      const refusal = await this.#readRefusal(response, input, signal)
      if (isLast || !isPassing(response.status)) throw refusal
      const waitMs = waitMsBeforeRetry(attempt, refusal.retryAfterSeconds)
      // Waiting until the deadline only to fail with it would hide what the server said.
      if (waitMs >= remainingMs(signal)) throw refusal
      await wait(waitMs, signal)
    }
  }

  async #readRefusal(response: Response, input: TransportInput, signal: AbortSignal): Promise<KeyholdError> {
    // The status alone says enough when the body is lost.
    const text = await this.#readText(response, signal, PROBLEM_BYTES_MAX).catch((error: unknown) => {
      if (signal.aborted) throw error
      return ''
    })
    const { status } = response
    const retryAfterSeconds = readRetryAfter(response.headers.get('retry-after'), Date.now())
    const confidential = [...this.connection.confidential(), ...(input.confidential ?? [])]
    const problem = readProblem(parsedJson(text), confidential)
    if (problem === undefined) {
      if (!isPassing(status)) return notKeyhold(status)
      const message = `only a gateway answered, with status ${status}`
      return new KeyholdError('network.unreachable', message, { status, retryAfterSeconds })
    }
    const facts = { ...problem, status, retryAfterSeconds }
    if (problem.code === 'secret.not_found' && input.secretName !== undefined) {
      return new SecretNotFoundError(input.secretName, facts)
    }
    const message = problem.detail === undefined ? problem.title : `${problem.title}: ${problem.detail}`
    return new KeyholdError(problem.code, message, facts)
  }

  async #readText(response: Response, signal: AbortSignal, bytesMax = ANSWER_BYTES_MAX): Promise<string> {
    const reader = response.body?.getReader()
    if (reader === undefined) return ''
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
    const parts: string[] = []
    let bytes = 0
    try {
      for (;;) {
        const piece = await reader.read()
        if (piece.done) break
        bytes += piece.value.byteLength
        if (bytes > bytesMax) {
          await reader.cancel().catch(ignored)
          throw new KeyholdError('integrity.answer', "the answer is larger than any of Keyhold's")
        }
        parts.push(decoder.decode(piece.value, { stream: true }))
      }
    } catch (error) {
      if (error instanceof KeyholdError || signal.aborted) throw error
      throw unreachable(error)
    }
    parts.push(decoder.decode())
    return parts.join('')
  }
}

/** @throws KeyholdError `configuration.invalid` */
export function checkedDeadline(deadlineMs: number): number {
  if (!Number.isFinite(deadlineMs) || deadlineMs <= 0 || deadlineMs > DEADLINE_MS_MAX) {
    throw new KeyholdError('configuration.invalid', `deadlineMs is not between 1 and ${DEADLINE_MS_MAX}`)
  }
  return deadlineMs
}

function notKeyhold(status: number): KeyholdError {
  return new KeyholdError(
    'integrity.answer',
    `what answered with status ${status} is not Keyhold; check the URL`,
    { status },
  )
}

function redirected(response: Response, requestUrl: string): KeyholdError {
  const location = URL.parse(response.headers.get('location') ?? '', requestUrl)
  // The origin only: a path or query may carry anything.
  const target = location === null || location.origin === 'null' ? '' : ` to ${location.origin}`
  return new KeyholdError(
    'network.redirected',
    `the address redirects${target}, which is not followed; set the URL to where Keyhold is`,
    { status: response.status === 0 ? undefined : response.status },
  )
}

/** Takes the system's code only: the messages of fetch quote headers. */
function unreachable(error: unknown): KeyholdError {
  if (error instanceof KeyholdError) return error
  let code: string | undefined
  for (let cause: unknown = error, depth = 0; cause instanceof Error && depth < 4; depth++) {
    const one = (cause as { code?: unknown }).code
    if (typeof one === 'string' && /^[A-Z][A-Z0-9_]{2,60}$/.test(one)) code = one
    cause = cause.cause
  }
  const reason = code === undefined ? '' : ` (${code})`
  return new KeyholdError('network.unreachable', `Keyhold cannot be reached${reason}`)
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Its error quotes the text, which may be a value.
    return undefined
  }
}

function pathOf(route: RouteEntry, params: object | undefined): string {
  return route.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const given: unknown = (params as Record<string, unknown> | undefined)?.[name]
    const value = Number.isSafeInteger(given) ? String(given) : given
    // "." and ".." would be another path: URL takes them away even when they are percent-encoded.
    if (
      typeof value !== 'string' ||
      value === '' ||
      value === '.' ||
      value === '..' ||
      !value.isWellFormed()
    ) {
      throw new KeyholdError('request.invalid', `${name} is not valid`)
    }
    return encodeURIComponent(value)
  })
}

function queryOf(query: object | undefined): string {
  const pairs = Object.entries(query ?? {}).filter(([, value]) => value !== undefined && value !== null)
  if (pairs.length === 0) return ''
  return `?${new URLSearchParams(pairs.map(([name, value]) => [name, String(value)]))}`
}

/** When a signal made by {@link withDeadline} will fire. */
const deadlines = new WeakMap<AbortSignal, number>()

const remainingMs = (signal: AbortSignal): number =>
  (deadlines.get(signal) ?? Number.POSITIVE_INFINITY) - performance.now()

/** Runs the work until it ends, the time is over, or a caller gives up; even work that ignores its signal. */
export async function withDeadline<Result>(
  deadlineMs: number,
  signals: readonly (AbortSignal | undefined)[],
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const controller = new AbortController()
  const { promise: end, reject } = Promise.withResolvers<never>()
  const stop = (error: KeyholdError) => {
    // First, so that this and not the aborted work's own error is what the race ends with.
    reject(error)
    controller.abort(error)
  }
  const abort = () => stop(new KeyholdError('network.aborted', 'the call was given up'))
  const timer = setTimeout(
    () => stop(new KeyholdError('network.deadline', `Keyhold did not answer within ${deadlineMs} ms`)),
    deadlineMs,
  )
  deadlines.set(controller.signal, performance.now() + deadlineMs)
  try {
    end.catch(ignored)
    for (const signal of signals) {
      if (signal?.aborted) abort()
      signal?.addEventListener('abort', abort)
    }
    return await Promise.race([end, controller.signal.aborted ? end : work(controller.signal)])
  } catch (error) {
    throw controller.signal.aborted ? controller.signal.reason : error
  } finally {
    clearTimeout(timer)
    for (const signal of signals) signal?.removeEventListener('abort', abort)
  }
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, ms)
  const abort = () => {
    clearTimeout(timer)
    reject(signal.reason)
  }
  signal.addEventListener('abort', abort)
  return promise.finally(() => signal.removeEventListener('abort', abort))
}

/** For failures of cleaning up, when the real failure is already on its way. */
const ignored = () => undefined

/** One hour: also what fits into a timer. */
const DEADLINE_MS_MAX = 3_600_000

/** 1,000 secrets of 24 KiB, and room for files; far below what would end the process. */
const ANSWER_BYTES_MAX = 256 * 1024 * 1024
const PROBLEM_BYTES_MAX = 64 * 1024
